// What must hold for every policy, request and history: a further reason against a release never helps it, a policy that
// passes for no looser lets nothing more through, and neither order nor repetition decides anything.

import ConfigurationFile
import ContactModel
import PurposePolicy
import Testing

@Suite("Properties of the decision")
struct PropertyTests {
    // MARK: Deny beats allow

    @Test("no fact made worse turns a denial into a permit")
    func worseFacts() throws {
        var random = SeededGenerator(for: "worseFacts")
        let policies = [try Fixture.catalogue(), try PolicyDraft.withEverything().policy()]
        var permits = 0
        var turned = 0
        for number in 0..<500 {
            let policy = policies[number % policies.count]
            let usual = ReleaseCase(for: policy, about: nil, &random)
            let before = policy.outcome(usual).form
            if before != nil { permits += 1 }
            for worsening in Worsening.allCases {
                var worse = usual
                worsening.spoil(&worse, &random)
                let after = policy.outcome(worse).form
                if before != nil, after == nil { turned += 1 }
                guard after == nil || before != nil else {
                    Issue.record("\(usual.request.scope.purpose) is denied, and permitted after \(worsening)")
                    return
                }
            }
        }
        #expect(permits > 50 && turned > 500)
    }

    @Test(
        "a stop flag denies whatever else speaks for a release, unless the purpose is exempt or answers a later request"
    )
    func stopFlag() throws {
        var random = SeededGenerator(for: "stopFlag")
        let policies = [
            try Fixture.catalogue(), try Fixture.demonstration(), try PolicyDraft.withEverything().policy(),
        ]
        var denied = 0
        for number in 0..<3000 {
            let policy = policies[number % policies.count]
            var stopped = ReleaseCase(for: policy, about: nil, &random)
            guard let rule = policy.purposes[stopped.request.scope.purpose], rule.stopFlag != .exempt,
                policy.outcome(stopped).form != nil
            else { continue }
            // Said at any time, by a clock that may be ahead.
            var said = stopped.now.adding(seconds: random.number(-40 * 86_400...86_400))
            if rule.stopFlag == .newerReference {
                said = max(said, stopped.facts.reference?.recorded ?? said)
            }
            stopped.facts.stopped = said
            denied += 1
            guard policy.outcome(stopped) == .deny(.stopFlag) else {
                Issue.record("\(stopped.request.scope.purpose) does not stop")
                return
            }
        }
        #expect(denied > 200)
    }

    @Test("half past eleven at night denies every purpose that any hours bind, in every zone of the contact")
    func night() throws {
        var random = SeededGenerator(for: "night")
        let policies = [try Fixture.catalogue(), try PolicyDraft.withEverything().policy()]
        var denied = 0
        for number in 0..<3000 {
            let policy = policies[number % policies.count]
            var late = ReleaseCase(for: policy, about: nil, &random)
            guard let rule = policy.purposes[late.request.scope.purpose], rule.hours != .any,
                let zone = random.pick(late.facts.zones ?? []), policy.outcome(late).form != nil
            else { continue }
            let midnight = zone.start(of: zone.localTime(at: late.now).day.adding(days: 1))
            late.now = midnight.adding(seconds: -1800)
            denied += 1
            guard policy.outcome(late).form == nil else {
                Issue.record("\(late.request.scope.purpose) is permitted at \(late.now) in \(zone.name)")
                return
            }
        }
        #expect(denied > 200)
    }

    // MARK: A tighter policy

    @Test(
        "a tighter policy permits nothing more and in no higher form, reports no loosening, and the way back does"
    )
    func tighterPolicies() throws {
        var random = SeededGenerator(for: "tighterPolicies")
        var permits = 0
        var denials = 0
        for _ in 0..<18 {
            var draft = try PolicyDraft.random(&random)
            let first = try draft.policy()
            var wider = first
            for _ in 0..<6 {
                let change = draft.tighten(&random)
                let tighter = try draft.policy()
                let forth = tighter.differences(from: wider)
                guard !forth.isEmpty, !forth.loosen else {
                    Issue.record("\(change.name) passes for a loosening: \(forth)")
                    return
                }
                guard wider.differences(from: tighter).loosen else {
                    Issue.record("\(change.name), taken back, passes for no loosening")
                    return
                }
                guard !tighter.differences(from: first).loosen else {
                    Issue.record("\(change.name), after others, passes for a loosening")
                    return
                }
                for _ in 0..<60 {
                    let one = ReleaseCase(for: wider, about: change.purpose, &random)
                    let (new, old) = (tighter.outcome(one).form, wider.outcome(one).form)
                    if new == nil, old != nil { denials += 1 }
                    guard let new else { continue }
                    permits += 1
                    guard let old, new <= old, let widest = first.outcome(one).form, new <= widest else {
                        Issue.record("\(change.name) lets \(one.request.scope.purpose) through as \(new)")
                        return
                    }
                }
                wider = tighter
            }
        }
        #expect(permits > 500 && denials > 100)
    }

    @Test("no change whatever lets more through without being reported as loosening")
    func unreportedChanges() throws {
        var random = SeededGenerator(for: "unreportedChanges")
        var compared = 0
        var permits = 0
        var draft = try PolicyDraft.random(&random)
        var old = try draft.policy()
        for step in 0..<90 {
            if step % 15 == 0 {
                draft = try PolicyDraft.random(&random)
                old = try draft.policy()
            }
            let before = draft
            let change = draft.change(&random)
            // Some combinations cannot be meant, and the reader refuses them.
            guard let new = try? draft.policy() else {
                draft = before
                continue
            }
            for (from, to) in [(old, new), (new, old)]
            where !to.differences(from: from).loosen {
                compared += 1
                for _ in 0..<60 {
                    let one = ReleaseCase(for: to, about: change.purpose, &random)
                    guard let now = to.outcome(one).form else { continue }
                    permits += 1
                    guard let then = from.outcome(one).form, now <= then else {
                        Issue.record("\(change.name) lets \(one.request.scope.purpose) through as \(now)")
                        return
                    }
                }
            }
            old = new
        }
        #expect(compared > 10 && permits > 100)
    }

    @Test("a lower form is no tightening where views and calls are counted apart, or where a key was wanted")
    func lowerForm() throws {
        func policy(_ form: String) throws -> Policy {
            try Fixture.demonstration(
                replacing: """
                        actions: {dial: reveal, send_template: reveal, display: mask}
                        fields: [phone, name]
                        hours: any
                        caps: none
                    """,
                with: """
                        actions: {dial: \(form), send_template: reveal, display: mask}
                        fields: [phone, name]
                        hours: any
                        caps: [{releases: 1, days: 1}]
                    """)
        }
        let (mask, seal, reveal) = (try policy("mask"), try policy("seal"), try policy("reveal"))
        var called = ReleaseCase(
            request: Fixture.request(), facts: Fixture.facts(), usage: UsageFacts(), now: Fixture.now)
        called.facts.releases = [
            PastRelease(
                time: Fixture.now, purpose: Fixture.relay, isMask: false, isApproach: true,
                isSameNumber: true,
                isSameCase: true, isSameReference: false)
        ]
        var bare = called
        bare.facts.releases = []
        for (old, new, one) in [(reveal, mask, called), (seal, mask, bare)] {
            let isMore = new.outcome(one).form != nil && old.outcome(one).form == nil
            #expect(!isMore || new.differences(from: old).loosen)
        }
        #expect(!seal.differences(from: reveal).loosen)
    }

    @Test("a cap without end is no tightening of one by days for a contact whose zone is not known")
    func capWithoutZone() throws {
        func policy(_ cap: String) throws -> Policy {
            try Fixture.demonstration(
                replacing: "name]\n    hours: any\n    caps: none",
                with: "name]\n    hours: any\n    caps: [{\(cap)}]")
        }
        let (days, inAll) = (try policy("releases: 1, days: 7"), try policy("releases: 1"))
        var facts = Fixture.facts()
        facts.zones = nil
        let isMore = inAll.outcome(facts: facts).form != nil && days.outcome(facts: facts).form == nil
        #expect(!isMore || inAll.differences(from: days).loosen)
    }

    // MARK: Order

    @Test("the order of consents, releases and zones does not decide")
    func orderOfFacts() throws {
        var random = SeededGenerator(for: "orderOfFacts")
        let policy = try PolicyDraft.withEverything().policy()
        var permits = 0
        for _ in 0..<2500 {
            let one = ReleaseCase(for: policy, about: nil, &random)
            var other = one
            other.facts.consents.shuffle(using: &random)
            other.facts.releases.shuffle(using: &random)
            other.facts.zones?.shuffle(using: &random)
            let expected = policy.outcome(one)
            if expected.form != nil { permits += 1 }
            guard policy.outcome(other).isAllowed(as: expected) else {
                Issue.record("\(one.request.scope.purpose): another order, another decision")
                return
            }
        }
        #expect(permits > 200)
    }

    @Test("a policy file in another order has the same version, no differences, and decides alike")
    func orderOfFile() throws {
        var random = SeededGenerator(for: "orderOfFile")
        var permits = 0
        for _ in 0..<20 {
            let draft = try PolicyDraft.random(&random)
            let policy = try draft.policy()
            let permuted = try draft.policy(shuffledBy: &random)
            #expect(permuted.version == policy.version && permuted.canonicalJSON == policy.canonicalJSON)
            #expect(permuted.differences(from: policy).isEmpty)
            for _ in 0..<100 {
                let one = ReleaseCase(for: policy, about: nil, &random)
                let expected = policy.outcome(one)
                if expected.form != nil { permits += 1 }
                guard permuted.outcome(one).isAllowed(as: expected) else {
                    Issue.record("\(one.request.scope.purpose): another order, another decision")
                    return
                }
            }
        }
        #expect(permits > 200)
    }

    @Test("a draft is the policy that it was made from")
    func drafts() throws {
        let catalogue = try Fixture.catalogue()
        #expect(try PolicyDraft(catalogue).policy().version == catalogue.version)
        let demonstration = try Fixture.demonstration()
        #expect(try PolicyDraft(demonstration).policy().version == demonstration.version)
    }

    @Test("the reason that the log names does not depend on the order of consents")
    func reasonOfConsents() throws {
        let policy = try Fixture.demonstration(
            replacing: "consent: required\n", with: "consent: required\n      notices: [n_2]\n")
        var (outdated, elsewhere, expired) = (Fixture.consent(), Fixture.consent(), Fixture.consent())
        outdated.notice = Reference("n_1")!
        elsewhere.notice = Reference("n_2")!
        elsewhere.recipients = [Reference("ag_south")!]
        expired.expires = Fixture.now
        for consents in [[outdated, elsewhere], [expired, outdated], [expired, elsewhere]] {
            var facts = Fixture.facts()
            facts.consents = consents
            let reason = policy.outcome(facts: facts)
            facts.consents.reverse()
            #expect(policy.outcome(facts: facts) == reason)
        }
    }

    @Test("nor on the order of zones")
    func reasonOfZones() throws {
        let policy = try PolicyDraft.withEverything().policy()
        var one = ReleaseCase(
            request: Fixture.request(), facts: Fixture.facts(), usage: UsageFacts(), now: Fixture.now)
        // 2026-04-06, Easter Monday in Sydney, at 09:00 there: a holiday by one clock, too early by the other.
        one.now = Timestamp("2026-04-05T23:00:00Z")!
        one.facts.portfolio = ReleaseCase.australia
        one.facts.consents = [
            ConsentFact(
                purpose: Fixture.relay, notice: Reference("n_1")!, given: Fixture.now, expires: nil,
                withdrawn: nil)
        ]
        one.facts.zones = ["Australia/Sydney", "Asia/Shanghai"].compactMap(TimeZoneDatabase.system.zone)
        one.request.scope.purpose = Purpose("free.hours")!
        let reason = policy.outcome(one)
        #expect(reason == .deny(.holiday) || reason == .deny(.outsideHours))
        one.facts.zones?.reverse()
        #expect(policy.outcome(one) == reason)
    }

    @Test("nor on the order of caps in the file")
    func reasonOfCaps() throws {
        func policy(_ caps: String) throws -> Policy {
            try Fixture.demonstration(
                replacing: "name]\n    hours: any\n    caps: none",
                with: "name]\n    hours: any\n    caps: [\(caps)]")
        }
        let first = try policy("{releases: 1}, {releases: 1, days: 1}")
        let second = try policy("{releases: 1, days: 1}, {releases: 1}")
        #expect(first.version == second.version)
        var facts = Fixture.facts()
        facts.zones = nil
        facts.releases = [
            PastRelease(
                time: Fixture.now, purpose: Fixture.relay, isMask: false, isApproach: true,
                isSameNumber: true,
                isSameCase: true, isSameReference: false)
        ]
        #expect(first.outcome(facts: facts) == second.outcome(facts: facts))
    }

    // MARK: Pure

    @Test(
        "equal arguments give equal decisions, whatever was decided between; the explanation's first denial is the decision's"
    )
    func pure() throws {
        var random = SeededGenerator(for: "pure")
        let policies = [try Fixture.catalogue(), try PolicyDraft.withEverything().policy()]
        var earlier: [(policy: Policy, one: ReleaseCase, outcome: Outcome)] = []
        var permits = 0
        for number in 0..<2500 {
            let policy = policies[number % policies.count]
            let one = ReleaseCase(for: policy, about: nil, &random)
            let outcome = policy.outcome(one)
            earlier.append((policy, one, outcome))
            let verdicts = policy.explain(one.request, facts: one.facts, usage: one.usage, at: one.now)
            guard verdicts.map(\.rule) == DecisionRule.allCases else {
                Issue.record("an explanation that does not name every rule")
                return
            }
            let against = verdicts.map(\.verdict).first { $0 != .passed }
            let expected: RuleVerdict? = if case .deny(let code) = outcome { .denied(code) } else { nil }
            if expected == nil { permits += 1 }
            guard against == expected else {
                Issue.record("decided \(outcome), explained \(String(describing: against))")
                return
            }
        }
        for (policy, one, outcome) in earlier.reversed() {
            guard policy.outcome(one) == outcome else {
                Issue.record("\(one.request.scope.purpose): decided again, decided otherwise")
                return
            }
        }
        #expect(permits > 200)
    }
}

// MARK: Random choices

extension SeededGenerator {
    /// A generator for one test, whose seed is printed.
    fileprivate init(for test: String) {
        self.init(state: .random(in: .min ... .max))
        print("PurposePolicyTests.\(test) seed \(state)")
    }

    fileprivate mutating func number(_ range: ClosedRange<Int64>) -> Int64 {
        .random(in: range, using: &self)
    }

    /// True once in so many times.
    fileprivate mutating func once(in times: Int) -> Bool { Int.random(in: 0..<times, using: &self) == 0 }

    fileprivate mutating func pick<Element>(_ list: [Element]) -> Element? {
        list.randomElement(using: &self)
    }

    fileprivate mutating func pick<Element>(_ first: Element, _ others: Element...) -> Element {
        let index = Int.random(in: 0...others.count, using: &self)
        return index == 0 ? first : others[index - 1]
    }

    /// The usual, save once in twenty times.
    fileprivate mutating func mostly<Element>(_ usual: Element, _ others: Element...) -> Element {
        once(in: 20) ? pick(others) ?? usual : usual
    }

    /// Some of a list, at least one if there is one, in any order.
    fileprivate mutating func some<Element>(of list: [Element]) -> [Element] {
        guard !list.isEmpty else { return [] }
        return Array(list.shuffled(using: &self).prefix(Int.random(in: 1...list.count, using: &self)))
    }
}

extension [PolicyDifference] {
    /// Whether any of them loosens.
    fileprivate var loosen: Bool { contains { $0.loosens } }
}

extension Outcome {
    /// The form of a permit, `nil` for a denial.
    fileprivate var form: ReleaseForm? {
        if case .permit(let form, _, _, _) = self { form } else { nil }
    }

    /// Whether both are denials, or the same permit.
    fileprivate func isAllowed(as other: Outcome) -> Bool {
        if case .deny = self, case .deny = other { true } else { self == other }
    }
}

// MARK: Random cases

/// All that one decision rests on.
private struct ReleaseCase {
    var request: ReleaseRequest
    var facts: ContactFacts
    var usage: UsageFacts
    var now: Timestamp

    static let america = Reference("pf_us")!
    static let australia = Reference("pf_au")!
    static let notice = Reference("n_1")!
    private static let zoneSets: [[TimeZoneRules]] = [
        ["Asia/Shanghai"], ["America/New_York", "America/Los_Angeles"],
        ["Australia/Sydney", "Asia/Shanghai"],
        ["Europe/London"],
    ].map { $0.compactMap(TimeZoneDatabase.system.zone) }

    init(request: ReleaseRequest, facts: ContactFacts, usage: UsageFacts, now: Timestamp) {
        self.request = request
        self.facts = facts
        self.usage = usage
        self.now = now
    }

    /// A case that a policy mostly permits, or nearly.
    /// - Parameter focus: the purpose that three of four cases are about.
    init(for policy: Policy, about focus: Purpose?, _ random: inout SeededGenerator) {
        self.init(
            request: Fixture.request(), facts: Fixture.facts(), usage: UsageFacts(), now: Fixture.now)
        let purposes = policy.purposes.keys.sorted { $0.text < $1.text }
        var purpose = random.pick(purposes) ?? Fixture.relay
        if let focus, !random.once(in: 4) { purpose = focus }
        request.scope.purpose = random.once(in: 50) ? Purpose("collect.debt")! : purpose
        guard let rule = policy.purposes[purpose] else { return }
        chooseTime(&random)
        chooseScope(rule, &random)
        chooseFacts(rule, purpose, &random)
        chooseReleases(policy, rule, purposes, &random)
        chooseUsage(policy, &random)
    }

    private mutating func chooseTime(_ random: inout SeededGenerator) {
        let zones = random.once(in: 3) ? random.pick(Self.zoneSets) ?? [] : Self.zoneSets[0]
        let day = CalendarDay("2026-03-01")!.adding(days: Int(random.number(0...300)))
        let minutes = random.once(in: 4) ? random.number(0...1439) : random.number(600...1079)
        now = (zones.first ?? Fixture.shanghai).start(of: day).adding(seconds: minutes * 60)
        if random.once(in: 3) { now = Timestamp(milliseconds: now.milliseconds - 1) }
        facts.zones = random.mostly(zones, nil, [])
        if random.once(in: 12) { facts.preferredWindow = random.pick(600..<1200, 0..<600, 0..<0) }
    }

    private mutating func chooseScope(_ rule: PurposeRule, _ random: inout SeededGenerator) {
        let actions = rule.actions.keys.sorted { $0.text < $1.text }
        request.scope.action = random.mostly(random.pick(actions) ?? Fixture.dial, Action("visit")!)
        request.scope.fields = random.mostly(
            rule.fields.isEmpty ? [] : random.some(of: rule.fields), [], [.relation], [.phone, .phone])
        request.scope.stage = random.mostly(random.pick(rule.stages), nil, .closed, .preDue, .visit)
        var accepted: [Precondition] = []
        for case .precondition(let codes) in rule.needs { accepted = codes }
        request.scope.precondition = random.mostly(random.pick(accepted), nil, .deceased, .agreedScenario)
        request.scope.reference = random.mostly(Reference("rf_1")!, nil)
        request.scope.clientKind = random.once(in: 4) ? .desk : random.pick(.gateway, .service)
        request.scope.clientRoles = random.mostly([.collection, .complaints, .privacy], [.collection], [])
        let kind: ActorKind = random.once(in: 6) ? random.pick(.ivr, .aiAgent) : .human
        request.scope.actor = Actor(kind: kind, id: Reference("u_1")!)
        request.scope.hasEncryptionKey = !random.once(in: 4)
        request.scope.clientPurposes = random.mostly(nil, [], [Fixture.relay])
        request.clientPortfolios = random.mostly(nil, [], [Fixture.portfolio])
    }

    private mutating func chooseFacts(
        _ rule: PurposeRule, _ purpose: Purpose, _ random: inout SeededGenerator
    ) {
        func ago(_ days: Int64) -> Timestamp {
            now.adding(seconds: -random.number(0...days * 86_400))
        }
        facts.state = random.mostly(.active, .restricted, .suspended, .erased)
        facts.stopped = random.mostly(nil, now, ago(20))
        facts.generation = UInt64(random.number(1...9))
        facts.portfolio = random.pick(
            Fixture.portfolio, Fixture.portfolio, Self.america, Self.australia)
        facts.verification = random.mostly(.verified, .unverified, .failed)
        facts.verifiedAt = random.mostly(ago(10), nil, ago(400), now.adding(seconds: 1))
        let expiry = random.pick(nil, now.adding(seconds: random.number(1...99)))
        facts.authorisation = random.mostly(
            AuthorisationFact(given: ago(100), expires: expiry, withdrawn: nil), nil,
            AuthorisationFact(given: ago(100), expires: now, withdrawn: nil))
        var wanted: ReferenceKind = random.pick(.offer, .request, .complaint)
        for case .reference(let kind, _) in rule.needs { wanted = kind }
        facts.reference = random.mostly(
            ReferenceFact(kind: wanted, recorded: ago(3)), nil, ReferenceFact(kind: .offer, recorded: now),
            ReferenceFact(kind: wanted, recorded: ago(60)),
            ReferenceFact(kind: wanted, recorded: now.adding(seconds: 1)))
        facts.isApproved = random.mostly(true, false)
        facts.consents = []
        if !random.once(in: 12) {
            facts.consents.append(
                ConsentFact(
                    purpose: purpose, notice: Self.notice, given: ago(30), expires: nil, withdrawn: nil))
        }
        for _ in 0..<(random.once(in: 3) ? random.number(1...3) : 0) {
            facts.consents.append(
                ConsentFact(
                    purpose: random.pick(purpose, Fixture.relay, Fixture.notice),
                    notice: random.pick(nil, Self.notice, Reference("n_2")!),
                    recipients: random.pick(nil, [], [request.scope.agency], [Reference("ag_south")!]),
                    given: ago(60), expires: random.pick(nil, nil, now, now.adding(seconds: 9)),
                    withdrawn: random.mostly(nil, ago(60), now.adding(seconds: 9))))
        }
        facts.consents.shuffle(using: &random)
    }

    private mutating func chooseReleases(
        _ policy: Policy, _ rule: PurposeRule, _ purposes: [Purpose], _ random: inout SeededGenerator
    ) {
        guard random.once(in: 2) else { return }
        let isMask = request.scope.clientKind == .desk || rule.actions[request.scope.action] == .mask
        for _ in 0..<random.number(1...4) {
            let purpose = random.once(in: 3) ? random.pick(purposes) ?? Fixture.relay : request.scope.purpose
            let minutes = random.once(in: 2) ? random.number(0...1500) : random.number(0...60_000)
            var release = PastRelease(
                time: now.adding(seconds: -minutes * 60), purpose: purpose,
                isMask: random.once(in: 4) ? !isMask : isMask,
                isApproach: policy.purposes[purpose]?.isUnderFrequencyCeiling ?? true,
                isSameNumber: !random.once(in: 3), isSameCase: !random.once(in: 3),
                isSameReference: !random.once(in: 3))
            if random.once(in: 6) { release.conversation = release.time }
            facts.releases.append(release)
        }
    }

    private mutating func chooseUsage(_ policy: Policy, _ random: inout SeededGenerator) {
        usage.requests = random.mostly(1, policy.limits.requestsPerMinute ?? 1, 1_000_001)
        usage.requestsForPurpose = random.mostly(1, random.number(1...100), 1_000_001)
        usage.poorOutcomes = random.mostly(0, 1, 2, 3, 99)
        let few = UsageFacts.Contacts(actor: 1, client: 1, agency: 1)
        var most = few
        most.actor = policy.limits.contactsPerActor ?? 1
        most.client = policy.limits.contactsPerClient ?? 1
        most.agency = policy.limits.contactsPerAgency ?? 1
        usage.contacts = random.mostly(few, most, nil)
    }
}

extension Policy {
    fileprivate func outcome(_ one: ReleaseCase) -> Outcome {
        outcome(one.request, facts: one.facts, usage: one.usage, at: one.now)
    }
}

// MARK: What speaks against a release

/// One further reason against a release.
private enum Worsening: CaseIterable {
    case stop, laterStop, consentWithdrawn, consentWithdrawnAhead, consentRemoved, allConsentsRemoved
    case consentExpired, consentForNobody, consentWithoutNotice
    case suspended, restricted, erased, otherContact
    case releaseOfNumber, releaseOfCase, releaseOfNumberAndCase, releaseOfReference, conversation
    case requests, requestsForPurpose, poorOutcomes, actorContacts, clientContacts, agencyContacts, noDay
    case authorisationWithdrawn, authorisationExpired, authorisationRemoved, authorisationAhead
    case referenceOlder, referenceAhead, referenceRemoved, referenceNotGiven
    case verificationFailed, verificationOlder, verificationUndated
    case notApproved, zoneUnknown, noZone, furtherZone, preferredWindow
    case noRole, noPurposes, noPortfolios, noPrecondition, noKey, fieldTwice, otherAction

    func spoil(_ one: inout ReleaseCase, _ random: inout SeededGenerator) {
        switch self {
        case .stop, .laterStop, .consentWithdrawn, .consentWithdrawnAhead, .consentRemoved,
            .allConsentsRemoved, .consentExpired, .consentForNobody, .consentWithoutNotice:
            spoilWill(&one, &random)
        case .suspended: one.facts.state = .suspended
        case .restricted: one.facts.state = .restricted
        case .erased: one.facts.state = .erased
        case .otherContact: one.facts.contact = Fixture.otherContact
        case .releaseOfNumber, .releaseOfCase, .releaseOfNumberAndCase, .releaseOfReference, .conversation:
            one.facts.releases.append(release(one, &random))
        case .requests: one.usage.requests += random.number(1...2_000_000)
        case .requestsForPurpose: one.usage.requestsForPurpose += random.number(1...2_000_000)
        case .poorOutcomes: one.usage.poorOutcomes += random.number(1...9)
        case .actorContacts: one.usage.contacts?.actor += random.number(1...2000)
        case .clientContacts: one.usage.contacts?.client += random.number(1...2000)
        case .agencyContacts: one.usage.contacts?.agency += random.number(1...2000)
        case .noDay: one.usage.contacts = nil
        case .authorisationWithdrawn:
            one.facts.authorisation?.withdrawn = one.now.adding(seconds: random.number(-99...99))
        case .authorisationExpired:
            one.facts.authorisation?.expires = one.now.adding(seconds: random.number(-99...0))
        case .authorisationRemoved: one.facts.authorisation = nil
        case .authorisationAhead: one.facts.authorisation?.given = one.now.adding(seconds: 1)
        case .referenceOlder:
            // One that lies ahead of the clock is not on record yet: older, it would be.
            if let recorded = one.facts.reference?.recorded, recorded <= one.now {
                one.facts.reference?.recorded = recorded.adding(seconds: -random.number(1...20 * 86_400))
            }
        case .referenceAhead: one.facts.reference?.recorded = one.now.adding(seconds: random.number(1...99))
        case .referenceRemoved: one.facts.reference = nil
        case .referenceNotGiven: one.request.scope.reference = nil
        case .verificationFailed: one.facts.verification = .failed
        case .verificationOlder:
            if let verified = one.facts.verifiedAt, verified <= one.now {
                one.facts.verifiedAt = verified.adding(seconds: -random.number(1...400 * 86_400))
            }
        case .verificationUndated: one.facts.verifiedAt = nil
        case .notApproved: one.facts.isApproved = false
        case .zoneUnknown: one.facts.zones = nil
        case .noZone: one.facts.zones = []
        case .furtherZone:
            guard let zones = one.facts.zones, !zones.isEmpty,
                let zone = ["Asia/Tokyo", "America/New_York", "Pacific/Apia"].compactMap(
                    TimeZoneDatabase.system.zone
                ).randomElement(using: &random)
            else { return }
            one.facts.zones = ([zone] + zones).shuffled(using: &random)
        case .preferredWindow:
            let window = one.facts.preferredWindow ?? 0..<1440
            one.facts.preferredWindow = window.clamped(to: random.pick(0..<0, 600..<660, 700..<1440))
        case .noRole: one.request.scope.clientRoles = []
        case .noPurposes: one.request.scope.clientPurposes = []
        case .noPortfolios: one.request.clientPortfolios = []
        case .noPrecondition: one.request.scope.precondition = nil
        case .noKey: one.request.scope.hasEncryptionKey = false
        case .fieldTwice: one.request.scope.fields += [.phone, .phone]
        case .otherAction: one.request.scope.action = Action("visit")!
        }
    }

    /// What the contact wants.
    private func spoilWill(_ one: inout ReleaseCase, _ random: inout SeededGenerator) {
        if self == .stop {
            one.facts.stopped = one.facts.stopped ?? one.now.adding(seconds: -random.number(0...99 * 86_400))
        }
        if self == .laterStop {
            one.facts.stopped = max(
                one.facts.stopped ?? one.now, one.now.adding(seconds: random.number(0...99)))
        }
        guard let index = one.facts.consents.indices.randomElement(using: &random) else { return }
        let consent = one.facts.consents[index]
        switch self {
        case .consentWithdrawn where consent.withdrawn == nil:
            one.facts.consents[index].withdrawn = consent.given.adding(seconds: random.number(0...9 * 86_400))
        case .consentWithdrawnAhead:
            one.facts.consents[index].withdrawn = one.now.adding(seconds: random.number(99...999))
        case .consentRemoved where consent.withdrawn == nil: one.facts.consents.remove(at: index)
        // Without the withdrawals too it would be as if nobody had ever said no.
        case .allConsentsRemoved: one.facts.consents.removeAll { $0.withdrawn == nil }
        case .consentExpired:
            one.facts.consents[index].expires = min(consent.expires ?? one.now, one.now)
        case .consentForNobody: one.facts.consents[index].recipients = []
        case .consentWithoutNotice: one.facts.consents[index].notice = nil
        default: break
        }
    }

    private func release(_ one: ReleaseCase, _ random: inout SeededGenerator) -> PastRelease {
        PastRelease(
            time: one.now.adding(seconds: -random.number(0...3 * 86_400)), purpose: one.request.scope.purpose,
            isMask: random.once(in: 2), isApproach: true,
            isSameNumber: [.releaseOfNumber, .releaseOfNumberAndCase, .conversation].contains(self),
            isSameCase: [.releaseOfCase, .releaseOfNumberAndCase].contains(self),
            isSameReference: self == .releaseOfReference,
            conversation: self == .conversation ? one.now : nil)
    }
}

// MARK: Policies that a test can change

/// A part of a policy file.
private indirect enum Tree {
    case word(String)
    case number(Int64)
    case list([Tree])
    case map([(key: String, value: Tree)])

    /// As YAML in its flow style, on one line.
    var text: String {
        switch self {
        case .word(let word): "\"" + word + "\""
        case .number(let number): String(number)
        case .list(let list): "[" + list.map(\.text).joined(separator: ", ") + "]"
        case .map(let map): "{" + map.map { "\"\($0.key)\": \($0.value.text)" }.joined(separator: ", ") + "}"
        }
    }

    /// The same with every list and mapping in another order. No list of a policy file has one that means anything.
    func shuffled(_ random: inout SeededGenerator) -> Tree {
        switch self {
        case .word, .number: self
        case .list(let list): .list(list.map { $0.shuffled(&random) }.shuffled(using: &random))
        case .map(let map):
            .map(map.map { ($0.key, $0.value.shuffled(&random)) }.shuffled(using: &random))
        }
    }

    static func words(_ list: [String]) -> Tree { .list(list.map(Tree.word)) }

    static func map<Key>(_ members: [Key: Tree], _ name: (Key) -> String) -> Tree {
        .map(members.map { (key: name($0.key), value: $0.value) }.sorted { $0.key < $1.key })
    }
}

/// One cap.
private struct CapDraft: Hashable {
    var releases: Int64
    var window: Cap.Window
    var scope: Cap.Scope

    init(releases: Int64, window: Cap.Window, scope: Cap.Scope) {
        self.releases = releases
        self.window = window
        self.scope = scope
    }

    init(_ cap: Cap) { self.init(releases: cap.releases, window: cap.window, scope: cap.scope) }

    /// Any cap.
    init(_ random: inout SeededGenerator, hasReference: Bool) {
        let days = random.number(1...30)
        self.init(
            releases: random.number(1...3), window: random.pick(.days(days), .hours(days), .inAll),
            scope: hasReference && random.once(in: 3)
                ? .reference : random.pick(.number, .case, .numberAndCase))
    }

    var tree: Tree {
        var members: [(key: String, value: Tree)] = [
            ("releases", .number(releases)), ("per", .word(scope.rawValue)),
        ]
        switch window {
        case .days(let days): members.append(("days", .number(days)))
        case .hours(let hours): members.append(("hours", .number(hours)))
        case .inAll: break
        }
        return .map(members)
    }

    static func tree(_ caps: [CapDraft]) -> Tree { caps.isEmpty ? .word("none") : .list(caps.map(\.tree)) }

    /// Whether the other, counted over the same kind of window, bounds all that this one does.
    private func isImplied(by other: CapDraft) -> Bool {
        guard scope == other.scope, other.releases <= releases else { return false }
        return switch (window, other.window) {
        case (_, .inAll): true
        case (.days(let own), .days(let others)), (.hours(let own), .hours(let others)): own <= others
        default: false
        }
    }

    /// Adds a cap, or makes one lower or longer, so that something is bound that was not.
    static func tighten(
        _ caps: inout [CapDraft], hasReference: Bool, _ random: inout SeededGenerator
    ) -> Bool {
        var changed = CapDraft(&random, hasReference: hasReference)
        let index = random.once(in: 3) ? nil : caps.indices.randomElement(using: &random)
        if let index {
            changed = caps[index]
            switch (random.once(in: 2), changed.window) {
            case (true, .days(let days)): changed.window = .days(days + random.number(1...9))
            case (true, .hours(let hours)): changed.window = .hours(hours + random.number(1...99))
            default:
                guard changed.releases > 1 else { return false }
                changed.releases -= 1
            }
        }
        guard !caps.contains(where: { changed.isImplied(by: $0) }) else { return false }
        if let index { caps[index] = changed } else { caps.append(changed) }
        return true
    }
}

/// Hours: a window for every day of the week, or any time.
private struct HoursDraft: Hashable {
    /// Monday first; `nil` for any time.
    var windows: [HourWindow?]?

    init(_ hours: Hours) {
        switch hours {
        case .any: windows = nil
        case .weekly(let hours): windows = hours.windows
        }
    }

    /// Any hours.
    init(_ random: inout SeededGenerator) {
        guard !random.once(in: 4) else {
            windows = nil
            return
        }
        let window = HoursDraft.window(&random)
        windows = [HourWindow?](repeating: window, count: 7)
        if random.once(in: 3) {
            windows?[Int(random.number(0...6))] = random.pick(nil, HoursDraft.window(&random))
        }
    }

    private static func window(_ random: inout SeededGenerator) -> HourWindow? {
        window(
            Int(random.number(6...11)) * 60 + Int(random.number(0...59)), Int(random.number(15...23)) * 60,
            isInclusive: random.once(in: 2))
    }

    private static func window(_ opens: Int, _ closes: Int, isInclusive: Bool) -> HourWindow? {
        func clock(_ minutes: Int) -> String {
            [minutes / 60, minutes % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
        }
        return HourWindow(clock(opens) + "-" + clock(closes) + (isInclusive ? " inclusive" : ""))
    }

    var tree: Tree {
        guard let windows else { return .word("any") }
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        return .map(zip(days, windows).map { ($0, .word($1?.description ?? "none")) })
    }

    /// Closes a day, or opens it later or closes it earlier.
    mutating func tighten(_ random: inout SeededGenerator) -> Bool {
        guard let old = windows else {
            while windows == nil { self = HoursDraft(&random) }
            return true
        }
        let isDaily = Set(old).count == 1 && !random.once(in: 4)
        for day in isDaily ? Array(0..<7) : [Int(random.number(0...6))] {
            guard let window = old[day] else { return false }
            switch random.number(isDaily ? 1...3 : 0...3) {
            case 1 where window.opens + 61 < window.closes:
                windows?[day] = Self.window(
                    window.opens + Int(random.number(1...60)), window.closes,
                    isInclusive: window.includesClosing)
            case 2 where window.opens + 61 < window.closes:
                windows?[day] = Self.window(
                    window.opens, window.closes - Int(random.number(1...60)),
                    isInclusive: random.once(in: 2))
            case 3 where window.includesClosing:
                windows?[day] = Self.window(window.opens, window.closes, isInclusive: false)
            default: windows?[day] = nil
            }
        }
        return true
    }
}

/// One purpose.
private struct RuleDraft {
    var title: String?
    var stages: [Stage]
    var actions: [Action: ReleaseForm]
    var fields: [FieldName]
    var hours: HoursDraft
    var caps: [CapDraft]
    var tokenSeconds: Int64
    var tokenUses: Int64
    var roles: [Role]
    var clients: [ClientKind]
    var stopFlag: StopFlagRule
    var needs: [String: Requirement]
    var isUnderFrequencyCeiling: Bool

    init(_ rule: PurposeRule) {
        title = rule.title
        stages = rule.stages
        actions = rule.actions
        fields = rule.fields
        hours = HoursDraft(rule.hours)
        caps = rule.caps.map(CapDraft.init)
        tokenSeconds = rule.tokenSeconds
        tokenUses = rule.tokenUses
        roles = rule.roles
        clients = rule.clients
        stopFlag = rule.stopFlag
        needs = Dictionary(uniqueKeysWithValues: rule.needs.map { ($0.key, $0) })
        isUnderFrequencyCeiling = rule.isUnderFrequencyCeiling
    }

    var hasReference: Bool { needs["reference"] != nil }
    var isMatching: Bool { actions.values.contains(.match) }
    private var actionNames: [Action] { actions.keys.sorted { $0.text < $1.text } }

    var tree: Tree {
        var members: [(key: String, value: Tree)] = [
            ("stages", .words(stages.map(\.rawValue))),
            ("actions", .map(actions.mapValues { .word($0.rawValue) }, \.text)),
            ("fields", .words(fields.map(\.rawValue))), ("hours", hours.tree),
            ("caps", CapDraft.tree(caps)),
            ("token", .map([("seconds", .number(tokenSeconds)), ("uses", .number(tokenUses))])),
            ("roles", .words(roles.map(\.rawValue))), ("clients", .words(clients.map(\.rawValue))),
            ("stop_flag", .word(stopFlag.rawValue)), ("needs", .map(needs.mapValues(Self.tree), \.self)),
            ("frequency_ceiling", .word(isUnderFrequencyCeiling ? "applies" : "exempt")),
        ]
        if let title { members.append(("title", .word(title))) }
        return .map(members)
    }

    private static func tree(_ need: Requirement) -> Tree {
        switch need {
        case .consent(let rule): return .word(rule.rawValue)
        case .notices(let notices): return .words(notices.map(\.text))
        case .precondition(let accepted): return .words(accepted.map(\.rawValue))
        case .authorisation, .secondPerson: return .number(1)
        case .reference(let kind, let days):
            var members: [(key: String, value: Tree)] = [("kind", .word(kind.rawValue))]
            if let days { members.append(("days", .number(days))) }
            return .map(members)
        case .breakGlass(let hours): return .map([("review_hours", .number(hours))])
        case .verification(let number), .batch(let number), .rate(let number): return .number(number)
        }
    }

    /// What a purpose says, key by key.
    enum Key: CaseIterable {
        case stages, actions, forms, fields, hours, caps, tokenSeconds, tokenUses, roles, clients, stopFlag
        case needs, addedNeed, frequency
    }

    /// Tightens one key.
    /// - Returns: whether anything was there to be tightened.
    mutating func tighten(_ key: Key, _ random: inout SeededGenerator) -> Bool {
        func shorten<Element>(_ list: inout [Element], _ random: inout SeededGenerator) -> Bool {
            guard list.count > 1 else { return false }
            list.remove(at: Int.random(in: 0..<list.count, using: &random))
            return true
        }
        func lower(_ number: inout Int64, _ random: inout SeededGenerator) -> Bool {
            guard number > 1 else { return false }
            number = random.number(1...number - 1)
            return true
        }
        switch key {
        case .stages: return shorten(&stages, &random)
        case .fields: return shorten(&fields, &random)
        case .roles: return shorten(&roles, &random)
        case .clients: return shorten(&clients, &random)
        case .tokenSeconds: return lower(&tokenSeconds, &random)
        case .tokenUses: return lower(&tokenUses, &random)
        case .hours: return hours.tighten(&random)
        case .caps: return CapDraft.tighten(&caps, hasReference: hasReference, &random)
        case .actions:
            guard actions.count > 1, let action = random.pick(actionNames) else { return false }
            actions[action] = nil
            return true
        case .forms:
            // Not from seal to mask, nor from reveal: `lowerForm` says why.
            guard let action = random.pick(actionNames.filter { actions[$0] == .reveal }) else {
                return false
            }
            actions[action] = .seal
            return true
        case .stopFlag:
            switch stopFlag {
            case .respected: return false
            case .newerReference: stopFlag = .respected
            case .exempt: stopFlag = hasReference ? random.pick(.respected, .newerReference) : .respected
            }
            return true
        case .frequency:
            guard !isUnderFrequencyCeiling else { return false }
            isUnderFrequencyCeiling = true
            return true
        case .needs:
            guard let need = random.pick(needs.keys.sorted()).flatMap({ needs[$0] }) else { return false }
            return tighten(need, &random)
        case .addedNeed:
            let need = Self.need(&random)
            guard needs[need.key] == nil, isAllowed(need) else { return false }
            needs[need.key] = need
            return true
        }
    }

    private mutating func tighten(_ need: Requirement, _ random: inout SeededGenerator) -> Bool {
        switch need {
        case .consent, .authorisation, .secondPerson: return false
        case .notices(let notices):
            guard notices.count > 1 else { return false }
            needs[need.key] = .notices(notices.dropLast())
        case .precondition(let accepted):
            guard accepted.count > 1 else { return false }
            needs[need.key] = .precondition(Array(random.some(of: accepted).prefix(accepted.count - 1)))
        case .reference(let kind, let days):
            guard days != 1 else { return false }
            needs[need.key] = .reference(kind, days: random.number(1...(days ?? 31) - 1))
        case .verification(let days):
            guard days > 1 else { return false }
            needs[need.key] = .verification(days: random.number(1...days - 1))
        case .breakGlass(let hours):
            guard hours > 1 else { return false }
            needs[need.key] = .breakGlass(reviewHours: hours - 1)
        case .batch(let numbers):
            guard numbers > 1 else { return false }
            needs[need.key] = .batch(numbers: numbers - 1)
        case .rate(let requests):
            guard requests > 1 else { return false }
            needs[need.key] = .rate(requestsPerMinute: random.number(1...requests - 1))
        }
        return true
    }

    /// Any requirement that a purpose may be given without becoming looser.
    private static func need(_ random: inout SeededGenerator) -> Requirement {
        let days = random.number(2...30)
        return random.pick(
            .consent(.required), .consent(.notRefused), .notices([Reference("n_2")!, ReleaseCase.notice]),
            .precondition(random.some(of: Precondition.allCases)), .verification(days: days),
            .authorisation, .reference(random.pick(.offer, .request, .complaint), days: days), .secondPerson,
            .batch(numbers: days), .rate(requestsPerMinute: days))
    }

    /// Whether the reader accepts a requirement beside the others.
    private func isAllowed(_ need: Requirement) -> Bool {
        switch need {
        case .consent(.required): isUnderFrequencyCeiling || needs["authorisation"] != nil
        case .notices: needs["consent"] == .consent(.required)
        case .batch: isMatching
        default: true
        }
    }

    /// Says something else under one key, in any direction; the result need not be a policy.
    mutating func change(_ key: Key, _ random: inout SeededGenerator) {
        switch key {
        case .stages: stages = random.some(of: Stage.allCases)
        case .fields: fields = random.some(of: FieldName.allCases)
        case .roles: roles = random.some(of: [.collection, .complaints, .privacy])
        case .clients: clients = random.some(of: ClientKind.allCases)
        case .tokenSeconds: tokenSeconds = random.number(1...300)
        case .tokenUses: tokenUses = random.number(1...9)
        case .hours: hours = HoursDraft(&random)
        case .caps:
            if !caps.isEmpty, random.once(in: 2) { caps.removeLast() }
            if random.once(in: 2) { caps.append(CapDraft(&random, hasReference: hasReference)) }
            if let index = caps.indices.randomElement(using: &random) {
                caps[index].window = random.pick(caps[index].window, .inAll, .days(random.number(1...30)))
            }
        case .actions:
            let name = random.pick("dial", "send_template", "display", "ring")
            if let action = Action(name) { actions[action] = actions[action] == nil ? .mask : nil }
        case .forms:
            if let action = random.pick(actionNames) { actions[action] = random.pick(.mask, .seal, .reveal) }
        case .stopFlag: stopFlag = random.pick(.respected, .newerReference, .exempt)
        case .frequency: isUnderFrequencyCeiling.toggle()
        case .needs:
            if let key = random.pick(needs.keys.sorted()) { needs[key] = nil }
        case .addedNeed:
            let need = random.once(in: 9) ? Requirement.breakGlass(reviewHours: 9) : Self.need(&random)
            needs[need.key] = need
        }
    }
}

/// A whole policy, which can be changed and written as a policy file.
private struct PolicyDraft {
    /// Ceilings by their keys in the file; those of distinct contacts by actor, client and agency.
    var limits: [String: Int64]
    var dayZone: String
    var throttle: (outcomes: Int64, hours: Int64)?
    var jurisdictions: [String: JurisdictionDraft]
    var standard: String?
    var portfolios: [Reference: String]
    var purposes: [Purpose: RuleDraft]
    var calendars = StarterPolicy.calendars
    let name: String

    /// One jurisdiction.
    struct JurisdictionDraft {
        var title: String?
        var hours: HoursDraft
        var caps: [CapDraft]
        var purposeCaps: [Purpose: [CapDraft]]
        var pauseDays: Int64?
        var holidays: [String]

        var tree: Tree {
            var members: [(key: String, value: Tree)] = [
                ("hours", hours.tree), ("caps", CapDraft.tree(caps)),
                ("purpose_caps", .map(purposeCaps.mapValues(CapDraft.tree), \.text)),
                ("holidays", holidays.isEmpty ? .word("none") : .words(holidays)),
            ]
            if let pauseDays { members.append(("pause_days", .number(pauseDays))) }
            if let title { members.append(("title", .word(title))) }
            return .map(members)
        }
    }

    init(_ policy: Policy) {
        name = policy.name
        limits = ["outcome_hours": policy.limits.outcomeHours]
        limits["actor"] = policy.limits.contactsPerActor
        limits["client"] = policy.limits.contactsPerClient
        limits["agency"] = policy.limits.contactsPerAgency
        limits["requests_per_minute"] = policy.limits.requestsPerMinute
        dayZone = policy.limits.dayZone
        throttle = policy.limits.throttle.map { ($0.outcomes, $0.hours) }
        jurisdictions = policy.jurisdictions.mapValues {
            JurisdictionDraft(
                title: $0.title, hours: HoursDraft($0.hours), caps: $0.caps.map(CapDraft.init),
                purposeCaps: $0.purposeCaps.mapValues { $0.map(CapDraft.init) }, pauseDays: $0.pauseDays,
                holidays: $0.holidays)
        }
        standard = policy.assignment?.standard
        portfolios = policy.assignment?.portfolios ?? [:]
        purposes = policy.purposes.mapValues(RuleDraft.init)
    }

    /// The starter catalogue, with portfolios abroad, notices, and a purpose of any hours.
    static func withEverything() throws -> PolicyDraft {
        var draft = PolicyDraft(try Fixture.catalogue())
        draft.portfolios = [ReleaseCase.america: "us-regf", ReleaseCase.australia: "au-rg96"]
        draft.purposes[Fixture.relay]?.needs["notices"] = .notices([ReleaseCase.notice])
        draft.purposes[Purpose("locate.debtor")!]?.needs["verified_within_days"] = .verification(days: 30)
        var free = draft.purposes[Fixture.relay]
        free?.hours.windows = nil
        free?.needs = [:]
        draft.purposes[Purpose("free.hours")!] = free
        return draft
    }

    /// Some policy that the reader accepts.
    static func random(_ random: inout SeededGenerator) throws -> PolicyDraft {
        var draft = try random.once(in: 4) ? PolicyDraft(Fixture.demonstration()) : withEverything()
        if random.once(in: 3) { draft.standard = nil }
        // Few purposes, so that many policies can be read in little time.
        let purposes = draft.purposes.keys.sorted { $0.text < $1.text }.shuffled(using: &random)
        for purpose in purposes.dropFirst(5) {
            draft.purposes[purpose] = nil
            for name in draft.jurisdictions.keys { draft.jurisdictions[name]?.purposeCaps[purpose] = nil }
        }
        for _ in 0..<random.number(0...5) {
            let before = draft
            _ = draft.change(&random)
            if (try? draft.policy()) == nil { draft = before }
        }
        return draft
    }

    // MARK: Written out

    private var tree: Tree {
        var ceilings = limits
        var contacts: [String: Tree] = [:]
        for who in ["actor", "client", "agency"] {
            contacts[who] = ceilings.removeValue(forKey: who).map(Tree.number)
        }
        var bounds = ceilings.mapValues(Tree.number)
        bounds["contacts_per_day"] = .map(contacts, \.self)
        bounds["day_zone"] = .word(dayZone)
        bounds["throttle"] = throttle.map {
            .map([("outcomes", .number($0.outcomes)), ("hours", .number($0.hours))])
        }
        let assignment: Tree =
            if let standard {
                .map([
                    ("default", .word(standard)),
                    ("portfolios", .map(portfolios.mapValues(Tree.word), \.text)),
                ])
            } else { .word("none") }
        return .map([
            ("policy", .number(1)), ("name", .word(name)), ("limits", .map(bounds, \.self)),
            ("jurisdiction", assignment), ("jurisdictions", .map(jurisdictions.mapValues(\.tree), \.self)),
            ("purposes", .map(purposes.mapValues(\.tree), \.text)),
        ])
    }

    private func policy(_ tree: Tree) throws -> Policy {
        // `true` is the one value that is neither a word nor a number.
        let text = tree.text.replacing("\"authorisation\": 1", with: "\"authorisation\": true")
            .replacing("\"second_person\": 1", with: "\"second_person\": true")
        return try Policy.parse(text: text, file: "policy.yaml", calendars: calendars)
    }

    /// The policy.
    func policy() throws -> Policy { try policy(tree) }

    /// The policy, read from a file in another order.
    func policy(shuffledBy random: inout SeededGenerator) throws -> Policy {
        try policy(tree.shuffled(&random))
    }

    // MARK: Changed

    /// What was done, and to which purpose, `nil` if to all.
    struct Change {
        let name: String
        let purpose: Purpose?
    }

    private var assigned: [String] { Set(portfolios.values).union([standard].compactMap(\.self)).sorted() }

    /// Tightens anything.
    mutating func tighten(_ random: inout SeededGenerator) -> Change {
        while true {
            let purpose = random.pick(purposes.keys.sorted { $0.text < $1.text })
            if let purpose, let key = random.pick(RuleDraft.Key.allCases), !random.once(in: 3) {
                if purposes[purpose]?.tighten(key, &random) == true {
                    return Change(name: "\(purpose) \(key)", purpose: purpose)
                }
            } else if let name = tightenWhole(&random) {
                return Change(name: name, purpose: nil)
            }
        }
    }

    private mutating func tightenWhole(_ random: inout SeededGenerator) -> String? {
        switch random.number(0...5) {
        case 0:
            // A jurisdiction's caps must not outlive their purpose, and taking them away is a change of its own.
            guard purposes.count > 3, let purpose = random.pick(purposes.keys.sorted { $0.text < $1.text }),
                jurisdictions.values.allSatisfy({ $0.purposeCaps[purpose] == nil })
            else { return nil }
            purposes[purpose] = nil
            return "\(purpose) removed"
        case 1:
            let key = random.pick("actor", "client", "agency", "requests_per_minute", "outcome_hours")
            let old = limits[key] ?? 1000
            guard old > 1 else { return nil }
            limits[key] = random.number(1...min(old - 1, 168))
            return "limits \(key)"
        case 2:
            let old = throttle
            throttle = (max(1, (old?.outcomes ?? 4) - 1), min(720, (old?.hours ?? 23) + 1))
            return throttle?.hours == old?.hours && throttle?.outcomes == old?.outcomes ? nil : "throttle"
        case 3:
            guard standard == nil, let first = random.pick(jurisdictions.keys.sorted()) else { return nil }
            standard = first
            return "jurisdiction \(first)"
        case 4:
            guard standard != nil, let name = random.pick(assigned), var rules = jurisdictions[name],
                tighten(&rules, &random)
            else { return nil }
            jurisdictions[name] = rules
            return "jurisdiction of \(name)"
        default:
            let name = "au-national"
            guard standard != nil, assigned.contains(where: { jurisdictions[$0]?.holidays == [name] }),
                let text = calendars[name]
            else { return nil }
            let day = CalendarDay("2026-05-01")!.adding(days: Int(random.number(0...200))).description
            guard !text.contains(day) else { return nil }
            calendars[name] = text + "  \(day): a further day\n"
            return "holiday \(day)"
        }
    }

    private func tighten(_ rules: inout JurisdictionDraft, _ random: inout SeededGenerator) -> Bool {
        switch random.number(0...4) {
        case 0: return rules.hours.tighten(&random)
        case 1: return CapDraft.tighten(&rules.caps, hasReference: false, &random)
        case 2:
            rules.pauseDays = (rules.pauseDays ?? 0) + 1
            return true
        case 3:
            guard let purpose = random.pick(purposes.keys.sorted { $0.text < $1.text }) else { return false }
            return CapDraft.tighten(&rules.purposeCaps[purpose, default: []], hasReference: false, &random)
        default:
            guard rules.holidays.isEmpty else { return false }
            rules.holidays = ["au-national"]
            return true
        }
    }

    /// Says something else, in any direction; the result need not be a policy.
    mutating func change(_ random: inout SeededGenerator) -> Change {
        let purpose = random.pick(purposes.keys.sorted { $0.text < $1.text })
        if let purpose, let key = random.pick(RuleDraft.Key.allCases), !random.once(in: 4) {
            purposes[purpose]?.change(key, &random)
            return Change(name: "\(purpose) \(key)", purpose: purpose)
        }
        if random.once(in: 3) {
            let key = random.pick("actor", "client", "agency", "requests_per_minute")
            limits[key] = random.pick(nil, random.number(1...100))
            return Change(name: "limits \(key)", purpose: nil)
        }
        if random.once(in: 3) {
            standard = random.pick([nil] + jurisdictions.keys.sorted().map(Optional.some)).flatMap(\.self)
            return Change(name: "jurisdiction \(standard ?? "none")", purpose: nil)
        }
        guard let name = random.pick(assigned), var rules = jurisdictions[name] else {
            return Change(name: "nothing", purpose: nil)
        }
        switch random.number(0...3) {
        case 0: rules.hours = HoursDraft(&random)
        case 1: rules.caps = random.once(in: 3) ? [] : [CapDraft(&random, hasReference: false)]
        case 2: rules.pauseDays = random.pick(nil, random.number(1...9))
        default: rules.holidays = random.pick([], ["au-national"])
        }
        jurisdictions[name] = rules
        return Change(name: "jurisdiction of \(name)", purpose: nil)
    }
}

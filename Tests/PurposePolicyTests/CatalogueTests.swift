// Every cell of the starter catalogue: what it allows is permitted in the form that it names, and what lies beside it
// is denied with the code of that cell.

import ConfigurationFile
import ContactModel
import PurposePolicy
import Testing

@Suite("Starter catalogue, cell by cell")
struct CatalogueTests {
    private let policy: Policy

    init() throws { policy = try Fixture.catalogue() }

    private func outcome(
        _ line: ExpectedPurpose, at now: Timestamp = ExpectedPurpose.noon,
        usage: UsageFacts = UsageFacts(),
        request spoilRequest: (inout ReleaseRequest) -> Void = { _ in },
        facts spoilFacts: (inout ContactFacts) -> Void = { _ in }
    ) -> Outcome {
        var request = line.request()
        var facts = line.facts(at: now)
        spoilRequest(&request)
        spoilFacts(&facts)
        return policy.outcome(request, facts: facts, usage: usage, at: now)
    }

    // MARK: The catalogue is closed

    @Test("there are the twelve purposes of the table and no other")
    func closed() {
        #expect(ExpectedPurpose.all.count == 12)
        #expect(Set(policy.purposes.keys.map(\.text)) == Set(ExpectedPurpose.all.map(\.name)))
    }

    @Test(
        "what is absent on purpose is unknown",
        arguments: [
            "collect.contact", "collect.debt", "dunning", "marketing", "skip.trace", "skip_tracing", "visit",
            "visit.home", "scoring", "list.sale", "list.transfer", "model.training", "relay",
            "relay.messages",
            "suppress",
        ])
    func absent(name: String) throws {
        let purpose = try #require(Purpose(name))
        for line in ExpectedPurpose.released {
            #expect(outcome(line, request: { $0.scope.purpose = purpose }) == .deny(.purposeUnknown))
            var scope = line.request().scope
            scope.purpose = purpose
            #expect(refusal(scope, uses: 1) == .purposeUnknown)
        }
    }

    @Test("a request as the line wants it is permitted", arguments: ExpectedPurpose.released)
    func asWanted(line: ExpectedPurpose) {
        #expect(outcome(line) == line.permitted())
    }

    // MARK: Stages, actions, fields, roles

    @Test("every stage", arguments: ExpectedPurpose.released)
    func stages(line: ExpectedPurpose) {
        for stage in Stage.allCases {
            let expected = line.stages.contains(stage) ? line.permitted() : .deny(.stageNotAllowed)
            #expect(outcome(line, request: { $0.scope.stage = stage }) == expected, "\(stage)")
        }
        #expect(outcome(line, request: { $0.scope.stage = nil }) == .deny(.stageNotAllowed))
    }

    @Test("every action, with its highest form", arguments: ExpectedPurpose.released)
    func actions(line: ExpectedPurpose) throws {
        for name in ["dial", "send_template", "display", "match", "visit", "export", "ring"] {
            let action = try #require(Action(name))
            let expected = line.actions[name].map { line.permitted($0) } ?? .deny(.actionNotAllowed)
            #expect(outcome(line, request: { $0.scope.action = action }) == expected, "\(name)")
        }
    }

    @Test("every set of fields", arguments: ExpectedPurpose.released)
    func fields(line: ExpectedPurpose) {
        for bits in 0..<8 {
            let fields = FieldName.allCases.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element)
            let isAllowed = !fields.isEmpty && line.fields.isSuperset(of: fields)
            let expected = isAllowed ? line.permitted(fields: fields) : .deny(.fieldNotAllowed)
            #expect(outcome(line, request: { $0.scope.fields = fields }) == expected, "\(fields)")
        }
        for field in FieldName.allCases {
            #expect(
                outcome(line, request: { $0.scope.fields = [field, field] }) == .deny(.fieldNotAllowed))
        }
    }

    @Test("every role alone, all others together, and none", arguments: ExpectedPurpose.released)
    func roles(line: ExpectedPurpose) {
        for role in Role.allCases {
            let expected = role == line.role ? line.permitted() : .deny(.roleNotAllowed)
            #expect(outcome(line, request: { $0.scope.clientRoles = [role] }) == expected, "\(role)")
        }
        let others = Set(Role.allCases).subtracting([line.role])
        #expect(outcome(line, request: { $0.scope.clientRoles = others }) == .deny(.roleNotAllowed))
        #expect(outcome(line, request: { $0.scope.clientRoles = [] }) == .deny(.roleNotAllowed))
    }

    // MARK: Forms

    @Test(
        "every action, client and actor: a desk gets at most a mask, a machine at most a sealed number",
        arguments: ExpectedPurpose.released)
    func forms(line: ExpectedPurpose) throws {
        for (name, highest) in line.actions {
            let action = try #require(Action(name))
            for client in ClientKind.allCases {
                for kind in ActorKind.allCases {
                    let ceilings: [ReleaseForm] = [
                        highest, client == .desk ? .mask : .reveal, kind == .human ? .reveal : .seal,
                    ]
                    let form = try #require(ceilings.min())
                    for hasKey in [true, false] {
                        let expected =
                            form == .seal && !hasKey
                            ? Outcome.deny(.encryptionKeyMissing) : line.permitted(form)
                        let found = outcome(
                            line,
                            request: {
                                $0.scope.action = action
                                $0.scope.clientKind = client
                                $0.scope.actor = Actor(kind: kind, id: Reference("u_7")!)
                                $0.scope.hasEncryptionKey = hasKey
                            })
                        #expect(found == expected, "\(name) \(client) \(kind) key: \(hasKey)")
                    }
                }
            }
        }
    }

    // MARK: Hours

    @Test("the hours, by the millisecond in Asia/Shanghai", arguments: ExpectedPurpose.released)
    func hours(line: ExpectedPurpose) {
        let hour: Int64 = 3_600_000
        // A Wednesday, a Saturday, and days around the turn of the year: the hours are those of every day.
        for day in [0, 3, 225, 226] as [Int64] {
            let midnight = ExpectedPurpose.today.adding(days: day)
            func at(_ milliseconds: Int64) -> Outcome {
                outcome(line, at: midnight.adding(milliseconds: milliseconds))
            }
            guard let hours = line.hours else {
                for step in 0..<24 { #expect(at(Int64(step) * hour) == line.permitted()) }
                #expect(at(24 * hour - 1) == line.permitted())
                continue
            }
            #expect(at(hours.lowerBound * hour - 1) == .deny(.outsideHours))
            #expect(at(hours.lowerBound * hour) == line.permitted())
            #expect(at(hours.upperBound * hour - 1) == line.permitted())
            #expect(at(hours.upperBound * hour) == .deny(.outsideHours))
            for step in 0..<24 as Range<Int64> {
                let expected = hours.contains(step) ? line.permitted() : .deny(.outsideHours)
                #expect(at(step * hour + hour / 2) == expected, "\(step):30")
            }
            #expect(at(0) == .deny(.outsideHours))
            #expect(at(24 * hour - 1) == .deny(.outsideHours))
        }
    }

    @Test("an unknown zone denies all that has hours", arguments: ExpectedPurpose.released)
    func unknownZone(line: ExpectedPurpose) {
        let expected = line.hours == nil ? line.permitted() : .deny(.timeZoneUnknown)
        #expect(outcome(line, facts: { $0.zones = nil }) == expected)
        #expect(outcome(line, facts: { $0.zones = [] }) == expected)
    }

    // MARK: Caps

    /// Moments that just reach a cap: the first at the very beginning of its window, at most one on each day.
    private func moments(_ cap: ExpectedPurpose.Bound) -> [Timestamp] {
        (0..<Int64(cap.releases)).map { index in
            switch cap.window {
            case .days(let days): ExpectedPurpose.today.adding(days: min(0, 1 - days + index))
            case .hours(let hours):
                ExpectedPurpose.noon.adding(milliseconds: 1 + index - hours * 3_600_000)
            case .inAll: ExpectedPurpose.today.adding(days: index - 1000)
            }
        }
    }

    @Test("every cap at its limit and one below, by calendar days", arguments: ExpectedPurpose.released)
    func caps(line: ExpectedPurpose) {
        for cap in line.caps {
            let moments = moments(cap)
            let reached = moments.map { line.release(at: $0, per: cap.scope) }
            func with(_ releases: [PastRelease]) -> Outcome {
                outcome(line, facts: { $0.releases = releases })
            }
            #expect(with(reached) == .deny(.capReached), "\(cap)")
            #expect(with(reached.reversed()) == .deny(.capReached), "\(cap)")
            #expect(with(reached.dropLast()) == line.permitted(), "\(cap)")
            #expect(with(Array(reached.dropFirst())) == line.permitted(), "\(cap)")
            if cap.window != .inAll {
                var left = reached
                left[0].time = left[0].time.adding(milliseconds: -1)
                #expect(with(left) == line.permitted(), "\(cap)")
            }
            // What is not the same number, case or reference does not count, nor does another purpose.
            for scope in [Cap.Scope.number, .case, .reference] where scope != cap.scope {
                if line.isApproach && scope == .number { continue }
                guard !line.caps.contains(where: { $0.scope == scope }) else { continue }
                #expect(with(moments.map { line.release(at: $0, per: scope) }) == line.permitted())
            }
            let other = line.name == "contact.notice" ? "contact.verify" : "contact.notice"
            let elsewhere = moments.map {
                line.release(at: $0, per: cap.scope, purpose: other, isApproach: false)
            }
            #expect(with(elsewhere) == line.permitted(), "\(cap)")
        }
    }

    @Test("masks count among themselves, at the same caps", arguments: ExpectedPurpose.released)
    func maskCaps(line: ExpectedPurpose) {
        for cap in line.caps {
            let reveals = moments(cap).map { line.release(at: $0, per: cap.scope) }
            let masks = reveals.map { release in
                var mask = release
                mask.isMask = true
                return mask
            }
            func desk(_ releases: [PastRelease]) -> Outcome {
                outcome(
                    line, request: { $0.scope.clientKind = .desk }, facts: { $0.releases = releases })
            }
            #expect(desk(reveals) == line.permitted(.mask))
            #expect(desk(masks) == .deny(.capReached))
            #expect(desk(masks.dropLast()) == line.permitted(.mask))
            #expect(outcome(line, facts: { $0.releases = masks }) == line.permitted())
        }
    }

    @Test(
        "approaches share China's 1 a day, 2 in 7 days and 3 in 30 days per number, and answers do not",
        arguments: ExpectedPurpose.released)
    func frequencyCeiling(line: ExpectedPurpose) {
        // Another purpose's approaches, so that no cap of the line's own is reached.
        let other = line.name == "relay.message" ? "locate.debtor" : "relay.message"
        let ceilings: [[Int64]] = [[0], [-6, -5], [-29, -28, -27]]
        for days in ceilings {
            let reached = days.map {
                line.release(
                    at: ExpectedPurpose.today.adding(days: $0), per: .number, purpose: other,
                    isApproach: true)
            }
            func with(_ releases: [PastRelease]) -> Outcome {
                outcome(line, facts: { $0.releases = releases })
            }
            #expect(with(reached) == (line.isApproach ? .deny(.capReached) : line.permitted()), "\(days)")
            #expect(with(reached.dropLast()) == line.permitted())
            var left = reached
            left[0].time = left[0].time.adding(milliseconds: -1)
            #expect(with(left) == line.permitted(), "\(days)")
            // Of another number, or no approach.
            for (isSameNumber, isApproach) in [(false, true), (true, false)] {
                let uncounted = reached.map { release in
                    var release = release
                    release.isSameNumber = isSameNumber
                    release.isApproach = isApproach
                    return release
                }
                #expect(with(uncounted) == line.permitted())
            }
        }
    }

    // MARK: Tokens

    @Test("life, uses and form of a token", arguments: ExpectedPurpose.all)
    func tokens(line: ExpectedPurpose) throws {
        for (name, form) in line.actions {
            var scope = line.request().scope
            scope.action = try #require(Action(name))
            for uses in [1, line.uses] {
                let terms = try policy.tokenTerms(for: scope, uses: uses)
                #expect(terms.seconds == line.seconds)
                #expect(terms.maximumUses == line.uses)
                #expect(terms.form == form)
            }
            for uses in [Int64.min, -1, 0, line.uses + 1, Int64.max] {
                #expect(refusal(scope, uses: uses) == .usesNotAllowed)
            }
        }
    }

    @Test(
        "no token where stage, action, field, role or precondition do not fit", arguments: ExpectedPurpose.all
    )
    func tokenRefusals(line: ExpectedPurpose) throws {
        func refused(_ spoil: (inout ReleaseScope) -> Void) -> DenialCode? {
            var scope = line.request().scope
            spoil(&scope)
            return refusal(scope, uses: 1)
        }
        for stage in Stage.allCases {
            let expected: DenialCode? = line.stages.contains(stage) ? nil : .stageNotAllowed
            #expect(refused { $0.stage = stage } == expected)
        }
        for name in ["dial", "send_template", "display", "match", "visit"] {
            let action = try #require(Action(name))
            #expect(
                refused { $0.action = action } == (line.actions[name] == nil ? .actionNotAllowed : nil))
        }
        for field in FieldName.allCases {
            let expected: DenialCode? = line.fields.contains(field) ? nil : .fieldNotAllowed
            #expect(refused { $0.fields = [field] } == expected)
        }
        for role in Role.allCases {
            #expect(refused { $0.clientRoles = [role] } == (role == line.role ? nil : .roleNotAllowed))
        }
        for (attested, code) in preconditions(line) {
            #expect(refused { $0.precondition = attested } == code)
        }
        #expect(refused { $0.clientPurposes = [] } == .purposeNotRegistered)
        #expect(refused { $0.clientPurposes = [line.purpose] } == nil)
    }

    private func refusal(_ scope: ReleaseScope, uses: Int64) -> DenialCode? {
        do {
            _ = try policy.tokenTerms(for: scope, uses: uses)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Needs

    /// Every precondition and none, with the code that it is denied with.
    private func preconditions(_ line: ExpectedPurpose) -> [(Precondition?, DenialCode?)] {
        var accepted: Set<Precondition>?
        for case .precondition(let codes) in line.needs { accepted = codes }
        guard let accepted else {
            return (Precondition.allCases + [nil]).map { ($0, nil) }
        }
        return Precondition.allCases.map { ($0, accepted.contains($0) ? nil : .preconditionNotAccepted) }
            + [(nil, .preconditionMissing)]
    }

    @Test("every precondition", arguments: ExpectedPurpose.released)
    func preconditionCodes(line: ExpectedPurpose) {
        for (attested, code) in preconditions(line) {
            let expected = code.map(Outcome.deny) ?? line.permitted()
            #expect(outcome(line, request: { $0.scope.precondition = attested }) == expected)
        }
    }

    @Test(
        "consent: missing, another purpose's, not yet given, expired, withdrawn",
        arguments: ExpectedPurpose.released)
    func consent(line: ExpectedPurpose) throws {
        let now = ExpectedPurpose.noon
        let needsConsent = line.needs.contains(.consent)
        func with(_ consents: [ConsentFact], _ code: DenialCode?) {
            let expected = code.map(Outcome.deny) ?? line.permitted()
            #expect(outcome(line, facts: { $0.consents = consents }) == expected)
        }
        func consent(
            _ purpose: Purpose, given: Int64 = -1000, expires: Timestamp? = nil, withdrawn: Timestamp? = nil
        ) -> ConsentFact {
            ConsentFact(
                purpose: purpose, given: now.adding(seconds: given), expires: expires, withdrawn: withdrawn)
        }
        func unlessNeeded(_ code: DenialCode) -> DenialCode? { needsConsent ? code : nil }
        let purpose = line.purpose
        with([], unlessNeeded(.consentMissing))
        with(
            ExpectedPurpose.all.map(\.purpose).filter { $0 != purpose }.map { consent($0) },
            unlessNeeded(.consentMissing))
        with([consent(purpose, given: 1)], unlessNeeded(.consentMissing))
        with([consent(purpose, given: 0)], nil)
        with([consent(purpose, expires: now.adding(milliseconds: 1))], nil)
        with([consent(purpose, expires: now)], unlessNeeded(.consentExpired))
        let isEnrolment = line.needs.contains(.noWithdrawal)
        for withdrawn in [now.adding(days: -30), now, now.adding(days: 30)] {
            // Consent refused before, to whatever purpose, ends the attempt to enrol.
            with(
                [consent(purpose, given: -9_000_000, withdrawn: withdrawn)],
                needsConsent || isEnrolment ? .consentWithdrawn : nil)
            let other = try #require(
                Purpose(line.name == "relay.message" ? "negotiate.proxy" : "relay.message"))
            with(
                [consent(other, given: -9_000_000, withdrawn: withdrawn), consent(purpose)],
                isEnrolment ? .consentWithdrawn : nil)
        }
    }

    @Test(
        "the borrower's authorisation: missing, not yet given, expired, withdrawn",
        arguments: ExpectedPurpose.released)
    func authorisation(line: ExpectedPurpose) {
        let now = ExpectedPurpose.noon
        func with(_ authorisation: AuthorisationFact?, _ code: DenialCode?) {
            let isNeeded = line.needs.contains(.authorisation)
            let expected = code.flatMap { isNeeded ? Outcome.deny($0) : nil } ?? line.permitted()
            #expect(outcome(line, facts: { $0.authorisation = authorisation }) == expected)
        }
        func given(_ at: Timestamp, until: Timestamp?, withdrawn: Timestamp? = nil) -> AuthorisationFact {
            AuthorisationFact(given: at, expires: until, withdrawn: withdrawn)
        }
        with(nil, .authorisationMissing)
        with(given(now.adding(milliseconds: 1), until: nil), .authorisationMissing)
        with(given(now, until: nil), nil)
        with(given(now.adding(days: -9), until: now.adding(milliseconds: 1)), nil)
        with(given(now.adding(days: -9), until: now), .authorisationExpired)
        for withdrawn in [now.adding(days: -1), now, now.adding(days: 1)] {
            with(given(now.adding(days: -9), until: nil, withdrawn: withdrawn), .authorisationMissing)
        }
    }

    @Test(
        "the offer, request or complaint: not named, not on record, of another kind, ahead, too old",
        arguments: ExpectedPurpose.released)
    func reference(line: ExpectedPurpose) {
        let now = ExpectedPurpose.noon
        var wanted: (kind: ReferenceKind, days: Int64?)?
        for case .reference(let kind, let days) in line.needs { wanted = (kind, days) }
        guard let wanted else {
            for kind in ReferenceKind.allCases {
                let fact = ReferenceFact(kind: kind, recorded: now)
                #expect(outcome(line, facts: { $0.reference = fact }) == line.permitted())
            }
            #expect(outcome(line, request: { $0.scope.reference = Reference("rf_9") }) == line.permitted())
            return
        }
        func recorded(_ kind: ReferenceKind, _ recorded: Timestamp) -> Outcome {
            outcome(line, facts: { $0.reference = ReferenceFact(kind: kind, recorded: recorded) })
        }
        #expect(outcome(line, request: { $0.scope.reference = nil }) == .deny(.referenceMissing))
        #expect(outcome(line, facts: { $0.reference = nil }) == .deny(.referenceUnknown))
        for kind in ReferenceKind.allCases {
            let expected = kind == wanted.kind ? line.permitted() : .deny(.referenceUnknown)
            #expect(recorded(kind, now) == expected)
        }
        #expect(recorded(wanted.kind, now.adding(milliseconds: 1)) == .deny(.referenceUnknown))
        guard let days = wanted.days else {
            #expect(recorded(wanted.kind, now.adding(days: -3650)) == line.permitted())
            return
        }
        #expect(recorded(wanted.kind, now.adding(days: -days).adding(milliseconds: 1)) == line.permitted())
        #expect(
            recorded(wanted.kind, now.adding(days: -days).adding(milliseconds: -1))
                == .deny(.referenceExpired))
    }

    @Test("an offer or a request of exactly seven days is at most seven days old")
    func referenceOfSevenDays() throws {
        for name in ["repay.voluntary", "callback.requested"] {
            let line = try #require(ExpectedPurpose.released.first { $0.name == name })
            let recorded = ExpectedPurpose.noon.adding(days: -7)
            #expect(outcome(line, facts: { $0.reference?.recorded = recorded }) == line.permitted())
        }
    }

    @Test("approval by a second person", arguments: ExpectedPurpose.released)
    func approval(line: ExpectedPurpose) {
        let isNeeded = line.needs.contains(.secondPerson)
        #expect(
            outcome(line, facts: { $0.isApproved = false })
                == (isNeeded ? .deny(.approvalMissing) : line.permitted()))
        #expect(outcome(line, facts: { $0.isApproved = true }) == line.permitted())
    }

    // MARK: Stop flag

    @Test(
        "the stop flag, however old it is, and against a newer request", arguments: ExpectedPurpose.released)
    func stopFlag(line: ExpectedPurpose) {
        let now = ExpectedPurpose.noon
        for stopped in [now.adding(days: -3650), now, now.adding(days: 1)] {
            for recorded in [stopped.adding(milliseconds: -1), stopped, stopped.adding(milliseconds: 1)] {
                let found = outcome(
                    line,
                    facts: {
                        $0.stopped = stopped
                        $0.reference?.recorded = recorded
                    })
                switch line.stopFlag {
                case .respected: #expect(found == .deny(.stopFlag))
                case .exempt:
                    #expect(found == (recorded <= now ? line.permitted() : .deny(.referenceUnknown)))
                case .newerReference: #expect(recorded > stopped || found == .deny(.stopFlag))
                }
            }
        }
        guard line.stopFlag == .newerReference else { return }
        let stopped = now.adding(seconds: -600)
        for (lead, expected) in [(-1, .deny(.stopFlag)), (0, .deny(.stopFlag)), (1, line.permitted())]
            as [(Int64, Outcome)]
        {
            let found = outcome(
                line,
                facts: {
                    $0.stopped = stopped
                    $0.reference?.recorded = stopped.adding(milliseconds: lead)
                })
            #expect(found == expected)
        }
        // A newer request of which nothing is on record, or an offer, is none.
        let withoutRequest = outcome(
            line,
            facts: {
                $0.stopped = stopped
                $0.reference = nil
            })
        #expect(withoutRequest == .deny(.stopFlag))
        let offer = outcome(
            line,
            facts: {
                $0.stopped = stopped
                $0.reference = ReferenceFact(kind: .offer, recorded: now)
            })
        #expect(offer == .deny(.referenceUnknown))
    }

    // MARK: Limits of the asking side

    @Test(
        "throttle, rate and ceilings on distinct contacts bind every purpose",
        arguments: ExpectedPurpose.released)
    func limits(line: ExpectedPurpose) {
        #expect(outcome(line, usage: UsageFacts(poorOutcomes: 2)) == line.permitted())
        // A threat to life does not wait for somebody's reports.
        let isEmergency = line.name == "safety.emergency"
        #expect(
            outcome(line, usage: UsageFacts(poorOutcomes: 3))
                == (isEmergency ? line.permitted() : .deny(.actorThrottled)))
        #expect(outcome(line, usage: UsageFacts(requests: 1200)) == line.permitted())
        #expect(outcome(line, usage: UsageFacts(requests: 1201)) == .deny(.rateLimited))
        func contacts(_ actor: Int64, _ client: Int64, _ agency: Int64) -> Outcome {
            outcome(
                line,
                usage: UsageFacts(contacts: .init(actor: actor, client: client, agency: agency)))
        }
        #expect(contacts(60, 500, 1000) == line.permitted())
        #expect(contacts(61, 61, 61) == .deny(.ceilingReached))
        #expect(contacts(1, 501, 501) == .deny(.ceilingReached))
        #expect(contacts(1, 1, 1001) == .deny(.ceilingReached))
    }

    // MARK: Matching with the stop list

    private func match(
        numbers: Int = 1, usage: UsageFacts = UsageFacts(),
        _ spoil: (inout ReleaseScope) -> Void = { _ in }
    ) -> DenialCode? {
        var scope = ExpectedPurpose.suppressMatch.request().scope
        spoil(&scope)
        do {
            try policy.decideMatch(scope, numbers: numbers, usage: usage)
            return nil
        } catch {
            return error
        }
    }

    @Test("suppress.match: every cell")
    func suppressMatch() throws {
        #expect(match() == nil)
        #expect(match(numbers: 1000) == nil)
        #expect(match(numbers: 1001) == .batchTooLarge)
        #expect(match(usage: UsageFacts(requestsForPurpose: 60)) == nil)
        #expect(match(usage: UsageFacts(requestsForPurpose: 61)) == .rateLimited)
        #expect(match(usage: UsageFacts(requests: 1201)) == .rateLimited)
        #expect(match(usage: UsageFacts(poorOutcomes: 3)) == .actorThrottled)
        for stage in Stage.allCases { #expect(match { $0.stage = stage } == nil) }
        #expect(match { $0.stage = nil } == nil)
        for name in ["dial", "send_template", "display", "visit"] {
            let action = try #require(Action(name))
            #expect(match { $0.action = action } == .actionNotAllowed)
        }
        for field in FieldName.allCases { #expect(match { $0.fields = [field] } == .fieldNotAllowed) }
        for role in Role.allCases {
            #expect(match { $0.clientRoles = [role] } == (role == .collection ? nil : .roleNotAllowed))
        }
        #expect(match { $0.clientRoles = [] } == .roleNotAllowed)
        for client in ClientKind.allCases { #expect(match { $0.clientKind = client } == nil) }
        for kind in ActorKind.allCases {
            let actor = try Actor(kind: kind, id: #require(Reference("u_7")))
            #expect(
                match {
                    $0.actor = actor
                    $0.hasEncryptionKey = false
                } == nil)
        }
        for precondition in Precondition.allCases { #expect(match { $0.precondition = precondition } == nil) }
        #expect(match { $0.clientPurposes = [] } == .purposeNotRegistered)
        #expect(match { $0.clientPurposes = [.suppressMatch] } == nil)
    }

    @Test("no other purpose can be used for matching", arguments: ExpectedPurpose.released)
    func matchElsewhere(line: ExpectedPurpose) {
        var scope = line.request().scope
        #expect(throws: DenialCode.actionNotAllowed) { () throws in
            try policy.decideMatch(scope, numbers: 1, usage: UsageFacts())
        }
        scope.action = .match
        #expect(throws: DenialCode.actionNotAllowed) { () throws in
            try policy.decideMatch(scope, numbers: 1, usage: UsageFacts())
        }
    }

    @Test("a token for matching has only the form match, whoever asks")
    func matchTokens() throws {
        for client in ClientKind.allCases {
            for kind in ActorKind.allCases {
                var scope = ExpectedPurpose.suppressMatch.request().scope
                scope.clientKind = client
                scope.actor = Actor(kind: kind, id: try #require(Reference("u_7")))
                scope.stage = nil
                #expect(try policy.tokenTerms(for: scope, uses: 1000).form == .match)
            }
        }
    }
}

// Every rule, allowing and denying; stop flag, withdrawal and consent at their boundaries; ceilings of form.

import ConfigurationFile
import ContactModel
import PurposePolicy
import Testing

@Suite("Decision")
struct DecisionTests {
    private let permitted = Outcome.permit(.reveal, generation: 5, fields: [.phone], contact: Fixture.contact)

    @Test("what every rule allows is permitted, for the generation that was decided upon")
    func permit() throws {
        let policy = try Fixture.demonstration()
        #expect(policy.outcome() == permitted)
        #expect(
            policy.explain(Fixture.request(), facts: Fixture.facts(), usage: UsageFacts(), at: Fixture.now)
                .allSatisfy {
                    $0.verdict == .passed
                })
    }

    @Test("each rule denies with its own code")
    func table() throws {
        let policy = try Fixture.demonstration()
        let requests: [(DenialCode, (inout ReleaseRequest) -> Void)] = [
            (.purposeUnknown, { $0.scope.purpose = Purpose("collect.debt")! }),
            (.purposeUnknown, { $0.scope.purpose = Purpose("relay.messages")! }),
            (.portfolioNotRegistered, { $0.clientPortfolios = [Reference("pf_spring")!] }),
            (.portfolioNotRegistered, { $0.clientPortfolios = [] }),
            (.purposeNotRegistered, { $0.scope.clientPurposes = [Fixture.notice] }),
            (.purposeNotRegistered, { $0.scope.clientPurposes = [] }),
            (.roleNotAllowed, { $0.scope.clientRoles = [] }),
            (.roleNotAllowed, { $0.scope.clientRoles = [.privacy, .complaints, .intake, .security] }),
            (.actionNotAllowed, { $0.scope.action = Action("visit")! }),
            (.actionNotAllowed, { $0.scope.action = Action("dial_")! }),
            (.stageNotAllowed, { $0.scope.stage = .overdueReminder }),
            (.stageNotAllowed, { $0.scope.stage = .closed }),
            (.stageNotAllowed, { $0.scope.stage = nil }),
            (.fieldNotAllowed, { $0.scope.fields = [] }),
            (.fieldNotAllowed, { $0.scope.fields = [.relation] }),
            (.fieldNotAllowed, { $0.scope.fields = [.phone, .relation] }),
            (.fieldNotAllowed, { $0.scope.fields = [.phone, .phone] }),
            (.preconditionMissing, { $0.scope.precondition = nil }),
            (.preconditionNotAccepted, { $0.scope.precondition = .deceased }),
            (.contactUnknown, { $0.contact = Fixture.otherContact }),
        ]
        for (code, spoil) in requests {
            var request = Fixture.request()
            spoil(&request)
            #expect(policy.outcome(request) == .deny(code))
        }
        let spoiltFacts: [(DenialCode, (inout ContactFacts) -> Void)] = [
            (.contactErased, { $0.state = .erased }),
            (.contactRestricted, { $0.state = .restricted }),
            (.contactSuspended, { $0.state = .suspended }),
            (.stopFlag, { $0.stopped = Fixture.now }),
            (.consentMissing, { $0.consents = [] }),
            (.contactUnknown, { $0.contact = Fixture.otherContact }),
        ]
        for (code, spoil) in spoiltFacts {
            var facts = Fixture.facts()
            spoil(&facts)
            #expect(policy.outcome(facts: facts) == .deny(code))
        }
        #expect(policy.outcome(facts: nil) == .deny(.contactUnknown))
    }

    @Test("bounds of a registration that name the purpose and the portfolio allow")
    func boundsThatAllow() throws {
        let policy = try Fixture.demonstration()
        var request = Fixture.request()
        request.scope.clientPurposes = [Fixture.relay, Fixture.notice]
        request.clientPortfolios = [Fixture.portfolio]
        #expect(policy.outcome(request) == permitted)
        request.scope.clientRoles = [.privacy, .collection]
        #expect(policy.outcome(request) == permitted)
        request.scope.fields = [.name, .phone]
        #expect(
            policy.outcome(request)
                == .permit(.reveal, generation: 5, fields: [.name, .phone], contact: Fixture.contact))
    }

    @Test("a purpose without preconditions does not ask for one, and does not mind one")
    func noPrecondition() throws {
        let policy = try Fixture.demonstration()
        var request = Fixture.request()
        request.scope.purpose = Fixture.notice
        request.scope.action = Action("send_template")!
        for precondition in [nil, Precondition.numberInvalid] {
            request.scope.precondition = precondition
            #expect(policy.outcome(request) == permitted)
        }
    }

    // MARK: Stop flag and consent

    @Test(
        "a stop flag beats everything else that a request has in its favour, for every purpose of both documents"
    )
    func stopFlag() throws {
        for policy in [try Fixture.demonstration(), try Fixture.catalogue()] {
            for (purpose, rule) in policy.purposes where rule.stopFlag != .exempt {
                var facts = Fixture.facts()
                facts.stopped = Fixture.now
                facts.reference = ReferenceFact(kind: .request, recorded: Fixture.now.adding(seconds: -1))
                facts.consents = [Fixture.consent(purpose)]
                for request in everyRequest(for: purpose, in: policy) {
                    guard case .deny = policy.outcome(request, facts: facts) else {
                        Issue.record("\(purpose) permits although the contact said stop")
                        continue
                    }
                }
            }
        }
    }

    @Test("a stop flag is named before the faults of the request, and an exempt purpose passes it")
    func stopFlagOrder() throws {
        var facts = Fixture.facts()
        facts.stopped = Fixture.now
        var request = Fixture.request()
        request.scope.fields = [.relation]
        request.scope.clientRoles = []
        #expect(try Fixture.demonstration().outcome(request, facts: facts) == .deny(.stopFlag))

        let exempt = try Fixture.demonstration(
            replacing: "    roles: [collection]\n    needs:\n",
            with: "    roles: [privacy]\n    stop_flag: exempt\n    needs:\n")
        request = Fixture.request()
        request.scope.clientRoles = [.privacy]
        #expect(exempt.outcome(request, facts: facts) == permitted)
    }

    @Test("a consent is in force from the moment it is given until just before it expires")
    func consentBoundary() throws {
        let policy = try Fixture.demonstration()
        var facts = Fixture.facts()
        let expires = Timestamp(milliseconds: Fixture.now.milliseconds + 500)
        facts.consents = [
            ConsentFact(purpose: Fixture.relay, given: Fixture.now, expires: expires, withdrawn: nil)
        ]
        func at(_ milliseconds: Int64) -> Outcome {
            policy.outcome(facts: facts, at: Timestamp(milliseconds: Fixture.now.milliseconds + milliseconds))
        }
        #expect(at(-1) == .deny(.consentMissing))
        #expect(at(0) == permitted)
        #expect(at(499) == permitted)
        #expect(at(500) == .deny(.consentExpired))
        #expect(at(501) == .deny(.consentExpired))
    }

    @Test("a consent to another purpose is none")
    func consentElsewhere() throws {
        var facts = Fixture.facts()
        facts.consents = [Fixture.consent(Fixture.notice), Fixture.consent(Purpose("relay")!)]
        #expect(try Fixture.demonstration().outcome(facts: facts) == .deny(.consentMissing))
    }

    @Test("a withdrawal ends every consent that was not given later, and counts even if its time lies ahead")
    func withdrawal() throws {
        let policy = try Fixture.demonstration()
        let now = Fixture.now
        func consent(_ given: Int64, expires: Int64? = nil, withdrawn: Int64? = nil) -> ConsentFact {
            ConsentFact(
                purpose: Fixture.relay, given: now.adding(seconds: given),
                expires: expires.map { now.adding(seconds: $0) },
                withdrawn: withdrawn.map { now.adding(seconds: $0) })
        }
        let table: [([ConsentFact], Outcome)] = [
            ([consent(-100, withdrawn: -50)], .deny(.consentWithdrawn)),
            ([consent(-100, withdrawn: 0)], .deny(.consentWithdrawn)),
            ([consent(-100, withdrawn: 60)], .deny(.consentWithdrawn)),
            ([consent(-100, withdrawn: -50), consent(-80)], .deny(.consentWithdrawn)),
            ([consent(-80), consent(-100, withdrawn: -50)], .deny(.consentWithdrawn)),
            ([consent(-100, withdrawn: -50), consent(-50)], .deny(.consentWithdrawn)),
            ([consent(-100, withdrawn: -50), consent(-49)], permitted),
            ([consent(-49), consent(-100, withdrawn: -50)], permitted),
            ([consent(-100, withdrawn: -50), consent(-49, expires: -1)], .deny(.consentExpired)),
            ([consent(-100, expires: -1), consent(-90)], permitted),
            ([consent(-100, expires: -1), consent(1)], .deny(.consentExpired)),
        ]
        for (consents, expected) in table {
            var facts = Fixture.facts()
            facts.consents = consents
            #expect(policy.outcome(facts: facts) == expected)
        }
        // Another purpose's withdrawal does not end this consent.
        var facts = Fixture.facts()
        var other = Fixture.consent(Fixture.notice)
        other.withdrawn = now
        facts.consents.append(other)
        #expect(policy.outcome(facts: facts) == permitted)
    }

    @Test("verification at enrolment needs no consent, and stops at any withdrawal")
    func notRefused() throws {
        let policy = try Fixture.demonstration()
        var request = Fixture.request()
        request.scope.purpose = Fixture.verify
        request.scope.stage = .preDue
        var facts = Fixture.facts()
        facts.consents = []
        #expect(policy.outcome(request, facts: facts) == permitted)
        var withdrawn = Fixture.consent(Fixture.notice)
        withdrawn.withdrawn = Fixture.now
        facts.consents = [Fixture.consent(Fixture.verify), withdrawn]
        #expect(policy.outcome(request, facts: facts) == .deny(.consentWithdrawn))
    }

    // MARK: Form

    @Test("a desk never gets more than a mask, for any purpose, action and actor of either document")
    func desk() throws {
        for policy in [try Fixture.demonstration(), try Fixture.catalogue()] {
            for purpose in policy.purposes.keys {
                var facts = Fixture.facts()
                facts.consents = [Fixture.consent(purpose)]
                for var request in everyRequest(for: purpose, in: policy) {
                    request.scope.clientKind = .desk
                    if case .permit(let form, _, _, _) = policy.outcome(request, facts: facts) {
                        #expect(form <= .mask)
                    }
                    if let terms = try? policy.tokenTerms(for: request.scope, uses: 1) {
                        #expect(terms.form <= .mask)
                    }
                }
            }
        }
        var request = Fixture.request()
        request.scope.clientKind = .desk
        #expect(
            try Fixture.demonstration().outcome(request)
                == .permit(.mask, generation: 5, fields: [.phone], contact: Fixture.contact))
    }

    @Test("a machine actor gets at most a sealed number, nothing in its place, and a mask as a mask")
    func machineActors() throws {
        let policy = try Fixture.demonstration()
        for kind in [ActorKind.ivr, .aiAgent] {
            var request = Fixture.request()
            request.scope.actor = Actor(kind: kind, id: Reference("bot_1")!)
            #expect(policy.outcome(request) == .deny(.encryptionKeyMissing))
            request.scope.hasEncryptionKey = true
            #expect(
                policy.outcome(request)
                    == .permit(.seal, generation: 5, fields: [.phone], contact: Fixture.contact))
            request.scope.action = Action("display")!
            #expect(
                policy.outcome(request)
                    == .permit(.mask, generation: 5, fields: [.phone], contact: Fixture.contact))
        }
    }

    @Test("a sealed number needs a key to seal to, and is not replaced by another form")
    func sealWithoutKey() throws {
        let policy = try Fixture.demonstration(
            replacing: "{dial: reveal, send_", with: "{dial: seal, ring: reveal, send_")
        #expect(policy.outcome() == .deny(.encryptionKeyMissing))
        var request = Fixture.request()
        request.scope.hasEncryptionKey = true
        #expect(
            policy.outcome(request)
                == .permit(.seal, generation: 5, fields: [.phone], contact: Fixture.contact))
        request = Fixture.request()
        request.scope.action = Action("ring")!
        #expect(policy.outcome(request) == permitted)
    }

    @Test("a kind of client that the purpose does not list has no form")
    func clientKinds() throws {
        let policy = try Fixture.demonstration(
            replacing: "    roles: [collection]\n    needs:\n",
            with: "    roles: [collection]\n    clients: [gateway]\n    needs:\n")
        for kind in ClientKind.allCases {
            var request = Fixture.request()
            request.scope.clientKind = kind
            #expect(policy.outcome(request) == (kind == .gateway ? permitted : .deny(.formNotAllowed)))
        }
    }

    @Test("a comparison with the stop list is decided by itself, never as a release of a contact")
    func matchIsNoRelease() throws {
        var request = Fixture.request()
        request.scope.purpose = Purpose("suppress.match")!
        request.scope.action = Action("match")!
        request.scope.fields = []
        request.scope.stage = nil
        #expect(try Fixture.catalogue().outcome(request) == .deny(.actionNotAllowed))
    }

    @Test(
        "a contact that takes messages alone is not dialled, and the other way round; what answers it is not bound"
    )
    func channels() throws {
        let policy = try Fixture.demonstration()
        for (accepted, action, expected) in [
            (Channel.sms, "dial", Outcome.deny(.channelNotAccepted)), (.voice, "dial", permitted),
            (.sms, "send_template", permitted), (.voice, "send_template", .deny(.channelNotAccepted)),
        ] {
            var facts = Fixture.facts()
            facts.channels = [accepted]
            var request = Fixture.request()
            request.scope.action = Action(action)!
            #expect(policy.outcome(request, facts: facts) == expected)
            facts.channels = Set(Channel.allCases)
            #expect(policy.outcome(request, facts: facts) == permitted)
            // A view of a mask reaches nobody.
            facts.channels = []
            request.scope.action = Action("display")!
            #expect(
                policy.outcome(request, facts: facts)
                    == .permit(.mask, generation: 5, fields: [.phone], contact: Fixture.contact))
        }
        var facts = Fixture.facts()
        facts.channels = [.sms]
        facts.reference = ReferenceFact(kind: .request, recorded: Fixture.now)
        var request = Fixture.request()
        request.scope.purpose = Purpose("callback.requested")!
        request.scope.reference = Reference("rq_1")!
        #expect(
            try Fixture.catalogue().outcome(request, facts: facts, at: Fixture.now.adding(seconds: 8 * 3600))
                == permitted)
    }

    // MARK: Tokens

    @Test("token terms are the policy's, and more uses than it grants are refused rather than cut")
    func tokenTerms() throws {
        let policy = try Fixture.demonstration(replacing: "uses: 1}", with: "uses: 3}")
        for uses in [1, 2, 3] as [Int64] {
            let terms = try policy.tokenTerms(for: Fixture.scope(), uses: uses)
            #expect(terms.seconds == 300)
            #expect(terms.maximumUses == 3)
            #expect(terms.form == .reveal)
        }
        for uses in [Int64.min, -1, 0, 4, Int64.max] {
            #expect(refusal(policy, Fixture.scope(), uses: uses) == .usesNotAllowed)
        }
    }

    @Test("the token endpoint refuses what no release could be permitted")
    func tokenRefusals() throws {
        let policy = try Fixture.demonstration()
        let table: [(DenialCode, (inout ReleaseScope) -> Void)] = [
            (.purposeUnknown, { $0.purpose = Purpose("marketing")! }),
            (.purposeNotRegistered, { $0.clientPurposes = [Fixture.notice] }),
            (.roleNotAllowed, { $0.clientRoles = [.security] }),
            (.actionNotAllowed, { $0.action = Action("match")! }),
            (.stageNotAllowed, { $0.stage = .visit }),
            (.fieldNotAllowed, { $0.fields = [.relation] }),
            (.preconditionMissing, { $0.precondition = nil }),
            (.preconditionNotAccepted, { $0.precondition = .incapacitated }),
            (.encryptionKeyMissing, { $0.actor = Actor(kind: .ivr, id: Reference("bot_1")!) }),
        ]
        for (code, spoil) in table {
            var scope = Fixture.scope()
            spoil(&scope)
            #expect(refusal(policy, scope, uses: 1) == code)
        }
    }

    private func refusal(_ policy: Policy, _ scope: ReleaseScope, uses: Int64) -> DenialCode? {
        do {
            _ = try policy.tokenTerms(for: scope, uses: uses)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Explanation and properties

    @Test("the explanation names every rule, and judges none whose subject is unknown")
    func explain() throws {
        let policy = try Fixture.demonstration()
        var request = Fixture.request()
        request.scope.stage = .closed
        request.scope.precondition = nil
        let verdicts = policy.explain(request, facts: nil, usage: UsageFacts(), at: Fixture.now)
        #expect(verdicts.map(\.rule) == DecisionRule.allCases)
        let byRule = Dictionary(uniqueKeysWithValues: verdicts.map { ($0.rule, $0.verdict) })
        #expect(byRule[.contact] == .denied(.contactUnknown))
        #expect(byRule[.consent] == .notJudged)
        #expect(byRule[.stage] == .denied(.stageNotAllowed))
        #expect(byRule[.precondition] == .denied(.preconditionMissing))
        #expect(byRule[.role] == .passed)
        request.scope.purpose = Purpose("marketing")!
        let unknown = policy.explain(request, facts: Fixture.facts(), usage: UsageFacts(), at: Fixture.now)
        #expect(unknown.map(\.rule).prefix(2) == [.rate, .purpose])
        #expect(unknown.first?.verdict == .passed)
        #expect(unknown.dropFirst().first?.verdict == .denied(.purposeUnknown))
        #expect(unknown.dropFirst(2).allSatisfy { $0.verdict == .notJudged })
    }

    @Test("deny beats allow: a random request is permitted exactly if every rule passes, and twice alike")
    func randomRequests() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("PurposePolicyTests.randomRequests seed \(seed)")
        var random = SeededGenerator(state: seed)
        let policy = try Fixture.demonstration()
        var permits = 0
        var stopped = 0
        for _ in 0..<20_000 {
            let (request, facts) = Self.randomCase(&random)
            let first = policy.outcome(request, facts: facts)
            #expect(first == policy.outcome(request, facts: facts))
            let verdicts = policy.explain(request, facts: facts, usage: UsageFacts(), at: Fixture.now).map(
                \.verdict)
            switch first {
            case .permit(let form, let generation, let fields, let contact):
                permits += 1
                #expect(verdicts.allSatisfy { $0 == .passed })
                #expect(
                    generation == facts?.generation && fields == request.scope.fields
                        && contact == request.contact)
                #expect(facts?.stopped == nil && facts?.state == .active)
                #expect(request.scope.clientKind != .desk || form <= .mask)
                // Any further reason against it turns the permit into a denial.
                var stoppedFacts = facts
                stoppedFacts?.stopped = Fixture.now
                guard case .deny = policy.outcome(request, facts: stoppedFacts) else {
                    Issue.record("a stop flag did not deny")
                    continue
                }
                stopped += 1
            case .deny(let code):
                let firstDenial = verdicts.first { if case .denied = $0 { true } else { false } }
                #expect(firstDenial == .denied(code))
            }
        }
        #expect(permits > 0 && stopped == permits)
    }

    private static func randomCase(_ random: inout SeededGenerator) -> (ReleaseRequest, ContactFacts?) {
        func pick<Element>(_ list: [Element], _ random: inout SeededGenerator) -> Element {
            list[Int.random(in: 0..<list.count, using: &random)]
        }
        func mostly<Element>(
            _ usual: Element, _ others: [Element], _ random: inout SeededGenerator
        ) -> Element {
            Int.random(in: 0..<8, using: &random) == 0 ? pick(others, &random) : usual
        }
        var request = Fixture.request()
        request.scope.purpose = pick(
            [Fixture.relay, Fixture.notice, Fixture.verify, Purpose("other")!], &random)
        request.scope.action = pick(["dial", "send_template", "display"].map { Action($0)! }, &random)
        request.scope.fields = mostly([.phone], [[], [.name], [.relation], [.name, .phone]], &random)
        let usualStage = request.scope.purpose == Fixture.verify ? Stage.preDue : .callCollection
        request.scope.stage = mostly(usualStage, Stage.allCases, &random)
        request.scope.precondition = mostly(.numberInvalid, Precondition.allCases + [nil], &random)
        request.scope.clientKind = pick(ClientKind.allCases, &random)
        request.scope.clientRoles = mostly([.collection], [[], [.privacy]], &random)
        request.scope.actor = Actor(kind: mostly(.human, ActorKind.allCases, &random), id: Reference("u_1")!)
        request.scope.clientPurposes = mostly(nil, [[], [Fixture.relay]], &random)
        request.clientPortfolios = mostly(nil, [[], [Fixture.portfolio]], &random)
        if Int.random(in: 0..<16, using: &random) == 0 { return (request, nil) }
        var facts = Fixture.facts()
        facts.state = mostly(.active, RecordState.allCases, &random)
        facts.stopped = mostly(nil, [Fixture.now], &random)
        facts.generation = .random(in: 1...9, using: &random)
        facts.consents = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            ConsentFact(
                purpose: pick([Fixture.relay, Fixture.notice], &random),
                given: Fixture.now.adding(seconds: .random(in: -50...5, using: &random)),
                expires: mostly(nil, [Fixture.now, Fixture.now.adding(seconds: 1)], &random),
                withdrawn: mostly(
                    nil, [Fixture.now.adding(seconds: .random(in: -50...5, using: &random))], &random))
        }
        return (request, facts)
    }

    /// Requests for every action, kind of client and actor, otherwise as the purpose wants them.
    private func everyRequest(for purpose: Purpose, in policy: Policy) -> [ReleaseRequest] {
        guard let rule = policy.purposes[purpose] else { return [] }
        var requests: [ReleaseRequest] = []
        for action in rule.actions.keys {
            for client in ClientKind.allCases {
                for actor in ActorKind.allCases {
                    for stage in rule.stages {
                        var request = Fixture.request()
                        request.scope.purpose = purpose
                        request.scope.action = action
                        request.scope.fields = rule.fields
                        request.scope.stage = stage
                        request.scope.reference = Reference("rf_1")!
                        request.scope.clientKind = client
                        request.scope.clientRoles = Set(rule.roles)
                        request.scope.actor = Actor(kind: actor, id: Reference("u_1")!)
                        requests.append(request)
                    }
                }
            }
        }
        return requests
    }
}

// The starter catalogue as its design table has it, written down a second time by hand: nothing here is read from the
// policy, so that a slip in the policy file cannot agree with itself.

import ContactModel
import PurposePolicy
import Testing

/// One line of the table.
struct ExpectedPurpose: Sendable, CustomTestStringConvertible {
    enum Need: Hashable, Sendable {
        case consent
        case noWithdrawal
        case authorisation
        case secondPerson
        case precondition(Set<Precondition>)
        case reference(ReferenceKind, days: Int64?)
    }

    /// Releases, over which time, counted for what.
    struct Bound: Hashable, Sendable {
        let releases: Int
        let window: Cap.Window
        let scope: Cap.Scope
    }

    let name: String
    let stages: [Stage]
    let actions: [String: ReleaseForm]
    let fields: Set<FieldName>
    /// Whole hours of the contact's clock, `nil` for any.
    let hours: Range<Int64>?
    let caps: [Bound]
    var seconds: Int64 = 300
    var uses: Int64 = 1
    let role: Role
    var stopFlag = StopFlagRule.respected
    var needs: [Need] = []
    /// Whether it approaches a contact who did not ask for it, and so shares the jurisdiction's frequency.
    var isApproach = false

    var testDescription: String { name }
    var purpose: Purpose { Purpose(name)! }
}

extension ExpectedPurpose {
    static let everyStage: [Stage] = [.preDue, .overdueReminder, .callCollection, .visit, .legal, .closed]
    static let allButClosed: [Stage] = [.preDue, .overdueReminder, .callCollection, .visit, .legal]
    static let unreachable = Need.precondition([
        .numberInvalid, .threeFailedDialsNextDay, .unreachableThreeDays, .agreedScenario,
    ])

    private static func perDays(_ releases: Int, _ days: Int64) -> Bound {
        Bound(releases: releases, window: .days(days), scope: .number)
    }

    private static func inAll(_ releases: Int, per scope: Cap.Scope = .number) -> Bound {
        Bound(releases: releases, window: .inAll, scope: scope)
    }

    /// The twelve.
    static let all: [ExpectedPurpose] = released + [suppressMatch]

    /// Those that release something: all but `suppress.match`.
    static let released: [ExpectedPurpose] = [
        ExpectedPurpose(
            name: "contact.verify", stages: [.preDue], actions: ["send_template": .reveal, "dial": .reveal],
            fields: [.phone], hours: 9..<20, caps: [perDays(1, 1), inAll(3)], role: .collection,
            needs: [.noWithdrawal]),
        ExpectedPurpose(
            name: "contact.notice", stages: allButClosed, actions: ["send_template": .reveal],
            fields: [.phone], hours: 9..<20, caps: [perDays(1, 7), perDays(6, 365)], role: .collection),
        ExpectedPurpose(
            name: "relay.message", stages: [.callCollection],
            actions: ["dial": .reveal, "send_template": .reveal, "display": .mask], fields: [.phone, .name],
            hours: 9..<20, caps: [perDays(1, 1), perDays(2, 7), perDays(3, 30)], role: .collection,
            needs: [.consent, unreachable], isApproach: true),
        ExpectedPurpose(
            name: "locate.debtor", stages: [.callCollection, .legal], actions: ["dial": .seal],
            fields: [.phone], hours: 9..<20, caps: [inAll(1, per: .case)], role: .collection,
            needs: [.consent, unreachable], isApproach: true),
        ExpectedPurpose(
            name: "negotiate.proxy", stages: [.callCollection, .legal],
            actions: ["dial": .reveal, "send_template": .reveal], fields: [.phone, .name], hours: 9..<20,
            caps: [perDays(1, 1), perDays(3, 7), perDays(10, 30)], role: .collection,
            needs: [.consent, .authorisation]),
        ExpectedPurpose(
            name: "repay.voluntary", stages: [.callCollection],
            actions: ["send_template": .reveal, "dial": .reveal], fields: [.phone], hours: 9..<20,
            caps: [perDays(1, 1), inAll(3, per: .reference)], role: .collection,
            needs: [.reference(.offer, days: 7)]),
        ExpectedPurpose(
            name: "callback.requested", stages: allButClosed, actions: ["dial": .reveal], fields: [.phone],
            hours: 8..<22, caps: [inAll(2, per: .reference)], role: .collection,
            stopFlag: .newerReference, needs: [.reference(.request, days: 7)]),
        ExpectedPurpose(
            name: "estate.outreach", stages: [.callCollection, .legal], actions: ["dial": .seal],
            fields: [.phone, .name, .relation], hours: 10..<18, caps: [perDays(1, 7), inAll(2)],
            role: .collection, needs: [.precondition([.deceased, .incapacitated]), .secondPerson],
            isApproach: true),
        ExpectedPurpose(
            name: "complaint.response", stages: everyStage,
            actions: ["dial": .reveal, "send_template": .reveal], fields: [.phone, .name], hours: 9..<20,
            caps: [perDays(2, 1), inAll(5, per: .reference)], role: .complaints, stopFlag: .exempt,
            needs: [.reference(.complaint, days: nil)]),
        ExpectedPurpose(
            name: "rights.fulfil", stages: everyStage, actions: ["send_template": .reveal],
            fields: [.phone], hours: 9..<20, caps: [inAll(3, per: .reference)], uses: 2, role: .privacy,
            stopFlag: .exempt, needs: [.reference(.request, days: nil)]),
        ExpectedPurpose(
            name: "safety.emergency", stages: everyStage, actions: ["dial": .reveal],
            fields: [.phone, .name, .relation], hours: nil,
            caps: [Bound(releases: 3, window: .hours(24), scope: .case)], seconds: 120, role: .collection),
    ]

    /// The one that releases nothing.
    static let suppressMatch = ExpectedPurpose(
        name: "suppress.match", stages: everyStage, actions: ["match": .match], fields: [], hours: nil,
        caps: [], seconds: 3600, uses: 1000, role: .collection, stopFlag: .exempt)
}

// MARK: A request that the line allows, to be spoilt one member at a time

extension ExpectedPurpose {
    /// Wednesday 2026-05-20, noon in Shanghai: within the hours of every line.
    static let noon = Timestamp("2026-05-20T04:00:00Z")!
    /// When that day began there.
    static let today = Timestamp("2026-05-19T16:00:00Z")!

    func request() -> ReleaseRequest {
        var request = Fixture.request()
        request.scope.purpose = purpose
        request.scope.action = Action(actions.keys.contains("dial") ? "dial" : actions.keys.min()!)!
        request.scope.fields = fields.contains(.phone) ? [.phone] : []
        request.scope.stage = stages[0]
        request.scope.precondition = nil
        request.scope.reference = nil
        request.scope.clientRoles = [role]
        request.scope.hasEncryptionKey = true
        for need in needs {
            switch need {
            case .precondition(let accepted):
                request.scope.precondition = Precondition.allCases.first(where: accepted.contains)
            case .reference: request.scope.reference = Reference("rf_1")!
            default: break
            }
        }
        return request
    }

    /// Facts that speak for the request at a moment.
    func facts(at now: Timestamp = noon) -> ContactFacts {
        var facts = Fixture.facts()
        facts.consents = []
        for need in needs {
            switch need {
            case .consent:
                facts.consents = [
                    ConsentFact(
                        purpose: purpose, given: now.adding(seconds: -1000), expires: nil,
                        withdrawn: nil)
                ]
            case .authorisation:
                facts.authorisation = AuthorisationFact(
                    given: now.adding(seconds: -1000), expires: nil, withdrawn: nil)
            case .secondPerson: facts.isApproved = true
            case .reference(let kind, _):
                facts.reference = ReferenceFact(kind: kind, recorded: now.adding(seconds: -1000))
            case .noWithdrawal, .precondition: break
            }
        }
        return facts
    }

    /// What is expected of a request that nothing speaks against.
    func permitted(_ form: ReleaseForm? = nil, fields: [FieldName] = [.phone]) -> Outcome {
        .permit(
            form ?? actions["dial"] ?? actions.values.max()!, generation: 5, fields: fields,
            contact: Fixture.contact)
    }

    /// An earlier release that a cap of this scope counts, and a cap of another scope does not.
    func release(
        at time: Timestamp, per scope: Cap.Scope, purpose other: String? = nil, isApproach: Bool? = nil
    ) -> PastRelease {
        PastRelease(
            time: time, purpose: other.flatMap { Purpose($0) } ?? purpose, isMask: false,
            isApproach: isApproach ?? self.isApproach, isSameNumber: scope == .number,
            isSameCase: scope == .case, isSameReference: scope == .reference)
    }
}

extension Timestamp {
    func adding(days: Int64) -> Timestamp { adding(seconds: days * 86_400) }
    func adding(milliseconds more: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds + more) }
}

// One purpose of the catalogue: what it allows and what it needs. There is no rule here that is read and then ignored.

public import ContactModel

/// What a purpose allows and needs, as the policy file gives it.
public struct PurposeRule: Hashable, Sendable {
    /// A title for people, at most 128 bytes; it decides nothing.
    public let title: String?
    /// Stages of a case in which the contact may be reached, at least one.
    public let stages: [Stage]
    /// The allowed actions, each with the most that may leave for it.
    public let actions: [Action: ReleaseForm]
    /// Fields that may leave; empty for matching only.
    public let fields: [FieldName]
    /// When, by the contact's clock.
    public let hours: Hours
    /// How often; empty if the file says `caps: none`.
    public let caps: [Cap]
    /// Life of a token, seconds, 1…300 (matching: 3,600).
    public let tokenSeconds: Int64
    /// Uses of a token, at least 1.
    public let tokenUses: Int64
    /// Roles of which a client must have one.
    public let roles: [Role]
    /// Kinds of client that may use the purpose. A `desk` gets at most a mask wherever it is listed.
    public let clients: [ClientKind]
    /// What the contact's stop flag means here.
    public let stopFlag: StopFlagRule
    /// Further requirements, each at most once.
    public let needs: [Requirement]
    /// Whether the jurisdiction's frequency and pause bind this purpose. A purpose by which the contact is answered, or
    /// acts for the borrower, does not approach anyone who did not ask for it.
    public let isUnderFrequencyCeiling: Bool

    /// Whether no hours bind the purpose, not even the jurisdiction's: a threat to life, and matching, which reaches nobody.
    var isUnboundByHours: Bool { isMatchingOnly || isEmergency }

    /// Whether the purpose breaks the glass.
    var isEmergency: Bool { needs.contains { if case .breakGlass = $0 { true } else { false } } }

    /// Whether a list of the catalogue's forms has only matching in it.
    var isMatchingOnly: Bool { actions.values.allSatisfy { $0 == .match } }

    /// The most that may leave for an action, under the client's and the actor's ceilings; `nil` if the action or the
    /// kind of client is not allowed. The form may be one that is not built.
    func form(of action: Action, client: ClientKind, actor: ActorKind) -> ReleaseForm? {
        guard let highest = actions[action], clients.contains(client) else { return nil }
        return min(highest, client.ceiling, actor.ceiling)
    }
}

extension ClientKind {
    /// The most that may leave to a client of this kind, whatever the purpose.
    public var ceiling: ReleaseForm {
        switch self {
        case .desk: .mask
        case .gateway, .service: .reveal
        }
    }
}

extension ActorKind {
    /// The most that may leave on behalf of such an actor, whatever the purpose. A machine that speaks does not need
    /// the number in clear: its dialer can open a sealed one.
    public var ceiling: ReleaseForm {
        switch self {
        case .human: .reveal
        case .ivr, .aiAgent: .seal
        }
    }
}

/// A ceiling on releases.
///
/// Views of form `mask` are counted among themselves: looking at a screen does not use up the call, and is bounded all
/// the same.
public struct Cap: Hashable, Sendable {
    /// What the releases are counted for.
    public enum Scope: String, CaseIterable, Sendable {
        /// The contact's number, over all cases and agencies.
        case number
        /// The case, whichever of its contacts was released.
        case `case`
        /// The contact's number in one case ("per person per debt").
        case numberAndCase = "number_and_case"
        /// The offer, request or complaint that the request refers to.
        case reference
    }

    /// The time over which releases are counted.
    public enum Window: Hashable, Sendable {
        /// Calendar days at the contact, today included.
        case days(Int64)
        /// Hours back from now.
        case hours(Int64)
        /// Without end.
        case inAll
    }

    /// How many releases, at least 1.
    public let releases: Int64
    /// Over which time.
    public let window: Window
    /// Counted for what.
    public let scope: Scope
}

/// What a contact's stop flag means to a purpose.
public enum StopFlagRule: String, CaseIterable, Sendable {
    /// It denies.
    case respected
    /// It does not matter: the purpose answers the contact's own complaint or request, or matches without releasing.
    case exempt
    /// It denies unless the reference of the request is newer.
    case newerReference = "newer_reference"
}

/// Something that a purpose needs beyond stage, role and field.
public enum Requirement: Hashable, Sendable {
    /// The contact's own consent.
    case consent(ConsentRule)
    /// The versions of the notice under which a consent counts; a consent under another is outdated.
    case notices([Reference])
    /// One of these reasons, attested in the request and logged. Whether it is true is the client's to answer for.
    case precondition([Precondition])
    /// The number was verified at most so many days ago.
    case verification(days: Int64)
    /// The borrower's authorisation of the contact, unexpired.
    case authorisation
    /// A recorded offer, request or complaint, at most so many days old if a number is given.
    case reference(ReferenceKind, days: Int64?)
    /// Approval by a second person.
    case secondPerson
    /// Alert at once and review within so many hours.
    case breakGlass(reviewHours: Int64)
    /// At most so many numbers in a request.
    case batch(numbers: Int64)
    /// A rate limit per client, of so many requests in a minute.
    case rate(requestsPerMinute: Int64)

    /// The key under `needs` in the policy file.
    public var key: String {
        switch self {
        case .consent: "consent"
        case .notices: "notices"
        case .precondition: "precondition"
        case .verification: "verified_within_days"
        case .authorisation: "authorisation"
        case .reference: "reference"
        case .secondPerson: "second_person"
        case .breakGlass: "break_glass"
        case .batch: "batch"
        case .rate: "requests_per_minute"
        }
    }
}

/// Which consent a purpose needs.
public enum ConsentRule: String, CaseIterable, Sendable {
    /// The contact's consent to this very purpose, in force.
    case required
    /// The contact has never withdrawn a consent, to any purpose. A refusal on the phone sets the stop flag instead.
    case notRefused = "not_refused"
}

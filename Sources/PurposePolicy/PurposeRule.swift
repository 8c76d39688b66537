// One purpose of the catalogue: what it allows and what it needs.
//
// The types hold the whole catalogue, also what the engine does not enforce yet. Such a purpose is complete on paper
// and refused in use: `unbuiltRequirements` says why. There is no rule here that is read and then ignored.

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

    /// What this purpose asks for and the engine does not enforce yet, as keys of the policy file (`hours`,
    /// `needs.authorisation`). While there is one, every request for this purpose is refused as
    /// ``DenialCode/purposeNotConfigured``. Actions whose form is not built are listed by ``unbuiltActions``.
    public let unbuiltRequirements: [String]

    init(
        title: String?, stages: [Stage], actions: [Action: ReleaseForm], fields: [FieldName], hours: Hours,
        caps: [Cap], tokenSeconds: Int64, tokenUses: Int64, roles: [Role], clients: [ClientKind],
        stopFlag: StopFlagRule, needs: [Requirement]
    ) {
        self.title = title
        self.stages = stages
        self.actions = actions
        self.fields = fields
        self.hours = hours
        self.caps = caps
        self.tokenSeconds = tokenSeconds
        self.tokenUses = tokenUses
        self.roles = roles
        self.clients = clients
        self.stopFlag = stopFlag
        self.needs = needs
        var unbuilt: [String] = []
        if hours != .any { unbuilt.append("hours") }
        if !caps.isEmpty { unbuilt.append("caps") }
        if actions.values.allSatisfy({ !$0.isBuilt }) { unbuilt.append("actions") }
        if stopFlag == .newerReference { unbuilt.append("stop_flag") }
        unbuilt += needs.filter { !$0.isBuilt }.map { "needs." + $0.key }
        unbuiltRequirements = unbuilt
    }

    /// Actions whose highest form is not built, sorted. A request for one is refused as
    /// ``DenialCode/purposeNotConfigured``, unless its client or actor lowers the form to one that is.
    public var unbuiltActions: [Action] {
        actions.filter { !$0.value.isBuilt }.keys.sorted { $0.text < $1.text }
    }

    /// Whether a list of the catalogue's forms has only matching in it.
    var isMatchingOnly: Bool { actions.values.allSatisfy { $0 == .match } }

    /// The most that may leave for an action, under the client's and the actor's ceilings; `nil` if the action or the
    /// kind of client is not allowed. The form may be one that is not built.
    func form(of action: Action, client: ClientKind, actor: ActorKind) -> ReleaseForm? {
        guard let highest = actions[action], clients.contains(client) else { return nil }
        return min(highest, client.ceiling, actor.ceiling)
    }
}

extension ReleaseForm {
    /// Whether the engine can give this form.
    public var isBuilt: Bool {
        switch self {
        case .mask, .reveal: true
        case .match, .seal: false
        }
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

/// When a contact may be reached.
public enum Hours: Hashable, Sendable {
    /// At any time.
    case any
    /// Only within a window, by every clock of the contact. Not enforced yet.
    case window(HourWindow)
}

/// A window of local time: from its opening minute up to, not including, its closing minute.
public struct HourWindow: Hashable, Sendable {
    /// Minutes after midnight, 0…1439.
    public let opens: Int
    /// Minutes after midnight, later than ``opens``, at most 1440.
    public let closes: Int

    /// Parses `HH:MM-HH:MM`; `nil` for another shape, an impossible time, or a window that does not open before it
    /// closes. `24:00` may close a window.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        func minutes(_ start: Int) -> Int? {
            let digits = [0, 1, 3, 4].map { bytes[start + $0] }
            guard digits.allSatisfy({ (0x30...0x39).contains($0) }), bytes[start + 2] == UInt8(ascii: ":")
            else {
                return nil
            }
            let values = digits.map { Int($0 - 0x30) }
            let minute = values[2] * 10 + values[3]
            return minute < 60 ? (values[0] * 10 + values[1]) * 60 + minute : nil
        }
        guard bytes.count == 11, bytes[5] == UInt8(ascii: "-"), let opens = minutes(0),
            let closes = minutes(6),
            opens < closes, closes <= 24 * 60
        else { return nil }
        self.opens = opens
        self.closes = closes
    }
}

/// A ceiling on releases. Not enforced yet.
public struct Cap: Hashable, Sendable {
    /// What the releases are counted for.
    public enum Scope: String, CaseIterable, Sendable {
        /// The contact's number, over all cases and agencies.
        case number
        /// The case.
        case `case`
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
    /// It denies unless the reference of the request is newer. Not enforced yet.
    case newerReference = "newer_reference"
}

/// Something that a purpose needs beyond stage, role and field.
public enum Requirement: Hashable, Sendable {
    /// The contact's own consent.
    case consent(ConsentRule)
    /// One of these reasons, attested in the request and logged. Whether it is true is the client's to answer for.
    case precondition([Precondition])
    /// The number was verified at most so many days ago. Not enforced yet.
    case verification(days: Int64)
    /// The borrower's authorisation of the contact, unexpired. Not enforced yet.
    case authorisation
    /// A recorded offer, request or complaint, at most so many days old if a number is given. Not enforced yet.
    case reference(ReferenceKind, days: Int64?)
    /// Approval by a second person. Not enforced yet.
    case secondPerson
    /// Alert at once and review within so many hours. Not enforced yet.
    case breakGlass(reviewHours: Int64)
    /// At most so many numbers in a request. Not enforced yet.
    case batch(numbers: Int64)
    /// A rate limit per client, of so many requests in a minute. Not enforced yet.
    case rate(requestsPerMinute: Int64)

    /// The key under `needs` in the policy file.
    public var key: String {
        switch self {
        case .consent: "consent"
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

    /// Whether the engine enforces it.
    public var isBuilt: Bool {
        switch self {
        case .consent, .precondition: true
        case .verification, .authorisation, .reference, .secondPerson, .breakGlass, .batch, .rate: false
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

/// What a request refers to.
public enum ReferenceKind: String, CaseIterable, Sendable {
    /// An offer to repay.
    case offer
    /// A request of the contact's: a call back, or a right.
    case request
    /// A complaint of the contact's.
    case complaint
}

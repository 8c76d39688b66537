// The vocabulary of a request: purpose, action, stage, form, precondition, actor.

/// Why a contact may be reached. Which purposes exist is decided by the policy file, a closed catalogue; this type
/// only bounds the spelling: words of `a–z _` separated by dots, at most 64 bytes.
public struct Purpose: Hashable, Sendable, CustomStringConvertible {
    /// The identifier, such as `relay.message`.
    public let text: String

    /// Checks the spelling; `nil` if it is not one.
    public init?(_ text: String) {
        guard (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x61...0x7A).contains($0) || $0 == 0x5F || $0 == 0x2E }),
            !text.hasPrefix("."), !text.hasSuffix("."), !text.contains("..")
        else { return nil }
        self.text = text
    }

    /// The one purpose whose spelling is part of the interface: comparing numbers with the stop list. A token for it
    /// names no contact.
    public static let suppressMatch = Purpose(literal: "suppress.match")

    private init(literal: StaticString) { text = "\(literal)" }

    /// The identifier.
    public var description: String { text }
}

/// What the client will do with the number (`dial`, `send_template`, …): `a–z _`, at most 32 bytes.
public struct Action: Hashable, Sendable, CustomStringConvertible {
    /// The name.
    public let text: String

    /// Checks the spelling; `nil` if it is not one.
    public init?(_ text: String) {
        guard (1...32).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x61...0x7A).contains($0) || $0 == 0x5F })
        else { return nil }
        self.text = text
    }

    /// The only action of ``Purpose/suppressMatch``.
    public static let match = Action(literal: "match")

    private init(literal: StaticString) { text = "\(literal)" }

    /// The name.
    public var description: String { text }
}

/// How a contact may be reached.
public enum Channel: String, CaseIterable, Sendable {
    case sms
    case voice
}

extension Action {
    /// The channel that the action uses; `nil` for one that reaches nobody, or in a way that the vault does not know.
    public var channel: Channel? {
        switch text {
        case "dial": .voice
        case "send_template": .sms
        default: nil
        }
    }
}

/// How much of a number leaves, from least to most.
public enum ReleaseForm: String, CaseIterable, Comparable, Sendable {
    /// Only whether it is equal to a number that the caller already has.
    case match
    /// First and last digits.
    case mask
    /// The number encrypted to the client's registered key.
    case seal
    /// The number itself.
    case reveal

    /// `match` < `mask` < `seal` < `reveal`.
    public static func < (left: ReleaseForm, right: ReleaseForm) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .match: 0
        case .mask: 1
        case .seal: 2
        case .reveal: 3
        }
    }
}

/// A personal field of a contact record.
public enum FieldName: String, CaseIterable, Sendable {
    /// The contact's name.
    case name
    /// The phone number, E.164.
    case phone
    /// How the contact is related to the borrower.
    case relation

    /// The field id in a sealed record (`docs/spec/sealed-record.md`).
    public var identifier: UInt16 {
        switch self {
        case .name: 1
        case .phone: 2
        case .relation: 3
        }
    }
}

/// Where a case stands in collection.
public enum Stage: String, CaseIterable, Sendable {
    case preDue = "pre_due"
    case overdueReminder = "overdue_reminder"
    case callCollection = "call_collection"
    case visit
    case legal
    case closed
}

/// Why the borrower cannot be reached directly, attested by the client in each request and logged.
public enum Precondition: String, CaseIterable, Sendable {
    case numberInvalid = "number_invalid"
    case threeFailedDialsNextDay = "three_failed_dials_next_day"
    case unreachableThreeDays = "unreachable_three_days"
    case agreedScenario = "agreed_scenario"
    case deceased
    case incapacitated
}

/// What kind of actor a client asks for.
public enum ActorKind: String, CaseIterable, Sendable {
    case human
    case ivr
    case aiAgent = "ai_agent"
}

/// The person or machine on whose behalf a client asks.
public struct Actor: Hashable, Sendable {
    /// Person, voice response or agent software.
    public let kind: ActorKind
    /// The caller's opaque reference.
    public let id: Reference

    /// An actor.
    public init(kind: ActorKind, id: Reference) {
        self.kind = kind
        self.id = id
    }
}

/// What kind of program a client is.
public enum ClientKind: String, CaseIterable, Sendable {
    /// Dials or sends: it needs the number itself.
    case gateway
    /// A person's screen: never more than a mask.
    case desk
    /// A case system or batch program.
    case service
}

/// What a client may ask tokens for.
public enum Role: String, CaseIterable, Sendable {
    case collection
    case complaints
    case intake
    case privacy
    case security
}

/// State of a contact record.
public enum RecordState: String, CaseIterable, Sendable {
    /// In use.
    case active
    /// Kept, but processing is restricted at the contact's request.
    case restricted
    /// Suspended: the number was reported wrong or invalid.
    case suspended
    /// The personal fields and their keys are gone.
    case erased
}

/// Whether the number has been shown to reach the contact.
public enum VerificationState: String, CaseIterable, Sendable {
    case unverified
    case verified
    case failed
}

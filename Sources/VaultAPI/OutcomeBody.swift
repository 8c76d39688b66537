// Bodies about what came of releases, and about the stop list.

/// What a client reports of a release.
public struct OutcomeRequestBody: Codable, Sendable {
    /// One of the outcomes of `docs/spec/http-api.md`.
    public let outcome: String
    /// The caller's name for the offer, request or complaint that the outcome puts on record; the release's own if absent.
    public let reference: String?

    /// A report.
    public init(outcome: String, reference: String? = nil) {
        self.outcome = outcome
        self.reference = reference
    }
}

/// The reply to a report.
public struct OutcomeBody: Codable, Sendable {
    /// The release, `rl_…`.
    public let release: String
    /// The outcome on record.
    public let outcome: String
    /// What a later release may refer to; absent if the outcome put nothing on record.
    public let reference: String?
    /// The entry.
    public let receipt: ReceiptBody

    /// A reply.
    public init(release: String, outcome: String, reference: String?, receipt: ReceiptBody) {
        self.release = release
        self.outcome = outcome
        self.reference = reference
        self.receipt = receipt
    }
}

/// A release whose outcome is missing.
public struct MissingOutcomeBody: Codable, Sendable {
    /// The release, `rl_…`.
    public let release: String
    /// The client it was given to.
    public let client: String
    /// For what.
    public let purpose: String
    /// When it was released; RFC 3339.
    public let released: String
    /// When its outcome was due; RFC 3339.
    public let due: String

    /// A release.
    public init(release: String, client: String, purpose: String, released: String, due: String) {
        self.release = release
        self.client = client
        self.purpose = purpose
        self.released = released
        self.due = due
    }
}

/// A release in an emergency that somebody must look at, or has.
public struct ReviewBody: Codable, Sendable {
    /// The release, `rl_…`.
    public let release: String
    /// The client it was given to.
    public let client: String
    /// For what.
    public let purpose: String
    /// When it was released; RFC 3339.
    public let released: String
    /// Until when it must be looked at; RFC 3339.
    public let due: String
    /// Whether that moment is past and nobody has.
    public let isOverdue: Bool
    /// When the alert was delivered; absent while it was not.
    public let alerted: String?
    /// When it was looked at; absent while it was not.
    public let closed: String?
    /// What was found.
    public let finding: String?

    enum CodingKeys: String, CodingKey {
        case release, client, purpose, released, due, alerted, closed, finding
        case isOverdue = "overdue"
    }

    /// A review.
    public init(
        release: String, client: String, purpose: String, released: String, due: String, isOverdue: Bool,
        alerted: String?, closed: String?, finding: String?
    ) {
        self.release = release
        self.client = client
        self.purpose = purpose
        self.released = released
        self.due = due
        self.isOverdue = isOverdue
        self.alerted = alerted
        self.closed = closed
        self.finding = finding
    }
}

/// Numbers to compare with the stop list, E.164.
public struct MatchRequestBody: Codable, Sendable {
    /// At most a thousand.
    public let numbers: [String]

    /// Numbers.
    public init(numbers: [String]) { self.numbers = numbers }
}

/// The reply to a comparison.
public struct MatchBody: Codable, Sendable {
    /// For each number, in order, whether it is on the stop list; `null` for what is no number that the vault would hold.
    public let matches: [Bool?]

    /// A reply.
    public init(matches: [Bool?]) { self.matches = matches }
}

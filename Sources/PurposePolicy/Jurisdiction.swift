// What the law or a code of practice bounds, whatever a purpose would allow.

public import ContactModel

/// Ceilings of one jurisdiction. A purpose may be tighter, never looser.
public struct Jurisdiction: Hashable, Sendable {
    /// A title for people; it decides nothing.
    public let title: String?
    /// Hours that bind every purpose but those of an emergency and of matching.
    public let hours: Hours
    /// Frequency that binds purposes under the ceiling, counted over all of them together.
    public let caps: [Cap]
    /// Further caps of single purposes.
    public let purposeCaps: [Purpose: [Cap]]
    /// Days without another approach after a conversation, the day of which is day 1; `nil` for none.
    public let pauseDays: Int64?
    /// Names of calendars on whose days nobody is reached.
    public let holidays: [String]
}

/// Which jurisdiction binds a contact.
public struct JurisdictionAssignment: Hashable, Sendable {
    /// For portfolios that are not named.
    public let standard: String
    /// By portfolio.
    public let portfolios: [Reference: String]
}

/// Ceilings that bind whatever the purpose.
public struct PolicyLimits: Hashable, Sendable {
    /// The zone whose calendar days the ceilings on distinct contacts go by.
    public var dayZone: String
    /// Most distinct contacts of one actor in a day; `nil` for no ceiling.
    public var contactsPerActor: Int64?
    /// Most distinct contacts of one client in a day.
    public var contactsPerClient: Int64?
    /// Most distinct contacts of one agency in a day.
    public var contactsPerAgency: Int64?
    /// Most requests of one client in a minute, refused ones too.
    public var requestsPerMinute: Int64?
    /// Poor or missing outcomes at which an actor is throttled, and over how many hours they are counted.
    public var throttle: Throttle?
    /// After how many hours a release without an outcome is missing one.
    public var outcomeHours: Int64

    /// When an actor is throttled.
    public struct Throttle: Hashable, Sendable {
        /// At so many outcomes that are poor or missing.
        public let outcomes: Int64
        /// Counted over so many hours.
        public let hours: Int64
    }

    /// No ceilings; outcomes are missed after 12 h, because carriers report up to ten hours late.
    static let none = PolicyLimits(
        dayZone: "UTC", contactsPerActor: nil, contactsPerClient: nil, contactsPerAgency: nil,
        requestsPerMinute: nil, throttle: nil, outcomeHours: 12)

    /// Whether distinct contacts are counted at all.
    public var countsContacts: Bool {
        contactsPerActor != nil || contactsPerClient != nil || contactsPerAgency != nil
    }
}

// Agencies as the operator sees them.

/// The time for which an agency is entrusted.
public struct EntrustmentBody: Codable, Sendable {
    /// The agency.
    public let agency: String
    /// When it begins; RFC 3339.
    public let from: String
    /// The first moment at which it has ended; absent for one without an end. RFC 3339.
    public let until: String?

    /// An entrustment.
    public init(agency: String, from: String, until: String?) {
        self.agency = agency
        self.from = from
        self.until = until
    }
}

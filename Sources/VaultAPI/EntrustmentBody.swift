// Agencies as the operator sees them.

/// The time for which an agency is entrusted.
public struct EntrustmentBody: Codable, Sendable {
    /// The agency.
    public let agency: String
    /// When it begins; RFC 3339.
    public let from: String
    /// The first moment at which it has ended; absent for one without an end. RFC 3339.
    public let until: String?
    /// Roles that the agency's clients may use; empty for all that they are registered with.
    public let roles: [String]
    /// Purposes that they may use; empty for all.
    public let purposes: [String]
    /// Portfolios that they may touch; empty for all.
    public let portfolios: [String]

    /// An entrustment.
    public init(
        agency: String, from: String, until: String?, roles: [String] = [], purposes: [String] = [],
        portfolios: [String] = []
    ) {
        self.agency = agency
        self.from = from
        self.until = until
        self.roles = roles
        self.purposes = purposes
        self.portfolios = portfolios
    }
}

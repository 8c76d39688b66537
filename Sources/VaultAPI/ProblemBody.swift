// Problem details (RFC 9457).

/// An error of every endpoint but the token endpoint.
public struct ProblemBody: Codable, Sendable {
    /// The problem's type, a URI that begins with ``base``.
    public let type: String
    /// One sentence that is the same for every occurrence.
    public let title: String
    /// The HTTP status.
    public let status: Int
    /// `urn:uuid:` or the caller's request id: the entry in the log carries it too.
    public let instance: String
    /// What to do, where there is something to do.
    public let detail: String?
    /// The field that was refused, for intake.
    public let field: String?
    /// What was wrong with it.
    public let problem: String?

    /// The beginning of every problem type.
    public static let base = "https://contact-vault.example/problems/"

    /// A problem.
    public init(
        type: String, title: String, status: Int, instance: String, detail: String? = nil,
        field: String? = nil,
        problem: String? = nil
    ) {
        self.type = Self.base + type
        self.title = title
        self.status = status
        self.instance = instance
        self.detail = detail
        self.field = field
        self.problem = problem
    }
}

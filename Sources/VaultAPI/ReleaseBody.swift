// Bodies of release, contact and log replies, shared by service and client.

/// Where an entry stands: part of most replies.
public struct ReceiptBody: Codable, Equatable, Sendable {
    /// Position of the entry.
    public let index: UInt64
    /// SHA-256 leaf hash, base64.
    public let leafHash: String
    /// A checkpoint signed after this moment covers the entry; RFC 3339.
    public let checkpointAfter: String

    /// A receipt.
    public init(index: UInt64, leafHash: String, checkpointAfter: String) {
        self.index = index
        self.leafHash = leafHash
        self.checkpointAfter = checkpointAfter
    }

    enum CodingKeys: String, CodingKey {
        case index
        case leafHash = "leaf_hash"
        case checkpointAfter = "checkpoint_after"
    }
}

/// The reply to a release. The service writes it from bytes that it wipes; this type is for reading it.
public struct ReleaseBody: Codable, Sendable {
    /// The release, `rl_…`.
    public let release: String
    /// The contact, `ct_…`.
    public let contact: String
    /// The action.
    public let action: String
    /// The form of every field.
    public let form: String
    /// Fields by name, in that form.
    public let fields: [String: String]
    /// Uses that the token has left for this contact.
    public let usesRemaining: Int64
    /// When the number must no longer be used; RFC 3339.
    public let notAfter: String
    /// The entry.
    public let receipt: ReceiptBody

    enum CodingKeys: String, CodingKey {
        case release, contact, action, form, fields, receipt
        case usesRemaining = "uses_remaining"
        case notAfter = "not_after"
    }
}

/// The reply to a release of several contacts.
public struct BatchReleaseBody: Decodable, Sendable {
    /// One result for each contact, in the order of the token.
    public let results: [Result]

    /// What became of one contact.
    public enum Result: Decodable, Sendable {
        /// Released.
        case released(ReleaseBody)
        /// Refused; the contact and the problem that a request for it alone would have met.
        case refused(contact: String, ProblemBody)

        private enum CodingKeys: String, CodingKey { case contact, problem }

        /// Reads either.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            if container.contains(.problem) {
                self = .refused(
                    contact: try container.decode(String.self, forKey: .contact),
                    try container.decode(ProblemBody.self, forKey: .problem))
            } else {
                self = .released(try ReleaseBody(from: decoder))
            }
        }

        /// The contact, `ct_…`.
        public var contact: String {
            switch self {
            case .released(let release): release.contact
            case .refused(let contact, _): contact
            }
        }
    }
}

/// The reply to intake and replacement.
public struct StoredContactBody: Codable, Sendable {
    /// The contact, `ct_…`.
    public let contact: String
    /// Its generation, also in `ETag`.
    public let generation: UInt64
    /// The mask of the number.
    public let phone: String
    /// When somebody last said no for the number; absent if nobody did. RFC 3339.
    public let stopped: String?
    /// The entry; absent for a repeated idempotent request.
    public let receipt: ReceiptBody?

    /// A reply.
    public init(
        contact: String, generation: UInt64, phone: String, stopped: String? = nil, receipt: ReceiptBody?
    ) {
        self.contact = contact
        self.generation = generation
        self.phone = phone
        self.stopped = stopped
        self.receipt = receipt
    }
}

/// One line of the reply to an import.
public struct ImportLineBody: Codable, Sendable {
    /// The line, from 1.
    public let line: Int
    /// The contact, if it was stored.
    public let contact: String?
    /// The mask of its number.
    public let phone: String?
    /// When somebody last said no for its number: it was stored stopped. RFC 3339.
    public let stopped: String?
    /// The field that was refused.
    public let field: String?
    /// What was wrong with it.
    public let problem: String?

    /// A line.
    public init(
        line: Int, contact: String? = nil, phone: String? = nil, stopped: String? = nil,
        field: String? = nil, problem: String? = nil
    ) {
        self.line = line
        self.contact = contact
        self.phone = phone
        self.stopped = stopped
        self.field = field
        self.problem = problem
    }
}

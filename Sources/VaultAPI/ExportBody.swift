// Exports of the access log.

/// What is to be exported.
public struct ExportRequestBody: Codable, Equatable, Sendable {
    /// Entries from this moment on; absent from the beginning. RFC 3339.
    public var from: String?
    /// And before this one; absent up to now. RFC 3339.
    public var to: String?
    /// `officer`, `subject` or `security`.
    public var profile: String
    /// The one contact whose parts are disclosed; absent for all.
    public var contact: String?
    /// Size of the tree at an earlier export, from which consistency is to be shown.
    public var previousSize: UInt64?

    /// A request.
    public init(
        from: String? = nil, to: String? = nil, profile: String, contact: String? = nil,
        previousSize: UInt64? = nil
    ) {
        self.from = from
        self.to = to
        self.profile = profile
        self.contact = contact
        self.previousSize = previousSize
    }

    enum CodingKeys: String, CodingKey {
        case from, to, profile, contact
        case previousSize = "previous_size"
    }
}

/// An export that was begun.
public struct ExportPlanBody: Codable, Equatable, Sendable {
    /// Origin of the log.
    public let origin: String
    /// Index of the first entry.
    public let first: UInt64
    /// One after the last.
    public let end: UInt64
    /// The time, as far as the caller may read it; RFC 3339.
    public let from: String?
    /// And its end.
    public let to: String?
    /// The signed checkpoint.
    public let checkpoint: String
    /// The range proof.
    public let proof: String
    /// Consistency from the earlier export, a hash a line; absent if none was named.
    public let consistency: String?
    /// `log <verifier key>`: what an auditor must have from elsewhere.
    public let policy: String

    /// A plan.
    public init(
        origin: String, first: UInt64, end: UInt64, from: String?, to: String?, checkpoint: String,
        proof: String, consistency: String?, policy: String
    ) {
        self.origin = origin
        self.first = first
        self.end = end
        self.from = from
        self.to = to
        self.checkpoint = checkpoint
        self.proof = proof
        self.consistency = consistency
        self.policy = policy
    }
}

/// One entry of a page of an export, one line of NDJSON.
public struct ExportedEntryBody: Codable, Equatable, Sendable {
    /// Its position.
    public let index: UInt64
    /// The exact leaf.
    public let leaf: String
    /// What the profile discloses of it, each disclosure followed by `~`; absent if nothing.
    public let disclosures: String?

    /// An entry.
    public init(index: UInt64, leaf: String, disclosures: String?) {
        self.index = index
        self.leaf = leaf
        self.disclosures = disclosures
    }
}

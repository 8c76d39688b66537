// Entries of the access log as their reader gets them.

/// One entry with what it discloses.
public struct LogEntryBody: Codable, Sendable {
    /// Its position.
    public let index: UInt64
    /// The exact leaf, canonical JSON: hash `0x00 ‖ UTF-8` of it to check a proof.
    public let leaf: String
    /// The contact, `ct_…`, where it is still disclosed.
    public let contact: String?
    /// The case.
    public let caseReference: String?
    /// On whose behalf, `kind:reference`.
    public let actor: String?
    /// This is the k-th entry about the contact.
    public let sequence: UInt64?

    /// An entry.
    public init(
        index: UInt64, leaf: String, contact: String?, caseReference: String?, actor: String?,
        sequence: UInt64?
    ) {
        self.index = index
        self.leaf = leaf
        self.contact = contact
        self.caseReference = caseReference
        self.actor = actor
        self.sequence = sequence
    }

    enum CodingKeys: String, CodingKey {
        case index, leaf, contact, actor
        case caseReference = "case"
        case sequence = "seq"
    }
}

/// A page of entries.
public struct LogPageBody: Codable, Sendable {
    /// Entries, in order.
    public let entries: [LogEntryBody]
    /// Position to ask from next; `nil` at the end.
    public let next: UInt64?
    /// Of a query: how far the log went when it was first asked. To be given with ``next``.
    public let end: UInt64?

    /// A page.
    public init(entries: [LogEntryBody], next: UInt64?, end: UInt64? = nil) {
        self.entries = entries
        self.next = next
        self.end = end
    }
}

// Where a record belongs: what the caller knows about it before it is opened.

public import ContactModel

/// The place and version of a record. It is bound into every key and every tag of the envelope, so a record
/// that was copied to another tenant or contact, or put back from an older generation, does not open there.
public struct RecordContext: Hashable, Sendable {
    /// The tenant.
    public let tenant: TenantID
    /// The contact.
    public let record: ContactID
    /// The generation, from 1, one more on every write.
    public let generation: UInt64
    /// The schema of the fields.
    public let schema: UInt16

    /// A context.
    public init(tenant: TenantID, record: ContactID, generation: UInt64, schema: UInt16) {
        self.tenant = tenant
        self.record = record
        self.generation = generation
        self.schema = schema
    }
}

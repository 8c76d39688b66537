// The steps of a release as types.
//
//   bearer bytes → VerifiedAccess → ReleasePermit → RecordedPermit → plaintext
//
// Each step consumes the one before, and only this package can make one. Skipping the log, opening a second record
// with one permit, or opening another field than the one decided upon does not compile or is refused.

/// Leave to release some fields of one generation of one contact, given by the policy, not yet recorded.
///
/// It cannot open anything: only a ``RecordedPermit`` can.
public struct ReleasePermit: ~Copyable, Sendable {
    /// The tenant whose record it is.
    public let tenant: TenantID
    /// The contact.
    public let contact: ContactID
    /// The generation of the record that was decided upon.
    public let generation: UInt64
    /// The fields that may be opened.
    public let fields: [FieldName]
    /// The most that may leave of each field.
    public let form: ReleaseForm

    package init(
        tenant: TenantID, contact: ContactID, generation: UInt64, fields: [FieldName], form: ReleaseForm
    ) {
        self.tenant = tenant
        self.contact = contact
        self.generation = generation
        self.fields = fields
        self.form = form
    }
}

extension ReleasePermit {
    /// The same leave for fewer fields.
    /// - Precondition: every field is one of this permit's.
    package consuming func narrowed(to fields: [FieldName]) -> ReleasePermit {
        precondition(fields.allSatisfy(self.fields.contains), "a permit can only be narrowed")
        return ReleasePermit(
            tenant: tenant, contact: contact, generation: generation, fields: fields, form: form)
    }
}

/// Leave to open, once: the permit's log entry is durable.
public struct RecordedPermit: ~Copyable, Sendable {
    /// The tenant whose record it is.
    public let tenant: TenantID
    /// The contact.
    public let contact: ContactID
    /// The generation of the record that was decided upon.
    public let generation: UInt64
    /// The fields that may be opened.
    public let fields: [FieldName]
    /// The most that may leave of each field.
    public let form: ReleaseForm
    /// Where the access is written down.
    public let receipt: EntryReceipt

    /// Turns a permit into leave to open. Called by the access recorder alone, after its commit.
    package init(recording permit: consuming ReleasePermit, receipt: EntryReceipt) {
        tenant = permit.tenant
        contact = permit.contact
        generation = permit.generation
        fields = permit.fields
        form = permit.form
        self.receipt = receipt
    }
}

/// Where an entry stands in the access log.
public struct EntryReceipt: Hashable, Sendable {
    /// Position of the entry, from 0.
    public let index: UInt64
    /// SHA-256 leaf hash of the entry (RFC 6962 §2.1), 32 bytes.
    public let leafHash: [UInt8]
    /// When the entry was written, by the store's clock.
    public let time: Timestamp

    /// A receipt.
    public init(index: UInt64, leafHash: [UInt8], time: Timestamp) {
        self.index = index
        self.leafHash = leafHash
        self.time = time
    }
}

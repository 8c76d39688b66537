// What leaves: bytes in the form that was decided, and where it is written down.

public import ContactModel
import EnvelopeEncryption
public import VaultCrypto

/// What became of one contact of a batch.
public enum BatchOutcome: ~Copyable, Sendable {
    /// Released.
    case released(Release)
    /// Refused, or failed; the others are not concerned.
    case failed(VaultError)
}

/// One release, ready to be given to the caller. Let it go as soon as it is written: that wipes it.
public struct Release: ~Copyable, Sendable {
    /// The release; an outcome is reported under it.
    public let id: ReleaseID
    /// The contact.
    public let contact: ContactID
    /// The action it was released to.
    public let action: Action
    /// The form of every field.
    public let form: ReleaseForm
    /// The name in that form, UTF-8; `nil` if it was not asked for or the record has none.
    public let name: SecretBytes?
    /// The number in that form, ASCII; `nil` if it was not asked for.
    public let phone: SecretBytes?
    /// The relation, UTF-8; `nil` if it was not asked for or the record has none.
    public let relation: SecretBytes?
    /// Uses that the token has left for this contact.
    public let usesRemaining: Int64
    /// The token's end: the number must not be used for this action afterwards.
    public let notAfter: Timestamp
    /// The entry.
    public let receipt: EntryReceipt
    /// Whether this repeats an earlier answer.
    public let isRedelivered: Bool

    /// - Throws: ``VaultError/cryptographyUnavailable`` if a field cannot be sealed.
    init(
        _ recorded: RecordedRelease, giving record: consuming OpenedRecord, random: any RandomSource
    ) throws(VaultError) {
        let giving = FormOfField(
            form: record.form, release: recorded.id, client: recorded.client, random: random)
        let phone = try record.withField(.phone) { value throws(VaultError) in try giving.phone(value) }
        let name = try record.withField(.name) { value throws(VaultError) in try giving.name(value) }
        let relation = try record.withField(.relation) { value throws(VaultError) in
            try giving.relation(value)
        }
        id = recorded.id
        contact = recorded.contact
        action = recorded.action
        form = record.form
        self.phone = phone
        self.name = name
        self.relation = relation
        usesRemaining = recorded.maximumUses - recorded.uses
        notAfter = recorded.expires
        receipt = recorded.receipt
        isRedelivered = recorded.isRedelivered
    }
}

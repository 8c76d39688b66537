// What leaves: bytes in the form that was decided, and where it is written down.

public import ContactModel
import EnvelopeEncryption
public import VaultCrypto

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

    init(_ recorded: RecordedRelease, giving record: consuming OpenedRecord) {
        id = recorded.id
        contact = recorded.contact
        action = recorded.action
        form = record.form
        let isMasked = record.form < .seal
        phone = record.withField(.phone) { value in
            isMasked ? SecretBytes(copying: PhoneMask.mask(value)) : value.copy(0..<value.count)
        }
        name = record.withField(.name) { value in
            isMasked ? SecretBytes(copying: NameMask.mask(value)) : value.copy(0..<value.count)
        }
        relation = record.withField(.relation) { value in value.copy(0..<value.count) }
        usesRemaining = recorded.maximumUses - recorded.uses
        notAfter = recorded.expires
        receipt = recorded.receipt
        isRedelivered = recorded.isRedelivered
    }
}

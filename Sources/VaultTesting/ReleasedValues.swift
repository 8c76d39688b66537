// What a release gave, in a form that a test can compare.

public import ContactModel
public import ContactVault
import VaultCrypto

/// The values of a release as ordinary strings. For invented people alone: these copies cannot be wiped.
public struct ReleasedValues: Hashable, Sendable {
    /// The release.
    public let id: ReleaseID
    /// The contact.
    public let contact: ContactID
    /// The form of every field.
    public let form: ReleaseForm
    /// The number in that form.
    public let phone: String?
    /// The name in that form.
    public let name: String?
    /// The relation.
    public let relation: String?
    /// Uses that are left.
    public let usesRemaining: Int64
    /// The entry.
    public let receipt: EntryReceipt
    /// Whether it repeats an earlier answer.
    public let isRedelivered: Bool

    /// Copies the values out of a release.
    public init(_ release: borrowing Release) {
        id = release.id
        contact = release.contact
        form = release.form
        phone = Self.text(release.phone)
        name = Self.text(release.name)
        relation = Self.text(release.relation)
        usesRemaining = release.usesRemaining
        receipt = release.receipt
        isRedelivered = release.isRedelivered
    }

    private static func text(_ secret: borrowing SecretBytes?) -> String? {
        switch secret {
        case .some(let secret): String(decoding: secret.revealBytes(), as: UTF8.self)
        case .none: nil
        }
    }
}

/// What became of one contact of a batch, in a form that a test can compare.
public struct BatchValues: Sendable {
    /// The contact.
    public let contact: ContactID
    /// What was released.
    public let values: ReleasedValues?
    /// Why nothing was.
    public let error: VaultError?

    /// The rule that denied; `nil` if none did.
    public var denial: DenialCode? {
        if case .denied(let code)? = error { code } else { nil }
    }

    /// An outcome.
    init(contact: ContactID, values: ReleasedValues?, error: VaultError?) {
        self.contact = contact
        self.values = values
        self.error = error
    }
}

// The life of a key version, and what each state of it permits.

/// What a key version may be used for.
///
/// ```
/// preActive ─► active ─► decryptOnly ⇄ disabled
///     any but active ─► compromised
///     preActive, disabled, compromised ─► destroyed
/// ```
public enum KeyState: UInt8, CaseIterable, Sendable {
    /// Handed to every instance, not yet used to seal or sign. Opens and verifies, because an instance that
    /// promoted it a moment earlier may already have used it.
    case preActive = 1
    /// Seals, signs, opens and verifies. Exactly one version is active.
    case active = 2
    /// Opens and verifies what it sealed or signed before.
    case decryptOnly = 3
    /// Switched off; can be switched on again.
    case disabled = 4
    /// May be known to someone. Verifies nothing and releases nothing; records under it can only be
    /// re-encrypted.
    case compromised = 5
    /// The secret is gone from the keyring; the entry stays, so that its version is never given out again.
    case destroyed = 6

    /// The name in listings.
    public var name: String {
        switch self {
        case .preActive: "pre_active"
        case .active: "active"
        case .decryptOnly: "decrypt_only"
        case .disabled: "disabled"
        case .compromised: "compromised"
        case .destroyed: "destroyed"
        }
    }

    /// Whether this state permits a use.
    func permits(_ use: KeyUse) -> Bool {
        switch use {
        case .sealing: self == .active
        case .opening: self == .active || self == .decryptOnly || self == .preActive
        case .reencrypting: permits(.opening) || self == .compromised
        case .logging: self != .destroyed
        }
    }
}

/// What a key is wanted for.
enum KeyUse {
    /// To seal or sign something new.
    case sealing
    /// To open or verify.
    case opening
    /// To open what will at once be sealed under another key.
    case reencrypting
    /// To read or write what the access log discloses. A key-encryption key that is out of use releases nothing any more; but who
    /// asked in vain has an entry, and whoever looks into what happened must be able to read the log.
    case logging
}

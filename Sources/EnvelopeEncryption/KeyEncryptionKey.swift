// One version of a tenant's key-encryption key.

public import ContactModel
import VaultCrypto

/// A key-encryption key version as the keyring holds it. Its secret is for this module alone.
public struct KeyEncryptionKey: Sendable {
    /// The key's id.
    public let id: UInt32
    /// The version, from 1.
    public let version: UInt32
    /// The tenant whose records it wraps, and no other's.
    public let tenant: TenantID
    /// What it may be used for.
    public let state: KeyState
    /// When it was made.
    public let created: Timestamp
    /// The suite of every record under it.
    public let suite: EnvelopeSuite
    /// 32 bytes; `nil` once destroyed.
    let secret: SharedSecret?
}

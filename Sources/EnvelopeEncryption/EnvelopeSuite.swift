// The algorithm suites of a sealed record and the lengths that follow from them.

/// A suite whose byte layout format 1 defines. The reserved ids 0x0202 and 0x0301 are no members: a record
/// that carries one is refused while it is parsed.
public enum EnvelopeSuite: UInt16, CaseIterable, Sendable {
    /// HKDF-SHA256, HMAC-SHA256, AES-256-GCM. The default.
    case aes256GCM = 0x0101
    /// HKDF-SM3, HMAC-SM3, SM4-CTR then HMAC-SM3. Its layout is known, so that a record is recognised; its
    /// algorithms are not part of this build and opening one is refused.
    case sm4HMACSM3 = 0x0201

    /// Length of a nonce in bytes.
    public var nonceBytes: Int { self == .aes256GCM ? 12 : 16 }
    /// Length of a tag in bytes.
    public var tagBytes: Int { self == .aes256GCM ? 16 : 32 }
    /// Whether records of this suite may be sealed and opened.
    public var isAllowed: Bool { self == .aes256GCM }
}

// The algorithm suites of a sealed record: the lengths that follow from them, and what they compute.

import VaultCrypto

/// A suite whose byte layout format 1 defines. The reserved ids 0x0202 and 0x0301 are no members: a record
/// that carries one is refused while it is parsed.
///
/// Which suite a record must have is said by its key-encryption key and never by its header alone.
public enum EnvelopeSuite: UInt16, CaseIterable, Sendable {
    /// HKDF-SHA256, HMAC-SHA256, AES-256-GCM. The default.
    case aes256GCM = 0x0101
    /// HKDF-SM3, HMAC-SM3, SM4-CTR then HMAC-SM3, for deployments that must use ShangMi algorithms.
    case sm4HMACSM3 = 0x0201

    /// The name in listings and configuration.
    public var name: String {
        switch self {
        case .aes256GCM: "aes256_gcm"
        case .sm4HMACSM3: "sm4_hmac_sm3"
        }
    }

    /// A suite by its ``name``; `nil` for another word.
    public init?(name: String) {
        guard let suite = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = suite
    }

    /// Length of a nonce in bytes.
    public var nonceBytes: Int { self == .aes256GCM ? AES256GCM.nonceBytes : SM4CTRHMACSM3.nonceBytes }
    /// Length of a tag in bytes.
    public var tagBytes: Int { self == .aes256GCM ? AES256GCM.tagBytes : SM4CTRHMACSM3.tagBytes }
}

extension EnvelopeSuite {
    /// Seals under a key that is derived from a secret for this context alone, which is also the associated data.
    func seal(
        _ plaintext: borrowing SecretBytes, under secret: borrowing SecretBytes, context: [UInt8],
        nonce: [UInt8]
    ) throws(CryptoError) -> (ciphertext: [UInt8], tag: [UInt8]) {
        switch self {
        case .aes256GCM:
            try AES256GCM.seal(
                plaintext, key: HKDFSHA256.expand(secret, info: context), nonce: nonce,
                associatedData: context)
        case .sm4HMACSM3:
            try SM4CTRHMACSM3.seal(
                plaintext, key: HKDFSM3.expand(secret, info: context, count: SM4CTRHMACSM3.keyBytes),
                nonce: nonce, associatedData: context)
        }
    }

    /// Opens what ``seal(_:under:context:nonce:)`` made.
    func open(
        _ ciphertext: ArraySlice<UInt8>, tag: [UInt8], under secret: borrowing SecretBytes, context: [UInt8],
        nonce: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        switch self {
        case .aes256GCM:
            try AES256GCM.open(
                ciphertext, tag: tag, key: HKDFSHA256.expand(secret, info: context), nonce: nonce,
                associatedData: context)
        case .sm4HMACSM3:
            try SM4CTRHMACSM3.open(
                ciphertext, tag: tag,
                key: HKDFSM3.expand(secret, info: context, count: SM4CTRHMACSM3.keyBytes), nonce: nonce,
                associatedData: context)
        }
    }

    /// The code of a header under a key that is derived from the data key.
    func authenticate(
        _ bytes: [UInt8], under secret: borrowing SecretBytes, context: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        switch self {
        case .aes256GCM:
            try HMACSHA256.authenticate(bytes, key: HKDFSHA256.expand(secret, info: context))
        case .sm4HMACSM3: try HMACSM3.authenticate(bytes, key: HKDFSM3.expand(secret, info: context))
        }
    }
}

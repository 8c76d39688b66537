// Key agreement on P-256, and the derivation of a key from what was agreed: what ECDH-ES of JOSE is made of.
//
// A private key that is multiplied with points of the sender's choice gives itself away if one of them is off
// the curve: the answer then lies in a small group and tells the key's remainder there. So a point has one
// spelling, and is checked every time before it meets a private key.

internal import COpenSSL

/// A P-256 key pair that agrees on secrets (ECC CDH, NIST SP 800-56A §5.7.1.2; cofactor 1).
public final class KeyAgreementKey: Sendable {
    /// Length of an uncompressed point `04 ‖ x ‖ y` in bytes.
    public static let pointBytes = 65
    /// Length of a private key, a big-endian scalar, in bytes.
    public static let privateKeyBytes = 32
    /// Length of an agreed secret Z, the x coordinate of the common point, in bytes.
    public static let secretBytes = 32

    /// The public half: an uncompressed point, 65 bytes.
    public let publicPoint: [UInt8]
    private let handle: KeyHandle

    /// A new random key pair, from OpenSSL's private generator.
    /// - Throws: ``CryptoError/unavailable(_:)`` if there is no randomness.
    public static func generate() throws(CryptoError) -> KeyAgreementKey {
        guard let pointer = unsafe contact_vault_generate_p256() else {
            ERR_clear_error()
            throw .unavailable("EVP_PKEY_Q_keygen")
        }
        return try KeyAgreementKey(unsafe KeyHandle(pointer))
    }

    /// A key pair from its 32-byte scalar; the point is computed.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for another length or a scalar outside 1…n−1.
    public convenience init(privateKey: borrowing SecretBytes) throws(CryptoError) {
        guard privateKey.count == Self.privateKeyBytes else { throw .invalidArgument("private key") }
        try self.init(try KeyHandle.p256(privateKey: privateKey))
    }

    private init(_ handle: KeyHandle) throws(CryptoError) {
        self.handle = handle
        publicPoint = try handle.publicKey(.es256)
    }

    /// The secret Z that this key and a peer's point have in common: 32 bytes, leading zeros kept.
    ///
    /// Not uniformly random; a key is made of it with ``ConcatKDF``.
    /// - Parameter peer: an uncompressed point, checked in full (NIST SP 800-56A §5.6.2.3.3).
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for the point at infinity, a compressed or hybrid
    ///   encoding, a coordinate that is not reduced, a point off the curve, or another length.
    public func sharedSecret(with peer: [UInt8]) throws(CryptoError) -> SecretBytes {
        let peerHandle = try Self.checked(peer)
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, handle.pointer, nil) else {
            ERR_clear_error()
            throw .unavailable("EVP_PKEY_CTX_new_from_pkey")
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        try unsafe require(EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
        // 0: the point was checked above; the library would spend as much as the agreement on a second check.
        try unsafe require(
            EVP_PKEY_derive_set_peer_ex(context, peerHandle.pointer, 0), "EVP_PKEY_derive_set_peer_ex")
        return try unsafe SecretBytes(count: Self.secretBytes) { (target) throws(CryptoError) in
            var length = target.count
            try unsafe require(
                EVP_PKEY_derive(context, target.baseAddress?.assumingMemoryBound(to: UInt8.self), &length),
                "EVP_PKEY_derive")
            guard length == target.count else { throw .unavailable("EVP_PKEY_derive") }
        }
    }

    /// The raw 32-byte private key, for writing a client's key file.
    public func revealPrivateKey() throws(CryptoError) -> SecretBytes { try handle.privateKey(.es256) }

    private static func checked(_ point: [UInt8]) throws(CryptoError) -> KeyHandle {
        guard point.count == pointBytes, point[0] == 4 else { throw .invalidArgument("public key") }
        let handle = try unsafe KeyHandle.p256(publicKey: point, privateKey: nil)
        try handle.checkPublicKey()
        return handle
    }
}

/// The Concat KDF with SHA-256 (NIST SP 800-56A one-step derivation, as RFC 7518 §4.6.2 uses it), for keys of
/// one digest at most.
public enum ConcatKDF {
    /// The first `count` bytes of SHA-256(00000001 ‖ Z ‖ OtherInfo).
    /// - Parameters:
    ///   - secret: the agreed secret Z.
    ///   - otherInfo: what the key is for and who shares it, already put together.
    ///   - count: bytes wanted, 1…32.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for an empty secret or another length.
    public static func derive(
        _ secret: borrowing SecretBytes, otherInfo: [UInt8], count: Int = 32
    ) throws(CryptoError) -> SecretBytes {
        guard secret.count > 0 else { throw .invalidArgument("secret") }
        guard (1...SHA256.digestBytes).contains(count) else { throw .invalidArgument("count") }
        // A context of its own, not the thread's: its state in the end is the key, and freeing it wipes it.
        guard let context = unsafe EVP_MD_CTX_new() else {
            ERR_clear_error()
            throw .unavailable("EVP_MD_CTX_new")
        }
        defer { unsafe EVP_MD_CTX_free(context) }
        let counter: [UInt8] = [0, 0, 0, 1]
        try unsafe require(
            EVP_DigestInit_ex2(context, Algorithms.shared.sha256, nil), "EVP_DigestInit_ex2")
        try unsafe require(EVP_DigestUpdate(context, counter, counter.count), "EVP_DigestUpdate")
        try unsafe require(EVP_DigestUpdate(context, secret.base, secret.count), "EVP_DigestUpdate")
        try unsafe require(EVP_DigestUpdate(context, otherInfo, otherInfo.count), "EVP_DigestUpdate")
        let digest = try unsafe SecretBytes(count: SHA256.digestBytes) { (target) throws(CryptoError) in
            try unsafe require(
                EVP_DigestFinal_ex(
                    context, target.baseAddress?.assumingMemoryBound(to: UInt8.self), nil),
                "EVP_DigestFinal_ex")
        }
        return digest.copy(0..<count)
    }
}

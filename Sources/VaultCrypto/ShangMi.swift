// SM3, HMAC-SM3, HKDF-SM3, and SM4-CTR with HMAC-SM3: the algorithms of deployments under Chinese rules for commercial cryptography.

internal import COpenSSL

/// SM3 (GB/T 32905-2016).
public enum SM3 {
    /// The digest, 32 bytes.
    /// - Throws: ``CryptoError/unavailable(_:)`` if OpenSSL lacks it.
    public static func hash(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let context = unsafe ThreadContexts.current.shangMi?.digest else { throw .unavailable("SM3") }
        var digest = [UInt8](repeating: 0, count: SHA256.digestBytes)
        // A nil digest means the one that the context was made with.
        try unsafe require(EVP_DigestInit_ex2(context, nil, nil), "EVP_DigestInit_ex2")
        try unsafe require(EVP_DigestUpdate(context, bytes, bytes.count), "EVP_DigestUpdate")
        try unsafe require(EVP_DigestFinal_ex(context, &digest, nil), "EVP_DigestFinal_ex")
        return digest
    }
}

/// HMAC-SM3 (RFC 2104 with SM3).
public enum HMACSM3 {
    /// The 32-byte code of a message.
    public static func authenticate(
        _ message: [UInt8], key: borrowing SecretBytes
    ) throws(CryptoError) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: SHA256.digestBytes)
        try unsafe HMACSHA256.authenticate([message], key: key, into: &code, with: .sm3)
        return code
    }

    /// Whether a code is the message's, in constant time.
    public static func isValid(
        _ code: [UInt8], for message: [UInt8], key: borrowing SecretBytes
    ) throws(CryptoError) -> Bool {
        try authenticate(message, key: key).isEqualInConstantTime(to: code)
    }
}

/// HKDF-Expand with SM3 (RFC 5869).
public enum HKDFSM3 {
    /// A key of 1…8,160 bytes for one use that `info` names.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for a key shorter than 32 bytes or another length.
    public static func expand(
        _ key: borrowing SecretBytes, info: [UInt8], count: Int = 32
    ) throws(CryptoError) -> SecretBytes {
        try HKDFSHA256.expand(key, info: info, count: count, with: .sm3)
    }
}

/// SM4 (GB/T 32907-2016) in counter mode, then HMAC-SM3 over what it made: encrypt-then-MAC. The caller owns the uniqueness of
/// (key, nonce).
public enum SM4CTRHMACSM3 {
    /// Key length in bytes: 16 for SM4, then 32 for HMAC-SM3.
    public static let keyBytes = 48
    /// Nonce length in bytes, the first counter block.
    public static let nonceBytes = 16
    /// Tag length in bytes.
    public static let tagBytes = 32

    private static let cipherKeyBytes = 16

    /// Encrypts and authenticates.
    /// - Returns: ciphertext as long as the plaintext, and a 32-byte tag.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for a key or nonce of another length.
    public static func seal(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> (ciphertext: [UInt8], tag: [UInt8]) {
        try check(key: key, nonce: nonce)
        var ciphertext = [UInt8](repeating: 0, count: plaintext.count)
        try unsafe crypt(
            plaintext.base.assumingMemoryBound(to: UInt8.self), plaintext.count, key: key, nonce: nonce,
            into: &ciphertext)
        return (
            ciphertext,
            try tag(of: ciphertext[...], key: key, nonce: nonce, associatedData: associatedData)
        )
    }

    /// Verifies, and only then decrypts.
    /// - Throws: ``CryptoError/authenticationFailed`` if anything differs from what was sealed; nothing was decrypted then.
    public static func open(
        _ ciphertext: ArraySlice<UInt8>, tag: [UInt8], key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        try check(key: key, nonce: nonce)
        guard tag.count == tagBytes else { throw .invalidArgument("tag") }
        guard
            try Self.tag(of: ciphertext, key: key, nonce: nonce, associatedData: associatedData)
                .isEqualInConstantTime(to: tag)
        else { throw .authenticationFailed }
        let cipherKey = key.copy(0..<cipherKeyBytes)
        let source = Array(ciphertext)
        return try unsafe SecretBytes(count: source.count) { (target) throws(CryptoError) in
            guard let base = target.baseAddress else { return }
            try unsafe crypt(
                source, source.count, key: cipherKey, nonce: nonce,
                into: base.assumingMemoryBound(to: UInt8.self))
        }
    }

    /// `HMAC-SM3(u64 aadLen ‖ u64 ctLen ‖ aad ‖ iv ‖ ct)`: the lengths keep one split of the bytes from passing for another.
    private static func tag(
        of ciphertext: ArraySlice<UInt8>, key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        func length(_ count: Int) -> [UInt8] {
            (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
        }
        let macKey = key.copy(cipherKeyBytes..<keyBytes)
        var code = [UInt8](repeating: 0, count: tagBytes)
        try unsafe HMACSHA256.authenticate(
            [
                length(associatedData.count) + length(ciphertext.count), associatedData, nonce,
                Array(ciphertext),
            ], key: macKey, into: &code, with: .sm3)
        return code
    }

    /// Counter mode is its own inverse.
    private static func crypt(
        _ source: UnsafePointer<UInt8>, _ count: Int, key: borrowing SecretBytes, nonce: [UInt8],
        into target: UnsafeMutablePointer<UInt8>
    ) throws(CryptoError) {
        guard let context = unsafe ThreadContexts.current.shangMi?.cipher else { throw .unavailable("SM4") }
        var length: Int32 = 0
        try unsafe require(
            EVP_EncryptInit_ex2(context, nil, key.base.assumingMemoryBound(to: UInt8.self), nonce, nil),
            "EVP_EncryptInit_ex2")
        try unsafe require(
            EVP_EncryptUpdate(context, target, &length, source, Int32(count)), "EVP_EncryptUpdate")
    }

    private static func check(key: borrowing SecretBytes, nonce: [UInt8]) throws(CryptoError) {
        guard key.count == keyBytes else { throw .invalidArgument("key") }
        guard nonce.count == nonceBytes else { throw .invalidArgument("nonce") }
    }
}

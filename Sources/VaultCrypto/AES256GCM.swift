// AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and full tags, and nothing else.

internal import COpenSSL

/// AES-256-GCM. The caller owns the uniqueness of (key, nonce).
public enum AES256GCM {
    /// Key length in bytes.
    public static let keyBytes = 32
    /// Nonce length in bytes.
    public static let nonceBytes = 12
    /// Tag length in bytes. Shorter tags are refused: they make forgery cheap.
    public static let tagBytes = 16

    /// Encrypts and authenticates.
    /// - Returns: ciphertext as long as the plaintext, and a 16-byte tag.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for a key or nonce of another length.
    public static func seal(
        _ plaintext: borrowing SecretBytes, key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> (ciphertext: [UInt8], tag: [UInt8]) {
        try check(key: key, nonce: nonce)
        let context = unsafe ThreadContexts.current.sealing
        var ciphertext = [UInt8](repeating: 0, count: plaintext.count)
        var tag = [UInt8](repeating: 0, count: tagBytes)
        var length: Int32 = 0
        try unsafe require(
            EVP_EncryptInit_ex2(context, nil, key.base.assumingMemoryBound(to: UInt8.self), nonce, nil),
            "EVP_EncryptInit_ex2")
        try unsafe require(
            EVP_EncryptUpdate(context, nil, &length, associatedData, Int32(associatedData.count)),
            "EVP_EncryptUpdate")
        try unsafe require(
            EVP_EncryptUpdate(
                context, &ciphertext, &length, plaintext.base.assumingMemoryBound(to: UInt8.self),
                Int32(plaintext.count)),
            "EVP_EncryptUpdate")
        try unsafe require(EVP_EncryptFinal_ex(context, &tag, &length), "EVP_EncryptFinal_ex")
        try unsafe require(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagBytes), &tag),
            "EVP_CTRL_AEAD_GET_TAG")
        return (ciphertext, tag)
    }

    /// Verifies and decrypts.
    /// - Throws: ``CryptoError/authenticationFailed`` if anything differs from what was sealed; the unverified
    ///   plaintext is wiped.
    public static func open(
        _ ciphertext: ArraySlice<UInt8>, tag: [UInt8], key: borrowing SecretBytes, nonce: [UInt8],
        associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        try check(key: key, nonce: nonce)
        guard tag.count == tagBytes else { throw .invalidArgument("tag") }
        let context = unsafe ThreadContexts.current.opening
        let keyBase = unsafe key.base
        return try unsafe SecretBytes(count: ciphertext.count) { (target) throws(CryptoError) in
            var length: Int32 = 0
            var tag = tag
            try unsafe require(
                EVP_DecryptInit_ex2(context, nil, keyBase.assumingMemoryBound(to: UInt8.self), nonce, nil),
                "EVP_DecryptInit_ex2")
            try unsafe require(
                EVP_DecryptUpdate(context, nil, &length, associatedData, Int32(associatedData.count)),
                "EVP_DecryptUpdate")
            let isDecrypted = unsafe ciphertext.withUnsafeBufferPointer { source in
                unsafe EVP_DecryptUpdate(
                    context, target.baseAddress?.assumingMemoryBound(to: UInt8.self), &length,
                    source.baseAddress, Int32(source.count))
            }
            try require(isDecrypted, "EVP_DecryptUpdate")
            try unsafe require(
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagBytes), &tag),
                "EVP_CTRL_AEAD_SET_TAG")
            var rest = [UInt8](repeating: 0, count: 16)
            guard unsafe EVP_DecryptFinal_ex(context, &rest, &length) == 1 else {
                ERR_clear_error()
                throw .authenticationFailed
            }
        }
    }

    private static func check(key: borrowing SecretBytes, nonce: [UInt8]) throws(CryptoError) {
        guard key.count == keyBytes else { throw .invalidArgument("key") }
        guard nonce.count == nonceBytes else { throw .invalidArgument("nonce") }
    }
}

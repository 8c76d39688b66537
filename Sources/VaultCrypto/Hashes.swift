// SHA-256, HMAC-SHA256, HKDF-Expand, scrypt.

internal import COpenSSL

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// Digest length in bytes.
    public static let digestBytes = 32

    /// The digest of one byte string.
    public static func hash(_ bytes: [UInt8]) -> [UInt8] { hash(prefix: nil, bytes, []) }

    /// The digest of an optional first byte and two byte strings: the domain-separated hashes of a Merkle tree,
    /// without joining them first.
    public static func hash(prefix: UInt8?, _ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        let context = unsafe ThreadContexts.current.digest
        var digest = [UInt8](repeating: 0, count: digestBytes)
        let separator = prefix.map { [$0] } ?? []
        // These calls fail only when memory for the context could not be had, which was checked when it was made.
        let isHashed =
            unsafe EVP_DigestInit_ex2(context, Algorithms.shared.sha256, nil) == 1
            && EVP_DigestUpdate(context, separator, separator.count) == 1
            && EVP_DigestUpdate(context, first, first.count) == 1
            && EVP_DigestUpdate(context, second, second.count) == 1
            && EVP_DigestFinal_ex(context, &digest, nil) == 1
        precondition(isHashed, "SHA-256 failed")
        return digest
    }
}

/// SHA-256 of bytes that come in pieces.
@safe public struct SHA256Stream: ~Copyable {
    private let context: OpaquePointer

    /// A digest of nothing yet.
    public init() {
        guard let context = unsafe EVP_MD_CTX_new(),
            unsafe EVP_DigestInit_ex2(context, Algorithms.shared.sha256, nil) == 1
        else { preconditionFailure("no memory for a digest") }
        unsafe self.context = context
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    /// Takes the next piece.
    public mutating func update(_ bytes: [UInt8]) {
        let isHashed = unsafe EVP_DigestUpdate(context, bytes, bytes.count) == 1
        precondition(isHashed, "SHA-256 failed")
    }

    /// The digest of all pieces, 32 bytes.
    public consuming func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: SHA256.digestBytes)
        let isHashed = unsafe EVP_DigestFinal_ex(context, &digest, nil) == 1
        precondition(isHashed, "SHA-256 failed")
        return digest
    }
}

/// The hash of an HMAC and of what is derived by it. Both have digests of 32 bytes.
enum KeyedHash {
    case sha256, sm3

    /// This thread's context of the HMAC.
    var context: OpaquePointer {
        get throws(CryptoError) {
            switch self {
            case .sha256: return unsafe ThreadContexts.current.mac
            case .sm3:
                guard let contexts = ThreadContexts.current.shangMi else { throw .unavailable("SM3") }
                return unsafe contexts.mac
            }
        }
    }
}

/// HMAC-SHA256 (RFC 2104, RFC 4231).
public enum HMACSHA256 {
    /// The 32-byte code of a message.
    public static func authenticate(
        _ message: [UInt8], key: borrowing SecretBytes
    ) throws(CryptoError) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: SHA256.digestBytes)
        try unsafe authenticate([message], key: key, into: &code)
        return code
    }

    /// The 32-byte code of clear bytes followed by a secret, which is read where it lies and not copied.
    public static func authenticate(
        prefix: [UInt8], secret: borrowing SecretBytes, key: borrowing SecretBytes
    ) throws(CryptoError) -> [UInt8] {
        let context = unsafe ThreadContexts.current.mac
        // An empty key would be read as "keep the key of the last call".
        guard key.count > 0 else { throw .invalidArgument("key") }
        var code = [UInt8](repeating: 0, count: SHA256.digestBytes)
        try unsafe require(
            EVP_MAC_init(context, key.base.assumingMemoryBound(to: UInt8.self), key.count, nil),
            "EVP_MAC_init")
        try unsafe require(EVP_MAC_update(context, prefix, prefix.count), "EVP_MAC_update")
        try unsafe require(
            EVP_MAC_update(context, secret.base.assumingMemoryBound(to: UInt8.self), secret.count),
            "EVP_MAC_update")
        var length = 0
        try unsafe require(EVP_MAC_final(context, &code, &length, code.count), "EVP_MAC_final")
        return code
    }

    /// Whether a code is the message's, in constant time.
    public static func isValid(
        _ code: [UInt8], for message: [UInt8], key: borrowing SecretBytes
    ) throws(CryptoError) -> Bool {
        try authenticate(message, key: key).isEqualInConstantTime(to: code)
    }

    /// Writes the code of joined parts to memory of at least 32 bytes.
    static func authenticate(
        _ parts: [[UInt8]], key: borrowing SecretBytes, into target: UnsafeMutablePointer<UInt8>,
        with hash: KeyedHash = .sha256
    ) throws(CryptoError) {
        let context = try unsafe hash.context
        // An empty key would be read as "keep the key of the last call".
        guard key.count > 0 else { throw .invalidArgument("key") }
        try unsafe require(
            EVP_MAC_init(context, key.base.assumingMemoryBound(to: UInt8.self), key.count, nil),
            "EVP_MAC_init")
        for part in parts {
            try unsafe require(EVP_MAC_update(context, part, part.count), "EVP_MAC_update")
        }
        var length = 0
        try unsafe require(EVP_MAC_final(context, target, &length, SHA256.digestBytes), "EVP_MAC_final")
    }
}

/// HKDF-SHA256 (RFC 5869).
public enum HKDFSHA256 {
    /// HKDF-Extract: a pseudorandom key of 32 bytes. An empty salt means 32 zero bytes (RFC 5869 §2.2).
    public static func extract(
        inputKey: borrowing SecretBytes, salt: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        let saltKey = SecretBytes(copying: salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt)
        let input = inputKey.revealBytes()
        return try unsafe SecretBytes(count: SHA256.digestBytes) { (target) throws(CryptoError) in
            try unsafe HMACSHA256.authenticate(
                [input], key: saltKey, into: target.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
    }

    /// HKDF-Expand: a key of 1…8,160 bytes for one use that `info` names.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for a key shorter than 32 bytes or another length.
    public static func expand(
        _ key: borrowing SecretBytes, info: [UInt8], count: Int = 32
    ) throws(CryptoError) -> SecretBytes {
        try expand(key, info: info, count: count, with: .sha256)
    }

    static func expand(
        _ key: borrowing SecretBytes, info: [UInt8], count: Int, with hash: KeyedHash
    ) throws(CryptoError) -> SecretBytes {
        guard key.count >= SHA256.digestBytes else { throw .invalidArgument("key") }
        guard (1...255 * SHA256.digestBytes).contains(count) else { throw .invalidArgument("count") }
        if count == SHA256.digestBytes {
            // The common case: one block, written where it will stay.
            return try unsafe SecretBytes(count: count) { (target) throws(CryptoError) in
                try unsafe HMACSHA256.authenticate(
                    [info, [1]], key: key, into: target.baseAddress!.assumingMemoryBound(to: UInt8.self),
                    with: hash)
            }
        }
        let blocks = (count + SHA256.digestBytes - 1) / SHA256.digestBytes
        let whole = try unsafe SecretBytes(count: blocks * SHA256.digestBytes) {
            (target) throws(CryptoError) in
            var previous: [UInt8] = []
            for block in 1...blocks {
                var next = [UInt8](repeating: 0, count: SHA256.digestBytes)
                try unsafe HMACSHA256.authenticate(
                    [previous, info, [UInt8(block)]], key: key, into: &next, with: hash)
                for (offset, byte) in next.enumerated() {
                    unsafe target[(block - 1) * SHA256.digestBytes + offset] = byte
                }
                unsafe OPENSSL_cleanse(&previous, previous.count)
                previous = next
            }
            unsafe OPENSSL_cleanse(&previous, previous.count)
        }
        return whole.copy(0..<count)
    }
}

/// scrypt (RFC 7914), for keys that come from a passphrase.
public enum Scrypt {
    /// Derives a key.
    /// - Parameters:
    ///   - logCost: log2 of N; 17 takes 128 MiB and some tenths of a second.
    ///   - count: bytes wanted.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for a cost outside 4…20, so that a forged file cannot make a
    ///   process take all memory.
    public static func derive(
        passphrase: borrowing SecretBytes, salt: [UInt8], logCost: UInt8, blockSize: UInt64 = 8,
        parallelism: UInt64 = 1, count: Int = 32
    ) throws(CryptoError) -> SecretBytes {
        guard (4...20).contains(logCost) else { throw .invalidArgument("logCost") }
        guard (1...8).contains(blockSize), (1...16).contains(parallelism) else {
            throw .invalidArgument("cost")
        }
        let passphraseBase = unsafe passphrase.base
        let passphraseCount = passphrase.count
        return try unsafe SecretBytes(count: count) { (target) throws(CryptoError) in
            try unsafe require(
                EVP_PBE_scrypt(
                    passphraseBase.assumingMemoryBound(to: CChar.self), passphraseCount, salt, salt.count,
                    1 << UInt64(logCost), blockSize, parallelism, 2 << 30,
                    target.baseAddress?.assumingMemoryBound(to: UInt8.self), count),
                "EVP_PBE_scrypt")
        }
    }
}

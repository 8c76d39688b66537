// Random bytes from OpenSSL's generator, and the seam through which known answers are reproduced.

internal import COpenSSL

/// Where random bytes come from. Production uses ``SystemRandom``; known-answer tests a recorded sequence.
public protocol RandomSource: Sendable {
    /// Public random bytes: nonces, identifiers, salts.
    func bytes(_ count: Int) throws(CryptoError) -> [UInt8]
    /// Secret random bytes: keys.
    func secret(_ count: Int) throws(CryptoError) -> SecretBytes
}

/// OpenSSL's CSPRNG. Keys are drawn from its private instance, so that nonces never show the state keys came from.
public struct SystemRandom: RandomSource {
    /// The generator of this process.
    public init() {}

    /// Bytes of the public instance.
    /// - Throws: ``CryptoError/unavailable(_:)`` if the generator cannot be seeded.
    public func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try unsafe require(RAND_bytes(&bytes, Int32(count)), "RAND_bytes")
        return bytes
    }

    /// Bytes of the private instance.
    /// - Throws: ``CryptoError/unavailable(_:)`` if the generator cannot be seeded.
    public func secret(_ count: Int) throws(CryptoError) -> SecretBytes {
        try unsafe SecretBytes(count: count) { (target) throws(CryptoError) in
            try unsafe require(
                RAND_priv_bytes(target.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(count)),
                "RAND_priv_bytes")
        }
    }
}

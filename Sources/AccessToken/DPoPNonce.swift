// Server nonces for DPoP (RFC 9449 §8, §9) that every instance can check and none has to store.
//
//   base64url( u64(t/300) ‖ HMAC-SHA256(K, "dpop-nonce" ‖ u64(t/300) ‖ jkt)[0..16] )
//
// A nonce bounds how long ago a proof can have been made, whatever the client's clock or whoever held its key
// says: proofs cannot be made in advance and kept. It is bound to the key, so one client's nonce is of no use
// to another.

public import ContactModel
import StrictEncoding
public import VaultCrypto

/// Makes and checks DPoP nonces under one key, the same on every instance.
public struct DPoPNonceAuthority: Sendable {
    private static let label = Array("dpop-nonce".utf8)
    private static let codeBytes = 16

    private let keys: [SharedSecret]

    /// An authority with keys of 32 random bytes each that serve for nothing else: the first makes nonces, and nonces of any are good.
    public init(keys: [SharedSecret]) { self.keys = keys }

    /// The nonce of this moment for a key's RFC 7638 thumbprint: 32 characters of base64url.
    /// - Throws: ``TokenError/unavailable`` if the library fails.
    public func nonce(for thumbprint: String, now: Timestamp) throws(TokenError) -> String {
        guard let key = keys.first else { throw .unavailable }
        return Base64URL.encode(try Self.bytes(for: thumbprint, bucket: Self.bucket(of: now), key: key))
    }

    /// Whether this is the nonce of the present or the previous 300 s for that thumbprint, in constant time.
    /// - Throws: ``TokenError/unavailable`` if the library fails.
    public func isValid(_ nonce: String, for thumbprint: String, now: Timestamp) throws(TokenError) -> Bool {
        guard nonce.utf8.count == 32, let presented = Base64URL.decode(nonce) else { return false }
        let current = Self.bucket(of: now)
        for key in keys {
            for bucket in current == 0 ? [current] : [current, current - 1] {
                let nonce = try Self.bytes(for: thumbprint, bucket: bucket, key: key)
                if nonce.isEqualInConstantTime(to: presented) { return true }
            }
        }
        return false
    }

    private static func bucket(of now: Timestamp) -> UInt64 {
        UInt64(max(0, now.seconds) / Limits.nonceSeconds)
    }

    private static func bytes(
        for thumbprint: String, bucket: UInt64, key: SharedSecret
    ) throws(TokenError) -> [UInt8] {
        let number = bucket.bigEndianBytes
        do {
            let code = try HMACSHA256.authenticate(
                label + number + Array(thumbprint.utf8), key: key.bytes)
            return number + code.prefix(codeBytes)
        } catch {
            throw .unavailable
        }
    }
}

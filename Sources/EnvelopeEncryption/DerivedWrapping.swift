// How a root key whose 32 bytes are in memory wraps: under a key that is derived for each context.

import VaultCrypto

/// Wrapping by a root key that this process holds, whatever it came from.
enum DerivedWrapping {
    /// Length of a root key in bytes.
    static let keyBytes = 32

    /// 16 bytes that depend on the key alone. Each provider has a label of its own: the same bytes kept in another way are
    /// another root key, so that none can be put in the place of another.
    static func checkValue(
        of secret: borrowing SecretBytes, label: String
    ) throws(RootKeyError) -> [UInt8] {
        do throws(CryptoError) {
            return try HKDFSHA256.expand(secret, info: Array(label.utf8), count: 16).revealBytes()
        } catch {
            throw .unavailable
        }
    }

    /// `nonce 12 ‖ ciphertext ‖ tag 16`.
    static func wrap(
        _ secret: borrowing SecretBytes, under root: borrowing SecretBytes, context: [UInt8]
    ) throws(RootKeyError) -> [UInt8] {
        do throws(CryptoError) {
            let key = try HKDFSHA256.expand(root, info: info(context))
            let nonce = try SystemRandom().bytes(AES256GCM.nonceBytes)
            let sealed = try AES256GCM.seal(secret, key: key, nonce: nonce, associatedData: context)
            return nonce + sealed.ciphertext + sealed.tag
        } catch {
            throw .unavailable
        }
    }

    /// Opens what ``wrap(_:under:context:)`` sealed for this context.
    static func unwrap(
        _ wrapped: [UInt8], under root: borrowing SecretBytes, context: [UInt8]
    ) throws(RootKeyError) -> SecretBytes {
        let tagStart = wrapped.count - AES256GCM.tagBytes
        guard tagStart > AES256GCM.nonceBytes else { throw .authenticationFailed }
        do throws(CryptoError) {
            let key = try HKDFSHA256.expand(root, info: info(context))
            return try AES256GCM.open(
                wrapped[AES256GCM.nonceBytes..<tagStart], tag: Array(wrapped[tagStart...]), key: key,
                nonce: Array(wrapped[..<AES256GCM.nonceBytes]), associatedData: context)
        } catch {
            throw error == .authenticationFailed ? .authenticationFailed : .unavailable
        }
    }

    private static func info(_ context: [UInt8]) -> [UInt8] { Array("CV1P".utf8) + context }
}

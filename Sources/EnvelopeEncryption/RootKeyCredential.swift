// The root key as a credential of systemd: 32 raw bytes that the service manager decrypts, by the machine's TPM or host key,
// into memory of this service alone. The vault reads it and never writes it.

import FileStorage
public import VaultCrypto

/// A root key that the service manager handed over.
public final class RootKeyCredential: RootKey {
    /// The name of the credential, a file in `$CREDENTIALS_DIRECTORY`.
    public static let name = "contact-vault-root-key"

    /// 16 bytes that depend on the key alone.
    public let keyCheckValue: [UInt8]
    private let secret: SecretBytes

    /// Reads the credential.
    /// - Parameter folder: the value of `$CREDENTIALS_DIRECTORY`.
    /// - Throws: ``RootKeyError/credentialMissing``, ``RootKeyError/credentialMalformed`` unless it is exactly 32 bytes,
    ///   ``RootKeyError/permissionsTooOpen``, ``RootKeyError/notReadable(errno:)``.
    public init(folder: String) throws(RootKeyError) {
        let secret: SecretBytes
        do throws(DurableFileError) {
            secret = try DurableFile(folder + "/" + Self.name).readSecret(
                limit: DerivedWrapping.keyBytes, readers: .ownerOrServiceManager)
        } catch {
            switch error {
            case .missing: throw .credentialMissing
            case .permissionsTooOpen: throw .permissionsTooOpen
            case .exists, .notAFile, .tooLarge, .notAccepted: throw .credentialMalformed
            case .system(let errno): throw .notReadable(errno: errno)
            }
        }
        guard secret.count == DerivedWrapping.keyBytes else { throw .credentialMalformed }
        keyCheckValue = try DerivedWrapping.checkValue(
            of: secret, label: "CV1C root key credential check value")
        self.secret = secret
    }

    /// `nonce 12 ‖ ciphertext ‖ tag 16`, AES-256-GCM under a key that is derived for this context.
    public func wrap(_ secret: borrowing SecretBytes, context: [UInt8]) throws(RootKeyError) -> [UInt8] {
        try DerivedWrapping.wrap(secret, under: self.secret, context: context)
    }

    /// Opens what ``wrap(_:context:)`` sealed for this context.
    public func unwrap(_ wrapped: [UInt8], context: [UInt8]) throws(RootKeyError) -> SecretBytes {
        try DerivedWrapping.unwrap(wrapped, under: secret, context: context)
    }
}

// The root key: the one secret that the vault does not store itself. Each provider keeps it in its own way;
// none falls back to another.

public import VaultCrypto

/// A provider of the root key. The key itself does not leave it.
public protocol RootKey: Sendable {
    /// 16 bytes that depend on the key alone and tell nothing about it. A keyring carries the value of its
    /// root key, so that a wrong one is a clear refusal at start and not a run of failed requests.
    var keyCheckValue: [UInt8] { get }

    /// Seals a secret of the keyring.
    /// - Parameters:
    ///   - secret: 1…256 bytes.
    ///   - context: where it belongs; authenticated, not stored.
    /// - Returns: at most 1,024 bytes, which only ``unwrap(_:context:)`` with the same context opens.
    func wrap(_ secret: borrowing SecretBytes, context: [UInt8]) throws(RootKeyError) -> [UInt8]

    /// Opens what ``wrap(_:context:)`` sealed.
    /// - Throws: ``RootKeyError/authenticationFailed`` for changed bytes, another context or another key.
    func unwrap(_ wrapped: [UInt8], context: [UInt8]) throws(RootKeyError) -> SecretBytes
}

/// A failure of a root key's provider. Carries no key, no passphrase and no path.
public enum RootKeyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The passphrase does not open the root key file, or the file was changed.
    case wrongPassphrase
    /// No passphrase was given.
    case passphraseEmpty
    /// The root key file is not exactly what the vault writes.
    case malformed
    /// The root key file was written by a newer program.
    case unsupportedVersion
    /// The file asks for more memory than the vault will spend on a passphrase, or for less work than is
    /// safe.
    case costOutOfBounds
    /// Others than the owner may read or write the file.
    case permissionsTooOpen
    /// There is no root key file.
    case missing
    /// There already is a file, which is never overwritten: everything below a lost root key is lost.
    case alreadyExists
    /// The file or its folder cannot be read.
    case notReadable(errno: Int32)
    /// The file cannot be written.
    case notWritable(errno: Int32)
    /// A wrapped secret was changed, moved, or belongs to another root key.
    case authenticationFailed
    /// The cryptographic library or the random generator failed.
    case unavailable

    /// What is wrong and what to do, for an operator.
    public var description: String {
        switch self {
        case .wrongPassphrase: "wrong passphrase for the root key file, or the file was changed"
        case .passphraseEmpty: "the passphrase is empty; give the root key's passphrase"
        case .malformed: "the root key file is damaged; restore its backup"
        case .unsupportedVersion: "the root key file was written by a newer version; use that version"
        case .costOutOfBounds: "the root key file's scrypt cost is out of bounds; restore its backup"
        case .permissionsTooOpen: "the root key file is open to others than its owner; set its mode to 0600"
        case .missing: "there is no root key file; run init first or correct the path"
        case .alreadyExists: "a root key file is already there and is never overwritten; choose another path"
        case .notReadable(let errno): "the root key file cannot be read (error \(errno))"
        case .notWritable(let errno): "the root key file cannot be written (error \(errno))"
        case .authenticationFailed: "a wrapped key does not belong to this root key"
        case .unavailable: "OpenSSL failed; check its installation"
        }
    }
}

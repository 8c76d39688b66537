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

/// A failure of a root key's provider. Carries no key, no passphrase, no PIN and no path.
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
    /// There is no systemd credential with the root key.
    case credentialMissing
    /// The systemd credential is not exactly 32 bytes.
    case credentialMalformed
    /// The Cryptoki module is not there, or is none.
    case moduleNotLoadable
    /// No token has the label.
    case tokenNotFound
    /// Several tokens have the label.
    case tokenAmbiguous
    /// No secret key on the token has the label.
    case keyNotFound
    /// Several secret keys on the token have the label.
    case keyAmbiguous
    /// A new key would have the label of one that is there.
    case keyExists
    /// The key on the token could be read out, or used for something else than AES-GCM needs.
    case keyNotProtected
    /// The token has another key under the label than it had before.
    case keyReplaced
    /// The token does not know AES-GCM with nonces of the caller.
    case hardwareNotSuitable
    /// The token or its module did not do what it was asked; the payload is Cryptoki's return value. The next use connects
    /// anew.
    case hardwareUnavailable(code: UInt)
    /// The token refused the PIN. It is not presented again.
    case pinIncorrect
    /// The token has locked the PIN, or wants it changed.
    case pinLocked
    /// The token allows one more wrong PIN, which the vault does not spend.
    case pinLastTry

    /// What is wrong and what to do, for an operator.
    public var description: String {
        switch self {
        case .wrongPassphrase: "wrong passphrase for the root key file, or the file was changed"
        case .passphraseEmpty: "the passphrase is empty; give the root key's passphrase"
        case .malformed: "the root key file is damaged; restore its backup"
        case .unsupportedVersion: "the root key file was written by a newer version; use that version"
        case .costOutOfBounds: "the root key file's scrypt cost is out of bounds; restore its backup"
        case .permissionsTooOpen:
            "the root key file or credential is open to others than its owner; set its mode to 0600"
        case .missing: "there is no root key file; run init first or correct the path"
        case .alreadyExists: "a root key file is already there and is never overwritten; choose another path"
        case .notReadable(let errno): "the root key file cannot be read (error \(errno))"
        case .notWritable(let errno): "the root key file cannot be written (error \(errno))"
        case .authenticationFailed: "a wrapped key does not belong to this root key"
        case .unavailable: "OpenSSL failed; check its installation"
        case .credentialMissing:
            "there is no systemd credential contact-vault-root-key; add LoadCredentialEncrypted= to the unit"
        case .credentialMalformed:
            "the systemd credential contact-vault-root-key is not exactly 32 bytes; make it with openssl rand 32"
        case .moduleNotLoadable: "the PKCS#11 module cannot be loaded; correct root_key.module"
        case .tokenNotFound:
            "no token has this label; plug it in, start its service, or correct root_key.token"
        case .tokenAmbiguous: "several tokens have this label; give the vault's token a label of its own"
        case .keyNotFound: "the token has no secret key of this label; make it, or correct root_key.key"
        case .keyAmbiguous:
            "the token has several secret keys of this label; give the vault's key a label of its own"
        case .keyExists:
            "the token already has a secret key of this label; leave --make-key out or choose another"
        case .keyNotProtected:
            "the key on the token can be read out or used for more than encryption; make one with --make-key"
        case .keyReplaced:
            "the token has another key under this label than when the vault was opened; put the right token back"
        case .hardwareNotSuitable:
            "the token does not do AES-GCM with 96-bit nonces of the caller; use another"
        case .hardwareUnavailable(let code):
            "the token does not answer as it should (PKCS#11 code 0x\(String(code, radix: 16))); check its connection"
        case .pinIncorrect:
            "the token refused the PIN, which is not tried again; correct it, then start the vault anew"
        case .pinLocked: "the token's PIN is locked or has expired; set it anew with the token's own tool"
        case .pinLastTry:
            "the token allows one more wrong PIN, which the vault does not spend; log in once with the token's own tool"
        }
    }
}

// Why a keyring was not read, changed or stored.

/// A failure of the keyring or its file. Carries no key and no path; at most a system error number.
public enum KeyringError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes are not a keyring of format 1, to the last byte, or contradict themselves.
    case malformed
    /// Written by a newer program.
    case unsupportedFormat
    /// Sealed under another root key.
    case wrongRootKey
    /// The bytes were changed after they were written.
    case authenticationFailed
    /// The root key's provider failed; the payload says how.
    case rootKeyUnavailable(RootKeyError)
    /// What was sealed under the root key does not come back from it.
    case rootKeyUnusable
    /// The cryptographic library or the random generator failed.
    case cryptoUnavailable
    /// The stored keyring is as new as this one, or newer.
    case epochNotHigher
    /// There is no such key.
    case keyUnknown
    /// The key's state does not lead to the wanted one.
    case transitionNotAllowed
    /// A floor may only rise, and not above the active version.
    case floorNotAllowed
    /// More keys than a keyring holds.
    case tooManyKeys
    /// There is no keyring file.
    case fileMissing
    /// The keyring file or its folder cannot be read.
    case fileNotReadable(errno: Int32)
    /// The keyring file cannot be written.
    case fileNotWritable(errno: Int32)

    /// What is wrong and what to do, for an operator.
    public var description: String {
        switch self {
        case .malformed: "the keyring is damaged; restore the newest backup of it"
        case .unsupportedFormat: "the keyring was written by a newer version; use that version"
        case .wrongRootKey:
            "the keyring belongs to another root key; point the vault to the key it was sealed with, or, if `keys root migrate` "
                + "was interrupted, run it again"
        case .authenticationFailed:
            "the keyring was changed outside the vault; restore the newest backup of it"
        case .rootKeyUnavailable(let error): error.description
        case .rootKeyUnusable: "the root key does not give back what it sealed; the keyring stays as it was"
        case .cryptoUnavailable: "OpenSSL failed; check its installation"
        case .epochNotHigher:
            "the stored keyring is newer than this change; read it again and repeat the change"
        case .keyUnknown: "the keyring has no such key; list the keys"
        case .transitionNotAllowed: "the key's state does not allow this step; list the keys"
        case .floorNotAllowed: "a floor can only rise, up to the active version"
        case .tooManyKeys: "the keyring is full; no more versions can be added"
        case .fileMissing: "there is no keyring; run init first"
        case .fileNotReadable(let errno): "the keyring file cannot be read (error \(errno))"
        case .fileNotWritable(let errno): "the keyring file cannot be written (error \(errno))"
        }
    }
}

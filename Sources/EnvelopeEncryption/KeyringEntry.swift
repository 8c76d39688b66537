// One key version in a keyring, of any kind.

public import ContactModel
import VaultCrypto

/// What a key is for.
public enum KeyName: UInt16, CaseIterable, Comparable, Sendable {
    /// Wraps the data keys of records.
    case kek = 1
    /// Makes blind indexes.
    case blindIndex = 2
    /// Signs access tokens (ES256).
    case tokenSigning = 3
    /// Signs checkpoints of the access log (Ed25519).
    case logSigning = 4
    /// Makes DPoP nonces.
    case dpopNonce = 5
    /// Seals the personal parts of log entries that concern no stored contact.
    case disclosure = 6

    /// The name in listings.
    public var name: String {
        switch self {
        case .kek: "kek"
        case .blindIndex: "blind_index"
        case .tokenSigning: "token_signing"
        case .logSigning: "log_signing"
        case .dpopNonce: "dpop_nonce"
        case .disclosure: "disclosure"
        }
    }

    /// The order in the keyring's bytes.
    public static func < (left: KeyName, right: KeyName) -> Bool { left.rawValue < right.rawValue }

    /// The signature algorithm, `nil` for a symmetric key.
    var algorithm: SignatureAlgorithm? {
        switch self {
        case .tokenSigning: .es256
        case .logSigning: .ed25519
        case .kek, .blindIndex, .dpopNonce, .disclosure: nil
        }
    }
}

/// Names one key version.
public struct KeyReference: Hashable, Comparable, Sendable {
    /// What the key is for.
    public let name: KeyName
    /// The key's id: from 1 for key-encryption keys, 0 for all others.
    public let id: UInt32
    /// The version, from 1.
    public let version: UInt32

    /// A reference.
    public init(_ name: KeyName, id: UInt32 = 0, version: UInt32) {
        self.name = name
        self.id = id
        self.version = version
    }

    /// The order in the keyring's bytes.
    public static func < (left: KeyReference, right: KeyReference) -> Bool {
        (left.name, left.id, left.version) < (right.name, right.id, right.version)
    }
}

/// What a listing shows of a key version. Never a secret.
public struct KeyDescription: Hashable, Sendable {
    /// Which key and version.
    public let reference: KeyReference
    /// The tenant.
    public let tenant: TenantID
    /// What it may be used for.
    public let state: KeyState
    /// When it was made.
    public let created: Timestamp
    /// The least version of a key-encryption key that still opens; `nil` for other keys.
    public let floor: UInt32?
    /// The suite of a key-encryption key; `nil` for other keys.
    public let suite: EnvelopeSuite?
}

/// A key version and its secret.
struct KeyringEntry: Sendable {
    /// What the secret is made of.
    enum Material: Sendable {
        case symmetric(SharedSecret)
        case signing(SigningKey)
        case destroyed
    }

    let reference: KeyReference
    let tenant: TenantID
    var state: KeyState
    let created: Timestamp
    /// The suite of records under a key-encryption key; the default for all others, which have none.
    let suite: EnvelopeSuite
    var material: Material

    /// Length of every secret in a keyring, in bytes.
    static let secretBytes = 32

    /// A new random key version, not yet active.
    init(
        generating reference: KeyReference, tenant: TenantID, created: Timestamp,
        suite: EnvelopeSuite = .aes256GCM, random: any RandomSource
    ) throws(CryptoError) {
        self.suite = suite
        if let algorithm = reference.name.algorithm {
            material = .signing(try SigningKey(generating: algorithm))
        } else {
            material = .symmetric(SharedSecret(try random.secret(Self.secretBytes)))
        }
        self.reference = reference
        self.tenant = tenant
        self.created = created
        state = .preActive
    }

    /// A key version from its secret; `nil` for no secret.
    init(
        reference: KeyReference, tenant: TenantID, state: KeyState, created: Timestamp,
        suite: EnvelopeSuite = .aes256GCM, secret: consuming SecretBytes?
    ) throws(CryptoError) {
        self.suite = suite
        if let secret = consume secret {
            if let algorithm = reference.name.algorithm {
                material = .signing(try SigningKey(algorithm, privateKey: secret))
            } else {
                material = .symmetric(SharedSecret(secret))
            }
        } else {
            material = .destroyed
        }
        self.reference = reference
        self.tenant = tenant
        self.state = state
        self.created = created
    }

    var symmetric: SharedSecret? { if case .symmetric(let secret) = material { secret } else { nil } }
    var signing: SigningKey? { if case .signing(let key) = material { key } else { nil } }
    var isDestroyed: Bool { if case .destroyed = material { true } else { false } }
}

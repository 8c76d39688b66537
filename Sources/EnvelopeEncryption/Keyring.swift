// The keyring: an immutable value that requests read. Changing keys is another type (``KeyringEditor``), and
// a change is a new value with a higher epoch, so a request never sees half of one.

public import ContactModel
public import VaultCrypto

/// All keys of a vault below the root key, at one epoch.
///
/// Guarantee: of every kind, and of every tenant's key-encryption key, exactly one version is active.
public struct Keyring: Sendable {
    /// Rises with every change. The access log remembers the last one; a lower one is a rolled-back keyring.
    public let epoch: UInt64
    /// The vault's tenant.
    public let tenant: TenantID
    /// The key that signs access tokens (ES256).
    public let tokenSigningKey: SigningKey
    /// Every key under which an access token may still be signed: active, just replaced, or handed out for
    /// promotion. A compromised key is not among them.
    public let tokenVerificationKeys: [VerificationKey]
    /// The keys that sign checkpoints of the access log (Ed25519): the active one first, then those that it replaced and
    /// that are not yet out of use, so that whoever knows only those can go on.
    public let logSigningKeys: [SigningKey]
    /// The keys under which checkpoints may have been signed, those that are out of use included: the log remembers for
    /// longer than they sign. Destroyed ones are gone.
    public let logVerificationKeys: [VerificationKey]
    /// Keys of DPoP nonces, 32 bytes each: the active one first, then those under which a nonce may still be good.
    public let dpopNonceKeys: [SharedSecret]

    /// All entries in ascending order.
    let entries: [KeyringEntry]
    /// The least version that opens, by key-encryption key id; absent means 1.
    let floors: [UInt32: UInt32]
    /// Blind-index keys that may be looked up with, the active one first.
    let blindIndexKeys: [(version: UInt32, secret: SharedSecret)]
    /// The general disclosure key that seals.
    let disclosureKey: (version: UInt32, secret: SharedSecret)
    private let keks: [UInt64: KeyEncryptionKey]
    private let activeKEKs: [TenantID: KeyEncryptionKey]

    /// Most entries a keyring holds: with 60 bytes of wrapped secret each, its file stays below 512 KiB.
    static let maximumEntries = 4096

    /// The first keyring of a vault: one active key of each kind, epoch 1.
    /// - Parameter suite: the suite of its records.
    /// - Throws: ``KeyringError/cryptoUnavailable``.
    public static func make(
        tenant: TenantID, random: any RandomSource, now: Timestamp, suite: EnvelopeSuite = .aes256GCM
    ) throws(KeyringError) -> Keyring {
        var entries: [KeyringEntry] = []
        do throws(CryptoError) {
            for name in KeyName.allCases {
                let reference = KeyReference(name, id: name == .kek ? 1 : 0, version: 1)
                var entry = try KeyringEntry(
                    generating: reference, tenant: tenant, created: now,
                    suite: name == .kek ? suite : .aes256GCM, random: random)
                entry.state = .active
                entries.append(entry)
            }
        } catch {
            throw .cryptoUnavailable
        }
        return try Keyring(epoch: 1, tenant: tenant, entries: entries, floors: [:])
    }

    /// A keyring of these entries.
    /// - Throws: ``KeyringError/malformed`` unless they are in strictly ascending order, agree with their
    ///   kinds and hold exactly one active version of each; ``KeyringError/tooManyKeys``.
    init(
        epoch: UInt64, tenant: TenantID, entries: [KeyringEntry], floors: [UInt32: UInt32]
    ) throws(KeyringError) {
        guard entries.count <= Self.maximumEntries else { throw .tooManyKeys }
        guard epoch >= 1 else { throw .malformed }
        for (left, right) in zip(entries, entries.dropFirst()) where left.reference >= right.reference {
            throw .malformed
        }
        var keks: [UInt64: KeyEncryptionKey] = [:]
        var activeKEKs: [TenantID: KeyEncryptionKey] = [:]
        var tenants: [UInt32: TenantID] = [:]
        var active: [KeyName: KeyringEntry] = [:]
        for entry in entries {
            let reference = entry.reference
            guard reference.version >= 1, entry.isDestroyed == (entry.state == .destroyed),
                entry.created.milliseconds >= 0
            else { throw .malformed }
            if reference.name == .kek {
                guard reference.id >= 1, tenants[reference.id, default: entry.tenant] == entry.tenant else {
                    throw .malformed
                }
                tenants[reference.id] = entry.tenant
                let kek = KeyEncryptionKey(
                    id: reference.id, version: reference.version, tenant: entry.tenant, state: entry.state,
                    created: entry.created, suite: entry.suite, secret: entry.symmetric)
                keks[Self.place(kek.id, kek.version)] = kek
                if entry.state == .active {
                    guard activeKEKs.updateValue(kek, forKey: entry.tenant) == nil else { throw .malformed }
                }
            } else {
                guard reference.id == 0, entry.tenant == tenant, entry.suite == .aes256GCM else {
                    throw .malformed
                }
                if entry.state == .active {
                    guard active.updateValue(entry, forKey: reference.name) == nil else { throw .malformed }
                }
            }
        }
        guard Set(tenants.values).isSubset(of: activeKEKs.keys), activeKEKs[tenant] != nil,
            let tokenSigningKey = active[.tokenSigning]?.signing,
            active[.logSigning] != nil,
            active[.dpopNonce] != nil, active[.blindIndex] != nil,
            let disclosureKey = active[.disclosure].flatMap({ Self.versioned($0) })
        else { throw .malformed }
        for (id, floor) in floors {
            guard floor >= 1, let tenant = tenants[id], let kek = activeKEKs[tenant],
                kek.id != id || floor <= kek.version
            else { throw .malformed }
        }

        self.epoch = epoch
        self.tenant = tenant
        self.entries = entries
        self.floors = floors
        self.keks = keks
        self.activeKEKs = activeKEKs
        self.tokenSigningKey = tokenSigningKey
        dpopNonceKeys = Self.opening(.dpopNonce, entries).compactMap(\.symmetric)
        tokenVerificationKeys = Self.opening(.tokenSigning, entries).compactMap {
            $0.signing?.verificationKey
        }
        logSigningKeys = Self.opening(.logSigning, entries).filter { $0.state != .preActive }.compactMap(
            \.signing)
        logVerificationKeys =
            (Self.opening(.logSigning, entries)
            + entries.filter { $0.reference.name == .logSigning && !$0.state.permits(.opening) })
            .compactMap { $0.signing?.verificationKey }
        blindIndexKeys = Self.opening(.blindIndex, entries).compactMap { Self.versioned($0) }
        self.disclosureKey = disclosureKey
    }

    /// The key-encryption key that seals a tenant's records.
    /// - Throws: ``EnvelopeError/keyUnknown`` if the tenant has none here.
    public func activeKEK(for tenant: TenantID) throws(EnvelopeError) -> KeyEncryptionKey {
        guard let kek = activeKEKs[tenant] else { throw .keyUnknown }
        return kek
    }

    /// A key-encryption key version in whatever state, `nil` if there is none.
    public func kek(id: UInt32, version: UInt32) -> KeyEncryptionKey? { keks[Self.place(id, version)] }

    /// The least version of a key-encryption key that still opens.
    public func floor(ofKEK id: UInt32) -> UInt32 { floors[id] ?? 1 }

    /// Versions of the blind-index key that are looked up with, the active one first.
    public var blindIndexVersions: [UInt32] { blindIndexKeys.map(\.version) }

    /// Every key version, for `keys list`.
    public var keys: [KeyDescription] {
        entries.map { entry in
            KeyDescription(
                reference: entry.reference, tenant: entry.tenant, state: entry.state, created: entry.created,
                floor: entry.reference.name == .kek ? floor(ofKEK: entry.reference.id) : nil,
                suite: entry.reference.name == .kek ? entry.suite : nil)
        }
    }

    /// The public key of a signing key version in whatever state, `nil` for a symmetric or a destroyed one.
    public func verificationKey(_ reference: KeyReference) -> VerificationKey? {
        entries.first { $0.reference == reference }?.signing?.verificationKey
    }

    /// The secret of a key-encryption key, if state and floor permit the use.
    /// - Throws: ``EnvelopeError/keyNotUsable`` or ``EnvelopeError/keyBelowFloor``.
    func usableSecret(of kek: KeyEncryptionKey, for use: KeyUse) throws(EnvelopeError) -> SharedSecret {
        guard kek.state.permits(use), let secret = kek.secret else { throw .keyNotUsable }
        guard kek.version >= floor(ofKEK: kek.id) else { throw .keyBelowFloor }
        return secret
    }

    private static func place(_ id: UInt32, _ version: UInt32) -> UInt64 {
        UInt64(id) << 32 | UInt64(version)
    }

    /// The entries of a kind that open, the active one first.
    private static func opening(_ name: KeyName, _ entries: [KeyringEntry]) -> [KeyringEntry] {
        let usable = entries.filter { $0.reference.name == name && $0.state.permits(.opening) }
        return usable.filter { $0.state == .active } + usable.filter { $0.state != .active }
    }

    private static func versioned(_ entry: KeyringEntry) -> (version: UInt32, secret: SharedSecret)? {
        entry.symmetric.map { (entry.reference.version, $0) }
    }
}

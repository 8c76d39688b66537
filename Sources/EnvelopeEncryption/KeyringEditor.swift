// Changing keys. Reading and changing are two types, so that code which only reads cannot rotate by accident.

public import ContactModel
public import VaultCrypto

/// A working copy of a keyring. Nothing counts until ``finish()`` and the storing of what it returns.
public struct KeyringEditor: Sendable {
    private let epoch: UInt64
    private let tenant: TenantID
    private var entries: [KeyringEntry]
    private var floors: [UInt32: UInt32]

    /// A working copy.
    public init(_ keyring: Keyring) {
        epoch = keyring.epoch
        tenant = keyring.tenant
        entries = keyring.entries
        floors = keyring.floors
    }

    /// Adds the next version of the tenant's key-encryption key, not yet active.
    /// - Parameter suite: the suite of records under it; `nil` for that of the active version.
    /// - Returns: the new version, for ``promote(_:)``.
    /// - Throws: ``KeyringError/tooManyKeys``, ``KeyringError/cryptoUnavailable``.
    public mutating func addKEK(
        random: any RandomSource, now: Timestamp, suite: EnvelopeSuite? = nil
    ) throws(KeyringError) -> KeyReference {
        guard let active = entries.first(where: { isActive($0, .kek) }) else { throw .keyUnknown }
        return try add(
            .kek, id: active.reference.id, random: random, now: now, suite: suite ?? active.suite)
    }

    /// Adds the next version of a named key, not yet active.
    /// - Throws: ``KeyringError/tooManyKeys``, ``KeyringError/cryptoUnavailable``.
    public mutating func add(
        _ name: KeyName, random: any RandomSource, now: Timestamp
    ) throws(KeyringError) -> KeyReference {
        name == .kek
            ? try addKEK(random: random, now: now) : try add(name, id: 0, random: random, now: now)
    }

    /// Makes a new version the active one; the one before goes on opening and verifying.
    /// - Throws: ``KeyringError/transitionNotAllowed`` unless the version is fresh.
    public mutating func promote(_ reference: KeyReference) throws(KeyringError) {
        let index = try index(of: reference)
        guard entries[index].state == .preActive else { throw .transitionNotAllowed }
        guard reference.version >= floors[reference.id] ?? 1 || reference.name != .kek else {
            throw .floorNotAllowed
        }
        for other in entries.indices where isActive(entries[other], reference.name) {
            entries[other].state = .decryptOnly
        }
        entries[index].state = .active
    }

    /// Switches a replaced version off. It can be switched on again.
    /// - Throws: ``KeyringError/transitionNotAllowed`` for the active version: promote another first.
    public mutating func disable(_ reference: KeyReference) throws(KeyringError) {
        try move(reference, from: [.preActive, .decryptOnly], to: .disabled)
    }

    /// Switches a disabled version on again, to open and verify only.
    public mutating func enable(_ reference: KeyReference) throws(KeyringError) {
        try move(reference, from: [.disabled], to: .decryptOnly)
    }

    /// Marks a version as known to someone. Records under it no longer open but by
    /// ``Keyring/reencrypt(_:context:random:)``, signatures of it no longer verify.
    /// - Throws: ``KeyringError/transitionNotAllowed`` for the active version: promote another first.
    public mutating func markCompromised(_ reference: KeyReference) throws(KeyringError) {
        try move(reference, from: [.preActive, .decryptOnly, .disabled], to: .compromised)
    }

    /// Takes a version's secret out of the keyring for good. What only it opens is lost.
    /// - Throws: ``KeyringError/transitionNotAllowed`` for a version in use: disable it first, and wait, so
    ///   that a forgotten record shows while there is a way back.
    public mutating func destroy(_ reference: KeyReference) throws(KeyringError) {
        try move(reference, from: [.preActive, .disabled, .compromised], to: .destroyed)
        entries[try index(of: reference)].material = .destroyed
        guard reference.name == .kek else { return }
        // Versions below the least that is left are gone for good; so is every copy of a record under one.
        let left = entries.filter {
            $0.reference.name == .kek && $0.reference.id == reference.id && $0.state != .destroyed
        }
        if let least = left.map(\.reference.version).min(), least > floors[reference.id] ?? 1,
            left.contains(where: { isActive($0, .kek) && $0.reference.version >= least })
        {
            floors[reference.id] = least
        }
    }

    /// Raises the least version of a key-encryption key that still opens. An old copy of a record, put back
    /// into the store after rotation, is then refused.
    /// - Throws: ``KeyringError/floorNotAllowed`` to lower it or to raise it above the active version.
    public mutating func raiseFloor(ofKEK id: UInt32, to version: UInt32) throws(KeyringError) {
        guard let active = entries.first(where: { isActive($0, .kek) && $0.reference.id == id }) else {
            throw .keyUnknown
        }
        guard version >= floors[id] ?? 1, version <= active.reference.version else { throw .floorNotAllowed }
        floors[id] = version
    }

    /// The changed keyring, one epoch later.
    public consuming func finish() throws(KeyringError) -> Keyring {
        guard epoch < UInt64.max else { throw .tooManyKeys }
        return try Keyring(epoch: epoch + 1, tenant: tenant, entries: entries, floors: floors)
    }

    private func isActive(_ entry: KeyringEntry, _ name: KeyName) -> Bool {
        entry.reference.name == name && entry.tenant == tenant && entry.state == .active
    }

    private func index(of reference: KeyReference) throws(KeyringError) -> Int {
        guard let index = entries.firstIndex(where: { $0.reference == reference && $0.tenant == tenant })
        else {
            throw .keyUnknown
        }
        return index
    }

    private mutating func add(
        _ name: KeyName, id: UInt32, random: any RandomSource, now: Timestamp,
        suite: EnvelopeSuite = .aes256GCM
    ) throws(KeyringError) -> KeyReference {
        guard entries.count < Keyring.maximumEntries else { throw .tooManyKeys }
        // Versions are never given out twice, destroyed ones included.
        let last = entries.filter { $0.reference.name == name && $0.reference.id == id }.map(
            \.reference.version
        ).max()
        guard let last, last < UInt32.max else { throw .tooManyKeys }
        let reference = KeyReference(name, id: id, version: last + 1)
        do throws(CryptoError) {
            entries.append(
                try KeyringEntry(
                    generating: reference, tenant: tenant, created: now, suite: suite, random: random))
        } catch {
            throw .cryptoUnavailable
        }
        entries.sort { $0.reference < $1.reference }
        return reference
    }

    private mutating func move(
        _ reference: KeyReference, from allowed: [KeyState], to state: KeyState
    ) throws(KeyringError) {
        let index = try index(of: reference)
        guard allowed.contains(entries[index].state) else { throw .transitionNotAllowed }
        entries[index].state = state
    }
}

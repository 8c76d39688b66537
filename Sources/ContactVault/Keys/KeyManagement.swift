// Changing keys while the vault serves: publish, sign, overlap, remove.
//
// The keyring's file comes first and the entry second, in one transaction: a key that has an entry can always be found
// again. A process that is killed in between leaves a keyring that is ahead of the log, and the next start says so in an
// entry of its own.

import AccessLog
import AccessToken
public import ContactModel
public import EnvelopeEncryption
import VaultCrypto

/// One step in the life of a key version.
public enum KeyChange: Hashable, Sendable {
    /// Makes the next version and publishes it; it does not sign yet.
    case add(KeyName)
    /// Lets a published version sign; the one before goes on verifying what it signed.
    case promote(KeyReference)
    /// Takes a replaced version out of use once nothing that it signed is good any more.
    case retire(KeyReference)
    /// Takes a version out of use at once, because somebody may know it. If it was the one that signs, a new one takes its
    /// place without waiting. Every token that it signed dies.
    case compromise(KeyReference)
    /// Takes the secret of a version out of the keyring for good.
    case destroy(KeyReference)

    /// The key that is changed.
    public var name: KeyName {
        switch self {
        case .add(let name): name
        case .promote(let key), .retire(let key), .compromise(let key), .destroy(let key): key.name
        }
    }

    /// Whether it can be done in this version. A key-encryption key that somebody may know needs every record to be encrypted anew,
    /// which is not built.
    fileprivate var isSupported: Bool {
        switch (name, self) {
        case (.tokenSigning, _), (.logSigning, _): true
        case (.kek, .compromise): false
        case (.kek, _): true
        default: false
        }
    }

    /// What a token must be for to ask for this step.
    var operation: KeyManagementDetails.Operation {
        switch self {
        case .add, .promote, .compromise: .rotate
        case .retire: .retire
        case .destroy: .destroy
        }
    }

    /// The version, if there is one yet.
    fileprivate var version: UInt32? {
        switch self {
        case .add: nil
        case .promote(let key), .retire(let key), .compromise(let key), .destroy(let key): key.version
        }
    }

    var entryKind: EntryKind {
        switch self {
        case .add: .keyCreate
        case .promote: .keyRotate
        case .retire: .keyRetire
        case .compromise: .keyCompromise
        case .destroy: .keyDestroy
        }
    }
}

/// A key version as an admin sees it.
public struct KeyStatus: Sendable {
    /// Which key, in which state.
    public let key: KeyDescription
    /// RFC 7638 thumbprint of a signing key, the `kid` of what it signs.
    public let thumbprint: String?
    /// Since when it is in that state.
    public let since: Timestamp
    /// The first moment at which its next step is allowed: promotion of a published version, retirement of a replaced one.
    public let nextStep: Timestamp?
}

extension Vault {
    /// Carries out one step.
    ///
    /// Durable in the keyring and in the log when it returns, and in force for every request that begins afterwards.
    /// - Throws: ``VaultError/tooEarly(_:)`` for a promotion before every client may have seen the key, or a retirement
    ///   before what it signed has ended; ``VaultError/conflict(_:)`` for a step that its state does not have, a key
    ///   that cannot be changed yet, or a vault that was opened without its storage.
    @discardableResult
    public func changeKeys(
        _ change: KeyChange, as caller: Caller, requestID: Reference
    ) async throws -> KeyStatus {
        let random = random
        let tenant = identity.tenant
        let storage = keyringStorage
        // What an earlier step left without its entry gets it first, whatever becomes of this one.
        try await noteStoredKeys()
        let changed: (keyring: Keyring, about: KeyReference)
        do {
            changed = try await manage(
                change.entryKind, as: caller, requestID: requestID,
                covers: { access throws(TokenError) in try access.keyManagement(change.operation) }
            ) { transaction -> ManagedOutcome<(Keyring, KeyReference)> in
                guard let storage else {
                    return .failed(.conflict("keyring_not_stored_here"), "keyring_not_stored_here")
                }
                guard change.isSupported else {
                    return .failed(.conflict("key_not_rotatable"), "key_not_rotatable")
                }
                return try transaction.changeKeys(change, in: storage, tenant: tenant, random: random)
            }
        } catch {
            // The file may have been written and the entry not. Then the change is in force all the same: a key that was
            // taken away must not go on serving because a disk was full.
            switch error {
            case VaultError.denied, VaultError.conflict, VaultError.tooEarly: break
            default: await adoptStoredKeys()
            }
            throw error
        }
        load(changed.keyring)
        // The log says by its new keys what it said of them.
        if change.name == .logSigning { try await publishCheckpoint() }
        guard let status = try await keyStatus().first(where: { $0.key.reference == changed.about }) else {
            throw VaultError.inconsistent("no_key_changed")
        }
        return status
    }

    /// Takes a stored keyring into use that the log does not know, and writes its entry.
    private func noteStoredKeys() async throws {
        guard let stored = try keyringStorage?.load() else { return }
        let known = try await reading { try $0.keyringEpoch() }
        guard stored.epoch > known else { return }
        load(stored)
        try await recordFoundKeys(stored)
    }

    /// Takes the stored keyring into use if it is ahead of the loaded one, and says so in the log if it can be written.
    private func adoptStoredKeys() async {
        guard let stored = try? keyringStorage?.load(), stored.epoch > state.keyring.epoch else { return }
        load(stored)
        // If not, the next change or the next start finds it.
        try? await recordFoundKeys(stored)
    }

    /// Writes the entry of a keyring that was changed without one, and from when its states are known.
    func recordFoundKeys(_ keyring: Keyring) async throws {
        let state = state
        let random = random
        try await storing { transaction in
            var writer = try LogWriter(
                transaction, contacts: [], keyring: state.keyring, source: state.instance, random: random)
            try transaction.noteFoundKeys(keyring, writer: &writer, policyVersion: state.policy.reference)
            try writer.finish(transaction)
        }
    }

    /// Every key version with its state, for the operator or a client of role `security`.
    public func keyStatus(as caller: Caller, requestID: Reference) async throws -> [KeyStatus] {
        try await manage(
            .keyRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.read) }
        ) { transaction -> ManagedOutcome<Void> in
            try transaction.log(.keyRead, about: nil)
            return .done(())
        }
        return try await keyStatus()
    }

    private func keyStatus() async throws -> [KeyStatus] {
        let keyring = state.keyring
        let changes = try await reading { try $0.keyChanges() }
        return keyring.keys.map { key in
            let since = changes.since(key)
            return KeyStatus(
                key: key, thumbprint: keyring.thumbprint(of: key.reference), since: since,
                nextStep: Self.nextStep(key, since: since))
        }
    }

    private func load(_ keyring: Keyring) {
        // It throws for a name of the vault that could not have been opened.
        guard let keys = try? LoadedKeys(keyring, identity, trusted: trustedIssuers) else { return }
        state.replace(keys: keys)
    }

    /// A key set may be kept by clients for its `max-age`, so a new key waits that long before it signs. What a replaced key
    /// signed lives as long as the longest token. Rounded up to the second, as it is printed.
    fileprivate static func nextStep(_ key: KeyDescription, since: Timestamp) -> Timestamp? {
        guard key.reference.name == .tokenSigning else { return nil }
        let seconds: Int64
        switch key.state {
        case .preActive: seconds = Limits.keySetMaxAgeSeconds
        case .decryptOnly: seconds = Limits.matchTokenSeconds + Limits.clockSkewSeconds
        case .active, .disabled, .compromised, .destroyed: return nil
        }
        return Timestamp(seconds: (since.milliseconds + 999) / 1000 + seconds)
    }
}

extension ManagedTransaction {
    fileprivate mutating func changeKeys(
        _ change: KeyChange, in storage: KeyringStorage, tenant: TenantID, random: any RandomSource
    ) throws -> ManagedOutcome<(Keyring, KeyReference)> {
        // What is stored, not what is loaded: the last change may have been stored by a process that died of it.
        let stored = try storage.load()
        guard stored.epoch >= (try store.keyringEpoch()) else {
            throw VaultError.inconsistent("keyring_older_than_the_log")
        }
        template.basis = EntryCode(change.name.name)
        template.keyVersion = change.version
        if let allowed = try earliest(change, in: stored), now < allowed {
            return .failed(.tooEarly(allowed), "too_early")
        }
        if try isInUse(change) { return .failed(.conflict("key_in_use"), "key_in_use") }
        var editor = KeyringEditor(stored)
        let steps: [(kind: EntryKind, key: KeyReference)]
        do throws(KeyringError) {
            steps = try editor.apply(change, in: stored, random: random, now: now)
        } catch .transitionNotAllowed, .keyUnknown {
            return .failed(.conflict("key_state"), "key_state")
        }
        let keyring = try editor.finish()
        for (kind, reference) in steps {
            guard let key = keyring.keys.first(where: { $0.reference == reference }) else { continue }
            try store.putKeyChange(StoredKeyChange(key, since: now))
            let thumbprint = keyring.thumbprint(of: reference) ?? stored.thumbprint(of: reference)
            try log(kind, about: nil) { draft in
                draft.basis = EntryCode(reference.name.name)
                draft.keyVersion = reference.version
                draft.generation = keyring.epoch
                draft.keyThumbprint = thumbprint.flatMap { EntryDigest($0) }
            }
        }
        if case .compromise(let reference) = change, reference.name == .tokenSigning,
            let thumbprint = stored.thumbprint(of: reference)
        {
            // Requests that were verified a moment ago are decided after this.
            try store.putRevocations(.compromised(thumbprint, tenant, at: now))
        }
        guard let about = steps.last?.key else { throw VaultError.inconsistent("no_key_changed") }
        try storage.store(keyring)
        try store.putKeyringEpoch(keyring.epoch)
        return .done((keyring, about))
    }

    /// Whether a step would take away a key-encryption key that a record, a disclosure key or a registered copy of the store is still
    /// under.
    private func isInUse(_ change: KeyChange) throws -> Bool {
        switch change {
        case .retire(let key), .destroy(let key):
            guard key.name == .kek else { return false }
            return try store.countContacts(with: StoredKeyMark(kekVersion: key.version)) > 0
                || !store.backups(needing: key).isEmpty
        case .add, .promote, .compromise: return false
        }
    }

    private func earliest(_ change: KeyChange, in keyring: Keyring) throws -> Timestamp? {
        let (reference, waiting): (KeyReference, KeyState)
        switch change {
        case .add, .compromise, .destroy: return nil
        case .promote(let key): (reference, waiting) = (key, .preActive)
        case .retire(let key): (reference, waiting) = (key, .decryptOnly)
        }
        guard let key = keyring.keys.first(where: { $0.reference == reference }), key.state == waiting else {
            return nil
        }
        return Vault.nextStep(key, since: try store.keyChanges().since(key))
    }
}

extension VaultTransaction {
    /// Says that a keyring was found changed. From when its new states are is not known, so they count from now.
    fileprivate func noteFoundKeys(
        _ keyring: Keyring, writer: inout LogWriter, policyVersion: Reference
    ) throws {
        let recorded = try keyChanges()
        for key in keyring.keys where !recorded.contains(where: { $0.isState(of: key) }) {
            // A key that is as it was made has no other state to come from.
            guard key.state != .active || recorded.contains(where: { $0.isVersion(of: key) }) else {
                continue
            }
            try putKeyChange(StoredKeyChange(key, since: writer.time))
            if key.state == .compromised, key.reference.name == .tokenSigning,
                let thumbprint = keyring.thumbprint(of: key.reference)
            {
                try putRevocations(.compromised(thumbprint, keyring.tenant, at: writer.time))
            }
        }
        var found = EntryDraft(.keyRotate, .permit)
        found.basis = "found.changed"
        found.generation = keyring.epoch
        found.policyVersion = policyVersion
        try writer.add(found)
        try putKeyringEpoch(keyring.epoch)
    }
}

extension KeyringEditor {
    /// - Returns: each version that changed with what its entry is called, the one that the step is about last.
    fileprivate mutating func apply(
        _ change: KeyChange, in keyring: Keyring, random: any RandomSource, now: Timestamp
    ) throws(KeyringError) -> [(kind: EntryKind, key: KeyReference)] {
        var steps: [(kind: EntryKind, key: KeyReference)] = []
        switch change {
        case .add(let name):
            steps.append((.keyCreate, try add(name, random: random, now: now)))
        case .promote(let reference):
            if let before = keyring.active(reference.name) { steps.append((.keyRotate, before)) }
            try promote(reference)
            steps.append((.keyRotate, reference))
        case .retire(let reference):
            try disable(reference)
            steps.append((.keyRetire, reference))
        case .compromise(let reference):
            if keyring.active(reference.name) == reference {
                let successor = try add(reference.name, random: random, now: now)
                try promote(successor)
                steps += [(.keyCreate, successor), (.keyRotate, successor)]
            }
            try markCompromised(reference)
            steps.append((.keyCompromise, reference))
        case .destroy(let reference):
            try destroy(reference)
            steps.append((.keyDestroy, reference))
        }
        return steps
    }
}

extension Keyring {
    fileprivate func thumbprint(of reference: KeyReference) -> String? {
        verificationKey(reference)?.thumbprint
    }

    fileprivate func active(_ name: KeyName) -> KeyReference? {
        keys.first { $0.reference.name == name && $0.state == .active }?.reference
    }
}

extension [RevocationKey: StoredRevocation] {
    /// The end of everything that a key signed.
    fileprivate static func compromised(
        _ thumbprint: String, _ tenant: TenantID, at now: Timestamp
    ) -> [RevocationKey: StoredRevocation] {
        [
            RevocationKey(.key(thumbprint), tenant): StoredRevocation(
                revoked: now.adding(seconds: Limits.clockSkewSeconds),
                expires: now.adding(seconds: Limits.matchTokenSeconds + Limits.clockSkewSeconds))
        ]
    }
}

extension StoredKeyChange {
    fileprivate init(_ key: KeyDescription, since: Timestamp) {
        self.init(
            name: key.reference.name.name, id: key.reference.id, version: key.reference.version,
            state: key.state.name, since: since)
    }

    fileprivate func isVersion(of key: KeyDescription) -> Bool {
        name == key.reference.name.name && id == key.reference.id && version == key.reference.version
    }

    fileprivate func isState(of key: KeyDescription) -> Bool { isVersion(of: key) && state == key.state.name }
}

extension [StoredKeyChange] {
    /// Since when a version is in its state: since it was made, if it never changed.
    fileprivate func since(_ key: KeyDescription) -> Timestamp {
        first { $0.isState(of: key) }?.since ?? key.created
    }
}

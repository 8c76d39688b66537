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
    /// Makes the next version and publishes it; it does not sign or seal yet.
    case add(KeyName)
    /// Makes the next version of the key-encryption key, for records of this suite.
    case addKEK(EnvelopeSuite)
    /// Lets a published version sign and seal; the one before goes on verifying and opening.
    case promote(KeyReference)
    /// Takes a replaced version out of use once nothing needs it any more.
    case retire(KeyReference)
    /// Switches a version off at once, whatever needs it, because somebody may know it. If it was the active one, a new one takes its
    /// place without waiting. Every token that it signed dies.
    case disable(KeyReference)
    /// Takes a version that was switched off into use again, to open and verify. Waits for a second person.
    case enable(KeyReference)
    /// As ``disable(_:)``, for good: it stays known that somebody may know it. Waits for a second person.
    case compromise(KeyReference)
    /// Takes the secret of a version out of the keyring for good. Waits for a second person.
    case destroy(KeyReference)

    /// The key that is changed.
    public var name: KeyName {
        switch self {
        case .add(let name): name
        case .addKEK: .kek
        case .promote(let key), .retire(let key), .disable(let key), .enable(let key), .compromise(let key),
            .destroy(let key):
            key.name
        }
    }

    /// A step that an approval carries out; `nil` for other operations.
    init?(_ operation: ProtectedOperation) {
        switch operation {
        case .destroyKey(let key): self = .destroy(key)
        case .compromiseKey(let key): self = .compromise(key)
        case .enableKey(let key): self = .enable(key)
        case .changeRoot, .liftStop, .export: return nil
        }
    }

    /// What a second person must approve; `nil` if one person may do it alone.
    fileprivate var protected: ProtectedOperation? {
        switch self {
        case .add, .addKEK, .promote, .retire, .disable: nil
        case .enable(let key): .enableKey(key)
        case .compromise(let key): .compromiseKey(key)
        case .destroy(let key): .destroyKey(key)
        }
    }

    /// Whether it can be done. A blind-index key that is switched off would hide places of the stop list: it is replaced and its rows
    /// are moved instead.
    fileprivate var isSupported: Bool {
        switch (name, self) {
        case (.blindIndex, .disable), (.blindIndex, .enable), (.blindIndex, .compromise): false
        default: true
        }
    }

    /// What a token must be for to ask for this step.
    var operation: KeyManagementDetails.Operation {
        switch self {
        case .add, .addKEK, .promote, .disable, .enable, .compromise: .rotate
        case .retire: .retire
        case .destroy: .destroy
        }
    }

    /// The version, if there is one yet.
    fileprivate var version: UInt32? {
        switch self {
        case .add, .addKEK: nil
        case .promote(let key), .retire(let key), .disable(let key), .enable(let key), .compromise(let key),
            .destroy(let key):
            key.version
        }
    }

    var entryKind: EntryKind {
        switch self {
        case .add, .addKEK: .keyCreate
        case .promote: .keyRotate
        case .retire: .keyRetire
        case .disable: .keyDisable
        case .enable: .keyEnable
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
    /// Carries out one step, or asks for the second person that it needs.
    ///
    /// Durable in the keyring and in the log when it returns, and in force for every request that begins afterwards.
    /// - Throws: ``VaultError/tooEarly(_:)`` for a promotion before every client may have seen the key, or a retirement
    ///   before what it signed has ended; ``VaultError/keyInUse(_:)`` while something needs the version;
    ///   ``VaultError/conflict(_:)`` for a step that its state does not have, or a vault that was opened without its storage.
    @discardableResult
    public func changeKeys(
        _ change: KeyChange, as caller: Caller, requestID: Reference
    ) async throws -> Approvable<KeyStatus> {
        let random = random
        let storage = keyringStorage
        if case .addKEK(let suite) = change { try Self.requireAlgorithms(of: [suite]) }
        // What an earlier step left without its entry gets it first, whatever becomes of this one.
        try await noteStoredKeys()
        let outcome: Approvable<ChangedKeys>
        do {
            outcome = try await manage(
                change.entryKind, as: caller, requestID: requestID,
                covers: { access throws(TokenError) in try access.keyManagement(change.operation) }
            ) { transaction -> ManagedOutcome<Approvable<ChangedKeys>> in
                try transaction.changeKeys(change, in: storage, random: random, mayAsk: true)
            }
        } catch {
            await adoptStoredKeys(after: error)
            throw error
        }
        switch outcome {
        case .waiting(let approval): return .waiting(approval)
        case .done(let changed):
            try await takeIntoUse(changed.keyring, change)
            guard let status = try await keyStatus().first(where: { $0.key.reference == changed.about })
            else {
                throw VaultError.inconsistent("no_key_changed")
            }
            return .done(status)
        }
    }

    /// - Throws: ``VaultError/cryptographyUnavailable`` if OpenSSL lacks the algorithms of a suite, or has them wrong.
    static func requireAlgorithms(of suites: some Sequence<EnvelopeSuite>) throws(VaultError) {
        guard suites.contains(.sm4HMACSM3) else { return }
        do { try CryptoSelfTest.runShangMi() } catch { throw .cryptographyUnavailable }
    }

    /// Takes a keyring into use that was stored.
    func takeIntoUse(_ keyring: Keyring, _ change: KeyChange) async throws {
        load(keyring)
        // The log says by its new keys what it said of them.
        if change.name == .logSigning { try await publishCheckpoint() }
    }

    /// After a step that failed: the file may have been written and the entry not. Then the change is in force all the same: a key that
    /// was taken away must not go on serving because a disk was full.
    func adoptStoredKeys(after error: any Error) async {
        switch error {
        case VaultError.denied, VaultError.conflict, VaultError.tooEarly, VaultError.keyInUse: break
        default: await adoptStoredKeys()
        }
    }

    /// Takes a stored keyring into use that the log does not know, and writes its entry.
    func noteStoredKeys() async throws {
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

    func load(_ keyring: Keyring) {
        // It throws for a name of the vault that could not have been opened.
        guard let keys = try? LoadedKeys(keyring, identity, trusted: trustedIssuers) else { return }
        state.replace(keys: keys)
    }

    /// A key set may be kept by clients for its `max-age`, so a new key waits that long before it signs. What a replaced key
    /// signed lives as long as the longest token. Rounded up to the second, as it is printed.
    fileprivate static func nextStep(_ key: KeyDescription, since: Timestamp) -> Timestamp? {
        let seconds: Int64
        switch (key.reference.name, key.state) {
        case (.tokenSigning, .preActive): seconds = Limits.keySetMaxAgeSeconds
        case (.tokenSigning, .decryptOnly): seconds = Limits.matchTokenSeconds + Limits.clockSkewSeconds
        // Nonces of the present and the previous bucket, and the digests of idempotent requests, which live longer.
        case (.dpopNonce, .decryptOnly): seconds = max(2 * Limits.nonceSeconds, idempotencySeconds)
        default: return nil
        }
        return Timestamp(seconds: (since.milliseconds + 999) / 1000 + seconds)
    }
}

/// The keyring that a step left, and the version that the step was about.
typealias ChangedKeys = (keyring: Keyring, about: KeyReference)

extension ManagedTransaction {
    /// Carries out a step.
    /// - Parameter mayAsk: whether a step that needs a second person is asked for; if not, it was approved.
    mutating func changeKeys(
        _ change: KeyChange, in storage: KeyringStorage?, random: any RandomSource, mayAsk: Bool
    ) throws -> ManagedOutcome<Approvable<ChangedKeys>> {
        guard let storage else {
            return .failed(.conflict("keyring_not_stored_here"), "keyring_not_stored_here")
        }
        guard change.isSupported else { return .failed(.conflict("key_not_rotatable"), "key_not_rotatable") }
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
        var editor = KeyringEditor(stored)
        let steps: [(kind: EntryKind, key: KeyReference)]
        do throws(KeyringError) {
            steps = try editor.apply(change, in: stored, random: random, now: now)
        } catch .transitionNotAllowed, .keyUnknown {
            return .failed(.conflict("key_state"), "key_state")
        }
        let needs = try needs(of: change)
        guard needs.isEmpty else { return .failed(.keyInUse(needs), "key_in_use") }
        if case .promote = change, try store.instances().contains(where: { $0.epoch < stored.epoch }) {
            return .failed(.conflict("keys_not_loaded_everywhere"), "keys_not_loaded")
        }
        if mayAsk, let operation = change.protected {
            return .done(.waiting(try ask(for: operation, random: random)))
        }
        let keyring = try editor.finish()
        for (kind, reference) in steps {
            guard let key = keyring.keys.first(where: { $0.reference == reference }) else { continue }
            try store.putKeyChange(StoredKeyChange(key, since: now))
            let thumbprint = keyring.thumbprint(of: reference) ?? stored.thumbprint(of: reference)
            try log(kind, about: nil) { draft in
                draft.basis = EntryCode(reference.name.name)
                if case .addKEK(let suite) = change { draft.basis = EntryCode("kek." + suite.name) }
                draft.keyVersion = reference.version
                draft.generation = keyring.epoch
                draft.keyThumbprint = thumbprint.flatMap { EntryDigest($0) }
            }
        }
        switch change {
        case .compromise(let reference), .disable(let reference):
            // Requests that were verified a moment ago are decided after this.
            if reference.name == .tokenSigning, let thumbprint = stored.thumbprint(of: reference) {
                try store.putRevocations(.compromised(thumbprint, keyring.tenant, at: now))
            }
            try endJobs(for: reference.name)
        case .add, .addKEK, .promote, .retire, .enable, .destroy: break
        }
        guard let about = steps.last?.key else { throw VaultError.inconsistent("no_key_changed") }
        try storage.store(keyring)
        try store.putKeyringEpoch(keyring.epoch)
        // It loads what it has stored, or adopts it if the commit fails.
        try store.putInstance(StoredInstance(name: state.instance, epoch: keyring.epoch, seen: now))
        return .done(.done((keyring, about)))
    }

    private func earliest(_ change: KeyChange, in keyring: Keyring) throws -> Timestamp? {
        let (reference, waiting): (KeyReference, KeyState)
        switch change {
        case .add, .addKEK, .disable, .enable, .compromise, .destroy: return nil
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
            if [.compromised, .disabled].contains(key.state), key.reference.name == .tokenSigning,
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
        case .addKEK(let suite):
            steps.append((.keyCreate, try addKEK(random: random, now: now, suite: suite)))
        case .promote(let reference):
            if let before = keyring.active(reference.name) { steps.append((.keyRotate, before)) }
            try promote(reference)
            steps.append((.keyRotate, reference))
        case .retire(let reference):
            try disable(reference)
            steps.append((.keyRetire, reference))
        case .disable(let reference):
            steps += try replaceIfActive(reference, in: keyring, random: random, now: now)
            try disable(reference)
            steps.append((.keyDisable, reference))
        case .enable(let reference):
            try enable(reference)
            steps.append((.keyEnable, reference))
        case .compromise(let reference):
            steps += try replaceIfActive(reference, in: keyring, random: random, now: now)
            try markCompromised(reference)
            steps.append((.keyCompromise, reference))
        case .destroy(let reference):
            try destroy(reference)
            steps.append((.keyDestroy, reference))
        }
        return steps
    }

    /// A new version in the place of the active one, at once.
    private mutating func replaceIfActive(
        _ reference: KeyReference, in keyring: Keyring, random: any RandomSource, now: Timestamp
    ) throws(KeyringError) -> [(kind: EntryKind, key: KeyReference)] {
        guard keyring.active(reference.name) == reference else { return [] }
        let successor = try add(reference.name, random: random, now: now)
        try promote(successor)
        return [(.keyCreate, successor), (.keyRotate, successor)]
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

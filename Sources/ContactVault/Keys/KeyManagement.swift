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

    /// What a token must be for to ask for this step.
    var operation: KeyManagementDetails.Operation {
        switch self {
        case .add, .promote, .compromise: .rotate
        case .retire: .retire
        case .destroy: .destroy
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
        guard let storage = keyringStorage else { throw VaultError.conflict("keyring_not_stored_here") }
        guard change.name == .tokenSigning else { throw VaultError.conflict("key_not_rotatable") }
        let random = random
        let tenant = identity.tenant
        let (keyring, reference) = try await manage(
            change.entryKind, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(change.operation) }
        ) { transaction -> ManagedOutcome<(Keyring, KeyReference)> in
            // What is stored, not what is loaded: the last change may have been stored by a process that died of it.
            let stored = try storage.load()
            guard stored.epoch >= (try transaction.store.keyringEpoch()) else {
                throw VaultError.inconsistent("keyring_older_than_the_log")
            }
            if let allowed = try Self.earliest(change, in: stored, transaction), transaction.now < allowed {
                return .failed(.tooEarly(allowed), "too_early")
            }
            var editor = KeyringEditor(stored)
            let changed: [KeyReference]
            do throws(KeyringError) {
                changed = try editor.apply(change, in: stored, random: random, now: transaction.now)
            } catch .transitionNotAllowed, .keyUnknown {
                return .failed(.conflict("key_state"), "key_state")
            }
            let keyring = try editor.finish()
            for reference in changed {
                guard let key = keyring.keys.first(where: { $0.reference == reference }) else { continue }
                try transaction.store.putKeyChange(StoredKeyChange(key, since: transaction.now))
                try transaction.log(change.entryKind, about: nil) { draft in
                    draft.basis = EntryCode(reference.name.name)
                    draft.keyVersion = reference.version
                    draft.generation = keyring.epoch
                    draft.keyThumbprint = stored.thumbprint(of: reference).flatMap { EntryDigest($0) }
                }
            }
            if case .compromise(let reference) = change, let thumbprint = stored.thumbprint(of: reference) {
                // Requests that were verified a moment ago are decided after this.
                try transaction.store.putRevocations([
                    RevocationKey(.key(thumbprint), tenant): StoredRevocation(
                        revoked: transaction.now.adding(seconds: Limits.clockSkewSeconds),
                        expires: transaction.now.adding(
                            seconds: Limits.matchTokenSeconds + Limits.clockSkewSeconds))
                ])
            }
            try storage.store(keyring)
            try transaction.store.putKeyringEpoch(keyring.epoch)
            guard let last = changed.last else { throw VaultError.inconsistent("no_key_changed") }
            return .done((keyring, last))
        }
        load(keyring)
        guard let status = try await keyStatus().first(where: { $0.key.reference == reference }) else {
            throw VaultError.inconsistent("no_key_changed")
        }
        return status
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
        let changes: [StoredKeyChange]
        do { changes = try await store.read { try $0.keyChanges() } } catch {
            throw VaultError(storing: error)
        }
        return keyring.keys.map { key in
            let since = changes.since(key)
            return KeyStatus(
                key: key, thumbprint: keyring.thumbprint(of: key.reference), since: since,
                nextStep: Self.nextStep(key, since: since))
        }
    }

    private func load(_ keyring: Keyring) {
        guard let origin = ExternalOrigin(identity.issuer) else { return }
        state.replace(
            keys: LoadedKeys(keyring, issuer: identity.issuer, origin: origin, trusted: trustedIssuers))
    }

    private static func earliest(
        _ change: KeyChange, in keyring: Keyring, _ transaction: ManagedTransaction
    ) throws -> Timestamp? {
        switch change {
        case .add, .compromise, .destroy: return nil
        case .promote(let reference), .retire(let reference):
            guard let key = keyring.keys.first(where: { $0.reference == reference }) else { return nil }
            return nextStep(key, since: try transaction.store.keyChanges().since(key))
        }
    }

    /// A key set may be kept by clients for its `max-age`, so a new key waits that long before it signs. What a replaced key
    /// signed lives as long as the longest token.
    private static func nextStep(_ key: KeyDescription, since: Timestamp) -> Timestamp? {
        guard key.reference.name == .tokenSigning else { return nil }
        return switch key.state {
        case .preActive: since.adding(seconds: Limits.keySetMaxAgeSeconds)
        case .decryptOnly: since.adding(seconds: Limits.matchTokenSeconds + Limits.clockSkewSeconds)
        case .active, .disabled, .compromised, .destroyed: nil
        }
    }
}

extension KeyringEditor {
    /// - Returns: the versions that changed, the one that the step is about last.
    fileprivate mutating func apply(
        _ change: KeyChange, in keyring: Keyring, random: any RandomSource, now: Timestamp
    ) throws(KeyringError) -> [KeyReference] {
        switch change {
        case .add(let name):
            return [try add(name, random: random, now: now)]
        case .promote(let reference):
            let before = keyring.active(reference.name)
            try promote(reference)
            return (before.map { [$0] } ?? []) + [reference]
        case .retire(let reference):
            try disable(reference)
            return [reference]
        case .compromise(let reference):
            var changed: [KeyReference] = []
            if keyring.active(reference.name) == reference {
                let successor = try add(reference.name, random: random, now: now)
                try promote(successor)
                changed.append(successor)
            }
            try markCompromised(reference)
            return changed + [reference]
        case .destroy(let reference):
            try destroy(reference)
            return [reference]
        }
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

extension StoredKeyChange {
    fileprivate init(_ key: KeyDescription, since: Timestamp) {
        self.init(
            name: key.reference.name.name, id: key.reference.id, version: key.reference.version,
            state: key.state.name, since: since)
    }
}

extension [StoredKeyChange] {
    /// Since when a version is in its state: since it was made, if it never changed.
    fileprivate func since(_ key: KeyDescription) -> Timestamp {
        first {
            $0.name == key.reference.name.name && $0.id == key.reference.id
                && $0.version == key.reference.version && $0.state == key.state.name
        }?.since ?? key.created
    }
}

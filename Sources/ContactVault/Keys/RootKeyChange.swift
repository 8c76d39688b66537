// Another root key while the vault serves: the keyring's file is sealed anew, and nothing else changes.

import AccessLog
import AccessToken
public import ContactModel
public import EnvelopeEncryption

/// Who keeps a root key, by the name in the configuration.
public enum RootKeyProvider: String, CaseIterable, Sendable {
    /// In a file of the vault's folder.
    case file
    /// A systemd credential.
    case credential
    /// On a PKCS#11 token.
    case pkcs11
}

extension Vault {
    /// Puts the keyring under another root key, one epoch later, or asks for the second person that this needs.
    ///
    /// Who asked asks again once it is approved: an approval is of this key, by its check value, and used once. Releases go on meanwhile. A
    /// keyring that is under this root key already stays as it is. Copies of the keyring from before open under the root key of then.
    /// - Returns: the keyring's epoch.
    /// - Throws: ``VaultError/conflict(_:)`` with `keyring_not_stored_here`; `KeyringError` if the new root key cannot be used, and the old
    ///   one is in use then.
    public func changeRootKey(
        to root: any RootKey, by provider: RootKeyProvider, requestID: Reference
    ) async throws -> Approvable<UInt64> {
        guard let storage = keyringStorage else { throw VaultError.conflict("keyring_not_stored_here") }
        let random = random
        try await noteStoredKeys()
        if storage.rootKeyCheckValue == root.keyCheckValue { return .done(try storage.load().epoch) }
        let operation = ProtectedOperation.changeRoot(provider, keyCheckValue: root.keyCheckValue)
        let outcome: Approvable<Keyring>
        do {
            outcome = try await manage(
                .keyRoot, as: .localOperator, requestID: requestID,
                covers: { _ throws(TokenError) in throw .insufficientScope }
            ) { transaction -> ManagedOutcome<Approvable<Keyring>> in
                // An old keyring does not become a new one by another root key.
                let stored = try storage.load()
                guard stored.epoch >= (try transaction.store.keyringEpoch()) else {
                    throw VaultError.inconsistent("keyring_older_than_the_log")
                }
                guard try transaction.spendApproval(of: operation) else {
                    return .done(.waiting(try transaction.ask(for: operation, random: random)))
                }
                try transaction.log(.keyRoot, about: nil) { draft in
                    draft.basis = EntryCode(provider.rawValue)
                    draft.generation = stored.epoch + 1
                }
                let keyring = try storage.migrate(to: root)
                try transaction.store.putKeyringEpoch(keyring.epoch)
                try transaction.store.putInstance(
                    StoredInstance(
                        name: transaction.state.instance, epoch: keyring.epoch, seen: transaction.now))
                return .done(.done(keyring))
            }
        } catch {
            // The file may have been written and the entry not.
            await adoptStoredKeys(after: error)
            throw error
        }
        switch outcome {
        case .waiting(let approval): return .waiting(approval)
        case .done(let keyring):
            load(keyring)
            return .done(keyring.epoch)
        }
    }
}

// Making a copy of the whole vault while it serves, and keeping a register of copies, so that no key is taken away that one needs.
//
// The register comes first, the copy second, what the copy needs third: a process that is killed between leaves a registered
// copy that is not there and holds every key, which the operator forgets, and never a copy that nobody knows of.

import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
import Foundation
import VaultCrypto

extension Vault {
    /// Copies the store, and the keyring if wanted, into a folder, with a signed manifest.
    ///
    /// Everything that was answered before this is called is in the copy. Releases go on meanwhile. The copy is registered, with an
    /// entry, before it is begun.
    /// - Parameters:
    ///   - path: a folder of the caller's, which others may not enter. It may hold `contact-vault.yaml` and `log.vkey`, which become
    ///     part of the backup, and nothing else. Rename it when this has returned: what is not renamed is no backup.
    ///   - includesKeyring: whether the keyring as it is now goes with it.
    /// - Throws: ``VaultError/conflict(_:)`` with `backup_folder_not_empty`, `backup_folder_open`, `backup_not_written` or
    ///   `keyring_not_stored_here`.
    public func createBackup(
        in path: String, includesKeyring: Bool, requestID: Reference
    ) async throws -> BackupManifest {
        let folder = BackupFolder(path: path)
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let mode = attributes?[.posixPermissions] as? Int, mode & 0o077 == 0,
            attributes?[.type] as? FileAttributeType == .typeDirectory
        else { throw VaultError.conflict("backup_folder_open") }
        let given = BackupManifest.names.subtracting([BackupManifest.store, BackupManifest.keyring])
        guard folder.names().isSubset(of: given) else {
            throw VaultError.conflict("backup_folder_not_empty")
        }
        if includesKeyring, keyringStorage == nil { throw VaultError.conflict("keyring_not_stored_here") }

        let id = try Self.backupID(random)
        try await registerBackup(id, includesKeyring: includesKeyring, requestID: requestID)
        do {
            // The copy then holds a checkpoint over the entry about itself.
            try await publishCheckpoint()
            return try await copy(id, into: folder, includesKeyring: includesKeyring)
        } catch {
            // What was not made holds no key back. If this fails too, the operator forgets it.
            _ = try? await forgetBackups([id], requestID: requestID)
            throw error
        }
    }

    private func copy(
        _ id: Reference, into folder: BackupFolder, includesKeyring: Bool
    ) async throws -> BackupManifest {
        let made = clock()
        let snapshot: any VaultStore
        do { snapshot = try await store.snapshot(to: folder.file(BackupManifest.store)) } catch {
            throw error is StoreError ? VaultError.conflict("backup_not_written") : error
        }
        let schema = UInt64(snapshot.schema)
        let found: (LogHead, [UInt8], [StoredKeyNeed], StoredCheckpoint, VaultIdentity)
        do {
            found = try await snapshot.read { reader in
                let head = try reader.logHead()
                guard let frontier = Frontier(size: head.size, bytes: head.frontier),
                    let checkpoint = try reader.latestCheckpoint(), let identity = try reader.identity()
                else { throw StoreError.corrupt("log_head") }
                return (head, frontier.root, try reader.keyNeeds(), checkpoint, identity)
            }
        } catch {
            try? await snapshot.close()
            throw VaultError(storing: error)
        }
        try await snapshot.close()
        let (head, root, needs, checkpoint, identity) = found

        // Read after the snapshot: it is never older than what the snapshot knows of it.
        let keyring = try keyringStorage?.load() ?? state.keyring
        if includesKeyring {
            try keyringStorage?.write(keyring, toNew: folder.file(BackupManifest.keyring))
        }
        var files: [String: BackupManifest.File] = [:]
        for name in folder.names() { files[name] = try folder.digest(name) }
        let manifest = BackupManifest(
            id: id, made: made, tenant: identity.tenant, origin: identity.logOrigin, schema: schema,
            entries: head.size, root: root, checkpoint: checkpoint.note, epoch: keyring.epoch,
            needs: needs, files: files)
        // What it needs is on record before there is a manifest that makes it a backup.
        let stored = StoredBackup(
            id: id, made: made, logSize: head.size, hasKeyring: includesKeyring, needs: needs)
        try await storing { try $0.putBackup(stored) }
        let note = try sign(manifest)
        try folder.write(manifest.bytes, to: BackupManifest.manifest)
        try folder.write(
            Array(note.signatures.map(\.line).joined().utf8), to: BackupManifest.signatures)
        return manifest
    }

    private func registerBackup(
        _ id: Reference, includesKeyring: Bool, requestID: Reference
    ) async throws {
        try await manage(
            .backupCreate, as: .localOperator, requestID: requestID,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<Void> in
                let epoch = transaction.keyring.epoch
                let receipt = try transaction.log(.backupCreate, about: nil) { draft in
                    draft.basis = EntryCode(id.text)
                    draft.generation = epoch
                }
                try transaction.store.putBackup(
                    StoredBackup(
                        id: id, made: transaction.now, logSize: receipt.index + 1,
                        hasKeyring: includesKeyring, needs: nil))
                return .done(())
            })
    }

    private func sign(_ manifest: BackupManifest) throws -> SignedNote {
        guard let text = String(validating: manifest.bytes, as: UTF8.self) else {
            throw VaultError.inconsistent("backup_manifest")
        }
        let keys = state.keyring.logSigningKeys
        let origin = manifest.origin
        do {
            let signatures = try keys.map { try NoteSigner(name: origin, key: $0).sign(text).signatures[0] }
            return try SignedNote(text: text, signatures: signatures)
        } catch {
            throw VaultError.cryptographyUnavailable
        }
    }

    /// `bk_` and sixteen letters: 64 random bits, and no digit that could be taken for a number.
    private static func backupID(_ random: any RandomSource) throws -> Reference {
        let letters = try random.bytes(8).flatMap { [$0 >> 4, $0 & 15] }.map { UInt8(ascii: "a") + $0 }
        guard let id = Reference("bk_" + String(decoding: letters, as: UTF8.self)) else {
            throw VaultError.inconsistent("backup_id")
        }
        return id
    }

    // MARK: The register

    /// Registered copies of the store, oldest first.
    public func backups() async throws -> [StoredBackup] { try await reading { try $0.backups() } }

    /// Takes copies off the register, each with an entry: they were destroyed, have expired or are to be unreadable. No key is kept for
    /// them any more.
    /// - Returns: those that were on it.
    /// - Throws: ``VaultError/conflict(_:)`` with `backup_unknown` if one is not.
    @discardableResult
    public func forgetBackups(_ ids: [Reference], requestID: Reference) async throws -> [StoredBackup] {
        try await manage(
            .backupForget, as: .localOperator, requestID: requestID,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<[StoredBackup]> in
                let known = try transaction.store.backups().filter { $0.forgotten == nil }
                let forgotten = known.filter { ids.contains($0.id) }
                guard forgotten.count == Set(ids).count else {
                    return .failed(.conflict("backup_unknown"), "backup_unknown")
                }
                for backup in forgotten {
                    var backup = backup
                    backup.forgotten = transaction.now
                    try transaction.store.putBackup(backup)
                    try transaction.log(.backupForget, about: nil) { $0.basis = EntryCode(backup.id.text) }
                }
                return .done(forgotten)
            })
    }
}

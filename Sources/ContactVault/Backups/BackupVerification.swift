// Checks a backup before anybody relies on it: manifest, files, store, log, keys, records, in this order. Offline; without a keyring
// it needs no secret.

public import AccessLog
import ContactModel
public import EnvelopeEncryption
import VaultCrypto

/// A backup that was found whole.
public struct VerifiedBackup: Sendable {
    /// What it says of itself.
    public let manifest: BackupManifest
    /// Its log.
    public let log: VerifiedLog
    /// Records whose headers were opened; `nil` without a keyring.
    public let records: Int?
}

/// Checks backups.
public enum BackupVerification {
    /// Records that are opened unless all are.
    public static let sample = 100

    /// Checks a backup in a folder.
    /// - Parameters:
    ///   - verifiers: keys of the log that are trusted.
    ///   - keyring: the keyring that is to open it; without one, keys and records are not checked.
    ///   - opensAll: whether every record is opened, and not a sample.
    ///   - open: opens a store for reading, and checks its file.
    /// - Throws: ``BackupFault``, `LogFault`, ``TileFault`` or ``StoreError``: the first fault.
    public static func run(
        _ path: String, by verifiers: [NoteVerifier], keyring: Keyring?, opensAll: Bool,
        open: @Sendable (_ path: String) async throws -> any VaultStore
    ) async throws -> VerifiedBackup {
        let folder = BackupFolder(path: path)
        let manifest = try folder.checked(by: verifiers)
        let store = try await open(folder.file(BackupManifest.store))
        do {
            let verified = try await check(
                store, manifest, by: verifiers, keyring: keyring, opensAll: opensAll)
            try await store.close()
            return verified
        } catch {
            try? await store.close()
            throw error
        }
    }

    private static func check(
        _ store: any VaultStore, _ manifest: BackupManifest, by verifiers: [NoteVerifier], keyring: Keyring?,
        opensAll: Bool
    ) async throws -> VerifiedBackup {
        guard UInt64(store.schema) == manifest.schema else { throw BackupFault.storeDiffers("schema") }
        let log = try await LogVerification.run(
            store, by: verifiers, pinned: Array(manifest.checkpoint.utf8))
        guard log.size == manifest.entries, log.root == manifest.root else {
            throw BackupFault.storeDiffers("log")
        }
        let records = try await store.read { reader -> Int? in
            guard let identity = try reader.identity(), identity.tenant == manifest.tenant,
                identity.logOrigin == manifest.origin
            else { throw BackupFault.storeDiffers("identity") }
            guard try reader.keyNeeds() == manifest.needs else { throw BackupFault.storeDiffers("keys") }
            guard let keyring else { return nil }
            guard keyring.tenant == manifest.tenant else { throw BackupFault.keyringOfAnotherVault }
            guard keyring.epoch >= (try reader.keyringEpoch()) else { throw BackupFault.keyringOlder }
            if let (need, state) = keyring.firstMissing(manifest.needs) {
                throw BackupFault.keyMissing(need, state: state)
            }
            return try openHeaders(in: reader, with: keyring, all: opensAll)
        }
        return VerifiedBackup(manifest: manifest, log: log, records: records)
    }

    /// Opens data keys and header MACs, and the keys of what entries disclose; no field is opened.
    private static func openHeaders(
        in reader: any VaultReader, with keyring: Keyring, all: Bool
    ) throws -> Int {
        var (opened, cursor) = (0, [UInt8]())
        while true {
            let page = try reader.recordKeys(after: cursor, limit: sample)
            for record in page.rows {
                do throws(EnvelopeError) {
                    let context = RecordContext(
                        tenant: keyring.tenant, record: record.contact, generation: record.generation,
                        schema: Vault.recordSchema)
                    try keyring.check(SealedRecord(parsing: record.sealed), context: context)
                    _ = try keyring.disclosureKey(
                        wrapped: record.disclosureKey, tenant: keyring.tenant, contact: record.contact)
                } catch {
                    throw BackupFault.recordUnreadable(record.contact, error.code)
                }
            }
            opened += page.rows.count
            guard all, page.rows.count == sample else { return opened }
            cursor = page.cursor
        }
    }
}

// Backups: whatever is changed in one is found before it is needed, and no key is taken away that a registered one needs.

import AccessLog
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import GRDB
import SQLiteStore
import StrictEncoding
import Synchronization
import Testing
import VaultTesting

/// A switch between tasks.
private final class Switch: Sendable {
    private let value = Mutex(false)
    var isOn: Bool {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}

/// A store that makes no snapshot, as on a full disk.
private final class FailingSnapshots: VaultStore {
    private let store: any VaultStore

    init(_ store: any VaultStore) { self.store = store }

    var schema: Int { store.schema }
    var isShared: Bool { store.isShared }
    func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Result
    ) async throws -> Result { try await store.transaction(body) }
    func read<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Result
    ) async throws -> Result { try await store.read(body) }
    func snapshot(to path: String) async throws -> any VaultStore {
        throw StoreError.unavailable("disk_full")
    }
    func expunge() async throws { try await store.expunge() }
    func close() async throws { try await store.close() }
}

@Suite("Backups")
struct BackupTests {
    /// A vault with contacts, releases and a stop, and a backup of it.
    private func backedUp(
        withoutKeyring: Bool = false
    ) async throws -> (fixture: VaultFixture, folder: TemporaryFolder, manifest: BackupManifest) {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 5), storesKeyring: true, remembersSigning: true)
        let contacts = try await fixture.store(numbered: 0..<5)
        let client = try await fixture.registerClient()
        for contact in contacts { _ = try await client.release(contact) }
        try await fixture.vault.stop(contacts[4], as: .localOperator, requestID: fixture.requestID())
        let folder = try TemporaryFolder()
        let manifest = try await fixture.vault.createBackup(
            in: folder.path, includesKeyring: !withoutKeyring, requestID: fixture.requestID())
        return (fixture, folder, manifest)
    }

    private func verify(
        _ folder: TemporaryFolder, _ fixture: VaultFixture, keyring: Keyring? = nil, all: Bool = true
    ) async throws -> VerifiedBackup {
        try await BackupVerification.run(
            folder.path, by: try fixture.logVerifiers(), keyring: keyring, opensAll: all,
            open: { path in
                let store = try SQLiteStore.openForReading(path: path)
                try await store.checkIntegrity()
                return store
            })
    }

    private func fault(
        _ folder: TemporaryFolder, _ fixture: VaultFixture, keyring: Keyring? = nil
    ) async -> BackupFault? {
        do {
            _ = try await verify(folder, fixture, keyring: keyring)
            return nil
        } catch let fault as BackupFault {
            return fault
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test("a backup is whole, private, names the keys that it needs, and is an entry")
    func whole() async throws {
        let (fixture, folder, manifest) = try await backedUp()
        #expect(
            try folder.files() == ["keyring", "manifest.json", "manifest.sig", "vault.sqlite"])
        for name in try folder.files() {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(name))
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
        let keyring = try #require(fixture.storage).load()
        let verified = try await verify(folder, fixture, keyring: keyring)
        #expect(verified.records == 5 && verified.manifest == manifest)
        #expect(
            manifest.needs == [
                StoredKeyNeed(name: "kek", id: 1, version: 1, count: 10),
                // Five contacts, five releases and a place on the stop list.
                StoredKeyNeed(name: "blind_index", id: 0, version: 1, count: 11),
            ])
        let entry = try await fixture.entries().last { $0.kind == .backupCreate }
        #expect(entry?.basis?.text == manifest.id.text && entry?.generation == keyring.epoch)
        // The entry is in the copy, under a checkpoint in the copy.
        let checkpoint = try Checkpoint(
            verifying: SignedNote(parsing: Array(manifest.checkpoint.utf8)), by: fixture.logVerifiers())
        #expect(checkpoint.size == manifest.entries)
        let registered = try await fixture.vault.backups()
        #expect(registered.map(\.id) == [manifest.id] && registered[0].needs == manifest.needs)
        // As a note, the two files together verify with the log's key and nothing of this project's format.
        let note =
            try String(contentsOfFile: folder.file("manifest.json"), encoding: .utf8) + "\n"
            + String(contentsOfFile: folder.file("manifest.sig"), encoding: .utf8)
        #expect(throws: Never.self) {
            () throws in try SignedNote(parsing: Array(note.utf8)).verify(by: fixture.logVerifiers())
        }
        try await fixture.vault.close()
    }

    @Test("a changed byte in any file of a backup is found, and so are a missing and an additional file")
    func changedBytes() async throws {
        let (fixture, folder, _) = try await backedUp()
        for name in try folder.files() {
            let url = URL(fileURLWithPath: folder.file(name))
            let good = try Data(contentsOf: url)
            // All of the small ones; of the others in many places, the last byte among them.
            let step = max(1, good.count / 40)
            for place in Array(stride(from: 0, to: good.count, by: step)) + [good.count - 1] {
                var bad = good
                bad[place] ^= 1
                try bad.write(to: url)
                #expect(await fault(folder, fixture) != nil, "\(name), byte \(place)")
            }
            try good.dropLast().write(to: url)
            #expect(await fault(folder, fixture) != nil, "\(name), truncated")
            try (good + [0x0A]).write(to: url)
            #expect(await fault(folder, fixture) != nil, "\(name), longer")
            try FileManager.default.removeItem(at: url)
            #expect(await fault(folder, fixture) != nil, "\(name), missing")
            try good.write(to: url)
        }
        for name in ["vault.sqlite-wal", "vault.sqlite-journal", "root.key"] {
            try Data([0]).write(to: URL(fileURLWithPath: folder.file(name)))
            #expect(await fault(folder, fixture) == .fileUnexpected(name))
            try FileManager.default.removeItem(atPath: folder.file(name))
        }
        #expect(await fault(folder, fixture) == nil)
        try await fixture.vault.close()
    }

    @Test("a manifest that was made to fit another store, and another vault's backup, are not believed")
    func forgedManifest() async throws {
        let (fixture, folder, manifest) = try await backedUp()
        let url = URL(fileURLWithPath: folder.file("manifest.json"))
        let good = try Data(contentsOf: url)
        var forged = manifest
        forged.entries -= 1
        try Data(forged.bytes).write(to: url)
        #expect(await fault(folder, fixture) == .signatureInvalid)
        try good.write(to: url)

        let (other, otherFolder, _) = try await backedUp()
        #expect(await fault(otherFolder, fixture) == .signerUnknown)
        #expect(await fault(otherFolder, other) == nil)
        let stranger = try #require(other.storage).load()
        #expect(await fault(folder, fixture, keyring: stranger) == .keyringOfAnotherVault)
        // Signed by a key of the log under another name: a checkpoint's signature is none of a manifest's.
        let checkpoint = try SignedNote(parsing: Array(manifest.checkpoint.utf8))
        try Data(checkpoint.signatures.map(\.line).joined().utf8).write(
            to: URL(fileURLWithPath: folder.file("manifest.sig")))
        #expect(await fault(folder, fixture) == .signatureInvalid)
        try await fixture.vault.close()
        try await other.vault.close()
    }

    @Test("a key-encryption key is kept while a registered backup needs it, and goes when that is forgotten")
    func keysAreKept() async throws {
        let (fixture, folder, manifest) = try await backedUp(withoutKeyring: true)
        let vault = fixture.vault
        func step(_ change: KeyChange) async throws {
            try await fixture.changeKeys(change)
        }
        let (one, two) = (KeyReference(.kek, id: 1, version: 1), KeyReference(.kek, id: 1, version: 2))
        try await step(.add(.kek))
        try await step(.promote(two))
        try await fixture.runKeyJob(KeyJobRequest(.rewrap))
        for refused in [KeyChange.retire(one), .destroy(one)] {
            if refused == .destroy(one) { try await step(.disable(one)) }
            guard case .keyInUse(let needs)? = await refusal({ try await step(refused) }) else {
                Issue.record("\(refused) while a backup needs it")
                continue
            }
            #expect(needs.reasons == [.backup(manifest.id)])
        }
        guard
            case .conflict("backup_unknown")? = await refusal({
                try await vault.forgetBackups(
                    [manifest.id, try #require(Reference("bk_other"))], requestID: fixture.requestID())
            })
        else {
            Issue.record("forgot what is not there")
            return
        }
        #expect(try await vault.backups().allSatisfy { $0.forgotten == nil })
        try await vault.forgetBackups([manifest.id], requestID: fixture.requestID())
        try await step(.destroy(one))
        #expect(try await fixture.entries(.backupForget, .permit).map(\.basis?.text) == [manifest.id.text])

        // The backup says itself which key it lacks now, and is otherwise whole.
        let today = try #require(fixture.storage).load()
        #expect(
            await fault(folder, fixture, keyring: today)
                == .keyMissing(manifest.needs[0], state: "destroyed"))
        #expect(await fault(folder, fixture) == nil)
        try await vault.close()
        try await fixture.reopened().vault.close()
    }

    @Test("records of the suite before open by a keyring whose active key is of another suite")
    func anotherSuite() async throws {
        let (fixture, folder, _) = try await backedUp()
        try await fixture.changeKeys(.addKEK(.sm4HMACSM3))
        try await fixture.changeKeys(.promote(KeyReference(.kek, id: 1, version: 2)))
        let today = try #require(fixture.storage).load()
        #expect(try await verify(folder, fixture, keyring: today).records == 5)
        try await fixture.vault.close()
    }

    @Test("a backup that was broken off holds every key until it is forgotten, and is no backup")
    func brokenOff() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true)
        _ = try await fixture.store(numbered: 0..<2)
        let folder = try TemporaryFolder()
        // Nobody can write a store where a folder is not.
        try Data().write(to: URL(fileURLWithPath: folder.file("vault.sqlite")))
        guard
            case .conflict("backup_folder_not_empty")? = await refusal({
                _ = try await fixture.vault.createBackup(
                    in: folder.path, includesKeyring: true, requestID: fixture.requestID())
            })
        else {
            Issue.record("wrote over a file")
            return
        }
        try FileManager.default.removeItem(atPath: folder.file("vault.sqlite"))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        guard
            case .conflict("backup_folder_open")? = await refusal({
                _ = try await fixture.vault.createBackup(
                    in: folder.path, includesKeyring: true, requestID: fixture.requestID())
            })
        else {
            Issue.record("wrote where others may read")
            return
        }
        #expect(try await fixture.vault.backups().isEmpty)
        // A copy that fails when it is registered already is forgotten again: it holds no key back.
        let full = try TemporaryFolder()
        let broken = FailingSnapshots(fixture.store)
        let vault = try await Vault.open(
            store: broken, keyring: fixture.keyring, storage: fixture.storage,
            instance: try #require(Reference("broken")))
        guard
            case .conflict("backup_not_written")? = await refusal({
                _ = try await vault.createBackup(
                    in: full.path, includesKeyring: true, requestID: fixture.requestID())
            })
        else {
            Issue.record("made a backup on a full disk")
            return
        }
        #expect(try await vault.backups().filter { $0.forgotten == nil }.isEmpty)
        #expect(try await fixture.entries(.backupForget, .permit).count == 1)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path)
        let manifest = try await fixture.vault.createBackup(
            in: folder.path, includesKeyring: true, requestID: fixture.requestID())
        try fixture.tamper("DELETE FROM backups WHERE id <> ?", [manifest.id.text])
        try fixture.tamper("UPDATE backups SET key_needs = NULL")
        let kek = KeyReference(.kek, id: 1, version: 9)
        #expect(
            try await fixture.vault.backups().filter { $0.isHolding(kek) }.map(\.id) == [manifest.id])
        try fixture.tamper("UPDATE backups SET key_needs = '[]'")
        #expect(try await fixture.vault.backups().filter { $0.isHolding(kek) }.isEmpty)
        // A row that does not parse must not look like one that needs nothing.
        try fixture.tamper(#"UPDATE backups SET key_needs = '[["kek",1]]'"#)
        await #expect(throws: StoreError.corrupt("backups")) {
            _ = try await fixture.store.read { try $0.backups() }
        }
        try await fixture.vault.close()
    }

    @Test("a store of a newer schema in a backup is refused, and one of an older is read as it is")
    func schemas() async throws {
        let (fixture, folder, _) = try await backedUp()
        let queue = try DatabaseQueue(path: folder.file("vault.sqlite"))
        try await queue.write { database in
            try database.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('99 later')")
        }
        try queue.close()
        // Found as a change first; what signs a newer one is a newer program.
        #expect(await fault(folder, fixture) == .fileChanged("vault.sqlite"))
        #expect(throws: StoreError.self) {
            () throws in _ = try SQLiteStore.openForReading(path: folder.file("vault.sqlite"))
        }
        try await fixture.vault.close()
    }

    @Test("every release that was answered before is in the copy, whatever is released meanwhile")
    func underLoad() async throws {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 1000), storesKeyring: true)
        let contacts = try await fixture.store(numbered: 0..<4)
        let client = try await fixture.registerClient()
        let isOver = Switch()
        let load = Task {
            var count = 0
            while !isOver.isOn {
                for contact in contacts { _ = try await client.release(contact) }
                count += contacts.count
            }
            return count
        }
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(50))
            let answered = try await fixture.vault.logSize()
            let folder = try TemporaryFolder()
            let manifest = try await fixture.vault.createBackup(
                in: folder.path, includesKeyring: false, requestID: fixture.requestID())
            #expect(manifest.entries > answered)
            #expect(try await verify(folder, fixture, keyring: fixture.keyring).records == 4)
        }
        isOver.isOn = true
        // No release failed.
        #expect(try await load.value > 0)
        try await fixture.verifyLog()
        try await fixture.vault.close()
    }
}

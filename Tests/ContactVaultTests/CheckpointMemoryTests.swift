// The signer's own memory: a store that was put back is refused, whatever else was put back with it.

import AccessLog
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import GRDB
import SQLiteStore
import Testing
import VaultTesting

@Suite("Signer's memory and log-key rotation")
struct CheckpointMemoryTests {
    /// Copies of the store's files.
    private func copyStore(_ fixture: VaultFixture, to folder: TemporaryFolder) throws {
        for suffix in ["", "-wal", "-shm"] {
            let from = fixture.storePath + suffix
            guard FileManager.default.fileExists(atPath: from) else { continue }
            try FileManager.default.copyItem(atPath: from, toPath: folder.file("copy\(suffix)"))
        }
    }

    private func putBack(_ fixture: VaultFixture, from folder: TemporaryFolder) throws {
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: fixture.storePath + suffix)
            let from = folder.file("copy\(suffix)")
            guard FileManager.default.fileExists(atPath: from) else { continue }
            try FileManager.default.copyItem(atPath: from, toPath: fixture.storePath + suffix)
        }
    }

    private func failure(_ body: () async throws -> Void) async -> String? {
        do { try await body() } catch VaultError.inconsistent(let what) { return what } catch {
            return "\(error)"
        }
        return nil
    }

    @Test("a signer refuses a store that was put back to before what it signed")
    func oldBackup() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true, remembersSigning: true)
        let backup = try TemporaryFolder()
        _ = try await fixture.store(numbered: 0..<3)
        try await fixture.vault.close()
        try copyStore(fixture, to: backup)

        let later = try await fixture.reopened()
        _ = try await later.store(numbered: 3..<9)
        try await later.vault.close()

        try putBack(fixture, from: backup)
        #expect(await failure { _ = try await fixture.reopened() } == "store_older_than_its_signer")
        // Not even after others wrote as much into it: another history of the same length.
        let other = try SQLiteStore.open(path: fixture.storePath)
        let forked = try await Vault.open(
            store: other, keyring: try #require(fixture.storage).load(),
            instance: try #require(Reference("fork")))
        for _ in 0..<12 { try await forked.probe() }
        for number in 20..<40 {
            _ = try await forked.storeContact(
                json: InventedContact.numbered(number).json, as: .localOperator,
                requestID: try fixture.requestID())
        }
        try await forked.close()
        #expect(await failure { _ = try await fixture.reopened() } == "store_not_its_signer's")
    }

    @Test("what was remembered and not stored, because the process died between, is gone on from")
    func rememberedAhead() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true, remembersSigning: true)
        _ = try await fixture.store(numbered: 0..<3)
        try await fixture.vault.publishCheckpoint()
        let last = try #require(fixture.vault.latestCheckpoint)
        try await fixture.vault.close()
        let store = try SQLiteStore.open(path: fixture.storePath)
        try await store.close()
        try fixture.tamper("DELETE FROM checkpoints WHERE size > ?", [Int64(last.size)])
        let again = try await fixture.reopened()
        #expect(try #require(again.vault.latestCheckpoint).size > last.size)
        try await again.verifyLog()
        try await again.vault.close()
    }

    @Test("a memory that is new, or was taken away, is said in the entry of the start")
    func newMemory() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true, remembersSigning: true)
        try await fixture.vault.close()
        try FileManager.default.removeItem(atPath: fixture.folder.file("signer.checkpoint"))
        let again = try await fixture.reopened()
        let starts = try await again.entries().filter { $0.kind == .serviceStart }
        #expect(starts.map(\.basis) == ["signer.memory_new", "signer.memory_new"])
        try await again.vault.close()
        let third = try await again.reopened()
        #expect(try await third.entries().last { $0.kind == .serviceStart }?.basis == nil)
        try await third.vault.close()
    }

    @Test("a memory that does not parse, or is another log's, is no memory to sign by")
    func damagedMemory() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true, remembersSigning: true)
        try await fixture.vault.close()
        let path = fixture.folder.file("signer.checkpoint")
        let kept = try String(contentsOfFile: path, encoding: .utf8)
        let size = try #require(kept.split(separator: "\n").dropFirst().first)
        for text in ["", "not a note\n", kept.replacing("\n\(size)\n", with: "\n1\(size)\n")] {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(await failure { _ = try await fixture.reopened() } == "checkpoint_is_not_the_log's")
        }
    }

    @Test("the log's key is changed while it serves: both sign while an auditor may know either")
    func rotation() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true, remembersSigning: true)
        let vault = fixture.vault
        let first = try #require(fixture.logVerifiers().first)
        func step(_ change: KeyChange) async throws {
            try await fixture.changeKeys(change)
        }
        func signers() throws -> Set<String> {
            let note = try SignedNote(parsing: Array(try #require(vault.latestCheckpoint).note.utf8))
            return Set(try note.verify(by: try fixture.logVerifiers()).map(\.verifierKey))
        }
        let (one, two) = (KeyReference(.logSigning, version: 1), KeyReference(.logSigning, version: 2))
        try await step(.add(.logSigning))
        #expect(try signers() == [first.verifierKey], "published, and does not sign")
        try await step(.promote(two))
        let second = try #require(fixture.logVerifiers().first)
        #expect(second != first)
        #expect(try signers() == [first.verifierKey, second.verifierKey])
        // The entry about the new key stands under a checkpoint by the old one, and names it.
        let promoted = try await fixture.entries().last { $0.kind == .keyRotate && $0.keyVersion == 2 }
        #expect(promoted?.keyThumbprint != nil && promoted?.basis == "log_signing")
        try await step(.retire(one))
        _ = try await fixture.store(numbered: 0..<2)
        try await vault.publishCheckpoint()
        #expect(try signers() == [second.verifierKey])

        // Whoever knows both verifies all of it; whoever knows the new one alone is covered by what it signed.
        #expect(try await fixture.verifyLog().signedSize == (try await vault.logSize()))
        #expect(try await LogVerification.run(fixture.store, by: [second]).checkpoints >= 2)
        // Whoever knows the old one alone is not told that the log ends there.
        await #expect(throws: LogFault.self) { _ = try await LogVerification.run(fixture.store, by: [first]) }

        try await fixture.vault.close()
        let again = try await fixture.reopened()
        #expect(again.vault.logVerifierKeys.first == second.verifierKey)
        try await again.vault.close()
    }

    @Test(
        "a log key that somebody may know signs no more at once, and its successor vouches for what is there")
    func compromise() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true, remembersSigning: true)
        let vault = fixture.vault
        let first = try #require(fixture.logVerifiers().first)
        _ = try await fixture.store(numbered: 0..<2)
        try await fixture.changeKeys(.compromise(KeyReference(.logSigning, version: 1)))
        let second = try #require(fixture.logVerifiers().first)
        let note = try SignedNote(parsing: Array(try #require(vault.latestCheckpoint).note.utf8))
        #expect(throws: LogError.signerUnknown) { () throws in try note.verify(by: [first]) }
        #expect(try note.verify(by: [second]) == [second])
        #expect(
            try await LogVerification.run(fixture.store, by: [second]).size == (try await vault.logSize()))
        try await vault.close()
        try await fixture.reopened().vault.close()
    }
}

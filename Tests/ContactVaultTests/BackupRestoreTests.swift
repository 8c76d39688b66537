// Putting a backup back: what is known of the log is not taken back unseen, nothing that was taken away comes back with it, and nobody
// is told two histories under one name.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import SQLiteStore
import Testing
import VaultCrypto
import VaultTesting

@Suite("Restoring backups")
struct BackupRestoreTests {
    private static func open(_ path: String) async throws -> any VaultStore {
        let store = try SQLiteStore.openForReading(path: path)
        try await store.checkIntegrity()
        return store
    }

    /// A vault and a backup of it.
    private func backedUp() async throws -> (
        fixture: VaultFixture, folder: TemporaryFolder, manifest: BackupManifest, contacts: [ContactID]
    ) {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 5), storesKeyring: true, remembersSigning: true)
        let contacts = try await fixture.store(numbered: 0..<10)
        let folder = try TemporaryFolder()
        let manifest = try await fixture.vault.createBackup(
            in: folder.path, includesKeyring: true, requestID: fixture.requestID())
        return (fixture, folder, manifest, contacts)
    }

    /// Restores a backup into a folder of its own and opens it.
    private func restored(
        _ fixture: VaultFixture, _ folder: TemporaryFolder, _ manifest: BackupManifest, known: [KnownLog]
    ) async throws -> (vault: Vault, store: SQLiteStore, log: RestoredLog) {
        let keyring = try #require(fixture.storage).load()
        let reader = try SQLiteStore.openForReading(path: folder.file("vault.sqlite"))
        let standing = try await BackupRestore.standing(of: manifest, in: reader, known: known)
        try await reader.close()
        let store = try SQLiteStore.open(path: folder.file("vault.sqlite"))
        let memory = CheckpointMemory(path: folder.file("signer.checkpoint"))
        let instance = try #require(Reference("cli"))
        let log = try await BackupRestore.apply(
            manifest, to: store, keyring: keyring, standing: standing, known: known, memory: memory,
            instance: instance)
        let vault = try await Vault.open(
            store: store, keyring: keyring, storage: fixture.storage, memory: memory, instance: instance)
        return (vault, store, log)
    }

    private func known(_ fixture: VaultFixture) async throws -> KnownLog {
        try await BackupRestore.known(in: fixture.store, source: "test")
    }

    @Test("a log's next name is one that none of the known ones had")
    func names() {
        #expect(BackupRestore.nextOrigin(after: ["v.example/access-log"]) == "v.example/access-log/2")
        #expect(
            BackupRestore.nextOrigin(after: ["v.example/access-log", "v.example/access-log/3"])
                == "v.example/access-log/4")
        #expect(
            BackupRestore.nextOrigin(after: ["v.example/access-log/2", "v.example/access-log"])
                == "v.example/access-log/3")
    }

    @Test("older, newest, another history and unknown are told apart")
    func standings() async throws {
        let (fixture, folder, manifest, _) = try await backedUp()
        let store = try await Self.open(folder.file("vault.sqlite"))
        func standing(_ known: [KnownLog]) async throws -> BackupStanding {
            try await BackupRestore.standing(of: manifest, in: store, known: known)
        }
        func log(_ size: UInt64, root: [UInt8]? = nil, isLast: Bool = true) -> KnownLog {
            KnownLog(origin: manifest.origin, size: size, root: root, source: "test", isLast: isLast)
        }
        #expect(try await standing([]) == .unknown)
        let now = try await known(fixture)
        #expect(now.size == manifest.entries && now.root == manifest.root)
        #expect(try await standing([now]) == .newest)
        // A checkpoint that was kept, or a witness, does not say that nothing was signed after it.
        let kept = log(manifest.entries - 3, isLast: false)
        #expect(try await standing([kept]) == .unknown)
        #expect(try await standing([kept, now]) == .newest)
        _ = try await fixture.store(numbered: 20..<21)
        let later = try await known(fixture)
        #expect(try await standing([now, later]) == .older(later))
        let witness = log(manifest.entries + 9, isLast: false)
        #expect(try await standing([now, witness]) == .older(witness))
        let forked = log(manifest.entries, root: [UInt8](repeating: 7, count: 32))
        #expect(try await standing([forked]) == .otherHistory(forked))
        let renamed = KnownLog(
            origin: manifest.origin + "/2", size: 3, root: nil, source: "test", isLast: true)
        #expect(try await standing([now, renamed]) == .older(renamed))

        // The signer's note counts by the keys of the keyring, and no other.
        let keyring = try #require(fixture.storage).load()
        let note = Array(manifest.checkpoint.utf8)
        #expect(
            try BackupRestore.known(by: note, keyring: keyring, source: "test", isLast: true).size
                == manifest.entries)
        let stranger = try await VaultFixture.make()
        #expect(throws: VaultError.self) {
            () throws in
            _ = try BackupRestore.known(by: note, keyring: stranger.keyring, source: "test", isLast: true)
        }
        try await store.close()
        try await fixture.vault.close()
        try await stranger.vault.close()
    }

    @Test("a witness that has seen more says so, and one that does not answer says nothing")
    func witnesses() async throws {
        let (fixture, _, manifest, _) = try await backedUp()
        let key = try #require(fixture.logVerifiers().first).verifierKey
        let witness = try NoteSigner(
            name: "witness.example/1", key: SigningKey(generating: .ed25519), kind: .witness)
        let policy = try LogTrustPolicy(
            parsing: """
                log \(key)
                witness w1 \(witness.verifier.verifierKey) https://w1.example
                quorum w1

                """)
        for (answer, size) in [
            (WitnessAnswer.conflict(size: manifest.entries + 4), manifest.entries + 4),
            (.conflict(size: 2), 2), (.cosigned([]), manifest.entries),
        ] {
            let known = await BackupRestore.known(
                by: Witnessing(policy: policy) { _, _ in answer }, manifest)
            #expect(known.map(\.size) == [size] && known[0].isLast == false)
        }
        #expect(
            await BackupRestore.known(
                by: Witnessing(policy: policy) { _, _ in .refused(status: 404) }, manifest
            ).isEmpty)
        struct NoAnswer: Error {}
        #expect(
            await BackupRestore.known(
                by: Witnessing(policy: policy) { _, _ in throw NoAnswer() }, manifest
            ).isEmpty)
        try await fixture.vault.close()
    }

    @Test(
        "a backup with nothing missing goes on under its name; the restore is an entry, and needs are known")
    func newest() async throws {
        let (fixture, folder, manifest, contacts) = try await backedUp()
        let now = try await known(fixture)
        try await fixture.store.close()
        let (vault, store, log) = try await restored(fixture, folder, manifest, known: [now])
        #expect(log.origin == manifest.origin && log.missing == 0 && log.index == manifest.entries)
        let entries = try await store.read { try $0.logLeaves(0..<1000) }.map { try LogEntry(decoding: $0) }
        let entry = entries[Int(log.index)]
        #expect(entry.kind == .backupRestore && entry.basis?.text == manifest.id.text)
        #expect(entry.root == nil && entry.count == nil && entry.generation == nil)
        #expect(try await vault.backups().map(\.needs) == [manifest.needs])
        let verifiers = try vault.logVerifierKeys.map { try NoteVerifier(verifierKey: $0) }
        _ = try await LogVerification.run(store, by: verifiers, pinned: Array(manifest.checkpoint.utf8))
        _ = try await vault.contact(contacts[0], as: .localOperator, requestID: fixture.requestID())
        try await vault.close()
    }

    @Test(
        "an older one goes on under another name, says first what is missing, and the old name's key signs none of it"
    )
    func older() async throws {
        let (fixture, folder, manifest, _) = try await backedUp()
        _ = try await fixture.store(numbered: 20..<25)
        try await fixture.vault.publishCheckpoint()
        let last = try await known(fixture)
        let lost = try #require(fixture.vault.latestCheckpoint)
        let old = try fixture.logVerifiers()
        let (vault, store, log) = try await restored(fixture, folder, manifest, known: [last])
        #expect(log.origin == manifest.origin + "/2" && log.missing == last.size - manifest.entries)
        let leaves = try await store.read { try $0.logLeaves(0..<1000) }
        let entry = try LogEntry(decoding: leaves[Int(manifest.entries)])
        #expect(entry.kind == .backupRestore && entry.generation == last.size && entry.count == log.missing)
        #expect(entry.root == last.root.flatMap { EntryDigest(bytes: $0) } && entry.root != nil)

        let new = try log.keys.map { try NoteVerifier(verifierKey: $0) }
        #expect(vault.logVerifierKeys == log.keys)
        try await vault.publishCheckpoint()
        let note = try SignedNote(parsing: Array(try #require(vault.latestCheckpoint).note.utf8))
        #expect(try Checkpoint(verifying: note, by: new).origin == log.origin)
        #expect(throws: LogError.signerUnknown) { () throws in try note.verify(by: old) }
        // What was signed before the backup is signed still; whoever knows either name verifies what it covers.
        #expect(try await LogVerification.run(store, by: new).size == (try await vault.logSize()))
        #expect(
            try await LogVerification.run(store, by: new + old, pinned: Array(manifest.checkpoint.utf8))
                .checkpoints >= 2)
        // What is missing is found by whoever kept the checkpoint over it.
        await #expect(throws: LogFault.self) {
            _ = try await LogVerification.run(store, by: new + old, pinned: Array(lost.note.utf8))
        }
        try await vault.close()

        // The next start finds all in order, and a second restore takes a third name.
        let memory = CheckpointMemory(path: folder.file("signer.checkpoint"))
        let again = try await Vault.open(
            store: SQLiteStore.open(path: folder.file("vault.sqlite")),
            keyring: try #require(fixture.storage).load(), memory: memory,
            instance: try #require(Reference("again")))
        #expect(again.identity.logOrigin == log.origin)
        try await again.close()
        try await fixture.vault.close()
    }

    @Test(
        "what was taken away since the backup is taken away again, each with its entry, and nothing is given")
    func carriedForward() async throws {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 5), storesKeyring: true, remembersSigning: true)
        let vault = fixture.vault
        let contacts = try await fixture.store(numbered: 0..<10)
        let client = try await fixture.registerClient()
        let rotated = try await fixture.registerClient("dialer-2")
        _ = try await fixture.registerClient("dialer-3")
        let matter = try #require(Reference("matter-1"))
        func request() throws -> Reference { try fixture.requestID() }
        try await vault.setLegalHold(matter, of: contacts[1], as: .localOperator, requestID: request())
        let folder = try TemporaryFolder()
        let manifest = try await vault.createBackup(
            in: folder.path, includesKeyring: true, requestID: request())
        for contact in contacts[5..<8] { _ = try await client.release(contact) }
        try await vault.eraseContact(contacts[0], as: .localOperator, requestID: request())
        try await vault.liftLegalHold(of: contacts[1], as: .localOperator, requestID: request())
        try await vault.eraseContact(contacts[1], as: .localOperator, requestID: request())
        try await vault.stop(contacts[2], as: .localOperator, requestID: request())
        try await vault.suppress(
            phone: "+8613800139999", region: nil, as: .localOperator, requestID: request())
        let purpose = try #require(
            try await fixture.store.read { try $0.consents(of: [contacts[3]]) }[contacts[3]]?.first?.purpose)
        try await vault.withdrawConsent(
            to: purpose, of: contacts[3], as: .localOperator, requestID: request())
        try await vault.setLegalHold(matter, of: contacts[4], as: .localOperator, requestID: request())
        try await vault.setSuspended(
            true, client: try #require(Reference("dialer-3")), requestID: request())
        let fresh = PrivateJWK(try SigningKey(generating: .es256)).publicJWK
        try await vault.rotateKeys(
            of: rotated.registration.id, to: fresh, overlapSeconds: 0, requestID: request())
        _ = try await fixture.registerClient("dialer-4")
        _ = try await fixture.store(numbered: 30..<33)

        let last = try await known(fixture)
        let (restored, store, _) = try await restored(fixture, folder, manifest, known: [last])
        try await restored.endAllTokens(requestID: request())
        let carried = try await restored.carryForward(
            from: fixture.store, since: manifest.made, requestID: request())
        #expect(carried.erasures == 2 && carried.stops == 1 && carried.withdrawals == 1)
        #expect(carried.holds == 1 && carried.clients == 2 && carried.suppressions >= 1)
        #expect(carried.releases == 3 && carried.reviews == 0)
        #expect(carried.missing == 3 && carried.changed.isEmpty && carried.policyVersion == nil)

        let (found, consents, held, places) = try await store.read { reader in
            (
                try reader.contacts(contacts), try reader.consents(of: contacts),
                try reader.legalHolds(of: contacts), try reader.suppressions(after: nil, limit: 100)
            )
        }
        // Caps count what was released in the gap.
        let number = HistoryKey.number(try #require(found[contacts[5]]).phoneIndex)
        let history = try await store.read { try $0.releaseHistory([number: manifest.made]) }
        #expect(history[number]?.map(\.contact) == [contacts[5]])
        #expect(found[contacts[0]]?.state == .erased && found[contacts[1]]?.state == .erased)
        #expect(found[contacts[0]]?.sealed == [] && found[contacts[2]]?.stopped != nil)
        #expect(consents[contacts[3]]?.first { $0.purpose == purpose }?.withdrawn != nil)
        #expect(held[contacts[4]]?.reference == matter)
        let expected = try await fixture.store.read { try $0.suppressions(after: nil, limit: 100) }
        #expect(Set(places.map(\.number)) == Set(expected.map(\.number)))
        let clients = try await restored.clients()
        #expect(clients.filter(\.isSuspended).map(\.id.text) == ["dialer-3"])
        // The key that was replaced is not good again, and the new one has to be given again.
        let second = try #require(clients.first { $0.id.text == "dialer-2" })
        #expect(second.keys(at: Vault.systemClock()).isEmpty)
        #expect(clients.count == 3)

        let kinds = try await store.read { try $0.logLeaves(manifest.entries..<1000) }.map {
            try LogEntry(decoding: $0).kind
        }
        #expect(kinds.count { $0 == .contactErase } == 2 && kinds.count { $0 == .tokenRevoke } == 3)
        #expect(kinds.contains(.holdLift) && kinds.contains(.suppression) && kinds.contains(.consentWithdraw))
        // A second time there is nothing left to take.
        let twice = try await restored.carryForward(
            from: fixture.store, since: manifest.made, requestID: request())
        #expect(twice.erasures == 0 && twice.stops == 0 && twice.clients == 0 && twice.suppressions == 0)
        #expect(twice.releases == 0)
        try await restored.close()
        try await vault.close()
    }
}

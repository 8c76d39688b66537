// A keyring that changes its root key: a crash, a root key that does not give back what it took, the old root key afterwards.

import ContactModel
import Foundation
import Synchronization
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

/// A root key that goes wrong, or is watched, in a way of its own.
private struct FaultyRootKey: RootKey {
    let root: RootKeyFile
    var keyCheckValue: [UInt8] { root.keyCheckValue }
    var unwrapping: @Sendable (SharedSecret) throws(RootKeyError) -> SecretBytes

    func wrap(_ secret: borrowing SecretBytes, context: [UInt8]) throws(RootKeyError) -> [UInt8] {
        try root.wrap(secret, context: context)
    }

    func unwrap(_ wrapped: [UInt8], context: [UInt8]) throws(RootKeyError) -> SecretBytes {
        try unwrapping(SharedSecret(try root.unwrap(wrapped, context: context)))
    }
}

@Suite("Another root key for a keyring")
struct KeyringMigrationTests {
    private let folder: TemporaryFolder
    private let old: RootKeyFile
    private let new: RootKeyFile
    private let keyring: Keyring
    private let storage: KeyringStorage

    init() throws {
        folder = try TemporaryFolder()
        old = try RootKeyFile.createUnsealed(at: folder.file("old"), random: Fixture.random)
        new = try RootKeyFile.createUnsealed(at: folder.file("new"), random: Fixture.random)
        var editor = KeyringEditor(
            try Keyring.make(tenant: Fixture.tenant, random: Fixture.random, now: Fixture.now))
        let second = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        try editor.promote(second)
        try editor.raiseFloor(ofKEK: 1, to: 2)
        try editor.disable(KeyReference(.kek, id: 1, version: 1))
        try editor.destroy(KeyReference(.kek, id: 1, version: 1))
        keyring = try editor.finish()
        storage = KeyringStorage(file: KeyringFile(folder.file("keyring")), root: old, random: Fixture.random)
        try storage.store(keyring)
    }

    private func refusal(_ path: String, by root: any RootKey) -> KeyringError? {
        do throws(KeyringError) {
            _ = try KeyringFile(path).load(root: root)
            return nil
        } catch {
            return error
        }
    }

    private func failure(migratingTo root: any RootKey) -> KeyringError? {
        do throws(KeyringError) {
            _ = try storage.migrate(to: root)
            return nil
        } catch {
            return error
        }
    }

    @Test("the same keys, floors and records, one epoch later, under the new root key alone")
    func migration() throws {
        let sealed = try keyring.seal(
            name: nil, phone: Fixture.secret("+8613800138000"), relation: nil, binding: Fixture.attributes,
            context: Fixture.context, random: Fixture.random)
        let bytes = try folder.contents(of: "keyring")
        let before = KeyringStorage(
            file: KeyringFile(folder.file("keyring")), root: old, random: Fixture.random)
        let opened = try storage.migrate(to: new)
        #expect(try storage.load().epoch == opened.epoch && opened.epoch == keyring.epoch + 1)
        #expect(opened.keys == keyring.keys)
        #expect(opened.floors == keyring.floors)
        #expect(Fixture.refusal(of: sealed, by: opened, permit: Fixture.permit()) == nil)
        #expect(refusal(folder.file("keyring"), by: old) == .wrongRootKey)
        #expect(throws: KeyringError.wrongRootKey) { () throws in _ = try before.load() }
        #expect(throws: KeyringError.wrongRootKey) { () throws in try before.store(opened) }
        // Who has the storage goes on with the new one.
        try storage.store(KeyringEditor(opened).finish())
        #expect(try folder.mode(of: "keyring") == 0o600)
        // A copy from before still needs the old root key, and nothing else.
        try folder.write(bytes, to: "copy")
        #expect(refusal(folder.file("copy"), by: old) == nil)
        #expect(refusal(folder.file("copy"), by: new) == .wrongRootKey)
    }

    @Test("killed before or after the rename, the file is one keyring or the other, and opens")
    func crash() throws {
        let before = try folder.contents(of: "keyring")
        // What is on the disk while the new bytes are being looked at is what a kill at that moment leaves.
        let source = folder.path
        let crashed = folder.path + "-crashed"
        defer { try? FileManager.default.removeItem(atPath: crashed) }
        let watched = FaultyRootKey(root: new) { (secret) throws(RootKeyError) in
            if !FileManager.default.fileExists(atPath: crashed) {
                do { try FileManager.default.copyItem(atPath: source, toPath: crashed) } catch {
                    throw .unavailable
                }
            }
            return secret.bytes.copy(0..<secret.bytes.count)
        }
        #expect(failure(migratingTo: watched) == nil)
        let left = try FileManager.default.contentsOfDirectory(atPath: crashed)
        let temporary = try #require(left.first { $0.hasSuffix(".tmp") })
        #expect(FileManager.default.contents(atPath: crashed + "/keyring").map { Array($0) } == before)
        #expect(refusal(crashed + "/keyring", by: old) == nil)
        #expect(refusal(crashed + "/" + temporary, by: new) == nil)
        // It can be done again from there.
        let again = KeyringStorage(file: KeyringFile(crashed + "/keyring"), root: old, random: Fixture.random)
        #expect(try again.migrate(to: new).keys == keyring.keys)
        // And after the rename.
        #expect(refusal(folder.file("keyring"), by: new) == nil)
        #expect(refusal(folder.file("keyring"), by: old) == .wrongRootKey)
        #expect(
            !(try FileManager.default.contentsOfDirectory(atPath: source)).contains { $0.hasSuffix(".tmp") })
    }

    @Test("a root key that does not give back what it took is never written")
    func wrongNewRoot() throws {
        let before = try folder.contents(of: "keyring")
        let broken = FaultyRootKey(root: new) { (_) throws(RootKeyError) in throw .authenticationFailed }
        #expect(failure(migratingTo: broken) == .rootKeyUnusable)
        let gone = FaultyRootKey(root: new) { (_) throws(RootKeyError) in throw .hardwareUnavailable(code: 5)
        }
        #expect(failure(migratingTo: gone) == .rootKeyUnavailable(.hardwareUnavailable(code: 5)))
        let calls = Mutex(0)
        // The key of the MAC comes back, so that all of it verifies; the last secret comes back as another.
        let lying = FaultyRootKey(root: new) { (secret) throws(RootKeyError) in
            let call = calls.withLock { calls in
                calls += 1
                return calls
            }
            return call == 2
                ? SecretBytes(copying: [UInt8](repeating: 7, count: 32)) : secret.bytes.copy(0..<32)
        }
        #expect(failure(migratingTo: lying) == .rootKeyUnusable)
        #expect(calls.withLock { $0 } > 2)
        #expect(try folder.contents(of: "keyring") == before)
        #expect(refusal(folder.file("keyring"), by: old) == nil)
        #expect(
            Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
                == ["keyring", "keyring.lock", "new", "old"])
    }

    @Test("a changed keyring is not stored either if its root key does not give back what it took")
    func unusableRoot() throws {
        let before = try folder.contents(of: "keyring")
        let calls = Mutex(0)
        // It opens what is there, with the key of its MAC, and then the key of the new MAC; and then gives back another key.
        let wrong = keyring.keys.count { $0.state != .destroyed } + 1 + 2
        let lying = FaultyRootKey(root: old) { (secret) throws(RootKeyError) in
            let call = calls.withLock { calls in
                calls += 1
                return calls
            }
            return call == wrong
                ? SecretBytes(copying: [UInt8](repeating: 7, count: 32)) : secret.bytes.copy(0..<32)
        }
        var editor = KeyringEditor(keyring)
        _ = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        let changed = try editor.finish()
        #expect(throws: KeyringError.rootKeyUnusable) { () throws in
            try KeyringFile(folder.file("keyring")).store(changed, root: lying, random: Fixture.random)
        }
        #expect(calls.withLock { $0 } > wrong)
        #expect(try folder.contents(of: "keyring") == before)
        #expect(refusal(folder.file("keyring"), by: old) == nil)
    }

    @Test("the old root key has to be the right one, and a changed keyring goes nowhere")
    func wrongOldRoot() throws {
        let file = KeyringFile(folder.file("keyring"))
        #expect(throws: KeyringError.wrongRootKey) { () throws in
            _ = try file.migrate(from: new, to: old, random: Fixture.random)
        }
        var bytes = try folder.contents(of: "keyring")
        bytes[31] ^= 1
        try folder.write(bytes, to: "keyring")
        #expect(failure(migratingTo: new) == .authenticationFailed)
        #expect(try folder.contents(of: "keyring") == bytes)
    }

    @Test("the file says which root key it asks for, and what is no keyring says nothing")
    func statedRootKey() throws {
        let file = KeyringFile(folder.file("keyring"))
        #expect(try file.rootKeyCheckValue() == old.keyCheckValue)
        #expect(try file.statedEpoch() == keyring.epoch)
        _ = try storage.migrate(to: new)
        #expect(try file.rootKeyCheckValue() == new.keyCheckValue)
        try folder.write([1, 2, 3], to: "keyring")
        #expect(throws: KeyringError.malformed) { () throws in _ = try file.rootKeyCheckValue() }
    }
}

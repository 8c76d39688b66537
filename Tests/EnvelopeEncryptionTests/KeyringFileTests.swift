// Attacks on the stored keyring: change, cut, roll back, another root key, two writers.

import ContactModel
import Foundation
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

/// A folder that goes when the test ends.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "envelope-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func mode(of name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: file(name))
        return try #require(attributes[.posixPermissions] as? Int)
    }

    func contents(of name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    func write(_ bytes: [UInt8], to name: String, mode: Int = 0o600) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file(name))
    }
}

@Suite("The stored keyring")
struct KeyringFileTests {
    let folder: TemporaryFolder
    let root: RootKeyFile
    let keyring: Keyring

    init() throws {
        folder = try TemporaryFolder()
        root = try RootKeyFile.createUnsealed(at: folder.file("root"), random: Fixture.random)
        keyring = try Keyring.make(tenant: Fixture.tenant, random: Fixture.random, now: Fixture.now)
    }

    private func refusal(_ bytes: [UInt8], root: any RootKey) -> KeyringError? {
        do throws(KeyringError) {
            _ = try Keyring.open(bytes, root: root)
            return nil
        } catch {
            return error
        }
    }

    @Test("a keyring with keys in every state comes back as it was")
    func roundTrip() throws {
        let sealed = try keyring.seal(
            name: nil, phone: Fixture.secret("+8613800138000"), relation: nil, binding: Fixture.attributes,
            context: Fixture.context, random: Fixture.random)
        var editor = KeyringEditor(keyring)
        let references = try (0..<5).map { _ in try editor.addKEK(random: Fixture.random, now: Fixture.now) }
        try editor.promote(references[0])
        try editor.disable(references[1])
        try editor.markCompromised(references[2])
        try editor.destroy(references[3])
        try editor.raiseFloor(ofKEK: 1, to: 1)
        let changed = try editor.finish()
        let opened = try Keyring.open(changed.sealed(under: root, random: Fixture.random), root: root)
        #expect(opened.epoch == 2)
        #expect(opened.tenant == Fixture.tenant)
        #expect(opened.keys == changed.keys)
        #expect(Set(opened.keys.map(\.state)) == Set(KeyState.allCases))
        #expect(opened.floors == changed.floors)
        #expect(Fixture.refusal(of: sealed, by: opened, permit: Fixture.permit()) == nil)
        #expect(
            opened.tokenSigningKey.verificationKey.rawRepresentation
                == keyring.tokenSigningKey.verificationKey.rawRepresentation)
        #expect(
            opened.logSigningKeys[0].verificationKey.rawRepresentation
                == keyring.logSigningKeys[0].verificationKey.rawRepresentation)
        #expect(
            opened.dpopNonceKeys.map { $0.bytes.revealBytes() }
                == keyring.dpopNonceKeys.map { $0.bytes.revealBytes() })
    }

    @Test("every bit flip, truncation and extension is refused")
    func changes() throws {
        var editor = KeyringEditor(keyring)
        _ = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        try editor.raiseFloor(ofKEK: 1, to: 1)
        let bytes = try editor.finish().sealed(under: root, random: Fixture.random)
        #expect(refusal(bytes, root: root) == nil)
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal(changed, root: root) != nil, "bit \(bit)")
        }
        for count in 0..<bytes.count { #expect(refusal(Array(bytes[..<count]), root: root) == .malformed) }
        #expect(refusal(bytes + [0], root: root) == .malformed)
    }

    @Test("a state, an epoch or a floor changed by hand is refused by the MAC")
    func handEdits() throws {
        var editor = KeyringEditor(keyring)
        let second = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        try editor.promote(second)
        try editor.disable(KeyReference(.kek, id: 1, version: 1))
        try editor.raiseFloor(ofKEK: 1, to: 2)
        let bytes = try editor.finish().sealed(under: root, random: Fixture.random)
        let entries = 56 + 2 + 60
        #expect(bytes[entries + 2] == KeyState.disabled.rawValue)
        let edits: [(Int, UInt8)] = [
            (31, 9), (entries + 2, KeyState.decryptOnly.rawValue), (bytes.count - 33, 1),
        ]
        for (offset, value) in edits {
            var changed = bytes
            #expect(changed[offset] != value)
            changed[offset] = value
            #expect(refusal(changed, root: root) == .authenticationFailed)
        }
    }

    @Test("two secrets exchanged are refused by their own tags, even under a repaired MAC")
    func swappedSecrets() throws {
        var bytes = try keyring.sealed(under: root, random: Fixture.random)
        let original = bytes
        // The first entry is the key-encryption key, the second the blind-index key; 98 bytes each.
        let first = 56 + 2 + 60 + 38..<56 + 2 + 60 + 98
        let second = first.lowerBound + 98..<first.upperBound + 98
        bytes.replaceSubrange(first, with: original[second])
        bytes.replaceSubrange(second, with: original[first])
        let context = Array("CV1M".utf8) + Fixture.tenant.bytes
        let macKey = try root.unwrap(Array(original[58..<118]), context: context)
        let derived = try HKDFSHA256.expand(macKey, info: context + root.keyCheckValue)
        func repaired(_ bytes: [UInt8]) throws -> [UInt8] {
            let covered = Array(bytes[..<(bytes.count - 32)])
            return covered + (try HMACSHA256.authenticate(covered, key: derived))
        }
        #expect(try repaired(original) == original)
        #expect(refusal(try repaired(bytes), root: root) == .authenticationFailed)
    }

    @Test("another root key is refused by name")
    func wrongRoot() throws {
        let other = try RootKeyFile.createUnsealed(at: folder.file("other"), random: Fixture.random)
        let bytes = try keyring.sealed(under: root, random: Fixture.random)
        #expect(refusal(bytes, root: other) == .wrongRootKey)
        // The check value alone opens nothing.
        var changed = bytes
        changed.replaceSubrange(40..<56, with: other.keyCheckValue)
        #expect(refusal(changed, root: other) == .authenticationFailed)
    }

    @Test("a newer format is told apart from damage")
    func newerFormat() throws {
        var bytes = try keyring.sealed(under: root, random: Fixture.random)
        bytes[4] = 2
        #expect(refusal(bytes, root: root) == .unsupportedFormat)
    }

    @Test("the file is private, replaced as a whole, and leaves no temporary file")
    func store() throws {
        let file = KeyringFile(folder.file("keyring"))
        try file.store(keyring, root: root, random: Fixture.random)
        #expect(try folder.mode(of: "keyring") == 0o600)
        let next = try KeyringEditor(keyring).finish()
        try file.store(next, root: root, random: Fixture.random)
        #expect(try file.load(root: root).epoch == 2)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["keyring", "keyring.lock", "root"])
    }

    @Test("a lower epoch, or a second change of the same epoch, does not replace the stored keyring")
    func rollback() throws {
        let file = KeyringFile(folder.file("keyring"))
        let next = try KeyringEditor(keyring).finish()
        try file.store(next, root: root, random: Fixture.random)
        let before = try folder.contents(of: "keyring")
        for stale in [keyring, try KeyringEditor(keyring).finish()] {
            #expect(throws: KeyringError.epochNotHigher) { () throws in
                try file.store(stale, root: root, random: Fixture.random)
            }
        }
        #expect(try folder.contents(of: "keyring") == before)
    }

    @Test("of changes made at the same time exactly one is stored")
    func concurrentStores() async throws {
        let file = KeyringFile(folder.file("keyring"))
        try file.store(keyring, root: root, random: Fixture.random)
        let stored = try await withThrowingTaskGroup(of: Bool.self) { [keyring, root] group in
            for _ in 0..<16 {
                group.addTask {
                    var editor = KeyringEditor(keyring)
                    _ = try editor.addKEK(random: Fixture.random, now: Fixture.now)
                    let next = try editor.finish()
                    do throws(KeyringError) {
                        try file.store(next, root: root, random: Fixture.random)
                        return true
                    } catch .epochNotHigher {
                        return false
                    }
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(stored == 1)
        #expect(try file.load(root: root).epoch == 2)
    }

    @Test("a stored keyring that does not open is not overwritten")
    func damagedIsKept() throws {
        let file = KeyringFile(folder.file("keyring"))
        try folder.write(Array("not a keyring".utf8), to: "keyring")
        #expect(throws: KeyringError.malformed) { () throws in
            try file.store(keyring, root: root, random: Fixture.random)
        }
        #expect(try folder.contents(of: "keyring") == Array("not a keyring".utf8))
        let other = try RootKeyFile.createUnsealed(at: folder.file("other"), random: Fixture.random)
        try folder.write(try keyring.sealed(under: other, random: Fixture.random), to: "keyring")
        #expect(throws: KeyringError.wrongRootKey) { () throws in
            try file.store(KeyringEditor(keyring).finish(), root: root, random: Fixture.random)
        }
    }

    @Test("a missing file and a missing folder have their own errors")
    func missing() throws {
        #expect(throws: KeyringError.fileMissing) { () throws in
            _ = try KeyringFile(folder.file("none")).load(root: root)
        }
        #expect(throws: KeyringError.fileNotWritable(errno: ENOENT)) { () throws in
            try KeyringFile(folder.file("none/keyring")).store(keyring, root: root, random: Fixture.random)
        }
    }
}

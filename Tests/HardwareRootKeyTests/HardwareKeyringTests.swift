// A keyring under a root key in hardware, and its way there and back.

import ContactModel
import EnvelopeEncryption
import Foundation
import Testing
import VaultCrypto

@testable import HardwareRootKey

/// The tests that use tokens. One after the other: they take tokens away and close each other's sessions.
@Suite("Tokens", .serialized)
enum SoftTokenTests {
    static func bytes(hex: String) -> [UInt8] {
        stride(from: 0, to: hex.utf8.count, by: 2).compactMap { offset in
            UInt8(hex.dropFirst(offset).prefix(2), radix: 16)
        }
    }

    @Suite("A keyring under a root key in hardware")
    final class HardwareKeyringTests {
        private let folder: String
        private let keyring: Keyring

        init() throws {
            folder =
                FileManager.default.temporaryDirectory
                .appendingPathComponent("hardware-keyring-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let tenant = try #require(TenantID(bytes: [UInt8](repeating: 0x11, count: 16)))
            keyring = try Keyring.make(
                tenant: tenant, random: SystemRandom(), now: Timestamp(seconds: 1_767_225_600))
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        private var file: KeyringFile { KeyringFile(folder + "/keyring") }

        private func refusal(_ root: any RootKey) -> KeyringError? {
            do throws(KeyringError) {
                let opened = try file.load(root: root)
                #expect(opened.keys == keyring.keys)
                return nil
            } catch {
                return error
            }
        }

        private func passphrase() -> SecretBytes { SecretBytes(copying: Array("correct horse".utf8)) }

        @Test("it opens under its key and under no other root key")
        func opens() throws {
            let token = try SoftToken.named("vault")
            let root = try token.make("keyring")
            try file.store(keyring, root: root, random: SystemRandom())
            #expect(refusal(root) == nil)
            #expect(refusal(try token.open("keyring")) == nil)
            let other = try RootKeyFile.createUnsealed(at: folder + "/root.key", random: SystemRandom())
            #expect(refusal(other) == .wrongRootKey)
            #expect(refusal(try token.make()) == .wrongRootKey)
        }

        @Test("the same 32 bytes on a token and in a credential are different root keys")
        func sameBytes() throws {
            let token = try SoftToken.named("imported")
            let bytes = [UInt8](32..<64)
            try token.makeKey("same bytes", value: bytes)
            let root = try token.open("same bytes")
            let credential = try credential(bytes)
            #expect(root.keyCheckValue != credential.keyCheckValue)
            try file.store(keyring, root: credential, random: SystemRandom())
            #expect(refusal(root) == .wrongRootKey)
        }

        private func credential(_ bytes: [UInt8]) throws -> RootKeyCredential {
            let path = folder + "/" + RootKeyCredential.name
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: path)
            return try RootKeyCredential(folder: folder)
        }

        @Test("from a file to a token to another file to a credential, and each root key before is refused")
        func migration() throws {
            let first = try RootKeyFile.create(
                at: folder + "/first.key", passphrase: passphrase(), logCost: 10, random: SystemRandom())
            let token = try SoftToken.named("vault").make()
            let second = try RootKeyFile.create(
                at: folder + "/second.key", passphrase: passphrase(), logCost: 10, random: SystemRandom())
            let last = try credential([UInt8](64..<96))
            let storage = KeyringStorage(file: file, root: first)
            try storage.store(keyring)
            let roots: [any RootKey] = [first, token, second, last]
            for (index, root) in roots.enumerated().dropFirst() {
                // Somebody else who has the old root key: what is in this process follows.
                let before = KeyringStorage(file: file, root: roots[index - 1])
                #expect(try storage.migrate(to: root).epoch == UInt64(index + 1))
                #expect(try storage.load().epoch == UInt64(index + 1))
                #expect(storage.rootKeyCheckValue == root.keyCheckValue)
                #expect(try file.rootKeyCheckValue() == root.keyCheckValue)
                #expect(refusal(root) == nil)
                for other in roots where other.keyCheckValue != root.keyCheckValue {
                    #expect(refusal(other) == .wrongRootKey)
                }
                #expect(throws: KeyringError.wrongRootKey) { () throws in _ = try before.load() }
                #expect(throws: KeyringError.wrongRootKey) { () throws in _ = try before.migrate(to: first) }
            }
        }

        @Test("a token that is gone leaves the keyring where it is, and says why")
        func goneDuringMigration() throws {
            let token = try SoftToken.named("removable")
            let root = try RootKeyFile.createUnsealed(at: folder + "/root.key", random: SystemRandom())
            let hardware = try token.make()
            let storage = KeyringStorage(file: file, root: root)
            try storage.store(keyring)
            try token.move(isAway: true)
            do throws(KeyringError) {
                _ = try storage.migrate(to: hardware)
                Issue.record("migrated to a token that is gone")
            } catch {
                guard case .rootKeyUnavailable = error else {
                    Issue.record("\(error)")
                    return
                }
            }
            try token.move(isAway: false)
            #expect(try storage.load().epoch == 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
            #expect(try storage.migrate(to: hardware).epoch == 2)
            #expect(try storage.load().epoch == 2)
        }
    }
}

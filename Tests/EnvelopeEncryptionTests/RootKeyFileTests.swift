// The root key file: who may read it, what opens it, what it cannot make the vault do.

import Foundation
import StrictEncoding
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("The root key file")
struct RootKeyFileTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("root")
    }

    private struct NotAsked: Error {}

    private func makeSealed() throws -> RootKeyFile {
        try RootKeyFile.create(
            at: path, passphrase: Fixture.secret("correct horse"), logCost: 10, random: Fixture.random)
    }

    private func refusal(passphrase: String? = "correct horse") throws -> RootKeyError? {
        do {
            _ = try RootKeyFile.load(at: path) {
                guard let passphrase else { throw NotAsked() }
                return Fixture.secret(passphrase)
            }
            return nil
        } catch let error as RootKeyError {
            return error
        }
    }

    private func change(_ key: String, to value: JSONValue?) throws {
        var object = try #require(try JSONValue.parse(folder.contents(of: "root")).objectValue)
        object[key] = value
        try folder.write(JSONValue.object(object).canonicalBytes, to: "root")
    }

    @Test("a sealed file opens with its passphrase and gives the same key")
    func sealed() throws {
        let made = try makeSealed()
        #expect(made.isSealed)
        #expect(try folder.mode(of: "root") == 0o600)
        let loaded = try RootKeyFile.load(at: path) { Fixture.secret("correct horse") }
        #expect(loaded.isSealed)
        #expect(loaded.keyCheckValue == made.keyCheckValue)
        #expect(made.keyCheckValue.count == 16)
        let wrapped = try made.wrap(Fixture.secret("secret"), context: [1, 2])
        let opened = try loaded.unwrap(wrapped, context: [1, 2])
        let bytes = opened.revealBytes()
        #expect(bytes == Array("secret".utf8))
    }

    @Test("an unsealed file says what it is and asks for no passphrase")
    func unsealed() throws {
        let made = try RootKeyFile.createUnsealed(at: path, random: Fixture.random)
        #expect(!made.isSealed)
        #expect(try folder.mode(of: "root") == 0o600)
        let text = String(decoding: try folder.contents(of: "root"), as: UTF8.self)
        #expect(text.contains("development only"))
        #expect(try refusal(passphrase: nil) == nil)
        let loaded = try RootKeyFile.load(at: path) { throw NotAsked() }
        #expect(!loaded.isSealed)
        #expect(loaded.keyCheckValue == made.keyCheckValue)
    }

    @Test("a wrong or empty passphrase is refused by name")
    func wrongPassphrase() throws {
        _ = try makeSealed()
        #expect(try refusal(passphrase: "correct horsf") == .wrongPassphrase)
        #expect(try refusal(passphrase: "") == .passphraseEmpty)
        #expect(throws: NotAsked.self) { try refusal(passphrase: nil) }
        #expect(throws: RootKeyError.passphraseEmpty) { () throws in
            _ = try RootKeyFile.create(
                at: folder.file("second"), passphrase: Fixture.secret(""), logCost: 10, random: Fixture.random
            )
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("second")))
    }

    @Test(
        "an absurd cost is refused before the passphrase is asked for",
        arguments: [-1, 0, 9, 21, 63, 255, 1 << 40])
    func cost(value: Int64) throws {
        _ = try makeSealed()
        try change("log_cost", to: .integer(value))
        #expect(try refusal(passphrase: nil) == .costOutOfBounds)
    }

    @Test("a cost lowered to ease guessing does not open")
    func loweredCost() throws {
        _ = try RootKeyFile.create(
            at: path, passphrase: Fixture.secret("correct horse"), logCost: 11, random: Fixture.random)
        try change("log_cost", to: .integer(10))
        #expect(try refusal() == .wrongPassphrase)
    }

    @Test(
        "a file that others may read or write is refused",
        arguments: [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
    func permissions(mode: Int) throws {
        _ = try makeSealed()
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        #expect(try refusal(passphrase: nil) == .permissionsTooOpen)
    }

    @Test("every truncation is refused, and so is anything after the end")
    func lengths() throws {
        _ = try RootKeyFile.createUnsealed(at: path, random: Fixture.random)
        let bytes = try folder.contents(of: "root")
        for count in 0..<bytes.count - 1 {
            try folder.write(Array(bytes[..<count]), to: "root")
            #expect(try refusal(passphrase: nil) == .malformed)
        }
        try folder.write(bytes + Array("{}".utf8), to: "root")
        #expect(try refusal(passphrase: nil) == .malformed)
        try folder.write(bytes + [UInt8](repeating: 0x20, count: 5000), to: "root")
        #expect(try refusal(passphrase: nil) == .malformed)
    }

    @Test("missing, foreign, doubled or changed members are refused")
    func members() throws {
        _ = try makeSealed()
        let bytes = try folder.contents(of: "root")
        for key in [
            "format", "version", "protection", "log_cost", "salt", "nonce", "sealed_key", "tag",
            "key_check_value",
        ] {
            try folder.write(bytes, to: "root")
            try change(key, to: nil)
            #expect(try refusal(passphrase: nil) == .malformed)
        }
        try folder.write(bytes, to: "root")
        try change("comment", to: .string("x"))
        #expect(try refusal(passphrase: nil) == .malformed)
        try folder.write(bytes, to: "root")
        try change("protection", to: .string("none"))
        #expect(try refusal(passphrase: nil) == .malformed)
        try folder.write(bytes, to: "root")
        try change("version", to: .integer(2))
        #expect(try refusal(passphrase: nil) == .unsupportedVersion)
        try folder.write(bytes, to: "root")
        try change("key_check_value", to: .string(Base64.encode([UInt8](repeating: 0, count: 16))))
        #expect(try refusal() == .malformed)
        for key in ["salt", "nonce", "sealed_key", "tag"] {
            try folder.write(bytes, to: "root")
            let object = try #require(try JSONValue.parse(bytes).objectValue)
            var value = try #require(Base64.decode(object[key]?.stringValue ?? ""))
            value[0] ^= 1
            try change(key, to: .string(Base64.encode(value)))
            #expect(try refusal() == .wrongPassphrase)
        }
    }

    @Test("a key is never written over another")
    func overwrite() throws {
        _ = try makeSealed()
        let before = try folder.contents(of: "root")
        #expect(throws: RootKeyError.alreadyExists) { () throws in _ = try makeSealed() }
        #expect(throws: RootKeyError.alreadyExists) { () throws in
            _ = try RootKeyFile.createUnsealed(at: path, random: Fixture.random)
        }
        #expect(try folder.contents(of: "root") == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["root"])
    }

    @Test("a missing file, a folder in its place and a missing folder have clear errors")
    func places() throws {
        #expect(try refusal(passphrase: nil) == .missing)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(try refusal(passphrase: nil) == .malformed)
        #expect(throws: RootKeyError.notWritable(errno: ENOENT)) { () throws in
            _ = try RootKeyFile.createUnsealed(at: folder.file("none/root"), random: Fixture.random)
        }
    }

    @Test("wrapped secrets: every bit flip and truncation is refused")
    func wrapped() throws {
        let root = try RootKeyFile.createUnsealed(at: path, random: Fixture.random)
        let wrapped = try root.wrap(Fixture.secret("0123456789abcdef"), context: [7])
        var variants = (0..<wrapped.count).map { Array(wrapped[..<$0]) }
        for bit in 0..<wrapped.count * 8 {
            var changed = wrapped
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            variants.append(changed)
        }
        for variant in variants {
            #expect(throws: RootKeyError.authenticationFailed) { () throws in
                _ = try root.unwrap(variant, context: [7])
            }
        }
    }
}

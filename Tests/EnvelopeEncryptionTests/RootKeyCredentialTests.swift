// Attacks on a root key that comes as a credential.

import Foundation
import StrictEncoding
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("A root key as a credential")
struct RootKeyCredentialTests {
    private let folder: TemporaryFolder
    private let bytes = [UInt8](0..<32)

    init() throws { folder = try TemporaryFolder() }

    private func put(_ bytes: [UInt8], mode: Int = 0o400) throws {
        try? FileManager.default.removeItem(atPath: folder.file(RootKeyCredential.name))
        try folder.write(bytes, to: RootKeyCredential.name, mode: mode)
    }

    private func refusal() -> RootKeyError? {
        do throws(RootKeyError) {
            _ = try RootKeyCredential(folder: folder.path)
            return nil
        } catch {
            return error
        }
    }

    @Test("it wraps and unwraps, and its check value is known")
    func knownAnswer() throws {
        try put(bytes)
        let root = try RootKeyCredential(folder: folder.path)
        // HMAC-SHA256(00 01 … 1f, "CV1C root key credential check value" ‖ 01), by Python's hmac.
        #expect(Hex.encode(root.keyCheckValue) == "a7df284640603a904ef55b24d70f185b")
        let wrapped = try root.wrap(SecretBytes(copying: [1, 2, 3]), context: [9])
        #expect(wrapped.count == 12 + 3 + 16)
        let opened = try root.unwrap(wrapped, context: [9])
        #expect(opened.revealBytes() == [1, 2, 3])
        #expect(throws: RootKeyError.authenticationFailed) { () throws in
            _ = try root.unwrap(wrapped, context: [8])
        }
        #expect(try folder.contents(of: RootKeyCredential.name) == bytes)
    }

    @Test("a keyring under a root key file does not open under the same bytes as a credential")
    func noFallback() throws {
        // The root key of docs/spec/root-key.md in the form for development.
        let json =
            #"{"format":"contact-vault-root-key","key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","#
            + #""key_check_value":"6+lL8L4IJW1jBbhLdoS8Hg==","protection":"none","version":1,"warning":"#
            + #""development only: whoever reads this file can open every record"}"#
        try folder.write(Array(json.utf8), to: "root.key")
        let file = try RootKeyFile.load(at: folder.file("root.key")) { Fixture.secret("") }
        try put(bytes)
        let credential = try RootKeyCredential(folder: folder.path)
        let sealed = try Fixture.keyring().sealed(under: file, random: Fixture.random)
        #expect(throws: KeyringError.wrongRootKey) { () throws in
            _ = try Keyring.open(sealed, root: credential)
        }
    }

    @Test("another length than 32 bytes is refused, a final newline included")
    func length() throws {
        for count in [0, 1, 31, 33, 64, 100_000] {
            try put([UInt8](repeating: 7, count: count))
            #expect(refusal() == .credentialMalformed, "\(count) bytes")
        }
        try put(bytes + [0x0A])
        #expect(refusal() == .credentialMalformed)
    }

    @Test("a file that others may read or change is refused; the access list of the service manager is not")
    func permissions() throws {
        for mode in [0o404, 0o444, 0o402, 0o420, 0o460, 0o411, 0o450, 0o666] {
            try put(bytes, mode: mode)
            #expect(refusal() == .permissionsTooOpen, "\(String(mode, radix: 8))")
        }
        for mode in [0o400, 0o600] {
            try put(bytes, mode: mode)
            #expect(refusal() == nil)
        }
        // As it shows a list of access: root's file, and the mask in the place of the group. Only root can make one.
        try put(bytes, mode: 0o440)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(RootKeyCredential.name))
        let isRoots =
            attributes[.ownerAccountID] as? Int == 0 && attributes[.groupOwnerAccountID] as? Int == 0
        #expect(refusal() == (isRoots ? nil : .permissionsTooOpen))
    }

    @Test("a missing credential, a folder and a pipe are refused")
    func missing() throws {
        #expect(refusal() == .credentialMissing)
        try FileManager.default.createDirectory(
            atPath: folder.file(RootKeyCredential.name), withIntermediateDirectories: false)
        #expect(refusal() == .credentialMalformed)
        try FileManager.default.removeItem(atPath: folder.file(RootKeyCredential.name))
        #expect(mkfifo(folder.file(RootKeyCredential.name), 0o600) == 0)
        #expect(refusal() == .credentialMalformed)
    }
}

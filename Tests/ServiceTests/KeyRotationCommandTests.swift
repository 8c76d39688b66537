// Rotation of the key-encryption key and of the log's key as an admin types it, while the service serves.

import AccessLog
import ContactModel
import Foundation
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Key rotation at the terminal")
struct KeyRotationCommandTests {
    @Test(
        "the key-encryption key: rotate, promote, rewrap, retire, destroy; releases go on, and a step too early is refused"
    )
    func keyEncryptionKey() async throws {
        let vault = try ServedVault()
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let contacts = try vault.importContacts((0..<20).map { Invented.contact($0) })
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        func release(_ number: Int) async throws {
            let token = try await client.token(for: .release(of: contacts[number]))
            let released = try await client.release(contacts[number], action: dial, token: token)
            #expect(released.release.hasPrefix("rl_"))
        }
        try vault.command("keys", "rotate", "kek")
        try vault.command("keys", "promote", "kek", "2")
        try await release(0)
        for step in ["retire", "destroy"] {
            let early = try CommandLineProgram.run(["keys", step, "kek", "1", "--data", vault.data])
            #expect(early.code == 1)
            if step == "retire" { #expect(early.messages.contains("20 records"), "\(early.messages)") }
        }
        #expect(try vault.command("keys", "rewrap").messages.contains("brought 20 under the active key"))
        #expect(try vault.command("keys", "rewrap").messages.contains("brought 0 under the active key"))
        try vault.command("keys", "retire", "kek", "1")
        let report = try vault.command("keys", "report").output
        #expect(report.contains("20 records, 20 disclosure keys"), "\(report)")
        try vault.approve(try vault.command("keys", "destroy", "kek", "1"))
        try await release(1)
        // Erased from backups too, in one command, while it serves.
        let erased = try vault.command("contacts", "erase", contacts[2].description, "--from-backups")
        #expect(erased.messages.contains("brought 19 under the active key"), "\(erased.messages)")
        try vault.approve(erased)
        let keys = try vault.command("keys", "list").output.split(separator: "\n").filter {
            $0.hasPrefix("kek")
        }
        #expect(keys.count == 3 && keys.count { $0.contains("destroyed") } == 2)
        try await release(3)
        try await client.shutdown()
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
        try vault.start()
        #expect(vault.stop() == 0)
    }

    @Test(
        "the log's key: log.vkey has the new one first and keeps the old one, and either verifies meanwhile")
    func logKey() async throws {
        let vault = try ServedVault()
        try vault.start()
        func keys() throws -> [Substring] {
            try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8).split(separator: "\n")
        }
        let old = try #require(keys().first)
        try vault.command("keys", "rotate", "log_signing")
        try vault.command("keys", "promote", "log_signing", "2")
        for _ in 0..<100 where try keys().count < 2 || keys().first == old {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try keys().count == 2 && keys()[1] == old && keys()[0] != old)
        for key in try keys() {
            let file = vault.folder.file("one.vkey")
            try (String(key) + "\n").write(toFile: file, atomically: true, encoding: .utf8)
            let verified = try CommandLineProgram.run(["log", "verify", "--data", vault.data, "--key", file])
            // The new key has not signed what came before it; its last checkpoint covers that.
            #expect(verified.code == 0, "\(verified.messages)")
        }
        try vault.command("keys", "retire", "log_signing", "1")
        let oldFile = vault.folder.file("old.vkey")
        try (String(old) + "\n").write(toFile: oldFile, atomically: true, encoding: .utf8)
        let byOld = try CommandLineProgram.run(["log", "verify", "--data", vault.data, "--key", oldFile])
        #expect(byOld.code == 1)
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
    }
}

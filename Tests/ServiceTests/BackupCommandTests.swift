// Backups as an operator types them: beside a service under load, checked, and put back.

import AccessLog
import ContactModel
import Foundation
import StrictEncoding
import Synchronization
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Backups at the terminal")
struct BackupCommandTests {
    /// A policy of the tests' own, so that one token can make many releases.
    private static let manyUses = """
        policy: 1
        name: backup-test
        limits: none
        jurisdiction: none
        purposes:
          relay.message:
            stages: [call_collection]
            actions: {dial: reveal}
            fields: [phone]
            hours: any
            caps: none
            token: {seconds: 300, uses: 100000}
            roles: [collection]
            needs: {}
        """

    /// Releases until it is told to stop; receipts of what was answered, and what was not.
    private final class Load: Sendable {
        let receipts = Mutex<[ReceiptBody]>([])
        let failures = Mutex<[String]>([])
        private let isOver = Mutex(false)

        func run(_ vault: ServedVault, _ contacts: [ContactID]) async throws {
            let client = try vault.client()
            let dial = try #require(Action("dial"))
            await withTaskGroup(of: Void.self) { group in
                for contact in contacts {
                    group.addTask {
                        do {
                            let token = try await client.token(for: .release(of: contact, uses: 100_000))
                            while !self.isOver.withLock({ $0 }) {
                                let release = try await client.release(contact, action: dial, token: token)
                                self.receipts.withLock { $0.append(release.receipt) }
                            }
                        } catch {
                            self.failures.withLock { $0.append("\(error)") }
                        }
                    }
                }
            }
            try await client.shutdown()
        }

        func end() { isOver.withLock { $0 = true } }
    }

    private func run(_ arguments: String...) throws -> CommandLineProgram.Outcome {
        try CommandLineProgram.run(arguments)
    }

    @Test(
        "under load: every release answered before is in the backup, it verifies, and no release fails"
    )
    func underLoad() async throws {
        let vault = try ServedVault(policy: Self.manyUses)
        let contacts = try vault.importContacts((0..<4).map { Invented.contact($0) })
        try vault.start()
        let load = Load()
        let task = Task { try await load.run(vault, contacts) }
        for number in 0..<3 {
            while load.receipts.withLock({ $0.count }) < 40 * (number + 1) {
                try await Task.sleep(for: .milliseconds(5))
            }
            let answered = load.receipts.withLock { $0 }
            let folder = vault.folder.file("backup-\(number)")
            let created = try vault.command("backup", "create", folder)
            #expect(created.output.hasPrefix("bk_"))
            let verified = try run(
                "backup", "verify", folder, "--key", vault.data + "/log.vkey", "--root-key",
                vault.data + "/root.key", "--all", "--json")
            #expect(verified.code == 0, "\(verified.messages)")
            let object = try JSONValue.parse(Array(verified.output.utf8.dropLast())).objectValue
            let entries = try #require(object?["entries"]?.integerValue)
            #expect(object?["records"]?.integerValue == 4)
            #expect(answered.allSatisfy { $0.index < UInt64(entries) })
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "contact-vault.yaml", "keyring", "log.vkey", "manifest.json", "manifest.sig",
                    "vault.sqlite",
                ])
            #expect(!FileManager.default.fileExists(atPath: folder + ".unfinished"))
        }
        load.end()
        try await task.value
        #expect(load.failures.withLock { $0 } == [])
        let list = try vault.command("backup", "list")
        #expect(list.output.split(separator: "\n").count == 4 && list.output.contains("kek 1"))
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("without a service too; a changed byte, a missing file and a foreign key are named: exit code 1")
    func faults() throws {
        let vault = try ServedVault()
        _ = try vault.importContacts((0..<3).map { Invented.contact($0) })
        let folder = vault.folder.file("backup")
        let created = try vault.command("backup", "create", folder, "--without-keyring")
        #expect(created.messages.contains("without keyring and root key"))
        #expect(!FileManager.default.fileExists(atPath: folder + "/keyring"))
        #expect(try run("backup", "verify", folder).code == 0)
        let withKeys = try run(
            "backup", "verify", folder, "--root-key", vault.data + "/root.key", "--keyring",
            vault.data + "/keyring")
        #expect(withKeys.code == 0 && withKeys.output.contains("opens the 3 records"), "\(withKeys.messages)")
        let twice = try CommandLineProgram.run(["backup", "create", folder, "--data", vault.data])
        #expect(twice.code == 1 && twice.messages.contains("already"))

        for name in ["vault.sqlite", "log.vkey", "contact-vault.yaml", "manifest.json", "manifest.sig"] {
            let url = URL(fileURLWithPath: folder + "/" + name)
            let good = try Data(contentsOf: url)
            var bad = good
            bad[good.count / 2] ^= 4
            try bad.write(to: url)
            let changed = try run("backup", "verify", folder, "--key", vault.data + "/log.vkey")
            #expect(changed.code == 1, "\(name)")
            if !name.hasPrefix("manifest") {
                #expect(changed.messages.contains("\(name) was changed"), "\(changed.messages)")
            }
            try FileManager.default.removeItem(at: url)
            #expect(try run("backup", "verify", folder, "--key", vault.data + "/log.vkey").code == 1)
            try good.write(to: url)
        }
        let other = try ServedVault()
        let foreign = try run("backup", "verify", folder, "--key", other.data + "/log.vkey")
        #expect(foreign.code == 1 && foreign.messages.contains("no trusted key"), "\(foreign.messages)")
    }

    @Test(
        "a key-encryption key that a backup needs is kept; erasing from backups on purpose forgets them, and says which still open"
    )
    func keys() throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<3).map { Invented.contact($0) })
        try vault.start()
        let old = vault.folder.file("old")
        let id = try vault.command("backup", "create", old, "--without-keyring").output
            .trimmingCharacters(in: .newlines)
        try vault.command("keys", "rotate", "kek")
        try vault.command("keys", "promote", "kek", "2")
        try vault.command("keys", "rewrap")
        let refused = try CommandLineProgram.run(["keys", "retire", "kek", "1", "--data", vault.data])
        #expect(refused.code == 1 && refused.messages.contains("backup forget"), "\(refused.messages)")
        try vault.command("backup", "forget", id)
        try vault.command("keys", "retire", "kek", "1")
        try vault.command("keys", "destroy", "kek", "1")
        let missing = try run(
            "backup", "verify", old, "--root-key", vault.data + "/root.key", "--keyring",
            vault.data + "/keyring")
        #expect(missing.code == 1 && missing.messages.contains("kek version 1 is destroyed"))

        let (apart, together) = (vault.folder.file("apart"), vault.folder.file("together"))
        try vault.command("backup", "create", apart, "--without-keyring")
        try vault.command("backup", "create", together)
        let erased = try vault.command("contacts", "erase", contacts[0].description, "--from-backups")
        #expect(erased.messages.contains("is unreadable with the keyring of now"), "\(erased.messages)")
        #expect(erased.messages.contains("STILL OPENS"), "\(erased.messages)")
        #expect(try vault.command("backup", "list").messages.contains("0 backups"))
        #expect(vault.stop() == 0)
    }

    @Test("kill -9 while a backup is made: what is left is no backup, and the vault is whole")
    func killed() async throws {
        let vault = try ServedVault()
        _ = try vault.importContacts((0..<50).map { Invented.contact($0) })
        for number in 0..<6 {
            try vault.start()
            let folder = vault.folder.file("killed-\(number)")
            let process = Process()
            process.executableURL = URL(fileURLWithPath: CommandLineProgram.path)
            process.arguments = ["backup", "create", folder, "--data", vault.data]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            // The service, the command, or both.
            try await Task.sleep(for: .milliseconds(20 + 15 * number))
            if number % 3 != 1 { vault.kill9() }
            if number % 3 != 0 { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            vault.stop()
            for path in [folder, folder + ".unfinished"] where FileManager.default.fileExists(atPath: path) {
                let isWhole = FileManager.default.fileExists(atPath: path + "/manifest.sig")
                let verified = try run("backup", "verify", path, "--key", vault.data + "/log.vkey")
                #expect((verified.code == 0) == isWhole, "\(verified.messages)")
            }
            #expect(try vault.verifyLog().code == 0)
        }
        try vault.start()
        try vault.command("backup", "create", vault.folder.file("after"))
        #expect(vault.stop() == 0)
        #expect(try run("backup", "verify", vault.folder.file("after")).code == 0)
    }
}

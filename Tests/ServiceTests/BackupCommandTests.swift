// Backups as an operator types them: beside a service under load, checked, and put back.

import AccessLog
import ContactModel
import Foundation
import FoundationNetworking
import StrictEncoding
import Synchronization
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Backups at the terminal")
struct BackupCommandTests {
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
        let vault = try ServedVault(policy: Invented.boundlessPolicy)
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
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let contacts = try vault.importContacts((0..<3).map { Invented.contact($0) })
        try vault.start()
        let old = vault.folder.file("old")
        let id = try vault.command("backup", "create", old, "--without-keyring").output
            .trimmingCharacters(in: .newlines)
        try vault.command("keys", "rotate", "kek")
        try vault.command("keys", "promote", "kek", "2")
        try vault.command("keys", "rewrap")
        let refused = try CommandLineProgram.run(["keys", "retire", "kek", "1", "--data", vault.data])
        #expect(
            refused.code == 1 && refused.messages.contains("the backup \(id), until it is forgotten"),
            "\(refused.messages)")
        try vault.command("backup", "forget", id)
        try vault.command("keys", "retire", "kek", "1")
        try vault.approve(try vault.command("keys", "destroy", "kek", "1"))
        let missing = try run(
            "backup", "verify", old, "--root-key", vault.data + "/root.key", "--keyring",
            vault.data + "/keyring")
        #expect(missing.code == 1 && missing.messages.contains("kek version 1 is destroyed"))

        let (apart, together) = (vault.folder.file("apart"), vault.folder.file("together"))
        try vault.command("backup", "create", apart, "--without-keyring")
        try vault.command("backup", "create", together)
        let erased = try vault.command("contacts", "erase", contacts[0].description, "--from-backups")
        #expect(
            erased.messages.contains("opens nothing with this keyring once that is approved"),
            "\(erased.messages)")
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

@Suite("Restoring at the terminal")
struct BackupRestoreCommandTests {
    private func run(_ arguments: String...) throws -> CommandLineProgram.Outcome {
        try CommandLineProgram.run(arguments)
    }

    private func replaced(_ vault: ServedVault) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: vault.folder.path).filter {
            $0.hasPrefix("var.replaced-")
        }
    }

    private func release(_ contact: ContactID, _ client: VaultClient) async throws -> ReleaseBody {
        let token = try await client.token(for: .release(of: contact))
        return try await client.release(contact, action: #require(Action("dial")), token: token)
    }

    @Test(
        "an older state: refused while it serves, refused without the flag, and with it what was taken away stays away, the log verifies and goes on"
    )
    func olderState() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<6).map { Invented.contact($0) })
        let folder = vault.folder.file("backup")
        let id = try vault.command("backup", "create", folder).output.trimmingCharacters(in: .newlines)
        try vault.start()
        var client = try vault.client()
        let stolen = try await client.token(for: .release(of: contacts[3]))
        _ = try await release(contacts[4], client)
        try vault.command("contacts", "erase", contacts[0].description)
        try vault.command("contacts", "stop", contacts[1].description)
        try vault.command(
            "contacts", "consent", contacts[2].description, "relay.message", "--withdraw")
        try vault.command("client", "suspend", "desk-1")
        let lost = try vault.command("log", "checkpoint").output
        try await client.shutdown()

        let served = try run("backup", "restore", folder, "--data", vault.data, "--replace", "--go-back")
        #expect(served.code == 1 && served.messages.contains("another process"), "\(served.messages)")
        #expect(vault.stop() == 0)
        let occupied = try run("backup", "restore", folder, "--data", vault.data, "--go-back")
        #expect(occupied.code == 1 && occupied.messages.contains("--replace"), "\(occupied.messages)")
        let refused = try run("backup", "restore", folder, "--data", vault.data, "--replace")
        #expect(
            refused.code == 1 && refused.messages.contains("the backup is older")
                && refused.messages.contains("--go-back"), "\(refused.messages)")
        #expect(try replaced(vault).isEmpty)
        #expect(try vault.verifyLog().code == 0)
        #expect(!FileManager.default.fileExists(atPath: vault.data + ".restoring"))

        let key = try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8)
        let restored = try run("backup", "restore", folder, "--data", vault.data, "--replace", "--go-back")
        #expect(restored.code == 0, "\(restored.messages)")
        #expect(restored.messages.contains("1 contacts erased, 1 stopped"), "\(restored.messages)")
        #expect(restored.messages.contains("1 consents"), "\(restored.messages)")
        #expect(restored.output.contains("/access-log/2+"))
        #expect(try replaced(vault).count == 1)
        let keys = try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8)
        #expect(keys.hasSuffix(key) && keys.hasPrefix(restored.output.trimmingCharacters(in: .newlines)))
        let verified = try vault.verifyLog()
        #expect(verified.code == 0 && verified.output.contains("/access-log/2"), "\(verified.messages)")
        // Whoever kept the last checkpoint sees that the log does not go on from it.
        let kept = vault.folder.file("kept.txt")
        try lost.write(toFile: kept, atomically: true, encoding: .utf8)
        #expect(try run("log", "verify", "--data", vault.data, "--checkpoint", kept).code == 1)

        // A token's second counts as before the revocation.
        try await Task.sleep(for: .milliseconds(1100))
        try vault.start()
        client = try vault.client()
        _ = try await release(contacts[3], client)
        let dial = try #require(Action("dial"))
        await expectRefusal(401, "invalid-token") {
            try await client.release(contacts[3], action: dial, token: stolen)
        }
        for contact in contacts[..<3] {
            await expectRefusal(403, "release-denied") { try await release(contact, client) }
        }
        let desk = try vault.client("desk-1")
        await #expect(throws: VaultClientError.self) { _ = try await release(contacts[4], desk) }
        try await desk.shutdown()
        try await client.shutdown()
        let entries = try vault.entries()
        let entry = try #require(entries.first { $0.entry.kind == .backupRestore }?.entry)
        #expect(entry.basis?.text == id && entry.count ?? 0 > 5 && entry.root != nil)
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)

        // An export of it is audited by the new name's key.
        let export = vault.folder.file("export")
        try vault.command("log", "export", export)
        let policy = vault.folder.file("policy.txt")
        try "log \(restored.output.trimmingCharacters(in: .newlines))\nquorum none\n".write(
            toFile: policy, atomically: true, encoding: .utf8)
        let audited = try run("log", "audit", export, "--policy", policy)
        #expect(audited.code == 0, "\(audited.messages)")

        // Once more, to the same backup: a third name, and no name twice.
        let again = try run("backup", "restore", folder, "--data", vault.data, "--replace", "--go-back")
        #expect(again.code == 0 && again.output.contains("/access-log/3+"), "\(again.messages)")
        #expect(try vault.verifyLog().code == 0)
    }

    @Test(
        "into a fresh folder, with nothing of the old one but the root key: said that nobody knows, and it serves and releases"
    )
    func freshFolder() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<2).map { Invented.contact($0) })
        let folder = vault.folder.file("backup")
        try vault.command("backup", "create", folder, "--without-keyring")
        let (rootKey, keyring) = (vault.folder.file("root.key"), vault.folder.file("keyring"))
        try FileManager.default.moveItem(atPath: vault.data + "/root.key", toPath: rootKey)
        try FileManager.default.moveItem(atPath: vault.data + "/keyring", toPath: keyring)
        try FileManager.default.removeItem(atPath: vault.data)

        func restore(_ more: String...) throws -> CommandLineProgram.Outcome {
            try CommandLineProgram.run(["backup", "restore", folder, "--data", vault.data] + more)
        }
        #expect(try restore("--go-back").messages.contains("--root-key"))
        #expect(try restore("--go-back", "--root-key", rootKey).messages.contains("--keyring"))
        let unknown = try restore("--root-key", rootKey, "--keyring", keyring)
        #expect(unknown.code == 1 && unknown.messages.contains("nothing here says"), "\(unknown.messages)")
        #expect(!FileManager.default.fileExists(atPath: vault.data))
        let restored = try restore("--root-key", rootKey, "--keyring", keyring, "--go-back")
        #expect(restored.code == 0 && restored.messages.contains("WARNING"), "\(restored.messages)")
        #expect(restored.messages.contains("officer's exports"))
        try await Task.sleep(for: .milliseconds(1100))
        try vault.start()
        let client = try vault.client()
        #expect(try await release(contacts[0], client).release.hasPrefix("rl_"))
        try await client.shutdown()
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
        for name in ["root.key", "keyring", "vault.sqlite", "signer.checkpoint", "contact-vault.yaml"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: vault.data + "/" + name)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
    }

    @Test("nothing missing: the log goes on under its own name, without the flag")
    func nothingMissing() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<2).map { Invented.contact($0) })
        try vault.start()
        let folder = vault.folder.file("backup")
        try vault.command("backup", "create", folder)
        vault.kill9()
        let restored = try run("backup", "restore", folder, "--data", vault.data, "--replace")
        #expect(
            restored.code == 0 && restored.messages.contains("nothing that is known"), "\(restored.messages)")
        #expect(restored.output.isEmpty)
        try vault.start()
        let client = try vault.client()
        #expect(try await release(contacts[1], client).release.hasPrefix("rl_"))
        try await client.shutdown()
        #expect(vault.stop() == 0)
        let verified = try vault.verifyLog()
        #expect(verified.code == 0 && !verified.output.contains("/access-log/2"))
        #expect(try vault.entries().contains { $0.entry.kind == .backupRestore && $0.entry.root == nil })
    }

    @Test(
        "another vault's backup, a changed one, one without its keys and a damaged store: refused, or said, and what is there stays"
    )
    func refusals() throws {
        let vault = try ServedVault()
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        _ = try vault.importContacts((0..<3).map { Invented.contact($0) })
        let other = try ServedVault()
        let (own, foreign) = (vault.folder.file("own"), vault.folder.file("foreign"))
        try vault.command("backup", "create", own, "--without-keyring")
        try other.command("backup", "create", foreign)
        func restore(_ folder: String, _ more: String...) throws -> CommandLineProgram.Outcome {
            try CommandLineProgram.run(
                ["backup", "restore", folder, "--data", vault.data, "--replace", "--go-back"] + more)
        }
        // With this vault's root key its keyring does not open; with its own it is another vault's.
        #expect(try restore(foreign).code == 1)
        let another = try restore(foreign, "--root-key", other.data + "/root.key")
        #expect(another.code == 1 && another.messages.contains("another vault"), "\(another.messages)")

        let store = URL(fileURLWithPath: own + "/vault.sqlite")
        let good = try Data(contentsOf: store)
        var bad = good
        bad[bad.count / 2] ^= 1
        try bad.write(to: store)
        let changed = try restore(own)
        #expect(changed.code == 1 && changed.messages.contains("was changed"), "\(changed.messages)")
        try good.write(to: store)
        #expect(try restore(vault.data).messages.contains("lies in the folder"))
        #expect(try replaced(vault).isEmpty && vault.verifyLog().code == 0)

        // Keys that were destroyed since, on purpose, are not brought back by the way.
        let keys = vault.folder.file("keyring.before")
        try FileManager.default.copyItem(atPath: vault.data + "/keyring", toPath: keys)
        let id = try vault.command("backup", "list", "--json").output
        #expect(id.contains("\"backup\""))
        let name = try #require(
            try JSONValue.parse(Array(id.utf8.dropLast())).objectValue?["backup"]?.stringValue)
        try vault.command("backup", "forget", name)
        // A second person asks the service.
        try vault.start()
        for step in [
            ["rotate", "kek"], ["promote", "kek", "2"], ["rewrap"], ["retire", "kek", "1"],
            ["destroy", "kek", "1"],
        ] {
            let outcome = try CommandLineProgram.run(["keys"] + step + ["--data", vault.data])
            #expect(outcome.code == 0, "\(outcome.messages)")
            if step[0] == "destroy" { try vault.approve(outcome) }
        }
        #expect(vault.stop() == 0)
        let destroyed = try restore(own)
        #expect(
            destroyed.code == 1 && destroyed.messages.contains("kek version 1 is destroyed"),
            "\(destroyed.messages)")

        // The store that is replaced cannot be read: said, and the memory of the signer still tells that it was further.
        try Data("not a database".utf8).write(to: URL(fileURLWithPath: vault.data + "/vault.sqlite"))
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: vault.data + "/vault.sqlite" + suffix)
        }
        let older = try run(
            "backup", "restore", own, "--data", vault.data, "--replace", "--keyring", keys)
        #expect(older.code == 1 && older.messages.contains("signer.checkpoint knows"), "\(older.messages)")
        let unread = try restore(own, "--keyring", keys)
        #expect(unread.code == 0 && unread.messages.contains("could not be read"), "\(unread.messages)")
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("kill -9 while a backup is put back: the vault is there, the old one or the new one, and whole")
    func killed() async throws {
        let vault = try ServedVault()
        _ = try vault.importContacts((0..<40).map { Invented.contact($0) })
        let folder = vault.folder.file("backup")
        try vault.command("backup", "create", folder)
        for number in 0..<6 {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: CommandLineProgram.path)
            process.arguments = [
                "backup", "restore", folder, "--data", vault.data, "--replace", "--go-back",
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            try await Task.sleep(for: .milliseconds(30 + 40 * number))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            // Between the two renamings there is no folder of that name: the whole new one stands beside.
            if !FileManager.default.fileExists(atPath: vault.data) {
                try FileManager.default.moveItem(atPath: vault.data + ".restoring", toPath: vault.data)
            }
            try? FileManager.default.removeItem(atPath: vault.data + ".restoring")
            #expect(try vault.verifyLog().code == 0)
            try vault.start()
            #expect(vault.stop() == 0)
        }
    }

    @Test("a signer that remembers elsewhere remembers the new name there, and the old note is kept")
    func memoryElsewhere() throws {
        let vault = try ServedVault()
        let memory = vault.folder.file("signer/checkpoint")
        try FileManager.default.createDirectory(
            atPath: vault.folder.file("signer"), withIntermediateDirectories: false)
        try vault.configure("log:\n  signer_memory: \(memory)\n")
        _ = try vault.importContacts((0..<2).map { Invented.contact($0) })
        let folder = vault.folder.file("backup")
        try vault.command("backup", "create", folder)
        let before = try String(contentsOfFile: memory, encoding: .utf8)
        // The whole folder is lost, and the memory is not.
        let root = vault.folder.file("root.key")
        try FileManager.default.moveItem(atPath: vault.data + "/root.key", toPath: root)
        try FileManager.default.removeItem(atPath: vault.data)
        let refused = try run("backup", "restore", folder, "--data", vault.data, "--root-key", root)
        #expect(refused.code == 1 && refused.messages.contains("\(memory) knows"), "\(refused.messages)")
        let restored = try run(
            "backup", "restore", folder, "--data", vault.data, "--root-key", root, "--go-back")
        #expect(restored.code == 0, "\(restored.messages)")
        #expect(try String(contentsOfFile: memory, encoding: .utf8).contains("/access-log/2"))
        let kept = try FileManager.default.contentsOfDirectory(atPath: vault.folder.file("signer"))
        #expect(kept.count == 2)
        for name in kept where name != "checkpoint" {
            #expect(
                try String(contentsOfFile: vault.folder.file("signer/" + name), encoding: .utf8) == before)
        }
        try vault.start()
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
    }

    @Test(
        "everything is lost but the backup and the root key: a witness knows that the log was further, and cosigns it again under its new name"
    )
    func witnessKnows() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<3).map { Invented.contact($0) })
        let (folder, policyFile) = (vault.folder.file("witness"), vault.folder.file("log-policy.txt"))
        let witnessKey = try run(
            "log", "witness", "init", folder, "--name", "witness.example/1", "--log-key",
            vault.data + "/log.vkey"
        ).output.trimmingCharacters(in: .whitespacesAndNewlines)
        var witness = try WitnessProcess(folder)
        func writePolicy(_ logKey: String, _ url: String) throws {
            let key = logKey.trimmingCharacters(in: .whitespacesAndNewlines)
            try "log \(key)\nwitness w1 \(witnessKey) \(url)\nquorum w1\n".write(
                toFile: policyFile, atomically: true, encoding: .utf8)
        }
        try writePolicy(String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8), witness.url)
        try vault.configure("log:\n  witness_policy: \(policyFile)\n  witness_seconds: 1\n")
        try vault.start()
        let backup = vault.folder.file("backup")
        try vault.command("backup", "create", backup)
        let client = try vault.client()
        for contact in contacts { _ = try await release(contact, client) }
        try await client.shutdown()
        let wanted = try Checkpoint(
            parsing: SignedNote(parsing: Array(vault.command("log", "checkpoint").output.utf8)).text
        ).size
        let before = try #require(try await witnessed(vault, atLeast: wanted))
        vault.kill9()
        let root = vault.folder.file("root.key")
        try FileManager.default.moveItem(atPath: vault.data + "/root.key", toPath: root)
        try FileManager.default.removeItem(atPath: vault.data)

        let refused = try run("backup", "restore", backup, "--data", vault.data, "--root-key", root)
        #expect(refused.code == 1 && refused.messages.contains("witness w1 knows of"), "\(refused.messages)")
        let restored = try run(
            "backup", "restore", backup, "--data", vault.data, "--root-key", root, "--go-back")
        #expect(restored.code == 0, "\(restored.messages)")

        // The new line takes the place of the old one, at the witness and at the vault.
        #expect(witness.stop() == 0)
        try "log \(restored.output.trimmingCharacters(in: .newlines))\nquorum none\n".write(
            toFile: folder + "/logs.txt", atomically: true, encoding: .utf8)
        witness = try WitnessProcess(folder)
        try writePolicy(restored.output, witness.url)
        try vault.start()
        let after = try #require(try await witnessed(vault, atLeast: 1))
        #expect(after.origin == before.origin + "/2")
        let entry = try #require(try vault.entries().first { $0.entry.kind == .backupRestore }?.entry)
        // A witness says how far it was, and not the root.
        #expect(entry.generation ?? 0 >= before.size && entry.root == nil)
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
        #expect(witness.stop() == 0)
    }

    /// Asks until the vault has a witnessed checkpoint of at least a size.
    private func witnessed(_ vault: ServedVault, atLeast size: UInt64) async throws -> Checkpoint? {
        let url = try #require(URL(string: vault.addresses.data + "/v1/log/checkpoint/witnessed"))
        for _ in 0..<200 {
            let (data, response) = try await URLSession.shared.data(from: url)
            if (response as? HTTPURLResponse)?.statusCode == 200 {
                let checkpoint = try Checkpoint(parsing: SignedNote(parsing: Array(data)).text)
                if checkpoint.size >= size { return checkpoint }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        return nil
    }
}

// The runbooks of docs/operating.md, typed as they stand there. What the reader has around them is made here: a vault that serves,
// a second person with a key of their own, a place that is kept apart, and what starts and stops the service.

import AccessLog
import ContactModel
import Foundation
import Testing
import VaultAPI
import VaultClient
import VaultTesting

/// A machine with a vault on it, as the runbooks know it.
private final class RunbookMachine {
    let vault: ServedVault
    let contacts: [ContactID]
    private let environment: [String: String]

    var safe: String { vault.folder.file("safe") }
    var backups: String { vault.folder.file("backups") }
    var passphrase: String { vault.folder.file("passphrase") }

    init(contacts count: Int = 6) throws {
        vault = try ServedVault(policy: Invented.boundlessPolicy)
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        contacts = try vault.importContacts((0..<count).map { Invented.contact($0) })
        let (folder, files) = (vault.folder, FileManager.default)
        for name in ["safe", "backups", "bin"] {
            try files.createDirectory(atPath: folder.file(name), withIntermediateDirectories: false)
        }
        try files.createSymbolicLink(
            atPath: folder.file("bin/contact-vault"), withDestinationPath: CommandLineProgram.path)
        // What systemd does with the unit: the passphrase if there is one, and waiting until the service accepts.
        try """
        #!/bin/bash
        set -eu
        # Whoever waits for this script waits for what its descriptors are open in, and the service outlives it.
        for descriptor in /proc/$$/fd/*; do
            number=${descriptor##*/}
            if [ "$number" -gt 2 ] && [ "$number" -ne 255 ]; then eval "exec $number>&-"; fi
        done
        state='\(folder.path)'
        stop() {
            pid=$(cat "$state/pid")
            kill -TERM "$pid"
            while [ -e "/proc/$pid" ] && ! grep -q 'State:.Z' "/proc/$pid/status"; do sleep 0.05; done
        }
        start() {
            passphrase=()
            if [ -e "$PASSPHRASE" ]; then passphrase=(--passphrase-file "$PASSPHRASE"); fi
            : > "$state/listening"
            contact-vault serve --listen 127.0.0.1:\(vault.port) --control 127.0.0.1:0 "${passphrase[@]}" \\
                > "$state/listening" 2>> "$state/service.log" < /dev/null &
            echo $! > "$state/pid"
            while ! grep -q listening "$state/listening"; do kill -0 "$(cat "$state/pid")"; sleep 0.05; done
        }
        case "$1" in
            stop) stop ;;
            start) start ;;
            restart) stop; start ;;
        esac
        """.write(toFile: folder.file("bin/systemctl"), atomically: true, encoding: .utf8)
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.file("bin/systemctl"))
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = folder.file("bin") + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
        environment["CONTACT_VAULT_DATA"] = vault.data
        environment["ISSUER"] = vault.issuer
        environment["SAFE"] = folder.file("safe")
        environment["BACKUPS"] = folder.file("backups")
        environment["PASSPHRASE"] = folder.file("passphrase")
        self.environment = environment
        try files.copyItem(atPath: vault.keyFile("security-1"), toPath: folder.file("safe/security-1.jwk"))
        try files.copyItem(atPath: vault.data + "/log.vkey", toPath: folder.file("safe/log.vkey"))
        try shell("systemctl start contact-vault")
    }

    deinit { _ = try? shell("systemctl stop contact-vault") }

    /// Types lines into a shell that ends at the first command that fails.
    @discardableResult
    func shell(_ lines: String) throws -> (output: String, code: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        let second =
            #"second() { contact-vault approvals approve "$1" --client security-1 --key "$SAFE/security-1.jwk" --issuer "$ISSUER"; }"#
        process.arguments = ["-euo", "pipefail", "-c", second + "\n" + lines]
        process.environment = environment
        // A file: what the service inherits must not keep a pipe open.
        let path = vault.folder.file("typed")
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        let file = try #require(FileHandle(forWritingAtPath: path))
        process.standardOutput = file
        process.standardError = file
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return (try String(contentsOfFile: path, encoding: .utf8), process.terminationStatus)
    }

    /// Types the blocks of a runbook, each of which must succeed.
    /// - Parameter between: done after each block but the last.
    func type(_ runbook: String, between: () throws -> Void = {}) throws -> String {
        let blocks = try Self.blocks(of: runbook)
        try #require(!blocks.isEmpty, "\(runbook) is in docs/operating.md")
        var said = ""
        for (number, block) in blocks.enumerated() {
            if number > 0 { try between() }
            let (output, code) = try shell(block)
            try #require(code == 0, "\(block)\n\(output)")
            said += output
        }
        return said
    }

    static func page() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("docs/operating.md"), encoding: .utf8)
    }

    static func blocks(of runbook: String) throws -> [String] {
        let marks = try page().components(separatedBy: "<!-- runbook: \(runbook) -->\n```sh\n").dropFirst()
        return marks.compactMap { $0.components(separatedBy: "```").first }
    }

    func release(_ number: Int, _ client: VaultClient, token: ClientToken? = nil) async throws -> String? {
        let access: ClientToken
        if let token {
            access = token
        } else {
            access = try await client.token(for: .release(of: contacts[number]))
        }
        let released = try await client.release(
            contacts[number], action: #require(Action("dial")), token: access)
        return released.fields["phone"]
    }

    func keys() throws -> [String: String] {
        let lines = try vault.command("keys", "list", "--json").output.split(separator: "\n")
        return Dictionary(
            try lines.map { line in
                let key = try JSONDecoder().decode(KeyBody.self, from: Data(line.utf8))
                return ("\(key.name) \(key.version)", key.state)
            }, uniquingKeysWith: { first, _ in first })
    }
}

@Suite("Runbooks")
struct RunbookTests {
    @Test("each runbook of the page is typed by a test")
    func all() throws {
        let names = Set(
            try RunbookMachine.page().components(separatedBy: "<!-- runbook: ").dropFirst().compactMap {
                $0.components(separatedBy: " -->").first
            })
        #expect(
            names == [
                "scheduled rotation", "kek compromise", "token-key compromise", "log-key compromise",
                "lost passphrase",
                "restore",
            ])
    }

    @Test(
        "scheduled rotation: everything that can be rotated at once is, contacts open before, between and after"
    )
    func scheduledRotation() async throws {
        let machine = try RunbookMachine()
        let client = try machine.vault.client()
        let number = try await machine.release(0, client)
        _ = try machine.type("scheduled rotation") {
            let state = try machine.keys()["kek 1"]
            #expect(state == "decrypt_only")
            // The backup was made after the rewrap, and needs no old version.
            let backups = try machine.vault.command("backup", "list").output
            #expect(backups.contains("kek 2") && !backups.contains("kek 1"))
        }
        let keys = try machine.keys()
        for name in ["kek", "blind_index", "disclosure", "log_signing", "dpop_nonce"] {
            #expect(keys["\(name) 2"] == "active", "\(name)")
        }
        #expect(keys["kek 1"] == "destroyed" && keys["token_signing 2"] == "pre_active")
        #expect(try await machine.release(0, client) == number)
        #expect(try await machine.release(1, client) != nil)
        try await client.shutdown()
        #expect(try machine.vault.verifyLog().code == 0)
    }

    @Test(
        "somebody may know the key-encryption key: nobody is released until it is encrypted anew, and then everybody"
    )
    func kekCompromise() async throws {
        let machine = try RunbookMachine()
        let client = try machine.vault.client()
        let number = try await machine.release(0, client)
        let store = try machine.vault.command("backup", "create", machine.backups + "/before")
        let said = try machine.type("kek compromise")
        #expect(said.contains("forgotten: \(store.output.trimmingCharacters(in: .newlines))"), "\(said)")
        let keys = try machine.keys()
        #expect(keys["kek 1"] == "destroyed" && keys["kek 2"] == "active")
        #expect(try await machine.release(0, client) == number)
        for other in 1..<machine.contacts.count { #expect(try await machine.release(other, client) != nil) }
        try await client.shutdown()
    }

    @Test("somebody may know the token-signing key: a token of then is refused, one of now is not")
    func tokenKeyCompromise() async throws {
        let machine = try RunbookMachine()
        let client = try machine.vault.client()
        let old = try await client.token(for: .release(of: machine.contacts[0]))
        let said = try machine.type("token-key compromise")
        #expect(said.contains("token_signing  1        disabled"), "\(said)")
        await expectRefusal(401, "invalid-token") { _ = try await machine.release(0, client, token: old) }
        #expect(try await machine.release(0, client) != nil)
        #expect(try machine.keys()["token_signing 1"] == "destroyed")
        try await client.shutdown()
    }

    @Test(
        "somebody may know the log-signing key: the new key vouches for the whole log, the old one for no more of it"
    )
    func logKeyCompromise() async throws {
        let machine = try RunbookMachine()
        let client = try machine.vault.client()
        _ = try await machine.release(0, client)
        _ = try machine.type("log-key compromise")
        _ = try await machine.release(1, client)
        try await client.shutdown()
        let read = { (name: String) in try String(contentsOfFile: machine.safe + "/" + name, encoding: .utf8)
        }
        #expect(try read("first-by-new-key.txt").split(separator: "\n").count == 4, "one signature")
        #expect(try !read("log.vkey").contains(read("log-new.vkey")))
        #expect(try machine.keys()["log_signing 1"] == "compromised")
        let old = try CommandLineProgram.run([
            "log", "verify", "--data", machine.vault.data, "--key", machine.safe + "/log.vkey",
            "--checkpoint",
            machine.safe + "/first-by-new-key.txt",
        ])
        #expect(old.code == 1, "\(old.messages)")
    }

    @Test(
        "the passphrase is lost while it serves: it goes on, starts under the new one, and the lost one opens nothing"
    )
    func lostPassphrase() async throws {
        let machine = try RunbookMachine()
        let vault = machine.vault
        // Sealed by a passphrase that nobody has any more but the running service.
        let lost = vault.folder.file("lost")
        try "a passphrase that is lost\n".write(toFile: lost, atomically: true, encoding: .utf8)
        let migrate =
            "contact-vault keys root migrate --to file --file root-1.key --new-passphrase-file '\(lost)'"
        let sealed = try machine.shell(
            "second \"$(\(migrate))\"; \(migrate); cp '\(lost)' \"$PASSPHRASE\"; systemctl restart contact-vault"
        )
        try #require(sealed.code == 0, "\(sealed.output)")
        try FileManager.default.removeItem(atPath: machine.passphrase)

        try "another passphrase\n".write(
            toFile: machine.safe + "/new-passphrase", atomically: true, encoding: .utf8)
        let said = try machine.type("lost passphrase")
        #expect(said.contains("root key: file root-2.key"), "\(said)")
        let client = try vault.client()
        #expect(try await machine.release(0, client) != nil)
        try await client.shutdown()
        _ = try machine.shell("systemctl stop contact-vault")
        let list = ["keys", "list", "--data", vault.data, "--passphrase-file"]
        #expect(try CommandLineProgram.run(list + [lost]).code == 1)
        #expect(try CommandLineProgram.run(list + [machine.safe + "/new-passphrase"]).code == 0)
        let verified = try CommandLineProgram.run([
            "backup", "verify", machine.backups + "/under-new-root", "--key", machine.safe + "/log.vkey",
            "--root-key",
            vault.data + "/root-2.key", "--passphrase-file", machine.safe + "/new-passphrase", "--all",
        ])
        #expect(verified.code == 0, "\(verified.messages)")
        _ = try machine.shell("systemctl start contact-vault")
    }

    @Test(
        "restored from a backup: who said no since is not released, everybody else is, and the log says what is missing"
    )
    func restore() async throws {
        let machine = try RunbookMachine()
        let client = try machine.vault.client()
        try machine.vault.command("backup", "create", machine.backups + "/last")
        let number = try await machine.release(0, client)
        try machine.vault.command("contacts", "stop", machine.contacts[1].description)
        let said = try machine.type("restore")
        #expect(said.contains("/access-log/2") && said.contains("dialer-1"), "\(said)")
        try await client.shutdown()
        // A token's second counts as before the end of all that were out.
        try await Task.sleep(for: .milliseconds(1100))
        let again = try machine.vault.client()
        #expect(try await machine.release(0, again) == number)
        await expectRefusal(403, "release-denied") { _ = try await machine.release(1, again) }
        try await again.shutdown()
        let restored = try machine.vault.entries().filter { $0.entry.kind == .backupRestore }
        #expect(restored.first.map { ($0.entry.count ?? 0) > 0 } == true)
    }
}

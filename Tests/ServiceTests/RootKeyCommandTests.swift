// Custody of the root key as an operator types it: on a token of SoftHSM, as a credential, and from one to another.

import AccessLog
import ConfigurationFile
import ContactModel
import EnvelopeEncryption
import Foundation
import Testing
import VaultAPI
import VaultClient
import VaultService
import VaultTesting

/// A token of SoftHSM for the program, which reads where it is from its environment.
private struct CommandToken {
    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let pin = "48213977"
    let tokens: String
    let environment: [String: String]
    let pinFile: String
    let passphraseFile: String

    init(in folder: TemporaryFolder) throws {
        tokens = folder.file("tokens")
        try FileManager.default.createDirectory(atPath: tokens, withIntermediateDirectories: true)
        let configuration = folder.file("softhsm2.conf")
        try "directories.tokendir = \(tokens)\nlog.level = ERROR\n"
            .write(toFile: configuration, atomically: true, encoding: .utf8)
        pinFile = folder.file("pin")
        passphraseFile = folder.file("passphrase")
        try (Self.pin + "\n").write(toFile: pinFile, atomically: true, encoding: .utf8)
        try "correct horse battery staple\n".write(toFile: passphraseFile, atomically: true, encoding: .utf8)
        let credentials = folder.file("credentials")
        try FileManager.default.createDirectory(atPath: credentials, withIntermediateDirectories: true)
        try Data([UInt8](0..<32)).write(to: URL(fileURLWithPath: credentials + "/contact-vault-root-key"))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o400], ofItemAtPath: credentials + "/contact-vault-root-key")
        environment = ["SOFTHSM2_CONF": configuration, "CREDENTIALS_DIRECTORY": credentials]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/softhsm2-util")
        process.arguments = [
            "--init-token", "--free", "--label", "contact-vault", "--so-pin", "91827364", "--pin", Self.pin,
        ]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "scripts/bootstrap installs softhsm2")
    }

    func run(_ arguments: [String]) throws -> CommandLineProgram.Outcome {
        try CommandLineProgram.run(arguments, environment: environment)
    }

    var location: [String] { ["--module", Self.module, "--token", "contact-vault", "--key", "root"] }

    func move(isAway: Bool) throws {
        try FileManager.default.moveItem(
            atPath: isAway ? tokens : tokens + "-away", toPath: isAway ? tokens + "-away" : tokens)
        if isAway {
            try FileManager.default.createDirectory(atPath: tokens, withIntermediateDirectories: true)
        }
    }
}

@Suite("Custody of the root key at the terminal")
struct RootKeyCommandTests {
    @Test("a section that is not exactly one provider is a fault with its line")
    func configuration() throws {
        func read(_ text: String) throws -> RootKeySettings {
            try ServiceConfiguration(text: text, file: "c.yaml").rootKey
        }
        #expect(try read("instance: a\n") == .file(name: "root.key"))
        #expect(try read("root_key:\n  provider: file\n") == .file(name: "root.key"))
        let token = "root_key:\n  provider: pkcs11\n  module: /m.so\n  token: t\n  key: \"a key\"\n"
        #expect(try read(token) == .pkcs11(module: "/m.so", token: "t", key: "a key"))
        for text in [
            "root_key: file\n", "root_key:\n  provider: vault\n", "root_key:\n  file: a\n",
            "root_key:\n  provider: file\n  file: ../root.key\n", "root_key:\n  provider: file\n  pin: 1\n",
            "root_key:\n  provider: credential\n  file: root.key\n",
            "root_key:\n  provider: pkcs11\n  module: /m.so\n  token: t\n",
            "root_key:\n  provider: pkcs11\n  module: m.so\n  token: t\n  key: k\n",
            "root_key:\n  provider: pkcs11\n  module: /m.so\n  token: t\n  key: k\n  pin: 1234\n",
            "root_key:\n  provider: pkcs11\n  module: /m.so\n  token: \(String(repeating: "t", count: 33))\n  key: k\n",
        ] {
            let fault = #expect(throws: ConfigurationFault.self) { () throws in _ = try read(text) }
            #expect(fault?.key.hasPrefix("root_key") == true, "\(text)")
        }
    }

    @Test("the section is replaced, and the rest of the configuration stays as it was written")
    func replacing() throws {
        let new = RootKeySettings.pkcs11(module: "/m.so", token: "a b", key: "k: #1")
        let rest = ["# mine", "instance: a  # here", "", "control:", "  listen: 127.0.0.1:9"]
        let sections: [String] = [
            "", "root_key:\n  provider: credential\n", "root_key: {provider: file}\n",
            "root_key:\n  # why\n  provider: file\n  file: old.key\n",
        ]
        for section in sections {
            let text =
                rest[..<2].joined(separator: "\n") + "\n" + section + rest[2...].joined(separator: "\n")
                + "\n"
            let replaced = try #require(new.replacingSection(in: text, file: "c.yaml"))
            #expect(try ServiceConfiguration(text: replaced, file: "c.yaml").rootKey == new)
            for line in rest where !line.isEmpty { #expect(replaced.contains(line)) }
            #expect(!replaced.contains("old.key"))
            #expect(new.replacingSection(in: replaced, file: "c.yaml") == replaced)
            let back = try #require(RootKeySettings.standard.replacingSection(in: replaced, file: "c.yaml"))
            #expect(try ServiceConfiguration(text: back, file: "c.yaml").rootKey == .standard)
        }
        #expect(new.replacingSection(in: ServiceConfiguration.template, file: "c.yaml") != nil)
        let unreadable = "root_key:\n# not indented\n  provider: file\n"
        #expect(
            new.replacingSection(in: unreadable, file: "c.yaml").map { $0.contains("provider: file") } != true
        )
        for label in ["a\"", "a\\", "a\nb", ""] {
            let bad = RootKeySettings.pkcs11(module: "/m.so", token: "t", key: label)
            #expect(bad.replacingSection(in: "", file: "c.yaml") == nil)
        }
    }

    @Test("a vault is made under a key of a token, and opens with the token and its PIN alone")
    func initOnToken() throws {
        let folder = try TemporaryFolder()
        let token = try CommandToken(in: folder)
        let data = folder.file("vault")
        let make = ["init", "--data", data, "--root-key", "pkcs11", "--passphrase-file", token.pinFile]
        let noKey = try token.run(make + token.location)
        #expect(
            noKey.code == 1 && noKey.messages.contains("no secret key of this label"), "\(noKey.messages)")
        #expect(!FileManager.default.fileExists(atPath: data))
        let development = try token.run(make + token.location + ["--development"])
        #expect(development.code == 2)
        #expect(try token.run(make).code == 2)
        let made = try token.run(make + token.location + ["--make-key"])
        #expect(made.code == 0, "\(made.messages)")
        #expect(!FileManager.default.fileExists(atPath: data + "/root.key"))
        let shown = try token.run(["keys", "root", "show", "--data", data])
        #expect(shown.output.contains("root key: key root on token contact-vault"), "\(shown.output)")
        let list = ["keys", "list", "--data", data]
        #expect(try token.run(list + ["--passphrase-file", token.pinFile]).code == 0)
        let wrong = try token.run(list + ["--passphrase-file", token.passphraseFile])
        #expect(wrong.code == 1 && wrong.messages.contains("refused the PIN"), "\(wrong.messages)")
        let none = try token.run(list)
        #expect(none.code == 1 && none.messages.contains("PIN cannot be read"), "\(none.messages)")
        // The PIN as a credential, beside the root key that another provider would take, which is not asked.
        let credential = try #require(token.environment["CREDENTIALS_DIRECTORY"]) + "/contact-vault-hsm-pin"
        try FileManager.default.copyItem(atPath: token.pinFile, toPath: credential)
        #expect(try token.run(list).code == 0)
        // Without the token nothing takes its place.
        try token.move(isAway: true)
        let gone = try token.run(list)
        #expect(gone.code == 1 && gone.messages.contains("no token has this label"), "\(gone.messages)")
    }

    /// Another root key: asked for, approved by a second person, and done.
    /// - Parameter options: of the first run.
    /// - Returns: what the second run said, and its options.
    @discardableResult
    private func migrate(
        _ vault: ServedVault, _ token: CommandToken, _ options: [String]
    ) throws -> (done: CommandLineProgram.Outcome, options: [String]) {
        let migrate = ["keys", "root", "migrate", "--data", vault.data, "--to"]
        let asked = try token.run(migrate + options)
        try #require(
            asked.code == 0 && asked.messages.contains("waits for a second person"), "\(asked.messages)")
        let before = try token.run(["keys", "root", "show", "--data", vault.data]).output
        try vault.approve(asked)
        #expect(
            try token.run(["keys", "root", "show", "--data", vault.data]).output == before,
            "an approval alone does nothing")
        var again = options.filter { $0 != "--make-key" }
        if options[0] == "file" {
            let name = asked.messages.split(whereSeparator: { " \n".contains($0) }).last {
                $0.hasPrefix("root-") && $0.hasSuffix(".key")
            }
            again += ["--file", String(try #require(name, "\(asked.messages)"))]
        }
        let done = try token.run(migrate + again)
        try #require(done.code == 0 && done.messages.contains("the keyring is under"), "\(done.messages)")
        return (done, again)
    }

    @Test(
        "while it serves, from a file to a token to a file to another to a credential; contacts open meanwhile and after a new start, and the log says so"
    )
    func migrations() async throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let contacts = try vault.importContacts((0..<4).map { Invented.contact($0) })
        try "# kept\n".appendLine(to: vault.data + "/contact-vault.yaml")
        let dial = try #require(Action("dial"))
        try vault.start(environment: token.environment)
        let client = try vault.client()
        let roots: [(options: [String], next: [String])] = [
            (
                ["pkcs11", "--make-key", "--new-passphrase-file", token.pinFile] + token.location,
                ["--passphrase-file", token.pinFile]
            ),
            (
                ["file", "--new-passphrase-file", token.passphraseFile],
                ["--passphrase-file", token.passphraseFile]
            ),
            // Another passphrase is another file.
            (["file", "--new-passphrase-file", token.pinFile], ["--passphrase-file", token.pinFile]),
            (["credential"], []),
        ]
        for (number, root) in roots.enumerated() {
            let releases = Task {
                for _ in 0..<20 {
                    let access = try await client.token(for: .release(of: contacts[number]))
                    _ = try await client.release(contacts[number], action: dial, token: access)
                }
            }
            let done = try migrate(vault, token, root.options)
            // Again, it changes nothing and says what is so.
            let same = try token.run(
                ["keys", "root", "migrate", "--data", vault.data, "--to"] + done.options)
            #expect(same.code == 0 && !same.messages.contains("waits"), "\(same.messages)")
            // Keys go on changing, under the new root key.
            try vault.command("keys", "rotate", "dpop_nonce")
            try await releases.value
            let entries = try vault.entries().filter {
                $0.entry.kind == .keyRoot && $0.entry.outcome == .permit
            }
            #expect(entries.count == number + 1 && entries.last?.entry.basis?.text == root.options[0])
            #expect(try VaultFolderText.configuration(vault).contains("# kept"))
            #expect(vault.stop() == 0)
            #expect(try vault.verifyLog().code == 0)
            // The root key of before opens it no more.
            if number > 0, !roots[number - 1].next.isEmpty, roots[number - 1].next != root.next {
                let old = try token.run(["keys", "list", "--data", vault.data] + roots[number - 1].next)
                #expect(number == 3 || old.code == 1, "\(old.messages)")
            }
            try vault.start(root.next, environment: token.environment)
        }
        #expect(try vault.entries().allSatisfy { $0.entry.basis?.text != "found.changed" })
        try await client.shutdown()
        #expect(vault.stop() == 0)
        let without = try CommandLineProgram.run(["keys", "list", "--data", vault.data])
        #expect(
            without.code == 1 && without.messages.contains("LoadCredentialEncrypted"), "\(without.messages)")
    }

    @Test("an approval is of one root key, and used once; nobody approves it for themselves")
    func twoPeople() throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        try vault.addClient("dialer-9", kind: "service", roles: ["collection"])
        try vault.start(environment: token.environment)
        let keyring = try Data(contentsOf: URL(fileURLWithPath: vault.data + "/keyring"))
        let toFile = [
            "keys", "root", "migrate", "--data", vault.data, "--to", "file", "--new-passphrase-file",
            token.passphraseFile,
        ]
        let asked = try token.run(toFile)
        let approval = try #require(
            asked.messages.split(whereSeparator: { " \n".contains($0) }).first { $0.hasPrefix("ap_") })
        let oneself = try token.run(["approvals", "approve", String(approval), "--data", vault.data])
        #expect(oneself.code == 1, "\(oneself.messages)")
        let stranger = try token.run([
            "approvals", "approve", String(approval), "--client", "dialer-9", "--key",
            vault.keyFile("dialer-9"),
            "--issuer", vault.issuer,
        ])
        #expect(stranger.code == 1, "\(stranger.messages)")
        try vault.approve(asked)
        // Another key than the approved one, of the same kind and passphrase.
        let other = try token.run(toFile)
        #expect(other.messages.contains("waits for a second person"), "\(other.messages)")
        #expect(
            try token.run(["keys", "root", "migrate", "--data", vault.data, "--to", "credential"]).messages
                .contains("waits"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: vault.data + "/keyring")) == keyring)
        #expect(vault.stop() == 0)
    }

    @Test(
        "broken off between keyring and configuration, it is refused with what to do, and done when it is run again"
    )
    func brokenOff() throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let configuration = vault.data + "/contact-vault.yaml"
        let before = try VaultFolderText.configuration(vault)
        let command = ["keys", "root", "migrate", "--data", vault.data, "--to"]
        func breakOff(_ options: [String], servedBy passphrase: [String]) throws -> [String] {
            try vault.start(passphrase, environment: token.environment)
            let done = try migrate(vault, token, options)
            #expect(vault.stop() == 0)
            try before.write(toFile: configuration, atomically: true, encoding: .utf8)
            let refused = try token.run(["keys", "list", "--data", vault.data])
            #expect(refused.code == 1 && refused.messages.contains("run it again"), "\(refused.messages)")
            return command + done.options
        }
        let toToken = try breakOff(
            ["pkcs11", "--make-key", "--new-passphrase-file", token.pinFile] + token.location, servedBy: [])
        let finished = try token.run(toToken)
        #expect(
            finished.code == 0 && finished.messages.contains("the keyring is under"), "\(finished.messages)")
        let list = ["keys", "list", "--data", vault.data, "--passphrase-file"]
        #expect(try token.run(list + [token.pinFile]).code == 0)
        let already = try token.run(toToken)
        #expect(already.code == 1 && already.messages.contains("already"), "\(already.messages)")

        // The same with a new file, and with another root key than the one that it was broken off with.
        let toFile = try breakOff(
            ["file", "--new-passphrase-file", token.passphraseFile],
            servedBy: ["--passphrase-file", token.pinFile])
        let other = try token.run(command + ["credential"])
        #expect(other.code == 1 && other.messages.contains("another root key"), "\(other.messages)")
        #expect(try token.run(toFile).code == 0)
        #expect(try token.run(list + [token.passphraseFile]).code == 0)
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("an old keyring is not made a new one by another root key")
    func rollback() throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        let old = try Data(contentsOf: URL(fileURLWithPath: vault.data + "/keyring"))
        try vault.command("keys", "rotate", "kek")
        try old.write(to: URL(fileURLWithPath: vault.data + "/keyring"))
        let refused = try token.run(["keys", "root", "migrate", "--data", vault.data, "--to", "credential"])
        #expect(refused.code == 1, "\(refused.messages)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: vault.data + "/keyring")) == old)
    }

    @Test(
        "while the token is away the service releases and changes no key, and goes on by itself when it is back"
    )
    func tokenAway() async throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        let contacts = try vault.importContacts((0..<2).map { Invented.contact($0) })
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        try vault.start(environment: token.environment)
        try migrate(
            vault, token, ["pkcs11", "--make-key", "--new-passphrase-file", token.pinFile] + token.location)
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        func release(_ number: Int) async throws {
            let access = try await client.token(for: .release(of: contacts[number]))
            _ = try await client.release(contacts[number], action: dial, token: access)
        }
        try await release(0)
        try vault.command("keys", "rotate", "token_signing")
        try token.move(isAway: true)
        for _ in 0..<2 {
            let refused = try CommandLineProgram.run(["keys", "rotate", "log_signing", "--data", vault.data])
            #expect(
                refused.code == 1 && refused.messages.contains("root key cannot be used"),
                "\(refused.messages)")
        }
        try await release(1)
        try FileManager.default.removeItem(atPath: token.tokens)
        try token.move(isAway: false)
        let keys = try vault.command("keys", "rotate", "log_signing")
        #expect(keys.messages.contains("log_signing version 2 is pre_active"), "\(keys.messages)")
        try await client.shutdown()
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
    }
}

private enum VaultFolderText {
    static func configuration(_ vault: ServedVault) throws -> String {
        try String(contentsOfFile: vault.data + "/contact-vault.yaml", encoding: .utf8)
    }
}

extension String {
    fileprivate func appendLine(to path: String) throws {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try (text + self).write(toFile: path, atomically: true, encoding: .utf8)
    }
}

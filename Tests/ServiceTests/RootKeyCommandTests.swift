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

    @Test(
        "from a file to a token to a file to a credential; contacts open after each, and the log says that keys changed"
    )
    func migrations() async throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        let contacts = try vault.importContacts((0..<4).map { Invented.contact($0) })
        try "# kept\n".appendLine(to: vault.data + "/contact-vault.yaml")
        let migrate = ["keys", "root", "migrate", "--data", vault.data, "--to"]

        // Not while it serves.
        try vault.start()
        let served = try token.run(
            migrate + ["pkcs11", "--make-key", "--new-passphrase-file", token.pinFile] + token.location)
        #expect(served.code == 1 && served.messages.contains("stop it first"), "\(served.messages)")
        #expect(vault.stop() == 0)

        func open(_ contact: Int, _ options: [String]) async throws {
            try vault.start(options, environment: token.environment)
            let client = try vault.client()
            let access = try await client.token(for: .release(of: contacts[contact]))
            let released = try await client.release(
                contacts[contact], action: try #require(Action("dial")), token: access)
            #expect(released.release.hasPrefix("rl_"))
            try await client.shutdown()
            let found = try vault.entries().filter { $0.entry.basis?.text == "found.changed" }
            #expect(found.count == contact + 1 && found.last?.entry.generation == UInt64(contact + 2))
            #expect(vault.stop() == 0)
            #expect(try vault.verifyLog().code == 0)
            #expect(try VaultFolderText.configuration(vault).contains("# kept"))
        }
        func expectDone(_ arguments: [String]) throws {
            let outcome = try token.run(migrate + arguments)
            #expect(outcome.code == 0, "\(outcome.messages)")
        }
        try expectDone(["pkcs11", "--make-key", "--new-passphrase-file", token.pinFile] + token.location)
        try await open(0, ["--passphrase-file", token.pinFile])
        let again = try token.run(
            migrate + ["pkcs11", "--passphrase-file", token.pinFile, "--new-passphrase-file", token.pinFile]
                + token.location)
        #expect(again.code == 1 && again.messages.contains("already"), "\(again.messages)")

        try expectDone([
            "file", "--passphrase-file", token.pinFile, "--new-passphrase-file", token.passphraseFile,
        ])
        #expect(try VaultFolderText.configuration(vault).contains("file: root-3.key"))
        try await open(1, ["--passphrase-file", token.passphraseFile])

        // Another passphrase is another file.
        try expectDone([
            "file", "--passphrase-file", token.passphraseFile, "--new-passphrase-file", token.pinFile,
        ])
        try await open(2, ["--passphrase-file", token.pinFile])
        let old = try token.run(
            ["keys", "list", "--data", vault.data, "--passphrase-file", token.passphraseFile])
        #expect(old.code == 1 && old.messages.contains("wrong passphrase"), "\(old.messages)")

        try expectDone(["credential", "--passphrase-file", token.pinFile])
        try await open(3, [])
        let without = try CommandLineProgram.run(["keys", "list", "--data", vault.data])
        #expect(
            without.code == 1 && without.messages.contains("LoadCredentialEncrypted"), "\(without.messages)")
    }

    @Test(
        "broken off between keyring and configuration, it is refused with what to do, and done when it is run again"
    )
    func brokenOff() throws {
        let vault = try ServedVault()
        let token = try CommandToken(in: vault.folder)
        let configuration = vault.data + "/contact-vault.yaml"
        let before = try VaultFolderText.configuration(vault)
        let migrate = ["keys", "root", "migrate", "--data", vault.data, "--to"]
        let toToken =
            migrate + ["pkcs11", "--new-passphrase-file", token.pinFile] + token.location
        func breakOff(_ arguments: [String]) throws {
            let done = try token.run(arguments)
            #expect(done.code == 0, "\(done.messages)")
            try before.write(toFile: configuration, atomically: true, encoding: .utf8)
            let refused = try token.run(["keys", "list", "--data", vault.data])
            #expect(refused.code == 1 && refused.messages.contains("run it again"), "\(refused.messages)")
        }
        try breakOff(toToken + ["--make-key"])
        let finished = try token.run(toToken)
        #expect(finished.code == 0 && finished.messages.contains("already"), "\(finished.messages)")
        let list = ["keys", "list", "--data", vault.data, "--passphrase-file"]
        #expect(try token.run(list + [token.pinFile]).code == 0)

        // The same with a new file, and with another root key than the one that it was broken off with.
        let toFile =
            migrate + [
                "file", "--passphrase-file", token.pinFile, "--new-passphrase-file", token.passphraseFile,
            ]
        try breakOff(toFile)
        let other = try token.run(migrate + ["credential"])
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
        let migrated = try token.run(
            ["keys", "root", "migrate", "--data", vault.data, "--to", "pkcs11", "--make-key"]
                + ["--new-passphrase-file", token.pinFile] + token.location)
        #expect(migrated.code == 0, "\(migrated.messages)")
        try vault.start(["--passphrase-file", token.pinFile], environment: token.environment)
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

// Where no key and no number may ever be: the service's log, what commands and refusals say, the files, and what a crash leaves.

import ContactModel
import ContactVault
import Foundation
import SQLiteStore
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

@testable import EnvelopeEncryption

/// A secret, looked for in the forms that a program would write it in.
private struct Secret {
    let name: String
    let forms: [[UInt8]]

    init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        let texts = [
            Hex.encode(bytes), Hex.encode(bytes).uppercased(), Base64.encode(bytes), Base64URL.encode(bytes),
            "\(bytes)",
        ]
        forms = [bytes] + texts.map { Array($0.utf8) }
    }

    /// The digits are in every form of a number; no id and no digest in text holds nine decimal digits by chance often enough to matter.
    init(number: String) {
        name = "a number"
        let digits = Array(number.utf8)
        forms = [digits, digits.flatMap { [$0, 0] as [UInt8] }]
    }

    func isIn(_ data: Data) -> Bool { forms.contains { data.range(of: Data($0)) != nil } }
}

@Suite("Absence of secrets")
struct SecretsAbsenceTests {
    /// Every key of the keyring, and the data key of every record, as they are now.
    private func secrets(of vault: ServedVault) async throws -> [Secret] {
        let root = try RootKeyFile.load(at: vault.data + "/root.key") { throw RootKeyError.passphraseEmpty }
        let keyring = try KeyringFile(vault.data + "/keyring").load(root: root)
        var secrets: [Secret] = []
        for entry in keyring.entries {
            guard let secret = entry.symmetric else { continue }
            secrets.append(Secret("\(entry.reference)", secret.bytes.revealBytes()))
        }
        let store = try SQLiteStore.openForReading(path: vault.data + "/vault.sqlite")
        let rows = try await store.read { try $0.recordKeys(after: [], limit: 1000).rows }
        try await store.close()
        for row in rows {
            let record = try SealedRecord(parsing: row.sealed)
            let context = RecordContext(
                tenant: keyring.tenant, record: row.contact, generation: row.generation, schema: record.schema
            )
            let key = try keyring.openDataKey(of: record, context: context, for: .opening)
            secrets.append(Secret("data key of \(row.contact)", key.revealBytes()))
        }
        return secrets
    }

    @Test("the scan finds a secret in each of its forms")
    func scanFinds() {
        let bytes = [UInt8](200..<232)
        let secret = Secret("key", bytes)
        for text in [Hex.encode(bytes), Base64.encode(bytes), Base64URL.encode(bytes), "\(bytes)"] {
            #expect(secret.isIn(Data("before \(text) after".utf8)))
        }
        #expect(secret.isIn(Data([1, 2] + bytes + [3])) && !secret.isIn(Data(bytes.dropLast())))
        #expect(Secret(number: "138001385").isIn(Data("+8613800138517".utf8)))
    }

    @Test(
        "after releases, refusals, rotations, a compromise, another root key and a crash: in no log, no message, no reply, no file, no core"
    )
    func nowhere() async throws {
        let vault = try ServedVault(policy: Invented.boundlessPolicy)
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let contacts = try vault.importContacts(
            (500..<512).map { Invented.contact(phone: "+8613800138\($0)", borrower: $0) })
        var secrets = try await secrets(of: vault)
        var said: [String] = []
        func tell(_ arguments: String...) throws -> CommandLineProgram.Outcome {
            let outcome = try CommandLineProgram.run(arguments + ["--data", vault.data])
            said += [outcome.output, outcome.messages]
            return outcome
        }
        // A core would be written where the service was started, if there were one.
        try vault.start(through: [
            "sh", "-c", "cd '\(vault.folder.path)' && ulimit -c unlimited; exec \"$@\"", "sh",
        ])
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        for contact in contacts {
            let token = try await client.token(for: .release(of: contact))
            let released = try await client.release(contact, action: dial, token: token)
            #expect(released.fields["phone"]?.hasPrefix("+86138001385") == true)
        }
        // Refusals that were given a number.
        for (path, body) in [
            ("/v1/contacts", #"{"phone":"+8613800138500""#), ("/v1/contacts/+8613800138500/release", "{}"),
            ("/oauth2/token", "grant_type=+8613800138500&client_assertion=138001385"),
            ("/v1/suppressions", #"["+8613800138500"]"#),
        ] {
            let reply = try await post(vault.issuer + path, body)
            #expect(reply.status >= 400)
            said.append(reply.body)
        }
        #expect(try tell("contacts", "show", "+8613800138500").code != 0)
        #expect(try tell("keys", "rotate", "kek").code == 0)
        #expect(try tell("keys", "promote", "kek", "2").code == 0)
        #expect(try tell("keys", "rewrap").code == 0)
        #expect(try tell("keys", "rotate", "blind_index").code == 0)
        secrets += try await self.secrets(of: vault)
        let compromise = try tell("keys", "compromise", "kek", "2")
        try vault.approve(compromise)
        #expect(try tell("keys", "reencrypt").code == 0)
        #expect(try tell("keys", "report").code == 0)
        #expect(try tell("backup", "create", vault.folder.file("backup")).code == 0)
        #expect(try tell("log", "entries").code == 0)
        secrets += try await self.secrets(of: vault)
        let passphrase = vault.folder.file("passphrase")
        try "a passphrase of a test\n".write(toFile: passphrase, atomically: true, encoding: .utf8)
        let migrate = [
            "keys", "root", "migrate", "--to", "file", "--file", "root-2.key", "--new-passphrase-file",
            passphrase,
        ]
        let asked = try CommandLineProgram.run(migrate + ["--data", vault.data])
        try vault.approve(asked)
        let done = try CommandLineProgram.run(migrate + ["--data", vault.data])
        #expect(done.code == 0, "\(done.messages)")
        said += [asked.messages, done.messages]
        secrets.append(Secret("passphrase", Array("a passphrase of a test".utf8)))
        try await client.shutdown()
        // It crashes with all of them in memory.
        let service = try #require(vault.service)
        kill(service.processIdentifier, SIGSEGV)
        service.waitUntilExit()
        #expect(service.terminationReason == .uncaughtSignal)

        let own: Set<String> = ["passphrase", "root.key"]
        var files = 0
        let found = FileManager.default.enumerator(atPath: vault.folder.path)
        let number = Secret(number: "138001385")
        for case let name as String in try #require(found) {
            let file = (name as NSString).lastPathComponent
            #expect(!file.hasPrefix("core"), "\(name)")
            guard !own.contains(file),
                let data = FileManager.default.contents(atPath: vault.folder.file(name))
            else {
                continue
            }
            files += 1
            for secret in secrets + [number] where secret.isIn(data) {
                Issue.record("\(secret.name) is in \(name)")
            }
        }
        #expect(files > 8 && secrets.count > 45, "\(files) files, \(secrets.count) secrets")
        for text in said {
            for secret in secrets + [number] where secret.isIn(Data(text.utf8)) {
                Issue.record("\(secret.name) is in: \(text.prefix(200))")
            }
        }
    }

    private func post(_ url: String, _ body: String) async throws -> (status: Int, body: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl", "-s", "-w", "\n%{http_code}", "-X", "POST", "--data-binary", body, url]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}

// Bad input at the terminal gets a clear error and changes nothing; good input from a sealed vault works.

import Foundation
import GRDB
import Testing
import VaultTesting

@Suite("Command line")
struct OperatorTests {
    @Test(
        "usage errors end with 2 and say what is wrong",
        arguments: [
            ["nonsense"], ["serve", "--nonsense"], ["client", "add"], ["log", "entries", "--limit", "0"],
            ["client", "key"], ["release", "not-a-contact", "--client", "c"],
            ["serve", "--log-level", "loud"],
        ])
    func usage(arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let outcome = try CommandLineProgram.run(
            arguments + (arguments.first == "nonsense" ? [] : []),
            environment: ["CONTACT_VAULT_DATA": folder.file("none")])
        #expect(outcome.code == 2, "\(arguments): \(outcome.messages)")
        #expect(!outcome.messages.isEmpty)
        #expect(try folder.files() == [])
    }

    @Test("every command has help with an example")
    func help() throws {
        for command in [
            ["init"], ["serve"], ["client"], ["client", "key"], ["client", "add"], ["client", "list"],
            ["client", "suspend"], ["client", "resume"], ["contacts"], ["contacts", "add"],
            ["contacts", "import"],
            ["contacts", "show"], ["contacts", "stop"], ["contacts", "consent"], ["contacts", "authorise"],
            ["contacts", "reference"], ["contacts", "suppress"], ["contacts", "erase"], ["policy", "diff"],
            ["policy", "apply"], ["policy", "simulate"], ["policy", "explain"], ["approvals"],
            ["approvals", "list"], ["approvals", "approve"], ["review"], ["review", "list"],
            ["review", "close"], ["outcomes"], ["outcomes", "missing"], ["outcomes", "report"], ["release"],
            ["tokens"], ["tokens", "revoke"],
            ["agency"], ["agency", "entrust"], ["agency", "list"], ["client", "rotate"],
            ["client", "certificate"], ["keys", "rotate"], ["keys", "promote"], ["keys", "retire"],
            ["keys", "compromise"], ["keys", "destroy"], ["keys", "disable"], ["keys", "enable"],
            ["keys", "report"], ["keys", "reencrypt"], ["keys", "jobs"], ["keys", "pause"],
            ["keys", "resume"],
            ["keys", "cancel"], ["log"], ["log", "verify"], ["log", "export"],
            ["log", "count"], ["log", "ask"],
            ["log", "audit"], ["log", "witness"], ["log", "witness", "init"], ["log", "witness", "serve"],
            ["log", "subject"], ["log", "report"], ["log", "shards"], ["log", "expire"],
            ["contacts", "hold"],
            ["contacts", "expire"], ["keys", "rewrap"],
            ["log", "entries"],
            ["log", "prove"], ["log", "checkpoint"], ["policy"], ["policy", "check"], ["policy", "show"],
            ["keys"],
            ["keys", "list"],
        ] {
            let outcome = try CommandLineProgram.run(command + ["--help"])
            #expect(outcome.code == 0)
            #expect(outcome.output.contains("Example: contact-vault"), "\(command)")
        }
    }

    @Test("without a vault every command says so and makes nothing")
    func noVault() throws {
        let folder = try TemporaryFolder()
        for arguments in [
            ["serve"], ["log", "verify"], ["client", "list"], ["policy", "show"], ["keys", "list"],
        ] {
            let outcome = try CommandLineProgram.run(arguments + ["--data", folder.file("none")])
            #expect(outcome.code == 1, "\(arguments)")
            #expect(outcome.messages.contains("there is no vault here"), "\(outcome.messages)")
        }
        #expect(try folder.files() == [])
    }

    @Test("init refuses a folder that is not empty, a bad issuer and a bad policy, and leaves nothing behind")
    func initRefusals() throws {
        let folder = try TemporaryFolder()
        let occupied = folder.file("occupied")
        try FileManager.default.createDirectory(atPath: occupied, withIntermediateDirectories: false)
        try "keep".write(toFile: occupied + "/file", atomically: true, encoding: .utf8)
        var outcome = try CommandLineProgram.run(["init", "--development", "--data", occupied])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("not empty"))
        #expect(try String(contentsOfFile: occupied + "/file", encoding: .utf8) == "keep")

        outcome = try CommandLineProgram.run([
            "init", "--development", "--data", folder.file("a"), "--issuer", "https://vault.example/path",
        ])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("issuer must be an origin"), "\(outcome.messages)")

        let policy = folder.file("bad.yaml")
        try "policy: 1\nname: bad\npurposes:\n  relay.message:\n    surprise: 1\n".write(
            toFile: policy, atomically: true, encoding: .utf8)
        outcome = try CommandLineProgram.run([
            "init", "--development", "--data", folder.file("b"), "--policy", policy,
        ])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("bad.yaml:"), "\(outcome.messages)")

        outcome = try CommandLineProgram.run(["init", "--data", folder.file("c")])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("--passphrase-file"), "\(outcome.messages)")
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(left == ["bad.yaml", "occupied"])
    }

    @Test("a configuration that does not parse is refused with file, line and key")
    func configuration() throws {
        let vault = try ServedVault()
        let file = vault.data + "/contact-vault.yaml"
        for (text, expected) in [
            ("instance: vault-1\nsurprise: 1\n", "contact-vault.yaml:2: surprise"),
            ("data:\n  listen: everywhere\n", "contact-vault.yaml:2: data.listen"),
            ("control:\n  tls:\n    certificate: a.pem\n", "contact-vault.yaml:2: control.tls.key:"),
        ] {
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let outcome = try CommandLineProgram.run(["serve", "--data", vault.data])
            #expect(outcome.code == 1)
            #expect(outcome.messages.contains(expected), "\(outcome.messages)")
            #expect(outcome.output.isEmpty)
        }
    }

    @Test("plain HTTP is refused outside loopback")
    func plainHTTP() throws {
        let vault = try ServedVault()
        let outcome = try CommandLineProgram.run(["serve", "--data", vault.data, "--listen", "0.0.0.0:0"])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("not on loopback and has no TLS"), "\(outcome.messages)")
    }

    @Test("a second process on the same vault is refused, and the first goes on")
    func secondProcess() throws {
        let vault = try ServedVault()
        try vault.start()
        let outcome = try CommandLineProgram.run([
            "serve", "--data", vault.data, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
        ])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("another process holds this vault"), "\(outcome.messages)")
        // Commands ask the service instead.
        let list = try CommandLineProgram.run(["client", "list", "--data", vault.data])
        #expect(list.code == 0)
        #expect(list.output.contains("dialer-1"))
        #expect(vault.stop() == 0)
    }

    @Test("an address that is taken is refused before anything is served")
    func addressTaken() throws {
        let first = try ServedVault()
        try first.start()
        let second = try ServedVault()
        let outcome = try CommandLineProgram.run([
            "serve", "--data", second.data, "--listen", "127.0.0.1:\(first.port)", "--control", "127.0.0.1:0",
        ])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("cannot be bound"), "\(outcome.messages)")
        first.stop()
    }

    @Test("a vault of a newer version is refused and left as it is")
    func newerVersion() throws {
        let vault = try ServedVault()
        let queue = try DatabaseQueue(path: vault.data + "/vault.sqlite")
        try queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('9 from the future')") }
        try queue.close()
        for arguments in [["serve"], ["log", "verify"], ["client", "list"]] {
            let outcome = try CommandLineProgram.run(arguments + ["--data", vault.data])
            #expect(outcome.code == 1)
            #expect(outcome.messages.contains("newer contact-vault"), "\(outcome.messages)")
        }
    }

    @Test("a clock behind the log is refused at start, in words that say what to do, and nothing is appended")
    func clockBehind() throws {
        let vault = try ServedVault()
        let queue = try DatabaseQueue(path: vault.data + "/vault.sqlite")
        let size = try queue.write { database in
            // As if the log had been written by a clock that was an hour ahead.
            try database.execute(sql: "UPDATE log_head SET last_time = last_time + 3600000")
            return try Int.fetchOne(database, sql: "SELECT size FROM log_head")
        }
        try queue.close()
        let outcome = try CommandLineProgram.run(["serve", "--data", vault.data])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("set the clock right"), "\(outcome.messages)")
        #expect(outcome.output.isEmpty)
        let after = try DatabaseQueue(path: vault.data + "/vault.sqlite").read { database in
            try Int.fetchOne(database, sql: "SELECT size FROM log_head")
        }
        #expect(after == size)
    }

    @Test("a sealed vault opens by file, descriptor and systemd credential, and by no other passphrase")
    func sealed() throws {
        let folder = try TemporaryFolder()
        let data = folder.file("var")
        let passphrase = folder.file("passphrase")
        try "correct horse battery staple\n".write(toFile: passphrase, atomically: true, encoding: .utf8)
        let made = try CommandLineProgram.run(["init", "--data", data, "--passphrase-file", passphrase])
        #expect(made.code == 0, "\(made.messages)")
        #expect(!made.messages.contains("warning"))

        let byFile = try CommandLineProgram.run([
            "keys", "list", "--data", data, "--passphrase-file", passphrase,
        ])
        #expect(byFile.code == 0, "\(byFile.messages)")
        #expect(byFile.output.contains("active"))
        let byDescriptor = try CommandLineProgram.run(
            ["keys", "list", "--data", data, "--passphrase-fd", "0"], input: "correct horse battery staple")
        #expect(byDescriptor.code == 0, "\(byDescriptor.messages)")
        try FileManager.default.moveItem(atPath: passphrase, toPath: folder.file("contact-vault-passphrase"))
        let byCredential = try CommandLineProgram.run(
            ["keys", "list", "--data", data], environment: ["CREDENTIALS_DIRECTORY": folder.path])
        #expect(byCredential.code == 0, "\(byCredential.messages)")

        for wrong in ["correct horse battery stapl", "Correct horse battery staple", " "] {
            let outcome = try CommandLineProgram.run(
                ["serve", "--data", data, "--passphrase-fd", "0"], input: wrong)
            #expect(outcome.code == 1)
            #expect(outcome.messages.lowercased().contains("passphrase"), "\(outcome.messages)")
            #expect(wrong == " " || !outcome.messages.contains(wrong))
            #expect(outcome.output.isEmpty)
        }
        let none = try CommandLineProgram.run(["serve", "--data", data])
        #expect(none.code == 1)
        #expect(none.messages.contains("sealed"), "\(none.messages)")
    }

    @Test("the keyring of another vault is refused at start")
    func foreignKeyring() throws {
        let first = try ServedVault()
        let second = try ServedVault()
        for file in ["keyring", "root.key"] {
            try FileManager.default.removeItem(atPath: first.data + "/" + file)
            try FileManager.default.copyItem(
                atPath: second.data + "/" + file, toPath: first.data + "/" + file)
        }
        let outcome = try CommandLineProgram.run(["serve", "--data", first.data])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("do not belong together"), "\(outcome.messages)")
    }

    @Test("log verify names the place of a changed entry and ends with 1")
    func tampered() throws {
        let vault = try ServedVault()
        let queue = try DatabaseQueue(path: vault.data + "/vault.sqlite")
        try queue.write { database in
            try database.execute(sql: "DROP TRIGGER log_entries_no_update")
            let leaf: String = try String.fetchOne(
                database, sql: "SELECT CAST(leaf AS TEXT) FROM log_entries WHERE position = 2")!
            try database.execute(
                sql: "UPDATE log_entries SET leaf = CAST(? AS BLOB) WHERE position = 2",
                arguments: [leaf.replacingOccurrences(of: "service.start", with: "service.stop")])
        }
        try queue.close()
        let outcome = try vault.verifyLog()
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("root over the first"), "\(outcome.messages)")
        #expect(outcome.output.isEmpty)
    }

    @Test("a proof of an entry can be written out and verified with the log's key alone")
    func proof() throws {
        let vault = try ServedVault()
        let out = vault.folder.file("proof")
        let outcome = try CommandLineProgram.run(["log", "prove", "1", "--data", vault.data, "--out", out])
        #expect(outcome.code == 0, "\(outcome.messages)")
        let leaf = try Data(contentsOf: URL(fileURLWithPath: out + "/entry.json"))
        let proof = try Data(contentsOf: URL(fileURLWithPath: out + "/proof.txt"))
        let key = try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8)
        try ProofCheck.verify(proof: Array(proof), leaf: Array(leaf), key: key)
        #expect(throws: (any Error).self) {
            try ProofCheck.verify(proof: Array(proof), leaf: Array(leaf) + [0x20], key: key)
        }
    }

    @Test("contacts import reports each refused line by number and field, without its value")
    func importReports() throws {
        let vault = try ServedVault()
        let file = vault.folder.file("mixed.ndjson")
        let debt = Invented.contact(2).replacingOccurrences(
            of: #""adult":true"#, with: #""adult":true,"debt_amount":9999"#)
        let short = Invented.contact(3).replacingOccurrences(of: "+8613800138003", with: "12345")
        try [Invented.contact(1), debt, "", "not json 4155550100", short, Invented.contact(4)].joined(
            separator: "\n"
        )
        .write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try CommandLineProgram.run(["contacts", "import", file, "--data", vault.data])
        #expect(outcome.code == 1)
        #expect(outcome.output.split(separator: "\n").count == 2)
        #expect(outcome.messages.contains("line 2: debt_amount: not_accepted"), "\(outcome.messages)")
        #expect(outcome.messages.contains("line 4: contact: malformed"), "\(outcome.messages)")
        #expect(outcome.messages.contains("line 5: phone: "), "\(outcome.messages)")
        #expect(outcome.messages.contains("stored 2, refused 3"), "\(outcome.messages)")
        for value in ["9999", "4155550100", "12345", "+86"] { #expect(!outcome.messages.contains(value)) }
    }
}

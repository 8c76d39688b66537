// The policy owner's day at the terminal, beside a running service and without one.

import ContactModel
import Foundation
import PurposePolicy
import Testing
import VaultTesting

@Suite("Policy at the terminal")
struct PolicyCommandTests {
    /// Writes the starter catalogue with its holidays, changed in one place.
    private func policy(
        in folder: TemporaryFolder, _ name: String, replacing old: String = "", with new: String = ""
    ) throws -> String {
        let text = StarterPolicy.starterCatalogue.replacing(old, with: new)
        try text.write(toFile: folder.file(name), atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(
            atPath: folder.file("holidays"), withIntermediateDirectories: true)
        for (calendar, text) in StarterPolicy.calendars {
            try text.write(
                toFile: folder.file("holidays/\(calendar).yaml"), atomically: true, encoding: .utf8)
        }
        return folder.file(name)
    }

    @Test("check names file, line and key, and a calendar that is missing; a good one is listed")
    func check() throws {
        let folder = try TemporaryFolder()
        let good = try policy(in: folder, "good.yaml")
        var outcome = try CommandLineProgram.run(["policy", "check", good])
        #expect(outcome.code == 0)
        #expect(outcome.output.contains("relay.message") && outcome.output.contains("dial→reveal"))
        let bad = try policy(in: folder, "bad.yaml", replacing: "hours: any", with: "hours: sometimes")
        outcome = try CommandLineProgram.run(["policy", "check", bad])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("bad.yaml:"), "\(outcome.messages)")
        #expect(outcome.messages.contains(".hours"), "\(outcome.messages)")
        try FileManager.default.removeItem(atPath: folder.file("holidays/au-national.yaml"))
        outcome = try CommandLineProgram.run(["policy", "check", good])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("holidays/au-national.yaml"), "\(outcome.messages)")
    }

    @Test("a production vault begins with the whole catalogue and its holidays")
    func production() throws {
        let folder = try TemporaryFolder()
        let passphrase = folder.file("passphrase")
        try "correct horse battery staple\n".write(toFile: passphrase, atomically: true, encoding: .utf8)
        let data = folder.file("var")
        let made = try CommandLineProgram.run([
            "init", "--data", data, "--issuer", "https://vault.example", "--passphrase-file", passphrase,
        ])
        #expect(made.code == 0, "\(made.messages)")
        let shown = try CommandLineProgram.run(["policy", "show", "--data", data])
        #expect(shown.output.contains("starter-catalogue") && shown.output.contains("estate.outreach"))
        let same = try CommandLineProgram.run(["policy", "diff", data + "/policy.yaml", "--data", data])
        #expect(same.code == 0 && same.output.isEmpty, "\(same.output)\(same.messages)")
    }

    @Test("tightening is in force at once, loosening waits for another person, beside a service and without")
    func apply() throws {
        let vault = try ServedVault()
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let demonstration = try CommandLineProgram.run(["policy", "show", "--text", "--data", vault.data])
            .output
        func write(_ name: String, _ old: String, _ new: String) throws -> String {
            let path = vault.folder.file(name)
            try demonstration.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
        let tighter = try write("tighter.yaml", "hours: any", "hours: 00:00-23:59")
        let looser = try write("looser.yaml", "uses: 1}", "uses: 9}")
        for isServed in [false, true] {
            if isServed { try vault.start() }
            let diff = try CommandLineProgram.run(["policy", "diff", looser, "--data", vault.data])
            #expect(diff.code == 1)
            #expect(diff.output.contains("loosens") && diff.output.contains("token.uses"), "\(diff.output)")
            let applied = try CommandLineProgram.run(["policy", "apply", tighter, "--data", vault.data])
            #expect(applied.code == 0, "\(applied.messages)")
            #expect(
                applied.messages.contains(isServed ? "means the same" : "in force"), "\(applied.messages)")
            let waiting = try CommandLineProgram.run(["policy", "apply", looser, "--data", vault.data])
            #expect(waiting.code == 0 && waiting.messages.contains("waits for a second person"))
            let id = try #require(waiting.output.split(separator: "\n").last.map(String.init))
            #expect(id.hasPrefix("ap_"))
            let list = try CommandLineProgram.run(["approvals", "list", "--data", vault.data])
            #expect(list.output.contains(id) && list.output.contains("token.uses"), "\(list.output)")
            let own = try CommandLineProgram.run(["approvals", "approve", id, "--data", vault.data])
            #expect(own.code == 1 && own.messages.contains("asked for themselves"), "\(own.messages)")
            guard isServed else { continue }
            let approved = try CommandLineProgram.run([
                "approvals", "approve", id, "--client", "security-1", "--key", vault.keyFile("security-1"),
                "--issuer", vault.issuer,
            ])
            #expect(approved.code == 0, "\(approved.messages)")
            let shown = try CommandLineProgram.run(["policy", "show", "--text", "--data", vault.data])
            #expect(shown.output.contains("uses: 9}"))
            vault.stop()
        }
        #expect(try vault.verifyLog().code == 0)
    }

    @Test(
        "explain prints the rules in order with the one that decided; simulate prints a table; outcomes are reported"
    )
    func explainAndSimulate() throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let request = vault.folder.file("request.json")
        func explain(stage: String) throws -> CommandLineProgram.Outcome {
            try """
            {"client":"dialer-1","authorization_details":[{"type":"contact_access","actions":["dial"],\
            "purpose":"relay.message","identifier":"\(contact)","case":"cs_1","stage":"\(stage)","fields":["phone"],\
            "precondition":"unreachable_three_days","actor":{"kind":"human","id":"u_1"},"max_uses":1}]}
            """.write(toFile: request, atomically: true, encoding: .utf8)
            return try CommandLineProgram.run(["policy", "explain", request, "--data", vault.data])
        }
        let good = try explain(stage: "call_collection")
        #expect(
            good.code == 0 && good.output.contains("permit, form reveal"), "\(good.output)\(good.messages)")
        let bad = try explain(stage: "visit")
        #expect(bad.code == 1 && bad.output.contains("stage_not_allowed  ← decides"), "\(bad.output)")

        let access = [
            "--client", "dialer-1", "--key", vault.keyFile("dialer-1"), "--issuer", vault.issuer,
            "--purpose", "relay.message", "--action", "dial", "--case", "cs_1", "--precondition",
            "unreachable_three_days",
        ]
        let release = try CommandLineProgram.run(["release", contact.description, "--json"] + access)
        #expect(release.code == 0, "\(release.messages)")
        let id = try #require(
            release.output.split(separator: "\"").map(String.init).first { $0.hasPrefix("rl_") })
        let reported = try CommandLineProgram.run(
            [
                "outcomes", "report", id, "willing_to_repay", "--contact", contact.description, "--record-as",
                "of_1",
            ]
                + access)
        #expect(reported.code == 0 && reported.output.contains("of_1"), "\(reported.messages)")

        let tighter = vault.folder.file("tighter.yaml")
        let text = try CommandLineProgram.run(["policy", "show", "--text", "--data", vault.data]).output
        try text.replacing("stages: [call_collection]", with: "stages: [legal]")
            .write(toFile: tighter, atomically: true, encoding: .utf8)
        let simulated = try CommandLineProgram.run([
            "policy", "simulate", tighter, "--from", "2026-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z",
            "--data", vault.data,
        ])
        #expect(simulated.code == 0, "\(simulated.messages)")
        #expect(simulated.output.contains("stage_not_allowed"), "\(simulated.output)")
        #expect(simulated.messages.contains("1 of 1 would be decided otherwise"), "\(simulated.messages)")
        let missing = try CommandLineProgram.run(["outcomes", "missing", "--data", vault.data])
        #expect(missing.code == 0 && missing.messages.contains("0 missing"))
        let reviews = try CommandLineProgram.run(["review", "list", "--data", vault.data])
        #expect(reviews.code == 0 && reviews.messages.contains("0 waiting"))
        vault.stop()
    }

    @Test("facts are put on record at the terminal, and a number to be stopped comes by standard input alone")
    func facts() throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact(consent: nil)]).first)
        let evidence = vault.folder.file("evidence.txt")
        try "yes".write(toFile: evidence, atomically: true, encoding: .utf8)
        for arguments in [
            [
                "contacts", "consent", contact.description, "relay.message", "--notice", "n3",
                "--evidence-file", evidence,
            ],
            ["contacts", "authorise", contact.description, "--evidence-file", evidence],
            ["contacts", "authorise", contact.description, "--withdraw"],
            ["contacts", "reference", contact.description, "cp_1", "--kind", "complaint"],
            ["contacts", "consent", contact.description, "relay.message", "--withdraw"],
        ] {
            let outcome = try CommandLineProgram.run(arguments + ["--data", vault.data])
            #expect(outcome.code == 0, "\(arguments): \(outcome.messages)")
        }
        let none = try CommandLineProgram.run(["contacts", "suppress", "--data", vault.data])
        #expect(none.code == 1 && none.messages.contains("standard input"))
        let bad = try CommandLineProgram.run(
            ["contacts", "suppress", "--region", "CN", "--data", vault.data], input: "12345\n")
        #expect(bad.code == 1 && bad.messages.contains("phone"), "\(bad.messages)")
        #expect(!bad.messages.contains("12345"))
        let stopped = try CommandLineProgram.run(
            ["contacts", "suppress", "--region", "CN", "--data", vault.data], input: "138 0013 8000\n")
        #expect(stopped.code == 0, "\(stopped.messages)")
        let erased = try CommandLineProgram.run([
            "contacts", "erase", contact.description, "--data", vault.data,
        ])
        #expect(erased.code == 0, "\(erased.messages)")
        let again = try CommandLineProgram.run([
            "contacts", "show", contact.description, "--data", vault.data,
        ])
        #expect(again.code == 1 && again.messages.contains("contact_erased"), "\(again.messages)")
        #expect(try vault.importContacts([Invented.contact()]).count == 1)
        #expect(try vault.verifyLog().code == 0)
    }
}

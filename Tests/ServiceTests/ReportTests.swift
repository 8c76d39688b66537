// Reports as their readers get them: by command, over HTTP, and as pages in a browser.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Reports")
struct ReportTests {
    /// Looks at a page in headless Chromium.
    private func look(at path: String, _ width: Int) throws -> (code: Int32, output: String) {
        try IndependentAuditors.run(
            "/usr/bin/python3",
            ["-I", IndependentAuditors.folder + "/../Browser/check_page.py", path, String(width)])
    }

    /// At two widths: no console message, no request, nothing wider than the window.
    private func expectGoodPage(_ path: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for width in [390, 1280] {
            let (code, output) = try look(at: path, width)
            #expect(code == 0, "at \(width): \(output)", sourceLocation: sourceLocation)
        }
    }

    @Test("the look at a page finds what is too wide, a console message and a request")
    func badPages() throws {
        let folder = try TemporaryFolder()
        let words = "<!DOCTYPE html><meta charset=utf-8><p>" + String(repeating: "words ", count: 20)
        let policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
        for (name, html) in [
            ("wide", words + "<div style='width:2000px'>x</div>"), ("empty", "<!DOCTYPE html>"),
            ("console", words + "<script>console.error('no')</script>"),
            ("request", policy + words + "<img src='https://example.com/x.png'>"),
        ] {
            let path = folder.file(name + ".html")
            try html.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try look(at: path, 390).code == 1, "\(name)")
        }
    }

    @Test(
        "a contact's report by command: complete, proved, without staff, as JSON and as a page in two languages"
    )
    func subject() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 3)
        let contact = try #require(contacts.first)
        let json = try vault.command("log", "subject", contact.description).output
        let report = try JSONDecoder().decode(SubjectReportBody.self, from: Data(json.utf8))
        #expect(report.contact == contact.description && report.held?.phone == "138****8000")
        #expect(report.recipients.map(\.agency) == ["acme"] && report.recipients.map(\.releases) == [1])
        #expect(report.accesses.map(\.sequence) == Array(1...UInt64(report.accesses.count)))
        for word in ["u_1", "cs_1", "br_0", "dialer-1.jwk"] { #expect(!json.contains(word), "\(word)") }
        let policy = try LogTrustPolicy(parsing: report.policy)
        for access in report.accesses {
            let proof = try LogProofFile(parsing: Array(access.proof.utf8))
            #expect(proof.index == access.index)
            try proof.verify(leafHash: MerkleTree.leafHash(Array(access.leaf.utf8)), by: policy)
        }
        // One of them by the code of the Go checksum database.
        let (leaf, proof) = (vault.folder.file("leaf.json"), vault.folder.file("proof.txt"))
        try report.accesses[1].leaf.write(toFile: leaf, atomically: true, encoding: .utf8)
        try report.accesses[1].proof.write(toFile: proof, atomically: true, encoding: .utf8)
        let key = String(report.policy.split(separator: "\n")[0].dropFirst(4))
        let go = try IndependentAuditors.sumdb(["entry", leaf, proof, key])
        #expect(go.code == 0, "\(go.output)")

        for (language, word) in [("en", "How to check"), ("zh", "谁")] {
            let path = vault.folder.file("answer-\(language).html")
            try vault.command("log", "subject", contact.description, "--language", language, "--out", path)
            let page = try String(contentsOfFile: path, encoding: .utf8)
            #expect(page.contains("lang=\"\(language)") && page.contains("138****8000"))
            #expect(page.localizedCaseInsensitiveContains(word), "\(language) has no \(word)")
            #expect(!page.contains("<script"))
            for word in ["u_1", "cs_1", "br_0"] { #expect(!page.contains(word), "\(word)") }
            for access in report.accesses { #expect(page.contains(String(access.index))) }
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            try expectGoodPage(path)
        }
        let wrong = try CommandLineProgram.run([
            "log", "subject", contact.description, "--language", "de", "--data", vault.data,
        ])
        #expect(wrong.code == 2 || wrong.code == 64)
    }

    @Test(
        "the report on a time by command: pictures, questions, nothing from elsewhere; busy, empty and hostile"
    )
    func report() async throws {
        let (vault, _) = try await ServedVault.busy(contacts: 5)
        let path = vault.folder.file("report.html")
        try vault.command("log", "report", "--out", path)
        let page = try String(contentsOfFile: path, encoding: .utf8)
        for word in ["<svg", "acme", "relay.message", "token_spent", "Releases after a withdrawal"] {
            #expect(page.contains(word), "\(word)")
        }
        for word in ["<script", "http://", "https://", "<img", "<link", "url("] {
            #expect(!page.contains(word), "\(word)")
        }
        try expectGoodPage(path)
        let figures = try JSONDecoder().decode(
            LogReportBody.self, from: Data(try vault.command("log", "report", "--json").output.utf8))
        #expect(figures.days.counts.map(\.count).reduce(0, +) == 10)
        #expect(
            figures.answers.count == 11 && figures.answers.first { $0.question == "after-no" }?.count == 0)
        #expect(figures.denials.counts.map(\.values) == [["token_spent"]])

        let empty = vault.folder.file("empty.html")
        try vault.command("log", "report", "--until", "2020-01-01T00:00:00Z", "--out", empty)
        try expectGoodPage(empty)
        let outcome = try CommandLineProgram.run([
            "log", "report", "--out", path, "--since", "x", "--data", vault.data,
        ])
        #expect(outcome.code != 0)
    }

    @Test("an officer's program gets both over HTTP, and nobody else does")
    func overHTTP() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 2)
        let officer = try vault.client("intake-1")
        let path = "/v1/log/subjects/\(contacts[0])"
        func token(_ operation: AccessLogDetails.Operation) async throws -> ClientToken {
            try await officer.token(for: .accessLog(AccessLogDetails(operation: operation)))
        }
        func ask(
            _ method: String, _ path: String, body: String? = nil, _ operation: AccessLogDetails.Operation
        ) async throws -> VaultReply {
            try await officer.send(
                method, path, token: try await token(operation), body: body.map { Array($0.utf8) },
                limit: 1 << 21)
        }
        let report = try await ask("GET", path, .export)
        let body = try JSONDecoder().decode(SubjectReportBody.self, from: Data(report.body))
        #expect(body.contact == contacts[0].description)
        let page = try await ask("GET", path + "?page=zh", .export)
        #expect(String(decoding: page.body, as: UTF8.self).contains("lang=\"zh"))
        #expect(try await ask("GET", path + "?page=de", .export).status == 400)
        let figures = try await ask("POST", "/v1/log/report", body: "{}", .read)
        #expect(try JSONDecoder().decode(LogReportBody.self, from: Data(figures.body)).answers.count == 11)
        #expect(try await ask("GET", path, .read).status == 403)
        try await officer.shutdown()
        let dialer = try vault.client()
        await expectRefusal(400, "unauthorized_client") {
            _ = try await dialer.token(for: .accessLog(AccessLogDetails(operation: .export)))
        }
        try await dialer.shutdown()
    }

    @Test("holds, expiry and shards at the terminal")
    func retention() async throws {
        let vault = try ServedVault()
        let old = Invented.contact(0).replacing("2035-01-01", with: "2020-01-01")
        let contacts = try vault.importContacts([
            old, Invented.contact(1), old.replacing("br_0", with: "br_9"),
        ])
        try vault.start()
        let asked = try vault.command("log", "ask", "retention")
        #expect(
            asked.output.contains(contacts[0].description) && !asked.output.contains(contacts[1].description))
        try vault.command("contacts", "hold", contacts[2].description, "--reference", "matter-1")
        let refused = try CommandLineProgram.run([
            "contacts", "erase", contacts[2].description, "--data", vault.data,
        ])
        #expect(refused.code == 1 && refused.messages.contains("legal hold"), "\(refused.messages)")
        let expired = try vault.command("contacts", "expire")
        #expect(expired.messages.contains("erased 1 contacts past their day, 1 are held"))
        try vault.command("contacts", "hold", contacts[2].description, "--lift")
        #expect(try vault.command("contacts", "expire").messages.contains("erased 1 contacts"))
        let shards = try vault.command("log", "shards").output
        #expect(shards.contains("month") && shards.split(separator: "\n").count == 2)
        #expect(try vault.command("log", "expire", "--months", "36").messages.contains("removed what 0"))
        let short = try CommandLineProgram.run(["log", "expire", "--months", "12", "--data", vault.data])
        #expect(short.code != 0 && short.messages.contains("36"))
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("an export for a SIEM has one event of the class for each entry, in the exact form")
    func ocsf() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 2)
        let bundle = vault.folder.file("export")
        try vault.command("log", "export", bundle, "--ocsf")
        let events = try String(contentsOfFile: bundle + "/ocsf.jsonl", encoding: .utf8).split(
            separator: "\n"
        )
        .map { try JSONValue.parse(Array($0.utf8)).objectValue }
        let entries = try String(contentsOfFile: bundle + "/entries.jsonl", encoding: .utf8).split(
            separator: "\n")
        #expect(events.count == entries.count)
        for event in events {
            #expect(event?["class_uid"]?.integerValue == 6005 && event?["category_uid"]?.integerValue == 6)
            let activity = try #require(event?["activity_id"]?.integerValue)
            #expect(event?["type_uid"]?.integerValue == 600_500 + activity)
            #expect(event?["metadata"]?.objectValue?["version"]?.stringValue == "1.6.0")
            for required in ["actor", "src_endpoint", "severity_id", "time", "database"] {
                #expect(event?[required] != nil, "\(required)")
            }
        }
        let decrypted = events.filter { $0?["activity_id"]?.integerValue == 10 }
        #expect(decrypted.count == 4 && decrypted.count { $0?["status_id"]?.integerValue == 1 } == 2)
        #expect(
            decrypted.contains {
                $0?["unmapped"]?.objectValue?["contact"]?.stringValue == contacts[0].description
                    && $0?["actor"]?.objectValue?["user"]?.objectValue?["uid"]?.stringValue == "u_1"
            })
        let policy = vault.folder.file("trusted.txt")
        try ("log " + String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8) + "quorum none\n")
            .write(
                toFile: policy, atomically: true, encoding: .utf8)
        #expect(try CommandLineProgram.run(["log", "audit", bundle, "--policy", policy]).code == 0)
    }
}

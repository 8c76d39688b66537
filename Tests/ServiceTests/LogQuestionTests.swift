// Questions about the log as an officer asks them: at the terminal beside a running service, and over HTTP.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Questions about the log, at the terminal and over HTTP")
struct LogQuestionTests {
    @Test("filters, counts and the ready-made questions at the terminal; a number only from a file")
    func terminal() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 4)
        let denied = try vault.command("log", "entries", "--kind", "release", "--outcome", "deny").output
        #expect(denied.split(separator: "\n").count == 4 && denied.contains("token_spent"))
        let page = try vault.command("log", "entries", "--kind", "release", "--limit", "3")
        #expect(page.output.split(separator: "\n").count == 3 && page.messages.contains("--from "))
        let number = vault.folder.file("number")
        try "+86 138 0013 8002\n".write(toFile: number, atomically: true, encoding: .utf8)
        let about = try vault.command("log", "entries", "--number-file", number, "--json").output
        let bodies = try about.split(separator: "\n").map {
            try JSONDecoder().decode(LogEntryBody.self, from: Data($0.utf8))
        }
        #expect(bodies.count == 3 && bodies.allSatisfy { $0.contact == contacts[2].description })
        let counts = try vault.command("log", "count", "--kind", "release", "--by", "outcome", "--by", "why")
            .output
        #expect(counts.contains("permit") && counts.contains("token_spent"))
        let json = try vault.command("log", "count", "--kind", "release", "--by", "outcome", "--json").output
        let body = try JSONDecoder().decode(LogCountsBody.self, from: Data(json.utf8))
        #expect(Set(body.counts.map(\.count)) == [4])
        for question in ["after-no", "reveals", "actors", "weekdays", "replays", "keys"] {
            let outcome = try vault.command("log", "ask", question)
            #expect(outcome.messages.contains(": "), "\(question)")
        }
        #expect(try vault.command("log", "ask", "reveals").output.contains(contacts[3].description))
        for arguments in [
            ["log", "ask", "everything"], ["log", "count"], ["log", "count", "--by", "color"],
            ["log", "count", "--by", "kind", "--by", "kind"], ["log", "entries", "--kind", "secret"],
            ["log", "entries", "--since", "monday"],
            ["log", "entries", "--contact", contacts[0].description, "--number-file", number],
        ] {
            #expect(try CommandLineProgram.run(arguments + ["--data", vault.data]).code == 2, "\(arguments)")
        }
        vault.stop()
        let log = try String(contentsOfFile: vault.serviceLog, encoding: .utf8)
        #expect(!log.contains("13800138002"))
        #expect(try PersonalDataScan(["+8613800138002", "13800138002"]).findings(inFolder: vault.data) == [])
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("a finding of a question that must have none ends with 1")
    func finding() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.command("contacts", "stop", contact.description)
        try vault.start()
        let client = try vault.client()
        let token = try await client.token(for: .release(of: contact))
        await expectRefusal(403, "release-denied") {
            try await client.release(contact, action: #require(Action("dial")), token: token)
        }
        #expect(try vault.command("log", "ask", "after-no").output.isEmpty)
        try await client.shutdown()
        vault.stop()
    }

    @Test("over HTTP for a privacy client; malformed questions and other tokens are refused, with an entry")
    func overHTTP() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 4)
        let officer = try vault.client("intake-1")
        func post(
            _ path: String, _ body: String, _ operation: AccessLogDetails.Operation = .read
        ) async throws -> VaultReply {
            let token = try await officer.token(for: .accessLog(AccessLogDetails(operation: operation)))
            return try await officer.send(
                "POST", path, token: token, body: Array(body.utf8),
                headers: [("Content-Type", "application/json")],
                limit: 1 << 21)
        }
        let first = try await post("/v1/log/queries", #"{"kinds":["release"],"limit":5}"#)
        #expect(first.status == 200)
        let page = try JSONDecoder().decode(LogPageBody.self, from: Data(first.body))
        let (next, end) = (try #require(page.next), try #require(page.end))
        let second = try await post(
            "/v1/log/queries", #"{"kinds":["release"],"limit":5,"cursor":\#(next),"end":\#(end)}"#)
        let rest = try JSONDecoder().decode(LogPageBody.self, from: Data(second.body))
        #expect(page.entries.count == 5 && rest.entries.count == 3 && rest.next == nil)
        let byNumber = try await post("/v1/log/queries", #"{"number":"+8613800138001"}"#)
        let found = try JSONDecoder().decode(LogPageBody.self, from: Data(byNumber.body))
        #expect(
            found.entries.allSatisfy { $0.contact == contacts[1].description } && found.entries.count == 3)
        #expect(try await post("/v1/log/counts", #"{"by":["kind"]}"#).status == 200)
        #expect(try await post("/v1/log/questions/reveals", "{}").status == 200)
        #expect(try await post("/v1/log/questions/secrets", "{}").status == 404)
        for body in [
            "", "[]", #"{"kinds":"release"}"#, #"{"kinds":["x y"]}"#, #"{"limit":0}"#, #"{"limit":1001}"#,
            #"{"limit":"5"}"#, #"{"cursor":-1}"#, #"{"contact":"x"}"#, #"{"more":1}"#, #"{"from":1}"#,
            #"{"number":"+8613800138001","contact":"\#(contacts[0])"}"#,
        ] {
            #expect(try await post("/v1/log/queries", body).status == 400, "\(body)")
        }
        for body in ["{}", #"{"by":[]}"#, #"{"by":["kind","outcome","form"]}"#, #"{"by":["number"]}"#] {
            #expect(try await post("/v1/log/counts", body).status == 400, "\(body)")
        }
        #expect(try await post("/v1/log/queries", "{}", .export).status == 403)
        try await officer.shutdown()
        vault.stop()
        let reads = try vault.entries().map(\.entry).filter { $0.kind == .logRead }
        #expect(reads.contains { $0.basis?.text == "query.number" })
        #expect(reads.count { $0.outcome == .deny } == 18)
    }

    @Test(
        "a monitor without credentials builds the signed root from tiles, and gets nothing beyond the checkpoint"
    )
    func tiles() async throws {
        let vault = try ServedVault()
        _ = try vault.importContacts((0..<290).map { Invented.contact($0 % 90) })
        try vault.start()
        let client = try vault.client()
        let key = try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let checkpoint = try Checkpoint(
            verifying: try await client.checkpoint(), by: NoteVerifier(verifierKey: key))
        #expect(checkpoint.size > 290)
        func tile(_ level: UInt8, _ index: UInt64, _ width: Int) async throws -> [UInt8] {
            let path = TilePath(tile: TileID(level: level, index: index), width: width)
            let reply = try await client.send("GET", "/v1/log/tile/" + path.text)
            #expect(reply.status == 200 && reply.body.count == 32 * width, "\(path.text)")
            return reply.body
        }
        let left = try await tile(0, 0, 256)
        let right = try await tile(0, 1, Int(checkpoint.size) - 256)
        var frontier = Frontier()
        for hashes in [left, right] {
            for start in stride(from: 0, to: hashes.count, by: 32) {
                frontier.append(leafHash: Array(hashes[start..<start + 32]))
            }
        }
        #expect(frontier.root == checkpoint.root)
        // The level above has the root of the complete tile.
        var first = Frontier()
        for start in stride(from: 0, to: left.count, by: 32) {
            first.append(leafHash: Array(left[start..<start + 32]))
        }
        #expect(try await tile(1, 0, 1) == first.root)
        for path in [
            "0/001", "0/001.p/\(Int(checkpoint.size) - 256 + 40)", "1/000", "0/x000/000",
            "0/x073/x000/x000/x000/x000/000",
            "0/x036/x028/x797/x018/x963/967", "0/x035/x999/x999/x999/x999/999", "entries/000", "",
            "0",
        ] {
            let reply = try await client.send("GET", "/v1/log/tile/" + path)
            #expect(reply.status == 404, "\(path)")
        }
        try await client.shutdown()
        vault.stop()
    }
}

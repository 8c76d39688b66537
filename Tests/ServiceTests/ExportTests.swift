// An export as an officer makes it and a stranger checks it: by `log audit`, by a Python script that shares no line with this
// project, and by the note and tlog code of the Go checksum database. Every forgery is refused by all three.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

@Suite("Export and audit of the log")
struct ExportTests {
    private func policy(_ vault: ServedVault) throws -> String {
        let key = try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let path = vault.folder.file("trusted.txt")
        try "log \(key)\nquorum none\n".write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// The three auditors, with the file of the trusted key.
    private struct Auditors {
        let policy: String

        func ours(_ export: String, since: String? = nil) throws -> CommandLineProgram.Outcome {
            try CommandLineProgram.run(
                ["log", "audit", export, "--policy", policy] + (since.map { ["--since", $0] } ?? []))
        }

        func python(_ export: String) throws -> (code: Int32, output: String) {
            try IndependentAuditors.run(
                IndependentAuditors.python,
                ["-I", IndependentAuditors.folder + "/audit_export.py", export, try key])
        }

        func sumdb(_ arguments: String...) throws -> (code: Int32, output: String) {
            try IndependentAuditors.sumdb(arguments + [try key])
        }

        private var key: String {
            get throws {
                String(
                    try String(contentsOfFile: policy, encoding: .utf8).split(separator: "\n")[0].dropFirst(4)
                )
            }
        }

        func expectGood(_ export: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let outcome = try ours(export)
            #expect(outcome.code == 0, "\(outcome.messages)", sourceLocation: sourceLocation)
            let (code, output) = try python(export)
            #expect(code == 0 && output.hasPrefix("audited: "), "\(output)", sourceLocation: sourceLocation)
            let go = try sumdb("export", export)
            #expect(
                go.code == 0 && go.output.hasPrefix("audited: "), "\(go.output)",
                sourceLocation: sourceLocation)
        }

        func expectFault(
            _ export: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let outcome = try ours(export)
            #expect(
                outcome.code == 1 && outcome.messages.contains("not as it was signed"),
                "\(name): \(outcome.code) \(outcome.messages)", sourceLocation: sourceLocation)
            let (code, output) = try python(export)
            #expect(
                code == 1 && output.contains("fault:"), "\(name): \(output)", sourceLocation: sourceLocation)
            let go = try sumdb("export", export)
            #expect(
                go.code == 1 && go.output.contains("fault:"), "\(name): \(go.output)",
                sourceLocation: sourceLocation)
        }
    }

    /// A copy of an export with a file changed, and the manifest made to fit, as a forger would.
    private func forged(
        _ export: String, _ name: String, in vault: ServedVault,
        manifest: (inout ExportManifest) -> Void = { _ in }, _ change: ([UInt8]) throws -> [UInt8]
    ) throws -> String {
        let copy = vault.folder.file("forged-\(UUID().uuidString)")
        try FileManager.default.copyItem(atPath: export, toPath: copy)
        let path = copy + "/" + name
        let changed = try change(Array(try #require(FileManager.default.contents(atPath: path))))
        try Data(changed).write(to: URL(fileURLWithPath: path))
        let manifestPath = copy + "/manifest.json"
        var fitted = try ExportManifest(
            parsing: Array(try #require(FileManager.default.contents(atPath: manifestPath))))
        fitted.files[name] = ExportManifest.File(bytes: UInt64(changed.count), digest: SHA256.hash(changed))
        manifest(&fitted)
        try Data(fitted.bytes).write(to: URL(fileURLWithPath: manifestPath))
        return copy
    }

    /// Cuts the first entries off a forged export, with a proof that fits: every hash in it is true.
    private func cut(_ export: String, to first: Int, from vault: ServedVault) throws {
        func read(_ name: String) throws -> [UInt8] {
            Array(try #require(FileManager.default.contents(atPath: export + "/" + name)))
        }
        let leaves = lines(try read("entries.jsonl"))
        var edge = Frontier()
        for leaf in leaves.prefix(first) { edge.append(entry: leaf) }
        let whole = try RangeProof(parsing: try read("proof"))
        let proof = try RangeProof(
            first: UInt64(first), end: whole.end, edge: edge, consistency: whole.consistency)
        var manifest = try ExportManifest(parsing: try read("manifest.json"))
        manifest.first = UInt64(first)
        let shown = try lines(try read("disclosures.jsonl")).filter { line in
            (try JSONValue.parse(line).objectValue?["index"]?.integerValue ?? 0) >= first
        }
        manifest.disclosures = UInt64(shown.count)
        for (name, bytes) in [
            ("entries.jsonl", joined(Array(leaves.dropFirst(first)))), ("proof", Array(proof.text.utf8)),
            ("disclosures.jsonl", joined(shown)),
        ] {
            try Data(bytes).write(to: URL(fileURLWithPath: export + "/" + name))
            manifest.files[name] = ExportManifest.File(bytes: UInt64(bytes.count), digest: SHA256.hash(bytes))
        }
        try Data(manifest.bytes).write(to: URL(fileURLWithPath: export + "/manifest.json"))
    }

    private func lines(_ bytes: [UInt8]) -> [[UInt8]] {
        bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map(Array.init)
    }

    private func joined(_ lines: [[UInt8]]) -> [UInt8] { lines.flatMap { $0 + [0x0A] } }

    // MARK: Good exports

    @Test("the whole log, a time of it, and one contact's part: exported beside the service, audited by two")
    func exported() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 6)
        let auditors = Auditors(policy: try policy(vault))
        let whole = vault.folder.file("whole")
        let outcome = try vault.command("log", "export", whole)
        #expect(outcome.messages.contains("\"done\""), "progress as JSON lines: \(outcome.messages)")
        try auditors.expectGood(whole)
        let entries = lines(
            Array(try #require(FileManager.default.contents(atPath: whole + "/entries.jsonl"))))
        let parsed = try entries.map { try LogEntry(decoding: $0) }
        #expect(parsed.filter { $0.kind == .logExport }.count == 1)

        // A minute in the middle: the neighbours on both sides are there.
        let times = parsed.map(\.time)
        let from = times[times.count / 3]
        let part = vault.folder.file("part")
        try vault.command("log", "export", part, "--from", from.description, "--to", "2199-01-01T00:00:00Z")
        try auditors.expectGood(part)

        let subject = vault.folder.file("subject")
        try vault.command(
            "log", "export", subject, "--profile", "subject", "--contact", contacts[2].description)
        try auditors.expectGood(subject)
        let text = try String(contentsOfFile: subject + "/disclosures.jsonl", encoding: .utf8)
        #expect(!text.isEmpty)
        let shown = try text.split(separator: "\n").map { line in
            let object = try #require(try JSONValue.parse(Array(line.utf8)).objectValue)
            return try DisclosedParts.disclosures(
                in: Array(try #require(object["disclosures"]?.stringValue).utf8))
        }
        for disclosure in shown.flatMap(\.self) {
            switch disclosure.fact {
            case .contact(let contact): #expect(contact == contacts[2])
            case .sequence: break
            case .caseReference, .actor: Issue.record("a subject's export shows a case or staff")
            }
        }
        let security = vault.folder.file("security")
        try vault.command("log", "export", security, "--profile", "security")
        try auditors.expectGood(security)
        #expect(
            try CommandLineProgram.run([
                "log", "export", vault.folder.file("x"), "--profile", "subject", "--data", vault.data,
            ]).code == 2)
        // A second export into the same folder is refused.
        #expect(try CommandLineProgram.run(["log", "export", whole, "--data", vault.data]).code == 1)

        // The next export goes on from the last checkpoint.
        let next = vault.folder.file("next")
        try vault.command("log", "export", next, "--since", whole + "/checkpoint")
        #expect(try auditors.ours(next, since: whole + "/checkpoint").code == 0)
        #expect(try auditors.ours(whole, since: next + "/checkpoint").code == 1)
        vault.stop()
        // And without a service the same.
        let offline = vault.folder.file("offline")
        try vault.command("log", "export", offline)
        try auditors.expectGood(offline)
        #expect(try PersonalDataScan([Invented.phone, Invented.name]).findings(inFolder: offline) == [])
    }

    @Test("an export that was broken off goes on where it stopped, and is none before it is whole")
    func resumed() async throws {
        let (vault, _) = try await ServedVault.busy(contacts: 6)
        let auditors = Auditors(policy: try policy(vault))
        let folder = vault.folder.file("broken")
        // As a killed command leaves it: some entries, half a line, and the state before that line.
        let whole = vault.folder.file("whole")
        try vault.command("log", "export", whole)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["checkpoint", "proof", "policy.txt"] {
            try FileManager.default.copyItem(atPath: whole + "/" + name, toPath: folder + "/" + name)
        }
        func text(_ name: String) throws -> String {
            try String(contentsOfFile: whole + "/" + name, encoding: .utf8)
        }
        let leaves = try text("entries.jsonl").split(separator: "\n", omittingEmptySubsequences: false)
        let kept = leaves.prefix(3).joined(separator: "\n") + "\n"
        let table =
            try text("access.csv").components(separatedBy: "\r\n").prefix(4).joined(separator: "\r\n")
            + "\r\n"
        let shown = try text("disclosures.jsonl").split(separator: "\n").filter { line in
            let object = try JSONValue.parse(Array(line.utf8)).objectValue
            return object?["index"]?.integerValue ?? 99 < 3
        }
        let disclosures = shown.map { $0 + "\n" }.joined()
        try (kept + "{\"half").write(toFile: folder + "/entries.jsonl", atomically: true, encoding: .utf8)
        try disclosures.write(toFile: folder + "/disclosures.jsonl", atomically: true, encoding: .utf8)
        try (table + "3,").write(toFile: folder + "/access.csv", atomically: true, encoding: .utf8)
        let manifest = try ExportManifest(
            parsing: Array(try #require(FileManager.default.contents(atPath: whole + "/manifest.json"))))
        let state = JSONValue.object(
            JSONObject([
                ("request", .object(JSONObject([("profile", .string("officer"))]))),
                (
                    "plan",
                    .object(
                        JSONObject([
                            ("origin", .string(manifest.origin)), ("first", .integer(0)),
                            ("end", .integer(Int64(manifest.end))),
                            ("checkpoint", .string(try text("checkpoint"))),
                            ("proof", .string(try text("proof"))),
                            ("policy", .string(try text("policy.txt"))),
                        ]))
                ),
                ("next", .integer(3)), ("disclosures", .integer(Int64(shown.count))),
                ("byteOrderMark", .bool(false)), ("ocsf", .bool(false)),
                (
                    "lengths",
                    .object(
                        JSONObject([
                            ("entries.jsonl", .integer(Int64(kept.utf8.count))),
                            ("disclosures.jsonl", .integer(Int64(disclosures.utf8.count))),
                            ("access.csv", .integer(Int64(table.utf8.count))),
                        ]))
                ),
            ]))
        try state.canonicalText.write(
            toFile: folder + "/export-state.json", atomically: true, encoding: .utf8)
        #expect(try auditors.ours(folder).code == 1)
        let other = try CommandLineProgram.run([
            "log", "export", folder, "--profile", "security", "--data", vault.data,
        ])
        #expect(other.code == 1 && other.messages.contains("another export"))
        let outcome = try vault.command("log", "export", folder)
        #expect(outcome.messages.contains("going on at entry 3"))
        try auditors.expectGood(folder)
        for name in ["entries.jsonl", "access.csv"] {
            #expect(try text(name) == String(contentsOfFile: folder + "/" + name, encoding: .utf8), "\(name)")
        }
        vault.stop()
    }

    @Test("the proof of one entry verifies with the checksum database's code, and no changed one does")
    func proofOfOneEntry() async throws {
        let (vault, _) = try await ServedVault.busy(contacts: 6)
        let auditors = Auditors(policy: try policy(vault))
        let folder = vault.folder.file("proof")
        try vault.command("log", "prove", "9", "--out", folder)
        vault.stop()
        let (leaf, proof) = (folder + "/entry.json", folder + "/proof.txt")
        let good = try auditors.sumdb("entry", leaf, proof)
        #expect(good.code == 0 && good.output.contains("entry 9"), "\(good.output)")
        let (leafText, proofText) = (
            try String(contentsOfFile: leaf, encoding: .utf8),
            try String(contentsOfFile: proof, encoding: .utf8)
        )
        var lines = proofText.components(separatedBy: "\n")
        lines.swapAt(2, 3)
        for (name, leafText, proofText) in [
            ("another leaf", leafText.replacing("permit", with: "deny"), proofText),
            ("another place", leafText, proofText.replacing("index 9", with: "index 8")),
            ("hashes swapped", leafText, lines.joined(separator: "\n")),
            ("a line feed more", leafText + "\n", proofText),
        ] {
            try leafText.write(toFile: leaf, atomically: true, encoding: .utf8)
            try proofText.write(toFile: proof, atomically: true, encoding: .utf8)
            let outcome = try auditors.sumdb("entry", leaf, proof)
            #expect(outcome.code == 1 && outcome.output.contains("fault:"), "\(name): \(outcome.output)")
        }
    }

    // MARK: Forged exports

    @Test(
        "a flipped byte, swapped, dropped, added or repeated leaves, and everything about the checkpoint: refused by both"
    )
    func forgeries() async throws {
        let (vault, _) = try await ServedVault.busy(contacts: 6)
        let auditors = Auditors(policy: try policy(vault))
        let export = vault.folder.file("export")
        let early = vault.folder.file("early")
        try vault.command("log", "export", early)
        try vault.command("log", "export", export)
        vault.stop()
        try auditors.expectGood(export)

        func forge(
            _ name: String, _ file: String, manifest: (inout ExportManifest) -> Void = { _ in },
            _ change: ([UInt8]) throws -> [UInt8]
        ) throws {
            try auditors.expectFault(try forged(export, file, in: vault, manifest: manifest, change), name)
        }
        func swap(_ text: String, _ other: String) -> ([UInt8]) throws -> [UInt8] {
            { bytes in
                let before = String(decoding: bytes, as: UTF8.self)
                try #require(before.contains(text), "\(text)")
                return Array(before.replacing(text, with: other, maxReplacements: 1).utf8)
            }
        }
        // Leaves.
        try forge("an outcome that was deny", "entries.jsonl", swap("\"out\":\"deny\"", "\"out\":\"permit\""))
        try forge("another client", "entries.jsonl", swap("dialer-1", "dialer-2"))
        try forge("one digit of a time", "entries.jsonl") { bytes in
            var lines = self.lines(bytes)
            let place = try #require(lines[4].lastIndex { (0x30...0x38).contains($0) })
            lines[4][place] += 1
            return self.joined(lines)
        }
        try forge("two leaves swapped", "entries.jsonl") { bytes in
            var lines = self.lines(bytes)
            lines.swapAt(5, 6)
            return self.joined(lines)
        }
        try forge("the last leaf dropped", "entries.jsonl") { self.joined(Array(self.lines($0).dropLast())) }
        try forge(
            "the last leaf dropped, and the manifest with it", "entries.jsonl", manifest: { $0.end -= 1 }
        ) {
            self.joined(Array(self.lines($0).dropLast()))
        }
        try forge("a leaf in the middle dropped", "entries.jsonl") { bytes in
            var lines = self.lines(bytes)
            lines.remove(at: 7)
            return self.joined(lines)
        }
        try forge("a leaf twice", "entries.jsonl") { bytes in
            var lines = self.lines(bytes)
            lines.insert(lines[7], at: 7)
            return self.joined(lines)
        }
        try forge("CRLF between leaves", "entries.jsonl") { $0.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] } }
        try forge("white space in a leaf", "entries.jsonl", swap("{\"", "{ \""))
        // The checkpoint.
        let old = try String(contentsOfFile: early + "/checkpoint", encoding: .utf8)
        try forge("an older checkpoint with newer leaves", "checkpoint") { _ in Array(old.utf8) }
        try forge("another origin", "checkpoint", swap("127.0.0.1", "127.0.0.2"))
        try forge("a leading zero in the size", "checkpoint") { bytes in
            var lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\n")
            lines[1] = "0" + lines[1]
            return Array(lines.joined(separator: "\n").utf8)
        }
        try forge("CRLF in the note", "checkpoint") { $0.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] } }
        try forge("a root in another spelling of base64", "checkpoint") { bytes in
            var lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\n")
            // The last character before the padding carries two bits that are not used.
            let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
            var root = Array(lines[2])
            let place = try #require(alphabet.firstIndex(of: root[42]))
            root[42] = alphabet[place ^ 1]
            lines[2] = String(root)
            return Array(lines.joined(separator: "\n").utf8)
        }
        let stranger = try NoteSigner(
            name: Checkpoint(parsing: SignedNote(parsing: Array(old.utf8)).text).origin,
            key: SigningKey(generating: .ed25519))
        try forge("signed by another key", "checkpoint") { bytes in
            Array(try stranger.sign(try SignedNote(parsing: bytes).text).serialized.utf8)
        }
        // The proof.
        try forge("a proof of fewer entries", "proof", swap("end ", "end 1"))
        try forge("a proof without its last hash", "proof") { bytes in
            let lines = self.lines(bytes)
            return lines.count > 5 ? self.joined(Array(lines.dropLast())) : Array("none\n".utf8)
        }
        // Disclosures.
        try forge("the disclosures of one entry under another", "disclosures.jsonl") { bytes in
            let lines = self.lines(bytes).map { String(decoding: $0, as: UTF8.self) }
            let texts = try lines.map { try #require(try JSONValue.parse(Array($0.utf8)).objectValue) }
            let (one, two) = (texts[0], texts[1])
            func line(_ index: JSONValue?, _ text: JSONValue?) -> [UInt8] {
                JSONValue.object(
                    JSONObject([("index", index ?? .null), ("disclosures", text ?? .null)])
                ).canonicalBytes
            }
            let changed =
                [line(one["index"], two["disclosures"]), line(two["index"], one["disclosures"])]
                + self.lines(bytes).dropFirst(2)
            return self.joined(changed)
        }
        // What the exporter says of itself, and what only ours can judge.
        func rewritten(
            _ name: String, _ source: String, manifest change: (inout ExportManifest) -> Void
        ) throws {
            let copy = try forged(source, "entries.jsonl", in: vault, manifest: change) { $0 }
            let outcome = try auditors.ours(copy)
            #expect(outcome.code == 1, "\(name): \(outcome.output)")
        }
        try rewritten("a time that was not asked for", export) { $0.to = Timestamp("2020-01-01T00:00:00Z") }
        try rewritten("a beginning after everything", export) { $0.from = Timestamp("2190-01-01T00:00:00Z") }
        try rewritten("a subject's that shows staff", export) { manifest in
            manifest.profile = .subject
            manifest.contact = ContactID(bytes: Array(1...16))
        }
        try rewritten("another contact's", export) { $0.contact = ContactID(bytes: Array(1...16)) }
        let empty = try forged(export, "disclosures.jsonl", in: vault) { bytes in
            let first = try #require(try JSONValue.parse(self.lines(bytes)[0]).objectValue)
            let line = JSONObject([("index", first["index"] ?? .null), ("disclosures", .string(""))])
            return JSONValue.object(line).canonicalBytes + [0x0A]
                + self.joined(Array(self.lines(bytes).dropFirst()))
        }
        #expect(try auditors.ours(empty).code == 1)
        // A slice that says it is everything: true leaves, true proof.
        let slice = try forged(export, "disclosures.jsonl", in: vault) { $0 }
        try self.cut(slice, to: 5, from: vault)
        #expect(try auditors.ours(slice).messages.contains("missing"))
        // What only ours sees, because it knows what the files are for.
        let bare = try forged(export, "entries.jsonl", in: vault) { $0 }
        try Data("x".utf8).write(to: URL(fileURLWithPath: bare + "/note.txt"))
        #expect(try auditors.ours(bare).messages.contains("note.txt"))
        try FileManager.default.removeItem(atPath: bare + "/note.txt")
        #expect(try auditors.ours(bare).code == 0)
        let heldBack = try forged(export, "disclosures.jsonl", in: vault, manifest: { $0.disclosures -= 1 }) {
            bytes in
            // One entry about a contact is held back, in the middle of its sequence.
            // Six intakes, then of each contact a release and a denial: the seventh is a release with one after it.
            var lines = self.lines(bytes)
            lines.remove(at: 6)
            return self.joined(lines)
        }
        #expect(try auditors.ours(heldBack).messages.contains("is missing before it"))
        let own = bare + "/policy.txt"
        #expect(try CommandLineProgram.run(["log", "audit", bare, "--policy", own]).code == 0)
        for text in ["", "log x\n", "quorum none\n", "witness w1 x\n"] {
            let bad = vault.folder.file("bad.txt")
            try text.write(toFile: bad, atomically: true, encoding: .utf8)
            #expect(
                try CommandLineProgram.run(["log", "audit", export, "--policy", bad]).code == 1, "\(text)")
        }
    }

    @Test("cells that a spreadsheet would take for a formula are not")
    func formulas() async throws {
        let (vault, _) = try await ServedVault.busy(contacts: 6)
        let marked = vault.folder.file("marked")
        try vault.command("log", "export", marked, "--byte-order-mark")
        vault.stop()
        let bytes = Array(try #require(FileManager.default.contents(atPath: marked + "/access.csv")))
        #expect(Array(bytes.prefix(3)) == [0xEF, 0xBB, 0xBF])
        let rows = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        #expect(rows.last == "" && rows.count > 20)
        for cell in rows.flatMap({ $0.components(separatedBy: ",") }) {
            #expect(!"=+-@".contains(cell.first ?? "x"), "\(cell)")
        }
    }

    @Test("a privacy client exports over HTTP within its token's time, and nobody else")
    func overHTTP() async throws {
        let (vault, contacts) = try await ServedVault.busy(contacts: 6)
        let officer = try vault.client("intake-1")
        let dialer = try vault.client()
        func post(
            _ client: VaultClient, _ path: String, _ details: AuthorizationDetails, _ body: String
        ) async throws -> VaultReply {
            let token = try await client.token(for: details)
            return try await client.send(
                "POST", path, token: token, body: Array(body.utf8),
                headers: [("Content-Type", "application/json")],
                limit: 1 << 22)
        }
        let export = AuthorizationDetails.accessLog(try AccessLogDetails(operation: .export))
        let begun = try await post(officer, "/v1/log/exports", export, #"{"profile":"officer"}"#)
        #expect(begun.status == 201)
        let plan = try JSONDecoder().decode(ExportPlanBody.self, from: Data(begun.body))
        let page = try await post(
            officer, "/v1/log/exports/entries?first=0&end=\(plan.end)", export, #"{"profile":"officer"}"#)
        #expect(page.status == 200 && page.body.split(separator: 0x0A).count == Int(plan.end))
        for (details, status) in [
            (AuthorizationDetails.accessLog(try AccessLogDetails(operation: .read)), 403),
            (.accessLog(try AccessLogDetails(operation: .prove)), 403),
        ] {
            #expect(
                try await post(officer, "/v1/log/exports", details, #"{"profile":"officer"}"#).status
                    == status)
        }
        #expect(
            try await post(dialer, "/v1/log/exports", .release(of: contacts[0]), #"{"profile":"officer"}"#)
                .status == 403)
        for body in [
            "", "{}", #"{"profile":"all"}"#,
            #"{"profile":"officer","destination":"https://elsewhere.example/log"}"#,
            #"{"profile":"officer","from":"x"}"#,
        ] {
            #expect(try await post(officer, "/v1/log/exports", export, body).status == 400, "\(body)")
        }
        #expect(try await post(officer, "/v1/log/exports", export, #"{"profile":"subject"}"#).status == 409)
        // A token for a time that is over discloses nothing of today.
        let past = AuthorizationDetails.accessLog(
            try AccessLogDetails(
                operation: .export, from: Timestamp("2020-01-01T00:00:00Z"),
                to: Timestamp("2020-02-01T00:00:00Z")))
        let bounded = try await post(
            officer, "/v1/log/exports/entries?first=0&end=\(plan.end)", past, #"{"profile":"officer"}"#)
        #expect(bounded.status == 200)
        #expect(!String(decoding: bounded.body, as: UTF8.self).contains("disclosures"))
        try await officer.shutdown()
        try await dialer.shutdown()
        vault.stop()
        let entries = try vault.entries().map(\.entry)
        #expect(entries.count { $0.kind == .logExport && $0.outcome == .permit } == 3)
        #expect(entries.count { $0.kind == .logExport && $0.outcome == .deny } > 5)
    }
}

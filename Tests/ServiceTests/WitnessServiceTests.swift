// A witness as an officer runs it: a process of its own, another folder, and a vault that asks it over HTTP.

import AccessLog
import ContactModel
import Foundation
import FoundationNetworking
import Testing
import VaultTesting

/// A witness process.
final class WitnessProcess: @unchecked Sendable {
    // Sendable holds because a test starts and stops it from one task.
    private let process = Process()
    let url: String

    init(_ folder: String, port: Int = 0) throws {
        process.executableURL = URL(fileURLWithPath: CommandLineProgram.path)
        process.arguments = ["log", "witness", "serve", folder, "--listen", "127.0.0.1:\(port)"]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        var line = ""
        while !line.hasSuffix("\n") {
            let bytes = output.fileHandleForReading.availableData
            guard !bytes.isEmpty else { throw DidNotStart() }
            line += String(decoding: bytes, as: UTF8.self)
        }
        let word = line.split(whereSeparator: { " \n".contains($0) }).first { $0.hasPrefix("witness=") }
        url = String(try #require(word).dropFirst("witness=".count))
    }

    struct DidNotStart: Error {}

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }
}

@Suite("Witness as a service")
struct WitnessServiceTests {
    private func post(
        _ body: String, to url: String
    ) async throws -> (status: Int, type: String?, body: String) {
        var request = URLRequest(url: try #require(URL(string: url + "/add-checkpoint")))
        request.httpMethod = "POST"
        request.httpBody = Data(body.utf8)
        let (data, response) = try await URLSession.shared.data(for: request)
        let http = try #require(response as? HTTPURLResponse)
        return (
            http.statusCode, http.value(forHTTPHeaderField: "Content-Type"),
            String(decoding: data, as: UTF8.self)
        )
    }

    private func text(_ url: String) async throws -> String? {
        let (data, response) = try await URLSession.shared.data(from: try #require(URL(string: url)))
        guard (response as? HTTPURLResponse)?.statusCode == 200 else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// Asks until the vault has a witnessed checkpoint of at least a size.
    private func witnessed(_ vault: ServedVault, atLeast size: UInt64) async throws -> String {
        for _ in 0..<200 {
            if let note = try await text(vault.addresses.data + "/v1/log/checkpoint/witnessed"),
                try Checkpoint(parsing: SignedNote(parsing: Array(note.utf8)).text).size >= size
            {
                return note
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw NotWitnessed()
    }

    struct NotWitnessed: Error {}

    @Test(
        "a witness cosigns what the vault shows it, the cosigned checkpoint is served, and a data folder that was put back as a whole is found"
    )
    func rolledBack() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<3).map { Invented.contact($0) })
        #expect(contacts.count == 3)
        let folder = vault.folder.file("witness")
        let made = try CommandLineProgram.run([
            "log", "witness", "init", folder, "--name", "witness.example/1", "--log-key",
            vault.data + "/log.vkey",
        ])
        #expect(made.code == 0, "\(made.messages)")
        let key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let twice = try CommandLineProgram.run([
            "log", "witness", "init", folder, "--name", "witness.example/1", "--log-key",
            vault.data + "/log.vkey",
        ])
        #expect(twice.code == 1 && twice.messages.contains("already"))
        let witness = try WitnessProcess(folder)

        let logKey = try String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8)
            .trimmingCharacters(in: .newlines)
        let policyFile = vault.folder.file("log-policy.txt")
        try "log \(logKey)\nwitness w1 \(key) \(witness.url)\nquorum w1\n".write(
            toFile: policyFile, atomically: true, encoding: .utf8)
        try vault.configure("log:\n  witness_policy: \(policyFile)\n  witness_seconds: 1\n")
        try vault.start()
        let first = try await witnessed(vault, atLeast: 1)
        let policy = try LogTrustPolicy(parsing: String(contentsOfFile: policyFile, encoding: .utf8))
        let checkpoint = try policy.verify(SignedNote(parsing: Array(first.utf8)))

        // A copy of everything that the operator has.
        vault.stop()
        let copy = vault.folder.file("copy")
        try FileManager.default.copyItem(atPath: vault.data, toPath: copy)
        try vault.start()
        _ = try vault.command("log", "checkpoint")
        let later = try await witnessed(vault, atLeast: checkpoint.size + 2)

        // Whoever trusts the witness and not the vault: the Go code of the checksum database, and the witness itself.
        let noteFile = vault.folder.file("witnessed.txt")
        try later.write(toFile: noteFile, atomically: true, encoding: .utf8)
        let go = try IndependentAuditors.sumdb(["witnessed", noteFile, logKey, key])
        #expect(go.code == 0 && go.output.contains("cosigned by witness.example/1"), "\(go.output)")
        try later.replacing("— witness", with: "— witnesS").write(
            toFile: noteFile, atomically: true, encoding: .utf8)
        #expect(try IndependentAuditors.sumdb(["witnessed", noteFile, logKey, key]).code == 1)
        let origin = checkpoint.origin.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let remembered = try #require(try await text(witness.url + "/checkpoint?origin=\(origin)"))
        #expect(try policy.verify(SignedNote(parsing: Array(remembered.utf8))).size >= checkpoint.size + 2)

        // An export leads to a checkpoint that the witness has seen, and an auditor may insist on it.
        let bundle = vault.folder.file("export")
        try vault.command("log", "export", bundle)
        let audited = try CommandLineProgram.run(["log", "audit", bundle, "--policy", policyFile])
        #expect(audited.code == 0, "\(audited.messages)")
        let checkpointFile = bundle + "/checkpoint"
        let cosigned = try SignedNote(
            parsing: Array(String(contentsOfFile: checkpointFile, encoding: .utf8).utf8))
        #expect(try policy.isQuorum(of: cosigned))
        vault.stop()

        try FileManager.default.removeItem(atPath: vault.data)
        try FileManager.default.moveItem(atPath: copy, toPath: vault.data)
        let head = try vault.verifyLog()
        #expect(head.code == 0, "by itself the old copy is whole")
        let refused = try CommandLineProgram.run([
            "serve", "--data", vault.data, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
        ])
        #expect(refused.code == 1)
        #expect(refused.messages.contains("a witness has seen more of this log"), "\(refused.messages)")
        #expect(try vault.verifyLog().output == head.output, "nothing was written")
        #expect(witness.stop() == 0)
    }

    @Test("a store that was put back alone is refused by the signer's own memory, without any witness")
    func oldStore() async throws {
        let vault = try ServedVault()
        let old = try Data(contentsOf: URL(fileURLWithPath: vault.data + "/vault.sqlite"))
        _ = try vault.importContacts((0..<3).map { Invented.contact($0) })
        try old.write(to: URL(fileURLWithPath: vault.data + "/vault.sqlite"))
        let refused = try CommandLineProgram.run([
            "contacts", "show", "ct_AAECAwQFBgcICQoLDA0ODw", "--data", vault.data,
        ])
        #expect(refused.code == 1)
        #expect(
            refused.messages.contains("the store ends before what its signer has signed"),
            "\(refused.messages)")
    }

    @Test("a witness answers each refusal as C2SP tlog-witness says, and forgets nothing over a restart")
    func protocolAnswers() async throws {
        let vault = try ServedVault()
        let folder = vault.folder.file("witness")
        let made = try CommandLineProgram.run([
            "log", "witness", "init", folder, "--name", "witness.example/1", "--log-key",
            vault.data + "/log.vkey",
        ])
        #expect(made.code == 0)
        let mode =
            try FileManager.default.attributesOfItem(atPath: folder + "/witness.key")[.posixPermissions]
            as? Int
        #expect(mode == 0o600)
        func checkpoint() throws -> (note: String, size: UInt64) {
            let note = try vault.command("log", "checkpoint").output
            return (note, try Checkpoint(parsing: SignedNote(parsing: Array(note.utf8)).text).size)
        }
        var witness = try WitnessProcess(folder)
        let first = try checkpoint()
        let accepted = try await post("old 0\n\n\(first.note)", to: witness.url)
        #expect(accepted.status == 200)
        #expect(accepted.body.hasPrefix("— witness.example/1 ") && accepted.body.hasSuffix("\n"))
        _ = try vault.importContacts((0..<2).map { Invented.contact($0) })
        let second = try checkpoint()

        let conflict = try await post("old 0\n\n\(second.note)", to: witness.url)
        #expect(
            conflict.status == 409 && conflict.type == "text/x.tlog.size"
                && conflict.body == "\(first.size)\n")
        let noProof = try await post("old \(first.size)\n\n\(second.note)", to: witness.url)
        #expect(noProof.status == 422)
        let beyond = try await post("old 9999\n\n\(second.note)", to: witness.url)
        #expect(beyond.status == 400)
        #expect(try await post("old 0\n\(second.note)", to: witness.url).status == 400)
        let unsigned = second.note.replacing("— ", with: "— x")
        #expect(try await post("old \(first.size)\n\n\(unsigned)", to: witness.url).status == 403)
        let origin = try #require(second.note.split(separator: "\n").first)
        let foreign = second.note.replacing(origin, with: "other.example/log")
        #expect(try await post("old 0\n\n\(foreign)", to: witness.url).status == 404)

        #expect(witness.stop() == 0)
        witness = try WitnessProcess(folder)
        let again = try await post("old 0\n\n\(second.note)", to: witness.url)
        #expect(again.status == 409 && again.body == "\(first.size)\n", "it remembers")
        #expect(throws: WitnessProcess.DidNotStart.self, "one process a witness") {
            try WitnessProcess(folder)
        }
        #expect(witness.stop() == 0)
        try FileManager.default.removeItem(atPath: folder + "/seen.json")
        #expect(throws: WitnessProcess.DidNotStart.self, "a witness that forgot signs nothing") {
            try WitnessProcess(folder)
        }
    }
}

// The access log at the terminal.

import AccessLog
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import StrictEncoding
import VaultAPI

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Read, prove and verify the access log.",
        discussion: "Example: contact-vault log verify",
        subcommands: [
            LogVerify.self, LogEntries.self, LogProve.self, LogCheckpoint.self, LogExport.self,
            LogAuditCommand.self, LogCount.self, LogAsk.self, LogWitness.self,
            LogSubject.self, LogReportCommand.self, LogShards.self, LogExpire.self,
        ])
}

struct LogVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Recompute the whole log from the store and check every signed checkpoint.",
        discussion: """
            Needs no passphrase and disturbs no running service. Give --key with a key that you got elsewhere: the one \
            in the folder is only as good as the folder. Exit code 1 and the place of the first fault if something is \
            not as it was signed.

            Example: contact-vault log verify --key log.vkey
            """)

    @OptionGroup var options: DataOptions

    @Option(help: "File with the log's public keys, one a line; default log.vkey in the vault's folder.")
    var key: String?

    @Option(help: "File with a signed checkpoint that was kept elsewhere; the log must go on from it.")
    var checkpoint: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let folder = options.folder
        try folder.requireVault()
        let verifiers = try LogWitness.logKeys(key ?? folder.logKey)
        let store = try await folder.openStoreForReading()
        let pinned = try checkpoint.map { Array(try VaultFolder.read($0).utf8) }
        let verified = try await LogVerification.run(store, by: verifiers, pinned: pinned) { read in
            if read % 262_144 == 0 { Terminal.message("read \(read) entries") }
        }
        try await store.close()
        let root = Base64.encode(verified.root)
        if json {
            let object = JSONObject([
                ("entries", .integer(Int64(verified.size))), ("root", .string(root)),
                ("checkpoints", .integer(Int64(verified.checkpoints))),
                ("signed", .integer(Int64(verified.signedSize))),
                ("removed", .integer(Int64(verified.removed))),
            ])
            Terminal.result(JSONValue.object(object).canonicalText)
        } else {
            Terminal.result(
                "verified: \(verified.size) entries, root \(root), \(verified.checkpoints) checkpoints signed by "
                    + "\(verifiers.first?.name ?? ""), \(verified.size - verified.signedSize) entries not yet signed"
            )
            if verified.removed > 0 {
                Terminal.result(
                    "of the first \(verified.removed) entries only the hashes are there: retention removed what they said"
                )
            }
        }
    }
}

struct LogEntries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entries",
        abstract: "Show entries with what they disclose; the look is logged.",
        discussion:
            "Example: contact-vault log entries --kind release --outcome deny --since 2026-01-01T00:00:00Z")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var filter: LogFilterOptions

    @Option(help: "First position.")
    var from: UInt64 = 0

    @Option(help: "How many, at most 1,000.")
    var limit: UInt64 = 100

    @Flag(help: "Print JSON Lines: the exact leaf and the disclosed parts.")
    var json = false

    func validate() throws {
        guard (1...1000).contains(limit), from <= UInt64(Int64.max) - limit else {
            throw ValidationError("--limit: use 1 to 1000, and --from a position of the log")
        }
    }

    func run() async throws {
        var query = try filter.body()
        let isFiltered = query != LogQueryBody()
        query.cursor = from
        query.limit = limit
        let asked = query
        let page = try await options.folder.withSession(passphrase) { session in
            isFiltered ? try await session.query(asked) : try await session.entries(from: from, limit: limit)
        }
        if isFiltered, let next = page.next { Terminal.message("there may be more: --from \(next)") }
        for entry in page.entries {
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                Terminal.result(String(decoding: try encoder.encode(entry), as: UTF8.self))
            } else {
                Terminal.result(try Self.line(entry))
            }
        }
    }

    /// One entry as columns: position, time, kind, outcome, who, why, about whom.
    private static func line(_ body: LogEntryBody) throws -> String {
        let entry = try LogEntry(decoding: Array(body.leaf.utf8))
        var columns = [
            String(body.index), entry.time.descriptionWithMilliseconds, entry.kind.rawValue,
            entry.outcome.rawValue,
        ]
        if let reason = entry.reason { columns.append("why=\(reason)") }
        if let basis = entry.basis { columns.append("basis=\(basis)") }
        if let client = entry.client { columns.append("client=\(client)") }
        if let purpose = entry.purpose { columns.append("purpose=\(purpose)") }
        if let action = entry.action { columns.append("action=\(action)") }
        if let form = entry.form { columns.append("form=\(form.rawValue)") }
        if let use = entry.use, let maximum = entry.maximumUses { columns.append("use=\(use)/\(maximum)") }
        if let count = entry.count { columns.append("count=\(count)") }
        if let contact = body.contact { columns.append("contact=\(contact)") }
        if let sequence = body.sequence { columns.append("seq=\(sequence)") }
        if let caseReference = body.caseReference { columns.append("case=\(caseReference)") }
        if let actor = body.actor { columns.append("actor=\(actor)") }
        return columns.joined(separator: "  ")
    }
}

struct LogProve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Write the proof that an entry is in the log (C2SP tlog-proof).",
        discussion: """
            Prints the proof. With --out DIR writes entry.json, the exact leaf, and proof.txt, which together with the \
            log's public key is all that a third party needs.

            Example: contact-vault log prove 7 --out proof-of-entry-7
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "Position of the entry.")
    var index: UInt64

    @Option(help: "Folder to write entry.json and proof.txt into.")
    var out: String?

    func run() async throws {
        let (leaf, proof) = try await options.folder.withSession(passphrase) { session in
            // A checkpoint that covers the entry, if it is a fresh one.
            _ = try await session.checkpoint()
            return try await session.proof(of: index)
        }
        guard let out else { return Terminal.result(proof) }
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        try VaultFolder.write(leaf, to: out + "/entry.json")
        try VaultFolder.write(proof, to: out + "/proof.txt")
        Terminal.message("wrote \(out)/entry.json and \(out)/proof.txt")
    }
}

struct LogCheckpoint: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Sign the log's present head and print the signed note.",
        discussion: "Example: contact-vault log checkpoint")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    func run() async throws {
        let note = try await options.folder.withSession(passphrase) { try await $0.checkpoint() }
        Terminal.result(note.trimmingCharacters(in: .newlines))
    }
}

// Reports for people, and what retention leaves of the log.

import AccessLog
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import VaultAPI
import VaultService

struct LogSubject: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subject",
        abstract: "Answer a contact that asks who saw its number, when and why; logged.",
        discussion: """
            What is held (masked), where it came from, consents, recipients, and every entry about the contact with its proof, \
            without staff and cases. JSON, or with --language a page to print.

            Example: contact-vault log subject ct_… --language zh --out answer.html
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    @Option(help: "en or zh: a page in that language instead of JSON.")
    var language: String?

    @Option(help: "File to write, for its owner alone; standard output otherwise.")
    var out: String?

    func validate() throws {
        guard language == nil || language == "en" || language == "zh" else {
            throw ValidationError("--language: use en or zh")
        }
    }

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        let report = try await options.folder.withSession(passphrase) {
            try await $0.subjectReport(id, language: language)
        }
        try LogReportCommand.give(report, out)
    }
}

struct LogReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract:
            "Write a report on a time: figures, pictures, and every ready-made question answered; logged.",
        discussion: """
            One HTML file that loads nothing from elsewhere.

            Example: contact-vault log report --since 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z --out january.html
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Option(help: "About the time from this moment on; RFC 3339. None means from the beginning.")
    var since: String?

    @Option(help: "And before this one; RFC 3339. None means up to now.")
    var until: String?

    @Option(help: "File to write, for its owner alone; standard output otherwise.")
    var out: String?

    @Flag(help: "Print the figures as JSON instead.")
    var json = false

    func run() async throws {
        let from = try since.map { try AgencyEntrust.moment($0, "--since").description }
        let to = try until.map { try AgencyEntrust.moment($0, "--until").description }
        let report = try await options.folder.withSession(passphrase) {
            try await $0.report(from: from, to: to, asPage: !json)
        }
        try Self.give(report, out)
    }

    static func give(_ text: String, _ out: String?) throws {
        guard let out else { return Terminal.result(text) }
        try VaultFolder.write(text, to: out)
        Terminal.message("wrote \(out)")
    }
}

struct LogShards: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shards", abstract: "Show the months of the log, and what retention has removed of it.",
        discussion: "Example: contact-vault log shards")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let shards = try await options.folder.withSession(passphrase) { try await $0.shards() }
        if json { return try shards.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable(["month", "first", "end", "entries", "last checkpoint"])
        for shard in shards {
            let isRemoved = shard.removed > 0
            table.add([
                isRemoved ? "removed" : shard.month, String(shard.first), String(shard.end),
                isRemoved ? "hashes only" : String(shard.end - shard.first),
                shard.checkpoint.map { String($0) } ?? "-",
            ])
        }
        table.print()
    }
}

struct LogExpire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expire",
        abstract:
            "Remove what entries of old months said; their hashes stay, and every proof still verifies.",
        discussion: """
            Entries of the last 36 months cannot be removed. The service does this by itself with log.retention_months.

            Example: contact-vault log expire --months 36
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Option(help: "Whole months to keep, 36 or more.")
    var months: Int

    func run() async throws {
        guard (Limits.logRetentionMonths...1200).contains(months) else {
            throw ValidationError("--months: use 36 to 1200")
        }
        let removed = try await options.folder.withSession(passphrase) {
            try await $0.expireLog(months: months)
        }
        Terminal.message("removed what \(removed) entries said")
    }
}

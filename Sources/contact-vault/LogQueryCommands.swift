// Questions about the log at the terminal. Every one is an access and is logged.

import AccessLog
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import StrictEncoding
import VaultAPI

/// What entries are wanted.
struct LogFilterOptions: ParsableArguments {
    @Option(help: "Entries from this moment on; RFC 3339, such as 2026-01-01T00:00:00Z.")
    var since: String?

    @Option(help: "And before this one.")
    var until: String?

    @Option(help: "A kind, such as release or consent.withdraw; may be repeated.")
    var kind: [String] = []

    @Option(help: "permit, deny, error or redelivered; may be repeated.")
    var outcome: [String] = []

    @Option(help: "The client.")
    var client: String?

    @Option(help: "The agency.")
    var agency: String?

    @Option(help: "The purpose.")
    var purpose: String?

    @Option(help: "The action.")
    var action: String?

    @Option(help: "reveal, seal, mask or match.")
    var form: String?

    @Option(help: "The code of a denial, such as stop_flag.")
    var why: String?

    @Option(help: "Version of the key-encryption key.")
    var kek: UInt32?

    @Option(help: "The contact, ct_….")
    var contact: String?

    @Option(help: "File with a phone number, - for standard input: entries about whoever has it now.")
    var numberFile: String?

    @Option(name: .customLong("case"), help: "The case.")
    var caseReference: String?

    @Option(help: "The person or program on whose behalf, without the kind.")
    var actor: String?

    func body() throws -> LogQueryBody {
        var body = LogQueryBody()
        body.from = try since.map { try AgencyEntrust.moment($0, "--since").description }
        body.to = try until.map { try AgencyEntrust.moment($0, "--until").description }
        if !kind.isEmpty { body.kinds = try kind.map { try Self.kind($0) } }
        if !outcome.isEmpty {
            body.outcomes = try outcome.map { text in
                guard EntryOutcome(rawValue: text) != nil else {
                    throw ValidationError("--outcome: use permit, deny, error or redelivered")
                }
                return text
            }
        }
        body.client = try client.map { try ClientAdd.reference($0, "--client").text }
        body.agency = try agency.map { try ClientAdd.reference($0, "--agency").text }
        body.purpose = try purpose.map { try ClientAdd.purpose($0).text }
        body.action = action
        body.form = form
        body.why = why
        body.kek = kek
        body.contact = try contact.map { try ContactsShow.contact($0).description }
        body.caseReference = try caseReference.map { try ClientAdd.reference($0, "--case").text }
        body.actor = try actor.map { try ClientAdd.reference($0, "--actor").text }
        if let numberFile {
            guard contact == nil else { throw ValidationError("--number-file: not together with --contact") }
            let bytes = try LineFile.bytes(numberFile, limit: Limits.phoneInputBytes)
            body.number = String(decoding: bytes, as: UTF8.self).trimmingCharacters(
                in: .whitespacesAndNewlines)
        }
        return body
    }

    private static func kind(_ text: String) throws -> String {
        guard EntryKind(rawValue: text) != nil else {
            throw ValidationError("--kind: there is no kind \(text); see docs/spec/access-log.md")
        }
        return text
    }
}

struct LogCount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count",
        abstract: "Count entries by one or two of their properties; logged.",
        discussion: """
            Properties: \(LogDimension.allCases.map(\.rawValue).joined(separator: ", ")). Days and hours are UTC.

            Example: contact-vault log count --kind release --by purpose --by outcome
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var filter: LogFilterOptions

    @Option(help: "What to count by; once or twice.")
    var by: [String]

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        guard (1...2).contains(by.count), Set(by).count == by.count else {
            throw ValidationError("--by: give one or two different properties")
        }
        let _: [LogDimension] = try by.map { try ClientAdd.choice($0, "--by") }
        var body = try filter.body()
        body.by = by
        let question = body
        let answer = try await options.folder.withSession(passphrase) { try await $0.counts(question) }
        if json { return Terminal.result(try Terminal.json(answer)) }
        var table = TerminalTable(answer.by + ["entries"])
        for count in answer.counts {
            table.add(count.values.map { $0.isEmpty ? "-" : $0 } + [String(count.count)])
        }
        table.print()
    }
}

struct LogAsk: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask",
        abstract: "Ask the log one of an officer's ready-made questions; logged.",
        discussion: """
            \(LogQuestion.allCases.map { "\($0.rawValue): \($0.title)" }.joined(separator: "\n"))

            Releases without an outcome: `outcomes missing`. Emergencies and their review: `review list --all`. Exit code 1 \
            if there are rows of a question that must have none.

            Example: contact-vault log ask after-no --since 2026-01-01T00:00:00Z
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The question.")
    var question: String

    @Option(help: "About the time from this moment on; RFC 3339.")
    var since: String?

    @Option(help: "And before this one.")
    var until: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let question: LogQuestion = try ClientAdd.choice(question, "QUESTION")
        let from = try since.map { try AgencyEntrust.moment($0, "--since").description }
        let to = try until.map { try AgencyEntrust.moment($0, "--until").description }
        let answer = try await options.folder.withSession(passphrase) {
            try await $0.answer(question.rawValue, from: from, to: to)
        }
        if json {
            Terminal.result(try Terminal.json(answer))
        } else {
            var table = TerminalTable(answer.columns)
            for row in answer.rows { table.add(row) }
            table.print()
            let more =
                answer.count > UInt64(answer.rows.count) ? "; the first \(answer.rows.count) are shown" : ""
            Terminal.message("\(answer.title): \(answer.count)\(more)")
        }
        if answer.mustBeNone, answer.count > 0 { throw ExitCode(1) }
    }
}

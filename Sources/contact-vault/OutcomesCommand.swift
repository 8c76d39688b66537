// What came of releases.

import AccessToken
import ArgumentParser
import ContactModel
import Foundation
import VaultAPI
import VaultClient

struct OutcomesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outcomes",
        abstract: "Report what came of releases, and list those that nobody reported.",
        discussion: "Example: contact-vault outcomes missing",
        subcommands: [OutcomesMissing.self, OutcomesReport.self])
}

struct OutcomesMissing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "missing", abstract: "List releases whose outcome is overdue.",
        discussion: "Example: contact-vault outcomes missing --json")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let missing = try await options.folder.withSession(passphrase) { try await $0.missingOutcomes() }
        if json { return try missing.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable(["release", "client", "purpose", "released", "outcome due"])
        for release in missing {
            table.add([release.release, release.client, release.purpose, release.released, release.due])
        }
        table.print()
        Terminal.message("\(missing.count) missing")
    }
}

struct OutcomesReport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Report the outcome of a release, as the collection service it was given to.",
        discussion: """
            Example: contact-vault outcomes report rl_… relayed --contact ct_… --client dialer-1 --key dialer-1.jwk \
            --purpose relay.message --action dial --case cs_1 --precondition unreachable_three_days
            """)

    @Argument(help: "The release, rl_….")
    var release: String

    @Argument(help: "What came of it, such as relayed, refused, wrong_number, no_answer, not_used.")
    var outcome: String

    @Option(help: "The contact, ct_….")
    var contact: String

    @Option(help: "Your name for the offer, request or complaint that the outcome puts on record.")
    var recordAs: String?

    @OptionGroup var access: AccessOptions

    @Flag(help: "Print the reply as JSON.")
    var json = false

    func run() async throws {
        let id = try Self.release(release)
        let outcome: ReleaseOutcome = try ClientAdd.choice(outcome, "OUTCOME")
        let details = try access.details(for: try ContactsShow.contact(contact))
        let name = try recordAs.map { try ClientAdd.reference($0, "--record-as") }
        let body = try await access.connect().closing { vault in
            try await vault.reportOutcome(
                outcome, naming: name, of: id, token: try await vault.token(for: details))
        }
        if json { return Terminal.result(try Terminal.json(body)) }
        if let reference = body.reference { Terminal.result("reference\t\(reference)") }
        Terminal.message("reported \(outcome.rawValue), entry \(body.receipt.index) of the access log")
    }

    static func release(_ text: String) throws -> ReleaseID {
        guard let id = ReleaseID(text) else {
            throw ValidationError("a release is written rl_ and 22 characters")
        }
        return id
    }
}

// Agencies and the time for which they are entrusted.

import ArgumentParser
import ContactModel
import Foundation
import VaultAPI

struct AgencyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agency",
        abstract: "Set what an agency is entrusted with, and for what time.",
        discussion: "Example: contact-vault agency list",
        subcommands: [AgencyEntrust.self, AgencyList.self])
}

struct AgencyEntrust: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entrust",
        abstract: "Set from when until when, and for what, an agency's clients may have and use tokens.",
        discussion: """
            It counts from the next decision on, for tokens that are out too, and no token outlives it. An agency without \
            these dates is the creditor's own team. Roles, purposes and portfolios bound its clients beyond their own \
            registration; each time all are set anew. To end an entrustment today, give it an --until of today.

            Example: contact-vault agency entrust acme --from 2026-01-01T00:00:00Z --until 2027-01-01T00:00:00Z
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The agency, as clients are registered with it.")
    var agency: String

    @Option(help: "When it begins; RFC 3339, such as 2026-01-01T00:00:00Z.")
    var from: String

    @Option(help: "The first moment at which it has ended; RFC 3339. None means no end.")
    var until: String?

    @Option(
        help:
            "A role that its clients may use; may be repeated. None means all that they are registered with.")
    var role: [String] = []

    @Option(help: "A purpose that they may use; may be repeated. None means all.")
    var purpose: [String] = []

    @Option(help: "A portfolio that they may touch; may be repeated. None means all.")
    var portfolio: [String] = []

    func run() async throws {
        let agency = try ClientAdd.reference(agency, "AGENCY")
        let from = try Self.moment(from, "--from")
        let until = try until.map { try Self.moment($0, "--until") }
        if let until, until <= from { throw ValidationError("--until: must be after --from") }
        let roles: [Role] = try role.map { try ClientAdd.choice($0, "--role") }
        let body = EntrustmentBody(
            agency: agency.text, from: from.description, until: until?.description,
            roles: roles.map(\.rawValue), purposes: try purpose.map { try ClientAdd.purpose($0).text },
            portfolios: try portfolio.map { try ClientAdd.reference($0, "--portfolio").text })
        try await options.folder.withSession(passphrase) { try await $0.entrust(body) }
        func list(_ name: String, _ words: [String]) -> String {
            "; \(name): \(words.isEmpty ? "all" : words.joined(separator: ", "))"
        }
        Terminal.message(
            "\(agency) is entrusted from \(from)" + (until.map { " until \($0)" } ?? "")
                + list("roles", body.roles) + list("purposes", body.purposes)
                + list("portfolios", body.portfolios))
    }

    static func moment(_ text: String, _ option: String) throws -> Timestamp {
        guard let moment = Timestamp(text) else {
            throw ValidationError("\(option): write it as 2027-01-01T00:00:00Z")
        }
        return moment
    }
}

struct AgencyList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the agencies that are entrusted for a time.",
        discussion: "Example: contact-vault agency list")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let entrustments = try await options.folder.withSession(passphrase) { try await $0.entrustments() }
        if json { return try entrustments.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable(["agency", "from", "until", "roles", "purposes", "portfolios"])
        func list(_ words: [String]) -> String { words.isEmpty ? "all" : words.joined(separator: ",") }
        for entrustment in entrustments {
            table.add([
                entrustment.agency, entrustment.from, entrustment.until ?? "no end", list(entrustment.roles),
                list(entrustment.purposes), list(entrustment.portfolios),
            ])
        }
        table.print()
        Terminal.message("agencies that are not here are the creditor's own: without dates")
    }
}

// Emergency releases that somebody must look at, and releases whose outcome nobody reported.

import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import VaultAPI

struct ReviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "review",
        abstract: "Look at emergency releases, and say what was found.",
        discussion: "Example: contact-vault review list",
        subcommands: [ReviewList.self, ReviewClose.self])
}

struct ReviewList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List emergency releases that wait for a review.",
        discussion: "Example: contact-vault review list --all")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Also those that were reviewed.")
    var all = false

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let reviews = try await options.folder.withSession(passphrase) { try await $0.reviews(all: all) }
        if json { return try reviews.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable(["release", "purpose", "client", "released", "review by", ""])
        for review in reviews {
            table.add([
                review.release, review.purpose, review.client, review.released, review.due,
                review.finding ?? (review.isOverdue ? "OVERDUE" : ""),
            ])
        }
        table.print()
        Terminal.message("\(reviews.filter { $0.closed == nil }.count) waiting")
    }
}

struct ReviewClose: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close", abstract: "Say what the review of an emergency release found.",
        discussion: "Example: contact-vault review close rl_… --finding justified")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The release, rl_….")
    var release: String

    @Option(help: "justified or not_justified.")
    var finding: String

    func run() async throws {
        let id = try OutcomesReport.release(release)
        let finding: ReviewFinding = try ClientAdd.choice(finding, "--finding")
        try await options.folder.withSession(passphrase) {
            try await $0.closeReview(of: id, finding: finding)
        }
        Terminal.message("closed the review of \(id): \(finding.rawValue)")
    }
}

// The policy at the terminal.

import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import PurposePolicy
import SQLiteStore

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Check a policy file and show the policy in force.",
        discussion: "Example: contact-vault policy check policy.yaml",
        subcommands: [PolicyCheck.self, PolicyShow.self])
}

struct PolicyCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a policy file and say which purposes it can release for.",
        discussion: "Example: contact-vault policy check policy.yaml")

    @Argument(help: "The policy file.")
    var file: String

    func run() async throws {
        let policy = try Policy.parse(
            text: VaultFolder.read(file), file: (file as NSString).lastPathComponent)
        PolicyTable.print(policy)
    }
}

struct PolicyShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the policy in force.",
        discussion: "Example: contact-vault policy show --text")

    @OptionGroup var options: DataOptions

    @Flag(help: "Print the policy file itself.")
    var text = false

    func run() async throws {
        try options.folder.requireVault()
        let store = try SQLiteStore.openForReading(path: options.folder.store)
        let stored = try await store.read { try $0.policy() }
        try await store.close()
        guard let stored else { throw CommandFailure("this vault has no policy") }
        if text { return Terminal.result(stored.text) }
        PolicyTable.print(try Policy.parse(text: stored.text, file: "policy"))
    }
}

/// A policy as a table.
enum PolicyTable {
    static func print(_ policy: Policy) {
        Terminal.result("policy \(policy.name), version \(policy.version)")
        for (purpose, rule) in policy.purposes.sorted(by: { $0.key.text < $1.key.text }) {
            let actions = rule.actions.map { "\($0.key)→\($0.value.rawValue)" }.sorted().joined(
                separator: " ")
            let state =
                rule.unbuiltRequirements.isEmpty
                ? "releases" : "not_configured: needs \(rule.unbuiltRequirements.joined(separator: ", "))"
            Terminal.result("  \(purpose)\t\(actions)\t\(state)")
        }
    }
}

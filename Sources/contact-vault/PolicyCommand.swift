// The policy at the terminal: checking and comparing files, and what the vault makes of them.

import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import PurposePolicy
import VaultAPI

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Check, compare, change and try the policy.",
        discussion: """
            A policy file names holiday calendars; they lie beside it as holidays/NAME.yaml.

            Example: contact-vault policy check policy.yaml
            """,
        subcommands: [
            PolicyCheck.self, PolicyShow.self, PolicyDiff.self, PolicyApply.self, PolicySimulate.self,
            PolicyExplain.self,
        ])
}

struct PolicyCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a policy file and list what it allows.",
        discussion: "Example: contact-vault policy check policy.yaml")

    @Argument(help: "The policy file.")
    var file: String

    func run() async throws { PolicyTable.print(try PolicyFiles(file).parse()) }
}

struct PolicyShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the policy in force.",
        discussion: "Example: contact-vault policy show --text")

    @OptionGroup var options: DataOptions

    @Flag(help: "Print the policy file itself.")
    var text = false

    func run() async throws {
        let stored = try await options.folder.policyInForce()
        if text { return Terminal.result(stored.text) }
        PolicyTable.print(try PolicyFiles(stored).parse())
    }
}

struct PolicyDiff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say what a policy file changes, and whether that loosens or tightens.",
        discussion: """
            Compares with the policy in force, or with another file. Where it cannot be shown that nothing more would be \
            released, a change counts as loosening. The exit code is 1 if anything loosens.

            Example: contact-vault policy diff policy.yaml
            """)

    @OptionGroup var options: DataOptions

    @Argument(help: "The new policy file.")
    var file: String

    @Option(help: "The old policy file; default is the policy in force.")
    var from: String?

    func run() async throws {
        let new = try PolicyFiles(file).parse()
        let old =
            if let from { try PolicyFiles(from).parse() } else {
                try PolicyFiles(try await options.folder.policyInForce()).parse()
            }
        let changes = new.differences(from: old)
        PolicyTable.print(changes.map { ($0.effect.rawValue, $0.place, $0.change) })
        if changes.contains(where: \.loosens) { throw ExitCode(1) }
    }
}

struct PolicyApply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Hand in a policy file.",
        discussion: """
            What only tightens comes into force at once, from the next decision on. What loosens anything waits for a second \
            person, who approves it with `contact-vault approvals approve`.

            Example: contact-vault policy apply policy.yaml
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The policy file.")
    var file: String

    func run() async throws {
        let files = try PolicyFiles(file)
        _ = try files.parse()
        let change = try await options.folder.withSession(passphrase) { try await $0.propose(files.proposal) }
        PolicyTable.print(change.changes.map { ($0.effect, $0.place, $0.change) })
        switch (change.state, change.approval) {
        case ("waiting", let approval?):
            Terminal.message("waits for a second person until it is approved: version \(change.version)")
            Terminal.result(approval)
        case ("unchanged", _): Terminal.message("means the same as the policy in force: \(change.version)")
        default: Terminal.message("in force: \(change.version)")
        }
    }
}

struct PolicySimulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Decide the releases of a time range again by another policy.",
        discussion: """
            Reads the access log and reports, as a table, what would have been decided. Facts of contacts are those on \
            record, cut back to the moment of each entry; what cannot be decided again is counted as not_simulated.

            Example: contact-vault policy simulate policy.yaml --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The other policy file.")
    var file: String

    @Option(help: "First moment, RFC 3339 in UTC.")
    var from: String

    @Option(help: "First moment after, RFC 3339 in UTC.")
    var to: String

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        guard let from = Timestamp(from), let to = Timestamp(to), from < to else {
            throw ValidationError("--from and --to: write them as 2026-11-01T00:00:00Z, the earlier first")
        }
        let files = try PolicyFiles(file)
        _ = try files.parse()
        let decisions = try await options.folder.withSession(passphrase) {
            try await $0.simulate(files.proposal, from: from, to: to)
        }
        if json { return try decisions.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable(["", "purpose", "action", "was", "would be", "entries"])
        for decision in decisions {
            let isSame = decision.was == decision.wouldBe
            table.add([
                isSame ? "" : "*", decision.purpose, decision.action, decision.was ?? "permit",
                decision.wouldBe ?? "permit", String(decision.count),
            ])
        }
        table.print()
        let changed = decisions.filter { $0.was != $0.wouldBe && $0.wouldBe != "not_simulated" }
        Terminal.message(
            "\(changed.reduce(0) { $0 + $1.count }) of \(decisions.reduce(0) { $0 + $1.count }) would be decided otherwise"
        )
    }
}

struct PolicyExplain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say, rule by rule, how a request would be decided.",
        discussion: """
            The file holds {"client":"dialer-1","authorization_details":[{…}]}, with the details of a token request, and \
            optionally "at", a moment. Nothing is released, counted or spent; the question is logged. The exit code is 1 if \
            the request would be refused.

            Example: contact-vault policy explain request.json
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The request; - reads standard input.")
    var file: String

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let request = try LineFile.bytes(file, limit: Limits.requestBodyBytes)
        let explanation = try await options.folder.withSession(passphrase) { try await $0.explain(request) }
        if json {
            Terminal.result(try Terminal.json(explanation))
        } else {
            Terminal.message("policy \(explanation.version), at \(explanation.moment)")
            var isDecided = false
            var table = TerminalTable(["rule", "verdict", ""])
            for rule in explanation.rules {
                let decides = !isDecided && rule.verdict == "denied"
                isDecided = isDecided || decides
                table.add([
                    rule.rule, rule.code.map { "\(rule.verdict): \($0)" } ?? rule.verdict,
                    decides ? "← decides" : "",
                ])
            }
            table.print()
            Terminal.result(
                explanation.form.map { "permit, form \($0)" } ?? "deny, \(explanation.denial ?? "unknown")")
        }
        if explanation.form == nil { throw ExitCode(1) }
    }
}

/// A policy file with the calendars beside it.
struct PolicyFiles {
    let proposal: PolicyProposal
    /// The file's name, for faults.
    let name: String

    /// Reads a policy file, and of `holidays/` beside it the calendars that it names.
    init(_ path: String) throws {
        let text = try VaultFolder.read(path)
        name = (path as NSString).lastPathComponent
        let folder = (path as NSString).deletingLastPathComponent
        var calendars: [String: String] = [:]
        for calendar in try Policy.calendarNames(text: text, file: name) {
            let file = (folder.isEmpty ? "." : folder) + "/holidays/" + calendar + ".yaml"
            // One that is missing is named by the parser, with the line that wants it.
            if FileManager.default.fileExists(atPath: file) {
                calendars[calendar] = try VaultFolder.read(file)
            }
        }
        proposal = PolicyProposal(text: text, calendars: calendars)
    }

    /// A policy at hand.
    init(_ proposal: PolicyProposal) {
        self.proposal = proposal
        name = "policy.yaml"
    }

    /// A policy that a vault holds.
    init(_ stored: StoredPolicy) {
        self.init(PolicyProposal(text: stored.text, calendars: stored.calendars))
    }

    func parse() throws -> Policy {
        try Policy.parse(text: proposal.text, file: name, calendars: proposal.calendars)
    }
}

extension VaultFolder {
    /// The policy in force. Reads beside a running service.
    func policyInForce() async throws -> StoredPolicy {
        try requireVault()
        let store = try await openStoreForReading()
        let stored = try await store.read { try $0.policy() }
        try await store.close()
        guard let stored else { throw CommandFailure("this vault has no policy") }
        return stored
    }
}

/// A policy, or changes of one, as tables.
enum PolicyTable {
    static func print(_ policy: Policy) {
        Terminal.result("policy \(policy.name), version \(policy.version)")
        Terminal.result("jurisdiction \(policy.assignment?.standard ?? "none")")
        var table = TerminalTable(["purpose", "actions", "hours", "caps", "needs"])
        for (purpose, rule) in policy.purposes.sorted(by: { $0.key.text < $1.key.text }) {
            table.add([
                purpose.text,
                rule.actions.map { "\($0.key)→\($0.value.rawValue)" }.sorted().joined(separator: " "),
                rule.hours.description,
                rule.caps.isEmpty ? "none" : rule.caps.map(\.description).joined(separator: ", "),
                rule.needs.map { "\($0.key): \($0.description)" }.joined(separator: ", "),
            ])
        }
        table.print()
    }

    static func print(_ changes: [(effect: String, place: String, change: String)]) {
        var table = TerminalTable(["", "where", "change"])
        for change in changes { table.add([change.effect, change.place, change.change]) }
        table.print()
    }
}

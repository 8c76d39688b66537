// What one person asked for and another must approve.

import AccessToken
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import VaultAPI
import VaultClient

struct ApprovalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approvals",
        abstract: "See and approve what waits for a second person.",
        discussion: "Example: contact-vault approvals list",
        subcommands: [ApprovalsList.self, ApprovalsApprove.self])
}

struct ApprovalsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List what waits for a second person, with what it would change.",
        discussion: "Example: contact-vault approvals list")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let approvals = try await options.folder.withSession(passphrase) { try await $0.approvals() }
        if json { return try approvals.forEach { Terminal.result(try Terminal.json($0)) } }
        for approval in approvals {
            Terminal.result(
                "\(approval.approval)\t\(approval.kind)\t\(approval.contact ?? "-")\tasked by \(approval.requester)"
                    + "\tvoid from \(approval.expires)")
            if let operation = approval.operation { Terminal.result("    \(operation)") }
            PolicyTable.print(approval.changes.map { ($0.effect, $0.place, $0.change) })
        }
        Terminal.message("\(approvals.count) waiting")
    }
}

struct ApprovalsApprove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Approve one operation that somebody else asked for.",
        discussion: """
            As the operator, or with --client and --key as a registered client: of role security for a policy or a key, of role privacy for \
            an export (--export) or a lifted stop (--contact), of a role in common with who asked for a release (--contact). Nobody \
            approves what they asked for themselves.

            Example: contact-vault approvals approve ap_… --client security-1 --key security-1.jwk
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The approval, ap_….")
    var approval: String

    @Option(help: "The registered client that approves; the operator if it is left out.")
    var client: String?

    @Option(help: "File of that client's private JWK.")
    var key: String?

    @Option(help: "The contact that a release or a lifted stop concerns, ct_….")
    var contact: String?

    @Flag(help: "It is an export of the log.")
    var export = false

    @Option(help: "The vault's issuer.")
    var issuer = "http://127.0.0.1:8470"

    @Option(help: "Where to connect, if it is not the issuer.")
    var endpoint: String?

    func run() async throws {
        guard let id = ApprovalID(approval) else {
            throw ValidationError("an approval is written ap_ and 22 characters")
        }
        switch (client, key) {
        case (nil, nil):
            try await options.folder.withSession(passphrase) { try await $0.approve(id) }
        case (let client?, let key?):
            let details: AuthorizationDetails
            if let contact {
                details = .contactManagement(
                    try ContactManagementDetails(
                        operation: .approve, contact: try ContactsShow.contact(contact)))
            } else if export {
                details = .accessLog(try AccessLogDetails(operation: .export))
            } else {
                details = .keyManagement(KeyManagementDetails(operation: .approve))
            }
            let vault = try VaultClient(
                issuer: issuer, endpoint: endpoint, client: ClientAdd.reference(client, "--client"),
                key: ClientKey.load(path: key))
            try await vault.closing { vault in
                try await vault.approve(id.description, token: try await vault.token(for: details))
            }
        default: throw ValidationError("give --client and --key together, or neither")
        }
        Terminal.message("approved \(id)")
    }
}

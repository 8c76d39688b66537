// Tokens that are out: taking them back.

import ArgumentParser
import ContactModel
import Foundation

struct TokensCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens",
        abstract: "Take back tokens that are out.",
        discussion: "Example: contact-vault tokens revoke --client dialer-1",
        subcommands: [TokensRevoke.self])
}

struct TokensRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke every token of a client, an agency, a case, a contact or a signing key.",
        discussion: """
            It counts from the next decision on, for tokens issued until now; new ones may be had. To keep a client from \
            getting new ones, suspend it.

            Example: contact-vault tokens revoke --case cs_1
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Option(help: "Tokens of this client.")
    var client: String?

    @Option(help: "Tokens of this agency's clients.")
    var agency: String?

    @Option(name: .customLong("case"), help: "Tokens for this case.")
    var caseReference: String?

    @Option(help: "Tokens that name this contact, ct_….")
    var contact: String?

    @Option(help: "Tokens that this key signed, by its thumbprint (the kid of the key set).")
    var key: String?

    func run() async throws {
        let given = [
            ("client", client), ("agency", agency), ("case", caseReference), ("contact", contact),
            ("key", key),
        ].compactMap { kind, name in name.map { (kind, $0) } }
        guard given.count == 1, let (kind, name) = given.first else {
            throw ValidationError("give exactly one of --client, --agency, --case, --contact and --key")
        }
        try await options.folder.withSession(passphrase) { try await $0.revokeTokens(kind, name) }
        Terminal.message("revoked the tokens of \(kind) \(name) that were issued until now")
    }
}

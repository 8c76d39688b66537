// A release through the service with a client's key, for trying things: what a collection service would do.

import AccessToken
import ArgumentParser
import ContactModel
import Foundation
import VaultAPI
import VaultClient
import VaultCrypto

struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Ask the service for a contact's number, as a collection service would.",
        discussion: """
            Authenticates with the client's key, gets a token that is good for this contact, purpose and action alone, \
            and uses it.

            Example: contact-vault release ct_… --client dialer-1 --key dialer-1.jwk --purpose relay.message \
            --action dial --case cs_1 --precondition unreachable_three_days
            """)

    @Argument(help: "The contact, ct_….")
    var contact: String

    @OptionGroup var access: AccessOptions

    @Option(help: "Present the same token this many times.")
    var times = 1

    @Option(help: "File of the client's private encryption JWK, to open what comes sealed.")
    var encryptionKey: String?

    @Flag(help: "Print the reply as JSON.")
    var json = false

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        let details = try access.details(for: id)
        guard let action = Action(access.action) else {
            throw ValidationError("--action: write it as in the policy")
        }
        let opener = try encryptionKey.map { try ClientKey.loadEncryption(path: $0) }
        let wasRefused = try await access.connect().closing { vault in
            let token = try await vault.token(for: details)
            var wasRefused = false
            for _ in 0..<times {
                do {
                    try print(try await vault.release(id, action: action, token: token), opener)
                } catch {
                    Terminal.message("refused: \(ErrorText.describe(error))")
                    wasRefused = true
                }
            }
            return wasRefused
        }
        if wasRefused { throw ExitCode(1) }
    }

    private func print(_ release: ReleaseBody, _ key: PrivateEncryptionJWK?) throws {
        if json { return Terminal.result(try Terminal.json(release)) }
        for (name, value) in release.fields.sorted(by: { $0.key < $1.key }) {
            if release.form == "seal", let key {
                let opened = try VaultClient.open(value, with: key)
                Terminal.result("\(name)\t\(String(decoding: opened.revealBytes(), as: UTF8.self))")
            } else {
                Terminal.result("\(name)\t\(value)")
            }
        }
        Terminal.message(
            "release \(release.release), form \(release.form), entry \(release.receipt.index) of the access log, "
                + "uses left: \(release.usesRemaining)")
    }
}

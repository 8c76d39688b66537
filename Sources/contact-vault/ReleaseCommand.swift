// A release through the service with a client's key, for trying things: what a collection service would do.

import AccessToken
import ArgumentParser
import ContactModel
import Foundation
import VaultAPI
import VaultClient

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

    @Option(help: "The client's registered name.")
    var client: String

    @Option(help: "File of the client's private JWK.")
    var key: String

    @Option(help: "Why: a purpose of the policy, such as relay.message.")
    var purpose: String

    @Option(help: "What will be done with the number: dial, send_template, display.")
    var action: String

    @Option(name: .customLong("case"), help: "The case.")
    var caseReference: String

    @Option(help: "Where the case stands.")
    var stage = "call_collection"

    @Option(help: "A field: phone, name, relation. May be repeated.")
    var field: [String] = ["phone"]

    @Option(help: "Why the borrower cannot be reached, such as unreachable_three_days.")
    var precondition: String?

    @Option(help: "The offer, request or complaint, where the purpose needs one.")
    var reference: String?

    @Option(help: "On whose behalf, KIND:REFERENCE; kinds are human, ivr, ai_agent.")
    var actor = "human:u_1"

    @Option(help: "Uses to ask for.")
    var uses: Int64 = 1

    @Option(help: "Present the same token this many times.")
    var times = 1

    @Option(help: "The vault's issuer.")
    var issuer = "http://127.0.0.1:8470"

    @Option(help: "Where to connect, if it is not the issuer.")
    var endpoint: String?

    @Flag(help: "Print the reply as JSON.")
    var json = false

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        guard let action = Action(action) else {
            throw ValidationError("--action: write it as in the policy")
        }
        let details = try self.details(for: id, action: action)
        let vault = try VaultClient(
            issuer: issuer, endpoint: endpoint, client: ClientAdd.reference(client, "--client"),
            key: ClientKey.load(path: key))
        var failure: (any Error)?
        do {
            let token = try await vault.token(for: details)
            for _ in 0..<times {
                do {
                    try print(try await vault.release(id, action: action, token: token))
                } catch {
                    Terminal.message("refused: \(ErrorText.describe(error))")
                    failure = ExitCode(1)
                }
            }
        } catch {
            failure = error
        }
        try await vault.shutdown()
        if failure is ExitCode { throw ExitCode(1) }
        if let failure { throw failure }
    }

    private func print(_ release: ReleaseBody) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            Terminal.result(String(decoding: try encoder.encode(release), as: UTF8.self))
        } else {
            for (name, value) in release.fields.sorted(by: { $0.key < $1.key }) {
                Terminal.result("\(name)\t\(value)")
            }
            Terminal.message(
                "release \(release.release), entry \(release.receipt.index) of the access log, "
                    + "uses left: \(release.usesRemaining)")
        }
    }

    private func details(for contact: ContactID, action: Action) throws -> AuthorizationDetails {
        let parts = actor.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let kind = ActorKind(rawValue: String(parts[0])),
            let actorID = Reference(String(parts[1]))
        else { throw ValidationError("--actor: write it as human:u_1") }
        do {
            return .contactAccess(
                try ContactAccessDetails(
                    action: action, purpose: ClientAdd.purpose(purpose), selection: .one(contact),
                    caseReference: ClientAdd.reference(caseReference, "--case"),
                    stage: ClientAdd.choice(stage, "--stage"),
                    fields: field.map { try ClientAdd.choice($0, "--field") },
                    precondition: precondition.map { try ClientAdd.choice($0, "--precondition") },
                    reference: reference.map { try ClientAdd.reference($0, "--reference") },
                    actor: Actor(kind: kind, id: actorID), maximumUses: uses))
        } catch let fault as DetailsFault {
            throw ValidationError("the request is not one that a token can hold: \(fault.rawValue)")
        }
    }
}

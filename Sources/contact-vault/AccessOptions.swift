// What a collection service says when it asks for a token: options that several commands share.

import AccessToken
import ArgumentParser
import ContactModel
import Foundation
import VaultClient

/// Who asks, for what, and where.
struct AccessOptions: ParsableArguments {
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

    @Option(help: "The vault's issuer.")
    var issuer = "http://127.0.0.1:8470"

    @Option(help: "Where to connect, if it is not the issuer.")
    var endpoint: String?

    @Option(help: "PEM file of the authority of the vault's certificate; none means the system's.")
    var authority: String?

    @Option(
        help: "PEM file of the client's certificate: the token is then bound to it, and no proof is made.")
    var certificate: String?

    @Option(help: "PEM file of the certificate's private key.")
    var certificateKey: String?

    func connect() throws -> VaultClient {
        let tls: ClientTLS? =
            authority == nil && certificate == nil && certificateKey == nil
            ? nil : ClientTLS(authority: authority, certificate: certificate, key: certificateKey)
        return try VaultClient(
            issuer: issuer, endpoint: endpoint, client: ClientAdd.reference(client, "--client"),
            key: ClientKey.load(path: key), tls: tls)
    }

    /// The authorization details for one contact.
    func details(for contact: ContactID) throws -> AuthorizationDetails {
        let parts = actor.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let kind = ActorKind(rawValue: String(parts[0])),
            let actorID = Reference(String(parts[1]))
        else { throw ValidationError("--actor: write it as human:u_1") }
        guard let action = Action(action) else {
            throw ValidationError("--action: write it as in the policy")
        }
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

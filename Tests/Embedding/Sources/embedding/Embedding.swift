// Releases a number in process: the whole straight line without a socket. The client's side is played here too, with its
// own key, because even in process the purpose comes from a token and never from the caller.

import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import PurposePolicy
import SQLiteStore
import VaultCrypto

@main
struct Embedding {
    static let issuer = "https://vault.example"
    static let random = SystemRandom()

    static func main() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "embedding-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }

        guard let tenant = TenantID(bytes: try random.bytes(16)), let name = Reference("embedding"),
            let client = Reference("dialer-1"), let agency = Reference("acme"),
            let request = Reference("rq-1")
        else { throw Unexpected.value }
        let keyring = try Keyring.make(tenant: tenant, random: random, now: Vault.systemClock())
        let store = try SQLiteStore.open(path: folder.path + "/vault.sqlite", create: true)
        try await Vault.create(
            in: store, keyring: keyring, issuer: issuer, policy: StarterPolicy.demonstrationPolicy,
            instance: name)
        let vault = try await Vault.open(store: store, keyring: keyring, instance: name)

        let key = PrivateJWK(try SigningKey(generating: .es256))
        try await vault.registerClient(
            RegisteredClient(
                id: client, agency: agency, kind: .gateway, roles: [.collection], keys: [key.publicJWK]),
            requestID: request)
        let contact = try await vault.storeContact(
            json: Array(sample.utf8), as: .localOperator, requestID: request
        ).contact

        let token = try await token(from: vault, client: client, key: key, contact: contact, request: request)
        let path = "/v1/contacts/\(contact)/actions/dial"
        let access = try await answeringNonce { nonce in
            try await vault.verify(
                authorization: ["DPoP " + token],
                proof: [
                    try DPoPProof.make(
                        method: "POST", url: issuer + path, nonce: nonce, accessToken: token, key: key,
                        identifier: UUID().uuidString, now: Vault.systemClock())
                ], method: "POST", path: path)
        }
        guard let dial = Action("dial") else { throw Unexpected.value }
        let release = try await vault.release(contact, to: dial, access: access, requestID: request)
        let isRight = release.phone?.revealBytes() == Array("+8613800138000".utf8)
        let index = release.receipt.index
        _ = consume release
        try await vault.close()
        guard isRight else { throw Unexpected.value }
        print("released, entry \(index)")
    }

    static func token(
        from vault: Vault, client: Reference, key: PrivateJWK, contact: ContactID, request: Reference
    ) async throws -> String {
        guard let purpose = Purpose("relay.message"), let action = Action("dial"),
            let actor = Reference("u_1"),
            let caseReference = Reference("cs_1")
        else { throw Unexpected.value }
        let details = AuthorizationDetails.contactAccess(
            try ContactAccessDetails(
                action: action, purpose: purpose, selection: .one(contact), caseReference: caseReference,
                stage: .callCollection, fields: [.phone], precondition: .unreachableThreeDays, reference: nil,
                actor: Actor(kind: .human, id: actor), maximumUses: 1))
        return try await answeringNonce { nonce in
            let now = Vault.systemClock()
            let assertion = try ClientAssertion.make(
                client: client, issuer: issuer, key: key, identifier: UUID().uuidString, now: now)
            let proof = try DPoPProof.make(
                method: "POST", url: issuer + Vault.tokenPath, nonce: nonce, accessToken: nil, key: key,
                identifier: UUID().uuidString, now: now)
            return try await vault.grantToken(
                TokenRequest(
                    assertion: Array(assertion.utf8), clientID: nil,
                    authorizationDetails: details.json.canonicalBytes, proof: [proof], requestID: request)
            ).compact
        }
    }

    /// Repeats an attempt once with the nonce that the first was answered with.
    static func answeringNonce<Value>(
        _ attempt: @Sendable (String?) async throws -> Value
    ) async throws -> sending Value {
        do {
            return try await attempt(nil)
        } catch VaultError.token(.useDPoPNonce(let nonce)) {
            return try await attempt(nonce)
        }
    }

    enum Unexpected: Error { case value }

    static let sample = """
        {"borrower":"br_1","portfolio":"pf_1","phone":"138 0013 8000","region":"CN","name":"张伟","relation":"sibling",\
        "language":"zh","time_zone":"Asia/Shanghai","channels":["voice"],"adult":true,"source":"origination",\
        "retain_until":"2029-01-01","consents":[{"purpose":"relay.message","notice":"n3",\
        "evidence":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}
        """
}

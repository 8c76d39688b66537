// A vault of its own for measuring in process: a real SQLite file, synced as in service.

import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import SQLiteStore
import VaultCrypto

/// The vault and what its one client holds.
struct EngineVault {
    let vault: Vault
    let keyring: Keyring
    let client: RegisteredClient
    let key: PrivateJWK
    let tokens: [BenchToken]
    static let issuer = "https://vault.example"

    /// Makes a vault in a folder, with contacts and 64 tokens, each for a contact of its own.
    static func make(in folder: String, contacts: Int) async throws -> EngineVault {
        let random = SystemRandom()
        guard let tenant = TenantID(bytes: try random.bytes(16)) else {
            throw BenchFailure.failed("no tenant")
        }
        let keyring = try Keyring.make(tenant: tenant, random: random, now: Vault.systemClock())
        let store = try SQLiteStore.open(path: folder + "/vault.sqlite", create: true)
        let instance = try InventedPeople.reference("bench")
        try await Vault.create(
            in: store, keyring: keyring, issuer: issuer, policy: InventedPeople.policy, instance: instance)
        let vault = try await Vault.open(store: store, keyring: keyring, instance: instance)
        let key = PrivateJWK(try SigningKey(generating: .es256))
        let client = RegisteredClient(
            id: try InventedPeople.reference("dialer-1"), agency: try InventedPeople.reference("ag_bench"),
            kind: .gateway, roles: [.collection], keys: [key.publicJWK])
        try await vault.registerClient(client, requestID: instance)
        let ids = try await imported(contacts, into: vault)
        let issuing = TokenIssuer(issuer: issuer, audience: vault.audience, key: keyring.tokenSigningKey)
        let tokens = try (0..<64).map { index in
            let contact = ids[index * ids.count / 64]
            let token = try issuing.issue(
                to: client.id, details: try InventedPeople.details(contact),
                confirmation: .proofKey(key.thumbprint),
                policyVersion: vault.policyVersion, seconds: Limits.tokenSeconds, now: Vault.systemClock(),
                random: random)
            return BenchToken(compact: token.compact, contact: contact)
        }
        return EngineVault(vault: vault, keyring: keyring, client: client, key: key, tokens: tokens)
    }

    /// The nonce of this moment.
    func nonce() throws -> String {
        try DPoPNonceAuthority(keys: keyring.dpopNonceKeys).nonce(
            for: key.thumbprint, now: Vault.systemClock())
    }

    /// Proofs for releases of the tokens.
    func proofs(_ count: Int) throws -> [ProofBatch.Proof] {
        try ProofBatch(issuer: Self.issuer, key: key, tokens: tokens).make(count, nonce: try nonce())
    }

    /// One release as the service does it: credentials, record, open. The result is checked for being there.
    func release(_ proof: ProofBatch.Proof, requestID: Reference) async throws {
        let token = tokens[proof.token]
        let access = try await vault.verify(
            authorization: ["DPoP " + token.compact], proof: [proof.text], method: "POST", path: token.path)
        let release = try await vault.release(
            token.contact, to: try InventedPeople.dial, access: access, requestID: requestID)
        guard release.phone != nil else {
            throw BenchFailure.failed("a release without a number")
        }
    }

    private static func imported(_ count: Int, into vault: Vault) async throws -> [ContactID] {
        var ids: [ContactID] = []
        while ids.count < count {
            let lines = (ids.count..<min(ids.count + 256, count)).map { InventedPeople.line($0) }
            let results = try await vault.importContacts(
                lines, as: .localOperator, requestID: try InventedPeople.reference("import"),
                isFirst: ids.isEmpty)
            for result in results {
                switch result {
                case .success(let stored): ids.append(stored.contact)
                case .failure(let fault):
                    throw BenchFailure.failed(
                        "an invented contact was refused: \(fault.field) \(fault.problem)")
                }
            }
        }
        return ids
    }
}

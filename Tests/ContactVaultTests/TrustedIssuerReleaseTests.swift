// A token of another authorization server at the vault: nothing that the vault would have refused to grant is done for it.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import StrictEncoding
import Testing
import VaultCrypto
import VaultTesting

@Suite("Releases by tokens of a trusted issuer")
struct TrustedIssuerReleaseTests {
    private let clock = FixedClock()
    private let theirKey: SigningKey
    private let trusted: TrustedIssuer

    init() throws {
        theirKey = try SigningKey(generating: .es256)
        let set = PublicJWK.keySet([PublicJWK(theirKey.verificationKey)]).canonicalBytes
        trusted = TrustedIssuer(
            name: try #require(Reference("idp")), issuer: "https://idp.example",
            keys: try TrustedKeys(keySet: set))
    }

    private func fixture(uses: Int = 2) async throws -> VaultFixture {
        try await VaultFixture.make(
            policy: VaultFixture.policy(uses: uses).replacing("seconds: 300", with: "seconds: 200"),
            clock: clock.reading, trustedIssuers: [trusted])
    }

    private func token(
        _ fixture: VaultFixture, _ client: FixtureClient, _ details: AuthorizationDetails,
        seconds: Int64 = 100
    ) throws -> IssuedToken {
        try TokenIssuer(issuer: "https://idp.example", audience: fixture.vault.audience, key: theirKey).issue(
            to: client.registration.id, details: details, confirmation: .proofKey(client.key.thumbprint),
            policyVersion: "theirs", seconds: seconds, now: fixture.clock(), random: SystemRandom())
    }

    @Test("within the terms of the policy it releases, once per use, and the entry names who vouched")
    func released() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try token(fixture, client, client.details([contact], uses: 2))
        _ = try await client.release(contact, with: token)
        _ = try await client.release(contact, with: token)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenSpent)
        let entries = try await fixture.entries(.release, .permit)
        #expect(entries.map(\.trustedIssuer?.text) == ["idp", "idp"])
        // Revocation reaches it.
        let second = try self.token(fixture, client, client.details([contact], uses: 2))
        try await fixture.vault.revoke(.key(theirKey.thumbprint), requestID: fixture.requestID())
        #expect(await denial { _ = try await client.release(contact, with: second) } == .tokenRevoked)
        try await fixture.verifyLog()
    }

    @Test("what the policy or the registration would not have granted is refused at the use")
    func refused() async throws {
        let fixture = try await fixture(uses: 2)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        func code(_ details: AuthorizationDetails, seconds: Int64 = 100) async throws -> DenialCode? {
            let token = try token(fixture, client, details, seconds: seconds)
            return await denial { _ = try await client.release(contact, with: token) }
        }
        #expect(try await code(client.details([contact], uses: 3)) == .usesNotAllowed)
        #expect(try await code(client.details([contact], uses: 2), seconds: 201) == .tokenLifeTooLong)
        let complaints = try await fixture.registerClient("complaints-1", roles: [.complaints])
        let foreign = try token(fixture, complaints, complaints.details([contact], uses: 2))
        #expect(await denial { _ = try await complaints.release(contact, with: foreign) } == .roleNotAllowed)
        let bound = try await fixture.registerClient("bound-1", purposes: ["suppress.match"])
        let other = try token(fixture, bound, bound.details([contact], uses: 2))
        #expect(await denial { _ = try await bound.release(contact, with: other) } != nil)
        #expect(try await fixture.entries(.release, .permit).isEmpty)
    }

    @Test("only a registered, unsuspended client with a registered key is served")
    func standing() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let stranger = FixtureClient(
            vault: fixture.vault, registration: client.registration,
            key: PrivateJWK(try SigningKey(generating: .es256)), clock: fixture.clock)
        let details = try client.details([contact], uses: 2)
        let bound = try token(fixture, stranger, details)
        #expect(await denial { _ = try await stranger.release(contact, with: bound) } == .keyNotRegistered)
        let token = try token(fixture, client, details)
        try await fixture.vault.setSuspended(
            true, client: client.registration.id, requestID: fixture.requestID())
        #expect(await denial { _ = try await client.release(contact, with: token) } == .clientSuspended)
    }

    @Test("a token of theirs that is bound to another client's certificate is not this client's")
    func foreignCertificate() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let own = ClientCertificate(der: [1], names: ["dialer-1.clients.example"])
        let foreign = ClientCertificate(der: [2], names: ["dialer-2.clients.example"])
        func release(_ certificate: ClientCertificate) async throws {
            let token = try TokenIssuer(
                issuer: "https://idp.example", audience: fixture.vault.audience, key: theirKey
            ).issue(
                to: client.registration.id, details: client.details([contact], uses: 2),
                confirmation: .certificate(certificate.thumbprint), policyVersion: "theirs", seconds: 100,
                now: fixture.clock(), random: SystemRandom())
            let access = try await fixture.vault.verify(
                authorization: ["Bearer " + token.compact], proof: [], method: "POST",
                path: FixtureClient.path(of: contact), certificate: certificate)
            _ = try await client.release(contact, access: access)
        }
        #expect(await denial { try await release(own) } == .keyNotRegistered, "no name is registered")
        try await fixture.vault.setCertificateName(
            "dialer-1.clients.example", of: client.registration.id, requestID: fixture.requestID())
        #expect(await denial { try await release(foreign) } == .keyNotRegistered)
        try await release(own)
    }

    @Test("management tokens of theirs are bounded by the role, too")
    func management() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try token(
            fixture, client, .contactManagement(ContactManagementDetails(operation: .read, contact: contact)))
        let access = try await client.access(token, method: "GET", path: "/v1/contacts/\(contact)")
        #expect(
            await denial {
                _ = try await fixture.vault.contact(
                    contact, as: .client(access), requestID: fixture.requestID())
            } == .roleNotAllowed)
    }
}

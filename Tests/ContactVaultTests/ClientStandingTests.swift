// What can end a token before its time besides revocation: the entrustment of the agency, and the key or certificate that
// it is bound to.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import StrictEncoding
import Testing
import VaultCrypto
import VaultTesting

@Suite("Entrustment and client keys")
struct ClientStandingTests {
    private let clock = FixedClock()

    private func fixture() async throws -> VaultFixture {
        try await VaultFixture.make(policy: VaultFixture.policy(uses: 9), clock: clock.reading)
    }

    private func entrust(_ fixture: VaultFixture, from: Int64, until: Int64?) async throws {
        let now = fixture.clock()
        let agency = try #require(Reference("ag_north"))
        let entrustment = try #require(
            Entrustment(
                agency: agency, from: now.adding(seconds: from), until: until.map { now.adding(seconds: $0) })
        )
        try await fixture.vault.entrust(entrustment, requestID: fixture.requestID())
    }

    // MARK: Agencies

    @Test("before and after its entrustment an agency has no tokens, and those that are out release nothing")
    func entrustment() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let details = try client.details([contact], uses: 9)
        let token = try await client.token(details)
        _ = try await client.release(contact, with: token)

        try await entrust(fixture, from: 60, until: 3600)
        #expect(await denial { _ = try await client.token(details) } == .agencyNotEntrusted)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .agencyNotEntrusted)
        clock.advance(seconds: 60)
        _ = try await client.release(contact, with: token)
        clock.advance(seconds: 3540)
        #expect(await denial { _ = try await client.token(details) } == .agencyNotEntrusted)
        // Another agency is not concerned.
        let other = try await fixture.registerClient("dialer-2", agency: "ag_south")
        _ = try await other.release(contact, with: try await other.token(details))
        // Extended, it works again.
        try await entrust(fixture, from: -7200, until: nil)
        _ = try await client.release(contact, with: try await client.token(details))
        #expect(try await fixture.entries(.agencyEntrust, .permit).count == 2)
        try await fixture.verifyLog()
    }

    @Test("no token outlives the entrustment, not even by the second in which it is granted")
    func bounded() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        try await entrust(fixture, from: 0, until: 40)
        let token = try await client.token(client.details([contact], uses: 9))
        #expect(token.claims.expires.seconds - token.claims.issuedAt.seconds == 40)
        clock.advance(seconds: 39)
        let last = try await client.token(client.details([contact], uses: 9))
        #expect(last.claims.expires.seconds - last.claims.issuedAt.seconds == 1)
        _ = try await client.release(contact, with: last)
        clock.advance(milliseconds: 999)
        #expect(await denial { _ = try await client.release(contact, with: last) } == nil)
    }

    @Test("every kind of token is bound by it, and a token shows as inactive")
    func everyKind() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient(
            "all-1", kind: .service, roles: [.collection, .privacy, .intake, .security])
        let management = try await client.managementAccess(.read, of: contact, method: "GET")
        let token = try await client.token(client.details([contact], uses: 9))
        #expect(try await client.introspect(token).claims != nil)
        try await entrust(fixture, from: -60, until: 0)
        #expect(
            await denial {
                _ = try await fixture.vault.contact(
                    contact, as: .client(management), requestID: fixture.requestID())
            } == .agencyNotEntrusted)
        #expect(await denial { _ = try await client.introspect(token) } == .agencyNotEntrusted)
        for details: AuthorizationDetails in [
            .accessLog(try AccessLogDetails(operation: .read)),
            .keyManagement(KeyManagementDetails(operation: .read)),
        ] {
            #expect(await denial { _ = try await client.token(details) } == .agencyNotEntrusted)
        }
    }

    @Test("an entrustment that ends before it begins is none")
    func malformed() throws {
        let agency = try #require(Reference("ag_north"))
        let now = clock.now
        #expect(Entrustment(agency: agency, from: now, until: now) == nil)
        #expect(Entrustment(agency: agency, from: now, until: now.adding(seconds: -1)) == nil)
    }

    @Test(
        "roles, purposes and portfolios of an entrustment bound every client of the agency, whatever it is registered for"
    )
    func entrustedWith() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let portfolio = try #require(Reference("pf_north"))
        let other = try #require(Reference("pf_other"))
        let relay = try #require(Purpose("relay.message"))
        let agency = try #require(Reference("ag_north"))
        let client = try await fixture.registerClient(roles: [.collection, .privacy])
        let bound = try await fixture.registerClient("bound-1", portfolios: [other.text])
        let details = try client.details([contact], uses: 9)
        let token = try await client.token(details)
        func entrust(
            roles: Set<Role> = [], purposes: Set<Purpose> = [], portfolios: Set<Reference> = []
        ) async throws {
            try await fixture.vault.entrust(
                try #require(
                    Entrustment(
                        agency: agency, from: fixture.clock(), until: nil, roles: roles, purposes: purposes,
                        portfolios: portfolios)), requestID: fixture.requestID())
        }
        func release() async -> DenialCode? {
            await denial { _ = try await client.release(contact, with: token) }
        }
        try await entrust(roles: [.collection], purposes: [relay], portfolios: [portfolio])
        #expect(await release() == nil)
        #expect(await denial { _ = try await client.token(details) } == nil)
        #expect(
            await denial {
                _ = try await client.token(.accessLog(try AccessLogDetails(operation: .read)))
            } == .roleNotAllowed)
        try await entrust(portfolios: [other])
        #expect(await release() == .portfolioNotRegistered)
        try await entrust(purposes: [.suppressMatch])
        #expect(await release() != nil)
        #expect(await denial { _ = try await client.token(details) } != nil)
        try await entrust(roles: [.privacy])
        #expect(await release() == .roleNotAllowed)
        // Nothing in common is nothing, not everything.
        try await entrust(portfolios: [portfolio])
        #expect(await release() == nil)
        #expect(await denial { _ = try await bound.token(details) } == .roleNotAllowed)
        try await fixture.verifyLog()
    }

    // MARK: Keys of clients

    @Test("a new key works beside the one before until the overlap ends; then the old one's tokens are dead")
    func overlap() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let new = PrivateJWK(try SigningKey(generating: .ed25519))
        let renewed = FixtureClient(
            vault: fixture.vault, registration: client.registration, key: new, clock: fixture.clock)
        let details = try client.details([contact], uses: 9)
        guard case .token(.invalidClient)? = await refusal({ _ = try await renewed.token(details) }) else {
            Issue.record("a key that is not registered was accepted")
            return
        }
        let registration = try await fixture.vault.rotateKeys(
            of: client.registration.id, to: new.publicJWK, overlapSeconds: 100, requestID: fixture.requestID()
        )
        #expect(registration.keys.count == 2)
        #expect(registration.keyEnds == [client.key.thumbprint: fixture.clock().adding(seconds: 100)])
        let old = try await client.token(details)
        let fresh = try await renewed.token(details)
        _ = try await client.release(contact, with: old)
        _ = try await renewed.release(contact, with: fresh)

        clock.advance(seconds: 100)
        guard
            case .token(.invalidClient(.keyUnknown))? = await refusal({ _ = try await client.token(details) })
        else {
            Issue.record("a key that has ended was accepted")
            return
        }
        // Its token had life left.
        #expect(old.claims.expires > fixture.clock())
        #expect(await denial { _ = try await client.release(contact, with: old) } == .keyNotRegistered)
        _ = try await renewed.release(contact, with: fresh)
        let entries = try await fixture.entries(.clientRotate, .permit)
        #expect(entries.map(\.keyThumbprint?.text) == [new.thumbprint])
        #expect(entries.map(\.client?.text) == ["dialer-1"])
    }

    @Test("with no overlap the keys before end at once, and what ended does not come back")
    func atOnce() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let id = client.registration.id
        let token = try await client.token(client.details([contact], uses: 9))
        let keys = try (0..<3).map { _ in PrivateJWK(try SigningKey(generating: .es256)) }
        for key in keys {
            try await fixture.vault.rotateKeys(
                of: id, to: key.publicJWK, overlapSeconds: 0, requestID: fixture.requestID())
        }
        #expect(await denial { _ = try await client.release(contact, with: token) } == .keyNotRegistered)
        let registered = try #require(try await fixture.vault.clients().first)
        #expect(registered.keys(at: fixture.clock()) == [keys[2].publicJWK])
        #expect(registered.keys.count == 2, "what ended earlier is forgotten")
        // A longer overlap afterwards does not give an ended key more time.
        try await fixture.vault.rotateKeys(
            of: id, to: client.key.publicJWK, overlapSeconds: 9999, requestID: fixture.requestID())
        let after = try #require(try await fixture.vault.clients().first)
        #expect(Set(after.keys(at: fixture.clock())) == [keys[2].publicJWK, client.key.publicJWK])
    }

    @Test("a key that is registered already, or that also seals, is refused, and nothing changes")
    func refused() async throws {
        let fixture = try await fixture()
        let client = try await fixture.registerClient()
        let id = client.registration.id
        func conflict(_ body: () async throws -> Void) async -> String? {
            switch await refusal(body) {
            case .conflict(let what)?, .inconsistent(let what)?: what
            default: nil
            }
        }
        #expect(
            await conflict {
                try await fixture.vault.rotateKeys(
                    of: id, to: client.key.publicJWK, overlapSeconds: 9, requestID: fixture.requestID())
            } == "key_is_registered")
        let both = try PrivateEncryptionJWK.generate()
        let signing = try PublicJWK(VerificationKey(.es256, rawRepresentation: both.publicJWK.point))
        #expect(
            await conflict {
                try await fixture.vault.rotateKeys(
                    of: id, to: signing, encryptionKey: both.publicJWK, overlapSeconds: 9,
                    requestID: fixture.requestID())
            } == "encryption_key_signs")
        #expect(try await fixture.vault.clients().first?.keys == [client.key.publicJWK])
        for name in ["*.example", "a b", "", "-.\u{0}", "dialer..example"] {
            #expect(
                await conflict {
                    try await fixture.vault.setCertificateName(name, of: id, requestID: fixture.requestID())
                } == "certificate_name", "\(name)")
        }
    }

    @Test("a client is warned about when its last key will end within two weeks")
    func warning() async throws {
        let fixture = try await fixture()
        let client = try await fixture.registerClient()
        _ = try await fixture.registerClient("dialer-2")
        let key = PrivateJWK(try SigningKey(generating: .es256))
        let ends = fixture.clock().adding(seconds: 30 * 86_400)
        try await fixture.vault.rotateKeys(
            of: client.registration.id, to: key.publicJWK, overlapSeconds: 60, ends: ends,
            requestID: fixture.requestID())
        #expect(try await fixture.vault.endingKeys() == [])
        clock.advance(seconds: 16 * 86_400 + 1)
        let ending = try await fixture.vault.endingKeys()
        #expect(ending.map(\.client) == [client.registration.id])
        #expect(ending.map(\.ends) == [ends])
    }

    // MARK: Certificates

    @Test("a token is bound to the certificate of a registered name, and dies when the name is taken away")
    func certificates() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let id = client.registration.id
        let certificate = ClientCertificate(der: [1, 2, 3], names: ["dialer-1.clients.example"])
        func granted(_ certificate: ClientCertificate?) async throws -> IssuedToken {
            try await fixture.vault.grantToken(
                TokenRequest(
                    assertion: Array(try client.assertion().utf8), clientID: nil,
                    authorizationDetails: client.details([contact], uses: 9).json.canonicalBytes, proof: [],
                    certificate: certificate, requestID: fixture.requestID()))
        }
        func released(_ token: IssuedToken, by certificate: ClientCertificate?) async throws {
            let access = try await fixture.vault.verify(
                authorization: ["Bearer " + token.compact], proof: [], method: "POST",
                path: FixtureClient.path(of: contact), certificate: certificate)
            _ = try await client.release(contact, access: access)
        }
        // Not registered with a name: a proof is wanted, whatever the connection shows.
        guard case .token(.invalidDPoPProof(.absent))? = await refusal({ _ = try await granted(certificate) })
        else {
            Issue.record("a certificate was accepted of a client without a name")
            return
        }
        try await fixture.vault.setCertificateName(
            "Dialer-1.clients.example", of: id, requestID: fixture.requestID())
        let token = try await granted(certificate)
        #expect(token.claims.confirmation == .certificate(certificate.thumbprint))
        try await released(token, by: certificate)
        try await released(token, by: certificate)
        let other = ClientCertificate(der: [4], names: ["dialer-1.clients.example"])
        guard
            case .token(.invalidToken(.keyBinding))? = await refusal({ try await released(token, by: other) })
        else {
            Issue.record("another certificate was accepted")
            return
        }
        guard
            case .token(.invalidDPoPProof(.absent))? = await refusal({
                _ = try await granted(ClientCertificate(der: [1, 2, 3], names: ["dialer-2.clients.example"]))
            })
        else {
            Issue.record("another client's certificate was accepted")
            return
        }
        let entry = try #require(try await fixture.entries(.release, .permit).first)
        #expect(entry.certificateThumbprint?.text == certificate.thumbprint)
        #expect(entry.keyThumbprint == nil)
        // Another name takes the old tokens with it, and does not bring them back.
        try await fixture.vault.setCertificateName(
            "dialer-9.clients.example", of: id, requestID: fixture.requestID())
        #expect(await denial { try await released(token, by: certificate) } == .keyNotRegistered)
        try await fixture.vault.setCertificateName(nil, of: id, requestID: fixture.requestID())
        #expect(await denial { try await released(token, by: certificate) } == .keyNotRegistered)
        try await fixture.verifyLog()
    }
}

// Tokens that are bound to the certificate of the connection (RFC 8705) instead of to a key that signs proofs.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Tokens bound to a certificate")
struct CertificateBindingTests {
    private let fixture: Fixture
    private let certificate = ClientCertificate(der: Array("a certificate".utf8), names: ["Dialer-1.example"])
    private let other = ClientCertificate(der: Array("another one".utf8), names: ["dialer-1.example"])
    private let path = "/v1/contacts/\(Fixture.contact)/actions/dial"

    init() throws { fixture = try Fixture() }

    private func token(_ confirmation: TokenConfirmation) throws -> String {
        try fixture.issuer.issue(
            to: fixture.client.id, details: Fixture.details(), confirmation: confirmation,
            policyVersion: "p1-abc", seconds: 120, now: fixture.now, random: SystemRandom()
        ).compact
    }

    private func verify(
        _ authorization: String, dpop: [String] = [], certificate: ClientCertificate?
    ) throws(TokenError) -> VerifiedAccess {
        try fixture.access.verify(
            authorization: [authorization], dpop: dpop, method: "POST", path: path, certificate: certificate,
            now: fixture.now)
    }

    private func proof(_ token: String) throws -> String {
        try DPoPProof.make(
            method: "POST", url: Fixture.issuerURL + path, nonce: fixture.nonce(), accessToken: token,
            key: fixture.clientKey, identifier: "p-1", now: fixture.now)
    }

    @Test("The thumbprint is the SHA-256 of the DER, the names are compared in lower case")
    func thumbprint() {
        #expect(certificate.thumbprint == Base64URL.encode(SHA256.hash(Array("a certificate".utf8))))
        #expect(certificate.names == ["dialer-1.example"])
    }

    @Test("A token goes with its own certificate, without a proof, and with no other")
    func bound() throws {
        let token = try token(.certificate(certificate.thumbprint))
        let access = try verify("Bearer " + token, certificate: certificate)
        #expect(access.proof == nil)
        #expect(access.token.claims.confirmation == .certificate(certificate.thumbprint))
        #expect(
            refusal { _ = try verify("Bearer " + token, certificate: other) } == .invalidToken(.keyBinding))
        #expect(refusal { _ = try verify("Bearer " + token, certificate: nil) } == .noCredentials)
    }

    @Test("Neither binding can be exchanged for the other")
    func exchanged() throws {
        let bound = try token(.certificate(certificate.thumbprint))
        // As if it were bound to a key: with a proof by the client's own.
        let proof = try proof(bound)
        #expect(
            refusal { _ = try verify("DPoP " + bound, dpop: [proof], certificate: certificate) }
                == .invalidToken(.keyBinding))
        // A token for proofs, sent as a bearer's over a connection with a certificate.
        let forProofs = try token(.proofKey(fixture.clientKey.thumbprint))
        #expect(
            refusal { _ = try verify("Bearer " + forProofs, certificate: certificate) }
                == .invalidToken(.keyBinding))
        #expect(refusal { _ = try verify("Bearer " + forProofs, certificate: nil) } == .noCredentials)
        // The same 43 characters mean something else in the other member.
        let swapped = try token(.proofKey(certificate.thumbprint))
        #expect(
            refusal { _ = try verify("Bearer " + swapped, certificate: certificate) }
                == .invalidToken(.keyBinding))
    }

    @Test("A proof beside a certificate is one credential too many")
    func both() throws {
        let token = try token(.certificate(certificate.thumbprint))
        let proof = try proof(token)
        #expect(
            refusal { _ = try verify("Bearer " + token, dpop: [proof], certificate: certificate) }
                == .invalidRequest(.several))
    }

    @Test("A client is named by a whole DNS name of its certificate, and by nothing else")
    func names() throws {
        func client(_ name: String?) throws -> RegisteredClient {
            var client = try Fixture.client(keys: [fixture.clientKey.publicJWK])
            client.certificateName = name
            return client
        }
        #expect(try client("dialer-1.example").isNamed(by: certificate))
        for name in ["example", "ialer-1.example", "dialer-1.example.org", "*.example", ""] {
            #expect(try !client(name).isNamed(by: certificate), "\(name)")
        }
        #expect(try !client(nil).isNamed(by: certificate))
        #expect(
            try !client(nil).holds(.certificate(certificate.thumbprint), shown: certificate, at: fixture.now))
        // A name makes no other certificate good, and no certificate is none.
        let named = try client("dialer-1.example")
        let confirmation = TokenConfirmation.certificate(certificate.thumbprint)
        #expect(named.holds(confirmation, shown: certificate, at: fixture.now))
        #expect(!named.holds(confirmation, shown: other, at: fixture.now))
        #expect(!named.holds(confirmation, shown: nil, at: fixture.now))
        #expect(try !client("dialer-2.example").holds(confirmation, shown: certificate, at: fixture.now))
    }
}

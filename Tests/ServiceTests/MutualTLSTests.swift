// Tokens bound to certificates, over real TLS: no proof, no nonce, and no use to anybody without the certificate's key.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Mutual TLS")
struct MutualTLSTests {
    @Test("a certificate of the site's authority binds tokens; another's, none, and another client's do not")
    func bound() async throws {
        let vault = try ServedVault(scheme: "https")
        let authority = try TestAuthority(in: vault.folder)
        let stranger = try TestAuthority(in: vault.folder, name: "stranger")
        let server = try authority.issue("server", names: "IP:127.0.0.1")
        try vault.configure(
            """
            data:
              tls:
                certificate: \(server.certificate)
                key: \(server.key)
                client_authority: \(authority.certificate)

            """)
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.command("client", "certificate", "dialer-1", "--name", "dialer-1.clients.example")
        try vault.start()
        let dial = try #require(Action("dial"))
        func client(
            _ files: (certificate: String, key: String)?
        ) throws -> VaultClient {
            try vault.client(
                tls: ClientTLS(
                    authority: authority.certificate, certificate: files?.certificate, key: files?.key))
        }
        let own = try authority.issue("dialer-1", names: "DNS:dialer-1.clients.example")
        let renewed = try authority.issue("dialer-1-renewed", names: "DNS:dialer-1.clients.example")

        let dialer = try client(own)
        let metadata = try await dialer.send("GET", "/.well-known/oauth-authorization-server")
        let document = try #require(try JSONValue.parse(metadata.body).objectValue)
        #expect(document["tls_client_certificate_bound_access_tokens"]?.boolValue == true)
        #expect(document["dpop_signing_alg_values_supported"] != nil)

        let token = try await dialer.token(for: .release(of: contact))
        #expect(token.isBoundToCertificate)
        #expect(try await dialer.introspect(token).usesRemaining == 1)
        let released = try await dialer.release(contact, action: dial, token: token)
        #expect(released.fields["phone"] == Invented.phone)
        #expect(dialer.nonce == nil, "no proof was asked for")

        // A renewed certificate gets tokens of its own, and cannot use the other's.
        let second = try client(renewed)
        let bound = try await second.token(for: .release(of: contact))
        await expectRefusal(401, "invalid-token") {
            try await dialer.release(contact, action: dial, token: bound)
        }
        // Without a certificate the token is no credential, however it is sent.
        let bare = try client(nil)
        await expectRefusal(401, "no-credentials") {
            try await bare.release(contact, action: dial, token: bound)
        }
        await expectRefusal(401, "invalid-token") {
            try await bare.release(
                contact, action: dial, token: ClientToken(compact: bound.compact, expires: bound.expires))
        }
        _ = try await second.release(contact, action: dial, token: bound)
        // Another client's certificate, and one of no name, are not this client's.
        for (index, names) in [
            "DNS:dialer-2.clients.example", "email:dialer-1.clients.example", "IP:10.0.0.1",
        ]
        .enumerated() {
            let other = try client(try authority.issue("other-\(index)", names: names))
            await expectRefusal(400, "invalid_dpop_proof") {
                try await other.token(for: .release(of: contact))
            }
            try await other.shutdown()
        }
        // A certificate that nobody here signed does not get through the handshake.
        let forged = try client(try stranger.issue("forged", names: "DNS:dialer-1.clients.example"))
        await #expect(throws: VaultClientError.self) { try await forged.token(for: .release(of: contact)) }
        // DPoP goes on beside it, over the same listener.
        let proving = try await bare.token(for: .release(of: contact))
        #expect(!proving.isBoundToCertificate)
        _ = try await bare.release(contact, action: dial, token: proving)

        for each in [dialer, second, bare, forged] { try await each.shutdown() }
        vault.stop()
        let permits = try vault.entries().map(\.entry).filter { $0.kind == .release && $0.outcome == .permit }
        #expect(permits.map { $0.certificateThumbprint != nil } == [true, true, false])
        #expect(permits.map { $0.keyThumbprint != nil } == [false, false, true])
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("without an authority in the configuration the metadata promises nothing")
    func off() async throws {
        let vault = try ServedVault()
        try vault.start()
        let client = try vault.client()
        let metadata = try await client.send("GET", "/.well-known/oauth-authorization-server")
        let document = try #require(try JSONValue.parse(metadata.body).objectValue)
        #expect(document["tls_client_certificate_bound_access_tokens"]?.boolValue == false)
        try await client.shutdown()
        vault.stop()
    }
}

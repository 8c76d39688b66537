// Introspection, revocation and batches as a collection service has them: over HTTP, against the real executable.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Token status over HTTP")
struct TokenStatusTests {
    @Test("a token is introspected and revoked; the operator revokes by client; the metadata says where")
    func introspectAndRevoke() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        let metadata = try await client.send("GET", "/.well-known/oauth-authorization-server")
        let document = try #require(try JSONValue.parse(metadata.body).objectValue)
        #expect(document["introspection_endpoint"]?.stringValue == vault.issuer + "/oauth2/introspect")
        #expect(document["revocation_endpoint"]?.stringValue == vault.issuer + "/oauth2/revoke")

        let token = try await client.token(for: .release(of: contact))
        let status = try await client.introspect(token)
        #expect(status.isActive && status.usesRemaining == 1)
        let desk = try vault.client("desk-1")
        #expect(try await desk.introspect(token).isActive == false)
        await #expect(throws: VaultClientError.self) { try await desk.revoke(token) }
        #expect(try await client.introspect(token).isActive)
        try await client.revoke(token)
        try await client.revoke(token)
        #expect(try await client.introspect(token).isActive == false)
        await expectRefusal(401, "invalid-token") {
            try await client.release(contact, action: dial, token: token)
        }
        // Revoked by the operator, beside the running service, before the first use.
        let second = try await client.token(for: .release(of: contact))
        let outcome = try CommandLineProgram.run([
            "tokens", "revoke", "--client", "dialer-1", "--data", vault.data,
        ])
        #expect(outcome.code == 0, "\(outcome.messages)")
        await expectRefusal(401, "invalid-token") {
            try await client.release(contact, action: dial, token: second)
        }
        for arguments in [
            [], ["--client", "a", "--case", "b"], ["--contact", "nobody"], ["--key", "short"],
        ] {
            let bad = try CommandLineProgram.run(["tokens", "revoke", "--data", vault.data] + arguments)
            #expect(bad.code != 0, "\(arguments)")
        }
        // What is no form, has too much or lacks credentials is an error of RFC 6749.
        for body in [
            "", "token=x", "token=x&client_assertion=y", "token=x&token=y",
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                + "&client_assertion=a.b.c&token=x&scope=all",
        ] {
            for path in ["/oauth2/introspect", "/oauth2/revoke"] {
                let reply = try await client.send(
                    "POST", path, body: Array(body.utf8),
                    headers: [("Content-Type", "application/x-www-form-urlencoded")])
                #expect(reply.status == 400 || reply.status == 401, "\(path) \(body)")
                #expect(!String(decoding: reply.body, as: UTF8.self).contains("active"))
            }
        }
        try await client.shutdown()
        try await desk.shutdown()
        vault.stop()
        let kinds = try vault.entries().map(\.entry.kind)
        #expect(kinds.count { $0 == .tokenIntrospect } == 4)
        #expect(kinds.count { $0 == .tokenRevoke } == 4)
        #expect(kinds.count { $0 == .release } == 2)
    }

    @Test("a batch answers each contact for itself, and its numbers stay out of log and files")
    func batch() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<30).map { Invented.contact($0) })
        let stopped = try CommandLineProgram.run([
            "contacts", "stop", contacts[4].description, "--data", vault.data,
        ])
        #expect(stopped.code == 0)
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        let details = AuthorizationDetails.contactAccess(
            try ContactAccessDetails(
                action: dial, purpose: #require(Purpose("relay.message")), selection: .several(contacts),
                caseReference: #require(Reference("cs_1")), stage: .callCollection, fields: [.phone],
                precondition: .unreachableThreeDays,
                actor: Actor(kind: .human, id: #require(Reference("u_1"))), maximumUses: 1))
        let token = try await client.token(for: details)
        let results = try await client.releaseAll(action: dial, token: token)
        #expect(results.map(\.contact) == contacts.map(\.description))
        for (index, result) in results.enumerated() {
            switch result {
            case .released(let release):
                #expect(index != 4)
                #expect(release.fields["phone"]?.hasPrefix("+861380013") == true)
            case .refused(_, let problem):
                #expect(index == 4 && problem.status == 403)
                #expect(problem.detail == nil)
            }
        }
        // Another action than the token's, and a token for one contact, are refused whole.
        await expectRefusal(403, "insufficient-scope") {
            try await client.releaseAll(action: #require(Action("display")), token: token)
        }
        let single = try await client.token(for: .release(of: contacts[0]))
        await expectRefusal(403, "insufficient-scope") {
            try await client.releaseAll(action: dial, token: single)
        }
        try await client.shutdown()
        vault.stop()
        let entries = try vault.entries()
        #expect(entries.count { $0.entry.kind == .release && $0.entry.outcome == .permit } == 29)
        #expect(try vault.verifyLog().code == 0)
        #expect(
            try PersonalDataScan(["+8613800138005", "13800138005"]).findings(inFolder: vault.data) == [])
    }
}

// The main job as a collection service has it: over HTTP, against the real executable.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

@Suite("Release over HTTP")
struct ReleaseOverHTTPTests {
    static let dial = Action("dial")

    @Test("a token releases one number once; the log proves it and holds nothing personal")
    func mainJob() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start(["--log-level", "debug"])
        let client = try vault.client()
        let dial = try #require(Self.dial)
        let token = try await client.token(for: .release(of: contact, fields: [.name, .phone]))

        let release = try await client.release(contact, action: dial, token: token)
        #expect(release.fields == ["phone": Invented.phone, "name": Invented.name])
        #expect(release.form == "reveal")
        #expect(release.usesRemaining == 0)

        // The receipt is the leaf's.
        let entries = try vault.entries()
        let logged = try #require(entries.first { $0.body.index == release.receipt.index })
        #expect(Base64.encode(MerkleTree.leafHash(Array(logged.body.leaf.utf8))) == release.receipt.leafHash)
        #expect(logged.entry.outcome == .permit)
        #expect(logged.entry.purpose?.text == "relay.message")
        #expect(logged.body.contact == contact.description)
        #expect(!logged.body.leaf.contains(contact.description))

        // A second use is refused, whatever the wording of the retry.
        await expectRefusal(401, "invalid-token") {
            try await client.release(contact, action: dial, token: token)
        }
        // Another action than the token's.
        let display = try #require(Action("display"))
        await expectRefusal(403, "insufficient-scope") {
            try await client.release(contact, action: display, token: token)
        }
        // A purpose that is not in the catalogue gets no token.
        await expectRefusal(400, "invalid_authorization_details") {
            try await client.token(for: .release(of: contact, purpose: "debt.demand"))
        }
        try await client.shutdown()
        #expect(vault.stop() == 0)
        let verified = try vault.verifyLog()
        #expect(verified.code == 0, "\(verified.messages)")

        // Neither the stored files nor the service's log hold the number, the name or the token.
        let secrets = [Invented.phone, "13800138000", Invented.name, "sibling", token.compact]
        #expect(try PersonalDataScan(secrets).findings(inFolder: vault.data) == [])
        let log = Array(try Data(contentsOf: URL(fileURLWithPath: vault.serviceLog)))
        #expect(PersonalDataScan(secrets).findings(in: log, named: "service log") == [])
        #expect(!log.isEmpty)
    }

    @Test("a desk gets a mask and never the number")
    func deskIsMasked() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client("desk-1")
        for action in ["dial", "display", "send_template"] {
            let token = try await client.token(for: .release(of: contact, action: action))
            let release = try await client.release(contact, action: #require(Action(action)), token: token)
            #expect(release.form == "mask", "\(action)")
            #expect(release.fields == ["phone": "138****8000"], "\(action)")
        }
        try await client.shutdown()
        vault.stop()
    }

    @Test("64 parallel uses of a one-use token: exactly one 200 and exactly one permit entry")
    func parallelUses() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Self.dial)
        let token = try await client.token(for: .release(of: contact))
        let statuses = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<64 {
                group.addTask {
                    do {
                        _ = try await client.release(contact, action: dial, token: token)
                        return 200
                    } catch let error as VaultClientError {
                        return error.status ?? 0
                    } catch {
                        return -1
                    }
                }
            }
            return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(statuses == [200: 1, 401: 63])
        try await client.shutdown()
        vault.stop()
        let releases = try vault.entries().filter { $0.entry.kind == .release }
        #expect(releases.filter { $0.entry.outcome == .permit }.count == 1)
        #expect(releases.filter { $0.entry.outcome == .deny && $0.entry.reason == "token_spent" }.count == 63)
    }

    @Test("a retry with the same request id is answered again without a new use")
    func idempotentRetry() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Self.dial)
        let token = try await client.token(for: .release(of: contact))
        let first = try await client.release(contact, action: dial, token: token, requestID: "retry-1")
        let again = try await client.release(contact, action: dial, token: token, requestID: "retry-1")
        #expect(first.release == again.release)
        #expect(first.fields == again.fields)
        #expect(first.receipt.index != again.receipt.index)
        await expectRefusal(401, "invalid-token") {
            try await client.release(contact, action: dial, token: token, requestID: "retry-2")
        }
        try await client.shutdown()
        vault.stop()
        let outcomes = try vault.entries().filter { $0.entry.kind == .release }.map(\.entry.outcome)
        #expect(outcomes == [.permit, .redelivered, .deny])
    }

    @Test("unknown, stopped and unconsented contacts are refused in the same words")
    func sameWords() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts([
            Invented.contact(1), Invented.contact(2, consent: nil),
            Invented.contact(3, consent: "contact.notice"),
        ])
        let outcome = try CommandLineProgram.run([
            "contacts", "stop", contacts[0].description, "--data", vault.data,
        ])
        #expect(outcome.code == 0, "\(outcome.messages)")
        try vault.start()
        let client = try vault.client()
        let unknown = try #require(ContactID(bytes: SystemRandom().bytes(16)))
        var bodies: Set<String> = []
        for contact in contacts + [unknown] {
            let token = try await client.token(for: .release(of: contact))
            let reply = try await client.send("POST", "/v1/contacts/\(contact)/actions/dial", token: token)
            #expect(reply.status == 403)
            let problem = try #require(reply.problem)
            bodies.insert("\(problem.type)|\(problem.title)|\(problem.detail ?? "")|\(reply.body.count)")
        }
        #expect(bodies.count == 1)
        try await client.shutdown()
        vault.stop()
        let reasons = try vault.entries().compactMap {
            $0.entry.kind == .release ? $0.entry.reason?.text : nil
        }
        #expect(reasons == ["stop_flag", "consent_missing", "consent_missing", "contact_unknown"])
    }

    @Test("a request that was refused for its body cannot be sent again with another")
    func spentByMalformed() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact(consent: nil)]).first)
        try vault.start()
        let client = try vault.client("intake-1")
        let token = try await client.token(
            for: .contactManagement(ContactManagementDetails(operation: .consent, contact: contact)))
        let path = "/v1/contacts/\(contact)/consents/relay.message"
        let good =
            #"{"notice":"n3","evidence":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#
        for bad in ["not json", #"{"notice":"n3"}"#] {
            let proof = try DPoPProof.make(
                method: "PUT", url: vault.issuer + path, nonce: client.nonce, accessToken: token.compact,
                key: ClientKey.load(path: vault.keyFile("intake-1")), identifier: UUID().uuidString,
                now: VaultClient.systemClock())
            let refused = try await client.send(
                "PUT", path, token: token, body: Array(bad.utf8), headers: [("DPoP", proof)])
            #expect(refused.status == 400 || refused.status == 422, "\(refused.status)")
            // Whoever saw it go by sends the same credentials with a body of their own.
            let again = try await client.send(
                "PUT", path, token: token, body: Array(good.utf8), headers: [("DPoP", proof)])
            #expect(again.status == 401, "\(again.status)")
        }
        try await client.shutdown()
        vault.stop()
        let entries = try vault.entries().filter { $0.entry.kind == .consentGive }
        #expect(
            entries.map { $0.entry.reason?.text } == [
                "request_malformed", "proof_replayed", "request_malformed", "proof_replayed",
            ])
    }

    @Test("Ed25519 clients are served as ES256 ones")
    func ed25519() async throws {
        let vault = try ServedVault()
        try vault.addClient("dialer-2", kind: "gateway", roles: ["collection"], algorithm: .ed25519)
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client("dialer-2")
        let token = try await client.token(for: .release(of: contact))
        let release = try await client.release(contact, action: #require(Self.dial), token: token)
        #expect(release.fields["phone"] == Invented.phone)
        try await client.shutdown()
        vault.stop()
    }
}

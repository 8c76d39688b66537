// Revoked before the first use or between two, by whatever a token may be revoked by; and what a client may know of one.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import GRDB
import PurposePolicy
import Testing
import VaultTesting

@Suite("Revocation and introspection")
struct RevocationTests {
    private let clock = FixedClock()

    private func fixture(uses: Int = 5) async throws -> VaultFixture {
        try await VaultFixture.make(policy: VaultFixture.policy(uses: uses), clock: clock.reading)
    }

    @Test("a token that its client revokes is dead before its first use, and nobody else's is touched")
    func byToken() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact], uses: 5))
        let other = try await client.token(client.details([contact], uses: 5))
        _ = try await client.release(contact, with: other)
        try await client.revoke(token)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenRevoked)
        _ = try await client.release(contact, with: other)
        // Again, and of a token that is none, changes nothing.
        try await client.revoke(token)
        try await client.revoke("not.a.token")
        try await client.revoke(other)
        #expect(await denial { _ = try await client.release(contact, with: other) } == .tokenRevoked)
        #expect(try await fixture.entries(.tokenRevoke, .permit).count == 4)
    }

    @Test("somebody else's token is not revoked, unless by a client of role security")
    func foreignToken() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let stranger = try await fixture.registerClient("dialer-2")
        let security = try await fixture.registerClient("security-1", kind: .service, roles: [.security])
        let token = try await client.token(client.details([contact], uses: 5))
        #expect(await denial { try await stranger.revoke(token) } == .insufficientScope)
        #expect(try await fixture.entries(.tokenRevoke, .deny).map(\.client?.text) == ["dialer-2"])
        #expect(try await fixture.entries(.tokenRevoke, .permit).isEmpty)
        #expect(try await stranger.introspect(token).claims == nil)
        _ = try await client.release(contact, with: token)
        #expect(try await security.introspect(token).usesRemaining == 4)
        try await security.revoke(token)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenRevoked)
    }

    @Test(
        "all tokens of a client, an agency, a case, a contact or a key die at once; later ones live",
        arguments: [
            "client", "agency", "case", "contact", "key",
        ])
    func byFact(kind: String) async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let untouched = try await fixture.store(.sima)
        let client = try await fixture.registerClient()
        let other = try await fixture.registerClient("dialer-2", agency: "ag_south")
        let token = try await client.token(client.details([contact], caseReference: "cs_1", uses: 5))
        let foreign = try await other.token(other.details([untouched], caseReference: "cs_2", uses: 5))
        _ = try await client.release(contact, with: token)
        let revocation: Revocation =
            switch kind {
            case "client": .client(client.registration.id)
            case "agency": .agency(client.registration.agency)
            case "case": .caseReference(try #require(Reference("cs_1")))
            case "contact": .contact(contact)
            default: .key(try #require(fixture.vault.tokenKeys.first).thumbprint)
            }
        try await fixture.vault.revoke(revocation, requestID: try fixture.requestID())
        #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenRevoked)
        #expect(try await client.introspect(token).claims == nil)
        let isAll = kind == "key"
        #expect(
            await denial { _ = try await other.release(untouched, with: foreign) }
                == (isAll ? .tokenRevoked : nil))
        clock.advance(seconds: 1)
        let fresh = try await client.token(client.details([contact], caseReference: "cs_1", uses: 5))
        _ = try await client.release(contact, with: fresh)
        // A restart forgets nothing.
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        let moved = client.moved(to: reopened)
        #expect(await denial { _ = try await moved.release(contact, with: token) } == .tokenRevoked)
        // And what is long over is purged.
        clock.advance(seconds: 2 * 3600)
        _ = try await reopened.store(.numbered(1))
        try await reopened.vault.purgeExpired()
        #expect(try reopened.value("SELECT count(*) FROM revocations") == 0)
    }

    @Test("tokens for other things are revoked too: a contact's for managing it, a client's for the log")
    func otherTypes() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let officer = try await fixture.registerClient("officer-1", kind: .service, roles: [.privacy])
        let access = try await officer.managementAccess(.read, of: contact, method: "GET")
        try await fixture.vault.revoke(.contact(contact), requestID: try fixture.requestID())
        #expect(
            await denial {
                _ = try await fixture.vault.contact(
                    contact, as: .client(access), requestID: try fixture.requestID())
            } == .tokenRevoked)
    }

    @Test("a revocation and sixty-four uses at once: not one use after the revocation's entry")
    func race() async throws {
        let fixture = try await fixture(uses: 64)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact], uses: 64))
        _ = try await client.release(contact, with: token)
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<63 {
                group.addTask {
                    if index == 20 { try? await client.revoke(token) }
                    _ = await denial { _ = try await client.release(contact, with: token) }
                }
            }
        }
        let entries = try await fixture.entries()
        let revoked = try #require(entries.firstIndex { $0.kind == .tokenRevoke })
        #expect(!entries[revoked...].contains { $0.kind == .release && $0.outcome == .permit })
        #expect(entries[revoked...].allSatisfy { $0.kind != .release || $0.reason?.text == "token_revoked" })
    }

    @Test("an introspection spends no use, and answers for none that is spent, expired, suspended or altered")
    func introspection() async throws {
        let fixture = try await fixture(uses: 2)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact], uses: 2))
        for _ in 0..<3 {
            let status = try await client.introspect(token)
            #expect(status.claims?.identifier == token.claims.identifier && status.usesRemaining == 2)
        }
        _ = try await client.release(contact, with: token)
        #expect(try await client.introspect(token).usesRemaining == 1)
        _ = try await client.release(contact, with: token)
        #expect(try await client.introspect(token).claims == nil)

        let second = try await client.token(client.details([contact], uses: 1))
        #expect(try await client.introspect(String(second.compact.reversed())).claims == nil)
        #expect(try await client.introspect(second).usesRemaining == 1)
        clock.advance(seconds: 300)
        #expect(try await client.introspect(second).claims == nil)
        let third = try await client.token(client.details([contact], uses: 1))
        let security = try await fixture.registerClient("security-1", kind: .service, roles: [.security])
        try await fixture.vault.setSuspended(
            true, client: client.registration.id, requestID: try fixture.requestID())
        #expect(try await security.introspect(third).claims == nil)
        let refused = await refusal { _ = try await client.introspect(third) }
        guard case .token(.invalidClient(.clientSuspended))? = refused else {
            Issue.record("a suspended client was answered: \(String(describing: refused))")
            return
        }
    }

    @Test("an assertion is good for one introspection")
    func replay() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact]))
        let request = TokenStatusRequest(
            assertion: Array(try client.assertion().utf8), clientID: nil, token: Array(token.compact.utf8),
            requestID: try client.requestID())
        _ = try await fixture.vault.introspect(request)
        #expect(await denial { _ = try await fixture.vault.introspect(request) } == .assertionReplayed)
        #expect(await denial { try await fixture.vault.revoke(request) } == .assertionReplayed)
        _ = try await client.release(contact, with: token)
    }

    // MARK: Batches

    @Test("a batch releases each contact for itself; one that is bad spoils nothing; one proof pays for all")
    func batch() async throws {
        let fixture = try await VaultFixture.make(
            policy: StarterPolicy.starterCatalogue, clock: clock.reading)
        var contacts = try await fixture.store(numbered: 0..<20)
        let stopped = contacts[3]
        try await fixture.vault.stop(stopped, as: .localOperator, requestID: try fixture.requestID())
        let unknown = try #require(ContactID(bytes: [UInt8](repeating: 9, count: 16)))
        contacts.insert(unknown, at: 7)
        // The same number again in another record: the cap of one a day counts within the batch.
        contacts.append(try await fixture.store(.numbered(5)))
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details(contacts))
        let access = try await client.access(token, method: "POST", path: "/v1/actions/dial")
        let outcomes = try await client.releaseAll(access)
        #expect(outcomes.map(\.contact) == contacts)
        for (contact, outcome) in zip(contacts, outcomes) {
            switch contact {
            case stopped: #expect(outcome.denial == .stopFlag)
            case unknown: #expect(outcome.denial == .contactUnknown)
            case contacts.last: #expect(outcome.denial == .capReached)
            default: #expect(outcome.values?.phone?.hasPrefix("+86138") == true)
            }
        }
        #expect(try await fixture.entries(.release, .permit).count == 19)
        #expect(try await fixture.entries(.release, .deny).count == 3)
        // The proof is spent, for every contact.
        #expect(await denial { _ = try await client.releaseAll(access) } == .proofReplayed)
        // The budget is one a contact: with a new proof each of them is spent.
        let again = try await client.access(token, method: "POST", path: "/v1/actions/dial")
        let second = try await client.releaseAll(again)
        #expect(second.filter { $0.denial == .tokenSpent }.count == 19)
        try await fixture.verifyLog()
    }

    @Test("a damaged record in a batch fails alone")
    func damaged() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<5)
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details(contacts))
        try fixture.tamper(
            "UPDATE contacts SET state = 'nonsense' WHERE id = ?", [Data(contacts[2].bytes)])
        let access = try await client.access(token, method: "POST", path: "/v1/actions/dial")
        let outcomes = try await client.releaseAll(access)
        #expect(outcomes.compactMap { $0.values?.phone }.count == 4)
        guard case .storeCorrupt? = outcomes[2].error else {
            Issue.record("\(String(describing: outcomes[2].error))")
            return
        }
        #expect(try await fixture.entries(.release, .error).count == 1)
        #expect(await denial { _ = try await client.releaseAll(access) } == .proofReplayed)
    }

    @Test("a batch of a revoked token, or for one contact's token, or another action is refused whole")
    func refusedWhole() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<3)
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details(contacts))
        let wrong = try await client.access(token, method: "POST", path: "/v1/actions/display")
        #expect(
            await denial { _ = try await client.releaseAll(wrong, action: "display") } == .insufficientScope)
        try await client.revoke(token)
        let late = try await client.access(token, method: "POST", path: "/v1/actions/dial")
        #expect(await denial { _ = try await client.releaseAll(late) } == .tokenRevoked)
        let single = try await client.token(client.details([contacts[0]]))
        let access = try await client.access(single, method: "POST", path: "/v1/actions/dial")
        let refused = await refusal { _ = try await client.releaseAll(access) }
        guard case .token(.insufficientScope)? = refused else {
            Issue.record("a single token made a batch")
            return
        }
        #expect(try await fixture.entries(.release, .permit).isEmpty)
        // It is spent all the same.
        #expect(await denial { _ = try await client.release(contacts[0], access: access) } == .proofReplayed)
    }
}

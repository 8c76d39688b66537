// How often: counted in the release transaction, so that neither many at once nor a restart get past a cap.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import PurposePolicy
import StrictEncoding
import Testing
import VaultTesting

@Suite("Caps and ceilings")
struct CapTests {
    private let clock = FixedClock()

    private func starter(_ changes: [(String, String)] = []) async throws -> VaultFixture {
        var text = StarterPolicy.starterCatalogue
        for (old, new) in changes {
            try #require(text.contains(old), "\(old)")
            text = text.replacing(old, with: new)
        }
        return try await VaultFixture.make(policy: text, clock: clock.reading)
    }

    @Test("sixty-four clients at once on one contact with a cap of one a day: exactly one permit")
    func sixtyFour() async throws {
        let fixture = try await starter()
        let contact = try await fixture.store()
        var attempts: [(FixtureClient, IssuedToken)] = []
        for number in 0..<64 {
            let client = try await fixture.registerClient("dialer-\(number)", agency: "ag_\(number % 8)")
            let details = try client.details([contact], caseReference: "cs_\(number)", actor: "u_\(number)")
            attempts.append((client, try await client.token(details)))
        }
        let outcomes = await withTaskGroup(of: DenialCode?.self) { group in
            for (client, token) in attempts {
                group.addTask { await denial { _ = try await client.release(contact, with: token) } }
            }
            return await group.reduce(into: [DenialCode?]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == nil } == 1)
        #expect(outcomes.count { $0 == .capReached } == 63)
        #expect(try await fixture.entries(.release, .permit).count == 1)
        #expect(try await fixture.entries(.release, .deny).count == 63)

        // The same number in another record, another portfolio and another case is the same number.
        let again = try await fixture.store(InventedContact.ouyang.with("borrower", .string("br_2")))
        let client = attempts[0].0
        #expect(
            await denial { _ = try await client.release(client.details([again], caseReference: "cs_new")) }
                == .capReached)
        // A restart forgets nothing.
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        let moved = client.moved(to: reopened)
        #expect(await denial { _ = try await moved.release(moved.details([contact])) } == .capReached)
        try await reopened.verifyLog()
    }

    @Test("a day is the contact's: the cap of one a day ends at midnight in Shanghai, not after 24 hours")
    func days() async throws {
        let fixture = try await starter()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        clock.advance(seconds: 9 * 3600)
        _ = try await client.release(client.details([contact]))
        #expect(await denial { _ = try await client.release(client.details([contact])) } == .capReached)
        // The next morning at nine, fourteen hours later.
        clock.advance(seconds: 14 * 3600)
        _ = try await client.release(client.details([contact]))
        // Two within seven days, so the third waits for the eighth.
        clock.advance(seconds: 24 * 3600)
        #expect(await denial { _ = try await client.release(client.details([contact])) } == .capReached)
        clock.advance(seconds: 5 * 24 * 3600)
        _ = try await client.release(client.details([contact]))
    }

    @Test("a view of a mask does not use up the call, and is capped for itself")
    func masks() async throws {
        let fixture = try await starter()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        _ = try await client.release(client.details([contact], action: "display"))
        #expect(
            await denial { _ = try await client.release(client.details([contact], action: "display")) }
                == .capReached)
        _ = try await client.release(client.details([contact]))
    }

    @Test("a repeated answer is not another release, and is answered although the cap is reached")
    func redelivery() async throws {
        let fixture = try await starter()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact]))
        let id = try client.requestID()
        let first = try await client.release(contact, with: token, requestID: id)
        let second = try await client.release(contact, with: token, requestID: id)
        #expect(second.isRedelivered && second.id == first.id && second.phone == first.phone)
        #expect(try fixture.value("SELECT count(*) FROM releases") == 1)
    }

    @Test(
        "an actor, a client and an agency have ceilings on distinct numbers of a day, right under concurrency"
    )
    func ceilings() async throws {
        let fixture = try await starter([
            ("{actor: 60, client: 500, agency: 1000}", "{actor: 3, client: 5, agency: 6}"),
            ("hours: 09:00-20:00", "hours: any"),
        ])
        let contacts = try await fixture.store(numbered: 0..<12)
        let client = try await fixture.registerClient()
        let other = try await fixture.registerClient("dialer-2")
        func release(_ index: Int, _ actor: String, _ client: FixtureClient) async -> DenialCode? {
            await denial {
                _ = try await client.release(
                    client.details([contacts[index]], caseReference: "cs_\(index)", actor: actor))
            }
        }
        let outcomes = await withTaskGroup(of: DenialCode?.self) { group in
            for index in 0..<8 { group.addTask { await release(index, "u_1", client) } }
            return await group.reduce(into: [DenialCode?]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == nil } == 3)
        #expect(outcomes.count { $0 == .ceilingReached } == 5)
        // Another actor of the same client: two more, then the client's ceiling.
        var permitted = 0
        for index in 8..<12 where await release(index, "u_2", client) == nil { permitted += 1 }
        #expect(permitted == 2)
        // Another client of the same agency: one more, then the agency's.
        #expect(await release(10, "u_3", other) == nil)
        #expect(await release(11, "u_3", other) == .ceilingReached)
        // The next day they are new.
        clock.advance(seconds: 24 * 3600)
        #expect(await release(11, "u_3", other) == nil)
    }

    @Test("requests of a client are limited by the minute, refused ones too")
    func rates() async throws {
        let fixture = try await starter([("requests_per_minute: 1200", "requests_per_minute: 3")])
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let other = try await fixture.registerClient("dialer-2")
        var codes: [DenialCode?] = []
        for number in 0..<5 {
            codes.append(
                await denial {
                    _ = try await client.release(
                        client.details([contact], caseReference: "cs_\(number)", actor: "u_\(number)"))
                })
        }
        #expect(codes == [nil, .capReached, .capReached, .rateLimited, .rateLimited])
        #expect(await denial { _ = try await other.release(other.details([contact])) } == .capReached)
        clock.advance(seconds: 60)
        #expect(await denial { _ = try await client.release(client.details([contact])) } == .capReached)
    }
}

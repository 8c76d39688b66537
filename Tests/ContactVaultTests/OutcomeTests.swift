// What came of a release, and what follows from it.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import PurposePolicy
import StrictEncoding
import Testing
import VaultTesting

@Suite("Outcomes")
struct OutcomeTests {
    private let clock = FixedClock()

    private func fixture(_ changes: [(String, String)] = []) async throws -> VaultFixture {
        var text = StarterPolicy.starterCatalogue
        for (old, new) in changes {
            try #require(text.contains(old), "\(old)")
            text = text.replacing(old, with: new)
        }
        return try await VaultFixture.make(policy: text, clock: clock.reading)
    }

    @Test(
        "a no stops the contact and its number at once, whatever tokens are out",
        arguments: [
            ReleaseOutcome.refused, .stopRequested,
        ])
    func refusedStops(outcome: ReleaseOutcome) async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let twin = try await fixture.store(InventedContact.ouyang.with("borrower", .string("br_2")))
        let client = try await fixture.registerClient()
        let details = try client.details([contact])
        let live = try await client.token(details)
        let twinLive = try await client.token(client.details([twin]))
        let release = try await client.release(details)
        try await client.report(outcome, of: release.id, with: details)
        #expect(await denial { _ = try await client.release(contact, with: live) } == .stopFlag)
        // Another record of the same number is stopped by the list.
        #expect(await denial { _ = try await client.release(twin, with: twinLive) } == .stopFlag)
        let entries = try await fixture.entries()
        #expect(entries.suffix(4).map(\.kind).contains(.stopSet))
        let reported = try #require(entries.last { $0.kind == .releaseOutcome })
        #expect(reported.basis?.text == outcome.rawValue)
    }

    @Test(
        "a wrong number suspends the record until it gets another",
        arguments: [
            ReleaseOutcome.wrongNumber, .numberInvalid,
        ])
    func wrongNumberSuspends(outcome: ReleaseOutcome) async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let details = try client.details([contact])
        let release = try await client.release(details)
        try await client.report(outcome, of: release.id, with: details)
        clock.advance(seconds: 24 * 3600)
        #expect(await denial { _ = try await client.release(details) } == .contactSuspended)
        // The same number in another way of writing is the same; another one is not.
        func replace(_ phone: String, _ generation: UInt64) async throws {
            _ = try await fixture.vault.replaceContact(
                contact,
                json: InventedContact.ouyang.with("phone", .string(phone)).with("consents", nil).json,
                expecting: generation, as: .localOperator, requestID: try fixture.requestID())
        }
        try await replace("+86 138-0013-8000", 1)
        #expect(await denial { _ = try await client.release(details) } == .contactSuspended)
        try await replace("+86 137 0013 7000", 2)
        #expect(await denial { _ = try await client.release(details) } == .consentWithdrawn)
    }

    @Test(
        "a no that is reported after the record was erased stops the number, and writes nothing to the record"
    )
    func afterErasure() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let details = try client.details([contact])
        let release = try await client.release(details)
        try await fixture.vault.eraseContact(contact, as: .localOperator, requestID: try fixture.requestID())
        try await client.report(.refused, of: release.id, with: details)
        #expect(try fixture.value("SELECT count(*) FROM contacts WHERE stopped IS NOT NULL") == 0)
        #expect(try fixture.value("SELECT count(*) FROM suppressions WHERE length(number) = 32") == 1)
        #expect(try fixture.value("SELECT count(*) FROM suppressions") == 1)
        let again = try await fixture.vault.storeContact(
            json: InventedContact.ouyang.json, as: .localOperator, requestID: try fixture.requestID())
        #expect(again.stopped != nil)
    }

    @Test("an offer is on record for a later release, for seven days")
    func offer() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let details = try client.details([contact])
        let release = try await client.release(details)
        let receipt = try await client.report(.willingToRepay, naming: "of_1", of: release.id, with: details)
        #expect(receipt.reference?.text == "of_1")
        func repay(_ reference: String?) throws -> AuthorizationDetails {
            try client.details([contact], purpose: "repay.voluntary", precondition: nil, reference: reference)
        }
        #expect(await denial { _ = try await client.release(repay(nil)) } == .referenceMissing)
        #expect(await denial { _ = try await client.release(repay("of_2")) } == .referenceUnknown)
        _ = try await client.release(repay("of_1"))
        clock.advance(seconds: 7 * 24 * 3600)
        _ = try await client.release(repay("of_1"))
        clock.advance(milliseconds: 1)
        #expect(await denial { _ = try await client.release(repay("of_1")) } == .referenceExpired)
    }

    @Test("a callback that was asked for after a no is returned, and one asked for before is not")
    func callback() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        func call(_ reference: String) throws -> AuthorizationDetails {
            try client.details(
                [contact], purpose: "callback.requested", precondition: nil, reference: reference)
        }
        func record(_ name: String) async throws {
            try await fixture.vault.recordReference(
                try #require(Reference(name)), .request, of: contact, as: .localOperator,
                requestID: try fixture.requestID())
        }
        try await record("rq_before")
        clock.advance(seconds: 60)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        clock.advance(seconds: 60)
        #expect(await denial { _ = try await client.release(call("rq_before")) } == .stopFlag)
        try await record("rq_after")
        _ = try await client.release(call("rq_after"))
        // A second no ends that too.
        clock.advance(seconds: 60)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        #expect(await denial { _ = try await client.release(call("rq_after")) } == .stopFlag)
    }

    @Test("only the client it was given to may report, once; the same report again changes nothing")
    func whoReports() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let other = try await fixture.store(.sima)
        let client = try await fixture.registerClient()
        let stranger = try await fixture.registerClient("dialer-2")
        let details = try client.details([contact])
        let release = try await client.release(details)
        #expect(
            await denial { try await stranger.report(.relayed, of: release.id, with: details) }
                == .contactUnknown)
        // A token for another contact does not cover it.
        #expect(
            await denial {
                try await client.report(.relayed, of: release.id, with: client.details([other]))
            } == .insufficientScope)
        let unknown = try #require(ReleaseID(bytes: [UInt8](repeating: 7, count: 16)))
        #expect(
            await denial { try await client.report(.relayed, of: unknown, with: details) }
                == .insufficientScope)
        try await client.report(.noAnswer, of: release.id, with: details)
        try await client.report(.noAnswer, of: release.id, with: details)
        let conflict = await refusal { try await client.report(.refused, of: release.id, with: details) }
        guard case .outcomeConflict? = conflict else {
            Issue.record("a second outcome was taken: \(String(describing: conflict))")
            return
        }
        let stopped: Int64? = try fixture.value("SELECT stopped FROM contacts ORDER BY created LIMIT 1")
        #expect(stopped == nil)
        let reports = try await fixture.entries().filter { $0.kind == .releaseOutcome }
        #expect(reports.map(\.outcome) == [.deny, .deny, .deny, .permit, .redelivered, .deny])
    }

    @Test("three wrong numbers of an actor in a day throttle it, and nobody else")
    func throttle() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<5)
        let client = try await fixture.registerClient()
        for index in 0..<3 {
            let details = try client.details([contacts[index]], caseReference: "cs_\(index)", actor: "u_1")
            let release = try await client.release(details)
            try await client.report(.wrongNumber, of: release.id, with: details)
        }
        let fourth = try client.details([contacts[3]], caseReference: "cs_3", actor: "u_1")
        #expect(await denial { _ = try await client.release(fourth) } == .actorThrottled)
        _ = try await client.release(client.details([contacts[3]], caseReference: "cs_3", actor: "u_2"))
        clock.advance(seconds: 24 * 3600 + 1)
        _ = try await client.release(client.details([contacts[4]], caseReference: "cs_4", actor: "u_1"))
    }

    @Test(
        "outcomes that nobody reports are missed after twelve hours, listed, and throttle; a late report mends it"
    )
    func missing() async throws {
        let fixture = try await fixture([
            ("hours: 09:00-20:00", "hours: any"), ("jurisdiction: cn", "jurisdiction: none"),
        ])
        let contacts = try await fixture.store(numbered: 0..<4)
        let client = try await fixture.registerClient()
        var releases: [ReleasedValues] = []
        for index in 0..<3 {
            releases.append(
                try await client.release(client.details([contacts[index]], caseReference: "cs_\(index)")))
        }
        func overdue() async throws -> Int {
            try await fixture.vault.overdueReleases(as: .localOperator, requestID: try fixture.requestID())
                .count
        }
        clock.advance(seconds: 12 * 3600 - 1)
        #expect(try await overdue() == 0)
        clock.advance(seconds: 2)
        #expect(try await overdue() == 3)
        let fourth = try client.details([contacts[3]], caseReference: "cs_3")
        #expect(await denial { _ = try await client.release(fourth) } == .actorThrottled)
        try await client.report(
            .noAnswer, of: releases[0].id, with: client.details([contacts[0]], caseReference: "cs_0"))
        #expect(try await overdue() == 2)
        _ = try await client.release(fourth)
    }
}

// Ready-made questions that need more than the log: hours, caps, reviews, outcomes, days of retention.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import GRDB
import PurposePolicy
import StrictEncoding
import Testing
import VaultTesting

@Suite("Questions beyond the log")
struct StoredQuestionTests {
    private let clock = FixedClock()

    private func ask(
        _ fixture: VaultFixture, _ question: LogQuestion, _ time: TimeSpan = TimeSpan()
    ) async throws -> LogAnswer {
        try await fixture.vault.answer(
            question, time: time, as: .localOperator, requestID: fixture.requestID())
    }

    @Test("releases outside hours: none where hours are kept, and found when the hours were not")
    func hours() async throws {
        // A policy without hours lets a release out at three in the morning; the starter catalogue, in force later, says when.
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 3), clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<2)
        let client = try await fixture.registerClient()
        _ = try await client.release(contacts[0])
        clock.advance(seconds: 17 * 3600)
        let night = try await client.release(contacts[1])
        #expect(night.phone != nil)
        #expect(try await ask(fixture, .hours).count == 0, "no hours, no fault")
        try await fixture.vault.close()
        try fixture.tamper("UPDATE policies SET text = ?", [StarterPolicy.starterCatalogue])
        for (name, text) in StarterPolicy.calendars {
            try fixture.tamper(
                "INSERT OR REPLACE INTO policy_calendars SELECT sequence, ?, ? FROM policies", [name, text])
        }
        let again = try await fixture.reopened()
        let found = try await ask(again, .hours)
        #expect(found.count == 1 && found.question.mustBeNone)
        #expect(found.rows.first?[5] == contacts[1].description && found.rows.first?[6] == "outside_hours")
        try await again.vault.close()
    }

    @Test("caps that are nearly or wholly used are named with what is left of them")
    func caps() async throws {
        let fixture = try await VaultFixture.make(
            policy: StarterPolicy.starterCatalogue, clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<3)
        let client = try await fixture.registerClient()
        _ = try await client.release(client.details([contacts[0]]))
        let first = try await ask(fixture, .caps)
        #expect(first.rows.contains([contacts[0].description, "relay.message", "1", "1", "a day"]))
        #expect(first.rows.contains([contacts[0].description, "relay.message", "1", "2", "7 days"]))
        #expect(
            !first.rows.contains { $0[1] == "relay.message" && $0[3] == "3" },
            "one of three is not nearly all")
        #expect(first.rows.allSatisfy { $0[0] == contacts[0].description }, "nobody else")
        clock.advance(seconds: 86_400)
        _ = try await client.release(client.details([contacts[0]]))
        let second = try await ask(fixture, .caps)
        #expect(second.rows.contains([contacts[0].description, "relay.message", "2", "2", "7 days"]))
        #expect(second.rows.contains([contacts[0].description, "relay.message", "2", "3", "30 days"]))
        // Masks count among themselves.
        let desk = try await fixture.registerClient("desk-1", kind: .desk)
        _ = try await desk.release(desk.details([contacts[1]], action: "display"))
        #expect(try await ask(fixture, .caps).rows.allSatisfy { $0[0] != contacts[1].description })
    }

    @Test("emergencies come with their review, and missing outcomes when they are overdue")
    func emergenciesAndOutcomes() async throws {
        let fixture = try await VaultFixture.make(
            policy: StarterPolicy.starterCatalogue, clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let released = try await client.release(
            client.details(
                [contact], purpose: "safety.emergency", fields: [.phone, .name, .relation], precondition: nil,
                caseReference: "cs_e"))
        let open = try await ask(fixture, .emergencies)
        #expect(open.rows.first?.first == released.id.description && open.rows.first?[5] == "")
        #expect(try await ask(fixture, .missingOutcomes).count == 0)
        clock.advance(seconds: 13 * 3600)
        #expect(try await ask(fixture, .missingOutcomes).rows.map(\.first) == [released.id.description])
        try await fixture.vault.closeReview(
            of: released.id, finding: .justified, as: .localOperator, requestID: fixture.requestID())
        #expect(try await ask(fixture, .emergencies).rows.first?.last == "justified")
        let before = TimeSpan(to: clock.now.adding(seconds: -14 * 3600))
        #expect(try await ask(fixture, .emergencies, before).count == 0)
    }

    @Test("contacts past their day are listed, the held ones as held, and erased but for those")
    func retention() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let year = String(clock.now.description.prefix(4))
        let old = InventedContact.numbered(1).with("retain_until", .string("\(year)-03-01"))
        let (due, held) = (
            try await fixture.store(old), try await fixture.store(old.with("borrower", .string("br_77")))
        )
        let young = try await fixture.store(.numbered(3))
        let matter = try #require(Reference("matter-2026-17"))
        try await fixture.vault.setLegalHold(
            matter, of: held, as: .localOperator, requestID: fixture.requestID())
        #expect(try await ask(fixture, .retention).count == 0)
        let march = try #require(Timestamp("\(year)-03-02T08:00:00Z"))
        clock.advance(seconds: (march.milliseconds - clock.now.milliseconds) / 1000)
        let asked = try await ask(fixture, .retention)
        #expect(Set(asked.rows.map { $0[0] }) == [due.description, held.description])
        #expect(asked.rows.first { $0[0] == held.description }?[2].isEmpty == false)

        guard
            case .conflict("legal_hold")? = await refusal({
                try await fixture.vault.eraseContact(held, as: .localOperator, requestID: fixture.requestID())
            })
        else {
            Issue.record("erased under a hold")
            return
        }
        let expired = try await fixture.vault.eraseExpiredContacts(
            limit: 1000, requestID: fixture.requestID())
        #expect(expired.erased == 1 && expired.held == 1)
        let states = try await fixture.store.read { try $0.contacts([due, held, young]).mapValues(\.state) }
        #expect(states == [due: .erased, held: .active, young: .active])
        let entry = try await fixture.entries(.contactErase, .permit)
        #expect(entry.map(\.basis) == ["retention"])
        try await fixture.vault.liftLegalHold(of: held, as: .localOperator, requestID: fixture.requestID())
        #expect(
            try await fixture.vault.eraseExpiredContacts(limit: 10, requestID: fixture.requestID()).erased
                == 1)
        #expect(
            try await fixture.vault.eraseExpiredContacts(limit: 10, requestID: fixture.requestID()).erased
                == 0)
        try await fixture.verifyLog()
    }

    @Test("what the store holds is of no time, so a token for a time may not ask for it")
    func boundedToken() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let officer = try await fixture.registerClient("officer-1", kind: .service, roles: [.privacy])
        for question in [LogQuestion.afterNo, .emergencies, .missingOutcomes, .caps, .retention] {
            let caller = Caller.client(
                try await officer.access(
                    try await officer.token(
                        .accessLog(
                            try AccessLogDetails(operation: .read, from: clock.now.adding(seconds: -10)))),
                    method: "POST", path: "/v1/log/questions/\(question.rawValue)"))
            let refused = await refusal {
                _ = try await fixture.vault.answer(
                    question, time: TimeSpan(), as: caller, requestID: fixture.requestID())
            }
            guard case .conflict("question_needs_whole_log")? = refused else {
                Issue.record("\(question) was answered")
                continue
            }
        }
    }
}

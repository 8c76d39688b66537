// Break-glass: at any hour, told at once, looked at afterwards.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import PurposePolicy
import StrictEncoding
import Testing
import VaultTesting

@Suite("Emergencies")
struct EmergencyTests {
    private let clock = FixedClock()

    private func fixture() async throws -> VaultFixture {
        try await VaultFixture.make(policy: StarterPolicy.starterCatalogue, clock: clock.reading)
    }

    private func emergency(_ client: FixtureClient, _ contact: ContactID) throws -> AuthorizationDetails {
        try client.details(
            [contact], purpose: "safety.emergency", fields: [.phone, .name, .relation], precondition: nil,
            caseReference: "cs_e")
    }

    @Test("it works at three in the morning, three times, with an alert and a review for each")
    func night() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        clock.advance(seconds: 17 * 3600)
        #expect(await denial { _ = try await client.release(client.details([contact])) } == .outsideHours)
        var releases: [ReleasedValues] = []
        for _ in 0..<3 {
            clock.advance(seconds: 1)
            releases.append(try await client.release(emergency(client, contact)))
        }
        #expect(releases[0].form == .reveal && releases[0].phone == "+8613800138000")
        #expect(await denial { _ = try await client.release(emergency(client, contact)) } == .capReached)
        #expect(try await fixture.entries(.emergencyAlert, .permit).count == 3)
        #expect(try await fixture.vault.undeliveredAlerts().map(\.release) == releases.map(\.id))
        try await fixture.vault.markAlerted([releases[0].id])
        #expect(try await fixture.vault.undeliveredAlerts().map(\.release) == releases.dropFirst().map(\.id))

        var figures = try await fixture.vault.figures()
        #expect(figures.emergencyReleases == 3 && figures.openReviews == 3 && figures.overdueReviews == 0)
        clock.advance(seconds: 24 * 3600)
        figures = try await fixture.vault.figures()
        #expect(figures.overdueReviews == 3)
        try await fixture.vault.closeReview(
            of: releases[0].id, finding: .justified, as: .localOperator, requestID: try fixture.requestID())
        let again = await refusal {
            try await fixture.vault.closeReview(
                of: releases[0].id, finding: .notJustified, as: .localOperator,
                requestID: try fixture.requestID())
        }
        guard case .notFound? = again else {
            Issue.record("closed twice")
            return
        }
        let (open, _) = try await fixture.vault.reviews(
            openOnly: true, as: .localOperator, requestID: try fixture.requestID())
        #expect(open.map(\.release) == releases.dropFirst().map(\.id))
        let closed = try #require(try await fixture.entries(.reviewClose, .permit).first)
        #expect(closed.basis?.text == "justified")
    }

    @Test("a stop flag holds in an emergency too, and a repeated answer is no second emergency")
    func limits() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(emergency(client, contact))
        let id = try client.requestID()
        _ = try await client.release(contact, with: token, requestID: id)
        _ = try await client.release(contact, with: token, requestID: id)
        #expect(try await fixture.entries(.emergencyAlert, .permit).count == 1)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        #expect(await denial { _ = try await client.release(emergency(client, contact)) } == .stopFlag)
    }

    // MARK: Explaining and simulating

    @Test("an explanation names every rule and the one that decides, releases nothing and counts nothing")
    func explain() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        func explain(_ details: AuthorizationDetails, at: String? = nil) async throws -> PolicyExplanation {
            var object = JSONObject([
                ("client", .string("dialer-1")), ("authorization_details", details.json),
            ])
            object["at"] = at.map { .string($0) }
            return try await fixture.vault.explain(
                request: JSONValue.object(object).canonicalBytes, requestID: try fixture.requestID())
        }
        let details = try client.details([contact])
        for _ in 0..<3 {
            let good = try await explain(details)
            #expect(good.form == .reveal && good.denial == nil)
            #expect(good.rules.map(\.rule) == DecisionRule.allCases)
        }
        let night = try await explain(details, at: "2026-01-05T15:00:00Z")
        #expect(night.denial == .outsideHours && night.form == nil)
        _ = try await client.release(details)
        let second = try await explain(details)
        #expect(second.denial == .capReached)
        #expect(await denial { _ = try await client.release(details) } == .capReached)
        #expect(try await fixture.entries(.policyExplain, .permit).count == 5)
        for text in [
            "", "{}", #"{"client":"dialer-1"}"#, #"{"client":"dialer-1","authorization_details":[]}"#,
        ] {
            let refused = await refusal {
                _ = try await fixture.vault.explain(
                    request: Array(text.utf8), requestID: try fixture.requestID())
            }
            guard case .token(.invalidAuthorizationDetails)? = refused else {
                Issue.record("accepted \(text)")
                continue
            }
        }
    }

    @Test("a simulation says what another policy would have decided of the releases in the log")
    func simulate() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<3)
        let client = try await fixture.registerClient()
        for index in 0..<3 {
            _ = try await client.release(client.details([contacts[index]], caseReference: "cs_\(index)"))
        }
        #expect(await denial { _ = try await client.release(client.details([contacts[0]])) } == .capReached)
        clock.advance(seconds: 1)
        func simulate(_ old: String, _ new: String) async throws -> [SimulatedDecisions] {
            try await fixture.vault.simulate(
                PolicyProposal(
                    text: StarterPolicy.starterCatalogue.replacing(old, with: new),
                    calendars: StarterPolicy.calendars),
                from: FixedClock.beginning, to: clock.now, requestID: try fixture.requestID())
        }
        let same = try await simulate("", "")
        #expect(same.allSatisfy { $0.was == $0.wouldBe })
        #expect(same.map(\.count).reduce(0, +) == 4)
        let shorter = try await simulate("hours: 09:00-20:00", "hours: 11:00-20:00")
        #expect(shorter.filter { $0.was == nil }.allSatisfy { $0.wouldBe == "outside_hours" })
        // The caps of the purpose and those of the jurisdiction are written alike.
        let wider = try await simulate(
            "[{releases: 1, days: 1}, {releases: 2, days: 7}, {releases: 3, days: 30}]", "none")
        #expect(wider.contains { $0.was == "cap_reached" && $0.wouldBe == nil })
        let none = try await fixture.vault.simulate(
            PolicyProposal(text: StarterPolicy.starterCatalogue, calendars: StarterPolicy.calendars),
            from: clock.now, to: clock.now.adding(seconds: 1), requestID: try fixture.requestID())
        #expect(none.isEmpty)
    }
}

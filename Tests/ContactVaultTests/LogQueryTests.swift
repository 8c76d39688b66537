// Filters and counts against a plain reading of the same log, and the ready-made questions against logs that have what they
// look for.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import PurposePolicy
import Testing
import VaultTesting

@Suite("Questions about the log")
struct LogQueryTests {
    private let clock = FixedClock()

    private func ask(
        _ fixture: VaultFixture, _ query: LogQuery, page: Int = 7
    ) async throws -> [LoggedEntry] {
        var found: [LoggedEntry] = []
        var cursor: UInt64? = 0
        var end: UInt64?
        while let from = cursor {
            let answer = try await fixture.vault.query(
                query, from: from, to: end, limit: page, as: .localOperator, requestID: fixture.requestID())
            #expect(answer.entries.count <= page)
            found += answer.entries
            cursor = answer.next
            end = answer.end
        }
        return found
    }

    /// Two agencies, three contacts, permits, denials, a withdrawal, over three days.
    private func busy() async throws -> (fixture: VaultFixture, contacts: [ContactID]) {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 3), clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<3)
        let north = try await fixture.registerClient()
        let south = try await fixture.registerClient("desk-2", kind: .desk, agency: "ag_south")
        for day in 0..<3 {
            for (index, contact) in contacts.enumerated() {
                _ = try await north.release(
                    north.details([contact], caseReference: "cs_\(index)", actor: "u_\(day)"))
                _ = try await south.release(
                    south.details([contact], action: "display", caseReference: "cs_\(index)", actor: "u_9"))
                let token = try await north.token(north.details([contact], caseReference: "cs_\(index)"))
                _ = try await north.release(contact, with: token)
                #expect(await denial { _ = try await north.release(contact, with: token) } == .tokenSpent)
            }
            clock.advance(seconds: 86_400)
        }
        return (fixture, contacts)
    }

    @Test("every filter finds what a plain reading finds, over pages of any size")
    func filters() async throws {
        let (fixture, contacts) = try await busy()
        let size = try await fixture.vault.logSize()
        let all = try await fixture.vault.entries(
            0..<size, as: .localOperator, requestID: fixture.requestID())
        let middle = all[all.count / 2].entry.time
        let end = all[all.count * 3 / 4].entry.time
        let queries: [(String, (inout LogQuery) -> Void, (LoggedEntry) -> Bool)] = [
            (
                "kind", { $0.kinds = [.release, .clientAdd] },
                { [.release, .clientAdd].contains($0.entry.kind) }
            ),
            ("outcome", { $0.outcomes = [.deny] }, { $0.entry.outcome == .deny }),
            ("client", { $0.client = Reference("desk-2") }, { $0.entry.client?.text == "desk-2" }),
            ("agency", { $0.agency = Reference("ag_north") }, { $0.entry.agency?.text == "ag_north" }),
            (
                "purpose", { $0.purpose = Purpose("relay.message") },
                { $0.entry.purpose?.text == "relay.message" }
            ),
            ("action", { $0.action = Action("display") }, { $0.entry.action?.text == "display" }),
            ("form", { $0.form = .mask }, { $0.entry.form == .mask }),
            ("why", { $0.reason = "token_spent" }, { $0.entry.reason == "token_spent" }),
            ("kek", { $0.keyVersion = 1 }, { $0.entry.keyVersion == 1 }),
            ("contact", { $0.contact = contacts[1] }, { $0.disclosed?.contact == contacts[1] }),
            ("nobody", { $0.number = "+8613800138999" }, { _ in false }),
            (
                "case", { $0.caseReference = Reference("cs_2") },
                { $0.disclosed?.caseReference?.text == "cs_2" }
            ),
            ("actor", { $0.actor = Reference("u_1") }, { $0.disclosed?.actor?.id.text == "u_1" }),
            (
                "time",
                {
                    $0.time.from = middle
                    $0.time.to = end
                }, { middle <= $0.entry.time && $0.entry.time < end }
            ),
            (
                "several",
                {
                    $0.contact = contacts[0]
                    $0.outcomes = [.permit]
                    $0.time.from = middle
                },
                {
                    $0.disclosed?.contact == contacts[0] && $0.entry.outcome == .permit
                        && middle <= $0.entry.time
                }
            ),
        ]
        for (name, set, fits) in queries {
            var query = LogQuery()
            set(&query)
            let wanted = all.filter(fits).map(\.index)
            #expect(wanted.isEmpty == (name == "nobody"), "\(name) is no filter of this log")
            // What the questions themselves wrote comes after what there was.
            let found = try await ask(fixture, query, page: 1 + wanted.count % 6).map(\.index).filter {
                $0 < size
            }
            #expect(found == wanted, "\(name)")
        }
        try await fixture.verifyLog()
    }

    @Test("a number finds whoever has it, in any spelling, and the question is logged as one by number")
    func byNumber() async throws {
        let (fixture, _) = try await busy()
        let contact = try await fixture.store()
        var query = LogQuery()
        for spelling in ["+8613800138000", "+86 138 0013 8000"] {
            query.number = spelling
            let found = try await ask(fixture, query)
            #expect(found.first?.entry.kind == .contactCreate)
            #expect(found.allSatisfy { $0.disclosed?.contact == contact })
        }
        for none in ["+8613800138999", "", "no number", "13800138000"] {
            query.number = none
            #expect(try await ask(fixture, query).isEmpty, "\(none)")
        }
        let asked = try await fixture.entries(.logRead, .permit)
        #expect(asked.contains { $0.basis?.text == "query.number" })
    }

    @Test("counts by one and by two properties add up to what a filter finds")
    func counts() async throws {
        let (fixture, contacts) = try await busy()
        var query = LogQuery()
        query.kinds = [.release]
        func counted(_ dimensions: [LogDimension]) async throws -> [[String]: UInt64] {
            Dictionary(
                uniqueKeysWithValues: try await fixture.vault.counts(
                    query, by: dimensions, as: .localOperator, requestID: fixture.requestID()
                ).counts.map { ($0.values, $0.count) })
        }
        #expect(try await counted([.outcome]) == [["permit"]: 27, ["deny"]: 9])
        #expect(
            try await counted([.agency, .form]) == [
                ["ag_north", "reveal"]: 18, ["ag_south", "mask"]: 9, ["ag_north", ""]: 9,
            ])
        #expect(try await counted([.contact]).values.sorted() == [12, 12, 12])
        #expect(
            try await counted([.contact]).keys.map { $0[0] }.sorted() == contacts.map(\.description).sorted())
        #expect(try await counted([.day, .reason]).count == 6)
        #expect(try await counted([.hour]).values.reduce(0, +) == 36)
    }

    @Test("a token's time bounds what its questions see, and another token asks nothing")
    func bounded() async throws {
        let (fixture, contacts) = try await busy()
        let officer = try await fixture.registerClient("officer-1", kind: .service, roles: [.privacy])
        let times = try await fixture.entries(.release, .permit).map(\.time)
        let middle = times[times.count / 2]
        func caller(_ details: AuthorizationDetails) async throws -> Caller {
            .client(
                try await officer.access(
                    try await officer.token(details), method: "POST", path: "/v1/log/queries"))
        }
        var query = LogQuery()
        query.kinds = [.release]
        let bounded = try await caller(.accessLog(try AccessLogDetails(operation: .read, from: middle)))
        let page = try await fixture.vault.query(
            query, limit: 1000, as: bounded, requestID: fixture.requestID())
        #expect(!page.entries.isEmpty && page.entries.allSatisfy { $0.entry.time >= middle })
        for details: AuthorizationDetails in [
            .accessLog(try AccessLogDetails(operation: .prove)),
            .accessLog(try AccessLogDetails(operation: .export)),
            .contactManagement(try ContactManagementDetails(operation: .read, contact: contacts[0])),
        ] {
            let caller = try await caller(details)
            #expect(
                await denial {
                    _ = try await fixture.vault.query(
                        query, limit: 1, as: caller, requestID: fixture.requestID())
                } == .insufficientScope)
        }
    }

    // MARK: Ready-made questions

    private func answer(
        _ fixture: VaultFixture, _ question: LogQuestion, from: Timestamp? = nil
    ) async throws -> LogAnswer {
        try await fixture.vault.answer(
            question, time: TimeSpan(from: from), as: .localOperator, requestID: fixture.requestID())
    }

    @Test(
        "releases after a no: none in a vault that refuses them, and found when somebody clears the flag in the database"
    )
    func afterNo() async throws {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 3), clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<2)
        let client = try await fixture.registerClient()
        _ = try await client.release(contacts[0])
        clock.advance(seconds: 10)
        try await fixture.vault.stop(contacts[0], as: .localOperator, requestID: fixture.requestID())
        clock.advance(seconds: 10)
        #expect(await denial { _ = try await client.release(contacts[0]) } == .stopFlag)
        _ = try await client.release(contacts[1])
        #expect(try await answer(fixture, .afterNo).rows.isEmpty)
        try fixture.tamper("UPDATE contacts SET stopped = NULL")
        try fixture.tamper("DELETE FROM suppressions")
        _ = try await client.release(contacts[0])
        let found = try await answer(fixture, .afterNo)
        #expect(found.count == 1)
        #expect(found.rows.first?.contains(contacts[0].description) == true)
        #expect(try await answer(fixture, .afterNo, from: clock.now.adding(seconds: 1)).count == 0)
    }

    @Test("a withdrawal counts for its purpose until consent is given again")
    func afterWithdrawal() async throws {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 3), clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        _ = try await client.release(contact)
        let relay = try #require(Purpose("relay.message"))
        try await fixture.vault.withdrawConsent(
            to: relay, of: contact, as: .localOperator, requestID: fixture.requestID())
        #expect(await denial { _ = try await client.release(contact) } == .consentWithdrawn)
        #expect(try await answer(fixture, .afterNo).rows.isEmpty)
    }

    @Test("reveals, actors, replays and key versions are listed and counted")
    func listed() async throws {
        let (fixture, _) = try await busy()
        #expect(try await answer(fixture, .reveals).count == 18)
        let actors = try await answer(fixture, .actors)
        #expect(actors.rows.contains(["human:u_4401", "3", "9"]))
        #expect(actors.rows.contains(["human:u_9", "3", "9"]))
        #expect(actors.count == 5)
        let replays = try await answer(fixture, .replays)
        #expect(replays.count == 9 && replays.rows.allSatisfy { $0.last == "token_spent" })
        let keys = try await answer(fixture, .keys)
        #expect(keys.rows.map { [$0[0], $0[1]] } == [["1", "27"]])
    }

    @Test(
        "a day is compared with the median of the same weekday in the four weeks before it, holes counted as none"
    )
    func weekdays() async throws {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 9), clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<9)
        let client = try await fixture.registerClient()
        // On the same weekday of five weeks: 2, 4, none, 6, and 9.
        for (week, releases) in [2, 4, 0, 6, 9].enumerated() {
            for contact in contacts.prefix(releases) { _ = try await client.release(contact) }
            if week < 4 { clock.advance(seconds: 7 * 86_400) }
        }
        let today = clock.now.description.prefix(10) + "T00:00:00Z"
        let answer = try await answer(fixture, .weekdays, from: Timestamp(String(today)))
        // Median of 0, 2, 4, 6.
        #expect(answer.rows == [[String(today.prefix(10)), "9", "3", "300%"]])
    }
}

// The stop list: by number, not by record; it outlives records and meets numbers when they are handed in again.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import PurposePolicy
import Testing
import VaultTesting

@Suite("Stop list")
struct StopListTests {
    private let clock = FixedClock()

    private func fixture() async throws -> VaultFixture {
        try await VaultFixture.make(policy: StarterPolicy.starterCatalogue, clock: clock.reading)
    }

    @Test("a number that said no stays stopped when its record is erased and handed in again")
    func survivesErasure() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact]))
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        try await fixture.vault.eraseContact(contact, as: .localOperator, requestID: try fixture.requestID())
        #expect(await denial { _ = try await client.release(contact, with: token) } == .contactErased)
        clock.advance(seconds: 40 * 24 * 3600)
        let again = try await fixture.vault.storeContact(
            json: InventedContact.ouyang.json, as: .localOperator, requestID: try fixture.requestID())
        #expect(again.stopped == FixedClock.beginning)
        #expect(await denial { _ = try await client.release(client.details([again.contact])) } == .stopFlag)
        let imported = try await fixture.vault.importContacts(
            [InventedContact.ouyang.json, InventedContact.sima.json], as: .localOperator,
            requestID: try fixture.requestID(), isFirst: true)
        #expect(try imported.map { try $0.get().stopped } == [FixedClock.beginning, nil])
        try await fixture.verifyLog()
    }

    @Test("an erased record holds nothing of the person, and is erased once")
    func erasure() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        try await fixture.vault.eraseContact(contact, as: .localOperator, requestID: try fixture.requestID())
        let held: Int? = try fixture.value(
            "SELECT length(sealed) + length(disclosure_key) + length(phone_index) + length(attributes) FROM contacts"
        )
        #expect(held == 0)
        #expect(try fixture.value("SELECT count(*) FROM consents") == 0)
        #expect(
            await denial {
                try await fixture.vault.eraseContact(
                    contact, as: .localOperator, requestID: try fixture.requestID())
            } == .contactErased)
        #expect(
            await denial {
                _ = try await fixture.vault.contact(
                    contact, as: .localOperator, requestID: try fixture.requestID())
            } == .contactErased)
        // The entries about it are there, and what they disclosed does not open any more.
        let size = try await fixture.vault.logSize()
        let entries = try await fixture.vault.entries(
            0..<size, as: .localOperator, requestID: try fixture.requestID())
        let about = entries.filter {
            [.contactCreate, .contactErase].contains($0.entry.kind) && $0.entry.outcome == .permit
        }
        #expect(about.count == 2)
        #expect(about.allSatisfy { $0.disclosed == nil })
        try await fixture.verifyLog()
    }

    @Test(
        "a number without a contact can be put on the list, and a contact with it is stopped, before and after"
    )
    func suppression() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact]))
        for phone in ["138 0013 8000", "+86 139 0013 9000"] {
            try await fixture.vault.suppress(
                phone: phone, region: "CN", as: .localOperator, requestID: try fixture.requestID())
        }
        #expect(await denial { _ = try await client.release(contact, with: token) } == .stopFlag)
        let later = try await fixture.store(.sima)
        #expect(await denial { _ = try await client.release(client.details([later])) } == .stopFlag)
        let entry = try #require(try await fixture.entries(.suppression, .permit).first)
        #expect(entry.count == 1)
        let refused = await refusal {
            try await fixture.vault.suppress(
                phone: "12345", region: "CN", as: .localOperator, requestID: try fixture.requestID())
        }
        guard case .intake? = refused else {
            Issue.record("accepted: \(String(describing: refused))")
            return
        }
    }

    @Test("a comparison answers for each number and reveals nothing; a thousand at most, and uses are spent")
    func match() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        _ = try await fixture.store(.sima)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        let client = try await fixture.registerClient()
        let answers = try await client.match([
            "+8613800138000", "+8613900139000", "not a number", "+8613700137000", "+8613800138000",
        ])
        #expect(answers == [true, false, nil, false, true])
        let entry = try await fixture.newestEntry()
        #expect(entry.kind == .match && entry.outcome == .permit && entry.count == 5)

        let token = try await client.matchToken(uses: 2)
        _ = try await client.match(["+8613800138000"], with: token)
        _ = try await client.match(["+8613800138000"], with: token)
        #expect(await denial { _ = try await client.match(["+8613800138000"], with: token) } == .tokenSpent)
        let many = (0..<1001).map { "+861380013" + String(8000 + $0 % 1000) }
        #expect(await denial { _ = try await client.match(many) } == .batchTooLarge)
        #expect(try await client.match(Array(many.prefix(1000))).count == 1000)
    }

    @Test("sixty-four comparisons with a token of five uses: five are answered")
    func matchBudget() async throws {
        let fixture = try await fixture()
        let client = try await fixture.registerClient()
        let token = try await client.matchToken(uses: 5)
        _ = try await client.access(token, method: "POST", path: "/v1/actions/match")
        let answered = await withTaskGroup(of: DenialCode?.self) { group in
            for _ in 0..<32 {
                group.addTask { await denial { _ = try await client.match(["+8613800138000"], with: token) } }
            }
            return await group.reduce(into: [DenialCode?]()) { $0.append($1) }
        }
        #expect(answered.count { $0 == nil } == 5)
        #expect(answered.count { $0 == .tokenSpent } == 27)
        // And not more than sixty in a minute.
        let another = try await client.matchToken(uses: 100)
        var codes: [DenialCode?] = []
        for _ in 0..<40 { codes.append(await denial { _ = try await client.match([], with: another) }) }
        #expect(codes.count { $0 == nil } == 28)
        #expect(codes.count { $0 == .rateLimited } == 12)
    }

    @Test("a token for releases does not compare, and one for comparisons does not release")
    func scopes() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let release = try await client.token(client.details([contact]))
        #expect(
            await denial { _ = try await client.match(["+8613800138000"], with: release) }
                == .insufficientScope)
        let match = try await client.matchToken()
        #expect(await denial { _ = try await client.release(contact, with: match) } == .insufficientScope)
    }
}

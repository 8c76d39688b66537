// Uses, replays and retries: what a token is worth, however many ask at once.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Testing
import VaultTesting

@Suite("Token budget")
struct TokenBudgetTests {
    private let clock = FixedClock()

    private func parallel(
        _ attempts: [@Sendable () async throws -> ReleasedValues]
    ) async -> (released: [ReleasedValues], denied: [DenialCode]) {
        await withTaskGroup(of: Result<ReleasedValues, any Error>.self) { group in
            for attempt in attempts {
                group.addTask {
                    do { return .success(try await attempt()) } catch { return .failure(error) }
                }
            }
            var outcome: (released: [ReleasedValues], denied: [DenialCode]) = ([], [])
            for await result in group {
                switch result {
                case .success(let released): outcome.released.append(released)
                case .failure(VaultError.denied(let code)): outcome.denied.append(code)
                case .failure(let error): Issue.record("\(error)")
                }
            }
            return outcome
        }
    }

    @Test("64 parallel uses of a one-use token: exactly one release and exactly one permit entry")
    func parallelUses() async throws {
        let fixture = try await VaultFixture.make()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let accesses = try await client.accesses(
            token, to: Array(repeating: contact, count: 64)
        ).map(\.1)
        let outcome = await parallel(
            accesses.map { access in { try await client.release(contact, access: access) } })
        #expect(outcome.released.count == 1)
        #expect(outcome.denied == Array(repeating: .tokenSpent, count: 63))
        #expect(try await fixture.entries(.release, .permit).count == 1)
        #expect(try await fixture.entries(.release, .deny).count == 63)
        try await fixture.verifyLog()
    }

    @Test("parallel uses of a token of five uses: five, each counted")
    func parallelBudget() async throws {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 5))
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact], uses: 5))
        let accesses = try await client.accesses(
            token, to: Array(repeating: contact, count: 32)
        ).map(\.1)
        let outcome = await parallel(
            accesses.map { access in { try await client.release(contact, access: access) } })
        #expect(outcome.released.map(\.usesRemaining).sorted() == [0, 1, 2, 3, 4])
        #expect(outcome.denied.count == 27)
        #expect(try await fixture.entries(.release, .permit).compactMap(\.use).sorted() == [1, 2, 3, 4, 5])
    }

    @Test("parallel retries of one request: one release, answered again to all")
    func parallelRetries() async throws {
        let fixture = try await VaultFixture.make()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let request = try client.requestID()
        let accesses = try await client.accesses(token, to: Array(repeating: contact, count: 16)).map(\.1)
        let outcome = await parallel(
            accesses.map { access in { try await client.release(contact, access: access, requestID: request) }
            })
        #expect(outcome.released.count == 16)
        #expect(Set(outcome.released.map(\.id)).count == 1)
        #expect(try await fixture.entries(.release, .permit).count == 1)
        #expect(try await fixture.entries(.release, .redelivered).count == 15)
    }

    @Test("a proof sent 16 times at once is good once")
    func parallelReplay() async throws {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 100))
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact], uses: 100))
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        let outcome = await parallel(
            (0..<16).map { _ in { try await client.release(contact, access: access) } })
        #expect(outcome.released.count == 1)
        #expect(outcome.denied == Array(repeating: .proofReplayed, count: 15))
    }

    @Test("a retry with the same request id is answered again without a new use, for 30 s and no longer")
    func retry() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let request = try client.requestID()
        let first = try await client.release(contact, with: token, requestID: request)

        clock.advance(milliseconds: 29_999)
        let second = try await client.release(contact, with: token, requestID: request)
        #expect(second.id == first.id)
        #expect(second.phone == first.phone)
        #expect(second.isRedelivered && !first.isRedelivered)
        #expect(second.usesRemaining == 0)
        #expect(second.receipt.index == first.receipt.index + 1)
        let entry = try await fixture.newestEntry()
        #expect(entry.outcome == .redelivered && entry.use == 1)
        #expect(try fixture.value("SELECT uses FROM token_uses") == 1)

        clock.advance(milliseconds: 1)
        let code = await denial { _ = try await client.release(contact, with: token, requestID: request) }
        #expect(code == .tokenSpent)
        #expect(try await fixture.newestEntry().reason == "token_spent")
    }

    @Test("being answered again does not lengthen the 30 s")
    func retryDoesNotRenew() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let request = try client.requestID()
        _ = try await client.release(contact, with: token, requestID: request)
        clock.advance(seconds: 20)
        _ = try await client.release(contact, with: token, requestID: request)
        clock.advance(seconds: 20)
        let code = await denial { _ = try await client.release(contact, with: token, requestID: request) }
        #expect(code == .tokenSpent)
    }

    @Test("a retry needs its own proof")
    func retryWithOldProof() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        let request = try client.requestID()
        _ = try await client.release(contact, access: access, requestID: request)
        let code = await denial { _ = try await client.release(contact, access: access, requestID: request) }
        #expect(code == .proofReplayed)
    }

    @Test("a stop, a withdrawal or a suspension between request and retry wins")
    func retryAfterStop() async throws {
        for event in ["stop", "withdrawal", "suspension"] {
            let fixture = try await VaultFixture.make(clock: clock.reading)
            let contact = try await fixture.store()
            let client = try await fixture.registerClient()
            let token = try await client.token(try client.details([contact]))
            let request = try client.requestID()
            _ = try await client.release(contact, with: token, requestID: request)
            let expected: DenialCode
            switch event {
            case "stop":
                try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
                expected = .stopFlag
            case "withdrawal":
                try await fixture.vault.withdrawConsent(
                    to: try #require(Purpose("relay.message")), of: contact, as: .localOperator,
                    requestID: try fixture.requestID())
                expected = .consentWithdrawn
            default:
                try await fixture.vault.setSuspended(
                    true, client: client.registration.id, requestID: try fixture.requestID())
                expected = .clientSuspended
            }
            let code = await denial { _ = try await client.release(contact, with: token, requestID: request) }
            #expect(code == expected, "\(event)")
        }
    }

    @Test("the request id of another token or of another contact is no retry")
    func foreignRetry() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<2)
        let client = try await fixture.registerClient()
        let request = try client.requestID()
        let token = try await client.token(try client.details(contacts))
        let first = try await client.release(contacts[0], with: token, requestID: request)
        let otherContact = try await client.release(contacts[1], with: token, requestID: request)
        #expect(otherContact.id != first.id && !otherContact.isRedelivered)
        let otherToken = try await client.token(try client.details(contacts))
        let again = try await client.release(contacts[0], with: otherToken, requestID: request)
        #expect(again.id != first.id && !again.isRedelivered)
        #expect(try await fixture.entries(.release, .permit).count == 3)
    }

    @Test("a purge while tokens live forgets neither uses nor proofs")
    func purge() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        _ = try await client.release(contact, access: access)
        clock.advance(seconds: 299)
        try await fixture.vault.purgeExpired()
        #expect(await denial { _ = try await client.release(contact, access: access) } == .proofReplayed)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenSpent)

        // A clock that runs ahead of the log for a while must not make a proof good again: the log's time counts.
        clock.advance(seconds: 3600)
        try await fixture.vault.purgeExpired()
        #expect(try fixture.rowCounts()["token_uses"] == 1)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        try await fixture.vault.purgeExpired()
        let rows = try fixture.rowCounts()
        #expect(rows["proofs"] == 0 && rows["token_uses"] == 0 && rows["deliveries"] == 0)
        #expect(rows["contacts"] == 1)
    }
}

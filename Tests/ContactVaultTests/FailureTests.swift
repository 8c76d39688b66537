// What happens when the entry cannot be written, and when the clock is wrong: nothing is released, and it goes on afterwards.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import Testing
import VaultTesting

@Suite("Failures")
struct FailureTests {
    private let clock = FixedClock()

    /// A vault whose store can be made to fail.
    private func makeFaulty() async throws -> (VaultFixture, FaultInjectingStore) {
        let fixture = try await VaultFixture.make(clock: clock.reading, wrapping: { FaultInjectingStore($0) })
        return (fixture, try #require(fixture.store as? FaultInjectingStore))
    }

    // MARK: The log cannot be written

    @Test(
        "an entry that cannot be written releases nothing and spends nothing, and the same request is good afterwards",
        arguments: [FaultInjectingStore.Fault.beforeBody, .beforeCommit])
    func failingCommit(fault: FaultInjectingStore.Fault) async throws {
        let (fixture, store) = try await makeFaulty()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        let rows = try fixture.rowCounts()
        store.fault = fault
        for _ in 0..<3 {
            #expect(
                await unavailability { _ = try await client.release(contact, access: access) } == "injected")
        }
        #expect(try fixture.rowCounts() == rows)

        store.fault = .none
        let released = try await client.release(contact, access: access)
        #expect(released.phone == "+8613800138000")
        #expect(released.usesRemaining == 0)
        #expect(try await fixture.newestEntry().use == 1)
        try await fixture.verifyLog()
    }

    @Test(
        "a commit whose answer is lost releases nothing; the permit entry stands, and the retry gets the number"
    )
    func lostAnswer() async throws {
        let (fixture, store) = try await makeFaulty()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let request = try client.requestID()
        store.fault = .afterCommit
        let code = await unavailability {
            _ = try await client.release(contact, with: token, requestID: request)
        }
        #expect(code == "injected")
        store.fault = .none
        #expect(try await fixture.entries(.release, .permit).count == 1)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenSpent)
        let released = try await client.release(contact, with: token, requestID: request)
        #expect(released.isRedelivered && released.phone == "+8613800138000")
        try await fixture.verifyLog()
    }

    @Test("a batch that cannot be recorded is refused to everybody in it")
    func failingBatch() async throws {
        let (fixture, store) = try await makeFaulty()
        let contacts = try await fixture.store(numbered: 0..<32)
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details(contacts))
        let accesses = try await client.accesses(token, to: contacts)
        func releaseAll() async -> [String?] {
            await withTaskGroup(of: String?.self) { group in
                for (contact, access) in accesses {
                    group.addTask {
                        await unavailability { _ = try await client.release(contact, access: access) }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
        }
        store.fault = .beforeCommit
        #expect(await releaseAll() == Array(repeating: "injected", count: 32))
        store.fault = .none
        #expect(await releaseAll() == Array(repeating: nil, count: 32))
        #expect(try await fixture.entries(.release, .permit).count == 32)
        try await fixture.verifyLog()
    }

    @Test("no token, no contact, no consent and no stop without its entry")
    func otherOperations() async throws {
        let (fixture, store) = try await makeFaulty()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        _ = try await client.token(try client.details([contact]))  // fetches the nonce
        let rows = try fixture.rowCounts()
        let (vault, id) = (fixture.vault, try fixture.requestID())
        store.fault = .beforeCommit
        var codes: [String?] = []
        codes.append(await unavailability { _ = try await client.token(try client.details([contact])) })
        codes.append(await unavailability { _ = try await fixture.store(.sima) })
        codes.append(
            await unavailability { try await vault.stop(contact, as: .localOperator, requestID: id) })
        codes.append(
            await unavailability {
                _ = try await vault.replaceContact(
                    contact, json: InventedContact.sima.with("consents", nil).json, expecting: 1,
                    as: .localOperator,
                    requestID: id)
            })
        codes.append(
            await unavailability { _ = try await vault.contact(contact, as: .localOperator, requestID: id) })
        codes.append(
            await unavailability { _ = try await vault.entries(0..<9, as: .localOperator, requestID: id) })
        codes.append(await unavailability { try await vault.publishCheckpoint() })
        #expect(codes == Array(repeating: "injected", count: 7))
        #expect(try fixture.rowCounts() == rows)
        store.fault = .none
        #expect(try await client.release(contact).phone == "+8613800138000")
    }

    @Test("a checkpoint that could not be stored is not published")
    func failingCheckpoint() async throws {
        let (fixture, store) = try await makeFaulty()
        let before = fixture.vault.latestCheckpoint
        _ = try await fixture.store()
        store.fault = .beforeCommit
        #expect(await unavailability { try await fixture.vault.publishCheckpoint() } == "injected")
        #expect(fixture.vault.latestCheckpoint == before)
        store.fault = .afterCommit
        #expect(await unavailability { try await fixture.vault.publishCheckpoint() } == "injected")
        store.fault = .none
        try await fixture.vault.publishCheckpoint()
        #expect(fixture.vault.latestCheckpoint?.size == 4)
        try await fixture.verifyLog()
    }

    @Test("many calls that sign at once store each checkpoint once")
    func concurrentCheckpoints() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        for _ in 0..<4 {
            _ = try await fixture.store()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { try await fixture.vault.publishCheckpoint() } }
                try await group.waitForAll()
            }
        }
        #expect(try await fixture.verifyLog().checkpoints == 6)
    }

    @Test("a vault that cannot write its last entry gives the store's lock back all the same")
    func failingClose() async throws {
        let (fixture, store) = try await makeFaulty()
        store.fault = .beforeCommit
        #expect(await unavailability { try await fixture.vault.close() } == "injected")
        let reopened = try await fixture.reopened()
        try await reopened.verifyLog()
        try await reopened.vault.close()
    }

    @Test(
        "with the disk full nothing is released, and the vault goes on by itself when there is space again",
        .enabled(if: SmallDisk.isAvailable, "mounting a small disk is refused here"))
    func diskFull() async throws {
        let disk = try SmallDisk(mebibytes: 8)
        let fixture = try await VaultFixture.make(in: disk.folder, policy: VaultFixture.policy(uses: 100_000))
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact], uses: 100_000))
        try disk.fill()
        // The write-ahead log may have a few pages left.
        var released = 0
        var code: String?
        while code == nil, released < 5000 {
            code = await unavailability { _ = try await client.release(contact, with: token) }
            if code == nil { released += 1 }
        }
        #expect(code == "disk_full" || code == "input_output")
        let permits = try await fixture.entries(.release, .permit).count
        #expect(permits == released, "an entry for each release, and none for what failed")
        #expect(await unavailability { _ = try await client.release(contact, with: token) } != nil)

        try disk.free()
        #expect(try await client.release(contact, with: token).phone == "+8613800138000")
        #expect(try await fixture.entries(.release, .permit).count == released + 1)
        #expect(try await fixture.newestEntry().use == UInt64(released + 1))
        try await fixture.verifyLog()
        try await fixture.vault.close()
    }

    // MARK: The clock

    @Test("a clock that jumped back stops releases, tokens and intake until it is right again")
    func clockJump() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        _ = try await fixture.store(.sima)
        let rows = try fixture.rowCounts()

        clock.advance(milliseconds: -5001)
        for body: () async throws -> Void in [
            { _ = try await client.release(contact, access: access) },
            { _ = try await fixture.store(.numbered(1)) },
            { try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID()) },
        ] {
            guard case .clockWentBack? = await refusal(body) else {
                Issue.record("not refused for the clock")
                return
            }
        }
        #expect(try fixture.rowCounts() == rows)

        clock.advance(milliseconds: 5001)
        #expect(try await client.release(contact, access: access).phone == "+8613800138000")
        try await fixture.verifyLog()
    }

    @Test("a small step back holds the log's time: no entry is older than the one before")
    func clockStep() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let client = try await fixture.registerClient()
        let contacts = try await fixture.store(numbered: 0..<6)
        for (contact, step) in zip(contacts, [0, -3000, -2000, 4000, -1, 7000] as [Int64]) {
            clock.advance(milliseconds: step)
            _ = try await client.release(contact)
        }
        let times = try await fixture.entries().map(\.time)
        #expect(times == times.sorted())
        #expect(times.last == clock.now)
        try await fixture.verifyLog()
    }

    @Test("a vault whose store ran ahead of the clock is not opened")
    func clockBehindAtOpening() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        try await fixture.vault.close()
        clock.advance(seconds: -60)
        guard case .clockWentBack? = await refusal({ _ = try await fixture.reopened() }) else {
            Issue.record("opened")
            return
        }
    }
}

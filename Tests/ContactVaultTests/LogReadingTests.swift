// Reading the log is an access too; and what nobody can be made answerable for is counted.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import GRDB
import PurposePolicy
import Testing
import VaultCrypto
import VaultTesting

@Suite("Reading the log")
struct LogReadingTests {
    private let clock = FixedClock()
    private let fixture: VaultFixture
    private let officer: FixtureClient

    init() async throws {
        fixture = try await VaultFixture.make(clock: clock.reading)
        officer = try await fixture.registerClient("officer-1", roles: [.privacy])
    }

    private func access(
        _ operation: AccessLogDetails.Operation, from: Timestamp? = nil, to: Timestamp? = nil
    ) async throws -> Caller {
        let details = AuthorizationDetails.accessLog(
            try AccessLogDetails(operation: operation, from: from, to: to))
        let token = try await officer.token(details)
        return await .client(try officer.access(token, method: "GET", path: "/v1/log/entries"))
    }

    @Test("every reading has its own entry, and sees all before it")
    func readingIsLogged() async throws {
        _ = try await fixture.store(numbered: 0..<10)
        let before = try await fixture.vault.logSize()
        let read = try await fixture.vault.entries(
            0..<1000, as: try await access(.read), requestID: try officer.requestID())
        #expect(read.map(\.index) == Array(0..<before))
        let entry = try await fixture.newestEntry()
        #expect(entry.kind == .logRead && entry.client == officer.registration.id)
        #expect(try await fixture.vault.logSize() == before + 1)
    }

    @Test("a page is cut to 1,000 entries and to the log, and no range of positions traps")
    func pages() async throws {
        _ = try await fixture.store(numbered: 0..<1200)
        let (vault, id) = (fixture.vault, try officer.requestID())
        let first = try await vault.entries(0..<UInt64.max, as: .localOperator, requestID: id)
        #expect(first.count == 1000)
        let second = try await vault.entries(1000..<2000, as: .localOperator, requestID: id)
        #expect(second.first?.index == 1000 && second.count < 1000)
        for range: Range<UInt64> in [
            UInt64.max - 1..<UInt64.max, 1 << 63..<UInt64.max, 1 << 62..<1 << 62, 99_999..<100_000,
        ] {
            #expect(try await vault.entries(range, as: .localOperator, requestID: id).isEmpty)
        }
    }

    @Test("a token for a time range reads and proves nothing outside of it")
    func timeRange() async throws {
        _ = try await fixture.store(.numbered(1))
        clock.advance(seconds: 3600)
        let from = clock.now
        let inside = try await fixture.store(.numbered(2))
        clock.advance(seconds: 3600)
        let to = clock.now
        _ = try await fixture.store(.numbered(3))
        try await fixture.vault.publishCheckpoint()

        let (vault, id) = (fixture.vault, try officer.requestID())
        let read = try await vault.entries(
            0..<1000, as: try await access(.read, from: from, to: to), requestID: id)
        #expect(read.compactMap { $0.disclosed?.contact } == [inside])
        #expect(read.allSatisfy { $0.entry.time >= from && $0.entry.time < to })
        let index = try #require(read.first?.index)
        _ = try await vault.proof(of: index, as: try await access(.prove, from: from, to: to), requestID: id)
        for outside in [index - 1, index + 1] {
            let caller = try await access(.prove, from: from, to: to)
            let code = await denial { _ = try await vault.proof(of: outside, as: caller, requestID: id) }
            #expect(code == .insufficientScope)
        }
    }

    @Test("leave to read is not leave to prove, and a collection client has neither")
    func roles() async throws {
        let (vault, id) = (fixture.vault, try officer.requestID())
        let prove = try await access(.prove)
        #expect(
            await denial { _ = try await vault.entries(0..<9, as: prove, requestID: id) }
                == .insufficientScope)
        let read = try await access(.read)
        #expect(
            await denial { _ = try await vault.proof(of: 0, as: read, requestID: id) } == .insufficientScope)
        let client = try await fixture.registerClient()
        let details = AuthorizationDetails.accessLog(try AccessLogDetails(operation: .read))
        #expect(await denial { _ = try await client.token(details) } == .roleNotAllowed)
    }

    @Test("disclosures that were exchanged between entries are shown for none but their own")
    func exchangedDisclosures() async throws {
        _ = try await fixture.store(numbered: 0..<2)
        try fixture.tamper(
            """
            UPDATE log_disclosures SET sealed = (SELECT sealed FROM log_disclosures ORDER BY position DESC LIMIT 1),
                contact = (SELECT contact FROM log_disclosures ORDER BY position DESC LIMIT 1)
            """)
        let read = try await fixture.vault.entries(
            0..<1000, as: .localOperator, requestID: try officer.requestID())
        let disclosing = read.filter { !$0.entry.disclosureDigests.isEmpty }
        #expect(disclosing.count == 2)
        #expect(disclosing.map { $0.disclosed != nil } == [false, true])
    }

    // MARK: Requests of nobody

    @Test("unauthenticated requests become one entry a reason, with their number, and none by themselves")
    func aggregates() async throws {
        let vault = fixture.vault
        let before = try await vault.logSize()
        func verify(_ authorization: [String]) async {
            _ = await refusal {
                _ = try await vault.verify(
                    authorization: authorization, proof: ["x"], method: "POST", path: "/v1/x")
            }
        }
        for _ in 0..<3 { await verify([]) }
        for _ in 0..<2 { await verify(["DPoP not.a.token"]) }
        await verify(["Bearer abc"])
        await verify(["DPoP a", "DPoP b"])
        let stranger = TokenRequest(
            assertion: Array("a.b.c".utf8), clientID: nil, authorizationDetails: [], proof: [],
            requestID: try officer.requestID())
        for _ in 0..<5 { _ = await refusal { _ = try await vault.grantToken(stranger) } }
        #expect(try await vault.logSize() == before)

        try await vault.recordUnauthenticated()
        let entries = try await fixture.entries(.unauthenticated, .deny)
        var counts: [String: UInt64] = [:]
        for entry in entries { counts[try #require(entry.reason).text] = entry.count }
        #expect(
            counts == ["no_credentials": 4, "token.segments": 2, "request.several": 1, "client.segments": 5])
        #expect(entries.allSatisfy { $0.client == nil && $0.disclosureDigests.isEmpty })
        try await vault.recordUnauthenticated()
        #expect(try await vault.logSize() == before + 4, "nothing counted, nothing written")
        try await fixture.verifyLog()
    }

    @Test("asking for a nonce is part of the protocol and no refusal")
    func nonces() async throws {
        _ = try await fixture.registerClient().release(try await fixture.store())
        try await fixture.vault.recordUnauthenticated()
        #expect(try await fixture.entries(.unauthenticated, .deny).isEmpty)
    }

    @Test("counts that could not be written are kept, and closing writes them")
    func keptCounts() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading, wrapping: { FaultInjectingStore($0) })
        let store = try #require(fixture.store as? FaultInjectingStore)
        func refuse() async {
            _ = await refusal {
                _ = try await fixture.vault.verify(authorization: [], proof: [], method: "GET", path: "/")
            }
        }
        await refuse()
        store.fault = .beforeCommit
        #expect(await unavailability { try await fixture.vault.recordUnauthenticated() } == "injected")
        await refuse()
        store.fault = .none
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        #expect(try await reopened.entries(.unauthenticated, .deny).map(\.count) == [2])
        let kinds = try await reopened.entries().map(\.kind)
        #expect(
            kinds == [.vaultInit, .policyApply, .serviceStart, .unauthenticated, .serviceStop, .serviceStart])
    }

    // MARK: Making and opening

    @Test("a store that holds a vault gets no second one")
    func secondVault() async throws {
        let rows = try fixture.rowCounts()
        let refused = await refusal {
            try await Vault.create(
                in: fixture.store, keyring: fixture.keyring, issuer: VaultFixture.issuer,
                policy: VaultFixture.policy(uses: 1), instance: try fixture.requestID())
        }
        guard case .inconsistent("store_holds_a_vault")? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try fixture.rowCounts() == rows)
    }

    @Test("a keyring of another vault is refused at opening, before anything is written")
    func foreignKeyring() async throws {
        let rows = try fixture.rowCounts()
        let keyring = try Keyring.make(
            tenant: try #require(TenantID(bytes: [UInt8](repeating: 1, count: 16))), random: SystemRandom(),
            now: clock.now)
        let refused = await refusal {
            _ = try await Vault.open(
                store: fixture.store, keyring: keyring, instance: try fixture.requestID())
        }
        guard case .inconsistent("keyring_of_another_vault")? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try fixture.rowCounts() == rows)
    }

    @Test("an old copy of the keyring does not open a vault that a newer one has opened")
    func olderKeyring() async throws {
        let (store, id, now) = (fixture.store, try fixture.requestID(), clock.reading)
        var editor = KeyringEditor(fixture.keyring)
        _ = try editor.addKEK(random: SystemRandom(), now: clock.now)
        _ = try await Vault.open(store: store, keyring: try editor.finish(), instance: id, clock: now)
        let rows = try fixture.rowCounts()
        let refused = await refusal {
            _ = try await Vault.open(store: store, keyring: fixture.keyring, instance: id, clock: now)
        }
        guard case .inconsistent("keyring_older_than_the_log")? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try fixture.rowCounts() == rows)
    }

    @Test("a vault whose newest checkpoint is not its own is not opened, and nothing is signed after it")
    func foreignCheckpoint() async throws {
        let (store, id, now) = (fixture.store, try fixture.requestID(), clock.reading)
        let last = try #require(fixture.vault.latestCheckpoint)
        let text = try SignedNote(parsing: Array(last.note.utf8)).text
        let forger = try NoteSigner(
            name: fixture.vault.identity.logOrigin, key: try SigningKey(generating: .ed25519))
        let rows = try fixture.rowCounts()
        for (column, value) in [("note", try forger.sign(text).serialized), ("note", "no note")] {
            try fixture.tamper("UPDATE checkpoints SET \(column) = ?", [value])
            await #expect(throws: (any Error).self) {
                _ = try await Vault.open(
                    store: store, keyring: self.fixture.keyring, instance: id, clock: now)
            }
        }
        try fixture.tamper("UPDATE checkpoints SET note = ?, root = zeroblob(32)", [last.note])
        await #expect(throws: (any Error).self) {
            _ = try await Vault.open(store: store, keyring: self.fixture.keyring, instance: id, clock: now)
        }
        #expect(try fixture.rowCounts() == rows)
    }

    @Test(
        "an issuer that is no origin makes no vault",
        arguments: [
            "", "vault.example", "https://vault.example/", "https://vault.example/x", "ftp://vault.example",
        ])
    func issuer(issuer: String) async throws {
        let fixture = fixture
        let refused = await refusal {
            try await Vault.create(
                in: fixture.store, keyring: fixture.keyring, issuer: issuer,
                policy: VaultFixture.policy(uses: 1),
                instance: try fixture.requestID())
        }
        guard case .inconsistent("issuer_is_not_an_origin")? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
    }

    @Test("a name that is taken registers no second client")
    func secondClient() async throws {
        let refused = await refusal { _ = try await fixture.registerClient("officer-1") }
        guard case .inconsistent("client_exists")? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try await fixture.vault.clients().map(\.id.text) == ["officer-1"])
    }
}

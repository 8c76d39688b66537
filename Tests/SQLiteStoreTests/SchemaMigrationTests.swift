// Stores that an earlier version made: their rows stay, and what is new in them says what they said before.

import ContactModel
import ContactVault
import GRDB
import Testing
import VaultTesting

@testable import SQLiteStore

@Suite("Migration of the SQLite store")
struct SchemaMigrationTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("vault.sqlite") }

    init() throws { folder = try TemporaryFolder() }

    /// Makes a store of the first step alone, with a row in each of its tables.
    private func makeFirstSchema() throws {
        let pool = try DatabasePool(path: path)
        try SQLiteSchema.migrator.migrate(pool, upTo: "1 vault")
        try pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO identity VALUES
                        (1, zeroblob(16), 'https://vault.example', 'vault.example/access-log', 1000, 3);
                    INSERT INTO policies (version, text, applied) VALUES
                        ('p1', 'policy: 1', 1000), ('p2', 'policy: 2', 2000);
                    INSERT INTO contacts VALUES
                        (zeroblob(16), 'br_1', 'pf_1', x'7B7D', 2, x'01', x'02', 1, zeroblob(32), 'active', NULL,
                         1000, 2000);
                    INSERT INTO consents VALUES
                        (zeroblob(16), 'relay.message', 'n1', zeroblob(32), 1000, NULL, 3000),
                        (zeroblob(16), 'contact.verify', 'n1', zeroblob(32), 1000, 4000, NULL);
                    INSERT INTO sequences VALUES (zeroblob(16), 4);
                    INSERT INTO clients VALUES ('dialer-1', 5, x'7B7D');
                    UPDATE log_head SET size = 2, frontier = zeroblob(32), last_time = 2000;
                    INSERT INTO log_entries VALUES (0, x'00'), (1, x'01');
                    INSERT INTO log_disclosures VALUES (0, zeroblob(16), x'04'), (1, NULL, x'05'), (7, zeroblob(16), x'08');
                    INSERT INTO log_tiles VALUES (0, 0, x'06', x'07');
                    INSERT INTO checkpoints VALUES (2, zeroblob(32), 'note', 2000);
                    INSERT INTO proofs VALUES (9000, zeroblob(32));
                    INSERT INTO token_uses VALUES (9000, zeroblob(32), zeroblob(16), 6);
                    INSERT INTO deliveries VALUES
                        (9000, zeroblob(32), 'rq_1', zeroblob(16), zeroblob(16), 2000, 6);
                    INSERT INTO idempotent_results VALUES
                        ('dialer-1', zeroblob(32), zeroblob(32), zeroblob(16), 9000);
                    """)
        }
        try pool.close()
    }

    private func appliedSteps() throws -> Set<String> {
        let queue = try DatabaseQueue(path: path)
        let steps = try queue.read { try SQLiteSchema.migrator.appliedIdentifiers($0) }
        try queue.close()
        return steps
    }

    private func time(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    @Test("a store of the first schema keeps its rows, and takes the new ones")
    func firstSchema() async throws {
        try makeFirstSchema()
        #expect(try appliedSteps() == ["1 vault"])
        let contact = try #require(ContactID(bytes: [UInt8](repeating: 0, count: 16)))
        let release = try #require(ReleaseID(bytes: contact.bytes))
        let digest = [UInt8](repeating: 0, count: 32)
        let client = try #require(Reference("dialer-1"))
        let notice = try #require(Reference("n1"))
        let relay = try #require(Purpose("relay.message"))
        let verify = try #require(Purpose("contact.verify"))

        let identity = VaultIdentity(
            tenant: try #require(TenantID(bytes: contact.bytes)), issuer: "https://vault.example",
            logOrigin: "vault.example/access-log", created: time(1000))
        // No policy of the first schema could name a calendar, and every consent was for every agency.
        let policy = StoredPolicy(version: "p2", text: "policy: 2", calendars: [:], applied: time(2000))
        let consents = [
            StoredConsent(
                contact: contact, purpose: verify, notice: notice, evidence: digest, recipients: nil,
                given: time(1000), expires: time(4000), withdrawn: nil),
            StoredConsent(
                contact: contact, purpose: relay, notice: notice, evidence: digest, recipients: nil,
                given: time(1000), expires: nil, withdrawn: time(3000)),
        ]
        let record = StoredContact(
            id: contact, borrower: try #require(Reference("br_1")),
            portfolio: try #require(Reference("pf_1")), attributes: Array("{}".utf8), generation: 2,
            sealed: [1], disclosureKey: [2], phoneIndexVersion: 1, phoneIndex: digest, state: .active,
            stopped: nil, created: time(1000), updated: time(2000))
        let registration = StoredClient(id: client, revision: 5, registration: Array("{}".utf8))
        let head = LogHead(size: 2, frontier: digest, lastTime: time(2000))
        // Each entry about a contact learns of the one before it.
        let disclosures: [UInt64: StoredDisclosures] = [
            0: StoredDisclosures(contact: contact, sealed: [4]),
            1: StoredDisclosures(contact: nil, sealed: [5]),
            7: StoredDisclosures(contact: contact, sealed: [8], previous: 0),
        ]
        let tile = StoredTile(level: 0, index: 0, hashes: [6], root: [7])
        let use = TokenUseKey(token: digest, contact: contact, expires: time(9000))
        let delivery = DeliveryKey(token: digest, request: "rq_1", contact: contact, expires: time(9000))
        let proof = ProofUse(digest: digest, expires: time(9000))
        let result = IdempotencyKey(client: client, digest: digest)

        // Twice: what is migrated is not migrated again.
        for _ in 0..<2 {
            let store = try SQLiteStore.open(path: path, clock: { Timestamp(milliseconds: 5000) })
            try await store.read { (reader) throws in
                #expect(try reader.identity() == identity)
                #expect(try reader.keyringEpoch() == 3)
                #expect(try reader.policy() == policy)
                #expect(try reader.contacts([contact]) == [contact: record])
                #expect(try reader.contacts(withNumbers: [digest]) == [contact])
                #expect(try reader.consents(of: [contact]) == [contact: consents])
                #expect(try reader.sequences([contact]) == [contact: EntrySequence(count: 4, latest: 7)])
                #expect(try reader.clients() == [registration])
                #expect(try reader.logHead() == head)
                #expect(try reader.logLeaves(0..<9) == [[0], [1]])
                #expect(try reader.disclosures(0..<9) == disclosures)
                #expect(try reader.firstLeaf() == 0)
                #expect(try reader.backups().isEmpty)
                #expect(try reader.latestWitnessedCheckpoint() == nil)
                #expect(try reader.tiles(level: 0, 0..<9) == [tile])
                #expect(try reader.latestCheckpoint()?.note == "note")
                #expect(try reader.tokenUses([use]) == [use: 6])
                #expect(try reader.deliveries([delivery])[delivery]?.release == release)
                #expect(try reader.idempotentResult(result)?.contact == contact)
            }
            #expect(try await store.transaction { try $0.insertProofs([proof]) } == [false])
            try await store.close()
        }
        #expect(
            try appliedSteps() == [
                "1 vault", "2 purposes", "3 revocations", "4 agencies and keys", "5 witnesses and retention",
                "6 backups",
                "7 key jobs",
            ])

        let renewed = StoredConsent(
            contact: contact, purpose: relay, notice: notice, evidence: digest, recipients: [client],
            given: time(6000), expires: nil, withdrawn: nil)
        let next = StoredPolicy(
            version: "p3", text: "policy: 3", calendars: ["cn": "days: []"], applied: time(6000))
        let store = try SQLiteStore.open(path: path)
        try await store.transaction { transaction in
            try transaction.putConsents([renewed])
            try transaction.putPolicy(next)
        }
        try await store.read { (reader) throws in
            #expect(try reader.consents(of: [contact]) == [contact: [consents[0], renewed]])
            #expect(try reader.policy() == next)
        }
        try await store.close()
    }

    @Test("the log of a store of the first schema is read as it is: to check it does not change it")
    func readingFirstSchema() async throws {
        try makeFirstSchema()
        let store = try SQLiteStore.openForReading(path: path)
        try await store.read { (reader) throws in
            #expect(try reader.logLeaves(0..<9) == [[0], [1]])
            #expect(try reader.latestCheckpoint()?.size == 2)
        }
        try await store.close()
        #expect(try appliedSteps() == ["1 vault"])
    }
}

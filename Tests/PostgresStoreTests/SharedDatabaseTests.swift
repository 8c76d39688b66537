// What is particular to a store on a server: others have it open too, the connection goes, and its tables can
// be written by hand.

import ContactModel
import ContactVault
import Dispatch
import Foundation
import Synchronization
import Testing
import VaultTesting

@testable import PostgresStore

@Suite("PostgreSQL as a shared store")
struct SharedDatabaseTests {
    private static let time = FixedClock.beginning

    private static func token(_ number: UInt8) throws -> TokenUseKey {
        let contact = try #require(ContactID(bytes: [UInt8](repeating: number, count: 16)))
        return TokenUseKey(token: [UInt8](repeating: number, count: 32), contact: contact, expires: time)
    }

    private static func batch(first: UInt64, count: Int) -> LogBatch {
        LogBatch(
            first: first, leaves: (0..<count).map { [UInt8($0 % 256)] }, disclosures: [], tiles: [],
            head: LogHead(size: first + UInt64(count), frontier: [], lastTime: time))
    }

    private static func kill(at address: String) throws {
        try PostgresServer.psql(
            address: address,
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
    }

    // MARK: Opening

    @Test("a database without tables is missing, and stays without them")
    func missing() async throws {
        let address = try PostgresServer.makeDatabase()
        await #expect(throws: StoreError.missing) { try await PostgresStore.open(address) }
        let tables = try PostgresServer.psql(
            address: address, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        #expect(tables == "0")
    }

    @Test("a database that does not exist, or an address that does not parse, is unavailable")
    func noDatabase() async throws {
        let server = try PostgresServer.shared.get()
        for address in [server.address(of: "none"), "host=\(server.folder) nonsense=1", "a\0b"] {
            await #expect(throws: StoreError.unavailable("connection")) {
                try await PostgresStore.open(address, create: true)
            }
        }
    }

    @Test("a newer schema is refused, and by a step of its own name too")
    func newer() async throws {
        let address = try PostgresServer.makeDatabase()
        try await PostgresStore.open(address, create: true).close()
        try PostgresServer.psql(address: address, "INSERT INTO schema_steps (name) VALUES ('2 later')")
        await #expect(throws: StoreError.newerVersion(2)) { try await PostgresStore.open(address) }
        await #expect(throws: StoreError.newerVersion(2)) {
            try await PostgresStore.open(address, create: true)
        }
    }

    @Test("processes that make the tables at the same time make them once")
    func openedTogether() async throws {
        let address = try PostgresServer.makeDatabase()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { try await PostgresStore.open(address, create: true).close() }
            }
            try await group.waitForAll()
        }
        #expect(try PostgresServer.psql(address: address, "SELECT count(*) FROM schema_steps") == "1")
    }

    @Test("a session whose commits would not be synced syncs them, and one that cannot is refused")
    func synced() async throws {
        let address = try PostgresServer.makeDatabase()
        let name = try PostgresServer.psql(address: address, "SELECT current_database()")
        try PostgresServer.psql(address: address, "ALTER DATABASE \(name) SET synchronous_commit = off")
        let connection = try PostgresConnection(address, role: .writer)
        let setting = try connection.first("SELECT current_setting('synchronous_commit')") { try $0.text(0) }
        #expect(setting == "on")
        let latin = name + "_latin"
        try PostgresServer.psql(
            address: address, "CREATE DATABASE \(latin) TEMPLATE template0 ENCODING 'LATIN1'")
        let other = try PostgresServer.shared.get().address(of: latin)
        await #expect(throws: StoreError.unavailable("encoding_is_not_utf8")) {
            try await PostgresStore.open(other, create: true)
        }
    }

    @Test("whoever closed it is told so")
    func closed() async throws {
        let store = try await PostgresStore.open(try PostgresServer.makeDatabase(), create: true)
        #expect(store.isShared)
        try await store.close()
        await #expect(throws: StoreError.unavailable("closed")) { try await store.transaction { _ in } }
        await #expect(throws: StoreError.unavailable("closed")) { try await store.read { _ in } }
    }

    // MARK: Several processes

    @Test("transactions of two stores on one database lose no increment, and no place in the log")
    func serial() async throws {
        let address = try PostgresServer.makeDatabase()
        let stores = [
            try await PostgresStore.open(address, create: true), try await PostgresStore.open(address),
        ]
        let key = try Self.token(1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<60 {
                group.addTask {
                    try await stores[number % 2].transaction { transaction in
                        let uses = try transaction.tokenUses([key])[key, default: 0]
                        try transaction.putTokenUses([key: uses + 1])
                        try transaction.append(
                            Self.batch(first: try transaction.logHead().size, count: 2))
                    }
                }
            }
            try await group.waitForAll()
        }
        let (uses, head) = try await stores[1].read { (try $0.tokenUses([key]), try $0.logHead()) }
        #expect(uses == [key: 60])
        #expect(head.size == 120)
        for store in stores { try await store.close() }
    }

    @Test("more readers than sessions wait, and all are answered")
    func readers() async throws {
        let store = try await PostgresStore.open(try PostgresServer.makeDatabase(), create: true)
        let counts = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for _ in 0..<40 { group.addTask { try await store.read { try $0.contactCount() } } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(counts == [UInt64](repeating: 0, count: 40))
        try await store.close()
    }

    @Test(
        "without a clock of its own the moment is the server's, and never before the transaction that it waited for"
    )
    func serverClock() async throws {
        let address = try PostgresServer.makeDatabase()
        let (first, second) = (
            try await PostgresStore.open(address, create: true), try await PostgresStore.open(address)
        )
        let before = Timestamp(Date())
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        async let ended = first.transaction { _ in
            begin.finish()
            // Ends when the other one stands in line, or never would.
            try PostgresServer.psql(
                address: address,
                """
                DO $$ BEGIN
                    FOR attempt IN 1..100 LOOP
                        PERFORM pg_stat_clear_snapshot();
                        PERFORM FROM pg_stat_activity
                            WHERE datname = current_database() AND wait_event_type = 'Lock';
                        EXIT WHEN FOUND;
                        PERFORM pg_sleep(0.05);
                    END LOOP;
                END $$
                """)
            return Timestamp(Date())
        }
        for await _ in begun {}
        let waited = try await second.transaction { $0.now }
        let end = try await ended
        #expect(waited >= end)
        #expect(waited >= before)
        try await first.close()
        try await second.close()
    }

    // MARK: Lost connections

    @Test("a connection that was lost between transactions is made anew, for writing and for reading")
    func reconnects() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        let key = try Self.token(1)
        try await store.transaction { try $0.putTokenUses([key: 1]) }
        #expect(try await store.read { try $0.tokenUses([key]) } == [key: 1])
        try Self.kill(at: address)
        #expect(try await store.read { try $0.tokenUses([key]) } == [key: 1])
        try await store.transaction { try $0.putTokenUses([key: 2]) }
        #expect(try await store.read { try $0.tokenUses([key]) } == [key: 2])
        try await store.close()
    }

    @Test("a connection that is lost in a transaction ends it, nothing is written, and the next one goes")
    func lostInside() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        let key = try Self.token(1)
        await #expect(throws: StoreError.unavailable("connection")) {
            try await store.transaction { transaction in
                try transaction.putTokenUses([key: 1])
                try Self.kill(at: address)
                try transaction.putTokenUses([key: 2])
            }
        }
        #expect(try await store.read { try $0.tokenUses([key]) }.isEmpty)
        try await store.transaction { try $0.putTokenUses([key: 3]) }
        #expect(try await store.read { try $0.tokenUses([key]) } == [key: 3])
        try await store.close()
    }

    @Test("a commit without an answer is unknown")
    func unknownCommit() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        let key = try Self.token(1)
        await #expect(throws: StoreError.unavailable("commit_unknown")) {
            try await store.transaction { transaction in
                try transaction.putTokenUses([key: 1])
                try Self.kill(at: address)
            }
        }
        try await store.transaction { try $0.probe() }
        try await store.close()
    }

    @Test("a commit that a standby was to have, and may not have, is unknown")
    func missingStandby() async throws {
        // A server of its own: the setting is for all of its databases.
        let server = try PostgresServer()
        let store = try await PostgresStore.open(server.address(of: "postgres"), create: true)
        try server.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try server.psql("postgres", "SELECT pg_reload_conf()")
        let commit = Task { try await store.transaction { try $0.probe() } }
        let cancelled = try server.psql(
            "postgres",
            """
            DO $$ BEGIN
                FOR attempt IN 1..600 LOOP
                    PERFORM pg_stat_clear_snapshot();
                    PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep';
                    EXIT WHEN FOUND;
                    PERFORM pg_sleep(0.05);
                END LOOP;
            END $$
            """)
        #expect(cancelled.isEmpty)
        await #expect(throws: StoreError.unavailable("commit_unknown")) { try await commit.value }
        try await store.close()
    }

    @Test("a body that swallows a failed statement does not look committed")
    func swallowed() async throws {
        let store = try await PostgresStore.open(try PostgresServer.makeDatabase(), create: true)
        let identity = VaultIdentity(
            tenant: try #require(TenantID(bytes: [UInt8](repeating: 1, count: 16))),
            issuer: "https://vault.example", logOrigin: "vault.example/access-log", created: Self.time)
        try await store.transaction { try $0.putIdentity(identity) }
        await #expect(throws: StoreError.unavailable("transaction_aborted")) {
            try await store.transaction { try? $0.putIdentity(identity) }
        }
        try await store.close()
    }

    // MARK: Refusals

    @Test("entries are not changed, deleted, truncated or written over, even by hand")
    func log() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        try await store.transaction { try $0.append(Self.batch(first: 0, count: 600)) }
        for sql in [
            "UPDATE log_entries SET leaf = '' WHERE position = 3", "DELETE FROM log_entries",
            "DELETE FROM log_entries WHERE position = 599", "TRUNCATE log_entries",
            "INSERT INTO log_entries VALUES (3, '')",
        ] {
            #expect(throws: PostgresServer.NotStarted.self, "\(sql)") {
                try PostgresServer.psql(address: address, sql)
            }
        }
        try await store.transaction { try $0.removeLeaves(before: 512) }
        #expect(throws: PostgresServer.NotStarted.self) {
            try PostgresServer.psql(address: address, "DELETE FROM log_entries WHERE position = 512")
        }
        #expect(try PostgresServer.psql(address: address, "SELECT count(*) FROM log_entries") == "88")
        #expect(try await store.read { try $0.logLeaves(512..<600).count } == 88)
        try await store.close()
    }

    @Test("a database that may only be read says so")
    func readOnly() async throws {
        let address = try PostgresServer.makeDatabase()
        let connection = try PostgresConnection(address, role: .reader)
        #expect(throws: StoreError.unavailable("read_only")) { try connection.command("CREATE TABLE a ()") }
    }

    @Test("values that do not parse are corrupt and end nothing")
    func corrupt() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        for (sql, code) in [
            ("UPDATE log_head SET size = -1", "number"),
            ("UPDATE log_head SET size = 0, last_time = 9223372036854775807", "time"),
            (
                "ALTER TABLE log_head ALTER last_time DROP NOT NULL; UPDATE log_head SET last_time = NULL",
                "column"
            ),
            ("ALTER TABLE log_head ALTER last_time TYPE text USING 'a'", "column"),
        ] {
            try PostgresServer.psql(address: address, sql)
            // A session from before a change of a type is made anew after its first failure.
            _ = try? await store.read { try $0.logHead() }
            await #expect(throws: StoreError.corrupt(code), "\(sql)") {
                try await store.read { try $0.logHead() }
            }
        }
        try PostgresServer.psql(address: address, "DELETE FROM log_head")
        await #expect(throws: StoreError.corrupt("log_head")) { try await store.transaction { _ in } }
        await #expect(throws: StoreError.corrupt("log_head")) { try await store.read { _ in } }
        try await store.close()
    }

    @Test("SQLSTATEs become the codes of the store")
    func codes() {
        let expected: [(String, StoreError)] = [
            ("23505", .conflict), ("23000", .conflict), ("40001", .unavailable("busy")),
            ("40P01", .unavailable("busy")), ("55P03", .unavailable("busy")),
            ("53100", .unavailable("disk_full")), ("25006", .unavailable("read_only")),
            ("57P01", .unavailable("connection")), ("57P03", .unavailable("connection")),
            ("08006", .unavailable("connection")), ("25P03", .unavailable("connection")),
            ("57014", .unavailable("postgres_57014")), ("42501", .unavailable("postgres_42501")),
        ]
        for (state, error) in expected { #expect(StoreError(sqlState: state) == error) }
    }

    // MARK: Values

    @Test("quotes, backslashes and commands in values are values")
    func injection() async throws {
        let store = try await PostgresStore.open(try PostgresServer.makeDatabase(), create: true)
        let contact = try #require(ContactID(bytes: [UInt8](repeating: 1, count: 16)))
        let texts = [
            "'; DROP TABLE contacts; --", "\\'", "$1", "{a,b}", "NULL", "", "\"", "\u{1F512}", "a,b\\\"c}",
        ]
        let keys = texts.map {
            DeliveryKey(
                token: [UInt8](repeating: 2, count: 32), request: $0, contact: contact, expires: Self.time)
        }
        let release = try #require(ReleaseID(bytes: [UInt8](repeating: 3, count: 16)))
        let delivery = Delivery(release: release, time: Self.time, use: 1)
        let deliveries = Dictionary(uniqueKeysWithValues: keys.map { ($0, delivery) })
        try await store.transaction { try $0.putDeliveries(deliveries) }
        #expect(try await store.read { try $0.deliveries(keys) } == deliveries)
        #expect(try await store.read { try $0.contactCount() } == 0)
        try await store.close()
    }

    @Test("the same key twice in a list counts as a loop would count it: the last one stays")
    func twice() async throws {
        let store = try await PostgresStore.open(try PostgresServer.makeDatabase(), create: true)
        let number = [UInt8](repeating: 7, count: 32)
        let places = [1, 2].map {
            StoredSuppression(
                number: number, indexVersion: $0, since: Self.time,
                latest: Self.time.adding(seconds: Int64($0)))
        }
        try await store.transaction { try $0.putSuppressions(places) }
        #expect(try await store.read { try $0.suppressions([number]) } == [number: places[1]])
        // a to b, and b to c: what was under a is under c in the end.
        let bytes = (1...3).map { [UInt8](repeating: $0, count: 32) }
        try await store.transaction { transaction in
            try transaction.putSuppressions([
                StoredSuppression(number: bytes[0], indexVersion: 1, since: Self.time, latest: Self.time)
            ])
            try transaction.moveNumbers([
                StoredNumberMove(from: bytes[0], to: bytes[1], version: 2),
                StoredNumberMove(from: bytes[1], to: bytes[2], version: 3),
            ])
        }
        #expect(try await Set(store.read { try $0.suppressions(bytes) }.keys) == [bytes[2]])
        try await store.close()
    }

    @Test("a batch costs as many statements as one")
    func roundTrips() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        let keys = try (1...64).map { try Self.token($0) }
        let statements = try await store.transaction { transaction in
            let connection = (transaction as? PostgresTransaction)?.connection
            let before = connection?.statementsRun ?? 0
            _ = try transaction.tokenUses(keys)
            try transaction.putTokenUses(Dictionary(uniqueKeysWithValues: keys.map { ($0, 1) }))
            try transaction.append(Self.batch(first: 0, count: 64))
            return (connection?.statementsRun ?? 0) - before
        }
        // Reading the uses, writing them, the head and the entries.
        #expect(statements == 4)
        try await store.close()
    }

    @Test("expunging goes beside the writer, and deleted bytes are in the tables no more")
    func expunge() async throws {
        let address = try PostgresServer.makeDatabase()
        let store = try await PostgresStore.open(address, create: true)
        try await store.transaction { transaction in
            try transaction.append(
                LogBatch(
                    first: 0, leaves: [[1]],
                    disclosures: [(0, StoredDisclosures(contact: nil, sealed: [1, 2, 3]))], tiles: [],
                    head: LogHead(size: 1, frontier: [], lastTime: Self.time)))
        }
        try PostgresServer.psql(address: address, "DELETE FROM log_disclosures")
        try await store.expunge()
        let pages = try PostgresServer.psql(
            address: address, "SELECT pg_relation_size('log_disclosures')")
        #expect(pages == "0")
        try await store.close()
    }
}

// What is PostgreSQL's own: the lock, lost connections, a server that lost what was committed, what the log's table refuses.

import ContactModel
import ContactVault
import PostgresStore
import Testing
import VaultTesting

@Suite("The store in PostgreSQL")
struct PostgresStoreTests {
    private let server: PostgresServer
    private let database: String

    init() throws {
        server = try PostgresServer.shared.get()
        database = try server.makeDatabase()
    }

    private func append(_ store: PostgresStore, first: UInt64, count: Int) async throws {
        try await store.transaction { transaction in
            try transaction.append(
                LogBatch(
                    first: first, leaves: (0..<count).map { [UInt8($0), 1, 2] }, disclosures: [], tiles: [],
                    head: LogHead(size: first + UInt64(count), frontier: [], lastTime: transaction.now)))
        }
    }

    private func error(_ body: () async throws -> Void) async -> StoreError? {
        do { try await body() } catch { return error as? StoreError }
        return nil
    }

    @Test("one session holds the vault; reading goes on beside it; when it ends the next one has it")
    func lock() async throws {
        let (database, store) = (database, try await PostgresStore.open(conninfo: database))
        #expect(await error { _ = try await PostgresStore.open(conninfo: database) } == .locked)
        let reader = try await PostgresStore.openForReading(conninfo: database)
        #expect(try await reader.read { try $0.logHead().size } == 0)
        #expect(await error { try await reader.transaction { _ in } } == .locked)
        try await reader.close()
        try await store.close()
        let next = try await PostgresStore.open(conninfo: database)
        try await append(next, first: 0, count: 3)
        try await next.close()
    }

    @Test(
        "a database without a vault is missing, one of a newer program is refused, an address where nobody is is unavailable"
    )
    func places() async throws {
        let database = database
        #expect(await error { _ = try await PostgresStore.openForReading(conninfo: database) } == .missing)
        try await PostgresStore.open(conninfo: database).close()
        try server.psql(database, "INSERT INTO schema_steps VALUES (99, now())")
        #expect(await error { _ = try await PostgresStore.open(conninfo: database) } == .newerVersion(2))
        #expect(
            await error { _ = try await PostgresStore.openForReading(conninfo: database) } == .newerVersion(2)
        )
        #expect(
            await error { _ = try await PostgresStore.open(conninfo: "host=/nonexistent dbname=x") }
                == .unavailable("connection"))
    }

    @Test("connections that were ended are made anew, one that is ended in the middle leaves nothing behind")
    func lostConnections() async throws {
        let store = try await PostgresStore.open(conninfo: database)
        let (server, database) = (server, database)
        let endAll =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for number in 0..<3 {
            try server.psql(database, endAll)
            try await append(store, first: UInt64(number), count: 1)
            try server.psql(database, endAll)
            #expect(try await store.read { try $0.logHead().size } == UInt64(number + 1))
        }
        let middle = await error {
            try await store.transaction { transaction in
                try transaction.putKeyringEpoch(7)
                try server.psql(database, endAll)
                try transaction.probe()
            }
        }
        #expect(middle == .unavailable("connection"))
        try await append(store, first: 3, count: 1)
        try await store.close()
    }

    @Test(
        "a transaction in which a statement failed is not taken for committed, whatever its body did about the error"
    )
    func swallowedError() async throws {
        let store = try await PostgresStore.open(conninfo: database)
        let identity = VaultIdentity(
            tenant: try #require(TenantID(bytes: [UInt8](repeating: 1, count: 16))),
            issuer: "https://vault.example",
            logOrigin: "vault.example/access-log", created: Timestamp(milliseconds: 0))
        try await store.transaction { try $0.putIdentity(identity) }
        let swallowed = await error {
            try await store.transaction { transaction in
                try transaction.putKeyringEpoch(9)
                _ = try? transaction.putIdentity(identity)
            }
        }
        #expect(swallowed == .unavailable("transaction_aborted"))
        #expect(try await store.read { try $0.keyringEpoch() } == 0)
        try await append(store, first: 0, count: 1)
        try await store.close()
    }

    @Test("a log that is shorter than what was committed is not gone on from")
    func shorterLog() async throws {
        let store = try await PostgresStore.open(conninfo: database)
        try await append(store, first: 0, count: 5)
        try server.psql(database, "UPDATE log_head SET size = 4")
        for _ in 0..<2 {
            #expect(
                await error { try await append(store, first: 4, count: 1) }
                    == .unavailable("log_shorter_than_committed"))
        }
        try server.psql(database, "UPDATE log_head SET size = 5")
        try await append(store, first: 5, count: 1)
        try await store.close()
    }

    @Test("entries of the log are not updated, deleted or truncated, whoever asks")
    func entriesStay() async throws {
        let store = try await PostgresStore.open(conninfo: database)
        try await append(store, first: 0, count: 5)
        for statement in [
            "UPDATE log_entries SET leaf = ''", "DELETE FROM log_entries WHERE position = 2",
            "TRUNCATE log_entries",
            "INSERT INTO log_entries VALUES (2, '') ON CONFLICT (position) DO UPDATE SET leaf = ''",
        ] {
            #expect(throws: (any Error).self, "\(statement)") { try server.psql(database, statement) }
        }
        #expect(try await store.read { try $0.logLeaves(0..<9) }.count == 5)
        try await store.close()
    }
}

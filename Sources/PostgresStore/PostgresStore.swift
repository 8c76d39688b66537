// The store in a PostgreSQL database, which an operator already knows how to run, copy and fail over.

public import ContactModel
public import ContactVault
import Dispatch
import Foundation
import Synchronization

/// A `VaultStore` in a PostgreSQL database.
///
/// Guarantee: one process at a time, by an advisory lock of the session that writes; `synchronous_commit=on`, so a committed transaction
/// survives loss of power, and with a synchronous standby also the loss of the primary. A connection that is lost is made anew with the
/// next transaction, unless another process has taken the lock meanwhile.
public final class PostgresStore: VaultStore {
    private let writer: PostgresChannel
    private let readers: [PostgresChannel]
    private let turn = Atomic<UInt64>(0)
    /// Entries of the log that this process has had committed.
    private let committed = Mutex<UInt64>(0)
    private let clock: (@Sendable () -> Timestamp)?

    private init(_ conninfo: String, clock: (@Sendable () -> Timestamp)?) {
        writer = PostgresChannel(conninfo, label: "contact-vault.postgres.writer") {
            try PostgresSchema.lockVault($0)
        }
        readers = (0..<4).map {
            PostgresChannel(conninfo, label: "contact-vault.postgres.reader-\($0)") { _ in }
        }
        self.clock = clock
    }

    /// Connects, and brings the schema up to date.
    /// - Parameters:
    ///   - conninfo: a connection string or URI of libpq; TLS to the server is as it says (`sslmode`, `sslrootcert`).
    ///   - clock: the clock of its transactions; `nil` for the server's, which is one for all instances.
    /// - Throws: ``StoreError/unavailable(_:)``, ``StoreError/newerVersion(_:)``.
    public static func open(
        conninfo: String, clock: (@Sendable () -> Timestamp)? = nil
    ) async throws -> PostgresStore {
        let store = PostgresStore(conninfo, clock: clock)
        do { try await store.writer.run(body: { try PostgresSchema.migrate($0) }) } catch {
            try? await store.close()
            throw error
        }
        return store
    }

    /// Connects for reading beside the process that holds the vault, such as a check of the log.
    /// - Throws: ``StoreError/missing`` if there is no vault, ``StoreError/newerVersion(_:)``, ``StoreError/unavailable(_:)``. Transactions
    ///   throw ``StoreError/locked`` while somebody holds it.
    public static func openForReading(
        conninfo: String, clock: (@Sendable () -> Timestamp)? = nil
    ) async throws -> PostgresStore {
        let store = PostgresStore(conninfo, clock: clock)
        do {
            try await store.readers[0].run(body: { connection in
                let known = try PostgresSchema.version(connection)
                guard known > 0 else { throw StoreError.missing }
                guard known <= PostgresSchema.steps.count else { throw StoreError.newerVersion(known) }
            })
        } catch {
            try? await store.close()
            throw error
        }
        return store
    }

    /// One transaction; see ``VaultStore``.
    /// - Throws: what `body` throws; ``StoreError/unavailable(_:)``, with `commit_unknown` if nobody can say whether it is there.
    public func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Result
    ) async throws -> Result {
        let clock = clock
        return try await writer.run(
            begin: { connection in
                try connection.command("BEGIN ISOLATION LEVEL READ COMMITTED")
                // Before anything is read: what is read then is what the last transaction left, whoever wrote it.
                let head = try connection.run("SELECT size FROM log_head WHERE id = 1 FOR UPDATE", [])
                // A standby that was not synchronous lacks what was answered already.
                guard try head[0].number(0) >= self.committed.withLock({ $0 }) else {
                    throw StoreError.unavailable("log_shorter_than_committed")
                }
            },
            body: { connection in
                let written = WrittenHead()
                let result: Result
                do {
                    result = try body(
                        PostgresTransaction(
                            connection: connection, now: try clock?() ?? Self.now(connection),
                            written: written))
                } catch {
                    _ = try? connection.command("ROLLBACK")
                    throw error
                }
                try connection.commit()
                if let size = written.size { self.committed.withLock { $0 = size } }
                return result
            })
    }

    /// One snapshot on one of four connections.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Result
    ) async throws -> Result {
        let clock = clock
        let place = Int(turn.wrappingAdd(1, ordering: .relaxed).oldValue % UInt64(readers.count))
        return try await readers[place].run(
            begin: { connection in
                try connection.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                // The snapshot is of the first statement.
                try connection.run("SELECT size FROM log_head WHERE id = 1", [])
            },
            body: { connection in
                defer { _ = try? connection.command("COMMIT") }
                return try body(
                    PostgresTransaction(
                        connection: connection, now: try clock?() ?? Self.now(connection)))
            })
    }

    private static func now(_ connection: PostgresConnection) throws -> Timestamp {
        try connection.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", [])[0].time(0)
    }

    /// How many steps the schema has.
    public var schema: Int { PostgresSchema.steps.count }

    /// The lock of the writing session keeps other processes out.
    public var isShared: Bool { false }

    /// Copies of a PostgreSQL database are its own tools' business.
    /// - Throws: ``StoreError/unavailable(_:)``, always.
    public func snapshot(to path: String) async throws -> any VaultStore {
        throw StoreError.unavailable("snapshot_not_supported")
    }

    /// Frees what was deleted for the next rows. Pages of the disk, and the write-ahead log, keep it as long as the server does.
    public func expunge() async throws {
        try await writer.run(body: { connection in
            for table in ["contacts", "log_disclosures", "consents"] {
                try connection.command("VACUUM \(table)")
            }
        })
    }

    /// Ends the connections once what is under way is done.
    public func close() async throws {
        for channel in [writer] + readers { await channel.close() }
    }
}

/// A connection and the queue that it stays on.
final class PostgresChannel: @unchecked Sendable {
    // Sendable holds because the connection is used on the queue alone.
    private let conninfo: String
    private let queue: DispatchQueue
    private let prepare: @Sendable (PostgresConnection) throws -> Void
    private var connection: PostgresConnection?
    private var isClosed = false

    init(_ conninfo: String, label: String, prepare: @escaping @Sendable (PostgresConnection) throws -> Void)
    {
        self.conninfo = conninfo
        self.prepare = prepare
        queue = DispatchQueue(label: label)
    }

    /// - Parameter begin: what comes before anything is asked. That a connection was lost while nobody used it is found out by it; it is
    ///   then begun once more on a new one.
    func run<Result: Sendable>(
        begin: @escaping @Sendable (PostgresConnection) throws -> Void = { _ in },
        body: @escaping @Sendable (PostgresConnection) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try self.attempt(begin, body) }) }
        }
    }

    private func attempt<Result>(
        _ begin: (PostgresConnection) throws -> Void, _ body: (PostgresConnection) throws -> Result
    ) throws -> Result {
        let known = try connected()
        do { try begin(known) } catch {
            if known.isAlive {
                _ = try? known.command("ROLLBACK")
                throw error
            }
            let new = try connected()
            try begin(new)
            return try body(new)
        }
        return try body(known)
    }

    /// The connection, made anew if it was lost. What was lost in the middle of a transaction is not tried again here: only its
    /// caller knows whether that is safe.
    private func connected() throws -> PostgresConnection {
        guard !isClosed else { throw StoreError.unavailable("closed") }
        if let connection, connection.isAlive { return connection }
        connection = nil
        let new = try PostgresConnection(conninfo)
        try prepare(new)
        connection = new
        return new
    }

    func close() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.isClosed = true
                self.connection = nil
                continuation.resume()
            }
        }
    }
}

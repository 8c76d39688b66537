// The store that several processes share: one PostgreSQL database, transactions of all of them in one line.

public import ContactModel
public import ContactVault

/// A `VaultStore` in one PostgreSQL database.
///
/// Guarantee: transactions of all processes that have it open are serial, because each begins with a lock on
/// the head of the log; a committed one survives loss of power as far as the server's disk tells the truth
/// about its sync (`synchronous_commit`, `fsync` and `full_page_writes` are checked in each session).
/// Statements are constant text; values go beside them, in binary.
///
/// One writing session and ``readers`` reading ones. A session that is lost is made anew at the next
/// transaction.
public final class PostgresStore: VaultStore {
    /// How many snapshots are read at the same time.
    public static let readers = 4

    private let address: String
    private let writer: PostgresLane
    private let reading: PostgresReaders
    private let clock: (@Sendable () -> Timestamp)?

    private init(address: String, writer: PostgresLane, clock: (@Sendable () -> Timestamp)?) {
        self.address = address
        self.writer = writer
        self.clock = clock
        reading = PostgresReaders(address, count: Self.readers)
    }

    /// Opens the store and brings its schema up to date.
    /// - Parameters:
    ///   - address: a connection string or URI of libpq. A password belongs into libpq's password file or a
    ///     client certificate, not in here; `sslmode=verify-full` belongs in here wherever the server is on
    ///     another machine.
    ///   - create: whether the tables are made in a database that has none.
    ///   - clock: the clock of its transactions; `nil` for the server's, so that processes on several
    ///     machines go by one.
    /// - Throws: ``StoreError/missing`` if there are no tables, ``StoreError/newerVersion(_:)``,
    ///   ``StoreError/unavailable(_:)``.
    public static func open(
        _ address: String, create: Bool = false, clock: (@Sendable () -> Timestamp)? = nil
    ) async throws -> PostgresStore {
        let writer = PostgresLane(address, role: .writer)
        do {
            try await writer.run { try PostgresSchema.bringUpToDate($0, create: create) }
        } catch {
            await writer.close()
            throw error
        }
        return PostgresStore(address: address, writer: writer, clock: clock)
    }

    /// One transaction on the one writing session, durable when it returns; see ``VaultStore``.
    /// - Throws: what `body` throws; ``StoreError/unavailable(_:)``, `commit_unknown` if the connection was
    ///   lost during the commit, or if a synchronous standby did not answer in time: then it may have been
    ///   written.
    public func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Result
    ) async throws -> Result {
        let clock = clock
        return try await writer.transaction { connection, time in
            try body(PostgresTransaction(connection: connection, now: clock?() ?? time))
        }
    }

    /// One snapshot on one of the reading sessions, beside the writer.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Result
    ) async throws -> Result {
        let clock = clock
        return try await reading.snapshot { connection, time in
            try body(PostgresTransaction(connection: connection, now: clock?() ?? time))
        }
    }

    /// How many steps the schema has.
    public var schema: Int { PostgresSchema.steps.count }

    /// Copies of a PostgreSQL database are the business of `pg_dump` and of its archive of changes.
    /// - Throws: ``StoreError/unavailable(_:)``, always: `snapshot_not_supported`.
    public func snapshot(to path: String) async throws -> any VaultStore {
        throw StoreError.unavailable("snapshot_not_supported")
    }

    /// Frees the place of deleted contacts and disclosures, in tables and indexes, so that no statement reads
    /// them and new rows come to lie there. What a page still holds between its rows, the server's log of
    /// changes, its archive and its replicas are the operator's: PostgreSQL overwrites nothing at once.
    public func expunge() async throws {
        // A session of its own: the writer does not wait for it.
        let lane = PostgresLane(address, role: .maintenance)
        do {
            try await lane.run { try $0.command("VACUUM (INDEX_CLEANUP ON) contacts, log_disclosures") }
        } catch {
            await lane.close()
            throw error
        }
        await lane.close()
    }

    /// Waits for what is under way and ends the sessions.
    public func close() async throws {
        await reading.close()
        await writer.close()
    }

    /// Other processes may have it open.
    public var isShared: Bool { true }
}

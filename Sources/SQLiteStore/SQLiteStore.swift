// The embedded store: one SQLite file in WAL mode, one writer, every commit synced.

public import ContactModel
public import ContactVault
import Foundation
import GRDB

/// A `VaultStore` in one SQLite file.
///
/// Guarantee: one process at a time (an advisory lock beside the file); `synchronous=FULL`, so a committed transaction
/// survives loss of power as far as the disk tells the truth about its sync.
public final class SQLiteStore: VaultStore {
    private let pool: DatabasePool
    private let lock: FileLock?
    private let steps: Set<String>
    private let clock: @Sendable () -> Timestamp

    private init(
        pool: DatabasePool, lock: FileLock?,
        steps: Set<String> = SQLiteSchema.steps,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.pool = pool
        self.lock = lock
        self.steps = steps
        self.clock = clock
    }

    /// Opens the store, brings its schema up to date and takes its lock.
    /// - Parameters:
    ///   - path: the file; its folder must exist.
    ///   - create: whether a missing file is made.
    ///   - clock: the clock of its transactions.
    /// - Throws: ``StoreError/missing``, ``StoreError/locked`` when another process holds it,
    ///   ``StoreError/newerVersion(_:)``, ``StoreError/unavailable(_:)``.
    public static func open(
        path: String, create: Bool = false,
        clock: @escaping @Sendable () -> Timestamp = SQLiteStore.systemClock
    ) throws -> SQLiteStore {
        guard create || FileManager.default.fileExists(atPath: path) else { throw StoreError.missing }
        let lock = try FileLock(path: path + ".lock")
        do {
            // The file is made by us, with its final mode, before SQLite opens it: there is no moment at which
            // others could read it. WAL and shared memory files take the mode of the database.
            if create { try FileLock.createPrivateFile(path) }
            let pool = try DatabasePool(path: path, configuration: configuration())
            try pool.read { database in
                if try SQLiteSchema.migrator.hasBeenSuperseded(database) {
                    throw StoreError.newerVersion(
                        try SQLiteSchema.migrator.appliedIdentifiers(database).count)
                }
            }
            try requireSyncedCommits(pool)
            try SQLiteSchema.migrator.migrate(pool)
            return SQLiteStore(pool: pool, lock: lock, clock: clock)
        } catch {
            throw Self.translate(error)
        }
    }

    /// Opens the store for reading beside the process that holds it, such as a check of the log.
    /// - Throws: ``StoreError/missing``, ``StoreError/newerVersion(_:)``, ``StoreError/unavailable(_:)``. Transactions
    ///   throw ``StoreError/locked``.
    public static func openForReading(
        path: String, clock: @escaping @Sendable () -> Timestamp = SQLiteStore.systemClock
    ) throws -> SQLiteStore {
        guard FileManager.default.fileExists(atPath: path) else { throw StoreError.missing }
        do {
            var configuration = configuration()
            configuration.readonly = true
            let pool = try DatabasePool(path: path, configuration: configuration)
            let steps = try pool.read { database in
                let steps = try SQLiteSchema.migrator.appliedIdentifiers(database)
                if try SQLiteSchema.migrator.hasBeenSuperseded(database) {
                    throw StoreError.newerVersion(steps.count)
                }
                return steps
            }
            return SQLiteStore(pool: pool, lock: nil, steps: Set(steps), clock: clock)
        } catch {
            throw Self.translate(error)
        }
    }

    /// Takes a store's lock without opening it, so that nobody does meanwhile, whatever state it is in.
    /// - Returns: what releases the lock; it goes with the process too.
    /// - Throws: ``StoreError/locked`` when another process holds it; ``StoreError/unavailable(_:)``.
    public static func lock(path: String) throws -> @Sendable () -> Void {
        let lock = try FileLock(path: path + ".lock")
        return { lock.release() }
    }

    /// The clock of the system, UTC.
    public static let systemClock: @Sendable () -> Timestamp = { Timestamp(Date()) }

    /// One transaction on the single writer, synced when it returns; see ``VaultStore``.
    /// - Throws: what `body` throws; ``StoreError/locked`` if this was opened for reading.
    public func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Result
    ) async throws -> Result {
        guard lock != nil else { throw StoreError.locked }
        do {
            let clock = clock
            return try await pool.writeWithoutTransaction { database in
                var result: Result?
                try database.inTransaction(.immediate) {
                    result = try body(SQLiteTransaction(database: database, now: clock()))
                    return .commit
                }
                guard let result else { throw StoreError.unavailable("transaction_without_result") }
                return result
            }
        } catch {
            throw Self.translate(error)
        }
    }

    /// One snapshot on one of four readers, beside the writer.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Result
    ) async throws -> Result {
        do {
            let (clock, steps) = (clock, steps)
            return try await pool.read { database in
                try body(SQLiteTransaction(database: database, now: clock(), steps: steps))
            }
        } catch {
            throw Self.translate(error)
        }
    }

    /// How many steps the schema has.
    public var schema: Int { steps.count }

    /// Copies what is committed at one moment, without what was freed, beside the writer; see ``VaultStore``.
    public func snapshot(to path: String) async throws -> any VaultStore {
        do {
            try FileLock.createPrivateFile(path, isNew: true)
            // SQLite fills an empty file with `VACUUM INTO`, on one snapshot, and leaves no log of changes beside it.
            try await pool.unsafeRead { database in
                try database.execute(sql: "VACUUM INTO ?", arguments: [path])
            }
            try FileLock.sync(path)
            return try Self.openForReading(path: path, clock: clock)
        } catch {
            throw Self.translate(error)
        }
    }

    /// Checks pages, indexes and rows as SQLite sees them.
    /// - Throws: ``StoreError/corrupt(_:)``.
    public func checkIntegrity() async throws {
        do {
            let answer = try await pool.read { database in
                try String.fetchAll(database, sql: "PRAGMA integrity_check(1)")
            }
            guard answer == ["ok"] else { throw StoreError.corrupt("file") }
        } catch {
            throw Self.translate(error)
        }
    }

    /// The lock beside the file keeps other processes out.
    public var isShared: Bool { false }

    /// Writes the log of changes into the file, where deleted content is overwritten, and empties it.
    public func expunge() async throws {
        do {
            try await pool.writeWithoutTransaction { database in _ = try database.checkpoint(.truncate) }
        } catch {
            throw Self.translate(error)
        }
    }

    /// Waits for what is under way, checkpoints the write-ahead log and releases the lock.
    public func close() async throws {
        // The whole vault in one file again, so that a copy of it is a copy of the vault.
        if lock != nil {
            try? await pool.writeWithoutTransaction { database in _ = try database.checkpoint(.truncate) }
        }
        do { try pool.close() } catch { throw Self.translate(error) }
        lock?.release()
    }

    private static func configuration() -> Configuration {
        var configuration = Configuration()
        configuration.label = "contact-vault"
        configuration.maximumReaderCount = 4
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA trusted_schema = OFF")
            // Freed pages are overwritten, so that an erased record does not linger in the file.
            try database.execute(sql: "PRAGMA secure_delete = ON")
            try database.execute(sql: "PRAGMA cache_size = -65536")
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 4000")
        }
        return configuration
    }

    /// FULL syncs the write-ahead log at every commit: an entry that was reported durable is. Set after the pool was
    /// made and read back, because opening a pool sets NORMAL on its writer, which syncs no commit at all.
    private static func requireSyncedCommits(_ pool: DatabasePool) throws {
        try pool.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2,
                try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal"
            else { throw StoreError.unavailable("commits_are_not_synced") }
        }
    }

    /// SQLite's errors as the store's; others pass through. Never carries SQL or arguments.
    private static func translate(_ error: any Error) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return StoreError.corrupt("file")
        case .SQLITE_CONSTRAINT: return StoreError.conflict
        case .SQLITE_FULL: return StoreError.unavailable("disk_full")
        case .SQLITE_READONLY: return StoreError.unavailable("read_only")
        case .SQLITE_CANTOPEN: return StoreError.unavailable("cannot_open")
        case .SQLITE_BUSY, .SQLITE_LOCKED: return StoreError.unavailable("busy")
        case .SQLITE_IOERR: return StoreError.unavailable("input_output")
        default: return StoreError.unavailable("sqlite_\(error.resultCode.rawValue)")
        }
    }
}

// One session of PostgreSQL through libpq: its settings, its statements, and the edges of its transactions.

import CLibPQ
import ContactModel
import ContactVault

/// A session.
///
/// libpq lets one thread at a time use a connection: whoever holds this calls it from one serial queue
/// (``PostgresLane``).
@safe final class PostgresConnection {
    /// What a session is for.
    enum Role: Sendable {
        /// Transactions that write.
        case writer
        /// Snapshots.
        case reader
        /// Work that takes as long as it takes, outside transactions.
        case maintenance
    }

    private let pointer: OpaquePointer
    /// How many notices the server sent: libpq counts here.
    private let notices: UnsafeMutablePointer<Int32>
    private let role: Role
    /// Names of prepared statements, by their text. They belong to the session, and go with it.
    private var statements: [String: String] = [:]
    /// How many statements were run: what a batch costs, apart from preparing each statement once.
    private(set) var statementsRun = 0
    /// Whether the session has to be made anew before it is used again.
    private var isStale = false

    /// Connects.
    /// - Parameter address: a connection string or URI of libpq.
    /// - Throws: ``StoreError/unavailable(_:)``.
    init(_ address: String, role: Role) throws {
        guard !address.utf8.contains(0) else { throw StoreError.unavailable("connection") }
        let notices = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        unsafe notices.initialize(to: 0)
        guard let pointer = unsafe contact_vault_pg_connect(address, notices) else {
            unsafe notices.deallocate()
            throw StoreError.unavailable("connection")
        }
        unsafe self.pointer = pointer
        unsafe self.notices = notices
        self.role = role
        guard isConnected else { throw StoreError.unavailable("connection") }
        try configure()
    }

    deinit {
        unsafe PQfinish(pointer)
        unsafe notices.deallocate()
    }

    private var isConnected: Bool { unsafe PQstatus(pointer) == CONNECTION_OK }

    // MARK: Session

    /// Makes the session anew on the same address.
    private func reset() throws {
        statements.removeAll()
        isStale = true
        unsafe PQreset(pointer)
        guard isConnected else { throw StoreError.unavailable("connection") }
        try configure()
        isStale = false
    }

    /// Nothing waits for ever: not a statement, not a lock that another instance holds, and no transaction
    /// stays open when its body hangs. The compiler of queries costs more than these queries.
    private func configure() throws {
        try command(
            """
            SET statement_timeout = '60s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s';
            SET client_min_messages = warning; SET jit = off
            """)
        switch role {
        case .writer: try requireSyncedCommits()
        case .reader: try command("SET default_transaction_read_only = on")
        case .maintenance: try command("SET statement_timeout = 0")
        }
    }

    /// An entry that was reported durable is: commits are synced, and the server does not only say so. What
    /// is stronger than `on` stays.
    private func requireSyncedCommits() throws {
        _ = try first(
            """
            SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
            """
        ) { _ in }
        let settings = try first(
            """
            SELECT current_setting('synchronous_commit'), current_setting('fsync'),
                current_setting('full_page_writes'), current_setting('server_encoding')
            """
        ) { row in (0..<4).map { try? row.text($0) } }
        guard let settings, settings[0] == "on" || settings[0] == "remote_apply", settings[1] == "on",
            settings[2] == "on"
        else { throw StoreError.unavailable("commits_are_not_synced") }
        guard settings[3] == "UTF8" else { throw StoreError.unavailable("encoding_is_not_utf8") }
    }

    // MARK: Transactions

    /// Begins a transaction, or a snapshot if this session is a reader's. A connection that is lost is made
    /// anew, once: nothing has been done by then.
    /// - Returns: the moment by the server's clock, for a writer read when it was alone.
    func begin() throws -> Timestamp {
        if isStale || !isConnected {
            try reset()
            return try beginOnce()
        }
        do { return try beginOnce() } catch {
            guard !isConnected else { throw error }
            try reset()
            return try beginOnce()
        }
    }

    private func beginOnce() throws -> Timestamp {
        // Writers of all instances stand in line for the head of the log, so that transactions are serial
        // though each statement sees what is committed by then. The clock is read by a statement after the
        // one that waited.
        let result =
            switch role {
            case .reader:
                unsafe PQexec(
                    pointer,
                    """
                    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM log_head WHERE id = 1
                    """)
            default:
                unsafe PQexec(
                    pointer,
                    """
                    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
                    SELECT id FROM log_head WHERE id = 1 FOR UPDATE;
                    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM log_head WHERE id = 1
                    """)
            }
        defer { unsafe PQclear(result) }
        guard unsafe PQresultStatus(result) == PGRES_TUPLES_OK else { throw unsafe failure(result) }
        guard unsafe PQntuples(result) == 1, let text = unsafe PQgetvalue(result, 0, 0),
            let milliseconds = Int64(unsafe String(cString: text)),
            RowReader.milliseconds.contains(milliseconds)
        else { throw StoreError.corrupt("log_head") }
        return Timestamp(milliseconds: milliseconds)
    }

    /// Commits.
    /// - Throws: ``StoreError/unavailable(_:)``: `commit_unknown` if the connection was lost, and with it the
    ///   answer, or if a synchronous standby was not waited for to the end.
    func commit() throws {
        unsafe notices.pointee = 0
        let result = unsafe PQexec(pointer, "COMMIT")
        defer { unsafe PQclear(result) }
        guard unsafe PQresultStatus(result) == PGRES_COMMAND_OK else {
            guard isConnected else { throw StoreError.unavailable("commit_unknown") }
            throw unsafe failure(result)
        }
        // The server answers COMMIT with ROLLBACK, and without an error, where a statement had failed before.
        guard let tag = unsafe PQcmdStatus(result), unsafe String(cString: tag) == "COMMIT" else {
            throw StoreError.unavailable("transaction_aborted")
        }
        // All that the server says where it stops to wait for a standby that has to have the transaction: a
        // warning.
        guard unsafe notices.pointee == 0 else { throw StoreError.unavailable("commit_unknown") }
    }

    /// Leaves a transaction, or a snapshot, without writing anything.
    func rollback() {
        let result = unsafe PQexec(pointer, "ROLLBACK")
        unsafe PQclear(result)
        if unsafe PQtransactionStatus(pointer) != PQTRANS_IDLE { isStale = true }
    }

    // MARK: Statements

    /// Runs commands that are written in this target and have no arguments.
    func command(_ sql: StaticString) throws {
        let result = unsafe sql.utf8Start.withMemoryRebound(
            to: CChar.self, capacity: sql.utf8CodeUnitCount + 1
        ) {
            unsafe PQexec(pointer, $0)
        }
        defer { unsafe PQclear(result) }
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return
        default: throw unsafe failure(result)
        }
    }

    /// Runs a statement; how many rows it changed.
    @discardableResult
    func run(_ sql: String, _ arguments: [Argument]) throws -> Int {
        try unsafe withResult(of: sql, arguments) { result in
            guard let count = unsafe PQcmdTuples(result) else { return 0 }
            return Int(unsafe String(cString: count)) ?? 0
        }
    }

    /// Runs a statement and reads its first row, if there is one.
    func first<Value>(
        _ sql: String, _ arguments: [Argument] = [], read: (RowReader) throws -> Value
    ) throws -> Value? {
        try unsafe withResult(of: sql, arguments) { result in
            unsafe PQntuples(result) > 0 ? try read(unsafe RowReader(result, row: 0)) : nil
        }
    }

    /// Runs a statement and reads every row.
    func all<Value>(
        _ sql: String, _ arguments: [Argument] = [], read: (RowReader) throws -> Value
    ) throws -> [Value] {
        try unsafe withResult(of: sql, arguments) { result in
            let count = unsafe PQntuples(result)
            var values: [Value] = []
            values.reserveCapacity(Int(count))
            for row in 0..<count { values.append(try read(unsafe RowReader(result, row: row))) }
            return values
        }
    }

    private func withResult<Value>(
        of sql: String, _ arguments: [Argument], _ body: (OpaquePointer) throws -> Value
    ) throws -> Value {
        let name = try prepared(sql, arguments)
        let encoded = EncodedArguments(arguments)
        statementsRun += 1
        let answer = unsafe encoded.withPointers { values, lengths, formats in
            // In binary both ways: nothing is quoted, and nothing is read as text that is none.
            unsafe PQexecPrepared(pointer, name, Int32(arguments.count), values, lengths, formats, 1)
        }
        guard let result = unsafe answer else { throw unsafe failure(nil) }
        defer { unsafe PQclear(result) }
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return try unsafe body(result)
        default: throw unsafe failure(result)
        }
    }

    /// The name of a statement, prepared on its first use in the session.
    private func prepared(_ sql: String, _ arguments: [Argument]) throws -> String {
        if let name = statements[sql] { return name }
        let name = "s\(statements.count)"
        let types = arguments.map(\.type)
        let result = unsafe PQprepare(pointer, name, sql, Int32(types.count), types)
        defer { unsafe PQclear(result) }
        guard unsafe PQresultStatus(result) == PGRES_COMMAND_OK else { throw unsafe failure(result) }
        statements[sql] = name
        return name
    }

    /// What went wrong, as a code. The server's message would quote statements and values: it stays here.
    private func failure(_ result: OpaquePointer?) -> StoreError {
        guard let state = unsafe contact_vault_pg_sqlstate(result).map({ unsafe String(cString: $0) }) else {
            return .unavailable("connection")
        }
        // A statement that was prepared for tables that have changed since, or that somebody between us and
        // the server has forgotten, fails for ever in this session.
        if state == "0A000" || state == "26000" { isStale = true }
        let error = StoreError(sqlState: state)
        if !isConnected, error == .unavailable("postgres_\(state)") { return .unavailable("connection") }
        return error
    }
}

extension StoreError {
    /// The error for a SQLSTATE (PostgreSQL 15, appendix A).
    init(sqlState: String) {
        self =
            switch sqlState {
            // Integrity constraints, and the triggers that keep the log.
            case _ where sqlState.hasPrefix("23"): .conflict
            // Serialisation failure, deadlock, lock not available.
            case "40001", "40P01", "55P03": .unavailable("busy")
            case "53100": .unavailable("disk_full")
            case "25006": .unavailable("read_only")
            // Connection exceptions; shutdown, crash, not yet up, dropped database; a session that was idle
            // for too long.
            case _ where sqlState.hasPrefix("08") || sqlState.hasPrefix("57P") || sqlState == "25P03":
                .unavailable("connection")
            case _ where sqlState.utf8.count == 5: .unavailable("postgres_\(sqlState)")
            default: .unavailable("connection")
            }
    }
}

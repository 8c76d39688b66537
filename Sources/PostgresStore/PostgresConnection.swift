// One connection to PostgreSQL: prepared statements, bound parameters, binary values both ways.

import CLibPQ
import ContactModel
import ContactVault
import StrictEncoding

/// A bound parameter. Text and bytes never become part of a statement.
enum PostgresArgument {
    case null
    case integer(Int64)
    case text(String)
    case bytes([UInt8])
    case integers([Int64?])
    case texts([String?])
    case byteStrings([[UInt8]?])

    static func time(_ time: Timestamp) -> PostgresArgument { .integer(time.milliseconds) }
    static func time(_ time: Timestamp?) -> PostgresArgument {
        time.map { .integer($0.milliseconds) } ?? .null
    }
    static func bytesIfPresent(_ bytes: [UInt8]?) -> PostgresArgument { bytes.map { .bytes($0) } ?? .null }
    static func textIfPresent(_ text: String?) -> PostgresArgument { text.map { .text($0) } ?? .null }

    /// In PostgreSQL's binary format; `nil` for null.
    var encoded: [UInt8]? {
        switch self {
        case .null: nil
        case .integer(let value): Self.encode(value)
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        case .integers(let values): Self.array(20, values.map { $0.map(Self.encode) })
        case .texts(let values): Self.array(25, values.map { $0.map { Array($0.utf8) } })
        case .byteStrings(let values): Self.array(17, values)
        }
    }

    private static func encode(_ value: Int64) -> [UInt8] { UInt64(bitPattern: value).bigEndianBytes }

    /// One dimension that begins at 1. An empty array has no dimension.
    private static func array(_ type: UInt32, _ elements: [[UInt8]?]) -> [UInt8] {
        let hasNull: UInt32 = elements.contains { $0 == nil } ? 1 : 0
        guard !elements.isEmpty else {
            return UInt32(0).bigEndianBytes + hasNull.bigEndianBytes + type.bigEndianBytes
        }
        var bytes = UInt32(1).bigEndianBytes + hasNull.bigEndianBytes + type.bigEndianBytes
        bytes += UInt32(elements.count).bigEndianBytes + UInt32(1).bigEndianBytes
        for element in elements {
            guard let element else {
                bytes += UInt32.max.bigEndianBytes
                continue
            }
            bytes += UInt32(element.count).bigEndianBytes
            bytes += element
        }
        return bytes
    }
}

/// The answer to one statement.
@safe final class PostgresResult {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe PQclear(pointer) }

    var count: Int { Int(unsafe PQntuples(pointer)) }

    /// What was done, in the server's word.
    var command: String {
        guard let text = unsafe PQcmdStatus(pointer) else { return "" }
        return unsafe String(cString: text)
    }

    /// Rows that the statement changed.
    var changed: Int {
        guard let text = unsafe PQcmdTuples(pointer) else { return 0 }
        return Int(unsafe String(cString: text)) ?? 0
    }

    subscript(row: Int) -> PostgresRow { PostgresRow(result: self, row: Int32(row)) }

    fileprivate func isNull(_ row: Int32, _ column: Int32) -> Bool {
        unsafe PQgetisnull(pointer, row, column) != 0
    }

    fileprivate func bytes(_ row: Int32, _ column: Int32) -> [UInt8] {
        let count = Int(unsafe PQgetlength(pointer, row, column))
        guard count > 0, let base = unsafe PQgetvalue(pointer, row, column) else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
    }
}

/// The columns of a row.
struct PostgresRow: StoredRow {
    fileprivate let result: PostgresResult
    fileprivate let row: Int32

    func isNull(_ column: Int32) -> Bool { result.isNull(row, column) }

    func bytes(_ column: Int32) -> [UInt8] { result.bytes(row, column) }

    /// A `bigint`.
    func integer(_ column: Int32) throws -> Int64 {
        let bytes = bytes(column)
        guard bytes.count == 8 else { throw StoreError.corrupt("number") }
        return Int64(bitPattern: UInt64(bigEndianBytes: bytes))
    }
}

/// A connection. It stays on the queue that made it.
@safe final class PostgresConnection {
    private let pointer: OpaquePointer
    /// How often the server said something beside its answers: libpq counts here.
    private let notices: UnsafeMutablePointer<Int32>
    private var names: [String: String] = [:]

    /// Connects.
    /// - Parameter conninfo: a connection string or URI of libpq.
    /// - Throws: ``StoreError/unavailable(_:)`` with `connection`, or `commits_are_not_synced` if the server does not sync at all.
    init(_ conninfo: String) throws(StoreError) {
        let notices = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        unsafe notices.initialize(to: 0)
        guard !conninfo.utf8.contains(0), let connection = unsafe contact_vault_pg_connect(conninfo, notices)
        else {
            unsafe notices.deallocate()
            throw .unavailable("connection")
        }
        unsafe pointer = connection
        unsafe self.notices = notices
        guard isAlive else { throw .unavailable("connection") }
        try configure()
    }

    deinit {
        unsafe PQfinish(pointer)
        unsafe notices.deallocate()
    }

    /// Nothing waits for ever, and a commit is answered when it is synced. What is stronger than `on` stays; a server that syncs
    /// nothing is refused.
    private func configure() throws(StoreError) {
        for setting in [
            "SET statement_timeout = '30s'", "SET lock_timeout = '10s'",
            "SET idle_in_transaction_session_timeout = '60s'", "SET client_min_messages = warning",
            "SET jit = off",
        ] { try command(setting) }
        let synced = try run(
            """
            SELECT (current_setting('fsync') = 'on')::int::bigint, set_config('synchronous_commit', CASE
                WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
            """, [])
        guard (try? synced[0].integer(0)) == 1 else { throw .unavailable("commits_are_not_synced") }
    }

    /// Commits.
    /// - Throws: ``StoreError/unavailable(_:)`` with `transaction_aborted` if it was rolled back instead; with `commit_unknown` if there was no answer, or a warning beside it: that a standby
    ///   which has to confirm did not.
    func commit() throws(StoreError) {
        let before = unsafe notices.pointee
        let answer: PostgresResult
        do { answer = try unsafe check(PQexec(pointer, "COMMIT")) } catch {
            guard isAlive else { throw .unavailable("commit_unknown") }
            _ = try? command("ROLLBACK")
            throw error
        }
        // Of a transaction in which a statement failed nothing is left, whatever was done about the error, and that is no error.
        guard answer.command == "COMMIT" else { throw .unavailable("transaction_aborted") }
        guard unsafe notices.pointee == before else { throw .unavailable("commit_unknown") }
    }

    /// Whether the server can still be asked.
    var isAlive: Bool { unsafe PQstatus(pointer) == CONNECTION_OK }

    /// Runs statements without parameters, as the schema's steps are.
    func command(_ sql: String) throws(StoreError) {
        _ = try unsafe check(PQexec(pointer, sql))
    }

    /// Runs a statement that is prepared once for each connection.
    @discardableResult
    func run(_ sql: String, _ arguments: [PostgresArgument]) throws(StoreError) -> PostgresResult {
        let name = try prepared(sql)
        let values = arguments.map(\.encoded)
        // An empty value has to have an address: none would be null.
        var bytes: [UInt8] = [0]
        var offsets: [Int?] = []
        for value in values {
            offsets.append(value.map { _ in bytes.count })
            bytes += value ?? []
        }
        let lengths = values.map { Int32($0?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: values.count)
        let result = unsafe bytes.withUnsafeBytes { (all: UnsafeRawBufferPointer) -> OpaquePointer? in
            let base = unsafe all.baseAddress?.assumingMemoryBound(to: CChar.self)
            let pointers: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                unsafe offset.flatMap { unsafe base?.advanced(by: min($0, all.count - 1)) }
            }
            return unsafe PQexecPrepared(
                pointer, name, Int32(values.count), pointers, lengths, formats, 1)
        }
        return try unsafe check(result)
    }

    private func prepared(_ sql: String) throws(StoreError) -> String {
        if let name = names[sql] { return name }
        let name = "s\(names.count)"
        _ = try unsafe check(PQprepare(pointer, name, sql, 0, nil))
        names[sql] = name
        return name
    }

    @discardableResult
    private func check(_ result: OpaquePointer?) throws(StoreError) -> PostgresResult {
        guard let result = unsafe result else { throw .unavailable("connection") }
        let answer = unsafe PostgresResult(result)
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return answer
        default: break
        }
        // PG_DIAG_SQLSTATE. Nothing else of an error is looked at: its text may quote a row.
        guard let state = unsafe PQresultErrorField(result, 67) else { throw .unavailable("connection") }
        throw Self.error(unsafe String(cString: state))
    }

    /// What an SQLSTATE means to the vault (PostgreSQL documentation, appendix A).
    static func error(_ state: String) -> StoreError {
        switch state {
        case _ where state.hasPrefix("23"): .conflict
        case "40001", "40P01", "55P03", "57014": .unavailable("busy")
        case "53100": .unavailable("disk_full")
        case "25006": .unavailable("read_only")
        case _ where state.hasPrefix("08") || state.hasPrefix("57P"): .unavailable("connection")
        default: .unavailable("postgres_\(state)")
        }
    }
}

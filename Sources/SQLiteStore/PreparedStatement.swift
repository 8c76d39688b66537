// The statements of a release, bound and stepped without a value object in between.
//
// A release costs about a dozen of them, all on the one writer. Through GRDB's value types each argument is boxed and each
// row copied; here bytes go from the array to SQLite and back. GRDB still prepares, caches and owns the statement.

import ContactModel
import ContactVault
import GRDB
import GRDBSQLite

/// A cached statement of one connection. Valid on its connection's queue, inside one transaction or snapshot.
@safe struct PreparedStatement {
    private let pointer: OpaquePointer
    private let connection: OpaquePointer?

    init(_ database: Database, _ sql: String) throws {
        unsafe pointer = try database.cachedStatement(sql: sql).sqliteStatement
        unsafe connection = database.sqliteConnection
    }

    /// A value to bind.
    enum Argument {
        case integer(Int64)
        case bytes([UInt8])
        case text(String)
        case null

        /// A moment, or null.
        static func time(_ time: Timestamp?) -> Argument {
            if let time { .integer(time.milliseconds) } else { .null }
        }

        /// Bytes, or null.
        static func bytesIfPresent(_ bytes: [UInt8]?) -> Argument {
            if let bytes { .bytes(bytes) } else { .null }
        }

        /// A text, or null.
        static func textIfPresent(_ text: String?) -> Argument {
            if let text { .text(text) } else { .null }
        }
    }

    /// Runs a statement that gives no rows; how many rows it changed.
    @discardableResult
    func run(_ arguments: Argument...) throws -> Int32 {
        defer { reset() }
        try bind(arguments)
        let code = unsafe sqlite3_step(pointer)
        guard code == SQLITE_DONE else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        return unsafe sqlite3_changes(connection)
    }

    /// Runs a statement that gives at most one row.
    func first<Value>(_ arguments: Argument..., read: (RowReader) throws -> Value) throws -> Value? {
        defer { reset() }
        try bind(arguments)
        return try step() ? try unsafe read(RowReader(pointer)) : nil
    }

    /// Runs a statement and reads every row.
    func all<Value>(_ arguments: Argument..., read: (RowReader) throws -> Value) throws -> [Value] {
        defer { reset() }
        try bind(arguments)
        var values: [Value] = []
        while try step() { values.append(try unsafe read(RowReader(pointer))) }
        return values
    }

    private func step() throws -> Bool {
        switch unsafe sqlite3_step(pointer) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw DatabaseError(resultCode: ResultCode(rawValue: code))
        }
    }

    /// Also forgets what was bound: personal bytes do not stay with the statement.
    private func reset() {
        unsafe sqlite3_reset(pointer)
        unsafe sqlite3_clear_bindings(pointer)
    }

    private func bind(_ arguments: [Argument]) throws {
        // SQLite copies what is bound, so that nothing here has to outlive the call.
        let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        for (offset, argument) in arguments.enumerated() {
            let index = Int32(offset + 1)
            let code: Int32
            switch argument {
            case .integer(let value): code = unsafe sqlite3_bind_int64(pointer, index, value)
            case .null: code = unsafe sqlite3_bind_null(pointer, index)
            case .bytes(let bytes):
                // An empty array has no address, and SQLite would read that as null.
                code =
                    bytes.isEmpty
                    ? unsafe sqlite3_bind_zeroblob(pointer, index, 0)
                    : unsafe sqlite3_bind_blob(pointer, index, bytes, Int32(bytes.count), copied)
            case .text(let text) where text.isEmpty:
                // Nor need an empty text have an address, and null would say something else.
                code = unsafe sqlite3_bind_text(pointer, index, "", 0, copied)
            case .text(var text):
                code = text.withUTF8 { utf8 in
                    unsafe utf8.withMemoryRebound(to: CChar.self) { characters in
                        unsafe sqlite3_bind_text(
                            pointer, index, characters.baseAddress, Int32(characters.count), copied)
                    }
                }
            }
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }
    }
}

/// The columns of the present row.
@safe struct RowReader: StoredRow {
    private let pointer: OpaquePointer

    fileprivate init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(pointer, column) }

    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(pointer, column) == SQLITE_NULL }

    func bytes(_ column: Int32) -> [UInt8] {
        let count = Int(unsafe sqlite3_column_bytes(pointer, column))
        guard count > 0, let base = unsafe sqlite3_column_blob(pointer, column) else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
    }
}

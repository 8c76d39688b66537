// Arguments and columns in PostgreSQL's binary format: 8 bytes big-endian for a bigint, the bytes themselves
// for bytea and text.

import CLibPQ
import ContactModel
import ContactVault

/// A value to bind, with its type: a null has one as well.
enum Argument {
    case integer(Int64?)
    case bytes([UInt8]?)
    case text(String?)
    case integers([Int64?])
    case manyBytes([[UInt8]?])
    case texts([String?])

    /// A moment, or null.
    static func time(_ time: Timestamp?) -> Argument { .integer(time?.milliseconds) }

    /// A list of moments or nulls.
    static func times(_ times: [Timestamp?]) -> Argument { .integers(times.map { $0?.milliseconds }) }

    /// A yes or no: 1 or 0, as in the columns.
    static func flag(_ flag: Bool) -> Argument { .integer(flag ? 1 : 0) }

    /// A count of rows wanted. A negative one is an error to PostgreSQL.
    static func limit(_ limit: Int) -> Argument { .integer(Int64(max(0, limit))) }

    /// The type's object identifier (`pg_type.dat`).
    var type: Oid {
        switch self {
        case .integer: ColumnType.integer
        case .bytes: ColumnType.bytes
        case .text: ColumnType.text
        case .integers: 1016
        case .manyBytes: 1001
        case .texts: 1009
        }
    }
}

/// Object identifiers of the types of columns (`pg_type.dat`); they are the same in every database.
enum ColumnType {
    static let integer: Oid = 20
    static let bytes: Oid = 17
    static let text: Oid = 25
}

/// Arguments as libpq wants them, in one piece of memory.
struct EncodedArguments {
    private var bytes: [UInt8] = []
    /// Where each begins, and how long it is; `nil` for null.
    private var places: [Range<Int>?] = []

    init(_ arguments: [Argument]) {
        for argument in arguments {
            let start = bytes.count
            let isNull =
                switch argument {
                case .integer(let value): append(value)
                case .bytes(let value): append(value)
                case .text(let value): append(value)
                case .integers(let values): appendList(values, of: ColumnType.integer) { $0.append($1) }
                case .manyBytes(let values): appendList(values, of: ColumnType.bytes) { $0.append($1) }
                case .texts(let values): appendList(values, of: ColumnType.text) { $0.append($1) }
                }
            places.append(isNull ? nil : start..<bytes.count)
        }
        // An empty argument has an address too: to libpq none is a null.
        bytes.append(0)
    }

    /// Lends addresses, lengths and formats for one call.
    func withPointers<Result>(
        _ body: (
            UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
        ) throws -> Result
    ) rethrows -> Result {
        let lengths = places.map { Int32(clamping: $0?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: places.count)
        return try unsafe bytes.withUnsafeBytes { buffer in
            let base = unsafe buffer.assumingMemoryBound(to: CChar.self).baseAddress
            let values = unsafe places.map { place in
                unsafe place.flatMap { place in unsafe base.map { unsafe $0 + place.lowerBound } }
            }
            return try unsafe values.withUnsafeBufferPointer { values in
                try unsafe lengths.withUnsafeBufferPointer { lengths in
                    try unsafe formats.withUnsafeBufferPointer { formats in
                        try unsafe body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }

    // MARK: Encoding. Each answers whether it was null, and then appends nothing.

    private mutating func append(_ value: Int64?) -> Bool {
        guard let value else { return true }
        appendInteger(value)
        return false
    }

    private mutating func append(_ value: [UInt8]?) -> Bool {
        guard let value else { return true }
        bytes += value
        return false
    }

    private mutating func append(_ value: String?) -> Bool {
        guard let value else { return true }
        bytes += value.utf8
        return false
    }

    /// An array of one dimension (`array_send`): dimensions, whether there are nulls, element type, length,
    /// lower bound; then each element with its length, -1 for a null.
    private mutating func appendList<Element>(
        _ values: [Element?], of type: Oid, _ append: (inout EncodedArguments, Element?) -> Bool
    ) -> Bool {
        appendInteger(Int32(values.isEmpty ? 0 : 1))
        appendInteger(Int32(values.contains { $0 == nil } ? 1 : 0))
        appendInteger(type)
        guard !values.isEmpty else { return false }
        appendInteger(Int32(clamping: values.count))
        appendInteger(Int32(1))
        for value in values {
            let start = bytes.count
            appendInteger(Int32(-1))
            if append(&self, value) { continue }
            let length = Int32(clamping: bytes.count - start - 4)
            for (offset, shift) in [24, 16, 8, 0].enumerated() {
                bytes[start + offset] = UInt8(truncatingIfNeeded: length >> Int32(shift))
            }
        }
        return false
    }

    private mutating func appendInteger<Integer: FixedWidthInteger>(_ value: Integer) {
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }
}

/// The columns of one row. What is not of the type, or null where nothing may be, is corrupt: whoever writes
/// to the database could end the process if this trapped.
@safe struct RowReader {
    /// The moments that RFC 3339 can write. Arithmetic on others could overflow.
    static let milliseconds: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    private let result: OpaquePointer
    private let row: Int32

    init(_ result: OpaquePointer, row: Int32) {
        unsafe self.result = result
        self.row = row
    }

    func isNull(_ column: Int32) -> Bool { unsafe PQgetisnull(result, row, column) != 0 }

    /// The bytes of a column that is not null. libpq answers a column that there is not with type 0.
    private func value(_ column: Int32, type: Oid) throws -> UnsafeRawBufferPointer {
        guard unsafe PQftype(result, column) == type, !isNull(column),
            let base = unsafe PQgetvalue(result, row, column)
        else { throw StoreError.corrupt("column") }
        return unsafe UnsafeRawBufferPointer(start: base, count: Int(PQgetlength(result, row, column)))
    }

    func integer(_ column: Int32) throws -> Int64 {
        let bytes = try unsafe value(column, type: ColumnType.integer)
        guard bytes.count == 8 else { throw StoreError.corrupt("column") }
        return unsafe Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
    }

    func flag(_ column: Int32) throws -> Bool { try integer(column) != 0 }

    /// An integer that is never negative.
    func number<Number: FixedWidthInteger & UnsignedInteger>(_ column: Int32) throws -> Number {
        guard let number = Number(exactly: try integer(column)) else { throw StoreError.corrupt("number") }
        return number
    }

    func numberIfPresent<Number: FixedWidthInteger & UnsignedInteger>(_ column: Int32) throws -> Number? {
        isNull(column) ? nil : try number(column)
    }

    /// A count, to which one more can be added without a trap.
    func count(_ column: Int32) throws -> Int64 {
        let count = try integer(column)
        guard (0...1 << 53).contains(count) else { throw StoreError.corrupt("number") }
        return count
    }

    func time(_ column: Int32) throws -> Timestamp {
        let milliseconds = try integer(column)
        guard Self.milliseconds.contains(milliseconds) else { throw StoreError.corrupt("time") }
        return Timestamp(milliseconds: milliseconds)
    }

    func timeIfPresent(_ column: Int32) throws -> Timestamp? { isNull(column) ? nil : try time(column) }

    func bytes(_ column: Int32) throws -> [UInt8] {
        unsafe Array(try value(column, type: ColumnType.bytes))
    }

    func bytesIfPresent(_ column: Int32) throws -> [UInt8]? { isNull(column) ? nil : try bytes(column) }

    func text(_ column: Int32) throws -> String {
        unsafe String(decoding: try value(column, type: ColumnType.text), as: UTF8.self)
    }

    func textIfPresent(_ column: Int32) throws -> String? { isNull(column) ? nil : try text(column) }
}

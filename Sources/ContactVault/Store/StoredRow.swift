// What stores have in common: the columns of a row as values, and values of several parts that stand in one column. A row that
// somebody has written to by other means is found corrupt here, and ends no process.

package import ContactModel
import StrictEncoding

/// A row that a store has read. Integers are signed 64 bits, times milliseconds since 1970, all of which may be null.
package protocol StoredRow {
    /// Whether a column is null.
    func isNull(_ column: Int32) -> Bool
    /// An integer column.
    /// - Throws: ``StoreError/corrupt(_:)``.
    func integer(_ column: Int32) throws -> Int64
    /// A column of bytes or of text; none if it is null.
    func bytes(_ column: Int32) -> [UInt8]
}

extension StoredRow {
    /// The moments that RFC 3339 can write. Arithmetic on others could overflow.
    @inlinable package static var milliseconds: ClosedRange<Int64> {
        -62_167_219_200_000...253_402_300_799_999
    }

    /// An integer that is never negative. Whoever writes to the store could end the process if this trapped.
    @inlinable package func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ column: Int32
    ) throws -> Number {
        guard let number = Number(exactly: try integer(column)) else { throw StoreError.corrupt("number") }
        return number
    }

    /// A count, to which one more can be added without a trap.
    @inlinable package func count(_ column: Int32) throws -> Int64 {
        let count = try integer(column)
        guard (0...1 << 53).contains(count) else { throw StoreError.corrupt("number") }
        return count
    }

    /// A moment.
    @inlinable package func time(_ column: Int32) throws -> Timestamp {
        let milliseconds = try integer(column)
        guard Self.milliseconds.contains(milliseconds) else { throw StoreError.corrupt("time") }
        return Timestamp(milliseconds: milliseconds)
    }

    /// A moment, or null.
    @inlinable package func timeIfPresent(_ column: Int32) throws -> Timestamp? {
        isNull(column) ? nil : try time(column)
    }

    /// Bytes, or null.
    @inlinable package func bytesIfPresent(_ column: Int32) -> [UInt8]? {
        isNull(column) ? nil : bytes(column)
    }

    /// A text.
    @inlinable package func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    /// A text, or null.
    @inlinable package func textIfPresent(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
}

extension UInt64 {
    /// As a column holds it. What is beyond the greatest integer of a column is found nowhere, and is no reason to trap.
    package var column: Int64 { Int64(clamping: self) }
}

extension Timestamp {
    /// Whole minutes since 1970, rounded down: before 1970 too a minute begins with its first second.
    package var minutes: Int64 { quotient(60) }
    /// Whole days since 1970, rounded down.
    package var days: Int64 { quotient(86_400) }

    private func quotient(_ divisor: Int64) -> Int64 {
        seconds >= 0 ? seconds / divisor : (seconds - divisor + 1) / divisor
    }
}

extension StoredApproval {
    /// The columns of ``init(_:)``.
    package static let columns =
        "id, kind, operation, payload, contact, requester, requested, expires, approver, used"

    /// Reads a row of ``columns``.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package init(_ row: some StoredRow) throws {
        guard let kind = Kind(rawValue: row.text(1)), let requester = Reference(row.text(5)) else {
            throw StoreError.corrupt("approvals")
        }
        // What does not parse is not the same as nothing: an approval without an approver would wait for one again.
        let contact = try row.bytesIfPresent(4).map { bytes in
            guard let id = ContactID(bytes: bytes) else { throw StoreError.corrupt("approvals") }
            return id
        }
        let approver = try row.textIfPresent(8).map { text in
            guard let name = Reference(text) else { throw StoreError.corrupt("approvals") }
            return name
        }
        self.init(
            id: row.bytes(0), kind: kind, operation: row.bytes(2), payload: row.bytes(3), contact: contact,
            requester: requester, requested: try row.time(6), expires: try row.time(7), approver: approver,
            used: try row.timeIfPresent(9))
    }
}

extension StoredReview {
    /// The columns of ``init(_:)``.
    package static let columns = "release, purpose, client, opened, due, alerted, closed, finding"

    /// Reads a row of ``columns``.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package init(_ row: some StoredRow) throws {
        guard let release = ReleaseID(bytes: row.bytes(0)), let purpose = Purpose(row.text(1)),
            let client = Reference(row.text(2))
        else { throw StoreError.corrupt("reviews") }
        self.init(
            release: release, purpose: purpose, client: client, opened: try row.time(3), due: try row.time(4),
            alerted: try row.timeIfPresent(5), closed: try row.timeIfPresent(6), finding: row.textIfPresent(7)
        )
    }
}

extension StoredKeyJob {
    /// The columns of ``init(_:)``.
    package static let columns = """
        id, kind, version, is_dry_run, rate, requester, created, total, state, cursor, examined, changed, unreadable, resumed, \
        examined_before, updated
        """

    /// Reads a row of ``columns``.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package init(_ row: some StoredRow) throws {
        guard let kind = Kind(rawValue: row.text(1)), let requester = Reference(row.text(5)),
            let state = State(rawValue: row.text(8))
        else { throw StoreError.corrupt("key_jobs") }
        self.init(
            id: row.bytes(0), kind: kind, version: try row.number(2), isDryRun: try row.integer(3) != 0,
            rate: row.isNull(4) ? nil : try row.number(4), requester: requester, created: try row.time(6),
            total: try row.number(7))
        self.state = state
        cursor = row.bytes(9)
        examined = try row.number(10)
        changed = try row.number(11)
        unreadable = try row.number(12)
        resumed = try row.time(13)
        examinedBefore = try row.number(14)
        updated = try row.time(15)
    }
}

extension StoredRelease {
    /// The columns of ``init(_:from:)``.
    package static let columns = """
        id, time, number, contact, case_reference, reference, actor, client, purpose, form, is_approach, outcome_due, outcome, \
        outcome_time, number_version
        """

    /// Reads a row of ``columns``.
    /// - Parameter first: the place of the first of them.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package init(_ row: some StoredRow, from first: Int32 = 0) throws {
        guard let id = ReleaseID(bytes: row.bytes(first)),
            let contact = ContactID(bytes: row.bytes(first + 3)),
            let client = Reference(row.text(first + 7)), let purpose = Purpose(row.text(first + 8)),
            let form = ReleaseForm(rawValue: row.text(first + 9))
        else { throw StoreError.corrupt("releases") }
        let outcome = try row.textIfPresent(first + 12).map { text in
            guard let known = ReleaseOutcome(rawValue: text) else { throw StoreError.corrupt("releases") }
            return known
        }
        self.init(
            id: id, time: try row.time(first + 1), number: row.bytes(first + 2),
            numberVersion: try row.number(first + 14), contact: contact, caseReference: row.bytes(first + 4),
            reference: row.bytesIfPresent(first + 5), actor: row.bytes(first + 6), client: client,
            purpose: purpose, form: form, isApproach: try row.integer(first + 10) != 0,
            outcomeDue: try row.timeIfPresent(first + 11), outcome: outcome,
            outcomeTime: try row.timeIfPresent(first + 13))
    }
}

extension Entrustment {
    /// The columns of ``init(_:)``.
    package static let columns = "id, entrusted_from, entrusted_until, bounds"

    /// Reads a row of ``columns``.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package init(_ row: some StoredRow) throws {
        guard let agency = Reference(row.text(0)),
            let bounds = (try? JSONValue.parse(row.bytes(3)))?.objectValue,
            let roles = bounds["roles"]?.words({ Role(rawValue: $0) }),
            let purposes = bounds["purposes"]?.words({ Purpose($0) }),
            let portfolios = bounds["portfolios"]?.words({ Reference($0) }),
            let entrustment = Entrustment(
                agency: agency, from: try row.time(1), until: try row.timeIfPresent(2), roles: roles,
                purposes: purposes, portfolios: portfolios)
        else { throw StoreError.corrupt("agencies") }
        self = entrustment
    }

    /// Roles, purposes and portfolios, as the column `bounds` has them.
    package var bounds: [UInt8] {
        func list(_ words: [String]) -> JSONValue { .array(words.sorted().map { .string($0) }) }
        return JSONValue.object(
            JSONObject([
                ("roles", list(roles.map(\.rawValue))), ("purposes", list(purposes.map(\.text))),
                ("portfolios", list(portfolios.map(\.text))),
            ])
        ).canonicalBytes
    }
}

extension JSONValue {
    /// A list of words of one vocabulary; `nil` if it is not.
    fileprivate func words<Word: Hashable>(_ read: (String) -> Word?) -> Set<Word>? {
        guard let values = arrayValue else { return nil }
        let words = values.compactMap { $0.stringValue.flatMap(read) }
        return words.count == values.count ? Set(words) : nil
    }
}

extension StoredConsent {
    /// The recipients, as their column has them: names with a space between them, `nil` for every agency.
    package var recipientsColumn: String? { recipients?.map(\.text).sorted().joined(separator: " ") }

    /// Reads the column of recipients. A list of which a part does not parse is corrupt, not shorter.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package static func recipients(column text: String) throws -> Set<Reference> {
        guard !text.isEmpty else { return [] }
        return Set(
            try text.split(separator: " ", omittingEmptySubsequences: false).map { name in
                guard let name = Reference(String(name)) else { throw StoreError.corrupt("consents") }
                return name
            })
    }
}

extension StoredBackup {
    /// What the copy needs, as its column has it: canonical JSON, `nil` while it is being made.
    package var needsColumn: String? {
        needs.map { needs in
            JSONValue.array(
                needs.map { need in
                    .array([
                        .string(need.name), .integer(Int64(need.id)), .integer(Int64(need.version)),
                        .integer(need.count.column),
                    ])
                }
            ).canonicalText
        }
    }

    /// Reads the column of needs. One that does not parse is corrupt: it must not look like a copy that needs nothing.
    /// - Throws: ``StoreError/corrupt(_:)``.
    package static func needs(column text: String) throws -> [StoredKeyNeed] {
        guard let list = (try? JSONValue.parse(Array(text.utf8)))?.arrayValue else {
            throw StoreError.corrupt("backups")
        }
        return try list.map { need in
            guard let need = need.arrayValue, need.count == 4, let name = need[0].stringValue,
                let id = need[1].integerValue.flatMap({ UInt32(exactly: $0) }),
                let version = need[2].integerValue.flatMap({ UInt32(exactly: $0) }),
                let count = need[3].integerValue.flatMap({ UInt64(exactly: $0) })
            else { throw StoreError.corrupt("backups") }
            return StoredKeyNeed(name: name, id: id, version: version, count: count)
        }
    }
}

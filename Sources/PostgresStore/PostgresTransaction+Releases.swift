// What was released, what came of it, and what is counted. Much of it is read with every request, so that
// each statement finds its rows in an index and reads no others.

import ContactModel
import ContactVault

extension PostgresTransaction {
    // MARK: Releases

    private static let releaseColumns = """
        id, time, number, contact, case_reference, reference, actor, client, purpose, form, is_approach,
        outcome_due, outcome, outcome_time, number_version
        """

    /// A release whose columns begin at one of the row's.
    private static func storedRelease(_ row: RowReader, from first: Int32) throws -> StoredRelease {
        guard let id = ReleaseID(bytes: try row.bytes(first)),
            let contact = ContactID(bytes: try row.bytes(first + 3)),
            let client = Reference(try row.text(first + 7)), let purpose = Purpose(try row.text(first + 8)),
            let form = ReleaseForm(rawValue: try row.text(first + 9))
        else { throw StoreError.corrupt("releases") }
        let outcome = try row.textIfPresent(first + 12).map { text in
            guard let known = ReleaseOutcome(rawValue: text) else { throw StoreError.corrupt("releases") }
            return known
        }
        return StoredRelease(
            id: id, time: try row.time(first + 1), number: try row.bytes(first + 2),
            numberVersion: try row.number(first + 14), contact: contact,
            caseReference: try row.bytes(first + 4), reference: try row.bytesIfPresent(first + 5),
            actor: try row.bytes(first + 6), client: client, purpose: purpose, form: form,
            isApproach: try row.flag(first + 10), outcomeDue: try row.timeIfPresent(first + 11),
            outcome: outcome, outcomeTime: try row.timeIfPresent(first + 13))
    }

    func releases(_ ids: [ReleaseID]) throws -> [ReleaseID: StoredRelease] {
        guard !ids.isEmpty else { return [:] }
        let rows = try connection.all(
            "SELECT \(Self.releaseColumns) FROM releases WHERE id = ANY ($1)",
            [.manyBytes(Set(ids).map(\.bytes))]
        ) { try Self.storedRelease($0, from: 0) }
        return Dictionary(rows.map { ($0.id, $0) }) { first, _ in first }
    }

    func releaseHistory(_ keys: [HistoryKey: Timestamp]) throws -> [HistoryKey: [StoredRelease]] {
        var (numbers, cases, references): ([[UInt8]: Timestamp], [[UInt8]: Timestamp], [[UInt8]: Timestamp]) =
            ([:], [:], [:])
        for (key, since) in keys {
            switch key {
            case .number(let value): numbers[value] = since
            case .caseReference(let value): cases[value] = since
            case .reference(let value): references[value] = since
            }
        }
        var found: [HistoryKey: [StoredRelease]] = [:]
        for (key, list) in try history(numbers, by: "number") { found[.number(key)] = list }
        for (key, list) in try history(cases, by: "case_reference") { found[.caseReference(key)] = list }
        for (key, list) in try history(references, by: "reference") { found[.reference(key)] = list }
        return found
    }

    /// Releases by one of three columns, each from its own moment on.
    private func history(
        _ keys: [[UInt8]: Timestamp], by column: String
    ) throws -> [[UInt8]: [StoredRelease]] {
        try findLists(
            keys.keys,
            """
            SELECT place, \(Self.releaseColumns)
            FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS asked (value, moment, place)
            JOIN releases ON \(column) = value AND time >= moment ORDER BY time, ordinal
            """, { values in [.manyBytes(values), .times(values.map { keys[$0] })] }
        ) { row, _ in try Self.storedRelease(row, from: 1) }
    }

    func insertReleases(_ releases: [StoredRelease]) throws {
        guard !releases.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO releases (\(Self.releaseColumns))
            SELECT \(Self.releaseColumns) FROM unnest(
                $1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[],
                $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[],
                $15::bigint[]
            ) WITH ORDINALITY AS put (\(Self.releaseColumns), place) ORDER BY place
            """,
            [
                .manyBytes(releases.map(\.id.bytes)), .times(releases.map(\.time)),
                .manyBytes(releases.map(\.number)), .manyBytes(releases.map(\.contact.bytes)),
                .manyBytes(releases.map(\.caseReference)), .manyBytes(releases.map(\.reference)),
                .manyBytes(releases.map(\.actor)), .texts(releases.map(\.client.text)),
                .texts(releases.map(\.purpose.text)), .texts(releases.map(\.form.rawValue)),
                .integers(releases.map { $0.isApproach ? 1 : 0 }), .times(releases.map(\.outcomeDue)),
                .texts(releases.map(\.outcome?.rawValue)), .times(releases.map(\.outcomeTime)),
                .integers(releases.map { Int64($0.numberVersion) }),
            ])
    }

    // MARK: Outcomes

    func putOutcome(_ outcome: ReleaseOutcome, at time: Timestamp, of release: ReleaseID) throws {
        let changed = try connection.run(
            "UPDATE releases SET outcome = $1, outcome_time = $2 WHERE id = $3",
            [.text(outcome.rawValue), .time(time), .bytes(release.bytes)])
        guard changed == 1 else { throw StoreError.conflict }
    }

    func poorOutcomes(
        of actors: [[UInt8]], since: Timestamp, now: Timestamp, limit: Int64
    ) throws -> [[UInt8]: Int64] {
        let poor = ReleaseOutcome.allCases.filter(\.isPoor).map(\.rawValue)
        return try find(
            actors,
            """
            SELECT number, (
                SELECT count(*) FROM (
                    SELECT 1 FROM releases
                    WHERE actor = asked.actor AND outcome IS NOT NULL AND outcome = ANY ($5) AND outcome_time >= $2
                    UNION ALL
                    SELECT 1 FROM releases
                    WHERE actor = asked.actor AND outcome IS NULL AND outcome_due IS NOT NULL
                        AND outcome_due >= $2 AND outcome_due <= $3
                    LIMIT $4
                ) AS counted
            ) FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (actor, number)
            """, { [.manyBytes($0), .time(since), .time(now), .integer(max(0, limit)), .texts(poor)] }
        ) { row, _ in try row.integer(1) }
    }

    func overdueReleases(before: Timestamp, limit: Int) throws -> [StoredRelease] {
        try connection.all(
            """
            SELECT \(Self.releaseColumns) FROM releases
            WHERE outcome IS NULL AND outcome_due IS NOT NULL AND outcome_due + 0 < $1
            ORDER BY outcome_due + 0, ordinal LIMIT $2
            """, [.time(before), .limit(limit)]
        ) { try Self.storedRelease($0, from: 0) }
    }

    // MARK: Counts

    func requestCounts(_ keys: [RequestCountKey]) throws -> [RequestCountKey: Int64] {
        try find(
            keys,
            """
            SELECT number, count
            FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY
                AS asked (minute, client, purpose, number)
            JOIN request_counts USING (minute, client, purpose)
            """,
            { keys in
                [
                    .integers(keys.map(\.minute)), .texts(keys.map(\.client.text)),
                    .texts(keys.map(\.purpose)),
                ]
            }
        ) { row, _ in try row.count(1) }
    }

    func putRequestCounts(_ counts: [RequestCountKey: Int64]) throws {
        guard !counts.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO request_counts (minute, client, purpose, count)
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
            ON CONFLICT (minute, client, purpose) DO UPDATE SET count = excluded.count
            """,
            [
                .integers(counts.map(\.key.minute)), .texts(counts.map(\.key.client.text)),
                .texts(counts.map(\.key.purpose)), .integers(counts.map(\.value)),
            ])
    }

    func distinctNumbers(_ keys: [DistinctNumberKey]) throws -> [DistinctNumberKey: DistinctNumbers] {
        var found = try find(
            keys,
            """
            SELECT place, count, CASE WHEN EXISTS (
                SELECT 1 FROM distinct_numbers AS one
                WHERE one.day = asked.day AND one.subject = asked.subject AND one.number = asked.number
            ) THEN 1::bigint ELSE 0::bigint END
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) WITH ORDINALITY
                AS asked (day, subject, number, place)
            JOIN distinct_counts USING (day, subject)
            """,
            { keys in
                [
                    .integers(keys.map(\.day)), .manyBytes(keys.map(\.subject)),
                    .manyBytes(keys.map(\.number)),
                ]
            }
        ) { row, _ in DistinctNumbers(count: try row.count(1), includesNumber: try row.flag(2)) }
        for key in keys where found[key] == nil {
            found[key] = DistinctNumbers(count: 0, includesNumber: false)
        }
        return found
    }

    func addDistinctNumbers(_ keys: [DistinctNumberKey]) throws {
        guard !keys.isEmpty else { return }
        try connection.run(
            """
            WITH added AS (
                INSERT INTO distinct_numbers (day, subject, number)
                SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])
                ON CONFLICT (day, subject, number) DO NOTHING RETURNING day, subject
            )
            INSERT INTO distinct_counts AS counted (day, subject, count)
            SELECT day, subject, count(*) FROM added GROUP BY day, subject
            ON CONFLICT (day, subject) DO UPDATE SET count = counted.count + excluded.count
            """,
            [
                .integers(keys.map(\.day)), .manyBytes(keys.map(\.subject)), .manyBytes(keys.map(\.number)),
            ])
    }

    /// Forgets counts of minutes that ended before a moment, and numbers of days long over. A calendar may be
    /// up to fourteen hours beside UTC, so the two days before are kept.
    func purgeCounts(before: Timestamp) throws {
        let minute = Self.quotient(before.seconds, 60)
        let day = Self.quotient(before.seconds, 86_400)
        try connection.run("DELETE FROM request_counts WHERE minute < $1", [.integer(minute)])
        for table in ["distinct_numbers", "distinct_counts"] {
            try connection.run("DELETE FROM \(table) WHERE day < $1", [.integer(day - 2)])
        }
    }

    /// A quotient rounded down: before 1970 too a minute begins with its first second.
    private static func quotient(_ seconds: Int64, _ divisor: Int64) -> Int64 {
        seconds >= 0 ? seconds / divisor : (seconds - divisor + 1) / divisor
    }
}

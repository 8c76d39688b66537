// What was released, what came of it, and what is counted; second persons' approvals and the reviews of emergencies.

import ContactModel
import ContactVault

extension PostgresTransaction {
    // MARK: Releases

    func releases(_ ids: [ReleaseID]) throws -> [ReleaseID: StoredRelease] {
        guard !ids.isEmpty else { return [:] }
        let found = try all(
            "SELECT \(StoredRelease.columns) FROM releases WHERE id = ANY ($1::bytea[])",
            .byteStrings(ids.map(\.bytes))
        ) { try StoredRelease($0) }
        return Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
    }

    func releaseHistory(_ keys: [HistoryKey: Timestamp]) throws -> [HistoryKey: [StoredRelease]] {
        var places: [String: [(key: HistoryKey, value: [UInt8], since: Timestamp)]] = [:]
        for (key, since) in keys {
            switch key {
            case .number(let value): places["number", default: []].append((key, value, since))
            case .caseReference(let value): places["case_reference", default: []].append((key, value, since))
            case .reference(let value): places["reference", default: []].append((key, value, since))
            }
        }
        var found: [HistoryKey: [StoredRelease]] = [:]
        for (column, wanted) in places {
            let releases = try lists(
                """
                SELECT k.key_place, \(StoredRelease.columns)
                FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS k (key, since, key_place)
                JOIN releases r ON r.\(column) = k.key AND r.time >= k.since ORDER BY k.key_place, r.time, r.place
                """, wanted.map(\.key), .byteStrings(wanted.map(\.value)),
                .integers(wanted.map { $0.since.milliseconds })
            ) { try StoredRelease($0, from: 1) }
            found.merge(releases) { first, _ in first }
        }
        return found
    }

    func insertReleases(_ releases: [StoredRelease]) throws {
        guard !releases.isEmpty else { return }
        try run(
            """
            INSERT INTO releases (\(StoredRelease.columns)) SELECT * FROM unnest(
                $1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::text[],
                $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::bigint[])
            """,
            .byteStrings(releases.map { $0.id.bytes }), .integers(releases.map { $0.time.milliseconds }),
            .byteStrings(releases.map { $0.number }), .byteStrings(releases.map { $0.contact.bytes }),
            .byteStrings(releases.map { $0.caseReference }), .byteStrings(releases.map { $0.reference }),
            .byteStrings(releases.map { $0.actor }), .texts(releases.map { $0.client.text }),
            .texts(releases.map { $0.purpose.text }), .texts(releases.map { $0.form.rawValue }),
            .integers(releases.map { $0.isApproach ? 1 : 0 }),
            .integers(releases.map { $0.outcomeDue?.milliseconds }),
            .texts(releases.map { $0.outcome?.rawValue }),
            .integers(releases.map { $0.outcomeTime?.milliseconds }),
            .integers(releases.map { Int64($0.numberVersion) }))
    }

    // MARK: Outcomes

    func putOutcome(_ outcome: ReleaseOutcome, at time: Timestamp, of release: ReleaseID) throws {
        let changed = try run(
            "UPDATE releases SET outcome = $1, outcome_time = $2 WHERE id = $3", .text(outcome.rawValue),
            .time(time),
            .bytes(release.bytes))
        guard changed == 1 else { throw StoreError.conflict }
    }

    func poorOutcomes(
        of actors: [[UInt8]], since: Timestamp, now: Timestamp, limit: Int64
    ) throws -> [[UInt8]: Int64] {
        let actors = Array(Set(actors))
        return try dictionary(
            """
            SELECT k.place, (
                SELECT count(*) FROM (
                    SELECT 1 FROM releases
                    WHERE actor = k.actor AND outcome IS NOT NULL AND outcome = ANY ($2::text[]) AND outcome_time >= $3
                    UNION ALL
                    SELECT 1 FROM releases
                    WHERE actor = k.actor AND outcome IS NULL AND outcome_due IS NOT NULL AND outcome_due >= $3
                        AND outcome_due <= $4
                    LIMIT $5
                ) AS poor
            ) FROM unnest($1::bytea[]) WITH ORDINALITY AS k (actor, place)
            """, actors, .byteStrings(actors),
            .texts(ReleaseOutcome.allCases.filter(\.isPoor).map(\.rawValue)), .time(since), .time(now),
            .integer(max(0, limit))
        ) { try $0.integer(1) }
    }

    func overdueReleases(before: Timestamp, limit: Int) throws -> [StoredRelease] {
        try all(
            """
            SELECT \(StoredRelease.columns) FROM releases
            WHERE outcome IS NULL AND outcome_due IS NOT NULL AND outcome_due < $1
            ORDER BY outcome_due, place LIMIT $2
            """, .time(before), .integer(Int64(max(0, limit)))
        ) { try StoredRelease($0) }
    }

    // MARK: Counts

    func requestCounts(_ keys: [RequestCountKey]) throws -> [RequestCountKey: Int64] {
        try dictionary(
            """
            SELECT k.place, c.count
            FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS k (minute, client, purpose, place)
            JOIN request_counts c ON c.minute = k.minute AND c.client = k.client AND c.purpose = k.purpose
            """, keys, .integers(keys.map { $0.minute }), .texts(keys.map { $0.client.text }),
            .texts(keys.map { $0.purpose })
        ) { try $0.count(1) }
    }

    func putRequestCounts(_ counts: [RequestCountKey: Int64]) throws {
        guard !counts.isEmpty else { return }
        let rows = Array(counts)
        try run(
            """
            INSERT INTO request_counts SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
            ON CONFLICT (minute, client, purpose) DO UPDATE SET count = excluded.count
            """,
            .integers(rows.map { $0.key.minute }), .texts(rows.map { $0.key.client.text }),
            .texts(rows.map { $0.key.purpose }), .integers(rows.map(\.value)))
    }

    func distinctNumbers(_ keys: [DistinctNumberKey]) throws -> [DistinctNumberKey: DistinctNumbers] {
        try dictionary(
            """
            SELECT k.place, COALESCE(c.count, 0), (n.number IS NOT NULL)::int::bigint
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS k (day, subject, number, place)
            LEFT JOIN distinct_counts c ON c.day = k.day AND c.subject = k.subject
            LEFT JOIN distinct_numbers n ON n.day = k.day AND n.subject = k.subject AND n.number = k.number
            """, keys, .integers(keys.map { $0.day }), .byteStrings(keys.map { $0.subject }),
            .byteStrings(keys.map { $0.number })
        ) { DistinctNumbers(count: try $0.count(1), includesNumber: try $0.integer(2) != 0) }
    }

    func addDistinctNumbers(_ keys: [DistinctNumberKey]) throws {
        guard !keys.isEmpty else { return }
        try run(
            """
            WITH added AS (
                INSERT INTO distinct_numbers SELECT DISTINCT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])
                ON CONFLICT DO NOTHING RETURNING day, subject
            )
            INSERT INTO distinct_counts SELECT day, subject, count(*) FROM added GROUP BY day, subject
            ON CONFLICT (day, subject) DO UPDATE SET count = distinct_counts.count + excluded.count
            """,
            .integers(keys.map { $0.day }), .byteStrings(keys.map { $0.subject }),
            .byteStrings(keys.map { $0.number }))
    }

    /// Forgets counts of minutes that ended before a moment, and numbers of days long over. A calendar may be up to
    /// fourteen hours beside UTC, so the two days before are kept.
    func purgeCounts(before: Timestamp) throws {
        try run("DELETE FROM request_counts WHERE minute < $1", .integer(before.minutes))
        for table in ["distinct_numbers", "distinct_counts"] {
            try run("DELETE FROM \(table) WHERE day < $1", .integer(before.days - 2))
        }
    }

    // MARK: Approvals

    func approvals(of operations: [[UInt8]]) throws -> [[UInt8]: [StoredApproval]] {
        guard !operations.isEmpty else { return [:] }
        let found = try all(
            """
            SELECT \(StoredApproval.columns) FROM approvals
            WHERE operation = ANY ($1::bytea[]) AND used IS NULL ORDER BY requested DESC, place DESC
            """, .byteStrings(operations), read: { try StoredApproval($0) })
        return Dictionary(grouping: found, by: \.operation)
    }

    func usedApprovals(of operation: [UInt8]) throws -> [StoredApproval] {
        try all(
            """
            SELECT \(StoredApproval.columns) FROM approvals
            WHERE operation = $1 AND used IS NOT NULL ORDER BY requested DESC, place DESC
            """, .bytes(operation), read: { try StoredApproval($0) })
    }

    func approval(_ id: [UInt8]) throws -> StoredApproval? {
        try first(
            "SELECT \(StoredApproval.columns) FROM approvals WHERE id = $1", .bytes(id),
            read: { try StoredApproval($0) })
    }

    func pendingApprovals(at now: Timestamp) throws -> [StoredApproval] {
        try all(
            """
            SELECT \(StoredApproval.columns) FROM approvals
            WHERE approver IS NULL AND used IS NULL AND expires > $1 ORDER BY requested, place
            """, .time(now), read: { try StoredApproval($0) })
    }

    func putApprovals(_ approvals: [StoredApproval]) throws {
        for approval in approvals {
            try run(
                """
                INSERT INTO approvals (\(StoredApproval.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, operation = excluded.operation,
                    payload = excluded.payload, contact = excluded.contact, requester = excluded.requester,
                    requested = excluded.requested, expires = excluded.expires, approver = excluded.approver,
                    used = excluded.used
                """,
                .bytes(approval.id), .text(approval.kind.rawValue), .bytes(approval.operation),
                .bytes(approval.payload), .bytesIfPresent(approval.contact?.bytes),
                .text(approval.requester.text),
                .time(approval.requested), .time(approval.expires), .textIfPresent(approval.approver?.text),
                .time(approval.used))
        }
    }

    // MARK: Reviews

    func reviews(openOnly: Bool) throws -> [StoredReview] {
        try all(
            """
            SELECT \(StoredReview.columns) FROM reviews
            \(openOnly ? "WHERE closed IS NULL" : "") ORDER BY opened, place
            """
        ) { try StoredReview($0) }
    }

    func putReviews(_ reviews: [StoredReview]) throws {
        for review in reviews {
            try run(
                """
                INSERT INTO reviews (\(StoredReview.columns))
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (release) DO UPDATE SET purpose = excluded.purpose, client = excluded.client,
                    opened = excluded.opened, due = excluded.due, alerted = excluded.alerted, closed = excluded.closed,
                    finding = excluded.finding
                """,
                .bytes(review.release.bytes), .text(review.purpose.text), .text(review.client.text),
                .time(review.opened), .time(review.due), .time(review.alerted), .time(review.closed),
                .textIfPresent(review.finding))
        }
    }
}

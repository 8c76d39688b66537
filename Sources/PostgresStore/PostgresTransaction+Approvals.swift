// Second persons' approvals, and the reviews of emergencies.

import ContactModel
import ContactVault

extension PostgresTransaction {
    // MARK: Approvals

    private static let approvalColumns =
        "id, kind, operation, payload, contact, requester, requested, expires, approver, used"

    private static func storedApproval(_ row: RowReader) throws -> StoredApproval {
        guard let kind = StoredApproval.Kind(rawValue: try row.text(1)),
            let requester = Reference(try row.text(5))
        else {
            throw StoreError.corrupt("approvals")
        }
        // What does not parse is not the same as nothing: an approval without an approver would wait for one
        // again.
        let contact = try row.bytesIfPresent(4).map { bytes in
            guard let id = ContactID(bytes: bytes) else { throw StoreError.corrupt("approvals") }
            return id
        }
        let approver = try row.textIfPresent(8).map { text in
            guard let name = Reference(text) else { throw StoreError.corrupt("approvals") }
            return name
        }
        return StoredApproval(
            id: try row.bytes(0), kind: kind, operation: try row.bytes(2), payload: try row.bytes(3),
            contact: contact, requester: requester, requested: try row.time(6), expires: try row.time(7),
            approver: approver, used: try row.timeIfPresent(9))
    }

    func approvals(of operations: [[UInt8]]) throws -> [[UInt8]: [StoredApproval]] {
        guard !operations.isEmpty else { return [:] }
        let approvals = try connection.all(
            """
            SELECT \(Self.approvalColumns) FROM approvals
            WHERE operation = ANY ($1) AND used IS NULL ORDER BY requested DESC, ordinal DESC
            """, [.manyBytes(Array(Set(operations)))], read: Self.storedApproval)
        return Dictionary(grouping: approvals, by: \.operation)
    }

    func usedApprovals(of operation: [UInt8]) throws -> [StoredApproval] {
        try connection.all(
            """
            SELECT \(Self.approvalColumns) FROM approvals
            WHERE operation = $1 AND used IS NOT NULL ORDER BY requested DESC, ordinal DESC
            """, [.bytes(operation)], read: Self.storedApproval)
    }

    func approval(_ id: [UInt8]) throws -> StoredApproval? {
        try connection.first(
            "SELECT \(Self.approvalColumns) FROM approvals WHERE id = $1", [.bytes(id)],
            read: Self.storedApproval)
    }

    func pendingApprovals(at now: Timestamp) throws -> [StoredApproval] {
        try connection.all(
            """
            SELECT \(Self.approvalColumns) FROM approvals
            WHERE approver IS NULL AND used IS NULL AND expires > $1 ORDER BY requested, ordinal
            """, [.time(now)], read: Self.storedApproval)
    }

    func putApprovals(_ approvals: [StoredApproval]) throws {
        guard !approvals.isEmpty else { return }
        let approvals = approvals.lastOfEach(\.id)
        try connection.run(
            """
            INSERT INTO approvals (\(Self.approvalColumns))
            SELECT \(Self.approvalColumns) FROM unnest(
                $1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::bigint[],
                $8::bigint[], $9::text[], $10::bigint[]
            ) WITH ORDINALITY AS put (\(Self.approvalColumns), place) ORDER BY place
            ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, operation = excluded.operation,
                payload = excluded.payload, contact = excluded.contact, requester = excluded.requester,
                requested = excluded.requested, expires = excluded.expires, approver = excluded.approver,
                used = excluded.used
            """,
            [
                .manyBytes(approvals.map(\.id)), .texts(approvals.map(\.kind.rawValue)),
                .manyBytes(approvals.map(\.operation)), .manyBytes(approvals.map(\.payload)),
                .manyBytes(approvals.map(\.contact?.bytes)), .texts(approvals.map(\.requester.text)),
                .times(approvals.map(\.requested)), .times(approvals.map(\.expires)),
                .texts(approvals.map(\.approver?.text)), .times(approvals.map(\.used)),
            ])
    }

    // MARK: Reviews

    func reviews(openOnly: Bool) throws -> [StoredReview] {
        try connection.all(
            """
            SELECT release, purpose, client, opened, due, alerted, closed, finding FROM reviews
            \(openOnly ? "WHERE closed IS NULL" : "") ORDER BY opened, ordinal
            """
        ) { row in
            guard let release = ReleaseID(bytes: try row.bytes(0)), let purpose = Purpose(try row.text(1)),
                let client = Reference(try row.text(2))
            else { throw StoreError.corrupt("reviews") }
            return StoredReview(
                release: release, purpose: purpose, client: client, opened: try row.time(3),
                due: try row.time(4), alerted: try row.timeIfPresent(5), closed: try row.timeIfPresent(6),
                finding: try row.textIfPresent(7))
        }
    }

    func putReviews(_ reviews: [StoredReview]) throws {
        guard !reviews.isEmpty else { return }
        let reviews = reviews.lastOfEach(\.release)
        try connection.run(
            """
            INSERT INTO reviews (release, purpose, client, opened, due, alerted, closed, finding)
            SELECT release, purpose, client, opened, due, alerted, closed, finding FROM unnest(
                $1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[]
            ) WITH ORDINALITY AS put (release, purpose, client, opened, due, alerted, closed, finding, place)
            ORDER BY place
            ON CONFLICT (release) DO UPDATE SET purpose = excluded.purpose, client = excluded.client,
                opened = excluded.opened, due = excluded.due, alerted = excluded.alerted,
                closed = excluded.closed, finding = excluded.finding
            """,
            [
                .manyBytes(reviews.map(\.release.bytes)), .texts(reviews.map(\.purpose.text)),
                .texts(reviews.map(\.client.text)), .times(reviews.map(\.opened)),
                .times(reviews.map(\.due)), .times(reviews.map(\.alerted)), .times(reviews.map(\.closed)),
                .texts(reviews.map(\.finding)),
            ])
    }
}

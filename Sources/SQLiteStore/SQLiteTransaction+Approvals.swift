// Second persons' approvals, and the reviews of emergencies.

import ContactModel
import ContactVault

extension SQLiteTransaction {
    // MARK: Approvals

    private static let approvalColumns =
        "id, kind, operation, payload, contact, requester, requested, expires, approver, used"

    private static func storedApproval(_ row: RowReader) throws -> StoredApproval {
        guard let kind = StoredApproval.Kind(rawValue: row.text(1)), let requester = Reference(row.text(5))
        else {
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
        return StoredApproval(
            id: row.bytes(0), kind: kind, operation: row.bytes(2), payload: row.bytes(3), contact: contact,
            requester: requester, requested: try row.time(6), expires: try row.time(7), approver: approver,
            used: try row.timeIfPresent(9))
    }

    func approvals(of operations: [[UInt8]]) throws -> [[UInt8]: [StoredApproval]] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT \(Self.approvalColumns) FROM approvals
            WHERE operation = ? AND used IS NULL ORDER BY requested DESC, rowid DESC
            """)
        var found: [[UInt8]: [StoredApproval]] = [:]
        for operation in operations where found[operation] == nil {
            let approvals = try statement.all(.bytes(operation), read: Self.storedApproval)
            if !approvals.isEmpty { found[operation] = approvals }
        }
        return found
    }

    func usedApprovals(of operation: [UInt8]) throws -> [StoredApproval] {
        try PreparedStatement(
            database,
            """
            SELECT \(Self.approvalColumns) FROM approvals
            WHERE operation = ? AND used IS NOT NULL ORDER BY requested DESC, rowid DESC
            """
        ).all(.bytes(operation), read: Self.storedApproval)
    }

    func approval(_ id: [UInt8]) throws -> StoredApproval? {
        try PreparedStatement(database, "SELECT \(Self.approvalColumns) FROM approvals WHERE id = ?")
            .first(.bytes(id), read: Self.storedApproval)
    }

    func pendingApprovals(at now: Timestamp) throws -> [StoredApproval] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT \(Self.approvalColumns) FROM approvals
            WHERE approver IS NULL AND used IS NULL AND expires > ? ORDER BY requested, rowid
            """)
        return try statement.all(.time(now), read: Self.storedApproval)
    }

    func putApprovals(_ approvals: [StoredApproval]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO approvals (\(Self.approvalColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, operation = excluded.operation,
                payload = excluded.payload, contact = excluded.contact, requester = excluded.requester,
                requested = excluded.requested, expires = excluded.expires, approver = excluded.approver,
                used = excluded.used
            """)
        for approval in approvals {
            try statement.run(
                .bytes(approval.id), .text(approval.kind.rawValue), .bytes(approval.operation),
                .bytes(approval.payload), .bytesIfPresent(approval.contact?.bytes),
                .text(approval.requester.text), .time(approval.requested), .time(approval.expires),
                .textIfPresent(approval.approver?.text), .time(approval.used))
        }
    }

    // MARK: Reviews

    func reviews(openOnly: Bool) throws -> [StoredReview] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT release, purpose, client, opened, due, alerted, closed, finding FROM reviews
            \(openOnly ? "WHERE closed IS NULL" : "") ORDER BY opened, rowid
            """)
        return try statement.all { row in
            guard let release = ReleaseID(bytes: row.bytes(0)), let purpose = Purpose(row.text(1)),
                let client = Reference(row.text(2))
            else { throw StoreError.corrupt("reviews") }
            return StoredReview(
                release: release, purpose: purpose, client: client, opened: try row.time(3),
                due: try row.time(4), alerted: try row.timeIfPresent(5), closed: try row.timeIfPresent(6),
                finding: row.textIfPresent(7))
        }
    }

    func putReviews(_ reviews: [StoredReview]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO reviews (release, purpose, client, opened, due, alerted, closed, finding)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (release) DO UPDATE SET purpose = excluded.purpose, client = excluded.client,
                opened = excluded.opened, due = excluded.due, alerted = excluded.alerted,
                closed = excluded.closed, finding = excluded.finding
            """)
        for review in reviews {
            try statement.run(
                .bytes(review.release.bytes), .text(review.purpose.text), .text(review.client.text),
                .time(review.opened), .time(review.due), .time(review.alerted), .time(review.closed),
                .textIfPresent(review.finding))
        }
    }
}

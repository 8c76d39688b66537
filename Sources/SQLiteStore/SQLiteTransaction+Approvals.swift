// Second persons' approvals, and the reviews of emergencies.

import ContactModel
import ContactVault

extension SQLiteTransaction {
    // MARK: Approvals

    func approvals(of operations: [[UInt8]]) throws -> [[UInt8]: [StoredApproval]] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT \(StoredApproval.columns) FROM approvals
            WHERE operation = ? AND used IS NULL ORDER BY requested DESC, rowid DESC
            """)
        var found: [[UInt8]: [StoredApproval]] = [:]
        for operation in operations where found[operation] == nil {
            let approvals = try statement.all(.bytes(operation), read: { try StoredApproval($0) })
            if !approvals.isEmpty { found[operation] = approvals }
        }
        return found
    }

    func usedApprovals(of operation: [UInt8]) throws -> [StoredApproval] {
        try PreparedStatement(
            database,
            """
            SELECT \(StoredApproval.columns) FROM approvals
            WHERE operation = ? AND used IS NOT NULL ORDER BY requested DESC, rowid DESC
            """
        ).all(.bytes(operation), read: { try StoredApproval($0) })
    }

    func approval(_ id: [UInt8]) throws -> StoredApproval? {
        try PreparedStatement(database, "SELECT \(StoredApproval.columns) FROM approvals WHERE id = ?")
            .first(.bytes(id), read: { try StoredApproval($0) })
    }

    func pendingApprovals(at now: Timestamp) throws -> [StoredApproval] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT \(StoredApproval.columns) FROM approvals
            WHERE approver IS NULL AND used IS NULL AND expires > ? ORDER BY requested, rowid
            """)
        return try statement.all(.time(now), read: { try StoredApproval($0) })
    }

    func putApprovals(_ approvals: [StoredApproval]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO approvals (\(StoredApproval.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
            SELECT \(StoredReview.columns) FROM reviews
            \(openOnly ? "WHERE closed IS NULL" : "") ORDER BY opened, rowid
            """)
        return try statement.all { try StoredReview($0) }
    }

    func putReviews(_ reviews: [StoredReview]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO reviews (\(StoredReview.columns))
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

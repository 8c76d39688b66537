// What was released, what came of it, and what is counted. Much of it is read with every request, so that each statement
// finds its rows in an index and reads no others.

import ContactModel
import ContactVault

extension SQLiteTransaction {
    // MARK: What contacts said

    func authorisations(of contacts: [ContactID]) throws -> [ContactID: StoredAuthorisation] {
        let statement = try PreparedStatement(
            database, "SELECT evidence, given, expires, withdrawn FROM authorisations WHERE contact = ?")
        var found: [ContactID: StoredAuthorisation] = [:]
        for contact in contacts where found[contact] == nil {
            found[contact] = try statement.first(.bytes(contact.bytes)) { row in
                StoredAuthorisation(
                    contact: contact, evidence: row.bytes(0), given: try row.time(1),
                    expires: try row.timeIfPresent(2), withdrawn: try row.timeIfPresent(3))
            }
        }
        return found
    }

    func putAuthorisation(_ authorisation: StoredAuthorisation) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO authorisations (contact, evidence, given, expires, withdrawn) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (contact) DO UPDATE SET evidence = excluded.evidence, given = excluded.given,
                expires = excluded.expires, withdrawn = excluded.withdrawn
            """)
        try statement.run(
            .bytes(authorisation.contact.bytes), .bytes(authorisation.evidence), .time(authorisation.given),
            .time(authorisation.expires), .time(authorisation.withdrawn))
    }

    func contactReferences(
        _ keys: [ContactReferenceKey]
    ) throws -> [ContactReferenceKey: StoredContactReference] {
        let statement = try PreparedStatement(
            database, "SELECT kind, recorded FROM contact_references WHERE contact = ? AND reference = ?")
        var found: [ContactReferenceKey: StoredContactReference] = [:]
        for key in keys where found[key] == nil {
            found[key] = try statement.first(.bytes(key.contact.bytes), .text(key.reference.text)) { row in
                guard let kind = ReferenceKind(rawValue: row.text(0)) else {
                    throw StoreError.corrupt("contact_references")
                }
                return StoredContactReference(kind: kind, recorded: try row.time(1))
            }
        }
        return found
    }

    func insertContactReferences(_ references: [ContactReferenceKey: StoredContactReference]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO contact_references (contact, reference, kind, recorded) VALUES (?, ?, ?, ?)
            ON CONFLICT (contact, reference) DO NOTHING
            """)
        for (key, reference) in references {
            try statement.run(
                .bytes(key.contact.bytes), .text(key.reference.text), .text(reference.kind.rawValue),
                .time(reference.recorded))
        }
    }

    func suppressions(_ numbers: [[UInt8]]) throws -> [[UInt8]: StoredSuppression] {
        let statement = try PreparedStatement(
            database, "SELECT index_version, since, latest FROM suppressions WHERE number = ?")
        var found: [[UInt8]: StoredSuppression] = [:]
        for number in numbers where found[number] == nil {
            found[number] = try statement.first(.bytes(number)) { row in
                StoredSuppression(
                    number: number, indexVersion: try row.number(0), since: try row.time(1),
                    latest: try row.time(2))
            }
        }
        return found
    }

    func suppressions(after: [UInt8]?, limit: Int) throws -> [StoredSuppression] {
        try PreparedStatement(
            database,
            "SELECT number, index_version, since, latest FROM suppressions WHERE number > ? ORDER BY number LIMIT ?"
        ).all(.bytes(after ?? []), .integer(Int64(limit))) { row in
            StoredSuppression(
                number: row.bytes(0), indexVersion: try row.number(1), since: try row.time(2),
                latest: try row.time(3))
        }
    }

    func putSuppressions(_ suppressions: [StoredSuppression]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO suppressions (number, index_version, since, latest) VALUES (?, ?, ?, ?)
            ON CONFLICT (number) DO UPDATE SET index_version = excluded.index_version, since = excluded.since,
                latest = excluded.latest
            """)
        for suppression in suppressions {
            try statement.run(
                .bytes(suppression.number), .integer(Int64(suppression.indexVersion)),
                .time(suppression.since), .time(suppression.latest))
        }
    }

    func removeSuppression(_ number: [UInt8]) throws {
        try PreparedStatement(database, "DELETE FROM suppressions WHERE number = ?").run(.bytes(number))
    }

    func contacts(withNumbers numbers: [[UInt8]]) throws -> [ContactID] {
        let statement = try PreparedStatement(database, "SELECT id FROM contacts WHERE phone_index = ?")
        var found: [ContactID] = []
        for number in Set(numbers) {
            found += try statement.all(.bytes(number)) { row in
                guard let id = ContactID(bytes: row.bytes(0)) else { throw StoreError.corrupt("contacts") }
                return id
            }
        }
        return found
    }

    // MARK: Releases

    func releases(_ ids: [ReleaseID]) throws -> [ReleaseID: StoredRelease] {
        let statement = try PreparedStatement(
            database, "SELECT \(StoredRelease.columns) FROM releases WHERE id = ?")
        var found: [ReleaseID: StoredRelease] = [:]
        for id in ids where found[id] == nil {
            found[id] = try statement.first(.bytes(id.bytes), read: { try StoredRelease($0) })
        }
        return found
    }

    func releaseHistory(_ keys: [HistoryKey: Timestamp]) throws -> [HistoryKey: [StoredRelease]] {
        let number = try history(by: "number")
        let caseReference = try history(by: "case_reference")
        let reference = try history(by: "reference")
        var found: [HistoryKey: [StoredRelease]] = [:]
        for (key, since) in keys {
            let releases: [StoredRelease]
            switch key {
            case .number(let value):
                releases = try number.all(.bytes(value), .time(since), read: { try StoredRelease($0) })
            case .caseReference(let value):
                releases = try caseReference.all(.bytes(value), .time(since), read: { try StoredRelease($0) })
            case .reference(let value):
                releases = try reference.all(.bytes(value), .time(since), read: { try StoredRelease($0) })
            }
            if !releases.isEmpty { found[key] = releases }
        }
        return found
    }

    private func history(by column: String) throws -> PreparedStatement {
        try PreparedStatement(
            database,
            """
            SELECT \(StoredRelease.columns) FROM releases
            WHERE \(column) = ? AND time >= ? ORDER BY time, rowid
            """)
    }

    func insertReleases(_ releases: [StoredRelease]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO releases (\(StoredRelease.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        for release in releases {
            try statement.run(
                .bytes(release.id.bytes), .time(release.time), .bytes(release.number),
                .bytes(release.contact.bytes), .bytes(release.caseReference),
                .bytesIfPresent(release.reference), .bytes(release.actor), .text(release.client.text),
                .text(release.purpose.text), .text(release.form.rawValue),
                .integer(release.isApproach ? 1 : 0), .time(release.outcomeDue),
                .textIfPresent(release.outcome?.rawValue), .time(release.outcomeTime),
                .integer(Int64(release.numberVersion)))
        }
    }

    // MARK: Outcomes

    func putOutcome(_ outcome: ReleaseOutcome, at time: Timestamp, of release: ReleaseID) throws {
        let statement = try PreparedStatement(
            database, "UPDATE releases SET outcome = ?, outcome_time = ? WHERE id = ?")
        let changed = try statement.run(.text(outcome.rawValue), .time(time), .bytes(release.bytes))
        guard changed == 1 else { throw StoreError.conflict }
    }

    /// The outcomes that count against an actor, as an SQL list. Raw values are our own words, never input.
    private static let poorList = ReleaseOutcome.allCases.filter(\.isPoor).map { "'\($0.rawValue)'" }
        .joined(separator: ", ")

    func poorOutcomes(
        of actors: [[UInt8]], since: Timestamp, now: Timestamp, limit: Int64
    ) throws -> [[UInt8]: Int64] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT count(*) FROM (
                SELECT 1 FROM releases
                WHERE actor = ?1 AND outcome IS NOT NULL AND outcome IN (\(Self.poorList))
                    AND outcome_time >= ?2
                UNION ALL
                SELECT 1 FROM releases
                WHERE actor = ?1 AND outcome IS NULL AND outcome_due IS NOT NULL
                    AND outcome_due >= ?2 AND outcome_due <= ?3
                LIMIT ?4
            )
            """)
        var counts: [[UInt8]: Int64] = [:]
        for actor in actors where counts[actor] == nil {
            // A negative limit would be none at all to SQLite.
            counts[actor] = try statement.first(
                .bytes(actor), .time(since), .time(now), .integer(max(0, limit))
            ) { $0.integer(0) }
        }
        return counts
    }

    func overdueReleases(before: Timestamp, limit: Int) throws -> [StoredRelease] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT \(StoredRelease.columns) FROM releases
            WHERE outcome IS NULL AND outcome_due IS NOT NULL AND outcome_due < ?
            ORDER BY outcome_due, rowid LIMIT ?
            """)
        return try statement.all(
            .time(before), .integer(Int64(max(0, limit))), read: { try StoredRelease($0) })
    }

    // MARK: Counts

    func requestCounts(_ keys: [RequestCountKey]) throws -> [RequestCountKey: Int64] {
        let statement = try PreparedStatement(
            database, "SELECT count FROM request_counts WHERE minute = ? AND client = ? AND purpose = ?")
        var found: [RequestCountKey: Int64] = [:]
        for key in keys where found[key] == nil {
            found[key] = try statement.first(
                .integer(key.minute), .text(key.client.text), .text(key.purpose)
            ) { try $0.count(0) }
        }
        return found
    }

    func putRequestCounts(_ counts: [RequestCountKey: Int64]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO request_counts (minute, client, purpose, count) VALUES (?, ?, ?, ?)
            ON CONFLICT (minute, client, purpose) DO UPDATE SET count = excluded.count
            """)
        for (key, count) in counts {
            try statement.run(
                .integer(key.minute), .text(key.client.text), .text(key.purpose), .integer(count))
        }
    }

    func distinctNumbers(_ keys: [DistinctNumberKey]) throws -> [DistinctNumberKey: DistinctNumbers] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT count, EXISTS (
                SELECT 1 FROM distinct_numbers WHERE day = ?1 AND subject = ?2 AND number = ?3
            ) FROM distinct_counts WHERE day = ?1 AND subject = ?2
            """)
        var found: [DistinctNumberKey: DistinctNumbers] = [:]
        for key in keys where found[key] == nil {
            let numbers = try statement.first(
                .integer(key.day), .bytes(key.subject), .bytes(key.number)
            ) { DistinctNumbers(count: try $0.count(0), includesNumber: $0.integer(1) != 0) }
            found[key] = numbers ?? DistinctNumbers(count: 0, includesNumber: false)
        }
        return found
    }

    func addDistinctNumbers(_ keys: [DistinctNumberKey]) throws {
        let number = try PreparedStatement(
            database,
            """
            INSERT INTO distinct_numbers (day, subject, number) VALUES (?, ?, ?)
            ON CONFLICT (day, subject, number) DO NOTHING
            """)
        let count = try PreparedStatement(
            database,
            """
            INSERT INTO distinct_counts (day, subject, count) VALUES (?, ?, 1)
            ON CONFLICT (day, subject) DO UPDATE SET count = count + 1
            """)
        for key in keys {
            let added = try number.run(.integer(key.day), .bytes(key.subject), .bytes(key.number))
            if added == 1 { try count.run(.integer(key.day), .bytes(key.subject)) }
        }
    }

    /// Forgets counts of minutes that ended before a moment, and numbers of days long over. A calendar may be up to
    /// fourteen hours beside UTC, so the two days before are kept.
    func purgeCounts(before: Timestamp) throws {
        try PreparedStatement(database, "DELETE FROM request_counts WHERE minute < ?").run(
            .integer(before.minutes))
        for table in ["distinct_numbers", "distinct_counts"] {
            try PreparedStatement(database, "DELETE FROM \(table) WHERE day < ?").run(
                .integer(before.days - 2))
        }
    }
}

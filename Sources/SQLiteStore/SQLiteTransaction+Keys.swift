// Which rows are under which key, jobs that bring them under another, and what instances have loaded.

import ContactModel
import ContactVault
import StrictEncoding

extension SQLiteTransaction {
    // MARK: Rows of contacts

    func recordKeys(
        after cursor: [UInt8], limit: Int
    ) throws -> (rows: [StoredRecordKeys], cursor: [UInt8]) {
        guard cursor.isEmpty || cursor.count == 8 else { throw StoreError.corrupt("key_jobs") }
        // By row and not by id: ids are random, and a page of the file would be written once for each row on it.
        let statement = try PreparedStatement(
            database,
            """
            SELECT rowid, id, generation, sealed, disclosure_key, phone_index, phone_index_version
            FROM contacts WHERE rowid > ? AND state <> 'erased' ORDER BY rowid LIMIT ?
            """)
        let begin = Int64(clamping: UInt64(bigEndianBytes: cursor))
        var last = begin
        let rows = try statement.all(.integer(begin), .integer(Int64(limit))) { row in
            guard let contact = ContactID(bytes: row.bytes(1)) else { throw StoreError.corrupt("contacts") }
            last = row.integer(0)
            return StoredRecordKeys(
                contact: contact, generation: try row.number(2), sealed: row.bytes(3),
                disclosureKey: row.bytes(4), phoneIndex: row.bytes(5), phoneIndexVersion: try row.number(6))
        }
        return (rows, UInt64(last).bigEndianBytes)
    }

    func replaceKeys(_ changes: [(before: StoredRecordKeys, after: StoredRecordKeys)]) throws -> [Bool] {
        let statement = try PreparedStatement(
            database,
            """
            UPDATE contacts SET sealed = ?, disclosure_key = ?, generation = ?
            WHERE id = ? AND sealed = ? AND disclosure_key = ?
            """)
        return try changes.map { before, after in
            try statement.run(
                .bytes(after.sealed), .bytes(after.disclosureKey), .integer(after.generation.column),
                .bytes(before.contact.bytes), .bytes(before.sealed), .bytes(before.disclosureKey)) == 1
        }
    }

    func moveNumbers(_ moves: [StoredNumberMove]) throws {
        let contacts = try PreparedStatement(
            database, "UPDATE contacts SET phone_index = ?, phone_index_version = ? WHERE phone_index = ?")
        let releases = try PreparedStatement(
            database, "UPDATE releases SET number = ?, number_version = ? WHERE number = ?")
        let place = try PreparedStatement(
            database,
            """
            INSERT INTO suppressions (number, index_version, since, latest)
            SELECT ?, ?, since, latest FROM suppressions WHERE number = ?
            ON CONFLICT (number) DO UPDATE SET since = MIN(since, excluded.since), latest = MAX(latest, excluded.latest)
            """)
        let left = try PreparedStatement(database, "DELETE FROM suppressions WHERE number = ?")
        for move in moves where move.from != move.to {
            let (to, version, from) = (
                PreparedStatement.Argument.bytes(move.to),
                PreparedStatement.Argument.integer(Int64(move.version)),
                PreparedStatement.Argument.bytes(move.from)
            )
            try contacts.run(to, version, from)
            try releases.run(to, version, from)
            if try place.run(to, version, from) > 0 { try left.run(from) }
        }
    }

    // MARK: What is under which version

    func keyUsage(
        _ places: StoredKeyPlaces, of subjects: Set<StoredKeyUsage.Subject>
    ) throws -> StoredKeyUsage {
        func counts(_ column: String, _ place: Range<Int>, of rows: String) throws -> [[UInt8]: UInt64] {
            let statement = try PreparedStatement(
                database, "SELECT substr(\(column), ?, ?), count(*) FROM \(rows) GROUP BY 1")
            var counts: [[UInt8]: UInt64] = [:]
            let rows = try statement.all(
                .integer(Int64(place.lowerBound + 1)), .integer(Int64(place.count))
            ) { row -> ([UInt8], UInt64) in (row.bytes(0), try row.number(1)) }
            for (mark, count) in rows { counts[mark] = count }
            return counts
        }
        func versions(_ column: String, of rows: String) throws -> [UInt32: UInt64] {
            let statement = try PreparedStatement(
                database, "SELECT \(column), count(*) FROM \(rows) GROUP BY 1")
            var counts: [UInt32: UInt64] = [:]
            let rows = try statement.all { row -> (UInt32, UInt64) in
                (try row.number(0), try row.number(1))
            }
            for (version, count) in rows { counts[version] = count }
            return counts
        }
        let present = "contacts WHERE state <> 'erased'"
        var usage = StoredKeyUsage()
        if subjects.contains(.records) {
            usage.records = try counts("sealed", places.sealed, of: present)
            usage.disclosureKeys = try counts("disclosure_key", places.disclosureKey, of: present)
        }
        if subjects.contains(.disclosures) {
            usage.disclosures = try counts(
                "sealed", places.disclosures, of: "log_disclosures WHERE contact IS NULL")
        }
        if subjects.contains(.numbers) {
            usage.contacts = try versions("phone_index_version", of: present)
            usage.suppressions = try versions("index_version", of: "suppressions")
            usage.releases = try versions("number_version", of: "releases")
        }
        return usage
    }

    // MARK: Disclosures

    func generalDisclosures(from: UInt64, limit: Int) throws -> [(index: UInt64, sealed: [UInt8])] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT position, sealed FROM log_disclosures
            WHERE contact IS NULL AND position >= ? ORDER BY position LIMIT ?
            """)
        return try statement.all(.integer(from.column), .integer(Int64(limit))) {
            (index: try $0.number(0), sealed: $0.bytes(1))
        }
    }

    func generalDisclosureCount() throws -> UInt64 {
        try PreparedStatement(database, "SELECT count(*) FROM log_disclosures WHERE contact IS NULL")
            .first { try $0.number(0) } ?? 0
    }

    func replaceDisclosures(_ sealed: [UInt64: [UInt8]]) throws {
        let statement = try PreparedStatement(
            database, "UPDATE log_disclosures SET sealed = ? WHERE position = ?")
        for (index, bytes) in sealed { try statement.run(.bytes(bytes), .integer(index.column)) }
    }

    // MARK: Jobs

    func keyJob(_ id: [UInt8]) throws -> StoredKeyJob? {
        try PreparedStatement(database, "SELECT \(StoredKeyJob.columns) FROM key_jobs WHERE id = ?")
            .first(.bytes(id), read: { try StoredKeyJob($0) })
    }

    func keyJobs(limit: Int) throws -> [StoredKeyJob] {
        try PreparedStatement(
            database, "SELECT \(StoredKeyJob.columns) FROM key_jobs ORDER BY created DESC, rowid DESC LIMIT ?"
        ).all(.integer(Int64(limit)), read: { try StoredKeyJob($0) })
    }

    func unfinishedKeyJob() throws -> StoredKeyJob? {
        try PreparedStatement(
            database, "SELECT \(StoredKeyJob.columns) FROM key_jobs WHERE state IN ('running', 'paused')"
        ).first(read: { try StoredKeyJob($0) })
    }

    func putKeyJob(_ job: StoredKeyJob) throws {
        try PreparedStatement(
            database,
            """
            INSERT INTO key_jobs (\(StoredKeyJob.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, cursor = excluded.cursor,
                examined = excluded.examined, changed = excluded.changed, unreadable = excluded.unreadable,
                resumed = excluded.resumed, examined_before = excluded.examined_before, updated = excluded.updated
            """
        ).run(
            .bytes(job.id), .text(job.kind.rawValue), .integer(Int64(job.version)),
            .integer(job.isDryRun ? 1 : 0), job.rate.map { .integer(Int64($0)) } ?? .null,
            .text(job.requester.text), .time(job.created), .integer(job.total.column),
            .text(job.state.rawValue), .bytes(job.cursor), .integer(job.examined.column),
            .integer(job.changed.column), .integer(job.unreadable.column), .time(job.resumed),
            .integer(job.examinedBefore.column), .time(job.updated))
    }

    // MARK: Instances

    func instances() throws -> [StoredInstance] {
        try PreparedStatement(database, "SELECT name, keyring_epoch, seen FROM instances ORDER BY name").all {
            row in
            guard let name = Reference(row.text(0)) else { throw StoreError.corrupt("instances") }
            return StoredInstance(name: name, epoch: try row.number(1), seen: try row.time(2))
        }
    }

    func putInstance(_ instance: StoredInstance) throws {
        try PreparedStatement(
            database,
            """
            INSERT INTO instances (name, keyring_epoch, seen) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET keyring_epoch = excluded.keyring_epoch, seen = excluded.seen
            """
        ).run(.text(instance.name.text), .integer(instance.epoch.column), .time(instance.seen))
    }

    func removeInstance(_ name: Reference?) throws {
        if let name {
            try PreparedStatement(database, "DELETE FROM instances WHERE name = ?").run(.text(name.text))
        } else {
            try PreparedStatement(database, "DELETE FROM instances").run()
        }
    }
}

// Which rows are under which key, jobs that bring them under another, and what instances have loaded.

import ContactModel
import ContactVault
import StrictEncoding

extension PostgresTransaction {
    // MARK: Rows of contacts

    func recordKeys(
        after cursor: [UInt8], limit: Int
    ) throws -> (rows: [StoredRecordKeys], cursor: [UInt8]) {
        guard cursor.isEmpty || cursor.count == 8 else { throw StoreError.corrupt("key_jobs") }
        var last = Int64(clamping: UInt64(bigEndianBytes: cursor))
        let rows = try all(
            """
            SELECT place, id, generation, sealed, disclosure_key, phone_index, phone_index_version
            FROM contacts WHERE place > $1 AND state <> 'erased' ORDER BY place LIMIT $2
            """, .integer(last), .integer(Int64(limit))
        ) { row in
            guard let contact = ContactID(bytes: row.bytes(1)) else { throw StoreError.corrupt("contacts") }
            last = try row.integer(0)
            return StoredRecordKeys(
                contact: contact, generation: try row.number(2), sealed: row.bytes(3),
                disclosureKey: row.bytes(4),
                phoneIndex: row.bytes(5), phoneIndexVersion: try row.number(6))
        }
        return (rows, UInt64(last).bigEndianBytes)
    }

    func replaceKeys(_ changes: [(before: StoredRecordKeys, after: StoredRecordKeys)]) throws -> [Bool] {
        // One statement changes a row once: of two changes to one, the second has to see what the first did.
        guard Set(changes.map(\.before.contact)).count == changes.count else {
            return try changes.flatMap { try replaceKeys([$0]) }
        }
        let changed = Set(
            try all(
                """
                UPDATE contacts SET sealed = k.sealed, disclosure_key = k.disclosure_key, generation = k.generation
                FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[])
                    AS k (id, sealed_before, disclosure_key_before, sealed, disclosure_key, generation)
                WHERE contacts.id = k.id AND contacts.sealed = k.sealed_before
                    AND contacts.disclosure_key = k.disclosure_key_before
                RETURNING contacts.id
                """,
                .byteStrings(changes.map { $0.before.contact.bytes }),
                .byteStrings(changes.map { $0.before.sealed }),
                .byteStrings(changes.map { $0.before.disclosureKey }),
                .byteStrings(changes.map { $0.after.sealed }),
                .byteStrings(changes.map { $0.after.disclosureKey }),
                .integers(changes.map { $0.after.generation.column })
            ) { $0.bytes(0) })
        return changes.map { changed.contains($0.before.contact.bytes) }
    }

    func moveNumbers(_ moves: [StoredNumberMove]) throws {
        for move in moves where move.from != move.to {
            let (to, version, from) = (
                PostgresArgument.bytes(move.to), PostgresArgument.integer(Int64(move.version)),
                PostgresArgument.bytes(move.from)
            )
            try run(
                "UPDATE contacts SET phone_index = $1, phone_index_version = $2 WHERE phone_index = $3", to,
                version, from)
            try run(
                "UPDATE releases SET number = $1, number_version = $2 WHERE number = $3", to, version, from)
            let moved = try run(
                """
                INSERT INTO suppressions (number, index_version, since, latest)
                SELECT $1, $2, since, latest FROM suppressions WHERE number = $3
                ON CONFLICT (number) DO UPDATE SET since = LEAST(suppressions.since, excluded.since),
                    latest = GREATEST(suppressions.latest, excluded.latest)
                """, to, version, from)
            if moved > 0 { try run("DELETE FROM suppressions WHERE number = $1", from) }
        }
    }

    // MARK: What is under which version

    func keyUsage(
        _ places: StoredKeyPlaces, of subjects: Set<StoredKeyUsage.Subject>
    ) throws -> StoredKeyUsage {
        func counts(_ column: String, _ place: Range<Int>, of rows: String) throws -> [[UInt8]: UInt64] {
            let found = try all(
                "SELECT substring(\(column) FROM $1::bigint::int FOR $2::bigint::int), count(*) FROM \(rows) GROUP BY 1",
                .integer(Int64(place.lowerBound + 1)), .integer(Int64(place.count))
            ) { row -> ([UInt8], UInt64) in (row.bytes(0), try row.number(1)) }
            return Dictionary(found) { first, _ in first }
        }
        func versions(_ column: String, of rows: String) throws -> [UInt32: UInt64] {
            let found = try all("SELECT \(column), count(*) FROM \(rows) GROUP BY 1") {
                row -> (UInt32, UInt64) in
                (try row.number(0), try row.number(1))
            }
            return Dictionary(found) { first, _ in first }
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
        try all(
            """
            SELECT position, sealed FROM log_disclosures
            WHERE contact IS NULL AND position >= $1 ORDER BY position LIMIT $2
            """, .integer(from.column), .integer(Int64(limit))
        ) { (index: try $0.number(0), sealed: $0.bytes(1)) }
    }

    func generalDisclosureCount() throws -> UInt64 {
        try first("SELECT count(*) FROM log_disclosures WHERE contact IS NULL") { try $0.number(0) } ?? 0
    }

    func replaceDisclosures(_ sealed: [UInt64: [UInt8]]) throws {
        guard !sealed.isEmpty else { return }
        let rows = Array(sealed)
        try run(
            """
            UPDATE log_disclosures SET sealed = k.sealed FROM unnest($1::bigint[], $2::bytea[]) AS k (position, sealed)
            WHERE log_disclosures.position = k.position
            """, .integers(rows.map { $0.key.column }), .byteStrings(rows.map(\.value)))
    }

    // MARK: Steps and jobs

    func keyChanges() throws -> [StoredKeyChange] {
        try all("SELECT name, id, version, state, since FROM key_changes ORDER BY name, id, version") { row in
            StoredKeyChange(
                name: row.text(0), id: try row.number(1), version: try row.number(2), state: row.text(3),
                since: try row.time(4))
        }
    }

    func putKeyChange(_ change: StoredKeyChange) throws {
        try run(
            """
            INSERT INTO key_changes VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name, id, version) DO UPDATE
            SET state = excluded.state, since = excluded.since
            """,
            .text(change.name), .integer(Int64(change.id)), .integer(Int64(change.version)),
            .text(change.state),
            .time(change.since))
    }

    func keyJob(_ id: [UInt8]) throws -> StoredKeyJob? {
        try first(
            "SELECT \(StoredKeyJob.columns) FROM key_jobs WHERE id = $1", .bytes(id),
            read: { try StoredKeyJob($0) })
    }

    func keyJobs(limit: Int) throws -> [StoredKeyJob] {
        try all(
            "SELECT \(StoredKeyJob.columns) FROM key_jobs ORDER BY created DESC, place DESC LIMIT $1",
            .integer(Int64(limit)), read: { try StoredKeyJob($0) })
    }

    func unfinishedKeyJob() throws -> StoredKeyJob? {
        try first(
            "SELECT \(StoredKeyJob.columns) FROM key_jobs WHERE state IN ('running', 'paused')",
            read: { try StoredKeyJob($0) })
    }

    func putKeyJob(_ job: StoredKeyJob) throws {
        try run(
            """
            INSERT INTO key_jobs (\(StoredKeyJob.columns))
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, cursor = excluded.cursor,
                examined = excluded.examined, changed = excluded.changed, unreadable = excluded.unreadable,
                resumed = excluded.resumed, examined_before = excluded.examined_before, updated = excluded.updated
            """,
            .bytes(job.id), .text(job.kind.rawValue), .integer(Int64(job.version)),
            .integer(job.isDryRun ? 1 : 0),
            job.rate.map { .integer(Int64($0)) } ?? .null, .text(job.requester.text), .time(job.created),
            .integer(job.total.column), .text(job.state.rawValue), .bytes(job.cursor),
            .integer(job.examined.column),
            .integer(job.changed.column), .integer(job.unreadable.column), .time(job.resumed),
            .integer(job.examinedBefore.column), .time(job.updated))
    }

    // MARK: Instances

    func instances() throws -> [StoredInstance] {
        try all("SELECT name, keyring_epoch, seen FROM instances ORDER BY name") { row in
            guard let name = Reference(row.text(0)) else { throw StoreError.corrupt("instances") }
            return StoredInstance(name: name, epoch: try row.number(1), seen: try row.time(2))
        }
    }

    func putInstance(_ instance: StoredInstance) throws {
        try run(
            """
            INSERT INTO instances VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET keyring_epoch = excluded.keyring_epoch, seen = excluded.seen
            """, .text(instance.name.text), .integer(instance.epoch.column), .time(instance.seen))
    }

    func removeInstance(_ name: Reference?) throws {
        if let name {
            try run("DELETE FROM instances WHERE name = $1", .text(name.text))
        } else {
            try run("DELETE FROM instances")
        }
    }
}

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
        // By row and not by id: ids are random, and a page of the table would be written once for each row on
        // it.
        let begin = Int64(clamping: UInt64(bigEndianBytes: cursor))
        var last = begin
        let rows = try connection.all(
            """
            SELECT ordinal, id, generation, sealed, disclosure_key, phone_index, phone_index_version
            FROM contacts WHERE ordinal > $1 AND state <> 'erased' ORDER BY ordinal LIMIT $2
            """, [.integer(begin), .limit(limit)]
        ) { row in
            guard let contact = ContactID(bytes: try row.bytes(1)) else {
                throw StoreError.corrupt("contacts")
            }
            last = try row.integer(0)
            return StoredRecordKeys(
                contact: contact, generation: try row.number(2), sealed: try row.bytes(3),
                disclosureKey: try row.bytes(4), phoneIndex: try row.bytes(5),
                phoneIndexVersion: try row.number(6))
        }
        return (rows, UInt64(clamping: last).bigEndianBytes)
    }

    func replaceKeys(_ changes: [(before: StoredRecordKeys, after: StoredRecordKeys)]) throws -> [Bool] {
        var isReplaced = [Bool](repeating: false, count: changes.count)
        var round: [Int] = []
        var contacts: Set<ContactID> = []
        for (place, change) in changes.enumerated() {
            // A statement changes a row once: a contact that comes twice begins another one.
            if !contacts.insert(change.before.contact).inserted {
                for place in try replace(round, of: changes) { isReplaced[place] = true }
                (round, contacts) = ([], [change.before.contact])
            }
            round.append(place)
        }
        for place in try replace(round, of: changes) { isReplaced[place] = true }
        return isReplaced
    }

    /// Makes some of the changes; which of them were made.
    private func replace(
        _ places: [Int], of changes: [(before: StoredRecordKeys, after: StoredRecordKeys)]
    ) throws -> [Int] {
        guard !places.isEmpty else { return [] }
        let chosen = places.map { changes[$0] }
        return try connection.all(
            """
            UPDATE contacts SET sealed = put.sealed, disclosure_key = put.disclosure_key, generation = put.generation
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[])
                AS put (place, contact, sealed_before, disclosure_key_before, sealed, disclosure_key, generation)
            WHERE contacts.id = put.contact AND contacts.sealed = put.sealed_before
                AND contacts.disclosure_key = put.disclosure_key_before
            RETURNING put.place
            """,
            [
                .integers(places.map { Int64($0) }), .manyBytes(chosen.map(\.before.contact.bytes)),
                .manyBytes(chosen.map(\.before.sealed)), .manyBytes(chosen.map(\.before.disclosureKey)),
                .manyBytes(chosen.map(\.after.sealed)), .manyBytes(chosen.map(\.after.disclosureKey)),
                .integers(chosen.map(\.after.generation.column)),
            ]
        ) { row in
            guard let place = Int(exactly: try row.integer(0)), changes.indices.contains(place) else {
                throw StoreError.corrupt("column")
            }
            return place
        }
    }

    func moveNumbers(_ moves: [StoredNumberMove]) throws {
        // What one move brings about must not be what another one of the same statements looks for.
        var round: [StoredNumberMove] = []
        var (from, to): (Set<[UInt8]>, Set<[UInt8]>) = ([], [])
        for move in moves where move.from != move.to {
            if from.contains(move.from) || to.contains(move.from) || from.contains(move.to) {
                try moveAtOnce(round)
                (round, from, to) = ([], [], [])
            }
            round.append(move)
            from.insert(move.from)
            to.insert(move.to)
        }
        try moveAtOnce(round)
    }

    private func moveAtOnce(_ moves: [StoredNumberMove]) throws {
        guard !moves.isEmpty else { return }
        let arguments: [Argument] = [
            .manyBytes(moves.map(\.from)), .manyBytes(moves.map(\.to)),
            .integers(moves.map { Int64($0.version) }),
        ]
        try connection.run(
            """
            UPDATE contacts SET phone_index = put.after, phone_index_version = put.version
            FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS put (before, after, version)
            WHERE contacts.phone_index = put.before
            """, arguments)
        try connection.run(
            """
            UPDATE releases SET number = put.after, number_version = put.version
            FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS put (before, after, version)
            WHERE releases.number = put.before
            """, arguments)
        // Two places that become one hold from the earlier no on.
        try connection.run(
            """
            WITH left_behind AS (
                DELETE FROM suppressions USING unnest($1::bytea[], $2::bytea[], $3::bigint[])
                    AS put (before, after, version)
                WHERE suppressions.number = put.before RETURNING put.after, put.version, since, latest
            )
            INSERT INTO suppressions AS place (number, index_version, since, latest)
            SELECT after, max(version), min(since), max(latest) FROM left_behind GROUP BY after
            ON CONFLICT (number) DO UPDATE SET since = least(place.since, excluded.since),
                latest = greatest(place.latest, excluded.latest)
            """, arguments)
    }

    // MARK: What is under which version

    func keyUsage(
        _ places: StoredKeyPlaces, of subjects: Set<StoredKeyUsage.Subject>
    ) throws -> StoredKeyUsage {
        func counts(_ column: String, _ place: Range<Int>, of rows: String) throws -> [[UInt8]: UInt64] {
            let rows: [([UInt8], UInt64)] = try connection.all(
                "SELECT substr(\(column), $1::int, $2::int), count(*) FROM \(rows) GROUP BY 1",
                [.integer(Int64(place.lowerBound + 1)), .integer(Int64(place.count))]
            ) { (try $0.bytes(0), try $0.number(1)) }
            return Dictionary(rows) { first, _ in first }
        }
        func versions(_ column: String, of rows: String) throws -> [UInt32: UInt64] {
            let rows: [(UInt32, UInt64)] = try connection.all(
                "SELECT \(column), count(*) FROM \(rows) GROUP BY 1"
            ) { (try $0.number(0), try $0.number(1)) }
            return Dictionary(rows) { first, _ in first }
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

    func keyChanges() throws -> [StoredKeyChange] {
        try connection.all(
            "SELECT name, id, version, state, since FROM key_changes ORDER BY name, id, version"
        ) {
            row in
            StoredKeyChange(
                name: try row.text(0), id: try row.number(1), version: try row.number(2),
                state: try row.text(3), since: try row.time(4))
        }
    }

    func putKeyChange(_ change: StoredKeyChange) throws {
        try connection.run(
            """
            INSERT INTO key_changes (name, id, version, state, since) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (name, id, version) DO UPDATE SET state = excluded.state, since = excluded.since
            """,
            [
                .text(change.name), .integer(Int64(change.id)), .integer(Int64(change.version)),
                .text(change.state), .time(change.since),
            ])
    }

    // MARK: Disclosures

    func generalDisclosures(from: UInt64, limit: Int) throws -> [(index: UInt64, sealed: [UInt8])] {
        try connection.all(
            """
            SELECT position, sealed FROM log_disclosures
            WHERE contact IS NULL AND position >= $1 ORDER BY position LIMIT $2
            """, [.integer(from.column), .limit(limit)]
        ) { (index: try $0.number(0), sealed: try $0.bytes(1)) }
    }

    func generalDisclosureCount() throws -> UInt64 {
        try connection.first("SELECT count(*) FROM log_disclosures WHERE contact IS NULL") {
            try $0.number(0)
        } ?? 0
    }

    func replaceDisclosures(_ sealed: [UInt64: [UInt8]]) throws {
        guard !sealed.isEmpty else { return }
        try connection.run(
            """
            UPDATE log_disclosures SET sealed = put.sealed
            FROM unnest($1::bigint[], $2::bytea[]) AS put (position, sealed)
            WHERE log_disclosures.position = put.position
            """, [.integers(sealed.map(\.key.column)), .manyBytes(sealed.map(\.value))])
    }

    // MARK: Jobs

    private static let jobColumns = """
        id, kind, version, is_dry_run, rate, requester, created, total, state, cursor, examined, changed, unreadable,
        resumed, examined_before, updated
        """

    private static func storedJob(_ row: RowReader) throws -> StoredKeyJob {
        guard let kind = StoredKeyJob.Kind(rawValue: try row.text(1)),
            let requester = Reference(try row.text(5)),
            let state = StoredKeyJob.State(rawValue: try row.text(8))
        else { throw StoreError.corrupt("key_jobs") }
        var job = StoredKeyJob(
            id: try row.bytes(0), kind: kind, version: try row.number(2), isDryRun: try row.flag(3),
            rate: try row.numberIfPresent(4), requester: requester, created: try row.time(6),
            total: try row.number(7))
        job.state = state
        job.cursor = try row.bytes(9)
        job.examined = try row.number(10)
        job.changed = try row.number(11)
        job.unreadable = try row.number(12)
        job.resumed = try row.time(13)
        job.examinedBefore = try row.number(14)
        job.updated = try row.time(15)
        return job
    }

    func keyJob(_ id: [UInt8]) throws -> StoredKeyJob? {
        try connection.first(
            "SELECT \(Self.jobColumns) FROM key_jobs WHERE id = $1", [.bytes(id)], read: Self.storedJob)
    }

    func keyJobs(limit: Int) throws -> [StoredKeyJob] {
        try connection.all(
            "SELECT \(Self.jobColumns) FROM key_jobs ORDER BY created DESC, ordinal DESC LIMIT $1",
            [.limit(limit)], read: Self.storedJob)
    }

    func unfinishedKeyJob() throws -> StoredKeyJob? {
        try connection.first(
            "SELECT \(Self.jobColumns) FROM key_jobs WHERE state IN ('running', 'paused')",
            read: Self.storedJob)
    }

    func putKeyJob(_ job: StoredKeyJob) throws {
        try connection.run(
            """
            INSERT INTO key_jobs (\(Self.jobColumns))
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, cursor = excluded.cursor,
                examined = excluded.examined, changed = excluded.changed, unreadable = excluded.unreadable,
                resumed = excluded.resumed, examined_before = excluded.examined_before, updated = excluded.updated
            """,
            [
                .bytes(job.id), .text(job.kind.rawValue), .integer(Int64(job.version)), .flag(job.isDryRun),
                .integer(job.rate.map { Int64($0) }), .text(job.requester.text), .time(job.created),
                .integer(job.total.column), .text(job.state.rawValue), .bytes(job.cursor),
                .integer(job.examined.column), .integer(job.changed.column), .integer(job.unreadable.column),
                .time(job.resumed), .integer(job.examinedBefore.column), .time(job.updated),
            ])
    }

    // MARK: Instances

    func instances() throws -> [StoredInstance] {
        try connection.all("SELECT name, keyring_epoch, seen FROM instances ORDER BY name") { row in
            guard let name = Reference(try row.text(0)) else { throw StoreError.corrupt("instances") }
            return StoredInstance(name: name, epoch: try row.number(1), seen: try row.time(2))
        }
    }

    func putInstance(_ instance: StoredInstance) throws {
        try connection.run(
            """
            INSERT INTO instances (name, keyring_epoch, seen) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET keyring_epoch = excluded.keyring_epoch, seen = excluded.seen
            """, [.text(instance.name.text), .integer(instance.epoch.column), .time(instance.seen)])
    }

    func removeInstance(_ name: Reference?) throws {
        if let name {
            try connection.run("DELETE FROM instances WHERE name = $1", [.text(name.text)])
        } else {
            try connection.run("DELETE FROM instances", [])
        }
    }
}

// The store's operations as SQL: identity, policy and log. A list goes to the server as arrays, so that a
// batch costs as many round trips as one.

import ContactModel
import ContactVault
import StrictEncoding

/// One transaction, or one snapshot when made by `read`. It never leaves the connection's queue.
struct PostgresTransaction: VaultTransaction {
    let connection: PostgresConnection
    let now: Timestamp

    // MARK: Identity and policy

    func identity() throws -> VaultIdentity? {
        try connection.first("SELECT tenant, issuer, log_origin, created FROM identity WHERE id = 1") { row in
            guard let tenant = TenantID(bytes: try row.bytes(0)) else {
                throw StoreError.corrupt("identity")
            }
            return VaultIdentity(
                tenant: tenant, issuer: try row.text(1), logOrigin: try row.text(2), created: try row.time(3))
        }
    }

    func putIdentity(_ identity: VaultIdentity) throws {
        try connection.run(
            "INSERT INTO identity (id, tenant, issuer, log_origin, created) VALUES (1, $1, $2, $3, $4)",
            [
                .bytes(identity.tenant.bytes), .text(identity.issuer), .text(identity.logOrigin),
                .time(identity.created),
            ])
    }

    func keyringEpoch() throws -> UInt64 {
        try connection.first("SELECT keyring_epoch FROM identity WHERE id = 1") { try $0.number(0) } ?? 0
    }

    func putKeyringEpoch(_ epoch: UInt64) throws {
        try connection.run(
            "UPDATE identity SET keyring_epoch = $1 WHERE id = 1", [.integer(epoch.column)])
    }

    func probe() throws { try connection.run("UPDATE log_head SET size = size WHERE id = 1", []) }

    func policy() throws -> StoredPolicy? {
        let newest = try connection.first(
            "SELECT version, text, applied, sequence FROM policies ORDER BY sequence DESC LIMIT 1"
        ) { row in
            (
                version: try row.text(0), text: try row.text(1), applied: try row.time(2),
                sequence: try row.integer(3)
            )
        }
        guard let newest else { return nil }
        let calendars = try connection.all(
            "SELECT name, text FROM policy_calendars WHERE policy = $1", [.integer(newest.sequence)]
        ) { (try $0.text(0), try $0.text(1)) }
        return StoredPolicy(
            version: newest.version, text: newest.text,
            calendars: Dictionary(calendars) { _, last in last }, applied: newest.applied)
    }

    func putPolicy(_ policy: StoredPolicy) throws {
        let sequence = try connection.first(
            "INSERT INTO policies (version, text, applied) VALUES ($1, $2, $3) RETURNING sequence",
            [.text(policy.version), .text(policy.text), .time(policy.applied)]
        ) { try $0.integer(0) }
        guard !policy.calendars.isEmpty else { return }
        let calendars = Array(policy.calendars)
        try connection.run(
            """
            INSERT INTO policy_calendars (policy, name, text)
            SELECT $1, name, text FROM unnest($2::text[], $3::text[]) AS put (name, text)
            """,
            [.integer(sequence), .texts(calendars.map(\.key)), .texts(calendars.map(\.value))])
    }

    // MARK: Log

    func logHead() throws -> LogHead {
        let head = try connection.first("SELECT size, frontier, last_time FROM log_head WHERE id = 1") {
            row in
            LogHead(size: try row.number(0), frontier: try row.bytes(1), lastTime: try row.time(2))
        }
        guard let head else { throw StoreError.corrupt("log_head") }
        return head
    }

    func logLeaves(_ range: Range<UInt64>) throws -> [[UInt8]] {
        let rows = try connection.all(
            "SELECT position, leaf FROM log_entries WHERE position >= $1 AND position < $2 ORDER BY position",
            [.integer(range.lowerBound.column), .integer(range.upperBound.column)]
        ) { (position: try $0.integer(0), leaf: try $0.bytes(1)) }
        // A gap ends the answer, so that an index never names another entry than the caller thinks.
        return zip(range, rows).prefix { index, row in row.position == index.column }.map { $0.1.leaf }
    }

    func disclosures(_ range: Range<UInt64>) throws -> [UInt64: StoredDisclosures] {
        let pairs: [(UInt64, StoredDisclosures)] = try connection.all(
            """
            SELECT position, contact, sealed, previous FROM log_disclosures
            WHERE position >= $1 AND position < $2
            """, [.integer(range.lowerBound.column), .integer(range.upperBound.column)]
        ) { row in
            let previous = row.isNull(3) ? nil : UInt64(exactly: try row.integer(3))
            return (
                try row.number(0),
                StoredDisclosures(
                    contact: try row.bytesIfPresent(1).flatMap { ContactID(bytes: $0) },
                    sealed: try row.bytes(2), previous: previous)
            )
        }
        return Dictionary(pairs) { first, _ in first }
    }

    func tiles(level: UInt8, _ range: Range<UInt64>) throws -> [StoredTile] {
        try connection.all(
            """
            SELECT position, hashes, root FROM log_tiles
            WHERE level = $1 AND position >= $2 AND position < $3 ORDER BY position
            """,
            [
                .integer(Int64(level)), .integer(range.lowerBound.column), .integer(range.upperBound.column),
            ]
        ) { row in
            StoredTile(
                level: level, index: try row.number(0), hashes: try row.bytes(1), root: try row.bytes(2))
        }
    }

    private static let checkpointColumns = "size, root, note, signed, witnessed"

    private static func checkpoint(_ row: RowReader) throws -> StoredCheckpoint {
        StoredCheckpoint(
            size: try row.number(0), root: try row.bytes(1), note: try row.text(2), signed: try row.time(3),
            isWitnessed: try row.flag(4))
    }

    func latestCheckpoint() throws -> StoredCheckpoint? {
        try connection.first(
            "SELECT \(Self.checkpointColumns) FROM checkpoints ORDER BY size DESC LIMIT 1",
            read: Self.checkpoint)
    }

    func latestWitnessedCheckpoint() throws -> StoredCheckpoint? {
        try connection.first(
            """
            SELECT \(Self.checkpointColumns) FROM checkpoints WHERE witnessed = 1
            ORDER BY size DESC LIMIT 1
            """, read: Self.checkpoint)
    }

    func firstLeaf() throws -> UInt64 {
        try connection.first("SELECT first_leaf FROM log_retention") { try $0.number(0) } ?? 0
    }

    func checkpoints(_ sizes: ClosedRange<UInt64>) throws -> [StoredCheckpoint] {
        try connection.all(
            "SELECT \(Self.checkpointColumns) FROM checkpoints WHERE size BETWEEN $1 AND $2 ORDER BY size",
            [.integer(sizes.lowerBound.column), .integer(sizes.upperBound.column)], read: Self.checkpoint)
    }

    func append(_ batch: LogBatch) throws {
        let changed = try connection.run(
            "UPDATE log_head SET size = $1, frontier = $2, last_time = $3 WHERE id = 1 AND size = $4",
            [
                .integer(batch.head.size.column), .bytes(batch.head.frontier), .time(batch.head.lastTime),
                .integer(batch.first.column),
            ])
        guard changed == 1 else { throw StoreError.conflict }
        if !batch.leaves.isEmpty {
            try connection.run(
                """
                INSERT INTO log_entries (position, leaf)
                SELECT $1 + number - 1, leaf FROM unnest($2::bytea[]) WITH ORDINALITY AS put (leaf, number)
                """, [.integer(batch.first.column), .manyBytes(batch.leaves)])
        }
        if !batch.disclosures.isEmpty {
            try connection.run(
                """
                INSERT INTO log_disclosures (position, contact, sealed, previous)
                SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
                """,
                [
                    .integers(batch.disclosures.map(\.index.column)),
                    .manyBytes(batch.disclosures.map(\.value.contact?.bytes)),
                    .manyBytes(batch.disclosures.map(\.value.sealed)),
                    .integers(batch.disclosures.map(\.value.previous?.column)),
                ])
        }
        if !batch.tiles.isEmpty {
            try connection.run(
                """
                INSERT INTO log_tiles (level, position, hashes, root)
                SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])
                """,
                [
                    .integers(batch.tiles.map { Int64($0.level) }),
                    .integers(batch.tiles.map(\.index.column)),
                    .manyBytes(batch.tiles.map(\.hashes)), .manyBytes(batch.tiles.map(\.root)),
                ])
        }
    }

    func putCheckpoint(_ checkpoint: StoredCheckpoint) throws {
        let changed = try connection.run(
            """
            INSERT INTO checkpoints (\(Self.checkpointColumns)) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (size) DO UPDATE SET note = excluded.note, witnessed = excluded.witnessed
                WHERE checkpoints.root = excluded.root
            """,
            [
                .integer(checkpoint.size.column), .bytes(checkpoint.root), .text(checkpoint.note),
                .time(checkpoint.signed), .flag(checkpoint.isWitnessed),
            ])
        guard changed == 1 else { throw StoreError.conflict }
    }

    func removeLeaves(before index: UInt64) throws {
        guard index % 256 == 0, index > (try firstLeaf()), index < (try logHead().size) else {
            throw StoreError.conflict
        }
        let column = Argument.integer(index.column)
        try connection.run(
            """
            INSERT INTO log_retention (id, first_leaf) VALUES (1, $1)
            ON CONFLICT (id) DO UPDATE SET first_leaf = excluded.first_leaf
            """, [column])
        try connection.run("DELETE FROM log_entries WHERE position < $1", [column])
        try connection.run("DELETE FROM log_disclosures WHERE position < $1", [column])
        try connection.run(
            "DELETE FROM checkpoints WHERE size < (SELECT max(size) FROM checkpoints WHERE size <= $1)",
            [column])
    }

    func putLogOrigin(_ origin: String) throws {
        try connection.run("UPDATE identity SET log_origin = $1 WHERE id = 1", [.text(origin)])
        try connection.run("UPDATE checkpoints SET witnessed = 0 WHERE witnessed = 1", [])
    }

    // MARK: Looking up many keys

    /// What one statement finds for many keys; keys without anything are left out.
    /// - Parameters:
    ///   - sql: gives the key's `number` first, from `unnest(…) WITH ORDINALITY`.
    ///   - arguments: the arrays for these keys, and what is asked beside them.
    ///   - read: a row's value, from column 1 on.
    func find<Key: Hashable, Value>(
        _ keys: some Sequence<Key>, _ sql: String, _ arguments: ([Key]) -> [Argument],
        read: (RowReader, Key) throws -> Value
    ) throws -> [Key: Value] {
        var found: [Key: Value] = [:]
        for (key, value) in try pairs(keys, sql, arguments, read: read) { found[key] = value }
        return found
    }

    /// The same with a list for each key, in the order of the rows.
    func findLists<Key: Hashable, Value>(
        _ keys: some Sequence<Key>, _ sql: String, _ arguments: ([Key]) -> [Argument],
        read: (RowReader, Key) throws -> Value
    ) throws -> [Key: [Value]] {
        var found: [Key: [Value]] = [:]
        for (key, value) in try pairs(keys, sql, arguments, read: read) {
            found[key, default: []].append(value)
        }
        return found
    }

    private func pairs<Key: Hashable, Value>(
        _ keys: some Sequence<Key>, _ sql: String, _ arguments: ([Key]) -> [Argument],
        read: (RowReader, Key) throws -> Value
    ) throws -> [(Key, Value)] {
        let asked = Array(Set(keys))
        guard !asked.isEmpty else { return [] }
        return try connection.all(sql, arguments(asked)) { row in
            guard let place = Int(exactly: try row.integer(0)), asked.indices.contains(place - 1) else {
                throw StoreError.corrupt("column")
            }
            return (asked[place - 1], try read(row, asked[place - 1]))
        }
    }
}

extension UInt64 {
    /// As a column holds it. What is beyond the greatest integer of a column is found nowhere, and is no
    /// reason to trap.
    var column: Int64 { Int64(clamping: self) }
}

extension Sequence {
    /// One of each key: the last, in the place of the first. A statement changes a row once, where a loop
    /// would change it again.
    func lastOfEach<Key: Hashable>(_ key: (Element) -> Key) -> [Element] {
        var places: [Key: Int] = [:]
        var kept: [Element] = []
        for element in self {
            let key = key(element)
            if let place = places[key] {
                kept[place] = element
            } else {
                places[key] = kept.count
                kept.append(element)
            }
        }
        return kept
    }
}

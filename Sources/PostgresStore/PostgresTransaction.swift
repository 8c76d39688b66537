// The store's operations as SQL. What a batch of releases reads and writes it passes as arrays, so that it costs a fixed number of round
// trips; and nothing is sent for an empty list.

import ContactModel
import ContactVault

/// How long the log is when a transaction is committed; `nil` if it has added nothing.
final class WrittenHead {
    var size: UInt64?
}

/// One transaction, or one snapshot when made by `read`. It never leaves the connection's queue.
struct PostgresTransaction: VaultTransaction {
    let connection: PostgresConnection
    let now: Timestamp
    var written = WrittenHead()

    // MARK: Identity and policy

    func identity() throws -> VaultIdentity? {
        try first("SELECT tenant, issuer, log_origin, created FROM identity WHERE id = 1") { row in
            guard let tenant = TenantID(bytes: row.bytes(0)) else { throw StoreError.corrupt("identity") }
            return VaultIdentity(
                tenant: tenant, issuer: row.text(1), logOrigin: row.text(2), created: try row.time(3))
        }
    }

    func putIdentity(_ identity: VaultIdentity) throws {
        try run(
            "INSERT INTO identity (id, tenant, issuer, log_origin, created) VALUES (1, $1, $2, $3, $4)",
            .bytes(identity.tenant.bytes), .text(identity.issuer), .text(identity.logOrigin),
            .time(identity.created))
    }

    func keyringEpoch() throws -> UInt64 {
        try first("SELECT keyring_epoch FROM identity WHERE id = 1") { try $0.number(0) } ?? 0
    }

    func putKeyringEpoch(_ epoch: UInt64) throws {
        try run("UPDATE identity SET keyring_epoch = $1 WHERE id = 1", .integer(epoch.column))
    }

    func probe() throws { try run("UPDATE log_head SET size = size WHERE id = 1") }

    func policy() throws -> StoredPolicy? {
        guard
            let found = try first(
                "SELECT version, text, applied, sequence FROM policies ORDER BY sequence DESC LIMIT 1",
                read: { row in (row.text(0), row.text(1), try row.time(2), try row.integer(3)) })
        else { return nil }
        let texts = try all("SELECT name, text FROM policy_calendars WHERE policy = $1", .integer(found.3)) {
            ($0.text(0), $0.text(1))
        }
        return StoredPolicy(
            version: found.0, text: found.1, calendars: Dictionary(texts) { first, _ in first },
            applied: found.2)
    }

    func putPolicy(_ policy: StoredPolicy) throws {
        let sequence = try first(
            "INSERT INTO policies (version, text, applied) VALUES ($1, $2, $3) RETURNING sequence",
            .text(policy.version), .text(policy.text), .time(policy.applied)
        ) { try $0.integer(0) }
        guard let sequence else { throw StoreError.corrupt("policies") }
        let calendars = Array(policy.calendars)
        try run(
            "INSERT INTO policy_calendars SELECT $1, * FROM unnest($2::text[], $3::text[])",
            .integer(sequence),
            .texts(calendars.map(\.key)), .texts(calendars.map(\.value)))
    }

    // MARK: Log

    func logHead() throws -> LogHead {
        let head = try first("SELECT size, frontier, last_time FROM log_head WHERE id = 1") { row in
            LogHead(size: try row.number(0), frontier: row.bytes(1), lastTime: try row.time(2))
        }
        guard let head else { throw StoreError.corrupt("log_head") }
        return head
    }

    func logLeaves(_ range: Range<UInt64>) throws -> [[UInt8]] {
        let found = try all(
            "SELECT position, leaf FROM log_entries WHERE position >= $1 AND position < $2 ORDER BY position",
            .integer(range.lowerBound.column), .integer(range.upperBound.column)
        ) { (try $0.integer(0), $0.bytes(1)) }
        // A gap ends the answer, so that an index never names another entry than the caller thinks.
        return zip(found, range.lowerBound...).prefix { $0.0 == $1.column }.map(\.0.1)
    }

    func disclosures(_ range: Range<UInt64>) throws -> [UInt64: StoredDisclosures] {
        let found = try all(
            "SELECT position, contact, sealed, previous FROM log_disclosures WHERE position >= $1 AND position < $2",
            .integer(range.lowerBound.column), .integer(range.upperBound.column)
        ) { row -> (UInt64, StoredDisclosures) in
            (
                try row.number(0),
                StoredDisclosures(
                    contact: row.bytesIfPresent(1).flatMap { ContactID(bytes: $0) }, sealed: row.bytes(2),
                    previous: row.isNull(3) ? nil : UInt64(exactly: try row.integer(3)))
            )
        }
        return Dictionary(found) { first, _ in first }
    }

    func tiles(level: UInt8, _ range: Range<UInt64>) throws -> [StoredTile] {
        try all(
            """
            SELECT position, hashes, root FROM log_tiles
            WHERE level = $1 AND position >= $2 AND position < $3 ORDER BY position
            """,
            .integer(Int64(level)), .integer(range.lowerBound.column), .integer(range.upperBound.column)
        ) { row in
            StoredTile(level: level, index: try row.number(0), hashes: row.bytes(1), root: row.bytes(2))
        }
    }

    private static let checkpointColumns = "size, root, note, signed, witnessed"

    private static func checkpoint(_ row: PostgresRow) throws -> StoredCheckpoint {
        StoredCheckpoint(
            size: try row.number(0), root: row.bytes(1), note: row.text(2), signed: try row.time(3),
            isWitnessed: try row.integer(4) != 0)
    }

    func latestCheckpoint() throws -> StoredCheckpoint? {
        try first(
            "SELECT \(Self.checkpointColumns) FROM checkpoints ORDER BY size DESC LIMIT 1",
            read: Self.checkpoint)
    }

    func latestWitnessedCheckpoint() throws -> StoredCheckpoint? {
        try first(
            "SELECT \(Self.checkpointColumns) FROM checkpoints WHERE witnessed = 1 ORDER BY size DESC LIMIT 1",
            read: Self.checkpoint)
    }

    func firstLeaf() throws -> UInt64 {
        try first("SELECT first_leaf FROM log_retention") { try $0.number(0) } ?? 0
    }

    func checkpoints(_ sizes: ClosedRange<UInt64>) throws -> [StoredCheckpoint] {
        try all(
            "SELECT \(Self.checkpointColumns) FROM checkpoints WHERE size BETWEEN $1 AND $2 ORDER BY size",
            .integer(sizes.lowerBound.column), .integer(sizes.upperBound.column), read: Self.checkpoint)
    }

    func append(_ batch: LogBatch) throws {
        let moved = try run(
            "UPDATE log_head SET size = $1, frontier = $2, last_time = $3 WHERE id = 1 AND size = $4",
            .integer(batch.head.size.column), .bytes(batch.head.frontier), .time(batch.head.lastTime),
            .integer(batch.first.column))
        guard moved == 1 else { throw StoreError.conflict }
        written.size = batch.head.size
        try run(
            "INSERT INTO log_entries SELECT $1 + place - 1, leaf FROM unnest($2::bytea[]) WITH ORDINALITY AS l (leaf, place)",
            .integer(batch.first.column), .byteStrings(batch.leaves))
        if !batch.disclosures.isEmpty {
            try run(
                "INSERT INTO log_disclosures SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])",
                .integers(batch.disclosures.map { $0.0.column }),
                .byteStrings(batch.disclosures.map { $0.1.contact?.bytes }),
                .byteStrings(batch.disclosures.map { $0.1.sealed }),
                .integers(batch.disclosures.map { $0.1.previous?.column }))
        }
        guard !batch.tiles.isEmpty else { return }
        try run(
            "INSERT INTO log_tiles SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])",
            .integers(batch.tiles.map { Int64($0.level) }), .integers(batch.tiles.map { $0.index.column }),
            .byteStrings(batch.tiles.map { $0.hashes }), .byteStrings(batch.tiles.map { $0.root }))
    }

    func putCheckpoint(_ checkpoint: StoredCheckpoint) throws {
        let stored = try run(
            """
            INSERT INTO checkpoints VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (size) DO UPDATE SET note = excluded.note, witnessed = excluded.witnessed
                WHERE checkpoints.root = excluded.root
            """,
            .integer(checkpoint.size.column), .bytes(checkpoint.root), .text(checkpoint.note),
            .time(checkpoint.signed),
            .integer(checkpoint.isWitnessed ? 1 : 0))
        guard stored == 1 else { throw StoreError.conflict }
    }

    func removeLeaves(before index: UInt64) throws {
        guard index % 256 == 0, index > (try firstLeaf()), index < (try logHead().size) else {
            throw StoreError.conflict
        }
        let column = PostgresArgument.integer(index.column)
        try run(
            "INSERT INTO log_retention VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET first_leaf = $1", column)
        try run("DELETE FROM log_entries WHERE position < $1", column)
        try run("DELETE FROM log_disclosures WHERE position < $1", column)
        try run(
            "DELETE FROM checkpoints WHERE size < (SELECT max(size) FROM checkpoints WHERE size <= $1)",
            column)
    }

    func putLogOrigin(_ origin: String) throws {
        try run("UPDATE identity SET log_origin = $1 WHERE id = 1", .text(origin))
        try run("UPDATE checkpoints SET witnessed = 0 WHERE witnessed = 1")
    }

    // MARK: Uses and replays

    func insertProofs(_ proofs: [ProofUse]) throws -> [Bool] {
        guard !proofs.isEmpty else { return [] }
        var new = Set(
            try all(
                """
                INSERT INTO proofs SELECT DISTINCT * FROM unnest($1::bigint[], $2::bytea[])
                ON CONFLICT DO NOTHING RETURNING expires, digest
                """,
                .integers(proofs.map { $0.expires.milliseconds }), .byteStrings(proofs.map { $0.digest })
            ) { ProofUse(digest: $0.bytes(1), expires: try $0.time(0)) })
        return proofs.map { new.remove($0) != nil }
    }

    func revocations(_ keys: [RevocationKey]) throws -> [RevocationKey: StoredRevocation] {
        try dictionary(
            """
            SELECT k.place, r.revoked, r.expires
            FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS k (kind, subject, place)
            JOIN revocations r ON r.kind = k.kind AND r.subject = k.subject
            """, keys, .texts(keys.map { $0.kind.rawValue }), .byteStrings(keys.map { $0.subject })
        ) { StoredRevocation(revoked: try $0.time(1), expires: try $0.time(2)) }
    }

    func putRevocations(_ revocations: [RevocationKey: StoredRevocation]) throws {
        guard !revocations.isEmpty else { return }
        let rows = Array(revocations)
        try run(
            """
            INSERT INTO revocations SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[])
            ON CONFLICT (kind, subject) DO UPDATE SET revoked = excluded.revoked, expires = excluded.expires
            """,
            .texts(rows.map { $0.key.kind.rawValue }), .byteStrings(rows.map { $0.key.subject }),
            .integers(rows.map { $0.value.revoked.milliseconds }),
            .integers(rows.map { $0.value.expires.milliseconds }))
    }

    func tokenUses(_ keys: [TokenUseKey]) throws -> [TokenUseKey: Int64] {
        try dictionary(
            """
            SELECT k.place, u.uses
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS k (expires, token, contact, place)
            JOIN token_uses u ON u.expires = k.expires AND u.token = k.token AND u.contact = k.contact
            """, keys, .integers(keys.map { $0.expires.milliseconds }), .byteStrings(keys.map { $0.token }),
            .byteStrings(keys.map { $0.contact.bytes })
        ) { try $0.integer(1) }
    }

    func putTokenUses(_ uses: [TokenUseKey: Int64]) throws {
        guard !uses.isEmpty else { return }
        let rows = Array(uses)
        try run(
            """
            INSERT INTO token_uses SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
            ON CONFLICT (expires, token, contact) DO UPDATE SET uses = excluded.uses
            """,
            .integers(rows.map { $0.key.expires.milliseconds }), .byteStrings(rows.map { $0.key.token }),
            .byteStrings(rows.map { $0.key.contact.bytes }), .integers(rows.map(\.value)))
    }

    func deliveries(_ keys: [DeliveryKey]) throws -> [DeliveryKey: Delivery] {
        try dictionary(
            """
            SELECT k.place, d.release, d.time, d.use
            FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[])
                WITH ORDINALITY AS k (expires, token, request, contact, place)
            JOIN deliveries d ON d.expires = k.expires AND d.token = k.token AND d.request = k.request
                AND d.contact = k.contact
            """, keys, .integers(keys.map { $0.expires.milliseconds }), .byteStrings(keys.map { $0.token }),
            .texts(keys.map { $0.request }), .byteStrings(keys.map { $0.contact.bytes })
        ) { row in
            guard let release = ReleaseID(bytes: row.bytes(1)) else { throw StoreError.corrupt("deliveries") }
            return Delivery(release: release, time: try row.time(2), use: try row.integer(3))
        }
    }

    func putDeliveries(_ deliveries: [DeliveryKey: Delivery]) throws {
        guard !deliveries.isEmpty else { return }
        let rows = Array(deliveries)
        try run(
            """
            INSERT INTO deliveries SELECT * FROM unnest(
                $1::bigint[], $2::bytea[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[])
            ON CONFLICT (expires, token, request, contact) DO UPDATE SET release = excluded.release,
                time = excluded.time, use = excluded.use
            """,
            .integers(rows.map { $0.key.expires.milliseconds }), .byteStrings(rows.map { $0.key.token }),
            .texts(rows.map { $0.key.request }), .byteStrings(rows.map { $0.key.contact.bytes }),
            .byteStrings(rows.map { $0.value.release.bytes }),
            .integers(rows.map { $0.value.time.milliseconds }),
            .integers(rows.map { $0.value.use }))
    }

    func idempotentResult(_ key: IdempotencyKey) throws -> IdempotentResult? {
        try first(
            """
            SELECT body, contact, expires FROM idempotent_results
            WHERE client = $1 AND digest = $2 AND expires > $3
            """, .text(key.client.text), .bytes(key.digest), .time(now)
        ) { row in
            guard let contact = ContactID(bytes: row.bytes(1)) else {
                throw StoreError.corrupt("idempotent_results")
            }
            return IdempotentResult(body: row.bytes(0), contact: contact, expires: try row.time(2))
        }
    }

    func putIdempotentResult(_ result: IdempotentResult, for key: IdempotencyKey) throws {
        try run(
            """
            INSERT INTO idempotent_results VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (client, digest) DO UPDATE SET body = excluded.body, contact = excluded.contact,
                expires = excluded.expires
            """,
            .text(key.client.text), .bytes(key.digest), .bytes(result.body), .bytes(result.contact.bytes),
            .time(result.expires))
    }

    func purgeExpired(before: Timestamp) throws {
        for table in ["proofs", "token_uses", "deliveries", "idempotent_results", "revocations"] {
            try run("DELETE FROM \(table) WHERE expires < $1", .time(before))
        }
        try purgeCounts(before: before)
    }

    // MARK: Statements

    /// - Returns: how many rows it changed.
    @discardableResult
    func run(_ sql: String, _ arguments: PostgresArgument...) throws -> Int {
        try connection.run(sql, arguments).changed
    }

    func first<Value>(
        _ sql: String, _ arguments: PostgresArgument..., read: (PostgresRow) throws -> Value
    ) throws -> Value? {
        let result = try connection.run(sql, arguments)
        return result.count == 0 ? nil : try read(result[0])
    }

    func all<Value>(
        _ sql: String, _ arguments: PostgresArgument..., read: (PostgresRow) throws -> Value
    ) throws -> [Value] {
        let result = try connection.run(sql, arguments)
        return try (0..<result.count).map { try read(result[$0]) }
    }

    /// What is found for each key. The first column is the key's place in the list, from 1.
    func dictionary<Key: Hashable, Value>(
        _ sql: String, _ keys: [Key], _ arguments: PostgresArgument..., read: (PostgresRow) throws -> Value
    ) throws -> [Key: Value] {
        guard !keys.isEmpty else { return [:] }
        let result = try connection.run(sql, arguments)
        var found: [Key: Value] = [:]
        for number in 0..<result.count {
            let row = result[number]
            let place = Int(try row.integer(0)) - 1
            guard keys.indices.contains(place) else { throw StoreError.corrupt("place") }
            found[keys[place]] = try read(row)
        }
        return found
    }

    /// As ``dictionary(_:_:_:read:)``, with all rows of a key in the order that they come in.
    func lists<Key: Hashable, Value>(
        _ sql: String, _ keys: [Key], _ arguments: PostgresArgument..., read: (PostgresRow) throws -> Value
    ) throws -> [Key: [Value]] {
        guard !keys.isEmpty else { return [:] }
        let result = try connection.run(sql, arguments)
        var found: [Key: [Value]] = [:]
        for number in 0..<result.count {
            let row = result[number]
            let place = Int(try row.integer(0)) - 1
            guard keys.indices.contains(place) else { throw StoreError.corrupt("place") }
            found[keys[place], default: []].append(try read(row))
        }
        return found
    }
}

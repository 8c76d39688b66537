// Clients and agencies, copies of the store, and what may not be used twice.

import ContactModel
import ContactVault
import StrictEncoding

extension PostgresTransaction {
    // MARK: Clients

    func clients() throws -> [StoredClient] {
        try connection.all("SELECT id, revision, registration FROM clients ORDER BY id") { row in
            guard let id = Reference(try row.text(0)) else { throw StoreError.corrupt("clients") }
            return StoredClient(id: id, revision: try row.number(1), registration: try row.bytes(2))
        }
    }

    func clientRevisions(_ ids: [Reference]) throws -> [Reference: UInt64] {
        try find(
            ids,
            """
            SELECT number, revision
            FROM unnest($1::text[]) WITH ORDINALITY AS asked (id, number) JOIN clients USING (id)
            """, { [.texts($0.map(\.text))] }
        ) { row, _ in try row.number(1) }
    }

    func putClient(_ client: StoredClient) throws {
        try connection.run(
            """
            INSERT INTO clients (id, revision, registration) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE
            SET revision = excluded.revision, registration = excluded.registration
            """, [.text(client.id.text), .integer(client.revision.column), .bytes(client.registration)])
    }

    func entrustments(of agencies: [Reference]) throws -> [Reference: Entrustment] {
        guard !agencies.isEmpty else { return [:] }
        let rows = try connection.all(
            "SELECT id, entrusted_from, entrusted_until, bounds FROM agencies WHERE id = ANY ($1)",
            [.texts(Set(agencies).map(\.text))], read: Self.entrustment)
        return Dictionary(rows.map { ($0.agency, $0) }) { first, _ in first }
    }

    func entrustments() throws -> [Entrustment] {
        try connection.all(
            "SELECT id, entrusted_from, entrusted_until, bounds FROM agencies ORDER BY id",
            read: Self.entrustment)
    }

    private static func entrustment(_ row: RowReader) throws -> Entrustment {
        guard let agency = Reference(try row.text(0)),
            let bounds = (try? JSONValue.parse(try row.bytes(3)))?.objectValue,
            let roles = bounds["roles"]?.words({ Role(rawValue: $0) }),
            let purposes = bounds["purposes"]?.words({ Purpose($0) }),
            let portfolios = bounds["portfolios"]?.words({ Reference($0) }),
            let entrustment = Entrustment(
                agency: agency, from: try row.time(1), until: try row.timeIfPresent(2), roles: roles,
                purposes: purposes, portfolios: portfolios)
        else { throw StoreError.corrupt("agencies") }
        return entrustment
    }

    func putEntrustment(_ entrustment: Entrustment) throws {
        func list(_ words: [String]) -> JSONValue { .array(words.sorted().map { .string($0) }) }
        let bounds = JSONValue.object(
            JSONObject([
                ("roles", list(entrustment.roles.map(\.rawValue))),
                ("purposes", list(entrustment.purposes.map(\.text))),
                ("portfolios", list(entrustment.portfolios.map(\.text))),
            ]))
        try connection.run(
            """
            INSERT INTO agencies (id, entrusted_from, entrusted_until, bounds) VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET entrusted_from = excluded.entrusted_from,
                entrusted_until = excluded.entrusted_until, bounds = excluded.bounds
            """,
            [
                .text(entrustment.agency.text), .time(entrustment.from), .time(entrustment.until),
                .bytes(bounds.canonicalBytes),
            ])
    }

    // MARK: Copies

    func backups() throws -> [StoredBackup] {
        try connection.all(
            "SELECT id, made, log_size, has_keyring, key_needs, forgotten FROM backups ORDER BY made, id"
        ) { row in
            guard let id = Reference(try row.text(0)) else { throw StoreError.corrupt("backups") }
            return StoredBackup(
                id: id, made: try row.time(1), logSize: try row.number(2), hasKeyring: try row.flag(3),
                needs: try row.textIfPresent(4).map { try Self.needs($0) },
                forgotten: try row.timeIfPresent(5))
        }
    }

    func putBackup(_ backup: StoredBackup) throws {
        let needs = backup.needs.map { needs in
            JSONValue.array(
                needs.map { need in
                    .array([
                        .string(need.name), .integer(Int64(need.id)), .integer(Int64(need.version)),
                        .integer(need.count.column),
                    ])
                }
            ).canonicalText
        }
        try connection.run(
            """
            INSERT INTO backups (id, made, log_size, has_keyring, key_needs, forgotten)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE
            SET made = excluded.made, log_size = excluded.log_size, has_keyring = excluded.has_keyring,
                key_needs = excluded.key_needs, forgotten = excluded.forgotten
            """,
            [
                .text(backup.id.text), .time(backup.made), .integer(backup.logSize.column),
                .flag(backup.hasKeyring), .text(needs), .time(backup.forgotten),
            ])
    }

    /// What a copy needs. One that does not parse is corrupt: it must not look like a copy that needs
    /// nothing.
    private static func needs(_ text: String) throws -> [StoredKeyNeed] {
        guard let list = (try? JSONValue.parse(Array(text.utf8)))?.arrayValue else {
            throw StoreError.corrupt("backups")
        }
        return try list.map { need in
            guard let need = need.arrayValue, need.count == 4, let name = need[0].stringValue,
                let id = need[1].integerValue.flatMap({ UInt32(exactly: $0) }),
                let version = need[2].integerValue.flatMap({ UInt32(exactly: $0) }),
                let count = need[3].integerValue.flatMap({ UInt64(exactly: $0) })
            else { throw StoreError.corrupt("backups") }
            return StoredKeyNeed(name: name, id: id, version: version, count: count)
        }
    }

    // MARK: Uses and replays

    func insertProofs(_ proofs: [ProofUse]) throws -> [Bool] {
        guard !proofs.isEmpty else { return [] }
        let inserted = try connection.all(
            """
            INSERT INTO proofs (expires, digest) SELECT * FROM unnest($1::bigint[], $2::bytea[])
            ON CONFLICT (expires, digest) DO NOTHING RETURNING expires, digest
            """, [.times(proofs.map(\.expires)), .manyBytes(proofs.map(\.digest))]
        ) { ProofUse(digest: try $0.bytes(1), expires: try $0.time(0)) }
        var new = Set(inserted)
        return proofs.map { new.remove($0) != nil }
    }

    func revocations(_ keys: [RevocationKey]) throws -> [RevocationKey: StoredRevocation] {
        try find(
            keys,
            """
            SELECT number, revoked, expires
            FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS asked (kind, subject, number)
            JOIN revocations USING (kind, subject)
            """, { [.texts($0.map(\.kind.rawValue)), .manyBytes($0.map(\.subject))] }
        ) { row, _ in StoredRevocation(revoked: try row.time(1), expires: try row.time(2)) }
    }

    func putRevocations(_ revocations: [RevocationKey: StoredRevocation]) throws {
        guard !revocations.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO revocations (kind, subject, revoked, expires)
            SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[])
            ON CONFLICT (kind, subject) DO UPDATE SET revoked = excluded.revoked, expires = excluded.expires
            """,
            [
                .texts(revocations.map(\.key.kind.rawValue)), .manyBytes(revocations.map(\.key.subject)),
                .times(revocations.map(\.value.revoked)), .times(revocations.map(\.value.expires)),
            ])
    }

    func tokenUses(_ keys: [TokenUseKey]) throws -> [TokenUseKey: Int64] {
        try find(
            keys,
            """
            SELECT number, uses
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) WITH ORDINALITY
                AS asked (expires, token, contact, number)
            JOIN token_uses USING (expires, token, contact)
            """,
            { keys in
                [
                    .times(keys.map(\.expires)), .manyBytes(keys.map(\.token)),
                    .manyBytes(keys.map(\.contact.bytes)),
                ]
            }
        ) { row, _ in try row.integer(1) }
    }

    func putTokenUses(_ uses: [TokenUseKey: Int64]) throws {
        guard !uses.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO token_uses (expires, token, contact, uses)
            SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
            ON CONFLICT (expires, token, contact) DO UPDATE SET uses = excluded.uses
            """,
            [
                .times(uses.map(\.key.expires)), .manyBytes(uses.map(\.key.token)),
                .manyBytes(uses.map(\.key.contact.bytes)), .integers(uses.map(\.value)),
            ])
    }

    func deliveries(_ keys: [DeliveryKey]) throws -> [DeliveryKey: Delivery] {
        try find(
            keys,
            """
            SELECT number, release, time, use
            FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[]) WITH ORDINALITY
                AS asked (expires, token, request, contact, number)
            JOIN deliveries USING (expires, token, request, contact)
            """,
            { keys in
                [
                    .times(keys.map(\.expires)), .manyBytes(keys.map(\.token)), .texts(keys.map(\.request)),
                    .manyBytes(keys.map(\.contact.bytes)),
                ]
            }
        ) { row, _ in
            guard let release = ReleaseID(bytes: try row.bytes(1)) else {
                throw StoreError.corrupt("deliveries")
            }
            return Delivery(release: release, time: try row.time(2), use: try row.integer(3))
        }
    }

    func putDeliveries(_ deliveries: [DeliveryKey: Delivery]) throws {
        guard !deliveries.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO deliveries (expires, token, request, contact, release, time, use)
            SELECT * FROM unnest(
                $1::bigint[], $2::bytea[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[])
            ON CONFLICT (expires, token, request, contact) DO UPDATE
            SET release = excluded.release, time = excluded.time, use = excluded.use
            """,
            [
                .times(deliveries.map(\.key.expires)), .manyBytes(deliveries.map(\.key.token)),
                .texts(deliveries.map(\.key.request)), .manyBytes(deliveries.map(\.key.contact.bytes)),
                .manyBytes(deliveries.map(\.value.release.bytes)), .times(deliveries.map(\.value.time)),
                .integers(deliveries.map(\.value.use)),
            ])
    }

    func idempotentResult(_ key: IdempotencyKey) throws -> IdempotentResult? {
        try connection.first(
            """
            SELECT body, contact, expires FROM idempotent_results
            WHERE client = $1 AND digest = $2 AND expires > $3
            """, [.text(key.client.text), .bytes(key.digest), .time(now)]
        ) { row in
            guard let contact = ContactID(bytes: try row.bytes(1)) else {
                throw StoreError.corrupt("idempotent_results")
            }
            return IdempotentResult(body: try row.bytes(0), contact: contact, expires: try row.time(2))
        }
    }

    func putIdempotentResult(_ result: IdempotentResult, for key: IdempotencyKey) throws {
        try connection.run(
            """
            INSERT INTO idempotent_results (client, digest, body, contact, expires) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (client, digest) DO UPDATE
            SET body = excluded.body, contact = excluded.contact, expires = excluded.expires
            """,
            [
                .text(key.client.text), .bytes(key.digest), .bytes(result.body),
                .bytes(result.contact.bytes), .time(result.expires),
            ])
    }

    func purgeExpired(before: Timestamp) throws {
        for table in ["proofs", "token_uses", "deliveries", "idempotent_results", "revocations"] {
            try connection.run("DELETE FROM \(table) WHERE expires < $1", [.time(before)])
        }
        try purgeCounts(before: before)
    }
}

extension JSONValue {
    /// A list of words of one vocabulary; `nil` if it is not.
    fileprivate func words<Word: Hashable>(_ read: (String) -> Word?) -> Set<Word>? {
        guard let values = arrayValue else { return nil }
        let words = values.compactMap { $0.stringValue.flatMap(read) }
        return words.count == values.count ? Set(words) : nil
    }
}

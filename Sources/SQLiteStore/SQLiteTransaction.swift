// The store's operations as SQL. Statements are prepared once per connection and looped over a batch: in process, a loop
// over one prepared statement costs less than building a list of values.

import ContactModel
import ContactVault
import Foundation
import GRDB

/// One transaction, or one snapshot when made by `read`. It never leaves the connection's queue.
struct SQLiteTransaction: VaultTransaction {
    let database: Database
    let now: Timestamp
    /// The steps of its schema: a copy that is only read may be of an older one.
    var steps = SQLiteSchema.steps

    private var hasRetention: Bool { steps.contains(SQLiteSchema.retention) }

    // MARK: Identity and policy

    func identity() throws -> VaultIdentity? {
        try row("SELECT tenant, issuer, log_origin, created FROM identity WHERE id = 1") { row in
            guard let tenant = TenantID(bytes: row.bytes(0)) else { throw StoreError.corrupt("identity") }
            return VaultIdentity(
                tenant: tenant, issuer: row[1], logOrigin: row[2], created: try row.time(3))
        }
    }

    func putIdentity(_ identity: VaultIdentity) throws {
        try execute(
            "INSERT INTO identity (id, tenant, issuer, log_origin, created) VALUES (1, ?, ?, ?, ?)",
            [Data(identity.tenant.bytes), identity.issuer, identity.logOrigin, identity.created.milliseconds])
    }

    func keyringEpoch() throws -> UInt64 {
        try row("SELECT keyring_epoch FROM identity WHERE id = 1") { row in
            try row.number(0)
        } ?? 0
    }

    func putKeyringEpoch(_ epoch: UInt64) throws {
        try execute("UPDATE identity SET keyring_epoch = ? WHERE id = 1", [epoch.column])
    }

    func probe() throws { try execute("UPDATE log_head SET size = size WHERE id = 1", []) }

    func policy() throws -> StoredPolicy? {
        try row("SELECT version, text, applied, sequence FROM policies ORDER BY sequence DESC LIMIT 1") {
            row in
            StoredPolicy(
                version: row[0], text: row[1], calendars: try calendars(ofPolicy: row[3]),
                applied: try row.time(2))
        }
    }

    private func calendars(ofPolicy sequence: Int64) throws -> [String: String] {
        let statement = try PreparedStatement(
            database, "SELECT name, text FROM policy_calendars WHERE policy = ?")
        var texts: [String: String] = [:]
        for (name, text) in try statement.all(.integer(sequence), read: { ($0.text(0), $0.text(1)) }) {
            texts[name] = text
        }
        return texts
    }

    func putPolicy(_ policy: StoredPolicy) throws {
        try execute(
            "INSERT INTO policies (version, text, applied) VALUES (?, ?, ?)",
            [policy.version, policy.text, policy.applied.milliseconds])
        let sequence = database.lastInsertedRowID
        let calendar = try PreparedStatement(database, "INSERT INTO policy_calendars VALUES (?, ?, ?)")
        for (name, text) in policy.calendars {
            try calendar.run(.integer(sequence), .text(name), .text(text))
        }
    }

    // MARK: Log

    func logHead() throws -> LogHead {
        guard
            let head = try row(
                "SELECT size, frontier, last_time FROM log_head WHERE id = 1", [],
                { row in
                    LogHead(
                        size: try row.number(0), frontier: row.bytes(1), lastTime: try row.time(2))
                })
        else { throw StoreError.corrupt("log_head") }
        return head
    }

    func logLeaves(_ range: Range<UInt64>) throws -> [[UInt8]] {
        var next = range.lowerBound
        return try rows(
            "SELECT position, leaf FROM log_entries WHERE position >= ? AND position < ? ORDER BY position",
            [range.lowerBound.column, range.upperBound.column]
        ) { row in
            // A gap ends the answer, so that an index never names another entry than the caller thinks.
            guard (row[0] as Int64) == next.column else { return nil }
            next += 1
            return row.bytes(1)
        }
    }

    func disclosures(_ range: Range<UInt64>) throws -> [UInt64: StoredDisclosures] {
        let pairs = try rows(
            "SELECT position, contact, sealed, previous FROM log_disclosures WHERE position >= ? AND position < ?",
            [range.lowerBound.column, range.upperBound.column]
        ) { row in
            let index: UInt64 = try row.number(0)
            return (
                index,
                StoredDisclosures(
                    contact: (row[1] as Data?).flatMap { ContactID(bytes: Array($0)) }, sealed: row.bytes(2),
                    previous: (row[3] as Int64?).flatMap { UInt64(exactly: $0) })
            )
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    func tiles(level: UInt8, _ range: Range<UInt64>) throws -> [StoredTile] {
        try rows(
            """
            SELECT position, hashes, root FROM log_tiles
            WHERE level = ? AND position >= ? AND position < ? ORDER BY position
            """,
            [Int(level), range.lowerBound.column, range.upperBound.column]
        ) { row in
            StoredTile(level: level, index: try row.number(0), hashes: row.bytes(1), root: row.bytes(2))
        }
    }

    func latestCheckpoint() throws -> StoredCheckpoint? {
        try row(
            "SELECT size, root, note, signed, \(witnessed) FROM checkpoints ORDER BY size DESC LIMIT 1", [],
            Self.checkpoint)
    }

    func latestWitnessedCheckpoint() throws -> StoredCheckpoint? {
        try row(
            """
            SELECT size, root, note, signed, witnessed FROM checkpoints WHERE witnessed = 1
            ORDER BY size DESC LIMIT 1
            """, [], Self.checkpoint)
    }

    private var witnessed: String { hasRetention ? "witnessed" : "0" }

    func firstLeaf() throws -> UInt64 {
        guard hasRetention else { return 0 }
        return try row("SELECT first_leaf FROM log_retention", []) { row in try row.number(0) } ?? 0
    }

    func checkpoints(_ sizes: ClosedRange<UInt64>) throws -> [StoredCheckpoint] {
        try rows(
            "SELECT size, root, note, signed, \(witnessed) FROM checkpoints WHERE size BETWEEN ? AND ? ORDER BY size",
            [sizes.lowerBound.column, sizes.upperBound.column], Self.checkpoint)
    }

    private static func checkpoint(_ row: Row) throws -> StoredCheckpoint {
        StoredCheckpoint(
            size: try row.number(0), root: row.bytes(1), note: row[2], signed: try row.time(3),
            isWitnessed: row[4])
    }

    func append(_ batch: LogBatch) throws {
        try execute(
            "UPDATE log_head SET size = ?, frontier = ?, last_time = ? WHERE id = 1 AND size = ?",
            [
                batch.head.size.column, Data(batch.head.frontier), batch.head.lastTime.milliseconds,
                batch.first.column,
            ])
        guard database.changesCount == 1 else { throw StoreError.conflict }
        let entry = try PreparedStatement(database, "INSERT INTO log_entries VALUES (?, ?)")
        for (offset, leaf) in batch.leaves.enumerated() {
            try entry.run(.integer(batch.first.column + Int64(offset)), .bytes(leaf))
        }
        let disclosure = try PreparedStatement(database, "INSERT INTO log_disclosures VALUES (?, ?, ?, ?)")
        for (index, value) in batch.disclosures {
            try disclosure.run(
                .integer(index.column), value.contact.map { .bytes($0.bytes) } ?? .null, .bytes(value.sealed),
                value.previous.map { .integer($0.column) } ?? .null)
        }
        for tile in batch.tiles {
            try execute(
                "INSERT INTO log_tiles VALUES (?, ?, ?, ?)",
                [Int(tile.level), tile.index.column, Data(tile.hashes), Data(tile.root)])
        }
    }

    func putCheckpoint(_ checkpoint: StoredCheckpoint) throws {
        try execute(
            """
            INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (size) DO UPDATE SET note = excluded.note, witnessed = excluded.witnessed
                WHERE root = excluded.root
            """,
            [
                checkpoint.size.column, Data(checkpoint.root), checkpoint.note,
                checkpoint.signed.milliseconds, checkpoint.isWitnessed,
            ])
        guard database.changesCount == 1 else { throw StoreError.conflict }
    }

    func removeLeaves(before index: UInt64) throws {
        guard index % 256 == 0, index > (try firstLeaf()), index < (try logHead().size) else {
            throw StoreError.conflict
        }
        let column = index.column
        try execute(
            "INSERT INTO log_retention VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET first_leaf = ?",
            [column, column])
        try execute("DELETE FROM log_entries WHERE position < ?", [column])
        try execute("DELETE FROM log_disclosures WHERE position < ?", [column])
        try execute(
            "DELETE FROM checkpoints WHERE size < (SELECT MAX(size) FROM checkpoints WHERE size <= ?)",
            [column])
    }

    // MARK: Contacts

    func contacts(_ ids: [ContactID]) throws -> [ContactID: StoredContact] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT borrower, portfolio, attributes, generation, sealed, disclosure_key, phone_index_version,
                   phone_index, state, stopped, created, updated, retain_until
            FROM contacts WHERE id = ?
            """)
        var found: [ContactID: StoredContact] = [:]
        for id in ids where found[id] == nil {
            found[id] = try statement.first(.bytes(id.bytes)) { row in
                guard let borrower = Reference(row.text(0)), let portfolio = Reference(row.text(1)),
                    let state = RecordState(rawValue: row.text(8))
                else { throw StoreError.corrupt("contacts") }
                return StoredContact(
                    id: id, borrower: borrower, portfolio: portfolio, attributes: row.bytes(2),
                    generation: try row.number(3), sealed: row.bytes(4), disclosureKey: row.bytes(5),
                    phoneIndexVersion: try row.number(6), phoneIndex: row.bytes(7), state: state,
                    stopped: try row.timeIfPresent(9), created: try row.time(10), updated: try row.time(11),
                    retainUntil: row.text(12))
            }
        }
        return found
    }

    func contactCount() throws -> UInt64 {
        try row("SELECT count(*) FROM contacts") { try $0.number(0) } ?? 0
    }

    func insertContacts(_ contacts: [StoredContact]) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        for contact in contacts {
            try statement.execute(arguments: [
                Data(contact.id.bytes), contact.borrower.text, contact.portfolio.text,
                Data(contact.attributes),
                contact.generation.column, Data(contact.sealed), Data(contact.disclosureKey),
                Int64(contact.phoneIndexVersion), Data(contact.phoneIndex), contact.state.rawValue,
                contact.stopped?.milliseconds, contact.created.milliseconds, contact.updated.milliseconds,
                contact.retainUntil,
            ])
        }
    }

    func replaceContact(_ contact: StoredContact, expecting generation: UInt64) throws -> Bool {
        try execute(
            """
            UPDATE contacts SET borrower = ?, portfolio = ?, attributes = ?, generation = ?, sealed = ?,
                disclosure_key = ?, phone_index_version = ?, phone_index = ?, state = ?, stopped = ?, updated = ?,
                retain_until = ?
            WHERE id = ? AND generation = ?
            """,
            [
                contact.borrower.text, contact.portfolio.text, Data(contact.attributes),
                contact.generation.column,
                Data(contact.sealed), Data(contact.disclosureKey), Int64(contact.phoneIndexVersion),
                Data(contact.phoneIndex), contact.state.rawValue, contact.stopped?.milliseconds,
                contact.updated.milliseconds, contact.retainUntil, Data(contact.id.bytes), generation.column,
            ])
        return database.changesCount == 1
    }

    func eraseContact(_ contact: ContactID) throws {
        try execute(
            """
            UPDATE contacts SET borrower = 'erased', portfolio = 'erased', attributes = x'', sealed = x'',
                disclosure_key = x'', phone_index = x'', state = 'erased', stopped = NULL, updated = ?,
                retain_until = ''
            WHERE id = ?
            """, [now.milliseconds, Data(contact.bytes)])
        guard database.changesCount == 1 else { throw StoreError.conflict }
        var entry = try sequences([contact])[contact]?.latest
        while let index = entry {
            let previous = try disclosures(index..<index + 1)[index]?.previous
            // Only backwards: whoever writes to the file could otherwise send this round in circles.
            entry = previous.flatMap { $0 < index ? $0 : nil }
            try execute("DELETE FROM log_disclosures WHERE position = ?", [index.column])
        }
        for table in ["consents", "authorisations", "contact_references", "sequences"] {
            try execute("DELETE FROM \(table) WHERE contact = ?", [Data(contact.bytes)])
        }
    }

    func legalHolds(of contacts: [ContactID]) throws -> [ContactID: StoredLegalHold] {
        let statement = try PreparedStatement(
            database, "SELECT reference, since FROM legal_holds WHERE contact = ?")
        var found: [ContactID: StoredLegalHold] = [:]
        for contact in contacts where found[contact] == nil {
            found[contact] = try statement.first(.bytes(contact.bytes)) { row in
                guard let reference = Reference(row.text(0)) else { throw StoreError.corrupt("legal_holds") }
                return StoredLegalHold(contact: contact, reference: reference, since: try row.time(1))
            }
        }
        return found
    }

    func putLegalHold(_ hold: StoredLegalHold) throws {
        try execute(
            "INSERT INTO legal_holds VALUES (?, ?, ?) ON CONFLICT (contact) DO NOTHING",
            [Data(hold.contact.bytes), hold.reference.text, hold.since.milliseconds])
    }

    func removeLegalHold(of contact: ContactID) throws {
        try execute("DELETE FROM legal_holds WHERE contact = ?", [Data(contact.bytes)])
    }

    func contactsPastRetention(_ day: String, limit: Int) throws -> [StoredContact] {
        let ids = try rows(
            """
            SELECT id FROM contacts WHERE retain_until <> '' AND retain_until < ?
            ORDER BY retain_until, id LIMIT ?
            """, [day, limit]
        ) { row in ContactID(bytes: row.bytes(0)) }
        let found = try contacts(ids)
        return ids.compactMap { found[$0] }
    }

    func putStanding(_ contact: ContactID, state: RecordState, stopped: Timestamp?) throws {
        try execute(
            "UPDATE contacts SET state = ?, stopped = ? WHERE id = ?",
            [state.rawValue, stopped?.milliseconds, Data(contact.bytes)])
        guard database.changesCount == 1 else { throw StoreError.conflict }
    }

    func consents(of contacts: [ContactID]) throws -> [ContactID: [StoredConsent]] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT purpose, notice, evidence, given, expires, withdrawn, recipients FROM consents
            WHERE contact = ? ORDER BY purpose
            """)
        var found: [ContactID: [StoredConsent]] = [:]
        for contact in contacts where found[contact] == nil {
            let consents = try statement.all(.bytes(contact.bytes)) { row in
                guard let purpose = Purpose(row.text(0)), let notice = Reference(row.text(1)) else {
                    throw StoreError.corrupt("consents")
                }
                return StoredConsent(
                    contact: contact, purpose: purpose, notice: notice, evidence: row.bytes(2),
                    recipients: try row.textIfPresent(6).map { try StoredConsent.recipients(column: $0) },
                    given: try row.time(3), expires: try row.timeIfPresent(4),
                    withdrawn: try row.timeIfPresent(5))
            }
            if !consents.isEmpty { found[contact] = consents }
        }
        return found
    }

    func putConsents(_ consents: [StoredConsent]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT OR REPLACE INTO consents
                (contact, purpose, notice, evidence, given, expires, withdrawn, recipients)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """)
        for consent in consents {
            try statement.run(
                .bytes(consent.contact.bytes), .text(consent.purpose.text), .text(consent.notice.text),
                .bytes(consent.evidence), .time(consent.given), .time(consent.expires),
                .time(consent.withdrawn), .textIfPresent(consent.recipientsColumn))
        }
    }

    func sequences(_ contacts: [ContactID]) throws -> [ContactID: EntrySequence] {
        let statement = try PreparedStatement(
            database, "SELECT count, latest FROM sequences WHERE contact = ?")
        var found: [ContactID: EntrySequence] = [:]
        for contact in contacts where found[contact] == nil {
            found[contact] = try statement.first(.bytes(contact.bytes)) { row in
                EntrySequence(count: try row.number(0), latest: try row.number(1))
            }
        }
        return found
    }

    func putSequences(_ sequences: [ContactID: EntrySequence]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO sequences VALUES (?, ?, ?)
            ON CONFLICT (contact) DO UPDATE SET count = excluded.count, latest = excluded.latest
            """)
        for (contact, sequence) in sequences {
            try statement.run(
                .bytes(contact.bytes), .integer(sequence.count.column), .integer(sequence.latest.column))
        }
    }

    // MARK: Clients

    func clients() throws -> [StoredClient] {
        try rows("SELECT id, revision, registration FROM clients ORDER BY id", []) { row in
            guard let id = Reference(row[0] as String) else { throw StoreError.corrupt("clients") }
            return StoredClient(id: id, revision: try row.number(1), registration: row.bytes(2))
        }
    }

    func clientRevisions(_ ids: [Reference]) throws -> [Reference: UInt64] {
        let statement = try PreparedStatement(database, "SELECT revision FROM clients WHERE id = ?")
        var found: [Reference: UInt64] = [:]
        for id in ids where found[id] == nil {
            found[id] = try statement.first(.text(id.text)) { try $0.number(0) }
        }
        return found
    }

    func putClient(_ client: StoredClient) throws {
        try execute(
            """
            INSERT INTO clients VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE
            SET revision = excluded.revision, registration = excluded.registration
            """,
            [client.id.text, client.revision.column, Data(client.registration)])
    }

    func entrustments(of agencies: [Reference]) throws -> [Reference: Entrustment] {
        let statement = try PreparedStatement(
            database, "SELECT \(Entrustment.columns) FROM agencies WHERE id = ?")
        var found: [Reference: Entrustment] = [:]
        for agency in agencies where found[agency] == nil {
            found[agency] = try statement.first(.text(agency.text)) { try Entrustment($0) }
        }
        return found
    }

    func entrustments() throws -> [Entrustment] {
        try PreparedStatement(
            database, "SELECT \(Entrustment.columns) FROM agencies ORDER BY id"
        ).all { try Entrustment($0) }
    }

    func putEntrustment(_ entrustment: Entrustment) throws {
        try execute(
            """
            INSERT INTO agencies VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
            SET entrusted_from = excluded.entrusted_from, entrusted_until = excluded.entrusted_until,
                bounds = excluded.bounds
            """,
            [
                entrustment.agency.text, entrustment.from.milliseconds, entrustment.until?.milliseconds,
                Data(entrustment.bounds),
            ])
    }

    func keyChanges() throws -> [StoredKeyChange] {
        try rows("SELECT name, id, version, state, since FROM key_changes ORDER BY name, id, version", []) {
            row in
            StoredKeyChange(
                name: row[0], id: try row.number(1), version: try row.number(2), state: row[3],
                since: try row.time(4))
        }
    }

    func putKeyChange(_ change: StoredKeyChange) throws {
        try execute(
            """
            INSERT INTO key_changes VALUES (?, ?, ?, ?, ?) ON CONFLICT (name, id, version) DO UPDATE
            SET state = excluded.state, since = excluded.since
            """,
            [
                change.name, Int64(change.id), Int64(change.version), change.state,
                change.since.milliseconds,
            ])
    }

    // MARK: Copies

    func backups() throws -> [StoredBackup] {
        guard steps.contains(SQLiteSchema.backups) else { return [] }
        return try rows(
            "SELECT id, made, log_size, has_keyring, key_needs, forgotten FROM backups ORDER BY made, id", []
        ) { row in
            guard let id = Reference(row[0] as String) else { throw StoreError.corrupt("backups") }
            return StoredBackup(
                id: id, made: try row.time(1), logSize: try row.number(2), hasKeyring: row[3],
                needs: try (row[4] as String?).map { try StoredBackup.needs(column: $0) },
                forgotten: try row.timeIfPresent(5))
        }
    }

    func putBackup(_ backup: StoredBackup) throws {
        try execute(
            """
            INSERT INTO backups VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
            SET made = excluded.made, log_size = excluded.log_size, has_keyring = excluded.has_keyring,
                key_needs = excluded.key_needs, forgotten = excluded.forgotten
            """,
            [
                backup.id.text, backup.made.milliseconds, backup.logSize.column, backup.hasKeyring,
                backup.needsColumn,
                backup.forgotten?.milliseconds,
            ])
    }

    func putLogOrigin(_ origin: String) throws {
        try execute("UPDATE identity SET log_origin = ? WHERE id = 1", [origin])
        try execute("UPDATE checkpoints SET witnessed = 0 WHERE witnessed = 1", [])
    }

    // MARK: Uses and replays

    func insertProofs(_ proofs: [ProofUse]) throws -> [Bool] {
        let statement = try PreparedStatement(database, "INSERT OR IGNORE INTO proofs VALUES (?, ?)")
        return try proofs.map { proof in
            try statement.run(.integer(proof.expires.milliseconds), .bytes(proof.digest)) == 1
        }
    }

    func revocations(_ keys: [RevocationKey]) throws -> [RevocationKey: StoredRevocation] {
        // Mostly there are none, and then nothing is looked up.
        let isAny = try PreparedStatement(database, "SELECT 1 FROM revocations LIMIT 1").first { _ in true }
        guard isAny != nil else { return [:] }
        let statement = try PreparedStatement(
            database, "SELECT revoked, expires FROM revocations WHERE kind = ? AND subject = ?")
        var found: [RevocationKey: StoredRevocation] = [:]
        for key in keys where found[key] == nil {
            found[key] = try statement.first(.text(key.kind.rawValue), .bytes(key.subject)) { row in
                StoredRevocation(revoked: try row.time(0), expires: try row.time(1))
            }
        }
        return found
    }

    func putRevocations(_ revocations: [RevocationKey: StoredRevocation]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO revocations VALUES (?, ?, ?, ?) ON CONFLICT (kind, subject) DO UPDATE
            SET revoked = excluded.revoked, expires = excluded.expires
            """)
        for (key, revocation) in revocations {
            try statement.run(
                .text(key.kind.rawValue), .bytes(key.subject), .integer(revocation.revoked.milliseconds),
                .integer(revocation.expires.milliseconds))
        }
    }

    func tokenUses(_ keys: [TokenUseKey]) throws -> [TokenUseKey: Int64] {
        let statement = try PreparedStatement(
            database, "SELECT uses FROM token_uses WHERE expires = ? AND token = ? AND contact = ?")
        var found: [TokenUseKey: Int64] = [:]
        for key in keys where found[key] == nil {
            found[key] = try statement.first(
                .integer(key.expires.milliseconds), .bytes(key.token), .bytes(key.contact.bytes)
            ) { $0.integer(0) }
        }
        return found
    }

    func putTokenUses(_ uses: [TokenUseKey: Int64]) throws {
        let statement = try PreparedStatement(
            database,
            """
            INSERT INTO token_uses VALUES (?, ?, ?, ?)
            ON CONFLICT (expires, token, contact) DO UPDATE SET uses = excluded.uses
            """)
        for (key, count) in uses {
            try statement.run(
                .integer(key.expires.milliseconds), .bytes(key.token), .bytes(key.contact.bytes),
                .integer(count))
        }
    }

    func deliveries(_ keys: [DeliveryKey]) throws -> [DeliveryKey: Delivery] {
        let statement = try PreparedStatement(
            database,
            """
            SELECT release, time, use FROM deliveries
            WHERE expires = ? AND token = ? AND request = ? AND contact = ?
            """)
        var found: [DeliveryKey: Delivery] = [:]
        for key in keys where found[key] == nil {
            found[key] = try statement.first(
                .integer(key.expires.milliseconds), .bytes(key.token), .text(key.request),
                .bytes(key.contact.bytes)
            ) { row in
                guard let release = ReleaseID(bytes: row.bytes(0)) else {
                    throw StoreError.corrupt("deliveries")
                }
                return Delivery(release: release, time: try row.time(1), use: row.integer(2))
            }
        }
        return found
    }

    func putDeliveries(_ deliveries: [DeliveryKey: Delivery]) throws {
        let statement = try PreparedStatement(
            database, "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)")
        for (key, delivery) in deliveries {
            try statement.run(
                .integer(key.expires.milliseconds), .bytes(key.token), .text(key.request),
                .bytes(key.contact.bytes),
                .bytes(delivery.release.bytes), .integer(delivery.time.milliseconds), .integer(delivery.use))
        }
    }

    func idempotentResult(_ key: IdempotencyKey) throws -> IdempotentResult? {
        try row(
            "SELECT body, contact, expires FROM idempotent_results WHERE client = ? AND digest = ? AND expires > ?",
            [key.client.text, Data(key.digest), now.milliseconds]
        ) { row in
            guard let contact = ContactID(bytes: row.bytes(1)) else {
                throw StoreError.corrupt("idempotent_results")
            }
            return IdempotentResult(
                body: row.bytes(0), contact: contact, expires: try row.time(2))
        }
    }

    func putIdempotentResult(_ result: IdempotentResult, for key: IdempotencyKey) throws {
        try execute(
            "INSERT OR REPLACE INTO idempotent_results VALUES (?, ?, ?, ?, ?)",
            [
                key.client.text, Data(key.digest), Data(result.body), Data(result.contact.bytes),
                result.expires.milliseconds,
            ])
    }

    func purgeExpired(before: Timestamp) throws {
        for table in ["proofs", "token_uses", "deliveries", "idempotent_results", "revocations"] {
            try execute("DELETE FROM \(table) WHERE expires < ?", [before.milliseconds])
        }
        try purgeCounts(before: before)
    }

    // MARK: Statements

    private func execute(_ sql: String, _ arguments: StatementArguments) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    private func row<Value>(
        _ sql: String, _ arguments: StatementArguments = [], _ read: (Row) throws -> Value
    ) throws -> Value? {
        try Row.fetchOne(database.cachedStatement(sql: sql), arguments: arguments).map(read)
    }

    /// Reads rows until `read` answers `nil`.
    private func rows<Value>(
        _ sql: String, _ arguments: StatementArguments, _ read: (Row) throws -> Value?
    ) throws -> [Value] {
        let cursor = try Row.fetchCursor(database.cachedStatement(sql: sql), arguments: arguments)
        var values: [Value] = []
        while let row = try cursor.next() {
            guard let value = try read(row) else { break }
            values.append(value)
        }
        return values
    }
}

extension Row {
    /// An integer column that is never negative. Whoever writes to the file could end the process if this trapped.
    fileprivate func number<Number: FixedWidthInteger & UnsignedInteger>(_ column: Int) throws -> Number {
        guard let number = Number(exactly: self[column] as Int64) else { throw StoreError.corrupt("number") }
        return number
    }

    /// A column of milliseconds.
    fileprivate func time(_ column: Int) throws -> Timestamp {
        let milliseconds: Int64 = self[column]
        guard RowReader.milliseconds.contains(milliseconds) else { throw StoreError.corrupt("time") }
        return Timestamp(milliseconds: milliseconds)
    }

    /// A column of milliseconds that may be null.
    fileprivate func timeIfPresent(_ column: Int) throws -> Timestamp? {
        (self[column] as Int64?) == nil ? nil : try time(column)
    }

    /// A blob column as bytes, copied once.
    fileprivate func bytes(_ column: Int) -> [UInt8] {
        let data: Data = self[column]
        return Array(data)
    }
}

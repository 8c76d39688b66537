// Contacts, what they said, and who may ask for them.

import ContactModel
import ContactVault

extension PostgresTransaction {
    // MARK: Contacts

    private static let contactColumns = """
        id, borrower, portfolio, attributes, generation, sealed, disclosure_key, phone_index_version, phone_index, state, \
        stopped, created, updated, retain_until
        """

    private static func contact(_ row: PostgresRow) throws -> StoredContact {
        guard let id = ContactID(bytes: row.bytes(0)), let borrower = Reference(row.text(1)),
            let portfolio = Reference(row.text(2)), let state = RecordState(rawValue: row.text(9))
        else { throw StoreError.corrupt("contacts") }
        return StoredContact(
            id: id, borrower: borrower, portfolio: portfolio, attributes: row.bytes(3),
            generation: try row.number(4), sealed: row.bytes(5), disclosureKey: row.bytes(6),
            phoneIndexVersion: try row.number(7), phoneIndex: row.bytes(8), state: state,
            stopped: try row.timeIfPresent(10), created: try row.time(11), updated: try row.time(12),
            retainUntil: row.text(13))
    }

    func contacts(_ ids: [ContactID]) throws -> [ContactID: StoredContact] {
        guard !ids.isEmpty else { return [:] }
        let found = try all(
            "SELECT \(Self.contactColumns) FROM contacts WHERE id = ANY ($1::bytea[])",
            .byteStrings(ids.map(\.bytes)), read: Self.contact)
        return Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
    }

    func contactCount() throws -> UInt64 {
        try first("SELECT count(*) FROM contacts") { try $0.number(0) } ?? 0
    }

    func insertContacts(_ contacts: [StoredContact]) throws {
        guard !contacts.isEmpty else { return }
        try run(
            """
            INSERT INTO contacts (\(Self.contactColumns)) SELECT * FROM unnest(
                $1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[],
                $9::bytea[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[])
            """,
            .byteStrings(contacts.map { $0.id.bytes }), .texts(contacts.map { $0.borrower.text }),
            .texts(contacts.map { $0.portfolio.text }), .byteStrings(contacts.map { $0.attributes }),
            .integers(contacts.map { $0.generation.column }), .byteStrings(contacts.map { $0.sealed }),
            .byteStrings(contacts.map { $0.disclosureKey }),
            .integers(contacts.map { Int64($0.phoneIndexVersion) }),
            .byteStrings(contacts.map { $0.phoneIndex }),
            .texts(contacts.map { $0.state.rawValue }), .integers(contacts.map { $0.stopped?.milliseconds }),
            .integers(contacts.map { $0.created.milliseconds }),
            .integers(contacts.map { $0.updated.milliseconds }),
            .texts(contacts.map { $0.retainUntil }))
    }

    func replaceContact(_ contact: StoredContact, expecting generation: UInt64) throws -> Bool {
        try run(
            """
            UPDATE contacts SET borrower = $1, portfolio = $2, attributes = $3, generation = $4, sealed = $5,
                disclosure_key = $6, phone_index_version = $7, phone_index = $8, state = $9, stopped = $10, updated = $11,
                retain_until = $12
            WHERE id = $13 AND generation = $14
            """,
            .text(contact.borrower.text), .text(contact.portfolio.text), .bytes(contact.attributes),
            .integer(contact.generation.column), .bytes(contact.sealed), .bytes(contact.disclosureKey),
            .integer(Int64(contact.phoneIndexVersion)), .bytes(contact.phoneIndex),
            .text(contact.state.rawValue),
            .time(contact.stopped), .time(contact.updated), .text(contact.retainUntil),
            .bytes(contact.id.bytes),
            .integer(generation.column)) == 1
    }

    func eraseContact(_ contact: ContactID) throws {
        let erased = try run(
            """
            UPDATE contacts SET borrower = 'erased', portfolio = 'erased', attributes = '', sealed = '',
                disclosure_key = '', phone_index = '', state = 'erased', stopped = NULL, updated = $1, retain_until = ''
            WHERE id = $2
            """, .time(now), .bytes(contact.bytes))
        guard erased == 1 else { throw StoreError.conflict }
        // Backwards from the last entry, each of which names the one before; only backwards, so that it ends.
        try run(
            """
            WITH RECURSIVE entries (position, previous) AS (
                SELECT d.position, d.previous FROM log_disclosures d
                JOIN sequences s ON s.latest = d.position WHERE s.contact = $1
                UNION ALL
                SELECT d.position, d.previous FROM log_disclosures d
                JOIN entries e ON d.position = e.previous AND e.previous < e.position
            )
            DELETE FROM log_disclosures WHERE position IN (SELECT position FROM entries)
            """, .bytes(contact.bytes))
        for table in ["consents", "authorisations", "contact_references", "sequences"] {
            try run("DELETE FROM \(table) WHERE contact = $1", .bytes(contact.bytes))
        }
    }

    func contactsPastRetention(_ day: String, limit: Int) throws -> [StoredContact] {
        try all(
            """
            SELECT \(Self.contactColumns) FROM contacts WHERE retain_until <> '' AND retain_until < $1
            ORDER BY retain_until, id LIMIT $2
            """, .text(day), .integer(Int64(limit)), read: Self.contact)
    }

    func putStanding(_ contact: ContactID, state: RecordState, stopped: Timestamp?) throws {
        let changed = try run(
            "UPDATE contacts SET state = $1, stopped = $2 WHERE id = $3", .text(state.rawValue),
            .time(stopped),
            .bytes(contact.bytes))
        guard changed == 1 else { throw StoreError.conflict }
    }

    func contacts(withNumbers numbers: [[UInt8]]) throws -> [ContactID] {
        guard !numbers.isEmpty else { return [] }
        return try all(
            "SELECT id FROM contacts WHERE phone_index = ANY ($1::bytea[]) AND state <> 'erased' ORDER BY id",
            .byteStrings(numbers)
        ) { row in
            guard let id = ContactID(bytes: row.bytes(0)) else { throw StoreError.corrupt("contacts") }
            return id
        }
    }

    func sequences(_ contacts: [ContactID]) throws -> [ContactID: EntrySequence] {
        try dictionary(
            """
            SELECT k.place, s.count, s.latest FROM unnest($1::bytea[]) WITH ORDINALITY AS k (contact, place)
            JOIN sequences s ON s.contact = k.contact
            """, contacts, .byteStrings(contacts.map(\.bytes))
        ) { EntrySequence(count: try $0.number(1), latest: try $0.number(2)) }
    }

    func putSequences(_ sequences: [ContactID: EntrySequence]) throws {
        guard !sequences.isEmpty else { return }
        let rows = Array(sequences)
        try run(
            """
            INSERT INTO sequences SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[])
            ON CONFLICT (contact) DO UPDATE SET count = excluded.count, latest = excluded.latest
            """,
            .byteStrings(rows.map { $0.key.bytes }), .integers(rows.map { $0.value.count.column }),
            .integers(rows.map { $0.value.latest.column }))
    }

    // MARK: What contacts said

    func consents(of contacts: [ContactID]) throws -> [ContactID: [StoredConsent]] {
        try lists(
            """
            SELECT k.place, k.contact, c.purpose, c.notice, c.evidence, c.given, c.expires, c.withdrawn, c.recipients
            FROM unnest($1::bytea[]) WITH ORDINALITY AS k (contact, place)
            JOIN consents c ON c.contact = k.contact ORDER BY k.place, c.purpose
            """, Array(Set(contacts)), .byteStrings(Array(Set(contacts)).map(\.bytes))
        ) { row in
            guard let contact = ContactID(bytes: row.bytes(1)), let purpose = Purpose(row.text(2)),
                let notice = Reference(row.text(3))
            else { throw StoreError.corrupt("consents") }
            return StoredConsent(
                contact: contact, purpose: purpose, notice: notice, evidence: row.bytes(4),
                recipients: try row.textIfPresent(8).map { try StoredConsent.recipients(column: $0) },
                given: try row.time(5),
                expires: try row.timeIfPresent(6), withdrawn: try row.timeIfPresent(7))
        }
    }

    func putConsents(_ consents: [StoredConsent]) throws {
        for consent in consents {
            try run(
                """
                INSERT INTO consents VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (contact, purpose) DO UPDATE SET notice = excluded.notice, evidence = excluded.evidence,
                    given = excluded.given, expires = excluded.expires, withdrawn = excluded.withdrawn,
                    recipients = excluded.recipients
                """,
                .bytes(consent.contact.bytes), .text(consent.purpose.text), .text(consent.notice.text),
                .bytes(consent.evidence), .time(consent.given), .time(consent.expires),
                .time(consent.withdrawn),
                .textIfPresent(consent.recipientsColumn))
        }
    }

    func authorisations(of contacts: [ContactID]) throws -> [ContactID: StoredAuthorisation] {
        try dictionary(
            """
            SELECT k.place, k.contact, a.evidence, a.given, a.expires, a.withdrawn
            FROM unnest($1::bytea[]) WITH ORDINALITY AS k (contact, place)
            JOIN authorisations a ON a.contact = k.contact
            """, contacts, .byteStrings(contacts.map(\.bytes))
        ) { row in
            guard let contact = ContactID(bytes: row.bytes(1)) else {
                throw StoreError.corrupt("authorisations")
            }
            return StoredAuthorisation(
                contact: contact, evidence: row.bytes(2), given: try row.time(3),
                expires: try row.timeIfPresent(4),
                withdrawn: try row.timeIfPresent(5))
        }
    }

    func putAuthorisation(_ authorisation: StoredAuthorisation) throws {
        try run(
            """
            INSERT INTO authorisations VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (contact) DO UPDATE SET evidence = excluded.evidence, given = excluded.given,
                expires = excluded.expires, withdrawn = excluded.withdrawn
            """,
            .bytes(authorisation.contact.bytes), .bytes(authorisation.evidence), .time(authorisation.given),
            .time(authorisation.expires), .time(authorisation.withdrawn))
    }

    func contactReferences(
        _ keys: [ContactReferenceKey]
    ) throws -> [ContactReferenceKey: StoredContactReference] {
        try dictionary(
            """
            SELECT k.place, r.kind, r.recorded
            FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS k (contact, reference, place)
            JOIN contact_references r ON r.contact = k.contact AND r.reference = k.reference
            """, keys, .byteStrings(keys.map { $0.contact.bytes }), .texts(keys.map { $0.reference.text })
        ) { row in
            guard let kind = ReferenceKind(rawValue: row.text(1)) else {
                throw StoreError.corrupt("contact_references")
            }
            return StoredContactReference(kind: kind, recorded: try row.time(2))
        }
    }

    func insertContactReferences(_ references: [ContactReferenceKey: StoredContactReference]) throws {
        guard !references.isEmpty else { return }
        let rows = Array(references)
        try run(
            """
            INSERT INTO contact_references SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[])
            ON CONFLICT DO NOTHING
            """,
            .byteStrings(rows.map { $0.key.contact.bytes }), .texts(rows.map { $0.key.reference.text }),
            .texts(rows.map { $0.value.kind.rawValue }),
            .integers(rows.map { $0.value.recorded.milliseconds }))
    }

    private static func suppression(_ row: PostgresRow) throws -> StoredSuppression {
        StoredSuppression(
            number: row.bytes(0), indexVersion: try row.number(1), since: try row.time(2),
            latest: try row.time(3))
    }

    func suppressions(_ numbers: [[UInt8]]) throws -> [[UInt8]: StoredSuppression] {
        guard !numbers.isEmpty else { return [:] }
        let found = try all(
            "SELECT number, index_version, since, latest FROM suppressions WHERE number = ANY ($1::bytea[])",
            .byteStrings(numbers), read: Self.suppression)
        return Dictionary(found.map { ($0.number, $0) }) { first, _ in first }
    }

    func suppressions(after: [UInt8]?, limit: Int) throws -> [StoredSuppression] {
        try all(
            "SELECT number, index_version, since, latest FROM suppressions WHERE number > $1 ORDER BY number LIMIT $2",
            .bytes(after ?? []), .integer(Int64(limit)), read: Self.suppression)
    }

    func putSuppressions(_ suppressions: [StoredSuppression]) throws {
        for suppression in suppressions {
            try run(
                """
                INSERT INTO suppressions VALUES ($1, $2, $3, $4)
                ON CONFLICT (number) DO UPDATE SET index_version = excluded.index_version, since = excluded.since,
                    latest = excluded.latest
                """,
                .bytes(suppression.number), .integer(Int64(suppression.indexVersion)),
                .time(suppression.since),
                .time(suppression.latest))
        }
    }

    func removeSuppression(_ number: [UInt8]) throws {
        try run("DELETE FROM suppressions WHERE number = $1", .bytes(number))
    }

    func legalHolds(of contacts: [ContactID]) throws -> [ContactID: StoredLegalHold] {
        try dictionary(
            """
            SELECT k.place, k.contact, h.reference, h.since
            FROM unnest($1::bytea[]) WITH ORDINALITY AS k (contact, place)
            JOIN legal_holds h ON h.contact = k.contact
            """, contacts, .byteStrings(contacts.map(\.bytes))
        ) { row in
            guard let contact = ContactID(bytes: row.bytes(1)), let reference = Reference(row.text(2)) else {
                throw StoreError.corrupt("legal_holds")
            }
            return StoredLegalHold(contact: contact, reference: reference, since: try row.time(3))
        }
    }

    func putLegalHold(_ hold: StoredLegalHold) throws {
        try run(
            "INSERT INTO legal_holds VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", .bytes(hold.contact.bytes),
            .text(hold.reference.text), .time(hold.since))
    }

    func removeLegalHold(of contact: ContactID) throws {
        try run("DELETE FROM legal_holds WHERE contact = $1", .bytes(contact.bytes))
    }

    // MARK: Who may ask

    func clients() throws -> [StoredClient] {
        try all("SELECT id, revision, registration FROM clients ORDER BY id") { row in
            guard let id = Reference(row.text(0)) else { throw StoreError.corrupt("clients") }
            return StoredClient(id: id, revision: try row.number(1), registration: row.bytes(2))
        }
    }

    func clientRevisions(_ ids: [Reference]) throws -> [Reference: UInt64] {
        try dictionary(
            """
            SELECT k.place, c.revision FROM unnest($1::text[]) WITH ORDINALITY AS k (id, place)
            JOIN clients c ON c.id = k.id
            """, ids, .texts(ids.map(\.text))
        ) { try $0.number(1) }
    }

    func putClient(_ client: StoredClient) throws {
        try run(
            """
            INSERT INTO clients VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE
            SET revision = excluded.revision, registration = excluded.registration
            """, .text(client.id.text), .integer(client.revision.column), .bytes(client.registration))
    }

    func entrustments(of agencies: [Reference]) throws -> [Reference: Entrustment] {
        guard !agencies.isEmpty else { return [:] }
        let found = try all(
            "SELECT \(Entrustment.columns) FROM agencies WHERE id = ANY ($1::text[])",
            .texts(agencies.map(\.text)), read: { try Entrustment($0) })
        return Dictionary(found.map { ($0.agency, $0) }) { first, _ in first }
    }

    func entrustments() throws -> [Entrustment] {
        try all(
            "SELECT \(Entrustment.columns) FROM agencies ORDER BY id",
            read: { try Entrustment($0) })
    }

    func putEntrustment(_ entrustment: Entrustment) throws {
        try run(
            """
            INSERT INTO agencies VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE
            SET entrusted_from = excluded.entrusted_from, entrusted_until = excluded.entrusted_until,
                bounds = excluded.bounds
            """,
            .text(entrustment.agency.text), .time(entrustment.from), .time(entrustment.until),
            .bytes(entrustment.bounds))
    }

    // MARK: Copies

    func backups() throws -> [StoredBackup] {
        try all("SELECT id, made, log_size, has_keyring, key_needs, forgotten FROM backups ORDER BY made, id")
        { row in
            guard let id = Reference(row.text(0)) else { throw StoreError.corrupt("backups") }
            return StoredBackup(
                id: id, made: try row.time(1), logSize: try row.number(2),
                hasKeyring: try row.integer(3) != 0,
                needs: try row.textIfPresent(4).map { try StoredBackup.needs(column: $0) },
                forgotten: try row.timeIfPresent(5))
        }
    }

    func putBackup(_ backup: StoredBackup) throws {
        try run(
            """
            INSERT INTO backups VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE
            SET made = excluded.made, log_size = excluded.log_size, has_keyring = excluded.has_keyring,
                key_needs = excluded.key_needs, forgotten = excluded.forgotten
            """,
            .text(backup.id.text), .time(backup.made), .integer(backup.logSize.column),
            .integer(backup.hasKeyring ? 1 : 0), .textIfPresent(backup.needsColumn), .time(backup.forgotten))
    }
}

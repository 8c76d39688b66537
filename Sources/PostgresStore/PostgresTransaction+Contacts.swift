// Contacts, what they allowed and forbade, and how many entries there are about each.

import ContactModel
import ContactVault

extension PostgresTransaction {
    // MARK: Records

    private static let contactColumns = """
        id, borrower, portfolio, attributes, generation, sealed, disclosure_key, phone_index_version, phone_index,
        state, stopped, created, updated, retain_until
        """

    private static func storedContact(_ row: RowReader) throws -> StoredContact {
        guard let id = ContactID(bytes: try row.bytes(0)), let borrower = Reference(try row.text(1)),
            let portfolio = Reference(try row.text(2)), let state = RecordState(rawValue: try row.text(9))
        else { throw StoreError.corrupt("contacts") }
        return StoredContact(
            id: id, borrower: borrower, portfolio: portfolio, attributes: try row.bytes(3),
            generation: try row.number(4), sealed: try row.bytes(5), disclosureKey: try row.bytes(6),
            phoneIndexVersion: try row.number(7), phoneIndex: try row.bytes(8), state: state,
            stopped: try row.timeIfPresent(10), created: try row.time(11), updated: try row.time(12),
            retainUntil: try row.text(13))
    }

    func contacts(_ ids: [ContactID]) throws -> [ContactID: StoredContact] {
        guard !ids.isEmpty else { return [:] }
        let rows = try connection.all(
            "SELECT \(Self.contactColumns) FROM contacts WHERE id = ANY ($1)",
            [.manyBytes(Set(ids).map(\.bytes))], read: Self.storedContact)
        return Dictionary(rows.map { ($0.id, $0) }) { first, _ in first }
    }

    func contactCount() throws -> UInt64 {
        try connection.first("SELECT count(*) FROM contacts") { try $0.number(0) } ?? 0
    }

    func insertContacts(_ contacts: [StoredContact]) throws {
        guard !contacts.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO contacts (\(Self.contactColumns))
            SELECT \(Self.contactColumns) FROM unnest(
                $1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[],
                $8::bigint[], $9::bytea[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[]
            ) WITH ORDINALITY AS put (\(Self.contactColumns), place) ORDER BY place
            """,
            [
                .manyBytes(contacts.map(\.id.bytes)), .texts(contacts.map(\.borrower.text)),
                .texts(contacts.map(\.portfolio.text)), .manyBytes(contacts.map(\.attributes)),
                .integers(contacts.map(\.generation.column)), .manyBytes(contacts.map(\.sealed)),
                .manyBytes(contacts.map(\.disclosureKey)),
                .integers(contacts.map { Int64($0.phoneIndexVersion) }),
                .manyBytes(contacts.map(\.phoneIndex)), .texts(contacts.map(\.state.rawValue)),
                .times(contacts.map(\.stopped)), .times(contacts.map(\.created)),
                .times(contacts.map(\.updated)), .texts(contacts.map(\.retainUntil)),
            ])
    }

    func replaceContact(_ contact: StoredContact, expecting generation: UInt64) throws -> Bool {
        try connection.run(
            """
            UPDATE contacts SET borrower = $1, portfolio = $2, attributes = $3, generation = $4, sealed = $5,
                disclosure_key = $6, phone_index_version = $7, phone_index = $8, state = $9, stopped = $10,
                updated = $11, retain_until = $12
            WHERE id = $13 AND generation = $14
            """,
            [
                .text(contact.borrower.text), .text(contact.portfolio.text), .bytes(contact.attributes),
                .integer(contact.generation.column), .bytes(contact.sealed), .bytes(contact.disclosureKey),
                .integer(Int64(contact.phoneIndexVersion)), .bytes(contact.phoneIndex),
                .text(contact.state.rawValue), .time(contact.stopped), .time(contact.updated),
                .text(contact.retainUntil), .bytes(contact.id.bytes), .integer(generation.column),
            ]) == 1
    }

    func eraseContact(_ contact: ContactID) throws {
        let id = Argument.bytes(contact.bytes)
        let changed = try connection.run(
            """
            UPDATE contacts SET borrower = 'erased', portfolio = 'erased', attributes = '', sealed = '',
                disclosure_key = '', phone_index = '', state = 'erased', stopped = NULL, updated = $1,
                retain_until = ''
            WHERE id = $2
            """, [.time(now), id])
        guard changed == 1 else { throw StoreError.conflict }
        // Only backwards: whoever writes to the database could otherwise send this round in circles.
        try connection.run(
            """
            WITH RECURSIVE entries AS (
                SELECT position, previous FROM log_disclosures
                WHERE position = (SELECT latest FROM sequences WHERE contact = $1)
                UNION ALL
                SELECT earlier.position, earlier.previous FROM entries
                JOIN log_disclosures AS earlier
                    ON earlier.position = entries.previous AND entries.previous < entries.position
            )
            DELETE FROM log_disclosures WHERE position IN (SELECT position FROM entries)
            """, [id])
        for table in ["consents", "authorisations", "contact_references", "sequences"] {
            try connection.run("DELETE FROM \(table) WHERE contact = $1", [id])
        }
    }

    func putStanding(_ contact: ContactID, state: RecordState, stopped: Timestamp?) throws {
        let changed = try connection.run(
            "UPDATE contacts SET state = $1, stopped = $2 WHERE id = $3",
            [.text(state.rawValue), .time(stopped), .bytes(contact.bytes)])
        guard changed == 1 else { throw StoreError.conflict }
    }

    func contactsPastRetention(_ day: String, limit: Int) throws -> [StoredContact] {
        try connection.all(
            """
            SELECT \(Self.contactColumns) FROM contacts WHERE retain_until <> '' AND retain_until < $1
            ORDER BY retain_until, id LIMIT $2
            """, [.text(day), .limit(limit)], read: Self.storedContact)
    }

    func contacts(withNumbers numbers: [[UInt8]]) throws -> [ContactID] {
        guard !numbers.isEmpty else { return [] }
        return try connection.all(
            "SELECT id FROM contacts WHERE phone_index = ANY ($1)", [.manyBytes(Array(Set(numbers)))]
        ) { row in
            guard let id = ContactID(bytes: try row.bytes(0)) else { throw StoreError.corrupt("contacts") }
            return id
        }
    }

    // MARK: Legal holds

    func legalHolds(of contacts: [ContactID]) throws -> [ContactID: StoredLegalHold] {
        try find(
            contacts,
            """
            SELECT number, reference, since
            FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (contact, number) JOIN legal_holds USING (contact)
            """, { [.manyBytes($0.map(\.bytes))] }
        ) { row, contact in
            guard let reference = Reference(try row.text(1)) else { throw StoreError.corrupt("legal_holds") }
            return StoredLegalHold(contact: contact, reference: reference, since: try row.time(2))
        }
    }

    func putLegalHold(_ hold: StoredLegalHold) throws {
        try connection.run(
            """
            INSERT INTO legal_holds (contact, reference, since) VALUES ($1, $2, $3)
            ON CONFLICT (contact) DO NOTHING
            """, [.bytes(hold.contact.bytes), .text(hold.reference.text), .time(hold.since)])
    }

    func removeLegalHold(of contact: ContactID) throws {
        try connection.run("DELETE FROM legal_holds WHERE contact = $1", [.bytes(contact.bytes)])
    }

    // MARK: Consents and authorisations

    func consents(of contacts: [ContactID]) throws -> [ContactID: [StoredConsent]] {
        try findLists(
            contacts,
            """
            SELECT number, purpose, notice, evidence, given, expires, withdrawn, recipients
            FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (contact, number) JOIN consents USING (contact)
            ORDER BY purpose
            """, { [.manyBytes($0.map(\.bytes))] }
        ) { row, contact in
            guard let purpose = Purpose(try row.text(1)), let notice = Reference(try row.text(2)) else {
                throw StoreError.corrupt("consents")
            }
            return StoredConsent(
                contact: contact, purpose: purpose, notice: notice, evidence: try row.bytes(3),
                recipients: try row.textIfPresent(7).map { try Self.recipients($0) },
                given: try row.time(4), expires: try row.timeIfPresent(5),
                withdrawn: try row.timeIfPresent(6))
        }
    }

    /// Names with a space between them. A list of which a part does not parse is corrupt, not shorter.
    private static func recipients(_ text: String) throws -> Set<Reference> {
        guard !text.isEmpty else { return [] }
        var names: Set<Reference> = []
        for name in text.split(separator: " ", omittingEmptySubsequences: false) {
            guard let name = Reference(String(name)) else { throw StoreError.corrupt("consents") }
            names.insert(name)
        }
        return names
    }

    func putConsents(_ consents: [StoredConsent]) throws {
        struct Key: Hashable {
            let contact: ContactID
            let purpose: Purpose
        }
        guard !consents.isEmpty else { return }
        let consents = consents.lastOfEach { Key(contact: $0.contact, purpose: $0.purpose) }
        try connection.run(
            """
            INSERT INTO consents (contact, purpose, notice, evidence, given, expires, withdrawn, recipients)
            SELECT * FROM unnest(
                $1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
            ON CONFLICT (contact, purpose) DO UPDATE SET notice = excluded.notice, evidence = excluded.evidence,
                given = excluded.given, expires = excluded.expires, withdrawn = excluded.withdrawn,
                recipients = excluded.recipients
            """,
            [
                .manyBytes(consents.map(\.contact.bytes)), .texts(consents.map(\.purpose.text)),
                .texts(consents.map(\.notice.text)), .manyBytes(consents.map(\.evidence)),
                .times(consents.map(\.given)), .times(consents.map(\.expires)),
                .times(consents.map(\.withdrawn)),
                .texts(consents.map { $0.recipients?.map(\.text).sorted().joined(separator: " ") }),
            ])
    }

    func authorisations(of contacts: [ContactID]) throws -> [ContactID: StoredAuthorisation] {
        try find(
            contacts,
            """
            SELECT number, evidence, given, expires, withdrawn
            FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (contact, number)
            JOIN authorisations USING (contact)
            """, { [.manyBytes($0.map(\.bytes))] }
        ) { row, contact in
            StoredAuthorisation(
                contact: contact, evidence: try row.bytes(1), given: try row.time(2),
                expires: try row.timeIfPresent(3), withdrawn: try row.timeIfPresent(4))
        }
    }

    func putAuthorisation(_ authorisation: StoredAuthorisation) throws {
        try connection.run(
            """
            INSERT INTO authorisations (contact, evidence, given, expires, withdrawn) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (contact) DO UPDATE SET evidence = excluded.evidence, given = excluded.given,
                expires = excluded.expires, withdrawn = excluded.withdrawn
            """,
            [
                .bytes(authorisation.contact.bytes), .bytes(authorisation.evidence),
                .time(authorisation.given), .time(authorisation.expires), .time(authorisation.withdrawn),
            ])
    }

    // MARK: References and the stop list

    func contactReferences(
        _ keys: [ContactReferenceKey]
    ) throws -> [ContactReferenceKey: StoredContactReference] {
        try find(
            keys,
            """
            SELECT number, kind, recorded
            FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS asked (contact, reference, number)
            JOIN contact_references USING (contact, reference)
            """, { [.manyBytes($0.map(\.contact.bytes)), .texts($0.map(\.reference.text))] }
        ) { row, _ in
            guard let kind = ReferenceKind(rawValue: try row.text(1)) else {
                throw StoreError.corrupt("contact_references")
            }
            return StoredContactReference(kind: kind, recorded: try row.time(2))
        }
    }

    func insertContactReferences(_ references: [ContactReferenceKey: StoredContactReference]) throws {
        guard !references.isEmpty else { return }
        let (keys, values) = (references.map(\.key), references.map(\.value))
        try connection.run(
            """
            INSERT INTO contact_references (contact, reference, kind, recorded)
            SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[])
            ON CONFLICT (contact, reference) DO NOTHING
            """,
            [
                .manyBytes(keys.map(\.contact.bytes)), .texts(keys.map(\.reference.text)),
                .texts(values.map(\.kind.rawValue)), .times(values.map(\.recorded)),
            ])
    }

    private static func suppression(_ row: RowReader) throws -> StoredSuppression {
        StoredSuppression(
            number: try row.bytes(0), indexVersion: try row.number(1), since: try row.time(2),
            latest: try row.time(3))
    }

    func suppressions(_ numbers: [[UInt8]]) throws -> [[UInt8]: StoredSuppression] {
        guard !numbers.isEmpty else { return [:] }
        let rows = try connection.all(
            "SELECT number, index_version, since, latest FROM suppressions WHERE number = ANY ($1)",
            [.manyBytes(Array(Set(numbers)))], read: Self.suppression)
        return Dictionary(rows.map { ($0.number, $0) }) { first, _ in first }
    }

    func suppressions(after: [UInt8]?, limit: Int) throws -> [StoredSuppression] {
        try connection.all(
            """
            SELECT number, index_version, since, latest FROM suppressions
            WHERE number > $1 ORDER BY number LIMIT $2
            """, [.bytes(after ?? []), .limit(limit)], read: Self.suppression)
    }

    func putSuppressions(_ suppressions: [StoredSuppression]) throws {
        guard !suppressions.isEmpty else { return }
        let suppressions = suppressions.lastOfEach(\.number)
        try connection.run(
            """
            INSERT INTO suppressions (number, index_version, since, latest)
            SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])
            ON CONFLICT (number) DO UPDATE SET index_version = excluded.index_version, since = excluded.since,
                latest = excluded.latest
            """,
            [
                .manyBytes(suppressions.map(\.number)),
                .integers(suppressions.map { Int64($0.indexVersion) }),
                .times(suppressions.map(\.since)), .times(suppressions.map(\.latest)),
            ])
    }

    func removeSuppression(_ number: [UInt8]) throws {
        try connection.run("DELETE FROM suppressions WHERE number = $1", [.bytes(number)])
    }

    // MARK: Sequences

    func sequences(_ contacts: [ContactID]) throws -> [ContactID: EntrySequence] {
        try find(
            contacts,
            """
            SELECT number, count, latest
            FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (contact, number) JOIN sequences USING (contact)
            """, { [.manyBytes($0.map(\.bytes))] }
        ) { row, _ in EntrySequence(count: try row.number(1), latest: try row.number(2)) }
    }

    func putSequences(_ sequences: [ContactID: EntrySequence]) throws {
        guard !sequences.isEmpty else { return }
        try connection.run(
            """
            INSERT INTO sequences (contact, count, latest)
            SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[])
            ON CONFLICT (contact) DO UPDATE SET count = excluded.count, latest = excluded.latest
            """,
            [
                .manyBytes(sequences.map(\.key.bytes)), .integers(sequences.map(\.value.count.column)),
                .integers(sequences.map(\.value.latest.column)),
            ])
    }
}

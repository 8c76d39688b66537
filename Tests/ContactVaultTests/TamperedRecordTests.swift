// Rows that somebody changed: a record opens with its own attributes, under its own id and at its own generation, or not
// at all, and the log says so.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import GRDB
import StrictEncoding
import Testing
import VaultTesting

@Suite("Tampered records")
struct TamperedRecordTests {
    private let fixture: VaultFixture
    private let client: FixtureClient
    private let contact: ContactID
    private var id: Data { Data(contact.bytes) }

    init() async throws {
        fixture = try await VaultFixture.make(clock: FixedClock().reading)
        client = try await fixture.registerClient()
        contact = try await fixture.store()
    }

    /// Checks that a release and a view fail with a code, with an entry for the permit and one for the error.
    private func expectUnreadable(
        _ code: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let token = try await client.token(try client.details([contact]))
        let before = try await fixture.entries().count
        let ofRelease = await unreadable { _ = try await client.release(contact, with: token) }
        #expect(ofRelease == code, sourceLocation: sourceLocation)
        let ofView = await unreadable {
            _ = try await fixture.vault.contact(
                contact, as: .localOperator, requestID: try fixture.requestID())
        }
        #expect(ofView == code, sourceLocation: sourceLocation)
        let entries = Array(try await fixture.entries()[before...])
        #expect(
            entries.map(\.kind) == [.release, .release, .contactRead, .contactRead],
            sourceLocation: sourceLocation)
        #expect(entries.map(\.outcome) == [.permit, .error, .permit, .error], sourceLocation: sourceLocation)
        #expect(entries.map { $0.reason?.text } == [nil, code, nil, code], sourceLocation: sourceLocation)
        let answer = await denial { _ = try await client.release(contact, with: token) }
        #expect(answer == .tokenSpent, "the use is spent: no second try", sourceLocation: sourceLocation)
        try await fixture.verifyLog()
    }

    @Test(
        "attributes that were changed beside the sealed record are found",
        arguments: [
            ("pf_north", "pf_south"), ("Asia/Shanghai", "Europe/Berlin"), ("br_1001", "br_1002"),
            ("unverified", "verified"), ("2031-01-01", "2099-01-01"), ("sms", "sos"),
        ])
    func attributes(old: String, new: String) async throws {
        try fixture.tamper(
            "UPDATE contacts SET attributes = CAST(replace(CAST(attributes AS TEXT), ?, ?) AS BLOB)",
            [old, new])
        try await expectUnreadable("envelope_binding_mismatch")
    }

    @Test("attributes that no version wrote are those of no contact that we know")
    func foreignAttributes() async throws {
        for attributes in ["{\"v\":2}", "", "[]", "{\"v\":1}"] {
            try fixture.tamper("UPDATE contacts SET attributes = CAST(? AS BLOB)", [attributes])
            #expect(await denial { _ = try await client.release(contact) } == .contactUnknown)
        }
    }

    @Test("a portfolio column that was changed to let a client in opens nothing for it")
    func portfolioColumn() async throws {
        let south = try await fixture.registerClient("dialer-2", portfolios: ["pf_south"])
        try fixture.tamper(
            """
            UPDATE contacts SET portfolio = 'pf_south',
                attributes = CAST(replace(CAST(attributes AS TEXT), 'pf_north', 'pf_south') AS BLOB)
            """)
        #expect(await unreadable { _ = try await south.release(contact) } == "envelope_binding_mismatch")
    }

    @Test("a portfolio column alone, without the sealed attributes, lets no client in")
    func portfolioColumnAlone() async throws {
        let south = try await fixture.registerClient("dialer-2", portfolios: ["pf_south"])
        try fixture.tamper("UPDATE contacts SET portfolio = 'pf_south'")
        #expect(await denial { _ = try await south.release(contact) } == .portfolioNotRegistered)
        let privacy = try await fixture.registerClient(
            "privacy-1", roles: [.privacy], portfolios: ["pf_south"])
        let access = try await privacy.managementAccess(.read, of: contact, method: "GET")
        let code = await denial {
            _ = try await fixture.vault.contact(
                contact, as: .client(access), requestID: try privacy.requestID())
        }
        #expect(code == .portfolioNotRegistered)
    }

    @Test("the sealed record of another contact does not open here, whatever else is moved with it")
    func movedRecord() async throws {
        let other = Data(try await fixture.store(.sima).bytes)
        try fixture.tamper(
            "UPDATE contacts SET sealed = (SELECT sealed FROM contacts WHERE id = ?) WHERE id = ?",
            [other, id])
        try await expectUnreadable("envelope_permit_mismatch")
        try fixture.tamper(
            "UPDATE contacts SET attributes = (SELECT attributes FROM contacts WHERE id = ?) WHERE id = ?",
            [other, id])
        try await expectUnreadable("envelope_permit_mismatch")
    }

    @Test(
        "an old generation of the sealed record does not open at the new generation, nor the new at the old")
    func rollback() async throws {
        let old: Data = try #require(try fixture.value("SELECT sealed FROM contacts WHERE id = ?", [id]))
        _ = try await fixture.vault.replaceContact(
            contact,
            json: InventedContact.ouyang.with("consents", nil).with("borrower", .string("br_1002")).json,
            expecting: 1, as: .localOperator, requestID: try fixture.requestID())
        let new: Data = try #require(try fixture.value("SELECT sealed FROM contacts WHERE id = ?", [id]))
        try fixture.tamper("UPDATE contacts SET sealed = ? WHERE id = ?", [old, id])
        try await expectUnreadable("envelope_permit_mismatch")
        try fixture.tamper("UPDATE contacts SET sealed = ?, generation = 1 WHERE id = ?", [new, id])
        try await expectUnreadable("envelope_permit_mismatch")
        try fixture.tamper("UPDATE contacts SET sealed = ?, generation = 1 WHERE id = ?", [old, id])
        try await expectUnreadable("envelope_binding_mismatch")
    }

    @Test("a flipped bit anywhere in what a release opens, and every way to cut the record, is refused")
    func flippedBits() async throws {
        // Without a relation, so that the two fields asked for are all there are.
        let contact = try await fixture.store(InventedContact.sima.with("relation", nil))
        let id = Data(contact.bytes)
        let sealed: Data = try #require(try fixture.value("SELECT sealed FROM contacts WHERE id = ?", [id]))
        let random = SeededRandom()
        for round in 0..<48 {
            var changed = sealed
            if round % 4 == 3 {
                changed = sealed.prefix(Int(random.next() % UInt64(sealed.count)))
            } else {
                changed[Int(random.next() % UInt64(sealed.count))] ^= 1 << UInt8(random.next() % 8)
            }
            try fixture.tamper("UPDATE contacts SET sealed = ? WHERE id = ?", [changed, id])
            let code = await unreadable { _ = try await client.release(contact, fields: [.phone, .name]) }
            #expect(code?.hasPrefix("envelope_") == true)
        }
        try fixture.tamper("UPDATE contacts SET sealed = ? WHERE id = ?", [sealed, id])
        let released = try await client.release(contact, fields: [.phone, .name])
        #expect(released.phone == "+8613900139000" && released.name == "司马明远之")
    }

    @Test(
        "a disclosure key that was exchanged keeps no entry from being written, and gives nothing to its own contact"
    )
    func exchangedDisclosureKey() async throws {
        let other = Data(try await fixture.store(.sima).bytes)
        try fixture.tamper(
            """
            UPDATE contacts SET disclosure_key = (SELECT disclosure_key FROM contacts WHERE id = ?) WHERE id = ?
            """, [other, id])
        let released = try await client.release(contact)
        #expect(released.phone == "+8613800138000")
        let owner: Data? = try fixture.value(
            "SELECT contact FROM log_disclosures WHERE position = ?", [Int64(released.receipt.index)])
        #expect(owner == nil, "sealed by the general key")
        let read = try await fixture.vault.entries(
            released.receipt.index..<released.receipt.index + 1, as: .localOperator,
            requestID: try fixture.requestID())
        #expect(read.first?.disclosed?.contact == contact)
    }

    @Test("a damaged row in a batch denies its own request and nobody else's")
    func damagedNeighbour() async throws {
        let contacts = try await fixture.store(numbered: 0..<24)
        let token = try await self.client.token(try self.client.details(contacts))
        let accesses = try await self.client.accesses(token, to: contacts)
        try fixture.tamper("UPDATE contacts SET generation = -7 WHERE id = ?", [Data(contacts[3].bytes)])
        try fixture.tamper(
            "UPDATE contacts SET disclosure_key = x'00' WHERE id = ?", [Data(contacts[11].bytes)])
        let client = self.client
        let failed = await withTaskGroup(of: ContactID?.self) { group in
            for (contact, access) in accesses {
                group.addTask {
                    await refusal { _ = try await client.release(contact, access: access) } == nil
                        ? nil : contact
                }
            }
            return await group.reduce(into: Set()) { if let failed = $1 { $0.insert(failed) } }
        }
        #expect(failed == [contacts[3]])
        try await fixture.verifyLog()
    }

    @Test("a row that no version wrote fails the request that reads it, not the process")
    func corruptRow() async throws {
        try fixture.tamper("UPDATE contacts SET generation = -7 WHERE id = ?", [id])
        let other = try await fixture.store(.sima)
        let refused = await refusal { _ = try await client.release(contact) }
        guard case .storeCorrupt? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try await client.release(other).phone == "+8613900139000")
    }
}

// One person's consent, and one damaged row, concern nobody else.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import GRDB
import StrictEncoding
import Testing
import VaultTesting

@Suite("Neighbours")
struct NeighbourTests {
    @Test("consents end when the number is replaced: another number may be another person")
    func anotherNumber() async throws {
        let fixture = try await VaultFixture.make(clock: FixedClock().reading)
        let client = try await fixture.registerClient()
        let contact = try await fixture.store(.ouyang)
        let token = try await client.token(try client.details([contact]))
        let replacement = InventedContact.ouyang.with("consents", nil).with(
            "phone", .string("+8613800138999"))
        _ = try await fixture.vault.replaceContact(
            contact, json: replacement.json, expecting: 1, as: .localOperator,
            requestID: try fixture.requestID())
        #expect(try await fixture.newestEntry().count == 1)
        // The live token too: the consent it rests on was somebody else's.
        let code = await denial { _ = try await client.release(contact, with: token) }
        #expect(code == .consentWithdrawn)
    }

    @Test("consents stay when everything but the number is replaced")
    func sameNumber() async throws {
        let fixture = try await VaultFixture.make(clock: FixedClock().reading)
        let client = try await fixture.registerClient()
        let contact = try await fixture.store(.ouyang)
        let replacement = InventedContact.ouyang.with("consents", nil).with("language", .string("en"))
        _ = try await fixture.vault.replaceContact(
            contact, json: replacement.json, expecting: 1, as: .localOperator,
            requestID: try fixture.requestID())
        let code = await denial { _ = try await client.release(contact) }
        #expect(code == nil)
    }

    @Test("a token for a field that the record does not have spends no use on an answer without it")
    func fieldThatIsNotThere() async throws {
        let fixture = try await VaultFixture.make(clock: FixedClock().reading)
        let client = try await fixture.registerClient()
        let contact = try await fixture.store(InventedContact.ouyang.with("name", nil))
        let token = try await client.token(try client.details([contact], fields: [.name]))
        let code = await denial { _ = try await client.release(contact, with: token) }
        #expect(code == .fieldNotAllowed)
        let both = try await client.release(contact, fields: [.name, .phone])
        #expect(both.name == nil)
        #expect(both.phone != nil)
        #expect(try await fixture.newestEntry().fields == [.phone])
    }

    @Test("a damaged row fails its own request and none of the others in the batch")
    func damagedRow() async throws {
        let fixture = try await VaultFixture.make(clock: FixedClock().reading)
        let client = try await fixture.registerClient()
        let contacts = try await fixture.store(numbered: 0..<16)
        try fixture.tamper("UPDATE contacts SET state = 'nonsense' WHERE id = ?", [Data(contacts[3].bytes)])
        try fixture.tamper(
            "UPDATE contacts SET disclosure_key = zeroblob(68) WHERE id = ?", [Data(contacts[5].bytes)])
        var attempts: [(ContactID, IssuedToken)] = []
        for contact in contacts {
            attempts.append((contact, try await client.token(try client.details([contact]))))
        }
        let failed = await withTaskGroup(of: ContactID?.self) { group in
            for (contact, token) in attempts {
                group.addTask {
                    do {
                        _ = try await client.release(contact, with: token)
                        return nil
                    } catch {
                        return contact
                    }
                }
            }
            return await group.reduce(into: Set<ContactID>()) { failed, contact in
                if let contact { failed.insert(contact) }
            }
        }
        #expect(failed == [contacts[3]])
        // The one that could not be decided is in the log as an error, and its proof is spent.
        let errors = try await fixture.entries(.release, .error)
        #expect(errors.map { $0.reason?.text } == ["store_corrupt"])
        // The one whose own key does not open is released, and its entry says why it has no place in the contact's count.
        let marked = try await fixture.entries(.release, .permit).filter { $0.basis != nil }
        #expect(marked.map { $0.basis?.text } == ["disclosure_key_unreadable"])
        try await fixture.verifyLog()
    }
}

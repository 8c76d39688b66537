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
        try await fixture.verifyLog()
    }
}

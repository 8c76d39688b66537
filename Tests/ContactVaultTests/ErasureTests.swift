// Erasure: what is gone afterwards, wherever one looks, and what stays because it proves something.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import GRDB
import Testing
import VaultCrypto
import VaultTesting

@Suite("Erasure")
struct ErasureTests {
    private let clock = FixedClock()

    /// Bytes of every file in a folder, by name.
    private func files(_ folder: TemporaryFolder) throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            let path = folder.file(name)
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue
            else {
                continue
            }
            found[name] = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        }
        return found
    }

    @Test("nothing of an erased contact is left in any file of the data folder while it goes on serving")
    func dataFolder() async throws {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 3), clock: clock.reading, storesKeyring: true)
        let contacts = try await fixture.store(numbered: 0..<3)
        let client = try await fixture.registerClient()
        for contact in contacts + contacts { _ = try await client.release(contact) }
        try await fixture.vault.stop(contacts[1], as: .localOperator, requestID: fixture.requestID())

        // What would give the person back: the record, the keys that are its own, its number's index, what entries disclose.
        let (stored, disclosures) = try await fixture.store.read { reader in
            let stored = try reader.contacts([contacts[1]])[contacts[1]]
            let all = try reader.disclosures(0..<(try reader.logHead().size))
            return (stored, all.filter { $0.value.contact == contacts[1] })
        }
        let record = try #require(stored)
        #expect(disclosures.count >= 4)
        let traces: [(String, [UInt8])] =
            [
                ("sealed record", record.sealed), ("disclosure key", record.disclosureKey),
                ("attributes", record.attributes), ("borrower", Array(record.borrower.text.utf8)),
            ] + disclosures.map { ("disclosure of entry \($0.key)", $0.value.sealed) }
        for (name, trace) in traces {
            #expect(
                try files(fixture.folder).values.contains { $0.firstRange(of: trace) != nil },
                "\(name) is there")
        }

        try await fixture.vault.eraseContact(contacts[1], as: .localOperator, requestID: fixture.requestID())
        for (file, bytes) in try files(fixture.folder) {
            for (name, trace) in traces { #expect(bytes.firstRange(of: trace) == nil, "\(name) in \(file)") }
        }
        let left = try await fixture.store.read { reader in
            try reader.disclosures(0..<(try reader.logHead().size)).values.filter {
                $0.contact == contacts[1]
            }
        }
        #expect(left.isEmpty)
        #expect(
            try fixture.value("SELECT count(*) FROM sequences WHERE contact = ?", [Data(contacts[1].bytes)])
                == 0)
        // Where the number was stopped a tombstone stays, and stops it again.
        #expect(try await fixture.store.read { try $0.suppressions([record.phoneIndex]) }.count == 1)
        let again = try await fixture.store(.numbered(1))
        #expect(try await fixture.store.read { try $0.contacts([again])[again]?.stopped } != nil)

        // The others are as they were, and every proof verifies.
        _ = try await client.release(contacts[0])
        try await fixture.verifyLog()
        try await fixture.vault.publishCheckpoint()
        let verifier = try #require(fixture.logVerifiers().first)
        for index in disclosures.keys {
            let (proof, leaf) = try await fixture.vault.proof(
                of: index, as: .localOperator, requestID: fixture.requestID())
            #expect(try proof.verify(leafHash: MerkleTree.leafHash(leaf), by: verifier).size > index)
        }
        let entry = try #require(try await fixture.entries().last { $0.kind == .contactErase })
        #expect(entry.outcome == .permit)
    }

    @Test(
        "a backup made before, with the keyring of after a rotation, gives nobody back; who is here is as before"
    )
    func backup() async throws {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 9), clock: clock.reading, storesKeyring: true)
        let vault = fixture.vault
        let contacts = try await fixture.store(numbered: 0..<700)
        let client = try await fixture.registerClient()
        _ = try await client.release(contacts[7])
        let backup = try await fixture.store.read { reader in
            (try reader.contacts(contacts), try reader.disclosures(0..<(try reader.logHead().size)))
        }
        try await vault.eraseContact(contacts[7], as: .localOperator, requestID: fixture.requestID())

        func step(_ change: KeyChange) async throws { try await fixture.changeKeys(change) }
        let (one, two) = (KeyReference(.kek, id: 1, version: 1), KeyReference(.kek, id: 1, version: 2))
        try await step(.add(.kek))
        try await step(.promote(two))
        _ = try await client.release(contacts[8])
        guard case .keyInUse(let needs)? = await refusal({ try await step(.retire(one)) }) else {
            Issue.record("retired while records are under it")
            return
        }
        #expect(needs.reasons == [.records(699), .disclosureKeys(699)])
        // Broken off in the middle, and resumed.
        let begun = try await vault.beginKeyJob(
            KeyJobRequest(.rewrap), as: .localOperator, requestID: fixture.requestID())
        let id = try #require(begun.id)
        let first = try #require(try await vault.advanceKeyJob())
        #expect((1..<699).contains(first.row.changed) && first.row.state == .running)
        try await vault.changeKeyJob(id, .pause, as: .localOperator, requestID: fixture.requestID())
        #expect(try await vault.advanceKeyJob() == nil)
        _ = try await client.release(contacts[9])
        try await vault.changeKeyJob(id, .resume, as: .localOperator, requestID: fixture.requestID())
        var last = first
        while last.row.state == .running { last = try #require(try await vault.advanceKeyJob()) }
        #expect(last.row.changed == 699 && last.row.unreadable == 0)
        try await step(.retire(one))
        try await step(.destroy(one))

        // Only what wraps the data key has changed: version, nonce, sealed key, tag, and the header's own tag.
        let after = try await fixture.store.read { try $0.contacts(contacts) }
        for (id, contact) in after where id != contacts[7] {
            let before = try #require(backup.0[id])
            #expect(contact.generation == before.generation && contact.attributes == before.attributes)
            // Header and wrapped key 124 bytes, four directory entries of 36, the header's tag 32; then the fields.
            let isSame = contact.sealed.dropFirst(300) == before.sealed.dropFirst(300)
            #expect(isSame && before.sealed.count > 300)
            #expect(contact.sealed != before.sealed && contact.disclosureKey != before.disclosureKey)
        }
        for contact in contacts[10..<20] { #expect(try await client.release(contact).phone != nil) }
        try await fixture.verifyLog()

        // The thief of the backup with today's keyring.
        let today = try #require(fixture.storage).load()
        for (id, contact) in backup.0 {
            #expect(throws: EnvelopeError.self) { () throws in
                _ = try today.disclosureKey(wrapped: contact.disclosureKey, tenant: today.tenant, contact: id)
            }
            let context = RecordContext(tenant: today.tenant, record: id, generation: 1, schema: 1)
            #expect(throws: EnvelopeError.self) { () throws in
                _ = try today.reencrypt(
                    SealedRecord(parsing: contact.sealed), context: context, random: SystemRandom())
            }
        }
        #expect(
            backup.1.values.contains { $0.contact == contacts[7] },
            "the backup has what was disclosed, sealed")
        #expect(
            try await fixture.entries(.keyRewrap, .permit).map(\.basis?.text) == [
                "kek.begin", "kek.pause", "kek.resume", "kek.end",
            ])
        #expect(
            try await fixture.entries(.keyRewrap, .permit).map(\.count) == [
                0, first.row.changed, first.row.changed, 699,
            ])
        try await vault.close()
        try await fixture.reopened().vault.close()
    }

    @Test("a report to an erased contact holds nothing, and one to a stranger is refused")
    func reportAfterwards() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        try await fixture.vault.eraseContact(contact, as: .localOperator, requestID: fixture.requestID())
        let report = try await fixture.vault.reportToSubject(
            contact, as: .localOperator, requestID: fixture.requestID())
        #expect(report.held == nil && report.accesses.isEmpty)
        let stranger = try #require(ContactID(bytes: [UInt8](repeating: 7, count: 16)))
        guard
            case .notFound? = await refusal({
                _ = try await fixture.vault.reportToSubject(
                    stranger, as: .localOperator, requestID: fixture.requestID())
            })
        else {
            Issue.record("reported")
            return
        }
        #expect(try await fixture.entries(.logExport, .deny).count == 1)
    }

    @Test("who may erase may hold, nobody erases what is held, and each of it has its entry")
    func holds() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let officer = try await fixture.registerClient("officer-1", kind: .service, roles: [.privacy])
        let collector = try await fixture.registerClient()
        func caller(_ operation: ContactManagementDetails.Operation) async throws -> Caller {
            let token = try await officer.token(
                .contactManagement(try ContactManagementDetails(operation: operation, contact: contact)))
            return .client(
                try await officer.access(token, method: "PUT", path: "/v1/contacts/\(contact)/hold"))
        }
        let matter = try #require(Reference("matter-1"))
        #expect(
            await denial {
                try await fixture.vault.setLegalHold(
                    matter, of: contact, as: caller(.stop), requestID: fixture.requestID())
            } == .insufficientScope)
        try await fixture.vault.setLegalHold(
            matter, of: contact, as: caller(.erase), requestID: fixture.requestID())
        let view = try await fixture.vault.contact(
            contact, as: .localOperator, requestID: fixture.requestID())
        #expect(view.legalHold?.reference == matter)
        guard
            case .conflict("legal_hold")? = await refusal({
                try await fixture.vault.eraseContact(
                    contact, as: caller(.erase), requestID: fixture.requestID())
            })
        else {
            Issue.record("erased")
            return
        }
        _ = try await collector.release(contact)
        try await fixture.vault.liftLegalHold(
            of: contact, as: caller(.erase), requestID: fixture.requestID())
        try await fixture.vault.eraseContact(contact, as: caller(.erase), requestID: fixture.requestID())
        #expect(try await fixture.entries(.holdSet, .permit).count == 1)
        #expect(try await fixture.entries(.holdSet, .deny).count == 1)
        #expect(try await fixture.entries(.holdLift, .permit).count == 1)
        #expect(try await fixture.entries(.contactErase, .deny).map(\.reason) == ["legal_hold"])
    }
}

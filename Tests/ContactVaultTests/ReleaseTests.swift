// The straight line: token, proof, entry, number.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import StrictEncoding
import Testing
import VaultCrypto
import VaultTesting

@Suite("Release")
struct ReleaseTests {
    private let clock = FixedClock()
    private let fixture: VaultFixture

    init() async throws { fixture = try await VaultFixture.make(clock: clock.reading) }

    @Test(
        "a permitted dial reveals the number, and its receipt is the stored leaf",
        arguments: SignatureAlgorithm.allCases)
    func reveal(algorithm: SignatureAlgorithm) async throws {
        let contact = try await fixture.store()
        let client = try await fixture.registerClient(algorithm: algorithm)
        let request = try client.requestID()
        let token = try await client.token(try client.details([contact]))
        let released = try await client.release(contact, with: token, requestID: request)

        #expect(released.phone == "+8613800138000")
        #expect(released.name == nil && released.relation == nil)
        #expect(released.form == .reveal)
        #expect(released.usesRemaining == 0)
        #expect(!released.isRedelivered)

        let leaves = try await fixture.leaves()
        let index = Int(released.receipt.index)
        #expect(index == leaves.count - 1)
        #expect(MerkleTree.leafHash(leaves[index]) == released.receipt.leafHash)
        let entry = try LogEntry(decoding: leaves[index])
        #expect(ReleaseID(bytes: entry.id.bytes) == released.id)
        #expect(entry.kind == .release && entry.outcome == .permit && entry.reason == nil)
        #expect(entry.time == released.receipt.time)
        #expect(entry.requestID == request)
        #expect(entry.client == client.registration.id && entry.agency == client.registration.agency)
        #expect(entry.keyThumbprint?.text == client.key.thumbprint)
        #expect(entry.tokenDigest == EntryDigest(hashing: token.claims.identifier))
        #expect(entry.purpose?.text == "relay.message" && entry.action?.text == "dial")
        #expect(entry.form == .reveal && entry.fields == [.phone])
        #expect(entry.stage == .callCollection && entry.precondition == .unreachableThreeDays)
        #expect(entry.policyVersion?.text == fixture.vault.policyVersion)
        #expect(entry.use == 1 && entry.maximumUses == 1)
        #expect(entry.generation == 1 && entry.keyVersion == 1)
        #expect(entry.disclosureDigests.count == 4, "contact, case, actor, sequence")

        try await fixture.vault.publishCheckpoint()
        let verified = try await fixture.verifyLog()
        #expect(verified.size == UInt64(leaves.count) && verified.signedSize == verified.size)
        let proof = try await fixture.vault.proof(
            of: released.receipt.index, as: .localOperator, requestID: try fixture.requestID())
        let checkpoint = try proof.proof.verify(
            leafHash: released.receipt.leafHash,
            by: try #require(fixture.logVerifiers().first))
        #expect(checkpoint.size == verified.size)
    }

    @Test("display gives masks and nothing else")
    func mask() async throws {
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let released = try await client.release(contact, action: "display", fields: [.phone, .name])
        #expect(released.form == .mask)
        #expect(released.phone == "138****8000")
        #expect(released.name == "欧*")
        #expect(try await fixture.newestEntry().form == .mask)
    }

    @Test(
        "a desk never gets a number revealed, whatever it asks",
        arguments: ["dial", "send_template", "display"])
    func desk(action: String) async throws {
        let contact = try await fixture.store()
        let desk = try await fixture.registerClient("desk-1", kind: .desk)
        let released = try await desk.release(contact, action: action, fields: [.phone, .name])
        #expect(released.form == .mask)
        #expect(released.phone == "138****8000")
        #expect(released.name == "欧*")
        #expect(try await fixture.newestEntry().form == .mask)
    }

    @Test(
        "software gets no number revealed, and no mask in place of the sealed number",
        arguments: [ActorKind.ivr, .aiAgent])
    func machines(actor: ActorKind) async throws {
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let code = await denial {
            _ = try await client.token(try client.details([contact], actorKind: actor))
        }
        #expect(code == .encryptionKeyMissing)
        #expect(try await fixture.newestEntry().kind == .tokenDeny)
    }

    @Test("only the fields that were asked for leave, and the entry names those that the record holds")
    func fields() async throws {
        let full = try await fixture.store()
        let nameless = try await fixture.store(InventedContact.sima.with("name", nil))
        let client = try await fixture.registerClient()
        let both = try await client.release(full, fields: [.phone, .name])
        #expect(both.phone == "+8613800138000" && both.name == "欧阳晓彤彤" && both.relation == nil)
        let name = try await client.release(full, fields: [.name])
        #expect(name.phone == nil && name.name == "欧阳晓彤彤")
        let none = try await client.release(nameless, fields: [.phone, .name])
        #expect(none.phone == "+8613900139000" && none.name == nil)
        #expect(try await fixture.newestEntry().fields == [.phone])
    }

    @Test("a token for several contacts releases each once")
    func batch() async throws {
        let contacts = try await fixture.store(numbered: 0..<5)
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details(contacts))
        for (number, contact) in contacts.enumerated() {
            let released = try await client.release(contact, with: token)
            #expect(released.phone == "+861380000000\(number)")
            #expect(released.contact == contact)
        }
        for contact in contacts {
            #expect(await denial { _ = try await client.release(contact, with: token) } == .tokenSpent)
        }
    }

    @Test("one proof opens a batch of contacts only once")
    func batchProof() async throws {
        let contacts = try await fixture.store(numbered: 0..<2)
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details(contacts))
        let access = try await client.access(token, method: "POST", path: "/v1/actions/dial")
        _ = try await client.release(contacts[0], access: access)
        #expect(await denial { _ = try await client.release(contacts[1], access: access) } == .proofReplayed)
    }

    @Test("entries about one contact are numbered without a hole")
    func sequence() async throws {
        let (contact, other) = (try await fixture.store(), try await fixture.store(.sima))
        let client = try await fixture.registerClient()
        let officer = try await fixture.registerClient("officer-1", roles: [.privacy])
        for _ in 0..<3 {
            _ = try await client.release(contact)
            _ = try await client.release(other)
            let token = try await client.token(try client.details([contact], action: "display"))
            #expect(await denial { _ = try await client.release(contact, with: token) } == .insufficientScope)
        }
        let token = try await officer.token(.accessLog(try AccessLogDetails(operation: .read)))
        let access = try await officer.access(token, method: "GET", path: "/v1/log/entries")
        let read = try await fixture.vault.entries(
            0..<1000, as: .client(access), requestID: try client.requestID())
        let numbers = read.filter { $0.disclosed?.contact == contact }.compactMap { $0.disclosed?.sequence }
        #expect(numbers == Array(1...7))
        let disclosed = try #require(read.last { $0.entry.kind == .release }?.disclosed)
        #expect(disclosed.caseReference?.text == "cs_7701")
        #expect(disclosed.actor?.id.text == "u_4401")
    }

    @Test("what leaves follows the record's newest generation")
    func replaced() async throws {
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact], fields: [.phone, .name]))
        let renamed = InventedContact.ouyang.with("consents", nil).with("name", .string("欧阳静姝然"))
        _ = try await fixture.vault.replaceContact(
            contact, json: renamed.json, expecting: 1, as: .localOperator, requestID: try fixture.requestID())
        let released = try await client.release(contact, with: token)
        #expect(released.phone == "+8613800138000" && released.name == "欧阳静姝然")
        #expect(try await fixture.newestEntry().generation == 2)
    }

    @Test("consent does not pass on to another number")
    func replacedNumber() async throws {
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let (vault, id) = (fixture.vault, try fixture.requestID())
        _ = try await vault.replaceContact(
            contact, json: InventedContact.sima.with("consents", nil).json, expecting: 1, as: .localOperator,
            requestID: id)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .consentWithdrawn)
        clock.advance(seconds: 1)
        let consent = try ConsentIntake(
            purpose: try #require(Purpose("relay.message")),
            members: JSONObject([
                ("notice", .string("n4")),
                ("evidence", .string("sha256:" + String(repeating: "ef", count: 32))),
            ]))
        try await vault.giveConsent(consent, of: contact, as: .localOperator, requestID: id)
        #expect(try await client.release(contact, with: token).phone == "+8613900139000")
    }

    @Test("the log goes on after closing and opening, and old tokens with it")
    func reopening() async throws {
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let tokens = [
            try await client.token(try client.details([contact])),
            try await client.token(try client.details([contact])),
        ]
        _ = try await client.release(contact, with: tokens[0])
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        let again = client.moved(to: reopened)
        #expect(await denial { _ = try await again.release(contact, with: tokens[0]) } == .tokenSpent)
        #expect(try await again.release(contact, with: tokens[1]).phone == "+8613800138000")
        let verified = try await reopened.verifyLog()
        #expect(verified.checkpoints == 4)
    }
}

// What a thief finds in the files: no number, no name, no relation, no reference of a case or an actor, in any spelling.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import StrictEncoding
import Testing
import VaultCrypto
import VaultTesting

@Suite("Stored bytes")
struct StoredBytesTests {
    /// A vault in which everything has happened once, and what must not be found in its files.
    private func livedIn() async throws -> (
        VaultFixture, personal: [String], references: [String], secrets: [String]
    ) {
        let clock = FixedClock()
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let client = try await fixture.registerClient()
        let intake = try await fixture.registerClient("origination-1", roles: [.intake])
        let desk = try await fixture.registerClient("desk-1", kind: .desk)
        let (vault, id) = (fixture.vault, try fixture.requestID())

        let first = try await intake.store(.ouyang, idempotencyKey: "k-1")
        _ = try await intake.store(.ouyang, idempotencyKey: "k-1")
        let second = try await fixture.store(.sima)
        let many = try await fixture.store(numbered: 700_000..<700_300)
        let refused = InventedContact(
            phone: "+8615012345671", name: "令狐静姝然", relation: "spouse", borrower: "br_7",
            portfolio: "pf_north")
        _ = await refusal { _ = try await fixture.store(refused.with("amount", .integer(1))) }

        let token = try await client.token(
            try client.details(
                [first.contact], fields: [.phone, .name], caseReference: "cs_case_77301",
                actor: "u_actor_88412"))
        _ = try await client.release(first.contact, with: token)
        #expect(await denial { _ = try await client.release(first.contact, with: token) } == .tokenSpent)
        _ = try await desk.release(first.contact, action: "display", fields: [.phone, .name])
        _ = try await vault.contact(first.contact, as: .localOperator, requestID: id)
        _ = await refusal {
            _ = try await client.token(try client.details([second], purpose: "collect.debt"))
        }
        let moved = InventedContact.numbered(87_654_321)
        _ = try await vault.replaceContact(
            second, json: moved.with("consents", nil).json, expecting: 1, as: .localOperator, requestID: id)
        _ = await refusal { _ = try await client.release(second) }
        try await vault.stop(second, as: .localOperator, requestID: id)
        _ = await refusal { _ = try await client.release(second) }
        let unknown = try #require(ContactID(bytes: [UInt8](repeating: 0x77, count: 16)))
        _ = await refusal { _ = try await client.release(unknown) }
        try await vault.recordGarbage()
        try await vault.recordUnauthenticated()
        try await vault.publishCheckpoint()
        _ = try await vault.entries(0..<1000, as: .localOperator, requestID: id)

        let contacts =
            [InventedContact.ouyang, .sima, moved, refused]
            + [700_000, 700_150, 700_299].map { .numbered($0) }
        return (
            fixture, contacts.flatMap(\.personalStrings),
            ["cs_case_77301", "u_actor_88412"],
            [
                token.compact, first.contact.description, second.description, many[0].description,
                unknown.description,
            ]
        )
    }

    @Test(
        "no stored file holds a number, a name or a relation, nor a case or an actor, while open or after closing"
    )
    func files() async throws {
        let (fixture, personal, references, secrets) = try await livedIn()
        let scan = PersonalDataScan(personal + references + [secrets[0]])
        #expect(try scan.findings(inFolder: fixture.folder.path) == [])
        #expect(try fixture.folder.files().contains("vault.sqlite-wal"), "the write-ahead log is scanned too")
        try await fixture.vault.close()
        #expect(try scan.findings(inFolder: fixture.folder.path) == [])
        let size = FileManager.default.contents(atPath: fixture.storePath)?.count ?? 0
        #expect(size > 500_000)
    }

    @Test("no log entry holds a contact, a case, an actor, a number, a name or a relation")
    func leaves() async throws {
        let (fixture, personal, references, secrets) = try await livedIn()
        let contacts = secrets.dropFirst().flatMap { [$0, String($0.dropFirst(3))] }
        let scan = PersonalDataScan(personal + references + contacts + ["br_1001", "br_1002", "pf_north"])
        let raw = try secrets.dropFirst().map { try #require(ContactID($0)).bytes }
        for (index, leaf) in try await fixture.leaves().enumerated() {
            #expect(scan.findings(in: leaf, named: "entry \(index)") == [])
            _ = try LogEntry(decoding: leaf)
            for bytes in raw {
                #expect(!Data(leaf).contains(Data(bytes)))
                #expect(
                    !Data(leaf).contains(Data(Base64URL.encode(SHA256.hash(bytes)).utf8)),
                    "an unsalted digest")
            }
        }
        let kinds = Set(try await fixture.entries().map(\.kind))
        #expect(
            kinds.isSuperset(of: [
                .release, .contactCreate, .contactRead, .contactUpdate, .stopSet, .tokenDeny,
                .unauthenticated,
                .clientAdd, .logRead, .vaultInit, .policyApply, .serviceStart,
            ]))
    }

    @Test("two entries about one contact share no digest")
    func saltedDigests() async throws {
        let (fixture, _, _, _) = try await livedIn()
        let digests = try await fixture.entries().flatMap(\.disclosureDigests)
        #expect(Set(digests).count == digests.count)
        #expect(digests.count > 300)
    }

    @Test("errors say nothing of what was handed in")
    func errors() async throws {
        let fixture = try await VaultFixture.make()
        let contact = InventedContact.ouyang
        let scan = PersonalDataScan(contact.personalStrings + ["cs_case_77301"])
        for (member, value) in [
            ("name", JSONValue.string("欧阳晓彤彤 13800138000")), ("relation", .string("colleague 13800138000")),
            ("borrower", .string("13800138000")), ("phone", .string("+8613800138000 13800138000")),
            ("phone +8613800138000", .string("x")),
        ] {
            let error = await refusal { _ = try await fixture.store(contact.with(member, value)) }
            let text = String(describing: try #require(error)) + String(reflecting: error)
            #expect(scan.findings(in: Array(text.utf8), named: member) == [])
        }
    }

    @Test("a released value has no description")
    func description() async throws {
        let fixture = try await VaultFixture.make()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(try client.details([contact]))
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        // A token names a contact and a case; what verification hands on must not carry the proof or a number.
        let scan = PersonalDataScan(InventedContact.ouyang.personalStrings)
        #expect(scan.findings(in: Array(String(reflecting: access).utf8), named: "access") == [])
    }
}

extension Vault {
    /// Sends requests that nobody can be made answerable for, with personal data in them.
    fileprivate func recordGarbage() async throws {
        for authorization in ["DPoP +8613800138000", "Bearer 欧阳晓彤彤", "DPoP a.b.c"] {
            _ = try? await verify(
                authorization: [authorization], proof: ["13800138000"], method: "POST",
                path: "/v1/13800138000")
        }
    }
}

@Suite("The scan for personal data finds what is planted")
struct PersonalDataScanTests {
    private static let number = "+8613800138000"
    private static let name = "欧阳晓彤彤"

    private static let plants: [(String, [UInt8])] = {
        let text = Array(number.utf8)
        let digits = Array("13800138000".utf8)
        let name = Array(Self.name.utf8)
        let hash = SHA256.hash(text)
        var plants: [(String, [UInt8])] = [
            ("E.164", text), ("digits", Array("8613800138000".utf8)), ("national digits", digits),
            ("name", name), ("UTF-16LE", digits.flatMap { [$0, 0] }),
            ("UTF-16BE", digits.flatMap { [0, $0] }),
            ("name in UTF-16LE", Self.name.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }),
            ("hex", Array(Hex.encode(digits).utf8)), ("HEX", Array(Hex.encode(digits).uppercased().utf8)),
            ("name in hex", Array(Hex.encode(name).utf8)),
            ("integer", [0x07, 0xD5, 0x8E, 0x7F, 0x55, 0x10]),
            ("packed", [0x86, 0x13, 0x80, 0x01, 0x38, 0x00]),
            ("packed from the second digit", [0x61, 0x38, 0x00, 0x13, 0x80, 0x00]),
            ("hash", hash), ("hash in hex", Array(Hex.encode(hash).utf8)),
            ("hash in base64url", Array(Base64URL.encode(hash).utf8)),
        ]
        for offset in 0..<3 {
            let before = [UInt8](repeating: 0xC3, count: offset)
            for (what, bytes) in [("number", text), ("digits", digits), ("name", name)] {
                plants.append(
                    ("\(what) in base64 at \(offset)", Array(Base64.encode(before + bytes + [0xF1]).utf8)))
                plants.append(
                    (
                        "\(what) in base64url at \(offset)",
                        Array(Base64URL.encode(before + bytes + [0xF1]).utf8)
                    ))
            }
        }
        return plants
    }()

    @Test("each spelling is found in bytes, in a file and below a folder", arguments: plants.map(\.0))
    func planted(spelling: String) throws {
        let bytes = try #require(Self.plants.first { $0.0 == spelling }).1
        let scan = PersonalDataScan([Self.number, Self.name])
        let random = SeededRandom(seed: 7)
        let surroundings = try random.bytes(1000)
        #expect(scan.findings(in: surroundings, named: "noise") == [])
        #expect(scan.findings(in: surroundings + bytes + surroundings, named: "planted") != [])
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.file("below"), withIntermediateDirectories: false)
        try Data(surroundings + bytes).write(to: URL(fileURLWithPath: folder.file("below/file")))
        #expect(try scan.findings(inFolder: folder.path).first?.place == "below/file")
    }

    @Test("the name of a file counts")
    func fileName() throws {
        let folder = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: folder.file("13800138000.json")))
        #expect(try !PersonalDataScan([Self.number]).findings(inFolder: folder.path).isEmpty)
    }
}

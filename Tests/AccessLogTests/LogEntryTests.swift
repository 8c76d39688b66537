// Entries and disclosures: one text for one meaning, and no place where a person could stand.

import AccessLog
import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

/// Entries of invented clients.
enum EntryFixture {
    static func reference(_ text: String) throws -> Reference { try #require(Reference(text)) }

    static func id(_ number: UInt8 = 0) -> EntryID {
        .make(time: Timestamp(milliseconds: 1_767_225_600_123), random: (0..<10).map { number &+ $0 })
    }

    static func small(at milliseconds: Int64 = 1_767_225_600_123, _ number: UInt8 = 0) throws -> LogEntry {
        LogEntry(
            id: id(number), time: Timestamp(milliseconds: milliseconds), source: try reference("vault-1"),
            kind: .serviceStart, outcome: .permit)
    }

    /// An entry with every member.
    static func full() throws -> LogEntry {
        var entry = LogEntry(
            id: id(), time: Timestamp(milliseconds: 1_767_225_600_123), source: try reference("vault-1"),
            kind: .release, outcome: .deny, reason: EntryCode(.stopFlag))
        entry.requestID = try reference("7f9c2ba4-e88f-4d2a-8a41-2f6b1c5d9e02")
        entry.client = try reference("dialer-1")
        entry.agency = try reference("agency-north")
        entry.certificateThumbprint = EntryDigest(hashing: "certificate")
        entry.trustedIssuer = Reference("idp")
        entry.keyThumbprint = EntryDigest("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
        entry.tokenDigest = EntryDigest(hashing: "j-1")
        entry.purpose = Purpose("relay.message")
        entry.action = Action("dial")
        entry.form = .reveal
        entry.fields = [.phone, .name]
        entry.stage = .callCollection
        entry.basis = "consent"
        entry.precondition = .unreachableThreeDays
        entry.policyVersion = try reference("p1-9f86d081884c7d659a2fea")
        entry.use = 1
        entry.maximumUses = 1
        entry.keyVersion = 3
        entry.generation = 9_007_199_254_740_991
        entry.count = 0
        entry.root = EntryDigest(hashing: "root")
        entry.disclosureDigests = try parts().disclosures(random: CountingRandom()).map(\.digest)
        return entry
    }

    static func parts() throws -> DisclosedParts {
        DisclosedParts(
            contact: ContactID(bytes: Array(0..<16)), caseReference: try reference("cs_42"),
            actor: Actor(kind: .human, id: try reference("u_7")), sequence: 41)
    }
}

/// Not random at all: the bytes 0, 1, 2, …
struct CountingRandom: RandomSource {
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }
    func secret(_ count: Int) -> SecretBytes { SecretBytes(copying: bytes(count)) }
}

@Suite("Log entries")
struct LogEntryTests {
    private func decodingError(_ text: String) -> LogError? {
        do {
            _ = try LogEntry(decoding: Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    private func text(_ entry: LogEntry) throws -> String {
        String(decoding: try entry.encode(), as: UTF8.self)
    }

    @Test("an entry has exactly these bytes")
    func knownBytes() throws {
        #expect(
            try text(EntryFixture.small()) == """
                {"id":"019b76da-a87b-7001-8080-c1014181c202","kind":"service.start","out":"permit",\
                "src":"vault-1","t":1767225600123,"v":1}
                """)
        #expect(
            try text(EntryFixture.full()).contains(
                #""action":"dial","agency":"agency-north","basis":"consent","client":"dialer-1","count":0,"#
                    + #""fields":["name","phone"],"form":"reveal","gen":9007199254740991,"id":"#))
    }

    @Test("an entry is canonical JSON, and reads back to itself")
    func canonical() throws {
        for entry in [try EntryFixture.small(), try EntryFixture.full()] {
            let bytes = try entry.encode()
            let json = try JSONValue.parse(bytes)
            #expect(json.canonicalBytes == bytes)
            #expect(try LogEntry(decoding: bytes) == entry)
        }
        let members = try #require(try JSONValue.parse(EntryFixture.full().encode()).objectValue)
        #expect(members.members.count == 30)
    }

    @Test("random entries of every kind read back to themselves in canonical form")
    func randomRoundTrip() throws {
        var numbers = SeededNumbers.printed("randomRoundTrip")
        let full = try EntryFixture.full()
        for _ in 0..<2000 {
            let random = (0..<10).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            let time = Timestamp(milliseconds: Int64.random(in: 0..<1 << 48, using: &numbers))
            var entry = LogEntry(
                id: .make(time: time, random: random), time: time, source: full.source,
                kind: try #require(EntryKind.allCases.randomElement(using: &numbers)),
                outcome: try #require(EntryOutcome.allCases.randomElement(using: &numbers)),
                reason: full.reason)
            func maybe<Value>(_ value: Value?) -> Value? { Bool.random(using: &numbers) ? value : nil }
            entry.requestID = maybe(full.requestID)
            entry.client = maybe(full.client)
            entry.agency = maybe(full.agency)
            entry.keyThumbprint = maybe(full.keyThumbprint)
            entry.certificateThumbprint = maybe(full.certificateThumbprint)
            entry.trustedIssuer = maybe(full.trustedIssuer)
            entry.tokenDigest = maybe(full.tokenDigest)
            entry.purpose = maybe(full.purpose)
            entry.action = maybe(full.action)
            entry.form = maybe(ReleaseForm.allCases.randomElement(using: &numbers))
            entry.fields = maybe(FieldName.allCases.shuffled(using: &numbers)) ?? []
            entry.stage = maybe(Stage.allCases.randomElement(using: &numbers))
            entry.basis = maybe(full.basis)
            entry.precondition = maybe(Precondition.allCases.randomElement(using: &numbers))
            entry.policyVersion = maybe(full.policyVersion)
            entry.use = maybe(UInt64.random(in: 0..<1 << 53, using: &numbers))
            entry.maximumUses = maybe(UInt64.random(in: 0..<1 << 53, using: &numbers))
            entry.keyVersion = maybe(UInt32.random(in: 0...UInt32.max, using: &numbers))
            entry.generation = maybe(UInt64.random(in: 0..<1 << 53, using: &numbers))
            entry.count =
                entry.kind == .unauthenticated ? 7 : maybe(UInt64.random(in: 0..<1 << 53, using: &numbers))
            entry.disclosureDigests = maybe(full.disclosureDigests.shuffled(using: &numbers)) ?? []
            let bytes = try entry.encode()
            #expect(try JSONValue.parse(bytes).canonicalBytes == bytes)
            #expect(try LogEntry(decoding: bytes) == entry)
        }
    }

    @Test("unknown members, nulls, wrong types and missing members are refused")
    func strictMembers() throws {
        let json = try #require(try JSONValue.parse(EntryFixture.full().encode()).objectValue)
        func error(_ change: (inout JSONObject) -> Void) -> LogError? {
            var object = json
            change(&object)
            return decodingError(JSONValue.object(object).canonicalText)
        }
        #expect(error { _ in } == nil)
        for name in ["note", "phone", "V", "sd", "", "zz"] {
            #expect(error { $0[name] = .string("x") } == .entryUnknownMember)
        }
        for key in json.keys {
            #expect(error { $0[key] = .null } == .entryMalformed, "\(key)")
            #expect(error { $0[key] = .bool(true) } == .entryMalformed, "\(key)")
            #expect(error { $0[key] = .object(JSONObject()) } == .entryMalformed, "\(key)")
            #expect(error { $0[key] = .array([]) } == .entryMalformed, "\(key)")
            #expect(error { $0[key] = .string("") } == .entryMalformed, "\(key)")
            #expect(error { $0[key] = .integer(-1) } == .entryMalformed, "\(key)")
            let isNumber = ["count", "gen", "kek", "max", "t", "use", "v"].contains(key)
            #expect(error { $0[key] = isNumber ? .string("1") : .integer(1) } == .entryMalformed, "\(key)")
        }
        // A denial without its reason, a digest list without its algorithm, and so on.
        for key in ["id", "kind", "out", "src", "t", "v", "why", "_sd", "_sd_alg"] {
            #expect(error { $0[key] = nil } == .entryMalformed, "\(key)")
        }
        #expect(error { $0["v"] = .integer(2) } == .entryMalformed)
        #expect(error { $0["kek"] = .integer(1 << 32) } == .entryMalformed)
        #expect(error { $0["_sd_alg"] = .string("sha-512") } == .entryMalformed)
        #expect(error { $0["kind"] = .string("release2") } == .entryMalformed)
    }

    @Test("another spelling of the same entry is refused")
    func otherSpelling() throws {
        let text = try text(EntryFixture.full())
        for other in [
            text.replacing("{\"_sd", with: "{ \"_sd"), text + "\n",
            text.replacing("\"dial\"", with: #""\u0064ial""#),
            text.replacing("[\"name\",\"phone\"]", with: "[\"phone\",\"name\"]"),
            text.replacing("[\"name\",\"phone\"]", with: "[\"name\",\"name\",\"phone\"]"),
            text.replacing(",\"v\":1,\"why\":\"stop_flag\",", with: ",\"why\":\"stop_flag\",\"v\":1,"),
        ] {
            #expect(decodingError(other) == .entryNotCanonical, "\(other)")
        }
        for other in [
            "", "[]", "null", "{}", "{", text + "x", text.replacing("\"v\":1", with: "\"v\":1.0"),
            text.replacing("\"v\":1", with: "\"v\":01"), text.replacing("\"v\":1", with: "\"v\":1,\"v\":1"),
        ] {
            #expect(decodingError(other) == .entryMalformed, "\(other)")
        }
        #expect(decodingError(String(repeating: " ", count: 4097)) == .entryTooLarge)
    }

    @Test("values out of bounds are not written")
    func outOfBounds() throws {
        func error(_ change: (inout LogEntry) -> Void) throws -> LogError? {
            var entry = try EntryFixture.full()
            change(&entry)
            do {
                _ = try entry.encode()
                return nil
            } catch {
                return error
            }
        }
        #expect(try error { _ in } == nil)
        #expect(try error { $0.use = 1 << 53 } == .entryMalformed)
        #expect(try error { $0.generation = UInt64.max } == .entryMalformed)
        #expect(try error { $0.time = Timestamp(milliseconds: -1) } == .entryMalformed)
        #expect(try error { $0.reason = nil } == .entryMalformed)
        #expect(
            try error {
                $0.reason = nil
                $0.outcome = .error
            } == .entryMalformed)
        #expect(
            try error {
                $0.kind = .unauthenticated
                $0.count = nil
            } == .entryMalformed)
        #expect(
            try error { $0.disclosureDigests = (0..<9).map { EntryDigest(hashing: "\($0)") } }
                == .entryMalformed)
    }

    @Test("the longest entry there can be is within the limit")
    func longestEntry() throws {
        let reference = try EntryFixture.reference(String(repeating: "r", count: Limits.referenceBytes))
        let code = try #require(EntryCode(String(repeating: "c", count: 64)))
        let greatest = UInt64(JSONValue.maximumInteger)
        var entry = try EntryFixture.full()
        entry.source = reference
        entry.kind = .unauthenticated
        entry.outcome = .redelivered
        entry.reason = code
        entry.requestID = reference
        entry.client = reference
        entry.agency = reference
        entry.purpose = Purpose(String(repeating: "p", count: 64))
        entry.action = Action(String(repeating: "a", count: 32))
        entry.fields = FieldName.allCases
        entry.stage = .overdueReminder
        entry.basis = code
        entry.precondition = .threeFailedDialsNextDay
        entry.policyVersion = reference
        entry.use = greatest
        entry.maximumUses = greatest
        entry.keyVersion = UInt32.max
        entry.count = greatest
        entry.time = Timestamp(milliseconds: JSONValue.maximumInteger)
        entry.disclosureDigests = (0..<Limits.disclosuresPerEntry).map { EntryDigest(hashing: "\($0)") }
        #expect(try entry.encode().count < Limits.logEntryBytes)
    }

    @Test("no member of an entry can hold free text, by its type")
    func noFreeText() throws {
        let full = try EntryFixture.full()
        let allowed: Set<String> = [
            "EntryID", "Timestamp", "Reference", "EntryKind", "EntryOutcome", "EntryCode", "EntryDigest",
            "Purpose",
            "Action", "ReleaseForm", "Array<FieldName>", "Stage", "Precondition", "UInt64", "UInt32",
            "Array<EntryDigest>",
        ]
        let children = Mirror(reflecting: full).children
        #expect(children.count == 28)
        for child in children {
            let optional = Mirror(reflecting: child.value)
            let value =
                optional.displayStyle == .optional ? try #require(optional.children.first).value : child.value
            #expect(allowed.contains("\(type(of: value))"), "\(child.label ?? "")")
        }
    }

    @Test("a phone number, an identity number or a name is refused in every member that is text")
    func noPersonalData() throws {
        let json = try #require(try JSONValue.parse(EntryFixture.full().encode()).objectValue)
        for (key, value) in json.members {
            for personal in [
                "+8613800138000", "13800138000", "8613800138000", "u_13800138000", "138-0013-8000",
                "138 0013 8000",
                "+12125550123", "张伟", "Zhang Wei", "o'neill", "a@b.example", "11010519491231002X",
            ] {
                var changed = json
                switch value {
                case .integer: changed[key] = .string(personal)
                case .array: changed[key] = .array([.string(personal)])
                default: changed[key] = .string(personal)
                }
                #expect(decodingError(JSONValue.object(changed).canonicalText) != nil, "\(key)")
            }
        }
        for code in [
            "13800138000", "a1b2c3d4", "zhang wei", "张伟", "Stop", "", String(repeating: "a", count: 65),
        ] {
            #expect(EntryCode(code) == nil)
        }
        let code: EntryCode = "p256_refused"
        #expect(EntryCode(code.text) == code)
    }

    @Test("every denial has a code that an entry takes")
    func denialCodes() {
        for denial in DenialCode.allCases {
            #expect(EntryCode(denial.rawValue) == EntryCode(denial))
        }
        for error in LogError.allCases { #expect(EntryCode(error.rawValue) != nil) }
    }
}

@Suite("Entry identifiers")
struct EntryIDTests {
    @Test("the example of RFC 9562 appendix A.6 is made and read")
    func knownAnswer() throws {
        let text = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
        let id = try #require(EntryID(text))
        #expect(id.time == Timestamp(milliseconds: 1_645_557_742_000))
        #expect(id.description == text)
        #expect(Hex.encode(id.bytes) == text.replacing("-", with: ""))
        #expect(EntryID(bytes: id.bytes) == id)
        // rand_a 0xCC3; rand_b 0x18C4DC0C0C07398F in the upper 62 of 64 bits.
        let tail: UInt64 = 0x18C4_DC0C_0C07_398F << 2
        let random = [0x0C, 0xC3] + (0..<8).map { UInt8(truncatingIfNeeded: tail >> UInt64(56 - 8 * $0)) }
        #expect(EntryID.make(time: id.time, random: random) == id)
    }

    @Test(
        "other UUIDs and other spellings are refused",
        arguments: [
            "", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "017f22e279b07cc398c4dc0c0c07398f",
            "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-18c4-dc0c0c07398f", "017f22e2-79b07-cc3-98c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        ])
    func otherForms(_ text: String) { #expect(EntryID(text) == nil) }

    @Test("identifiers of different random bits differ, and later ones sort later as text")
    func distinct() {
        let early = EntryID.make(
            time: Timestamp(milliseconds: 1), random: [UInt8](repeating: 0xFF, count: 10))
        let late = EntryID.make(time: Timestamp(milliseconds: 2), random: [UInt8](repeating: 0, count: 10))
        #expect(early.description < late.description)
        var seen: Set<EntryID> = []
        for bit in 0..<80 {
            var random = [UInt8](repeating: 0, count: 10)
            random[bit / 8] |= 1 << UInt8(bit % 8)
            seen.insert(.make(time: Timestamp(milliseconds: 1), random: random))
        }
        // 74 bits are used; the other six of the ten bytes change nothing.
        #expect(seen.count == 75)
    }
}

@Suite("Disclosures")
struct DisclosureTests {
    @Test("the digest is that of RFC 9901 §4.2.3")
    func knownDigest() {
        let disclosure = "WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
        #expect(EntryDigest(hashing: disclosure).text == "uutlBuYeMDyjLLTpf6Jxi7yNkEF35jdyWMn9U7b_RYY")
    }

    @Test("a disclosure is base64url of salt, name and value, and parses to itself")
    func form() throws {
        let all = try EntryFixture.parts().disclosures(random: CountingRandom())
        let texts = try all.map { String(decoding: try #require(Base64URL.decode($0.text)), as: UTF8.self) }
        #expect(
            texts == [
                #"["AAECAwQFBgcICQoLDA0ODw","contact","ct_AAECAwQFBgcICQoLDA0ODw"]"#,
                #"["EBESExQVFhcYGRobHB0eHw","case","cs_42"]"#,
                #"["ICEiIyQlJicoKSorLC0uLw","actor",{"id":"u_7","kind":"human"}]"#,
                #"["MDEyMzQ1Njc4OTo7PD0-Pw","seq",41]"#,
            ])
        for disclosure in all { #expect(try Disclosure(parsing: disclosure.text) == disclosure) }
    }

    @Test("a leaf with disclosures shows none of what they hold")
    func hiddenInTheLeaf() throws {
        let text = String(decoding: try EntryFixture.full().encode(), as: UTF8.self)
        for fact in ["ct_AAECAwQFBgcICQoLDA0ODw", "cs_42", "u_7", "human", ":41"] {
            #expect(!text.contains(fact))
        }
    }

    @Test("disclosures of an entry give its parts back, all or some of them")
    func verify() throws {
        let entry = try EntryFixture.full()
        let parts = try EntryFixture.parts()
        let all = try parts.disclosures(random: CountingRandom())
        #expect(try DisclosedParts(verifying: DisclosedParts.joined(all), against: entry) == parts)
        #expect(
            try DisclosedParts(verifying: DisclosedParts.joined([all[1]]), against: entry).caseReference
                == parts.caseReference)
        #expect(throws: LogError.disclosureMalformed) { () throws in
            try DisclosedParts(verifying: DisclosedParts.joined(all + [all[1]]), against: entry)
        }
    }

    @Test("a disclosure of another entry, another salt or another value is refused")
    func foreign() throws {
        let entry = try EntryFixture.full()
        let parts = try EntryFixture.parts()
        let resalted = try parts.disclosures(random: SystemRandom())
        var changed = parts
        changed.sequence = 42
        let changedText = try changed.disclosures(random: CountingRandom())
        for disclosures in [resalted, changedText] {
            #expect(throws: LogError.disclosureForeign) { () throws in
                try DisclosedParts(verifying: DisclosedParts.joined(disclosures), against: entry)
            }
        }
        let joined = DisclosedParts.joined(try parts.disclosures(random: CountingRandom()))
        for count in 1..<joined.count where joined[count - 1] != UInt8(ascii: "~") {
            #expect(throws: LogError.disclosureMalformed) { () throws in
                try DisclosedParts(verifying: Array(joined[..<count]), against: entry)
            }
        }
    }

    @Test(
        "other disclosures are refused",
        arguments: [
            "", "[]", #"["AAECAwQFBgcICQoLDA0ODw","phone","+8613800138000"]"#,
            #"["AAECAwQFBgcICQoLDA0ODw","case","13800138000"]"#,
            #"["AAECAwQFBgcICQoLDA0ODw","case","cs_42","x"]"#,
            #"["AAECAwQFBgcICQoLDA0ODw", "case","cs_42"]"#, #"["AAECAwQFBgcICQoLDA0O","case","cs_42"]"#,
            #"["AAECAwQFBgcICQoLDA0ODw","seq",0]"#, #"["AAECAwQFBgcICQoLDA0ODw","seq","1"]"#,
            #"["AAECAwQFBgcICQoLDA0ODw","actor",{"kind":"human","id":"u_7"}]"#,
            #"["AAECAwQFBgcICQoLDA0ODw","actor",{"id":"u_7","kind":"human","name":"x"}]"#,
            #"["AAECAwQFBgcICQoLDA0ODw","contact","tn_AAECAwQFBgcICQoLDA0ODw"]"#,
        ])
    func otherForms(_ json: String) {
        #expect(throws: LogError.disclosureMalformed) { () throws in
            try Disclosure(parsing: Base64URL.encode(Array(json.utf8)))
        }
    }

    @Test("a salt of another length and a sequence number of none are refused")
    func badParts() throws {
        for count in [0, 15, 17] {
            #expect(throws: LogError.disclosureMalformed) { () throws in
                try Disclosure(.sequence(1), salt: [UInt8](repeating: 0, count: count))
            }
        }
        for number in [0, UInt64(1) << 53] {
            #expect(throws: LogError.disclosureMalformed) { () throws in
                try Disclosure(.sequence(number), salt: [UInt8](repeating: 0, count: 16))
            }
        }
        #expect(try DisclosedParts().disclosures(random: SystemRandom()).isEmpty)
    }
}

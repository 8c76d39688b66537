// The closed schemas of what a token may be for.

import ContactModel
import StrictEncoding
import Testing

@testable import AccessToken

@Suite("Authorization details")
struct AuthorizationDetailsTests {
    func parse(_ text: String) throws(TokenError) -> AuthorizationDetails {
        try AuthorizationDetails.parse(parameter: Array(text.utf8))
    }

    func fault(_ text: String) -> DetailsFault? {
        do {
            _ = try parse(text)
            return nil
        } catch {
            guard case .invalidAuthorizationDetails(let fault) = error else {
                Issue.record("another refusal: \(error)")
                return nil
            }
            return fault
        }
    }

    func fault(_ object: RawObject) -> DetailsFault? { fault("[\(object.text)]") }

    static let match = RawObject(members: [
        ("type", "\"contact_access\""), ("actions", "[\"match\"]"), ("purpose", "\"suppress.match\""),
        ("actor", "{\"kind\":\"ivr\",\"id\":\"u_1\"}"), ("max_uses", "1000"),
    ])
    static let intake = RawObject(members: [
        ("type", "\"contact_intake\""), ("actions", "[\"create\"]"), ("portfolio", "\"pf_1\""),
    ])
    static let management = RawObject(members: [
        ("type", "\"contact_management\""), ("actions", "[\"erase\"]"),
        ("identifier", "\"\(Fixture.contact.description)\""),
    ])
    static let log = RawObject(members: [
        ("type", "\"access_log\""), ("actions", "[\"export\"]"), ("from", "\"2026-01-01T00:00:00Z\""),
        ("to", "\"2026-02-01T00:00:00.250Z\""),
    ])
    static let keys = RawObject(members: [("type", "\"key_management\""), ("actions", "[\"rewrap\"]")])
    static let all = [Fixture.accessObject, match, intake, management, log, keys]

    @Test("A contact access object reads as what it says")
    func contactAccess() throws {
        #expect(try parse("[\(Fixture.accessObject.text)]") == Fixture.details())
    }

    @Test("Every type survives a round trip through its JSON")
    func roundTrip() throws {
        for object in Self.all {
            let details = try parse("[\(object.text)]")
            #expect(try AuthorizationDetails.parse(details.json) == details)
            #expect(try AuthorizationDetails.parse(parameter: details.json.canonicalBytes) == details)
        }
        let access = Fixture.accessObject
        for object in [
            access.with("precondition", nil), access.with("reference", "\"rq_7\""),
            access.with("fields", "[\"name\",\"phone\",\"relation\"]"),
            access.with("max_uses", "\(Limits.usesPerToken)"),
        ] {
            let details = try parse("[\(object.text)]")
            #expect(try AuthorizationDetails.parse(details.json) == details)
        }
        for operation in ContactManagementDetails.Operation.allCases {
            let details = AuthorizationDetails.contactManagement(
                try ContactManagementDetails(
                    operation: operation, contact: operation == .suppress ? nil : Fixture.contact))
            #expect(try AuthorizationDetails.parse(details.json) == details)
        }
        for operation in KeyManagementDetails.Operation.allCases {
            let details = AuthorizationDetails.keyManagement(KeyManagementDetails(operation: operation))
            #expect(try AuthorizationDetails.parse(details.json) == details)
        }
    }

    @Test("One and several contacts stay told apart")
    func identifiers() throws {
        let one = Fixture.contact.description
        let two = Fixture.otherContact.description
        let object = Fixture.accessObject.with("identifier", nil)
        func selection(_ text: String) throws -> ContactSelection? {
            guard case .contactAccess(let access) = try parse("[\(object.with("identifiers", text).text)]")
            else {
                return nil
            }
            #expect(
                try AuthorizationDetails.parse(AuthorizationDetails.contactAccess(access).json)
                    == .contactAccess(access))
            return access.selection
        }
        #expect(try selection("[\"\(one)\"]") == .several([Fixture.contact]))
        #expect(
            try selection("[\"\(two)\",\"\(one)\"]") == .several([Fixture.otherContact, Fixture.contact]))
        #expect(fault(object) == .missingMember)
        #expect(fault(Fixture.accessObject.with("identifiers", "[\"\(two)\"]")) == .missingMember)
        #expect(fault(object.with("identifiers", "[]")) == .malformedMember)
        #expect(fault(object.with("identifiers", "[\"\(one)\",\"\(one)\"]")) == .duplicate)
        #expect(fault(object.with("identifiers", "\"\(one)\"")) == .malformedMember)
        #expect(fault(object.with("identifiers", "[\"\(one)\",1]")) == .malformedMember)

        let hundred = (0..<100).map { "\"\(ContactID(bytes: [UInt8](repeating: UInt8($0), count: 16))!)\"" }
        let extra = "\"\(ContactID(bytes: [UInt8](repeating: 200, count: 16))!)\""
        #expect(fault(object.with("identifiers", "[\(hundred.joined(separator: ","))]")) == nil)
        #expect(
            fault(object.with("identifiers", "[\((hundred + [extra]).joined(separator: ","))]"))
                == .malformedMember)
    }

    @Test("A token for a hundred contacts fits into a token")
    func hundredContactsFit() throws {
        let fixture = try Fixture()
        let contacts = (0..<100).map { ContactID(bytes: [UInt8](repeating: UInt8($0), count: 16))! }
        let token = try fixture.token(try Fixture.details(.several(contacts)))
        #expect(token.compact.utf8.count <= 6 * 1024)
        #expect(fixture.refusal(token.compact) == nil)
    }

    @Test("Only an array of exactly one object is accepted")
    func shape() {
        let object = Fixture.accessObject.text
        #expect(fault("") == .json)
        #expect(fault("[\(object)") == .json)
        #expect(fault("[\(object)]x") == .json)
        for text in [
            object, "[]", "[\(object),\(object)]", "null", "1", "\"contact_access\"", "[[\(object)]]", "[1]",
        ] {
            #expect(fault(text) == .notOneObject)
        }
        #expect(fault(String(repeating: " ", count: Limits.authorizationDetailsBytes) + "[]") == .tooLarge)
        #expect(fault(String(repeating: "[", count: 100)) == .json)
    }

    @Test(
        "Unknown types are refused",
        arguments: ["Contact_Access", "contact_access ", "", "openid", "contact-access"])
    func unknownType(type: String) {
        #expect(fault(Fixture.accessObject.with("type", "\"\(type)\"")) == .unknownType)
    }

    @Test("No type takes a member of another, an RFC 9396 member it lacks, or one twice")
    func closedSchemas() {
        for object in Self.all {
            for name in ["locations", "datatypes", "privileges", "Type", "max_use", "maxUses", "x", ""] {
                #expect(fault(object.with(name, "\"x\"")) == .unknownMember, "\(object.text) \(name)")
            }
            for member in object.members {
                #expect(fault(object.repeating(member.name)) == .json, "\(member.name)")
            }
        }
        for object in [Self.intake, Self.management, Self.log, Self.keys] {
            #expect(fault(object.with("max_uses", "1")) == .unknownMember)
            #expect(fault(object.with("purpose", "\"relay.message\"")) == .unknownMember)
        }
        #expect(fault(Fixture.accessObject.with("portfolio", "\"pf_1\"")) == .unknownMember)
        #expect(fault(Self.keys.with("identifier", "\"x\"")) == .unknownMember)
    }

    @Test("Every required member is required")
    func requiredMembers() {
        let optional: Set = ["precondition", "reference", "from", "to"]
        for object in Self.all {
            for member in object.members where !optional.contains(member.name) {
                // Without its purpose a match is a contact access that lacks everything else.
                #expect(
                    fault(object.with(member.name, nil)) == .missingMember, "\(object.text) \(member.name)")
            }
            for member in object.members where optional.contains(member.name) {
                #expect(fault(object.with(member.name, nil)) == nil)
            }
        }
    }

    @Test("Every member with every other JSON type is refused")
    func wrongTypes() {
        let values = ["null", "true", "1", "-1", "\"\"", "[]", "{}", "[null]", "[[]]", "[{}]", "{\"a\":1}"]
        for object in Self.all {
            for member in object.members {
                for value in values where !(member.name == "max_uses" && value == "1") {
                    let expected: DetailsFault =
                        switch (member.name, value) {
                        case ("type", "\"\""): .unknownType
                        case ("actor", "{}"): .missingMember
                        case ("actor", "{\"a\":1}"): .unknownMember
                        // A match without its purpose is a contact access that lacks its contact.
                        case ("purpose", _) where object.members.count == Self.match.members.count:
                            .missingMember
                        default: .malformedMember
                        }
                    #expect(fault(object.with(member.name, value)) == expected, "\(member.name) \(value)")
                }
                for value in ["1.0", "1e3", "1e400", "01", "-0", "NaN", "9007199254740993", "'x'", ""] {
                    #expect(fault(object.with(member.name, value)) == .json, "\(member.name) \(value)")
                }
            }
        }
    }

    @Test(
        "max_uses 0 is refused, not unlimited",
        arguments: ["0", "-1", "1000001", "9007199254740991", "\"1\""])
    func maximumUses(value: String) {
        #expect(fault(Fixture.accessObject.with("max_uses", value)) == .malformedMember)
        #expect(fault(Self.match.with("max_uses", value)) == .malformedMember)
    }

    @Test("Two actions are refused: the log could tell only one")
    func oneAction() {
        for object in Self.all {
            #expect(fault(object.with("actions", "[\"dial\",\"display\"]")) == .malformedMember)
            #expect(fault(object.with("actions", "\"dial\"")) == .malformedMember)
        }
        #expect(fault(Fixture.accessObject.with("actions", "[\"Dial\"]")) == .malformedMember)
        #expect(fault(Self.keys.with("actions", "[\"read \"]")) == .malformedMember)
    }

    @Test(
        "Odd spellings of a purpose are refused",
        arguments: [
            "Relay.Message", "relay.message ", "relay..message", ".relay", "relay.", "relay-message",
            "relay.messagе",
            "relay.message\\u0000", "relay/message", "ｒelay.message", "suppress.match ", "Suppress.match",
        ])
    func purposes(text: String) {
        #expect(fault(Fixture.accessObject.with("purpose", "\"\(text)\"")) == .malformedMember)
    }

    @Test("Words outside their vocabularies are refused")
    func vocabularies() {
        let access = Fixture.accessObject
        #expect(fault(access.with("stage", "\"Call_Collection\"")) == .malformedMember)
        #expect(fault(access.with("fields", "[\"address\"]")) == .malformedMember)
        #expect(fault(access.with("fields", "[\"phone\",\"phone\"]")) == .duplicate)
        #expect(fault(access.with("fields", "\"phone\"")) == .malformedMember)
        #expect(fault(access.with("precondition", "\"lost_contact\"")) == .malformedMember)
        #expect(fault(access.with("identifier", "\"ct_short\"")) == .malformedMember)
        #expect(fault(access.with("identifier", "\"rl_AQIDBAUGBwgJCgsMDQ4PEA\"")) == .malformedMember)
        #expect(fault(access.with("case", "\"a b\"")) == .malformedMember)
        #expect(fault(access.with("case", "\"\(String(repeating: "c", count: 65))\"")) == .malformedMember)
        #expect(fault(access.with("actor", "{\"kind\":\"robot\",\"id\":\"u_1\"}")) == .malformedMember)
        #expect(fault(access.with("actor", "{\"kind\":\"human\"}")) == .missingMember)
        #expect(
            fault(access.with("actor", "{\"kind\":\"human\",\"id\":\"u_1\",\"name\":\"x\"}"))
                == .unknownMember)
        #expect(fault(access.with("actor", "{\"kind\":\"human\",\"kind\":\"ivr\",\"id\":\"u_1\"}")) == .json)
        #expect(fault(Self.log.with("from", "\"2026-02-30T00:00:00Z\"")) == .malformedMember)
        #expect(fault(Self.log.with("from", "\"2026-01-01T00:00:00+08:00\"")) == .malformedMember)
        #expect(fault(Self.log.with("from", "\"2026-03-01T00:00:00Z\"")) == .malformedMember)
    }

    @Test("A reference that is a phone number does not get into a token")
    func phoneNumberAsReference() {
        for number in ["13800138000", "cs_13800138000", "86-138-0013-8000"] {
            #expect(fault(Fixture.accessObject.with("case", "\"\(number)\"")) == .malformedMember)
            #expect(
                fault(Fixture.accessObject.with("actor", "{\"kind\":\"human\",\"id\":\"\(number)\"}"))
                    == .malformedMember)
        }
    }

    @Test("A match names no contact, and a release is no match")
    func matchIsApart() throws {
        guard case .numberMatch(let match) = try parse("[\(Self.match.text)]") else {
            Issue.record("not a match")
            return
        }
        #expect(match.maximumUses == 1000)
        #expect(AuthorizationDetails.numberMatch(match).maximumSeconds == Limits.matchTokenSeconds)
        for name in ["identifier", "identifiers", "case", "stage", "fields", "precondition", "reference"] {
            let value = Fixture.accessObject.members.first { $0.name == name }?.json ?? "[]"
            #expect(fault(Self.match.with(name, value)) == .unknownMember)
        }
        #expect(fault(Self.match.with("actions", "[\"dial\"]")) == .malformedMember)
        #expect(fault(Fixture.accessObject.with("actions", "[\"match\"]")) == .malformedMember)
        #expect(fault(Fixture.accessObject.with("purpose", "\"suppress.match\"")) == .unknownMember)
    }

    @Test("Suppressing names no contact, all else in management names one")
    func suppress() {
        #expect(fault(Self.management.with("actions", "[\"suppress\"]")) == .unknownMember)
        #expect(fault(Self.management.with("actions", "[\"suppress\"]").with("identifier", nil)) == nil)
        #expect(fault(Self.management.with("identifier", nil)) == .missingMember)
        #expect(fault(Self.management.with("identifier", "null")) == .malformedMember)
    }

    @Test("Random damage never yields details that read differently the second time")
    func damage() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("authorization details, seed \(seed)")
        var state = seed
        func next(_ bound: Int) -> Int {
            // SplitMix64.
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((value ^ (value >> 31)) % UInt64(bound))
        }
        var accepted = 0
        for _ in 0..<5000 {
            var bytes = Array("[\(Self.all[next(Self.all.count)].text)]".utf8)
            for _ in 0...next(3) {
                switch next(3) {
                case 0: bytes[next(bytes.count)] = UInt8(next(256))
                case 1: bytes.remove(at: next(bytes.count))
                default: bytes.insert(bytes[next(bytes.count)], at: next(bytes.count))
                }
            }
            guard let details = try? AuthorizationDetails.parse(parameter: bytes) else { continue }
            accepted += 1
            #expect(try AuthorizationDetails.parse(parameter: details.json.canonicalBytes) == details)
        }
        #expect(accepted < 5000)
    }
}

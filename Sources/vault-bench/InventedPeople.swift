// The contacts of a run: invented, with numbers that are plainly made up, in the intake format.

import AccessToken
import ContactModel
import StrictEncoding

/// Invented contacts.
enum InventedPeople {
    /// Most that there are: the numbers are +8613800100000 and up. Beyond it they come again, as other contacts.
    static let limit = 100_000

    private static let names = ["张三", "李四", "王五", "赵六", "欧阳明", "司马光明"]
    private static let relations = ["sibling", "friend", "parent", "colleague"]

    /// One contact as a line of NDJSON.
    static func line(_ index: Int) -> [UInt8] {
        let consent = JSONObject([
            ("purpose", .string("relay.message")), ("notice", .string("n3")),
            ("evidence", .string("sha256:" + String(repeating: "0", count: 64))),
        ])
        return JSONValue.object(
            JSONObject([
                ("borrower", .string("br_bench_\(index)")), ("portfolio", .string("pf_bench")),
                ("phone", .string("+\(8_613_800_100_000 + index % limit)")),
                ("name", .string(names[index % names.count])),
                ("relation", .string(relations[index % relations.count])),
                ("language", .string("zh")), ("time_zone", .string("Asia/Shanghai")),
                ("channels", .array([.string("voice")])), ("adult", .bool(true)),
                ("source", .string("origination")), ("retain_until", .string("2099-01-01")),
                ("consents", .array([.object(consent)])),
            ])
        ).canonicalBytes
    }

    /// The policy of a run: the purpose of the starter catalogue that needs most, but at any hour, without caps and with
    /// tokens that may be used a million times, so that releases are measured and not the getting of tokens.
    static let policy = """
        # For measuring with invented people. No hours, no caps: do not use it for anyone who exists.
        policy: 1
        name: measurement
        limits: none
        jurisdiction: none
        purposes:

          relay.message:
            title: ask the contact to pass on a message / 请联系人转告
            stages: [call_collection]
            actions: {dial: reveal, send_template: reveal, display: mask}
            fields: [phone, name]
            hours: any
            caps: none
            token: {seconds: 300, uses: \(Limits.usesPerToken)}
            roles: [collection]
            needs:
              consent: required
              precondition: [number_invalid, three_failed_dials_next_day, unreachable_three_days, agreed_scenario]

        """

    /// What a token of a run is for.
    static func details(_ contact: ContactID) throws -> AuthorizationDetails { try details(.one(contact)) }

    /// What a token for one contact or several is for.
    static func details(_ selection: ContactSelection) throws -> AuthorizationDetails {
        .contactAccess(
            try ContactAccessDetails(
                action: dial, purpose: purpose, selection: selection,
                caseReference: reference("cs_bench"),
                stage: .callCollection, fields: [.phone], precondition: .unreachableThreeDays,
                actor: Actor(kind: .human, id: reference("u_bench")), maximumUses: Limits.usesPerToken))
    }

    /// The only action of a run.
    static var dial: Action {
        get throws { try word(Action("dial")) }
    }

    /// The only purpose of a run.
    static var purpose: Purpose {
        get throws { try word(Purpose("relay.message")) }
    }

    /// A reference.
    static func reference(_ text: String) throws -> Reference { try word(Reference(text)) }

    private static func word<Word>(_ word: Word?) throws -> Word {
        guard let word else { throw BenchFailure.failed("a word of the run is not one") }
        return word
    }
}

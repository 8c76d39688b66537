// The policy file: the two documents that come with the vault, faults with their place, and the version.

import ConfigurationFile
import ContactModel
import PurposePolicy
import Testing

@Suite("Policy file")
struct PolicyFileTests {
    private static let twelve: Set<String> = [
        "contact.verify", "contact.notice", "relay.message", "locate.debtor", "negotiate.proxy",
        "repay.voluntary",
        "callback.requested", "estate.outreach", "complaint.response", "rights.fulfil", "safety.emergency",
        "suppress.match",
    ]

    @Test("the starter catalogue has exactly its twelve purposes")
    func twelvePurposes() throws {
        let policy = try Fixture.catalogue()
        #expect(Set(policy.purposes.keys.map(\.text)) == Self.twelve)
        #expect(policy.name == "starter-catalogue")
    }

    @Test("the starter catalogue says what the catalogue says")
    func catalogueContent() throws {
        let purposes = try Fixture.catalogue().purposes
        func rule(_ text: String) throws -> PurposeRule {
            try #require(Purpose(text).flatMap { purposes[$0] })
        }
        let relay = try rule("relay.message")
        #expect(relay.stages == [.callCollection])
        #expect(
            relay.actions == [
                Action("dial")!: .reveal, Action("send_template")!: .reveal, Action("display")!: .mask,
            ])
        #expect(relay.fields == [.phone, .name])
        #expect(relay.hours == HourWindow("09:00-20:00").map { Hours.weekly(WeeklyHours(daily: $0)) })
        #expect(relay.caps.map(\.releases) == [1, 2, 3])
        #expect(relay.caps.map(\.window) == [.days(1), .days(7), .days(30)])
        #expect(relay.caps.allSatisfy { $0.scope == .number })
        #expect(relay.tokenSeconds == 300 && relay.tokenUses == 1)
        #expect(try rule("locate.debtor").actions == [Action("dial")!: .seal])
        #expect(try rule("locate.debtor").caps.map(\.scope) == [.case])
        #expect(try rule("safety.emergency").tokenSeconds == 120)
        #expect(try rule("safety.emergency").hours == .any)
        #expect(try rule("safety.emergency").caps.map(\.window) == [.hours(24)])
        #expect(try rule("rights.fulfil").tokenUses == 2)
        #expect(try rule("rights.fulfil").roles == [.privacy])
        #expect(try rule("complaint.response").roles == [.complaints])
        #expect(try rule("suppress.match").tokenSeconds == 3600)
        #expect(try rule("suppress.match").tokenUses == 1000)
        #expect(try rule("suppress.match").fields.isEmpty)
        #expect(try rule("callback.requested").stopFlag == .newerReference)
        let exempt = purposes.filter { $0.value.stopFlag == .exempt }.keys.map(\.text).sorted()
        #expect(exempt == ["complaint.response", "rights.fulfil", "suppress.match"])
        // The overdue stage touches no contact, with the exceptions that the catalogue names.
        let overdue = Set(purposes.filter { $0.value.stages.contains(.overdueReminder) }.keys.map(\.text))
        #expect(
            overdue == [
                "contact.notice", "callback.requested", "complaint.response", "rights.fulfil",
                "safety.emergency",
                "suppress.match",
            ])
    }

    @Test("the demonstration policy is named for what it is, and has neither ceilings nor a jurisdiction")
    func demonstration() throws {
        let policy = try Fixture.demonstration()
        #expect(policy.name == "demonstration")
        #expect(policy.assignment == nil && !policy.limits.countsContacts)
        #expect(Set(policy.purposes.keys.map(\.text)).isSubset(of: Self.twelve))
        #expect(policy.purposes.values.allSatisfy { $0.stopFlag == .respected })
    }

    // MARK: Faults

    private static let small = """
        policy: 1
        name: small
        limits: none
        jurisdiction: none
        purposes:
          relay.message:
            stages: [call_collection]
            actions: {dial: reveal}
            fields: [phone]
            hours: any
            caps: none
            token: {seconds: 300, uses: 1}
            roles: [collection]

        """

    private func fault(replacing old: String, with new: String) throws -> ConfigurationFault? {
        let text = Self.small.replacing(old, with: new)
        try #require(text != Self.small)
        do {
            _ = try Policy.parse(text: text, file: "policy.yaml")
            return nil
        } catch {
            return error
        }
    }

    @Test("the small policy of these tests is accepted")
    func smallPolicy() throws {
        let policy = try Policy.parse(text: Self.small, file: "policy.yaml")
        #expect(policy.purposes[Fixture.relay]?.clients == ClientKind.allCases)
        #expect(policy.purposes[Fixture.relay]?.stopFlag == .respected)
    }

    @Test(
        "a fault names file, line and key",
        arguments: [
            ("policy: 1", "policy: 2", 1, "policy"),
            ("policy: 1\n", "", nil, "policy"),
            ("name: small", "name: [small]", 2, "name"),
            ("name: small", "nom: small", nil, "name"),
            ("\npurposes:\n", "\npurpose: 1\npurposes:\n", 5, "purpose"),
            ("limits: none\n", "", nil, "limits"),
            ("jurisdiction: none\n", "", nil, "jurisdiction"),
            ("jurisdiction: none", "jurisdiction: cn", 4, "jurisdiction"),
            ("relay.message:", "Relay.Message:", 6, "purposes.Relay.Message"),
            ("relay.message:", "relay..message:", 6, "purposes.relay..message"),
            ("[call_collection]", "[call_colection]", 7, "purposes.relay.message.stages[0]"),
            ("[call_collection]", "[]", 7, "purposes.relay.message.stages"),
            ("[call_collection]", "[legal, legal]", 7, "purposes.relay.message.stages[1]"),
            ("[call_collection]", "call_collection", 7, "purposes.relay.message.stages"),
            ("{dial: reveal}", "{dial: show}", 8, "purposes.relay.message.actions.dial"),
            ("{dial: reveal}", "{Dial: reveal}", 8, "purposes.relay.message.actions.Dial"),
            ("{dial: reveal}", "{}", 8, "purposes.relay.message.actions"),
            ("{dial: reveal}", "[dial]", 8, "purposes.relay.message.actions"),
            ("{dial: reveal}", "{dial: reveal, dial: mask}", 8, "purposes.relay.message.actions.dial"),
            ("{dial: reveal}", "{dial: reveal, look: match}", 8, "purposes.relay.message.actions"),
            ("{dial: reveal}", "{look: match}", 9, "purposes.relay.message.fields"),
            ("fields: [phone]", "fields: []", 9, "purposes.relay.message.fields"),
            ("fields: [phone]", "fields: [phone, email]", 9, "purposes.relay.message.fields[1]"),
            ("    hours: any\n", "", 6, "purposes.relay.message.hours"),
            ("hours: any", "hours:", 10, "purposes.relay.message.hours"),
            ("hours: any", "hours: 09-20", 10, "purposes.relay.message.hours"),
            ("hours: any", "hours: 20:00-09:00", 10, "purposes.relay.message.hours"),
            ("hours: any", "hours: 09:00-09:00", 10, "purposes.relay.message.hours"),
            ("hours: any", "hours: 09:60-20:00", 10, "purposes.relay.message.hours"),
            ("hours: any", "hours: 09:00-24:01", 10, "purposes.relay.message.hours"),
            ("hours: any", "hours: [any]", 10, "purposes.relay.message.hours"),
            ("    caps: none\n", "", 6, "purposes.relay.message.caps"),
            ("caps: none", "caps: []", 11, "purposes.relay.message.caps"),
            ("caps: none", "caps: 3", 11, "purposes.relay.message.caps"),
            ("caps: none", "caps: [{days: 1}]", 11, "purposes.relay.message.caps[0].releases"),
            ("caps: none", "caps: [{releases: 0}]", 11, "purposes.relay.message.caps[0].releases"),
            ("caps: none", "caps: [{releases: 1, days: 1, hours: 24}]", 11, "purposes.relay.message.caps[0]"),
            ("caps: none", "caps: [{releases: 1, per: person}]", 11, "purposes.relay.message.caps[0].per"),
            ("caps: none", "caps: [{releases: 1, weeks: 1}]", 11, "purposes.relay.message.caps[0].weeks"),
            ("caps: none", "caps: [{releases: 1, per: reference}]", 11, "purposes.relay.message.caps"),
            (
                "caps: none", "caps:\n      - {releases: 1}\n      - {releases: 1}", 13,
                "purposes.relay.message.caps[1]"
            ),
            ("seconds: 300", "seconds: 301", 12, "purposes.relay.message.token.seconds"),
            ("seconds: 300", "seconds: 0", 12, "purposes.relay.message.token.seconds"),
            ("uses: 1", "uses: 0", 12, "purposes.relay.message.token.uses"),
            ("uses: 1", "uses: 1000001", 12, "purposes.relay.message.token.uses"),
            ("uses: 1", "uses: 1, life: 2", 12, "purposes.relay.message.token.life"),
            ("[collection]", "[]", 13, "purposes.relay.message.roles"),
            ("[collection]", "[intake]", 13, "purposes.relay.message.roles"),
            ("[collection]", "[collection, security]", 13, "purposes.relay.message.roles"),
            ("[collection]", "[collection]\n    clients: []", 14, "purposes.relay.message.clients"),
            ("[collection]", "[collection]\n    clients: [phone]", 14, "purposes.relay.message.clients[0]"),
            ("[collection]", "[collection]\n    stop_flag: ignored", 14, "purposes.relay.message.stop_flag"),
            ("[collection]", "[collection]\n    stop_flag: exempt", 14, "purposes.relay.message.stop_flag"),
            (
                "[collection]", "[privacy, collection]\n    stop_flag: exempt", 14,
                "purposes.relay.message.stop_flag"
            ),
            (
                "[collection]", "[collection]\n    stop_flag: newer_reference", 14,
                "purposes.relay.message.stop_flag"
            ),
            (
                "[collection]", "[collection]\n    needs: {consent: yes}", 14,
                "purposes.relay.message.needs.consent"
            ),
            (
                "[collection]", "[collection]\n    needs: {precondition: []}", 14,
                "purposes.relay.message.needs.precondition"
            ),
            (
                "[collection]", "[collection]\n    needs: {authorisation: false}", 14,
                "purposes.relay.message.needs.authorisation"
            ),
            (
                "[collection]", "[collection]\n    needs: {reference: {days: 7}}", 14,
                "purposes.relay.message.needs.reference.kind"
            ),
            (
                "[collection]", "[collection]\n    needs: {consents: required}", 14,
                "purposes.relay.message.needs.consents"
            ),
            ("[collection]", "[collection]\n    title: \"two\\nlines\"", 14, "purposes.relay.message.title"),
            ("[collection]", "[collection]\n    hours: any", 14, "purposes.relay.message.hours"),
            (
                "[collection]", "[collection]\n    stop_flags: respected", 14,
                "purposes.relay.message.stop_flags"
            ),
            (
                "    roles: [collection]\n", "    roles: [collection]\n  relay.message: {}\n", 14,
                "purposes.relay.message"
            ),
        ] as [(String, String, Int?, String)])
    func faults(old: String, new: String, line: Int?, key: String) throws {
        let found = try fault(replacing: old, with: new)
        #expect(found?.file == "policy.yaml")
        #expect(found?.line == line)
        #expect(found?.key == key)
    }

    @Test("an empty file and a policy without purposes are refused")
    func emptyPolicies() {
        for text in [
            "",
            "policy: 1\nname: x\nlimits: none\njurisdiction: none\npurposes: {}\n",
            "policy: 1\nname: x\nlimits: none\njurisdiction: none\n",
        ] {
            #expect(throws: ConfigurationFault.self) { () throws in
                _ = try Policy.parse(text: text, file: "p")
            }
        }
    }

    // MARK: Version

    @Test("the version is the same for comments, order, layout and defaults spelt out")
    func sameVersion() throws {
        let version = try Policy.parse(text: Self.small, file: "policy.yaml").version
        #expect(version.utf8.count == 25 && version.hasPrefix("p1-"))
        let reordered = """
            # another order
            purposes:
              "relay.message":
                roles:
                  - collection
                clients: [service, gateway, desk]
                token: {uses: 1, seconds: 300}
                stop_flag: respected
                needs: {}
                caps: none   # none
                hours: "any"
                fields: [phone]
                actions:
                  dial: reveal
                stages: [call_collection]
            jurisdiction: none
            limits: none
            name: 'small'
            policy: 1
            """
        #expect(try Policy.parse(text: reordered, file: "other.yaml").version == version)
        func versionWith(caps: String, stages: String) throws -> String {
            try Policy.parse(
                text: Self.small.replacing("caps: none", with: "caps: \(caps)").replacing(
                    "[call_collection]", with: stages), file: "policy.yaml"
            ).version
        }
        #expect(
            try versionWith(
                caps: "[{releases: 1, days: 1}, {releases: 2, days: 7}]", stages: "[legal, visit]")
                == versionWith(
                    caps: "[{days: 7, releases: 2}, {releases: 1, days: 1, per: number}]",
                    stages: "[visit, legal]"))
    }

    @Test("the version changes with every change of meaning")
    func otherVersions() throws {
        var versions: Set<String> = [try Policy.parse(text: Self.small, file: "policy.yaml").version]
        let changes = [
            ("name: small", "name: smaller"), ("relay.message:", "relay.messages:"),
            ("[call_collection]", "[legal]"), ("[call_collection]", "[call_collection, legal]"),
            ("{dial: reveal}", "{dial: mask}"), ("{dial: reveal}", "{ring: reveal}"),
            ("{dial: reveal}", "{dial: reveal, ring: reveal}"), ("fields: [phone]", "fields: [name]"),
            ("fields: [phone]", "fields: [phone, name]"), ("hours: any", "hours: 09:00-20:00"),
            ("hours: any", "hours: 09:00-20:01"), ("hours: any", "hours: 08:59-20:00"),
            ("caps: none", "caps: [{releases: 1}]"), ("caps: none", "caps: [{releases: 2}]"),
            ("caps: none", "caps: [{releases: 1, days: 1}]"),
            ("caps: none", "caps: [{releases: 1, hours: 1}]"),
            ("caps: none", "caps: [{releases: 1, per: case}]"), ("seconds: 300", "seconds: 299"),
            ("uses: 1", "uses: 2"), ("[collection]", "[privacy]"), ("[collection]", "[collection, privacy]"),
            ("[collection]", "[collection]\n    clients: [gateway]"),
            ("[collection]", "[privacy]\n    stop_flag: exempt"),
            ("[collection]", "[collection]\n    title: a title"),
        ]
        let needs = [
            "consent: required", "consent: not_refused", "precondition: [deceased]",
            "precondition: [deceased, incapacitated]", "verified_within_days: 3", "verified_within_days: 4",
            "authorisation: true", "reference: {kind: offer}", "reference: {kind: request}",
            "reference: {kind: offer, days: 7}", "second_person: true", "break_glass: {review_hours: 24}",
            "break_glass: {review_hours: 25}", "requests_per_minute: 10",
        ].map { ("[collection]", "[collection]\n    needs: {\($0)}") }
        for (old, new) in changes + needs {
            let text = Self.small.replacing(old, with: new)
            let version = try Policy.parse(text: text, file: "policy.yaml").version
            #expect(versions.insert(version).inserted, "\(new)")
        }
        #expect(versions.count == changes.count + needs.count + 1)
    }

    @Test("the canonical text is what the version names, and parses as the value it came from")
    func canonicalText() throws {
        let first = try Fixture.catalogue()
        let second = try Fixture.catalogue()
        #expect(first.canonicalJSON == second.canonicalJSON)
        #expect(first.version == second.version)
        #expect(try first.version != Fixture.demonstration().version)
        let text = String(
            decoding: try Policy.parse(text: Self.small, file: "p").canonicalJSON, as: UTF8.self)
        #expect(
            text == """
                {"calendars":{},"jurisdiction":"none","jurisdictions":{},"limits":{"contacts_per_day":{},\
                "day_zone":"UTC","outcome_hours":12},"name":"small","policy":1,\
                "purposes":{"relay.message":{"actions":{"dial":"reveal"},"caps":[],\
                "clients":["desk","gateway","service"],"fields":["phone"],"frequency_ceiling":"applies",\
                "hours":"any","needs":{},\
                "roles":["collection"],"stages":["call_collection"],"stop_flag":"respected",\
                "token":{"seconds":300,"uses":1}}}}
                """)
    }
}

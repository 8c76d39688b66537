// The boundary cases of hours, pauses and caps, by the millisecond and by the calendar on the contact's wall. The
// moments in UTC were computed by hand from the offsets named beside them.

import ConfigurationFile
import ContactModel
import PurposePolicy
import Testing

@Suite("Boundaries of hours, pauses and caps")
struct BoundaryTests {
    private let allowed = Outcome.permit(.reveal, generation: 5, fields: [.phone], contact: Fixture.contact)

    // MARK: The starter catalogue under another jurisdiction

    /// The starter catalogue bound by a jurisdiction.
    /// - Parameters:
    ///   - hours: whether the purposes keep their own hours; without, the jurisdiction's edges are seen.
    ///   - caps: whether `relay.message` keeps its own caps.
    private func policy(under jurisdiction: String, hours: Bool = false, caps: Bool = true) throws -> Policy {
        let parts = StarterPolicy.starterCatalogue.split(separator: "\npurposes:\n", maxSplits: 1)
        try #require(parts.count == 2)
        let line = "jurisdiction: cn\n"
        try #require(parts[0].contains(line))
        var text = String(parts[0]).replacing(line, with: "jurisdiction: \(jurisdiction)\n") + "\npurposes:\n"
        var purposes = String(parts[1])
        if !hours {
            for window in ["09:00-20:00", "08:00-22:00", "10:00-18:00"] {
                try #require(purposes.contains("hours: \(window)\n"))
                purposes = purposes.replacing("hours: \(window)\n", with: "hours: any\n")
            }
        }
        if !caps {
            let own = "caps: [{releases: 1, days: 1}, {releases: 2, days: 7}, {releases: 3, days: 30}]\n"
            try #require(purposes.contains(own))
            purposes = purposes.replacing(own, with: "caps: none\n")
        }
        text += purposes
        return try Policy.parse(text: text, file: "policy.yaml", calendars: StarterPolicy.calendars)
    }

    private func line(_ name: String) throws -> ExpectedPurpose {
        try #require(ExpectedPurpose.released.first { $0.name == name })
    }

    private func zones(_ names: [String]) throws -> [TimeZoneRules] {
        try names.map { try #require(TimeZoneDatabase.system.zone($0)) }
    }

    /// What the policy says to a call at a moment (RFC 3339), everything else speaking for it.
    private func call(
        _ policy: Policy, _ name: String, at text: String, in zoneNames: [String],
        _ spoil: (inout ContactFacts) -> Void = { _ in }
    ) throws -> Outcome {
        let line = try line(name)
        let now = try #require(Timestamp(text))
        var facts = line.facts(at: now)
        facts.zones = try zones(zoneNames)
        spoil(&facts)
        return policy.outcome(line.request(), facts: facts, at: now)
    }

    private func expect(
        _ policy: Policy, _ name: String, in zones: [String], _ table: [(String, Bool)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (text, isAllowed) in table {
            let found = try call(policy, name, at: text, in: zones)
            #expect(
                found == (isAllowed ? allowed : .deny(.outsideHours)), "\(text)",
                sourceLocation: sourceLocation)
        }
    }

    private func approach(
        _ text: String, _ spoil: (inout PastRelease) -> Void = { _ in }
    ) throws -> PastRelease {
        var release = PastRelease(
            time: try #require(Timestamp(text)), purpose: Fixture.relay, isMask: false, isApproach: true,
            isSameNumber: true, isSameCase: true, isSameReference: false)
        spoil(&release)
        return release
    }

    // MARK: Hours

    @Test("China: from 08:00 up to, not at, 22:00 (UTC+8), by the purpose's hours and by the ceiling")
    func china() throws {
        for policy in [try Fixture.catalogue(), try policy(under: "cn")] {
            try expect(
                policy, "callback.requested", in: ["Asia/Shanghai"],
                [
                    ("2026-05-19T23:59:59.999Z", false), ("2026-05-20T00:00:00Z", true),
                    ("2026-05-20T13:59:59.999Z", true), ("2026-05-20T14:00:00Z", false),
                    ("2026-05-20T16:00:00Z", false), ("2026-05-20T19:30:00Z", false),
                ])
        }
    }

    @Test(
        "a purpose's own hours are not widened by the jurisdiction's, nor the jurisdiction's by the purpose's"
    )
    func narrowest() throws {
        try expect(
            policy(under: "uk-conc7", hours: true), "relay.message", in: ["Europe/London"],
            [
                ("2026-01-14T08:59:59.999Z", false), ("2026-01-14T09:00:00Z", true),
                ("2026-01-14T19:59:59.999Z", true), ("2026-01-14T20:00:00Z", false),
            ])
        // callback.requested has 08:00-22:00 of its own, India ends at 19:00 (UTC+5:30).
        try expect(
            policy(under: "in-rbi", hours: true), "callback.requested", in: ["Asia/Kolkata"],
            [("2026-05-20T13:29:59.999Z", true), ("2026-05-20T13:30:00Z", false)])
    }

    @Test("an emergency is bound by no jurisdiction's hours and by no zone")
    func emergency() throws {
        for jurisdiction in ["cn", "us-regf", "in-rbi", "au-rg96", "uk-conc7"] {
            let policy = try policy(under: jurisdiction, hours: true)
            #expect(try call(policy, "safety.emergency", at: "2026-01-25T19:00:00Z", in: []) == allowed)
            #expect(
                try call(
                    policy, "safety.emergency", at: "2026-01-25T19:00:00Z", in: ["Australia/Sydney"])
                    == allowed)
        }
    }

    @Test("Regulation F: from 08:00 to 21:00, that moment included (summer, UTC-4)")
    func regulationF() throws {
        try expect(
            policy(under: "us-regf"), "relay.message", in: ["America/New_York"],
            [
                ("2026-07-01T11:59:59.999Z", false), ("2026-07-01T12:00:00Z", true),
                ("2026-07-02T00:59:59.999Z", true), ("2026-07-02T01:00:00.000Z", true),
                ("2026-07-02T01:00:00.001Z", false), ("2026-07-02T01:00:01Z", false),
                ("2026-07-02T04:00:00Z", false),
            ])
    }

    @Test("New York when the clock is put forward, 2026-03-08, and back, 2026-11-01")
    func daylightSaving() throws {
        try expect(
            policy(under: "us-regf"), "relay.message", in: ["America/New_York"],
            [
                // UTC-5 on the Saturday, UTC-4 on the Sunday from 07:00Z on.
                ("2026-03-07T12:59:59.999Z", false), ("2026-03-07T13:00:00Z", true),
                ("2026-03-08T02:00:00.000Z", true), ("2026-03-08T02:00:00.001Z", false),
                ("2026-03-08T06:59:59.999Z", false), ("2026-03-08T07:00:00Z", false),
                ("2026-03-08T11:59:59.999Z", false), ("2026-03-08T12:00:00Z", true),
                ("2026-03-09T01:00:00.000Z", true), ("2026-03-09T01:00:00.001Z", false),
                // UTC-4 on the Saturday, UTC-5 on the Sunday from 06:00Z on.
                ("2026-10-31T11:59:59.999Z", false), ("2026-10-31T12:00:00Z", true),
                ("2026-11-01T01:00:00.000Z", true), ("2026-11-01T01:00:00.001Z", false),
                ("2026-11-01T12:00:00Z", false), ("2026-11-01T12:59:59.999Z", false),
                ("2026-11-01T13:00:00Z", true), ("2026-11-02T01:00:00.001Z", true),
                ("2026-11-02T02:00:00.000Z", true), ("2026-11-02T02:00:00.001Z", false),
            ])
    }

    @Test("Eastern and Pacific time together leave 11:00 to 21:00 Eastern")
    func conflictingZones() throws {
        let policy = try policy(under: "us-regf")
        for zones in [
            ["America/New_York", "America/Los_Angeles"], ["America/Los_Angeles", "America/New_York"],
        ] {
            try expect(
                policy, "relay.message", in: zones,
                [
                    // Summer, UTC-4.
                    ("2026-07-01T12:00:00Z", false), ("2026-07-01T14:59:59.999Z", false),
                    ("2026-07-01T15:00:00Z", true), ("2026-07-02T01:00:00.000Z", true),
                    ("2026-07-02T01:00:00.001Z", false), ("2026-07-02T04:00:00Z", false),
                    // Winter, UTC-5.
                    ("2026-01-14T15:59:59.999Z", false), ("2026-01-14T16:00:00Z", true),
                    ("2026-01-15T02:00:00.000Z", true), ("2026-01-15T02:00:00.001Z", false),
                    // The day on which both are put forward.
                    ("2026-03-08T14:59:59.999Z", false), ("2026-03-08T15:00:00Z", true),
                    ("2026-03-09T01:00:00.000Z", true), ("2026-03-09T01:00:00.001Z", false),
                ])
        }
    }

    @Test("zones without a common hour leave none")
    func noCommonHour() throws {
        // Shanghai and New York under 08:00-22:00: eight in the one is twenty or nineteen in the other.
        let policy = try policy(under: "in-rbi")
        for hour in 0..<24 {
            let text = "2026-07-01T" + (hour < 10 ? "0" : "") + "\(hour):30:00Z"
            #expect(
                try call(policy, "relay.message", at: text, in: ["Asia/Shanghai", "America/New_York"])
                    == .deny(.outsideHours))
        }
    }

    @Test(
        "an unknown zone denies, whatever the jurisdiction",
        arguments: ["cn", "us-regf", "in-rbi", "au-rg96", "uk-conc7"])
    func unknownZone(jurisdiction: String) throws {
        for hours in [true, false] {
            let policy = try policy(under: jurisdiction, hours: hours)
            for line in ExpectedPurpose.released where line.hours != nil {
                let now = ExpectedPurpose.noon
                var facts = line.facts()
                for zones in [nil, []] as [[TimeZoneRules]?] {
                    facts.zones = zones
                    #expect(
                        policy.outcome(line.request(), facts: facts, at: now) == .deny(.timeZoneUnknown))
                }
            }
        }
    }

    @Test("India: from 08:00 up to, not at, 19:00 (UTC+5:30)")
    func india() throws {
        try expect(
            policy(under: "in-rbi"), "relay.message", in: ["Asia/Kolkata"],
            [
                ("2026-05-20T02:29:59.999Z", false), ("2026-05-20T02:30:00Z", true),
                ("2026-05-20T13:29:59.999Z", true), ("2026-05-20T13:30:00Z", false),
            ])
    }

    @Test("Australia: 07:30 on weekdays, 09:00 at weekends, up to 21:00 (Sydney, UTC+10 and +11)")
    func australia() throws {
        try expect(
            policy(under: "au-rg96"), "relay.message", in: ["Australia/Sydney"],
            [
                // Wednesday and Friday.
                ("2026-05-19T21:29:59.999Z", false), ("2026-05-19T21:30:00Z", true),
                ("2026-05-20T10:59:59.999Z", true), ("2026-05-20T11:00:00Z", false),
                ("2026-05-21T21:30:00Z", true),
                // Saturday 23 and Sunday 24 May.
                ("2026-05-22T21:30:00Z", false), ("2026-05-22T22:59:59.999Z", false),
                ("2026-05-22T23:00:00Z", true), ("2026-05-23T10:59:59.999Z", true),
                ("2026-05-23T11:00:00Z", false),
                ("2026-05-23T21:30:00Z", false), ("2026-05-23T22:59:59.999Z", false),
                ("2026-05-23T23:00:00Z", true), ("2026-05-24T10:59:59.999Z", true),
                ("2026-05-24T11:00:00Z", false),
                // Monday.
                ("2026-05-24T21:29:59.999Z", false), ("2026-05-24T21:30:00Z", true),
                // Wednesday in summer.
                ("2026-01-13T20:29:59.999Z", false), ("2026-01-13T20:30:00Z", true),
                ("2026-01-14T09:59:59.999Z", true), ("2026-01-14T10:00:00Z", false),
            ])
    }

    @Test("Australia: national holidays, by the contact's day; a day that no calendar covers")
    func holidays() throws {
        let policy = try policy(under: "au-rg96")
        let table: [(String, String, Outcome)] = [
            // Noon: Sunday 25 January, Australia Day, Tuesday 27 January (UTC+11).
            ("2026-01-25T01:00:00Z", "Australia/Sydney", allowed),
            ("2026-01-26T01:00:00Z", "Australia/Sydney", .deny(.holiday)),
            ("2026-01-27T01:00:00Z", "Australia/Sydney", allowed),
            // 20:00 and 09:00 of the days around it, the holiday at 07:30 and 20:59.
            ("2026-01-25T09:00:00Z", "Australia/Sydney", allowed),
            ("2026-01-25T20:30:00Z", "Australia/Sydney", .deny(.holiday)),
            ("2026-01-26T09:59:00Z", "Australia/Sydney", .deny(.holiday)),
            ("2026-01-26T20:30:00Z", "Australia/Sydney", allowed),
            // Perth, UTC+8.
            ("2026-01-26T03:00:00Z", "Australia/Perth", .deny(.holiday)),
            ("2026-01-26T23:30:00Z", "Australia/Perth", allowed),
            // Good Friday, Easter Saturday (none in RG 96's national list), Easter Monday.
            ("2026-04-03T01:00:00Z", "Australia/Sydney", .deny(.holiday)),
            ("2026-04-04T01:00:00Z", "Australia/Sydney", allowed),
            ("2026-04-06T02:00:00Z", "Australia/Sydney", .deny(.holiday)),
            ("2026-12-25T01:00:00Z", "Australia/Sydney", .deny(.holiday)),
            // Outside of 2026 and 2027: Wednesday, the last day, Monday.
            ("2025-12-31T01:00:00Z", "Australia/Sydney", .deny(.holidaysUnknown)),
            ("2027-12-31T01:00:00Z", "Australia/Sydney", allowed),
            ("2028-01-03T01:00:00Z", "Australia/Sydney", .deny(.holidaysUnknown)),
            ("2028-01-26T01:00:00Z", "Australia/Sydney", .deny(.holidaysUnknown)),
        ]
        for (text, zone, expected) in table {
            #expect(try call(policy, "relay.message", at: text, in: [zone]) == expected, "\(text)")
        }
        // By two clocks.
        #expect(
            try call(
                policy, "relay.message", at: "2026-01-26T03:00:00Z",
                in: ["Australia/Perth", "Australia/Sydney"]) == .deny(.holiday))
    }

    @Test("a holiday denies under no other jurisdiction")
    func holidayElsewhere() throws {
        for jurisdiction in ["cn", "uk-conc7", "in-rbi"] {
            #expect(
                try call(
                    policy(under: jurisdiction), "relay.message", at: "2026-01-26T01:00:00Z",
                    in: ["Australia/Sydney"]) == allowed)
        }
    }

    @Test("CONC 7 has no hours: a purpose without hours of its own may call at any time")
    func unitedKingdom() throws {
        let policy = try policy(under: "uk-conc7")
        for text in [
            "2026-01-14T00:00:00Z", "2026-01-14T03:00:00Z", "2026-01-14T07:59:59.999Z",
            "2026-01-14T12:00:00Z",
            "2026-01-14T21:00:00.001Z", "2026-01-14T23:59:59.999Z", "2026-12-25T12:00:00Z",
        ] {
            #expect(try call(policy, "relay.message", at: text, in: ["Europe/London"]) == allowed)
        }
    }

    @Test("the hours that the contact asked for narrow an approach, by every clock, and widen nothing")
    func preferredWindow() throws {
        func at(
            _ text: String, _ minutes: Range<Int>, _ zones: [String] = ["Asia/Shanghai"],
            under name: String = "cn"
        ) throws -> Outcome {
            try call(policy(under: name, hours: true), "relay.message", at: text, in: zones) {
                $0.preferredWindow = minutes
            }
        }
        let evening = 18 * 60..<19 * 60 + 30
        #expect(try at("2026-05-20T09:59:59.999Z", evening) == .deny(.outsideHours))
        #expect(try at("2026-05-20T10:00:00Z", evening) == allowed)
        #expect(try at("2026-05-20T11:29:59.999Z", evening) == allowed)
        #expect(try at("2026-05-20T11:30:00Z", evening) == .deny(.outsideHours))
        #expect(try at("2026-05-20T00:30:00Z", 0..<1440) == .deny(.outsideHours))
        #expect(try at("2026-05-20T04:00:00Z", 0..<0) == .deny(.outsideHours))
        // 12:00 in New York is 09:00 in Los Angeles.
        let pair = ["America/New_York", "America/Los_Angeles"]
        #expect(
            try at("2026-07-01T16:00:00Z", 12 * 60..<16 * 60, pair, under: "us-regf") == .deny(.outsideHours))
        #expect(try at("2026-07-01T19:00:00Z", 12 * 60..<16 * 60, pair, under: "us-regf") == allowed)
        #expect(
            try at("2026-07-01T20:00:00Z", 12 * 60..<16 * 60, pair, under: "us-regf") == .deny(.outsideHours))
    }

    // MARK: Caps by calendar days

    private let week = [
        // Wednesday 2026-04-01 … Tuesday 2026-04-07, at 20:59 in New York (UTC-4).
        "2026-04-02T00:59:00Z", "2026-04-03T00:59:00Z", "2026-04-04T00:59:00Z", "2026-04-05T00:59:00Z",
        "2026-04-06T00:59:00Z", "2026-04-07T00:59:00Z", "2026-04-07T12:00:00Z",
    ]

    @Test(
        "Regulation F: after seven calls from Wednesday to Tuesday the eighth waits for Wednesday at eight"
    )
    func sevenCalls() throws {
        let policy = try policy(under: "us-regf", caps: false)
        func eighth(_ text: String, _ spoil: (inout PastRelease) -> Void = { _ in }) throws -> Outcome {
            try call(policy, "relay.message", at: text, in: ["America/New_York"]) { facts in
                facts.releases = []
                for call in week {
                    guard let release = try? approach(call, spoil) else { continue }
                    facts.releases.append(release)
                }
            }
        }
        #expect(try eighth("2026-04-07T12:00:01Z") == .deny(.capReached))
        #expect(try eighth("2026-04-08T01:00:00.000Z") == .deny(.capReached))
        // Less than 7 times 24 hours after the first call, and the eighth calendar day.
        #expect(try eighth("2026-04-08T12:00:00Z") == allowed)
        // Per person and debt: another case, another number, a mask or an answer are not counted.
        #expect(try eighth("2026-04-07T12:00:01Z") { $0.isSameCase = false } == allowed)
        #expect(try eighth("2026-04-07T12:00:01Z") { $0.isSameNumber = false } == allowed)
        #expect(try eighth("2026-04-07T12:00:01Z") { $0.isMask = true } == allowed)
        #expect(try eighth("2026-04-07T12:00:01Z") { $0.isApproach = false } == allowed)
        // Calls for other approaches count with these.
        let locate = try #require(Purpose("locate.debtor"))
        #expect(try eighth("2026-04-07T12:00:01Z") { $0.purpose = locate } == .deny(.capReached))
        // Six calls leave a seventh.
        let seventh = try call(policy, "relay.message", at: "2026-04-07T12:00:01Z", in: ["America/New_York"])
        {
            $0.releases = week.dropLast().compactMap { try? approach($0) }
        }
        #expect(seventh == allowed)
    }

    @Test("Regulation F: a debtor is located through a person once, over all cases")
    func locateOnce() throws {
        let policy = try policy(under: "us-regf")
        let sealed = Outcome.permit(.seal, generation: 5, fields: [.phone], contact: Fixture.contact)
        let locate = try #require(Purpose("locate.debtor"))
        func after(_ spoil: @escaping (inout PastRelease) -> Void) throws -> Outcome {
            let earlier = try approach("2024-01-10T16:00:00Z") {
                $0.purpose = locate
                $0.isSameCase = false
                spoil(&$0)
            }
            return try call(
                policy, "locate.debtor", at: "2026-07-01T16:00:00Z", in: ["America/New_York"]
            ) { $0.releases = [earlier] }
        }
        #expect(try after { _ in } == .deny(.capReached))
        #expect(try after { $0.isSameNumber = false } == sealed)
        #expect(try after { $0.purpose = Fixture.relay } == sealed)
    }

    @Test("Regulation F: seven days' pause after a conversation, whose day is the first")
    func conversationPause() throws {
        let policy = try policy(under: "us-regf", caps: false)
        func after(
            _ conversation: String, at text: String, in zones: [String] = ["America/New_York"],
            name: String = "relay.message"
        ) throws -> Outcome {
            let release = try approach("2026-03-31T16:00:00Z") { $0.conversation = Timestamp(conversation) }
            return try call(policy, name, at: text, in: zones) { $0.releases = [release] }
        }
        // 15:00 on Wednesday 1 April; days 1 to 7 end with Tuesday 7 April (UTC-4).
        let afternoon = "2026-04-01T19:00:00Z"
        #expect(try after(afternoon, at: "2026-04-01T20:00:00Z") == .deny(.conversationPause))
        #expect(try after(afternoon, at: "2026-04-04T16:00:00Z") == .deny(.conversationPause))
        #expect(try after(afternoon, at: "2026-04-08T01:00:00.000Z") == .deny(.conversationPause))
        #expect(try after(afternoon, at: "2026-04-08T12:00:00Z") == allowed)
        // The day of the conversation is the first, however much of it was left.
        #expect(try after("2026-04-01T04:00:00Z", at: "2026-04-08T12:00:00Z") == allowed)
        #expect(try after("2026-04-02T03:59:59.999Z", at: "2026-04-08T12:00:00Z") == allowed)
        #expect(try after("2026-04-02T04:00:00Z", at: "2026-04-08T12:00:00Z") == .deny(.conversationPause))
        // Over the change of the clock: 1 to 7 November 2026, the first of them of 25 hours.
        #expect(
            try after("2026-11-01T04:30:00Z", at: "2026-11-08T02:00:00.000Z") == .deny(.conversationPause))
        #expect(try after("2026-11-01T04:30:00Z", at: "2026-11-08T13:00:00Z") == allowed)
        // 00:30 on 1 April in New York is still 31 March in Los Angeles; both clocks must be past it.
        let pair = ["America/Los_Angeles", "America/New_York"]
        #expect(
            try after("2026-04-01T04:30:00Z", at: "2026-04-07T16:00:00Z", in: pair)
                == .deny(.conversationPause))
        #expect(try after("2026-04-01T04:30:00Z", at: "2026-04-08T16:00:00Z", in: pair) == allowed)
        // A call that the contact asked for is no approach, and China has no pause.
        #expect(try after(afternoon, at: "2026-04-04T16:00:00Z", name: "callback.requested") == allowed)
        let release = try approach("2026-03-31T16:00:00Z") { $0.conversation = Timestamp(afternoon) }
        #expect(
            try call(
                self.policy(under: "cn", caps: false), "relay.message", at: "2026-04-04T02:00:00Z",
                in: ["Asia/Shanghai"]
            ) { $0.releases = [release] } == allowed)
    }

    @Test("a conversation with another number does not pause this one")
    func conversationElsewhere() throws {
        let release = try approach("2026-04-01T16:00:00Z") {
            $0.conversation = Timestamp("2026-04-01T19:00:00Z")
            $0.isSameNumber = false
        }
        #expect(
            try call(
                policy(under: "us-regf", caps: false), "relay.message", at: "2026-04-02T16:00:00Z",
                in: ["America/New_York"]
            ) { $0.releases = [release] } == allowed)
    }

    @Test("Australia: three in a week and ten in a month, per account")
    func australianCaps() throws {
        let policy = try policy(under: "au-rg96", caps: false)
        // Noon in Sydney (UTC+10) on Wednesday 2026-05-20, and on earlier days.
        let noon = try #require(Timestamp("2026-05-20T02:00:00Z"))
        func after(_ days: [Int64], _ spoil: (inout PastRelease) -> Void = { _ in }) throws -> Outcome {
            let releases = try days.map { day in
                var release = try approach("2026-05-20T02:00:00Z") { $0.isSameNumber = false }
                release.time = noon.adding(days: -day).adding(seconds: -60)
                spoil(&release)
                return release
            }
            return try call(
                policy, "relay.message", at: "2026-05-20T02:00:00Z", in: ["Australia/Sydney"]
            ) { $0.releases = releases }
        }
        #expect(try after([0, 3]) == allowed)
        #expect(try after([0, 3, 6]) == .deny(.capReached))
        #expect(try after([0, 3, 7]) == allowed)
        let month: [Int64] = [7, 8, 9, 10, 11, 12, 13, 14, 15]
        #expect(try after(month) == allowed)
        #expect(try after(month + [30]) == .deny(.capReached))
        #expect(try after(month + [31]) == allowed)
        #expect(
            try after([0, 0, 0, 0]) {
                $0.isSameCase = false
                $0.isSameNumber = true
            } == allowed)
    }

    @Test("a window counts calendar days, not multiples of 24 hours: over the change of the clock")
    func windowOverTheChange() throws {
        // contact.notice: one in 7 days. For Tuesday 2026-03-10 in New York they begin on 4 March at 05:00Z (UTC-5),
        // six days and 23 hours before midnight of the 10th (UTC-4).
        let notice = Fixture.notice
        func after(_ text: String) throws -> Outcome {
            let earlier = try approach(text) {
                $0.purpose = notice
                $0.isApproach = false
            }
            return try call(
                policy(under: "us-regf"), "contact.notice", at: "2026-03-10T16:00:00Z",
                in: ["America/New_York"]
            ) { $0.releases = [earlier] }
        }
        #expect(try after("2026-03-04T05:00:00.000Z") == .deny(.capReached))
        #expect(try after("2026-03-04T04:59:59.999Z") == allowed)
        #expect(try after("2026-03-04T04:00:00.000Z") == allowed)
    }

    @Test("one a day: yesterday evening's call does not count this morning, this morning's does tonight")
    func oneADay() throws {
        let policy = try Fixture.catalogue()
        func after(_ earlier: String, at text: String) throws -> Outcome {
            let release = try approach(earlier)
            return try call(policy, "relay.message", at: text, in: ["Asia/Shanghai"]) {
                $0.releases = [release]
            }
        }
        // 19:59:59.999 on the 19th is 13 hours before 09:00 on the 20th, and that is 11 before 19:59.
        #expect(try after("2026-05-19T11:59:59.999Z", at: "2026-05-20T01:00:00Z") == allowed)
        #expect(try after("2026-05-20T01:00:00Z", at: "2026-05-20T11:59:00Z") == .deny(.capReached))
    }

    @Test("with conflicting zones a day begins where it begins first")
    func conflictingZonesForCaps() throws {
        let policy = try policy(under: "uk-conc7")
        let pair = ["America/Los_Angeles", "America/New_York"]
        func after(_ earlier: String, at text: String, in zones: [String]) throws -> Outcome {
            let release = try approach(earlier)
            return try call(policy, "relay.message", at: text, in: zones) { $0.releases = [release] }
        }
        for zones in [pair, pair.reversed()] {
            // 1 July by both clocks: in New York it began at 04:00Z, in Los Angeles at 07:00Z.
            let both = "2026-07-01T15:00:00Z"
            #expect(try after("2026-07-01T03:59:59.999Z", at: both, in: zones) == allowed)
            #expect(try after("2026-07-01T04:00:00.000Z", at: both, in: zones) == .deny(.capReached))
            // 1 July in New York, still 30 June in Los Angeles, which began at 07:00Z.
            let split = "2026-07-01T05:00:00Z"
            #expect(try after("2026-06-30T06:59:59.999Z", at: split, in: zones) == allowed)
            #expect(try after("2026-06-30T07:00:00.000Z", at: split, in: zones) == .deny(.capReached))
        }
        #expect(
            try after("2026-07-01T06:59:59.999Z", at: "2026-07-01T15:00:00Z", in: ["America/Los_Angeles"])
                == allowed)
    }

    @Test("the jurisdiction is the portfolio's")
    func portfolios() throws {
        let policy = try policy(under: "{default: cn, portfolios: {pf_autumn: in-rbi}}")
        #expect(
            try call(policy, "relay.message", at: "2026-05-20T13:30:00Z", in: ["Asia/Kolkata"])
                == .deny(.outsideHours))
        #expect(
            try call(policy, "relay.message", at: "2026-05-20T13:30:00Z", in: ["Asia/Kolkata"]) {
                $0.portfolio = Reference("pf_spring")!
            } == allowed)
    }
}

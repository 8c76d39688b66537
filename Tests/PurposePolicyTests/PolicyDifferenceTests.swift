// What a change of the policy does: a change that lets more through must never pass for one that does not, because only
// what loosens waits for a second person.

import ConfigurationFile
import ContactModel
import Foundation
import PurposePolicy
import Testing

@Suite("Policy difference")
struct PolicyDifferenceTests {
    private static let base = """
        policy: 1
        name: base
        limits:
          day_zone: Asia/Shanghai
          contacts_per_day: {actor: 60, client: 500, agency: 1000}
          requests_per_minute: 1200
          throttle: {outcomes: 3, hours: 24}
          outcome_hours: 12
        jurisdiction: {default: cn, portfolios: {pf_us: us}}
        jurisdictions:
          cn:
            title: China
            hours: 08:00-22:00
            caps: [{releases: 2, days: 7}]
            holidays: none
          us:
            hours: 08:00-21:00 inclusive
            caps: [{releases: 7, days: 7, per: number_and_case}]
            purpose_caps: {answer.request: [{releases: 3}]}
            pause_days: 7
            holidays: [us-federal]
          spare:
            hours: any
            caps: none
            holidays: [spare-days]
        purposes:
          relay.message:
            title: pass on a message
            stages: [call_collection, legal]
            actions: {dial: seal, display: mask}
            fields: [phone, name]
            hours: 09:00-20:00
            caps: [{releases: 2, days: 3}, {releases: 5, hours: 100, per: case}]
            token: {seconds: 300, uses: 2}
            roles: [collection, privacy]
            clients: [gateway, service]
            frequency_ceiling: applies
            needs:
              consent: required
              notices: [n_1, n_2]
              precondition: [deceased, incapacitated]
              verified_within_days: 30
              authorisation: true
              second_person: true
              requests_per_minute: 50
          answer.request:
            stages: [legal]
            actions: {ring: reveal}
            fields: [phone]
            hours: {mon-fri: 09:00-20:30, sat: 10:00-14:00, sun: none}
            caps: none
            token: {seconds: 120, uses: 1}
            roles: [privacy]
            stop_flag: newer_reference
            needs:
              consent: not_refused
              reference: {kind: request, days: 7}
              break_glass: {review_hours: 24}
          suppress.match:
            stages: [closed]
            actions: {match: match}
            fields: []
            hours: any
            caps: none
            token: {seconds: 60, uses: 1000}
            roles: [collection]
            stop_flag: exempt
            needs: {batch: 100, requests_per_minute: 60}

        """

    private static let calendars = [
        "us-federal": """
        calendar: 1
        name: us-federal
        covers: {from: 2026-01-01, to: 2026-12-31}
        holidays:
          2026-07-03: Independence Day
          2026-12-25: Christmas Day

        """,
        "spare-days": """
        calendar: 1
        name: spare-days
        covers: {from: 2026-01-01, to: 2026-12-31}
        holidays: {2026-05-01: a day}

        """,
    ]

    private static func policy(
        _ text: String = base, calendars: [String: String] = calendars
    ) throws -> Policy {
        try Policy.parse(text: text, file: "policy.yaml", calendars: calendars)
    }

    /// The base with one piece replaced, which must stand in it once.
    private static func text(replacing old: String, with new: String) throws -> String {
        try #require(base.ranges(of: old).count == 1, "\(old)")
        return base.replacing(old, with: new)
    }

    /// Effect and place of every change, such as `loosens name`.
    private static func changes(from old: Policy, to new: Policy) -> [String] {
        new.differences(from: old).map { "\($0.effect.rawValue) \($0.place)" }
    }

    // MARK: One change

    /// One change of the base, and what it does in either direction.
    struct Row: Sendable, CustomTestStringConvertible {
        let old: String
        let new: String
        let place: String
        let forth: PolicyDifference.Effect
        let back: PolicyDifference.Effect

        init(
            _ old: String, _ new: String, _ place: String, _ forth: PolicyDifference.Effect,
            _ back: PolicyDifference.Effect
        ) {
            self.old = old
            self.new = new
            self.place = place
            self.forth = forth
            self.back = back
        }

        var testDescription: String { "\(old) → \(new)" }
    }

    private static let relay = "purposes.relay.message."
    private static let answer = "purposes.answer.request."
    private static let match = "purposes.suppress.match."
    private static let us = "jurisdiction.portfolios.pf_us."

    private static let ofLimits: [Row] = [
        Row("name: base", "name: other", "name", .neutral, .neutral),
        Row("Asia/Shanghai", "UTC", "limits.day_zone", .loosens, .loosens),
        Row("actor: 60", "actor: 59", "limits.contacts_per_day.actor", .tightens, .loosens),
        Row("actor: 60, ", "", "limits.contacts_per_day.actor", .loosens, .tightens),
        Row("client: 500", "client: 501", "limits.contacts_per_day.client", .loosens, .tightens),
        Row("client: 500, ", "", "limits.contacts_per_day.client", .loosens, .tightens),
        Row("agency: 1000", "agency: 999", "limits.contacts_per_day.agency", .tightens, .loosens),
        Row(", agency: 1000", "", "limits.contacts_per_day.agency", .loosens, .tightens),
        Row("minute: 1200", "minute: 1199", "limits.requests_per_minute", .tightens, .loosens),
        Row("  requests_per_minute: 1200\n", "", "limits.requests_per_minute", .loosens, .tightens),
        Row("outcomes: 3", "outcomes: 2", "limits.throttle.outcomes", .tightens, .loosens),
        Row("outcomes: 3, hours: 24", "outcomes: 3, hours: 25", "limits.throttle.hours", .tightens, .loosens),
        Row(
            "  throttle: {outcomes: 3, hours: 24}\n", "", "limits.throttle.outcomes", .loosens, .tightens),
        Row("outcome_hours: 12", "outcome_hours: 11", "limits.outcome_hours", .tightens, .loosens),
    ]

    private static let ofJurisdictions: [Row] = [
        Row("08:00-22:00", "08:00-21:59", "jurisdiction.hours", .tightens, .loosens),
        Row("08:00-22:00", "07:59-21:59", "jurisdiction.hours", .loosens, .loosens),
        Row("08:00-21:00 inclusive", "08:00-21:00", us + "hours", .tightens, .loosens),
        Row("08:00-21:00 inclusive", "any", us + "hours", .loosens, .tightens),
        Row("[{releases: 2, days: 7}]", "[{releases: 1, days: 7}]", "jurisdiction.caps", .tightens, .loosens),
        Row("[{releases: 2, days: 7}]", "[{releases: 2, days: 8}]", "jurisdiction.caps", .tightens, .loosens),
        Row("[{releases: 2, days: 7}]", "none", "jurisdiction.caps", .loosens, .tightens),
        Row("releases: 7", "releases: 8", us + "caps", .loosens, .tightens),
        Row("[{releases: 3}]", "[{releases: 2}]", us + "purpose_caps.answer.request", .tightens, .loosens),
        Row(
            "    purpose_caps: {answer.request: [{releases: 3}]}\n", "", us + "purpose_caps.answer.request",
            .loosens, .tightens),
        Row(
            "[{releases: 3}]}", "[{releases: 3}], relay.message: [{releases: 9}]}",
            us + "purpose_caps.relay.message", .tightens, .loosens),
        Row("pause_days: 7", "pause_days: 8", us + "pause_days", .tightens, .loosens),
        Row("    pause_days: 7\n", "", us + "pause_days", .loosens, .tightens),
        Row("[us-federal]", "none", us + "holidays.us-federal", .loosens, .tightens),
        Row("[us-federal]", "[spare-days, us-federal]", us + "holidays.spare-days", .tightens, .loosens),
        Row(
            "hours: any\n    caps: none\n    holidays", "hours: 10:00-11:00\n    caps: none\n    holidays",
            "jurisdictions.spare", .neutral, .neutral),
        Row(
            "  spare:\n    hours: any\n    caps: none\n    holidays: [spare-days]\n", "",
            "jurisdictions.spare", .neutral, .neutral),
    ]

    private static let ofPurposes: [Row] = [
        Row("title: pass on a message", "title: other", relay + "title", .neutral, .neutral),
        Row("    title: pass on a message\n", "", relay + "title", .neutral, .neutral),
        Row("[call_collection, legal]", "[legal]", relay + "stages", .tightens, .loosens),
        Row("[call_collection, legal]", "[legal, visit]", relay + "stages", .loosens, .loosens),
        Row("dial: seal", "dial: reveal", relay + "actions.dial", .loosens, .tightens),
        // Views of a mask are counted apart from calls, and need no key.
        Row("dial: seal", "dial: mask", relay + "actions.dial", .loosens, .loosens),
        Row("ring: reveal", "ring: seal", answer + "actions.ring", .tightens, .loosens),
        Row("ring: reveal", "ring: mask", answer + "actions.ring", .loosens, .loosens),
        Row("dial: seal, ", "", relay + "actions.dial", .tightens, .loosens),
        Row(", display: mask", "", relay + "actions.display", .tightens, .loosens),
        Row("[phone, name]", "[phone]", relay + "fields", .tightens, .loosens),
        Row("[phone, name]", "[phone, relation]", relay + "fields", .loosens, .loosens),
        Row("09:00-20:00", "09:00-19:59", relay + "hours", .tightens, .loosens),
        Row("09:00-20:00", "09:01-20:00", relay + "hours", .tightens, .loosens),
        Row("09:00-20:00", "09:00-20:00 inclusive", relay + "hours", .loosens, .tightens),
        Row("09:00-20:00", "09:00-19:59 inclusive", relay + "hours", .tightens, .loosens),
        Row("09:00-20:00", "08:59-20:00", relay + "hours", .loosens, .tightens),
        Row("09:00-20:00", "10:00-21:00", relay + "hours", .loosens, .loosens),
        Row("09:00-20:00", "any", relay + "hours", .loosens, .tightens),
        Row("09:00-20:00", "{mon-sat: 09:00-20:00, sun: none}", relay + "hours", .tightens, .loosens),
        Row(
            "09:00-20:00", "{mon-sat: 10:00-11:00, sun: 09:00-20:01}", relay + "hours", .loosens, .loosens),
        Row("sun: none", "sun: 09:00-09:01", answer + "hours", .loosens, .tightens),
        Row("sat: 10:00-14:00", "sat: none", answer + "hours", .tightens, .loosens),
        Row("{releases: 2, days: 3}", "{releases: 1, days: 3}", relay + "caps", .tightens, .loosens),
        Row("{releases: 2, days: 3}", "{releases: 2, days: 4}", relay + "caps", .tightens, .loosens),
        Row("{releases: 2, days: 3}", "{releases: 1, days: 2}", relay + "caps", .loosens, .loosens),
        Row("{releases: 2, days: 3}", "{releases: 2, hours: 72}", relay + "caps", .loosens, .loosens),
        Row("{releases: 2, days: 3}", "{releases: 2, hours: 8760}", relay + "caps", .loosens, .loosens),
        Row(
            "{releases: 2, days: 3}", "{releases: 2, days: 3, per: case}", relay + "caps", .loosens, .loosens),
        Row("{releases: 2, days: 3}, ", "", relay + "caps", .loosens, .tightens),
        // A cap by days refuses a contact whose zone is not known, and one without end does not.
        Row("{releases: 2, days: 3}", "{releases: 2}", relay + "caps", .loosens, .loosens),
        Row("hours: 100, per: case", "hours: 101, per: case", relay + "caps", .tightens, .loosens),
        Row("hours: 100, per: case", "per: case", relay + "caps", .tightens, .loosens),
        Row(
            "[{releases: 2, days: 3}", "[{releases: 3, days: 2}, {releases: 2, days: 3}", relay + "caps",
            .tightens, .tightens),
        Row(
            "caps: [{releases: 2, days: 3}, {releases: 5, hours: 100, per: case}]", "caps: none",
            relay + "caps", .loosens, .tightens),
        Row("seconds: 300", "seconds: 299", relay + "token.seconds", .tightens, .loosens),
        Row("uses: 2}", "uses: 3}", relay + "token.uses", .loosens, .tightens),
        Row("[collection, privacy]", "[collection]", relay + "roles", .tightens, .loosens),
        Row("[collection, privacy]", "[complaints]", relay + "roles", .loosens, .loosens),
        Row("[gateway, service]", "[service]", relay + "clients", .tightens, .loosens),
        Row("    clients: [gateway, service]\n", "", relay + "clients", .loosens, .tightens),
        Row("newer_reference", "respected", answer + "stop_flag", .tightens, .loosens),
        Row("newer_reference", "exempt", answer + "stop_flag", .loosens, .tightens),
        Row("    stop_flag: exempt\n", "", match + "stop_flag", .tightens, .loosens),
        Row("ceiling: applies", "ceiling: exempt", relay + "frequency_ceiling", .loosens, .tightens),
    ]

    private static let ofNeeds: [Row] = [
        Row("      consent: not_refused\n", "", answer + "needs.consent", .loosens, .tightens),
        Row("consent: not_refused", "consent: required", answer + "needs.consent", .loosens, .loosens),
        Row("[n_1, n_2]", "[n_2]", relay + "needs.notices", .tightens, .loosens),
        Row("[n_1, n_2]", "[n_1, n_3]", relay + "needs.notices", .loosens, .loosens),
        Row("      notices: [n_1, n_2]\n", "", relay + "needs.notices", .loosens, .tightens),
        Row("[deceased, incapacitated]", "[deceased]", relay + "needs.precondition", .tightens, .loosens),
        Row(
            "[deceased, incapacitated]", "[number_invalid]", relay + "needs.precondition", .loosens, .loosens),
        Row(
            "      precondition: [deceased, incapacitated]\n", "", relay + "needs.precondition", .loosens,
            .tightens),
        Row("days: 30", "days: 29", relay + "needs.verified_within_days", .tightens, .loosens),
        Row(
            "      verified_within_days: 30\n", "", relay + "needs.verified_within_days", .loosens, .tightens),
        Row("      authorisation: true\n", "", relay + "needs.authorisation", .loosens, .tightens),
        Row("      second_person: true\n", "", relay + "needs.second_person", .loosens, .tightens),
        Row("minute: 50", "minute: 49", relay + "needs.requests_per_minute", .tightens, .loosens),
        Row(
            "      requests_per_minute: 50\n", "", relay + "needs.requests_per_minute", .loosens, .tightens),
        Row(
            "kind: request, days: 7", "kind: request, days: 6", answer + "needs.reference", .tightens,
            .loosens),
        Row("kind: request, days: 7", "kind: request", answer + "needs.reference", .loosens, .tightens),
        Row("kind: request, days: 7", "kind: offer, days: 7", answer + "needs.reference", .loosens, .loosens),
        Row("kind: request, days: 7", "kind: offer, days: 1", answer + "needs.reference", .loosens, .loosens),
        Row("review_hours: 24", "review_hours: 23", answer + "needs.break_glass", .tightens, .loosens),
        // An emergency is bound by no hours, and one that is none is not reviewed.
        Row(
            "      break_glass: {review_hours: 24}\n", "", answer + "needs.break_glass", .loosens, .loosens),
        Row("batch: 100", "batch: 99", match + "needs.batch", .tightens, .loosens),
        Row("batch: 100, ", "", match + "needs.batch", .loosens, .tightens),
    ]

    @Test(
        "one change has one effect, at its place, and another in the other direction",
        arguments: ofLimits + ofJurisdictions + ofPurposes + ofNeeds)
    func oneChange(row: Row) throws {
        let old = try Self.policy()
        let new = try Self.policy(Self.text(replacing: row.old, with: row.new))
        #expect(Self.changes(from: old, to: new) == ["\(row.forth.rawValue) \(row.place)"])
        #expect(Self.changes(from: new, to: old) == ["\(row.back.rawValue) \(row.place)"])
        #expect(new.differences(from: old).map(\.loosens) == [row.forth == .loosens])
    }

    @Test("a purpose that is added loosens, one that is removed tightens")
    func purposes() throws {
        let old = try Self.policy()
        let start = try #require(Self.base.firstRange(of: "  suppress.match:"))
        let new = try Self.policy(String(Self.base[..<start.lowerBound]))
        #expect(Self.changes(from: old, to: new) == ["tightens purposes.suppress.match"])
        #expect(Self.changes(from: new, to: old) == ["loosens purposes.suppress.match"])
        #expect(new.differences(from: old).map(\.change) == ["removed"])
        #expect(old.differences(from: new).map(\.change) == ["added"])
    }

    // MARK: Several changes at once

    /// Changes that show at more than one place.
    private func expect(
        replacing old: String, with new: String, forth: [String], back: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try Self.policy()
        let after = try Self.policy(Self.text(replacing: old, with: new))
        #expect(Self.changes(from: before, to: after) == forth, sourceLocation: sourceLocation)
        #expect(Self.changes(from: after, to: before) == back, sourceLocation: sourceLocation)
    }

    @Test("an action under another name is one less and one more")
    func renamedAction() throws {
        try expect(
            replacing: "dial: seal", with: "call: seal",
            forth: [
                "loosens purposes.relay.message.actions.call", "tightens purposes.relay.message.actions.dial",
            ],
            back: [
                "tightens purposes.relay.message.actions.call", "loosens purposes.relay.message.actions.dial",
            ])
    }

    @Test("from matching to a release, and back, is another kind of purpose")
    func matching() throws {
        let place = "purposes.suppress.match."
        let old = try Self.policy()
        let text = try Self.text(
            replacing: "{match: match}\n    fields: []", with: "{match: mask}\n    fields: [phone]"
        )
        .replacing("batch: 100, ", with: "").replacing("    stop_flag: exempt\n", with: "")
        let new = try Self.policy(text)
        #expect(
            Self.changes(from: old, to: new) == [
                "loosens \(place)actions.match", "loosens \(place)actions", "loosens \(place)fields",
                "tightens \(place)stop_flag", "loosens \(place)needs.batch",
            ])
        #expect(
            Self.changes(from: new, to: old) == [
                "tightens \(place)actions.match", "loosens \(place)actions", "tightens \(place)fields",
                "loosens \(place)stop_flag", "tightens \(place)needs.batch",
            ])
    }

    @Test("without consent, or with a weaker one, the notices go too")
    func consent() throws {
        let needs = "purposes.relay.message.needs."
        try expect(
            replacing: "      consent: required\n      notices: [n_1, n_2]\n", with: "",
            forth: ["loosens \(needs)consent", "loosens \(needs)notices"],
            back: ["tightens \(needs)consent", "tightens \(needs)notices"])
        try expect(
            replacing: "      consent: required\n      notices: [n_1, n_2]\n",
            with: "      consent: not_refused\n",
            forth: ["loosens \(needs)consent", "loosens \(needs)notices"],
            back: ["loosens \(needs)consent", "tightens \(needs)notices"])
    }

    @Test("a reference that is not needed any more loosens, whatever else tightens")
    func reference() throws {
        try expect(
            replacing: """
                    stop_flag: newer_reference
                    needs:
                      consent: not_refused
                      reference: {kind: request, days: 7}

                """,
            with: "    needs:\n      consent: not_refused\n",
            forth: [
                "tightens purposes.answer.request.stop_flag",
                "loosens purposes.answer.request.needs.reference",
            ],
            back: [
                "loosens purposes.answer.request.stop_flag",
                "tightens purposes.answer.request.needs.reference",
            ])
    }

    @Test("limits: none takes every ceiling away; a day that is counted otherwise may be a fresh one")
    func noLimits() throws {
        let start = try #require(Self.base.firstRange(of: "limits:\n"))
        let end = try #require(Self.base.firstRange(of: "jurisdiction: {"))
        let places = [
            "day_zone", "contacts_per_day.actor", "contacts_per_day.client", "contacts_per_day.agency",
            "requests_per_minute", "throttle.outcomes",
        ].map { "loosens limits." + $0 }
        let old = try Self.policy()
        let new = try Self.policy(
            Self.base.replacingCharacters(start.lowerBound..<end.lowerBound, with: "limits: none\n"))
        #expect(Self.changes(from: old, to: new) == places)
        let ceilings = old.differences(from: new).dropFirst()
        #expect(ceilings.count == places.count - 1 && ceilings.allSatisfy { $0.effect == .tightens })
    }

    // MARK: Jurisdictions

    @Test("a policy without any jurisdiction is looser for everyone, and one with a first is tighter")
    func noJurisdiction() throws {
        try expect(
            replacing: "jurisdiction: {default: cn, portfolios: {pf_us: us}}", with: "jurisdiction: none",
            forth: [
                "neutral jurisdiction", "loosens jurisdiction", "neutral jurisdiction.portfolios.pf_us",
                "loosens jurisdiction.portfolios.pf_us",
            ], back: ["tightens jurisdiction", "tightens jurisdiction.portfolios.pf_us"])
    }

    @Test("a portfolio under another jurisdiction is compared by what binds it, not by the name")
    func otherJurisdiction() throws {
        let place = "jurisdiction.portfolios.pf_us"
        let forth = [
            "neutral \(place)", "loosens \(place).hours", "loosens \(place).caps",
            "loosens \(place).purpose_caps.answer.request", "loosens \(place).pause_days",
            "loosens \(place).holidays.us-federal",
        ]
        let back = [
            "neutral \(place)", "tightens \(place).hours", "loosens \(place).caps",
            "tightens \(place).purpose_caps.answer.request", "tightens \(place).pause_days",
            "tightens \(place).holidays.us-federal",
        ]
        try expect(replacing: "{pf_us: us}", with: "{pf_us: cn}", forth: forth, back: back)
        // Falling to the default is the same, said otherwise.
        try expect(
            replacing: "{default: cn, portfolios: {pf_us: us}}", with: "cn", forth: forth, back: back)
    }

    @Test("everyone who is not named goes with the default")
    func otherDefault() throws {
        try expect(
            replacing: "default: cn", with: "default: spare",
            forth: [
                "neutral jurisdiction", "loosens jurisdiction.hours", "loosens jurisdiction.caps",
                "tightens jurisdiction.holidays.spare-days",
            ],
            back: [
                "neutral jurisdiction", "tightens jurisdiction.hours", "tightens jurisdiction.caps",
                "loosens jurisdiction.holidays.spare-days",
            ])
    }

    @Test("a looser definition under the old name shows for each portfolio that it binds")
    func everyPortfolio() throws {
        let text = try Self.text(replacing: "{pf_us: us}", with: "{pf_east: cn, pf_us: us}")
        let old = try Self.policy(text)
        let new = try Self.policy(text.replacing("08:00-22:00", with: "08:00-22:01"))
        #expect(
            Self.changes(from: old, to: new) == [
                "loosens jurisdiction.hours", "loosens jurisdiction.portfolios.pf_east.hours",
            ])
    }

    @Test("a looser definition under a new name is found, and so is a tighter one under the name of a looser")
    func renamedJurisdiction() throws {
        let old = try Self.policy()
        let renamed = try Self.text(replacing: "default: cn", with: "default: prc").replacing(
            "  cn:\n", with: "  prc:\n")
        #expect(try Self.changes(from: old, to: Self.policy(renamed)) == ["neutral jurisdiction"])
        let looser = try Self.policy(renamed.replacing("08:00-22:00", with: "08:00-22:01"))
        #expect(
            Self.changes(from: old, to: looser) == ["neutral jurisdiction", "loosens jurisdiction.hours"])
        #expect(
            Self.changes(from: looser, to: old) == ["neutral jurisdiction", "tightens jurisdiction.hours"])
    }

    // MARK: Holidays

    @Test(
        "a calendar loosens with a day that is no holiday any more, and with a day that it did not cover",
        arguments: [
            ("2026-07-03:", "2026-06-19: Juneteenth\n  2026-07-03:", .tightens, .loosens),
            ("2026-07-03:", "2026-07-02:", .loosens, .loosens),
            ("to: 2026-12-31", "to: 2027-12-31", .loosens, .tightens),
            ("from: 2026-01-01", "from: 2025-12-31", .loosens, .tightens),
            ("to: 2026-12-31", "to: 2026-12-25", .tightens, .loosens),
            ("from: 2026-01-01, to: 2026-12-31", "from: 2026-06-01, to: 2027-01-31", .loosens, .loosens),
        ] as [(String, String, PolicyDifference.Effect, PolicyDifference.Effect)])
    func calendar(
        old: String, new: String, forth: PolicyDifference.Effect, back: PolicyDifference.Effect
    ) throws {
        var calendars = Self.calendars
        calendars["us-federal"] = calendars["us-federal"]?.replacing(old, with: new)
        try #require(calendars != Self.calendars)
        let before = try Self.policy()
        let after = try Self.policy(calendars: calendars)
        #expect(Self.changes(from: before, to: after) == ["\(forth.rawValue) holidays.us-federal"])
        #expect(Self.changes(from: after, to: before) == ["\(back.rawValue) holidays.us-federal"])
    }

    @Test("a holiday outside of what is covered any more was not given back to be worked on")
    func uncoveredHoliday() throws {
        var calendars = Self.calendars
        calendars["us-federal"] = calendars["us-federal"]?.replacing("to: 2026-12-31", with: "to: 2026-12-24")
            .replacing("  2026-12-25: Christmas Day\n", with: "")
        let before = try Self.policy()
        let after = try Self.policy(calendars: calendars)
        #expect(Self.changes(from: before, to: after) == ["tightens holidays.us-federal"])
        #expect(Self.changes(from: after, to: before) == ["loosens holidays.us-federal"])
    }

    // MARK: No change

    @Test(
        "what means the same is no difference",
        arguments: [
            ("[call_collection, legal]", "[legal, call_collection]"), ("[phone, name]", "[name, phone]"),
            ("09:00-20:00\n", "{mon-sun: 09:00-20:00}\n"),
            ("ceiling: applies", "ceiling: applies  # a comment"),
            ("[n_1, n_2]", "[n_2, n_1]"), ("releases: 2, days: 3", "days: 3, per: number, releases: 2"),
            ("    frequency_ceiling: applies\n", ""), ("{pf_us: us}", "{pf_us: us, pf_east: cn}"),
        ])
    func same(old: String, new: String) throws {
        try expect(replacing: old, with: new, forth: [], back: [])
    }

    @Test(
        "no change of a title goes unsaid: another version, and nothing to show for it",
        arguments: [
            ("title: China", "title: Elsewhere"), ("    title: China\n", ""),
        ])
    func unsaidTitle(old: String, new: String) throws {
        let before = try Self.policy()
        let after = try Self.policy(Self.text(replacing: old, with: new))
        try #require(before.version != after.version)
        #expect(after.differences(from: before).map(\.effect) == [.neutral])
    }

    @Test(
        "nor does one of a calendar",
        arguments: [
            ("us-federal", "Independence Day", "another title"), ("spare-days", "2026-05-01", "2026-05-02"),
        ])
    func unsaidHoliday(calendar: String, old: String, new: String) throws {
        var calendars = Self.calendars
        calendars[calendar] = calendars[calendar]?.replacing(old, with: new)
        let before = try Self.policy()
        let after = try Self.policy(calendars: calendars)
        try #require(before.version != after.version)
        #expect(after.differences(from: before).map(\.effect) == [.neutral])
    }

    // MARK: What a person reads

    @Test(
        "the change is written as the file writes it",
        arguments: [
            ("09:00-20:00", "any", "09:00-20:00 → any"),
            ("08:00-21:00 inclusive", "08:00-21:00", "08:00-21:00 inclusive → 08:00-21:00"),
            (
                "sun: none", "sun: 09:00-10:00",
                "09:00-20:30 09:00-20:30 09:00-20:30 09:00-20:30 09:00-20:30 10:00-14:00 none → "
                    + "09:00-20:30 09:00-20:30 09:00-20:30 09:00-20:30 09:00-20:30 10:00-14:00 09:00-10:00"
            ),
            ("[call_collection, legal]", "[legal, visit]", "+visit −call_collection"),
            ("dial: seal, ", "", "seal → none"), ("actor: 60, ", "", "60 → none"),
            ("[{releases: 2, days: 7}]", "none", "2 in 7 days → none"),
            ("[{releases: 2, days: 7}]", "[{releases: 2, days: 1}]", "2 in 7 days → 2 a day"),
            ("[{releases: 3}]", "[{releases: 2}]", "3 in all → 2 in all"),
            (
                "{releases: 2, days: 3}, ", "",
                "2 in 3 days, 5 in 100 hours per case → 5 in 100 hours per case"
            ),
            (
                "releases: 7", "releases: 8",
                "7 in 7 days per number and case → 8 in 7 days per number and case"
            ),
            ("[n_1, n_2]", "[n_2]", "n_1 n_2 → n_2"), ("days: 30", "days: 29", "30 days → 29 days"),
            ("[deceased, incapacitated]", "[deceased]", "deceased incapacitated → deceased"),
            ("      second_person: true\n", "", "wanted → none"),
            ("kind: request, days: 7", "kind: request", "request of at most 7 days → request"),
            ("review_hours: 24", "review_hours: 23", "review within 24 hours → review within 23 hours"),
            ("batch: 100", "batch: 99", "100 numbers → 99 numbers"),
            ("minute: 50", "minute: 49", "50 requests → 49 requests"),
            ("consent: not_refused", "consent: required", "not_refused → required"),
            ("ceiling: applies", "ceiling: exempt", "applies → exempt"),
        ])
    func words(old: String, new: String, change: String) throws {
        let after = try Self.policy(Self.text(replacing: old, with: new))
        #expect(try after.differences(from: Self.policy()).map(\.change) == [change])
    }

    @Test("changes come in the order of the file, purposes by name")
    func order() throws {
        let text = try Self.text(replacing: "name: base", with: "name: other")
            .replacing("actor: 60", with: "actor: 61").replacing("08:00-22:00", with: "any")
            .replacing("seconds: 300", with: "seconds: 10").replacing("seconds: 120", with: "seconds: 10")
        #expect(
            try Self.changes(from: Self.policy(), to: Self.policy(text)) == [
                "neutral name", "loosens limits.contacts_per_day.actor", "loosens jurisdiction.hours",
                "tightens purposes.answer.request.token.seconds",
                "tightens purposes.relay.message.token.seconds",
            ])
    }
}

extension String {
    /// The text with one range replaced, without Foundation.
    fileprivate func replacingCharacters(_ range: Range<Index>, with new: String) -> String {
        self[..<range.lowerBound] + new + self[range.upperBound...]
    }
}

// Time zones and holidays: known answers from another reader of the same database, names that must not become paths,
// and broken files.

import ConfigurationFile
import ContactModel
import Foundation
import PurposePolicy
import Testing

/// What the clocks show, computed with Python 3 `zoneinfo` (TZPATH=/usr/share/zoneinfo, tzdata 2025b): both sides of
/// every change of the clock in 2007, 2026, 2040 and 2090, or the middle of a year without one.
private enum KnownInstants {
    static let byZone: [String: [(String, String)]] = [
        "Asia/Shanghai": [
            ("2007-07-01T12:00:00Z", "2007-07-01 20:00:00"),
            ("2026-07-01T12:00:00Z", "2026-07-01 20:00:00"),
            ("2040-07-01T12:00:00Z", "2040-07-01 20:00:00"),
            ("2090-07-01T12:00:00Z", "2090-07-01 20:00:00"),
        ],
        "America/New_York": [
            ("2007-03-11T06:59:59Z", "2007-03-11 01:59:59"),
            ("2007-03-11T07:00:00Z", "2007-03-11 03:00:00"),
            ("2007-11-04T05:59:59Z", "2007-11-04 01:59:59"),
            ("2007-11-04T06:00:00Z", "2007-11-04 01:00:00"),
            ("2026-03-08T06:59:59Z", "2026-03-08 01:59:59"),
            ("2026-03-08T07:00:00Z", "2026-03-08 03:00:00"),
            ("2026-11-01T05:59:59Z", "2026-11-01 01:59:59"),
            ("2026-11-01T06:00:00Z", "2026-11-01 01:00:00"),
            ("2040-03-11T06:59:59Z", "2040-03-11 01:59:59"),
            ("2040-03-11T07:00:00Z", "2040-03-11 03:00:00"),
            ("2040-11-04T05:59:59Z", "2040-11-04 01:59:59"),
            ("2040-11-04T06:00:00Z", "2040-11-04 01:00:00"),
            ("2090-03-12T06:59:59Z", "2090-03-12 01:59:59"),
            ("2090-03-12T07:00:00Z", "2090-03-12 03:00:00"),
            ("2090-11-05T05:59:59Z", "2090-11-05 01:59:59"),
            ("2090-11-05T06:00:00Z", "2090-11-05 01:00:00"),
        ],
        "Europe/London": [
            ("2007-03-25T00:59:59Z", "2007-03-25 00:59:59"),
            ("2007-03-25T01:00:00Z", "2007-03-25 02:00:00"),
            ("2007-10-28T00:59:59Z", "2007-10-28 01:59:59"),
            ("2007-10-28T01:00:00Z", "2007-10-28 01:00:00"),
            ("2026-03-29T00:59:59Z", "2026-03-29 00:59:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29 02:00:00"),
            ("2026-10-25T00:59:59Z", "2026-10-25 01:59:59"),
            ("2026-10-25T01:00:00Z", "2026-10-25 01:00:00"),
            ("2040-03-25T00:59:59Z", "2040-03-25 00:59:59"),
            ("2040-03-25T01:00:00Z", "2040-03-25 02:00:00"),
            ("2040-10-28T00:59:59Z", "2040-10-28 01:59:59"),
            ("2040-10-28T01:00:00Z", "2040-10-28 01:00:00"),
            ("2090-03-26T00:59:59Z", "2090-03-26 00:59:59"),
            ("2090-03-26T01:00:00Z", "2090-03-26 02:00:00"),
            ("2090-10-29T00:59:59Z", "2090-10-29 01:59:59"),
            ("2090-10-29T01:00:00Z", "2090-10-29 01:00:00"),
        ],
        "Europe/Dublin": [
            ("2007-03-25T00:59:59Z", "2007-03-25 00:59:59"),
            ("2007-03-25T01:00:00Z", "2007-03-25 02:00:00"),
            ("2007-10-28T00:59:59Z", "2007-10-28 01:59:59"),
            ("2007-10-28T01:00:00Z", "2007-10-28 01:00:00"),
            ("2026-03-29T00:59:59Z", "2026-03-29 00:59:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29 02:00:00"),
            ("2026-10-25T00:59:59Z", "2026-10-25 01:59:59"),
            ("2026-10-25T01:00:00Z", "2026-10-25 01:00:00"),
            ("2040-03-25T00:59:59Z", "2040-03-25 00:59:59"),
            ("2040-03-25T01:00:00Z", "2040-03-25 02:00:00"),
            ("2040-10-28T00:59:59Z", "2040-10-28 01:59:59"),
            ("2040-10-28T01:00:00Z", "2040-10-28 01:00:00"),
            ("2090-03-26T00:59:59Z", "2090-03-26 00:59:59"),
            ("2090-03-26T01:00:00Z", "2090-03-26 02:00:00"),
            ("2090-10-29T00:59:59Z", "2090-10-29 01:59:59"),
            ("2090-10-29T01:00:00Z", "2090-10-29 01:00:00"),
        ],
        "Australia/Lord_Howe": [
            ("2007-03-24T14:59:59Z", "2007-03-25 01:59:59"),
            ("2007-03-24T15:00:00Z", "2007-03-25 01:30:00"),
            ("2007-10-27T15:29:59Z", "2007-10-28 01:59:59"),
            ("2007-10-27T15:30:00Z", "2007-10-28 02:30:00"),
            ("2026-04-04T14:59:59Z", "2026-04-05 01:59:59"),
            ("2026-04-04T15:00:00Z", "2026-04-05 01:30:00"),
            ("2026-10-03T15:29:59Z", "2026-10-04 01:59:59"),
            ("2026-10-03T15:30:00Z", "2026-10-04 02:30:00"),
            ("2040-03-31T14:59:59Z", "2040-04-01 01:59:59"),
            ("2040-03-31T15:00:00Z", "2040-04-01 01:30:00"),
            ("2040-10-06T15:29:59Z", "2040-10-07 01:59:59"),
            ("2040-10-06T15:30:00Z", "2040-10-07 02:30:00"),
            ("2090-04-01T14:59:59Z", "2090-04-02 01:59:59"),
            ("2090-04-01T15:00:00Z", "2090-04-02 01:30:00"),
            ("2090-09-30T15:29:59Z", "2090-10-01 01:59:59"),
            ("2090-09-30T15:30:00Z", "2090-10-01 02:30:00"),
        ],
        "Asia/Kolkata": [
            ("2007-07-01T12:00:00Z", "2007-07-01 17:30:00"),
            ("2026-07-01T12:00:00Z", "2026-07-01 17:30:00"),
            ("2040-07-01T12:00:00Z", "2040-07-01 17:30:00"),
            ("2090-07-01T12:00:00Z", "2090-07-01 17:30:00"),
        ],
        "America/Sao_Paulo": [
            ("2007-02-25T01:59:59Z", "2007-02-24 23:59:59"),
            ("2007-02-25T02:00:00Z", "2007-02-24 23:00:00"),
            ("2007-10-14T02:59:59Z", "2007-10-13 23:59:59"),
            ("2007-10-14T03:00:00Z", "2007-10-14 01:00:00"),
            ("2018-02-18T01:59:59Z", "2018-02-17 23:59:59"),
            ("2018-02-18T02:00:00Z", "2018-02-17 23:00:00"),
            ("2018-11-04T02:59:59Z", "2018-11-03 23:59:59"),
            ("2018-11-04T03:00:00Z", "2018-11-04 01:00:00"),
            ("2026-07-01T12:00:00Z", "2026-07-01 09:00:00"),
            ("2040-07-01T12:00:00Z", "2040-07-01 09:00:00"),
            ("2090-07-01T12:00:00Z", "2090-07-01 09:00:00"),
        ],
        "Pacific/Apia": [
            ("2007-07-01T12:00:00Z", "2007-07-01 01:00:00"),
            ("2011-04-02T13:59:59Z", "2011-04-02 03:59:59"),
            ("2011-04-02T14:00:00Z", "2011-04-02 03:00:00"),
            ("2011-09-24T13:59:59Z", "2011-09-24 02:59:59"),
            ("2011-09-24T14:00:00Z", "2011-09-24 04:00:00"),
            ("2011-12-30T09:59:59Z", "2011-12-29 23:59:59"),
            ("2011-12-30T10:00:00Z", "2011-12-31 00:00:00"),
            ("2026-07-01T12:00:00Z", "2026-07-02 01:00:00"),
            ("2040-07-01T12:00:00Z", "2040-07-02 01:00:00"),
            ("2090-07-01T12:00:00Z", "2090-07-02 01:00:00"),
        ],
        "Africa/Casablanca": [
            ("2007-07-01T12:00:00Z", "2007-07-01 12:00:00"),
            ("2026-02-15T01:59:59Z", "2026-02-15 02:59:59"),
            ("2026-02-15T02:00:00Z", "2026-02-15 02:00:00"),
            ("2026-03-22T01:59:59Z", "2026-03-22 01:59:59"),
            ("2026-03-22T02:00:00Z", "2026-03-22 03:00:00"),
            ("2040-09-02T01:59:59Z", "2040-09-02 02:59:59"),
            ("2040-09-02T02:00:00Z", "2040-09-02 02:00:00"),
            ("2040-10-14T01:59:59Z", "2040-10-14 01:59:59"),
            ("2040-10-14T02:00:00Z", "2040-10-14 03:00:00"),
            ("2090-07-01T12:00:00Z", "2090-07-01 13:00:00"),
        ],
        "America/Los_Angeles": [
            ("2007-03-11T09:59:59Z", "2007-03-11 01:59:59"),
            ("2007-03-11T10:00:00Z", "2007-03-11 03:00:00"),
            ("2007-11-04T08:59:59Z", "2007-11-04 01:59:59"),
            ("2007-11-04T09:00:00Z", "2007-11-04 01:00:00"),
            ("2026-03-08T09:59:59Z", "2026-03-08 01:59:59"),
            ("2026-03-08T10:00:00Z", "2026-03-08 03:00:00"),
            ("2026-11-01T08:59:59Z", "2026-11-01 01:59:59"),
            ("2026-11-01T09:00:00Z", "2026-11-01 01:00:00"),
            ("2040-03-11T09:59:59Z", "2040-03-11 01:59:59"),
            ("2040-03-11T10:00:00Z", "2040-03-11 03:00:00"),
            ("2040-11-04T08:59:59Z", "2040-11-04 01:59:59"),
            ("2040-11-04T09:00:00Z", "2040-11-04 01:00:00"),
            ("2090-03-12T09:59:59Z", "2090-03-12 01:59:59"),
            ("2090-03-12T10:00:00Z", "2090-03-12 03:00:00"),
            ("2090-11-05T08:59:59Z", "2090-11-05 01:59:59"),
            ("2090-11-05T09:00:00Z", "2090-11-05 01:00:00"),
        ],
    ]

    static func text(_ time: LocalTime) -> String {
        func two(_ value: Int64) -> String { (value < 10 ? "0" : "") + "\(value)" }
        let second = time.millisecondOfDay / 1000
        return "\(time.day) \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
    }
}

@Suite("Calendar and time zones")
struct CalendarTests {
    // MARK: Known answers

    @Test(
        "what the clocks show, before, across and after changes",
        arguments: KnownInstants.byZone.keys.sorted())
    func localTimes(name: String) throws {
        let zone = try #require(TimeZoneDatabase.system.zone(name))
        #expect(zone.name == name)
        for (moment, expected) in try #require(KnownInstants.byZone[name]) {
            let now = try #require(Timestamp(moment))
            let time = zone.localTime(at: now)
            #expect(KnownInstants.text(time) == expected, "\(moment)")
            // Milliseconds are neither rounded nor lost.
            let later = zone.localTime(at: now.adding(milliseconds: 999))
            #expect(KnownInstants.text(later) == expected && later.day == time.day)
            #expect(later.millisecondOfDay == time.millisecondOfDay + 999)
        }
    }

    @Test(
        "a day begins where the clock first shows it: no midnight, midnight twice, a skipped day"
    )
    func starts() throws {
        // Python 3 `zoneinfo`, by a search for the first second whose local day is this one or later.
        let table = [
            ("Asia/Shanghai", "2026-05-20", "2026-05-19T16:00:00Z"),
            ("Asia/Shanghai", "1940-06-01", "1940-05-31T16:00:00Z"),
            ("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z"),
            ("America/New_York", "2026-03-09", "2026-03-09T04:00:00Z"),
            ("America/New_York", "2026-11-01", "2026-11-01T04:00:00Z"),
            ("America/New_York", "2026-11-02", "2026-11-02T05:00:00Z"),
            ("America/New_York", "2090-03-12", "2090-03-12T05:00:00Z"),
            ("America/New_York", "2090-03-13", "2090-03-13T04:00:00Z"),
            ("Europe/London", "2040-03-25", "2040-03-25T00:00:00Z"),
            ("Europe/London", "2040-03-26", "2040-03-25T23:00:00Z"),
            ("Europe/Dublin", "2026-10-25", "2026-10-24T23:00:00Z"),
            ("Europe/Dublin", "2026-10-26", "2026-10-26T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-06", "2026-04-05T13:30:00Z"),
            ("America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00:00Z"),
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
            ("America/Sao_Paulo", "2018-11-05", "2018-11-05T02:00:00Z"),
            ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z"),
            ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"),
            ("Asia/Beirut", "2024-03-30", "2024-03-29T22:00:00Z"),
            ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00Z"),
            ("Asia/Beirut", "2024-04-01", "2024-03-31T21:00:00Z"),
            ("Asia/Beirut", "2040-03-25", "2040-03-24T22:00:00Z"),
            ("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z"),
            ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
            ("America/Havana", "2026-11-02", "2026-11-02T05:00:00Z"),
            ("America/St_Johns", "2007-11-03", "2007-11-03T02:30:00Z"),
            ("America/St_Johns", "2007-11-04", "2007-11-04T02:30:00Z"),
            ("America/St_Johns", "2007-11-05", "2007-11-05T03:30:00Z"),
            ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z"),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2012-01-01", "2011-12-31T10:00:00Z"),
            ("Africa/Casablanca", "2026-02-15", "2026-02-14T23:00:00Z"),
            ("Africa/Casablanca", "2026-02-16", "2026-02-16T00:00:00Z"),
            ("Asia/Kolkata", "2026-01-01", "2025-12-31T18:30:00Z"),
            ("America/Los_Angeles", "2007-03-11", "2007-03-11T08:00:00Z"),
            ("America/Los_Angeles", "2007-03-12", "2007-03-12T07:00:00Z"),
            ("America/Los_Angeles", "2040-11-04", "2040-11-04T07:00:00Z"),
            ("America/Los_Angeles", "2040-11-05", "2040-11-05T08:00:00Z"),
            ("UTC", "1970-01-01", "1970-01-01T00:00:00Z"),
            ("UTC", "2000-02-29", "2000-02-29T00:00:00Z"),
        ]
        for (name, text, expected) in table {
            let zone = try #require(TimeZoneDatabase.system.zone(name))
            let day = try #require(CalendarDay(text))
            let start = zone.start(of: day)
            #expect(start == Timestamp(expected), "\(name) \(text): \(start)")
            #expect(zone.localTime(at: start).day >= day)
            #expect(zone.localTime(at: start.adding(milliseconds: -1)).day < day)
        }
    }

    @Test("the start of a day is the first moment of it, on every day of six years and near the year 2090")
    func everyStart() throws {
        let names = [
            "Asia/Shanghai", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "America/Havana",
            "Africa/Casablanca", "Australia/Lord_Howe", "Europe/Dublin",
        ]
        for name in names {
            let zone = try #require(TimeZoneDatabase.system.zone(name))
            for (first, count) in [("2015-01-01", 2192), ("2026-01-01", 365), ("2090-01-01", 365)] {
                let day = try #require(CalendarDay(first))
                var last: Timestamp?
                for offset in 0..<count {
                    let today = day.adding(days: offset)
                    let start = zone.start(of: today)
                    let isFirst =
                        zone.localTime(at: start).day == today
                        && zone.localTime(at: start.adding(milliseconds: -1)).day < today
                    #expect(isFirst, "\(name) \(today)")
                    #expect(last.map { $0 < start } ?? true)
                    last = start
                }
            }
        }
    }

    // MARK: Days

    @Test("weekdays by ISO 8601, Monday first")
    func weekdays() throws {
        for (text, weekday) in [
            ("1970-01-01", 4), ("1969-12-31", 3), ("1900-01-01", 1), ("2000-02-29", 2), ("2026-04-01", 3),
            ("2026-04-07", 2), ("2026-05-23", 6), ("2026-05-24", 7), ("2026-05-25", 1), ("2100-03-01", 1),
        ] {
            let day = try #require(CalendarDay(text))
            #expect(day.weekday == weekday, "\(text)")
            #expect(day.description == text)
        }
    }

    @Test(
        "what is not a day is none",
        arguments: [
            "", "2026", "2026-1-1", "2026-01-1", "2026-02-29", "2100-02-29", "2026-04-31", "2026-00-01",
            "2026-13-01", "2026-01-00", "2026-01-32", "2026/01/01", "20260101", "2026-01-01 ", " 2026-01-01",
            "2026-01-01T", "+026-01-01", "-026-01-01", "2026-01-0a", "2026-01-\u{0661}", "２０２６-01-01",
            "2026-01-01\0",
        ])
    func notDays(text: String) {
        #expect(CalendarDay(text) == nil)
    }

    // MARK: Names of zones

    @Test(
        "a name that is not a region and a place opens no file",
        arguments: [
            "", "/", ".", "..", "../../etc/passwd", "../../../etc/passwd", "Asia/../../../../etc/passwd",
            "Asia/../Asia/Shanghai", "../zoneinfo/Asia/Shanghai", "./Asia/Shanghai", "Asia/./Shanghai",
            "/etc/passwd", "/usr/share/zoneinfo/Asia/Shanghai", "//Asia/Shanghai", "/Asia/Shanghai",
            "Asia//Shanghai", "Asia/Shanghai/", "Asia/", "/Shanghai", "Asia", "America/Argentina", "CST",
            "EST",
            "PRC", "GMT", "EST5EDT", "utc", "posixrules", "localtime", "Factory", "zone.tab", "tzdata.zi",
            "right/Asia/Shanghai", "right/UTC", "posix/Asia/Shanghai", "posix/UTC", "Asia/Shang\0hai",
            "Asia/Shanghai\0", "\0", "Asia/Shanghai\n", " Asia/Shanghai", "Asia/Shanghai ", "Asia\\Shanghai",
            "asia/shanghai", "Asia/Shang hai", "Asia/上海", "Asia/Shangha\u{0131}", "Asia/%2e%2e", "~/zone",
            "Asia/Nowhere", "A/B/C/D", "UTC/UTC", "UTC+8", "CST-8", "Asia/*", "$HOME/zone",
        ])
    func refusedNames(name: String) {
        #expect(TimeZoneDatabase.system.zone(name) == nil)
    }

    @Test("a very long name opens no file")
    func longNames() {
        for length in [65, 255, 256, 4096, 100_000] {
            #expect(TimeZoneDatabase.system.zone("Asia/" + String(repeating: "a", count: length)) == nil)
            #expect(TimeZoneDatabase.system.zone(String(repeating: "a/", count: length)) == nil)
        }
    }

    @Test("names of regions and places, and UTC, are known")
    func knownNames() throws {
        for name in [
            "UTC", "Asia/Shanghai", "Asia/Urumqi", "America/Argentina/Buenos_Aires", "America/Port-au-Prince",
            "Etc/GMT+8",
        ] {
            #expect(TimeZoneDatabase.system.zone(name)?.name == name)
        }
        #expect(
            TimeZoneDatabase.system.zone("Asia/Shanghai") == TimeZoneDatabase.system.zone("Asia/Shanghai"))
        #expect(TimeZoneDatabase.system.zone("Asia/Shanghai") != TimeZoneDatabase.system.zone("Asia/Kolkata"))
    }

    @Test("a zone outside of the folder is not reached, and a folder that is not there has none")
    func outsideOfTheFolder() throws {
        let folder = try ZoneFolder()
        let bytes = try ZoneFolder.file("Asia/Shanghai")
        try folder.write(bytes, to: "secret")
        try folder.write(bytes, to: "zones/Test/Zone")
        let database = TimeZoneDatabase(folder: folder.path + "/zones")
        #expect(database.zone("Test/Zone") != nil)
        for name in ["../secret", "Test/../../secret", "Test/Zone/../../../secret", folder.path + "/secret"] {
            #expect(database.zone(name) == nil)
        }
        #expect(TimeZoneDatabase(folder: folder.path + "/none").zone("Test/Zone") == nil)
    }

    // MARK: Broken files

    private static let moments = [
        "0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2026-03-08T07:00:00Z",
        "2026-07-01T00:00:00Z", "2040-11-04T06:00:00Z", "2400-02-29T12:00:00Z", "9999-12-31T23:59:59Z",
    ].compactMap { Timestamp($0) }

    /// Whether a table that was read answers within reason, from the first year to the last.
    private func answers(_ zone: TimeZoneRules) -> Bool {
        Self.moments.allSatisfy { now in
            let time = zone.localTime(at: now)
            let start = zone.start(of: time.day)
            return (0..<86_400_000).contains(time.millisecondOfDay)
                && abs(start.milliseconds - now.milliseconds) <= 5 * 86_400_000
        }
    }

    /// A table that changes on its way through a database, `nil` if the zone is unknown.
    private func read(_ bytes: [UInt8], in folder: ZoneFolder) throws -> TimeZoneRules? {
        try folder.write(bytes, to: "Test/Zone")
        // A database of its own, because a zone that was read once is kept.
        let zone = TimeZoneDatabase(folder: folder.path).zone("Test/Zone")
        if let zone, !answers(zone) {
            Issue.record("a time of day that is none, or a day that begins elsewhere")
        }
        return zone
    }

    @Test(
        "every truncation of a file is no zone",
        arguments: ["Asia/Shanghai", "America/New_York"])
    func truncations(name: String) throws {
        let folder = try ZoneFolder()
        let bytes = try ZoneFolder.file(name)
        for count in 0..<bytes.count {
            let isZone = try read(Array(bytes.prefix(count)), in: folder) != nil
            if isZone { Issue.record("\(count) bytes of \(name) are a zone") }
        }
        #expect(try read(bytes, in: folder) != nil)
        #expect(try read(bytes + [0x0A], in: folder) == nil)
        #expect(try read(bytes + bytes, in: folder) == nil)
        #expect(try read(bytes + [UInt8](repeating: 0x20, count: 70_000), in: folder) == nil)
        #expect(try read([UInt8](repeating: 0, count: bytes.count), in: folder) == nil)
    }

    @Test(
        "every single bit flipped: an unknown zone or some table, never a crash", arguments: ["Asia/Shanghai"]
    )
    func bitFlips(name: String) throws {
        let folder = try ZoneFolder()
        let bytes = try ZoneFolder.file(name)
        var unknown = 0
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << bit
                if try read(flipped, in: folder) == nil { unknown += 1 }
            }
        }
        #expect(unknown > 0)
    }

    @Test(
        "random bytes replaced: an unknown zone or some table, never a crash",
        arguments: ["America/New_York", "Europe/Dublin", "Africa/Casablanca", "Australia/Lord_Howe"])
    func byteFlips(name: String) throws {
        let seed = UInt64.random(in: .min ... .max)
        print("PurposePolicyTests.byteFlips \(name) seed \(seed)")
        var random = SeededGenerator(state: seed)
        let folder = try ZoneFolder()
        let bytes = try ZoneFolder.file(name)
        for round in 0..<500 {
            var flipped = bytes
            // Half of the rounds aim at the headers and the footer, where a byte decides most.
            let places: [Range<Int>] = [0..<44, bytes.count - 40..<bytes.count, bytes.indices]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = places[round % 4 < 2 ? round % 2 : 2]
                flipped[Int.random(in: place, using: &random)] = UInt8.random(
                    in: .min ... .max, using: &random)
            }
            _ = try read(flipped, in: folder)
        }
    }

    @Test("what a file may claim and must not: version 1, leap seconds, moments out of order, odd footers")
    func claims() throws {
        let folder = try ZoneFolder()
        func fixed(version: UInt8 = 0x32, leaps: UInt8 = 0, moments: [UInt8] = [], footer: String) -> [UInt8]
        {
            func block(_ leaps: UInt8, _ moments: [UInt8], width: Int) -> [UInt8] {
                var bytes = Array("TZif".utf8) + [version] + [UInt8](repeating: 0, count: 15)
                for count in [0, 0, leaps, UInt8(moments.count), 1, 4] { bytes += [0, 0, 0, count] }
                for moment in moments { bytes += [UInt8](repeating: 0, count: width - 1) + [moment] }
                bytes += [UInt8](repeating: 0, count: moments.count)
                bytes += [0, 0, 0x70, 0x80, 0, 0] + Array("CST".utf8) + [0]
                return bytes + [UInt8](repeating: 0, count: Int(leaps) * (width + 4))
            }
            return block(0, [], width: 4) + block(leaps, moments, width: 8) + Array("\n\(footer)\n".utf8)
        }
        #expect(try read(fixed(footer: "CST-8"), in: folder) != nil)
        #expect(try read(fixed(moments: [1, 2], footer: "CST-8"), in: folder) != nil)
        #expect(try read(fixed(footer: ""), in: folder) != nil)
        #expect(try read(fixed(version: 0, footer: "CST-8"), in: folder) == nil)
        #expect(try read(fixed(leaps: 1, footer: "CST-8"), in: folder) == nil)
        #expect(try read(fixed(moments: [2, 1], footer: "CST-8"), in: folder) == nil)
        #expect(try read(fixed(moments: [2, 2], footer: "CST-8"), in: folder) == nil)
        for footer in [
            "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1",
            "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "EST5EDT,0/0,J365/25", "EST5EDT,J60,J300",
            "XXX3EDT4,0/0,J365/23",
        ] {
            #expect(try read(fixed(footer: footer), in: folder) != nil, "\(footer)")
        }
        for footer in [
            "CST", "-8", "CS-8", "CST-8 ", " CST-8", "CST-25", "CST-8:60", "CST-8:00:60", "CST--8", "CST-8,",
            "<CST-8",
            "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M3.2.0,M11.1.0,", "EST5EDT,M13.2.0,M11.1.0",
            "EST5EDT,M0.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0", "EST5EDT,M3.0.0,M11.1.0",
            "EST5EDT,M3.2.7,M11.1.0",
            "EST5EDT,J0,J300", "EST5EDT,J366,J300", "EST5EDT,366,J300", "EST5EDT,M3.2.0/168,M11.1.0",
            "EST5EDT,M3.2.0/,M11.1.0", "EST99999999999999999999EDT,M3.2.0,M11.1.0",
            "EST5EDT,M99999999999999999999.2.0,M11.1.0", "CST-8\nCST-8",
        ] {
            #expect(try read(fixed(footer: footer), in: folder) == nil, "\(footer)")
        }
    }

    // MARK: Holiday calendars

    private static let calendar = """
        calendar: 1
        name: test
        covers: {from: 2026-01-01, to: 2026-12-31}
        holidays:
          2026-01-01: New Year's Day
          2026-12-25: Christmas Day

        """

    @Test(
        "a calendar speaks about the days that it covers, its first and its last included, and about no other"
    )
    func covered() throws {
        let calendar = try HolidayCalendar.parse(text: Self.calendar, file: "holidays/test.yaml")
        for (text, expected) in [
            ("2025-12-31", nil), ("2026-01-01", true), ("2026-01-02", false), ("2026-12-24", false),
            ("2026-12-25", true), ("2026-12-31", false), ("2027-01-01", nil), ("2027-12-25", nil),
        ] as [(String, Bool?)] {
            let day = try #require(CalendarDay(text))
            #expect(calendar.isHoliday(day) == expected, "\(text)")
        }
    }

    @Test(
        "a fault in a calendar names file, line and key",
        arguments: [
            ("calendar: 1", "calendar: 2", 1, "calendar"), ("calendar: 1", "calendar: one", 1, "calendar"),
            ("calendar: 1\n", "", nil, "calendar"), ("name: test\n", "", nil, "name"),
            ("name: test", "name: test\ntitle: test", 3, "title"),
            ("covers: {from: 2026-01-01, to: 2026-12-31}\n", "", nil, "covers"),
            ("{from: 2026-01-01, to: 2026-12-31}", "2026", 3, "covers"),
            ("from: 2026-01-01, ", "", 3, "covers.from"), (", to: 2026-12-31", "", 3, "covers.to"),
            ("from: 2026-01-01", "from: 2026-1-1", 3, "covers.from"),
            ("from: 2026-01-01", "from: 2026-02-30", 3, "covers.from"),
            ("to: 2026-12-31", "to: 2026-12-31T00:00:00Z", 3, "covers.to"),
            ("to: 2026-12-31", "to: 2025-12-31", 3, "covers.to"),
            ("to: 2026-12-31", "to: 2026-12-31, zone: UTC", 3, "covers.zone"),
            ("2026-12-25:", "2026-12-32:", 6, "holidays.2026-12-32"),
            ("2026-12-25:", "2026-02-29:", 6, "holidays.2026-02-29"),
            ("2026-12-25:", "Christmas:", 6, "holidays.Christmas"),
            ("2026-12-25:", "2027-01-01:", 6, "holidays.2027-01-01"),
            ("2026-12-25:", "2025-12-31:", 6, "holidays.2025-12-31"),
            ("2026-12-25:", "2026-01-01:", 6, "holidays.2026-01-01"),
            ("Christmas Day", "[Christmas]", 6, "holidays.2026-12-25"),
            ("Christmas Day", "true", 6, "holidays.2026-12-25"),
            ("Christmas Day", String(repeating: "x", count: 129), 6, "holidays.2026-12-25"),
            (
                "holidays:\n  2026-01-01: New Year's Day\n  2026-12-25: Christmas Day\n", "holidays: none\n",
                4,
                "holidays"
            ),
            (
                "holidays:\n  2026-01-01: New Year's Day\n  2026-12-25: Christmas Day\n", "", nil, "holidays"
            ),
        ] as [(String, String, Int?, String)])
    func faults(old: String, new: String, line: Int?, key: String) throws {
        let text = Self.calendar.replacing(old, with: new)
        try #require(text != Self.calendar)
        let found = #expect(throws: ConfigurationFault.self) { () throws in
            _ = try HolidayCalendar.parse(text: text, file: "holidays/test.yaml")
        }
        #expect(found?.file == "holidays/test.yaml")
        #expect(found?.line == line)
        #expect(found?.key == key)
        if let problem = found?.problem, !new.isEmpty { #expect(!problem.contains(new)) }
    }

    @Test("a policy names the calendar's file in a fault of the calendar, and a calendar that is missing")
    func calendarOfPolicy() throws {
        func fault(_ calendars: [String: String]) -> ConfigurationFault? {
            #expect(throws: ConfigurationFault.self) { () throws in
                _ = try Policy.parse(
                    text: StarterPolicy.starterCatalogue, file: "policy.yaml", calendars: calendars)
            }
        }
        #expect(fault([:])?.file == "policy.yaml")
        #expect(fault(["au-nationals": Self.calendar])?.key == "jurisdictions")
        let broken = Self.calendar.replacing("2026-12-25:", with: "2026-12-32:")
            .replacing("name: test", with: "name: au-national")
        let found = fault(["au-national": broken])
        #expect(found?.file == "holidays/au-national.yaml")
        #expect(found?.line == 6)
    }
}

/// A folder for zone files, gone afterwards.
private final class ZoneFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/contact-vault-zones-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path + "/Test", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(
            atPath: path + "/zones/Test", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    }

    /// A file of the system's database.
    static func file(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/" + name)))
    }
}

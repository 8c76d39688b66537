// Time as the log writes it, against Foundation's calendar and against impossible dates.

import ContactModel
import Foundation
import Testing

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "known moments",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"), (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"),
            (-2_203_891_200, "1900-03-01T00:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
        ])
    func known(seconds: Int64, text: String) {
        #expect(Timestamp(seconds: seconds).description == text)
        #expect(Timestamp(text) == Timestamp(seconds: seconds))
        #expect(Timestamp(seconds: seconds).seconds == seconds)
    }

    @Test("every day from 1890 to 2210 agrees with Foundation and survives a round trip")
    func everyDay() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        let first: Int64 = -29_220
        let last: Int64 = 87_658
        for day in first...last {
            let moment = Timestamp(milliseconds: day * 86_400_000 + (day & 0xFFFF) * 1013)
            let parts = calendar.dateComponents(
                [.year, .month, .day, .hour, .minute, .second], from: moment.date)
            let text = moment.descriptionWithMilliseconds
            guard Timestamp(text) == moment, Int(text.prefix(4)) == parts.year,
                Int(text.dropFirst(5).prefix(2)) == parts.month,
                Int(text.dropFirst(8).prefix(2)) == parts.day,
                Int(text.dropFirst(11).prefix(2)) == parts.hour,
                Int(text.dropFirst(14).prefix(2)) == parts.minute,
                Int(text.dropFirst(17).prefix(2)) == parts.second
            else {
                Issue.record("day \(day): \(text)")
                return
            }
        }
    }

    @Test("milliseconds are kept, dropped and rounded as documented")
    func milliseconds() {
        #expect(Timestamp(milliseconds: 1).descriptionWithMilliseconds == "1970-01-01T00:00:00.001Z")
        #expect(Timestamp(milliseconds: 1999).description == "1970-01-01T00:00:01Z")
        #expect(Timestamp(milliseconds: -1).descriptionWithMilliseconds == "1969-12-31T23:59:59.999Z")
        #expect(Timestamp(milliseconds: -1).seconds == -1)
        #expect(Timestamp(milliseconds: -1000).seconds == -1)
        #expect(Timestamp(milliseconds: -1001).seconds == -2)
        #expect(Timestamp("2026-01-01T00:00:00.5Z")?.milliseconds == 1_767_225_600_500)
        #expect(Timestamp("2026-01-01T00:00:00.05Z")?.milliseconds == 1_767_225_600_050)
        #expect(Timestamp("2026-01-01T00:00:00.005Z")?.milliseconds == 1_767_225_600_005)
        #expect(Timestamp(Date(timeIntervalSince1970: -0.0005)).milliseconds == -1)
        #expect(Timestamp(Date(timeIntervalSince1970: 1.5)).milliseconds == 1500)
        #expect(Timestamp(seconds: 5).adding(seconds: -6) == Timestamp(seconds: -1))
        #expect(Timestamp(milliseconds: 1) < Timestamp(milliseconds: 2))
    }

    @Test(
        "anything but RFC 3339 in UTC is refused",
        arguments: [
            "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00z",
            "2026-01-01t00:00:00Z", "2026-01-01 00:00:00Z", "2026-1-1T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00.5", "+026-01-01T00:00:00Z", "2026-01-01T00:00:-1Z", "2026-01-01T00:00:00Z ",
            " 2026-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "2026-01-01T00:00:00.-5Z",
            "2026-01-01T00:00:0\u{FF11}Z",
            "1767225600", "2026-01-01T00:00:00\0Z",
        ])
    func refused(text: String) { #expect(Timestamp(text) == nil) }
}

// Days as a wall calendar shows them, and the time of day beside it.

import ContactModel

/// A day of the proleptic Gregorian calendar, without a time zone.
public struct CalendarDay: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Days since 1970-01-01.
    public let daysSinceEpoch: Int

    /// A day by its number.
    public init(daysSinceEpoch: Int) { self.daysSinceEpoch = daysSinceEpoch }

    /// Parses `YYYY-MM-DD`; `nil` for anything else, impossible days included.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-") else {
            return nil
        }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            (1...12).contains(month), day >= 1, day <= CivilDate.days(inMonth: month, of: year)
        else { return nil }
        daysSinceEpoch = Int(CivilDate.daysSinceEpoch(year: year, month: month, day: day))
    }

    /// Day of the week by ISO 8601: 1 for Monday, 7 for Sunday. 1970-01-01 was a Thursday.
    public var weekday: Int { ((daysSinceEpoch + 3) % 7 + 7) % 7 + 1 }

    /// The day so many days later.
    public func adding(days: Int) -> CalendarDay { CalendarDay(daysSinceEpoch: daysSinceEpoch + days) }

    /// `YYYY-MM-DD`.
    public var description: String {
        let date = CivilDate.civil(daysSinceEpoch: Int64(daysSinceEpoch))
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2)
    }

    /// Earlier days come first.
    public static func < (left: CalendarDay, right: CalendarDay) -> Bool {
        left.daysSinceEpoch < right.daysSinceEpoch
    }
}

/// What a clock and a calendar on somebody's wall show.
public struct LocalTime: Hashable, Sendable {
    /// The day.
    public let day: CalendarDay
    /// Milliseconds that the clock is past midnight, 0…86,399,999. On a day with a change of the clock this is not the time
    /// that has passed since the day began.
    public let millisecondOfDay: Int64

    /// Day of the week, 1 for Monday.
    public var weekday: Int { day.weekday }

    /// - Parameter milliseconds: since 1970-01-01T00:00:00 by that clock.
    init(wallMilliseconds milliseconds: Int64) {
        let length: Int64 = 86_400_000
        let days = milliseconds >= 0 ? milliseconds / length : (milliseconds - (length - 1)) / length
        day = CalendarDay(daysSinceEpoch: Int(days))
        millisecondOfDay = milliseconds - days * length
    }
}

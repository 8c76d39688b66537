// Windows of local time: when a contact may be reached, by every clock that may be the contact's.

import ContactModel

/// When a contact may be reached.
public enum Hours: Hashable, Sendable {
    /// At any time.
    case any
    /// Only within a window of the day, which may differ by weekday.
    case weekly(WeeklyHours)
}

/// A window for each day of the week.
public struct WeeklyHours: Hashable, Sendable {
    /// Monday first, seven; `nil` for a day without any.
    public let windows: [HourWindow?]

    /// The same window every day.
    public init(daily window: HourWindow) { windows = [HourWindow?](repeating: window, count: 7) }

    /// A window for each day, Monday first.
    /// - Precondition: there are seven.
    init(windows: [HourWindow?]) {
        precondition(windows.count == 7)
        self.windows = windows
    }

    /// The one window of every day, `nil` if they differ.
    var daily: HourWindow? { Set(windows).count == 1 ? windows[0] : nil }
}

/// A window of local time: from its opening minute up to its closing minute.
public struct HourWindow: Hashable, Sendable {
    /// Minutes after midnight, 0…1439.
    public let opens: Int
    /// Minutes after midnight, later than ``opens``, at most 1440.
    public let closes: Int
    /// Whether the very moment of closing still lies within: "not after 21:00" allows 21:00:00.000, "before 22:00" does
    /// not allow 22:00:00.
    public let includesClosing: Bool

    /// Parses `HH:MM-HH:MM`, or the same followed by ` inclusive`; `nil` for another shape, an impossible time, or a window
    /// that does not open before it closes. `24:00` may close a window.
    public init?(_ text: String) {
        let suffix = " inclusive"
        let isInclusive = text.hasSuffix(suffix)
        let bytes = Array((isInclusive ? String(text.dropLast(suffix.count)) : text).utf8)
        func minutes(_ start: Int) -> Int? {
            let digits = [0, 1, 3, 4].map { bytes[start + $0] }
            guard digits.allSatisfy({ (0x30...0x39).contains($0) }), bytes[start + 2] == UInt8(ascii: ":")
            else { return nil }
            let values = digits.map { Int($0 - 0x30) }
            let minute = values[2] * 10 + values[3]
            return minute < 60 ? (values[0] * 10 + values[1]) * 60 + minute : nil
        }
        guard bytes.count == 11, bytes[5] == UInt8(ascii: "-"), let opens = minutes(0),
            let closes = minutes(6), opens < closes, closes <= 24 * 60
        else { return nil }
        self.opens = opens
        self.closes = closes
        includesClosing = isInclusive
    }

    /// Whether a time of day lies within, milliseconds after midnight.
    public func contains(_ millisecondOfDay: Int64) -> Bool {
        let closing = Int64(closes) * 60_000
        return millisecondOfDay >= Int64(opens) * 60_000
            && (millisecondOfDay < closing || includesClosing && millisecondOfDay == closing)
    }
}

extension HourWindow: CustomStringConvertible {
    /// As the policy file writes it.
    public var description: String {
        func clock(_ minutes: Int) -> String {
            let (hour, minute) = minutes.quotientAndRemainder(dividingBy: 60)
            return (hour < 10 ? "0" : "") + "\(hour)" + (minute < 10 ? ":0" : ":") + "\(minute)"
        }
        return clock(opens) + "-" + clock(closes) + (includesClosing ? " inclusive" : "")
    }
}

extension Hours {
    /// Whether a local time lies within.
    func contains(_ time: LocalTime) -> Bool {
        switch self {
        case .any: true
        case .weekly(let hours): hours.windows[time.weekday - 1]?.contains(time.millisecondOfDay) ?? false
        }
    }
}

// One time zone: which offset from UTC holds when.

public import ContactModel

/// The rules of one zone, past and to come. Immutable; an answer costs a binary search.
public struct TimeZoneRules: Hashable, Sendable {
    /// IANA name, such as `Asia/Shanghai`.
    public let name: String
    private let table: TimeZoneTable

    init(name: String, table: TimeZoneTable) {
        self.name = name
        self.table = table
    }

    /// What the clocks of this zone show at a moment.
    public func localTime(at moment: Timestamp) -> LocalTime {
        LocalTime(wallMilliseconds: moment.milliseconds + table.offset(at: moment.seconds) * 1000)
    }

    /// The first moment of a local day. Where midnight is skipped, the day begins later; where the clock is put back over
    /// midnight, this is the earlier of the two beginnings; of a day that the zone skipped, the beginning of the next.
    public func start(of day: CalendarDay) -> Timestamp {
        let midnight = Int64(day.daysSinceEpoch) * 86_400
        // No offset is larger than a day and some hours, so the day begins within.
        let window = midnight - 2 * 86_400..<midnight + 2 * 86_400
        if let offset = table.constantOffset(in: window) { return Timestamp(seconds: midnight - offset) }
        var begin = window.lowerBound
        for end in table.transitions(in: window) + [window.upperBound] {
            let reached = max(begin, midnight - table.offset(at: begin))
            if reached < end { return Timestamp(seconds: reached) }
            begin = end
        }
        return Timestamp(seconds: midnight)
    }

    /// Equal names in one database have equal rules.
    public static func == (left: TimeZoneRules, right: TimeZoneRules) -> Bool {
        left.name == right.name && left.table == right.table
    }

    /// By name.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// Offsets in seconds east of UTC by moments in seconds since 1970.
final class TimeZoneTable: Equatable, Sendable {
    /// Moments at which the offset changes, ascending.
    let moments: [Int64]
    /// The offset from each of them on.
    let offsets: [Int64]
    /// The offset before the first.
    let firstOffset: Int64
    /// What holds after the last; `nil` if its offset stays.
    let rule: YearlyRule?

    init(moments: [Int64], offsets: [Int64], firstOffset: Int64, rule: YearlyRule?) {
        self.moments = moments
        self.offsets = offsets
        self.firstOffset = firstOffset
        self.rule = rule
    }

    func offset(at moment: Int64) -> Int64 {
        if let last = moments.last {
            if moment >= last { return rule?.offset(at: moment) ?? offsets[offsets.count - 1] }
        } else if let rule {
            return rule.offset(at: moment)
        }
        let passed = passed(at: moment)
        return passed == 0 ? firstOffset : offsets[passed - 1]
    }

    /// How many changes there have been at a moment.
    private func passed(at moment: Int64) -> Int {
        var low = 0
        var high = moments.count
        while low < high {
            let middle = (low + high) / 2
            if moments[middle] <= moment { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The offset of a window in which it surely does not change; `nil` if it may.
    func constantOffset(in window: Range<Int64>) -> Int64? {
        let first = passed(at: window.lowerBound)
        if first == moments.count {
            if let rule { return rule.saving == nil ? rule.standardOffset : nil }
            return offsets.last ?? firstOffset
        }
        guard moments[first] >= window.upperBound else { return nil }
        return first == 0 ? firstOffset : offsets[first - 1]
    }

    /// Moments within a window, after its beginning, at which the offset may change, ascending.
    func transitions(in window: Range<Int64>) -> [Int64] {
        var found = moments.filter { window.lowerBound < $0 && $0 < window.upperBound }
        let last = moments.last ?? .min
        if let rule {
            found += rule.transitions(in: window).filter { window.lowerBound < $0 && $0 > last }
        }
        return found.sorted()
    }

    static func == (left: TimeZoneTable, right: TimeZoneTable) -> Bool {
        left === right
            || left.moments == right.moments && left.offsets == right.offsets
                && left.firstOffset == right.firstOffset
                && left.rule == right.rule
    }
}

/// Daylight-saving time as it repeats every year.
struct YearlyRule: Hashable, Sendable {
    /// One change of the clock.
    struct Change: Hashable, Sendable {
        /// The day of a year on which it falls.
        enum Day: Hashable, Sendable {
            /// Days since 1 January, 29 February counted.
            case ofYear(Int)
            /// Days since 1 January, from 1, 29 February never counted.
            case ofYearWithoutLeapDay(Int)
            /// A weekday (0 Sunday) of a week (1…4, 5 the last) of a month.
            case ofMonth(month: Int, week: Int, weekday: Int)
        }

        let day: Day
        /// Seconds after local midnight; may be negative or more than a day.
        let second: Int64

        /// The moment by the wall clock, seconds since 1970 as if that clock were UTC.
        func wallMoment(in year: Int) -> Int64 {
            let first = CivilDate.daysSinceEpoch(year: year, month: 1, day: 1)
            let number: Int64 =
                switch day {
                case .ofYear(let days): first + Int64(days)
                case .ofYearWithoutLeapDay(let day):
                    first + Int64(day - 1) + (day >= 60 && CivilDate.days(inMonth: 2, of: year) == 29 ? 1 : 0)
                case .ofMonth(let month, let week, let weekday): Self.day(year, month, week, weekday)
                }
            return number * 86_400 + second
        }

        private static func day(_ year: Int, _ month: Int, _ week: Int, _ weekday: Int) -> Int64 {
            let first = CivilDate.daysSinceEpoch(year: year, month: month, day: 1)
            // 1970-01-01 was a Thursday, 4 when Sunday is 0.
            let firstWeekday = Int(((first + 4) % 7 + 7) % 7)
            var day = (weekday - firstWeekday + 7) % 7 + 7 * (week - 1)
            while day >= CivilDate.days(inMonth: month, of: year) { day -= 7 }
            return first + Int64(day)
        }
    }

    let standardOffset: Int64
    /// Daylight-saving time, `nil` for none.
    let saving: Saving?

    /// Daylight-saving time: its offset, and when it begins and ends.
    struct Saving: Hashable, Sendable {
        let offset: Int64
        let begins: Change
        let ends: Change
    }

    func offset(at moment: Int64) -> Int64 {
        guard let saving else { return standardOffset }
        let wall = moment + standardOffset
        let days = wall >= 0 ? wall / 86_400 : (wall - 86_399) / 86_400
        let year = CivilDate.civil(daysSinceEpoch: days).year
        let begin = saving.begins.wallMoment(in: year) - standardOffset
        let end = saving.ends.wallMoment(in: year) - saving.offset
        // South of the equator the saving lies around the turn of the year.
        let isSaving = begin < end ? begin <= moment && moment < end : !(end <= moment && moment < begin)
        return isSaving ? saving.offset : standardOffset
    }

    func transitions(in window: Range<Int64>) -> [Int64] {
        guard let saving else { return [] }
        let years = [window.lowerBound, window.upperBound].map { moment -> Int in
            CivilDate.civil(daysSinceEpoch: (moment >= 0 ? moment : moment - 86_399) / 86_400).year
        }
        return (years[0] - 1...years[1] + 1).flatMap { year in
            [
                saving.begins.wallMoment(in: year) - standardOffset,
                saving.ends.wallMoment(in: year) - saving.offset,
            ]
        }.filter(window.contains)
    }
}

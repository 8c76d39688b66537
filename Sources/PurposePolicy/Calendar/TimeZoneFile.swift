// A file of the time-zone database (RFC 9636, "TZif"), read strictly: what does not parse is no zone, and an unknown zone
// denies.

/// Reads a TZif file of version 2 or later.
struct TimeZoneFile {
    private let bytes: [UInt8]
    private var position = 0

    /// Longest file that is read, bytes; the longest of the database has under 4,000.
    static let longest = 64 * 1024

    /// Offsets are less than a day either way (RFC 9636 §3.2 recommends −24:59:59…25:59:59).
    private static let offsets: ClosedRange<Int64> = -89_999...93_599

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The table in a file; `nil` if it does not parse or counts leap seconds, which this clock does not.
    static func parse(_ bytes: [UInt8]) -> TimeZoneTable? {
        guard bytes.count <= longest else { return nil }
        var file = TimeZoneFile(bytes)
        return file.table()
    }

    private struct Counts {
        let isUT, isStandard, leap, moments, types, characters: Int
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func integer(_ width: Int) -> Int64? {
        guard let part = take(width) else { return nil }
        let value = part.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return width == 8 ? Int64(bitPattern: value) : Int64(Int32(truncatingIfNeeded: value))
    }

    private mutating func header() -> Counts? {
        guard take(4).map(Array.init) == Array("TZif".utf8), let version = take(1)?.first,
            version >= UInt8(ascii: "2"), take(15) != nil
        else { return nil }
        var counts: [Int] = []
        for _ in 0..<6 {
            guard let count = integer(4), (0...Int64(Self.longest)).contains(count) else { return nil }
            counts.append(Int(count))
        }
        return Counts(
            isUT: counts[0], isStandard: counts[1], leap: counts[2], moments: counts[3], types: counts[4],
            characters: counts[5])
    }

    private mutating func table() -> TimeZoneTable? {
        // The first block has 32-bit times, for readers that know no better.
        guard let old = header(),
            take(
                old.moments * 5 + old.types * 6 + old.characters + old.leap * 8 + old.isStandard + old.isUT)
                != nil,
            let counts = header(), counts.types >= 1, counts.leap == 0
        else { return nil }
        var moments: [Int64] = []
        for _ in 0..<counts.moments {
            guard let moment = integer(8), moment > moments.last ?? .min else { return nil }
            moments.append(moment)
        }
        guard let indexes = take(counts.moments).map(Array.init) else { return nil }
        var types: [Int64] = []
        for _ in 0..<counts.types {
            guard let offset = integer(4), Self.offsets.contains(offset), take(2) != nil else { return nil }
            types.append(offset)
        }
        guard indexes.allSatisfy({ Int($0) < types.count }),
            take(counts.characters + counts.isStandard + counts.isUT) != nil, take(1)?.first == 0x0A,
            let end = bytes[position...].firstIndex(of: 0x0A), end == bytes.count - 1
        else { return nil }
        let footer = Array(bytes[position..<end])
        var rule: YearlyRule?
        if !footer.isEmpty {
            var text = PosixZone(footer)
            guard let parsed = text.rule() else { return nil }
            rule = parsed
        }
        return TimeZoneTable(
            moments: moments, offsets: indexes.map { types[Int($0)] }, firstOffset: types[0], rule: rule)
    }
}

/// The last line of a TZif file: a POSIX `TZ` string, with hours up to a week either way (RFC 9636 §3.3.1).
private struct PosixZone {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func rule() -> YearlyRule? {
        guard name(), let standard = time(hours: 24) else { return nil }
        guard next != nil else { return YearlyRule(standardOffset: -standard, saving: nil) }
        guard name() else { return nil }
        var saving = standard - 3600
        if next != UInt8(ascii: ",") {
            guard let given = time(hours: 24) else { return nil }
            saving = given
        }
        guard skip(","), let begins = change(), skip(","), let ends = change(), next == nil else {
            return nil
        }
        return YearlyRule(
            standardOffset: -standard, saving: YearlyRule.Saving(offset: -saving, begins: begins, ends: ends))
    }

    /// `EST`, or `<+0330>`.
    private mutating func name() -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
        if skip("<") {
            while let byte = next, byte != UInt8(ascii: ">") {
                guard
                    isLetter(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "+")
                        || byte == UInt8(ascii: "-")
                else { return false }
                position += 1
            }
            return skip(">")
        }
        let start = position
        while let byte = next, isLetter(byte) { position += 1 }
        return position - start >= 3
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int? {
        var value = 0
        let start = position
        while let byte = next, (0x30...0x39).contains(byte), position - start < 4 {
            value = value * 10 + Int(byte - 0x30)
            position += 1
        }
        return position > start && range.contains(value) ? value : nil
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    private mutating func time(hours: Int) -> Int64? {
        let isNegative = skip("-")
        if !isNegative { _ = skip("+") }
        guard let hour = number(0...hours) else { return nil }
        var seconds = hour * 3600
        if skip(":") {
            guard let minute = number(0...59) else { return nil }
            seconds += minute * 60
            if skip(":") {
                guard let second = number(0...59) else { return nil }
                seconds += second
            }
        }
        return Int64(isNegative ? -seconds : seconds)
    }

    /// `Mm.w.d`, `Jn` or `n`, and a time of two o'clock unless another is given.
    private mutating func change() -> YearlyRule.Change? {
        let day: YearlyRule.Change.Day
        if skip("M") {
            guard let month = number(1...12), skip("."), let week = number(1...5), skip("."),
                let weekday = number(0...6)
            else { return nil }
            day = .ofMonth(month: month, week: week, weekday: weekday)
        } else if skip("J") {
            guard let number = number(1...365) else { return nil }
            day = .ofYearWithoutLeapDay(number)
        } else {
            guard let number = number(0...365) else { return nil }
            day = .ofYear(number)
        }
        guard skip("/") else { return YearlyRule.Change(day: day, second: 7200) }
        guard let second = time(hours: 167) else { return nil }
        return YearlyRule.Change(day: day, second: second)
    }
}

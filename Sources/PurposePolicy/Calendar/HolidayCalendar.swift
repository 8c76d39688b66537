// Days on which nobody is reached, from a file of its own, because they change every year and the rules do not.

public import ConfigurationFile
import ContactModel
import StrictEncoding

/// A calendar of holidays. It says nothing about days that it does not cover, and then nobody is reached.
public struct HolidayCalendar: Hashable, Sendable {
    /// The days that it speaks about.
    public let covered: ClosedRange<CalendarDay>
    /// Those on which nobody is reached, with a title for people.
    public let holidays: [CalendarDay: String]

    /// Whether a day is a holiday; `nil` if the calendar does not cover it.
    public func isHoliday(_ day: CalendarDay) -> Bool? {
        covered.contains(day) ? holidays[day] != nil : nil
    }

    /// Reads a calendar (`docs/spec/policy.md`).
    /// - Parameters:
    ///   - text: the whole file.
    ///   - file: its name, for faults.
    ///   - name: the name by which a policy knows it, which the file must bear; `nil` for any.
    /// - Throws: ``ConfigurationFault`` with file, line and key of the first fault.
    public static func parse(
        text: String, file: String, named name: String? = nil
    ) throws(ConfigurationFault) -> HolidayCalendar {
        let root = try ConfigurationFile.parse(text: text, file: file)
        let format = try root.value("calendar")
        guard try format.asInteger(in: 0...Int64.max) == 1 else {
            throw format.fault("unknown format; this release reads format 1")
        }
        let given = try root.string("name")
        if let name, given != name { throw root.fault("expected \(name), the name of the file", key: "name") }
        let covers = try root.mapping("covers")
        let first = try day(covers.string("from"), covers, "from")
        let last = try day(covers.string("to"), covers, "to")
        guard first <= last else { throw covers.fault("must not be before from", key: "to") }
        var holidays: [CalendarDay: String] = [:]
        for (key, node) in try root.mapping("holidays").entries() {
            guard let holiday = CalendarDay(key) else {
                throw node.fault("expected a day such as 2026-01-01")
            }
            guard holiday >= first, holiday <= last else {
                throw node.fault("lies outside of what covers says")
            }
            let title = try node.asString()
            guard title.utf8.count <= 128 else { throw node.fault("expected a title of at most 128 bytes") }
            holidays[holiday] = title
        }
        try root.finish()
        return HolidayCalendar(covered: first...last, holidays: holidays)
    }

    private static func day(
        _ text: String, _ node: ConfigurationNode, _ key: String
    ) throws(ConfigurationFault) -> CalendarDay {
        guard let day = CalendarDay(text) else {
            throw node.fault("expected a day such as 2026-01-01", key: key)
        }
        return day
    }

    /// In the shape of the file, without titles' order or comments.
    var json: JSONValue {
        .object(
            JSONObject([
                ("from", .string(covered.lowerBound.description)),
                ("to", .string(covered.upperBound.description)),
                (
                    "holidays",
                    .object(JSONObject(holidays.map { ($0.key.description, .string($0.value)) }))
                ),
            ]))
    }
}

// The privacy officer's report about a time, usually a month: one page to read, keep and print, with nothing to load.

import VaultAPI

/// A report about a time as a page.
enum ReportPage {
    /// Most rows of an answer, and most bars of a drawing; the rest is counted.
    private static let rowLimit = 20

    /// The page.
    static func html(_ report: LogReportBody) -> String {
        let title = "Access report \(report.from.prefix(10)) to \(report.to.prefix(10))"
        let body: HTMLText = """
            <header><h1>Access report</h1>
            <p class="period"><span>\(report.from.readableTime)</span> to <span>\(report.to.readableTime) UTC</span></p>
            <p class="soft">Log <code>\(report.log)</code> · \(grouped(report.size)) entries · policy \
            <code>\(report.policy)</code> · made \(report.made.readableTime) UTC</p></header>
            \(tiles(report))\(verdicts(report.answers))
            <h2>Releases</h2>
            <div class="grid2">
            \(days(report))
            \(split("Releases by purpose", report.purposes))
            \(split("Releases by agency", report.agencies))
            \(single("Denials by code", report.denials, Series(name: "denied", style: "s3")))
            \(single("Outcomes reported", report.outcomes, Series(name: "reported", style: "s5")))
            \(week(report.hours))
            </div>
            <h2>Questions</h2>
            <div class="questions">\(report.answers.map(question))</div>

            """
        return HTMLText.page(language: "en", title: title, style: "\(Chart.style)\(style)", body: body)
    }

    // MARK: At a glance

    private static func tiles(_ report: LogReportBody) -> HTMLText {
        let releases = OutcomeCounts(report.days)
        let total = releases.bars.reduce(0) { $0 &+ $1.total }
        let tiles = zip(releases.series, releases.totals).map { series, count -> HTMLText in
            let share = total == 0 ? "" : ", \(percentage(count, of: total))%"
            return "<li><b>\(grouped(count))</b><span>releases \(series.name)\(share)</span></li>\n"
        }
        return "<ul class=\"tiles\">\(tiles)</ul>\n"
    }

    /// At most 100.
    private static func percentage(_ part: UInt64, of whole: UInt64) -> UInt64 {
        UInt64(min(Double(part) / Double(max(whole, 1)) * 100, 100).rounded())
    }

    /// What must be none, before all else.
    private static func verdicts(_ answers: [LogAnswerBody]) -> HTMLText {
        let points = answers.filter(\.mustBeNone).map { answer -> HTMLText in
            "<li>\(badge(answer)) <span>\(heading(answer))</span></li>\n"
        }
        return points.isEmpty ? "" : "<ul class=\"verdicts\">\(points)</ul>\n"
    }

    private static func badge(_ answer: LogAnswerBody) -> HTMLText {
        guard answer.mustBeNone else { return "<span class=\"badge\">\(grouped(answer.count))</span>" }
        return answer.count == 0
            ? "<span class=\"badge good\">✓ none</span>"
            : "<span class=\"badge bad\">✗ \(grouped(answer.count)) found</span>"
    }

    private static func heading(_ answer: LogAnswerBody) -> String {
        let title = answer.mustBeNone ? answer.title.replacing(" (must be none)", with: "") : answer.title
        return title.prefix(1).uppercased() + title.dropFirst()
    }

    // MARK: Drawings

    private static func card(_ title: String, isWide: Bool = false, _ body: HTMLText) -> HTMLText {
        "<section class=\"card\(isWide ? " wide" : "")\"><h3>\(title)</h3>\n\(body)</section>\n"
    }

    private static let nothing: HTMLText = "<p class=\"soft\">Nothing in this time.</p>\n"

    private static func days(_ report: LogReportBody) -> HTMLText {
        let counts = OutcomeCounts(report.days)
        let columns = DayColumns(counts, from: report.from, to: min(report.to, report.made))
        let title = "Releases and denials per \(columns.unit)"
        guard !counts.bars.isEmpty, !columns.all.isEmpty else { return card(title, isWide: true, nothing) }
        let figures = HTMLText.table(
            .scrolling, label: title, columns: ["from (UTC)"] + counts.series.map(\.name),
            numbers: Set(1...counts.series.count),
            rows: columns.all.map { column in
                ["\(column.bar.name)"] + column.bar.parts.map { "\(grouped($0))" }
            })
        let drawing = Chart.columns(
            columns.all, counts.series,
            label:
                "\(title): \(columns.all.count) columns from \(report.from.prefix(10)). The figures follow.")
        return card(title, isWide: true, "\(Chart.legend(counts.series))\(drawing)\(details(figures))")
    }

    /// Bars of a property, split by outcome.
    private static func split(_ title: String, _ counts: LogCountsBody) -> HTMLText {
        let counts = OutcomeCounts(counts)
        guard !counts.bars.isEmpty else { return card(title, nothing) }
        return card(title, "\(Chart.legend(counts.series))\(bars(counts.bars, counts.series))")
    }

    /// Bars of a property.
    private static func single(_ title: String, _ counts: LogCountsBody, _ series: Series) -> HTMLText {
        let bars = counts.counts.map { Bar(name: name($0.values.first), parts: [$0.count]) }
        return card(title, bars.isEmpty ? nothing : self.bars(bars, [series]))
    }

    private static func bars(_ bars: [Bar], _ series: [Series]) -> HTMLText {
        let sorted = bars.sorted { $0.total > $1.total }
        let (shown, rest) = (sorted.prefix(rowLimit), sorted.dropFirst(rowLimit))
        let values = shown.map { bar -> HTMLText in
            let denied = zip(series, bar.parts).first { series.count > 1 && $0.0.name == "denied" }?.1 ?? 0
            let note: HTMLText = denied == 0 ? "" : " <small>\(grouped(denied)) denied</small>"
            return "\(grouped(bar.total))\(note)"
        }
        let drawing = Chart.bars(
            Array(shown), series, axis: Axis(reaching: shown.map(\.total).max() ?? 0, parts: 3),
            values: values)
        let others = ", together \(grouped(rest.reduce(0) { $0 &+ $1.total }))"
        return "\(drawing)\(more(UInt64(sorted.count), past: shown.count, others))"
    }

    private static func week(_ hours: LogCountsBody) -> HTMLText {
        let title = "Permitted releases by weekday and hour (UTC)"
        var rows = Day.weekdays.map { (name: $0, hours: [UInt64](repeating: 0, count: 24)) }
        for count in hours.counts {
            guard count.values.count == 2, let day = Day(count.values[0]), let hour = Int(count.values[1]),
                (0..<24).contains(hour)
            else { continue }
            rows[day.weekday].hours[hour] &+= count.count
        }
        guard rows.contains(where: { $0.hours.contains { $0 > 0 } }) else {
            return card(title, isWide: true, nothing)
        }
        let figures = HTMLText.table(
            .scrolling, label: title, columns: ["UTC"] + (0..<24).map(Chart.two), numbers: Set(1...24),
            rows: rows.map { row in ["\(row.name)"] + row.hours.map { "\(grouped($0))" } })
        let drawing = Chart.heatMap(rows, label: "\(title). The figures follow.")
        return card(title, isWide: true, "\(drawing)\(details(figures))")
    }

    private static func details(_ figures: HTMLText) -> HTMLText {
        "<details><summary>The figures</summary>\n\(figures)</details>\n"
    }

    // MARK: Questions

    private static func question(_ answer: LogAnswerBody) -> HTMLText {
        """
        <section class="card"><h3>\(heading(answer)) \(badge(answer))</h3>
        \(answer.rows.isEmpty ? "" : caps(answer) ?? table(answer))</section>

        """
    }

    private static func table(_ answer: LogAnswerBody) -> HTMLText {
        let shown = answer.rows.prefix(rowLimit)
        let numbers = answer.columns.indices.filter { column in
            shown.allSatisfy {
                column < $0.count && $0[column].allSatisfy { $0.isWholeNumber || $0 == "." || $0 == "%" }
            }
        }
        let table = HTMLText.table(
            .scrolling, label: answer.title, columns: answer.columns, numbers: Set(numbers),
            rows: shown.map { row in row.map { "\($0.readableTime)" } })
        return "\(table)\(more(answer.count, past: shown.count))"
    }

    /// How much of each cap is used, drawn; `nil` if the rows are not of that kind.
    private static func caps(_ answer: LogAnswerBody) -> HTMLText? {
        guard answer.question == "caps", let used = answer.columns.firstIndex(of: "used"),
            let limit = answer.columns.firstIndex(of: "limit")
        else { return nil }
        var (bars, values): ([Bar], [HTMLText]) = ([], [])
        let shown = answer.rows.prefix(rowLimit)
        for row in shown {
            guard row.indices.contains(max(used, limit)), let uses = UInt64(row[used]),
                let most = UInt64(row[limit]),
                most > 0
            else { return nil }
            let others = row.indices.filter { $0 != used && $0 != limit }.map { row[$0] }
            let share = percentage(uses, of: most)
            bars.append(
                Bar(name: others.joined(separator: " · "), parts: uses < most ? [share, 0] : [0, share]))
            values.append("\(grouped(uses)) of \(grouped(most))")
        }
        let series = [
            Series(name: "% used, some left", style: "s1"), Series(name: "% used, none left", style: "s3"),
        ]
        let drawing = Chart.bars(bars, series, axis: Axis(reaching: 100, parts: 3), unit: "%", values: values)
        return "\(Chart.legend(series))\(drawing)\(more(answer.count, past: shown.count))"
    }

    private static func more(_ count: UInt64, past shown: Int, _ words: String = "") -> HTMLText {
        guard count > UInt64(shown) else { return "" }
        return "<p class=\"soft\">and \(grouped(count - UInt64(shown))) more\(words)</p>\n"
    }

    fileprivate static func name(_ value: String?) -> String {
        value.flatMap { $0.isEmpty ? nil : $0 } ?? "(none)"
    }

    private static let style: HTMLText = """
        main { max-width: 1200px; }
        h1 { font-size: 30px; }
        h2 { font-size: 22px; margin: 36px 0 12px; }
        h3 { font-size: 17px; margin-bottom: 8px; }
        .period { font-size: 19px; margin: 4px 0; }
        .period span { display: inline-block; }
        .grid2 { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
        .wide { grid-column: 1 / -1; }
        .card { border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; min-width: 0;
          container-type: inline-size; }
        .questions { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
        .badge { display: inline-block; border-radius: 999px; padding: 1px 11px; font-size: 14px; font-weight: 600;
          background: var(--card); border: 1px solid var(--line); white-space: nowrap; }
        .good { background: var(--good); border-color: var(--good); color: #fff; }
        .bad { background: var(--bad); border-color: var(--bad); color: #fff; }
        .verdicts { list-style: none; padding: 0; margin: 16px 0; }
        .verdicts li { display: flex; flex-wrap: wrap; gap: 10px; align-items: baseline; margin: 8px 0; }
        .verdicts span:last-child { flex: 1 1 12em; }
        .scrolling table { width: auto; min-width: min(100%, 640px); }
        .scrolling th, .scrolling td { padding-right: 22px; }
        .card > :last-child { margin-bottom: 0; }
        summary { color: var(--link); font-size: 14px; }
        @media screen and (max-width: 800px) { .grid2 { grid-template-columns: minmax(0, 1fr); } }
        @page { size: A4; margin: 14mm; }
        @media print {
          body { font-size: 10pt; }
          main { padding: 0; }
          h2 { break-after: avoid; }
          .grid2 { gap: 10px; }
          .grid2 .card, tr, .bars li { break-inside: avoid; }
          h3 { break-after: avoid; font-size: 11pt; }
          .card { padding: 10px 12px; }
          table { font-size: 7pt; }
          .scrolling th, .scrolling td { white-space: normal; padding-right: 5pt; }
          .badge { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        }

        """
}

/// Counts by a property and the outcome, as bars whose parts are the outcomes.
private struct OutcomeCounts {
    let series: [Series]
    /// In the order in which the counts name them.
    let bars: [Bar]

    /// How much there is of each outcome.
    var totals: [UInt64] {
        series.indices.map { index in bars.reduce(0) { $0 &+ $1.parts[index] } }
    }

    /// Permits and denials are always there, other outcomes if there are any.
    init(_ counts: LogCountsBody) {
        let known = [
            ("permit", "permitted"), ("redelivered", "sent again"), ("deny", "denied"), ("error", "failed"),
        ]
        let styles: [HTMLText] = ["s1", "s2", "s3", "s4", "s5"]
        func place(_ count: LogCountsBody.Count) -> Int {
            known.firstIndex { $0.0 == count.values.last } ?? known.count
        }
        let present = Set(counts.counts.map(place)).union([0, 2]).sorted()
        series = present.map { Series(name: $0 < known.count ? known[$0].1 : "other", style: styles[$0]) }
        var (order, found): ([String], [String: Bar]) = ([], [:])
        for count in counts.counts {
            let name = ReportPage.name(count.values.first)
            if found[name] == nil {
                order.append(name)
                found[name] = Bar(name: name, parts: present.map { _ in 0 })
            }
            if let part = present.firstIndex(of: place(count)) { found[name]?.parts[part] &+= count.count }
        }
        bars = order.compactMap { found[$0] }
    }
}

/// A day of the calendar.
private struct Day: Hashable {
    static let weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private(set) var year: Int
    private(set) var month: Int
    private(set) var day: Int

    /// The day of a text that begins with `YYYY-MM-DD`; `nil` if it does not.
    init?(_ text: String) {
        let parts = text.prefix(10).split(separator: "-").map { Int($0) }
        guard parts.count == 3, let year = parts[0], let month = parts[1], let day = parts[2],
            (1000...9999).contains(year), (1...12).contains(month), day >= 1
        else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
        guard day <= daysInMonth else { return nil }
    }

    private var daysInMonth: Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    var next: Day {
        var next = self
        next.day += 1
        if next.day > daysInMonth { (next.month, next.day) = (month + 1, 1) }
        if next.month > 12 { (next.year, next.month) = (year + 1, 1) }
        return next
    }

    /// From 0 for Monday (Sakamoto's method).
    var weekday: Int {
        let y = month < 3 ? year - 1 : year
        return (y + y / 4 - y / 100 + y / 400 + [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1] + day + 6) % 7
    }

    var text: String { "\(year)-\(Chart.two(month))-\(Chart.two(day))" }

    /// The day, with its month where a month begins in a row of them.
    func label(after previous: Day?) -> String {
        previous?.month == month ? String(day) : "\(day) \(Self.months[month - 1])"
    }
}

/// Every day of a time, those without a release too; several in one column if they are many.
private struct DayColumns {
    /// What a column stands for.
    let unit: String
    let all: [(bar: Bar, label: String)]

    init(_ counts: OutcomeCounts, from: String, to: String) {
        let known = Dictionary(counts.bars.map { ($0.name, $0.parts) }) { first, _ in first }
        var days: [Day] = []
        // A time ends before its last moment; more than fifty years are no time of a log.
        if var day = Day(from), let last = Day(to) {
            while day.text < last.text || (day == last && !to.hasSuffix("T00:00:00Z")), days.count < 20_000 {
                days.append(day)
                day = day.next
            }
        }
        unit = days.count <= 62 ? "day" : days.count <= 62 * 7 ? "week" : "month"
        var columns: [(bar: Bar, label: String)] = []
        var previous: Day?
        for (index, day) in days.enumerated() {
            let isFirst = index == 0 || (unit == "month" ? day.day == 1 : unit == "day" || index % 7 == 0)
            if isFirst {
                let name = unit == "month" ? String(day.text.prefix(7)) : day.text
                let label = unit == "month" ? name : day.label(after: previous)
                columns.append((Bar(name: name, parts: counts.series.map { _ in 0 }), label))
                previous = day
            }
            for (part, count) in (known[day.text] ?? []).enumerated() {
                columns[columns.count - 1].bar.parts[part] &+= count
            }
        }
        all = columns
    }
}

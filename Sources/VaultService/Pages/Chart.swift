// The drawings of a report, as inline SVG. Sizes across are shares of the width, so that a drawing fits a phone and a wide
// screen without its letters growing or shrinking.

import VaultAPI

/// What a colour stands for.
struct Series {
    let name: String
    /// The class that has the colour.
    let style: HTMLText
}

/// A bar, or a column: its name and the sizes of its parts.
struct Bar {
    let name: String
    var parts: [UInt64]

    /// Wrapping: what is no count of a log must not stop the page.
    var total: UInt64 { parts.reduce(0, &+) }

    /// The sizes in words, such as `12 permitted, 3 denied`.
    func words(_ series: [Series]) -> String {
        let shown = zip(parts, series).filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1.name)" }
        return shown.isEmpty ? "none" : shown.joined(separator: ", ")
    }
}

/// A linear axis from 0 to a round number.
struct Axis {
    /// The values that are written beside it.
    let ticks: [UInt64]

    /// An axis that reaches at least so far.
    /// - Parameter parts: most parts between ticks.
    init(reaching most: UInt64, parts: UInt64) {
        let most = min(max(most, 1), 1 << 53)
        var (step, power): (UInt64, UInt64) = (1, 1)
        while step * parts < most {
            if step == power * 5 { power *= 10 }
            step = step == power ? power * 2 : step == power * 2 ? power * 5 : power
        }
        ticks = (0...(most + step - 1) / step).map { $0 * step }
    }

    /// Where a value stands, from 0 to 1.
    func share(_ value: UInt64) -> Double { min(Double(value) / Double(ticks[ticks.count - 1]), 1) }
}

/// A number with its thousands apart.
func grouped(_ number: UInt64) -> String {
    var digits = String(number)
    var place = digits.count - 3
    while place > 0 {
        digits.insert(",", at: digits.index(digits.startIndex, offsetBy: place))
        place -= 3
    }
    return digits
}

enum Chart {
    /// What the colours stand for.
    static func legend(_ series: [Series]) -> HTMLText {
        let keys = series.map { series -> HTMLText in
            """
            <li><svg width="12" height="12" aria-hidden="true"><rect class="\(series.style)" width="12" height="12"/></svg>
            \(series.name)</li>
            """
        }
        return "<ul class=\"legend\">\(keys)</ul>\n"
    }

    /// Stacked columns over time.
    /// - Parameters:
    ///   - columns: in order; each has a label below it as far as there is room.
    ///   - label: what is drawn, for those who do not see it.
    static func columns(_ columns: [(bar: Bar, label: String)], _ series: [Series], label: String) -> HTMLText
    {
        let height = 180.0
        let axis = Axis(reaching: columns.map(\.bar.total).max() ?? 0, parts: 4)
        var drawing: HTMLText = ""
        for tick in axis.ticks {
            let y = points(height * (1 - axis.share(tick)) + 10)
            drawing += """
                <line class="grid" x1="0" x2="100%" y1="\(y)" y2="\(y)"/><text class="end" x="-8" y="\(y)" \
                dy=".35em">\(short(tick))</text>

                """
        }
        // A few columns as wide as the screen would look like walls.
        let width = 1 / Double(max(columns.count, 10))
        // A label on a phone for about every sixth; whole weeks where there are days enough.
        let every = [1, 2, 7, 14].first { columns.count <= 6 * $0 } ?? (columns.count + 5) / 6
        let isRoomy = columns.reduce(0) { $0 + $1.label.count } <= 140
        for (index, column) in columns.enumerated() {
            let left = Double(index) * width
            drawing += """
                <g><title>\(column.bar.name): \(column.bar.words(series))</title>\
                <rect class="hit" x="\(percent(left))" y="10" width="\(percent(width))" height="\(points(height))"/>
                """
            var top = height + 10
            for (part, series) in zip(column.bar.parts, series) where part > 0 {
                let size = max(height * axis.share(part), 2)
                top -= size
                drawing += """
                    <rect class="\(series.style) part" x="\(percent(left + width * 0.14))" y="\(points(top))" \
                    width="\(percent(width * 0.72))" height="\(points(size))"/>
                    """
            }
            let isAlways = index % every == 0
            if isAlways || isRoomy {
                drawing += """
                    <text class="middle\(isAlways ? "" : " roomy")" x="\(percent(left + width / 2))" \
                    y="\(points(height + 29))">\(column.label)</text>
                    """
            }
            drawing += "</g>\n"
        }
        return """
            <svg class="plot columns" role="img" aria-label="\(label)" width="100%" height="220">
            \(drawing)</svg>

            """
    }

    /// Stacked bars, the name and the size of each in letters beside it.
    /// - Parameters:
    ///   - axis: what the width stands for.
    ///   - unit: behind the numbers of the axis.
    ///   - values: the text behind each bar.
    static func bars(
        _ bars: [Bar], _ series: [Series], axis: Axis, unit: String = "", values: [HTMLText]
    ) -> HTMLText {
        let grid = axis.ticks.map { tick -> HTMLText in
            let x = percent(axis.share(tick))
            return "<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"0\" y2=\"100%\"/>"
        }
        let rows = zip(bars, values).map { bar, value -> HTMLText in
            var left = 0.0
            let parts = zip(bar.parts, series).filter { $0.0 > 0 }.map { part, series -> HTMLText in
                let size = min(max(axis.share(part), 0.01), 1 - left)
                defer { left += size }
                return """
                    <rect class="\(series.style) part" x="\(percent(left))" y="50%" width="\(percent(size))" height="14"/>
                    """
            }
            let words = bar.words(series)
            return """
                <li><span class="name">\(bar.name)</span><div class="bar"><svg class="plot" role="img" \
                aria-label="\(words)"><title>\(bar.name): \(words)</title>\(grid)\(parts)</svg></div>\
                <span class="value">\(value)</span></li>

                """
        }
        let ticks = axis.ticks.enumerated().map { index, tick -> HTMLText in
            let place = index == 0 ? "start" : index == axis.ticks.count - 1 ? "end" : "middle"
            let x = percent(axis.share(tick))
            return "<text class=\"\(place)\" x=\"\(x)\" y=\"13\">\(short(tick))\(unit)</text>"
        }
        return """
            <ul class="bars">
            \(rows)<li aria-hidden="true"><div class="bar"><svg class="plot">\(ticks)</svg></div></li>
            </ul>

            """
    }

    /// Weekdays by hours, the darker the more.
    /// - Parameters:
    ///   - rows: the rows' names with 24 numbers each.
    ///   - label: what is drawn, for those who do not see it.
    static func heatMap(_ rows: [(name: String, hours: [UInt64])], label: String) -> HTMLText {
        let most = max(rows.flatMap(\.hours).max() ?? 0, 1)
        var drawing: HTMLText = ""
        for (index, row) in rows.enumerated() {
            let y = index * 24
            drawing += "<text class=\"end\" x=\"-8\" y=\"\(y + 11)\" dy=\".35em\">\(row.name)</text>\n"
            for (hour, count) in row.hours.enumerated() {
                let level = count == 0 ? 0 : Int((Double(count) / Double(most) * 5).rounded(.up))
                drawing += """
                    <rect class="h\(level) part" x="\(percent(Double(hour) / 24))" y="\(y)" width="\(percent(1 / 24))" \
                    height="22"><title>\(row.name) \(two(hour)):00–\(two(hour + 1)):00 UTC: \(grouped(count))</title></rect>
                    """
            }
        }
        for hour in 0..<24 {
            drawing += """
                <text class="middle\(hour % 3 == 0 ? "" : " roomy")" x="\(percent((Double(hour) + 0.5) / 24))" \
                y="\(rows.count * 24 + 14)">\(two(hour))</text>
                """
        }
        let keys = (0...5).map { level -> HTMLText in
            "<rect class=\"h\(level) part\" x=\"\(level * 22)\" width=\"22\" height=\"12\"/>"
        }
        return """
            <svg class="plot heat" role="img" aria-label="\(label)" width="100%" height="\(rows.count * 24 + 20)">
            \(drawing)</svg>
            <p class="key"><span>0</span> <svg width="132" height="12" aria-hidden="true">\(keys)</svg>
            <span>\(grouped(most)) releases</span></p>

            """
    }

    // MARK: Numbers

    static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// A tick: `500`, `20k`, `1.5M`.
    private static func short(_ number: UInt64) -> String {
        let (unit, sign): (UInt64, String) =
            number < 10_000
            ? (1, "")
            : number < 1_000_000
                ? (1_000, "k") : number < 1_000_000_000 ? (1_000_000, "M") : (1_000_000_000, "G")
        let tenths = number % unit * 10 / unit
        return grouped(number / unit) + (tenths == 0 ? "" : ".\(tenths)") + sign
    }

    private static func percent(_ share: Double) -> String { points(share * 100) + "%" }

    private static func points(_ value: Double) -> String { String((value * 100).rounded() / 100) }
}

/// The colours of a report's drawings.
extension Chart {
    static let style: HTMLText = """
        .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); } .s4 { fill: var(--s4); }
        .s5 { fill: var(--s5); }
        .h0 { fill: var(--line); fill-opacity: .45; } .h1 { fill: var(--s1); fill-opacity: .22; }
        .h2 { fill: var(--s1); fill-opacity: .4; } .h3 { fill: var(--s1); fill-opacity: .6; }
        .h4 { fill: var(--s1); fill-opacity: .8; } .h5 { fill: var(--s1); }
        .part { stroke: var(--paper); stroke-width: .7; }
        .hit { fill: transparent; } g:hover > .hit { fill: var(--line); fill-opacity: .45; }
        .grid { stroke: var(--line); stroke-width: 1; }
        .plot { display: block; overflow: visible; }
        .plot text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
        .columns, .heat { padding-left: 40px; }
        .start { text-anchor: start; } .middle { text-anchor: middle; } .end { text-anchor: end; }
        .legend, .bars { list-style: none; padding: 0; margin: 8px 0; }
        .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; }
        .legend svg { margin-right: 2px; }
        .bars li { display: grid; grid-template-columns: minmax(0, 38%) 1fr 7.5em; column-gap: 14px; align-items: center;
          font-size: 14px; }
        .bars .value { text-align: right; font-variant-numeric: tabular-nums; line-height: 1.25; }
        .bars .value small { display: block; font-size: 12px; }
        .bar { grid-column: 2; align-self: stretch; position: relative; min-height: 22px; }
        .bar svg { position: absolute; width: 100%; height: 100%; }
        .bar rect { transform: translateY(-7px); }
        .key { font-size: 14px; color: var(--soft); margin: 4px 0 0 40px; }
        @container (max-width: 760px) { .roomy { display: none; } }
        @container (max-width: 480px) {
          .bars li { grid-template-columns: 1fr auto; margin-bottom: 6px; }
          .bars .bar { grid-column: 1 / -1; grid-row: 2; }
        }
        @media print { .plot, .legend svg, .key svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }

        """
}

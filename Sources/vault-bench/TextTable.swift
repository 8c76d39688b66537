// Numbers in columns.

/// A plain table: the first column to the left, all others to the right.
struct TextTable {
    private var rows: [[String]]

    init(_ titles: [String]) { rows = [titles] }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// The lines, two spaces between columns.
    var lines: [String] {
        let widths = (rows.first ?? []).indices.map { column in
            rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }
            return "  " + cells.joined(separator: "  ")
        }
    }

    /// A number with so many decimals, thousands apart.
    static func number(_ value: Double, decimals: Int = 0) -> String {
        let scale = (0..<decimals).reduce(1.0) { result, _ in result * 10 }
        let units = Int((value * scale).rounded())
        let whole = String(units / Int(scale))
        var grouped = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { grouped += "," }
            grouped.append(digit)
        }
        guard decimals > 0 else { return grouped }
        let fraction = String(units % Int(scale))
        return grouped + "." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
}

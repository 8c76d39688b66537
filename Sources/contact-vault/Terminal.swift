// Where output goes, tables, and how far a job is.

import Foundation
import StrictEncoding

/// Standard output for results, standard error for messages.
enum Terminal {
    /// A line of result.
    ///
    /// Ends the program if nobody reads any more, as `head` does once it has its lines.
    static func result(_ text: String) {
        do { try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8)) } catch { exit(1) }
    }

    /// A line for whoever watches.
    static func message(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
    }

    /// Says that a second person has to approve something, and how. The result is the approval's name, for scripts.
    /// - Parameter option: what they have to add.
    static func waiting(_ approval: String, option: String = "") {
        message(
            "waits for a second person: contact-vault approvals approve \(approval)\(option) --client NAME --key FILE"
        )
        result(approval)
    }

    /// One line of JSON.
    static func json(_ body: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(body), as: UTF8.self)
    }
}

/// A table in columns, each as wide as its widest cell.
struct TerminalTable {
    private var rows: [[String]]

    init(_ headings: [String]) { rows = [headings] }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// Prints headings and rows to standard output; nothing if there are no rows.
    func print() {
        guard rows.count > 1 else { return }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            Terminal.result(line)
        }
    }
}

/// How far a job is: a bar on a terminal, JSON lines otherwise, on standard error.
struct Progress {
    private let unit: String
    private let total: UInt64
    private let isTerminal: Bool
    private var shown = ContinuousClock.now - .seconds(1)
    private let begun = ContinuousClock.now

    init(_ unit: String, total: UInt64) {
        self.unit = unit
        self.total = total
        isTerminal = isatty(STDERR_FILENO) == 1
    }

    /// Shows it, at most five times a second on a terminal and once a second otherwise.
    mutating func show(_ done: UInt64) {
        let now = ContinuousClock.now
        guard now - shown >= (isTerminal ? .milliseconds(200) : .seconds(1)) || done == total else { return }
        shown = now
        let spent = (now - begun).components
        let seconds = Double(spent.seconds) + Double(spent.attoseconds) / 1e18 + 0.001
        let perSecond = Double(done) / seconds
        let left = perSecond > 0 ? Int64(Double(total - min(done, total)) / perSecond) : 0
        if isTerminal {
            let width = 30
            let filled = total == 0 ? width : Int(done * UInt64(width) / total)
            let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled)
            FileHandle.standardError.write(
                Data(
                    "\r[\(bar)] \(done)/\(total) \(unit), \(Int64(perSecond))/s, \(Self.clock(left)) left "
                        .utf8))
        } else {
            Terminal.message(
                JSONValue.object(
                    JSONObject([
                        ("done", .integer(Int64(done))), ("total", .integer(Int64(total))),
                        ("unit", .string(unit)), ("per_second", .integer(Int64(perSecond))),
                        ("remaining_seconds", .integer(left)),
                    ])
                ).canonicalText)
        }
    }

    /// Seconds as hours, minutes and seconds.
    static func clock(_ seconds: Int64) -> String {
        let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
        return parts.joined(separator: ":")
    }

    /// Ends the bar's line.
    func finish() {
        if isTerminal { FileHandle.standardError.write(Data("\n".utf8)) }
    }
}

// Files that commands read.

import Foundation

/// A file read line by line.
final class LineFile {
    /// A line with its number, from 1.
    struct Line {
        let number: Int
        let bytes: [UInt8]
    }

    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var number = 0
    private var isAtEnd = false

    init(_ path: String) throws { handle = try Self.open(path) }

    /// The next lines, at most `count`; `nil` at the end. Empty lines are counted and skipped.
    func next(_ count: Int) -> [Line]? {
        var lines: [Line] = []
        while lines.count < count, let bytes = line() {
            number += 1
            if !bytes.isEmpty { lines.append(Line(number: number, bytes: bytes)) }
        }
        return lines.isEmpty ? nil : lines
    }

    private func line() -> [UInt8]? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                var line = Array(buffer[..<end])
                buffer.removeFirst(end + 1)
                if line.last == 0x0D { line.removeLast() }
                return line
            }
            if isAtEnd {
                defer { buffer = [] }
                return buffer.isEmpty ? nil : buffer
            }
            let chunk = handle.readData(ofLength: 64 * 1024)
            if chunk.isEmpty { isAtEnd = true }
            buffer += Array(chunk)
        }
    }

    /// A whole small file.
    static func bytes(_ path: String, limit: Int) throws -> [UInt8] {
        let data = try open(path).readData(ofLength: limit + 1)
        guard data.count <= limit else { throw CommandFailure("\(path) is larger than \(limit) bytes") }
        return Array(data)
    }

    private static func open(_ path: String) throws -> FileHandle {
        if path == "-" { return .standardInput }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandFailure("cannot read \(path)")
        }
        return handle
    }
}

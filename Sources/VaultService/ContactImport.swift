// NDJSON in, NDJSON out, one result a line, in memory that does not grow with the import.

import ContactModel
import ContactVault
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import VaultAPI

/// An import that streams.
struct ContactImport: Sendable {
    let vault: Vault
    let requestID: Reference

    /// Lines that share one transaction.
    static let linesPerTransaction = 256

    /// Reads the body and answers line by line. The first lines are stored before the reply begins, so that a refused
    /// token is a status and not a broken stream.
    func respond(to request: Request, as caller: Caller) async throws -> Response {
        var lines = NDJSONLines(request.body.makeAsyncIterator())
        let first = try await lines.next(Self.linesPerTransaction)
        let firstResults = try await store(first, as: caller, isFirst: true)
        let rest = UncheckedLines(lines)
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(bytes: firstResults))
                var lines = rest.take()
                while true {
                    let batch = try await lines.next(Self.linesPerTransaction)
                    if batch.isEmpty { break }
                    do {
                        try await writer.write(
                            ByteBuffer(bytes: try await store(batch, as: caller, isFirst: false)))
                    } catch {
                        // The status is long sent: a last line says where the import ended and that no more was stored.
                        try await writer.write(ByteBuffer(bytes: try Self.ended(at: batch[0].number)))
                        break
                    }
                }
                try await writer.finish(nil)
            })
    }

    private static func ended(at line: Int) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let last = ImportLineBody(line: line, field: "import", problem: "unavailable")
        return Array(try encoder.encode(last)) + [UInt8(ascii: "\n")]
    }

    private func store(
        _ lines: [NumberedLine], as caller: Caller, isFirst: Bool
    ) async throws -> [UInt8] {
        let results = try await vault.importContacts(
            lines.map(\.bytes), as: caller, requestID: requestID, isFirst: isFirst)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        var bytes: [UInt8] = []
        for (line, result) in zip(lines, results) {
            bytes += Array(try encoder.encode(ImportLineBody(result, line: line.number)))
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }
}

/// A line of an import with its number, from 1.
struct NumberedLine: Sendable {
    let number: Int
    let bytes: [UInt8]
}

/// Splits a body into lines. A line longer than its limit is cut there, which makes it malformed, and its rest is
/// dropped. Empty lines are counted and skipped.
struct NDJSONLines<Chunks: AsyncIteratorProtocol> where Chunks.Element == ByteBuffer {
    private var chunks: Chunks
    private var partial: [UInt8] = []
    private var complete: ArraySlice<NumberedLine> = []
    private var number = 0
    private var isAtEnd = false

    init(_ chunks: Chunks) { self.chunks = chunks }

    /// The next lines, at most `count`; none at the end.
    mutating func next(_ count: Int) async throws -> [NumberedLine] {
        while complete.count < count, !isAtEnd {
            guard let chunk = try await chunks.next() else {
                isAtEnd = true
                endLine()
                break
            }
            for byte in chunk.readableBytesView {
                if byte == UInt8(ascii: "\n") {
                    endLine()
                } else if partial.count <= Limits.importLineBytes {
                    partial.append(byte)
                }
            }
        }
        let lines = Array(complete.prefix(count))
        complete = complete.dropFirst(count)
        return lines
    }

    private mutating func endLine() {
        number += 1
        if partial.last == UInt8(ascii: "\r") { partial.removeLast() }
        if !partial.isEmpty { complete.append(NumberedLine(number: number, bytes: partial)) }
        partial.removeAll(keepingCapacity: true)
    }
}

/// Hands the reader of the body from the route to the writer of the reply: used once, by one task after the other.
private final class UncheckedLines: @unchecked Sendable {
    // Sendable holds because the value is taken exactly once, by the response writer, after the route has returned.
    private var lines: NDJSONLines<RequestBody.AsyncIterator>

    init(_ lines: NDJSONLines<RequestBody.AsyncIterator>) { self.lines = lines }

    func take() -> NDJSONLines<RequestBody.AsyncIterator> { lines }
}

// Load from one thread: blocking sockets, `poll`, HTTP/1.1 with keep-alive and one outstanding request a connection.
//
// It shares the machine with what it measures, so it does as little as it can: requests are copied together from parts
// that are ready, and of a reply only status and length are read.

import Foundation
import Glibc

/// Where requests come from.
struct LoadSource {
    /// Request heads that a tail completes, one a token; or whole requests.
    let heads: [[UInt8]]
    /// Proofs or whole tails with the head that each completes; `nil` to send the heads in turn, without end.
    let proofs: [(head: Int, proof: [UInt8])]?

    private static let tail = Array("\r\n\r\n".utf8)

    /// The same whole request, without end.
    init(repeating request: String) { self.init(inTurn: [request]) }

    /// Whole requests in turn, without end.
    init(inTurn requests: [String]) {
        heads = requests.map { Array($0.utf8) }
        proofs = nil
    }

    /// Whole requests, each once.
    init(once requests: [String]) {
        heads = [[]]
        proofs = requests.map { (0, Array($0.utf8)) }
    }

    /// Releases, each once.
    init(_ proofs: [ProofBatch.Proof], of tokens: [BenchToken]) {
        heads = tokens.map { token in
            Array(
                ("POST \(token.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n"
                    + "Authorization: DPoP \(token.compact)\r\nDPoP: ").utf8)
        }
        self.proofs = proofs.map { ($0.token, Array($0.text.utf8)) }
    }

    /// Puts a request into the buffer; `false` when there are no more.
    fileprivate func write(_ index: Int, into buffer: inout [UInt8]) -> Bool {
        buffer.removeAll(keepingCapacity: true)
        guard let proofs else {
            buffer.append(contentsOf: heads[index % heads.count])
            return true
        }
        guard index < proofs.count else { return false }
        let head = heads[proofs[index].head]
        buffer.append(contentsOf: head)
        buffer.append(contentsOf: proofs[index].proof)
        if !head.isEmpty { buffer.append(contentsOf: Self.tail) }
        return true
    }
}

/// What a run of the generator showed.
struct LoadResult {
    /// Requests answered with 200.
    let requests: Int
    /// From the first request to the last reply.
    let seconds: Double
    /// Of every request.
    let latencies: Latencies
    /// Processor time of the generator.
    let generatorSeconds: Double

    var perSecond: Double { Double(requests) / seconds }
}

/// The generator.
struct LoadGenerator {
    let port: Int
    let connections: Int
    /// TLS of the connections; `nil` for plain HTTP.
    var tls: LoadTLS?

    /// Longest reply that is expected: a batch of a hundred releases.
    private static let replyBytes = 128 * 1024

    private struct Connection {
        let stream: LoadConnection
        var buffer = [UInt8](repeating: 0, count: LoadGenerator.replyBytes)
        var filled = 0
        var sent: UInt64 = 0
    }

    /// Sends requests until the time is over or there are no more, and waits for the last replies.
    /// - Throws: ``BenchFailure/failed(_:)`` at the first reply that is not 200: a run of refusals measures nothing.
    func run(_ source: LoadSource, seconds: Double) throws -> LoadResult {
        var open: [Connection] = []
        for _ in 0..<connections {
            open.append(Connection(stream: try LoadConnection(port: port, tls: tls)))
        }
        var polled = open.map { pollfd(fd: $0.stream.socket, events: Int16(POLLIN), revents: 0) }
        var request: [UInt8] = []
        request.reserveCapacity(8192)
        var latencies: [UInt64] = []
        latencies.reserveCapacity(source.proofs?.count ?? 1_000_000)
        var next = 0
        var waiting = 0

        let threadBegun = Stopwatch.threadTime
        let begun = Stopwatch.now
        let end = begun + UInt64(seconds * 1e9)
        for index in open.indices where source.write(next, into: &request) {
            next += 1
            try send(request, on: &open[index])
            waiting += 1
        }
        var now = begun
        while waiting > 0 {
            let ready = poll(&polled, nfds_t(polled.count), 30_000)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw BenchFailure.failed("no reply within 30 s") }
            for index in open.indices where polled[index].revents != 0 {
                polled[index].revents = 0
                guard let status = try receive(&open[index]) else { continue }
                guard status == 200 else {
                    let body = String(decoding: open[index].buffer.prefix(400), as: UTF8.self)
                    throw BenchFailure.failed("a reply with status \(status): \(body)")
                }
                now = Stopwatch.now
                latencies.append(now - open[index].sent)
                waiting -= 1
                if now < end, source.write(next, into: &request) {
                    next += 1
                    try send(request, on: &open[index])
                    waiting += 1
                }
            }
        }
        return LoadResult(
            requests: latencies.count, seconds: Double(now - begun) / 1e9, latencies: Latencies(latencies),
            generatorSeconds: Double(Stopwatch.threadTime - threadBegun) / 1e9)
    }

    private func send(_ request: [UInt8], on connection: inout Connection) throws {
        connection.filled = 0
        connection.sent = Stopwatch.now
        try connection.stream.send(request)
    }

    /// Reads what is there; the status once the reply is whole, `nil` before.
    private func receive(_ connection: inout Connection) throws -> Int? {
        repeat {
            guard connection.filled < Self.replyBytes else {
                throw BenchFailure.failed("a reply that is too long")
            }
            let (stream, filled) = (connection.stream, connection.filled)
            let count = try connection.buffer.withUnsafeMutableBytes { bytes in
                try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
            }
            guard let count else { return nil }
            connection.filled += count
            let status = try connection.buffer.withUnsafeBytes { bytes in
                try Self.status(UnsafeRawBufferPointer(rebasing: bytes[..<connection.filled]))
            }
            if let status { return status }
        } while connection.stream.hasMore
        return nil
    }

    /// The status of a whole reply.
    private static func status(_ bytes: UnsafeRawBufferPointer) throws -> Int? {
        guard let end = endOfHead(bytes) else { return nil }
        guard let length = contentLength(bytes, end) else {
            throw BenchFailure.failed("a reply without Content-Length")
        }
        guard bytes.count >= end + length else { return nil }
        guard bytes.count == end + length else { throw BenchFailure.failed("more than one reply") }
        return (9..<12).reduce(0) { $0 * 10 + Int(bytes[$1]) - 0x30 }
    }

    /// Where the body begins.
    private static func endOfHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 16 else { return nil }
        var index = 12
        while index + 3 < bytes.count {
            if bytes[index] == 0x0D, bytes[index + 1] == 0x0A, bytes[index + 2] == 0x0D,
                bytes[index + 3] == 0x0A
            {
                return index + 4
            }
            index += 1
        }
        return nil
    }

    private static let lengthName = Array("\ncontent-length:".utf8)

    private static func contentLength(_ bytes: UnsafeRawBufferPointer, _ end: Int) -> Int? {
        var index = 0
        while index + lengthName.count < end {
            if bytes[index] == 0x0A,
                lengthName.indices.allSatisfy({ lowercased(bytes[index + $0]) == lengthName[$0] })
            {
                index += lengthName.count
                while bytes[index] == 0x20 { index += 1 }
                var length = 0
                while (0x30...0x39).contains(bytes[index]), length < replyBytes {
                    length = length * 10 + Int(bytes[index]) - 0x30
                    index += 1
                }
                return length
            }
            index += 1
        }
        return nil
    }

    /// Letters in lower case, everything else as it is.
    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
    }
}

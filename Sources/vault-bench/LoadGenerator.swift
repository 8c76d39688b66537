// Load from one thread: blocking sockets, `poll`, HTTP/1.1 with keep-alive and one outstanding request a connection.
//
// It shares the machine with what it measures, so it does as little as it can: requests are copied together from parts
// that are ready, and of a reply only status and length are read.

import Foundation
import Glibc

/// Where requests come from.
struct LoadSource {
    /// Request heads that a proof completes, one a token; or one whole request.
    let heads: [[UInt8]]
    /// Proofs with the head that each completes; `nil` to send the first head again and again.
    let proofs: [(head: Int, proof: [UInt8])]?

    private static let tail = Array("\r\n\r\n".utf8)

    /// The same whole request, without end.
    init(repeating request: String) {
        heads = [Array(request.utf8)]
        proofs = nil
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
            buffer.append(contentsOf: heads[0])
            return true
        }
        guard index < proofs.count else { return false }
        buffer.append(contentsOf: heads[proofs[index].head])
        buffer.append(contentsOf: proofs[index].proof)
        buffer.append(contentsOf: Self.tail)
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

    /// Longest reply that is expected; a problem document is shorter.
    private static let replyBytes = 16 * 1024

    private struct Connection {
        let socket: Int32
        var buffer = [UInt8](repeating: 0, count: LoadGenerator.replyBytes)
        var filled = 0
        var sent: UInt64 = 0
    }

    /// Sends requests until the time is over or there are no more, and waits for the last replies.
    /// - Throws: ``BenchFailure/failed(_:)`` at the first reply that is not 200: a run of refusals measures nothing.
    func run(_ source: LoadSource, seconds: Double) throws -> LoadResult {
        var open: [Connection] = []
        defer { for connection in open { close(connection.socket) } }
        for _ in 0..<connections { open.append(Connection(socket: try connected())) }
        var polled = open.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
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

    private func connected() throws -> Int32 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw BenchFailure.failed("no socket (errno \(errno))") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(socket)
            throw BenchFailure.failed("no connection to 127.0.0.1:\(port) (errno \(errno))")
        }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        return socket
    }

    private func send(_ request: [UInt8], on connection: inout Connection) throws {
        connection.filled = 0
        connection.sent = Stopwatch.now
        var sent = 0
        while sent < request.count {
            let count = request.withUnsafeBytes { bytes in
                Glibc.send(
                    connection.socket, bytes.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw BenchFailure.failed("the service closed a connection (errno \(errno))")
            }
            sent += count
        }
    }

    /// Reads what is there; the status once the reply is whole, `nil` before.
    private func receive(_ connection: inout Connection) throws -> Int? {
        guard connection.filled < Self.replyBytes else {
            throw BenchFailure.failed("a reply that is too long")
        }
        let (socket, filled) = (connection.socket, connection.filled)
        let count = connection.buffer.withUnsafeMutableBytes { bytes in
            recv(
                socket, bytes.baseAddress.map { $0 + filled }, bytes.count - filled,
                Int32(MSG_DONTWAIT))
        }
        if count < 0, errno == EINTR || errno == EAGAIN { return nil }
        guard count > 0 else { throw BenchFailure.failed("the service closed a connection") }
        connection.filled += count
        return try connection.buffer.withUnsafeBytes { bytes in
            try Self.status(UnsafeRawBufferPointer(rebasing: bytes[..<connection.filled]))
        }
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

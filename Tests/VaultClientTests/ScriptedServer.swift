// A real HTTP/1.1 server on loopback that answers as a test says, one request a connection. It knows nothing of the
// vault: what the client sends is judged by the vault's own verifiers.

import Foundation
import Glibc
import Synchronization

/// A request as it arrived.
struct ArrivedRequest: Sendable {
    let method: String
    let target: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    func values(of name: String) -> [String] {
        headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }
}

/// What to do with a request.
enum ScriptedAnswer: Sendable {
    case reply(Int, headers: [(String, String)] = [], body: String = "")
    /// Close the connection without a word.
    case hangUp
}

/// The server. Answers are asked for in the order of requests, counted from 0.
final class ScriptedServer: Sendable {
    let port: Int
    private let listener: Int32
    private let arrived = Mutex<[ArrivedRequest]>([])

    var endpoint: String { "http://127.0.0.1:\(port)" }
    var requests: [ArrivedRequest] { arrived.withLock { $0 } }

    init(_ answer: @escaping @Sendable (Int, ArrivedRequest) -> ScriptedAnswer) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, size) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &size) == 0
            }
        }
        guard result else { throw POSIXError(.EADDRNOTAVAIL) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else {
                    close(listener)
                    return
                }
                serve(connection, answer)
                close(connection)
            }
        }
    }

    /// Stops accepting.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ connection: Int32, _ answer: (Int, ArrivedRequest) -> ScriptedAnswer) {
        guard let request = Self.read(connection) else { return }
        let index = arrived.withLock { arrived in
            arrived.append(request)
            return arrived.count - 1
        }
        guard case .reply(let status, let headers, let body) = answer(index, request) else { return }
        var text =
            "HTTP/1.1 \(status) Scripted\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        let bytes = Array((text + "\r\n" + body).utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(connection, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    private static func read(_ connection: Int32) -> ArrivedRequest? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        var head: (lines: [String], end: Int)?
        while true {
            if head == nil, let end = endOfHead(bytes) {
                head = (
                    String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n"), end + 4
                )
            }
            if let head {
                let fields = head.lines.dropFirst().compactMap { line -> (name: String, value: String)? in
                    guard let colon = line.firstIndex(of: ":") else { return nil }
                    let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                    return (String(line[..<colon]), value)
                }
                let length =
                    fields.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
                let words = head.lines[0].split(separator: " ")
                if bytes.count >= head.end + length, words.count == 3 {
                    return ArrivedRequest(
                        method: String(words[0]), target: String(words[1]), headers: fields,
                        body: Array(bytes[head.end..<head.end + length]))
                }
            }
            let count = recv(connection, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first { bytes[$0..<$0 + 4].elementsEqual(mark) }
    }
}

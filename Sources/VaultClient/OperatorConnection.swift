// The operator's commands to a running vault, over the socket in its data folder.

import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// A connection to the operator's socket. Whoever can open the socket is the operator.
package struct OperatorConnection: Sendable {
    private let socket: String

    /// A reply.
    package struct Reply: Sendable {
        /// The HTTP status.
        package let status: Int
        /// The body.
        package let body: [UInt8]
    }

    /// A connection to a socket path.
    package init(socket: String) { self.socket = socket }

    /// Sends one request and reads the whole reply.
    /// - Parameters:
    ///   - path: path and query.
    ///   - bodyLimit: most bytes that are read.
    ///   - seconds: how long the reply may take.
    package func send(
        _ method: String, _ path: String, body: [UInt8] = [], bodyLimit: Int = 16 << 20,
        seconds: Int64 = 120
    ) async throws -> Reply {
        let encoded = socket.utf8.map { byte -> String in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + Self.hex(byte)
        }
        var request = HTTPClientRequest(url: "http+unix://\(encoded.joined())\(path)")
        request.method = HTTPMethod(rawValue: method)
        if !body.isEmpty { request.body = .bytes(body) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(seconds))
        let buffer = try await response.body.collect(upTo: bodyLimit)
        return Reply(status: Int(response.status.code), body: Array(buffer.readableBytesView))
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16, uppercase: true)
        return text.utf8.count == 1 ? "0" + text : text
    }
}

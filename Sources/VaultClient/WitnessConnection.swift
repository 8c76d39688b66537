// A witness of the log, over TLS or on this machine (C2SP tlog-witness).

import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Hands checkpoints to witnesses.
package enum WitnessConnection {
    /// What a witness replied.
    package struct Reply: Sendable {
        /// The HTTP status.
        package let status: Int
        /// The body, at most 16 KiB.
        package let body: [UInt8]
    }

    /// Whether an address may be used: https, or http on loopback.
    /// - Throws: ``VaultClientError/endpointNotSecure``.
    package static func check(_ prefix: String) throws(VaultClientError) {
        _ = try SecureEndpoint(SecureEndpoint.origin(of: prefix))
    }

    /// Hands a request to the witness of a submission prefix, within 5 s. Redirects are not followed.
    /// - Throws: if there is no reply.
    package static func addCheckpoint(_ request: [UInt8], to prefix: String) async throws -> Reply {
        try check(prefix)
        var post = HTTPClientRequest(url: prefix + (prefix.hasSuffix("/") ? "" : "/") + "add-checkpoint")
        post.method = .POST
        post.headers.add(name: "Content-Type", value: "text/plain; charset=utf-8")
        post.body = .bytes(ByteBuffer(bytes: request))
        let response = try await http.execute(post, timeout: .seconds(5))
        return Reply(
            status: Int(response.status.code),
            body: Array(try await response.body.collect(upTo: 16 * 1024).readableBytesView))
    }

    /// For the life of the process.
    private static let http = HTTPClient(
        eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
}

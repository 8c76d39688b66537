// Where the keys of a trusted issuer come from: one configured address, over TLS or on this machine.

import AsyncHTTPClient
import ContactModel
import NIOCore
import NIOHTTP1

/// Fetches a JWK set.
package struct KeySetSource: Sendable {
    private let url: String

    /// Why there is no key set.
    package struct NotFetched: Error {}

    /// - Parameter url: https, or http on loopback; redirects are not followed.
    /// - Throws: ``VaultClientError/endpointNotSecure``.
    package init(url: String) throws(VaultClientError) {
        _ = try SecureEndpoint(SecureEndpoint.origin(of: url))
        self.url = url
    }

    /// Fetches the key set, within 5 s and `Limits.keySetBytes`.
    package func fetch() async throws -> [UInt8] {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "Accept", value: "application/jwk-set+json, application/json")
        let response = try await Self.http.execute(request, timeout: .seconds(5))
        guard response.status == .ok else { throw NotFetched() }
        return Array(try await response.body.collect(upTo: Limits.keySetBytes).readableBytesView)
    }

    /// For the life of the process.
    private static let http = HTTPClient(
        eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
}

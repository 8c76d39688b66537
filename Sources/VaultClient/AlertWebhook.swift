// Where emergency alerts go: one configured address, over TLS or on this machine.

import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Posts alerts.
package struct AlertWebhook: Sendable {
    private let url: String

    /// Why an alert was not taken.
    package struct NotTaken: Error {}

    /// - Parameter url: https, or http on loopback; redirects are not followed.
    /// - Throws: ``VaultClientError/endpointNotSecure``.
    package init(url: String) throws(VaultClientError) {
        // Checked here too: this is where bytes leave.
        _ = try SecureEndpoint(SecureEndpoint.origin(of: url))
        self.url = url
    }

    /// Posts one alert as JSON.
    /// - Throws: unless the answer is a success. Nothing of the answer is kept.
    package func post(_ json: [UInt8]) async throws {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: json))
        let response = try await Self.http.execute(request, timeout: .seconds(5))
        guard (200..<300).contains(response.status.code) else { throw NotTaken() }
    }

    /// For the life of the process.
    private static let http = HTTPClient(
        eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
}

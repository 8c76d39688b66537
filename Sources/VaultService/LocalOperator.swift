// The operator's routes without a socket: a command that holds the vault itself asks the very routes that a running service
// would answer, so both ways do the same.

package import ContactVault
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Answers the operator's requests in this process.
package struct LocalOperator: Sendable {
    private let responder: RouterResponder<VaultRequestContext>

    /// - Parameters:
    ///   - vault: open in this process.
    ///   - custody: what there is to be done about root keys.
    package init(vault: Vault, custody: RootKeyCustody) {
        let router = Router(context: VaultRequestContext.self)
        let silent = Logger(label: "contact-vault.operator", factory: { _ in SwiftLogNoOpLogHandler() })
        router.add(middleware: RequestMiddleware(log: ServiceLog(silent), audience: .operator))
        OperatorRoutes(vault: vault, custody: custody).add(to: router)
        responder = router.buildResponder()
    }

    /// Answers one request.
    /// - Parameter path: path and query.
    package func send(
        _ method: String, _ path: String, body: [UInt8] = []
    ) async throws -> (status: Int, body: [UInt8]) {
        var head = HTTPRequest(
            method: HTTPRequest.Method(method) ?? .get, scheme: "http", authority: "operator", path: path)
        head.headerFields[.contentLength] = String(body.count)
        let response = try await responder.respond(
            to: Request(head: head, body: RequestBody(buffer: ByteBuffer(bytes: body))),
            context: VaultRequestContext(
                logger: Logger(label: "operator", factory: { _ in SwiftLogNoOpLogHandler() })))
        let collected = Collected()
        try await response.body.write(Collector(into: collected))
        return (Int(response.status.code), Array(collected.buffer.readableBytesView))
    }

    private final class Collected: @unchecked Sendable {
        // Sendable holds because one task writes and then reads it.
        var buffer = ByteBuffer()
    }

    private struct Collector: ResponseBodyWriter {
        let collected: Collected

        init(into collected: Collected) { self.collected = collected }

        mutating func write(_ buffer: ByteBuffer) async throws {
            collected.buffer.writeImmutableBuffer(buffer)
        }

        consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }
}

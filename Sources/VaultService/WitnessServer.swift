// A small witness, for an officer to run where the operator of the vault has no hand (C2SP tlog-witness).

import AccessLog
import ContactModel
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// Serves a witness.
public struct WitnessServer: Sendable {
    private let witness: OpenedWitness
    private let listener: ServiceConfiguration.Listener
    private let logger: Logger

    /// A service for one witness.
    public init(witness: OpenedWitness, listener: ServiceConfiguration.Listener, logger: Logger) {
        self.witness = witness
        self.listener = listener
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT.
    /// - Parameter started: called with the URL when it accepts.
    /// - Throws: ``ServiceError`` before anything is served.
    public func run(started: @escaping @Sendable (String) -> Void) async throws {
        guard listener.tls != nil || listener.isLoopback || listener.isBehindTLSProxy else {
            throw ServiceError.plainHTTPOutsideLoopback("witness")
        }
        let router = Router(context: VaultRequestContext.self)
        router.add(middleware: RequestMiddleware(log: ServiceLog(logger)))
        let witness = witness
        router.post("/add-checkpoint") { request, _ -> Response in
            let body = try await request.bytes(upTo: Limits.noteBytes)
            do {
                return .text(try await witness.cosign(body, at: Timestamp(Date())))
            } catch let refusal as WitnessRefusal {
                return Self.response(to: refusal)
            }
        }
        // Not of the protocol: so that an officer can see what was cosigned without asking the log.
        router.get("/checkpoint") { request, _ -> Response in
            guard let origin = request.uri.queryParameters.get("origin"),
                let note = await witness.last(of: origin)
            else { return Response(status: .notFound) }
            return .text(note)
        }
        let application = try VaultServer.application(router, listener, logger: logger) { port in
            started(VaultServer.url(listener, port))
        }
        do {
            try await ServiceGroup(
                configuration: .init(
                    services: [application], gracefulShutdownSignals: [.sigterm, .sigint],
                    logger: VaultServer.quiet(logger))
            ).run()
        } catch let error as IOError where [EADDRINUSE, EACCES, EADDRNOTAVAIL].contains(error.errnoCode) {
            throw ServiceError.bind
        }
    }

    private static func response(to refusal: WitnessRefusal) -> Response {
        switch refusal {
        case .malformed: return Response(status: .badRequest)
        case .logUnknown: return Response(status: .notFound)
        case .signerUnknown: return Response(status: .forbidden)
        case .inconsistent: return Response(status: .unprocessableContent)
        case .conflict(let size):
            return Response(
                status: .conflict, headers: [.contentType: "text/x.tlog.size"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: "\(size)\n")))
        }
    }
}

// Runs a vault: two listeners, the operator's socket, the jobs that keep the log signed and tidy, and a clean stop.

import ContactModel
public import ContactVault
import Foundation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization
import UnixSignals

/// The service around a vault.
public struct VaultServer: Sendable {
    private let vault: Vault
    private let configuration: ServiceConfiguration
    private let operatorSocket: String
    private let custody: RootKeyCustody?
    private let deliverAlert: AlertDelivery?
    private let logKeysChanged: @Sendable ([String]) -> Void
    private let logger: Logger

    /// A service.
    /// - Parameters:
    ///   - operatorSocket: path of the operator's socket, inside a folder that only the operator can enter.
    ///   - custody: how root keys are opened and recorded; without it the root key is changed elsewhere.
    ///   - deliverAlert: where emergency alerts go besides the log of the service; `nil` for nowhere.
    ///   - logKeysChanged: called with the public keys of the log, the active one first, when they have changed.
    ///   - logger: where operations are logged; never accesses.
    public init(
        vault: Vault, configuration: ServiceConfiguration, operatorSocket: String,
        custody: RootKeyCustody? = nil,
        deliverAlert: AlertDelivery? = nil, logKeysChanged: @escaping @Sendable ([String]) -> Void = { _ in },
        logger: Logger
    ) {
        self.vault = vault
        self.configuration = configuration
        self.operatorSocket = operatorSocket
        self.custody = custody
        self.deliverAlert = deliverAlert
        self.logKeysChanged = logKeysChanged
        self.logger = logger
    }

    /// Addresses that are being served.
    public struct Addresses: Sendable {
        /// URL of the data listener.
        public let data: String
        /// URL of the control listener.
        public let control: String
    }

    /// Serves until SIGTERM or SIGINT, then answers what was accepted, and closes the vault.
    /// - Parameter started: called once, when both listeners accept.
    /// - Throws: ``ServiceError`` before anything is served.
    public func run(started: @escaping @Sendable (Addresses) -> Void) async throws {
        do {
            try await serve(started)
        } catch {
            _ = unsafe unlink(operatorSocket)
            try? await vault.close()
            throw error
        }
        _ = unsafe unlink(operatorSocket)
        ServiceLog(logger).event("stopping")
        try await vault.close()
    }

    private func serve(_ started: @escaping @Sendable (Addresses) -> Void) async throws {
        try configuration.check()
        let log = ServiceLog(logger)
        let ready = ListenersReady(configuration, started)
        let data = Router(context: VaultRequestContext.self)
        data.add(middleware: RequestMiddleware(log: log))
        TokenRoutes(
            vault: vault, log: log, bindsCertificates: configuration.data.tls?.clientAuthority != nil
        ).add(to: data)
        ReleaseRoutes(vault: vault).add(to: data)
        ContactRoutes(vault: vault).add(to: data)
        OutcomeRoutes(vault: vault).add(to: data)
        StopListRoutes(vault: vault).add(to: data)
        ApprovalRoutes(vault: vault).add(to: data)
        LogRoutes(vault: vault).add(to: data)
        ExportRoutes(vault: vault).add(to: data)
        LogQueryRoutes(vault: vault).add(to: data)
        ReportRoutes(vault: vault).add(to: data)

        let control = Router(context: VaultRequestContext.self)
        control.add(middleware: RequestMiddleware(log: log))
        HealthRoutes(vault: vault).add(to: control)
        MetricsRoutes(vault: vault).add(to: control)
        PolicyRoutes(vault: vault).add(to: control)
        KeyRoutes(vault: vault).add(to: control)
        KeyJobRoutes(vault: vault).add(to: control)
        ApprovalRoutes(vault: vault).add(to: control)

        let operators = Router(context: VaultRequestContext.self)
        operators.add(middleware: RequestMiddleware(log: log, audience: .operator))
        OperatorRoutes(vault: vault, custody: custody).add(to: operators)

        // A socket that a killed process left behind; the store's lock says that no other process serves.
        _ = unsafe unlink(operatorSocket)
        let socket = operatorSocket
        let quiet = Self.quiet(logger)
        var group = ServiceGroupConfiguration(
            services: [
                LogJobs(
                    vault: vault, log: log, witnessSeconds: configuration.witnessSeconds,
                    retentionMonths: configuration.logRetentionMonths,
                    logKeysChanged: logKeysChanged),
                KeyWarnings(vault: vault, log: log),
                KeyJobs(vault: vault, log: log),
                EmergencyAlerts(vault: vault, log: log, deliver: deliverAlert),
                try Self.application(data, configuration.data, logger: logger) { ready.bound(data: $0) },
                try Self.application(control, configuration.control, logger: logger) {
                    ready.bound(control: $0)
                },
                Application(
                    router: operators, server: .http1(configuration: Self.http),
                    configuration: .init(address: .unixDomainSocket(path: socket), serverName: nil),
                    onServerRunning: { _ in _ = unsafe chmod(socket, 0o600) }, logger: quiet),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        group.maximumGracefulShutdownDuration = .seconds(30)
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as IOError where [EADDRINUSE, EACCES, EADDRNOTAVAIL].contains(error.errnoCode) {
            throw ServiceError.bind
        }
    }

    private static let http = HTTP1Channel.Configuration(
        idleTimeout: .seconds(60),
        httpDecoderConfiguration: .init(
            maxHeaderFieldSize: Limits.headerBytes, maxHeaderListSize: Limits.headerBytes,
            maxHeaderFieldCount: 64))

    /// Libraries log addresses and errors of their own wording: only what stops the service is let through.
    static func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = .error
        return logger
    }

    /// A listener with its limits.
    static func application(
        _ router: Router<VaultRequestContext>, _ listener: ServiceConfiguration.Listener, logger: Logger,
        bound: @escaping @Sendable (Int) -> Void
    ) throws -> some Service {
        let quiet = quiet(logger)
        var server = HTTPServerBuilder.http1(configuration: Self.http)
        if let files = listener.tls { server = try .tls(server, tlsConfiguration: Self.tls(files)) }
        return Application(
            router: router, server: server,
            configuration: .init(
                address: .hostname(listener.host, port: listener.port), serverName: nil,
                availableConnectionsDelegate: .maximum(Limits.connections, logger: quiet)),
            onServerRunning: { channel in bound(channel.localAddress?.port ?? listener.port) }, logger: quiet)
    }

    /// Where a listener is reached.
    static func url(_ listener: ServiceConfiguration.Listener, _ port: Int) -> String {
        let host = listener.host.contains(":") ? "[\(listener.host)]" : listener.host
        return "\(listener.tls == nil ? "http" : "https")://\(host):\(port)"
    }

    private static func tls(_ files: ServiceConfiguration.TLSFiles) throws -> TLSConfiguration {
        let certificates: [NIOSSLCertificate]
        do { certificates = try NIOSSLCertificate.fromPEMFile(files.certificate) } catch {
            throw ServiceError.tlsFile(files.certificate)
        }
        guard let key = try? NIOSSLPrivateKey(file: files.key, format: .pem) else {
            throw ServiceError.tlsFile(files.key)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        if let authority = files.clientAuthority {
            // Who shows none is a client that proves possession by DPoP; who shows one must show a good one.
            let roots: [NIOSSLCertificate]
            do { roots = try NIOSSLCertificate.fromPEMFile(authority) } catch {
                throw ServiceError.tlsFile(authority)
            }
            configuration.trustRoots = .certificates(roots)
            configuration.certificateVerification = .optionalVerification
            configuration.sendCANameList = true
        }
        return configuration
    }
}

/// Tells once that both listeners accept.
private final class ListenersReady: Sendable {
    private let ports = Mutex<(data: Int?, control: Int?)>((nil, nil))
    private let configuration: ServiceConfiguration
    private let started: @Sendable (VaultServer.Addresses) -> Void

    init(
        _ configuration: ServiceConfiguration, _ started: @escaping @Sendable (VaultServer.Addresses) -> Void
    ) {
        self.configuration = configuration
        self.started = started
    }

    func bound(data port: Int) { tell { $0.data = port } }
    func bound(control port: Int) { tell { $0.control = port } }

    private func tell(_ set: (inout (data: Int?, control: Int?)) -> Void) {
        let both = ports.withLock { ports -> (Int, Int)? in
            set(&ports)
            guard let data = ports.data, let control = ports.control else { return nil }
            return (data, control)
        }
        guard let (data, control) = both else { return }
        started(
            VaultServer.Addresses(
                data: VaultServer.url(configuration.data, data),
                control: VaultServer.url(configuration.control, control)))
    }

}

/// Signs checkpoints every second, asks the witnesses every few, appends what was counted and forgets what expired every minute.
private struct LogJobs: Service {
    let vault: Vault
    let log: ServiceLog
    let witnessSeconds: Int
    let retentionMonths: Int?
    let logKeysChanged: @Sendable ([String]) -> Void

    func run() async throws {
        var seconds = 0
        var keys = vault.logVerifierKeys
        await withGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                try? await cancelWhenGracefulShutdown {
                    try await Task.sleep(for: .milliseconds(Limits.checkpointMilliseconds))
                }
                seconds += 1
                await attempt("checkpoint not signed") { try await vault.publishCheckpoint() }
                if keys != vault.logVerifierKeys {
                    keys = vault.logVerifierKeys
                    logKeysChanged(keys)
                }
                if seconds % witnessSeconds == 0 {
                    await attempt("checkpoint not witnessed") {
                        guard let witnessed = try await vault.witnessCheckpoint(), !witnessed.isQuorum else {
                            return
                        }
                        log.event("no quorum of witnesses", ["cosigned": witnessed.cosigners.count])
                    }
                }
                if seconds % 60 == 0 {
                    await attempt("counts not recorded") { try await vault.recordUnauthenticated() }
                    await attempt("expired rows not purged") { try await vault.purgeExpired() }
                    await vault.expungeErased()
                }
                if let retentionMonths, seconds % 3600 == 0 {
                    await attempt("old entries not removed") {
                        try await vault.expireLog(olderThan: retentionMonths, requestID: RequestID.make())
                    }
                }
            }
        } onGracefulShutdown: {
        }
    }

    /// A job that fails is reported and tried again: the log may be unwritable for a while.
    private func attempt(_ message: StaticString, _ job: () async throws -> Void) async {
        do { try await job() } catch { log.trouble(message, error) }
    }
}

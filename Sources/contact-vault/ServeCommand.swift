// The service.

import AccessLog
import AccessToken
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import Logging
import VaultClient
import VaultService

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a vault until SIGTERM or SIGINT.",
        discussion: """
            The first line on standard output names the addresses that accept requests. Plain HTTP is served on \
            loopback only; see contact-vault.yaml for TLS.

            Example: contact-vault serve --listen 127.0.0.1:8470
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Option(help: "Address for collection services, HOST:PORT; port 0 picks one.")
    var listen: String?

    @Option(help: "Address for health and readiness, HOST:PORT.")
    var control: String?

    @Flag(help: "Serve plain HTTP on an address that is not loopback, because a proxy in front ends TLS.")
    var behindTlsProxy = false

    @Option(help: "Least level of messages on standard error: debug, info, notice, warning, error.")
    var logLevel = "notice"

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError("--log-level: use debug, info, notice, warning or error")
        }
        let folder = options.folder
        try folder.requireVault()
        var configuration = try folder.loadConfiguration()
        try Self.override(&configuration.data, with: listen, option: "--listen")
        try Self.override(&configuration.control, with: control, option: "--control")
        if behindTlsProxy { configuration.data.isBehindTLSProxy = true }
        try configuration.check()
        // Longer paths do not fit into a socket's address, and are found out only when it is bound.
        guard folder.operatorSocket.utf8.count <= 107 else {
            throw CommandFailure(
                "the path of \(folder.path) is too long for a socket: use one of at most 90 characters")
        }

        let vault = try await folder.open(
            passphrase, instance: configuration.instance,
            trustedIssuers: try configuration.trustedIssuers.map { try Self.trustedIssuer($0) },
            witnessing: try configuration.witnessPolicy.map { try Self.witnessing($0) })
        folder.warnOfPolicyFile(inForce: vault.policyVersion)
        for warning in ProcessHardening.warnings { Terminal.message("warning: \(warning)") }
        var logger = Logger(label: "contact-vault", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = level
        var deliverAlert: AlertDelivery?
        if let url = configuration.alertWebhook {
            let webhook = try AlertWebhook(url: url)
            deliverAlert = { json in try await webhook.post(json) }
        }
        let server = VaultServer(
            vault: vault, configuration: configuration, operatorSocket: folder.operatorSocket,
            custody: folder.custody,
            deliverAlert: deliverAlert,
            logKeysChanged: { keys in
                do { try folder.writeLogKeys(keys) } catch {
                    Terminal.message("warning: log.vkey was not written: \(ErrorText.describe(error))")
                }
            }, logger: logger)
        try await server.run { addresses in
            Terminal.result("listening data=\(addresses.data) control=\(addresses.control)")
        }
    }

    static func witnessing(_ path: String) throws -> Witnessing {
        let policy: LogTrustPolicy
        do { policy = try LogTrustPolicy(parsing: try VaultFolder.read(path)) } catch let error as LogError {
            throw CommandFailure("\(path): \(error)")
        }
        for witness in policy.witnesses {
            guard let url = witness.url else { continue }
            do { try WitnessConnection.check(url) } catch {
                throw CommandFailure(
                    "\(path): the address of witness \(witness.name) must be https, or http on this machine")
            }
        }
        return Witnessing(policy: policy) { prefix, request in
            let reply = try await WitnessConnection.addCheckpoint(request, to: prefix)
            switch reply.status {
            case 200: return .cosigned(reply.body)
            case 409:
                let text = String(decoding: reply.body, as: UTF8.self).trimmingCharacters(in: .newlines)
                return UInt64(text).map { .conflict(size: $0) } ?? .refused(status: 409)
            case 422: return .inconsistent
            default: return .refused(status: reply.status)
            }
        }
    }

    private static func trustedIssuer(
        _ settings: ServiceConfiguration.TrustedIssuerSettings
    ) throws -> TrustedIssuer {
        guard let name = Reference(settings.name) else {
            throw CommandFailure("trusted_issuers: the name \(settings.name) is not acceptable")
        }
        let keys: TrustedKeys
        switch settings.keys {
        case .file(let path):
            do { keys = try TrustedKeys(keySet: Array(VaultFolder.read(path).utf8)) } catch let fault
                as JWKFault
            {
                throw CommandFailure(
                    "\(path) is not a JWK set with kid and alg for every key: \(fault.rawValue)")
            }
        case .url(let url):
            let source = try KeySetSource(url: url)
            keys = TrustedKeys { try await source.fetch() }
        }
        return TrustedIssuer(
            name: name, issuer: settings.issuer, clientClaim: settings.clientClaim,
            detailsClaim: settings.detailsClaim, keys: keys)
    }

    private static func override(
        _ listener: inout ServiceConfiguration.Listener, with text: String?, option: String
    ) throws {
        guard let text else { return }
        guard let address = ServiceConfiguration.Listener.address(text) else {
            throw ValidationError("\(option): write it as HOST:PORT, such as 127.0.0.1:8470")
        }
        (listener.host, listener.port) = address
    }
}

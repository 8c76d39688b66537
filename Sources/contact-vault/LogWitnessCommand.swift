// A witness of a log, for an officer to run elsewhere.

import AccessLog
import ArgumentParser
import ContactModel
import Foundation
import Logging
import StrictEncoding
import VaultService

struct LogWitness: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract:
            "Run a witness of a log: it remembers how far the log was and cosigns what goes on from there.",
        discussion: """
            Run it on a machine where the vault's operator has no hand. It needs no vault: only the log's public key.

            Example: contact-vault log witness init ./witness --name witness.example/1 --log-key log.vkey
            """,
        subcommands: [LogWitnessInit.self, LogWitnessServe.self])

    /// Public keys of a log, one a line; comments after `#`.
    static func logKeys(_ path: String) throws -> [NoteVerifier] {
        let lines = try VaultFolder.read(path).split(separator: "\n").filter { !$0.hasPrefix("#") }
        do {
            let keys = try lines.map {
                try NoteVerifier(verifierKey: $0.trimmingCharacters(in: .whitespaces))
            }
            guard !keys.isEmpty else { throw LogError.noteKeyMalformed }
            return keys
        } catch let error as LogError {
            throw CommandFailure("\(path): \(error)")
        }
    }
}

struct LogWitnessInit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a witness with a key of its own.",
        discussion: """
            Prints its public key: a vault's operator and every auditor write it into their trust policy.

            Example: contact-vault log witness init ./witness --name witness.example/1 --log-key log.vkey
            """)

    @Argument(help: "Folder for its key and its memory.")
    var folder: String

    @Option(help: "Its name, such as witness.example/1: an address without scheme that is yours.")
    var name: String

    @Option(
        help: "File with the public keys of a log to watch, got from elsewhere than the log; may be repeated."
    )
    var logKey: [String]

    func run() async throws {
        let keys = try logKey.flatMap { try LogWitness.logKeys($0) }
        guard !keys.isEmpty else { throw ValidationError("--log-key: name the log to watch") }
        let key: String
        do {
            key = try WitnessFolder(path: folder).make(name: name, logs: LogTrustPolicy(logs: keys))
        } catch LogError.noteKeyMalformed {
            throw ValidationError("--name: use printable ASCII without space and plus")
        }
        Terminal.message(
            "made a witness in \(folder) for \(Set(keys.map(\.name)).sorted().joined(separator: ", "))")
        Terminal.result(key)
    }
}

struct LogWitnessServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a witness until SIGTERM or SIGINT (C2SP tlog-witness).",
        discussion: """
            Vaults post checkpoints to URL/add-checkpoint. Plain HTTP is served on loopback only. URL/checkpoint?origin=… shows \
            the last note that was cosigned.

            Example: contact-vault log witness serve ./witness --listen 127.0.0.1:8480
            """)

    @Argument(help: "Folder of the witness.")
    var folder: String

    @Option(help: "Address, HOST:PORT; port 0 picks one.")
    var listen = "127.0.0.1:8480"

    @Option(help: "PEM file with the certificate chain; together with --key.")
    var certificate: String?

    @Option(help: "PEM file with the private key of the certificate.")
    var key: String?

    @Flag(help: "Serve plain HTTP on an address that is not loopback, because a proxy in front ends TLS.")
    var behindTlsProxy = false

    func run() async throws {
        guard let address = ServiceConfiguration.Listener.address(listen) else {
            throw ValidationError("--listen: write it as HOST:PORT, such as 127.0.0.1:8480")
        }
        var listener = ServiceConfiguration.Listener(
            host: address.host, port: address.port, isBehindTLSProxy: behindTlsProxy)
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            listener.tls = ServiceConfiguration.TLSFiles(certificate: certificate, key: key)
        default: throw ValidationError("give --certificate and --key, or neither")
        }
        let witness = try WitnessFolder(path: folder).open()
        var logger = Logger(
            label: "contact-vault-witness", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .notice
        try await WitnessServer(witness: witness, listener: listener, logger: logger).run { url in
            Terminal.result("listening witness=\(url) key=\(witness.verifierKey)")
        }
    }
}

// Programs that may ask for contacts.

import AccessToken
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import StrictEncoding
import VaultClient
import VaultCrypto

struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "Register the programs that may ask for contacts.",
        discussion: "Example: contact-vault client list",
        subcommands: [
            ClientKeyCommand.self, ClientAdd.self, ClientList.self, ClientSuspend.self, ClientResume.self,
        ])
}

struct ClientKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make a client's key pair.",
        discussion: """
            Writes the private JWK to FILE, readable by its owner alone, and the public JWK to FILE.pub. The private \
            half belongs to the client; the vault is only ever given the public one. With --encryption it is a key that \
            sealed numbers are encrypted to.

            Example: contact-vault client key dialer-1.jwk
            """)

    @Argument(help: "File for the private JWK; it must not exist.")
    var file: String

    @Option(help: "ES256 or Ed25519.")
    var algorithm = "ES256"

    @Flag(help: "Make a key for sealed numbers (P-256) instead of one that signs.")
    var encryption = false

    func run() async throws {
        if encryption {
            let key = try ClientKey.createEncryption(path: file)
            try publish(key.json)
            return Terminal.result(key.thumbprint)
        }
        guard let algorithm = SignatureAlgorithm(rawValue: algorithm) else {
            throw ValidationError("--algorithm: use ES256 or Ed25519")
        }
        let key = try ClientKey.create(path: file, algorithm: algorithm)
        try publish(key.json)
        Terminal.result(key.thumbprint)
    }

    private func publish(_ json: JSONValue) throws {
        let text = json.canonicalText + "\n"
        guard FileManager.default.createFile(atPath: file + ".pub", contents: Data(text.utf8)) else {
            throw CommandFailure("cannot write \(file).pub")
        }
    }
}

struct ClientAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Register a client by its public key.",
        discussion: """
            Example: contact-vault client add dialer-1 --agency acme --kind gateway --role collection \
            --jwk dialer-1.jwk.pub
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The client's name: letters, digits, - and _, at most 64.")
    var name: String

    @Option(help: "The agency it belongs to.")
    var agency: String

    @Option(help: "gateway (dials or sends), desk (a person's screen, never more than a mask) or service.")
    var kind: String

    @Option(
        help:
            "What it may ask tokens for: collection, complaints, intake, privacy, security. May be repeated.")
    var role: [String]

    @Option(help: "File of its public JWK, ES256 or Ed25519.")
    var jwk: String

    @Option(help: "File of its public encryption JWK, P-256.")
    var encryptionJwk: String?

    @Option(help: "A portfolio it is bounded to; may be repeated. None means all.")
    var portfolio: [String] = []

    @Option(help: "A purpose it is bounded to; may be repeated. None means all that its roles allow.")
    var purpose: [String] = []

    func run() async throws {
        let client = RegisteredClient(
            id: try Self.reference(name, "NAME"), agency: try Self.reference(agency, "--agency"),
            kind: try Self.choice(kind, "--kind"), roles: Set(try role.map { try Self.choice($0, "--role") }),
            keys: [try PublicJWK(parsing: Self.json(jwk))],
            portfolios: Set(try portfolio.map { try Self.reference($0, "--portfolio") }),
            purposes: Set(try purpose.map { try Self.purpose($0) }),
            encryptionKey: try encryptionJwk.map { try EncryptionJWK(parsing: Self.json($0)) })
        guard !client.roles.isEmpty else { throw ValidationError("--role: give at least one") }
        try await options.folder.withSession(passphrase) { try await $0.register(client) }
        Terminal.message("registered \(client.id) with key \(client.keys[0].thumbprint)")
    }

    static func reference(_ text: String, _ option: String) throws -> Reference {
        guard let reference = Reference(text) else {
            throw ValidationError(
                "\(option): use letters, digits, - and _, at most 64, and no person's number")
        }
        return reference
    }

    static func purpose(_ text: String) throws -> Purpose {
        guard let purpose = Purpose(text) else {
            throw ValidationError("--purpose: write it as in the policy, such as relay.message")
        }
        return purpose
    }

    static func choice<Choice: RawRepresentable & CaseIterable>(
        _ text: String, _ option: String
    ) throws -> Choice where Choice.RawValue == String {
        guard let choice = Choice(rawValue: text) else {
            throw ValidationError(
                "\(option): use one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    private static func json(_ path: String) throws -> JSONValue {
        do { return try JSONValue.parse(Array(VaultFolder.read(path).utf8)) } catch let error as JSONError {
            throw CommandFailure("\(path) is not JSON: byte \(error.offset): \(error.reason.rawValue)")
        }
    }
}

struct ClientList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List registered clients.",
        discussion: "Example: contact-vault client list")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let clients = try await options.folder.withSession(passphrase) { try await $0.clients() }
        for client in clients {
            if json {
                Terminal.result(String(decoding: client.registration, as: UTF8.self))
            } else {
                let roles = client.roles.map(\.rawValue).sorted().joined(separator: ",")
                let state = client.isSuspended ? "suspended" : "active"
                Terminal.result("\(client.id)\t\(client.agency)\t\(client.kind.rawValue)\t\(roles)\t\(state)")
            }
        }
    }
}

struct ClientSuspend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Suspend a client; its tokens die at once.",
        discussion: "Example: contact-vault client suspend dialer-1")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The client's name.")
    var name: String

    func run() async throws {
        try await options.folder.withSession(passphrase) {
            try await $0.setSuspended(true, client: ClientAdd.reference(name, "NAME"))
        }
        Terminal.message("suspended \(name)")
    }
}

struct ClientResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a suspended client work again.",
        discussion: "Example: contact-vault client resume dialer-1")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The client's name.")
    var name: String

    func run() async throws {
        try await options.folder.withSession(passphrase) {
            try await $0.setSuspended(false, client: ClientAdd.reference(name, "NAME"))
        }
        Terminal.message("resumed \(name)")
    }
}

// Programs that may ask for contacts.

import AccessToken
import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import StrictEncoding
import VaultClient
import VaultCrypto
import VaultService

struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "Register the programs that may ask for contacts.",
        discussion: "Example: contact-vault client list",
        subcommands: [
            ClientKeyCommand.self, ClientAdd.self, ClientList.self, ClientRotate.self, ClientCertificate.self,
            ClientSuspend.self, ClientResume.self,
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

    @Option(help: "When its key ends; RFC 3339, such as 2027-01-01T00:00:00Z. None means no end.")
    var keyEnds: String?

    @Option(help: "The DNS name in its TLS certificate, if its tokens may be bound to that.")
    var certificateName: String?

    @Option(help: "A portfolio it is bounded to; may be repeated. None means all.")
    var portfolio: [String] = []

    @Option(help: "A purpose it is bounded to; may be repeated. None means all that its roles allow.")
    var purpose: [String] = []

    func run() async throws {
        let key = try PublicJWK(parsing: Self.json(jwk))
        let ends = try keyEnds.map { try AgencyEntrust.moment($0, "--key-ends") }
        if let ends, ends <= Timestamp(Date()) { throw ValidationError("--key-ends: is in the past") }
        if let certificateName, !RegisteredClient.isCertificateName(certificateName) {
            throw ValidationError("--certificate-name: " + ConflictText.describe("certificate_name"))
        }
        let client = RegisteredClient(
            id: try Self.reference(name, "NAME"), agency: try Self.reference(agency, "--agency"),
            kind: try Self.choice(kind, "--kind"), roles: Set(try role.map { try Self.choice($0, "--role") }),
            keys: [key],
            portfolios: Set(try portfolio.map { try Self.reference($0, "--portfolio") }),
            purposes: Set(try purpose.map { try Self.purpose($0) }),
            encryptionKey: try encryptionJwk.map { try EncryptionJWK(parsing: Self.json($0)) },
            keyEnds: ends.map { [key.thumbprint: $0] } ?? [:], certificateName: certificateName)
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

    static func json(_ path: String) throws -> JSONValue {
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
                warn(of: client)
            }
        }
    }

    /// Says which keys end, and of a client that will have none, that something has to be done.
    private func warn(of client: RegisteredClient) {
        let now = Timestamp(Date())
        let soon = now.adding(seconds: Limits.keyEndWarningSeconds)
        for key in client.keys {
            guard let end = client.keyEnds[key.thumbprint] else { continue }
            Terminal.message("\(client.id): key \(key.thumbprint) \(end <= now ? "ended" : "ends") \(end)")
        }
        if !client.isSuspended, client.keys(at: soon).isEmpty {
            Terminal.message(
                "warning: \(client.id) \(client.keys(at: now).isEmpty ? "has" : "will soon have") no key: "
                    + "`contact-vault client rotate \(client.id) --jwk FILE`")
        }
    }
}

struct ClientRotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Give a client a new key; the one before ends after an overlap.",
        discussion: """
            The client changes over within the overlap. Tokens that are bound to a key end with it. With --overlap-days 0 the \
            keys before end at once: for a key that somebody else may have.

            Example: contact-vault client rotate dialer-1 --jwk dialer-1-2027.jwk.pub
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The client's name.")
    var name: String

    @Option(help: "File of the new public JWK, ES256 or Ed25519.")
    var jwk: String?

    @Option(help: "File of the new public encryption JWK, P-256; sealed numbers are encrypted to it at once.")
    var encryptionJwk: String?

    @Option(help: "How many days the keys before stay good.")
    var overlapDays = 7

    @Option(help: "When the new key ends; RFC 3339, such as 2027-01-01T00:00:00Z. None means no end.")
    var keyEnds: String?

    func run() async throws {
        guard jwk != nil || encryptionJwk != nil else {
            throw ValidationError("give --jwk, --encryption-jwk or both")
        }
        guard (0...365).contains(overlapDays) else { throw ValidationError("--overlap-days: use 0 to 365") }
        var body = JSONObject([("overlap_seconds", .integer(Int64(overlapDays) * 86_400))])
        body["key"] = try jwk.map { try PublicJWK(parsing: ClientAdd.json($0)).json }
        body["encryption_key"] = try encryptionJwk.map { try EncryptionJWK(parsing: ClientAdd.json($0)).json }
        body["ends"] = try keyEnds.map { .string(try AgencyEntrust.moment($0, "--key-ends").description) }
        let client = try ClientAdd.reference(name, "NAME")
        let request = JSONValue.object(body)
        let changed = try await options.folder.withSession(passphrase) {
            try await $0.rotateKeys(request, client: client)
        }
        for key in changed.keys {
            let end = changed.keyEnds[key.thumbprint].map { "ends \($0)" } ?? "no end"
            Terminal.message("\(client): key \(key.thumbprint) \(end)")
        }
    }
}

struct ClientCertificate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate",
        abstract: "Set or remove the certificate name that a client's tokens may be bound by.",
        discussion: """
            The listener needs tls.client_authority. Without --name, the client goes back to DPoP, and tokens that are bound \
            to a certificate die.

            Example: contact-vault client certificate dialer-1 --name dialer-1.clients.example
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The client's name.")
    var client: String

    @Option(help: "The DNS name in its certificate.")
    var name: String?

    func run() async throws {
        try await options.folder.withSession(passphrase) {
            try await $0.setCertificateName(name, client: ClientAdd.reference(client, "NAME"))
        }
        Terminal.message(
            name.map { "\(client) may have tokens bound to certificates for \($0)" }
                ?? "\(client) proves possession by DPoP alone")
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

// What contacts and borrowers said, put on record by the operator.

import ArgumentParser
import ContactModel
import Foundation
import StrictEncoding
import VaultCrypto

struct ContactsConsent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consent", abstract: "Record a contact's own consent to a purpose, or its withdrawal.",
        discussion: """
            The evidence stays where it is: only its SHA-256 is recorded.

            Example: contact-vault contacts consent ct_… relay.message --notice n3 --evidence-file recording.wav
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    @Argument(help: "The purpose.")
    var purpose: String

    @Option(help: "Version of the notice that the contact was shown.")
    var notice: String?

    @OptionGroup var evidence: EvidenceOptions

    @Option(
        help: "An agency that the consent names; may be repeated. None means every agency of the creditor's.")
    var recipient: [String] = []

    @Flag(help: "Record that the contact withdrew it.")
    var withdraw = false

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        let purpose = try ClientAdd.purpose(purpose)
        if withdraw {
            try await options.folder.withSession(passphrase) {
                try await $0.withdrawConsent(to: purpose, of: id)
            }
            return Terminal.message("withdrawn: \(purpose) of \(id)")
        }
        guard let notice else { throw ValidationError("--notice: say which version the contact was shown") }
        var object = try evidence.members()
        object["notice"] = .string(notice)
        if !recipient.isEmpty { object["recipients"] = .array(recipient.map { .string($0) }) }
        let body = JSONValue.object(object)
        try await options.folder.withSession(passphrase) {
            try await $0.giveConsent(body, to: purpose, of: id)
        }
        Terminal.message("recorded: \(purpose) of \(id)")
    }
}

struct ContactsAuthorise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "authorise",
        abstract: "Record that the borrower authorised a contact to act for them, or withdrew that.",
        discussion: "Example: contact-vault contacts authorise ct_… --evidence-file mandate.pdf")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    @OptionGroup var evidence: EvidenceOptions

    @Flag(help: "Record that the borrower withdrew it.")
    var withdraw = false

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        if withdraw {
            try await options.folder.withSession(passphrase) { try await $0.withdrawAuthorisation(of: id) }
            return Terminal.message("withdrawn: authorisation of \(id)")
        }
        let body = JSONValue.object(try evidence.members())
        try await options.folder.withSession(passphrase) { try await $0.authorise(body, id) }
        Terminal.message("recorded: authorisation of \(id)")
    }
}

struct ContactsReference: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference", abstract: "Record an offer, request or complaint of a contact's.",
        discussion: "Example: contact-vault contacts reference ct_… cp_2026_17 --kind complaint")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    @Argument(help: "Its name, which later requests refer to.")
    var name: String

    @Option(help: "offer, request or complaint.")
    var kind: String

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        let name = try ClientAdd.reference(name, "NAME")
        let kind: ReferenceKind = try ClientAdd.choice(kind, "--kind")
        try await options.folder.withSession(passphrase) { try await $0.record(name, kind, of: id) }
        Terminal.message("recorded: \(kind.rawValue) \(name) of \(id)")
    }
}

struct ContactsSuppress: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suppress", abstract: "Put a number on the stop list, whether or not a contact has it.",
        discussion: """
            The number is read from standard input, so that it stays out of the shell's history and the process list.

            Example: contact-vault contacts suppress --region CN < number.txt
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Option(help: "ISO 3166 region of a number without country code.")
    var region: String?

    func run() async throws {
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw CommandFailure("no number came on standard input; nothing was changed")
        }
        try await options.folder.withSession(passphrase) {
            try await $0.suppress(phone: line, region: region)
        }
        Terminal.message("the number is on the stop list")
    }
}

/// Evidence of what somebody said.
struct EvidenceOptions: ParsableArguments {
    @Option(help: "File of the evidence; it is hashed and not stored.")
    var evidenceFile: String?

    @Option(help: "SHA-256 of the evidence, as sha256: and 64 hexadecimal characters.")
    var evidence: String?

    @Option(help: "When it ends, RFC 3339 in UTC.")
    var expires: String?

    func members() throws -> JSONObject {
        var object = JSONObject([])
        switch (evidenceFile, evidence) {
        case (let path?, nil):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CommandFailure("cannot read \(path)")
            }
            object["evidence"] = .string("sha256:" + Hex.encode(SHA256.hash(Array(data))))
        case (nil, let digest?): object["evidence"] = .string(digest)
        default: throw ValidationError("give --evidence-file or --evidence")
        }
        if let expires {
            guard Timestamp(expires) != nil else {
                throw ValidationError("--expires: write it as 2027-01-01T00:00:00Z")
            }
            object["expires"] = .string(expires)
        }
        return object
    }
}

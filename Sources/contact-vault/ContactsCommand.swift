// The operator's own intake and looks, logged like any other.

import ArgumentParser
import ContactModel
import Foundation
import VaultAPI

struct ContactsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contacts",
        abstract: "Store and look at contacts.",
        discussion: "Example: contact-vault contacts import contacts.ndjson",
        subcommands: [
            ContactsAdd.self, ContactsImport.self, ContactsShow.self, ContactsStop.self, ContactsConsent.self,
            ContactsAuthorise.self, ContactsReference.self, ContactsSuppress.self, ContactsErase.self,
            ContactsHold.self, ContactsExpire.self,
        ])
}

struct ContactsAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Store one contact from a JSON file.",
        discussion: "Example: contact-vault contacts add contact.json")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "File in the intake format; - reads standard input.")
    var file: String

    func run() async throws {
        let json = try LineFile.bytes(file, limit: Limits.requestBodyBytes)
        let stored = try await options.folder.withSession(passphrase) { try await $0.store(json: json) }
        Terminal.result("\(stored.contact)\t\(stored.phone)" + (stored.stopped == nil ? "" : "\tstopped"))
    }
}

struct ContactsImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Store contacts from an NDJSON file, one a line.",
        discussion: """
            Lines that are not acceptable are reported by number and field and nothing of them is stored; the others are \
            stored all the same. The exit code is 1 if any line was refused.

            Example: contact-vault contacts import contacts.ndjson
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "File with one contact a line; - reads standard input.")
    var file: String

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let lines = try LineFile(file)
        var stored = 0
        var refused = 0
        try await options.folder.withSession(passphrase) { session in
            while let batch = lines.next(1024) {
                let results = try await session.importLines(batch.map(\.bytes))
                for result in results {
                    // Results name lines by their place in the batch; a line that says the import ended may name any.
                    guard batch.indices.contains(result.line - 1) else {
                        throw CommandFailure("the service's answer names a line that was not sent")
                    }
                    if result.field == "import" {
                        throw CommandFailure(
                            "the import ended: \(stored) were stored, nothing from line "
                                + "\(batch[result.line - 1].number) on; import the rest when the vault can be written again"
                        )
                    }
                    if result.contact == nil { refused += 1 } else { stored += 1 }
                    try print(result, line: batch[result.line - 1].number)
                }
                guard results.count == batch.count else {
                    throw CommandFailure(
                        "the service answered \(results.count) of \(batch.count) lines that begin with line "
                            + "\(batch[0].number): \(stored) were stored, the rest is not known to be")
                }
            }
        }
        Terminal.message("stored \(stored), refused \(refused)")
        if refused > 0 { throw ExitCode(1) }
    }

    private func print(_ result: ImportLineBody, line: Int) throws {
        if json {
            Terminal.result(
                try Terminal.json(
                    ImportLineBody(
                        line: line, contact: result.contact, phone: result.phone, stopped: result.stopped,
                        field: result.field, problem: result.problem)))
        } else if let contact = result.contact, let phone = result.phone {
            Terminal.result("\(contact)\t\(phone)" + (result.stopped == nil ? "" : "\tstopped"))
        } else {
            Terminal.message(
                "line \(line): \(result.field ?? "contact"): \(result.problem ?? "not accepted")")
        }
    }
}

struct ContactsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a contact without its personal fields; the look is logged.",
        discussion: "Example: contact-vault contacts show ct_…")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    func run() async throws {
        let id = try Self.contact(contact)
        let body = try await options.folder.withSession(passphrase) { try await $0.contact(id) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        Terminal.result(String(decoding: try encoder.encode(body), as: UTF8.self))
    }

    static func contact(_ text: String) throws -> ContactID {
        guard let id = ContactID(text) else {
            throw ValidationError("a contact is written ct_ and 22 characters")
        }
        return id
    }
}

struct ContactsStop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Set a contact's stop flag, for good; --lift asks a second person to take it away.",
        discussion: "Example: contact-vault contacts stop ct_…")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    @Flag(help: "The contact wants to be spoken to after all: a second person of role privacy approves it.")
    var lift = false

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        guard !lift else {
            Terminal.waiting(
                try await options.folder.withSession(passphrase) { try await $0.liftStop(id) },
                option: " --contact \(id)")
            return
        }
        try await options.folder.withSession(passphrase) { try await $0.stop(id) }
        Terminal.message("stopped \(id)")
    }
}

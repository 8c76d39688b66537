// Taking contacts away, and keeping them for now.

import ArgumentParser
import ContactModel

struct ContactsErase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Erase a contact's record; entries and a place on the stop list stay.",
        discussion: "Example: contact-vault contacts erase ct_…")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        try await options.folder.withSession(passphrase) { try await $0.erase(id) }
        Terminal.message("erased \(id)")
    }
}

struct ContactsHold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Keep a contact for now, whatever else asks for its erasure (legal hold), or lift that.",
        discussion: "Example: contact-vault contacts hold ct_… --reference matter-2026-17")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    @Option(help: "The matter: a name of your own, not a person's.")
    var reference: String?

    @Flag(help: "Lift the hold.")
    var lift = false

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        if lift {
            try await options.folder.withSession(passphrase) { try await $0.liftHold(of: id) }
            return Terminal.message("no longer held: \(id)")
        }
        guard let reference else { throw ValidationError("--reference: name the matter") }
        let matter = try ClientAdd.reference(reference, "--reference")
        try await options.folder.withSession(passphrase) { try await $0.hold(matter, id) }
        Terminal.message("held for \(matter): \(id)")
    }
}

struct ContactsExpire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expire",
        abstract: "Erase contacts whose day of retention has passed, but not those under a legal hold.",
        discussion: """
            `log ask retention` shows them first.

            Example: contact-vault contacts expire
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    func run() async throws {
        var erased: Int64 = 0
        let held = try await options.folder.withSession(passphrase) { session in
            while true {
                let step = try await session.eraseExpired()
                erased += step.erased
                if step.erased == 0 { return step.held }
            }
        }
        Terminal.message("erased \(erased) contacts past their day, \(held) are held")
    }
}

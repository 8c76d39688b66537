// Taking contacts away, and keeping them for now.

import ArgumentParser
import ContactModel

struct ContactsErase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Erase a contact's record; entries and a place on the stop list stay.",
        discussion: """
            With --from-backups the key-encryption key is replaced as well, all records are brought under the new one, and the old \
            one is destroyed: copies of the store that were made before open nothing with the keyring of now. Every record is \
            touched; the vault serves meanwhile.

            Example: contact-vault contacts erase ct_…
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var backups: ErasureOptions

    @Argument(help: "The contact, ct_….")
    var contact: String

    func run() async throws {
        let id = try ContactsShow.contact(contact)
        try await options.folder.withSession(passphrase) { session in
            try await session.erase(id)
            Terminal.message("erased \(id)")
            if backups.fromBackups { try await KeysRewrap.replaceKey(session) }
        }
    }
}

/// How far an erasure reaches.
struct ErasureOptions: ParsableArguments {
    @Flag(help: "Make it true of backups of the store too, by replacing the key-encryption key.")
    var fromBackups = false
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
    @OptionGroup var backups: ErasureOptions

    func run() async throws {
        try await options.folder.withSession(passphrase) { session in
            var (erased, held): (Int64, Int64) = (0, 0)
            var step: (erased: Int64, held: Int64)
            repeat {
                step = try await session.eraseExpired()
                erased += step.erased
                held = step.held
            } while step.erased > 0
            Terminal.message("erased \(erased) contacts past their day, \(held) are held")
            if backups.fromBackups, erased > 0 { try await KeysRewrap.replaceKey(session) }
        }
    }
}

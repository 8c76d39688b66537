// Keys at the terminal: what there is, never what they are, and the steps of a rotation.

import ArgumentParser
import ContactModel
import EnvelopeEncryption
import Foundation
import VaultAPI

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Look at the keys and rotate them, while the vault serves.",
        discussion: """
            A rotation is: rotate (a new version is made), promote (it signs and seals, the one before still verifies and opens), \
            rewrap (what stands under the one before is brought under the new one: kek, blind_index, disclosure), retire (the one \
            before is out of use). `keys list` says what is next and when it may be done, `keys report` what still needs a version.

            Somebody may know a key: disable (at once, by one person), then compromise and destroy, which wait for a second person's \
            approval, as enable does.

            Example: contact-vault keys list
            """,
        subcommands: [
            KeysList.self, KeysReport.self, KeysRotate.self, KeysPromote.self, KeysRetire.self,
            KeysDisable.self, KeysEnable.self, KeysCompromise.self, KeysDestroy.self, KeysRewrap.self,
            KeysReencrypt.self, KeysJobs.self, KeysPause.self, KeysResume.self, KeysCancel.self,
            KeysRoot.self,
        ])

    /// Which key it is, with the suite if it is not the usual one.
    static func name(of key: KeyBody) -> String {
        let suite = key.suite.flatMap { $0 == EnvelopeSuite.aes256GCM.name ? nil : " (\($0))" } ?? ""
        return key.name + (key.id == 0 ? "" : " \(key.id)") + suite
    }

    /// One line about a version.
    static func show(_ key: KeyBody) {
        Terminal.message("\(name(of: key)) version \(key.version) is \(key.state)")
        guard let next = key.nextStep else { return }
        switch key.state {
        case "pre_active":
            Terminal.message(
                "published; it may sign from \(next): contact-vault keys promote \(key.name) \(key.version)")
        case "decrypt_only":
            Terminal.message(
                "may be taken out of use from \(next): contact-vault keys retire \(key.name) \(key.version)")
        default: break
        }
    }
}

struct KeysList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List key versions with state and age; never a secret.",
        discussion: "Example: contact-vault keys list")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let keys = try await options.folder.withSession(passphrase) { try await $0.keys() }
        if json { return try keys.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable([
            "key", "version", "state", "made", "since", "next step from", "thumbprint",
        ])
        for key in keys {
            table.add([
                KeysCommand.name(of: key), String(key.version), key.state, key.created,
                key.since,
                key.nextStep ?? "", key.thumbprint ?? "",
            ])
        }
        table.print()
        for key in keys {
            if let floor = key.floor, floor > 1, key.state == "active" {
                Terminal.message("\(key.name) \(key.id) opens from version \(floor)")
            }
        }
    }
}

struct KeysRotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Make and publish the next version of a key; it does not sign yet.",
        discussion: "Example: contact-vault keys rotate token_signing")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The key's name, as `keys list` has it.")
    var key: String

    @Option(
        help:
            "Of a kek: the suite of records under it, aes256_gcm or sm4_hmac_sm3; that of the active version if it is left out."
    )
    var suite: String?

    func run() async throws {
        if let suite {
            guard key == "kek", EnvelopeSuite(name: suite) != nil else {
                throw ValidationError("--suite: aes256_gcm or sm4_hmac_sm3, of a kek")
            }
        }
        KeysCommand.show(
            try await options.folder.withSession(passphrase) {
                try await $0.rotate(key: key, suite: suite)
            })
    }
}

/// A key and a version, for the steps of a version's life.
struct KeyVersionOptions: ParsableArguments {
    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The key's name, as `keys list` has it.")
    var key: String

    @Argument(help: "The version.")
    var version: UInt32

    func step(_ step: String) async throws {
        let outcome = try await options.folder.withSession(passphrase) {
            try await $0.step(step, key: key, version: version)
        }
        switch outcome {
        case .done(let key): KeysCommand.show(key)
        case .waiting(let approval): Terminal.waiting(approval)
        }
    }
}

struct KeysPromote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Let a published version sign; the one before still verifies.",
        discussion: """
            It waits until every client may have seen the new key, 300 s after it was published.

            Example: contact-vault keys promote token_signing 2
            """)

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("promote") }
}

struct KeysRetire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Take a replaced version out of use.",
        discussion: """
            It waits until everything that the version signed has ended.

            Example: contact-vault keys retire token_signing 1
            """)

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("retire") }
}

struct KeysDisable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Switch a version off at once, whatever needs it: somebody may know it.",
        discussion: """
            Every token that it signed dies; what is sealed under it is released to nobody. If it is the active version, a new one takes \
            its place without waiting. `keys enable` takes it back, with a second person's approval.

            Example: contact-vault keys disable token_signing 1
            """)

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("disable") }
}

struct KeysEnable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Take a version that was switched off into use again; a second person approves it.",
        discussion: """
            It opens and verifies, and does not become the active one again.

            Example: contact-vault keys enable kek 1
            """)

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("enable") }
}

struct KeysCompromise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compromise",
        abstract: "Mark a version as known to somebody, for good; a second person approves it.",
        discussion: """
            As disable, and with no way back. Records under a compromised kek can only be encrypted anew: keys reencrypt.

            Example: contact-vault keys compromise token_signing 1
            """)

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("compromise") }
}

struct KeysDestroy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Take the secret of a version out of the keyring for good; a second person approves it.",
        discussion: "Example: contact-vault keys destroy token_signing 1")

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("destroy") }
}

struct KeysReport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Every key version with what needs it, counted in the store; instances and the last job.",
        discussion: """
            Looks at every row: with a million records it takes some seconds.

            Example: contact-vault keys report
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let report = try await options.folder.withSession(passphrase) { try await $0.keyReport() }
        if json { return Terminal.result(try Terminal.json(report)) }
        var table = TerminalTable(["key", "version", "state", "age", "needed by"])
        for version in report.keys {
            let key = version.key
            let made = Timestamp(key.created)?.milliseconds ?? 0
            let days = max(0, Timestamp(Date()).milliseconds - made) / 86_400_000
            table.add([
                KeysCommand.name(of: key), String(key.version), key.state, "\(days) d",
                version.needs.isEmpty ? "-" : version.needs.joined(separator: ", "),
            ])
        }
        table.print()
        Terminal.result("keyring at epoch \(report.epoch)")
        for instance in report.instances {
            Terminal.result("\(instance.name) has loaded epoch \(instance.epoch), said at \(instance.seen)")
        }
        if let job = report.job { KeyJobOptions.show(job) }
    }
}

// Keys at the terminal: what there is, never what they are, and the steps of a rotation.

import ArgumentParser
import ContactModel
import EnvelopeEncryption
import Foundation
import VaultAPI

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "Look at the keys and rotate them.",
        discussion: """
            A rotation of the token-signing key is: rotate (a new version is published), promote (it signs, the one before \
            still verifies), retire (the one before is out of use). `keys list` says what is next and when it may be done.

            A rotation of the key-encryption key (kek) is: rotate, promote, rewrap, retire, destroy. What was erased before opens no \
            more from any backup once the version that it was under is destroyed.

            Example: contact-vault keys list
            """,
        subcommands: [
            KeysList.self, KeysRotate.self, KeysPromote.self, KeysRetire.self, KeysCompromise.self,
            KeysDestroy.self, KeysRewrap.self, KeysRoot.self,
        ])

    /// One line about a version.
    static func show(_ key: KeyBody) {
        let id = key.id == 0 ? "" : " \(key.id)"
        Terminal.message("\(key.name)\(id) version \(key.version) is \(key.state)")
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
                key.name + (key.id == 0 ? "" : " \(key.id)"), String(key.version), key.state, key.created,
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

    func run() async throws {
        KeysCommand.show(try await options.folder.withSession(passphrase) { try await $0.rotate(key: key) })
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
        KeysCommand.show(
            try await options.folder.withSession(passphrase) {
                try await $0.step(step, key: key, version: version)
            })
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

struct KeysCompromise: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compromise",
        abstract: "Take a version out of use at once: somebody may know it.",
        discussion: """
            Every token that it signed dies. If it is the version that signs, a new one takes its place without waiting; \
            clients fetch the key set again when they see its name.

            Example: contact-vault keys compromise token_signing 1
            """)

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("compromise") }
}

struct KeysDestroy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy", abstract: "Take the secret of a version out of the keyring for good.",
        discussion: "Example: contact-vault keys destroy token_signing 1")

    @OptionGroup var version: KeyVersionOptions

    func run() async throws { try await version.step("destroy") }
}

struct KeysRewrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rewrap",
        abstract: "Bring every record under the active key-encryption key, while the vault serves.",
        discussion: """
            Only the wrapping of data keys changes. It may be broken off and run again.

            Example: contact-vault keys rewrap
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    func run() async throws {
        try await options.folder.withSession(passphrase) { try await Self.rewrapAll($0) }
    }

    /// Brings every record under the active key-encryption key.
    static func rewrapAll(_ session: OperatorSession) async throws {
        var (examined, rewrapped, unreadable) = (0, 0, 0)
        var after: String?
        repeat {
            let step = try await session.rewrap(after: after)
            examined += step.examined
            rewrapped += step.rewrapped
            unreadable += step.unreadable
            after = step.next
            if examined % 50_000 < step.examined, after != nil { Terminal.message("\(examined) records") }
        } while after != nil
        Terminal.message("looked at \(examined) records, brought \(rewrapped) under the active key")
        guard unreadable == 0 else {
            throw CommandFailure("\(unreadable) records do not open and stay as they are")
        }
    }

    /// Replaces the key-encryption key and destroys every version before it: what is only in a copy of the store opens no more.
    static func replaceKey(_ session: OperatorSession) async throws {
        let made = try await session.rotate(key: "kek")
        _ = try await session.step("promote", key: "kek", version: made.version)
        try await rewrapAll(session)
        for key in try await session.keys() where key.name == "kek" && key.version < made.version {
            if key.state == "decrypt_only" {
                _ = try await session.step("retire", key: "kek", version: key.version)
            }
            if key.state != "destroyed" {
                _ = try await session.step("destroy", key: "kek", version: key.version)
            }
        }
        Terminal.message(
            "earlier copies of the store open nothing with this keyring: make a backup of both, and let old keyrings expire"
        )
    }
}

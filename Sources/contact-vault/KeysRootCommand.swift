// The root key at the terminal: which one the vault has, and moving the keyring under another.

import ArgumentParser
import ContactVault
import EnvelopeEncryption
import FileStorage
import Foundation
import StrictEncoding
import VaultCrypto
import VaultService

struct KeysRoot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "root",
        abstract: "Look at the root key and change it.",
        discussion: "Example: contact-vault keys root show",
        subcommands: [KeysRootShow.self, KeysRootMigrate.self])
}

struct KeysRootShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say where the root key is; opens nothing.",
        discussion: """
            The key check value is that of the root key under which the keyring was sealed. It tells nothing of the key.

            Example: contact-vault keys root show
            """)

    @OptionGroup var options: DataOptions

    func run() async throws {
        let folder = options.folder
        try folder.requireVault()
        let settings = try folder.loadConfiguration().rootKey
        let keyring = KeyringFile(folder.keyring)
        Terminal.result("provider: \(settings.provider.rawValue)")
        Terminal.result("root key: \(settings.text)")
        Terminal.result("key check value: \(Hex.encode(try keyring.rootKeyCheckValue()))")
        Terminal.result("keyring epoch: \(try keyring.statedEpoch())")
    }
}

struct KeysRootMigrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Seal the keyring under another root key, once a second person has approved it.",
        discussion: """
            The first run makes the new root key and asks; the second, with the options that the first one prints, changes. Releases go \
            on meanwhile. --to file makes a new file with a new root key, which is also how a passphrase is changed. If it is broken off, \
            run it again with the same options: either nothing has happened, or what is left of it is done.

            Example: contact-vault keys root migrate --to pkcs11 --module /usr/lib/softhsm/libsofthsm2.so \
            --token contact-vault --key root --make-key --passphrase-file OLD --new-passphrase-file PIN
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var newPassphrase: NewPassphraseOptions
    @OptionGroup var token: TokenOptions

    @Option(
        help: "Where the new root key is: file, credential or pkcs11.",
        transform: RootKeyProvider.named)
    var to: RootKeyProvider

    @Option(
        help:
            "With --to file: name of the file in the vault's folder; made by the first run. Default: one that tells which key it is."
    )
    var file: String?

    func validate() throws {
        if file != nil, to != .file { throw ValidationError("--file is for --to file") }
    }

    func run() async throws {
        let folder = options.folder
        try folder.requireVault()
        let secret = KeptSecret(newPassphrase)
        let new = try prepare(in: folder, secret)
        let text = try folder.configuration(with: new)
        if try await finish(new, text, in: folder, secret) { return }

        // The service opens a credential of its own, and asks nobody for it.
        let given =
            try new.provider == .credential ? nil : secret.share(new.provider == .file ? .passphrase : .pin)
        switch try await folder.withSession(
            passphrase, { try await $0.changeRootKey(to: new, secret: given) })
        {
        case .waiting(let approval):
            Terminal.waiting(approval)
            Terminal.message(
                "then, with the same passphrase options: contact-vault keys root migrate \(again(new))")
        case .done(let done):
            guard done.recorded else { throw notRecorded(new) }
            tell(new, epoch: done.epoch)
        }
    }

    /// Makes the new root key, unless it is there.
    private func prepare(in folder: VaultFolder, _ secret: KeptSecret) throws -> RootKeySettings {
        let isThere = file.map { FileManager.default.fileExists(atPath: folder.path + "/" + $0) } ?? false
        let settings = try token.settings(to, file: file ?? "root.key")
        if to == .file, !isThere { return .file(name: try makeFile(in: folder, secret)) }
        if token.makeKey { try settings.makeKey(pin: try secret.read(.pin)) }
        return settings
    }

    /// Makes a root key file, by default with a name that says which key it is.
    private func makeFile(in folder: VaultFolder, _ secret: KeptSecret) throws -> String {
        let new = folder.path + "/.root-new.key"
        // Left of a run that was broken off before it asked for anything.
        try? FileManager.default.removeItem(atPath: new)
        let root = try RootKeyFile.create(
            at: new, passphrase: try secret.read(.passphrase), random: SystemRandom())
        let name = file ?? "root-\(Hex.encode(root.keyCheckValue.prefix(4))).key"
        try FileManager.default.moveItem(atPath: new, toPath: folder.path + "/" + name)
        VaultFolder.sync(folder.path)
        return name
    }

    /// What a migration that was broken off left: the keyring under the new root key, the configuration with the old one.
    /// - Returns: whether that was so, and is mended.
    private func finish(
        _ new: RootKeySettings, _ text: String, in folder: VaultFolder, _ secret: KeptSecret
    ) async throws -> Bool {
        do { try await folder.openStore().close() } catch StoreError.locked {
            // A service that serves has the keyring open, under whichever root key.
            return false
        }
        let keyring = KeyringFile(folder.keyring)
        let root = try new.open(in: folder) { try secret.read($0) }
        guard try keyring.rootKeyCheckValue() == root.keyCheckValue else { return false }
        guard try folder.loadConfiguration().rootKey != new else {
            throw CommandFailure("the vault is under \(new.text) already; nothing was changed")
        }
        // An entry says that the keyring was changed, unless one does already.
        try await folder.open(instance: "cli") { KeyringStorage(file: keyring, root: root) }.close()
        do { try DurableFile(folder.configuration).write(Array(text.utf8), replacing: true) } catch {
            throw notRecorded(new)
        }
        tell(new, epoch: try keyring.statedEpoch())
        return true
    }

    private func tell(_ new: RootKeySettings, epoch: UInt64) {
        Terminal.message(
            "the keyring is under \(new.text), at epoch \(epoch), and contact-vault.yaml says so")
        Terminal.message(
            "from its next start the service needs that root key; copies of the keyring from before still open under the one of then"
        )
    }

    private func notRecorded(_ new: RootKeySettings) -> CommandFailure {
        CommandFailure(
            "the keyring is under the new root key, but contact-vault.yaml could not be written: write this into it:\n"
                + new.section)
    }

    /// The options of the second run.
    private func again(_ new: RootKeySettings) -> String {
        switch new {
        case .file(let name): "--to file --file \(name)"
        case .credential: "--to credential"
        case .pkcs11(let module, let token, let key):
            "--to pkcs11 --module \(module) --token '\(token)' --key '\(key)'"
        }
    }
}

/// The new root key's passphrase or PIN, read once: an open descriptor gives it no second time.
private final class KeptSecret {
    private let options: NewPassphraseOptions
    private var kept: SharedSecret?

    init(_ options: NewPassphraseOptions) { self.options = options }

    func share(_ secret: RootKeySecret) throws -> SharedSecret {
        let shared = try kept ?? SharedSecret(options.read(secret))
        kept = shared
        return shared
    }

    func read(_ secret: RootKeySecret) throws -> SecretBytes {
        let shared = try share(secret)
        return shared.bytes.copy(0..<shared.bytes.count)
    }
}

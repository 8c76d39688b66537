// The root key at the terminal: which one the vault has, and moving the keyring under another.

import ArgumentParser
import ContactVault
import EnvelopeEncryption
import FileStorage
import Foundation
import SQLiteStore
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
        abstract: "Seal the keyring under another root key, and write it into the configuration.",
        discussion: """
            The service has to be stopped. --to file makes a new file with a new root key, which is also how a passphrase is \
            changed. If it is broken off, run it again with the same options (without --make-key, if the key is there): either \
            nothing has happened, or what is left of it is done.

            Example: contact-vault keys root migrate --to pkcs11 --module /usr/lib/softhsm/libsofthsm2.so \
            --token contact-vault --key root --make-key --passphrase-file OLD --new-passphrase-file PIN
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var newPassphrase: NewPassphraseOptions
    @OptionGroup var token: TokenOptions

    @Option(
        help: "Where the new root key is: file, credential or pkcs11.",
        transform: RootKeySettings.Provider.named)
    var to: RootKeySettings.Provider

    func run() async throws {
        let folder = options.folder
        try folder.requireVault()
        do { try await SQLiteStore.open(path: folder.store).close() } catch StoreError.locked {
            throw CommandFailure(
                "a service or another command has this vault open: stop it first; nothing was changed")
        }
        let current = try folder.loadConfiguration().rootKey
        let keyring = KeyringFile(folder.keyring)
        let (epoch, checkValue) = (try keyring.statedEpoch(), try keyring.rootKeyCheckValue())
        let secret = KeptSecret(newPassphrase)

        // What a migration that was broken off left: the keyring under the new root key, the configuration with the old one.
        let left = try token.settings(to, file: "root-\(epoch).key")
        let found = try existing(left, in: folder, secret)
        if let found, found.keyCheckValue == checkValue {
            guard left != current else {
                throw CommandFailure("the vault is under \(current.text) already; nothing was changed")
            }
            let text = try folder.configuration(with: left)
            // An entry says that the keyring was changed, unless one does already.
            try await recordKeyring(KeyringStorage(file: keyring, root: found), in: folder)
            try write(text, left, of: folder)
            Terminal.message("the keyring was under \(left.text) already; the configuration now says so")
            return
        }

        let new = try token.settings(to, file: "root-\(epoch + 1).key")
        let text = try folder.configuration(with: new)
        let old = KeyringStorage(file: keyring, root: try folder.rootKey(current, passphrase))
        // The opened vault keeps others out, and has compared the keyring with the log: an old one does not become a new one.
        let vault = try await folder.open(instance: "cli") { old }
        let migrated: KeyringStorage
        do {
            migrated = try old.migrate(to: try found ?? make(new, in: folder, secret))
            try write(text, new, of: folder)
        } catch {
            try? await vault.close()
            throw error
        }
        try await vault.close()
        try await recordKeyring(migrated, in: folder)
        Terminal.message("the keyring is under \(new.text)")
        Terminal.message(
            "copies of the keyring from before still open under \(current.text): keep that as long as them")
    }

    /// The new root key, if it is there already.
    private func existing(
        _ settings: RootKeySettings, in folder: VaultFolder, _ secret: KeptSecret
    ) throws -> (any RootKey)? {
        switch settings {
        case .file(let name):
            guard FileManager.default.fileExists(atPath: folder.path + "/" + name) else { return nil }
            // The one in force has been made for this epoch, and says nothing of what comes next.
            if try folder.loadConfiguration().rootKey == settings { return nil }
            let root = try open(leftOver: name, in: folder, secret)
            return root.keyCheckValue == (try KeyringFile(folder.keyring).rootKeyCheckValue()) ? root : nil
        case .credential: return try settings.open(in: folder) { try secret.read($0) }
        case .pkcs11: return token.makeKey ? nil : try settings.open(in: folder) { try secret.read($0) }
        }
    }

    /// Makes the new root key, and opens it.
    private func make(
        _ settings: RootKeySettings, in folder: VaultFolder, _ secret: KeptSecret
    ) throws -> any RootKey {
        switch settings {
        case .file(let name):
            do {
                return try RootKeyFile.create(
                    at: folder.path + "/" + name, passphrase: secret.read(.passphrase), random: SystemRandom()
                )
            } catch RootKeyError.alreadyExists {
                return try open(leftOver: name, in: folder, secret)
            }
        case .credential: break
        case .pkcs11: try settings.makeKey(pin: try secret.read(.pin))
        }
        return try settings.open(in: folder) { try secret.read($0) }
    }

    /// Opens a file that a migration made and did not use.
    private func open(
        leftOver name: String, in folder: VaultFolder, _ secret: KeptSecret
    ) throws -> RootKeyFile {
        do {
            return try RootKeyFile.load(at: folder.path + "/" + name) { try secret.read(.passphrase) }
        } catch RootKeyError.wrongPassphrase {
            throw CommandFailure(
                "\(name) is left of a migration that was broken off, and this is not its passphrase: give that, or, if "
                    + "`keys list` works, move the file away; nothing was changed")
        }
    }

    private func write(_ text: String, _ settings: RootKeySettings, of folder: VaultFolder) throws {
        do { try DurableFile(folder.configuration).write(Array(text.utf8), replacing: true) } catch {
            throw CommandFailure(
                "the keyring is under the new root key, but contact-vault.yaml could not be written: run this again "
                    + "(without --make-key), or write this into it:\n" + settings.section)
        }
    }

    /// Opens the vault by the keyring as it is now, so that the log has its epoch.
    private func recordKeyring(_ storage: KeyringStorage, in folder: VaultFolder) async throws {
        try await folder.open(instance: "cli") { storage }.close()
    }
}

/// The new root key's passphrase or PIN, read once: an open descriptor gives it no second time.
private final class KeptSecret {
    private let options: NewPassphraseOptions
    private var kept: SharedSecret?

    init(_ options: NewPassphraseOptions) { self.options = options }

    func read(_ secret: RootKeySecret) throws -> SecretBytes {
        let shared = try kept ?? SharedSecret(options.read(secret))
        kept = shared
        return shared.bytes.copy(0..<shared.bytes.count)
    }
}

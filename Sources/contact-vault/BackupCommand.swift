// Backups at the terminal: made while the vault serves, checked before they are needed, and registered, so that no key is taken
// away that one needs.

import AccessLog
import ArgumentParser
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import SQLiteStore
import StrictEncoding
import VaultAPI

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Make, check and restore backups.",
        discussion: """
            A backup never holds the root key nor its passphrase: keep those apart, or it opens for whoever finds it.

            Example: contact-vault backup create /backups/2026-11-26
            """,
        subcommands: [
            BackupCreate.self, BackupVerify.self, BackupList.self, BackupForget.self,
            BackupRestoreCommand.self,
        ])
}

struct BackupCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Copy the vault into a new folder, while it serves too.",
        discussion: """
            Everything that was answered before is in it. It holds the store, the keyring as it is now, the configuration and the \
            log's public keys, and a signed manifest; not the root key and not the passphrase. If a service holds the vault, the \
            service writes the folder: it must be one that the service's user can write.

            Example: contact-vault backup create /backups/2026-11-26
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The folder; it must not be there yet.")
    var folder: String

    @Flag(help: "Leave the keyring out: for those who keep keyrings apart, and let old ones expire.")
    var withoutKeyring = false

    func run() async throws {
        let data = options.folder
        try data.requireVault()
        try data.requireEmbeddedStore()
        let files = FileManager.default
        let path = URL(fileURLWithPath: folder).standardizedFileURL.path
        let staging = path + ".unfinished"
        guard !files.fileExists(atPath: path) else {
            throw CommandFailure("\(path) is there already: name a new folder")
        }
        do {
            try files.createDirectory(
                atPath: staging, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw CommandFailure(
                "cannot make \(staging): its parent must be there, and what an earlier run left be removed")
        }
        let manifest: BackupManifest
        do {
            try Self.copy([data.configuration, data.logKey], into: staging)
            manifest = try await data.withSession(passphrase) { session in
                try await session.createBackup(in: staging, includesKeyring: !withoutKeyring)
            }
            try files.moveItem(atPath: staging, toPath: path)
        } catch {
            try? files.removeItem(atPath: staging)
            throw error
        }
        VaultFolder.sync((path as NSString).deletingLastPathComponent)
        Terminal.result(manifest.id.text)
        Terminal.message(
            "\(path): \(manifest.entries) entries of \(manifest.origin), needs "
                + Self.text(manifest.needs.map { ($0.name, $0.version) }))
        Terminal.message(
            manifest.files[BackupManifest.keyring] == nil
                ? "without keyring and root key: keep both, apart from it"
                : "without root key and passphrase: keep both, apart from it")
        Terminal.message("check it: contact-vault backup verify \(path)")
    }

    private static func copy(_ paths: [String], into folder: String) throws {
        for path in paths where FileManager.default.fileExists(atPath: path) {
            try VaultFolder.write(
                try VaultFolder.read(path), to: folder + "/" + (path as NSString).lastPathComponent)
        }
    }

    static func text(_ keys: [(name: String, version: UInt32)]) -> String {
        keys.isEmpty ? "no key" : keys.map { "\($0.name) \($0.version)" }.joined(separator: ", ")
    }
}

struct BackupVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check a backup: signature, files, store, log, and with the root key its keys and records.",
        discussion: """
            Offline. Give --key with a key of the log that you got elsewhere: the one in the folder is only as good as the \
            folder. Give --root-key (or --root-key-config), and --keyring for the keyring that is to open it, and what it needs is looked for there. Exit \
            code 1 and the first fault if something is not as it was signed.

            Example: contact-vault backup verify /backups/2026-11-26 --key log.vkey --root-key root.key --keyring var/keyring
            """)

    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The backup's folder.")
    var folder: String

    @Option(help: "File with the log's public keys, one a line; default log.vkey in the backup.")
    var key: String?

    @OptionGroup var root: BackupRootKeyOptions

    @Option(help: "The keyring that is to open it; default the one in the backup.")
    var keyring: String?

    @Flag(help: "Open every record's header, not a hundred.")
    var all = false

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        var opening: Keyring?
        if let root = try root.open(passphrase) {
            opening = try KeyringFile(keyring ?? folder + "/" + BackupManifest.keyring).load(root: root.key)
        } else if keyring != nil || all {
            throw ValidationError("give --root-key or --root-key-config as well: nothing opens without it")
        }
        let verified = try await Self.verify(folder, key: key, keyring: opening, all: all)
        let manifest = verified.manifest
        if json {
            var object = JSONObject([
                ("backup", .string(manifest.id.text)), ("made", .string(manifest.made.description)),
                ("entries", .integer(Int64(verified.log.size))),
                ("root", .string(Base64.encode(verified.log.root))), ("origin", .string(manifest.origin)),
            ])
            object["records"] = verified.records.map { .integer(Int64($0)) }
            return Terminal.result(JSONValue.object(object).canonicalText)
        }
        Terminal.result(
            "verified: \(manifest.id) of \(manifest.made), \(verified.log.size) entries of \(manifest.origin), root "
                + "\(Base64.encode(verified.log.root)), needs "
                + BackupCreate.text(manifest.needs.map { ($0.name, $0.version) }))
        if let records = verified.records {
            Terminal.result("the keyring has what it needs, and opens the \(records) records that were tried")
        } else {
            Terminal.message("keys and records were not looked at: that needs --root-key")
        }
    }

    static func verify(
        _ folder: String, key: String?, keyring: Keyring?, all: Bool
    ) async throws -> VerifiedBackup {
        try await BackupVerification.run(
            folder, by: try LogWitness.logKeys(key ?? folder + "/log.vkey"), keyring: keyring, opensAll: all,
            open: { path in
                let store = try SQLiteStore.openForReading(path: path)
                try await store.checkIntegrity()
                return store
            })
    }
}

struct BackupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List registered backups and the key versions that they need.",
        discussion: "Example: contact-vault backup list")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Forgotten ones too.")
    var all = false

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let backups = try await options.folder.withSession(passphrase) { try await $0.backups() }
            .filter { all || $0.forgotten == nil }
        if json { return try backups.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable(["backup", "made", "entries", "keyring", "needs", "forgotten"])
        for backup in backups {
            table.add([
                backup.backup, backup.made, String(backup.entries), backup.keyring ? "yes" : "no",
                backup.keys.map { BackupCreate.text($0.map { ($0.name, $0.version) }) }
                    ?? "every key: not finished", backup.forgotten ?? "",
            ])
        }
        table.print()
        Terminal.message("\(backups.count) backups")
    }
}

struct BackupForget: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Take a backup off the register: the copy was destroyed, or has expired.",
        discussion: """
            No key is kept for it any more. It does not touch the copy. With --needing-kek, every backup that needs that version of the \
            key-encryption key, or may: after a compromise such a copy is worth nothing but to a thief.

            Example: contact-vault backup forget bk_…
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The backup, bk_….")
    var backup: String?

    @Option(help: "All that need this version of the key-encryption key, in the place of one.")
    var needingKek: UInt32?

    func validate() throws {
        guard (backup == nil) != (needingKek == nil) else {
            throw ValidationError("name a backup, or give --needing-kek")
        }
    }

    func run() async throws {
        let forgotten = try await options.folder.withSession(passphrase) { session -> [BackupBody] in
            if let backup {
                guard let id = Reference(backup) else {
                    throw ValidationError("a backup's name begins with bk_")
                }
                return try await session.forgetBackups([id.text])
            }
            let needing = try await session.backups(needingKEK: { $0 == needingKek })
            return needing.isEmpty ? [] : try await session.forgetBackups(needing.map(\.backup))
        }
        for backup in forgotten {
            Terminal.message("forgotten: \(backup.backup); the copy itself was not touched")
        }
        if forgotten.isEmpty { Terminal.message("no registered backup needs it") }
    }
}

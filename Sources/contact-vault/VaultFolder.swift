// The vault's folder: which files it has and how a vault is opened from it.

import AccessLog
import AccessToken
import ArgumentParser
import ContactModel
import ContactVault
import EnvelopeEncryption
import FileStorage
import Foundation
import PostgresStore
import PurposePolicy
import SQLiteStore
import VaultCrypto
import VaultService

/// `--data`, in every command that concerns a vault.
struct DataOptions: ParsableArguments {
    @Option(help: "The vault's folder (environment: CONTACT_VAULT_DATA).")
    var data: String = ProcessInfo.processInfo.environment["CONTACT_VAULT_DATA"] ?? "./var"

    var folder: VaultFolder { VaultFolder(path: data) }
}

/// The files of a vault.
struct VaultFolder: Sendable {
    let path: String

    var configuration: String { path + "/contact-vault.yaml" }
    var policy: String { path + "/policy.yaml" }
    var holidays: String { path + "/holidays" }
    var keyring: String { path + "/keyring" }
    var store: String { path + "/vault.sqlite" }
    /// Public keys of the log, one a line, the active one first.
    var logKey: String { path + "/log.vkey" }
    /// What the log's signer signed last, unless the configuration names another place.
    var signerMemory: String { path + "/signer.checkpoint" }
    var operatorSocket: String { path + "/operator.sock" }

    /// Whether a vault is here. One whose rows are elsewhere has its keyring here.
    var exists: Bool {
        let files = FileManager.default
        if files.fileExists(atPath: store) { return true }
        guard files.fileExists(atPath: keyring), let settings = try? loadConfiguration().store else {
            return false
        }
        return settings != .embedded
    }

    /// Opens the store, alone among all processes.
    /// - Parameter create: whether a file that is not there is made.
    /// - Throws: ``StoreError/locked`` when another process holds it.
    func openStore(create: Bool = false) async throws -> any VaultStore {
        switch try loadConfiguration().store {
        case .embedded: try SQLiteStore.open(path: store, create: create)
        case .postgres(let conninfo): try await PostgresStore.open(conninfo: conninfo)
        }
    }

    /// Opens the store for reading beside the process that holds it.
    func openStoreForReading() async throws -> any VaultStore {
        switch try loadConfiguration().store {
        case .embedded: try SQLiteStore.openForReading(path: store)
        case .postgres(let conninfo): try await PostgresStore.openForReading(conninfo: conninfo)
        }
    }

    /// For what copies or replaces the store's file.
    func requireEmbeddedStore() throws {
        guard case .postgres = try loadConfiguration().store else { return }
        throw CommandFailure(
            "the rows of this vault are in PostgreSQL: copy them by its own tools, and keyring, contact-vault.yaml and log.vkey with "
                + "them; see docs/postgresql.md")
    }

    func requireVault() throws {
        guard exists else { throw StoreError.missing }
        // The operator's socket and every file rely on the folder's mode.
        let attributes = try FileManager.default.attributesOfItem(
            atPath: (path as NSString).resolvingSymlinksInPath)
        guard let mode = attributes[.posixPermissions] as? Int, mode & 0o077 == 0 else {
            throw CommandFailure("\(path) can be entered by others: chmod 700 it; nothing was opened")
        }
    }

    /// Says so if the policy file beside the vault is not the policy in force: editing it changes nothing.
    func warnOfPolicyFile(inForce version: String) {
        guard FileManager.default.fileExists(atPath: policy) else { return }
        guard (try? PolicyFiles(policy).parse())?.version != version else { return }
        Terminal.message(
            "warning: policy.yaml is not the policy in force (\(version)): `contact-vault policy apply` hands it in"
        )
    }

    /// Where the keyring is, with the root key that the configuration names; asks for a passphrase or PIN only if it has one.
    func keyringStorage(_ passphrase: PassphraseOptions) throws -> KeyringStorage {
        KeyringStorage(
            file: KeyringFile(keyring), root: try rootKey(try loadConfiguration().rootKey, passphrase))
    }

    /// Opens the vault in this process. Its store is locked until it is closed.
    func open(
        _ passphrase: PassphraseOptions, instance: String, trustedIssuers: [TrustedIssuer] = [],
        witnessing: Witnessing? = nil
    ) async throws -> Vault {
        try await open(instance: instance, trustedIssuers: trustedIssuers, witnessing: witnessing) {
            try keyringStorage(passphrase)
        }
    }

    /// Opens the vault by a keyring that is opened after the store is locked: a vault that is served elsewhere is no reason to
    /// ask for a passphrase.
    func open(
        instance: String, trustedIssuers: [TrustedIssuer] = [], witnessing: Witnessing? = nil,
        storage: () throws -> KeyringStorage
    ) async throws -> Vault {
        try requireVault()
        let memory = CheckpointMemory(path: try loadConfiguration().signerMemory ?? signerMemory)
        let store = try await openStore()
        let storage = try storage()
        guard let instance = Reference(instance) else {
            throw CommandFailure("the instance name is not acceptable")
        }
        let vault = try await Vault.open(
            store: store, keyring: try storage.load(), storage: storage, memory: memory,
            witnessing: witnessing, instance: instance, trustedIssuers: trustedIssuers)
        try writeLogKeys(vault.logVerifierKeys)
        return vault
    }

    /// Writes the public keys of the log, if they are others than before. One that no longer signs stays: what it signed is there.
    func writeLogKeys(_ keys: [String]) throws {
        let known = (try? logKeys()) ?? []
        let text = (keys + known.filter { !keys.contains($0) }).map { $0 + "\n" }.joined()
        guard text != known.map({ $0 + "\n" }).joined() else { return }
        try DurableFile(logKey).write(Array(text.utf8), replacing: true)
    }

    /// Public keys of the log as the folder has them.
    func logKeys() throws -> [String] {
        try Self.read(logKey).split(separator: "\n").map { String($0) }
    }

    /// The configuration; a missing file means the defaults.
    func loadConfiguration() throws -> ServiceConfiguration {
        guard FileManager.default.fileExists(atPath: configuration) else { return ServiceConfiguration() }
        return try ServiceConfiguration(
            text: Self.read(configuration), file: (configuration as NSString).lastPathComponent)
    }

    /// The text of the configuration with another root key.
    func configuration(with settings: RootKeySettings) throws -> String {
        let text = FileManager.default.fileExists(atPath: configuration) ? try Self.read(configuration) : ""
        guard let replaced = settings.replacingSection(in: text, file: "contact-vault.yaml") else {
            throw CommandFailure(
                "root_key in contact-vault.yaml is not of the form that can be replaced: write it as indented lines; "
                    + "nothing was changed")
        }
        return replaced
    }

    /// Puts a folder's new names on the disk.
    static func sync(_ path: String) { syncFolder(path) }

    /// A text file.
    static func read(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("cannot read \(path)")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw CommandFailure("\(path) is not UTF-8 text")
        }
        return text
    }

    /// Writes a new file for its owner alone.
    static func write(_ text: String, to path: String) throws {
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw CommandFailure("cannot write \(path)") }
    }
}

private func syncFolder(_ path: String) {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}

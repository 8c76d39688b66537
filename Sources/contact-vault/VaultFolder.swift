// The vault's folder: which files it has and how a vault is opened from it.

import AccessLog
import AccessToken
import ArgumentParser
import ContactModel
import ContactVault
import EnvelopeEncryption
import FileStorage
import Foundation
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

/// Where the passphrase of a sealed root key comes from: never the command line, never the environment.
struct PassphraseOptions: ParsableArguments {
    @Option(help: "Read the root key's passphrase from this file; a final newline is dropped.")
    var passphraseFile: String?

    @Option(help: "Read the root key's passphrase from this open file descriptor.")
    var passphraseFd: Int32?

    /// Name of the systemd credential that is used when no option is given.
    static let credential = "contact-vault-passphrase"

    func validate() throws {
        if passphraseFile != nil, passphraseFd != nil {
            throw ValidationError("give --passphrase-file or --passphrase-fd, not both")
        }
    }

    /// Reads it.
    func read() throws -> SecretBytes {
        var bytes: Data?
        if let descriptor = passphraseFd {
            bytes = try? FileHandle(fileDescriptor: descriptor).read(upToCount: Self.limit)
        } else if let path = passphraseFile {
            bytes = try? Self.handle(path).read(upToCount: Self.limit)
        } else if let folder = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] {
            bytes = try? Self.handle(folder + "/" + Self.credential).read(upToCount: Self.limit)
        } else {
            throw CommandFailure(
                "the root key is sealed: give --passphrase-file, --passphrase-fd or the systemd credential "
                    + Self.credential)
        }
        guard var passphrase = bytes.take(), passphrase.count < Self.limit else {
            throw CommandFailure("the passphrase cannot be read, or is longer than 1,023 bytes")
        }
        if passphrase.last == 0x0A { passphrase.removeLast() }
        if passphrase.last == 0x0D { passphrase.removeLast() }
        guard !passphrase.isEmpty else { throw CommandFailure("the passphrase is empty") }
        defer { passphrase.resetBytes(in: 0..<passphrase.count) }
        return SecretBytes(copying: passphrase)
    }

    private static let limit = 1024

    private static func handle(_ path: String) throws -> FileHandle {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandFailure("the passphrase file cannot be read")
        }
        return handle
    }
}

/// The files of a vault.
struct VaultFolder: Sendable {
    let path: String

    var configuration: String { path + "/contact-vault.yaml" }
    var policy: String { path + "/policy.yaml" }
    var holidays: String { path + "/holidays" }
    var rootKey: String { path + "/root.key" }
    var keyring: String { path + "/keyring" }
    var store: String { path + "/vault.sqlite" }
    /// Public keys of the log, one a line, the active one first.
    var logKey: String { path + "/log.vkey" }
    /// What the log's signer signed last, unless the configuration names another place.
    var signerMemory: String { path + "/signer.checkpoint" }
    var operatorSocket: String { path + "/operator.sock" }

    /// Whether a vault is here.
    var exists: Bool { FileManager.default.fileExists(atPath: store) }

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

    /// Where the keyring is, with its root key; asks for a passphrase only if the root key is sealed.
    func keyringStorage(_ passphrase: PassphraseOptions) throws -> KeyringStorage {
        let root = try RootKeyFile.load(at: rootKey) { try passphrase.read() }
        if !root.isSealed {
            Terminal.message(
                "warning: the root key of this vault is not sealed (development): whoever reads its folder reads it all"
            )
        }
        return KeyringStorage(file: KeyringFile(keyring), root: root)
    }

    /// Opens the vault in this process. Its store is locked until it is closed.
    func open(
        _ passphrase: PassphraseOptions, instance: String, trustedIssuers: [TrustedIssuer] = [],
        witnessing: Witnessing? = nil
    ) async throws -> Vault {
        try requireVault()
        let memory = CheckpointMemory(path: try loadConfiguration().signerMemory ?? signerMemory)
        // The lock first: a vault that is served elsewhere is no reason to ask for a passphrase.
        let store = try SQLiteStore.open(path: store)
        let storage = try keyringStorage(passphrase)
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

// The root key that opens a backup. No backup has it, and a backup that is not checked yet does not say where it is: its
// configuration could name a module that is then loaded.

import ArgumentParser
import EnvelopeEncryption
import FileStorage
import Foundation
import VaultService

/// Where the root key of a backup is.
struct BackupRootKeyOptions: ParsableArguments {
    @Option(help: "The vault's root key file.")
    var rootKey: String?

    @Option(
        help:
            "A contact-vault.yaml of the vault's, not of the backup's: it says on which token or in which credential the root key is."
    )
    var rootKeyConfig: String?

    func validate() throws {
        if rootKey != nil, rootKeyConfig != nil {
            throw ValidationError("give --root-key or --root-key-config, not both")
        }
    }

    /// Opens it; `nil` if neither option is given.
    func open(_ passphrase: PassphraseOptions) throws -> BackupRootKey? {
        if let rootKey { return try BackupRootKey(file: rootKey, passphrase) }
        guard let rootKeyConfig else { return nil }
        guard FileManager.default.fileExists(atPath: rootKeyConfig) else {
            throw CommandFailure("cannot read \(rootKeyConfig)")
        }
        let settings = try ServiceConfiguration(
            text: VaultFolder.read(rootKeyConfig), file: (rootKeyConfig as NSString).lastPathComponent
        ).rootKey
        let folder = (URL(fileURLWithPath: rootKeyConfig).path as NSString).deletingLastPathComponent
        return try BackupRootKey(settings, in: VaultFolder(path: folder), passphrase)
    }
}

/// An opened root key, and what the restored vault needs of it.
struct BackupRootKey {
    let key: any RootKey
    /// What the configuration says of one that is in no file.
    private let settings: RootKeySettings?
    /// The bytes of one that is.
    private let file: [UInt8]

    init(file path: String, _ passphrase: PassphraseOptions) throws {
        do { file = try DurableFile(path).read(limit: 64 * 1024, isPrivate: true) } catch {
            throw CommandFailure(
                "the root key file \(path) cannot be read, or others than its owner may read it")
        }
        key = try RootKeyFile.load(at: path) { try passphrase.read(.passphrase) }
        settings = nil
    }

    /// The root key that the configuration of a folder names.
    init(_ settings: RootKeySettings, in folder: VaultFolder, _ passphrase: PassphraseOptions) throws {
        if case .file(let name) = settings {
            self = try BackupRootKey(file: folder.path + "/" + name, passphrase)
        } else {
            (key, self.settings, file) = (try folder.rootKey(settings, passphrase), settings, [])
        }
    }

    /// Puts the file into a new vault's folder, and the section into its configuration.
    func place(in folder: VaultFolder) throws {
        let named = try folder.loadConfiguration().rootKey
        let wanted: RootKeySettings
        if let settings {
            wanted = settings
        } else if case .file = named {
            wanted = named
        } else {
            wanted = .standard
        }
        if case .file(let name) = wanted {
            try DurableFile(folder.path + "/" + name).write(file, replacing: false)
        }
        guard wanted != named else { return }
        try DurableFile(folder.configuration).write(
            Array(try folder.configuration(with: wanted).utf8), replacing: true)
    }
}

// The root key at the terminal: where its passphrase or PIN comes from, and which provider opens it.

import ArgumentParser
import ContactVault
import EnvelopeEncryption
import FileStorage
import Foundation
import HardwareRootKey
import VaultCrypto
import VaultService

/// Where a passphrase or a PIN comes from: never the command line, never the environment.
struct PassphraseOptions: ParsableArguments {
    @Option(
        help:
            "Read the root key's passphrase, or its token's PIN, from this file; a final newline is dropped.")
    var passphraseFile: String?

    @Option(help: "Read the root key's passphrase, or its token's PIN, from this open file descriptor.")
    var passphraseFd: Int32?

    func validate() throws {
        if passphraseFile != nil, passphraseFd != nil {
            throw ValidationError("give --passphrase-file or --passphrase-fd, not both")
        }
    }

    /// Reads it.
    func read(_ secret: RootKeySecret) throws -> SecretBytes {
        try secret.read(
            file: passphraseFile, descriptor: passphraseFd,
            options: "--passphrase-file, --passphrase-fd")
    }
}

/// Where the passphrase or the PIN of a new root key comes from.
struct NewPassphraseOptions: ParsableArguments {
    @Option(help: "Read the new root key's passphrase, or its token's PIN, from this file.")
    var newPassphraseFile: String?

    @Option(help: "Read the new root key's passphrase, or its token's PIN, from this open file descriptor.")
    var newPassphraseFd: Int32?

    func validate() throws {
        if newPassphraseFile != nil, newPassphraseFd != nil {
            throw ValidationError("give --new-passphrase-file or --new-passphrase-fd, not both")
        }
    }

    /// Reads it.
    func read(_ secret: RootKeySecret) throws -> SecretBytes {
        if secret == .passphrase, newPassphraseFile == nil, newPassphraseFd == nil {
            // The credential is the passphrase of the root key that is left.
            throw CommandFailure(
                "give the passphrase of the new file by --new-passphrase-file or --new-passphrase-fd")
        }
        return try secret.read(
            file: newPassphraseFile, descriptor: newPassphraseFd,
            options: "--new-passphrase-file, --new-passphrase-fd")
    }
}

/// What opens a root key besides itself.
enum RootKeySecret {
    case passphrase
    case pin

    /// Name of the systemd credential that is used when no option is given.
    private var credential: String {
        switch self {
        case .passphrase: "contact-vault-passphrase"
        case .pin: "contact-vault-hsm-pin"
        }
    }

    private var name: String {
        switch self {
        case .passphrase: "passphrase"
        case .pin: "PIN"
        }
    }

    private static let limit = 1024

    func read(file: String?, descriptor: Int32?, options: String) throws -> SecretBytes {
        var bytes: Data?
        if let descriptor {
            bytes = try? FileHandle(fileDescriptor: descriptor).read(upToCount: Self.limit)
        } else if let file {
            bytes = try? handle(file).read(upToCount: Self.limit)
        } else if let folder = RootKeyCredential.systemFolder {
            bytes = try? handle(folder + "/" + credential).read(upToCount: Self.limit)
        } else {
            let needs =
                self == .pin ? "the root key is on a token, which asks for its PIN" : "the root key is sealed"
            throw CommandFailure("\(needs): give \(options) or the systemd credential \(credential)")
        }
        guard var secret = bytes.take(), secret.count < Self.limit else {
            throw CommandFailure("the \(name) cannot be read, or is longer than 1,023 bytes")
        }
        if secret.last == 0x0A { secret.removeLast() }
        if secret.last == 0x0D { secret.removeLast() }
        guard !secret.isEmpty else { throw CommandFailure("the \(name) is empty") }
        defer { secret.resetBytes(in: 0..<secret.count) }
        return SecretBytes(copying: secret)
    }

    private func handle(_ path: String) throws -> FileHandle {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandFailure("the \(name) file cannot be read")
        }
        return handle
    }
}

/// Where a root key is on a token.
struct TokenOptions: ParsableArguments {
    @Option(help: "PKCS#11 module of the token: the absolute path of its shared library.")
    var module: String?

    @Option(help: "The token's label.")
    var token: String?

    @Option(help: "The label of the key on the token.")
    var key: String?

    @Flag(help: "Make the key on the token: AES, 256 bits, never to leave it.")
    var makeKey = false

    /// The settings of a provider that these options complete.
    func settings(_ provider: RootKeyProvider, file: String) throws -> RootKeySettings {
        let settings: RootKeySettings
        switch provider {
        case .file: settings = .file(name: file)
        case .credential: settings = .credential
        case .pkcs11:
            guard let module, let token, let key else {
                throw ValidationError("pkcs11 needs --module, --token and --key")
            }
            settings = .pkcs11(module: module, token: token, key: key)
        }
        if provider != .pkcs11, module != nil || token != nil || key != nil || makeKey {
            throw ValidationError("--module, --token, --key and --make-key are for pkcs11")
        }
        guard settings.isAcceptable else {
            throw ValidationError(
                "--module is an absolute path; labels have no quotes or backslashes, --token at most 32 bytes, --key 64"
            )
        }
        return settings
    }
}

extension RootKeyProvider {
    /// Reads the option.
    static func named(_ name: String) throws -> RootKeyProvider {
        guard let provider = RootKeyProvider(rawValue: name) else {
            throw ValidationError("use file, credential or pkcs11")
        }
        return provider
    }
}

extension RootKeySettings {
    /// What `keys root show` says.
    var text: String {
        switch self {
        case .file(let name): "file \(name)"
        case .credential: "systemd credential \(RootKeyCredential.name)"
        case .pkcs11(let module, let token, let key): "key \(key) on token \(token) by \(module)"
        }
    }

    /// Opens a root key of `folder`. None takes the place of another.
    /// - Parameter secret: called once, and only if the provider has a passphrase or PIN.
    func open(
        in folder: VaultFolder, secret: (RootKeySecret) throws -> SecretBytes
    ) throws -> any RootKey {
        switch self {
        case .file(let name):
            let root = try RootKeyFile.load(at: folder.path + "/" + name) { try secret(.passphrase) }
            if !root.isSealed {
                Terminal.message(
                    "warning: the root key of this vault is not sealed (development): whoever reads its folder reads it all"
                )
            }
            return root
        case .credential:
            guard let credentials = RootKeyCredential.systemFolder else {
                throw RootKeyError.credentialMissing
            }
            return try RootKeyCredential(folder: credentials)
        case .pkcs11(let module, let token, let key):
            return try CryptokiRootKey(
                at: CryptokiRootKey.Location(module: module, token: token, key: key), pin: secret(.pin))
        }
    }

    /// Makes the key of a token, if this is one.
    func makeKey(pin: borrowing SecretBytes) throws {
        guard case .pkcs11(let module, let token, let key) = self else { return }
        try CryptokiRootKey.makeKey(
            at: CryptokiRootKey.Location(module: module, token: token, key: key), pin: pin)
    }
}

extension RootKeyCredential {
    /// The folder of the credentials that systemd gave this process.
    static var systemFolder: String? { ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] }
}

extension VaultFolder {
    /// How a running vault opens another root key of this folder, and says so in its configuration.
    var custody: RootKeyCustody {
        RootKeyCustody(
            open: { settings, secret in
                try settings.open(in: self) { _ in
                    guard let secret else { throw RootKeyError.passphraseEmpty }
                    return secret.bytes.copy(0..<secret.bytes.count)
                }
            },
            record: { settings in
                try DurableFile(configuration).write(
                    Array(try configuration(with: settings).utf8), replacing: true)
            })
    }

    /// Opens the root key that the settings name.
    func rootKey(_ settings: RootKeySettings, _ passphrase: PassphraseOptions) throws -> any RootKey {
        try settings.open(in: self) { try passphrase.read($0) }
    }
}

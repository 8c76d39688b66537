// Makes a vault. Everything is made beside the folder and moved there at the end: a failure leaves no half a vault.

import AccessLog
import ArgumentParser
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import PurposePolicy
import SQLiteStore
import VaultCrypto
import VaultService

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a vault.",
        discussion: """
            Writes root key, keyring, policy, configuration and an empty store into the folder, which must not hold a \
            vault. With --development the root key is not sealed by a passphrase and the demonstration policy is used.
            The root key may also be a systemd credential or on a PKCS#11 token (--root-key), whose PIN comes where the \
            passphrase would.

            Example: contact-vault init --issuer https://vault.example --passphrase-file /run/secrets/passphrase
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(
        help:
            "Make an unsealed root key and use the demonstration policy. For trying things, with invented people."
    )
    var development = false

    @Option(help: "Origin under which clients reach the vault; tokens and proofs name it.")
    var issuer = "http://127.0.0.1:8470"

    @Option(help: "Suite of the records: aes256_gcm, or sm4_hmac_sm3 for deployments under ShangMi rules.")
    var suite = EnvelopeSuite.aes256GCM.name

    @Option(help: "Policy file to use instead of the starter catalogue.")
    var policy: String?

    @Option(
        help: "Where the root key is: file, credential or pkcs11.",
        transform: RootKeyProvider.named)
    var rootKey: RootKeyProvider = .file

    @OptionGroup var token: TokenOptions

    @Option(
        help:
            "Keep the rows in this PostgreSQL database (a connection string of libpq, without a password) and not in the folder."
    )
    var postgres: String?

    func run() async throws {
        if issuer.hasPrefix("http://") {
            let host = issuer.dropFirst(7).split(separator: ":", maxSplits: 1).first.map(String.init) ?? ""
            guard ServiceConfiguration.Listener(host: host, port: 0).isLoopback else {
                throw CommandFailure(
                    "the issuer must be https unless it is on loopback: clients would send tokens in clear")
            }
        }
        let settings = try token.settings(rootKey, file: "root.key")
        guard !development || rootKey == .file else {
            throw ValidationError("--development makes an unsealed root key file: leave --root-key out")
        }
        let store = try chosenStore()
        let folder = options.folder
        let manager = FileManager.default
        // An existing folder is used as it is, a mount point or a link included, if it is empty.
        let existed = manager.fileExists(atPath: folder.path)
        if existed {
            guard try manager.contentsOfDirectory(atPath: folder.path).isEmpty else {
                throw CommandFailure("\(folder.path) is not empty: name another folder; nothing was changed")
            }
            try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path)
        } else {
            try manager.createDirectory(
                atPath: folder.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700]
            )
        }
        guard try Self.isOurs(folder.path) else {
            throw CommandFailure(
                "\(folder.path) belongs to another user: make the vault in a folder of your own")
        }
        // Made in a folder of its own inside and moved up at the end, the store last: without it there is no vault. A
        // failure takes away what this command made, and nothing else.
        let staging = VaultFolder(path: folder.path + "/.new")
        try manager.createDirectory(
            atPath: staging.path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        var moved: [String] = []
        do {
            try await make(in: staging, settings, store)
            let names = try manager.contentsOfDirectory(atPath: staging.path)
            for name in names.filter({ !$0.hasPrefix("vault.sqlite") })
                + names.filter({ $0.hasPrefix("vault.sqlite") })
            {
                try manager.moveItem(atPath: staging.path + "/" + name, toPath: folder.path + "/" + name)
                moved.append(folder.path + "/" + name)
            }
        } catch {
            for path in moved + [staging.path] { try? manager.removeItem(atPath: path) }
            if !existed { try? manager.removeItem(atPath: folder.path) }
            throw error
        }
        try? manager.removeItem(atPath: staging.path)
        VaultFolder.sync(folder.path)
        Terminal.message("made a vault in \(folder.path) for \(issuer)")
        if development {
            Terminal.message(
                """
                warning: DEVELOPMENT VAULT. Its root key is not sealed: whoever reads the folder reads every number. \
                Use it with invented people only.
                """)
        }
        Terminal.result(try VaultFolder.read(folder.logKey).trimmingCharacters(in: .newlines))
    }

    private static func isOurs(_ path: String) throws -> Bool {
        let attributes = try FileManager.default.attributesOfItem(
            atPath: (path as NSString).resolvingSymlinksInPath)
        return attributes[.ownerAccountID] as? Int == Int(geteuid())
    }

    /// The policy to begin with.
    private func files() throws -> PolicyFiles {
        if let policy { return try PolicyFiles(policy) }
        return development
            ? PolicyFiles(PolicyProposal(text: StarterPolicy.demonstrationPolicy, calendars: [:]))
            : PolicyFiles(
                PolicyProposal(text: StarterPolicy.starterCatalogue, calendars: StarterPolicy.calendars))
    }

    private func chosenStore() throws -> StoreSettings {
        guard let postgres else { return .embedded }
        guard let settings = StoreSettings(postgres: postgres) else {
            throw ValidationError(
                "--postgres is a connection string without a password: give that by passfile= or a service file"
            )
        }
        return settings
    }

    private func chosenSuite() throws -> EnvelopeSuite {
        guard let suite = EnvelopeSuite(name: suite) else {
            throw ValidationError("--suite: aes256_gcm or sm4_hmac_sm3")
        }
        return suite
    }

    private func make(
        in folder: VaultFolder, _ settings: RootKeySettings, _ place: StoreSettings
    ) async throws {
        let random = SystemRandom()
        let policy = try files()
        _ = try policy.parse()

        let root = try makeRootKey(settings, in: folder)
        guard let tenant = TenantID(bytes: try random.bytes(16)), let instance = Reference("init") else {
            throw CommandFailure("no random bytes")
        }
        let keyring = try Keyring.make(
            tenant: tenant, random: random, now: SQLiteStore.systemClock(), suite: try chosenSuite())
        try KeyringFile(folder.keyring).store(keyring, root: root, random: random)
        try VaultFolder.write(policy.proposal.text, to: folder.policy)
        if !policy.proposal.calendars.isEmpty {
            try FileManager.default.createDirectory(
                atPath: folder.holidays, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        }
        for (name, text) in policy.proposal.calendars {
            try VaultFolder.write(text, to: folder.holidays + "/" + name + ".yaml")
        }
        guard
            let configuration = settings == .standard
                ? ServiceConfiguration.template
                : settings.replacingSection(in: ServiceConfiguration.template, file: "contact-vault.yaml")
        else { throw CommandFailure("the root key cannot be written into a configuration") }
        try VaultFolder.write(
            place == .embedded ? configuration : configuration + "\n" + place.section,
            to: folder.configuration)

        let store = try await folder.openStore(create: true)
        try await Vault.create(
            in: store, keyring: keyring, issuer: issuer, policy: policy.proposal.text, file: policy.name,
            calendars: policy.proposal.calendars, instance: instance)
        let vault = try await Vault.open(
            store: store, keyring: keyring, memory: CheckpointMemory(path: folder.signerMemory),
            instance: instance)
        try folder.writeLogKeys(vault.logVerifierKeys)
        try await vault.close()
    }

    private func makeRootKey(_ settings: RootKeySettings, in folder: VaultFolder) throws -> any RootKey {
        switch settings {
        case .file(let name):
            let path = folder.path + "/" + name
            return development
                ? try RootKeyFile.createUnsealed(at: path, random: SystemRandom())
                : try RootKeyFile.create(
                    at: path, passphrase: passphrase.read(.passphrase), random: SystemRandom())
        case .credential: return try settings.open(in: folder) { try passphrase.read($0) }
        case .pkcs11:
            let pin = try passphrase.read(.pin)
            if token.makeKey { try settings.makeKey(pin: pin) }
            return try settings.open(in: folder) { _ in pin.copy(0..<pin.count) }
        }
    }
}

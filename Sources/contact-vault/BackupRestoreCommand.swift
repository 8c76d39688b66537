// Putting a backup back: made whole in a folder beside, checked there, and only then exchanged for what was there, which is kept.

import AccessLog
import ArgumentParser
import ContactModel
import ContactVault
import EnvelopeEncryption
import FileStorage
import Foundation
import SQLiteStore
import StrictEncoding
import VaultService

struct BackupRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a vault from a backup, in a new folder or in the place of a stopped one.",
        discussion: """
            What is replaced is kept beside it. If the log is known to have been further than the backup, or nobody knows, nothing \
            is done without --go-back. With it the log goes on under another name, every token that is out ends, and what was taken \
            away since (erasures, stops, withdrawals, suspensions) is taken away again, as far as the replaced store can be read.

            Example: contact-vault backup restore /backups/2026-11-26 --data ./var --replace --go-back
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The backup's folder.")
    var folder: String

    @Flag(help: "Put it in the place of the vault that is in the folder; that one is kept beside it.")
    var replace = false

    @Flag(
        help:
            "Accept that entries of the log are missing, and with them what they did; the log goes on under a new name."
    )
    var goBack = false

    @OptionGroup var root: BackupRootKeyOptions

    @Option(help: "The keyring; default the newer of the replaced vault's and the backup's.")
    var keyring: String?

    @Option(help: "File with public keys of the log that are no longer in the keyring.")
    var key: String?

    @Option(help: "File with a signed checkpoint that was kept elsewhere: how far the log was at least.")
    var checkpoint: String?

    func run() async throws {
        let path = URL(fileURLWithPath: options.data).standardizedFileURL.path
        let backup = URL(fileURLWithPath: folder).standardizedFileURL.path
        guard !backup.hasPrefix(path + "/"), backup != path else {
            throw CommandFailure("the backup lies in the folder that is to be replaced: move it out first")
        }
        let target = VaultFolder(path: path)
        let isReplacing = !Self.isEmpty(path)
        guard !isReplacing || replace else {
            throw CommandFailure(
                "\(path) is not empty: name a new folder, or give --replace; what is there is kept beside it")
        }
        if isReplacing, target.exists { try target.requireEmbeddedStore() }
        // Held to the end: no service may open what is being exchanged, nor write to it meanwhile.
        let unlock = target.exists ? try SQLiteStore.lock(path: target.store) : {}
        defer { unlock() }

        let staging = VaultFolder(path: path + ".restoring")
        do {
            try FileManager.default.createDirectory(
                atPath: staging.path, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw CommandFailure(
                "cannot make \(staging.path): its parent must be there, and what an earlier run left be removed"
            )
        }
        do {
            let restore = VaultRestore(
                backup: backup, staging: staging, replaced: isReplacing ? target : nil, goesBack: goBack)
            guard
                let root = try root.open(passphrase)
                    ?? (isReplacing
                        ? BackupRootKey(try target.loadConfiguration().rootKey, in: target, passphrase) : nil)
            else {
                throw CommandFailure(
                    "give --root-key or --root-key-config: a backup has no root key, and nothing opens without it"
                )
            }
            let kept = try checkpoint.map { Array(try VaultFolder.read($0).utf8) }
            let outcome = try await restore.make(
                root: root, keyring: keyring, keys: key.map { try LogWitness.logKeys($0) } ?? [],
                checkpoint: kept)
            try Self.exchange(staging.path, path, isReplacing: isReplacing, outcome.log.index)
            try restore.placeSignerMemory(in: target)
            outcome.tell(target, goesBack: goBack)
        } catch {
            try? FileManager.default.removeItem(atPath: staging.path)
            throw error
        }
    }

    private static func isEmpty(_ path: String) -> Bool {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).isEmpty
    }

    /// Puts the new folder in the place of the old one, which keeps a name of its own beside it.
    private static func exchange(
        _ staging: String, _ path: String, isReplacing: Bool, _ index: UInt64
    ) throws {
        let before = path + ".replaced-\(Int(Date().timeIntervalSince1970))"
        if isReplacing {
            guard unsafe rename(path, before) == 0 else {
                throw CommandFailure("\(path) cannot be renamed (a mount point?): nothing was changed")
            }
            Terminal.message("kept what was there as \(before)")
        }
        guard unsafe rename(staging, path) == 0 else {
            if isReplacing { _ = unsafe rename(before, path) }
            throw CommandFailure("\(path) cannot be put in place (a mount point?): nothing was changed")
        }
        VaultFolder.sync((path as NSString).deletingLastPathComponent)
    }
}

/// The making of a vault from a backup, in a folder that is no vault yet.
struct VaultRestore {
    let backup: String
    let staging: VaultFolder
    /// The vault that will be replaced; `nil` if there is none.
    let replaced: VaultFolder?
    let goesBack: Bool

    /// What became of it.
    struct Outcome {
        let manifest: BackupManifest
        let standing: BackupStanding
        let log: RestoredLog
        /// What was taken away again; `nil` if the replaced store could not say.
        let carried: CarriedFacts?
        /// Whether there was a replaced store.
        let hadStore: Bool
    }

    private static let instance = "cli"

    func make(
        root: BackupRootKey, keyring path: String?, keys: [NoteVerifier],
        checkpoint: [UInt8]?
    ) async throws -> Outcome {
        // Copied first and checked then: what is checked is what is used.
        let files = FileManager.default
        for name in try files.contentsOfDirectory(atPath: backup) {
            try files.copyItem(atPath: backup + "/" + name, toPath: staging.path + "/" + name)
            try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: staging.path + "/" + name)
        }
        let (keyring, keyringPath) = try chooseKeyring(path, root.key)
        let origin = try unverifiedOrigin()
        let manifest = try await BackupVerification.run(
            staging.path, by: verifiers(origin, keyring) + keys, keyring: keyring, opensAll: false,
            open: { path in
                let store = try SQLiteStore.openForReading(path: path)
                try await store.checkIntegrity()
                return store
            }
        ).manifest
        let known = try await known(manifest, keyring, checkpoint)
        let store = try SQLiteStore.openForReading(path: staging.store)
        let standing: BackupStanding
        do {
            standing = try await BackupRestore.standing(of: manifest, in: store, known: known)
            try await store.close()
        } catch {
            try? await store.close()
            throw error
        }
        try refuse(standing, manifest)

        try await arrange(root, keyringPath, manifest)
        let (log, carried) = try await build(manifest, root.key, standing, known)
        return Outcome(
            manifest: manifest, standing: standing, log: log, carried: carried,
            hadStore: replaced?.exists ?? false)
    }

    // MARK: What is used

    /// The named keyring, or the newer of the replaced vault's and the backup's.
    private func chooseKeyring(_ path: String?, _ root: any RootKey) throws -> (Keyring, String) {
        if let path { return (try KeyringFile(path).load(root: root), path) }
        let own = staging.keyring
        let candidates = [replaced?.keyring, own].compactMap(\.self).filter {
            FileManager.default.fileExists(atPath: $0)
        }
        guard !candidates.isEmpty else {
            throw CommandFailure("the backup is without keyring: give --keyring")
        }
        var newest: (Keyring, String)?
        for candidate in candidates {
            // One that does not open is no reason to give up while there is another.
            guard let keyring = try? KeyringFile(candidate).load(root: root) else { continue }
            if let newest, newest.0.epoch >= keyring.epoch { continue }
            newest = (keyring, candidate)
        }
        if let newest { return newest }
        return (try KeyringFile(own).load(root: root), own)
    }

    private func verifiers(_ origin: String, _ keyring: Keyring) throws -> [NoteVerifier] {
        try keyring.logVerificationKeys.map { try NoteVerifier(name: origin, key: $0) }
    }

    /// Under which name the manifest wants to be verified, by keys that the root key vouches for.
    private func unverifiedOrigin() throws -> String {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile(staging.path + "/" + BackupManifest.manifest).read(
                limit: Limits.backupManifestBytes, isPrivate: false)
        } catch {
            throw BackupFault.manifestMalformed
        }
        return try BackupManifest(parsing: bytes).origin
    }

    /// The configuration of now, or of the backup.
    private func configuration() throws -> ServiceConfiguration {
        if let replaced, FileManager.default.fileExists(atPath: replaced.configuration) {
            return try replaced.loadConfiguration()
        }
        return try staging.loadConfiguration()
    }

    // MARK: How far the log was

    private func known(
        _ manifest: BackupManifest, _ keyring: Keyring, _ checkpoint: [UInt8]?
    ) async throws -> [KnownLog] {
        var known: [KnownLog] = []
        if let checkpoint {
            known.append(
                try BackupRestore.known(
                    by: checkpoint, keyring: keyring, source: "--checkpoint", isLast: false))
        }
        if let replaced, replaced.exists {
            if let store = try? SQLiteStore.openForReading(path: replaced.store) {
                let identity = try? await store.read { try $0.identity() }
                let log = try? await BackupRestore.known(in: store, source: "the vault that is replaced")
                try? await store.close()
                if let identity, identity.tenant != manifest.tenant {
                    throw CommandFailure(
                        "the folder holds another vault than the backup: nothing was changed")
                }
                if let log { known.append(log) }
            }
        }
        let configuration = try configuration()
        let memories = [configuration.signerMemory, replaced?.signerMemory].compactMap(\.self)
        for path in memories where FileManager.default.fileExists(atPath: path) {
            let note = Array(try VaultFolder.read(path).utf8)
            do {
                known.append(
                    try BackupRestore.known(by: note, keyring: keyring, source: path, isLast: true))
            } catch {
                guard goesBack else { throw error }
                Terminal.message("warning: \(path) is not a checkpoint by this vault's keys")
            }
        }
        if let policy = configuration.witnessPolicy {
            known += await BackupRestore.known(by: try ServeCommand.witnessing(policy), manifest)
        }
        return known
    }

    private func refuse(_ standing: BackupStanding, _ manifest: BackupManifest) throws {
        guard !goesBack else { return }
        let what =
            "--go-back restores it all the same; the log then goes on under another name (see Backup and restore in docs/operating.md). "
            + "Nothing was changed"
        switch standing {
        case .newest: return
        case .older(let log):
            let missing = log.size > manifest.entries ? "\(log.size - manifest.entries)" : "its later"
            throw CommandFailure(
                "the backup is older: its log ends after \(manifest.entries) entries, and \(log.source) knows of \(log.size) "
                    + "(\(log.origin)). \(missing) entries would be missing, and what they did: releases, erasures, stops, "
                    + "withdrawals. " + what)
        case .otherHistory(let log):
            throw CommandFailure(
                "\(log.source) knows another history of this log at \(log.size) entries: one of the two was rewritten. Keep both as "
                    + "evidence. " + what)
        case .unknown:
            throw CommandFailure(
                "nothing here says how far the log was at the end (no store is replaced, and there is no memory of the signer): the "
                    + "backup may be older. " + what)
        }
    }

    // MARK: Making it

    /// Puts the files of a vault in their places.
    private func arrange(_ root: BackupRootKey, _ keyring: String, _ manifest: BackupManifest) async throws {
        let files = FileManager.default
        for name in [BackupManifest.manifest, BackupManifest.signatures] {
            try files.removeItem(atPath: staging.path + "/" + name)
        }
        if keyring != staging.keyring {
            let bytes = try Self.bytes(keyring, limit: 1 << 20)
            try DurableFile(staging.keyring).write(bytes, replacing: true)
        }
        if let replaced {
            if files.fileExists(atPath: replaced.configuration) {
                try DurableFile(staging.configuration).write(
                    Self.bytes(replaced.configuration, limit: 1 << 20), replacing: true)
            }
            try staging.writeLogKeys((try? replaced.logKeys()) ?? [])
        }
        if !files.fileExists(atPath: staging.configuration) {
            try VaultFolder.write(ServiceConfiguration.template, to: staging.configuration)
        }
        try root.place(in: staging)
        let store = try SQLiteStore.openForReading(path: staging.store)
        let policy = try await store.read { try $0.policy() }
        try await store.close()
        guard let policy else { throw StoreError.missing }
        try VaultFolder.write(policy.text, to: staging.policy)
        if !policy.calendars.isEmpty {
            try files.createDirectory(
                atPath: staging.holidays, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
        }
        for (name, text) in policy.calendars {
            try VaultFolder.write(text, to: staging.holidays + "/" + name + ".yaml")
        }
    }

    private static func bytes(_ path: String, limit: Int) throws -> [UInt8] {
        do { return try DurableFile(path).read(limit: limit, isPrivate: false) } catch {
            throw CommandFailure("cannot read \(path)")
        }
    }

    /// The entry, the new name, and what was taken away since.
    private func build(
        _ manifest: BackupManifest, _ root: any RootKey, _ standing: BackupStanding, _ known: [KnownLog]
    ) async throws -> (RestoredLog, CarriedFacts?) {
        guard let instance = Reference(Self.instance) else { throw StoreError.missing }
        let storage = KeyringStorage(file: KeyringFile(staging.keyring), root: root)
        let keyring = try storage.load()
        let memory = CheckpointMemory(path: staging.signerMemory)
        let store = try SQLiteStore.open(path: staging.store)
        let log: RestoredLog
        do {
            log = try await BackupRestore.apply(
                manifest, to: store, keyring: keyring, standing: standing, known: known, memory: memory,
                instance: instance)
        } catch {
            try? await store.close()
            throw error
        }
        let vault = try await Vault.open(
            store: store, keyring: keyring, storage: storage, memory: memory, instance: instance)
        do {
            let carried = try await takeAwayAgain(vault, standing, since: manifest.made)
            try await vault.close()
            try staging.writeLogKeys(vault.logVerifierKeys)
            return (log, carried)
        } catch {
            try? await vault.close()
            throw error
        }
    }

    private func takeAwayAgain(
        _ vault: Vault, _ standing: BackupStanding, since made: Timestamp
    ) async throws -> CarriedFacts? {
        guard standing != .newest else { return nil }
        guard let request = Reference("restore") else { throw StoreError.missing }
        try await vault.endAllTokens(requestID: request)
        guard let replaced, replaced.exists else { return nil }
        let later: SQLiteStore
        do {
            later = try SQLiteStore.openForReading(path: replaced.store)
            try await later.checkIntegrity()
        } catch {
            Terminal.message("warning: the replaced store cannot be read: \(ErrorText.describe(error))")
            return nil
        }
        let carried: CarriedFacts?
        do { carried = try await vault.carryForward(from: later, since: made, requestID: request) } catch let
            error
            as StoreError
        {
            Terminal.message(
                "warning: the replaced store cannot be read to its end: \(ErrorText.describe(error))")
            carried = nil
        } catch {
            try? await later.close()
            throw error
        }
        try await later.close()
        return carried
    }

    /// Where the signer remembers elsewhere, its old memory is kept beside the new one.
    func placeSignerMemory(in target: VaultFolder) throws {
        guard let path = try target.loadConfiguration().signerMemory else { return }
        let note = try Self.bytes(target.signerMemory, limit: Limits.noteBytes)
        if FileManager.default.fileExists(atPath: path) {
            let before = path + ".replaced-\(Int(Date().timeIntervalSince1970))"
            try FileManager.default.moveItem(atPath: path, toPath: before)
            Terminal.message("kept the signer's memory of before as \(before)")
        }
        try DurableFile(path).write(note, replacing: true)
        try FileManager.default.removeItem(atPath: target.signerMemory)
    }
}

extension VaultRestore.Outcome {
    /// Says what was done, and what is left to do.
    func tell(_ target: VaultFolder, goesBack: Bool) {
        Terminal.message("restored \(manifest.id) of \(manifest.made) into \(target.path)")
        guard standing != .newest else {
            return Terminal.message(
                "nothing that is known of the log is missing; it goes on as \(log.origin)")
        }
        Terminal.message(
            "the log goes on as \(log.origin); "
                + (log.missing.map { "\($0) entries are missing" }
                    ?? "how many entries are missing, nobody says")
                + " (entry \(log.index)). Every token that was out has ended")
        for key in log.keys { Terminal.result(key) }
        Terminal.message(
            "give this key to auditors and witnesses: it takes the place of the old line there and in log.witness_policy"
        )
        if let carried {
            Terminal.message(
                "taken away again: \(carried.erasures) contacts erased, \(carried.stops) stopped, \(carried.states) restricted or "
                    + "suspended, \(carried.suppressions) places on the stop list, \(carried.withdrawals) consents and "
                    + "\(carried.authorisations) authorisations withdrawn, \(carried.holds) legal holds, \(carried.clients) clients and "
                    + "\(carried.agencies) agencies")
            Terminal.message(
                "counted again: \(carried.releases) releases or outcomes, \(carried.reviews) reviews of emergencies"
            )
            if carried.missing > 0 {
                Terminal.message(
                    "\(carried.missing) contacts were handed in since and are missing: hand them in again")
            }
            for contact in carried.changed {
                Terminal.message("\(contact) was changed since: hand in what it is now")
            }
            if let policy = carried.policyVersion {
                Terminal.message("the policy in force was \(policy), and is not any more: apply it again")
            }
            return
        }
        Terminal.message(
            hadStore
                ? "WARNING: the replaced store could not be read. What was taken away since the backup is back."
                : "WARNING: there was no replaced store. What was taken away since the backup is back.")
        Terminal.message(
            "Before anybody is served, repeat from the officer's exports of the log: erasures, stops, withdrawals, suspensions, ends "
                + "of keys and entrustments (docs/operating.md)")
    }
}

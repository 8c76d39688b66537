// Putting a backup back. What the log had signed may not be taken back: a store that ends before it goes on under another log name,
// and says first where the log was known to be (docs/decisions/027-restoring-an-older-state.md).

import AccessLog
import AccessToken
public import ContactModel
public import EnvelopeEncryption
import StrictEncoding
public import VaultCrypto

/// How far a log is known to have been, and by whom.
public struct KnownLog: Sendable, Equatable {
    /// Name of the log.
    public let origin: String
    /// Its size.
    public let size: UInt64
    /// Its root at that size, if who knows the size knows it.
    public let root: [UInt8]?
    /// Who knows it, in words.
    public let source: String
    /// Whether nothing can have been signed after it: the signer's own memory, or the store that was in use.
    public let isLast: Bool

    /// What is known.
    public init(origin: String, size: UInt64, root: [UInt8]?, source: String, isLast: Bool) {
        self.origin = origin
        self.size = size
        self.root = root
        self.source = source
        self.isLast = isLast
    }
}

/// What a backup is in the light of what is known of its log.
public enum BackupStanding: Sendable, Equatable {
    /// Nothing that anybody knows is missing.
    case newest
    /// The log was further, as somebody knows.
    case older(KnownLog)
    /// The log had other entries, as somebody knows.
    case otherHistory(KnownLog)
    /// Nobody says how far the log was at the end.
    case unknown
}

/// A log after a restore.
public struct RestoredLog: Sendable {
    /// Its name.
    public let origin: String
    /// Its public keys, as auditors configure them.
    public let keys: [String]
    /// Entries that are known to be missing; `nil` if nobody says how many.
    public let missing: UInt64?
    /// Index of the entry about the restore.
    public let index: UInt64
}

/// Makes a copied store one that a vault can be opened from.
public enum BackupRestore {
    /// Compares a backup's log with what is known of it.
    /// - Parameter store: the backup's, verified.
    public static func standing(
        of manifest: BackupManifest, in store: any VaultStore, known: [KnownLog]
    ) async throws -> BackupStanding {
        guard let furthest = known.max(by: { $0.size < $1.size }) else { return .unknown }
        for log in known where log.size <= manifest.entries {
            guard let root = log.root else { continue }
            let own = try await store.read { try MerkleProver(StoredHashes(reader: $0)).root(size: log.size) }
            guard own == root else { return .otherHistory(log) }
        }
        // A log that goes by another name by now has gone on, or was put back, since.
        if let other = known.first(where: { $0.origin != manifest.origin }) { return .older(other) }
        if furthest.size > manifest.entries { return .older(furthest) }
        return known.contains(where: \.isLast) ? .newest : .unknown
    }

    /// The next name for a log that is known by these: `host/access-log`, then `host/access-log/2` and so on.
    public static func nextOrigin(after origins: [String]) -> String {
        let numbered = origins.map { origin -> (base: String, number: Int) in
            guard let slash = origin.lastIndex(of: "/"),
                let number = Int(origin[origin.index(after: slash)...]),
                number >= 2
            else { return (origin, 1) }
            return (String(origin[..<slash]), number)
        }
        guard let last = numbered.max(by: { $0.number < $1.number }) else { return "access-log/2" }
        return last.base + "/\(last.number + 1)"
    }

    /// Writes the entry about the restore, gives the log its new name if it does not go on where it was, and signs its head.
    /// - Parameters:
    ///   - store: a copy of the backup's, writable and of the present schema.
    ///   - standing: what ``standing(of:in:known:)`` found.
    ///   - known: what it was found from.
    ///   - memory: where the signer will remember what it signed; empty.
    /// - Throws: ``VaultError/inconsistent(_:)``, ``StoreError``.
    public static func apply(
        _ manifest: BackupManifest, to store: any VaultStore, keyring: Keyring, standing: BackupStanding,
        known: [KnownLog], memory: CheckpointMemory, instance: Reference,
        random: any RandomSource = SystemRandom()
    ) async throws -> RestoredLog {
        let before: KnownLog? =
            switch standing {
            case .newest, .unknown: nil
            case .older(let log), .otherHistory(let log): log
            }
        let goesOn = standing == .newest
        let origin =
            goesOn
            ? manifest.origin : nextOrigin(after: [manifest.origin] + known.map(\.origin))
        let missing: UInt64? =
            goesOn ? 0 : before.map { $0.size > manifest.entries ? $0.size - manifest.entries : 0 }
        let signer = try CheckpointSigner(origin: origin, keys: keyring.logSigningKeys)
        return try await store.transaction { transaction in
            guard let identity = try transaction.identity(), identity.tenant == keyring.tenant,
                identity.tenant == manifest.tenant, try transaction.logHead().size == manifest.entries,
                let last = try transaction.latestCheckpoint(), let policy = try transaction.policy()
            else { throw VaultError.inconsistent("backup_of_another_vault") }
            if !goesOn { try transaction.putLogOrigin(origin) }
            // In its own copy a backup is still being made.
            try transaction.putBackup(
                StoredBackup(
                    id: manifest.id, made: manifest.made, logSize: manifest.entries,
                    hasKeyring: manifest.files[BackupManifest.keyring] != nil, needs: manifest.needs))
            var writer = try LogWriter(
                transaction, contacts: [], keyring: keyring, source: instance, random: random)
            var draft = EntryDraft(.backupRestore, .permit)
            draft.client = Caller.operatorName
            draft.basis = EntryCode(manifest.id.text)
            draft.policyVersion = Reference(policy.version)
            if let before {
                draft.generation = before.size
                draft.root = before.root.flatMap { EntryDigest(bytes: $0) }
                draft.count = missing
            }
            let receipt = try writer.add(draft).receipt
            try writer.finish(transaction)
            let publisher = CheckpointPublisher(last: last, witnessed: nil, memory: memory)
            guard
                let signed = try publisher.sign(
                    try transaction.logHead(), by: signer, in: transaction, now: transaction.now)
            else { throw VaultError.inconsistent("nothing_to_sign") }
            try transaction.putCheckpoint(signed)
            return RestoredLog(
                origin: origin, keys: signer.verifiers.map(\.verifierKey), missing: missing,
                index: receipt.index)
        }
    }

    /// How far a store's own log is.
    public static func known(in store: any VaultStore, source: String) async throws -> KnownLog {
        try await store.read { reader in
            let head = try reader.logHead()
            guard let identity = try reader.identity(),
                let frontier = Frontier(size: head.size, bytes: head.frontier)
            else { throw StoreError.corrupt("log_head") }
            return KnownLog(
                origin: identity.logOrigin, size: head.size, root: frontier.root, source: source, isLast: true
            )
        }
    }

    /// How far a signed note says that the log was, if it is signed by a key of this keyring.
    /// - Throws: ``VaultError/inconsistent(_:)`` with `checkpoint_is_not_the_log's`.
    public static func known(
        by note: [UInt8], keyring: Keyring, source: String, isLast: Bool
    ) throws(VaultError) -> KnownLog {
        do {
            let signed = try SignedNote(parsing: note)
            let origin = try Checkpoint(parsing: signed.text).origin
            let keys = try keyring.logVerificationKeys.map { try NoteVerifier(name: origin, key: $0) }
            let checkpoint = try Checkpoint(verifying: signed, by: keys)
            return KnownLog(
                origin: origin, size: checkpoint.size, root: checkpoint.root, source: source,
                isLast: isLast)
        } catch {
            throw .inconsistent("checkpoint_is_not_the_log's")
        }
    }

    /// How far each witness that answers has seen the log. Shows them nothing but what was signed before the backup.
    public static func known(by witnessing: Witnessing, _ manifest: BackupManifest) async -> [KnownLog] {
        guard let note = try? SignedNote(parsing: Array(manifest.checkpoint.utf8)),
            let checkpoint = try? Checkpoint(parsing: note.text)
        else { return [] }
        var known: [KnownLog] = []
        for witness in witnessing.policy.witnesses {
            guard let prefix = witness.url else { continue }
            let request = WitnessRequest(oldSize: checkpoint.size, proof: [], note: note)
            guard let answer = try? await witnessing.submit(prefix, Array(request.text.utf8)) else {
                continue
            }
            let source = "witness \(witness.name)"
            switch answer {
            case .cosigned:
                known.append(
                    KnownLog(
                        origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root,
                        source: source, isLast: false))
            case .conflict(let size):
                known.append(
                    KnownLog(origin: checkpoint.origin, size: size, root: nil, source: source, isLast: false))
            case .inconsistent, .refused: continue
            }
        }
        return known
    }
}

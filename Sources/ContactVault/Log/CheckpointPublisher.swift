// Signs the head of the log, after commits, and never backwards.

public import AccessLog
import ContactModel
import EnvelopeEncryption
import Synchronization

/// Signs checkpoints and remembers the last one, and the last one that witnesses have seen.
final class CheckpointPublisher: Sendable {
    private let memory: CheckpointMemory?
    private let latest: Mutex<(signed: StoredCheckpoint?, witnessed: StoredCheckpoint?)>

    init(last: StoredCheckpoint?, witnessed: StoredCheckpoint?, memory: CheckpointMemory?) {
        self.memory = memory
        latest = Mutex((last, witnessed))
    }

    var last: StoredCheckpoint? { latest.withLock { $0.signed } }
    var witnessed: StoredCheckpoint? { latest.withLock { $0.witnessed } }

    /// Signs a head that is ahead of the last one and goes on from it, and remembers it; `nil` if there is nothing new.
    ///
    /// Looking at sizes alone would let whoever can write the store rewrite history and have it signed: the stored
    /// entries must lead from the last signed root to the new one.
    /// - Throws: `LogError` if the head is behind the last checkpoint, or of the same size with another root: the store
    ///   was rolled back.
    func sign(
        _ head: LogHead, by signer: CheckpointSigner, in reader: any VaultReader, now: Timestamp
    ) throws -> StoredCheckpoint? {
        guard let frontier = Frontier(size: head.size, bytes: head.frontier) else {
            throw StoreError.corrupt("log_head")
        }
        let last = last
        if let last, last.size == head.size, last.root == frontier.root { return nil }
        let next = try Checkpoint(origin: signer.origin, size: head.size, root: frontier.root)
        let note: String
        if let last {
            // A log that is shorter than what was signed has no proof to make; the signer names that fault.
            let proof =
                last.size <= head.size
                ? try MerkleProver(StoredHashes(reader: reader)).consistency(from: last.size, to: head.size)
                : []
            note = try signer.sign(
                next, after: Checkpoint(origin: signer.origin, size: last.size, root: last.root),
                consistency: proof)
        } else {
            note = try signer.sign(next, after: nil)
        }
        // Before the store: what was signed may not be forgotten, whatever becomes of the transaction.
        try memory?.store(note)
        return StoredCheckpoint(size: head.size, root: frontier.root, note: note, signed: now)
    }

    func publish(_ checkpoint: StoredCheckpoint) {
        latest.withLock { latest in
            if checkpoint.size > latest.signed?.size ?? 0 { latest.signed = checkpoint }
            if checkpoint.isWitnessed, checkpoint.size > latest.witnessed?.size ?? 0 {
                latest.witnessed = checkpoint
            }
        }
    }
}

/// What a vault that is opened finds to be signed already.
struct SignedBefore: Sendable {
    /// The last checkpoint: the store's, or the signer's own if that is further.
    let last: StoredCheckpoint
    /// The last one that witnesses have cosigned.
    let witnessed: StoredCheckpoint?
    /// Whether the signer remembered nothing: it is new, or was taken away.
    let isMemoryNew: Bool

    /// Reads it, and checks that it was signed by the log and that the store goes on from it.
    /// - Throws: ``VaultError/inconsistent(_:)``: `log_without_checkpoint`, `checkpoint_is_not_the_log's`,
    ///   `store_older_than_its_signer` if the store was put back, `store_not_its_signer's` if it holds another history.
    init(in reader: any VaultReader, memory: CheckpointMemory?, verifiers: [NoteVerifier]) throws {
        // A vault signs at birth: a log without a checkpoint is one whose checkpoints were taken away.
        guard let stored = try reader.latestCheckpoint() else {
            throw VaultError.inconsistent("log_without_checkpoint")
        }
        // What the store says was signed last decides what may be signed next, so it must be ours.
        let signed = try Self.checkpoint(Array(stored.note.utf8), verifiers)
        guard signed.size == stored.size, signed.root == stored.root else {
            throw VaultError.inconsistent("checkpoint_is_not_the_log's")
        }
        witnessed = try reader.latestWitnessedCheckpoint()
        guard let note = try memory?.load() else {
            last = stored
            isMemoryNew = memory != nil
            return
        }
        isMemoryNew = false
        let remembered = try Self.checkpoint(note, verifiers)
        guard remembered.size <= (try reader.logHead().size) else {
            throw VaultError.inconsistent("store_older_than_its_signer")
        }
        guard try MerkleProver(StoredHashes(reader: reader)).root(size: remembered.size) == remembered.root
        else {
            throw VaultError.inconsistent("store_not_its_signer's")
        }
        // Another instance, with a memory of its own, may have signed more.
        guard signed.size < remembered.size else {
            last = stored
            return
        }
        last = StoredCheckpoint(
            size: remembered.size, root: remembered.root, note: String(decoding: note, as: UTF8.self),
            signed: stored.signed)
    }

    private static func checkpoint(_ note: [UInt8], _ verifiers: [NoteVerifier]) throws -> Checkpoint {
        do { return try Checkpoint(verifying: SignedNote(parsing: note), by: verifiers) } catch {
            throw VaultError.inconsistent("checkpoint_is_not_the_log's")
        }
    }
}

extension Vault {
    /// Signs the present head if it is new. Called at most every second.
    public func publishCheckpoint() async throws {
        let checkpoints = checkpoints
        let state = state
        do {
            let signed = try await store.transaction { transaction -> StoredCheckpoint? in
                try state.requireUncontradicted()
                guard
                    let signed = try checkpoints.sign(
                        try transaction.logHead(), by: state.keys.checkpointSigner, in: transaction,
                        now: transaction.now)
                else {
                    return nil
                }
                // Another call may have stored this size and not yet said so.
                guard try transaction.checkpoints(signed.size...signed.size).isEmpty else { return signed }
                try transaction.putCheckpoint(signed)
                return signed
            }
            if let signed { checkpoints.publish(signed) }
        } catch let error as LogError {
            throw VaultError.inconsistent("checkpoint: \(error)")
        } catch {
            throw VaultError(storing: error)
        }
    }

    /// The newest signed checkpoint, `nil` before the first.
    public var latestCheckpoint: StoredCheckpoint? { checkpoints.last }

    /// The newest checkpoint that a quorum of witnesses has cosigned, `nil` before the first.
    public var latestWitnessedCheckpoint: StoredCheckpoint? { checkpoints.witnessed }

    /// Public keys of the access log as auditors configure them, the active one first.
    public var logVerifierKeys: [String] { state.keys.logVerifiers.map(\.verifierKey) }

    /// Whom an auditor of this log would believe. Only as good as the way it came by.
    public var logTrustPolicy: LogTrustPolicy {
        witnessing?.policy ?? LogTrustPolicy(logs: state.keys.logVerifiers)
    }

    /// Forgets proofs, uses and deliveries that expired some time ago. Called every minute.
    public func purgeExpired() async throws {
        do {
            // The margin covers clocks that differ and small steps back: a proof must not be forgotten while it is good.
            try await store.transaction { transaction in
                // By the log's clock where that is behind: a clock that ran ahead for a while must not revive a proof.
                let now = min(transaction.now, try transaction.logHead().lastTime)
                try transaction.purgeExpired(before: now.adding(seconds: -Limits.proofSeconds))
            }
        } catch {
            throw VaultError(storing: error)
        }
    }

    /// Does what every release begins and ends with, and changes nothing.
    /// - Throws: ``VaultError/logUnavailable(_:)`` or ``VaultError/clockWentBack`` if releases could not be recorded now.
    public func probe() async throws {
        let state = state
        let random = random
        try await storing { transaction in
            // What every release begins with: the clock and the head.
            _ = try LogWriter(
                transaction, contacts: [], keyring: state.keyring, source: state.instance, random: random)
            try transaction.probe()
        }
    }
}

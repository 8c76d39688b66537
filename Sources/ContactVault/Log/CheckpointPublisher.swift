// Signs the head of the log, after commits, and never backwards.

import AccessLog
import ContactModel
import Synchronization
import VaultCrypto

/// Signs checkpoints and remembers the last one.
final class CheckpointPublisher: Sendable {
    private let signer: CheckpointSigner
    private let latest: Mutex<StoredCheckpoint?>

    init(origin: String, key: SigningKey, last: StoredCheckpoint?) throws {
        signer = try CheckpointSigner(origin: origin, key: key)
        latest = Mutex(last)
    }

    var verifierKey: String { signer.verifierKey }
    var verifier: NoteVerifier { signer.verifier }
    var last: StoredCheckpoint? { latest.withLock { $0 } }

    /// Signs a head that is ahead of the last one and goes on from it; `nil` if there is nothing new.
    ///
    /// Looking at sizes alone would let whoever can write the store rewrite history and have it signed: the stored
    /// entries must lead from the last signed root to the new one.
    /// - Throws: `LogError` if the head is behind the last checkpoint, or of the same size with another root: the store
    ///   was rolled back.
    func sign(
        _ head: LogHead, in reader: any VaultReader, now: Timestamp
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
        return StoredCheckpoint(size: head.size, root: frontier.root, note: note, signed: now)
    }

    func publish(_ checkpoint: StoredCheckpoint) {
        latest.withLock { latest in
            if checkpoint.size > latest?.size ?? 0 { latest = checkpoint }
        }
    }
}

extension Vault {
    /// Signs the present head if it is new. Called at most every second.
    public func publishCheckpoint() async throws {
        let checkpoints = checkpoints
        do {
            let signed = try await store.transaction { transaction -> StoredCheckpoint? in
                guard
                    let signed = try checkpoints.sign(
                        try transaction.logHead(), in: transaction, now: transaction.now)
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

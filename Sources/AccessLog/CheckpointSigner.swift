// Signs checkpoints, and refuses to contradict the last one: a log that signs two histories is what an
// auditor looks for, so the key must never be brought to do it by a restored or forked store.

public import VaultCrypto

/// The log's signing key with its one rule: never back, never sideways.
///
/// It remembers nothing itself. The caller stores the last signed checkpoint durably, before it publishes it,
/// and hands it in. While the key is changed, the one before signs beside it, so that an auditor who knows either
/// can go on.
public struct CheckpointSigner: Sendable {
    /// The log's name.
    public let origin: String
    private let signers: [NoteSigner]

    /// A signer for one log.
    /// - Parameters:
    ///   - origin: the log's name, which is the keys' name as well.
    ///   - keys: Ed25519 keys, the active one first; all of them sign.
    /// - Throws: ``LogError/noteKeyMalformed`` for another algorithm, no key, or a name that may not stand in a note.
    public init(origin: String, keys: [SigningKey]) throws(LogError) {
        guard !keys.isEmpty else { throw .noteKeyMalformed }
        self.origin = origin
        signers = try keys.map { (key) throws(LogError) in try NoteSigner(name: origin, key: key) }
    }

    /// The public halves, the active one first.
    public var verifiers: [NoteVerifier] { signers.map(\.verifier) }

    /// Signs a checkpoint.
    ///
    /// It cannot see whether a larger tree continues the smaller one: use ``sign(_:after:consistency:)``
    /// where the hashes for the proof are at hand.
    /// - Parameter last: the last one that was signed; `nil` only for a log that never signed any.
    /// - Returns: the note, byte for byte as it is published.
    /// - Throws: ``LogError/originMismatch``; ``LogError/checkpointGoesBack`` if it is smaller than the last;
    ///   ``LogError/checkpointForks`` if it has the same size and another root; ``LogError/signingFailed``.
    public func sign(_ checkpoint: Checkpoint, after last: Checkpoint?) throws(LogError) -> String {
        guard checkpoint.origin == origin else { throw .originMismatch }
        if let last {
            guard last.origin == origin else { throw .originMismatch }
            guard checkpoint.size >= last.size else { throw .checkpointGoesBack }
            guard checkpoint.size > last.size || checkpoint.root == last.root else { throw .checkpointForks }
        }
        let text = checkpoint.text
        var note = try signers[0].sign(text)
        for other in signers.dropFirst() {
            note = try note.adding(Array(other.sign(text).signatures[0].line.utf8))
        }
        return note.serialized
    }

    /// Signs a checkpoint that a proof shows to continue the last one.
    /// - Parameters:
    ///   - last: the last one that was signed.
    ///   - proof: consistency proof between the two sizes.
    /// - Throws: as ``sign(_:after:)``, and ``LogError/checkpointForks`` if the proof does not hold.
    public func sign(
        _ checkpoint: Checkpoint, after last: Checkpoint, consistency proof: [[UInt8]]
    ) throws(LogError) -> String {
        guard checkpoint.size >= last.size else { throw .checkpointGoesBack }
        do {
            try MerkleProof.verifyConsistency(
                from: last.size, to: checkpoint.size, oldRoot: last.root, newRoot: checkpoint.root,
                proof: proof)
        } catch {
            throw .checkpointForks
        }
        return try sign(checkpoint, after: last)
    }
}

// Signs checkpoints, and refuses to contradict the last one: a log that signs two histories is what an
// auditor looks for, so the key must never be brought to do it by a restored or forked store.

public import VaultCrypto

/// The log's signing key with its one rule: never back, never sideways.
///
/// It remembers nothing itself. The caller stores the last signed checkpoint durably, before it publishes it,
/// and hands it in.
public struct CheckpointSigner: Sendable {
    private let signer: NoteSigner

    /// A signer for one log.
    /// - Parameters:
    ///   - origin: the log's name, which is the key's name as well.
    ///   - key: an Ed25519 key.
    /// - Throws: ``LogError/noteKeyMalformed`` for another algorithm or a name that may not stand in a note.
    public init(origin: String, key: SigningKey) throws(LogError) {
        signer = try NoteSigner(name: origin, key: key)
    }

    /// The log's name.
    public var origin: String { signer.verifier.name }

    /// The public half, for the log's own checks.
    public var verifier: NoteVerifier { signer.verifier }

    /// The public half as it is published and configured by auditors.
    public var verifierKey: String { signer.verifier.verifierKey }

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
        return try signer.sign(checkpoint.text).serialized
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

// Witnesses: others who remember how far the log was, and cosign only what goes on from there (C2SP tlog-witness). What one of
// them contradicts is not released from: whoever put an old store back cannot put theirs back.

public import AccessLog
import ContactModel
import StrictEncoding
import Synchronization

/// A witness's answer to a checkpoint.
public enum WitnessAnswer: Sendable {
    /// Lines of cosignatures.
    case cosigned([UInt8])
    /// It has last seen another size.
    case conflict(size: UInt64)
    /// What it has seen does not go on to this checkpoint.
    case inconsistent
    /// It refused otherwise, with this HTTP status.
    case refused(status: Int)
}

/// Which witnesses there are, and how they are reached.
public struct Witnessing: Sendable {
    /// Keys, addresses and the quorum.
    public let policy: LogTrustPolicy
    /// Hands a request to the witness of a submission prefix. May throw anything if there is no answer.
    public let submit: @Sendable (_ prefix: String, _ request: [UInt8]) async throws -> WitnessAnswer

    /// Witnesses.
    public init(
        policy: LogTrustPolicy,
        submit: @escaping @Sendable (_ prefix: String, _ request: [UInt8]) async throws -> WitnessAnswer
    ) {
        self.policy = policy
        self.submit = submit
    }
}

/// What became of asking the witnesses.
public struct WitnessedCheckpoint: Sendable {
    /// Size of the checkpoint.
    public let size: UInt64
    /// Names of those that have cosigned it, as the policy has them.
    public let cosigners: Set<String>
    /// Whether they are a quorum.
    public let isQuorum: Bool
}

/// How far each witness is known to be. A wrong guess costs one more request.
final class WitnessPositions: Sendable {
    private let sizes = Mutex<[String: UInt64]>([:])

    subscript(name: String) -> UInt64 {
        get { sizes.withLock { $0[name] ?? 0 } }
        set { sizes.withLock { $0[name] = newValue } }
    }
}

extension Vault {
    /// Asks every witness of the policy that has an address to cosign the newest checkpoint, and publishes it with the cosignatures
    /// if they are a quorum.
    /// - Returns: `nil` without witnesses, or if a quorum has cosigned it already.
    /// - Throws: ``VaultError/inconsistent(_:)`` if a witness has seen more than the log has, or something else: from then on
    ///   this vault writes nothing and so releases nothing.
    @discardableResult
    public func witnessCheckpoint() async throws -> WitnessedCheckpoint? {
        guard let witnessing, let checkpoint = latestCheckpoint,
            checkpoint.size > latestWitnessedCheckpoint?.size ?? 0
        else { return nil }
        return try await ask(witnessing, checkpoint)
    }

    /// Whether a witness has seen another log than this one. Nothing is written or released then.
    public var isContradicted: Bool { state.contradictingWitness != nil }

    /// As ``witnessCheckpoint()``, for a checkpoint that may have been cosigned before: asked when a vault opens, before it writes.
    func ask(_ witnessing: Witnessing, _ checkpoint: StoredCheckpoint) async throws -> WitnessedCheckpoint {
        let policy = witnessing.policy
        var note = try SignedNote(parsing: Array(checkpoint.note.utf8))
        let answers = await withTaskGroup(of: (String, Result<[UInt8]?, VaultError>).self) { group in
            for witness in policy.witnesses {
                guard let prefix = witness.url else { continue }
                group.addTask { [note] in
                    (witness.name, await self.ask(witness.name, at: prefix, witnessing, checkpoint, note))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (name, answer) in answers {
            guard case .failure(let contradiction) = answer else { continue }
            state.contradict(by: name)
            throw contradiction
        }
        for witness in policy.witnesses {
            // What does not verify by this witness's key is as if it had not answered.
            guard case .success(let lines?)? = answers[witness.name],
                let cosigned = try? note.adding(lines, by: witness.key)
            else { continue }
            note = cosigned
        }
        let witnessed = WitnessedCheckpoint(
            size: checkpoint.size, cosigners: try policy.cosigners(of: note),
            isQuorum: try policy.isQuorum(of: note))
        if witnessed.isQuorum, !checkpoint.isWitnessed {
            let stored = StoredCheckpoint(
                size: checkpoint.size, root: checkpoint.root, note: note.serialized,
                signed: checkpoint.signed,
                isWitnessed: true)
            do { try await store.transaction { try $0.putCheckpoint(stored) } } catch {
                throw VaultError(storing: error)
            }
            checkpoints.publish(stored)
        }
        return witnessed
    }

    /// Lines of cosignatures; `nil` if there was no good answer.
    private func ask(
        _ name: String, at prefix: String, _ witnessing: Witnessing, _ checkpoint: StoredCheckpoint,
        _ note: SignedNote
    ) async -> Result<[UInt8]?, VaultError> {
        let mustNotBe = VaultError.inconsistent("log_contradicted_by_a_witness")
        // What the witness has seen is asked for once, and once more if another instance was quicker.
        for _ in 0..<3 {
            let old = min(witnessPositions[name], checkpoint.size)
            guard let proof = try? await consistency(from: old, to: checkpoint.size) else {
                return .success(nil)
            }
            let request = WitnessRequest(oldSize: old, proof: proof, note: note)
            guard let answer = try? await witnessing.submit(prefix, Array(request.text.utf8)) else {
                return .success(nil)
            }
            switch answer {
            case .cosigned(let lines):
                witnessPositions[name] = checkpoint.size
                return .success(lines)
            case .conflict(let size):
                witnessPositions[name] = size
                // More than is durable here, or another root of the same size.
                guard let head = try? await logSize() else { return .success(nil) }
                if size > head || size == old { return .failure(mustNotBe) }
                // It is further already: another instance has shown it more.
                if size > checkpoint.size { return .success(nil) }
            case .inconsistent: return .failure(mustNotBe)
            case .refused: return .success(nil)
            }
        }
        return .success(nil)
    }

    private func consistency(from old: UInt64, to new: UInt64) async throws -> [[UInt8]] {
        try await reading { try MerkleProver(StoredHashes(reader: $0)).consistency(from: old, to: new) }
    }
}

extension SignedNote {
    /// The note with those of a witness's lines that are cosignatures by its key.
    fileprivate func adding(_ lines: [UInt8], by key: NoteVerifier) throws(LogError) -> SignedNote {
        let answered = try SignedNote(parsing: Array((text + "\n").utf8) + lines)
        let own = answered.signatures.filter { $0.name == key.name && $0.keyID == key.keyID }
        guard let signature = own.first else { throw .signerUnknown }
        try SignedNote(text: text, signatures: [signature]).verify(by: [key])
        return try adding(Array(signature.line.utf8))
    }
}

// Somebody elsewhere who remembers the largest head that a log has shown, and signs only what goes on from it (C2SP
// tlog-witness). With it a log that was cut back, or shows two histories, is found without anybody reading its entries.

public import ContactModel
import StrictEncoding

/// A request to cosign a checkpoint: `add-checkpoint`.
public struct WitnessRequest: Sendable, Equatable {
    /// Size of the checkpoint that the witness is believed to have seen last; 0 for none.
    public let oldSize: UInt64
    /// Consistency proof from that size.
    public let proof: [[UInt8]]
    /// The checkpoint as the log signed it.
    public let note: SignedNote

    /// Most hashes of a proof.
    private static let maximumHashes = 63

    /// A request.
    public init(oldSize: UInt64, proof: [[UInt8]], note: SignedNote) {
        self.oldSize = oldSize
        self.proof = proof
        self.note = note
    }

    /// Parses the body of a request, byte for byte.
    /// - Throws: ``WitnessRefusal/malformed``.
    public init(parsing bytes: [UInt8]) throws(WitnessRefusal) {
        let newline = UInt8(ascii: "\n")
        guard bytes.count <= Limits.noteBytes,
            let blank = bytes.indices.dropFirst().first(where: {
                bytes[$0] == newline && bytes[$0 - 1] == newline
            })
        else { throw .malformed }
        let lines = bytes[..<(blank - 1)].split(separator: newline, omittingEmptySubsequences: false)
        let first = Array("old ".utf8)
        guard let line = lines.first, line.starts(with: first), lines.count - 1 <= Self.maximumHashes,
            let text = String(validating: line.dropFirst(first.count), as: UTF8.self),
            let size = UInt64(text), String(size) == text
        else { throw .malformed }
        var hashes: [[UInt8]] = []
        for line in lines.dropFirst() {
            guard let hash = Base64.decode(String(decoding: line, as: UTF8.self)),
                hash.count == MerkleTree.hashBytes
            else { throw .malformed }
            hashes.append(hash)
        }
        oldSize = size
        proof = hashes
        do { note = try SignedNote(parsing: Array(bytes[(blank + 1)...])) } catch { throw .malformed }
    }

    /// The body of the request.
    public var text: String {
        "old \(oldSize)\n" + proof.map { Base64.encode($0) + "\n" }.joined() + "\n" + note.serialized
    }
}

/// Why a witness does not cosign. Each has its HTTP status in C2SP tlog-witness.
public enum WitnessRefusal: Error, Equatable, Sendable {
    /// The request does not parse, or its old size is beyond its checkpoint: 400.
    case malformed
    /// The witness does not know the log: 404.
    case logUnknown
    /// No key that the witness knows for this log has signed: 403.
    case signerUnknown
    /// The witness has last seen another size than the request says, or another root of that size: 409, with the size.
    case conflict(size: UInt64)
    /// The checkpoint does not go on from the last one: 422.
    case inconsistent
}

/// What a witness decides, without its memory and its clock.
public struct Witness: Sendable {
    private let signer: NoteSigner
    private let logs: [NoteVerifier]

    /// A witness.
    /// - Parameters:
    ///   - signer: its key, of kind ``NoteKeyKind/witness``.
    ///   - logs: keys of the logs that it watches.
    public init(signer: NoteSigner, logs: [NoteVerifier]) {
        self.signer = signer
        self.logs = logs
    }

    /// Its public key.
    public var verifier: NoteVerifier { signer.verifier }

    /// Origin of the log that a request is about, as it says itself.
    /// - Throws: ``WitnessRefusal/malformed``, ``WitnessRefusal/logUnknown``.
    public func origin(of request: WitnessRequest) throws(WitnessRefusal) -> String {
        let claimed: Checkpoint
        do { claimed = try Checkpoint(parsing: request.note.text) } catch { throw .malformed }
        guard logs.contains(where: { $0.name == claimed.origin }) else { throw .logUnknown }
        return claimed.origin
    }

    /// Checks a request against what was seen last of its log. In the order of C2SP tlog-witness.
    /// - Parameter last: the last checkpoint that this witness cosigned for the log, `nil` for none.
    /// - Returns: the checkpoint to remember, durably, before ``cosign(_:at:)``.
    public func check(_ request: WitnessRequest, after last: Checkpoint?) throws(WitnessRefusal) -> Checkpoint
    {
        let origin = try origin(of: request)
        let checkpoint: Checkpoint
        do {
            checkpoint = try Checkpoint(verifying: request.note, by: logs.filter { $0.name == origin })
        } catch {
            throw .signerUnknown
        }
        guard request.oldSize <= checkpoint.size else { throw .malformed }
        let known = last?.size ?? 0
        guard request.oldSize == known else { throw .conflict(size: known) }
        if let last, last.size == checkpoint.size, last.root != checkpoint.root {
            throw .conflict(size: known)
        }
        do {
            try MerkleProof.verifyConsistency(
                from: known, to: checkpoint.size, oldRoot: last?.root ?? MerkleTree.emptyRoot,
                newRoot: checkpoint.root, proof: request.proof)
        } catch {
            throw .inconsistent
        }
        return checkpoint
    }

    /// Cosigns a checkpoint that was checked and remembered.
    /// - Returns: the line of the signature.
    /// - Throws: ``LogError/signingFailed``.
    public func cosign(_ checkpoint: Checkpoint, at time: Timestamp) throws(LogError) -> String {
        try signer.signature(of: checkpoint.text, at: time).line
    }
}

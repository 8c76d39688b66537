// The head of the tree as it is signed (C2SP tlog-checkpoint v1.0.0): origin, size, root, one line each.

import StrictEncoding

/// The root of a log's tree at one size.
///
/// The specification tolerates extension lines and any origin. This log writes neither extensions nor an
/// origin that is not ASCII, and a checkpoint that has them is refused as not this log's: one meaning, one
/// text.
public struct Checkpoint: Equatable, Sendable {
    /// Which log; also the name of its key. Printable ASCII without space and plus.
    public let origin: String
    /// Number of leaves.
    public let size: UInt64
    /// Root of the tree, 32 bytes.
    public let root: [UInt8]

    /// A checkpoint.
    /// - Throws: ``LogError/checkpointMalformed`` for an origin that is no name, a root of another length, a
    ///   size beyond ``MerkleTree/maximumSize``, or a root of nothing that is not ``MerkleTree/emptyRoot``.
    public init(origin: String, size: UInt64, root: [UInt8]) throws(LogError) {
        guard NoteName.isOwn(origin), size <= MerkleTree.maximumSize, root.count == MerkleTree.hashBytes,
            size > 0 || root == MerkleTree.emptyRoot
        else { throw .checkpointMalformed }
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// Parses the text of a note. Believe it only if the note's signature was verified: see
    /// ``init(verifying:by:)``.
    /// - Throws: ``LogError/checkpointMalformed`` for anything but the exact text that ``text`` writes.
    public init(parsing text: String) throws(LogError) {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count == 4, lines[3].isEmpty, let origin = String(lines[0]),
            let sizeText = String(lines[1]),
            let size = UInt64(sizeText), let rootText = String(lines[2]), let root = Base64.decode(rootText)
        else { throw .checkpointMalformed }
        try self.init(origin: origin, size: size, root: root)
        // Leading zeros and a plus sign parse as well; only the one spelling is the log's.
        guard self.text.utf8.elementsEqual(text.utf8) else { throw .checkpointMalformed }
    }

    /// Verifies a note by a key of the log and reads its checkpoint.
    /// - Throws: as ``init(verifying:by:)-(SignedNote,[NoteVerifier])``.
    public init(verifying note: SignedNote, by verifier: NoteVerifier) throws(LogError) {
        try self.init(verifying: note, by: [verifier])
    }

    /// Verifies a note by the keys of the log, of which one must have signed, and reads its checkpoint.
    /// - Throws: ``LogError/signatureInvalid``, ``LogError/signerUnknown``, ``LogError/checkpointMalformed``,
    ///   and ``LogError/originMismatch`` unless the origin is the name of a key that signed.
    public init(verifying note: SignedNote, by verifiers: [NoteVerifier]) throws(LogError) {
        let signers = try note.verify(by: verifiers.filter { $0.kind == .log })
        try self.init(parsing: note.text)
        let origin = origin
        guard signers.contains(where: { $0.name == origin }) else { throw .originMismatch }
    }

    /// The three lines that are signed, each with its newline.
    public var text: String { "\(origin)\n\(size)\n\(Base64.encode(root))\n" }
}

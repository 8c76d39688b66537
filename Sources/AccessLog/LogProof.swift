// A proof of one entry that can be checked offline (C2SP tlog-proof v1): position, sibling hashes, signed
// checkpoint.

import ContactModel
import StrictEncoding

/// A proof that an entry stands in the log.
public struct LogProofFile: Sendable, Equatable {
    /// Position of the entry, from 0.
    public let index: UInt64
    /// Inclusion proof, from the leaf's sibling to the root's child; 32 bytes each.
    public let hashes: [[UInt8]]
    /// The checkpoint as the log signed it.
    public let note: SignedNote
    /// Data beside the proof, such as the entry itself. Not authenticated: only its leaf hash may be
    /// compared.
    public let extra: [UInt8]?

    /// A proof file.
    /// - Throws: ``LogError/proofFileMalformed`` for hashes of another length, an index beyond
    ///   ``MerkleTree/maximumSize``, empty extra data, or a whole longer than `Limits.proofFileBytes`.
    public init(index: UInt64, hashes: [[UInt8]], note: SignedNote, extra: [UInt8]? = nil) throws(LogError) {
        self.index = index
        self.hashes = hashes
        self.note = note
        self.extra = extra
        guard index < MerkleTree.maximumSize, hashes.count <= Self.maximumHashes,
            hashes.allSatisfy({ $0.count == MerkleTree.hashBytes }), extra?.isEmpty != true,
            text.utf8.count <= Limits.proofFileBytes
        else { throw .proofFileMalformed }
    }

    /// Parses a proof file, byte for byte.
    /// - Throws: ``LogError/proofFileMalformed``, ``LogError/noteMalformed``.
    public init(parsing bytes: [UInt8]) throws(LogError) {
        guard bytes.count <= Limits.proofFileBytes else { throw .proofFileMalformed }
        let newline = UInt8(ascii: "\n")
        guard
            let blank = bytes.indices.dropFirst().first(where: {
                bytes[$0] == newline && bytes[$0 - 1] == newline
            }),
            let head = String(validating: bytes[..<(blank - 1)], as: UTF8.self)
        else { throw .proofFileMalformed }
        var lines = head.utf8.split(separator: newline, omittingEmptySubsequences: false)[...]
        guard lines.popFirst()?.elementsEqual(Self.firstLine.utf8) == true else { throw .proofFileMalformed }
        var extra: [UInt8]?
        if let encoded = lines.first.flatMap({ Self.value(of: "extra ", in: $0) }) {
            extra = Base64.decode(encoded)
            if extra == nil { throw .proofFileMalformed }
            lines.removeFirst()
        }
        guard let position = lines.popFirst().flatMap({ Self.value(of: "index ", in: $0) }),
            let index = UInt64(position), lines.count <= Self.maximumHashes
        else { throw .proofFileMalformed }
        var hashes: [[UInt8]] = []
        for line in lines {
            guard let hash = Base64.decode(Substring(line)) else { throw .proofFileMalformed }
            hashes.append(hash)
        }
        let note = try SignedNote(parsing: Array(bytes[(blank + 1)...]))
        try self.init(index: index, hashes: hashes, note: note, extra: extra)
        // Leading zeros of the index, and whatever else has a second spelling.
        guard text.utf8.elementsEqual(bytes) else { throw .proofFileMalformed }
    }

    /// The file's content.
    public var text: String {
        let extraLine = extra.map { "extra \(Base64.encode($0))\n" } ?? ""
        let hashLines = hashes.map { Base64.encode($0) + "\n" }.joined()
        return "\(Self.firstLine)\n\(extraLine)index \(index)\n\(hashLines)\n\(note.serialized)"
    }

    /// Verifies that the log whose key this is has the entry with this leaf hash at ``index``.
    /// - Returns: the checkpoint that the proof leads to.
    /// - Throws: as ``Checkpoint/init(verifying:by:)`` and
    ///   ``MerkleProof/verifyInclusion(leafHash:index:size:proof:root:)``.
    @discardableResult
    public func verify(leafHash: [UInt8], by verifier: NoteVerifier) throws(LogError) -> Checkpoint {
        try verify(leafHash: leafHash, by: LogTrustPolicy(logs: [verifier]))
    }

    /// Verifies that the log whom a policy trusts has the entry with this leaf hash at ``index``.
    /// - Returns: the checkpoint that the proof leads to.
    /// - Throws: as ``LogTrustPolicy/verify(_:)`` and ``MerkleProof/verifyInclusion(leafHash:index:size:proof:root:)``.
    @discardableResult
    public func verify(leafHash: [UInt8], by policy: LogTrustPolicy) throws(LogError) -> Checkpoint {
        let checkpoint = try policy.verify(note)
        try MerkleProof.verifyInclusion(
            leafHash: leafHash, index: index, size: checkpoint.size, proof: hashes, root: checkpoint.root)
        return checkpoint
    }

    private static let firstLine = "c2sp.org/tlog-proof@v1"

    /// Siblings in a tree of ``MerkleTree/maximumSize`` leaves.
    private static let maximumHashes = 63

    private static func value(of key: String, in line: Substring.UTF8View) -> String? {
        line.starts(with: key.utf8) ? String(line.dropFirst(key.utf8.count)) : nil
    }
}

// A proof that a run of entries stands in a signed log, for those who have the entries.
//
// The right edge of the tree before the first entry, and the consistency proof from the end of the run to the checkpoint:
// whoever has the entries appends them to the edge, gets the root of the log as it was after the last of them, and sees that
// the checkpoint goes on from there. No format of the field has this; both halves are RFC 6962's.

import StrictEncoding

/// A proof of the entries `first ..< end` of a log.
public struct RangeProof: Equatable, Sendable {
    /// Index of the first entry.
    public let first: UInt64
    /// One after the index of the last.
    public let end: UInt64
    /// The right edge of the tree of ``first`` leaves.
    public let edge: Frontier
    /// RFC 6962 consistency proof from ``end`` to the size of the checkpoint.
    public let consistency: [[UInt8]]

    private static let firstLine = "contact-vault range proof v1"
    private static let maximumBytes = 16 * 1024

    /// A proof.
    /// - Throws: ``LogError/proofFileMalformed`` unless `first` ≤ `end` and the edge has the size of `first`.
    public init(first: UInt64, end: UInt64, edge: Frontier, consistency: [[UInt8]]) throws(LogError) {
        guard first <= end, end <= MerkleTree.maximumSize, edge.size == first, consistency.count <= 128,
            consistency.allSatisfy({ $0.count == MerkleTree.hashBytes })
        else { throw .proofFileMalformed }
        self.first = first
        self.end = end
        self.edge = edge
        self.consistency = consistency
    }

    /// Parses the file, byte for byte.
    /// - Throws: ``LogError/proofFileMalformed``.
    public init(parsing bytes: [UInt8]) throws(LogError) {
        guard bytes.count <= Self.maximumBytes, let text = String(validating: bytes, as: UTF8.self) else {
            throw .proofFileMalformed
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 5, lines[0] == Self.firstLine, lines[1].hasPrefix("first "),
            lines[2].hasPrefix("end "), let first = UInt64(lines[1].dropFirst(6)),
            let end = UInt64(lines[2].dropFirst(4)),
            let blank = lines.dropFirst(3).firstIndex(of: ""), lines.last == ""
        else { throw .proofFileMalformed }
        func hashes(_ lines: ArraySlice<String>) throws(LogError) -> [[UInt8]] {
            var hashes: [[UInt8]] = []
            for line in lines {
                guard let hash = Base64.decode(line) else { throw .proofFileMalformed }
                hashes.append(hash)
            }
            return hashes
        }
        let edge = try hashes(lines[3..<blank])
        guard let frontier = Frontier(size: first, bytes: edge.flatMap(\.self)),
            edge.allSatisfy({ $0.count == MerkleTree.hashBytes }), blank + 1 <= lines.count - 1
        else { throw .proofFileMalformed }
        try self.init(
            first: first, end: end, edge: frontier,
            consistency: try hashes(lines[(blank + 1)..<(lines.count - 1)]))
        // Leading zeros and whatever else has a second spelling.
        guard self.text.utf8.elementsEqual(bytes) else { throw .proofFileMalformed }
    }

    /// The file's content.
    public var text: String {
        let edge = stride(from: 0, to: edge.bytes.count, by: MerkleTree.hashBytes).map {
            Base64.encode(self.edge.bytes[$0..<$0 + MerkleTree.hashBytes]) + "\n"
        }
        return "\(Self.firstLine)\nfirst \(first)\nend \(end)\n\(edge.joined())\n"
            + consistency.map { Base64.encode($0) + "\n" }.joined()
    }

    /// Verifies that a checkpoint goes on from the tree in which the entries stand.
    /// - Parameters:
    ///   - root: root of the tree after the entries were appended to ``edge``.
    ///   - checkpoint: signed by the log.
    /// - Throws: as ``MerkleProof/verifyConsistency(from:to:oldRoot:newRoot:proof:)``.
    public func verify(root: [UInt8], against checkpoint: Checkpoint) throws(LogError) {
        try MerkleProof.verifyConsistency(
            from: end, to: checkpoint.size, oldRoot: root, newRoot: checkpoint.root, proof: consistency)
    }
}

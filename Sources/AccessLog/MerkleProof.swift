// Inclusion and consistency proofs (RFC 6962 §2.1.1, §2.1.2; verification RFC 9162 §2.1.3.2, §2.1.4.2).
//
// A verifier computes from position and sizes how many hashes the proof must have, and refuses any other
// number before it hashes: a proof with hashes to spare is how two readings of one proof come about.

/// Where hashes of a tree come from when proofs are made: stored tiles, and the leaves that no tile has yet.
public protocol HashSource {
    /// Hashes of one level, in order: hash *i* of level *l* is the root over leaves `i × 256^l ..< (i + 1) ×
    /// 256^l`.
    ///
    /// Only hashes whose leaves all lie in the tree are asked for, at most 128 at once and never across the
    /// border of a tile.
    func hashes(level: UInt8, range: Range<UInt64>) throws -> [[UInt8]]
}

/// Makes proofs and roots of any earlier size of a tree.
///
/// Cost: at most about 256 hashes read for each level of tiles, so a few hundred for a hundred million
/// entries.
public struct MerkleProver<Source: HashSource> {
    private let source: Source

    /// A prover over these hashes.
    public init(_ source: Source) { self.source = source }

    /// Root of the tree as it was with `size` leaves.
    /// - Throws: ``LogError/hashesIncomplete`` if the source is short, or what the source throws.
    public func root(size: UInt64) throws -> [UInt8] {
        guard size <= MerkleTree.maximumSize else { throw LogError.positionOutsideTree }
        return try root(of: 0..<size)
    }

    /// The right edge of the tree as it was with `size` leaves.
    /// - Throws: as ``root(size:)``.
    public func frontier(size: UInt64) throws -> Frontier {
        guard size <= MerkleTree.maximumSize else { throw LogError.positionOutsideTree }
        let edge = try subtrees(of: 0..<size).flatMap(\.self)
        guard let frontier = Frontier(size: size, bytes: edge) else { throw LogError.hashesIncomplete }
        return frontier
    }

    /// Proof that a leaf is in the tree of `size` leaves: sibling hashes, from the leaf's to the root's
    /// child.
    /// - Throws: ``LogError/positionOutsideTree`` unless `index` < `size`; else as ``root(size:)``.
    public func inclusion(of index: UInt64, in size: UInt64) throws -> [[UInt8]] {
        guard index < size, size <= MerkleTree.maximumSize else { throw LogError.positionOutsideTree }
        var proof: [[UInt8]] = []
        var range = 0..<size
        while range.count > 1 {
            let middle = range.lowerBound + MerkleTree.split(UInt64(range.count))
            if index < middle {
                proof.append(try root(of: middle..<range.upperBound))
                range = range.lowerBound..<middle
            } else {
                proof.append(try root(of: range.lowerBound..<middle))
                range = middle..<range.upperBound
            }
        }
        return proof.reversed()
    }

    /// Proof that the tree of `newSize` leaves continues the tree of `oldSize`. Empty if the sizes are equal
    /// or the old tree is empty.
    /// - Throws: ``LogError/positionOutsideTree`` unless `oldSize` ≤ `newSize`; else as ``root(size:)``.
    public func consistency(from oldSize: UInt64, to newSize: UInt64) throws -> [[UInt8]] {
        guard oldSize <= newSize, newSize <= MerkleTree.maximumSize else {
            throw LogError.positionOutsideTree
        }
        guard oldSize > 0, oldSize < newSize else { return [] }
        var proof: [[UInt8]] = []
        var range = 0..<newSize
        while range.upperBound != oldSize {
            let middle = range.lowerBound + MerkleTree.split(UInt64(range.count))
            if oldSize <= middle {
                proof.append(try root(of: middle..<range.upperBound))
                range = range.lowerBound..<middle
            } else {
                proof.append(try root(of: range.lowerBound..<middle))
                range = middle..<range.upperBound
            }
        }
        // If nothing was split off on the left, this subtree is the whole old tree, whose root the verifier
        // has.
        if range.lowerBound > 0 { proof.append(try root(of: range)) }
        return proof.reversed()
    }

    /// Root over leaves that begin where a perfect subtree of at least their number would begin.
    private func root(of leaves: Range<UInt64>) throws -> [UInt8] {
        MerkleTree.join(try subtrees(of: leaves))
    }

    /// Roots of the perfect subtrees over such leaves, largest first.
    private func subtrees(of leaves: Range<UInt64>) throws -> [[UInt8]] {
        var subtrees: [[UInt8]] = []
        var start = leaves.lowerBound
        while start < leaves.upperBound {
            let height = UInt64(63 - (leaves.upperBound - start).leadingZeroBitCount)
            subtrees.append(try perfectRoot(start: start, height: height))
            start += 1 << height
        }
        return subtrees
    }

    private func perfectRoot(start: UInt64, height: UInt64) throws -> [UInt8] {
        let level = height / 8
        let first = start >> (8 * level)
        let count = 1 << Int(height % 8)
        let hashes = try source.hashes(level: UInt8(level), range: first..<first + UInt64(count))
        guard hashes.count == count, hashes.allSatisfy({ $0.count == MerkleTree.hashBytes }) else {
            throw LogError.hashesIncomplete
        }
        return MerkleTree.foldPerfect(hashes)
    }
}

/// Verifies proofs.
public enum MerkleProof {
    /// Verifies that a leaf stands at `index` in the tree of `size` leaves with this root.
    /// - Throws: ``LogError/positionOutsideTree``, ``LogError/proofLength``, ``LogError/proofMismatch``.
    public static func verifyInclusion(
        leafHash: [UInt8], index: UInt64, size: UInt64, proof: [[UInt8]], root: [UInt8]
    ) throws(LogError) {
        guard index < size, size <= MerkleTree.maximumSize else { throw .positionOutsideTree }
        let path = Path(index: index, size: size)
        guard proof.count == path.inner + path.border, areHashes(proof), areHashes([leafHash, root]) else {
            throw .proofLength
        }
        let node = climbBorder(climb(leafHash, proof[..<path.inner], index), proof[path.inner...])
        guard node == root else { throw .proofMismatch }
    }

    /// Verifies that the tree of `newSize` leaves with root `newRoot` continues the one of `oldSize` with
    /// `oldRoot`.
    ///
    /// From the empty tree the proof is empty and the old root must be ``MerkleTree/emptyRoot``; between
    /// equal sizes the proof is empty and the roots must be equal.
    /// - Throws: ``LogError/positionOutsideTree``, ``LogError/proofLength``, ``LogError/proofMismatch``.
    public static func verifyConsistency(
        from oldSize: UInt64, to newSize: UInt64, oldRoot: [UInt8], newRoot: [UInt8], proof: [[UInt8]]
    ) throws(LogError) {
        guard oldSize <= newSize, newSize <= MerkleTree.maximumSize else { throw .positionOutsideTree }
        guard areHashes(proof), areHashes([oldRoot, newRoot]) else { throw .proofLength }
        if oldSize == 0 || oldSize == newSize {
            guard proof.isEmpty else { throw .proofLength }
            guard oldSize > 0 || oldRoot == MerkleTree.emptyRoot, oldSize < newSize || oldRoot == newRoot
            else {
                throw .proofMismatch
            }
            return
        }
        // The path of the old tree's last leaf, begun at the greatest perfect subtree that ends with it.
        let path = Path(index: oldSize - 1, size: newSize)
        let height = oldSize.trailingZeroBitCount
        let inner = path.inner - height
        let isOldTreePerfect = oldSize.nonzeroBitCount == 1
        guard proof.count == inner + path.border + (isOldTreePerfect ? 0 : 1) else { throw .proofLength }
        let seed = isOldTreePerfect ? oldRoot : proof[0]
        let rest = isOldTreePerfect ? proof[...] : proof[1...]
        let innerHashes = rest.prefix(inner)
        let borderHashes = rest.dropFirst(inner)
        let position = (oldSize - 1) >> UInt64(height)
        let oldNode = climbBorder(climbLeftOnly(seed, innerHashes, position), borderHashes)
        let newNode = climbBorder(climb(seed, innerHashes, position), borderHashes)
        guard oldNode == oldRoot, newNode == newRoot else { throw .proofMismatch }
    }

    /// How many hashes of an inclusion proof lie below the point where the path meets the tree's right edge,
    /// and how many above, all of those to the left.
    private struct Path {
        let inner: Int
        let border: Int

        init(index: UInt64, size: UInt64) {
            inner = 64 - (index ^ (size - 1)).leadingZeroBitCount
            border = inner == 64 ? 0 : (index >> UInt64(inner)).nonzeroBitCount
        }
    }

    private static func areHashes(_ hashes: [[UInt8]]) -> Bool {
        hashes.allSatisfy { $0.count == MerkleTree.hashBytes }
    }

    /// Hashes upwards; the bits of the position say on which side each sibling stands.
    private static func climb(_ seed: [UInt8], _ siblings: ArraySlice<[UInt8]>, _ position: UInt64) -> [UInt8]
    {
        var node = seed
        for (height, sibling) in siblings.enumerated() {
            let isRightChild = position >> UInt64(height) & 1 == 1
            node = isRightChild ? MerkleTree.nodeHash(sibling, node) : MerkleTree.nodeHash(node, sibling)
        }
        return node
    }

    /// As ``climb(_:_:_:)``, without the siblings on the right: they are younger than the old tree.
    private static func climbLeftOnly(
        _ seed: [UInt8], _ siblings: ArraySlice<[UInt8]>, _ position: UInt64
    ) -> [UInt8] {
        var node = seed
        for (height, sibling) in siblings.enumerated() where position >> UInt64(height) & 1 == 1 {
            node = MerkleTree.nodeHash(sibling, node)
        }
        return node
    }

    private static func climbBorder(_ seed: [UInt8], _ siblings: ArraySlice<[UInt8]>) -> [UInt8] {
        var node = seed
        for sibling in siblings { node = MerkleTree.nodeHash(sibling, node) }
        return node
    }
}

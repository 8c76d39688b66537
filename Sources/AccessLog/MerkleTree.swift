// The Merkle tree of RFC 6962 §2.1 over SHA-256, and its right edge: all that appending needs to remember.

import VaultCrypto

/// Hashes of the tree.
public enum MerkleTree {
    /// Length of every hash in bytes.
    public static let hashBytes = SHA256.digestBytes

    /// Greatest tree size that is handled: what other implementations hold in a signed 64-bit integer.
    public static let maximumSize = UInt64(Int64.max)

    /// Root of the tree without leaves: SHA-256 of nothing.
    public static let emptyRoot = SHA256.hash([])

    /// Hash of one entry: SHA-256(00 ‖ entry). The first byte keeps an entry from passing for an inner node.
    public static func leafHash(_ entry: [UInt8]) -> [UInt8] { SHA256.hash(prefix: 0, entry, []) }

    /// Hash of an inner node: SHA-256(01 ‖ left ‖ right).
    public static func nodeHash(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        SHA256.hash(prefix: 1, left, right)
    }

    /// Root over the roots of adjacent perfect subtrees, largest first: RFC 6962 splits at the greatest power
    /// of two, so the smaller subtrees join first.
    static func join(_ subtrees: [[UInt8]]) -> [UInt8] {
        guard var root = subtrees.last else { return emptyRoot }
        for left in subtrees.dropLast().reversed() { root = nodeHash(left, root) }
        return root
    }

    /// Root over a power of two of hashes of one height.
    static func foldPerfect(_ hashes: [[UInt8]]) -> [UInt8] {
        var row = hashes
        while row.count > 1 {
            for index in 0..<row.count / 2 { row[index] = nodeHash(row[2 * index], row[2 * index + 1]) }
            row.removeLast(row.count / 2)
        }
        return row.first ?? emptyRoot
    }

    /// Greatest power of two below `count`, where RFC 6962 splits a tree.
    /// - Precondition: `count` ≥ 2.
    static func split(_ count: UInt64) -> UInt64 { 1 << UInt64(63 - (count - 1).leadingZeroBitCount) }
}

/// The right edge of a tree: the roots of its perfect subtrees, largest first.
///
/// A value: a batch appends to a copy and keeps it only after the commit. Appending hashes once per leaf on
/// average and at most once per level.
public struct Frontier: Sendable, Equatable {
    /// Number of leaves.
    public private(set) var size: UInt64
    private var subtrees: [[UInt8]]

    /// The empty tree.
    public init() {
        size = 0
        subtrees = []
    }

    /// A frontier from its stored form; `nil` unless `bytes` has exactly one hash for each one bit of `size`.
    ///
    /// The form proves nothing by itself: compare ``root`` with a root that is trusted.
    public init?(size: UInt64, bytes: [UInt8]) {
        guard size <= MerkleTree.maximumSize, bytes.count == size.nonzeroBitCount * MerkleTree.hashBytes
        else {
            return nil
        }
        self.size = size
        subtrees = stride(from: 0, to: bytes.count, by: MerkleTree.hashBytes).map {
            Array(bytes[$0..<$0 + MerkleTree.hashBytes])
        }
    }

    /// Appends a leaf.
    /// - Precondition: the hash has 32 bytes and the tree fewer than ``MerkleTree/maximumSize`` leaves.
    public mutating func append(leafHash: [UInt8]) {
        precondition(leafHash.count == MerkleTree.hashBytes && size < MerkleTree.maximumSize)
        var node = leafHash
        // Each trailing one bit of the size is a perfect subtree that the new leaf completes to the next
        // height.
        for _ in 0..<(~size).trailingZeroBitCount { node = MerkleTree.nodeHash(subtrees.removeLast(), node) }
        subtrees.append(node)
        size += 1
    }

    /// Hashes an entry and appends it.
    /// - Returns: the entry's leaf hash.
    @discardableResult
    public mutating func append(entry: [UInt8]) -> [UInt8] {
        let hash = MerkleTree.leafHash(entry)
        append(leafHash: hash)
        return hash
    }

    /// Root of the tree.
    public var root: [UInt8] { MerkleTree.join(subtrees) }

    /// The stored form: 32 bytes for each one bit of ``size``, largest subtree first.
    public var bytes: [UInt8] { subtrees.flatMap(\.self) }
}

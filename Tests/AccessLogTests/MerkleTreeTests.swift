// The tree: known answers, and agreement with the definition of RFC 6962 written down naively.

import AccessLog
import StrictEncoding
import Testing
import VaultCrypto

/// RFC 6962 §2.1, word for word: slow, and so plainly right.
enum NaiveTree {
    static func root(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
        switch leaves.count {
        case 0: SHA256.hash([])
        case 1: SHA256.hash([0] + leaves[leaves.startIndex])
        default:
            SHA256.hash(
                [1] + root(leaves.prefix(split(leaves.count))) + root(leaves.dropFirst(split(leaves.count))))
        }
    }

    static func path(_ index: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
        guard leaves.count > 1 else { return [] }
        let middle = split(leaves.count)
        return index < middle
            ? path(index, leaves.prefix(middle)) + [root(leaves.dropFirst(middle))]
            : path(index - middle, leaves.dropFirst(middle)) + [root(leaves.prefix(middle))]
    }

    static func consistency(_ old: Int, _ leaves: ArraySlice<[UInt8]>, isWhole: Bool = true) -> [[UInt8]] {
        if old == leaves.count { return isWhole ? [] : [root(leaves)] }
        let middle = split(leaves.count)
        return old <= middle
            ? consistency(old, leaves.prefix(middle), isWhole: isWhole) + [root(leaves.dropFirst(middle))]
            : consistency(old - middle, leaves.dropFirst(middle), isWhole: false) + [
                root(leaves.prefix(middle))
            ]
    }

    private static func split(_ count: Int) -> Int {
        var power = 1
        while power * 2 < count { power *= 2 }
        return power
    }
}

/// Tiles and leaf hashes in memory; refuses what a store would not have.
struct StoredHashes: HashSource {
    private(set) var levels: [[[UInt8]]] = [[]]
    private(set) var frontier = Frontier()

    mutating func append(leafHash: [UInt8]) throws {
        let before = frontier.size
        levels[0].append(leafHash)
        frontier.append(leafHash: leafHash)
        for tile in Tile.completed(growingFrom: before, to: frontier.size) {
            let level = Int(tile.level)
            if levels.count == level + 1 { levels.append([]) }
            try #require(levels[level + 1].count == Int(tile.index))
            levels[level + 1].append(
                try Tile.root(
                    of: Array(levels[level][Int(tile.hashes.lowerBound)..<Int(tile.hashes.upperBound)])))
        }
    }

    func hashes(level: UInt8, range: Range<UInt64>) throws -> [[UInt8]] {
        #expect(range.count <= 128 && range.lowerBound / 256 == (range.upperBound - 1) / 256)
        guard Int(level) < levels.count, range.upperBound <= levels[Int(level)].count else { return [] }
        return Array(levels[Int(level)][Int(range.lowerBound)..<Int(range.upperBound)])
    }
}

/// A tree of any size whose leaves are all alike: each level has one hash, so nothing need be stored.
struct UniformHashes: HashSource {
    private let perHeight: [[UInt8]]

    init(leafHash: [UInt8]) {
        var hashes = [leafHash]
        for _ in 0..<63 {
            hashes.append(MerkleTree.nodeHash(hashes[hashes.count - 1], hashes[hashes.count - 1]))
        }
        perHeight = hashes
    }

    func hashes(level: UInt8, range: Range<UInt64>) -> [[UInt8]] {
        Array(repeating: perHeight[8 * Int(level)], count: range.count)
    }
}

/// SplitMix64: repeatable from its seed.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A fresh seed, printed so that a failure can be repeated.
    static func printed(_ test: String) -> SeededNumbers {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of \(test): \(seed)")
        return SeededNumbers(seed: seed)
    }
}

@Suite("Merkle tree")
struct MerkleTreeTests {
    @Test("the empty tree has the root that RFC 6962 gives")
    func emptyRoot() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        #expect(Hex.encode(MerkleTree.emptyRoot) == expected)
        #expect(Frontier().root == MerkleTree.emptyRoot)
        #expect(Frontier().bytes.isEmpty)
    }

    @Test("known roots of zero to eight leaves come out of the frontier")
    func knownRoots() throws {
        try #require(MerkleFixture.leaves.count == 8 && MerkleFixture.roots.count == 9)
        var frontier = Frontier()
        #expect(frontier.root == MerkleFixture.roots[0])
        for (index, leaf) in MerkleFixture.leaves.enumerated() {
            #expect(frontier.append(entry: leaf) == MerkleTree.leafHash(leaf))
            #expect(frontier.size == UInt64(index + 1))
            #expect(frontier.root == MerkleFixture.roots[index + 1])
        }
    }

    @Test("frontier, prover and verifier agree with the naive definition at every size to 700")
    func agreesWithDefinition() throws {
        var numbers = SeededNumbers.printed("agreesWithDefinition")
        let leaves = (0..<700).map { _ in
            (0..<Int.random(in: 0...40, using: &numbers)).map { _ in
                UInt8.random(in: 0...255, using: &numbers)
            }
        }
        var stored = StoredHashes()
        var roots = [stored.frontier.root]
        for (offset, leaf) in leaves.enumerated() {
            try stored.append(leafHash: MerkleTree.leafHash(leaf))
            let size = offset + 1
            roots.append(stored.frontier.root)
            #expect(stored.frontier.bytes.count == 32 * size.nonzeroBitCount)
            #expect(Frontier(size: UInt64(size), bytes: stored.frontier.bytes) == stored.frontier)
        }
        let prover = MerkleProver(stored)
        var sizes = Array(0...20) + [31, 32, 33, 255, 256, 257, 511, 512, 513, 699, 700]
        sizes += (0..<30).map { _ in Int.random(in: 21...700, using: &numbers) }
        for size in sizes {
            let slice = leaves[..<size]
            #expect(roots[size] == NaiveTree.root(slice))
            #expect(try prover.root(size: UInt64(size)) == roots[size])
            guard size > 0 else { continue }
            for index in [0, size - 1, size / 2, Int.random(in: 0..<size, using: &numbers)] {
                let proof = try prover.inclusion(of: UInt64(index), in: UInt64(size))
                #expect(proof == NaiveTree.path(index, slice))
                try MerkleProof.verifyInclusion(
                    leafHash: MerkleTree.leafHash(leaves[index]), index: UInt64(index), size: UInt64(size),
                    proof: proof, root: roots[size])
            }
            for old in [1, size, (size + 1) / 2, Int.random(in: 1...size, using: &numbers)] {
                let proof = try prover.consistency(from: UInt64(old), to: UInt64(size))
                #expect(proof == NaiveTree.consistency(old, slice))
                try MerkleProof.verifyConsistency(
                    from: UInt64(old), to: UInt64(size), oldRoot: roots[old], newRoot: roots[size],
                    proof: proof)
            }
        }
    }

    @Test("every pair of sizes to 40 proves and verifies")
    func allSmallPairs() throws {
        var stored = StoredHashes()
        var roots = [stored.frontier.root]
        for number in 0..<40 {
            try stored.append(leafHash: MerkleTree.leafHash([UInt8(number)]))
            roots.append(stored.frontier.root)
        }
        let prover = MerkleProver(stored)
        for size in 0...40 {
            for other in 0...size {
                try MerkleProof.verifyConsistency(
                    from: UInt64(other), to: UInt64(size), oldRoot: roots[other], newRoot: roots[size],
                    proof: prover.consistency(from: UInt64(other), to: UInt64(size)))
                guard other < size else { continue }
                try MerkleProof.verifyInclusion(
                    leafHash: MerkleTree.leafHash([UInt8(other)]), index: UInt64(other), size: UInt64(size),
                    proof: prover.inclusion(of: UInt64(other), in: UInt64(size)), root: roots[size])
            }
        }
    }

    @Test("proofs hold across the borders of tiles of every level, to the greatest size")
    func tileBorders() throws {
        let leaf = MerkleTree.leafHash(Array("same".utf8))
        let prover = MerkleProver(UniformHashes(leafHash: leaf))
        var small = Frontier()
        for _ in 0..<65_537 { small.append(leafHash: leaf) }
        #expect(try prover.root(size: 65_537) == small.root)
        let border: [UInt64] = [
            1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, 1 << 24 - 1, 1 << 24, 1 << 24 + 1, 1 << 32 + 5,
            1 << 48 - 1, 1 << 56, 1 << 56 + 1, 1 << 62 + 12_345, MerkleTree.maximumSize,
        ]
        for size in border {
            let root = try prover.root(size: size)
            for index in border where index <= size {
                try MerkleProof.verifyInclusion(
                    leafHash: leaf, index: index - 1, size: size,
                    proof: prover.inclusion(of: index - 1, in: size), root: root)
                try MerkleProof.verifyConsistency(
                    from: index, to: size, oldRoot: prover.root(size: index), newRoot: root,
                    proof: prover.consistency(from: index, to: size))
            }
        }
    }

    @Test("a stored frontier of the wrong length is refused")
    func frontierLength() {
        #expect(Frontier(size: 3, bytes: [UInt8](repeating: 0, count: 64)) != nil)
        for count in [0, 32, 63, 65, 96] {
            #expect(Frontier(size: 3, bytes: [UInt8](repeating: 0, count: count)) == nil)
        }
        #expect(Frontier(size: UInt64.max, bytes: [UInt8](repeating: 0, count: 64 * 32)) == nil)
    }

    @Test("growing names each complete tile once, lower levels first")
    func completedTiles() {
        #expect(Tile.completed(growingFrom: 0, to: 255).isEmpty)
        #expect(Tile.completed(growingFrom: 255, to: 256) == [TileID(level: 0, index: 0)])
        #expect(Tile.completed(growingFrom: 256, to: 256).isEmpty)
        #expect(Tile.completed(growingFrom: 600, to: 256).isEmpty)
        #expect(
            Tile.completed(growingFrom: 65_000, to: 65_800) == [
                TileID(level: 0, index: 253), TileID(level: 0, index: 254), TileID(level: 0, index: 255),
                TileID(level: 0, index: 256), TileID(level: 1, index: 0),
            ])
        // C2SP tlog-tiles: a tree of 70,000 has 273 complete tiles at level 0 and one at level 1.
        let tiles = Tile.completed(growingFrom: 0, to: 70_000)
        #expect(tiles.count == 274 && tiles.sorted() == tiles)
    }

    @Test("a tile of another width, or with a hash of another length, has no root")
    func tileWidth() {
        let hash = [UInt8](repeating: 7, count: 32)
        for hashes in [
            [], Array(repeating: hash, count: 255), Array(repeating: hash, count: 257),
            Array(repeating: hash, count: 255) + [[1]],
        ] {
            #expect(throws: LogError.hashesIncomplete) { () throws in try Tile.root(of: hashes) }
        }
    }

    @Test("a source that is short or gives cut hashes fails the proof, it does not shorten it")
    func damagedSource() {
        struct Damaged: HashSource {
            let answer: [[UInt8]]
            func hashes(level: UInt8, range: Range<UInt64>) -> [[UInt8]] { answer }
        }
        for answer in [[], [[UInt8](repeating: 0, count: 31)]] {
            let prover = MerkleProver(Damaged(answer: answer))
            #expect(throws: LogError.hashesIncomplete) { () throws in try prover.inclusion(of: 0, in: 3) }
            #expect(throws: LogError.hashesIncomplete) { () throws in try prover.consistency(from: 1, to: 3) }
        }
        let prover = MerkleProver(Damaged(answer: []))
        #expect(throws: LogError.positionOutsideTree) { () throws in try prover.inclusion(of: 3, in: 3) }
        #expect(throws: LogError.positionOutsideTree) { () throws in try prover.consistency(from: 4, to: 3) }
        #expect(throws: LogError.positionOutsideTree) { () throws in try prover.root(size: UInt64.max) }
    }
}

// Tiles: the tree stored in rows of 256 hashes (C2SP tlog-tiles), so that a proof reads a few rows and no
// entries.

/// Names one tile: the hashes `256 × index ..< 256 × (index + 1)` of a level.
///
/// Hash *i* of level *l* is the root over the leaves `i × 256^l ..< (i + 1) × 256^l`; level 0 has the leaf
/// hashes.
public struct TileID: Hashable, Comparable, Sendable {
    /// Level, 0…7.
    public let level: UInt8
    /// Place in the level, from 0.
    public let index: UInt64

    /// A tile's name.
    public init(level: UInt8, index: UInt64) {
        self.level = level
        self.index = index
    }

    /// The hashes that a complete tile holds, as positions in its level.
    public var hashes: Range<UInt64> { index * UInt64(Tile.width)..<(index + 1) * UInt64(Tile.width) }

    /// By level, then by place: the order in which tiles can be made.
    public static func < (left: TileID, right: TileID) -> Bool {
        (left.level, left.index) < (right.level, right.index)
    }
}

/// A tile as a monitor asks for it: complete, or the first hashes of one that is not complete yet.
///
/// Its path is that of C2SP tlog-tiles: `tile/<level>/<index>[.p/<width>]`, the index in groups of three digits of which all but
/// the last begin with `x`.
public struct TilePath: Hashable, Sendable {
    /// The tile.
    public let tile: TileID
    /// Hashes in it, 1…256.
    public let width: Int

    /// A tile of this width.
    public init(tile: TileID, width: Int) {
        self.tile = tile
        self.width = width
    }

    /// Parses what follows `tile/`; `nil` for any other spelling.
    public init?(_ path: some StringProtocol) {
        var parts = String(path).split(separator: "/" as Character, omittingEmptySubsequences: false).map(
            String.init)
        guard parts.count >= 2, let level = UInt8(parts[0]), level < Tile.levels else { return nil }
        parts.removeFirst()
        var width = Tile.width
        if parts.count >= 2, parts[parts.count - 2].hasSuffix(".p") {
            guard let partial = Int(parts.removeLast()), (1..<Tile.width).contains(partial) else {
                return nil
            }
            width = partial
            parts[parts.count - 1].removeLast(2)
        }
        var index: UInt64 = 0
        for (place, part) in parts.enumerated() {
            let digits = place < parts.count - 1 ? part.dropFirst() : part[...]
            guard place == parts.count - 1 || part.hasPrefix("x"), digits.utf8.count == 3,
                let group = UInt64(digits), index < UInt64(1) << 50
            else { return nil }
            index = index * 1000 + group
        }
        // No tree has so many, and the positions of its hashes would not fit.
        guard index < MerkleTree.maximumSize / UInt64(Tile.width) else { return nil }
        self.init(tile: TileID(level: level, index: index), width: width)
        // Leading groups of zeros, signs and leading zeros of numbers.
        guard text == String(path) else { return nil }
    }

    /// What follows `tile/`.
    public var text: String {
        var groups: [String] = []
        var rest = tile.index
        repeat {
            let digits = String(rest % 1000)
            let group = String(repeating: "0", count: 3 - digits.count) + digits
            groups.insert(groups.isEmpty ? group : "x" + group, at: 0)
            rest /= 1000
        } while rest > 0
        let path = "\(tile.level)/" + groups.joined(separator: "/")
        return width == Tile.width ? path : path + ".p/\(width)"
    }
}

/// What is the same for every tile.
public enum Tile {
    /// Hashes in a complete tile.
    public static let width = 256

    /// Levels that a tree of at most ``MerkleTree/maximumSize`` leaves has complete tiles in.
    static let levels: UInt8 = 7

    /// Root over a complete tile. It is hash `index` of the level above.
    /// - Throws: ``LogError/hashesIncomplete`` unless there are 256 hashes of 32 bytes.
    public static func root(of hashes: [[UInt8]]) throws(LogError) -> [UInt8] {
        guard hashes.count == width, hashes.allSatisfy({ $0.count == MerkleTree.hashBytes }) else {
            throw .hashesIncomplete
        }
        return MerkleTree.foldPerfect(hashes)
    }

    /// The tiles that become complete when a tree grows, lower levels first: a tile's root is wanted by the
    /// level above.
    /// - Parameters:
    ///   - oldSize: leaves before.
    ///   - newSize: leaves after; fewer than before gives none.
    public static func completed(growingFrom oldSize: UInt64, to newSize: UInt64) -> [TileID] {
        guard oldSize < newSize else { return [] }
        var tiles: [TileID] = []
        for level in 0..<levels {
            let shift = 8 * (UInt64(level) + 1)
            guard newSize >> shift > 0 else { break }
            tiles += (oldSize >> shift..<newSize >> shift).map { TileID(level: level, index: $0) }
        }
        return tiles
    }
}

// Recomputes the whole log from the store, with nothing but the log's public key. Needs no secret, so an operator can run
// it beside a serving vault, and an auditor on a copy.

public import AccessLog
import ContactModel

/// What a verified log is.
public struct VerifiedLog: Sendable {
    /// Entries that were read.
    public let size: UInt64
    /// The root over them, 32 bytes.
    public let root: [UInt8]
    /// Checkpoints whose signature and root were right.
    public let checkpoints: UInt64
    /// Tree size of the newest of them; nothing vouches yet for entries after it.
    public let signedSize: UInt64
}

/// A stored tile that is not what its leaves say.
public struct TileFault: Error, Sendable, CustomStringConvertible {
    /// The tile.
    public let tile: TileID

    /// A sentence for the operator.
    public var description: String {
        "the stored tile \(tile.index) of level \(tile.level) does not follow from the entries"
    }
}

/// Checks the log in a store.
public enum LogVerification {
    /// Reads every entry on one snapshot and checks: each entry's form and order, the tree, the stored frontier, every
    /// stored tile, and signature and root of every checkpoint. A log with entries and no checkpoint is a fault: a vault
    /// signs when it opens, so somebody took it away.
    /// - Parameters:
    ///   - pinned: a checkpoint that was kept elsewhere. Whoever holds the files can cut the log back to any checkpoint
    ///     in them; only one from elsewhere shows it.
    ///   - progress: called with the number of entries read, now and then.
    /// - Throws: `LogFault` or ``TileFault`` with the place of the first fault; `StoreError`.
    public static func run(
        _ store: any VaultStore, verifier: NoteVerifier, pinned: [UInt8]? = nil,
        progress: @escaping @Sendable (UInt64) -> Void = { _ in }
    ) async throws -> VerifiedLog {
        try await store.read { reader in
            let head = try reader.logHead()
            var audit = LogAudit()
            if let pinned { try audit.expect(note: pinned, by: verifier) }
            var tiles = TileCheck()
            var checkpoints: UInt64 = 0
            var signedSize: UInt64 = 0
            var next: UInt64 = 0
            let width = UInt64(Tile.width)
            while true {
                for checkpoint in try reader.checkpoints(next + 1...next + width) {
                    let signed: Checkpoint
                    do throws(LogFault) {
                        signed = try audit.expect(note: Array(checkpoint.note.utf8), by: verifier)
                    } catch {
                        // A note that does not verify has no size of its own: name the row it stands in.
                        guard case .checkpoint = error.check else { throw error }
                        throw LogFault(index: checkpoint.size, check: error.check)
                    }
                    guard signed.size == checkpoint.size, signed.root == checkpoint.root else {
                        throw LogFault(index: checkpoint.size, check: .root)
                    }
                    checkpoints += 1
                    signedSize = signed.size
                }
                let leaves = try reader.logLeaves(next..<next + width)
                for (offset, leaf) in leaves.enumerated() {
                    try audit.add(entry: leaf, index: next + UInt64(offset))
                }
                if leaves.count == Tile.width {
                    try tiles.check(leaves.map(MerkleTree.leafHash), at: next / width, in: reader)
                }
                next += UInt64(leaves.count)
                if next % (width * 64) == 0 { progress(next) }
                if leaves.count < Tile.width { break }
            }
            guard let frontier = Frontier(size: head.size, bytes: head.frontier) else {
                throw LogFault(index: head.size, check: .frontier)
            }
            // A checkpoint beyond the last entry means that entries are missing.
            if let last = try reader.latestCheckpoint(), last.size > next {
                throw LogFault(index: next, check: .size)
            }
            if head.size > 0, checkpoints == 0 { throw LogFault(index: next, check: .unsigned) }
            try audit.finish(size: head.size, root: frontier.root, storedFrontier: head.frontier)
            return VerifiedLog(
                size: head.size, root: frontier.root, checkpoints: checkpoints, signedSize: signedSize)
        }
    }
}

/// Compares stored tiles with the hashes that come by.
private struct TileCheck {
    /// Roots of the complete tiles below the present tile of each level from 1.
    private var open: [[[UInt8]]] = []

    mutating func check(_ hashes: [[UInt8]], at index: UInt64, in reader: any VaultReader) throws {
        var level: UInt8 = 0
        var index = index
        var hashes = hashes
        while true {
            let root = try Tile.root(of: hashes)
            guard let stored = try reader.tiles(level: level, index..<index + 1).first,
                stored.hashes == hashes.flatMap(\.self), stored.root == root
            else { throw TileFault(tile: TileID(level: level, index: index)) }
            if open.count <= Int(level) { open.append([]) }
            open[Int(level)].append(root)
            guard open[Int(level)].count == Tile.width else { return }
            hashes = open[Int(level)]
            open[Int(level)] = []
            level += 1
            index /= UInt64(Tile.width)
        }
    }
}

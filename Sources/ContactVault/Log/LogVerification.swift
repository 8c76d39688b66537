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
    /// Entries that retention has removed. Their hashes stand in the tree; what they said is gone.
    public let removed: UInt64
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
    /// signs when it opens, so somebody took it away. A checkpoint by a key that is not trusted, such as one that is known to
    /// somebody by now, is no fault if a later one by a trusted key covers it.
    /// - Parameters:
    ///   - verifiers: keys of the log that are trusted.
    ///   - pinned: a checkpoint that was kept elsewhere. Whoever holds the files can cut the log back to any checkpoint
    ///     in them; only one from elsewhere shows it.
    ///   - progress: called with the number of entries read, now and then.
    /// - Throws: `LogFault` or ``TileFault`` with the place of the first fault; `StoreError`.
    public static func run(
        _ store: any VaultStore, by verifiers: [NoteVerifier], pinned: [UInt8]? = nil,
        progress: @escaping @Sendable (UInt64) -> Void = { _ in }
    ) async throws -> VerifiedLog {
        try await store.read { reader in
            let head = try reader.logHead()
            var audit = LogAudit()
            if let pinned { try audit.expect(note: pinned, by: verifiers) }
            var tiles = TileCheck()
            var signatures = SignatureCheck(verifiers: verifiers)
            let removed = try reader.firstLeaf()
            var next: UInt64 = 0
            let width = UInt64(Tile.width)
            while next < removed {
                try signatures.check(try reader.checkpoints(next + 1...next + width), &audit)
                let hashes = try StoredHashes(reader: reader).tile(0, next / width)
                for (offset, hash) in hashes.enumerated() {
                    try audit.add(removed: hash, index: next + UInt64(offset))
                }
                try tiles.check(hashes, at: next / width, in: reader)
                next += width
            }
            while true {
                try signatures.check(try reader.checkpoints(next + 1...next + width), &audit)
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
            if head.size > 0, signatures.count == 0 {
                throw signatures.untrusted ?? LogFault(index: next, check: .unsigned)
            }
            if let untrusted = signatures.untrusted { throw untrusted }
            try audit.finish(size: head.size, root: frontier.root, storedFrontier: head.frontier)
            return VerifiedLog(
                size: head.size, root: frontier.root, checkpoints: signatures.count,
                signedSize: signatures.size, removed: removed)
        }
    }
}

/// Checks the stored checkpoints that come by.
private struct SignatureCheck {
    let verifiers: [NoteVerifier]
    /// Checkpoints by trusted keys so far, and the size of the last of them.
    private(set) var count: UInt64 = 0
    private(set) var size: UInt64 = 0
    /// The first checkpoint by no trusted key that none covers yet.
    private(set) var untrusted: LogFault?

    init(verifiers: [NoteVerifier]) { self.verifiers = verifiers }

    mutating func check(_ stored: [StoredCheckpoint], _ audit: inout LogAudit) throws {
        for checkpoint in stored {
            let signed: Checkpoint
            do throws(LogFault) {
                signed = try audit.expect(note: Array(checkpoint.note.utf8), by: verifiers)
                count += 1
                size = signed.size
                untrusted = nil
            } catch {
                switch error.check {
                case .checkpoint(.signerUnknown):
                    untrusted = untrusted ?? LogFault(index: checkpoint.size, check: error.check)
                    continue
                // A note that does not verify has no size of its own: name the row it stands in.
                case .checkpoint: throw LogFault(index: checkpoint.size, check: error.check)
                default: throw error
                }
            }
            guard signed.size == checkpoint.size, signed.root == checkpoint.root else {
                throw LogFault(index: checkpoint.size, check: .root)
            }
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

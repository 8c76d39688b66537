// Turns the drafts of one transaction into one batch: entries, leaf hashes, new frontier, complete tiles.

package import AccessLog
package import ContactModel
package import EnvelopeEncryption
import StrictEncoding
import Synchronization
package import VaultCrypto

/// Collects the entries of one transaction.
///
/// Made at the beginning of a transaction from the head it read, finished at its end. Time never goes back from one
/// entry to the next: the log's clock is the store's, held at the last entry's time for small steps backwards.
package struct LogWriter {
    private let keyring: Keyring
    private let source: Reference
    private let random: any RandomSource
    private let first: UInt64
    private var frontier: Frontier
    private var leaves: [[UInt8]] = []
    private var leafHashes: [[UInt8]] = []
    private var disclosures: [(index: UInt64, value: StoredDisclosures)] = []
    private var sequences: [ContactID: EntrySequence]
    /// Time of every entry of this batch.
    let time: Timestamp

    /// Begins a batch.
    /// - Parameter contacts: every contact that an entry may be about.
    /// - Throws: ``VaultError/clockWentBack`` when the clock is further behind the last entry than
    ///   ``Limits/clockRegressionMilliseconds``: times in the log would be wrong, and with them hours and expiries.
    package init(
        _ transaction: any VaultTransaction, contacts: [ContactID], keyring: Keyring, source: Reference,
        random: any RandomSource
    ) throws {
        let head = try transaction.logHead()
        guard transaction.now.milliseconds >= head.lastTime.milliseconds - Limits.clockRegressionMilliseconds
        else {
            throw VaultError.clockWentBack
        }
        guard let frontier = Frontier(size: head.size, bytes: head.frontier) else {
            throw StoreError.corrupt("log_head")
        }
        self.keyring = keyring
        self.source = source
        self.random = BufferedRandom(random)
        self.frontier = frontier
        first = head.size
        time = max(transaction.now, head.lastTime)
        sequences = contacts.isEmpty ? [:] : try transaction.sequences(contacts)
    }

    /// Adds an entry; it is part of the log once the transaction has committed.
    @discardableResult
    package mutating func add(_ draft: EntryDraft) throws -> (receipt: EntryReceipt, id: EntryID) {
        let id = EntryID.make(time: time, random: try random.bytes(10))
        let index = frontier.size
        var entry = draft.entry(id: id, time: time, source: source)
        var parts = DisclosedParts(
            contact: draft.contact, caseReference: draft.caseReference, actor: draft.actor)
        let key: DisclosureKey
        var owner: ContactID?
        var previous: UInt64?
        // An erased contact has no key any more.
        let wrapped = draft.disclosureKey.flatMap { $0.isEmpty ? nil : $0 }
        if let contact = draft.contact, let wrapped, let own = try ownKey(of: contact, wrapped: wrapped) {
            let earlier = sequences[contact]
            let next = EntrySequence(count: (earlier?.count ?? 0) + 1, latest: index)
            sequences[contact] = next
            parts.sequence = next.count
            previous = earlier?.latest
            key = own
            owner = contact
        } else {
            key = keyring.generalDisclosureKey
            // Without its own key the entry has no sequence number, and says why.
            if wrapped != nil { entry.basis = "disclosure_key_unreadable" }
        }
        let disclosed = try parts.disclosures(random: random)
        if !disclosed.isEmpty {
            entry.disclosureDigests = disclosed.map(\.digest)
            let sealed = try key.seal(DisclosedParts.joined(disclosed), entry: id.bytes, random: random)
            disclosures.append(
                (index, StoredDisclosures(contact: owner, sealed: sealed, previous: previous)))
        }
        let leaf = try entry.encode()
        let hash = MerkleTree.leafHash(leaf)
        frontier.append(leafHash: hash)
        leaves.append(leaf)
        leafHashes.append(hash)
        return (EntryReceipt(index: index, leafHash: hash, time: time), id)
    }

    /// A contact's disclosure key; `nil` if it does not open: damage in one row must not keep an entry from being
    /// written.
    private func ownKey(of contact: ContactID, wrapped: [UInt8]) throws -> DisclosureKey? {
        do {
            return try keyring.disclosureKey(wrapped: wrapped, tenant: keyring.tenant, contact: contact)
        } catch EnvelopeError.unavailable {
            throw EnvelopeError.unavailable
        } catch {
            return nil
        }
    }

    /// Writes the batch. Nothing happens for a batch without entries.
    package func finish(_ transaction: any VaultTransaction) throws {
        guard !leaves.isEmpty else { return }
        let head = LogHead(size: frontier.size, frontier: frontier.bytes, lastTime: time)
        try transaction.append(
            LogBatch(
                first: first, leaves: leaves, disclosures: disclosures,
                tiles: try completedTiles(transaction),
                head: head))
        if !sequences.isEmpty { try transaction.putSequences(sequences) }
    }

    /// Forgets a contact that was erased in this transaction: what this batch would disclose of it, nobody could open.
    mutating func forget(_ contact: ContactID) {
        sequences[contact] = nil
        disclosures.removeAll { $0.value.contact == contact }
    }

    /// Tiles that this batch completes. The hashes a tile began with come back from the store: 256 entries share the
    /// cost of reading 255.
    private func completedTiles(_ transaction: any VaultTransaction) throws -> [StoredTile] {
        var tiles: [StoredTile] = []
        for id in Tile.completed(growingFrom: first, to: frontier.size) {
            let hashes =
                try id.level == 0 ? leafHashes(of: id, transaction) : roots(below: id, tiles, transaction)
            tiles.append(
                StoredTile(
                    level: id.level, index: id.index, hashes: hashes.flatMap(\.self),
                    root: try Tile.root(of: hashes)))
        }
        return tiles
    }

    private func leafHashes(of tile: TileID, _ transaction: any VaultTransaction) throws -> [[UInt8]] {
        let range = tile.hashes
        let stored = range.lowerBound..<max(range.lowerBound, min(first, range.upperBound))
        let earlier = stored.isEmpty ? [] : try transaction.logLeaves(stored).map(MerkleTree.leafHash)
        guard earlier.count == stored.count else { throw StoreError.corrupt("log_entries") }
        let fresh = Int(max(first, range.lowerBound) - first)..<Int(range.upperBound - first)
        return earlier + leafHashes[fresh]
    }

    private func roots(
        below tile: TileID, _ fresh: [StoredTile], _ transaction: any VaultTransaction
    ) throws -> [[UInt8]] {
        let below = tile.level - 1
        var roots = try transaction.tiles(level: below, tile.hashes).map(\.root)
        roots += fresh.filter { $0.level == below && tile.hashes.contains($0.index) }.map(\.root)
        guard roots.count == Tile.width else { throw StoreError.corrupt("log_tiles") }
        return roots
    }
}

/// Draws public random bytes by the kilobyte: an entry needs three small draws, and each is a lock in OpenSSL. Made for one
/// transaction and thrown away with it; bytes are given out once.
private final class BufferedRandom: RandomSource {
    private static let drawn = 1024

    private let source: any RandomSource
    private let buffer = Mutex<ArraySlice<UInt8>>([])

    init(_ source: any RandomSource) { self.source = source }

    func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        guard count <= Self.drawn / 4 else { return try source.bytes(count) }
        let taken = buffer.withLock { buffer -> [UInt8]? in
            guard buffer.count >= count else { return nil }
            defer { buffer = buffer.dropFirst(count) }
            return Array(buffer.prefix(count))
        }
        if let taken { return taken }
        let fresh = try source.bytes(Self.drawn)
        buffer.withLock { $0 = fresh[count...] }
        return Array(fresh[..<count])
    }

    func secret(_ count: Int) throws(CryptoError) -> SecretBytes { try source.secret(count) }
}

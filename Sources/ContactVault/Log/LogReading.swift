// The log for its readers: entries with what they disclose, proofs, and the check of everything that is stored.

public import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption

/// An entry as its reader sees it.
public struct LoggedEntry: Sendable {
    /// Its position.
    public let index: UInt64
    /// The facts of the leaf.
    public let entry: LogEntry
    /// The personal parts; `nil` where they are gone or there were none.
    public let disclosed: DisclosedParts?
}

extension Vault {
    /// Entries of a range with their personal parts. Reading the log is an access, so it has an entry of its own.
    /// - Parameter range: positions; it is cut to what the log holds and to 1,000 entries. Entries outside the time
    ///   range of the caller's token are left out.
    public func entries(
        _ range: Range<UInt64>, as caller: Caller, requestID: Reference
    ) async throws -> [LoggedEntry] {
        // Positions come from outside: nothing here may overflow on the largest.
        let asked = range.lowerBound..<range.lowerBound + min(range.upperBound - range.lowerBound, 1000)
        let receipt = try await manage(
            .logRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in _ = try access.accessLog(.read) },
            { transaction in
                .done(
                    try transaction.log(.logRead, about: nil) { draft in
                        draft.count = UInt64(asked.count)
                    })
            })
        let cut = asked.lowerBound..<max(asked.lowerBound, min(asked.upperBound, receipt.index))
        return try await opened(cut).filter { caller.readableTime.contains($0.entry.time) }
    }

    /// Entries of a range with their personal parts, for operations that have an entry of their own.
    /// - Parameter fits: whether an entry is wanted, by its leaf; the others are left out unopened.
    func opened(
        _ cut: Range<UInt64>, where fits: (LogEntry) -> Bool = { _ in true }
    ) async throws -> [LoggedEntry] {
        let leaves = try await reading { try $0.logLeaves(cut) }
        let wanted = try leaves.enumerated().compactMap { offset, leaf in
            let entry = try LogEntry(decoding: leaf)
            return fits(entry) ? (index: cut.lowerBound + UInt64(offset), entry: entry) : nil
        }
        guard !wanted.isEmpty else { return [] }
        let sealed = try await reading { try $0.disclosures(cut) }
        // The disclosure keys of the contacts that these entries are about.
        let contacts = Set(sealed.values.compactMap(\.contact))
        let keys = try await reading { reader in
            try reader.contacts(Array(contacts)).mapValues { $0.disclosureKey }
        }
        return wanted.map { index, entry in
            // What does not open any more is not shown; the entry is.
            let parts = sealed[index].flatMap { try? disclosed($0, entry: entry, keys: keys) }
            return LoggedEntry(index: index, entry: entry, disclosed: parts)
        }
    }

    private func disclosed(
        _ stored: StoredDisclosures, entry: LogEntry, keys: [ContactID: [UInt8]]
    ) throws -> DisclosedParts? {
        guard let key = try disclosureKey(of: stored, keys) else { return nil }
        return try DisclosedParts(
            verifying: key.open(stored.sealed, entry: entry.id.bytes), against: entry)
    }

    /// The key that opens the disclosures of an entry: the contact's own, or the general one; `nil` if the contact's is gone.
    func disclosureKey(of stored: StoredDisclosures, _ keys: [ContactID: [UInt8]]) throws -> DisclosureKey? {
        let keyring = state.keyring
        guard let contact = stored.contact else {
            return try keyring.generalDisclosureKey(version: DisclosureKey.version(of: stored.sealed))
        }
        guard let wrapped = keys[contact] else { return nil }
        return try keyring.disclosureKey(wrapped: wrapped, tenant: keyring.tenant, contact: contact)
    }

    /// The proof that an entry is in the log, under the newest checkpoint (C2SP tlog-proof).
    /// - Returns: the proof file and the leaf's bytes.
    /// - Throws: ``VaultError/notFound`` for an entry that no checkpoint covers yet.
    public func proof(
        of index: UInt64, as caller: Caller, requestID: Reference
    ) async throws -> (proof: LogProofFile, leaf: [UInt8]) {
        // One that witnesses have seen says more, if it reaches so far.
        let witnessed = latestWitnessedCheckpoint.flatMap { index < $0.size ? $0 : nil }
        guard let checkpoint = witnessed ?? latestCheckpoint, index < checkpoint.size else {
            throw VaultError.notFound
        }
        _ = try await manage(
            .logProve, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in _ = try access.accessLog(.prove) },
            { transaction -> ManagedOutcome<EntryReceipt> in
                guard index >= (try transaction.store.firstLeaf()) else {
                    return .failed(.notFound, "not_found")
                }
                let leaf = try transaction.store.logLeaf(index)
                guard caller.readableTime.contains(try LogEntry(decoding: leaf).time) else {
                    return .refused(.insufficientScope)
                }
                return .done(try transaction.log(.logProve, about: nil))
            })
        return try await reading { reader in
            let hashes = try MerkleProver(StoredHashes(reader: reader)).inclusion(
                of: index, in: checkpoint.size)
            let leaf = try reader.logLeaf(index)
            let note = try SignedNote(parsing: Array(checkpoint.note.utf8))
            return (try LogProofFile(index: index, hashes: hashes, note: note), leaf)
        }
    }

    /// Proof that the log of one size is the beginning of the log of another, both at most the newest checkpoint's.
    /// - Throws: ``VaultError/notFound`` for sizes outside.
    public func consistencyProof(from old: UInt64, to new: UInt64) async throws -> [[UInt8]] {
        guard let checkpoint = latestCheckpoint, old <= new, new <= checkpoint.size else {
            throw VaultError.notFound
        }
        return try await reading { reader in
            try MerkleProver(StoredHashes(reader: reader)).consistency(from: old, to: new)
        }
    }

    /// The hashes of a tile of the signed log, 32 bytes each, one after the other.
    /// - Throws: ``VaultError/notFound`` if the newest checkpoint does not reach so far.
    public func tile(_ path: TilePath) async throws -> [UInt8] {
        let complete = (latestCheckpoint?.size ?? 0) >> (8 * UInt64(path.tile.level))
        guard path.tile.level < 8, path.tile.index <= complete / UInt64(Tile.width),
            (1...Tile.width).contains(path.width)
        else { throw VaultError.notFound }
        let first = path.tile.hashes.lowerBound
        guard first + UInt64(path.width) <= complete else { throw VaultError.notFound }
        return try await reading { reader in
            let source = StoredHashes(reader: reader)
            let width = UInt64(path.width)
            // No more than half a tile at once, as every source is asked.
            let half = min(width, UInt64(Tile.width / 2))
            var hashes = try source.hashes(level: path.tile.level, range: first..<first + half)
            if width > half {
                hashes += try source.hashes(level: path.tile.level, range: first + half..<first + width)
            }
            guard hashes.count == path.width else { throw StoreError.corrupt("log_tiles") }
            return hashes.flatMap(\.self)
        }
    }

    /// Number of entries at present.
    public func logSize() async throws -> UInt64 { try await reading { try $0.logHead().size } }

    /// Number of contacts at present.
    public func contactCount() async throws -> UInt64 { try await reading { try $0.contactCount() } }

    func reading<Value: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Value
    ) async throws -> Value {
        do { return try await store.read(body) } catch { throw VaultError(storing: error) }
    }
}

extension VaultReader {
    /// The leaf of an entry that must be there.
    fileprivate func logLeaf(_ index: UInt64) throws -> [UInt8] {
        guard let leaf = try logLeaves(index..<index + 1).first else {
            throw StoreError.corrupt("log_entries")
        }
        return leaf
    }
}

/// Hashes for proofs, from complete tiles and, right of them, from leaves and roots of smaller tiles: a proof costs a
/// number of reads that grows with the logarithm of the log.
package struct StoredHashes: HashSource {
    let reader: any VaultReader

    /// Hashes of what a store holds.
    package init(reader: any VaultReader) { self.reader = reader }

    /// The hashes of a complete tile.
    func tile(_ level: UInt8, _ index: UInt64) throws -> [[UInt8]] {
        guard let stored = try reader.tiles(level: level, index..<index + 1).first,
            stored.hashes.count == Tile.width * MerkleTree.hashBytes
        else { throw StoreError.corrupt("log_tiles") }
        return (0..<Tile.width).map {
            Array(stored.hashes[$0 * MerkleTree.hashBytes..<($0 + 1) * MerkleTree.hashBytes])
        }
    }

    package func hashes(level: UInt8, range: Range<UInt64>) throws -> [[UInt8]] {
        guard let first = range.first else { return [] }
        let width = UInt64(Tile.width)
        let tile = first / width
        if let stored = try reader.tiles(level: level, tile..<tile + 1).first {
            return try range.map { index in
                let offset = Int(index - tile * width) * MerkleTree.hashBytes
                guard offset + MerkleTree.hashBytes <= stored.hashes.count else {
                    throw LogError.hashesIncomplete
                }
                return Array(stored.hashes[offset..<offset + MerkleTree.hashBytes])
            }
        }
        if level == 0 { return try reader.logLeaves(range).map(MerkleTree.leafHash) }
        return try reader.tiles(level: level - 1, range).map(\.root)
    }
}

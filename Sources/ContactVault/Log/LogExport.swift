// An export of the log: one entry about it, one checkpoint, and pages of leaves with what may be disclosed of them.
//
// The files are put together by whoever asked: the vault keeps nothing for an export, so it needs no memory and no disk for
// one, and a reader that lost its connection goes on at the page that it has not got.

public import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption

/// What is to be exported.
public struct ExportRequest: Sendable {
    /// Entries of this time.
    public let time: TimeSpan
    /// Which personal parts.
    public let profile: ExportProfile
    /// The one contact whose parts are disclosed; `nil` for all. Required for ``ExportProfile/subject``.
    public let contact: ContactID?
    /// Size of the tree at an earlier export, from which consistency is to be shown.
    public let previousSize: UInt64?

    /// A request.
    public init(
        time: TimeSpan = TimeSpan(), profile: ExportProfile = .officer,
        contact: ContactID? = nil, previousSize: UInt64? = nil
    ) {
        self.time = time
        self.profile = profile
        self.contact = contact
        self.previousSize = previousSize
    }
}

/// An export that was begun: what of it is small.
public struct ExportPlan: Sendable {
    /// What was asked for.
    public let request: ExportRequest
    /// Origin of the log.
    public let origin: String
    /// The signed checkpoint.
    public let note: String
    /// The proof of the entries.
    public let proof: RangeProof
    /// The proof from the earlier export, if one was named.
    public let consistency: [[UInt8]]?
    /// Where the entry about this export stands.
    public let receipt: EntryReceipt
}

/// One entry of an export.
public struct ExportedEntry: Sendable {
    /// Its position.
    public let index: UInt64
    /// The exact bytes of the leaf.
    public let leaf: [UInt8]
    /// The disclosures that the profile allows, joined; `nil` if there are none or they are gone.
    public let disclosed: [UInt8]?
}

extension Vault {
    /// Begins an export: writes the entry about it, signs a checkpoint that covers everything asked for, and proves the range.
    ///
    /// The range has one entry more on each side, where there is one: it shows that nothing between was left out.
    /// What discloses personal parts of everybody, over more than ``Limits/bulkExportEntries`` entries, waits for a second person; it may
    /// then be begun once, and read until the approval expires.
    /// - Throws: ``VaultError/denied(_:)``; ``VaultError/conflict(_:)`` for a subject's export without a contact, or an
    ///   earlier size that this log never had.
    public func beginExport(
        _ request: ExportRequest, as caller: Caller, requestID: Reference
    ) async throws -> Approvable<ExportPlan> {
        let time = request.time.intersection(caller.readableTime)
        let bounded = ExportRequest(
            time: time, profile: request.profile, contact: request.contact, previousSize: request.previousSize
        )
        let concerned = request.contact.map { [$0] } ?? []
        let random = random
        let begun = try await manage(
            .logExport, as: caller, requestID: requestID, contacts: concerned,
            covers: { access throws(TokenError) in _ = try access.accessLog(.export) }
        ) { transaction -> ManagedOutcome<Approvable<EntryReceipt>> in
            guard request.profile != .subject || request.contact != nil else {
                return .failed(.conflict("export_of_nobody"), "export_of_nobody")
            }
            if let from = time.from, let to = time.to, from >= to {
                return .failed(.conflict("export_of_no_time"), "export_of_no_time")
            }
            if let previous = request.previousSize, previous > (try transaction.store.logHead().size) {
                return .failed(.conflict("size_unknown"), "size_unknown")
            }
            if let operation = try bounded.bulk(in: transaction.store),
                try !transaction.spendApproval(of: operation)
            {
                return .done(.waiting(try transaction.ask(for: operation, random: random)))
            }
            let about = try transaction.store.contacts(concerned).values.first
            return .done(
                .done(
                    try transaction.log(.logExport, about: about) { draft in
                        draft.basis = EntryCode(request.profile.rawValue)
                        draft.contact = draft.contact ?? request.contact
                    }))
        }
        let receipt: EntryReceipt
        switch begun {
        case .done(let entry): receipt = entry
        case .waiting(let approval): return .waiting(approval)
        }
        let checkpoint = try await witnessedHead()
        let origin = identity.logOrigin
        let (note, size) = (checkpoint.note, checkpoint.size)
        return try await reading { reader in
            var first = try time.from.map { try reader.firstEntry(at: $0, size: size) } ?? 0
            var end = try time.to.map { try reader.firstEntry(at: $0, size: size) } ?? size
            if time.from != nil, first > 0 { first -= 1 }
            // What retention has removed cannot be shown, and the entry about that says so.
            first = max(first, try reader.firstLeaf())
            if end < size { end += 1 }
            end = max(first, end)
            let prover = MerkleProver(StoredHashes(reader: reader))
            return .done(
                ExportPlan(
                    request: bounded, origin: origin, note: note,
                    proof: try RangeProof(
                        first: first, end: end, edge: try prover.frontier(size: first),
                        consistency: try prover.consistency(from: end, to: size)),
                    consistency: try request.previousSize.map { try prover.consistency(from: $0, to: size) },
                    receipt: receipt))
        }
    }

    /// A page of an export that was begun.
    /// - Parameters:
    ///   - range: positions; cut to 1,000 entries and to what is signed.
    ///   - caller: on whose word. Each page is an access and has an entry, with the number of entries that were asked for.
    public func exportedEntries(
        _ range: Range<UInt64>, of request: ExportRequest, as caller: Caller, requestID: Reference
    ) async throws -> [ExportedEntry] {
        let asked = UInt64(min(range.count, 1000))
        let concerned = request.contact.map { [$0] } ?? []
        try await manage(
            .logExport, as: caller, requestID: requestID, contacts: concerned,
            covers: { access throws(TokenError) in _ = try access.accessLog(.export) }
        ) { transaction -> ManagedOutcome<Void> in
            guard request.profile != .subject || request.contact != nil else {
                return .failed(.conflict("export_of_nobody"), "export_of_nobody")
            }
            let bounded = ExportRequest(
                time: request.time.intersection(caller.readableTime), profile: request.profile,
                contact: request.contact)
            if let operation = try bounded.bulk(in: transaction.store, before: range.upperBound),
                try !transaction.hasBegun(operation)
            {
                return .failed(.conflict("export_not_approved"), "export_not_approved")
            }
            let about = try transaction.store.contacts(concerned).values.first
            try transaction.log(.logExport, about: about) { draft in
                draft.basis = EntryCode("page." + request.profile.rawValue)
                draft.contact = draft.contact ?? request.contact
                draft.count = asked
            }
            return .done(())
        }
        let signed = latestCheckpoint?.size ?? 0
        let bounds = caller.readableTime
        let allowed = try await reading { reader in
            // One more on each side, as in the range of an export.
            let first = try bounds.from.map { try reader.firstEntry(at: $0, size: signed) } ?? 0
            let end = try bounds.to.map { try reader.firstEntry(at: $0, size: signed) } ?? signed
            return first - min(first, 1)..<max(first, min(end + 1, signed))
        }
        let cut = (min(range.lowerBound, signed)..<min(range.upperBound, signed, range.lowerBound + 1000))
            .clamped(to: allowed)
        let (leaves, sealed, keys) = try await reading { reader in
            let sealed = try reader.disclosures(cut)
            let contacts = Set(sealed.values.compactMap(\.contact))
            let keys = try reader.contacts(Array(contacts)).mapValues { $0.disclosureKey }
            return (try reader.logLeaves(cut), sealed, keys)
        }
        return try leaves.enumerated().map { offset, leaf in
            let index = cut.lowerBound + UInt64(offset)
            let (id, time) = try LogEntry.identity(of: leaf)
            var disclosed: [UInt8]?
            // A neighbour, outside the time that was asked for or that the token allows, is there as a leaf alone.
            if bounds.contains(time), request.time.contains(time), let stored = sealed[index] {
                disclosed = try? self.disclosed(stored, of: leaf, id, keys: keys, request)
            }
            return ExportedEntry(index: index, leaf: leaf, disclosed: disclosed)
        }
    }

    private func disclosed(
        _ stored: StoredDisclosures, of leaf: [UInt8], _ id: EntryID, keys: [ContactID: [UInt8]],
        _ request: ExportRequest
    ) throws -> [UInt8]? {
        guard let key = try disclosureKey(of: stored, keys) else { return nil }
        let joined = try key.open(stored.sealed, entry: id.bytes)
        // All of it, of everybody: what was sealed for this entry is given as it is. Whoever reads the export compares digests.
        if request.profile == .officer, request.contact == nil { return joined }
        let parts = try DisclosedParts(verifying: joined, against: LogEntry(decoding: leaf))
        if let contact = request.contact, parts.contact != contact { return nil }
        let allowed = try DisclosedParts.disclosures(in: joined).filter { request.profile.discloses($0.fact) }
        return allowed.isEmpty ? nil : DisclosedParts.joined(allowed)
    }
}

extension ExportRequest {
    /// What a second person has to approve; `nil` if one person may do it alone.
    /// - Parameter position: where a page of it ends: what was begun while the log was small may be read to its end.
    fileprivate func bulk(
        in store: any VaultReader, before position: UInt64 = .max
    ) throws -> ProtectedOperation? {
        guard contact == nil else { return nil }
        let size = min(try store.logHead().size, position)
        let first = try time.from.map { try store.firstEntry(at: $0, size: size) } ?? store.firstLeaf()
        let end = try time.to.map { try store.firstEntry(at: $0, size: size) } ?? size
        guard end > first, end - first > UInt64(Limits.bulkExportEntries) else { return nil }
        return .export(time, profile)
    }
}

extension ManagedTransaction {
    /// Whether who asks has begun this, by an approval that has not expired yet.
    fileprivate func hasBegun(_ operation: ProtectedOperation) throws -> Bool {
        let digest = operation.digest(requester: callerName)
        return try store.usedApprovals(of: digest).contains { $0.approver != nil && now < $0.expires }
    }
}

extension VaultReader {
    /// Index of the first entry at or after a moment, `size` if there is none. Times do not fall, so it is found by halving.
    func firstEntry(at moment: Timestamp, size: UInt64) throws -> UInt64 {
        var range = min(try firstLeaf(), size)..<size
        while !range.isEmpty {
            let middle = range.lowerBound + UInt64(range.count) / 2
            guard let leaf = try logLeaves(middle..<middle + 1).first else {
                throw StoreError.corrupt("log_entries")
            }
            if try LogEntry(decoding: leaf).time < moment {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return range.lowerBound
    }
}

// The check of an export with nothing but its files and a key that the auditor got elsewhere.

public import ContactModel
import StrictEncoding

/// The first fault of an export: which file, where in it, and what.
public struct ExportFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file.
    public let file: String
    /// Line from 1, or index of an entry; `nil` for the whole file.
    public let place: String?
    /// What is wrong.
    public let problem: String

    /// A fault.
    public init(_ file: String, _ place: String? = nil, _ problem: String) {
        self.file = file
        self.place = place
        self.problem = problem
    }

    /// One sentence for the auditor.
    public var description: String { "\(file)\(place.map { ", \($0)" } ?? ""): \(problem)" }
}

/// Reads an export in order, in memory that does not grow with it: manifest, checkpoint, proof, then entries and
/// disclosures side by side.
public struct ExportAudit: Sendable {
    /// The manifest.
    public let manifest: ExportManifest
    /// The signed checkpoint.
    public let checkpoint: Checkpoint
    private let proof: RangeProof
    private var audit: LogAudit
    private var next: UInt64
    private var disclosed: UInt64 = 0
    /// Sequence numbers of the one contact, or of each, that were disclosed: the last one seen.
    private var sequences: [ContactID: UInt64] = [:]
    /// Contacts with lines that have no sequence number: of a contact that is not stored there is none.
    private var unnumbered: Set<ContactID> = []
    /// Whether the last entry lies after the time that was asked for.
    private var endsAfter = false
    /// Why the first entry does not show that none before it is missing; an entry about their removal excuses it.
    private var missingBefore: ExportFault?
    private var isRemovalShown = false

    /// Of each contact that is shown with sequence numbers, the last of them.
    public var lastSequences: [ContactID: UInt64] { sequences }
    /// Whether entries before the first are gone by retention, as an entry of this export says.
    public var isPastRetention: Bool { missingBefore != nil && isRemovalShown }
    /// Contacts that are shown without: erased, or never stored here.
    public var contactsWithoutSequence: Int { unnumbered.count }

    /// Begins with what is small: the signature of the checkpoint, and that the proof is of the manifest's entries.
    /// - Parameters:
    ///   - policy: whom the auditor believes; never the `policy.txt` of the export itself.
    ///   - previous: the checkpoint of an earlier export that was kept; its `consistency` is checked then.
    /// - Throws: ``ExportFault``.
    public init(
        manifest bytes: [UInt8], checkpoint note: [UInt8], proof proofBytes: [UInt8], consistency: [UInt8]?,
        policy: LogTrustPolicy, previous: [UInt8]? = nil
    ) throws(ExportFault) {
        do { manifest = try ExportManifest(parsing: bytes) } catch {
            throw ExportFault("manifest.json", nil, "\(error)")
        }
        do { checkpoint = try policy.verify(SignedNote(parsing: note)) } catch {
            throw ExportFault("checkpoint", nil, "\(error)")
        }
        guard manifest.origin == checkpoint.origin else {
            throw ExportFault("manifest.json", "origin", "it is not the checkpoint's log")
        }
        do { proof = try RangeProof(parsing: proofBytes) } catch {
            throw ExportFault("proof", nil, "\(error)")
        }
        guard proof.first == manifest.first, proof.end == manifest.end else {
            throw ExportFault("proof", nil, "it is not of the entries that the manifest names")
        }
        audit = LogAudit(continuing: proof.edge)
        next = proof.first
        if let previous { try checkConsistency(previous, consistency, policy) }
    }

    private func checkConsistency(
        _ previous: [UInt8], _ consistency: [UInt8]?, _ policy: LogTrustPolicy
    ) throws(ExportFault) {
        let kept: Checkpoint
        do {
            kept = try Checkpoint(verifying: SignedNote(parsing: previous), by: policy.logs.map(\.key))
        } catch {
            throw ExportFault("the checkpoint that was kept", nil, "\(error)")
        }
        guard let consistency, manifest.previousSize == kept.size else {
            throw ExportFault("consistency.txt", nil, "it does not begin at the checkpoint that was kept")
        }
        var hashes: [[UInt8]] = []
        for line in consistency.split(separator: 0x0A) {
            guard let hash = Base64.decode(String(decoding: line, as: UTF8.self)) else {
                throw ExportFault("consistency.txt", "line \(hashes.count + 1)", "it is no hash in base64")
            }
            hashes.append(hash)
        }
        do {
            try MerkleProof.verifyConsistency(
                from: kept.size, to: checkpoint.size, oldRoot: kept.root, newRoot: checkpoint.root,
                proof: hashes)
        } catch {
            throw ExportFault("consistency.txt", nil, "\(error)")
        }
    }

    /// Reads the next entry, with what is disclosed of it.
    /// - Parameters:
    ///   - leaf: a line of `entries.jsonl` without its newline.
    ///   - joined: the `disclosures` of the line of `disclosures.jsonl` for this entry, if there is one.
    /// - Returns: the entry and its disclosed parts.
    /// - Throws: ``ExportFault``.
    @discardableResult
    public mutating func add(
        leaf: [UInt8], disclosed joined: [UInt8]?
    ) throws(ExportFault) -> (entry: LogEntry, parts: DisclosedParts?) {
        let place = "entry \(next)"
        guard next < manifest.end else {
            throw ExportFault("entries.jsonl", place, "there are more than the manifest says")
        }
        let entry: LogEntry
        do { entry = try audit.add(entry: leaf, index: next) } catch {
            throw ExportFault("entries.jsonl", place, "\(error)")
        }
        try checkTime(entry, place)
        if entry.kind == .logExpire, entry.outcome == .permit, entry.generation == manifest.first {
            isRemovalShown = true
        }
        var parts: DisclosedParts?
        if let joined {
            let read: DisclosedParts
            do { read = try DisclosedParts(verifying: joined, against: entry) } catch {
                throw ExportFault("disclosures.jsonl", place, "\(error)")
            }
            try check(read, joined, entry, place)
            parts = read
            disclosed += 1
        }
        next += 1
        return (entry, parts)
    }

    /// The first entry may lie before the time that was asked for and the last after it, and no other: so the range is that time,
    /// whole.
    private mutating func checkTime(_ entry: LogEntry, _ place: String) throws(ExportFault) {
        if let from = manifest.from {
            let isBefore = entry.time < from
            if next == manifest.first, manifest.first > 0, !isBefore {
                missingBefore = ExportFault(
                    "entries.jsonl", place, "entries of the time range may be missing before it")
            }
            if isBefore, next != manifest.first, manifest.first > 0 || entry.time >= from {
                throw ExportFault("entries.jsonl", place, "it lies before the time that was asked for")
            }
        }
        if let to = manifest.to {
            endsAfter = entry.time >= to
            if endsAfter, next != manifest.end - 1 {
                throw ExportFault("entries.jsonl", place, "it lies after the time that was asked for")
            }
        }
    }

    private mutating func check(
        _ parts: DisclosedParts, _ joined: [UInt8], _ entry: LogEntry, _ place: String
    ) throws(ExportFault) {
        let shown = joined.count { $0 == UInt8(ascii: "~") }
        guard shown > 0 else { throw ExportFault("disclosures.jsonl", place, "it discloses nothing") }
        if manifest.profile == .officer, shown != entry.disclosureDigests.count {
            throw ExportFault("disclosures.jsonl", place, "it holds back a part that an officer's export has")
        }
        if (manifest.from.map { entry.time < $0 } ?? false) || (manifest.to.map { entry.time >= $0 } ?? false)
        {
            throw ExportFault(
                "disclosures.jsonl", place, "it is of an entry outside the time that was asked for")
        }
        if manifest.profile == .subject, parts.actor != nil || parts.caseReference != nil {
            throw ExportFault("disclosures.jsonl", place, "it discloses more than its profile")
        }
        if manifest.profile == .security, parts.caseReference != nil {
            throw ExportFault("disclosures.jsonl", place, "it discloses more than its profile")
        }
        if let contact = manifest.contact, parts.contact != contact {
            throw ExportFault("disclosures.jsonl", place, "it is about another contact")
        }
        // Entries about a contact are numbered without a hole: one that is held back shows by the next.
        guard let contact = parts.contact else { return }
        guard let sequence = parts.sequence else {
            unnumbered.insert(contact)
            if sequences[contact] != nil {
                throw ExportFault(
                    "disclosures.jsonl", place, "it has no number although others of its contact have")
            }
            return
        }
        if unnumbered.contains(contact) {
            throw ExportFault(
                "disclosures.jsonl", place, "entries before it about its contact have no number")
        }
        do {
            if sequences[contact] == nil, manifest.first == 0, sequence != 1 {
                throw ExportFault(
                    "disclosures.jsonl", place, "entry 1 about this contact is missing before it")
            }
            if let last = sequences[contact], sequence != last + 1 {
                throw ExportFault(
                    "disclosures.jsonl", place, "entry \(last + 1) about this contact is missing before it")
            }
            sequences[contact] = sequence
        }
    }

    /// Ends the audit: all entries came, the checkpoint goes on from them, and nothing of the time asked for can lie outside.
    /// - Throws: ``ExportFault``.
    public mutating func finish() throws(ExportFault) {
        guard next == manifest.end else {
            throw ExportFault("entries.jsonl", "entry \(next)", "the manifest says that there are more")
        }
        guard disclosed == manifest.disclosures else {
            throw ExportFault(
                "disclosures.jsonl", nil, "there are \(disclosed), not as many as the manifest says")
        }
        do { try proof.verify(root: audit.frontier.root, against: checkpoint) } catch {
            throw ExportFault("proof", nil, "\(error)")
        }
        // Nothing of the time range can lie outside: the log begins or ends there, or a neighbour shows it.
        if manifest.first > 0, manifest.from == nil || manifest.end == manifest.first {
            missingBefore = ExportFault(
                "entries.jsonl", nil, "entries before entry \(manifest.first) are missing")
        }
        if let missingBefore, !isRemovalShown { throw missingBefore }
        if manifest.end < checkpoint.size, !endsAfter {
            throw ExportFault(
                "entries.jsonl", nil, "entries of the time range may be missing from entry \(manifest.end) on"
            )
        }
    }
}

// The answer to "who saw my number, when and why": what is held of a contact, and every entry about it with its proof.

public import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption

/// One entry about a contact, with what its subject may see of it and the proof that it stands in the log.
public struct SubjectAccess: Sendable {
    /// Its position.
    public let index: UInt64
    /// This is the k-th entry about the contact.
    public let sequence: UInt64
    /// The facts of the leaf.
    public let entry: LogEntry
    /// The exact bytes of the leaf.
    public let leaf: [UInt8]
    /// That the leaf is about this contact: its disclosures `contact` and `seq`, joined. No staff, no case.
    public let disclosed: [UInt8]
    /// That the leaf stands in the log.
    public let proof: LogProofFile
}

/// Everything that is held about a contact and was done with it.
public struct SubjectReport: Sendable {
    /// The contact.
    public let contact: ContactID
    /// When the report was made.
    public let made: Timestamp
    /// Whom an auditor of the log would believe.
    public let policy: LogTrustPolicy
    /// The checkpoint that all proofs lead to.
    public let checkpoint: String
    /// What is held, without personal fields but for the masks; `nil` if it was erased.
    public let held: ContactView?
    /// Every entry about the contact that is there, oldest first.
    public let accesses: [SubjectAccess]
}

extension Vault {
    /// Reports what is held about a contact and who got it. The report is an access: its own entry is the last one in it.
    /// - Throws: ``VaultError/notFound`` for a contact that was never here; ``VaultError/conflict(_:)`` with
    ///   `report_too_long` for more than `Limits.reportedEntries`.
    public func reportToSubject(
        _ id: ContactID, as caller: Caller, requestID: Reference
    ) async throws -> SubjectReport {
        let tenant = identity.tenant
        let (stored, consents, hold, receipt) = try await manage(
            .logExport, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in _ = try access.accessLog(.export) },
            {
                transaction -> ManagedOutcome<
                    (StoredContact, [StoredConsent], StoredLegalHold?, EntryReceipt)
                > in
                transaction.template.basis = "report.subject"
                guard caller.readableTime.isUnbounded else {
                    return .failed(.conflict("question_needs_whole_log"), "question_needs_whole_log")
                }
                guard let stored = try transaction.store.contacts([id])[id] else {
                    return .failed(.notFound, "not_found")
                }
                guard try transaction.store.sequences([id])[id]?.count ?? 0 < Limits.reportedEntries else {
                    return .failed(.conflict("report_too_long"), "report_too_long")
                }
                let isErased = stored.state == .erased
                let receipt = try transaction.log(.logExport, about: stored) { draft in
                    // The masks are in it: a release of that form.
                    draft.form = isErased ? nil : .mask
                    draft.fields = isErased ? [] : [.name, .phone]
                }
                return .done(
                    (
                        stored, try transaction.store.consents(of: [id])[id] ?? [],
                        try transaction.store.legalHolds(of: [id])[id], receipt
                    ))
            })
        var held: ContactView?
        if let attributes = ContactAttributes(canonicalBytes: stored.attributes) {
            let (phone, name) = try masks(of: stored, tenant: tenant, receipt: receipt)
            held = ContactView(
                id: id, attributes: attributes, generation: stored.generation, state: stored.state,
                stopped: stored.stopped, consents: consents, phoneMask: phone, nameMask: name,
                created: stored.created, updated: stored.updated, legalHold: hold, receipt: receipt)
        }
        let checkpoint = try await witnessedHead()
        return SubjectReport(
            contact: id, made: receipt.time, policy: logTrustPolicy, checkpoint: checkpoint.note, held: held,
            accesses: try await accesses(to: stored, under: checkpoint))
    }

    /// The entries about a contact, from the last to the first and then turned round.
    private func accesses(
        to contact: StoredContact, under checkpoint: StoredCheckpoint
    ) async throws -> [SubjectAccess] {
        let note = try SignedNote(parsing: Array(checkpoint.note.utf8))
        let keys = [contact.id: contact.disclosureKey]
        return try await reading { [self] reader in
            let prover = MerkleProver(StoredHashes(reader: reader))
            var accesses: [SubjectAccess] = []
            var next = try reader.sequences([contact.id])[contact.id]?.latest
            while let index = next {
                guard let stored = try reader.disclosures(index..<index + 1)[index],
                    let leaf = try reader.logLeaves(index..<index + 1).first
                else { break }
                next = stored.previous.flatMap { $0 < index ? $0 : nil }
                let entry = try LogEntry(decoding: leaf)
                // Damage in one row must not hide the others; its number is missing then, and that shows.
                guard index < checkpoint.size, let key = try? disclosureKey(of: stored, keys),
                    let joined = try? key.open(stored.sealed, entry: entry.id.bytes),
                    let parts = try? DisclosedParts(verifying: joined, against: entry),
                    let sequence = parts.sequence
                else { continue }
                let shown = try DisclosedParts.disclosures(in: joined).filter {
                    ExportProfile.subject.discloses($0.fact)
                }
                accesses.append(
                    SubjectAccess(
                        index: index, sequence: sequence, entry: entry, leaf: leaf,
                        disclosed: DisclosedParts.joined(shown),
                        proof: try LogProofFile(
                            index: index, hashes: prover.inclusion(of: index, in: checkpoint.size), note: note
                        )))
            }
            return accesses.reversed()
        }
    }

    /// The present head, signed, and cosigned by witnesses if there are any that answer.
    func witnessedHead() async throws -> StoredCheckpoint {
        try await publishCheckpoint()
        // Who checks it may want more than the log's own word. Without an answer it is made all the same.
        try await witnessCheckpoint()
        guard let signed = latestCheckpoint else { throw VaultError.notFound }
        if let witnessed = latestWitnessedCheckpoint, witnessed.size == signed.size { return witnessed }
        return signed
    }
}

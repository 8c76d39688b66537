// Storing, replacing and looking at contacts, and what they themselves said: consent, withdrawal, stop.

package import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
import StrictEncoding
import VaultCrypto

/// A contact that was stored or replaced.
public struct StoredReceipt: Sendable {
    /// The contact.
    public let contact: ContactID
    /// Its generation now.
    public let generation: UInt64
    /// The mask of its number.
    public let mask: String
    /// When somebody last said no for its number: it is on the stop list and is released for nothing but what answers
    /// the contact. `nil` if it is not.
    public let stopped: Timestamp?
    /// The entry.
    public let receipt: EntryReceipt?
}

/// A contact as it may be looked at: no personal field but the masks.
public struct ContactView: Sendable {
    /// The contact.
    public let id: ContactID
    /// The clear attributes.
    public let attributes: ContactAttributes
    /// Generation of the sealed record.
    public let generation: UInt64
    /// State of the record.
    public let state: RecordState
    /// When the contact said stop.
    public let stopped: Timestamp?
    /// All consents, withdrawn ones too.
    public let consents: [StoredConsent]
    /// The mask of the number.
    public let phoneMask: String
    /// The mask of the name, `nil` if there is none.
    public let nameMask: String?
    /// When the record was made.
    public let created: Timestamp
    /// When this generation was written.
    public let updated: Timestamp
    /// Why it must be kept for now; `nil` if it need not.
    public let legalHold: StoredLegalHold?
    /// The entry.
    public let receipt: EntryReceipt
}

extension Vault {
    /// Life of an idempotency key, seconds.
    static let idempotencySeconds: Int64 = 24 * 3600

    // MARK: Storing

    /// Stores one contact.
    /// - Parameters:
    ///   - json: the contact in the intake format.
    ///   - idempotencyKey: a key of the client's; the same key with the same contact within 24 h gives the same result
    ///     and stores nothing.
    /// - Throws: ``VaultError/intake(_:)`` naming the field, with nothing stored; ``VaultError/idempotencyConflict``.
    public func storeContact(
        json: [UInt8], as caller: Caller, requestID: Reference, idempotencyKey: String? = nil
    ) async throws -> StoredReceipt {
        let intake: ContactIntake
        do { intake = try ContactIntake(json: json) } catch {
            return try await refuse(
                .intake(error), "intake_refused", .contactCreate, as: caller, requestID: requestID
            ) { access throws(TokenError) in _ = try access.intake(.create) }
        }
        let mask = intake.phone.mask
        let prepared = try prepare(intake)
        let idempotency = try idempotencyKey.flatMap { try idempotencyEntry($0, caller: caller, body: json) }
        let portfolio = prepared.contact.portfolio
        return try await manage(
            .contactCreate, as: caller, requestID: requestID, contacts: [prepared.contact.id],
            covers: { access throws(TokenError) in
                guard try access.intake(.create).portfolio == portfolio else { throw .insufficientScope }
            },
            { transaction -> ManagedOutcome<StoredReceipt> in
                guard transaction.mayTouch(portfolio) else { return .refused(.portfolioNotRegistered) }
                if let (key, digests) = idempotency, let earlier = try transaction.store.idempotentResult(key)
                {
                    guard digests.contains(where: { earlier.body.isEqualInConstantTime(to: $0) }) else {
                        return .failed(.idempotencyConflict, "idempotency_conflict")
                    }
                    let known = try transaction.store.contacts([earlier.contact])[earlier.contact]
                    try transaction.log(.contactCreate, about: known) { $0.outcome = .redelivered }
                    return .done(
                        StoredReceipt(
                            contact: earlier.contact, generation: known?.generation ?? 1, mask: mask,
                            stopped: known?.stopped, receipt: nil))
                }
                let contact = try prepared.dated(
                    transaction.now, stopped: transaction.stop(of: prepared.numbers))
                let receipt = try transaction.store(
                    contact, prepared.indexes, prepared.consents(at: transaction.now))
                if let (key, digests) = idempotency, let digest = digests.first {
                    try transaction.store.putIdempotentResult(
                        IdempotentResult(
                            body: digest, contact: contact.id,
                            expires: transaction.now.adding(seconds: Self.idempotencySeconds)),
                        for: key)
                }
                return .done(
                    StoredReceipt(
                        contact: contact.id, generation: 1, mask: mask, stopped: contact.stopped,
                        receipt: receipt))
            })
    }

    /// Stores contacts of an import: each line on its own, one transaction for all.
    /// - Parameters:
    ///   - lines: contacts in the intake format, at most a few hundred.
    ///   - isFirst: whether this is the first part of a request, the one that spends its proof.
    /// - Returns: one result a line, in order.
    public func importContacts(
        _ lines: [[UInt8]], as caller: Caller, requestID: Reference, isFirst: Bool
    ) async throws -> [Result<StoredReceipt, IntakeFault>] {
        var results: [Result<StoredReceipt, IntakeFault>] = []
        var prepared: [(line: Int, mask: String, contact: PreparedContact)] = []
        let portfolio: Reference? =
            switch caller {
            case .localOperator: nil
            case .client(let access): try? access.intake(.import).portfolio
            }
        for line in lines {
            do {
                guard line.count <= Limits.importLineBytes else {
                    throw IntakeFault(field: "contact", problem: .tooLong)
                }
                let intake = try ContactIntake(json: line)
                if let portfolio, intake.attributes.portfolio != portfolio {
                    throw IntakeFault(field: "portfolio", problem: .notAccepted)
                }
                let contact = try prepare(intake)
                prepared.append((results.count, intake.phone.mask, contact))
                results.append(
                    .success(
                        StoredReceipt(
                            contact: contact.contact.id, generation: 1, mask: intake.phone.mask, stopped: nil,
                            receipt: nil)))
            } catch let fault as IntakeFault {
                results.append(.failure(fault))
            }
        }
        let accepted = prepared
        let receipts = try await manage(
            .contactCreate, as: caller, requestID: requestID, contacts: accepted.map(\.contact.contact.id),
            spendsProof: isFirst, covers: { access throws(TokenError) in _ = try access.intake(.import) },
            { transaction -> ManagedOutcome<[(stopped: Timestamp?, receipt: EntryReceipt)]> in
                if let portfolio, !transaction.mayTouch(portfolio) {
                    return .refused(.portfolioNotRegistered)
                }
                let stops = try transaction.store.suppressions(accepted.flatMap(\.contact.numbers))
                var receipts: [(stopped: Timestamp?, receipt: EntryReceipt)] = []
                for (_, _, prepared) in accepted {
                    let stopped = prepared.numbers.compactMap { stops[$0]?.latest }.max()
                    let contact = prepared.dated(transaction.now, stopped: stopped)
                    receipts.append(
                        (
                            stopped,
                            try transaction.store(
                                contact, prepared.indexes, prepared.consents(at: transaction.now))
                        ))
                }
                return .done(receipts)
            })
        for ((line, mask, contact), (stopped, receipt)) in zip(accepted, receipts) {
            results[line] = .success(
                StoredReceipt(
                    contact: contact.contact.id, generation: 1, mask: mask, stopped: stopped, receipt: receipt
                ))
        }
        return results
    }

    /// Replaces a contact's fields and attributes. The stop flag stays, and consents do while the number does.
    /// - Parameter generation: the generation the caller has seen (`If-Match`).
    /// - Throws: ``VaultError/generationMismatch`` if it is no longer the present one.
    public func replaceContact(
        _ id: ContactID, json: [UInt8], expecting generation: UInt64, as caller: Caller, requestID: Reference
    ) async throws -> StoredReceipt {
        // The generation comes from a header: the largest must not overflow.
        guard (1..<UInt64(Int64.max)).contains(generation) else {
            return try await refuse(
                .generationMismatch, "generation_mismatch", .contactUpdate, as: caller, requestID: requestID
            ) { access throws(TokenError) in try access.management(.update, of: id) }
        }
        let intake: ContactIntake
        do { intake = try ContactIntake(json: json, withConsents: false) } catch {
            return try await refuse(
                .intake(error), "intake_refused", .contactUpdate, as: caller, requestID: requestID
            ) { access throws(TokenError) in try access.management(.update, of: id) }
        }
        let mask = intake.phone.mask
        let prepared = try prepare(intake, as: id, generation: generation + 1)
        return try await manage(
            .contactUpdate, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.update, of: id) },
            { transaction -> ManagedOutcome<StoredReceipt> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                guard transaction.mayTouch(prepared.contact.portfolio) else {
                    return .refused(.portfolioNotRegistered)
                }
                guard stored.generation == generation else {
                    return .failed(.generationMismatch, "generation_mismatch")
                }
                let contact = try prepared.replacing(
                    stored, at: transaction.now, stopped: transaction.stop(of: prepared.numbers))
                try transaction.requireUsableKeys(of: contact, prepared.indexes)
                guard try transaction.store.replaceContact(contact, expecting: generation) else {
                    return .failed(.generationMismatch, "generation_mismatch")
                }
                // Consent is a person's own: another number may be another person, who has consented to nothing.
                var ended = 0
                if !prepared.numbers.contains(stored.phoneIndex) {
                    ended = try transaction.endConsents(of: id)
                }
                let receipt = try transaction.log(.contactUpdate, about: contact) { $0.count = UInt64(ended) }
                return .done(
                    StoredReceipt(
                        contact: id, generation: contact.generation, mask: mask, stopped: contact.stopped,
                        receipt: receipt))
            })
    }

    // MARK: Looking

    /// The record without personal fields but for the masks. A masked view is a release of form `mask` and logged as one.
    /// - Throws: ``VaultError/denied(_:)`` also for an unknown contact.
    public func contact(_ id: ContactID, as caller: Caller, requestID: Reference) async throws -> ContactView
    {
        let tenant = identity.tenant
        let (stored, consents, hold, receipt, template) = try await manage(
            .contactRead, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.read, of: id) },
            {
                transaction -> ManagedOutcome<
                    (StoredContact, [StoredConsent], StoredLegalHold?, EntryReceipt, EntryDraft)
                > in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                guard ContactAttributes(canonicalBytes: stored.attributes) != nil else {
                    return .failed(.storeCorrupt("contacts"), "store_corrupt")
                }
                let receipt = try transaction.log(.contactRead, about: stored) { draft in
                    draft.form = .mask
                    draft.fields = [.name, .phone]
                }
                let consents = try transaction.store.consents(of: [id])[id] ?? []
                let hold = try transaction.store.legalHolds(of: [id])[id]
                return .done((stored, consents, hold, receipt, transaction.template))
            })
        guard let attributes = ContactAttributes(canonicalBytes: stored.attributes) else {
            throw VaultError.storeCorrupt("contacts")
        }
        let (phone, name): (String, String?)
        do {
            (phone, name) = try masks(of: stored, tenant: tenant, receipt: receipt)
        } catch VaultError.recordUnreadable(let code) {
            // The entry of the view stands; this one says that nothing came of it.
            var failure = template
            failure.outcome = .error
            failure.reason = EntryCode(code)
            failure.contact = stored.id
            failure.disclosureKey = stored.disclosureKey
            failure.generation = stored.generation
            try await record(failure)
            throw VaultError.recordUnreadable(code)
        }
        return ContactView(
            id: id, attributes: attributes, generation: stored.generation, state: stored.state,
            stopped: stored.stopped, consents: consents, phoneMask: phone, nameMask: name,
            created: stored.created,
            updated: stored.updated, legalHold: hold, receipt: receipt)
    }

    /// Opens the record for its masks. The entry is durable: its receipt is what makes the permit one to open with.
    func masks(
        of stored: StoredContact, tenant: TenantID, receipt: EntryReceipt
    ) throws -> (phone: String, name: String?) {
        let sealed: SealedRecord
        do { sealed = try SealedRecord(parsing: stored.sealed) } catch {
            throw VaultError.recordUnreadable(error.code)
        }
        let fields: [FieldName] = sealed.holds(.name) ? [.name, .phone] : [.phone]
        let permit = ReleasePermit(
            tenant: tenant, contact: stored.id, generation: stored.generation, fields: fields, form: .mask)
        do {
            let record = try state.keyring.open(
                sealed, schema: Self.recordSchema, binding: stored.attributes,
                consuming: RecordedPermit(recording: permit, receipt: receipt))
            let phone = record.withField(.phone) { String(decoding: PhoneMask.mask($0), as: UTF8.self) }
            let name = record.withField(.name) { String(decoding: NameMask.mask($0), as: UTF8.self) }
            return (phone ?? "", name)
        } catch {
            throw VaultError.recordUnreadable(error.code)
        }
    }

    // MARK: What the contact said

    /// Records the contact's own consent for a purpose.
    /// - Throws: ``VaultError/denied(_:)`` with `stop_flag` after a stop, which only the contact's own request lifts.
    public func giveConsent(
        _ consent: ConsentIntake, of id: ContactID, as caller: Caller, requestID: Reference
    ) async throws {
        try await manage(
            .consentGive, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.consent, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                guard stored.stopped == nil else { return .refused(.stopFlag) }
                try transaction.store.putConsents([consent.stored(for: id, at: transaction.now)])
                try transaction.log(.consentGive, about: stored) { $0.purpose = consent.purpose }
                return .done(())
            })
    }

    /// Records a withdrawal: it counts from the next decision on, also against tokens already issued.
    public func withdrawConsent(
        to purpose: Purpose, of id: ContactID, as caller: Caller, requestID: Reference
    ) async throws {
        try await manage(
            .consentWithdraw, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.consent, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                let consents = try transaction.store.consents(of: [id])[id] ?? []
                guard var consent = consents.first(where: { $0.purpose == purpose }) else {
                    return .refused(.consentMissing)
                }
                // The first withdrawal stands.
                if consent.withdrawn == nil {
                    consent.withdrawn = transaction.now
                    try transaction.store.putConsents([consent])
                }
                try transaction.log(.consentWithdraw, about: stored) { $0.purpose = purpose }
                return .done(())
            })
    }

    /// Sets the stop flag, for good, and puts the number on the stop list: the contact, or anyone for them, said no.
    public func stop(_ id: ContactID, as caller: Caller, requestID: Reference) async throws {
        try await manage(
            .stopSet, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.stop, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                try transaction.stop(stored)
                return .done(())
            })
    }

    /// Asks for a contact's stop flag to be taken away, and its number from the stop list: with a second person's approval it is done.
    /// - Returns: what they have to approve.
    /// - Throws: ``VaultError/conflict(_:)`` for a contact that has no stop flag.
    public func liftStop(
        _ id: ContactID, as caller: Caller, requestID: Reference
    ) async throws -> ApprovalID {
        let random = random
        return try await manage(
            .stopClear, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.stop, of: id) },
            { transaction -> ManagedOutcome<ApprovalID> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                guard stored.stopped != nil else { return .failed(.conflict("not_stopped"), "not_stopped") }
                return .done(try transaction.ask(for: .liftStop(id), random: random))
            })
    }

    // MARK: Preparing

    /// Refuses a request whose credentials are good. Its proof is spent and the entry is there, so that a request that was
    /// refused cannot be sent again with other contents.
    func refuse<Value: Sendable>(
        _ error: VaultError, _ code: EntryCode, _ kind: EntryKind, as caller: Caller, requestID: Reference,
        covers: @escaping @Sendable (VerifiedAccess) throws(TokenError) -> Void
    ) async throws -> Value {
        try await manage(kind, as: caller, requestID: requestID, covers: covers) {
            _ -> ManagedOutcome<Value> in .failed(error, code)
        }
    }

    /// Records that a request with good credentials was malformed, and spends its proof.
    package func recordMalformed(_ kind: EntryKind, as caller: Caller, requestID: Reference) async throws {
        do {
            let _: Void = try await refuse(
                .notFound, "request_malformed", kind, as: caller, requestID: requestID,
                covers: { _ throws(TokenError) in })
        } catch VaultError.notFound {
            // As it was meant.
        }
    }

    /// Seals a contact outside the transaction, so that the store's writer does not wait for cryptography.
    private func prepare(
        _ intake: borrowing ContactIntake, as id: ContactID? = nil, generation: UInt64 = 1
    ) throws -> PreparedContact {
        let keyring = state.keyring
        guard let id = try id ?? ContactID(bytes: random.bytes(16)) else {
            throw VaultError.cryptographyUnavailable
        }
        let attributes = intake.attributes.canonicalBytes
        do throws(EnvelopeError) {
            let sealed = try keyring.seal(
                name: Self.copy(intake.name), phone: intake.phone.e164.copy(0..<intake.phone.e164.count),
                relation: Self.copy(intake.relation), binding: attributes,
                context: RecordContext(
                    tenant: keyring.tenant, record: id, generation: generation, schema: Self.recordSchema),
                random: random)
            let indexes = try keyring.blindIndexCandidates(.phone, intake.phone.e164, tenant: keyring.tenant)
            guard let index = indexes.first else { throw EnvelopeError.keyUnknown }
            let epoch = Timestamp(milliseconds: 0)
            return PreparedContact(
                contact: StoredContact(
                    id: id, borrower: intake.attributes.borrower, portfolio: intake.attributes.portfolio,
                    attributes: attributes, generation: generation, sealed: sealed.bytes,
                    disclosureKey: try keyring.makeDisclosureKey(
                        tenant: keyring.tenant, contact: id, random: random),
                    phoneIndexVersion: index.version, phoneIndex: index.bytes, state: .active, stopped: nil,
                    created: epoch, updated: epoch, retainUntil: intake.attributes.retainUntil),
                indexes: indexes, intakes: intake.consents)
        } catch {
            throw VaultError.recordUnreadable(error.code)
        }
    }

    private static func copy(_ secret: borrowing SecretBytes?) -> SecretBytes? {
        switch secret {
        case .some(let secret): secret.copy(0..<secret.count)
        case .none: nil
        }
    }

    /// The request's digest under each key that may have made a stored one, the active key's first.
    private func idempotencyEntry(
        _ key: String, caller: Caller, body: [UInt8]
    ) throws -> (IdempotencyKey, [[UInt8]])? {
        guard case .client(let access) = caller else { return nil }
        // Keyed, because the body holds a phone number: a plain digest of it could be searched.
        let digests = try state.keyring.dpopNonceKeys.map { secret in
            try HMACSHA256.authenticate(
                Array(access.client.text.utf8) + [0] + body,
                key: HKDFSHA256.expand(secret.bytes, info: Array("CV1I".utf8)))
        }
        return (IdempotencyKey(client: access.client, digest: SHA256.hash(Array(key.utf8))), digests)
    }
}

/// A contact that is sealed and waits for its transaction.
private struct PreparedContact: Sendable {
    let contact: StoredContact
    /// Blind indexes of the number under every key that may have made a stored one.
    let indexes: [BlindIndexValue]
    let intakes: [ConsentIntake]

    var numbers: [[UInt8]] { indexes.map(\.bytes) }

    /// The contact as it is stored. A number that is on the stop list is stored stopped.
    func dated(_ now: Timestamp, stopped: Timestamp?) -> StoredContact {
        var dated = copy(of: contact, created: now, updated: now)
        dated.stopped = stopped
        return dated
    }

    /// The stored contact with this one's fields and attributes; what the contact said stays.
    func replacing(_ stored: StoredContact, at now: Timestamp, stopped: Timestamp?) -> StoredContact {
        var replaced = copy(
            of: contact, created: stored.created, updated: now, disclosureKey: stored.disclosureKey)
        // What was found wrong was the number. With another one the record is in use again.
        let isSameNumber = numbers.contains(stored.phoneIndex)
        replaced.state = stored.state == .suspended && !isSameNumber ? .active : stored.state
        replaced.stopped = [stored.stopped, stopped].compactMap(\.self).max()
        return replaced
    }

    func consents(at now: Timestamp) -> [StoredConsent] {
        intakes.map { $0.stored(for: contact.id, at: now) }
    }

    private func copy(
        of contact: StoredContact, created: Timestamp, updated: Timestamp, disclosureKey: [UInt8]? = nil
    ) -> StoredContact {
        StoredContact(
            id: contact.id, borrower: contact.borrower, portfolio: contact.portfolio,
            attributes: contact.attributes,
            generation: contact.generation, sealed: contact.sealed,
            disclosureKey: disclosureKey ?? contact.disclosureKey,
            phoneIndexVersion: contact.phoneIndexVersion,
            phoneIndex: contact.phoneIndex, state: contact.state, stopped: contact.stopped, created: created,
            updated: updated, retainUntil: contact.retainUntil)
    }
}

extension ConsentIntake {
    fileprivate func stored(for contact: ContactID, at now: Timestamp) -> StoredConsent {
        StoredConsent(
            contact: contact, purpose: purpose, notice: notice, evidence: evidence, recipients: recipients,
            given: now, expires: expires, withdrawn: nil)
    }
}

extension ManagedTransaction {
    /// Withdraws every consent that stands; how many there were.
    fileprivate func endConsents(of contact: ContactID) throws -> Int {
        let standing = try store.consents(of: [contact])[contact, default: []].filter { $0.withdrawn == nil }
        try store.putConsents(
            standing.map { consent in
                var ended = consent
                ended.withdrawn = now
                return ended
            })
        return standing.count
    }

    /// Refuses what was sealed before its key was taken out of use, and would open no more, and a number that was indexed before the
    /// index keys changed. The number gets one index wherever it stands.
    fileprivate func requireUsableKeys(of contact: StoredContact, _ indexes: [BlindIndexValue]) throws {
        let sealed = try SealedRecord(parsing: contact.sealed)
        switch keyring.kek(id: sealed.kekID, version: sealed.kekVersion)?.state {
        case .active, .decryptOnly, .preActive: break
        default: throw VaultError.logUnavailable("key_changed")
        }
        try requireIndexKeys(of: indexes)
        try moveNumber(indexes)
    }

    /// Stores a new contact with its consents and one entry.
    fileprivate mutating func store(
        _ contact: StoredContact, _ indexes: [BlindIndexValue], _ consents: [StoredConsent]
    ) throws -> EntryReceipt {
        try requireUsableKeys(of: contact, indexes)
        try store.insertContacts([contact])
        if !consents.isEmpty { try store.putConsents(consents) }
        return try log(.contactCreate, about: contact) { $0.count = UInt64(consents.count) }
    }
}

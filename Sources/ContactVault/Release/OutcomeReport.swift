// What came of a release, and what follows: a no stops the contact, a wrong number suspends the record, an offer or a request
// goes on record for a later release to refer to.

import AccessLog
public import AccessToken
public import ContactModel

/// What a reported outcome put on record.
public struct OutcomeReceipt: Sendable {
    /// The offer, request or complaint that a later release may refer to; `nil` if there is none.
    public let reference: Reference?
    /// The entry.
    public let receipt: EntryReceipt
}

extension Vault {
    /// Records the outcome of a release. Only the client it was released to may report it, with a token for the same
    /// contact; the report spends no use. The same outcome again changes nothing.
    /// - Parameter name: the caller's name for the offer, request or complaint; the release's own name if `nil`.
    /// - Throws: ``VaultError/outcomeConflict`` if another outcome is on record; ``VaultError/denied(_:)``.
    public func reportOutcome(
        _ outcome: ReleaseOutcome, naming name: Reference?, of id: ReleaseID, as access: VerifiedAccess,
        requestID: Reference
    ) async throws -> OutcomeReceipt {
        let known = try await reading { try $0.releases([id])[id] }
        let contacts = known.map { [$0.contact] } ?? []
        return try await manage(
            .releaseOutcome, as: .client(access), requestID: requestID, contacts: contacts,
            covers: { access throws(TokenError) in try access.outcome(of: known?.contact) },
            { transaction -> ManagedOutcome<OutcomeReceipt> in
                guard let release = try transaction.store.releases([id])[id],
                    release.client == transaction.client?.id
                else { return .refused(.contactUnknown) }
                let contact = try transaction.store.contacts([release.contact])[release.contact]
                let reference = outcome.reference == nil ? nil : name ?? Reference(id.description)
                guard let code = EntryCode(outcome.rawValue) else { throw VaultError.inconsistent("outcome") }
                if let earlier = release.outcome, earlier != outcome {
                    return .failed(.outcomeConflict, "outcome_conflict")
                }
                let isRepeated = release.outcome != nil
                if !isRepeated { try transaction.carryOut(outcome, of: release, contact, naming: reference) }
                let receipt = try transaction.log(.releaseOutcome, about: contact) { draft in
                    draft.outcome = isRepeated ? .redelivered : .permit
                    draft.basis = code
                    draft.purpose = release.purpose
                }
                return .done(OutcomeReceipt(reference: reference, receipt: receipt))
            })
    }

    /// Releases whose outcome is missing although it was due, oldest first, at most a thousand. The look has an entry.
    public func overdueReleases(as caller: Caller, requestID: Reference) async throws -> [StoredRelease] {
        try await manage(
            .outcomeRead, as: caller, requestID: requestID,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<[StoredRelease]> in
                let releases = try transaction.store.overdueReleases(before: transaction.now, limit: 1000)
                try transaction.log(.outcomeRead, about: nil) { $0.count = UInt64(releases.count) }
                return .done(releases)
            })
    }
}

extension ManagedTransaction {
    fileprivate mutating func carryOut(
        _ outcome: ReleaseOutcome, of release: StoredRelease, _ contact: StoredContact?,
        naming name: Reference?
    ) throws {
        try store.putOutcome(outcome, at: now, of: release.id)
        // An erased record takes nothing in any more; the number that was called still has its no.
        let contact = contact?.state == .erased ? nil : contact
        // The record may have got another number since: what was said of the old one is no news about the new one.
        let isSameNumber = contact?.phoneIndex == release.number
        if outcome.stopsContact {
            // A no is the person's: it holds for the record whatever its number is now, and for the number that was called.
            if let contact { try stop(contact) }
            if !isSameNumber { try suppress(release.number, version: release.numberVersion) }
        }
        if outcome.suspendsRecord, isSameNumber, let contact, contact.state == .active {
            try store.putStanding(contact.id, state: .suspended, stopped: contact.stopped)
        }
        if let kind = outcome.reference, let name, let contact {
            try store.insertContactReferences([
                ContactReferenceKey(contact: contact.id, reference: name): StoredContactReference(
                    kind: kind, recorded: now)
            ])
        }
    }
}

// Taking contacts away: on request, or because their day has come; and keeping them for now, because a matter needs them.

import AccessLog
import AccessToken
public import ContactModel
import Synchronization

/// What became of contacts past their day.
public struct ExpiredContacts: Sendable {
    /// How many were erased.
    public let erased: Int
    /// How many must be kept for now.
    public let held: Int
}

extension Vault {
    /// Takes a contact's record away: the sealed fields, their key, the blind index, the attributes and what the contact
    /// said, the personal parts of the entries about it and the key that opens them. The entries stay, and prove as before. If
    /// the number was stopped, its place on the stop list stays too, so that it is stopped when it is handed in again.
    /// - Throws: ``VaultError/conflict(_:)`` with `legal_hold` while the contact must be kept.
    public func eraseContact(_ id: ContactID, as caller: Caller, requestID: Reference) async throws {
        try await manage(
            .contactErase, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.erase, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                guard try transaction.store.legalHolds(of: [id]).isEmpty else {
                    return .failed(.conflict("legal_hold"), "legal_hold")
                }
                try transaction.erase(stored)
                return .done(())
            })
        state.mustExpunge.withLock { $0 = true }
        await expungeErased()
    }

    /// Erases contacts whose day has passed, each with its entry, but not those under a legal hold.
    /// - Parameter limit: how many are looked at, oldest day first; at most 1,000.
    public func eraseExpiredContacts(limit: Int, requestID: Reference) async throws -> ExpiredContacts {
        let (clock, limit) = (clock, min(limit, 1000))
        let due = try await reading { reader in
            try reader.contactsPastRetention(String(clock().description.prefix(10)), limit: limit).map(\.id)
        }
        guard !due.isEmpty else { return ExpiredContacts(erased: 0, held: 0) }
        let expired = try await manage(
            .contactErase, as: .localOperator, requestID: requestID, contacts: due,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<ExpiredContacts> in
                // Again, in the transaction: a day may have been changed, or a hold been set, since.
                let today = String(transaction.now.description.prefix(10))
                let contacts = try transaction.store.contacts(due).values.filter {
                    $0.state != .erased && $0.retainUntil < today
                }
                let holds = try transaction.store.legalHolds(of: contacts.map(\.id))
                for contact in contacts where holds[contact.id] == nil {
                    try transaction.erase(contact, basis: "retention")
                }
                return .done(ExpiredContacts(erased: contacts.count - holds.count, held: holds.count))
            })
        if expired.erased > 0 { state.mustExpunge.withLock { $0 = true } }
        await expungeErased()
        return expired
    }

    /// Makes what was erased unreadable in the store's files, if something was. Called after an erasure, and every minute, because
    /// a reader may have been in the way.
    public func expungeErased() async {
        guard state.mustExpunge.withLock({ $0 }) else { return }
        do {
            try await store.expunge()
            state.mustExpunge.withLock { $0 = false }
        } catch {
            // The next minute.
        }
    }

    /// Keeps a contact for now: nothing erases it, its day included, until the hold is lifted. A hold that stands stays as it is.
    /// - Parameter reference: the matter, an opaque name of the caller's.
    public func setLegalHold(
        _ reference: Reference, of id: ContactID, as caller: Caller, requestID: Reference
    ) async throws {
        try await manage(
            .holdSet, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.erase, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                try transaction.store.putLegalHold(
                    StoredLegalHold(contact: id, reference: reference, since: transaction.now))
                try transaction.log(.holdSet, about: stored) { $0.caseReference = reference }
                return .done(())
            })
    }

    /// Lifts a hold; nothing but the entry happens if there is none.
    public func liftLegalHold(of id: ContactID, as caller: Caller, requestID: Reference) async throws {
        try await manage(
            .holdLift, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.erase, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                try transaction.store.removeLegalHold(of: id)
                try transaction.log(.holdLift, about: stored)
                return .done(())
            })
    }
}

extension ManagedTransaction {
    fileprivate mutating func erase(_ contact: StoredContact, basis: EntryCode? = nil) throws {
        if contact.stopped != nil { try suppress(contact.phoneIndex, version: contact.phoneIndexVersion) }
        try store.eraseContact(contact.id)
        try log(.contactErase, about: contact) { $0.basis = basis }
        writer.forget(contact.id)
    }
}

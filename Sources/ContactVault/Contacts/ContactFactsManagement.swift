// What is put on record about a contact besides consents: the borrower's authorisation, and offers, requests and complaints.

import AccessLog
import AccessToken
public import ContactModel

extension Vault {
    /// Records that the borrower authorised the contact to act for them.
    public func giveAuthorisation(
        _ authorisation: AuthorisationIntake, to id: ContactID, as caller: Caller, requestID: Reference
    ) async throws {
        try await manage(
            .authorisationGive, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.consent, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                try transaction.store.putAuthorisation(
                    StoredAuthorisation(
                        contact: id, evidence: authorisation.evidence, given: transaction.now,
                        expires: authorisation.expires, withdrawn: nil))
                try transaction.log(.authorisationGive, about: stored)
                return .done(())
            })
    }

    /// Records that the borrower withdrew the authorisation. It counts from the next decision on.
    public func withdrawAuthorisation(of id: ContactID, as caller: Caller, requestID: Reference) async throws
    {
        try await manage(
            .authorisationWithdraw, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.consent, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                guard var authorisation = try transaction.store.authorisations(of: [id])[id] else {
                    return .refused(.authorisationMissing)
                }
                if authorisation.withdrawn == nil {
                    authorisation.withdrawn = transaction.now
                    try transaction.store.putAuthorisation(authorisation)
                }
                try transaction.log(.authorisationWithdraw, about: stored)
                return .done(())
            })
    }

    /// Puts an offer, request or complaint of the contact's on record. One that is there already stays as old as it is.
    public func recordReference(
        _ name: Reference, _ kind: ReferenceKind, of id: ContactID, as caller: Caller, requestID: Reference
    ) async throws {
        try await manage(
            .referenceRecord, as: caller, requestID: requestID, contacts: [id],
            covers: { access throws(TokenError) in try access.management(.consent, of: id) },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                let key = ContactReferenceKey(contact: id, reference: name)
                if let known = try transaction.store.contactReferences([key])[key], known.kind != kind {
                    return .refused(.referenceUnknown)
                }
                try transaction.store.insertContactReferences([
                    key: StoredContactReference(kind: kind, recorded: transaction.now)
                ])
                try transaction.log(.referenceRecord, about: stored) { $0.basis = EntryCode(kind.rawValue) }
                return .done(())
            })
    }
}

extension ManagedTransaction {
    /// A stored contact that the caller's registration covers; else why it is none.
    func touchable(_ id: ContactID) throws -> (contact: StoredContact?, refusal: DenialCode) {
        guard let stored = try store.contacts([id])[id] else { return (nil, .contactUnknown) }
        guard stored.state != .erased else { return (nil, .contactErased) }
        return mayTouch(stored) ? (stored, .portfolioNotRegistered) : (nil, .portfolioNotRegistered)
    }
}

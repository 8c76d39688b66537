// What the vault knows of a contact in clear: all that a decision may rest on.

public import ContactModel

/// The clear part of a contact's record, read in the transaction that records the decision.
public struct ContactFacts: Hashable, Sendable {
    /// Whose facts these are. Facts of another contact than the request's are as good as none.
    public var contact: ContactID
    /// State of the record.
    public var state: RecordState
    /// Whether the contact said no.
    public var stopFlag: Bool
    /// The record's generation; a permit is for this one.
    public var generation: UInt64
    /// The portfolio that the record belongs to.
    public var portfolio: Reference
    /// Every consent on record, in any order.
    public var consents: [ConsentFact]
    /// Whether the number was shown to reach the contact.
    public var verification: VerificationState
    /// When it was; `nil` if it never was.
    public var verifiedAt: Timestamp?
    /// The contact's time zones, IANA names.
    public var timeZones: [String]

    /// Facts.
    public init(
        contact: ContactID, state: RecordState, stopFlag: Bool, generation: UInt64, portfolio: Reference,
        consents: [ConsentFact], verification: VerificationState, verifiedAt: Timestamp?, timeZones: [String]
    ) {
        self.contact = contact
        self.state = state
        self.stopFlag = stopFlag
        self.generation = generation
        self.portfolio = portfolio
        self.consents = consents
        self.verification = verification
        self.verifiedAt = verifiedAt
        self.timeZones = timeZones
    }
}

/// One consent of the contact's own.
public struct ConsentFact: Hashable, Sendable {
    /// To which purpose; a consent says nothing about any other.
    public var purpose: Purpose
    /// From when on.
    public var given: Timestamp
    /// In force before this moment, not at it; `nil` for no end.
    public var expires: Timestamp?
    /// When it was withdrawn. A withdrawal counts at once, even if its time lies ahead of the clock that decides, and
    /// ends every consent to the purpose that was not given later.
    public var withdrawn: Timestamp?

    /// A consent.
    public init(purpose: Purpose, given: Timestamp, expires: Timestamp?, withdrawn: Timestamp?) {
        self.purpose = purpose
        self.given = given
        self.expires = expires
        self.withdrawn = withdrawn
    }
}

extension ContactFacts {
    /// Why there is no consent in force to a purpose; `nil` if there is one.
    func consentDenial(for purpose: Purpose, at now: Timestamp) -> DenialCode? {
        var lastWithdrawal: Timestamp?
        for consent in consents where consent.purpose == purpose {
            if let withdrawn = consent.withdrawn {
                lastWithdrawal = max(lastWithdrawal ?? withdrawn, withdrawn)
            }
        }
        var hasExpired = false
        for consent in consents
        where consent.purpose == purpose && consent.withdrawn == nil && consent.given <= now {
            if let lastWithdrawal, consent.given <= lastWithdrawal { continue }
            guard let expires = consent.expires, expires <= now else { return nil }
            hasExpired = true
        }
        if hasExpired { return .consentExpired }
        return lastWithdrawal == nil ? .consentMissing : .consentWithdrawn
    }
}

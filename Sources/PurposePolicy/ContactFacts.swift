// What the vault knows of a contact in clear, and how much was asked and released: all that a decision may rest on.

public import ContactModel

/// The clear part of a contact's record and its history, read in the transaction that records the decision.
public struct ContactFacts: Hashable, Sendable {
    /// Whose facts these are. Facts of another contact than the request's are as good as none.
    public var contact: ContactID
    /// State of the record.
    public var state: RecordState
    /// When the contact, or anyone for them, last said no; `nil` if never. The number's place on the stop list counts too.
    public var stopped: Timestamp?
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
    /// Rules of every zone that the contact may be in; `nil` if one is not known to the zone database.
    public var zones: [TimeZoneRules]?
    /// How the contact may be approached; `nil` for any way.
    public var channels: Set<Channel>?
    /// Hours that the contact asked for, minutes after local midnight; `nil` for no preference.
    public var preferredWindow: Range<Int>?
    /// The borrower's authorisation of the contact; `nil` if none was recorded.
    public var authorisation: AuthorisationFact?
    /// The offer, request or complaint that the request refers to, if it is on record for this contact.
    public var reference: ReferenceFact?
    /// Whether a second person has approved this contact, purpose and case, and that approval is unused and in force.
    public var isApproved: Bool
    /// Earlier releases that the policy's caps may count: of this number, this case or this reference.
    public var releases: [PastRelease]

    /// Facts.
    public init(
        contact: ContactID, state: RecordState, stopped: Timestamp?, generation: UInt64, portfolio: Reference,
        consents: [ConsentFact], verification: VerificationState, verifiedAt: Timestamp?,
        zones: [TimeZoneRules]?, channels: Set<Channel>? = nil, preferredWindow: Range<Int>? = nil,
        authorisation: AuthorisationFact? = nil,
        reference: ReferenceFact? = nil, isApproved: Bool = false, releases: [PastRelease] = []
    ) {
        self.contact = contact
        self.state = state
        self.stopped = stopped
        self.generation = generation
        self.portfolio = portfolio
        self.consents = consents
        self.verification = verification
        self.verifiedAt = verifiedAt
        self.zones = zones
        self.channels = channels
        self.preferredWindow = preferredWindow
        self.authorisation = authorisation
        self.reference = reference
        self.isApproved = isApproved
        self.releases = releases
    }
}

/// One consent of the contact's own.
public struct ConsentFact: Hashable, Sendable {
    /// To which purpose; a consent says nothing about any other.
    public var purpose: Purpose
    /// Version of the notice that it was given to.
    public var notice: Reference?
    /// Agencies that it names; `nil` for every agency that works for the creditor.
    public var recipients: Set<Reference>?
    /// From when on.
    public var given: Timestamp
    /// In force before this moment, not at it; `nil` for no end.
    public var expires: Timestamp?
    /// When it was withdrawn. A withdrawal counts at once, even if its time lies ahead of the clock that decides, and
    /// ends every consent to the purpose that was not given later.
    public var withdrawn: Timestamp?

    /// A consent.
    public init(
        purpose: Purpose, notice: Reference? = nil, recipients: Set<Reference>? = nil, given: Timestamp,
        expires: Timestamp?, withdrawn: Timestamp?
    ) {
        self.purpose = purpose
        self.notice = notice
        self.recipients = recipients
        self.given = given
        self.expires = expires
        self.withdrawn = withdrawn
    }
}

/// The borrower's authorisation of the contact to speak for them.
public struct AuthorisationFact: Hashable, Sendable {
    /// From when on.
    public var given: Timestamp
    /// In force before this moment; `nil` for no end.
    public var expires: Timestamp?
    /// When it was withdrawn; it counts at once.
    public var withdrawn: Timestamp?

    /// An authorisation.
    public init(given: Timestamp, expires: Timestamp?, withdrawn: Timestamp?) {
        self.given = given
        self.expires = expires
        self.withdrawn = withdrawn
    }
}

/// An offer, request or complaint of the contact's.
public struct ReferenceFact: Hashable, Sendable {
    /// Which of them.
    public var kind: ReferenceKind
    /// When it was recorded.
    public var recorded: Timestamp

    /// A reference.
    public init(kind: ReferenceKind, recorded: Timestamp) {
        self.kind = kind
        self.recorded = recorded
    }
}

/// An earlier release, and how it is related to the one that is asked for.
public struct PastRelease: Hashable, Sendable {
    /// When it was recorded.
    public var time: Timestamp
    /// For what.
    public var purpose: Purpose
    /// Whether it was of form `mask`: such views are counted among themselves.
    public var isMask: Bool
    /// Whether its purpose was under the frequency ceiling.
    public var isApproach: Bool
    /// Whether it was of the same number.
    public var isSameNumber: Bool
    /// Whether it was in the same case.
    public var isSameCase: Bool
    /// Whether it answered the same offer, request or complaint.
    public var isSameReference: Bool
    /// When the conversation that came of it took place; `nil` if none is known.
    public var conversation: Timestamp?

    /// A release.
    public init(
        time: Timestamp, purpose: Purpose, isMask: Bool, isApproach: Bool, isSameNumber: Bool,
        isSameCase: Bool, isSameReference: Bool, conversation: Timestamp? = nil
    ) {
        self.time = time
        self.purpose = purpose
        self.isMask = isMask
        self.isApproach = isApproach
        self.isSameNumber = isSameNumber
        self.isSameCase = isSameCase
        self.isSameReference = isSameReference
        self.conversation = conversation
    }
}

/// How much the asking side has used, this request and this contact included.
public struct UsageFacts: Hashable, Sendable {
    /// Requests of the client in this minute.
    public var requests: Int64
    /// Requests of the client for this purpose in this minute.
    public var requestsForPurpose: Int64
    /// Poor and missing outcomes of the actor in the throttle's hours.
    public var poorOutcomes: Int64
    /// Distinct contacts of the day; `nil` if the day is not known, because the zone of the ceilings is not.
    public var contacts: Contacts?

    /// Distinct contacts of one day.
    public struct Contacts: Hashable, Sendable {
        /// Of the actor.
        public var actor: Int64
        /// Of the client.
        public var client: Int64
        /// Of the agency.
        public var agency: Int64

        /// Counts.
        public init(actor: Int64, client: Int64, agency: Int64) {
            self.actor = actor
            self.client = client
            self.agency = agency
        }
    }

    /// Usage; the default is that of a first request.
    public init(
        requests: Int64 = 1, requestsForPurpose: Int64 = 1, poorOutcomes: Int64 = 0,
        contacts: Contacts? = Contacts(actor: 1, client: 1, agency: 1)
    ) {
        self.requests = requests
        self.requestsForPurpose = requestsForPurpose
        self.poorOutcomes = poorOutcomes
        self.contacts = contacts
    }
}

extension ContactFacts {
    /// Why there is no consent in force to a purpose; `nil` if there is one.
    func consentDenial(
        for purpose: Purpose, notices: [Reference]?, agency: Reference, at now: Timestamp
    ) -> DenialCode? {
        var lastWithdrawal: Timestamp?
        for consent in consents where consent.purpose == purpose {
            if let withdrawn = consent.withdrawn {
                lastWithdrawal = max(lastWithdrawal ?? withdrawn, withdrawn)
            }
        }
        // Of several consents that do not count, the reason of the one that comes nearest.
        var (isExpired, isOutdated, isForOthers) = (false, false, false)
        for consent in consents
        where consent.purpose == purpose && consent.withdrawn == nil && consent.given <= now {
            if let lastWithdrawal, consent.given <= lastWithdrawal { continue }
            if let expires = consent.expires, expires <= now {
                isExpired = true
            } else if let notices, !notices.contains(where: { $0 == consent.notice }) {
                isOutdated = true
            } else if let recipients = consent.recipients, !recipients.contains(agency) {
                isForOthers = true
            } else {
                return nil
            }
        }
        if isForOthers { return .consentRecipient }
        if isOutdated { return .consentNoticeOutdated }
        if isExpired { return .consentExpired }
        return lastWithdrawal == nil ? .consentMissing : .consentWithdrawn
    }
}

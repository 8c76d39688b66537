// Rows about what was released and what came of it: releases, references, authorisations, the stop list, approvals, reviews,
// counts. References of callers stand in them as digests, so that a copy of the store does not list cases and staff.

public import ContactModel

/// A permitted release, kept for caps, outcomes and throttling.
public struct StoredRelease: Hashable, Sendable {
    /// The release.
    public let id: ReleaseID
    /// When it was recorded.
    public let time: Timestamp
    /// Blind index of the number, 32 bytes.
    public let number: [UInt8]
    /// The version of the key that made it.
    public let numberVersion: UInt32
    /// The contact.
    public let contact: ContactID
    /// Digest of the case, 32 bytes.
    public let caseReference: [UInt8]
    /// Digest of the offer, request or complaint; `nil` if it referred to none.
    public let reference: [UInt8]?
    /// Digest of the actor and its agency, 32 bytes.
    public let actor: [UInt8]
    /// The client it was given to, which alone may report its outcome.
    public let client: Reference
    /// For what.
    public let purpose: Purpose
    /// The form.
    public let form: ReleaseForm
    /// Whether its purpose was under the frequency ceiling.
    public let isApproach: Bool
    /// When its outcome is missing; `nil` if none is expected, because no number left.
    public let outcomeDue: Timestamp?
    /// What came of it, `nil` until reported.
    public var outcome: ReleaseOutcome?
    /// When that was reported.
    public var outcomeTime: Timestamp?

    /// A release.
    public init(
        id: ReleaseID, time: Timestamp, number: [UInt8], numberVersion: UInt32, contact: ContactID,
        caseReference: [UInt8], reference: [UInt8]?, actor: [UInt8], client: Reference, purpose: Purpose,
        form: ReleaseForm,
        isApproach: Bool, outcomeDue: Timestamp?, outcome: ReleaseOutcome? = nil,
        outcomeTime: Timestamp? = nil
    ) {
        self.id = id
        self.time = time
        self.number = number
        self.numberVersion = numberVersion
        self.contact = contact
        self.caseReference = caseReference
        self.reference = reference
        self.actor = actor
        self.client = client
        self.purpose = purpose
        self.form = form
        self.isApproach = isApproach
        self.outcomeDue = outcomeDue
        self.outcome = outcome
        self.outcomeTime = outcomeTime
    }
}

/// What earlier releases are looked up by.
public enum HistoryKey: Hashable, Sendable {
    /// Blind index of a number.
    case number([UInt8])
    /// Digest of a case.
    case caseReference([UInt8])
    /// Digest of an offer, request or complaint.
    case reference([UInt8])
}

/// The borrower's authorisation of a contact.
public struct StoredAuthorisation: Hashable, Sendable {
    /// Who is authorised.
    public let contact: ContactID
    /// SHA-256 of the evidence, 32 bytes.
    public let evidence: [UInt8]
    /// When it was recorded.
    public let given: Timestamp
    /// When it ends, `nil` for never.
    public let expires: Timestamp?
    /// When it was withdrawn.
    public var withdrawn: Timestamp?

    /// An authorisation.
    public init(
        contact: ContactID, evidence: [UInt8], given: Timestamp, expires: Timestamp?, withdrawn: Timestamp?
    ) {
        self.contact = contact
        self.evidence = evidence
        self.given = given
        self.expires = expires
        self.withdrawn = withdrawn
    }
}

/// Names an offer, request or complaint of a contact.
public struct ContactReferenceKey: Hashable, Sendable {
    /// Whose it is.
    public let contact: ContactID
    /// The name it has, which the caller or the vault gave it.
    public let reference: Reference

    /// A key.
    public init(contact: ContactID, reference: Reference) {
        self.contact = contact
        self.reference = reference
    }
}

/// An offer, request or complaint.
public struct StoredContactReference: Hashable, Sendable {
    /// Which of them.
    public let kind: ReferenceKind
    /// When it was recorded.
    public let recorded: Timestamp

    /// A reference.
    public init(kind: ReferenceKind, recorded: Timestamp) {
        self.kind = kind
        self.recorded = recorded
    }
}

/// A number on the stop list. It holds no number and no contact, so it may outlive the contact's record.
public struct StoredSuppression: Hashable, Sendable {
    /// Blind index of the number, 32 bytes.
    public let number: [UInt8]
    /// Version of the blind-index key.
    public let indexVersion: UInt32
    /// When the number was first put on the list.
    public let since: Timestamp
    /// When somebody last said no for it.
    public let latest: Timestamp

    /// A place on the list.
    public init(number: [UInt8], indexVersion: UInt32, since: Timestamp, latest: Timestamp) {
        self.number = number
        self.indexVersion = indexVersion
        self.since = since
        self.latest = latest
    }
}

/// One operation that waits for, or has, a second person's yes.
public struct StoredApproval: Hashable, Sendable {
    /// Its name, 16 random bytes.
    public let id: [UInt8]
    /// What it is about.
    public let kind: Kind
    /// Digest of the operation with all its parameters, 32 bytes: another operation is not approved by it.
    public let operation: [UInt8]
    /// The parameters, as far as they are not personal: a policy's text. Empty otherwise.
    public let payload: [UInt8]
    /// Which contact it concerns, `nil` for none.
    public let contact: ContactID?
    /// Who asked.
    public let requester: Reference
    /// When.
    public let requested: Timestamp
    /// When it is void.
    public let expires: Timestamp
    /// Who said yes, `nil` while nobody has.
    public var approver: Reference?
    /// When it was used up, `nil` while it was not.
    public var used: Timestamp?

    /// What an approval may be about.
    public enum Kind: String, Sendable {
        /// A release that needs a second person.
        case release
        /// A policy that loosens the one in force.
        case policy
        /// The end of a key version's secret.
        case keyDestroy = "key.destroy"
        /// A key version that somebody may know.
        case keyCompromise = "key.compromise"
        /// A key version that was switched off, in use again.
        case keyEnable = "key.enable"
        /// Another root key.
        case rootChange = "root.change"
        /// A stop flag taken away.
        case stopLift = "stop.clear"
        /// An export of what the log discloses of everybody.
        case logExport = "log.export"
    }

    /// An approval.
    public init(
        id: [UInt8], kind: Kind, operation: [UInt8], payload: [UInt8], contact: ContactID?,
        requester: Reference,
        requested: Timestamp, expires: Timestamp, approver: Reference? = nil, used: Timestamp? = nil
    ) {
        self.id = id
        self.kind = kind
        self.operation = operation
        self.payload = payload
        self.contact = contact
        self.requester = requester
        self.requested = requested
        self.expires = expires
        self.approver = approver
        self.used = used
    }
}

/// A release in an emergency, which somebody must look at afterwards.
public struct StoredReview: Hashable, Sendable {
    /// The release.
    public let release: ReleaseID
    /// For what.
    public let purpose: Purpose
    /// The client that it was given to.
    public let client: Reference
    /// When it was released.
    public let opened: Timestamp
    /// Until when it must have been looked at.
    public let due: Timestamp
    /// When the alert was delivered, `nil` while it was not.
    public var alerted: Timestamp?
    /// When it was looked at, `nil` while it was not.
    public var closed: Timestamp?
    /// What was found: a code word.
    public var finding: String?

    /// A review.
    public init(
        release: ReleaseID, purpose: Purpose, client: Reference, opened: Timestamp, due: Timestamp,
        alerted: Timestamp? = nil, closed: Timestamp? = nil, finding: String? = nil
    ) {
        self.release = release
        self.purpose = purpose
        self.client = client
        self.opened = opened
        self.due = due
        self.alerted = alerted
        self.closed = closed
        self.finding = finding
    }
}

/// What tokens are revoked by.
public struct RevocationKey: Hashable, Sendable {
    /// Which of a token's facts.
    public let kind: Kind
    /// The fact: a digest or the bytes of a name.
    public let subject: [UInt8]

    /// A fact of tokens.
    public enum Kind: String, CaseIterable, Sendable {
        /// The token itself, by the SHA-256 of its `jti`.
        case token
        /// The client it was issued to.
        case client
        /// The client's agency.
        case agency
        /// The case, by its digest.
        case caseReference = "case"
        /// A contact that it names.
        case contact
        /// The key that signed it.
        case key
    }

    /// A key.
    public init(kind: Kind, subject: [UInt8]) {
        self.kind = kind
        self.subject = subject
    }
}

/// A revocation: tokens of that kind that were issued until then are no longer good.
public struct StoredRevocation: Hashable, Sendable {
    /// Tokens issued until this moment are revoked.
    public let revoked: Timestamp
    /// When it may be forgotten, because every such token has ended.
    public let expires: Timestamp

    /// A revocation.
    public init(revoked: Timestamp, expires: Timestamp) {
        self.revoked = revoked
        self.expires = expires
    }
}

/// Names the requests of a client in one minute, of one purpose or of all.
public struct RequestCountKey: Hashable, Sendable {
    /// Minutes since 1970.
    public let minute: Int64
    /// The client.
    public let client: Reference
    /// The purpose; empty for all together.
    public let purpose: String

    /// A key.
    public init(minute: Int64, client: Reference, purpose: String) {
        self.minute = minute
        self.client = client
        self.purpose = purpose
    }
}

/// A number as one of the distinct numbers that somebody had on a day.
public struct DistinctNumberKey: Hashable, Sendable {
    /// Days since 1970 of the calendar that the ceilings go by.
    public let day: Int64
    /// Digest of the actor, client or agency, 32 bytes.
    public let subject: [UInt8]
    /// Blind index of the number.
    public let number: [UInt8]

    /// A key.
    public init(day: Int64, subject: [UInt8], number: [UInt8]) {
        self.day = day
        self.subject = subject
        self.number = number
    }
}

/// How many distinct numbers there were, and whether one is among them.
public struct DistinctNumbers: Hashable, Sendable {
    /// How many.
    public var count: Int64
    /// Whether the number that was asked about is one of them.
    public var includesNumber: Bool

    /// A count.
    public init(count: Int64, includesNumber: Bool) {
        self.count = count
        self.includesNumber = includesNumber
    }
}

// What happened after a release, as the client reports it, and what follows from it.

/// The outcome of a release. What each one does to the contact is fixed here, not in the policy: a no is a no.
public enum ReleaseOutcome: String, CaseIterable, Sendable {
    case relayed
    case refused
    case stopRequested = "stop_requested"
    case wrongNumber = "wrong_number"
    case numberInvalid = "number_invalid"
    case noAnswer = "no_answer"
    case busy
    case voicemail
    case willingToRepay = "willing_to_repay"
    case willingToNegotiate = "willing_to_negotiate"
    case callbackRequested = "callback_requested"
    case complaint
    case deceasedReported = "deceased_reported"
    case notUsed = "not_used"

    /// Whether the contact said no: the stop flag is set and the number goes on the stop list.
    public var stopsContact: Bool { self == .refused || self == .stopRequested }

    /// Whether the number does not reach the contact: the record is suspended.
    public var suspendsRecord: Bool { self == .wrongNumber || self == .numberInvalid }

    /// Whether somebody was spoken to, which begins the pause after a conversation (12 CFR 1006.14(b)(2)).
    public var isConversation: Bool {
        switch self {
        case .relayed, .refused, .stopRequested, .willingToRepay, .willingToNegotiate, .callbackRequested,
            .complaint,
            .deceasedReported:
            true
        case .wrongNumber, .numberInvalid, .noAnswer, .busy, .voicemail, .notUsed: false
        }
    }

    /// Whether it counts against the actor who asked.
    public var isPoor: Bool { self == .wrongNumber }

    /// What the outcome puts on record for later releases to refer to; `nil` for nothing.
    ///
    /// Willingness to negotiate is a request to be spoken with, not an offer to pay.
    public var reference: ReferenceKind? {
        switch self {
        case .willingToRepay: .offer
        case .willingToNegotiate, .callbackRequested: .request
        case .complaint: .complaint
        default: nil
        }
    }
}

/// What a request for a release may refer to.
public enum ReferenceKind: String, CaseIterable, Sendable {
    /// An offer to repay.
    case offer
    /// A request of the contact's: a call back, or a right.
    case request
    /// A complaint of the contact's.
    case complaint
}

// Failures of the vault as its callers see them. What a caller may not learn is in the log instead.

public import AccessToken
public import ContactModel

/// Why an operation of the vault did not succeed.
public enum VaultError: Error, Sendable {
    /// The token, proof or assertion was refused before anything was recorded.
    case token(TokenError)
    /// A rule refused; the entry is in the log. Tell the caller no more than ``DenialCode/disclosedAs``.
    case denied(DenialCode)
    /// A contact was refused at intake.
    case intake(IntakeFault)
    /// The contact is at another generation than the caller expected.
    case generationMismatch
    /// The idempotency key was used with another request.
    case idempotencyConflict
    /// Another outcome of this release is on record.
    case outcomeConflict
    /// The approval was given already, was used or has expired, or what it approves has changed since.
    case approvalVoid
    /// Nobody approves what they asked for themselves.
    case approvalByRequester
    /// There is no such thing, for callers that may know so.
    case notFound
    /// Too many requests wait to be recorded; try again.
    case overloaded
    /// The access log cannot be written, so nothing is released; try again.
    case logUnavailable(String)
    /// The system's clock is behind the log's last entry; set it right.
    case clockWentBack
    /// The request does not fit what there is; the payload says how.
    case conflict(String)
    /// Something needs the key version.
    case keyInUse(KeyNeeds)
    /// A step that has to wait until this moment.
    case tooEarly(Timestamp)
    /// A record did not open. The payload is the code that the log entry carries.
    case recordUnreadable(String)
    /// A stored value does not parse. The payload names the table.
    case storeCorrupt(String)
    /// The vault's keys, policy and store do not belong together; the payload says which.
    case inconsistent(String)
    /// The cryptographic library failed.
    case cryptographyUnavailable
}

extension DenialCode {
    /// Whether it is said of the token, the proof or the client, and so of every contact that the request names.
    var concernsWholeRequest: Bool {
        switch self {
        case .proofReplayed, .tokenExpired, .tokenRevoked, .tokenLifeTooLong, .clientUnknown,
            .clientSuspended,
            .keyNotRegistered, .agencyNotEntrusted, .insufficientScope:
            true
        default: false
        }
    }

    /// What the caller may be told of this denial: only what it can mend by itself, by waiting or by saying why. `nil` for
    /// everything that would tell it about the contact.
    public var disclosedAs: String? {
        switch self {
        case .outsideHours, .holiday, .holidaysUnknown, .timeZoneUnknown: "outside-hours"
        case .capReached, .conversationPause: "cap-reached"
        case .preconditionMissing, .preconditionNotAccepted: "precondition-missing"
        default: nil
        }
    }
}

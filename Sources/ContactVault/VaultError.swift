// Failures of the vault as its callers see them. What a caller may not learn is in the log instead.

public import AccessToken
public import ContactModel

/// Why an operation of the vault did not succeed.
public enum VaultError: Error, Sendable {
    /// The token, proof or assertion was refused before anything was recorded.
    case token(TokenError)
    /// A rule refused; the entry is in the log. Tell the caller no more than ``DenialCode/disclosedToCaller``.
    case denied(DenialCode)
    /// A contact was refused at intake.
    case intake(IntakeFault)
    /// The contact is at another generation than the caller expected.
    case generationMismatch
    /// The idempotency key was used with another request.
    case idempotencyConflict
    /// There is no such thing, for callers that may know so.
    case notFound
    /// Too many requests wait to be recorded; try again.
    case overloaded
    /// The access log cannot be written, so nothing is released; try again.
    case logUnavailable(String)
    /// The system's clock is behind the log's last entry; set it right.
    case clockWentBack
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
    /// Whether the caller may be told which rule denied: only what it can mend by itself.
    public var disclosedToCaller: Bool {
        switch self {
        case .outsideHours, .capReached, .preconditionMissing: true
        default: false
        }
    }
}

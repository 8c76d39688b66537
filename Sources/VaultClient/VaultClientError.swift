// What a call to the vault can fail with, as codes: no reply's body, and so no number, ends up in an error.

public import VaultAPI

/// A refusal in the vault's own words.
public struct VaultProblem: Sendable, CustomStringConvertible {
    /// The HTTP status.
    public let status: Int
    /// The problem's type without its base, such as `release-denied`; at the token endpoint the OAuth code, such as
    /// `invalid_client`; `unknown` if the reply was neither.
    public let type: String
    /// The problem document, `nil` at the token endpoint and for replies that are none.
    public let problem: ProblemBody?
    /// How many seconds to wait before trying again, where the vault says so.
    public let retryAfterSeconds: Int?

    /// The problem of a reply that is not a success.
    init(_ reply: VaultReply) {
        status = reply.status
        problem = reply.problem
        retryAfterSeconds = reply.retryAfterSeconds
        if let full = problem?.type, full.hasPrefix(ProblemBody.base) {
            let suffix = full.dropFirst(ProblemBody.base.count)
            // A code word or nothing: whoever answers here must not write into the client's log.
            let isWord =
                (1...64).contains(suffix.utf8.count)
                && suffix.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-") }
            type = isWord ? String(suffix) : "unknown"
        } else {
            type = reply.oauthError ?? "unknown"
        }
    }

    /// Status and type.
    public var description: String { "\(status) \(type)" }
}

/// Why a call did not succeed.
public enum VaultClientError: Error, Sendable, CustomStringConvertible {
    /// The vault answered with a refusal.
    case refused(VaultProblem)
    /// No connection, or it was lost before the whole reply was there. What was asked may have been done.
    case connectionLost
    /// No whole reply in time. What was asked may have been done.
    case timedOut
    /// The task was cancelled.
    case cancelled
    /// The reply is longer than a reply of its kind may be.
    case replyTooLarge
    /// The reply is not of the form that was agreed, or is about something else than was asked.
    case replyMalformed(status: Int)
    /// The issuer is not exactly an origin, `scheme://host[:port]` in normal form.
    case issuerNotAnOrigin
    /// The endpoint is not a URL of scheme `https`, or `http` to this machine itself.
    case endpointNotSecure
    /// A certificate or key file does not load.
    case certificateUnreadable
    /// The path, method or a header field is not one that can be sent.
    case requestMalformed
    /// The client's key did not sign.
    case signingFailed
    /// A sealed field is not for this key, or was changed on its way.
    case sealedFieldUnreadable

    /// The HTTP status, `nil` if there was no reply.
    public var status: Int? {
        switch self {
        case .refused(let problem): problem.status
        case .replyMalformed(let status): status
        default: nil
        }
    }

    /// The type of the refusal, `nil` if it was none.
    public var problemType: String? { if case .refused(let problem) = self { problem.type } else { nil } }

    /// The problem document, `nil` if there was none.
    public var problem: ProblemBody? { if case .refused(let problem) = self { problem.problem } else { nil } }

    /// What happened and what to do.
    public var description: String {
        switch self {
        case .refused(let problem): "the vault refused: \(problem)"
        case .connectionLost:
            "no connection to the vault, or it was lost; check the address and that it serves"
        case .timedOut: "the vault did not answer in time"
        case .cancelled: "cancelled"
        case .replyTooLarge: "the reply is too long to be the vault's"
        case .replyMalformed(let status): "the reply (status \(status)) is not the vault's; check the address"
        case .issuerNotAnOrigin: "the issuer must be scheme://host[:port], lower case, without a path"
        case .endpointNotSecure: "numbers travel only over https, or over http to 127.0.0.1, ::1 or localhost"
        case .certificateUnreadable:
            "a certificate or key file is missing or does not load: give both, in PEM, readable by this user"
        case .requestMalformed: "the request's path, method or header fields cannot be sent"
        case .signingFailed: "the client's key did not sign"
        case .sealedFieldUnreadable: "the sealed field does not open with this key"
        }
    }
}

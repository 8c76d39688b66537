// Why a token, proof, assertion or request for a token was refused.
//
// The outer case is the answer the caller gets; the fault inside is a code for the log. Neither carries
// input, so an attacker cannot write into a log line or an error page through a token.

/// A refusal, one case per answer of the HTTP interface.
public enum TokenError: Error, Equatable, Sendable {
    /// No credentials of the `DPoP` scheme, and no certificate that a `Bearer` token could be bound to: 401 with a challenge and no error code (RFC 6750 §3.1).
    case noCredentials
    /// The token is malformed, badly signed, meant for someone else, expired, or bound to another key: 401
    /// `invalid_token`.
    case invalidToken(TokenFault)
    /// The proof of possession is bad: 401 `invalid_dpop_proof` (400 at the token endpoint).
    case invalidDPoPProof(TokenFault)
    /// The proof is good but its nonce is missing or old. The payload is the nonce to send in `DPoP-Nonce`:
    /// 401 `use_dpop_nonce` (400 at the token endpoint; RFC 9449 §8, §9).
    case useDPoPNonce(String)
    /// The client is unknown, suspended, or its assertion is bad: 401 `invalid_client` (RFC 6749 §5.2).
    case invalidClient(TokenFault)
    /// The request itself is wrong, such as two credentials at once: 400 `invalid_request`.
    case invalidRequest(TokenFault)
    /// The authorization details are not exactly one object of a known schema: 400
    /// `invalid_authorization_details` (RFC 9396 §5).
    case invalidAuthorizationDetails(DetailsFault)
    /// The token is good but does not cover this action, contact or operation: 403 `insufficient_scope`.
    case insufficientScope
    /// The cryptographic library failed, which no input can cause: 500, nothing issued or accepted.
    case unavailable

    /// The error code of RFC 6749, 6750, 9396 or 9449 for this refusal; `nil` where none is sent.
    public var code: String? {
        switch self {
        case .noCredentials, .unavailable: nil
        case .invalidToken: "invalid_token"
        case .invalidDPoPProof: "invalid_dpop_proof"
        case .useDPoPNonce: "use_dpop_nonce"
        case .invalidClient: "invalid_client"
        case .invalidRequest: "invalid_request"
        case .invalidAuthorizationDetails: "invalid_authorization_details"
        case .insufficientScope: "insufficient_scope"
        }
    }
}

/// What was wrong with a signed message, as a code for the log.
public enum TokenFault: String, CaseIterable, Error, Sendable {
    /// Longer than its limit.
    case tooLarge = "too_large"
    /// Absent where one is required.
    case absent
    /// More than one where one is required.
    case several
    /// Not three segments of strict base64url, or a segment that must not be empty is.
    case segments
    /// A header or payload that is not strict JSON: duplicate keys, fractions, trailing bytes.
    case json
    /// A header parameter or claim that this kind of message does not have.
    case unknownMember = "unknown_member"
    /// A required header parameter or claim is missing.
    case missingMember = "missing_member"
    /// A header parameter or claim of the wrong JSON type, length or alphabet.
    case malformedMember = "malformed_member"
    /// `typ` of another kind of message: the defence against one JWT used in place of another (RFC 8725
    /// §3.11).
    case type
    /// An algorithm that is not accepted, or not the key's.
    case algorithm
    /// No key of this `kid`, or no `kid` where several keys could be meant.
    case keyUnknown = "key_unknown"
    /// A public key that is not one: wrong type, off the curve, of small order, unknown members.
    case keyMalformed = "key_malformed"
    /// A private key sent where a public one belongs. Whoever sent it has to replace that key.
    case keyPrivate = "key_private"
    /// The key is not registered for this client.
    case keyNotRegistered = "key_not_registered"
    /// The token is bound to another key than the proof's (RFC 9449 §7.1).
    case keyBinding = "key_binding"
    /// The signature does not verify.
    case signature
    /// Another issuer.
    case issuer
    /// Another audience, or a list of them.
    case audience
    /// `sub` and `iss` or `client_id` differ, or name another client than the one looked up.
    case subject
    /// Past its end.
    case expired
    /// From the future by more than clocks may differ.
    case notYetValid = "not_yet_valid"
    /// A proof that was made too long ago.
    case stale
    /// A longer life than this kind of message may have, or an end before its beginning.
    case lifetime
    /// The token's authorization details do not parse.
    case details
    /// `htm` is not the request's method.
    case method
    /// `htu` is not the request's URI.
    case uri
    /// `ath` is missing, not the presented token's hash, or present without a token.
    case accessTokenHash = "access_token_hash"
    /// No client of this id. Thrown by whoever looks clients up.
    case clientUnknown = "client_unknown"
    /// The client is suspended.
    case clientSuspended = "client_suspended"
}

/// What was wrong with `authorization_details`, as a code for the log.
public enum DetailsFault: String, CaseIterable, Error, Sendable {
    /// Longer than its limit, or too long for a token once signed.
    case tooLarge = "too_large"
    /// Not strict JSON.
    case json
    /// Not an array of exactly one object.
    case notOneObject = "not_one_object"
    /// A `type` that does not exist.
    case unknownType = "unknown_type"
    /// A member that the type does not have.
    case unknownMember = "unknown_member"
    /// A required member is missing, or both of two that exclude each other are there.
    case missingMember = "missing_member"
    /// A member of the wrong JSON type, or a value outside its vocabulary, alphabet or range.
    case malformedMember = "malformed_member"
    /// The same contact or field named twice.
    case duplicate
}

extension TokenFault: MemberFault {}
extension DetailsFault: MemberFault {}

// From the credentials of a request to `VerifiedAccess`: a good token, presented by the holder of its key,
// for exactly this request. The first step of every operation; the second, what the store knows, is not taken
// here.

public import ContactModel
import StrictEncoding

/// The name under which a DPoP proof is found if it comes again.
public struct SingleUseProof: Equatable, Sendable {
    /// SHA-256 of `jkt ‖ 0 ‖ jti`, 32 bytes.
    public let identifier: [UInt8]
    /// When the identifier may be forgotten.
    public let expires: Timestamp

    package init(identifier: [UInt8], expires: Timestamp) {
        self.identifier = identifier
        self.expires = expires
    }
}

/// A request whose token and proof are good. Only ``AccessVerifier`` makes one.
///
/// What may change while a token lives is still open: replay, revocation, uses, the client's state, the
/// policy.
public struct VerifiedAccess: Sendable {
    /// The token.
    public let token: VerifiedToken
    /// What is spent once, in the transaction that records the access; `nil` for a token that is bound to the connection's
    /// certificate: TLS lets nobody repeat a request there, and what the holder repeats spends a use again.
    public let proof: SingleUseProof?
    /// The certificate of the connection, for a token that is bound to it. Whether it still names the client, its
    /// registration says.
    public let certificate: ClientCertificate?

    package init(token: VerifiedToken, proof: SingleUseProof?, certificate: ClientCertificate? = nil) {
        self.token = token
        self.proof = proof
        self.certificate = certificate
    }

    /// The client.
    public var client: Reference { token.claims.client }
    /// What the token is for.
    public var details: AuthorizationDetails { token.claims.details }
}

/// Verifies the credentials of requests to protected resources.
public struct AccessVerifier: Sendable {
    private let tokens: TokenVerifier
    private let proofs: DPoPVerifier

    /// A verifier.
    public init(tokens: TokenVerifier, proofs: DPoPVerifier) {
        self.tokens = tokens
        self.proofs = proofs
    }

    /// Verifies a request: exactly one `Authorization` field and the token; then, for scheme `DPoP`, exactly one
    /// `DPoP` field and the proof, or for scheme `Bearer`, the certificate that the token is bound to.
    /// - Parameters:
    ///   - authorization: every value of the `Authorization` header field.
    ///   - dpop: every value of the `DPoP` header field.
    ///   - method: the request's method.
    ///   - path: the request's path as it came, without query.
    ///   - certificate: what the client showed on this connection, verified; `nil` if nothing.
    ///   - now: the present.
    /// - Throws: ``TokenError``, one case per answer.
    public func verify(
        authorization: [String], dpop: [String], method: String, path: String,
        certificate: ClientCertificate? = nil, now: Timestamp
    ) throws(TokenError) -> VerifiedAccess {
        guard let value = authorization.first else { throw .noCredentials }
        guard authorization.count == 1 else { throw .invalidRequest(.several) }
        let (scheme, compact) = try Self.credentials(of: value)
        switch scheme {
        case .dpop:
            let token = try tokens.verify(compact, now: now)
            guard case .proofKey = token.claims.confirmation else { throw .invalidToken(.keyBinding) }
            let proof = try proofs.verify(
                headerValues: dpop, method: method, path: path, binding: .token(token), now: now)
            return VerifiedAccess(
                token: token,
                proof: SingleUseProof(identifier: proof.replayKey, expires: proof.replayKeyExpires))
        case .bearer:
            // Without a certificate there is nothing that a token sent like this could be bound to: a token for DPoP is no
            // credential here, or its binding would be undone (RFC 9449 §7.2).
            guard let certificate else { throw .noCredentials }
            guard dpop.isEmpty else { throw .invalidRequest(.several) }
            let token = try tokens.verify(compact, now: now)
            guard case .certificate(let bound) = token.claims.confirmation,
                certificate.thumbprint.isExactly(bound)
            else { throw .invalidToken(.keyBinding) }
            return VerifiedAccess(token: token, proof: nil, certificate: certificate)
        }
    }

    private enum Scheme { case dpop, bearer }

    /// Scheme and token of an `Authorization` value (RFC 9110 §11.4).
    private static func credentials(of value: String) throws(TokenError) -> (Scheme, [UInt8]) {
        let bytes = value.utf8
        guard bytes.count <= Limits.tokenBytes + 64 else { throw .invalidToken(.tooLarge) }
        let space = UInt8(ascii: " ")
        let name = bytes.prefix { $0 != space }
        let scheme: Scheme
        switch String(decoding: name.map { $0 | 0x20 }, as: UTF8.self) {
        case "dpop": scheme = .dpop
        case "bearer": scheme = .bearer
        default: throw .noCredentials
        }
        let token = Array(bytes.dropFirst(name.count).drop { $0 == space })
        guard !token.isEmpty else { throw .invalidToken(.absent) }
        return (scheme, token)
    }
}

extension VerifiedAccess {
    /// The details, if the token covers this action on this contact.
    /// - Throws: ``TokenError/insufficientScope``.
    public func contactAccess(
        to contact: ContactID, action: Action
    ) throws(TokenError) -> ContactAccessDetails {
        guard case .contactAccess(let access) = details, access.action == action,
            access.contacts.contains(contact)
        else { throw .insufficientScope }
        return access
    }

    /// The details, if the token names several contacts and covers this action.
    /// - Throws: ``TokenError/insufficientScope``.
    public func batchAccess(action: Action) throws(TokenError) -> ContactAccessDetails {
        guard case .contactAccess(let access) = details, access.action == action,
            case .several = access.selection
        else { throw .insufficientScope }
        return access
    }

    /// The details, if the token is for comparing numbers with the stop list.
    /// - Throws: ``TokenError/insufficientScope``.
    public func numberMatch() throws(TokenError) -> NumberMatchDetails {
        guard case .numberMatch(let match) = details else { throw .insufficientScope }
        return match
    }

    /// The details, if the token covers this intake. Whether a record's portfolio is the token's, the caller
    /// compares.
    /// - Throws: ``TokenError/insufficientScope``.
    public func intake(
        _ operation: ContactIntakeDetails.Operation
    ) throws(TokenError) -> ContactIntakeDetails {
        guard case .contactIntake(let intake) = details, intake.operation == operation else {
            throw .insufficientScope
        }
        return intake
    }

    /// The details, if this access may put a number on the stop list.
    /// - Throws: ``TokenError/insufficientScope``.
    @discardableResult
    public func suppression() throws(TokenError) -> ContactManagementDetails {
        try management(.suppress, of: nil)
    }

    /// Nothing, if this access is for a contact whose release an outcome is reported of.
    /// - Throws: ``TokenError/insufficientScope``.
    public func outcome(of contact: ContactID?) throws(TokenError) {
        guard case .contactAccess(let access) = details, let contact, access.contacts.contains(contact) else {
            throw .insufficientScope
        }
    }

    /// Nothing, if this access may do an operation on keys or policy.
    /// - Throws: ``TokenError/insufficientScope``.
    public func keyManagement(_ operation: KeyManagementDetails.Operation) throws(TokenError) {
        guard case .keyManagement(let details) = details, details.operation == operation else {
            throw .insufficientScope
        }
    }

    /// The details, if the token covers this operation on this contact (`nil` for `suppress`).
    /// - Throws: ``TokenError/insufficientScope``.
    @discardableResult
    public func management(
        _ operation: ContactManagementDetails.Operation, of contact: ContactID?
    ) throws(TokenError) -> ContactManagementDetails {
        guard case .contactManagement(let management) = details, management.operation == operation,
            management.contact == contact
        else { throw .insufficientScope }
        return management
    }

    /// The details, if the token covers this operation on the log. The time range in them is the caller's to
    /// keep.
    /// - Throws: ``TokenError/insufficientScope``.
    public func accessLog(_ operation: AccessLogDetails.Operation) throws(TokenError) -> AccessLogDetails {
        guard case .accessLog(let log) = details, log.operation == operation else { throw .insufficientScope }
        return log
    }
}

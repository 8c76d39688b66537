// The claims of an access token (RFC 9068 with the `cnf` of RFC 9449 and the details of RFC 9396).

public import ContactModel
import StrictEncoding

/// The claims of an access token. No personal data: references, random identifiers and words of closed
/// vocabularies.
public struct AccessTokenClaims: Equatable, Sendable {
    /// `iss`: the vault's issuer URL.
    public let issuer: String
    /// `sub` and `client_id`, which are the same here: the client acts for itself (RFC 9068 §2.2).
    public let client: Reference
    /// `aud`: the resource, one string.
    public let audience: String
    /// `iat`, whole seconds.
    public let issuedAt: Timestamp
    /// `nbf`, whole seconds.
    public let notBefore: Timestamp
    /// `exp`, whole seconds: the first moment at which the token is no longer good.
    public let expires: Timestamp
    /// `jti`: 16 random bytes in base64url, 22 characters. Uses are counted under it.
    public let identifier: String
    /// `pol`: version of the policy that the token was granted under.
    public let policyVersion: String
    /// `cnf`: what its user must hold.
    public let confirmation: TokenConfirmation
    /// What the token is for.
    public let details: AuthorizationDetails

    /// Latest second that is accepted in a claim: the end of year 9999, the last that RFC 3339 can write.
    static let seconds: ClosedRange<Int64> = 0...253_402_300_799

    private static let names: Set<String> = [
        "iss", "sub", "client_id", "aud", "iat", "nbf", "exp", "jti", "pol", "cnf", "authorization_details",
    ]

    /// Claims with these values.
    /// - Throws: ``TokenFault/malformedMember`` for an identifier, policy version or thumbprint of the wrong
    ///   form, ``TokenFault/lifetime`` for times that are not whole seconds in order, or a life beyond what
    ///   the details allow.
    public init(
        issuer: String, client: Reference, audience: String, issuedAt: Timestamp, notBefore: Timestamp,
        expires: Timestamp, identifier: String, policyVersion: String, confirmation: TokenConfirmation,
        details: AuthorizationDetails
    ) throws(TokenFault) {
        guard identifier.utf8.count == 22, Base64URL.decode(identifier) != nil,
            (1...64).contains(policyVersion.utf8.count), policyVersion.utf8.allSatisfy(Self.isVersionByte),
            confirmation.thumbprint.isThumbprint
        else { throw .malformedMember }
        for time in [issuedAt, notBefore, expires] {
            guard time.milliseconds % 1000 == 0, Self.seconds.contains(time.seconds) else { throw .lifetime }
        }
        guard issuedAt <= notBefore, notBefore < expires,
            expires.seconds - issuedAt.seconds <= details.maximumSeconds
        else { throw .lifetime }
        self.issuer = issuer
        self.client = client
        self.audience = audience
        self.issuedAt = issuedAt
        self.notBefore = notBefore
        self.expires = expires
        self.identifier = identifier
        self.policyVersion = policyVersion
        self.confirmation = confirmation
        self.details = details
    }

    /// Reads the claims of a verified signature. Every claim is required, none besides is allowed.
    init(reading token: CompactJWS, issuer: String, audience: String) throws(TokenFault) {
        let claims = try token.claims(Self.names)
        guard try claims.string("iss").isExactly(issuer) else { throw .issuer }
        // A list of audiences is refused even if it names this one: the token then is good elsewhere too.
        guard let text = try claims.value("aud").stringValue, text.isExactly(audience) else {
            throw .audience
        }
        let client = try claims.parsed("client_id") { Reference($0) }
        guard try claims.string("sub").isExactly(client.text) else { throw .subject }
        let list = try claims.value("authorization_details")
        let details: AuthorizationDetails
        do {
            details = try AuthorizationDetails.read(list)
        } catch {
            throw .details
        }
        try self.init(
            issuer: issuer,
            client: client,
            audience: audience,
            issuedAt: Timestamp(seconds: try claims.integer("iat", in: Self.seconds)),
            notBefore: Timestamp(seconds: try claims.integer("nbf", in: Self.seconds)),
            expires: Timestamp(seconds: try claims.integer("exp", in: Self.seconds)),
            identifier: try claims.string("jti"),
            policyVersion: try claims.string("pol"),
            confirmation: try TokenConfirmation(reading: try claims.value("cnf")),
            details: details)
    }

    /// Whether the token may be used now. No leeway at its end: a token ends when it says so.
    func checkTimes(now: Timestamp) throws(TokenFault) {
        guard now < expires else { throw .expired }
        let latest = now.adding(seconds: Limits.clockSkewSeconds)
        guard issuedAt <= latest, notBefore <= latest else { throw .notYetValid }
    }

    /// The claims set.
    var json: JSONValue {
        .object(
            JSONObject([
                ("iss", .string(issuer)), ("sub", .string(client.text)), ("client_id", .string(client.text)),
                ("aud", .string(audience)), ("iat", .integer(issuedAt.seconds)),
                ("nbf", .integer(notBefore.seconds)), ("exp", .integer(expires.seconds)),
                ("jti", .string(identifier)), ("pol", .string(policyVersion)),
                ("cnf", confirmation.json),
                ("authorization_details", details.json),
            ]))
    }

    private static func isVersionByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

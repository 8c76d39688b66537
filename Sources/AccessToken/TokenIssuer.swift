// Issuing access tokens.

public import ContactModel
import StrictEncoding
public import VaultCrypto

/// A token that was just signed.
public struct IssuedToken: Sendable {
    /// The compact token, for the `access_token` member of the reply. A bearer of half a secret: never
    /// logged.
    public let compact: String
    /// What it says.
    public let claims: AccessTokenClaims
    /// SHA-256 of `jti`: how the log and the use count name this token.
    public let identifierHash: [UInt8]
}

/// Signs access tokens with one key. Who may have which token is decided before.
public struct TokenIssuer: Sendable {
    /// The issuer URL that every token names.
    public let issuer: String
    /// The resource that every token is for.
    public let audience: String
    private let key: SigningKey
    private let keyID: String

    /// The public key, for the key set and for ``TokenVerifier``.
    public var publicJWK: PublicJWK { PublicJWK(key.verificationKey) }

    /// An issuer.
    public init(issuer: String, audience: String, key: SigningKey) {
        self.issuer = issuer
        self.audience = audience
        self.key = key
        keyID = key.thumbprint
    }

    /// Signs a token that begins now.
    /// - Parameters:
    ///   - client: who gets it.
    ///   - details: what it is for.
    ///   - confirmation: the client's key or certificate; the caller has verified that the client holds it.
    ///   - policyVersion: the policy that granted it.
    ///   - seconds: its life, from 1 to the details' ``AuthorizationDetails/maximumSeconds``.
    ///   - now: the moment of issue; fractions of a second are dropped.
    ///   - random: where the identifier's 128 bits come from.
    /// - Throws: ``TokenError/invalidRequest(_:)`` for a life outside its range or values of the wrong form,
    ///   ``TokenError/invalidAuthorizationDetails(_:)`` if the token would be longer than verifiers accept,
    ///   ``TokenError/unavailable`` if the library fails.
    public func issue(
        to client: Reference, details: AuthorizationDetails, confirmation: TokenConfirmation,
        policyVersion: String,
        seconds: Int64, now: Timestamp, random: any RandomSource
    ) throws(TokenError) -> IssuedToken {
        guard (1...details.maximumSeconds).contains(seconds) else { throw .invalidRequest(.lifetime) }
        let identifier: [UInt8]
        do {
            identifier = try random.bytes(16)
        } catch {
            throw .unavailable
        }
        let start = Timestamp(seconds: now.seconds)
        let claims: AccessTokenClaims
        do {
            claims = try AccessTokenClaims(
                issuer: issuer, client: client, audience: audience, issuedAt: start, notBefore: start,
                expires: start.adding(seconds: seconds), identifier: Base64URL.encode(identifier),
                policyVersion: policyVersion, confirmation: confirmation, details: details)
        } catch {
            throw .invalidRequest(error)
        }
        return IssuedToken(
            compact: try issue(claims), claims: claims,
            identifierHash: SHA256.hash(Array(claims.identifier.utf8)))
    }

    /// Signs claims.
    /// - Throws: ``TokenError/invalidRequest(_:)`` if they name another issuer or audience,
    ///   ``TokenError/invalidAuthorizationDetails(_:)`` if the token would be longer than verifiers accept,
    ///   ``TokenError/unavailable`` if the library fails.
    public func issue(_ claims: AccessTokenClaims) throws(TokenError) -> String {
        guard claims.issuer.isExactly(issuer) else { throw .invalidRequest(.issuer) }
        guard claims.audience.isExactly(audience) else { throw .invalidRequest(.audience) }
        let token = try CompactJWS.sign(
            type: TokenVerifier.type, keyID: keyID, payload: claims.json, key: key)
        guard token.utf8.count <= Limits.tokenBytes else { throw .invalidAuthorizationDetails(.tooLarge) }
        return token
    }
}

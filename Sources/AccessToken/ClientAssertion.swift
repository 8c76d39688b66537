// Client authentication with `private_key_jwt` (RFC 7523 §2.2, §3), without the freedom that let one server's
// assertion be used at another: the audience is the issuer string and nothing else.

public import ContactModel
import StrictEncoding
import VaultCrypto

/// A client assertion that verified. Whoever accepts it spends the identifier once.
public struct VerifiedAssertion: Equatable, Sendable {
    /// The client that made it.
    public let client: Reference
    /// SHA-256 of `client ‖ 0 ‖ jti`, 32 bytes: the key under which a replay is found.
    public let replayKey: [UInt8]
    /// When the replay key may be forgotten: the assertion's end, and the difference that clocks may have.
    public let replayKeyExpires: Timestamp
}

/// A client assertion taken apart. Verification needs the client's registration, and finding that needs the
/// id which the assertion itself names; so there are two steps, and the name in between says that it proves
/// nothing.
public struct ClientAssertion: Sendable {
    /// `client_assertion_type` of the token request (RFC 7523 §2.2).
    public static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// Whom the assertion claims to be from, before any check of its signature: only to look the client up.
    public let unverifiedClient: Reference

    private let jws: CompactJWS
    private let claims: ClosedObject<TokenFault>

    /// `typ` that an assertion may have: the explicit one, or the general one of most libraries. Never that
    /// of an access token or a proof.
    private static let types = ["client-authentication+jwt", "JWT"]

    /// Takes an assertion apart.
    /// - Throws: ``TokenError/invalidClient(_:)`` for anything malformed, another `typ`, or `iss` and `sub`
    ///   that differ.
    public init(parsing assertion: [UInt8]) throws(TokenError) {
        do throws(TokenFault) {
            jws = try CompactJWS(parsing: assertion, required: [], optional: [.type, .keyID])
            if let type = jws.type, !Self.types.contains(where: type.isExactly) { throw .type }
            claims = try jws.claims(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"])
            unverifiedClient = try claims.parsed("sub") { Reference($0) }
            guard try claims.string("iss").isExactly(unverifiedClient.text) else { throw .subject }
        } catch {
            throw .invalidClient(error)
        }
    }

    /// The unverified client of an assertion: ``init(parsing:)`` and ``unverifiedClient`` in one.
    public static func peekClientID(_ assertion: [UInt8]) throws(TokenError) -> Reference {
        try ClientAssertion(parsing: assertion).unverifiedClient
    }

    /// Verifies the assertion against a client's registration: its keys, then `aud` exactly the issuer, `exp`
    /// in the future and at most 300 s after `iat`, `iat` not ahead of the clock, `jti` there, client not
    /// suspended.
    /// - Throws: ``TokenError/invalidClient(_:)``.
    public func verify(
        client: RegisteredClient, issuer: String, now: Timestamp
    ) throws(TokenError) -> VerifiedAssertion {
        do {
            return try check(client: client, issuer: issuer, now: now)
        } catch {
            throw .invalidClient(error)
        }
    }

    private func check(
        client: RegisteredClient, issuer: String, now: Timestamp
    ) throws(TokenFault) -> VerifiedAssertion {
        guard unverifiedClient == client.id else { throw .subject }
        let keys = client.keys(at: now)
        let key: PublicJWK
        if let keyID = jws.keyID {
            guard let named = keys.first(where: { $0.thumbprint.isExactly(keyID) }) else {
                throw .keyUnknown
            }
            key = named
        } else {
            // Trying every key would let a caller have several signatures verified for one request.
            guard keys.count == 1 else { throw .keyUnknown }
            key = keys[0]
        }
        guard jws.algorithm == key.algorithm else { throw .algorithm }
        guard jws.isSigned(by: key.key) else { throw .signature }

        guard let audience = try claims.value("aud").stringValue, audience.isExactly(issuer) else {
            throw .audience
        }
        let seconds = AccessTokenClaims.seconds
        let expires = Timestamp(seconds: try claims.integer("exp", in: seconds))
        let issuedAt = Timestamp(seconds: try claims.integer("iat", in: seconds))
        let notBefore =
            claims.has("nbf") ? Timestamp(seconds: try claims.integer("nbf", in: seconds)) : issuedAt
        let identifier = try claims.string("jti")
        guard identifier.isTokenIdentifier else { throw .malformedMember }
        guard issuedAt < expires, expires.seconds - issuedAt.seconds <= Limits.assertionSeconds else {
            throw .lifetime
        }
        guard now < expires else { throw .expired }
        let latest = now.adding(seconds: Limits.clockSkewSeconds)
        guard issuedAt <= latest, notBefore <= latest else { throw .notYetValid }
        guard !client.isSuspended else { throw .clientSuspended }
        return VerifiedAssertion(
            client: client.id,
            replayKey: SHA256.hash(Array(client.id.text.utf8) + [0] + Array(identifier.utf8)),
            replayKeyExpires: expires.adding(seconds: Limits.clockSkewSeconds))
    }

    /// Makes an assertion, for clients.
    /// - Parameters:
    ///   - client: the client's id.
    ///   - issuer: the vault's issuer string, as its metadata gives it.
    ///   - key: a registered key.
    ///   - identifier: a fresh `jti`, at most 64 bytes; 16 random bytes in base64url do.
    ///   - now: the client's present.
    ///   - seconds: life, 1…300.
    /// - Throws: ``TokenError/invalidRequest(_:)`` for an identifier or life outside its range,
    ///   ``TokenError/unavailable`` if the library fails.
    public static func make(
        client: Reference, issuer: String, key: PrivateJWK, identifier: String, now: Timestamp,
        seconds: Int64 = 60
    ) throws(TokenError) -> String {
        guard identifier.isTokenIdentifier else { throw .invalidRequest(.malformedMember) }
        guard (1...Limits.assertionSeconds).contains(seconds) else { throw .invalidRequest(.lifetime) }
        let payload = JSONValue.object(
            JSONObject([
                ("iss", .string(client.text)), ("sub", .string(client.text)), ("aud", .string(issuer)),
                ("iat", .integer(now.seconds)), ("exp", .integer(now.seconds + seconds)),
                ("jti", .string(identifier)),
            ]))
        return try CompactJWS.sign(type: types[0], keyID: key.thumbprint, payload: payload, key: key.key)
    }
}

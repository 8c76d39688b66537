// Tokens of another authorization server, accepted by configuration.
//
// The vault's own tokens are closed to the last member, because the vault writes them. Another server writes claims of its
// own; those are ignored, but everything that decides here must be there in the form that it has here: audience, times, a
// binding to the client's key, one authorization details object. What the vault checks when it issues a token (roles, the
// terms of the purpose) has not been checked for these: whoever accepts one checks it at each use.

public import ContactModel
import StrictEncoding
import Synchronization
import VaultCrypto

/// An authorization server whose tokens are accepted besides the vault's own.
public struct TrustedIssuer: Sendable {
    /// Its name in the access log.
    public let name: Reference
    /// The exact `iss` of its tokens.
    public let issuer: String
    /// The claim that names the registered client.
    public let clientClaim: String
    /// The claim that has the authorization details.
    public let detailsClaim: String
    /// Its keys.
    public let keys: TrustedKeys

    /// Nesting of its claims that is read at all.
    static let claimsDepth = 8

    /// A trusted issuer.
    public init(
        name: Reference, issuer: String, clientClaim: String = "client_id",
        detailsClaim: String = "authorization_details", keys: TrustedKeys
    ) {
        self.name = name
        self.issuer = issuer
        self.clientClaim = clientClaim
        self.detailsClaim = detailsClaim
        self.keys = keys
    }

    /// Verifies a token whose `typ` was right and whose `iss` claims to be this issuer.
    func verify(
        _ jws: CompactJWS, hash: [UInt8], audience: String, now: Timestamp
    ) throws(TokenFault) -> VerifiedToken {
        guard let key = jws.keyID.flatMap({ keys.key(named: $0, at: now) }) else { throw .keyUnknown }
        guard jws.algorithm == key.algorithm else { throw .algorithm }
        guard jws.isSigned(by: key.key) else { throw .signature }
        return VerifiedToken(
            claims: try claims(of: jws, audience: audience), tokenHash: hash, keyID: key.thumbprint,
            trustedIssuer: name)
    }

    private func claims(of jws: CompactJWS, audience: String) throws(TokenFault) -> AccessTokenClaims {
        guard let object = (try? JSONValue.parse(jws.payload, maximumDepth: Self.claimsDepth))?.objectValue
        else { throw .json }
        // Every member is allowed; the readers are as strict as for the vault's own.
        let claims = try ClosedObject(
            .object(object), members: Set(object.keys), faults: TokenFault.self)
        guard try claims.string("iss").isExactly(issuer) else { throw .issuer }
        switch try claims.value("aud") {
        case .string(let text) where text.isExactly(audience): break
        case .array(let list) where list.count == 1 && list[0].stringValue?.isExactly(audience) == true: break
        default: throw .audience
        }
        let identifier = try claims.string("jti")
        guard (1...Limits.trustedTokenIdentifierBytes).contains(identifier.utf8.count) else {
            throw .malformedMember
        }
        let issuedAt = Timestamp(seconds: try claims.integer("iat", in: AccessTokenClaims.seconds))
        let notBefore =
            claims.has("nbf")
            ? Timestamp(seconds: try claims.integer("nbf", in: AccessTokenClaims.seconds)) : issuedAt
        let details: AuthorizationDetails
        do {
            details = try AuthorizationDetails.read(try claims.value(detailsClaim))
        } catch {
            throw .details
        }
        return try AccessTokenClaims(
            issuer: issuer, client: try claims.parsed(clientClaim) { Reference($0) }, audience: audience,
            issuedAt: issuedAt, notBefore: max(issuedAt, notBefore),
            expires: Timestamp(seconds: try claims.integer("exp", in: AccessTokenClaims.seconds)),
            // Two issuers may give out the same `jti`; uses and revocations must not meet.
            identifier: Base64URL.encode(
                SHA256.hash(Array(issuer.utf8) + [0] + Array(identifier.utf8))[..<16]),
            policyVersion: "trusted", confirmation: TokenConfirmation(reading: try claims.value("cnf")),
            details: details)
    }
}

/// The keys of a trusted issuer: from a file, or fetched from the one address that is configured, anew when a token names a
/// key that is not known or when they are old, and no oftener than once a minute. Keys that are too old verify nothing: what
/// the issuer has withdrawn must end here too.
public final class TrustedKeys: Sendable {
    /// Reads the key set; bounded in size and time by whoever makes it.
    public typealias Fetch = @Sendable () async throws -> [UInt8]

    private struct State {
        /// By the bytes of `kid`: strings are equal if they are canonically equivalent.
        var keys: [[UInt8]: PublicJWK] = [:]
        var asked: Timestamp?
        var fetched: Timestamp?

        func isFresh(at now: Timestamp, within seconds: Int64) -> Bool {
            fetched.map { now < $0.adding(seconds: seconds) } ?? false
        }
    }

    private let state: Mutex<State>
    private let fetch: Fetch?

    /// Keys that stay as they are.
    /// - Throws: ``JWKFault`` as ``keySet(parsing:)``.
    public init(keySet bytes: [UInt8]) throws(JWKFault) {
        state = Mutex(State(keys: try Self.keySet(parsing: bytes)))
        fetch = nil
    }

    /// Keys that are fetched.
    public init(fetching fetch: @escaping Fetch) {
        state = Mutex(State())
        self.fetch = fetch
    }

    /// Reads a JWK set: signature keys of the accepted kinds by `kid`. Others in it are for other programs and left out; a
    /// key needs both `kid` and `alg`, so that neither is guessed.
    /// - Throws: ``JWKFault/malformedMember`` if it is no JWK set or names two keys alike, ``JWKFault/missingMember`` if it
    ///   has no key that can be used.
    /// - Returns: keys by the bytes of their `kid`.
    public static func keySet(parsing bytes: [UInt8]) throws(JWKFault) -> [[UInt8]: PublicJWK] {
        guard let list = (try? JSONValue.parse(bytes, maximumDepth: 6))?.objectValue?["keys"]?.arrayValue
        else {
            throw .malformedMember
        }
        var keys: [[UInt8]: PublicJWK] = [:]
        for value in list {
            guard var object = value.objectValue, let name = object["kid"]?.stringValue, object["alg"] != nil
            else { continue }
            // Certificates and what else a server adds; never a private part, which the parser refuses.
            let known = KeyCoordinates.publicMembers.union(KeyCoordinates.privateMembers)
            for member in object.keys where !known.contains(member) { object[member] = nil }
            let key: PublicJWK
            do { key = try PublicJWK(parsing: .object(object)) } catch {
                guard error == .unsupportedKey || error == .wrongUse || error == .missingMember else {
                    throw error
                }
                continue
            }
            guard keys.updateValue(key, forKey: Array(name.utf8)) == nil else { throw .malformedMember }
        }
        guard !keys.isEmpty else { throw .missingMember }
        return keys
    }

    func key(named name: String, at now: Timestamp) -> PublicJWK? {
        state.withLock { state in
            guard fetch == nil || state.isFresh(at: now, within: Limits.keySetEndSeconds) else { return nil }
            return state.keys[Array(name.utf8)]
        }
    }

    func holds(thumbprint: String, at now: Timestamp) -> Bool {
        state.withLock { state in
            (fetch == nil || state.isFresh(at: now, within: Limits.keySetEndSeconds))
                && state.keys.values.contains { $0.thumbprint == thumbprint }
        }
    }

    /// Whether they should be fetched again although nothing is missing.
    public func isOld(at now: Timestamp) -> Bool {
        fetch != nil && state.withLock { !$0.isFresh(at: now, within: Limits.keySetRefreshSeconds) }
    }

    /// Fetches the key set, unless that was tried within the last minute.
    /// - Returns: whether there are new keys to look at. A fetch that fails leaves the keys as they are.
    @discardableResult
    public func refresh(now: Timestamp) async -> Bool {
        guard let fetch else { return false }
        let isDue = state.withLock { state in
            if let asked = state.asked, now < asked.adding(seconds: Limits.keySetSeconds), now >= asked {
                return false
            }
            state.asked = now
            return true
        }
        guard isDue, let bytes = try? await fetch(), bytes.count <= Limits.keySetBytes,
            let keys = try? Self.keySet(parsing: bytes)
        else { return false }
        return state.withLock { state in
            defer {
                state.keys = keys
                state.fetched = now
            }
            // What was too old is new again.
            return state.keys != keys || !state.isFresh(at: now, within: Limits.keySetEndSeconds)
        }
    }
}

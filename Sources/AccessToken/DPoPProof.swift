// Proof that the sender of a request holds a key (RFC 9449), made by clients and checked by the service.

public import ContactModel
import StrictEncoding
import Synchronization
import VaultCrypto

/// A proof that verified. Whoever accepts it spends the replay key once.
public struct VerifiedProof: Equatable, Sendable {
    /// RFC 7638 thumbprint of the key that signed.
    public let thumbprint: String
    /// SHA-256 of `jkt ‖ 0 ‖ jti`, 32 bytes: the key under which a replay is found. It does not depend on the
    /// signature, which has a twin.
    public let replayKey: [UInt8]
    /// `iat`.
    public let issuedAt: Timestamp
    /// When the replay key may be forgotten: the proof is too old by then on every clock.
    public let replayKeyExpires: Timestamp
}

/// Which key a proof must be made with.
public enum ProofBinding: Sendable {
    /// One of a client's registered keys: the token endpoint, where no token is presented.
    case client(RegisteredClient)
    /// The key that a presented token is bound to; the proof must name the token's hash.
    case token(VerifiedToken)
}

/// Makes DPoP proofs, for clients.
public enum DPoPProof {
    /// `typ` of a proof (RFC 9449 §4.2).
    static let type = "dpop+jwt"

    /// Makes the proof for one request.
    /// - Parameters:
    ///   - method: the request's method, upper case.
    ///   - url: the request's absolute URL without query and fragment.
    ///   - nonce: the last `DPoP-Nonce` that the service sent, if any.
    ///   - accessToken: the token that the request presents, `nil` at the token endpoint.
    ///   - key: the client's key.
    ///   - identifier: a fresh `jti`, at most 64 bytes; 16 random bytes in base64url do.
    ///   - now: the client's present.
    /// - Throws: ``TokenError/invalidRequest(_:)`` for a URL or identifier of the wrong form,
    ///   ``TokenError/unavailable`` if the library fails.
    public static func make(
        method: String, url: String, nonce: String?, accessToken: String?, key: PrivateJWK,
        identifier: String,
        now: Timestamp
    ) throws(TokenError) -> String {
        guard identifier.isTokenIdentifier else { throw .invalidRequest(.malformedMember) }
        guard RequestURI(url) != nil else { throw .invalidRequest(.uri) }
        var claims = JSONObject([
            ("jti", .string(identifier)), ("htm", .string(method)), ("htu", .string(url)),
            ("iat", .integer(now.seconds)),
        ])
        claims["nonce"] = nonce.map(JSONValue.string)
        claims["ath"] = accessToken.map { .string(Base64URL.encode(SHA256.hash(Array($0.utf8)))) }
        return try CompactJWS.sign(
            type: type, keyID: nil, includesKey: true, payload: .object(claims), key: key.key)
    }
}

/// Checks DPoP proofs: the twelve checks of RFC 9449 §4.3, but for the replay check, which the store makes
/// with ``VerifiedProof/replayKey``.
public final class DPoPVerifier: Sendable {
    private let origin: ExternalOrigin
    private let nonces: DPoPNonceAuthority
    /// Checking that a point lies on the curve costs more than a signature. Only keys that a verified token
    /// names come in here, so strangers cannot fill it; beyond the limit it starts anew.
    private let keys = Mutex<[String: VerificationKey]>([:])
    private static let keyLimit = 4096

    /// A verifier of proofs for requests to one origin.
    public init(origin: ExternalOrigin, nonces: DPoPNonceAuthority) {
        self.origin = origin
        self.nonces = nonces
    }

    /// Checks the proof of a request.
    /// - Parameters:
    ///   - headerValues: every value of the `DPoP` header field; there must be one.
    ///   - method: the request's method.
    ///   - path: the request's path as it came, without query.
    ///   - binding: which key it must be.
    ///   - now: the present.
    /// - Throws: ``TokenError/invalidDPoPProof(_:)``; ``TokenError/invalidToken(_:)`` with
    ///   ``TokenFault/keyBinding`` if the token is bound to another key (RFC 9449 §7.1);
    ///   ``TokenError/useDPoPNonce(_:)`` with a fresh nonce if everything else is good.
    public func verify(
        headerValues: [String], method: String, path: String, binding: ProofBinding, now: Timestamp
    ) throws(TokenError) -> VerifiedProof {
        let proof: CheckedProof
        do throws(TokenFault) {
            // A header line and its twin may be read by different programs on the way.
            guard let value = headerValues.first else { throw .absent }
            guard headerValues.count == 1 else { throw .several }
            guard value.utf8.count <= Limits.tokenBytes else { throw .tooLarge }
            proof = try check(
                Array(value.utf8), method: method, path: path, binding: Binding(binding, now: now), now: now)
        } catch {
            throw error == .keyBinding ? .invalidToken(error) : .invalidDPoPProof(error)
        }
        // Last, so that a nonce is handed out only to somebody who can sign for it.
        let thumbprint = proof.verified.thumbprint
        guard let nonce = proof.nonce, try nonces.isValid(nonce, for: thumbprint, now: now) else {
            throw .useDPoPNonce(try nonces.nonce(for: thumbprint, now: now))
        }
        return proof.verified
    }

    /// A proof of which all but the nonce was checked.
    struct CheckedProof {
        let verified: VerifiedProof
        let nonce: String?
    }

    /// The part of a binding that a check needs.
    enum Binding {
        case client([PublicJWK])
        case token(hash: [UInt8], thumbprint: String)

        init(_ binding: ProofBinding, now: Timestamp) {
            switch binding {
            case .client(let client): self = .client(client.keys(at: now))
            case .token(let token):
                self = .token(hash: token.tokenHash, thumbprint: token.claims.confirmation.thumbprint)
            }
        }
    }

    func check(
        _ proof: [UInt8], method: String, path: String, binding: Binding, now: Timestamp
    ) throws(TokenFault) -> CheckedProof {
        let jws = try CompactJWS(parsing: proof, required: [.type, .key])
        guard jws.type?.isExactly(DPoPProof.type) == true else { throw .type }
        guard let coordinates = jws.key else { throw .missingMember }
        // The thumbprint is a hash, the signature costs a thousand times more: a stranger's key is turned
        // away first.
        let thumbprint = coordinates.thumbprint
        let key = try verificationKey(coordinates, thumbprint: thumbprint, binding: binding)
        guard jws.isSigned(by: key) else { throw .signature }

        let claims = try jws.claims(["jti", "htm", "htu", "iat", "ath", "nonce"])
        let identifier = try claims.string("jti")
        guard identifier.isTokenIdentifier else { throw .malformedMember }
        guard try claims.string("htm").isExactly(method) else { throw .method }
        guard let claimed = RequestURI(try claims.string("htu")),
            let actual = RequestURI(origin: origin, path: path), claimed == actual
        else { throw .uri }
        let issuedAt = Timestamp(seconds: try claims.integer("iat", in: AccessTokenClaims.seconds))
        guard issuedAt <= now.adding(seconds: Limits.clockSkewSeconds) else { throw .notYetValid }
        guard issuedAt.adding(seconds: Limits.proofSeconds) >= now else { throw .stale }
        switch binding {
        case .client:
            guard !claims.has("ath") else { throw .accessTokenHash }
        case .token(let hash, _):
            guard claims.has("ath"), Base64URL.decode(try claims.string("ath")) == hash else {
                throw .accessTokenHash
            }
        }
        let verified = VerifiedProof(
            thumbprint: thumbprint,
            replayKey: SHA256.hash(Array(thumbprint.utf8) + [0] + Array(identifier.utf8)),
            issuedAt: issuedAt,
            replayKeyExpires: issuedAt.adding(seconds: Limits.proofSeconds + Limits.clockSkewSeconds))
        return CheckedProof(verified: verified, nonce: try claims.parsedIfPresent("nonce") { $0 })
    }

    private func verificationKey(
        _ coordinates: KeyCoordinates, thumbprint: String, binding: Binding
    ) throws(TokenFault) -> VerificationKey {
        switch binding {
        case .client(let registered):
            guard let match = registered.first(where: { $0.thumbprint.isExactly(thumbprint) }) else {
                throw .keyNotRegistered
            }
            return match.key
        case .token(_, let bound):
            guard thumbprint.isExactly(bound) else { throw .keyBinding }
            if let known = keys.withLock({ $0[thumbprint] }) { return known }
            let key: VerificationKey
            do {
                key = try coordinates.verificationKey()
            } catch {
                throw TokenFault(error)
            }
            keys.withLock { keys in
                if keys.count >= Self.keyLimit { keys.removeAll() }
                keys[thumbprint] = key
            }
            return key
        }
    }
}

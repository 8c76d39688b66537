// Verifying access tokens, with a bounded memory of those that verified.

public import ContactModel
import Synchronization
public import VaultCrypto

/// A token whose signature, issuer, audience, times and details were good at the moment it was verified.
/// Whether its holder may use it, a proof says: see ``AccessVerifier``.
public struct VerifiedToken: Equatable, Sendable {
    /// What the token says.
    public let claims: AccessTokenClaims
    /// SHA-256 of the compact token: what `ath` must be. No name for the token: a signature's twin has
    /// another hash.
    public let tokenHash: [UInt8]
    /// SHA-256 of `jti`: the token's name in the log, the use count and the revocation list.
    public let identifierHash: [UInt8]
    /// `kid`: RFC 7638 thumbprint of the key that signed it.
    public let keyID: String

    package init(claims: AccessTokenClaims, tokenHash: [UInt8], keyID: String) {
        self.claims = claims
        self.tokenHash = tokenHash
        self.keyID = keyID
        identifierHash = SHA256.hash(Array(claims.identifier.utf8))
    }
}

/// Verifies access tokens of one issuer for one audience.
///
/// A verdict is kept by the token's SHA-256, so that a token used again costs a hash instead of a signature.
/// Only full verification puts one there, times are checked on every use, and nothing that can change while a
/// token lives (revocation, uses, the client's state) is part of it. To drop a key, make a new verifier: its
/// memory is empty.
public final class TokenVerifier: Sendable {
    /// `typ` of an access token (RFC 9068 §2.1).
    static let type = "at+jwt"

    private let issuer: String
    private let audience: String
    private let keys: [String: VerificationKey]
    private let verdicts: Mutex<VerdictCache>

    /// A verifier.
    /// - Parameters:
    ///   - issuer: the only `iss` accepted.
    ///   - audience: the only `aud` accepted.
    ///   - keys: the issuer's keys, active and not yet expired, looked up by thumbprint.
    ///   - cacheLimit: tokens remembered; 0 for none.
    public init(
        issuer: String, audience: String, keys: [VerificationKey], cacheLimit: Int = Limits.cachedTokens
    ) {
        self.issuer = issuer
        self.audience = audience
        self.keys = Dictionary(keys.map { ($0.thumbprint, $0) }) { first, _ in first }
        verdicts = Mutex(VerdictCache(limit: cacheLimit))
    }

    /// Verifies a compact token, in this order: size, segments, header, key by `kid`, algorithm, signature,
    /// issuer, audience, subject, details, times.
    /// - Parameters:
    ///   - token: ASCII bytes, as they came.
    ///   - now: the present.
    /// - Throws: ``TokenError/invalidToken(_:)``.
    public func verify(_ token: [UInt8], now: Timestamp) throws(TokenError) -> VerifiedToken {
        do throws(TokenFault) {
            // Before hashing, so that a megabyte of token costs nothing.
            guard token.count <= Limits.tokenBytes else { throw .tooLarge }
            let hash = SHA256.hash(token)
            if let verified = verdicts.withLock({ $0[hash] }) {
                try verified.claims.checkTimes(now: now)
                return verified
            }
            let (claims, keyID) = try claims(of: token)
            let verified = VerifiedToken(claims: claims, tokenHash: hash, keyID: keyID)
            try verified.claims.checkTimes(now: now)
            verdicts.withLock { $0.insert(verified) }
            return verified
        } catch {
            throw .invalidToken(error)
        }
    }

    /// Tokens remembered at present.
    var cachedTokens: Int { verdicts.withLock { $0.count } }

    private func claims(
        of token: [UInt8]
    ) throws(TokenFault) -> (claims: AccessTokenClaims, keyID: String) {
        let jws = try CompactJWS(parsing: token, required: [.type, .keyID])
        guard jws.type?.isExactly(Self.type) == true else { throw .type }
        guard let keyID = jws.keyID, let key = keys[keyID] else { throw .keyUnknown }
        guard jws.algorithm == key.algorithm else { throw .algorithm }
        guard jws.isSigned(by: key) else { throw .signature }
        return (try AccessTokenClaims(reading: jws, issuer: issuer, audience: audience), keyID)
    }
}

/// Verified tokens by hash, first in, first out. Eviction needs no clock, and a dead token that stays costs
/// memory that is bounded anyway.
private struct VerdictCache {
    private let limit: Int
    private var verdicts: [[UInt8]: VerifiedToken] = [:]
    private var order: [[UInt8]] = []
    /// Where the oldest entry stands once `order` is full.
    private var oldest = 0

    init(limit: Int) { self.limit = max(0, limit) }

    var count: Int { verdicts.count }

    subscript(hash: [UInt8]) -> VerifiedToken? { verdicts[hash] }

    mutating func insert(_ verified: VerifiedToken) {
        guard limit > 0, verdicts[verified.tokenHash] == nil else { return }
        if order.count < limit {
            order.append(verified.tokenHash)
        } else {
            verdicts[order[oldest]] = nil
            order[oldest] = verified.tokenHash
            oldest = (oldest + 1) % limit
        }
        verdicts[verified.tokenHash] = verified
    }
}

// Verifying access tokens, with a bounded memory of those that verified.

public import ContactModel
import StrictEncoding
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
    /// RFC 7638 thumbprint of the key that signed it.
    public let keyID: String
    /// The name of the trusted issuer that signed it; `nil` for the vault itself.
    public let trustedIssuer: Reference?

    package init(
        claims: AccessTokenClaims, tokenHash: [UInt8], keyID: String, trustedIssuer: Reference? = nil
    ) {
        self.claims = claims
        self.tokenHash = tokenHash
        self.keyID = keyID
        self.trustedIssuer = trustedIssuer
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
    private let trusted: [String: TrustedIssuer]
    private let verdicts: Mutex<VerdictCache>

    /// A verifier.
    /// - Parameters:
    ///   - issuer: the only `iss` accepted.
    ///   - audience: the only `aud` accepted.
    ///   - keys: the issuer's keys, active and not yet expired, looked up by thumbprint.
    ///   - trusted: other issuers whose tokens are accepted for the same audience.
    ///   - cacheLimit: tokens remembered; 0 for none.
    public init(
        issuer: String, audience: String, keys: [VerificationKey], trusted: [TrustedIssuer] = [],
        cacheLimit: Int = Limits.cachedTokens
    ) {
        self.issuer = issuer
        self.audience = audience
        self.keys = Dictionary(keys.map { ($0.thumbprint, $0) }) { first, _ in first }
        self.trusted = Dictionary(trusted.filter { $0.issuer != issuer }.map { ($0.issuer, $0) }) {
            first, _ in
            first
        }
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
            if let verified = verdicts.withLock({ $0[hash] }), stillStands(verified, now: now) {
                try verified.claims.checkTimes(now: now)
                return verified
            }
            let verified = try verify(token, hash: hash, now: now)
            try verified.claims.checkTimes(now: now)
            verdicts.withLock { $0.insert(verified) }
            return verified
        } catch {
            throw .invalidToken(error)
        }
    }

    /// Tokens remembered at present.
    var cachedTokens: Int { verdicts.withLock { $0.count } }

    /// A trusted issuer may take a key out of its set; its tokens that were verified before must not outlive it.
    private func stillStands(_ verified: VerifiedToken, now: Timestamp) -> Bool {
        guard verified.trustedIssuer != nil else { return true }
        return trusted[verified.claims.issuer]?.keys.holds(thumbprint: verified.keyID, at: now) ?? false
    }

    private func verify(_ token: [UInt8], hash: [UInt8], now: Timestamp) throws(TokenFault) -> VerifiedToken {
        let jws = try CompactJWS(parsing: token, required: [.type, .keyID])
        guard jws.type?.isExactly(Self.type) == true else { throw .type }
        // Whose token it claims to be selects whose keys may verify it; the claims are then read as that issuer's.
        if !trusted.isEmpty, let issuer = jws.claimedIssuer.flatMap({ trusted[$0] }) {
            return try issuer.verify(jws, hash: hash, audience: audience, now: now)
        }
        // Byte for byte: a dictionary of strings would also find a `kid` that is canonically equivalent to the key's.
        guard let keyID = jws.keyID, let key = keys[keyID], keyID.isExactly(key.thumbprint) else {
            throw .keyUnknown
        }
        guard jws.algorithm == key.algorithm else { throw .algorithm }
        guard jws.isSigned(by: key) else { throw .signature }
        return VerifiedToken(
            claims: try AccessTokenClaims(reading: jws, issuer: issuer, audience: audience), tokenHash: hash,
            keyID: key.thumbprint)
    }
}

extension CompactJWS {
    /// `iss` as the unverified payload has it. Untrusted text, fit for an exact look-up only.
    fileprivate var claimedIssuer: String? {
        (try? JSONValue.parse(payload, maximumDepth: TrustedIssuer.claimsDepth))?.objectValue?["iss"]?
            .stringValue
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

// Revoked tokens: looked up in the transaction that would spend the use, so that a revocation counts from the next decision
// on, before a first use too, in every process.

import AccessLog
public import AccessToken
public import ContactModel
import EnvelopeEncryption
import StrictEncoding
import VaultCrypto

/// What is revoked, besides a single token.
public enum Revocation: Sendable {
    /// Every token of a client.
    case client(Reference)
    /// Every token of an agency's clients.
    case agency(Reference)
    /// Every token for a case.
    case caseReference(Reference)
    /// Every token that names a contact.
    case contact(ContactID)
    /// Every token that a key signed, by its RFC 7638 thumbprint.
    case key(String)
}

extension RevocationKey {
    /// Whatever a token could be revoked by.
    static func all(of token: VerifiedToken, agency: Reference?, tenant: TenantID) -> [RevocationKey] {
        let claims = token.claims
        var keys = [
            RevocationKey(kind: .token, subject: token.identifierHash),
            RevocationKey(.client(claims.client), tenant),
            RevocationKey(.key(token.keyID), tenant),
        ]
        if let agency { keys.append(RevocationKey(.agency(agency), tenant)) }
        switch claims.details {
        case .contactAccess(let access):
            keys.append(RevocationKey(.caseReference(access.caseReference), tenant))
            keys += access.contacts.map { RevocationKey(.contact($0), tenant) }
        case .contactManagement(let management):
            if let contact = management.contact { keys.append(RevocationKey(.contact(contact), tenant)) }
        case .numberMatch, .contactIntake, .accessLog, .keyManagement: break
        }
        return keys
    }

    /// The key of a revocation.
    init(_ revocation: Revocation, _ tenant: TenantID) {
        switch revocation {
        case .client(let client): self.init(kind: .client, subject: Array(client.text.utf8))
        case .agency(let agency): self.init(kind: .agency, subject: Array(agency.text.utf8))
        case .caseReference(let reference):
            self.init(
                kind: .caseReference, subject: Wanted.digest(.caseReference, reference.text, tenant))
        case .contact(let contact): self.init(kind: .contact, subject: contact.bytes)
        case .key(let thumbprint): self.init(kind: .key, subject: Array(thumbprint.utf8))
        }
    }
}

extension [RevocationKey: StoredRevocation] {
    /// Whether a token is revoked by one of its facts. A token bears whole seconds, so one that was issued in the second of a
    /// revocation counts as issued before it.
    func revoke(_ token: VerifiedToken, _ keys: [RevocationKey]) -> Bool {
        // Another issuer's clock may be ahead as far as clocks may be.
        let issued =
            token.trustedIssuer == nil
            ? token.claims.issuedAt : token.claims.issuedAt.adding(seconds: -Limits.clockSkewSeconds)
        return keys.contains { key in self[key].map { issued <= $0.revoked } ?? false }
    }
}

extension VaultReader {
    /// Whether a token is revoked.
    func isRevoked(_ token: VerifiedToken, agency: Reference?, tenant: TenantID) throws -> Bool {
        let keys = RevocationKey.all(of: token, agency: agency, tenant: tenant)
        return try revocations(keys).revoke(token, keys)
    }
}

/// What a client may know of a token (RFC 7662 §2.2).
public struct TokenStatus: Sendable {
    /// The claims; `nil` if the token is not, or no longer, good, or is somebody else's.
    public let claims: AccessTokenClaims?
    /// Uses that are left, over all contacts that it names; `nil` for a token without a budget.
    public let usesRemaining: Int64?

    static let inactive = TokenStatus(claims: nil, usesRemaining: nil)
}

/// A request of a client that names itself by an assertion and concerns one token.
public struct TokenStatusRequest: Sendable {
    /// The `client_assertion`, ASCII.
    public let assertion: [UInt8]
    /// The `client_id`, if one was sent.
    public let clientID: String?
    /// The `token`, ASCII.
    public let token: [UInt8]
    /// The caller's request id or the service's.
    public let requestID: Reference

    /// A request.
    public init(assertion: [UInt8], clientID: String?, token: [UInt8], requestID: Reference) {
        self.assertion = assertion
        self.clientID = clientID
        self.token = token
        self.requestID = requestID
    }
}

extension Vault {
    /// Says what a token is good for (RFC 7662). Spends no use. A client learns of its own tokens alone; one of role
    /// `security` of all.
    /// - Throws: ``VaultError/token(_:)`` for a bad assertion; ``VaultError/denied(_:)``.
    public func introspect(_ request: TokenStatusRequest) async throws -> TokenStatus {
        let now = clock()
        let tenant = identity.tenant
        let token = await tokenInQuestion(request, now: now)
        let state = state
        return try await authenticated(request, .tokenIntrospect, about: token) { store, client in
            guard let token, client.id == token.claims.client || client.roles.contains(.security) else {
                return .success(.inactive)
            }
            let standing = try state.clients.standing(token.claims.client, in: store)
            guard standing.refusal(ofUnpresented: token, at: now) == nil, let holder = standing.client,
                state.policy.policy.refusal(ofTrusted: token, holder) == nil,
                try !store.isRevoked(token, agency: holder.agency, tenant: tenant)
            else { return .success(.inactive) }
            guard let budget = token.claims.details.budget else {
                return .success(TokenStatus(claims: token.claims, usesRemaining: nil))
            }
            let keys = budget.contacts.map {
                TokenUseKey(token: token.identifierHash, contact: $0, expires: token.claims.expires)
            }
            let used = try store.tokenUses(keys).values.reduce(0, +)
            let left = budget.uses * Int64(keys.count) - used
            return .success(left > 0 ? TokenStatus(claims: token.claims, usesRemaining: left) : .inactive)
        }
    }

    /// The token that is asked about, if its signature is good; with fresh keys of a trusted issuer, if they may be wanted.
    private func tokenInQuestion(_ request: TokenStatusRequest, now: Timestamp) async -> VerifiedToken? {
        do throws(TokenError) {
            return try state.keys.tokenVerifier.verify(request.token, now: now)
        } catch {
            guard error == .invalidToken(.keyUnknown), await refreshTrustedKeys() else { return nil }
            return try? state.keys.tokenVerifier.verify(request.token, now: now)
        }
    }

    /// Revokes one token (RFC 7009): the client's own, or anyone's by a client of role `security`. A token that is none, or
    /// no longer good, is revoked already.
    /// - Throws: ``VaultError/token(_:)`` for a bad assertion; ``VaultError/denied(_:)`` with `insufficient_scope` for
    ///   somebody else's token.
    public func revoke(_ request: TokenStatusRequest) async throws {
        let token = await tokenInQuestion(request, now: clock())
        try await authenticated(request, .tokenRevoke, about: token) { store, client in
            guard let token else { return .success(()) }
            guard client.id == token.claims.client || client.roles.contains(.security) else {
                return .failure(.insufficientScope)
            }
            try store.putRevocations([
                RevocationKey(kind: .token, subject: token.identifierHash): StoredRevocation(
                    revoked: max(store.now, token.claims.issuedAt), expires: token.claims.expires)
            ])
            return .success(())
        }
    }

    /// Revokes all tokens of a client, an agency, a case, a contact or a signing key that have been issued until now.
    /// - Throws: ``VaultError/notFound`` for a client that is not registered: a slip of the pen must not look like success.
    public func revoke(_ revocation: Revocation, requestID: Reference) async throws {
        let tenant = identity.tenant
        var contacts: [ContactID] = []
        if case .contact(let contact) = revocation { contacts = [contact] }
        let concerned = contacts
        try await manage(
            .tokenRevoke, as: .localOperator, requestID: requestID, contacts: concerned,
            covers: { _ throws(TokenError) in },
            { transaction -> ManagedOutcome<Void> in
                let key = RevocationKey(revocation, tenant)
                if case .client(let client) = revocation,
                    try transaction.store.clientRevisions([client]).isEmpty
                {
                    throw VaultError.notFound
                }
                try transaction.store.putRevocations([
                    key: StoredRevocation(
                        revoked: transaction.now,
                        expires: transaction.now.adding(
                            seconds: Limits.matchTokenSeconds + Limits.clockSkewSeconds))
                ])
                let stored = try transaction.store.contacts(concerned).values.first
                try transaction.log(.tokenRevoke, about: stored) { draft in
                    draft.basis = EntryCode(key.kind.rawValue)
                    switch revocation {
                    case .client(let client): draft.client = client
                    case .agency(let agency): draft.agency = agency
                    case .caseReference(let reference): draft.caseReference = reference
                    case .contact(let contact): draft.contact = contact
                    case .key(let thumbprint): draft.keyThumbprint = EntryDigest(thumbprint)
                    }
                }
                return .done(())
            })
    }

    /// Authenticates a client by its assertion, spends the assertion, acts, and writes the entry, in one transaction.
    private func authenticated<Value: Sendable>(
        _ request: TokenStatusRequest, _ kind: EntryKind, about token: VerifiedToken?,
        _ act:
            @escaping @Sendable (any VaultTransaction, RegisteredClient) throws -> Result<Value, DenialCode>
    ) async throws -> Value {
        let client: RegisteredClient
        let assertion: VerifiedAssertion
        do {
            (client, assertion) = try await authenticate(
                assertion: request.assertion, clientID: request.clientID, now: clock())
        } catch let error as TokenError {
            unauthenticated.count(error)
            throw VaultError.token(error)
        }
        let state = state
        let random = random
        let outcome = try await storing { transaction -> Result<Value, DenialCode> in
            let fresh = try transaction.insertProofs([
                ProofUse(digest: assertion.replayKey, expires: assertion.replayKeyExpires)
            ])
            let standing = try state.clients.standing(client.id, in: transaction)
            var draft = EntryDraft(kind, .permit)
            draft.requestID = request.requestID
            draft.client = client.id
            draft.agency = client.agency
            draft.policyVersion = state.policy.reference
            draft.tokenDigest = token.map { EntryDigest(bytes: $0.identifierHash) } ?? nil
            let result: Result<Value, DenialCode>
            if fresh != [true] {
                result = .failure(.assertionReplayed)
            } else if let code = standing.refusal(of: nil, shown: nil, at: transaction.now) {
                result = .failure(code)
            } else {
                result = try act(transaction, standing.client ?? client)
            }
            if case .failure(let code) = result {
                draft.outcome = .deny
                draft.reason = EntryCode(code)
            }
            var writer = try LogWriter(
                transaction, contacts: [], keyring: state.keyring, source: state.instance, random: random)
            try writer.add(draft)
            try writer.finish(transaction)
            return result
        }
        do { return try outcome.get() } catch { throw VaultError.denied(error) }
    }
}

extension AuthorizationDetails {
    /// What a token may be used for, and how often for each; `nil` for a token without a budget.
    fileprivate var budget: (contacts: [ContactID], uses: Int64)? {
        switch self {
        case .contactAccess(let access): (access.contacts, access.maximumUses)
        case .numberMatch(let match): ([.nobody], match.maximumUses)
        case .contactIntake, .contactManagement, .accessLog, .keyManagement: nil
        }
    }
}

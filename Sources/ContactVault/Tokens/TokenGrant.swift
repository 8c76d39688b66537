// The token endpoint without HTTP: who asks, with which key, for what; then the policy; then a signature.

import AccessLog
public import AccessToken
public import ContactModel
import PurposePolicy

/// A request for a token, as it came.
public struct TokenRequest: Sendable {
    /// The `client_assertion`, ASCII.
    public let assertion: [UInt8]
    /// The `client_id`, if one was sent.
    public let clientID: String?
    /// The `authorization_details`, UTF-8 JSON.
    public let authorizationDetails: [UInt8]
    /// Every value of the `DPoP` header field.
    public let proof: [String]
    /// The caller's request id or the service's.
    public let requestID: Reference

    /// A request.
    public init(
        assertion: [UInt8], clientID: String?, authorizationDetails: [UInt8], proof: [String],
        requestID: Reference
    ) {
        self.assertion = assertion
        self.clientID = clientID
        self.authorizationDetails = authorizationDetails
        self.proof = proof
        self.requestID = requestID
    }
}

extension Vault {
    /// Grants a token, or says why not.
    ///
    /// Order: the assertion's signature, the proof, its nonce, the details' schema, one transaction that spends assertion
    /// and proof and checks the registration and the policy, then the signature. A refusal after the client is known has
    /// an entry.
    /// - Throws: ``VaultError/token(_:)``; ``VaultError/denied(_:)`` with the rule that refused.
    public func grantToken(_ request: TokenRequest) async throws -> IssuedToken {
        let now = clock()
        let state = state
        let (client, assertion, proof): (RegisteredClient, VerifiedAssertion, VerifiedProof)
        let details: AuthorizationDetails
        do throws(TokenError) {
            (client, assertion) = try await authenticate(
                assertion: request.assertion, clientID: request.clientID, now: now)
            proof = try proofVerifier.verify(
                headerValues: request.proof, method: "POST", path: Self.tokenPath, binding: .client(client),
                now: now)
            details = try AuthorizationDetails.parse(parameter: request.authorizationDetails)
        } catch {
            unauthenticated.count(error)
            throw VaultError.token(error)
        }

        let policy = state.policy
        let random = random
        let grant = try await storing { transaction -> Result<Int64, DenialCode> in
            let fresh = try transaction.insertProofs([
                ProofUse(digest: assertion.replayKey, expires: assertion.replayKeyExpires),
                ProofUse(digest: proof.replayKey, expires: proof.replayKeyExpires),
            ])
            // The registration again, now in the transaction: a suspension counts at once.
            let registered = try state.clients.current([client.id], in: transaction)[client.id]
            let granted = Self.decide(details, registered, fresh: fresh, policy: policy.policy)
            if case .failure(let code) = granted {
                var draft = EntryDraft(
                    refusing: details, to: client, key: proof.thumbprint, code: code, request: request,
                    policy: policy)
                let contacts = draft.contact.map { [$0] } ?? []
                draft.disclosureKey = try transaction.contacts(contacts).values.first?.disclosureKey
                var writer = try LogWriter(
                    transaction, contacts: contacts, keyring: state.keyring, source: state.instance,
                    random: random)
                try writer.add(draft)
                try writer.finish(transaction)
            }
            return granted
        }
        let seconds: Int64
        do { seconds = try grant.get() } catch { throw VaultError.denied(error) }
        do {
            return try tokenIssuer.issue(
                to: client.id, details: details, confirmation: proof.thumbprint,
                policyVersion: policy.reference.text, seconds: seconds, now: now, random: random)
        } catch {
            throw VaultError.token(error)
        }
    }

    func authenticate(
        assertion bytes: [UInt8], clientID: String?, now: Timestamp
    ) async throws(TokenError) -> (RegisteredClient, VerifiedAssertion) {
        let assertion = try ClientAssertion(parsing: bytes)
        let id = assertion.unverifiedClient
        if let named = clientID, named != id.text { throw .invalidClient(.subject) }
        let state = state
        let found: RegisteredClient?
        do {
            found = try await store.read { reader in try state.clients.current([id], in: reader)[id] }
        } catch {
            throw .unavailable
        }
        guard let client = found else { throw .invalidClient(.clientUnknown) }
        return (client, try assertion.verify(client: client, issuer: identity.issuer, now: now))
    }

    /// The life of the token, seconds, or the rule that refuses it.
    private static func decide(
        _ details: AuthorizationDetails, _ client: RegisteredClient?, fresh: [Bool], policy: Policy
    ) -> Result<Int64, DenialCode> {
        guard fresh[0] else { return .failure(.assertionReplayed) }
        guard fresh[1] else { return .failure(.proofReplayed) }
        guard let client else { return .failure(.clientUnknown) }
        guard !client.isSuspended else { return .failure(.clientSuspended) }
        switch details {
        case .contactAccess(let access):
            do throws(DenialCode) {
                let terms = try policy.tokenTerms(
                    for: ReleaseScope(access, client: client), uses: access.maximumUses)
                guard client.mayRequest(details) else { return .failure(.roleNotAllowed) }
                return .success(min(terms.seconds, details.maximumSeconds))
            } catch {
                return .failure(error)
            }
        case .numberMatch(let match):
            do throws(DenialCode) {
                let terms = try policy.tokenTerms(
                    for: ReleaseScope(match, client: client), uses: match.maximumUses)
                guard client.mayRequest(details) else { return .failure(.roleNotAllowed) }
                return .success(min(terms.seconds, details.maximumSeconds))
            } catch {
                return .failure(error)
            }
        case .contactIntake, .contactManagement, .accessLog, .keyManagement:
            guard client.mayRequest(details) else { return .failure(.roleNotAllowed) }
            return .success(details.maximumSeconds)
        }
    }

    /// Runs a transaction and translates its errors.
    func storing<Value: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Value
    ) async throws -> Value {
        do { return try await store.transaction(body) } catch { throw VaultError(storing: error) }
    }
}

extension EntryDraft {
    fileprivate init(
        refusing details: AuthorizationDetails, to client: RegisteredClient, key: String, code: DenialCode,
        request: TokenRequest, policy: PolicyInForce
    ) {
        self.init(.tokenDeny, .deny, reason: EntryCode(code))
        requestID = request.requestID
        self.client = client.id
        agency = client.agency
        keyThumbprint = EntryDigest(key)
        policyVersion = policy.reference
        if case .contactAccess(let access) = details {
            purpose = access.purpose
            action = access.action
            fields = access.fields
            stage = access.stage
            precondition = access.precondition
            caseReference = access.caseReference
            actor = access.actor
            // A batch has no single contact that the entry could be about.
            if access.contacts.count == 1 { contact = access.contacts.first }
        }
    }
}

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
    /// The certificate that the client showed on this connection, verified; `nil` if none.
    public let certificate: ClientCertificate?
    /// The caller's request id or the service's.
    public let requestID: Reference

    /// A request.
    public init(
        assertion: [UInt8], clientID: String?, authorizationDetails: [UInt8], proof: [String],
        certificate: ClientCertificate? = nil, requestID: Reference
    ) {
        self.assertion = assertion
        self.clientID = clientID
        self.authorizationDetails = authorizationDetails
        self.proof = proof
        self.certificate = certificate
        self.requestID = requestID
    }
}

extension Vault {
    /// Grants a token, or says why not.
    ///
    /// Order: the assertion's signature, the proof and its nonce (or, for a client that sends none, the connection's
    /// certificate), the details' schema, one transaction that spends assertion and proof and checks the registration, the
    /// agency's entrustment and the policy, then the signature. A refusal after the client is known has an entry.
    /// - Throws: ``VaultError/token(_:)``; ``VaultError/denied(_:)`` with the rule that refused.
    public func grantToken(_ request: TokenRequest) async throws -> IssuedToken {
        let now = clock()
        let state = state
        let (client, assertion): (RegisteredClient, VerifiedAssertion)
        let (confirmation, proof): (TokenConfirmation, VerifiedProof?)
        do {
            (client, assertion) = try await authenticate(
                assertion: request.assertion, clientID: request.clientID, now: now)
            (confirmation, proof) = try confirm(client, request, now: now)
        } catch let error as TokenError {
            unauthenticated.count(error)
            throw VaultError.token(error)
        }
        // From here on somebody is answerable: malformed details are refused below, with an entry.
        let asked = Result { () throws(TokenError) in
            try AuthorizationDetails.parse(parameter: request.authorizationDetails)
        }

        let policy = state.policy
        let random = random
        let grant = try await storing { transaction -> Result<Grant, GrantRefusal> in
            var fresh = try transaction.insertProofs(
                [ProofUse(digest: assertion.replayKey, expires: assertion.replayKeyExpires)]
                    + (proof.map { [ProofUse(digest: $0.replayKey, expires: $0.replayKeyExpires)] } ?? []))
            if proof == nil { fresh.append(true) }
            // The registration again, now in the transaction: a suspension counts at once.
            let standing = try state.clients.standing(client.id, in: transaction)
            let granted = Self.decide(
                asked, standing, (confirmation, request.certificate), fresh: fresh, policy: policy.policy,
                now: transaction.now)
            if case .failure(let refusal) = granted {
                var draft = EntryDraft(
                    refusing: try? asked.get(), to: client, confirmation, reason: refusal.entryCode,
                    request: request, policy: policy)
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
        let granted: Grant
        do { granted = try grant.get() } catch { throw error.vaultError }
        do {
            return try state.keys.tokenIssuer.issue(
                to: client.id, details: granted.details, confirmation: confirmation,
                policyVersion: policy.reference.text, seconds: granted.seconds, now: now, random: random)
        } catch {
            throw VaultError.token(error)
        }
    }

    /// What the client proved to hold, to which its token will be bound.
    private func confirm(
        _ client: RegisteredClient, _ request: TokenRequest, now: Timestamp
    ) throws(TokenError) -> (TokenConfirmation, VerifiedProof?) {
        // A proof is preferred: a client that sends one may be behind a proxy whose certificate this is.
        if request.proof.isEmpty, let certificate = request.certificate, client.isNamed(by: certificate) {
            return (.certificate(certificate.thumbprint), nil)
        }
        let proof = try state.keys.proofVerifier.verify(
            headerValues: request.proof, method: "POST", path: Self.tokenPath, binding: .client(client),
            now: now)
        return (.proofKey(proof.thumbprint), proof)
    }

    func authenticate(
        assertion bytes: [UInt8], clientID: String?, now: Timestamp
    ) async throws -> (RegisteredClient, VerifiedAssertion) {
        let assertion = try ClientAssertion(parsing: bytes)
        let id = assertion.unverifiedClient
        if let named = clientID, named != id.text { throw TokenError.invalidClient(.subject) }
        let state = state
        let found = try await reading { reader in try state.clients.current([id], in: reader)[id] }
        guard let client = found else { throw TokenError.invalidClient(.clientUnknown) }
        return (client, try assertion.verify(client: client, issuer: identity.issuer, now: now))
    }

    /// The life of the token, seconds, or the rule that refuses it.
    private static func decide(
        _ asked: Result<AuthorizationDetails, TokenError>, _ standing: ClientStanding,
        _ held: (confirmation: TokenConfirmation, certificate: ClientCertificate?), fresh: [Bool],
        policy: Policy, now: Timestamp
    ) -> Result<Grant, GrantRefusal> {
        guard fresh[0] else { return .failure(.rule(.assertionReplayed)) }
        guard fresh[1] else { return .failure(.rule(.proofReplayed)) }
        if let code = standing.refusal(of: held.confirmation, shown: held.certificate, at: now) {
            return .failure(.rule(code))
        }
        guard let client = standing.client else { return .failure(.rule(.clientUnknown)) }
        let details: AuthorizationDetails
        do { details = try asked.get() } catch { return .failure(.malformed(error)) }
        do throws(DenialCode) {
            let seconds = try policy.tokenSeconds(for: details, client)
            // No token outlives the entrustment of the agency; at least a second is left of it.
            return .success(
                Grant(
                    details: details, seconds: max(1, min(seconds, standing.secondsLeft(at: now) ?? seconds)))
            )
        } catch {
            return .failure(.rule(error))
        }
    }

    /// Runs a transaction and translates its errors.
    func storing<Value: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Value
    ) async throws -> Value {
        try state.requireUncontradicted()
        do { return try await store.transaction(body) } catch { throw VaultError(storing: error) }
    }
}

/// What is granted.
private struct Grant: Sendable {
    let details: AuthorizationDetails
    /// Life of the token.
    let seconds: Int64
}

/// Why a client that is known gets no token.
private enum GrantRefusal: Error {
    case rule(DenialCode)
    /// What it asked for does not parse.
    case malformed(TokenError)

    var entryCode: EntryCode? {
        switch self {
        case .rule(let code): EntryCode(code)
        case .malformed(.invalidAuthorizationDetails(let fault)): EntryCode("details." + fault.rawValue)
        case .malformed: "details"
        }
    }

    var vaultError: VaultError {
        switch self {
        case .rule(let code): .denied(code)
        case .malformed(let error): .token(error)
        }
    }
}

extension Policy {
    /// The longest life of a token for these details, seconds.
    /// - Throws: the rule that grants this client none.
    func tokenSeconds(
        for details: AuthorizationDetails, _ client: RegisteredClient
    ) throws(DenialCode) -> Int64 {
        let seconds: Int64
        switch details {
        case .contactAccess(let access):
            seconds = try tokenTerms(for: ReleaseScope(access, client: client), uses: access.maximumUses)
                .seconds
        case .numberMatch(let match):
            seconds = try tokenTerms(for: ReleaseScope(match, client: client), uses: match.maximumUses)
                .seconds
        case .contactIntake, .contactManagement, .accessLog, .keyManagement:
            seconds = details.maximumSeconds
        }
        guard client.mayRequest(details) else { throw .roleNotAllowed }
        return min(seconds, details.maximumSeconds)
    }

    /// Why a trusted issuer's token is not good here: the terms that the vault's own were granted under are checked at each
    /// use of one that somebody else granted. `nil` for the vault's own.
    func refusal(ofTrusted token: VerifiedToken, _ client: RegisteredClient) -> DenialCode? {
        guard token.trustedIssuer != nil else { return nil }
        do throws(DenialCode) {
            let longest = try tokenSeconds(for: token.claims.details, client)
            let seconds = token.claims.expires.seconds - token.claims.issuedAt.seconds
            return seconds <= longest ? nil : .tokenLifeTooLong
        } catch {
            return error
        }
    }
}

extension EntryDraft {
    fileprivate init(
        refusing details: AuthorizationDetails?, to client: RegisteredClient,
        _ confirmation: TokenConfirmation, reason: EntryCode?, request: TokenRequest, policy: PolicyInForce
    ) {
        self.init(.tokenDeny, .deny, reason: reason)
        requestID = request.requestID
        self.client = client.id
        agency = client.agency
        bind(to: confirmation)
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

// A collection service in process: it signs what a real one signs and passes through every check that a real one passes.

public import AccessToken
public import ContactModel
public import ContactVault
import StrictEncoding
import Synchronization
public import VaultCrypto

/// A registered client with its private key.
///
/// Tokens come from `Vault.grantToken`, accesses from `Vault.verify`, with assertions, proofs and nonces as the service
/// takes them: there is no short cut to a `VerifiedAccess` here.
public final class FixtureClient: Sendable {
    /// The vault it is registered at.
    public let vault: Vault
    /// Its registration.
    public let registration: RegisteredClient
    /// Its key, for assertions and proofs.
    public let key: PrivateJWK
    private let clock: @Sendable () -> Timestamp
    private let random: any RandomSource
    /// The last nonce that the vault gave it.
    private let nonce = Mutex<String?>(nil)

    /// A client. ``VaultFixture/registerClient(_:kind:roles:agency:portfolios:purposes:algorithm:)`` makes and registers
    /// one.
    public init(
        vault: Vault, registration: RegisteredClient, key: PrivateJWK,
        clock: @escaping @Sendable () -> Timestamp,
        random: any RandomSource = SystemRandom()
    ) {
        self.vault = vault
        self.registration = registration
        self.key = key
        self.clock = clock
        self.random = random
    }

    /// The same client at another opening of its vault.
    public func moved(to fixture: VaultFixture) -> FixtureClient {
        FixtureClient(
            vault: fixture.vault, registration: registration, key: key, clock: fixture.clock, random: random)
    }

    // MARK: Credentials

    /// A fresh `jti` or request id.
    public func identifier() throws -> String { Base64URL.encode(try random.bytes(16)) }

    /// A fresh request id.
    public func requestID() throws -> Reference {
        guard let reference = Reference("rq_" + (try identifier())) else {
            throw FixtureFault.malformed("request id")
        }
        return reference
    }

    /// A client assertion for the token endpoint.
    public func assertion(identifier: String? = nil) throws -> String {
        try ClientAssertion.make(
            client: registration.id, issuer: vault.identity.issuer, key: key,
            identifier: try identifier ?? self.identifier(), now: clock())
    }

    /// A proof for one request, with the last nonce that the vault gave.
    public func proof(
        method: String, path: String, token: IssuedToken? = nil, identifier: String? = nil
    ) throws -> String {
        try DPoPProof.make(
            method: method, url: vault.identity.issuer + path, nonce: nonce.withLock { $0 },
            accessToken: token?.compact, key: key, identifier: try identifier ?? self.identifier(),
            now: clock())
    }

    /// A request for a token, signed now.
    public func tokenRequest(_ details: AuthorizationDetails) throws -> TokenRequest {
        TokenRequest(
            assertion: Array(try assertion().utf8), clientID: registration.id.text,
            authorizationDetails: details.json.canonicalBytes,
            proof: [try proof(method: "POST", path: Vault.tokenPath)], requestID: try requestID())
    }

    /// Gets a token; where the vault asks for a nonce, again with it.
    public func token(_ details: AuthorizationDetails) async throws -> IssuedToken {
        do {
            return try await vault.grantToken(try tokenRequest(details))
        } catch VaultError.token(.useDPoPNonce(let fresh)) {
            nonce.withLock { $0 = fresh }
            return try await vault.grantToken(try tokenRequest(details))
        }
    }

    /// Presents a token with a fresh proof; where the vault asks for a nonce, again with it.
    public func access(_ token: IssuedToken, method: String, path: String) async throws -> VerifiedAccess {
        do {
            return try await present(
                token, proof: try proof(method: method, path: path, token: token), method, path)
        } catch VaultError.token(.useDPoPNonce(let fresh)) {
            nonce.withLock { $0 = fresh }
            return try await present(
                token, proof: try proof(method: method, path: path, token: token), method, path)
        }
    }

    /// Presents a token for the release of each contact, each time with a proof of its own.
    public func accesses(
        _ token: IssuedToken, to contacts: [ContactID]
    ) async throws -> [(ContactID, VerifiedAccess)] {
        var accesses: [(ContactID, VerifiedAccess)] = []
        for contact in contacts {
            accesses.append((contact, try await access(token, method: "POST", path: Self.path(of: contact))))
        }
        return accesses
    }

    /// Presents a token with this proof.
    public func present(
        _ token: IssuedToken, proof: String, _ method: String, _ path: String
    ) async throws -> VerifiedAccess {
        try await vault.verify(
            authorization: ["DPoP " + token.compact], proof: [proof], method: method, path: path)
    }

    // MARK: Releases

    /// Details of a `contact_access` token, by default those of a permitted dial.
    public func details(
        _ contacts: [ContactID], purpose: String = "relay.message", action: String = "dial",
        fields: [FieldName] = [.phone], stage: Stage = .callCollection,
        precondition: Precondition? = .unreachableThreeDays, reference: String? = nil,
        caseReference: String = "cs_7701", actor: String = "u_4401", actorKind: ActorKind = .human,
        uses: Int64 = 1
    ) throws -> AuthorizationDetails {
        guard let purpose = Purpose(purpose), let action = Action(action),
            let caseReference = Reference(caseReference), let actor = Reference(actor),
            let first = contacts.first
        else { throw FixtureFault.malformed("details") }
        return .contactAccess(
            try ContactAccessDetails(
                action: action, purpose: purpose,
                selection: contacts.count == 1 ? .one(first) : .several(contacts),
                caseReference: caseReference, stage: stage, fields: fields, precondition: precondition,
                reference: reference.flatMap { Reference($0) },
                actor: Actor(kind: actorKind, id: actor), maximumUses: uses))
    }

    /// The path of a release.
    public static func path(of contact: ContactID, action: String = "dial") -> String {
        "/v1/contacts/\(contact)/actions/\(action)"
    }

    /// Releases with a token.
    public func release(
        _ contact: ContactID, action: String = "dial", with token: IssuedToken, requestID: Reference? = nil
    ) async throws -> ReleasedValues {
        let access = try await access(token, method: "POST", path: Self.path(of: contact, action: action))
        return try await release(contact, action: action, access: access, requestID: requestID)
    }

    /// Releases with an access that was verified before.
    public func release(
        _ contact: ContactID, action: String = "dial", access: VerifiedAccess, requestID: Reference? = nil
    ) async throws -> ReleasedValues {
        guard let action = Action(action) else { throw FixtureFault.malformed("action") }
        let release = try await vault.release(
            contact, to: action, access: access, requestID: try requestID ?? self.requestID())
        return ReleasedValues(release)
    }

    /// Gets a token and releases with it: the whole straight line.
    public func release(
        _ contact: ContactID, action: String = "dial", fields: [FieldName] = [.phone]
    ) async throws -> ReleasedValues {
        let token = try await token(try details([contact], action: action, fields: fields))
        return try await release(contact, action: action, with: token)
    }

    /// Releases what a token is asked for with these details.
    public func release(_ details: AuthorizationDetails) async throws -> ReleasedValues {
        guard case .contactAccess(let access) = details, let contact = access.contacts.first else {
            throw FixtureFault.malformed("details")
        }
        return try await release(contact, action: access.action.text, with: try await token(details))
    }

    /// Releases the contacts of an access that names several.
    public func releaseAll(_ access: VerifiedAccess, action: String = "dial") async throws -> [BatchValues] {
        guard let action = Action(action) else { throw FixtureFault.malformed("action") }
        var outcomes: [BatchValues] = []
        try await vault.releaseAll(to: action, access: access, requestID: try requestID()) {
            contact, outcome in
            switch consume outcome {
            case .released(let release):
                outcomes.append(BatchValues(contact: contact, values: ReleasedValues(release), error: nil))
            case .failed(let error): outcomes.append(BatchValues(contact: contact, values: nil, error: error))
            }
        }
        return outcomes
    }

    private func statusRequest(_ token: String) throws -> TokenStatusRequest {
        TokenStatusRequest(
            assertion: Array(try assertion().utf8), clientID: registration.id.text, token: Array(token.utf8),
            requestID: try requestID())
    }

    /// Asks for the state of a token.
    public func introspect(_ token: some StringProtocol) async throws -> TokenStatus {
        try await vault.introspect(try statusRequest(String(token)))
    }

    /// Asks for the state of a token.
    public func introspect(_ token: IssuedToken) async throws -> TokenStatus {
        try await introspect(token.compact)
    }

    /// Revokes a token.
    public func revoke(_ token: String) async throws { try await vault.revoke(try statusRequest(token)) }

    /// Revokes a token.
    public func revoke(_ token: IssuedToken) async throws { try await revoke(token.compact) }

    /// Reports the outcome of a release, with a token for these details.
    @discardableResult
    public func report(
        _ outcome: ReleaseOutcome, naming name: String? = nil, of release: ReleaseID,
        with details: AuthorizationDetails
    ) async throws -> OutcomeReceipt {
        let access = try await access(
            try await token(details), method: "POST", path: "/v1/releases/\(release)/outcome")
        return try await vault.reportOutcome(
            outcome, naming: name.flatMap { Reference($0) }, of: release, as: access,
            requestID: try requestID())
    }

    /// Compares numbers with the stop list, with a token of its own or a given one.
    public func match(
        _ numbers: [String], with token: IssuedToken? = nil, uses: Int64 = 1
    ) async throws -> [Bool?] {
        let token = try await matchToken(token, uses: uses)
        return try await vault.match(
            numbers, access: try access(token, method: "POST", path: "/v1/actions/match"),
            requestID: try requestID())
    }

    /// A token for comparisons with the stop list.
    public func matchToken(_ token: IssuedToken? = nil, uses: Int64 = 1) async throws -> IssuedToken {
        if let token { return token }
        guard let actor = Reference("u_4401") else { throw FixtureFault.malformed("actor") }
        return try await self.token(
            .numberMatch(try NumberMatchDetails(actor: Actor(kind: .human, id: actor), maximumUses: uses)))
    }

    // MARK: Contacts

    /// Gets a token for storing in a portfolio and stores a contact.
    public func store(
        _ contact: InventedContact, portfolio: String = "pf_north", idempotencyKey: String? = nil
    ) async throws -> StoredReceipt {
        let access = try await intakeAccess(.create, portfolio: portfolio, path: "/v1/contacts")
        return try await vault.storeContact(
            json: contact.json, as: .client(access), requestID: try requestID(),
            idempotencyKey: idempotencyKey)
    }

    /// Gets a token for an intake and presents it.
    public func intakeAccess(
        _ operation: ContactIntakeDetails.Operation, portfolio: String = "pf_north", path: String
    ) async throws -> VerifiedAccess {
        guard let portfolio = Reference(portfolio) else { throw FixtureFault.malformed("portfolio") }
        let details = AuthorizationDetails.contactIntake(
            ContactIntakeDetails(operation: operation, portfolio: portfolio))
        return try await access(try await token(details), method: "POST", path: path)
    }

    /// Gets a token for keys and policy and presents it.
    public func keyAccess(
        _ operation: KeyManagementDetails.Operation, method: String, path: String
    ) async throws -> VerifiedAccess {
        let token = try await token(.keyManagement(KeyManagementDetails(operation: operation)))
        return try await access(token, method: method, path: path)
    }

    /// Gets a token for looking after a contact and presents it.
    public func managementAccess(
        _ operation: ContactManagementDetails.Operation, of contact: ContactID, method: String,
        path: String? = nil
    ) async throws -> VerifiedAccess {
        let details = AuthorizationDetails.contactManagement(
            try ContactManagementDetails(operation: operation, contact: contact))
        return try await access(
            try await token(details), method: method, path: path ?? "/v1/contacts/\(contact)")
    }
}

/// What a test did wrong, as opposed to the vault.
public enum FixtureFault: Error {
    /// A value that no vocabulary has; the payload names it.
    case malformed(String)
}

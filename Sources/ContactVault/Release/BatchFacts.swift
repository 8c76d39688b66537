// One batch of requests: proofs, budgets and repetitions around the facts of its decisions, read at once and written at once.

import AccessToken
import ContactModel
import PurposePolicy
import VaultCrypto

/// What one batch needs to know.
struct BatchFacts {
    private(set) var uses: [TokenUseKey: Int64]

    private let isFreshProof: [Bool]
    /// Revoked tokens, by the digest of their identifier.
    private let revokedTokens: Set<[UInt8]>
    private var facts: DecisionFacts
    private var deliveries: [DeliveryKey: Delivery]
    private var spent: Set<TokenUseKey> = []
    private var delivered: Set<DeliveryKey> = []

    enum Judgement: ~Copyable {
        case permitted(ReleasePermit, ContactAccessDetails, RegisteredClient, earlier: Delivery?)
        case denied(DenialCode, RegisteredClient?)
    }

    /// The contacts that are asked for, as far as they are known.
    var contacts: [ContactID: StoredContact] { facts.contacts }

    init(
        _ attempts: [ReleaseAttempt], in transaction: any VaultTransaction, state: VaultState, policy: Policy,
        tenant: TenantID, now: Timestamp
    ) throws {
        isFreshProof = try Self.spendProofs(of: attempts, in: transaction)
        facts = try DecisionFacts(
            attempts.compactMap { AskedRelease($0) },
            besides: (attempts.map(\.contact), attempts.map(\.access.token.claims.client)), in: transaction,
            state: state, policy: policy, tenant: tenant, now: now)
        uses = try transaction.tokenUses(attempts.map { Self.useKey($0) })
        deliveries = try transaction.deliveries(attempts.map { Self.deliveryKey($0) })
        // Once for each token: one that names a hundred contacts has a hundred attempts here, and more than a hundred keys.
        let clients = facts.clients
        let tokens = Dictionary(attempts.map { ($0.access.token.identifierHash, $0.access.token) }) {
            first, _ in first
        }
        let keys = tokens.mapValues { token in
            RevocationKey.all(of: token, agency: clients[token.claims.client]?.agency, tenant: tenant)
        }
        let revocations = try transaction.revocations(keys.values.flatMap(\.self))
        revokedTokens = Set(
            tokens.filter { hash, token in revocations.revoke(token, keys[hash] ?? []) }.keys)
    }

    /// For each attempt whether its proof is new. Attempts of one request share one.
    private static func spendProofs(
        of attempts: [ReleaseAttempt], in transaction: any VaultTransaction
    ) throws -> [Bool] {
        var fresh = try transaction.insertProofs(
            attempts.compactMap { attempt in
                guard case .spent = attempt.proof else { return nil }
                return attempt.access.proof.map { ProofUse($0) }
            }
        )[...]
        var isFresh: [Bool] = []
        for attempt in attempts {
            switch attempt.proof {
            case .spent: isFresh.append(attempt.access.proof == nil || (fresh.popFirst() ?? false))
            case .sharedWithPrevious: isFresh.append(isFresh.last ?? false)
            case .alreadySpent: isFresh.append(true)
            }
        }
        return isFresh
    }

    /// Writes what the batch changed.
    func write(to transaction: any VaultTransaction) throws {
        if !spent.isEmpty { try transaction.putTokenUses(uses.filter { spent.contains($0.key) }) }
        if !delivered.isEmpty {
            try transaction.putDeliveries(deliveries.filter { delivered.contains($0.key) })
        }
        try facts.write(to: transaction)
    }

    /// Everything that must be fresh, in order: the proof, the token's life, the client, the token's scope, its budget,
    /// and then the policy.
    mutating func judge(_ attempt: ReleaseAttempt, at index: Int) -> Judgement {
        let claims = attempt.access.token.claims
        let client = facts.clients[claims.client]
        guard isFreshProof[index] else { return .denied(.proofReplayed, client) }
        guard facts.now < claims.expires else { return .denied(.tokenExpired, client) }
        let standing = facts.standings[claims.client] ?? ClientStanding(client: nil, entrustment: nil)
        if let code = standing.refusal(of: attempt.access, at: facts.now) {
            return .denied(code, client)
        }
        guard let client else { return .denied(.clientUnknown, nil) }
        guard !revokedTokens.contains(attempt.access.token.identifierHash) else {
            return .denied(.tokenRevoked, client)
        }
        guard case .contactAccess(let details) = claims.details, details.action == attempt.action,
            details.contacts.contains(attempt.contact)
        else { return .denied(.insufficientScope, client) }
        if let code = facts.policy.refusal(ofTrusted: attempt.access.token, client) {
            return .denied(code, client)
        }

        // A retry of the same request is answered again for a short while: the caller may never have seen the answer.
        var earlier = deliveries[Self.deliveryKey(attempt)]
        if let delivery = earlier, facts.now >= delivery.time.adding(seconds: Limits.redeliverySeconds) {
            earlier = nil
        }
        let asked = AskedRelease(details: details, client: client.id, contact: attempt.contact)
        let usage = facts.usage(asked, client)
        if earlier == nil {
            let used = uses[Self.useKey(attempt), default: 0]
            guard used < details.maximumUses else { return .denied(.tokenSpent, client) }
        }
        let request = ReleaseRequest(
            details, contact: attempt.contact, tenant: facts.tenant, client: client)
        let contact = facts.facts(asked, client, repeating: earlier)
        switch facts.policy.decide(request, facts: contact, usage: usage, at: facts.now) {
        case .permit(let permit): return .permitted(permit, details, client, earlier: earlier)
        case .deny(let code): return .denied(code, client)
        }
    }

    /// Takes a permitted release into account.
    mutating func spend(
        _ attempt: ReleaseAttempt, on release: ReleaseID, use: Int64, form: ReleaseForm,
        client: RegisteredClient, _ contact: StoredContact
    ) {
        let useKey = Self.useKey(attempt)
        uses[useKey] = use
        spent.insert(useKey)
        let deliveryKey = Self.deliveryKey(attempt)
        deliveries[deliveryKey] = Delivery(release: release, time: facts.now, use: use)
        delivered.insert(deliveryKey)
        if let asked = AskedRelease(attempt) {
            facts.carry(asked, as: release, form: form, client: client, contact)
        }
    }

    /// Whether a release of this attempt must be looked at afterwards.
    func needsReview(_ attempt: ReleaseAttempt) -> Bool {
        guard let asked = AskedRelease(attempt) else { return false }
        return facts.policy.purposes[asked.details.purpose]?.breakGlass != nil
    }

    /// Puts the question to a second person, once for each operation.
    /// - Returns: whether it was not put before.
    mutating func requestApproval(
        _ attempt: ReleaseAttempt, _ client: RegisteredClient, _ random: any RandomSource
    ) throws -> Bool {
        guard let asked = AskedRelease(attempt) else { return false }
        return try facts.requestApproval(asked, client, random)
    }

    // MARK: Keys

    func useKey(_ attempt: ReleaseAttempt) -> TokenUseKey { Self.useKey(attempt) }

    private static func useKey(_ attempt: ReleaseAttempt) -> TokenUseKey {
        let token = attempt.access.token
        return TokenUseKey(
            token: token.identifierHash, contact: attempt.contact, expires: token.claims.expires)
    }

    private static func deliveryKey(_ attempt: ReleaseAttempt) -> DeliveryKey {
        DeliveryKey(
            token: attempt.access.token.identifierHash, request: attempt.requestID.text,
            contact: attempt.contact, expires: attempt.access.token.claims.expires)
    }
}

extension AskedRelease {
    /// What an attempt asks for; `nil` if its token is for something else, which is refused.
    init?(_ attempt: ReleaseAttempt) {
        guard case .contactAccess(let details) = attempt.access.token.claims.details else { return nil }
        self.init(details: details, client: attempt.access.token.claims.client, contact: attempt.contact)
    }
}

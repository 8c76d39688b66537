// One shape for everything that is not a release: who asks is checked in the transaction, the act and its entry commit
// together, and a refusal has an entry too.

import AccessLog
public import AccessToken
import ContactModel
import EnvelopeEncryption
import PurposePolicy
import VaultCrypto

/// On whose word an operation is carried out.
public enum Caller: Sendable {
    /// A client, by a verified token.
    case client(VerifiedAccess)
    /// Whoever runs the process and holds its data folder. Every act is logged as the operator's.
    case localOperator

    /// The name that the operator has in entries and approvals. No client may be registered under it.
    static let operatorName: Reference = {
        guard let name = Reference("operator") else { preconditionFailure("a literal reference") }
        return name
    }()
}

/// What an operation did.
enum ManagedOutcome<Value: Sendable>: Sendable {
    case done(Value)
    /// A rule refused; nothing but the entry was written.
    case refused(DenialCode)
    /// The request cannot be carried out as it is; nothing but the entry was written, and its proof is spent.
    case failed(VaultError, EntryCode)

    /// Why nothing was done, `nil` if it was.
    var reason: EntryCode? {
        switch self {
        case .done: nil
        case .refused(let code): EntryCode(code)
        case .failed(_, let code): code
        }
    }
}

/// A transaction of a caller whose standing was checked.
struct ManagedTransaction {
    let store: any VaultTransaction
    let state: VaultState
    let keyring: Keyring
    /// The client, `nil` for the operator.
    let client: RegisteredClient?
    /// Facts that all entries of this operation share, the one of a refusal too.
    var template: EntryDraft
    var writer: LogWriter

    /// The moment of the transaction.
    var now: Timestamp { writer.time }
    /// Who asks, by the name that entries and approvals have.
    var callerName: Reference { client?.id ?? Caller.operatorName }

    /// Adds an entry about a contact.
    @discardableResult
    mutating func log(
        _ kind: EntryKind, about contact: StoredContact?, _ change: (inout EntryDraft) -> Void = { _ in }
    ) throws -> EntryReceipt {
        var draft = template
        draft.kind = kind
        draft.outcome = .permit
        draft.contact = contact?.id
        draft.disclosureKey = contact?.disclosureKey
        draft.generation = contact?.generation
        change(&draft)
        return try writer.add(draft).receipt
    }

    /// Whether the client's registration covers a contact: the portfolio of its sealed attributes, not the column beside.
    func mayTouch(_ contact: StoredContact) -> Bool {
        guard let client, !client.portfolios.isEmpty else { return true }
        guard let attributes = ContactAttributes(canonicalBytes: contact.attributes) else { return false }
        return client.portfolios.contains(attributes.portfolio)
    }

    /// Whether the client's registration covers a portfolio.
    func mayTouch(_ portfolio: Reference) -> Bool {
        guard let client, !client.portfolios.isEmpty else { return true }
        return client.portfolios.contains(portfolio)
    }
}

extension Vault {
    /// Carries out an operation.
    /// - Parameters:
    ///   - kind: what the entry of a refusal is called.
    ///   - contacts: every contact that an entry may be about.
    ///   - spendsProof: false for the later parts of one request, which was let in while its token was good.
    ///   - covers: whether the token covers the operation.
    ///   - body: the act. What it throws undoes everything.
    /// - Throws: ``VaultError/denied(_:)`` for a refusal, after its entry is durable.
    func manage<Value: Sendable>(
        _ kind: EntryKind, as caller: Caller, requestID: Reference, contacts: [ContactID] = [],
        spendsProof: Bool = true, covers: @escaping @Sendable (VerifiedAccess) throws(TokenError) -> Void,
        _ body: @escaping @Sendable (inout ManagedTransaction) throws -> ManagedOutcome<Value>
    ) async throws -> Value {
        let state = state
        let random = random
        let tenant = identity.tenant
        let outcome = try await storing { store -> ManagedOutcome<Value> in
            let keyring = state.keyring
            var template = EntryDraft(kind, .permit)
            template.requestID = requestID
            template.policyVersion = state.policy.reference
            var refusal: DenialCode?
            var client: RegisteredClient?
            switch caller {
            case .localOperator:
                template.client = Caller.operatorName
            case .client(let access):
                let claims = access.token.claims
                let standing = try state.clients.standing(claims.client, in: store)
                client = standing.client
                template.client = claims.client
                template.agency = client?.agency
                template.bind(to: access.token)
                refusal = try Self.refusal(
                    of: access, standing, in: store, policy: state.policy.policy, tenant: tenant,
                    spendsProof: spendsProof, covers: covers)
            }
            let writer = try LogWriter(
                store, contacts: contacts, keyring: keyring, source: state.instance, random: random)
            var transaction = ManagedTransaction(
                store: store, state: state, keyring: keyring, client: client, template: template,
                writer: writer)
            let outcome = try refusal.map { .refused($0) } ?? body(&transaction)
            if let reason = outcome.reason {
                // Whatever the body meant to log did not happen.
                transaction.writer = writer
                var draft = transaction.template
                draft.outcome = .deny
                draft.reason = reason
                if let contact = contacts.first, contacts.count == 1 {
                    draft.contact = contact
                    draft.disclosureKey = try store.contacts([contact])[contact]?.disclosureKey
                }
                try transaction.writer.add(draft)
            }
            try transaction.writer.finish(store)
            return outcome
        }
        switch outcome {
        case .done(let value): return value
        case .refused(let code): throw VaultError.denied(code)
        case .failed(let error, _): throw error
        }
    }

    private static func refusal(
        of access: VerifiedAccess, _ standing: ClientStanding, in store: any VaultTransaction,
        policy: Policy, tenant: TenantID, spendsProof: Bool,
        covers: (VerifiedAccess) throws(TokenError) -> Void
    ) throws -> DenialCode? {
        if spendsProof {
            if let proof = access.proof {
                guard try store.insertProofs([ProofUse(proof)]) == [true] else { return .proofReplayed }
            }
            guard store.now < access.token.claims.expires else { return .tokenExpired }
        }
        if let code = standing.refusal(of: access, at: store.now) { return code }
        guard let client = standing.client else { return .clientUnknown }
        guard try !store.isRevoked(access.token, agency: client.agency, tenant: tenant) else {
            return .tokenRevoked
        }
        do { try covers(access) } catch { return .insufficientScope }
        if let code = policy.refusal(ofTrusted: access.token, client) { return code }
        // Roles may have been taken away since the token was issued.
        return client.mayRequest(access.details) ? nil : .roleNotAllowed
    }
}

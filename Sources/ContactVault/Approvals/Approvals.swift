// Two people: what one asks for, another approves. An approval is bound to exactly one operation with all its parameters, is
// never given by who asked, expires, and is used once.

import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
public import PurposePolicy
import StrictEncoding
import VaultCrypto

/// The name of an approval. Text form `ap_…`.
public struct ApprovalID: VaultIdentifier {
    /// The text prefix.
    public static let prefix = "ap"
    /// The 16 bytes.
    public let bytes: [UInt8]
    /// An identifier of exactly 16 bytes; `nil` for any other length.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }
}

extension Vault {
    /// Approvals that wait for a second person, oldest first. A client sees those of the contact that its token names; with a token
    /// for keys and policy, those of policies and keys; with one for exports of the log, those of exports.
    public func pendingApprovals(as caller: Caller, requestID: Reference) async throws -> [StoredApproval] {
        let view = ApprovalView(of: caller)
        return try await manage(
            .approvalRead, as: caller, requestID: requestID, contacts: view.contact.map { [$0] } ?? [],
            covers: { access throws(TokenError) in
                switch view {
                case .contact(let contact): try access.management(.approve, of: contact)
                case .keysAndPolicy: try access.keyManagement(.approve)
                case .exports: _ = try access.accessLog(.export)
                case .all, .none: throw .insufficientScope
                }
            },
            { transaction -> ManagedOutcome<[StoredApproval]> in
                let pending = try transaction.store.pendingApprovals(at: transaction.now).filter(view.shows)
                try transaction.log(.approvalRead, about: nil) { $0.count = UInt64(pending.count) }
                return .done(pending)
            })
    }

    /// What a policy that waits would change; empty for a release.
    /// - Throws: `ConfigurationFault` if its text does not parse any more.
    public func changes(by approval: StoredApproval) throws -> [PolicyDifference] {
        guard approval.kind == .policy, let proposal = PolicyProposal(payload: approval.payload) else {
            return []
        }
        let parsed = try PolicyInForce(
            text: proposal.text, file: "policy.yaml", calendars: proposal.calendars)
        return parsed.policy.differences(from: state.policy.policy)
    }

    /// Approves one operation. A policy comes into force with it, a step of a key or the end of a stop flag is carried out with it; a
    /// release, an export or another root key may then be asked for once by who asked before.
    /// - Throws: ``VaultError/approvalByRequester``, ``VaultError/approvalVoid``, ``VaultError/notFound``; what the operation itself
    ///   throws, and it is then not approved.
    public func approve(_ id: ApprovalID, as caller: Caller, requestID: Reference) async throws {
        let known = try await reading { try $0.approval(id.bytes) }
        let contact = known?.contact
        let base = state.policy.policy.version
        let change = known.flatMap { ProtectedOperation($0) }.flatMap { KeyChange($0) }
        if change != nil { try await noteStoredKeys() }
        let (storage, random) = (keyringStorage, random)
        let done: CarriedOut
        do {
            done = try await manage(
                .approvalGive, as: caller, requestID: requestID, contacts: contact.map { [$0] } ?? [],
                covers: { access throws(TokenError) in
                    switch known?.kind {
                    case .release, .stopLift: _ = try access.management(.approve, of: contact)
                    case .policy, .keyDestroy, .keyCompromise, .keyEnable, .rootChange:
                        try access.keyManagement(.approve)
                    case .logExport: _ = try access.accessLog(.export)
                    case nil: throw .insufficientScope
                    }
                },
                { transaction -> ManagedOutcome<CarriedOut> in
                    guard var approval = try transaction.store.approval(id.bytes) else {
                        return .failed(.notFound, "not_found")
                    }
                    guard transaction.callerName != approval.requester else {
                        return .failed(.approvalByRequester, "approval_by_requester")
                    }
                    guard try transaction.isColleague(of: approval) else { return .refused(.roleNotAllowed) }
                    guard approval.approver == nil, approval.used == nil, transaction.now < approval.expires
                    else {
                        return .failed(.approvalVoid, "approval_void")
                    }
                    approval.approver = transaction.callerName
                    let outcome = try transaction.carryOut(
                        &approval, replacing: base, in: storage, random: random)
                    guard case .done = outcome else { return outcome }
                    try transaction.store.putApprovals([approval])
                    let stored = try contact.flatMap { try transaction.store.contacts([$0])[$0] }
                    // Facts of the key's step stay with its own entries.
                    transaction.template.keyVersion = nil
                    try transaction.log(.approvalGive, about: stored) {
                        $0.basis = EntryCode(approval.kind.rawValue)
                    }
                    return outcome
                })
        } catch {
            if change != nil { await adoptStoredKeys(after: error) }
            throw error
        }
        switch done {
        case .policy(let policy): state.replace(policy: policy)
        case .keys(let keyring, let change): try await takeIntoUse(keyring, change)
        case .nothingToLoad: break
        }
    }
}

/// What an approval carried out that has to be taken into use.
private enum CarriedOut: Sendable {
    case policy(PolicyInForce)
    case keys(Keyring, KeyChange)
    case nothingToLoad
}

extension ManagedTransaction {
    /// Does what was approved, if the approval does it, and uses it up then.
    /// - Parameter version: the policy that a proposal would replace.
    fileprivate mutating func carryOut(
        _ approval: inout StoredApproval, replacing version: String, in storage: KeyringStorage?,
        random: any RandomSource
    ) throws -> ManagedOutcome<CarriedOut> {
        let void = ManagedOutcome<CarriedOut>.failed(.approvalVoid, "approval_void")
        switch approval.kind {
        case .release: return .done(.nothingToLoad)
        case .policy:
            guard let proposal = PolicyProposal(payload: approval.payload),
                approval.operation == proposal.operation(replacing: version)
            else { return void }
            approval.used = now
            return .done(.policy(try adopt(proposal)))
        default: break
        }
        guard let operation = ProtectedOperation(approval) else { return void }
        if operation.isDoneByApproval { approval.used = now }
        if let change = KeyChange(operation) {
            switch try changeKeys(change, in: storage, random: random, mayAsk: false) {
            case .done(.done(let changed)): return .done(.keys(changed.keyring, change))
            case .done(.waiting): return void
            case .refused(let code): return .refused(code)
            case .failed(let error, let code): return .failed(error, code)
            }
        }
        if case .liftStop(let contact) = operation {
            guard let stored = try store.contacts([contact])[contact], stored.stopped != nil else {
                return void
            }
            try liftStop(stored)
        }
        return .done(.nothingToLoad)
    }

    /// Whether the caller is a colleague of who asked: of the same agency, with the role that it takes in common, and for a contact
    /// registered for its portfolio. The operator holds the vault's folder and stands for any.
    fileprivate func isColleague(of approval: StoredApproval) throws -> Bool {
        guard let client else { return true }
        let roles: Set<Role> =
            switch approval.kind {
            case .release: [.collection, .complaints, .privacy]
            case .stopLift: [.privacy]
            case .logExport: [.privacy]
            case .policy, .keyDestroy, .keyCompromise, .keyEnable, .rootChange: [.security]
            }
        guard !client.roles.isDisjoint(with: roles) else { return false }
        if let contact = approval.contact {
            guard let stored = try store.contacts([contact])[contact], mayTouch(stored) else { return false }
        } else if approval.kind == .release {
            return false
        }
        // The operator is of no agency; a release it never asks for.
        if approval.requester == Caller.operatorName { return approval.kind != .release }
        guard let requester = try state.clients.standing(approval.requester, in: store).client,
            client.agency == requester.agency
        else { return false }
        return !client.roles.intersection(roles).isDisjoint(with: requester.roles)
    }
}

/// Which approvals a caller may see.
private enum ApprovalView: Sendable {
    case all
    case contact(ContactID?)
    case keysAndPolicy
    case exports
    case none

    init(of caller: Caller) {
        switch caller {
        case .localOperator: self = .all
        case .client(let access):
            switch access.details {
            case .contactManagement(let details): self = .contact(details.contact)
            case .keyManagement: self = .keysAndPolicy
            case .accessLog: self = .exports
            default: self = .none
            }
        }
    }

    var contact: ContactID? { if case .contact(let contact) = self { contact } else { nil } }

    func shows(_ approval: StoredApproval) -> Bool {
        switch (self, approval.kind) {
        case (.all, _): true
        case (.contact(let contact), .release), (.contact(let contact), .stopLift):
            approval.contact == contact
        case (.keysAndPolicy, .policy), (.keysAndPolicy, .keyDestroy), (.keysAndPolicy, .keyCompromise),
            (.keysAndPolicy, .keyEnable), (.keysAndPolicy, .rootChange):
            true
        case (.exports, .logExport): true
        default: false
        }
    }
}

// Two people: what one asks for, another approves. An approval is bound to exactly one operation with all its parameters, is
// never given by who asked, expires, and is used once.

import AccessLog
import AccessToken
public import ContactModel
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
    /// Approvals that wait for a second person, oldest first. A client sees those of the contact that its token names, or,
    /// with a token for keys and policy, those of policies.
    public func pendingApprovals(as caller: Caller, requestID: Reference) async throws -> [StoredApproval] {
        let view = ApprovalView(of: caller)
        return try await manage(
            .approvalRead, as: caller, requestID: requestID, contacts: view.contact.map { [$0] } ?? [],
            covers: { access throws(TokenError) in
                switch view {
                case .contact(let contact): try access.management(.approve, of: contact)
                case .policies: try access.keyManagement(.approve)
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

    /// Approves one operation. A policy comes into force with it; a release may then be asked for once.
    /// - Throws: ``VaultError/approvalByRequester``, ``VaultError/approvalVoid``, ``VaultError/notFound``.
    public func approve(_ id: ApprovalID, as caller: Caller, requestID: Reference) async throws {
        let known = try await reading { try $0.approval(id.bytes) }
        let contact = known?.contact
        let base = state.policy
        let adopted = try await manage(
            .approvalGive, as: caller, requestID: requestID, contacts: contact.map { [$0] } ?? [],
            covers: { access throws(TokenError) in
                switch known?.kind {
                case .release: _ = try access.management(.approve, of: contact)
                case .policy: try access.keyManagement(.approve)
                case nil: throw .insufficientScope
                }
            },
            { transaction -> ManagedOutcome<PolicyInForce?> in
                guard var approval = try transaction.store.approval(id.bytes) else {
                    return .failed(.notFound, "not_found")
                }
                let approver = transaction.client?.id ?? Caller.operatorName
                guard approver != approval.requester else {
                    return .failed(.approvalByRequester, "approval_by_requester")
                }
                guard try transaction.isColleague(of: approval) else { return .refused(.roleNotAllowed) }
                guard approval.approver == nil, approval.used == nil, transaction.now < approval.expires
                else {
                    return .failed(.approvalVoid, "approval_void")
                }
                approval.approver = approver
                var adopted: PolicyInForce?
                if approval.kind == .policy {
                    guard let proposal = PolicyProposal(payload: approval.payload),
                        approval.operation == proposal.operation(replacing: base.policy.version)
                    else { return .failed(.approvalVoid, "approval_void") }
                    approval.used = transaction.now
                    adopted = try transaction.adopt(proposal)
                }
                try transaction.store.putApprovals([approval])
                let stored = try contact.flatMap { try transaction.store.contacts([$0])[$0] }
                try transaction.log(.approvalGive, about: stored) {
                    $0.basis = EntryCode(approval.kind.rawValue)
                }
                return .done(adopted)
            })
        if let adopted { state.replace(policy: adopted) }
    }
}

extension ManagedTransaction {
    /// Whether the caller is a colleague of who asked: of the same agency, with a role in common, and registered for the
    /// contact's portfolio. The operator holds the vault's folder and stands for any.
    fileprivate func isColleague(of approval: StoredApproval) throws -> Bool {
        guard let client else { return true }
        guard approval.kind == .release else { return true }
        guard let requester = try state.clients.standing(approval.requester, in: store).client
        else {
            return false
        }
        let releasing: Set<Role> = [.collection, .complaints, .privacy]
        guard client.agency == requester.agency, let contact = approval.contact,
            let stored = try store.contacts([contact])[contact], mayTouch(stored)
        else { return false }
        return !client.roles.intersection(releasing).isDisjoint(with: requester.roles)
    }
}

/// Which approvals a caller may see.
private enum ApprovalView: Sendable {
    case all
    case contact(ContactID?)
    case policies
    case none

    init(of caller: Caller) {
        switch caller {
        case .localOperator: self = .all
        case .client(let access):
            switch access.details {
            case .contactManagement(let details): self = .contact(details.contact)
            case .keyManagement: self = .policies
            default: self = .none
            }
        }
    }

    var contact: ContactID? { if case .contact(let contact) = self { contact } else { nil } }

    func shows(_ approval: StoredApproval) -> Bool {
        switch self {
        case .all: true
        case .contact(let contact): approval.kind == .release && approval.contact == contact
        case .policies: approval.kind == .policy
        case .none: false
        }
    }
}

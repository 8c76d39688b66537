// The policy in force and the way to another one, on the control listener; what waits for a second person, on both.

import AccessLog
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import PurposePolicy
import StrictEncoding
import VaultAPI

/// `GET` and `POST /v1/policy`.
struct PolicyRoutes {
    let vault: Vault

    /// Longest body with a policy and its calendars, bytes: what a proposal may have, escaped.
    static let bodyBytes = 512 * 1024

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/policy") { request, context -> Response in
            try await request.answered(by: vault, as: .policyRead, context) { caller in
                try await source(as: caller, context)
            }
        }
        router.post("/v1/policy") { request, context -> Response in
            try await request.answered(by: vault, as: .policyPropose, context) { caller in
                try await propose(request, as: caller, context)
            }
        }
    }

    func source(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        let (source, version) = try await vault.policySource(as: caller, requestID: context.requestID)
        return try .json(PolicySourceBody(policy: source.text, calendars: source.calendars, version: version))
    }

    func propose(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        let change = try await vault.propose(
            try await Self.proposal(request), as: caller, requestID: context.requestID)
        return try .json(PolicyChangeBody(change), status: change.isWaiting ? .accepted : .ok)
    }

    static func proposal(_ request: Request) async throws -> PolicyProposal {
        let body = try await request.bytes(upTo: bodyBytes)
        guard let proposal = PolicyProposal(payload: body) else { throw RequestFault.bodyMalformed }
        return proposal
    }
}

/// `GET /v1/approvals` and `POST /v1/approvals/{approval}/approve`.
struct ApprovalRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/approvals") { request, context -> Response in
            try await request.answered(by: vault, as: .approvalRead, context) { caller in
                try await pending(as: caller, context)
            }
        }
        router.post("/v1/approvals/:approval/approve") { request, context -> Response in
            try await request.answered(by: vault, as: .approvalGive, context) { caller in
                try await approve(as: caller, context)
            }
        }
    }

    func pending(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        let approvals = try await vault.pendingApprovals(as: caller, requestID: context.requestID)
        return try .json(approvals.map { try ApprovalBody($0, of: vault) })
    }

    func approve(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let approval = context.parameters.get("approval").flatMap({ ApprovalID($0) }) else {
            throw RequestFault.pathMalformed
        }
        try await vault.approve(approval, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }
}

extension PolicyChange {
    fileprivate var isWaiting: Bool { if case .waiting = self { true } else { false } }
}

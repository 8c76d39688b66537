// Keys of the vault, for security admins: on the control listener and on the operator's socket.

import AccessLog
import ContactModel
import ContactVault
import EnvelopeEncryption
import HTTPTypes
import Hummingbird
import VaultAPI

/// `GET /v1/keys`, `POST /v1/keys/{name}/rotate`, `POST /v1/keys/{name}/versions/{version}/{step}`.
struct KeyRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/keys") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRead, context) { caller in
                try await list(as: caller, context)
            }
        }
        router.post("/v1/keys/:key/rotate") { request, context -> Response in
            try await request.answered(by: vault, as: .keyCreate, context) { caller in
                try await rotate(as: caller, context)
            }
        }
        router.post("/v1/keys/:key/versions/:version/:step") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRotate, context) { caller in
                // Gone for good is not for one program to decide.
                try await step(["promote", "retire", "compromise"], as: caller, context)
            }
        }
    }

    func list(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        try .json(try await vault.keyStatus(as: caller, requestID: context.requestID).map { KeyBody($0) })
    }

    func rotate(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let name = context.keyName else { throw RequestFault.pathMalformed }
        return try await answer(.add(name), as: caller, context)
    }

    func step(
        _ allowed: Set<String>, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        guard let name = context.keyName,
            let version = context.parameters.get("version").flatMap({ UInt32($0) }),
            let step = context.parameters.get("step"), allowed.contains(step)
        else { throw RequestFault.pathMalformed }
        let key = KeyReference(name, id: name == .kek ? 1 : 0, version: version)
        let change: KeyChange
        switch step {
        case "promote": change = .promote(key)
        case "retire": change = .retire(key)
        case "compromise": change = .compromise(key)
        case "destroy": change = .destroy(key)
        default: throw RequestFault.pathMalformed
        }
        return try await answer(change, as: caller, context)
    }

    private func answer(
        _ change: KeyChange, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        try .json(KeyBody(try await vault.changeKeys(change, as: caller, requestID: context.requestID)))
    }
}

extension VaultRequestContext {
    fileprivate var keyName: KeyName? {
        let text = parameters.get("key")
        return KeyName.allCases.first { $0.name == text }
    }
}

extension RewrapStepBody {
    /// The wire form of a step.
    init(_ step: RewrapStep) {
        self.init(
            examined: step.examined, rewrapped: step.rewrapped, unreadable: step.unreadable,
            next: step.next?.description)
    }
}

extension KeyBody {
    fileprivate init(_ status: KeyStatus) {
        let key = status.key
        self.init(
            name: key.reference.name.name, id: key.reference.id, version: key.reference.version,
            state: key.state.name, created: key.created.description, since: status.since.description,
            nextStep: status.nextStep?.description, thumbprint: status.thumbprint, floor: key.floor)
    }
}

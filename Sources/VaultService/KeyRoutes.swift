// Keys of the vault, for security admins: on the control listener and on the operator's socket.

import AccessLog
import ContactModel
import ContactVault
import EnvelopeEncryption
import HTTPTypes
import Hummingbird
import StrictEncoding
import VaultAPI

/// `GET /v1/keys`, `GET /v1/keys/report`, `POST /v1/keys/{name}/rotate`, `POST /v1/keys/{name}/versions/{version}/{step}`.
struct KeyRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/keys") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRead, context) { caller in
                try await list(as: caller, context)
            }
        }
        router.get("/v1/keys/report") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRead, context) { caller in
                try await report(as: caller, context)
            }
        }
        router.post("/v1/keys/:key/rotate") { request, context -> Response in
            try await request.answered(by: vault, as: .keyCreate, context) { caller in
                try await rotate(request, as: caller, context)
            }
        }
        router.post("/v1/keys/:key/versions/:version/:step") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRotate, context) { caller in
                try await step(as: caller, context)
            }
        }
    }

    func list(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        try .json(try await vault.keyStatus(as: caller, requestID: context.requestID).map { KeyBody($0) })
    }

    func report(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        let report = try await vault.keyReport(as: caller, requestID: context.requestID)
        return try .json(
            KeyReportBody(
                keys: report.versions.map { status, needs in
                    KeyNeedsBody(key: KeyBody(status), needs: needs.reasons.map(\.description))
                },
                epoch: report.epoch,
                instances: report.instances.map {
                    InstanceBody(name: $0.name.text, epoch: $0.epoch, seen: $0.seen.description)
                },
                job: report.job.map { KeyJobBody($0) }))
    }

    /// The body is empty, or says the suite of a key-encryption key.
    func rotate(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        guard let name = context.keyName else { throw RequestFault.pathMalformed }
        let body = try await request.bytes(upTo: Limits.requestBodyBytes)
        if !body.isEmpty {
            guard let object = (try? JSONValue.parse(body))?.objectValue, object.members.count == 1,
                let suite = object["suite"]?.stringValue.flatMap({ EnvelopeSuite(name: $0) }), name == .kek
            else { throw RequestFault.bodyMalformed }
            return try await answer(.addKEK(suite), as: caller, context)
        }
        return try await answer(.add(name), as: caller, context)
    }

    func step(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let name = context.keyName,
            let version = context.parameters.get("version").flatMap({ UInt32($0) }),
            let step = context.parameters.get("step")
        else { throw RequestFault.pathMalformed }
        let key = KeyReference(name, id: name == .kek ? 1 : 0, version: version)
        let change: KeyChange
        switch step {
        case "promote": change = .promote(key)
        case "retire": change = .retire(key)
        case "disable": change = .disable(key)
        case "enable": change = .enable(key)
        case "compromise": change = .compromise(key)
        case "destroy": change = .destroy(key)
        default: throw RequestFault.pathMalformed
        }
        return try await answer(change, as: caller, context)
    }

    private func answer(
        _ change: KeyChange, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        switch try await vault.changeKeys(change, as: caller, requestID: context.requestID) {
        case .done(let status): try .json(KeyBody(status))
        case .waiting(let approval): try .waiting(approval)
        }
    }
}

extension VaultRequestContext {
    fileprivate var keyName: KeyName? {
        let text = parameters.get("key")
        return KeyName.allCases.first { $0.name == text }
    }
}

extension KeyBody {
    init(_ status: KeyStatus) {
        let key = status.key
        self.init(
            name: key.reference.name.name, id: key.reference.id, version: key.reference.version,
            state: key.state.name, created: key.created.description, since: status.since.description,
            nextStep: status.nextStep?.description, thumbprint: status.thumbprint, floor: key.floor,
            suite: key.suite?.name)
    }
}

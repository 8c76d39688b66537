// Jobs that bring what stands under old keys under new ones, for security admins: on the control listener and the operator's socket.

import AccessLog
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import ServiceLifecycle
import StrictEncoding
import VaultAPI

/// `GET` and `POST /v1/rewraps`, `GET /v1/rewraps/{job}`, `POST /v1/rewraps/{job}/{pause,resume,cancel}`.
struct KeyJobRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/rewraps") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRead, context) { caller in
                try await list(as: caller, context)
            }
        }
        router.post("/v1/rewraps") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRewrap, context) { caller in
                try await begin(request, as: caller, context)
            }
        }
        router.get("/v1/rewraps/:job") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRead, context) { caller in
                guard let job = context.keyJob else { throw RequestFault.pathMalformed }
                return try .json(
                    KeyJobBody(try await vault.keyJob(job, as: caller, requestID: context.requestID)))
            }
        }
        router.post("/v1/rewraps/:job/:change") { request, context -> Response in
            try await request.answered(by: vault, as: .keyRewrap, context) { caller in
                try await change(as: caller, context)
            }
        }
    }

    func list(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        try .json(
            try await vault.keyJobs(as: caller, requestID: context.requestID).map { KeyJobBody($0) })
    }

    func begin(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        let object = try await request.object(members: ["kind", "dry_run", "rate"])
        let kind = try object.word("kind") { StoredKeyJob.Kind(rawValue: $0) } ?? .rewrap
        var isDryRun = false
        if let value = object["dry_run"] {
            guard let flag = value.boolValue else { throw RequestFault.bodyMalformed }
            isDryRun = flag
        }
        let rate = try object.number("rate").map { number in
            guard let rate = UInt32(exactly: number), rate > 0 else { throw RequestFault.bodyMalformed }
            return rate
        }
        let job = try await vault.beginKeyJob(
            KeyJobRequest(kind, isDryRun: isDryRun, rate: rate), as: caller, requestID: context.requestID)
        return try .json(KeyJobBody(job), status: .accepted)
    }

    func change(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let job = context.keyJob,
            let change = context.parameters.get("change").flatMap({ KeyJobChange(rawValue: $0) })
        else { throw RequestFault.pathMalformed }
        return try .json(
            KeyJobBody(
                try await vault.changeKeyJob(job, change, as: caller, requestID: context.requestID)))
    }
}

extension VaultRequestContext {
    /// The job that the path names.
    var keyJob: KeyJobID? { parameters.get("job").flatMap { KeyJobID($0) } }
}

extension KeyJobBody {
    /// The wire form of a job.
    init(_ job: KeyJob) {
        let row = job.row
        self.init(
            job: job.id?.description ?? "", kind: row.kind.rawValue, state: row.state.rawValue,
            version: row.version, dryRun: row.isDryRun, rate: row.rate, total: row.total,
            examined: row.examined, changed: row.changed, unreadable: row.unreadable,
            perSecond: job.perSecond.map { UInt64($0) }, remainingSeconds: job.remainingSeconds,
            created: row.created.description, updated: row.updated.description)
    }
}

/// Does the steps of whatever job is running, one after the other.
struct KeyJobs: Service {
    let vault: Vault
    let log: ServiceLog

    func run() async throws {
        await withGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                var isAtWork = false
                do {
                    isAtWork = try await cancelWhenGracefulShutdown { try await vault.advanceKeyJob() } != nil
                } catch is CancellationError {
                    return
                } catch {
                    log.trouble("key job does not go on", error)
                }
                guard !isAtWork else { continue }
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: .milliseconds(500)) }
            }
        } onGracefulShutdown: {
        }
    }
}

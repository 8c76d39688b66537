// Exports of the access log: begun once, then read page by page, for officers' programs and for the operator.

import AccessLog
import ContactModel
import ContactVault
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// `POST /v1/log/exports` and `POST /v1/log/exports/entries?first=&end=`.
struct ExportRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/v1/log/exports") { request, context -> Response in
            try await request.answered(by: vault, as: .logExport, context) { caller in
                try await begin(request, as: caller, context)
            }
        }
        router.post("/v1/log/exports/entries") { request, context -> Response in
            try await request.answered(by: vault, as: .logExport, context) { caller in
                try await page(request, as: caller, context)
            }
        }
    }

    func begin(_ request: Request, as caller: Caller, _ context: VaultRequestContext) async throws -> Response
    {
        let plan: ExportPlan
        switch try await vault.beginExport(
            try await Self.asked(request), as: caller, requestID: context.requestID)
        {
        case .done(let begun): plan = begun
        case .waiting(let approval): return try .waiting(approval)
        }
        return try .json(
            ExportPlanBody(
                origin: plan.origin, first: plan.proof.first, end: plan.proof.end,
                from: plan.request.time.from?.descriptionWithMilliseconds,
                to: plan.request.time.to?.descriptionWithMilliseconds,
                checkpoint: plan.note,
                proof: plan.proof.text,
                consistency: plan.consistency?.map { Base64.encode($0) + "\n" }.joined(),
                policy: vault.logTrustPolicy.text), status: .created)
    }

    func page(_ request: Request, as caller: Caller, _ context: VaultRequestContext) async throws -> Response
    {
        let parameters = request.uri.queryParameters
        guard let first = parameters.get("first").flatMap({ UInt64($0) }),
            let end = parameters.get("end").flatMap({ UInt64($0) }), first < end, end < UInt64(Int64.max)
        else { throw RequestFault.bodyMalformed }
        let entries = try await vault.exportedEntries(
            first..<end, of: try await Self.asked(request), as: caller, requestID: context.requestID)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var lines: [UInt8] = []
        for entry in entries {
            lines += try encoder.encode(
                ExportedEntryBody(
                    index: entry.index, leaf: String(decoding: entry.leaf, as: UTF8.self),
                    disclosures: entry.disclosed.map { String(decoding: $0, as: UTF8.self) }))
            lines.append(0x0A)
        }
        return .json(bytes: lines, type: "application/x-ndjson")
    }

    private static func asked(_ request: Request) async throws -> ExportRequest {
        let object = try await request.object(members: ["from", "to", "profile", "contact", "previous_size"])
        guard let profile = try object.word("profile", { ExportProfile(rawValue: $0) }) else {
            throw RequestFault.bodyMalformed
        }
        return ExportRequest(
            time: try object.time(), profile: profile, contact: try object.word("contact") { ContactID($0) },
            previousSize: try object.number("previous_size"))
    }
}

extension Response {
    /// 202: a second person has to approve it first.
    static func waiting(_ approval: ApprovalID) throws -> Response {
        try .json(WaitingBody(approval: approval.description), status: .accepted)
    }
}

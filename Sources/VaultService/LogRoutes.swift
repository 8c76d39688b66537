// The access log for everyone (checkpoint, consistency) and for its readers (entries, proofs).

import AccessLog
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// `/v1/log` and below.
struct LogRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/log/checkpoint") { _, _ -> Response in
            guard let checkpoint = vault.latestCheckpoint else { throw VaultError.notFound }
            return .text(checkpoint.note)
        }
        router.get("/v1/log/checkpoint/witnessed") { _, _ -> Response in
            guard let checkpoint = vault.latestWitnessedCheckpoint else { throw VaultError.notFound }
            return .text(checkpoint.note)
        }
        router.get("/v1/log/consistency") { request, _ -> Response in
            guard let from = request.uri.queryParameters.get("from").flatMap({ UInt64($0) }),
                let to = request.uri.queryParameters.get("to").flatMap({ UInt64($0) })
            else { throw RequestFault.bodyMalformed }
            let proof = try await vault.consistencyProof(from: from, to: to)
            return .text(proof.map { Base64.encode($0) + "\n" }.joined())
        }
        // For monitors: what is under a checkpoint, as hashes. Entries are for who may read them.
        router.get("/v1/log/tile/**") { _, context -> Response in
            guard let path = TilePath(context.parameters.getCatchAll().joined(separator: "/")) else {
                throw RequestFault.pathMalformed
            }
            var response = Response(
                status: .ok, headers: [.contentType: "application/octet-stream"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: try await vault.tile(path))))
            // A complete tile never changes, and neither does the beginning of one.
            response.headers[.cacheControl] = "public, max-age=86400"
            return response
        }
        router.get("/v1/log/entries/:index/proof") { request, context -> Response in
            try await request.answered(by: vault, as: .logProve, context) { caller in
                guard let index = context.parameters.get("index").flatMap({ UInt64($0) }) else {
                    throw RequestFault.pathMalformed
                }
                return .text(
                    try await vault.proof(of: index, as: caller, requestID: context.requestID).proof.text)
            }
        }
        router.get("/v1/log/entries") { request, context -> Response in
            try await request.answered(by: vault, as: .logRead, context) { caller in
                try .json(
                    try await page(request.uri.queryParameters, as: caller, requestID: context.requestID))
            }
        }
    }

    /// A page of entries by `from` and `limit`.
    func page(
        _ parameters: Parameters, as caller: Caller, requestID: Reference
    ) async throws -> LogPageBody {
        let from = parameters.get("from").map { UInt64($0) } ?? 0
        let limit = parameters.get("limit").map { UInt64($0) } ?? 100
        guard let from, let limit, (1...1000).contains(limit), from < UInt64(Int64.max) else {
            throw RequestFault.bodyMalformed
        }
        let size = try await vault.logSize()
        let entries = try await vault.entries(from..<from + limit, as: caller, requestID: requestID)
        // By position, not by count: entries outside a token's time range are left out of a page.
        return LogPageBody(
            entries: try entries.map { try LogEntryBody($0) }, next: from + limit < size ? from + limit : nil)
    }
}

extension Response {
    /// A plain-text reply.
    static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

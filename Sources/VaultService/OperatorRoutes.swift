// What the operator's commands ask of a running vault, over a socket in its data folder.
//
// Who can open that socket can read the folder: the file's permission is the authentication, and every act is logged as
// the operator's (`docs/decisions/`).

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// Routes of the operator's socket.
struct OperatorRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/operator/clients") { request, context -> Response in
            let body = try await request.bytes(upTo: Limits.requestBodyBytes)
            guard let client = RegisteredClient(registration: body) else { throw RequestFault.bodyMalformed }
            try await vault.registerClient(client, requestID: context.requestID)
            return Response(status: .created)
        }
        router.get("/operator/clients") { _, _ -> Response in
            let clients = try await vault.clients()
            let list = try clients.map { try JSONValue.parse($0.registration) }
            return .json(bytes: JSONValue.array(list).canonicalBytes)
        }
        router.post("/operator/clients/:client/suspend") { _, context in try await suspend(true, context) }
        router.post("/operator/clients/:client/resume") { _, context in try await suspend(false, context) }
        router.post("/operator/contacts") { request, context -> Response in
            let stored = try await vault.storeContact(
                json: try await request.bytes(upTo: Limits.requestBodyBytes), as: .localOperator,
                requestID: context.requestID)
            return try .json(StoredContactBody(stored), status: .created)
        }
        router.post("/operator/contacts/import") { request, context -> Response in
            try await ContactImport(vault: vault, requestID: context.requestID).respond(
                to: request, as: .localOperator)
        }
        router.get("/operator/contacts/:contact") { _, context -> Response in
            guard let contact = context.contact else { throw RequestFault.pathMalformed }
            return try .json(
                ContactBody(
                    try await vault.contact(contact, as: .localOperator, requestID: context.requestID)))
        }
        router.put("/operator/contacts/:contact/stop") { _, context -> Response in
            guard let contact = context.contact else { throw RequestFault.pathMalformed }
            try await vault.stop(contact, as: .localOperator, requestID: context.requestID)
            return Response(status: .noContent)
        }
        router.get("/operator/log/entries") { request, context -> Response in
            try .json(
                try await LogRoutes(vault: vault).page(
                    request.uri.queryParameters, as: .localOperator, requestID: context.requestID))
        }
        router.get("/operator/log/entries/:index/proof") { _, context -> Response in
            guard let index = context.parameters.get("index").flatMap({ UInt64($0) }) else {
                throw RequestFault.pathMalformed
            }
            let (proof, leaf) = try await vault.proof(
                of: index, as: .localOperator, requestID: context.requestID)
            return .json(
                bytes: JSONValue.object(
                    JSONObject([
                        ("leaf", .string(String(decoding: leaf, as: UTF8.self))),
                        ("proof", .string(proof.text)),
                    ])
                ).canonicalBytes)
        }
        router.post("/operator/log/checkpoint") { _, _ -> Response in
            try await vault.publishCheckpoint()
            guard let checkpoint = vault.latestCheckpoint else { throw VaultError.notFound }
            return .text(checkpoint.note)
        }
    }

    private func suspend(_ isSuspended: Bool, _ context: VaultRequestContext) async throws -> Response {
        guard let client = context.parameters.get("client").flatMap({ Reference($0) }) else {
            throw RequestFault.pathMalformed
        }
        try await vault.setSuspended(isSuspended, client: client, requestID: context.requestID)
        return Response(status: .noContent)
    }
}

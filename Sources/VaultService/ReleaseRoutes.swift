// The release: `POST /v1/contacts/{contact}/actions/{action}`, and of several contacts `POST /v1/actions/{action}`.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultCrypto

/// The main job.
struct ReleaseRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/v1/contacts/:contact/actions/:action") { request, context in
            try await release(request, context)
        }
        router.post("/v1/actions/:action") { request, context in try await releaseAll(request, context) }
    }

    /// One result for each contact of the token, in its order: a release, or the problem that a request for it alone would
    /// have met.
    private func releaseAll(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        let access = try await request.verified(by: vault, context)
        try await requireEmptyBody(request, access, context)
        guard let action = context.parameters.get("action").flatMap({ Action($0) }) else {
            try await vault.recordMalformed(.release, as: .client(access), requestID: context.requestID)
            throw RequestFault.pathMalformed
        }
        var json = JSONWriter(capacity: 32 * 1024)
        json.append(raw: "{\"results\":[")
        var isFirst = true
        try await vault.releaseAll(to: action, access: access, requestID: context.requestID) {
            contact, outcome in
            if !isFirst { json.append(raw: ",") }
            isFirst = false
            switch consume outcome {
            case .released(let release): release.write(to: &json)
            case .failed(let error):
                json.append(raw: "{\"contact\":")
                json.append(contact.description)
                json.append(raw: ",\"problem\":")
                json.append(raw: ErrorReply(error).json(requestID: context.requestID).canonicalBytes)
                json.append(raw: "}")
            }
        }
        json.append(raw: "]}")
        return Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes)))
    }

    /// A body decides nothing here, so one that is there is a mistake or an attempt. The proof of it is spent: whoever saw it
    /// go by cannot send it again without the body.
    private func requireEmptyBody(
        _ request: Request, _ access: VerifiedAccess, _ context: VaultRequestContext
    ) async throws {
        let isEmpty: Bool
        do { isEmpty = try await request.bytes(upTo: 2).isEmpty } catch let fault as RequestFault {
            try await vault.recordMalformed(.release, as: .client(access), requestID: context.requestID)
            throw fault
        }
        guard isEmpty else {
            try await vault.recordMalformed(.release, as: .client(access), requestID: context.requestID)
            throw RequestFault.bodyMalformed
        }
    }

    private func release(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        let access = try await request.verified(by: vault, context)
        try await requireEmptyBody(request, access, context)
        guard let contact = context.contact,
            let action = context.parameters.get("action").flatMap({ Action($0) })
        else {
            try await vault.recordMalformed(.release, as: .client(access), requestID: context.requestID)
            throw RequestFault.pathMalformed
        }
        let release = try await vault.release(
            contact, to: action, access: access, requestID: context.requestID)
        return Response(
            status: .ok,
            headers: [.contentType: "application/json", .vaultLogIndex: String(release.receipt.index)],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: release.json)))
    }
}

extension VaultRequestContext {
    /// The contact of the path, `nil` if it is none.
    var contact: ContactID? { parameters.get("contact").flatMap { ContactID($0) } }
}

extension Release {
    /// Writes the reply's body. Values go from their secrets into this buffer and nowhere else.
    fileprivate borrowing func write(to json: inout JSONWriter) {
        json.append(raw: "{\"release\":")
        json.append(id.description)
        json.append(raw: ",\"contact\":")
        json.append(contact.description)
        json.append(raw: ",\"action\":")
        json.append(action.text)
        json.append(raw: ",\"form\":")
        json.append(form.rawValue)
        json.append(raw: ",\"fields\":{")
        var isFirst = true
        Self.append(name, as: "name", to: &json, &isFirst)
        Self.append(phone, as: "phone", to: &json, &isFirst)
        Self.append(relation, as: "relation", to: &json, &isFirst)
        json.append(raw: "},\"uses_remaining\":")
        json.append(usesRemaining)
        json.append(raw: ",\"not_after\":")
        json.append(notAfter.description)
        json.append(raw: ",\"receipt\":{\"index\":")
        json.append(Int64(receipt.index))
        json.append(raw: ",\"leaf_hash\":")
        json.append(Base64.encode(receipt.leafHash))
        json.append(raw: ",\"checkpoint_after\":")
        json.append(receipt.checkpointAfter.description)
        json.append(raw: "}}")
    }

    /// The bytes of the reply's body.
    var json: [UInt8] {
        var json = JSONWriter(capacity: 512)
        write(to: &json)
        return json.bytes
    }

    private static func append(
        _ value: borrowing SecretBytes?, as name: String, to json: inout JSONWriter, _ isFirst: inout Bool
    ) {
        switch value {
        case .some(let secret):
            if !isFirst { json.append(raw: ",") }
            isFirst = false
            json.append(name)
            json.append(raw: ":\"")
            secret.reveal { bytes in
                for index in bytes.indices { json.appendEscaped(bytes[index]) }
            }
            json.append(raw: "\"")
        case .none: break
        }
    }
}

extension EntryReceipt {
    /// A checkpoint signed after this moment covers the entry.
    var checkpointAfter: Timestamp {
        Timestamp(milliseconds: time.milliseconds + Limits.checkpointMilliseconds)
    }
}

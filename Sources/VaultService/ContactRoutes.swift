// Storing, replacing and looking at contacts, and what they said.

import AccessLog
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// `/v1/contacts` and below, but for releases.
struct ContactRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/v1/contacts") { request, context in try await store(request, context) }
        router.post("/v1/contacts/import") { request, context in
            try await ContactImport(vault: vault, requestID: context.requestID).respond(
                to: request, as: .client(try await request.verified(by: vault, context)))
        }
        router.get("/v1/contacts/:contact") { request, context in try await view(request, context) }
        router.delete("/v1/contacts/:contact") { request, context in
            try await request.answered(by: vault, as: .contactErase, context) { caller in
                try await erase(as: caller, context)
            }
        }
        router.put("/v1/contacts/:contact") { request, context in try await replace(request, context) }
        router.put("/v1/contacts/:contact/consents/:purpose") { request, context in
            try await request.answered(by: vault, as: .consentGive, context) { caller in
                try await consent(request, as: caller, context)
            }
        }
        router.delete("/v1/contacts/:contact/consents/:purpose") { request, context in
            try await request.answered(by: vault, as: .consentWithdraw, context) { caller in
                try await withdraw(as: caller, context)
            }
        }
        router.put("/v1/contacts/:contact/authorisation") { request, context in
            try await request.answered(by: vault, as: .authorisationGive, context) { caller in
                try await authorise(request, as: caller, context)
            }
        }
        router.delete("/v1/contacts/:contact/authorisation") { request, context in
            try await request.answered(by: vault, as: .authorisationWithdraw, context) { caller in
                try await withdrawAuthorisation(as: caller, context)
            }
        }
        router.put("/v1/contacts/:contact/references/:reference") { request, context in
            try await request.answered(by: vault, as: .referenceRecord, context) { caller in
                try await record(request, as: caller, context)
            }
        }
        router.put("/v1/contacts/:contact/hold") { request, context in
            try await request.answered(by: vault, as: .holdSet, context) { caller in
                try await hold(request, as: caller, context)
            }
        }
        router.delete("/v1/contacts/:contact/hold") { request, context in
            try await request.answered(by: vault, as: .holdLift, context) { caller in
                try await liftHold(as: caller, context)
            }
        }
        router.delete("/v1/contacts/:contact/stop") { request, context in
            try await request.answered(by: vault, as: .stopClear, context) { caller in
                try await liftStop(as: caller, context)
            }
        }
        router.put("/v1/contacts/:contact/stop") { request, context in
            try await request.answered(by: vault, as: .stopSet, context) { caller in
                try await stop(as: caller, context)
            }
        }
    }

    private func store(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        // The token first: nothing is kept of a stranger's body.
        try await request.answered(by: vault, as: .contactCreate, context) { caller in
            let key = request.values(of: .idempotencyKey)
            guard key.count <= 1, key.allSatisfy({ (1...255).contains($0.utf8.count) }) else {
                throw RequestFault.bodyMalformed
            }
            let stored = try await vault.storeContact(
                json: try await request.bytes(upTo: Limits.requestBodyBytes), as: caller,
                requestID: context.requestID,
                idempotencyKey: key.first)
            return try .json(StoredContactBody(stored), status: .created).tagged(stored.generation)
        }
    }

    private func view(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        try await request.answered(by: vault, as: .contactRead, context) { caller in
            guard let contact = context.contact else { throw RequestFault.pathMalformed }
            let view = try await vault.contact(contact, as: caller, requestID: context.requestID)
            return try .json(ContactBody(view)).tagged(view.generation)
        }
    }

    private func replace(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        try await request.answered(by: vault, as: .contactUpdate, context) { caller in
            guard let contact = context.contact else { throw RequestFault.pathMalformed }
            guard let generation = request.ifMatch else { throw RequestFault.preconditionRequired }
            let stored = try await vault.replaceContact(
                contact, json: try await request.bytes(upTo: Limits.requestBodyBytes), expecting: generation,
                as: caller,
                requestID: context.requestID)
            return try .json(StoredContactBody(stored)).tagged(stored.generation)
        }
    }

    // What the contact, or the borrower, said. The operator's routes answer with these too.

    func consent(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        guard let contact = context.contact, let purpose = context.purpose else {
            throw RequestFault.pathMalformed
        }
        let object = try await request.object(members: ["notice", "evidence", "recipients", "expires"])
        let consent = try ConsentIntake(purpose: purpose, members: object)
        try await vault.giveConsent(consent, of: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func withdraw(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let contact = context.contact, let purpose = context.purpose else {
            throw RequestFault.pathMalformed
        }
        try await vault.withdrawConsent(to: purpose, of: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func authorise(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        let object = try await request.object(members: ["evidence", "expires"])
        try await vault.giveAuthorisation(
            try AuthorisationIntake(members: object), to: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func withdrawAuthorisation(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        try await vault.withdrawAuthorisation(of: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func record(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        guard let contact = context.contact,
            let name = context.parameters.get("reference").flatMap({ Reference($0) })
        else { throw RequestFault.pathMalformed }
        let object = try await request.object(members: ["kind"])
        guard let kind = object["kind"]?.stringValue.flatMap({ ReferenceKind(rawValue: $0) }) else {
            throw RequestFault.bodyMalformed
        }
        try await vault.recordReference(name, kind, of: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func hold(_ request: Request, as caller: Caller, _ context: VaultRequestContext) async throws -> Response
    {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        let object = try await request.object(members: ["reference"])
        guard let reference = try object.word("reference", { Reference($0) }) else {
            throw RequestFault.bodyMalformed
        }
        try await vault.setLegalHold(reference, of: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func liftHold(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        try await vault.liftLegalHold(of: contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func erase(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        try await vault.eraseContact(contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }

    func liftStop(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        return try .waiting(
            try await vault.liftStop(contact, as: caller, requestID: context.requestID))
    }

    func stop(as caller: Caller, _ context: VaultRequestContext) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        try await vault.stop(contact, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }
}

extension VaultRequestContext {
    /// The purpose of the path, `nil` if it is none.
    var purpose: Purpose? { parameters.get("purpose").flatMap { Purpose($0) } }
}

extension Response {
    /// With the generation as a strong entity tag.
    fileprivate func tagged(_ generation: UInt64) -> Response {
        var response = self
        response.headers[.eTag] = "\"\(generation)\""
        return response
    }
}

extension Request {
    /// The generation of `If-Match`, one strong entity tag; `nil` for anything else.
    fileprivate var ifMatch: UInt64? {
        let values = values(of: .ifMatch)
        guard values.count == 1, let tag = values.first, tag.hasPrefix("\""), tag.hasSuffix("\""),
            tag.count > 2
        else { return nil }
        return UInt64(tag.dropFirst().dropLast())
    }
}

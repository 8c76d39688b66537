// What the operator's commands ask of a running vault, over a socket in its data folder.
//
// Who can open that socket can read the folder: the file's permission is the authentication, and every act is logged as
// the operator's (`docs/decisions/`).

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// Routes of the operator's socket.
struct OperatorRoutes {
    let vault: Vault
    let custody: RootKeyCustody?

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
        router.post("/operator/tokens/revoke") { request, context -> Response in
            let object = try await request.object(members: ["client", "agency", "case", "contact", "key"])
            guard object.members.count == 1, let (kind, value) = object.members.first,
                let text = value.stringValue,
                let revocation = Revocation(kind, text)
            else { throw RequestFault.bodyMalformed }
            try await vault.revoke(revocation, requestID: context.requestID)
            return Response(status: .noContent)
        }
        addRegistry(to: router)
        if let custody { RootKeyRoutes(vault: vault, custody: custody).add(to: router) }
        BackupRoutes(vault: vault).add(to: router)
        addFacts(to: router)
        addPolicy(to: router)
        addReviews(to: router)
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
        let questions = LogQueryRoutes(vault: vault)
        router.post("/operator/log/queries") { request, context in
            try await questions.query(request, as: .localOperator, context)
        }
        router.post("/operator/log/counts") { request, context in
            try await questions.counts(request, as: .localOperator, context)
        }
        router.post("/operator/log/questions/:question") { request, context in
            try await questions.question(request, as: .localOperator, context)
        }
        let reports = ReportRoutes(vault: vault)
        router.get("/operator/log/subjects/:contact") { request, context in
            try await reports.subject(request, as: .localOperator, context)
        }
        router.post("/operator/log/report") { request, context in
            try await reports.report(request, as: .localOperator, context)
        }
        router.get("/operator/log/shards") { _, _ -> Response in
            try .json(try await vault.logShards().map { LogShardBody($0) })
        }
        router.post("/operator/log/expire") { request, context -> Response in
            let object = try await request.object(members: ["months"])
            guard let months = try object.number("months"), months <= 1200 else {
                throw RequestFault.bodyMalformed
            }
            let removed = try await vault.expireLog(olderThan: Int(months), requestID: context.requestID)
            return try .json(["removed": removed])
        }
        let exports = ExportRoutes(vault: vault)
        router.post("/operator/log/exports") { request, context in
            try await exports.begin(request, as: .localOperator, context)
        }
        router.post("/operator/log/exports/entries") { request, context in
            try await exports.page(request, as: .localOperator, context)
        }
        router.post("/operator/log/checkpoint") { _, _ -> Response in
            try await vault.publishCheckpoint()
            guard let checkpoint = vault.latestCheckpoint else { throw VaultError.notFound }
            return .text(checkpoint.note)
        }
    }

    /// Keys, agencies and what changes of a client.
    private func addRegistry(to router: Router<VaultRequestContext>) {
        let keys = KeyRoutes(vault: vault)
        router.get("/operator/keys") { _, context in try await keys.list(as: .localOperator, context) }
        router.get("/operator/keys/report") { _, context in
            try await keys.report(as: .localOperator, context)
        }
        let jobs = KeyJobRoutes(vault: vault)
        router.get("/operator/rewraps") { _, context in try await jobs.list(as: .localOperator, context) }
        router.post("/operator/rewraps") { request, context in
            try await jobs.begin(request, as: .localOperator, context)
        }
        // A look at how far it is, many times a minute.
        router.get("/operator/rewraps/:job") { _, context -> Response in
            guard let job = context.keyJob else { throw RequestFault.pathMalformed }
            return try .json(KeyJobBody(try await vault.keyJob(job)))
        }
        router.post("/operator/rewraps/:job/:change") { _, context in
            try await jobs.change(as: .localOperator, context)
        }
        router.post("/operator/keys/:key/rotate") { request, context in
            try await keys.rotate(request, as: .localOperator, context)
        }
        router.post("/operator/keys/:key/versions/:version/:step") { _, context in
            try await keys.step(as: .localOperator, context)
        }
        router.post("/operator/clients/:client/keys") { request, context -> Response in
            guard let client = context.parameters.get("client").flatMap({ Reference($0) }) else {
                throw RequestFault.pathMalformed
            }
            let change = try KeyRotation(
                try await request.object(members: ["key", "encryption_key", "overlap_seconds", "ends"]))
            let changed = try await vault.rotateKeys(
                of: client, to: change.key, encryptionKey: change.encryptionKey,
                overlapSeconds: change.overlapSeconds, ends: change.ends, requestID: context.requestID)
            return .json(bytes: changed.registration)
        }
        router.put("/operator/clients/:client/certificate") { request, context -> Response in
            let object = try await request.object(members: ["name"])
            guard let client = context.parameters.get("client").flatMap({ Reference($0) }) else {
                throw RequestFault.pathMalformed
            }
            var name: String?
            if let value = object["name"] {
                guard let text = value.stringValue else { throw RequestFault.bodyMalformed }
                name = text
            }
            try await vault.setCertificateName(name, of: client, requestID: context.requestID)
            return Response(status: .noContent)
        }
        router.get("/operator/agencies") { _, _ -> Response in
            try .json(try await vault.entrustments().map { EntrustmentBody($0) })
        }
        router.put("/operator/agencies/:agency") { request, context -> Response in
            let body = try await request.bytes(upTo: Limits.requestBodyBytes)
            guard let agency = context.parameters.get("agency"),
                let entrustment = (try? JSONDecoder().decode(EntrustmentBody.self, from: Data(body)))
                    .flatMap({ Entrustment($0) }), entrustment.agency.text == agency
            else { throw RequestFault.bodyMalformed }
            try await vault.entrust(entrustment, requestID: context.requestID)
            return Response(status: .noContent)
        }
    }

    /// What contacts and borrowers said.
    private func addFacts(to router: Router<VaultRequestContext>) {
        let routes = ContactRoutes(vault: vault)
        router.delete("/operator/contacts/:contact") { _, context in
            try await routes.erase(as: .localOperator, context)
        }
        router.put("/operator/contacts/:contact/hold") { request, context in
            try await routes.hold(request, as: .localOperator, context)
        }
        router.delete("/operator/contacts/:contact/hold") { _, context in
            try await routes.liftHold(as: .localOperator, context)
        }
        router.post("/operator/contacts/expire") { _, context -> Response in
            let expired = try await vault.eraseExpiredContacts(limit: 1000, requestID: context.requestID)
            return try .json(["erased": expired.erased, "held": expired.held])
        }
        router.put("/operator/contacts/:contact/stop") { _, context in
            try await routes.stop(as: .localOperator, context)
        }
        router.delete("/operator/contacts/:contact/stop") { _, context in
            try await routes.liftStop(as: .localOperator, context)
        }
        router.put("/operator/contacts/:contact/consents/:purpose") { request, context in
            try await routes.consent(request, as: .localOperator, context)
        }
        router.delete("/operator/contacts/:contact/consents/:purpose") { _, context in
            try await routes.withdraw(as: .localOperator, context)
        }
        router.put("/operator/contacts/:contact/authorisation") { request, context in
            try await routes.authorise(request, as: .localOperator, context)
        }
        router.delete("/operator/contacts/:contact/authorisation") { _, context in
            try await routes.withdrawAuthorisation(as: .localOperator, context)
        }
        router.put("/operator/contacts/:contact/references/:reference") { request, context in
            try await routes.record(request, as: .localOperator, context)
        }
        router.post("/operator/suppressions") { request, context in
            try await StopListRoutes(vault: vault).suppress(request, as: .localOperator, context)
        }
    }

    /// The policy and what waits for a second person.
    private func addPolicy(to router: Router<VaultRequestContext>) {
        let routes = PolicyRoutes(vault: vault)
        router.get("/operator/policy") { _, context in try await routes.source(as: .localOperator, context) }
        router.post("/operator/policy") { request, context in
            try await routes.propose(request, as: .localOperator, context)
        }
        router.post("/operator/policy/explain") { request, context -> Response in
            let body = try await request.bytes(upTo: Limits.requestBodyBytes)
            return try .json(
                ExplanationBody(try await vault.explain(request: body, requestID: context.requestID)))
        }
        router.post("/operator/policy/simulate") { request, context -> Response in
            let range = request.uri.queryParameters
            guard let from = range.get("from").flatMap({ Timestamp($0) }),
                let to = range.get("to").flatMap({ Timestamp($0) })
            else { throw RequestFault.bodyMalformed }
            let decisions = try await vault.simulate(
                try await PolicyRoutes.proposal(request), from: from, to: to, requestID: context.requestID)
            return try .json(decisions.map { SimulatedDecisionBody($0) })
        }
        let approvals = ApprovalRoutes(vault: vault)
        router.get("/operator/approvals") { _, context in
            try await approvals.pending(as: .localOperator, context)
        }
        router.post("/operator/approvals/:approval/approve") { _, context in
            try await approvals.approve(as: .localOperator, context)
        }
    }

    /// What people must look at.
    private func addReviews(to router: Router<VaultRequestContext>) {
        router.get("/operator/reviews") { request, context -> Response in
            let all = request.uri.queryParameters.get("all") == "true"
            let (reviews, now) = try await vault.reviews(
                openOnly: !all, as: .localOperator, requestID: context.requestID)
            return try .json(reviews.map { ReviewBody($0, at: now) })
        }
        router.post("/operator/reviews/:release/close") { request, context -> Response in
            guard let release = context.release else { throw RequestFault.pathMalformed }
            let object = try await request.object(members: ["finding"])
            guard let finding = object["finding"]?.stringValue.flatMap({ ReviewFinding(rawValue: $0) }) else {
                throw RequestFault.bodyMalformed
            }
            try await vault.closeReview(
                of: release, finding: finding, as: .localOperator, requestID: context.requestID)
            return Response(status: .noContent)
        }
        router.get("/operator/outcomes/missing") { _, context -> Response in
            let releases = try await vault.overdueReleases(as: .localOperator, requestID: context.requestID)
            return try .json(releases.map { MissingOutcomeBody($0) })
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

extension Revocation {
    /// A revocation by a word and a name; `nil` for another word or a malformed name.
    fileprivate init?(_ kind: String, _ text: String) {
        switch kind {
        case "client", "agency", "case":
            guard let reference = Reference(text) else { return nil }
            self =
                kind == "client"
                ? .client(reference) : kind == "agency" ? .agency(reference) : .caseReference(reference)
        case "contact":
            guard let contact = ContactID(text) else { return nil }
            self = .contact(contact)
        case "key":
            guard EntryDigest(text) != nil else { return nil }
            self = .key(text)
        default: return nil
        }
    }
}

/// New keys of a client, as the operator's command sends them.
private struct KeyRotation {
    let key: PublicJWK?
    let encryptionKey: EncryptionJWK?
    let overlapSeconds: Int64
    let ends: Timestamp?

    init(_ object: JSONObject) throws {
        do {
            key = try object["key"].map { try PublicJWK(parsing: $0) }
            encryptionKey = try object["encryption_key"].map { try EncryptionJWK(parsing: $0) }
        } catch {
            throw RequestFault.bodyMalformed
        }
        guard let overlap = object["overlap_seconds"]?.integerValue, (0...31_536_000).contains(overlap) else {
            throw RequestFault.bodyMalformed
        }
        overlapSeconds = overlap
        if let value = object["ends"] {
            guard let end = value.stringValue.flatMap({ Timestamp($0) }) else {
                throw RequestFault.bodyMalformed
            }
            ends = end
        } else {
            ends = nil
        }
    }
}

extension EntrustmentBody {
    fileprivate init(_ entrustment: Entrustment) {
        self.init(
            agency: entrustment.agency.text, from: entrustment.from.description,
            until: entrustment.until?.description, roles: entrustment.roles.map(\.rawValue).sorted(),
            purposes: entrustment.purposes.map(\.text).sorted(),
            portfolios: entrustment.portfolios.map(\.text).sorted())
    }
}

extension Entrustment {
    /// What the operator's command sent; `nil` for a word that is none or dates in disorder.
    fileprivate init?(_ body: EntrustmentBody) {
        let roles = body.roles.compactMap { Role(rawValue: $0) }
        let purposes = body.purposes.compactMap { Purpose($0) }
        let portfolios = body.portfolios.compactMap { Reference($0) }
        guard let agency = Reference(body.agency), let from = Timestamp(body.from),
            roles.count == body.roles.count, purposes.count == body.purposes.count,
            portfolios.count == body.portfolios.count
        else { return nil }
        var until: Timestamp?
        if let text = body.until {
            guard let end = Timestamp(text) else { return nil }
            until = end
        }
        self.init(
            agency: agency, from: from, until: until, roles: Set(roles), purposes: Set(purposes),
            portfolios: Set(portfolios))
    }
}

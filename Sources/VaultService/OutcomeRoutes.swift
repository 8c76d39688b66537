// What came of a release: `POST /v1/releases/{release}/outcome`.

import AccessLog
import ContactModel
import ContactVault
import Hummingbird
import StrictEncoding
import VaultAPI

/// Reports of outcomes.
struct OutcomeRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/v1/releases/:release/outcome") { request, context in try await report(request, context)
        }
    }

    private func report(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        try await request.answered(by: vault, as: .releaseOutcome, context) { caller in
            guard case .client(let access) = caller, let release = context.release else {
                throw RequestFault.pathMalformed
            }
            let object = try await request.object(members: ["outcome", "reference"])
            guard let outcome = object["outcome"]?.stringValue.flatMap({ ReleaseOutcome(rawValue: $0) })
            else {
                throw RequestFault.bodyMalformed
            }
            var name: Reference?
            if let given = object["reference"] {
                guard let reference = given.stringValue.flatMap({ Reference($0) }) else {
                    throw RequestFault.bodyMalformed
                }
                name = reference
            }
            let receipt = try await vault.reportOutcome(
                outcome, naming: name, of: release, as: access, requestID: context.requestID)
            return try .json(
                OutcomeBody(
                    release: release.description, outcome: outcome.rawValue,
                    reference: receipt.reference?.text,
                    receipt: ReceiptBody(receipt.receipt)))
        }
    }
}

extension VaultRequestContext {
    /// The release of the path, `nil` if it is none.
    var release: ReleaseID? { parameters.get("release").flatMap { ReleaseID($0) } }
}

extension Request {
    /// The body as an object that has some of these members and no others.
    /// - Throws: ``RequestFault/bodyMalformed``.
    func object(members: Set<String>, upTo limit: Int = Limits.requestBodyBytes) async throws -> JSONObject {
        let body = try await bytes(upTo: limit)
        guard let object = (try? JSONValue.parse(body))?.objectValue, Set(object.keys).isSubset(of: members)
        else {
            throw RequestFault.bodyMalformed
        }
        return object
    }
}

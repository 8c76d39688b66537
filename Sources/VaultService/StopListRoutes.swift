// The stop list: putting a number on it, and asking whether numbers are on it.

import AccessLog
import ContactModel
import ContactVault
import Hummingbird
import StrictEncoding
import VaultAPI

/// `POST /v1/suppressions` and `POST /v1/actions/match`.
struct StopListRoutes {
    let vault: Vault

    /// A thousand numbers of at most 16 characters, with quotes, commas and room for white space.
    private static let matchBytes = 32 * 1024

    func add(to router: Router<VaultRequestContext>) {
        router.post("/v1/suppressions") { request, context -> Response in
            try await request.answered(by: vault, as: .suppression, context) { caller in
                try await suppress(request, as: caller, context)
            }
        }
        router.post("/v1/actions/match") { request, context -> Response in
            try await request.answered(by: vault, as: .match, context) { caller in
                guard case .client(let access) = caller else { throw RequestFault.pathMalformed }
                let object = try await request.object(members: ["numbers"], upTo: Self.matchBytes)
                guard let values = object["numbers"]?.arrayValue, !values.isEmpty else {
                    throw RequestFault.bodyMalformed
                }
                let numbers = values.compactMap(\.stringValue)
                guard numbers.count == values.count else { throw RequestFault.bodyMalformed }
                return try .json(
                    MatchBody(
                        matches: try await vault.match(numbers, access: access, requestID: context.requestID))
                )
            }
        }
    }

    /// Puts the number of a body on the list.
    func suppress(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        let object = try await request.object(members: ["phone", "region"])
        guard let phone = object["phone"]?.stringValue else { throw RequestFault.bodyMalformed }
        if let region = object["region"], region.stringValue == nil { throw RequestFault.bodyMalformed }
        try await vault.suppress(
            phone: phone, region: object["region"]?.stringValue, as: caller, requestID: context.requestID)
        return Response(status: .noContent)
    }
}

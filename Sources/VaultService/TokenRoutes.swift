// The token endpoint, the server's metadata and its key set.

import AccessToken
import ContactModel
import ContactVault
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// `/.well-known/oauth-authorization-server`, `/oauth2/jwks`, `/oauth2/token`, `/oauth2/introspect`, `/oauth2/revoke`.
struct TokenRoutes {
    let vault: Vault
    let log: ServiceLog
    /// Whether the listener asks for client certificates.
    let bindsCertificates: Bool

    func add(to router: Router<VaultRequestContext>) {
        router.get("/.well-known/oauth-authorization-server") { _, _ in try metadata() }
        router.get("/oauth2/jwks") { _, _ in keySet() }
        router.post("/oauth2/token") { request, context in await token(request, context) }
        router.post("/oauth2/introspect") { request, context in
            await answered(request, context) { try await introspected(request, context) }
        }
        router.post("/oauth2/revoke") { request, context in
            await answered(request, context) {
                try await vault.revoke(try await StatusForm(request).request(context.requestID))
                return Response(status: .ok)
            }
        }
    }

    private func metadata() throws -> Response {
        try .json(
            ServerMetadataBody(
                issuer: vault.identity.issuer, algorithms: ["ES256", "Ed25519"],
                bindsCertificates: bindsCertificates,
                authorizationDetailsTypes: [
                    "access_log", "contact_access", "contact_intake", "contact_management", "key_management",
                ]))
    }

    private func keySet() -> Response {
        var response = Response.json(
            bytes: PublicJWK.keySet(vault.tokenKeys).canonicalBytes, type: "application/jwk-set+json")
        response.headers[.cacheControl] = "public, max-age=\(Limits.keySetMaxAgeSeconds)"
        return response
    }

    private func token(_ request: Request, _ context: VaultRequestContext) async -> Response {
        await answered(request, context) {
            let form = try await TokenForm(request)
            let issued = try await vault.grantToken(
                TokenRequest(
                    assertion: form.assertion, clientID: form.clientID, authorizationDetails: form.details,
                    proof: request.values(of: .dpop),
                    certificate: bindsCertificates ? await context.certificate : nil,
                    requestID: context.requestID))
            return try .json(
                TokenBody(
                    accessToken: issued.compact,
                    isBoundToCertificate: issued.claims.confirmation.isCertificate,
                    expiresIn: issued.claims.expires.seconds - issued.claims.issuedAt.seconds))
        }
    }

    /// RFC 7662 §2.2. A token that is not good has no other member.
    private func introspected(_ request: Request, _ context: VaultRequestContext) async throws -> Response {
        let status = try await vault.introspect(try await StatusForm(request).request(context.requestID))
        guard let claims = status.claims else {
            return .json(bytes: JSONValue.object(JSONObject([("active", .bool(false))])).canonicalBytes)
        }
        var object = JSONObject([
            ("active", .bool(true)),
            ("token_type", .string(claims.confirmation.isCertificate ? "Bearer" : "DPoP")),
            ("iss", .string(claims.issuer)),
            ("sub", .string(claims.client.text)), ("client_id", .string(claims.client.text)),
            ("aud", .string(claims.audience)), ("iat", .integer(claims.issuedAt.seconds)),
            ("nbf", .integer(claims.notBefore.seconds)), ("exp", .integer(claims.expires.seconds)),
            ("jti", .string(claims.identifier)), ("pol", .string(claims.policyVersion)),
            ("cnf", claims.confirmation.json),
            ("authorization_details", claims.details.json),
        ])
        object["uses_remaining"] = status.usesRemaining.map { .integer($0) }
        return .json(bytes: JSONValue.object(object).canonicalBytes)
    }

    /// Answers with an error of RFC 6749 §5.2 if it fails.
    private func answered(
        _ request: Request, _ context: VaultRequestContext, _ answer: () async throws -> Response
    ) async -> Response {
        do { return try await answer() } catch {
            if error is RequestFault { vault.countMalformed() }
            let response = TokenErrorReply(error).response
            log.failure(
                error, status: Int(response.status.code), route: context.endpointPath, context.requestID)
            return response
        }
    }
}

/// The form of a token request.
private struct TokenForm {
    let assertion: [UInt8]
    let details: [UInt8]
    let clientID: String?

    init(_ request: Request) async throws {
        let form = try await FormBody(
            request, limit: Limits.tokenBytes + 3 * Limits.authorizationDetailsBytes + 1024,
            names: ["grant_type", "authorization_details"])
        guard form.values["grant_type"] == Array("client_credentials".utf8),
            let details = form.values["authorization_details"]
        else { throw RequestFault.bodyMalformed }
        assertion = form.assertion
        clientID = form.clientID
        self.details = details
    }
}

/// The form of an introspection or revocation (RFC 7662 §2.1, RFC 7009 §2.1). A hint is allowed and changes nothing.
private struct StatusForm {
    private let form: FormBody
    private let token: [UInt8]

    init(_ request: Request) async throws {
        form = try await FormBody(
            request, limit: 2 * Limits.tokenBytes + 1024, names: ["token", "token_type_hint"])
        guard let token = form.values["token"], !token.isEmpty else { throw RequestFault.bodyMalformed }
        self.token = token
    }

    func request(_ id: Reference) -> TokenStatusRequest {
        TokenStatusRequest(
            assertion: form.assertion, clientID: form.clientID, token: token, requestID: id)
    }
}

/// A form with a client assertion. Each parameter at most once, no others than these (RFC 6749 §3.2).
private struct FormBody {
    let values: [String: [UInt8]]
    let assertion: [UInt8]
    let clientID: String?

    private static let credentials: Set<String> = ["client_assertion_type", "client_assertion", "client_id"]

    init(_ request: Request, limit: Int, names: Set<String>) async throws {
        guard let type = request.headers[.contentType],
            type.lowercased().hasPrefix("application/x-www-form-urlencoded")
        else { throw RequestFault.unsupportedMediaType }
        let body = try await request.bytes(upTo: limit)
        var values: [String: [UInt8]] = [:]
        for pair in body.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let parts = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let name = Self.decode(parts[0]), let value = Self.decode(parts[1]) else {
                throw RequestFault.bodyMalformed
            }
            let key = String(decoding: name, as: UTF8.self)
            guard names.contains(key) || Self.credentials.contains(key),
                values.updateValue(value, forKey: key) == nil
            else { throw RequestFault.bodyMalformed }
        }
        guard values["client_assertion_type"] == Array(ClientAssertion.assertionType.utf8),
            let assertion = values["client_assertion"]
        else { throw RequestFault.bodyMalformed }
        self.values = values
        self.assertion = assertion
        clientID = values["client_id"].map { String(decoding: $0, as: UTF8.self) }
    }

    private static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            switch text[index] {
            case UInt8(ascii: "+"):
                decoded.append(0x20)
                index += 1
            case UInt8(ascii: "%"):
                guard index + 2 < text.endIndex,
                    let byte = Hex.decode(String(decoding: text[index + 1...index + 2], as: UTF8.self))?.first
                else { return nil }
                decoded.append(byte)
                index += 3
            case let byte:
                decoded.append(byte)
                index += 1
            }
        }
        return decoded
    }
}

extension Response {
    /// A JSON reply from a body type.
    static func json(_ body: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return .json(bytes: Array(try encoder.encode(body)), status: status)
    }

    /// A reply from bytes that are JSON.
    static func json(
        bytes: [UInt8], type: String = "application/json", status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}

// Errors as replies, all in one place, so that what a caller may learn can be read on one page.

import AccessToken
import ConfigurationFile
import ContactModel
import ContactVault
import EnvelopeEncryption
import HTTPTypes
import Hummingbird
import NIOCore
import StrictEncoding
import VaultAPI

/// A reply to an error.
struct ErrorReply {
    var status: HTTPResponse.Status
    var type: String
    var title: String
    var detail: String?
    var field: String?
    var problem: String?
    var headers: HTTPFields = [:]

    init(_ status: HTTPResponse.Status, _ type: String, _ title: String, detail: String? = nil) {
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
    }

    /// The problem details: the body, or one of several in a reply that is itself a success.
    func json(requestID: Reference) -> JSONValue {
        let isUUID = requestID.text.utf8.count == 36
        var object = JSONObject([
            ("type", .string(ProblemBody.base + type)), ("title", .string(title)),
            ("status", .integer(Int64(status.code))),
            ("instance", .string((isUUID ? "urn:uuid:" : "") + requestID.text)),
        ])
        object["detail"] = detail.map { .string($0) }
        object["field"] = field.map { .string($0) }
        object["problem"] = problem.map { .string($0) }
        return .object(object)
    }

    /// The problem document.
    func response(requestID: Reference) -> Response {
        var response = Response(
            status: status, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json(requestID: requestID).canonicalBytes)))
        response.headers[.contentType] = "application/problem+json"
        return response
    }
}

/// Faults of the request itself, found by the service before the vault is asked.
enum RequestFault: Error {
    case bodyTooLarge
    case bodyTooSlow
    case bodyMalformed
    case pathMalformed
    case preconditionRequired
    case unsupportedMediaType
}

extension ErrorReply {
    /// The reply to any error of a route.
    init(_ error: any Error) {
        switch error {
        case let error as VaultError: self.init(error)
        case let fault as RequestFault: self.init(fault)
        case KeyringError.rootKeyUnavailable:
            self.init(
                .serviceUnavailable, "root-key-unavailable",
                "The root key cannot be used now; nothing was changed")
        case is RootKeyError, is KeyringError:
            self.init(
                .conflict, "root-key-not-changed", "The new root key cannot be used; nothing was changed")
        case let fault as ConfigurationFault:
            // Only a policy that was handed in: its text is the caller's own.
            self.init(
                .unprocessableContent, "policy-malformed",
                "The policy was not accepted; the one in force stays",
                detail: fault.description)
        case let error as HTTPError where error.status == .notFound:
            self.init(.notFound, "not-found", "There is nothing here")
        case let error as HTTPError where error.status == .methodNotAllowed:
            self.init(.methodNotAllowed, "method-not-allowed", "This method is not offered here")
        case let error as HTTPError where error.status == .contentTooLarge:
            self.init(RequestFault.bodyTooLarge)
        default:
            self.init(.internalServerError, "internal", "Something failed here; nothing was released")
        }
    }

    /// The reply to the operator, with the code that the log has.
    init(toOperator error: any Error) {
        self.init(error)
        switch error {
        case VaultError.denied(let code): detail = code.rawValue
        case VaultError.conflict(let what): detail = ConflictText.describe(what)
        case KeyringError.rootKeyUnavailable(let error): detail = error.description
        case let error as RootKeyError: detail = error.description
        case let error as KeyringError: detail = error.description
        case VaultError.inconsistent("client_exists"): detail = "a client of this name is registered already"
        case VaultError.inconsistent("client_name_reserved"):
            detail = "this name is the operator's: choose another"
        case VaultError.inconsistent("encryption_key_signs"):
            detail = "the encryption key also signs: make another for sealed numbers"
        case VaultError.inconsistent(let what), VaultError.recordUnreadable(let what),
            VaultError.storeCorrupt(let what), VaultError.logUnavailable(let what):
            detail = what
        default: break
        }
    }

    private init(_ fault: RequestFault) {
        switch fault {
        case .bodyTooLarge:
            self.init(.contentTooLarge, "body-too-large", "The body is larger than is accepted here")
        case .bodyTooSlow: self.init(.requestTimeout, "body-too-slow", "The body took too long to come")
        case .bodyMalformed:
            self.init(.badRequest, "body-malformed", "The body is not of the form that is expected here")
        case .pathMalformed: self.init(.notFound, "not-found", "There is nothing here")
        case .preconditionRequired:
            self.init(
                .preconditionRequired, "precondition-required", "This request needs If-Match",
                detail: "send If-Match with the ETag of the generation you have seen")
        case .unsupportedMediaType:
            self.init(
                .unsupportedMediaType, "unsupported-media-type", "The body's media type is not accepted here")
        }
    }

    private init(_ error: VaultError) {
        switch error {
        case .token(let error): self.init(error)
        case .denied(let code): self.init(code)
        case .intake(let fault):
            self.init(
                .unprocessableContent, "intake-refused", "The contact was not accepted; nothing was stored")
            field = fault.field
            problem = fault.problem.rawValue
        case .generationMismatch:
            self.init(
                .preconditionFailed, "generation-mismatch", "The contact has changed",
                detail: "read it again and repeat the request with its present ETag")
        case .idempotencyConflict:
            self.init(
                .conflict, "idempotency-conflict", "This Idempotency-Key was used with another request",
                detail: "use a new key for a new request")
        case .outcomeConflict:
            self.init(.conflict, "outcome-conflict", "Another outcome of this release is on record")
        case .approvalVoid:
            self.init(
                .conflict, "approval-void",
                "This approval was given already, was used, has expired, or what it approves has changed since"
            )
        case .approvalByRequester:
            self.init(.forbidden, "approval-by-requester", "Nobody approves what they asked for themselves")
        case .conflict(let what):
            self.init(
                .conflict, "conflict", "The request does not fit the present state; nothing was changed",
                detail: what)
        case .keyInUse(let needs):
            self.init(
                .conflict, "key-in-use", "Something needs this key version; nothing was changed",
                detail: needs.description)
        case .tooEarly(let moment):
            self.init(
                .conflict, "too-early", "This step has to wait; nothing was changed",
                detail: "possible from \(moment)")
        case .notFound: self.init(.notFound, "not-found", "There is nothing here")
        case .overloaded:
            self.init(
                .serviceUnavailable, "overloaded", "Too many requests are waiting; nothing was released")
            headers[.retryAfter] = "1"
        case .logUnavailable, .clockWentBack:
            self.init(
                .serviceUnavailable, "access-log-unavailable",
                "The access log cannot be written, so nothing was released")
            headers[.retryAfter] = "2"
        case .recordUnreadable, .storeCorrupt, .inconsistent, .cryptographyUnavailable:
            self.init(.internalServerError, "internal", "Something failed here; nothing was released")
        }
    }

    /// Denials. One wording for all that concerns the contact: nothing tells whether a contact exists.
    private init(_ code: DenialCode) {
        switch code {
        case .proofReplayed: self.init(TokenError.invalidDPoPProof(.several))
        case .tokenSpent, .tokenRevoked, .tokenExpired, .tokenLifeTooLong, .clientSuspended, .clientUnknown,
            .keyNotRegistered, .agencyNotEntrusted:
            self.init(TokenError.invalidToken(.expired))
        case .insufficientScope: self.init(TokenError.insufficientScope)
        case .rateLimited:
            self.init(.tooManyRequests, "rate-limited", "Too many requests of this client")
            // Counted by the minute.
            headers[.retryAfter] = "60"
        case .batchTooLarge:
            self.init(.contentTooLarge, "batch-too-large", "More numbers than the policy compares at once")
        default:
            self.init(.forbidden, "release-denied", "Release denied")
            detail = code.disclosedAs
        }
    }

    private init(_ error: TokenError) {
        switch error {
        case .noCredentials: self.init(.unauthorized, "no-credentials", "This request needs an access token")
        case .invalidToken: self.init(.unauthorized, "invalid-token", "The access token is not accepted")
        case .invalidDPoPProof: self.init(.unauthorized, "invalid-dpop-proof", "The proof is not accepted")
        case .useDPoPNonce:
            self.init(
                .unauthorized, "use-dpop-nonce", "The proof needs the nonce of DPoP-Nonce",
                detail: "make a new proof with that nonce and send the request again")
        case .insufficientScope:
            self.init(.forbidden, "insufficient-scope", "The access token does not cover this request")
        case .invalidClient: self.init(.unauthorized, "invalid-client", "The client is not accepted")
        case .invalidRequest:
            self.init(.badRequest, "invalid-request", "The request is not of the form expected here")
        case .invalidAuthorizationDetails:
            self.init(
                .badRequest, "invalid-authorization-details", "The authorization details are not accepted")
        case .unavailable:
            self.init(.internalServerError, "internal", "Something failed here; nothing was released")
        }
        // RFC 9449 §7.1: a challenge that names the scheme and its algorithms, and the error where there is one.
        if status == .unauthorized || error.code == "insufficient_scope" {
            var challenge = "DPoP algs=\"ES256 Ed25519\""
            if let code = error.code { challenge += ", error=\"\(code)\"" }
            headers[.wwwAuthenticate] = challenge
        }
        if case .useDPoPNonce(let nonce) = error { headers[.dpopNonce] = nonce }
    }
}

/// Errors of the token endpoint (RFC 6749 §5.2, RFC 9396 §5, RFC 9449 §8).
struct TokenErrorReply {
    let response: Response

    init(_ error: any Error) {
        var status = HTTPResponse.Status.badRequest
        var code = "invalid_request"
        var headers: HTTPFields = [:]
        switch error {
        case VaultError.token(let error):
            switch error {
            case .invalidClient:
                status = .unauthorized
                code = "invalid_client"
            case .useDPoPNonce(let nonce):
                code = "use_dpop_nonce"
                headers[.dpopNonce] = nonce
            case .unavailable:
                status = .internalServerError
                code = "server_error"
            default: code = error.code ?? "invalid_request"
            }
        case VaultError.denied(let denial):
            switch denial {
            case .proofReplayed: code = "invalid_dpop_proof"
            case .assertionReplayed, .clientSuspended, .clientUnknown, .keyNotRegistered:
                status = .unauthorized
                code = "invalid_client"
            // Somebody else's token, at the revocation endpoint, is the other.
            case .roleNotAllowed, .agencyNotEntrusted, .purposeNotRegistered, .insufficientScope:
                code = "unauthorized_client"
            default: code = "invalid_authorization_details"
            }
        case VaultError.overloaded, VaultError.logUnavailable, VaultError.clockWentBack:
            status = .serviceUnavailable
            code = "temporarily_unavailable"
            headers[.retryAfter] = "2"
        case is RequestFault: code = "invalid_request"
        default:
            status = .internalServerError
            code = "server_error"
        }
        headers[.contentType] = "application/json"
        let body = JSONValue.object(JSONObject([("error", .string(code))])).canonicalBytes
        response = Response(
            status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}

extension HTTPField.Name {
    /// `DPoP` (RFC 9449 §4.1).
    static let dpop = fieldName("DPoP")
    /// `DPoP-Nonce` (RFC 9449 §8).
    static let dpopNonce = fieldName("DPoP-Nonce")
    /// `Request-Id`.
    static let requestID = fieldName("Request-Id")
    /// Position of the entry.
    static let vaultLogIndex = fieldName("Vault-Log-Index")
    /// `Idempotency-Key`.
    static let idempotencyKey = fieldName("Idempotency-Key")

    private static func fieldName(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("a literal field name: \(text)") }
        return name
    }
}

// The service's own log: operations, not accesses. It takes codes and request ids and nothing else, so that no phone
// number, name or token can get into it.

import AccessToken
import ContactModel
import ContactVault
public import Logging

/// Structured events of the service. Every field is a number, a word of this program, or a request id.
public struct ServiceLog: Sendable {
    private let logger: Logger

    /// A log.
    public init(_ logger: Logger) { self.logger = logger }

    /// A request that ended in an error.
    func failure(_ error: any Error, status: Int, route: String?, _ requestID: Reference) {
        let metadata: Logger.Metadata = [
            "rid": .string(requestID.text), "status": .stringConvertible(status),
            "code": .string(Self.code(error)),
            "route": .string(route ?? "none"),
        ]
        if status >= 500 {
            logger.error("request failed", metadata: metadata)
        } else {
            logger.info("request refused", metadata: metadata)
        }
    }

    /// A step in the service's life.
    func event(_ message: StaticString, _ facts: [String: Int] = [:]) {
        logger.notice(
            "\(message)", metadata: facts.mapValues { Logger.MetadataValue.stringConvertible($0) })
    }

    /// A release that broke the glass: somebody must look at it.
    func emergency(_ release: ReleaseID, _ due: Timestamp) {
        logger.critical(
            "emergency release: review it with `contact-vault review`",
            metadata: ["release": .string(release.description), "due": .string(due.description)])
    }

    /// A client whose last key ends, or has ended.
    func keyEnds(of client: Reference, at end: Timestamp) {
        logger.warning(
            "a client's key ends: give it a new one with `contact-vault client rotate`",
            metadata: ["client": .string(client.text), "ends": .string(end.description)])
    }

    /// A job of the service that failed and will be tried again.
    func trouble(_ message: StaticString, _ error: any Error) {
        logger.error("\(message)", metadata: ["code": .string(Self.code(error))])
    }

    /// The code of an error. Errors are never printed whole: one from a library could hold input.
    private static func code(_ error: any Error) -> String {
        switch error {
        case VaultError.token(let error): error.code ?? "no_credentials"
        case VaultError.denied(let code): code.rawValue
        case VaultError.intake(let fault): "intake.\(fault.field).\(fault.problem.rawValue)"
        case VaultError.generationMismatch: "generation_mismatch"
        case VaultError.idempotencyConflict: "idempotency_conflict"
        case VaultError.outcomeConflict: "outcome_conflict"
        case VaultError.approvalVoid: "approval_void"
        case VaultError.approvalByRequester: "approval_by_requester"
        case VaultError.notFound: "not_found"
        case VaultError.overloaded: "overloaded"
        case VaultError.logUnavailable(let code): "log_unavailable.\(code)"
        case VaultError.clockWentBack: "clock_went_back"
        case VaultError.recordUnreadable(let code): "record_unreadable.\(code)"
        case VaultError.storeCorrupt(let table): "store_corrupt.\(table)"
        case VaultError.conflict(let what): "conflict.\(what)"
        case VaultError.tooEarly: "too_early"
        case VaultError.inconsistent(let what): "inconsistent.\(what)"
        case VaultError.cryptographyUnavailable: "cryptography_unavailable"
        case is RequestFault: "request_malformed"
        default: "\(type(of: error))"
        }
    }
}

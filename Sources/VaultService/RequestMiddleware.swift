// Around every route: the request id, errors as problems, and the fields that every reply has.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore

/// Gives every request an id, turns what a route throws into a problem, and stamps the reply.
struct RequestMiddleware: RouterMiddleware {
    /// Who reads the replies.
    enum Audience: Sendable {
        /// A client, which learns no more than `docs/spec/http-api.md` says.
        case client
        /// The operator, who may read everything here and is told which rule refused.
        case `operator`
    }

    let log: ServiceLog
    var audience = Audience.client

    func handle(
        _ request: Request, context: VaultRequestContext,
        next: (Request, VaultRequestContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = Self.requestID(request)
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = reply(to: error).response(requestID: context.requestID)
            log.failure(
                error, status: Int(response.status.code), route: context.endpointPath, context.requestID)
        }
        response.headers[.requestID] = context.requestID.text
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        // RFC 9110 §9.3.2: a body here would be read as the beginning of the next reply.
        if request.method == .head { response.body = ResponseBody() }
        return response
    }

    private func reply(to error: any Error) -> ErrorReply {
        switch audience {
        case .client: ErrorReply(error)
        case .operator: ErrorReply(toOperator: error)
        }
    }

    private static func requestID(_ request: Request) -> Reference {
        guard let text = request.headers[.requestID], let id = Reference(text), RequestID.isAcceptable(text)
        else {
            return RequestID.make()
        }
        return id
    }
}

extension Request {
    /// Every value of a header field: two of one name must not be joined and read as one.
    func values(of name: HTTPField.Name) -> [String] { headers[fields: name].map(\.value) }

    /// The whole body.
    /// - Throws: ``RequestFault/bodyTooLarge`` before more than the limit is in memory.
    func bytes(upTo limit: Int) async throws -> [UInt8] {
        if let text = headers[.contentLength], let length = Int(text), length > limit {
            throw RequestFault.bodyTooLarge
        }
        // Most requests have no body, and waiting for the end of none costs a turn of the event loop.
        if headers[.transferEncoding] == nil, (headers[.contentLength] ?? "0") == "0" { return [] }
        let body = body
        return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            group.addTask {
                do {
                    return Array(try await body.collect(upTo: limit).readableBytesView)
                } catch is NIOTooManyBytesError {
                    throw RequestFault.bodyTooLarge
                }
            }
            // A body that drips in byte by byte would hold its connection for good.
            group.addTask {
                try await Task.sleep(for: .seconds(Limits.bodySeconds))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let bytes = first else {
                throw RequestFault.bodyTooSlow
            }
            return bytes
        }
    }

    /// The path as it came, without query.
    var rawPath: String { String(head.path?.prefix { $0 != "?" } ?? "/") }

    /// Verifies the request's token and proof, or its token and the connection's certificate.
    func verified(by vault: Vault, _ context: VaultRequestContext) async throws -> VerifiedAccess {
        let authorization = values(of: .authorization)
        // Only a token sent as a bearer's is bound to a certificate; the others need not wait for the connection.
        let isBearer = authorization.first?.prefix(6).lowercased() == "bearer"
        return try await vault.verify(
            authorization: authorization, proof: values(of: .dpop), method: method.rawValue, path: rawPath,
            certificate: isBearer ? await context.certificate : nil)
    }

    /// Answers a request with good credentials. What turns out malformed after that has an entry too, and its proof is
    /// spent: whoever saw the request go by cannot send it again with other contents.
    func answered(
        by vault: Vault, as kind: EntryKind, _ context: VaultRequestContext,
        _ answer: (Caller) async throws -> Response
    ) async throws -> Response {
        let caller = Caller.client(try await verified(by: vault, context))
        do {
            return try await answer(caller)
        } catch let fault as RequestFault {
            try await vault.recordMalformed(kind, as: caller, requestID: context.requestID)
            throw fault
        } catch let fault as IntakeFault {
            try await vault.recordMalformed(kind, as: caller, requestID: context.requestID)
            throw VaultError.intake(fault)
        }
    }
}

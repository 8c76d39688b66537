// Around every route: the request id, errors as problems, and the fields that every reply has.

import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore

/// Gives every request an id, turns what a route throws into a problem, and stamps the reply.
struct RequestMiddleware: RouterMiddleware {
    let log: ServiceLog

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
            response = ErrorReply(error).response(requestID: context.requestID)
            log.failure(
                error, status: Int(response.status.code), route: context.endpointPath, context.requestID)
        }
        if response.status == .contentTooLarge {
            // Nobody reads the rest of a body that was refused.
            response.headers[.connection] = "close"
        }
        response.headers[.requestID] = context.requestID.text
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private static func requestID(_ request: Request) -> Reference {
        // A run of digits may be somebody's number, and the id is written into the log in clear.
        guard let text = request.headers[.requestID], let id = Reference(text),
            text.utf8.contains(where: { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) })
        else { return RequestID.make() }
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
        do {
            let buffer = try await body.collect(upTo: limit)
            return Array(buffer.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw RequestFault.bodyTooLarge
        }
    }

    /// The path as it came, without query.
    var rawPath: String { String(head.path?.prefix { $0 != "?" } ?? "/") }

    /// Verifies the request's token and proof.
    func verified(by vault: Vault) throws -> Caller {
        .client(
            try vault.verify(
                authorization: values(of: .authorization), proof: values(of: .dpop), method: method.rawValue,
                path: rawPath))
    }
}

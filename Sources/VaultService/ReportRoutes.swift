// Reports for people: to a contact about itself, and to the privacy officer about a time. As JSON, and as pages to print.

import AccessLog
import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import NIOCore
import VaultAPI

/// `GET /v1/log/subjects/{contact}` and `POST /v1/log/report`.
struct ReportRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/v1/log/subjects/:contact") { request, context -> Response in
            try await request.answered(by: vault, as: .logExport, context) { caller in
                try await subject(request, as: caller, context)
            }
        }
        router.post("/v1/log/report") { request, context -> Response in
            try await request.answered(by: vault, as: .logRead, context) { caller in
                try await report(request, as: caller, context)
            }
        }
    }

    /// As JSON, or with `page=en` or `page=zh` as a page in that language.
    func subject(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        guard let contact = context.contact else { throw RequestFault.pathMalformed }
        let page = request.uri.queryParameters.get("page")
        let language = page.flatMap { SubjectPage.Language(rawValue: $0) }
        guard page == nil || language != nil else { throw RequestFault.bodyMalformed }
        let report = SubjectReportBody(
            try await vault.reportToSubject(contact, as: caller, requestID: context.requestID))
        guard let language else { return try .json(report) }
        return .page(SubjectPage.html(report, language: language))
    }

    /// As JSON, or with `page=true` as a page.
    func report(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        let page = request.uri.queryParameters.get("page")
        guard page == nil || page == "true" else { throw RequestFault.bodyMalformed }
        let time = try await request.object(members: ["from", "to"]).time()
        let report = LogReportBody(
            try await vault.report(on: time, as: caller, requestID: context.requestID), of: vault)
        return page == nil ? try .json(report) : .page(ReportPage.html(report))
    }
}

extension Response {
    /// A page that loads nothing and runs nothing.
    fileprivate static func page(_ html: String) -> Response {
        Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8",
                .contentSecurityPolicy: "default-src 'none'; style-src 'unsafe-inline'",
            ], body: ResponseBody(byteBuffer: ByteBuffer(string: html)))
    }
}

// Questions about the log: by filter, by count, and the ready-made ones. In bodies, not in addresses: a number in an address is
// written down by whatever is on the way.

import AccessLog
import ContactModel
import ContactVault
import Hummingbird
import StrictEncoding
import VaultAPI

/// `POST /v1/log/queries`, `POST /v1/log/counts`, `POST /v1/log/questions/{question}`.
struct LogQueryRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/v1/log/queries") { request, context -> Response in
            try await request.answered(by: vault, as: .logRead, context) { caller in
                try await query(request, as: caller, context)
            }
        }
        router.post("/v1/log/counts") { request, context -> Response in
            try await request.answered(by: vault, as: .logRead, context) { caller in
                try await counts(request, as: caller, context)
            }
        }
        router.post("/v1/log/questions/:question") { request, context -> Response in
            try await request.answered(by: vault, as: .logRead, context) { caller in
                try await question(request, as: caller, context)
            }
        }
    }

    private static let filters: Set<String> = [
        "from", "to", "kinds", "outcomes", "client", "agency", "purpose", "action", "form", "why", "kek",
        "contact",
        "number", "case", "actor",
    ]

    func query(_ request: Request, as caller: Caller, _ context: VaultRequestContext) async throws -> Response
    {
        let object = try await request.object(members: Self.filters.union(["cursor", "end", "limit"]))
        let cursor = try object.number("cursor") ?? 0
        let limit = try object.number("limit") ?? 100
        guard (1...1000).contains(limit) else { throw RequestFault.bodyMalformed }
        let page = try await vault.query(
            try Self.filter(object), from: cursor, to: try object.number("end"), limit: Int(limit),
            as: caller, requestID: context.requestID)
        return try .json(
            LogPageBody(
                entries: try page.entries.map { try LogEntryBody($0) }, next: page.next, end: page.end))
    }

    func counts(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        let object = try await request.object(members: Self.filters.union(["by"]))
        let dimensions = try object.words("by") { LogDimension(rawValue: $0) } ?? []
        guard (1...2).contains(dimensions.count), Set(dimensions).count == dimensions.count else {
            throw RequestFault.bodyMalformed
        }
        let counts = try await vault.counts(
            try Self.filter(object), by: dimensions, as: caller, requestID: context.requestID)
        return try .json(LogCountsBody(counts))
    }

    func question(
        _ request: Request, as caller: Caller, _ context: VaultRequestContext
    ) async throws -> Response {
        let object = try await request.object(members: ["from", "to"])
        guard let question = context.parameters.get("question").flatMap({ LogQuestion(rawValue: $0) }) else {
            throw RequestFault.pathMalformed
        }
        let answer = try await vault.answer(
            question, time: try object.time(), as: caller, requestID: context.requestID)
        return try .json(LogAnswerBody(answer))
    }

    private static func filter(_ object: JSONObject) throws -> LogQuery {
        var query = LogQuery()
        query.time = try object.time()
        query.kinds = Set(try object.words("kinds") { EntryKind(rawValue: $0) } ?? [])
        query.outcomes = Set(try object.words("outcomes") { EntryOutcome(rawValue: $0) } ?? [])
        query.client = try object.word("client") { Reference($0) }
        query.agency = try object.word("agency") { Reference($0) }
        query.purpose = try object.word("purpose") { Purpose($0) }
        query.action = try object.word("action") { Action($0) }
        query.form = try object.word("form") { ReleaseForm(rawValue: $0) }
        query.reason = try object.word("why") { EntryCode($0) }
        query.keyVersion = try object.number("kek").map { value in
            guard let version = UInt32(exactly: value) else { throw RequestFault.bodyMalformed }
            return version
        }
        query.caseReference = try object.word("case") { Reference($0) }
        query.actor = try object.word("actor") { Reference($0) }
        query.contact = try object.word("contact") { ContactID($0) }
        query.number = try object.word("number") { $0.utf8.count <= Limits.phoneInputBytes ? $0 : nil }
        guard query.contact == nil || query.number == nil else { throw RequestFault.bodyMalformed }
        return query
    }
}

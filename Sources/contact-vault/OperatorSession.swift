// Commands of the operator: asked of the service when one holds the vault, answered here by the same routes when none does.
// Both ways append the same entries, because both are one way.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import PurposePolicy
import StrictEncoding
import VaultAPI
import VaultClient
import VaultCrypto
import VaultService

/// What became of a request that may need a second person.
enum Approved<Body> {
    case done(Body)
    /// Waits for this approval, `ap_…`.
    case waiting(String)
}

/// What the operator may have done to a vault.
struct OperatorSession: Sendable {
    private enum Place: Sendable {
        /// The vault is open in this process.
        case here(Vault, LocalOperator)
        /// A service holds it.
        case service(OperatorConnection)
    }

    private let place: Place

    init(_ vault: Vault, in folder: VaultFolder) {
        place = .here(vault, LocalOperator(vault: vault, custody: folder.custody))
    }

    init(service socket: String) { place = .service(OperatorConnection(socket: socket)) }

    func close() async throws {
        if case .here(let vault, _) = place { try await vault.close() }
    }

    // MARK: Clients

    func register(_ client: RegisteredClient) async throws {
        _ = try await send("POST", "/operator/clients", body: client.registration)
    }

    func clients() async throws -> [RegisteredClient] {
        let list = try JSONValue.parse(try await send("GET", "/operator/clients")).arrayValue ?? []
        return list.compactMap { RegisteredClient(registration: $0.canonicalBytes) }
    }

    func setSuspended(_ isSuspended: Bool, client: Reference) async throws {
        _ = try await send("POST", "/operator/clients/\(client)/\(isSuspended ? "suspend" : "resume")")
    }

    func rotateKeys(_ body: JSONValue, client: Reference) async throws -> RegisteredClient {
        let reply = try await send(
            "POST", "/operator/clients/\(client)/keys", body: body.canonicalBytes)
        guard let changed = RegisteredClient(registration: reply) else {
            throw CommandFailure("the service's answer is not understood: is it of another version?")
        }
        return changed
    }

    func setCertificateName(_ name: String?, client: Reference) async throws {
        var object = JSONObject()
        object["name"] = name.map { .string($0) }
        _ = try await send(
            "PUT", "/operator/clients/\(client)/certificate", body: JSONValue.object(object).canonicalBytes)
    }

    func entrustments() async throws -> [EntrustmentBody] {
        try decode([EntrustmentBody].self, try await send("GET", "/operator/agencies"))
    }

    func entrust(_ entrustment: EntrustmentBody) async throws {
        _ = try await send(
            "PUT", "/operator/agencies/\(entrustment.agency)",
            body: Array(try JSONEncoder().encode(entrustment)))
    }

    // MARK: Keys

    func keys() async throws -> [KeyBody] {
        try decode([KeyBody].self, try await send("GET", "/operator/keys"))
    }

    func rotate(key: String, suite: String? = nil) async throws -> KeyBody {
        let body = suite.map { JSONValue.object(JSONObject([("suite", .string($0))])).canonicalBytes }
        return try decode(
            KeyBody.self, try await send("POST", "/operator/keys/\(key)/rotate", body: body ?? []))
    }

    func step(_ step: String, key: String, version: UInt32) async throws -> Approved<KeyBody> {
        try approved(
            KeyBody.self, try await send("POST", "/operator/keys/\(key)/versions/\(version)/\(step)"))
    }

    /// What became of a change of the root key; `recorded` if the configuration says so.
    struct RootKeyBody: Decodable {
        let epoch: UInt64
        let recorded: Bool
    }

    func changeRootKey(
        to settings: RootKeySettings, secret: SharedSecret?
    ) async throws -> Approved<RootKeyBody> {
        var object = settings.json
        object["secret"] = secret.map { .string(Base64URL.encode($0.bytes.revealBytes())) }
        return try approved(
            RootKeyBody.self,
            try await send("POST", "/operator/root-key", body: JSONValue.object(object).canonicalBytes))
    }

    func keyReport() async throws -> KeyReportBody {
        try decode(KeyReportBody.self, try await send("GET", "/operator/keys/report"))
    }

    func keyJobs() async throws -> [KeyJobBody] {
        try decode([KeyJobBody].self, try await send("GET", "/operator/rewraps"))
    }

    func beginKeyJob(_ kind: String, dryRun: Bool, rate: UInt32?) async throws -> KeyJobBody {
        var object = JSONObject([("kind", .string(kind)), ("dry_run", .bool(dryRun))])
        object["rate"] = rate.map { .integer(Int64($0)) }
        return try decode(
            KeyJobBody.self,
            try await send("POST", "/operator/rewraps", body: JSONValue.object(object).canonicalBytes))
    }

    func changeKeyJob(_ job: String, _ change: String) async throws -> KeyJobBody {
        try decode(KeyJobBody.self, try await send("POST", "/operator/rewraps/\(job)/\(change)"))
    }

    /// Whether a service holds the vault.
    var isOfService: Bool { if case .service = place { true } else { false } }

    /// Some steps of a job if the vault is open here, a little waiting if a service has it; how far it is then.
    func followKeyJob(_ job: String) async throws -> KeyJobBody {
        switch place {
        case .here(let vault, _):
            let end = ContinuousClock.now + .milliseconds(250)
            while ContinuousClock.now < end, try await vault.advanceKeyJob()?.row.state == .running {}
        case .service: try await Task.sleep(for: .milliseconds(250))
        }
        return try decode(KeyJobBody.self, try await send("GET", "/operator/rewraps/\(job)"))
    }

    // MARK: Backups

    func createBackup(in folder: String, includesKeyring: Bool) async throws -> BackupManifest {
        let body = JSONObject([("folder", .string(folder)), ("keyring", .bool(includesKeyring))])
        // A day: a large store takes its time, and releases do not wait for it.
        let reply = try await send(
            "POST", "/operator/backups", body: JSONValue.object(body).canonicalBytes, seconds: 86_400)
        do { return try BackupManifest(parsing: reply + [0x0A]) } catch { throw Self.otherVersion }
    }

    func backups() async throws -> [BackupBody] {
        try decode([BackupBody].self, try await send("GET", "/operator/backups"))
    }

    /// Registered ones that need such a version of the key-encryption key, or may: one that is not finished needs each.
    func backups(needingKEK isMeant: (UInt32) -> Bool) async throws -> [BackupBody] {
        try await backups().filter { backup in
            backup.forgotten == nil
                && backup.keys?.contains { $0.name == "kek" && isMeant($0.version) } ?? true
        }
    }

    @discardableResult
    func forgetBackups(_ ids: [String]) async throws -> [BackupBody] {
        let body = JSONObject([("backups", .array(ids.map { .string($0) }))])
        return try decode(
            [BackupBody].self,
            try await send(
                "POST", "/operator/backups/forget", body: JSONValue.object(body).canonicalBytes))
    }

    // MARK: Tokens

    func revokeTokens(_ kind: String, _ name: String) async throws {
        let body = JSONValue.object(JSONObject([(kind, .string(name))]))
        _ = try await send("POST", "/operator/tokens/revoke", body: body.canonicalBytes)
    }

    // MARK: Contacts

    func store(json: [UInt8]) async throws -> StoredContactBody {
        try decode(StoredContactBody.self, try await send("POST", "/operator/contacts", body: json))
    }

    /// Results name lines by their place in the batch, from 1.
    func importLines(_ lines: [[UInt8]]) async throws -> [ImportLineBody] {
        let reply = try await send(
            "POST", "/operator/contacts/import", body: Array(lines.joined(separator: [0x0A])))
        return try reply.split(separator: 0x0A).map { try decode(ImportLineBody.self, Array($0)) }
    }

    func contact(_ id: ContactID) async throws -> ContactBody {
        try decode(ContactBody.self, try await send("GET", "/operator/contacts/\(id)"))
    }

    func erase(_ id: ContactID) async throws { _ = try await send("DELETE", "/operator/contacts/\(id)") }

    func liftStop(_ id: ContactID) async throws -> String {
        try decode(WaitingBody.self, try await send("DELETE", "/operator/contacts/\(id)/stop")).approval
    }

    func stop(_ id: ContactID) async throws { _ = try await send("PUT", "/operator/contacts/\(id)/stop") }

    func giveConsent(_ body: JSONValue, to purpose: Purpose, of id: ContactID) async throws {
        _ = try await send("PUT", "/operator/contacts/\(id)/consents/\(purpose)", body: body.canonicalBytes)
    }

    func withdrawConsent(to purpose: Purpose, of id: ContactID) async throws {
        _ = try await send("DELETE", "/operator/contacts/\(id)/consents/\(purpose)")
    }

    func hold(_ reference: Reference, _ id: ContactID) async throws {
        let body = JSONValue.object(JSONObject([("reference", .string(reference.text))])).canonicalBytes
        _ = try await send("PUT", "/operator/contacts/\(id)/hold", body: body)
    }

    func liftHold(of id: ContactID) async throws {
        _ = try await send("DELETE", "/operator/contacts/\(id)/hold")
    }

    func eraseExpired() async throws -> (erased: Int64, held: Int64) {
        let reply = try JSONValue.parse(try await send("POST", "/operator/contacts/expire")).objectValue
        guard let erased = reply?["erased"]?.integerValue, let held = reply?["held"]?.integerValue else {
            throw Self.otherVersion
        }
        return (erased, held)
    }

    func authorise(_ body: JSONValue, _ id: ContactID) async throws {
        _ = try await send("PUT", "/operator/contacts/\(id)/authorisation", body: body.canonicalBytes)
    }

    func withdrawAuthorisation(of id: ContactID) async throws {
        _ = try await send("DELETE", "/operator/contacts/\(id)/authorisation")
    }

    func record(_ reference: Reference, _ kind: ReferenceKind, of id: ContactID) async throws {
        _ = try await send(
            "PUT", "/operator/contacts/\(id)/references/\(reference)",
            body: JSONValue.object(JSONObject([("kind", .string(kind.rawValue))])).canonicalBytes)
    }

    func suppress(phone: String, region: String?) async throws {
        var object = JSONObject([("phone", .string(phone))])
        object["region"] = region.map { .string($0) }
        _ = try await send("POST", "/operator/suppressions", body: JSONValue.object(object).canonicalBytes)
    }

    // MARK: Policy

    func policySource() async throws -> PolicySourceBody {
        try decode(PolicySourceBody.self, try await send("GET", "/operator/policy"))
    }

    func propose(_ proposal: PolicyProposal) async throws -> PolicyChangeBody {
        try decode(PolicyChangeBody.self, try await send("POST", "/operator/policy", body: proposal.payload))
    }

    func explain(_ request: [UInt8]) async throws -> ExplanationBody {
        try decode(ExplanationBody.self, try await send("POST", "/operator/policy/explain", body: request))
    }

    func simulate(
        _ proposal: PolicyProposal, from: Timestamp, to: Timestamp
    ) async throws -> [SimulatedDecisionBody] {
        try decode(
            [SimulatedDecisionBody].self,
            try await send("POST", "/operator/policy/simulate?from=\(from)&to=\(to)", body: proposal.payload))
    }

    func approvals() async throws -> [ApprovalBody] {
        try decode([ApprovalBody].self, try await send("GET", "/operator/approvals"))
    }

    func approve(_ id: ApprovalID) async throws {
        _ = try await send("POST", "/operator/approvals/\(id)/approve")
    }

    // MARK: What people must look at

    func reviews(all: Bool) async throws -> [ReviewBody] {
        try decode([ReviewBody].self, try await send("GET", "/operator/reviews" + (all ? "?all=true" : "")))
    }

    func closeReview(of release: ReleaseID, finding: ReviewFinding) async throws {
        _ = try await send(
            "POST", "/operator/reviews/\(release)/close",
            body: JSONValue.object(JSONObject([("finding", .string(finding.rawValue))])).canonicalBytes)
    }

    func missingOutcomes() async throws -> [MissingOutcomeBody] {
        try decode([MissingOutcomeBody].self, try await send("GET", "/operator/outcomes/missing"))
    }

    // MARK: Log

    func entries(from: UInt64, limit: UInt64) async throws -> LogPageBody {
        try decode(
            LogPageBody.self, try await send("GET", "/operator/log/entries?from=\(from)&limit=\(limit)"))
    }

    func proof(of index: UInt64) async throws -> (leaf: String, proof: String) {
        let reply = try JSONValue.parse(try await send("GET", "/operator/log/entries/\(index)/proof"))
            .objectValue
        guard let leaf = reply?["leaf"]?.stringValue, let proof = reply?["proof"]?.stringValue else {
            throw Self.otherVersion
        }
        return (leaf, proof)
    }

    func query(_ body: LogQueryBody) async throws -> LogPageBody {
        try decode(
            LogPageBody.self,
            try await send("POST", "/operator/log/queries", body: Array(try JSONEncoder().encode(body))))
    }

    func counts(_ body: LogQueryBody) async throws -> LogCountsBody {
        try decode(
            LogCountsBody.self,
            try await send("POST", "/operator/log/counts", body: Array(try JSONEncoder().encode(body))))
    }

    func answer(_ question: String, from: String?, to: String?) async throws -> LogAnswerBody {
        var object = JSONObject()
        object["from"] = from.map { .string($0) }
        object["to"] = to.map { .string($0) }
        return try decode(
            LogAnswerBody.self,
            try await send(
                "POST", "/operator/log/questions/\(question)", body: JSONValue.object(object).canonicalBytes))
    }

    func subjectReport(_ contact: ContactID, language: String?) async throws -> String {
        let page = language.map { "?page=\($0)" } ?? ""
        return String(
            decoding: try await send("GET", "/operator/log/subjects/\(contact)\(page)"), as: UTF8.self)
    }

    func report(from: String?, to: String?, asPage: Bool) async throws -> String {
        var object = JSONObject()
        object["from"] = from.map { .string($0) }
        object["to"] = to.map { .string($0) }
        let reply = try await send(
            "POST", "/operator/log/report" + (asPage ? "?page=true" : ""),
            body: JSONValue.object(object).canonicalBytes)
        return String(decoding: reply, as: UTF8.self)
    }

    func shards() async throws -> [LogShardBody] {
        try decode([LogShardBody].self, try await send("GET", "/operator/log/shards"))
    }

    func expireLog(months: Int) async throws -> UInt64 {
        let body = JSONValue.object(JSONObject([("months", .integer(Int64(months)))])).canonicalBytes
        let reply = try JSONValue.parse(try await send("POST", "/operator/log/expire", body: body))
            .objectValue
        guard let removed = reply?["removed"]?.integerValue else { throw Self.otherVersion }
        return UInt64(removed)
    }

    func beginExport(_ request: ExportRequestBody) async throws -> Approved<ExportPlanBody> {
        try approved(
            ExportPlanBody.self,
            try await send("POST", "/operator/log/exports", body: Array(try JSONEncoder().encode(request))))
    }

    func exportPage(
        _ range: Range<UInt64>, of request: ExportRequestBody
    ) async throws -> [ExportedEntryBody] {
        let reply = try await send(
            "POST", "/operator/log/exports/entries?first=\(range.lowerBound)&end=\(range.upperBound)",
            body: Array(try JSONEncoder().encode(request)))
        return try reply.split(separator: 0x0A).map { try decode(ExportedEntryBody.self, Array($0)) }
    }

    func checkpoint() async throws -> String {
        String(decoding: try await send("POST", "/operator/log/checkpoint"), as: UTF8.self)
    }

    // MARK: Asking

    private static let otherVersion = CommandFailure(
        "the service's answer is not of the expected form: is it of another version?")

    private func send(
        _ method: String, _ path: String, body: [UInt8] = [], seconds: Int64 = 120
    ) async throws -> [UInt8] {
        let reply: (status: Int, body: [UInt8])
        switch place {
        case .here(_, let local): reply = try await local.send(method, path, body: body)
        case .service(let connection):
            do {
                let answer = try await connection.send(method, path, body: body, seconds: seconds)
                reply = (answer.status, answer.body)
            } catch {
                throw CommandFailure(
                    "the service that holds this vault does not answer on its operator socket (\(type(of: error)))"
                )
            }
        }
        guard (200..<300).contains(reply.status) else { throw Self.failure(reply.status, reply.body) }
        return reply.body
    }

    private static func failure(_ status: Int, _ body: [UInt8]) -> CommandFailure {
        guard let problem = try? JSONDecoder().decode(ProblemBody.self, from: Data(body)) else {
            return CommandFailure("the service answered \(status)")
        }
        var text = problem.title
        if let field = problem.field, let what = problem.problem { text += ": \(field): \(what)" }
        if let detail = problem.detail { text += " (\(detail))" }
        return CommandFailure(text)
    }

    /// What was done, or what a second person has to approve first.
    private func approved<Body: Decodable>(
        _ type: Body.Type, _ bytes: [UInt8]
    ) throws -> Approved<Body> {
        if let waiting = try? JSONDecoder().decode(WaitingBody.self, from: Data(bytes)) {
            return .waiting(waiting.approval)
        }
        return .done(try decode(type, bytes))
    }

    private func decode<Body: Decodable>(_ type: Body.Type, _ bytes: [UInt8]) throws -> Body {
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch { throw Self.otherVersion }
    }
}

extension VaultFolder {
    /// A session with the vault of this folder, wherever it is open.
    private func session(_ passphrase: PassphraseOptions) async throws -> OperatorSession {
        try requireVault()
        do {
            return OperatorSession(try await open(passphrase, instance: "cli"), in: self)
        } catch StoreError.locked {
            // A store that is locked without a service behind it is another command at work.
            guard FileManager.default.fileExists(atPath: operatorSocket) else { throw StoreError.locked }
            return OperatorSession(service: operatorSocket)
        }
    }

    /// Runs commands of the operator and closes the vault again, whatever becomes of them.
    func withSession<Value>(
        _ passphrase: PassphraseOptions, _ body: (OperatorSession) async throws -> Value
    ) async throws -> Value {
        let session = try await session(passphrase)
        let value: Value
        do { value = try await body(session) } catch {
            try? await session.close()
            throw error
        }
        do { try await session.close() } catch {
            // What was done is done and recorded; only the entry of the closing is missing.
            Terminal.message("warning: closing the vault: \(ErrorText.describe(error))")
        }
        return value
    }
}

// Commands of the operator: asked of the service when one holds the vault, done here when none does. Both ways append the
// same entries.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import StrictEncoding
import VaultAPI
import VaultClient
import VaultService

/// What the operator may have done to a vault.
protocol OperatorSession {
    func register(_ client: RegisteredClient) async throws
    func clients() async throws -> [RegisteredClient]
    func setSuspended(_ isSuspended: Bool, client: Reference) async throws
    func store(json: [UInt8]) async throws -> StoredContactBody
    func importLines(_ lines: [[UInt8]], from first: Int) async throws -> [ImportLineBody]
    func contact(_ id: ContactID) async throws -> ContactBody
    func stop(_ id: ContactID) async throws
    func entries(from: UInt64, limit: UInt64) async throws -> LogPageBody
    func proof(of index: UInt64) async throws -> (leaf: String, proof: String)
    func checkpoint() async throws -> String
    func close() async throws
}

extension VaultFolder {
    /// A session with the vault of this folder, wherever it is open.
    func session(_ passphrase: PassphraseOptions) async throws -> any OperatorSession {
        try requireVault()
        do {
            return LocalSession(vault: try await open(passphrase, instance: "cli"))
        } catch StoreError.locked {
            let connection = OperatorConnection(socket: operatorSocket)
            // A store that is locked without a service behind it is another command at work.
            guard FileManager.default.fileExists(atPath: operatorSocket) else { throw StoreError.locked }
            return RemoteSession(connection: connection)
        }
    }
}

extension VaultFolder {
    /// Runs commands of the operator and closes the vault again, whatever becomes of them.
    func withSession<Value>(
        _ passphrase: PassphraseOptions, _ body: (any OperatorSession) async throws -> Value
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

/// The vault opened in this process.
struct LocalSession: OperatorSession {
    let vault: Vault

    private static func requestID() throws -> Reference {
        guard let id = Reference("cli-" + UUID().uuidString.lowercased()) else {
            throw CommandFailure("no request id")
        }
        return id
    }

    func register(_ client: RegisteredClient) async throws {
        try await vault.registerClient(client, requestID: try Self.requestID())
    }

    func clients() async throws -> [RegisteredClient] { try await vault.clients() }

    func setSuspended(_ isSuspended: Bool, client: Reference) async throws {
        try await vault.setSuspended(isSuspended, client: client, requestID: try Self.requestID())
    }

    func store(json: [UInt8]) async throws -> StoredContactBody {
        StoredContactBody(
            try await vault.storeContact(json: json, as: .localOperator, requestID: try Self.requestID()))
    }

    func importLines(_ lines: [[UInt8]], from first: Int) async throws -> [ImportLineBody] {
        try await vault.importContacts(
            lines, as: .localOperator, requestID: try Self.requestID(), isFirst: true
        ).enumerated().map { ImportLineBody($1, line: first + $0) }
    }

    func contact(_ id: ContactID) async throws -> ContactBody {
        ContactBody(try await vault.contact(id, as: .localOperator, requestID: try Self.requestID()))
    }

    func stop(_ id: ContactID) async throws {
        try await vault.stop(id, as: .localOperator, requestID: try Self.requestID())
    }

    func entries(from: UInt64, limit: UInt64) async throws -> LogPageBody {
        let size = try await vault.logSize()
        let entries = try await vault.entries(
            from..<from + limit, as: .localOperator, requestID: try Self.requestID())
        return LogPageBody(
            entries: try entries.map { try LogEntryBody($0) }, next: from + limit < size ? from + limit : nil)
    }

    func proof(of index: UInt64) async throws -> (leaf: String, proof: String) {
        let (proof, leaf) = try await vault.proof(
            of: index, as: .localOperator, requestID: try Self.requestID())
        return (String(decoding: leaf, as: UTF8.self), proof.text)
    }

    func checkpoint() async throws -> String {
        try await vault.publishCheckpoint()
        return vault.latestCheckpoint?.note ?? ""
    }

    func close() async throws { try await vault.close() }
}

/// The vault of a running service.
struct RemoteSession: OperatorSession {
    let connection: OperatorConnection

    private func send(_ method: String, _ path: String, body: [UInt8] = []) async throws -> [UInt8] {
        let reply: OperatorConnection.Reply
        do {
            reply = try await connection.send(method, path, body: body)
        } catch {
            throw CommandFailure(
                "the service that holds this vault does not answer on its operator socket (\(type(of: error)))"
            )
        }
        guard (200..<300).contains(reply.status) else { throw Self.failure(reply) }
        return reply.body
    }

    private static func failure(_ reply: OperatorConnection.Reply) -> CommandFailure {
        guard let problem = try? JSONDecoder().decode(ProblemBody.self, from: Data(reply.body)) else {
            return CommandFailure("the service answered \(reply.status)")
        }
        var text = problem.title
        if let field = problem.field, let what = problem.problem { text += ": \(field): \(what)" }
        if let detail = problem.detail { text += " (\(detail))" }
        return CommandFailure(text)
    }

    private func decode<Body: Decodable>(_ type: Body.Type, _ bytes: [UInt8]) throws -> Body {
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw CommandFailure(
                "the service's answer is not of the expected form: is it of another version?")
        }
    }

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

    func store(json: [UInt8]) async throws -> StoredContactBody {
        try decode(StoredContactBody.self, try await send("POST", "/operator/contacts", body: json))
    }

    func importLines(_ lines: [[UInt8]], from first: Int) async throws -> [ImportLineBody] {
        let body = Array(lines.joined(separator: [0x0A]))
        let reply = try await send("POST", "/operator/contacts/import", body: body)
        return try reply.split(separator: 0x0A).map { line in
            let result = try decode(ImportLineBody.self, Array(line))
            return ImportLineBody(
                line: result.line + first - 1, contact: result.contact, phone: result.phone,
                field: result.field,
                problem: result.problem)
        }
    }

    func contact(_ id: ContactID) async throws -> ContactBody {
        try decode(ContactBody.self, try await send("GET", "/operator/contacts/\(id)"))
    }

    func stop(_ id: ContactID) async throws { _ = try await send("PUT", "/operator/contacts/\(id)/stop") }

    func entries(from: UInt64, limit: UInt64) async throws -> LogPageBody {
        try decode(
            LogPageBody.self, try await send("GET", "/operator/log/entries?from=\(from)&limit=\(limit)"))
    }

    func proof(of index: UInt64) async throws -> (leaf: String, proof: String) {
        let reply = try JSONValue.parse(try await send("GET", "/operator/log/entries/\(index)/proof"))
            .objectValue
        guard let leaf = reply?["leaf"]?.stringValue, let proof = reply?["proof"]?.stringValue else {
            throw CommandFailure(
                "the service's answer is not of the expected form: is it of another version?")
        }
        return (leaf, proof)
    }

    func checkpoint() async throws -> String {
        String(decoding: try await send("POST", "/operator/log/checkpoint"), as: UTF8.self)
    }

    func close() async throws {}
}

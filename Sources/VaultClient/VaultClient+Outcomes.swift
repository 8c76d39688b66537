// What comes after a release: its outcome, the stop list, a second person's approval; and what comes sealed.

public import AccessToken
public import ContactModel
import Foundation
public import VaultAPI
public import VaultCrypto

extension VaultClient {
    /// Reports what came of a release. The same report again changes nothing, so a lost one is repeated.
    /// - Parameters:
    ///   - name: your name for the offer, request or complaint that the outcome puts on record; the vault gives one if
    ///     `nil`.
    ///   - token: for `contact_access` to the same contact. Reporting spends no use of it.
    /// - Throws: ``VaultClientError/refused(_:)``, with status 409 if another outcome is on record.
    public func reportOutcome(
        _ outcome: ReleaseOutcome, naming name: Reference? = nil, of release: ReleaseID, token: ClientToken
    ) async throws(VaultClientError) -> OutcomeBody {
        let body = try Self.encoded(OutcomeRequestBody(outcome: outcome.rawValue, reference: name?.text))
        let headers = Self.jsonHeaders()
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange(
                "POST", "/v1/releases/\(release)/outcome", .token(token), headers: headers
            ) { () throws(VaultClientError) in body }
        }
        let answer = try success(reply, 200).decoded(OutcomeBody.self)
        guard answer.release == release.description, answer.outcome == outcome.rawValue else {
            throw .replyMalformed(status: reply.status)
        }
        return answer
    }

    /// Asks whether numbers are on the stop list; each request spends a use, so a lost one is not repeated.
    /// - Parameters:
    ///   - numbers: E.164, at most a thousand.
    ///   - token: for `contact_access`, purpose `suppress.match`.
    /// - Returns: an answer for each number, in order; `nil` for what is no number that the vault would hold.
    public func match(_ numbers: [String], token: ClientToken) async throws(VaultClientError) -> [Bool?] {
        let body = try Self.encoded(MatchRequestBody(numbers: numbers))
        let reply = try await exchange(
            "POST", "/v1/actions/match", .token(token), headers: Self.jsonHeaders()
        ) { () throws(VaultClientError) in body }
        let matches = try success(reply, 200).decoded(MatchBody.self).matches
        guard matches.count == numbers.count else { throw .replyMalformed(status: reply.status) }
        return matches
    }

    /// Approves one operation that somebody else asked for. Not repeated: a second approval of one operation is refused.
    /// - Parameters:
    ///   - approval: its name, `ap_…`.
    ///   - token: for `contact_management`, `approve`, of the contact, or for `key_management`, `approve`, of a policy.
    public func approve(_ approval: String, token: ClientToken) async throws(VaultClientError) {
        let reply = try await exchange(
            "POST", "/v1/approvals/\(approval)/approve", .token(token), headers: Self.jsonHeaders())
        _ = try success(reply, 204)
    }

    /// Opens a field that was sealed to this client.
    /// - Parameters:
    ///   - field: the compact JWE of a release of form `seal`.
    ///   - key: the private half of the client's registered encryption key.
    /// - Throws: ``VaultClientError/sealedFieldUnreadable``.
    public static func open(
        _ field: String, with key: PrivateEncryptionJWK
    ) throws(VaultClientError) -> SecretBytes {
        do { return try JSONWebEncryption.open(field, with: key) } catch { throw .sealedFieldUnreadable }
    }

    /// Does something and closes the connections, whatever becomes of it.
    package func closing<Value>(_ body: (VaultClient) async throws -> Value) async throws -> Value {
        let value: Value
        do { value = try await body(self) } catch {
            try? await shutdown()
            throw error
        }
        try await shutdown()
        return value
    }

    private static func jsonHeaders() -> [(String, String)] {
        [("Content-Type", "application/json"), ("Request-Id", makeRequestID())]
    }

    private static func encoded(_ body: some Encodable) throws(VaultClientError) -> [UInt8] {
        do { return Array(try JSONEncoder().encode(body)) } catch { throw .requestMalformed }
    }
}

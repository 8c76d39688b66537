// The vault as a collection service calls it: get a token for one thing, do that one thing, with a proof for every
// request.

public import AccessLog
public import AccessToken
import AsyncHTTPClient
public import ContactModel
import Foundation
import NIOCore
import NIOHTTP1
import StrictEncoding
import Synchronization
public import VaultAPI
import VaultCrypto

/// A client of one vault with one key.
///
/// Guarantees: every request has its own proof; a nonce that the vault asks for is sent once, not in a loop; redirects
/// are not followed, so credentials go to the configured address alone; replies are bounded; what is repeated after a
/// lost connection is repeated under the same request id or idempotency key, so it is not done twice.
///
/// Call ``shutdown()`` when done: the connections are not closed by themselves.
public final class VaultClient: Sendable {
    /// The vault's issuer: assertions are for it, and proofs name URLs below it.
    public let issuer: String
    /// The client's id.
    public let client: Reference
    private let endpoint: String
    private let key: PrivateJWK
    private let clock: @Sendable () -> Timestamp
    private let http: HTTPClient
    /// Whether tokens are bound to the connection's certificate instead of to the key.
    private let showsCertificate: Bool
    private let lastNonce = Mutex<String?>(nil)

    /// A reply that is no stream. The largest, a page of the log, is bounded by its reader.
    static let replyBytes = 64 * 1024
    /// A hundred releases with every field sealed, or a hundred problems.
    static let batchReplyBytes = 512 * 1024
    /// How long an operation is repeated after lost connections: within it, the vault still knows the request id
    /// (`Limits.redeliverySeconds`), with room for clocks that differ and for the last attempt.
    private static let repetition = Duration.seconds(Limits.redeliverySeconds / 2)
    private static let attempts = 3

    /// A client.
    /// - Parameters:
    ///   - issuer: the vault's external origin, `https://host[:port]`, exactly as its metadata gives it.
    ///   - endpoint: where to connect if that differs, such as `http://127.0.0.1:8470`; `nil` for the issuer.
    ///   - client: the client's id.
    ///   - key: its private key; the public half is registered.
    ///   - tls: whom to believe and what certificate to show; `nil` for the system's authorities and none.
    ///   - clock: the client's clock, within 10 s of the vault's.
    /// - Throws: ``VaultClientError/certificateUnreadable``; ``VaultClientError/issuerNotAnOrigin``; ``VaultClientError/endpointNotSecure`` for plain HTTP to
    ///   another machine, which would show tokens and numbers to the network.
    public init(
        issuer: String, endpoint: String? = nil, client: Reference, key: PrivateJWK,
        tls: ClientTLS? = nil, clock: @escaping @Sendable () -> Timestamp = VaultClient.systemClock
    ) throws(VaultClientError) {
        guard let origin = ExternalOrigin(issuer), origin.text == issuer else { throw .issuerNotAnOrigin }
        self.issuer = issuer
        self.endpoint = try SecureEndpoint(endpoint ?? issuer).text
        self.client = client
        self.key = key
        self.clock = clock
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: .seconds(30)))
        configuration.httpVersion = .http1Only
        // Below the 60 s after which the vault closes idle connections, so that a closing one is not chosen.
        configuration.connectionPool.idleTimeout = .seconds(45)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.tlsConfiguration = try tls?.configuration()
        showsCertificate = tls?.certificate != nil
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// The clock of the system, UTC.
    public static let systemClock: @Sendable () -> Timestamp = { Timestamp(Date()) }

    /// The nonce that the vault sent last, for proofs that are made ahead of their requests.
    package var nonce: String? { lastNonce.withLock { $0 } }

    // Forgetting to shut down is no reason to end somebody's process, which is what the HTTP library does then. A second
    // shutdown changes nothing.
    deinit { http.shutdown(queue: .global()) { _ in } }

    /// Closes all connections. Nothing may be called afterwards.
    /// - Throws: ``VaultClientError/connectionLost`` if one did not close cleanly; they are closed all the same.
    public func shutdown() async throws(VaultClientError) {
        do { try await http.shutdown() } catch { throw .connectionLost }
    }

    // MARK: Tokens

    /// Gets a token: `private_key_jwt` assertion, proof, one authorization details object.
    /// - Throws: ``VaultClientError/refused(_:)`` with the OAuth code, such as `invalid_client` for an unregistered key
    ///   or `invalid_authorization_details` for something that the policy does not grant.
    public func token(for details: AuthorizationDetails) async throws(VaultClientError) -> ClientToken {
        let requestID = Self.makeRequestID()
        let begun = clock()
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange(
                "POST", "/oauth2/token", self.showsCertificate ? .none : .key,
                headers: [("Content-Type", FormEncoding.mediaType), ("Request-Id", requestID)]
            ) { () throws(VaultClientError) in try self.tokenForm(details) }
        }
        let body = try success(reply, 200).decoded(TokenBody.self)
        guard body.tokenType.lowercased() == (showsCertificate ? "bearer" : "dpop"), body.expiresIn > 0,
            body.expiresIn <= 86_400,
            body.accessToken.utf8.count <= Limits.tokenBytes
        else { throw .replyMalformed(status: reply.status) }
        return ClientToken(
            compact: body.accessToken, expires: begun.adding(seconds: body.expiresIn),
            isBoundToCertificate: showsCertificate)
    }

    private func tokenForm(_ details: AuthorizationDetails) throws(VaultClientError) -> [UInt8] {
        FormEncoding.encode(
            [("grant_type", "client_credentials")] + (try credentialFields())
                + [("authorization_details", details.json.canonicalText)])
    }

    /// What names this client at the endpoints of the token service: a fresh assertion.
    private func credentialFields() throws(VaultClientError) -> [(String, String)] {
        let assertion: String
        do {
            assertion = try ClientAssertion.make(
                client: client, issuer: issuer, key: key, identifier: try Self.makeIdentifier(), now: clock())
        } catch {
            throw .signingFailed
        }
        return [
            ("client_assertion_type", ClientAssertion.assertionType), ("client_assertion", assertion),
        ]
    }

    // MARK: Releases

    /// Releases a contact's fields to one action.
    ///
    /// The body holds the number as a `String` for now, which cannot be wiped: hand it on and let it go.
    /// - Parameter requestID: the id under which a repetition is recognised; give the same one, with the same token, to
    ///   ask again within 30 s for an answer that was lost. `nil` makes one.
    /// - Throws: ``VaultClientError``; a reply about another contact or action is
    ///   ``VaultClientError/replyMalformed(status:)``, so that nobody else is called.
    public func release(
        _ contact: ContactID, action: Action, token: ClientToken, requestID: String? = nil
    ) async throws(VaultClientError) -> ReleaseBody {
        let requestID = requestID ?? Self.makeRequestID()
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange(
                "POST", "/v1/contacts/\(contact)/actions/\(action)", .token(token),
                headers: [("Request-Id", requestID)])
        }
        let body = try success(reply, 200).decoded(ReleaseBody.self)
        guard body.contact == contact.description, body.action == action.text else {
            throw .replyMalformed(status: reply.status)
        }
        return body
    }

    /// Releases the contacts of a token that names several, with one proof; each is decided and logged for itself.
    /// - Parameters:
    ///   - token: for `contact_access` with `identifiers`, at most 100.
    ///   - requestID: as for ``release(_:action:token:requestID:)``.
    /// - Throws: ``VaultClientError`` if nothing was decided for any of them.
    public func releaseAll(
        action: Action, token: ClientToken, requestID: String? = nil
    ) async throws(VaultClientError) -> [BatchReleaseBody.Result] {
        let requestID = requestID ?? Self.makeRequestID()
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange(
                "POST", "/v1/actions/\(action)", .token(token), headers: [("Request-Id", requestID)],
                limit: Self.batchReplyBytes)
        }
        return try success(reply, 200).decoded(BatchReleaseBody.self).results
    }

    /// Revokes a token before it ends (RFC 7009). The same again changes nothing.
    public func revoke(_ token: ClientToken) async throws(VaultClientError) {
        _ = try success(try await askAbout(token, "/oauth2/revoke"), 200)
    }

    /// The state of a token (RFC 7662), as the vault writes it. Spends no use.
    public func introspect(_ token: ClientToken) async throws(VaultClientError) -> TokenStatusBody {
        try success(try await askAbout(token, "/oauth2/introspect"), 200).decoded(TokenStatusBody.self)
    }

    private func askAbout(
        _ token: ClientToken, _ path: String
    ) async throws(VaultClientError) -> VaultReply {
        let headers = [("Content-Type", FormEncoding.mediaType), ("Request-Id", Self.makeRequestID())]
        return try await repeating { () async throws(VaultClientError) in
            try await self.exchange("POST", path, .none, headers: headers) { () throws(VaultClientError) in
                FormEncoding.encode(
                    try self.credentialFields() + [("token", token.compact)])
            }
        }
    }

    // MARK: Contacts

    /// Stores one contact.
    /// - Parameters:
    ///   - json: the contact in the intake format, at most 64 KiB.
    ///   - token: for `contact_intake`, `create`.
    ///   - idempotencyKey: the key under which a repetition is recognised; `nil` makes one.
    /// - Throws: ``VaultClientError/refused(_:)`` with the field in ``VaultProblem/problem``; nothing was stored then.
    public func storeContact(
        json: [UInt8], token: ClientToken, idempotencyKey: String? = nil
    ) async throws(VaultClientError) -> StoredContactBody {
        let headers = [
            ("Content-Type", "application/json"), ("Idempotency-Key", idempotencyKey ?? Self.makeRequestID()),
            ("Request-Id", Self.makeRequestID()),
        ]
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange("POST", "/v1/contacts", .token(token), headers: headers) {
                () throws(VaultClientError) in json
            }
        }
        return try success(reply, 201).decoded(StoredContactBody.self)
    }

    /// A contact without personal fields but for the masks.
    /// - Parameter token: for `contact_management`, `read`, of this contact.
    public func contact(
        _ contact: ContactID, token: ClientToken
    ) async throws(VaultClientError) -> ContactBody {
        let headers = [("Request-Id", Self.makeRequestID())]
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange("GET", "/v1/contacts/\(contact)", .token(token), headers: headers)
        }
        let body = try success(reply, 200).decoded(ContactBody.self)
        guard body.contact == contact.description else { throw .replyMalformed(status: reply.status) }
        return body
    }

    // MARK: The log

    /// The newest signed checkpoint. Not verified here: `Checkpoint(verifying:by:)` does, with the log's key.
    public func checkpoint() async throws(VaultClientError) -> SignedNote {
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange("GET", "/v1/log/checkpoint", .none, headers: [], limit: Limits.noteBytes)
        }
        let body = try success(reply, 200).body
        do { return try SignedNote(parsing: body) } catch { throw .replyMalformed(status: reply.status) }
    }

    /// The proof that an entry stands in the log. Not verified here: ``LogProofFile/verify(leafHash:by:)`` does, with the
    /// leaf hash of the receipt and the log's key.
    /// - Parameter token: for `access_log`, `prove`.
    public func proof(of index: UInt64, token: ClientToken) async throws(VaultClientError) -> LogProofFile {
        let headers = [("Request-Id", Self.makeRequestID())]
        let reply = try await repeating { () async throws(VaultClientError) in
            try await self.exchange(
                "GET", "/v1/log/entries/\(index)/proof", .token(token), headers: headers,
                limit: Limits.proofFileBytes)
        }
        let file: LogProofFile
        do { file = try LogProofFile(parsing: try success(reply, 200).body) } catch let error
            as VaultClientError
        {
            throw error
        } catch {
            throw .replyMalformed(status: reply.status)
        }
        guard file.index == index else { throw .replyMalformed(status: reply.status) }
        return file
    }

    // MARK: Anything else

    /// Sends any request, once but for a nonce that the vault asks for, and returns the reply whatever its status.
    /// - Parameters:
    ///   - method: upper case.
    ///   - path: from `/`, with a query if there is one; the proof names it without.
    ///   - token: the token to present, with a proof; `nil` for neither.
    ///   - body: the body, `nil` for none.
    ///   - headers: fields besides. `Authorization` and `DPoP` here take the place of the client's own, and then no nonce
    ///     is answered.
    ///   - limit: most bytes of a reply.
    public func send(
        _ method: String, _ path: String, token: ClientToken? = nil, body: [UInt8]? = nil,
        headers: [(String, String)] = [], limit: Int = 64 * 1024
    ) async throws(VaultClientError) -> VaultReply {
        try await exchange(
            method, path, token.map(Credentials.token) ?? .none, headers: headers, limit: limit
        ) {
            () throws(VaultClientError) in body
        }
    }

    // MARK: One request

    enum Credentials {
        case none
        /// A proof without a token: the token endpoint.
        case key
        case token(ClientToken)
    }

    func exchange(
        _ method: String, _ path: String, _ credentials: Credentials, headers: [(String, String)],
        limit: Int = replyBytes,
        body: () throws(VaultClientError) -> [UInt8]? = { () throws(VaultClientError) in nil }
    ) async throws(VaultClientError) -> VaultReply {
        let nonce = lastNonce.withLock { $0 }
        let reply = try await once(method, path, credentials, nonce, headers, limit, body)
        guard reply.wantsNonce, let asked = reply.header("DPoP-Nonce"), asked != nonce,
            Self.mayProve(credentials, headers)
        else { return reply }
        return try await once(method, path, credentials, asked, headers, limit, body)
    }

    private static func mayProve(_ credentials: Credentials, _ headers: [(String, String)]) -> Bool {
        switch credentials {
        case .none: return false
        case .token(let token) where token.isBoundToCertificate: return false
        case .key, .token: break
        }
        return !headers.contains { $0.0.lowercased() == "dpop" }
    }

    private func once(
        _ method: String, _ path: String, _ credentials: Credentials, _ nonce: String?,
        _ headers: [(String, String)], _ limit: Int, _ body: () throws(VaultClientError) -> [UInt8]?
    ) async throws(VaultClientError) -> VaultReply {
        // A path that does not begin with a slash would be read as more of the host.
        guard path.hasPrefix("/"),
            path.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }),
            (1...16).contains(method.utf8.count), method.utf8.allSatisfy({ (0x41...0x5A).contains($0) })
        else { throw .requestMalformed }
        var request = HTTPClientRequest(url: endpoint + path)
        request.method = HTTPMethod(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if case .token(let token) = credentials, !request.headers.contains(name: "Authorization") {
            let scheme = token.isBoundToCertificate ? "Bearer " : "DPoP "
            request.headers.add(name: "Authorization", value: scheme + token.compact)
        }
        if Self.mayProve(credentials, headers) {
            request.headers.add(name: "DPoP", value: try proof(method, path, credentials, nonce))
        }
        if let body = try body() { request.body = .bytes(ByteBuffer(bytes: body)) }
        let reply = try await sent(request, limit)
        if let nonce = reply.header("DPoP-Nonce"), (1...256).contains(nonce.utf8.count) {
            lastNonce.withLock { $0 = nonce }
        }
        return reply
    }

    private func proof(
        _ method: String, _ path: String, _ credentials: Credentials, _ nonce: String?
    ) throws(VaultClientError) -> String {
        var token: ClientToken?
        if case .token(let presented) = credentials { token = presented }
        do {
            return try DPoPProof.make(
                method: method, url: issuer + path.prefix { $0 != "?" }, nonce: nonce,
                accessToken: token?.compact,
                key: key, identifier: try Self.makeIdentifier(), now: clock())
        } catch TokenError.invalidRequest {
            throw .requestMalformed
        } catch {
            throw .signingFailed
        }
    }

    private func sent(_ request: HTTPClientRequest, _ limit: Int) async throws(VaultClientError) -> VaultReply
    {
        do {
            let response = try await http.execute(request, timeout: .seconds(30))
            let body = try await response.body.collect(upTo: limit)
            return VaultReply(
                status: Int(response.status.code), headers: response.headers.map { ($0.name, $0.value) },
                body: Array(body.readableBytesView))
        } catch {
            throw VaultClientError(sending: error)
        }
    }

    /// Repeats what lost its connection. Only for requests that the vault recognises when they come again.
    func repeating(
        _ attempt: () async throws(VaultClientError) -> VaultReply
    ) async throws(VaultClientError) -> VaultReply {
        let begun = ContinuousClock.now
        var failures = 0
        while true {
            do {
                return try await attempt()
            } catch {
                failures += 1
                guard case .connectionLost = error, failures < Self.attempts,
                    begun.duration(to: .now) < Self.repetition
                else { throw error }
            }
            do { try await Task.sleep(for: .milliseconds(100 * failures * failures)) } catch {
                throw .cancelled
            }
        }
    }

    func success(_ reply: VaultReply, _ status: Int) throws(VaultClientError) -> VaultReply {
        if reply.status == status { return reply }
        // A redirect or another kind of success is nobody's refusal: it is not the vault that answered.
        guard reply.status >= 400 else { throw .replyMalformed(status: reply.status) }
        throw .refused(VaultProblem(reply))
    }

    static func makeRequestID() -> String { UUID().uuidString.lowercased() }

    /// A `jti`: 128 random bits.
    private static func makeIdentifier() throws(CryptoError) -> String {
        Base64URL.encode(try SystemRandom().bytes(16))
    }
}

extension VaultClientError {
    /// What the HTTP client threw. Its own errors quote header fields, so nothing of them is kept.
    init(sending error: any Error) {
        switch error {
        case is CancellationError: self = .cancelled
        case is NIOTooManyBytesError: self = .replyTooLarge
        case let error as HTTPClientError:
            switch error {
            case .cancelled: self = .cancelled
            case .connectTimeout, .deadlineExceeded, .readTimeout, .writeTimeout,
                .getConnectionFromPoolTimeout, .tlsHandshakeTimeout:
                self = .timedOut
            case .invalidURL, .emptyHost, .missingSocketPath, .emptyScheme, .contentLengthMissing:
                self = .requestMalformed
            default: self = error.isOfRequest ? .requestMalformed : .connectionLost
            }
        default: self = .connectionLost
        }
    }
}

extension HTTPClientError {
    /// Whether header fields were refused before anything was sent. The cases carry the fields, so that nothing but this
    /// text tells them from the others.
    fileprivate var isOfRequest: Bool { shortDescription.contains("header field") }
}

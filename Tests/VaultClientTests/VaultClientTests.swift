// What the client sends and what it makes of replies, over a real connection to a scripted server.

import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Synchronization
import Testing
import VaultAPI
import VaultCrypto

@testable import VaultClient

/// A client of a scripted server, with the vault's own verifiers for what it sends.
private struct Fixture {
    let key: PrivateJWK
    let client: VaultClient
    let server: ScriptedServer
    let registered: RegisteredClient
    let proofs: DPoPVerifier
    let nonce: String
    static let issuer = "https://vault.example"

    init(_ answer: @escaping @Sendable (Int, ArrivedRequest, String) -> ScriptedAnswer) throws {
        key = PrivateJWK(try SigningKey(generating: .es256))
        let id = try #require(Reference("dialer-1"))
        let agency = try #require(Reference("ag_1"))
        registered = RegisteredClient(
            id: id, agency: agency, kind: .gateway, roles: [.collection], keys: [key.publicJWK])
        let nonces = DPoPNonceAuthority(keys: [SharedSecret(try SystemRandom().secret(32))])
        proofs = DPoPVerifier(origin: try #require(ExternalOrigin(Self.issuer)), nonces: nonces)
        let nonce = try nonces.nonce(for: key.thumbprint, now: Timestamp(Date()))
        self.nonce = nonce
        server = try ScriptedServer { answer($0, $1, nonce) }
        client = try VaultClient(issuer: Self.issuer, endpoint: server.endpoint, client: id, key: key)
    }

    func finish() async throws {
        try await client.shutdown()
        server.stop()
    }

    func details(_ contact: ContactID) throws -> AuthorizationDetails {
        .contactAccess(
            try ContactAccessDetails(
                action: try #require(Action("dial")), purpose: try #require(Purpose("relay.message")),
                selection: .one(contact), caseReference: try #require(Reference("cs_1")),
                stage: .callCollection,
                fields: [.phone], actor: Actor(kind: .human, id: try #require(Reference("u_1"))),
                maximumUses: 1))
    }
}

private let contact = ContactID(bytes: Array(repeating: 7, count: 16))
private let token = ClientToken(compact: "aaaa.bbbb.cccc", expires: Timestamp(seconds: 4_000_000_000))

private func releaseBody(_ contact: ContactID, action: String = "dial") -> String {
    """
    {"release":"rl_AAAAAAAAAAAAAAAAAAAAAA","contact":"\(contact)","action":"\(action)","form":"reveal",\
    "fields":{"phone":"+8613800138000"},"uses_remaining":0,"not_after":"2026-01-01T00:02:00Z",\
    "receipt":{"index":41,"leaf_hash":"AAAA","checkpoint_after":"2026-01-01T00:00:01Z"}}
    """
}

private let json = ("Content-Type", "application/json")
private let problemJSON = ("Content-Type", "application/problem+json")

private func nonceChallenge(_ nonce: String) -> ScriptedAnswer {
    .reply(
        401,
        headers: [
            problemJSON, ("DPoP-Nonce", nonce),
            ("WWW-Authenticate", "DPoP algs=\"ES256 Ed25519\", error=\"use_dpop_nonce\""),
        ],
        body: "{\"type\":\"https://contact-vault.example/problems/use-dpop-nonce\",\"title\":\"t\","
            + "\"status\":401,\"instance\":\"x\"}")
}

/// The claims of a proof, unverified.
private func claims(_ request: ArrivedRequest) throws -> JSONObject {
    let proof = try #require(request.values(of: "DPoP").first)
    let payload = try #require(Base64URL.decode(proof.split(separator: ".")[1]))
    return try #require(try JSONValue.parse(payload).objectValue)
}

@Suite("Vault client")
struct VaultClientTests {
    @Test("A token request carries an assertion and a proof that the vault's verifiers accept")
    func tokenRequest() async throws {
        let contact = try #require(contact)
        let fixture = try Fixture { index, _, nonce in
            index == 0
                ? .reply(400, headers: [json, ("DPoP-Nonce", nonce)], body: "{\"error\":\"use_dpop_nonce\"}")
                : .reply(
                    200, headers: [json],
                    body: "{\"access_token\":\"a.b.c\",\"token_type\":\"DPoP\",\"expires_in\":120}")
        }
        let details = try fixture.details(contact)
        let granted = try await fixture.client.token(for: details)
        try await fixture.finish()
        #expect(granted.compact == "a.b.c")
        let requests = fixture.server.requests
        #expect(requests.count == 2)
        let request = try #require(requests.last)
        #expect(request.method == "POST" && request.target == "/oauth2/token")
        #expect(request.values(of: "Content-Type") == ["application/x-www-form-urlencoded"])
        #expect(request.values(of: "Authorization").isEmpty)

        let form = Dictionary(
            String(decoding: request.body, as: UTF8.self).split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                return (
                    parts[0], parts[1].replacingOccurrences(of: "+", with: " ").removingPercentEncoding ?? ""
                )
            }, uniquingKeysWith: { first, _ in first })
        #expect(
            Set(form.keys) == [
                "grant_type", "client_assertion_type", "client_assertion", "authorization_details",
            ])
        #expect(form["grant_type"] == "client_credentials")
        #expect(form["client_assertion_type"] == ClientAssertion.assertionType)
        let now = Timestamp(Date())
        let assertion = try ClientAssertion(parsing: Array(try #require(form["client_assertion"]).utf8))
        _ = try assertion.verify(client: fixture.registered, issuer: Fixture.issuer, now: now)
        #expect(
            try AuthorizationDetails.parse(parameter: Array(try #require(form["authorization_details"]).utf8))
                == details)
        _ = try fixture.proofs.verify(
            headerValues: request.values(of: "DPoP"), method: "POST", path: "/oauth2/token",
            binding: .client(fixture.registered), now: now)
        // Two proofs, two assertions: neither may be spent twice.
        let identifiers = try requests.map { try claims($0)["jti"] }
        #expect(identifiers[0] != identifiers[1])
        #expect(requests[0].body != requests[1].body)
    }

    @Test("A nonce that is asked for is answered once and remembered")
    func nonceRetry() async throws {
        let contact = try #require(contact)
        let action = try #require(Action("dial"))
        let fixture = try Fixture { index, _, nonce in
            index == 0 ? nonceChallenge(nonce) : .reply(200, headers: [json], body: releaseBody(contact))
        }
        _ = try await fixture.client.release(contact, action: action, token: token)
        _ = try await fixture.client.release(contact, action: action, token: token)
        try await fixture.finish()
        let requests = fixture.server.requests
        #expect(requests.count == 3)
        #expect(try claims(requests[0])["nonce"] == nil)
        #expect(try claims(requests[1])["nonce"] == .string(fixture.nonce))
        #expect(try claims(requests[2])["nonce"] == .string(fixture.nonce))
        #expect(requests[0].values(of: "Request-Id") == requests[1].values(of: "Request-Id"))
        #expect(requests[1].values(of: "Request-Id") != requests[2].values(of: "Request-Id"))
        let ath = Base64URL.encode(SHA256.hash(Array(token.compact.utf8)))
        for request in requests {
            let proof = try claims(request)
            #expect(request.values(of: "Authorization") == ["DPoP " + token.compact])
            #expect(proof["ath"] == .string(ath))
            #expect(proof["htm"] == .string("POST"))
            #expect(proof["htu"] == .string(Fixture.issuer + "/v1/contacts/\(contact)/actions/dial"))
            #expect(request.body.isEmpty)
        }
    }

    @Test("A server that asks for a nonce again and again gets one retry a call, not a loop")
    func nonceLoop() async throws {
        let contact = try #require(contact)
        let action = try #require(Action("dial"))
        let fixture = try Fixture { index, _, _ in nonceChallenge("nonce-\(index)") }
        do {
            _ = try await fixture.client.release(contact, action: action, token: token)
            Issue.record("a challenge is no release")
        } catch {
            #expect(error.problemType == "use-dpop-nonce" && error.status == 401)
        }
        try await fixture.finish()
        #expect(fixture.server.requests.count == 2)
    }

    @Test(
        "A lost connection is repeated under the same request id with a proof of its own, three times at most"
    )
    func connectionLoss() async throws {
        let contact = try #require(contact)
        let action = try #require(Action("dial"))
        let fixture = try Fixture { index, _, _ in
            index < 2 ? .hangUp : .reply(200, headers: [json], body: releaseBody(contact))
        }
        let release = try await fixture.client.release(
            contact, action: action, token: token, requestID: "rq_1")
        try await fixture.finish()
        #expect(release.receipt.index == 41)
        let requests = fixture.server.requests
        #expect(requests.count == 3)
        #expect(requests.allSatisfy { $0.values(of: "Request-Id") == ["rq_1"] })
        #expect(Set(try requests.map { try claims($0)["jti"]?.stringValue }).count == 3)

        let gone = try Fixture { _, _, _ in .hangUp }
        do {
            _ = try await gone.client.release(contact, action: action, token: token)
            Issue.record("nobody answered")
        } catch {
            guard case .connectionLost = error else {
                Issue.record("\(error)")
                return
            }
        }
        try await gone.finish()
        #expect(gone.server.requests.count == 3)
    }

    @Test("A refusal is mapped to its type, and no error text carries what the reply said")
    func refusals() async throws {
        let contact = try #require(contact)
        let action = try #require(Action("dial"))
        let base = "https://contact-vault.example/problems/"
        let cases: [(Int, String, String, Int?)] = [
            (403, base + "release-denied", "release-denied", nil),
            (503, base + "access-log-unavailable", "access-log-unavailable", 2),
            (403, base + "called +8613800138000", "unknown", nil),
            (403, "https://elsewhere.example/release-denied", "unknown", nil),
        ]
        for (status, type, expected, retry) in cases {
            let body =
                "{\"type\":\"\(type)\",\"title\":\"+8613800138000\",\"status\":\(status),\"instance\":\"rq\"}"
            let headers = [problemJSON] + (retry.map { [("Retry-After", String($0))] } ?? [])
            let fixture = try Fixture { _, _, _ in .reply(status, headers: headers, body: body) }
            do {
                _ = try await fixture.client.release(contact, action: action, token: token)
                Issue.record("a refusal is no release")
            } catch {
                #expect(error.status == status)
                #expect(error.problemType == expected)
                if case .refused(let problem) = error { #expect(problem.retryAfterSeconds == retry) }
                #expect(!"\(error)".contains("138"))
            }
            try await fixture.finish()
            #expect(fixture.server.requests.count == 1)
        }
    }

    @Test("An error of the token endpoint is mapped to its OAuth code")
    func tokenRefusal() async throws {
        let contact = try #require(contact)
        let fixture = try Fixture { _, _, _ in
            .reply(401, headers: [json], body: "{\"error\":\"invalid_client\"}")
        }
        do {
            _ = try await fixture.client.token(for: try fixture.details(contact))
            Issue.record("no token was given")
        } catch let error as VaultClientError {
            #expect(error.problemType == "invalid_client" && error.status == 401)
        }
        try await fixture.finish()
    }

    @Test("A reply about another contact or action, or that is none, is not handed on")
    func foreignReplies() async throws {
        let contact = try #require(contact)
        let other = try #require(ContactID(bytes: Array(repeating: 8, count: 16)))
        let action = try #require(Action("dial"))
        let bodies = [
            releaseBody(other), releaseBody(contact, action: "display"), "{}", "<html>+8613800138000",
        ]
        for body in bodies {
            let fixture = try Fixture { _, _, _ in .reply(200, headers: [json], body: body) }
            do {
                _ = try await fixture.client.release(contact, action: action, token: token)
                Issue.record("accepted")
            } catch {
                guard case .replyMalformed(status: 200) = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
            try await fixture.finish()
        }
    }

    @Test("A reply beyond 64 KiB is refused")
    func largeReply() async throws {
        let fixture = try Fixture { _, _, _ in
            .reply(200, headers: [json], body: String(repeating: "x", count: 64 * 1024 + 1))
        }
        do {
            _ = try await fixture.client.send("GET", "/anything")
            Issue.record("accepted")
        } catch {
            guard case .replyTooLarge = error else {
                Issue.record("\(error)")
                return
            }
        }
        try await fixture.finish()
    }

    @Test("A redirect is not followed: credentials stay with the configured address")
    func redirect() async throws {
        let contact = try #require(contact)
        let action = try #require(Action("dial"))
        let trap = try Fixture { _, _, _ in .reply(200, headers: [json], body: releaseBody(contact)) }
        let target = trap.server.endpoint
        let fixture = try Fixture { _, request, _ in
            .reply(307, headers: [("Location", target + request.target)])
        }
        do {
            _ = try await fixture.client.release(contact, action: action, token: token)
            Issue.record("followed")
        } catch { #expect(error.status == 307) }
        try await fixture.finish()
        try await trap.finish()
        #expect(trap.server.requests.isEmpty)
    }

    @Test("What cannot be a path, method or field is not sent")
    func malformedRequests() async throws {
        let fixture = try Fixture { _, _, _ in .reply(200) }
        let attempts: [(String, String, [(String, String)])] = [
            ("GET", "@elsewhere.example/", []), ("GET", "v1", []), ("GET", "/a b", []),
            ("GET", "/a\r\nX: y", []),
            ("GET", "/a#b", []), ("get", "/a", []), ("G T", "/a", []), ("GET", "/a", [("X", "y\r\nZ: w")]),
        ]
        for (method, path, headers) in attempts {
            do {
                _ = try await fixture.client.send(method, path, headers: headers)
                Issue.record("sent \(method) \(path)")
            } catch {
                guard case .requestMalformed = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
        try await fixture.finish()
        #expect(fixture.server.requests.isEmpty)
    }

    @Test(
        "A proof names the path without the query, and the caller's own credentials take the client's place")
    func genericRequests() async throws {
        let fixture = try Fixture { _, _, _ in .reply(200) }
        _ = try await fixture.client.send("GET", "/v1/log/entries?from=3", token: token)
        _ = try await fixture.client.send(
            "GET", "/v1/x", token: token, headers: [("DPoP", "p"), ("Authorization", "a")])
        _ = try await fixture.client.send("POST", "/v1/x", body: [1, 2, 3])
        try await fixture.finish()
        let requests = fixture.server.requests
        #expect(requests[0].target == "/v1/log/entries?from=3")
        #expect(try claims(requests[0])["htu"] == .string(Fixture.issuer + "/v1/log/entries"))
        #expect(requests[1].values(of: "DPoP") == ["p"])
        #expect(requests[1].values(of: "Authorization") == ["a"])
        #expect(requests[2].values(of: "DPoP").isEmpty && requests[2].body == [1, 2, 3])
    }

    @Test("Plain HTTP is for this machine alone")
    func endpoints() throws {
        for good in [
            "https://vault.example", "http://127.0.0.1:8470", "http://127.9.9.9", "http://localhost:1",
            "http://[::1]:8470",
        ] {
            #expect(throws: Never.self) { try SecureEndpoint(good) }
        }
        let bad = [
            "http://vault.example", "http://127.example", "http://127.0.0.1.example:80",
            "http://localhost.example",
            "http://[::2]:80", "http://10.0.0.1", "ftp://127.0.0.1", "http://127.0.0.1/path",
            "http://a@127.0.0.1", "",
        ]
        for endpoint in bad {
            do {
                _ = try SecureEndpoint(endpoint)
                Issue.record("accepted \(endpoint)")
            } catch {
                guard case .endpointNotSecure = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }

    @Test("The issuer must be an origin in normal form: assertions are for exactly that string")
    func issuers() throws {
        let key = PrivateJWK(try SigningKey(generating: .ed25519))
        let id = try #require(Reference("dialer-1"))
        for issuer in [
            "https://vault.example/", "https://Vault.example", "https://vault.example:443", "vault.example",
        ] {
            do {
                _ = try VaultClient(issuer: issuer, client: id, key: key)
                Issue.record("accepted \(issuer)")
            } catch {
                guard case .issuerNotAnOrigin = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
    }

    @Test("A token shows itself in no description or dump")
    func tokenText() {
        var dumped = ""
        dump(token, to: &dumped)
        for text in ["\(token)", String(reflecting: token), dumped] { #expect(!text.contains("aaaa")) }
    }
}

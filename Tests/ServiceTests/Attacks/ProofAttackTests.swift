// Proofs of possession that were good once, or somewhere else, or for somebody else (RFC 9449 §4.3, §8, §11), and requests
// that carry more credentials than one or lie about the host.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultClient
import VaultCrypto
import VaultTesting

extension Attacks {
    @Suite("on proofs")
    struct ProofAttackTests {
        private static func json(_ text: String) -> String { JSONValue.string(text).canonicalText }

        private static let wantsNonce = Refusal(401, "use_dpop_nonce")
        private static let grantWantsNonce = Refusal(400, "use_dpop_nonce", isGrant: true)

        // MARK: Replay

        @Test("a proof is good once: not again, not under the same request id, not after a restart")
        func replay() throws {
            let forge = try TokenForge()
            let token = try forge.token(uses: 1000).compact()
            let proof = try forge.proof(path: forge.releasePath, token: token).compact()
            forge.expectReleased(try forge.release(token, proof: proof, requestID: "same"), "the first time")
            // The budget has 999 uses left, so it is the proof that is refused; a retry needs a fresh one too.
            for requestID in ["same", "another", "same"] {
                forge.expect(
                    try forge.release(token, proof: proof, requestID: requestID), .invalidProof, requestID)
                forge.note(.release, .deny, "proof_replayed")
            }
            // A proof that was refused for another reason, after it verified, is spent as well.
            let other = try forge.token(details: forge.details().with("actions", "[\"send_template\"]"))
                .compact()
            let spent = try forge.proof(path: forge.releasePath, token: other).compact()
            forge.expect(try forge.release(other, proof: spent), .insufficientScope, "another action")
            forge.note(.release, .deny, "insufficient_scope")
            forge.expect(try forge.release(other, proof: spent), .invalidProof, "spent by a refusal")
            forge.note(.release, .deny, "proof_replayed")
            // What an instance remembers, every other and every later one knows.
            #expect(forge.vault.stop() == 0)
            try forge.vault.start()
            forge.expect(try forge.release(token, proof: proof), .invalidProof, "after a restart")
            forge.note(.release, .deny, "proof_replayed")
            forge.expectReleased(try forge.release(token), "a fresh proof for the same token")
            try forge.finish()
        }

        @Test("assertion and proof of a token request are good once, together and each alone")
        func grantReplay() throws {
            let forge = try TokenForge()
            let assertion = try forge.assertion().compact()
            let proof = try forge.message(.grantProof).compact()
            forge.expectGranted(try forge.grant(assertion: assertion, proof: proof), "the first time")
            forge.expect(
                try forge.grant(assertion: assertion, proof: proof), .invalidClient, "both again")
            forge.note(.tokenDeny, .deny, "assertion_replayed")
            forge.expect(try forge.grant(assertion: assertion), .invalidClient, "the assertion again")
            forge.note(.tokenDeny, .deny, "assertion_replayed")
            forge.expect(try forge.grant(proof: proof), MessageKind.grantProof.refusal, "the proof again")
            forge.note(.tokenDeny, .deny, "proof_replayed")
            // Spent also at the other endpoints that take an assertion.
            let token = try forge.token().compact()
            for path in ["/oauth2/introspect", "/oauth2/revoke"] {
                let reply = try forge.send(
                    "POST", path, [("Content-Type", "application/x-www-form-urlencoded")],
                    body: TokenForge.form([
                        ("client_assertion_type", ClientAssertion.assertionType),
                        ("client_assertion", assertion),
                        ("token", token),
                    ]))
                forge.expect(reply, .invalidClient, path)
            }
            forge.note(.tokenIntrospect, .deny, "assertion_replayed")
            forge.note(.tokenRevoke, .deny, "assertion_replayed")
            // A proof for one endpoint is none for another, and carries no token's hash.
            let fresh = try forge.message(.grantProof).compact()
            try forge.refuse(.proof, fresh, "uri", "a grant's proof for a release")
            // The token was not revoked by the replay.
            forge.expectReleased(try forge.release(token), "the token")
            try forge.finish()
        }

        @Test("a proof for another path, method, listener or token is none for this one")
        func elsewhere() throws {
            let forge = try TokenForge { vault in
                try vault.addClient("dialer-2", kind: "gateway", roles: ["collection"])
            }
            let second = try forge.holder("dialer-2")
            let token = try forge.token(uses: 1000).compact()
            func refuse(_ reply: RawReply, _ refusal: Refusal, _ reason: String, _ what: String) {
                forge.expect(reply, refusal, what)
                forge.count(reason)
            }
            // Path: another action, another contact, a prefix, a longer one, the same in another spelling.
            forge.expectReleased(try forge.release(token), "control")
            let unknown = try #require(ContactID(bytes: SystemRandom().bytes(16)))
            for path in [
                "/v1/contacts/\(forge.contact)/actions/display", "/v1/contacts/\(unknown)/actions/dial",
                "/v1/contacts/\(forge.contact)/actions", "/v1/actions/dial", forge.releasePath + "/",
                "/", "", forge.releasePath.uppercased(), "/v1/contacts//\(forge.contact)/actions/dial",
                "/v1/contacts/x/../\(forge.contact)/actions/dial", forge.releasePath + "?x=1",
                forge.releasePath + "#x", forge.releasePath + "%00", forge.releasePath + "?",
            ] {
                let proof = try forge.proof(path: path, token: token).compact()
                refuse(try forge.release(token, proof: proof), .invalidProof, "proof.uri", "htu \(path)")
            }
            // Escapes of unreserved characters are the same path (RFC 3986 §6.2.2.2); the query is no part of it.
            let escaped = forge.releasePath.replacingOccurrences(of: "dial", with: "%64ial")
            forge.expectReleased(
                try forge.release(token, proof: forge.proof(path: escaped, token: token).compact()),
                "escaped htu"
            )
            // Method.
            for method in ["GET", "PUT", "post", "POST ", "", "*"] {
                let proof = try forge.proof(method: method, path: forge.releasePath, token: token).compact()
                refuse(try forge.release(token, proof: proof), .invalidProof, "proof.method", "htm \(method)")
            }
            let stop = try forge.token(
                details: ForgedObject(members: [
                    ("type", "\"contact_management\""), ("actions", "[\"stop\"]"),
                    ("identifier", "\"\(forge.contact)\""),
                ])
            ).compact()
            let stopPath = "/v1/contacts/\(forge.contact)/stop"
            let post = try forge.proof(method: "POST", path: stopPath, token: stop).compact()
            refuse(
                try forge.send("PUT", stopPath, [("Authorization", "DPoP " + stop), ("DPoP", post)]),
                .invalidProof, "proof.method", "a POST proof for a PUT")
            // Token: another of the same client, a twin of the token in another spelling, none at all.
            let other = try forge.token(uses: 1000).compact()
            for (ath, fault) in [
                (Self.json(TokenForge.hash(other)), "access_token_hash"), (nil, "access_token_hash"),
                (Self.json(TokenForge.hash(token) + "="), "access_token_hash"),
                (Self.json(TokenForge.hash("")), "access_token_hash"),
                (Self.json(token), "access_token_hash"),
                (Self.json(Hex.encode(SHA256.hash(Array(token.utf8)))), "access_token_hash"),
            ] {
                let proof = try forge.proof(path: forge.releasePath, token: token).claim("ath", ath).compact()
                refuse(
                    try forge.release(token, proof: proof), .invalidProof, "proof." + fault,
                    "ath \(ath ?? "none")")
            }
            let forGrant = try forge.message(.grantProof).claim("ath", Self.json(TokenForge.hash(token)))
                .compact()
            try forge.refuse(.grantProof, forGrant, "access_token_hash", "ath at the token endpoint")
            // Holder: another registered client with a good proof of its own, and a stranger.
            let theirs = try forge.proof(by: second, path: forge.releasePath, token: token).compact()
            refuse(
                try forge.release(token, proof: theirs), .invalidToken, "token.key_binding",
                "the token of dialer-1 in the hands of dialer-2")
            let stranger = Holder(name: "dialer-1", key: PrivateJWK(try SigningKey(generating: .es256)))
            let strange = try forge.proof(by: stranger, path: forge.releasePath, token: token).compact()
            refuse(
                try forge.release(token, proof: strange), .invalidToken, "token.key_binding",
                "a stranger's key")
            let strangeGrant = try forge.proof(by: stranger, path: TokenForge.tokenPath, token: nil).compact()
            try forge.refuse(.grantProof, strangeGrant, "key_not_registered", "a stranger's key")
            let secondGrant = try forge.proof(by: second, path: TokenForge.tokenPath, token: nil).compact()
            try forge.refuse(.grantProof, secondGrant, "key_not_registered", "another client's key")
            // The assertion of dialer-2 is good; the proof beside it is dialer-1's.
            let mixed = try forge.grant(assertion: forge.assertion(by: second).compact())
            refuse(
                mixed, MessageKind.grantProof.refusal, "proof.key_not_registered",
                "one client's proof for another")
            try forge.finish()
        }

        @Test("a proof that one listener took is a replay on the other")
        func otherListener() throws {
            let forge = try TokenForge()
            let approve = try forge.token(
                details: ForgedObject(members: [
                    ("type", "\"contact_management\""), ("actions", "[\"approve\"]"),
                    ("identifier", "\"\(forge.contact)\""),
                ])
            ).compact()
            let control = try #require(URL(string: forge.vault.addresses.control)?.port)
            for (first, then) in [(forge.vault.port, control), (control, forge.vault.port)] {
                let proof = try forge.proof(method: "GET", path: "/v1/approvals", token: approve).compact()
                let fields = [("Authorization", "DPoP " + approve), ("DPoP", proof)]
                let reply = try forge.send("GET", "/v1/approvals", fields, port: first)
                #expect(reply.status == 200, "\(reply.body)")
                forge.note(.approvalRead, .permit)
                forge.expect(
                    try forge.send("GET", "/v1/approvals", fields, port: then), .invalidProof,
                    "the other listener")
                forge.note(.approvalRead, .deny, "proof_replayed")
            }
            try forge.finish()
        }

        @Test("a proof of a request that was refused for its body cannot be sent again without it")
        func replayAfterBody() throws {
            let forge = try TokenForge()
            let token = try forge.token(uses: 1000).compact()
            forge.expectReleased(try forge.release(token), "control")
            let proof = try forge.proof(path: forge.releasePath, token: token).compact()
            let fields = [("Authorization", "DPoP " + token), ("DPoP", proof)]
            let reply = try forge.send("POST", forge.releasePath, fields, body: "{}")
            forge.expect(reply, Refusal(400, "body_malformed"), "a body that belongs to no release")
            // docs/spec/http-api.md: a request whose credentials are good spends its proof, also when it is refused.
            let again = try forge.send("POST", forge.releasePath, fields)
            let releases = try forge.finish(except: [.release]).filter { $0.entry.kind == .release }
            #expect(again.status == 401)
            #expect(
                releases.map { $0.entry.reason?.text } == [
                    nil, "request_malformed", "proof_replayed", nil,
                ])
        }

        // MARK: Nonce

        @Test(
            "a nonce that is missing, old, another key's or made up is answered with a fresh one that works"
        )
        func nonce() throws {
            let forge = try TokenForge()
            let stranger = PrivateJWK(try SigningKey(generating: .es256))
            let thumbprint = forge.dialer.key.thumbprint
            let now = forge.now
            let present = try forge.nonces.nonce(for: thumbprint, now: now)
            let secret = DPoPNonceAuthority(
                keys: [SharedSecret(SecretBytes(copying: [UInt8](repeating: 7, count: 32)))])
            let wrong: [(String, String?)] = [
                ("missing", nil), ("empty", ""), ("made up", "nonce"),
                // Three periods of 300 s ago is never the previous one, whenever a period ends.
                ("old", try forge.nonces.nonce(for: thumbprint, now: now.adding(seconds: -900))),
                ("of next hour", try forge.nonces.nonce(for: thumbprint, now: now.adding(seconds: 3600))),
                ("of 1970", try forge.nonces.nonce(for: thumbprint, now: Timestamp(seconds: 0))),
                ("another key's", try forge.nonces.nonce(for: stranger.thumbprint, now: now)),
                ("another vault's", try secret.nonce(for: thumbprint, now: now)),
                ("cut", String(present.dropLast())), ("padded", present + "="), ("longer", present + "AAAA"),
                ("with a space", present + " "),
                ("last bit", String(present.dropLast()) + (present.hasSuffix("A") ? "B" : "A")),
            ]
            for kind in [MessageKind.proof, .grantProof] {
                try forge.accept(kind, forge.message(kind).compact())
                for (what, nonce) in wrong {
                    let message = try forge.message(kind).claim("nonce", nonce.map(Self.json))
                    let reply = try forge.present(kind, message.compact())
                    forge.expect(
                        reply, kind.isGrant ? Self.grantWantsNonce : Self.wantsNonce, "\(kind), \(what)")
                    // Not counted: asking is part of the protocol. What was asked for works.
                    let fresh = try #require(reply.field("DPoP-Nonce"), "\(what)")
                    try forge.accept(
                        kind, forge.message(kind).claim("nonce", Self.json(fresh)).compact(),
                        "\(what), then fresh")
                }
                // Only somebody whose proof is good otherwise is given one.
                for (what, message, fault) in [
                    (
                        "signature", try forge.message(kind).signed(by: SigningKey(generating: .es256)),
                        "signature"
                    ),
                    ("uri", try forge.message(kind).claim("htu", "\"https://other.example/\""), "uri"),
                    ("stale", try forge.message(kind).claim("iat", "\(now.seconds - 400)"), "stale"),
                ] {
                    let reply = try forge.present(kind, message.claim("nonce", nil).compact())
                    forge.expect(reply, kind.refusal, "\(kind), \(what) and no nonce")
                    forge.count("proof." + fault)
                    #expect(reply.field("DPoP-Nonce") == nil, "\(what)")
                }
            }
            try forge.finish()
        }

        // MARK: The key in the proof

        @Test("a private or symmetric key, another kind of key, or a damaged one in the proof's jwk")
        func keys() throws {
            let forge = try TokenForge()
            let secret = try #require(try forge.dialer.key.revealJSON().objectValue?["d"]?.canonicalText)
            let key = try #require(forge.dialer.key.publicJWK.json.objectValue)
            let good = ForgedObject(
                members: ["kty", "crv", "x", "y"].compactMap { name in
                    key[name].map { (name, $0.canonicalText) }
                })
            let x = try #require(key["x"]?.stringValue)
            let off = Base64URL.encode(Array([UInt8](repeating: 0, count: 31)) + [1])
            for kind in [MessageKind.proof, .grantProof] {
                try forge.accept(kind, forge.message(kind).compact())
                for (what, jwk, fault) in [
                    ("its own d", good.with("d", secret).text, "key_private"),
                    ("any d", good.with("d", "\"AAAA\"").text, "key_private"),
                    ("d null", good.with("d", "null").text, "key_private"),
                    ("a secret", #"{"kty":"oct","k":"AAAA"}"#, "key_private"),
                    ("an RSA key", #"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "key_malformed"),
                    ("a private RSA key", #"{"kty":"RSA","n":"AQAB","e":"AQAB","p":"AQAB"}"#, "key_private"),
                    ("another curve", good.with("crv", "\"P-384\"").text, "key_malformed"),
                    ("secp256k1", good.with("crv", "\"secp256k1\"").text, "key_malformed"),
                    ("kty in lower case", good.with("kty", "\"ec\"").text, "key_malformed"),
                    ("no y", good.with("y", nil).text, "key_malformed"),
                    ("no x", good.with("x", nil).text, "key_malformed"),
                    ("padding", good.with("x", Self.json(x + "=")).text, "key_malformed"),
                    (
                        "31 bytes",
                        good.with("x", Self.json(Base64URL.encode([UInt8](repeating: 1, count: 31)))).text,
                        "key_malformed"
                    ),
                    (
                        "33 bytes",
                        good.with("x", Self.json(Base64URL.encode([UInt8](repeating: 1, count: 33)))).text,
                        "key_malformed"
                    ),
                    ("alg none", good.with("alg", "\"none\"").text, "key_malformed"),
                    ("alg HS256", good.with("alg", "\"HS256\"").text, "key_malformed"),
                    ("for encryption", good.with("use", "\"enc\"").text, "key_malformed"),
                    ("for signing", good.with("key_ops", "[\"sign\"]").text, "key_malformed"),
                    ("a URL", good.with("x5u", "\"https://other.example\"").text, "key_malformed"),
                    ("a certificate", good.with("x5c", "[\"AAAA\"]").text, "key_malformed"),
                    ("null", "null", "key_malformed"), ("true", "true", "key_malformed"),
                    ("0", "0", "key_malformed"), ("text", Self.json(good.text), "key_malformed"),
                    ("a list", "[\(good.text)]", "key_malformed"), ("{}", "{}", "key_malformed"),
                    ("1.5", "1.5", "json"),
                ] {
                    let message = try forge.message(kind).header("jwk", jwk)
                    try forge.refuse(kind, message.compact(), fault, "jwk with \(what)")
                }
                try forge.refuse(
                    kind, forge.message(kind).header("jwk", nil).compact(), "missing_member", "no jwk")
                // A point off the curve is nobody's key: refused as one that is not the client's.
                let message = try forge.message(kind).header("jwk", good.with("y", Self.json(off)).text)
                if kind == .grantProof {
                    try forge.refuse(kind, message.compact(), "key_not_registered", "off the curve")
                } else {
                    forge.expect(try forge.present(kind, message.compact()), .invalidToken, "off the curve")
                    forge.count("token.key_binding")
                }
            }
            try forge.finish()
        }

        // MARK: Header fields

        @Test("two DPoP fields, none, or a list; two Authorization fields, none, or another scheme")
        func fields() throws {
            let forge = try TokenForge()
            let token = try forge.token(uses: 1000).compact()
            func proof() throws -> String { try forge.proof(path: forge.releasePath, token: token).compact() }
            func send(_ fields: [(String, String)]) throws -> RawReply {
                try forge.send("POST", forge.releasePath, fields)
            }
            let credentials = ("Authorization", "DPoP " + token)
            forge.expectReleased(try send([credentials, ("DPoP", try proof())]), "control")
            forge.expectReleased(
                try send([("authorization", "dpop " + token), ("dpop", try proof())]), "lower case")
            let same = try proof()
            for (what, fields, refusal, reason) in [
                (
                    "two proofs", [("DPoP", try proof()), ("DPoP", try proof())], .invalidProof,
                    "proof.several"
                ),
                ("one proof twice", [("DPoP", same), ("DPoP", same)], .invalidProof, "proof.several"),
                (
                    "a second in other letters", [("DPoP", try proof()), ("dpop", "x")], .invalidProof,
                    "proof.several"
                ),
                ("a second, empty", [("DPoP", try proof()), ("DPoP", "")], .invalidProof, "proof.several"),
                ("a list", [("DPoP", try proof() + ", " + proof())], .invalidProof, "proof.segments"),
                ("a list with one", [("DPoP", try proof() + ",")], .invalidProof, "proof.segments"),
                ("empty", [("DPoP", "")], .invalidProof, "proof.segments"),
                ("none", [], .invalidProof, "proof.absent"),
                ("under another name", [("X-DPoP", try proof())], .invalidProof, "proof.absent"),
                ("with a scheme", [("DPoP", "DPoP " + (try proof()))], .invalidProof, "proof.segments"),
            ] as [(String, [(String, String)], Refusal, String)] {
                forge.expect(try send([credentials] + fields), refusal, what)
                forge.count(reason)
            }
            let other = try forge.token(uses: 1000).compact()
            for (what, fields, refusal, reason) in [
                ("no token", [], Refusal(401, "no_credentials"), "no_credentials"),
                // Accepting a bound token as a bearer's would undo the binding (RFC 9449 §7.2).
                (
                    "bearer", [("Authorization", "Bearer " + token)], Refusal(401, "no_credentials"),
                    "no_credentials"
                ),
                (
                    "basic", [("Authorization", "Basic ZGlhbGVyLTE6eA==")], Refusal(401, "no_credentials"),
                    "no_credentials"
                ),
                ("no scheme", [("Authorization", token)], Refusal(401, "no_credentials"), "no_credentials"),
                ("empty", [("Authorization", "")], Refusal(401, "no_credentials"), "no_credentials"),
                ("scheme alone", [("Authorization", "DPoP")], .invalidToken, "token.absent"),
                (
                    "two tokens", [credentials, ("Authorization", "DPoP " + other)],
                    Refusal(400, "invalid_request"), "request.several"
                ),
                (
                    "one token twice", [credentials, credentials], Refusal(400, "invalid_request"),
                    "request.several"
                ),
                (
                    "and a bearer", [credentials, ("Authorization", "Bearer " + token)],
                    Refusal(400, "invalid_request"), "request.several"
                ),
                (
                    "a list", [("Authorization", "DPoP \(token), DPoP \(other)")], .invalidToken,
                    "token.segments"
                ),
                (
                    "with a parameter", [("Authorization", "DPoP \(token) x=y")], .invalidToken,
                    "token.segments"
                ),
                ("quoted", [("Authorization", "DPoP \"\(token)\"")], .invalidToken, "token.segments"),
            ] as [(String, [(String, String)], Refusal, String)] {
                forge.expect(try send(fields + [("DPoP", try proof())]), refusal, what)
                forge.count(reason)
            }
            // RFC 6750 §2.2, §2.3: a token in the form or the query is none.
            let query = try forge.send(
                "POST", forge.releasePath + "?access_token=" + token, [("DPoP", try proof())])
            forge.expect(query, Refusal(401, "no_credentials"), "a token in the query")
            forge.count("no_credentials")
            // The token endpoint counts its proofs as well.
            let twice = try forge.grant([("DPoP", try forge.message(.grantProof).compact())])
            forge.expect(twice, MessageKind.grantProof.refusal, "two proofs for a grant")
            forge.count("proof.several")
            try forge.finish()
        }

        @Test(
            "Host and its kin decide nothing: a proof for the forged host is refused, one for the vault is taken"
        )
        func host() throws {
            let forge = try TokenForge()
            let forged: [(host: String?, fields: [(String, String)])] = [
                ("evil.example", []), ("evil.example:443", []), ("localhost:\(forge.vault.port)", []),
                ("127.0.0.1", []), ("", []), (nil, [("X-Forwarded-Host", "evil.example")]),
                (nil, [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")]),
                (nil, [("Forwarded", "for=127.0.0.1;host=evil.example;proto=https")]),
                (nil, [("X-Original-Host", "evil.example"), ("X-Original-URL", "/oauth2/token")]),
                (nil, [("X-Forwarded-Prefix", "/evil"), ("X-Rewrite-URL", "/evil")]),
                (nil, [("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Port", "443")]),
                ("evil.example", [("X-Forwarded-Host", "evil.example"), ("Via", "1.1 evil.example")]),
            ]
            let origins = [
                "https://evil.example", "http://evil.example", "http://evil.example:443",
                "http://localhost:\(forge.vault.port)", "http://127.0.0.1", "http://",
                "https://127.0.0.1:\(forge.vault.port)", "http://evil.example/evil", "",
                "http://x@127.0.0.1:\(forge.vault.port)", "http://127.0.0.1:\(forge.vault.port)@evil.example",
                "http://127.0.0.1:\(forge.vault.port).evil.example", "http://0x7f.1:\(forge.vault.port)",
                "//127.0.0.1:\(forge.vault.port)",
            ]
            let token = try forge.presentedToken()
            for (host, fields) in forged {
                let what = "\(host ?? "its own") \(fields)"
                forge.expectReleased(try forge.release(token, fields, host: host), what)
                forge.expectGranted(try forge.grant(fields, host: host), what)
                for origin in origins {
                    let proof = try forge.message(.proof).claim("htu", Self.json(origin + forge.releasePath))
                    forge.expect(
                        try forge.release(token, proof: proof.compact(), fields, host: host), .invalidProof,
                        "\(what), htu of \(origin)")
                    let grant = try forge.message(.grantProof).claim(
                        "htu", Self.json(origin + TokenForge.tokenPath))
                    forge.expect(
                        try forge.grant(proof: grant.compact(), fields, host: host),
                        MessageKind.grantProof.refusal, "\(what), htu of \(origin)")
                    forge.count("proof.uri")
                    forge.count("proof.uri")
                }
            }
            // An assertion for the forged host is for somebody else, whatever Host says.
            let assertion = try forge.assertion().claim("aud", "\"https://evil.example\"").compact()
            forge.expect(
                try forge.grant(assertion: assertion, host: "evil.example"), .invalidClient, "aud of Host")
            forge.count("client.audience")
            // The metadata names the configured origin, so nobody is sent elsewhere.
            for (host, fields) in forged {
                let metadata = try forge.send(
                    "GET", "/.well-known/oauth-authorization-server", fields, host: host)
                #expect(metadata.status == 200)
                #expect(metadata.json?["issuer"]?.stringValue == forge.issuer)
                #expect(metadata.json?["token_endpoint"]?.stringValue == forge.issuer + TokenForge.tokenPath)
                #expect(!metadata.text.contains("evil"))
            }
            // The request line may name a host too (RFC 9112 §3.2.2). It is no path, so no proof is for it.
            let absolute = try forge.send(
                "POST", "http://evil.example" + forge.releasePath,
                [
                    ("Authorization", "DPoP " + token),
                    (
                        "DPoP",
                        try forge.message(.proof).claim(
                            "htu", Self.json("http://evil.example" + forge.releasePath)
                        ).compact()
                    ),
                ])
            forge.expect(absolute, .invalidProof, "a request line of another host")
            forge.count("proof.uri")
            try forge.finish()
        }
    }
}

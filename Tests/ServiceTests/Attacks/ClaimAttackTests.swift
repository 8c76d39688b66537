// Claims and details that are wrong under a signature that is right: the vault's own for access tokens, the client's for what
// clients sign. What a verifier should not rely on is that whoever signs writes sense.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultClient
import VaultCrypto

extension Attacks {
    @Suite("on claims and details")
    struct ClaimAttackTests {
        private static func json(_ text: String) -> String { JSONValue.string(text).canonicalText }

        /// One value of each JSON type that there is; which of them is wrong depends on the claim.
        private static let values = ["null", "true", "0", "1.5", "\"\"", "[]", "{}"]

        // MARK: Every claim

        @Test("a token that this vault might have signed is what it does sign")
        func control() throws {
            let forge = try TokenForge()
            let reply = try forge.grant()
            forge.expectGranted(reply, "a real one")
            let real = try #require(reply.json?["access_token"]?.stringValue)
            let parts = try real.split(separator: ".").map { try #require(Base64URL.decode($0)) }
            let forged = try forge.token()
            let header = try #require(try JSONValue.parse(parts[0]).objectValue)
            #expect(JSONValue.object(header).canonicalText == forged.header.text)
            let claims = try #require(try JSONValue.parse(parts[1]).objectValue)
            #expect(Set(claims.keys) == Set(forged.claims.members.map(\.name)))
            for name in ["aud", "authorization_details", "client_id", "cnf", "iss", "sub"] {
                let written = try JSONValue.parse(Array(forged.claims.json(of: name).utf8))
                #expect(claims[name]?.canonicalText == written.canonicalText, "\(name)")
            }
            forge.expectReleased(try forge.release(real), "the real one")
            for kind in MessageKind.allCases { try forge.accept(kind, forge.message(kind).compact()) }
            try forge.finish()
        }

        @Test("every claim of each message with each wrong JSON type, absent, and with one claim too many")
        func wrongTypes() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                for member in try forge.message(kind).claims.members {
                    for value in Self.values {
                        let compact = try forge.message(kind).claim(member.name, value).compact()
                        switch Self.fault(kind, member.name, value) {
                        case .fault(let fault):
                            try forge.refuse(kind, compact, fault, "\(member.name) \(value)")
                        case .nonceWanted:
                            let reply = try forge.present(kind, compact)
                            forge.expect(
                                reply,
                                kind.isGrant
                                    ? Refusal(400, "use_dpop_nonce", isGrant: true)
                                    : Refusal(401, "use_dpop_nonce"), "\(kind) nonce \(value)")
                            #expect(reply.field("DPoP-Nonce")?.utf8.count == 32)
                        case .good: try forge.accept(kind, compact, "\(member.name) \(value)")
                        }
                    }
                    guard member.name != "nbf" || kind == .accessToken, member.name != "nonce" else {
                        continue
                    }
                    // Without `ath` a proof is for no token.
                    let fault = member.name == "ath" ? "access_token_hash" : "missing_member"
                    try forge.refuse(
                        kind, forge.message(kind).claim(member.name, nil).compact(), fault,
                        "no \(member.name)")
                }
                for name in [
                    "scope", "roles", "act", "may_act", "azp", "log", "log_destination", "Exp", "exp ", "",
                    "client", "tenant", "policy", "htq", "__proto__",
                ] {
                    try forge.refuse(
                        kind, forge.message(kind).claim(name, "\"x\"").compact(), "unknown_member", name)
                }
                for payload in [
                    "null", "true", "0", "\"\"", "[]", "1.5", "", "{", "{}x", "{\"a\":1,}", "NaN",
                ] {
                    var message = try forge.message(kind)
                    let input =
                        Base64URL.encode(Array(message.header.text.utf8)) + "."
                        + Base64URL.encode(Array(payload.utf8))
                    message.claims.members = []
                    let fault =
                        ["null", "true", "0", "\"\"", "[]"].contains(payload) ? "malformed_member" : "json"
                    try forge.refuse(
                        kind, ForgedMessage.signed(input, by: message.key), fault, "payload \(payload)")
                }
            }
            try forge.accept(.assertion, forge.assertion().claim("nbf", nil).compact(), "nbf is optional")
            try forge.finish()
        }

        private enum Expected {
            case fault(String)
            case nonceWanted
            case good
        }

        /// What a claim with a value of this type is: the JSON type decides first, then the value.
        private static func fault(_ kind: MessageKind, _ name: String, _ value: String) -> Expected {
            // A fraction is no number of the JSON that is read here, wherever it stands.
            if value == "1.5" { return .fault("json") }
            switch (kind, name, value) {
            case (_, "aud", _): return .fault("audience")
            case (.accessToken, "iss", "\"\""): return .fault("issuer")
            case (.accessToken, "sub", "\"\""), (.assertion, "iss", "\"\""): return .fault("subject")
            case (.accessToken, "authorization_details", _): return .fault("details")
            case (.accessToken, "cnf", "{}"): return .fault("missing_member")
            case (.accessToken, "iat", "0"), (.accessToken, "nbf", "0"), (.accessToken, "exp", "0"),
                (.assertion, "iat", "0"), (.assertion, "exp", "0"):
                return .fault("lifetime")
            case (.assertion, "nbf", "0"): return .good
            case (_, "iat", "0"): return .fault("stale")
            case (_, "htm", "\"\""): return .fault("method")
            case (_, "htu", "\"\""): return .fault("uri")
            case (.proof, "ath", "\"\""): return .fault("access_token_hash")
            case (_, "nonce", "\"\""): return .nonceWanted
            default: return .fault("malformed_member")
            }
        }

        @Test(
            "every member of the details and of cnf with each wrong JSON type, absent or one too many, in a signed token"
        )
        func wrongTypesInside() throws {
            let forge = try TokenForge()
            try forge.accept(.accessToken, forge.token().compact())
            func refuse(_ details: ForgedObject, _ value: String, _ what: String) throws {
                let fault = value == "1.5" ? "json" : "details"
                try forge.refuse(.accessToken, forge.token(details: details).compact(), fault, what)
            }
            for member in forge.details().members {
                for value in Self.values {
                    try refuse(forge.details().with(member.name, value), value, "\(member.name) \(value)")
                }
                // A list of one where one value belongs, and one value where a list belongs.
                let inner =
                    member.json.hasPrefix("[")
                    ? String(member.json.dropFirst().dropLast()) : "[\(member.json)]"
                try refuse(forge.details().with(member.name, inner), "", "\(member.name) \(inner)")
                guard member.name != "precondition" else { continue }
                try refuse(forge.details().with(member.name, nil), "", "no \(member.name)")
            }
            for value in Self.values {
                for name in ["kind", "id"] {
                    let actor = ForgedObject(members: [("kind", "\"human\""), ("id", "\"u_1\"")]).with(
                        name, value)
                    try refuse(forge.details().with("actor", actor.text), value, "actor.\(name) \(value)")
                }
                try refuse(forge.details().with("actions", "[\(value)]"), value, "actions [\(value)]")
                try refuse(forge.details().with("fields", "[\(value)]"), value, "fields [\(value)]")
                try refuse(forge.details().with("reference", value), value, "reference \(value)")
                try refuse(
                    forge.details().with("identifier", nil).with("identifiers", value), value,
                    "identifiers \(value)")
                try refuse(
                    forge.details().with("identifier", nil).with("identifiers", "[\(value)]"), value,
                    "identifiers [\(value)]")
                try forge.refuse(
                    .accessToken, forge.token().claim("cnf", "{\"jkt\":\(value)}").compact(),
                    value == "1.5" ? "json" : "malformed_member", "cnf.jkt \(value)")
            }
            for name in [
                "scope", "locations", "datatypes", "privileges", "log", "destination", "Max_uses", "form",
            ] {
                try refuse(forge.details().with(name, "\"x\""), "", name)
            }
            // Both ways of naming contacts, two actions, two objects, an object without its list.
            let identifier = forge.details().json(of: "identifier")
            try refuse(forge.details().with("identifiers", "[\(identifier)]"), "", "both")
            try refuse(
                forge.details().with("identifier", nil).with("identifiers", "[\(identifier),\(identifier)]"),
                "",
                "one contact twice")
            try refuse(forge.details().with("actions", "[\"dial\",\"display\"]"), "", "two actions")
            try refuse(forge.details().with("fields", "[\"phone\",\"phone\"]"), "", "one field twice")
            try refuse(forge.details().with("fields", "[\"phone_number\"]"), "", "no such field")
            try refuse(forge.details().with("type", "\"contact_admin\""), "", "no such type")
            let object = forge.details().text
            for list in [
                "[\(object),\(object)]", object, "[[\(object)]]", "[{}]", "[null]", Self.json("[\(object)]"),
            ] {
                try forge.refuse(
                    .accessToken, forge.token().claim("authorization_details", list).compact(), "details",
                    String(list.prefix(20)))
            }
            let thumbprint = forge.dialer.key.thumbprint
            try forge.refuse(
                .accessToken,
                forge.token().claim("cnf", "{\"jkt\":\"\(thumbprint)\",\"x5t#S256\":\"\(thumbprint)\"}")
                    .compact(),
                "malformed_member", "cnf with two bindings")
            for spelling in [
                thumbprint + "=", String(thumbprint.dropLast()), thumbprint + "A", " " + thumbprint,
            ] {
                try forge.refuse(
                    .accessToken, forge.token().claim("cnf", "{\"jkt\":\"\(spelling)\"}").compact(),
                    "malformed_member", "jkt in another spelling")
            }
            try forge.finish()
        }

        @Test("details with each wrong JSON type, twice, absent or one too many are granted to nobody")
        func detailsAsked() throws {
            let forge = try TokenForge()
            forge.expectGranted(try forge.grant(), "control")
            var asked = 0
            func refuse(_ details: String, _ what: String) throws {
                forge.expect(try forge.grant(details: details), .invalidDetails, what)
                asked += 1
            }
            for member in forge.details().members {
                for value in Self.values {
                    try refuse(
                        "[\(forge.details().with(member.name, value).text)]", "\(member.name) \(value)")
                }
                for (value, first) in [(member.json, false), ("1000000", true), ("\"x\"", false)] {
                    let details = forge.details().repeating(member.name, value, first: first)
                    try refuse("[\(details.text)]", "\(member.name) twice")
                }
                guard member.name != "precondition" else { continue }
                try refuse("[\(forge.details().with(member.name, nil).text)]", "no \(member.name)")
            }
            let object = forge.details().text
            for details in [
                "", "null", "0", "\"\"", "{}", "[]", "[null]", "[[]]", "[{}]", object,
                "[\(object),\(object)]",
                "[\(object)", "[\(object)]x", "[[\(object)]]", "[\(object),]", "[\(object)]\u{0}",
                "[" + String(repeating: "[", count: 4000),
                "[\(forge.details().with("scope", "\"all\"").text)]",
                "[\(forge.details().with("log_destination", "\"/tmp/log\"").text)]",
                "[\(forge.details().with("case", Self.json(String(repeating: "c", count: 8000))).text)]",
            ] {
                try refuse(details, String(details.prefix(30)))
            }
            // The client is known by then, so each refusal is its own entry (docs/spec/access-token.md, Getting a token).
            try Self.finish(forge, refused: asked)
        }

        /// Details are read when the client is known by its assertion and its proof, so each refusal is an entry of its own, with
        /// the client's name (docs/spec/access-token.md, Getting a token), and none is counted as nobody's.
        private static func finish(
            _ forge: TokenForge, refused: Int, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let entries = try forge.finish(ignoring: ["details."], except: [.tokenDeny]).map(\.entry)
            let denied = entries.count { $0.kind == .tokenDeny && $0.client?.text == "dialer-1" }
            let counted = entries.count {
                $0.reason?.text.hasPrefix("details.") == true && $0.kind == .unauthenticated
            }
            #expect(denied == refused, sourceLocation: sourceLocation)
            #expect(counted == 0, sourceLocation: sourceLocation)
        }

        // MARK: Audience

        @Test("a list of audiences, another audience, and the token endpoint's URL for an assertion")
        func audiences() throws {
            let forge = try TokenForge()
            let (issuer, audience) = (forge.issuer, forge.issuer + "/v1")
            for kind in [MessageKind.accessToken, .assertion] {
                try forge.accept(kind, forge.message(kind).compact())
                let right = kind == .accessToken ? audience : issuer
                var wrong = [
                    "[\"\(right)\"]", "[\"\(right)\",\"https://other.example\"]",
                    "[\"https://other.example\",\"\(right)\"]", "[]", "[[\"\(right)\"]]",
                    "{\"\(right)\":true}",
                ]
                wrong += [
                    right + "/", right + " ", " " + right, right.uppercased(), right + "?x", right + "#x",
                    "*",
                    "https://other.example", right + ",https://other.example", issuer + "/oauth2/token",
                    issuer + "/oauth2/introspect", "http://localhost:\(forge.vault.port)",
                    "HTTP" + right.dropFirst(4),
                    right.replacingOccurrences(of: "http:", with: "https:"),
                    kind == .accessToken ? issuer : audience,
                    right + "\u{0}", "dialer-1",
                ].map(Self.json)
                for value in wrong {
                    let compact = try forge.message(kind).claim("aud", value).compact()
                    try forge.refuse(kind, compact, "audience", "aud \(value)")
                }
            }
            // The same assertion is for introspection and revocation as well, and so is the same audience.
            let token = try forge.token().compact()
            for path in ["/oauth2/introspect", "/oauth2/revoke"] {
                for value in [issuer + path, issuer + "/oauth2/token", audience] {
                    let assertion = try forge.assertion().claim("aud", Self.json(value)).compact()
                    forge.expect(
                        try Self.ask(forge, path, assertion, token), .invalidClient, "\(path), aud \(value)")
                    forge.count("client.audience")
                }
            }
            for value in ["https://other.example", issuer + "/", "HTTP" + issuer.dropFirst(4)] {
                try forge.refuse(
                    .accessToken, forge.token().claim("iss", Self.json(value)).compact(), "issuer",
                    "iss \(value)"
                )
            }
            for name in ["sub", "client_id"] {
                try forge.refuse(
                    .accessToken, forge.token().claim(name, "\"desk-1\"").compact(), "subject",
                    "\(name) of another")
            }
            for name in ["iss", "sub"] {
                try forge.refuse(
                    .assertion, forge.assertion().claim(name, "\"desk-1\"").compact(), "subject",
                    "\(name) of another")
            }
            // The key is registered for another client than the one that is named.
            let other = try forge.assertion().claim("iss", "\"desk-1\"").claim("sub", "\"desk-1\"")
            try forge.refuse(.assertion, other.compact(), "key_unknown", "another client's name")
            try forge.refuse(
                .assertion, other.header("kid", nil).compact(), "signature", "another client's name, no kid")
            let nobody = try forge.assertion().claim("iss", "\"nobody\"").claim("sub", "\"nobody\"")
            try forge.refuse(.assertion, nobody.compact(), "client_unknown", "nobody's name")
            forge.expect(
                try forge.grant(parameters: [("client_id", "desk-1")]), .invalidClient, "client_id of another"
            )
            forge.count("client.subject")
            try forge.finish()
        }

        private static func ask(
            _ forge: TokenForge, _ path: String, _ assertion: String, _ token: String
        ) throws -> RawReply {
            try forge.send(
                "POST", path, [("Content-Type", "application/x-www-form-urlencoded")],
                body: TokenForge.form([
                    ("client_assertion_type", ClientAssertion.assertionType), ("client_assertion", assertion),
                    ("token", token),
                ]))
        }

        @Test("introspection calls no forged token active, and revocation spends nothing on one")
        func introspection() throws {
            let forge = try TokenForge()
            func active(_ token: String) throws -> Bool? {
                let reply = try Self.ask(
                    forge, "/oauth2/introspect", forge.assertion().compact(), token)
                #expect(reply.status == 200)
                forge.note(.tokenIntrospect, .permit)
                if reply.json?["active"] == .bool(false) { #expect(reply.json?.keys == ["active"]) }
                return reply.json?["active"]?.boolValue
            }
            #expect(try active(forge.token().compact()) == true)
            let good = try forge.token()
            for message in [
                good.header("alg", "\"none\""), good.header("typ", "\"JWT\""), good.header("jku", "\"x\""),
                good.claim("aud", "[\"\(forge.issuer)/v1\"]"), good.claim("exp", "1e400"),
                good.signed(by: forge.dialer.key.key), try forge.token(details: forge.details(uses: 0)),
                try forge.assertion(), try forge.message(.proof),
            ] {
                let compact = try message.compact()
                #expect(try active(compact) == false)
                let reply = try Self.ask(forge, "/oauth2/revoke", forge.assertion().compact(), compact)
                // RFC 7009 §2.2: what is no token is as good as revoked.
                #expect(reply.status == 200 && reply.body.isEmpty)
                forge.note(.tokenRevoke, .permit)
            }
            #expect(try active(good.compact(signature: [])) == false)
            try forge.finish()
        }

        // MARK: Times

        @Test("exp far ahead, in the past, negative, NaN, 1e400, a fraction or a string; times out of order")
        func times() throws {
            let forge = try TokenForge()
            for kind in [MessageKind.accessToken, .assertion] {
                try forge.accept(kind, forge.message(kind).compact())
                let now = forge.now.seconds
                for (value, fault) in [
                    ("\(now + 86_400)", "lifetime"), ("\(now + 31_536_000)", "lifetime"),
                    ("253402300799", "lifetime"), ("\(now - 3600)", "lifetime"), ("0", "lifetime"),
                    ("253402300800", "malformed_member"), ("\(now * 1000)", "malformed_member"),
                    ("9007199254740991", "malformed_member"), ("-1", "malformed_member"),
                    ("-\(now)", "malformed_member"), ("\"\(now + 60)\"", "malformed_member"),
                    ("\"never\"", "malformed_member"), ("\"2099-01-01T00:00:00Z\"", "malformed_member"),
                    ("[\(now + 60)]", "malformed_member"), ("9007199254740992", "json"),
                    ("99999999999999999999", "json"), ("1e400", "json"), ("1E9", "json"), ("-1e400", "json"),
                    ("NaN", "json"), ("Infinity", "json"), ("-Infinity", "json"), ("-0", "json"),
                    ("\(now + 60).0", "json"), ("\(now + 60).5", "json"), ("0\(now + 60)", "json"),
                    ("0x7fffffff", "json"), ("+\(now + 60)", "json"), ("", "json"),
                ] {
                    let compact = try forge.message(kind).claim("exp", value).compact()
                    try forge.refuse(kind, compact, fault, "exp \(value)")
                }
                // In order, but over; begun in the future; nbf in the future.
                let over = try forge.message(kind).claim("iat", "\(now - 200)").claim("nbf", "\(now - 200)")
                    .claim("exp", "\(now - 1)")
                try forge.refuse(kind, over.compact(), "expired", "over")
                let ahead = try forge.message(kind).claim("iat", "\(now + 3600)").claim(
                    "nbf", "\(now + 3600)"
                )
                .claim("exp", "\(now + 3660)")
                try forge.refuse(kind, ahead.compact(), "not_yet_valid", "not begun")
                let waiting = try forge.message(kind).claim("nbf", "\(now + 250)").claim(
                    "exp", "\(now + 290)")
                try forge.refuse(kind, waiting.compact(), "not_yet_valid", "nbf ahead")
                let long = try forge.message(kind).claim("iat", "\(now - 200)").claim("nbf", "\(now - 200)")
                    .claim("exp", "\(now + 101)")
                try forge.refuse(kind, long.compact(), "lifetime", "over 300 s in all")
            }
            for kind in [MessageKind.proof, .grantProof] {
                try forge.accept(kind, forge.message(kind).compact())
                let now = forge.now.seconds
                for (value, fault) in [
                    ("\(now + 600)", "not_yet_valid"), ("\(now + 31_536_000)", "not_yet_valid"),
                    ("253402300799", "not_yet_valid"), ("\(now - 3600)", "stale"), ("\(now - 302)", "stale"),
                    ("0", "stale"), ("\(now * 1000)", "malformed_member"), ("-1", "malformed_member"),
                    ("\"\(now)\"", "malformed_member"), ("1e400", "json"), ("NaN", "json"),
                    ("\(now).0", "json"),
                    ("99999999999999999999", "json"), ("-0", "json"),
                ] {
                    try forge.refuse(
                        kind, forge.message(kind).claim("iat", value).compact(), fault, "iat \(value)")
                }
            }
            try forge.finish()
        }

        // MARK: Uses

        /// What somebody may write for "as often as I like".
        private static let uses: [(value: String, isJSON: Bool)] = [
            ("0", true), ("-1", true), ("-9007199254740991", true), ("1000001", true), ("2147483648", true),
            ("4294967297", true), ("9007199254740991", true), ("\"1\"", true), ("\"5\"", true),
            ("\"unlimited\"", true), ("null", true), ("true", true), ("[]", true), ("[1]", true),
            ("{}", true),
            ("9007199254740992", false), ("18446744073709551617", false), ("1e400", false), ("1e0", false),
            ("1.0", false), ("1.5", false), ("0.5", false), ("-0", false), ("NaN", false),
            ("Infinity", false),
            ("01", false), ("0x1", false), ("", false),
        ]

        @Test(
            "max_uses zero, negative, huge, a fraction or a string: neither granted nor honoured, and never unlimited"
        )
        func maximumUses() throws {
            let forge = try TokenForge()
            forge.expectGranted(try forge.grant(), "control")
            try forge.accept(.accessToken, forge.token().compact())
            var asked = 0
            for (value, isJSON) in Self.uses {
                let details = forge.details().with("max_uses", value)
                forge.expect(
                    try forge.grant(details: "[\(details.text)]"), .invalidDetails, "max_uses \(value)")
                asked += 1
                try forge.refuse(
                    .accessToken, forge.token(details: details).compact(), isJSON ? "details" : "json",
                    "max_uses \(value)")
            }
            // More than the policy grants, though within what a token may hold.
            for uses in [2, 5, 1_000_000] {
                let reply = try forge.grant(details: "[\(forge.details(uses: uses).text)]")
                forge.expect(reply, .invalidDetails, "max_uses \(uses)")
                asked += 1
            }
            try Self.finish(forge, refused: asked)
        }
    }
}

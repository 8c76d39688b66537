// Too much at once: more uses than a token has, messages longer than anything can be, header fields by the thousand. And the one
// thing that nobody may reach over the network: where the log is written.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import PurposePolicy
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

extension Attacks {
    @Suite("on limits and the log")
    struct LimitAttackTests {
        private static func json(_ text: String) -> String { JSONValue.string(text).canonicalText }

        // MARK: At once

        @Test(
            "64 parallel uses of a five-use token give five numbers and five permits; 64 of one proof give one"
        )
        func parallelUses() async throws {
            // No purpose of the starter policies grants five uses for one contact, so this policy does.
            let policy = StarterPolicy.demonstrationPolicy.replacingOccurrences(
                of: "uses: 1}", with: "uses: 5}")
            let forge = try TokenForge(policy: policy)
            let client = try forge.vault.client()
            let dial = try #require(Action("dial"))
            let contact = forge.contact
            let token = try await client.token(for: .release(of: contact, uses: 5))
            let statuses = await Self.parallel {
                try await client.release(contact, action: dial, token: token).fields["phone"]
                    == Invented.phone
                    ? 200 : 0
            }
            #expect(statuses == [200: 5, 401: 59])
            forge.note(.release, .permit, times: 5)
            forge.note(.release, .deny, "token_spent", times: 59)
            await expectRefusal(401, "invalid-token") {
                try await client.release(contact, action: dial, token: token)
            }
            forge.note(.release, .deny, "token_spent")
            // Six are not granted.
            await expectRefusal(400, "invalid_authorization_details") {
                try await client.token(for: .release(of: contact, uses: 6))
            }
            forge.note(.tokenDeny, .deny, "uses_not_allowed")

            // The same for one proof: the token has uses left, the proof has none.
            let other = try await client.token(for: .release(of: contact, uses: 5))
            let path = forge.releasePath
            let proof = try forge.proof(path: path, token: other.compact).compact()
            let replays = await Self.parallel {
                try await client.send("POST", path, token: other, headers: [("DPoP", proof)]).status
            }
            #expect(replays == [200: 1, 401: 63])
            forge.note(.release, .permit)
            forge.note(.release, .deny, "proof_replayed", times: 63)
            try await client.shutdown()

            let releases = try forge.finish().map(\.entry).filter {
                $0.kind == .release && $0.outcome == .permit
            }
            let uses = releases.filter { $0.maximumUses == 5 }.compactMap(\.use)
            #expect(uses.sorted() == [1, 1, 2, 3, 4, 5])
        }

        /// How often each status came of 64 requests at once.
        private static func parallel(
            _ request: @escaping @Sendable () async throws -> Int
        ) async -> [Int: Int] {
            await withTaskGroup(of: Int.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        do { return try await request() } catch let error as VaultClientError {
                            return error.status ?? 0
                        } catch {
                            return -1
                        }
                    }
                }
                return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            }
        }

        // MARK: Too long

        @Test("messages and their jti just within and just beyond their limits")
        func longMessages() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                // White space inside JSON makes a good message of any length.
                func message(of length: Int) throws -> String {
                    var message = try forge.message(kind)
                    let spare = length - (try message.compact().utf8.count)
                    let claims = message.claims.members[0]
                    let spaces = spare / 4 * 3
                    message.claims.members[0] = (
                        claims.name, String(repeating: " ", count: spaces) + claims.json
                    )
                    return try message.compact()
                }
                let fits = try message(of: Limits.tokenBytes - 8)
                #expect((Limits.tokenBytes - 16...Limits.tokenBytes).contains(fits.utf8.count))
                try forge.accept(kind, fits, "\(fits.utf8.count) bytes")
                for length in [Limits.tokenBytes + 16, 10_000, 13_000] {
                    try forge.refuse(kind, message(of: length), "too_large", "\(length) bytes")
                }
                if kind != .accessToken {
                    let longest = Self.json(
                        String(repeating: "j", count: Limits.tokenIdentifierBytes - 4)
                            + kind.testDescription.prefix(4))
                    try forge.accept(kind, forge.message(kind).claim("jti", longest).compact(), "jti of 64")
                }
                for count in [Limits.tokenIdentifierBytes + 1, 5000] {
                    let jti = Self.json(String(repeating: "j", count: count))
                    try forge.refuse(
                        kind, forge.message(kind).claim("jti", jti).compact(), "malformed_member",
                        "jti of \(count)")
                }
                for jti in ["a b", "a\nb", "a\u{0}b", "é", "\u{202E}abc"] {
                    try forge.refuse(
                        kind, forge.message(kind).claim("jti", Self.json(jti)).compact(), "malformed_member",
                        "jti \(jti)")
                }
                // Deep rather than long.
                let deep = String(repeating: "[", count: 4000)
                try forge.refuse(
                    kind, forge.message(kind).claim("deep", deep).compact(), "json", "4000 levels")
                let levels = String(repeating: "[", count: 8) + String(repeating: "]", count: 8)
                try forge.refuse(
                    kind, forge.message(kind).claim("deep", levels).compact(), "json", "8 levels")
            }
            try forge.finish()
        }

        @Test(
            "a megabyte of jti, Authorization or request line, and ten thousand fields: refused, and the service stays up"
        )
        func megabytes() throws {
            let forge = try TokenForge()
            let megabyte = String(repeating: "a", count: 1 << 20)
            let jti = Self.json(megabyte)
            let token = try forge.token().claim("jti", jti).compact()
            let proof = try forge.message(.proof).claim("jti", jti).compact()
            // What the HTTP layer does not take never becomes a request, so there is nothing to count.
            for (what, reply) in [
                ("jti of a token", { try forge.release(token) }),
                ("jti of a proof", { try forge.present(.proof, proof) }),
                ("jti of a grant's proof", { try forge.present(.grantProof, proof) }),
                (
                    "Authorization",
                    { try forge.send("POST", forge.releasePath, [("Authorization", "DPoP " + megabyte)]) }
                ),
                ("DPoP", { try forge.send("POST", forge.releasePath, [("DPoP", megabyte)]) }),
                ("Request-Id", { try forge.send("POST", forge.releasePath, requestID: megabyte) }),
                ("Host", { try forge.send("POST", forge.releasePath, host: megabyte) }),
                ("query", { try forge.send("POST", forge.releasePath + "?" + megabyte) }),
                ("path", { try forge.send("POST", "/" + megabyte) }),
                ("method", { try forge.send(megabyte, "/") }),
                ("a field's name", { try forge.send("POST", forge.releasePath, [(megabyte, "x")]) }),
                (
                    "ten thousand fields",
                    { try forge.send("POST", forge.releasePath, (0..<10_000).map { ("X-\($0)", "1") }) }
                ),
                (
                    "ten thousand proofs",
                    { try forge.send("POST", forge.releasePath, (0..<10_000).map { _ in ("DPoP", "x") }) }
                ),
                (
                    "a thousand tokens",
                    {
                        try forge.send(
                            "POST", forge.releasePath, (0..<1000).map { _ in ("Authorization", "DPoP x") })
                    }
                ),
            ] as [(String, () throws -> RawReply)] {
                let reply = try reply()
                // 0: the service has closed before it read all, and its answer was lost with the connection.
                #expect([0, 400, 414, 431].contains(reply.status), "\(what): \(reply.text.prefix(200))")
                #expect(reply.body.isEmpty, "\(what): \(reply.body.prefix(200))")
                try forge.accept(.accessToken, forge.token().compact(), "after \(what)")
            }
            // Many fields that are short enough to be read: two are too many, and one is as good as none.
            let several = try forge.send(
                "POST", forge.releasePath, (0..<50).map { _ in ("Authorization", "DPoP x") })
            forge.expect(several, Refusal(400, "invalid_request"), "fifty tokens")
            forge.count("request.several")
            let strangers = try forge.send("POST", forge.releasePath, (0..<50).map { ("X-\($0)", "1") })
            forge.expect(strangers, Refusal(401, "no_credentials"), "fifty other fields")
            forge.count("no_credentials")
            try forge.finish()
        }

        @Test(
            "a token request that is too long, has a parameter twice, one too many or none is refused and counted"
        )
        func malformedForms() throws {
            let forge = try TokenForge()
            let megabyte = String(repeating: "a", count: 1 << 20)
            forge.expectGranted(try forge.grant(), "control")
            let long = try forge.assertion().claim("jti", Self.json(megabyte)).compact()
            let replies: [(String, RawReply)] = [
                ("a megabyte of jti", try forge.grant(assertion: long)),
                ("a megabyte of details", try forge.grant(details: "[\(Self.json(megabyte))]")),
                (
                    "ten thousand parameters",
                    try forge.grant(parameters: (0..<10_000).map { ("p\($0)", "x") })
                ),
                ("a parameter too many", try forge.grant(parameters: [("scope", "all")])),
                ("a log's destination", try forge.grant(parameters: [("log_destination", "/tmp/log")])),
                ("grant_type twice", try forge.grant(parameters: [("grant_type", "client_credentials")])),
                ("two details", try forge.grant(parameters: [("authorization_details", "[]")])),
                (
                    "two assertions",
                    try forge.grant(parameters: [("client_assertion", forge.assertion().compact())])
                ),
                ("nothing", try forge.send("POST", TokenForge.tokenPath)),
                (
                    "JSON",
                    try forge.send(
                        "POST", TokenForge.tokenPath, [("Content-Type", "application/json")], body: "{}")
                ),
            ]
            for (what, reply) in replies {
                forge.expect(reply, Refusal(400, "invalid_request", isGrant: true), what)
            }
            // A stranger's body is not looked at: that there are no credentials is seen first.
            let stranger = try forge.send("POST", forge.releasePath, body: String(megabyte.prefix(100_000)))
            let entries = try forge.finish(ignoring: ["request.", "no_credentials"]).map(\.entry)
            let counted = entries.filter { $0.kind == .unauthenticated }.compactMap(\.count).reduce(0, +)
            #expect(stranger.status == 401)
            #expect(counted == UInt64(replies.count) + 1)
        }

        // MARK: The log

        @Test("no route, parameter, body, claim or header field sets where the log is written")
        func logDestination() throws {
            let forge = try TokenForge { vault in
                try vault.addClient("security-1", kind: "service", roles: ["security"])
            }
            let (officer, security) = (try forge.holder("intake-1"), try forge.holder("security-1"))
            let lure = try SilentListener()
            let elsewhere = forge.vault.folder.file("elsewhere")
            let places = [
                elsewhere, "file://" + elsewhere, "http://127.0.0.1:\(lure.port)/log", "/dev/null", "",
            ]
            let control = try #require(URL(string: forge.vault.addresses.control)?.port)
            let configured = try Self.configuration(of: forge.vault)
            let origin = try Self.origin(forge)
            func credentials(
                _ method: String, _ path: String, _ holder: Holder, _ type: String, _ action: String
            ) throws -> [(String, String)] {
                let details = ForgedObject(members: [
                    ("type", Self.json(type)), ("actions", "[\(Self.json(action))]"),
                ])
                let token = try forge.token(for: holder, details: details).compact()
                let proof = try forge.proof(by: holder, method: method, path: path, token: token).compact()
                return [("Authorization", "DPoP " + token), ("DPoP", proof)]
            }

            // Routes: there are none, on either listener, for a stranger or for those who may read the log and set the policy.
            for path in [
                "/v1/log", "/v1/log/", "/v1/log/destination", "/v1/log/sink", "/v1/log/config",
                "/v1/log/exports/destination", "/v1/log/export",
                "/v1/log/checkpoint", "/v1/log/entries", "/v1/logs", "/v1/config", "/v1/configuration",
                "/v1/store",
                "/v1/policy/log", "/operator/log", "/operator/log/destination", "/operator/log/entries",
                "/operator/log/checkpoint", "/operator/config", "/operator/policy", "/operator/clients",
                "/log",
                "/config", "/admin/log", "/debug/log", "/metrics", "/healthz",
            ] {
                for method in ["POST", "PUT", "PATCH", "DELETE"] {
                    for port in [forge.vault.port, control] {
                        for held in [
                            [], try credentials(method, path, officer, "access_log", "read"),
                            try credentials(method, path, security, "key_management", "policy"),
                        ] {
                            let body = #"{"destination":"\#(elsewhere)","log":"\#(elsewhere)"}"#
                            let reply = try forge.send(
                                method, path + "?destination=" + elsewhere,
                                held + [("Content-Type", "application/json")], body: body, port: port)
                            #expect([404, 405].contains(reply.status), "\(method) \(path): \(reply.status)")
                            #expect(!reply.text.contains(elsewhere), "\(method) \(path)")
                        }
                    }
                }
            }
            // Reading the log with parameters that a log could have: it is read as ever.
            for place in places {
                for name in ["destination", "log", "sink", "path", "url", "file", "output"] {
                    let value = TokenForge.form([(name, place)])
                    let checkpoint = try forge.send("GET", "/v1/log/checkpoint?" + value)
                    #expect(checkpoint.status == 200 && checkpoint.body.hasPrefix(origin))
                }
                let value = TokenForge.form([("destination", place), ("log", place)])
                let read = try forge.send(
                    "GET", "/v1/log/entries?from=0&limit=1&" + value,
                    try credentials("GET", "/v1/log/entries", officer, "access_log", "read"))
                #expect(read.status == 200, "\(read.body)")
                // Header fields and the query of a release: released and logged as ever.
                let named = [
                    "X-Log-Destination", "X-Log", "Log-Destination", "X-Audit-Log", "X-Forwarded-Log",
                    "Vault-Log-Index",
                    "Vault-Log", "Traceparent", "Location",
                ].map { ($0, place) }
                let token = try forge.token().compact()
                let proof = try forge.proof(path: forge.releasePath, token: token).compact()
                forge.expectReleased(
                    try forge.send(
                        "POST", forge.releasePath + "?" + value,
                        [("Authorization", "DPoP " + token), ("DPoP", proof)] + named),
                    "release with \(place)")
                // Claims and details.
                for name in ["log", "log_destination", "destination", "audit"] {
                    try forge.refuse(
                        .accessToken, forge.token().claim(name, Self.json(place)).compact(), "unknown_member",
                        name)
                    let details = forge.details().with(name, Self.json(place))
                    try forge.refuse(.accessToken, forge.token(details: details).compact(), "details", name)
                    try forge.refuse(
                        .assertion, forge.assertion().claim(name, Self.json(place)).compact(),
                        "unknown_member",
                        name)
                    try forge.refuse(
                        .proof, forge.message(.proof).claim(name, Self.json(place)).compact(),
                        "unknown_member",
                        name)
                }
            }
            // The policy is what can be handed in over the network, by those who may, and the log is no part of it.
            func hand(_ policy: String, _ members: String = "") throws -> RawReply {
                try forge.send(
                    "POST", "/v1/policy",
                    try credentials("POST", "/v1/policy", security, "key_management", "policy"),
                    body: #"{"calendars":{},"policy":\#(Self.json(policy))\#(members)}"#, port: control)
            }
            let policy = StarterPolicy.demonstrationPolicy
            let same = try hand(policy)
            #expect(same.status == 200 && same.json?["state"]?.stringValue == "unchanged", "\(same.body)")
            for line in [
                "log: \(elsewhere)", "log: {destination: \(elsewhere)}", "destination: \(elsewhere)",
                "audit: none",
            ] {
                let reply = try hand(policy + "\n" + line + "\n")
                #expect(reply.status == 422, "\(reply.body)")
                #expect(
                    reply.json?["type"]?.stringValue?.hasSuffix("/policy-malformed") == true, "\(reply.body)")
            }
            let beside = try hand(policy, #","log":"\#(elsewhere)""#)
            #expect(beside.status == 400, "\(beside.body)")

            // The same log, the same files, and nothing anywhere else.
            #expect(try Self.origin(forge) == origin)
            #expect(!lure.wasCalled)
            let entries = try forge.finish()
            #expect(
                entries.count { $0.entry.kind == .logRead && $0.entry.client?.text == "intake-1" }
                    == places.count
            )
            #expect(entries.map(\.body.index) == Array(0..<UInt64(entries.count)))
            #expect(!FileManager.default.fileExists(atPath: elsewhere))
            #expect(try Self.configuration(of: forge.vault) == configured)
        }

        /// Files of the vault that say how it works, with their contents.
        private static func configuration(of vault: ServedVault) throws -> [String: Data] {
            var files: [String: Data] = [:]
            for name in ["contact-vault.yaml", "policy.yaml", "log.vkey", "keyring", "root.key"] {
                files[name] = try Data(contentsOf: URL(fileURLWithPath: vault.data + "/" + name))
            }
            return files
        }

        /// The name of the log in its newest checkpoint.
        private static func origin(_ forge: TokenForge) throws -> String {
            let checkpoint = try forge.send("GET", "/v1/log/checkpoint")
            #expect(checkpoint.status == 200)
            return String(checkpoint.body.prefix { $0 != "\n" })
        }
    }
}

// Access tokens: every claim wrong in every way, and the memory of verdicts.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Access tokens")
struct TokenVerifierTests {
    @Test("An issued token verifies and says what was issued", arguments: SignatureAlgorithm.allCases)
    func roundTrip(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let issued = try fixture.token()
        let verified = try fixture.tokens.verify(Array(issued.compact.utf8), now: fixture.now)
        #expect(verified.claims == issued.claims)
        #expect(verified.claims.issuedAt.seconds == fixture.now.seconds)
        #expect(verified.tokenHash == SHA256.hash(Array(issued.compact.utf8)))
        #expect(verified.identifierHash == SHA256.hash(Array(issued.claims.identifier.utf8)))
        #expect(verified.identifierHash == issued.identifierHash)
    }

    @Test("A token written member by member, in any order, verifies")
    func handWritten() throws {
        let fixture = try Fixture()
        #expect(try fixture.refusalOfToken() == nil)
        var shuffled = fixture.claims
        shuffled.members.reverse()
        #expect(try fixture.refusalOfToken(claims: shuffled) == nil)
    }

    @Test("Two tokens never share an identifier")
    func identifiers() throws {
        let fixture = try Fixture()
        #expect(try fixture.token().claims.identifier != fixture.token().claims.identifier)
    }

    @Test("A token of another key, with this key's kid or its own, is refused")
    func foreignKey() throws {
        let fixture = try Fixture()
        let foreign = try SigningKey(generating: .es256)
        #expect(try fixture.refusalOfToken(key: foreign) == .invalidToken(.signature))
        let header = fixture.header.with("kid", "\"\(foreign.thumbprint)\"")
        #expect(try fixture.refusalOfToken(header: header, key: foreign) == .invalidToken(.keyUnknown))
    }

    @Test("Another issuer, audience, list of audiences or subject is refused")
    func names() throws {
        let fixture = try Fixture()
        func refused(_ name: String, _ json: String) throws -> TokenError? {
            try fixture.refusalOfToken(claims: fixture.claims.with(name, json))
        }
        for issuer in [
            "https://vault.example/", "https://VAULT.example", "http://vault.example", "",
            "https://vault.example.evil",
        ] {
            #expect(try refused("iss", "\"\(issuer)\"") == .invalidToken(.issuer))
        }
        #expect(try refused("aud", "\"https://vault.example\"") == .invalidToken(.audience))
        #expect(try refused("aud", "[\"\(Fixture.audience)\"]") == .invalidToken(.audience))
        #expect(
            try refused("aud", "[\"\(Fixture.audience)\",\"https://evil.example\"]")
                == .invalidToken(.audience))
        #expect(try refused("aud", "[]") == .invalidToken(.audience))
        #expect(try refused("sub", "\"dialer-2\"") == .invalidToken(.subject))
        #expect(try refused("client_id", "\"dialer-2\"") == .invalidToken(.subject))
        #expect(try refused("client_id", "\"a b\"") == .invalidToken(.malformedMember))
    }

    @Test("Every claim is required, once, and nothing besides")
    func closedClaims() throws {
        let fixture = try Fixture()
        for member in fixture.claims.members {
            #expect(
                try fixture.refusalOfToken(claims: fixture.claims.with(member.name, nil))
                    == .invalidToken(.missingMember), "\(member.name)")
            #expect(
                try fixture.refusalOfToken(claims: fixture.claims.repeating(member.name))
                    == .invalidToken(.json))
        }
        for name in ["scope", "roles", "act", "may_act", "azp", "auth_time", "Exp"] {
            #expect(
                try fixture.refusalOfToken(claims: fixture.claims.with(name, "\"x\""))
                    == .invalidToken(.unknownMember))
        }
    }

    @Test("Every claim with every other JSON type is refused")
    func wrongTypes() throws {
        let fixture = try Fixture()
        let special: [String: TokenFault] = ["aud": .audience, "authorization_details": .details]
        for member in fixture.claims.members {
            for value in ["null", "true", "-1", "{}", "[]", "[1]", "{\"a\":1}"] {
                let fault = try fixture.refusalOfToken(claims: fixture.claims.with(member.name, value))
                let expected = special[member.name] ?? .malformedMember
                // An object in the place of `cnf` is one with an unknown or missing member.
                let object: TokenFault = value == "{}" ? .missingMember : .unknownMember
                let isObject = member.name == "cnf" && value.hasPrefix("{")
                #expect(fault == .invalidToken(isObject ? object : expected), "\(member.name) \(value)")
            }
            for value in ["1.5", "1767225600.0", "1e400", "1E9", "-0", "NaN", "Infinity", "0x10"] {
                #expect(
                    try fixture.refusalOfToken(claims: fixture.claims.with(member.name, value))
                        == .invalidToken(.json), "\(member.name) \(value)")
            }
        }
        for name in ["iat", "nbf", "exp"] {
            for value in ["\"1767225600\"", "253402300800", "9007199254740991", "-9007199254740991"] {
                #expect(
                    try fixture.refusalOfToken(claims: fixture.claims.with(name, value))
                        == .invalidToken(.malformedMember))
            }
        }
    }

    @Test("An end far ahead, before its beginning, or milliseconds taken for seconds is refused")
    func lifetime() throws {
        let fixture = try Fixture()
        for value in ["1767225901", "1798761600", "253402300799", "1767225600", "1767225599", "0"] {
            #expect(
                try fixture.refusalOfToken(claims: fixture.claims.with("exp", value))
                    == .invalidToken(.lifetime))
        }
        #expect(try fixture.refusalOfToken(claims: fixture.claims.with("exp", "1767225900")) == nil)
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("exp", "1767225600000"))
                == .invalidToken(.malformedMember))
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("nbf", "1767225720"))
                == .invalidToken(.lifetime))
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("nbf", "1767225599"))
                == .invalidToken(.lifetime))
    }

    @Test("Only a match may live an hour")
    func matchLifetime() throws {
        let fixture = try Fixture()
        let match = fixture.claims.with("authorization_details", "[\(AuthorizationDetailsTests.match.text)]")
        #expect(try fixture.refusalOfToken(claims: match.with("exp", "1767229200")) == nil)
        #expect(
            try fixture.refusalOfToken(claims: match.with("exp", "1767229201")) == .invalidToken(.lifetime))
    }

    @Test("A token ends at its second, to the millisecond, and begins within the difference of clocks")
    func times() throws {
        let fixture = try Fixture()
        let token = Array(try fixture.token(seconds: 120).compact.utf8)
        func refused(_ milliseconds: Int64) throws -> TokenError? {
            // A fresh verifier and one that remembers must agree.
            let fresh = TokenVerifier(
                issuer: Fixture.issuerURL, audience: Fixture.audience,
                keys: [fixture.issuerKey.verificationKey],
                cacheLimit: 0)
            let now = Timestamp(milliseconds: 1_767_225_600_000 + milliseconds)
            let first = refusal { _ = try fresh.verify(token, now: now) }
            _ = try fixture.tokens.verify(token, now: fixture.now)
            let second = refusal { _ = try fixture.tokens.verify(token, now: now) }
            #expect(first == second)
            return first
        }
        #expect(try refused(119_999) == nil)
        #expect(try refused(120_000) == .invalidToken(.expired))
        #expect(try refused(1 << 40) == .invalidToken(.expired))
        #expect(try refused(-10_000) == nil)
        #expect(try refused(-10_001) == .invalidToken(.notYetValid))
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("nbf", "1767225611"))
                == .invalidToken(.notYetValid))
    }

    @Test("An expired token is refused although its verdict is remembered")
    func expiredFromCache() throws {
        let fixture = try Fixture()
        let token = Array(try fixture.token(seconds: 60).compact.utf8)
        _ = try fixture.tokens.verify(token, now: fixture.now)
        #expect(fixture.tokens.cachedTokens == 1)
        let later = fixture.now.adding(seconds: 60)
        #expect(refusal { _ = try fixture.tokens.verify(token, now: later) } == .invalidToken(.expired))
    }

    @Test("Nothing that was refused is remembered, and what is remembered stays within its bound")
    func cacheBound() throws {
        let fixture = try Fixture()
        let verifier = TokenVerifier(
            issuer: Fixture.issuerURL, audience: Fixture.audience, keys: [fixture.issuerKey.verificationKey],
            cacheLimit: 3)
        let tokens = try (0..<10).map { _ in Array(try fixture.token().compact.utf8) }
        for (index, token) in tokens.enumerated() {
            _ = try verifier.verify(token, now: fixture.now)
            _ = try verifier.verify(token, now: fixture.now)
            #expect(verifier.cachedTokens == min(index + 1, 3))
            var forged = token
            forged[forged.count - 5] ^= 1
            _ = refusal { _ = try verifier.verify(forged, now: fixture.now) }
            #expect(verifier.cachedTokens == min(index + 1, 3))
        }
        for token in tokens { _ = try verifier.verify(token, now: fixture.now) }
        #expect(verifier.cachedTokens == 3)
    }

    @Test("A token with one character changed does not meet the verdict of the good one")
    func cacheIsExact() throws {
        let fixture = try Fixture()
        let token = try fixture.token().compact
        _ = try fixture.tokens.verify(Array(token.utf8), now: fixture.now)
        let parts = token.split(separator: ".")
        let wider = fixture.claims.with("exp", "1767225899").text
        let forged = "\(parts[0]).\(Base64URL.encode(Array(wider.utf8))).\(parts[2])"
        #expect(fixture.refusal(forged) == .invalidToken(.signature))
    }

    @Test("Many threads verify with one verifier")
    func concurrency() async throws {
        let fixture = try Fixture()
        let verifier = TokenVerifier(
            issuer: Fixture.issuerURL, audience: Fixture.audience, keys: [fixture.issuerKey.verificationKey],
            cacheLimit: 4)
        let tokens = try (0..<16).map { _ in Array(try fixture.token().compact.utf8) }
        let now = fixture.now
        let verified = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    tokens.reduce(0) { $0 + ((try? verifier.verify($1, now: now)) != nil ? 1 : 0) }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(verified == 8 * 16)
        #expect(verifier.cachedTokens == 4)
    }

    @Test("The twin of an ES256 signature is the same token: only its text has another hash")
    func malleability() throws {
        let fixture = try Fixture(.es256)
        let token = try fixture.token().compact
        let parts = token.split(separator: ".").map(String.init)
        let signature = try #require(Base64URL.decode(parts[2]))
        let order = try #require(
            Hex.decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"))
        var twin = Array(signature[..<32])
        var difference = [UInt8](repeating: 0, count: 32)
        var borrow = 0
        for index in (0..<32).reversed() {
            let value = Int(order[index]) - Int(signature[32 + index]) - borrow
            difference[index] = UInt8((value + 256) % 256)
            borrow = value < 0 ? 1 : 0
        }
        twin += difference
        let other = "\(parts[0]).\(parts[1]).\(Base64URL.encode(twin))"
        let first = try fixture.tokens.verify(Array(token.utf8), now: fixture.now)
        let second = try fixture.tokens.verify(Array(other.utf8), now: fixture.now)
        #expect(first.tokenHash != second.tokenHash)
        #expect(first.identifierHash == second.identifierHash)
    }

    @Test("An identifier, confirmation or policy version of another form is refused")
    func forms() throws {
        let fixture = try Fixture()
        let bad: [(String, String)] = [
            ("jti", "\"\""), ("jti", "\"AAECAwQFBgcICQoLDA0ODx\""), ("jti", "\"AAECAwQFBgcICQoLDA0ODwAA\""),
            ("jti", "\"\(String(repeating: "A", count: 4000))\""), ("pol", "\"\""), ("pol", "\"p 1\""),
            ("pol", "\"\(String(repeating: "p", count: 65))\""), ("cnf", "{\"jkt\":\"\"}"),
            ("cnf", "{\"jkt\":\"\(String(repeating: "A", count: 42))B\"}"), ("cnf", "{\"jkt\":7}"),
        ]
        for (name, value) in bad {
            #expect(
                try fixture.refusalOfToken(claims: fixture.claims.with(name, value))
                    == .invalidToken(.malformedMember), "\(name) \(value.prefix(30))")
        }
        let thumbprint = fixture.clientKey.thumbprint
        let bindings: [(String, TokenFault)] = [
            ("{\"jkt\":\"\(thumbprint)\",\"x5t#S256\":\"\(thumbprint)\"}", .malformedMember),
            ("{}", .missingMember), ("{\"kid\":\"\(thumbprint)\"}", .unknownMember),
            ("{\"x5t\":\"\(thumbprint)\"}", .unknownMember), ("{\"x5t#S256\":1}", .malformedMember),
            ("{\"x5t#S256\":\"short\"}", .malformedMember),
        ]
        for (binding, fault) in bindings {
            #expect(
                try fixture.refusalOfToken(claims: fixture.claims.with("cnf", binding))
                    == .invalidToken(fault),
                "\(binding)")
        }
        #expect(
            try fixture.refusalOfToken(
                claims: fixture.claims.with("cnf", "{\"jkt\":\"\(thumbprint)\",\"jkt\":\"\(thumbprint)\"}"))
                == .invalidToken(.json))
    }

    @Test("Details that would not be granted are not honoured either")
    func details() throws {
        let fixture = try Fixture()
        let access = Fixture.accessObject
        for object in [
            access.with("max_uses", "0"), access.with("purpose", "\"Relay.message\""), access.with("x", "1"),
            access.with("type", "\"other\""),
        ] {
            #expect(
                try fixture.refusalOfToken(
                    claims: fixture.claims.with("authorization_details", "[\(object.text)]"))
                    == .invalidToken(.details))
        }
        let twice = "[\(access.text),\(access.text)]"
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("authorization_details", twice))
                == .invalidToken(.details))
        let repeated = "[\(access.repeating("max_uses").text)]"
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("authorization_details", repeated))
                == .invalidToken(.json))
    }

    @Test("An issuer does not sign what verifiers refuse")
    func issuerBounds() throws {
        let fixture = try Fixture()
        #expect(refusal { _ = try fixture.token(seconds: 0) } == .invalidRequest(.lifetime))
        #expect(refusal { _ = try fixture.token(seconds: 301) } == .invalidRequest(.lifetime))
        let match = AuthorizationDetails.numberMatch(
            try NumberMatchDetails(
                actor: Actor(kind: .ivr, id: try #require(Reference("u_1"))), maximumUses: 1000))
        #expect(refusal { _ = try fixture.token(match, seconds: 3600) } == nil)
        #expect(refusal { _ = try fixture.token(match, seconds: 3601) } == .invalidRequest(.lifetime))
        #expect(
            refusal {
                _ = try fixture.issuer.issue(
                    to: fixture.client.id, details: match, confirmation: .proofKey("short"),
                    policyVersion: "p1",
                    seconds: 60,
                    now: fixture.now, random: SystemRandom())
            } == .invalidRequest(.malformedMember))
        let other = TokenIssuer(
            issuer: "https://other.example", audience: Fixture.audience, key: fixture.issuerKey)
        let claims = try fixture.token().claims
        #expect(refusal { _ = try other.issue(claims) } == .invalidRequest(.issuer))
    }
}

// Tokens of another authorization server: accepted in its own form, for nothing but what the vault's own are for, and only
// under its own keys.

import ContactModel
import StrictEncoding
import Synchronization
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Trusted issuers")
struct TrustedIssuerTests {
    static let issuerURL = "https://idp.example/tenant"
    private let fixture: Fixture
    private let theirKey: SigningKey
    private let name: Reference

    init() throws {
        fixture = try Fixture()
        theirKey = try SigningKey(generating: .es256)
        name = try #require(Reference("idp"))
    }

    /// What such a server writes: its own claims among ours, under other names.
    private var claims: RawObject {
        fixture.claims.with("pol", nil).with("client_id", nil).with("iss", "\"\(Self.issuerURL)\"")
            .with("jti", "\"onrtro:8d0f6c0e-6d3c-4b71\"").with("sub", "\"service-account-7\"")
            .with("azp", "\"dialer-1\"").with("scope", "\"profile\"").with("acr", "\"1\"")
    }

    private var header: RawObject {
        RawObject(members: [("typ", "\"at+jwt\""), ("alg", "\"ES256\""), ("kid", "\"2026/11 main\"")])
    }

    private func keySet(_ keys: [(String, SigningKey)]) -> [UInt8] {
        let list = keys.map { name, key -> JSONValue in
            var object = PublicJWK(key.verificationKey).json.objectValue ?? JSONObject()
            object["kid"] = .string(name)
            object["x5c"] = .array([.string("MII")])
            return .object(object)
        }
        return JSONValue.object(JSONObject([("keys", .array(list))])).canonicalBytes
    }

    private func verifier(_ keys: TrustedKeys? = nil) throws -> TokenVerifier {
        TokenVerifier(
            issuer: Fixture.issuerURL, audience: Fixture.audience, keys: [fixture.issuerKey.verificationKey],
            trusted: [
                TrustedIssuer(
                    name: name, issuer: Self.issuerURL, clientClaim: "azp",
                    keys: try keys ?? TrustedKeys(keySet: keySet([("2026/11 main", theirKey)])))
            ])
    }

    private func token(
        _ claims: RawObject? = nil, header: RawObject? = nil, key: SigningKey? = nil
    ) throws -> [UInt8] {
        Array(
            try forge(
                header: (header ?? self.header).text, payload: (claims ?? self.claims).text,
                key: key ?? theirKey
            ).utf8)
    }

    private func fault(_ token: [UInt8], _ verifier: TokenVerifier? = nil) throws -> TokenError? {
        let verifier = try verifier ?? self.verifier()
        return refusal { _ = try verifier.verify(token, now: fixture.now) }
    }

    @Test("Its token is read as its own, and named by issuer and jti")
    func accepted() throws {
        let verified = try verifier().verify(token(), now: fixture.now)
        #expect(verified.trustedIssuer == name)
        #expect(verified.claims.client == fixture.client.id)
        #expect(verified.claims.issuer == Self.issuerURL)
        #expect(verified.keyID == theirKey.thumbprint)
        #expect(verified.claims.details == (try Fixture.details()))
        #expect(
            verified.claims.identifier
                == Base64URL.encode(
                    SHA256.hash(Array("\(Self.issuerURL)\u{0}onrtro:8d0f6c0e-6d3c-4b71".utf8))[..<16]))
        // The vault's own go on as before.
        let own = try verifier().verify(Array(fixture.token().compact.utf8), now: fixture.now)
        #expect(own.trustedIssuer == nil)
    }

    @Test("Without configuration nobody but the vault is an issuer")
    func offByDefault() throws {
        #expect(
            refusal { _ = try fixture.tokens.verify(token(), now: fixture.now) } == .invalidToken(.keyUnknown)
        )
    }

    @Test("An audience list of exactly this one is as good as the string; of two it is not")
    func audiences() throws {
        let own = "\"\(Fixture.audience)\""
        #expect(try fault(token(claims.with("aud", "[\(own)]"))) == nil)
        for audience in ["[\(own),\(own)]", "[\(own),\"account\"]", "[]", "\"account\"", "{}", "null"] {
            #expect(try fault(token(claims.with("aud", audience))) == .invalidToken(.audience), "\(audience)")
        }
    }

    @Test("What decides must be there: binding, client, times, details, jti")
    func required() throws {
        for claim in ["cnf", "azp", "iat", "exp", "jti"] {
            #expect(try fault(token(claims.with(claim, nil))) == .invalidToken(.missingMember), "\(claim)")
        }
        #expect(try fault(token(claims.with("authorization_details", nil))) == .invalidToken(.details))
        #expect(try fault(token(claims.with("exp", "1767229200"))) == .invalidToken(.lifetime))
        #expect(try fault(token(claims.with("azp", "\"a client\""))) == .invalidToken(.malformedMember))
        #expect(try fault(token(claims.with("cnf", "{\"jkt\":\"x\"}"))) == .invalidToken(.malformedMember))
        #expect(
            try fault(token(claims.with("jti", "\"\(String(repeating: "j", count: 257))\"")))
                == .invalidToken(.malformedMember))
    }

    @Test("Neither issuer's key signs for the other")
    func keysStayApart() throws {
        // Our key under their name and under ours.
        #expect(try fault(token(key: fixture.issuerKey)) == .invalidToken(.signature))
        #expect(
            try fault(
                token(
                    header: header.with("kid", "\"\(fixture.issuerKey.thumbprint)\""), key: fixture.issuerKey)
            )
                == .invalidToken(.keyUnknown))
        // Their key for a token that says it is ours.
        #expect(try fault(token(fixture.claims)) == .invalidToken(.keyUnknown))
        #expect(
            try fault(token(fixture.claims, header: header.with("kid", "\"\(theirKey.thumbprint)\"")))
                == .invalidToken(.keyUnknown))
        // An issuer that is nearly theirs is nobody.
        for issuer in [Self.issuerURL + "/", Self.issuerURL.uppercased(), "https://idp.example"] {
            #expect(
                try fault(token(claims.with("iss", "\"\(issuer)\""))) == .invalidToken(.keyUnknown),
                "\(issuer)")
        }
    }

    @Test("An ID token, another type, is not an access token")
    func otherTypes() throws {
        for type in ["JWT", "id+jwt", "dpop+jwt", "AT+JWT"] {
            #expect(
                try fault(token(header: header.with("typ", "\"\(type)\""))) == .invalidToken(.type), "\(type)"
            )
        }
        #expect(try fault(token(header: header.with("typ", nil))) == .invalidToken(.missingMember))
    }

    @Test("A key set needs kid and alg; foreign kinds are left out, private parts and doubles refuse it")
    func keySets() throws {
        func parsed(_ text: String) -> Result<Int, JWKFault> {
            do throws(JWKFault) {
                return .success(try TrustedKeys.keySet(parsing: Array(text.utf8)).count)
            } catch {
                return .failure(error)
            }
        }
        let numbers = try #require(PublicJWK(theirKey.verificationKey).json.objectValue)
        let point =
            "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\(numbers["x"]!.stringValue!)\",\"y\":\"\(numbers["y"]!.stringValue!)\""
        let good = "{\(point),\"kid\":\"a\",\"alg\":\"ES256\",\"use\":\"sig\",\"exp\":1}"
        #expect(parsed("{\"keys\":[\(good)]}") == .success(1))
        let foreign =
            "{\"kty\":\"RSA\",\"kid\":\"r\",\"alg\":\"RS256\",\"n\":\"AQ\",\"e\":\"AQAB\"},"
            + "{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"p\",\"alg\":\"ES384\",\"x\":\"AA\",\"y\":\"AA\"},"
            + "{\(point),\"kid\":\"e\",\"alg\":\"ES256\",\"use\":\"enc\"}"
        #expect(parsed("{\"keys\":[\(foreign),\(good)]}") == .success(1))
        #expect(parsed("{\"keys\":[\(foreign)]}") == .failure(.missingMember))
        #expect(parsed("{\"keys\":[{\(point),\"kid\":\"a\"}]}") == .failure(.missingMember), "no alg")
        #expect(parsed("{\"keys\":[{\(point),\"alg\":\"ES256\"}]}") == .failure(.missingMember), "no kid")
        #expect(parsed("{\"keys\":[\(good),\(good)]}") == .failure(.malformedMember), "one name, two keys")
        #expect(
            parsed("{\"keys\":[{\(point),\"kid\":\"a\",\"alg\":\"ES256\",\"d\":\"AA\"}]}")
                == .failure(.privateKey))
        #expect(
            parsed("{\"keys\":[{\(point),\"kid\":\"a\",\"alg\":\"HS256\"}]}") == .failure(.wrongAlgorithm))
        for text in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[]}"] {
            #expect(parsed(text) != .success(0), "\(text)")
        }
    }

    @Test("Keys are fetched once a minute at most, and a key that is taken away takes its tokens with it")
    func refreshing() async throws {
        let source = KeySource(keySet([("2026/11 main", theirKey)]))
        let keys = TrustedKeys { try await source.fetch() }
        let verifier = try verifier(keys)
        let token = try token()
        let now = fixture.now
        #expect(try fault(token, verifier) == .invalidToken(.keyUnknown))
        #expect(await keys.refresh(now: now))
        #expect(try fault(token, verifier) == nil)
        #expect(await !keys.refresh(now: now.adding(seconds: 59)), "within the minute")
        #expect(source.count == 1)
        #expect(await !keys.refresh(now: now.adding(seconds: 60)), "the same keys")
        #expect(source.count == 2)

        // What cannot be had or read changes nothing.
        for answer in [nil, [], Array("{\"keys\":[]}".utf8), [UInt8](repeating: 0x20, count: 256 * 1024 + 1)]
        {
            source.answer.withLock { $0 = answer }
            let moment = now.adding(seconds: 60 * Int64(source.count + 1))
            #expect(await !keys.refresh(now: moment))
            #expect(try fault(token, verifier) == nil)
        }
        // Old keys are to be fetched again, and too old ones verify nothing.
        #expect(!keys.isOld(at: now.adding(seconds: 359)))
        #expect(keys.isOld(at: now.adding(seconds: 360)))
        let last = now.adding(seconds: 60 + 3599)
        #expect(keys.holds(thumbprint: theirKey.thumbprint, at: last))
        #expect(keys.key(named: "2026/11 main", at: last) != nil)
        #expect(keys.key(named: "2026/11 main", at: last.adding(seconds: 1)) == nil)
        #expect(!keys.holds(thumbprint: theirKey.thumbprint, at: last.adding(seconds: 1)))
        let renewed = keySet([("2027", try SigningKey(generating: .ed25519))])
        source.answer.withLock { $0 = renewed }
        #expect(await keys.refresh(now: now.adding(seconds: 3600)))
        // It had been verified before, and is remembered; not any more.
        #expect(try fault(token, verifier) == .invalidToken(.keyUnknown))
    }
}

/// Answers as it is told to, and counts.
private final class KeySource: Sendable {
    struct Unreachable: Error {}
    let answer: Mutex<[UInt8]?>
    private let asked = Mutex(0)

    init(_ answer: [UInt8]) { self.answer = Mutex(answer) }

    var count: Int { asked.withLock { $0 } }

    func fetch() async throws -> [UInt8] {
        asked.withLock { $0 += 1 }
        guard let answer = answer.withLock({ $0 }) else { throw Unreachable() }
        return answer
    }
}

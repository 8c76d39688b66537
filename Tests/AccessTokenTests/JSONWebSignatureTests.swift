// Signed messages taken apart: the known attacks on JWT headers, segments and signatures.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Compact JSON Web Signatures")
struct JSONWebSignatureTests {
    func fault(
        _ token: String, required: Set<HeaderParameter> = [.type], optional: Set<HeaderParameter> = [.keyID]
    ) -> TokenFault? {
        do {
            _ = try CompactJWS(parsing: Array(token.utf8), required: required, optional: optional)
            return nil
        } catch {
            return error
        }
    }

    @Test("RFC 8037 A.4: the Ed25519 example verifies, and its old algorithm name is not accepted")
    func edwardsExample() throws {
        let token =
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
            + "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        let key = try PublicJWK(
            parsing: try json(
                #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#))
        let parts = token.split(separator: ".")
        let signature = try #require(Base64URL.decode(parts[2]))
        let input = Array((parts[0] + "." + parts[1]).utf8)
        #expect(key.key.isValid(signature: signature, for: input))
        #expect(fault(token, required: [], optional: []) == .algorithm)

        // The same bytes under the name of RFC 9864 parse, and then belong to another signature.
        let renamed = "\(Base64URL.encode(Array(#"{"alg":"Ed25519"}"#.utf8))).\(parts[1]).\(parts[2])"
        let jws = try CompactJWS(parsing: Array(renamed.utf8), required: [])
        #expect(jws.payload == Array("Example of Ed25519 signing".utf8))
        #expect(!jws.isSigned(by: key.key))
    }

    @Test(
        "What was signed verifies, with that key and algorithm only", arguments: SignatureAlgorithm.allCases)
    func roundTrip(algorithm: SignatureAlgorithm) throws {
        let key = try SigningKey(generating: algorithm)
        let payload = JSONValue.object(JSONObject([("a", .integer(1))]))
        let token = try CompactJWS.sign(type: "t", keyID: key.thumbprint, payload: payload, key: key)
        let jws = try CompactJWS(parsing: Array(token.utf8), required: [.type, .keyID])
        #expect(jws.type == "t" && jws.keyID == key.thumbprint && jws.algorithm == algorithm)
        #expect(jws.isSigned(by: key.verificationKey))
        for other in SignatureAlgorithm.allCases {
            #expect(!jws.isSigned(by: try SigningKey(generating: other).verificationKey))
        }
    }

    @Test(
        "Algorithms of choice: none in any case, MACs, RSA, old names",
        arguments: [
            "none", "None", "NONE", "nOnE", "", "HS256", "HS512", "RS256", "PS256", "ES384", "ES256K",
            "EdDSA",
            "Ed448", "es256", "ES256 ", "ed25519",
        ])
    func algorithms(name: String) throws {
        let fixture = try Fixture()
        let header = fixture.header.with("alg", "\"\(name)\"")
        #expect(try fixture.refusalOfToken(header: header) == .invalidToken(.algorithm))
        // Unsigned, as the attack on `none` has it.
        let unsigned =
            Base64URL.encode(Array(header.text.utf8)) + "."
            + Base64URL.encode(Array(fixture.claims.text.utf8)) + "."
        #expect(fixture.refusal(unsigned) == .invalidToken(.algorithm))
    }

    @Test(
        "HS256 with the public key's bytes as the secret is refused", arguments: SignatureAlgorithm.allCases)
    func macWithPublicKey(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let secret = SecretBytes(copying: fixture.issuerKey.verificationKey.rawRepresentation)
        for name in ["HS256", algorithm.rawValue] {
            let header = fixture.header.with("alg", "\"\(name)\"")
            let input =
                Base64URL.encode(Array(header.text.utf8)) + "."
                + Base64URL.encode(Array(fixture.claims.text.utf8))
            let code = try HMACSHA256.authenticate(Array(input.utf8), key: secret)
            let refused = fixture.refusal(input + "." + Base64URL.encode(code))
            let doubled = fixture.refusal(input + "." + Base64URL.encode(code + code))
            #expect(refused == .invalidToken(name == "HS256" ? .algorithm : .signature))
            #expect(doubled == .invalidToken(name == "HS256" ? .algorithm : .signature))
        }
    }

    @Test(
        "The other algorithm's name over a key is refused, both ways", arguments: SignatureAlgorithm.allCases)
    func algorithmOfAnotherKey(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let other: SignatureAlgorithm = algorithm == .es256 ? .ed25519 : .es256
        let header = fixture.header.with("alg", "\"\(other.rawValue)\"")
        #expect(try fixture.refusalOfToken(header: header) == .invalidToken(.algorithm))
        let foreign = try SigningKey(generating: other)
        #expect(try fixture.refusalOfToken(header: header, key: foreign) == .invalidToken(.algorithm))
    }

    @Test(
        "Header parameters that choose something are refused",
        arguments: [
            ("jwk", dpopExampleKey), ("jku", "\"https://evil.example/keys\""),
            ("x5u", "\"https://evil.example/c\""),
            ("x5c", "[\"AAAA\"]"), ("x5t", "\"AAAA\""), ("crit", "[\"b64\"]"), ("b64", "false"),
            ("zip", "\"DEF\""),
            ("enc", "\"A256GCM\""), ("cty", "\"JWT\""), ("KID", "\"x\""), ("", "1"),
        ])
    func headerParameters(name: String, value: String) throws {
        let fixture = try Fixture()
        #expect(
            try fixture.refusalOfToken(header: fixture.header.with(name, value))
                == .invalidToken(.unknownMember))
    }

    @Test("Header parameters twice, missing or of another JSON type are refused")
    func malformedHeader() throws {
        let fixture = try Fixture()
        for name in ["typ", "alg", "kid"] {
            let header = fixture.header
            #expect(try fixture.refusalOfToken(header: header.repeating(name)) == .invalidToken(.json))
            #expect(
                try fixture.refusalOfToken(header: header.with(name, nil)) == .invalidToken(.missingMember))
            for value in ["null", "1", "true", "[]", "{}", "[\"ES256\"]"] {
                #expect(
                    try fixture.refusalOfToken(header: header.with(name, value))
                        == .invalidToken(.malformedMember),
                    "\(name) \(value)")
            }
        }
        // An escaped spelling of the same key is the same key.
        let escaped = fixture.header.text.dropLast() + #","\u0061lg":"none"}"#
        let token = try forge(
            header: String(escaped), payload: fixture.claims.text, key: fixture.issuerKey)
        #expect(fixture.refusal(token) == .invalidToken(.json))
        for text in ["", "1", "[]", "null", "{", "\u{FEFF}{}", "{} {}"] {
            let token = try forge(header: text, payload: fixture.claims.text, key: fixture.issuerKey)
            #expect(fixture.refusal(token) != nil, "\(text)")
        }
    }

    @Test(
        "A kid is looked up exactly, whatever it tries to name",
        arguments: [
            "../../../../dev/null", "/proc/self/environ", "' OR 1=1 --", "https://evil.example/key.pem", "",
            "*",
            "../keys/0", "0", "\\u0000", "${jndi:ldap://evil.example/a}",
        ])
    func keyIdentifiers(kid: String) throws {
        let fixture = try Fixture()
        #expect(
            try fixture.refusalOfToken(header: fixture.header.with("kid", "\"\(kid)\""))
                == .invalidToken(.keyUnknown))
    }

    @Test("A near miss of the kid is no key")
    func nearMissKeyIdentifier() throws {
        let fixture = try Fixture()
        let kid = fixture.issuerKey.thumbprint
        for name in [kid.lowercased(), kid + "=", " " + kid, String(kid.dropLast()), kid + "\\n"] {
            #expect(
                try fixture.refusalOfToken(header: fixture.header.with("kid", "\"\(name)\""))
                    == .invalidToken(.keyUnknown))
        }
    }

    @Test("Anything but three strict segments is refused")
    func segments() throws {
        let fixture = try Fixture()
        let token = try fixture.token().compact
        let parts = token.split(separator: ".").map(String.init)
        let broken = [
            "", ".", "..", "...", parts[0], parts[0] + "." + parts[1], token + ".", "." + token,
            token + "." + parts[2], token + ".." + parts[2], parts.joined(separator: "..") + "..",
            [parts[0], "", "", "", parts[2]].joined(separator: "."), "\(parts[0]). \(parts[1]).\(parts[2])",
            token + "\n", " " + token, "\(parts[0])=.\(parts[1]).\(parts[2])", "\(token)=", "\(token)==",
            token.replacing("_", with: "/") + "+/", "." + parts[1] + "." + parts[2],
        ]
        for text in broken {
            #expect(fixture.refusal(text) == .invalidToken(.segments), "\(text.prefix(12))…")
        }
        #expect(fixture.refusal(parts[0] + "." + parts[1] + ".") == .invalidToken(.signature))
        #expect(fixture.refusal(parts[0] + ".." + parts[2]) == .invalidToken(.signature))
    }

    @Test("A second spelling of the last character is refused")
    func trailingBits() throws {
        let fixture = try Fixture()
        let token = try fixture.token().compact
        // 64 bytes end in a character of which only two bits count.
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let last = try #require(token.last)
        let value = try #require(alphabet.firstIndex(of: last))
        #expect(value % 16 == 0)
        for bits in 1..<16 {
            #expect(
                fixture.refusal(token.dropLast() + String(alphabet[value + bits])) == .invalidToken(.segments)
            )
        }
    }

    @Test("Signatures of 0, 63, 65 and 72 bytes, zeros, and DER are refused")
    func signatures() throws {
        let fixture = try Fixture()
        let token = try fixture.token().compact
        let parts = token.split(separator: ".").map(String.init)
        let good = try #require(Base64URL.decode(parts[2]))
        let r = Array(good[..<32])
        let s = Array(good[32...])
        let zero = [UInt8](repeating: 0, count: 32)
        // The group order n of P-256: r and s must be below it.
        let order = try #require(
            Hex.decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"))
        func integer(_ bytes: [UInt8]) -> [UInt8] {
            let body = bytes[0] >= 0x80 ? [0] + bytes : bytes
            return [2, UInt8(body.count)] + body
        }
        let der = integer(r) + integer(s)
        let wrongLength = [
            Array(good.dropLast()), good + [0], [0] + good, Array(good[..<32]),
            [0x30, UInt8(der.count)] + der,
        ]
        for signature in wrongLength {
            let text = "\(parts[0]).\(parts[1]).\(Base64URL.encode(signature))"
            #expect(fixture.refusal(text) == .invalidToken(.signature))
        }
        for signature in [zero + s, r + zero, zero + zero, order + s, r + order, s + r, order + order] {
            let text = "\(parts[0]).\(parts[1]).\(Base64URL.encode(signature))"
            #expect(fixture.refusal(text) == .invalidToken(.signature))
        }
        #expect(fixture.refusal(token) == nil)
    }

    @Test("A megabyte is refused before it is looked at")
    func size() throws {
        let fixture = try Fixture()
        let long = "\"" + String(repeating: "A", count: 1 << 20) + "\""
        #expect(
            try fixture.refusalOfToken(claims: fixture.claims.with("jti", long)) == .invalidToken(.tooLarge))
        #expect(fixture.refusal(String(repeating: ".", count: 1 << 20)) == .invalidToken(.tooLarge))
        #expect(
            fixture.refusal(String(repeating: "A", count: Limits.tokenBytes)) == .invalidToken(.segments))
        #expect(
            fixture.refusal(String(repeating: "A", count: Limits.tokenBytes + 1)) == .invalidToken(.tooLarge))
    }

    @Test("Every bit flip and every truncation of a token is refused", arguments: SignatureAlgorithm.allCases)
    func everyFlip(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let token = Array(try fixture.token().compact.utf8)
        for length in 0..<token.count {
            #expect(
                refusal { _ = try fixture.tokens.verify(Array(token[..<length]), now: fixture.now) } != nil)
        }
        for index in token.indices {
            for bit in 0..<8 {
                var flipped = token
                flipped[index] ^= 1 << UInt8(bit)
                #expect(
                    refusal { _ = try fixture.tokens.verify(flipped, now: fixture.now) } != nil,
                    "byte \(index) bit \(bit)")
            }
        }
    }
}

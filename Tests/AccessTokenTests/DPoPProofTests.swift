// Proofs of possession and their nonces: the RFC 9449 examples, and proofs made for something else.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("DPoP proofs")
struct DPoPProofTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    static let exampleHeader =
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik"
        + "VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR"
        + "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE"
        + "QSIsImNydiI6IlAtMjU2In19"
    /// RFC 9449 §4.1, figure 1.
    static let exampleTokenRequest =
        exampleHeader + ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj"
        + "oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia"
        + "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg"
        + "4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    /// RFC 9449 §7.1, figure 12.
    static let exampleResourceRequest =
        exampleHeader + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj"
        + "oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z"
        + "WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF"
        + "c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E"
        + "OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    static let exampleThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

    func verifier(_ origin: String) throws -> DPoPVerifier {
        DPoPVerifier(origin: try #require(ExternalOrigin(origin)), nonces: fixture.nonces)
    }

    func fault(_ body: () throws(TokenFault) -> Void) -> TokenFault? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test("RFC 9449 §4.1: the token request's proof passes every check but the nonce it lacks")
    func exampleToken() throws {
        let verifier = try verifier("https://server.example.com")
        let key = try PublicJWK(parsing: try json(dpopExampleKey))
        let client = try Fixture.client(keys: [key])
        let now = Timestamp(seconds: 1_562_262_616)
        let proof = try verifier.check(
            Array(Self.exampleTokenRequest.utf8), method: "POST", path: "/token", binding: .client([key]),
            now: now)
        #expect(proof.verified.thumbprint == Self.exampleThumbprint)
        #expect(
            proof.verified.replayKey
                == SHA256.hash(Array("\(Self.exampleThumbprint)\u{0}-BwC3ESc6acc2lTc".utf8)))
        let nonce = try fixture.nonces.nonce(for: Self.exampleThumbprint, now: now)
        #expect(
            refusal {
                _ = try verifier.verify(
                    headerValues: [Self.exampleTokenRequest], method: "POST", path: "/token",
                    binding: .client(client), now: now)
            } == .useDPoPNonce(nonce))
    }

    @Test("RFC 9449 §7.1: the resource request's proof fits the example's token and no other")
    func exampleResource() throws {
        let verifier = try verifier("https://resource.example.org")
        let key = try PublicJWK(parsing: try json(dpopExampleKey))
        let hash = SHA256.hash(Array("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".utf8))
        #expect(Base64URL.encode(hash) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")
        let bytes = Array(Self.exampleResourceRequest.utf8)
        let now = Timestamp(seconds: 1_562_262_618)
        func check(
            hash: [UInt8], thumbprint: String = Self.exampleThumbprint, method: String = "GET",
            path: String = "/protectedresource", now: Timestamp = now
        ) -> TokenFault? {
            fault { () throws(TokenFault) in
                _ = try verifier.check(
                    bytes, method: method, path: path, binding: .token(hash: hash, thumbprint: thumbprint),
                    now: now)
            }
        }
        #expect(check(hash: hash) == nil)
        #expect(check(hash: SHA256.hash([1])) == .accessTokenHash)
        #expect(check(hash: hash, thumbprint: fixture.clientKey.thumbprint) == .keyBinding)
        #expect(check(hash: hash, method: "POST") == .method)
        #expect(check(hash: hash, path: "/protectedResource") == .uri)
        #expect(check(hash: hash, now: now.adding(seconds: 300)) == nil)
        #expect(check(hash: hash, now: Timestamp(milliseconds: now.milliseconds + 300_001)) == .stale)
        #expect(check(hash: hash, now: now.adding(seconds: -10)) == nil)
        #expect(check(hash: hash, now: Timestamp(milliseconds: now.milliseconds - 10_001)) == .notYetValid)
        #expect(
            fault { () throws(TokenFault) in
                _ = try verifier.check(
                    bytes, method: "GET", path: "/protectedresource",
                    binding: .client([key]), now: now)
            } == .accessTokenHash)
    }

    // MARK: Proofs of the fixture's client at the token endpoint

    var header: RawObject {
        let key = fixture.clientKey.key.verificationKey.coordinates.requiredMembers.canonicalText
        return RawObject(members: [("typ", "\"dpop+jwt\""), ("alg", "\"ES256\""), ("jwk", key)])
    }

    func claims() throws -> RawObject {
        RawObject(members: [
            ("jti", "\"p-1\""), ("htm", "\"POST\""), ("htu", "\"https://vault.example/oauth2/token\""),
            ("iat", "1767225600"), ("nonce", "\"\(try fixture.nonce())\""),
        ])
    }

    func refused(
        header: RawObject? = nil, claims: RawObject? = nil, key: SigningKey? = nil
    ) throws -> TokenError? {
        let proof = try forge(
            header: (header ?? self.header).text, payload: (claims ?? self.claims()).text,
            key: key ?? fixture.clientKey.key)
        return refused([proof])
    }

    func refused(_ headers: [String]) -> TokenError? {
        refusal {
            _ = try fixture.proofs.verify(
                headerValues: headers, method: "POST", path: Fixture.tokenPath,
                binding: .client(fixture.client),
                now: fixture.now)
        }
    }

    func make(nonce: String?, key: PrivateJWK? = nil) throws -> String {
        try DPoPProof.make(
            method: "POST", url: "https://vault.example/oauth2/token", nonce: nonce, accessToken: nil,
            key: key ?? fixture.clientKey, identifier: "p-1", now: fixture.now)
    }

    @Test("What a client makes verifies", arguments: SignatureAlgorithm.allCases)
    func roundTrip(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let proof = try DPoPProof.make(
            method: "POST", url: "https://vault.example/oauth2/token", nonce: try fixture.nonce(),
            accessToken: nil,
            key: fixture.clientKey, identifier: "p-1", now: fixture.now)
        let verified = try fixture.proofs.verify(
            headerValues: [proof], method: "POST", path: Fixture.tokenPath, binding: .client(fixture.client),
            now: fixture.now)
        #expect(verified.thumbprint == fixture.clientKey.thumbprint)
        #expect(verified.issuedAt.seconds == fixture.now.seconds)
        #expect(verified.replayKeyExpires > verified.issuedAt.adding(seconds: Limits.proofSeconds))
    }

    @Test("No proof, two proofs, two in one line, and a megabyte are refused")
    func oneProof() throws {
        let proof = try make(nonce: try fixture.nonce())
        #expect(refused([proof]) == nil)
        #expect(refused([]) == .invalidDPoPProof(.absent))
        #expect(refused([proof, proof]) == .invalidDPoPProof(.several))
        #expect(refused(["\(proof), \(proof)"]) == .invalidDPoPProof(.segments))
        #expect(refused([proof + " "]) == .invalidDPoPProof(.segments))
        #expect(refused([""]) == .invalidDPoPProof(.segments))
        #expect(refused([String(repeating: "A", count: 1 << 20)]) == .invalidDPoPProof(.tooLarge))
    }

    @Test("A proof with a private or symmetric key in it is refused as such", arguments: ["d", "k", "p"])
    func privateKey(member: String) throws {
        guard case .object(var object) = fixture.clientKey.key.verificationKey.coordinates.requiredMembers
        else {
            return
        }
        object[member] = .string("AAAA")
        let jwk = JSONValue.object(object).canonicalText
        #expect(try refused(header: header.with("jwk", jwk)) == .invalidDPoPProof(.keyPrivate))
    }

    @Test("Keys that are none are refused")
    func malformedKeys() throws {
        for jwk in [
            "null", "1", "\"x\"", "[]", "{}", "{\"kty\":\"EC\"}",
            "{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQ\"}",
        ] {
            #expect(try refused(header: header.with("jwk", jwk)) == .invalidDPoPProof(.keyMalformed))
        }
        #expect(try refused(header: header.with("jwk", nil)) == .invalidDPoPProof(.missingMember))
        #expect(
            try refused(header: header.with("jwk", #"{"kty":"oct","k":"AAAA"}"#))
                == .invalidDPoPProof(.keyPrivate))
    }

    @Test("A stranger's key, however good its signature, is not registered")
    func strangersKey() throws {
        let stranger = PrivateJWK(try SigningKey(generating: .es256))
        let proof = try make(
            nonce: try fixture.nonces.nonce(for: stranger.thumbprint, now: fixture.now), key: stranger)
        #expect(refused([proof]) == .invalidDPoPProof(.keyNotRegistered))
        // The client's key in the header, the stranger's signature.
        #expect(try refused(key: stranger.key) == .invalidDPoPProof(.signature))
    }

    @Test("Algorithms: none, a MAC, and the other kind of key, both ways")
    func algorithms() throws {
        for name in ["none", "NONE", "HS256", "RS256", "EdDSA", "Ed25519"] {
            #expect(try refused(header: header.with("alg", "\"\(name)\"")) == .invalidDPoPProof(.algorithm))
        }
        let edwards = try Fixture(.ed25519)
        let jwk = edwards.clientKey.key.verificationKey.coordinates.requiredMembers.canonicalText
        #expect(
            try refused(header: header.with("jwk", jwk), key: edwards.clientKey.key)
                == .invalidDPoPProof(.algorithm))
    }

    @Test(
        "typ is exactly dpop+jwt",
        arguments: ["at+jwt", "JWT", "DPOP+JWT", "application/dpop+jwt", "dpop+jwt ", ""])
    func types(type: String) throws {
        #expect(try refused(header: header.with("typ", "\"\(type)\"")) == .invalidDPoPProof(.type))
    }

    @Test("The header has typ, alg and jwk, and no more")
    func closedHeader() throws {
        for name in ["kid", "jku", "x5u", "x5c", "crit", "b64", "zip"] {
            #expect(try refused(header: header.with(name, "\"x\"")) == .invalidDPoPProof(.unknownMember))
        }
        for name in ["typ", "alg", "jwk"] {
            #expect(try refused(header: header.repeating(name)) == .invalidDPoPProof(.json))
        }
        #expect(try refused(header: header.with("typ", nil)) == .invalidDPoPProof(.missingMember))
    }

    @Test("Every claim once, all required, none besides, each of its type")
    func closedClaims() throws {
        let claims = try claims()
        #expect(try refused(claims: claims) == nil)
        for member in claims.members {
            #expect(try refused(claims: claims.repeating(member.name)) == .invalidDPoPProof(.json))
            if member.name != "nonce" {
                #expect(
                    try refused(claims: claims.with(member.name, nil)) == .invalidDPoPProof(.missingMember))
            }
            for value in ["null", "true", "-1", "[]", "{}"] {
                #expect(
                    try refused(claims: claims.with(member.name, value))
                        == .invalidDPoPProof(.malformedMember),
                    "\(member.name) \(value)")
            }
            for value in ["1.5", "1e400"] {
                #expect(try refused(claims: claims.with(member.name, value)) == .invalidDPoPProof(.json))
            }
        }
        #expect(
            try refused(claims: claims.with("iat", "\"1767225600\"")) == .invalidDPoPProof(.malformedMember))
        #expect(try refused(claims: claims.with("exp", "1767225700")) == .invalidDPoPProof(.unknownMember))
        for value in ["", "a b", String(repeating: "j", count: 65)] {
            #expect(
                try refused(claims: claims.with("jti", "\"\(value)\"")) == .invalidDPoPProof(.malformedMember)
            )
        }
        let megabyte = "\"" + String(repeating: "j", count: 1 << 20) + "\""
        #expect(try refused(claims: claims.with("jti", megabyte)) == .invalidDPoPProof(.tooLarge))
    }

    @Test("A proof for another method is refused", arguments: ["GET", "post", "POST ", "", "*"])
    func methods(method: String) throws {
        #expect(try refused(claims: try claims().with("htm", "\"\(method)\"")) == .invalidDPoPProof(.method))
    }

    @Test(
        "A proof for another URI is refused",
        arguments: [
            "https://evil.example/oauth2/token", "http://vault.example/oauth2/token",
            "https://vault.example/",
            "https://vault.example/oauth2/token/", "https://vault.example/oauth2/Token",
            "https://vault.example:8443/oauth2/token", "https://vault.example/oauth2/token?a=b",
            "https://vault.example/oauth2/token#f", "https://vault.example/x/../oauth2/token",
            "https://vault.example/%2e/oauth2/token", "https://user@vault.example/oauth2/token",
            "https://vault.example@evil.example/oauth2/token", "https://vault.example/oauth2%2Ftoken",
            "/oauth2/token",
            "vault.example/oauth2/token", "", "https://vault.example\\u0000/oauth2/token",
            "https:/vault.example/oauth2/token",
            "https://vault.example./oauth2/token", "https://vault.example/oauth2/tok%zz",
            "https://[::1]/oauth2/token",
        ])
    func otherURIs(uri: String) throws {
        #expect(try refused(claims: try claims().with("htu", "\"\(uri)\"")) == .invalidDPoPProof(.uri))
    }

    @Test(
        "Spellings of the same URI (RFC 3986 §6.2.2, §6.2.3) are the same",
        arguments: [
            "HTTPS://VAULT.Example/oauth2/token", "https://vault.example:443/oauth2/token",
            "https://vault.example:/oauth2/token", "https://vault.example/%6fauth2/%74oken",
            "https://vault.example/oauth2/t%6Fken",
        ])
    func sameURIs(uri: String) throws {
        #expect(try refused(claims: try claims().with("htu", "\"\(uri)\"")) == nil)
    }

    @Test(
        "A request line with dot segments is refused even if the proof says the same",
        arguments: ["/oauth2/../token", "/./oauth2/token", "/oauth2/%2e%2E/token", "/oauth2/..", "/oauth2/."])
    func dotSegments(path: String) throws {
        let proof = try forge(
            header: header.text, payload: try claims().with("htu", "\"https://vault.example\(path)\"").text,
            key: fixture.clientKey.key)
        let refused = refusal {
            _ = try fixture.proofs.verify(
                headerValues: [proof], method: "POST", path: path, binding: .client(fixture.client),
                now: fixture.now)
        }
        #expect(refused == .invalidDPoPProof(.uri))
    }

    @Test("An access token's hash at the token endpoint is refused")
    func needlessHash() throws {
        let hash = Base64URL.encode(SHA256.hash([1]))
        #expect(
            try refused(claims: try claims().with("ath", "\"\(hash)\""))
                == .invalidDPoPProof(.accessTokenHash))
    }

    @Test("A missing, old, foreign or broken nonce is answered with a fresh one that then works")
    func nonces() throws {
        let fresh = try fixture.nonce()
        let other = PrivateJWK(try SigningKey(generating: .es256))
        let stale = [
            nil, "", "x",
            try fixture.nonces.nonce(
                for: fixture.clientKey.thumbprint, now: fixture.now.adding(seconds: -600)),
            try fixture.nonces.nonce(
                for: fixture.clientKey.thumbprint, now: fixture.now.adding(seconds: 300)),
            try fixture.nonces.nonce(for: other.thumbprint, now: fixture.now), String(fresh.dropLast()),
            fresh + "=",
            String(repeating: "A", count: 32),
        ]
        for nonce in stale { #expect(refused([try make(nonce: nonce)]) == .useDPoPNonce(fresh)) }
        #expect(refused([try make(nonce: fresh)]) == nil)
    }

    @Test("No nonce for a proof that is bad otherwise")
    func nonceOnlyForGoodProofs() throws {
        let claims = try claims().with("nonce", nil)
        #expect(try refused(claims: claims.with("htm", "\"GET\"")) == .invalidDPoPProof(.method))
        #expect(
            try refused(claims: claims, key: try SigningKey(generating: .es256))
                == .invalidDPoPProof(.signature))
    }

    @Test("A client does not make what the service refuses")
    func makeBounds() {
        func made(url: String, identifier: String) -> TokenError? {
            refusal {
                _ = try DPoPProof.make(
                    method: "GET", url: url, nonce: nil, accessToken: nil, key: fixture.clientKey,
                    identifier: identifier, now: fixture.now)
            }
        }
        #expect(made(url: "https://vault.example/a?b", identifier: "x") == .invalidRequest(.uri))
        #expect(made(url: "https://vault.example/a", identifier: "") == .invalidRequest(.malformedMember))
        #expect(made(url: "https://vault.example/a", identifier: "x") == nil)
    }

    @Test("Every bit flip and every truncation of a proof is refused")
    func everyFlip() throws {
        let proof = Array(try make(nonce: try fixture.nonce()).utf8)
        for length in 0..<proof.count {
            #expect(refused([String(decoding: proof[..<length], as: UTF8.self)]) != nil)
        }
        for index in proof.indices {
            for bit in 0..<7 {
                var flipped = proof
                flipped[index] ^= 1 << UInt8(bit)
                #expect(
                    refused([String(decoding: flipped, as: UTF8.self)]) != nil, "byte \(index) bit \(bit)")
            }
        }
    }
}

@Suite("DPoP nonces")
struct DPoPNonceTests {
    let authority = DPoPNonceAuthority(keys: [
        SharedSecret(SecretBytes(copying: [UInt8](repeating: 0x0B, count: 32)))
    ])
    let thumbprint = DPoPProofTests.exampleThumbprint
    let now = Timestamp(seconds: 1_767_225_600)

    @Test("The formula, byte by byte")
    func formula() throws {
        let bucket = UInt64(1_767_225_600 / 300)
        let number = (0..<8).map { UInt8(truncatingIfNeeded: bucket >> UInt64(8 * (7 - $0))) }
        let message = Array("dpop-nonce".utf8) + number + Array(thumbprint.utf8)
        let code = try HMACSHA256.authenticate(
            message, key: SecretBytes(copying: [UInt8](repeating: 0x0B, count: 32)))
        #expect(try authority.nonce(for: thumbprint, now: now) == Base64URL.encode(number + code[..<16]))
        #expect(try authority.nonce(for: thumbprint, now: now).utf8.count == 32)
    }

    @Test("Another instance with the same key agrees, one with another key does not")
    func instances() throws {
        let same = DPoPNonceAuthority(keys: [
            SharedSecret(SecretBytes(copying: [UInt8](repeating: 0x0B, count: 32)))
        ])
        let other = DPoPNonceAuthority(keys: [
            SharedSecret(SecretBytes(copying: [UInt8](repeating: 0x0C, count: 32)))
        ])
        let nonce = try authority.nonce(for: thumbprint, now: now)
        #expect(try same.isValid(nonce, for: thumbprint, now: now))
        #expect(try !other.isValid(nonce, for: thumbprint, now: now))
        #expect(try !same.isValid(nonce, for: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", now: now))
    }

    @Test(
        "While the key is replaced the new one makes nonces, and those of the old one stay good until it goes"
    )
    func rotation() throws {
        func key(_ byte: UInt8) -> SharedSecret {
            SharedSecret(SecretBytes(copying: [UInt8](repeating: byte, count: 32)))
        }
        let old = try authority.nonce(for: thumbprint, now: now)
        let both = DPoPNonceAuthority(keys: [key(0x0C), key(0x0B)])
        let new = try both.nonce(for: thumbprint, now: now)
        #expect(new != old)
        #expect(
            try both.isValid(old, for: thumbprint, now: now) && both.isValid(new, for: thumbprint, now: now))
        let alone = DPoPNonceAuthority(keys: [key(0x0C)])
        #expect(try !alone.isValid(old, for: thumbprint, now: now))
        #expect(try alone.isValid(new, for: thumbprint, now: now))
        #expect(throws: TokenError.unavailable) { () throws in
            _ = try DPoPNonceAuthority(keys: []).nonce(for: thumbprint, now: now)
        }
    }

    @Test("Good in its own bucket and the next, not before and not after")
    func buckets() throws {
        let nonce = try authority.nonce(for: thumbprint, now: now)
        for (milliseconds, isGood) in [
            (0, true), (299_999, true), (300_000, true), (599_999, true), (600_000, false), (-1, false),
        ] {
            let then = Timestamp(milliseconds: now.milliseconds + Int64(milliseconds))
            #expect(try authority.isValid(nonce, for: thumbprint, now: then) == isGood, "\(milliseconds)")
        }
        let first = try authority.nonce(for: thumbprint, now: Timestamp(seconds: 0))
        #expect(try authority.isValid(first, for: thumbprint, now: Timestamp(seconds: 0)))
    }

    @Test("Every bit flip is refused")
    func flips() throws {
        let bytes = try #require(Base64URL.decode(try authority.nonce(for: thumbprint, now: now)))
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                #expect(try !authority.isValid(Base64URL.encode(flipped), for: thumbprint, now: now))
            }
        }
    }
}

@Suite("The external origin")
struct ExternalOriginTests {
    @Test("Normal forms")
    func normalForms() {
        #expect(ExternalOrigin("https://vault.example")?.text == "https://vault.example")
        #expect(ExternalOrigin("HTTPS://Vault.Example:443/")?.text == "https://vault.example")
        #expect(ExternalOrigin("http://127.0.0.1:8080")?.text == "http://127.0.0.1:8080")
        #expect(ExternalOrigin("http://127.0.0.1:080")?.text == "http://127.0.0.1")
        #expect(ExternalOrigin("http://[::1]:8443")?.text == "http://[::1]:8443")
        #expect(ExternalOrigin("https://[2001:DB8::1]")?.text == "https://[2001:db8::1]")
    }

    @Test(
        "What is no origin",
        arguments: [
            "", "vault.example", "https://", "https:///x", "https://vault.example/v1",
            "https://vault.example?x",
            "https://u:p@vault.example", "ftp://vault.example", "https://vault.example:0",
            "https://vault.example:65536",
            "https://vault.example:x", "https://vault example", "https://[::1", "https://[]", "https://::1",
            "https://välut.example", "https://vault.example\r\n", "javascript://x",
        ])
    func refused(text: String) { #expect(ExternalOrigin(text) == nil) }
}

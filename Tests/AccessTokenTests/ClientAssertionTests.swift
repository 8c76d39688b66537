// Client authentication: an assertion is good for one client, one issuer, a short time.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Client assertions")
struct ClientAssertionTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    var header: RawObject {
        RawObject(members: [
            ("typ", "\"client-authentication+jwt\""), ("alg", "\"ES256\""),
            ("kid", "\"\(fixture.clientKey.thumbprint)\""),
        ])
    }

    var claims: RawObject {
        RawObject(members: [
            ("iss", "\"dialer-1\""), ("sub", "\"dialer-1\""), ("aud", "\"\(Fixture.issuerURL)\""),
            ("iat", "1767225600"), ("exp", "1767225660"), ("jti", "\"a-1\""),
        ])
    }

    func refused(
        header: RawObject? = nil, claims: RawObject? = nil, key: SigningKey? = nil,
        client: RegisteredClient? = nil,
        now: Timestamp? = nil
    ) throws -> TokenError? {
        let assertion = try forge(
            header: (header ?? self.header).text, payload: (claims ?? self.claims).text,
            key: key ?? fixture.clientKey.key)
        return refusal {
            let parsed = try ClientAssertion(parsing: Array(assertion.utf8))
            _ = try parsed.verify(
                client: client ?? fixture.client, issuer: Fixture.issuerURL, now: now ?? fixture.now)
        }
    }

    @Test("What a client makes verifies", arguments: SignatureAlgorithm.allCases)
    func roundTrip(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let assertion = Array(
            try ClientAssertion.make(
                client: fixture.client.id, issuer: Fixture.issuerURL, key: fixture.clientKey,
                identifier: "one",
                now: fixture.now
            ).utf8)
        #expect(try ClientAssertion.peekClientID(assertion) == fixture.client.id)
        let verified = try ClientAssertion(parsing: assertion).verify(
            client: fixture.client, issuer: Fixture.issuerURL, now: fixture.now)
        #expect(verified.client == fixture.client.id)
        #expect(verified.replayKey == SHA256.hash(Array("dialer-1\u{0}one".utf8)))
        #expect(verified.replayKeyExpires > fixture.now.adding(seconds: 59))
    }

    @Test("The typ of libraries is accepted, that of tokens and proofs is not")
    func types() throws {
        #expect(try refused() == nil)
        #expect(try refused(header: header.with("typ", "\"JWT\"")) == nil)
        #expect(try refused(header: header.with("typ", nil)) == nil)
        for type in ["at+jwt", "dpop+jwt", "application/at+jwt", "jwt", "", "secevent+jwt", "logout+jwt"] {
            #expect(try refused(header: header.with("typ", "\"\(type)\"")) == .invalidClient(.type))
        }
    }

    @Test("A kid must name a registered key; without one there must be only one key")
    func keyIdentifiers() throws {
        let second = PrivateJWK(try SigningKey(generating: .es256))
        let both = try Fixture.client(keys: [fixture.clientKey.publicJWK, second.publicJWK])
        #expect(try refused(header: header.with("kid", nil)) == nil)
        #expect(try refused(header: header.with("kid", nil), client: both) == .invalidClient(.keyUnknown))
        #expect(try refused(client: both) == nil)
        #expect(
            try refused(header: header.with("kid", "\"\(second.thumbprint)\"")) == .invalidClient(.keyUnknown)
        )
        #expect(
            try refused(header: header.with("kid", "\"\(second.thumbprint)\""), client: both)
                == .invalidClient(.signature))
        #expect(try refused(header: header.with("kid", "\"../client.pem\"")) == .invalidClient(.keyUnknown))
        let none = try Fixture.client(keys: [])
        #expect(try refused(header: header.with("kid", nil), client: none) == .invalidClient(.keyUnknown))
    }

    @Test("Another key's signature, another algorithm, or a key in the header is refused")
    func signatures() throws {
        #expect(try refused(key: try SigningKey(generating: .es256)) == .invalidClient(.signature))
        #expect(try refused(header: header.with("alg", "\"none\"")) == .invalidClient(.algorithm))
        #expect(try refused(header: header.with("alg", "\"HS256\"")) == .invalidClient(.algorithm))
        #expect(try refused(header: header.with("alg", "\"Ed25519\"")) == .invalidClient(.algorithm))
        #expect(try refused(header: header.with("jwk", dpopExampleKey)) == .invalidClient(.unknownMember))
        #expect(
            try refused(header: header.with("jku", "\"https://evil.example\""))
                == .invalidClient(.unknownMember))
    }

    @Test("Only the issuer string itself is the audience")
    func audience() throws {
        for value in [
            "\"https://vault.example/oauth2/token\"", "\"https://vault.example/\"",
            "\"https://evil.example\"",
            "[\"\(Fixture.issuerURL)\"]", "[\"\(Fixture.issuerURL)\",\"https://evil.example\"]", "[]", "null",
            "1",
        ] {
            #expect(try refused(claims: claims.with("aud", value)) == .invalidClient(.audience))
        }
    }

    @Test("iss, sub and the client looked up are one")
    func subject() throws {
        #expect(try refused(claims: claims.with("sub", "\"dialer-2\"")) == .invalidClient(.subject))
        #expect(try refused(claims: claims.with("iss", "\"dialer-2\"")) == .invalidClient(.subject))
        let other = claims.with("iss", "\"dialer-2\"").with("sub", "\"dialer-2\"")
        #expect(try refused(claims: other) == .invalidClient(.subject))
        #expect(try refused(claims: claims.with("sub", "\"x y\"")) == .invalidClient(.malformedMember))
    }

    @Test("Times: no more than 300 s of life, none in the past, none ahead of the clock")
    func times() throws {
        #expect(try refused(claims: claims.with("exp", "1767225900")) == nil)
        #expect(try refused(claims: claims.with("exp", "1767225901")) == .invalidClient(.lifetime))
        #expect(try refused(claims: claims.with("exp", "253402300799")) == .invalidClient(.lifetime))
        #expect(try refused(claims: claims.with("exp", "1767225600")) == .invalidClient(.lifetime))
        #expect(try refused(now: Timestamp(seconds: 1_767_225_660)) == .invalidClient(.expired))
        #expect(try refused(now: Timestamp(seconds: 1_767_225_590)) == nil)
        #expect(try refused(now: Timestamp(milliseconds: 1_767_225_589_999)) == .invalidClient(.notYetValid))
        #expect(try refused(claims: claims.with("nbf", "1767225600")) == nil)
        #expect(try refused(claims: claims.with("nbf", "1767225611")) == .invalidClient(.notYetValid))
        for name in ["iat", "exp", "nbf"] {
            for value in ["\"1767225660\"", "-1", "null", "[]", "253402300800"] {
                #expect(try refused(claims: claims.with(name, value)) == .invalidClient(.malformedMember))
            }
            for value in ["1767225660.5", "1e400"] {
                #expect(try refused(claims: claims.with(name, value)) == .invalidClient(.json))
            }
        }
    }

    @Test("A jti is required, bounded and printable")
    func identifiers() throws {
        let longest = String(repeating: "j", count: Limits.tokenIdentifierBytes)
        #expect(try refused(claims: claims.with("jti", "\"\(longest)\"")) == nil)
        for value in ["\"\(longest)j\"", "\"\"", "\"a b\"", "\"a\\u0000b\"", "\"é\"", "7"] {
            #expect(try refused(claims: claims.with("jti", value)) == .invalidClient(.malformedMember))
        }
        let megabyte = "\"" + String(repeating: "j", count: 1 << 20) + "\""
        #expect(try refused(claims: claims.with("jti", megabyte)) == .invalidClient(.tooLarge))
    }

    @Test("Every claim once, all required, none besides")
    func closedClaims() throws {
        for member in claims.members {
            #expect(try refused(claims: claims.with(member.name, nil)) == .invalidClient(.missingMember))
            #expect(try refused(claims: claims.repeating(member.name)) == .invalidClient(.json))
        }
        #expect(try refused(claims: claims.with("scope", "\"x\"")) == .invalidClient(.unknownMember))
        #expect(
            try refused(claims: claims.with("client_id", "\"dialer-1\"")) == .invalidClient(.unknownMember))
    }

    @Test("A suspended client learns it only with its own key")
    func suspended() throws {
        let client = try Fixture.client(keys: [fixture.clientKey.publicJWK], suspended: true)
        #expect(try refused(client: client) == .invalidClient(.clientSuspended))
        #expect(
            try refused(key: try SigningKey(generating: .es256), client: client) == .invalidClient(.signature)
        )
    }

    @Test("The same jti of two clients are two")
    func replayKeys() throws {
        let other = RegisteredClient(
            id: try #require(Reference("dialer-2")), agency: fixture.client.agency, kind: .service,
            roles: [.collection], keys: [fixture.clientKey.publicJWK])
        var keys: Set<[UInt8]> = []
        for client in [fixture.client, other] {
            for identifier in ["x", "y"] {
                let assertion = try ClientAssertion.make(
                    client: client.id, issuer: Fixture.issuerURL, key: fixture.clientKey,
                    identifier: identifier,
                    now: fixture.now)
                keys.insert(
                    try ClientAssertion(parsing: Array(assertion.utf8)).verify(
                        client: client, issuer: Fixture.issuerURL, now: fixture.now
                    ).replayKey)
            }
        }
        #expect(keys.count == 4)
    }

    @Test("A client does not make what the service refuses")
    func makeBounds() {
        func made(identifier: String, seconds: Int64) -> TokenError? {
            refusal {
                _ = try ClientAssertion.make(
                    client: fixture.client.id, issuer: Fixture.issuerURL, key: fixture.clientKey,
                    identifier: identifier, now: fixture.now, seconds: seconds)
            }
        }
        #expect(made(identifier: "a", seconds: 300) == nil)
        #expect(made(identifier: "a", seconds: 301) == .invalidRequest(.lifetime))
        #expect(made(identifier: "", seconds: 60) == .invalidRequest(.malformedMember))
    }
}

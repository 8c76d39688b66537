// Assertions, proofs and access tokens against joserfc, which shares no line with ours: we accept what it signs, it
// verifies what we sign, each under the other's name for the key, and neither verifies the other's with a bit changed.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Signed messages and joserfc")
struct JOSEInteroperabilityTests {
    private func request(_ action: String, _ members: [(key: String, value: JSONValue)] = []) -> JSONValue {
        var object = JSONObject(members)
        object["do"] = .string(action)
        return .object(object)
    }

    private func verification(of jws: String, by key: PublicJWK) -> JSONValue {
        request(
            "verify",
            [("key", key.json), ("alg", .string(key.algorithm.rawValue)), ("jws", .string(jws))])
    }

    /// A fixture whose client has a key that joserfc made, and that key as joserfc wrote it.
    private func fixtureOfTheirs(
        _ algorithm: SignatureAlgorithm
    ) throws -> (fixture: Fixture, key: PrivateJWK, made: JSONValue, client: RegisteredClient) {
        let answers = try PythonPeer.answers(
            to: [request("generate_signing", [("alg", .string(algorithm.rawValue))])])
        let made = try #require(answers[0]["key"])
        let key = try PrivateJWK(parsing: made)
        #expect(key.key.algorithm == algorithm)
        return (try Fixture(), key, made, try Fixture.client(keys: [key.publicJWK]))
    }

    /// The public numbers of a key, as the `jwk` of a proof has them.
    private func numbers(of key: PublicJWK) throws -> JSONValue {
        var object = try #require(key.json.objectValue)
        for name in ["kid", "alg", "use"] { object[name] = nil }
        return .object(object)
    }

    @Test("both name a key by the same RFC 7638 thumbprint", arguments: SignatureAlgorithm.allCases)
    func thumbprints(algorithm: SignatureAlgorithm) throws {
        let ours = try (0..<4).map { _ in PublicJWK(try SigningKey(generating: algorithm).verificationKey) }
        let theirs = try fixtureOfTheirs(algorithm)
        var requests = try ours.map { request("thumbprint", [("key", try numbers(of: $0))]) }
        requests.append(request("thumbprint", [("key", theirs.made)]))
        let answers = try PythonPeer.answers(to: requests)
        #expect(
            answers.map { $0["thumbprint"]?.stringValue } == ours.map(\.thumbprint) + [theirs.key.thumbprint])
    }

    @Test("client assertions that joserfc signs are accepted", arguments: SignatureAlgorithm.allCases)
    func theirAssertions(algorithm: SignatureAlgorithm) throws {
        let (fixture, key, made, client) = try fixtureOfTheirs(algorithm)
        let now = fixture.now
        let claims = JSONValue.object(
            JSONObject([
                ("iss", .string(client.id.text)), ("sub", .string(client.id.text)),
                ("aud", .string(Fixture.issuerURL)), ("iat", .integer(now.seconds)),
                ("exp", .integer(now.seconds + 60)), ("jti", .string("theirs-1")),
            ]))
        var headers: [JSONObject] = []
        for type in ["client-authentication+jwt", "JWT", nil] {
            for keyID in [key.thumbprint, nil] {
                var header = JSONObject([("alg", .string(algorithm.rawValue))])
                header["typ"] = type.map(JSONValue.string)
                header["kid"] = keyID.map(JSONValue.string)
                headers.append(header)
            }
        }
        let answers = try PythonPeer.answers(
            to: headers.map {
                request("sign", [("key", made), ("header", .object($0)), ("claims", claims)])
            })
        let stranger = try Fixture.client(
            keys: [PublicJWK(try SigningKey(generating: algorithm).verificationKey)])
        for (header, answer) in zip(headers, answers) {
            let jws = Array(try #require(answer["jws"]?.stringValue).utf8)
            let parsed = try ClientAssertion(parsing: jws)
            #expect(parsed.unverifiedClient == client.id)
            let verified = try parsed.verify(client: client, issuer: Fixture.issuerURL, now: now)
            #expect(verified.client == client.id)
            #expect(verified.replayKey == SHA256.hash(Array("dialer-1\u{0}theirs-1".utf8)))
            // It is the signature that was accepted, not the form.
            #expect(
                refusal { _ = try parsed.verify(client: stranger, issuer: Fixture.issuerURL, now: now) }
                    == .invalidClient(header["kid"] == nil ? .signature : .keyUnknown))
        }
    }

    @Test(
        "proofs that joserfc signs are accepted, with a token and without",
        arguments: SignatureAlgorithm.allCases)
    func theirProofs(algorithm: SignatureAlgorithm) throws {
        let (fixture, key, made, client) = try fixtureOfTheirs(algorithm)
        let now = fixture.now
        let token = try fixture.issuer.issue(
            to: client.id, details: Fixture.details(), confirmation: .proofKey(key.thumbprint),
            policyVersion: "p1-abc",
            seconds: 120, now: now, random: SystemRandom())
        let path = "/v1/contacts/\(Fixture.contact)/actions/dial"
        let header = JSONObject([
            ("typ", .string("dpop+jwt")), ("alg", .string(algorithm.rawValue)),
            ("jwk", try numbers(of: key.publicJWK)),
        ])
        let nonce = try fixture.nonces.nonce(for: key.thumbprint, now: now)
        func claims(_ path: String, _ more: [(key: String, value: JSONValue)]) -> JSONValue {
            .object(
                JSONObject(
                    [
                        ("jti", .string("theirs-2")), ("htm", .string("POST")),
                        ("htu", .string(Fixture.issuerURL + path)), ("iat", .integer(now.seconds)),
                        ("nonce", .string(nonce)),
                    ] + more))
        }
        let hash = Base64URL.encode(SHA256.hash(Array(token.compact.utf8)))
        let answers = try PythonPeer.answers(
            to: [claims(Fixture.tokenPath, []), claims(path, [("ath", .string(hash))])].map {
                request("sign", [("key", made), ("header", .object(header)), ("claims", $0)])
            })
        let proofs = try answers.map { try #require($0["jws"]?.stringValue) }

        let atTokenEndpoint = try fixture.proofs.verify(
            headerValues: [proofs[0]], method: "POST", path: Fixture.tokenPath, binding: .client(client),
            now: now)
        #expect(atTokenEndpoint.thumbprint == key.thumbprint)
        let access = try fixture.access.verify(
            authorization: ["DPoP " + token.compact], dpop: [proofs[1]], method: "POST", path: path, now: now)
        #expect(access.client == client.id)
        #expect(access.proof?.identifier == SHA256.hash(Array("\(key.thumbprint)\u{0}theirs-2".utf8)))
        // Each is good for its own request only.
        #expect(
            refusal {
                _ = try fixture.access.verify(
                    authorization: ["DPoP " + token.compact], dpop: [proofs[0]], method: "POST", path: path,
                    now: now)
            } == .invalidDPoPProof(.uri))
    }

    @Test(
        "joserfc verifies our assertions, proofs and access tokens, and none with a byte changed",
        arguments: SignatureAlgorithm.allCases)
    func ours(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let token = try fixture.token()
        let assertion = try ClientAssertion.make(
            client: fixture.client.id, issuer: Fixture.issuerURL, key: fixture.clientKey,
            identifier: "ours-1",
            now: fixture.now)
        let path = "/v1/contacts/\(Fixture.contact)/actions/dial"
        let proof = try DPoPProof.make(
            method: "POST", url: Fixture.issuerURL + path, nonce: fixture.nonce(), accessToken: token.compact,
            key: fixture.clientKey, identifier: "ours-2", now: fixture.now)
        let clientKey = fixture.clientKey.publicJWK
        let messages = [
            (token.compact, fixture.issuer.publicJWK), (assertion, clientKey), (proof, clientKey),
        ]
        // A bit of the first byte of the signature, and the key of somebody else.
        func changed(_ jws: String) throws -> String {
            let parts = jws.split(separator: ".")
            var signature = try #require(Base64URL.decode(parts[2]))
            signature[0] ^= 1
            return "\(parts[0]).\(parts[1]).\(Base64URL.encode(signature))"
        }
        let stranger = PublicJWK(try SigningKey(generating: algorithm).verificationKey)
        let answers = try PythonPeer.answers(
            to: messages.map { verification(of: $0.0, by: $0.1) }
                + messages.map { verification(of: try changed($0.0), by: $0.1) }
                + messages.map { verification(of: $0.0, by: stranger) })
        for refused in answers.dropFirst(messages.count) {
            #expect(refused["refused"]?.stringValue == "BadSignatureError")
            #expect(refused["claims"] == nil)
        }

        let seen = try answers.prefix(messages.count).map { answer in
            (
                header: try #require(answer["header"]?.objectValue),
                claims: try #require(answer["claims"]?.objectValue)
            )
        }
        #expect(seen.map { $0.header["alg"]?.stringValue } == Array(repeating: algorithm.rawValue, count: 3))
        #expect(
            seen.map { $0.header["typ"]?.stringValue } == ["at+jwt", "client-authentication+jwt", "dpop+jwt"])
        #expect(
            seen.map { $0.header["kid"]?.stringValue } == [
                fixture.issuerKey.thumbprint, clientKey.thumbprint, nil,
            ])
        #expect(seen[2].header["jwk"] == (try numbers(of: clientKey)))
        #expect(JSONValue.object(seen[0].claims) == token.claims.json)
        #expect(seen[1].claims["aud"]?.stringValue == Fixture.issuerURL)
        #expect(seen[1].claims["sub"]?.stringValue == fixture.client.id.text)
        #expect(seen[1].claims["exp"] == .integer(fixture.now.seconds + 60))
        #expect(seen[2].claims["htu"]?.stringValue == Fixture.issuerURL + path)
        #expect(
            seen[2].claims["ath"]?.stringValue == Base64URL.encode(SHA256.hash(Array(token.compact.utf8))))
    }

    @Test("the name EdDSA, under which joserfc can sign too, is refused: RFC 9864 has replaced it")
    func oldName() throws {
        let (fixture, _, _, client) = try fixtureOfTheirs(.ed25519)
        let answers = try PythonPeer.answers(
            to: [request("generate_signing", [("alg", .string("Ed25519"))])])
        var made = try #require(answers[0]["key"]?.objectValue)
        made["alg"] = nil
        let signed = try PythonPeer.answers(
            to: [
                request(
                    "sign",
                    [
                        ("key", .object(made)), ("header", .object(JSONObject([("alg", .string("EdDSA"))]))),
                        (
                            "claims",
                            .object(
                                JSONObject([
                                    ("iss", .string(client.id.text)), ("sub", .string(client.id.text)),
                                ]))
                        ),
                    ])
            ])
        let jws = try #require(signed[0]["jws"]?.stringValue)
        #expect(refusal { _ = try ClientAssertion(parsing: Array(jws.utf8)) } == .invalidClient(.algorithm))
        #expect(fixture.refusal(jws) != nil)
    }
}

// Sealed values against joserfc: it opens ours, we open its own, and refuse what it makes in other ways.

import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Sealed values and joserfc")
struct JSONWebEncryptionInteroperabilityTests {
    private static let release = Array("rl_AQIDBAUGBwgJCgsMDQ4PEA".utf8)
    private static let client = Array("dialer-1".utf8)

    private func request(_ action: String, _ members: [(key: String, value: JSONValue)] = []) -> JSONValue {
        var object = JSONObject(members)
        object["do"] = .string(action)
        return .object(object)
    }

    /// The header that joserfc is to seal under; it adds `epk` itself.
    private func header(for key: EncryptionJWK) -> JSONObject {
        JSONObject([
            ("alg", .string("ECDH-ES")), ("enc", .string("A256GCM")), ("kid", .string(key.thumbprint)),
            ("apu", .string(Base64URL.encode(Self.release))),
            ("apv", .string(Base64URL.encode(Self.client))),
        ])
    }

    @Test("joserfc opens what we seal, and calls the key as we do")
    func opensOurs() throws {
        let key = try PrivateEncryptionJWK.generate()
        let values = ["+8613800138000", "张伟", "", String(repeating: "x", count: 1022)]
        let secret = try key.revealJSON()
        var requests = [request("thumbprint", [("key", key.publicJWK.json)])]
        for value in values {
            let sealed = try JSONWebEncryption.seal(
                SecretBytes(copying: value.utf8), to: key.publicJWK, partyUInfo: Self.release,
                partyVInfo: Self.client, random: SystemRandom())
            requests.append(request("open", [("key", secret), ("jwe", .string(sealed))]))
        }
        let answers = try PythonPeer.answers(to: requests)
        #expect(answers[0]["thumbprint"]?.stringValue == key.thumbprint)
        for (value, answer) in zip(values, answers.dropFirst()) {
            #expect(answer["hex"]?.stringValue == Hex.encode(Array(value.utf8)))
            var seen = try #require(answer["header"]?.objectValue)
            #expect(seen["epk"] != nil)
            seen["epk"] = nil
            #expect(seen == header(for: key.publicJWK))
        }
    }

    @Test("we open what joserfc seals, with a key that joserfc made")
    func opensTheirs() throws {
        let made = try #require(try PythonPeer.answers(to: [request("generate")]).first?["key"])
        let key = try PrivateEncryptionJWK(parsing: made)
        let values = ["+8613800138000", "张伟", "", String(repeating: "x", count: 1022)]
        let answers = try PythonPeer.answers(
            to: values.map { value in
                request(
                    "seal",
                    [
                        ("key", key.publicJWK.json), ("header", .object(header(for: key.publicJWK))),
                        ("hex", .string(Hex.encode(Array(value.utf8)))),
                    ])
            })
        for (value, answer) in zip(values, answers) {
            let sealed = try #require(answer["jwe"]?.stringValue)
            let opened = try JSONWebEncryption.open(
                sealed, with: key, partyUInfo: Self.release, partyVInfo: Self.client)
            #expect(opened.revealBytes() == Array(value.utf8))
        }
    }

    @Test("what joserfc makes with another algorithm, compressed, or with another header, is refused")
    func refusesOthers() throws {
        let key = try PrivateEncryptionJWK.generate()
        let changes: [(name: String, value: String?, fault: JWEFault)] = [
            ("alg", "ECDH-ES+A256KW", .segments), ("enc", "A128GCM", .algorithm),
            ("enc", "A192GCM", .algorithm), ("enc", "A256CBC-HS512", .segments),
            ("zip", "DEF", .unknownMember), ("typ", "JWT", .unknownMember),
            ("cty", "text/plain", .unknownMember), ("kid", nil, .missingMember),
            ("apu", nil, .missingMember), ("apv", nil, .missingMember),
        ]
        let answers = try PythonPeer.answers(
            to: changes.map { change in
                var changed = header(for: key.publicJWK)
                changed[change.name] = change.value.map(JSONValue.string)
                return request(
                    "seal",
                    [
                        ("key", key.publicJWK.json), ("header", .object(changed)),
                        ("hex", .string(Hex.encode(Array("+8613800138000".utf8)))),
                    ])
            })
        for (change, answer) in zip(changes, answers) {
            let sealed = try #require(answer["jwe"]?.stringValue)
            var fault: JWEFault?
            do { _ = try JSONWebEncryption.open(sealed, with: key) } catch { fault = error }
            #expect(fault == change.fault, "\(change.name) \(change.value ?? "left out")")
        }
    }
}

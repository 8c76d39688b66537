// Keys: the thumbprints of the RFCs, and everything that pretends to be a public key.

import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

/// The EC key of the RFC 9449 examples (§4.1).
let dpopExampleKey =
    #"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","#
    + #""y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#

@Suite("JSON Web Keys")
struct JSONWebKeyTests {
    func fault(_ text: String) throws -> JWKFault? {
        let value = try json(text)
        do {
            _ = try PublicJWK(parsing: value)
            return nil
        } catch {
            return error
        }
    }

    @Test("RFC 9449 §6.1: thumbprint of the example's EC key")
    func thumbprintEC() throws {
        let key = try PublicJWK(parsing: try json(dpopExampleKey))
        #expect(key.thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
        #expect(key.algorithm == .es256)
    }

    @Test("RFC 8037 A.1–A.3: Ed25519 key pair and thumbprint")
    func thumbprintEd25519() throws {
        let key = try PrivateJWK(
            parsing: .object(
                JSONObject([
                    ("kty", .string("OKP")), ("crv", .string("Ed25519")),
                    ("d", .string("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")),
                    ("x", .string("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
                ])))
        #expect(key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    }

    @Test("A thumbprint covers the required members alone", arguments: SignatureAlgorithm.allCases)
    func thumbprintIgnoresTheRest(algorithm: SignatureAlgorithm) throws {
        let key = PublicJWK(try SigningKey(generating: algorithm).verificationKey)
        #expect(try PublicJWK(parsing: key.json).thumbprint == key.thumbprint)
        guard case .object(var object) = key.json else { return }
        object["kid"] = .string("the-owner-calls-it-so")
        object["alg"] = nil
        object["use"] = nil
        object["key_ops"] = .array([.string("verify")])
        #expect(try PublicJWK(parsing: .object(object)) == key)
    }

    @Test("Private keys survive a round trip", arguments: SignatureAlgorithm.allCases)
    func privateRoundTrip(algorithm: SignatureAlgorithm) throws {
        let key = PrivateJWK(try SigningKey(generating: algorithm))
        let value = try key.revealJSON()
        let copy = try PrivateJWK(parsing: value)
        #expect(copy.publicJWK == key.publicJWK)
        let message: [UInt8] = [1, 2, 3]
        #expect(key.publicJWK.key.isValid(signature: try copy.key.sign(message), for: message))
    }

    @Test("A private part of another key is refused", arguments: SignatureAlgorithm.allCases)
    func privateMismatch(algorithm: SignatureAlgorithm) throws {
        guard case .object(var object) = try PrivateJWK(try SigningKey(generating: algorithm)).revealJSON(),
            case .object(let other) = try PrivateJWK(try SigningKey(generating: algorithm)).revealJSON()
        else { return }
        object["d"] = other["d"]
        let mixed = JSONValue.object(object)
        #expect(throws: JWKFault.mismatch) { () throws in _ = try PrivateJWK(parsing: mixed) }
    }

    @Test(
        "Private and symmetric parameters have their own refusal",
        arguments: ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
    func privateMember(name: String) throws {
        guard case .object(var object) = try json(dpopExampleKey) else { return }
        object[name] = .string("AAAA")
        let value = JSONValue.object(object)
        #expect(throws: JWKFault.privateKey) { () throws in _ = try PublicJWK(parsing: value) }
        #expect(throws: JWKFault.privateKey) { () throws in _ = try EncryptionJWK(parsing: value) }
    }

    @Test("Keys that are not exactly a key of the two kinds are refused")
    func malformed() throws {
        let x = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"
        let y = "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
        func ec(_ x: String, _ y: String, _ rest: String = "") -> String {
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\(x),\"y\":\(y)\(rest)}"
        }
        #expect(try fault("[]") == .malformedMember)
        #expect(try fault("{}") == .missingMember)
        #expect(try fault(#"{"kty":"EC","crv":"P-256","x":"AAAA"}"#) == .malformedCoordinate)
        #expect(try fault(ec("\"\(x)\"", "\"\(x)\"")) == .invalidKey)
        #expect(try fault(ec("\"\(x)=\"", "\"\(y)\"")) == .malformedCoordinate)
        #expect(try fault(ec("\"\(x.dropLast())\"", "\"\(y)\"")) == .malformedCoordinate)
        #expect(try fault(ec("\"AA\(x)\"", "\"\(y)\"")) == .malformedCoordinate)
        #expect(try fault(ec("7", "\"\(y)\"")) == .malformedMember)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"x5u\":\"https://evil.example\"")) == .unknownMember)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"alg\":\"Ed25519\"")) == .wrongAlgorithm)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"alg\":\"HS256\"")) == .wrongAlgorithm)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"use\":\"enc\"")) == .wrongUse)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"key_ops\":[\"sign\"]")) == .wrongUse)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"key_ops\":[\"verify\",\"verify\"]")) == .wrongUse)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"key_ops\":[1]")) == .malformedMember)
        let longName = String(repeating: "k", count: 129)
        #expect(try fault(ec("\"\(x)\"", "\"\(y)\"", ",\"kid\":\"\(longName)\"")) == .malformedMember)
        #expect(try fault(#"{"kty":"RSA","crv":"P-256","x":"AA","y":"AA"}"#) == .unsupportedKey)
        #expect(try fault(#"{"kty":"RSA","n":"AA","e":"AQAB"}"#) == .unknownMember)
        #expect(try fault(#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#) == .unsupportedKey)
        #expect(try fault(#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#) == .unsupportedKey)
        #expect(try fault(#"{"kty":"OKP","crv":"X25519","x":"AA"}"#) == .unsupportedKey)
        #expect(
            try fault("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\(x)\",\"y\":\"\(y)\"}") == .unknownMember
        )
        // The letter K of OKP as U+212A, which is equal to it by canonical equivalence.
        #expect(try fault("{\"kty\":\"O\u{212A}P\",\"crv\":\"Ed25519\",\"x\":\"\(x)\"}") == .unsupportedKey)
    }

    @Test("The Ed25519 identity, which verifies one signature over many messages, is no key")
    func smallOrder() throws {
        let identity = Base64URL.encode([1] + [UInt8](repeating: 0, count: 31))
        #expect(try fault("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\(identity)\"}") == .invalidKey)
    }

    @Test("An encryption key is P-256 and says nothing of signatures")
    func encryptionKey() throws {
        let key = try EncryptionJWK(parsing: try json(dpopExampleKey))
        #expect(key.thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
        #expect(try EncryptionJWK(parsing: key.json) == key)
        let signing = try PublicJWK(parsing: try json(dpopExampleKey)).json
        #expect(throws: JWKFault.wrongAlgorithm) { () throws in _ = try EncryptionJWK(parsing: signing) }
        let encryption = key.json
        #expect(throws: JWKFault.wrongAlgorithm) { () throws in _ = try PublicJWK(parsing: encryption) }
        let edwards = PublicJWK(try SigningKey(generating: .ed25519).verificationKey)
        guard case .object(var object) = edwards.json else { return }
        object["alg"] = nil
        object["use"] = nil
        let value = JSONValue.object(object)
        #expect(throws: JWKFault.unsupportedKey) { () throws in _ = try EncryptionJWK(parsing: value) }
    }

    @Test("A private encryption key survives a round trip and is called what its public half is called")
    func privateEncryptionRoundTrip() throws {
        let key = try PrivateEncryptionJWK.generate()
        let copy = try PrivateEncryptionJWK(parsing: try key.revealJSON())
        #expect(copy.publicJWK == key.publicJWK)
        #expect(copy.thumbprint == key.thumbprint)
        #expect(try EncryptionJWK(parsing: key.publicJWK.json) == key.publicJWK)
        #expect(key.publicJWK.json.objectValue?["d"] == nil)
        guard case .object(var object) = try key.revealJSON() else { return }
        object["key_ops"] = .array([.string("deriveBits"), .string("deriveKey")])
        object["alg"] = nil
        object["use"] = nil
        #expect(try PrivateEncryptionJWK(parsing: .object(object)).publicJWK == key.publicJWK)
        let other = try PrivateEncryptionJWK.generate()
        #expect(other.thumbprint != key.thumbprint)
    }

    @Test("What is not exactly a private encryption key is refused")
    func malformedPrivateEncryption() throws {
        guard case .object(let good) = try PrivateEncryptionJWK.generate().revealJSON(),
            case .object(let other) = try PrivateEncryptionJWK.generate().revealJSON(),
            case .object(let signing) = try PrivateJWK(SigningKey(generating: .es256)).revealJSON(),
            case .object(var edwards) = try PrivateJWK(SigningKey(generating: .ed25519)).revealJSON()
        else {
            Issue.record("no objects")
            return
        }
        func fault(_ object: JSONObject) -> JWKFault? {
            do {
                _ = try PrivateEncryptionJWK(parsing: .object(object))
                return nil
            } catch { return error }
        }
        func with(_ name: String, _ value: JSONValue?) -> JSONObject {
            var object = good
            object[name] = value
            return object
        }
        #expect(fault(good) == nil)
        #expect(fault(with("d", other["d"])) == .mismatch)
        #expect(fault(with("d", nil)) == .missingMember)
        #expect(fault(with("d", .integer(1))) == .malformedMember)
        #expect(fault(with("d", .string("AA"))) == .malformedCoordinate)
        #expect(fault(with("d", .string(Base64URL.encode([UInt8](repeating: 0, count: 32))))) == .invalidKey)
        #expect(fault(with("k", .string("AA"))) == .privateKey)
        #expect(fault(with("x", good["y"])) == .mismatch)
        #expect(fault(with("x5u", .string("https://evil.example"))) == .unknownMember)
        #expect(fault(with("key_ops", .array([.string("sign")]))) == .wrongUse)
        #expect(fault(with("use", .string("sig"))) == .wrongUse)
        #expect(fault(signing) == .wrongAlgorithm)
        edwards["alg"] = nil
        edwards["use"] = nil
        #expect(fault(edwards) == .unsupportedKey)
        // Where a public key belongs, the private one is a disclosure.
        #expect(throws: JWKFault.privateKey) { () throws in _ = try EncryptionJWK(parsing: .object(good)) }
        #expect(throws: JWKFault.wrongAlgorithm) { () throws in _ = try PrivateJWK(parsing: .object(good)) }
    }

    @Test("A key set publishes public members only")
    func keySet() throws {
        let key = PublicJWK(try SigningKey(generating: .es256).verificationKey)
        let set = PublicJWK.keySet([key])
        guard case .array(let keys)? = set.objectValue?["keys"] else {
            Issue.record("no keys")
            return
        }
        #expect(Set(keys[0].objectValue?.keys ?? []) == ["kty", "crv", "x", "y", "alg", "use", "kid"])
    }

    @Test("Every fault says what to do")
    func descriptions() {
        #expect(Set(JWKFault.allCases.map(\.description)).count == JWKFault.allCases.count)
    }
}

// Project Wycheproof's signatures as tokens: key as a JWK, signature in a compact message, header with algorithm and kid.
// They run when CONTACT_VAULT_VECTORS names their folder.
//
// The vectors' messages are arbitrary bytes and no signing input of a JWS, which is made of the token itself. So each
// vector passes in two ways. As a token its signature belongs to other bytes, and nothing may accept it, however it is
// made. And the signature that came out of the parsed token, under the key that came out of the parsed JWK, must be good
// for the vector's message exactly if the vector says so: nothing on the way repairs or damages one.

import Foundation
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Wycheproof tokens", .enabled(if: SignatureVectors.folder != nil, "CONTACT_VAULT_VECTORS is not set"))
struct WycheproofTokenTests {
    @Test(
        "signatures in tokens",
        arguments: [
            (SignatureAlgorithm.es256, "ecdsa_secp256r1_sha256_p1363_test.json"),
            (.ed25519, "ed25519_test.json"),
        ])
    func signatures(algorithm: SignatureAlgorithm, file: String) throws {
        let fixture = try Fixture()
        var ran = 0
        var refusedByLength = 0
        for group in try SignatureVectors(named: file).testGroups {
            let key = try #require(try group.key(algorithm))
            let verifier = TokenVerifier(
                issuer: Fixture.issuerURL, audience: Fixture.audience, keys: [key.key])
            let header = RawObject(members: [
                ("alg", "\"\(algorithm.rawValue)\""), ("kid", "\"\(key.thumbprint)\""), ("typ", "\"at+jwt\""),
            ])
            let input =
                Base64URL.encode(Array(header.text.utf8)) + "."
                + Base64URL.encode(Array(fixture.claims.text.utf8))
            for vector in group.tests {
                ran += 1
                let message = try #require(Hex.decode(vector.msg))
                let signature = try #require(Hex.decode(vector.sig))
                let token = Array((input + "." + Base64URL.encode(signature)).utf8)

                #expect(
                    refusal { _ = try verifier.verify(token, now: fixture.now) }
                        == .invalidToken(.signature), "case \(vector.tcId)")

                var isGood = false
                do {
                    let jws = try CompactJWS(parsing: token, required: [.type, .keyID])
                    #expect(jws.keyID == key.thumbprint && jws.algorithm == key.algorithm)
                    #expect(jws.signingInput == Array(input.utf8))
                    #expect(!jws.isSigned(by: key.key), "case \(vector.tcId)")
                    isGood = key.key.isValid(signature: jws.signature, for: message)
                } catch {
                    // The parser's own refusal, and only for the length.
                    #expect(error == .signature && signature.count != 64, "case \(vector.tcId)")
                    refusedByLength += 1
                }
                #expect(isGood == (vector.result == "valid"), "case \(vector.tcId)")
            }
        }
        #expect(ran > 0)
        print("\(file): \(ran) signatures as tokens, \(refusedByLength) of them refused by their length")
    }
}

/// One file of signature vectors, read where it lies.
struct SignatureVectors: Decodable {
    struct Group: Decodable {
        struct Key: Decodable {
            let pk: String?
            let uncompressed: String?
        }
        let publicKey: Key
        let tests: [Vector]

        /// The key by way of a JWK; `nil` if the file is not of this algorithm.
        func key(_ algorithm: SignatureAlgorithm) throws -> PublicJWK? {
            switch algorithm {
            case .es256:
                guard let raw = publicKey.uncompressed.flatMap({ Hex.decode($0) }), raw.count == 65 else {
                    return nil
                }
                let (x, y) = (Base64URL.encode(raw[1..<33]), Base64URL.encode(raw[33...]))
                return try PublicJWK(
                    parsing: try json(#"{"kty":"EC","crv":"P-256","x":"\#(x)","y":"\#(y)"}"#))
            case .ed25519:
                guard let raw = publicKey.pk.flatMap({ Hex.decode($0) }) else { return nil }
                return try PublicJWK(
                    parsing: try json(#"{"kty":"OKP","crv":"Ed25519","x":"\#(Base64URL.encode(raw))"}"#))
            }
        }
    }
    struct Vector: Decodable {
        let tcId: Int
        let result: String
        let msg: String
        let sig: String
    }
    let testGroups: [Group]

    /// The folder named by `CONTACT_VAULT_VECTORS`, `nil` if it is not set.
    static var folder: String? { ProcessInfo.processInfo.environment["CONTACT_VAULT_VECTORS"] }

    /// Reads one file of the folder.
    init(named name: String) throws {
        let folder = try #require(Self.folder)
        let data = try Data(contentsOf: URL(fileURLWithPath: folder).appendingPathComponent(name))
        self = try JSONDecoder().decode(Self.self, from: data)
    }
}

// Project Wycheproof: edge cases that broke other libraries. They run when CONTACT_VAULT_VECTORS names their folder.

import Foundation
import StrictEncoding
import Testing
import VaultCrypto

@Suite("Wycheproof", .enabled(if: WycheproofFile.folder != nil, "CONTACT_VAULT_VECTORS is not set"))
struct WycheproofTests {
    @Test("AES-256-GCM with 96-bit nonces and 128-bit tags")
    func aesGCM() throws {
        var ran = 0
        for group in try WycheproofFile(named: "aes_gcm_test.json").testGroups
        where group.keySize == 256 && group.ivSize == 96 && group.tagSize == 128 {
            for vector in group.tests {
                ran += 1
                let key = secret(try #require(vector.key))
                let nonce = hex(try #require(vector.iv))
                let associatedData = hex(try #require(vector.aad))
                let plaintext = hex(try #require(vector.msg))
                let ciphertext = hex(try #require(vector.ct))
                let tag = hex(try #require(vector.tag))
                var opened: [UInt8]?
                do {
                    opened = try AES256GCM.open(
                        ciphertext[...], tag: tag, key: key, nonce: nonce, associatedData: associatedData
                    ).revealBytes()
                } catch { #expect(error == .authenticationFailed, "case \(vector.tcId)") }
                #expect(opened == (vector.result == "valid" ? plaintext : nil), "case \(vector.tcId)")
                if vector.result == "valid" {
                    let sealed = try AES256GCM.seal(
                        SecretBytes(copying: plaintext), key: key, nonce: nonce,
                        associatedData: associatedData)
                    #expect(sealed.ciphertext == ciphertext && sealed.tag == tag, "case \(vector.tcId)")
                }
            }
        }
        #expect(ran > 0)
        print("aes_gcm_test.json: \(ran) cases ran")
    }

    @Test("AES-GCM keys, nonces and tags of any other length are refused")
    func aesGCMOtherSizes() throws {
        var ran = 0
        for group in try WycheproofFile(named: "aes_gcm_test.json").testGroups
        where group.keySize != 256 || group.ivSize != 96 || group.tagSize != 128 {
            for vector in group.tests {
                ran += 1
                let key = secret(try #require(vector.key))
                var refusal: CryptoError?
                do {
                    _ = try AES256GCM.open(
                        hex(try #require(vector.ct))[...], tag: hex(try #require(vector.tag)), key: key,
                        nonce: hex(try #require(vector.iv)), associatedData: hex(try #require(vector.aad)))
                } catch { refusal = error as? CryptoError }
                guard case .invalidArgument = refusal else {
                    Issue.record("case \(vector.tcId): \(String(describing: refusal))")
                    continue
                }
            }
        }
        print("aes_gcm_test.json: \(ran) cases of other sizes refused")
    }

    @Test("HMAC-SHA256")
    func hmac() throws {
        var ran = 0
        for group in try WycheproofFile(named: "hmac_sha256_test.json").testGroups where group.tagSize == 256
        {
            for vector in group.tests {
                ran += 1
                let isValid = try HMACSHA256.isValid(
                    hex(try #require(vector.tag)), for: hex(try #require(vector.msg)),
                    key: secret(try #require(vector.key)))
                #expect(isValid == (vector.result == "valid"), "case \(vector.tcId)")
            }
        }
        #expect(ran > 0)
        print("hmac_sha256_test.json: \(ran) cases ran")
    }

    @Test("HKDF-SHA256, and lengths beyond 255 blocks refused")
    func hkdf() throws {
        var ran = 0
        for group in try WycheproofFile(named: "hkdf_sha256_test.json").testGroups {
            for vector in group.tests {
                ran += 1
                let extracted = try HKDFSHA256.extract(
                    inputKey: secret(try #require(vector.ikm)), salt: hex(try #require(vector.salt)))
                var output: [UInt8]?
                do {
                    output = try HKDFSHA256.expand(
                        extracted, info: hex(try #require(vector.info)), count: try #require(vector.size)
                    ).revealBytes()
                } catch { #expect(error as? CryptoError == .invalidArgument("count"), "case \(vector.tcId)") }
                let expected = vector.result == "valid" ? hex(try #require(vector.okm)) : nil
                #expect(output == expected, "case \(vector.tcId)")
            }
        }
        #expect(ran > 0)
        print("hkdf_sha256_test.json: \(ran) cases ran")
    }

    @Test(
        "signatures",
        arguments: [
            (SignatureAlgorithm.es256, "ecdsa_secp256r1_sha256_p1363_test.json"),
            (.ed25519, "ed25519_test.json"),
        ])
    func signatures(algorithm: SignatureAlgorithm, file: String) throws {
        var ran = 0
        for group in try WycheproofFile(named: file).testGroups {
            let publicKey = try #require(group.publicKey)
            let raw = hex(try #require(algorithm == .es256 ? publicKey.uncompressed : publicKey.pk))
            let key = try VerificationKey(algorithm, rawRepresentation: raw)
            for vector in group.tests {
                ran += 1
                let isValid = key.isValid(
                    signature: hex(try #require(vector.sig)), for: hex(try #require(vector.msg)))
                #expect(isValid == (vector.result == "valid"), "case \(vector.tcId)")
            }
        }
        #expect(ran > 0)
        print("\(file): \(ran) cases ran")
    }

    @Test(
        "P-256 ECDH, compressed points refused",
        .enabled(if: WycheproofFile.exists(WycheproofTests.ecdhFile), "the folder lacks this file"))
    func ecdh() throws {
        var ran = 0
        for vector in try WycheproofFile(named: Self.ecdhFile).testGroups.flatMap(\.tests) {
            ran += 1
            // Scalars are written as signed numbers of any length.
            let scalar = hex(try #require(vector.private)).drop { $0 == 0 }
            let padded = [UInt8](repeating: 0, count: max(0, 32 - scalar.count)) + scalar
            let key = try KeyAgreementKey(privateKey: SecretBytes(copying: padded))
            var agreed: [UInt8]?
            let point = hex(try #require(vector.public))
            do {
                agreed = try key.sharedSecret(with: point).revealBytes()
            } catch { #expect(error == .invalidArgument("public key"), "case \(vector.tcId)") }
            // The acceptable ones are compressed points.
            let expected = vector.result == "valid" ? hex(try #require(vector.shared)) : nil
            #expect(agreed == expected, "case \(vector.tcId)")
        }
        #expect(ran > 0)
        print("\(Self.ecdhFile): \(ran) cases ran")
    }

    private static let ecdhFile = "ecdh_secp256r1_ecpoint_test.json"
}

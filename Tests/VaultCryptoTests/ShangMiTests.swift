// SM3, SM4 and what is made of them, against the standards' examples and against Python's hmac with OpenSSL's SM3 and `openssl enc`.

import Testing

@testable import VaultCrypto

@Suite("ShangMi algorithms")
struct ShangMiTests {
    private var key: SecretBytes { SecretBytes(copying: Array(0..<32)) }

    @Test("SM3: both examples of GB/T 32905-2016")
    func sm3() throws {
        #expect(
            try SM3.hash(Array("abc".utf8))
                == hex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"))
        #expect(
            try SM3.hash((0..<16).flatMap { _ in Array("abcd".utf8) })
                == hex("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"))
        try CryptoSelfTest.runShangMi()
    }

    @Test(
        "HMAC-SM3 and HKDF-SM3 as another program computes them; the digest of the other HMAC stays what it is"
    )
    func hmac() throws {
        let message = Array("what do ya want for nothing?".utf8)
        let code = hex("06eece7e039516a3b27346544a2edd8f9935097d88c55209bbcebf071ea8923e")
        #expect(try HMACSM3.authenticate(message, key: key) == code)
        #expect(try HMACSHA256.authenticate(message, key: key) != code)
        #expect(try HMACSM3.isValid(code, for: message, key: key))
        for bit in 0..<256 {
            var forged = code
            forged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(try !HMACSM3.isValid(forged, for: message, key: key))
        }
        let info = Array("CV1F context".utf8)
        #expect(
            try HKDFSM3.expand(key, info: info).revealBytes()
                == hex("1bbd274fcdebd9f1fd426742072b462ea0632eff041f59cb7225afe31d34a8cf"))
        #expect(
            try HKDFSM3.expand(key, info: info, count: 48).revealBytes()
                == hex(
                    "1bbd274fcdebd9f1fd426742072b462ea0632eff041f59cb7225afe31d34a8cf"
                        + "efb40111191ff17253e36efd237531ea"))
        #expect(throws: CryptoError.self) { () throws in
            _ = try HKDFSM3.expand(SecretBytes(copying: [1, 2, 3]), info: info)
        }
    }

    @Test("SM4-CTR with HMAC-SM3: a known answer over more than one block, with a counter that carries")
    func sealed() throws {
        let key = SecretBytes(copying: hex("0123456789abcdeffedcba9876543210") + Array(0..<32))
        let nonce = hex("000102030405060708090a0b0c0d0eff")
        let plaintext = Array("+8613800138000 and a second block of it".utf8)
        let context = Array("context".utf8)
        let sealed = try SM4CTRHMACSM3.seal(
            SecretBytes(copying: plaintext), key: key, nonce: nonce, associatedData: context)
        #expect(
            sealed.ciphertext
                == hex(
                    "6c3137a6d6f6d48730b9175df88f9c4c67214633e99b27d8cd67a5fd4eca549bf3a8705066344e"))
        #expect(
            sealed.tag
                == hex("c90b845ab691fdb519b59a0f18b4dbe679786d2948ee7bea2008ba51bbdcd881"))
        let opened = try SM4CTRHMACSM3.open(
            sealed.ciphertext[...], tag: sealed.tag, key: key, nonce: nonce, associatedData: context)
        #expect(opened.revealBytes() == plaintext)
    }

    @Test(
        "every bit flip, another split of the same bytes, another nonce, key or length: refused before anything is decrypted"
    )
    func forgeries() throws {
        let key = SecretBytes(copying: [UInt8](repeating: 9, count: 48))
        let nonce = [UInt8](repeating: 3, count: 16)
        let context = Array("context".utf8)
        let sealed = try SM4CTRHMACSM3.seal(
            SecretBytes(copying: Array("a number".utf8)), key: key, nonce: nonce, associatedData: context)
        func isRefused(
            _ ciphertext: [UInt8], _ tag: [UInt8], _ nonce: [UInt8], _ context: [UInt8]
        ) -> Bool {
            do throws(CryptoError) {
                _ = try SM4CTRHMACSM3.open(
                    ciphertext[...], tag: tag, key: key, nonce: nonce, associatedData: context)
                return false
            } catch { return error == .authenticationFailed }
        }
        func flips(_ bytes: [UInt8]) -> [[UInt8]] {
            (0..<bytes.count * 8).map { bit in
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                return flipped
            }
        }
        for flipped in flips(sealed.ciphertext) { #expect(isRefused(flipped, sealed.tag, nonce, context)) }
        for flipped in flips(sealed.tag) { #expect(isRefused(sealed.ciphertext, flipped, nonce, context)) }
        for flipped in flips(nonce) { #expect(isRefused(sealed.ciphertext, sealed.tag, flipped, context)) }
        for flipped in flips(context) { #expect(isRefused(sealed.ciphertext, sealed.tag, nonce, flipped)) }
        // The last byte of the associated data as the first of the nonce: without the lengths it would be the same message.
        let shifted = [context[6]] + nonce.dropLast()
        #expect(isRefused([nonce[15]] + sealed.ciphertext, sealed.tag, shifted, Array(context.dropLast())))
        for count in [0, 12, 15, 17] {
            #expect(throws: CryptoError.invalidArgument("nonce")) { () throws in
                _ = try SM4CTRHMACSM3.seal(
                    SecretBytes(copying: [1]), key: key, nonce: [UInt8](repeating: 0, count: count),
                    associatedData: [])
            }
        }
        for count in [16, 32, 47, 49] {
            #expect(throws: CryptoError.invalidArgument("key")) { () throws in
                _ = try SM4CTRHMACSM3.seal(
                    SecretBytes(copying: [1]), key: SecretBytes(copying: [UInt8](repeating: 0, count: count)),
                    nonce: nonce, associatedData: [])
            }
        }
        #expect(throws: CryptoError.invalidArgument("tag")) { () throws in
            _ = try SM4CTRHMACSM3.open(
                sealed.ciphertext[...], tag: Array(sealed.tag.dropLast()), key: key, nonce: nonce,
                associatedData: context)
        }
    }
}

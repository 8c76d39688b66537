// Known answers at start. A library that was built, patched or configured wrongly encrypts and decrypts happily with
// itself; only an answer from outside shows it, and the time to see it is before the first record is written.

/// The self-tests of every algorithm the vault uses.
public enum CryptoSelfTest {
    /// Runs every known answer, and checks that forgeries are refused. Takes a few milliseconds.
    /// - Throws: ``CryptoError/selfTestFailed(_:)`` with the first algorithm that is wrong. The process must not serve.
    public static func run() throws(CryptoError) {
        try named("SHA-256", sha256)
        try named("HMAC-SHA256", hmac)
        try named("HKDF-SHA256", hkdf)
        try named("AES-256-GCM", aes256GCM)
        try named("scrypt", scrypt)
        try named("Ed25519", ed25519)
        try named("ES256", es256)
        try named("ECDH-ES", ecdhES)
    }

    /// Runs the known answers of the ShangMi algorithms, for a vault that has a key of their suite.
    /// - Throws: ``CryptoError/selfTestFailed(_:)``, also if OpenSSL lacks them.
    public static func runShangMi() throws(CryptoError) {
        try named("SM3", sm3)
        try named("SM4-CTR", sm4)
    }

    /// GB/T 32905-2016 A.1, message "abc".
    private static func sm3() throws(CryptoError) -> Bool {
        try SM3.hash(Array("abc".utf8))
            == hex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    }

    /// GB/T 32907-2016 A.1: counter mode encrypts the first counter block, which is that example's plaintext, and adds zeros.
    private static func sm4() throws(CryptoError) -> Bool {
        let block = hex("0123456789abcdeffedcba9876543210")
        let key = SecretBytes(copying: block + [UInt8](repeating: 7, count: 32))
        let sealed = try SM4CTRHMACSM3.seal(
            SecretBytes(copying: [UInt8](repeating: 0, count: 16)), key: key, nonce: block, associatedData: []
        )
        guard sealed.ciphertext == hex("681edf34d206965e86b3e94f536e4246") else { return false }
        var forged = sealed.tag
        forged[31] ^= 1
        do {
            _ = try SM4CTRHMACSM3.open(
                sealed.ciphertext[...], tag: forged, key: key, nonce: block, associatedData: [])
            return false
        } catch { return error == .authenticationFailed }
    }

    /// Turns both a wrong answer and a failure on the way to it into one error with the algorithm's name.
    private static func named(
        _ algorithm: StaticString, _ test: () throws(CryptoError) -> Bool
    ) throws(CryptoError) {
        let isRight: Bool
        do { isRight = try test() } catch { isRight = false }
        guard isRight else { throw .selfTestFailed("\(algorithm)") }
    }

    /// FIPS 180-4, message "abc", and the joined form that the Merkle tree uses.
    private static func sha256() -> Bool {
        let expected = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        return SHA256.hash(Array("abc".utf8)) == expected
            && SHA256.hash(prefix: UInt8(ascii: "a"), Array("b".utf8), Array("c".utf8)) == expected
    }

    /// RFC 4231 §4.3.
    private static func hmac() throws(CryptoError) -> Bool {
        let key = SecretBytes(copying: "Jefe".utf8)
        let message = Array("what do ya want for nothing?".utf8)
        var code = try HMACSHA256.authenticate(message, key: key)
        guard code == hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843") else {
            return false
        }
        code[31] ^= 1
        return try !HMACSHA256.isValid(code, for: message, key: key)
    }

    /// RFC 5869 A.1.
    private static func hkdf() throws(CryptoError) -> Bool {
        let extracted = try HKDFSHA256.extract(
            inputKey: SecretBytes(copying: [UInt8](repeating: 0x0b, count: 22)),
            salt: hex("000102030405060708090a0b0c"))
        guard
            extracted.revealBytes()
                == hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
        else { return false }
        let expected = hex(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        let info = hex("f0f1f2f3f4f5f6f7f8f9")
        // Both paths: the one of a single block, and the one of several.
        let blocks = try HKDFSHA256.expand(extracted, info: info, count: 42)
        let block = try HKDFSHA256.expand(extracted, info: info, count: 32)
        return blocks.revealBytes() == expected && block.revealBytes() == Array(expected[0..<32])
    }

    /// Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B.
    private static func aes256GCM() throws(CryptoError) -> Bool {
        let key = SecretBytes(
            copying: hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
        let nonce = hex("cafebabefacedbaddecaf888")
        let associatedData = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let plaintext = hex(
            """
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
            b16aedf5aa0de657ba637b39
            """)
        let sealed = try AES256GCM.seal(
            SecretBytes(copying: plaintext), key: key, nonce: nonce, associatedData: associatedData)
        guard
            sealed.ciphertext
                == hex(
                    """
                    522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                    c5f61e6393ba7a0abcc9f662
                    """), sealed.tag == hex("76fc6ece0f4e1768cddf8853bb2d551b"),
            try AES256GCM.open(
                sealed.ciphertext[...], tag: sealed.tag, key: key, nonce: nonce,
                associatedData: associatedData
            ).revealBytes() == plaintext
        else { return false }
        var forged = sealed.tag
        forged[15] ^= 1
        do {
            _ = try AES256GCM.open(
                sealed.ciphertext[...], tag: forged, key: key, nonce: nonce, associatedData: associatedData)
            return false
        } catch { return error == .authenticationFailed }
    }

    /// RFC 7914 §12, first vector: the cheapest one.
    private static func scrypt() throws(CryptoError) -> Bool {
        try Scrypt.derive(
            passphrase: SecretBytes(copying: []), salt: [], logCost: 4, blockSize: 1, parallelism: 1,
            count: 64
        ).revealBytes()
            == hex(
                """
                77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17\
                e8d3e0fb2e0d3628cf35e20c38d18906
                """)
    }

    /// RFC 8032 §7.1, test 2. Ed25519 is deterministic, so the signature itself is the known answer.
    private static func ed25519() throws(CryptoError) -> Bool {
        let key = try SigningKey(
            .ed25519,
            privateKey: SecretBytes(
                copying: hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")))
        let expected = hex(
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
            387b2eaeb4302aeeb00d291612bb0c00
            """)
        guard try key.sign([0x72]) == expected else { return false }
        let verifier = try VerificationKey(
            .ed25519,
            rawRepresentation: hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
        return verifier.isValid(signature: expected, for: [0x72])
            && !verifier.isValid(signature: expected, for: [0x73])
    }

    /// RFC 6979 A.2.5, message "sample", verified; and a signature of our own, which is random, verified in turn.
    private static func es256() throws(CryptoError) -> Bool {
        let verifier = try VerificationKey(
            .es256,
            rawRepresentation: hex(
                """
                0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
                7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299
                """))
        let known = hex(
            """
            efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
            f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8
            """)
        let message = Array("sample".utf8)
        guard verifier.isValid(signature: known, for: message),
            !verifier.isValid(signature: known, for: Array("simple".utf8))
        else { return false }
        let key = try SigningKey(
            .es256,
            privateKey: SecretBytes(
                copying: hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")))
        guard key.verificationKey.rawRepresentation == verifier.rawRepresentation else { return false }
        return try verifier.isValid(signature: key.sign(message), for: message)
    }

    /// RFC 7518 Appendix C: the agreed secret from either side, and the key made of it; a point off the curve
    /// refused.
    private static func ecdhES() throws(CryptoError) -> Bool {
        let alice = try KeyAgreementKey(
            privateKey: SecretBytes(
                copying: hex("d3f3716913d4310a0026de741b3f18893afc8114f0c84682ba677e313a13988a")))
        let bob = try KeyAgreementKey(
            privateKey: SecretBytes(
                copying: hex("5449836690d75caf29f0dd029ddb31b3ddb8aba9d2d515c5012465e817d4a9dc")))
        let expected = hex("9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4")
        let sent = try alice.sharedSecret(with: bob.publicPoint)
        let received = try bob.sharedSecret(with: alice.publicPoint)
        guard sent.revealBytes() == expected, received.revealBytes() == expected else { return false }
        let key = try ConcatKDF.derive(
            sent,
            otherInfo: hex("000000074131323847434d00000005416c69636500000003426f6200000080"), count: 16)
        guard key.revealBytes() == hex("56aa8deaf8236d205c2228cd71a7101a") else { return false }
        var offCurve = bob.publicPoint
        offCurve[64] ^= 1
        do {
            _ = try alice.sharedSecret(with: offCurve)
            return false
        } catch { return error == .invalidArgument("public key") }
    }

    /// Bytes of a hexadecimal literal of this file.
    private static func hex(_ literal: StaticString) -> [UInt8] {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in "\(literal)".utf8 {
            let value = character & 0x40 == 0 ? character & 0x0F : (character & 0x0F) + 9
            if let upper = high {
                bytes.append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }
}

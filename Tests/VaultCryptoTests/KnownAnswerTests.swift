// Published answers for every algorithm.

import Testing
import VaultCrypto

@Suite("Known answers")
struct KnownAnswerTests {
    @Test("the self-test of the service start passes")
    func selfTest() throws {
        try CryptoSelfTest.run()
    }

    @Test(
        "SHA-256 (FIPS 180-4 examples)",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ])
    func sha256(message: String, digest: String) {
        #expect(SHA256.hash(Array(message.utf8)) == hex(digest))
    }

    @Test("SHA-256 of parts is SHA-256 of the joined parts")
    func sha256OfParts() {
        let first = Array("left".utf8)
        let second = Array("right".utf8)
        #expect(SHA256.hash(prefix: 1, first, second) == SHA256.hash([1] + first + second))
        #expect(SHA256.hash(prefix: nil, first, second) == SHA256.hash(first + second))
        #expect(SHA256.hash(prefix: 0, [], []) == SHA256.hash([0]))
    }

    struct HMACCase: Sendable {
        let key: String
        let message: String
        let code: String
    }

    @Test(
        "HMAC-SHA256 (RFC 4231 §4.2–4.8)",
        arguments: [
            HMACCase(
                key: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", message: "4869205468657265",
                code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            HMACCase(
                key: "4a656665", message: "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
                code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            HMACCase(
                key: String(repeating: "aa", count: 20), message: String(repeating: "dd", count: 50),
                code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            HMACCase(
                key: "0102030405060708090a0b0c0d0e0f10111213141516171819",
                message: String(repeating: "cd", count: 50),
                code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            HMACCase(
                key: String(repeating: "aa", count: 131),
                message: """
                    54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579
                    204669727374
                    """, code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            HMACCase(
                key: String(repeating: "aa", count: 131),
                message: """
                    5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b65
                    7920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565
                    647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c
                    676f726974686d2e
                    """, code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        ])
    func hmac(vector: HMACCase) throws {
        let code = try HMACSHA256.authenticate(hex(vector.message), key: secret(vector.key))
        #expect(code == hex(vector.code))
    }

    struct HKDFCase: Sendable {
        let inputKey: String
        let salt: String
        let info: String
        let extracted: String
        let expanded: String
    }

    @Test(
        "HKDF-SHA256 (RFC 5869 A.1–A.3)",
        arguments: [
            HKDFCase(
                inputKey: String(repeating: "0b", count: 22), salt: "000102030405060708090a0b0c",
                info: "f0f1f2f3f4f5f6f7f8f9",
                extracted: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                expanded: """
                    3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865
                    """),
            HKDFCase(
                inputKey: ascending(0x00...0x4f), salt: ascending(0x60...0xaf), info: ascending(0xb0...0xff),
                extracted: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
                expanded: """
                    b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
                    da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87
                    """),
            HKDFCase(
                inputKey: String(repeating: "0b", count: 22), salt: "", info: "",
                extracted: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
                expanded: """
                    8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8
                    """),
        ])
    func hkdf(vector: HKDFCase) throws {
        let extracted = try HKDFSHA256.extract(inputKey: secret(vector.inputKey), salt: hex(vector.salt))
        #expect(extracted.revealBytes() == hex(vector.extracted))
        let expected = hex(vector.expanded)
        let expanded = try HKDFSHA256.expand(extracted, info: hex(vector.info), count: expected.count)
        #expect(expanded.revealBytes() == expected)
        // The one-block path must be the prefix of the many-block path.
        let block = try HKDFSHA256.expand(extracted, info: hex(vector.info), count: 32)
        #expect(block.revealBytes() == Array(expected[0..<32]))
    }

    private static func ascending(_ range: ClosedRange<Int>) -> String {
        range.map { String($0 + 0x100, radix: 16).dropFirst() }.joined()
    }

    struct ScryptCase: Sendable {
        let passphrase: String
        let salt: String
        let logCost: UInt8
        let blockSize: UInt64
        let parallelism: UInt64
        let key: String
    }

    @Test(
        "scrypt (RFC 7914 §12; the 1 GiB vector is left out)",
        arguments: [
            ScryptCase(
                passphrase: "", salt: "", logCost: 4, blockSize: 1, parallelism: 1,
                key: """
                    77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442
                    fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906
                    """),
            ScryptCase(
                passphrase: "password", salt: "NaCl", logCost: 10, blockSize: 8, parallelism: 16,
                key: """
                    fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162
                    2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640
                    """),
            ScryptCase(
                passphrase: "pleaseletmein", salt: "SodiumChloride", logCost: 14, blockSize: 8,
                parallelism: 1,
                key: """
                    7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2
                    d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887
                    """),
        ])
    func scrypt(vector: ScryptCase) throws {
        let key = try Scrypt.derive(
            passphrase: SecretBytes(copying: vector.passphrase.utf8), salt: Array(vector.salt.utf8),
            logCost: vector.logCost, blockSize: vector.blockSize, parallelism: vector.parallelism, count: 64)
        #expect(key.revealBytes() == hex(vector.key))
    }

    struct GCMCase: Sendable {
        let key: String
        let nonce: String
        let associatedData: String
        let plaintext: String
        let ciphertext: String
        let tag: String
    }

    private static let gcmKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
    private static let gcmPlaintext = """
        d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
        """
    private static let gcmCiphertext = """
        522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
        8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
        """

    @Test(
        "AES-256-GCM (GCM specification, test cases 13–16)",
        arguments: [
            GCMCase(
                key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
                associatedData: "", plaintext: "", ciphertext: "", tag: "530f8afbc74536b9a963b4f1c4cb738b"),
            GCMCase(
                key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
                associatedData: "", plaintext: "00000000000000000000000000000000",
                ciphertext: "cea7403d4d606b6e074ec5d3baf39d18", tag: "d0d1c8a799996bf0265b98b5d48ab919"),
            GCMCase(
                key: gcmKey, nonce: "cafebabefacedbaddecaf888", associatedData: "",
                plaintext: gcmPlaintext + "1aafd255", ciphertext: gcmCiphertext + "898015ad",
                tag: "b094dac5d93471bdec1a502270e3cc6c"),
            GCMCase(
                key: gcmKey, nonce: "cafebabefacedbaddecaf888",
                associatedData: "feedfacedeadbeeffeedfacedeadbeefabaddad2", plaintext: gcmPlaintext,
                ciphertext: gcmCiphertext, tag: "76fc6ece0f4e1768cddf8853bb2d551b"),
        ])
    func aes256GCM(vector: GCMCase) throws {
        let sealed = try AES256GCM.seal(
            secret(vector.plaintext), key: secret(vector.key), nonce: hex(vector.nonce),
            associatedData: hex(vector.associatedData))
        #expect(sealed.ciphertext == hex(vector.ciphertext))
        #expect(sealed.tag == hex(vector.tag))
        let opened = try AES256GCM.open(
            hex(vector.ciphertext)[...], tag: hex(vector.tag), key: secret(vector.key),
            nonce: hex(vector.nonce),
            associatedData: hex(vector.associatedData))
        #expect(opened.revealBytes() == hex(vector.plaintext))
    }

    struct Ed25519Case: Sendable {
        let privateKey: String
        let publicKey: String
        let message: String
        let signature: String
    }

    @Test(
        "Ed25519 (RFC 8032 §7.1, tests 1, 2, 3 and SHA(abc))",
        arguments: [
            Ed25519Case(
                privateKey: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
                signature: """
                    e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
                    5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
                    """),
            Ed25519Case(
                privateKey: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", message: "72",
                signature: """
                    92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
                    085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
                    """),
            Ed25519Case(
                privateKey: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                message: "af82",
                signature: """
                    6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
                    18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
                    """),
            Ed25519Case(
                privateKey: "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
                publicKey: "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
                message: """
                    ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                    """,
                signature: """
                    dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589
                    09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704
                    """),
        ])
    func ed25519(vector: Ed25519Case) throws {
        let key = try SigningKey(.ed25519, privateKey: secret(vector.privateKey))
        #expect(key.verificationKey.rawRepresentation == hex(vector.publicKey))
        #expect(try key.sign(hex(vector.message)) == hex(vector.signature))
        let verifier = try VerificationKey(.ed25519, rawRepresentation: hex(vector.publicKey))
        #expect(verifier.isValid(signature: hex(vector.signature), for: hex(vector.message)))
        let revealed = try key.revealPrivateKey()
        #expect(revealed.revealBytes() == hex(vector.privateKey))
    }

    @Test(
        "ES256 verifies RFC 6979 A.2.5 (P-256, SHA-256)",
        arguments: [
            (
                "sample",
                """
                efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
                f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8
                """
            ),
            (
                "test",
                """
                f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367
                019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083
                """
            ),
        ])
    func es256(message: String, signature: String) throws {
        let publicKey = hex(
            """
            0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
            7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299
            """)
        let verifier = try VerificationKey(.es256, rawRepresentation: publicKey)
        #expect(verifier.isValid(signature: hex(signature), for: Array(message.utf8)))
        let key = try SigningKey(
            .es256, privateKey: secret("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"))
        #expect(key.verificationKey.rawRepresentation == publicKey)
        #expect(verifier.isValid(signature: try key.sign(Array(message.utf8)), for: Array(message.utf8)))
    }
}

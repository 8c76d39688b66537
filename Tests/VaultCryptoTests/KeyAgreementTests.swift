// Key agreement: points that must be refused, and the answers of RFC 7518, NIST and Wycheproof.

import Testing
import VaultCrypto

@Suite("Key agreement")
struct KeyAgreementTests {
    private static let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
    private static let prime = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
    private static let primeLessOne = "ffffffff00000001000000000000000000000000fffffffffffffffffffffffe"
    private static let zero = String(repeating: "00", count: 32)
    private static let one = String(repeating: "00", count: 31) + "01"

    /// Why a point is refused; `nil` if it is accepted.
    private func refusal(of point: [UInt8], by key: KeyAgreementKey) -> CryptoError? {
        do {
            _ = try key.sharedSecret(with: point)
            return nil
        } catch { return error }
    }

    @Test("a single flipped bit of a point is refused, and the next good point still accepted")
    func bitFlips() throws {
        let key = try KeyAgreementKey.generate()
        let point = try KeyAgreementKey.generate().publicPoint
        for bit in 0..<point.count * 8 {
            var flipped = point
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal(of: flipped, by: key) == .invalidArgument("public key"), "bit \(bit)")
        }
        #expect(refusal(of: point, by: key) == nil)
    }

    @Test("truncated and lengthened points are refused")
    func lengths() throws {
        let key = try KeyAgreementKey.generate()
        let point = try KeyAgreementKey.generate().publicPoint
        for count in 0..<point.count {
            #expect(refusal(of: Array(point[0..<count]), by: key) == .invalidArgument("public key"))
        }
        #expect(refusal(of: point + [0], by: key) == .invalidArgument("public key"))
        #expect(refusal(of: [0] + point, by: key) == .invalidArgument("public key"))
    }

    @Test("the point at infinity, and compressed and hybrid spellings, are refused")
    func encodings() throws {
        let key = try KeyAgreementKey.generate()
        let point = try KeyAgreementKey.generate().publicPoint
        let parity = point[64] & 1
        var others: [[UInt8]] = [[0], [UInt8](repeating: 0, count: 65), [2 + parity] + point[1...32]]
        // Hybrid forms name the parity of y beside y itself, truly or not.
        for prefix in [0, 1, 2, 3, 5, 6, 7] as [UInt8] { others.append([prefix] + point[1...]) }
        for other in others {
            #expect(refusal(of: other, by: key) == .invalidArgument("public key"))
        }
    }

    @Test(
        "points off the curve are refused (Wycheproof ecdh_secp256r1_ecpoint, 193–208)",
        arguments: [zero, one, primeLessOne, prime], [zero, one, primeLessOne, prime])
    func offCurve(x: String, y: String) throws {
        let key = try KeyAgreementKey(
            privateKey: secret("7e4aa54f714bf01df85c50269bea3a86721f84afe74f7b41ea58abcf3474e88d"))
        #expect(refusal(of: hex("04" + x + y), by: key) == .invalidArgument("public key"))
    }

    @Test(
        "compressed points, on the curve or of low order on its twist, are refused (Wycheproof, 2, 209–216)",
        arguments: [
            "0362d5bd3372af75fe85a040715d0f502428e07046868b0bfdfa61d731afe44f26", "",
            "02fd4bf61763b46581fd9174d623516cf3c81edd40e29ffa2777fb6cb0ae3ce535",
            "03efdde3b32872a9effcf3b94cbf73aa7b39f9683ece9121b9852167f4e3da609b",
            "02efdde3b32872a9effcf3b94cbf73aa7b39f9683ece9121b9852167f4e3da609b",
            "02c49524b2adfd8f5f972ef554652836e2efb2d306c6d3b0689234cec93ae73db5",
            "0318f9bae7747cd844e98525b7ccd0daf6e1d20a818b2175a9a91e4eae5343bc98",
            "0218f9bae7747cd844e98525b7ccd0daf6e1d20a818b2175a9a91e4eae5343bc98",
            "03c49524b2adfd8f5f972ef554652836e2efb2d306c6d3b0689234cec93ae73db5",
        ])
    func twist(point: String) throws {
        let key = try KeyAgreementKey.generate()
        #expect(refusal(of: hex(point), by: key) == .invalidArgument("public key"))
    }

    @Test(
        "generators of other curves are refused (SEC 2)",
        arguments: [
            // secp256k1, of the same length.
            """
            0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
            483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8
            """,
            // P-224.
            """
            04b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21
            bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34
            """,
            // P-384.
            """
            04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b98
            59f741e082542a385502f25dbf55296c3a545e3872760ab7
            3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147c
            e9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f
            """,
        ])
    func otherCurves(point: String) throws {
        let key = try KeyAgreementKey.generate()
        #expect(refusal(of: hex(point), by: key) == .invalidArgument("public key"))
    }

    @Test("a coordinate that is not reduced would be a second spelling of a point, and is refused")
    func unreduced() throws {
        let key = try KeyAgreementKey.generate()
        // Wycheproof 31: the point with x = 0.
        let y = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"
        #expect(refusal(of: hex("04" + Self.zero + y), by: key) == nil)
        #expect(refusal(of: hex("04" + Self.prime + y), by: key) == .invalidArgument("public key"))
    }

    @Test("private keys outside 1…n−1 or of another length are refused")
    func privateKeys() {
        func refusal(_ raw: [UInt8]) -> CryptoError? {
            do {
                _ = try KeyAgreementKey(privateKey: SecretBytes(copying: raw))
                return nil
            } catch { return error }
        }
        let order = hex(Self.order)
        var refused: [[UInt8]] = [[], hex(Self.zero), order, order.dropLast() + [0x52]]
        refused.append([UInt8](repeating: 0xFF, count: 32))
        for count in [31, 33] { refused.append([UInt8](repeating: 1, count: count)) }
        for raw in refused { #expect(refusal(raw) == .invalidArgument("private key")) }
        #expect(refusal(hex(Self.one)) == nil)
        #expect(refusal(Array(order.dropLast()) + [0x50]) == nil)
    }

    @Test("the derivation refuses an empty secret and lengths that one digest does not give")
    func derivationBounds() {
        func refusal(secretCount: Int, count: Int) -> CryptoError? {
            do {
                _ = try ConcatKDF.derive(
                    SecretBytes(copying: [UInt8](repeating: 1, count: secretCount)), otherInfo: [],
                    count: count)
                return nil
            } catch { return error }
        }
        #expect(refusal(secretCount: 32, count: 32) == nil)
        #expect(refusal(secretCount: 32, count: 1) == nil)
        #expect(refusal(secretCount: 32, count: 33) == .invalidArgument("count"))
        #expect(refusal(secretCount: 32, count: 0) == .invalidArgument("count"))
        #expect(refusal(secretCount: 32, count: -1) == .invalidArgument("count"))
        #expect(refusal(secretCount: 0, count: 32) == .invalidArgument("secret"))
    }

    struct AgreementCase: Sendable {
        let name: String
        let privateKey: String
        let peer: String
        let secret: String
    }

    @Test(
        "P-256 ECDH (RFC 7518 Appendix C; NIST CAVP KAS ECC CDH primitive, 0 and 1; Wycheproof 1, 3–5, 31)",
        arguments: [
            AgreementCase(
                name: "RFC 7518 C, Alice",
                privateKey: "d3f3716913d4310a0026de741b3f18893afc8114f0c84682ba677e313a13988a",
                peer: """
                    04c1e349cb61ec70248ce801034c3834e1b88ebe1161cb25af38741f785fcfc4c4
                    7bc96708ef80952b53f8d2555fe72b841ed04588628b1d378a594939500ec9c9
                    """,
                secret: "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4"),
            AgreementCase(
                name: "RFC 7518 C, Bob",
                privateKey: "5449836690d75caf29f0dd029ddb31b3ddb8aba9d2d515c5012465e817d4a9dc",
                peer: """
                    04808d060082c176eed3e776a4ac598cc8672c1779f974eecc9b03411ca5b9495d
                    48b5bfc527dfce53d6ac7115237d031ccff87a0570b77350a9e503ee7305a69b
                    """,
                secret: "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4"),
            AgreementCase(
                name: "CAVP 0",
                privateKey: "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
                peer: """
                    04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287
                    db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac
                    """,
                secret: "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"),
            AgreementCase(
                name: "CAVP 1",
                privateKey: "38f65d6dce47676044d58ce5139582d568f64bb16098d179dbab07741dd5caf5",
                peer: """
                    04809f04289c64348c01515eb03d5ce7ac1a8cb9498f5caa50197e58d43a86a7ae
                    b29d84e811197f25eba8f5194092cb6ff440e26d4421011372461f579271cda3
                    """,
                secret: "057d636096cb80b67a8c038c890e887d1adfa4195e9b3ce241c8a778c59cda67"),
            AgreementCase(
                name: "Wycheproof 1",
                privateKey: "0612465c89a023ab17855b0a6bcebfd3febb53aef84138647b5352e02c10c346",
                peer: """
                    0462d5bd3372af75fe85a040715d0f502428e07046868b0bfdfa61d731afe44f26
                    ac333a93a9e70a81cd5a95b5bf8d13990eb741c8c38872b4a07d275a014e30cf
                    """,
                secret: "53020d908b0219328b658b525f26780e3ae12bcd952bb25a93bc0895e1714285"),
            AgreementCase(
                name: "Wycheproof 3, a secret of zeros",
                privateKey: "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
                peer: """
                    0458fd4168a87795603e2b04390285bdca6e57de6027fe211dd9d25e2212d29e62
                    080d36bd224d7405509295eed02a17150e03b314f96da37445b0d1d29377d12c
                    """, secret: zero),
            AgreementCase(
                name: "Wycheproof 4, leading zeros",
                privateKey: "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
                peer: """
                    040f6d20c04261ecc3e92846acad48dc8ec5ee35ae0883f0d2ea71216906ee1c47
                    c042689a996dd12830ae459382e94aac56b717af2e2080215f9e41949b1f52be
                    """,
                secret: "00000000000000000000000000000000ffffffffffffffffffffffffffffffff"),
            AgreementCase(
                name: "Wycheproof 5, leading zeros in the point too",
                privateKey: "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
                peer: """
                    0400c7defeb1a16236738e9a1123ba621bc8e9a3f2485b3f8ffde7f9ce98f5a8a1
                    cb338c3912b1792f60c2b06ec5231e2d84b0e596e9b76d419ce105ece3791dbc
                    """,
                secret: "0000000000000000ffffffffffffffff00000000000000010000000000000001"),
            AgreementCase(
                name: "Wycheproof 31, the point with x = 0",
                privateKey: "55d55f11bb8da1ea318bca7266f0376662441ea87270aa2077f1b770c4854a48",
                peer: """
                    040000000000000000000000000000000000000000000000000000000000000000
                    66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4
                    """,
                secret: "cfe4077c8730b1c9384581d36bff5542bc417c9eff5c2afcb98cc8829b2ce848"),
        ])
    func agreement(vector: AgreementCase) throws {
        let key = try KeyAgreementKey(privateKey: secret(vector.privateKey))
        let agreed = try key.sharedSecret(with: hex(vector.peer))
        #expect(agreed.revealBytes() == hex(vector.secret), "\(vector.name)")
    }

    @Test("the point of a private key (RFC 7518 Appendix C; NIST CAVP)")
    func publicPoints() throws {
        let bob = try KeyAgreementKey(
            privateKey: secret("5449836690d75caf29f0dd029ddb31b3ddb8aba9d2d515c5012465e817d4a9dc"))
        #expect(
            bob.publicPoint
                == hex(
                    """
                    04c1e349cb61ec70248ce801034c3834e1b88ebe1161cb25af38741f785fcfc4c4
                    7bc96708ef80952b53f8d2555fe72b841ed04588628b1d378a594939500ec9c9
                    """))
        let tested = try KeyAgreementKey(
            privateKey: secret("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"))
        #expect(
            tested.publicPoint
                == hex(
                    """
                    04ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230
                    28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141
                    """))
    }

    struct DerivationCase: Sendable {
        let name: String
        let secret: String
        let otherInfo: String
        let key: String
    }

    @Test(
        "Concat KDF with SHA-256",
        arguments: [
            DerivationCase(
                name: "RFC 7518 Appendix C",
                secret: "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4",
                otherInfo: "000000074131323847434d00000005416c69636500000003426f6200000080",
                key: "56aa8deaf8236d205c2228cd71a7101a"),
            DerivationCase(
                name: "test vector of pyca/cryptography, test_concatkdf.py",
                secret: "52169af5c485dcc2321eb8d26d5efa21fb9b93c98e38412ee2484cf14f0d0d23",
                otherInfo: """
                    a1b2c3d4e53728157e634612c12d6d5223e204aeea4341565369647bd184bcd2
                    46f72971f292badaa2fe4124612cba
                    """, key: "1c3bc9e7c4547c5191c0d478cccaed55"),
            DerivationCase(
                name: "RFC 7518 Appendix C with A256GCM, computed by pyca/cryptography",
                secret: "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4",
                otherInfo: "000000074132353647434d00000005416c69636500000003426f6200000100",
                key: "fd5a6362ee2ef39e51d8a9ddb2c98507390b5a8f6a3bc14af47c47d1b58e3b60"),
        ])
    func derivation(vector: DerivationCase) throws {
        let expected = hex(vector.key)
        let key = try ConcatKDF.derive(
            secret(vector.secret), otherInfo: hex(vector.otherInfo), count: expected.count)
        #expect(key.revealBytes() == expected, "\(vector.name)")
    }

    @Test("two fresh keys agree, and a key survives its raw form")
    func freshKeys() throws {
        let (one, other) = (try KeyAgreementKey.generate(), try KeyAgreementKey.generate())
        #expect(one.publicPoint != other.publicPoint)
        let sent = try one.sharedSecret(with: other.publicPoint)
        let received = try other.sharedSecret(with: one.publicPoint)
        #expect(sent.revealBytes() == received.revealBytes())
        let raw = try one.revealPrivateKey()
        let again = try KeyAgreementKey(privateKey: raw)
        #expect(again.publicPoint == one.publicPoint)
    }
}

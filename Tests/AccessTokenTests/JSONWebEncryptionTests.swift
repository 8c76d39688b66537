// Sealed values: what is changed, cut, forged or meant for somebody else does not open; and RFC 7518's answers.

import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

/// The ephemeral key of RFC 7518 Appendix C (Alice).
private let appendixCSender: JSONValue = .object(
    JSONObject([
        ("kty", .string("EC")), ("crv", .string("P-256")),
        ("x", .string("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0")),
        ("y", .string("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps")),
        ("d", .string("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo")),
    ]))

/// The recipient's key of RFC 7518 Appendix C (Bob).
private let appendixCRecipient: JSONValue = .object(
    JSONObject([
        ("kty", .string("EC")), ("crv", .string("P-256")),
        ("x", .string("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ")),
        ("y", .string("e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck")),
        ("d", .string("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw")),
    ]))

@Suite("Sealed values")
struct JSONWebEncryptionTests {
    private static let release = Array("rl_AQIDBAUGBwgJCgsMDQ4PEA".utf8)
    private static let client = Array("dialer-1".utf8)
    private static let number = "+8613800138000"

    private let key: PrivateEncryptionJWK
    /// The pair that forged values are sealed with.
    private let forger: PrivateEncryptionJWK

    init() throws {
        key = try PrivateEncryptionJWK.generate()
        forger = try PrivateEncryptionJWK.generate()
    }

    private func seal(
        _ value: String = JSONWebEncryptionTests.number, random: any RandomSource = SystemRandom()
    ) throws(JWEFault) -> String {
        try JSONWebEncryption.seal(
            SecretBytes(copying: value.utf8), to: key.publicJWK, partyUInfo: Self.release,
            partyVInfo: Self.client, random: random)
    }

    /// Why a text is not opened; `nil` if it is.
    private func refusal(of compact: String, with other: PrivateEncryptionJWK? = nil) -> JWEFault? {
        do {
            _ = try JSONWebEncryption.open(compact, with: other ?? key)
            return nil
        } catch { return error }
    }

    /// The five segments, decoded.
    private func segments(of compact: String) throws -> [[UInt8]] {
        try compact.split(separator: ".", omittingEmptySubsequences: false).map {
            try #require(Base64URL.decode($0))
        }
    }

    private func compact(_ segments: [[UInt8]]) -> String {
        segments.map { Base64URL.encode($0) }.joined(separator: ".")
    }

    // MARK: Changes on the way

    @Test("every flipped bit of every segment is refused")
    func bitFlips() throws {
        let sealed = try seal()
        let parts = try segments(of: sealed)
        #expect(compact(parts) == sealed)
        for index in parts.indices {
            for bit in 0..<parts[index].count * 8 {
                var flipped = parts
                flipped[index][bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(refusal(of: compact(flipped)) != nil, "segment \(index), bit \(bit)")
            }
        }
        // The values themselves are refused by the tag, not by their shape.
        for index in [2, 3, 4] {
            var flipped = parts
            flipped[index][0] ^= 1
            #expect(refusal(of: compact(flipped)) == .authentication)
        }
        #expect(refusal(of: sealed) == nil)
    }

    @Test("every changed character is refused: no text has a second spelling")
    func characters() throws {
        let sealed = Array(try seal().utf8)
        for index in sealed.indices {
            for other in "AQw_.=+ \n".utf8 where sealed[index] != other {
                var changed = sealed
                changed[index] = other
                #expect(refusal(of: String(decoding: changed, as: UTF8.self)) != nil, "character \(index)")
            }
        }
    }

    @Test("every truncation, of the whole and of each segment, is refused")
    func truncations() throws {
        let sealed = try seal()
        for count in 0..<sealed.utf8.count {
            #expect(refusal(of: String(sealed.prefix(count))) != nil, "first \(count) characters")
            #expect(refusal(of: String(sealed.suffix(count))) != nil, "last \(count) characters")
        }
        let parts = try segments(of: sealed)
        for index in parts.indices {
            for count in 0..<parts[index].count {
                var cut = parts
                cut[index] = Array(parts[index].prefix(count))
                #expect(refusal(of: compact(cut)) != nil, "segment \(index) of \(count) bytes")
            }
            var longer = parts
            longer[index].append(0)
            #expect(refusal(of: compact(longer)) != nil, "segment \(index) with a byte more")
            var fewer = parts
            fewer.remove(at: index)
            #expect(refusal(of: compact(fewer)) == .segments, "without segment \(index)")
        }
        #expect(refusal(of: sealed + ".") == .segments)
        #expect(refusal(of: sealed + "\n") == .segments)
        #expect(refusal(of: " " + sealed) == .segments)
        #expect(refusal(of: "") == .segments)
        #expect(refusal(of: "....") == .segments)
    }

    @Test("an encrypted key is refused where the agreed key is the content's: RFC 7516 §5.2 step 10")
    func encryptedKey() throws {
        var parts = try segments(of: try seal())
        for count in [1, 16, 32, 40] {
            parts[1] = [UInt8](repeating: 0, count: count)
            #expect(refusal(of: compact(parts)) == .segments)
        }
    }

    @Test("too long a text is refused before it is taken apart, too long a value before it is sealed")
    func sizes() throws {
        #expect(refusal(of: String(repeating: "A", count: 8193)) == .tooLarge)
        #expect(refusal(of: String(repeating: "A", count: 8192)) == .segments)
        var parts = try segments(of: try seal())
        parts[3] = [UInt8](repeating: 0, count: 1023)
        #expect(refusal(of: compact(parts)) == .tooLarge)
        #expect(throws: JWEFault.tooLarge) { () throws in
            _ = try seal(String(repeating: "x", count: 1023))
        }
    }

    @Test("a segment of another sealed value in the place of one's own is refused")
    func mixtures() throws {
        let one = try segments(of: try seal())
        let other = try segments(of: try seal())
        for index in [0, 2, 3, 4] {
            var mixed = one
            mixed[index] = other[index]
            #expect(refusal(of: compact(mixed)) == .authentication, "segment \(index)")
        }
    }

    // MARK: Others

    @Test("another client's key does not open it, not even with its own name put into the header")
    func foreignRecipient() throws {
        let sealed = try seal()
        let other = try PrivateEncryptionJWK.generate()
        #expect(refusal(of: sealed, with: other) == .recipient)
        var parts = try segments(of: sealed)
        let header = String(decoding: parts[0], as: UTF8.self)
        parts[0] = Array(header.replacing(key.thumbprint, with: other.thumbprint).utf8)
        #expect(refusal(of: compact(parts), with: other) == .authentication)
        #expect(refusal(of: compact(parts)) == .recipient)
    }

    @Test("a value sealed for one release or client is refused as another's")
    func parties() throws {
        let sealed = try seal()
        func refusal(_ release: [UInt8], _ client: [UInt8]) -> JWEFault? {
            do {
                _ = try JSONWebEncryption.open(
                    sealed, with: key, partyUInfo: release, partyVInfo: client)
                return nil
            } catch { return error }
        }
        #expect(refusal(Self.release, Self.client) == nil)
        #expect(refusal(Array("rl_AQIDBAUGBwgJCgsMDQ4PEB".utf8), Self.client) == .party)
        #expect(refusal(Self.release, Array("dialer-2".utf8)) == .party)
        #expect(refusal(Self.client, Self.release) == .party)
        #expect(refusal([], []) == .party)
        // Written into the header, another release is another key.
        for (name, other) in [("apu", "rl_AQIDBAUGBwgJCgsMDQ4PEB"), ("apv", "dialer-2")] {
            let forged = try forge(header.with(name, "\"\(Base64URL.encode(Array(other.utf8)))\""))
            #expect(self.refusal(of: forged) == .authentication)
        }
    }

    @Test("parties that nobody could check are not sealed for")
    func emptyParties() throws {
        func refusal(_ release: [UInt8], _ client: [UInt8]) -> JWEFault? {
            do {
                _ = try JSONWebEncryption.seal(
                    SecretBytes(copying: Self.number.utf8), to: key.publicJWK, partyUInfo: release,
                    partyVInfo: client, random: SystemRandom())
                return nil
            } catch { return error }
        }
        let longest = [UInt8](repeating: UInt8(ascii: "a"), count: 64)
        #expect(refusal(longest, longest) == nil)
        #expect(refusal([], Self.client) == .party)
        #expect(refusal(Self.release, []) == .party)
        #expect(refusal(longest + [0x61], Self.client) == .party)
        #expect(refusal(Self.release, longest + [0x61]) == .party)
    }

    // MARK: Forged headers

    /// A good header of the forger's.
    private var header: RawObject {
        RawObject(members: [
            ("alg", "\"ECDH-ES\""), ("enc", "\"A256GCM\""), ("kid", "\"\(key.thumbprint)\""),
            ("epk", ephemeral.text), ("apu", "\"\(Base64URL.encode(Self.release))\""),
            ("apv", "\"\(Base64URL.encode(Self.client))\""),
        ])
    }

    /// A good `epk` of the forger's.
    private var ephemeral: RawObject {
        let point = forger.publicJWK.point
        return RawObject(members: [
            ("kty", "\"EC\""), ("crv", "\"P-256\""), ("x", "\"\(Base64URL.encode(point[1..<33]))\""),
            ("y", "\"\(Base64URL.encode(point[33..<65]))\""),
        ])
    }

    /// What anybody can make who has the public key: any header, with a tag that verifies.
    private func forge(_ header: String) throws -> String {
        let contentKey = try JSONWebEncryption.contentKey(
            of: forger.key, with: key.publicJWK.point, partyUInfo: Self.release, partyVInfo: Self.client)
        let encoded = Base64URL.encode(Array(header.utf8))
        let vector = [UInt8](repeating: 1, count: 12)
        let sealed = try AES256GCM.seal(
            SecretBytes(copying: Self.number.utf8), key: contentKey, nonce: vector,
            associatedData: Array(encoded.utf8))
        return [encoded, "", Base64URL.encode(vector), Base64URL.encode(sealed.ciphertext)]
            .joined(separator: ".") + "." + Base64URL.encode(sealed.tag)
    }

    private func forge(_ header: RawObject) throws -> String { try forge(header.text) }

    @Test("the forger's good header opens, so it is the change that is refused below")
    func goodForgery() throws {
        let forged = try forge(header)
        #expect(refusal(of: forged) == nil)
    }

    /// A member that is replaced, added or with `nil` left out, and why the header is refused then.
    struct HeaderForgery: Sendable {
        let member: String
        let json: String?
        let fault: JWEFault

        init(_ member: String, _ fault: JWEFault, json: String?) {
            self.member = member
            self.json = json
            self.fault = fault
        }

        init(_ member: String, _ fault: JWEFault, _ text: String) {
            self.init(member, fault, json: "\"\(text)\"")
        }

        init(_ member: String, _ fault: JWEFault, bytes: [UInt8]) {
            self.init(member, fault, Base64URL.encode(bytes))
        }
    }

    private static let headerForgeries: [HeaderForgery] = [
        HeaderForgery("alg", .algorithm, "ECDH-ES+A256KW"), HeaderForgery("alg", .algorithm, "dir"),
        HeaderForgery("alg", .algorithm, "RSA-OAEP"), HeaderForgery("alg", .algorithm, "none"),
        HeaderForgery("alg", .algorithm, "ecdh-es"), HeaderForgery("alg", .algorithm, ""),
        HeaderForgery("alg", .malformedMember, json: "[\"ECDH-ES\"]"),
        HeaderForgery("alg", .malformedMember, json: "null"), HeaderForgery("alg", .missingMember, json: nil),
        HeaderForgery("enc", .algorithm, "A128GCM"), HeaderForgery("enc", .algorithm, "A256CBC-HS512"),
        HeaderForgery("enc", .algorithm, "a256gcm"), HeaderForgery("enc", .malformedMember, json: "256"),
        HeaderForgery("enc", .missingMember, json: nil),
        HeaderForgery("crit", .unknownMember, json: "[\"exp\"]"),
        HeaderForgery("crit", .unknownMember, json: "[]"), HeaderForgery("zip", .unknownMember, "DEF"),
        HeaderForgery("zip", .unknownMember, json: "null"), HeaderForgery("typ", .unknownMember, "JWT"),
        HeaderForgery("cty", .unknownMember, "JWT"), HeaderForgery("jwk", .unknownMember, json: "{}"),
        HeaderForgery("jku", .unknownMember, "https://evil.example"),
        HeaderForgery("x5u", .unknownMember, "https://evil.example"),
        HeaderForgery("x5c", .unknownMember, json: "[]"), HeaderForgery("tag", .unknownMember, "AA"),
        HeaderForgery("iv", .unknownMember, "AAECAwQFBgcICQoL"),
        HeaderForgery("p2c", .unknownMember, json: "1000000"),
        HeaderForgery("Alg", .unknownMember, "ECDH-ES"),
        HeaderForgery("kid", .recipient, "dialer-1"), HeaderForgery("kid", .recipient, ""),
        HeaderForgery("kid", .malformedMember, json: "null"), HeaderForgery("kid", .missingMember, json: nil),
        HeaderForgery("apu", .malformedMember, ""), HeaderForgery("apu", .malformedMember, "A"),
        HeaderForgery("apu", .malformedMember, "QQ=="), HeaderForgery("apu", .malformedMember, "QR"),
        HeaderForgery("apu", .malformedMember, "+/+/"), HeaderForgery("apu", .malformedMember, json: "null"),
        HeaderForgery("apu", .malformedMember, bytes: [UInt8](repeating: 1, count: 65)),
        HeaderForgery("apu", .authentication, bytes: [UInt8](repeating: 1, count: 64)),
        HeaderForgery("apu", .missingMember, json: nil),
        HeaderForgery("apv", .malformedMember, ""), HeaderForgery("apv", .malformedMember, json: "7"),
        HeaderForgery("apv", .missingMember, json: nil),
        HeaderForgery("epk", .malformedMember, ""), HeaderForgery("epk", .malformedMember, json: "null"),
        HeaderForgery("epk", .malformedMember, json: "[]"), HeaderForgery("epk", .missingMember, json: "{}"),
        HeaderForgery("epk", .missingMember, json: nil),
        HeaderForgery("epk", .json, json: "{\"x\":{\"x\":{}}}"),
    ]

    @Test(
        "a header that chooses, adds or leaves out anything is refused, under a good tag",
        arguments: headerForgeries)
    func forgedHeader(forgery: HeaderForgery) throws {
        let forged = try forge(header.with(forgery.member, forgery.json))
        #expect(refusal(of: forged) == forgery.fault)
    }

    private static let pointForgeries: [HeaderForgery] = [
        HeaderForgery("kty", .ephemeralKey, "OKP"), HeaderForgery("kty", .ephemeralKey, "ec"),
        HeaderForgery("kty", .malformedMember, json: "null"), HeaderForgery("kty", .missingMember, json: nil),
        HeaderForgery("crv", .ephemeralKey, "P-384"), HeaderForgery("crv", .ephemeralKey, "X25519"),
        HeaderForgery("crv", .ephemeralKey, "secp256k1"), HeaderForgery("crv", .missingMember, json: nil),
        HeaderForgery("d", .unknownMember, "AA"), HeaderForgery("kid", .unknownMember, "a"),
        HeaderForgery("alg", .unknownMember, "ECDH-ES"), HeaderForgery("use", .unknownMember, "enc"),
        HeaderForgery("x", .malformedMember, ""), HeaderForgery("y", .malformedMember, json: "1"),
        HeaderForgery("y", .missingMember, json: nil),
        HeaderForgery("y", .malformedMember, bytes: [UInt8](repeating: 1, count: 31)),
        HeaderForgery("y", .malformedMember, bytes: [UInt8](repeating: 1, count: 33)),
        // Off the curve; and a coordinate that is not below p.
        HeaderForgery("y", .ephemeralKey, bytes: [UInt8](repeating: 0, count: 32)),
        HeaderForgery("x", .ephemeralKey, bytes: [UInt8](repeating: 0xFF, count: 32)),
    ]

    @Test(
        "an epk that is no point of P-256 in its one spelling is refused before it meets the private key",
        arguments: pointForgeries)
    func forgedPoint(forgery: HeaderForgery) throws {
        let forged = try forge(header.with("epk", ephemeral.with(forgery.member, forgery.json).text))
        #expect(refusal(of: forged) == forgery.fault)
    }

    @Test("an epk of zeros, which other programs take for the point at infinity, is refused")
    func infinity() throws {
        let zeros = "\"\(Base64URL.encode([UInt8](repeating: 0, count: 32)))\""
        let forged = try forge(header.with("epk", ephemeral.with("x", zeros).with("y", zeros).text))
        #expect(refusal(of: forged) == .ephemeralKey)
    }

    @Test("doubled members and headers that are not one JSON object are refused")
    func malformedHeaders() throws {
        for name in ["alg", "enc", "kid", "epk", "apu", "apv"] {
            let forged = try forge(header.repeating(name))
            #expect(refusal(of: forged) == .json, "\(name) twice")
        }
        for name in ["kty", "crv", "x", "y"] {
            let forged = try forge(header.with("epk", ephemeral.repeating(name).text))
            #expect(refusal(of: forged) == .json, "\(name) of epk twice")
        }
        let others: [(text: String, fault: JWEFault)] = [
            (header.text + "{}", .json), ("\u{FEFF}" + header.text, .json), ("nul", .json), ("{", .json),
            ("'a'", .json), ("[]", .malformedMember), ("null", .malformedMember), ("1", .malformedMember),
            ("\"\"", .malformedMember), ("{}", .missingMember), ("", .segments),
        ]
        for other in others {
            let forged = try forge(other.text)
            #expect(refusal(of: forged) == other.fault, "\(other.text)")
        }
    }

    // MARK: Sealing

    @Test("the header has its six members and says nothing of the value")
    func form() throws {
        let parts = try segments(of: try seal())
        let header = try #require(try JSONValue.parse(parts[0], maximumDepth: 2).objectValue)
        #expect(header.keys == ["alg", "apu", "apv", "enc", "epk", "kid"])
        #expect(header["alg"] == .string("ECDH-ES"))
        #expect(header["enc"] == .string("A256GCM"))
        #expect(header["kid"] == .string(key.thumbprint))
        #expect(header["apu"] == .string(Base64URL.encode(Self.release)))
        #expect(header["apv"] == .string(Base64URL.encode(Self.client)))
        #expect(header["epk"]?.objectValue?.keys == ["crv", "kty", "x", "y"])
        #expect(parts.map(\.count).dropFirst() == [0, 12, Self.number.utf8.count, 16])
    }

    @Test("values of every length come back", arguments: [0, 1, 11, 14, 32, 256, 1021, 1022])
    func roundTrip(count: Int) throws {
        let value = try SystemRandom().bytes(count)
        let sealed = try JSONWebEncryption.seal(
            SecretBytes(copying: value), to: key.publicJWK, partyUInfo: Self.release,
            partyVInfo: Self.client, random: SystemRandom())
        let opened = try JSONWebEncryption.open(
            sealed, with: key, partyUInfo: Self.release, partyVInfo: Self.client)
        #expect(opened.revealBytes() == value)
    }

    /// A generator that is stuck, broken or cut.
    struct BadRandom: RandomSource {
        let count: Int?

        func bytes(_ wanted: Int) throws(CryptoError) -> [UInt8] {
            guard let count else { throw .unavailable("RAND_bytes") }
            return [UInt8](repeating: 7, count: count)
        }

        func secret(_ wanted: Int) throws(CryptoError) -> SecretBytes {
            SecretBytes(copying: try bytes(wanted))
        }
    }

    @Test("no two sealed values share a key, a vector, a ciphertext or a tag")
    func distinct() throws {
        var seen: Set<[UInt8]> = []
        for _ in 0..<100 {
            for part in try segments(of: try seal()) where !part.isEmpty {
                let isNew = seen.insert(part).inserted
                #expect(isNew)
            }
        }
        // Not even if the vectors repeat, because each key is used once.
        for _ in 0..<100 {
            let parts = try segments(of: try seal(random: BadRandom(count: 12)))
            for index in [0, 3, 4] {
                let isNew = seen.insert(parts[index]).inserted
                #expect(isNew)
            }
        }
    }

    @Test("nothing is sealed without a vector of its length", arguments: [nil, 0, 11, 13] as [Int?])
    func badRandom(count: Int?) {
        #expect(throws: JWEFault.unavailable) { () throws in _ = try seal(random: BadRandom(count: count)) }
    }

    // MARK: Known answers

    @Test("RFC 7518 Appendix C: OtherInfo and the derived key for A128GCM")
    func appendixC() throws {
        let sender = try PrivateEncryptionJWK(parsing: appendixCSender)
        let recipient = try PrivateEncryptionJWK(parsing: appendixCRecipient)
        let info = JSONWebEncryption.otherInfo(
            algorithm: "A128GCM", partyUInfo: Array("Alice".utf8), partyVInfo: Array("Bob".utf8),
            keyBits: 128)
        #expect(
            info == [
                0, 0, 0, 7, 65, 49, 50, 56, 71, 67, 77, 0, 0, 0, 5, 65, 108, 105, 99, 101, 0, 0, 0, 3, 66,
                111, 98, 0, 0, 0, 128,
            ])
        let agreed = try sender.key.sharedSecret(with: recipient.publicJWK.point)
        #expect(
            agreed.revealBytes() == [
                158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163,
                218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
            ])
        let derived = try ConcatKDF.derive(agreed, otherInfo: info, count: 16)
        #expect(Base64URL.encode(derived.revealBytes()) == "VqqN6vgjbSBcIijNcacQGg")
    }

    /// The example of docs/spec/sealed-number.md, computed by pyca/cryptography 48.0.0, opened by joserfc.
    private static let example =
        "eyJhbGciOiJFQ0RILUVTIiwiYXB1IjoiY214ZlFWRkpSRUpCVlVkQ2QyZEtRMmR6VFVSUk5GQkZRUSIsImFwdiI6"
        + "IlpHbGhiR1Z5TFRFIiwiZW5jIjoiQTI1NkdDTSIsImVwayI6eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6"
        + "ImdJMEdBSUxCZHU3VDUzYWtyRm1NeUdjc0YzbjVkTzdNbXdOQkhLVzVTVjAiLCJ5IjoiU0xXX3hTZmZ6bFBXckhF"
        + "VkkzMERITV80ZWdWd3QzTlFxZVVEN25NRnBwcyJ9LCJraWQiOiJWeTU3WHJBclVyVzBOYnBJMTJ0RXpESEFCeE13"
        + "clRoNkhIWFJlblNwbkNvIn0..AAECAwQFBgcICQoL.0SswPuT_H6n0fOTXoYc.Wm3uzabeQ-bdw6NQA1IJxw"

    @Test("the example of the specification, with the keys of RFC 7518 Appendix C")
    func specificationExample() throws {
        let sender = try PrivateEncryptionJWK(parsing: appendixCSender)
        let recipient = try PrivateEncryptionJWK(parsing: appendixCRecipient)
        let sealed = try JSONWebEncryption.seal(
            SecretBytes(copying: Self.number.utf8), to: recipient.publicJWK, partyUInfo: Self.release,
            partyVInfo: Self.client, ephemeral: sender.key, initializationVector: Array(0..<12))
        #expect(sealed == Self.example)
        let opened = try JSONWebEncryption.open(
            Self.example, with: recipient, partyUInfo: Self.release, partyVInfo: Self.client)
        #expect(opened.revealBytes() == Array(Self.number.utf8))
    }

    @Test("every fault says what to do")
    func descriptions() {
        #expect(Set(JWEFault.allCases.map(\.description)).count == JWEFault.allCases.count)
    }
}

// Sealing a value to a client's key: compact JSON Web Encryption (RFC 7516) with ECDH-ES and A256GCM
// (RFC 7518 §4.6, §5.3), and nothing else.
//
// As with signatures, the message chooses nothing. `alg` and `enc` could choose a weaker way, `zip` the size
// in memory, `crit` the rules, `epk` a point that gives the private key away. So the header has exactly the
// members it is made with, and `alg`, `enc` and the kind of `epk` have one value each.

import ContactModel
import StrictEncoding
public import VaultCrypto

/// Why a value was not sealed or a sealed value not opened. Carries no input.
public enum JWEFault: String, CaseIterable, Error, Sendable, CustomStringConvertible {
    /// The value, or the sealed text, is longer than its limit.
    case tooLarge = "too_large"
    /// Not five segments of strict base64url, of the lengths they have; or an encrypted key, where none is.
    case segments
    /// A header that is not strict JSON.
    case json
    /// A header parameter that a sealed value does not have, known to RFC 7516 or not.
    case unknownMember = "unknown_member"
    /// A header parameter is missing.
    case missingMember = "missing_member"
    /// A header parameter of the wrong JSON type, length or alphabet.
    case malformedMember = "malformed_member"
    /// `alg` is not `ECDH-ES` or `enc` not `A256GCM`.
    case algorithm
    /// `epk` is of another kind, or no point of the curve.
    case ephemeralKey = "ephemeral_key"
    /// Sealed to another key.
    case recipient
    /// `apu` or `apv` names other parties than expected, or one to seal for is empty or longer than 64 bytes.
    case party
    /// The tag does not verify: something was changed, or sealed for another key.
    case authentication
    /// The cryptographic library failed, which no input can cause.
    case unavailable

    /// What to do about it.
    public var description: String {
        switch self {
        case .tooLarge: "the value is longer than a sealed field can be"
        case .segments: "not a sealed value: it has five segments of base64url, the second of them empty"
        case .json: "not a sealed value: its header is not one JSON object without repetitions"
        case .unknownMember: "the header has members other than alg, apu, apv, enc, epk and kid, or epk has"
        case .missingMember: "the header lacks one of alg, apu, apv, enc, epk and kid, or epk one of its four"
        case .malformedMember: "a member of the header is of the wrong type or length"
        case .algorithm: "not sealed with ECDH-ES and A256GCM; nothing else is opened"
        case .ephemeralKey: "the sender's key epk is not a point of P-256; do not trust who sent this"
        case .recipient: "sealed to another key; open it with the key whose thumbprint its kid is"
        case .party: "sealed for another release or another client; ask for a release of your own"
        case .authentication: "the value was changed on the way; ask for a new release"
        case .unavailable: "the cryptographic library failed"
        }
    }
}

extension JWEFault: MemberFault {}

/// Compact JWE to one recipient: direct key agreement ECDH-ES on P-256, content encryption A256GCM.
///
/// Anybody who has the public key can make one. That it came from the vault is shown by the connection it
/// came through, not by the text.
public enum JSONWebEncryption {
    static let algorithm = "ECDH-ES"
    static let encryption = "A256GCM"

    /// Seals a value with a key pair that is made for this call alone and forgotten.
    /// - Parameters:
    ///   - plaintext: at most 1,022 bytes.
    ///   - key: the recipient's key; its thumbprint becomes `kid`.
    ///   - partyUInfo: who seals and for what, 1…64 bytes, in the clear as `apu` and part of the key.
    ///   - partyVInfo: who is to open it, 1…64 bytes, in the clear as `apv` and part of the key.
    ///   - random: source of the 12-byte initialization vector. The key pair comes from the library.
    /// - Returns: five segments, the second empty.
    /// - Throws: ``JWEFault/tooLarge``, ``JWEFault/party``, ``JWEFault/unavailable``.
    public static func seal(
        _ plaintext: borrowing SecretBytes, to key: EncryptionJWK, partyUInfo: [UInt8], partyVInfo: [UInt8],
        random: any RandomSource
    ) throws(JWEFault) -> String {
        let ephemeral: KeyAgreementKey
        let vector: [UInt8]
        do {
            ephemeral = try KeyAgreementKey.generate()
            vector = try random.bytes(AES256GCM.nonceBytes)
        } catch {
            throw .unavailable
        }
        return try seal(
            plaintext, to: key, partyUInfo: partyUInfo, partyVInfo: partyVInfo, ephemeral: ephemeral,
            initializationVector: vector)
    }

    /// The same with a key pair and an initialization vector at hand, to reproduce known answers. Two values
    /// sealed with the same pair of them would give away their difference.
    package static func seal(
        _ plaintext: borrowing SecretBytes, to key: EncryptionJWK, partyUInfo: [UInt8], partyVInfo: [UInt8],
        ephemeral: KeyAgreementKey, initializationVector: [UInt8]
    ) throws(JWEFault) -> String {
        guard plaintext.count <= Limits.fieldBytes else { throw .tooLarge }
        guard isParty(partyUInfo), isParty(partyVInfo) else { throw .party }
        let header = JSONObject([
            ("alg", .string(algorithm)), ("apu", .string(Base64URL.encode(partyUInfo))),
            ("apv", .string(Base64URL.encode(partyVInfo))), ("enc", .string(encryption)),
            ("epk", KeyCoordinates(algorithm: .es256, raw: ephemeral.publicPoint).requiredMembers),
            ("kid", .string(key.thumbprint)),
        ])
        var message = Base64URL.encodedBytes(JSONValue.object(header).canonicalBytes)
        let sealed: (ciphertext: [UInt8], tag: [UInt8])
        do {
            let contentKey = try Self.contentKey(
                of: ephemeral, with: key.point, partyUInfo: partyUInfo, partyVInfo: partyVInfo)
            // RFC 7516 §5.1 step 14: the additional data are the ASCII bytes of the encoded header.
            sealed = try AES256GCM.seal(
                plaintext, key: contentKey, nonce: initializationVector, associatedData: message)
        } catch {
            throw .unavailable
        }
        // The encrypted key is empty: the agreed key encrypts the content itself (RFC 7516 §5.1 step 5).
        let segments: [[UInt8]] = [[], initializationVector, sealed.ciphertext, sealed.tag]
        for segment in segments {
            message.append(UInt8(ascii: "."))
            message.append(contentsOf: Base64URL.encodedBytes(segment))
        }
        return String(decoding: message, as: UTF8.self)
    }

    /// Opens a value that was sealed to this key for these parties. What clients use: a value that was sealed
    /// for another release or client is refused, so one cannot be passed off as another.
    /// - Throws: ``JWEFault``; ``JWEFault/party`` if `apu` or `apv` are not the ones given.
    public static func open(
        _ compact: String, with key: PrivateEncryptionJWK, partyUInfo: [UInt8], partyVInfo: [UInt8]
    ) throws(JWEFault) -> SecretBytes {
        let message = try CompactJWE(parsing: compact)
        guard message.partyUInfo == partyUInfo, message.partyVInfo == partyVInfo else { throw .party }
        return try message.open(with: key)
    }

    /// Opens a value that was sealed to this key, for whatever release and client its header names.
    /// - Throws: ``JWEFault``.
    public static func open(
        _ compact: String, with key: PrivateEncryptionJWK
    ) throws(JWEFault) -> SecretBytes {
        try CompactJWE(parsing: compact).open(with: key)
    }

    /// The content encryption key: Concat KDF of the agreed secret (RFC 7518 §4.6.2).
    static func contentKey(
        of own: KeyAgreementKey, with peer: [UInt8], partyUInfo: [UInt8], partyVInfo: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        let agreed = try own.sharedSecret(with: peer)
        let info = otherInfo(
            algorithm: encryption, partyUInfo: partyUInfo, partyVInfo: partyVInfo,
            keyBits: UInt32(AES256GCM.keyBytes * 8))
        return try ConcatKDF.derive(agreed, otherInfo: info, count: AES256GCM.keyBytes)
    }

    /// OtherInfo of RFC 7518 §4.6.2: AlgorithmID, PartyUInfo and PartyVInfo, each after its length, and
    /// SuppPubInfo, the key's length in bits. All numbers are 32 bits, big-endian. SuppPrivInfo is empty.
    static func otherInfo(
        algorithm: String, partyUInfo: [UInt8], partyVInfo: [UInt8], keyBits: UInt32
    ) -> [UInt8] {
        var info: [UInt8] = []
        for part in [Array(algorithm.utf8), partyUInfo, partyVInfo] {
            info += UInt32(part.count).bigEndianBytes
            info += part
        }
        return info + keyBits.bigEndianBytes
    }

    static func isParty(_ name: [UInt8]) -> Bool { (1...Limits.referenceBytes).contains(name.count) }
}

/// A compact JWE that was taken apart and not yet opened.
private struct CompactJWE {
    let partyUInfo: [UInt8]
    let partyVInfo: [UInt8]
    private let keyID: String
    /// Uncompressed; whether it lies on the curve is checked when it is used.
    private let ephemeralPoint: [UInt8]
    private let encodedHeader: [UInt8]
    private let initializationVector: [UInt8]
    private let ciphertext: [UInt8]
    private let tag: [UInt8]

    private static let members: Set<String> = ["alg", "apu", "apv", "enc", "epk", "kid"]

    init(parsing compact: String) throws(JWEFault) {
        guard compact.utf8.count <= Limits.tokenBytes else { throw .tooLarge }
        let segments = Array(compact.utf8).split(
            separator: UInt8(ascii: "."), maxSplits: 5, omittingEmptySubsequences: false)
        guard segments.count == 5, segments[1].isEmpty,
            let headerBytes = Base64URL.decode(segments[0]), !headerBytes.isEmpty,
            let vector = Base64URL.decode(segments[2]), vector.count == AES256GCM.nonceBytes,
            let ciphertext = Base64URL.decode(segments[3]),
            let tag = Base64URL.decode(segments[4]), tag.count == AES256GCM.tagBytes
        else { throw .segments }
        guard ciphertext.count <= Limits.fieldBytes else { throw .tooLarge }

        let value: JSONValue
        do {
            // A header, and epk in it.
            value = try JSONValue.parse(headerBytes, maximumDepth: 2)
        } catch {
            throw .json
        }
        let header = try ClosedObject(value, members: Self.members, faults: JWEFault.self)
        guard try header.string("alg").isExactly(JSONWebEncryption.algorithm),
            try header.string("enc").isExactly(JSONWebEncryption.encryption)
        else { throw .algorithm }
        keyID = try header.string("kid")
        partyUInfo = try header.parsed("apu", Self.party)
        partyVInfo = try header.parsed("apv", Self.party)
        let ephemeral = try ClosedObject(
            try header.value("epk"), members: ["crv", "kty", "x", "y"], faults: JWEFault.self)
        guard try ephemeral.string("kty").isExactly("EC"), try ephemeral.string("crv").isExactly("P-256")
        else { throw .ephemeralKey }
        let x = try ephemeral.parsed("x", Self.coordinate)
        let y = try ephemeral.parsed("y", Self.coordinate)
        ephemeralPoint = [4] + x + y
        encodedHeader = Array(segments[0])
        initializationVector = vector
        self.ciphertext = ciphertext
        self.tag = tag
    }

    func open(with key: PrivateEncryptionJWK) throws(JWEFault) -> SecretBytes {
        guard keyID.isExactly(key.thumbprint) else { throw .recipient }
        do {
            let contentKey = try JSONWebEncryption.contentKey(
                of: key.key, with: ephemeralPoint, partyUInfo: partyUInfo, partyVInfo: partyVInfo)
            return try AES256GCM.open(
                ciphertext[...], tag: tag, key: contentKey, nonce: initializationVector,
                associatedData: encodedHeader)
        } catch .authenticationFailed {
            throw .authentication
        } catch .invalidArgument {
            // The lengths of key, vector and tag are known here, so this is the point.
            throw .ephemeralKey
        } catch {
            throw .unavailable
        }
    }

    private static func party(_ text: String) -> [UInt8]? {
        Base64URL.decode(text).flatMap { JSONWebEncryption.isParty($0) ? $0 : nil }
    }

    private static func coordinate(_ text: String) -> [UInt8]? {
        // Leading zeros are kept (RFC 7518 §6.2.1.2).
        Base64URL.decode(text).flatMap { $0.count == 32 ? $0 : nil }
    }
}

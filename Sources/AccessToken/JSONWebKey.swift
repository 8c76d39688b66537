// JSON Web Keys (RFC 7517, 7518 §6.2, 8037) of the two accepted kinds, and their thumbprints (RFC 7638).
//
// A key has one name here: its thumbprint. A `kid` that a caller chose could name a file, a row or a URL; a
// hash of the key itself can only name that key.

public import StrictEncoding
public import VaultCrypto

/// Why a JSON Web Key was refused.
public enum JWKFault: String, CaseIterable, Error, Sendable, CustomStringConvertible {
    /// Not strict JSON, or a member of the wrong JSON type.
    case malformedMember = "malformed_member"
    /// `kty`, `crv`, `x` or `y` is missing; for a private key, `d`.
    case missingMember = "missing_member"
    /// A member that these kinds of key do not have.
    case unknownMember = "unknown_member"
    /// A private or symmetric key where a public one belongs.
    case privateKey = "private_key"
    /// Another key type or curve.
    case unsupportedKey = "unsupported_key"
    /// `alg` is not the algorithm of this kind of key.
    case wrongAlgorithm = "wrong_algorithm"
    /// `use` or `key_ops` says that the key is for something else.
    case wrongUse = "wrong_use"
    /// A coordinate or scalar that is not 32 bytes of strict base64url.
    case malformedCoordinate = "malformed_coordinate"
    /// Not a point of the curve, a point of small order, or a scalar out of range.
    case invalidKey = "invalid_key"
    /// The private part does not belong to the public part.
    case mismatch

    /// What to do about it.
    public var description: String {
        switch self {
        case .malformedMember: "not a JSON Web Key: write one JSON object of strings, no key twice"
        case .missingMember: "the JSON Web Key lacks kty, crv, x, y (EC) or d (private key)"
        case .unknownMember:
            "the JSON Web Key has members other than kty, crv, x, y, alg, use, kid and key_ops"
        case .privateKey:
            "this is a private or symmetric key; give the public half and replace the exposed key"
        case .unsupportedKey: "unsupported key; use EC with crv P-256, or for signatures OKP with crv Ed25519"
        case .wrongAlgorithm:
            """
            alg does not fit the key; use ES256 for P-256, Ed25519 for Ed25519, ECDH-ES for a key to \
            seal to, or leave it out
            """
        case .wrongUse: "use or key_ops is for another purpose; make a key for this one"
        case .malformedCoordinate: "x, y or d is not 32 bytes in unpadded base64url"
        case .invalidKey: "the numbers are not a valid key of this curve"
        case .mismatch: "x and y are not the public half of d"
        }
    }
}

extension JWKFault: MemberFault {}

extension TokenFault {
    /// The fault of a key that came inside a message.
    init(_ fault: JWKFault) { self = fault == .privateKey ? .keyPrivate : .keyMalformed }
}

/// The numbers of a public key, read but not yet checked against the curve: checking costs as much as a
/// signature, and a thumbprint that fits nothing makes it needless.
struct KeyCoordinates: Equatable, Sendable {
    let algorithm: SignatureAlgorithm
    /// Uncompressed point or Ed25519 key, as ``VerificationKey`` takes it.
    let raw: [UInt8]

    static let publicMembers: Set<String> = ["kty", "crv", "x", "y", "alg", "use", "kid", "key_ops"]
    /// Private and symmetric parameters of RFC 7518 §6 and RFC 8037 §2.
    static let privateMembers: Set<String> = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]

    init(algorithm: SignatureAlgorithm, raw: [UInt8]) {
        self.algorithm = algorithm
        self.raw = raw
    }

    init(signing value: JSONValue, alsoAllowed: Set<String> = [], operations: Set<String>) throws(JWKFault) {
        try Self.refusePrivate(value, except: alsoAllowed)
        let key = try ClosedObject(
            value, members: Self.publicMembers.union(alsoAllowed), faults: JWKFault.self)
        try self.init(reading: key)
        if key.has("alg"), try !key.string("alg").isExactly(algorithm.rawValue) { throw .wrongAlgorithm }
        try Self.checkUse(of: key, use: "sig", operations: operations)
    }

    init(
        encryption value: JSONValue, alsoAllowed: Set<String> = [], operations: Set<String> = []
    ) throws(JWKFault) {
        try Self.refusePrivate(value, except: alsoAllowed)
        let key = try ClosedObject(
            value, members: Self.publicMembers.union(alsoAllowed), faults: JWKFault.self)
        try self.init(reading: key)
        guard algorithm == .es256 else { throw .unsupportedKey }
        if key.has("alg"), try !key.string("alg").isExactly("ECDH-ES") { throw .wrongAlgorithm }
        // RFC 7517 §4.3: a recipient's public key of a key agreement has no operations of its own.
        try Self.checkUse(of: key, use: "enc", operations: operations)
    }

    /// RFC 7638 §3: the required members in lexicographic order, no white space, SHA-256.
    var thumbprint: String { Base64URL.encode(SHA256.hash(requiredMembers.canonicalBytes)) }

    /// `crv`, `kty`, `x` and for EC `y`.
    var requiredMembers: JSONValue {
        switch algorithm {
        case .es256:
            .object(
                JSONObject([
                    ("crv", .string("P-256")), ("kty", .string("EC")),
                    ("x", .string(Base64URL.encode(raw[1..<33]))),
                    ("y", .string(Base64URL.encode(raw[33..<65]))),
                ]))
        case .ed25519:
            .object(
                JSONObject([
                    ("crv", .string("Ed25519")), ("kty", .string("OKP")),
                    ("x", .string(Base64URL.encode(raw))),
                ]))
        }
    }

    func verificationKey() throws(JWKFault) -> VerificationKey {
        do {
            return try VerificationKey(algorithm, rawRepresentation: raw)
        } catch {
            throw .invalidKey
        }
    }

    private init(reading key: ClosedObject<JWKFault>) throws(JWKFault) {
        let kind = (try key.string("kty"), try key.string("crv"))
        if kind.0.isExactly("EC"), kind.1.isExactly("P-256") {
            algorithm = .es256
            raw = [4] + (try Self.coordinate("x", of: key)) + (try Self.coordinate("y", of: key))
        } else if kind.0.isExactly("OKP"), kind.1.isExactly("Ed25519") {
            guard !key.has("y") else { throw .unknownMember }
            algorithm = .ed25519
            raw = try Self.coordinate("x", of: key)
        } else {
            throw .unsupportedKey
        }
        // A name that the key's owner uses; bounded and otherwise of no meaning here.
        if key.has("kid"), try !(1...128).contains(key.string("kid").utf8.count) { throw .malformedMember }
    }

    static func coordinate(_ name: String, of key: ClosedObject<JWKFault>) throws(JWKFault) -> [UInt8] {
        // Leading zeros are kept (RFC 7518 §6.2.1.2): a shorter spelling would have another thumbprint.
        guard let bytes = Base64URL.decode(try key.string(name)), bytes.count == 32 else {
            throw .malformedCoordinate
        }
        return bytes
    }

    private static func refusePrivate(_ value: JSONValue, except allowed: Set<String>) throws(JWKFault) {
        guard let object = value.objectValue else { throw .malformedMember }
        for key in object.keys where privateMembers.contains(key) && !allowed.contains(key) {
            throw .privateKey
        }
    }

    private static func checkUse(
        of key: ClosedObject<JWKFault>, use: String, operations: Set<String>
    ) throws(JWKFault) {
        if key.has("use"), try !key.string("use").isExactly(use) { throw .wrongUse }
        guard key.has("key_ops") else { return }
        var seen: Set<String> = []
        for element in try key.array("key_ops") {
            guard let operation = element.stringValue else { throw .malformedMember }
            guard operations.contains(operation), seen.insert(operation).inserted else { throw .wrongUse }
        }
    }
}

/// A public key for signatures, of an accepted kind and checked to be a valid point.
public struct PublicJWK: Hashable, Sendable {
    /// The key.
    public let key: VerificationKey
    /// RFC 7638 SHA-256 thumbprint, 43 characters of base64url: the key's `kid` and, in a token, its `jkt`.
    public let thumbprint: String

    /// The algorithm of this key, the only one it verifies.
    public var algorithm: SignatureAlgorithm { key.algorithm }

    /// Reads a public JWK: `kty`, `crv`, `x`, for EC `y`; optionally `alg` (the key's own), `use` (`sig`),
    /// `key_ops` (`verify`) and `kid`, which is not kept. Nothing else.
    /// - Throws: ``JWKFault``; ``JWKFault/privateKey`` if any private or symmetric parameter is there.
    public init(parsing value: JSONValue) throws(JWKFault) {
        let coordinates = try KeyCoordinates(signing: value, operations: ["verify"])
        self.init(try coordinates.verificationKey())
    }

    /// The JWK of a key at hand.
    public init(_ key: VerificationKey) {
        self.key = key
        thumbprint = key.thumbprint
    }

    /// The public JWK with `kid` (the thumbprint), `alg` and `use`, as a key set publishes it.
    public var json: JSONValue {
        guard case .object(var object) = key.coordinates.requiredMembers else { return .null }
        object["kid"] = .string(thumbprint)
        object["alg"] = .string(algorithm.rawValue)
        object["use"] = .string("sig")
        return .object(object)
    }

    /// A JWK set (RFC 7517 §5).
    public static func keySet(_ keys: [PublicJWK]) -> JSONValue {
        .object(JSONObject([("keys", .array(keys.map(\.json)))]))
    }

    /// Equal when the thumbprints are: they cover every number of the key.
    public static func == (left: PublicJWK, right: PublicJWK) -> Bool { left.thumbprint == right.thumbprint }

    /// Hashes the thumbprint.
    public func hash(into hasher: inout Hasher) { hasher.combine(thumbprint) }
}

/// A P-256 public key to which field values may be sealed (ECDH-ES), of a client's registration.
public struct EncryptionJWK: Hashable, Sendable {
    /// Uncompressed point, 65 bytes, checked to lie on the curve.
    public let point: [UInt8]
    /// RFC 7638 SHA-256 thumbprint.
    public let thumbprint: String

    /// Reads a public JWK: EC, P-256; optionally `alg` (`ECDH-ES`), `use` (`enc`), empty `key_ops`, and
    /// `kid`.
    /// - Throws: ``JWKFault``.
    public init(parsing value: JSONValue) throws(JWKFault) {
        let coordinates = try KeyCoordinates(encryption: value)
        _ = try coordinates.verificationKey()
        point = coordinates.raw
        thumbprint = coordinates.thumbprint
    }

    /// The public half of a key at hand.
    public init(_ key: KeyAgreementKey) {
        point = key.publicPoint
        thumbprint = KeyCoordinates(algorithm: .es256, raw: key.publicPoint).thumbprint
    }

    /// The public JWK with `kid`, `alg` and `use`.
    public var json: JSONValue {
        let coordinates = KeyCoordinates(algorithm: .es256, raw: point)
        guard case .object(var object) = coordinates.requiredMembers else { return .null }
        object["kid"] = .string(thumbprint)
        object["alg"] = .string("ECDH-ES")
        object["use"] = .string("enc")
        return .object(object)
    }
}

/// A client's signing key with its private part, for clients and key files.
public struct PrivateJWK: Sendable {
    /// The key.
    public let key: SigningKey

    /// The public half.
    public var publicJWK: PublicJWK { PublicJWK(key.verificationKey) }
    /// RFC 7638 thumbprint of the public half.
    public var thumbprint: String { key.thumbprint }

    /// A key at hand.
    public init(_ key: SigningKey) { self.key = key }

    /// Reads a private JWK: the members of a public one, and `d`.
    /// - Throws: ``JWKFault``; ``JWKFault/mismatch`` if `d` belongs to another public key, which would let a
    ///   file claim one thumbprint and sign as another.
    public init(parsing value: JSONValue) throws(JWKFault) {
        let coordinates = try KeyCoordinates(
            signing: value, alsoAllowed: ["d"], operations: ["sign", "verify"])
        let members = try ClosedObject(
            value, members: KeyCoordinates.publicMembers.union(["d"]), faults: JWKFault.self)
        let secret = SecretBytes(copying: try KeyCoordinates.coordinate("d", of: members))
        do {
            key = try SigningKey(coordinates.algorithm, privateKey: secret)
        } catch {
            throw .invalidKey
        }
        guard key.verificationKey.rawRepresentation == coordinates.raw else { throw .mismatch }
    }

    /// The private JWK, for a key file that only its owner may read.
    /// - Throws: ``TokenError/unavailable`` if the private part cannot be had.
    public func revealJSON() throws(TokenError) -> JSONValue {
        let secret: SecretBytes
        do {
            secret = try key.revealPrivateKey()
        } catch {
            throw .unavailable
        }
        guard case .object(var object) = publicJWK.json else { return .null }
        object["d"] = .string(Base64URL.encode(secret.revealBytes()))
        return .object(object)
    }
}

/// A client's P-256 key to which field values are sealed (ECDH-ES), with its private part, for clients and
/// key files.
public struct PrivateEncryptionJWK: Sendable {
    /// The key.
    public let key: KeyAgreementKey
    /// The public half, for the registration.
    public let publicJWK: EncryptionJWK

    /// RFC 7638 thumbprint of the public half, the `kid` of everything that is sealed to it.
    public var thumbprint: String { publicJWK.thumbprint }

    /// A new random key.
    /// - Throws: ``TokenError/unavailable`` if there is no randomness.
    public static func generate() throws(TokenError) -> PrivateEncryptionJWK {
        do {
            return PrivateEncryptionJWK(try KeyAgreementKey.generate())
        } catch {
            throw .unavailable
        }
    }

    /// A key at hand.
    public init(_ key: KeyAgreementKey) {
        self.key = key
        publicJWK = EncryptionJWK(key)
    }

    /// Reads a private JWK: the members of a public one, and `d`. `key_ops` may be `deriveKey` and
    /// `deriveBits`.
    /// - Throws: ``JWKFault``; ``JWKFault/mismatch`` if `d` belongs to another public key, to whose owner
    ///   values would be sealed that this key does not open.
    public init(parsing value: JSONValue) throws(JWKFault) {
        let coordinates = try KeyCoordinates(
            encryption: value, alsoAllowed: ["d"], operations: ["deriveKey", "deriveBits"])
        let members = try ClosedObject(
            value, members: KeyCoordinates.publicMembers.union(["d"]), faults: JWKFault.self)
        let secret = SecretBytes(copying: try KeyCoordinates.coordinate("d", of: members))
        let key: KeyAgreementKey
        do {
            key = try KeyAgreementKey(privateKey: secret)
        } catch {
            throw .invalidKey
        }
        guard key.publicPoint == coordinates.raw else { throw .mismatch }
        self.init(key)
    }

    /// The private JWK, for a key file that only its owner may read.
    /// - Throws: ``TokenError/unavailable`` if the private part cannot be had.
    public func revealJSON() throws(TokenError) -> JSONValue {
        let secret: SecretBytes
        do {
            secret = try key.revealPrivateKey()
        } catch {
            throw .unavailable
        }
        guard case .object(var object) = publicJWK.json else { return .null }
        object["d"] = .string(Base64URL.encode(secret.revealBytes()))
        return .object(object)
    }
}

extension VerificationKey {
    var coordinates: KeyCoordinates { KeyCoordinates(algorithm: algorithm, raw: rawRepresentation) }

    /// RFC 7638 SHA-256 thumbprint: 43 characters of base64url.
    public var thumbprint: String { coordinates.thumbprint }
}

extension SigningKey {
    /// RFC 7638 SHA-256 thumbprint of the public half.
    public var thumbprint: String { verificationKey.thumbprint }
}

// Compact JSON Web Signatures (RFC 7515), as strict as RFC 8725 advises.
//
// The attacks of fifteen years of JWT are attacks on choice: `alg` chooses no signature or a MAC, `jku`
// chooses the key, `crit` and `b64` choose the bytes, `zip` chooses the size. Here the message chooses
// nothing. The caller says which header parameters this kind of message has, the key says which algorithm
// verifies it.

public import ContactModel
public import StrictEncoding
public import VaultCrypto

/// A header parameter that some kind of message here has. All others are refused, known to RFC 7515 or not.
public enum HeaderParameter: String, CaseIterable, Sendable {
    /// The algorithm; always required, and required to be the key's.
    case algorithm = "alg"
    /// What kind of message it is.
    case type = "typ"
    /// Thumbprint of the signing key.
    case keyID = "kid"
    /// The public key itself, in a DPoP proof.
    case key = "jwk"
}

/// A compact JWS that was taken apart and not yet verified.
public struct CompactJWS: Sendable {
    /// The accepted algorithm that the header names. It selects nothing: see ``isSigned(by:)``.
    public let algorithm: SignatureAlgorithm
    /// `typ`, if the header has one.
    public let type: String?
    /// `kid`, if the header has one. Untrusted text, fit for an exact look-up only.
    public let keyID: String?
    /// The public key's numbers, if the header has a `jwk`.
    let key: KeyCoordinates?
    /// Decoded payload.
    public let payload: [UInt8]
    /// The bytes that are signed: the first two segments with their dot.
    public let signingInput: [UInt8]
    /// 64 bytes.
    public let signature: [UInt8]

    /// Takes a token apart: exactly three segments of strict base64url, a header of strict JSON with known
    /// parameters only, and a signature of 64 bytes.
    /// - Parameters:
    ///   - token: ASCII bytes of the compact serialisation.
    ///   - maximumBytes: cap on the whole, checked first.
    ///   - required: parameters that the header must have besides `alg`.
    ///   - optional: parameters that it may have.
    public init(
        parsing token: [UInt8], maximumBytes: Int = Limits.tokenBytes, required: Set<HeaderParameter>,
        optional: Set<HeaderParameter> = []
    ) throws(TokenFault) {
        guard token.count <= maximumBytes else { throw .tooLarge }
        let dot = UInt8(ascii: ".")
        guard let first = token.firstIndex(of: dot), let second = token[(first + 1)...].firstIndex(of: dot),
            !token[(second + 1)...].contains(dot),
            let headerBytes = Base64URL.decode(token[..<first]), !headerBytes.isEmpty,
            let payload = Base64URL.decode(token[(first + 1)..<second]),
            let signature = Base64URL.decode(token[(second + 1)...])
        else { throw .segments }

        let value: JSONValue
        do {
            // A header, its jwk, and key_ops in it.
            value = try JSONValue.parse(headerBytes, maximumDepth: 3)
        } catch {
            throw .json
        }
        let allowed = required.union(optional).union([.algorithm])
        let header = try ClosedObject(
            value, members: Set(allowed.map(\.rawValue)), faults: TokenFault.self)
        guard let algorithm = SignatureAlgorithm(rawValue: try header.string("alg")) else { throw .algorithm }
        for parameter in required where !header.has(parameter.rawValue) { throw .missingMember }
        self.algorithm = algorithm
        type = try header.parsedIfPresent("typ") { $0 }
        keyID = try header.parsedIfPresent("kid") { $0 }
        if header.has("jwk") {
            let value = try header.value("jwk")
            do {
                key = try KeyCoordinates(signing: value, operations: ["verify"])
            } catch {
                throw TokenFault(error)
            }
            guard key?.algorithm == algorithm else { throw .algorithm }
        } else {
            key = nil
        }
        // DER, or a raw signature cut or lengthened, would otherwise depend on the verifier's tolerance.
        guard signature.count == SignatureAlgorithm.signatureBytes else { throw .signature }
        self.payload = payload
        self.signature = signature
        signingInput = Array(token[..<second])
    }

    /// Whether the signature is this key's, under this key's own algorithm.
    ///
    /// An ES256 signature has a twin, (r, n − s), that is valid too. So a token's text is no identity: uses
    /// and replays are counted by `jti`, never by a hash of the text.
    public func isSigned(by key: VerificationKey) -> Bool {
        algorithm == key.algorithm && key.isValid(signature: signature, for: signingInput)
    }

    /// The payload as a claims set with known claims only.
    func claims(_ names: Set<String>) throws(TokenFault) -> ClosedObject<TokenFault> {
        let value: JSONValue
        do {
            value = try JSONValue.parse(payload, maximumDepth: 6)
        } catch {
            throw .json
        }
        return try ClosedObject(value, members: names)
    }

    /// Signs a payload.
    /// - Parameters:
    ///   - type: `typ`; left out if `nil`.
    ///   - keyID: `kid`; left out if `nil`.
    ///   - includesKey: whether the header carries the public key as `jwk`.
    ///   - payload: claims, written in canonical form.
    ///   - key: the signing key, whose algorithm goes into the header.
    /// - Throws: ``TokenError/unavailable`` if the library cannot sign.
    public static func sign(
        type: String?, keyID: String?, includesKey: Bool = false, payload: JSONValue, key: SigningKey
    ) throws(TokenError) -> String {
        var header = JSONObject([("alg", .string(key.algorithm.rawValue))])
        header["typ"] = type.map(JSONValue.string)
        header["kid"] = keyID.map(JSONValue.string)
        if includesKey { header["jwk"] = key.verificationKey.coordinates.requiredMembers }
        var message = Base64URL.encodedBytes(JSONValue.object(header).canonicalBytes)
        message.append(UInt8(ascii: "."))
        message.append(contentsOf: Base64URL.encodedBytes(payload.canonicalBytes))
        let signature: [UInt8]
        do {
            signature = try key.sign(message)
        } catch {
            throw .unavailable
        }
        message.append(UInt8(ascii: "."))
        message.append(contentsOf: Base64URL.encodedBytes(signature))
        return String(decoding: message, as: UTF8.self)
    }
}

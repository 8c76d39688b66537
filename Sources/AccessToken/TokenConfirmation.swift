// Whom a token is bound to: the `cnf` claim (RFC 7800 §3.1).

public import StrictEncoding
import VaultCrypto

/// What the sender of a request must hold for a token to be good.
public enum TokenConfirmation: Hashable, Sendable {
    /// A key that signs a proof for every request: its RFC 7638 thumbprint, member `jkt` (RFC 9449 §6.1).
    case proofKey(String)
    /// The certificate of the TLS connection: SHA-256 of its DER in base64url, member `x5t#S256` (RFC 8705
    /// §3.1).
    case certificate(String)

    static let members: Set<String> = ["jkt", "x5t#S256"]

    /// The thumbprint, 43 characters of base64url.
    public var thumbprint: String {
        switch self {
        case .proofKey(let thumbprint), .certificate(let thumbprint): thumbprint
        }
    }

    /// Whether it is a certificate: such a token is sent as a bearer's (RFC 8705 §3), without a proof.
    public var isCertificate: Bool { if case .certificate = self { true } else { false } }

    /// The claim's value.
    public var json: JSONValue {
        switch self {
        case .proofKey(let thumbprint): .object(JSONObject([("jkt", .string(thumbprint))]))
        case .certificate(let thumbprint): .object(JSONObject([("x5t#S256", .string(thumbprint))]))
        }
    }

    /// Reads the claim's value: exactly one of the two members.
    init(reading value: JSONValue) throws(TokenFault) {
        let object = try ClosedObject(value, members: Self.members, faults: TokenFault.self)
        switch (object.has("jkt"), object.has("x5t#S256")) {
        case (true, false): self = .proofKey(try object.string("jkt"))
        case (false, true): self = .certificate(try object.string("x5t#S256"))
        case (false, false): throw .missingMember
        // Two bindings, of which one may be easier to satisfy than the other.
        case (true, true): throw .malformedMember
        }
    }
}

/// The certificate that a client showed on its connection. Whoever makes one has verified its chain to the
/// authority of the site, and that the client holds its key.
public struct ClientCertificate: Equatable, Sendable {
    /// SHA-256 of the DER, base64url.
    public let thumbprint: String
    /// Its DNS names (subjectAltName), in lower case.
    public let names: Set<String>

    /// A verified certificate.
    /// - Parameter der: the whole certificate in DER.
    public init(der: [UInt8], names: [String]) {
        thumbprint = Base64URL.encode(SHA256.hash(der))
        self.names = Set(names.map { $0.lowercased() })
    }
}

// A token in the hands of the client that may use it.

public import ContactModel

/// An access token with its end. It works only with proofs by the key that asked for it, or over
/// connections that show the certificate it is bound to, and is not for logs all the
/// same: its description and its reflection leave the token out.
public struct ClientToken: Sendable, CustomStringConvertible, CustomReflectable {
    /// The compact token, as the `Authorization` field carries it after `DPoP `.
    public let compact: String
    /// When the client should stop using it, by the client's clock: counted from before the request, so never too late.
    public let expires: Timestamp
    /// Whether it is bound to the certificate of the client's connections, and so needs no proofs.
    public let isBoundToCertificate: Bool

    /// A token at hand.
    public init(compact: String, expires: Timestamp, isBoundToCertificate: Bool = false) {
        self.compact = compact
        self.expires = expires
        self.isBoundToCertificate = isBoundToCertificate
    }

    /// When it ends.
    public var description: String { "token until \(expires)" }
    /// Only the end.
    public var customMirror: Mirror { Mirror(self, children: ["expires": expires]) }
}

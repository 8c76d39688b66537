// A program that may ask for tokens, and the bounds of what it may ask for.

public import ContactModel

/// A registered client. Its keys serve for client assertions and for DPoP proofs.
public struct RegisteredClient: Sendable {
    /// The client's id: `sub` and `client_id` of its tokens.
    public let id: Reference
    /// The agency it belongs to.
    public let agency: Reference
    /// What kind of program it is.
    public let kind: ClientKind
    /// What it may ask tokens for.
    public package(set) var roles: Set<Role>
    /// Its public keys; several while it rotates them.
    public package(set) var keys: [PublicJWK]
    /// When a key ends, by thumbprint: the first moment at which it is no longer good. A key that is not here has no end.
    public package(set) var keyEnds: [String: Timestamp]
    /// Portfolios it is bounded to; empty for all.
    public package(set) var portfolios: Set<Reference>
    /// Purposes it is bounded to; empty for all that its roles allow.
    public package(set) var purposes: Set<Purpose>
    /// Whether it is suspended: nothing is issued to it, and what was issued is no longer good.
    public package(set) var isSuspended: Bool
    /// The key that sealed fields are encrypted to, if it has one.
    public package(set) var encryptionKey: EncryptionJWK?
    /// The DNS name in its TLS certificate, lower case, by which tokens may be bound to that certificate; `nil` if it
    /// proves possession by DPoP alone.
    public package(set) var certificateName: String?

    /// A client.
    public init(
        id: Reference, agency: Reference, kind: ClientKind, roles: Set<Role>, keys: [PublicJWK],
        portfolios: Set<Reference> = [], purposes: Set<Purpose> = [], isSuspended: Bool = false,
        encryptionKey: EncryptionJWK? = nil, keyEnds: [String: Timestamp] = [:],
        certificateName: String? = nil
    ) {
        self.id = id
        self.agency = agency
        self.kind = kind
        self.roles = roles
        self.keys = keys
        self.portfolios = portfolios
        self.purposes = purposes
        self.isSuspended = isSuspended
        self.encryptionKey = encryptionKey
        self.keyEnds = keyEnds
        self.certificateName = certificateName.map { $0.lowercased() }
    }

    /// The registered key of this RFC 7638 thumbprint, whether or not it has ended.
    public func key(thumbprint: String) -> PublicJWK? { keys.first { $0.thumbprint.isExactly(thumbprint) } }

    /// The keys that are good at a moment.
    public func keys(at now: Timestamp) -> [PublicJWK] {
        keys.filter { key in keyEnds[key.thumbprint].map { now < $0 } ?? true }
    }

    /// Whether what a token is bound to is this client's at a moment: its key may have ended since, or its certificate may
    /// name another. Whoever issued the token is not believed about that.
    /// - Parameter certificate: what the connection showed, for a token that is bound to it.
    public func holds(
        _ confirmation: TokenConfirmation, shown certificate: ClientCertificate?, at now: Timestamp
    ) -> Bool {
        switch confirmation {
        case .proofKey(let thumbprint): keys(at: now).contains { $0.thumbprint.isExactly(thumbprint) }
        case .certificate(let thumbprint):
            certificate.map { $0.thumbprint.isExactly(thumbprint) && isNamed(by: $0) } ?? false
        }
    }

    /// Whether a token may be bound to this certificate.
    public func isNamed(by certificate: ClientCertificate) -> Bool {
        certificateName.map { certificate.names.contains($0) } ?? false
    }

    /// Whether the registration covers these details: the role for the type, and the client's own bounds.
    ///
    /// A yes is not leave to issue: which role a purpose wants, and what this kind of client may see, the
    /// policy says.
    public func mayRequest(_ details: AuthorizationDetails) -> Bool {
        guard !isSuspended, !roles.isDisjoint(with: details.roles) else { return false }
        switch details {
        case .contactAccess(let access): return isRegistered(for: access.purpose)
        case .numberMatch: return isRegistered(for: .suppressMatch)
        case .contactIntake(let intake): return portfolios.isEmpty || portfolios.contains(intake.portfolio)
        case .contactManagement, .accessLog, .keyManagement: return true
        }
    }

    private func isRegistered(for purpose: Purpose) -> Bool { purposes.isEmpty || purposes.contains(purpose) }
}

extension AuthorizationDetails {
    /// The roles of which a client needs one to ask for this type.
    public var roles: Set<Role> {
        switch self {
        case .contactAccess, .numberMatch: [.collection, .complaints, .privacy]
        case .contactIntake: [.intake]
        // A second person is a colleague of the first: the role is that of the release.
        case .contactManagement(let details) where details.operation == .approve:
            [.collection, .complaints, .privacy]
        case .contactManagement: [.intake, .privacy]
        case .accessLog: [.privacy]
        case .keyManagement: [.security]
        }
    }
}

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
    public let roles: Set<Role>
    /// Its public keys; several while it rotates them.
    public let keys: [PublicJWK]
    /// Portfolios it is bounded to; empty for all.
    public let portfolios: Set<Reference>
    /// Purposes it is bounded to; empty for all that its roles allow.
    public let purposes: Set<Purpose>
    /// Whether it is suspended: nothing is issued to it, and what was issued is no longer good.
    public let isSuspended: Bool
    /// The key that sealed fields are encrypted to, if it has one.
    public let encryptionKey: EncryptionJWK?

    /// A client.
    public init(
        id: Reference, agency: Reference, kind: ClientKind, roles: Set<Role>, keys: [PublicJWK],
        portfolios: Set<Reference> = [], purposes: Set<Purpose> = [], isSuspended: Bool = false,
        encryptionKey: EncryptionJWK? = nil
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
    }

    /// The registered key of this RFC 7638 thumbprint.
    public func key(thumbprint: String) -> PublicJWK? { keys.first { $0.thumbprint.isExactly(thumbprint) } }

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

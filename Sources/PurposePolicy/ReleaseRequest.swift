// What is asked: by whom, why, for which fields of which contact.

public import ContactModel

/// What a token covers, and who asks: the part of a request that is known when the token is issued.
public struct ReleaseScope: Hashable, Sendable {
    /// Why the contact is to be reached.
    public var purpose: Purpose
    /// What the client will do with the number.
    public var action: Action
    /// The fields asked for.
    public var fields: [FieldName]
    /// Where the case stands; `nil` is refused wherever a contact is concerned.
    public var stage: Stage?
    /// Why the borrower cannot be reached, attested by the client.
    public var precondition: Precondition?
    /// The offer, request or complaint referred to.
    public var reference: Reference?
    /// On whose behalf.
    public var actor: Actor
    /// The agency that the client belongs to.
    public var agency: Reference
    /// What kind of program the client is.
    public var clientKind: ClientKind
    /// The client's roles.
    public var clientRoles: Set<Role>
    /// Purposes that the client's registration is bounded to; `nil` for no bound. An empty set allows none.
    public var clientPurposes: Set<Purpose>?
    /// Whether the client has a registered key that a sealed number can be encrypted to.
    public var hasEncryptionKey: Bool

    /// A scope.
    public init(
        purpose: Purpose, action: Action, fields: [FieldName], stage: Stage?, precondition: Precondition?,
        reference: Reference?, actor: Actor, agency: Reference, clientKind: ClientKind,
        clientRoles: Set<Role>, clientPurposes: Set<Purpose>?, hasEncryptionKey: Bool = false
    ) {
        self.purpose = purpose
        self.action = action
        self.fields = fields
        self.stage = stage
        self.precondition = precondition
        self.reference = reference
        self.actor = actor
        self.agency = agency
        self.clientKind = clientKind
        self.clientRoles = clientRoles
        self.clientPurposes = clientPurposes
        self.hasEncryptionKey = hasEncryptionKey
    }
}

/// One release of one contact, to be decided.
public struct ReleaseRequest: Hashable, Sendable {
    /// What the token covers, and who asks.
    public var scope: ReleaseScope
    /// The tenant.
    public var tenant: TenantID
    /// The contact.
    public var contact: ContactID
    /// The case; caps per case count by it.
    public var caseReference: Reference
    /// Portfolios that the client's registration is bounded to; `nil` for no bound. An empty set allows none.
    public var clientPortfolios: Set<Reference>?

    /// A request.
    public init(
        scope: ReleaseScope, tenant: TenantID, contact: ContactID, caseReference: Reference,
        clientPortfolios: Set<Reference>?
    ) {
        self.scope = scope
        self.tenant = tenant
        self.contact = contact
        self.caseReference = caseReference
        self.clientPortfolios = clientPortfolios
    }
}

// What the store says now of a client whose token is used: the part of a token's goodness that can change while it lives.

import AccessToken
public import ContactModel

/// What the creditor has entrusted an agency with, and for what time. It bounds every token of the agency's clients.
public struct Entrustment: Equatable, Sendable {
    /// The agency.
    public let agency: Reference
    /// When it begins.
    public let from: Timestamp
    /// The first moment at which it has ended; `nil` for one without an end.
    public let until: Timestamp?
    /// Roles that the agency's clients may use; empty for all that they are registered with.
    public let roles: Set<Role>
    /// Purposes that they may use; empty for all.
    public let purposes: Set<Purpose>
    /// Portfolios that they may touch; empty for all.
    public let portfolios: Set<Reference>

    /// An entrustment; `nil` unless it ends after it begins.
    public init?(
        agency: Reference, from: Timestamp, until: Timestamp?, roles: Set<Role> = [],
        purposes: Set<Purpose> = [], portfolios: Set<Reference> = []
    ) {
        if let until, until <= from { return nil }
        self.agency = agency
        self.from = from
        self.until = until
        self.roles = roles
        self.purposes = purposes
        self.portfolios = portfolios
    }

    /// Whether the agency is entrusted at a moment.
    public func covers(_ moment: Timestamp) -> Bool {
        from <= moment && (until.map { moment < $0 } ?? true)
    }
}

extension RegisteredClient {
    /// The client within what its agency is entrusted with. Where the two have nothing in common nothing is left, not
    /// everything: an empty bound would mean all.
    fileprivate func bounded(by entrustment: Entrustment) -> RegisteredClient {
        func common<Value: Hashable>(_ own: Set<Value>, _ entrusted: Set<Value>) -> Set<Value>? {
            if entrusted.isEmpty { return own }
            if own.isEmpty { return entrusted }
            let both = own.intersection(entrusted)
            return both.isEmpty ? nil : both
        }
        var bounded = self
        if !entrustment.roles.isEmpty { bounded.roles = roles.intersection(entrustment.roles) }
        guard let purposes = common(purposes, entrustment.purposes),
            let portfolios = common(portfolios, entrustment.portfolios)
        else {
            bounded.roles = []
            return bounded
        }
        bounded.purposes = purposes
        bounded.portfolios = portfolios
        return bounded
    }
}

/// A client as registered, and the entrustment of its agency. An agency without an entrustment is the creditor's own
/// team, whose collection has no dates (`docs/decisions/017-agencies-without-dates.md`).
struct ClientStanding {
    /// The client, within the bounds of its agency.
    let client: RegisteredClient?
    let entrustment: Entrustment?

    init(client: RegisteredClient?, entrustment: Entrustment?) {
        self.client =
            entrustment.flatMap { entrustment in client.map { $0.bounded(by: entrustment) } } ?? client
        self.entrustment = entrustment
    }

    /// The rule by which nothing of this client's is good at a moment, `nil` if there is none.
    /// - Parameters:
    ///   - confirmation: what the presented token is, or the wanted one will be, bound to; `nil` where there is none.
    ///   - certificate: what the connection showed.
    func refusal(
        of confirmation: TokenConfirmation?, shown certificate: ClientCertificate?, at now: Timestamp
    ) -> DenialCode? {
        guard let client else { return .clientUnknown }
        guard !client.isSuspended else { return .clientSuspended }
        if let entrustment, !entrustment.covers(now) { return .agencyNotEntrusted }
        if let confirmation, !client.holds(confirmation, shown: certificate, at: now) {
            return .keyNotRegistered
        }
        return nil
    }

    /// The same for a request with credentials.
    func refusal(of access: VerifiedAccess, at now: Timestamp) -> DenialCode? {
        refusal(of: access.token.claims.confirmation, shown: access.certificate, at: now)
    }

    /// The same for a token that is asked about and not presented.
    func refusal(ofUnpresented token: VerifiedToken, at now: Timestamp) -> DenialCode? {
        switch token.claims.confirmation {
        case .proofKey: refusal(of: token.claims.confirmation, shown: nil, at: now)
        case .certificate:
            refusal(of: nil, shown: nil, at: now)
                ?? (client?.certificateName == nil ? .keyNotRegistered : nil)
        }
    }

    /// Seconds until the entrustment ends, `nil` if it does not.
    func secondsLeft(at now: Timestamp) -> Int64? {
        entrustment?.until.map { $0.seconds - now.seconds }
    }
}

extension ClientRegistry {
    /// Registration and entrustment of these clients.
    func standings(_ ids: [Reference], in reader: any VaultReader) throws -> [Reference: ClientStanding] {
        let clients = try current(ids, in: reader)
        let entrustments = try reader.entrustments(of: Array(Set(clients.values.map(\.agency))))
        return clients.mapValues { ClientStanding(client: $0, entrustment: entrustments[$0.agency]) }
    }

    /// Registration and entrustment of one client.
    func standing(_ id: Reference, in reader: any VaultReader) throws -> ClientStanding {
        try standings([id], in: reader)[id] ?? ClientStanding(client: nil, entrustment: nil)
    }
}

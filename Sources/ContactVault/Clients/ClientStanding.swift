// What the store says now of a client whose token is used: the part of a token's goodness that can change while it lives.

import AccessToken
public import ContactModel

/// The time for which the creditor has entrusted an agency with collection. It bounds every token of the agency's clients.
public struct Entrustment: Equatable, Sendable {
    /// The agency.
    public let agency: Reference
    /// When it begins.
    public let from: Timestamp
    /// The first moment at which it has ended; `nil` for one without an end.
    public let until: Timestamp?

    /// An entrustment; `nil` unless it ends after it begins.
    public init?(agency: Reference, from: Timestamp, until: Timestamp?) {
        if let until, until <= from { return nil }
        self.agency = agency
        self.from = from
        self.until = until
    }

    /// Whether the agency is entrusted at a moment.
    public func covers(_ moment: Timestamp) -> Bool {
        from <= moment && (until.map { moment < $0 } ?? true)
    }
}

/// A client as registered, and the entrustment of its agency. An agency without an entrustment is the creditor's own
/// team, whose collection has no dates (`docs/decisions/017-agencies-without-dates.md`).
struct ClientStanding {
    let client: RegisteredClient?
    let entrustment: Entrustment?

    /// The rule by which nothing of this client's is good at a moment, `nil` if there is none.
    /// - Parameter confirmation: what the presented token is bound to; `nil` where none is presented.
    func refusal(of confirmation: TokenConfirmation?, at now: Timestamp) -> DenialCode? {
        guard let client else { return .clientUnknown }
        guard !client.isSuspended else { return .clientSuspended }
        if let entrustment, !entrustment.covers(now) { return .agencyNotEntrusted }
        if let confirmation, !client.holds(confirmation, at: now) { return .keyNotRegistered }
        return nil
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

// What must not come back with an older store: everything that took something away since, and what counts against a cap. Only that
// is carried forward; what gave something (a contact, a consent, a client, a key) has to be given again, because the store that it would
// come from may be the reason for the restore.

import AccessLog
import AccessToken
public import ContactModel
import VaultCrypto

/// What was carried forward into a restored vault.
public struct CarriedFacts: Sendable {
    /// Contacts that were erased again.
    public internal(set) var erasures = 0
    /// Contacts whose stop flag was set again.
    public internal(set) var stops = 0
    /// Contacts that are restricted or suspended again.
    public internal(set) var states = 0
    /// Places on the stop list.
    public internal(set) var suppressions = 0
    /// Consents that are withdrawn again.
    public internal(set) var withdrawals = 0
    /// Authorisations that are withdrawn again.
    public internal(set) var authorisations = 0
    /// Legal holds that are set again.
    public internal(set) var holds = 0
    /// Clients that are suspended again, or have lost keys again.
    public internal(set) var clients = 0
    /// Agencies whose entrustment ends earlier again.
    public internal(set) var agencies = 0
    /// Releases since, which caps count again, and releases whose outcome is known again.
    public internal(set) var releases = 0
    /// Reviews of emergency releases since.
    public internal(set) var reviews = 0
    /// Contacts whose record was changed since: what they have now is older.
    public internal(set) var changed: [ContactID] = []
    /// Contacts that were handed in since, and are missing.
    public internal(set) var missing: UInt64 = 0
    /// Version of the policy that was in force, if it is another.
    public internal(set) var policyVersion: String?
}

extension Vault {
    /// Ends every token that is out: what was spent and revoked since the backup is not known any more.
    public func endAllTokens(requestID: Reference) async throws {
        for client in try await clients() { try await revoke(.client(client.id), requestID: requestID) }
    }

    /// Repeats, each with its entry, what a later store of the same vault says was taken away.
    /// - Parameters:
    ///   - later: the store that was replaced, open for reading.
    ///   - made: when the backup was made.
    public func carryForward(
        from later: any VaultStore, since made: Timestamp, requestID: Reference
    ) async throws -> CarriedFacts {
        var carried = CarriedFacts()
        // First, while the contacts are there by whose numbers they are found.
        carried.releases = try await carryReleases(from: later, since: made, requestID: requestID)
        carried.reviews = try await carryReviews(from: later, requestID: requestID)
        carried.holds = try await carryContacts(from: later, requestID: requestID, &carried)
        carried.suppressions = try await carryStopList(from: later, requestID: requestID)
        carried.clients = try await carryClients(from: later, requestID: requestID)
        for entrustment in try await later.read({ try $0.entrustments() }) {
            let own = try await reading { try $0.entrustments(of: [entrustment.agency]) }[entrustment.agency]
            guard let end = entrustment.until, let own, own.until.map({ end < $0 }) ?? true,
                let ended = Entrustment(
                    agency: own.agency, from: min(own.from, end.adding(seconds: -1)), until: end,
                    roles: own.roles, purposes: own.purposes, portfolios: own.portfolios)
            else { continue }
            try await entrust(ended, requestID: requestID)
            carried.agencies += 1
        }
        // Which copies there are, so that no key is taken away that one of them needs.
        let copies = try await later.read { try $0.backups() }
        try await storing { transaction in
            for backup in copies { try transaction.putBackup(backup) }
        }
        let (policy, count) = try await later.read { (try $0.policy()?.version, try $0.contactCount()) }
        if policy != policyVersion { carried.policyVersion = policy }
        let own = try await reading { try $0.contactCount() }
        carried.missing = count > own ? count - own : 0
        return carried
    }

    private func carryContacts(
        from later: any VaultStore, requestID: Reference, _ carried: inout CarriedFacts
    ) async throws -> Int {
        let page = 200
        var (holds, cursor) = (0, [UInt8]())
        while true {
            let start = cursor
            let own = try await reading { try $0.contacts(after: start, limit: page) }
            let ids = own.rows.map(\.id)
            let known = try await later.read { reader in
                (
                    try reader.contacts(ids), try reader.consents(of: ids),
                    try reader.authorisations(of: ids),
                    try reader.legalHolds(of: ids)
                )
            }
            let (consents, authorisations, held) = try await reading { reader in
                (
                    try reader.consents(of: ids), try reader.authorisations(of: ids),
                    try reader.legalHolds(of: ids)
                )
            }
            for contact in own.rows {
                guard let other = known.0[contact.id] else { continue }
                let id = contact.id
                if other.state == .erased {
                    // A hold that stood then was lifted before the contact was erased.
                    if held[id] != nil {
                        try await liftLegalHold(of: id, as: .localOperator, requestID: requestID)
                    }
                    try await eraseContact(id, as: .localOperator, requestID: requestID)
                    carried.erasures += 1
                    continue
                }
                if other.stopped != nil, contact.stopped == nil {
                    try await stop(id, as: .localOperator, requestID: requestID)
                    carried.stops += 1
                }
                if other.state != .active, contact.state == .active {
                    try await restrict(id, to: other.state, requestID: requestID)
                    carried.states += 1
                }
                for consent in known.1[id] ?? [] {
                    let same = (consents[id] ?? []).first { $0.purpose == consent.purpose }
                    guard let withdrawn = consent.withdrawn, let same, same.withdrawn == nil,
                        same.given <= withdrawn
                    else { continue }
                    try await withdrawConsent(
                        to: consent.purpose, of: id, as: .localOperator, requestID: requestID)
                    carried.withdrawals += 1
                }
                if let withdrawn = known.2[id]?.withdrawn, let same = authorisations[id],
                    same.withdrawn == nil, same.given <= withdrawn
                {
                    try await withdrawAuthorisation(of: id, as: .localOperator, requestID: requestID)
                    carried.authorisations += 1
                }
                if let hold = known.3[id], held[id] == nil {
                    try await setLegalHold(
                        hold.reference, of: id, as: .localOperator, requestID: requestID)
                    holds += 1
                }
                if other.generation != contact.generation { carried.changed.append(id) }
            }
            guard own.rows.count == page else { return holds }
            cursor = own.cursor
        }
    }

    /// Outcomes may be reported for some days after a release: a fortnight covers every policy that ships.
    private static var outcomeSeconds: Int64 { 14 * 86_400 }

    /// What was released, so that caps, pauses and throttles go on counting it. Its entries are missing from the log; this one says so.
    private func carryReleases(
        from later: any VaultStore, since made: Timestamp, requestID: Reference
    ) async throws -> Int {
        let page = 200
        let since = made.adding(seconds: -Self.outcomeSeconds)
        var (carried, cursor) = (0, [UInt8]())
        while true {
            let start = cursor
            let own = try await reading { try $0.recordKeys(after: start, limit: page) }
            let history = try await later.read { reader in
                // The number has another index if the key was rotated since.
                let known = try reader.contacts(own.rows.map(\.contact)).values.map(\.phoneIndex)
                let keys = Set(own.rows.map(\.phoneIndex) + known).map { (HistoryKey.number($0), since) }
                return try reader.releaseHistory(Dictionary(uniqueKeysWithValues: keys)).values.flatMap(
                    \.self)
            }
            if !history.isEmpty {
                carried += try await manage(
                    .backupRestore, as: .localOperator, requestID: requestID,
                    covers: { _ throws(TokenError) in throw .insufficientScope },
                    { transaction -> ManagedOutcome<Int> in
                        let known = try transaction.store.releases(history.map(\.id))
                        let new = history.filter { known[$0.id] == nil }
                        try transaction.store.insertReleases(new)
                        var count = new.count
                        for release in history {
                            guard let outcome = release.outcome, let time = release.outcomeTime,
                                let own = known[release.id], own.outcome == nil
                            else { continue }
                            try transaction.store.putOutcome(outcome, at: time, of: release.id)
                            count += 1
                        }
                        guard count > 0 else { return .done(0) }
                        let touched = UInt64(count)
                        try transaction.log(.backupRestore, about: nil) { draft in
                            draft.basis = "carried.releases"
                            draft.count = touched
                        }
                        return .done(count)
                    })
            }
            guard own.rows.count == page else { return carried }
            cursor = own.cursor
        }
    }

    private func carryReviews(from later: any VaultStore, requestID: Reference) async throws -> Int {
        let reviews = try await later.read { try $0.reviews(openOnly: false) }
        return try await manage(
            .backupRestore, as: .localOperator, requestID: requestID,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<Int> in
                let known = Set(try transaction.store.reviews(openOnly: false).map(\.release))
                let new = reviews.filter { !known.contains($0.release) }
                guard !new.isEmpty else { return .done(0) }
                try transaction.store.putReviews(new)
                try transaction.log(.backupRestore, about: nil) { draft in
                    draft.basis = "carried.reviews"
                    draft.count = UInt64(new.count)
                }
                return .done(new.count)
            })
    }

    private func restrict(_ id: ContactID, to state: RecordState, requestID: Reference) async throws {
        try await manage(
            .contactUpdate, as: .localOperator, requestID: requestID, contacts: [id],
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<Void> in
                let (stored, refusal) = try transaction.touchable(id)
                guard let stored else { return .refused(refusal) }
                try transaction.store.putStanding(id, state: state, stopped: stored.stopped)
                try transaction.log(.contactUpdate, about: stored) { $0.basis = EntryCode(state.rawValue) }
                return .done(())
            })
    }

    private func carryStopList(from later: any VaultStore, requestID: Reference) async throws -> Int {
        let page = 500
        var (carried, after) = (0, [UInt8]?.none)
        while true {
            let start = after
            let places = try await later.read { try $0.suppressions(after: start, limit: page) }
            let contacts = try await reading { try $0.contacts(withNumbers: places.map(\.number)) }
            carried += try await manage(
                .suppression, as: .localOperator, requestID: requestID, contacts: contacts,
                covers: { _ throws(TokenError) in throw .insufficientScope },
                { transaction -> ManagedOutcome<Int> in
                    let known = try transaction.store.suppressions(places.map(\.number))
                    let new = places.filter { place in
                        known[place.number].map { $0.latest < place.latest } ?? true
                    }
                    guard !new.isEmpty else { return .done(0) }
                    try transaction.store.putSuppressions(new)
                    for contact in try transaction.store.contacts(contacts).values
                    where contact.stopped == nil && new.contains(where: { $0.number == contact.phoneIndex }) {
                        try transaction.stop(contact)
                    }
                    try transaction.log(.suppression, about: nil) { draft in
                        draft.basis = "carried"
                        draft.count = UInt64(new.count)
                    }
                    return .done(new.count)
                })
            guard places.count == page else { return carried }
            after = places.last?.number
        }
    }

    private func carryClients(from later: any VaultStore, requestID: Reference) async throws -> Int {
        var carried = 0
        for stored in try await later.read({ try $0.clients() }) {
            guard let other = RegisteredClient(registration: stored.registration),
                let own = try await clients().first(where: { $0.id == other.id })
            else { continue }
            let restricted = own.restricted(by: other)
            guard restricted.registration != own.registration else { continue }
            try await change(
                own.id, restricted.isSuspended == own.isSuspended ? .clientRotate : .clientSuspend,
                requestID: requestID
            ) { client, _, draft in
                client = restricted
                draft.basis = "carried"
            }
            carried += 1
        }
        return carried
    }
}

extension VaultReader {
    /// Contacts that are not erased, and where to go on.
    fileprivate func contacts(
        after cursor: [UInt8], limit: Int
    ) throws -> (rows: [StoredContact], cursor: [UInt8]) {
        let page = try recordKeys(after: cursor, limit: limit)
        let contacts = try contacts(page.rows.map(\.contact))
        return (page.rows.compactMap { contacts[$0.contact] }, page.cursor)
    }
}

extension RegisteredClient {
    /// This registration less what a later one of the same client does not have any more. Nothing of the later one is added.
    fileprivate func restricted(by later: RegisteredClient) -> RegisteredClient {
        var client = self
        client.keys = keys.filter { later.key(thumbprint: $0.thumbprint) != nil }
        client.keyEnds = keyEnds.filter { client.key(thumbprint: $0.key) != nil }
        for key in client.keys {
            guard let end = later.keyEnds[key.thumbprint] else { continue }
            client.keyEnds[key.thumbprint] = min(client.keyEnds[key.thumbprint] ?? end, end)
        }
        client.roles = roles.intersection(later.roles)
        if later.certificateName != certificateName { client.certificateName = nil }
        client.isSuspended = isSuspended || later.isSuspended
        if client.keys.isEmpty {
            // Every key of then is out of use: it is registered anew by its keys of now.
            client.keys = keys
            client.isSuspended = true
        }
        return client
    }
}

// Numbers that said no. They are kept as blind indexes, apart from contacts, so that a number that said no stays on the list
// when its contact is erased and when it is handed in again.

import AccessLog
public import AccessToken
public import ContactModel
import EnvelopeEncryption
import PurposePolicy
import VaultCrypto

extension ManagedTransaction {
    /// Sets a contact's stop flag and puts its number on the stop list, with an entry.
    mutating func stop(_ contact: StoredContact) throws {
        try store.putStanding(contact.id, state: contact.state, stopped: now)
        try suppress(contact.phoneIndex, version: contact.phoneIndexVersion)
        try log(.stopSet, about: contact)
    }

    /// Takes a contact's stop flag away and its number from the stop list, with an entry. Other contacts with that number keep theirs.
    mutating func liftStop(_ contact: StoredContact) throws {
        try store.putStanding(contact.id, state: contact.state, stopped: nil)
        try store.removeSuppression(contact.phoneIndex)
        try log(.stopClear, about: contact)
    }

    /// Puts a number on the stop list. The first no stays known; the last one decides what came after it.
    func suppress(_ number: [UInt8], version: UInt32) throws {
        let known = try store.suppressions([number])[number]
        try store.putSuppressions([
            StoredSuppression(number: number, indexVersion: version, since: known?.since ?? now, latest: now)
        ])
    }

    /// Puts a number, known by its indexes under every key, the active one first, on the stop list: under the active one.
    func suppress(_ indexes: [BlindIndexValue]) throws {
        guard let active = indexes.first else { return }
        try moveNumber(indexes)
        try suppress(active.bytes, version: active.version)
    }

    /// Refuses a number that was indexed before the index keys changed: it might be looked for under too few.
    func requireIndexKeys(of indexes: [BlindIndexValue]) throws {
        guard Set(indexes.map(\.version)) == Set(keyring.blindIndexVersions) else {
            throw VaultError.logUnavailable("key_changed")
        }
    }

    /// Gives a number one index, the active one, wherever it stands under an older one. So a number has one index at any time, and
    /// what is counted by it is counted whole, also while the index key rotates.
    func moveNumber(_ indexes: [BlindIndexValue]) throws {
        guard indexes.count > 1, let active = indexes.first else { return }
        try store.moveNumbers(
            indexes.dropFirst().map {
                StoredNumberMove(from: $0.bytes, to: active.bytes, version: active.version)
            })
    }

    /// When somebody last said no for a number, known by any of its indexes.
    func stop(of numbers: [[UInt8]]) throws -> Timestamp? {
        try store.suppressions(numbers).values.map(\.latest).max()
    }
}

extension Vault {
    /// Most numbers in one comparison; the policy may want fewer.
    public static let matchedNumbers = 1000

    /// Puts a number on the stop list, whether or not a contact with it is stored. Contacts with it get their stop flag.
    /// - Parameters:
    ///   - phone: the number as typed.
    ///   - region: ISO 3166 region of a number without country code.
    /// - Throws: ``VaultError/intake(_:)`` if it is not a number.
    public func suppress(
        phone: String, region: String?, as caller: Caller, requestID: Reference
    ) async throws {
        let covers: @Sendable (VerifiedAccess) throws(TokenError) -> Void = { access throws(TokenError) in
            try access.suppression()
        }
        let normalized: NormalizedPhoneNumber
        do { normalized = try PhoneNumberIntake.normalize(phone, region: region) } catch {
            let _: Void = try await refuse(
                .intake(error), "intake_refused", .suppression, as: caller, requestID: requestID,
                covers: covers)
            return
        }
        let indexes = try indexes(of: normalized.e164)
        let contacts = try await reading { try $0.contacts(withNumbers: indexes.map(\.bytes)) }
        try await manage(
            .suppression, as: caller, requestID: requestID, contacts: contacts, covers: covers,
            { transaction -> ManagedOutcome<Void> in
                try transaction.requireIndexKeys(of: indexes)
                try transaction.suppress(indexes)
                let numbers = Set(indexes.map(\.bytes))
                let stored = try transaction.store.contacts(contacts).values
                for contact in stored where numbers.contains(contact.phoneIndex) {
                    try transaction.stop(contact)
                }
                try transaction.log(.suppression, about: nil) { $0.count = UInt64(stored.count) }
                return .done(())
            })
    }

    /// Says for each number whether it is on the stop list. Nothing is released; the request has one entry with the count.
    /// - Parameter numbers: E.164, at most ``matchedNumbers``.
    /// - Returns: in order; `nil` for what is no number that the vault would hold.
    /// - Throws: ``VaultError/denied(_:)``.
    public func match(
        _ numbers: [String], access: VerifiedAccess, requestID: Reference
    ) async throws -> [Bool?] {
        guard numbers.count <= Self.matchedNumbers else {
            return try await refuse(
                .denied(.batchTooLarge), EntryCode(.batchTooLarge), .match, as: .client(access),
                requestID: requestID
            ) { access throws(TokenError) in _ = try access.numberMatch() }
        }
        let indexes = try numbers.map { number -> [BlindIndexValue] in
            guard let normalized = try? PhoneNumberIntake.normalize(number, region: nil) else { return [] }
            return try self.indexes(of: normalized.e164)
        }
        let policy = state.policy
        let tenant = identity.tenant
        return try await manage(
            .match, as: .client(access), requestID: requestID,
            covers: { access throws(TokenError) in _ = try access.numberMatch() },
            { transaction -> ManagedOutcome<[Bool?]> in
                let details = try access.numberMatch()
                guard let client = transaction.client else { return .refused(.clientUnknown) }
                let usage = try transaction.matchUsage(details, client, policy.policy, tenant)
                do throws(DenialCode) {
                    try policy.policy.decideMatch(
                        ReleaseScope(details, client: client), numbers: numbers.count, usage: usage)
                } catch {
                    return .refused(error)
                }
                guard let use = try transaction.spend(access, of: details.maximumUses) else {
                    return .refused(.tokenSpent)
                }
                if let known = indexes.first(where: { !$0.isEmpty }) {
                    try transaction.requireIndexKeys(of: known)
                }
                let listed = try transaction.store.suppressions(indexes.flatMap { $0.map(\.bytes) })
                try transaction.log(.match, about: nil) { draft in
                    draft.purpose = .suppressMatch
                    draft.action = .match
                    draft.form = .match
                    draft.policyVersion = policy.reference
                    draft.actor = details.actor
                    draft.count = UInt64(numbers.count)
                    draft.use = UInt64(use)
                    draft.maximumUses = UInt64(details.maximumUses)
                }
                return .done(indexes.map { $0.isEmpty ? nil : $0.contains { listed[$0.bytes] != nil } })
            })
    }

    func indexes(of phone: borrowing SecretBytes) throws(VaultError) -> [BlindIndexValue] {
        let keyring = state.keyring
        do { return try keyring.blindIndexCandidates(.phone, phone, tenant: keyring.tenant) } catch {
            throw .cryptographyUnavailable
        }
    }
}

extension ManagedTransaction {
    /// Counts a comparison; the count stands even if it is refused.
    fileprivate func matchUsage(
        _ details: NumberMatchDetails, _ client: RegisteredClient, _ policy: Policy, _ tenant: TenantID
    ) throws -> UsageFacts {
        var usage = UsageFacts(contacts: nil)
        let keys = Wanted.requestKeys(.suppressMatch, client.id, policy, now)
        var counts = try store.requestCounts(keys)
        for key in keys {
            let count = counts[key, default: 0] + 1
            counts[key] = count
            if key.purpose.isEmpty { usage.requests = count } else { usage.requestsForPurpose = count }
        }
        if !counts.isEmpty { try store.putRequestCounts(counts) }
        if let throttle = policy.limits.throttle {
            let actor = Wanted.actor(details.actor, client, tenant)
            usage.poorOutcomes =
                try store.poorOutcomes(
                    of: [actor], since: now.adding(seconds: -throttle.hours * 3600), now: now,
                    limit: throttle.outcomes)[actor] ?? 0
        }
        return usage
    }

    /// Spends one use of a token that names no contact; which use it was, `nil` if none was left.
    fileprivate func spend(_ access: VerifiedAccess, of most: Int64) throws -> Int64? {
        let key = TokenUseKey(
            token: access.token.identifierHash, contact: .nobody, expires: access.token.claims.expires)
        let used = try store.tokenUses([key])[key, default: 0]
        guard used < most else { return nil }
        try store.putTokenUses([key: used + 1])
        return used + 1
    }
}

// What another policy would have decided: the releases of a time range, read from the access log, decided again.
//
// The log holds no personal fact in clear, so what the contact had said is taken from the record as it stands, cut back to
// the moment of the entry; what the log says of that moment goes first: a permit was one, so its contact was in use then.
// Rates, throttles and ceilings are not decided again. An entry they refused stays refused.

import AccessLog
import AccessToken
public import ContactModel
import PurposePolicy

/// How often a decision would have been another, or the same.
public struct SimulatedDecisions: Hashable, Sendable {
    /// The purpose asked for.
    public let purpose: Purpose
    /// The action asked for.
    public let action: Action
    /// What was decided: `nil` for a permit.
    public let was: String?
    /// What would be decided: `nil` for a permit.
    public let wouldBe: String?
    /// How many entries.
    public let count: Int
}

extension Vault {
    /// Decides the releases of a time range again by another policy.
    /// - Parameters:
    ///   - proposal: the other policy.
    ///   - from: first moment of the range.
    ///   - to: first moment after it.
    /// - Returns: decisions by purpose, action, old and new outcome; sorted.
    /// - Throws: `ConfigurationFault` if the policy does not parse; ``VaultError``.
    public func simulate(
        _ proposal: PolicyProposal, from: Timestamp, to: Timestamp, requestID: Reference
    ) async throws -> [SimulatedDecisions] {
        let other = try PolicyInForce(text: proposal.text, file: "policy.yaml", calendars: proposal.calendars)
        var replay = PolicyReplay(policy: other.policy, tenant: identity.tenant, state: state, from: from)
        let size = try await logSize()
        var next: UInt64 = 0
        while next < size {
            let page = try await opened(next..<min(next + 1000, size))
            next += 1000
            for logged in page where logged.entry.kind == .release && from <= logged.entry.time {
                guard logged.entry.time < to else { continue }
                guard let contact = logged.disclosed?.contact else {
                    replay.skip(logged.entry)
                    continue
                }
                let clients = logged.entry.client.map { [$0] } ?? []
                let state = state
                let known = try await reading {
                    try RecordAtPresent(contact, clients: clients, state, in: $0)
                }
                replay.decide(logged, known)
            }
        }
        var draft = EntryDraft(.policySimulate, .permit)
        draft.requestID = requestID
        draft.client = Caller.operatorName
        draft.policyVersion = other.reference
        draft.count = UInt64(replay.results.values.reduce(0, +))
        try await record(draft)
        return replay.results.map { key, count in
            SimulatedDecisions(
                purpose: key.purpose, action: key.action, was: key.was, wouldBe: key.wouldBe, count: count)
        }.sorted {
            ($0.purpose.text, $0.action.text, $0.was ?? "", $0.wouldBe ?? "")
                < ($1.purpose.text, $1.action.text, $1.was ?? "", $1.wouldBe ?? "")
        }
    }
}

/// What the store holds about a contact now.
private struct RecordAtPresent: Sendable {
    let contact: StoredContact?
    let consents: [StoredConsent]
    let authorisation: StoredAuthorisation?
    let suppressed: StoredSuppression?
    let releases: [StoredRelease]
    /// Clients as they stand now, within the bounds of their agencies.
    let standings: [Reference: ClientStanding]

    init(_ id: ContactID, clients: [Reference], _ state: VaultState, in reader: any VaultReader) throws {
        contact = try reader.contacts([id])[id]
        consents = try reader.consents(of: [id])[id] ?? []
        authorisation = try reader.authorisations(of: [id])[id]
        standings = try state.clients.standings(clients, in: reader)
        guard let number = contact?.phoneIndex else {
            suppressed = nil
            releases = []
            return
        }
        suppressed = try reader.suppressions([number])[number]
        let key = HistoryKey.number(number)
        releases = try reader.releaseHistory([key: Timestamp(milliseconds: 0)])[key] ?? []
    }
}

/// Decides entries again, in the order of the log: what it refuses is no longer counted by later caps, and what it permits is.
private struct PolicyReplay {
    struct Key: Hashable {
        let purpose: Purpose
        let action: Action
        let was: String?
        let wouldBe: String?
    }

    let policy: Policy
    let tenant: TenantID
    let state: VaultState
    /// First moment of the range: releases before it count as they were.
    let from: Timestamp
    private(set) var results: [Key: Int] = [:]
    /// Releases of the range that came by and stand. By the order of the log: several may bear the same millisecond.
    private var standing: Set<ReleaseID> = []
    private var permitted: [ContactID: [(release: PastRelease, caseReference: [UInt8])]] = [:]

    init(policy: Policy, tenant: TenantID, state: VaultState, from: Timestamp) {
        self.from = from
        self.policy = policy
        self.tenant = tenant
        self.state = state
    }

    /// What cannot be decided again: its personal parts are gone, or somebody else refused it.
    mutating func skip(_ entry: LogEntry) {
        guard let purpose = entry.purpose, let action = entry.action,
            entry.outcome == .permit || entry.outcome == .deny
        else { return }
        results[
            Key(purpose: purpose, action: action, was: entry.reason?.text, wouldBe: "not_simulated"),
            default: 0] += 1
    }

    mutating func decide(_ logged: LoggedEntry, _ known: RecordAtPresent) {
        let entry = logged.entry
        guard entry.outcome == .permit || entry.outcome == .deny, let purpose = entry.purpose,
            let action = entry.action, let client = entry.client
        else { return }
        let was = entry.reason.flatMap { DenialCode(rawValue: $0.text) }
        if let was, Self.stands(was) {
            results[
                Key(purpose: purpose, action: action, was: was.rawValue, wouldBe: was.rawValue), default: 0] +=
                1
            return
        }
        guard let stored = known.contact, let disclosed = logged.disclosed,
            let caseReference = disclosed.caseReference,
            let actor = disclosed.actor,
            let registered = known.standings[client]?.client,
            let attributes = state.attributes.attributes(of: stored.id, in: stored.attributes)
        else { return skip(entry) }

        let caseDigest = Wanted.digest(.caseReference, caseReference.text, tenant)
        let isPermitted = entry.outcome == .permit
        let row = ReleaseID(bytes: entry.id.bytes).flatMap { id in known.releases.first { $0.id == id } }
        let request = ReleaseRequest(
            scope: ReleaseScope(
                purpose: purpose, action: action, fields: entry.fields, stage: entry.stage,
                precondition: entry.precondition, reference: Reference("replayed"), actor: actor,
                agency: entry.agency ?? registered.agency, clientKind: registered.kind,
                clientRoles: registered.roles,
                clientPurposes: registered.purposes.isEmpty ? nil : registered.purposes,
                hasEncryptionKey: registered.encryptionKey != nil),
            tenant: tenant, contact: stored.id, caseReference: caseReference,
            clientPortfolios: registered.portfolios.isEmpty ? nil : registered.portfolios)
        let facts = facts(
            stored, attributes, known, at: entry.time, wasPermitted: isPermitted, purpose: purpose,
            caseDigest: caseDigest, reference: row?.reference)
        let decision = policy.decide(request, facts: facts, usage: UsageFacts(), at: entry.time)
        let wouldBe = decision.denial
        if isPermitted, wouldBe == nil, let id = ReleaseID(bytes: entry.id.bytes) { standing.insert(id) }
        if !isPermitted, case .permit(let permit) = decision {
            permitted[stored.id, default: []].append(
                (
                    PastRelease(
                        time: entry.time, purpose: purpose, isMask: permit.form == .mask,
                        isApproach: policy.purposes[purpose]?.isUnderFrequencyCeiling ?? true,
                        isSameNumber: true,
                        isSameCase: false, isSameReference: false), caseDigest
                ))
        }
        results[
            Key(purpose: purpose, action: action, was: was?.rawValue, wouldBe: wouldBe?.rawValue), default: 0] +=
            1
    }

    private func facts(
        _ stored: StoredContact, _ attributes: ContactAttributes, _ known: RecordAtPresent,
        at time: Timestamp,
        wasPermitted: Bool, purpose: Purpose, caseDigest: [UInt8], reference: [UInt8]?
    ) -> ContactFacts {
        var releases = known.releases.filter { $0.time < from || standing.contains($0.id) }.map { release in
            PastRelease(
                time: release.time, purpose: release.purpose, isMask: release.form == .mask,
                isApproach: policy.purposes[release.purpose]?.isUnderFrequencyCeiling ?? release.isApproach,
                isSameNumber: true, isSameCase: release.caseReference == caseDigest,
                isSameReference: reference != nil && release.reference == reference,
                conversation: release.outcome?.isConversation == true ? release.time : nil)
        }
        for (release, digest) in permitted[stored.id] ?? [] {
            var release = release
            release.isSameCase = digest == caseDigest
            releases.append(release)
        }
        let stop = [stored.stopped, known.suppressed?.since].compactMap(\.self).min()
        var authorisation = known.authorisation.map { AuthorisationFact($0) }
        if let withdrawn = authorisation?.withdrawn, withdrawn > time { authorisation?.withdrawn = nil }
        let kind = policy.purposes[purpose]?.referenceKind
        return ContactFacts(
            contact: stored.id, state: wasPermitted ? .active : stored.state,
            stopped: stop.flatMap { $0 <= time ? $0 : nil }, generation: stored.generation,
            portfolio: attributes.portfolio,
            consents: known.consents.map { consent in
                var fact = ConsentFact(consent)
                if let withdrawn = fact.withdrawn, withdrawn > time { fact.withdrawn = nil }
                return fact
            },
            verification: attributes.verification, verifiedAt: attributes.verified,
            zones: state.rules(of: attributes.timeZones), channels: attributes.channels,
            preferredWindow: attributes.preferredWindow,
            authorisation: authorisation,
            // The entry does not name what it referred to; a permit referred to something that was good.
            reference: wasPermitted ? kind.map { ReferenceFact(kind: $0, recorded: time) } : nil,
            isApproved: wasPermitted, releases: releases)
    }

    /// Denials that no policy file decides, or whose facts the log does not hold.
    private static func stands(_ code: DenialCode) -> Bool {
        switch code {
        case .proofReplayed, .assertionReplayed, .insufficientScope, .tokenSpent, .tokenRevoked,
            .tokenLifeTooLong,
            .tokenExpired,
            .clientSuspended, .clientUnknown, .keyNotRegistered, .agencyNotEntrusted, .contactUnknown,
            .contactErased, .rateLimited, .actorThrottled,
            .ceilingReached, .referenceMissing, .referenceUnknown, .referenceExpired, .approvalMissing,
            .encryptionKeyMissing, .contactRestricted, .contactSuspended:
            true
        default: false
        }
    }
}

extension PurposeRule {
    fileprivate var referenceKind: ReferenceKind? {
        for case .reference(let kind, _) in needs { return kind }
        return nil
    }
}

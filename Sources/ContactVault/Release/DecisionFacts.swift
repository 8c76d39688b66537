// What a decision needs to know, read at once for many, and what earlier ones of a batch change for later ones.
//
// Later requests of a batch see what earlier ones did: counts and history are carried on in memory, so that a cap of one
// holds against sixty-four requests that arrive together.

import AccessToken
import ContactModel
import PurposePolicy
import VaultCrypto

/// One contact that is asked for, with the details of the token it is asked with.
struct AskedRelease: Sendable {
    let details: ContactAccessDetails
    let client: Reference
    let contact: ContactID
}

/// Facts of decisions about some contacts.
struct DecisionFacts {
    let contacts: [ContactID: StoredContact]
    let clients: [Reference: RegisteredClient]
    /// How these clients stand.
    let standings: [Reference: ClientStanding]
    let policy: Policy
    let tenant: TenantID
    let now: Timestamp

    private let state: VaultState
    private let day: Int64?
    private let consents: [ContactID: [StoredConsent]]
    private let suppressions: [[UInt8]: StoredSuppression]
    private let authorisations: [ContactID: StoredAuthorisation]
    private let references: [ContactReferenceKey: StoredContactReference]
    private let poorOutcomes: [[UInt8]: Int64]
    private var history: [HistoryKey: [StoredRelease]]
    private var approvals: [[UInt8]: [StoredApproval]]
    private var requests: [RequestCountKey: Int64]
    /// Numbers that a subject has had today, of those that are asked for.
    private var includedNumbers: Set<DistinctNumberKey>
    /// How many it has had in all.
    private var distinctCounts: [[UInt8]: Int64]

    private var released: [StoredRelease] = []
    private var added: [DistinctNumberKey] = []
    private var changedApprovals: [StoredApproval] = []
    private var reviews: [StoredReview] = []

    /// Life of an approval, seconds: long enough for a colleague of the next shift.
    static let approvalSeconds: Int64 = 24 * 3600

    /// - Parameters:
    ///   - asked: what is asked for.
    ///   - others: contacts and clients that are looked at beside it, for entries about requests that ask for nothing that
    ///     could be decided.
    init(
        _ asked: [AskedRelease], besides others: (contacts: [ContactID], clients: [Reference]) = ([], []),
        in reader: any VaultReader, state: VaultState, policy: Policy, tenant: TenantID, now: Timestamp
    ) throws {
        self.state = state
        self.policy = policy
        self.tenant = tenant
        self.now = now
        contacts = try reader.contacts(asked.map(\.contact) + others.contacts)
        standings = try state.clients.standings(asked.map(\.client) + others.clients, in: reader)
        let clients = standings.compactMapValues(\.client)
        self.clients = clients
        consents = try reader.consents(of: asked.map(\.contact))
        suppressions = try reader.suppressions(contacts.values.map(\.phoneIndex))
        let wanted = Wanted(
            asked, contacts: contacts, clients: clients, state: state, policy: policy, tenant: tenant,
            now: now)
        day = wanted.day
        authorisations = wanted.authorised.isEmpty ? [:] : try reader.authorisations(of: wanted.authorised)
        references = wanted.references.isEmpty ? [:] : try reader.contactReferences(wanted.references)
        history = wanted.history.isEmpty ? [:] : try reader.releaseHistory(wanted.history)
        approvals = wanted.operations.isEmpty ? [:] : try reader.approvals(of: wanted.operations)
        requests = wanted.requests.isEmpty ? [:] : try reader.requestCounts(wanted.requests)
        let distinct = wanted.distinct.isEmpty ? [:] : try reader.distinctNumbers(wanted.distinct)
        includedNumbers = Set(distinct.filter(\.value.includesNumber).keys)
        distinctCounts = Dictionary(distinct.map { ($0.key.subject, $0.value.count) }, uniquingKeysWith: max)
        if let throttle = policy.limits.throttle {
            poorOutcomes = try reader.poorOutcomes(
                of: wanted.actors, since: now.adding(seconds: -throttle.hours * 3600), now: now,
                limit: throttle.outcomes)
        } else {
            poorOutcomes = [:]
        }
    }

    /// Writes what the decisions changed.
    func write(to transaction: any VaultTransaction) throws {
        if !released.isEmpty { try transaction.insertReleases(released) }
        if !requests.isEmpty { try transaction.putRequestCounts(requests) }
        if !added.isEmpty { try transaction.addDistinctNumbers(added) }
        if !changedApprovals.isEmpty { try transaction.putApprovals(changedApprovals) }
        if !reviews.isEmpty { try transaction.putReviews(reviews) }
    }

    /// What the asking side has used, this request included.
    mutating func usage(_ asked: AskedRelease, _ client: RegisteredClient) -> UsageFacts {
        let details = asked.details
        var usage = UsageFacts(contacts: nil)
        for key in Wanted.requestKeys(details.purpose, client.id, policy, now) {
            requests[key, default: 0] += 1
            if key.purpose.isEmpty {
                usage.requests = requests[key, default: 0]
            } else {
                usage.requestsForPurpose = requests[key, default: 0]
            }
        }
        usage.poorOutcomes = poorOutcomes[Wanted.actor(details.actor, client, tenant), default: 0]
        guard let day, let contact = contacts[asked.contact] else { return usage }
        var counts: [Int64] = []
        for key in Wanted.distinctKeys(details.actor, client, tenant, contact.phoneIndex, day) {
            counts.append(distinctCounts[key.subject, default: 0] + (includedNumbers.contains(key) ? 0 : 1))
        }
        usage.contacts = UsageFacts.Contacts(actor: counts[0], client: counts[1], agency: counts[2])
        return usage
    }

    /// The facts of a contact; `nil` if it is unknown, or its attributes do not parse, which denies as well.
    ///
    /// The portfolio is that of the attributes, which are sealed into the record. The column beside them is not, and
    /// whoever changed it alone would let a client in.
    func facts(
        _ asked: AskedRelease, _ client: RegisteredClient, repeating earlier: Delivery? = nil
    ) -> ContactFacts? {
        let (contact, details) = (asked.contact, asked.details)
        guard let stored = contacts[contact] else { return nil }
        guard stored.state != .erased else { return ContactFacts(erased: contact) }
        guard let attributes = state.attributes.attributes(of: contact, in: stored.attributes) else {
            return nil
        }
        let reference = details.reference.flatMap {
            references[ContactReferenceKey(contact: contact, reference: $0)]
        }
        let suppressed = suppressions[stored.phoneIndex]?.latest
        let operation = Wanted.operation(details, contact, client, tenant)
        return ContactFacts(
            contact: contact, state: stored.state,
            stopped: [stored.stopped, suppressed].compactMap(\.self).max(),
            generation: stored.generation, portfolio: attributes.portfolio,
            consents: (consents[contact] ?? []).map { ConsentFact($0) },
            verification: attributes.verification, verifiedAt: attributes.verified,
            zones: state.rules(of: attributes.timeZones), channels: attributes.channels,
            preferredWindow: attributes.preferredWindow,
            authorisation: authorisations[contact].map { AuthorisationFact($0) },
            reference: reference.map { ReferenceFact(kind: $0.kind, recorded: $0.recorded) },
            isApproved: earlier != nil || approval(of: operation) != nil,
            releases: pastReleases(stored, details, except: earlier?.release))
    }

    /// Earlier releases, each once, seen from a request. A repetition does not count the release that it repeats.
    private func pastReleases(
        _ contact: StoredContact, _ details: ContactAccessDetails, except: ReleaseID?
    ) -> [PastRelease] {
        guard !history.isEmpty else { return [] }
        let caseDigest = Wanted.digest(.caseReference, details.caseReference.text, tenant)
        let referenceDigest = details.reference.map { Wanted.digest(.reference, $0.text, tenant) }
        var found: [ReleaseID: StoredRelease] = [:]
        var keys: [HistoryKey] = [.number(contact.phoneIndex), .caseReference(caseDigest)]
        if let referenceDigest { keys.append(.reference(referenceDigest)) }
        for key in keys {
            for release in history[key] ?? [] where release.id != except { found[release.id] = release }
        }
        return found.values.map { release in
            PastRelease(
                time: release.time, purpose: release.purpose, isMask: release.form == .mask,
                isApproach: release.isApproach, isSameNumber: release.number == contact.phoneIndex,
                isSameCase: release.caseReference == caseDigest,
                isSameReference: referenceDigest != nil && release.reference == referenceDigest,
                conversation: release.outcome?.isConversation == true ? release.time : nil)
        }
    }

    private func approval(of operation: [UInt8]) -> StoredApproval? {
        approvals[operation]?.first { $0.approver != nil && $0.used == nil && now < $0.expires }
    }

    // MARK: Carrying on

    /// Takes a permitted release into account: history, counts, approval, review.
    mutating func carry(
        _ asked: AskedRelease, as release: ReleaseID, form: ReleaseForm, client: RegisteredClient,
        _ contact: StoredContact
    ) {
        let details = asked.details
        let rule = policy.purposes[details.purpose]
        let row = StoredRelease(
            id: release, time: now, number: contact.phoneIndex, numberVersion: contact.phoneIndexVersion,
            contact: contact.id,
            caseReference: Wanted.digest(.caseReference, details.caseReference.text, tenant),
            reference: details.reference.map { Wanted.digest(.reference, $0.text, tenant) },
            actor: Wanted.actor(details.actor, client, tenant), client: client.id, purpose: details.purpose,
            form: form, isApproach: rule?.isUnderFrequencyCeiling ?? true,
            // A mask lets nobody call, so nothing can come of it.
            outcomeDue: form >= .seal ? now.adding(seconds: policy.limits.outcomeHours * 3600) : nil)
        released.append(row)
        history[.number(row.number), default: []].append(row)
        history[.caseReference(row.caseReference), default: []].append(row)
        if let reference = row.reference { history[.reference(reference), default: []].append(row) }

        if let day {
            for key in Wanted.distinctKeys(details.actor, client, tenant, contact.phoneIndex, day)
            where includedNumbers.insert(key).inserted {
                distinctCounts[key.subject, default: 0] += 1
                added.append(key)
            }
        }
        let operation = Wanted.operation(details, contact.id, client, tenant)
        if rule?.needs.contains(.secondPerson) == true, var approval = approval(of: operation) {
            approval.used = now
            approvals[operation] = approvals[operation]?.map { $0.id == approval.id ? approval : $0 }
            changedApprovals.append(approval)
        }
        if case .breakGlass(let hours)? = rule?.breakGlass {
            reviews.append(
                StoredReview(
                    release: release, purpose: details.purpose, client: client.id, opened: now,
                    due: now.adding(seconds: hours * 3600)))
        }
    }

    /// Puts the question to a second person, once for each operation.
    /// - Returns: whether it was not put before.
    mutating func requestApproval(
        _ asked: AskedRelease, _ client: RegisteredClient, _ random: any RandomSource
    ) throws -> Bool {
        let operation = Wanted.operation(asked.details, asked.contact, client, tenant)
        let isAsked = approvals[operation, default: []].contains { $0.used == nil && now < $0.expires }
        guard !isAsked else { return false }
        let approval = StoredApproval(
            id: try random.bytes(16), kind: .release, operation: operation, payload: [],
            contact: asked.contact, requester: client.id, requested: now,
            expires: now.adding(seconds: Self.approvalSeconds))
        approvals[operation, default: []].append(approval)
        changedApprovals.append(approval)
        return true
    }
}

/// What the policy makes a batch read. A policy without caps, ceilings and limits makes it read nothing of this.
struct Wanted {
    private(set) var day: Int64?
    private(set) var authorised: [ContactID] = []
    private(set) var references: [ContactReferenceKey] = []
    private(set) var history: [HistoryKey: Timestamp] = [:]
    private(set) var operations: [[UInt8]] = []
    private(set) var requests: [RequestCountKey] = []
    private(set) var distinct: [DistinctNumberKey] = []
    private(set) var actors: [[UInt8]] = []

    init(
        _ asked: [AskedRelease], contacts: [ContactID: StoredContact],
        clients: [Reference: RegisteredClient], state: VaultState, policy: Policy, tenant: TenantID,
        now: Timestamp
    ) {
        if policy.limits.countsContacts {
            day = state.timeZones.zone(policy.limits.dayZone).map {
                Int64($0.localTime(at: now).day.daysSinceEpoch)
            }
        }
        for question in asked {
            guard let client = clients[question.client] else { continue }
            let details = question.details
            requests += Self.requestKeys(details.purpose, client.id, policy, now)
            if policy.limits.throttle != nil { actors.append(Self.actor(details.actor, client, tenant)) }
            guard let contact = contacts[question.contact], let rule = policy.purposes[details.purpose] else {
                continue
            }
            read(rule, details, client, contact, state, policy, tenant, now)
        }
    }

    private mutating func read(
        _ rule: PurposeRule, _ details: ContactAccessDetails, _ client: RegisteredClient,
        _ contact: StoredContact, _ state: VaultState, _ policy: Policy, _ tenant: TenantID, _ now: Timestamp
    ) {
        if let day { distinct += Self.distinctKeys(details.actor, client, tenant, contact.phoneIndex, day) }
        if rule.needs.contains(.authorisation) { authorised.append(contact.id) }
        if let reference = details.reference {
            references.append(ContactReferenceKey(contact: contact.id, reference: reference))
        }
        if rule.needs.contains(.secondPerson) {
            operations.append(Self.operation(details, contact.id, client, tenant))
        }
        guard let attributes = state.attributes.attributes(of: contact.id, in: contact.attributes) else {
            return
        }
        let span = policy.historySpan(of: details.purpose, portfolio: attributes.portfolio, at: now)
        func look(_ key: HistoryKey, since: Timestamp) { history[key] = min(history[key] ?? since, since) }
        if let since = span.number { look(.number(contact.phoneIndex), since: since) }
        if let since = span.caseReference {
            look(
                .caseReference(Self.digest(.caseReference, details.caseReference.text, tenant)), since: since)
        }
        if let since = span.reference, let reference = details.reference {
            look(.reference(Self.digest(.reference, reference.text, tenant)), since: since)
        }
    }

    // MARK: Names of what is counted

    /// What a digest names.
    enum Subject: String {
        case caseReference = "case"
        case reference
        case actor
        case client
        case agency
        case operation
    }

    /// `SHA-256("CV1C" ‖ tenant ‖ kind ‖ 0 ‖ text)`: equal names are found again, and a copy of the store is no list of cases
    /// and staff. It is not keyed: whoever can guess a reference can find its rows.
    static func digest(_ subject: Subject, _ text: String, _ tenant: TenantID) -> [UInt8] {
        SHA256.hash(Array("CV1C".utf8) + tenant.bytes + Array(subject.rawValue.utf8) + [0] + Array(text.utf8))
    }

    static func actor(_ actor: Actor, _ client: RegisteredClient, _ tenant: TenantID) -> [UInt8] {
        digest(.actor, "\(client.agency) \(actor.kind.rawValue) \(actor.id)", tenant)
    }

    /// Actor, client and agency, in this order.
    static func distinctKeys(
        _ actor: Actor, _ client: RegisteredClient, _ tenant: TenantID, _ number: [UInt8], _ day: Int64
    ) -> [DistinctNumberKey] {
        [
            self.actor(actor, client, tenant), digest(.client, client.id.text, tenant),
            digest(.agency, client.agency.text, tenant),
        ].map { DistinctNumberKey(day: day, subject: $0, number: number) }
    }

    static func requestKeys(
        _ purpose: Purpose, _ client: Reference, _ policy: Policy, _ now: Timestamp
    ) -> [RequestCountKey] {
        let minute = now.milliseconds / 60_000
        var keys: [RequestCountKey] = []
        if policy.limits.requestsPerMinute != nil {
            keys.append(RequestCountKey(minute: minute, client: client, purpose: ""))
        }
        for case .rate in policy.purposes[purpose]?.needs ?? [] {
            keys.append(RequestCountKey(minute: minute, client: client, purpose: purpose.text))
        }
        return keys
    }

    /// One release with all that was decided about: another action, field, case or agency needs an approval of its own.
    static func operation(
        _ details: ContactAccessDetails, _ contact: ContactID, _ client: RegisteredClient, _ tenant: TenantID
    ) -> [UInt8] {
        let fields = details.fields.map(\.rawValue).sorted().joined(separator: ",")
        let parts = [
            contact.description, details.purpose.text, details.action.text, details.caseReference.text,
            fields,
            client.agency.text,
        ]
        return digest(.operation, parts.joined(separator: " "), tenant)
    }
}

extension ReleaseScope {
    /// The scope of a token for this client.
    init(_ details: ContactAccessDetails, client: RegisteredClient) {
        self.init(
            purpose: details.purpose, action: details.action, fields: details.fields, stage: details.stage,
            precondition: details.precondition, reference: details.reference, actor: details.actor,
            agency: client.agency, clientKind: client.kind, clientRoles: client.roles,
            clientPurposes: client.purposes.isEmpty ? nil : client.purposes,
            hasEncryptionKey: client.encryptionKey != nil)
    }

    /// The scope of a comparison with the stop list.
    init(_ details: NumberMatchDetails, client: RegisteredClient) {
        self.init(
            purpose: .suppressMatch, action: .match, fields: [], stage: nil, precondition: nil,
            reference: nil,
            actor: details.actor, agency: client.agency, clientKind: client.kind, clientRoles: client.roles,
            clientPurposes: client.purposes.isEmpty ? nil : client.purposes)
    }
}

extension ReleaseRequest {
    /// A request for one contact of a token.
    init(
        _ details: ContactAccessDetails, contact: ContactID, tenant: TenantID, client: RegisteredClient
    ) {
        self.init(
            scope: ReleaseScope(details, client: client), tenant: tenant, contact: contact,
            caseReference: details.caseReference,
            clientPortfolios: client.portfolios.isEmpty ? nil : client.portfolios)
    }
}

extension ContactFacts {
    /// All that is left of an erased contact.
    fileprivate init?(erased contact: ContactID) {
        guard let nowhere = Reference("erased") else { return nil }
        self.init(
            contact: contact, state: .erased, stopped: nil, generation: 0, portfolio: nowhere, consents: [],
            verification: .unverified, verifiedAt: nil, zones: nil)
    }
}

extension ConsentFact {
    init(_ stored: StoredConsent) {
        self.init(
            purpose: stored.purpose, notice: stored.notice, recipients: stored.recipients,
            given: stored.given,
            expires: stored.expires, withdrawn: stored.withdrawn)
    }
}

extension AuthorisationFact {
    init(_ stored: StoredAuthorisation) {
        self.init(given: stored.given, expires: stored.expires, withdrawn: stored.withdrawn)
    }
}

extension PurposeRule {
    /// The requirement of alert and review, if the purpose has it.
    var breakGlass: Requirement? { needs.first { if case .breakGlass = $0 { true } else { false } } }
}

extension VaultState {
    /// Rules of zones; `nil` if one is unknown.
    func rules(of zones: [String]) -> [TimeZoneRules]? {
        var rules: [TimeZoneRules] = []
        for name in zones {
            guard let zone = timeZones.zone(name) else { return nil }
            rules.append(zone)
        }
        return rules
    }
}

// The decision: pure, in one fixed order, with no clock and no store inside.
//
// Rules only ever deny. A permit is what is left when each of them has passed, so no rule can outvote another and their
// order decides nothing but which reason the log names when several hold. What the caller may be told comes last: a
// caller learns of hours and caps only of a contact that it could otherwise have reached.

public import ContactModel

/// Leave to release, or the reason why not.
public enum Decision: ~Copyable, Sendable {
    /// Every rule passed. The permit opens nothing until it is recorded.
    case permit(ReleasePermit)
    /// The first rule that denied, in the order of ``DecisionRule``.
    case deny(DenialCode)

    /// The reason for a denial, `nil` for a permit.
    public var denial: DenialCode? {
        switch self {
        case .permit: nil
        case .deny(let code): code
        }
    }
}

/// The rules of a decision, in their order.
public enum DecisionRule: String, CaseIterable, Sendable {
    /// The client has not sent too many requests in this minute.
    case rate
    /// The purpose is in the policy.
    case purpose
    /// The actor's outcomes are reported, and not too many are poor.
    case throttle
    /// The contact is known.
    case contact
    /// Its record is in use.
    case state
    /// It has not said no, or the purpose is exempt, or answers what the contact asked for later.
    case stopFlag = "stop_flag"
    /// The contact's own consent, if the purpose needs it.
    case consent
    /// The borrower's authorisation, if the purpose needs it.
    case authorisation
    /// The offer, request or complaint is on record and recent enough, if the purpose needs it.
    case reference
    /// The number was verified recently enough, if the purpose needs it.
    case verification
    /// The contact's portfolio is one of the client's.
    case portfolio
    /// The purpose is one of the client's.
    case registration
    /// The client has a role for it.
    case role
    /// The action is one of the purpose's.
    case action
    /// The case is at a stage at which the contact may be reached.
    case stage
    /// The fields are some of the purpose's, each once.
    case fields
    /// There is a form that this kind of client and actor may have.
    case form
    /// The request says why the borrower cannot be reached, if the purpose needs it.
    case precondition
    /// The contact takes calls, or messages, if that is what the action is and it approaches the contact.
    case channel
    /// It is a time at which the contact may be reached, by every clock that may be the contact's.
    case hours
    /// The days after a conversation are over.
    case pause
    /// Neither the purpose nor the jurisdiction has released too often.
    case caps
    /// Actor, client and agency have not had too many distinct contacts today.
    case ceilings
    /// A second person has approved, if the purpose needs it. Last, so that nobody is asked about what is refused anyway.
    case approval

    /// All rules, in order; one array, where `allCases` would make one for every decision.
    static let inOrder = allCases
    /// Those that need no contact: what can be decided when a token is issued.
    static let ofScope: [DecisionRule] = [
        .purpose, .registration, .role, .action, .stage, .fields, .form, .precondition,
    ]
    /// Those of a match with the stop list, which concerns no contact of the vault.
    static let ofMatch: [DecisionRule] = [
        .rate, .purpose, .throttle, .registration, .role, .action, .fields, .form,
    ]
}

/// What a rule said.
public enum RuleVerdict: Hashable, Sendable {
    /// Nothing against it.
    case passed
    /// Denied, and why.
    case denied(DenialCode)
    /// Cannot be said: the purpose or the contact is not known.
    case notJudged
}

/// What a token for a scope may be.
public struct TokenTerms: Hashable, Sendable {
    /// Longest life, seconds.
    public let seconds: Int64
    /// Most uses.
    public let maximumUses: Int64
    /// The most that its releases will give.
    public let form: ReleaseForm
}

extension Policy {
    /// Decides one release. Pure: equal arguments give equal decisions.
    /// - Parameters:
    ///   - request: what is asked; already authenticated, and covered by its token.
    ///   - facts: what is known of the contact, read in the transaction that will record this decision; `nil` if
    ///     there is no such contact.
    ///   - usage: what the asking side has used, this request included.
    ///   - now: the store's clock.
    public func decide(
        _ request: ReleaseRequest, facts: ContactFacts?, usage: UsageFacts, at now: Timestamp
    ) -> Decision {
        let rule = purposes[request.scope.purpose]
        for step in DecisionRule.inOrder {
            switch verdict(of: step, rule, request.scope, request, facts, usage, now) {
            case .passed: continue
            case .denied(let code): return .deny(code)
            // Unreachable, because what cannot be judged comes after what denied; closed all the same.
            case .notJudged: return .deny(.purposeNotConfigured)
            }
        }
        let scope = request.scope
        guard let facts,
            let form = rule?.form(of: scope.action, client: scope.clientKind, actor: scope.actor.kind)
        else { return .deny(.formNotAllowed) }
        return .permit(
            ReleasePermit(
                tenant: request.tenant, contact: request.contact, generation: facts.generation,
                fields: scope.fields,
                form: form))
    }

    /// What every rule says to a request, in order; ``decide(_:facts:usage:at:)`` stops at the first that denies.
    public func explain(
        _ request: ReleaseRequest, facts: ContactFacts?, usage: UsageFacts, at now: Timestamp
    ) -> [(rule: DecisionRule, verdict: RuleVerdict)] {
        let rule = purposes[request.scope.purpose]
        return DecisionRule.inOrder.map {
            ($0, verdict(of: $0, rule, request.scope, request, facts, usage, now))
        }
    }

    /// What a token for this scope may be, by the rules that need no contact.
    /// - Parameters:
    ///   - scope: what the token is to cover, and who asks.
    ///   - uses: how many uses are asked for.
    /// - Throws: the code of the first rule that denies, in the order of ``DecisionRule``, or
    ///   ``DenialCode/usesNotAllowed``. Nothing is granted in part.
    public func tokenTerms(for scope: ReleaseScope, uses: Int64) throws(DenialCode) -> TokenTerms {
        let rule = purposes[scope.purpose]
        for step in DecisionRule.ofScope {
            switch verdict(of: step, rule, scope, nil, nil, nil, nil) {
            case .passed: continue
            case .denied(let code): throw code
            case .notJudged: throw .purposeNotConfigured
            }
        }
        guard let rule,
            let form = rule.form(of: scope.action, client: scope.clientKind, actor: scope.actor.kind)
        else { throw .formNotAllowed }
        guard uses >= 1, uses <= rule.tokenUses else { throw .usesNotAllowed }
        return TokenTerms(seconds: rule.tokenSeconds, maximumUses: rule.tokenUses, form: form)
    }

    /// Decides one comparison of numbers with the stop list. Nothing is released by it.
    /// - Parameter numbers: how many numbers are asked about.
    /// - Throws: the code of the first rule that denies.
    public func decideMatch(_ scope: ReleaseScope, numbers: Int, usage: UsageFacts) throws(DenialCode) {
        let rule = purposes[scope.purpose]
        for step in DecisionRule.ofMatch {
            switch verdict(of: step, rule, scope, nil, nil, usage, nil) {
            case .passed: continue
            case .denied(let code): throw code
            case .notJudged: throw .purposeNotConfigured
            }
        }
        guard let rule, rule.isMatchingOnly else { throw .actionNotAllowed }
        for case .batch(let most) in rule.needs where Int64(numbers) > most { throw .batchTooLarge }
    }

    /// What one rule says. `request`, `usage` and `now` are absent at the token endpoint, which asks only rules that need
    /// none.
    private func verdict(
        of step: DecisionRule, _ rule: PurposeRule?, _ scope: ReleaseScope, _ request: ReleaseRequest?,
        _ facts: ContactFacts?, _ usage: UsageFacts?, _ now: Timestamp?
    ) -> RuleVerdict {
        if step == .rate { return usage.map { rateVerdict(rule, $0) } ?? .notJudged }
        guard let rule else { return step == .purpose ? .denied(.purposeUnknown) : .notJudged }
        switch step {
        case .rate, .purpose:
            return .passed
        case .throttle:
            guard let usage else { return .notJudged }
            // A threat to life does not wait for somebody's reports. It is capped, told at once and reviewed instead.
            if rule.isEmergency { return .passed }
            guard let throttle = limits.throttle, usage.poorOutcomes >= throttle.outcomes else {
                return .passed
            }
            return .denied(.actorThrottled)
        case .contact:
            return facts != nil && facts?.contact == request?.contact ? .passed : .denied(.contactUnknown)
        case .state, .stopFlag, .consent, .authorisation, .reference, .verification, .portfolio, .approval,
            .channel,
            .hours, .pause, .caps:
            guard let request, let now, let facts, facts.contact == request.contact else { return .notJudged }
            return contactVerdict(of: step, rule, request, facts, now)
        case .registration:
            guard let registered = scope.clientPurposes, !registered.contains(scope.purpose) else {
                return .passed
            }
            return .denied(.purposeNotRegistered)
        case .role:
            return rule.roles.contains(where: scope.clientRoles.contains) ? .passed : .denied(.roleNotAllowed)
        case .action:
            // A comparison is no release: it has a decision of its own.
            if rule.isMatchingOnly, request != nil { return .denied(.actionNotAllowed) }
            return rule.actions[scope.action] != nil ? .passed : .denied(.actionNotAllowed)
        case .stage:
            // A match concerns no case, so it is at no stage.
            if rule.isMatchingOnly, scope.stage == nil { return .passed }
            guard let stage = scope.stage, rule.stages.contains(stage) else {
                return .denied(.stageNotAllowed)
            }
            return .passed
        case .fields:
            return isAllowed(scope.fields, by: rule) ? .passed : .denied(.fieldNotAllowed)
        case .form:
            guard let form = rule.form(of: scope.action, client: scope.clientKind, actor: scope.actor.kind)
            else { return .denied(.formNotAllowed) }
            // No substitute: a mask in place of a sealed number would be a release that the catalogue does not name.
            return form != .seal || scope.hasEncryptionKey ? .passed : .denied(.encryptionKeyMissing)
        case .precondition:
            for case .precondition(let accepted) in rule.needs {
                guard let attested = scope.precondition else { return .denied(.preconditionMissing) }
                guard accepted.contains(attested) else { return .denied(.preconditionNotAccepted) }
            }
            return .passed
        case .ceilings:
            guard let usage else { return .notJudged }
            return ceilingVerdict(usage)
        }
    }

    private func rateVerdict(_ rule: PurposeRule?, _ usage: UsageFacts) -> RuleVerdict {
        if let most = limits.requestsPerMinute, usage.requests > most { return .denied(.rateLimited) }
        for case .rate(let most) in rule?.needs ?? [] where usage.requestsForPurpose > most {
            return .denied(.rateLimited)
        }
        return .passed
    }

    private func ceilingVerdict(_ usage: UsageFacts) -> RuleVerdict {
        guard limits.countsContacts else { return .passed }
        guard let contacts = usage.contacts else { return .denied(.timeZoneUnknown) }
        let isExceeded =
            contacts.actor > limits.contactsPerActor ?? .max
            || contacts.client > limits.contactsPerClient ?? .max
            || contacts.agency > limits.contactsPerAgency ?? .max
        return isExceeded ? .denied(.ceilingReached) : .passed
    }

    private func contactVerdict(
        of step: DecisionRule, _ rule: PurposeRule, _ request: ReleaseRequest, _ facts: ContactFacts,
        _ now: Timestamp
    ) -> RuleVerdict {
        switch step {
        case .state:
            return switch facts.state {
            case .active: .passed
            case .restricted: .denied(.contactRestricted)
            case .suspended: .denied(.contactSuspended)
            case .erased: .denied(.contactErased)
            }
        case .stopFlag: return stopVerdict(rule, facts)
        case .consent: return consentVerdict(rule, request, facts, now)
        case .authorisation:
            guard rule.needs.contains(.authorisation) else { return .passed }
            guard let authorisation = facts.authorisation, authorisation.withdrawn == nil,
                authorisation.given <= now
            else { return .denied(.authorisationMissing) }
            if let expires = authorisation.expires, expires <= now { return .denied(.authorisationExpired) }
            return .passed
        case .reference: return referenceVerdict(rule, request, facts, now)
        case .verification:
            for case .verification(let days) in rule.needs {
                guard facts.verification == .verified, let verified = facts.verifiedAt, verified <= now else {
                    return .denied(.verificationMissing)
                }
                guard now <= verified.adding(seconds: days * 86_400) else {
                    return .denied(.verificationExpired)
                }
            }
            return .passed
        case .portfolio:
            guard let registered = request.clientPortfolios, !registered.contains(facts.portfolio) else {
                return .passed
            }
            return .denied(.portfolioNotRegistered)
        case .approval:
            return rule.needs.contains(.secondPerson) && !facts.isApproved
                ? .denied(.approvalMissing) : .passed
        case .channel:
            // What answers the contact goes the way the contact came.
            guard rule.isUnderFrequencyCeiling, let accepted = facts.channels,
                let channel = request.scope.action.channel, !accepted.contains(channel)
            else { return .passed }
            return .denied(.channelNotAccepted)
        case .hours:
            return hoursVerdict(
                rule,
                CalendarFacts(
                    portfolio: facts.portfolio, zones: facts.zones, preferredWindow: facts.preferredWindow),
                now)
        case .pause: return pauseVerdict(rule, facts, now)
        case .caps: return capsVerdict(rule, request, facts, now)
        default: return .notJudged
        }
    }

    private func stopVerdict(_ rule: PurposeRule, _ facts: ContactFacts) -> RuleVerdict {
        guard let stopped = facts.stopped else { return .passed }
        switch rule.stopFlag {
        case .exempt: return .passed
        case .respected: return .denied(.stopFlag)
        case .newerReference:
            // Said no, and then asked for something: what was asked for may be answered.
            guard let reference = facts.reference, reference.recorded > stopped else {
                return .denied(.stopFlag)
            }
            return .passed
        }
    }

    private func consentVerdict(
        _ rule: PurposeRule, _ request: ReleaseRequest, _ facts: ContactFacts, _ now: Timestamp
    ) -> RuleVerdict {
        var notices: [Reference]?
        for case .notices(let accepted) in rule.needs { notices = accepted }
        for case .consent(let consent) in rule.needs {
            switch consent {
            case .required:
                let code = facts.consentDenial(
                    for: request.scope.purpose, notices: notices, agency: request.scope.agency, at: now)
                if let code { return .denied(code) }
            case .notRefused:
                if facts.consents.contains(where: { $0.withdrawn != nil }) {
                    return .denied(.consentWithdrawn)
                }
            }
        }
        return .passed
    }

    private func referenceVerdict(
        _ rule: PurposeRule, _ request: ReleaseRequest, _ facts: ContactFacts, _ now: Timestamp
    ) -> RuleVerdict {
        for case .reference(let kind, let days) in rule.needs {
            guard request.scope.reference != nil else { return .denied(.referenceMissing) }
            guard let reference = facts.reference, reference.kind == kind, reference.recorded <= now else {
                return .denied(.referenceUnknown)
            }
            guard let days else { continue }
            guard now <= reference.recorded.adding(seconds: days * 86_400) else {
                return .denied(.referenceExpired)
            }
        }
        return .passed
    }

    /// Some of the purpose's fields, each once. The lists have at most three entries.
    private func isAllowed(_ fields: [FieldName], by rule: PurposeRule) -> Bool {
        guard !fields.isEmpty || rule.isMatchingOnly else { return false }
        for (index, field) in fields.enumerated()
        where !rule.fields.contains(field) || fields[..<index].contains(field) {
            return false
        }
        return true
    }
}

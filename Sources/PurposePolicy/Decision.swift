// The decision: pure, in one fixed order, with no clock and no store inside.
//
// Rules only ever deny. A permit is what is left when each of them has passed, so no rule can outvote another and their
// order decides nothing but which reason the log names when several hold. What protects the person comes first there.

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
    /// The purpose is in the policy.
    case purpose
    /// The engine enforces all that the purpose needs.
    case built
    /// The contact is known.
    case contact
    /// Its record is in use.
    case state
    /// It has not said no, or the purpose is exempt.
    case stopFlag = "stop_flag"
    /// The contact's own consent, if the purpose needs it.
    case consent
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
    /// There is a form that this kind of client and actor may have, and the engine can give it.
    case form
    /// The request says why the borrower cannot be reached, if the purpose needs it.
    case precondition

    /// All rules, in order; one array, where `allCases` would make one for every decision.
    static let inOrder = allCases
    /// Those that need no contact: what can be decided when a token is issued.
    static let ofScope = allCases.filter { !$0.needsContact }

    private var needsContact: Bool {
        switch self {
        case .contact, .state, .stopFlag, .consent, .portfolio: true
        case .purpose, .built, .registration, .role, .action, .stage, .fields, .form, .precondition: false
        }
    }
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
    ///   - now: the store's clock.
    public func decide(_ request: ReleaseRequest, facts: ContactFacts?, at now: Timestamp) -> Decision {
        let rule = purposes[request.scope.purpose]
        for step in DecisionRule.inOrder {
            switch verdict(of: step, rule, request.scope, request, facts, now) {
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

    /// What every rule says to a request, in order; ``decide(_:facts:at:)`` stops at the first that denies.
    public func explain(
        _ request: ReleaseRequest, facts: ContactFacts?, at now: Timestamp
    ) -> [(rule: DecisionRule, verdict: RuleVerdict)] {
        let rule = purposes[request.scope.purpose]
        return DecisionRule.inOrder.map { ($0, verdict(of: $0, rule, request.scope, request, facts, now)) }
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
            switch verdict(of: step, rule, scope, nil, nil, nil) {
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

    /// What one rule says. `request` and `now` are absent at the token endpoint, which asks only rules that need none.
    private func verdict(
        of step: DecisionRule, _ rule: PurposeRule?, _ scope: ReleaseScope, _ request: ReleaseRequest?,
        _ facts: ContactFacts?, _ now: Timestamp?
    ) -> RuleVerdict {
        guard let rule else { return step == .purpose ? .denied(.purposeUnknown) : .notJudged }
        switch step {
        case .purpose:
            return .passed
        case .built:
            return rule.unbuiltRequirements.isEmpty ? .passed : .denied(.purposeNotConfigured)
        case .contact:
            return facts != nil && facts?.contact == request?.contact ? .passed : .denied(.contactUnknown)
        case .state, .stopFlag, .consent, .portfolio:
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
            return rule.actions[scope.action] != nil ? .passed : .denied(.actionNotAllowed)
        case .stage:
            guard let stage = scope.stage, rule.stages.contains(stage) else {
                return .denied(.stageNotAllowed)
            }
            return .passed
        case .fields:
            return isAllowed(scope.fields, by: rule) ? .passed : .denied(.fieldNotAllowed)
        case .form:
            guard let form = rule.form(of: scope.action, client: scope.clientKind, actor: scope.actor.kind)
            else {
                return .denied(.formNotAllowed)
            }
            // No substitute: a mask in place of a sealed number would be a release that the catalogue does not name.
            return form.isBuilt ? .passed : .denied(.purposeNotConfigured)
        case .precondition:
            for case .precondition(let accepted) in rule.needs {
                guard let attested = scope.precondition else { return .denied(.preconditionMissing) }
                guard accepted.contains(attested) else { return .denied(.preconditionNotAccepted) }
            }
            return .passed
        }
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
        case .stopFlag:
            return facts.stopFlag && rule.stopFlag != .exempt ? .denied(.stopFlag) : .passed
        case .consent:
            for case .consent(let consent) in rule.needs {
                switch consent {
                case .required:
                    if let code = facts.consentDenial(for: request.scope.purpose, at: now) {
                        return .denied(code)
                    }
                case .notRefused:
                    if facts.consents.contains(where: { $0.withdrawn != nil }) {
                        return .denied(.consentWithdrawn)
                    }
                }
            }
            return .passed
        case .portfolio:
            guard let registered = request.clientPortfolios, !registered.contains(facts.portfolio) else {
                return .passed
            }
            return .denied(.portfolioNotRegistered)
        default:
            return .notJudged
        }
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

// Why a release would be allowed or refused, rule by rule, with the facts that the vault has at this moment.

import AccessLog
import AccessToken
public import ContactModel
public import PurposePolicy
import StrictEncoding

/// A decision, rule by rule.
public struct PolicyExplanation: Sendable {
    /// Version of the policy that was asked.
    public let version: String
    /// The moment it was asked about.
    public let moment: Timestamp
    /// Every rule with what it said, in order. The first denial decides.
    public let rules: [(rule: DecisionRule, verdict: RuleVerdict)]
    /// The form that would leave; `nil` if it is refused.
    public let form: ReleaseForm?

    /// The code of the rule that decided; `nil` if the release would be allowed.
    public var denial: DenialCode? {
        for case (_, .denied(let code)) in rules { return code }
        return nil
    }
}

extension Vault {
    /// Explains a request: `{"client":"dialer-1","authorization_details":[{…}],"at":"2026-03-02T01:00:00Z"}`. The details are
    /// those of a token request; `at` is the present moment if it is absent. Nothing is released, counted or spent.
    /// - Throws: ``VaultError/token(_:)`` for malformed details, ``VaultError/notFound`` for an unknown client.
    public func explain(request json: [UInt8], requestID: Reference) async throws -> PolicyExplanation {
        guard let object = (try? JSONValue.parse(json))?.objectValue,
            Set(object.keys).isSubset(of: ["client", "authorization_details", "at"]),
            let client = object["client"]?.stringValue.flatMap({ Reference($0) }),
            let details = object["authorization_details"]
        else { throw VaultError.token(.invalidAuthorizationDetails(.json)) }
        var moment: Timestamp?
        if let at = object["at"] {
            guard let time = at.stringValue.flatMap({ Timestamp($0) }) else {
                throw VaultError.token(.invalidAuthorizationDetails(.json))
            }
            moment = time
        }
        let parsed: AuthorizationDetails
        do { parsed = try AuthorizationDetails.parse(details) } catch { throw VaultError.token(error) }
        guard case .contactAccess(let access) = parsed, let contact = access.contacts.first else {
            throw VaultError.token(.invalidAuthorizationDetails(.unknownType))
        }
        let asked = AskedRelease(details: access, client: client, contact: contact)
        let state = state
        let tenant = identity.tenant
        let when = moment
        return try await manage(
            .policyExplain, as: .localOperator, requestID: requestID, contacts: [contact],
            covers: { _ throws(TokenError) in },
            { transaction -> ManagedOutcome<PolicyExplanation> in
                let policy = state.policy
                let now = when ?? transaction.now
                var facts = try DecisionFacts(
                    [asked], in: transaction.store, state: state, policy: policy.policy, tenant: tenant,
                    now: now)
                guard let registered = facts.clients[client] else { return .failed(.notFound, "not_found") }
                let usage = facts.usage(asked, registered)
                let known = facts.facts(asked, registered)
                let request = ReleaseRequest(access, contact: contact, tenant: tenant, client: registered)
                let rules = policy.policy.explain(request, facts: known, usage: usage, at: now)
                var form: ReleaseForm?
                if case .permit(let permit) = policy.policy.decide(
                    request, facts: known, usage: usage, at: now)
                {
                    form = permit.form
                }
                // It says of a contact what a masked view would not: it is an access like any other.
                try transaction.log(.policyExplain, about: facts.contacts[contact]) {
                    $0.purpose = access.purpose
                }
                return .done(
                    PolicyExplanation(version: policy.policy.version, moment: now, rules: rules, form: form))
            })
    }
}

// Bodies about the policy: what is in force, what changes, what a second person must approve, and why a release is refused.

/// A policy with its holiday calendars.
public struct PolicySourceBody: Codable, Sendable {
    /// The YAML text.
    public let policy: String
    /// Texts of the calendars that it names, by name.
    public let calendars: [String: String]
    /// Its version; absent in what is handed in.
    public let version: String?

    /// A policy.
    public init(policy: String, calendars: [String: String], version: String? = nil) {
        self.policy = policy
        self.calendars = calendars
        self.version = version
    }
}

/// One change of a policy.
public struct PolicyDifferenceBody: Codable, Sendable {
    /// Where in the file.
    public let place: String
    /// From what to what.
    public let change: String
    /// `loosens`, `tightens` or `neutral`.
    public let effect: String

    /// A change.
    public init(place: String, change: String, effect: String) {
        self.place = place
        self.change = change
        self.effect = effect
    }
}

/// What became of a policy that was handed in.
public struct PolicyChangeBody: Codable, Sendable {
    /// `applied`, `waiting` or `unchanged`.
    public let state: String
    /// The version.
    public let version: String
    /// The approval it waits for.
    public let approval: String?
    /// What changes.
    public let changes: [PolicyDifferenceBody]

    /// A change.
    public init(state: String, version: String, approval: String?, changes: [PolicyDifferenceBody]) {
        self.state = state
        self.version = version
        self.approval = approval
        self.changes = changes
    }
}

/// Something that waits for a second person.
public struct ApprovalBody: Codable, Sendable {
    /// Its name, `ap_…`.
    public let approval: String
    /// `release`, `policy`, `key.destroy`, `key.compromise`, `key.enable`, `root.change`, `stop.clear` or `log.export`.
    public let kind: String
    /// What exactly would be done; absent for a release and a policy.
    public let operation: String?
    /// The contact that it concerns.
    public let contact: String?
    /// Who asked.
    public let requester: String
    /// When; RFC 3339.
    public let requested: String
    /// When it is void; RFC 3339.
    public let expires: String
    /// What a policy would change; empty for a release.
    public let changes: [PolicyDifferenceBody]

    /// An approval.
    public init(
        approval: String, kind: String, operation: String?, contact: String?, requester: String,
        requested: String, expires: String, changes: [PolicyDifferenceBody]
    ) {
        self.operation = operation
        self.changes = changes
        self.approval = approval
        self.kind = kind
        self.contact = contact
        self.requester = requester
        self.requested = requested
        self.expires = expires
    }
}

/// A decision, rule by rule.
public struct ExplanationBody: Codable, Sendable {
    /// Version of the policy that was asked.
    public let version: String
    /// The moment it was asked about; RFC 3339 with milliseconds.
    public let moment: String
    /// The form that would leave; absent if it is refused.
    public let form: String?
    /// The code of the rule that decided; absent if the release would be allowed.
    public let denial: String?
    /// Every rule, in order.
    public let rules: [Rule]

    /// One rule.
    public struct Rule: Codable, Sendable {
        /// Its name.
        public let rule: String
        /// `passed`, `denied` or `not_judged`.
        public let verdict: String
        /// Why it denied.
        public let code: String?

        /// A rule.
        public init(rule: String, verdict: String, code: String?) {
            self.rule = rule
            self.verdict = verdict
            self.code = code
        }
    }

    /// A decision.
    public init(version: String, moment: String, form: String?, denial: String?, rules: [Rule]) {
        self.version = version
        self.moment = moment
        self.form = form
        self.denial = denial
        self.rules = rules
    }
}

/// How often a decision would have been another, or the same.
public struct SimulatedDecisionBody: Codable, Sendable {
    /// The purpose asked for.
    public let purpose: String
    /// The action asked for.
    public let action: String
    /// The code of what was decided; absent for a permit.
    public let was: String?
    /// The code of what would be decided; absent for a permit.
    public let wouldBe: String?
    /// How many entries.
    public let count: Int

    enum CodingKeys: String, CodingKey {
        case purpose, action, was, count
        case wouldBe = "would_be"
    }

    /// Decisions.
    public init(purpose: String, action: String, was: String?, wouldBe: String?, count: Int) {
        self.purpose = purpose
        self.action = action
        self.was = was
        self.wouldBe = wouldBe
        self.count = count
    }
}

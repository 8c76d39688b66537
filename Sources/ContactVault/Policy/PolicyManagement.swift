// Changing the policy: what only tightens comes into force at once, what loosens anything waits for a second person.

import AccessLog
import AccessToken
public import ContactModel
public import PurposePolicy
import StrictEncoding
import VaultCrypto

/// A policy file with the holiday calendars that it names, as somebody hands it in.
public struct PolicyProposal: Hashable, Sendable {
    /// The YAML text.
    public let text: String
    /// Texts of its calendars, by name.
    public let calendars: [String: String]

    /// Longest policy with its calendars, bytes.
    static let bytes = 256 * 1024

    /// A proposal.
    public init(text: String, calendars: [String: String]) {
        self.text = text
        self.calendars = calendars
    }

    /// As a request's body or an approval carries it: `{"policy":"…","calendars":{"name":"…"}}`.
    public var payload: [UInt8] {
        JSONValue.object(
            JSONObject([
                ("policy", .string(text)),
                ("calendars", .object(JSONObject(calendars.map { ($0.key, .string($0.value)) }))),
            ])
        ).canonicalBytes
    }

    /// Reads ``payload``; `nil` if it is another shape or too long.
    public init?(payload: [UInt8]) {
        guard payload.count <= Self.bytes, let object = (try? JSONValue.parse(payload))?.objectValue,
            Set(object.keys) == ["policy", "calendars"], let text = object["policy"]?.stringValue,
            let calendars = object["calendars"]?.objectValue
        else { return nil }
        var texts: [String: String] = [:]
        for (name, value) in calendars.members {
            guard let text = value.stringValue else { return nil }
            texts[name] = text
        }
        self.init(text: text, calendars: texts)
    }

    /// Names the change from one policy to this one: an approval for it is no approval for a change from another.
    func operation(replacing version: String) -> [UInt8] {
        SHA256.hash(Array("CV1P".utf8) + Array(version.utf8) + [0] + payload)
    }
}

/// What became of a proposal.
public enum PolicyChange: Sendable {
    /// It is in force: it loosened nothing.
    case applied(version: String, changes: [PolicyDifference])
    /// It loosens something and waits for a second person.
    case waiting(ApprovalID, version: String, changes: [PolicyDifference])
    /// It means the same as the policy in force.
    case unchanged(version: String)
}

extension Vault {
    /// Hands in a policy.
    /// - Throws: `ConfigurationFault` if it does not parse; ``VaultError``.
    public func propose(
        _ proposal: PolicyProposal, as caller: Caller, requestID: Reference
    ) async throws -> PolicyChange {
        let parsed = try PolicyInForce(
            text: proposal.text, file: "policy.yaml", calendars: proposal.calendars)
        guard proposal.payload.count <= PolicyProposal.bytes else {
            throw VaultError.inconsistent("policy_too_large")
        }
        let base = state.policy
        let changes = parsed.policy.differences(from: base.policy)
        let random = random
        let (change, adopted) = try await manage(
            .policyPropose, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.policy) },
            { transaction -> ManagedOutcome<(PolicyChange, PolicyInForce?)> in
                let version = parsed.policy.version
                guard version != base.policy.version else {
                    return .done((.unchanged(version: version), nil))
                }
                guard changes.contains(where: \.loosens) else {
                    return .done(
                        (.applied(version: version, changes: changes), try transaction.adopt(proposal)))
                }
                let id = try transaction.putApproval(
                    .policy, of: proposal.operation(replacing: base.policy.version),
                    payload: proposal.payload, random: random)
                try transaction.log(.policyPropose, about: nil) { draft in
                    draft.policyVersion = parsed.reference
                    draft.count = UInt64(changes.count(where: \.loosens))
                }
                return .done((.waiting(id, version: version, changes: changes), nil))
            })
        if let adopted { state.replace(policy: adopted) }
        return change
    }

    /// The policy in force.
    public var policy: Policy { state.policy.policy }

    /// The policy in force as it was handed in, with its version. The look has an entry.
    /// - Throws: ``VaultError``.
    public func policySource(
        as caller: Caller, requestID: Reference
    ) async throws -> (source: PolicyProposal, version: String) {
        try await manage(
            .policyRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.policy) },
            { transaction -> ManagedOutcome<(source: PolicyProposal, version: String)> in
                guard let stored = try transaction.store.policy() else {
                    return .failed(.notFound, "not_found")
                }
                try transaction.log(.policyRead, about: nil) { $0.policyVersion = Reference(stored.version) }
                return .done((PolicyProposal(text: stored.text, calendars: stored.calendars), stored.version))
            })
    }
}

extension ManagedTransaction {
    /// Makes a policy the one in force, with its entry. It decides once the transaction has committed.
    mutating func adopt(_ proposal: PolicyProposal) throws -> PolicyInForce {
        let parsed = try PolicyInForce(
            text: proposal.text, file: "policy.yaml", calendars: proposal.calendars)
        try store.putPolicy(
            StoredPolicy(
                version: parsed.reference.text, text: proposal.text, calendars: proposal.calendars,
                applied: now))
        try log(.policyApply, about: nil) { $0.policyVersion = parsed.reference }
        return parsed
    }
}

// From the policy file to rules: every key, its type and its range, and the combinations that cannot be meant.

import ConfigurationFile
import ContactModel

/// Reads the policy file's mapping. `hours` and `caps` have no default: leaving a purpose without them is a decision, and
/// it must be written down as `any` and `none`.
enum PolicyReader {
    static func policy(_ root: ConfigurationNode) throws(ConfigurationFault) -> Policy {
        let format = try root.value("policy")
        guard try format.asInteger(in: 0...Int64.max) == 1 else {
            throw format.fault("unknown format; this release reads format 1")
        }
        let name = try text(root.value("name"), bytes: 64)
        var purposes: [Purpose: PurposeRule] = [:]
        let catalogue = try root.value("purposes")
        for (key, node) in try catalogue.entries() {
            guard let purpose = Purpose(key) else {
                throw node.fault("a purpose is words of a-z and _, joined by dots, at most 64 bytes")
            }
            purposes[purpose] = try rule(node)
        }
        guard !purposes.isEmpty else { throw catalogue.fault("a policy has at least one purpose") }
        try root.finish()
        return Policy(name: name, purposes: purposes)
    }

    private static func rule(_ node: ConfigurationNode) throws(ConfigurationFault) -> PurposeRule {
        let title: String? =
            if let given = try node.optionalValue("title") { try text(given, bytes: 128) } else { nil }
        let actions = try actions(node.value("actions"))
        let isMatching = actions.values.contains(.match)
        let rule = PurposeRule(
            title: title,
            stages: try atLeastOne("stages", of: Stage.self, in: node),
            actions: actions,
            fields: try node.choices("fields", of: FieldName.self),
            hours: try hours(node.value("hours")),
            caps: try caps(node.value("caps")),
            tokenSeconds: try node.mapping("token").integer(
                "seconds", in: 1...(isMatching ? Limits.matchTokenSeconds : Limits.tokenSeconds)),
            tokenUses: try node.mapping("token").integer("uses", in: 1...Limits.usesPerToken),
            roles: try atLeastOne("roles", of: Role.self, in: node),
            clients: try node.optionalValue("clients") == nil
                ? ClientKind.allCases : atLeastOne("clients", of: ClientKind.self, in: node),
            stopFlag: try node.optionalChoice("stop_flag", of: StopFlagRule.self) ?? .respected,
            needs: try needs(node.optionalMapping("needs")))
        try checkCombinations(rule, node)
        return rule
    }

    /// What each key allows and their combination does not.
    private static func checkCombinations(
        _ rule: PurposeRule, _ node: ConfigurationNode
    ) throws(ConfigurationFault) {
        if rule.actions.values.contains(.match), !rule.isMatchingOnly {
            throw node.fault("an action of form match stands in a purpose of its own", key: "actions")
        }
        guard rule.isMatchingOnly == rule.fields.isEmpty else {
            throw node.fault(
                rule.isMatchingOnly
                    ? "matching releases no field; expected []"
                    : "expected at least one of name, phone, relation", key: "fields")
        }
        for role in rule.roles where role == .intake || role == .security {
            throw node.fault("a client of role intake or security cannot ask for a release", key: "roles")
        }
        // One word in a file must not undo a contact's no for those who collect.
        let servesContact = rule.roles.allSatisfy { $0 == .complaints || $0 == .privacy }
        if rule.stopFlag == .exempt, !servesContact, !rule.isMatchingOnly {
            throw node.fault(
                "exempt is for matching, and for purposes whose roles are complaints or privacy alone",
                key: "stop_flag")
        }
        let hasReference = rule.needs.contains { if case .reference = $0 { true } else { false } }
        if rule.stopFlag == .newerReference, !hasReference {
            throw node.fault("newer_reference asks for needs.reference", key: "stop_flag")
        }
        if rule.caps.contains(where: { $0.scope == .reference }), !hasReference {
            throw node.fault("a cap per reference asks for needs.reference", key: "caps")
        }
    }

    // MARK: Parts

    private static func text(_ node: ConfigurationNode, bytes: Int) throws(ConfigurationFault) -> String {
        let text = try node.asString()
        guard text.utf8.count <= bytes, !text.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw node.fault("expected one line of at most \(bytes) bytes")
        }
        return text
    }

    private static func atLeastOne<Choice>(
        _ key: String, of type: Choice.Type, in node: ConfigurationNode
    ) throws(ConfigurationFault) -> [Choice] where Choice: RawRepresentable<String> & CaseIterable {
        let list = try node.choices(key, of: type)
        guard !list.isEmpty else {
            throw node.fault(
                "expected at least one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "),
                key: key)
        }
        return list
    }

    private static func actions(_ node: ConfigurationNode) throws(ConfigurationFault) -> [Action: ReleaseForm]
    {
        var actions: [Action: ReleaseForm] = [:]
        for (key, form) in try node.entries() {
            guard let action = Action(key) else {
                throw form.fault("an action is a word of a-z and _, at most 32 bytes")
            }
            actions[action] = try form.asChoice(of: ReleaseForm.self)
        }
        guard !actions.isEmpty else { throw node.fault("expected at least one action with its form") }
        return actions
    }

    private static func hours(_ node: ConfigurationNode) throws(ConfigurationFault) -> Hours {
        if node.isWord("any") { return .any }
        let expected = "expected any, or a window such as 09:00-20:00 that opens before it closes"
        guard node.isScalar, let window = HourWindow(try node.asString()) else { throw node.fault(expected) }
        return .window(window)
    }

    private static func caps(_ node: ConfigurationNode) throws(ConfigurationFault) -> [Cap] {
        if node.isWord("none") { return [] }
        let expected = "expected none, or a list such as [{releases: 2, days: 7}]"
        guard !node.isScalar else { throw node.fault(expected) }
        var caps: [Cap] = []
        for item in try node.asList() {
            let days = try item.optionalInteger("days", in: 1...3660)
            let hours = try item.optionalInteger("hours", in: 1...8760)
            let window: Cap.Window
            switch (days, hours) {
            case (nil, nil): window = .inAll
            case (let days?, nil): window = .days(days)
            case (nil, let hours?): window = .hours(hours)
            default: throw item.fault("days or hours, not both")
            }
            let cap = Cap(
                releases: try item.integer("releases", in: 1...1_000_000), window: window,
                scope: try item.optionalChoice("per", of: Cap.Scope.self) ?? .number)
            guard !caps.contains(cap) else { throw item.fault("stands twice in this list; remove one") }
            caps.append(cap)
        }
        guard !caps.isEmpty else { throw node.fault(expected) }
        return caps
    }

    private static func needs(_ node: ConfigurationNode?) throws(ConfigurationFault) -> [Requirement] {
        guard let node else { return [] }
        var needs: [Requirement] = []
        if let consent = try node.optionalChoice("consent", of: ConsentRule.self) {
            needs.append(.consent(consent))
        }
        if let accepted = try node.optionalChoices("precondition", of: Precondition.self) {
            guard !accepted.isEmpty else {
                throw node.fault(
                    "expected at least one of "
                        + Precondition.allCases.map(\.rawValue).joined(separator: ", "),
                    key: "precondition")
            }
            needs.append(.precondition(accepted))
        }
        if let days = try node.optionalInteger("verified_within_days", in: 1...3660) {
            needs.append(.verification(days: days))
        }
        if try isWanted("authorisation", in: node) { needs.append(.authorisation) }
        if let reference = try node.optionalMapping("reference") {
            needs.append(
                .reference(
                    try reference.choice("kind", of: ReferenceKind.self),
                    days: try reference.optionalInteger("days", in: 1...3660)))
        }
        if try isWanted("second_person", in: node) { needs.append(.secondPerson) }
        if let breakGlass = try node.optionalMapping("break_glass") {
            needs.append(.breakGlass(reviewHours: try breakGlass.integer("review_hours", in: 1...168)))
        }
        if let numbers = try node.optionalInteger("batch", in: 1...1000) {
            needs.append(.batch(numbers: numbers))
        }
        if let requests = try node.optionalInteger("requests_per_minute", in: 1...1_000_000) {
            needs.append(.rate(requestsPerMinute: requests))
        }
        return needs
    }

    /// `true` or absent. `false` would read as if it switched something off that is on elsewhere.
    private static func isWanted(_ key: String, in node: ConfigurationNode) throws(ConfigurationFault) -> Bool
    {
        guard let isWanted = try node.optionalBool(key) else { return false }
        guard isWanted else {
            throw node.fault("expected true; remove the key if it is not needed", key: key)
        }
        return true
    }
}

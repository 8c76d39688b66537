// From the policy file to rules: every key, its type and its range, and the combinations that cannot be meant.

import ConfigurationFile
import ContactModel

/// What `frequency_ceiling` may say.
private enum FrequencyCeiling: String, CaseIterable {
    case applies
    case exempt
}

/// Reads the policy file's mapping. `hours` and `caps` have no default: leaving a purpose without them is a decision, and
/// it must be written down as `any` and `none`.
enum PolicyReader {
    static func policy(
        _ root: ConfigurationNode, calendars texts: [String: String]
    ) throws(ConfigurationFault) -> Policy {
        let format = try root.value("policy")
        guard try format.asInteger(in: 0...Int64.max) == 1 else {
            throw format.fault("unknown format; this release reads format 1")
        }
        let name = try text(root.value("name"), bytes: 64)
        let limits = try limits(root.value("limits"))
        let jurisdictions = try jurisdictions(root.optionalValue("jurisdictions"))
        let assignment = try assignment(root.value("jurisdiction"), among: jurisdictions)
        let calendars = try calendars(of: jurisdictions, in: root, texts: texts)
        var purposes: [Purpose: PurposeRule] = [:]
        let catalogue = try root.value("purposes")
        for (key, node) in try catalogue.entries() { purposes[try purpose(key, node)] = try rule(node) }
        guard !purposes.isEmpty else { throw catalogue.fault("a policy has at least one purpose") }
        try root.finish()
        return Policy(
            name: name, purposes: purposes, jurisdictions: jurisdictions, assignment: assignment,
            limits: limits,
            calendars: calendars)
    }

    static func calendarNames(_ root: ConfigurationNode) throws(ConfigurationFault) -> [String] {
        let jurisdictions = try jurisdictions(root.optionalValue("jurisdictions"))
        return Set(jurisdictions.values.flatMap(\.holidays)).sorted()
    }

    private static func purpose(
        _ key: String, _ node: ConfigurationNode
    ) throws(ConfigurationFault) -> Purpose {
        guard let purpose = Purpose(key) else {
            throw node.fault("a purpose is words of a-z and _, joined by dots, at most 64 bytes")
        }
        return purpose
    }

    // MARK: What binds every purpose

    private static func limits(_ node: ConfigurationNode) throws(ConfigurationFault) -> PolicyLimits {
        if node.isWord("none") { return .none }
        var limits = PolicyLimits.none
        if let zone = try node.optionalString("day_zone") {
            // Ceilings that go by the days of an unknown zone would refuse every release.
            guard TimeZoneDatabase.system.zone(zone) != nil else {
                throw node.fault("not a zone of the system's time-zone database", key: "day_zone")
            }
            limits.dayZone = zone
        }
        if let contacts = try node.optionalMapping("contacts_per_day") {
            limits.contactsPerActor = try contacts.optionalInteger("actor", in: 1...1_000_000)
            limits.contactsPerClient = try contacts.optionalInteger("client", in: 1...1_000_000)
            limits.contactsPerAgency = try contacts.optionalInteger("agency", in: 1...1_000_000)
        }
        limits.requestsPerMinute = try node.optionalInteger("requests_per_minute", in: 1...1_000_000)
        if let throttle = try node.optionalMapping("throttle") {
            limits.throttle = PolicyLimits.Throttle(
                outcomes: try throttle.integer("outcomes", in: 1...1000),
                hours: try throttle.integer("hours", in: 1...720))
        }
        if let hours = try node.optionalInteger("outcome_hours", in: 1...168) { limits.outcomeHours = hours }
        return limits
    }

    private static func jurisdictions(
        _ node: ConfigurationNode?
    ) throws(ConfigurationFault) -> [String: Jurisdiction] {
        guard let node else { return [:] }
        var jurisdictions: [String: Jurisdiction] = [:]
        for (key, entry) in try node.entries() {
            guard isName(key) else {
                throw entry.fault("a jurisdiction is a word of a-z, 0-9 and -, at most 32 bytes")
            }
            var purposeCaps: [Purpose: [Cap]] = [:]
            if let caps = try entry.optionalMapping("purpose_caps") {
                for (name, list) in try caps.entries() {
                    purposeCaps[try purpose(name, list)] = try self.caps(list)
                }
            }
            let frequency = try caps(entry.value("caps"))
            for cap in frequency + purposeCaps.values.flatMap({ $0 }) where cap.scope == .reference {
                throw entry.fault("a jurisdiction counts per number, case or number_and_case", key: "caps")
            }
            var title: String?
            if let given = try entry.optionalValue("title") { title = try text(given, bytes: 128) }
            jurisdictions[key] = Jurisdiction(
                title: title, hours: try hours(entry.value("hours")), caps: frequency,
                purposeCaps: purposeCaps,
                pauseDays: try entry.optionalInteger("pause_days", in: 1...366),
                holidays: try holidays(entry.value("holidays")))
        }
        return jurisdictions
    }

    private static func holidays(_ node: ConfigurationNode) throws(ConfigurationFault) -> [String] {
        if node.isWord("none") { return [] }
        let expected = "expected none, or a list of calendars such as [au-national]"
        guard !node.isScalar else { throw node.fault(expected) }
        var names: [String] = []
        for item in try node.asList() {
            let name = try item.asString()
            guard isName(name), !names.contains(name) else { throw item.fault(expected) }
            names.append(name)
        }
        guard !names.isEmpty else { throw node.fault(expected) }
        return names
    }

    private static func assignment(
        _ node: ConfigurationNode, among jurisdictions: [String: Jurisdiction]
    ) throws(ConfigurationFault) -> JurisdictionAssignment? {
        if node.isWord("none") { return nil }
        func named(_ node: ConfigurationNode) throws(ConfigurationFault) -> String {
            let name = try node.asString()
            guard jurisdictions[name] != nil else {
                throw node.fault(
                    "expected one of jurisdictions: " + jurisdictions.keys.sorted().joined(separator: ", "))
            }
            return name
        }
        if node.isScalar { return JurisdictionAssignment(standard: try named(node), portfolios: [:]) }
        var portfolios: [Reference: String] = [:]
        if let given = try node.optionalMapping("portfolios") {
            for (key, value) in try given.entries() {
                guard let portfolio = Reference(key) else {
                    throw value.fault("a portfolio is an opaque reference")
                }
                portfolios[portfolio] = try named(value)
            }
        }
        return JurisdictionAssignment(standard: try named(node.value("default")), portfolios: portfolios)
    }

    private static func calendars(
        of jurisdictions: [String: Jurisdiction], in root: ConfigurationNode, texts: [String: String]
    ) throws(ConfigurationFault) -> [String: HolidayCalendar] {
        var calendars: [String: HolidayCalendar] = [:]
        for name in Set(jurisdictions.values.flatMap(\.holidays)).sorted() {
            guard let text = texts[name] else {
                throw root.fault(
                    "the calendar \(name) is missing; put it beside the policy as holidays/\(name).yaml",
                    key: "jurisdictions")
            }
            calendars[name] = try HolidayCalendar.parse(
                text: text, file: "holidays/\(name).yaml", named: name)
        }
        return calendars
    }

    /// A word that can be a file's name.
    private static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
            && !text.hasPrefix("-")
    }

    // MARK: One purpose

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
            needs: try needs(node.optionalMapping("needs")),
            isUnderFrequencyCeiling: try node.optionalChoice("frequency_ceiling", of: FrequencyCeiling.self)
                != .exempt)
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
        if !rule.isUnderFrequencyCeiling, rule.needs.contains(.consent(.required)),
            !rule.needs.contains(.authorisation)
        {
            throw node.fault(
                "a purpose that rests on the contact's consent alone approaches the contact; the ceiling applies",
                key: "frequency_ceiling")
        }
        for case .batch in rule.needs where !rule.isMatchingOnly {
            throw node.fault("batch is for matching", key: "needs.batch")
        }
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

    private static let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    private static func hours(_ node: ConfigurationNode) throws(ConfigurationFault) -> Hours {
        if node.isWord("any") { return .any }
        let expected = "expected any, or a window such as 09:00-20:00 that opens before it closes"
        if node.isScalar {
            guard let window = HourWindow(try node.asString()) else { throw node.fault(expected) }
            return .weekly(WeeklyHours(daily: window))
        }
        var windows = [HourWindow?](repeating: nil, count: 7)
        var named: Set<Int> = []
        for (key, entry) in try node.entries() {
            let ends = key.split(separator: "-", omittingEmptySubsequences: false).map {
                weekdays.firstIndex(of: String($0))
            }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first <= last
            else { throw entry.fault("expected days such as mon, or mon-fri, in the order of the week") }
            var window: HourWindow?
            if !entry.isWord("none") {
                guard entry.isScalar, let given = HourWindow(try entry.asString()) else {
                    throw entry.fault(expected)
                }
                window = given
            }
            for day in first...last {
                guard named.insert(day).inserted else { throw entry.fault("\(weekdays[day]) is named twice") }
                windows[day] = window
            }
        }
        guard named.count == 7 else {
            throw node.fault("every day of the week must be named; none closes a day")
        }
        return .weekly(WeeklyHours(windows: windows))
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
                releases: try item.integer("releases", in: 1...1000), window: window,
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
        if let notices = try node.optionalValue("notices") {
            var accepted: [Reference] = []
            for item in try notices.asList() {
                guard let notice = Reference(try item.asString()) else {
                    throw item.fault("a notice is a reference")
                }
                accepted.append(notice)
            }
            guard !accepted.isEmpty else { throw notices.fault("expected at least one notice version") }
            guard needs.contains(.consent(.required)) else {
                throw notices.fault("asks for consent: required")
            }
            needs.append(.notices(accepted))
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

// What changes from one policy to another, and whether it loosens: only what loosens needs a second person.
//
// Where it cannot be shown that nothing more would be released, the change counts as loosening.

import ContactModel
import StrictEncoding

/// One change of a policy.
public struct PolicyDifference: Hashable, Sendable {
    /// Where in the file, such as `purposes.relay.message.hours`.
    public let place: String
    /// From what to what.
    public let change: String
    /// What it does.
    public let effect: Effect

    /// What a change does.
    public enum Effect: String, CaseIterable, Sendable {
        /// Something could be released that was not before, or it cannot be shown that nothing could.
        case loosens
        /// Nothing more can be released.
        case tightens
        /// It decides nothing: a name or a title.
        case neutral
    }

    /// Whether something could be released that was not before.
    public var loosens: Bool { effect == .loosens }
}

extension Policy {
    /// What changes from another policy to this one, in the order of the file; empty if they mean the same.
    public func differences(from old: Policy) -> [PolicyDifference] {
        var found = Differences()
        found.note("name", old.name, name, .neutral)
        found.compare("limits", old.limits, limits)
        found.compareJurisdictions(of: old, with: self)
        for purpose in Set(old.purposes.keys).union(purposes.keys).sorted(by: { $0.text < $1.text }) {
            let place = "purposes." + purpose.text
            switch (old.purposes[purpose], purposes[purpose]) {
            case (let before?, let after?): found.compare(place, before, after)
            case (nil, _?): found.add(place, "added", loosens: true)
            case (_?, nil): found.add(place, "removed", loosens: false)
            case (nil, nil): break
            }
        }
        return found.all
    }
}

/// Collects differences.
private struct Differences {
    private(set) var all: [PolicyDifference] = []

    mutating func add(_ place: String, _ change: String, loosens: Bool) {
        add(place, change, loosens ? .loosens : .tightens)
    }

    mutating func add(_ place: String, _ change: String, _ effect: PolicyDifference.Effect) {
        all.append(PolicyDifference(place: place, change: change, effect: effect))
    }

    mutating func note(_ place: String, _ before: String?, _ after: String?, loosens: Bool) {
        note(place, before, after, loosens ? .loosens : .tightens)
    }

    mutating func note(
        _ place: String, _ before: String?, _ after: String?, _ effect: PolicyDifference.Effect
    ) {
        guard before != after else { return }
        add(place, "\(before ?? "none") → \(after ?? "none")", effect)
    }

    /// A ceiling: no ceiling at all is the loosest.
    mutating func ceiling(_ place: String, _ before: Int64?, _ after: Int64?) {
        note(
            place, before.map(String.init), after.map(String.init),
            loosens: (after ?? .max) > (before ?? .max))
    }

    // MARK: What binds every purpose

    mutating func compare(_ place: String, _ before: PolicyLimits, _ after: PolicyLimits) {
        note(place + ".day_zone", before.dayZone, after.dayZone, loosens: true)
        let contacts = place + ".contacts_per_day."
        ceiling(contacts + "actor", before.contactsPerActor, after.contactsPerActor)
        ceiling(contacts + "client", before.contactsPerClient, after.contactsPerClient)
        ceiling(contacts + "agency", before.contactsPerAgency, after.contactsPerAgency)
        ceiling(place + ".requests_per_minute", before.requestsPerMinute, after.requestsPerMinute)
        ceiling(place + ".throttle.outcomes", before.throttle?.outcomes, after.throttle?.outcomes)
        // Counted over a shorter time, poor outcomes are forgotten sooner.
        if let old = before.throttle, let new = after.throttle {
            note(place + ".throttle.hours", "\(old.hours)", "\(new.hours)", loosens: new.hours < old.hours)
        }
        ceiling(place + ".outcome_hours", before.outcomeHours, after.outcomeHours)
    }

    /// Compares what binds contacts, whatever the jurisdictions are called.
    mutating func compareJurisdictions(of old: Policy, with new: Policy) {
        var named: Set<Reference> = []
        for policy in [old, new] {
            if let portfolios = policy.assignment?.portfolios.keys { named.formUnion(portfolios) }
        }
        let portfolios: [Reference?] = [nil] + named.sorted { $0.text < $1.text }
        for portfolio in portfolios {
            let place = portfolio.map { "jurisdiction.portfolios.\($0)" } ?? "jurisdiction"
            let before = old.binding(portfolio)
            let after = new.binding(portfolio)
            note(place, before?.name, after?.name, before == nil ? .tightens : .neutral)
            if let before, let after, before.name == after.name {
                note(place + ".title", before.jurisdiction.title, after.jurisdiction.title, .neutral)
            }
            compare(place, (before?.jurisdiction, old.calendars), (after?.jurisdiction, new.calendars))
        }
        // Definitions that bind nobody; the others were compared above.
        let assigned = old.assigned.union(new.assigned)
        for name in Set(old.jurisdictions.keys).union(new.jurisdictions.keys).sorted()
        where old.jurisdictions[name]?.json != new.jurisdictions[name]?.json && !assigned.contains(name) {
            add("jurisdictions." + name, "changed", .neutral)
        }
        // Calendars whose days stay, or that bind nobody.
        for name in Set(old.calendars.keys).intersection(new.calendars.keys).sorted()
        where old.calendars[name] != new.calendars[name]
            && !all.contains(where: { $0.place == "holidays." + name })
        {
            add("holidays." + name, "changed", .neutral)
        }
    }

    private mutating func compare(
        _ place: String, _ before: (rules: Jurisdiction?, calendars: [String: HolidayCalendar]),
        _ after: (rules: Jurisdiction?, calendars: [String: HolidayCalendar])
    ) {
        guard let old = before.rules else { return }
        guard let new = after.rules else { return add(place, "no ceilings any more", loosens: true) }
        hours(place + ".hours", old.hours, new.hours)
        caps(place + ".caps", old.caps, new.caps)
        for purpose in Set(old.purposeCaps.keys).union(new.purposeCaps.keys).sorted(by: { $0.text < $1.text })
        {
            caps(
                place + ".purpose_caps." + purpose.text, old.purposeCaps[purpose] ?? [],
                new.purposeCaps[purpose] ?? [])
        }
        note(
            place + ".pause_days", old.pauseDays.map(String.init), new.pauseDays.map(String.init),
            loosens: (new.pauseDays ?? 0) < (old.pauseDays ?? 0))
        for name in Set(old.holidays).union(new.holidays).sorted() {
            let (oldDays, newDays) = (before.calendars[name], after.calendars[name])
            switch (old.holidays.contains(name), new.holidays.contains(name)) {
            case (true, false): add(place + ".holidays." + name, "removed", loosens: true)
            case (false, true): add(place + ".holidays." + name, "added", loosens: false)
            default:
                guard oldDays?.covered != newDays?.covered || oldDays?.closed != newDays?.closed else {
                    continue
                }
                add("holidays." + name, "changed", loosens: !Self.isNoLooser(newDays, than: oldDays))
            }
        }
    }

    /// A day that was not covered was one on which nobody was reached.
    private static func isNoLooser(_ new: HolidayCalendar?, than old: HolidayCalendar?) -> Bool {
        guard let new, let old else { return false }
        let isCovered =
            old.covered.lowerBound <= new.covered.lowerBound
            && new.covered.upperBound <= old.covered.upperBound
        return isCovered && old.closed.filter(new.covered.contains).isSubset(of: new.closed)
    }

    // MARK: One purpose

    mutating func compare(_ place: String, _ old: PurposeRule, _ new: PurposeRule) {
        note(place + ".title", old.title, new.title, .neutral)
        set(place + ".stages", old.stages.map(\.rawValue), new.stages.map(\.rawValue))
        for action in Set(old.actions.keys).union(new.actions.keys).sorted(by: { $0.text < $1.text }) {
            let (before, after) = (old.actions[action], new.actions[action])
            note(
                place + ".actions." + action.text, before?.rawValue, after?.rawValue,
                loosens: Self.isLooser(after, than: before))
        }
        if old.isMatchingOnly != new.isMatchingOnly { add(place + ".actions", "another kind", loosens: true) }
        set(place + ".fields", old.fields.map(\.rawValue), new.fields.map(\.rawValue))
        hours(place + ".hours", old.hours, new.hours)
        caps(place + ".caps", old.caps, new.caps)
        ceiling(place + ".token.seconds", old.tokenSeconds, new.tokenSeconds)
        ceiling(place + ".token.uses", old.tokenUses, new.tokenUses)
        set(place + ".roles", old.roles.map(\.rawValue), new.roles.map(\.rawValue))
        set(place + ".clients", old.clients.map(\.rawValue), new.clients.map(\.rawValue))
        note(
            place + ".stop_flag", old.stopFlag.rawValue, new.stopFlag.rawValue,
            loosens: new.stopFlag.looseness > old.stopFlag.looseness)
        needs(place + ".needs", old.needs, new.needs)
        note(
            place + ".frequency_ceiling", old.isUnderFrequencyCeiling ? "applies" : "exempt",
            new.isUnderFrequencyCeiling ? "applies" : "exempt", loosens: !new.isUnderFrequencyCeiling)
    }

    /// A lower form is not always less: views of a mask are counted among themselves, and need no key to seal to.
    private static func isLooser(_ new: ReleaseForm?, than old: ReleaseForm?) -> Bool {
        guard let new else { return false }
        guard let old else { return true }
        return new > old || new == .mask && old > .mask
    }

    private mutating func set(_ place: String, _ before: [String], _ after: [String]) {
        let (old, new) = (Set(before), Set(after))
        guard old != new else { return }
        let added = new.subtracting(old).sorted().map { "+" + $0 }
        let removed = old.subtracting(new).sorted().map { "−" + $0 }
        add(place, (added + removed).joined(separator: " "), loosens: !added.isEmpty)
    }

    private mutating func hours(_ place: String, _ old: Hours, _ new: Hours) {
        note(place, old.description, new.description, loosens: !new.isWithin(old))
    }

    private mutating func caps(_ place: String, _ old: [Cap], _ new: [Cap]) {
        guard Set(old) != Set(new) else { return }
        let isBoundStill = old.allSatisfy { cap in new.contains { $0.binds(asMuchAs: cap) } }
        add(place, "\(Cap.list(old)) → \(Cap.list(new))", loosens: !isBoundStill)
    }

    private mutating func needs(_ place: String, _ old: [Requirement], _ new: [Requirement]) {
        let before = Dictionary(old.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let after = Dictionary(new.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        for key in Set(before.keys).union(after.keys).sorted() where before[key] != after[key] {
            note(
                place + "." + key, before[key]?.description, after[key]?.description,
                loosens: Requirement.loosens(from: before[key], to: after[key]))
        }
    }
}

extension Policy {
    /// What binds a portfolio, `nil` for those that are not named; by name.
    fileprivate func binding(_ portfolio: Reference?) -> (name: String, jurisdiction: Jurisdiction)? {
        guard let assignment else { return nil }
        let name = portfolio.flatMap { assignment.portfolios[$0] } ?? assignment.standard
        return jurisdictions[name].map { (name, $0) }
    }

    /// Names of the jurisdictions that bind somebody.
    fileprivate var assigned: Set<String> {
        guard let assignment else { return [] }
        return Set(assignment.portfolios.values).union([assignment.standard])
    }
}

extension HolidayCalendar {
    fileprivate var closed: Set<CalendarDay> { Set(holidays.keys) }
}

extension StopFlagRule {
    fileprivate var looseness: Int {
        switch self {
        case .respected: 0
        case .newerReference: 1
        case .exempt: 2
        }
    }
}

extension Hours: CustomStringConvertible {
    /// As the policy file writes it.
    public var description: String {
        switch self {
        case .any: "any"
        case .weekly(let hours):
            hours.daily?.description ?? hours.windows.map { $0?.description ?? "none" }.joined(separator: " ")
        }
    }

    /// Whether every time of these hours is one of the others.
    fileprivate func isWithin(_ other: Hours) -> Bool {
        switch (self, other) {
        case (_, .any): true
        case (.any, .weekly): false
        case (.weekly(let inner), .weekly(let outer)):
            zip(inner.windows, outer.windows).allSatisfy { inner, outer in
                guard let inner else { return true }
                return outer.map { inner.isWithin($0) } ?? false
            }
        }
    }
}

extension HourWindow {
    fileprivate func isWithin(_ other: HourWindow) -> Bool {
        guard opens >= other.opens else { return false }
        return closes < other.closes || closes == other.closes && (!includesClosing || other.includesClosing)
    }
}

extension Cap {
    /// Whether all that this allows, the other allows too: no more releases, over no shorter a time.
    fileprivate func binds(asMuchAs other: Cap) -> Bool {
        guard scope == other.scope, releases <= other.releases else { return false }
        return switch (window, other.window) {
        // Not those of days: a contact whose zone is not known is refused by them, and counted by this.
        case (.inAll, .inAll), (.inAll, .hours): true
        case (.days(let own), .days(let others)): own >= others
        case (.hours(let own), .hours(let others)): own >= others
        default: false
        }
    }

    fileprivate static func list(_ caps: [Cap]) -> String {
        caps.isEmpty ? "none" : caps.map(\.description).sorted().joined(separator: ", ")
    }
}

extension Cap: CustomStringConvertible {
    /// In words, such as `2 in 7 days` (for the number) or `3 per reference`.
    public var description: String {
        let time =
            switch window {
            case .days(let days): days == 1 ? " a day" : " in \(days) days"
            case .hours(let hours): " in \(hours) hours"
            case .inAll: scope == .number ? " in all" : ""
            }
        let counted = scope == .number ? "" : " per " + scope.rawValue.replacing("_", with: " ")
        return "\(releases)\(time)\(counted)"
    }
}

extension Requirement: CustomStringConvertible {
    /// Its value, in words.
    public var description: String {
        switch self {
        case .consent(let rule): rule.rawValue
        case .notices(let notices): notices.map(\.text).sorted().joined(separator: " ")
        case .precondition(let accepted): accepted.map(\.rawValue).sorted().joined(separator: " ")
        case .verification(let days): "\(days) days"
        case .authorisation, .secondPerson: "wanted"
        case .reference(let kind, let days): kind.rawValue + (days.map { " of at most \($0) days" } ?? "")
        case .breakGlass(let hours): "review within \(hours) hours"
        case .batch(let numbers): "\(numbers) numbers"
        case .rate(let requests): "\(requests) requests"
        }
    }

    fileprivate static func loosens(from old: Requirement?, to new: Requirement?) -> Bool {
        switch (old, new) {
        case (nil, .breakGlass?): true  // An emergency is bound by no hours.
        case (nil, _): false
        case (.verification(let before)?, .verification(let after)?): after > before
        case (.batch(let before)?, .batch(let after)?): after > before
        case (.rate(let before)?, .rate(let after)?): after > before
        case (.breakGlass(let before)?, .breakGlass(let after)?): after > before
        case (.notices(let before)?, .notices(let after)?): !Set(after).isSubset(of: before)
        case (.precondition(let before)?, .precondition(let after)?): !Set(after).isSubset(of: before)
        case (.reference(let before, let days)?, .reference(let after, let newDays)?):
            before != after || (newDays ?? .max) > (days ?? .max)
        default: true
        }
    }
}

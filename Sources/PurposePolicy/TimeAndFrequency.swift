// When and how often: hours, the pause after a conversation, and caps, by the contact's own calendar.
//
// Where a contact may be in one of several zones, all of them bind: a time must be right by every clock, and a day begins
// where it begins first.

public import ContactModel

/// From when on earlier releases must be read for a decision; `nil` where none of that kind can be counted.
public struct HistorySpan: Hashable, Sendable {
    /// Of the number.
    public var number: Timestamp?
    /// Of the case.
    public var caseReference: Timestamp?
    /// Of the offer, request or complaint.
    public var reference: Timestamp?
}

/// How much of a cap is used.
public struct CapUse: Hashable, Sendable {
    /// Whose cap it is; `nil` for the jurisdiction's, which every approach counts for.
    public let purpose: Purpose?
    /// The cap.
    public let cap: Cap
    /// Releases that count.
    public let used: Int64
}

/// What hours and holidays depend on.
struct CalendarFacts {
    let portfolio: Reference
    let zones: [TimeZoneRules]?
    let preferredWindow: Range<Int>?
}

extension Policy {
    /// What binds contacts of a portfolio, `nil` for nothing.
    public func jurisdiction(of portfolio: Reference) -> Jurisdiction? {
        portfolioJurisdictions.isEmpty
            ? standardJurisdiction : portfolioJurisdictions[portfolio] ?? standardJurisdiction
    }

    /// How far back the history must be read for a decision about this purpose. Generous by two days: where a local day
    /// begins is found out in the decision.
    public func historySpan(of purpose: Purpose, portfolio: Reference, at now: Timestamp) -> HistorySpan {
        guard let rule = purposes[purpose] else { return HistorySpan() }
        var span = HistorySpan()
        func widen(_ start: inout Timestamp?, to moment: Timestamp) { start = min(start ?? moment, moment) }
        func read(_ cap: Cap) {
            let start =
                switch cap.window {
                case .days(let days): now.adding(seconds: -(days + 2) * 86_400)
                case .hours(let hours): now.adding(seconds: -hours * 3600)
                case .inAll: Timestamp(milliseconds: 0)
                }
            switch cap.scope {
            case .number, .numberAndCase: widen(&span.number, to: start)
            case .case: widen(&span.caseReference, to: start)
            case .reference: widen(&span.reference, to: start)
            }
        }
        rule.caps.forEach(read)
        if let jurisdiction = jurisdiction(of: portfolio) {
            jurisdiction.purposeCaps[purpose]?.forEach(read)
            if rule.isUnderFrequencyCeiling {
                jurisdiction.caps.forEach(read)
                if let days = jurisdiction.pauseDays {
                    widen(&span.number, to: now.adding(seconds: -(days + 2) * 86_400))
                }
            }
        }
        return span
    }

    /// Whether a moment was outside the hours or on a holiday of a contact, by this policy.
    /// - Parameters:
    ///   - zones: rules of every zone that the contact may be in; `nil` if one is not known.
    ///   - preferredWindow: hours that the contact asked for, minutes after local midnight.
    /// - Returns: why it was; `nil` if it was not, or this policy has no such purpose.
    public func hoursDenial(
        for purpose: Purpose, portfolio: Reference, zones: [TimeZoneRules]?, preferredWindow: Range<Int>?,
        at moment: Timestamp
    ) -> DenialCode? {
        guard let rule = purposes[purpose],
            case .denied(let code) = hoursVerdict(
                rule, CalendarFacts(portfolio: portfolio, zones: zones, preferredWindow: preferredWindow),
                moment)
        else { return nil }
        return code
    }

    /// Whether every clock of the contact shows a time at which the contact may be reached.
    func hoursVerdict(_ rule: PurposeRule, _ facts: CalendarFacts, _ now: Timestamp) -> RuleVerdict {
        // An emergency and a match are not bound by hours, nor by the ceilings on hours.
        guard case .weekly = rule.hours else {
            if rule.isUnboundByHours { return .passed }
            return jurisdictionHours(rule, facts, now)
        }
        guard let zones = facts.zones, !zones.isEmpty else { return .denied(.timeZoneUnknown) }
        for zone in zones where !rule.hours.contains(zone.localTime(at: now)) {
            return .denied(.outsideHours)
        }
        return jurisdictionHours(rule, facts, now)
    }

    private func jurisdictionHours(
        _ rule: PurposeRule, _ facts: CalendarFacts, _ now: Timestamp
    ) -> RuleVerdict {
        let jurisdiction = jurisdiction(of: facts.portfolio)
        let preferred = rule.isUnderFrequencyCeiling ? facts.preferredWindow : nil
        guard jurisdiction != nil || preferred != nil else { return .passed }
        guard let zones = facts.zones, !zones.isEmpty else { return .denied(.timeZoneUnknown) }
        // Each question of every zone before the next one, so that the order of zones does not choose the reason.
        for zone in zones {
            let time = zone.localTime(at: now)
            if let jurisdiction, !jurisdiction.hours.contains(time) { return .denied(.outsideHours) }
            if let preferred, !preferred.contains(Int(time.millisecondOfDay / 60_000)) {
                return .denied(.outsideHours)
            }
        }
        var isUncovered = false
        for name in jurisdiction?.holidays ?? [] {
            for zone in zones {
                switch calendars[name]?.isHoliday(zone.localTime(at: now).day) {
                case true?: return .denied(.holiday)
                case false?: break
                // A calendar that does not cover the day says nothing about it, so nobody is reached.
                case nil: isUncovered = true
                }
            }
        }
        return isUncovered ? .denied(.holidaysUnknown) : .passed
    }

    /// The day of the conversation is day 1 of the pause (12 CFR 1006.14(b)(2)(i)(B)).
    func pauseVerdict(_ rule: PurposeRule, _ facts: ContactFacts, _ now: Timestamp) -> RuleVerdict {
        guard rule.isUnderFrequencyCeiling, let days = jurisdiction(of: facts.portfolio)?.pauseDays else {
            return .passed
        }
        guard let zones = facts.zones, !zones.isEmpty else { return .denied(.timeZoneUnknown) }
        for release in facts.releases where release.isSameNumber {
            guard let conversation = release.conversation else { continue }
            for zone in zones {
                let end = zone.localTime(at: conversation).day.adding(days: Int(days))
                if zone.localTime(at: now).day < end { return .denied(.conversationPause) }
            }
        }
        return .passed
    }

    func capsVerdict(
        _ rule: PurposeRule, _ request: ReleaseRequest, _ facts: ContactFacts, _ now: Timestamp
    ) -> RuleVerdict {
        let scope = request.scope
        let jurisdiction = jurisdiction(of: facts.portfolio)
        let own = rule.caps
        let ofPurpose = jurisdiction?.purposeCaps[scope.purpose] ?? []
        let shared = rule.isUnderFrequencyCeiling ? jurisdiction?.caps ?? [] : []
        guard !(own.isEmpty && ofPurpose.isEmpty && shared.isEmpty) else { return .passed }
        let form = rule.form(of: scope.action, client: scope.clientKind, actor: scope.actor.kind)
        let isMask = form == .mask
        // Asked before anything is counted, so that the order of caps does not choose the reason.
        if facts.zones?.isEmpty ?? true,
            own.contains(where: \.isByDays) || ofPurpose.contains(where: \.isByDays)
                || shared.contains(where: \.isByDays)
        {
            return .denied(.timeZoneUnknown)
        }
        // Every cap allows one.
        guard !facts.releases.isEmpty else { return .passed }

        // The windows of days exist: unknown zones were refused above. Fewer releases than the cap cannot reach it.
        func isReached(_ cap: Cap, of purpose: Purpose?) -> Bool {
            facts.releases.count >= cap.releases
                && count(cap, of: purpose, facts.releases, facts.zones, isMask: isMask, now) ?? 0
                    >= cap.releases
        }
        let isCapped =
            own.contains { isReached($0, of: scope.purpose) }
            || ofPurpose.contains { isReached($0, of: scope.purpose) }
            || shared.contains { isReached($0, of: nil) }
        return isCapped ? .denied(.capReached) : .passed
    }

    /// Releases that a cap counts.
    /// - Parameter purpose: whose cap it is; `nil` for one that every approach counts for.
    /// - Returns: `nil` if the cap goes by days and a zone is not known.
    private func count(
        _ cap: Cap, of purpose: Purpose?, _ releases: [PastRelease], _ zones: [TimeZoneRules]?, isMask: Bool,
        _ now: Timestamp
    ) -> Int64? {
        guard let start = start(of: cap.window, zones, now) else { return nil }
        var count: Int64 = 0
        for release in releases where release.isMask == isMask && release.time >= start {
            guard purpose.map({ release.purpose == $0 }) ?? release.isApproach else { continue }
            let isCounted =
                switch cap.scope {
                case .number: release.isSameNumber
                case .case: release.isSameCase
                case .numberAndCase: release.isSameNumber && release.isSameCase
                case .reference: release.isSameReference
                }
            if isCounted { count += 1 }
        }
        return count
    }

    /// How much of each cap on a number its releases have used at a moment. Views of masks count among themselves and are left
    /// out; so are caps on cases and references.
    /// - Parameters:
    ///   - releases: earlier releases of the number.
    ///   - zones: rules of every zone that the contact may be in.
    /// - Returns: those of which anything is used.
    public func capUses(
        of releases: [PastRelease], portfolio: Reference, zones: [TimeZoneRules]?, at now: Timestamp
    ) -> [CapUse] {
        let jurisdiction = jurisdiction(of: portfolio)
        var caps = (jurisdiction?.caps ?? []).map { (purpose: Purpose?.none, cap: $0) }
        for (purpose, rule) in purposes.sorted(by: { $0.key.text < $1.key.text }) {
            for cap in rule.caps + (jurisdiction?.purposeCaps[purpose] ?? []) { caps.append((purpose, cap)) }
        }
        return caps.compactMap { purpose, cap in
            guard cap.scope == .number,
                let used = count(cap, of: purpose, releases, zones, isMask: false, now), used > 0
            else { return nil }
            return CapUse(purpose: purpose, cap: cap, used: used)
        }
    }

    /// The first moment that a cap counts; `nil` if it depends on a zone that is not known.
    private func start(of window: Cap.Window, _ zones: [TimeZoneRules]?, _ now: Timestamp) -> Timestamp? {
        switch window {
        case .inAll: return Timestamp(milliseconds: .min)
        // Counted from the millisecond after, so that a window of 24 hours is not 24 hours and a moment.
        case .hours(let hours): return Timestamp(milliseconds: now.milliseconds - hours * 3_600_000 + 1)
        case .days(let days):
            guard let zones, !zones.isEmpty else { return nil }
            var first: Timestamp?
            for zone in zones {
                let start = zone.start(of: zone.localTime(at: now).day.adding(days: 1 - Int(days)))
                first = min(first ?? start, start)
            }
            return first
        }
    }
}

extension Cap {
    fileprivate var isByDays: Bool { if case .days = window { true } else { false } }
}

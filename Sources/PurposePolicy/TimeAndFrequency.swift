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

    /// Whether every clock of the contact shows a time at which the contact may be reached.
    func hoursVerdict(_ rule: PurposeRule, _ facts: ContactFacts, _ now: Timestamp) -> RuleVerdict {
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
        _ rule: PurposeRule, _ facts: ContactFacts, _ now: Timestamp
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

        func isReached(_ cap: Cap, countsEveryApproach: Bool) -> Bool {
            // The windows of days exist: unknown zones were refused above. Fewer releases than the cap cannot reach it.
            guard facts.releases.count >= cap.releases,
                let start = start(of: cap.window, facts.zones, now)
            else { return false }
            var count: Int64 = 0
            for release in facts.releases where release.isMask == isMask && release.time >= start {
                guard countsEveryApproach ? release.isApproach : release.purpose == scope.purpose else {
                    continue
                }
                let isCounted =
                    switch cap.scope {
                    case .number: release.isSameNumber
                    case .case: release.isSameCase
                    case .numberAndCase: release.isSameNumber && release.isSameCase
                    case .reference: release.isSameReference
                    }
                if isCounted { count += 1 }
            }
            return count >= cap.releases
        }
        let isCapped =
            own.contains { isReached($0, countsEveryApproach: false) }
            || ofPurpose.contains { isReached($0, countsEveryApproach: false) }
            || shared.contains { isReached($0, countsEveryApproach: true) }
        return isCapped ? .denied(.capReached) : .passed
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

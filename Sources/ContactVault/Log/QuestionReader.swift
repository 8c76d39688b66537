// Questions that are answered by the entries alone, read in order.

import AccessLog
import ContactModel
import PurposePolicy

extension LogEntry {
    /// Whether something left by it.
    var isPermittedRelease: Bool { kind == .release && (outcome == .permit || outcome == .redelivered) }
}

/// Reads entries in order and keeps what the answer needs.
struct QuestionReader {
    let question: LogQuestion
    let policy: Policy
    let from: Timestamp?

    private var answer: LogAnswer
    private var stopped: [ContactID: Timestamp] = [:]
    private var withdrawn: [ContactID: [Purpose: Timestamp]] = [:]
    private var contactsOfActors: [String: (contacts: Set<ContactID>, releases: UInt64)] = [:]
    private var days: [CalendarDay: UInt64] = [:]
    private var keys: [UInt32: (releases: UInt64, first: Timestamp, last: Timestamp)] = [:]

    init(_ question: LogQuestion, policy: Policy, from: Timestamp?) {
        self.question = question
        self.policy = policy
        self.from = from
        answer = LogAnswer(question)
    }

    /// What must be read to answer.
    func query(to end: Timestamp?) -> LogQuery {
        var query = LogQuery()
        query.time.to = end
        switch question {
        // Who said no before the time, and what is usual, are known from before it.
        case .afterNo:
            query.kinds = [.release, .consentGive, .consentWithdraw, .stopSet, .stopClear]
        case .weekdays:
            query.kinds = [.release]
            query.time.from = from.map { $0.adding(seconds: -28 * 86_400) }
        case .replays: query.time.from = from
        default:
            query.kinds = [.release]
            query.time.from = from
        }
        return query
    }

    mutating func read(_ logged: LoggedEntry) {
        let entry = logged.entry
        let isPermit = entry.isPermittedRelease
        switch question {
        case .afterNo:
            guard let contact = logged.disclosed?.contact, entry.kind == .release || entry.outcome == .permit
            else { return }
            switch entry.kind {
            case .stopSet: stopped[contact] = stopped[contact] ?? entry.time
            case .stopClear: stopped[contact] = nil
            case .consentWithdraw:
                if let purpose = entry.purpose { withdrawn[contact, default: [:]][purpose] = entry.time }
            case .consentGive: if let purpose = entry.purpose { withdrawn[contact]?[purpose] = nil }
            default: if isPermit { readRelease(logged, of: contact) }
            }
        case .reveals:
            guard isPermit, entry.form == .reveal else { return }
            answer.add([
                String(logged.index), entry.time.description, entry.client?.text ?? "",
                entry.agency?.text ?? "",
                entry.purpose?.text ?? "", entry.action?.text ?? "",
                logged.disclosed?.contact?.description ?? "", LogDimension.actor.value(logged),
            ])
        case .actors:
            guard entry.outcome == .permit, let contact = logged.disclosed?.contact else { return }
            let actor = LogDimension.actor.value(logged)
            contactsOfActors[actor, default: ([], 0)].contacts.insert(contact)
            contactsOfActors[actor, default: ([], 0)].releases += 1
        case .weekdays:
            guard entry.outcome == .permit, let day = CalendarDay(entry.time.description.prefix(10)) else {
                return
            }
            days[day, default: 0] += 1
        case .replays:
            guard let reason = entry.reason?.text,
                ["proof_replayed", "assertion_replayed", "token_spent"].contains(reason)
            else { return }
            answer.add([String(logged.index), entry.time.description, entry.client?.text ?? "", reason])
        case .keys:
            guard isPermit, let version = entry.keyVersion else { return }
            let known = keys[version]
            keys[version] = ((known?.releases ?? 0) + 1, known?.first ?? entry.time, entry.time)
        case .hours, .emergencies, .missingOutcomes, .caps, .retention: break
        }
    }

    private mutating func readRelease(_ logged: LoggedEntry, of contact: ContactID) {
        let entry = logged.entry
        guard from.map({ $0 <= entry.time }) ?? true, let purpose = entry.purpose,
            let rule = policy.purposes[purpose]
        else { return }
        // A purpose that is exempt, or answers what was asked for later, may go on; the policy says which.
        let stop = rule.stopFlag == .respected ? stopped[contact] : nil
        guard let no = [stop, withdrawn[contact]?[purpose]].compactMap(\.self).min() else { return }
        answer.add([
            String(logged.index), entry.time.description, entry.client?.text ?? "", purpose.text,
            entry.action?.text ?? "", contact.description, no.description,
        ])
    }

    consuming func finish() -> LogAnswer {
        switch question {
        case .afterNo, .reveals, .replays, .hours, .emergencies, .missingOutcomes, .caps, .retention: break
        case .actors:
            for (actor, seen) in contactsOfActors.sorted(by: {
                ($1.value.contacts.count, $0.key) < ($0.value.contacts.count, $1.key)
            }) { answer.add([actor, String(seen.contacts.count), String(seen.releases)]) }
        case .weekdays:
            for (day, releases) in days.sorted(by: { $0.key < $1.key }) {
                if let from, let first = CalendarDay(from.description.prefix(10)), day < first { continue }
                let before = (1...4).map {
                    days[CalendarDay(daysSinceEpoch: day.daysSinceEpoch - 7 * $0)] ?? 0
                }.sorted()
                let median = Double(before[1] + before[2]) / 2
                let ratio = median == 0 ? "" : String(Int((Double(releases) / median * 100).rounded())) + "%"
                answer.add([day.description, String(releases), Self.number(median), ratio])
            }
        case .keys:
            for (version, seen) in keys.sorted(by: { $0.key < $1.key }) {
                answer.add([
                    String(version), String(seen.releases), seen.first.description, seen.last.description,
                ])
            }
        }
        return answer
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }
}

// The questions that a privacy officer has every month, each answered by one reading of the log.

import AccessLog
import AccessToken
public import ContactModel
import PurposePolicy

/// A ready-made question.
public enum LogQuestion: String, CaseIterable, Sendable {
    /// Releases after the contact said no, of purposes that respect it: there must be none.
    case afterNo = "after-no"
    /// Releases in clear.
    case reveals
    /// Actors by the number of different contacts that they got a release about.
    case actors
    /// Releases of each day against the median of the same weekday in the four weeks before it.
    case weekdays
    /// Tokens, proofs and assertions that came again.
    case replays
    /// Releases by version of the key-encryption key: what whoever has that key could have read.
    case keys

    /// What it asks.
    public var title: String {
        switch self {
        case .afterNo: "releases after a withdrawal or a stop (must be none)"
        case .reveals: "numbers that left in clear"
        case .actors: "actors by different contacts"
        case .weekdays: "releases a day against the median of the same weekday over 28 days"
        case .replays: "tokens, proofs and assertions that came again"
        case .keys: "releases by version of the key-encryption key"
        }
    }

    /// Whether any row is a fault.
    public var mustBeNone: Bool { self == .afterNo }

    /// Names of the columns.
    public var columns: [String] {
        switch self {
        case .afterNo: ["index", "time", "client", "purpose", "action", "contact", "said no"]
        case .reveals: ["index", "time", "client", "agency", "purpose", "action", "contact", "actor"]
        case .actors: ["actor", "contacts", "releases"]
        case .weekdays: ["day", "releases", "median", "ratio"]
        case .replays: ["index", "time", "client", "why"]
        case .keys: ["kek", "releases", "first", "last"]
        }
    }
}

/// The answer to a question.
public struct LogAnswer: Sendable {
    /// What was asked.
    public let question: LogQuestion
    /// Rows, as ``LogQuestion/columns`` says; at most ``rowLimit``.
    public let rows: [[String]]
    /// How many there are.
    public let count: UInt64

    /// Most rows of an answer.
    public static let rowLimit = 1000
}

extension Vault {
    /// Answers a question about a time. It is an access and has an entry.
    public func answer(
        _ question: LogQuestion, from: Timestamp?, to: Timestamp?, as caller: Caller, requestID: Reference
    ) async throws -> LogAnswer {
        // Who said no before the time that a token may read is unknown to it, and "none" would be a lie.
        let conflict = question == .afterNo && caller.isBoundedInTime ? "question_needs_whole_log" : nil
        let size = try await recordQuestion(
            EntryCode("ask." + question.rawValue.replacing("-", with: "_")) ?? "ask", about: nil,
            conflict: conflict,
            as: caller, requestID: requestID)
        var reader = QuestionReader(question, policy: state.policy.policy, from: from)
        var query = LogQuery()
        query.to = to
        query.kinds = question.kinds
        switch question {
        // Who said no before the time, and what is usual, are known from before it.
        case .afterNo: break
        case .weekdays: query.from = from.map { $0.adding(seconds: -28 * 86_400) }
        case .reveals, .actors, .replays, .keys: query.from = from
        }
        try await scan(query, size: size, as: caller) { reader.read($0) }
        return reader.answer()
    }
}

extension LogQuestion {
    fileprivate var kinds: Set<EntryKind> {
        switch self {
        case .afterNo: [.release, .consentGive, .consentWithdraw, .stopSet, .stopClear]
        case .reveals, .actors, .weekdays, .keys: [.release]
        case .replays: []
        }
    }
}

/// Reads entries in order and keeps what the answer needs.
private struct QuestionReader {
    let question: LogQuestion
    let policy: Policy
    let from: Timestamp?

    private var rows: [[String]] = []
    private var count: UInt64 = 0
    private var stopped: [ContactID: Timestamp] = [:]
    private var withdrawn: [ContactID: [Purpose: Timestamp]] = [:]
    private var contactsOfActors: [String: (contacts: Set<ContactID>, releases: UInt64)] = [:]
    private var days: [CalendarDay: UInt64] = [:]
    private var keys: [UInt32: (releases: UInt64, first: Timestamp, last: Timestamp)] = [:]

    init(_ question: LogQuestion, policy: Policy, from: Timestamp?) {
        self.question = question
        self.policy = policy
        self.from = from
    }

    mutating func read(_ logged: LoggedEntry) {
        let entry = logged.entry
        let isPermit = entry.kind == .release && (entry.outcome == .permit || entry.outcome == .redelivered)
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
            add([
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
            add([String(logged.index), entry.time.description, entry.client?.text ?? "", reason])
        case .keys:
            guard isPermit, let version = entry.keyVersion else { return }
            let known = keys[version]
            keys[version] = ((known?.releases ?? 0) + 1, known?.first ?? entry.time, entry.time)
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
        add([
            String(logged.index), entry.time.description, entry.client?.text ?? "", purpose.text,
            entry.action?.text ?? "", contact.description, no.description,
        ])
    }

    private mutating func add(_ row: [String]) {
        count += 1
        if rows.count < LogAnswer.rowLimit { rows.append(row) }
    }

    consuming func answer() -> LogAnswer {
        switch question {
        case .afterNo, .reveals, .replays: break
        case .actors:
            for (actor, seen) in contactsOfActors.sorted(by: {
                ($1.value.contacts.count, $0.key) < ($0.value.contacts.count, $1.key)
            }) { add([actor, String(seen.contacts.count), String(seen.releases)]) }
        case .weekdays:
            for (day, releases) in days.sorted(by: { $0.key < $1.key }) {
                if let from, let first = CalendarDay(from.description.prefix(10)), day < first { continue }
                let before = (1...4).map {
                    days[CalendarDay(daysSinceEpoch: day.daysSinceEpoch - 7 * $0)] ?? 0
                }.sorted()
                let median = Double(before[1] + before[2]) / 2
                let ratio = median == 0 ? "" : String(Int((Double(releases) / median * 100).rounded())) + "%"
                add([day.description, String(releases), Self.number(median), ratio])
            }
        case .keys:
            for (version, seen) in keys.sorted(by: { $0.key < $1.key }) {
                add([String(version), String(seen.releases), seen.first.description, seen.last.description])
            }
        }
        return LogAnswer(question: question, rows: rows, count: count)
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }
}

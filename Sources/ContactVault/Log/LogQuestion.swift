// The questions that a privacy officer has every month, each answered by one reading of the log or of the store.

import AccessLog
import AccessToken
public import ContactModel

/// A ready-made question.
public enum LogQuestion: String, CaseIterable, Sendable {
    /// Releases after the contact said no, of purposes that respect it: there must be none.
    case afterNo = "after-no"
    /// Releases outside the hours of the contact, or on its holidays: there must be none.
    case hours
    /// Releases in clear.
    case reveals
    /// Releases that broke the glass, and their reviews.
    case emergencies
    /// Releases whose outcome is overdue.
    case missingOutcomes = "missing-outcomes"
    /// Numbers whose releases have nearly or wholly used a cap.
    case caps
    /// Actors by the number of different contacts that they got a release about.
    case actors
    /// Releases of each day against the median of the same weekday in the four weeks before it.
    case weekdays
    /// Tokens, proofs and assertions that came again.
    case replays
    /// Contacts that are kept past their day.
    case retention
    /// Releases by version of the key-encryption key: what whoever has that key could have read.
    case keys

    /// What it asks.
    public var title: String {
        switch self {
        case .afterNo: "releases after a withdrawal or a stop (must be none)"
        case .hours: "releases outside the hours of the contact (must be none)"
        case .reveals: "numbers that left in clear"
        case .emergencies: "releases that broke the glass, and their reviews"
        case .missingOutcomes: "releases whose outcome is overdue"
        case .caps: "numbers whose releases have nearly or wholly used a cap"
        case .actors: "actors by different contacts"
        case .weekdays: "releases a day against the median of the same weekday over 28 days"
        case .replays: "tokens, proofs and assertions that came again"
        case .retention: "contacts that are kept past their day"
        case .keys: "releases by version of the key-encryption key"
        }
    }

    /// Whether any row is a fault.
    public var mustBeNone: Bool { self == .afterNo || self == .hours }

    /// Names of the columns.
    public var columns: [String] {
        switch self {
        case .afterNo: ["index", "time", "client", "purpose", "action", "contact", "said no"]
        case .hours: ["index", "time", "client", "purpose", "action", "contact", "why"]
        case .reveals: ["index", "time", "client", "agency", "purpose", "action", "contact", "actor"]
        case .emergencies: ["release", "time", "client", "purpose", "review due", "reviewed", "finding"]
        case .missingOutcomes: ["release", "time", "client", "purpose", "due"]
        case .caps: ["contact", "purpose", "used", "limit", "window"]
        case .actors: ["actor", "contacts", "releases"]
        case .weekdays: ["day", "releases", "median", "ratio"]
        case .replays: ["index", "time", "client", "why"]
        case .retention: ["contact", "keep until", "legal hold since"]
        case .keys: ["kek", "releases", "first", "last"]
        }
    }

    /// Whether the answer depends on what lies outside the time that was asked about.
    fileprivate var needsWholeLog: Bool {
        switch self {
        // Who said no before the time that a token may read is unknown to it, and "none" would be a lie.
        case .afterNo: true
        // What the store holds is of no time.
        case .emergencies, .missingOutcomes, .caps, .retention: true
        case .hours, .reveals, .actors, .weekdays, .replays, .keys: false
        }
    }
}

/// The answer to a question.
public struct LogAnswer: Sendable {
    /// What was asked.
    public let question: LogQuestion
    /// Rows, as ``LogQuestion/columns`` says; at most ``rowLimit``.
    public private(set) var rows: [[String]] = []
    /// How many there are.
    public private(set) var count: UInt64 = 0

    /// Most rows of an answer.
    public static let rowLimit = 1000

    init(_ question: LogQuestion) { self.question = question }

    mutating func add(_ row: [String]) {
        count += 1
        if rows.count < Self.rowLimit { rows.append(row) }
    }
}

extension Vault {
    /// Answers a question about a time. It is an access and has an entry.
    /// - Parameter time: of what is asked; questions about what the store holds now are about everything.
    /// - Throws: ``VaultError/conflict(_:)`` if the token may read less than the answer takes.
    public func answer(
        _ question: LogQuestion, time: TimeSpan, as caller: Caller, requestID: Reference
    ) async throws -> LogAnswer {
        let size = try await manage(
            .logRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in _ = try access.accessLog(.read) }
        ) { transaction -> ManagedOutcome<EntryReceipt> in
            transaction.template.basis = EntryCode("ask." + question.rawValue.replacing("-", with: "_"))
            guard !question.needsWholeLog || caller.readableTime.isUnbounded else {
                return .failed(.conflict("question_needs_whole_log"), "question_needs_whole_log")
            }
            return .done(try transaction.log(.logRead, about: nil))
        }.index
        return try await answer(question, time: time, size: size, as: caller)
    }

    /// As ``answer(_:time:as:requestID:)``, for what has an entry of its own.
    func answer(
        _ question: LogQuestion, time: TimeSpan, size: UInt64, as caller: Caller
    ) async throws -> LogAnswer {
        switch question {
        case .emergencies, .missingOutcomes, .retention: return try await storedAnswer(question, time: time)
        case .caps: return try await capAnswer(time: time, size: size, as: caller)
        case .hours: return try await hoursAnswer(time: time, size: size, as: caller)
        case .afterNo, .reveals, .actors, .weekdays, .replays, .keys:
            var reader = QuestionReader(question, policy: state.policy.policy, from: time.from)
            try await scan(reader.query(to: time.to), size: size, as: caller) { reader.read($0) }
            return reader.finish()
        }
    }
}

// The figures of a time for the privacy officer's report, from one reading of the log.

import AccessLog
import AccessToken
public import ContactModel

/// Counts by one or two properties, largest first.
public struct LogCounts: Sendable {
    /// The properties.
    public let dimensions: [LogDimension]
    /// Each combination of values, and how many entries have it.
    public let counts: [(values: [String], count: UInt64)]
}

/// What happened in a time.
public struct LogReport: Sendable {
    /// When it was read.
    public let made: Timestamp
    /// The time.
    public let time: TimeSpan
    /// Size of the log when it was read.
    public let size: UInt64
    /// Counts of releases by day, purpose and agency, each with the outcome.
    public let days, purposes, agencies: LogCounts
    /// Counts of denied releases by code, of permitted ones by day and hour, and of reported outcomes by code.
    public let denials, hours, outcomes: LogCounts
    /// Every question with its answer.
    public let answers: [LogAnswer]
}

extension Vault {
    /// Reads the figures of a time. One access, with one entry.
    /// - Throws: ``VaultError/conflict(_:)`` for a token that may not read all of the log.
    public func report(on time: TimeSpan, as caller: Caller, requestID: Reference) async throws -> LogReport {
        let receipt = try await manage(
            .logRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in _ = try access.accessLog(.read) }
        ) { transaction -> ManagedOutcome<EntryReceipt> in
            transaction.template.basis = "report"
            guard caller.readableTime.isUnbounded else {
                return .failed(.conflict("question_needs_whole_log"), "question_needs_whole_log")
            }
            return .done(try transaction.log(.logRead, about: nil))
        }
        var days = LogCounter([.day, .outcome])
        var purposes = LogCounter([.purpose, .outcome])
        var agencies = LogCounter([.agency, .outcome])
        var denials = LogCounter([.reason])
        var hours = LogCounter([.day, .hour])
        var outcomes = LogCounter([.basis])
        let policy = state.policy.policy
        let byReading: [LogQuestion] = [.afterNo, .reveals, .actors, .weekdays, .replays, .keys]
        var readers = byReading.map { QuestionReader($0, policy: policy, from: time.from) }
        let wanted = readers.map { $0.query(to: time.to) }

        // From the beginning: who said no before the time counts.
        var all = LogQuery()
        all.time.to = time.to
        try await scan(all, size: receipt.index, as: caller) { logged in
            let entry = logged.entry
            for index in readers.indices where wanted[index].fits(entry) { readers[index].read(logged) }
            guard time.contains(entry.time) else { return }
            switch (entry.kind, entry.outcome) {
            case (.release, let outcome):
                try days.add(logged)
                try purposes.add(logged)
                try agencies.add(logged)
                if outcome == .deny { try denials.add(logged) }
                if outcome == .permit { try hours.add(logged) }
            case (.releaseOutcome, .permit): try outcomes.add(logged)
            default: break
            }
        }
        var answers = Dictionary(uniqueKeysWithValues: readers.map { ($0.question, $0.finish()) })
        for question in LogQuestion.allCases where answers[question] == nil {
            answers[question] = try await answer(question, time: time, size: receipt.index, as: caller)
        }
        return LogReport(
            made: receipt.time, time: time, size: receipt.index, days: days.counts, purposes: purposes.counts,
            agencies: agencies.counts, denials: denials.counts, hours: hours.counts,
            outcomes: outcomes.counts,
            answers: LogQuestion.allCases.compactMap { answers[$0] })
    }
}

/// Counts entries by one or two of their properties.
struct LogCounter {
    /// Most combinations.
    private static let limit = 100_000

    private let dimensions: [LogDimension]
    private var seen: [[String]: UInt64] = [:]

    init(_ dimensions: [LogDimension]) { self.dimensions = dimensions }

    /// - Throws: ``VaultError/conflict(_:)`` with `too_many_groups`.
    mutating func add(_ logged: LoggedEntry) throws {
        seen[dimensions.map { $0.value(logged) }, default: 0] += 1
        guard seen.count <= Self.limit else { throw VaultError.conflict("too_many_groups") }
    }

    var counts: LogCounts {
        LogCounts(
            dimensions: dimensions,
            counts: seen.sorted {
                ($1.value, $0.key.joined(separator: "\u{0}")) < ($0.value, $1.key.joined(separator: "\u{0}"))
            }.map { ($0.key, $0.value) })
    }
}

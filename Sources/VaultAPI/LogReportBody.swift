// The figures of an officer's report about a time.

/// What happened in a time, counted, and the ready-made questions with their answers.
public struct LogReportBody: Codable, Sendable {
    /// Origin of the access log.
    public let log: String
    /// When the report was made; RFC 3339.
    public let made: String
    /// Of the time from this moment on; RFC 3339.
    public let from: String
    /// And before this one.
    public let to: String
    /// Size of the log when it was read.
    public let size: UInt64
    /// Version of the policy in force.
    public let policy: String
    /// Releases by day (UTC) and outcome.
    public let days: LogCountsBody
    /// Releases by purpose and outcome.
    public let purposes: LogCountsBody
    /// Releases by agency and outcome.
    public let agencies: LogCountsBody
    /// Denied releases by code.
    public let denials: LogCountsBody
    /// Permitted releases by day and hour (UTC).
    public let hours: LogCountsBody
    /// Outcomes that were reported, by code.
    public let outcomes: LogCountsBody
    /// The questions.
    public let answers: [LogAnswerBody]

    /// A report.
    public init(
        log: String, made: String, from: String, to: String, size: UInt64, policy: String,
        days: LogCountsBody, purposes: LogCountsBody, agencies: LogCountsBody, denials: LogCountsBody,
        hours: LogCountsBody, outcomes: LogCountsBody, answers: [LogAnswerBody]
    ) {
        self.log = log
        self.made = made
        self.from = from
        self.to = to
        self.size = size
        self.policy = policy
        self.days = days
        self.purposes = purposes
        self.agencies = agencies
        self.denials = denials
        self.hours = hours
        self.outcomes = outcomes
        self.answers = answers
    }
}

/// The entries of one month.
public struct LogShardBody: Codable, Sendable {
    /// The month, `YYYY-MM`; empty for all that retention has removed.
    public let month: String
    /// Index of its first entry.
    public let first: UInt64
    /// Index after its last.
    public let end: UInt64
    /// How many of its leaves retention has removed.
    public let removed: UInt64
    /// Size of the last checkpoint within it that is still there.
    public let checkpoint: UInt64?

    /// A shard.
    public init(month: String, first: UInt64, end: UInt64, removed: UInt64, checkpoint: UInt64?) {
        self.month = month
        self.first = first
        self.end = end
        self.removed = removed
        self.checkpoint = checkpoint
    }
}

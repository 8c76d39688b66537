// Questions about the log.

/// What entries are wanted; what is absent does not matter.
public struct LogQueryBody: Codable, Equatable, Sendable {
    /// From this moment on; RFC 3339.
    public var from: String?
    /// And before this one.
    public var to: String?
    /// Kinds of entries, such as `release`.
    public var kinds: [String]?
    /// `permit`, `deny`, `error`, `redelivered`.
    public var outcomes: [String]?
    /// The client.
    public var client: String?
    /// The client's agency.
    public var agency: String?
    /// Why the contact was to be reached.
    public var purpose: String?
    /// What the client does with the number.
    public var action: String?
    /// `reveal`, `seal`, `mask`, `match`.
    public var form: String?
    /// The code of a denial or an error.
    public var why: String?
    /// Version of the key-encryption key.
    public var kek: UInt32?
    /// The contact, `ct_…`.
    public var contact: String?
    /// A phone number; whoever has it now. Excludes `contact`.
    public var number: String?
    /// The case.
    public var caseReference: String?
    /// On whose behalf, without the kind.
    public var actor: String?
    /// Where to go on; of a query.
    public var cursor: UInt64?
    /// `end` of the first page, with `cursor`.
    public var end: UInt64?
    /// Most entries, 1 to 1,000; of a query.
    public var limit: UInt64?
    /// One or two properties; of a count.
    public var by: [String]?

    /// A question about everything.
    public init() {}

    enum CodingKeys: String, CodingKey {
        case from, to, kinds, outcomes, client, agency, purpose, action, form, why, kek, contact, number,
            actor
        case cursor, end, limit, by
        case caseReference = "case"
    }
}

/// Entries counted by one or two properties.
public struct LogCountsBody: Codable, Equatable, Sendable {
    /// One combination.
    public struct Count: Codable, Equatable, Sendable {
        /// The values, in the order of ``by``; empty where an entry has none.
        public let values: [String]
        /// How many entries.
        public let count: UInt64

        /// A combination.
        public init(values: [String], count: UInt64) {
            self.values = values
            self.count = count
        }
    }

    /// The properties.
    public let by: [String]
    /// Largest first.
    public let counts: [Count]

    /// Counts.
    public init(by: [String], counts: [Count]) {
        self.by = by
        self.counts = counts
    }
}

/// The answer to a ready-made question.
public struct LogAnswerBody: Codable, Equatable, Sendable {
    /// Its name.
    public let question: String
    /// What it asks.
    public let title: String
    /// Whether any row is a fault.
    public let mustBeNone: Bool
    /// Names of the columns.
    public let columns: [String]
    /// At most 1,000 rows.
    public let rows: [[String]]
    /// How many there are.
    public let count: UInt64

    /// An answer.
    public init(
        question: String, title: String, mustBeNone: Bool, columns: [String], rows: [[String]], count: UInt64
    ) {
        self.question = question
        self.title = title
        self.mustBeNone = mustBeNone
        self.columns = columns
        self.rows = rows
        self.count = count
    }

    enum CodingKeys: String, CodingKey {
        case question, title, columns, rows, count
        case mustBeNone = "must_be_none"
    }
}

// What a contact is told on asking "who saw my number, when and why".

/// Everything that is held about one contact, and every entry about it with its proof. No staff, no case, no borrower.
public struct SubjectReportBody: Codable, Sendable {
    /// The contact, `ct_…`.
    public let contact: String
    /// When the report was made; RFC 3339.
    public let made: String
    /// Origin of the access log.
    public let log: String
    /// Keys of the log as a C2SP tlog-policy. Whoever checks the proofs gets them from elsewhere too.
    public let policy: String
    /// The signed checkpoint that every proof leads to.
    public let checkpoint: String
    /// What is held; `nil` if nothing is any more.
    public let held: Held?
    /// What the contact agreed to, withdrawn consents too.
    public let consents: [Consent]
    /// Who got the number, in whatever form.
    public let recipients: [Recipient]
    /// Every entry about the contact, oldest first.
    public let accesses: [Access]

    /// The record.
    public struct Held: Codable, Sendable {
        /// The mask of the number.
        public let phone: String
        /// The mask of the name.
        public let name: String?
        /// State of the record.
        public let state: String
        /// When the contact said stop; RFC 3339.
        public let stopped: String?
        /// How the record came about.
        public let source: String
        /// Whether the number was shown to reach the contact.
        public let verification: String
        /// BCP 47 language.
        public let language: String
        /// IANA time zones.
        public let timeZone: [String]
        /// How the contact may be reached.
        public let channels: [String]
        /// When the record was made; RFC 3339.
        public let created: String
        /// When it was last written; RFC 3339.
        public let updated: String
        /// The day until which it is kept.
        public let retainUntil: String
        /// Whether it must be kept for now, whatever that day is.
        public let isHeld: Bool

        /// A record.
        public init(
            phone: String, name: String?, state: String, stopped: String?, source: String,
            verification: String, language: String, timeZone: [String], channels: [String], created: String,
            updated: String, retainUntil: String, isHeld: Bool
        ) {
            self.phone = phone
            self.name = name
            self.state = state
            self.stopped = stopped
            self.source = source
            self.verification = verification
            self.language = language
            self.timeZone = timeZone
            self.channels = channels
            self.created = created
            self.updated = updated
            self.retainUntil = retainUntil
            self.isHeld = isHeld
        }

        enum CodingKeys: String, CodingKey {
            case phone, name, state, stopped, source, verification, language, channels, created, updated
            case timeZone = "time_zone"
            case retainUntil = "retain_until"
            case isHeld = "held"
        }
    }

    /// A consent.
    public struct Consent: Codable, Sendable {
        /// For what.
        public let purpose: String
        /// Version of the notice.
        public let notice: String
        /// When it was recorded; RFC 3339.
        public let given: String
        /// When it ends.
        public let expires: String?
        /// When it was withdrawn.
        public let withdrawn: String?
        /// Agencies that it is for; `nil` for all.
        public let recipients: [String]?

        /// A consent.
        public init(
            purpose: String, notice: String, given: String, expires: String?, withdrawn: String?,
            recipients: [String]?
        ) {
            self.purpose = purpose
            self.notice = notice
            self.given = given
            self.expires = expires
            self.withdrawn = withdrawn
            self.recipients = recipients
        }
    }

    /// An agency that got something.
    public struct Recipient: Codable, Sendable {
        /// The agency.
        public let agency: String
        /// How often.
        public let releases: Int
        /// When first; RFC 3339.
        public let first: String
        /// When last.
        public let last: String

        /// A recipient.
        public init(agency: String, releases: Int, first: String, last: String) {
            self.agency = agency
            self.releases = releases
            self.first = first
            self.last = last
        }
    }

    /// One entry about the contact.
    public struct Access: Codable, Sendable {
        /// Its position in the log.
        public let index: UInt64
        /// This is the k-th entry about the contact; they have no hole.
        public let sequence: UInt64
        /// When; RFC 3339.
        public let time: String
        /// What it is about, such as `release`.
        public let kind: String
        /// `permit`, `deny`, `error`, `redelivered`.
        public let outcome: String
        /// Why it was refused.
        public let why: String?
        /// For what.
        public let purpose: String?
        /// What the recipient does with the number.
        public let action: String?
        /// How much left: `reveal`, `seal`, `mask`, `match`.
        public let form: String?
        /// Which fields.
        public let fields: [String]
        /// Who asked: the agency.
        public let agency: String?
        /// The exact leaf.
        public let leaf: String
        /// That the leaf is about this contact: its disclosures `contact` and `seq`, joined.
        public let disclosures: String
        /// That the leaf stands in the log (C2SP tlog-proof).
        public let proof: String

        /// An entry.
        public init(
            index: UInt64, sequence: UInt64, time: String, kind: String, outcome: String, why: String?,
            purpose: String?, action: String?, form: String?, fields: [String], agency: String?,
            leaf: String, disclosures: String, proof: String
        ) {
            self.index = index
            self.sequence = sequence
            self.time = time
            self.kind = kind
            self.outcome = outcome
            self.why = why
            self.purpose = purpose
            self.action = action
            self.form = form
            self.fields = fields
            self.agency = agency
            self.leaf = leaf
            self.disclosures = disclosures
            self.proof = proof
        }

        enum CodingKeys: String, CodingKey {
            case index, time, kind, outcome, why, purpose, action, form, fields, agency, leaf, disclosures
            case proof
            case sequence = "seq"
        }
    }

    /// A report.
    public init(
        contact: String, made: String, log: String, policy: String, checkpoint: String, held: Held?,
        consents: [Consent], recipients: [Recipient], accesses: [Access]
    ) {
        self.contact = contact
        self.made = made
        self.log = log
        self.policy = policy
        self.checkpoint = checkpoint
        self.held = held
        self.consents = consents
        self.recipients = recipients
        self.accesses = accesses
    }
}

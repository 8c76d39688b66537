// A contact as it may be looked at.

/// The reply to `GET /v1/contacts/{contact}`: no personal field but the masks.
public struct ContactBody: Codable, Sendable {
    /// The contact, `ct_…`.
    public let contact: String
    /// Generation of the sealed record, also in `ETag`.
    public let generation: UInt64
    /// State of the record.
    public let state: String
    /// When the contact said stop; RFC 3339.
    public let stopped: String?
    /// The borrower's pseudonym.
    public let borrower: String
    /// The portfolio.
    public let portfolio: String
    /// BCP 47 language.
    public let language: String
    /// IANA time zones.
    public let timeZone: [String]
    /// How the contact may be reached.
    public let channels: [String]
    /// How the record came about.
    public let source: String
    /// The day until which it must be kept.
    public let retainUntil: String
    /// Whether the number was shown to reach the contact.
    public let verification: String
    /// The mask of the number.
    public let phone: String
    /// The mask of the name.
    public let name: String?
    /// All consents.
    public let consents: [Consent]
    /// When the record was made; RFC 3339.
    public let created: String
    /// When this generation was written; RFC 3339.
    public let updated: String
    /// Since when it must be kept for now, whatever its day is; RFC 3339.
    public let legalHold: String?
    /// The entry.
    public let receipt: ReceiptBody

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

        /// A consent.
        public init(purpose: String, notice: String, given: String, expires: String?, withdrawn: String?) {
            self.purpose = purpose
            self.notice = notice
            self.given = given
            self.expires = expires
            self.withdrawn = withdrawn
        }
    }

    enum CodingKeys: String, CodingKey {
        case contact, generation, state, stopped, borrower, portfolio, language, channels, source,
            verification
        case phone, name, consents, created, updated, receipt
        case timeZone = "time_zone"
        case retainUntil = "retain_until"
        case legalHold = "legal_hold"
    }

    /// A contact.
    public init(
        contact: String, generation: UInt64, state: String, stopped: String?, borrower: String,
        portfolio: String,
        language: String, timeZone: [String], channels: [String], source: String, retainUntil: String,
        verification: String, phone: String, name: String?, consents: [Consent], created: String,
        updated: String,
        legalHold: String?, receipt: ReceiptBody
    ) {
        self.contact = contact
        self.generation = generation
        self.state = state
        self.stopped = stopped
        self.borrower = borrower
        self.portfolio = portfolio
        self.language = language
        self.timeZone = timeZone
        self.channels = channels
        self.source = source
        self.retainUntil = retainUntil
        self.verification = verification
        self.phone = phone
        self.name = name
        self.consents = consents
        self.created = created
        self.updated = updated
        self.legalHold = legalHold
        self.receipt = receipt
    }
}

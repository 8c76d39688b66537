// Every bound on input and growth, with unit and reason. Parsers check them before they allocate.

/// Bounds that hold everywhere.
public enum Limits {
    // MARK: Requests

    /// A caller's opaque reference. Long enough for a UUID with prefix, short enough for an index.
    public static let referenceBytes = 64
    /// A JSON request body other than an import. The largest, a match of 1,000 numbers, is under 20 KiB.
    public static let requestBodyBytes = 64 * 1024
    /// One line of an NDJSON import: one contact with all its consents.
    public static let importLineBytes = 16 * 1024
    /// A `Request-Id` a caller may set: it is echoed and logged.
    public static let requestIDBytes = 64
    /// Connections that one listener holds open; others wait to be accepted. Far below the usual 1,024 descriptors of a
    /// process, so that the store always has some.
    public static let connections = 512
    /// How long a request's body may take to come, seconds; an import is bounded by its connection's idle time instead.
    public static let bodySeconds = 10
    /// All header fields of a request. A token and a proof need under 4 KiB.
    public static let headerBytes = 16 * 1024

    // MARK: Tokens

    /// A compact JWT of any kind, checked before it is split. A token for 100 contacts needs under 6 KiB.
    public static let tokenBytes = 8 * 1024
    /// An `authorization_details` parameter of the token request.
    public static let authorizationDetailsBytes = 8 * 1024
    /// A `jti`; longer ones are refused before they reach an index.
    public static let tokenIdentifierBytes = 64
    /// Contacts in one token: one proof then pays for a batch, and a stolen token is worth no more than this.
    public static let contactsPerToken = 100
    /// Uses a policy may grant one token.
    public static let usesPerToken: Int64 = 1_000_000
    /// Life of an access token, seconds; a purpose may be tighter.
    public static let tokenSeconds: Int64 = 300
    /// Entries of an export that disclose personal parts of everybody and that one person may have alone. A month of a small agency
    /// fits; what is worth stealing does not.
    public static let bulkExportEntries = 10_000
    /// Life of a matching token, seconds.
    public static let matchTokenSeconds: Int64 = 3600
    /// Life a client may give its own assertion, seconds (RFC 7523 §3 wants it bounded).
    public static let assertionSeconds: Int64 = 300
    /// How far in the future an `iat` may lie, seconds: clocks differ.
    public static let clockSkewSeconds: Int64 = 10
    /// How old a DPoP proof may be, seconds. The nonce already bounds it to two buckets of 300 s.
    public static let proofSeconds: Int64 = 300
    /// Length of a DPoP nonce bucket, seconds; the current and the previous are accepted.
    public static let nonceSeconds: Int64 = 300
    /// A `jti` of a trusted issuer. It is hashed; other servers write long ones.
    public static let trustedTokenIdentifierBytes = 256
    /// A trusted issuer's key set: dozens of keys with certificates.
    public static let keySetBytes = 256 * 1024
    /// Least time between two fetches of a trusted issuer's key set, seconds.
    public static let keySetSeconds: Int64 = 60
    /// How old a trusted issuer's key set may be before it is fetched again beside a request, seconds: a key that is taken
    /// out of it is known to nobody else.
    public static let keySetRefreshSeconds: Int64 = 300
    /// How old it may be at most, seconds: then its tokens are refused until it can be fetched.
    public static let keySetEndSeconds: Int64 = 3600
    /// How long a client may keep our key set, seconds; a new signing key is published this long before it signs.
    public static let keySetMaxAgeSeconds: Int64 = 300
    /// How long before a client's key ends it is warned about, seconds: two weeks.
    public static let keyEndWarningSeconds: Int64 = 14 * 86_400
    /// Verified tokens that are kept in memory: 20,000 × about 2 KiB.
    public static let cachedTokens = 20_000

    // MARK: Records

    /// A field's value before padding: the largest padded size is 1,024 with a two-byte length.
    public static let fieldBytes = 1022
    /// Fields in a sealed record.
    public static let fieldsPerRecord = 64
    /// A sealed record: 64 fields of 1 KiB and their directory.
    public static let sealedRecordBytes = 72 * 1024
    /// Consents in one record: the catalogue has twelve purposes.
    public static let consentsPerContact = 32
    /// A name, in bytes of UTF-8.
    public static let nameBytes = 256
    /// A phone number as typed, before it is parsed.
    public static let phoneInputBytes = 64

    // MARK: Log

    /// One entry's canonical text.
    public static let logEntryBytes = 4096
    /// Digests of disclosed parts in one entry: four kinds exist, and room for decoys (RFC 9901 §4.2.5).
    public static let disclosuresPerEntry = 8
    /// The origin of a log and the name of a note key.
    public static let noteNameBytes = 256
    /// Signatures on one note: the specification wants at least 16, and each costs a verifier time.
    public static let noteSignatures = 64
    /// A signed note: 16 post-quantum signatures of nearly 5 KiB in base64 must fit.
    public static let noteBytes = 128 * 1024
    /// A proof file: a note, 64 hashes and one entry as extra data.
    public static let proofFileBytes = 160 * 1024
    /// Requests recorded by one transaction. More only adds latency: a batch of this size already shares its sync
    /// among hundreds.
    public static let batchRequests = 256
    /// Requests waiting to be recorded; beyond it the answer is 503, before memory grows.
    public static let queuedRequests = 4096
    /// Least time between two signed checkpoints, milliseconds.
    public static let checkpointMilliseconds: Int64 = 1000
    /// Least time for which entries of the log are kept, months: records of processing must be there for three years.
    public static let logRetentionMonths = 36
    /// The manifest of a backup, which is the text of a note: thousands of key versions fit.
    public static let backupManifestBytes = 120 * 1024
    /// Entries about a contact in one report to it.
    public static let reportedEntries: UInt64 = 10_000
    /// How long a retry with the same request id is answered again without a new use, seconds.
    public static let redeliverySeconds: Int64 = 30
    /// How far the clock may fall behind the log's last entry before releases stop, milliseconds.
    public static let clockRegressionMilliseconds: Int64 = 5000
}

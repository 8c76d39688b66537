// Questions that a filter answers: which entries, and how many of each kind. The whole range is read, page by page, in memory
// that does not grow with it; a time range is found by halving first.

public import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
import VaultCrypto

/// Which entries are wanted; what is `nil` or empty does not matter.
public struct LogQuery: Sendable {
    /// Of this time.
    public var time = TimeSpan()
    /// Kinds; empty for all.
    public var kinds: Set<EntryKind> = []
    /// How it ended; empty for all.
    public var outcomes: Set<EntryOutcome> = []
    /// The client.
    public var client: Reference?
    /// The client's agency.
    public var agency: Reference?
    /// Why the contact was to be reached.
    public var purpose: Purpose?
    /// What the client does with the number.
    public var action: Action?
    /// How much left.
    public var form: ReleaseForm?
    /// The code of a denial or an error.
    public var reason: EntryCode?
    /// Version of the key-encryption key.
    public var keyVersion: UInt32?
    /// Of this contact.
    public var contact: ContactID?
    /// Of whoever has this number now, as typed. Resolving it is part of the question, which is logged. Excludes ``contact``.
    public var number: String?
    /// The case.
    public var caseReference: Reference?
    /// On whose behalf.
    public var actor: Reference?

    /// A query for everything.
    public init() {}

    /// Of these contacts; `nil` for all. Empty for none: a number that nobody has.
    fileprivate var contacts: Set<ContactID>?

    private var needsParts: Bool { contacts != nil || caseReference != nil || actor != nil }

    /// Whether the leaf fits, as far as it can tell.
    func fits(_ entry: LogEntry) -> Bool {
        func fits<Value: Equatable>(_ wanted: Value?, _ value: Value?) -> Bool {
            wanted.map { $0 == value } ?? true
        }
        return time.contains(entry.time) && (kinds.isEmpty || kinds.contains(entry.kind))
            && (outcomes.isEmpty || outcomes.contains(entry.outcome)) && fits(client, entry.client)
            && fits(agency, entry.agency) && fits(purpose, entry.purpose) && fits(action, entry.action)
            && fits(form, entry.form) && fits(reason, entry.reason) && fits(keyVersion, entry.keyVersion)
            && (!needsParts || !entry.disclosureDigests.isEmpty)
    }

    /// Whether the personal parts fit. What is no longer disclosed fits no query for it.
    func fits(_ parts: DisclosedParts?) -> Bool {
        guard needsParts else { return true }
        guard let parts else { return false }
        return (contacts.map { wanted in parts.contact.map { wanted.contains($0) } ?? false } ?? true)
            && (caseReference.map { $0 == parts.caseReference } ?? true)
            && (actor.map { $0 == parts.actor?.id } ?? true)
    }
}

/// What entries are counted by.
public enum LogDimension: String, CaseIterable, Sendable {
    case kind, outcome, client, agency, purpose, action, form, stage, basis, actor, contact, day, hour
    /// The code of a denial or an error.
    case reason = "why"
    /// Version of the key-encryption key.
    case keyVersion = "kek"

    /// The value of an entry; empty where it has none. Days and hours are UTC.
    func value(_ logged: LoggedEntry) -> String {
        let entry = logged.entry
        switch self {
        case .kind: return entry.kind.rawValue
        case .outcome: return entry.outcome.rawValue
        case .client: return entry.client?.text ?? ""
        case .agency: return entry.agency?.text ?? ""
        case .purpose: return entry.purpose?.text ?? ""
        case .action: return entry.action?.text ?? ""
        case .form: return entry.form?.rawValue ?? ""
        case .stage: return entry.stage?.rawValue ?? ""
        case .basis: return entry.basis?.text ?? ""
        case .actor: return logged.disclosed?.actor.map { "\($0.kind.rawValue):\($0.id.text)" } ?? ""
        case .contact: return logged.disclosed?.contact?.description ?? ""
        case .day: return String(entry.time.description.prefix(10))
        case .hour: return String(entry.time.description.dropFirst(11).prefix(2))
        case .reason: return entry.reason?.text ?? ""
        case .keyVersion: return entry.keyVersion.map { String($0) } ?? ""
        }
    }
}

/// A page of what a query found.
public struct LogQueryPage: Sendable {
    /// Entries, in order.
    public let entries: [LoggedEntry]
    /// Where to go on; `nil` at the end.
    public let next: UInt64?
    /// How far the log went when the question was first asked. Give it with ``next``: each question has an entry of its own,
    /// which may be one that is asked for, and a reader would never come to the end of them.
    public let end: UInt64
}

extension Vault {
    /// Entries that a query wants, from a position on. The question is an access and has an entry.
    /// - Parameters:
    ///   - cursor: the position to go on from; 0 for the beginning.
    ///   - end: ``LogQueryPage/end`` of the first page; `nil` for the first.
    ///   - limit: most entries, at most 1,000. A page may have fewer and still not be the last.
    public func query(
        _ query: LogQuery, from cursor: UInt64 = 0, to end: UInt64? = nil, limit: Int, as caller: Caller,
        requestID: Reference
    ) async throws -> LogQueryPage {
        let (query, size) = try await recordQuestion(query, "query", as: caller, requestID: requestID)
        let end = min(end ?? size, size)
        let range = try await range(of: query, from: cursor, size: end)
        var found: [LoggedEntry] = []
        var next = range.lowerBound
        // So that a rare match does not keep one request busy with the whole log.
        let last = min(range.upperBound, next.addingReportingOverflow(Self.scannedEntries).partialValue)
        while next < last, found.count < limit {
            let page = next..<min(next + 1000, last)
            for logged in try await matching(query, page, as: caller) {
                guard found.count < limit else {
                    return LogQueryPage(entries: found, next: logged.index, end: end)
                }
                found.append(logged)
            }
            next = page.upperBound
        }
        return LogQueryPage(entries: found, next: next < range.upperBound ? next : nil, end: end)
    }

    /// Counts the entries that a query wants by one or two of their properties, largest first.
    /// - Throws: ``VaultError/conflict(_:)`` for more than 100,000 different combinations.
    public func counts(
        _ query: LogQuery, by dimensions: [LogDimension], as caller: Caller, requestID: Reference
    ) async throws -> LogCounts {
        let (query, size) = try await recordQuestion(query, "count", as: caller, requestID: requestID)
        var counter = LogCounter(dimensions)
        try await scan(query, size: size, as: caller) { try counter.add($0) }
        return counter.counts
    }

    static var scannedEntries: UInt64 { 50_000 }

    /// Writes the entry of a question by filter, and resolves its number in the same transaction: nobody learns whether a number
    /// is here without an entry.
    /// - Returns: the query by contacts, and the size of the log before it.
    private func recordQuestion(
        _ query: LogQuery, _ basis: String, as caller: Caller, requestID: Reference
    ) async throws -> (LogQuery, size: UInt64) {
        var indexes: [[UInt8]] = []
        if let number = query.number, let normalized = try? PhoneNumberIntake.normalize(number, region: nil) {
            indexes = try self.indexes(of: normalized.e164).map(\.bytes)
        }
        let numbers = indexes
        let isByNumber = query.number != nil
        // Which entry about a contact this becomes must be known when the batch begins.
        let named: Set<ContactID> =
            if let contact = query.contact { [contact] } else {
                Set(try await reading { try $0.contacts(withNumbers: numbers) })
            }
        let about = named.count == 1 ? Array(named) : []
        let (contacts, receipt) = try await manage(
            .logRead, as: caller, requestID: requestID, contacts: about,
            covers: { access throws(TokenError) in _ = try access.accessLog(.read) }
        ) { transaction -> ManagedOutcome<(Set<ContactID>, EntryReceipt)> in
            let contacts = isByNumber ? Set(try transaction.store.contacts(withNumbers: numbers)) : named
            let stored = try transaction.store.contacts(about).values.first
            let receipt = try transaction.log(.logRead, about: stored) { draft in
                draft.basis = EntryCode(basis + (isByNumber ? ".number" : ""))
            }
            return .done((contacts, receipt))
        }
        var resolved = query
        if isByNumber || query.contact != nil { resolved.contacts = contacts }
        return (resolved, receipt.index)
    }

    /// Reads everything that a query wants, in order.
    func scan(
        _ query: LogQuery, size: UInt64, as caller: Caller, _ body: (LoggedEntry) throws -> Void
    ) async throws {
        try await scanPages(query, size: size, as: caller) { page in
            for logged in page { try body(logged) }
        }
    }

    /// As ``scan(_:size:as:_:)``, a page at a time.
    func scanPages(
        _ query: LogQuery, size: UInt64, as caller: Caller, _ body: ([LoggedEntry]) async throws -> Void
    ) async throws {
        let range = try await range(of: query, from: 0, size: size)
        var next = range.lowerBound
        while next < range.upperBound {
            let page = next..<min(next + 1000, range.upperBound)
            try await body(try await matching(query, page, as: caller))
            next = page.upperBound
            try Task.checkCancellation()
        }
    }

    private func range(of query: LogQuery, from cursor: UInt64, size: UInt64) async throws -> Range<UInt64> {
        try await reading { reader in
            let oldest = try reader.firstLeaf()
            let first = try query.time.from.map { try reader.firstEntry(at: $0, size: size) } ?? oldest
            let end = try query.time.to.map { try reader.firstEntry(at: $0, size: size) } ?? size
            let start = min(max(first, oldest, cursor), end)
            return start..<max(start, end)
        }
    }

    private func matching(
        _ query: LogQuery, _ page: Range<UInt64>, as caller: Caller
    ) async throws -> [LoggedEntry] {
        try await opened(page) { query.fits($0) && caller.readableTime.contains($0.time) }.filter {
            query.fits($0.disclosed)
        }
    }
}

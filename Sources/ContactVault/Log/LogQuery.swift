// Questions that a filter answers: which entries, and how many of each kind. The whole range is read, page by page, in memory
// that does not grow with it; a time range is found by halving first.

public import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
import VaultCrypto

/// Which entries are wanted; what is `nil` or empty does not matter.
public struct LogQuery: Sendable {
    /// From this moment on.
    public var from: Timestamp?
    /// And before this one.
    public var to: Timestamp?
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
    /// Of these contacts; `nil` for all. Empty for none: a number that nobody has.
    public var contacts: Set<ContactID>?
    /// Whether ``contacts`` are those that a number was resolved to: the entry about the question says so.
    public var isByNumber = false
    /// The case.
    public var caseReference: Reference?
    /// On whose behalf.
    public var actor: Reference?

    /// A query for everything.
    public init() {}

    private var needsParts: Bool { contacts != nil || caseReference != nil || actor != nil }

    /// Whether the leaf fits, as far as it can tell.
    func fits(_ entry: LogEntry) -> Bool {
        func fits<Value: Equatable>(_ wanted: Value?, _ value: Value?) -> Bool {
            wanted.map { $0 == value } ?? true
        }
        return (from.map { $0 <= entry.time } ?? true) && (to.map { entry.time < $0 } ?? true)
            && (kinds.isEmpty || kinds.contains(entry.kind))
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
    case kind, outcome, client, agency, purpose, action, form, stage, actor, contact, day, hour
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
        let size = try await recordQuestion(
            query.isByNumber ? "query.number" : "query", about: query.contacts, as: caller,
            requestID: requestID)
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
    ) async throws -> [(values: [String], count: UInt64)] {
        let size = try await recordQuestion(
            query.isByNumber ? "count.number" : "count", about: query.contacts, as: caller,
            requestID: requestID)
        var counts: [[String]: UInt64] = [:]
        try await scan(query, size: size, as: caller) { logged in
            counts[dimensions.map { $0.value(logged) }, default: 0] += 1
            guard counts.count <= 100_000 else { throw VaultError.conflict("too_many_groups") }
        }
        return counts.sorted {
            ($1.value, $0.key.joined(separator: "\u{0}")) < ($0.value, $1.key.joined(separator: "\u{0}"))
        }
        .map { ($0.key, $0.value) }
    }

    /// The contacts that have a number now. Resolving one is part of a question, which is logged.
    /// - Throws: ``VaultError/token(_:)`` for a caller who may not read the log, before anything is looked up.
    public func contacts(withNumber number: String, as caller: Caller) async throws -> Set<ContactID> {
        if case .client(let access) = caller {
            do throws(TokenError) { _ = try access.accessLog(.read) } catch { throw VaultError.token(error) }
        }
        guard let normalized = try? PhoneNumberIntake.normalize(number, region: nil) else { return [] }
        let keyring = state.keyring
        let indexes: [[UInt8]]
        do {
            indexes = try keyring.blindIndexCandidates(.phone, normalized.e164, tenant: keyring.tenant).map(
                \.bytes)
        } catch {
            throw VaultError.cryptographyUnavailable
        }
        return Set(try await reading { try $0.contacts(withNumbers: indexes) })
    }

    static var scannedEntries: UInt64 { 50_000 }

    /// Writes the entry of a question; the size of the log before it.
    func recordQuestion(
        _ basis: EntryCode, about contacts: Set<ContactID>?, conflict: String? = nil, as caller: Caller,
        requestID: Reference
    ) async throws -> UInt64 {
        let about = contacts.flatMap { $0.count == 1 ? Array($0) : nil } ?? []
        return try await manage(
            .logRead, as: caller, requestID: requestID, contacts: about,
            covers: { access throws(TokenError) in _ = try access.accessLog(.read) }
        ) { transaction -> ManagedOutcome<EntryReceipt> in
            if let conflict { return .failed(.conflict(conflict), EntryCode(conflict) ?? "conflict") }
            let stored = try transaction.store.contacts(about).values.first
            return .done(try transaction.log(.logRead, about: stored) { $0.basis = basis })
        }.index
    }

    /// Reads everything that a query wants, in order.
    func scan(
        _ query: LogQuery, size: UInt64, as caller: Caller, _ body: (LoggedEntry) throws -> Void
    ) async throws {
        let range = try await range(of: query, from: 0, size: size)
        var next = range.lowerBound
        while next < range.upperBound {
            let page = next..<min(next + 1000, range.upperBound)
            for logged in try await matching(query, page, as: caller) { try body(logged) }
            next = page.upperBound
            try Task.checkCancellation()
        }
    }

    private func range(of query: LogQuery, from cursor: UInt64, size: UInt64) async throws -> Range<UInt64> {
        try await reading { reader in
            let first = try query.from.map { try reader.firstEntry(at: $0, size: size) } ?? 0
            let end = try query.to.map { try reader.firstEntry(at: $0, size: size) } ?? size
            let start = min(max(first, cursor), end)
            return start..<max(start, end)
        }
    }

    private func matching(
        _ query: LogQuery, _ page: Range<UInt64>, as caller: Caller
    ) async throws -> [LoggedEntry] {
        try await opened(page) { query.fits($0) && caller.mayRead($0.time) }.filter {
            query.fits($0.disclosed)
        }
    }
}

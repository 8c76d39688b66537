// Jobs that bring what stands under old keys under the active ones, while the vault serves.
//
// A job is a row of the store. Each step of it looks at some rows and is one transaction that also moves the job's cursor: a process
// that is killed between two steps, or in one, goes on where the last committed one ended, and so does another instance.

import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
import Foundation
import Synchronization
import VaultCrypto

/// The name of a job. Text form `kj_…`.
public struct KeyJobID: VaultIdentifier {
    /// The text prefix.
    public static let prefix = "kj"
    /// The 16 bytes.
    public let bytes: [UInt8]
    /// An identifier of exactly 16 bytes; `nil` for any other length.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }
}

/// A job to begin.
public struct KeyJobRequest: Hashable, Sendable {
    /// What it is to do.
    public let kind: StoredKeyJob.Kind
    /// Whether it only counts.
    public let isDryRun: Bool
    /// Most records a second, `nil` for no limit.
    public let rate: UInt32?

    /// A request.
    public init(_ kind: StoredKeyJob.Kind, isDryRun: Bool = false, rate: UInt32? = nil) {
        self.kind = kind
        self.isDryRun = isDryRun
        self.rate = rate.map { max(1, $0) }
    }
}

/// How far a job is.
public struct KeyJob: Hashable, Sendable {
    /// Its row.
    public let row: StoredKeyJob

    init(_ row: StoredKeyJob) { self.row = row }

    /// Its name.
    public var id: KeyJobID? { KeyJobID(bytes: row.id) }
    /// Records a second since it was last begun or resumed; `nil` if it has not been at work long enough to say.
    public var perSecond: Double? {
        let milliseconds = row.updated.milliseconds - row.resumed.milliseconds
        guard milliseconds > 0, row.examined > row.examinedBefore else { return nil }
        return Double(row.examined - row.examinedBefore) * 1000 / Double(milliseconds)
    }
    /// Seconds until it is done, at that pace; `nil` if that cannot be said.
    public var remainingSeconds: Int64? {
        guard row.state == .running, let perSecond, perSecond > 0 else { return nil }
        return Int64(Double(row.total - min(row.total, row.examined)) / perSecond)
    }
    /// How long the next step should wait to keep its rate.
    var pause: Duration {
        guard let rate = row.rate else { return .zero }
        let due = Double(row.examined - row.examinedBefore) / Double(rate)
        let spent = Double(row.updated.milliseconds - row.resumed.milliseconds) / 1000
        return .milliseconds(Int64(max(0, due - spent) * 1000))
    }
}

/// What may be done to a job.
public enum KeyJobChange: String, CaseIterable, Sendable {
    /// It waits.
    case pause
    /// It goes on where it was.
    case resume
    /// It is given up.
    case cancel
}

extension StoredKeyJob.Kind {
    /// The key whose old versions it empties.
    var key: KeyName {
        switch self {
        case .rewrap, .reencrypt: .kek
        case .reindex: .blindIndex
        case .reseal: .disclosure
        }
    }

    fileprivate var entryKind: EntryKind { self == .reencrypt ? .keyReencrypt : .keyRewrap }
}

extension Vault {
    /// Begins a job. It goes on in whatever instance calls ``advanceKeyJob()``.
    /// - Throws: ``VaultError/conflict(_:)`` while another one is neither done nor given up.
    public func beginKeyJob(
        _ request: KeyJobRequest, as caller: Caller, requestID: Reference
    ) async throws -> KeyJob {
        let random = random
        return try await manage(
            request.kind.entryKind, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.rewrap) }
        ) { transaction -> ManagedOutcome<KeyJob> in
            guard try transaction.store.unfinishedKeyJob() == nil else {
                return .failed(.conflict("key_job_unfinished"), "key_job_unfinished")
            }
            let key = request.kind.key
            guard
                let version = transaction.keyring.keys.first(where: {
                    $0.reference.name == key && $0.state == .active
                })?.reference.version
            else { throw VaultError.inconsistent("no_active_key") }
            let total =
                request.kind == .reseal
                ? try transaction.store.generalDisclosureCount() : try transaction.store.contactCount()
            let job = StoredKeyJob(
                id: try random.bytes(16), kind: request.kind, version: version, isDryRun: request.isDryRun,
                rate: request.rate, requester: transaction.callerName,
                created: transaction.now, total: total)
            try transaction.store.putKeyJob(job)
            try transaction.note(job, "begin")
            return .done(KeyJob(job))
        }
    }

    /// The last jobs, newest first.
    public func keyJobs(as caller: Caller, requestID: Reference) async throws -> [KeyJob] {
        try await manage(
            .keyRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.rewrap) }
        ) { transaction -> ManagedOutcome<[KeyJob]> in
            try transaction.log(.keyRead, about: nil) { $0.basis = "jobs" }
            return .done(try transaction.store.keyJobs(limit: 100).map { KeyJob($0) })
        }
    }

    /// How far a job is. What only counts has no entry for each look.
    /// - Throws: ``VaultError/notFound``.
    public func keyJob(_ id: KeyJobID) async throws -> KeyJob {
        guard let job = try await reading({ try $0.keyJob(id.bytes) }) else { throw VaultError.notFound }
        return KeyJob(job)
    }

    /// How far a job is, for a client: each request spends its proof, and has an entry.
    /// - Throws: ``VaultError/notFound``.
    public func keyJob(_ id: KeyJobID, as caller: Caller, requestID: Reference) async throws -> KeyJob {
        try await manage(
            .keyRead, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.rewrap) }
        ) { transaction -> ManagedOutcome<KeyJob> in
            guard let job = try transaction.store.keyJob(id.bytes) else {
                return .failed(.notFound, "not_found")
            }
            try transaction.log(.keyRead, about: nil) { $0.basis = "jobs" }
            return .done(KeyJob(job))
        }
    }

    /// Pauses, resumes or gives up a job. What it has changed stays changed, and needs no undoing: every state on the way is a good one.
    /// - Throws: ``VaultError/notFound``; ``VaultError/conflict(_:)`` for a change that its state does not have.
    @discardableResult
    public func changeKeyJob(
        _ id: KeyJobID, _ change: KeyJobChange, as caller: Caller, requestID: Reference
    ) async throws -> KeyJob {
        try await manage(
            .keyRewrap, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.rewrap) }
        ) { transaction -> ManagedOutcome<KeyJob> in
            guard var job = try transaction.store.keyJob(id.bytes) else {
                return .failed(.notFound, "not_found")
            }
            switch (change, job.state) {
            case (.pause, .running): job.state = .paused
            case (.resume, .paused):
                job.state = .running
                job.resumed = transaction.now
                job.examinedBefore = job.examined
            case (.cancel, .running), (.cancel, .paused): job.state = .cancelled
            default: return .failed(.conflict("key_job_state"), "key_job_state")
            }
            job.updated = transaction.now
            try transaction.store.putKeyJob(job)
            try transaction.note(job, change.rawValue)
            return .done(KeyJob(job))
        }
    }

    /// Does one step of the running job, waiting first if its rate wants it.
    /// - Returns: how far the job is then; `nil` if none is running.
    public func advanceKeyJob() async throws -> KeyJob? {
        guard let job = try await reading({ try $0.unfinishedKeyJob() }), job.state == .running else {
            return nil
        }
        let pace = keyJobPace.next(recorder.batches)
        try await Task.sleep(for: max(KeyJob(job).pause, pace.rest))
        let begun = ContinuousClock.now
        defer { keyJobPace.worked(ContinuousClock.now - begun) }
        let step = try await reading { try KeyJobStep(job, rows: pace.rows, $0) }
        let prepared = try await KeyJobPreparation.make(
            step, job, keyring: state.keyring, random: random, threads: pace.threads)
        let (state, random) = (state, random)
        let present = try await storing { transaction -> StoredKeyJob? in
            // Paused, given up or moved on meanwhile, in this or another process.
            guard var present = try transaction.keyJob(job.id), present.state == .running,
                present.cursor == job.cursor
            else { return try transaction.keyJob(job.id) }
            let done =
                job.isDryRun
                ? prepared.tally
                : try prepared.carryOut(transaction, keyring: state.keyring, random: random)
            present.cursor = step.cursor
            present.examined += UInt64(step.count)
            present.changed += UInt64(done.changed)
            present.unreadable += UInt64(done.unreadable)
            present.updated = max(transaction.now, present.updated)
            if step.isLast {
                present.state = .done
                var writer = try LogWriter(
                    transaction, contacts: [], keyring: state.keyring, source: state.instance, random: random)
                var draft = EntryDraft(present.kind.entryKind, .permit)
                draft.client = present.requester
                draft.policyVersion = state.policy.reference
                draft.describe(present, "end")
                try writer.add(draft)
                try writer.finish(transaction)
            }
            try transaction.putKeyJob(present)
            return present
        }
        return present.map { KeyJob($0) }
    }
}

extension ManagedTransaction {
    /// Gives up the job that brings things under a version that is taken out of use: it can be started again for the next.
    mutating func endJobs(for key: KeyName) throws {
        guard var job = try store.unfinishedKeyJob(), job.kind.key == key else { return }
        job.state = .cancelled
        job.updated = now
        try store.putKeyJob(job)
        try note(job, KeyJobChange.cancel.rawValue)
    }

    fileprivate mutating func note(_ job: StoredKeyJob, _ phase: String) throws {
        try log(job.kind.entryKind, about: nil) { $0.describe(job, phase) }
    }
}

extension EntryDraft {
    /// Which key, what happened to the job, the version that it brings things under, and how many it has changed.
    fileprivate mutating func describe(_ job: StoredKeyJob, _ phase: String) {
        basis = EntryCode(job.kind.key.name + "." + phase + (job.isDryRun ? ".dry" : ""))
        keyVersion = job.version
        count = job.changed
    }
}

/// How large the steps of a job are and how long it rests between them, so that releases beside it hardly notice: the writer and the
/// processor are theirs first.
final class KeyJobPace: Sendable {
    private struct State {
        var batches: UInt64 = 0
        var worked = Duration.zero
    }

    private let state = Mutex(State())

    /// Rows of a step while nothing else is asked of the vault.
    private static let alone = 512
    /// Rows of a step beside releases: about as long as one of their own transactions.
    private static let beside = 48

    /// Threads that wrap keys while nothing else is asked of the vault.
    private static let threads = min(4, ProcessInfo.processInfo.activeProcessorCount)

    /// The next step.
    /// - Parameter batches: batches of releases so far.
    func next(_ batches: UInt64) -> (rows: Int, rest: Duration, threads: Int) {
        state.withLock { state in
            defer { state.batches = batches }
            return batches == state.batches
                ? (Self.alone, .zero, Self.threads)
                : (Self.beside, min(state.worked * 2, .milliseconds(500)), 1)
        }
    }

    /// How long a step took.
    func worked(_ duration: Duration) { state.withLock { $0.worked = duration } }
}

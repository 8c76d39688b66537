// Group commit: requests that arrive while one transaction is synced form the next batch.
//
// One transaction decides and records a whole batch: replay, uses, the client's and the contact's standing, the policy,
// the entries, the new head. A permit leaves this file only after its entry is durable. If the store fails, it fails for the
// whole batch and nobody is released anything; if one row is damaged, the batch falls apart and only that request fails.

import AccessLog
import AccessToken
import ContactModel
import EnvelopeEncryption
import PurposePolicy
import StrictEncoding
import Synchronization
import VaultCrypto

/// One request for one contact, authenticated but not yet decided.
struct ReleaseAttempt: Sendable {
    /// Token and proof, verified.
    let access: VerifiedAccess
    /// The contact of the request path.
    let contact: ContactID
    /// The action of the request path.
    let action: Action
    /// The caller's request id or ours.
    let requestID: Reference
    /// What becomes of the proof.
    var proof = ProofSpending.spent

    /// How the proof of an attempt is spent.
    enum ProofSpending: Sendable {
        /// By this attempt.
        case spent
        /// By the first attempt of the request that this one belongs to, which stands before it.
        case sharedWithPrevious
        /// In an earlier transaction.
        case alreadySpent
    }
}

/// What became of an attempt, once it is durable.
enum RecordedOutcome: Sendable {
    /// Leave to open the record.
    case permitted(RecordedRelease)
    /// Refused, with an entry.
    case denied(DenialCode)
}

/// A recorded release: leave to open, once, and what is needed to do it.
final class RecordedRelease: Sendable {
    let id: ReleaseID
    let contact: ContactID
    let action: Action
    let receipt: EntryReceipt
    let attributes: [UInt8]
    let sealed: [UInt8]
    let uses: Int64
    let maximumUses: Int64
    let expires: Timestamp
    let isRedelivered: Bool
    /// The client, whose key a sealed field is encrypted to.
    let client: RegisteredClient
    /// The facts of the entry, for the entry of a failure to open.
    let draft: EntryDraft
    private let permit: Mutex<RecordedPermit?>

    /// Called after the commit, and only there: this is where a permit becomes one to open with.
    fileprivate init(committed pending: consuming PendingRelease) {
        id = pending.id
        contact = pending.contact.id
        action = pending.action
        receipt = pending.receipt
        attributes = pending.contact.attributes
        sealed = pending.contact.sealed
        uses = pending.uses
        maximumUses = pending.maximumUses
        expires = pending.expires
        isRedelivered = pending.isRedelivered
        client = pending.client
        draft = pending.draft
        permit = Mutex(RecordedPermit(recording: pending.permit, receipt: pending.receipt))
    }

    /// Takes the permit; `nil` the second time.
    func takePermit() -> RecordedPermit? { permit.withLock { $0.take() } }
}

/// A release that is decided and written, but not yet durable.
private struct PendingRelease: ~Copyable {
    let id: ReleaseID
    let contact: StoredContact
    let action: Action
    let receipt: EntryReceipt
    let uses: Int64
    let maximumUses: Int64
    let expires: Timestamp
    let isRedelivered: Bool
    let client: RegisteredClient
    let draft: EntryDraft
    let permit: ReleasePermit
}

/// Carries one decision out of the transaction. A class, because arrays hold no noncopyable values.
private final class DecidedAttempt: Sendable {
    enum Decided: ~Copyable, Sendable {
        case permitted(PendingRelease)
        case denied(DenialCode)
    }

    private let decided: Mutex<Decided?>

    init(_ decided: consuming Decided) { self.decided = Mutex(decided) }

    /// The outcome, after the commit.
    func recorded() -> RecordedOutcome? {
        guard let decided = decided.withLock({ $0.take() }) else { return nil }
        switch consume decided {
        case .permitted(let pending): return .permitted(RecordedRelease(committed: pending))
        case .denied(let code): return .denied(code)
        }
    }
}

/// Decides and records releases in batches.
final class AccessRecorder: Sendable {
    /// One request with its attempts, which are recorded in one transaction.
    private struct Waiting: Sendable {
        let attempts: [ReleaseAttempt]
        let continuation: CheckedContinuation<[Result<RecordedOutcome, VaultError>], any Error>
    }

    private struct Queue: Sendable {
        var waiting: [Waiting] = []
        /// Attempts of all that wait.
        var attempts = 0
        var isDraining = false
        /// Batches that were taken so far.
        var batches: UInt64 = 0
    }

    private let store: any VaultStore
    private let state: VaultState
    private let random: any RandomSource
    private let queue = Mutex(Queue())

    init(store: any VaultStore, state: VaultState, random: any RandomSource) {
        self.store = store
        self.state = state
        self.random = random
    }

    /// How many batches of releases there have been: who compares two answers knows whether it is alone.
    var batches: UInt64 { queue.withLock { $0.batches } }

    /// Decides the attempts of one request and records them; returns when the entries are durable.
    /// - Returns: for each attempt its outcome, or why it alone could not be decided.
    /// - Throws: ``VaultError/overloaded`` before anything was recorded; ``VaultError/logUnavailable(_:)`` and
    ///   ``VaultError/clockWentBack`` when nothing could be.
    func record(_ attempts: [ReleaseAttempt]) async throws -> [Result<RecordedOutcome, VaultError>] {
        try await withCheckedThrowingContinuation { continuation in
            let (isAccepted, mustDrain) = queue.withLock { queue -> (Bool, Bool) in
                guard queue.attempts + attempts.count <= Limits.queuedRequests else { return (false, false) }
                queue.waiting.append(Waiting(attempts: attempts, continuation: continuation))
                queue.attempts += attempts.count
                if queue.isDraining { return (true, false) }
                queue.isDraining = true
                return (true, true)
            }
            guard isAccepted else { return continuation.resume(throwing: VaultError.overloaded) }
            if mustDrain { Task { await drain() } }
        }
    }

    private func drain() async {
        while let batch = nextBatch() { await commit(batch) }
    }

    /// Whole requests, as many as fit into one transaction, and at least one.
    private func nextBatch() -> [Waiting]? {
        queue.withLock { queue in
            guard !queue.waiting.isEmpty else {
                queue.isDraining = false
                return nil
            }
            var count = 0
            var attempts = 0
            for waiting in queue.waiting {
                guard count == 0 || attempts + waiting.attempts.count <= Limits.batchRequests else { break }
                count += 1
                attempts += waiting.attempts.count
            }
            let batch = Array(queue.waiting.prefix(count))
            queue.waiting.removeFirst(count)
            queue.attempts -= attempts
            queue.batches += 1
            return batch
        }
    }

    private func commit(_ batch: [Waiting]) async {
        do {
            let decided = try await decide(batch.flatMap(\.attempts))
            var next = 0
            for waiting in batch {
                let outcomes = decided[next..<next + waiting.attempts.count].map {
                    decision -> Result<RecordedOutcome, VaultError> in
                    decision.recorded().map { .success($0) } ?? .failure(.inconsistent("outcome_taken"))
                }
                next += waiting.attempts.count
                waiting.continuation.resume(returning: outcomes)
            }
        } catch {
            let error = VaultError(storing: error)
            if batch.count > 1, error.concernsOneRecord {
                // One damaged row must not deny everyone who happens to be in its batch.
                for waiting in batch { await commit([waiting]) }
                return
            }
            for waiting in batch {
                guard error.concernsOneRecord else {
                    waiting.continuation.resume(throwing: error)
                    continue
                }
                waiting.continuation.resume(returning: await recordSingly(waiting.attempts))
            }
        }
    }

    /// Decides attempts each in a transaction of its own, because a row of one of them is damaged. The proof is spent by the
    /// first transaction that commits.
    private func recordSingly(_ attempts: [ReleaseAttempt]) async -> [Result<RecordedOutcome, VaultError>] {
        var outcomes: [Result<RecordedOutcome, VaultError>] = []
        for (index, attempt) in attempts.enumerated() {
            var attempt = attempt
            if index > 0 { attempt.proof = .alreadySpent }
            do {
                let decided = try await decide([attempt])
                outcomes.append(
                    decided.first?.recorded().map { .success($0) } ?? .failure(.inconsistent("outcome_taken"))
                )
            } catch {
                let error = VaultError(storing: error)
                if error.concernsOneRecord { await recordFailure(attempt, error) }
                outcomes.append(.failure(error))
            }
        }
        return outcomes
    }

    private func decide(_ attempts: [ReleaseAttempt]) async throws -> [DecidedAttempt] {
        let state = state
        let random = random
        return try await store.transaction { transaction in
            try state.requireUncontradicted()
            return try Self.decide(attempts, in: transaction, state: state, random: random)
        }
    }

    /// Spends the proof of an attempt that could not be decided and says so in the log, under the general key: the
    /// contact's own row may be what is damaged.
    private func recordFailure(_ attempt: ReleaseAttempt, _ error: VaultError) async {
        let state = state
        let random = random
        _ = try? await store.transaction { transaction in
            if case .spent = attempt.proof, let proof = attempt.access.proof {
                _ = try transaction.insertProofs([ProofUse(proof)])
            }
            var writer = try LogWriter(
                transaction, contacts: [], keyring: state.keyring, source: state.instance, random: random)
            var draft = EntryDraft(releasing: attempt)
            draft.outcome = .error
            draft.reason = error.entryCode
            try writer.add(draft)
            try writer.finish(transaction)
        }
    }

    // MARK: One batch

    private static func decide(
        _ attempts: [ReleaseAttempt], in transaction: any VaultTransaction, state: VaultState,
        random: any RandomSource
    ) throws -> [DecidedAttempt] {
        let keyring = state.keyring
        let policy = state.policy
        var writer = try LogWriter(
            transaction, contacts: attempts.map(\.contact), keyring: keyring, source: state.instance,
            random: random)
        let now = writer.time
        var batch = try BatchFacts(
            attempts, in: transaction, state: state, policy: policy.policy, tenant: keyring.tenant, now: now)

        var decided: [DecidedAttempt] = []
        decided.reserveCapacity(attempts.count)
        for (index, attempt) in attempts.enumerated() {
            var draft = EntryDraft(releasing: attempt)
            let contact = batch.contacts[attempt.contact]
            draft.disclosureKey = contact?.disclosureKey
            draft.policyVersion = policy.reference

            switch batch.judge(attempt, at: index) {
            case .denied(let code, let client):
                draft.outcome = .deny
                draft.reason = EntryCode(code)
                draft.agency = client?.agency
                try writer.add(draft)
                if code == .approvalMissing, let client,
                    try batch.requestApproval(attempt, client, random)
                {
                    var asked = EntryDraft(.approvalRequest, .permit)
                    asked.copyPlace(of: draft)
                    try writer.add(asked)
                }
                decided.append(DecidedAttempt(.denied(code)))

            case .permitted(let wide, let details, let client, let earlier):
                guard let contact else { throw VaultError.inconsistent("permit_without_contact") }
                // A record may lack a name or a relation; what leaves, and what the entry says, is what there is.
                let record = try? SealedRecord(parsing: contact.sealed)
                let held = wide.fields.filter { record?.holds($0) ?? true }
                guard !held.isEmpty else {
                    // A use is not spent on an answer without a field.
                    draft.outcome = .deny
                    draft.reason = EntryCode(.fieldNotAllowed)
                    draft.agency = client.agency
                    try writer.add(draft)
                    decided.append(DecidedAttempt(.denied(.fieldNotAllowed)))
                    continue
                }
                let permit = wide.narrowed(to: held)
                let useKey = batch.useKey(attempt)
                // A repetition is the use that it repeats.
                let uses = earlier?.use ?? batch.uses[useKey, default: 0] + 1
                draft.outcome = earlier == nil ? .permit : .redelivered
                draft.agency = client.agency
                draft.form = permit.form
                draft.fields = permit.fields
                draft.use = UInt64(uses)
                draft.maximumUses = UInt64(details.maximumUses)
                draft.generation = permit.generation
                draft.keyVersion = record?.kekVersion
                let (receipt, entryID) = try writer.add(draft)
                // The first release is named by its entry; a repetition keeps the name.
                guard let id = earlier?.release ?? ReleaseID(bytes: entryID.bytes) else {
                    throw VaultError.inconsistent("release_id")
                }
                if earlier == nil {
                    batch.spend(attempt, on: id, use: uses, form: permit.form, client: client, contact)
                    if batch.needsReview(attempt) {
                        var alert = EntryDraft(.emergencyAlert, .permit)
                        alert.copyPlace(of: draft)
                        try writer.add(alert)
                    }
                }
                decided.append(
                    DecidedAttempt(
                        .permitted(
                            PendingRelease(
                                id: id, contact: contact, action: attempt.action, receipt: receipt,
                                uses: uses,
                                maximumUses: details.maximumUses,
                                expires: attempt.access.token.claims.expires,
                                isRedelivered: earlier != nil, client: client, draft: draft,
                                permit: permit))))
            }
        }
        try batch.write(to: transaction)
        try writer.finish(transaction)
        return decided
    }
}

extension EntryDraft {
    /// The facts of a release that are known before it is decided.
    fileprivate init(releasing attempt: ReleaseAttempt) {
        self.init(.release, .deny)
        let claims = attempt.access.token.claims
        requestID = attempt.requestID
        client = claims.client
        bind(to: attempt.access.token)
        action = attempt.action
        contact = attempt.contact
        if case .contactAccess(let details) = claims.details {
            purpose = details.purpose
            fields = details.fields
            stage = details.stage
            precondition = details.precondition
            caseReference = details.caseReference
            actor = details.actor
        }
    }
}

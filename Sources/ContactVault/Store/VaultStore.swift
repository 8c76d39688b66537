// What a vault needs of its store: a consistent read, and one kind of transaction.
//
// Operations take arrays, so that a batch of requests costs a fixed number of statements (and, over a network, of round
// trips). No rule of the domain lives behind this protocol: a store keeps and finds, it never decides.

public import ContactModel

/// A durable, transactional place for records, tokens' uses and the access log.
///
/// Guarantee wanted of an implementation: when `transaction` returns, everything it wrote survives a crash of the process
/// and of the machine; transactions are serialised; a transaction that throws leaves nothing behind. The contract suite in
/// `VaultTesting` holds every implementation to it.
public protocol VaultStore: Sendable {
    /// Runs `body` in one read-write transaction and commits it durably.
    /// - Throws: what `body` throws, or ``StoreError``; nothing was written then.
    func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Result
    ) async throws -> Result

    /// Runs `body` on one consistent snapshot.
    func read<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Result
    ) async throws -> Result

    /// How many steps the schema has that it writes.
    var schema: Int { get }

    /// Writes one consistent snapshot of everything to a new file that only its owner may read, durably, while transactions go on.
    /// - Returns: the snapshot, opened for reading. Close it.
    /// - Throws: ``StoreError/conflict`` if there is such a file; ``StoreError``.
    func snapshot(to path: String) async throws -> any VaultStore

    /// Makes what was deleted unreadable in the store's files as well, logs and journals included, as far as nobody is reading
    /// there now.
    func expunge() async throws

    /// Finishes what is under way and releases files and locks.
    func close() async throws

    /// Whether other processes may have it open at the same time.
    var isShared: Bool { get }
}

/// Reads on one consistent snapshot.
public protocol VaultReader {
    /// The vault's identity and settings, `nil` before it was made.
    func identity() throws -> VaultIdentity?
    /// The highest epoch of a keyring that opened this vault; 0 before the first.
    func keyringEpoch() throws -> UInt64
    /// The policy text in force, `nil` before one was applied.
    func policy() throws -> StoredPolicy?

    /// Head of the access log.
    func logHead() throws -> LogHead
    /// The exact leaf bytes of a range of entries, in order. Shorter than the range where entries are missing.
    func logLeaves(_ range: Range<UInt64>) throws -> [[UInt8]]
    /// The sealed disclosures of a range of entries; entries without any are left out.
    func disclosures(_ range: Range<UInt64>) throws -> [UInt64: StoredDisclosures]
    /// Complete tiles of the tree at one level, in order; missing ones are left out.
    func tiles(level: UInt8, _ range: Range<UInt64>) throws -> [StoredTile]
    /// The newest checkpoint, `nil` before the first was signed.
    func latestCheckpoint() throws -> StoredCheckpoint?
    /// The newest checkpoint that a quorum of witnesses has cosigned, `nil` if there is none.
    func latestWitnessedCheckpoint() throws -> StoredCheckpoint?
    /// Index of the first entry whose leaf is still there: 0 unless retention removed some.
    func firstLeaf() throws -> UInt64
    /// Checkpoints whose size lies in a range, by size.
    func checkpoints(_ sizes: ClosedRange<UInt64>) throws -> [StoredCheckpoint]

    /// Contacts by id; unknown ones are left out.
    func contacts(_ ids: [ContactID]) throws -> [ContactID: StoredContact]
    /// All consents of these contacts, by purpose; contacts without any are left out.
    func consents(of contacts: [ContactID]) throws -> [ContactID: [StoredConsent]]
    /// What rows of contacts that are not erased hold of keys, in the store's own order: neighbours lie beside one another there.
    /// - Parameter cursor: what the call before gave; empty to begin.
    /// - Returns: the rows, fewer than `limit` at the end, and where to go on. Rows that are new since the beginning come last.
    func recordKeys(
        after cursor: [UInt8], limit: Int
    ) throws -> (rows: [StoredRecordKeys], cursor: [UInt8])
    /// How much is under each key version. Looks at every row of what is asked for, and leaves the rest out.
    func keyUsage(
        _ places: StoredKeyPlaces, of subjects: Set<StoredKeyUsage.Subject>
    ) throws -> StoredKeyUsage
    /// Disclosures that concern no stored contact, by position, from one on.
    func generalDisclosures(from: UInt64, limit: Int) throws -> [(index: UInt64, sealed: [UInt8])]
    /// How many disclosures concern no stored contact.
    func generalDisclosureCount() throws -> UInt64
    /// A job by its name.
    func keyJob(_ id: [UInt8]) throws -> StoredKeyJob?
    /// The last jobs, newest first.
    func keyJobs(limit: Int) throws -> [StoredKeyJob]
    /// The job that is neither done nor given up; there is one at most.
    func unfinishedKeyJob() throws -> StoredKeyJob?
    /// What instances have loaded.
    func instances() throws -> [StoredInstance]
    /// How many contacts there are.
    func contactCount() throws -> UInt64
    /// How many entries about each contact there are, and the last of them; contacts without any are left out.
    func sequences(_ contacts: [ContactID]) throws -> [ContactID: EntrySequence]
    /// Contacts that must be kept for now; others are left out.
    func legalHolds(of contacts: [ContactID]) throws -> [ContactID: StoredLegalHold]
    /// Contacts whose day of retention is before a day and that are not erased, by that day.
    /// - Parameter day: `YYYY-MM-DD`.
    func contactsPastRetention(_ day: String, limit: Int) throws -> [StoredContact]

    /// The borrower's authorisations of these contacts; contacts without one are left out.
    func authorisations(of contacts: [ContactID]) throws -> [ContactID: StoredAuthorisation]
    /// Offers, requests and complaints by name; unknown ones are left out.
    func contactReferences(
        _ keys: [ContactReferenceKey]
    ) throws -> [ContactReferenceKey: StoredContactReference]
    /// Places on the stop list by blind index; numbers that are not on it are left out.
    func suppressions(_ numbers: [[UInt8]]) throws -> [[UInt8]: StoredSuppression]
    /// Places on the stop list, by blind index, from after one on.
    func suppressions(after: [UInt8]?, limit: Int) throws -> [StoredSuppression]
    /// Contacts whose number has one of these blind indexes.
    func contacts(withNumbers numbers: [[UInt8]]) throws -> [ContactID]

    /// Releases by id; unknown ones are left out.
    func releases(_ ids: [ReleaseID]) throws -> [ReleaseID: StoredRelease]
    /// Releases that a key names, from a moment on, oldest first; keys without any are left out.
    func releaseHistory(_ keys: [HistoryKey: Timestamp]) throws -> [HistoryKey: [StoredRelease]]
    /// How many outcomes of an actor are poor or missing, counted up to a limit.
    /// - Parameters:
    ///   - since: outcomes reported, and outcomes missed, from this moment on.
    ///   - now: a release whose ``StoredRelease/outcomeDue`` is not after it misses its outcome.
    func poorOutcomes(
        of actors: [[UInt8]], since: Timestamp, now: Timestamp, limit: Int64
    ) throws -> [[UInt8]: Int64]
    /// Releases whose outcome was due before a moment and is missing, oldest first.
    func overdueReleases(before: Timestamp, limit: Int) throws -> [StoredRelease]
    /// Requests so far; keys without any are left out.
    func requestCounts(_ keys: [RequestCountKey]) throws -> [RequestCountKey: Int64]
    /// Distinct numbers so far, for every key.
    func distinctNumbers(_ keys: [DistinctNumberKey]) throws -> [DistinctNumberKey: DistinctNumbers]

    /// Approvals of these operations that are not used up, newest first.
    func approvals(of operations: [[UInt8]]) throws -> [[UInt8]: [StoredApproval]]
    /// Approvals of an operation that were used up, newest first.
    func usedApprovals(of operation: [UInt8]) throws -> [StoredApproval]
    /// An approval by its name.
    func approval(_ id: [UInt8]) throws -> StoredApproval?
    /// Approvals that wait for a yes at a moment, oldest first.
    func pendingApprovals(at now: Timestamp) throws -> [StoredApproval]
    /// Reviews, oldest first.
    /// - Parameter openOnly: leave out those that are closed.
    func reviews(openOnly: Bool) throws -> [StoredReview]

    /// All registered clients.
    func clients() throws -> [StoredClient]
    /// Revision of each client's registration; unknown ones are left out.
    func clientRevisions(_ ids: [Reference]) throws -> [Reference: UInt64]

    /// Entrustments of these agencies; agencies without one are left out.
    func entrustments(of agencies: [Reference]) throws -> [Reference: Entrustment]
    /// Every entrustment, by agency.
    func entrustments() throws -> [Entrustment]
    /// Registered copies of the store, forgotten ones included, oldest first.
    func backups() throws -> [StoredBackup]
    /// When key versions came into their present state; versions that never changed are left out.
    func keyChanges() throws -> [StoredKeyChange]

    /// Revocations by what they revoke; what is not revoked is left out.
    func revocations(_ keys: [RevocationKey]) throws -> [RevocationKey: StoredRevocation]
    /// Uses of tokens so far; tokens never used are left out.
    func tokenUses(_ keys: [TokenUseKey]) throws -> [TokenUseKey: Int64]
    /// Earlier deliveries that a retry may repeat; unknown ones are left out.
    func deliveries(_ keys: [DeliveryKey]) throws -> [DeliveryKey: Delivery]
    /// The outcome of an earlier request with the same idempotency key, `nil` if there was none.
    func idempotentResult(_ key: IdempotencyKey) throws -> IdempotentResult?
}

/// Reads and writes of one transaction.
public protocol VaultTransaction: VaultReader {
    /// The clock that decides: one moment for the whole transaction.
    var now: Timestamp { get }

    /// Stores the identity of a new vault.
    func putIdentity(_ identity: VaultIdentity) throws
    /// Remembers the epoch of the keyring.
    func putKeyringEpoch(_ epoch: UInt64) throws
    /// Writes without changing anything: succeeds if the next write would.
    func probe() throws
    /// Stores a policy and makes it the one in force.
    func putPolicy(_ policy: StoredPolicy) throws

    /// Appends entries, complete tiles and the new head.
    /// - Throws: ``StoreError/conflict`` unless the batch begins at the present head.
    func append(_ batch: LogBatch) throws
    /// Stores a checkpoint, or the same one with cosignatures.
    func putCheckpoint(_ checkpoint: StoredCheckpoint) throws
    /// Removes the leaves before an index and what they disclose, and the checkpoints before it but the last. Tiles stay, and
    /// so every proof can still be made.
    /// - Throws: ``StoreError/conflict`` unless the index is a multiple of 256, above ``VaultReader/firstLeaf()`` and in the log.
    func removeLeaves(before index: UInt64) throws

    /// Stores new contacts.
    /// - Throws: ``StoreError/conflict`` if one exists.
    func insertContacts(_ contacts: [StoredContact]) throws
    /// Replaces a contact if its generation is still the expected one; `false` if it is not.
    func replaceContact(_ contact: StoredContact, expecting generation: UInt64) throws -> Bool
    /// Replaces sealed records and disclosure keys where both are still the expected ones, byte for byte; for each whether it was.
    func replaceKeys(_ changes: [(before: StoredRecordKeys, after: StoredRecordKeys)]) throws -> [Bool]
    /// Gives numbers another blind index, wherever they stand: contacts, releases, the stop list. Where both stand on the stop list,
    /// they become one place, from the earlier no on. Counts of a day stay.
    func moveNumbers(_ moves: [StoredNumberMove]) throws
    /// Replaces the sealed disclosures of entries that have some.
    func replaceDisclosures(_ sealed: [UInt64: [UInt8]]) throws
    /// Sets a job.
    /// - Throws: ``StoreError/conflict`` if another one is neither done nor given up.
    func putKeyJob(_ job: StoredKeyJob) throws
    /// Says what an instance has loaded.
    func putInstance(_ instance: StoredInstance) throws
    /// Forgets an instance, or all.
    func removeInstance(_ name: Reference?) throws
    /// Sets or changes consents.
    func putConsents(_ consents: [StoredConsent]) throws
    /// Takes away what a contact's row holds (sealed record, keys, index, attributes) and its consents, authorisation and
    /// references, and the disclosures of the entries about it. The row stays, in state `erased`. Releases, and places on the
    /// stop list, stay as they are.
    /// - Throws: ``StoreError/conflict`` if there is no such contact.
    func eraseContact(_ contact: ContactID) throws
    /// Sets the stop flag and the state of a contact.
    func putStanding(_ contact: ContactID, state: RecordState, stopped: Timestamp?) throws
    /// Sets or changes an authorisation.
    func putAuthorisation(_ authorisation: StoredAuthorisation) throws
    /// Records offers, requests and complaints; one that is already recorded stays as it is.
    func insertContactReferences(_ references: [ContactReferenceKey: StoredContactReference]) throws
    /// Sets places on the stop list.
    func putSuppressions(_ suppressions: [StoredSuppression]) throws
    /// Takes a place from the stop list.
    func removeSuppression(_ number: [UInt8]) throws
    /// Records releases.
    func insertReleases(_ releases: [StoredRelease]) throws
    /// Records what came of a release.
    func putOutcome(_ outcome: ReleaseOutcome, at time: Timestamp, of release: ReleaseID) throws
    /// Sets counts of requests.
    func putRequestCounts(_ counts: [RequestCountKey: Int64]) throws
    /// Adds numbers to the distinct numbers of a day; one that is there already changes nothing.
    func addDistinctNumbers(_ keys: [DistinctNumberKey]) throws
    /// Sets approvals.
    func putApprovals(_ approvals: [StoredApproval]) throws
    /// Sets reviews.
    func putReviews(_ reviews: [StoredReview]) throws
    /// Sets sequence numbers.
    func putSequences(_ sequences: [ContactID: EntrySequence]) throws
    /// Sets a legal hold.
    func putLegalHold(_ hold: StoredLegalHold) throws
    /// Takes a legal hold away.
    func removeLegalHold(of contact: ContactID) throws

    /// Registers a client or replaces its registration.
    func putClient(_ client: StoredClient) throws

    /// Sets the entrustment of an agency.
    func putEntrustment(_ entrustment: Entrustment) throws
    /// Registers a copy of the store, or changes what is known of it.
    func putBackup(_ backup: StoredBackup) throws
    /// Gives the log another name. What witnesses have cosigned under the name before does not count as witnessed any more.
    func putLogOrigin(_ origin: String) throws
    /// Sets when a key version came into a state.
    func putKeyChange(_ change: StoredKeyChange) throws

    /// Remembers proofs; for each whether it was new. A proof twice in one call is new once.
    func insertProofs(_ proofs: [ProofUse]) throws -> [Bool]
    /// Sets revocations.
    func putRevocations(_ revocations: [RevocationKey: StoredRevocation]) throws
    /// Sets the uses of tokens.
    func putTokenUses(_ uses: [TokenUseKey: Int64]) throws
    /// Remembers deliveries.
    func putDeliveries(_ deliveries: [DeliveryKey: Delivery]) throws
    /// Remembers an idempotent result.
    func putIdempotentResult(_ result: IdempotentResult, for key: IdempotencyKey) throws
    /// Forgets proofs, uses, deliveries, revocations and idempotent results that expired before a moment, counts of requests of minutes
    /// before it, and distinct numbers of days that were over two days before it: calendars are up to fourteen hours apart.
    func purgeExpired(before: Timestamp) throws
}

/// Failures of a store that a caller can tell apart.
public enum StoreError: Error, Equatable, Sendable {
    /// The store cannot be written or read now: disk full, I/O error, connection lost. The payload is a short code.
    case unavailable(String)
    /// What the transaction was based on has changed.
    case conflict
    /// Another process holds the store.
    case locked
    /// The store was written by a newer version; the payload is its schema version.
    case newerVersion(Int)
    /// There is no vault at this place.
    case missing
    /// A stored value does not parse; the payload names the table.
    case corrupt(String)
}

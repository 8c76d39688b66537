// The front door. A release reads top-down here: verify, record, open, give.

import AccessLog
public import AccessToken
public import ContactModel
public import EnvelopeEncryption
import Foundation
import PurposePolicy
import StrictEncoding
import Synchronization
public import VaultCrypto

/// A vault of stop-collection contacts: keys, policy, access log and store, opened.
///
/// Guarantees: a number is decrypted only after the entry about it is durable; what an entry cannot be written for is not
/// done; the purpose comes from a token that this vault signed, or an issuer that it was told to trust, never from the caller.
public final class Vault: Sendable {
    /// Who this vault is.
    public let identity: VaultIdentity
    /// Where its rows are.
    let store: any VaultStore
    let state: VaultState
    let random: any RandomSource
    /// The clock of token checks; what is decided and written goes by the store's.
    let clock: @Sendable () -> Timestamp
    /// Where the keyring is kept; `nil` if it cannot be changed here.
    let keyringStorage: KeyringStorage?
    let trustedIssuers: [TrustedIssuer]
    let checkpoints: CheckpointPublisher
    /// Witnesses of the log; `nil` for none.
    let witnessing: Witnessing?
    let witnessPositions = WitnessPositions()
    let unauthenticated = UnauthenticatedCount()
    let recorder: AccessRecorder
    let keyJobPace = KeyJobPace()

    /// Path of the token endpoint, which proofs for it name.
    public static let tokenPath = "/oauth2/token"
    /// Schema of the sealed records: phone, name, relation and the digest of the clear attributes.
    static let recordSchema: UInt16 = 1

    // MARK: Making and opening

    /// Makes a new vault in an empty store: identity, policy, and the first entries of its log.
    /// - Parameters:
    ///   - issuer: origin of the service, `https://host[:port]` (`http` for loopback), without a path.
    ///   - policy: the policy's YAML text; `file` is the name that messages give it.
    ///   - calendars: texts of the holiday calendars that the policy names, by name.
    /// - Throws: ``VaultError/inconsistent(_:)`` if the store already holds a vault or the issuer is no origin;
    ///   `ConfigurationFault` if the policy does not parse.
    public static func create(
        in store: any VaultStore, keyring: Keyring, issuer: String, policy: String,
        file: String = "policy.yaml", calendars: [String: String] = [:],
        instance: Reference, random: any RandomSource = SystemRandom()
    ) async throws {
        guard let origin = ExternalOrigin(issuer), origin.text == issuer else {
            throw VaultError.inconsistent("issuer_is_not_an_origin")
        }
        let parsed = try PolicyInForce(text: policy, file: file, calendars: calendars)
        let host = issuer.split(separator: "/").last.map(String.init) ?? issuer
        try await store.transaction { transaction in
            guard try transaction.identity() == nil else {
                throw VaultError.inconsistent("store_holds_a_vault")
            }
            try transaction.putIdentity(
                VaultIdentity(
                    tenant: keyring.tenant, issuer: issuer, logOrigin: host + "/access-log",
                    created: transaction.now))
            try transaction.putPolicy(
                StoredPolicy(
                    version: parsed.reference.text, text: policy, calendars: calendars,
                    applied: transaction.now))
            var writer = try LogWriter(
                transaction, contacts: [], keyring: keyring, source: instance, random: random)
            try writer.add(EntryDraft(.vaultInit, .permit))
            var applied = EntryDraft(.policyApply, .permit)
            applied.policyVersion = parsed.reference
            try writer.add(applied)
            try writer.finish(transaction)
            // Signed at birth: from then on a log without a checkpoint is one whose checkpoints were taken away.
            let publisher = CheckpointPublisher(last: nil, witnessed: nil, memory: nil)
            let signer = try CheckpointSigner(origin: host + "/access-log", keys: keyring.logSigningKeys)
            if let first = try publisher.sign(
                try transaction.logHead(), by: signer, in: transaction, now: transaction.now)
            {
                try transaction.putCheckpoint(first)
            }
        }
    }

    /// Opens a vault for serving: runs the self-tests, checks that keys and store belong together, appends a start
    /// entry and signs a checkpoint.
    /// - Parameters:
    ///   - storage: where the keyring is kept; without it, keys cannot be changed through this vault.
    ///   - memory: where the signer of the log remembers what it signed; without it, it believes the store.
    ///   - witnessing: witnesses of the log. Those that answer are asked before anything is written.
    ///   - instance: the name under which this process writes entries.
    ///   - trustedIssuers: other authorization servers whose tokens are accepted; none by default.
    ///   - clock: the clock of token checks.
    /// - Throws: ``StoreError/missing`` if the store holds no vault, ``VaultError`` otherwise.
    public static func open(
        store: any VaultStore, keyring: Keyring, storage: KeyringStorage? = nil,
        memory: CheckpointMemory? = nil, witnessing: Witnessing? = nil, instance: Reference,
        trustedIssuers: [TrustedIssuer] = [], random: any RandomSource = SystemRandom(),
        clock: @escaping @Sendable () -> Timestamp = Vault.systemClock
    ) async throws -> Vault {
        try CryptoSelfTest.run()
        try Self.requireAlgorithms(of: keyring.keys.compactMap(\.suite))
        let (identity, policy, signed, keys) = try await store.read { reader in
            guard let identity = try reader.identity(), let policy = try reader.policy() else {
                throw StoreError.missing
            }
            guard identity.tenant == keyring.tenant else {
                throw VaultError.inconsistent("keyring_of_another_vault")
            }
            let keys = try LoadedKeys(keyring, identity, trusted: trustedIssuers)
            let signed = try SignedBefore(in: reader, memory: memory, verifiers: keys.logVerifiers)
            return (identity, policy, signed, keys)
        }
        let vault = try Vault(
            store: store, keys: keys, storage: storage, trusted: trustedIssuers, identity: identity,
            checkpoints: CheckpointPublisher(last: signed.last, witnessed: signed.witnessed, memory: memory),
            witnessing: witnessing,
            policy: PolicyInForce(text: policy.text, file: "policy", calendars: policy.calendars),
            instance: instance, random: random, clock: clock)
        if let witnessing { _ = try await vault.ask(witnessing, signed.last) }
        // The keyring's epoch only rises: a lower one is an old copy, with keys that were taken away since.
        let isShared = store.isShared
        let known = try await vault.storing { transaction in
            let known = try transaction.keyringEpoch()
            guard keyring.epoch >= known else { throw VaultError.inconsistent("keyring_older_than_the_log") }
            try transaction.putKeyringEpoch(keyring.epoch)
            // Who else has the store open says so by itself.
            if !isShared { try transaction.removeInstance(nil) }
            try transaction.putInstance(
                StoredInstance(name: instance, epoch: keyring.epoch, seen: transaction.now))
            return known
        }
        // Changed by a process that was killed between the keyring's file and the entry about it.
        if known > 0, keyring.epoch > known { try await vault.recordFoundKeys(keyring) }
        var started = EntryDraft(.serviceStart, .permit)
        started.generation = keyring.epoch
        if signed.isMemoryNew { started.basis = "signer.memory_new" }
        try await vault.record(started)
        for issuer in trustedIssuers {
            var trusted = EntryDraft(.issuerTrust, .permit)
            trusted.trustedIssuer = issuer.name
            try await vault.record(trusted)
        }
        try await vault.publishCheckpoint()
        return vault
    }

    /// The clock of the system, UTC.
    public static let systemClock: @Sendable () -> Timestamp = { Timestamp(Date()) }

    private init(
        store: any VaultStore, keys: LoadedKeys, storage: KeyringStorage?, trusted: [TrustedIssuer],
        identity: VaultIdentity, checkpoints: CheckpointPublisher, witnessing: Witnessing?,
        policy: PolicyInForce, instance: Reference, random: any RandomSource,
        clock: @escaping @Sendable () -> Timestamp
    ) throws {
        self.identity = identity
        self.store = store
        self.random = random
        self.clock = clock
        keyringStorage = storage
        trustedIssuers = trusted
        state = VaultState(instance: instance, keys: keys, policy: policy)
        recorder = AccessRecorder(store: store, state: state, random: random)
        self.checkpoints = checkpoints
        self.witnessing = witnessing
    }

    /// Appends what is counted and a stop entry, signs a last checkpoint, and closes the store.
    /// - Throws: ``VaultError`` if the last entries could not be written; the store is closed all the same.
    public func close() async throws {
        do {
            try await recordUnauthenticated()
            try await record(EntryDraft(.serviceStop, .permit))
            try await publishCheckpoint()
        } catch {
            // A full disk must not keep the lock: the next process could not open the store.
            try? await store.close()
            throw error
        }
        try await store.close()
    }

    // MARK: Releasing

    /// Verifies the credentials of a request (`docs/spec/access-token.md`).
    /// - Parameters:
    ///   - authorization: every value of the `Authorization` field.
    ///   - proof: every value of the `DPoP` field.
    ///   - method: the request's method.
    ///   - path: the request's path, without query.
    ///   - certificate: what the client showed on this connection, verified; `nil` if nothing.
    /// - Throws: ``VaultError/token(_:)``. The refusal is counted for the log.
    public func verify(
        authorization: [String], proof: [String], method: String, path: String,
        certificate: ClientCertificate? = nil
    ) async throws(VaultError) -> VerifiedAccess {
        func verified() throws(TokenError) -> VerifiedAccess {
            try state.keys.accessVerifier.verify(
                authorization: authorization, dpop: proof, method: method, path: path,
                certificate: certificate, now: clock())
        }
        var refusal: TokenError
        do throws(TokenError) {
            let access = try verified()
            if access.token.trustedIssuer != nil { refreshOldKeys(of: access.token.claims.issuer) }
            return access
        } catch {
            refusal = error
        }
        // A trusted issuer may have a new key.
        if refusal == .invalidToken(.keyUnknown), await refreshTrustedKeys() {
            do throws(TokenError) { return try verified() } catch { refusal = error }
        }
        unauthenticated.count(refusal)
        throw .token(refusal)
    }

    /// Fetches an issuer's key set again if it is old, beside the request.
    private func refreshOldKeys(of issuer: String) {
        let now = clock()
        for trusted in trustedIssuers where trusted.issuer == issuer && trusted.keys.isOld(at: now) {
            Task { await trusted.keys.refresh(now: now) }
        }
    }

    /// Fetches the key sets of trusted issuers, each at most once a minute.
    /// - Returns: whether there is a new key.
    func refreshTrustedKeys() async -> Bool {
        var isNew = false
        for issuer in trustedIssuers where await issuer.keys.refresh(now: clock()) { isNew = true }
        return isNew
    }

    /// Releases a contact's fields to one action, as the token, the policy and the contact's standing allow.
    ///
    /// Returns only after the entry is durable; a denial has its entry too. A repetition with the same request id, key and
    /// token within 30 s is answered again without a new use.
    /// - Throws: ``VaultError``; nothing was released then.
    public func release(
        _ contact: ContactID, to action: Action, access: VerifiedAccess, requestID: Reference
    ) async throws -> Release {
        let attempt = ReleaseAttempt(access: access, contact: contact, action: action, requestID: requestID)
        guard let outcome = try await recorder.record([attempt]).first else {
            throw VaultError.inconsistent("no_outcome")
        }
        return try await release(try outcome.get())
    }

    /// Releases the contacts of a token that names several, each decided and logged for itself: what is refused for one
    /// spoils nothing for the others. One proof pays for all; they are recorded in one transaction.
    /// - Parameter give: called for each contact, in the token's order, with what became of it. A release is given when its
    ///   entry is durable and let go when `give` returns.
    /// - Throws: ``VaultError`` if nothing was decided for any, such as for a replayed proof.
    public func releaseAll(
        to action: Action, access: VerifiedAccess, requestID: Reference,
        _ give: (ContactID, consuming BatchOutcome) throws -> Void
    ) async throws {
        guard case .contactAccess(let details) = access.details,
            case .several(let contacts) = details.selection
        else {
            _ = try await recordMalformed(.release, as: .client(access), requestID: requestID)
            throw VaultError.token(.insufficientScope)
        }
        let attempts = contacts.enumerated().map { index, contact in
            ReleaseAttempt(
                access: access, contact: contact, action: action, requestID: requestID,
                proof: index == 0 ? .spent : .sharedWithPrevious)
        }
        let outcomes = try await recorder.record(attempts)
        for case .success(.denied(let code)) in outcomes where code.concernsWholeRequest {
            throw VaultError.denied(code)
        }
        for (contact, outcome) in zip(contacts, outcomes) {
            do {
                try give(contact, .released(try await release(try outcome.get())))
            } catch let error as VaultError {
                try give(contact, .failed(error))
            }
        }
    }

    private func release(_ outcome: RecordedOutcome) async throws -> Release {
        switch outcome {
        case .denied(let code):
            throw VaultError.denied(code)
        case .permitted(let recorded):
            guard let permit = recorded.takePermit() else { throw VaultError.inconsistent("permit_taken") }
            do {
                let record = try state.keyring.open(
                    SealedRecord(parsing: recorded.sealed), schema: Self.recordSchema,
                    binding: recorded.attributes, consuming: permit)
                return try Release(recorded, giving: record, random: random)
            } catch let error as VaultError {
                try await recordFailure(of: recorded, error.entryCode)
                throw error
            } catch let error as EnvelopeError {
                try await recordFailure(of: recorded, EntryCode(error.code) ?? "record_unreadable")
                throw VaultError.recordUnreadable(error.code)
            }
        }
    }

    /// The entry of the permit stands; this one says that nothing came of it.
    private func recordFailure(of recorded: RecordedRelease, _ code: EntryCode) async throws {
        var failure = recorded.draft
        failure.outcome = .error
        failure.reason = code
        try await record(failure)
    }

    // MARK: Keys and metadata

    /// Public keys under which tokens may be signed.
    public var tokenKeys: [PublicJWK] { state.keyring.tokenVerificationKeys.map { PublicJWK($0) } }
    /// What each key of the keyring is, without secrets.
    public var keys: [KeyDescription] { state.keyring.keys }
    /// Version of the policy in force.
    public var policyVersion: String { state.policy.reference.text }
    /// The audience of every token.
    public var audience: String { state.keys.tokenIssuer.audience }

    /// Appends one entry in a transaction of its own.
    @discardableResult
    func record(_ draft: EntryDraft) async throws -> EntryReceipt {
        let state = state
        let random = random
        try state.requireUncontradicted()
        do {
            return try await store.transaction { transaction in
                var writer = try LogWriter(
                    transaction, contacts: draft.contact.map { [$0] } ?? [], keyring: state.keyring,
                    source: state.instance, random: random)
                var draft = draft
                draft.policyVersion = draft.policyVersion ?? state.policy.reference
                let receipt = try writer.add(draft).receipt
                try writer.finish(transaction)
                return receipt
            }
        } catch {
            throw VaultError(storing: error)
        }
    }
}

extension PolicyInForce {
    /// Parses a policy.
    init(text: String, file: String, calendars: [String: String]) throws {
        policy = try Policy.parse(text: text, file: file, calendars: calendars)
        guard let reference = Reference(policy.version) else {
            throw VaultError.inconsistent("policy_version")
        }
        self.reference = reference
    }
}

extension VaultError {
    /// Whether other requests of a batch may fare better alone.
    var concernsOneRecord: Bool {
        switch self {
        case .logUnavailable, .clockWentBack, .overloaded: false
        default: true
        }
    }

    /// The code of an entry about this error.
    var entryCode: EntryCode {
        switch self {
        case .recordUnreadable(let code): EntryCode(code) ?? "record_unreadable"
        case .storeCorrupt: "store_corrupt"
        case .cryptographyUnavailable: "cryptography_unavailable"
        default: "internal"
        }
    }

    /// An error out of a store's transaction, as the vault's.
    init(storing error: any Error) {
        switch error {
        case let error as VaultError: self = error
        case StoreError.corrupt(let table): self = .storeCorrupt(table)
        case StoreError.unavailable(let code): self = .logUnavailable(code)
        case StoreError.conflict: self = .logUnavailable("conflict")
        case StoreError.locked: self = .logUnavailable("locked")
        case is CryptoError: self = .cryptographyUnavailable
        case let error as EnvelopeError: self = .recordUnreadable(error.code)
        default: self = .logUnavailable("unexpected")
        }
    }
}

// What requests read and admins replace: keyring, policy and clients, each swapped whole.

import AccessLog
import AccessToken
import ContactModel
import EnvelopeEncryption
import PurposePolicy
import Synchronization

/// The policy in force with the form of its version that entries carry.
struct PolicyInForce: Sendable {
    let policy: Policy
    let reference: Reference
}

/// A keyring, and what verifies and signs with its keys: made together, so that no request sees two keyrings.
struct LoadedKeys: Sendable {
    let keyring: Keyring
    let tokenIssuer: TokenIssuer
    let tokenVerifier: TokenVerifier
    let proofVerifier: DPoPVerifier
    let accessVerifier: AccessVerifier
    let checkpointSigner: CheckpointSigner
    /// Keys under which checkpoints may have been signed, the active one first.
    let logVerifiers: [NoteVerifier]

    /// - Throws: `LogError` if the log's name may not stand in a note.
    init(_ keyring: Keyring, _ identity: VaultIdentity, trusted: [TrustedIssuer]) throws {
        guard let origin = ExternalOrigin(identity.issuer) else { throw VaultError.inconsistent("issuer") }
        let issuer = identity.issuer
        let log = identity.logOrigin
        self.keyring = keyring
        let audience = issuer + "/v1"
        tokenIssuer = TokenIssuer(issuer: issuer, audience: audience, key: keyring.tokenSigningKey)
        tokenVerifier = TokenVerifier(
            issuer: issuer, audience: audience, keys: keyring.tokenVerificationKeys, trusted: trusted)
        proofVerifier = DPoPVerifier(origin: origin, nonces: DPoPNonceAuthority(keys: keyring.dpopNonceKeys))
        accessVerifier = AccessVerifier(tokens: tokenVerifier, proofs: proofVerifier)
        checkpointSigner = try CheckpointSigner(origin: log, keys: keyring.logSigningKeys)
        logVerifiers = try keyring.logVerificationKeys.map { try NoteVerifier(name: log, key: $0) }
    }
}

/// The vault's replaceable values. A request takes each once and keeps it to its end, so it never sees half a change.
final class VaultState: Sendable {
    /// Name of this instance in the log.
    let instance: Reference
    /// Registered clients.
    let clients: ClientRegistry
    /// Rules of time zones, from the system's database.
    let timeZones = TimeZoneDatabase.system
    /// Parsed attributes of contacts.
    let attributes = AttributeCache()
    private let current: Mutex<(keys: LoadedKeys, policy: PolicyInForce)>
    private let contradiction = Mutex<String?>(nil)
    /// Whether something was erased that may still stand in the store's files.
    let mustExpunge = Mutex(false)

    init(instance: Reference, keys: LoadedKeys, policy: PolicyInForce) {
        self.instance = instance
        clients = ClientRegistry()
        current = Mutex((keys, policy))
    }

    var keys: LoadedKeys { current.withLock { $0.keys } }
    var keyring: Keyring { current.withLock { $0.keys.keyring } }
    var policy: PolicyInForce { current.withLock { $0.policy } }

    /// The witness that has seen another log than this one; `nil` for none.
    var contradictingWitness: String? { contradiction.withLock { $0 } }

    /// From now on nothing is written, and so nothing released.
    func contradict(by witness: String) { contradiction.withLock { $0 = $0 ?? witness } }

    /// - Throws: ``VaultError/logUnavailable(_:)`` once a witness has contradicted the log.
    func requireUncontradicted() throws(VaultError) {
        if contradictingWitness != nil { throw .logUnavailable("contradicted_by_a_witness") }
    }

    func replace(policy: PolicyInForce) { current.withLock { $0.policy = policy } }

    /// Keys only go forward: two changes that end at once leave the later.
    func replace(keys: LoadedKeys) {
        current.withLock { if $0.keys.keyring.epoch < keys.keyring.epoch { $0.keys = keys } }
    }
}

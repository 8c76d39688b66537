// What requests read and admins replace: keyring, policy and clients, each swapped whole.

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

    init(_ keyring: Keyring, issuer: String, origin: ExternalOrigin, trusted: [TrustedIssuer]) {
        self.keyring = keyring
        let audience = issuer + "/v1"
        tokenIssuer = TokenIssuer(issuer: issuer, audience: audience, key: keyring.tokenSigningKey)
        tokenVerifier = TokenVerifier(
            issuer: issuer, audience: audience, keys: keyring.tokenVerificationKeys, trusted: trusted)
        proofVerifier = DPoPVerifier(origin: origin, nonces: DPoPNonceAuthority(key: keyring.dpopNonceKey))
        accessVerifier = AccessVerifier(tokens: tokenVerifier, proofs: proofVerifier)
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

    init(instance: Reference, keys: LoadedKeys, policy: PolicyInForce) {
        self.instance = instance
        clients = ClientRegistry()
        current = Mutex((keys, policy))
    }

    var keys: LoadedKeys { current.withLock { $0.keys } }
    var keyring: Keyring { current.withLock { $0.keys.keyring } }
    var policy: PolicyInForce { current.withLock { $0.policy } }

    func replace(policy: PolicyInForce) { current.withLock { $0.policy = policy } }

    /// Keys only go forward: two changes that end at once leave the later.
    func replace(keys: LoadedKeys) {
        current.withLock { if $0.keys.keyring.epoch < keys.keyring.epoch { $0.keys = keys } }
    }
}

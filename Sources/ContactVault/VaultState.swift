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
    private let current: Mutex<(keyring: Keyring, policy: PolicyInForce)>

    init(instance: Reference, keyring: Keyring, policy: PolicyInForce) {
        self.instance = instance
        clients = ClientRegistry()
        current = Mutex((keyring, policy))
    }

    var keyring: Keyring { current.withLock { $0.keyring } }
    var policy: PolicyInForce { current.withLock { $0.policy } }

    func replace(policy: PolicyInForce) { current.withLock { $0.policy = policy } }
}

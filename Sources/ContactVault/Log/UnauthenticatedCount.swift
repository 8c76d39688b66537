// Requests that nobody can be named for: counted, and appended as one entry per reason and minute.
//
// An entry for each would let anyone without a key fill the log; none at all would hide an attack from its reader.

import AccessLog
import AccessToken
import Synchronization

/// Counts refused requests by reason. The reasons are a closed set, so the memory is bounded.
final class UnauthenticatedCount: Sendable {
    private let counts = Mutex<[EntryCode: UInt64]>([:])

    /// Counts one refusal; a missing nonce is part of the protocol and none.
    func count(_ error: TokenError) {
        let reason: String
        switch error {
        case .useDPoPNonce, .unavailable: return
        case .noCredentials: reason = "no_credentials"
        case .invalidToken(let fault): reason = "token." + fault.rawValue
        case .invalidDPoPProof(let fault): reason = "proof." + fault.rawValue
        case .invalidClient(let fault): reason = "client." + fault.rawValue
        case .invalidRequest(let fault): reason = "request." + fault.rawValue
        case .invalidAuthorizationDetails(let fault): reason = "details." + fault.rawValue
        case .insufficientScope: reason = "insufficient_scope"
        }
        if let code = EntryCode(reason) { count(code) }
    }

    /// Counts one refusal for this reason.
    func count(_ reason: EntryCode) { counts.withLock { $0[reason, default: 0] += 1 } }

    /// Takes the counts, sorted by reason.
    func take() -> [(reason: EntryCode, count: UInt64)] {
        counts.withLock { counts in
            defer { counts = [:] }
            return counts.sorted { $0.key.text < $1.key.text }.map { ($0.key, $0.value) }
        }
    }

    /// Gives counts back that could not be written.
    func restore(_ taken: [(reason: EntryCode, count: UInt64)]) {
        counts.withLock { counts in
            for (reason, count) in taken { counts[reason, default: 0] += count }
        }
    }
}

extension Vault {
    /// Counts a request without credentials that was not even of the form of one, such as a token request that is no form.
    package func countMalformed() { unauthenticated.count("request.malformed") }

    /// Appends what was counted since the last call. Called every minute and when the vault closes.
    public func recordUnauthenticated() async throws {
        let taken = unauthenticated.take()
        guard !taken.isEmpty else { return }
        let state = state
        let random = random
        do {
            try await store.transaction { transaction in
                var writer = try LogWriter(
                    transaction, contacts: [], keyring: state.keyring, source: state.instance, random: random)
                for (reason, count) in taken {
                    var draft = EntryDraft(.unauthenticated, .deny, reason: reason)
                    draft.count = count
                    try writer.add(draft)
                }
                try writer.finish(transaction)
            }
        } catch {
            unauthenticated.restore(taken)
            throw VaultError(storing: error)
        }
    }
}

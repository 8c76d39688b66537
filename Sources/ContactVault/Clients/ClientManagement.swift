// Registering programs and suspending them. The operator's business: a client never registers itself.

import AccessLog
public import AccessToken
public import ContactModel

extension Vault {
    /// Registers a client.
    /// - Throws: ``VaultError/inconsistent(_:)`` if one of this name exists, or the name is the operator's.
    public func registerClient(_ client: RegisteredClient, requestID: Reference) async throws {
        // Entries would not tell the two apart, and neither would an approval.
        guard client.id != Caller.operatorName else { throw VaultError.inconsistent("client_name_reserved") }
        // Two uses of one key can be played off against each other.
        if let encryption = client.encryptionKey, client.key(thumbprint: encryption.thumbprint) != nil {
            throw VaultError.inconsistent("encryption_key_signs")
        }
        try await manage(
            .clientAdd, as: .localOperator, requestID: requestID, covers: { _ throws(TokenError) in },
            { transaction -> ManagedOutcome<Void> in
                guard try transaction.store.clientRevisions([client.id]).isEmpty else {
                    throw VaultError.inconsistent("client_exists")
                }
                try transaction.store.putClient(
                    StoredClient(id: client.id, revision: 1, registration: client.registration))
                try transaction.log(.clientAdd, about: nil) { draft in
                    draft.client = client.id
                    draft.agency = client.agency
                    draft.keyThumbprint = client.keys.first.flatMap { EntryDigest($0.thumbprint) }
                    draft.basis = "operator"
                }
                return .done(())
            })
    }

    /// Suspends a client or lets it work again; its tokens die with it at once.
    /// - Throws: ``VaultError/notFound``.
    public func setSuspended(_ isSuspended: Bool, client id: Reference, requestID: Reference) async throws {
        try await manage(
            .clientSuspend, as: .localOperator, requestID: requestID, covers: { _ throws(TokenError) in },
            { transaction -> ManagedOutcome<Void> in
                guard let revision = try transaction.store.clientRevisions([id])[id],
                    let client = try transaction.state.clients.current([id], in: transaction.store)[id]
                else { throw VaultError.notFound }
                let changed = RegisteredClient(
                    id: client.id, agency: client.agency, kind: client.kind, roles: client.roles,
                    keys: client.keys,
                    portfolios: client.portfolios, purposes: client.purposes, isSuspended: isSuspended,
                    encryptionKey: client.encryptionKey)
                try transaction.store.putClient(
                    StoredClient(id: id, revision: revision + 1, registration: changed.registration))
                try transaction.log(.clientSuspend, about: nil) { draft in
                    draft.client = id
                    draft.agency = client.agency
                    draft.basis = isSuspended ? "operator" : "operator.lifted"
                }
                return .done(())
            })
    }

    /// Every registered client.
    public func clients() async throws -> [RegisteredClient] {
        do {
            return try await store.read { reader in
                try reader.clients().map { stored in
                    guard let client = RegisteredClient(registration: stored.registration) else {
                        throw StoreError.corrupt("clients")
                    }
                    return client
                }
            }
        } catch {
            throw VaultError(storing: error)
        }
    }
}

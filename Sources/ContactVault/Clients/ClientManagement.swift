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
                try transaction.requireOwnName(client)
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
        try await change(id, .clientSuspend, requestID: requestID) { client, _, draft in
            client.isSuspended = isSuspended
            draft.basis = isSuspended ? "operator" : "operator.lifted"
        }
    }

    /// Gives a client new keys. The ones before end after an overlap, in which it can change over; tokens that are bound to
    /// a key end with it.
    /// - Parameters:
    ///   - key: the new signing key; `nil` to leave those as they are.
    ///   - encryptionKey: the new key for sealed fields, in force at once; `nil` to leave it.
    ///   - overlapSeconds: how long the signing keys before stay good; 0 ends them at once.
    ///   - ends: when the new signing key ends; `nil` for never.
    /// - Returns: the registration as it is now.
    /// - Throws: ``VaultError/notFound``; ``VaultError/conflict(_:)`` if the key is the client's already, or would serve
    ///   two uses.
    @discardableResult
    public func rotateKeys(
        of id: Reference, to key: PublicJWK?, encryptionKey: EncryptionJWK? = nil, overlapSeconds: Int64,
        ends: Timestamp? = nil, requestID: Reference
    ) async throws -> RegisteredClient {
        try await change(id, .clientRotate, requestID: requestID) { client, now, draft in
            if let encryptionKey { client.encryptionKey = encryptionKey }
            if let key {
                guard client.key(thumbprint: key.thumbprint) == nil else {
                    throw VaultError.conflict("key_is_registered")
                }
                let end = now.adding(seconds: max(0, overlapSeconds))
                // What ended before is gone; what is left ends no later than it would have.
                client.keys = client.keys(at: now)
                client.keyEnds = client.keyEnds.filter { client.key(thumbprint: $0.key) != nil }
                for old in client.keys {
                    client.keyEnds[old.thumbprint] = min(client.keyEnds[old.thumbprint] ?? end, end)
                }
                client.keys.append(key)
                client.keyEnds[key.thumbprint] = ends
                draft.keyThumbprint = EntryDigest(key.thumbprint)
            }
            if let encryption = client.encryptionKey, client.key(thumbprint: encryption.thumbprint) != nil {
                throw VaultError.inconsistent("encryption_key_signs")
            }
            draft.basis = "operator"
        }
    }

    /// Sets or takes away the DNS name by whose certificates a client may have tokens bound; tokens that are bound to one die
    /// when it is taken away.
    /// - Throws: ``VaultError/notFound``; ``VaultError/conflict(_:)`` for a name that no certificate has.
    public func setCertificateName(
        _ name: String?, of id: Reference, requestID: Reference
    ) async throws {
        if let name, !RegisteredClient.isCertificateName(name) {
            throw VaultError.conflict("certificate_name")
        }
        try await change(id, .clientRotate, requestID: requestID) { client, _, draft in
            client.certificateName = name.map { $0.lowercased() }
            draft.basis = name == nil ? "certificate.removed" : "certificate"
        }
    }

    @discardableResult
    func change(
        _ id: Reference, _ kind: EntryKind, requestID: Reference,
        _ change: @escaping @Sendable (inout RegisteredClient, Timestamp, inout EntryDraft) throws -> Void
    ) async throws -> RegisteredClient {
        try await manage(
            kind, as: .localOperator, requestID: requestID, covers: { _ throws(TokenError) in },
            { transaction -> ManagedOutcome<RegisteredClient> in
                guard let revision = try transaction.store.clientRevisions([id])[id],
                    var client = try transaction.state.clients.current([id], in: transaction.store)[id]
                else { throw VaultError.notFound }
                try change(&client, transaction.now, &transaction.template)
                try transaction.requireOwnName(client)
                try transaction.store.putClient(
                    StoredClient(id: id, revision: revision + 1, registration: client.registration))
                try transaction.log(kind, about: nil) { entry in
                    entry.client = id
                    entry.agency = client.agency
                }
                return .done(client)
            })
    }

    // MARK: Agencies

    /// Sets what an agency is entrusted with, and for what time; all of it anew. It counts from the next decision on, for tokens that are out too.
    public func entrust(_ entrustment: Entrustment, requestID: Reference) async throws {
        try await manage(
            .agencyEntrust, as: .localOperator, requestID: requestID, covers: { _ throws(TokenError) in },
            { transaction -> ManagedOutcome<Void> in
                try transaction.store.putEntrustment(entrustment)
                try transaction.log(.agencyEntrust, about: nil) { $0.agency = entrustment.agency }
                return .done(())
            })
    }

    /// Every entrustment, by agency.
    public func entrustments() async throws -> [Entrustment] {
        try await reading { try $0.entrustments() }
    }

    /// Keys of clients that have ended, or will within ``Limits/keyEndWarningSeconds``, of clients that have no other that
    /// lasts; by client.
    public func endingKeys() async throws -> [EndingKey] {
        let now = clock()
        let soon = now.adding(seconds: Limits.keyEndWarningSeconds)
        return try await clients().filter { !$0.isSuspended && $0.keys(at: soon).isEmpty }.compactMap {
            client in
            client.keyEnds.values.max().map { EndingKey(client: client.id, ends: $0) }
        }
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

extension ManagedTransaction {
    /// One certificate names one client: whoever holds it could else be either.
    fileprivate func requireOwnName(_ client: RegisteredClient) throws {
        guard let name = client.certificateName else { return }
        for stored in try store.clients() where stored.id != client.id {
            if RegisteredClient(registration: stored.registration)?.certificateName == name {
                throw VaultError.conflict("certificate_name_taken")
            }
        }
    }
}

/// A client that will have no key.
public struct EndingKey: Equatable, Sendable {
    /// The client.
    public let client: Reference
    /// When its last key ends, or ended.
    public let ends: Timestamp
}

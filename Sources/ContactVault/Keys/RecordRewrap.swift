// Bringing records under the active key-encryption key, while the vault serves: what is left of an old version then opens nothing
// that is here, and what is only in a backup opens no more once that version is destroyed.

import AccessLog
import AccessToken
public import ContactModel
import EnvelopeEncryption
import VaultCrypto

/// A part of the way through all records.
public struct RewrapStep: Sendable {
    /// Records that were looked at.
    public let examined: Int
    /// Records that were brought under the active version.
    public let rewrapped: Int
    /// Records that do not open, and stay as they are.
    public let unreadable: Int
    /// Where to go on; `nil` at the end.
    public let next: ContactID?
}

extension Vault {
    /// Brings some records, and the disclosure keys beside them, under the active key-encryption key. Only wrapping changes: fields and
    /// generations stay, byte for byte. A batch is one transaction with one entry if anything changed; it may be repeated.
    /// - Parameters:
    ///   - after: where the step before ended; `nil` to begin. Beginning again costs a look at what is done already.
    ///   - limit: records to look at, at most 1,000.
    public func rewrapRecords(
        after: ContactID?, limit: Int, as caller: Caller, requestID: Reference
    ) async throws -> RewrapStep {
        let (state, random, tenant) = (state, random, identity.tenant)
        let limit = min(limit, 1000)
        // Wrapped outside the transaction, so that releases do not wait for it.
        let page = try await reading { try $0.contacts(after: after, limit: limit) }
        let keyring = state.keyring
        var changed: [(contact: StoredContact, before: [UInt8])] = []
        var unreadable = 0
        for contact in page {
            do {
                guard let rewrapped = try keyring.rewrapped(contact, tenant: tenant, random: random) else {
                    continue
                }
                changed.append((rewrapped, contact.sealed))
            } catch EnvelopeError.unavailable {
                throw VaultError.cryptographyUnavailable
            } catch {
                unreadable += 1
            }
        }
        let (batch, failed) = (changed, unreadable)
        let next = page.count == limit ? page.last?.id : nil
        guard !batch.isEmpty else {
            return RewrapStep(examined: page.count, rewrapped: 0, unreadable: failed, next: next)
        }
        return try await manage(
            .keyRewrap, as: caller, requestID: requestID,
            covers: { access throws(TokenError) in try access.keyManagement(.rewrap) }
        ) { transaction -> ManagedOutcome<RewrapStep> in
            var done = 0
            for (contact, before) in batch
            where try transaction.store.replaceKeys(of: contact, expecting: before) { done += 1 }
            try transaction.log(.keyRewrap, about: nil) { draft in
                draft.basis = EntryCode(KeyName.kek.name)
                draft.keyVersion = try? keyring.activeKEK(for: tenant).version
                draft.count = UInt64(done)
            }
            return .done(RewrapStep(examined: page.count, rewrapped: done, unreadable: failed, next: next))
        }
    }
}

extension Keyring {
    /// A contact's record and disclosure key under the active key-encryption key; `nil` if both are already.
    fileprivate func rewrapped(
        _ contact: StoredContact, tenant: TenantID, random: any RandomSource
    ) throws -> StoredContact? {
        let active = StoredKeyMark(kekVersion: try activeKEK(for: tenant).version)
        let isRecordDone = active.isAt(active.sealed, in: contact.sealed)
        let isKeyDone = active.isAt(active.disclosureKey, in: contact.disclosureKey)
        guard !isRecordDone || !isKeyDone else { return nil }
        var sealed = contact.sealed
        if !isRecordDone {
            let context = RecordContext(
                tenant: tenant, record: contact.id, generation: contact.generation, schema: Vault.recordSchema
            )
            sealed = try rewrap(SealedRecord(parsing: sealed), context: context, random: random).bytes
        }
        let key =
            isKeyDone
            ? contact.disclosureKey
            : try rewrapDisclosureKey(
                contact.disclosureKey, tenant: tenant, contact: contact.id, random: random)
        return contact.with(sealed: sealed, disclosureKey: key)
    }
}

extension StoredKeyMark {
    /// The mark of a version of the tenant's key-encryption key: `kekId ‖ kekVersion` (docs/spec/sealed-record.md, access-log.md).
    init(kekVersion: UInt32) {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: kekVersion >> (24 - 8 * UInt32($0))) }
        self.init(sealed: 48, disclosureKey: 0, bytes: [0, 0, 0, 1] + bytes)
    }

    fileprivate func isAt(_ offset: Int, in stored: [UInt8]) -> Bool {
        stored.count >= offset + bytes.count && Array(stored[offset..<offset + bytes.count]) == bytes
    }
}

extension StoredContact {
    fileprivate func with(sealed: [UInt8], disclosureKey: [UInt8]) -> StoredContact {
        StoredContact(
            id: id, borrower: borrower, portfolio: portfolio, attributes: attributes, generation: generation,
            sealed: sealed, disclosureKey: disclosureKey, phoneIndexVersion: phoneIndexVersion,
            phoneIndex: phoneIndex,
            state: state, stopped: stopped, created: created, updated: updated, retainUntil: retainUntil)
    }
}

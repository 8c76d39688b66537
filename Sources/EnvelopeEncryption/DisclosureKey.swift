// Keys for the personal parts of log entries. The log's leaves hold only salted digests; what they digest is
// kept apart, sealed under a key of the contact. Destroying that one wrapped key erases all of it, while
// every proof of the log goes on verifying.

public import ContactModel
public import VaultCrypto

/// A key that seals disclosures of log entries.
public struct DisclosureKey: Sendable {
    /// Version of the vault's general key; 0 for a contact's own key.
    public let version: UInt32
    let secret: SharedSecret

    private static let versionBytes = 4
    private static let overhead = versionBytes + AES256GCM.nonceBytes + AES256GCM.tagBytes

    /// Seals a text: `version u32 ‖ nonce ‖ ciphertext ‖ tag`, AES-256-GCM with a random 96-bit nonce, bound
    /// to the entry.
    /// - Parameters:
    ///   - text: at most ``Limits/logEntryBytes``.
    ///   - entry: the 16 bytes of the entry's id.
    /// - Throws: ``EnvelopeError/tooLarge``, ``EnvelopeError/malformed`` for an entry id of another length,
    ///   ``EnvelopeError/unavailable``.
    public func seal(
        _ text: [UInt8], entry: [UInt8], random: any RandomSource
    ) throws(EnvelopeError) -> [UInt8] {
        guard text.count <= Limits.logEntryBytes else { throw .tooLarge }
        let context = try Self.context(entry)
        do throws(CryptoError) {
            let nonce = try random.bytes(AES256GCM.nonceBytes)
            let sealed = try AES256GCM.seal(
                SecretBytes(copying: text), key: secret.bytes, nonce: nonce, associatedData: context)
            var bytes: [UInt8] = []
            bytes.reserveCapacity(text.count + Self.overhead)
            bytes.append(bigEndian: version)
            bytes.append(contentsOf: nonce)
            bytes.append(contentsOf: sealed.ciphertext)
            bytes.append(contentsOf: sealed.tag)
            return bytes
        } catch {
            throw EnvelopeError(error)
        }
    }

    /// Opens what ``seal(_:entry:random:)`` made for this entry.
    /// - Throws: ``EnvelopeError/malformed`` for a wrong length; ``EnvelopeError/authenticationFailed`` if it
    ///   was changed, belongs to another entry or to another key.
    public func open(_ sealed: [UInt8], entry: [UInt8]) throws(EnvelopeError) -> [UInt8] {
        guard try Self.version(of: sealed) == version else { throw .authenticationFailed }
        let context = try Self.context(entry)
        let nonceEnd = Self.versionBytes + AES256GCM.nonceBytes
        let tagStart = sealed.count - AES256GCM.tagBytes
        do throws(CryptoError) {
            let text = try AES256GCM.open(
                sealed[nonceEnd..<tagStart], tag: Array(sealed[tagStart...]), key: secret.bytes,
                nonce: Array(sealed[Self.versionBytes..<nonceEnd]), associatedData: context)
            return text.revealBytes()
        } catch {
            throw EnvelopeError(error)
        }
    }

    /// The key version that a sealed text names: 0 for a contact's own key, otherwise the general key to ask
    /// the keyring for.
    /// - Throws: ``EnvelopeError/malformed`` for a wrong length.
    public static func version(of sealed: [UInt8]) throws(EnvelopeError) -> UInt32 {
        guard (overhead...overhead + Limits.logEntryBytes).contains(sealed.count) else { throw .malformed }
        return sealed.bigEndian(at: 0, as: UInt32.self)
    }

    private static func context(_ entry: [UInt8]) throws(EnvelopeError) -> [UInt8] {
        guard entry.count == 16 else { throw .malformed }
        return Array("CV1E".utf8) + entry
    }
}

extension Keyring {
    /// Length of a contact's wrapped disclosure key in bytes:
    /// `kekId u32 ‖ kekVersion u32 ‖ nonce 12 ‖ key 32 ‖ tag 16`.
    public static let wrappedDisclosureKeyBytes = 68

    /// A new disclosure key for a contact, wrapped under the tenant's active key-encryption key. Store it
    /// beside the record and delete it when the contact is erased.
    /// - Returns: ``wrappedDisclosureKeyBytes`` bytes.
    /// - Throws: ``EnvelopeError/keyUnknown`` for a foreign tenant, ``EnvelopeError/unavailable``.
    public func makeDisclosureKey(
        tenant: TenantID, contact: ContactID, random: any RandomSource
    ) throws(EnvelopeError) -> [UInt8] {
        let secret: SecretBytes
        do { secret = try random.secret(SealedRecord.keyBytes) } catch { throw EnvelopeError(error) }
        return try wrapDisclosureKey(secret, tenant: tenant, contact: contact, random: random)
    }

    /// A contact's disclosure key. It opens under a key-encryption key in any state but destroyed: the log goes on.
    /// - Parameter wrapped: what ``makeDisclosureKey(tenant:contact:random:)`` returned for this contact.
    /// - Throws: ``EnvelopeError/malformed`` for another length; ``EnvelopeError/authenticationFailed`` if it
    ///   was changed or is another contact's; key errors as for records.
    public func disclosureKey(
        wrapped: [UInt8], tenant: TenantID, contact: ContactID
    ) throws(EnvelopeError) -> DisclosureKey {
        let secret = try unwrapDisclosureKey(wrapped, tenant: tenant, contact: contact)
        return DisclosureKey(version: 0, secret: SharedSecret(secret))
    }

    /// The same disclosure key under the tenant's active key-encryption key, for its rotation.
    /// - Throws: as ``disclosureKey(wrapped:tenant:contact:)``.
    public func rewrapDisclosureKey(
        _ wrapped: [UInt8], tenant: TenantID, contact: ContactID, random: any RandomSource
    ) throws(EnvelopeError) -> [UInt8] {
        let secret = try unwrapDisclosureKey(wrapped, tenant: tenant, contact: contact)
        return try wrapDisclosureKey(secret, tenant: tenant, contact: contact, random: random)
    }

    /// Whether a wrapped disclosure key is under the tenant's active key-encryption key.
    /// - Throws: ``EnvelopeError/malformed`` for another length.
    public func isUnderActiveKEK(wrappedDisclosureKey wrapped: [UInt8]) throws(EnvelopeError) -> Bool {
        guard wrapped.count == Self.wrappedDisclosureKeyBytes else { throw .malformed }
        let active = try activeKEK(for: tenant)
        return wrapped.bigEndian(at: 0, as: UInt32.self) == active.id
            && wrapped.bigEndian(at: 4, as: UInt32.self) == active.version
    }

    /// The active key for entries that concern no stored contact.
    public var generalDisclosureKey: DisclosureKey {
        DisclosureKey(version: disclosureKey.version, secret: disclosureKey.secret)
    }

    /// A general key by its version, to open older entries, in any state but destroyed: the log goes on.
    /// - Throws: ``EnvelopeError/keyUnknown`` if there is none.
    public func generalDisclosureKey(version: UInt32) throws(EnvelopeError) -> DisclosureKey {
        guard
            let secret = entries.first(where: {
                $0.reference == KeyReference(.disclosure, version: version)
            })?.symmetric
        else { throw .keyUnknown }
        return DisclosureKey(version: version, secret: secret)
    }

    private func wrapDisclosureKey(
        _ secret: borrowing SecretBytes, tenant: TenantID, contact: ContactID, random: any RandomSource
    ) throws(EnvelopeError) -> [UInt8] {
        let kek = try activeKEK(for: tenant)
        let kekSecret = try usableSecret(of: kek, for: .sealing)
        do throws(CryptoError) {
            let context = Self.disclosureContext(tenant, contact, kekID: kek.id, kekVersion: kek.version)
            let nonce = try random.bytes(AES256GCM.nonceBytes)
            let sealed = try AES256GCM.seal(
                secret, key: HKDFSHA256.expand(kekSecret.bytes, info: context), nonce: nonce,
                associatedData: context)
            var wrapped: [UInt8] = []
            wrapped.append(bigEndian: kek.id)
            wrapped.append(bigEndian: kek.version)
            return wrapped + nonce + sealed.ciphertext + sealed.tag
        } catch {
            throw EnvelopeError(error)
        }
    }

    private func unwrapDisclosureKey(
        _ wrapped: [UInt8], tenant: TenantID, contact: ContactID
    ) throws(EnvelopeError) -> SecretBytes {
        guard wrapped.count == Self.wrappedDisclosureKeyBytes else { throw .malformed }
        let kekID = wrapped.bigEndian(at: 0, as: UInt32.self)
        let kekVersion = wrapped.bigEndian(at: 4, as: UInt32.self)
        guard let kek = kek(id: kekID, version: kekVersion), kek.tenant == tenant else { throw .keyUnknown }
        let kekSecret = try usableSecret(of: kek, for: .logging)
        do throws(CryptoError) {
            let context = Self.disclosureContext(tenant, contact, kekID: kekID, kekVersion: kekVersion)
            return try AES256GCM.open(
                wrapped[20..<52], tag: Array(wrapped[52...]),
                key: HKDFSHA256.expand(kekSecret.bytes, info: context), nonce: Array(wrapped[8..<20]),
                associatedData: context)
        } catch {
            throw EnvelopeError(error)
        }
    }

    /// `"CV1D" ‖ tenant ‖ contact ‖ kekId ‖ kekVersion`, 44 bytes: HKDF info and associated data.
    private static func disclosureContext(
        _ tenant: TenantID, _ contact: ContactID, kekID: UInt32, kekVersion: UInt32
    ) -> [UInt8] {
        var context = Array("CV1D".utf8)
        context.append(contentsOf: tenant.bytes)
        context.append(contentsOf: contact.bytes)
        context.append(bigEndian: kekID)
        context.append(bigEndian: kekVersion)
        return context
    }
}

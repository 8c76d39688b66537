// The blind index: finds a number without a plaintext copy of it. There are about 5.2 thousand million valid
// Chinese mobile numbers, so an unkeyed hash of one can be undone in minutes; a keyed one cannot without the
// key.

public import ContactModel
public import VaultCrypto

/// A blind index value and the version of the key that made it.
public struct BlindIndexValue: Hashable, Sendable {
    /// Version of the index key.
    public let version: UInt32
    /// HMAC-SHA256, 32 bytes.
    public let bytes: [UInt8]

    /// A value as a store gives it back.
    public init(version: UInt32, bytes: [UInt8]) {
        self.version = version
        self.bytes = bytes
    }
}

extension Keyring {
    /// The blind index of a value under the active key: what is stored with the record.
    ///
    /// `HMAC-SHA256(K_index, "CV1X" ‖ tenant ‖ fieldId u16 ‖ value)`. Equal values of one tenant and field
    /// give equal indexes; the same value of another tenant or field gives an unrelated one.
    /// - Parameter value: the canonical form, for a phone its E.164 bytes.
    /// - Throws: ``EnvelopeError/unavailable``.
    public func blindIndex(
        _ field: FieldName, _ value: borrowing SecretBytes, tenant: TenantID
    ) throws(EnvelopeError) -> BlindIndexValue {
        guard let key = blindIndexKeys.first else { throw .keyUnknown }
        return try blindIndex(field, value, tenant: tenant, version: key.version, key: key.secret)
    }

    /// The blind indexes of a value under every key that may still have made a stored one, the active key's
    /// first: what is looked up while the index key rotates.
    /// - Throws: ``EnvelopeError/unavailable``.
    public func blindIndexCandidates(
        _ field: FieldName, _ value: borrowing SecretBytes, tenant: TenantID
    ) throws(EnvelopeError) -> [BlindIndexValue] {
        var candidates: [BlindIndexValue] = []
        for key in blindIndexKeys {
            candidates.append(
                try blindIndex(field, value, tenant: tenant, version: key.version, key: key.secret))
        }
        return candidates
    }

    private func blindIndex(
        _ field: FieldName, _ value: borrowing SecretBytes, tenant: TenantID, version: UInt32,
        key: SharedSecret
    ) throws(EnvelopeError) -> BlindIndexValue {
        var prefix = Array("CV1X".utf8)
        prefix.append(contentsOf: tenant.bytes)
        prefix.append(bigEndian: field.identifier)
        do throws(CryptoError) {
            return BlindIndexValue(
                version: version,
                bytes: try HMACSHA256.authenticate(prefix: prefix, secret: value, key: key.bytes))
        } catch {
            throw EnvelopeError(error)
        }
    }
}

// Two answers to two incidents. A key that has grown old: rewrap, which never touches a field. A key that may
// be known to someone: reencrypt, because whoever had it may have read the data keys too.

import ContactModel
public import VaultCrypto

extension Keyring {
    /// Wraps a record's data key under the tenant's active key-encryption key.
    ///
    /// Only kek id and version, wrap nonce, sealed data key, wrap tag and header MAC change: generation,
    /// directory and field ciphertexts stay byte-identical. No field is opened.
    /// - Throws: ``EnvelopeError/keyNotUsable`` if the old key is compromised: a rewrapped record would look
    ///   safe while its data key may be known; ``EnvelopeError/suiteMismatch`` if the active key is of another suite, whose
    ///   fields only sealing can make. Use ``reencrypt(_:context:random:)``. Otherwise as for opening.
    public func rewrap(
        _ sealed: SealedRecord, context: RecordContext, random: any RandomSource
    ) throws(EnvelopeError) -> SealedRecord {
        let dataKey = try openDataKey(of: sealed, context: context, for: .opening)
        let kek = try activeKEK(for: context.tenant)
        guard kek.suite == sealed.suite else { throw .suiteMismatch }
        let kekSecret = try usableSecret(of: kek, for: .sealing)
        var header = Array(sealed.bytes[..<SealedRecord.Offset.end])
        header.replace(at: SealedRecord.Offset.kekID, bigEndian: kek.id)
        header.replace(at: SealedRecord.Offset.kekVersion, bigEndian: kek.version)
        return try assemble(
            header: header, directory: sealed.bytes[sealed.directoryStart..<sealed.macStart],
            ciphertexts: sealed.bytes[sealed.ciphertextStart...], dataKey: dataKey, suite: kek.suite,
            kekSecret: kekSecret, random: random)
    }

    /// Seals a record anew: next generation, new data key, the tenant's active key-encryption key. The fields
    /// pass through wiped memory of this call and do not leave it.
    ///
    /// The only use that a compromised key still has.
    /// - Parameter context: where the record stands *before*.
    /// - Throws: as for opening; ``EnvelopeError/generationInvalid`` after the last generation.
    public func reencrypt(
        _ sealed: SealedRecord, context: RecordContext, random: any RandomSource
    ) throws(EnvelopeError) -> SealedRecord {
        guard context.generation < UInt64.max else { throw .generationInvalid }
        let fields = try openAll(sealed, context: context, for: .reencrypting)
        let next = RecordContext(
            tenant: context.tenant, record: context.record, generation: context.generation + 1,
            schema: context.schema)
        return try seal(fields, context: next, under: activeKEK(for: context.tenant), random: random)
    }
}

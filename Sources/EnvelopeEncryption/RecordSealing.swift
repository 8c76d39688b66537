// Sealing: a fresh data key for every write of a record, one derived key for each field, one wrap under the
// tenant's active key-encryption key.

import ContactModel
public import VaultCrypto

extension Keyring {
    /// Seals a contact's personal fields under the tenant's active key-encryption key and a new data key.
    /// - Parameters:
    ///   - name: UTF-8, 0…1,022 bytes; left out of the record if `nil`.
    ///   - phone: E.164, ASCII.
    ///   - relation: UTF-8; left out of the record if `nil`.
    ///   - binding: the clear attributes that stand beside the record. Their SHA-256 is sealed with the fields, so
    ///     that a record does not open beside other attributes than it was written with.
    ///   - context: where the record will stand; one generation more than the record there now.
    ///   - random: the source of the data key and the nonces.
    /// - Throws: ``EnvelopeError/tooLarge``, ``EnvelopeError/generationInvalid``,
    ///   ``EnvelopeError/keyUnknown`` for a foreign tenant, ``EnvelopeError/unavailable``.
    public func seal(
        name: consuming SecretBytes?, phone: consuming SecretBytes, relation: consuming SecretBytes?,
        binding: [UInt8], context: RecordContext, random: any RandomSource
    ) throws(EnvelopeError) -> SealedRecord {
        var fields = [PlainField(fieldID: FieldName.phone.identifier, occurrence: 0, value: phone)]
        if let name = consume name {
            fields.append(PlainField(fieldID: FieldName.name.identifier, occurrence: 0, value: name))
        }
        if let relation = consume relation {
            fields.append(PlainField(fieldID: FieldName.relation.identifier, occurrence: 0, value: relation))
        }
        fields.append(
            PlainField(
                fieldID: SealedRecord.bindingFieldID, occurrence: 0,
                value: SecretBytes(copying: SHA256.hash(binding))))
        return try seal(fields, context: context, under: activeKEK(for: context.tenant), random: random)
    }

    /// Seals any fields under a given key.
    /// - Throws: as ``seal(name:phone:relation:context:random:)``, and ``EnvelopeError/fieldsInvalid`` for no
    ///   field or two in one place, ``EnvelopeError/keyNotUsable`` unless the key is active.
    package func seal(
        _ fields: [PlainField], context: RecordContext, under kek: KeyEncryptionKey, random: any RandomSource
    ) throws(EnvelopeError) -> SealedRecord {
        guard kek.tenant == context.tenant else { throw .keyUnknown }
        let kekSecret = try usableSecret(of: kek, for: .sealing)
        guard context.generation >= 1 else { throw .generationInvalid }
        guard !fields.isEmpty else { throw .fieldsInvalid }
        guard fields.count <= Limits.fieldsPerRecord else { throw .tooLarge }
        let ordered = fields.sorted { ($0.fieldID, $0.occurrence) < ($1.fieldID, $1.occurrence) }
        for (left, right) in zip(ordered, ordered.dropFirst())
        where (left.fieldID, left.occurrence) == (right.fieldID, right.occurrence) {
            throw .fieldsInvalid
        }

        var header = Self.header(context: context, kek: kek, fieldCount: ordered.count)
        let dataKey: SecretBytes
        do { dataKey = try random.secret(SealedRecord.keyBytes) } catch { throw EnvelopeError(error) }
        var directory: [UInt8] = []
        var ciphertexts: [UInt8] = []
        for field in ordered {
            let padded = try FieldPadding.pad(field.value)
            let place = DerivationContext.field(
                header: header, fieldID: field.fieldID, occurrence: field.occurrence)
            do throws(CryptoError) {
                let nonce = try random.bytes(kek.suite.nonceBytes)
                let sealed = try kek.suite.seal(padded, under: dataKey, context: place, nonce: nonce)
                directory.append(bigEndian: field.fieldID)
                directory.append(bigEndian: field.occurrence)
                directory.append(bigEndian: UInt16(sealed.ciphertext.count))
                directory.append(bigEndian: UInt16(0))
                directory.append(contentsOf: nonce)
                directory.append(contentsOf: sealed.tag)
                ciphertexts.append(contentsOf: sealed.ciphertext)
            } catch {
                throw EnvelopeError(error)
            }
        }
        let overhead = Self.wrapBytes(kek.suite) + SealedRecord.macBytes
        header.replace(
            at: SealedRecord.Offset.totalLength,
            bigEndian: UInt32(header.count + overhead + directory.count + ciphertexts.count))
        return try assemble(
            header: header, directory: directory[...], ciphertexts: ciphertexts[...], dataKey: dataKey,
            suite: kek.suite, kekSecret: kekSecret, random: random)
    }

    /// Wraps the data key, computes the header MAC and joins the parts.
    func assemble(
        header: [UInt8], directory: ArraySlice<UInt8>, ciphertexts: ArraySlice<UInt8>,
        dataKey: borrowing SecretBytes, suite: EnvelopeSuite, kekSecret: SharedSecret,
        random: any RandomSource
    ) throws(EnvelopeError) -> SealedRecord {
        let total =
            header.count + Self.wrapBytes(suite) + directory.count + SealedRecord.macBytes + ciphertexts.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(total)
        bytes.append(contentsOf: header)
        do throws(CryptoError) {
            let context = DerivationContext.wrap(header: header)
            let nonce = try random.bytes(suite.nonceBytes)
            let wrapped = try suite.seal(dataKey, under: kekSecret.bytes, context: context, nonce: nonce)
            bytes.append(contentsOf: nonce)
            bytes.append(contentsOf: wrapped.ciphertext)
            bytes.append(contentsOf: wrapped.tag)
            bytes.append(contentsOf: directory)
            bytes.append(
                contentsOf: try suite.authenticate(
                    bytes, under: dataKey, context: DerivationContext.header(header)))
        } catch {
            throw EnvelopeError(error)
        }
        bytes.append(contentsOf: ciphertexts)
        return try SealedRecord(parsing: bytes)
    }

    /// Wrap nonce, sealed data key and wrap tag.
    private static func wrapBytes(_ suite: EnvelopeSuite) -> Int {
        suite.nonceBytes + SealedRecord.keyBytes + suite.tagBytes
    }

    /// A header of the key's suite, its total length still 0.
    private static func header(context: RecordContext, kek: KeyEncryptionKey, fieldCount: Int) -> [UInt8] {
        var header: [UInt8] = []
        header.reserveCapacity(SealedRecord.Offset.end)
        header.append(contentsOf: [0x43, 0x56, 0x45, 0x31, SealedRecord.format, 0])
        header.append(bigEndian: kek.suite.rawValue)
        header.append(contentsOf: context.tenant.bytes)
        header.append(contentsOf: context.record.bytes)
        header.append(bigEndian: context.generation)
        header.append(bigEndian: kek.id)
        header.append(bigEndian: kek.version)
        header.append(bigEndian: context.schema)
        header.append(bigEndian: UInt16(fieldCount))
        header.append(bigEndian: UInt32(0))
        return header
    }
}

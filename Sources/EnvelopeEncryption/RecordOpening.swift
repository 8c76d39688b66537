// Opening, in one fixed order: strict parse → the caller's tenant, record, generation and schema equal the
// header → the key's suite → state and floor of the key → data key → header MAC → field. Nothing is tried with
// a second key.

public import ContactModel
public import VaultCrypto

/// The fields that one permit opened. Whoever holds it holds personal data: use it, then let it go, which
/// wipes it.
public struct OpenedRecord: ~Copyable, Sendable {
    /// The most that may leave of each field.
    public let form: ReleaseForm
    /// Where the access is written down.
    public let receipt: EntryReceipt
    /// The contact's name in UTF-8; `nil` if the permit does not cover it.
    public let name: SecretBytes?
    /// The number as E.164; `nil` if the permit does not cover it.
    public let phone: SecretBytes?
    /// The relation in UTF-8; `nil` if the permit does not cover it.
    public let relation: SecretBytes?

    /// Lends a field's value for the length of a call.
    /// - Returns: what `body` returns; `nil`, without a call, if the permit does not cover the field.
    public borrowing func withField<Result: ~Copyable, Failure: Error>(
        _ field: FieldName, _ body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        switch field {
        case .name: try Self.lend(name, to: body)
        case .phone: try Self.lend(phone, to: body)
        case .relation: try Self.lend(relation, to: body)
        }
    }

    private static func lend<Result: ~Copyable, Failure: Error>(
        _ value: borrowing SecretBytes?, to body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        switch value {
        case .some(let secret): try body(secret)
        case .none: nil
        }
    }
}

extension Keyring {
    /// Opens the fields that a permit names, and no other. The only public way from a sealed record to
    /// plaintext.
    ///
    /// The permit is spent, whether or not the record opens: an error after this point is a log entry, not a
    /// second try.
    /// - Parameters:
    ///   - sealed: the record as the store gave it.
    ///   - schema: the schema that the caller reads.
    ///   - binding: the clear attributes that stand beside the record now.
    ///   - permit: leave to open, made by the access recorder after its commit.
    /// - Throws: ``EnvelopeError/bindingMismatch`` if the attributes are not those the record was sealed with;
    ///   ``EnvelopeError/permitMismatch`` if the permit is for another tenant, contact or generation;
    ///   ``EnvelopeError/fieldAbsent`` if the record does not hold one of the fields; any other case as the
    ///   fixed order finds it. Nothing is returned unless every named field opened.
    public func open(
        _ sealed: SealedRecord, schema: UInt16, binding: [UInt8], consuming permit: consuming RecordedPermit
    ) throws(EnvelopeError) -> OpenedRecord {
        guard permit.tenant == sealed.tenant, permit.contact == sealed.record,
            permit.generation == sealed.generation
        else { throw .permitMismatch }
        let context = RecordContext(
            tenant: permit.tenant, record: permit.contact, generation: permit.generation, schema: schema)
        let dataKey = try openDataKey(of: sealed, context: context, for: .opening)
        let sealedBinding = try openField(SealedRecord.bindingFieldID, 0, of: sealed, with: dataKey)
            .revealBytes()
        guard sealedBinding.isEqualInConstantTime(to: SHA256.hash(binding)) else { throw .bindingMismatch }
        return OpenedRecord(
            form: permit.form, receipt: permit.receipt,
            name: permit.fields.contains(.name) ? try openField(.name, of: sealed, with: dataKey) : nil,
            phone: permit.fields.contains(.phone) ? try openField(.phone, of: sealed, with: dataKey) : nil,
            relation: permit.fields.contains(.relation)
                ? try openField(.relation, of: sealed, with: dataKey) : nil)
    }

    /// Opens every field, for re-encryption and for tests.
    package func openAll(
        _ sealed: SealedRecord, context: RecordContext
    ) throws(EnvelopeError) -> [PlainField] {
        try openAll(sealed, context: context, for: .opening)
    }

    func openAll(
        _ sealed: SealedRecord, context: RecordContext, for use: KeyUse
    ) throws(EnvelopeError) -> [PlainField] {
        let dataKey = try openDataKey(of: sealed, context: context, for: use)
        var fields: [PlainField] = []
        for place in sealed.places {
            let value = try openField(place.fieldID, place.occurrence, of: sealed, with: dataKey)
            fields.append(PlainField(fieldID: place.fieldID, occurrence: place.occurrence, value: value))
        }
        return fields
    }

    /// Whether a record opens with this keyring, as far as its data key and header MAC; no field is opened.
    /// - Throws: ``EnvelopeError``, as for opening.
    package func check(_ sealed: SealedRecord, context: RecordContext) throws(EnvelopeError) {
        _ = try openDataKey(of: sealed, context: context, for: .opening)
    }

    /// Everything of the fixed order up to the header MAC.
    func openDataKey(
        of sealed: SealedRecord, context: RecordContext, for use: KeyUse
    ) throws(EnvelopeError) -> SecretBytes {
        guard sealed.generation == context.generation, sealed.schema == context.schema,
            sealed.record == context.record, sealed.tenant == context.tenant
        else { throw .contextMismatch }
        guard let kek = kek(id: sealed.kekID, version: sealed.kekVersion), kek.tenant == context.tenant else {
            throw .keyUnknown
        }
        // The key says which suite: a header that says another is a downgrade, or a record that was moved.
        guard sealed.suite == kek.suite else { throw .suiteNotAllowed }
        let kekSecret = try usableSecret(of: kek, for: use)
        let bytes = sealed.bytes
        do throws(CryptoError) {
            let wrapContext = DerivationContext.wrap(header: bytes)
            let dataKey = try sealed.suite.open(
                bytes[sealed.wrappedKey], tag: Array(bytes[sealed.wrapTag]), under: kekSecret.bytes,
                context: wrapContext, nonce: Array(bytes[sealed.wrapNonce]))
            // The MAC also commits to the data key: AES-GCM alone lets one ciphertext open under two keys.
            let code = try sealed.suite.authenticate(
                Array(bytes[..<sealed.macStart]), under: dataKey, context: DerivationContext.header(bytes))
            guard code.isEqualInConstantTime(to: Array(bytes[sealed.macStart..<sealed.ciphertextStart]))
            else { throw .authenticationFailed }
            return dataKey
        } catch {
            throw EnvelopeError(error)
        }
    }

    func openField(
        _ field: FieldName, of sealed: SealedRecord, with dataKey: borrowing SecretBytes
    ) throws(EnvelopeError) -> SecretBytes {
        try openField(field.identifier, 0, of: sealed, with: dataKey)
    }

    private func openField(
        _ fieldID: UInt16, _ occurrence: UInt16, of sealed: SealedRecord, with dataKey: borrowing SecretBytes
    ) throws(EnvelopeError) -> SecretBytes {
        guard let entry = sealed.entry(fieldID: fieldID, occurrence: occurrence) else { throw .fieldAbsent }
        let bytes = sealed.bytes
        let padded: SecretBytes
        do throws(CryptoError) {
            let context = DerivationContext.field(header: bytes, fieldID: fieldID, occurrence: occurrence)
            padded = try sealed.suite.open(
                bytes[entry.ciphertext], tag: Array(bytes[entry.tag]), under: dataKey, context: context,
                nonce: Array(bytes[entry.nonce]))
        } catch {
            throw EnvelopeError(error)
        }
        return try FieldPadding.unpad(padded)
    }
}

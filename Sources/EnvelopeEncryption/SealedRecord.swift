// The bytes of a sealed record ("CVE1"), read strictly: one record has exactly one encoding, and whatever
// does not parse to its last byte is refused before any key is touched.
//
//   off len
//     0   4  "CVE1"
//     4   1  format = 1            5  1  flags = 0        6  2  suite id
//     8  16  tenant id            24 16  record id       40  8  generation
//    48   4  kek id               52  4  kek version     56  2  schema id
//    58   2  number of fields     60  4  total length
//    64   N  wrap nonce           32 bytes sealed DEK     T  wrap tag
//         n × { fieldId u16, occurrence u16, ciphertextLength u16, zero u16, nonce[N], tag[T] }
//        32  header MAC
//         Σ  field ciphertexts in directory order

public import ContactModel

/// A sealed record that has parsed. It says nothing yet about whether its tags verify.
public struct SealedRecord: Hashable, Sendable {
    /// The whole record.
    public let bytes: [UInt8]
    /// The suite.
    public let suite: EnvelopeSuite
    /// The tenant that the header names.
    public let tenant: TenantID
    /// The contact that the header names.
    public let record: ContactID
    /// How many fields the record holds, 1…64.
    public let fieldCount: Int

    /// Parses a record.
    /// - Throws: ``EnvelopeError/tooLarge`` beyond ``Limits/sealedRecordBytes``;
    ///   ``EnvelopeError/suiteNotAllowed`` for a suite without a layout; ``EnvelopeError/malformed`` for
    ///   anything else that is not exactly format 1.
    public init(parsing bytes: [UInt8]) throws(EnvelopeError) {
        guard bytes.count <= Limits.sealedRecordBytes else { throw .tooLarge }
        guard bytes.count >= Offset.end, bytes[0] == 0x43, bytes[1] == 0x56, bytes[2] == 0x45,
            bytes[3] == 0x31,
            bytes[Offset.format] == Self.format, bytes[Offset.flags] == 0
        else { throw .malformed }
        guard let suite = EnvelopeSuite(rawValue: bytes.bigEndian(at: Offset.suite, as: UInt16.self)) else {
            throw .suiteNotAllowed
        }
        let fieldCount = Int(bytes.bigEndian(at: Offset.fieldCount, as: UInt16.self))
        guard let tenant = TenantID(bytes: Array(bytes[Offset.tenant..<Offset.record])),
            let record = ContactID(bytes: Array(bytes[Offset.record..<Offset.generation])),
            bytes.bigEndian(at: Offset.generation, as: UInt64.self) >= 1,
            bytes.bigEndian(at: Offset.kekVersion, as: UInt32.self) >= 1,
            (1...Limits.fieldsPerRecord).contains(fieldCount),
            bytes.bigEndian(at: Offset.totalLength, as: UInt32.self) == bytes.count
        else { throw .malformed }
        self.bytes = bytes
        self.suite = suite
        self.tenant = tenant
        self.record = record
        self.fieldCount = fieldCount
        try checkDirectory()
    }

    /// The generation that the header names, from 1.
    public var generation: UInt64 { bytes.bigEndian(at: Offset.generation, as: UInt64.self) }
    /// The key-encryption key that wraps this record's data key.
    public var kekID: UInt32 { bytes.bigEndian(at: Offset.kekID, as: UInt32.self) }
    /// The version of that key, from 1.
    public var kekVersion: UInt32 { bytes.bigEndian(at: Offset.kekVersion, as: UInt32.self) }
    /// The schema of the fields.
    public var schema: UInt16 { bytes.bigEndian(at: Offset.schema, as: UInt16.self) }
    /// Tenant, contact, generation and schema as the header names them.
    public var context: RecordContext {
        RecordContext(tenant: tenant, record: record, generation: generation, schema: schema)
    }

    /// The field that holds the SHA-256 of the clear attributes; its id follows those of the personal fields.
    static let bindingFieldID: UInt16 = 4

    /// Whether the record holds this personal field. Visible without a key, and not yet authenticated.
    public func holds(_ field: FieldName) -> Bool { entry(fieldID: field.identifier, occurrence: 0) != nil }

    private func checkDirectory() throws(EnvelopeError) {
        guard ciphertextStart <= bytes.count else { throw .malformed }
        var ciphertextEnd = ciphertextStart
        var previous: UInt32?
        for index in 0..<fieldCount {
            let start = entryStart(index)
            let place = bytes.bigEndian(at: start, as: UInt32.self)
            let length = Int(bytes.bigEndian(at: start + 4, as: UInt16.self))
            // Strictly ascending: the same fields in another order would be a second encoding of one record.
            if let previous, place <= previous { throw .malformed }
            guard FieldPadding.sizes.contains(length), bytes.bigEndian(at: start + 6, as: UInt16.self) == 0
            else {
                throw .malformed
            }
            previous = place
            ciphertextEnd += length
        }
        guard ciphertextEnd == bytes.count else { throw .malformed }
    }
}

/// Where one field lies in the bytes.
struct DirectoryEntry {
    let fieldID: UInt16
    let occurrence: UInt16
    let nonce: Range<Int>
    let tag: Range<Int>
    let ciphertext: Range<Int>
}

extension SealedRecord {
    /// The only format version.
    static let format: UInt8 = 1
    /// Length of the data key and of the header MAC in bytes.
    static let keyBytes = 32
    static let macBytes = 32

    enum Offset {
        static let format = 4
        static let flags = 5
        static let suite = 6
        static let tenant = 8
        static let record = 24
        static let generation = 40
        static let kekID = 48
        static let kekVersion = 52
        static let schema = 56
        static let fieldCount = 58
        static let totalLength = 60
        static let end = 64
    }

    var wrapNonce: Range<Int> { Offset.end..<Offset.end + suite.nonceBytes }
    var wrappedKey: Range<Int> { wrapNonce.upperBound..<wrapNonce.upperBound + Self.keyBytes }
    var wrapTag: Range<Int> { wrappedKey.upperBound..<wrappedKey.upperBound + suite.tagBytes }
    var directoryStart: Int { wrapTag.upperBound }
    /// Where the header MAC stands, which is also how many bytes it covers.
    var macStart: Int { entryStart(fieldCount) }
    var ciphertextStart: Int { macStart + Self.macBytes }

    private func entryStart(_ index: Int) -> Int {
        directoryStart + index * (8 + suite.nonceBytes + suite.tagBytes)
    }

    /// The directory entry of a field, `nil` if the record has none.
    func entry(fieldID: UInt16, occurrence: UInt16) -> DirectoryEntry? {
        let wanted = UInt32(fieldID) << 16 | UInt32(occurrence)
        var ciphertext = ciphertextStart
        for index in 0..<fieldCount {
            let start = entryStart(index)
            let place = bytes.bigEndian(at: start, as: UInt32.self)
            let length = Int(bytes.bigEndian(at: start + 4, as: UInt16.self))
            if place == wanted {
                let nonce = start + 8..<start + 8 + suite.nonceBytes
                return DirectoryEntry(
                    fieldID: fieldID, occurrence: occurrence, nonce: nonce,
                    tag: nonce.upperBound..<nonce.upperBound + suite.tagBytes,
                    ciphertext: ciphertext..<ciphertext + length)
            }
            ciphertext += length
        }
        return nil
    }

    /// Field ids and occurrences in directory order.
    var places: [(fieldID: UInt16, occurrence: UInt16)] {
        (0..<fieldCount).map { index in
            let place = bytes.bigEndian(at: entryStart(index), as: UInt32.self)
            return (UInt16(truncatingIfNeeded: place >> 16), UInt16(truncatingIfNeeded: place))
        }
    }
}

// The three contexts of an envelope. Each is used as HKDF info and again as associated data, so that a
// record, a header or a field in a foreign place fails twice.

/// Builds contexts from the header, whose suite, tenant, record and generation stand side by side in every
/// one of them.
enum DerivationContext {
    /// Suite, tenant, record and generation in a header.
    private static let identity = SealedRecord.Offset.suite..<SealedRecord.Offset.kekID

    /// `"CV1W" suite tenant record generation schema kekId kekVersion`, 56 bytes.
    static func wrap(header: [UInt8]) -> [UInt8] {
        var context = start(0x57, header, count: 56)
        context.append(contentsOf: header[SealedRecord.Offset.schema..<SealedRecord.Offset.fieldCount])
        context.append(contentsOf: header[SealedRecord.Offset.kekID..<SealedRecord.Offset.schema])
        return context
    }

    /// `"CV1F" suite tenant record generation schema fieldId occurrence`, 52 bytes.
    static func field(header: [UInt8], fieldID: UInt16, occurrence: UInt16) -> [UInt8] {
        var context = start(0x46, header, count: 52)
        context.append(contentsOf: header[SealedRecord.Offset.schema..<SealedRecord.Offset.fieldCount])
        context.append(bigEndian: fieldID)
        context.append(bigEndian: occurrence)
        return context
    }

    /// `"CV1H" suite tenant record generation`, 46 bytes. The kek is left out: rewrap must leave the key of
    /// the header MAC as it is, and the MAC covers the kek fields themselves.
    static func header(_ header: [UInt8]) -> [UInt8] { start(0x48, header, count: 46) }

    private static func start(_ letter: UInt8, _ header: [UInt8], count: Int) -> [UInt8] {
        var context: [UInt8] = []
        context.reserveCapacity(count)
        context.append(0x43)
        context.append(0x56)
        context.append(0x31)
        context.append(letter)
        context.append(contentsOf: header[identity])
        return context
    }
}

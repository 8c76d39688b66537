// Fuzz target of the sealed record's parser. Each input is read twice: as it is, and with its total length put right,
// because a mutation that changes the length would otherwise never get past the header. Beyond "no crash": the parser
// accepts exactly what a second reader, written here from docs/spec/sealed-record.md, accepts, and what that reader took
// apart serialises to the same bytes. What is refused is refused under the code that belongs to it.

import ContactModel
import EnvelopeEncryption

/// Ends the process; the fuzzer then keeps the input.
func finding(_ what: String) -> Never { fatalError("finding: \(what)") }

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var bytes = Array(UnsafeBufferPointer(start: start, count: count))
    check(bytes)
    if bytes.count >= 64 {
        bytes.replaceSubrange(60..<64, with: bigEndian(UInt64(bytes.count), 4))
        check(bytes)
    }
    return 0
}

private func check(_ bytes: [UInt8]) {
    let expected = RecordParts(reading: bytes)
    let sealed: SealedRecord
    do throws(EnvelopeError) {
        sealed = try SealedRecord(parsing: bytes)
    } catch {
        if expected != nil { finding("a record of the specification was refused: \(error.rawValue)") }
        if error != fault(of: bytes) { finding("refused as \(error.rawValue), which it is not") }
        return
    }
    guard let expected else { finding("what the specification does not allow was accepted") }
    if sealed.bytes != bytes { finding("the record is not what was read") }
    if expected.serialised(header: sealed) != bytes { finding("the parts serialise to other bytes") }
    if sealed.fieldCount != expected.fields.count { finding("another number of fields") }
    let context = RecordContext(
        tenant: sealed.tenant, record: sealed.record, generation: sealed.generation, schema: sealed.schema)
    if sealed.context != context { finding("the context is not the header's") }
    for field in FieldName.allCases {
        let id: UInt64 =
            switch field {
            case .name: 1
            case .phone: 2
            case .relation: 3
            }
        let isThere = expected.fields.contains { $0.place == id << 16 }
        if sealed.holds(field) != isThere { finding("another answer about a field") }
    }
}

/// More bytes than any record has.
private let longest = 73_728

/// Bytes of a nonce and of a tag for each suite that has a layout.
private let suites: [UInt64: (nonce: Int, tag: Int)] = [0x0101: (12, 16), 0x0201: (16, 32)]

/// How a record is refused: only its size and its suite are told apart from the rest.
private func fault(of bytes: [UInt8]) -> EnvelopeError {
    if bytes.count > longest { return .tooLarge }
    let isFormat1 = bytes.count >= 64 && bytes.starts(with: Array("CVE1".utf8) + [1, 0])
    return isFormat1 && suites[number(bytes[6..<8])] == nil ? .suiteNotAllowed : .malformed
}

/// A record taken apart from front to back by docs/spec, with numbers of its own instead of the parser's.
private struct RecordParts {
    struct Field {
        /// Field id and occurrence.
        let place: UInt64
        let nonce: [UInt8]
        let tag: [UInt8]
        var ciphertext: [UInt8]
    }

    var wrapping: [UInt8] = []
    var fields: [Field] = []
    var mac: [UInt8] = []

    init?(reading bytes: [UInt8]) {
        guard bytes.count <= longest else { return nil }
        var rest = bytes[...]
        func take(_ count: Int) -> [UInt8]? {
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        func takeNumber(_ count: Int) -> UInt64? { take(count).map { number($0[...]) } }

        guard take(4) == Array("CVE1".utf8), takeNumber(1) == 1, takeNumber(1) == 0,
            let suite = takeNumber(2), let (nonce, tag) = suites[suite], take(16) != nil, take(16) != nil,
            let generation = takeNumber(8), generation > 0, takeNumber(4) != nil,
            let version = takeNumber(4), version > 0, takeNumber(2) != nil,
            let count = takeNumber(2), count > 0, count <= 64, takeNumber(4) == UInt64(bytes.count),
            let wrapping = take(nonce + 32 + tag)
        else { return nil }
        self.wrapping = wrapping
        var lengths: [Int] = []
        for _ in 0..<count {
            guard let place = takeNumber(4), let length = takeNumber(2), takeNumber(2) == 0,
                [32, 64, 128, 256, 512, 1024].contains(length), let nonce = take(nonce), let tag = take(tag)
            else { return nil }
            if let last = fields.last, last.place >= place { return nil }
            lengths.append(Int(length))
            fields.append(Field(place: place, nonce: nonce, tag: tag, ciphertext: []))
        }
        guard let mac = take(32) else { return nil }
        self.mac = mac
        for (index, length) in lengths.enumerated() {
            guard let ciphertext = take(length) else { return nil }
            fields[index].ciphertext = ciphertext
        }
        guard rest.isEmpty else { return nil }
    }

    /// The record written again: the header from what the parser says of it, the rest from the parts.
    func serialised(header: SealedRecord) -> [UInt8] {
        var bytes = Array("CVE1".utf8) + [1, 0] + bigEndian(UInt64(header.suite.rawValue), 2)
        bytes += header.tenant.bytes + header.record.bytes
        bytes += bigEndian(header.generation, 8) + bigEndian(UInt64(header.kekID), 4)
        bytes += bigEndian(UInt64(header.kekVersion), 4) + bigEndian(UInt64(header.schema), 2)
        bytes += bigEndian(UInt64(header.fieldCount), 2)
        var body = wrapping
        for field in fields {
            body += bigEndian(field.place, 4) + bigEndian(UInt64(field.ciphertext.count), 2) + [0, 0]
            body += field.nonce + field.tag
        }
        body += mac
        for field in fields { body += field.ciphertext }
        return bytes + bigEndian(UInt64(bytes.count + 4 + body.count), 4) + body
    }
}

private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 * 256 + UInt64($1) } }

private func bigEndian(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
}

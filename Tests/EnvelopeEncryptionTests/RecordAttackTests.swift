// Attacks on sealed records: change, cut, extend, move, swap, downgrade.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("Attacks on a sealed record")
struct RecordAttackTests {
    let keyring: Keyring
    let sealed: SealedRecord

    init() throws {
        keyring = try Fixture.keyring()
        sealed = try keyring.seal(
            Fixture.fields, context: Fixture.context, under: keyring.activeKEK(for: Fixture.tenant),
            random: Fixture.random)
    }

    @Test("every single-bit flip is refused")
    func bitFlips() {
        #expect(Fixture.refusal(of: sealed.bytes, by: keyring) == nil)
        var accepted: [Int] = []
        for bit in 0..<sealed.bytes.count * 8 {
            var bytes = sealed.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            if Fixture.refusal(of: bytes, by: keyring) == nil { accepted.append(bit) }
        }
        #expect(accepted.isEmpty)
    }

    @Test("every truncation and every extension is refused as malformed")
    func lengths() {
        for count in 0..<sealed.bytes.count {
            #expect(Fixture.refusal(of: Array(sealed.bytes[..<count]), by: keyring) == .malformed)
        }
        for extra in [1, 2, 31, 32, 64, 1024] {
            let bytes = sealed.bytes + [UInt8](repeating: 0, count: extra)
            #expect(Fixture.refusal(of: bytes, by: keyring) == .malformed)
            // The same with the total length made to agree.
            var agreeing = bytes
            agreeing.replace(at: 60, bigEndian: UInt32(bytes.count))
            #expect(Fixture.refusal(of: agreeing, by: keyring) == .malformed)
        }
    }

    @Test("random changes of several bytes are refused")
    func randomChanges() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the random changes: \(seed)")
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<5000 {
            var bytes = sealed.bytes
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[place] = UInt8.random(in: 0...255, using: &generator)
            }
            guard bytes != sealed.bytes else { continue }
            #expect(Fixture.refusal(of: bytes, by: keyring) != nil, "seed \(seed)")
        }
    }

    @Test("a record larger than the limit is refused before it is read")
    func tooLarge() {
        let bytes = [UInt8](repeating: 0, count: Limits.sealedRecordBytes + 1)
        #expect(Fixture.refusal(of: bytes, by: keyring) == .tooLarge)
    }

    @Test("a record moved to another contact, tenant, generation or schema is refused")
    func moved() {
        let elsewhere = [
            RecordContext(tenant: Fixture.tenant(0x12), record: Fixture.contact, generation: 5, schema: 1),
            RecordContext(tenant: Fixture.tenant, record: Fixture.contact(0xAB), generation: 5, schema: 1),
            RecordContext(tenant: Fixture.tenant, record: Fixture.contact, generation: 6, schema: 1),
            RecordContext(tenant: Fixture.tenant, record: Fixture.contact, generation: 4, schema: 1),
            RecordContext(tenant: Fixture.tenant, record: Fixture.contact, generation: 5, schema: 2),
        ]
        for context in elsewhere {
            #expect(Fixture.refusal(of: sealed.bytes, by: keyring, context: context) == .contextMismatch)
        }
    }

    @Test("a record whose header was rewritten for the place it was moved to is refused by the wrap")
    func movedWithHeader() {
        let contact = Fixture.contact(0xAB)
        let moves: [(Int, [UInt8], RecordContext)] = [
            (
                24, contact.bytes,
                RecordContext(tenant: Fixture.tenant, record: contact, generation: 5, schema: 1)
            ),
            (
                40, [0, 0, 0, 0, 0, 0, 0, 6],
                RecordContext(tenant: Fixture.tenant, record: Fixture.contact, generation: 6, schema: 1)
            ),
            (
                56, [0, 2],
                RecordContext(tenant: Fixture.tenant, record: Fixture.contact, generation: 5, schema: 2)
            ),
        ]
        for (offset, replacement, context) in moves {
            var bytes = sealed.bytes
            bytes.replaceSubrange(offset..<offset + replacement.count, with: replacement)
            #expect(Fixture.refusal(of: bytes, by: keyring, context: context) == .authenticationFailed)
        }
        let tenant = Fixture.tenant(0x12)
        var bytes = sealed.bytes
        bytes.replaceSubrange(8..<24, with: tenant.bytes)
        let context = RecordContext(tenant: tenant, record: Fixture.contact, generation: 5, schema: 1)
        // The key belongs to the first tenant, so it is not even tried.
        #expect(Fixture.refusal(of: bytes, by: keyring, context: context) == .keyUnknown)
    }

    @Test("two fields exchanged, directory included, are refused by the header MAC")
    func swappedFields() throws {
        #expect(Fixture.refusal(of: try swap(fixingMAC: false), by: keyring) == .authenticationFailed)
    }

    @Test(
        "ciphertexts exchanged by a holder of the data key who repairs the MAC are refused by their tags"
    )
    func swappedFieldsWithValidMAC() throws {
        let bytes = try swap(fixingMAC: true)
        let moved = try SealedRecord(parsing: bytes)
        // The MAC is right, so only the field's place stands in the way.
        let dataKey = try keyring.openDataKey(of: moved, context: Fixture.context, for: .opening)
        #expect(dataKey.count == 32)
        #expect(Fixture.refusal(of: bytes, by: keyring) == .authenticationFailed)
    }

    @Test(
        "a field relabelled with a repaired MAC is refused by its own tag",
        arguments: [(0, UInt16(4)), (2, UInt16(2))])
    func relabelled(change: (offset: Int, value: UInt16)) throws {
        // The last field (3, 0) becomes (4, 0) or (3, 2): the order stays strictly ascending.
        var bytes = sealed.bytes
        bytes.replace(at: sealed.directoryStart + 3 * 36 + change.offset, bigEndian: change.value)
        #expect(Fixture.refusal(of: try repairMAC(bytes), by: keyring) == .authenticationFailed)
    }

    @Test("fields not in strictly ascending order, or twice in one place, are malformed")
    func directoryOrder() throws {
        var bytes = sealed.bytes
        bytes.replace(at: sealed.directoryStart + 2 * 36 + 2, bigEndian: UInt16(0))
        #expect(Fixture.refusal(of: bytes, by: keyring) == .malformed)
        let first = sealed.directoryStart..<sealed.directoryStart + 36
        let second = first.upperBound..<first.upperBound + 36
        bytes = sealed.bytes
        bytes.replaceSubrange(first, with: sealed.bytes[second])
        bytes.replaceSubrange(second, with: sealed.bytes[first])
        #expect(Fixture.refusal(of: bytes, by: keyring) == .malformed)
    }

    @Test(
        "suites that are reserved, unknown or not built are refused",
        arguments: [0x0202, 0x0301, 0, 0xFFFF, 0x0102])
    func suites(id: Int) {
        var bytes = sealed.bytes
        bytes.replace(at: 6, bigEndian: UInt16(id))
        #expect(Fixture.refusal(of: bytes, by: keyring) == .suiteNotAllowed)
    }

    @Test("other formats, flags, generation 0, kek version 0, no fields and too many fields are malformed")
    func headerBounds() {
        let changes: [(Int, [UInt8])] = [
            (4, [2]), (4, [0]), (5, [1]), (40, [UInt8](repeating: 0, count: 8)), (52, [0, 0, 0, 0]),
            (58, [0, 0]),
            (58, [0, 65]), (58, [0xFF, 0xFF]), (60, [0xFF, 0xFF, 0xFF, 0xFF]),
        ]
        for (offset, replacement) in changes {
            var bytes = sealed.bytes
            bytes.replaceSubrange(offset..<offset + replacement.count, with: replacement)
            #expect(Fixture.refusal(of: bytes, by: keyring) == .malformed)
        }
    }

    @Test("another key-encryption key does not open the record")
    func otherKey() throws {
        let other = try Keyring.make(tenant: Fixture.tenant, random: Fixture.random, now: Fixture.now)
        #expect(Fixture.refusal(of: sealed.bytes, by: other) == .keyUnknown)
        var bytes = sealed.bytes
        bytes.replace(at: 48, bigEndian: UInt32(1))
        #expect(Fixture.refusal(of: bytes, by: other) == .authenticationFailed)
    }

    @Test(
        "nothing is sealed for a foreign tenant, generation 0, without fields, twice in one place, too long"
    )
    func sealingBounds() throws {
        let kek = try keyring.activeKEK(for: Fixture.tenant)
        func refusal(_ fields: [PlainField], _ context: RecordContext = Fixture.context) -> EnvelopeError? {
            do throws(EnvelopeError) {
                _ = try keyring.seal(fields, context: context, under: kek, random: Fixture.random)
                return nil
            } catch {
                return error
            }
        }
        let phone = PlainField(fieldID: 2, occurrence: 0, value: Fixture.secret("+8613800138000"))
        let foreign = RecordContext(
            tenant: Fixture.tenant(1), record: Fixture.contact, generation: 1, schema: 1)
        let zero = RecordContext(tenant: Fixture.tenant, record: Fixture.contact, generation: 0, schema: 1)
        #expect(refusal([phone], foreign) == .keyUnknown)
        #expect(refusal([phone], zero) == .generationInvalid)
        #expect(refusal([]) == .fieldsInvalid)
        #expect(refusal([phone, phone]) == .fieldsInvalid)
        let long = SecretBytes(copying: [UInt8](repeating: 0x61, count: 1023))
        #expect(refusal([PlainField(fieldID: 1, occurrence: 0, value: long)]) == .tooLarge)
        let many = (0...64).map { PlainField(fieldID: 9, occurrence: UInt16($0), value: Fixture.secret("x")) }
        #expect(refusal(many) == .tooLarge)
        #expect(refusal(Array(many.dropLast())) == nil)
    }

    @Test("the largest record that can be sealed stays within the limit and opens")
    func largest() throws {
        let fields = (0..<Limits.fieldsPerRecord).map { index in
            PlainField(
                fieldID: 9, occurrence: UInt16(index),
                value: SecretBytes(copying: [UInt8](repeating: UInt8(index), count: Limits.fieldBytes)))
        }
        let kek = try keyring.activeKEK(for: Fixture.tenant)
        let large = try keyring.seal(fields, context: Fixture.context, under: kek, random: Fixture.random)
        let opened = try keyring.openAll(large, context: Fixture.context)
        #expect(opened.map { $0.value.revealBytes() } == fields.map { $0.value.revealBytes() })
    }

    /// Exchanges nonce, tag and ciphertext of the two phone fields, which are of one size.
    private func swap(fixingMAC: Bool) throws -> [UInt8] {
        let left = try #require(sealed.entry(fieldID: 2, occurrence: 0))
        let right = try #require(sealed.entry(fieldID: 2, occurrence: 1))
        var bytes = sealed.bytes
        for (a, b) in [(left.nonce, right.nonce), (left.tag, right.tag), (left.ciphertext, right.ciphertext)]
        {
            bytes.replaceSubrange(a, with: sealed.bytes[b])
            bytes.replaceSubrange(b, with: sealed.bytes[a])
        }
        return fixingMAC ? try repairMAC(bytes) : bytes
    }

    /// What someone who holds the data key can do.
    private func repairMAC(_ changed: [UInt8]) throws -> [UInt8] {
        let dataKey = try keyring.openDataKey(of: sealed, context: Fixture.context, for: .opening)
        let key = try HKDFSHA256.expand(dataKey, info: DerivationContext.header(changed))
        var bytes = changed
        bytes.replaceSubrange(
            sealed.macStart..<sealed.ciphertextStart,
            with: try HMACSHA256.authenticate(Array(changed[..<sealed.macStart]), key: key))
        return bytes
    }
}

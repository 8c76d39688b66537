// What a permit opens, and what it does not.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("Opening with a permit")
struct PermitTests {
    let keyring: Keyring
    let sealed: SealedRecord

    init() throws {
        keyring = try Fixture.keyring()
        sealed = try keyring.seal(
            name: Fixture.secret("张伟"), phone: Fixture.secret("+8613800138000"), relation: nil,
            binding: Fixture.attributes, context: Fixture.context, random: Fixture.random)
    }

    @Test("a permit opens the fields it names and no other")
    func namedFieldsOnly() throws {
        let opened = try keyring.open(
            sealed, schema: 1, binding: Fixture.attributes, consuming: Fixture.permit(form: .mask))
        #expect(opened.form == .mask)
        #expect(opened.receipt.index == 3)
        let phone = opened.withField(.phone) { $0.revealBytes() }
        #expect(phone == Array("+8613800138000".utf8))
        var calls = 0
        let name = opened.withField(.name) { value in
            calls += 1
            return value.count
        }
        let relation = opened.withField(.relation) { value in
            calls += 1
            return value.count
        }
        #expect(name == nil)
        #expect(relation == nil)
        #expect(calls == 0)
    }

    @Test("a permit for several fields opens each of them")
    func severalFields() throws {
        let opened = try keyring.open(
            sealed, schema: 1, binding: Fixture.attributes,
            consuming: Fixture.permit(fields: [.phone, .name]))
        let name = opened.withField(.name) { String(decoding: $0.revealBytes(), as: UTF8.self) }
        let phoneBytes = opened.withField(.phone) { $0.count }
        #expect(name == "张伟")
        #expect(phoneBytes == 14)
    }

    @Test("a permit without fields opens nothing")
    func noFields() throws {
        let opened = try keyring.open(
            sealed, schema: 1, binding: Fixture.attributes,
            consuming: Fixture.permit(fields: [], form: .match))
        for field in FieldName.allCases {
            let count = opened.withField(field) { $0.count }
            #expect(count == nil)
        }
    }

    @Test("a permit for another contact, tenant or generation is refused")
    func otherPermit() {
        #expect(
            Fixture.refusal(of: sealed, by: keyring, permit: Fixture.permit(contact: Fixture.contact(0xAB)))
                == .permitMismatch)
        #expect(
            Fixture.refusal(of: sealed, by: keyring, permit: Fixture.permit(tenant: Fixture.tenant(0x12)))
                == .permitMismatch)
        #expect(
            Fixture.refusal(of: sealed, by: keyring, permit: Fixture.permit(generation: 4)) == .permitMismatch
        )
        #expect(
            Fixture.refusal(of: sealed, by: keyring, permit: Fixture.permit(generation: 6)) == .permitMismatch
        )
    }

    @Test("another schema than the reader's is refused")
    func otherSchema() {
        #expect(
            Fixture.refusal(of: sealed, by: keyring, schema: 2, permit: Fixture.permit()) == .contextMismatch)
    }

    @Test("a field that the record does not hold is refused, and nothing else is returned")
    func absentField() {
        #expect(sealed.holds(.phone))
        #expect(sealed.holds(.name))
        #expect(!sealed.holds(.relation))
        let permit = Fixture.permit(fields: [.phone, .relation])
        #expect(Fixture.refusal(of: sealed, by: keyring, permit: permit) == .fieldAbsent)
    }

    @Test("every bit flip of what the permit needs is refused")
    func bitFlips() throws {
        let phone = try #require(sealed.entry(fieldID: 2, occurrence: 0))
        for offset in Array(0..<sealed.ciphertextStart) + Array(phone.ciphertext) {
            for bit in 0..<8 {
                var bytes = sealed.bytes
                bytes[offset] ^= 1 << UInt8(bit)
                guard let changed = try? SealedRecord(parsing: bytes) else { continue }
                #expect(Fixture.refusal(of: changed, by: keyring, permit: Fixture.permit()) != nil)
            }
        }
    }

    @Test("two writes of one record share no key, nonce or ciphertext")
    func freshRandomness() throws {
        let again = try keyring.seal(
            name: Fixture.secret("张伟"), phone: Fixture.secret("+8613800138000"), relation: nil,
            binding: Fixture.attributes, context: Fixture.context, random: Fixture.random)
        #expect(again.bytes[again.wrapNonce] != sealed.bytes[sealed.wrapNonce])
        #expect(again.bytes[again.wrappedKey] != sealed.bytes[sealed.wrappedKey])
        let left = try #require(sealed.entry(fieldID: 2, occurrence: 0))
        let right = try #require(again.entry(fieldID: 2, occurrence: 0))
        #expect(again.bytes[right.nonce] != sealed.bytes[left.nonce])
        #expect(again.bytes[right.ciphertext] != sealed.bytes[left.ciphertext])
    }

    @Test("error codes are distinct and name no input")
    func codes() {
        let codes = EnvelopeError.allCases.map(\.code)
        #expect(Set(codes).count == codes.count)
        #expect(codes.allSatisfy { $0.hasPrefix("envelope_") })
    }
}

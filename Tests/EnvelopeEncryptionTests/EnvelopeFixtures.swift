// Fixed keys, contexts and random sources of the envelope tests. All people and numbers are invented.

import ContactModel
import StrictEncoding
import Synchronization
import VaultCrypto

@testable import EnvelopeEncryption

/// The generator of the known-answer envelopes: draw `i` is the beginning of
/// `SHA-256("kat" ‖ suite ‖ i as u64)`.
final class RecordedRandom: RandomSource {
    private let counter = Mutex<UInt64>(0)
    private let suite: EnvelopeSuite

    init(suite: EnvelopeSuite = .aes256GCM) { self.suite = suite }

    func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        guard count <= 32 else { throw .invalidArgument("count") }
        var input = Array("kat".utf8)
        input.append(bigEndian: suite.rawValue)
        input.append(
            bigEndian: counter.withLock { value in
                defer { value += 1 }
                return value
            })
        return Array(SHA256.hash(input)[..<count])
    }

    func secret(_ count: Int) throws(CryptoError) -> SecretBytes { SecretBytes(copying: try bytes(count)) }
}

/// SplitMix64, for random tests that can be repeated from their seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

enum Fixture {
    static let random = SystemRandom()
    static let now = Timestamp(seconds: 1_767_225_600)
    static let tenant = tenant(0x11)
    static let contact = contact(0xAA)
    static let context = RecordContext(tenant: tenant, record: contact, generation: 5, schema: 1)
    /// Clear attributes that the records are bound to.
    static let attributes = Array(#"{"borrower":"br_1"}"#.utf8)

    static func tenant(_ byte: UInt8) -> TenantID {
        guard let tenant = TenantID(bytes: [UInt8](repeating: byte, count: 16)) else {
            fatalError("16 bytes")
        }
        return tenant
    }

    static func contact(_ byte: UInt8) -> ContactID {
        guard let contact = ContactID(bytes: [UInt8](repeating: byte, count: 16)) else {
            fatalError("16 bytes")
        }
        return contact
    }

    static func secret(_ text: String) -> SecretBytes { SecretBytes(copying: Array(text.utf8)) }

    static func bytes(hex: String) -> [UInt8] { Hex.decode(hex) ?? [] }

    /// A keyring with fixed symmetric keys: KEK 7 version 1 is 0x41…, the blind-index key 0x42….
    static func keyring(suite: EnvelopeSuite = .aes256GCM) throws -> Keyring {
        var entries: [KeyringEntry] = []
        for name in KeyName.allCases {
            let fill: UInt8 = name == .blindIndex ? 0x42 : 0x41
            entries.append(
                try KeyringEntry(
                    reference: KeyReference(name, id: name == .kek ? 7 : 0, version: 1), tenant: tenant,
                    state: .active, created: now, suite: name == .kek ? suite : .aes256GCM,
                    secret: SecretBytes(copying: [UInt8](repeating: fill, count: 32))))
        }
        return try Keyring(epoch: 1, tenant: tenant, entries: entries, floors: [:])
    }

    /// The four fields of the known-answer envelopes.
    static var fields: [PlainField] {
        [
            PlainField(fieldID: 1, occurrence: 0, value: secret("Zhang Wei")),
            PlainField(fieldID: 2, occurrence: 0, value: secret("+8613912345678")),
            PlainField(fieldID: 2, occurrence: 1, value: secret("+862112345678")),
            PlainField(fieldID: 3, occurrence: 0, value: secret("brother")),
        ]
    }

    static func permit(
        tenant: TenantID = tenant, contact: ContactID = contact, generation: UInt64 = 5,
        fields: [FieldName] = [.phone], form: ReleaseForm = .reveal
    ) -> RecordedPermit {
        RecordedPermit(
            recording: ReleasePermit(
                tenant: tenant, contact: contact, generation: generation, fields: fields, form: form),
            receipt: EntryReceipt(index: 3, leafHash: [UInt8](repeating: 9, count: 32), time: now))
    }

    /// What opening every field of these bytes throws; `nil` if everything opens.
    static func refusal(
        of bytes: [UInt8], by keyring: Keyring, context: RecordContext = context
    ) -> EnvelopeError? {
        do throws(EnvelopeError) {
            _ = try keyring.openAll(SealedRecord(parsing: bytes), context: context)
            return nil
        } catch {
            return error
        }
    }

    /// What opening a record with a permit throws; `nil` if it opens.
    static func refusal(
        of sealed: SealedRecord, by keyring: Keyring, schema: UInt16 = 1, permit: consuming RecordedPermit
    ) -> EnvelopeError? {
        do throws(EnvelopeError) {
            _ = try keyring.open(sealed, schema: schema, binding: Fixture.attributes, consuming: permit)
            return nil
        } catch {
            return error
        }
    }

    static func text(_ field: PlainField) -> String {
        String(decoding: field.value.revealBytes(), as: UTF8.self)
    }
}

// Two suites: which one a record has is said by its key, and no header, byte or old record says otherwise.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("Suites of records")
struct SuiteTests {
    private let keyring: Keyring

    init() throws { keyring = try Fixture.keyring(suite: .sm4HMACSM3) }

    @Test("the known envelope of suite 0x0201 opens to its fields, and is reproduced byte for byte")
    func knownAnswer() throws {
        let sealed = try SealedRecord(parsing: KnownEnvelope.sm4)
        #expect(sealed.suite == .sm4HMACSM3 && sealed.context == Fixture.context)
        let opened = try keyring.openAll(sealed, context: Fixture.context)
        #expect(opened.map(Fixture.text) == Fixture.fields.map(Fixture.text))
        let kek = try keyring.activeKEK(for: Fixture.tenant)
        let made = try keyring.seal(
            Fixture.fields, context: Fixture.context, under: kek,
            random: RecordedRandom(suite: .sm4HMACSM3))
        #expect(made.bytes == KnownEnvelope.sm4)
    }

    @Test("every bit flip and every truncation of a record of suite 0x0201 is refused")
    func attacks() throws {
        let bytes = KnownEnvelope.sm4
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Fixture.refusal(of: flipped, by: keyring) != nil, "bit \(bit)")
        }
        for count in 0..<bytes.count {
            #expect(Fixture.refusal(of: Array(bytes[..<count]), by: keyring) != nil)
        }
    }

    @Test("a record under a key of the other suite is refused by the key, in both directions")
    func downgrade() throws {
        #expect(Fixture.refusal(of: KnownEnvelope.aes256GCM, by: keyring) == .suiteNotAllowed)
        #expect(Fixture.refusal(of: KnownEnvelope.sm4, by: try Fixture.keyring()) == .suiteNotAllowed)
        // The header alone: the lengths no longer fit, and if they did, the key would say no.
        for (bytes, suite) in [(KnownEnvelope.sm4, UInt16(0x0101)), (KnownEnvelope.aes256GCM, 0x0201)] {
            var changed = bytes
            changed.replace(at: SealedRecord.Offset.suite, bigEndian: suite)
            #expect(Fixture.refusal(of: changed, by: keyring) != nil)
            #expect(Fixture.refusal(of: changed, by: try Fixture.keyring()) != nil)
        }
    }

    @Test("from one suite to the other and back by re-encryption, and never by a rewrap")
    func change() throws {
        var current = try Fixture.keyring()
        var sealed = try SealedRecord(parsing: KnownEnvelope.aes256GCM)
        var context = Fixture.context
        for suite in [EnvelopeSuite.sm4HMACSM3, .aes256GCM] {
            var editor = KeyringEditor(current)
            let new = try editor.addKEK(random: Fixture.random, now: Fixture.now, suite: suite)
            try editor.promote(new)
            current = try editor.finish()
            #expect(try current.activeKEK(for: Fixture.tenant).suite == suite)
            let (before, old) = (sealed, context)
            #expect(throws: EnvelopeError.suiteMismatch) { () throws in
                _ = try current.rewrap(before, context: old, random: Fixture.random)
            }
            sealed = try current.reencrypt(sealed, context: context, random: Fixture.random)
            context = sealed.context
            #expect(sealed.suite == suite && context.generation == old.generation + 1)
            #expect(
                try current.openAll(sealed, context: context).map(Fixture.text)
                    == Fixture.fields.map(Fixture.text))
        }
        // The next version has the suite of the one before, if nobody says otherwise; and a rewrap stays within it.
        var editor = KeyringEditor(current)
        try editor.promote(editor.addKEK(random: Fixture.random, now: Fixture.now))
        let next = try editor.finish()
        #expect(try next.rewrap(sealed, context: context, random: Fixture.random).suite == .aes256GCM)
    }

    @Test("the keyring says the suite under its MAC, of key-encryption keys alone")
    func keyringBytes() throws {
        let folder = try TemporaryFolder()
        let root = try RootKeyFile.createUnsealed(at: folder.file("root"), random: Fixture.random)
        let made = try Keyring.make(
            tenant: Fixture.tenant, random: Fixture.random, now: Fixture.now, suite: .sm4HMACSM3)
        let bytes = try made.sealed(under: root, random: Fixture.random)
        let opened = try Keyring.open(bytes, root: root)
        #expect(opened.keys.map(\.suite) == [.sm4HMACSM3, nil, nil, nil, nil, nil])
        let entry = try #require(
            (56..<bytes.count - 4).first { Array(bytes[$0..<$0 + 4]) == [0, 1, KeyState.active.rawValue, 1] })
        var changed = bytes
        changed[entry + 3] = 0
        #expect(throws: KeyringError.authenticationFailed) { () throws in
            _ = try Keyring.open(changed, root: root)
        }
        changed[entry + 3] = 2
        #expect(throws: KeyringError.malformed) { () throws in _ = try Keyring.open(changed, root: root) }
        let index = try #require(
            (entry + 4..<bytes.count - 4).first {
                Array(bytes[$0..<$0 + 4]) == [0, 2, KeyState.active.rawValue, 0]
            })
        changed = bytes
        changed[index + 3] = 1
        #expect(throws: KeyringError.malformed) { () throws in _ = try Keyring.open(changed, root: root) }
    }
}

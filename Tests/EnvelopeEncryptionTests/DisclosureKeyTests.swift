// Keys of the personal parts of log entries.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("Disclosure keys")
struct DisclosureKeyTests {
    let keyring: Keyring
    let wrapped: [UInt8]
    let entry = [UInt8](repeating: 0xE1, count: 16)
    let text = Array("[\"salt\",\"case\",\"cs_1\"]".utf8)

    init() throws {
        keyring = try Fixture.keyring()
        wrapped = try keyring.makeDisclosureKey(
            tenant: Fixture.tenant, contact: Fixture.contact, random: Fixture.random)
    }

    private func refusal(_ body: () throws(EnvelopeError) -> Void) -> EnvelopeError? {
        do throws(EnvelopeError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test("a disclosure opens for its contact and its entry")
    func roundTrip() throws {
        #expect(wrapped.count == Keyring.wrappedDisclosureKeyBytes)
        let key = try keyring.disclosureKey(
            wrapped: wrapped, tenant: Fixture.tenant, contact: Fixture.contact)
        for text in [text, []] {
            let sealed = try key.seal(text, entry: entry, random: Fixture.random)
            #expect(sealed.count == text.count + 32)
            #expect(try DisclosureKey.version(of: sealed) == 0)
            let again = try keyring.disclosureKey(
                wrapped: wrapped, tenant: Fixture.tenant, contact: Fixture.contact)
            #expect(try again.open(sealed, entry: entry) == text)
        }
    }

    @Test("a key wrapped for one contact is refused for another, and so is every bit flip and other length")
    func wrappedKey() {
        #expect(
            refusal { () throws(EnvelopeError) in
                _ = try keyring.disclosureKey(
                    wrapped: wrapped, tenant: Fixture.tenant, contact: Fixture.contact(0xAB))
            } == .authenticationFailed)
        #expect(
            refusal { () throws(EnvelopeError) in
                _ = try keyring.disclosureKey(
                    wrapped: wrapped, tenant: Fixture.tenant(0x12), contact: Fixture.contact)
            } == .keyUnknown)
        for bit in 0..<wrapped.count * 8 {
            var changed = wrapped
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let result = refusal { () throws(EnvelopeError) in
                _ = try keyring.disclosureKey(
                    wrapped: changed, tenant: Fixture.tenant, contact: Fixture.contact)
            }
            #expect(result != nil)
        }
        for changed in [[], Array(wrapped.dropLast()), wrapped + [0]] {
            let result = refusal { () throws(EnvelopeError) in
                _ = try keyring.disclosureKey(
                    wrapped: changed, tenant: Fixture.tenant, contact: Fixture.contact)
            }
            #expect(result == .malformed)
        }
    }

    @Test(
        "a disclosure is refused for another entry or key, after any bit flip, at any other length"
    )
    func sealedText() throws {
        let key = try keyring.disclosureKey(
            wrapped: wrapped, tenant: Fixture.tenant, contact: Fixture.contact)
        let sealed = try key.seal(text, entry: entry, random: Fixture.random)
        let otherWrapped = try keyring.makeDisclosureKey(
            tenant: Fixture.tenant, contact: Fixture.contact, random: Fixture.random)
        let other = try keyring.disclosureKey(
            wrapped: otherWrapped, tenant: Fixture.tenant, contact: Fixture.contact)
        #expect(
            refusal { () throws(EnvelopeError) in _ = try other.open(sealed, entry: entry) }
                == .authenticationFailed)
        #expect(
            refusal { () throws(EnvelopeError) in
                _ = try key.open(sealed, entry: [UInt8](repeating: 0xE2, count: 16))
            } == .authenticationFailed)
        #expect(
            refusal { () throws(EnvelopeError) in _ = try key.open(sealed, entry: []) } == .malformed)
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let result = refusal { () throws(EnvelopeError) in _ = try key.open(changed, entry: entry) }
            #expect(result == .authenticationFailed)
        }
        for count in 0..<sealed.count {
            let cut = Array(sealed[..<count])
            let result = refusal { () throws(EnvelopeError) in _ = try key.open(cut, entry: entry) }
            #expect(result != nil)
        }
        let long = [UInt8](repeating: 0, count: Limits.logEntryBytes + 1)
        #expect(
            refusal { () throws(EnvelopeError) in
                _ = try key.seal(long, entry: entry, random: Fixture.random)
            } == .tooLarge)
    }

    @Test("the general key names its version, and entries of the version before still open")
    func generalKey() throws {
        let sealed = try keyring.generalDisclosureKey.seal(text, entry: entry, random: Fixture.random)
        #expect(try DisclosureKey.version(of: sealed) == 1)
        var editor = KeyringEditor(keyring)
        try editor.promote(editor.add(.disclosure, random: Fixture.random, now: Fixture.now))
        let rotated = try editor.finish()
        #expect(rotated.generalDisclosureKey.version == 2)
        let key = try rotated.generalDisclosureKey(version: DisclosureKey.version(of: sealed))
        #expect(try key.open(sealed, entry: entry) == text)
        #expect(
            refusal { () throws(EnvelopeError) in
                _ = try rotated.generalDisclosureKey.open(sealed, entry: entry)
            } == .authenticationFailed)
        #expect(
            refusal { () throws(EnvelopeError) in _ = try rotated.generalDisclosureKey(version: 9) }
                == .keyUnknown)
    }

    @Test("rewrapping keeps the key and moves it under the new key-encryption key")
    func rewrap() throws {
        let key = try keyring.disclosureKey(
            wrapped: wrapped, tenant: Fixture.tenant, contact: Fixture.contact)
        let sealed = try key.seal(text, entry: entry, random: Fixture.random)
        var editor = KeyringEditor(keyring)
        try editor.promote(editor.addKEK(random: Fixture.random, now: Fixture.now))
        let rotated = try editor.finish()
        let moved = try rotated.rewrapDisclosureKey(
            wrapped, tenant: Fixture.tenant, contact: Fixture.contact, random: Fixture.random)
        #expect(moved[..<8] == [0, 0, 0, 7, 0, 0, 0, 2])
        let same = try rotated.disclosureKey(wrapped: moved, tenant: Fixture.tenant, contact: Fixture.contact)
        #expect(try same.open(sealed, entry: entry) == text)
    }
}

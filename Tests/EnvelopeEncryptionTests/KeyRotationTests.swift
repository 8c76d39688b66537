// The life of keys: states, floors, rewrap, re-encryption, the editor's refusals.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("Key states and rotation")
struct KeyRotationTests {
    let first: Keyring
    let rotated: Keyring
    let sealed: SealedRecord
    let old = KeyReference(.kek, id: 7, version: 1)

    init() throws {
        first = try Fixture.keyring()
        sealed = try first.seal(
            Fixture.fields, context: Fixture.context, under: first.activeKEK(for: Fixture.tenant),
            random: Fixture.random)
        var editor = KeyringEditor(first)
        let new = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        try editor.promote(new)
        rotated = try editor.finish()
    }

    private func edited(
        _ keyring: Keyring, _ change: (inout KeyringEditor) throws(KeyringError) -> Void
    ) throws(KeyringError) -> Keyring {
        var editor = KeyringEditor(keyring)
        try change(&editor)
        return try editor.finish()
    }

    private func refusal(
        _ keyring: Keyring, _ change: (inout KeyringEditor) throws(KeyringError) -> Void
    ) -> KeyringError? {
        do throws(KeyringError) {
            _ = try edited(keyring, change)
            return nil
        } catch {
            return error
        }
    }

    @Test("a replaced key opens what it sealed and seals no more")
    func decryptOnly() throws {
        #expect(rotated.epoch == first.epoch + 1)
        #expect(rotated.kek(id: 7, version: 1)?.state == .decryptOnly)
        #expect(Fixture.refusal(of: sealed.bytes, by: rotated) == nil)
        let kek = try #require(rotated.kek(id: 7, version: 1))
        #expect(throws: EnvelopeError.keyNotUsable) { () throws in
            _ = try rotated.seal(Fixture.fields, context: Fixture.context, under: kek, random: Fixture.random)
        }
        let next = try rotated.seal(
            name: nil, phone: Fixture.secret("+8613800138000"), relation: nil, binding: Fixture.attributes,
            context: Fixture.context, random: Fixture.random)
        #expect(next.kekVersion == 2)
        // An instance that has not yet read the new keyring knows no version 2 and says so.
        #expect(Fixture.refusal(of: next.bytes, by: first) == .keyUnknown)
    }

    @Test("a key handed out but not yet promoted opens and does not seal")
    func preActive() throws {
        var editor = KeyringEditor(first)
        let reference = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        let handedOut = try KeyringEditor(editor.finish())
        let waiting = try handedOut.finish()
        let promoted = try edited(waiting) { (editor) throws(KeyringError) in try editor.promote(reference) }
        let next = try promoted.seal(
            name: nil, phone: Fixture.secret("+8613800138000"), relation: nil, binding: Fixture.attributes,
            context: Fixture.context, random: Fixture.random)
        #expect(next.kekVersion == 2)
        #expect(Fixture.refusal(of: next.bytes, by: waiting) == nil)
        let kek = try #require(waiting.kek(id: 7, version: 2))
        #expect(throws: EnvelopeError.keyNotUsable) { () throws in
            _ = try waiting.seal(Fixture.fields, context: Fixture.context, under: kek, random: Fixture.random)
        }
    }

    @Test("disabled and destroyed keys open nothing; enabling brings back the one, nothing the other")
    func disabledAndDestroyed() throws {
        let disabled = try edited(rotated) { (editor) throws(KeyringError) in try editor.disable(old) }
        #expect(Fixture.refusal(of: sealed.bytes, by: disabled) == .keyNotUsable)
        let enabled = try edited(disabled) { (editor) throws(KeyringError) in try editor.enable(old) }
        #expect(Fixture.refusal(of: sealed.bytes, by: enabled) == nil)
        let destroyed = try edited(disabled) { (editor) throws(KeyringError) in try editor.destroy(old) }
        #expect(Fixture.refusal(of: sealed.bytes, by: destroyed) == .keyNotUsable)
        #expect(destroyed.kek(id: 7, version: 1)?.secret == nil)
        #expect(
            refusal(destroyed) { (editor) throws(KeyringError) in try editor.enable(old) }
                == .transitionNotAllowed)
    }

    @Test("a compromised key releases nothing and rewraps nothing; re-encryption gets the record out")
    func compromised() throws {
        let keyring = try edited(rotated) { (editor) throws(KeyringError) in try editor.markCompromised(old) }
        #expect(Fixture.refusal(of: sealed.bytes, by: keyring) == .keyNotUsable)
        #expect(Fixture.refusal(of: sealed, by: keyring, permit: Fixture.permit()) == .keyNotUsable)
        #expect(throws: EnvelopeError.keyNotUsable) { () throws in
            _ = try keyring.rewrap(sealed, context: Fixture.context, random: Fixture.random)
        }
        let next = try keyring.reencrypt(sealed, context: Fixture.context, random: Fixture.random)
        #expect(next.generation == 6)
        #expect(next.kekVersion == 2)
        let opened = try keyring.openAll(next, context: next.context)
        #expect(opened.map(Fixture.text) == Fixture.fields.map(Fixture.text))
        // No ciphertext is carried over: the data key is new.
        #expect(next.bytes[next.ciphertextStart...] != sealed.bytes[sealed.ciphertextStart...])
    }

    @Test("a version below the floor is refused, and the floor only rises up to the active version")
    func floors() throws {
        let raised = try edited(rotated) { (editor) throws(KeyringError) in
            try editor.raiseFloor(ofKEK: 7, to: 2)
        }
        #expect(raised.floor(ofKEK: 7) == 2)
        #expect(Fixture.refusal(of: sealed.bytes, by: raised) == .keyBelowFloor)
        #expect(
            refusal(raised) { (editor) throws(KeyringError) in try editor.raiseFloor(ofKEK: 7, to: 1) }
                == .floorNotAllowed)
        #expect(
            refusal(raised) { (editor) throws(KeyringError) in try editor.raiseFloor(ofKEK: 7, to: 3) }
                == .floorNotAllowed)
        #expect(
            refusal(raised) { (editor) throws(KeyringError) in try editor.raiseFloor(ofKEK: 8, to: 1) }
                == .keyUnknown)
    }

    @Test("the floor rises when everything below it is destroyed, and not before")
    func floorOfTheDestroyed() throws {
        let third = try edited(rotated) { (editor) throws(KeyringError) in
            try editor.promote(try editor.addKEK(random: Fixture.random, now: Fixture.now))
        }
        let second = KeyReference(.kek, id: 7, version: 2)
        func destroyed(_ keys: [KeyReference], in keyring: Keyring) throws -> Keyring {
            try edited(keyring) { (editor) throws(KeyringError) in
                for key in keys {
                    try editor.disable(key)
                    try editor.destroy(key)
                }
            }
        }
        // The oldest is left: it still opens.
        let middle = try destroyed([second], in: third)
        #expect(middle.floor(ofKEK: 7) == 1 && Fixture.refusal(of: sealed.bytes, by: middle) == nil)
        #expect(try destroyed([old], in: third).floor(ofKEK: 7) == 2)
        #expect(try destroyed([old], in: middle).floor(ofKEK: 7) == 3)
    }

    @Test("rewrap changes kek, wrap and header MAC, and leaves every other byte as it is")
    func rewrap() throws {
        let next = try rotated.rewrap(sealed, context: Fixture.context, random: Fixture.random)
        #expect(next.kekVersion == 2)
        #expect(next.generation == sealed.generation)
        #expect(next.bytes.count == sealed.bytes.count)
        var allowed = Set(48..<56)
        allowed.formUnion(sealed.wrapNonce)
        allowed.formUnion(sealed.wrappedKey)
        allowed.formUnion(sealed.wrapTag)
        allowed.formUnion(sealed.macStart..<sealed.ciphertextStart)
        for offset in sealed.bytes.indices where !allowed.contains(offset) {
            #expect(next.bytes[offset] == sealed.bytes[offset])
        }
        #expect(next.bytes[next.wrappedKey] != sealed.bytes[sealed.wrappedKey])
        #expect(Fixture.refusal(of: next.bytes, by: rotated) == nil)
        // After the floor has risen the rewrapped record opens and an old copy of it does not.
        let raised = try edited(rotated) { (editor) throws(KeyringError) in
            try editor.raiseFloor(ofKEK: 7, to: 2)
        }
        #expect(Fixture.refusal(of: next.bytes, by: raised) == nil)
        #expect(Fixture.refusal(of: sealed.bytes, by: raised) == .keyBelowFloor)
    }

    @Test("rewrap refuses a record that was changed or belongs elsewhere")
    func rewrapChecks() throws {
        var bytes = sealed.bytes
        bytes[sealed.directoryStart + 8] ^= 1
        let changed = try SealedRecord(parsing: bytes)
        #expect(throws: EnvelopeError.authenticationFailed) { () throws in
            _ = try rotated.rewrap(changed, context: Fixture.context, random: Fixture.random)
        }
        let elsewhere = RecordContext(
            tenant: Fixture.tenant, record: Fixture.contact(1), generation: 5, schema: 1)
        #expect(throws: EnvelopeError.contextMismatch) { () throws in
            _ = try rotated.rewrap(sealed, context: elsewhere, random: Fixture.random)
        }
    }

    @Test("the active key cannot be switched off, marked or destroyed, and one in use cannot be destroyed")
    func transitions() {
        let active = KeyReference(.kek, id: 7, version: 2)
        #expect(
            refusal(rotated) { (e) throws(KeyringError) in try e.disable(active) } == .transitionNotAllowed)
        #expect(
            refusal(rotated) { (e) throws(KeyringError) in try e.markCompromised(active) }
                == .transitionNotAllowed)
        #expect(
            refusal(rotated) { (e) throws(KeyringError) in try e.destroy(active) } == .transitionNotAllowed)
        #expect(refusal(rotated) { (e) throws(KeyringError) in try e.destroy(old) } == .transitionNotAllowed)
        #expect(refusal(rotated) { (e) throws(KeyringError) in try e.promote(old) } == .transitionNotAllowed)
        #expect(refusal(rotated) { (e) throws(KeyringError) in try e.enable(old) } == .transitionNotAllowed)
        let unknown = KeyReference(.kek, id: 7, version: 9)
        #expect(refusal(rotated) { (e) throws(KeyringError) in try e.disable(unknown) } == .keyUnknown)
    }

    @Test("a destroyed version's number is never given out again")
    func versionsAreNotReused() throws {
        var editor = KeyringEditor(first)
        let second = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        try editor.destroy(second)
        let third = try editor.addKEK(random: Fixture.random, now: Fixture.now)
        #expect(third.version == 3)
    }

    @Test("token keys verify before and after promotion, and not once compromised")
    func tokenKeys() throws {
        var editor = KeyringEditor(first)
        let second = try editor.add(.tokenSigning, random: Fixture.random, now: Fixture.now)
        let waiting = try editor.finish()
        #expect(waiting.tokenVerificationKeys.count == 2)
        #expect(
            waiting.tokenSigningKey.verificationKey.rawRepresentation
                == first.tokenSigningKey.verificationKey.rawRepresentation)
        let promoted = try edited(waiting) { (e) throws(KeyringError) in try e.promote(second) }
        #expect(
            promoted.tokenSigningKey.verificationKey.rawRepresentation
                != first.tokenSigningKey.verificationKey.rawRepresentation)
        #expect(promoted.tokenVerificationKeys.count == 2)
        #expect(
            promoted.tokenVerificationKeys.first?.rawRepresentation
                == promoted.tokenSigningKey.verificationKey.rawRepresentation)
        let marked = try edited(promoted) { (e) throws(KeyringError) in
            try e.markCompromised(KeyReference(.tokenSigning, version: 1))
        }
        #expect(marked.tokenVerificationKeys.count == 1)
        #expect(first.tokenSigningKey.algorithm == .es256)
        #expect(first.logSigningKeys[0].algorithm == .ed25519)
        #expect(first.logVerificationKeys.count == 1)
    }

    @Test("while the index key rotates, a value is looked up under both and written under the new one")
    func blindIndexRotation() throws {
        var editor = KeyringEditor(first)
        let second = try editor.add(.blindIndex, random: Fixture.random, now: Fixture.now)
        try editor.promote(second)
        let keyring = try editor.finish()
        let before = try first.blindIndex(.phone, Fixture.secret("+8613800138000"), tenant: Fixture.tenant)
        let after = try keyring.blindIndex(.phone, Fixture.secret("+8613800138000"), tenant: Fixture.tenant)
        let both = try keyring.blindIndexCandidates(
            .phone, Fixture.secret("+8613800138000"), tenant: Fixture.tenant)
        #expect(after.version == 2)
        #expect(both == [after, before])
    }

    @Test("a listing shows every version and its state")
    func listing() throws {
        let keys = rotated.keys
        #expect(keys.count == KeyName.allCases.count + 1)
        #expect(keys.map(\.reference) == keys.map(\.reference).sorted())
        #expect(keys.first?.reference == old)
        #expect(keys.first?.state == .decryptOnly)
        #expect(keys.first?.floor == 1)
        #expect(keys.last?.floor == nil)
    }
}

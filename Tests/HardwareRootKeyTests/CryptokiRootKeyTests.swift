// Attacks on a root key in hardware, and accidents of the token, by SoftHSM.

import CCryptoki
import EnvelopeEncryption
import Foundation
import Testing
import VaultCrypto

@testable import HardwareRootKey

extension SoftTokenTests {
    @Suite("A root key in hardware")
    struct CryptokiRootKeyTests {
        let context = Array("CV1K somewhere".utf8)
        let secret = [UInt8](0..<32)

        private func wrapped(by root: any RootKey, context: [UInt8]? = nil) throws -> [UInt8] {
            try root.wrap(SecretBytes(copying: secret), context: context ?? self.context)
        }

        private func refusal(_ bytes: [UInt8], by root: any RootKey, context: [UInt8]? = nil) -> RootKeyError?
        {
            do throws(RootKeyError) {
                let opened = try root.unwrap(bytes, context: context ?? self.context)
                #expect(opened.revealBytes() == secret)
                return nil
            } catch {
                return error
            }
        }

        @Test("what is wrapped opens, by the same key opened anew as well, and no two wraps are alike")
        func roundTrip() throws {
            let token = try SoftToken.named("vault")
            let root = try token.make("round trip")
            let first = try wrapped(by: root)
            #expect(first.count == 12 + 32 + 16)
            #expect(try wrapped(by: root)[..<12] != first[..<12])
            #expect(refusal(first, by: root) == nil)
            let again = try token.open("round trip")
            #expect(again.keyCheckValue == root.keyCheckValue)
            #expect(refusal(first, by: again) == nil)
            for count in [1, 256] {
                let some = SecretBytes(copying: [UInt8](repeating: 7, count: count))
                let opened = try root.unwrap(try root.wrap(some, context: []), context: [])
                #expect(opened.revealBytes() == [UInt8](repeating: 7, count: count))
            }
        }

        @Test("another context, a changed byte, a truncation and an extension are refused, and cost nothing")
        func changes() throws {
            let root = try SoftToken.named("vault").make()
            let bytes = try wrapped(by: root)
            #expect(refusal(bytes, by: root, context: context + [0]) == .authenticationFailed)
            #expect(refusal(bytes, by: root, context: []) == .authenticationFailed)
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= 0x01
                #expect(refusal(changed, by: root) == .authenticationFailed, "byte \(index)")
            }
            for count in bytes.indices {
                #expect(refusal(Array(bytes[..<count]), by: root) == .authenticationFailed, "\(count) bytes")
            }
            #expect(refusal(bytes + [0], by: root) == .authenticationFailed)
            #expect(refusal(bytes, by: root) == nil)
        }

        @Test("another key of the token and a key of another token are refused")
        func otherKeys() throws {
            let token = try SoftToken.named("vault")
            let bytes = try wrapped(by: try token.make("mine"))
            #expect(refusal(bytes, by: try token.make("not mine")) == .authenticationFailed)
            #expect(refusal(bytes, by: try SoftToken.named("another").make("mine")) == .authenticationFailed)
        }

        @Test("OpenSSL opens what the token sealed and the other way round, and makes the same check value")
        func knownAnswers() throws {
            let token = try SoftToken.named("imported")
            let key = SecretBytes(copying: [UInt8](0..<32))
            try token.makeKey("known", value: [UInt8](0..<32))
            let root = try token.open("known")
            // Computed by Python's cryptography: docs/spec/root-key.md.
            #expect(root.keyCheckValue == SoftTokenTests.bytes(hex: "35c01046af1793bf1575a31796e5ddd5"))
            let bytes = try wrapped(by: root)
            let opened = try AES256GCM.open(
                bytes[12..<44], tag: Array(bytes[44...]), key: key, nonce: Array(bytes[..<12]),
                associatedData: context)
            #expect(opened.revealBytes() == secret)
            let nonce = [UInt8](repeating: 0xA1, count: 12)
            let sealed = try AES256GCM.seal(
                SecretBytes(copying: secret), key: key, nonce: nonce, associatedData: context)
            #expect(refusal(nonce + sealed.ciphertext + sealed.tag, by: root) == nil)
            // Nothing opens under the nonce of the check value, not even what the key has sealed.
            let reserved = CryptokiRootKey.reservedNonce
            let probe = try AES256GCM.seal(
                SecretBytes(copying: secret), key: key, nonce: reserved, associatedData: context)
            #expect(refusal(reserved + probe.ciphertext + probe.tag, by: root) == .authenticationFailed)
        }

        @Test("the check value tells keys apart and is a key's for good")
        func checkValues() throws {
            let token = try SoftToken.named("vault")
            let roots = try (0..<8).map { try token.make("check \($0)") }
            #expect(Set(roots.map(\.keyCheckValue)).count == 8)
            for (index, root) in roots.enumerated() {
                #expect(root.keyCheckValue.count == 16)
                #expect(try token.open("check \(index)").keyCheckValue == root.keyCheckValue)
            }
        }

        @Test("a wrong PIN is refused and presented once")
        func wrongPIN() throws {
            let token = try SoftToken.named("pin")
            try CryptokiRootKey.makeKey(at: token.location("key"), pin: SoftToken.pin())
            #expect(try token.flags() & CKF_USER_PIN_COUNT_LOW == 0)
            #expect(token.refusal("key", pin: SoftToken.wrongPIN) == .pinIncorrect)
            #expect(try token.flags() & CKF_USER_PIN_COUNT_LOW != 0)
            #expect(token.refusal("key", pin: "") == .passphraseEmpty)
            // The right one clears the count.
            let root = try token.open("key")
            #expect(try token.flags() & CKF_USER_PIN_COUNT_LOW == 0)
            let bytes = try wrapped(by: root)

            // The PIN is changed while the vault is at work, and it has to log in again.
            try token.changePIN(from: SoftToken.pin, to: SoftToken.wrongPIN)
            try token.closeAllSessions()
            guard case .hardwareUnavailable = refusal(bytes, by: root) else {
                Issue.record("a lost session went unnoticed")
                return
            }
            #expect(refusal(bytes, by: root) == .pinIncorrect)
            // Had it been presented again after this, it would have been right.
            try token.changePIN(from: SoftToken.wrongPIN, to: SoftToken.pin)
            try token.closeAllSessions()
            #expect(try token.flags() & CKF_USER_PIN_COUNT_LOW == 0)
            for _ in 0..<3 { #expect(refusal(bytes, by: root) == .pinIncorrect) }
            #expect(refusal(bytes, by: try token.open("key")) == nil)
        }

        @Test("no such module, token or key is told apart, and nothing takes its place")
        func missing() throws {
            let token = try SoftToken.named("vault")
            _ = try token.make("there")
            #expect(token.refusal("not there") == .keyNotFound)
            #expect(token.refusal("ther") == .keyNotFound)
            for module in [
                "/nowhere/module.so", "libsofthsm2.so", "", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
            ] {
                let location = CryptokiRootKey.Location(module: module, token: "vault", key: "there")
                #expect(SoftToken.refusal(location) == .moduleNotLoadable, "\(module)")
            }
            for label in ["nobody", "vaul", "", String(repeating: "v", count: 40)] {
                let location = CryptokiRootKey.Location(module: SoftToken.module, token: label, key: "there")
                #expect(SoftToken.refusal(location) == .tokenNotFound)
            }
        }

        @Test("two keys or two tokens of one label are refused, and a second key is not made")
        func ambiguous() throws {
            let token = try SoftToken.named("vault")
            _ = try token.make("twice")
            #expect(throws: RootKeyError.keyExists) { () throws in
                try CryptokiRootKey.makeKey(at: token.location("twice"), pin: SoftToken.pin())
            }
            try token.makeKey("twice")
            #expect(token.refusal("twice") == .keyAmbiguous)
            #expect(try SoftToken.named("twins").refusal("any") == .tokenAmbiguous)
        }

        @Test("a key that could be read out, or be used for something else, is refused")
        func unprotected() throws {
            let token = try SoftToken.named("vault")
            let changes: [(String, CK_ATTRIBUTE_TYPE, Bool)] = [
                ("extractable", CKA_EXTRACTABLE, true), ("not sensitive", CKA_SENSITIVE, false),
                ("not private", CKA_PRIVATE, false), ("wraps", CKA_WRAP, true), ("unwraps", CKA_UNWRAP, true),
                ("signs", CKA_SIGN, true), ("verifies", CKA_VERIFY, true), ("derives", CKA_DERIVE, true),
                ("does not encrypt", CKA_ENCRYPT, false), ("does not decrypt", CKA_DECRYPT, false),
            ]
            for (name, attribute, value) in changes {
                try token.makeKey(name, changing: [attribute: value])
                #expect(token.refusal(name) == .keyNotProtected, "\(name)")
            }
            try token.makeKey("short", length: 16)
            #expect(token.refusal("short") == .keyNotProtected)
            try token.makeKey("generic", type: CKK_GENERIC_SECRET)
            #expect(token.refusal("generic") == .keyNotProtected)
            try token.makeKey("as it should be")
            #expect(token.refusal("as it should be") == nil)
        }

        @Test("the key that is made does AES-GCM alone and cannot be loosened")
        func madeKey() throws {
            let token = try SoftToken.named("vault")
            _ = try token.make("tight")
            try token.inSession { functions, session in
                var functions = functions
                var found: [CK_OBJECT_HANDLE] = [0, 0]
                var count: CK_ULONG = 0
                let label = Array("tight".utf8)
                #expect(
                    contact_vault_cryptoki_find(&functions, session, label, label.count, &found, &count)
                        == CKR_OK)
                #expect(count == 1)
                var yes: CK_BBOOL = 1
                let code = withUnsafeMutablePointer(to: &yes) { pointer in
                    var attribute = CK_ATTRIBUTE(type: CKA_EXTRACTABLE, pValue: pointer, ulValueLen: 1)
                    return functions.C_SetAttributeValue(session, found[0], &attribute, 1)
                }
                #expect(code != CKR_OK)
                var value = [UInt8](repeating: 0, count: 32)
                let read = value.withUnsafeMutableBytes { bytes in
                    var attribute = CK_ATTRIBUTE(type: CKA_VALUE, pValue: bytes.baseAddress, ulValueLen: 32)
                    return functions.C_GetAttributeValue(session, found[0], &attribute, 1)
                }
                #expect(read == CKR_ATTRIBUTE_SENSITIVE)
                var block = CK_MECHANISM(mechanism: CKM_AES_ECB, pParameter: nil, ulParameterLen: 0)
                #expect(functions.C_EncryptInit(session, &block, found[0]) != CKR_OK)
            }
        }

        @Test("sessions that are closed behind its back: one refusal, then it works again by itself")
        func lostSession() throws {
            let token = try SoftToken.named("another")
            let root = try token.make()
            let bytes = try wrapped(by: root)
            try token.closeAllSessions()
            guard case .hardwareUnavailable = refusal(bytes, by: root) else {
                Issue.record("a lost session went unnoticed")
                return
            }
            #expect(refusal(bytes, by: root) == nil)
            #expect(refusal(try wrapped(by: root), by: root) == nil)
        }

        @Test("a module that is finalised behind its back is initialised again")
        func finalized() throws {
            let root = try SoftToken.named("another").make()
            let bytes = try wrapped(by: root)
            #expect(try SoftToken.functions().C_Finalize(nil) == CKR_OK)
            guard case .hardwareUnavailable = refusal(bytes, by: root) else {
                Issue.record("a finalised module went unnoticed")
                return
            }
            #expect(refusal(bytes, by: root) == nil)
        }

        @Test("a handle from before is not used when the module has given it to another key")
        func staleHandles() throws {
            let token = try SoftToken.named("another")
            for key in ["earlier", "later"] {
                try CryptokiRootKey.makeKey(at: token.location(key), pin: SoftToken.pin())
            }
            // A module that was just initialised gives out the same handles in the same order.
            #expect(try SoftToken.functions().C_Finalize(nil) == CKR_OK)
            let first = try token.open("earlier")
            let bytes = try wrapped(by: first)
            #expect(try SoftToken.functions().C_Finalize(nil) == CKR_OK)
            let second = try token.open("later")
            #expect(throws: RootKeyError.hardwareUnavailable(code: UInt(CKR_SESSION_HANDLE_INVALID))) {
                () throws in
                _ = try wrapped(by: first)
            }
            #expect(refusal(try wrapped(by: second), by: second) == nil)
            #expect(refusal(bytes, by: second) == .authenticationFailed)
            #expect(refusal(bytes, by: first) == nil)
        }

        @Test("a token that is taken away opens nothing, and works again once it is back")
        func removed() throws {
            let token = try SoftToken.named("removable")
            let root = try token.make()
            let bytes = try wrapped(by: root)
            try token.move(isAway: true)
            for _ in 0..<3 {
                let error = refusal(bytes, by: root)
                #expect(error != nil && error != .authenticationFailed, "\(String(describing: error))")
                #expect(throws: RootKeyError.self) { () throws in _ = try wrapped(by: root) }
            }
            try token.move(isAway: false)
            #expect(refusal(bytes, by: root) == nil)
            #expect(refusal(try wrapped(by: root), by: root) == nil)
        }

        @Test("another key that is put in the key's place is not used")
        func replaced() throws {
            let token = try SoftToken.named("another")
            let root = try token.make("replaced")
            let bytes = try wrapped(by: root)
            try token.destroyKeys("replaced")
            try CryptokiRootKey.makeKey(at: token.location("replaced"), pin: SoftToken.pin())
            try token.closeAllSessions()
            #expect(refusal(bytes, by: root) != nil)
            for _ in 0..<2 {
                #expect(refusal(bytes, by: root) == .keyReplaced)
                #expect(throws: RootKeyError.keyReplaced) { () throws in _ = try wrapped(by: root) }
            }
        }

        @Test("four threads wrap and unwrap at once")
        func threads() async throws {
            let root = try SoftToken.named("vault").make()
            try await withThrowingTaskGroup(of: [[UInt8]].self) { group in
                for thread in 0..<4 {
                    group.addTask {
                        try (0..<50).map { index in
                            let context: [UInt8] = [UInt8(thread), UInt8(index)]
                            let bytes = try root.wrap(SecretBytes(copying: secret), context: context)
                            let opened = try root.unwrap(bytes, context: context)
                            #expect(opened.revealBytes() == secret)
                            return bytes
                        }
                    }
                }
                var nonces: Set<[UInt8]> = []
                for try await part in group { nonces.formUnion(part.map { Array($0[..<12]) }) }
                #expect(nonces.count == 200)
            }
        }
    }
}

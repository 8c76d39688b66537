// What must be refused: flipped bits, foreign keys, other lengths, degenerate keys.

import Testing
import VaultCrypto

@Suite("Forgeries and wrong arguments")
struct ForgeryTests {
    @Test(
        "every single-bit flip of ciphertext, tag, nonce, key or associated data is refused, all the same way"
    )
    func bitFlips() throws {
        let random = SystemRandom()
        let keyBytes = try random.bytes(32)
        let nonce = try random.bytes(12)
        let associatedData = Array("CV1F context".utf8)
        let sealed = try AES256GCM.seal(
            SecretBytes(copying: "+13125550142".utf8), key: SecretBytes(copying: keyBytes), nonce: nonce,
            associatedData: associatedData)

        func refusal(
            _ ciphertext: [UInt8], _ tag: [UInt8], _ key: [UInt8], _ nonce: [UInt8], _ associatedData: [UInt8]
        ) -> CryptoError? {
            do {
                _ = try AES256GCM.open(
                    ciphertext[...], tag: tag, key: SecretBytes(copying: key), nonce: nonce,
                    associatedData: associatedData)
                return nil
            } catch { return error }
        }
        let parts = [sealed.ciphertext, sealed.tag, keyBytes, nonce, associatedData]
        #expect(refusal(parts[0], parts[1], parts[2], parts[3], parts[4]) == nil)
        for part in parts.indices {
            for bit in 0..<parts[part].count * 8 {
                var flipped = parts
                flipped[part][bit / 8] ^= 1 << UInt8(bit % 8)
                let error = refusal(flipped[0], flipped[1], flipped[2], flipped[3], flipped[4])
                #expect(error == .authenticationFailed, "part \(part), bit \(bit)")
            }
        }
        for count in 0..<sealed.ciphertext.count {
            let error = refusal(Array(sealed.ciphertext[0..<count]), parts[1], parts[2], parts[3], parts[4])
            #expect(error == .authenticationFailed, "truncated to \(count)")
        }
        // A failure leaves the thread's context fit for the next caller.
        #expect(refusal(parts[0], parts[1], parts[2], parts[3], parts[4]) == nil)
    }

    @Test(
        "short tags, short nonces and other key lengths are refused",
        arguments: [0, 4, 8, 11, 13, 15, 17, 31, 33])
    func lengths(count: Int) {
        let other = [UInt8](repeating: 1, count: count)
        let key = [UInt8](repeating: 2, count: 32)
        let nonce = [UInt8](repeating: 3, count: 12)
        let tag = [UInt8](repeating: 4, count: 16)
        func refusal(key: [UInt8], nonce: [UInt8], tag: [UInt8]) -> CryptoError? {
            do {
                _ = try AES256GCM.open(
                    [1, 2, 3][...], tag: tag, key: SecretBytes(copying: key), nonce: nonce, associatedData: []
                )
                return nil
            } catch { return error }
        }
        #expect(refusal(key: other, nonce: nonce, tag: tag) == .invalidArgument("key"))
        #expect(refusal(key: key, nonce: other, tag: tag) == .invalidArgument("nonce"))
        #expect(refusal(key: key, nonce: nonce, tag: other) == .invalidArgument("tag"))
    }

    @Test("an empty HMAC key is refused: the library would silently use the key of the call before")
    func emptyMACKey() throws {
        _ = try HMACSHA256.authenticate([1], key: SecretBytes(copying: [9]))
        #expect(throws: CryptoError.invalidArgument("key")) { () throws in
            _ = try HMACSHA256.authenticate([1], key: SecretBytes(copying: []))
        }
    }

    @Test("a code of another length, or with one bit flipped, is not valid")
    func wrongCodes() throws {
        let key = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
        let code = try HMACSHA256.authenticate([1, 2, 3], key: key)
        #expect(try HMACSHA256.isValid(code, for: [1, 2, 3], key: key))
        #expect(try !HMACSHA256.isValid(Array(code.dropLast()), for: [1, 2, 3], key: key))
        #expect(try !HMACSHA256.isValid(code + [0], for: [1, 2, 3], key: key))
        #expect(try !HMACSHA256.isValid([], for: [1, 2, 3], key: key))
        for bit in 0..<256 {
            var flipped = code
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(try !HMACSHA256.isValid(flipped, for: [1, 2, 3], key: key))
        }
    }

    @Test("HKDF refuses weak keys and impossible lengths")
    func hkdfBounds() {
        func refusal(keyCount: Int, count: Int) -> CryptoError? {
            do {
                _ = try HKDFSHA256.expand(
                    SecretBytes(copying: [UInt8](repeating: 1, count: keyCount)), info: [], count: count)
                return nil
            } catch { return error }
        }
        #expect(refusal(keyCount: 32, count: 8160) == nil)
        #expect(refusal(keyCount: 32, count: 8161) == .invalidArgument("count"))
        #expect(refusal(keyCount: 32, count: 0) == .invalidArgument("count"))
        #expect(refusal(keyCount: 32, count: -1) == .invalidArgument("count"))
        #expect(refusal(keyCount: 31, count: 32) == .invalidArgument("key"))
    }

    @Test("scrypt refuses costs that a forged file could use to take all memory, before it takes any")
    func scryptBounds() {
        func refusal(logCost: UInt8, blockSize: UInt64, parallelism: UInt64) -> CryptoError? {
            do {
                _ = try Scrypt.derive(
                    passphrase: SecretBytes(copying: [1]), salt: [], logCost: logCost, blockSize: blockSize,
                    parallelism: parallelism)
                return nil
            } catch { return error }
        }
        #expect(refusal(logCost: 3, blockSize: 8, parallelism: 1) == .invalidArgument("logCost"))
        #expect(refusal(logCost: 21, blockSize: 8, parallelism: 1) == .invalidArgument("logCost"))
        #expect(refusal(logCost: 255, blockSize: 8, parallelism: 1) == .invalidArgument("logCost"))
        #expect(refusal(logCost: 10, blockSize: 0, parallelism: 1) == .invalidArgument("cost"))
        #expect(refusal(logCost: 10, blockSize: 9, parallelism: 1) == .invalidArgument("cost"))
        #expect(refusal(logCost: 10, blockSize: .max, parallelism: .max) == .invalidArgument("cost"))
        #expect(refusal(logCost: 10, blockSize: 8, parallelism: 0) == .invalidArgument("cost"))
        #expect(refusal(logCost: 4, blockSize: 1, parallelism: 1) == nil)
    }

    @Test(
        "every bit flip of a signature, and signatures of another length, are refused",
        arguments: SignatureAlgorithm.allCases)
    func signatureFlips(algorithm: SignatureAlgorithm) throws {
        let key = try SigningKey(generating: algorithm)
        let message = Array("checkpoint".utf8)
        let signature = try key.sign(message)
        #expect(signature.count == SignatureAlgorithm.signatureBytes)
        #expect(key.verificationKey.isValid(signature: signature, for: message))
        for bit in 0..<signature.count * 8 {
            var flipped = signature
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!key.verificationKey.isValid(signature: flipped, for: message), "bit \(bit)")
        }
        for count in [0, 1, 63, 65, 128] {
            #expect(
                !key.verificationKey.isValid(signature: [UInt8](repeating: 1, count: count), for: message))
        }
        #expect(!key.verificationKey.isValid(signature: [UInt8](repeating: 0, count: 64), for: message))
        let other = try SigningKey(generating: algorithm)
        #expect(!other.verificationKey.isValid(signature: signature, for: message))
    }

    @Test("degenerate and malformed public keys are refused at registration")
    func publicKeys() throws {
        func isRefused(_ algorithm: SignatureAlgorithm, _ raw: [UInt8]) -> Bool {
            do {
                _ = try VerificationKey(algorithm, rawRepresentation: raw)
                return false
            } catch { return error == .invalidArgument("public key") }
        }
        // Ed25519 points of small order verify one signature over many messages.
        var identity = [UInt8](repeating: 0, count: 32)
        #expect(isRefused(.ed25519, identity))
        identity[0] = 1
        #expect(isRefused(.ed25519, identity))
        identity[31] = 0x80
        #expect(isRefused(.ed25519, identity))
        #expect(isRefused(.ed25519, hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")))
        #expect(isRefused(.ed25519, hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")))
        #expect(isRefused(.ed25519, [UInt8](repeating: 9, count: 31)))

        let good = try SigningKey(generating: .es256).verificationKey.rawRepresentation
        var offCurve = good
        offCurve[64] ^= 1
        #expect(isRefused(.es256, offCurve))
        // Compressed and hybrid forms are second spellings of one key.
        #expect(isRefused(.es256, [2 + (good[64] & 1)] + good[1...32]))
        #expect(isRefused(.es256, [6 + (good[64] & 1)] + good[1...]))
        #expect(isRefused(.es256, [4] + [UInt8](repeating: 0, count: 64)))
        #expect(isRefused(.es256, [0]))
        #expect(isRefused(.es256, []))
    }

    @Test("private keys outside 1…n−1 or of another length are refused")
    func privateKeys() {
        func isRefused(_ algorithm: SignatureAlgorithm, _ raw: [UInt8]) -> Bool {
            do {
                _ = try SigningKey(algorithm, privateKey: SecretBytes(copying: raw))
                return false
            } catch { return error == .invalidArgument("private key") }
        }
        let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        #expect(isRefused(.es256, [UInt8](repeating: 0, count: 32)))
        #expect(isRefused(.es256, order))
        #expect(isRefused(.es256, [UInt8](repeating: 0xFF, count: 32)))
        #expect(isRefused(.es256, [UInt8](repeating: 1, count: 31)))
        #expect(isRefused(.ed25519, [UInt8](repeating: 1, count: 33)))
        #expect(!isRefused(.es256, Array(order.dropLast()) + [0x50]))
    }

    @Test("a key pair survives its raw form", arguments: SignatureAlgorithm.allCases)
    func rawForms(algorithm: SignatureAlgorithm) throws {
        let key = try SigningKey(generating: algorithm)
        let raw = try key.revealPrivateKey()
        #expect(raw.count == 32)
        let again = try SigningKey(algorithm, privateKey: raw)
        #expect(again.verificationKey.rawRepresentation == key.verificationKey.rawRepresentation)
        let verifier = try VerificationKey(
            algorithm, rawRepresentation: key.verificationKey.rawRepresentation)
        #expect(verifier.isValid(signature: try again.sign([1]), for: [1]))
    }

    @Test("constant-time equality is equality")
    func equality() {
        #expect([UInt8]([1, 2, 3]).isEqualInConstantTime(to: [1, 2, 3]))
        #expect(![UInt8]([1, 2, 3]).isEqualInConstantTime(to: [1, 2, 4]))
        #expect(![UInt8]([1, 2, 3]).isEqualInConstantTime(to: [1, 2]))
        #expect([UInt8]().isEqualInConstantTime(to: []))
    }

    @Test("random bytes have the length asked for and do not repeat")
    func random() throws {
        let source = SystemRandom()
        for count in [0, 1, 12, 32, 4096] {
            #expect(try source.bytes(count).count == count)
            let secret = try source.secret(count)
            #expect(secret.count == count)
        }
        #expect(try source.bytes(32) != source.bytes(32))
    }

    @Test("a secret copies its bytes, reveals them, and lends parts")
    func secretBytes() {
        let bytes = SecretBytes(copying: [1, 2, 3, 4])
        let part = bytes.copy(1..<3)
        #expect(bytes.revealBytes() == [1, 2, 3, 4])
        #expect(part.revealBytes() == [2, 3])
        let sum = bytes.reveal { span in
            var sum = 0
            for index in span.indices { sum += Int(span[index]) }
            return sum
        }
        #expect(sum == 10)
        let empty = bytes.copy(2..<2)
        #expect(empty.revealBytes().isEmpty)
    }

    @Test("many threads at once get the answers of one: contexts are per thread")
    func concurrency() async throws {
        let key = SharedSecret(SecretBytes(copying: [UInt8](repeating: 5, count: 32)))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    for round in 0..<200 {
                        let message = Array("\(worker)/\(round)".utf8)
                        var nonce = [UInt8](repeating: 0, count: 12)
                        nonce[0] = UInt8(worker)
                        nonce[1] = UInt8(round)
                        let sealed = try AES256GCM.seal(
                            SecretBytes(copying: message), key: key.bytes, nonce: nonce,
                            associatedData: message)
                        let opened = try AES256GCM.open(
                            sealed.ciphertext[...], tag: sealed.tag, key: key.bytes, nonce: nonce,
                            associatedData: message)
                        guard opened.revealBytes() == message else { return false }
                        let code = try HMACSHA256.authenticate(message, key: key.bytes)
                        guard try HMACSHA256.isValid(code, for: message, key: key.bytes) else { return false }
                    }
                    return true
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}

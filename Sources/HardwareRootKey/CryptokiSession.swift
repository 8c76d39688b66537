// A session with a token in which its user is logged in, and the one key that is used in it.

import CCryptoki
import EnvelopeEncryption
import VaultCrypto

/// An open session. Whoever has it closes it.
struct CryptokiSession: Sendable {
    private let module: CryptokiModule
    private let session: CryptokiModule.SessionHandle
    private var key: CK_OBJECT_HANDLE = 0

    /// Logs in to the token with a label.
    /// - Parameter hasTriedPIN: set before the PIN is presented. What is thrown after that may have cost one of its tries.
    init(
        _ module: CryptokiModule, token label: String, pin: borrowing SecretBytes, writable: Bool = false,
        hasTriedPIN: inout Bool
    ) throws(RootKeyError) {
        let tokens = try CryptokiFault.translating { () throws(CryptokiFault) in
            try module.initialize()
            return try module.tokens(label: label)
        }
        guard let token = tokens.first else { throw .tokenNotFound }
        guard tokens.count == 1 else { throw .tokenAmbiguous }
        guard token.flags & CKF_USER_PIN_LOCKED == 0 else { throw .pinLocked }
        // A service that is started again and again must not lock a token with a PIN that is wrong.
        guard token.flags & CKF_USER_PIN_FINAL_TRY == 0 else { throw .pinLastTry }
        guard module.knowsAESGCM(slot: token.slot) else { throw .hardwareNotSuitable }
        self.module = module
        session = try CryptokiFault.translating { () throws(CryptokiFault) in
            try module.openSession(slot: token.slot, writable: writable)
        }
        hasTriedPIN = true
        let code = pin.reveal { bytes in
            unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe contact_vault_cryptoki_login(
                    module.functions, session.handle, buffer.baseAddress, buffer.count)
            }
        }
        // Sessions of one process share the login.
        guard code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN else {
            module.close(session)
            throw CryptokiFault(code: code).rootKeyError
        }
    }

    /// Closes the session.
    func close() { module.close(session) }

    // MARK: The key

    /// Chooses the one secret key with a label.
    /// - Throws: ``RootKeyError/keyNotFound``, ``RootKeyError/keyAmbiguous``, ``RootKeyError/keyNotProtected``.
    mutating func chooseKey(label: String) throws(RootKeyError) {
        let found = try keys(label: label)
        guard let first = found.first else { throw .keyNotFound }
        guard found.count == 1 else { throw .keyAmbiguous }
        var attributes = contact_vault_key_attributes()
        let code = unsafe contact_vault_cryptoki_attributes(
            module.functions, session.handle, first, &attributes)
        switch code {
        case CKR_OK: break
        // What the token does not tell of a key is not taken for granted.
        case CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_VALUE_INVALID:
            throw .keyNotProtected
        default: throw CryptokiFault(code: code).rootKeyError
        }
        let must = [
            attributes.token, attributes.is_private, attributes.sensitive, attributes.encrypt,
            attributes.decrypt,
        ]
        let mustNot = [
            attributes.extractable, attributes.wrap, attributes.unwrap, attributes.sign, attributes.verify,
            attributes.derive,
        ]
        guard attributes.type == CKK_AES, attributes.length == 32, must.allSatisfy({ $0 != 0 }),
            mustNot.allSatisfy({ $0 == 0 })
        else { throw .keyNotProtected }
        key = first
    }

    /// Makes the key with a label on the token.
    /// - Throws: ``RootKeyError/keyExists``.
    func makeKey(label: String) throws(RootKeyError) {
        guard try keys(label: label).isEmpty else { throw .keyExists }
        var made: CK_OBJECT_HANDLE = 0
        let bytes = Array(label.utf8)
        var code = unsafe contact_vault_cryptoki_generate(
            module.functions, session.handle, bytes, bytes.count, 1, &made)
        // Older tokens cannot restrict a key to some mechanisms; the key is used by AES-GCM alone all the same.
        if code == CKR_ATTRIBUTE_TYPE_INVALID || code == CKR_ATTRIBUTE_VALUE_INVALID
            || code == CKR_TEMPLATE_INCONSISTENT
        {
            code = unsafe contact_vault_cryptoki_generate(
                module.functions, session.handle, bytes, bytes.count, 0, &made)
        }
        guard code == CKR_OK else { throw CryptokiFault(code: code).rootKeyError }
    }

    private func keys(label: String) throws(RootKeyError) -> [CK_OBJECT_HANDLE] {
        var found: [CK_OBJECT_HANDLE] = [0, 0]
        var count: CK_ULONG = 0
        let bytes = Array(label.utf8)
        let code = unsafe contact_vault_cryptoki_find(
            module.functions, session.handle, bytes, bytes.count, &found, &count)
        guard code == CKR_OK else { throw CryptokiFault(code: code).rootKeyError }
        return Array(found.prefix(Int(count)))
    }

    // MARK: AES-GCM

    /// Encrypts by the chosen key.
    /// - Returns: the ciphertext, and the 16 bytes of its tag.
    func seal(
        _ plaintext: borrowing SecretBytes, nonce: [UInt8], context: [UInt8]
    ) throws(CryptokiFault) -> [UInt8] {
        try module.requireCurrent(session)
        var used = nonce
        var output = [UInt8](repeating: 0, count: plaintext.count + AES256GCM.tagBytes)
        var length = CK_ULONG(output.count)
        let code = plaintext.reveal { bytes in
            unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe contact_vault_cryptoki_gcm(
                    module.functions, session.handle, key, 1, &used, context, context.count,
                    buffer.baseAddress,
                    buffer.count, &output, &length)
            }
        }
        try CryptokiFault.check(code)
        // A token that insists on a nonce of its own writes it over ours, or puts it before the ciphertext.
        guard used == nonce, length == output.count else {
            throw CryptokiFault(code: CKR_MECHANISM_PARAM_INVALID)
        }
        return output
    }

    /// Decrypts by the chosen key.
    func open(
        _ sealed: [UInt8], nonce: [UInt8], context: [UInt8]
    ) throws(CryptokiFault) -> SecretBytes {
        try module.requireCurrent(session)
        var used = nonce
        // Some modules want as much room as for the ciphertext with its tag.
        var length = CK_ULONG(sealed.count)
        let room = try unsafe SecretBytes(count: sealed.count) { (target) throws(CryptokiFault) in
            try CryptokiFault.check(
                unsafe contact_vault_cryptoki_gcm(
                    module.functions, session.handle, key, 0, &used, context, context.count, sealed,
                    sealed.count,
                    target.baseAddress?.assumingMemoryBound(to: UInt8.self), &length))
        }
        guard length == sealed.count - AES256GCM.tagBytes else {
            throw CryptokiFault(code: CKR_MECHANISM_PARAM_INVALID)
        }
        return room.copy(0..<Int(length))
    }
}

// ES256 and Ed25519 signatures with raw keys and raw signatures, as JOSE and signed notes use them.

internal import COpenSSL

/// The signature algorithms of the vault. The key decides which is used; a message's header never does.
public enum SignatureAlgorithm: String, CaseIterable, Sendable {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    case es256 = "ES256"
    /// Ed25519 (RFC 8032, RFC 9864).
    case ed25519 = "Ed25519"

    /// Length of a signature in bytes, for both.
    public static let signatureBytes = 64

    /// Length of a raw public key in bytes: uncompressed point for P-256, the key itself for Ed25519.
    public var publicKeyBytes: Int { self == .es256 ? 65 : 32 }
    /// Length of a raw private key in bytes.
    public var privateKeyBytes: Int { 32 }
}

/// An OpenSSL key that is never changed after it was made; OpenSSL counts references atomically and reads it from
/// many threads, so sharing it is safe.
@safe final class KeyHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe EVP_PKEY_free(pointer) }
}

/// A public key that verifies signatures of one algorithm.
public final class VerificationKey: Sendable {
    /// The algorithm of this key, the only one it verifies.
    public let algorithm: SignatureAlgorithm
    /// Uncompressed point (65 bytes, `04 ‖ x ‖ y`) or Ed25519 key (32 bytes).
    public let rawRepresentation: [UInt8]
    private let handle: KeyHandle

    /// A key from its raw form.
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for another length, a point off the curve or of small order.
    public init(_ algorithm: SignatureAlgorithm, rawRepresentation: [UInt8]) throws(CryptoError) {
        guard rawRepresentation.count == algorithm.publicKeyBytes else {
            throw .invalidArgument("public key")
        }
        self.algorithm = algorithm
        self.rawRepresentation = rawRepresentation
        switch algorithm {
        case .es256:
            guard rawRepresentation[0] == 4 else { throw .invalidArgument("public key") }
            handle = try unsafe KeyHandle.p256(publicKey: rawRepresentation, privateKey: nil)
            try handle.checkPublicKey()
        case .ed25519:
            guard !Self.smallOrderPoints.contains(rawRepresentation),
                let key = unsafe EVP_PKEY_new_raw_public_key_ex(
                    nil, "ED25519", nil, rawRepresentation, rawRepresentation.count)
            else {
                ERR_clear_error()
                throw .invalidArgument("public key")
            }
            handle = unsafe KeyHandle(key)
        }
    }

    fileprivate init(_ algorithm: SignatureAlgorithm, handle: KeyHandle) throws(CryptoError) {
        self.algorithm = algorithm
        self.handle = handle
        rawRepresentation = try handle.publicKey(algorithm)
    }

    /// Whether a 64-byte signature is this key's over the message. False for any other length.
    public func isValid(signature: [UInt8], for message: [UInt8]) -> Bool {
        guard signature.count == SignatureAlgorithm.signatureBytes else { return false }
        let result: Int32
        switch algorithm {
        case .es256:
            guard let encoded = ECDSASignature.encode(raw: signature),
                let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, handle.pointer, nil)
            else { return false }
            defer { unsafe EVP_PKEY_CTX_free(context) }
            let digest = SHA256.hash(message)
            guard unsafe EVP_PKEY_verify_init(context) == 1 else { return false }
            result = unsafe EVP_PKEY_verify(context, encoded, encoded.count, digest, digest.count)
        case .ed25519:
            guard let context = unsafe EVP_MD_CTX_new() else { return false }
            defer { unsafe EVP_MD_CTX_free(context) }
            guard unsafe EVP_DigestVerifyInit_ex(context, nil, nil, nil, nil, handle.pointer, nil) == 1 else {
                return false
            }
            result = unsafe EVP_DigestVerify(context, signature, signature.count, message, message.count)
        }
        if result != 1 { ERR_clear_error() }
        return result == 1
    }

    /// Encodings of the points of order 1, 2, 4 and 8. A key of small order verifies one signature over many
    /// messages, so a registration that asks for one is an attack.
    private static let smallOrderPoints: Set<[UInt8]> = {
        let order8a: [UInt8] = [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ]
        let order8b: [UInt8] = [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ]
        let zero = [UInt8](repeating: 0, count: 32)
        var one = zero
        one[0] = 1
        // p − 1, p and p + 1 with p = 2^255 − 19.
        var minusOne = [UInt8](repeating: 0xFF, count: 32)
        minusOne[31] = 0x7F
        var prime = minusOne
        var primePlusOne = minusOne
        minusOne[0] = 0xEC
        prime[0] = 0xED
        primePlusOne[0] = 0xEE
        var points: Set<[UInt8]> = []
        for var point in [zero, one, minusOne, prime, primePlusOne, order8a, order8b] {
            points.insert(point)
            point[31] |= 0x80
            points.insert(point)
        }
        return points
    }()
}

/// A private key that signs with one algorithm.
public final class SigningKey: Sendable {
    /// The algorithm of this key.
    public let algorithm: SignatureAlgorithm
    /// The public half.
    public let verificationKey: VerificationKey
    private let handle: KeyHandle

    /// A new random key.
    public init(generating algorithm: SignatureAlgorithm) throws(CryptoError) {
        let generated =
            switch algorithm {
            case .es256: unsafe contact_vault_generate_p256()
            case .ed25519: unsafe contact_vault_generate_ed25519()
            }
        guard let pointer = unsafe generated else {
            ERR_clear_error()
            throw .unavailable("EVP_PKEY_Q_keygen")
        }
        self.algorithm = algorithm
        handle = unsafe KeyHandle(pointer)
        verificationKey = try VerificationKey(algorithm, handle: handle)
    }

    /// A key from its raw 32-byte form: the scalar for P-256, the seed for Ed25519 (RFC 8032 §5.1.5).
    /// - Throws: ``CryptoError/invalidArgument(_:)`` for another length or a scalar outside 1…n−1.
    public init(_ algorithm: SignatureAlgorithm, privateKey: borrowing SecretBytes) throws(CryptoError) {
        guard privateKey.count == algorithm.privateKeyBytes else { throw .invalidArgument("private key") }
        self.algorithm = algorithm
        switch algorithm {
        case .es256:
            handle = try KeyHandle.p256(privateKey: privateKey)
        case .ed25519:
            guard
                let key = unsafe EVP_PKEY_new_raw_private_key_ex(
                    nil, "ED25519", nil, privateKey.base.assumingMemoryBound(to: UInt8.self), privateKey.count
                )
            else {
                ERR_clear_error()
                throw .invalidArgument("private key")
            }
            handle = unsafe KeyHandle(key)
        }
        verificationKey = try VerificationKey(algorithm, handle: handle)
    }

    /// A 64-byte signature: `r ‖ s` for ES256, RFC 8032 for Ed25519.
    public func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        switch algorithm {
        case .es256:
            guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, handle.pointer, nil) else {
                throw .unavailable("EVP_PKEY_CTX_new_from_pkey")
            }
            defer { unsafe EVP_PKEY_CTX_free(context) }
            let digest = SHA256.hash(message)
            var encoded = [UInt8](repeating: 0, count: 80)
            var length = encoded.count
            try unsafe require(EVP_PKEY_sign_init(context), "EVP_PKEY_sign_init")
            try unsafe require(
                EVP_PKEY_sign(context, &encoded, &length, digest, digest.count), "EVP_PKEY_sign")
            return try ECDSASignature.decode(der: encoded, count: length)
        case .ed25519:
            guard let context = unsafe EVP_MD_CTX_new() else { throw .unavailable("EVP_MD_CTX_new") }
            defer { unsafe EVP_MD_CTX_free(context) }
            try unsafe require(
                EVP_DigestSignInit_ex(context, nil, nil, nil, nil, handle.pointer, nil),
                "EVP_DigestSignInit_ex")
            var signature = [UInt8](repeating: 0, count: SignatureAlgorithm.signatureBytes)
            var length = signature.count
            try unsafe require(
                EVP_DigestSign(context, &signature, &length, message, message.count), "EVP_DigestSign")
            return signature
        }
    }

    /// The raw 32-byte private key, for sealing it into a keyring or writing a client's key file.
    public func revealPrivateKey() throws(CryptoError) -> SecretBytes {
        try handle.privateKey(algorithm)
    }
}

/// ECDSA signatures between `r ‖ s` (IEEE P1363) and DER, by OpenSSL's own encoder.
private enum ECDSASignature {
    static func encode(raw: [UInt8]) -> [UInt8]? {
        guard let signature = unsafe ECDSA_SIG_new() else { return nil }
        defer { unsafe ECDSA_SIG_free(signature) }
        let r = unsafe BN_bin2bn(Array(raw[0..<32]), 32, nil)
        let s = unsafe BN_bin2bn(Array(raw[32..<64]), 32, nil)
        guard unsafe ECDSA_SIG_set0(signature, r, s) == 1 else {
            unsafe BN_free(r)
            unsafe BN_free(s)
            return nil
        }
        var encoded = [UInt8](repeating: 0, count: 80)
        let length = unsafe encoded.withUnsafeMutableBufferPointer { buffer in
            var cursor = buffer.baseAddress
            return unsafe i2d_ECDSA_SIG(signature, &cursor)
        }
        return length > 0 ? Array(encoded[0..<Int(length)]) : nil
    }

    static func decode(der: [UInt8], count: Int) throws(CryptoError) -> [UInt8] {
        let signature = unsafe der.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            return unsafe d2i_ECDSA_SIG(nil, &cursor, count)
        }
        guard let signature = unsafe signature else { throw .unavailable("d2i_ECDSA_SIG") }
        defer { unsafe ECDSA_SIG_free(signature) }
        var raw = [UInt8](repeating: 0, count: 64)
        let isWritten = unsafe raw.withUnsafeMutableBufferPointer { buffer in
            unsafe BN_bn2binpad(ECDSA_SIG_get0_r(signature), buffer.baseAddress, 32) == 32
                && BN_bn2binpad(ECDSA_SIG_get0_s(signature), buffer.baseAddress! + 32, 32) == 32
        }
        guard isWritten else { throw .unavailable("BN_bn2binpad") }
        return raw
    }
}

extension KeyHandle {
    /// A P-256 key from an uncompressed point and, for a private key, its scalar.
    static func p256(publicKey: [UInt8], privateKey: OpaquePointer?) throws(CryptoError) -> KeyHandle {
        guard let key = unsafe contact_vault_p256_key(publicKey, publicKey.count, privateKey) else {
            ERR_clear_error()
            throw .invalidArgument("public key")
        }
        return unsafe KeyHandle(key)
    }

    /// A P-256 key pair from its scalar: the point is computed.
    static func p256(privateKey: borrowing SecretBytes) throws(CryptoError) -> KeyHandle {
        guard let group = unsafe EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1) else {
            throw .unavailable("EC_GROUP_new_by_curve_name")
        }
        defer { unsafe EC_GROUP_free(group) }
        guard
            // In the secure heap, and so is what OpenSSL makes of it.
            let scalar = unsafe BN_secure_new()
        else { throw .unavailable("BN_secure_new") }
        defer { unsafe BN_clear_free(scalar) }
        guard
            unsafe BN_bin2bn(
                privateKey.base.assumingMemoryBound(to: UInt8.self), Int32(privateKey.count), scalar) != nil
        else { throw .unavailable("BN_bin2bn") }
        unsafe BN_set_flags(scalar, BN_FLG_CONSTTIME)
        guard unsafe BN_is_zero(scalar) == 0, unsafe BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 else {
            throw .invalidArgument("private key")
        }
        guard let point = unsafe EC_POINT_new(group) else { throw .unavailable("EC_POINT_new") }
        defer { unsafe EC_POINT_free(point) }
        try unsafe require(EC_POINT_mul(group, point, scalar, nil, nil, nil), "EC_POINT_mul")
        var encoded = [UInt8](repeating: 0, count: 65)
        let length = unsafe EC_POINT_point2oct(
            group, point, POINT_CONVERSION_UNCOMPRESSED, &encoded, encoded.count, nil)
        guard length == 65 else { throw .unavailable("EC_POINT_point2oct") }
        return try unsafe p256(publicKey: encoded, privateKey: scalar)
    }

    func checkPublicKey() throws(CryptoError) {
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, pointer, nil) else {
            throw .unavailable("EVP_PKEY_CTX_new_from_pkey")
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        guard unsafe EVP_PKEY_public_check(context) == 1 else {
            ERR_clear_error()
            throw .invalidArgument("public key")
        }
    }

    func publicKey(_ algorithm: SignatureAlgorithm) throws(CryptoError) -> [UInt8] {
        var raw = [UInt8](repeating: 0, count: algorithm.publicKeyBytes)
        var length = raw.count
        switch algorithm {
        case .es256:
            try unsafe require(
                EVP_PKEY_get_octet_string_param(pointer, OSSL_PKEY_PARAM_PUB_KEY, &raw, raw.count, &length),
                "EVP_PKEY_get_octet_string_param")
        case .ed25519:
            try unsafe require(
                EVP_PKEY_get_raw_public_key(pointer, &raw, &length), "EVP_PKEY_get_raw_public_key")
        }
        guard length == raw.count, algorithm == .ed25519 || raw[0] == 4 else {
            throw .unavailable("public key")
        }
        return raw
    }

    func privateKey(_ algorithm: SignatureAlgorithm) throws(CryptoError) -> SecretBytes {
        try unsafe SecretBytes(count: algorithm.privateKeyBytes) { (target) throws(CryptoError) in
            let bytes = unsafe target.baseAddress!.assumingMemoryBound(to: UInt8.self)
            switch algorithm {
            case .es256:
                var scalar: OpaquePointer?
                try unsafe require(
                    EVP_PKEY_get_bn_param(pointer, OSSL_PKEY_PARAM_PRIV_KEY, &scalar), "EVP_PKEY_get_bn_param"
                )
                defer { unsafe BN_clear_free(scalar) }
                guard unsafe BN_bn2binpad(scalar, bytes, 32) == 32 else { throw .unavailable("BN_bn2binpad") }
            case .ed25519:
                var length = target.count
                try unsafe require(
                    EVP_PKEY_get_raw_private_key(pointer, bytes, &length), "EVP_PKEY_get_raw_private_key")
            }
        }
    }
}

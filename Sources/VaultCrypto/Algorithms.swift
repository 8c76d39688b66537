// Algorithms fetched once per process, contexts created once per thread.
//
// Fetching an algorithm or creating a context takes a lock in OpenSSL 3: 0.3–0.5 µs each, and it does not scale over
// threads. Re-keying a context with a nil cipher takes neither.

internal import COpenSSL
internal import Foundation

/// Algorithm implementations, fetched once. OpenSSL's fetched objects are immutable and reference counted, so threads
/// may share them.
@safe struct Algorithms: @unchecked Sendable {
    static let shared = Algorithms()

    let aes256GCM: OpaquePointer
    let sha256: OpaquePointer
    let hmac: OpaquePointer

    private init() {
        // A process whose OpenSSL lacks these cannot hold a vault: there is nothing to degrade to, and nothing has
        // been read yet. This is the one place that stops instead of throwing.
        guard let cipher = unsafe EVP_CIPHER_fetch(nil, "AES-256-GCM", nil),
            let digest = unsafe EVP_MD_fetch(nil, "SHA2-256", nil),
            let mac = unsafe EVP_MAC_fetch(nil, "HMAC", nil)
        else {
            fatalError("OpenSSL offers no AES-256-GCM, SHA-256 or HMAC; check openssl.cnf and the providers")
        }
        unsafe aes256GCM = cipher
        unsafe sha256 = digest
        unsafe hmac = mac
    }
}

/// One thread's contexts. Nothing here crosses a suspension point: every use is one synchronous call.
@safe final class ThreadContexts {
    let sealing: OpaquePointer
    let opening: OpaquePointer
    let digest: OpaquePointer
    let mac: OpaquePointer

    static var current: ThreadContexts {
        if let pointer = unsafe pthread_getspecific(key) {
            return unsafe Unmanaged<ThreadContexts>.fromOpaque(pointer).takeUnretainedValue()
        }
        let contexts = ThreadContexts()
        unsafe pthread_setspecific(key, Unmanaged.passRetained(contexts).toOpaque())
        return contexts
    }

    /// Contexts of the ShangMi algorithms, made when they are first wanted; `nil` if OpenSSL has none of them.
    private(set) lazy var shangMi: ShangMiContexts? = ShangMiContexts()

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key) { pointer in
            if let pointer = unsafe pointer { unsafe Unmanaged<ThreadContexts>.fromOpaque(pointer).release() }
        }
        precondition(result == 0, "no thread-specific storage left")
        return key
    }()

    private init() {
        let algorithms = Algorithms.shared
        guard let sealing = unsafe EVP_CIPHER_CTX_new(), let opening = unsafe EVP_CIPHER_CTX_new(),
            let digest = unsafe EVP_MD_CTX_new(), let mac = unsafe EVP_MAC_CTX_new(algorithms.hmac),
            unsafe EVP_EncryptInit_ex2(sealing, algorithms.aes256GCM, nil, nil, nil) == 1,
            unsafe EVP_DecryptInit_ex2(opening, algorithms.aes256GCM, nil, nil, nil) == 1
        else { fatalError("out of memory for OpenSSL contexts") }
        precondition(unsafe contact_vault_hmac_use(mac, 0) == 1, "HMAC-SHA256 is not available")
        unsafe self.sealing = sealing
        unsafe self.opening = opening
        unsafe self.digest = digest
        unsafe self.mac = mac
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(sealing)
        unsafe EVP_CIPHER_CTX_free(opening)
        unsafe EVP_MD_CTX_free(digest)
        unsafe EVP_MAC_CTX_free(mac)
    }
}

/// The ShangMi algorithms, fetched once. A build of OpenSSL may lack them, and a vault that does not use them is none the worse for it.
// Sendable holds because OpenSSL's fetched objects are immutable and reference counted.
@safe private struct ShangMiAlgorithms: @unchecked Sendable {
    static let shared = ShangMiAlgorithms()

    let sm4CTR: OpaquePointer
    let sm3: OpaquePointer

    private init?() {
        guard let cipher = unsafe EVP_CIPHER_fetch(nil, "SM4-CTR", nil),
            let digest = unsafe EVP_MD_fetch(nil, "SM3", nil)
        else {
            ERR_clear_error()
            return nil
        }
        unsafe sm4CTR = cipher
        unsafe sm3 = digest
    }
}

/// One thread's contexts for SM4-CTR, SM3 and HMAC-SM3.
@safe final class ShangMiContexts {
    let cipher: OpaquePointer
    let digest: OpaquePointer
    let mac: OpaquePointer

    fileprivate init?() {
        guard let algorithms = ShangMiAlgorithms.shared, let cipher = unsafe EVP_CIPHER_CTX_new(),
            let digest = unsafe EVP_MD_CTX_new(),
            let mac = unsafe EVP_MAC_CTX_new(Algorithms.shared.hmac),
            unsafe EVP_EncryptInit_ex2(cipher, algorithms.sm4CTR, nil, nil, nil) == 1,
            unsafe EVP_DigestInit_ex2(digest, algorithms.sm3, nil) == 1,
            unsafe contact_vault_hmac_use(mac, 1) == 1
        else {
            ERR_clear_error()
            return nil
        }
        unsafe self.cipher = cipher
        unsafe self.digest = digest
        unsafe self.mac = mac
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(cipher)
        unsafe EVP_MD_CTX_free(digest)
        unsafe EVP_MAC_CTX_free(mac)
    }
}

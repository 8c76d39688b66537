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
        precondition(unsafe contact_vault_hmac_use_sha256(mac) == 1, "HMAC-SHA256 is not available")
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

// A Cryptoki module: the library of a token's maker, loaded once for each path in this process, and its sessions.

import CCryptoki
import EnvelopeEncryption
import Glibc
import Synchronization
import VaultCrypto

/// A return value of Cryptoki that is not CKR_OK.
struct CryptokiFault: Error, Equatable {
    let code: CK_RV

    /// Throws unless a call succeeded.
    static func check(_ code: CK_RV) throws(CryptokiFault) {
        if code != CKR_OK { throw CryptokiFault(code: code) }
    }

    /// Runs calls whose faults mean nothing special.
    static func translating<Result>(
        _ calls: () throws(CryptokiFault) -> Result
    ) throws(RootKeyError) -> Result {
        do { return try calls() } catch { throw error.rootKeyError }
    }

    /// What it means to whoever uses the root key, where nothing better is known.
    var rootKeyError: RootKeyError {
        switch code {
        case CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE: .pinIncorrect
        case CKR_PIN_LOCKED, CKR_PIN_EXPIRED: .pinLocked
        case CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID: .hardwareNotSuitable
        default: .hardwareUnavailable(code: UInt(code))
        }
    }
}

/// One token that a module shows.
struct CryptokiToken {
    let slot: CK_SLOT_ID
    let flags: CK_FLAGS
}

/// A loaded module.
@safe final class CryptokiModule: @unchecked Sendable {
    // Sendable holds because the function list is written by the module before it is loaded here and never after, the module
    // is initialised for several threads, and what changes here is behind a lock.
    let functions: UnsafeMutablePointer<CK_FUNCTION_LIST>
    private let state = Mutex(State())

    private struct State {
        /// Whether this process initialised the module through this value, and so may finalise it.
        var isOurs = false
        /// Sessions that are open through this value.
        var sessions = 0
        /// How often the module was initialised. Handles of an earlier time may be given out again, for other keys.
        var generation: UInt64 = 0
    }

    private init(functions: UnsafeMutablePointer<CK_FUNCTION_LIST>) { unsafe self.functions = functions }

    // MARK: Loading

    private static let loaded = Mutex<[String: CryptokiModule]>([:])

    /// The module at an absolute path. It stays loaded to the end of the process.
    /// - Throws: ``RootKeyError/moduleNotLoadable``.
    static func load(_ path: String) throws(RootKeyError) -> CryptokiModule {
        // A name without a path would be searched for along the loader's paths.
        guard path.hasPrefix("/"), !path.utf8.contains(0) else { throw .moduleNotLoadable }
        return try loaded.withLock { (modules) throws(RootKeyError) in
            if let module = modules[path] { return module }
            guard let library = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL) else { throw .moduleNotLoadable }
            guard let functions = unsafe contact_vault_cryptoki_functions(library) else {
                unsafe dlclose(library)
                throw .moduleNotLoadable
            }
            let module = unsafe CryptokiModule(functions: functions)
            modules[path] = module
            return module
        }
    }

    /// Initialises the module, once; and again if somebody finalised it.
    func initialize() throws(CryptokiFault) {
        try state.withLock { (state) throws(CryptokiFault) in
            let code = unsafe contact_vault_cryptoki_initialize(functions)
            // Somebody else in this process may use the module: it is then theirs to finalise.
            if code == CKR_CRYPTOKI_ALREADY_INITIALIZED { return }
            try CryptokiFault.check(code)
            state = State(isOurs: true, sessions: 0, generation: state.generation + 1)
        }
    }

    /// Makes a module look for its tokens anew, which many do only when they are initialised. Not while a session is open:
    /// it would be closed by this.
    /// - Returns: whether it was done.
    func restart() -> Bool {
        let isFinalized = state.withLock { state in
            guard state.isOurs, state.sessions == 0 else { return false }
            state.isOurs = false
            return unsafe functions.pointee.C_Finalize(nil) == CKR_OK
        }
        return isFinalized && (try? initialize()) != nil
    }

    // MARK: Tokens and sessions

    /// The tokens with a label.
    func tokens(label: String) throws(CryptokiFault) -> [CryptokiToken] {
        var count: CK_ULONG = 0
        try CryptokiFault.check(unsafe functions.pointee.C_GetSlotList(CK_BBOOL(CK_TRUE), nil, &count))
        var slots = [CK_SLOT_ID](repeating: 0, count: Int(count))
        try CryptokiFault.check(unsafe functions.pointee.C_GetSlotList(CK_BBOOL(CK_TRUE), &slots, &count))
        var found: [CryptokiToken] = []
        for slot in slots.prefix(Int(count)) {
            var information = CK_TOKEN_INFO()
            // Another slot's fault is no fault of the token that is looked for.
            guard unsafe functions.pointee.C_GetTokenInfo(slot, &information) == CKR_OK,
                information.flags & CKF_TOKEN_INITIALIZED != 0
            else { continue }
            let padded = unsafe withUnsafeBytes(of: information.label) { unsafe Array($0) }
            let end = padded.lastIndex { $0 != 0x20 && $0 != 0 }.map { $0 + 1 } ?? 0
            if Array(padded[..<end]) == Array(label.utf8) {
                found.append(CryptokiToken(slot: slot, flags: information.flags))
            }
        }
        return found
    }

    /// Whether a token encrypts and decrypts by AES-GCM.
    func knowsAESGCM(slot: CK_SLOT_ID) -> Bool {
        var information = CK_MECHANISM_INFO()
        let needed = CK_FLAGS(CKF_ENCRYPT | CKF_DECRYPT)
        return unsafe functions.pointee.C_GetMechanismInfo(slot, CKM_AES_GCM, &information) == CKR_OK
            && information.flags & needed == needed
    }

    /// A session's handle, and the time to which it belongs.
    struct SessionHandle {
        let handle: CK_SESSION_HANDLE
        fileprivate let generation: UInt64
    }

    /// Opens a session; ``close(_:)`` ends it.
    func openSession(slot: CK_SLOT_ID, writable: Bool) throws(CryptokiFault) -> SessionHandle {
        try state.withLock { (state) throws(CryptokiFault) in
            var session: CK_SESSION_HANDLE = 0
            let flags = CK_FLAGS(CKF_SERIAL_SESSION | (writable ? CKF_RW_SESSION : 0))
            try CryptokiFault.check(
                unsafe functions.pointee.C_OpenSession(slot, flags, nil, nil, &session))
            state.sessions += 1
            return SessionHandle(handle: session, generation: state.generation)
        }
    }

    /// Throws for a session from before the module was initialised anew: its handle may be another's by now.
    func requireCurrent(_ session: SessionHandle) throws(CryptokiFault) {
        guard state.withLock({ $0.generation == session.generation }) else {
            throw CryptokiFault(code: CKR_SESSION_HANDLE_INVALID)
        }
    }

    /// Closes a session, which may be gone already.
    func close(_ session: SessionHandle) {
        state.withLock { state in
            guard state.generation == session.generation else { return }
            _ = unsafe functions.pointee.C_CloseSession(session.handle)
            state.sessions -= 1
        }
    }
}

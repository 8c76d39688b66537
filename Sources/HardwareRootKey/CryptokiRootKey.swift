// The root key as a key object of a PKCS#11 token: it is made there, works there and does not come out.
//
// Wrapping is AES-256-GCM by the token, `nonce 12 ‖ ciphertext ‖ tag 16`, with the context as associated data. There is no
// key for each context, as there is where the root key is in memory: the token has one key and derives none.

import CCryptoki
public import EnvelopeEncryption
import Synchronization
public import VaultCrypto

/// A root key on a token.
///
/// Guarantee: fails closed when the token is gone, and works again by itself once it is back. A PIN that the token refused is
/// never presented again by this value.
public final class CryptokiRootKey: RootKey {
    /// Where the key is.
    public struct Location: Hashable, Sendable {
        /// Absolute path of the Cryptoki module, a shared library.
        public let module: String
        /// The label of the token.
        public let token: String
        /// The label of the secret key on it.
        public let key: String

        /// A place. That something is there is found out when it is opened.
        public init(module: String, token: String, key: String) {
            self.module = module
            self.token = token
            self.key = key
        }
    }

    /// 16 bytes that depend on the key alone; see `docs/spec/root-key.md`.
    public let keyCheckValue: [UInt8]
    private let location: Location
    private let module: CryptokiModule
    private let pin: SharedSecret
    private let connection: Mutex<Connection>

    private enum Connection {
        case open(CryptokiSession)
        case closed
        /// The token refused the PIN: presenting it again would lock the token.
        case refused(RootKeyError)
    }

    /// Opens a root key.
    /// - Parameter pin: of the token's user. It is kept, to log in again when the token was gone.
    /// - Throws: ``RootKeyError``: what is missing, ambiguous, unprotected or refused.
    public init(at location: Location, pin: consuming SecretBytes) throws(RootKeyError) {
        guard pin.count > 0 else { throw .passphraseEmpty }
        self.location = location
        self.pin = SharedSecret(pin)
        module = try CryptokiModule.load(location.module)
        var hasTriedPIN = false
        let session = try Self.connect(location, module, self.pin, hasTriedPIN: &hasTriedPIN)
        do throws(CryptokiFault) {
            keyCheckValue = try Self.checkValue(by: session)
        } catch {
            session.close()
            throw error.rootKeyError
        }
        connection = Mutex(.open(session))
    }

    deinit {
        connection.withLock { connection in
            if case .open(let session) = connection { session.close() }
        }
    }

    /// Makes the key of a location on its token: AES, 256 bits, that never leaves the token and does AES-GCM alone.
    /// - Throws: ``RootKeyError/keyExists``, and as ``init(at:pin:)``.
    public static func makeKey(at location: Location, pin: borrowing SecretBytes) throws(RootKeyError) {
        guard pin.count > 0 else { throw .passphraseEmpty }
        var hasTriedPIN = false
        let session = try CryptokiSession(
            try CryptokiModule.load(location.module), token: location.token, pin: pin, writable: true,
            hasTriedPIN: &hasTriedPIN)
        defer { session.close() }
        try session.makeKey(label: location.key)
    }

    /// `nonce 12 ‖ ciphertext ‖ tag 16`, AES-256-GCM by the token.
    /// - Throws: ``RootKeyError/hardwareUnavailable(code:)`` or what else keeps the token from working. The next call
    ///   connects anew.
    public func wrap(_ secret: borrowing SecretBytes, context: [UInt8]) throws(RootKeyError) -> [UInt8] {
        var nonce: [UInt8]
        repeat {
            do { nonce = try SystemRandom().bytes(AES256GCM.nonceBytes) } catch { throw .unavailable }
        } while nonce == Self.reservedNonce
        let sealed = try connection.withLock { (connection) throws(RootKeyError) -> [UInt8] in
            let session = try connect(&connection)
            do throws(CryptokiFault) {
                return try session.seal(secret, nonce: nonce, context: context)
            } catch {
                drop(session, &connection)
                throw error.rootKeyError
            }
        }
        return nonce + sealed
    }

    /// Opens what ``wrap(_:context:)`` sealed for this context.
    /// - Throws: ``RootKeyError/authenticationFailed`` for changed bytes, another context or another key; as
    ///   ``wrap(_:context:)``.
    public func unwrap(_ wrapped: [UInt8], context: [UInt8]) throws(RootKeyError) -> SecretBytes {
        guard wrapped.count > AES256GCM.nonceBytes + AES256GCM.tagBytes else { throw .authenticationFailed }
        let nonce = Array(wrapped[..<AES256GCM.nonceBytes])
        guard nonce != Self.reservedNonce else { throw .authenticationFailed }
        return try connection.withLock { (connection) throws(RootKeyError) -> SecretBytes in
            let session = try connect(&connection)
            do throws(CryptokiFault) {
                return try session.open(
                    Array(wrapped[AES256GCM.nonceBytes...]), nonce: nonce, context: context)
            } catch {
                if isRefusal(error, by: session) { throw .authenticationFailed }
                drop(session, &connection)
                throw error.rootKeyError
            }
        }
    }

    // MARK: The connection

    /// The open session, or a new one.
    private func connect(_ connection: inout Connection) throws(RootKeyError) -> CryptokiSession {
        switch connection {
        case .open(let session): return session
        case .refused(let error): throw error
        case .closed: break
        }
        do throws(RootKeyError) {
            return try reconnect(&connection)
        } catch {
            // A module may know the tokens of the moment in which it was initialised, and no others.
            guard case .closed = connection, error != .pinLastTry, module.restart() else { throw error }
            return try reconnect(&connection)
        }
    }

    private func reconnect(_ connection: inout Connection) throws(RootKeyError) -> CryptokiSession {
        var hasTriedPIN = false
        let session: CryptokiSession
        do throws(RootKeyError) {
            session = try Self.connect(location, module, pin, hasTriedPIN: &hasTriedPIN)
        } catch {
            if hasTriedPIN, error == .pinIncorrect || error == .pinLocked { connection = .refused(error) }
            throw error
        }
        let found: [UInt8]
        do throws(CryptokiFault) {
            found = try Self.checkValue(by: session)
        } catch {
            session.close()
            throw error.rootKeyError
        }
        guard found == keyCheckValue else {
            session.close()
            throw .keyReplaced
        }
        connection = .open(session)
        return session
    }

    private func drop(_ session: CryptokiSession, _ connection: inout Connection) {
        session.close()
        connection = .closed
    }

    private static func connect(
        _ location: Location, _ module: CryptokiModule, _ pin: SharedSecret, hasTriedPIN: inout Bool
    ) throws(RootKeyError) -> CryptokiSession {
        var session = try CryptokiSession(
            module, token: location.token, pin: pin.bytes, hasTriedPIN: &hasTriedPIN)
        do throws(RootKeyError) {
            try session.chooseKey(label: location.key)
        } catch {
            session.close()
            throw error
        }
        return session
    }

    /// Whether a token refused the data, and not the work. Cryptoki has a value for a tag that does not verify, and modules
    /// answer "general error" in its place: so the token has to show that it works.
    private func isRefusal(_ fault: CryptokiFault, by session: CryptokiSession) -> Bool {
        /// CKR_AEAD_DECRYPT_FAILED of Cryptoki 3.0, which the header does not have.
        let aeadDecryptFailed: CK_RV = 0x35
        let ambiguous: [CK_RV] = [
            CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED,
            aeadDecryptFailed,
        ]
        return ambiguous.contains(fault.code) && (try? Self.checkValue(by: session)) == keyCheckValue
    }

    // MARK: The key check value

    /// The nonce of the key check value. No wrap has it and nothing under it is opened, so that under this nonce the key
    /// encrypts one message and never another.
    static let reservedNonce = Array("CV1C".utf8) + [UInt8](repeating: 0, count: 8)

    private static let checkLabel = Array("CV1C root key token check value".utf8)

    /// SHA-256 of the label and of 32 zero bytes, encrypted by the key under the reserved nonce, cut to 16 bytes.
    private static func checkValue(by session: CryptokiSession) throws(CryptokiFault) -> [UInt8] {
        let zeros = SecretBytes(copying: [UInt8](repeating: 0, count: 32))
        let sealed = try session.seal(zeros, nonce: reservedNonce, context: checkLabel)
        return Array(SHA256.hash(checkLabel + sealed)[..<16])
    }
}

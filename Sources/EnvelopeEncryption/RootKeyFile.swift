// The root key in a file: sealed by a passphrase, or, for development, not sealed at all.
//
// The sealed file's cost parameter is bounded before any memory is taken: whoever can write the file could
// otherwise make the vault take all of it at the next start. The parameters are authenticated as well, so
// that lowering the cost to ease a later guess shows.

import FileStorage
import Glibc
import StrictEncoding
public import VaultCrypto

/// A root key that was read from a file.
public final class RootKeyFile: RootKey {
    /// Whether the file needed a passphrase. If not, anyone who can read it can open every record.
    public let isSealed: Bool
    /// 16 bytes that depend on the key alone.
    public let keyCheckValue: [UInt8]
    private let secret: SecretBytes

    /// log2 of scrypt's N in a new file: 128 MiB and some tenths of a second.
    public static let defaultLogCost: UInt8 = 17
    /// Greatest cost that is accepted: 1 GiB.
    public static let maximumLogCost: UInt8 = 20
    /// Least cost that is accepted: 1 MiB. Below it a stolen file is guessed too quickly.
    public static let minimumLogCost: UInt8 = 10

    private static let keyBytes = 32
    private static let saltBytes = 16
    private static let formatName = "contact-vault-root-key"
    private static let version: Int64 = 1
    private static let maximumFileBytes = 4096
    private static let warning = "development only: whoever reads this file can open every record"

    private init(_ secret: consuming SecretBytes, isSealed: Bool) throws(RootKeyError) {
        keyCheckValue = try DerivedWrapping.checkValue(of: secret, label: "CV1C root key check value")
        self.secret = secret
        self.isSealed = isSealed
    }

    /// Makes a new root key and stores it sealed by a passphrase, with mode 0600. Never overwrites.
    /// - Parameters:
    ///   - path: the file to make; its folder exists.
    ///   - passphrase: not empty; its strength is the caller's business.
    ///   - logCost: log2 of scrypt's N, ``minimumLogCost``…``maximumLogCost``; r = 8, p = 1.
    /// - Throws: ``RootKeyError``.
    public static func create(
        at path: String, passphrase: borrowing SecretBytes, logCost: UInt8 = defaultLogCost,
        random: any RandomSource
    ) throws(RootKeyError) -> RootKeyFile {
        guard passphrase.count > 0 else { throw .passphraseEmpty }
        guard (minimumLogCost...maximumLogCost).contains(logCost) else { throw .costOutOfBounds }
        let secret: SecretBytes
        do { secret = try random.secret(keyBytes) } catch { throw .unavailable }
        var members: [(key: String, value: JSONValue)] = [
            ("format", .string(formatName)), ("version", .integer(version)),
            ("protection", .string("scrypt")),
        ]
        do throws(CryptoError) {
            let salt = try random.bytes(saltBytes)
            let nonce = try random.bytes(AES256GCM.nonceBytes)
            let sealed = try AES256GCM.seal(
                secret, key: Scrypt.derive(passphrase: passphrase, salt: salt, logCost: logCost),
                nonce: nonce,
                associatedData: sealContext(logCost: logCost, salt: salt))
            members.append(("log_cost", .integer(Int64(logCost))))
            members.append(("salt", .string(Base64.encode(salt))))
            members.append(("nonce", .string(Base64.encode(nonce))))
            members.append(("sealed_key", .string(Base64.encode(sealed.ciphertext))))
            members.append(("tag", .string(Base64.encode(sealed.tag))))
        } catch {
            throw .unavailable
        }
        let rootKey = try RootKeyFile(secret, isSealed: true)
        members.append(("key_check_value", .string(Base64.encode(rootKey.keyCheckValue))))
        try store(members, at: path)
        return rootKey
    }

    /// Makes a new root key and stores it as it is, with mode 0600. For development: the file protects
    /// nothing, and says so in its member `warning`. Never overwrites.
    /// - Throws: ``RootKeyError``.
    public static func createUnsealed(
        at path: String, random: any RandomSource
    ) throws(RootKeyError) -> RootKeyFile {
        let secret: SecretBytes
        do { secret = try random.secret(keyBytes) } catch { throw .unavailable }
        let key = Base64.encode(secret.revealBytes())
        let rootKey = try RootKeyFile(secret, isSealed: false)
        try store(
            [
                ("format", .string(formatName)), ("version", .integer(version)),
                ("protection", .string("none")),
                ("warning", .string(warning)), ("key", .string(key)),
                ("key_check_value", .string(Base64.encode(rootKey.keyCheckValue))),
            ], at: path)
        return rootKey
    }

    /// Reads a root key and verifies its key check value.
    /// - Parameter passphrase: called once, and only if the file is sealed.
    /// - Throws: ``RootKeyError``, or what `passphrase` throws.
    public static func load(at path: String, passphrase: () throws -> SecretBytes) throws -> RootKeyFile {
        let file = try parse(read(path))
        switch file.protection {
        case .none(let key):
            return try verified(SecretBytes(copying: key), isSealed: false, expected: file.keyCheckValue)
        case .scrypt(let sealed):
            let given = try passphrase()
            let secret = try unseal(sealed, passphrase: given)
            return try verified(secret, isSealed: true, expected: file.keyCheckValue)
        }
    }

    /// `nonce 12 ‖ ciphertext ‖ tag 16`, AES-256-GCM under a key that is derived for this context.
    public func wrap(_ secret: borrowing SecretBytes, context: [UInt8]) throws(RootKeyError) -> [UInt8] {
        try DerivedWrapping.wrap(secret, under: self.secret, context: context)
    }

    /// Opens what ``wrap(_:context:)`` sealed for this context.
    public func unwrap(_ wrapped: [UInt8], context: [UInt8]) throws(RootKeyError) -> SecretBytes {
        try DerivedWrapping.unwrap(wrapped, under: secret, context: context)
    }
}

extension RootKeyFile {
    /// What a root key file says.
    private struct Contents {
        enum Protection {
            case none(key: [UInt8])
            case scrypt(SealedKey)
        }

        let protection: Protection
        let keyCheckValue: [UInt8]
    }

    /// A root key sealed by a passphrase.
    private struct SealedKey {
        let logCost: UInt8
        let salt: [UInt8]
        let nonce: [UInt8]
        let ciphertext: [UInt8]
        let tag: [UInt8]
    }

    private static func parse(_ bytes: [UInt8]) throws(RootKeyError) -> Contents {
        guard let object = (try? JSONValue.parse(bytes, maximumDepth: 1))?.objectValue,
            object["format"]?.stringValue == formatName, let version = object["version"]?.integerValue
        else { throw .malformed }
        guard version == Self.version else { throw version > Self.version ? .unsupportedVersion : .malformed }
        let always: Set = ["format", "version", "protection", "key_check_value"]
        let checkValue = try decode(object["key_check_value"], count: 16)
        switch object["protection"]?.stringValue {
        case "none":
            guard Set(object.keys) == always.union(["warning", "key"]),
                object["warning"]?.stringValue == warning
            else { throw .malformed }
            return Contents(
                protection: .none(key: try decode(object["key"], count: keyBytes)), keyCheckValue: checkValue)
        case "scrypt":
            guard Set(object.keys) == always.union(["log_cost", "salt", "nonce", "sealed_key", "tag"]),
                let cost = object["log_cost"]?.integerValue
            else { throw .malformed }
            guard (Int64(minimumLogCost)...Int64(maximumLogCost)).contains(cost) else {
                throw .costOutOfBounds
            }
            let sealed = SealedKey(
                logCost: UInt8(cost), salt: try decode(object["salt"], count: saltBytes),
                nonce: try decode(object["nonce"], count: AES256GCM.nonceBytes),
                ciphertext: try decode(object["sealed_key"], count: keyBytes),
                tag: try decode(object["tag"], count: AES256GCM.tagBytes))
            return Contents(protection: .scrypt(sealed), keyCheckValue: checkValue)
        default: throw .malformed
        }
    }

    private static func decode(_ value: JSONValue?, count: Int) throws(RootKeyError) -> [UInt8] {
        guard let text = value?.stringValue, let bytes = Base64.decode(text), bytes.count == count else {
            throw .malformed
        }
        return bytes
    }

    private static func unseal(
        _ sealed: SealedKey, passphrase: borrowing SecretBytes
    ) throws(RootKeyError) -> SecretBytes {
        guard passphrase.count > 0 else { throw .passphraseEmpty }
        do throws(CryptoError) {
            return try AES256GCM.open(
                sealed.ciphertext[...], tag: sealed.tag,
                key: Scrypt.derive(passphrase: passphrase, salt: sealed.salt, logCost: sealed.logCost),
                nonce: sealed.nonce, associatedData: sealContext(logCost: sealed.logCost, salt: sealed.salt))
        } catch {
            throw error == .authenticationFailed ? .wrongPassphrase : .unavailable
        }
    }

    private static func verified(
        _ secret: consuming SecretBytes, isSealed: Bool, expected: [UInt8]
    ) throws(RootKeyError) -> RootKeyFile {
        let rootKey = try RootKeyFile(secret, isSealed: isSealed)
        guard rootKey.keyCheckValue.isEqualInConstantTime(to: expected) else { throw .malformed }
        return rootKey
    }

    private static func sealContext(logCost: UInt8, salt: [UInt8]) -> [UInt8] {
        Array("CV1R".utf8) + [UInt8(version), logCost] + salt
    }

    private static func store(
        _ members: [(key: String, value: JSONValue)], at path: String
    ) throws(RootKeyError) {
        let text = JSONValue.object(JSONObject(members)).canonicalBytes + [0x0A]
        do throws(DurableFileError) {
            try DurableFile(path).write(text, replacing: false)
        } catch {
            switch error {
            case .exists: throw .alreadyExists
            case .missing: throw .notWritable(errno: ENOENT)
            case .permissionsTooOpen: throw .permissionsTooOpen
            case .notAFile, .tooLarge, .notAccepted: throw .malformed
            case .system(let errno): throw .notWritable(errno: errno)
            }
        }
    }

    private static func read(_ path: String) throws(RootKeyError) -> [UInt8] {
        do throws(DurableFileError) {
            return try DurableFile(path).read(limit: maximumFileBytes, isPrivate: true)
        } catch {
            switch error {
            case .missing: throw .missing
            case .permissionsTooOpen: throw .permissionsTooOpen
            case .exists, .notAFile, .tooLarge, .notAccepted: throw .malformed
            case .system(let errno): throw .notReadable(errno: errno)
            }
        }
    }
}

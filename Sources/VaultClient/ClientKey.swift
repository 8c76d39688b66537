// The client's private key as a file: one JSON Web Key that only its owner may read. It is the client's whole
// identity; whoever reads it can ask for numbers in the client's name.

public import AccessToken
import Glibc
import StrictEncoding
public import VaultCrypto

/// Why a key file was not read or made. Carries neither path nor content.
public enum ClientKeyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no such file.
    case missing
    /// There already is a file of this name. Keys are never overwritten.
    case exists
    /// Not a regular file.
    case notAFile
    /// Others than the owner may read, write or run it.
    case permissionsTooOpen
    /// Longer than a key can be.
    case tooLarge
    /// Not a private key of an accepted kind.
    case malformed(JWKFault)
    /// The system refused to read.
    case notReadable(errno: Int32)
    /// The system refused to write; nothing was left behind.
    case notWritable(errno: Int32)
    /// The cryptographic library failed.
    case unavailable

    /// What to do about it.
    public var description: String {
        switch self {
        case .missing: "the key file does not exist; make one first"
        case .exists: "a file of this name exists; keys are not overwritten, give another name"
        case .notAFile: "the key's path is not a regular file"
        case .permissionsTooOpen:
            "others may read the key file; run chmod 600 on it, and replace the key if others had access"
        case .tooLarge: "the file is too long to be one JSON Web Key"
        case .malformed(let fault): fault.description
        case .notReadable(let number): "the key file cannot be read (errno \(number))"
        case .notWritable(let number): "the key file cannot be written (errno \(number))"
        case .unavailable: "the cryptographic library failed"
        }
    }
}

/// Key files of clients (RFC 7517, private, EC P-256 or OKP Ed25519).
public enum ClientKey {
    /// Greatest size of a key file: a private JWK with every optional member stays below 1 KiB.
    static let maximumBytes = 4096

    /// Reads a private key.
    /// - Throws: ``ClientKeyError/permissionsTooOpen`` if group or others have any access, and the other cases.
    public static func load(path: String) throws(ClientKeyError) -> PrivateJWK {
        let value = try json(path)
        do { return try PrivateJWK(parsing: value) } catch { throw .malformed(error) }
    }

    /// Reads a private encryption key, which opens fields that were sealed to this client.
    /// - Throws: as ``load(path:)``.
    public static func loadEncryption(path: String) throws(ClientKeyError) -> PrivateEncryptionJWK {
        let value = try json(path)
        do { return try PrivateEncryptionJWK(parsing: value) } catch { throw .malformed(error) }
    }

    private static func json(_ path: String) throws(ClientKeyError) -> JSONValue {
        let bytes = try read(path)
        do { return try JSONValue.parse(bytes, maximumDepth: 3) } catch { throw .malformed(.malformedMember) }
    }

    /// Makes a new private encryption key, P-256, and stores it with mode 0600. Never overwrites.
    /// - Returns: the public half, for the registration.
    /// - Throws: as ``create(path:algorithm:)``.
    public static func createEncryption(path: String) throws(ClientKeyError) -> EncryptionJWK {
        let key: PrivateEncryptionJWK
        let json: JSONValue
        do {
            key = try PrivateEncryptionJWK.generate()
            json = try key.revealJSON()
        } catch {
            throw .unavailable
        }
        try write(json.canonicalBytes + [UInt8(ascii: "\n")], path)
        return key.publicJWK
    }

    /// Makes a new private key and stores it with mode 0600. Never overwrites.
    /// - Returns: the public half, for the registration.
    /// - Throws: ``ClientKeyError/exists``, ``ClientKeyError/notWritable(errno:)``, ``ClientKeyError/unavailable``.
    public static func create(
        path: String, algorithm: SignatureAlgorithm = .es256
    ) throws(ClientKeyError) -> PublicJWK {
        let key: PrivateJWK
        let json: JSONValue
        do {
            key = PrivateJWK(try SigningKey(generating: algorithm))
            json = try key.revealJSON()
        } catch {
            throw .unavailable
        }
        try write(json.canonicalBytes + [UInt8(ascii: "\n")], path)
        return key.publicJWK
    }

    private static func read(_ path: String) throws(ClientKeyError) -> [UInt8] {
        // Without O_NONBLOCK a pipe in the file's place would hang the start.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw errno == ENOENT ? .missing : .notReadable(errno: errno) }
        defer { close(descriptor) }
        // On the open descriptor, so that the file cannot be swapped between the check and the reading.
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .notReadable(errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        guard status.st_mode & 0o077 == 0 else { throw .permissionsTooOpen }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: maximumBytes + 1)
        while true {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .notReadable(errno: errno) }
            if count == 0 { return bytes }
            guard bytes.count + count <= maximumBytes else { throw .tooLarge }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    private static func write(_ bytes: [UInt8], _ path: String) throws(ClientKeyError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw errno == EEXIST ? .exists : .notWritable(errno: errno) }
        do throws(ClientKeyError) {
            defer { close(descriptor) }
            // The umask may have taken bits away; it cannot have left too many.
            guard fchmod(descriptor, 0o600) == 0 else { throw .notWritable(errno: errno) }
            var written = 0
            while written < bytes.count {
                let count = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe Glibc.write(
                        descriptor, UnsafeRawBufferPointer(rebasing: buffer[written...]).baseAddress,
                        buffer.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw .notWritable(errno: errno) }
                written += count
            }
            guard fsync(descriptor) == 0 else { throw .notWritable(errno: errno) }
        } catch {
            unsafe unlink(path)
            throw error
        }
    }
}

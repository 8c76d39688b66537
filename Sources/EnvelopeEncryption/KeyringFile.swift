// The keyring's bytes and its file. Every secret is wrapped by the root key on its own, bound to its place;
// the whole, epoch and states included, stands under a MAC, so that nobody can re-activate a key, lower a
// floor or drop an entry with an editor for bytes.
//
//   off len
//     0   4  "CVK1"
//     4   1  format = 1            5  3  zero
//     8  16  tenant               24  8  epoch (≥ 1)
//    32   4  total length         36  2  number of entries   38  2  number of floors
//    40  16  root key check value
//        2+W  length and bytes of the wrapped MAC key
//         n × { name u16, state u8, suite u8, tenant 16, id u32, version u32, created u64 ms,
//               length u16, wrapped secret }                                    strictly ascending
//         m × { kekId u32, floor u32 }                                          strictly ascending
//        32  HMAC-SHA256(K_mac, every byte before it)
//
//   entry context    "CV1K" name u16 ‖ tenant ‖ id ‖ version
//   MAC key context  "CV1M" tenant;  K_mac = HKDF-Expand(MAC key, "CV1M" ‖ tenant ‖ root key check value)

import ContactModel
import FileStorage
import Glibc
import Synchronization
public import VaultCrypto

extension Keyring {
    /// Greatest size of a keyring in bytes.
    static let maximumBytes = 1 << 20

    /// The keyring's bytes, to be opened by the same root key only. The MAC key is new each time.
    /// - Throws: ``KeyringError/rootKeyUnavailable(_:)``, ``KeyringError/cryptoUnavailable``.
    public func sealed(under root: any RootKey, random: any RandomSource) throws(KeyringError) -> [UInt8] {
        guard root.keyCheckValue.count == 16 else { throw .rootKeyUnavailable(.malformed) }
        var bytes = Array("CVK1".utf8) + [1, 0, 0, 0]
        bytes.append(contentsOf: tenant.bytes)
        bytes.append(bigEndian: epoch)
        bytes.append(bigEndian: UInt32(0))
        bytes.append(bigEndian: UInt16(entries.count))
        bytes.append(bigEndian: UInt16(floors.count))
        bytes.append(contentsOf: root.keyCheckValue)
        let macKey: SecretBytes
        do { macKey = try random.secret(KeyringEntry.secretBytes) } catch { throw .cryptoUnavailable }
        try Self.append(macKey, context: Self.macContext(tenant), root: root, to: &bytes)
        for entry in entries {
            bytes.append(bigEndian: entry.reference.name.rawValue)
            bytes.append(entry.state.rawValue)
            bytes.append(entry.suite == .aes256GCM ? 0 : 1)
            bytes.append(contentsOf: entry.tenant.bytes)
            bytes.append(bigEndian: entry.reference.id)
            bytes.append(bigEndian: entry.reference.version)
            bytes.append(bigEndian: UInt64(entry.created.milliseconds))
            let context = Self.entryContext(entry.reference, tenant: entry.tenant)
            switch entry.material {
            case .symmetric(let secret):
                try Self.append(secret.bytes, context: context, root: root, to: &bytes)
            case .signing(let key):
                let secret: SecretBytes
                do { secret = try key.revealPrivateKey() } catch { throw .cryptoUnavailable }
                try Self.append(secret, context: context, root: root, to: &bytes)
            case .destroyed:
                bytes.append(bigEndian: UInt16(0))
            }
        }
        for (id, floor) in floors.sorted(by: { $0.key < $1.key }) {
            bytes.append(bigEndian: id)
            bytes.append(bigEndian: floor)
        }
        bytes.replace(at: 32, bigEndian: UInt32(bytes.count + SHA256.digestBytes))
        bytes.append(
            contentsOf: try Self.mac(
                of: bytes, key: macKey, tenant: tenant, keyCheckValue: root.keyCheckValue))
        return bytes
    }

    /// Opens a keyring's bytes: exact parse, right root key, MAC, then each secret.
    /// - Throws: ``KeyringError/wrongRootKey`` if it was sealed under another root key;
    ///   ``KeyringError/authenticationFailed`` if a byte was changed; ``KeyringError/unsupportedFormat``,
    ///   ``KeyringError/malformed``.
    public static func open(_ bytes: [UInt8], root: any RootKey) throws(KeyringError) -> Keyring {
        let parsed = try ParsedKeyring(bytes)
        guard parsed.keyCheckValue == root.keyCheckValue else { throw .wrongRootKey }
        let macKey = try unwrap(parsed.wrappedMACKey, context: macContext(parsed.tenant), root: root)
        let mac = try Self.mac(
            of: Array(bytes[..<parsed.macStart]), key: macKey, tenant: parsed.tenant,
            keyCheckValue: parsed.keyCheckValue)
        guard mac.isEqualInConstantTime(to: Array(bytes[parsed.macStart...])) else {
            throw .authenticationFailed
        }
        var entries: [KeyringEntry] = []
        for entry in parsed.entries {
            let context = entryContext(entry.reference, tenant: entry.tenant)
            let secret = entry.wrapped.isEmpty ? nil : try unwrap(entry.wrapped, context: context, root: root)
            do throws(CryptoError) {
                entries.append(
                    try KeyringEntry(
                        reference: entry.reference, tenant: entry.tenant, state: entry.state,
                        created: entry.created, suite: entry.suite, secret: secret))
            } catch {
                throw .malformed
            }
        }
        return try Keyring(
            epoch: parsed.epoch, tenant: parsed.tenant, entries: entries, floors: parsed.floors)
    }

    private static func append(
        _ secret: borrowing SecretBytes, context: [UInt8], root: any RootKey, to bytes: inout [UInt8]
    ) throws(KeyringError) {
        let wrapped: [UInt8]
        do { wrapped = try root.wrap(secret, context: context) } catch { throw .rootKeyUnavailable(error) }
        guard (1...ParsedKeyring.maximumWrappedBytes).contains(wrapped.count) else {
            throw .rootKeyUnavailable(.malformed)
        }
        bytes.append(bigEndian: UInt16(wrapped.count))
        bytes.append(contentsOf: wrapped)
    }

    private static func unwrap(
        _ wrapped: [UInt8], context: [UInt8], root: any RootKey
    ) throws(KeyringError) -> SecretBytes {
        let secret: SecretBytes
        do {
            secret = try root.unwrap(wrapped, context: context)
        } catch {
            throw error == .authenticationFailed ? .authenticationFailed : .rootKeyUnavailable(error)
        }
        guard secret.count == KeyringEntry.secretBytes else { throw .malformed }
        return secret
    }

    private static func mac(
        of bytes: [UInt8], key: borrowing SecretBytes, tenant: TenantID, keyCheckValue: [UInt8]
    ) throws(KeyringError) -> [UInt8] {
        do throws(CryptoError) {
            let derived = try HKDFSHA256.expand(key, info: macContext(tenant) + keyCheckValue)
            return try HMACSHA256.authenticate(bytes, key: derived)
        } catch {
            throw .cryptoUnavailable
        }
    }

    private static func macContext(_ tenant: TenantID) -> [UInt8] { Array("CV1M".utf8) + tenant.bytes }

    /// The epoch is left out: a key keeps its wrapped form's meaning over every later epoch.
    private static func entryContext(_ reference: KeyReference, tenant: TenantID) -> [UInt8] {
        var context = Array("CV1K".utf8)
        context.append(bigEndian: reference.name.rawValue)
        context.append(contentsOf: tenant.bytes)
        context.append(bigEndian: reference.id)
        context.append(bigEndian: reference.version)
        return context
    }
}

/// A keyring's bytes taken apart, before any key is touched.
private struct ParsedKeyring {
    struct Entry {
        let reference: KeyReference
        let tenant: TenantID
        let state: KeyState
        let created: Timestamp
        let suite: EnvelopeSuite
        let wrapped: [UInt8]
    }

    static let maximumWrappedBytes = 1024

    let tenant: TenantID
    let epoch: UInt64
    let keyCheckValue: [UInt8]
    let wrappedMACKey: [UInt8]
    let entries: [Entry]
    let floors: [UInt32: UInt32]
    let macStart: Int

    init(_ bytes: [UInt8]) throws(KeyringError) {
        guard bytes.count <= Keyring.maximumBytes, bytes.count >= 8, Array(bytes[..<4]) == Array("CVK1".utf8)
        else {
            throw .malformed
        }
        guard bytes[4] == 1 else { throw bytes[4] > 1 ? .unsupportedFormat : .malformed }
        guard bytes.count >= 56 + SHA256.digestBytes, bytes[5] == 0, bytes[6] == 0, bytes[7] == 0,
            bytes.bigEndian(at: 32, as: UInt32.self) == bytes.count
        else { throw .malformed }
        var reader = KeyringReader(bytes: bytes, end: bytes.count - SHA256.digestBytes, position: 8)
        tenant = try reader.tenant()
        epoch = try reader.integer(UInt64.self)
        _ = try reader.integer(UInt32.self)
        let entryCount = Int(try reader.integer(UInt16.self))
        let floorCount = Int(try reader.integer(UInt16.self))
        keyCheckValue = try reader.bytes(16)
        wrappedMACKey = try reader.wrapped()
        guard !wrappedMACKey.isEmpty, entryCount <= Keyring.maximumEntries else { throw .malformed }
        var entries: [Entry] = []
        for _ in 0..<entryCount {
            let name = KeyName(rawValue: try reader.integer(UInt16.self))
            let state = KeyState(rawValue: try reader.integer(UInt8.self))
            let suite = try reader.integer(UInt8.self)
            let tenant = try reader.tenant()
            let id = try reader.integer(UInt32.self)
            let version = try reader.integer(UInt32.self)
            let created = Int64(exactly: try reader.integer(UInt64.self))
            let wrapped = try reader.wrapped()
            guard let name, let state, suite == 0 || (suite == 1 && name == .kek), let created,
                wrapped.isEmpty == (state == .destroyed)
            else {
                throw .malformed
            }
            entries.append(
                Entry(
                    reference: KeyReference(name, id: id, version: version), tenant: tenant, state: state,
                    created: Timestamp(milliseconds: created), suite: suite == 0 ? .aes256GCM : .sm4HMACSM3,
                    wrapped: wrapped))
        }
        var floors: [UInt32: UInt32] = [:]
        var previous: UInt32?
        for _ in 0..<floorCount {
            let id = try reader.integer(UInt32.self)
            if let previous, id <= previous { throw .malformed }
            previous = id
            floors[id] = try reader.integer(UInt32.self)
        }
        guard reader.position == reader.end else { throw .malformed }
        self.entries = entries
        self.floors = floors
        macStart = reader.end
    }
}

/// Reads forward and never past the end.
private struct KeyringReader {
    let bytes: [UInt8]
    let end: Int
    var position: Int

    mutating func bytes(_ count: Int) throws(KeyringError) -> [UInt8] {
        guard end - position >= count else { throw .malformed }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func integer<Integer: FixedWidthInteger & UnsignedInteger>(
        _ type: Integer.Type
    ) throws(KeyringError) -> Integer {
        guard end - position >= Integer.bitWidth / 8 else { throw .malformed }
        defer { position += Integer.bitWidth / 8 }
        return bytes.bigEndian(at: position, as: type)
    }

    mutating func tenant() throws(KeyringError) -> TenantID {
        guard let tenant = TenantID(bytes: try bytes(16)) else { throw .malformed }
        return tenant
    }

    mutating func wrapped() throws(KeyringError) -> [UInt8] {
        let count = Int(try integer(UInt16.self))
        guard count <= ParsedKeyring.maximumWrappedBytes else { throw .malformed }
        return try bytes(count)
    }
}

/// The file that a keyring is stored in.
public struct KeyringFile: Sendable {
    /// Where it is.
    public let path: String

    /// A keyring file, there or not yet there.
    public init(_ path: String) { self.path = path }

    /// Reads and opens the keyring.
    /// - Throws: ``KeyringError/fileMissing``, ``KeyringError/fileNotReadable(errno:)``, and as
    ///   ``Keyring/open(_:root:)``.
    public func load(root: any RootKey) throws(KeyringError) -> Keyring {
        try Keyring.open(try read(), root: root)
    }

    /// The check value of the root key that the file asks for. Nothing vouches for it until the keyring is opened: it serves
    /// to tell which root key to try.
    /// - Throws: as ``load(root:)``, but for what takes a key to find out.
    public func rootKeyCheckValue() throws(KeyringError) -> [UInt8] {
        try ParsedKeyring(try read()).keyCheckValue
    }

    /// The epoch that the file has, vouched for by nothing until the keyring is opened.
    /// - Throws: as ``rootKeyCheckValue()``.
    public func statedEpoch() throws(KeyringError) -> UInt64 { try ParsedKeyring(try read()).epoch }

    private func read() throws(KeyringError) -> [UInt8] {
        do throws(DurableFileError) {
            return try DurableFile(path).read(limit: Keyring.maximumBytes, isPrivate: false)
        } catch {
            switch error {
            case .missing: throw .fileMissing
            case .system(let errno): throw .fileNotReadable(errno: errno)
            case .exists, .notAFile, .permissionsTooOpen, .tooLarge, .notAccepted: throw .malformed
            }
        }
    }

    /// Replaces the stored keyring, atomically and durably, with mode 0600.
    ///
    /// A file `<path>.lock` beside it keeps two processes from replacing it at once.
    /// - Throws: ``KeyringError/epochNotHigher`` unless the epoch is above the stored one's: an equal epoch
    ///   is a change that was made at the same time, and storing over it would lose its keys. Whatever
    ///   ``load(root:)`` throws if the file there cannot be opened, ``KeyringError/rootKeyUnusable`` if the root key does not
    ///   give back what it sealed; the file is then left as it is.
    public func store(
        _ keyring: Keyring, root: any RootKey, random: any RandomSource
    ) throws(KeyringError) {
        let bytes = try keyring.sealed(under: root, random: random)
        try DurableFile(path).locked { () throws(KeyringError) in
            do throws(KeyringError) {
                guard try load(root: root).epoch < keyring.epoch else { throw .epochNotHigher }
            } catch .fileMissing {
                // The first keyring of a new vault.
            }
            try replace(by: keyring, bytes, root: root)
        }
    }

    /// Seals the stored keyring under another root key, one epoch later, atomically and durably. From then on the old root
    /// key opens it no more.
    ///
    /// The new bytes are read back from the disk and opened by the new root key, and every secret is compared, before they
    /// take the place of the old ones: a crash leaves one keyring or the other, each of which opens.
    /// - Returns: the keyring as it is stored.
    /// - Throws: whatever ``load(root:)`` throws for the old root key; ``KeyringError/rootKeyUnusable`` if the new one
    ///   does not give back what it sealed, or what it threw. The file is then left as it is.
    public func migrate(
        from root: any RootKey, to newRoot: any RootKey, random: any RandomSource
    ) throws(KeyringError) -> Keyring {
        try DurableFile(path).locked { () throws(KeyringError) in
            let keyring = try KeyringEditor(try load(root: root)).finish()
            try replace(by: keyring, try keyring.sealed(under: newRoot, random: random), root: newRoot)
            return keyring
        }
    }

    /// Writes new bytes beside the file, reads them back, opens them, compares every secret, and renames them. A root key
    /// that does not give back what it took would otherwise cost every key of the vault.
    private func replace(
        by keyring: Keyring, _ bytes: [UInt8], root: any RootKey
    ) throws(KeyringError) {
        var refusal = KeyringError.rootKeyUnusable
        do throws(DurableFileError) {
            try DurableFile(path).write(bytes, replacing: true) { temporary in
                do throws(KeyringError) {
                    return try KeyringFile(temporary.path).load(root: root).isSame(as: keyring)
                } catch {
                    if case .rootKeyUnavailable = error { refusal = error }
                    return false
                }
            }
        } catch {
            throw error == .notAccepted ? refusal : Self.notWritable(error)
        }
    }

    private static func notWritable(_ error: DurableFileError) -> KeyringError {
        switch error {
        case .missing: .fileNotWritable(errno: ENOENT)
        case .exists: .fileNotWritable(errno: EEXIST)
        case .system(let errno): .fileNotWritable(errno: errno)
        case .notAFile, .permissionsTooOpen, .tooLarge, .notAccepted: .fileNotWritable(errno: EINVAL)
        }
    }
}

extension Keyring {
    /// Whether two keyrings have the same keys in the same states, secrets included.
    fileprivate func isSame(as other: Keyring) throws(KeyringError) -> Bool {
        guard epoch == other.epoch, tenant == other.tenant, floors == other.floors, keys == other.keys else {
            return false
        }
        for (entry, otherEntry) in zip(entries, other.entries) {
            switch (entry.material, otherEntry.material) {
            case (.symmetric(let secret), .symmetric(let otherSecret)):
                guard secret.bytes.isEqualInConstantTime(to: otherSecret.bytes) else { return false }
            case (.signing(let key), .signing(let otherKey)):
                // The private half follows from the public one.
                guard key.verificationKey.rawRepresentation == otherKey.verificationKey.rawRepresentation
                else {
                    return false
                }
            case (.destroyed, .destroyed): break
            default: return false
            }
        }
        return true
    }
}

extension DurableFile {
    /// Runs a read-compare-replace alone among all processes that use this file.
    fileprivate func locked<Result>(_ body: () throws(KeyringError) -> Result) throws(KeyringError) -> Result
    {
        // A file of its own: the file itself is renamed away under whoever waits for it.
        let descriptor = unsafe open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .fileNotWritable(errno: errno) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .fileNotWritable(errno: errno) }
        }
        return try body()
    }
}

/// Where a vault keeps its keyring: the file, and the root key that opens it. What changes keys while a vault serves needs
/// both.
public final class KeyringStorage: Sendable {
    private let file: KeyringFile
    private let root: Mutex<any RootKey>
    private let random: any RandomSource

    /// A keyring file with its root key.
    public init(file: KeyringFile, root: any RootKey, random: any RandomSource = SystemRandom()) {
        self.file = file
        self.root = Mutex(root)
        self.random = random
    }

    /// Check value of the root key that is in use.
    public var rootKeyCheckValue: [UInt8] { inForce.keyCheckValue }

    private var inForce: any RootKey { root.withLock { $0 } }

    /// Reads the keyring; as ``KeyringFile/load(root:)``.
    public func load() throws(KeyringError) -> Keyring { try file.load(root: inForce) }

    /// Writes a keyring to a new file, under the same root key: a copy.
    /// - Throws: as ``KeyringFile/store(_:root:random:)``.
    public func write(_ keyring: Keyring, toNew path: String) throws(KeyringError) {
        let bytes = try keyring.sealed(under: inForce, random: random)
        do throws(DurableFileError) { try DurableFile(path).write(bytes, replacing: false) } catch {
            guard case .system(let errno) = error else { throw .fileNotWritable(errno: EEXIST) }
            throw .fileNotWritable(errno: errno)
        }
    }

    /// Replaces the keyring, atomically and durably; as ``KeyringFile/store(_:root:random:)``.
    public func store(_ keyring: Keyring) throws(KeyringError) {
        try file.store(keyring, root: inForce, random: random)
    }

    /// Seals the keyring under another root key, one epoch later; as ``KeyringFile/migrate(from:to:random:)``. That one is in use from
    /// then on, for everybody who has this value.
    /// - Returns: the keyring as it is stored.
    public func migrate(to newRoot: any RootKey) throws(KeyringError) -> Keyring {
        let keyring = try file.migrate(from: inForce, to: newRoot, random: random)
        root.withLock { $0 = newRoot }
        return keyring
    }
}

// What a backup says of itself: which vault and which log up to where, which keys its records need, and the digest of every file
// (docs/spec/backup.md). Signed by the log's key, so that whoever knows that key can check a backup without any secret.

public import AccessLog
public import ContactModel
import StrictEncoding
import VaultCrypto

/// The manifest of a backup, `manifest.json`.
public struct BackupManifest: Equatable, Sendable {
    /// Size and digest of a file.
    public typealias File = ExportManifest.File

    /// Name of the backup: `bk_` and sixteen letters.
    public var id: Reference
    /// When its snapshot was taken.
    public var made: Timestamp
    /// The vault's tenant.
    public var tenant: TenantID
    /// Name of the vault's log.
    public var origin: String
    /// Steps of the store's schema.
    public var schema: UInt64
    /// Entries of the log in it.
    public var entries: UInt64
    /// Root over them, 32 bytes.
    public var root: [UInt8]
    /// The newest signed checkpoint in it.
    public var checkpoint: String
    /// Epoch of the keyring at that time.
    public var epoch: UInt64
    /// The key versions that it needs, by name, id and version.
    public var needs: [StoredKeyNeed]
    /// Every other file by name.
    public var files: [String: File]

    /// Name of the store's file.
    public static let store = "vault.sqlite"
    /// Name of the keyring's file, which a backup may lack.
    public static let keyring = "keyring"
    /// Name of the manifest's file.
    public static let manifest = "manifest.json"
    /// Name of the file with the signatures of the manifest.
    public static let signatures = "manifest.sig"
    /// Files that a backup may have, besides manifest and signatures.
    public static let names: Set<String> = [store, keyring, "contact-vault.yaml", "log.vkey"]

    /// Canonical JSON and a newline: the text of a note.
    public var bytes: [UInt8] {
        func number(_ value: UInt64) -> JSONValue { .integer(Int64(clamping: value)) }
        let object = JSONObject([
            ("v", .integer(1)), ("backup", .string(id.text)),
            ("made", .string(made.descriptionWithMilliseconds)),
            ("tenant", .string(Hex.encode(tenant.bytes))), ("origin", .string(origin)),
            ("schema", number(schema)), ("entries", number(entries)), ("root", .string(Base64.encode(root))),
            ("checkpoint", .string(checkpoint)), ("epoch", number(epoch)),
            (
                "keys",
                .array(
                    needs.map { need in
                        .object(
                            JSONObject([
                                ("name", .string(need.name)), ("id", .integer(Int64(need.id))),
                                ("version", .integer(Int64(need.version))), ("count", number(need.count)),
                            ]))
                    })
            ),
            (
                "files",
                .object(
                    JSONObject(
                        files.sorted { $0.key < $1.key }.map { name, file in
                            (
                                name,
                                .object(
                                    JSONObject([
                                        ("bytes", number(file.bytes)),
                                        ("sha256", .string(Hex.encode(file.digest))),
                                    ]))
                            )
                        }))
            ),
        ])
        return JSONValue.object(object).canonicalBytes + [0x0A]
    }

    /// Parses a manifest, byte for byte. Believe it only if its signature was verified: see ``init(_:signedBy:signatures:)``.
    /// - Throws: ``BackupFault/manifestMalformed``.
    public init(parsing bytes: [UInt8]) throws(BackupFault) {
        guard bytes.count <= Limits.backupManifestBytes, bytes.last == 0x0A,
            let object = (try? JSONValue.parse(Array(bytes.dropLast())))?.objectValue,
            object["v"]?.integerValue == 1,
            let id = object["backup"]?.stringValue.flatMap({ Reference($0) }),
            let made = object["made"]?.stringValue.flatMap({ Timestamp($0) }),
            let tenant = object["tenant"]?.stringValue.flatMap({ Hex.decode($0) }).flatMap({
                TenantID(bytes: $0)
            }),
            let origin = object["origin"]?.stringValue, let schema = object["schema"]?.count,
            let entries = object["entries"]?.count,
            let root = object["root"]?.stringValue.flatMap({ Base64.decode($0) }), root.count == 32,
            let checkpoint = object["checkpoint"]?.stringValue, let epoch = object["epoch"]?.count,
            let keys = object["keys"]?.arrayValue,
            let members = object["files"]?.objectValue?.members
        else { throw .manifestMalformed }
        var needs: [StoredKeyNeed] = []
        for key in keys.map(\.objectValue) {
            guard let name = key?["name"]?.stringValue,
                let id = key?["id"]?.count.flatMap({ UInt32(exactly: $0) }),
                let version = key?["version"]?.count.flatMap({ UInt32(exactly: $0) }),
                let count = key?["count"]?.count
            else { throw .manifestMalformed }
            needs.append(StoredKeyNeed(name: name, id: id, version: version, count: count))
        }
        var files: [String: File] = [:]
        for (name, value) in members {
            guard Self.names.contains(name), let bytes = value.objectValue?["bytes"]?.count,
                let digest = value.objectValue?["sha256"]?.stringValue.flatMap({ Hex.decode($0) }),
                digest.count == 32
            else { throw .manifestMalformed }
            files[name] = File(bytes: bytes, digest: digest)
        }
        self.init(
            id: id, made: made, tenant: tenant, origin: origin, schema: schema, entries: entries, root: root,
            checkpoint: checkpoint, epoch: epoch, needs: needs, files: files)
        guard self.bytes == bytes, files[Self.store] != nil else { throw .manifestMalformed }
    }

    init(
        id: Reference, made: Timestamp, tenant: TenantID, origin: String, schema: UInt64, entries: UInt64,
        root: [UInt8], checkpoint: String, epoch: UInt64, needs: [StoredKeyNeed],
        files: [String: File]
    ) {
        self.id = id
        self.made = made
        self.tenant = tenant
        self.origin = origin
        self.schema = schema
        self.entries = entries
        self.root = root
        self.checkpoint = checkpoint
        self.epoch = epoch
        self.needs = needs
        self.files = files
    }

    /// Verifies the manifest by the log's keys and reads it. Its bytes are the text of a C2SP signed-note, whose signature lines are
    /// a file of their own; no checkpoint has such a text, so that neither can be passed off as the other.
    /// - Throws: ``BackupFault/manifestMalformed``, ``BackupFault/signatureInvalid``, ``BackupFault/signerUnknown``.
    public init(
        _ bytes: [UInt8], signatures: [UInt8], signedBy verifiers: [NoteVerifier]
    ) throws(BackupFault) {
        guard bytes.count <= Limits.backupManifestBytes else { throw .manifestMalformed }
        let signers: [NoteVerifier]
        do throws(LogError) {
            signers = try SignedNote(parsing: bytes + [0x0A] + signatures).verify(by: verifiers)
        } catch {
            throw error == .signerUnknown ? .signerUnknown : .signatureInvalid
        }
        try self.init(parsing: bytes)
        let origin = origin
        guard signers.contains(where: { $0.name == origin }) else { throw .signerUnknown }
    }
}

extension JSONValue {
    /// A number that is never negative.
    fileprivate var count: UInt64? { integerValue.flatMap { UInt64(exactly: $0) } }
}

/// The first thing that is wrong with a backup.
public enum BackupFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// The manifest is not there, or in another form.
    case manifestMalformed
    /// The manifest, or its signature, was changed.
    case signatureInvalid
    /// No trusted key has signed the manifest: it is another log's.
    case signerUnknown
    /// A file of the manifest is missing.
    case fileMissing(String)
    /// A file that the manifest does not name, such as a log of changes that would be read as part of the store.
    case fileUnexpected(String)
    /// A file has another size or other content.
    case fileChanged(String)
    /// The store is not the one that the manifest describes; the payload says in what.
    case storeDiffers(String)
    /// The keyring is another vault's.
    case keyringOfAnotherVault
    /// The keyring is older than what the store has seen.
    case keyringOlder
    /// The keyring does not have a key version that opens, and things need it.
    case keyMissing(StoredKeyNeed, state: String)
    /// A record does not open, by the code of its fault.
    case recordUnreadable(ContactID, String)

    /// A sentence for the operator.
    public var description: String {
        switch self {
        case .manifestMalformed: "manifest.json is missing, or not in the form of a backup's manifest"
        case .signatureInvalid: "the signature of manifest.json does not verify: one of the two was changed"
        case .signerUnknown: "manifest.json is signed by no trusted key: it is another vault's, or forged"
        case .fileMissing(let name): "\(name) is missing"
        case .fileUnexpected(let name): "\(name) does not belong to the backup"
        case .fileChanged(let name): "\(name) was changed, or is not whole"
        case .storeDiffers(let what): "the store is not the one that the manifest describes: \(what)"
        case .keyringOfAnotherVault: "the keyring is another vault's"
        case .keyringOlder: "the keyring is older than the store"
        case .keyMissing(let need, let state):
            "\(need.name) version \(need.version) is \(state) in this keyring, and \(need.count) things in the backup need it"
        case .recordUnreadable(let contact, let code): "the record \(contact) does not open: \(code)"
        }
    }
}

// What an export says of itself: which log, which time, which entries, and the digest of every file.

public import ContactModel
import StrictEncoding
import VaultCrypto

/// Which personal parts an export discloses. The leaves are the same for all.
public enum ExportProfile: String, CaseIterable, Sendable {
    /// Everything that is still there.
    case officer
    /// For the person that the entries are about: which record, how often; no staff and no case.
    case subject
    /// For whoever looks for abuse: which record, on whose behalf; no case.
    case security

    /// Whether a fact is disclosed.
    public func discloses(_ fact: DisclosedFact) -> Bool {
        switch fact {
        case .contact, .sequence: true
        case .caseReference: self == .officer
        case .actor: self != .subject
        }
    }
}

/// The manifest of an export, `manifest.json`.
public struct ExportManifest: Equatable, Sendable {
    /// Size and digest of a file.
    public struct File: Equatable, Sendable {
        /// Bytes.
        public let bytes: UInt64
        /// SHA-256, 32 bytes.
        public let digest: [UInt8]

        /// A file.
        public init(bytes: UInt64, digest: [UInt8]) {
            self.bytes = bytes
            self.digest = digest
        }
    }

    /// Origin of the log.
    public var origin: String
    /// The time that was asked for: entries from this moment on.
    public var from: Timestamp?
    /// And before this one; `nil` for up to the checkpoint.
    public var to: Timestamp?
    /// Index of the first entry in the export. It may be one before ``from``: that shows that nothing is left out.
    public var first: UInt64
    /// One after the last.
    public var end: UInt64
    /// Which personal parts.
    public var profile: ExportProfile
    /// The one contact whose parts are disclosed; `nil` for all.
    public var contact: ContactID?
    /// Entries with disclosed parts.
    public var disclosures: UInt64
    /// Size of the tree at the previous export, from which `consistency.txt` leads here.
    public var previousSize: UInt64?
    /// Every other file by name.
    public var files: [String: File]

    /// Files that an export has, besides the manifest.
    public static let names: Set<String> = [
        "checkpoint", "consistency.txt", "entries.jsonl", "proof", "disclosures.jsonl", "access.csv",
        "policy.txt", "ocsf.jsonl",
    ]
    /// Those that an export may lack.
    private static let optional: Set<String> = ["consistency.txt", "ocsf.jsonl"]

    /// A manifest.
    public init(
        origin: String, from: Timestamp?, to: Timestamp?, first: UInt64, end: UInt64, profile: ExportProfile,
        contact: ContactID?, disclosures: UInt64 = 0, previousSize: UInt64? = nil, files: [String: File] = [:]
    ) {
        self.origin = origin
        self.from = from
        self.to = to
        self.first = first
        self.end = end
        self.profile = profile
        self.contact = contact
        self.disclosures = disclosures
        self.previousSize = previousSize
        self.files = files
    }

    /// Canonical JSON and a newline.
    public var bytes: [UInt8] {
        var object = JSONObject([
            ("v", .integer(1)), ("origin", .string(origin)), ("first", .integer(Int64(first))),
            ("end", .integer(Int64(end))), ("profile", .string(profile.rawValue)),
            ("disclosures", .integer(Int64(disclosures))),
            (
                "files",
                .object(
                    JSONObject(
                        files.sorted { $0.key < $1.key }.map { name, file in
                            (
                                name,
                                .object(
                                    JSONObject([
                                        ("bytes", .integer(Int64(file.bytes))),
                                        ("sha256", .string(Hex.encode(file.digest))),
                                    ]))
                            )
                        }))
            ),
        ])
        object["from"] = from.map { .string($0.descriptionWithMilliseconds) }
        object["to"] = to.map { .string($0.descriptionWithMilliseconds) }
        object["contact"] = contact.map { .string($0.description) }
        object["previous_size"] = previousSize.map { .integer(Int64($0)) }
        return JSONValue.object(object).canonicalBytes + [0x0A]
    }

    /// Parses a manifest, byte for byte.
    /// - Throws: ``LogError/manifestMalformed``.
    public init(parsing bytes: [UInt8]) throws(LogError) {
        guard bytes.count <= 64 * 1024, bytes.last == 0x0A,
            let object = (try? JSONValue.parse(Array(bytes.dropLast())))?.objectValue,
            object["v"]?.integerValue == 1, let origin = object["origin"]?.stringValue,
            let first = object["first"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            let end = object["end"]?.integerValue.flatMap({ UInt64(exactly: $0) }), first <= end,
            let profile = object["profile"]?.stringValue.flatMap({ ExportProfile(rawValue: $0) }),
            let disclosures = object["disclosures"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            let members = object["files"]?.objectValue?.members
        else { throw .manifestMalformed }
        var files: [String: File] = [:]
        for (name, value) in members {
            guard Self.names.contains(name), let file = value.objectValue,
                let bytes = file["bytes"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
                let digest = file["sha256"]?.stringValue.flatMap({ Hex.decode($0) }), digest.count == 32
            else { throw .manifestMalformed }
            files[name] = File(bytes: bytes, digest: digest)
        }
        self.init(
            origin: origin, from: object["from"]?.stringValue.flatMap { Timestamp($0) },
            to: object["to"]?.stringValue.flatMap { Timestamp($0) }, first: first, end: end, profile: profile,
            contact: object["contact"]?.stringValue.flatMap { ContactID($0) }, disclosures: disclosures,
            previousSize: object["previous_size"]?.integerValue.flatMap { UInt64(exactly: $0) }, files: files)
        guard self.bytes == bytes, from.map({ from in to.map { from < $0 } ?? true }) ?? true,
            profile != .subject || contact != nil,
            (previousSize != nil) == (files["consistency.txt"] != nil),
            Set(files.keys).union(Self.optional) == Self.names
        else { throw .manifestMalformed }
    }
}

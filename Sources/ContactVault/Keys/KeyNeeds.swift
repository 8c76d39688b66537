// What needs a key version: counted where it stands, so that nothing is taken away that something still needs.

public import ContactModel
import EnvelopeEncryption
import StrictEncoding

/// Why a key version cannot go.
public enum KeyNeed: Hashable, Sendable {
    /// Sealed records under it.
    case records(UInt64)
    /// Disclosure keys of contacts under it.
    case disclosureKeys(UInt64)
    /// Disclosures of log entries that concern no stored contact, sealed under it.
    case disclosures(UInt64)
    /// Contacts that are found by it.
    case contacts(UInt64)
    /// Places on the stop list that are found by it. Those of erased numbers can be moved by nobody.
    case suppressions(UInt64)
    /// Releases that caps count by it. Those of erased numbers can be moved by nobody.
    case releases(UInt64)
    /// A job that is not finished.
    case job(KeyJobID)
    /// A registered copy of the store that would open less without it.
    case backup(Reference)

    /// How many, and of what.
    public var description: String {
        func counted(_ count: UInt64, _ one: String, _ many: String) -> String {
            "\(count) \(count == 1 ? one : many)"
        }
        return switch self {
        case .records(let count): counted(count, "record", "records")
        case .disclosureKeys(let count): counted(count, "disclosure key", "disclosure keys")
        case .disclosures(let count): counted(count, "log disclosure", "log disclosures")
        case .contacts(let count): counted(count, "contact's index", "contacts' indexes")
        case .suppressions(let count):
            counted(count, "place on the stop list", "places on the stop list")
        case .releases(let count): counted(count, "release that caps count", "releases that caps count")
        case .job(let id): "the job \(id), which is not finished"
        case .backup(let id): "the backup \(id), until it is forgotten"
        }
    }
}

/// Everything that needs a key version.
public struct KeyNeeds: Hashable, Sendable {
    /// Each reason.
    public let reasons: [KeyNeed]

    /// Whether nothing needs it.
    public var isEmpty: Bool { reasons.isEmpty }
    /// In words.
    public var description: String { reasons.map(\.description).joined(separator: ", ") }
}

/// What an admin sees of keys and what needs them.
public struct KeyReport: Sendable {
    /// Every key version, and what needs it.
    public let versions: [(status: KeyStatus, needs: KeyNeeds)]
    /// What instances have loaded.
    public let instances: [StoredInstance]
    /// Epoch of the stored keyring.
    public let epoch: UInt64
    /// The last job, `nil` if there was none.
    public let job: KeyJob?
}

extension Vault {
    /// Every key version with what needs it, counted in the store; what instances have loaded; the last job. Looks at every row.
    public func keyReport(as caller: Caller, requestID: Reference) async throws -> KeyReport {
        let statuses = try await keyStatus(as: caller, requestID: requestID)
        return try await reading { reader in
            let usage = try reader.keyUsage(.vault, of: Set(StoredKeyUsage.Subject.allCases))
            let (job, backups) = (try reader.unfinishedKeyJob(), try reader.backups())
            return KeyReport(
                versions: statuses.map {
                    ($0, KeyNeeds(of: $0.key.reference, usage, job: job, backups: backups))
                },
                instances: try reader.instances(), epoch: try reader.keyringEpoch(),
                job: try reader.keyJobs(limit: 1).first.map { KeyJob($0) })
        }
    }
}

extension ManagedTransaction {
    /// What a step would take away from.
    func needs(of change: KeyChange) throws -> KeyNeeds {
        switch change {
        case .retire(let key), .destroy(let key):
            return KeyNeeds(
                of: key, try store.keyUsage(.vault, of: KeyNeeds.subjects(of: key.name)),
                job: try store.unfinishedKeyJob(), backups: try store.backups())
        case .promote(let key):
            // A job brings what it finds under the version that was active when it began.
            guard let job = try store.unfinishedKeyJob(), job.kind.key == key.name,
                let id = KeyJobID(bytes: job.id)
            else { return KeyNeeds(reasons: []) }
            return KeyNeeds(reasons: [.job(id)])
        case .add, .addKEK, .disable, .enable, .compromise: return KeyNeeds(reasons: [])
        }
    }
}

extension KeyNeeds {
    init(of key: KeyReference, _ usage: StoredKeyUsage, job: StoredKeyJob?, backups: [StoredBackup]) {
        var reasons: [KeyNeed] = []
        func add(_ count: UInt64?, _ need: (UInt64) -> KeyNeed) {
            if let count, count > 0 { reasons.append(need(count)) }
        }
        switch key.name {
        case .kek:
            let mark = key.id.bigEndianBytes + key.version.bigEndianBytes
            add(usage.records[mark], KeyNeed.records)
            add(usage.disclosureKeys[mark], KeyNeed.disclosureKeys)
        case .disclosure: add(usage.disclosures[key.version.bigEndianBytes], KeyNeed.disclosures)
        case .blindIndex:
            add(usage.contacts[key.version], KeyNeed.contacts)
            add(usage.suppressions[key.version], KeyNeed.suppressions)
            add(usage.releases[key.version], KeyNeed.releases)
        case .tokenSigning, .logSigning, .dpopNonce: break
        }
        if let job, job.kind.key == key.name, let id = KeyJobID(bytes: job.id) { reasons.append(.job(id)) }
        reasons += backups.filter { $0.isHolding(key) }.map { .backup($0.id) }
        self.init(reasons: reasons)
    }

    /// What has to be counted: a gate is inside the one writer, and looks at no row that it need not.
    static func subjects(of name: KeyName) -> Set<StoredKeyUsage.Subject> {
        switch name {
        case .kek: [.records]
        case .disclosure: [.disclosures]
        case .blindIndex: [.numbers]
        case .tokenSigning, .logSigning, .dpopNonce: []
        }
    }
}

extension StoredKeyPlaces {
    /// Where this vault's formats name their key: `kekId ‖ kekVersion` (docs/spec/sealed-record.md, access-log.md), `version`.
    static let vault = StoredKeyPlaces(sealed: 48..<56, disclosureKey: 0..<8, disclosures: 0..<4)
}

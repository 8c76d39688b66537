// Which key versions a store needs to be of any use.

import ContactModel
public import EnvelopeEncryption

/// What is sealed, indexed and wrapped by which key versions.
struct KeyNeeds {
    private(set) var needs: [KeyReference: UInt64] = [:]
    private(set) var suites: [UInt64: UInt64] = [:]

    private static let page = 500

    /// Looks at every record, every place on the stop list and every disclosure of a snapshot. No key is needed for it.
    init(of reader: any VaultReader) throws {
        var after: ContactID?
        while true {
            let contacts = try reader.contacts(after: after, limit: Self.page)
            for contact in contacts { try add(contact) }
            guard contacts.count == Self.page else { break }
            after = contacts.last?.id
        }
        var number: [UInt8]?
        while true {
            let listed = try reader.suppressions(after: number, limit: Self.page)
            for place in listed { add(KeyReference(.blindIndex, version: place.indexVersion)) }
            guard listed.count == Self.page else { break }
            number = listed.last?.number
        }
        let size = try reader.logHead().size
        var first = try reader.firstLeaf()
        while first < size {
            let next = min(first + 4096, size)
            for disclosures in try reader.disclosures(first..<next).values where disclosures.contact == nil {
                guard let version = try? DisclosureKey.version(of: disclosures.sealed) else {
                    throw StoreError.corrupt("log_disclosures")
                }
                add(KeyReference(.disclosure, version: version))
            }
            first = next
        }
    }

    private mutating func add(_ contact: StoredContact) throws {
        guard let record = try? SealedRecord(parsing: contact.sealed),
            contact.disclosureKey.count == Keyring.wrappedDisclosureKeyBytes
        else { throw StoreError.corrupt("contacts") }
        suites[UInt64(record.suite.rawValue), default: 0] += 1
        add(KeyReference(.kek, id: record.kekID, version: record.kekVersion))
        // `kekId ‖ kekVersion` (docs/spec/access-log.md).
        func integer(_ range: Range<Int>) -> UInt32 {
            contact.disclosureKey[range].reduce(0) { $0 << 8 | UInt32($1) }
        }
        add(KeyReference(.kek, id: integer(0..<4), version: integer(4..<8)))
        add(KeyReference(.blindIndex, version: contact.phoneIndexVersion))
    }

    private mutating func add(_ key: KeyReference) { needs[key, default: 0] += 1 }

    /// As they are stored, by name, id and version.
    var stored: [StoredKeyNeed] {
        needs.sorted { $0.key < $1.key }.map { key, count in
            StoredKeyNeed(name: key.name.name, id: key.id, version: key.version, count: count)
        }
    }
}

extension Keyring {
    /// The first of these needs that this keyring does not meet, with the state that the version is in.
    func firstMissing(_ needs: [StoredKeyNeed]) -> (need: StoredKeyNeed, state: String)? {
        let versions = keys
        for need in needs {
            let key = versions.first {
                $0.reference.name.name == need.name && $0.reference.id == need.id
                    && $0.reference.version == need.version
            }
            guard let key else { return (need, "unknown") }
            switch key.state {
            case .preActive, .active, .decryptOnly:
                if let floor = key.floor, need.version < floor { return (need, "below_its_floor") }
            case .disabled, .compromised, .destroyed: return (need, key.state.name)
            }
        }
        return nil
    }
}

extension VaultReader {
    /// Registered copies of the store that would open less without a key version, or may: one that is being made needs each.
    public func backups(needing key: KeyReference) throws -> [StoredBackup] {
        try backups().filter { backup in
            guard backup.forgotten == nil else { return false }
            return backup.needs?.contains {
                $0.name == key.name.name && $0.id == key.id && $0.version == key.version
            } ?? true
        }
    }
}

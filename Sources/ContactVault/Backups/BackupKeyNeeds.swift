// Which key versions a copy of the store needs to be of any use.

import ContactModel
package import EnvelopeEncryption
import StrictEncoding

extension StoredKeyUsage {
    /// What is sealed, indexed and wrapped by which key versions, in whatever order: by name, id and version.
    func keyNeeds() throws -> [StoredKeyNeed] {
        var needs: [KeyReference: UInt64] = [:]
        for counts in [records, disclosureKeys] {
            for (mark, count) in counts {
                // `kekId ‖ kekVersion`, as ``StoredKeyPlaces/vault`` cuts it out.
                guard mark.count == 8 else { throw StoreError.corrupt("contacts") }
                let key = KeyReference(
                    .kek, id: UInt32(bigEndianBytes: mark[..<4]), version: UInt32(bigEndianBytes: mark[4...]))
                needs[key, default: 0] += count
            }
        }
        for counts in [contacts, suppressions, releases] {
            for (version, count) in counts {
                needs[KeyReference(.blindIndex, version: version), default: 0] += count
            }
        }
        for (version, count) in disclosures {
            guard version.count == 4 else { throw StoreError.corrupt("log_disclosures") }
            needs[KeyReference(.disclosure, version: UInt32(bigEndianBytes: version)), default: 0] += count
        }
        return needs.sorted { $0.key < $1.key }.map { key, count in
            StoredKeyNeed(name: key.name.name, id: key.id, version: key.version, count: count)
        }
    }
}

extension VaultReader {
    /// What this store needs. Looks at every row; no key is needed for it.
    func keyNeeds() throws -> [StoredKeyNeed] {
        try keyUsage(.vault, of: Set(StoredKeyUsage.Subject.allCases)).keyNeeds()
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

extension StoredBackup {
    /// Whether it would open less without a key version, or may: one that is being made needs each that a store can need.
    package func isHolding(_ key: KeyReference) -> Bool {
        guard forgotten == nil, !KeyNeeds.subjects(of: key.name).isEmpty else { return false }
        return needs?.contains { $0.name == key.name.name && $0.id == key.id && $0.version == key.version }
            ?? true
    }
}

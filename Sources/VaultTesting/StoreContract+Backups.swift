// Copies of the store: a snapshot is whole and stands still, and the register of copies keeps what each needs.

import ContactModel
import ContactVault
import Foundation

extension StoreContract {
    static let snapshotCases: [StoreContractCase] = [
        onStore("a snapshot has everything that was committed before it, and nothing of later") { store in
            let folder = try TemporaryFolder()
            try await store.transaction { transaction in
                try transaction.putIdentity(ContractSample.identity)
                try transaction.insertContacts([ContractSample.contact(1), ContractSample.contact(2)])
                try transaction.append(
                    ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0), ContractSample.leaf(1)]))
            }
            let snapshot = try await store.snapshot(to: folder.file("copy"))
            try await store.transaction { try $0.insertContacts([ContractSample.contact(3)]) }
            let ids = [1, 2, 3].map { ContractSample.contactID($0) }
            let read = try await snapshot.read { reader in
                (try reader.identity(), Set(try reader.contacts(ids).keys), try reader.logLeaves(0..<9))
            }
            try expectEqual(read.0, ContractSample.identity, "identity")
            try expectEqual(read.1, Set(ids[..<2]), "contacts")
            try expectEqual(read.2, [ContractSample.leaf(0), ContractSample.leaf(1)], "log")
            try expectEqual(snapshot.schema, store.schema, "schema")
            try await expectError(.locked, "a snapshot is not written to") {
                try await snapshot.transaction { _ in }
            }
            try await snapshot.close()
            try await expectError(.conflict, "a file that is there is not written over") {
                _ = try await store.snapshot(to: folder.file("copy"))
            }
            let mode =
                try FileManager.default.attributesOfItem(atPath: folder.file("copy"))[.posixPermissions]
                as? Int
            try expectEqual(mode, 0o600, "only its owner may read it")
            try expectEqual(try folder.files(), ["copy"], "nothing is left beside it")
        }
    ]

    static let backupCases: [StoreContractCase] = [
        onStore("a copy is registered, and comes back with what it needs, oldest first") { store in
            let being = BackupSample.backup("bk_b", at: 5, needs: nil)
            var done = BackupSample.backup("bk_a", at: 9, needs: [])
            let other = BackupSample.backup(
                "bk_c", at: 2,
                needs: [
                    StoredKeyNeed(name: "kek", id: 1, version: .max, count: 1 << 40),
                    StoredKeyNeed(name: "blind_index", id: 0, version: 1, count: 0),
                ])
            let first = [being, done, other]
            try await store.transaction { transaction in
                for backup in first { try transaction.putBackup(backup) }
            }
            try expectEqual(try await store.read { try $0.backups() }, [other, being, done], "by time")
            done.forgotten = ContractSample.moment(11)
            var finished = being
            finished.needs = other.needs
            let changed = [done, finished]
            try await store.transaction { transaction in
                for backup in changed { try transaction.putBackup(backup) }
            }
            try expectEqual(
                try await store.read { try $0.backups() }, [other, finished, done], "changed in place")
        },
        onStore("places on the stop list are read page by page, each once") { store in
            let places = (1...5).map { number in
                StoredSuppression(
                    number: ContractSample.bytes(32, UInt8(number * 40)), indexVersion: UInt32(number),
                    since: ContractSample.time, latest: ContractSample.moment(Int64(number)))
            }
            try await store.transaction { try $0.putSuppressions(places.reversed()) }
            let pages = try await store.read { reader in
                let first = try reader.suppressions(after: nil, limit: 2)
                return [
                    first, try reader.suppressions(after: first.last?.number, limit: 9),
                    try reader.suppressions(after: places[4].number, limit: 9),
                ]
            }
            try expectEqual(pages, [Array(places[..<2]), Array(places[2...]), []], "in order")
        },
        onStore("a log of another name keeps its checkpoints, and none of them counts as witnessed") {
            store in
            let checkpoint = StoredCheckpoint(
                size: 2, root: ContractSample.bytes(32, 1), note: "note", signed: ContractSample.time,
                isWitnessed: true)
            try await store.transaction { transaction in
                try transaction.putIdentity(ContractSample.identity)
                try transaction.putCheckpoint(checkpoint)
                try transaction.putLogOrigin("vault.example/access-log/2")
            }
            let read = try await store.read { reader in
                (
                    try reader.identity()?.logOrigin, try reader.latestWitnessedCheckpoint(),
                    try reader.latestCheckpoint()?.note
                )
            }
            try expectEqual(read.0, "vault.example/access-log/2", "the name")
            try expectEqual(read.1, nil, "the witnessed one")
            try expectEqual(read.2, "note", "the signed one")
        },
    ]
}

private enum BackupSample {
    static func backup(_ id: String, at moment: Int64, needs: [StoredKeyNeed]?) -> StoredBackup {
        StoredBackup(
            id: ContractSample.reference(id), made: ContractSample.moment(moment), logSize: 7,
            hasKeyring: moment > 4, needs: needs)
    }
}

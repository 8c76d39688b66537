// Jobs about keys, numbers that move, and instances.

import ContactModel
import ContactVault

extension StoreContract {
    static let keyCases: [StoreContractCase] = [
        onStore("a job comes back as it was set last, and one alone may be unfinished") { store in
            func unfinished() async throws -> StoredKeyJob? {
                try await store.read { try $0.unfinishedKeyJob() }
            }
            let begun = ContractSample.job(1, .rewrap)
            var job = begun
            try await store.transaction { try $0.putKeyJob(begun) }
            try expectEqual(try await unfinished(), begun, "begun")
            try await expectError(.conflict, "two at once") {
                try await store.transaction { try $0.putKeyJob(ContractSample.job(2, .reseal)) }
            }
            job.state = .paused
            job.cursor = [1, 2, 3]
            (job.examined, job.changed, job.unreadable, job.examinedBefore) = (7, 5, 1, 2)
            (job.resumed, job.updated) = (ContractSample.moment(3), ContractSample.moment(4))
            let paused = job
            try await store.transaction { try $0.putKeyJob(paused) }
            try expectEqual(try await unfinished(), paused, "paused")
            job.state = .done
            let (done, next) = (job, ContractSample.job(2, .reseal, created: ContractSample.moment(9)))
            try await store.transaction { transaction in
                try transaction.putKeyJob(done)
                try transaction.putKeyJob(next)
            }
            try await store.read { reader in
                try expectEqual(try reader.keyJobs(limit: 9), [next, done], "newest first")
                try expectEqual(try reader.keyJobs(limit: 1), [next], "the last")
                try expectEqual(try reader.keyJob(done.id), done, "by name")
                try expectEqual(try reader.keyJob([]), nil, "no name")
                try expectEqual(try reader.unfinishedKeyJob(), next, "the other one")
            }
        },
        onStore("a number moves whole: contacts, releases, and one place on the stop list") { store in
            let (from, to, other) = (
                ContractSample.bytes(32, 1), ContractSample.bytes(32, 2), ContractSample.bytes(32, 3)
            )
            try await store.transaction { transaction in
                try transaction.insertContacts([
                    ContractSample.contact(1, phone: 1), ContractSample.contact(2, phone: 1),
                    ContractSample.contact(3, phone: 3),
                ])
                try transaction.putSuppressions([
                    StoredSuppression(
                        number: from, indexVersion: 1, since: ContractSample.moment(1),
                        latest: ContractSample.moment(2)),
                    StoredSuppression(
                        number: to, indexVersion: 2, since: ContractSample.moment(5),
                        latest: ContractSample.moment(6)),
                ])
                try transaction.insertReleases([
                    ContractSample.release(1, phone: 1), ContractSample.release(2, phone: 3),
                ])
                try transaction.moveNumbers([
                    StoredNumberMove(from: from, to: to, version: 2),
                    StoredNumberMove(from: other, to: other, version: 9),
                ])
            }
            try await store.read { reader in
                try expectEqual(
                    Set(try reader.contacts(withNumbers: [to])),
                    [ContractSample.contactID(1), ContractSample.contactID(2)], "contacts")
                try expectEqual(try reader.contacts(withNumbers: [from]), [], "none is left")
                let moved = try reader.releases([ContractSample.releaseID(1), ContractSample.releaseID(2)])
                try expectEqual(
                    moved[ContractSample.releaseID(1)].map { [$0.number, [UInt8($0.numberVersion)]] },
                    [to, [2]], "the release")
                try expectEqual(moved[ContractSample.releaseID(2)]?.numberVersion, 1, "another's")
                try expectEqual(
                    try reader.suppressions([from, to]),
                    [
                        to: StoredSuppression(
                            number: to, indexVersion: 2, since: ContractSample.moment(1),
                            latest: ContractSample.moment(6))
                    ], "one place, from the first no on")
                let places = StoredKeyPlaces(sealed: 0..<1, disclosureKey: 0..<1, disclosures: 0..<1)
                let usage = try reader.keyUsage(places, of: [.numbers])
                try expectEqual(usage.contacts, [1: 1, 2: 2], "by version")
                try expectEqual(usage.suppressions, [2: 1], "places by version")
                try expectEqual(usage.releases, [1: 1, 2: 1], "releases by version")
                try expectEqual(usage.records, [:], "what was not asked for")
            }
            try await store.transaction { try $0.removeSuppression(to) }
            try expectEqual(try await store.read { try $0.suppressions([to]) }, [:], "taken away")
        },
        onStore("instances say what they have loaded, and are forgotten one by one or all") { store in
            let (one, two) = (
                StoredInstance(
                    name: ContractSample.reference("vault-1"), epoch: 4, seen: ContractSample.moment(1)),
                StoredInstance(
                    name: ContractSample.reference("vault-2"), epoch: 5, seen: ContractSample.moment(2))
            )
            let again = StoredInstance(name: one.name, epoch: 6, seen: ContractSample.moment(3))
            try await store.transaction {
                for instance in [two, one, again] { try $0.putInstance(instance) }
            }
            try expectEqual(try await store.read { try $0.instances() }, [again, two], "by name")
            try await store.transaction { try $0.removeInstance(one.name) }
            try expectEqual(try await store.read { try $0.instances() }, [two], "one forgotten")
            try await store.transaction { try $0.removeInstance(nil) }
            try expectEqual(try await store.read { try $0.instances() }, [], "all forgotten")
        },
        onStore("approvals that were used up come by their operation, newest first") { store in
            let first = ContractSample.approval(
                1, requested: ContractSample.moment(-5), approver: "ap-2", used: ContractSample.time)
            let second = ContractSample.approval(2, approver: "ap-2", used: ContractSample.time)
            let others = [
                ContractSample.approval(3, approver: "ap-2"),
                ContractSample.approval(4, operation: 2, approver: "ap-2", used: ContractSample.time),
            ]
            try await store.transaction { try $0.putApprovals([first, second] + others) }
            try expectEqual(
                try await store.read { try $0.usedApprovals(of: first.operation) }, [second, first],
                "of this operation")
        },
    ]
}

extension ContractSample {
    static func job(
        _ number: UInt8, _ kind: StoredKeyJob.Kind, created: Timestamp = time
    ) -> StoredKeyJob {
        StoredKeyJob(
            id: bytes(16, number), kind: kind, version: 2, isDryRun: number == 2,
            rate: number == 2 ? 50 : nil, requester: reference("security-1"), created: created, total: 40)
    }
}

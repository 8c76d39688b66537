// Atomicity, durability, order and isolation.

import ContactModel
import ContactVault
import Dispatch

extension StoreContract {
    private struct Undone: Error {}

    static let transactionCases: [StoreContractCase] = [
        onStore("an empty store answers every question with nothing") { store in
            try await store.read { reader in
                try expect(try reader.identity() == nil, "no identity")
                try expect(try reader.policy() == nil, "no policy")
                try expectEqual(try reader.logHead(), .empty, "an empty log")
                try expect(try reader.logLeaves(0..<10).isEmpty, "no leaves")
                try expect(try reader.disclosures(0..<10).isEmpty, "no disclosures")
                try expect(try reader.tiles(level: 0, 0..<10).isEmpty, "no tiles")
                try expect(try reader.latestCheckpoint() == nil, "no checkpoint")
                try expect(try reader.checkpoints(0...10).isEmpty, "no checkpoints")
                try expect(try reader.contacts([ContractSample.contactID(1)]).isEmpty, "no contacts")
                try expect(try reader.consents(of: [ContractSample.contactID(1)]).isEmpty, "no consents")
                try expectEqual(try reader.contactCount(), 0, "no contacts")
                try expect(try reader.sequences([ContractSample.contactID(1)]).isEmpty, "no sequences")
                try expect(try reader.clients().isEmpty, "no clients")
                try expect(
                    try reader.clientRevisions([ContractSample.reference("a")]).isEmpty, "no revisions")
                try expect(try reader.tokenUses([ContractSample.useKey(1)]).isEmpty, "no uses")
                try expect(try reader.deliveries([ContractSample.deliveryKey(1)]).isEmpty, "no deliveries")
                try expect(try reader.contacts([]).isEmpty && reader.tokenUses([]).isEmpty, "nothing asked")
            }
        },
        onStore("a transaction returns what its body returns, and shows it its own writes") { store in
            let count = try await store.transaction { transaction in
                try transaction.insertContacts([ContractSample.contact(1), ContractSample.contact(2)])
                return try transaction.contactCount()
            }
            try expectEqual(count, 2, "contacts inside")
            try expectEqual(try await store.read { try $0.contactCount() }, 2, "contacts after")
        },
        onStore("a transaction that throws leaves nothing behind, in any table") { store in
            do {
                try await store.transaction { transaction in
                    try transaction.putIdentity(ContractSample.identity)
                    try transaction.putPolicy(
                        StoredPolicy(version: "p1", text: "policy: 1", applied: transaction.now))
                    try transaction.append(ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0)]))
                    try transaction.putCheckpoint(
                        StoredCheckpoint(
                            size: 1, root: ContractSample.bytes(32, 1), note: "note", signed: transaction.now)
                    )
                    try transaction.insertContacts([ContractSample.contact(1)])
                    try transaction.putConsents([ContractSample.consent(1, "relay.message")])
                    try transaction.putSequences([
                        ContractSample.contactID(1): EntrySequence(count: 1, latest: 0)
                    ])
                    try transaction.putClient(
                        StoredClient(id: ContractSample.reference("a"), revision: 1, registration: [1]))
                    _ = try transaction.insertProofs([
                        ProofUse(digest: ContractSample.bytes(32, 1), expires: ContractSample.time)
                    ])
                    try transaction.putTokenUses([ContractSample.useKey(1): 1])
                    throw Undone()
                }
                throw ContractViolation(description: "the body's error did not come out")
            } catch is Undone {}
            try await store.read { reader in
                try expect(
                    try reader.identity() == nil && reader.policy() == nil, "identity and policy undone")
                try expectEqual(try reader.logHead(), .empty, "log head undone")
                try expect(try reader.logLeaves(0..<1).isEmpty, "leaves undone")
                try expect(try reader.latestCheckpoint() == nil, "checkpoint undone")
                try expectEqual(try reader.contactCount(), 0, "contacts undone")
                try expect(try reader.consents(of: [ContractSample.contactID(1)]).isEmpty, "consents undone")
                try expect(try reader.sequences([ContractSample.contactID(1)]).isEmpty, "sequences undone")
                try expect(try reader.clients().isEmpty, "clients undone")
                try expect(try reader.tokenUses([ContractSample.useKey(1)]).isEmpty, "uses undone")
            }
            let isNew = try await store.transaction { transaction in
                try transaction.insertProofs([
                    ProofUse(digest: ContractSample.bytes(32, 1), expires: ContractSample.time)
                ])
            }
            try expectEqual(isNew, [true], "proofs undone")
        },
        onStore("a store goes on after a transaction that failed in the middle of a list") { store in
            try await store.transaction { try $0.insertContacts([ContractSample.contact(2)]) }
            try await expectError(.conflict, "a contact twice") {
                try await store.transaction { transaction in
                    try transaction.insertContacts([ContractSample.contact(1), ContractSample.contact(2)])
                }
            }
            try expectEqual(
                try await store.read { try $0.contactCount() }, 1, "the first of the list is not there")
            try await store.transaction { try $0.insertContacts([ContractSample.contact(1)]) }
            try expectEqual(try await store.read { try $0.contactCount() }, 2, "and can be stored")
        },
        StoreContractCase(
            "what was committed is there after closing and opening, with the clock of the opening"
        ) {
            subject in
            let clock = FixedClock()
            let first = try await subject.open(clock.reading)
            try await first.transaction { transaction in
                try transaction.putIdentity(ContractSample.identity)
                try transaction.putPolicy(StoredPolicy(version: "p1", text: "a", applied: transaction.now))
                try transaction.putPolicy(StoredPolicy(version: "p2", text: "b", applied: transaction.now))
                try transaction.append(
                    ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0), ContractSample.leaf(1)]))
                try transaction.insertContacts([ContractSample.contact(1)])
                try transaction.putTokenUses([ContractSample.useKey(1): 3])
            }
            try await first.close()

            clock.advance(seconds: 60)
            let second = try await subject.open(clock.reading)
            let now = try await second.transaction { $0.now }
            try expectEqual(now, clock.now, "the clock")
            try await second.read { reader in
                try expectEqual(try reader.identity(), ContractSample.identity, "identity")
                try expectEqual(try reader.policy()?.version, "p2", "the policy put last")
                try expectEqual(
                    try reader.logLeaves(0..<2), [ContractSample.leaf(0), ContractSample.leaf(1)], "leaves")
                try expectEqual(try reader.logHead().size, 2, "head")
                try expectEqual(
                    try reader.contacts([ContractSample.contactID(1)])[ContractSample.contactID(1)],
                    ContractSample.contact(1), "contact")
                try expectEqual(
                    try reader.tokenUses([ContractSample.useKey(1)]), [ContractSample.useKey(1): 3], "uses")
            }
            try await second.close()
        },
        onStore("an identity is put once") { store in
            try await store.transaction { try $0.putIdentity(ContractSample.identity) }
            try await expectError(.conflict, "a second identity") {
                try await store.transaction { try $0.putIdentity(ContractSample.identity) }
            }
        },
        onStore("the epoch of the keyring is 0 before the first, and the one put last afterwards") { store in
            try expectEqual(try await store.read { try $0.keyringEpoch() }, 0, "before the vault was made")
            try await store.transaction { try $0.putIdentity(ContractSample.identity) }
            try expectEqual(try await store.read { try $0.keyringEpoch() }, 0, "before the first")
            try await store.transaction { try $0.putKeyringEpoch(3) }
            try await store.transaction { try $0.putKeyringEpoch(4) }
            try expectEqual(try await store.read { try $0.keyringEpoch() }, 4, "the last")
            let identity = try await store.read { try $0.identity() }
            try expectEqual(identity, ContractSample.identity, "the identity")
        },
        onStore("a probe changes nothing") { store in
            try await store.transaction {
                try $0.append(ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0)]))
            }
            let head = try await store.read { try $0.logHead() }
            try await store.transaction { try $0.probe() }
            try expectEqual(try await store.read { try $0.logHead() }, head, "the head")
            try expectEqual(
                try await store.read { try $0.logLeaves(0..<9) }, [ContractSample.leaf(0)], "the leaves")
        },
        onStore("concurrent transactions are serialised: no increment is lost") { store in
            let key = ContractSample.useKey(1)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        try await store.transaction { transaction in
                            let uses = try transaction.tokenUses([key])[key, default: 0]
                            try transaction.putTokenUses([key: uses + 1])
                        }
                    }
                }
                try await group.waitForAll()
            }
            try expectEqual(try await store.read { try $0.tokenUses([key]) }, [key: 64], "uses")
        },
        onStore("a read sees one snapshot, whatever commits meanwhile") { store in
            let (begun, begin) = AsyncStream.makeStream(of: Void.self)
            let committed = DispatchSemaphore(value: 0)
            async let sizes = store.read { reader in
                let before = (try reader.logHead().size, try reader.contactCount())
                begin.finish()
                // A store may also let the writer wait for the reader: then nothing commits meanwhile.
                _ = committed.wait(timeout: .now() + .seconds(2))
                return [before, (try reader.logHead().size, try reader.contactCount())]
            }
            for await _ in begun {}
            async let write: Void = store.transaction { transaction in
                try transaction.append(ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0)]))
                try transaction.insertContacts([ContractSample.contact(1)])
            }
            try await write
            committed.signal()
            for seen in try await sizes {
                try expect(
                    seen == (0, 0), "the log and the contacts as they were at the beginning of the read")
            }
            try expectEqual(try await store.read { try $0.logHead().size }, 1, "the write, afterwards")
        },
        onStore("a read sees nothing of a transaction that is not committed") { store in
            let (begun, begin) = AsyncStream.makeStream(of: Void.self)
            let finish = DispatchSemaphore(value: 0)
            let write = Task {
                try await store.transaction { transaction in
                    try transaction.insertContacts([ContractSample.contact(1)])
                    begin.finish()
                    _ = finish.wait(timeout: .now() + .seconds(2))
                    throw Undone()
                }
            }
            for await _ in begun {}
            let count = try await store.read { try $0.contactCount() }
            finish.signal()
            _ = await write.result
            try expectEqual(count, 0, "contacts seen")
        },
        onStore("one transaction has one moment") { store in
            let moments = try await store.transaction { [$0.now, $0.now] }
            try expectEqual(moments, [FixedClock.beginning, FixedClock.beginning], "moments")
        },
    ]
}

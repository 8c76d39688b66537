// The access log's rows: contiguous, appended at the head alone, ranges cut where something is missing.

import ContactModel
import ContactVault

extension StoreContract {
    static let logCases: [StoreContractCase] = [
        onStore("leaves come back byte for byte, in order, cut to the range and to what there is") { store in
            let leaves = (0..<300).map { ContractSample.leaf($0) } + [[0], [0, 255, 0x27, 0x0A], []]
            try await store.transaction { transaction in
                try transaction.append(ContractSample.batch(first: 0, leaves: Array(leaves[..<100])))
                try transaction.append(ContractSample.batch(first: 100, leaves: Array(leaves[100...])))
            }
            try await store.read { reader in
                try expectEqual(try reader.logLeaves(0..<1000), leaves, "all")
                try expectEqual(try reader.logLeaves(90..<110), Array(leaves[90..<110]), "across two batches")
                try expect(try reader.logLeaves(5..<5).isEmpty, "an empty range")
                try expect(try reader.logLeaves(303..<400).isEmpty, "behind the end")
                try expectEqual(try reader.logHead().size, 303, "size")
            }
        },
        onStore("a batch that does not begin at the head is a conflict and appends nothing") { store in
            try await store.transaction {
                try $0.append(ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0)]))
            }
            for first: UInt64 in [0, 2, 1 << 40] {
                try await expectError(.conflict, "a batch at \(first)") {
                    try await store.transaction {
                        try $0.append(ContractSample.batch(first: first, leaves: [ContractSample.leaf(9)]))
                    }
                }
            }
            try await store.read { reader in
                try expectEqual(try reader.logHead().size, 1, "size")
                try expectEqual(try reader.logLeaves(0..<3), [ContractSample.leaf(0)], "leaves")
            }
        },
        onStore("of two writers that read the same head, the second is refused") { store in
            let head = try await store.read { try $0.logHead() }
            let stale = ContractSample.batch(first: head.size, leaves: [ContractSample.leaf(1)])
            try await store.transaction {
                try $0.append(ContractSample.batch(first: head.size, leaves: [ContractSample.leaf(0)]))
            }
            try await expectError(.conflict, "the stale head") {
                try await store.transaction { try $0.append(stale) }
            }
        },
        onStore("the head keeps size, frontier and time") { store in
            let head = LogHead(
                size: 3, frontier: ContractSample.bytes(64, 7),
                lastTime: ContractSample.time.adding(seconds: 5))
            try await store.transaction { transaction in
                try transaction.append(
                    LogBatch(
                        first: 0, leaves: (0..<3).map { ContractSample.leaf($0) }, disclosures: [], tiles: [],
                        head: head))
            }
            try expectEqual(try await store.read { try $0.logHead() }, head, "head")
        },
        onStore("disclosures come back by index, with and without a contact") { store in
            let disclosures: [(index: UInt64, value: StoredDisclosures)] = [
                (
                    1,
                    StoredDisclosures(contact: ContractSample.contactID(1), sealed: [1, 0, 255], previous: 0)
                ),
                (3, StoredDisclosures(contact: nil, sealed: [2])),
            ]
            try await store.transaction { transaction in
                try transaction.append(
                    LogBatch(
                        first: 0, leaves: (0..<4).map { ContractSample.leaf($0) }, disclosures: disclosures,
                        tiles: [],
                        head: LogHead(
                            size: 4, frontier: ContractSample.bytes(32, 4), lastTime: ContractSample.time)))
            }
            try await store.read { reader in
                try expectEqual(
                    try reader.disclosures(0..<4), [1: disclosures[0].value, 3: disclosures[1].value], "all")
                try expectEqual(try reader.disclosures(0..<3), [1: disclosures[0].value], "a part")
                try expect(try reader.disclosures(2..<3).isEmpty, "none")
            }
        },
        onStore("tiles come back by level and position, missing ones left out") { store in
            @Sendable func tile(_ level: UInt8, _ index: UInt64) -> StoredTile {
                StoredTile(
                    level: level, index: index, hashes: ContractSample.bytes(256 * 32, UInt8(index)),
                    root: ContractSample.bytes(32, level))
            }
            try await store.transaction { transaction in
                try transaction.append(
                    LogBatch(
                        first: 0, leaves: [ContractSample.leaf(0)], disclosures: [],
                        tiles: [tile(0, 0), tile(0, 1), tile(0, 3), tile(1, 0)],
                        head: LogHead(
                            size: 1, frontier: ContractSample.bytes(32, 4), lastTime: ContractSample.time)))
            }
            try await store.read { reader in
                try expectEqual(
                    try reader.tiles(level: 0, 0..<10), [tile(0, 0), tile(0, 1), tile(0, 3)], "level 0")
                try expectEqual(try reader.tiles(level: 0, 1..<3), [tile(0, 1)], "a range with a hole")
                try expectEqual(try reader.tiles(level: 1, 0..<10), [tile(1, 0)], "level 1")
                try expect(try reader.tiles(level: 2, 0..<10).isEmpty, "level 2")
            }
        },
        onStore("checkpoints come back by size, the newest by itself, and none twice") { store in
            @Sendable func checkpoint(_ size: UInt64) -> StoredCheckpoint {
                StoredCheckpoint(
                    size: size, root: ContractSample.bytes(32, UInt8(size)), note: "note \(size)\n— ü\n",
                    signed: ContractSample.time)
            }
            try await store.transaction { transaction in
                for size: UInt64 in [20, 3, 7] { try transaction.putCheckpoint(checkpoint(size)) }
            }
            try await store.read { reader in
                try expectEqual(try reader.latestCheckpoint(), checkpoint(20), "the newest")
                try expectEqual(
                    try reader.checkpoints(3...7), [checkpoint(3), checkpoint(7)], "ends included")
                try expectEqual(try reader.checkpoints(4...19), [checkpoint(7)], "inside")
                try expect(try reader.checkpoints(8...19).isEmpty, "between")
            }
            let cosigned = StoredCheckpoint(
                size: 7, root: checkpoint(7).root, note: "note 7\n— ü\n— w\n", signed: ContractSample.time,
                isWitnessed: true)
            try expect(try await store.read { try $0.latestWitnessedCheckpoint() } == nil, "no witness")
            try await store.transaction { try $0.putCheckpoint(cosigned) }
            try await store.read { reader in
                try expectEqual(try reader.checkpoints(7...7), [cosigned], "cosigned")
                try expectEqual(try reader.latestWitnessedCheckpoint(), cosigned, "the witnessed one")
                try expectEqual(try reader.latestCheckpoint(), checkpoint(20), "the newest as before")
            }
            let fork = StoredCheckpoint(
                size: 7, root: ContractSample.bytes(32, 0xEE), note: "note 7\n— ü\n",
                signed: ContractSample.time)
            try await expectError(.conflict, "another root of one size") {
                try await store.transaction { try $0.putCheckpoint(fork) }
            }
        },
        onStore(
            "retention removes leaves from the beginning, by whole tiles, and keeps tiles and the last checkpoint"
        ) {
            store in
            let leaves = (0..<600).map { ContractSample.leaf($0) }
            let tile = StoredTile(
                level: 0, index: 0, hashes: ContractSample.bytes(256 * 32, 1),
                root: ContractSample.bytes(32, 2))
            try await store.transaction { transaction in
                try transaction.append(
                    LogBatch(
                        first: 0, leaves: leaves,
                        disclosures: [3, 300].map { ($0, StoredDisclosures(contact: nil, sealed: [1])) },
                        tiles: [tile],
                        head: LogHead(
                            size: 600, frontier: ContractSample.bytes(128, 4), lastTime: ContractSample.time))
                )
                for size: UInt64 in [100, 200, 300, 600] {
                    try transaction.putCheckpoint(
                        StoredCheckpoint(
                            size: size, root: ContractSample.bytes(32, 9), note: "n",
                            signed: ContractSample.time))
                }
            }
            try expectEqual(try await store.read { try $0.firstLeaf() }, 0, "nothing is removed")
            for index: UInt64 in [0, 100, 768] {
                try await expectError(.conflict, "removing before \(index)") {
                    try await store.transaction { try $0.removeLeaves(before: index) }
                }
            }
            try await store.transaction { try $0.removeLeaves(before: 256) }
            try await store.read { reader in
                try expectEqual(try reader.firstLeaf(), 256, "first leaf")
                try expect(try reader.logLeaves(0..<256).isEmpty, "removed")
                try expectEqual(try reader.logLeaves(256..<600), Array(leaves[256...]), "kept")
                try expectEqual(Array(try reader.disclosures(0..<600).keys), [300], "disclosures")
                try expectEqual(try reader.tiles(level: 0, 0..<1), [tile], "tiles")
                try expectEqual(try reader.checkpoints(0...600).map(\.size), [200, 300, 600], "checkpoints")
            }
            try await expectError(.conflict, "removing twice") {
                try await store.transaction { try $0.removeLeaves(before: 256) }
            }
        },
    ]
}

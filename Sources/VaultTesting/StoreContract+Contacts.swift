// Contacts, consents and sequence numbers.

import ContactModel
import ContactVault

extension StoreContract {
    static let contactCases: [StoreContractCase] = [
        onStore("a contact comes back as it was stored, in every state") { store in
            let contacts = [
                ContractSample.contact(1),
                ContractSample.contact(2, generation: 9_007_199_254_740_992, sealed: [0, 255, 0]),
                ContractSample.contact(
                    3, stopped: ContractSample.time.adding(seconds: 1), state: .restricted),
                ContractSample.contact(4, state: .suspended), ContractSample.contact(5, state: .erased),
            ]
            try await store.transaction { try $0.insertContacts(contacts) }
            try await store.read { reader in
                let asked = contacts.map(\.id) + [contacts[0].id, ContractSample.contactID(99)]
                try expectEqual(
                    try reader.contacts(asked),
                    Dictionary(uniqueKeysWithValues: contacts.map { ($0.id, $0) }),
                    "asked twice and unknown ones too")
                try expectEqual(try reader.contactCount(), 5, "count")
            }
        },
        onStore("a contact that exists is not inserted again") { store in
            try await store.transaction { try $0.insertContacts([ContractSample.contact(1)]) }
            try await expectError(.conflict, "the same id") {
                try await store.transaction {
                    try $0.insertContacts([ContractSample.contact(1, sealed: [9])])
                }
            }
            let stored = try await store.read { try $0.contacts([ContractSample.contactID(1)]) }
            try expectEqual(stored.values.first?.sealed, [1, 2, 3], "the first")
        },
        onStore("a contact is replaced at the expected generation and at no other") { store in
            let old = ContractSample.contact(1)
            let new = ContractSample.contact(
                1, generation: 2, sealed: [7], updated: ContractSample.time.adding(seconds: 9))
            try await store.transaction { try $0.insertContacts([old, ContractSample.contact(2)]) }
            for (generation, contact): (UInt64, StoredContact) in [
                (0, new), (2, new), (1 << 40, new), (1, ContractSample.contact(9, generation: 2)),
            ] {
                let isReplaced = try await store.transaction {
                    try $0.replaceContact(contact, expecting: generation)
                }
                try expect(!isReplaced, "generation \(generation) of \(contact.id)")
            }
            try expectEqual(try await store.read { try $0.contacts([old.id]) }, [old.id: old], "unchanged")
            try expect(
                try await store.transaction { try $0.replaceContact(new, expecting: 1) },
                "at the generation it has")
            try expectEqual(try await store.read { try $0.contacts([old.id]) }, [old.id: new], "changed")
            try expect(
                try await store.transaction { try !$0.replaceContact(new, expecting: 1) }, "a second time")
            let other = ContractSample.contact(2)
            try expectEqual(
                try await store.read { try $0.contacts([other.id]) }, [other.id: other], "the neighbour")
        },
        onStore("of concurrent replacements at one generation exactly one wins") { store in
            try await store.transaction { try $0.insertContacts([ContractSample.contact(1)]) }
            let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        try await store.transaction { transaction in
                            try transaction.replaceContact(
                                ContractSample.contact(1, generation: 2, sealed: [UInt8(number)]),
                                expecting: 1)
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            try expectEqual(wins, 1, "winners")
        },
        onStore("stop flag and state are set, on a contact that exists, and nothing else changes") { store in
            let contact = ContractSample.contact(1)
            let stopped = ContractSample.time.adding(seconds: 3)
            try await store.transaction { transaction in
                try transaction.insertContacts([contact, ContractSample.contact(2)])
                try transaction.putStanding(contact.id, state: .suspended, stopped: stopped)
            }
            try await store.read { reader in
                try expectEqual(
                    try reader.contacts([contact.id])[contact.id],
                    ContractSample.contact(1, stopped: stopped, state: .suspended), "the contact")
                try expectEqual(
                    try reader.contacts([ContractSample.contactID(2)]).values.first,
                    ContractSample.contact(2),
                    "the neighbour")
            }
            try await expectError(.conflict, "an unknown contact") {
                try await store.transaction {
                    try $0.putStanding(ContractSample.contactID(9), state: .active, stopped: nil)
                }
            }
        },
        onStore(
            "consents come back by contact and purpose, and a later one of a purpose replaces the earlier"
        ) { store in
            let first = ContractSample.consent(1, "relay.message")
            let withdrawn = ContractSample.consent(
                1, "contact.verify", withdrawn: ContractSample.time.adding(seconds: 2),
                expires: ContractSample.time.adding(seconds: 99))
            let other = ContractSample.consent(2, "relay.message")
            try await store.transaction { try $0.putConsents([first, withdrawn, other]) }
            let all = [1, 2, 3].map { ContractSample.contactID($0) }
            try expectEqual(
                try await store.read { try $0.consents(of: all) },
                [all[0]: [withdrawn, first], all[1]: [other]], "by purpose, without empty lists")
            let renewed = ContractSample.consent(1, "relay.message", notice: "n2")
            try await store.transaction { try $0.putConsents([renewed]) }
            try expectEqual(
                try await store.read { try $0.consents(of: [all[0]]) }, [all[0]: [withdrawn, renewed]],
                "renewed")
        },
        onStore("sequence numbers are set and read by contact") { store in
            let ids = [1, 2, 3].map { ContractSample.contactID($0) }
            let (first, second, third) = (
                EntrySequence(count: 1, latest: 0), EntrySequence(count: 2, latest: 9),
                EntrySequence(count: 5, latest: 7)
            )
            try await store.transaction { try $0.putSequences([ids[0]: first, ids[1]: third]) }
            try await store.transaction { try $0.putSequences([ids[0]: second]) }
            try expectEqual(
                try await store.read { try $0.sequences(ids + ids) }, [ids[0]: second, ids[1]: third],
                "sequences"
            )
        },
        onStore("an erased contact takes the disclosures about it along, and nobody else's") { store in
            let (erased, other) = (ContractSample.contactID(1), ContractSample.contactID(2))
            let disclosures: [(index: UInt64, value: StoredDisclosures)] = [
                (0, StoredDisclosures(contact: erased, sealed: [1])),
                (1, StoredDisclosures(contact: other, sealed: [2])),
                (2, StoredDisclosures(contact: erased, sealed: [3], previous: 0)),
                (3, StoredDisclosures(contact: nil, sealed: [4])),
                (5, StoredDisclosures(contact: erased, sealed: [5], previous: 2)),
            ]
            try await store.transaction { transaction in
                try transaction.insertContacts([ContractSample.contact(1), ContractSample.contact(2)])
                try transaction.append(
                    LogBatch(
                        first: 0, leaves: (0..<6).map { ContractSample.leaf($0) }, disclosures: disclosures,
                        tiles: [],
                        head: LogHead(
                            size: 6, frontier: ContractSample.bytes(64, 4), lastTime: ContractSample.time)))
                try transaction.putSequences([
                    erased: EntrySequence(count: 3, latest: 5), other: EntrySequence(count: 1, latest: 1),
                ])
            }
            try await store.transaction { try $0.eraseContact(erased) }
            try await store.expunge()
            try await store.read { reader in
                try expectEqual(
                    try reader.disclosures(0..<6), [1: disclosures[1].value, 3: disclosures[3].value],
                    "what is left")
                try expectEqual(
                    try reader.sequences([erased, other]), [other: EntrySequence(count: 1, latest: 1)],
                    "sequences left")
                try expectEqual(try reader.logLeaves(0..<6).count, 6, "leaves")
            }
        },
        onStore(
            "keys are replaced only if the record is the expected one; versions are counted where they stand"
        ) { store in
            let first = ContractSample.contact(1, sealed: [9, 9, 0, 1])
            try await store.transaction {
                try $0.insertContacts([
                    first, ContractSample.contact(2, sealed: [9, 9, 0, 2]), ContractSample.contact(3),
                ])
            }
            let places = StoredKeyPlaces(sealed: 2..<4, disclosureKey: 66..<68, disclosures: 0..<4)
            let usage = try await store.read {
                try $0.keyUsage(places, of: Set(StoredKeyUsage.Subject.allCases))
            }
            try expectEqual(usage.records[[0, 1]], 1, "in the record")
            try expectEqual(usage.disclosureKeys[[3, 3]], 1, "in the disclosure key")
            try expectEqual(usage.records[[7, 7]], nil, "nowhere")
            try expectEqual(usage.contacts, [1: 3], "by the index key")
            let rows = try await store.read { try $0.recordKeys(after: [], limit: 9).rows }
            var rewrapped = rows[0]
            rewrapped.sealed = [9, 9, 0, 5]
            var stale = rows[0]
            stale.sealed = [1]
            var other = rows[0]
            other.disclosureKey = [1]
            let changes = [(stale, rewrapped), (other, rewrapped), (rows[0], rewrapped)].map {
                (before: $0.0, after: $0.1)
            }
            try expectEqual(
                try await store.transaction { try $0.replaceKeys(changes) }, [false, false, true],
                "only what is expected")
            let ids = [1, 2, 3].map { ContractSample.contactID($0) }
            try await store.transaction { try $0.eraseContact(ids[1]) }
            try await store.read { reader in
                try expectEqual(try reader.contacts([ids[0]])[ids[0]]?.sealed, [9, 9, 0, 5], "replaced")
                try expectEqual(
                    try reader.recordKeys(after: [], limit: 9).rows.map(\.contact), [ids[0], ids[2]],
                    "all but the erased")
                let first = try reader.recordKeys(after: [], limit: 1)
                try expectEqual(first.rows.map(\.contact), [ids[0]], "one")
                try expectEqual(
                    try reader.recordKeys(after: first.cursor, limit: 1).rows.map(\.contact), [ids[2]],
                    "after one")
            }
        },
        onStore("legal holds are set once, read, and taken away") { store in
            let ids = [1, 2].map { ContractSample.contactID($0) }
            let hold = StoredLegalHold(
                contact: ids[0], reference: ContractSample.reference("matter-1"), since: ContractSample.time)
            let again = StoredLegalHold(
                contact: ids[0], reference: ContractSample.reference("matter-2"),
                since: ContractSample.time.adding(seconds: 5))
            try await store.transaction { transaction in
                try transaction.putLegalHold(hold)
                try transaction.putLegalHold(again)
            }
            try expectEqual(
                try await store.read { try $0.legalHolds(of: ids) }, [ids[0]: hold], "the first stands")
            try await store.transaction { try $0.removeLegalHold(of: ids[0]) }
            try expect(try await store.read { try $0.legalHolds(of: ids) }.isEmpty, "lifted")
        },
        onStore("contacts past their day of retention come back by that day, erased ones not") { store in
            try await store.transaction { transaction in
                try transaction.insertContacts([
                    ContractSample.contact(1, retainUntil: "2027-03-01"),
                    ContractSample.contact(2, retainUntil: "2026-03-01"),
                    ContractSample.contact(3, retainUntil: "2026-02-28"), ContractSample.contact(4),
                ])
            }
            func past(_ day: String, _ limit: Int = 10) async throws -> [ContactID] {
                try await store.read { try $0.contactsPastRetention(day, limit: limit).map(\.id) }
            }
            let ids = [1, 2, 3].map { ContractSample.contactID($0) }
            try expectEqual(try await past("2026-03-01"), [ids[2]], "the day itself is kept")
            try expectEqual(try await past("2026-03-02"), [ids[2], ids[1]], "by day")
            try expectEqual(try await past("9999-01-01", 2), [ids[2], ids[1]], "limited")
            try await store.transaction { try $0.eraseContact(ids[2]) }
            try expectEqual(try await past("9999-01-01"), [ids[1], ids[0]], "erased")
        },
    ]
}

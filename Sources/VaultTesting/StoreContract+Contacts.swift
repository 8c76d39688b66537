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
            try await store.transaction { try $0.putSequences([ids[0]: 1, ids[1]: 5]) }
            try await store.transaction { try $0.putSequences([ids[0]: 2]) }
            try expectEqual(
                try await store.read { try $0.sequences(ids + ids) }, [ids[0]: 2, ids[1]: 5], "sequences")
        },
    ]
}

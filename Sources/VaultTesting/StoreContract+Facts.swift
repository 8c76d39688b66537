// What contacts and borrowers said beside the record: whom a consent names, authorisations, offers and requests, the
// stop list. And the calendars of a policy.

import ContactModel
import ContactVault

extension StoreContract {
    static let factCases: [StoreContractCase] = [
        onStore("a consent names no agency, some, or every one, and a renewed one names others") { store in
            let agencies = ["ag_1", "ag_2", "ag-3"].map { ContractSample.reference($0) }
            let consents = [
                ContractSample.consent(1, "relay.message", recipients: Set(agencies)),
                ContractSample.consent(2, "relay.message", recipients: [agencies[0]]),
                ContractSample.consent(3, "relay.message", recipients: []),
                ContractSample.consent(4, "relay.message", recipients: nil),
            ]
            try await store.transaction { try $0.putConsents(consents) }
            let ids = consents.map(\.contact)
            try expectEqual(
                try await store.read { try $0.consents(of: ids) },
                Dictionary(uniqueKeysWithValues: consents.map { ($0.contact, [$0]) }), "as they were stored")
            let renewed = [
                ContractSample.consent(1, "relay.message", recipients: nil),
                ContractSample.consent(4, "relay.message", recipients: []),
            ]
            try await store.transaction { try $0.putConsents(renewed) }
            try expectEqual(
                try await store.read { try $0.consents(of: [ids[0], ids[3]]) },
                [ids[0]: [renewed[0]], ids[3]: [renewed[1]]], "renewed")
        },
        onStore("a policy comes back with its calendars, and a later one with its own alone") { store in
            let first = StoredPolicy(
                version: "p1", text: "policy: 1\n", calendars: ["cn-2026": "a: 1\n", "節日": "", "x": "ü'\""],
                applied: ContractSample.time)
            try await store.transaction { try $0.putPolicy(first) }
            let firstRead: StoredPolicy? = try await store.read { try $0.policy() }
            try expectEqual(firstRead, first, "the first")
            let second = StoredPolicy(
                version: "p2", text: "policy: 2\n", calendars: ["cn-2026": "b: 2\n"],
                applied: ContractSample.moment(5))
            try await store.transaction { try $0.putPolicy(second) }
            let secondRead: StoredPolicy? = try await store.read { try $0.policy() }
            try expectEqual(secondRead, second, "the second")
            let third = StoredPolicy(version: "p1", text: "policy: 1\n", applied: ContractSample.moment(6))
            try await store.transaction { try $0.putPolicy(third) }
            let thirdRead: StoredPolicy? = try await store.read { try $0.policy() }
            try expectEqual(thirdRead, third, "one without calendars")
        },
        onStore("an authorisation comes back by contact, and a later one replaces the earlier") { store in
            let first = ContractSample.authorisation(1)
            let other = ContractSample.authorisation(
                2, expires: ContractSample.moment(9), withdrawn: ContractSample.moment(8))
            let ids = [1, 2, 3].map { ContractSample.contactID($0) }
            try await store.transaction { transaction in
                try transaction.putAuthorisation(first)
                try transaction.putAuthorisation(other)
            }
            try expectEqual(
                try await store.read { try $0.authorisations(of: ids + ids) },
                [ids[0]: first, ids[1]: other], "both, asked twice, without the unknown one")
            let later = ContractSample.authorisation(1, evidence: 7, withdrawn: ContractSample.moment(4))
            try await store.transaction { try $0.putAuthorisation(later) }
            try expectEqual(
                try await store.read { try $0.authorisations(of: ids) }, [ids[0]: later, ids[1]: other],
                "replaced")
        },
        onStore("an offer, request or complaint is known by contact and name, and keeps its kind and its age")
        {
            store in
            let keys = [
                ContractSample.referenceKey(1, "rq_1"), ContractSample.referenceKey(1, "rq_2"),
                ContractSample.referenceKey(2, "rq_1"), ContractSample.referenceKey(1, "RQ_1"),
            ]
            let offer = StoredContactReference(kind: .offer, recorded: ContractSample.time)
            let request = StoredContactReference(kind: .request, recorded: ContractSample.moment(1))
            let complaint = StoredContactReference(kind: .complaint, recorded: ContractSample.moment(-1))
            try await store.transaction {
                try $0.insertContactReferences([keys[0]: offer, keys[2]: request])
            }
            try expectEqual(
                try await store.read { try $0.contactReferences(keys + keys) },
                [keys[0]: offer, keys[2]: request], "asked twice, without the unknown ones")
            // A name that is used again must not make an old offer young, nor a complaint of it.
            try await store.transaction {
                try $0.insertContactReferences([keys[0]: request, keys[1]: complaint])
            }
            try await store.transaction { try $0.insertContactReferences([keys[0]: complaint]) }
            try expectEqual(
                try await store.read { try $0.contactReferences(keys) },
                [keys[0]: offer, keys[1]: complaint, keys[2]: request], "the first stays")
        },
        onStore("a place on the stop list comes back by number, exactly as it was set last") { store in
            let numbers = [1, 2, 3].map { ContractSample.bytes(32, $0) }
            let first = StoredSuppression(
                number: numbers[0], indexVersion: 1, since: ContractSample.time, latest: ContractSample.time)
            let other = StoredSuppression(
                number: numbers[1], indexVersion: .max, since: ContractSample.moment(-9),
                latest: ContractSample.moment(7))
            try await store.transaction { try $0.putSuppressions([first, other]) }
            try expectEqual(
                try await store.read { try $0.suppressions(numbers + numbers) },
                [numbers[0]: first, numbers[1]: other], "asked twice, without the unknown one")
            let again = StoredSuppression(
                number: numbers[0], indexVersion: 1, since: first.since, latest: ContractSample.moment(5))
            try await store.transaction { try $0.putSuppressions([again]) }
            try expectEqual(
                try await store.read { try $0.suppressions(numbers) },
                [numbers[0]: again, numbers[1]: other], "another no")
            // Which no was the first is the vault's to say: the store sets what it is given.
            let younger = StoredSuppression(
                number: numbers[0], indexVersion: 2, since: ContractSample.moment(6),
                latest: ContractSample.moment(6))
            try await store.transaction { try $0.putSuppressions([again, younger]) }
            try expectEqual(
                try await store.read { try $0.suppressions([numbers[0]]) }, [numbers[0]: younger], "set anew")
        },
        onStore("a place on the stop list needs no contact and outlives a change of its number") { store in
            let number = ContractSample.bytes(32, 1)
            let suppression = StoredSuppression(
                number: number, indexVersion: 1, since: ContractSample.time, latest: ContractSample.time)
            try await store.transaction { transaction in
                try transaction.insertContacts([ContractSample.contact(1)])
                try transaction.putSuppressions([suppression])
            }
            let isReplaced = try await store.transaction {
                try $0.replaceContact(
                    ContractSample.contact(1, generation: 2, phone: 9, state: .erased), expecting: 1)
            }
            try expect(isReplaced, "the contact is erased")
            try expectEqual(
                try await store.read { try $0.suppressions([number]) }, [number: suppression], "the number")
        },
        onStore("contacts are found by the blind index of their number, each once, whatever their state") {
            store in
            let contacts = [
                ContractSample.contact(1, phone: 10), ContractSample.contact(2, phone: 11),
                ContractSample.contact(3, phone: 10, state: .suspended),
                ContractSample.contact(4, phone: 12),
            ]
            try await store.transaction { try $0.insertContacts(contacts) }
            let numbers = [10, 11, 12, 13].map { ContractSample.bytes(32, $0) }
            let questions: [(asked: [[UInt8]], found: [UInt8])] = [
                ([numbers[0]], [1, 3]), ([numbers[0], numbers[1], numbers[0]], [1, 2, 3]),
                ([numbers[3]], []), ([], []),
            ]
            try await store.read { reader in
                for (asked, expected) in questions {
                    let found = try reader.contacts(withNumbers: asked)
                    try expectEqual(found.count, expected.count, "each once")
                    try expectEqual(
                        Set(found), Set(expected.map { ContractSample.contactID($0) }), "by number")
                }
            }
            let isReplaced = try await store.transaction {
                try $0.replaceContact(ContractSample.contact(1, generation: 2, phone: 13), expecting: 1)
            }
            try expect(isReplaced, "another number")
            try await store.read { reader in
                try expectEqual(
                    try reader.contacts(withNumbers: [numbers[0]]), [ContractSample.contactID(3)],
                    "no longer by the old number")
                try expectEqual(
                    try reader.contacts(withNumbers: [numbers[3]]), [ContractSample.contactID(1)],
                    "by the new number")
            }
        },
    ]
}

extension ContractSample {
    /// The sample's moment and some milliseconds more.
    static func moment(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: time.milliseconds + milliseconds)
    }

    static func referenceKey(_ contact: UInt8, _ name: String) -> ContactReferenceKey {
        ContactReferenceKey(contact: contactID(contact), reference: reference(name))
    }

    static func authorisation(
        _ number: UInt8, evidence: UInt8 = 1, expires: Timestamp? = nil, withdrawn: Timestamp? = nil
    ) -> StoredAuthorisation {
        StoredAuthorisation(
            contact: contactID(number), evidence: bytes(32, evidence), given: time, expires: expires,
            withdrawn: withdrawn)
    }
}

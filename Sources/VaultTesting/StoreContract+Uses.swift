// Clients, and what must not happen twice: proofs, uses, deliveries, idempotent requests.

import ContactModel
import ContactVault

extension StoreContract {
    static let registrationCases: [StoreContractCase] = [
        onStore("clients are registered, replaced, and known by their revision") { store in
            @Sendable func client(_ name: String, _ revision: UInt64) -> StoredClient {
                StoredClient(
                    id: ContractSample.reference(name), revision: revision,
                    registration: [1, UInt8(revision)])
            }
            try await store.transaction { transaction in
                try transaction.putClient(client("dialer-2", 1))
                try transaction.putClient(client("dialer-1", 1))
            }
            try await store.transaction { try $0.putClient(client("dialer-1", 2)) }
            try await store.read { reader in
                try expectEqual(
                    try reader.clients().sorted { $0.id.text < $1.id.text },
                    [client("dialer-1", 2), client("dialer-2", 1)], "clients")
                let names = ["dialer-1", "dialer-2", "dialer-3", "dialer-1"].map {
                    ContractSample.reference($0)
                }
                try expectEqual(
                    try reader.clientRevisions(names), [names[0]: 2, names[1]: 1], "revisions")
            }
        }
    ]

    static let useCases: [StoreContractCase] = [
        onStore("a proof is new once: in one call, across calls, and beside others") { store in
            let later = ContractSample.time.adding(seconds: 300)
            @Sendable func proof(_ number: UInt8) -> ProofUse {
                ProofUse(digest: ContractSample.bytes(32, number), expires: later)
            }
            try expectEqual(
                try await store.transaction { try $0.insertProofs([proof(1), proof(2), proof(1)]) },
                [true, true, false], "in one call")
            try expectEqual(
                try await store.transaction { try $0.insertProofs([proof(2), proof(3)]) }, [false, true],
                "across transactions")
            try expectEqual(try await store.transaction { try $0.insertProofs([]) }, [], "none")
        },
        onStore("revocations are found by kind and subject, set again, and purged when they have expired") {
            store in
            @Sendable func key(_ kind: RevocationKey.Kind, _ number: UInt8) -> RevocationKey {
                RevocationKey(kind: kind, subject: ContractSample.bytes(32, number))
            }
            @Sendable func revocation(_ seconds: Int64) -> StoredRevocation {
                StoredRevocation(
                    revoked: ContractSample.time, expires: ContractSample.time.adding(seconds: seconds))
            }
            let keys = RevocationKey.Kind.allCases.map { key($0, 1) }
            let before = try await store.read { try $0.revocations(keys) }
            try expectEqual(before, [:], "none")
            try await store.transaction {
                try $0.putRevocations([key(.client, 1): revocation(10), key(.key, 1): revocation(20)])
            }
            let found = try await store.read { try $0.revocations(keys + [key(.client, 2)]) }
            try expectEqual(found, [key(.client, 1): revocation(10), key(.key, 1): revocation(20)], "two")
            try await store.transaction { try $0.putRevocations([key(.client, 1): revocation(30)]) }
            try await store.transaction {
                try $0.purgeExpired(before: ContractSample.time.adding(seconds: 25))
            }
            let left = try await store.read { try $0.revocations(keys) }
            try expectEqual(left, [key(.client, 1): revocation(30)], "what has not expired")
        },
        onStore("of concurrent uses of one proof exactly one is new") { store in
            let proof = ProofUse(digest: ContractSample.bytes(32, 1), expires: ContractSample.time)
            let news = try await withThrowingTaskGroup(of: [Bool].self) { group in
                for _ in 0..<32 {
                    group.addTask { try await store.transaction { try $0.insertProofs([proof]) } }
                }
                return try await group.reduce(0) { $0 + ($1 == [true] ? 1 : 0) }
            }
            try expectEqual(news, 1, "new")
        },
        onStore("uses are counted by token and contact") { store in
            let keys = [
                ContractSample.useKey(1, contact: 1), ContractSample.useKey(1, contact: 2),
                ContractSample.useKey(2, contact: 1),
            ]
            try await store.transaction { try $0.putTokenUses([keys[0]: 1, keys[1]: 7]) }
            try await store.transaction { try $0.putTokenUses([keys[0]: 2]) }
            try expectEqual(
                try await store.read { try $0.tokenUses(keys + keys) }, [keys[0]: 2, keys[1]: 7], "uses")
        },
        onStore("deliveries are known by token, request and contact") { store in
            let key = ContractSample.deliveryKey(1)
            let delivery = Delivery(
                release: ContractSample.some(ReleaseID(bytes: ContractSample.bytes(16, 9))),
                time: ContractSample.time.adding(seconds: 1), use: 3)
            try await store.transaction { try $0.putDeliveries([key: delivery]) }
            let others = [
                ContractSample.deliveryKey(2), ContractSample.deliveryKey(1, request: "rq_2"),
                DeliveryKey(
                    token: key.token, request: key.request, contact: ContractSample.contactID(2),
                    expires: key.expires),
            ]
            try expectEqual(
                try await store.read { try $0.deliveries([key, key] + others) }, [key: delivery], "deliveries"
            )
        },
        StoreContractCase("an idempotent result is known until it expires, and to its client alone") {
            subject in
            let clock = FixedClock()
            let store = try await subject.open(clock.reading)
            let key = IdempotencyKey(
                client: ContractSample.reference("a"), digest: ContractSample.bytes(32, 1))
            let result = IdempotentResult(
                body: ContractSample.bytes(32, 2), contact: ContractSample.contactID(1),
                expires: clock.now.adding(seconds: 60))
            try await store.transaction { try $0.putIdempotentResult(result, for: key) }
            var known = try await store.read { try $0.idempotentResult(key) }
            try expectEqual(known, result, "the result")
            for other in [
                IdempotencyKey(client: ContractSample.reference("b"), digest: key.digest),
                IdempotencyKey(client: key.client, digest: ContractSample.bytes(32, 3)),
            ] {
                try expect(try await store.read { try $0.idempotentResult(other) } == nil, "another key")
            }
            clock.advance(milliseconds: 59_999)
            known = try await store.transaction { try $0.idempotentResult(key) }
            try expectEqual(known, result, "just before")
            clock.advance(milliseconds: 1)
            known = try await store.transaction { try $0.idempotentResult(key) }
            try expect(known == nil, "expired")

            let renewed = IdempotentResult(
                body: ContractSample.bytes(32, 4), contact: ContractSample.contactID(2),
                expires: clock.now.adding(seconds: 60))
            try await store.transaction { try $0.putIdempotentResult(renewed, for: key) }
            known = try await store.read { try $0.idempotentResult(key) }
            try expectEqual(known, renewed, "used again")
            try await store.close()
        },
        onStore("a purge forgets what expired before the moment, and nothing that expires at it or later") {
            store in
            let moment = ContractSample.time
            let times = [moment.adding(seconds: -1), moment, moment.adding(seconds: 1)]
            let uses = times.enumerated().map { ContractSample.useKey(UInt8($0.offset), expires: $0.element) }
            let deliveries = times.enumerated().map {
                ContractSample.deliveryKey(UInt8($0.offset), expires: $0.element)
            }
            let proofs = times.enumerated().map {
                ProofUse(digest: ContractSample.bytes(32, UInt8($0.offset)), expires: $0.element)
            }
            let delivery = Delivery(
                release: ContractSample.some(ReleaseID(bytes: ContractSample.bytes(16, 9))), time: moment,
                use: 1)
            try await store.transaction { transaction in
                _ = try transaction.insertProofs(proofs)
                for key in uses { try transaction.putTokenUses([key: 1]) }
                for key in deliveries { try transaction.putDeliveries([key: delivery]) }
                try transaction.append(ContractSample.batch(first: 0, leaves: [ContractSample.leaf(0)]))
                try transaction.insertContacts([ContractSample.contact(1)])
                try transaction.purgeExpired(before: moment)
            }
            try await store.read { reader in
                try expectEqual(Set(try reader.tokenUses(uses).keys), Set(uses[1...]), "uses")
                try expectEqual(
                    Set(try reader.deliveries(deliveries).keys), Set(deliveries[1...]), "deliveries")
                try expectEqual(try reader.logHead().size, 1, "the log")
                try expectEqual(try reader.contactCount(), 1, "the contacts")
            }
            try expectEqual(
                try await store.transaction { try $0.insertProofs(proofs) }, [true, false, false], "proofs")
        },
        onStore("entrustments and key changes are found as they were set last") { store in
            let north = ContractSample.some(Reference("ag_north"))
            let south = ContractSample.some(Reference("ag_south"))
            let time = ContractSample.time
            let open = ContractSample.some(Entrustment(agency: north, from: time, until: nil))
            let closed = ContractSample.some(
                Entrustment(
                    agency: north, from: time, until: time.adding(seconds: 60),
                    roles: [.collection, .privacy],
                    purposes: [.suppressMatch], portfolios: [south]))
            let change = StoredKeyChange(
                name: "token_signing", id: 0, version: 2, state: "pre_active", since: time)
            let later = StoredKeyChange(
                name: "token_signing", id: 0, version: 2, state: "active", since: time.adding(seconds: 9))
            let (none, before) = try await store.read {
                (try $0.entrustments(of: [north]), try $0.keyChanges())
            }
            try expect(none.isEmpty && before.isEmpty, "nothing yet")
            try await store.transaction {
                try $0.putEntrustment(open)
                try $0.putKeyChange(change)
            }
            try await store.transaction { transaction in
                try expectEqual(try transaction.entrustments(of: [north, south]), [north: open], "open")
                try expectEqual(try transaction.keyChanges(), [change], "changed")
                try transaction.putEntrustment(closed)
                try transaction.putKeyChange(later)
            }
            try await store.read { reader in
                try expectEqual(try reader.entrustments(of: [north, north]), [north: closed], "closed")
                try expectEqual(try reader.entrustments(), [closed], "all")
                try expectEqual(try reader.keyChanges(), [later], "changed again")
            }
        },
    ]
}

// Counts of requests and of distinct numbers, and how long they are kept.

import ContactModel
import ContactVault

extension StoreContract {
    static let countCases: [StoreContractCase] = [
        onStore("requests are counted by minute, client and purpose, and a count is set anew") { store in
            let keys = [
                ContractSample.requestKey(minute: 5), ContractSample.requestKey(minute: 6),
                ContractSample.requestKey(minute: 5, client: "dialer-2"),
                ContractSample.requestKey(minute: 5, purpose: "relay.message"),
                ContractSample.requestKey(minute: 5, purpose: "contact.verify"),
            ]
            try await store.transaction {
                try $0.putRequestCounts([keys[0]: 1, keys[2]: 7, keys[3]: 1_000_000])
            }
            try await store.transaction { try $0.putRequestCounts([keys[0]: 2, keys[4]: 1]) }
            try expectEqual(
                try await store.read { try $0.requestCounts(keys + keys) },
                [keys[0]: 2, keys[2]: 7, keys[3]: 1_000_000, keys[4]: 1],
                "asked twice, without the one that there is not")
        },
        onStore("a number counts once for a subject and a day, however often it is added") { store in
            let numbers = [1, 2, 3].map { ContractSample.distinctKey(day: 5, subject: 1, number: $0) }
            try await store.transaction { try $0.addDistinctNumbers([numbers[0], numbers[1], numbers[0]]) }
            try await store.transaction { transaction in
                try transaction.addDistinctNumbers([numbers[1]])
                try transaction.addDistinctNumbers([numbers[0]])
                try transaction.addDistinctNumbers([])
            }
            try expectEqual(
                try await store.read { try $0.distinctNumbers(numbers + numbers) },
                [
                    numbers[0]: DistinctNumbers(count: 2, includesNumber: true),
                    numbers[1]: DistinctNumbers(count: 2, includesNumber: true),
                    numbers[2]: DistinctNumbers(count: 2, includesNumber: false),
                ], "two numbers, and one that is not among them")
        },
        onStore("another subject and another day have counts of their own, and every key has an answer") {
            store in
            let key = ContractSample.distinctKey(day: 5, subject: 1, number: 1)
            let subject = ContractSample.distinctKey(day: 5, subject: 2, number: 1)
            let day = ContractSample.distinctKey(day: 6, subject: 1, number: 1)
            let second = ContractSample.distinctKey(day: 6, subject: 1, number: 2)
            try await store.transaction { try $0.addDistinctNumbers([key]) }
            let none = DistinctNumbers(count: 0, includesNumber: false)
            let one = DistinctNumbers(count: 1, includesNumber: true)
            try expectEqual(
                try await store.read { try $0.distinctNumbers([key, subject, day]) },
                [key: one, subject: none, day: none], "one subject on one day")
            try await store.transaction { try $0.addDistinctNumbers([subject, day, second]) }
            let two = DistinctNumbers(count: 2, includesNumber: true)
            try expectEqual(
                try await store.read { try $0.distinctNumbers([key, subject, day, second]) },
                [key: one, subject: one, day: two, second: two], "two subjects and two days")
        },
        onStore("of concurrent additions none is lost and none counts twice") { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number: UInt8 in 1...32 {
                    group.addTask {
                        try await store.transaction {
                            try $0.addDistinctNumbers([
                                ContractSample.distinctKey(day: 5, subject: 1, number: 0),
                                ContractSample.distinctKey(day: 5, subject: 1, number: number),
                            ])
                        }
                    }
                }
                try await group.waitForAll()
            }
            let key = ContractSample.distinctKey(day: 5, subject: 1, number: 0)
            let numbers: DistinctNumbers? = try await store.read { try $0.distinctNumbers([key])[key] }
            try expectEqual(
                numbers, DistinctNumbers(count: 33, includesNumber: true), "the shared number and 32 others")
        },
        onStore("a purge forgets counts of minutes that ended, and none of the minute itself") { store in
            let minute = ContractSample.time.seconds / 60
            let keys = [minute - 1000, minute - 1, minute, minute + 1].map {
                ContractSample.requestKey(minute: $0)
            }
            try await store.transaction { transaction in
                for key in keys { try transaction.putRequestCounts([key: 4]) }
                // In the middle of a minute.
                try transaction.purgeExpired(before: ContractSample.moment(59_999))
            }
            try expectEqual(
                try await store.read { try $0.requestCounts(keys) }, [keys[2]: 4, keys[3]: 4], "minutes")
            try await store.transaction { try $0.purgeExpired(before: ContractSample.moment(60_000)) }
            try expectEqual(
                try await store.read { try $0.requestCounts(keys) }, [keys[3]: 4], "when the minute is over")
        },
        onStore(
            "a purge forgets numbers of days long over, with their count, and keeps two days beside today"
        ) {
            store in
            // A calendar in which the counted day began may be ahead of UTC or behind it.
            let day = ContractSample.time.seconds / 86_400
            let keys = [day - 40, day - 3, day - 2, day - 1, day, day + 1].map {
                ContractSample.distinctKey(day: $0, subject: 1, number: 1)
            }
            try await store.transaction { transaction in
                try transaction.addDistinctNumbers(keys)
                try transaction.purgeExpired(before: ContractSample.time)
            }
            let none = DistinctNumbers(count: 0, includesNumber: false)
            let one = DistinctNumbers(count: 1, includesNumber: true)
            try expectEqual(
                try await store.read { try $0.distinctNumbers(keys) },
                [keys[0]: none, keys[1]: none, keys[2]: one, keys[3]: one, keys[4]: one, keys[5]: one], "days"
            )
            try await store.transaction { try $0.addDistinctNumbers([keys[1]]) }
            try expectEqual(
                try await store.read { try $0.distinctNumbers([keys[1]]) }, [keys[1]: one],
                "a forgotten day begins anew")
        },
        onStore("a purge of a moment before 1970 forgets nothing of today") { store in
            // An empty log has its last entry in 1970, and the purge goes by the log's clock.
            let request = ContractSample.requestKey(minute: 0)
            let number = ContractSample.distinctKey(day: 0, subject: 1, number: 1)
            try await store.transaction { transaction in
                try transaction.putRequestCounts([request: 1])
                try transaction.addDistinctNumbers([number])
                try transaction.purgeExpired(before: Timestamp(milliseconds: -300_000))
            }
            try await store.read { reader in
                try expectEqual(try reader.requestCounts([request]), [request: 1], "requests")
                try expectEqual(
                    try reader.distinctNumbers([number]),
                    [number: DistinctNumbers(count: 1, includesNumber: true)], "numbers")
            }
        },
        onStore(
            "a purge forgets no release, no outcome, no approval, no review and no place on the stop list"
        ) {
            store in
            try await store.transaction { transaction in
                try ContractSample.putActivity(in: transaction)
                try transaction.purgeExpired(before: Timestamp(milliseconds: 0))
            }
            try await store.read { try ContractSample.expectActivity(in: $0, isThere: true) }
            let later = ContractSample.time.adding(seconds: 10 * 365 * 86_400)
            try await store.transaction { try $0.purgeExpired(before: later) }
            try await store.read { reader in
                try expectEqual(
                    try reader.releases([1, 2].map { ContractSample.releaseID($0) }).count, 2, "releases")
                try expectEqual(
                    try reader.suppressions([ContractSample.bytes(32, 1)]).count, 1, "the stop list")
                try expectEqual(
                    try reader.authorisations(of: [ContractSample.contactID(1)]).count, 1, "authorisations")
                try expectEqual(
                    try reader.contactReferences([ContractSample.referenceKey(1, "rq_1")]).count, 1,
                    "references")
                try expect(try reader.approval(ContractSample.approval(1).id) != nil, "approvals")
                try expectEqual(try reader.reviews(openOnly: false).count, 1, "reviews")
            }
        },
    ]
}

extension ContractSample {
    static func requestKey(
        minute: Int64, client: String = "dialer-1", purpose: String = ""
    ) -> RequestCountKey {
        RequestCountKey(minute: minute, client: reference(client), purpose: purpose)
    }

    static func distinctKey(day: Int64, subject: UInt8, number: UInt8) -> DistinctNumberKey {
        DistinctNumberKey(day: day, subject: bytes(32, subject), number: bytes(32, number))
    }
}

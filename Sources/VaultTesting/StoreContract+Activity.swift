// Releases, what came of them, and that the tables of all this keep what every other table keeps.

import ContactModel
import ContactVault

extension StoreContract {
    private struct Abandoned: Error {}

    static let activityCases: [StoreContractCase] = [
        onStore("a release comes back as it was stored, in every form and with every outcome") { store in
            let forms = ReleaseForm.allCases.enumerated().map { offset, form in
                ContractSample.release(
                    UInt8(offset), form: form, due: form == .mask ? nil : ContractSample.moment(5))
            }
            let outcomes = ReleaseOutcome.allCases.enumerated().map { offset, outcome in
                ContractSample.release(
                    UInt8(100 + offset), reference: 7, outcome: outcome,
                    reported: ContractSample.moment(Int64(offset)))
            }
            try await store.transaction { try $0.insertReleases(forms + outcomes) }
            let all = Dictionary(uniqueKeysWithValues: (forms + outcomes).map { ($0.id, $0) })
            try await store.read { reader in
                let asked = Array(all.keys) + [forms[0].id, ContractSample.releaseID(255)]
                try expectEqual(try reader.releases(asked), all, "asked twice and unknown ones too")
                try expect(try reader.releases([]).isEmpty, "nothing asked")
            }
        },
        onStore("a release is recorded once, and none of a list in which one is known") { store in
            let release = ContractSample.release(1)
            try await store.transaction { try $0.insertReleases([release]) }
            try await expectError(.conflict, "the same id") {
                try await store.transaction {
                    try $0.insertReleases([
                        ContractSample.release(2), ContractSample.release(1, phone: 9),
                    ])
                }
            }
            let ids = [release.id, ContractSample.releaseID(2)]
            try expectEqual(
                try await store.read { try $0.releases(ids) }, [release.id: release], "the first alone")
        },
        onStore("history is found by number, case and reference, from a moment on, oldest first") { store in
            let before = ContractSample.release(1, at: ContractSample.moment(-1), phone: 1, caseReference: 1)
            let first = ContractSample.release(
                2, phone: 1, caseReference: 2, reference: 1, outcome: .noAnswer,
                reported: ContractSample.moment(9))
            let other = ContractSample.release(
                3, at: ContractSample.moment(3), phone: 2, caseReference: 1, reference: 1)
            let last = ContractSample.release(4, at: ContractSample.moment(5), phone: 1, caseReference: 1)
            try await store.transaction { transaction in
                try transaction.insertReleases([last, before])
                try transaction.insertReleases([other, first])
            }
            // One digest under three names: what is found by one is not found by another.
            let one = ContractSample.bytes(32, 1)
            let none = ContractSample.bytes(32, 99)
            try await store.read { reader in
                try expectEqual(
                    try reader.releaseHistory([
                        .number(one): ContractSample.time, .caseReference(one): ContractSample.moment(-1),
                        .reference(one): ContractSample.moment(-1000), .number(none): ContractSample.time,
                        .caseReference(none): ContractSample.time, .reference(none): ContractSample.time,
                    ]),
                    [
                        .number(one): [first, last], .caseReference(one): [before, other, last],
                        .reference(one): [first, other],
                    ], "each from its own moment, that moment included, without empty lists")
                try expectEqual(
                    try reader.releaseHistory([.number(one): ContractSample.moment(5)]),
                    [.number(one): [last]],
                    "at the moment of the last")
                try expect(
                    try reader.releaseHistory([.number(one): ContractSample.moment(6)]).isEmpty,
                    "after the last")
                try expect(try reader.releaseHistory([:]).isEmpty, "nothing asked")
            }
        },
        onStore("a transaction sees the releases that it recorded itself") { store in
            let release = ContractSample.release(1)
            let key = HistoryKey.number(release.number)
            let seen = try await store.transaction { transaction in
                try transaction.insertReleases([release])
                return try transaction.releaseHistory([key: release.time])
            }
            try expectEqual(seen, [key: [release]], "inside")
        },
        onStore("an outcome is set on its release, and changes nothing else") { store in
            let release = ContractSample.release(1, due: ContractSample.moment(50))
            let neighbour = ContractSample.release(2, due: ContractSample.moment(50))
            try await store.transaction { transaction in
                try transaction.insertReleases([release, neighbour])
                try transaction.putOutcome(.relayed, at: ContractSample.moment(9), of: release.id)
            }
            let relayed = ContractSample.release(
                1, due: ContractSample.moment(50), outcome: .relayed, reported: ContractSample.moment(9))
            let ids = [release.id, neighbour.id]
            try await store.read { reader in
                try expectEqual(
                    try reader.releases(ids), [ids[0]: relayed, ids[1]: neighbour], "by id")
                let key = HistoryKey.caseReference(release.caseReference)
                let history = try reader.releaseHistory([key: release.time])[key] ?? []
                try expectEqual(history.count, 2, "in the history")
                try expectEqual(Set(history), [relayed, neighbour], "in the history")
            }
            // Whether an outcome may change is the vault's to say.
            try await store.transaction {
                try $0.putOutcome(.refused, at: ContractSample.moment(10), of: release.id)
            }
            let refused = ContractSample.release(
                1, due: ContractSample.moment(50), outcome: .refused, reported: ContractSample.moment(10))
            try expectEqual(
                try await store.read { try $0.releases(ids) }, [ids[0]: refused, ids[1]: neighbour], "again")
            try await expectError(.conflict, "an unknown release") {
                try await store.transaction {
                    try $0.putOutcome(.relayed, at: ContractSample.time, of: ContractSample.releaseID(9))
                }
            }
        },
        onStore("an actor's poor outcomes are those that are poor, and no others") { store in
            let releases = ReleaseOutcome.allCases.enumerated().map { offset, outcome in
                // All of them were due long ago: one that was reported is not missing.
                ContractSample.release(
                    UInt8(offset), actor: 1, due: ContractSample.moment(1), outcome: outcome,
                    reported: ContractSample.moment(2))
            }
            try await store.transaction { try $0.insertReleases(releases) }
            let actor = ContractSample.bytes(32, 1)
            let poor = try await store.read { reader in
                try reader.poorOutcomes(
                    of: [actor], since: ContractSample.time, now: ContractSample.moment(1000), limit: 1000)
            }
            try expectEqual(
                poor[actor, default: 0], Int64(ReleaseOutcome.allCases.filter(\.isPoor).count), "poor ones")
        },
        onStore("poor outcomes count from a moment on, missing ones from it until now, both ends included") {
            store in
            let (since, now) = (ContractSample.time, ContractSample.moment(100))
            let edges: [(release: StoredRelease, count: Int64)] = [
                (ContractSample.poor(1, reported: ContractSample.moment(-1)), 0),
                (ContractSample.poor(2, reported: since), 1),
                (ContractSample.poor(3, reported: now), 1),
                // It was missed before it was reported: it counts once.
                (ContractSample.poor(4, reported: now, due: ContractSample.moment(50)), 1),
                (ContractSample.missing(5, due: ContractSample.moment(-1)), 0),
                (ContractSample.missing(6, due: since), 1),
                (ContractSample.missing(7, due: ContractSample.moment(99)), 1),
                (ContractSample.missing(8, due: now), 1),
                (ContractSample.missing(9, due: ContractSample.moment(101)), 0),
                (ContractSample.missing(10, due: nil), 0),
            ]
            try await store.transaction { try $0.insertReleases(edges.map(\.release)) }
            let actors = edges.map(\.release.actor) + [ContractSample.bytes(32, 99)]
            let counts = try await store.read { reader in
                try reader.poorOutcomes(of: actors + actors, since: since, now: now, limit: 10)
            }
            for (release, count) in edges {
                try expectEqual(counts[release.actor, default: 0], count, "actor \(release.actor[0])")
            }
            try expectEqual(counts[ContractSample.bytes(32, 99), default: 0], 0, "an unknown actor")

            // An outcome that comes late is missing no longer.
            try await store.transaction {
                try $0.putOutcome(.noAnswer, at: ContractSample.moment(100), of: edges[7].release.id)
            }
            let after = try await store.read { reader in
                try reader.poorOutcomes(of: actors, since: since, now: now, limit: 10)
            }
            try expectEqual(after[edges[7].release.actor, default: 0], 0, "reported late")
            try expectEqual(after[edges[6].release.actor, default: 0], 1, "still missing")
        },
        onStore("poor and missing outcomes of an actor are counted together, up to the limit") { store in
            let releases = [
                ContractSample.poor(1, actor: 1, reported: ContractSample.moment(1)),
                ContractSample.missing(2, actor: 1, due: ContractSample.moment(2)),
                ContractSample.poor(3, actor: 1, reported: ContractSample.moment(3)),
                ContractSample.missing(4, actor: 1, due: ContractSample.moment(4)),
                ContractSample.poor(5, actor: 2, reported: ContractSample.moment(5)),
            ]
            try await store.transaction { try $0.insertReleases(releases) }
            let actors = [1, 2].map { ContractSample.bytes(32, $0) }
            for (limit, count): (Int64, Int64) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (.max, 4)] {
                let counts = try await store.read { reader in
                    try reader.poorOutcomes(
                        of: actors, since: ContractSample.time, now: ContractSample.moment(9), limit: limit)
                }
                try expectEqual(counts[actors[0], default: 0], count, "limit \(limit)")
                try expectEqual(counts[actors[1], default: 0], 1, "the other actor, limit \(limit)")
            }
        },
        onStore("releases whose outcome is overdue come oldest first, as many as are wanted") { store in
            let releases = [
                ContractSample.missing(
                    1, at: ContractSample.moment(-300), due: ContractSample.moment(-100)),
                ContractSample.missing(
                    2, at: ContractSample.moment(-400), due: ContractSample.moment(-200)),
                ContractSample.missing(3, at: ContractSample.moment(-200), due: ContractSample.moment(-1)),
                ContractSample.missing(4, at: ContractSample.moment(-100), due: ContractSample.time),
                ContractSample.missing(5, at: ContractSample.moment(-900), due: nil),
                ContractSample.release(
                    6, at: ContractSample.moment(-900), due: ContractSample.moment(-700), outcome: .busy,
                    reported: ContractSample.moment(-600)),
            ]
            try await store.transaction { try $0.insertReleases(releases) }
            let (first, second, third) = (releases[1], releases[0], releases[2])
            try await store.read { reader in
                for (limit, expected): (Int, [StoredRelease]) in [
                    (10, [first, second, third]), (3, [first, second, third]), (2, [first, second]), (0, []),
                ] {
                    try expectEqual(
                        try reader.overdueReleases(before: ContractSample.time, limit: limit), expected,
                        "\(limit)")
                }
                try expectEqual(
                    try reader.overdueReleases(before: ContractSample.moment(1), limit: 10).last, releases[3],
                    "a millisecond later")
            }
            try await store.transaction {
                try $0.putOutcome(.notUsed, at: ContractSample.moment(5), of: first.id)
            }
            try expectEqual(
                try await store.read { try $0.overdueReleases(before: ContractSample.time, limit: 10) },
                [second, third], "one reported")
        },
        onStore("a transaction that throws leaves nothing behind in the tables of releases and approvals") {
            store in
            try await store.read { try ContractSample.expectActivity(in: $0, isThere: false) }
            do {
                try await store.transaction { transaction in
                    try ContractSample.putActivity(in: transaction)
                    try ContractSample.expectActivity(in: transaction, isThere: true)
                    throw Abandoned()
                }
                throw ContractViolation(description: "the body's error did not come out")
            } catch is Abandoned {}
            try await store.read { try ContractSample.expectActivity(in: $0, isThere: false) }
            // And it can be written afterwards.
            try await store.transaction { try ContractSample.putActivity(in: $0) }
            try await store.read { try ContractSample.expectActivity(in: $0, isThere: true) }
        },
        StoreContractCase("releases, counts and approvals are there after closing and opening") { subject in
            let clock = FixedClock()
            let first = try await subject.open(clock.reading)
            try await first.transaction { try ContractSample.putActivity(in: $0) }
            try await first.close()
            let second = try await subject.open(clock.reading)
            try await second.read { try ContractSample.expectActivity(in: $0, isThere: true) }
            try await second.close()
        },
    ]
}

extension ContractSample {
    static func releaseID(_ number: UInt8) -> ReleaseID { some(ReleaseID(bytes: bytes(15, 0) + [number])) }

    static func release(
        _ number: UInt8, at moment: Timestamp = time, phone: UInt8 = 1, caseReference: UInt8 = 1,
        reference: UInt8? = nil, actor: UInt8 = 1, form: ReleaseForm = .reveal, due: Timestamp? = nil,
        outcome: ReleaseOutcome? = nil, reported: Timestamp? = nil
    ) -> StoredRelease {
        StoredRelease(
            id: releaseID(number), time: moment, number: bytes(32, phone), numberVersion: 1,
            contact: contactID(phone),
            caseReference: bytes(32, caseReference), reference: reference.map { bytes(32, $0) },
            actor: bytes(32, actor), client: Self.reference("dialer-1"),
            purpose: some(Purpose("relay.message")), form: form, isApproach: form != .mask, outcomeDue: due,
            outcome: outcome, outcomeTime: reported)
    }

    /// A release with an outcome that counts against its actor, who has the release's own number if no other is given.
    static func poor(
        _ number: UInt8, actor: UInt8? = nil, reported: Timestamp, due: Timestamp? = nil
    ) -> StoredRelease {
        release(number, actor: actor ?? number, due: due, outcome: .wrongNumber, reported: reported)
    }

    /// A release without an outcome.
    static func missing(
        _ number: UInt8, at moment: Timestamp = time, actor: UInt8? = nil, due: Timestamp?
    ) -> StoredRelease {
        release(number, at: moment, actor: actor ?? number, due: due)
    }

    // MARK: A row in every table

    private static let suppressed = StoredSuppression(
        number: bytes(32, 1), indexVersion: 1, since: time, latest: time)
    private static let countedRequest = RequestCountKey(minute: 1, client: reference("dialer-1"), purpose: "")
    private static let countedNumber = DistinctNumberKey(day: 1, subject: bytes(32, 2), number: bytes(32, 1))
    private static let contactReference = StoredContactReference(kind: .offer, recorded: time)

    /// Writes a row into every table of releases, counts and approvals.
    static func putActivity(in transaction: any VaultTransaction) throws {
        try transaction.putAuthorisation(authorisation(1))
        try transaction.insertContactReferences([referenceKey(1, "rq_1"): contactReference])
        try transaction.putSuppressions([suppressed])
        try transaction.insertReleases([release(1), release(2, phone: 2, caseReference: 2)])
        try transaction.putOutcome(.busy, at: time, of: releaseID(2))
        try transaction.putRequestCounts([countedRequest: 3])
        try transaction.addDistinctNumbers([countedNumber])
        try transaction.putApprovals([approval(1)])
        try transaction.putReviews([review(1, opened: time)])
    }

    /// Expects the rows of ``putActivity(in:)``, or none.
    static func expectActivity(in reader: any VaultReader, isThere: Bool) throws {
        func expect<Value: Equatable>(_ found: Value, _ row: Value, _ empty: Value, _ table: String) throws {
            try StoreContract.expectEqual(found, isThere ? row : empty, table)
        }
        let contact = contactID(1)
        try expect(
            try reader.authorisations(of: [contact]), [contact: authorisation(1)], [:], "authorisations")
        let name = referenceKey(1, "rq_1")
        try expect(try reader.contactReferences([name]), [name: contactReference], [:], "references")
        try expect(
            try reader.suppressions([suppressed.number]), [suppressed.number: suppressed], [:],
            "suppressions")
        let reported = release(2, phone: 2, caseReference: 2, outcome: .busy, reported: time)
        try expect(
            try reader.releases([releaseID(1), releaseID(2)]),
            [releaseID(1): release(1), releaseID(2): reported], [:], "releases")
        let key = HistoryKey.number(reported.number)
        try expect(try reader.releaseHistory([key: time]), [key: [reported]], [:], "history")
        try expect(try reader.requestCounts([countedRequest]), [countedRequest: 3], [:], "requests")
        try expect(
            try reader.distinctNumbers([countedNumber]),
            [countedNumber: DistinctNumbers(count: 1, includesNumber: true)],
            [countedNumber: DistinctNumbers(count: 0, includesNumber: false)], "distinct numbers")
        let waiting = approval(1)
        try expect(
            try reader.approvals(of: [waiting.operation]), [waiting.operation: [waiting]], [:], "approvals")
        try expect(try reader.approval(waiting.id), waiting, nil, "approval")
        try expect(try reader.pendingApprovals(at: time), [waiting], [], "waiting approvals")
        try expect(try reader.reviews(openOnly: false), [review(1, opened: time)], [], "reviews")
    }
}

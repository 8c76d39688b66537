// Approvals and reviews.

import ContactModel
import ContactVault

extension StoreContract {
    static let approvalCases: [StoreContractCase] = [
        onStore("an approval comes back by its name as it was set last") { store in
            let release = ContractSample.approval(1, contact: 4)
            let policy = ContractSample.approval(
                2, kind: .policy, payload: [0, 255, 0x0A], approver: "officer", used: ContractSample.moment(2)
            )
            try await store.transaction { try $0.putApprovals([release, policy]) }
            try await store.read { reader in
                try expectEqual(try reader.approval(release.id), release, "of a release")
                try expectEqual(try reader.approval(policy.id), policy, "of a policy")
                try expect(try reader.approval(ContractSample.bytes(16, 9)) == nil, "an unknown one")
                try expect(try reader.approval([]) == nil, "no name")
            }
            let given = ContractSample.approval(1, contact: 4, approver: "ap-2")
            let spent = ContractSample.approval(
                1, contact: 4, approver: "ap-2", used: ContractSample.moment(3))
            for stage in [given, spent] {
                try await store.transaction { try $0.putApprovals([stage]) }
                let again: StoredApproval? = try await store.read { try $0.approval(stage.id) }
                try expectEqual(again, stage, "set again")
            }
            let neighbour: StoredApproval? = try await store.read { try $0.approval(policy.id) }
            try expectEqual(neighbour, policy, "the neighbour")
        },
        onStore("approvals of an operation come newest first, without those that are used up") { store in
            let old = ContractSample.approval(1, operation: 1, requested: ContractSample.moment(-5))
            let expired = ContractSample.approval(
                2, operation: 1, requested: ContractSample.moment(-9), expires: ContractSample.moment(-8))
            let given = ContractSample.approval(3, operation: 1, approver: "ap-2")
            let used = ContractSample.approval(4, operation: 1, used: ContractSample.time)
            let other = ContractSample.approval(5, operation: 2)
            let usedUp = ContractSample.approval(6, operation: 3, approver: "ap-2", used: ContractSample.time)
            try await store.transaction { try $0.putApprovals([expired, given, used, old, other, usedUp]) }
            let operations = [1, 2, 3, 4].map { ContractSample.bytes(32, $0) }
            try expectEqual(
                try await store.read { try $0.approvals(of: operations + operations) },
                [operations[0]: [given, old, expired], operations[1]: [other]],
                "asked twice, without empty lists")
            let spent = ContractSample.approval(
                3, operation: 1, approver: "ap-2", used: ContractSample.moment(1))
            try await store.transaction { try $0.putApprovals([spent]) }
            try expectEqual(
                try await store.read { try $0.approvals(of: [operations[0]]) },
                [operations[0]: [old, expired]], "one of them used up")
        },
        onStore("of concurrent uses of one approval exactly one finds it unused") { store in
            let approval = ContractSample.approval(1, approver: "ap-2")
            try await store.transaction { try $0.putApprovals([approval]) }
            let uses = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await store.transaction { transaction in
                            let known = try transaction.approvals(of: [approval.operation])
                            guard known[approval.operation] == [approval] else { return false }
                            try transaction.putApprovals([
                                ContractSample.approval(1, approver: "ap-2", used: transaction.now)
                            ])
                            return true
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            try expectEqual(uses, 1, "uses")
        },
        onStore("approvals that wait are those without a yes and not void, oldest first") { store in
            let late = ContractSample.approval(1, requested: ContractSample.moment(9))
            let early = ContractSample.approval(
                2, kind: .policy, payload: [1], contact: nil, requested: ContractSample.moment(-9))
            let given = ContractSample.approval(3, approver: "ap-2")
            let used = ContractSample.approval(4, used: ContractSample.time)
            let short = ContractSample.approval(5, expires: ContractSample.moment(20))
            try await store.transaction { try $0.putApprovals([late, given, early, used, short]) }
            try await store.read { reader in
                try expectEqual(
                    try reader.pendingApprovals(at: ContractSample.moment(19)), [early, short, late],
                    "just before one is void")
                try expectEqual(
                    try reader.pendingApprovals(at: ContractSample.moment(20)), [early, late],
                    "at the moment at which it is void")
                try expectEqual(
                    try reader.pendingApprovals(at: late.expires.adding(seconds: 1)), [], "all void")
            }
            try await store.transaction {
                try $0.putApprovals([
                    ContractSample.approval(1, requested: ContractSample.moment(9), approver: "ap-2")
                ])
            }
            try expectEqual(
                try await store.read { try $0.pendingApprovals(at: ContractSample.moment(20)) }, [early],
                "after a yes")
        },
        onStore("reviews come oldest first, closed ones only when asked for, as they were set last") {
            store in
            let young = ContractSample.review(1, opened: ContractSample.moment(5))
            let old = ContractSample.review(
                2, opened: ContractSample.moment(-5), alerted: ContractSample.time)
            let closed = ContractSample.review(
                3, opened: ContractSample.time, alerted: ContractSample.moment(1),
                closed: ContractSample.moment(2), finding: "justified")
            try await store.transaction { try $0.putReviews([young, closed, old]) }
            try await store.read { reader in
                try expectEqual(try reader.reviews(openOnly: false), [old, closed, young], "all")
                try expectEqual(try reader.reviews(openOnly: true), [old, young], "open ones")
            }
            let alerted = ContractSample.review(
                1, opened: ContractSample.moment(5), alerted: ContractSample.moment(6))
            let reviewed = ContractSample.review(
                2, opened: ContractSample.moment(-5), alerted: ContractSample.time,
                closed: ContractSample.moment(9), finding: "not_justified")
            try await store.transaction { try $0.putReviews([alerted, reviewed]) }
            try await store.read { reader in
                try expectEqual(try reader.reviews(openOnly: false), [reviewed, closed, alerted], "all")
                try expectEqual(try reader.reviews(openOnly: true), [alerted], "open ones")
            }
        },
    ]
}

extension ContractSample {
    static func approval(
        _ number: UInt8, kind: StoredApproval.Kind = .release, operation: UInt8 = 1, payload: [UInt8] = [],
        contact: UInt8? = 1, requested: Timestamp = time, expires: Timestamp = time.adding(seconds: 86_400),
        approver: String? = nil, used: Timestamp? = nil
    ) -> StoredApproval {
        StoredApproval(
            id: bytes(16, number), kind: kind, operation: bytes(32, operation), payload: payload,
            contact: contact.map { contactID($0) }, requester: reference("dialer-1"), requested: requested,
            expires: expires, approver: approver.map { reference($0) }, used: used)
    }

    static func review(
        _ number: UInt8, opened: Timestamp, alerted: Timestamp? = nil, closed: Timestamp? = nil,
        finding: String? = nil
    ) -> StoredReview {
        StoredReview(
            release: releaseID(number), purpose: some(Purpose("safety.emergency")),
            client: reference("desk-1"), opened: opened, due: opened.adding(seconds: 86_400),
            alerted: alerted, closed: closed, finding: finding)
    }
}

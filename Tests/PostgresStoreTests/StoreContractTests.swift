// The contract of every store, on PostgreSQL.

import ContactVault
import PostgresStore
import Testing
import VaultTesting

@Suite("The store contract on PostgreSQL")
struct StoreContractTests {
    /// The one case that this store refuses as a whole: a copy of it is made by the tools of PostgreSQL.
    private static let snapshot =
        "a snapshot has everything that was committed before it, and nothing of later"

    @Test("the store keeps the contract", arguments: StoreContract.cases)
    func contract(_ contractCase: StoreContractCase) async throws {
        let address = try PostgresServer.makeDatabase()
        let subject = StoreUnderTest { clock in
            try await PostgresStore.open(address, create: true, clock: clock)
        }
        guard contractCase.name != Self.snapshot else {
            await #expect(throws: StoreError.unavailable("snapshot_not_supported")) {
                try await contractCase.run(subject)
            }
            return
        }
        try await contractCase.run(subject)
    }

    @Test("the case that this store refuses is one of the contract's")
    func refusedCase() {
        #expect(StoreContract.cases.count { $0.name == Self.snapshot } == 1)
    }
}

// The contract of every store, on PostgreSQL.

import ContactVault
import PostgresStore
import Testing
import VaultTesting

@Suite("The store contract on PostgreSQL")
struct StoreContractTests {
    @Test("the store keeps the contract", arguments: StoreContract.cases)
    func contract(_ contractCase: StoreContractCase) async throws {
        let database = try PostgresServer.shared.get().makeDatabase()
        try await contractCase.run(
            StoreUnderTest { clock in try await PostgresStore.open(conninfo: database, clock: clock) })
    }
}

// The contract of every store, on SQLite.

import ContactVault
import SQLiteStore
import Testing
import VaultTesting

@Suite("The store contract on SQLite")
struct StoreContractTests {
    @Test("the store keeps the contract", arguments: StoreContract.cases + StoreContract.copyingCases)
    func contract(_ contractCase: StoreContractCase) async throws {
        let folder = try TemporaryFolder()
        try await contractCase.run(
            StoreUnderTest { clock in
                try SQLiteStore.open(path: folder.file("vault.sqlite"), create: true, clock: clock)
            })
    }
}

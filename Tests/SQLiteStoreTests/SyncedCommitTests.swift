// That a commit is on the disk when it returns. A kill -9 cannot show it: the kernel still has the pages.

import ContactVault
import Foundation
import GRDB
import Testing
import VaultTesting

@testable import SQLiteStore

@Suite("Synced commits")
struct SyncedCommitTests {
    @Test(
        "every transaction runs with synchronous=FULL on a write-ahead log, from the first and after reopening"
    )
    func pragmas() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("vault.sqlite")
        for create in [true, false] {
            let store = try SQLiteStore.open(path: path, create: create)
            for _ in 0..<2 {
                let settings = try await store.transaction { transaction -> [String] in
                    let database = try #require(transaction as? SQLiteTransaction).database
                    return [
                        try String(Int.fetchOne(database, sql: "PRAGMA synchronous") ?? -1),
                        try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? "",
                    ]
                }
                #expect(settings == ["2", "wal"])
            }
            try await store.close()
        }
    }

    @Test("a closed vault is whole in its one file, so that a copy of the file is a copy of the vault")
    func wholeFile() async throws {
        let fixture = try await VaultFixture.make()
        _ = try await fixture.store()
        let size = try await fixture.vault.logSize()
        try await fixture.vault.close()
        let copy = fixture.folder.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: fixture.storePath, toPath: copy)
        let queue = try DatabaseQueue(path: copy)
        let entries = try await queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM log_entries") }
        // Closing adds an entry of its own.
        #expect(entries == Int(size) + 1)
    }
}

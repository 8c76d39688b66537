// What the tests of the vault share: what was refused, and hands on the rows past the store.

import AccessLog
import ContactModel
import ContactVault
import Foundation
import GRDB
import Testing
import VaultTesting

/// The refusal of a call, or `nil` if it succeeded.
func refusal(_ body: () async throws -> Void) async -> VaultError? {
    do {
        try await body()
        return nil
    } catch let error as VaultError {
        return error
    } catch {
        Issue.record("an error of another type: \(error)")
        return nil
    }
}

/// The rule that denied a call, or `nil` if none did.
func denial(_ body: () async throws -> Void) async -> DenialCode? {
    switch await refusal(body) {
    case .denied(let code): return code
    case nil: return nil
    case let other?:
        Issue.record("refused otherwise: \(other)")
        return nil
    }
}

/// The code of a store's failure that a call met, or `nil` if it met none.
func unavailability(_ body: () async throws -> Void) async -> String? {
    switch await refusal(body) {
    case .logUnavailable(let code): return code
    case nil: return nil
    case let other?:
        Issue.record("refused otherwise: \(other)")
        return nil
    }
}

/// Why a record did not open, or `nil` if it did.
func unreadable(_ body: () async throws -> Void) async -> String? {
    switch await refusal(body) {
    case .recordUnreadable(let code): return code
    case nil: return nil
    case let other?:
        Issue.record("refused otherwise: \(other)")
        return nil
    }
}

extension VaultFixture {
    /// Changes rows past the vault and its store, as somebody with the file would.
    func tamper(_ sql: String, _ arguments: StatementArguments = []) throws {
        let queue = try DatabaseQueue(path: storePath)
        try queue.write { try $0.execute(sql: sql, arguments: arguments) }
        try queue.close()
    }

    /// Reads one value past the vault and its store.
    func value<Value: DatabaseValueConvertible>(
        _ sql: String, _ arguments: StatementArguments = []
    ) throws -> Value? {
        let queue = try DatabaseQueue(path: storePath)
        return try queue.read { try Value.fetchOne($0, sql: sql, arguments: arguments) }
    }

    /// Rows of every table, by name.
    func rowCounts() throws -> [String: Int] {
        let queue = try DatabaseQueue(path: storePath)
        return try queue.read { database in
            let tables = try String.fetchAll(
                database, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
            return try Dictionary(
                uniqueKeysWithValues: tables.map { table in
                    (table, try Int.fetchOne(database, sql: "SELECT count(*) FROM \"\(table)\"") ?? 0)
                })
        }
    }

    /// Rows of the tables that hold contacts, by name.
    func contactRows() throws -> [String: Int] {
        try rowCounts().filter {
            ["contacts", "consents", "sequences", "idempotent_results"].contains($0.key)
        }
    }

    /// Entries of one kind and outcome.
    func entries(_ kind: EntryKind, _ outcome: EntryOutcome) async throws -> [LogEntry] {
        try await entries().filter { $0.kind == kind && $0.outcome == outcome }
    }

    /// The newest entry.
    func newestEntry() async throws -> LogEntry { try #require(try await entries().last) }
}

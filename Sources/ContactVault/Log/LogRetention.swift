// Shards of the log by month, and the removal of those that are past retention. The log is one tree: a shard is a range of it, so
// handing over from one to the next is nothing but going on, and what a removed shard held is proved as before
// (docs/decisions/022-shards-are-ranges-of-one-tree.md).

import AccessLog
import AccessToken
public import ContactModel
import Synchronization

/// The entries of one calendar month (UTC).
public struct LogShard: Sendable, Equatable {
    /// The month, `YYYY-MM`.
    public let month: String
    /// Index of its first entry.
    public let first: UInt64
    /// Index after its last.
    public let end: UInt64
    /// How many of its leaves retention has removed.
    public let removed: UInt64
    /// Size of the last checkpoint that was signed within it and is still there; `nil` if none is.
    public let checkpoint: UInt64?
}

extension Vault {
    /// The shards of the log, oldest first. Those that retention has removed altogether are one line, without a month.
    public func logShards() async throws -> [LogShard] {
        try await reading { reader in
            let (size, removed) = (try reader.logHead().size, try reader.firstLeaf())
            var shards: [LogShard] = []
            var first = removed
            if removed > 0 {
                shards.append(
                    LogShard(
                        month: "", first: 0, end: removed, removed: removed,
                        checkpoint: try reader.checkpoints(0...removed).last?.size))
            }
            while first < size {
                guard let leaf = try reader.logLeaves(first..<first + 1).first else {
                    throw StoreError.corrupt("log_entries")
                }
                let month = LogMonth(of: try LogEntry(decoding: leaf).time)
                let end = try reader.firstEntry(at: month.next.start, size: size)
                shards.append(
                    LogShard(
                        month: month.description, first: first, end: end, removed: 0,
                        checkpoint: try reader.checkpoints(first + 1...end).last?.size))
                first = end
            }
            return shards
        }
    }

    /// Removes the leaves of months that ended at least so many months ago, with an entry. The tree stays whole.
    /// - Parameter months: at least `Limits.logRetentionMonths`.
    /// - Returns: how many leaves were removed. By whole tiles of 256, so the last few of an old month stay until the next.
    /// - Throws: ``VaultError/conflict(_:)`` with `retention_too_short`.
    @discardableResult
    public func expireLog(olderThan months: Int, requestID: Reference) async throws -> UInt64 {
        guard months >= Limits.logRetentionMonths else {
            return try await refuse(
                .conflict("retention_too_short"), "retention_too_short", .logExpire, as: .localOperator,
                requestID: requestID, covers: { _ throws(TokenError) in throw .insufficientScope })
        }
        let clock = clock
        let end = try await reading { reader -> UInt64 in
            let head = try reader.logHead()
            // By the log's clock where that is behind: a clock that runs ahead removes nothing.
            let kept = LogMonth(of: min(clock(), head.lastTime)).before(months)
            let end = try reader.firstEntry(at: kept.start, size: head.size)
            let whole = end - end % UInt64(Tile.width)
            return whole > (try reader.firstLeaf()) ? whole : 0
        }
        guard end > 0 else { return 0 }
        // What is removed must be under a signed checkpoint: its leaves can never be hashed again.
        try await publishCheckpoint()
        var removed: UInt64 = 0
        while true {
            let step = try await removeLeaves(before: end, requestID: requestID)
            guard step > 0 else { break }
            removed += step
        }
        state.mustExpunge.withLock { $0 = true }
        await expungeErased()
        return removed
    }

    /// Removes some leaves before an index, with an entry: in steps, so that releases do not wait for millions of rows.
    private func removeLeaves(before end: UInt64, requestID: Reference) async throws -> UInt64 {
        try await manage(
            .logExpire, as: .localOperator, requestID: requestID,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<UInt64> in
                let first = try transaction.store.firstLeaf()
                let step = min(end, first + Self.removedAtOnce)
                guard step > first else { return .done(0) }
                try transaction.store.removeLeaves(before: step)
                try transaction.log(.logExpire, about: nil) { draft in
                    draft.count = step - first
                    draft.generation = step
                }
                return .done(step - first)
            })
    }

    /// Leaves removed by one transaction: a whole tile of the level above.
    private static var removedAtOnce: UInt64 { 65_536 }
}

/// A calendar month, UTC.
private struct LogMonth: CustomStringConvertible {
    /// Months since the year 0.
    let number: Int

    init(number: Int) { self.number = number }

    init(of time: Timestamp) {
        let text = time.description
        number = (Int(text.prefix(4)) ?? 1970) * 12 + (Int(text.dropFirst(5).prefix(2)) ?? 1) - 1
    }

    var next: LogMonth { LogMonth(number: number + 1) }
    func before(_ months: Int) -> LogMonth { LogMonth(number: number - months) }

    var start: Timestamp { Timestamp("\(description)-01T00:00:00Z") ?? Timestamp(milliseconds: 0) }

    var description: String {
        let (year, month) = number.quotientAndRemainder(dividingBy: 12)
        let digits = String(year)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + (month < 9 ? "-0" : "-")
            + String(month + 1)
    }
}

// Time, taken from the monotonic clock: a step of the wall clock must not show up as a latency.

import Glibc

/// Clocks, in nanoseconds.
enum Stopwatch {
    /// The monotonic clock.
    static var now: UInt64 { read(CLOCK_MONOTONIC) }
    /// Processor time of the calling thread.
    static var threadTime: UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// What one kind of operation costs.
struct OperationCost {
    let operations: Int
    let seconds: Double

    var microseconds: Double { seconds * 1e6 / Double(operations) }
    var perSecond: Double { Double(operations) / seconds }

    /// Repeats an operation for about so many seconds, after a tenth of that to warm up.
    static func measure(seconds: Double, _ operation: () throws -> Void) rethrows -> OperationCost {
        _ = try repeated(seconds: seconds / 10, operation)
        return try repeated(seconds: seconds, operation)
    }

    private static func repeated(seconds: Double, _ operation: () throws -> Void) rethrows -> OperationCost {
        let begun = Stopwatch.now
        let end = begun + UInt64(seconds * 1e9)
        var operations = 0
        while true {
            // The clock is read once for sixteen, so that it does not weigh on operations of a microsecond.
            for _ in 0..<16 { try operation() }
            operations += 16
            let now = Stopwatch.now
            if now >= end { return OperationCost(operations: operations, seconds: Double(now - begun) / 1e9) }
        }
    }
}

/// Latencies of one run, nanoseconds.
struct Latencies {
    private let sorted: [UInt64]

    init(_ samples: [UInt64]) { sorted = samples.sorted() }

    /// The smallest latency that this share of requests did not exceed, milliseconds (nearest rank).
    func milliseconds(quantile: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let rank = Int((quantile * Double(sorted.count)).rounded(.up))
        return Double(sorted[min(max(rank, 1), sorted.count) - 1]) / 1e6
    }
}

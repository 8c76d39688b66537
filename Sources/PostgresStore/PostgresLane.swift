// Where blocking calls run: each session on a serial queue of its own, and a few sessions for reading.

import ContactModel
import ContactVault
import Dispatch
import Synchronization

/// A session with the serial queue that alone uses it. It connects on its first use.
///
/// libpq blocks the thread that calls it, and bodies of transactions are synchronous: neither may hold a
/// thread of the concurrency runtime, of which there are only as many as cores.
final class PostgresLane: @unchecked Sendable {
    private let queue: DispatchQueue
    private let address: String
    private let role: PostgresConnection.Role
    // Sharing is safe: these two are touched on the serial queue alone.
    private var connection: PostgresConnection?
    private var isClosed = false

    init(_ address: String, role: PostgresConnection.Role) {
        self.address = address
        self.role = role
        queue = DispatchQueue(label: "contact-vault.postgres.\(role)")
    }

    /// Runs `body` when those before it are done.
    /// - Throws: what `body` throws; ``StoreError/unavailable(_:)``.
    func run<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async {
                continuation.resume(with: Swift.Result { try body(try self.connected()) })
            }
        }
    }

    /// Runs `body` between the begin and the end of a transaction, or of a snapshot if this is a reader's.
    func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection, _ serverTime: Timestamp) throws -> Result
    ) async throws -> Result {
        let isWriter = role != .reader
        return try await run { connection in
            do {
                let result = try body(connection, try connection.begin())
                if isWriter { try connection.commit() } else { connection.rollback() }
                return result
            } catch {
                connection.rollback()
                throw error
            }
        }
    }

    private func connected() throws -> PostgresConnection {
        guard !isClosed else { throw StoreError.unavailable("closed") }
        if let connection { return connection }
        let new = try PostgresConnection(address, role: role)
        connection = new
        return new
    }

    /// Waits for what is under way and ends the session.
    func close() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.isClosed = true
                self.connection = nil
                continuation.resume()
            }
        }
    }
}

/// Sessions for reading. Whoever finds all of them at work waits in line.
final class PostgresReaders: Sendable {
    private struct State {
        var idle: [PostgresLane]
        var waiting: [CheckedContinuation<PostgresLane, any Error>] = []
        var isClosed = false
    }

    private let lanes: [PostgresLane]
    private let state: Mutex<State>

    init(_ address: String, count: Int) {
        lanes = (0..<count).map { _ in PostgresLane(address, role: .reader) }
        state = Mutex(State(idle: lanes))
    }

    func snapshot<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection, _ serverTime: Timestamp) throws -> Result
    ) async throws -> Result {
        let lane = try await take()
        defer { give(lane) }
        return try await lane.transaction(body)
    }

    private func take() async throws -> PostgresLane {
        try await withCheckedThrowingContinuation { continuation in
            let answer: Result<PostgresLane, any Error>? = state.withLock { state in
                if state.isClosed { return .failure(StoreError.unavailable("closed")) }
                if let lane = state.idle.popLast() { return .success(lane) }
                state.waiting.append(continuation)
                return nil
            }
            if let answer { continuation.resume(with: answer) }
        }
    }

    private func give(_ lane: PostgresLane) {
        let next: CheckedContinuation<PostgresLane, any Error>? = state.withLock { state in
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            state.idle.append(lane)
            return nil
        }
        next?.resume(returning: lane)
    }

    /// Waits for what is under way and ends the sessions. Who waits in line is told that it is closed.
    func close() async {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(throwing: StoreError.unavailable("closed")) }
        for lane in lanes { await lane.close() }
    }
}

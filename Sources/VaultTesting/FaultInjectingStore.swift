// A store that fails when a test says so, around a real one: our own error paths are tested with the rows of a real store
// beneath them.

public import ContactVault
import Synchronization

/// Passes everything on to a store, or fails in a chosen way.
public final class FaultInjectingStore: VaultStore {
    /// How transactions fail.
    public enum Fault: Sendable {
        /// They do not.
        case none
        /// Before anything is read: the store cannot be reached.
        case beforeBody
        /// After everything is written and before it is durable: the disk is full.
        case beforeCommit
        /// After everything is durable: the connection broke before the answer came.
        case afterCommit
    }

    private let store: any VaultStore
    private let present = Mutex<Fault>(.none)

    /// A store that passes on.
    public init(_ store: any VaultStore) { self.store = store }

    /// How the next transactions fail.
    public var fault: Fault {
        get { present.withLock { $0 } }
        set { present.withLock { $0 = newValue } }
    }

    private static let failure = StoreError.unavailable("injected")

    /// As the store below, or ``StoreError/unavailable(_:)`` with the code `injected`.
    public func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultTransaction) throws -> Result
    ) async throws -> Result {
        switch fault {
        case .none:
            return try await store.transaction(body)
        case .beforeBody:
            throw Self.failure
        case .beforeCommit:
            return try await store.transaction { transaction in
                _ = try body(transaction)
                throw Self.failure
            }
        case .afterCommit:
            _ = try await store.transaction(body)
            throw Self.failure
        }
    }

    /// As the store below.
    public var isShared: Bool { store.isShared }

    /// As the store below.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (any VaultReader) throws -> Result
    ) async throws -> Result {
        try await store.read(body)
    }

    /// As the store below.
    public var schema: Int { store.schema }

    /// As the store below.
    public func snapshot(to path: String) async throws -> any VaultStore {
        try await store.snapshot(to: path)
    }

    /// As the store below.
    public func expunge() async throws { try await store.expunge() }

    /// Closes the store below.
    public func close() async throws { try await store.close() }
}

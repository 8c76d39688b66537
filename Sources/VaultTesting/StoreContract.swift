// What every store must do, as one list of cases that each store's tests run. The vault's guarantees rest on these.

public import ContactModel
public import ContactVault

/// A way to reach the store under test. What one case writes, another must not see: each case gets its own.
public struct StoreUnderTest: Sendable {
    /// Opens the store, making it where there is none. Called again after `close`, it opens the same rows.
    /// - Parameter clock: the clock of its transactions.
    public let open: @Sendable (_ clock: @escaping @Sendable () -> Timestamp) async throws -> any VaultStore

    /// A store that is opened by a function.
    public init(
        open:
            @escaping @Sendable (_ clock: @escaping @Sendable () -> Timestamp) async throws -> any VaultStore
    ) {
        self.open = open
    }
}

/// One case of the contract.
public struct StoreContractCase: Sendable, CustomStringConvertible {
    /// What is guaranteed.
    public let name: String
    /// Runs it on an empty store.
    /// - Throws: ``ContractViolation``, or what the store throws.
    public let run: @Sendable (StoreUnderTest) async throws -> Void

    /// What is guaranteed.
    public var description: String { name }

    init(_ name: String, _ run: @escaping @Sendable (StoreUnderTest) async throws -> Void) {
        self.name = name
        self.run = run
    }
}

/// A store that does not keep the contract.
public struct ContractViolation: Error, CustomStringConvertible {
    /// What was expected, and where.
    public let description: String
}

/// The contract of `VaultStore`, `VaultReader` and `VaultTransaction`.
public enum StoreContract {
    /// Every case.
    public static let cases: [StoreContractCase] = [
        transactionCases, logCases, contactCases, registrationCases, useCases, factCases, activityCases,
        countCases, approvalCases, keyCases, backupCases,
    ].flatMap(\.self)

    /// Cases of stores that copy themselves; others leave that to their server's tools.
    public static let copyingCases = snapshotCases

    /// Runs a case body on an opened store and closes it.
    static func onStore(
        _ name: String, _ body: @escaping @Sendable (any VaultStore) async throws -> Void
    ) -> StoreContractCase {
        StoreContractCase(name) { subject in
            let clock = FixedClock()
            let store = try await subject.open(clock.reading)
            do { try await body(store) } catch {
                try? await store.close()
                throw error
            }
            try await store.close()
        }
    }

    static func expect(
        _ condition: Bool, _ expectation: String, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        guard condition else { throw ContractViolation(description: "\(file):\(line): \(expectation)") }
    }

    static func expectEqual<Value: Equatable>(
        _ left: Value, _ right: Value, _ expectation: String, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        try expect(left == right, "\(expectation): \(left) is not \(right)", file: file, line: line)
    }

    static func expectError(
        _ expected: StoreError, _ expectation: String, file: StaticString = #fileID, line: UInt = #line,
        _ body: () async throws -> Void
    ) async throws {
        do { try await body() } catch let error as StoreError {
            return try expectEqual(error, expected, expectation, file: file, line: line)
        }
        throw ContractViolation(description: "\(file):\(line): \(expectation): no error")
    }
}

/// Values for the cases, all of them made up.
enum ContractSample {
    static let time = FixedClock.beginning
    static let identity = VaultIdentity(
        tenant: some(TenantID(bytes: bytes(16, 0x11))), issuer: "https://vault.example",
        logOrigin: "vault.example/access-log", created: time)

    static func bytes(_ count: Int, _ value: UInt8) -> [UInt8] { [UInt8](repeating: value, count: count) }

    /// A literal's value. A sample that does not parse is a mistake in this file.
    static func some<Value>(_ value: Value?) -> Value {
        guard let value else { preconditionFailure("a sample does not parse") }
        return value
    }

    static func reference(_ text: String) -> Reference { some(Reference(text)) }

    static func contactID(_ number: UInt8) -> ContactID { some(ContactID(bytes: bytes(15, 0) + [number])) }

    static func contact(
        _ number: UInt8, generation: UInt64 = 1, sealed: [UInt8] = [1, 2, 3], phone: UInt8? = nil,
        stopped: Timestamp? = nil, state: RecordState = .active, updated: Timestamp = time,
        retainUntil: String? = nil
    ) -> StoredContact {
        StoredContact(
            id: contactID(number), borrower: reference("br_\(number)"), portfolio: reference("pf_1"),
            attributes: Array("{\"v\":1}".utf8), generation: generation, sealed: sealed,
            disclosureKey: bytes(68, number), phoneIndexVersion: 1, phoneIndex: bytes(32, phone ?? number),
            state: state, stopped: stopped, created: time, updated: updated, retainUntil: retainUntil ?? "")
    }

    static func consent(
        _ number: UInt8, _ purpose: String, notice: String = "n1", recipients: Set<Reference>? = nil,
        withdrawn: Timestamp? = nil, expires: Timestamp? = nil
    ) -> StoredConsent {
        StoredConsent(
            contact: contactID(number), purpose: some(Purpose(purpose)), notice: reference(notice),
            evidence: bytes(32, number), recipients: recipients, given: time, expires: expires,
            withdrawn: withdrawn)
    }

    /// A batch of leaves; the store does not look into them.
    static func batch(first: UInt64, leaves: [[UInt8]], time: Timestamp = time) -> LogBatch {
        LogBatch(
            first: first, leaves: leaves, disclosures: [], tiles: [],
            head: LogHead(
                size: first + UInt64(leaves.count), frontier: bytes(32, UInt8(leaves.count)), lastTime: time))
    }

    static func leaf(_ number: Int) -> [UInt8] { Array("leaf \(number)".utf8) }

    static func useKey(_ number: UInt8, contact: UInt8 = 1, expires: Timestamp = time) -> TokenUseKey {
        TokenUseKey(token: bytes(32, number), contact: contactID(contact), expires: expires)
    }

    static func deliveryKey(
        _ number: UInt8, request: String = "rq_1", expires: Timestamp = time
    ) -> DeliveryKey {
        DeliveryKey(token: bytes(32, number), request: request, contact: contactID(1), expires: expires)
    }
}

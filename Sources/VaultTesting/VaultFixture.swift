// A real vault in a folder of its own: the embedded store, fresh keys in memory, a policy, a clock.

public import AccessLog
public import AccessToken
public import ContactModel
public import ContactVault
public import EnvelopeEncryption
public import PurposePolicy
import SQLiteStore
public import VaultCrypto

/// A vault for tests and measurements, with nothing in it replaced but, if wanted, the clock.
public final class VaultFixture: Sendable {
    /// Where its files are; removed with the last user.
    public let folder: TemporaryFolder
    /// The keys it was opened with. They exist in memory alone, unless it has a ``storage``.
    public let keyring: Keyring
    /// Where its keyring is kept, if its keys are to change.
    public let storage: KeyringStorage?
    /// The store as the vault has it.
    public let store: any VaultStore
    /// The vault.
    public let vault: Vault
    /// The clock of vault and store.
    public let clock: @Sendable () -> Timestamp
    private let memory: CheckpointMemory?
    private let random: any RandomSource
    private let wrapping: @Sendable (any VaultStore) -> any VaultStore

    /// Issuer of every fixture's vault.
    public static let issuer = "https://vault.example"
    /// Name of the store's file in the folder.
    public static let storeName = "vault.sqlite"

    /// Path of the store's file.
    public var storePath: String { folder.file(Self.storeName) }

    private init(
        folder: TemporaryFolder, keyring: Keyring, storage: KeyringStorage?, store: any VaultStore,
        vault: Vault, memory: CheckpointMemory?,
        clock: @escaping @Sendable () -> Timestamp, random: any RandomSource,
        wrapping: @escaping @Sendable (any VaultStore) -> any VaultStore
    ) {
        self.folder = folder
        self.keyring = keyring
        self.storage = storage
        self.store = store
        self.vault = vault
        self.memory = memory
        self.clock = clock
        self.random = random
        self.wrapping = wrapping
    }

    /// Makes a vault and opens it.
    /// - Parameters:
    ///   - folder: where its files go; `nil` for a folder of its own.
    ///   - policy: the policy's YAML text.
    ///   - calendars: texts of the holiday calendars that it names.
    ///   - clock: the clock of vault and store, such as a ``FixedClock``'s `reading`.
    ///   - random: where keys, nonces and identifiers come from.
    ///   - storesKeyring: whether the keyring is kept in the folder, under a root key beside it, so that keys can change.
    ///   - remembersSigning: whether the signer of the log remembers in the folder what it signed.
    ///   - trustedIssuers: other authorization servers whose tokens are accepted.
    ///   - wrapping: what to put around the store, such as a ``FaultInjectingStore``.
    public static func make(
        in folder: TemporaryFolder? = nil, policy: String = VaultFixture.policy(uses: 1),
        calendars: [String: String] = StarterPolicy.calendars,
        clock: @escaping @Sendable () -> Timestamp = Vault.systemClock,
        random: any RandomSource = SystemRandom(), storesKeyring: Bool = false,
        remembersSigning: Bool = false, trustedIssuers: [TrustedIssuer] = [],
        wrapping: @escaping @Sendable (any VaultStore) -> any VaultStore = { $0 }
    ) async throws -> VaultFixture {
        guard let tenant = TenantID(bytes: try random.bytes(16)) else {
            throw FixtureFault.malformed("tenant")
        }
        let keyring = try Keyring.make(tenant: tenant, random: random, now: clock())
        let folder = try folder ?? TemporaryFolder()
        var storage: KeyringStorage?
        if storesKeyring {
            let root = try RootKeyFile.createUnsealed(at: folder.file("root.key"), random: random)
            let kept = KeyringStorage(file: KeyringFile(folder.file("keyring")), root: root, random: random)
            try kept.store(keyring)
            storage = kept
        }
        let store = wrapping(
            try SQLiteStore.open(path: folder.file(storeName), create: true, clock: clock))
        try await Vault.create(
            in: store, keyring: keyring, issuer: issuer, policy: policy, calendars: calendars,
            instance: try instance(), random: random)
        let memory = remembersSigning ? CheckpointMemory(path: folder.file("signer.checkpoint")) : nil
        return VaultFixture(
            folder: folder, keyring: keyring, storage: storage, store: store,
            vault: try await Vault.open(
                store: store, keyring: keyring, storage: storage, memory: memory, instance: try instance(),
                trustedIssuers: trustedIssuers, random: random, clock: clock),
            memory: memory, clock: clock, random: random, wrapping: wrapping)
    }

    /// The demonstration policy (no hours, no caps) with another number of uses for each token.
    public static func policy(uses: Int) -> String {
        StarterPolicy.demonstrationPolicy.replacing("uses: 1}", with: "uses: \(uses)}")
    }

    private static func instance() throws -> Reference {
        guard let instance = Reference("fixture-1") else { throw FixtureFault.malformed("instance") }
        return instance
    }

    /// Opens the same files again. The vault must be closed, or its store.
    public func reopened() async throws -> VaultFixture {
        let store = wrapping(try SQLiteStore.open(path: storePath, clock: clock))
        let keyring = try storage?.load() ?? keyring
        return VaultFixture(
            folder: folder, keyring: keyring, storage: storage, store: store,
            vault: try await Vault.open(
                store: store, keyring: keyring, storage: storage, memory: memory,
                instance: try Self.instance(), random: random, clock: clock),
            memory: memory, clock: clock, random: random, wrapping: wrapping)
    }

    /// A fresh request id.
    public func requestID() throws -> Reference {
        let number = try random.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let id = Reference("rq_" + String(number, radix: 36)) else {
            throw FixtureFault.malformed("request id")
        }
        return id
    }

    // MARK: Clients and contacts

    /// Makes a key and registers a client with it.
    public func registerClient(
        _ name: String = "dialer-1", kind: ClientKind = .gateway, roles: Set<Role> = [.collection],
        agency: String = "ag_north", portfolios: [String] = [], purposes: [String] = [],
        algorithm: SignatureAlgorithm = .es256, encryptionKey: EncryptionJWK? = nil
    ) async throws -> FixtureClient {
        guard let id = Reference(name), let agency = Reference(agency) else {
            throw FixtureFault.malformed("client")
        }
        let key = PrivateJWK(try SigningKey(generating: algorithm))
        let registration = RegisteredClient(
            id: id, agency: agency, kind: kind, roles: roles, keys: [key.publicJWK],
            portfolios: Set(portfolios.compactMap { Reference($0) }),
            purposes: Set(purposes.compactMap { Purpose($0) }), encryptionKey: encryptionKey)
        try await vault.registerClient(registration, requestID: try requestID())
        return FixtureClient(vault: vault, registration: registration, key: key, clock: clock, random: random)
    }

    /// Stores a contact on the operator's word.
    public func store(_ contact: InventedContact = .ouyang) async throws -> ContactID {
        try await vault.storeContact(json: contact.json, as: .localOperator, requestID: try requestID())
            .contact
    }

    /// Stores many numbered contacts on the operator's word, 200 a transaction.
    public func store(numbered numbers: Range<Int>) async throws -> [ContactID] {
        var contacts: [ContactID] = []
        var first = numbers.lowerBound
        while first < numbers.upperBound {
            let last = min(first + 200, numbers.upperBound)
            let results = try await vault.importContacts(
                (first..<last).map { InventedContact.numbered($0).json }, as: .localOperator,
                requestID: try requestID(), isFirst: true)
            contacts += try results.map { try $0.get().contact }
            first = last
        }
        return contacts
    }

    // MARK: Keys

    /// Carries out a step of a key on the operator's word; where it takes a second person, a client of role `security` approves it.
    @discardableResult
    public func changeKeys(_ change: KeyChange) async throws -> KeyStatus {
        switch try await vault.changeKeys(change, as: .localOperator, requestID: try requestID()) {
        case .done(let status): return status
        case .waiting(let approval): try await approve(approval)
        }
        let key: KeyReference
        switch change {
        case .destroy(let reference), .compromise(let reference), .enable(let reference): key = reference
        case .add, .addKEK, .promote, .retire, .disable: throw FixtureFault.malformed("key change")
        }
        let keys = try await vault.keyStatus(as: .localOperator, requestID: try requestID())
        guard let status = keys.first(where: { $0.key.reference == key }) else {
            throw FixtureFault.malformed("key change")
        }
        return status
    }

    /// Approves something as a client of role `security` that was registered for it.
    public func approve(_ approval: ApprovalID) async throws {
        let number = try random.bytes(4).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let colleague = try await registerClient("security-\(number)", kind: .service, roles: [.security])
        let access = try await colleague.access(
            try await colleague.token(.keyManagement(KeyManagementDetails(operation: .approve))),
            method: "POST", path: "/v1/approvals/\(approval)/approve")
        try await vault.approve(approval, as: .client(access), requestID: try requestID())
    }

    /// Runs a job on the operator's word to its end.
    @discardableResult
    public func runKeyJob(_ request: KeyJobRequest) async throws -> KeyJob {
        var job = try await vault.beginKeyJob(request, as: .localOperator, requestID: try requestID())
        while job.row.state == .running {
            guard let next = try await vault.advanceKeyJob() else { throw FixtureFault.malformed("job") }
            job = next
        }
        return job
    }

    // MARK: The log

    /// Every leaf of the log as it is stored. Reads beside the vault, so it adds no entry.
    public func leaves() async throws -> [[UInt8]] {
        try await store.read { reader in try reader.logLeaves(0..<(try reader.logHead().size)) }
    }

    /// Every entry of the log, decoded.
    public func entries() async throws -> [LogEntry] { try await leaves().map { try LogEntry(decoding: $0) } }

    /// Recomputes the whole log with nothing but its public key.
    @discardableResult
    public func verifyLog() async throws -> VerifiedLog {
        try await LogVerification.run(store, by: try logVerifiers())
    }

    /// Keys of the log.
    public func logVerifiers() throws -> [NoteVerifier] {
        try vault.logVerifierKeys.map { try NoteVerifier(verifierKey: $0) }
    }
}

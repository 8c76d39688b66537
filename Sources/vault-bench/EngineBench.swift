// The engine in process, part by part, and the whole release without HTTP.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import PurposePolicy
import VaultCrypto

/// Measures the engine.
struct EngineBench {
    let engine: EngineVault
    let seconds: Double

    /// Every row, in the order of a release.
    func table() async throws -> TextTable {
        var table = TextTable(["operation", "µs", "per second"])
        func add(_ name: String, _ cost: OperationCost) {
            table.add([
                name, TextTable.number(cost.microseconds, decimals: 2), TextTable.number(cost.perSecond),
            ])
        }
        let proof = try engine.proofs(1)[0]
        add("proof made (ES256, client)", try proofMade())
        add("token verified, first time", try tokenVerified(cacheLimit: 0))
        add("token verified, verdict cached", try tokenVerified(cacheLimit: 16))
        add("proof verified (ES256)", try proofVerified(proof))
        add("policy decision", try decided())
        add("entry encoded, hashed, appended", try appended())
        add("secret of 32 bytes made and wiped", secretMade())
        add("envelope opened, one field", try opened())
        add("contact sealed, three fields", try sealed())
        for callers in [1, 64] {
            let name = callers == 1 ? "1 caller" : "\(callers) callers"
            add("release in process, synced, \(name)", try await released(callers: callers))
        }
        return table
    }

    private func proofMade() throws -> OperationCost {
        let batch = ProofBatch(issuer: EngineVault.issuer, key: engine.key, tokens: engine.tokens)
        let nonce = try engine.nonce()
        return try .measure(seconds: seconds) { _ = try batch.make(1, nonce: nonce) }
    }

    private func verifier(cacheLimit: Int) -> TokenVerifier {
        TokenVerifier(
            issuer: EngineVault.issuer, audience: engine.vault.audience,
            keys: engine.keyring.tokenVerificationKeys,
            cacheLimit: cacheLimit)
    }

    private func tokenVerified(cacheLimit: Int) throws -> OperationCost {
        let verifier = verifier(cacheLimit: cacheLimit)
        let token = Array(engine.tokens[0].compact.utf8)
        return try .measure(seconds: seconds) { _ = try verifier.verify(token, now: Vault.systemClock()) }
    }

    private func proofVerified(_ proof: ProofBatch.Proof) throws -> OperationCost {
        guard let origin = ExternalOrigin(EngineVault.issuer) else { throw BenchFailure.failed("the issuer") }
        let proofs = DPoPVerifier(
            origin: origin, nonces: DPoPNonceAuthority(keys: engine.keyring.dpopNonceKeys))
        let token = engine.tokens[proof.token]
        let verified = try verifier(cacheLimit: 1).verify(Array(token.compact.utf8), now: Vault.systemClock())
        return try .measure(seconds: seconds) {
            _ = try proofs.verify(
                headerValues: [proof.text], method: "POST", path: token.path, binding: .token(verified),
                now: Vault.systemClock())
        }
    }

    private func secretMade() -> OperationCost {
        .measure(seconds: seconds) { _ = SecretBytes(count: 32) { (_) throws(Never) in } }
    }

    private func decided() throws -> OperationCost {
        // The whole catalogue: hours, the caps of purpose and jurisdiction with a history, consent, ceilings.
        let policy = try Policy.parse(
            text: StarterPolicy.starterCatalogue, file: "bench", calendars: StarterPolicy.calendars)
        guard let zone = TimeZoneDatabase.system.zone("Asia/Shanghai") else {
            throw BenchFailure.failed("no time-zone database: install tzdata")
        }
        let now = zone.start(of: zone.localTime(at: Vault.systemClock()).day).adding(seconds: 12 * 3600)
        let contact = engine.tokens[0].contact
        let purpose = try InventedPeople.purpose
        let portfolio = try InventedPeople.reference("pf_bench")
        let request = ReleaseRequest(
            scope: ReleaseScope(
                purpose: purpose, action: try InventedPeople.dial, fields: [.phone], stage: .callCollection,
                precondition: .unreachableThreeDays, reference: nil,
                actor: Actor(kind: .human, id: try InventedPeople.reference("u_bench")),
                agency: engine.client.agency,
                clientKind: .gateway, clientRoles: [.collection], clientPurposes: nil),
            tenant: engine.keyring.tenant, contact: contact,
            caseReference: try InventedPeople.reference("cs_bench"), clientPortfolios: nil)
        // Optional, as the vault has it.
        let facts: ContactFacts? = ContactFacts(
            contact: contact, state: .active, stopped: nil, generation: 1, portfolio: portfolio,
            consents: [
                ConsentFact(purpose: purpose, given: now.adding(seconds: -60), expires: nil, withdrawn: nil)
            ],
            verification: .unverified, verifiedAt: nil, zones: [zone],
            releases: [20, 26].map { days in
                PastRelease(
                    time: now.adding(seconds: -days * 86_400), purpose: purpose, isMask: false,
                    isApproach: true,
                    isSameNumber: true, isSameCase: false, isSameReference: false)
            })
        let usage = UsageFacts()
        return try .measure(seconds: seconds) {
            if let denial = policy.decide(request, facts: facts, usage: usage, at: now).denial {
                throw BenchFailure.failed("the policy denied: \(denial.rawValue)")
            }
        }
    }

    private func appended() throws -> OperationCost {
        let random = SystemRandom()
        let now = Vault.systemClock()
        let parts = DisclosedParts(
            contact: engine.tokens[0].contact, caseReference: try InventedPeople.reference("cs_bench"),
            actor: Actor(kind: .human, id: try InventedPeople.reference("u_bench")), sequence: 1)
        var entry = LogEntry(
            id: EntryID.make(time: now, random: try random.bytes(10)), time: now,
            source: try InventedPeople.reference("bench"), kind: .release, outcome: .permit)
        entry.requestID = try InventedPeople.reference("7f9c2ba4-e88f-4d2a-8a41-2f6b1c5d9e02")
        entry.client = engine.client.id
        entry.agency = engine.client.agency
        entry.keyThumbprint = EntryDigest(engine.key.thumbprint)
        entry.tokenDigest = EntryDigest(hashing: "bench")
        entry.purpose = try InventedPeople.purpose
        entry.action = try InventedPeople.dial
        entry.form = .reveal
        entry.fields = [.phone]
        entry.stage = .callCollection
        entry.precondition = .unreachableThreeDays
        entry.policyVersion = Reference(engine.vault.policyVersion)
        entry.use = 1
        entry.maximumUses = 1
        entry.keyVersion = 1
        entry.generation = 1
        entry.disclosureDigests = try parts.disclosures(random: random).map(\.digest)
        var frontier = Frontier()
        return try .measure(seconds: seconds) {
            frontier.append(leafHash: MerkleTree.leafHash(try entry.encode()))
        }
    }

    private var context: RecordContext {
        RecordContext(
            tenant: engine.keyring.tenant, record: engine.tokens[0].contact, generation: 1, schema: 1)
    }

    private static let binding = [UInt8](repeating: 0x20, count: 300)

    private func record() throws -> SealedRecord {
        try engine.keyring.seal(
            name: SecretBytes(copying: Array("张三".utf8)),
            phone: SecretBytes(copying: Array("+8613800100000".utf8)),
            relation: SecretBytes(copying: Array("friend".utf8)), binding: Self.binding, context: context,
            random: SystemRandom())
    }

    private func sealed() throws -> OperationCost { try .measure(seconds: seconds) { _ = try record() } }

    private func opened() throws -> OperationCost {
        let record = try record()
        let receipt = EntryReceipt(
            index: 0, leafHash: [UInt8](repeating: 0, count: 32), time: Vault.systemClock())
        return try .measure(seconds: seconds) {
            let permit = ReleasePermit(
                tenant: context.tenant, contact: context.record, generation: 1, fields: [.phone],
                form: .reveal)
            let opened = try engine.keyring.open(
                record, schema: 1, binding: Self.binding,
                consuming: RecordedPermit(recording: permit, receipt: receipt))
            guard opened.phone != nil else { throw BenchFailure.failed("no number") }
        }
    }

    // MARK: The whole release

    private func released(callers: Int) async throws -> OperationCost {
        let warm = try await releases(callers: callers, count: 512)
        let count = max(512, Int(warm.perSecond * seconds))
        return try await releases(callers: callers, count: count)
    }

    /// So many releases, shared out among callers that each wait for one before the next.
    private func releases(callers: Int, count: Int) async throws -> OperationCost {
        let proofs = try engine.proofs(count)
        let engine = engine
        let requestID = try InventedPeople.reference("rq_bench")
        let begun = Stopwatch.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    for index in stride(from: caller, to: count, by: callers) {
                        // A request id of its own: the same one would be a repetition, answered without a new use.
                        try await engine.release(
                            proofs[index], requestID: Reference("rq_\(count)_\(index)") ?? requestID)
                    }
                }
            }
            try await group.waitForAll()
        }
        return OperationCost(operations: count, seconds: Double(Stopwatch.now - begun) / 1e9)
    }
}

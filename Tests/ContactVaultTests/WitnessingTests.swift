// Witnesses from the vault's side: what they cosign is published, and what they contradict ends every release. The witness is the
// real one; only the wire between is left out.

import AccessLog
import ContactModel
import ContactVault
import Foundation
import SQLiteStore
import Synchronization
import Testing
import VaultCrypto
import VaultTesting

/// Witnesses without HTTP.
private final class Witnesses: Sendable {
    let policy: LogTrustPolicy
    private let witnesses: [String: Witness]
    private let seen = Mutex<[String: Checkpoint]>([:])
    private let unreachable = Mutex<Set<String>>([])
    private let asked = Mutex(0)

    init(_ count: Int, quorum: String, logs: [NoteVerifier]) throws {
        var text = LogTrustPolicy(logs: logs).text.replacing("quorum none\n", with: "")
        var witnesses: [String: Witness] = [:]
        for number in 1...count {
            let signer = try NoteSigner(
                name: "w.example/\(number)", key: SigningKey(generating: .ed25519), kind: .witness)
            witnesses["https://w.example/\(number)"] = Witness(signer: signer, logs: logs)
            text += "witness w\(number) \(signer.verifier.verifierKey) https://w.example/\(number)\n"
        }
        policy = try LogTrustPolicy(parsing: text + quorum)
        self.witnesses = witnesses
    }

    struct Unreachable: Error {}

    var requests: Int { asked.withLock { $0 } }

    func silence(_ numbers: [Int]) {
        unreachable.withLock { $0 = Set(numbers.map { "https://w.example/\($0)" }) }
    }

    var witnessing: Witnessing {
        Witnessing(policy: policy) { [self] prefix, body in
            asked.withLock { $0 += 1 }
            guard let witness = witnesses[prefix], !unreachable.withLock({ $0.contains(prefix) }) else {
                throw Unreachable()
            }
            return try seen.withLock { seen in
                do throws(WitnessRefusal) {
                    let request = try WitnessRequest(parsing: body)
                    seen[prefix] = try witness.check(request, after: seen[prefix])
                } catch {
                    switch error {
                    case .conflict(let size): return .conflict(size: size)
                    case .inconsistent: return .inconsistent
                    case .malformed, .logUnknown, .signerUnknown: return .refused(status: 400)
                    }
                }
                guard let checkpoint = seen[prefix] else { throw Unreachable() }
                return .cosigned(
                    Array(try witness.cosign(checkpoint, at: Timestamp(seconds: 1_767_225_600)).utf8))
            }
        }
    }
}

@Suite("Witnesses")
struct WitnessingTests {
    private func open(_ fixture: VaultFixture, _ witnesses: Witnesses) async throws -> Vault {
        try await Vault.open(
            store: SQLiteStore.open(path: fixture.storePath), keyring: fixture.keyring,
            witnessing: witnesses.witnessing, instance: try #require(Reference("witnessed")))
    }

    private func store(_ number: Int, in vault: Vault, _ fixture: VaultFixture) async throws {
        _ = try await vault.storeContact(
            json: InventedContact.numbered(number).json, as: .localOperator,
            requestID: try fixture.requestID())
    }

    private func made() async throws -> (VaultFixture, [NoteVerifier]) {
        let fixture = try await VaultFixture.make()
        let keys = try fixture.logVerifiers()
        try await fixture.vault.close()
        return (fixture, keys)
    }

    @Test("a checkpoint is published with its cosignatures when they are a quorum, and not before")
    func quorum() async throws {
        let (fixture, keys) = try await made()
        let witnesses = try Witnesses(3, quorum: "group q 2 w1 w2 w3\nquorum q\n", logs: keys)
        let vault = try await open(fixture, witnesses)
        try await vault.publishCheckpoint()
        let first = try #require(try await vault.witnessCheckpoint())
        #expect(first.isQuorum && first.cosigners == ["w1", "w2", "w3"])
        let witnessed = try #require(vault.latestWitnessedCheckpoint)
        #expect(
            try witnesses.policy.verify(SignedNote(parsing: Array(witnessed.note.utf8))).size == first.size)
        #expect(try await vault.witnessCheckpoint() == nil, "nothing new")

        try await store(1, in: vault, fixture)
        try await vault.publishCheckpoint()
        witnesses.silence([1, 2])
        let fewer = try #require(try await vault.witnessCheckpoint())
        #expect(!fewer.isQuorum && fewer.cosigners == ["w3"])
        #expect(vault.latestWitnessedCheckpoint?.size == first.size, "the last with a quorum stays")
        witnesses.silence([])
        #expect(try #require(try await vault.witnessCheckpoint()).isQuorum)

        // Proofs and exports lead to what witnesses have seen.
        let proof = try await vault.proof(of: 0, as: .localOperator, requestID: try fixture.requestID()).proof
        #expect(try witnesses.policy.isQuorum(of: proof.note))
        guard
            case .done(let export) = try await vault.beginExport(
                ExportRequest(), as: .localOperator, requestID: try fixture.requestID())
        else { throw FixtureFault.malformed("export") }
        #expect(try witnesses.policy.isQuorum(of: SignedNote(parsing: Array(export.note.utf8))))
        let last = try #require(vault.latestWitnessedCheckpoint)
        try await vault.close()

        // Kept over a restart, and verified like any other.
        witnesses.silence([1, 2, 3])
        let again = try await open(fixture, witnesses)
        #expect(again.latestWitnessedCheckpoint == last)
        try await again.close()
        let rows = try SQLiteStore.openForReading(path: fixture.storePath)
        _ = try await LogVerification.run(rows, by: keys)
        try await rows.close()
    }

    @Test("a database that was rolled back is found by the witness before the vault writes into it")
    func rolledBackAtStart() async throws {
        let (fixture, keys) = try await made()
        let witnesses = try Witnesses(1, quorum: "quorum w1\n", logs: keys)
        let backup = try Data(contentsOf: URL(fileURLWithPath: fixture.storePath))
        let vault = try await open(fixture, witnesses)
        for number in 0..<5 { try await store(number, in: vault, fixture) }
        try await vault.publishCheckpoint()
        try await vault.witnessCheckpoint()
        try await vault.close()

        try backup.write(to: URL(fileURLWithPath: fixture.storePath))
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: fixture.storePath + suffix)
        }
        do {
            _ = try await open(fixture, witnesses)
            Issue.record("opened")
        } catch VaultError.inconsistent(let what) {
            #expect(what == "log_contradicted_by_a_witness")
        }
        // A witness that does not answer cannot contradict, and does not keep a vault from opening.
        witnesses.silence([1])
        try await open(fixture, witnesses).close()
    }

    @Test("a history that was rewritten under the vault ends every release from it")
    func rewrittenWhileServing() async throws {
        let (fixture, keys) = try await made()
        let witnesses = try Witnesses(1, quorum: "quorum w1\n", logs: keys)
        let backup = try Data(contentsOf: URL(fileURLWithPath: fixture.storePath))
        let vault = try await open(fixture, witnesses)
        for number in 0..<3 { try await store(number, in: vault, fixture) }
        try await vault.publishCheckpoint()
        try await vault.witnessCheckpoint()
        try await vault.close()

        // The same vault from its backup, away from the witness until it is longer than what that has seen.
        try backup.write(to: URL(fileURLWithPath: fixture.storePath))
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: fixture.storePath + suffix)
        }
        witnesses.silence([1])
        let forked = try await open(fixture, witnesses)
        for number in 10..<30 { try await store(number, in: forked, fixture) }
        try await forked.publishCheckpoint()
        try await forked.probe()
        witnesses.silence([])
        do {
            try await forked.witnessCheckpoint()
            Issue.record("cosigned")
        } catch VaultError.inconsistent(let what) {
            #expect(what == "log_contradicted_by_a_witness")
        }
        let size = try await forked.logSize()
        for refused in [
            await refusal { try await forked.probe() },
            await refusal { try await store(99, in: forked, fixture) },
            await refusal { try await forked.publishCheckpoint() },
        ] {
            guard case .logUnavailable("contradicted_by_a_witness")? = refused else {
                Issue.record("\(String(describing: refused))")
                continue
            }
        }
        #expect(try await forked.logSize() == size)
    }

    @Test("an answer that is no cosignature of this witness over this checkpoint counts for nothing")
    func worthlessAnswers() async throws {
        let (fixture, keys) = try await made()
        let witnesses = try Witnesses(1, quorum: "quorum w1\n", logs: keys)
        let answers: [WitnessAnswer] = [
            .cosigned([]), .cosigned(Array("— w.example/1 AAAA\n".utf8)), .cosigned(Array("\n\n".utf8)),
            .cosigned(Array("— w.example/1 \(String(repeating: "A", count: 104))\n".utf8)),
            .refused(status: 500),
        ]
        for answer in answers {
            let vault = try await Vault.open(
                store: SQLiteStore.open(path: fixture.storePath), keyring: fixture.keyring,
                witnessing: Witnessing(policy: witnesses.policy) { _, _ in answer },
                instance: try #require(Reference("witnessed")))
            let witnessed = try #require(try await vault.witnessCheckpoint())
            #expect(!witnessed.isQuorum && witnessed.cosigners.isEmpty)
            #expect(vault.latestWitnessedCheckpoint == nil)
            try await vault.close()
        }
    }
}

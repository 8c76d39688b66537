// The access log by itself: how fast it grows, what a proof costs when it is long, and how long an export and its audit take.

import AccessLog
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import SQLiteStore
import StrictEncoding
import VaultCrypto

/// Measures the log of a vault that is made for it.
struct LogBench {
    let executable: ServiceExecutable
    let options: BenchOptions
    let folder: String

    private var data: String { folder + "/var" }
    /// Entries about contacts, with personal parts, at most: what an export discloses. Beyond it entries have none, so that a long log
    /// is made in minutes.
    private static let disclosed = 1_000_000
    private static let contacts = 1000
    private static let issuer = "http://127.0.0.1:1"

    /// Appends, proofs at each size, and the export at a million.
    func tables() async throws -> [TextTable] {
        try await executable.run(["init", "--development", "--data", data, "--issuer", Self.issuer])
        var appends = TextTable(["entries a transaction, each synced", "µs an entry", "entries a second"])
        var proofs = TextTable([
            "entries in the log", "µs an inclusion proof", "µs a consistency proof", "hashes",
        ])
        var tables: [TextTable] = []
        for (place, size) in options.logEntries.enumerated() {
            let log = try await GrowingLog(data: data, contacts: Self.contacts)
            try await log.grow(to: size, disclosedUntil: Self.disclosed)
            proofs.add(try await log.proofs(seconds: options.seconds / 4))
            if place == 0 {
                for batch in [1, 16, 256] {
                    let cost = try await log.append(batch: batch, seconds: options.seconds / 4)
                    appends.add([
                        String(batch), TextTable.number(cost.microseconds, decimals: 1),
                        TextTable.number(cost.perSecond),
                    ])
                }
                tables.append(appends)
            }
            try await log.close()
            if size == options.logEntries.last(where: { $0 <= Self.disclosed }) {
                tables.append(try await export(size))
            }
        }
        tables.insert(proofs, at: 1)
        return tables
    }

    /// So many entries are exported only when an officer has approved it, which takes the service.
    private func approveExport(to bundle: String) async throws {
        let officer = "officer-1"
        let key = folder + "/officer.jwk"
        try await executable.run(["client", "key", key])
        try await executable.run([
            "client", "add", officer, "--agency", "ag_bench", "--kind", "service", "--role", "privacy",
            "--jwk",
            key + ".pub", "--data", data,
        ])
        let service = try ServiceProcess(executable, data: data, messages: folder + "/service.log")
        do {
            let list = folder + "/approvals.ndjson"
            // It says that it waits, and exports nothing.
            do { try await executable.run(["log", "export", bundle, "--data", data]) } catch {}
            try await executable.run(["approvals", "list", "--json", "--data", data], output: list)
            let line = try Data(contentsOf: URL(fileURLWithPath: list)).split(separator: 0x0A).first ?? Data()
            guard let approval = try JSONValue.parse(Array(line)).objectValue?["approval"]?.stringValue else {
                throw BenchFailure.failed("the export of \(bundle) did not wait for a second person")
            }
            try await executable.run([
                "approvals", "approve", approval, "--export", "--client", officer, "--key", key, "--issuer",
                Self.issuer, "--endpoint", "http://127.0.0.1:\(service.dataPort)",
            ])
        } catch {
            try? await service.stop()
            throw error
        }
        try await service.stop()
    }

    /// The export of everything and its audit, each in a process of its own.
    private func export(_ size: Int) async throws -> TextTable {
        var table = TextTable(["of \(TextTable.number(Double(size))) entries", "seconds", "peak memory, MiB"])
        let (bundle, policy) = (folder + "/bundle", folder + "/policy.txt")
        let key = try String(contentsOfFile: data + "/log.vkey", encoding: .utf8)
        try ("log " + key + "quorum none\n").write(toFile: policy, atomically: true, encoding: .utf8)
        if size > Limits.bulkExportEntries { try await approveExport(to: bundle) }
        for (name, arguments) in [
            ("export", ["log", "export", bundle, "--data", data]),
            ("offline audit", ["log", "audit", bundle, "--policy", policy]),
            ("log verify", ["log", "verify", "--data", data]),
        ] {
            let run = try await executable.measured(arguments)
            table.add([
                name, TextTable.number(run.seconds, decimals: 1),
                TextTable.number(Double(run.peakKiB) / 1024, decimals: 0),
            ])
        }
        return table
    }
}

/// A log that is appended to past the vault, with the vault's own writer.
private struct GrowingLog {
    private let store: SQLiteStore
    private let keyring: Keyring
    private let source: Reference
    private let contacts: [StoredContact]
    private let template: EntryDraft

    init(data: String, contacts count: Int) async throws {
        let root = try RootKeyFile.load(at: data + "/root.key") {
            throw BenchFailure.failed("a sealed root key")
        }
        keyring = try KeyringStorage(file: KeyringFile(data + "/keyring"), root: root).load()
        store = try SQLiteStore.open(path: data + "/vault.sqlite")
        source = try InventedPeople.reference("bench")
        // Not whole contacts: what the writer of entries needs of one is its name and its key.
        let keyring = keyring
        contacts = try (0..<count).map { number in
            guard let id = ContactID(bytes: try SystemRandom().bytes(16))
            else { throw BenchFailure.failed("a contact's name") }
            return StoredContact(
                id: id, borrower: try InventedPeople.reference("br_\(number)"),
                portfolio: try InventedPeople.reference("pf_bench"), attributes: [], generation: 1,
                sealed: [],
                disclosureKey: try keyring.makeDisclosureKey(
                    tenant: keyring.tenant, contact: id, random: SystemRandom()),
                phoneIndexVersion: 1, phoneIndex: [UInt8](repeating: UInt8(number % 256), count: 32),
                state: .active,
                stopped: nil, created: Vault.systemClock(), updated: Vault.systemClock())
        }
        var draft = EntryDraft(.release, .permit)
        draft.requestID = try InventedPeople.reference("7f9c2ba4-e88f-4d2a-8a41-2f6b1c5d9e02")
        draft.client = try InventedPeople.reference("dialer-1")
        draft.agency = try InventedPeople.reference("ag_bench")
        draft.keyThumbprint = EntryDigest("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
        draft.tokenDigest = EntryDigest(hashing: "bench")
        draft.purpose = try InventedPeople.purpose
        draft.action = try InventedPeople.dial
        draft.form = .reveal
        draft.fields = [.phone]
        draft.stage = .callCollection
        draft.precondition = .unreachableThreeDays
        draft.use = 1
        draft.maximumUses = 1
        draft.keyVersion = 1
        draft.generation = 1
        draft.caseReference = try InventedPeople.reference("cs_bench")
        draft.actor = Actor(kind: .human, id: try InventedPeople.reference("u_bench"))
        template = draft
        let stored = contacts
        try await store.transaction { try $0.insertContacts(stored) }
    }

    func close() async throws { try await store.close() }

    /// Appends batches of a size for about so many seconds.
    func append(batch: Int, seconds: Double) async throws -> OperationCost {
        let begun = Stopwatch.now
        let end = begun + UInt64(seconds * 1e9)
        var count = 0
        while Stopwatch.now < end {
            try await write(batch, from: count, disclosing: true)
            count += batch
        }
        return OperationCost(operations: count, seconds: Double(Stopwatch.now - begun) / 1e9)
    }

    /// Appends until the log has so many entries.
    func grow(to size: Int, disclosedUntil limit: Int) async throws {
        var now = Int(try await store.read { try $0.logHead().size })
        while now < size {
            let batch = min(2048, size - now)
            try await write(batch, from: now, disclosing: now < limit)
            now += batch
        }
    }

    private func write(_ count: Int, from first: Int, disclosing: Bool) async throws {
        let (keyring, source, template, contacts) = (keyring, source, template, contacts)
        let chosen =
            disclosing ? (0..<min(count, contacts.count)).map { contacts[(first + $0) % contacts.count] } : []
        try await store.transaction { transaction in
            var writer = try LogWriter(
                transaction, contacts: chosen.map(\.id), keyring: keyring, source: source,
                random: SystemRandom())
            for number in 0..<count {
                var draft = template
                if disclosing {
                    let contact = chosen[number % chosen.count]
                    draft.contact = contact.id
                    draft.disclosureKey = contact.disclosureKey
                } else {
                    draft.caseReference = nil
                    draft.actor = nil
                }
                try writer.add(draft)
            }
            try writer.finish(transaction)
        }
    }

    /// A row: what proofs of random entries, and from random sizes, cost.
    func proofs(seconds: Double) async throws -> [String] {
        let size = try await store.read { try $0.logHead().size }
        let (inclusion, consistency, hashes) = try await store.read { reader in
            let prover = MerkleProver(StoredHashes(reader: reader))
            var hashes = 0
            let inclusion = try OperationCost.measure(seconds: seconds) {
                hashes = max(hashes, try prover.inclusion(of: UInt64.random(in: 0..<size), in: size).count)
            }
            let consistency = try OperationCost.measure(seconds: seconds) {
                hashes = max(
                    hashes, try prover.consistency(from: UInt64.random(in: 1..<size), to: size).count)
            }
            return (inclusion, consistency, hashes)
        }
        return [
            TextTable.number(Double(size)), TextTable.number(inclusion.microseconds),
            TextTable.number(consistency.microseconds), String(hashes),
        ]
    }
}

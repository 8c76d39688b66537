// The service is killed while a job brings records under another key and clients ask for releases: it goes on where it was, and no
// record is lost.

import AccessToken
import ContactModel
import ContactVault
import Foundation
import SQLiteStore
import Synchronization
import Testing
import VaultAPI
import VaultClient
import VaultTesting

/// Kills the service in the middle of a rewrap, again and again.
enum KeyJobCrashRun {
    private final class Load: Sendable {
        let released = Mutex(0)
        let failures = Mutex<[String]>([])
        let isExpectedToFail = Mutex(false)
    }

    /// - Parameter rate: records a second, so slow that the kills fall into the job on a slow machine too.
    static func run(records: Int, kills: Int, rate: Int) async throws {
        let vault = try ServedVault(policy: Invented.boundlessPolicy)
        let contacts = try vault.importContacts((0..<records).map { Invented.contact($0) })
        let before = try await rows(vault)
        try #require(before.count == records)
        let seed = UInt64.random(in: .min ... .max)
        print("kill -9 in a rewrap of \(records) records, \(kills) times, seed \(seed)")
        let random = SeededRandom(seed: seed)
        let load = Load()

        try vault.start()
        try vault.command("keys", "rotate", "kek")
        try vault.command("keys", "promote", "kek", "2")
        try vault.command("keys", "rewrap", "--rate", String(rate), "--detach")
        for _ in 0..<kills {
            let releasing = try releases(vault, contacts, load)
            try await Task.sleep(for: .milliseconds(100 + Int64(random.next() % 300)))
            load.isExpectedToFail.withLock { $0 = true }
            vault.kill9()
            await releasing.value
            try vault.start()
            load.isExpectedToFail.withLock { $0 = false }
        }
        // At full speed to its end.
        let job = try JSONDecoder().decode(
            KeyJobBody.self,
            from: Data(
                try #require(
                    try vault.command("keys", "jobs", "--json").output.split(separator: "\n").first
                ).utf8))
        #expect(job.state == "running" && job.examined < records, "the kills did not fall into the job")
        try vault.command("keys", "cancel", job.job)
        let releasing = try releases(vault, contacts, load, seconds: 1)
        let end = try vault.command("keys", "rewrap")
        await releasing.value
        #expect(end.messages.contains("looked at \(records) of \(records)"), "\(end.messages)")
        let report = try JSONDecoder().decode(
            KeyReportBody.self, from: Data(try vault.command("keys", "report", "--json").output.utf8))
        let versions = report.keys.filter { $0.key.name == "kek" }
        #expect(versions.first?.needs == [])
        #expect(versions.last?.needs == ["\(records) records", "\(records) disclosure keys"])
        try vault.command("keys", "retire", "kek", "1")
        #expect(vault.stop() == 0)

        // Only what wraps the data keys has changed.
        let after = try await rows(vault)
        #expect(after.count == records)
        for (past, present) in zip(before, after) {
            #expect(past.contact == present.contact && past.generation == present.generation)
            // Header and wrapped key 124 bytes, four directory entries of 36, the header's tag 32; then the fields.
            #expect(
                past.sealed != present.sealed && past.sealed.dropFirst(300) == present.sealed.dropFirst(300))
        }
        #expect(load.failures.withLock { $0 } == [], "a release failed while nothing was killed")
        print("\(load.released.withLock { $0 }) releases were answered")
        #expect(load.released.withLock { $0 } > kills)
        let verified = try vault.verifyLog()
        #expect(verified.code == 0, "\(verified.messages)")
        // And every record opens.
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        for contact in contacts.prefix(400) {
            let token = try await client.token(for: .release(of: contact))
            #expect(try await client.release(contact, action: dial, token: token).fields["phone"] != nil)
        }
        try await client.shutdown()
        vault.stop()
    }

    /// Releases from a few clients until the service is gone, or for some seconds.
    private static func releases(
        _ vault: ServedVault, _ contacts: [ContactID], _ load: Load, seconds: Double? = nil
    ) throws -> Task<Void, Never> {
        let dial = try #require(Action("dial"))
        let clients = try (0..<4).map { _ in try vault.client() }
        return Task {
            await withTaskGroup(of: Void.self) { group in
                for (number, client) in clients.enumerated() {
                    group.addTask {
                        let end = seconds.map { ContinuousClock.now + .seconds($0) }
                        var next = number
                        do {
                            while end.map({ ContinuousClock.now < $0 }) ?? true {
                                let contact = contacts[next % contacts.count]
                                next += 37
                                let token = try await client.token(for: .release(of: contact))
                                let release = try await client.release(contact, action: dial, token: token)
                                guard release.fields["phone"] != nil else {
                                    throw FixtureFault.malformed("a release without a number")
                                }
                                load.released.withLock { $0 += 1 }
                            }
                        } catch {
                            if !load.isExpectedToFail.withLock({ $0 }) {
                                load.failures.withLock { $0.append("\(error)") }
                            }
                        }
                        try? await client.shutdown()
                    }
                }
            }
        }
    }

    private static func rows(_ vault: ServedVault) async throws -> [StoredRecordKeys] {
        let store = try SQLiteStore.openForReading(path: vault.data + "/vault.sqlite")
        let rows = try await store.read { try $0.recordKeys(after: [], limit: .max).rows }
        try await store.close()
        return rows
    }
}

@Suite("Jobs and crashes")
struct KeyJobCrashTests {
    @Test("kill -9 in a rewrap under load, six times: it goes on, and every record is whole")
    func sixKills() async throws { try await KeyJobCrashRun.run(records: 2000, kills: 6, rate: 10) }
}

extension SoakTests {
    @Test("kill -9 in a rewrap under load, fifty times")
    func fiftyKillsInRewrap() async throws {
        try await KeyJobCrashRun.run(records: 20_000, kills: 50, rate: 20)
    }

    @Test("a rewrap of a million records under load: no release fails")
    func millionRecords() async throws {
        try await KeyJobCrashRun.run(records: 1_000_000, kills: 1, rate: 5000)
    }
}

// The process is killed under load: what a client was told must be in the log afterwards. This shows the order of things,
// not that they are on the disk: the kernel outlives the process. `SyncedCommitTests` is about the disk.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Synchronization
import Testing
import VaultAPI
import VaultClient
import VaultTesting

/// Kills the service under load, again and again.
enum CrashRun {
    /// Receipts that clients were given.
    private final class Received: Sendable {
        let receipts = Mutex<[ReceiptBody]>([])
    }

    static func run(times: Int) async throws {
        let vault = try ServedVault(policy: Invented.boundlessPolicy)
        let contacts = try vault.importContacts((0..<8).map { Invented.contact($0) })
        let received = Received()
        let dial = try #require(Action("dial"))
        let seed = UInt64.random(in: .min ... .max)
        print("kill -9 run, \(times) times, seed \(seed)")
        var random = SplitMix(state: seed)

        for _ in 0..<times {
            try vault.start()
            let client = try vault.client()
            let load = Task {
                await withTaskGroup(of: Void.self) { group in
                    for contact in contacts {
                        group.addTask {
                            guard
                                let token = try? await client.token(for: .release(of: contact, uses: 100_000))
                            else { return }
                            // Ends by itself when the service is gone.
                            while let release = try? await client.release(contact, action: dial, token: token)
                            {
                                received.receipts.withLock { $0.append(release.receipt) }
                            }
                        }
                    }
                }
            }
            // Long enough for tokens and some releases, short enough that the load is still on.
            let before = received.receipts.withLock { $0.count }
            while received.receipts.withLock({ $0.count }) < before + 20 {
                try await Task.sleep(for: .milliseconds(5))
            }
            try await Task.sleep(for: .microseconds(Int64(random.next() % 120_000)))
            vault.kill9()
            await load.value
            try await client.shutdown()
            let verified = try vault.verifyLog()
            #expect(verified.code == 0, "\(verified.messages)")
        }

        // Every 200 that a client received has its entry, with the hash it was told.
        let entries = try vault.entries()
        let receipts = received.receipts.withLock { $0 }
        print("\(receipts.count) releases were answered, \(entries.count) entries")
        #expect(receipts.count >= times * 20)
        for receipt in receipts {
            let index = Int(receipt.index)
            try #require(index < entries.count, "entry \(index) is missing")
            #expect(entries[index].entry.outcome == .permit)
            #expect(
                Base64.encode(MerkleTree.leafHash(Array(entries[index].body.leaf.utf8))) == receipt.leafHash)
        }
        #expect(Set(receipts.map(\.index)).count == receipts.count)
    }

    private struct SplitMix {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }
}

@Suite("Crash")
struct CrashTests {
    @Test("kill -9 under load, ten times: the log verifies and every answered release has its entry")
    func tenKills() async throws { try await CrashRun.run(times: 10) }
}

@Suite("Soak", .enabled(if: ProcessInfo.processInfo.environment["CONTACT_VAULT_SOAK"] == "1"))
struct SoakTests {
    @Test("kill -9 under load, fifty times") func fiftyKills() async throws {
        try await CrashRun.run(times: 50)
    }
}

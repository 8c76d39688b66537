// Retention of the log: what old entries said goes, by whole months, and every proof stays.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import Testing
import VaultTesting

@Suite("Retention of the log")
struct LogRetentionTests {
    private let clock = FixedClock()

    /// A log with 300 entries in each of three months, a month apart, and then 36 months of silence.
    private func old() async throws -> (fixture: VaultFixture, contacts: [ContactID]) {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        var contacts: [ContactID] = []
        for month in 0..<3 {
            contacts += try await fixture.store(numbered: month * 300..<(month + 1) * 300)
            try await fixture.vault.publishCheckpoint()
            clock.advance(seconds: 31 * 86_400)
        }
        return (fixture, contacts)
    }

    @Test("shards are the months of the log, one after the other without a gap")
    func shards() async throws {
        let (fixture, _) = try await old()
        let shards = try await fixture.vault.logShards()
        #expect(shards.count == 3)
        #expect(shards[0].first == 0)
        for (one, next) in zip(shards, shards.dropFirst()) { #expect(one.end == next.first) }
        let size = try await fixture.vault.logSize()
        #expect(shards.last?.end == size)
        #expect(shards.allSatisfy { $0.removed == 0 && $0.checkpoint != nil })
        #expect(Set(shards.map(\.month)).count == 3)
    }

    @Test("what is younger than three years is not removed, whatever is asked for")
    func tooShort() async throws {
        let (fixture, _) = try await old()
        guard
            case .conflict("retention_too_short")? = await refusal({
                try await fixture.vault.expireLog(olderThan: 35, requestID: fixture.requestID())
            })
        else {
            Issue.record("removed")
            return
        }
        #expect(try await fixture.entries(.logExpire, .deny).count == 1)
        #expect(try await fixture.vault.expireLog(olderThan: 36, requestID: fixture.requestID()) == 0)
        clock.advance(seconds: 33 * 30 * 86_400)
        _ = try await fixture.store(.numbered(5000))
        #expect(try await fixture.vault.expireLog(olderThan: 36, requestID: fixture.requestID()) == 0)
    }

    @Test(
        "expired months go, with an entry; the tree, the checkpoints and every proof of what is left verify as before"
    )
    func removed() async throws {
        let (fixture, contacts) = try await old()
        let before = try await fixture.vault.logShards()
        let kept = try #require(fixture.vault.latestCheckpoint)
        clock.advance(seconds: 35 * 30 * 86_400)
        _ = try await fixture.store(.numbered(5000))
        let leaf = try #require(try await fixture.leaves().first)
        let removed = try await fixture.vault.expireLog(olderThan: 36, requestID: fixture.requestID())
        #expect(removed == before[0].end - before[0].end % 256)
        #expect(try await fixture.vault.expireLog(olderThan: 36, requestID: fixture.requestID()) == 0, "once")

        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: fixture.storePath)))
        #expect(bytes.firstRange(of: leaf) == nil, "the leaf is gone from the file")
        let verified = try await fixture.verifyLog()
        let whole = try await fixture.vault.logSize()
        #expect(verified.removed == removed && verified.size == whole)
        // A checkpoint that somebody kept from then still is one of this log.
        try await fixture.vault.publishCheckpoint()
        _ = try await LogVerification.run(
            fixture.store, by: fixture.logVerifiers(), pinned: Array(kept.note.utf8))
        let size = try #require(fixture.vault.latestCheckpoint).size
        for old: UInt64 in [1, 100, 255, 256, 257, 300] {
            let proof = try await fixture.vault.consistencyProof(from: old, to: size)
            #expect(!proof.isEmpty)
        }
        let left = try await fixture.store.read { try $0.logLeaves(removed..<size) }
        let expired = try #require(try left.map { try LogEntry(decoding: $0) }.last { $0.kind == .logExpire })
        #expect(
            expired.count == removed && expired.generation == removed && expired.client?.text == "operator")

        // What is removed is not found, and what is left is: by index, by question, by contact, in a report.
        guard
            case .notFound? = await refusal({
                _ = try await fixture.vault.proof(of: 3, as: .localOperator, requestID: fixture.requestID())
            })
        else {
            Issue.record("a removed entry was proved")
            return
        }
        _ = try await fixture.vault.proof(of: removed, as: .localOperator, requestID: fixture.requestID())
        #expect(
            try await fixture.vault.entries(0..<10, as: .localOperator, requestID: fixture.requestID())
                .isEmpty)
        var query = LogQuery()
        query.kinds = [.contactCreate]
        let found = try await fixture.vault.query(
            query, limit: 1000, as: .localOperator, requestID: fixture.requestID())
        #expect(found.entries.first?.index ?? 0 >= removed && found.entries.count == 901 - Int(removed - 3))
        let report = try await fixture.vault.reportToSubject(
            contacts[0], as: .localOperator, requestID: fixture.requestID())
        #expect(report.accesses.map(\.sequence) == [2], "its first entry is gone, and shows as missing")
        let shards = try await fixture.vault.logShards()
        #expect(shards[0].removed == removed && shards[0].month == "")
        try await fixture.vault.close()
        try await fixture.reopened().vault.close()
    }

    @Test("an export after a removal begins where entries are left, and an audit wants the entry about it")
    func export() async throws {
        let (fixture, _) = try await old()
        clock.advance(seconds: 35 * 30 * 86_400)
        _ = try await fixture.store(.numbered(5000))
        let last = clock.now
        let removed = try await fixture.vault.expireLog(olderThan: 36, requestID: fixture.requestID())
        clock.advance(seconds: 60)
        func audited(_ time: TimeSpan) async throws -> ExportAudit {
            guard
                case .done(let plan) = try await fixture.vault.beginExport(
                    ExportRequest(time: time), as: .localOperator, requestID: fixture.requestID())
            else { throw FixtureFault.malformed("export") }
            var manifest = ExportManifest(
                origin: plan.origin, from: plan.request.time.from, to: plan.request.time.to,
                first: plan.proof.first, end: plan.proof.end, profile: .officer, contact: nil)
            for name in [
                "checkpoint", "entries.jsonl", "proof", "disclosures.jsonl", "access.csv", "policy.txt",
            ] {
                manifest.files[name] = ExportManifest.File(bytes: 0, digest: [UInt8](repeating: 0, count: 32))
            }
            var pages: [ExportedEntry] = []
            while pages.count < Int(plan.proof.end - plan.proof.first) {
                let from = plan.proof.first + UInt64(pages.count)
                pages += try await fixture.vault.exportedEntries(
                    from..<plan.proof.end, of: plan.request, as: .localOperator,
                    requestID: fixture.requestID())
            }
            manifest.disclosures = UInt64(pages.count { $0.disclosed != nil })
            var audit = try ExportAudit(
                manifest: manifest.bytes, checkpoint: Array(plan.note.utf8),
                proof: Array(plan.proof.text.utf8),
                consistency: nil, policy: fixture.vault.logTrustPolicy)
            for page in pages { try audit.add(leaf: page.leaf, disclosed: page.disclosed) }
            try audit.finish()
            return audit
        }
        let whole = try await audited(TimeSpan())
        #expect(whole.manifest.first == removed && whole.isPastRetention)
        // Up to before the removal, nothing in the export says why it begins so late.
        await #expect(throws: ExportFault.self) { _ = try await audited(TimeSpan(to: last)) }
        let recent = try await audited(TimeSpan(from: last))
        #expect(!recent.isPastRetention)
    }
}

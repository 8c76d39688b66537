// Whoever can write the store rewrites the past: the vault must not vouch for it with its own key.

import AccessLog
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import GRDB
import Testing
import VaultCrypto
import VaultTesting

@Suite("Rewritten history")
struct RewrittenHistoryTests {
    /// A vault whose newest checkpoint covers all but what comes after.
    private func signedVault() async throws -> VaultFixture {
        let fixture = try await VaultFixture.make(clock: FixedClock().reading)
        _ = try await fixture.store()
        try await fixture.vault.publishCheckpoint()
        return fixture
    }

    /// Replaces the text of an entry and makes the frontier fit, as an attacker who knows the format would.
    private func rewrite(_ fixture: VaultFixture, _ position: Int, _ old: String, _ new: String) async throws
    {
        try fixture.tamper("DROP TRIGGER log_entries_no_update")
        try fixture.tamper(
            "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), ?, ?) AS BLOB) WHERE position = ?",
            [old, new, position])
        try fixture.tamper("UPDATE log_head SET frontier = ?", [Data(try frontier(fixture).bytes)])
    }

    /// The tree over the first entries in the file.
    private func frontier(_ fixture: VaultFixture, count: Int = .max) throws -> Frontier {
        let queue = try DatabaseQueue(path: fixture.storePath)
        let leaves = try queue.read { database in
            try Data.fetchAll(
                database, sql: "SELECT leaf FROM log_entries ORDER BY position LIMIT ?", arguments: [count])
        }
        try queue.close()
        var frontier = Frontier()
        for leaf in leaves { _ = frontier.append(entry: Array(leaf)) }
        return frontier
    }

    @Test("a serving vault signs no log that does not go on from what it signed last")
    func serving() async throws {
        let fixture = try await signedVault()
        try await rewrite(fixture, 2, "service.start", "service.stop")
        let before = fixture.vault.latestCheckpoint
        _ = try await fixture.store(.sima)
        guard case .inconsistent = await refusal({ try await fixture.vault.publishCheckpoint() }) else {
            Issue.record("a forged log was signed")
            return
        }
        #expect(fixture.vault.latestCheckpoint == before)
    }

    @Test("a vault does not open on a log that was rewritten while it was closed")
    func closed() async throws {
        let fixture = try await signedVault()
        try await fixture.vault.close()
        try await rewrite(fixture, 2, "service.start", "service.stop")
        guard case .inconsistent = await refusal({ _ = try await fixture.reopened() }) else {
            Issue.record("a forged log was opened")
            return
        }
    }

    @Test("a log whose checkpoints were taken away does not verify")
    func withoutCheckpoints() async throws {
        let fixture = try await signedVault()
        try await fixture.verifyLog()
        try fixture.tamper("DELETE FROM checkpoints")
        do {
            try await fixture.verifyLog()
            Issue.record("a log that nobody signed was verified")
        } catch let fault as LogFault {
            #expect(fault.check == .unsigned)
        }
    }

    @Test(
        "a log that was cut back to an older checkpoint is found by a checkpoint from elsewhere, and by nothing else"
    )
    func cutBack() async throws {
        let fixture = try await signedVault()
        let verifier = try #require(fixture.logVerifiers().first)
        let kept = try #require(fixture.vault.latestCheckpoint)
        let older: Int = try #require(try fixture.value("SELECT min(size) FROM checkpoints"))
        let frontier = try frontier(fixture, count: older)
        try fixture.tamper("DROP TRIGGER log_entries_no_delete")
        try fixture.tamper("DELETE FROM log_entries WHERE position >= ?", [older])
        try fixture.tamper("DELETE FROM checkpoints WHERE size > ?", [older])
        try fixture.tamper("UPDATE log_head SET size = ?, frontier = ?", [older, Data(frontier.bytes)])
        _ = try await LogVerification.run(fixture.store, by: [verifier])
        do {
            _ = try await LogVerification.run(
                fixture.store, by: [verifier], pinned: Array(kept.note.utf8))
            Issue.record("a log without its end was verified against its end")
        } catch let fault as LogFault {
            #expect(fault.check == .size)
            #expect(fault.index == UInt64(older))
        }
    }

    @Test("taking all checkpoints away does not get a rewritten log signed anew: the vault does not open")
    func laundered() async throws {
        let fixture = try await signedVault()
        try await fixture.vault.close()
        try fixture.tamper("DELETE FROM checkpoints")
        try await rewrite(fixture, 2, "service.start", "service.stop")
        guard
            case .inconsistent("log_without_checkpoint") = await refusal({ _ = try await fixture.reopened() })
        else {
            Issue.record("a log without checkpoints was opened, and signed")
            return
        }
    }

    @Test("a checkpoint row that the log's key did not sign keeps the vault from opening")
    func forgedCheckpoint() async throws {
        let fixture = try await signedVault()
        try await fixture.vault.close()
        try fixture.tamper("UPDATE checkpoints SET note = replace(note, 'access-log', 'access-lag')")
        await #expect(throws: (any Error).self) { _ = try await fixture.reopened() }
    }

    @Test("a keyring of a lower epoch than the vault has seen is refused")
    func olderKeyring() async throws {
        let fixture = try await VaultFixture.make(clock: FixedClock().reading)
        try await fixture.vault.close()
        try fixture.tamper("UPDATE identity SET keyring_epoch = keyring_epoch + 1")
        guard
            case .inconsistent("keyring_older_than_the_log") = await refusal({
                _ = try await fixture.reopened()
            })
        else {
            Issue.record("an old keyring was opened")
            return
        }
    }
}

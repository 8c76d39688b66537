// Somebody with the file changes the log; whoever recomputes it is told where.

import AccessLog
import ContactModel
import ContactVault
import Foundation
import GRDB
import StrictEncoding
import Testing
import VaultCrypto
import VaultTesting

@Suite("Verification of the stored log")
struct LogVerificationTests {
    /// Entries 0…2 are those of a new vault, under a checkpoint of size 3; then 100 contacts and a checkpoint of size
    /// 103; then 200 more, which no checkpoint covers. One tile is complete.
    private let fixture: VaultFixture

    init() async throws {
        fixture = try await VaultFixture.make(clock: FixedClock().reading)
        _ = try await fixture.store(numbered: 0..<100)
        try await fixture.vault.publishCheckpoint()
        _ = try await fixture.store(numbered: 100..<300)
    }

    private static let unlock = """
        DROP TRIGGER log_entries_no_update; DROP TRIGGER log_entries_no_delete; DROP TRIGGER log_entries_no_replace;
        """

    private func tamper(_ sql: String, _ arguments: StatementArguments = []) throws {
        try fixture.tamper(Self.unlock)
        try fixture.tamper(sql, arguments)
    }

    private func leaf(_ index: Int) throws -> [UInt8] {
        Array(
            try #require(
                try fixture.value("SELECT leaf FROM log_entries WHERE position = ?", [index]) as Data?))
    }

    /// Changes one leaf so that it still is an entry, with another identifier.
    private func forge(_ index: Int) throws {
        var entry = try LogEntry(decoding: try leaf(index))
        entry.id = EntryID.make(time: entry.time, random: [UInt8](repeating: 1, count: 10))
        try tamper("UPDATE log_entries SET leaf = ? WHERE position = ?", [Data(try entry.encode()), index])
    }

    private func expectFault(
        _ index: UInt64, _ check: LogFault.Check, sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        do {
            try await fixture.verifyLog()
            Issue.record("verified", sourceLocation: sourceLocation)
        } catch {
            #expect(
                error as? LogFault == LogFault(index: index, check: check), "\(error)",
                sourceLocation: sourceLocation)
        }
    }

    private func expectTileFault(
        level: UInt8, _ index: UInt64, sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        do {
            try await fixture.verifyLog()
            Issue.record("verified", sourceLocation: sourceLocation)
        } catch {
            let tile = (error as? TileFault)?.tile
            #expect(tile == TileID(level: level, index: index), "\(error)", sourceLocation: sourceLocation)
        }
    }

    @Test("an untouched log verifies, with what it holds")
    func untouched() async throws {
        let verified = try await fixture.verifyLog()
        #expect(verified.size == 303)
        #expect(verified.checkpoints == 3)
        #expect(verified.signedSize == 103)
        let tiles: Int? = try fixture.value("SELECT count(*) FROM log_tiles")
        #expect(tiles == 1)
    }

    @Test("an entry that was exchanged for another is found by the next checkpoint, tile or head after it")
    func forgedEntry() async throws {
        try forge(290)
        await expectFault(303, .root)
        try fixture.tamper(
            "CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries BEGIN SELECT 1; END")
        try fixture.tamper(
            "CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries BEGIN SELECT 1; END")
        try fixture.tamper(
            "CREATE TRIGGER log_entries_no_replace BEFORE INSERT ON log_entries BEGIN SELECT 1; END")
        try forge(150)
        await expectTileFault(level: 0, 0)
    }

    @Test("a forged entry under a checkpoint is found at that checkpoint")
    func forgedSignedEntry() async throws {
        try forge(7)
        await expectFault(103, .root)
    }

    @Test("a flipped bit is found, by its entry's form or by the tree")
    func flippedBit() async throws {
        let random = SeededRandom()
        try fixture.tamper(Self.unlock)
        for _ in 0..<32 {
            let index = Int(random.next() % 303)
            let original = try leaf(index)
            var changed = original
            changed[Int(random.next() % UInt64(changed.count))] ^= 1 << UInt8(random.next() % 8)
            try fixture.tamper("UPDATE log_entries SET leaf = ? WHERE position = ?", [Data(changed), index])
            do {
                try await fixture.verifyLog()
                Issue.record("entry \(index) verified")
            } catch let fault as LogFault {
                // The place is the entry, the next one if this one now claims to be from the future, or the first
                // signed or stored size after it.
                let isNext = fault.check == .clock && fault.index == UInt64(index) + 1
                let places: Set<UInt64> = [UInt64(index), 2, 3, 103, 303]
                #expect(places.contains(fault.index) || isNext, "\(fault)")
            } catch is TileFault {}
            try fixture.tamper("UPDATE log_entries SET leaf = ? WHERE position = ?", [Data(original), index])
        }
        try await fixture.verifyLog()
    }

    @Test("bytes that are no entry are found at their place")
    func noEntry() async throws {
        try tamper("UPDATE log_entries SET leaf = x'7B7D' WHERE position = 42")
        await expectFault(42, .format(.entryMalformed))
    }

    @Test("an entry in other bytes than the canonical ones is found at its place")
    func notCanonical() async throws {
        try tamper(
            "UPDATE log_entries SET leaf = ? WHERE position = 42", [Data([0x20] + (try leaf(42)))])
        await expectFault(42, .format(.entryNotCanonical))
    }

    @Test("a deleted last entry is found")
    func deletedLast() async throws {
        try tamper("DELETE FROM log_entries WHERE position = 302")
        await expectFault(302, .size)
    }

    @Test("an entry deleted from the middle is found at its place")
    func deletedMiddle() async throws {
        try tamper("DELETE FROM log_entries WHERE position = 5")
        await expectFault(5, .size)
    }

    @Test("a log cut below its newest checkpoint is found, even if the head was cut with it")
    func cutBelowCheckpoint() async throws {
        let frontier = try await fixture.store.read { reader in
            var frontier = Frontier()
            for leaf in try reader.logLeaves(0..<50) { _ = frontier.append(entry: leaf) }
            return frontier
        }
        try tamper("DELETE FROM log_entries WHERE position >= 50")
        try fixture.tamper("DELETE FROM log_tiles")
        try fixture.tamper("UPDATE log_head SET size = 50, frontier = ?", [Data(frontier.bytes)])
        await expectFault(50, .size)
    }

    @Test("two entries that changed places are found")
    func swapped() async throws {
        let (first, second) = (Data(try leaf(4)), Data(try leaf(5)))
        try tamper("UPDATE log_entries SET leaf = ? WHERE position = 4", [second])
        try fixture.tamper("UPDATE log_entries SET leaf = ? WHERE position = 5", [first])
        await expectFault(103, .root)
    }

    @Test("an entry that was put in after the head is found")
    func extraEntry() async throws {
        try tamper("INSERT INTO log_entries SELECT 303, leaf FROM log_entries WHERE position = 302")
        await expectFault(304, .size)
    }

    @Test("an entry whose time was set back is found at its place")
    func timeSetBack() async throws {
        var entry = try LogEntry(decoding: try leaf(290))
        entry.time = entry.time.adding(seconds: -3600)
        try tamper("UPDATE log_entries SET leaf = ? WHERE position = 290", [Data(try entry.encode())])
        await expectFault(290, .clock)
    }

    @Test("a changed edge of the tree is found")
    func frontier() async throws {
        let stored: Data = try #require(try fixture.value("SELECT frontier FROM log_head"))
        var changed = stored
        changed[changed.count - 1] ^= 1
        try fixture.tamper("UPDATE log_head SET frontier = ?", [changed])
        await expectFault(303, .root)
        try fixture.tamper("UPDATE log_head SET frontier = ?", [stored.dropLast(32)])
        await expectFault(303, .frontier)
    }

    @Test("a changed size in the head is found", arguments: [0, 302, 304, 1 << 40] as [UInt64])
    func headSize(size: UInt64) async throws {
        try fixture.tamper("UPDATE log_head SET size = ?", [Int64(size)])
        do {
            try await fixture.verifyLog()
            Issue.record("verified")
        } catch let fault as LogFault {
            #expect(fault.check == .frontier || fault.check == .size)
        }
    }

    @Test("a size with as many ones in it, which the edge of the tree would fit, is found too")
    func headSizeOfTheSameShape() async throws {
        try fixture.tamper("UPDATE log_head SET size = 311")
        await expectFault(303, .size)
    }

    @Test("a changed, shortened or missing tile is found")
    func tiles() async throws {
        let hashes: Data = try #require(try fixture.value("SELECT hashes FROM log_tiles"))
        var changed = hashes
        changed[100] ^= 1
        for hashes in [changed, hashes.dropLast(32), Data()] {
            try fixture.tamper("UPDATE log_tiles SET hashes = ?", [hashes])
            await expectTileFault(level: 0, 0)
        }
        try fixture.tamper("UPDATE log_tiles SET hashes = ?", [hashes])
        try await fixture.verifyLog()
        try fixture.tamper("UPDATE log_tiles SET root = zeroblob(32)")
        await expectTileFault(level: 0, 0)
        try fixture.tamper("DELETE FROM log_tiles")
        await expectTileFault(level: 0, 0)
    }

    @Test("a checkpoint with a changed signature, of another key, or of another log is found by its size")
    func checkpoints() async throws {
        let note: String = try #require(try fixture.value("SELECT note FROM checkpoints WHERE size = 103"))
        let parsed = try SignedNote(parsing: Array(note.utf8))
        // One character of the signature, before the last few, whose bits are partly padding.
        var flipped = Array(note)
        flipped[flipped.count - 12] = flipped[flipped.count - 12] == "A" ? "B" : "A"
        try fixture.tamper("UPDATE checkpoints SET note = ? WHERE size = 103", [String(flipped)])
        await expectFault(103, .checkpoint(.signatureInvalid))

        let stranger = try NoteSigner(
            name: parsed.signatures[0].name, key: try SigningKey(generating: .ed25519))
        try fixture.tamper(
            "UPDATE checkpoints SET note = ? WHERE size = 103", [try stranger.sign(parsed.text).serialized])
        await expectFault(103, .checkpoint(.signerUnknown))

        try fixture.tamper("UPDATE checkpoints SET note = 'no note' WHERE size = 103")
        await expectFault(103, .checkpoint(.noteMalformed))

        try fixture.tamper("UPDATE checkpoints SET note = ? WHERE size = 103", [note])
        try await fixture.verifyLog()
        try fixture.tamper("UPDATE checkpoints SET root = zeroblob(32) WHERE size = 103")
        await expectFault(103, .root)
    }

    @Test("a checkpoint under another size, or with another size's note, is found")
    func movedCheckpoints() async throws {
        try fixture.tamper("UPDATE checkpoints SET size = 104 WHERE size = 103")
        await expectFault(104, .root)
        try fixture.tamper("UPDATE checkpoints SET size = 103 WHERE size = 104")
        try await fixture.verifyLog()
        try fixture.tamper(
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 3) WHERE size = 103")
        await expectFault(103, .root)
    }

    @Test("a removed checkpoint is seen in what verification reports")
    func removedCheckpoint() async throws {
        try fixture.tamper("DELETE FROM checkpoints WHERE size = 103")
        let verified = try await fixture.verifyLog()
        #expect(verified.checkpoints == 2 && verified.signedSize == 3)
        try fixture.tamper("DELETE FROM checkpoints")
        await expectFault(303, .unsigned)
    }

    @Test(
        "a log that was cut back to an older checkpoint, with everything in the files, is found by one kept elsewhere"
    )
    func pinnedCheckpoint() async throws {
        let kept = try #require(fixture.vault.latestCheckpoint)
        let verifier = try #require(fixture.logVerifiers().first)
        let frontier = try await fixture.store.read { reader in
            var frontier = Frontier()
            for leaf in try reader.logLeaves(0..<3) { _ = frontier.append(entry: leaf) }
            return frontier
        }
        try tamper("DELETE FROM log_entries WHERE position >= 3")
        try fixture.tamper("DELETE FROM log_tiles")
        try fixture.tamper("DELETE FROM checkpoints WHERE size > 3")
        try fixture.tamper("UPDATE log_head SET size = 3, frontier = ?", [Data(frontier.bytes)])
        try await fixture.verifyLog()
        do {
            _ = try await LogVerification.run(
                fixture.store, by: [verifier], pinned: Array(kept.note.utf8))
            Issue.record("verified")
        } catch let fault as LogFault {
            #expect(fault.check == .size)
        }
    }

    @Test("a vault does not go on signing over a log that was rolled back under it")
    func rolledBackUnderTheVault() async throws {
        let frontier = try await fixture.store.read { reader in
            var frontier = Frontier()
            for leaf in try reader.logLeaves(0..<50) { _ = frontier.append(entry: leaf) }
            return frontier
        }
        try fixture.tamper("UPDATE log_head SET size = 50, frontier = ?", [Data(frontier.bytes)])
        guard case .inconsistent? = await refusal({ try await fixture.vault.publishCheckpoint() }) else {
            Issue.record("signed")
            return
        }
        #expect(fixture.vault.latestCheckpoint?.size == 103)
    }

    @Test("a vault does not sign a history that was rewritten below its last checkpoint")
    func rewrittenUnderTheVault() async throws {
        try forge(7)
        let frontier = try await fixture.store.read { reader in
            var frontier = Frontier()
            for leaf in try reader.logLeaves(0..<303) { _ = frontier.append(entry: leaf) }
            return frontier
        }
        let hashes = try await fixture.leaves()[..<256].map(MerkleTree.leafHash)
        try fixture.tamper(
            "UPDATE log_tiles SET hashes = ?, root = ?",
            [Data(hashes.flatMap(\.self)), Data(try Tile.root(of: hashes))])
        try fixture.tamper("UPDATE log_head SET frontier = ?", [Data(frontier.bytes)])
        #expect(await refusal { try await fixture.vault.publishCheckpoint() } != nil)
        #expect(fixture.vault.latestCheckpoint?.size == 103)
        await expectFault(103, .root)
    }

    @Test("verification runs beside a vault that goes on writing")
    func besideWriter() async throws {
        let fixture = fixture
        async let writing: [ContactID] = fixture.store(numbered: 300..<900)
        for _ in 0..<5 { try await fixture.verifyLog() }
        _ = try await writing
        #expect(try await fixture.verifyLog().size == 903)
    }

    @Test("inclusion and consistency hold across tiles and checkpoints")
    func proofs() async throws {
        let vault = fixture.vault
        try await vault.publishCheckpoint()
        let verifier = try #require(fixture.logVerifiers().first)
        let id = try fixture.requestID()
        for index: UInt64 in [0, 1, 2, 102, 103, 254, 255, 256, 257, 302] {
            let (proof, leaf) = try await vault.proof(of: index, as: .localOperator, requestID: id)
            #expect(try self.leaf(Int(index)) == leaf)
            let parsed = try LogProofFile(parsing: Array(proof.text.utf8))
            #expect(try parsed.verify(leafHash: MerkleTree.leafHash(leaf), by: verifier).size == 303)
        }
        let leaves = try await fixture.leaves()
        var frontier = Frontier()
        var roots: [UInt64: [UInt8]] = [:]
        for leaf in leaves {
            _ = frontier.append(entry: leaf)
            roots[frontier.size] = frontier.root
        }
        for old: UInt64 in [1, 3, 103, 255, 256, 257, 302, 303] {
            let proof = try await vault.consistencyProof(from: old, to: 303)
            try MerkleProof.verifyConsistency(
                from: old, to: 303, oldRoot: try #require(roots[old]), newRoot: try #require(roots[303]),
                proof: proof)
        }
        for (old, new): (UInt64, UInt64) in [(0, 9999), (304, 304), (5, 4), (UInt64.max, UInt64.max)] {
            guard
                case .notFound? = await refusal({ _ = try await vault.consistencyProof(from: old, to: new) })
            else {
                Issue.record("\(old) to \(new)")
                return
            }
        }
        for index: UInt64 in [400, UInt64.max] {
            let refused = await refusal {
                _ = try await vault.proof(of: index, as: .localOperator, requestID: id)
            }
            guard case .notFound? = refused else {
                Issue.record("\(index)")
                return
            }
        }
    }
}

// The audit names the first fault of a log, and its place.

import AccessLog
import ContactModel
import Testing
import VaultCrypto

@Suite("Log audit")
struct LogAuditTests {
    private let start: Int64 = 1_767_225_600_000

    private func entries(_ count: Int) throws -> [[UInt8]] {
        try (0..<count).map {
            try EntryFixture.small(at: start + Int64($0), UInt8(truncatingIfNeeded: $0)).encode()
        }
    }

    private func head(_ entries: [[UInt8]]) -> Frontier {
        var frontier = Frontier()
        for entry in entries { frontier.append(entry: entry) }
        return frontier
    }

    /// The fault that an audit of these entries against this head finds.
    private func fault(
        _ entries: [[UInt8]], _ head: Frontier, expecting: [Checkpoint] = [], storedFrontier: [UInt8]? = nil
    ) -> LogFault? {
        var audit = LogAudit()
        do throws(LogFault) {
            for checkpoint in expecting { try audit.expect(checkpoint) }
            for (index, entry) in entries.enumerated() { try audit.add(entry: entry, index: UInt64(index)) }
            try audit.finish(size: head.size, root: head.root, storedFrontier: storedFrontier ?? head.bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test("a log as it was written has no fault")
    func sound() throws {
        let entries = try entries(300)
        let checkpoints = try [300, 0, 1, 256, 256].map { size in
            try Checkpoint(origin: "o", size: UInt64(size), root: head(Array(entries[..<size])).root)
        }
        #expect(fault(entries, head(entries), expecting: checkpoints) == nil)
        #expect(fault([], Frontier()) == nil)
    }

    @Test("an entry that was changed, removed, added or swapped is found")
    func tampered() throws {
        let entries = try entries(20)
        let head = head(entries)
        let checkpoint = try Checkpoint(origin: "o", size: 10, root: self.head(Array(entries[..<10])).root)
        var changed = entries
        changed[7] = try EntryFixture.small(at: start + 7, 99).encode()
        #expect(fault(changed, head) == LogFault(index: 20, check: .root))
        // A checkpoint in between narrows the place down.
        #expect(fault(changed, head, expecting: [checkpoint]) == LogFault(index: 10, check: .root))
        var swapped = entries
        swapped.swapAt(3, 4)
        #expect(fault(swapped, head) == LogFault(index: 20, check: .root))
        #expect(fault(entries.dropLast(), head) == LogFault(index: 19, check: .size))
        #expect(fault(entries + [entries[0]], head) == LogFault(index: 21, check: .size))
        changed = entries
        changed.remove(at: 5)
        #expect(fault(changed, head) == LogFault(index: 19, check: .size))
    }

    @Test("an entry that is not in the format is found at its place")
    func malformed() throws {
        var entries = try entries(5)
        let head = head(entries)
        entries[3] = Array("{}".utf8)
        #expect(fault(entries, head) == LogFault(index: 3, check: .format(.entryMalformed)))
        entries[2].append(UInt8(ascii: "\n"))
        #expect(fault(entries, head) == LogFault(index: 2, check: .format(.entryNotCanonical)))
        entries[1] = [UInt8](repeating: 0x20, count: 5000)
        #expect(fault(entries, head) == LogFault(index: 1, check: .format(.entryTooLarge)))
    }

    @Test("a gap and a repetition in the indices are found")
    func gaps() throws {
        let entries = try entries(3)
        for indices in [[0, 2], [1], [0, 0], [0, 1, 1]] {
            var audit = LogAudit()
            var found: LogFault?
            do throws(LogFault) {
                for index in indices { try audit.add(entry: entries[index], index: UInt64(index)) }
            } catch {
                found = error
            }
            #expect(found == LogFault(index: audit.frontier.size, check: .order))
        }
    }

    @Test("a clock that went back by more than is tolerated is found, a small step is not")
    func clock() throws {
        let step = Limits.clockRegressionMilliseconds
        let tolerated = try [start, start - step, start].map { try EntryFixture.small(at: $0).encode() }
        #expect(fault(tolerated, head(tolerated)) == nil)
        // Many small steps back do not add up to a large one.
        let creeping = try [start, start - step, start - step - 1].map {
            try EntryFixture.small(at: $0).encode()
        }
        #expect(fault(creeping, head(creeping)) == LogFault(index: 2, check: .clock))
    }

    @Test("a head or a stored frontier that is not the entries' is found")
    func wrongHead() throws {
        let entries = try entries(6)
        let head = head(entries)
        var audit = LogAudit()
        for (index, entry) in entries.enumerated() { try audit.add(entry: entry, index: UInt64(index)) }
        var edge = head.bytes
        edge[0] ^= 1
        #expect(fault(entries, head, storedFrontier: edge) == LogFault(index: 6, check: .frontier))
        #expect(throws: LogFault(index: 6, check: .root)) { () throws in
            try audit.finish(size: 6, root: MerkleTree.emptyRoot)
        }
        #expect(throws: LogFault(index: 6, check: .size)) { () throws in
            try audit.finish(size: 7, root: head.root)
        }
    }

    @Test("a checkpoint beyond the entries, such as after a rollback of the store, is found")
    func rolledBack() throws {
        let entries = try entries(6)
        let late = try Checkpoint(origin: "o", size: 6, root: head(entries).root)
        let kept = Array(entries[..<4])
        #expect(fault(kept, head(kept), expecting: [late]) == LogFault(index: 4, check: .size))
        var audit = LogAudit()
        for (index, entry) in entries.enumerated() { try audit.add(entry: entry, index: UInt64(index)) }
        try audit.expect(late)
        let passed = try Checkpoint(origin: "o", size: 4, root: head(kept).root)
        #expect(throws: LogFault(index: 6, check: .size)) { () throws in try audit.expect(passed) }
        let forked = try Checkpoint(origin: "o", size: 6, root: head(kept).root)
        #expect(throws: LogFault(index: 6, check: .root)) { () throws in try audit.expect(forked) }
    }

    @Test("a signed checkpoint is verified before it is compared")
    func signedCheckpoint() throws {
        let entries = try entries(6)
        let signer = try NoteFixture.signer()
        let head = head(entries)
        let note = try signer.sign(
            Checkpoint(origin: NoteFixture.origin, size: head.size, root: head.root), after: nil)
        var audit = LogAudit()
        #expect(try audit.expect(note: Array(note.utf8), by: signer.verifiers).size == 6)
        for (index, entry) in entries.enumerated() { try audit.add(entry: entry, index: UInt64(index)) }
        try audit.finish()

        let other = try NoteVerifier(
            name: NoteFixture.origin,
            key: NoteFixture.key([UInt8](repeating: 0x42, count: 32)).verificationKey)
        var suspicious = LogAudit()
        #expect(throws: LogFault(index: 0, check: .checkpoint(.signerUnknown))) { () throws in
            try suspicious.expect(note: Array(note.utf8), by: [other])
        }
        #expect(throws: LogFault(index: 0, check: .checkpoint(.noteMalformed))) { () throws in
            try suspicious.expect(note: [], by: [other])
        }
    }

    @Test("an audit goes on from a trusted frontier")
    func continued() throws {
        let entries = try entries(10)
        var audit = LogAudit(continuing: head(Array(entries[..<4])))
        for index in 4..<10 { try audit.add(entry: entries[index], index: UInt64(index)) }
        #expect(audit.frontier == head(entries))
    }

    @Test("every fault reads as a sentence with its place")
    func descriptions() {
        for check in [
            LogFault.Check.order, .format(.entryMalformed), .clock, .size, .root, .frontier,
            .checkpoint(.signatureInvalid),
        ] {
            #expect(LogFault(index: 4711, check: check).description.contains("4711"))
        }
        for error in LogError.allCases { #expect(error.description.hasSuffix(".")) }
    }
}

// What a witness cosigns and what not (C2SP tlog-witness), against a real tree.

import ContactModel
import Testing
import VaultCrypto

@testable import AccessLog

@Suite("Witness")
struct WitnessTests {
    private let log: CheckpointSigner
    private let witness: Witness
    private static let now = Timestamp(seconds: 1_767_225_600)

    init() throws {
        log = try CheckpointSigner(origin: NoteFixture.origin, keys: [SigningKey(generating: .ed25519)])
        witness = Witness(
            signer: try NoteSigner(
                name: "witness.example/1", key: SigningKey(generating: .ed25519), kind: .witness),
            logs: log.verifiers)
    }

    private static func tree() throws -> StoredHashes {
        var tree = StoredHashes()
        for leaf in MerkleFixture.leaves { try tree.append(leafHash: MerkleTree.leafHash(leaf)) }
        return tree
    }

    private func checkpoint(_ size: Int, root: [UInt8]? = nil) throws -> Checkpoint {
        try Checkpoint(
            origin: NoteFixture.origin, size: UInt64(size), root: root ?? MerkleFixture.roots[size])
    }

    private func request(
        from old: UInt64, to size: Int, root: [UInt8]? = nil, proof: [[UInt8]]? = nil,
        signer: CheckpointSigner? = nil
    ) throws -> WitnessRequest {
        let note = try (signer ?? log).sign(try checkpoint(size, root: root), after: nil)
        return WitnessRequest(
            oldSize: old,
            proof: try proof
                ?? MerkleProver(Self.tree()).consistency(from: min(old, UInt64(size)), to: UInt64(size)),
            note: try SignedNote(parsing: Array(note.utf8)))
    }

    @Test("it cosigns what goes on from what it has seen, for every pair of sizes")
    func goesOn() throws {
        for old in 0...8 {
            for size in old...8 {
                let last = old == 0 ? nil : try checkpoint(old)
                let asked = try request(from: UInt64(old), to: size)
                #expect(try WitnessRequest(parsing: Array(asked.text.utf8)) == asked)
                let seen = try witness.check(asked, after: last)
                #expect(try seen == checkpoint(size))
                let line = try witness.cosign(seen, at: Self.now)
                let note = try asked.note.adding(Array(line.utf8))
                #expect(try note.verify(by: [witness.verifier]) == [witness.verifier])
            }
        }
    }

    @Test("it refuses each of what contradicts it, with its own code")
    func refusals() throws {
        func refused(_ request: WitnessRequest, after last: Checkpoint?) -> WitnessRefusal? {
            do throws(WitnessRefusal) {
                _ = try witness.check(request, after: last)
                return nil
            } catch { return error }
        }
        let six = try checkpoint(6)
        let wrong = [UInt8](repeating: 9, count: 32)
        #expect(refused(try request(from: 5, to: 8), after: six) == .conflict(size: 6))
        #expect(refused(try request(from: 0, to: 8), after: six) == .conflict(size: 6))
        #expect(refused(try request(from: 4, to: 5), after: six) == .conflict(size: 6), "going back")
        #expect(refused(try request(from: 6, to: 5, proof: []), after: six) == .malformed, "old beyond new")
        #expect(
            refused(try request(from: 6, to: 6, root: wrong, proof: []), after: six) == .conflict(size: 6),
            "a fork")
        #expect(
            refused(try request(from: 6, to: 8, root: wrong), after: six) == .inconsistent,
            "a fork further on")
        #expect(refused(try request(from: 6, to: 8, proof: []), after: six) == .inconsistent)
        #expect(refused(try request(from: 0, to: 8, proof: [wrong]), after: nil) == .inconsistent)
        var proof = try request(from: 6, to: 8).proof
        proof[0][0] ^= 1
        #expect(refused(try request(from: 6, to: 8, proof: proof), after: six) == .inconsistent)
        let stranger = try CheckpointSigner(
            origin: NoteFixture.origin, keys: [SigningKey(generating: .ed25519)])
        #expect(refused(try request(from: 6, to: 8, signer: stranger), after: six) == .signerUnknown)
        let elsewhere = try CheckpointSigner(
            origin: "other.example/log", keys: [SigningKey(generating: .ed25519)])
        let foreign = try elsewhere.sign(
            Checkpoint(origin: "other.example/log", size: 8, root: MerkleFixture.roots[8]), after: nil)
        #expect(
            refused(
                WitnessRequest(oldSize: 0, proof: [], note: try SignedNote(parsing: Array(foreign.utf8))),
                after: nil)
                == .logUnknown)
    }

    @Test("a request in another form is refused, byte for byte")
    func malformed() throws {
        let text = try request(from: 6, to: 8).text
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var spoiled = [
            "", "\n", "old 6\n", text.replacing("old 6", with: "old 06"),
            text.replacing("old 6", with: "old  6"),
            text.replacing("old 6", with: "Old 6"), text.replacing("old 6", with: "old -6"),
            text.replacing("old 6", with: "old +6"), text.replacing("old 6", with: "old"),
            text.replacing("old 6", with: "old 18446744073709551616"), text.replacing("\n", with: "\r\n"),
            String(text.dropLast()), " " + text, text.replacing("\n\n", with: "\n"),
        ]
        spoiled.append(
            ([lines[0]] + [String](repeating: lines[1], count: 64) + lines[3...]).joined(separator: "\n"))
        spoiled.append(([lines[0], String(lines[1].dropLast(4))] + lines[2...]).joined(separator: "\n"))
        spoiled.append(([lines[0], lines[1] + " "] + lines[2...]).joined(separator: "\n"))
        for text in spoiled {
            #expect(throws: WitnessRefusal.malformed, "\(text.prefix(40))") { () throws in
                try WitnessRequest(parsing: Array(text.utf8))
            }
        }
    }
}

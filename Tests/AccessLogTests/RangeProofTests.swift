// Every run of entries in every small log: its proof verifies, and no other run's does.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessLog

@Suite("Range proofs and export manifests")
struct RangeProofTests {
    private struct Hashes: HashSource {
        let leaves: [[UInt8]]
        func hashes(level: UInt8, range: Range<UInt64>) throws -> [[UInt8]] {
            #expect(level == 0)
            return Array(leaves[Int(range.lowerBound)..<Int(range.upperBound)])
        }
    }

    private let hashes = (0..<33).map { MerkleTree.leafHash([UInt8($0)]) }

    private func proof(_ first: Int, _ end: Int, size: Int) throws -> RangeProof {
        let prover = MerkleProver(Hashes(leaves: hashes))
        return try RangeProof(
            first: UInt64(first), end: UInt64(end), edge: try prover.frontier(size: UInt64(first)),
            consistency: try prover.consistency(from: UInt64(end), to: UInt64(size)))
    }

    private func root(_ proof: RangeProof, _ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
        var frontier = proof.edge
        for hash in leaves { frontier.append(leafHash: hash) }
        return frontier.root
    }

    @Test(
        "every range of every tree up to 33 leaves verifies, reads back, and refuses a changed, swapped or missing leaf"
    )
    func ranges() throws {
        for size in 0...33 {
            let whole = try MerkleProver(Hashes(leaves: hashes)).root(size: UInt64(size))
            let checkpoint = try Checkpoint(origin: "log.example", size: UInt64(size), root: whole)
            for first in 0...size {
                for end in first...size {
                    let proof = try proof(first, end, size: size)
                    #expect(try RangeProof(parsing: Array(proof.text.utf8)) == proof)
                    try proof.verify(root: root(proof, hashes[first..<end]), against: checkpoint)
                    // The empty prefix is in every log, so nothing can be wrong with it.
                    guard end > first else { continue }
                    var changed = hashes[first..<end]
                    changed[first][0] ^= 1
                    #expect(throws: LogError.self) {
                        try proof.verify(root: root(proof, changed), against: checkpoint)
                    }
                    if end - first > 1 {
                        var swapped = hashes[first..<end]
                        swapped.swapAt(first, end - 1)
                        #expect(throws: LogError.self) {
                            try proof.verify(root: root(proof, swapped), against: checkpoint)
                        }
                    }
                }
            }
        }
    }

    @Test("another spelling of a proof, and an edge of another size, are refused")
    func spellings() throws {
        let text = try proof(5, 9, size: 20).text
        let other = [
            text + "\n", text.replacing("first 5", with: "first 05"),
            text.replacing("first 5", with: "first 4"),
            text.replacing("end 9", with: "end 4"), text.replacing("v1", with: "v2"),
            text.replacing("\n", with: "\r\n"), String(text.dropLast()), "", "contact-vault range proof v1\n",
            text.replacing("end 9\n", with: "end 9\n\n"), text.replacing("first 5\n", with: "first 5 \n"),
        ]
        for text in other {
            #expect(throws: LogError.proofFileMalformed, "\(text)") {
                try RangeProof(parsing: Array(text.utf8))
            }
        }
    }

    @Test("a manifest reads back, and no other bytes do")
    func manifests() throws {
        var manifest = ExportManifest(
            origin: "vault.example/access-log", from: Timestamp(milliseconds: 1_767_225_600_000), to: nil,
            first: 3,
            end: 40, profile: .security, contact: ContactID(bytes: Array(1...16)), disclosures: 7,
            previousSize: 12)
        for name in ExportManifest.names {
            manifest.files[name] = ExportManifest.File(bytes: 9, digest: [UInt8](repeating: 7, count: 32))
        }
        let bytes = manifest.bytes
        #expect(try ExportManifest(parsing: bytes) == manifest)
        let text = String(decoding: bytes, as: UTF8.self)
        // What contradicts itself is none: a time that ends before it begins, a subject's export of nobody, a file too few.
        var contradictions: [ExportManifest] = []
        for change: (inout ExportManifest) -> Void in [
            { $0.to = $0.from },
            {
                $0.profile = .subject
                $0.contact = nil
            }, { $0.files["access.csv"] = nil },
            { $0.previousSize = nil }, { $0.files["consistency.txt"] = nil },
        ] {
            var other = manifest
            change(&other)
            contradictions.append(other)
        }
        for other in contradictions {
            #expect(throws: LogError.manifestMalformed) { try ExportManifest(parsing: other.bytes) }
        }
        for other in [
            String(text.dropLast()), text + "\n", text.replacing("\"v\":1", with: "\"v\":2"),
            text.replacing("security", with: "everything"), text.replacing("\"end\":40", with: "\"end\":2"),
            text.replacing("checkpoint", with: "../checkpoint"),
            text.replacing("{", with: "{ ", maxReplacements: 1),
            text.replacing("\"v\":1", with: "\"v\":1,\"x\":1"), "{}\n", "",
        ] {
            #expect(throws: LogError.manifestMalformed, "\(other)") {
                try ExportManifest(parsing: Array(other.utf8))
            }
        }
    }

    @Test("a trust policy is one log's key, and what is not checked here is refused")
    func policies() throws {
        let key = try NoteVerifier(name: "log.example", key: SigningKey(generating: .ed25519).verificationKey)
        let policy = LogTrustPolicy(logs: [key])
        #expect(try LogTrustPolicy(parsing: policy.text) == policy)
        #expect(
            try LogTrustPolicy(parsing: "# ours\n\n\tlog  \(key.verifierKey)\nquorum none\n") == policy)
        for text in [
            "", "quorum none\n", "log \(key.verifierKey)\nlog \(key.verifierKey)\n", "log\n", "log x\n",
            "log \(key.verifierKey)\nquorum w1\n", "log \(key.verifierKey)\nwitness w1 \(key.verifierKey)\n",
            "log \(key.verifierKey) https://log.example\n",
        ] {
            #expect(throws: LogError.policyMalformed, "\(text)") { try LogTrustPolicy(parsing: text) }
        }
    }
}

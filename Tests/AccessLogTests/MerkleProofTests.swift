// Proofs: known answers first, then everything a liar would try.

import AccessLog
import Testing

@Suite("Merkle proofs")
struct MerkleProofTests {
    private func inclusionError(
        _ leaf: [UInt8], _ index: UInt64, _ size: UInt64, _ proof: [[UInt8]], _ root: [UInt8]
    ) -> LogError? {
        do {
            try MerkleProof.verifyInclusion(
                leafHash: leaf, index: index, size: size, proof: proof, root: root)
            return nil
        } catch {
            return error
        }
    }

    private func consistencyError(
        _ old: UInt64, _ new: UInt64, _ oldRoot: [UInt8], _ newRoot: [UInt8], _ proof: [[UInt8]]
    ) -> LogError? {
        do {
            try MerkleProof.verifyConsistency(
                from: old, to: new, oldRoot: oldRoot, newRoot: newRoot, proof: proof)
            return nil
        } catch {
            return error
        }
    }

    @Test("known proofs are made and verified")
    func knownAnswers() throws {
        try #require(MerkleFixture.inclusions.count == 36 && MerkleFixture.consistencies.count == 36)
        var stored = StoredHashes()
        for leaf in MerkleFixture.leaves { try stored.append(leafHash: MerkleTree.leafHash(leaf)) }
        let prover = MerkleProver(stored)
        for known in MerkleFixture.inclusions {
            #expect(try prover.inclusion(of: known.first, in: known.second) == known.hashes)
            let leaf = MerkleTree.leafHash(MerkleFixture.leaves[Int(known.first)])
            let root = MerkleFixture.roots[Int(known.second)]
            #expect(inclusionError(leaf, known.first, known.second, known.hashes, root) == nil)
        }
        for known in MerkleFixture.consistencies {
            #expect(try prover.consistency(from: known.first, to: known.second) == known.hashes)
            let roots = (MerkleFixture.roots[Int(known.first)], MerkleFixture.roots[Int(known.second)])
            #expect(consistencyError(known.first, known.second, roots.0, roots.1, known.hashes) == nil)
        }
    }

    @Test("an inclusion proof of another leaf, index, size or root is refused")
    func inclusionOfSomethingElse() {
        for known in MerkleFixture.inclusions {
            let root = MerkleFixture.roots[Int(known.second)]
            let leaf = MerkleTree.leafHash(MerkleFixture.leaves[Int(known.first)])
            for other in 0..<8 where other != known.first {
                let wrong = MerkleTree.leafHash(MerkleFixture.leaves[other])
                #expect(
                    inclusionError(wrong, known.first, known.second, known.hashes, root) == .proofMismatch)
                #expect(inclusionError(leaf, UInt64(other), known.second, known.hashes, root) != nil)
            }
            // Some other sizes ask for the very same path; then the root must tell.
            for size in 0...8 where size != known.second {
                let otherRoot = MerkleFixture.roots[size]
                #expect(inclusionError(leaf, known.first, UInt64(size), known.hashes, otherRoot) != nil)
            }
        }
    }

    @Test("an inclusion proof with a hash missing, added, swapped, cut or flipped is refused")
    func damagedInclusion() {
        for known in MerkleFixture.inclusions {
            let root = MerkleFixture.roots[Int(known.second)]
            let leaf = MerkleTree.leafHash(MerkleFixture.leaves[Int(known.first)])
            func refused(_ proof: [[UInt8]], _ error: LogError) {
                #expect(inclusionError(leaf, known.first, known.second, proof, root) == error)
            }
            refused(known.hashes + [root], .proofLength)
            refused([root] + known.hashes, .proofLength)
            for place in known.hashes.indices {
                var proof = known.hashes
                proof.remove(at: place)
                refused(proof, .proofLength)
                proof = known.hashes
                proof[place].removeLast()
                refused(proof, .proofLength)
                for bit in 0..<256 {
                    proof = known.hashes
                    proof[place][bit / 8] ^= 1 << UInt8(bit % 8)
                    refused(proof, .proofMismatch)
                }
                if place > 0 {
                    proof = known.hashes
                    proof.swapAt(place - 1, place)
                    refused(proof, .proofMismatch)
                }
            }
        }
    }

    @Test("an index outside the tree is refused whatever the proof")
    func outside() {
        let root = MerkleFixture.roots[1]
        #expect(inclusionError(root, 0, 0, [], MerkleTree.emptyRoot) == .positionOutsideTree)
        #expect(inclusionError(root, 1, 1, [], root) == .positionOutsideTree)
        #expect(inclusionError(root, 0, UInt64.max, [], root) == .positionOutsideTree)
        #expect(inclusionError(root, UInt64.max - 1, UInt64.max, [], root) == .positionOutsideTree)
        #expect(consistencyError(2, 1, root, root, []) == .positionOutsideTree)
        #expect(consistencyError(1, UInt64.max, root, root, []) == .positionOutsideTree)
    }

    @Test("an inner node does not pass for an entry")
    func secondPreimage() throws {
        let left = MerkleTree.leafHash(MerkleFixture.leaves[0])
        let right = MerkleTree.leafHash(MerkleFixture.leaves[1])
        // The two leaf hashes as one "entry" would give the node's hash if leaves and nodes were hashed
        // alike.
        #expect(MerkleTree.leafHash(left + right) != MerkleTree.nodeHash(left, right))
        let known = try #require(MerkleFixture.inclusions.first { $0.first == 0 && $0.second == 4 })
        let forged = MerkleTree.leafHash(left + right)
        #expect(inclusionError(forged, 0, 2, Array(known.hashes.dropFirst()), MerkleFixture.roots[4]) != nil)
    }

    @Test("a consistency proof between other sizes or roots is refused")
    func consistencyOfSomethingElse() {
        for known in MerkleFixture.consistencies {
            let (old, new) = (Int(known.first), Int(known.second))
            let roots = MerkleFixture.roots
            for other in 1...8 {
                if other != old {
                    #expect(
                        consistencyError(known.first, known.second, roots[other], roots[new], known.hashes)
                            != nil)
                    #expect(
                        consistencyError(UInt64(other), known.second, roots[other], roots[new], known.hashes)
                            != nil)
                }
                if other != new {
                    #expect(
                        consistencyError(known.first, known.second, roots[old], roots[other], known.hashes)
                            != nil)
                    #expect(
                        consistencyError(known.first, UInt64(other), roots[old], roots[other], known.hashes)
                            != nil)
                }
            }
        }
    }

    @Test("a consistency proof with a hash missing, added, swapped or flipped is refused")
    func damagedConsistency() {
        for known in MerkleFixture.consistencies {
            let oldRoot = MerkleFixture.roots[Int(known.first)]
            let newRoot = MerkleFixture.roots[Int(known.second)]
            func refused(_ proof: [[UInt8]], _ error: LogError) {
                #expect(consistencyError(known.first, known.second, oldRoot, newRoot, proof) == error)
            }
            refused(known.hashes + [oldRoot], .proofLength)
            for place in known.hashes.indices {
                var proof = known.hashes
                proof.remove(at: place)
                refused(proof, .proofLength)
                proof = known.hashes
                proof[place][31] ^= 0x80
                refused(proof, .proofMismatch)
                proof = known.hashes
                proof[place].append(0)
                refused(proof, .proofLength)
                if place > 0 {
                    proof = known.hashes
                    proof.swapAt(place - 1, place)
                    refused(proof, .proofMismatch)
                }
            }
        }
    }

    @Test("the empty tree is continued by any tree, but only from its own root")
    func fromNothing() {
        let root = MerkleFixture.roots[8]
        #expect(consistencyError(0, 8, MerkleTree.emptyRoot, root, []) == nil)
        #expect(consistencyError(0, 8, root, root, []) == .proofMismatch)
        #expect(consistencyError(0, 8, MerkleTree.emptyRoot, root, [root]) == .proofLength)
        #expect(consistencyError(0, 0, MerkleTree.emptyRoot, MerkleTree.emptyRoot, []) == nil)
        #expect(consistencyError(0, 0, MerkleTree.emptyRoot, root, []) == .proofMismatch)
        #expect(consistencyError(8, 8, root, MerkleFixture.roots[7], []) == .proofMismatch)
    }
}

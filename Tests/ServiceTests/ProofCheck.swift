// Checks a written proof as a third party would: with the log's public key and nothing else.

import AccessLog
import Foundation

enum ProofCheck {
    static func verify(proof: [UInt8], leaf: [UInt8], key: String) throws {
        let verifier = try NoteVerifier(verifierKey: key.trimmingCharacters(in: .whitespacesAndNewlines))
        try LogProofFile(parsing: proof).verify(leafHash: MerkleTree.leafHash(leaf), by: verifier)
    }
}

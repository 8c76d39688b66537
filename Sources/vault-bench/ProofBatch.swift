// Requests with their proofs, made before the clock runs: signing is the client's work and would be measured as the
// service's.

import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import VaultCrypto

/// A token with the contact it is for.
struct BenchToken {
    let compact: String
    /// The contact, or the first of several.
    let contact: ContactID
    /// Whether it names several.
    var isBatch = false

    /// Path of its release.
    var path: String { isBatch ? "/v1/actions/dial" : "/v1/contacts/\(contact)/actions/dial" }
}

/// Makes proofs for the releases of some tokens.
struct ProofBatch {
    let issuer: String
    let key: PrivateJWK
    let tokens: [BenchToken]

    /// A proof, and the token that it is for.
    struct Proof {
        let token: Int
        let text: String
    }

    /// So many proofs, the tokens in turn, each with an identifier of its own.
    func make(_ count: Int, nonce: String) throws -> [Proof] {
        let now = Timestamp(Date())
        // One prefix a batch, and a counter: 128 random bits a proof are not what is measured here.
        let prefix = Base64URL.encode(try SystemRandom().bytes(12))
        return try (0..<count).map { index in
            let token = tokens[index % tokens.count]
            return Proof(
                token: index % tokens.count,
                text: try DPoPProof.make(
                    method: "POST", url: issuer + token.path, nonce: nonce, accessToken: token.compact,
                    key: key,
                    identifier: "\(prefix)\(index)", now: now))
        }
    }
}

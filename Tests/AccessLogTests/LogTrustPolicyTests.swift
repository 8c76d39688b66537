// Trust policies (C2SP tlog-policy): what is a quorum, and every way to write one down wrongly.

import ContactModel
import Testing
import VaultCrypto

@testable import AccessLog

/// Keys of a log and of witnesses.
private struct Keys {
    let log: CheckpointSigner
    let witnesses: [NoteSigner]

    init(_ count: Int = 5) throws {
        log = try CheckpointSigner(origin: "log.example/1", keys: [SigningKey(generating: .ed25519)])
        witnesses = try (1...count).map { number in
            try NoteSigner(
                name: "witness.example/\(number)", key: SigningKey(generating: .ed25519), kind: .witness)
        }
    }

    var logLine: String { "log \(log.verifiers[0].verifierKey)\n" }

    func witness(_ number: Int) -> String {
        "witness w\(number) \(witnesses[number - 1].verifier.verifierKey)\n"
    }

    var allWitnesses: String { (1...witnesses.count).map { witness($0) }.joined() }

    /// A checkpoint of the log, cosigned by some.
    func note(cosignedBy numbers: [Int] = [], origin: String = "log.example/1") throws -> SignedNote {
        let checkpoint = try Checkpoint(origin: origin, size: 1, root: [UInt8](repeating: 7, count: 32))
        var note = try SignedNote(parsing: Array(try log.sign(checkpoint, after: nil).utf8))
        for number in numbers {
            let line = try witnesses[number - 1].signature(
                of: note.text, at: Timestamp(seconds: 1_767_225_600)
            ).line
            note = try note.adding(Array(line.utf8))
        }
        return note
    }
}

@Suite("Trust policies")
struct LogTrustPolicyTests {
    @Test(
        "a checkpoint counts with a quorum and not with less",
        arguments: [
            ("quorum none\n", [], true), ("quorum w1\n", [], false), ("quorum w1\n", [1], true),
            ("quorum w1\n", [2], false), ("group g any w1 w2\nquorum g\n", [2], true),
            ("group g all w1 w2\nquorum g\n", [2], false), ("group g all w1 w2\nquorum g\n", [1, 2], true),
            ("group g 2 w1 w2 w3\nquorum g\n", [3, 1], true), ("group g 2 w1 w2 w3\nquorum g\n", [3], false),
            ("group x 2 w1 w2 w3\ngroup y any w4 w5\ngroup z all x y\nquorum z\n", [1, 2, 5], true),
            ("group x 2 w1 w2 w3\ngroup y any w4 w5\ngroup z all x y\nquorum z\n", [1, 2, 3], false),
            ("group x 2 w1 w2 w3\ngroup y any w4 w5\ngroup z all x y\nquorum z\n", [1, 4, 5], false),
        ] as [(String, [Int], Bool)])
    func quorum(lines: String, cosigners: [Int], isQuorum: Bool) throws {
        let keys = try Keys()
        let policy = try LogTrustPolicy(parsing: keys.logLine + keys.allWitnesses + lines)
        #expect(try LogTrustPolicy(parsing: policy.text) == policy)
        let note = try keys.note(cosignedBy: cosigners)
        #expect(try policy.cosigners(of: note) == Set(cosigners.map { "w\($0)" }))
        if isQuorum {
            #expect(try policy.verify(note).size == 1)
        } else {
            #expect(throws: LogError.quorumMissing) { () throws in try policy.verify(note) }
        }
    }

    @Test("a witness's word does not replace the log's, nor the log's a witness's")
    func otherKeys() throws {
        let keys = try Keys()
        let other = try Keys()
        let policy = try LogTrustPolicy(parsing: keys.logLine + keys.witness(1) + "quorum w1\n")
        #expect(throws: LogError.signerUnknown) { () throws in try policy.verify(other.note(cosignedBy: [1]))
        }
        // Signed by the right log, cosigned by a witness of the same name with another key.
        let line = try other.witnesses[0].signature(
            of: keys.note().text, at: Timestamp(seconds: 1)
        ).line
        #expect(throws: LogError.quorumMissing) { () throws in
            try policy.verify(keys.note().adding(Array(line.utf8)))
        }
        // The witness's key as a log's, and the log's as a witness's.
        let asLog = try NoteSigner(
            name: "log.example/1", key: SigningKey(generating: .ed25519), kind: .witness)
        #expect(throws: LogError.policyMalformed) { () throws in
            try LogTrustPolicy(parsing: "log \(asLog.verifier.verifierKey)\nquorum none\n")
        }
        #expect(throws: LogError.policyMalformed) { () throws in
            try LogTrustPolicy(
                parsing: keys.logLine + "witness w \(keys.log.verifiers[0].verifierKey)\nquorum w\n")
        }
    }

    @Test("a cosignature is of its text, its time and its key")
    func cosignature() throws {
        let keys = try Keys(1)
        let policy = try LogTrustPolicy(parsing: keys.logLine + keys.witness(1) + "quorum w1\n")
        let note = try keys.note(cosignedBy: [1])
        let signature = try #require(note.signatures.last)
        #expect(signature.signature.count == 72)
        for byte in signature.signature.indices {
            var bytes = signature.signature
            bytes[byte] ^= 1
            let forged = try SignedNote(
                text: note.text,
                signatures: [
                    note.signatures[0],
                    NoteSignature(name: signature.name, keyID: signature.keyID, signature: bytes),
                ])
            #expect(throws: LogError.signatureInvalid, "byte \(byte)") { () throws in
                try policy.verify(forged)
            }
        }
        for count in [0, 7, 8, 71, 73] where count > 0 {
            let bytes = Array((signature.signature + [0]).prefix(count))
            let cut = try SignedNote(
                text: note.text,
                signatures: [
                    note.signatures[0],
                    NoteSignature(name: signature.name, keyID: signature.keyID, signature: bytes),
                ])
            #expect(throws: LogError.signatureInvalid, "\(count) bytes") { () throws in try policy.verify(cut)
            }
        }
        // An ordinary signature by the witness's key over the text is no cosignature.
        #expect(
            keys.witnesses[0].verifier.keyID
                != (try NoteVerifier(
                    name: "witness.example/1", key: keys.witnesses[0].verifier.key)).keyID)
    }

    @Test("a witness that a policy names twice, in whatever way, is refused, and so is every other slip")
    func malformed() throws {
        let keys = try Keys(3)
        let key = keys.witnesses[0].verifier.verifierKey
        let (log, all) = (keys.logLine, keys.allWitnesses)
        let renamed = try NoteVerifier(
            name: "another.example", key: keys.witnesses[0].verifier.key, kind: .witness
        ).verifierKey
        let texts = [
            "", log, "quorum none\n", all + "quorum w1\n", log + "quorum w1\n", log + log + "quorum none\n",
            log + all + "quorum w4\n", log + all + "quorum w1\nquorum w1\n", log + all + "quorum w1 w2\n",
            log + all + "quorum\n", log + "witness w1 \(key)\nwitness w2 \(key)\nquorum w1\n",
            log + "witness w1 \(key)\nwitness w2 \(renamed)\nquorum w1\n",
            log + "witness w1 \(key)\n" + "witness w1 \(keys.witnesses[1].verifier.verifierKey)\nquorum w1\n",
            log + "witness none \(key)\nquorum none\n", log + "witness w1\nquorum w1\n",
            log + "witness w1 \(key) url more\nquorum w1\n",
            log + all + "group g 0 w1\nquorum g\n", log + all + "group g 2 w1\nquorum g\n",
            log + all + "group g 01 w1\nquorum g\n", log + all + "group g some w1\nquorum g\n",
            log + all + "group g -1 w1\nquorum g\n", log + all + "group g all\nquorum g\n",
            log + all + "group g any w1 w1\nquorum g\n",
            log + all + "group g any w1\ngroup h any w1\nquorum h\n",
            log + all + "group g any g\nquorum g\n", log + all + "group g any none\nquorum g\n",
            log + all + "group w1 any w2\nquorum w1\n", log + "quorum w1\n" + all,
            log + "group g any w1\n" + all + "quorum g\n", log + "quorum none\r\n",
            "ＬＯＧ " + log + "quorum none\n",
            log + "quorum none\u{0}\n", log + "tile none\nquorum none\n",
        ]
        for text in texts {
            #expect(throws: LogError.policyMalformed, "\(text)") { () throws in
                try LogTrustPolicy(parsing: text)
            }
        }
    }
}

// Signed notes, checkpoints, proof files: independently made signatures, then tampering.

import AccessLog
import StrictEncoding
import Testing
import VaultCrypto

/// The key behind the known answers (its seed is the bytes 0…31) and notes that an independent Ed25519 signed
/// with it.
enum NoteFixture {
    static let origin = "vault.example/access-log/1"

    static let note = """
        vault.example/access-log/1
        8
        XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=

        — vault.example/access-log/1 \
        KPuk8Td1Q5/WyeuYgJE48ikheGadX80xX0Gpbg8Te6vw6vL2kg9ua7wJqouyucZxmcOKhy+l3OCfwLcpkEfy4XW3ogI=

        """

    static func key(_ seed: [UInt8] = Array(0..<32)) throws -> SigningKey {
        try SigningKey(.ed25519, privateKey: SecretBytes(copying: seed))
    }

    static func verifier() throws -> NoteVerifier { try NoteVerifier(verifierKey: MerkleFixture.verifierKey) }

    static func signer() throws -> CheckpointSigner { try CheckpointSigner(origin: origin, keys: [key()]) }

    static func checkpoint(_ size: Int) throws -> Checkpoint {
        try Checkpoint(origin: origin, size: UInt64(size), root: MerkleFixture.roots[size])
    }
}

@Suite("Signed notes")
struct SignedNoteTests {
    private func parse(_ text: String) throws -> SignedNote { try SignedNote(parsing: Array(text.utf8)) }

    @Test("an independently signed checkpoint verifies and is reproduced byte for byte")
    func knownAnswer() throws {
        let note = try parse(NoteFixture.note)
        let checkpoint = try Checkpoint(verifying: note, by: NoteFixture.verifier())
        #expect(try checkpoint == NoteFixture.checkpoint(8))
        #expect(try NoteFixture.signer().sign(checkpoint, after: nil) == NoteFixture.note)
        #expect(note.serialized == NoteFixture.note)
    }

    @Test("the note of the Go package's documentation verifies")
    func goNote() throws {
        let verifier = try NoteVerifier(
            verifierKey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
        let note = try parse(
            """
            If you think cryptography is the answer to your problem,
            then you don't know what your problem is.

            — PeterNeumann \
            x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

            """)
        #expect(try note.verify(by: [verifier]) == [verifier])
    }

    @Test("the published verifier key is the signer's, and parses to itself")
    func verifierKey() throws {
        #expect(try NoteFixture.signer().verifiers[0].verifierKey == MerkleFixture.verifierKey)
        #expect(try NoteFixture.verifier().verifierKey == MerkleFixture.verifierKey)
        #expect(try NoteFixture.verifier().keyID == 0x28fb_a4f1)
    }

    @Test(
        "a verifier key of another form, type or key id is refused",
        arguments: [
            "", "+", "++", "vault.example/access-log/1",
            "vault.example/access-log/1+28fba4f1",
            "+28fba4f1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "vault.example/access-log/1+28fba4f2+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "vault.example/access-log/1+28FBA4F1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "vault.example/access-log/2+28fba4f1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "vault.example/access-log/1+28fba4f1+AgOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "vault.example/access-log/1+28fba4f1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n",
            "vault.example/access-log/1+28fba4f1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTE=",
            "vault.example/access log/1+28fba4f1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        ])
    func badVerifierKey(_ text: String) {
        #expect(throws: LogError.noteKeyMalformed) { () throws in try NoteVerifier(verifierKey: text) }
    }

    @Test("an ES256 key neither signs nor verifies notes")
    func otherAlgorithm() throws {
        let key = try SigningKey(generating: .es256)
        #expect(throws: LogError.noteKeyMalformed) { () throws in
            try CheckpointSigner(origin: NoteFixture.origin, keys: [key])
        }
        for name in ["", "with space", "with+plus", "zurück", "line\n", String(repeating: "a", count: 257)] {
            let signing = try NoteFixture.key()
            #expect(throws: LogError.noteKeyMalformed) { () throws in try NoteSigner(name: name, key: signing)
            }
        }
    }

    @Test("every flipped bit of a note is refused")
    func everyBit() throws {
        let bytes = Array(NoteFixture.note.utf8)
        let verifier = try NoteFixture.verifier()
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            var isAccepted = true
            do { _ = try Checkpoint(verifying: SignedNote(parsing: flipped), by: verifier) } catch {
                isAccepted = false
            }
            #expect(!isAccepted, "bit \(bit)")
        }
    }

    @Test("every truncation of a note is refused")
    func everyTruncation() throws {
        let bytes = Array(NoteFixture.note.utf8)
        for count in 0..<bytes.count {
            #expect(throws: LogError.noteMalformed) { () throws in
                try SignedNote(parsing: Array(bytes[..<count]))
            }
        }
    }

    @Test("another key's signature under the log's name and key id is invalid; under its own key id, unknown")
    func otherSigner() throws {
        let other = try NoteSigner(
            name: NoteFixture.origin, key: NoteFixture.key([UInt8](repeating: 0x42, count: 32)))
        let foreign = try other.sign(NoteFixture.checkpoint(8).text)
        let verifier = try NoteFixture.verifier()
        #expect(throws: LogError.signerUnknown) { () throws in try foreign.verify(by: [verifier]) }
        // The same signature with the log's key id: four bytes are easily made to collide.
        let line = [0x28, 0xfb, 0xa4, 0xf1] + foreign.signatures[0].signature
        let text = try NoteFixture.checkpoint(8).text
        let forged = try parse("\(text)\n— \(NoteFixture.origin) \(Base64.encode(line))\n")
        #expect(throws: LogError.signatureInvalid) { () throws in try forged.verify(by: [verifier]) }
        // The right signature under a wrong key id names nobody.
        let genuine = try parse(NoteFixture.note).signatures[0].signature
        let renamed = try parse("\(text)\n— \(NoteFixture.origin) \(Base64.encode([0, 0, 0, 1] + genuine))\n")
        #expect(throws: LogError.signerUnknown) { () throws in try renamed.verify(by: [verifier]) }
        #expect(throws: LogError.signerUnknown) { () throws in try parse(NoteFixture.note).verify(by: []) }
    }

    @Test("signatures of unknown keys are ignored, and one bad signature of a trusted key spoils the note")
    func severalSignatures() throws {
        let verifier = try NoteFixture.verifier()
        let witness = try NoteSigner(
            name: "witness.example/w1", key: NoteFixture.key([UInt8](repeating: 9, count: 32)))
        let text = try NoteFixture.checkpoint(8).text
        let ours = try parse(NoteFixture.note).signatures
        let theirs = try witness.sign(text).signatures
        let note = try SignedNote(text: text, signatures: theirs + ours + ours)
        #expect(try note.verify(by: [verifier]) == [verifier])
        #expect(try note.verify(by: [verifier, witness.verifier]) == [witness.verifier, verifier])
        let elsewhere = try witness.sign("another text\n").signatures
        let spoiled = try SignedNote(text: text, signatures: ours + elsewhere)
        #expect(try spoiled.verify(by: [verifier]) == [verifier])
        #expect(throws: LogError.signatureInvalid) { () throws in
            try spoiled.verify(by: [verifier, witness.verifier])
        }
    }

    @Test("a text may hold blank lines: the last one separates")
    func blankLines() throws {
        let signer = try NoteSigner(name: "notes.example/n", key: NoteFixture.key())
        let note = try signer.sign("first\n\nsecond\n\n")
        let again = try parse(note.serialized)
        #expect(again == note)
        #expect(again.text == "first\n\nsecond\n\n")
        #expect(try again.verify(by: [signer.verifier]) == [signer.verifier])
        for text in ["", "no newline", "tab\there\n", "crlf\r\n", "nul\0\n"] {
            #expect(throws: LogError.noteMalformed) { () throws in try signer.sign(text) }
        }
    }

    @Test("malformed notes are refused")
    func malformed() throws {
        let text = try NoteFixture.checkpoint(8).text
        let line = String(NoteFixture.note.dropFirst(text.count + 1))
        let signature = line.split(separator: " ")[2].dropLast()
        for bad in [
            text, text + "\n", text + line, "\n" + text + line, text + "\n" + line.dropLast(),
            text + "\n\n" + "x\n",
            text + "\n" + line + "\n", text + "\n" + line.replacing("\n", with: "\r\n"),
            NoteFixture.note.replacing("\n", with: "\r\n"), text + "\n" + line.replacing("— ", with: "- "),
            text + "\n" + line.replacing("— ", with: "—  "), text + "\n" + line.replacing("=", with: ""),
            text + "\n" + line.replacing("ogI=", with: "ogJ="), text + "\n— \(signature)\n",
            text + "\n—  \(signature)\n", text + "\n— a+b \(signature)\n",
            text + "\n— a\u{00A0}b \(signature)\n",
            text + "\n— a b \(signature)\n", text + "\n— a KPuk8Q==\n", text + "\n— a \n",
            text + "\n" + String(repeating: line, count: 65),
        ] {
            #expect(throws: LogError.noteMalformed, "\(bad)") { () throws in try parse(bad) }
        }
        #expect(try parse(text + "\n" + String(repeating: line, count: 16)).signatures.count == 16)
        #expect(throws: LogError.noteMalformed) { () throws in
            try SignedNote(parsing: [0xFF] + Array(NoteFixture.note.utf8))
        }
        #expect(throws: LogError.noteMalformed) { () throws in
            try parse(String(repeating: "a", count: 128 * 1024) + NoteFixture.note)
        }
    }

    @Test("a text in another Unicode spelling is another text")
    func unicodeSpelling() throws {
        let signer = try NoteSigner(name: "notes.example/n", key: NoteFixture.key())
        let composed = try signer.sign("caf\u{E9}\n")
        let decomposed = try SignedNote(text: "cafe\u{301}\n", signatures: composed.signatures)
        #expect(composed != decomposed)
        #expect(throws: LogError.signatureInvalid) { () throws in try decomposed.verify(by: [signer.verifier])
        }
    }
}

@Suite("Checkpoints")
struct CheckpointTests {
    private static let root = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="

    @Test("a checkpoint is three lines and parses to itself")
    func roundTrip() throws {
        let checkpoint = try NoteFixture.checkpoint(8)
        #expect(checkpoint.text == "vault.example/access-log/1\n8\n\(Self.root)\n")
        #expect(try Checkpoint(parsing: checkpoint.text) == checkpoint)
        let empty = try NoteFixture.checkpoint(0)
        #expect(try Checkpoint(parsing: empty.text) == empty)
        let greatest = try Checkpoint(origin: "o", size: MerkleTree.maximumSize, root: checkpoint.root)
        #expect(try Checkpoint(parsing: greatest.text) == greatest)
    }

    @Test("any other spelling is refused")
    func otherSpelling() {
        for text in [
            "", "\n", "o\n8\n", "o\n8\n\(Self.root)", "o\n8\n\(Self.root)\n\n",
            "o\n8\n\(Self.root)\nextension\n",
            "o\r\n8\r\n\(Self.root)\r\n", "o\n08\n\(Self.root)\n", "o\n00\n\(Self.root)\n",
            "o\n+8\n\(Self.root)\n", "o\n-8\n\(Self.root)\n",
            "o\n 8\n\(Self.root)\n", "o\n8 \n\(Self.root)\n", "o\n0x8\n\(Self.root)\n",
            "o\n٨\n\(Self.root)\n", "o\n\n\(Self.root)\n",
            "o\n9223372036854775808\n\(Self.root)\n", "o\n18446744073709551616\n\(Self.root)\n",
            "\n8\n\(Self.root)\n", "o o\n8\n\(Self.root)\n", "o+o\n8\n\(Self.root)\n", "ö\n8\n\(Self.root)\n",
            "o\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg\n",
            "o\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyh=\n",
            "o\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz-Nw7_RgQyg=\n",
            "o\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQw==\n",
            "o\n8\n\(Self.root) \n", "o\n8\n\n", "\u{FEFF}o\n8\n\(Self.root)\n",
            "o\n0\n\(Self.root)\n",
        ] {
            #expect(throws: LogError.checkpointMalformed, "\(text)") { () throws in
                try Checkpoint(parsing: text)
            }
        }
    }

    @Test("a checkpoint of another origin is refused, though the log's key signed it")
    func otherOrigin() throws {
        let signer = try NoteSigner(name: NoteFixture.origin, key: NoteFixture.key())
        let foreign = try Checkpoint(
            origin: "vault.example/access-log/2", size: 8, root: MerkleFixture.roots[8])
        let note = try signer.sign(foreign.text)
        #expect(throws: LogError.originMismatch) { () throws in
            try Checkpoint(verifying: note, by: signer.verifier)
        }
        let checkpoints = try NoteFixture.signer()
        #expect(throws: LogError.originMismatch) { () throws in try checkpoints.sign(foreign, after: nil) }
        let own = try NoteFixture.checkpoint(8)
        #expect(throws: LogError.originMismatch) { () throws in try checkpoints.sign(own, after: foreign) }
    }

    @Test("the signer refuses to go back and to fork")
    func refusesBackwards() throws {
        let signer = try NoteFixture.signer()
        let seven = try NoteFixture.checkpoint(7)
        let eight = try NoteFixture.checkpoint(8)
        let forked = try Checkpoint(origin: NoteFixture.origin, size: 8, root: MerkleFixture.roots[7])
        #expect(try signer.sign(eight, after: seven) == NoteFixture.note)
        #expect(try signer.sign(eight, after: eight) == NoteFixture.note)
        #expect(throws: LogError.checkpointGoesBack) { () throws in try signer.sign(seven, after: eight) }
        #expect(throws: LogError.checkpointForks) { () throws in try signer.sign(forked, after: eight) }
    }

    @Test("with a proof, the signer refuses a larger tree that does not continue the last one")
    func refusesLargerFork() throws {
        let signer = try NoteFixture.signer()
        let five = try NoteFixture.checkpoint(5)
        let eight = try NoteFixture.checkpoint(8)
        let known = try #require(MerkleFixture.consistencies.first { $0.first == 5 && $0.second == 8 })
        #expect(try signer.sign(eight, after: five, consistency: known.hashes) == NoteFixture.note)
        let forked = try Checkpoint(origin: NoteFixture.origin, size: 5, root: MerkleFixture.roots[4])
        for (last, proof) in [(forked, known.hashes), (five, []), (five, Array(known.hashes.reversed()))] {
            #expect(throws: LogError.checkpointForks) { () throws in
                try signer.sign(eight, after: last, consistency: proof)
            }
        }
        #expect(throws: LogError.checkpointGoesBack) { () throws in
            try signer.sign(five, after: eight, consistency: known.hashes)
        }
    }
}

@Suite("Log proof files")
struct LogProofTests {
    private func file(_ index: Int, extra: [UInt8]? = nil) throws -> LogProofFile {
        let known = try #require(MerkleFixture.inclusions.first { $0.first == index && $0.second == 8 })
        return try LogProofFile(
            index: UInt64(index), hashes: known.hashes,
            note: SignedNote(parsing: Array(NoteFixture.note.utf8)),
            extra: extra)
    }

    @Test("a proof file has the form of the specification and parses to itself")
    func form() throws {
        let proof = try file(6)
        #expect(
            proof.text == """
                c2sp.org/tlog-proof@v1
                index 6
                Rvb/rdPQagn/PFhg0nVci5gZ2330QlF4jH2OMYDejrE=
                DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=
                037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=

                \(NoteFixture.note)
                """)
        #expect(try LogProofFile(parsing: Array(proof.text.utf8)) == proof)
        let withExtra = try file(6, extra: Array("{}".utf8))
        #expect(withExtra.text.hasPrefix("c2sp.org/tlog-proof@v1\nextra e30=\nindex 6\n"))
        #expect(try LogProofFile(parsing: Array(withExtra.text.utf8)) == withExtra)
    }

    @Test("a proof of the only entry has no hashes")
    func singleEntry() throws {
        let note = try NoteFixture.signer().sign(NoteFixture.checkpoint(1), after: nil)
        let proof = try LogProofFile(index: 0, hashes: [], note: SignedNote(parsing: Array(note.utf8)))
        let again = try LogProofFile(parsing: Array(proof.text.utf8))
        #expect(again == proof)
        let leaf = MerkleTree.leafHash(MerkleFixture.leaves[0])
        #expect(try again.verify(leafHash: leaf, by: NoteFixture.verifier()).size == 1)
    }

    @Test("every entry of the known tree verifies, and no other entry does")
    func verify() throws {
        let verifier = try NoteFixture.verifier()
        for index in 0..<8 {
            let proof = try file(index)
            for other in 0..<8 {
                let leaf = MerkleTree.leafHash(MerkleFixture.leaves[other])
                if other == index {
                    #expect(try proof.verify(leafHash: leaf, by: verifier) == NoteFixture.checkpoint(8))
                } else {
                    #expect(throws: LogError.proofMismatch) { () throws in
                        try proof.verify(leafHash: leaf, by: verifier)
                    }
                }
            }
        }
    }

    @Test("every flipped bit of a proof file is refused, but for those of the extra data")
    func everyBit() throws {
        let verifier = try NoteFixture.verifier()
        let leaf = MerkleTree.leafHash(MerkleFixture.leaves[3])
        let bytes = Array(try file(3).text.utf8)
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            var isAccepted = true
            do { try LogProofFile(parsing: flipped).verify(leafHash: leaf, by: verifier) } catch {
                isAccepted = false
            }
            #expect(!isAccepted, "bit \(bit)")
        }
    }

    @Test("other spellings of a proof file are refused")
    func otherSpellings() throws {
        let text = try file(6).text
        for bad in [
            "", "\n\n", text.replacing("@v1", with: "@v2"), text.replacing("index 6", with: "index 06"),
            text.replacing("index 6", with: "index +6"), text.replacing("index 6", with: "index  6"),
            text.replacing("index 6\n", with: ""), text.replacing("index 6\n", with: "index 6\nindex 6\n"),
            text.replacing("index 6", with: "extra \nindex 6"),
            text.replacing("index 6", with: "extra !\nindex 6"),
            text.replacing("index 6", with: "extra e30=\nextra e30=\nindex 6"),
            text.replacing("index 6", with: "index 18446744073709551616"),
            text.replacing("jrE=", with: "jrF="), text.replacing("Rvb/", with: ""),
            text.replacing(
                "index 6\n",
                with: "index 6\n"
                    + String(repeating: "\(Base64.encode([UInt8](repeating: 0, count: 32)))\n", count: 61)),
            String(text.dropFirst()), text.replacing("\n", with: "\r\n"),
        ] {
            var error: (any Error)?
            do { _ = try LogProofFile(parsing: Array(bad.utf8)) } catch let thrown { error = thrown }
            #expect(error != nil, "\(bad)")
        }
        for count in 0..<text.utf8.count {
            var isParsed = true
            do { _ = try LogProofFile(parsing: Array(text.utf8.prefix(count))) } catch { isParsed = false }
            #expect(!isParsed, "\(count)")
        }
    }
}

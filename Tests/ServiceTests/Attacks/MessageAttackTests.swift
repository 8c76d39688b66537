// The known attacks on signed messages, each on all four places where the service takes one: the access token, the proof of a
// request, the client's assertion, the proof of a token request. Every message is otherwise good and, where that makes sense,
// signed by the right key.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultClient
import VaultCrypto
import VaultTesting

extension Attacks {
    @Suite("on signed messages")
    struct MessageAttackTests {
        /// Order of the P-256 group.
        private static let order =
            Hex.decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") ?? []

        private static func json(_ text: String) -> String { JSONValue.string(text).canonicalText }

        // MARK: Algorithms

        @Test("alg none in any case, with and without a signature, empty, absent or of another type")
        func algorithmNone() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                for name in ["none", "None", "NONE", "nOnE", "", "none ", "none\u{0}"] {
                    let message = try forge.message(kind).header("alg", Self.json(name))
                    try forge.refuse(kind, message.compact(signature: []), "algorithm", "\(name), unsigned")
                    try forge.refuse(kind, message.compact(), "algorithm", "\(name), signed")
                }
                for (json, fault) in [
                    (nil, "missing_member"), ("null", "malformed_member"),
                    ("[\"ES256\"]", "malformed_member"),
                    ("{}", "malformed_member"), ("0", "malformed_member"), ("1.5", "json"),
                ] {
                    let message = try forge.message(kind).header("alg", json)
                    try forge.refuse(kind, message.compact(), fault, "alg \(json ?? "absent")")
                }
            }
            try forge.finish()
        }

        @Test("HS256 with the public key as secret: PEM, DER, JWK, point, thumbprint")
        func publicKeyAsSecret() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                let key = try forge.message(kind).key.verificationKey
                for (what, secret) in try Self.spellings(of: key) {
                    for algorithm in ["HS256", "HS384", "HS512", "hs256"] {
                        let message = try forge.message(kind).header("alg", Self.json(algorithm))
                        let code = try HMACSHA256.authenticate(
                            Array(message.input.utf8), key: SecretBytes(copying: secret))
                        try forge.refuse(
                            kind, message.compact(signature: code), "algorithm", "\(algorithm) with \(what)")
                    }
                    // The same code under the right name, as long as a signature and as long as it is.
                    let message = try forge.message(kind)
                    let code = try HMACSHA256.authenticate(
                        Array(message.input.utf8), key: SecretBytes(copying: secret))
                    try forge.refuse(
                        kind, message.compact(signature: code), "signature", "ES256 with \(what)")
                    try forge.refuse(
                        kind, message.compact(signature: code + code), "signature",
                        "ES256 with \(what), twice")
                }
            }
            try forge.finish()
        }

        /// What an attacker may take for the secret that a careless verifier uses.
        private static func spellings(of key: VerificationKey) throws -> [(String, [UInt8])] {
            // SubjectPublicKeyInfo of a P-256 key (RFC 5480 §2) up to the point.
            let prefix = try #require(Hex.decode("3059301306072a8648ce3d020106082a8648ce3d030107034200"))
            let der = prefix + key.rawRepresentation
            let text = Array(Base64.encode(der))
            let lines = stride(from: 0, to: text.count, by: 64).map {
                String(text[$0..<min($0 + 64, text.count)])
            }
            let pem =
                "-----BEGIN PUBLIC KEY-----\n" + lines.joined(separator: "\n") + "\n-----END PUBLIC KEY-----"
            let jwk = PublicJWK(key)
            let numbers = try #require(jwk.json.objectValue?["x"]?.stringValue)
            return [
                ("PEM", Array((pem + "\n").utf8)), ("PEM without a last newline", Array(pem.utf8)),
                ("PEM with CRLF", Array((pem + "\n").replacingOccurrences(of: "\n", with: "\r\n").utf8)),
                ("DER", der), ("JWK text", jwk.json.canonicalBytes),
                ("key set text", PublicJWK.keySet([jwk]).canonicalBytes), ("point", key.rawRepresentation),
                ("x", Array(numbers.utf8)), ("thumbprint text", Array(jwk.thumbprint.utf8)),
                ("thumbprint", try #require(Base64URL.decode(jwk.thumbprint))),
            ]
        }

        @Test(
            "a client key registered without alg verifies under its own algorithm alone; key sets name alg and kid"
        )
        func keyWithoutAlgorithm() throws {
            let forge = try TokenForge { vault in
                for (name, algorithm) in [("bare-1", SignatureAlgorithm.es256), ("bare-2", .ed25519)] {
                    let key = try ClientKey.create(path: vault.keyFile(name), algorithm: algorithm)
                    let bare = try Self.bare(key)
                    let added = try Self.register(name, bare.text, in: vault)
                    #expect(added.code == 0, "\(added.messages)")
                    // A key that names another algorithm, or no public one, is no key of a client.
                    for wrong in ["none", "None", "HS256", "RS256", "EdDSA", "", "ES384"] {
                        let refused = try Self.register(
                            "wrong-1", bare.with("alg", Self.json(wrong)).text, in: vault)
                        #expect(refused.code == 1, "\(wrong)")
                    }
                    let other = algorithm == .es256 ? SignatureAlgorithm.ed25519 : .es256
                    let refused = try Self.register(
                        "wrong-1", bare.with("alg", Self.json(other.rawValue)).text, in: vault)
                    #expect(refused.code == 1)
                }
                let secret = Base64URL.encode([UInt8](repeating: 7, count: 32))
                for key in [
                    #"{"kty":"oct","k":"\#(secret)"}"#, #"{"kty":"oct","k":"\#(secret)","alg":"HS256"}"#,
                ] {
                    #expect(try Self.register("wrong-1", key, in: vault).code == 1)
                }
            }
            for (name, others) in [
                ("bare-1", ["Ed25519", "EdDSA", "HS256", "none"]),
                ("bare-2", ["ES256", "EdDSA", "HS256", "none"]),
            ] {
                let holder = try forge.holder(name)
                for kind in MessageKind.allCases {
                    try forge.accept(kind, forge.message(kind, for: holder).compact(), for: holder)
                }
                for kind in [MessageKind.assertion, .proof, .grantProof] {
                    for other in others {
                        let message = try forge.message(kind, for: holder).header("alg", Self.json(other))
                        try forge.refuse(
                            kind, message.compact(), "algorithm", for: holder, "\(name), \(other)")
                    }
                }
            }
            let set = try forge.send("GET", "/oauth2/jwks")
            let keys = try #require(set.json?["keys"]?.arrayValue)
            #expect(!keys.isEmpty)
            for key in keys {
                let key = try #require(key.objectValue)
                #expect(Set(key.keys) == ["kty", "crv", "x", "y", "alg", "kid", "use"])
                #expect(key["alg"] == .string("ES256") && key["use"] == .string("sig"))
                #expect(key["kid"]?.stringValue == forge.vaultKey.thumbprint)
            }
            try forge.finish()
            // Whatever the file said, the registration has it.
            let listed = try CommandLineProgram.run(["client", "list", "--json", "--data", forge.vault.data])
            let registrations = try listed.output.split(separator: "\n").map {
                try #require(try JSONValue.parse(Array($0.utf8)).objectValue)
            }
            #expect(registrations.count == 5)
            for registration in registrations {
                for key in registration["keys"]?.arrayValue ?? [] {
                    let key = try #require(key.objectValue)
                    #expect(key["alg"] == .string(key["kty"] == .string("EC") ? "ES256" : "Ed25519"))
                    #expect(key["kid"]?.stringValue?.utf8.count == 43)
                    #expect(key["d"] == nil)
                }
            }
        }

        /// A public key with nothing but its numbers.
        private static func bare(_ key: PublicJWK) throws -> ForgedObject {
            let object = try #require(key.json.objectValue)
            return ForgedObject(
                members: ["kty", "crv", "x", "y"].compactMap { name in
                    object[name].map { (name, $0.canonicalText) }
                })
        }

        private static func register(
            _ name: String, _ key: String, in vault: ServedVault
        ) throws -> CommandLineProgram.Outcome {
            let file = vault.folder.file("public.jwk")
            try key.write(toFile: file, atomically: true, encoding: .utf8)
            return try CommandLineProgram.run([
                "client", "add", name, "--data", vault.data, "--agency", "acme", "--kind", "gateway",
                "--role",
                "collection", "--jwk", file,
            ])
        }

        @Test("a header of ES256 on an Ed25519 key and the reverse, whichever key signs")
        func otherAlgorithm() throws {
            let forge = try TokenForge { vault in
                try vault.addClient("dialer-2", kind: "gateway", roles: ["collection"], algorithm: .ed25519)
            }
            let edwards = try forge.holder("dialer-2")
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                let message = try forge.message(kind).header("alg", "\"Ed25519\"")
                try forge.refuse(kind, message.compact(), "algorithm", "Ed25519 over an EC key")
                let stranger = try SigningKey(generating: .ed25519)
                let again = try forge.message(kind).header("alg", "\"Ed25519\"").signed(by: stranger)
                try forge.refuse(kind, again.compact(), "algorithm", "Ed25519 by a stranger, an EC key named")
            }
            for kind in [MessageKind.assertion, .proof, .grantProof] {
                try forge.accept(kind, forge.message(kind, for: edwards).compact(), for: edwards)
                let message = try forge.message(kind, for: edwards).header("alg", "\"ES256\"")
                try forge.refuse(
                    kind, message.compact(), "algorithm", for: edwards, "ES256 over an Ed25519 key")
                let stranger = try SigningKey(generating: .es256)
                try forge.refuse(
                    kind, message.signed(by: stranger).compact(), "algorithm", for: edwards,
                    "ES256 by a stranger, an Ed25519 key named")
            }
            // A token by a key that is registered, and not the vault's.
            for key in [edwards.key, forge.dialer.key] {
                let message = try forge.token().header("alg", Self.json(key.key.algorithm.rawValue))
                    .header("kid", Self.json(key.thumbprint)).signed(by: key.key)
                try forge.refuse(.accessToken, message.compact(), "key_unknown", "signed by a client")
            }
            try forge.finish()
        }

        // MARK: Segments and headers

        @Test("five segments (a JWE), other numbers of segments, and JSON serialisation")
        func segments() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                let good = try forge.message(kind).compact()
                let parts = good.split(separator: ".").map(String.init)
                let encrypted = Base64URL.encode(
                    Array(#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT"}"#.utf8))
                let direct = Base64URL.encode(Array(#"{"alg":"dir","enc":"A256GCM"}"#.utf8))
                for bad in [
                    "\(encrypted)..\(parts[2]).\(parts[1]).\(parts[0])", "\(direct)..AAAA.\(parts[1]).AAAA",
                    good + ".AAAA.AAAA", good + "..", good + ".", good + ".AAAA", "." + good, parts[0],
                    "\(parts[0]).\(parts[1])", ".\(parts[1]).\(parts[2])", "..", "....",
                    #"{"protected":"\#(parts[0])","payload":"\#(parts[1])","signature":"\#(parts[2])"}"#,
                ] {
                    try forge.refuse(kind, bad, "segments", String(bad.prefix(20)))
                }
            }
            try forge.finish()
        }

        @Test("jwk, jku, x5u, x5c, crit, b64, zip and more in the header choose nothing; no URL is fetched")
        func headerParameters() throws {
            let forge = try TokenForge()
            let lure = try SilentListener()
            let stranger = PrivateJWK(try SigningKey(generating: .es256))
            let own = try Self.bare(stranger.publicJWK).text
            let url = Self.json("http://127.0.0.1:\(lure.port)/keys.json")
            let parameters: [(String, String)] = [
                ("jwk", own), ("jku", url), ("x5u", url), ("x5c", "[\"MIIBCgKCAQEA\"]"),
                ("crit", "[\"b64\"]"),
                ("crit", "[\"exp\"]"), ("crit", "[]"), ("b64", "false"), ("b64", "true"), ("zip", "\"DEF\""),
                ("x5t", "\"AAAA\""), ("x5t#S256", "\"AAAA\""), ("enc", "\"A256GCM\""), ("cty", "\"JWT\""),
                ("epk", own), ("iss", "\"x\""), ("Alg", "\"none\""), ("nonce", "\"x\""), ("", "\"x\""),
            ]
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                for (name, value) in parameters where name != "jwk" || !kind.isProof {
                    let message = try forge.message(kind).header(name, value)
                    try forge.refuse(kind, message.compact(), "unknown_member", "\(name) \(value)")
                    // As the attack has it: the stranger signs, and the header says where the stranger's key is.
                    if name == "jku" || name == "x5u" || name == "jwk" {
                        let attack = try forge.message(kind).header(name, value).signed(by: stranger.key)
                        try forge.refuse(
                            kind, attack.compact(), "unknown_member", "\(name), signed by its owner")
                        guard !kind.isProof else { continue }
                        let named = attack.header("kid", Self.json(stranger.thumbprint))
                        try forge.refuse(kind, named.compact(), "unknown_member", "\(name), kid of its owner")
                    }
                }
                if kind.isProof {
                    // A proof names its key by value; a kid beside it could name another.
                    let kid = Self.json(forge.dialer.key.thumbprint)
                    try forge.refuse(
                        kind, forge.message(kind).header("kid", kid).compact(), "unknown_member", "kid")
                }
                // RFC 7797: the payload as it is, signed as it is.
                let message = try forge.message(kind).header("b64", "false").header("crit", "[\"b64\"]")
                let input = Base64URL.encode(Array(message.header.text.utf8)) + "." + message.claims.text
                try forge.refuse(
                    kind, ForgedMessage.signed(input, by: message.key), "segments", "an unencoded payload")
                for bad in [
                    "[]", "null", "\"x\"", message.header.text + " x", "{\"alg\":\"ES256\",}", "\u{FEFF}{}",
                ] {
                    let input =
                        Base64URL.encode(Array(bad.utf8)) + "."
                        + Base64URL.encode(Array(message.claims.text.utf8))
                    let fault = ["[]", "null", "\"x\""].contains(bad) ? "malformed_member" : "json"
                    try forge.refuse(
                        kind, ForgedMessage.signed(input, by: message.key), fault, "header \(bad)")
                }
            }
            #expect(!lure.wasCalled)
            try forge.finish()
        }

        @Test("a path, SQL, a URL or a near miss in kid names no key; no file is read and no URL fetched")
        func keyIDs() throws {
            let forge = try TokenForge()
            let lure = try SilentListener()
            for kind in [MessageKind.accessToken, .assertion] {
                try forge.accept(kind, forge.message(kind).compact())
                let thumbprint =
                    kind == .accessToken ? forge.vaultKey.thumbprint : forge.dialer.key.thumbprint
                let swapped = String(
                    thumbprint.map {
                        $0.isUppercase ? Character($0.lowercased()) : Character($0.uppercased())
                    })
                for kid in [
                    "../../../../etc/passwd", "/dev/null", "/proc/self/environ", "root.key", "keyring",
                    "\(forge.vault.data)/root.key", "file:///etc/passwd", "..\\..\\windows\\win.ini",
                    "' OR '1'='1", "x' UNION SELECT key FROM keys --", "1; DROP TABLE clients", "\"; --",
                    "http://127.0.0.1:\(lure.port)/key", "https://vault.example/keys", "| id", "$(id)", "%00",
                    "", " ", "0", "null", "*", "\u{0}", "\(thumbprint)\u{0}", "\(thumbprint) ",
                    " \(thumbprint)",
                    "\(thumbprint)=", "\(thumbprint)\n", "./\(thumbprint)", "\(thumbprint)/../\(thumbprint)",
                    "\(thumbprint)'--", String(thumbprint.dropLast()), swapped, "%\(thumbprint)",
                    String(repeating: "k", count: 3000),
                ] {
                    let message = try forge.message(kind).header("kid", Self.json(kid))
                    try forge.refuse(kind, message.compact(), "key_unknown", "kid \(kid.prefix(40))")
                }
                for (kid, fault) in [
                    ("null", "malformed_member"), ("true", "malformed_member"), ("0", "malformed_member"),
                    ("1.5", "json"), ("[]", "malformed_member"), ("{}", "malformed_member"),
                    ("[\"\(thumbprint)\"]", "malformed_member"),
                ] {
                    try forge.refuse(
                        kind, forge.message(kind).header("kid", kid).compact(), fault, "kid \(kid)")
                }
            }
            // A token must name its key; a client with one key need not.
            try forge.refuse(
                .accessToken, forge.token().header("kid", nil).compact(), "missing_member", "no kid")
            try forge.accept(.assertion, forge.assertion().header("kid", nil).compact(), "no kid, one key")
            #expect(!lure.wasCalled)
            try forge.finish()
        }

        @Test("a kid that is only canonically equivalent to the name of the key is not its name")
        func equivalentKeyID() throws {
            // U+212A KELVIN SIGN is the letter K when strings are compared, and other bytes in a row, a digest or a revocation.
            var made: TokenForge?
            for _ in 0..<64 where made == nil {
                let forge = try TokenForge()
                if forge.vaultKey.thumbprint.contains("K") { made = forge } else { forge.vault.stop() }
            }
            let forge = try #require(made)
            try forge.accept(.accessToken, forge.token().compact())
            let kid = forge.vaultKey.thumbprint.replacingOccurrences(of: "K", with: "\u{212A}")
            let message = try forge.token().header("kid", Self.json(kid))
            try forge.refuse(.accessToken, message.compact(), "key_unknown", "an equivalent kid")
            try forge.finish()
        }

        // MARK: Signatures

        @Test(
            "ECDSA with r or s zero or n, in DER, of 63 and 65 bytes, over another message, or by another key"
        )
        func signatures() throws {
            let forge = try TokenForge()
            let zero = [UInt8](repeating: 0, count: 32)
            let one = Array(zero.dropLast()) + [1]
            let full = [UInt8](repeating: 0xFF, count: 32)
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                for (what, change) in [
                    ("r zero", { zero + $0[32...] }), ("s zero", { $0[..<32] + zero }),
                    ("both zero", { _ in zero + zero }), ("r = n", { Self.order + $0[32...] }),
                    ("s = n", { $0[..<32] + Self.order }), ("both n", { _ in Self.order + Self.order }),
                    ("r beyond n", { full + $0[32...] }), ("s beyond n", { $0[..<32] + full }),
                    ("both one", { _ in one + one }), ("swapped", { Array($0[32...] + $0[..<32]) }),
                    ("DER", { Self.der($0) }), ("DER cut to 64", { Array(Self.der($0).prefix(64)) }),
                    ("63 bytes", { Array($0.dropLast()) }),
                    ("63 bytes, first lost", { Array($0.dropFirst()) }),
                    ("65 bytes", { $0 + [0] }), ("65 bytes, led by zero", { [0] + $0 }),
                    ("recovery id", { [27] + $0 }), ("twice", { $0 + $0 }), ("none", { _ in [] }),
                    ("one byte", { _ in [0] }),
                    ("first bit flipped", { [$0[0] ^ 0x80] + $0[1...] }),
                    ("last bit flipped", { $0[..<63] + [$0[63] ^ 1] }),
                ] as [(String, ([UInt8]) -> [UInt8])] {
                    let message = try forge.message(kind)
                    let signature = Array(change(try message.signature()))
                    try forge.refuse(kind, message.compact(signature: signature), "signature", what)
                }
                // A good signature of this key, over another good message.
                let other = try forge.message(kind).signature()
                try forge.refuse(
                    kind, forge.message(kind).compact(signature: other), "signature", "of another")
                let stranger = try SigningKey(generating: .es256)
                try forge.refuse(
                    kind, forge.message(kind).signed(by: stranger).compact(), "signature", "by a stranger")
            }
            try forge.finish()
        }

        /// The DER form of `r ‖ s` (RFC 3279 §2.2.3).
        private static func der(_ raw: [UInt8]) -> [UInt8] {
            let integers = [raw[..<32], raw[32...]].flatMap { part -> [UInt8] in
                var bytes = Array(part.drop { $0 == 0 })
                if bytes.first.map({ $0 >= 0x80 }) ?? true { bytes.insert(0, at: 0) }
                return [2, UInt8(bytes.count)] + bytes
            }
            return [0x30, UInt8(integers.count)] + integers
        }

        @Test("an Ed25519 signature with S + L, or of another length, does not verify")
        func edwardsSignatures() throws {
            let forge = try TokenForge { vault in
                try vault.addClient("dialer-2", kind: "gateway", roles: ["collection"], algorithm: .ed25519)
            }
            let holder = try forge.holder("dialer-2")
            // The order of the group, little-endian (RFC 8032 §5.1).
            let order = try #require(
                Hex.decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"))
            for kind in [MessageKind.assertion, .proof, .grantProof] {
                try forge.accept(kind, forge.message(kind, for: holder).compact(), for: holder)
                for (what, change) in [
                    (
                        "S + L",
                        { signature in
                            var sum = signature
                            var carry = 0
                            for index in 0..<32 {
                                let value = Int(signature[32 + index]) + Int(order[index]) + carry
                                sum[32 + index] = UInt8(value & 0xFF)
                                carry = value >> 8
                            }
                            return sum
                        }
                    ), ("63 bytes", { Array($0.dropLast()) }), ("65 bytes", { $0 + [0] }),
                    ("zero", { _ in [UInt8](repeating: 0, count: 64) }),
                    ("identity and zero", { _ in [1] + [UInt8](repeating: 0, count: 63) }),
                ] as [(String, ([UInt8]) -> [UInt8])] {
                    let message = try forge.message(kind, for: holder)
                    let compact = message.compact(signature: change(try message.signature()))
                    try forge.refuse(kind, compact, "signature", for: holder, what)
                }
            }
            try forge.finish()
        }

        @Test("the twin of an ES256 signature is the same message: it shares uses, and is a replay")
        func twins() throws {
            let forge = try TokenForge()
            // (r, n − s) verifies as (r, s) does. What is counted must not hang on the text.
            let token = try forge.token()
            let signature = try token.signature()
            forge.expectReleased(try forge.release(token.compact(signature: signature)), "the first use")
            forge.expect(
                try forge.release(token.compact(signature: Self.twin(signature))), .invalidToken, "the twin")
            forge.note(.release, .deny, "token_spent")

            let proof = try forge.message(.proof)
            let proved = try proof.signature()
            try forge.accept(.proof, proof.compact(signature: proved))
            forge.expect(
                try forge.present(.proof, proof.compact(signature: Self.twin(proved))), .invalidProof,
                "its twin")
            forge.note(.release, .deny, "proof_replayed")

            let assertion = try forge.message(.assertion)
            let asserted = try assertion.signature()
            try forge.accept(.assertion, assertion.compact(signature: asserted))
            forge.expect(
                try forge.present(.assertion, assertion.compact(signature: Self.twin(asserted))),
                .invalidClient,
                "its twin")
            forge.note(.tokenDeny, .deny, "assertion_replayed")

            let grantProof = try forge.message(.grantProof)
            let granted = try grantProof.signature()
            try forge.accept(.grantProof, grantProof.compact(signature: granted))
            forge.expect(
                try forge.present(.grantProof, grantProof.compact(signature: Self.twin(granted))),
                MessageKind.grantProof.refusal, "its twin")
            forge.note(.tokenDeny, .deny, "proof_replayed")
            try forge.finish()
        }

        private static func twin(_ signature: [UInt8]) -> [UInt8] {
            var difference = [UInt8](repeating: 0, count: 32)
            var borrow = 0
            for index in (0..<32).reversed() {
                let value = Int(order[index]) - Int(signature[32 + index]) - borrow
                difference[index] = UInt8((value + 256) % 256)
                borrow = value < 0 ? 1 : 0
            }
            return signature[..<32] + difference
        }

        // MARK: Encodings

        @Test("base64url with padding, trailing bits, white space, + and / is refused in each segment")
        func encodings() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                // The signature is always over the text as it is sent, so the spelling alone is wrong.
                func changed(_ segment: Int, _ change: (String) -> String?) throws -> String? {
                    var message = try forge.message(kind)
                    try Self.pad(&message)
                    var parts = message.input.split(separator: ".").map(String.init)
                    if segment < 2 {
                        guard let part = change(parts[segment]) else { return nil }
                        parts[segment] = part
                        return try ForgedMessage.signed(parts.joined(separator: "."), by: message.key)
                    }
                    // ECDSA draws a new nonce each time: sooner or later a signature has what is looked for.
                    for _ in 0..<200 {
                        if let part = change(Base64URL.encode(try message.signature())) {
                            return message.input + "." + part
                        }
                    }
                    return nil
                }
                var control = try forge.message(kind)
                try Self.pad(&control)
                try forge.accept(kind, control.compact(), "white space inside JSON")
                for segment in 0..<3 {
                    var changes: [(String, (String) -> String?)] = [
                        ("padding", { $0 + String(repeating: "=", count: 4 - $0.utf8.count % 4) }),
                        ("padding too long", { $0 + "====" }), ("one =", { $0 + "=" }),
                        ("trailing bits", { Self.withTrailingBit($0) }),
                        ("a space inside", { $0.prefix(4) + " " + $0.dropFirst(4) }),
                        ("a tab inside", { $0.prefix(4) + "\t" + $0.dropFirst(4) }),
                        ("a space before the dot", { $0 + " " }), ("an impossible length", { $0 + "AAA" }),
                        ("an escape", { "%" + Hex.encode([$0.utf8.first ?? 0]) + $0.dropFirst() }),
                        ("not ASCII", { "\u{0430}" + $0.dropFirst() }),
                    ]
                    if kind == .assertion {
                        // In a form any byte can be sent.
                        changes += [
                            ("a newline inside", { $0.prefix(4) + "\n" + $0.dropFirst(4) }),
                            ("a newline at the end", { $0 + "\r\n" }),
                            ("a zero byte", { $0.prefix(4) + "\u{0}" + $0.dropFirst(4) }),
                        ]
                    }
                    // Only claims with a jti of any characters, and signatures, have - and _ in them.
                    if segment == 2 || (segment == 1 && kind != .accessToken) {
                        changes += [
                            (
                                "+ for -",
                                { $0.contains("-") ? $0.replacingOccurrences(of: "-", with: "+") : nil }
                            ),
                            (
                                "/ for _",
                                { $0.contains("_") ? $0.replacingOccurrences(of: "_", with: "/") : nil }
                            ),
                        ]
                    }
                    for (what, change) in changes {
                        // The last segment's end is the end of the field, where HTTP itself drops a space.
                        if segment == 2, kind != .assertion, what == "a space before the dot" { continue }
                        let text = try #require(try changed(segment, change), "\(kind) \(segment) \(what)")
                        try forge.refuse(kind, text, "segments", "segment \(segment), \(what)")
                    }
                }
            }
            try forge.finish()
        }

        /// Lengthens header and claims with white space until their encoding has bits to spare, and gives the claims a `jti` that
        /// needs the last two characters of the alphabet.
        private static func pad(_ message: inout ForgedMessage) throws {
            if message.header.json(of: "typ") != "\"at+jwt\"" {
                message = message.claim("jti", json("???>>>???~~~" + (try TokenForge.identifier())))
            }
            while message.header.text.utf8.count % 3 != 1 {
                message.header.members[0].json = " " + message.header.members[0].json
            }
            while message.claims.text.utf8.count % 3 != 1 {
                message.claims.members[0].json = " " + message.claims.members[0].json
            }
        }

        /// The same bytes in another spelling: a decoder that forgives drops the bit.
        private static func withTrailingBit(_ text: String) -> String? {
            let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
            guard text.utf8.count % 4 == 2, let last = text.last, let index = alphabet.firstIndex(of: last)
            else {
                return nil
            }
            return text.dropLast() + String(alphabet[index | 1])
        }

        @Test(
            "a member written twice in header, claims or anything inside them, whichever comes first, escaped or not"
        )
        func duplicates() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases {
                try forge.accept(kind, forge.message(kind).compact())
                for member in try forge.message(kind).header.members {
                    // The same again, another value first, another value last.
                    for (value, first) in [(member.json, false), ("\"none\"", true), ("\"none\"", false)] {
                        var message = try forge.message(kind)
                        message.header = message.header.repeating(member.name, value, first: first)
                        try forge.refuse(kind, message.compact(), "json", "header \(member.name) \(first)")
                    }
                    var message = try forge.message(kind)
                    message.header = message.header.repeating(
                        member.name, spelled: Self.escaped(member.name), member.json)
                    try forge.refuse(kind, message.compact(), "json", "header \(member.name), escaped")
                }
                for member in try forge.message(kind).claims.members {
                    for (value, first) in [(member.json, false), ("\"other\"", true), ("9999999999", false)] {
                        var message = try forge.message(kind)
                        message.claims = message.claims.repeating(member.name, value, first: first)
                        try forge.refuse(kind, message.compact(), "json", "claim \(member.name) \(first)")
                    }
                    var message = try forge.message(kind)
                    message.claims = message.claims.repeating(
                        member.name, spelled: Self.escaped(member.name), member.json)
                    try forge.refuse(kind, message.compact(), "json", "claim \(member.name), escaped")
                }
            }
            let thumbprint = forge.dialer.key.thumbprint
            let twice = try forge.token().claim(
                "cnf", "{\"jkt\":\"\(thumbprint)\",\"jkt\":\"\(thumbprint)\"}")
            try forge.refuse(.accessToken, twice.compact(), "json", "cnf.jkt")
            for member in forge.details().members {
                for (value, first) in [(member.json, false), ("1000000", true), ("\"x\"", false)] {
                    let details = forge.details().repeating(member.name, value, first: first)
                    try forge.refuse(
                        .accessToken, forge.token(details: details).compact(), "json",
                        "details \(member.name)")
                }
            }
            let actor = forge.details().with("actor", #"{"kind":"human","id":"u_1","id":"u_2"}"#)
            try forge.refuse(.accessToken, forge.token(details: actor).compact(), "json", "actor.id")
            let key = try forge.message(.proof).header.json(of: "jwk")
            for kind in [MessageKind.proof, .grantProof] {
                let twice = String(key.dropLast()) + ",\"kty\":\"EC\"}"
                try forge.refuse(kind, forge.message(kind).header("jwk", twice).compact(), "json", "jwk.kty")
            }
            try forge.finish()
        }

        /// The same name for JSON, with an escape.
        private static func escaped(_ name: String) -> String {
            "\\u00" + Hex.encode([name.utf8.first ?? 0]) + name.dropFirst()
        }

        // MARK: One for another

        @Test("token, assertion and proof in each other's place, as they are and under each other's typ")
        func confusion() throws {
            let forge = try TokenForge()
            for kind in MessageKind.allCases { try forge.accept(kind, forge.message(kind).compact()) }
            // The six: what is good in its own place, put into another.
            for (kind, place, fault) in [
                (.accessToken, .assertion, "type"), (.accessToken, .proof, "unknown_member"),
                (.accessToken, .grantProof, "unknown_member"), (.assertion, .accessToken, "type"),
                (.assertion, .proof, "unknown_member"), (.assertion, .grantProof, "unknown_member"),
                (.proof, .accessToken, "unknown_member"), (.proof, .assertion, "unknown_member"),
                (.grantProof, .accessToken, "unknown_member"), (.grantProof, .assertion, "unknown_member"),
                // A proof for one request at the other.
                (.grantProof, .proof, "uri"), (.proof, .grantProof, "uri"),
            ] as [(MessageKind, MessageKind, String)] {
                try forge.refuse(place, forge.message(kind).compact(), fault, "\(kind) as it is")
            }
            // As near as a signer of the one could come to the other: all of it right but for the name of its kind.
            let own: [MessageKind: [String]] = [
                .accessToken: ["at+jwt"], .proof: ["dpop+jwt"], .grantProof: ["dpop+jwt"],
                .assertion: ["client-authentication+jwt", "JWT"],
            ]
            for kind in MessageKind.allCases {
                for type in [
                    "at+jwt", "dpop+jwt", "client-authentication+jwt", "JWT", "jwt", "application/at+jwt",
                    "application/dpop+jwt", "AT+JWT", "DPoP+JWT", "at+jwt ", "", "secevent+jwt",
                    "token-introspection+jwt",
                ] where own[kind]?.contains(type) == false {
                    try forge.refuse(
                        kind, forge.message(kind).header("typ", Self.json(type)).compact(), "type", type)
                }
                for type in ["null", "true", "0", "[\"at+jwt\"]", "{}"] {
                    try forge.refuse(
                        kind, forge.message(kind).header("typ", type).compact(), "malformed_member", type)
                }
                guard kind != .assertion else { continue }
                try forge.refuse(
                    kind, forge.message(kind).header("typ", nil).compact(), "missing_member", "no typ")
            }
            try forge.accept(.assertion, forge.assertion().header("typ", "\"JWT\"").compact(), "typ JWT")
            try forge.accept(.assertion, forge.assertion().header("typ", nil).compact(), "no typ")
            // A client's own key under the claims of a token, and the vault's key under those of a client.
            let token = try forge.token().signed(by: forge.dialer.key.key)
            try forge.refuse(.accessToken, token.compact(), "signature", "signed by the client")
            let assertion = try forge.assertion().signed(by: forge.vaultKey)
            try forge.refuse(.assertion, assertion.compact(), "signature", "signed by the vault")
            try forge.refuse(
                .assertion, assertion.header("kid", Self.json(forge.vaultKey.thumbprint)).compact(),
                "key_unknown", "signed by the vault, its kid")
            try forge.finish()
        }
    }
}

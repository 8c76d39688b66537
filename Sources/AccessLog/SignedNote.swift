// Signed notes (C2SP signed-note v1.0.0): a text, a blank line, and lines of signatures over the text.
//
// Everything here works on bytes. In Swift "\r\n" is one character and two spellings of "é" are equal
// strings; a verifier that splits or compares by characters reads another text than the one that was signed.

import ContactModel
import StrictEncoding
public import VaultCrypto

/// One signature line of a note.
public struct NoteSignature: Sendable, Equatable {
    /// Name of the key, as the line gives it.
    public let name: String
    /// First four bytes of SHA-256(name ‖ 0A ‖ type ‖ public key): tells keys apart, proves nothing.
    public let keyID: UInt32
    /// The signature, in the form of the key's type; at least one byte.
    public let signature: [UInt8]

    init(name: String, keyID: UInt32, signature: [UInt8]) {
        self.name = name
        self.keyID = keyID
        self.signature = signature
    }

    fileprivate var line: String { "— \(name) \(Base64.encode(keyID.bigEndianBytes + signature))\n" }

    fileprivate init?(line: ArraySlice<UInt8>) {
        let dash = Array("— ".utf8)
        guard line.starts(with: dash) else { return nil }
        let fields = line.dropFirst(dash.count).split(
            separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard fields.count == 2, let name = String(validating: fields[0], as: UTF8.self),
            NoteName.isValid(name),
            let bytes = Base64.decode(String(decoding: fields[1], as: UTF8.self)), bytes.count > 4
        else { return nil }
        self.name = name
        keyID = UInt32(bigEndian: bytes[..<4])
        signature = Array(bytes[4...])
    }
}

/// A text with signatures. Parsing proves nothing: the text must be ignored until ``verify(by:)`` has
/// returned.
public struct SignedNote: Sendable, Equatable {
    /// What was signed, up to and with its last newline.
    public let text: String
    /// The signatures in order, at least one.
    public let signatures: [NoteSignature]

    /// A note from a text and its signatures.
    /// - Throws: ``LogError/noteMalformed`` if the text does not end in a newline, has control characters, or
    ///   the whole exceeds `Limits.noteBytes` or `Limits.noteSignatures`.
    public init(text: String, signatures: [NoteSignature]) throws(LogError) {
        self.text = text
        self.signatures = signatures
        guard text.utf8.last == Self.newline, !signatures.isEmpty,
            try SignedNote(parsing: Array(serialized.utf8)) == self
        else { throw .noteMalformed }
    }

    /// Parses a note, byte for byte.
    /// - Throws: ``LogError/noteMalformed`` for invalid UTF-8, a control character other than newline (so
    ///   also for CR LF), a missing last newline, no or too many signatures, non-canonical base64.
    public init(parsing bytes: [UInt8]) throws(LogError) {
        guard bytes.count <= Limits.noteBytes, bytes.last == Self.newline,
            bytes.allSatisfy({ $0 >= 0x20 || $0 == Self.newline }),
            let separator = bytes.indices.dropFirst().last(where: {
                bytes[$0] == Self.newline && bytes[$0 - 1] == Self.newline
            }),
            let text = String(validating: bytes[..<separator], as: UTF8.self)
        else { throw .noteMalformed }
        let lines = bytes[(separator + 1)...].split(separator: Self.newline, omittingEmptySubsequences: false)
            .dropLast()
        guard (1...Limits.noteSignatures).contains(lines.count) else { throw .noteMalformed }
        var signatures: [NoteSignature] = []
        for line in lines {
            guard let signature = NoteSignature(line: line) else { throw .noteMalformed }
            signatures.append(signature)
        }
        self.text = text
        self.signatures = signatures
    }

    /// The note as it is sent and stored.
    public var serialized: String { text + "\n" + signatures.map(\.line).joined() }

    /// Verifies every signature that a trusted key is named for; those of unknown keys are ignored.
    /// - Returns: the trusted keys that signed, each once, in the order of the lines; at least one.
    /// - Throws: ``LogError/signatureInvalid`` if one trusted key's signature fails, whatever the others say;
    ///   ``LogError/signerUnknown`` if there is none.
    @discardableResult
    public func verify(by trusted: [NoteVerifier]) throws(LogError) -> [NoteVerifier] {
        let message = Array(text.utf8)
        var signers: [NoteVerifier] = []
        for signature in signatures {
            for verifier in trusted where verifier.isNamed(in: signature) {
                guard verifier.key.isValid(signature: signature.signature, for: message) else {
                    throw .signatureInvalid
                }
                if !signers.contains(verifier) { signers.append(verifier) }
            }
        }
        guard !signers.isEmpty else { throw .signerUnknown }
        return signers
    }

    /// Equal when the bytes are: `String` would also take two Unicode spellings for one text.
    public static func == (left: SignedNote, right: SignedNote) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8) && left.signatures == right.signatures
    }

    private static let newline = UInt8(ascii: "\n")
}

/// A public key that verifies notes: Ed25519, signature type 01.
public struct NoteVerifier: Sendable, Equatable {
    /// Name of the key, printable ASCII.
    public let name: String
    /// First four bytes of SHA-256(name ‖ 0A ‖ 01 ‖ public key), big-endian.
    public let keyID: UInt32
    /// The key.
    public let key: VerificationKey

    /// A verifier for a key.
    /// - Throws: ``LogError/noteKeyMalformed`` if the key is not Ed25519, or the name is empty, longer than
    ///   `Limits.noteNameBytes`, or has anything but printable ASCII without space and plus.
    public init(name: String, key: VerificationKey) throws(LogError) {
        guard key.algorithm == .ed25519, NoteName.isOwn(name) else { throw .noteKeyMalformed }
        self.name = name
        self.key = key
        let digest = SHA256.hash(Array(name.utf8) + [0x0A, Self.signatureType] + key.rawRepresentation)
        keyID = UInt32(bigEndian: digest[..<4])
    }

    /// A verifier from its text form `name+keyid+base64(type ‖ public key)`, such as
    /// `vault.example/log+28fba4f1+AQ…`.
    /// - Throws: ``LogError/noteKeyMalformed`` for another form or type, or a key id that is not this key's.
    public init(verifierKey text: String) throws(LogError) {
        // Base64 has the plus sign among its symbols: only the first two separate.
        let fields = text.utf8.split(
            separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3, let name = String(fields[0]), let encoded = String(fields[2]),
            let bytes = Base64.decode(encoded), bytes.first == Self.signatureType
        else { throw .noteKeyMalformed }
        let key: VerificationKey
        do {
            key = try VerificationKey(.ed25519, rawRepresentation: Array(bytes.dropFirst()))
        } catch {
            throw .noteKeyMalformed
        }
        try self.init(name: name, key: key)
        guard fields[1].elementsEqual(keyIDText.utf8) else { throw .noteKeyMalformed }
    }

    /// The text form that is published and configured.
    public var verifierKey: String {
        "\(name)+\(keyIDText)+\(Base64.encode([Self.signatureType] + key.rawRepresentation))"
    }

    /// Equal when name and key are.
    public static func == (left: NoteVerifier, right: NoteVerifier) -> Bool {
        left.name == right.name && left.key.rawRepresentation == right.key.rawRepresentation
    }

    /// Ed25519 (C2SP signed-note, "Signature types").
    private static let signatureType: UInt8 = 1

    private var keyIDText: String { Hex.encode(keyID.bigEndianBytes) }

    fileprivate func isNamed(in signature: NoteSignature) -> Bool {
        signature.keyID == keyID && signature.name.utf8.elementsEqual(name.utf8)
    }
}

/// A private key that signs notes.
public struct NoteSigner: Sendable {
    /// The public half.
    public let verifier: NoteVerifier
    private let key: SigningKey

    /// A signer.
    /// - Throws: ``LogError/noteKeyMalformed`` as ``NoteVerifier/init(name:key:)``.
    public init(name: String, key: SigningKey) throws(LogError) {
        verifier = try NoteVerifier(name: name, key: key.verificationKey)
        self.key = key
    }

    /// Signs a text, which must end in a newline.
    /// - Throws: ``LogError/noteMalformed``, ``LogError/signingFailed``.
    public func sign(_ text: String) throws(LogError) -> SignedNote {
        let signature: [UInt8]
        do {
            signature = try key.sign(Array(text.utf8))
        } catch {
            throw .signingFailed
        }
        let line = NoteSignature(name: verifier.name, keyID: verifier.keyID, signature: signature)
        return try SignedNote(text: text, signatures: [line])
    }
}

/// Which names may stand in notes.
enum NoteName {
    /// What the specification allows: no Unicode space and no plus. Control characters were refused before.
    static func isValid(_ name: String) -> Bool {
        !name.isEmpty && name.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0 != "+" }
    }

    /// What this project names keys and logs: ASCII, so that equal strings are equal bytes.
    static func isOwn(_ name: String) -> Bool {
        (1...Limits.noteNameBytes).contains(name.utf8.count)
            && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "+") }
    }
}

extension UInt32 {
    fileprivate init(bigEndian bytes: ArraySlice<UInt8>) { self = bytes.reduce(0) { $0 << 8 | UInt32($1) } }

    fileprivate var bigEndianBytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: self >> $0) } }
}

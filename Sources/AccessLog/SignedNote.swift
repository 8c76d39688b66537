// Signed notes (C2SP signed-note v1.0.0): a text, a blank line, and lines of signatures over the text.
//
// Everything here works on bytes. In Swift "\r\n" is one character and two spellings of "é" are equal
// strings; a verifier that splits or compares by characters reads another text than the one that was signed.

import ContactModel
import StrictEncoding

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

    /// The line with its newline.
    public var line: String { "— \(name) \(Base64.encode(keyID.bigEndianBytes + signature))\n" }

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
        keyID = UInt32(bigEndianBytes: bytes[..<4])
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
                guard verifier.isValid(signature.signature, of: message) else { throw .signatureInvalid }
                if !signers.contains(verifier) { signers.append(verifier) }
            }
        }
        guard !signers.isEmpty else { throw .signerUnknown }
        return signers
    }

    /// The note with more signatures over the same text, such as cosignatures of witnesses.
    /// - Throws: ``LogError/noteMalformed`` for lines that are no signatures, or too many.
    public func adding(_ lines: [UInt8]) throws(LogError) -> SignedNote {
        try SignedNote(parsing: Array(serialized.utf8) + lines)
    }

    /// Equal when the bytes are: `String` would also take two Unicode spellings for one text.
    public static func == (left: SignedNote, right: SignedNote) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8) && left.signatures == right.signatures
    }

    private static let newline = UInt8(ascii: "\n")
}

// Keys that sign and verify notes: a log's own, and those of witnesses.

public import ContactModel
import StrictEncoding
public import VaultCrypto

/// What a key of a note says by signing. Both are Ed25519 keys (C2SP signed-note, "Signature types").
public enum NoteKeyKind: UInt8, Sendable {
    /// A log: this is my head.
    case log = 0x01
    /// A witness: at this time, this was the largest head that I have seen, and it goes on from all before it (C2SP
    /// tlog-cosignature, `cosignature/v1`).
    case witness = 0x04
}

/// A public key that verifies notes.
public struct NoteVerifier: Sendable, Equatable {
    /// Name of the key, printable ASCII.
    public let name: String
    /// What it signs.
    public let kind: NoteKeyKind
    /// First four bytes of SHA-256(name ‖ 0A ‖ kind ‖ public key), big-endian.
    public let keyID: UInt32
    /// The key.
    public let key: VerificationKey

    /// A verifier for a key.
    /// - Throws: ``LogError/noteKeyMalformed`` if the key is not Ed25519, or the name is empty, longer than
    ///   `Limits.noteNameBytes`, or has anything but printable ASCII without space and plus.
    public init(name: String, key: VerificationKey, kind: NoteKeyKind = .log) throws(LogError) {
        guard key.algorithm == .ed25519, NoteName.isOwn(name) else { throw .noteKeyMalformed }
        self.name = name
        self.kind = kind
        self.key = key
        let digest = SHA256.hash(Array(name.utf8) + [0x0A, kind.rawValue] + key.rawRepresentation)
        keyID = UInt32(bigEndianBytes: digest[..<4])
    }

    /// A verifier of a kind from its text form `name+keyid+base64(kind ‖ public key)`, such as
    /// `vault.example/log+28fba4f1+AQ…`.
    /// - Throws: ``LogError/noteKeyMalformed`` for another form or kind, or a key id that is not this key's.
    public init(verifierKey text: String, kind: NoteKeyKind = .log) throws(LogError) {
        // Base64 has the plus sign among its symbols: only the first two separate.
        let fields = text.utf8.split(
            separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3, let name = String(fields[0]), let encoded = String(fields[2]),
            let bytes = Base64.decode(encoded), bytes.first == kind.rawValue
        else { throw .noteKeyMalformed }
        let key: VerificationKey
        do {
            key = try VerificationKey(.ed25519, rawRepresentation: Array(bytes.dropFirst()))
        } catch {
            throw .noteKeyMalformed
        }
        try self.init(name: name, key: key, kind: kind)
        guard fields[1].elementsEqual(keyIDText.utf8) else { throw .noteKeyMalformed }
    }

    /// The text form that is published and configured.
    public var verifierKey: String {
        "\(name)+\(keyIDText)+\(Base64.encode([kind.rawValue] + key.rawRepresentation))"
    }

    /// Equal when name, kind and key are.
    public static func == (left: NoteVerifier, right: NoteVerifier) -> Bool {
        left.name == right.name && left.kind == right.kind
            && left.key.rawRepresentation == right.key.rawRepresentation
    }

    private var keyIDText: String { Hex.encode(keyID.bigEndianBytes) }

    /// Whether a signature is this key's over a note's text.
    func isValid(_ signature: [UInt8], of text: [UInt8]) -> Bool {
        switch kind {
        case .log: return key.isValid(signature: signature, for: text)
        case .witness:
            guard let time = Cosignature.time(in: signature) else { return false }
            return key.isValid(
                signature: Array(signature[Cosignature.timeBytes...]), for: Cosignature.message(text, time))
        }
    }

    func isNamed(in signature: NoteSignature) -> Bool {
        signature.keyID == keyID && signature.name.utf8.elementsEqual(name.utf8)
    }
}

/// A private key that signs notes.
public struct NoteSigner: Sendable {
    /// The public half.
    public let verifier: NoteVerifier
    private let key: SigningKey

    /// A signer.
    /// - Throws: ``LogError/noteKeyMalformed`` as ``NoteVerifier/init(name:key:kind:)``.
    public init(name: String, key: SigningKey, kind: NoteKeyKind = .log) throws(LogError) {
        verifier = try NoteVerifier(name: name, key: key.verificationKey, kind: kind)
        self.key = key
    }

    /// Signs a text, which must end in a newline.
    /// - Parameter time: when; a witness says it with its signature, a log does not.
    /// - Throws: ``LogError/signingFailed``.
    public func signature(of text: String, at time: Timestamp) throws(LogError) -> NoteSignature {
        let message: [UInt8]
        var prefix: [UInt8] = []
        switch verifier.kind {
        case .log: message = Array(text.utf8)
        case .witness:
            let seconds = UInt64(max(0, time.milliseconds / 1000))
            prefix = seconds.bigEndianBytes
            message = Cosignature.message(Array(text.utf8), seconds)
        }
        let signature: [UInt8]
        do { signature = try key.sign(message) } catch { throw .signingFailed }
        return NoteSignature(name: verifier.name, keyID: verifier.keyID, signature: prefix + signature)
    }

    /// A note of a text with this signature alone.
    /// - Throws: ``LogError/signingFailed``; ``LogError/noteMalformed`` for a text that is none.
    public func sign(
        _ text: String, at time: Timestamp = Timestamp(milliseconds: 0)
    ) throws(LogError) -> SignedNote {
        try SignedNote(text: text, signatures: [signature(of: text, at: time)])
    }
}

/// What a witness signs (C2SP tlog-cosignature, Ed25519): a time, and the note's text.
enum Cosignature {
    /// Length of the time in front of the signature.
    static let timeBytes = 8

    static func message(_ text: [UInt8], _ seconds: UInt64) -> [UInt8] {
        Array("cosignature/v1\ntime \(seconds)\n".utf8) + text
    }

    /// Seconds since 1970; `nil` for what is no cosignature.
    static func time(in signature: [UInt8]) -> UInt64? {
        guard signature.count > timeBytes else { return nil }
        let seconds = UInt64(bigEndianBytes: signature[..<timeBytes])
        return seconds <= UInt64(Int64.max) ? seconds : nil
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

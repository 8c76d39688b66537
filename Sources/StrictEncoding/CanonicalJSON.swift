// The canonical text of a JSON value (RFC 8785), for bytes that are hashed or signed.

extension JSONValue {
    /// The RFC 8785 text of this value: no white space, members sorted by the UTF-16 code units of their keys,
    /// shortest escapes. Equal values give equal bytes.
    public var canonicalBytes: [UInt8] {
        var writer = JSONWriter()
        writer.append(canonical: self)
        return writer.bytes
    }

    /// ``canonicalBytes`` as text.
    public var canonicalText: String { String(decoding: canonicalBytes, as: UTF8.self) }
}

/// Appends JSON text to a byte buffer; callers on a hot path write members in canonical order themselves.
public struct JSONWriter: Sendable {
    /// What has been written.
    public private(set) var bytes: [UInt8] = []

    /// An empty writer.
    /// - Parameter capacity: bytes to reserve.
    public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// Appends text that already is JSON, such as punctuation or a literal.
    public mutating func append(raw text: StaticString) {
        text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    /// Appends bytes that already are JSON.
    public mutating func append(raw json: some Sequence<UInt8>) { bytes.append(contentsOf: json) }

    /// Appends an integer.
    public mutating func append(_ integer: Int64) { bytes.append(contentsOf: String(integer).utf8) }

    /// Appends a string with the escapes of RFC 8785 §3.2.2.2.
    public mutating func append(_ string: some StringProtocol) {
        bytes.append(UInt8(ascii: "\""))
        for byte in string.utf8 { appendEscaped(byte) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends a string as ``append(_:)-(StringProtocol)`` does, in one copy if nothing in it needs an escape.
    public mutating func append(_ string: String) {
        let needsEscape = string.utf8.contains {
            $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\")
        }
        bytes.append(UInt8(ascii: "\""))
        if needsEscape {
            for byte in string.utf8 { appendEscaped(byte) }
        } else {
            bytes.append(contentsOf: string.utf8)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends one byte of a string's UTF-8 between quotes, escaped where JSON wants it. For values that never
    /// become a `String`.
    public mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append(raw: "\\\"")
        case UInt8(ascii: "\\"): append(raw: "\\\\")
        case 0x08: append(raw: "\\b")
        case 0x09: append(raw: "\\t")
        case 0x0A: append(raw: "\\n")
        case 0x0C: append(raw: "\\f")
        case 0x0D: append(raw: "\\r")
        case 0..<0x20:
            append(raw: "\\u00")
            bytes.append(contentsOf: Hex.encode([byte]).utf8)
        default: bytes.append(byte)
        }
    }

    /// Appends a value in canonical form.
    public mutating func append(canonical value: JSONValue) {
        switch value {
        case .null: append(raw: "null")
        case .bool(let flag): append(raw: flag ? "true" : "false")
        case .integer(let integer): append(integer)
        case .string(let string): append(string)
        case .array(let elements):
            append(raw: "[")
            for (index, element) in elements.enumerated() {
                if index > 0 { append(raw: ",") }
                append(canonical: element)
            }
            append(raw: "]")
        case .object(let object):
            append(raw: "{")
            let sorted = object.members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
            for (index, member) in sorted.enumerated() {
                if index > 0 { append(raw: ",") }
                append(member.key)
                append(raw: ":")
                append(canonical: member.value)
            }
            append(raw: "}")
        }
    }
}

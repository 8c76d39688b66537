// Strict base64 in both alphabets, and hexadecimal.
//
// A decoder that forgives padding, white space or stray low bits gives one token or one log line several
// spellings, and a cache or a replay check that compares spellings can then be walked around. So each value
// has exactly one text here.

/// Base64 with the URL-safe alphabet and no padding (RFC 4648 §5, as RFC 7515 §2 uses it).
public enum Base64URL {
    /// Encodes bytes; the result has no padding.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        Base64Alphabet.urlSafe.encode(bytes, padded: false)
    }

    /// Encodes an array, without the generic call that every byte of another collection costs.
    public static func encode(_ bytes: [UInt8]) -> String {
        String(decoding: Base64Alphabet.urlSafe.encodedBytes(bytes, padded: false), as: UTF8.self)
    }

    /// Encodes bytes as ASCII text bytes, for writers that never make a `String`.
    public static func encodedBytes(_ bytes: some Collection<UInt8>) -> [UInt8] {
        Base64Alphabet.urlSafe.encodedBytes(bytes, padded: false)
    }

    /// Decodes canonical text; `nil` for padding, foreign characters, impossible lengths or non-zero trailing bits.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        Base64Alphabet.urlSafe.decode(Array(text.utf8)[...], padded: false)
    }

    /// Decodes canonical ASCII bytes; `nil` as for ``decode(_:)-(StringProtocol)``.
    public static func decode(_ ascii: ArraySlice<UInt8>) -> [UInt8]? {
        Base64Alphabet.urlSafe.decode(ascii, padded: false)
    }
}

/// Base64 with the standard alphabet and padding (RFC 4648 §4), as signed notes use it.
public enum Base64 {
    /// Encodes bytes with padding.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        Base64Alphabet.standard.encode(bytes, padded: true)
    }

    /// Encodes an array, without the generic call that every byte of another collection costs.
    public static func encode(_ bytes: [UInt8]) -> String {
        String(decoding: Base64Alphabet.standard.encodedBytes(bytes, padded: true), as: UTF8.self)
    }

    /// Decodes canonical text; `nil` for missing padding, foreign characters or non-zero trailing bits.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        Base64Alphabet.standard.decode(Array(text.utf8)[...], padded: true)
    }
}

/// Lower-case hexadecimal.
public enum Hex {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Encodes bytes as lower-case hexadecimal.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Decodes hexadecimal of either case; `nil` for an odd length or a foreign character.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            let value: UInt8
            switch character {
            case 0x30...0x39: value = character - 0x30
            case 0x41...0x46: value = character - 0x41 + 10
            case 0x61...0x66: value = character - 0x61 + 10
            default: return nil
            }
            if let upper = high {
                bytes.append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }
}

/// One of the two base64 alphabets with its decoding table.
struct Base64Alphabet: Sendable {
    static let standard = Base64Alphabet("+/")
    static let urlSafe = Base64Alphabet("-_")

    private let symbols: [UInt8]
    /// Value of an ASCII byte, 0xFF where it is no symbol.
    private let values: [UInt8]

    private init(_ lastTwo: String) {
        symbols = Array(
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + lastTwo).utf8)
        var table = [UInt8](repeating: 0xFF, count: 256)
        for (value, symbol) in symbols.enumerated() { table[Int(symbol)] = UInt8(value) }
        values = table
    }

    func encode(_ bytes: some Collection<UInt8>, padded: Bool) -> String {
        String(decoding: encodedBytes(bytes, padded: padded), as: UTF8.self)
    }

    func encodedBytes(_ bytes: some Collection<UInt8>, padded: Bool) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var accumulator: UInt32 = 0
        var bits = 0
        for byte in bytes {
            accumulator = accumulator << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(symbols[Int(accumulator >> UInt32(bits)) & 63])
            }
        }
        if bits > 0 { text.append(symbols[Int(accumulator << UInt32(6 - bits)) & 63]) }
        if padded { while text.count % 4 != 0 { text.append(0x3D) } }
        return text
    }

    func decode(_ ascii: ArraySlice<UInt8>, padded: Bool) -> [UInt8]? {
        var text = ascii
        if padded {
            guard text.count % 4 == 0 else { return nil }
            for _ in 0..<2 where text.last == 0x3D { text.removeLast() }
        }
        guard text.count % 4 != 1 else { return nil }
        // The padding that was taken away must be the padding this length needs.
        if padded && ascii.count - text.count != (4 - text.count % 4) % 4 { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count * 3 / 4)
        var accumulator: UInt32 = 0
        var bits = 0
        for character in text {
            let value = values[Int(character)]
            guard value != 0xFF else { return nil }
            accumulator = accumulator << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: accumulator >> UInt32(bits)))
            }
        }
        // Trailing bits that are not zero would be a second spelling of the same bytes.
        guard accumulator & ((1 << UInt32(bits)) - 1) == 0 else { return nil }
        return bytes
    }
}

// JSON with one reading: the I-JSON subset that every message and every log entry here is made of.
//
// General parsers keep the first or the last of two equal keys, round large numbers and accept lone surrogates.
// Each of these lets two programs read two meanings out of one signed text. This parser refuses them.

/// A JSON value of the subset used here: no fractions, no exponents, integers between −(2^53−1) and 2^53−1.
public enum JSONValue: Equatable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// An integer that every JSON implementation represents exactly (RFC 7493 §2.2).
    case integer(Int64)
    /// A string of Unicode scalar values.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object; keys are unique and in the order of the text.
    case object(JSONObject)
}

/// The members of a JSON object, in order, without duplicates.
public struct JSONObject: Equatable, Sendable {
    /// Members in the order they were read or added.
    public private(set) var members: [(key: String, value: JSONValue)]

    /// An object with these members.
    /// - Precondition: keys are unique.
    public init(_ members: [(key: String, value: JSONValue)] = []) {
        self.members = members
        precondition(Set(members.map(\.key)).count == members.count, "JSON object with a duplicate key")
    }

    init(unchecked members: [(key: String, value: JSONValue)]) { self.members = members }

    /// The value of a member, `nil` if the object has none of that name. Setting `nil` removes it.
    public subscript(key: String) -> JSONValue? {
        get { members.first { $0.key == key }?.value }
        set {
            if let index = members.firstIndex(where: { $0.key == key }) {
                if let newValue { members[index].value = newValue } else { members.remove(at: index) }
            } else if let newValue {
                members.append((key, newValue))
            }
        }
    }

    /// The keys, in order.
    public var keys: [String] { members.map(\.key) }

    /// Equal when both have the same members, whatever their order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members.count == right.members.count && left.members.allSatisfy { right[$0.key] == $0.value }
    }
}

/// Why a text is not JSON of the subset. Carries a byte offset, never the input.
public struct JSONError: Error, Equatable, Sendable {
    /// The kinds of fault.
    public enum Reason: String, Sendable {
        /// The text ends inside a value.
        case unexpectedEnd
        /// A byte that cannot stand here.
        case unexpectedByte
        /// A string that is not well-formed Unicode, or an invalid escape.
        case invalidString
        /// A number with a fraction or exponent, a leading zero, or outside ±(2^53−1).
        case invalidNumber
        /// An object that has one key twice.
        case duplicateKey
        /// More nesting than the limit.
        case tooDeep
        /// Something after the value.
        case trailingBytes
    }

    /// What is wrong.
    public let reason: Reason
    /// Where, in bytes from the start.
    public let offset: Int
}

extension JSONValue {
    /// Greatest integer that is exact everywhere: 2^53 − 1 (RFC 7493 §2.2).
    public static let maximumInteger: Int64 = 9_007_199_254_740_991

    /// Parses one JSON text.
    /// - Parameters:
    ///   - bytes: UTF-8 without byte-order mark; the caller has already bounded its size.
    ///   - maximumDepth: nesting of arrays and objects that is accepted.
    /// - Throws: ``JSONError`` with the first fault's place.
    public static func parse(
        _ bytes: some Collection<UInt8>, maximumDepth: Int = 8
    ) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes: Array(bytes), maximumDepth: maximumDepth)
        return try parser.parseText()
    }

    /// The string, `nil` for another type.
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    /// The integer, `nil` for another type.
    public var integerValue: Int64? { if case .integer(let value) = self { value } else { nil } }
    /// The boolean, `nil` for another type.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The elements, `nil` for another type.
    public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The object, `nil` for another type.
    public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
}

private struct JSONParser {
    let bytes: [UInt8]
    let maximumDepth: Int
    var position = 0

    init(bytes: [UInt8], maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    mutating func parseText() throws(JSONError) -> JSONValue {
        skipWhiteSpace()
        let value = try parseValue(depth: 0)
        skipWhiteSpace()
        guard position == bytes.count else { throw fault(.trailingBytes) }
        return value
    }

    private func fault(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, offset: position)
    }

    private mutating func skipWhiteSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func peek() throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        return bytes[position]
    }

    private mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard try peek() == byte else { throw fault(.unexpectedByte) }
        position += 1
    }

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
        switch try peek() {
        case UInt8(ascii: "{"): return try parseObject(depth: depth + 1)
        case UInt8(ascii: "["): return try parseArray(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in Array("\(word)".utf8) { try expect(byte) }
        return value
    }

    private mutating func parseObject(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= maximumDepth else { throw fault(.tooDeep) }
        try expect(UInt8(ascii: "{"))
        var members: [(key: String, value: JSONValue)] = []
        // A set beside the list, so that ten thousand members cost no quadratic search.
        var keys: Set<String> = []
        skipWhiteSpace()
        if try peek() == UInt8(ascii: "}") {
            position += 1
            return .object(JSONObject(unchecked: members))
        }
        while true {
            skipWhiteSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw fault(.unexpectedByte) }
            let key = try parseString()
            guard keys.insert(key).inserted else { throw fault(.duplicateKey) }
            skipWhiteSpace()
            try expect(UInt8(ascii: ":"))
            skipWhiteSpace()
            members.append((key, try parseValue(depth: depth)))
            skipWhiteSpace()
            if try peek() == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect(UInt8(ascii: "}"))
            return .object(JSONObject(unchecked: members))
        }
    }

    private mutating func parseArray(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= maximumDepth else { throw fault(.tooDeep) }
        try expect(UInt8(ascii: "["))
        var elements: [JSONValue] = []
        skipWhiteSpace()
        if try peek() == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            skipWhiteSpace()
            elements.append(try parseValue(depth: depth))
            skipWhiteSpace()
            if try peek() == UInt8(ascii: ",") {
                position += 1
                continue
            }
            try expect(UInt8(ascii: "]"))
            return .array(elements)
        }
    }

    private mutating func parseString() throws(JSONError) -> String {
        try expect(UInt8(ascii: "\""))
        let start = position
        // Most strings have no escape: find the end first and copy once.
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""),
            bytes[position] != UInt8(ascii: "\\")
        {
            guard bytes[position] >= 0x20 else { throw fault(.invalidString) }
            position += 1
        }
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        if bytes[position] == UInt8(ascii: "\"") {
            guard let text = String(validating: bytes[start..<position], as: UTF8.self) else {
                throw fault(.invalidString)
            }
            position += 1
            return text
        }
        var decoded = Array(bytes[start..<position])
        while true {
            let byte = try peek()
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: decoded, as: UTF8.self) else {
                    throw fault(.invalidString)
                }
                return text
            case UInt8(ascii: "\\"):
                let scalar = try parseEscape()
                decoded.append(contentsOf: Array(String(Character(scalar)).utf8))
            case 0..<0x20:
                throw fault(.invalidString)
            default:
                decoded.append(byte)
            }
        }
    }

    private mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
        let escape = try peek()
        position += 1
        switch escape {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try parseHexUnit()
            if let scalar = Unicode.Scalar(UInt32(unit)) { return scalar }
            // A high surrogate must be followed by a low one; anything else is a lone surrogate.
            guard (0xD800..<0xDC00).contains(unit) else { throw fault(.invalidString) }
            try expect(UInt8(ascii: "\\"))
            try expect(UInt8(ascii: "u"))
            let low = try parseHexUnit()
            guard (0xDC00..<0xE000).contains(low) else { throw fault(.invalidString) }
            let value = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
            guard let scalar = Unicode.Scalar(value) else { throw fault(.invalidString) }
            return scalar
        default: throw fault(.invalidString)
        }
    }

    private mutating func parseHexUnit() throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt16
            switch try peek() {
            case let byte where (0x30...0x39).contains(byte): digit = UInt16(byte) - 0x30
            case let byte where (0x41...0x46).contains(byte): digit = UInt16(byte) - 0x41 + 10
            case let byte where (0x61...0x66).contains(byte): digit = UInt16(byte) - 0x61 + 10
            default: throw fault(.invalidString)
            }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private mutating func parseNumber() throws(JSONError) -> JSONValue {
        let start = position
        var negative = false
        if try peek() == UInt8(ascii: "-") {
            negative = true
            position += 1
        }
        guard (0x30...0x39).contains(try peek()) else { throw fault(.unexpectedByte) }
        let leadingZero = bytes[position] == 0x30
        var magnitude: Int64 = 0
        let firstDigit = position
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            magnitude = magnitude * 10 + Int64(bytes[position] - 0x30)
            guard magnitude <= JSONValue.maximumInteger else { throw fault(.invalidNumber) }
            position += 1
        }
        if leadingZero && position - firstDigit > 1 { throw fault(.invalidNumber) }
        // −0 is refused with fractions and exponents: it would be a second spelling of 0.
        if negative && magnitude == 0 { throw fault(.invalidNumber) }
        if position < bytes.count, [0x2E, 0x45, 0x65].contains(bytes[position]) {
            position = start
            throw fault(.invalidNumber)
        }
        return .integer(negative ? -magnitude : magnitude)
    }
}

// Fuzz target of the strict JSON reader and the canonical writer. Beyond "no crash": what is accepted spells every
// number and literal in the one allowed way, nests as deep as allowed, and is the value that Foundation's reader, which
// shares no code with ours, finds in the same text; its canonical text is what a second writer of RFC 8785 writes, and is
// read again as the same value. What is refused is refused for a reason that the text shows.

import Foundation
import StrictEncoding

/// Ends the process; the fuzzer then keeps the input.
func finding(_ what: String) -> Never { fatalError("finding: \(what)") }

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = Array(UnsafeBufferPointer(start: start, count: count))
    let value: JSONValue
    do {
        value = try JSONValue.parse(text)
    } catch {
        checkRefusal(error, of: text)
        return 0
    }
    checkSpelling(of: value, in: text)
    checkCanonicalForm(of: value)
    checkDepth(of: value, in: text)
    guard isForFoundation(text) else { return 0 }
    guard let other = foundationValue(of: text) else { finding("Foundation refuses the text") }
    if !isSame(value, other) { finding("Foundation reads another value") }
    return 0
}

// MARK: What is refused

private func checkRefusal(_ error: JSONError, of text: [UInt8]) {
    guard (0...text.count).contains(error.offset) else { finding("a fault outside of the text") }
    switch error.reason {
    case .unexpectedEnd, .unexpectedByte, .invalidString, .trailingBytes:
        // No JSON at all, then: what the subset leaves out of JSON has reasons of its own.
        if isForFoundation(text), !hasTrailingComma(text), foundationValue(of: text) != nil {
            finding("refused as \(error.reason.rawValue), and Foundation reads it")
        }
    case .invalidNumber:
        let isPart = { (byte: UInt8) in "+-.0123456789Ee".utf8.contains(byte) }
        let start = text[..<error.offset].lastIndex { !isPart($0) }.map { $0 + 1 } ?? 0
        let number = String(decoding: text[start...].prefix(while: isPart), as: UTF8.self)
        if let integer = Int64(number), String(integer) == number, integer.magnitude <= greatest {
            finding("refused an integer in its one spelling")
        }
    case .tooDeep:
        let outside = outsideOfStrings(text[..<error.offset])
        if outside.count(where: isOpening) - outside.count(where: isClosing) != 8 {
            finding("refused as too deep where it is not")
        }
    case .duplicateKey: break
    }
}

// MARK: What is accepted

/// 2^53 − 1 (RFC 7493 §2.2).
private let greatest: UInt64 = 9_007_199_254_740_991

/// No fraction, exponent, leading zero, sign of zero or capital: outside of strings stands what the value is written as.
private func checkSpelling(of value: JSONValue, in text: [UInt8]) {
    let words = outsideOfStrings(text[...]).split { " \t\n\r[]{},:\"".utf8.contains($0) }
    if words.map({ String(decoding: $0, as: UTF8.self) }) != spellings(in: value) {
        finding("a number or literal in another spelling")
    }
}

/// Numbers and literals in the order of the text.
private func spellings(in value: JSONValue) -> [String] {
    switch value {
    case .null: return ["null"]
    case .bool(let flag): return [flag ? "true" : "false"]
    case .integer(let integer):
        if integer.magnitude > greatest { finding("an integer that some reader rounds") }
        return [String(integer)]
    case .string: return []
    case .array(let elements): return elements.flatMap(spellings)
    case .object(let object): return object.members.flatMap { spellings(in: $0.value) }
    }
}

private func checkCanonicalForm(of value: JSONValue) {
    let canonical = value.canonicalBytes
    // Bytes, because `==` on strings is canonical equivalence and bytes are what is signed.
    if canonical != Array(rfc8785(value).utf8) { finding("not the canonical text of RFC 8785") }
    guard let again = try? JSONValue.parse(canonical) else { finding("the canonical text does not parse") }
    if again != value || value != again { finding("the canonical text is another value") }
    if again.canonicalBytes != canonical { finding("the canonical text is not a fixed point") }
    if case .integer = value { return }
    if (try? JSONValue.parse(canonical.dropLast())) != nil { finding("a text parses without its last byte") }
}

/// The canonical text by RFC 8785 §3.2, put together from parts.
private func rfc8785(_ value: JSONValue) -> String {
    switch value {
    case .null: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .integer(let integer): return String(integer)
    case .string(let string): return quoted(string)
    case .array(let elements): return "[" + elements.map(rfc8785).joined(separator: ",") + "]"
    case .object(let object):
        let sorted = object.members.map { (Array($0.key.utf16), quoted($0.key) + ":" + rfc8785($0.value)) }
            .sorted { $0.0.lexicographicallyPrecedes($1.0) }
        return "{" + sorted.map(\.1).joined(separator: ",") + "}"
    }
}

private func quoted(_ string: String) -> String {
    let short: [Unicode.Scalar: String] = [
        "\"": "\\\"", "\\": "\\\\", "\u{8}": "\\b", "\t": "\\t", "\n": "\\n", "\u{C}": "\\f", "\r": "\\r",
    ]
    let escaped = string.unicodeScalars.map { scalar in
        if let escape = short[scalar] { return escape }
        return scalar.value < 0x20 ? String(format: "\\u%04x", scalar.value) : String(scalar)
    }
    return "\"" + escaped.joined() + "\""
}

private func checkDepth(of value: JSONValue, in text: [UInt8]) {
    let depth = depth(of: value)
    if depth > 8 { finding("more nesting than the limit") }
    if (try? JSONValue.parse(text, maximumDepth: depth)) != value { finding("refused at its own depth") }
    guard depth > 0 else { return }
    do {
        _ = try JSONValue.parse(text, maximumDepth: depth - 1)
        finding("accepted below its own depth")
    } catch {
        if error.reason != .tooDeep { finding("refused below its own depth for another reason") }
    }
}

private func depth(of value: JSONValue) -> Int {
    switch value {
    case .array(let elements): 1 + (elements.map(depth).max() ?? 0)
    case .object(let object): 1 + (object.members.map { depth(of: $0.value) }.max() ?? 0)
    case .null, .bool, .integer, .string: 0
    }
}

// MARK: Text

/// The text without what stands between quotes; the quotes stay.
private func outsideOfStrings(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var outside: [UInt8] = []
    var isInside = false
    var isEscaped = false
    for byte in text {
        if byte == UInt8(ascii: "\""), !isEscaped {
            isInside.toggle()
            outside.append(byte)
        } else if !isInside {
            outside.append(byte)
        }
        isEscaped = isInside && byte == UInt8(ascii: "\\") && !isEscaped
    }
    return outside
}

private func isOpening(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") }

private func isClosing(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") }

// MARK: Foundation

/// Foundation takes NUL bytes for a sign of UTF-16 or UTF-32, and drops a byte-order mark that begins the text or a
/// string, so that two keys can become one.
private func isForFoundation(_ text: [UInt8]) -> Bool {
    guard !text.contains(0), ![[0xFE, 0xFF], [0xFF, 0xFE]].contains(text.prefix(2)) else { return false }
    return !text.indices.dropLast(2).contains { text[$0...].starts(with: [0xEF, 0xBB, 0xBF]) }
}

/// What Foundation accepts and JSON does not have.
private func hasTrailingComma(_ text: [UInt8]) -> Bool {
    let marks = outsideOfStrings(text[...]).filter { !" \t\n\r".utf8.contains($0) }
    return zip(marks, marks.dropFirst()).contains { $0 == UInt8(ascii: ",") && isClosing($1) }
}

private func foundationValue(of text: [UInt8]) -> Any? {
    try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
}

private func isSame(_ value: JSONValue, _ other: Any) -> Bool {
    switch value {
    case .null: return other is NSNull
    case .bool(let flag): return (other as? NSNumber)?.boolValue == flag
    case .integer(let integer): return (other as? NSNumber)?.int64Value == integer
    case .string(let string): return (other as? String)?.utf8.elementsEqual(string.utf8) ?? false
    case .array(let elements):
        guard let others = other as? [Any], others.count == elements.count else { return false }
        return zip(elements, others).allSatisfy(isSame)
    case .object(let object):
        guard let others = other as? [String: Any], others.count == object.members.count else { return false }
        return object.members.allSatisfy { key, value in others[key].map { isSame(value, $0) } ?? false }
    }
}

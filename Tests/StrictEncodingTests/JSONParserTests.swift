// Texts that two JSON parsers read in two ways: each must be refused here.

import StrictEncoding
import Testing

@Suite("JSON with one reading")
struct JSONParserTests {
    private func fault(_ bytes: [UInt8], maximumDepth: Int = 8) -> JSONError.Reason? {
        do {
            _ = try JSONValue.parse(bytes, maximumDepth: maximumDepth)
            return nil
        } catch { return error.reason }
    }

    private func fault(_ text: String) -> JSONError.Reason? { fault(Array(text.utf8)) }

    @Test("values of every type are read")
    func values() throws {
        let value = try JSONValue.parse(
            Array(
                #" { "a" : [ 1 , -2 , 0 ] , "b" : { } , "c" : "x\n\"\\\/A" , "d" : [ true , false , null ] } "#
                    .utf8))
        let object = try #require(value.objectValue)
        #expect(object.keys == ["a", "b", "c", "d"])
        #expect(object["a"]?.arrayValue == [.integer(1), .integer(-2), .integer(0)])
        #expect(object["b"]?.objectValue?.keys == [])
        #expect(object["c"]?.stringValue == "x\n\"\\/A")
        #expect(object["d"]?.arrayValue == [.bool(true), .bool(false), .null])
        #expect(object["e"] == nil)
    }

    @Test(
        "one key twice is refused, at any depth and under any spelling",
        arguments: [
            #"{"a":1,"a":2}"#, #"{"a":1,"b":2,"a":1}"#, #"{"a":1,"\u0061":2}"#, #"{"x":{"a":1,"a":1}}"#,
            #"[{"a":null,"a":null}]"#, #"{"":1,"":2}"#,
            // One character in two normal forms: a program that normalises keys would see one key.
            "{\"\u{E9}\":1,\"e\u{301}\":2}",
        ])
    func duplicates(text: String) { #expect(fault(text) == .duplicateKey) }

    @Test("nesting beyond the limit is refused before the stack grows")
    func depth() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
        }
        #expect(fault(nested(8, "[", "]")) == nil)
        #expect(fault(nested(9, "[", "]")) == .tooDeep)
        #expect(fault(nested(8, #"{"a":"#, "}")) == nil)
        #expect(fault(nested(9, #"{"a":"#, "}")) == .tooDeep)
        #expect(fault([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)) == .tooDeep)
        #expect(fault(Array("[]".utf8), maximumDepth: 0) == .tooDeep)
        #expect(fault(Array("1".utf8), maximumDepth: 0) == nil)
    }

    @Test(
        "numbers with a second spelling or a rounded value are refused",
        arguments: [
            "1.0", "1.5", "0.0", "1e0", "1E2", "1e400", "-0", "-0.0", "00", "01", "-01", "9007199254740992",
            "-9007199254740992", "9223372036854775807", "9223372036854775808", "18446744073709551616",
            "99999999999999999999999999999999999999999999999999",
        ])
    func numbers(text: String) {
        #expect(fault(text) == .invalidNumber)
        #expect(fault("[" + text + "]") == .invalidNumber)
    }

    @Test(
        "what is no number at all is refused",
        arguments: ["+1", ".5", "NaN", "Infinity", "-Infinity", "0x10", "1_000", "--1", "\u{FF11}", "1 2"])
    func notNumbers(text: String) { #expect(fault(text) != nil) }

    @Test("the greatest exact integers are read exactly")
    func integers() throws {
        #expect(try JSONValue.parse(Array("9007199254740991".utf8)).integerValue == 9_007_199_254_740_991)
        #expect(try JSONValue.parse(Array("-9007199254740991".utf8)).integerValue == -9_007_199_254_740_991)
        #expect(try JSONValue.parse(Array("0".utf8)).integerValue == 0)
    }

    @Test(
        "strings that are not well-formed Unicode are refused",
        arguments: [
            #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\ud800""#, #""\udc00\ud800""#,
            #""\ud83d\u0041""#,
            #""\u12""#, #""\u12g4""#, #""\x41""#, #""\'""#, #""\"#, "\"\n\"", "\"\u{0}\"", "\"\t\"",
            "\"\u{1F}\"",
            #""\u+123""#, #""\ud83d\n""#,
        ])
    func strings(text: String) { #expect(fault(text) != nil) }

    @Test(
        "bytes that are not UTF-8 are refused, in strings with and without escapes",
        arguments: [
            [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0x80], [0xFF],
            [0xE2, 0x82],
        ] as [[UInt8]])
    func malformedUTF8(bytes: [UInt8]) {
        #expect(fault([0x22] + bytes + [0x22]) == .invalidString)
        #expect(fault([0x22, 0x5C, 0x6E] + bytes + [0x22]) == .invalidString)
        #expect(fault([0x7B, 0x22] + bytes + [0x22, 0x3A, 0x31, 0x7D]) == .invalidString)
    }

    @Test("an escaped NUL and a surrogate pair are characters like others")
    func escapes() throws {
        #expect(try JSONValue.parse(Array(#""\u0000""#.utf8)).stringValue == "\u{0}")
        #expect(try JSONValue.parse(Array(#""\ud83d\ude00""#.utf8)).stringValue == "\u{1F600}")
        #expect(
            try JSONValue.parse(Array(#""\uD83D\uDE00\b\f\r\t""#.utf8)).stringValue
                == "\u{1F600}\u{8}\u{C}\r\t")
        #expect(try JSONValue.parse(Array("\"\u{FFFF}\u{10FFFF}\"".utf8)).stringValue == "\u{FFFF}\u{10FFFF}")
    }

    @Test(
        "anything before or after the value is refused",
        arguments: [
            "1 1", "{} {}", "[]]", "null,", "\"a\"b", "1\u{0}", "{}\u{0}", "1//", "/**/1", "\u{FEFF}1",
            "1\u{A0}",
            "\u{0}1", "\u{B}1", "\u{2028}1",
        ])
    func surroundings(text: String) { #expect(fault(text) != nil) }

    @Test("a byte-order mark is not white space")
    func byteOrderMark() {
        #expect(fault([0xEF, 0xBB, 0xBF] + Array("{}".utf8)) == .unexpectedByte)
        #expect(fault([0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00]) == .unexpectedByte)
    }

    @Test(
        "relaxed syntax is refused",
        arguments: [
            "[1,]", "[,1]", "[1 2]", #"{"a":1,}"#, #"{,"a":1}"#, #"{a:1}"#, #"{'a':1}"#, #"{"a" 1}"#,
            #"{"a":}"#,
            #"{1:1}"#, #"{"a"=1}"#, "True", "tru", "nul", "nullx", "undefined", "'a'", "[1;2]",
            #"{"a":1;"b":2}"#, "-",
            "{]", "[}",
        ])
    func relaxed(text: String) { #expect(fault(text) != nil) }

    @Test("every prefix of a text is refused: a cut message is no message")
    func truncation() {
        let text = Array(#"{"a":[1,-20,true,null,"x\u00e9\ud83d\ude00y"],"b":{"c":false}}"#.utf8)
        #expect(fault(text) == nil)
        for count in 0..<text.count { #expect(fault(Array(text[..<count])) != nil, "\(count) bytes") }
    }

    @Test("errors give a place and never the input")
    func errors() throws {
        do {
            _ = try JSONValue.parse(Array(#"{"phone":"+13125550142","phone":1}"#.utf8))
            Issue.record("accepted a duplicate key")
        } catch {
            #expect(error.offset == 31)
            #expect(!"\(error)".contains("5550142"))
        }
    }

    @Test("random bytes never crash the parser, and what it accepts survives a round trip")
    func garbage() throws {
        var generator = SeededGenerator()
        let alphabet = Array(#"{}[]:,"\ulnrbft0123456789-+.eE aé\ud83d"#.utf8)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...24, using: &generator)
            let bytes = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            guard let value = try? JSONValue.parse(bytes) else { continue }
            #expect(try JSONValue.parse(value.canonicalBytes) == value)
        }
    }

    @Test("an object is a set of members: order does not matter, count and values do")
    func equality() throws {
        let first = try JSONValue.parse(Array(#"{"a":1,"b":2}"#.utf8))
        #expect(try first == JSONValue.parse(Array(#"{"b":2,"a":1}"#.utf8)))
        #expect(try first != JSONValue.parse(Array(#"{"a":1}"#.utf8)))
        #expect(try first != JSONValue.parse(Array(#"{"a":1,"b":2,"c":3}"#.utf8)))
        #expect(try first != JSONValue.parse(Array(#"{"a":1,"b":3}"#.utf8)))
        var object = try #require(first.objectValue)
        object["b"] = nil
        object["c"] = .bool(true)
        object["a"] = .integer(7)
        #expect(object == JSONObject([("c", .bool(true)), ("a", .integer(7))]))
    }
}

/// A small generator whose seed is printed (Steele, Lea, Flood 2014), so that a failing run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64 = .random(in: 0...UInt64.max)) {
        print("seed \(seed)")
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

// The bytes that are hashed and signed: one text for one value (RFC 8785).

import StrictEncoding
import Testing

@Suite("Canonical JSON")
struct CanonicalJSONTests {
    private func canonical(_ text: String) throws -> String {
        try JSONValue.parse(Array(text.utf8)).canonicalText
    }

    @Test("the string escapes of RFC 8785 §3.2.2.2, with the string of its §3.2.2")
    func strings() throws {
        #expect(
            try canonical(#"{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"}"#)
                == #"{"string":"€$\u000f\nA'B\"\\\\\"/"}"#)
        #expect(
            try canonical(#""\b\t\n\f\r\u0000\u001f\u007f""#) == "\"\\b\\t\\n\\f\\r\\u0000\\u001f\u{7F}\"")
        #expect(try canonical(#"{"literals":[null, true, false]}"#) == #"{"literals":[null,true,false]}"#)
    }

    @Test("keys sort by UTF-16 code units (the example of RFC 8785 §3.2.3)")
    func sorting() throws {
        let text = #"""
            {"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
             "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}
            """#
        let values = try JSONValue.parse(try JSONValue.parse(Array(text.utf8)).canonicalBytes).objectValue?
            .members
        #expect(
            values?.compactMap(\.value.stringValue) == [
                "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
                "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
            ])
    }

    @Test("order and white space of the source do not show, values do")
    func uniqueness() throws {
        let spellings = [
            #"{"b":[1,2],"a":{"d":"x","c":-7}}"#,
            " {\n\"a\" : { \"c\":-7 , \"d\":\"\\u0078\" },\t\"b\":[ 1,2 ] } ",
        ]
        for spelling in spellings { #expect(try canonical(spelling) == #"{"a":{"c":-7,"d":"x"},"b":[1,2]}"#) }
        #expect(try canonical("9007199254740991") == "9007199254740991")
        #expect(try canonical("-1") == "-1")
        #expect(try canonical("[]") == "[]")
        #expect(try canonical("{}") == "{}")
    }

    @Test("the writer's pieces are the canonical text")
    func writer() throws {
        var writer = JSONWriter(capacity: 64)
        writer.append(raw: #"{"a":"#)
        writer.append("x\"\u{1}y")
        writer.append(raw: #","n":"#)
        writer.append(-42)
        writer.append(raw: ",\"s\":\"".utf8)
        for byte in "€\\".utf8 { writer.appendEscaped(byte) }
        writer.append(raw: "\"}")
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(text == #"{"a":"x\"\u0001y","n":-42,"s":"€\\"}"#)
        #expect(try canonical(text) == text)
    }
}

// Base64 and hexadecimal: one text for one value, so that a comparison of texts is a comparison of values.

import Foundation
import StrictEncoding
import Testing

@Suite("Strict base64 and hexadecimal")
struct TextEncodingTests {
    @Test(
        "RFC 4648 §10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func knownAnswers(plain: String, encoded: String) {
        let bytes = Array(plain.utf8)
        #expect(Base64.encode(bytes) == encoded)
        #expect(Base64.decode(encoded) == bytes)
        let unpadded = encoded.replacing("=", with: "")
        #expect(Base64URL.encode(bytes) == unpadded)
        #expect(Base64URL.decode(unpadded) == bytes)
        #expect(Base64URL.decode(Array(unpadded.utf8)[...]) == bytes)
        #expect(Base64URL.encodedBytes(bytes) == Array(unpadded.utf8))
    }

    @Test("the two alphabets differ in their last two symbols and neither reads the other's")
    func alphabets() {
        #expect(Base64URL.encode([0xFB, 0xFF, 0xBF]) == "-_-_")
        #expect(Base64.encode([0xFB, 0xFF, 0xBF]) == "+/+/")
        #expect(Base64URL.decode("+/+/") == nil)
        #expect(Base64.decode("-_-_") == nil)
    }

    @Test(
        "base64url with padding, white space, foreign characters or an impossible length is refused",
        arguments: [
            "Zg==", "Zm8=", "Zg=", "=", "====", "Z", "Zm9vY", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v\0", "Zm9v.",
            "Zm9vé",
            "Zm9v\u{FF21}", "Z\r\ng",
        ])
    func foreignText(text: String) { #expect(Base64URL.decode(text) == nil) }

    @Test(
        "base64 with missing, excess or misplaced padding is refused",
        arguments: [
            "Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "Zm9v=", "Zm9v====", "=Zg=", "Z===", "====", "Zg==Zg==",
            "Zm=8",
        ])
    func padding(text: String) { #expect(Base64.decode(text) == nil) }

    @Test("low bits that mean nothing must be zero: otherwise a signature has sixteen spellings")
    func trailingBits() {
        let symbols = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let oneByte = symbols.filter { Base64URL.decode("A\($0)") != nil }
        let twoBytes = symbols.filter { Base64URL.decode("AA\($0)") != nil }
        #expect(oneByte == ["A", "Q", "g", "w"])
        #expect(twoBytes.count == 16)
        #expect(Base64.decode("Zh==") == nil)
        #expect(Base64.decode("Zm9=") == nil)
    }

    @Test("random bytes survive, and agree with Foundation")
    func roundTrip() {
        var generator = SeededGenerator()
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
            #expect(Base64.encode(bytes) == Data(bytes).base64EncodedString())
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Hex.decode(Hex.encode(bytes)) == bytes)
        }
    }

    @Test("whatever decodes is the one text of its value")
    func oneSpelling() {
        var generator = SeededGenerator()
        let alphabet = Array("ABZabz059-_+/= ".utf8)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...8, using: &generator)
            let text = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let string = String(decoding: text, as: UTF8.self)
            if let bytes = Base64URL.decode(string) { #expect(Base64URL.encode(bytes) == string) }
            if let bytes = Base64.decode(string) { #expect(Base64.encode(bytes) == string) }
        }
    }

    @Test("hexadecimal")
    func hexadecimal() {
        #expect(Hex.encode([0x00, 0x9F, 0xAB, 0xFF]) == "009fabff")
        #expect(Hex.decode("009FabFf") == [0x00, 0x9F, 0xAB, 0xFF])
        #expect(Hex.decode("") == [])
        for text in ["0", "abc", "0x00", "gg", " 00", "00 ", "é0", "\u{FF10}\u{FF10}"] {
            #expect(Hex.decode(text) == nil)
        }
    }
}

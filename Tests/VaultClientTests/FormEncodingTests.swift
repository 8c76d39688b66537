// The form of a token request.

import Testing

@testable import VaultClient

@Suite("Form encoding")
struct FormEncodingTests {
    private func text(_ parameters: [(name: String, value: String)]) -> String {
        String(decoding: FormEncoding.encode(parameters), as: UTF8.self)
    }

    @Test("The example of RFC 6749 appendix B")
    func appendixB() {
        #expect(text([("k", " %&+£€")]) == "k=+%25%26%2B%C2%A3%E2%82%AC")
    }

    @Test("No value can end itself and begin another parameter")
    func noInjection() {
        #expect(text([("a", "1&b=2"), ("c", "x;y\r\n\0")]) == "a=1%26b%3D2&c=x%3By%0D%0A%00")
    }

    @Test("Letters, digits and -._* stay; everything else of ASCII is escaped")
    func alphabet() {
        let kept = "ABCXYZabcxyz0189-._*"
        #expect(text([("n", kept)]) == "n=" + kept)
        for byte in UInt8(0x21)...0x7E where !kept.utf8.contains(byte) {
            let scalar = Character(Unicode.Scalar(byte))
            guard !scalar.isLetter, !scalar.isNumber else { continue }
            #expect(text([("n", String(scalar))]).hasPrefix("n=%"))
        }
        #expect(text([]) == "")
    }
}

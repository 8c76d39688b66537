// The body of a token request: `application/x-www-form-urlencoded` (RFC 6749 appendix B, WHATWG URL §5.2).

/// Writes forms.
package enum FormEncoding {
    /// The media type.
    package static let mediaType = "application/x-www-form-urlencoded"

    /// The form of these parameters, in order. A space becomes `+`; everything but letters, digits and `-._*` is
    /// escaped, so that no value can begin a parameter of its own.
    package static func encode(_ parameters: [(name: String, value: String)]) -> [UInt8] {
        var form: [UInt8] = []
        for (index, parameter) in parameters.enumerated() {
            if index > 0 { form.append(UInt8(ascii: "&")) }
            append(parameter.name, to: &form)
            form.append(UInt8(ascii: "="))
            append(parameter.value, to: &form)
        }
        return form
    }

    private static func append(_ text: String, to form: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "*"):
                form.append(byte)
            case UInt8(ascii: " "): form.append(UInt8(ascii: "+"))
            default:
                form.append(contentsOf: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            }
        }
    }
}

// References that the caller makes: borrower, case, portfolio, actor, agency, client.
//
// The vault never interprets them, and that is the danger: whatever a caller puts there lands in tokens and, as a
// disclosure, in the log. So a reference that has the shape of a person's number is refused at the door.

/// An opaque reference of the caller's: 1–64 characters of `A–Z a–z 0–9 _ -`.
///
/// Guarantee: it is neither a Chinese mobile number nor an 18-digit resident identity number with a valid check
/// digit, with or without a two-letter prefix. The caller must choose pseudonyms; this catches the two accidents
/// that are recognisable.
public struct Reference: Hashable, Sendable, CustomStringConvertible {
    /// The text.
    public let text: String

    /// Checks the alphabet, the length and the two forbidden shapes; `nil` if one fails.
    public init?(_ text: String) {
        guard (1...Limits.referenceBytes).contains(text.utf8.count),
            text.utf8.allSatisfy(Self.isAllowed), !Self.looksPersonal(text)
        else { return nil }
        self.text = text
    }

    /// The text.
    public var description: String { text }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private static func looksPersonal(_ text: String) -> Bool {
        var body = Array(text.utf8)
        if let underscore = body.firstIndex(of: UInt8(ascii: "_")), underscore <= 2 {
            body.removeFirst(underscore + 1)
        }
        body.removeAll { $0 == UInt8(ascii: "-") }
        return isChineseMobile(body) || isResidentIdentityNumber(body)
    }

    /// Eleven digits beginning 13…19, or the same after 86.
    private static func isChineseMobile(_ body: [UInt8]) -> Bool {
        var digits = body[...]
        if digits.count == 13, digits.starts(with: Array("86".utf8)) { digits = digits.dropFirst(2) }
        return digits.count == 11 && digits.allSatisfy { (0x30...0x39).contains($0) }
            && digits.first == 0x31 && digits.dropFirst().first! >= 0x33
    }

    /// GB 11643: seventeen digits and an ISO 7064 MOD 11-2 check character.
    private static func isResidentIdentityNumber(_ body: [UInt8]) -> Bool {
        guard body.count == 18, body.dropLast().allSatisfy({ (0x30...0x39).contains($0) }) else {
            return false
        }
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
        let sum = zip(body, weights).reduce(0) { $0 + Int($1.0 - 0x30) * $1.1 }
        let check = Array("10X98765432".utf8)[sum % 11]
        return body.last == check || (check == UInt8(ascii: "X") && body.last == UInt8(ascii: "x"))
    }
}

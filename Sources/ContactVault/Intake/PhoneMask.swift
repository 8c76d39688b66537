// What may be shown of a number and of a name: enough for the person at the desk to tell two contacts apart and for
// the contact to recognise their own, too little to dial.

import CPhoneNumber
public import VaultCrypto

/// The masked form of a telephone number.
///
/// | number | mask |
/// |---|---|
/// | Chinese mobile | first three and last four digits: `138****1234` |
/// | landline with an area code | area code and last four: `010****5678`, `+4420****0123` |
/// | any other | country code and last four, fewer where less than four digits would be hidden: `+1******0123` |
/// | fewer than eight digits in all | all but the last two hidden: `*****67` |
///
/// One star stands for one hidden digit.
public enum PhoneMask {
    /// The mask of a stored number, as ASCII bytes.
    /// - Parameter e164: `+` and digits. Bytes that are no valid number (any more) are hidden but for the last two
    ///   digits.
    public static func mask(_ e164: borrowing SecretBytes) -> [UInt8] {
        var parsed = contact_vault_phone()
        defer { unsafe contact_vault_phone_wipe(&parsed) }
        let result = e164.reveal { bytes in
            unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe contact_vault_phone_parse(buffer.baseAddress, buffer.count, nil, &parsed)
            }
        }
        if UInt32(bitPattern: result) == CONTACT_VAULT_PHONE_OK.rawValue { return mask(parsed: parsed) }
        return e164.reveal { bytes in
            var digits: [UInt8] = []
            digits.reserveCapacity(bytes.count)
            for index in bytes.indices where (0x30...0x39).contains(bytes[index]) {
                digits.append(bytes[index])
            }
            defer { PhoneDigits.wipe(&digits) }
            return hidden(digits, showingLast: 2)
        }
    }

    /// The mask of a parsed number, as ASCII bytes.
    static func mask(parsed: contact_vault_phone) -> [UInt8] {
        var national = PhoneDigits.national(of: parsed)
        defer { PhoneDigits.wipe(&national) }
        let isChinese = parsed.country_code == 86
        let countryCode = Array(String(parsed.country_code).utf8)

        if countryCode.count + national.count < 8 {
            return [UInt8](repeating: star, count: countryCode.count + national.count - 2)
                + national.suffix(2)
        }
        if isChinese, national.count == 11, UInt32(parsed.type) == CONTACT_VAULT_PHONE_MOBILE.rawValue {
            return national.prefix(3) + hidden(national.dropFirst(3), showingLast: 4)
        }
        let areaCode = national.prefix(Int(parsed.area_code_length))
        let subscriber = national.dropFirst(areaCode.count)
        // Three is the least a landline may hide: Chinese subscriber numbers have seven digits or eight.
        if UInt32(parsed.type) == CONTACT_VAULT_PHONE_FIXED_LINE.rawValue, !areaCode.isEmpty,
            subscriber.count >= 7
        {
            let prefix = isChinese ? Array("0".utf8) : [plus] + countryCode
            return prefix + areaCode + hidden(subscriber, showingLast: 4)
        }
        return [plus] + countryCode + hidden(national[...], showingLast: min(4, max(0, national.count - 4)))
    }

    private static let star = UInt8(ascii: "*")
    private static let plus = UInt8(ascii: "+")

    private static func hidden(
        _ digits: some BidirectionalCollection<UInt8>, showingLast shown: Int
    ) -> [UInt8] {
        let shown = min(shown, digits.count)
        return [UInt8](repeating: star, count: digits.count - shown) + digits.suffix(shown)
    }

}

/// The masked form of a name: the first character and one star, `张*`, `M*`. How long the name is does not show.
public enum NameMask {
    /// The mask of a stored name, as UTF-8 bytes.
    ///
    /// A name of one character is hidden whole, and so are bytes that are not UTF-8.
    public static func mask(_ name: borrowing SecretBytes) -> [UInt8] {
        let star = UInt8(ascii: "*")
        return name.reveal { bytes in
            // Scalars are decoded one at a time: a `String` of the name could not be wiped.
            var shown: [UInt8] = []
            var position = 0
            while position < bytes.count {
                guard let (scalar, length) = decodeScalar(bytes, at: position) else { return [star] }
                let isMark =
                    scalar.properties.isGraphemeExtend || scalar.properties.generalCategory == .spacingMark
                // The bound keeps a stack of combining marks from being a way to store free text in the open.
                if position > 0 && (!isMark || shown.count + length > 16) { return shown + [star] }
                for offset in 0..<length { shown.append(bytes[position + offset]) }
                position += length
            }
            return [star]
        }
    }

    private static func decodeScalar(_ bytes: Span<UInt8>, at position: Int) -> (Unicode.Scalar, Int)? {
        let lead = bytes[position]
        let length: Int
        switch lead {
        case 0x00...0x7F: length = 1
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF: length = 3
        case 0xF0...0xF4: length = 4
        default: return nil
        }
        guard position + length <= bytes.count else { return nil }
        var value = length == 1 ? UInt32(lead) : UInt32(lead) & (0x7F >> UInt32(length))
        for offset in 1..<length {
            let next = bytes[position + offset]
            guard next & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(next & 0x3F)
        }
        guard let scalar = Unicode.Scalar(value), UTF8.width(scalar) == length else { return nil }
        return (scalar, length)
    }
}

/// The digits of a number that the C interface has parsed.
enum PhoneDigits {
    /// The E.164 text as a secret.
    static func e164(of parsed: contact_vault_phone) -> SecretBytes {
        unsafe withUnsafeBytes(of: parsed.e164) { bytes in
            unsafe SecretBytes(count: Int(parsed.e164_length)) { (target) throws(Never) in
                unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[0..<target.count]))
            }
        }
    }

    /// The national digits, in ordinary memory: the caller wipes them where they outlive the call.
    static func national(of parsed: contact_vault_phone) -> [UInt8] {
        unsafe withUnsafeBytes(of: parsed.e164) { bytes in
            unsafe Array(bytes[(1 + Int(parsed.country_code_length))..<Int(parsed.e164_length)])
        }
    }

    /// Zeroes digits before their memory is given back. Best effort: the optimiser may see through it, the copies that
    /// matter are in ``SecretBytes``.
    static func wipe(_ digits: inout [UInt8]) { for index in digits.indices { digits[index] = 0 } }
}

// From what somebody typed to one spelling of a number that a person can be reached at, or a refusal with its reason.
//
// libphonenumber picks a number out of running text, turns letters into digits and follows `;phone-context`. Each is
// a way to store another number than the one that was meant, and a wrong number is a call to a stranger about
// somebody's debt. So the text is checked before the library sees it.

import CPhoneNumber
import ContactModel
public import VaultCrypto

/// A telephone number of a kind the vault keeps.
public struct NormalizedPhoneNumber: ~Copyable, Sendable {
    /// E.164 as ASCII bytes: `+`, calling code, national digits; 8 to 16 bytes.
    public let e164: SecretBytes
    /// The masked form (``PhoneMask``), safe to show and to log.
    public let mask: String
    /// ISO 3166-1 region of the number, two capital letters.
    public let region: String
    /// What kind of line it is.
    public let line: PhoneLine
}

/// The kinds of line that are kept.
public enum PhoneLine: String, CaseIterable, Sendable {
    /// A landline.
    case fixed
    /// A mobile.
    case mobile
    /// One of the two: the country's numbering plan does not tell them apart, as in North America.
    case fixedOrMobile = "fixed_or_mobile"
}

/// Normalises telephone numbers at intake.
public enum PhoneNumberIntake {
    /// Parses, validates and classifies one number.
    ///
    /// Kept are mobile numbers, landlines and those that may be either. Refused: short codes, toll-free, shared-cost
    /// and premium numbers, company access numbers, internet, follow-me, pager and mailbox numbers, satellite and
    /// supranational numbers, numbers of machines, and numbers with an extension.
    /// - Parameters:
    ///   - typed: digits, one leading plus, and the separators people write (space, hyphen, dot, parentheses), also
    ///     in full width; at most ``Limits/phoneInputBytes`` bytes.
    ///   - region: two capital letters, the country whose national notation is meant; may be `nil` when the number
    ///     begins with a plus.
    /// - Throws: ``IntakeFault`` for the field `phone`, or `region` when that is what is wrong. Never the input.
    public static func normalize(
        _ typed: String, region: String?
    ) throws(IntakeFault) -> NormalizedPhoneNumber {
        guard !typed.utf8.isEmpty else { throw IntakeFault(field: "phone", problem: .missing) }
        guard typed.utf8.count <= Limits.phoneInputBytes else {
            throw IntakeFault(field: "phone", problem: .tooLong)
        }
        if let region, !isRegionCode(region) { throw IntakeFault(field: "region", problem: .invalidRegion) }
        guard isPlainNumber(typed) else { throw IntakeFault(field: "phone", problem: .notANumber) }

        var parsed = contact_vault_phone()
        defer { unsafe contact_vault_phone_wipe(&parsed) }
        var text = typed
        let result = text.withUTF8 { bytes in
            if let region {
                unsafe contact_vault_phone_parse(bytes.baseAddress, bytes.count, region, &parsed)
            } else {
                unsafe contact_vault_phone_parse(bytes.baseAddress, bytes.count, nil, &parsed)
            }
        }
        if let fault = fault(ofResult: result) { throw fault }
        var national = PhoneDigits.national(of: parsed)
        defer { PhoneDigits.wipe(&national) }
        let line = try line(
            type: UInt32(parsed.type), isGeographic: parsed.region.0 != 0x30,
            countryCode: parsed.country_code,
            national: national)
        let e164 = PhoneDigits.e164(of: parsed)
        let mask = PhoneMask.mask(parsed: parsed)
        return NormalizedPhoneNumber(
            e164: e164, mask: String(decoding: mask, as: UTF8.self),
            region: String(
                decoding: [UInt8(bitPattern: parsed.region.0), UInt8(bitPattern: parsed.region.1)],
                as: UTF8.self),
            line: line)
    }

    private static func isRegionCode(_ text: String) -> Bool {
        text.utf8.count == 2 && text.utf8.allSatisfy { (0x41...0x5A).contains($0) }
    }

    /// Digits with at most one plus before them and separators between, and nothing else. A slash and a tilde are no
    /// separators: in China they write "this number or that one".
    private static func isPlainNumber(_ text: String) -> Bool {
        var hasDigit = false
        var hasPlus = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "0"..."9", "\u{FF10}"..."\u{FF19}":
                hasDigit = true
            case "+", "\u{FF0B}":
                if hasPlus || hasDigit { return false }
                hasPlus = true
            case " ", "-", ".", "(", ")", "\u{A0}", "\u{3000}", "\u{FF08}", "\u{FF09}", "\u{FF0D}",
                "\u{2212}",
                "\u{2010}"..."\u{2015}":
                break
            default:
                return false
            }
        }
        return hasDigit
    }

    private static func fault(ofResult result: Int32) -> IntakeFault? {
        switch UInt32(bitPattern: result) {
        case CONTACT_VAULT_PHONE_OK.rawValue: nil
        case CONTACT_VAULT_PHONE_NOT_A_NUMBER.rawValue: IntakeFault(field: "phone", problem: .notANumber)
        case CONTACT_VAULT_PHONE_TOO_SHORT.rawValue: IntakeFault(field: "phone", problem: .tooShort)
        case CONTACT_VAULT_PHONE_TOO_LONG.rawValue: IntakeFault(field: "phone", problem: .tooLong)
        case CONTACT_VAULT_PHONE_INVALID.rawValue: IntakeFault(field: "phone", problem: .invalidNumber)
        case CONTACT_VAULT_PHONE_COUNTRY_UNKNOWN.rawValue:
            IntakeFault(field: "phone", problem: .countryUnknown)
        case CONTACT_VAULT_PHONE_INVALID_REGION.rawValue:
            IntakeFault(field: "region", problem: .invalidRegion)
        case CONTACT_VAULT_PHONE_HAS_EXTENSION.rawValue: IntakeFault(field: "phone", problem: .hasExtension)
        case CONTACT_VAULT_PHONE_SHORT_CODE.rawValue: IntakeFault(field: "phone", problem: .shortCode)
        default: IntakeFault(field: "phone", problem: .unavailable)
        }
    }

    /// The kind of line, or why numbers of this kind are not kept.
    private static func line(
        type: UInt32, isGeographic: Bool, countryCode: UInt16, national: [UInt8]
    ) throws(IntakeFault) -> PhoneLine {
        // 870 Inmarsat, 881 Iridium and Globalstar, 882 and 883 international networks: no country, no local hour.
        guard isGeographic else { throw IntakeFault(field: "phone", problem: .satellite) }
        if let problem = MachineRange.problem(countryCode: countryCode, national: national) {
            throw IntakeFault(field: "phone", problem: problem)
        }
        switch type {
        case CONTACT_VAULT_PHONE_FIXED_LINE.rawValue: return .fixed
        case CONTACT_VAULT_PHONE_MOBILE.rawValue: return .mobile
        case CONTACT_VAULT_PHONE_FIXED_LINE_OR_MOBILE.rawValue: return .fixedOrMobile
        case CONTACT_VAULT_PHONE_TOLL_FREE.rawValue: throw IntakeFault(field: "phone", problem: .tollFree)
        case CONTACT_VAULT_PHONE_SHARED_COST.rawValue: throw IntakeFault(field: "phone", problem: .sharedCost)
        case CONTACT_VAULT_PHONE_PREMIUM_RATE.rawValue:
            throw IntakeFault(field: "phone", problem: .premiumRate)
        case CONTACT_VAULT_PHONE_UAN.rawValue: throw IntakeFault(field: "phone", problem: .companyNumber)
        case CONTACT_VAULT_PHONE_VOIP.rawValue, CONTACT_VAULT_PHONE_PERSONAL.rawValue,
            CONTACT_VAULT_PHONE_PAGER.rawValue, CONTACT_VAULT_PHONE_VOICEMAIL.rawValue:
            throw IntakeFault(field: "phone", problem: .notAPersonsLine)
        default: throw IntakeFault(field: "phone", problem: .invalidNumber)
        }
    }
}

/// Prefixes of national numbers that libphonenumber calls mobile and nobody answers.
private enum MachineRange {
    static func problem(countryCode: UInt16, national: [UInt8]) -> IntakeFault.Problem? {
        for range in ranges
        where range.countryCode == countryCode && national.starts(with: range.prefix.utf8) {
            return range.problem
        }
        return nil
    }

    private static let ranges: [(countryCode: UInt16, prefix: String, problem: IntakeFault.Problem)] = [
        // China Telecom's satellite service: 1349 and 1740-0 to 1740-5.
        (86, "1349", .satellite),
        (86, "17400", .satellite), (86, "17401", .satellite), (86, "17402", .satellite),
        (86, "17403", .satellite), (86, "17404", .satellite), (86, "17405", .satellite),
        // 140, 141, 144, 146, 148: things. 145, 147, 149: data cards.
        (86, "14", .machine),
        // Machine-to-machine ranges of the Netherlands (097) and Sweden (0719).
        (31, "97", .machine),
        (46, "719", .machine),
    ]
}

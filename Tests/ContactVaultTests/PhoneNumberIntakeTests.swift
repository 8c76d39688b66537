// Telephone numbers at intake: one spelling in, strangers' and machines' lines out, and masks that hide enough.

import ContactModel
import ContactVault
import Foundation
import Testing
import VaultCrypto

@Suite("Phone numbers at intake")
struct PhoneNumberIntakeTests {
    private func e164(_ typed: String, _ region: String?) throws -> String {
        let number = try PhoneNumberIntake.normalize(typed, region: region)
        return String(decoding: number.e164.revealBytes(), as: UTF8.self)
    }

    private func fault(_ typed: String, _ region: String?) -> IntakeFault? {
        do {
            _ = try PhoneNumberIntake.normalize(typed, region: region)
            return nil
        } catch { return error }
    }

    @Test(
        "every way to write a number gives one E.164 text",
        arguments: [
            "13800138000", "138 0013 8000", "138-0013-8000", "(138) 0013.8000", "+86 138 0013 8000",
            "+8613800138000", "0086 13800138000", "86 138 0013 8000", "（＋86）138 0013 8000",
            "\u{FF11}\u{FF13}\u{FF18}\u{FF10}\u{FF10}\u{FF11}\u{FF13}\u{FF18}\u{FF10}\u{FF10}\u{FF10}",
            "138\u{A0}0013\u{2013}8000",
        ])
    func spellings(typed: String) throws {
        #expect(try e164(typed, "CN") == "+8613800138000")
    }

    @Test("region and line come from the number, not from the caller")
    func classification() throws {
        let american = try PhoneNumberIntake.normalize("+1 212 555 0123", region: "CN")
        let americanRegion = american.region
        let americanLine = american.line
        let americanMask = american.mask
        #expect(americanRegion == "US")
        #expect(americanLine == .fixedOrMobile)
        #expect(americanMask == "+1******0123")

        let beijing = try PhoneNumberIntake.normalize("010 8888 0123", region: "CN")
        let beijingLine = beijing.line
        let beijingMask = beijing.mask
        #expect(beijingLine == .fixed)
        #expect(beijingMask == "010****0123")

        let mobile = try PhoneNumberIntake.normalize("13800138000", region: "CN")
        let mobileLine = mobile.line
        let mobileRegion = mobile.region
        #expect(mobileLine == .mobile)
        #expect(mobileRegion == "CN")
    }

    @Test("a plus makes the region unnecessary; without both there is no country to guess")
    func regionRule() throws {
        #expect(try e164("+8613800138000", nil) == "+8613800138000")
        #expect(fault("13800138000", nil) == IntakeFault(field: "phone", problem: .countryUnknown))
    }

    @Test(
        "a region that is no country is the fault of the region",
        arguments: ["ZZ", "cn", "CHN", "C", "", "001", "C\u{0}", "ＣＮ", "CN\u{0}"])
    func invalidRegion(region: String) {
        #expect(fault("13800138000", region) == IntakeFault(field: "region", problem: .invalidRegion))
    }

    @Test(
        "text that holds more, less or other than one number is refused before a parser picks a number out of it",
        arguments: [
            "call 13800138000", "13800138000 or so", "tel:+8613800138000", "tel:138;phone-context=+86",
            "1-800-FLOWERS", "13800138000/13900139000", "13800138000~1", "138*00138000", "138#",
            "+86+13800138000",
            "138+0013 8000", "++8613800138000", "13800138000\u{0}", "13800138000\n", "13800138000x12",
            "13800138000,,9", "张伟", " ", "+", "()", "\u{661}\u{663}\u{668}00138000", "138\u{200D}00138000",
        ])
    func notOneNumber(typed: String) {
        #expect(fault(typed, "CN") == IntakeFault(field: "phone", problem: .notANumber))
    }

    @Test("empty, oversized and short input")
    func bounds() {
        #expect(fault("", "CN")?.problem == .missing)
        #expect(fault(String(repeating: "1", count: Limits.phoneInputBytes + 1), "CN")?.problem == .tooLong)
        #expect(fault(String(repeating: "1", count: Limits.phoneInputBytes), "CN")?.problem == .tooLong)
        #expect(fault("138001380001", "CN") != nil)
        #expect(fault("1380013800", "CN") != nil)
        #expect(fault("1", "CN")?.problem == .notANumber)
        #expect(fault("138001", "CN")?.problem == .tooShort)
        #expect(fault("8888 0123", "CN") != nil, "a local number without its area code reaches nobody")
        #expect(fault("+999 1234 5678", nil) != nil)
        #expect(fault("12000138000", "CN")?.problem == .invalidNumber)
    }

    @Test(
        "numbers that are no person's line are refused, each with its reason",
        arguments: [
            ("110", "CN", IntakeFault.Problem.shortCode), ("911", "US", .shortCode),
            ("8008100123", "CN", .tollFree), ("+1 800 555 0123", nil, .tollFree),
            ("4008100123", "CN", .sharedCost), ("+1 900 555 0123", nil, .premiumRate),
            ("+870 773 111 632", nil, .satellite), ("+881 6 1234 5678", nil, .satellite),
            ("+800 1234 5678", nil, .satellite), ("13490138000", "CN", .satellite),
            ("17400138000", "CN", .satellite), ("17405138000", "CN", .satellite),
            ("14500138000", "CN", .machine), ("14700138000", "CN", .machine),
            ("10086", "CN", .shortCode), ("+44 70 1234 5678", nil, .notAPersonsLine),
            ("+44 56 1234 5678", nil, .notAPersonsLine), ("+31 97 0123 45678", nil, .machine),
        ] as [(String, String?, IntakeFault.Problem)])
    func kinds(typed: String, region: String?, problem: IntakeFault.Problem) {
        #expect(fault(typed, region)?.problem == problem)
    }

    @Test("no fault repeats what was typed")
    func noEcho() {
        for typed in ["13800138000 call", "138001380001", "8008100123", "14500138000"] {
            let text = "\(String(describing: fault(typed, "CN")))"
            #expect(!text.contains("138"))
            #expect(!text.contains("8008"))
        }
    }

    @Test("random printable input never crashes and never yields anything but E.164")
    func garbage() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var generator = SplitMix(state: seed)
        let alphabet = Array("0123456789+-() .0123456789＋５")
        for _ in 0..<2000 {
            let length = Int(generator.next() % 30)
            let typed = String(
                (0..<length).map { _ in alphabet[Int(generator.next() % UInt64(alphabet.count))] })
            let region = ["CN", "US", "IT", nil][Int(generator.next() % 4)]
            guard let number = try? PhoneNumberIntake.normalize(typed, region: region) else { continue }
            let bytes = number.e164.revealBytes()
            #expect((8...16).contains(bytes.count))
            #expect(bytes[0] == 0x2B && bytes.dropFirst().allSatisfy { (0x30...0x39).contains($0) })
            let again = PhoneMask.mask(number.e164)
            #expect(number.mask == String(decoding: again, as: UTF8.self))
            #expect(number.mask.filter { $0 == "*" }.count >= 3)
        }
    }

    @Test("many threads parse at once")
    func concurrency() async {
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    let typed = "1380013\(8000 + index)"
                    guard let number = try? PhoneNumberIntake.normalize(typed, region: "CN") else {
                        return false
                    }
                    return String(decoding: number.e164.revealBytes(), as: UTF8.self) == "+86" + typed
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}

@Suite("Masks")
struct MaskTests {
    private func mask(_ e164: String) -> String {
        String(decoding: PhoneMask.mask(SecretBytes(copying: e164.utf8)), as: UTF8.self)
    }

    private func name(_ text: String) -> String {
        String(decoding: NameMask.mask(SecretBytes(copying: text.utf8)), as: UTF8.self)
    }

    @Test(
        "known masks",
        arguments: [
            ("+8613800138000", "138****8000"),
            ("+861088880123", "010****0123"),
            ("+8631188880123", "0311****0123"),
            ("+867958880123", "0795***0123"),
            ("+12125550123", "+1******0123"),
            ("+442079460123", "+4420****0123"),
            ("+447400123456", "+44******3456"),
            ("+3545550123", "+354****123"),
            ("+2904123", "*****23"),
        ])
    func known(e164: String, expected: String) {
        #expect(mask(e164) == expected)
    }

    @Test("bytes that are no number are hidden but for two digits")
    func fallback() {
        #expect(mask("+1234567") == "*****67")
        #expect(mask("+8612") == "**12")
        #expect(mask("") == "")
        #expect(mask("+999999999999999") == "*************99")
    }

    @Test(
        "a name shows its first character and not its length",
        arguments: [
            ("张伟", "张*"), ("欧阳娜娜", "欧*"), ("Maria", "M*"), ("José", "J*"), ("E\u{301}va", "E\u{301}*"),
            ("Øyvind Æ", "Ø*"), ("नीता", "नी*"), ("𠮷田", "𠮷*"), ("王", "*"), ("E\u{301}", "*"), ("", "*"),
        ])
    func names(full: String, masked: String) {
        #expect(name(full) == masked)
    }

    @Test(
        "a name that is not UTF-8 is hidden whole",
        arguments: [[0xFF], [0xC0, 0x80, 0x41], [0xE5, 0xBC], [0xED, 0xA0, 0x80, 0x41]])
    func malformedName(bytes: [UInt8]) {
        #expect(NameMask.mask(SecretBytes(copying: bytes)) == [UInt8(ascii: "*")])
    }

    @Test("a pile of combining marks does not pass through the mask")
    func combiningMarks() {
        let pile = "a" + String(repeating: "\u{301}", count: 200) + "b"
        #expect(name(pile).utf8.count <= 17)
    }
}

/// A small seeded generator (Steele, Lea, Flood 2014), so that a failing run can be repeated.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

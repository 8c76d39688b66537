// Identifiers, references and the small vocabularies: what is accepted is exactly what is documented.

import ContactModel
import Testing

@Suite("References and identifiers")
struct IdentifierTests {
    @Test(
        "a reference in the shape of a Chinese mobile number is refused, however it is dressed",
        arguments: [
            "13800138000", "8613800138000", "138-0013-8000", "86-138-0013-8000", "br_13800138000",
            "u_13800138000",
            "cs_8613800138000", "_13800138000", "19912345678", "br_138-00138-000",
        ])
    func phoneNumbers(text: String) { #expect(Reference(text) == nil) }

    /// The number is made up: region code 110105, birth date in 1949, and a check character that fits.
    @Test(
        "a reference in the shape of a resident identity number is refused",
        arguments: [
            "11010519491231002X", "11010519491231002x", "br_11010519491231002X", "110105-19491231-002X",
            "u_110105194912310021X".replacing("21X", with: "2X"),
        ])
    func identityNumbers(text: String) { #expect(Reference(text) == nil) }

    @Test(
        "digits that are neither are references",
        arguments: [
            "110105194912310021", "12345678901", "23800138000", "1380013800", "138001380000", "8713800138000",
            "br_20260101", "a", "-", "_", "A-Z_0-9", "cs_0f8fad5b-d9cb-469f-a165-70867728950e",
        ])
    func accepted(text: String) { #expect(Reference(text)?.text == text) }

    @Test(
        "other alphabets and lengths are refused",
        arguments: [
            "", " ", "a b", "a.b", "a/b", "a@b", "张伟", "é", "a\0", "a\n", "+8613800138000", "e\u{301}",
            String(repeating: "a", count: 65),
        ])
    func alphabet(text: String) { #expect(Reference(text) == nil) }

    @Test("64 characters fit")
    func longest() { #expect(Reference(String(repeating: "a", count: Limits.referenceBytes)) != nil) }

    @Test("an identifier has one text form")
    func identifiers() throws {
        let contact = try #require(ContactID(bytes: Array(0..<16)))
        let text = contact.description
        #expect(text == "ct_AAECAwQFBgcICQoLDA0ODw")
        #expect(ContactID(text) == contact)
        for other in [
            "cs_AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODw", "ct_AAECAwQFBgcICQoLDA0ODx", text + "A",
            String(text.dropLast()), text + "=", "CT_AAECAwQFBgcICQoLDA0ODw", "ct-AAECAwQFBgcICQoLDA0ODw",
            "ct_",
            "ct_AAECAwQFBgcICQoLDA0O w", "",
        ] { #expect(ContactID(other) == nil, "\(other)") }
        #expect(ContactID(bytes: [1]) == nil)
        #expect(TenantID(bytes: Array(0..<16))?.description == "tn_AAECAwQFBgcICQoLDA0ODw")
        #expect(TenantID(text) == nil)
        #expect(ReleaseID(text) == nil)
    }

    @Test("purposes and actions have a bounded spelling")
    func vocabulary() {
        for text in ["relay.message", "a", "suppress.match", "a_b.c", String(repeating: "a", count: 64)] {
            #expect(Purpose(text)?.text == text)
        }
        for text in ["", ".a", "a.", "a..b", "A", "a-b", "a b", "a1", "é", String(repeating: "a", count: 65)]
        {
            #expect(Purpose(text) == nil, "\(text)")
        }
        for text in ["dial", "send_template", String(repeating: "a", count: 32)] {
            #expect(Action(text)?.text == text)
        }
        for text in ["", "dial.x", "Dial", "dial1", "dial ", "../x", String(repeating: "a", count: 33)] {
            #expect(Action(text) == nil, "\(text)")
        }
    }

    @Test("release forms are ordered from least to most")
    func forms() {
        #expect(ReleaseForm.allCases.sorted() == [.match, .mask, .seal, .reveal])
        #expect(min(ReleaseForm.reveal, .mask) == .mask)
    }

    @Test("field ids in sealed records never change")
    func fieldIdentifiers() {
        #expect(FieldName.allCases.map(\.identifier) == [1, 2, 3])
        #expect(FieldName.phone.identifier == 2)
    }

    @Test("codes that are written into the log are unique")
    func codes() {
        #expect(Set(DenialCode.allCases.map(\.rawValue)).count == DenialCode.allCases.count)
    }
}

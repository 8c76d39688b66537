// Contacts who do not exist, in the intake format. Numbers are made up; whether some are in use cannot be known, so no
// test may ever dial.

import ContactModel
public import StrictEncoding

/// A contact in the intake format whose every member a test may change.
public struct InventedContact: Sendable {
    /// The members in order.
    public private(set) var members: JSONObject

    /// Given names of the numbered contacts.
    private static let givenNames = ["晓彤彤", "明远之", "若兰兰", "子墨然", "思齐远", "雨桐桐", "浩然之", "静姝然"]
    private static let relations = ["colleague", "neighbour", "sibling", "spouse"]

    /// One contact with every member and consent to `relay.message`.
    public static let ouyang = InventedContact(
        phone: "138 0013 8000", name: "欧阳晓彤彤", relation: "colleague", borrower: "br_1001",
        portfolio: "pf_north")

    /// Another contact.
    public static let sima = InventedContact(
        phone: "+86 139 0013 9000", name: "司马明远之", relation: "neighbour", borrower: "br_1002",
        portfolio: "pf_north")

    /// One of a hundred million contacts, each with another number.
    /// - Parameter number: 0…99,999,999.
    public static func numbered(_ number: Int, portfolio: String = "pf_north") -> InventedContact {
        let digits = String(number % 100_000_000)
        return InventedContact(
            phone: "+86138" + String(repeating: "0", count: 8 - digits.count) + digits,
            name: "诸葛" + givenNames[number % givenNames.count], relation: relations[number % relations.count],
            borrower: "br_\(number)", portfolio: portfolio)
    }

    /// A contact with these values and consent to `relay.message`.
    public init(phone: String, name: String?, relation: String?, borrower: String, portfolio: String) {
        members = JSONObject([
            ("borrower", .string(borrower)), ("portfolio", .string(portfolio)), ("phone", .string(phone)),
            ("region", .string("CN")), ("language", .string("zh")), ("time_zone", .string("Asia/Shanghai")),
            ("channels", .array([.string("voice"), .string("sms")])), ("adult", .bool(true)),
            ("source", .string("origination")), ("retain_until", .string("2031-01-01")),
        ])
        members["name"] = name.map { .string($0) }
        members["relation"] = relation.map { .string($0) }
        members["consents"] = .array([Self.consent(to: "relay.message")])
    }

    /// A consent as the intake format writes it.
    /// - Parameter expires: RFC 3339, `nil` for no end.
    public static func consent(to purpose: String, expires: String? = nil) -> JSONValue {
        var consent = JSONObject([
            ("purpose", .string(purpose)), ("notice", .string("n3")),
            ("evidence", .string("sha256:" + String(repeating: "5a", count: 32))),
        ])
        consent["expires"] = expires.map { .string($0) }
        return .object(consent)
    }

    /// The same with one member replaced or added, or with `nil` removed.
    public func with(_ name: String, _ value: JSONValue?) -> InventedContact {
        var copy = self
        copy.members[name] = value
        return copy
    }

    /// The bytes to hand in.
    public var json: [UInt8] { JSONValue.object(members).canonicalBytes }

    /// What must never be found in a stored file: the number as E.164, the name and the relation.
    public var personalStrings: [String] {
        let phone = (members["phone"]?.stringValue ?? "").filter { $0.isNumber || $0 == "+" }
        let number = phone.hasPrefix("+") ? phone : "+86" + phone
        return [number] + [members["name"]?.stringValue, members["relation"]?.stringValue].compactMap(\.self)
    }
}

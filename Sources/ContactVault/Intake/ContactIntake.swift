// A contact as a caller hands it in: parsed strictly, normalised, and refused whole if one field is not acceptable.
//
// What is refused matters as much as what is taken: a vault that held debts, identity numbers or free text beside
// phone numbers would be worth far more to a thief, and would tell the contact's phone about the borrower's debt.

public import ContactModel
import PurposePolicy
public import StrictEncoding
import Synchronization
public import VaultCrypto

/// What is taken in with a contact besides the personal fields.
public struct ContactAttributes: Hashable, Sendable {
    /// The borrower's pseudonym.
    public let borrower: Reference
    /// The portfolio that bounds which clients may see the contact.
    public let portfolio: Reference
    /// BCP 47 language, such as `zh`.
    public let language: String
    /// IANA time zones the contact may be in; where there are several, all of them bind.
    public let timeZones: [String]
    /// Local hours the contact prefers, minutes after midnight; `nil` for no preference.
    public let preferredWindow: Range<Int>?
    /// How the contact may be reached.
    public let channels: Set<Channel>
    /// How the record came about.
    public let source: Source
    /// The day until which the record must be kept, `YYYY-MM-DD`.
    public let retainUntil: String
    /// Whether the number was shown to reach the contact.
    public let verification: VerificationState
    /// When it was.
    public let verified: Timestamp?

    /// How a record came about.
    public enum Source: String, CaseIterable, Sendable {
        /// The borrower named the contact when applying.
        case origination
        /// The borrower named the contact later.
        case servicing
        /// The contact came forward.
        case contact
    }

    /// Canonical JSON: stored beside the sealed record, and its digest inside it.
    var canonicalBytes: [UInt8] {
        var object = JSONObject([
            ("v", .integer(1)),
            ("borrower", .string(borrower.text)), ("portfolio", .string(portfolio.text)),
            ("language", .string(language)), ("time_zones", .array(timeZones.map { .string($0) })),
            ("channels", .array(channels.map(\.rawValue).sorted().map { .string($0) })),
            ("source", .string(source.rawValue)), ("retain_until", .string(retainUntil)),
            ("verification", .string(verification.rawValue)),
        ])
        object["verified"] = verified.map { .integer($0.milliseconds) }
        if let preferredWindow {
            object["preferred_window"] = .array([
                .integer(Int64(preferredWindow.lowerBound)), .integer(Int64(preferredWindow.upperBound)),
            ])
        }
        return JSONValue.object(object).canonicalBytes
    }

    /// Reads what ``canonicalBytes`` wrote; `nil` if it was not.
    init?(canonicalBytes: [UInt8]) {
        guard let object = (try? JSONValue.parse(canonicalBytes))?.objectValue,
            object["v"]?.integerValue == 1,
            let borrower = object["borrower"]?.stringValue.flatMap({ Reference($0) }),
            let portfolio = object["portfolio"]?.stringValue.flatMap({ Reference($0) }),
            let language = object["language"]?.stringValue,
            let timeZones = object["time_zones"]?.arrayValue?.compactMap(\.stringValue),
            let channels = object["channels"]?.arrayValue?.compactMap({
                $0.stringValue.flatMap { Channel(rawValue: $0) }
            }),
            let source = object["source"]?.stringValue.flatMap({ Source(rawValue: $0) }),
            let retainUntil = object["retain_until"]?.stringValue,
            let verification = object["verification"]?.stringValue.flatMap({ VerificationState(rawValue: $0) }
            )
        else { return nil }
        self.borrower = borrower
        self.portfolio = portfolio
        self.language = language
        self.timeZones = timeZones
        self.channels = Set(channels)
        self.source = source
        self.retainUntil = retainUntil
        self.verification = verification
        verified = object["verified"]?.integerValue.map { Timestamp(milliseconds: $0) }
        let window = object["preferred_window"]?.arrayValue?.compactMap(\.integerValue) ?? []
        preferredWindow = window.count == 2 && window[0] < window[1] ? Int(window[0])..<Int(window[1]) : nil
    }

    init(
        borrower: Reference, portfolio: Reference, language: String, timeZones: [String],
        preferredWindow: Range<Int>?, channels: Set<Channel>, source: Source, retainUntil: String,
        verification: VerificationState, verified: Timestamp?
    ) {
        self.borrower = borrower
        self.portfolio = portfolio
        self.language = language
        self.timeZones = timeZones
        self.preferredWindow = preferredWindow
        self.channels = channels
        self.source = source
        self.retainUntil = retainUntil
        self.verification = verification
        self.verified = verified
    }
}

/// A consent as it is handed in.
public struct ConsentIntake: Hashable, Sendable {
    /// For what.
    public let purpose: Purpose
    /// Version of the notice the contact was shown.
    public let notice: Reference
    /// SHA-256 of the evidence, 32 bytes.
    public let evidence: [UInt8]
    /// Agencies that it names; `nil` for every agency that works for the creditor.
    public let recipients: Set<Reference>?
    /// When it ends, `nil` for never.
    public let expires: Timestamp?
}

/// A contact that may be stored.
public struct ContactIntake: ~Copyable, Sendable {
    /// The clear attributes.
    public let attributes: ContactAttributes
    /// The phone number.
    public let phone: NormalizedPhoneNumber
    /// The name, `nil` if none was given.
    public let name: SecretBytes?
    /// The relation, `nil` if none was given.
    public let relation: SecretBytes?
    /// Consents, one a purpose.
    public let consents: [ConsentIntake]

    /// Relations that are accepted. A closed list, because free text here has held debts and addresses.
    public static let relations: Set<String> = [
        "spouse", "partner", "parent", "child", "sibling", "relative", "friend", "colleague", "neighbour",
        "other",
    ]

    /// Members that callers of collection systems tend to send and the vault refuses to hold.
    private static let refusedMembers: [String: StaticString] = [
        "amount": "amount", "balance": "balance", "debt": "debt", "debt_amount": "debt_amount",
        "overdue_days": "overdue_days", "due_date": "due_date", "id_card": "id_card",
        "id_number": "id_number",
        "identity_number": "identity_number", "address": "address", "address_book": "address_book",
        "contacts": "contacts", "note": "note", "notes": "notes", "comment": "comment", "remark": "remark",
        "birth_date": "birth_date", "employer": "employer", "email": "email",
    ]

    private static let members: Set<String> = [
        "borrower", "portfolio", "phone", "region", "name", "relation", "language", "time_zone", "channels",
        "adult",
        "source", "retain_until", "consents", "preferred_window", "verification", "borrower_phone",
    ]

    /// Parses and checks a contact.
    /// - Parameters:
    ///   - json: UTF-8 JSON of the intake format (`docs/spec/contact-intake.md`), already bounded in size.
    ///   - withConsents: whether `consents` may be given; a replacement leaves consents as they are.
    /// - Throws: ``IntakeFault`` naming the first field that is not acceptable, never its value.
    public init(json: some Collection<UInt8>, withConsents: Bool = true) throws(IntakeFault) {
        let object: JSONObject
        do {
            guard let parsed = try JSONValue.parse(json, maximumDepth: 4).objectValue else {
                throw IntakeFault(field: "contact", problem: .malformed)
            }
            object = parsed
        } catch {
            throw IntakeFault(field: "contact", problem: .malformed)
        }
        for key in object.keys where !Self.members.contains(key) {
            throw IntakeFault(field: Self.refusedMembers[key] ?? "contact", problem: .notAccepted)
        }

        // A minor is no contact: the vault wants the caller's word that this person is none.
        guard let adult = object["adult"] else { throw IntakeFault(field: "adult", problem: .missing) }
        guard adult.boolValue == true else { throw IntakeFault(field: "adult", problem: .notAccepted) }

        let attributes = try Self.attributes(object)
        let consents = try Self.consents(object["consents"], allowed: withConsents)
        var region: String?
        if let value = object["region"] {
            guard let text = value.stringValue else {
                throw IntakeFault(field: "region", problem: .malformed)
            }
            region = text
        }
        let phone = try PhoneNumberIntake.normalize(try Self.text(object, "phone"), region: region)
        if object["borrower_phone"] != nil {
            try Self.refuse(phone.e164, ifEqualTo: try Self.text(object, "borrower_phone"), region: region)
        }
        let name = try Self.name(object)
        let relation = try Self.relation(object)
        self.init(attributes: attributes, phone: phone, name: name, relation: relation, consents: consents)
    }

    private init(
        attributes: ContactAttributes, phone: consuming NormalizedPhoneNumber, name: consuming SecretBytes?,
        relation: consuming SecretBytes?, consents: [ConsentIntake]
    ) {
        self.attributes = attributes
        self.phone = phone
        self.name = name
        self.relation = relation
        self.consents = consents
    }

    // MARK: Fields

    private static func text(_ object: JSONObject, _ key: StaticString) throws(IntakeFault) -> String {
        guard let value = object["\(key)"] else { throw IntakeFault(field: key, problem: .missing) }
        guard let text = value.stringValue else { throw IntakeFault(field: key, problem: .malformed) }
        guard !text.isEmpty else { throw IntakeFault(field: key, problem: .missing) }
        return text
    }

    private static func reference(_ object: JSONObject, _ key: StaticString) throws(IntakeFault) -> Reference
    {
        guard let reference = Reference(try text(object, key)) else {
            throw IntakeFault(field: key, problem: .malformed)
        }
        return reference
    }

    private static func choice<Choice: RawRepresentable>(
        _ object: JSONObject, _ key: StaticString, _ type: Choice.Type
    ) throws(IntakeFault) -> Choice where Choice.RawValue == String {
        guard let choice = Choice(rawValue: try text(object, key)) else {
            throw IntakeFault(field: key, problem: .notAccepted)
        }
        return choice
    }

    private static func attributes(_ object: JSONObject) throws(IntakeFault) -> ContactAttributes {
        let language = try text(object, "language")
        guard isLanguage(language) else { throw IntakeFault(field: "language", problem: .malformed) }
        guard let channelValues = object["channels"]?.arrayValue else {
            throw IntakeFault(field: "channels", problem: object["channels"] == nil ? .missing : .malformed)
        }
        var channels: Set<Channel> = []
        for value in channelValues {
            guard let channel = value.stringValue.flatMap({ Channel(rawValue: $0) }) else {
                throw IntakeFault(field: "channels", problem: .notAccepted)
            }
            channels.insert(channel)
        }
        guard !channels.isEmpty else { throw IntakeFault(field: "channels", problem: .missing) }
        let retainUntil = try text(object, "retain_until")
        guard Timestamp(retainUntil + "T00:00:00Z") != nil else {
            throw IntakeFault(field: "retain_until", problem: .malformed)
        }
        let (verification, verified) = try self.verification(object["verification"])
        return ContactAttributes(
            borrower: try reference(object, "borrower"), portfolio: try reference(object, "portfolio"),
            language: language, timeZones: try timeZones(object["time_zone"]),
            preferredWindow: try window(object["preferred_window"]), channels: channels,
            source: try choice(object, "source", ContactAttributes.Source.self), retainUntil: retainUntil,
            verification: verification, verified: verified)
    }

    /// The borrower's own number is no contact. It is compared and forgotten.
    private static func refuse(
        _ phone: borrowing SecretBytes, ifEqualTo typed: String, region: String?
    ) throws(IntakeFault) {
        let own: NormalizedPhoneNumber
        do { own = try PhoneNumberIntake.normalize(typed, region: region) } catch {
            throw IntakeFault(field: "borrower_phone", problem: error.problem)
        }
        guard own.e164.revealBytes() != phone.revealBytes() else {
            throw IntakeFault(field: "phone", problem: .notAccepted)
        }
    }

    private static func relation(_ object: JSONObject) throws(IntakeFault) -> SecretBytes? {
        guard object["relation"] != nil else { return nil }
        let relation = try text(object, "relation")
        guard relations.contains(relation) else {
            throw IntakeFault(field: "relation", problem: .notAccepted)
        }
        return SecretBytes(copying: Array(relation.utf8))
    }

    /// A name has letters. Digits in it have been identity numbers and second phone numbers.
    private static func name(_ object: JSONObject) throws(IntakeFault) -> SecretBytes? {
        guard object["name"] != nil else { return nil }
        let name = try text(object, "name")
        guard name.utf8.count <= Limits.nameBytes else { throw IntakeFault(field: "name", problem: .tooLong) }
        for scalar in name.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .decimalNumber, .control, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                throw IntakeFault(field: "name", problem: .notAccepted)
            default: break
            }
            guard scalar != "@", scalar != "/" else {
                throw IntakeFault(field: "name", problem: .notAccepted)
            }
        }
        return SecretBytes(copying: Array(name.utf8))
    }

    private static func isLanguage(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard let first = parts.first, (2...3).contains(first.utf8.count), parts.count <= 3,
            first.utf8.allSatisfy({ (0x61...0x7A).contains($0) })
        else { return false }
        return parts.dropFirst().allSatisfy { part in
            (2...4).contains(part.utf8.count)
                && part.utf8.allSatisfy {
                    (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                }
        }
    }

    /// One zone or several; each must be in the system's time-zone database, so that hours can be kept later.
    private static func timeZones(_ value: JSONValue?) throws(IntakeFault) -> [String] {
        let names: [String]
        switch value {
        case nil: throw IntakeFault(field: "time_zone", problem: .missing)
        case .string(let name)?: names = [name]
        case .array(let values)?: names = values.compactMap(\.stringValue)
        default: throw IntakeFault(field: "time_zone", problem: .malformed)
        }
        if case .array(let values)? = value, values.count != names.count {
            throw IntakeFault(field: "time_zone", problem: .malformed)
        }
        guard (1...4).contains(names.count), Set(names).count == names.count else {
            throw IntakeFault(field: "time_zone", problem: .malformed)
        }
        for name in names {
            guard TimeZoneDatabase.system.zone(name) != nil else {
                throw IntakeFault(field: "time_zone", problem: .notAccepted)
            }
        }
        return names
    }

    private static func window(_ value: JSONValue?) throws(IntakeFault) -> Range<Int>? {
        guard let value else { return nil }
        guard let object = value.objectValue, Set(object.keys) == ["from", "to"],
            let from = object["from"]?.stringValue.flatMap(minutes),
            let to = object["to"]?.stringValue.flatMap(minutes),
            from < to
        else { throw IntakeFault(field: "preferred_window", problem: .malformed) }
        return from..<to
    }

    /// Minutes after midnight of `HH:MM`, up to `24:00`.
    private static func minutes(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard bytes.count == 5, bytes[2] == UInt8(ascii: ":"),
            [0, 1, 3, 4].allSatisfy({ (0x30...0x39).contains(bytes[$0]) })
        else { return nil }
        let hour = Int(bytes[0] - 0x30) * 10 + Int(bytes[1] - 0x30)
        let minute = Int(bytes[3] - 0x30) * 10 + Int(bytes[4] - 0x30)
        return minute < 60 && hour * 60 + minute <= 1440 ? hour * 60 + minute : nil
    }

    private static func verification(
        _ value: JSONValue?
    ) throws(IntakeFault) -> (VerificationState, Timestamp?) {
        guard let value else { return (.unverified, nil) }
        guard let object = value.objectValue, Set(object.keys).isSubset(of: ["state", "at"]),
            let state = object["state"]?.stringValue.flatMap({ VerificationState(rawValue: $0) })
        else { throw IntakeFault(field: "verification", problem: .malformed) }
        guard let at = object["at"] else {
            guard state == .unverified else { throw IntakeFault(field: "verification", problem: .missing) }
            return (state, nil)
        }
        guard let time = at.stringValue.flatMap({ Timestamp($0) }) else {
            throw IntakeFault(field: "verification", problem: .malformed)
        }
        return (state, time)
    }

    private static func consents(_ value: JSONValue?, allowed: Bool) throws(IntakeFault) -> [ConsentIntake] {
        guard let value else { return [] }
        guard allowed else { throw IntakeFault(field: "consents", problem: .notAccepted) }
        guard let values = value.arrayValue else { throw IntakeFault(field: "consents", problem: .malformed) }
        guard values.count <= Limits.consentsPerContact else {
            throw IntakeFault(field: "consents", problem: .tooLong)
        }
        var consents: [ConsentIntake] = []
        for value in values {
            guard let object = value.objectValue, object["purpose"] != nil,
                let purpose = object["purpose"]?.stringValue.flatMap({ Purpose($0) })
            else { throw IntakeFault(field: "consents", problem: .malformed) }
            var rest = object
            rest["purpose"] = nil
            consents.append(try ConsentIntake(purpose: purpose, members: rest))
        }
        guard Set(consents.map(\.purpose)).count == consents.count else {
            throw IntakeFault(field: "consents", problem: .notAccepted)
        }
        return consents
    }
}

extension ConsentIntake {
    /// Reads `notice`, `evidence` and optionally `recipients` and `expires`.
    /// - Throws: ``IntakeFault`` for the field `consents`.
    public init(purpose: Purpose, members: JSONObject) throws(IntakeFault) {
        guard Set(members.keys).isSubset(of: ["notice", "evidence", "recipients", "expires"]),
            let notice = members["notice"]?.stringValue.flatMap({ Reference($0) }),
            let evidence = members["evidence"]?.stringValue.flatMap(Self.digest)
        else { throw IntakeFault(field: "consents", problem: .malformed) }
        self.purpose = purpose
        self.notice = notice
        self.evidence = evidence
        if let given = members["recipients"] {
            // None at all would be a consent to nobody; no member means every agency of the creditor's.
            let recipients = (given.arrayValue ?? []).map { $0.stringValue.flatMap { Reference($0) } }
            guard (1...Limits.consentsPerContact).contains(recipients.count), !recipients.contains(nil) else {
                throw IntakeFault(field: "consents", problem: .malformed)
            }
            self.recipients = Set(recipients.compactMap(\.self))
        } else {
            recipients = nil
        }
        expires = try Self.expiry(members["expires"], field: "consents")
    }

    fileprivate static func expiry(_ value: JSONValue?, field: StaticString) throws(IntakeFault) -> Timestamp?
    {
        guard let value else { return nil }
        guard let time = value.stringValue.flatMap({ Timestamp($0) }) else {
            throw IntakeFault(field: field, problem: .malformed)
        }
        return time
    }

    /// `sha256:` and 64 hexadecimal or 43 base64url characters.
    fileprivate static func digest(_ text: String) -> [UInt8]? {
        guard text.hasPrefix("sha256:") else { return nil }
        let body = text.dropFirst(7)
        let bytes = body.utf8.count == 64 ? Hex.decode(body) : Base64URL.decode(body)
        return bytes?.count == 32 ? bytes : nil
    }
}

/// The borrower's authorisation of a contact as it is handed in.
public struct AuthorisationIntake: Hashable, Sendable {
    /// SHA-256 of the evidence, 32 bytes.
    public let evidence: [UInt8]
    /// When it ends, `nil` for never.
    public let expires: Timestamp?

    /// Reads `evidence` and optionally `expires`.
    /// - Throws: ``IntakeFault`` for the field `authorisation`.
    public init(members: JSONObject) throws(IntakeFault) {
        guard Set(members.keys).isSubset(of: ["evidence", "expires"]),
            let evidence = members["evidence"]?.stringValue.flatMap(ConsentIntake.digest)
        else { throw IntakeFault(field: "authorisation", problem: .malformed) }
        self.evidence = evidence
        expires = try ConsentIntake.expiry(members["expires"], field: "authorisation")
    }
}

/// Attributes by their stored bytes, parsed once: they are read for every release and change seldom.
///
/// A hit needs the very bytes that were parsed. By contact and generation alone, a row that was changed for a moment could
/// decide for the row that is opened.
final class AttributeCache: Sendable {
    private static let limit = 20_000
    private let parsed = Mutex<[ContactID: (bytes: [UInt8], attributes: ContactAttributes)]>([:])

    /// The attributes in these bytes; `nil` if they do not parse.
    func attributes(of contact: ContactID, in bytes: [UInt8]) -> ContactAttributes? {
        if let known = parsed.withLock({ $0[contact] }), known.bytes == bytes { return known.attributes }
        guard let attributes = ContactAttributes(canonicalBytes: bytes) else { return nil }
        parsed.withLock { parsed in
            if parsed.count >= Self.limit { parsed.removeAll(keepingCapacity: true) }
            parsed[contact] = (bytes, attributes)
        }
        return attributes
    }
}

// The parts of an entry that point at a person, kept out of the leaf (RFC 9901 §4.2).
//
// The leaf has digests only. Each digest covers a salt of 128 random bits, so that nobody can find a contact
// or a case by hashing guesses; whoever erases salt and value has erased the fact, and the leaf still proves.

public import ContactModel
import StrictEncoding
public import VaultCrypto

/// A fact about a person that an entry only shows as a digest.
public enum DisclosedFact: Sendable, Equatable {
    /// `contact`: whose record it was.
    case contact(ContactID)
    /// `case`: the case, the caller's reference.
    case caseReference(Reference)
    /// `actor`: on whose behalf the client asked.
    case actor(Actor)
    /// `seq`: this is the k-th entry about the contact, from 1 without a hole.
    case sequence(UInt64)

    /// Name of the fact in a disclosure.
    public var name: String {
        switch self {
        case .contact: "contact"
        case .caseReference: "case"
        case .actor: "actor"
        case .sequence: "seq"
        }
    }

    /// Appends the fact's value, canonical.
    fileprivate func append(to json: inout JSONWriter) {
        switch self {
        case .contact(let contact): json.append(contact.description)
        case .caseReference(let reference): json.append(reference.text)
        case .actor(let actor):
            json.append(raw: "{\"id\":")
            json.append(actor.id.text)
            json.append(raw: ",\"kind\":")
            json.append(actor.kind.rawValue)
            json.append(raw: "}")
        case .sequence(let number): json.append(Int64(clamping: number))
        }
    }

    fileprivate init?(name: String, value: JSONValue) {
        switch name {
        case "contact":
            guard let contact = value.stringValue.flatMap({ ContactID($0) }) else { return nil }
            self = .contact(contact)
        case "case":
            guard let reference = value.stringValue.flatMap({ Reference($0) }) else { return nil }
            self = .caseReference(reference)
        case "actor":
            guard let object = value.objectValue, object.members.count == 2,
                let id = object["id"]?.stringValue.flatMap({ Reference($0) }),
                let kind = object["kind"]?.stringValue.flatMap({ ActorKind(rawValue: $0) })
            else { return nil }
            self = .actor(Actor(kind: kind, id: id))
        case "seq":
            guard let number = value.integerValue, number > 0 else { return nil }
            self = .sequence(UInt64(number))
        default: return nil
        }
    }
}

/// A salted fact: base64url of the JSON array `[salt, name, value]`, canonical.
public struct Disclosure: Sendable, Equatable {
    /// Length of a salt in bytes (RFC 9901 §9.3 recommends 128 bits).
    public static let saltBytes = 16

    /// The fact.
    public let fact: DisclosedFact
    /// The text whose digest is in the leaf. It is personal data: keep it encrypted.
    public let text: String
    /// SHA-256 of the text's ASCII, as the leaf has it.
    public let digest: EntryDigest

    /// Discloses a fact.
    /// - Parameter salt: 16 fresh random bytes, never used for another fact.
    /// - Throws: ``LogError/disclosureMalformed`` for a salt of another length, or a sequence number of 0 or
    ///   beyond 2^53 − 1.
    public init(_ fact: DisclosedFact, salt: [UInt8]) throws(LogError) {
        if case .sequence(let number) = fact {
            guard (1...UInt64(JSONValue.maximumInteger)).contains(number) else { throw .disclosureMalformed }
        }
        guard salt.count == Self.saltBytes else { throw .disclosureMalformed }
        self.fact = fact
        // Canonical as it is written: an array has no members to sort.
        var json = JSONWriter(capacity: 128)
        json.append(raw: "[")
        json.append(Base64URL.encode(salt))
        json.append(raw: ",")
        json.append(fact.name)
        json.append(raw: ",")
        fact.append(to: &json)
        json.append(raw: "]")
        text = Base64URL.encode(json.bytes)
        digest = EntryDigest(hashing: text)
    }

    /// Reads a disclosure.
    /// - Throws: ``LogError/disclosureMalformed`` for anything but what ``init(_:salt:)`` writes.
    public init(parsing text: String) throws(LogError) {
        guard text.utf8.count <= Limits.logEntryBytes, let json = Base64URL.decode(text),
            let elements = (try? JSONValue.parse(json, maximumDepth: 2))?.arrayValue, elements.count == 3,
            let salt = elements[0].stringValue.flatMap({ Base64URL.decode($0) }),
            let name = elements[1].stringValue, let fact = DisclosedFact(name: name, value: elements[2])
        else { throw .disclosureMalformed }
        try self.init(fact, salt: salt)
        guard self.text.utf8.elementsEqual(text.utf8) else { throw .disclosureMalformed }
    }
}

/// The disclosed facts of one entry.
public struct DisclosedParts: Sendable, Equatable {
    /// Whose record it was.
    public var contact: ContactID?
    /// The case.
    public var caseReference: Reference?
    /// On whose behalf the client asked.
    public var actor: Actor?
    /// This is the k-th entry about the contact, from 1.
    public var sequence: UInt64?

    /// Parts of an entry.
    public init(
        contact: ContactID? = nil, caseReference: Reference? = nil, actor: Actor? = nil,
        sequence: UInt64? = nil
    ) {
        self.contact = contact
        self.caseReference = caseReference
        self.actor = actor
        self.sequence = sequence
    }

    /// Salts each part. Put the digests into ``LogEntry/disclosureDigests`` and store ``joined(_:)``
    /// encrypted.
    /// - Parameter random: asked once for all salts.
    /// - Throws: ``LogError/disclosureMalformed`` for a sequence number of 0; what the random source throws.
    public func disclosures(random: some RandomSource) throws -> [Disclosure] {
        let facts = [
            contact.map(DisclosedFact.contact), caseReference.map(DisclosedFact.caseReference),
            actor.map(DisclosedFact.actor), sequence.map(DisclosedFact.sequence),
        ].compactMap(\.self)
        guard !facts.isEmpty else { return [] }
        let salts = try random.bytes(facts.count * Disclosure.saltBytes)
        return try facts.enumerated().map { index, fact in
            try Disclosure(
                fact, salt: Array(salts[index * Disclosure.saltBytes..<(index + 1) * Disclosure.saltBytes]))
        }
    }

    /// Disclosures of one entry as one text, each followed by `~` as in RFC 9901 §4. Personal data.
    public static func joined(_ disclosures: [Disclosure]) -> [UInt8] {
        disclosures.flatMap { Array($0.text.utf8) + [separator] }
    }

    /// The disclosures in a joined text, in order.
    /// - Throws: ``LogError/disclosureMalformed``.
    public static func disclosures(in joined: [UInt8]) throws(LogError) -> [Disclosure] {
        let texts = joined.split(separator: separator, omittingEmptySubsequences: false)
        guard texts.last?.isEmpty == true, texts.count - 1 <= Limits.disclosuresPerEntry else {
            throw .disclosureMalformed
        }
        var disclosures: [Disclosure] = []
        for text in texts.dropLast() {
            disclosures.append(try Disclosure(parsing: String(decoding: text, as: UTF8.self)))
        }
        return disclosures
    }

    /// Reads the facts that belong to an entry.
    /// - Parameters:
    ///   - joined: what ``joined(_:)`` wrote, all or some of the disclosures.
    ///   - entry: the entry, whose inclusion the caller verifies.
    /// - Throws: ``LogError/disclosureMalformed``, also for a fact twice; ``LogError/disclosureForeign`` if
    ///   the entry has not its digest.
    public init(verifying joined: [UInt8], against entry: LogEntry) throws(LogError) {
        self.init()
        let texts = joined.split(separator: Self.separator, omittingEmptySubsequences: false)
        guard joined.count <= Limits.disclosuresPerEntry * Limits.logEntryBytes, texts.last?.isEmpty == true,
            texts.count - 1 <= Limits.disclosuresPerEntry
        else { throw .disclosureMalformed }
        for text in texts.dropLast() {
            let disclosure = try Disclosure(parsing: String(decoding: text, as: UTF8.self))
            guard entry.disclosureDigests.contains(disclosure.digest) else { throw .disclosureForeign }
            let isFirst: Bool
            switch disclosure.fact {
            case .contact(let value): isFirst = Self.set(&contact, value)
            case .caseReference(let value): isFirst = Self.set(&caseReference, value)
            case .actor(let value): isFirst = Self.set(&actor, value)
            case .sequence(let value): isFirst = Self.set(&sequence, value)
            }
            guard isFirst else { throw .disclosureMalformed }
        }
    }

    private static let separator = UInt8(ascii: "~")

    private static func set<Value>(_ part: inout Value?, _ value: Value) -> Bool {
        guard part == nil else { return false }
        part = value
        return true
    }
}

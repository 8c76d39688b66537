// One entry of the access log: who did what under which rule, without any personal data.
//
// Every member has a closed vocabulary, a number, a digest or a reference that cannot be a telephone or
// identity number of the usual shape; there is no member for text. The parts that point at a person (contact,
// case, actor, sequence) stand in the leaf as salted digests only, so that erasing their disclosures leaves
// every proof intact.

public import ContactModel
import StrictEncoding
import VaultCrypto

/// What an entry is about.
public enum EntryKind: String, CaseIterable, Sendable {
    // Releases and what came of them.
    case release
    /// Numbers compared with the stop list.
    case match
    case releaseOutcome = "release.outcome"
    case outcomeRead = "outcome.read"

    // Contacts.
    case contactCreate = "contact.create"
    case contactRead = "contact.read"
    case contactUpdate = "contact.update"
    case contactErase = "contact.erase"
    case consentGive = "consent.give"
    case consentWithdraw = "consent.withdraw"
    case stopSet = "stop.set"
    case stopClear = "stop.clear"
    case suppression
    case authorisationGive = "authorisation.give"
    case authorisationWithdraw = "authorisation.withdraw"
    case referenceRecord = "reference.record"
    /// A contact must be kept for now, whatever else asks for its erasure.
    case holdSet = "hold.set"
    case holdLift = "hold.lift"

    // What people must look at.
    case emergencyAlert = "emergency.alert"
    case reviewRead = "review.read"
    case reviewClose = "review.close"

    // Clients and tokens.
    case clientAdd = "client.add"
    case clientRotate = "client.rotate"
    case clientSuspend = "client.suspend"
    case agencyEntrust = "agency.entrust"
    /// A trusted issuer was in the configuration at the start.
    case issuerTrust = "issuer.trust"
    case tokenIssue = "token.issue"
    case tokenDeny = "token.deny"
    case tokenRevoke = "token.revoke"
    case tokenIntrospect = "token.introspect"
    /// Requests that nobody could be made answerable for, counted: one entry a minute for each reason.
    case unauthenticated

    // Keys and policy.
    case keyCreate = "key.create"
    case keyRead = "key.read"
    case keyRotate = "key.rotate"
    case keyRewrap = "key.rewrap"
    case keyReencrypt = "key.reencrypt"
    case keyDisable = "key.disable"
    case keyEnable = "key.enable"
    case keyRetire = "key.retire"
    case keyDestroy = "key.destroy"
    case keyCompromise = "key.compromise"
    /// The keyring was put under another root key. ``LogEntry/basis`` is where that is.
    case keyRoot = "key.root"
    case policyApply = "policy.apply"
    case policyPropose = "policy.propose"
    case policyRead = "policy.read"
    case policyExplain = "policy.explain"
    case policySimulate = "policy.simulate"
    case approvalRequest = "approval.request"
    case approvalRead = "approval.read"
    case approvalGive = "approval.give"

    // The log and the service themselves.
    case logRead = "log.read"
    case logProve = "log.prove"
    case logExport = "log.export"
    /// Retention removed the leaves of old entries. ``LogEntry/generation`` is the index of the first that is left.
    case logExpire = "log.expire"
    /// A copy of the store was made and is registered. ``LogEntry/basis`` is its name.
    case backupCreate = "backup.create"
    /// A copy is no longer there, or of no use any more.
    case backupForget = "backup.forget"
    /// This store was put back from a copy. If it ends before what the log had signed, ``LogEntry/generation`` and
    /// ``LogEntry/root`` say where the log was, and ``LogEntry/count`` how many entries are missing.
    case backupRestore = "backup.restore"
    case vaultInit = "vault.init"
    case serviceStart = "service.start"
    case serviceStop = "service.stop"
}

/// How it ended.
public enum EntryOutcome: String, CaseIterable, Sendable {
    /// Allowed, or simply done.
    case permit
    /// Refused by a rule, which ``LogEntry/reason`` names.
    case deny
    /// Allowed but not carried out, for what ``LogEntry/reason`` names.
    case error
    /// Answered again to a retry, without a new use.
    case redelivered
}

/// A code word: 1–64 characters of `a–z 0–9 _ .` with at most three digits, so that no number of a person
/// fits.
public struct EntryCode: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The word.
    public let text: String

    /// Checks alphabet and length; `nil` if one fails.
    public init?(_ text: String) {
        var digits = 0
        for byte in text.utf8 {
            switch byte {
            case 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "."): continue
            case 0x30...0x39: digits += 1
            default: return nil
            }
        }
        guard (1...64).contains(text.utf8.count), digits <= 3 else { return nil }
        self.text = text
    }

    /// The code of a denial.
    public init(_ denial: DenialCode) { text = denial.rawValue }

    /// A code in the source text, which is what `EntryCode("…")` with a literal means as well.
    /// - Precondition: it is spelled as ``init(_:)-(String)`` wants it.
    public init(stringLiteral literal: StaticString) {
        guard let code = EntryCode("\(literal)") else { preconditionFailure("not an entry code: \(literal)") }
        self = code
    }

    /// The word.
    public var description: String { text }
}

/// A SHA-256 digest as entries write it: 43 characters of unpadded base64url.
public struct EntryDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The text form.
    public let text: String

    /// A digest from its 32 bytes; `nil` for another length.
    public init?(bytes: [UInt8]) {
        guard bytes.count == SHA256.digestBytes else { return nil }
        text = Base64URL.encode(bytes)
    }

    /// A digest from its text form, such as an RFC 7638 thumbprint; `nil` unless it is canonical base64url of
    /// 32 bytes.
    public init?(_ text: String) {
        guard text.utf8.count == 43, Base64URL.decode(text)?.count == SHA256.digestBytes else { return nil }
        self.text = text
    }

    /// The digest of a text's UTF-8, such as a token's `jti`.
    public init(hashing text: String) { self.init(hashing: Array(text.utf8)) }

    /// The digest of bytes.
    init(hashing bytes: [UInt8]) { text = Base64URL.encode(SHA256.hash(bytes)) }

    /// The text form.
    public var description: String { text }

    /// By the bytes of the text form.
    public static func < (left: EntryDigest, right: EntryDigest) -> Bool { left.text < right.text }
}

/// Identifier of an entry: a UUID of version 7 (RFC 9562 §5.7), whose first 48 bits are milliseconds since
/// 1970.
public struct EntryID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// An identifier for this moment.
    /// - Parameters:
    ///   - time: 1970 or later; the lowest 48 bits of its milliseconds are kept.
    ///   - random: at least 10 random bytes, of which 74 bits are used.
    /// - Precondition: there are that many.
    public static func make(time: Timestamp, random: [UInt8]) -> EntryID {
        precondition(random.count >= 10)
        let first = UInt64(random[0]) << 8 | UInt64(random[1])
        let rest = random[2..<10].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let milliseconds = UInt64(truncatingIfNeeded: time.milliseconds) << 16
        return EntryID(high: milliseconds | 0x7000 | first & 0x0FFF, low: 0x8000_0000_0000_0000 | rest >> 2)
    }

    /// An identifier from its 16 bytes; `nil` unless they are a UUID of version 7.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.init(
            checkedHigh: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// An identifier from its text form; `nil` unless it is exactly what ``description`` writes.
    public init?(_ text: String) {
        guard text.utf8.count == 36 else { return nil }
        var halves: [UInt64] = [0, 0]
        var digits = 0
        for (offset, byte) in text.utf8.enumerated() {
            if Self.hasDash(at: offset) {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let value: UInt8
            switch byte {
            case 0x30...0x39: value = byte - 0x30
            case 0x61...0x66: value = byte - 0x61 + 10
            default: return nil
            }
            halves[digits / 16] = halves[digits / 16] << 4 | UInt64(value)
            digits += 1
        }
        self.init(checkedHigh: halves[0], low: halves[1])
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    private init?(checkedHigh high: UInt64, low: UInt64) {
        guard high & 0xF000 == 0x7000, low >> 62 == 2 else { return nil }
        self.init(high: high, low: low)
    }

    /// The 16 bytes.
    public var bytes: [UInt8] {
        [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64($0))) }
        }
    }

    /// When it was made, to the millisecond.
    public var time: Timestamp { Timestamp(milliseconds: Int64(high >> 16)) }

    /// Lower-case text of the form `8-4-4-4-12` (RFC 9562 §4).
    public var description: String { String(decoding: ascii, as: UTF8.self) }

    /// ``description`` as bytes.
    var ascii: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for digit in 0..<32 {
            if Self.hasDash(at: text.count) { text.append(UInt8(ascii: "-")) }
            let half = digit < 16 ? high : low
            let value = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (digit % 16))) & 15
            text.append(value < 10 ? 0x30 + value : 0x61 - 10 + value)
        }
        return text
    }

    private static func hasDash(at offset: Int) -> Bool {
        offset == 8 || offset == 13 || offset == 18 || offset == 23
    }
}

/// One entry, format version 1.
///
/// Its leaf is canonical JSON (RFC 8785). `v`, `id`, `t`, `src`, `kind` and `out` are always there; a fact
/// that does not apply is absent, there are no nulls. A denial or an error always names its reason, and an
/// aggregate of unauthenticated requests its count.
public struct LogEntry: Sendable, Equatable {
    /// Version of the format, member `v`.
    public static let version: Int64 = 1

    /// `id`: identifier of the entry.
    public var id: EntryID
    /// `t`: when it was written, by the store's clock; milliseconds since 1970.
    public var time: Timestamp
    /// `src`: the instance that wrote it.
    public var source: Reference
    /// `kind`: what it is about.
    public var kind: EntryKind
    /// `out`: how it ended.
    public var outcome: EntryOutcome
    /// `why`: code of the rule or fault.
    public var reason: EntryCode?
    /// `rid`: request id, the one that the reply carried.
    public var requestID: Reference?
    /// `client`: registered name of the client.
    public var client: Reference?
    /// `agency`: the client's agency.
    public var agency: Reference?
    /// `jkt`: RFC 7638 thumbprint of the key that proved possession.
    public var keyThumbprint: EntryDigest?
    /// `x5t`: SHA-256 of the certificate that proved possession, where it was not a key.
    public var certificateThumbprint: EntryDigest?
    /// `iss`: name of the trusted issuer that signed the token; absent for the vault's own.
    public var trustedIssuer: Reference?
    /// `jti`: SHA-256 of the token's identifier.
    public var tokenDigest: EntryDigest?
    /// `purpose`: why the contact was to be reached.
    public var purpose: Purpose?
    /// `action`: what the client does with the number.
    public var action: Action?
    /// `form`: how much left.
    public var form: ReleaseForm?
    /// `fields`: which fields; sorted by name and without repetition, whatever is assigned. Empty is absent.
    public var fields: [FieldName] = [] {
        didSet { fields = Self.normalised(fields, by: { $0.rawValue < $1.rawValue }) }
    }
    /// `stage`: where the case stands.
    public var stage: Stage?
    /// `basis`: code of the ground that the policy found.
    public var basis: EntryCode?
    /// `pre`: why the borrower cannot be reached, as the client attested.
    public var precondition: Precondition?
    /// `pol`: version of the policy that decided.
    public var policyVersion: Reference?
    /// `use`: which use of the token this was, from 1.
    public var use: UInt64?
    /// `max`: uses that the token has.
    public var maximumUses: UInt64?
    /// `kek`: version of the key-encryption key; in an entry about keys, of the key that `basis` names.
    public var keyVersion: UInt32?
    /// `gen`: generation of the sealed record.
    public var generation: UInt64?
    /// `count`: requests in an aggregate, or things that one operation touched.
    public var count: UInt64?
    /// `root`: root of the largest tree that was known of this log and is no longer led to, in an entry about a restore.
    public var root: EntryDigest?
    /// `_sd`: digests of the disclosed parts (RFC 9901 §4.2.4.1); sorted and without repetition, so that
    /// their order tells nothing. Empty is absent, and `_sd_alg` with it.
    public var disclosureDigests: [EntryDigest] = [] {
        didSet { disclosureDigests = Self.normalised(disclosureDigests, by: <) }
    }

    /// An entry with the members that every entry has.
    public init(
        id: EntryID, time: Timestamp, source: Reference, kind: EntryKind, outcome: EntryOutcome,
        reason: EntryCode? = nil
    ) {
        self.id = id
        self.time = time
        self.source = source
        self.kind = kind
        self.outcome = outcome
        self.reason = reason
    }

    private static func normalised<Element: Hashable>(
        _ elements: [Element], by areInOrder: (Element, Element) -> Bool
    ) -> [Element] {
        elements.count < 2 ? elements : Set(elements).sorted(by: areInOrder)
    }
}

// MARK: Looking

extension LogEntry {
    /// Identifier and time of a leaf that is known to be one of this log's, without reading the rest: what an export needs of
    /// each of a million.
    /// - Throws: ``LogError/entryMalformed`` if they are not where a canonical leaf has them.
    public static func identity(of leaf: [UInt8]) throws(LogError) -> (id: EntryID, time: Timestamp) {
        // No string of an entry holds a quotation mark, so a name in quotation marks is a member's name.
        guard let id = value(of: "\"id\":\"", in: leaf)?.prefix(36),
            let identifier = EntryID(String(decoding: id, as: UTF8.self)),
            let digits = value(of: ",\"t\":", in: leaf)?.prefix(while: { (0x30...0x39).contains($0) }),
            let milliseconds = Int64(String(decoding: digits, as: UTF8.self))
        else { throw .entryMalformed }
        return (identifier, Timestamp(milliseconds: milliseconds))
    }

    private static func value(of name: StaticString, in leaf: [UInt8]) -> ArraySlice<UInt8>? {
        let name = Array("\(name)".utf8)
        guard leaf.count > name.count else { return nil }
        for start in 0..<leaf.count - name.count where leaf[start] == name[0] {
            if leaf[start..<start + name.count].elementsEqual(name) { return leaf[(start + name.count)...] }
        }
        return nil
    }
}

// MARK: Writing

extension LogEntry {
    /// The bytes of the leaf: canonical JSON.
    /// - Throws: ``LogError/entryMalformed`` for a number below 0 or beyond 2^53 − 1, more than
    ///   `Limits.disclosuresPerEntry` digests, a denial or error without ``reason``, an aggregate without
    ///   ``reason`` or ``count``; ``LogError/entryTooLarge``.
    public func encode() throws(LogError) -> [UInt8] {
        guard disclosureDigests.count <= Limits.disclosuresPerEntry, time.milliseconds >= 0,
            reason != nil || outcome == .permit || outcome == .redelivered,
            kind != .unauthenticated || (reason != nil && count != nil)
        else { throw .entryMalformed }
        // In the order of RFC 8785 §3.2.3, which for these names is that of their ASCII bytes.
        var members = MemberWriter()
        if !disclosureDigests.isEmpty {
            members.write("_sd", list: disclosureDigests.map(\.text))
            members.write("_sd_alg", "sha-256")
        }
        members.write("action", action?.text)
        members.write("agency", agency?.text)
        members.write("basis", basis?.text)
        members.write("client", client?.text)
        try members.write("count", count)
        if !fields.isEmpty { members.write("fields", list: fields.map(\.rawValue)) }
        members.write("form", form?.rawValue)
        try members.write("gen", generation)
        members.write("id", ascii: id.ascii)
        members.write("iss", trustedIssuer?.text)
        members.write("jkt", keyThumbprint?.text)
        members.write("jti", tokenDigest?.text)
        try members.write("kek", keyVersion.map(UInt64.init))
        members.write("kind", kind.rawValue)
        try members.write("max", maximumUses)
        members.write("out", outcome.rawValue)
        members.write("pol", policyVersion?.text)
        members.write("pre", precondition?.rawValue)
        members.write("purpose", purpose?.text)
        members.write("rid", requestID?.text)
        members.write("root", root?.text)
        members.write("src", source.text)
        members.write("stage", stage?.rawValue)
        try members.write("t", UInt64(time.milliseconds))
        try members.write("use", use)
        try members.write("v", UInt64(Self.version))
        members.write("why", reason?.text)
        members.write("x5t", certificateThumbprint?.text)
        let bytes = members.finish()
        guard bytes.count <= Limits.logEntryBytes else { throw .entryTooLarge }
        return bytes
    }
}

/// Writes the members of one JSON object. Strings are copied as they are: every vocabulary of an entry is
/// printable ASCII without quote and backslash, so nothing needs an escape, and appending is the hot path of
/// a release.
private struct MemberWriter {
    private var bytes: [UInt8] = []

    init() {
        bytes.reserveCapacity(1024)
        bytes.append(UInt8(ascii: "{"))
    }

    mutating func write(_ name: String, _ value: String?) {
        guard let value else { return }
        begin(name)
        quote(value)
    }

    mutating func write(_ name: String, ascii value: [UInt8]) {
        begin(name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: value)
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func write(_ name: String, _ value: UInt64?) throws(LogError) {
        guard let value else { return }
        guard value <= UInt64(JSONValue.maximumInteger) else { throw .entryMalformed }
        begin(name)
        bytes.append(contentsOf: String(value).utf8)
    }

    mutating func write(_ name: String, list values: [String]) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            quote(value)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    consuming func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func begin(_ name: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        quote(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: text.utf8)
        bytes.append(UInt8(ascii: "\""))
    }
}

// MARK: Reading

extension LogEntry {
    /// Reads the bytes of a leaf.
    ///
    /// Guarantee: ``encode()`` gives the same bytes back.
    /// - Throws: ``LogError/entryTooLarge``, ``LogError/entryMalformed``, ``LogError/entryUnknownMember``,
    ///   ``LogError/entryNotCanonical``.
    public init(decoding bytes: [UInt8]) throws(LogError) {
        guard bytes.count <= Limits.logEntryBytes else { throw .entryTooLarge }
        guard let object = (try? JSONValue.parse(bytes, maximumDepth: 2))?.objectValue else {
            throw .entryMalformed
        }
        var reader = MemberReader()
        for (key, value) in object.members { try reader.read(key, value) }
        self = try reader.entry()
        guard try encode() == bytes else { throw .entryNotCanonical }
    }
}

/// Collects members while an object is read; what every entry must have is checked at the end.
private struct MemberReader {
    private var version: Int64?
    private var algorithm: String?
    private var id: EntryID?
    private var time: Timestamp?
    private var source: Reference?
    private var kind: EntryKind?
    private var outcome: EntryOutcome?
    // Holds the members that may be absent until the others are known.
    private var draft = LogEntry(
        id: .make(time: Timestamp(milliseconds: 0), random: [UInt8](repeating: 0, count: 10)),
        time: Timestamp(milliseconds: 0), source: MemberReader.placeholder, kind: .release, outcome: .permit)

    mutating func read(_ key: String, _ value: JSONValue) throws(LogError) {
        switch key {
        case "_sd": draft.disclosureDigests = try Self.list(value) { EntryDigest($0) }
        case "_sd_alg": algorithm = try Self.text(value) { $0 == "sha-256" ? $0 : nil }
        case "action": draft.action = try Self.text(value) { Action($0) }
        case "agency": draft.agency = try Self.text(value) { Reference($0) }
        case "basis": draft.basis = try Self.text(value) { EntryCode($0) }
        case "client": draft.client = try Self.text(value) { Reference($0) }
        case "count": draft.count = try Self.number(value)
        case "fields": draft.fields = try Self.list(value) { FieldName(rawValue: $0) }
        case "form": draft.form = try Self.text(value) { ReleaseForm(rawValue: $0) }
        case "gen": draft.generation = try Self.number(value)
        case "id": id = try Self.text(value) { EntryID($0) }
        case "iss": draft.trustedIssuer = try Self.text(value) { Reference($0) }
        case "jkt": draft.keyThumbprint = try Self.text(value) { EntryDigest($0) }
        case "jti": draft.tokenDigest = try Self.text(value) { EntryDigest($0) }
        case "kek": draft.keyVersion = try Self.number(value)
        case "kind": kind = try Self.text(value) { EntryKind(rawValue: $0) }
        case "max": draft.maximumUses = try Self.number(value)
        case "out": outcome = try Self.text(value) { EntryOutcome(rawValue: $0) }
        case "pol": draft.policyVersion = try Self.text(value) { Reference($0) }
        case "pre": draft.precondition = try Self.text(value) { Precondition(rawValue: $0) }
        case "purpose": draft.purpose = try Self.text(value) { Purpose($0) }
        case "rid": draft.requestID = try Self.text(value) { Reference($0) }
        case "root": draft.root = try Self.text(value) { EntryDigest($0) }
        case "src": source = try Self.text(value) { Reference($0) }
        case "stage": draft.stage = try Self.text(value) { Stage(rawValue: $0) }
        case "t": time = Timestamp(milliseconds: try Self.number(value))
        case "use": draft.use = try Self.number(value)
        case "v": version = try Self.number(value)
        case "why": draft.reason = try Self.text(value) { EntryCode($0) }
        case "x5t": draft.certificateThumbprint = try Self.text(value) { EntryDigest($0) }
        default: throw .entryUnknownMember
        }
    }

    consuming func entry() throws(LogError) -> LogEntry {
        guard version == LogEntry.version, let id, let time, let source, let kind, let outcome,
            (algorithm == nil) == draft.disclosureDigests.isEmpty
        else { throw .entryMalformed }
        draft.id = id
        draft.time = time
        draft.source = source
        draft.kind = kind
        draft.outcome = outcome
        return draft
    }

    private static let placeholder: Reference = {
        guard let reference = Reference("unread") else { preconditionFailure("a plain word is a reference") }
        return reference
    }()

    private static func text<Word>(_ value: JSONValue, _ read: (String) -> Word?) throws(LogError) -> Word {
        guard let word = value.stringValue.flatMap(read) else { throw .entryMalformed }
        return word
    }

    private static func list<Word>(_ value: JSONValue, _ read: (String) -> Word?) throws(LogError) -> [Word] {
        guard let values = value.arrayValue, !values.isEmpty, values.count <= Limits.disclosuresPerEntry
        else {
            throw .entryMalformed
        }
        var words: [Word] = []
        for value in values { words.append(try text(value, read)) }
        return words
    }

    private static func number<Number: FixedWidthInteger>(_ value: JSONValue) throws(LogError) -> Number {
        guard let integer = value.integerValue, integer >= 0, let number = Number(exactly: integer) else {
            throw .entryMalformed
        }
        return number
    }
}

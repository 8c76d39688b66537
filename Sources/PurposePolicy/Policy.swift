// A policy: the closed catalogue of purposes, as a value with a version.

public import ConfigurationFile
public import ContactModel
import StrictEncoding
import VaultCrypto

/// A parsed policy file. Immutable; what it decides, it decides without a clock or a store (`Decision.swift`).
public struct Policy: Sendable {
    /// The name that the file gives itself.
    public let name: String
    /// The catalogue. A purpose that is not here does not exist.
    public let purposes: [Purpose: PurposeRule]
    /// Ceilings by name of the jurisdiction.
    public let jurisdictions: [String: Jurisdiction]
    /// Which jurisdiction binds which portfolio; `nil` if the file says `jurisdiction: none`.
    public let assignment: JurisdictionAssignment?
    /// The jurisdiction that binds portfolios which are not named; `nil` for none. Looked up here, not in each decision.
    let standardJurisdiction: Jurisdiction?
    /// The jurisdictions of those that are.
    let portfolioJurisdictions: [Reference: Jurisdiction]
    /// Ceilings that bind whatever the purpose.
    public let limits: PolicyLimits
    /// Holiday calendars by name.
    public let calendars: [String: HolidayCalendar]
    /// Names this content: `p1-` and 22 characters of base64url, the first 132 bits of SHA-256 over
    /// ``canonicalJSON``. It changes with every change of meaning, not with comments, order or defaults spelt out.
    public let version: String
    /// The content, calendars included, as canonical JSON (RFC 8785), UTF-8, with defaults filled in and lists that have
    /// no order sorted.
    public let canonicalJSON: [UInt8]

    init(
        name: String, purposes: [Purpose: PurposeRule], jurisdictions: [String: Jurisdiction],
        assignment: JurisdictionAssignment?, limits: PolicyLimits, calendars: [String: HolidayCalendar]
    ) {
        self.name = name
        self.purposes = purposes
        self.jurisdictions = jurisdictions
        self.assignment = assignment
        standardJurisdiction = assignment.flatMap { jurisdictions[$0.standard] }
        portfolioJurisdictions = (assignment?.portfolios ?? [:]).compactMapValues { jurisdictions[$0] }
        self.limits = limits
        self.calendars = calendars
        canonicalJSON =
            JSONValue.object(
                JSONObject([
                    ("policy", .integer(1)), ("name", .string(name)), ("limits", limits.json),
                    ("jurisdiction", assignment?.json ?? .string("none")),
                    ("jurisdictions", .object(JSONObject(jurisdictions.map { ($0.key, $0.value.json) }))),
                    ("calendars", .object(JSONObject(calendars.map { ($0.key, $0.value.json) }))),
                    ("purposes", .object(JSONObject(purposes.map { ($0.key.text, $0.value.json) }))),
                ])
            ).canonicalBytes
        version = "p1-" + Base64URL.encode(SHA256.hash(canonicalJSON)).prefix(22)
    }

    /// Reads a policy file (`docs/spec/policy.md`).
    /// - Parameters:
    ///   - text: the whole file.
    ///   - file: its name, for faults.
    ///   - calendars: texts of the holiday calendars that it names, by name.
    /// - Throws: ``ConfigurationFault`` with file, line and key of the first fault.
    public static func parse(
        text: String, file: String, calendars: [String: String] = [:]
    ) throws(ConfigurationFault) -> Policy {
        try PolicyReader.policy(ConfigurationFile.parse(text: text, file: file), calendars: calendars)
    }

    /// Names of the holiday calendars that a policy file names, without reading them.
    /// - Throws: ``ConfigurationFault``.
    public static func calendarNames(
        text: String, file: String
    ) throws(ConfigurationFault) -> [String] {
        try PolicyReader.calendarNames(ConfigurationFile.parse(text: text, file: file))
    }
}

extension Jurisdiction {
    /// In the shape of the policy file.
    var json: JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("hours", hours.json), ("caps", caps.json),
            (
                "purpose_caps",
                .object(JSONObject(purposeCaps.map { ($0.key.text, $0.value.json) }))
            ),
            ("holidays", .array(holidays.sorted().map(JSONValue.string))),
        ]
        if let pauseDays { members.append(("pause_days", .integer(pauseDays))) }
        if let title { members.append(("title", .string(title))) }
        return .object(JSONObject(members))
    }
}

extension JurisdictionAssignment {
    var json: JSONValue {
        .object(
            JSONObject([
                ("default", .string(standard)),
                ("portfolios", .object(JSONObject(portfolios.map { ($0.key.text, .string($0.value)) }))),
            ]))
    }
}

extension PolicyLimits {
    var json: JSONValue {
        var contacts = JSONObject([])
        contacts["actor"] = contactsPerActor.map { .integer($0) }
        contacts["client"] = contactsPerClient.map { .integer($0) }
        contacts["agency"] = contactsPerAgency.map { .integer($0) }
        var object = JSONObject([
            ("day_zone", .string(dayZone)), ("contacts_per_day", .object(contacts)),
            ("outcome_hours", .integer(outcomeHours)),
        ])
        object["requests_per_minute"] = requestsPerMinute.map { .integer($0) }
        object["throttle"] = throttle.map {
            .object(JSONObject([("outcomes", .integer($0.outcomes)), ("hours", .integer($0.hours))]))
        }
        return .object(object)
    }
}

extension PurposeRule {
    /// This rule in the shape of the policy file.
    var json: JSONValue {
        func words<Word: RawRepresentable<String> & CaseIterable>(_ list: [Word]) -> JSONValue {
            .array(list.map(\.rawValue).sorted().map(JSONValue.string))
        }
        var members: [(key: String, value: JSONValue)] = [
            ("stages", words(stages)),
            ("actions", .object(JSONObject(actions.map { ($0.key.text, .string($0.value.rawValue)) }))),
            ("fields", words(fields)),
            ("hours", hours.json),
            ("caps", caps.json),
            (
                "token",
                .object(JSONObject([("seconds", .integer(tokenSeconds)), ("uses", .integer(tokenUses))]))
            ),
            ("roles", words(roles)),
            ("clients", words(clients)),
            ("stop_flag", .string(stopFlag.rawValue)),
            ("needs", .object(JSONObject(needs.map { ($0.key, $0.json) }))),
            ("frequency_ceiling", .string(isUnderFrequencyCeiling ? "applies" : "exempt")),
        ]
        if let title { members.append(("title", .string(title))) }
        return .object(JSONObject(members))
    }
}

extension Hours {
    var json: JSONValue {
        switch self {
        case .any: .string("any")
        case .weekly(let hours):
            .array(hours.windows.map { $0.map { .string($0.description) } ?? .string("none") })
        }
    }
}

extension [Cap] {
    var json: JSONValue { .array(map(\.json).sorted { $0.canonicalText < $1.canonicalText }) }
}

extension Cap {
    fileprivate var json: JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("releases", .integer(releases)), ("per", .string(scope.rawValue)),
        ]
        switch window {
        case .days(let days): members.append(("days", .integer(days)))
        case .hours(let hours): members.append(("hours", .integer(hours)))
        case .inAll: break
        }
        return .object(JSONObject(members))
    }
}

extension Requirement {
    fileprivate var json: JSONValue {
        switch self {
        case .consent(let rule): return .string(rule.rawValue)
        case .notices(let notices): return .array(notices.map(\.text).sorted().map(JSONValue.string))
        case .precondition(let accepted):
            return .array(accepted.map(\.rawValue).sorted().map(JSONValue.string))
        case .authorisation, .secondPerson: return .bool(true)
        case .reference(let kind, let days):
            var members: [(key: String, value: JSONValue)] = [("kind", .string(kind.rawValue))]
            if let days { members.append(("days", .integer(days))) }
            return .object(JSONObject(members))
        case .breakGlass(let reviewHours):
            return .object(JSONObject([("review_hours", .integer(reviewHours))]))
        case .verification(let number), .batch(let number), .rate(let number): return .integer(number)
        }
    }
}

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
    /// Names this content: `p1-` and 22 characters of base64url, the first 132 bits of SHA-256 over
    /// ``canonicalJSON``. It changes with every change of meaning, not with comments, order or defaults spelt out.
    public let version: String
    /// The content as canonical JSON (RFC 8785), UTF-8, with defaults filled in and lists that have no order sorted.
    public let canonicalJSON: [UInt8]

    init(name: String, purposes: [Purpose: PurposeRule]) {
        self.name = name
        self.purposes = purposes
        let catalogue = purposes.map { (key: $0.key.text, value: $0.value.json) }
        canonicalJSON =
            JSONValue.object(
                JSONObject([
                    ("policy", .integer(1)), ("name", .string(name)),
                    ("purposes", .object(JSONObject(catalogue))),
                ])
            ).canonicalBytes
        version = "p1-" + Base64URL.encode(SHA256.hash(canonicalJSON)).prefix(22)
    }

    /// Reads a policy file (`docs/spec/policy.md`).
    /// - Parameters:
    ///   - text: the whole file.
    ///   - file: its name, for faults.
    /// - Throws: ``ConfigurationFault`` with file, line and key of the first fault.
    public static func parse(text: String, file: String) throws(ConfigurationFault) -> Policy {
        try PolicyReader.policy(ConfigurationFile.parse(text: text, file: file))
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
            ("caps", .array(caps.map(\.json).sorted { $0.canonicalText < $1.canonicalText })),
            (
                "token",
                .object(JSONObject([("seconds", .integer(tokenSeconds)), ("uses", .integer(tokenUses))]))
            ),
            ("roles", words(roles)),
            ("clients", words(clients)),
            ("stop_flag", .string(stopFlag.rawValue)),
            ("needs", .object(JSONObject(needs.map { ($0.key, $0.json) }))),
        ]
        if let title { members.append(("title", .string(title))) }
        return .object(JSONObject(members))
    }
}

extension Hours {
    fileprivate var json: JSONValue {
        switch self {
        case .any: .string("any")
        case .window(let window): .array([.integer(Int64(window.opens)), .integer(Int64(window.closes))])
        }
    }
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

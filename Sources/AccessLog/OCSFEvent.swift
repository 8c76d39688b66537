// Entries as a SIEM reads them: Open Cybersecurity Schema Framework 1.6.0, class 6005, Datastore Activity. A view, no evidence.

import ContactModel
import StrictEncoding

/// One entry as an OCSF event.
public enum OCSFEvent {
    /// Version of the schema.
    public static let version = "1.6.0"

    /// The event as one line of canonical JSON, without its end.
    /// - Parameters:
    ///   - index: position of the entry.
    ///   - origin: the log that it stands in.
    ///   - parts: what is disclosed of it; `nil` for nothing.
    public static func line(
        _ index: UInt64, _ entry: LogEntry, _ parts: DisclosedParts?, origin: String
    ) -> [UInt8] {
        let activity = Activity(entry)
        let isSuccess = entry.outcome == .permit || entry.outcome == .redelivered
        var event = JSONObject([
            ("activity_id", .integer(activity.rawValue)),
            ("activity_name", .string(activity == .other ? entry.kind.rawValue : activity.name)),
            ("category_uid", .integer(6)), ("category_name", .string("Application Activity")),
            ("class_uid", .integer(6005)), ("class_name", .string("Datastore Activity")),
            ("type_uid", .integer(600_500 + activity.rawValue)), ("time", .integer(entry.time.milliseconds)),
            ("severity_id", .integer(severity(entry))),
            ("status_id", .integer(isSuccess ? 1 : 2)),
            ("status", .string(isSuccess ? "Success" : "Failure")),
            (
                "metadata",
                object([
                    ("version", .string(version)), ("uid", .string(entry.id.description)),
                    ("sequence", .integer(Int64(index))), ("event_code", .string(entry.kind.rawValue)),
                    ("log_name", .string(origin)),
                    ("correlation_uid", entry.requestID.map { .string($0.text) }),
                    (
                        "product",
                        object([
                            ("name", .string("contact-vault")), ("vendor_name", .string("contact-vault")),
                        ])
                    ),
                ])
            ),
            (
                "database",
                object([("name", .string(origin)), ("type_id", .integer(99)), ("type", .string("Vault"))])
            ),
            ("actor", actor(entry, parts)),
            ("src_endpoint", object([("name", .string((entry.client ?? entry.source).text))])),
        ])
        event["status_code"] = entry.reason.map { .string($0.text) }
        event["count"] = entry.count.map { .integer(Int64($0)) }
        event["unmapped"] = unmapped(entry, parts)
        return JSONValue.object(event).canonicalBytes
    }

    /// What was done to data, as the class has it.
    private enum Activity: Int64 {
        case read = 1
        case update = 2
        case query = 4
        case create = 6
        case delete = 7
        case decrypt = 10
        case other = 99

        init(_ entry: LogEntry) {
            switch entry.kind {
            // Nothing was decrypted for a refusal, but that is what was asked for.
            case .release: self = .decrypt
            // A copy of the store is a copy of everything in it.
            case .contactRead, .logExport, .outcomeRead, .reviewRead, .approvalRead, .policyRead, .keyRead,
                .backupCreate:
                self = .read
            case .match, .logRead: self = .query
            case .contactCreate: self = .create
            case .contactUpdate, .consentGive, .consentWithdraw, .stopSet, .stopClear, .suppression,
                .authorisationGive, .authorisationWithdraw, .referenceRecord, .holdSet, .holdLift,
                .releaseOutcome, .backupRestore:
                self = .update
            case .contactErase, .logExpire: self = .delete
            default: self = .other
            }
        }

        var name: String {
            switch self {
            case .read: "Read"
            case .update: "Update"
            case .query: "Query"
            case .create: "Create"
            case .delete: "Delete"
            case .decrypt: "Decrypt"
            case .other: "Other"
            }
        }
    }

    /// 1 informational, 2 low, 3 medium, 4 high.
    private static func severity(_ entry: LogEntry) -> Int64 {
        switch (entry.kind, entry.outcome) {
        case (.emergencyAlert, _), (.keyCompromise, _): 4
        case (_, .error), (.backupRestore, _): 3
        case (_, .deny), (.unauthenticated, _): 2
        default: 1
        }
    }

    private static func actor(_ entry: LogEntry, _ parts: DisclosedParts?) -> JSONValue {
        var user: [(String, JSONValue?)] = []
        if let actor = parts?.actor {
            user = [
                ("uid", .string(actor.id.text)), ("type", .string(actor.kind.rawValue)),
                ("type_id", .integer(99)),
            ]
        }
        return object([
            ("app_name", .string((entry.client ?? entry.source).text)),
            ("user", user.isEmpty ? nil : object(user)),
        ])
    }

    /// What the class has no attribute for.
    private static func unmapped(_ entry: LogEntry, _ parts: DisclosedParts?) -> JSONValue {
        object([
            ("agency", entry.agency.map { .string($0.text) }),
            ("purpose", entry.purpose.map { .string($0.text) }),
            ("action", entry.action.map { .string($0.text) }),
            ("form", entry.form.map { .string($0.rawValue) }),
            ("fields", entry.fields.isEmpty ? nil : .array(entry.fields.map { .string($0.rawValue) })),
            ("stage", entry.stage.map { .string($0.rawValue) }),
            ("basis", entry.basis.map { .string($0.text) }),
            ("precondition", entry.precondition.map { .string($0.rawValue) }),
            ("policy", entry.policyVersion.map { .string($0.text) }),
            ("key_version", entry.keyVersion.map { .integer(Int64($0)) }),
            ("token", entry.tokenDigest.map { .string($0.text) }),
            ("root", entry.root.map { .string($0.text) }),
            ("outcome", .string(entry.outcome.rawValue)),
            ("contact", parts?.contact.map { .string($0.description) }),
            ("case", parts?.caseReference.map { .string($0.text) }),
        ])
    }

    private static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(JSONObject(members.compactMap { name, value in value.map { (name, $0) } }))
    }
}

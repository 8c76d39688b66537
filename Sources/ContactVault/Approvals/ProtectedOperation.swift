// What one person alone may not do, written down so exactly that an approval of it is an approval of nothing else.

public import AccessLog
import AccessToken
public import ContactModel
public import EnvelopeEncryption
import StrictEncoding
import VaultCrypto

/// What became of a request that may need a second person.
public enum Approvable<Value: Sendable>: Sendable {
    /// It is done.
    case done(Value)
    /// It waits for this approval.
    case waiting(ApprovalID)
}

/// An operation that waits for a second person.
public enum ProtectedOperation: Hashable, Sendable {
    /// Takes the secret of a key version away for good.
    case destroyKey(KeyReference)
    /// Marks a key version as known to somebody, for good.
    case compromiseKey(KeyReference)
    /// Takes a key version into use again that was switched off.
    case enableKey(KeyReference)
    /// Puts the keyring under another root key: this provider's, with this check value.
    case changeRoot(RootKeyProvider, keyCheckValue: [UInt8])
    /// Takes a contact's stop flag away, and its number from the stop list.
    case liftStop(ContactID)
    /// Exports what the log discloses of everybody, over this time.
    case export(TimeSpan, ExportProfile)

    /// What kind of approval it needs.
    public var kind: StoredApproval.Kind {
        switch self {
        case .destroyKey: .keyDestroy
        case .compromiseKey: .keyCompromise
        case .enableKey: .keyEnable
        case .changeRoot: .rootChange
        case .liftStop: .stopLift
        case .export: .logExport
        }
    }

    /// Whether the approval carries it out at once. If not, who asked for it may do it once.
    var isDoneByApproval: Bool {
        switch self {
        case .destroyKey, .compromiseKey, .enableKey, .liftStop: true
        case .changeRoot, .export: false
        }
    }

    /// Its parameters, as an approval carries them: canonical JSON. The contact of a lifted stop stands in its own column.
    public var payload: [UInt8] {
        var object = JSONObject()
        switch self {
        case .destroyKey(let key), .compromiseKey(let key), .enableKey(let key):
            object["key"] = .string(key.name.name)
            object["id"] = .integer(Int64(key.id))
            object["version"] = .integer(Int64(key.version))
        case .changeRoot(let place, let value):
            object["place"] = .string(place.rawValue)
            object["key_check_value"] = .string(Base64URL.encode(value))
        case .liftStop: break
        case .export(let time, let profile):
            object["from"] = time.from.map { .string($0.descriptionWithMilliseconds) }
            object["to"] = time.to.map { .string($0.descriptionWithMilliseconds) }
            object["profile"] = .string(profile.rawValue)
        }
        return JSONValue.object(object).canonicalBytes
    }

    /// In words, for who has to approve it.
    public var description: String {
        func named(_ key: KeyReference) -> String {
            "\(key.name.name)\(key.id == 0 ? "" : " \(key.id)") version \(key.version)"
        }
        return switch self {
        case .destroyKey(let key): "take the secret of \(named(key)) away for good"
        case .compromiseKey(let key): "mark \(named(key)) as known to somebody, for good"
        case .enableKey(let key): "take \(named(key)) into use again"
        case .changeRoot(let place, let value):
            "put the keyring under the root key with check value \(Hex.encode(value)), of provider \(place.rawValue)"
        case .liftStop(let contact):
            "take the stop flag of \(contact) away, and its number from the stop list"
        case .export(let time, let profile):
            "export the log from \(time.from.map { "\($0)" } ?? "its beginning") to \(time.to.map { "\($0)" } ?? "now"), profile "
                + profile.rawValue
        }
    }

    /// What an approval is about; `nil` for a release or a policy, which have parameters of their own.
    public init?(_ approval: StoredApproval) {
        guard let object = (try? JSONValue.parse(approval.payload))?.objectValue else { return nil }
        func key() -> KeyReference? {
            guard let name = object["key"]?.stringValue,
                let known = KeyName.allCases.first(where: { $0.name == name }),
                let id = object["id"]?.integerValue.flatMap({ UInt32(exactly: $0) }),
                let version = object["version"]?.integerValue.flatMap({ UInt32(exactly: $0) })
            else { return nil }
            return KeyReference(known, id: id, version: version)
        }
        switch approval.kind {
        case .release, .policy: return nil
        case .keyDestroy:
            guard let key = key() else { return nil }
            self = .destroyKey(key)
        case .keyCompromise:
            guard let key = key() else { return nil }
            self = .compromiseKey(key)
        case .keyEnable:
            guard let key = key() else { return nil }
            self = .enableKey(key)
        case .rootChange:
            guard let place = object["place"]?.stringValue.flatMap({ RootKeyProvider(rawValue: $0) }),
                let value = object["key_check_value"]?.stringValue.flatMap({ Base64URL.decode($0) })
            else { return nil }
            self = .changeRoot(place, keyCheckValue: value)
        case .stopLift:
            guard let contact = approval.contact else { return nil }
            self = .liftStop(contact)
        case .logExport:
            guard let profile = object["profile"]?.stringValue.flatMap({ ExportProfile(rawValue: $0) }) else {
                return nil
            }
            self = .export(
                TimeSpan(
                    from: object["from"]?.stringValue.flatMap { Timestamp($0) },
                    to: object["to"]?.stringValue.flatMap { Timestamp($0) }), profile)
        }
        // Somebody who can write rows must not have one operation read as another.
        guard approval.operation == digest(requester: approval.requester) else { return nil }
    }

    /// Names the operation with all its parameters and who asked for it: `SHA-256("CV1O" ‖ kind ‖ 0 ‖ requester ‖ 0 ‖ contact ‖
    /// payload)`, the contact 16 bytes or none.
    func digest(requester: Reference) -> [UInt8] {
        let head = Array("CV1O".utf8) + Array(kind.rawValue.utf8) + [0] + Array(requester.text.utf8) + [0]
        return SHA256.hash(head + (contact?.bytes ?? []) + payload)
    }

    /// The contact that it concerns.
    var contact: ContactID? { if case .liftStop(let contact) = self { contact } else { nil } }
}

extension ManagedTransaction {
    /// Asks for a second person, with an entry. Who has asked for the same already is told the same name again.
    mutating func ask(for operation: ProtectedOperation, random: any RandomSource) throws -> ApprovalID {
        let digest = operation.digest(requester: callerName)
        let known = try store.approvals(of: [digest])[digest]?.first { now < $0.expires }
        if let known, let id = ApprovalID(bytes: known.id) { return id }
        let id = try putApproval(
            operation.kind, of: digest, payload: operation.payload, contact: operation.contact, random: random
        )
        let about = try operation.contact.flatMap { try store.contacts([$0])[$0] }
        try log(.approvalRequest, about: about) { $0.basis = EntryCode(operation.kind.rawValue) }
        return id
    }

    /// Stores a question to a second person, without an entry.
    func putApproval(
        _ kind: StoredApproval.Kind, of operation: [UInt8], payload: [UInt8], contact: ContactID? = nil,
        random: any RandomSource
    ) throws -> ApprovalID {
        guard let id = ApprovalID(bytes: try random.bytes(16)) else {
            throw VaultError.cryptographyUnavailable
        }
        try store.putApprovals([
            StoredApproval(
                id: id.bytes, kind: kind, operation: operation, payload: payload, contact: contact,
                requester: callerName, requested: now,
                expires: now.adding(seconds: DecisionFacts.approvalSeconds))
        ])
        return id
    }

    /// Uses up an approval of an operation that who asked for it may do once; `false` if there is none.
    mutating func spendApproval(of operation: ProtectedOperation) throws -> Bool {
        let digest = operation.digest(requester: callerName)
        guard
            var approval = try store.approvals(of: [digest])[digest]?.first(where: {
                $0.approver != nil && $0.used == nil && now < $0.expires
            })
        else { return false }
        approval.used = now
        try store.putApprovals([approval])
        return true
    }
}

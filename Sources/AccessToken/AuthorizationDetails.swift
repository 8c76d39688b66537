// What a token is for: one RFC 9396 authorization details object, of one of five types, each with a closed
// schema.

public import ContactModel
public import StrictEncoding

/// The single authorization details object of a token.
///
/// One object and one action: a token that could do two things would be logged as one of them.
public enum AuthorizationDetails: Equatable, Sendable {
    /// `contact_access`: release fields of contacts to one action.
    case contactAccess(ContactAccessDetails)
    /// `contact_access` with purpose `suppress.match`: compare numbers with the stop list. It has its own
    /// case, so that a token without a contact cannot be taken for one that releases.
    case numberMatch(NumberMatchDetails)
    /// `contact_intake`: store contacts.
    case contactIntake(ContactIntakeDetails)
    /// `contact_management`: look after a contact record.
    case contactManagement(ContactManagementDetails)
    /// `access_log`: read the access log.
    case accessLog(AccessLogDetails)
    /// `key_management`: look after keys and policy.
    case keyManagement(KeyManagementDetails)

    /// The `type` member.
    public var type: String {
        switch self {
        case .contactAccess, .numberMatch: "contact_access"
        case .contactIntake: "contact_intake"
        case .contactManagement: "contact_management"
        case .accessLog: "access_log"
        case .keyManagement: "key_management"
        }
    }

    /// The longest life of a token with these details, seconds. A policy may be tighter.
    public var maximumSeconds: Int64 {
        if case .numberMatch = self { Limits.matchTokenSeconds } else { Limits.tokenSeconds }
    }

    /// How often a token with these details may be used; `nil` for types that are valid until they expire.
    public var maximumUses: Int64? {
        switch self {
        case .contactAccess(let details): details.maximumUses
        case .numberMatch(let details): details.maximumUses
        case .contactIntake, .contactManagement, .accessLog, .keyManagement: nil
        }
    }

    /// Reads the `authorization_details` parameter of a token request.
    /// - Parameter parameter: UTF-8 bytes of the parameter's value, size checked here.
    /// - Throws: ``TokenError/invalidAuthorizationDetails(_:)``.
    public static func parse(parameter: [UInt8]) throws(TokenError) -> AuthorizationDetails {
        guard parameter.count <= Limits.authorizationDetailsBytes else {
            throw .invalidAuthorizationDetails(.tooLarge)
        }
        let value: JSONValue
        do {
            value = try JSONValue.parse(parameter, maximumDepth: 4)
        } catch {
            throw .invalidAuthorizationDetails(.json)
        }
        return try parse(value)
    }

    /// Reads the array of exactly one object.
    /// - Throws: ``TokenError/invalidAuthorizationDetails(_:)`` for an unknown type or member, a missing
    ///   member, a wrong JSON type, or a value outside its vocabulary.
    public static func parse(_ value: JSONValue) throws(TokenError) -> AuthorizationDetails {
        do {
            return try read(value)
        } catch {
            throw .invalidAuthorizationDetails(error)
        }
    }

    /// The array of one object, as a token and a token request carry it.
    public var json: JSONValue {
        let members =
            switch self {
            case .contactAccess(let details): details.members
            case .numberMatch(let details): details.members
            case .contactIntake(let details): details.members
            case .contactManagement(let details): details.members
            case .accessLog(let details): details.members
            case .keyManagement(let details): details.members
            }
        return .array([.object(JSONObject([("type", .string(type))] + members))])
    }

    static func read(_ value: JSONValue) throws(DetailsFault) -> AuthorizationDetails {
        guard case .array(let elements) = value, elements.count == 1, case .object(let object) = elements[0]
        else {
            throw .notOneObject
        }
        guard let type = object["type"] else { throw .missingMember }
        switch type.stringValue {
        case "contact_access":
            // The purpose decides between the two schemas of this type; each refuses the other's members.
            return object["purpose"] == .string(Purpose.suppressMatch.text)
                ? .numberMatch(try NumberMatchDetails(reading: elements[0]))
                : .contactAccess(try ContactAccessDetails(reading: elements[0]))
        case "contact_intake": return .contactIntake(try ContactIntakeDetails(reading: elements[0]))
        case "contact_management":
            return .contactManagement(try ContactManagementDetails(reading: elements[0]))
        case "access_log": return .accessLog(try AccessLogDetails(reading: elements[0]))
        case "key_management": return .keyManagement(try KeyManagementDetails(reading: elements[0]))
        case nil: throw .malformedMember
        default: throw .unknownType
        }
    }
}

/// Which contacts a token is for, in the form it was asked.
public enum ContactSelection: Equatable, Sendable {
    /// `identifier`: one contact.
    case one(ContactID)
    /// `identifiers`: 1 to 100 contacts, each named once, for a batch release.
    case several([ContactID])

    /// The contacts, at least one.
    public var contacts: [ContactID] {
        switch self {
        case .one(let contact): [contact]
        case .several(let contacts): contacts
        }
    }
}

/// Leave to release fields of contacts to one action for one purpose.
public struct ContactAccessDetails: Equatable, Sendable {
    /// What the client will do. Never `match`, which belongs to ``NumberMatchDetails``.
    public let action: Action
    /// Why. Never `suppress.match`.
    public let purpose: Purpose
    /// Whom.
    public let selection: ContactSelection
    /// `case`: the caller's reference of the overdue account.
    public let caseReference: Reference
    /// Where the case stands.
    public let stage: Stage
    /// The fields, at least one, each once.
    public let fields: [FieldName]
    /// Why the borrower cannot be reached directly, where the purpose wants it.
    public let precondition: Precondition?
    /// The offer, request or complaint that the purpose wants.
    public let reference: Reference?
    /// On whose behalf.
    public let actor: Actor
    /// Uses, at least 1.
    public let maximumUses: Int64

    /// The contacts, at least one.
    public var contacts: [ContactID] { selection.contacts }

    /// Details with these values.
    /// - Throws: ``DetailsFault`` if the purpose or action is a match's, a list is empty, too long or names
    ///   something twice, or `maximumUses` is outside its range.
    public init(
        action: Action, purpose: Purpose, selection: ContactSelection, caseReference: Reference, stage: Stage,
        fields: [FieldName], precondition: Precondition? = nil, reference: Reference? = nil, actor: Actor,
        maximumUses: Int64
    ) throws(DetailsFault) {
        guard purpose != .suppressMatch, action != .match,
            (1...Limits.contactsPerToken).contains(selection.contacts.count), !fields.isEmpty,
            (1...Limits.usesPerToken).contains(maximumUses)
        else { throw .malformedMember }
        guard Set(selection.contacts).count == selection.contacts.count, Set(fields).count == fields.count
        else {
            throw .duplicate
        }
        self.action = action
        self.purpose = purpose
        self.selection = selection
        self.caseReference = caseReference
        self.stage = stage
        self.fields = fields
        self.precondition = precondition
        self.reference = reference
        self.actor = actor
        self.maximumUses = maximumUses
    }

    private static let names: Set<String> = [
        "type", "actions", "purpose", "identifier", "identifiers", "case", "stage", "fields", "precondition",
        "reference", "actor", "max_uses",
    ]

    init(reading value: JSONValue) throws(DetailsFault) {
        let object = try ClosedObject(value, members: Self.names, faults: DetailsFault.self)
        // Exactly one of the two: a reader that prefers one would release what a reader of the other did not
        // log.
        guard object.has("identifier") != object.has("identifiers") else { throw .missingMember }
        let selection: ContactSelection
        if object.has("identifier") {
            selection = .one(try object.parsed("identifier") { ContactID($0) })
        } else {
            let elements = try object.array("identifiers")
            guard elements.count <= Limits.contactsPerToken else { throw .malformedMember }
            var contacts: [ContactID] = []
            for element in elements {
                guard let contact = element.stringValue.flatMap({ ContactID($0) }) else {
                    throw .malformedMember
                }
                contacts.append(contact)
            }
            selection = .several(contacts)
        }
        var fields: [FieldName] = []
        for element in try object.array("fields") {
            guard let field = element.stringValue.flatMap(FieldName.init(rawValue:)) else {
                throw .malformedMember
            }
            guard !fields.contains(field) else { throw .duplicate }
            fields.append(field)
        }
        try self.init(
            action: try object.onlyAction { Action($0) },
            purpose: try object.parsed("purpose") { Purpose($0) },
            selection: selection,
            caseReference: try object.parsed("case") { Reference($0) },
            stage: try object.parsed("stage", Stage.init(rawValue:)),
            fields: fields,
            precondition: try object.parsedIfPresent("precondition", Precondition.init(rawValue:)),
            reference: try object.parsedIfPresent("reference") { Reference($0) },
            actor: try object.actor(),
            maximumUses: try object.integer("max_uses", in: 1...Limits.usesPerToken))
    }

    var members: [(key: String, value: JSONValue)] {
        var members: [(key: String, value: JSONValue)] = [
            ("actions", .array([.string(action.text)])),
            ("purpose", .string(purpose.text)),
        ]
        switch selection {
        case .one(let contact): members.append(("identifier", .string(contact.description)))
        case .several(let contacts):
            members.append(("identifiers", .array(contacts.map { .string($0.description) })))
        }
        members.append(("case", .string(caseReference.text)))
        members.append(("stage", .string(stage.rawValue)))
        members.append(("fields", .array(fields.map { .string($0.rawValue) })))
        if let precondition { members.append(("precondition", .string(precondition.rawValue))) }
        if let reference { members.append(("reference", .string(reference.text))) }
        members.append(("actor", actor.json))
        members.append(("max_uses", .integer(maximumUses)))
        return members
    }
}

/// Leave to ask whether numbers are on the stop list. No contact, case, stage or field: nothing is released.
public struct NumberMatchDetails: Equatable, Sendable {
    /// On whose behalf.
    public let actor: Actor
    /// Uses, at least 1.
    public let maximumUses: Int64

    /// Details with these values.
    /// - Throws: ``DetailsFault/malformedMember`` if `maximumUses` is outside its range.
    public init(actor: Actor, maximumUses: Int64) throws(DetailsFault) {
        guard (1...Limits.usesPerToken).contains(maximumUses) else { throw .malformedMember }
        self.actor = actor
        self.maximumUses = maximumUses
    }

    init(reading value: JSONValue) throws(DetailsFault) {
        let object = try ClosedObject(
            value, members: ["type", "actions", "purpose", "actor", "max_uses"], faults: DetailsFault.self)
        guard try object.onlyAction({ Action($0) }) == Action.match else { throw .malformedMember }
        try self.init(
            actor: try object.actor(),
            maximumUses: try object.integer("max_uses", in: 1...Limits.usesPerToken))
    }

    var members: [(key: String, value: JSONValue)] {
        [
            ("actions", .array([.string(Action.match.text)])),
            ("purpose", .string(Purpose.suppressMatch.text)),
            ("actor", actor.json), ("max_uses", .integer(maximumUses)),
        ]
    }
}

/// Leave to store contacts of one portfolio.
public struct ContactIntakeDetails: Equatable, Sendable {
    /// What may be done.
    public enum Operation: String, CaseIterable, Sendable {
        /// One contact.
        case create
        /// A stream of contacts.
        case `import`
    }

    /// What may be done.
    public let operation: Operation
    /// The portfolio that the contacts belong to.
    public let portfolio: Reference

    /// Details with these values.
    public init(operation: Operation, portfolio: Reference) {
        self.operation = operation
        self.portfolio = portfolio
    }

    init(reading value: JSONValue) throws(DetailsFault) {
        let object = try ClosedObject(
            value, members: ["type", "actions", "portfolio"], faults: DetailsFault.self)
        operation = try object.onlyAction(Operation.init(rawValue:))
        portfolio = try object.parsed("portfolio") { Reference($0) }
    }

    var members: [(key: String, value: JSONValue)] {
        [("actions", .array([.string(operation.rawValue)])), ("portfolio", .string(portfolio.text))]
    }
}

/// Leave to look after one contact record, or to put a number on the stop list.
public struct ContactManagementDetails: Equatable, Sendable {
    /// What may be done.
    public enum Operation: String, CaseIterable, Sendable {
        /// See the record without its personal fields.
        case read
        /// Replace fields.
        case update
        /// Erase the record.
        case erase
        /// Record a consent given or withdrawn.
        case consent
        /// Set the stop flag.
        case stop
        /// Put a number on the stop list without a contact.
        case suppress
        /// Approve a release that needs a second person.
        case approve
    }

    /// What may be done.
    public let operation: Operation
    /// The contact; `nil` exactly for ``Operation/suppress``.
    public let contact: ContactID?

    /// Details with these values.
    /// - Throws: ``DetailsFault/missingMember`` if a contact lacks, ``DetailsFault/unknownMember`` if one is
    ///   given for ``Operation/suppress``.
    public init(operation: Operation, contact: ContactID?) throws(DetailsFault) {
        switch operation {
        case .suppress: guard contact == nil else { throw .unknownMember }
        case .read, .update, .erase, .consent, .stop, .approve:
            guard contact != nil else { throw .missingMember }
        }
        self.operation = operation
        self.contact = contact
    }

    init(reading value: JSONValue) throws(DetailsFault) {
        let object = try ClosedObject(
            value, members: ["type", "actions", "identifier"], faults: DetailsFault.self)
        try self.init(
            operation: try object.onlyAction(Operation.init(rawValue:)),
            contact: try object.parsedIfPresent("identifier") { ContactID($0) })
    }

    var members: [(key: String, value: JSONValue)] {
        var members: [(key: String, value: JSONValue)] = [("actions", .array([.string(operation.rawValue)]))]
        if let contact { members.append(("identifier", .string(contact.description))) }
        return members
    }
}

/// Leave to read the access log, optionally of a time range.
public struct AccessLogDetails: Equatable, Sendable {
    /// What may be done.
    public enum Operation: String, CaseIterable, Sendable {
        /// See entries.
        case read
        /// Get proofs.
        case prove
        /// Make export bundles.
        case export
    }

    /// What may be done.
    public let operation: Operation
    /// First moment that may be read; `nil` for the log's beginning.
    public let from: Timestamp?
    /// First moment after the range; `nil` for no end.
    public let to: Timestamp?

    /// Details with these values.
    /// - Throws: ``DetailsFault/malformedMember`` if the range ends before it begins.
    public init(operation: Operation, from: Timestamp? = nil, to: Timestamp? = nil) throws(DetailsFault) {
        if let from, let to, to < from { throw .malformedMember }
        self.operation = operation
        self.from = from
        self.to = to
    }

    init(reading value: JSONValue) throws(DetailsFault) {
        let object = try ClosedObject(
            value, members: ["type", "actions", "from", "to"], faults: DetailsFault.self)
        try self.init(
            operation: try object.onlyAction(Operation.init(rawValue:)),
            from: try object.parsedIfPresent("from") { Timestamp($0) },
            to: try object.parsedIfPresent("to") { Timestamp($0) })
    }

    var members: [(key: String, value: JSONValue)] {
        var members: [(key: String, value: JSONValue)] = [("actions", .array([.string(operation.rawValue)]))]
        if let from { members.append(("from", .string(from.shortestText))) }
        if let to { members.append(("to", .string(to.shortestText))) }
        return members
    }
}

/// Leave to look after keys and policy.
public struct KeyManagementDetails: Equatable, Sendable {
    /// What may be done.
    public enum Operation: String, CaseIterable, Sendable {
        /// See versions, states and record counts.
        case read
        /// Make a new version, or set floors and periods.
        case rotate
        /// Start, pause, resume or cancel a rewrap.
        case rewrap
        /// Retire a version.
        case retire
        /// Destroy a version.
        case destroy
        /// See and change the policy.
        case policy
        /// Approve what another person asked for.
        case approve
    }

    /// What may be done.
    public let operation: Operation

    /// Details with this value.
    public init(operation: Operation) { self.operation = operation }

    init(reading value: JSONValue) throws(DetailsFault) {
        let object = try ClosedObject(value, members: ["type", "actions"], faults: DetailsFault.self)
        operation = try object.onlyAction(Operation.init(rawValue:))
    }

    var members: [(key: String, value: JSONValue)] { [("actions", .array([.string(operation.rawValue)]))] }
}

extension ClosedObject where Fault == DetailsFault {
    /// The element of `actions`, which must have exactly one.
    fileprivate func onlyAction<Value>(_ read: (String) -> Value?) throws(DetailsFault) -> Value {
        let actions = try array("actions")
        guard actions.count == 1, let action = actions[0].stringValue.flatMap(read) else {
            throw .malformedMember
        }
        return action
    }

    fileprivate func actor() throws(DetailsFault) -> Actor {
        let object = try ClosedObject(try value("actor"), members: ["kind", "id"])
        return Actor(
            kind: try object.parsed("kind", ActorKind.init(rawValue:)),
            id: try object.parsed("id") { Reference($0) })
    }
}

extension Actor {
    fileprivate var json: JSONValue {
        .object(JSONObject([("kind", .string(kind.rawValue)), ("id", .string(id.text))]))
    }
}

extension Timestamp {
    /// RFC 3339 with milliseconds only where there are some, so that reading it back gives an equal value.
    fileprivate var shortestText: String {
        milliseconds % 1000 == 0 ? description : descriptionWithMilliseconds
    }
}

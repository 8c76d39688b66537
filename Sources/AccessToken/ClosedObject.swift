// Reading a JSON object with a closed set of members.
//
// A member that is silently ignored is a member that another program may obey: an issuer that ignores
// `max_use` and a client that believes in it disagree about one signed text. So every object names all
// members it may have.

import ContactModel
import StrictEncoding

/// The faults that every closed object can have.
protocol MemberFault: Error {
    static var unknownMember: Self { get }
    static var missingMember: Self { get }
    static var malformedMember: Self { get }
}

/// A JSON object that was checked to have known members only. Readers throw unless the JSON type is exact: no
/// number in a string, no array of one for a value.
struct ClosedObject<Fault: MemberFault> {
    private let object: JSONObject

    init(_ value: JSONValue, members: Set<String>, faults: Fault.Type = Fault.self) throws(Fault) {
        guard case .object(let object) = value else { throw .malformedMember }
        for member in object.members where !members.contains(member.key) { throw .unknownMember }
        self.object = object
    }

    func has(_ name: String) -> Bool { object[name] != nil }

    func value(_ name: String) throws(Fault) -> JSONValue {
        guard let value = object[name] else { throw .missingMember }
        return value
    }

    func string(_ name: String) throws(Fault) -> String {
        guard case .string(let text) = try value(name) else { throw .malformedMember }
        return text
    }

    func integer(_ name: String, in range: ClosedRange<Int64>) throws(Fault) -> Int64 {
        guard case .integer(let integer) = try value(name), range.contains(integer) else {
            throw .malformedMember
        }
        return integer
    }

    func array(_ name: String) throws(Fault) -> [JSONValue] {
        guard case .array(let elements) = try value(name) else { throw .malformedMember }
        return elements
    }

    /// A string that `read` makes into a value; `nil` from it is a fault.
    func parsed<Value>(_ name: String, _ read: (String) -> Value?) throws(Fault) -> Value {
        guard let value = read(try string(name)) else { throw .malformedMember }
        return value
    }

    /// The same for a member that may be absent. `null` is not absence.
    func parsedIfPresent<Value>(_ name: String, _ read: (String) -> Value?) throws(Fault) -> Value? {
        guard has(name) else { return nil }
        return try parsed(name, read)
    }
}

extension String {
    /// Equality of bytes. `==` compares by canonical equivalence, under which U+212A KELVIN SIGN is the
    /// letter K.
    func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Whether this can be a `jti`: bounded, and without white space or control characters.
    var isTokenIdentifier: Bool {
        (1...Limits.tokenIdentifierBytes).contains(utf8.count)
            && utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// Whether this is a SHA-256 thumbprint in base64url (RFC 7638 §3).
    var isThumbprint: Bool { utf8.count == 43 && Base64URL.decode(self) != nil }
}

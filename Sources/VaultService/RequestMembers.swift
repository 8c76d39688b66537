// Members of request bodies, read into values. What is not as it must be is the request's fault, and is not echoed.

import ContactModel
import ContactVault
import StrictEncoding

extension JSONObject {
    /// A string that `read` makes into a value; `nil` if it is absent.
    func word<Value>(_ name: String, _ read: (String) -> Value?) throws -> Value? {
        guard let value = self[name] else { return nil }
        guard let word = value.stringValue.flatMap(read) else { throw RequestFault.bodyMalformed }
        return word
    }

    func words<Value>(_ name: String, _ read: (String) -> Value?) throws -> [Value]? {
        guard let value = self[name] else { return nil }
        guard let list = value.arrayValue else { throw RequestFault.bodyMalformed }
        return try list.map { element in
            guard let word = element.stringValue.flatMap(read) else { throw RequestFault.bodyMalformed }
            return word
        }
    }

    func number(_ name: String) throws -> UInt64? {
        guard let value = self[name] else { return nil }
        guard let number = value.integerValue.flatMap({ UInt64(exactly: $0) }) else {
            throw RequestFault.bodyMalformed
        }
        return number
    }

    /// `from` and `to`, moments.
    func time() throws -> TimeSpan {
        TimeSpan(from: try word("from") { Timestamp($0) }, to: try word("to") { Timestamp($0) })
    }
}

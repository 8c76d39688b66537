// A reply as it came, bounded, before anything is made of it.

import Foundation
import StrictEncoding
public import VaultAPI

/// A reply of the vault, of any status.
public struct VaultReply: Sendable {
    /// The HTTP status.
    public let status: Int
    /// Header fields in the order they came.
    public let headers: [(name: String, value: String)]
    /// The body, no longer than the request allowed.
    public let body: [UInt8]

    /// The first field of this name, whatever its case; `nil` if there is none.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The problem document, `nil` if the body is not one (RFC 9457).
    public var problem: ProblemBody? {
        guard let type = header("Content-Type"), type.lowercased().hasPrefix("application/problem+json")
        else {
            return nil
        }
        return try? JSONDecoder().decode(ProblemBody.self, from: Data(body))
    }

    /// Whether the vault wants the proof made again with the nonce it sent (RFC 9449 §8, §9).
    var wantsNonce: Bool {
        switch status {
        case 401:
            return headers.contains {
                $0.name.lowercased() == "www-authenticate" && $0.value.contains("error=\"use_dpop_nonce\"")
            }
        case 400:
            return oauthError == "use_dpop_nonce"
        default:
            return false
        }
    }

    /// The error code of the token endpoint (RFC 6749 §5.2), `nil` if the body is not such an error.
    var oauthError: String? {
        guard let code = (try? JSONValue.parse(body))?.objectValue?["error"]?.stringValue,
            (1...64).contains(code.utf8.count),
            code.utf8.allSatisfy({ (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "_") })
        else { return nil }
        return code
    }

    /// `Retry-After` in seconds, `nil` if there is none or it is a date.
    var retryAfterSeconds: Int? { header("Retry-After").flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }

    /// The body as a type of the interface.
    func decoded<Body: Decodable>(_ type: Body.Type) throws(VaultClientError) -> Body {
        do { return try JSONDecoder().decode(type, from: Data(body)) } catch {
            // The decoder's own error quotes the body.
            throw .replyMalformed(status: status)
        }
    }
}

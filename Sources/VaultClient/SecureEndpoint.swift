// Where a client connects to, refused unless nobody on the way can read along.

import AccessToken
import Glibc

/// An origin of scheme `https`, or of `http` on this machine.
struct SecureEndpoint {
    /// Scheme, host and port in normal form, without a slash at the end.
    let text: String

    init(_ endpoint: String) throws(VaultClientError) {
        guard let origin = ExternalOrigin(endpoint) else { throw .endpointNotSecure }
        text = origin.text
        let rest = text.drop { $0 != ":" }.dropFirst(3)
        guard text.hasPrefix("https://") || Self.isLoopback(rest) else { throw .endpointNotSecure }
    }

    /// Scheme, host and port of a URL.
    static func origin(of url: String) -> String {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return parts.prefix(3).joined(separator: "/")
    }

    /// Whether `host[:port]` is this machine. By its bytes, not by its beginning: `127.example` is anybody's name.
    private static func isLoopback(_ authority: Substring) -> Bool {
        if authority.hasPrefix("[") {
            return authority.prefix { $0 != "]" }.dropFirst() == "::1"
        }
        let host = String(authority.prefix { $0 != ":" })
        if host == "localhost" { return true }
        var address = in_addr()
        return unsafe inet_pton(AF_INET, host, &address) == 1
            && UInt32(bigEndian: address.s_addr) >> 24 == 127
    }
}

// Comparing `htu` with the URI of a request (RFC 9449 §4.3), by the normalisations of RFC 3986 §6.2.2 and
// §6.2.3 that cannot change which resource is meant. Anything that would need more than that is refused.

/// An absolute `http` or `https` URI without query and fragment, in normal form.
struct RequestURI: Equatable {
    /// Scheme, host and port in normal form, such as `https://vault.example`.
    let origin: String
    /// Path with at least `/`, escapes in normal form, without dot segments.
    let path: String

    init?(_ text: String) {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ $0 < 0x80 }),
            let colon = text.firstIndex(of: ":"),
            text[colon...].hasPrefix("://")
        else { return nil }
        let rest = text[colon...].dropFirst(3)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let scheme = Self.Scheme(rawValue: text[..<colon].lowercased()),
            let authority = Self.normalize(authority: rest[..<slash], scheme: scheme),
            let path = Self.normalize(path: slash == rest.endIndex ? "/" : rest[slash...])
        else { return nil }
        origin = scheme.rawValue + "://" + authority
        self.path = path
    }

    /// The URI of a request that came to a known origin.
    init?(origin: ExternalOrigin, path: String) {
        guard let path = Self.normalize(path: path[...]) else { return nil }
        self.origin = origin.text
        self.path = path
    }

    private enum Scheme: String {
        case http
        case https
    }

    /// Host in lower case, the scheme's own port left out. User information is refused.
    private static func normalize(authority: Substring, scheme: Scheme) -> String? {
        var host = authority.lowercased()[...]
        var port = ""[...]
        let closing = host.lastIndex(of: "]")
        if let colon = host.lastIndex(of: ":"), closing.map({ $0 < colon }) ?? true {
            port = host[host.index(after: colon)...]
            host = host[..<colon]
        }
        guard !host.isEmpty, host.utf8.count <= 255 else { return nil }
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.utf8.count > 2,
                host.utf8.dropFirst().dropLast().allSatisfy({ isHexDigit($0) || $0 == 0x3A || $0 == 0x2E })
            else { return nil }
        } else {
            guard host.utf8.allSatisfy({ isUnreserved($0) && $0 != UInt8(ascii: "~") }) else { return nil }
        }
        guard !port.isEmpty else { return String(host) }
        guard port.utf8.count <= 5, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(port),
            (1...65535).contains(number)
        else { return nil }
        return number == (scheme == .https ? 443 : 80) ? String(host) : "\(host):\(number)"
    }

    /// Escapes of unreserved characters decoded, other escapes in upper case.
    private static func normalize(path: Substring) -> String? {
        let bytes = Array(path.utf8)
        guard bytes.first == UInt8(ascii: "/"), bytes.count <= 2048 else { return nil }
        var normal: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < bytes.count, let high = hexValue(bytes[index + 1]),
                    let low = hexValue(bytes[index + 2])
                else { return nil }
                let decoded = high << 4 | low
                if isUnreserved(decoded) {
                    normal.append(decoded)
                } else {
                    let digits = Array("0123456789ABCDEF".utf8)
                    normal.append(contentsOf: [byte, digits[Int(high)], digits[Int(low)]])
                }
                index += 3
                continue
            }
            // `?`, `#`, white space, controls and non-ASCII are not of a path.
            guard isUnreserved(byte) || "/!$&'()*+,;=:@".utf8.contains(byte) else { return nil }
            normal.append(byte)
            index += 1
        }
        let segments = normal.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        // Resolving them would make two different request lines one URI.
        guard !segments.contains(where: { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) else {
            return nil
        }
        return String(decoding: normal, as: UTF8.self)
    }

    /// RFC 3986 §2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: false
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool { hexValue(byte) != nil }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

/// The scheme, host and port under which clients reach the service, from its configuration. What a request's
/// `Host` says is the client's word and decides nothing.
public struct ExternalOrigin: Equatable, Sendable {
    /// Normal form, such as `https://vault.example`: lower case, no default port, no trailing slash.
    public let text: String

    /// Reads `scheme://host[:port]` with at most a trailing slash; `nil` for a path, query, user or other
    /// scheme.
    public init?(_ text: String) {
        guard let uri = RequestURI(text), uri.path == "/" else { return nil }
        self.text = uri.origin
    }
}

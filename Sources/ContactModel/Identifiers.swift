// Identifiers that the vault makes: 128 random bits each, so that knowing one tells nothing about another.

import StrictEncoding

/// A 128-bit identifier with a two-letter prefix in its text form.
public protocol VaultIdentifier: Hashable, Sendable, CustomStringConvertible {
    /// The text prefix, such as `ct`.
    static var prefix: String { get }
    /// The 16 bytes.
    var bytes: [UInt8] { get }
    /// An identifier of exactly 16 bytes; `nil` for any other length.
    init?(bytes: [UInt8])
}

extension VaultIdentifier {
    /// The bytes are random: eight of them are as good a hash as all, and hashing an array goes byte by byte.
    public func hash(into hasher: inout Hasher) { hasher.combine(bytes.prefix8) }

    /// `prefix_` and 22 characters of unpadded base64url.
    public var description: String { Self.prefix + "_" + Base64URL.encode(bytes) }

    /// Parses the text form; `nil` unless it is exactly what ``description`` writes.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == Self.prefix.utf8.count + 1 + 22, text.hasPrefix(Self.prefix + "_"),
            let bytes = Base64URL.decode(text.dropFirst(Self.prefix.count + 1))
        else { return nil }
        self.init(bytes: bytes)
    }
}

/// A tenant of the vault; sealed into every envelope. Text form `tn_…`.
public struct TenantID: VaultIdentifier {
    /// The text prefix.
    public static let prefix = "tn"
    /// The 16 bytes.
    public let bytes: [UInt8]
    /// An identifier of exactly 16 bytes; `nil` for any other length.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }
}

/// A stop-collection contact's record. Random, so it says nothing about the person. Text form `ct_…`.
public struct ContactID: VaultIdentifier {
    /// The text prefix.
    public static let prefix = "ct"
    /// The 16 bytes.
    public let bytes: [UInt8]
    /// An identifier of exactly 16 bytes; `nil` for any other length.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }
}

/// One release of a contact's fields to one action. Text form `rl_…`.
public struct ReleaseID: VaultIdentifier {
    /// The text prefix.
    public static let prefix = "rl"
    /// The 16 bytes.
    public let bytes: [UInt8]
    /// An identifier of exactly 16 bytes; `nil` for any other length.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }
}

extension ContactID {
    /// The name under which uses are counted of a token that names no contact: sixteen zero bytes, which no record has.
    package static let nobody: ContactID = {
        guard let nobody = ContactID(bytes: [UInt8](repeating: 0, count: 16)) else {
            preconditionFailure("sixteen bytes")
        }
        return nobody
    }()
}

extension [UInt8] {
    /// The first eight bytes as a number, for hashing digests and random identifiers.
    package var prefix8: UInt64 { prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

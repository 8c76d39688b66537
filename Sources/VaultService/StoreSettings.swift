// Where the rows of a vault are: the section `store` of `contact-vault.yaml`.

import ConfigurationFile
import Foundation

/// Where a vault's store is.
public enum StoreSettings: Hashable, Sendable {
    /// In a file of the vault's folder.
    case embedded
    /// In a PostgreSQL database: a connection string or URI of libpq, without a password.
    case postgres(String)

    /// Reads the section.
    /// - Throws: `ConfigurationFault` naming file, line and key.
    init(_ node: ConfigurationNode) throws(ConfigurationFault) {
        let conninfo = try node.string("postgres")
        guard let settings = Self(postgres: conninfo) else {
            throw node.fault(
                "use a connection string on one line, without a password: that belongs into passfile or a service file",
                key: "postgres")
        }
        self = settings
    }

    /// A database by its connection string; `nil` if that holds a password or cannot be written down.
    public init?(postgres conninfo: String) {
        guard (1...1024).contains(conninfo.utf8.count),
            conninfo.unicodeScalars.allSatisfy({
                $0.value >= 0x20 && $0 != "\"" && $0 != "\\" && $0.value != 0x7F
            }),
            !conninfo.lowercased().contains("password"), !Self.hasPasswordInURI(conninfo)
        else { return nil }
        self = .postgres(conninfo)
    }

    /// `postgresql://user:password@host/…`
    private static func hasPasswordInURI(_ text: String) -> Bool {
        guard let scheme = text.range(of: "://") else { return false }
        let authority = text[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
        guard let at = authority.lastIndex(of: "@") else { return false }
        return authority[..<at].contains(":")
    }

    /// The section as text; empty for the store in the folder.
    public var section: String {
        switch self {
        case .embedded: ""
        case .postgres(let conninfo): "store:\n  postgres: \"\(conninfo)\"\n"
        }
    }
}

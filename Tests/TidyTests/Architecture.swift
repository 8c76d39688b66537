// The drawing of docs/architecture.md as a table. A new arrow is a decision: it is made here first.

enum Architecture {
    /// What each target may depend on, and no more: targets of this package, and products of others as `package/product`.
    static let dependencies: [String: Set<String>] = [
        "COpenSSL": [],
        "COpenSSLTLS": [],
        "CPhoneNumber": [],
        "CProcessHardening": [],
        "CCryptoki": [],
        "CLibPQ": [],
        "StrictEncoding": [],
        "ContactModel": ["StrictEncoding"],
        "VaultCrypto": ["COpenSSL"],
        "ConfigurationFile": ["Yams/Yams"],
        "FileStorage": ["StrictEncoding", "VaultCrypto"],
        "EnvelopeEncryption": ["ContactModel", "FileStorage", "StrictEncoding", "VaultCrypto"],
        "HardwareRootKey": ["CCryptoki", "EnvelopeEncryption", "VaultCrypto"],
        "AccessToken": ["ContactModel", "StrictEncoding", "VaultCrypto"],
        "PurposePolicy": ["ConfigurationFile", "ContactModel", "StrictEncoding", "VaultCrypto"],
        "AccessLog": ["ContactModel", "StrictEncoding", "VaultCrypto"],
        "ContactVault": [
            "AccessLog", "AccessToken", "CPhoneNumber", "ContactModel", "EnvelopeEncryption", "FileStorage",
            "PurposePolicy",
            "StrictEncoding", "VaultCrypto",
        ],
        "SQLiteStore": [
            "AccessLog", "ContactModel", "ContactVault", "GRDB.swift/GRDB", "GRDB.swift/GRDBSQLite",
            "StrictEncoding",
        ],
        "PostgresStore": ["CLibPQ", "ContactModel", "ContactVault", "StrictEncoding"],
        "VaultAPI": ["ContactModel"],
        "VaultService": [
            "AccessLog", "AccessToken", "ConfigurationFile", "ContactModel", "ContactVault",
            "EnvelopeEncryption", "FileStorage",
            "PurposePolicy", "StrictEncoding", "VaultAPI", "VaultCrypto", "hummingbird/Hummingbird",
            "hummingbird/HummingbirdCore", "hummingbird/HummingbirdTLS",
            "swift-http-types/HTTPTypes", "swift-log/Logging", "swift-nio/NIOCore", "swift-nio-ssl/NIOSSL",
            "swift-service-lifecycle/ServiceLifecycle", "swift-service-lifecycle/UnixSignals",
        ],
        "VaultClient": [
            "AccessLog", "AccessToken", "ContactModel", "StrictEncoding", "VaultAPI", "VaultCrypto",
            "async-http-client/AsyncHTTPClient", "swift-nio/NIOCore", "swift-nio/NIOHTTP1",
            "swift-nio-ssl/NIOSSL",
        ],
        "contact-vault": [
            "AccessLog", "AccessToken", "CProcessHardening", "ConfigurationFile", "ContactModel",
            "ContactVault", "EnvelopeEncryption", "FileStorage", "HardwareRootKey",
            "PurposePolicy", "SQLiteStore", "StrictEncoding", "VaultAPI", "VaultClient", "VaultCrypto",
            "VaultService", "swift-argument-parser/ArgumentParser",
        ],
        "VaultTesting": [
            "AccessLog", "AccessToken", "ContactModel", "ContactVault", "EnvelopeEncryption", "PurposePolicy",
            "SQLiteStore", "StrictEncoding", "VaultCrypto",
        ],
        "vault-bench": [
            "AccessLog", "AccessToken", "COpenSSLTLS", "ContactModel", "ContactVault", "EnvelopeEncryption",
            "PurposePolicy",
            "SQLiteStore", "StrictEncoding", "VaultClient", "VaultCrypto",
        ],
    ]

    /// The targets above the line: only these may be built from a package that speaks HTTP.
    static let aboveTheLine: Set<String> = ["VaultService", "VaultClient", "contact-vault", "vault-bench"]

    /// Packages that bring HTTP, sockets or an event loop.
    static let networkPackages: Set<String> = [
        "async-http-client", "hummingbird", "swift-http-types", "swift-nio", "swift-nio-extras",
        "swift-nio-http2",
        "swift-nio-ssl", "swift-nio-transport-services", "swift-service-lifecycle",
    ]

    /// What an auditor builds to verify an export: nothing that writes, decides or opens.
    static let auditorTargets: Set<String> = [
        "AccessLog", "COpenSSL", "ContactModel", "StrictEncoding", "VaultCrypto",
    ]

    /// Differences between the table and a manifest.
    static func deviations(in manifest: PackageManifest) -> [String] {
        let actual = manifest.targets.values.filter { $0.type != "test" }
        var deviations: [String] = []
        for target in actual.sorted(by: { $0.name < $1.name }) {
            guard let allowed = dependencies[target.name] else {
                deviations.append("\(target.name) is not in the table")
                continue
            }
            let declared = target.targets.union(target.products.map { "\($0.package)/\($0.name)" })
            for extra in declared.subtracting(allowed).sorted() {
                deviations.append("\(target.name) depends on \(extra), which the table does not allow")
            }
            for missing in allowed.subtracting(declared).sorted() {
                deviations.append("\(target.name) no longer depends on \(missing): take it out of the table")
            }
        }
        for name in dependencies.keys.sorted() where !actual.contains(where: { $0.name == name }) {
            deviations.append("\(name) is in the table and not in the package")
        }
        return deviations
    }

    /// Targets below the line that are built from a network package, directly or not.
    static func networkBelowTheLine(in manifest: PackageManifest) -> [String] {
        var found: [String] = []
        for target in manifest.targets.values
        where target.type != "test" && !aboveTheLine.contains(target.name) {
            for part in manifest.closure(of: target.name) {
                for product in manifest.targets[part]?.products ?? []
                where networkPackages.contains(product.package) {
                    found.append("\(target.name) is built from \(product.package) through \(part)")
                }
            }
        }
        return found.sorted()
    }
}

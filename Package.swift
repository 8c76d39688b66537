// swift-tools-version: 6.2
//
// One package: a library that can be embedded without any HTTP dependency, and a service that is a thin shell
// around it. `docs/architecture.md` draws the targets; a tidy test holds this file against that drawing.

import PackageDescription

/// Every target of our own is built with the same strict settings; a warning is an error.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// Tests and fixtures: the same, less the marks on unsafe expressions.
let strictTests: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "contact-vault",
    products: [
        .library(
            name: "ContactVault",
            targets: [
                "AccessLog", "AccessToken", "ContactModel", "ContactVault", "EnvelopeEncryption",
                "PurposePolicy",
                "SQLiteStore", "VaultCrypto",
            ]
        ),
        .library(name: "HardwareRootKey", targets: ["HardwareRootKey"]),
        .library(name: "AccessLog", targets: ["AccessLog"]),
        .library(name: "VaultClient", targets: ["VaultClient"]),
        .executable(name: "contact-vault", targets: ["contact-vault"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // C libraries, header shims only.
        .systemLibrary(name: "COpenSSLTLS", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        // Without pkg-config: it would link p11-kit, of which only the header is wanted.
        .systemLibrary(name: "CCryptoki", providers: [.apt(["libp11-kit-dev"])]),
        .target(
            name: "CPhoneNumber",
            linkerSettings: [.linkedLibrary("phonenumber")]
        ),
        .target(name: "CProcessHardening"),

        // Nouns, encodings and primitives.
        .target(name: "StrictEncoding", swiftSettings: strict),
        .target(name: "ContactModel", dependencies: ["StrictEncoding"], swiftSettings: strict),
        .target(
            name: "VaultCrypto",
            dependencies: ["COpenSSL"],
            swiftSettings: strict
        ),
        .target(
            name: "ConfigurationFile",
            dependencies: [.product(name: "Yams", package: "Yams")],
            swiftSettings: strict
        ),

        .target(name: "FileStorage", dependencies: ["StrictEncoding", "VaultCrypto"], swiftSettings: strict),

        // What this project is: envelopes, tokens, policy, log.
        .target(
            name: "EnvelopeEncryption",
            dependencies: ["ContactModel", "FileStorage", "StrictEncoding", "VaultCrypto"],
            swiftSettings: strict
        ),
        .target(
            name: "HardwareRootKey",
            dependencies: ["CCryptoki", "EnvelopeEncryption", "VaultCrypto"],
            swiftSettings: strict
        ),
        .target(
            name: "AccessToken",
            dependencies: ["ContactModel", "StrictEncoding", "VaultCrypto"],
            swiftSettings: strict
        ),
        .target(
            name: "PurposePolicy",
            dependencies: ["ConfigurationFile", "ContactModel", "StrictEncoding", "VaultCrypto"],
            swiftSettings: strict
        ),
        .target(
            name: "AccessLog",
            dependencies: ["ContactModel", "StrictEncoding", "VaultCrypto"],
            swiftSettings: strict
        ),

        // The front door and its embedded store.
        .target(
            name: "ContactVault",
            dependencies: [
                "AccessLog", "AccessToken", "ContactModel", "CPhoneNumber", "EnvelopeEncryption",
                "FileStorage",
                "PurposePolicy", "StrictEncoding", "VaultCrypto",
            ],
            swiftSettings: strict
        ),
        .target(
            name: "SQLiteStore",
            dependencies: [
                "AccessLog", "ContactModel", "ContactVault", "StrictEncoding",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "PostgresStore",
            dependencies: ["CLibPQ", "ContactModel", "ContactVault", "StrictEncoding"],
            swiftSettings: strict
        ),

        // ══════════════ no HTTP dependency above this line ══════════════
        .target(name: "VaultAPI", dependencies: ["ContactModel"], swiftSettings: strict),
        .target(
            name: "VaultService",
            dependencies: [
                "AccessLog", "AccessToken", "ConfigurationFile", "ContactModel", "ContactVault",
                "EnvelopeEncryption", "FileStorage", "PurposePolicy", "StrictEncoding", "VaultAPI",
                "VaultCrypto",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "VaultClient",
            dependencies: [
                "AccessLog", "AccessToken", "ContactModel", "StrictEncoding", "VaultAPI", "VaultCrypto",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "contact-vault",
            dependencies: [
                "AccessLog", "AccessToken", "CProcessHardening", "ConfigurationFile", "ContactModel",
                "ContactVault", "EnvelopeEncryption", "FileStorage", "HardwareRootKey", "PurposePolicy",
                "SQLiteStore", "StrictEncoding", "VaultAPI", "VaultClient",
                "VaultCrypto", "VaultService",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "VaultTesting",
            dependencies: [
                "AccessLog", "AccessToken", "ContactModel", "ContactVault", "EnvelopeEncryption",
                "PurposePolicy",
                "SQLiteStore", "StrictEncoding", "VaultCrypto",
            ],
            swiftSettings: strictTests
        ),
        .executableTarget(
            name: "vault-bench",
            dependencies: [
                "AccessLog", "AccessToken", "COpenSSLTLS", "ContactModel", "ContactVault",
                "EnvelopeEncryption",
                "PurposePolicy",
                "SQLiteStore", "StrictEncoding", "VaultClient", "VaultCrypto",
            ],
            swiftSettings: strictTests
        ),

        // Tests, one target for each of ours.
        .testTarget(
            name: "StrictEncodingTests", dependencies: ["StrictEncoding"], swiftSettings: strictTests),
        .testTarget(
            name: "ContactModelTests", dependencies: ["ContactModel", "StrictEncoding"],
            swiftSettings: strictTests),
        .testTarget(
            name: "VaultCryptoTests", dependencies: ["StrictEncoding", "VaultCrypto"],
            swiftSettings: strictTests),
        .testTarget(
            name: "ConfigurationFileTests", dependencies: ["ConfigurationFile"], swiftSettings: strictTests),
        .testTarget(
            name: "EnvelopeEncryptionTests",
            dependencies: ["ContactModel", "EnvelopeEncryption", "StrictEncoding", "VaultCrypto"],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "HardwareRootKeyTests",
            dependencies: [
                "CCryptoki", "ContactModel", "EnvelopeEncryption", "HardwareRootKey", "VaultCrypto",
            ],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "AccessTokenTests",
            dependencies: ["AccessToken", "ContactModel", "StrictEncoding", "VaultCrypto"],
            // Read where it lies by the Python of `make bootstrap`.
            exclude: ["Interoperability"],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "PurposePolicyTests",
            dependencies: [
                "ConfigurationFile", "ContactModel", "PurposePolicy", "StrictEncoding", "VaultCrypto",
            ],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "AccessLogTests",
            dependencies: ["AccessLog", "ContactModel", "StrictEncoding", "VaultCrypto"],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "ContactVaultTests",
            dependencies: [
                "AccessLog", "AccessToken", "ContactModel", "ContactVault", "EnvelopeEncryption",
                "PurposePolicy",
                "SQLiteStore", "StrictEncoding", "VaultCrypto", "VaultTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "SQLiteStoreTests",
            dependencies: [
                "ContactModel", "ContactVault", "SQLiteStore", "VaultTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "PostgresStoreTests",
            dependencies: ["ContactModel", "ContactVault", "PostgresStore", "VaultTesting"],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "VaultClientTests",
            dependencies: [
                "AccessToken", "ContactModel", "StrictEncoding", "VaultAPI", "VaultClient", "VaultCrypto",
                "VaultTesting",
            ],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "AccessLog", "AccessToken", "ConfigurationFile", "ContactModel", "ContactVault",
                "EnvelopeEncryption", "PurposePolicy",
                "SQLiteStore", "StrictEncoding", "VaultAPI", "VaultClient", "VaultCrypto", "VaultService",
                "VaultTesting",
                "contact-vault",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strictTests
        ),
        .testTarget(name: "TidyTests", swiftSettings: strictTests),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

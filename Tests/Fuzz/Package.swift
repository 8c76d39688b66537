// swift-tools-version: 6.2
//
// Fuzz targets for the parsers that read what strangers send, built by `make fuzz` and never by `make test`; see
// docs/fuzzing.md. A package of its own, so that instrumented modules never mix with the others.

import PackageDescription

/// The program's `main` is the fuzzer's.
func fuzzTarget(_ name: String, reaching product: String) -> Target {
    .executableTarget(
        name: name,
        dependencies: [.product(name: product, package: "contact-vault")],
        swiftSettings: [
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .treatAllWarnings(as: .error),
            .unsafeFlags(["-parse-as-library"]),
        ]
    )
}

let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "contact-vault", path: "../..")],
    targets: [
        fuzzTarget("fuzz-cve1", reaching: "ContactVault"),
        // The smallest product that has StrictEncoding: fewer counters, more executions.
        fuzzTarget("fuzz-json", reaching: "AccessLog"),
        fuzzTarget("fuzz-jws", reaching: "ContactVault"),
    ],
    swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
//
// A package as a Swift programmer would write it who embeds the vault: one dependency, the product ContactVault. A test
// builds and runs it, and checks that nothing of an HTTP server was built for it.

import PackageDescription

let package = Package(
    name: "embedding",
    dependencies: [.package(name: "contact-vault", path: "../..")],
    targets: [
        .executableTarget(
            name: "embedding",
            dependencies: [.product(name: "ContactVault", package: "contact-vault")]
        )
    ],
    swiftLanguageModes: [.v6]
)

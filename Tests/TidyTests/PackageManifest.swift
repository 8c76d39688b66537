// The package as the build system understands it: `swift package dump-package`.

import Foundation
import Testing

/// The targets of the package and what they depend on.
struct PackageManifest {
    /// A dependency on a product of another package.
    struct Product: Hashable {
        let name: String
        let package: String
    }

    struct Target {
        let name: String
        /// `regular`, `executable`, `test`, `system`, …
        let type: String
        /// Targets of this package.
        let targets: Set<String>
        /// Products of other packages.
        let products: Set<Product>
    }

    let targets: [String: Target]

    /// The manifest of this checkout. A scratch folder of its own, because the build that runs these tests may hold
    /// the lock of the usual one.
    static func ofThisCheckout() throws -> PackageManifest {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent(
                "tidy-\(ProcessInfo.processInfo.processIdentifier)-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let output = folder.appendingPathComponent("package.json")
        let messages = folder.appendingPathComponent("messages")
        for file in [output, messages] { try Data().write(to: file) }

        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "swift", "package", "--package-path", SourceTree.root.path, "--scratch-path",
            folder.appendingPathComponent("scratch").path, "dump-package",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: messages)
        try process.run()
        process.waitUntilExit()
        let complaint = String(decoding: try Data(contentsOf: messages), as: UTF8.self)
        try #require(process.terminationStatus == 0, "swift package dump-package: \(complaint)")
        return try PackageManifest(json: Data(contentsOf: output))
    }

    init(json: Data) throws {
        let package = try #require(JSONSerialization.jsonObject(with: json) as? [String: Any])
        var targets: [String: Target] = [:]
        for entry in try #require(package["targets"] as? [[String: Any]]) {
            let name = try #require(entry["name"] as? String)
            var own: Set<String> = []
            var products: Set<Product> = []
            for dependency in entry["dependencies"] as? [[String: Any]] ?? [] {
                if let parts = (dependency["byName"] ?? dependency["target"]) as? [Any],
                    let other = parts.first as? String
                {
                    own.insert(other)
                } else if let parts = dependency["product"] as? [Any], parts.count >= 2,
                    let product = parts[0] as? String, let source = parts[1] as? String
                {
                    products.insert(Product(name: product, package: source))
                } else {
                    Issue.record("a dependency of \(name) of a kind this test does not know")
                }
            }
            targets[name] = Target(
                name: name, type: entry["type"] as? String ?? "", targets: own, products: products)
        }
        self.targets = targets
    }

    init(targets: [Target]) { self.targets = Dictionary(uniqueKeysWithValues: targets.map { ($0.name, $0) }) }

    /// Everything a target is built from, itself included.
    func closure(of name: String) -> Set<String> {
        var seen: Set<String> = []
        var waiting = [name]
        while let next = waiting.popLast() {
            if seen.insert(next).inserted { waiting += targets[next]?.targets ?? [] }
        }
        return seen
    }
}

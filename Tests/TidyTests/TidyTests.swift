// The rules of docs/architecture.md and CONTRIBUTING.md, held against the tree.

import Testing

@Suite("Tidy")
struct TidyTests {
    private let sources = SourceTree.swiftFiles(under: "Sources")
    private let tests = SourceTree.swiftFiles(under: "Tests")

    private func expectNone(_ complaints: [Complaint], _ location: SourceLocation = #_sourceLocation) {
        for complaint in complaints { Issue.record("\(complaint)", sourceLocation: location) }
    }

    @Test("the tree was found")
    func tree() {
        #expect(sources.contains { $0.path == "Sources/VaultCrypto/SecretBytes.swift" })
        #expect(tests.contains { $0.path == "Tests/TidyTests/TidyTests.swift" })
    }

    @Test("each foreign module has the targets that may import it")
    func imports() { expectNone(TidyRules.foreignImports(in: sources)) }

    @Test("no target imports one that it does not depend on")
    func declaredImports() {
        expectNone(TidyRules.undeclaredImports(in: sources, dependencies: Architecture.dependencies))
    }

    @Test("no private key lies in the tree")
    func privateKeys() { expectNone(TidyRules.privateKeys(in: SourceTree.files)) }

    @Test("no try!, no output outside the executables, no unexplained @unchecked Sendable")
    func forbiddenCode() { expectNone(TidyRules.forbiddenCode(in: sources)) }

    @Test("comments do not promise work")
    func promises() { expectNone(TidyRules.promises(in: sources + tests)) }

    @Test("names say what a thing is")
    func names() { expectNone(TidyRules.emptyNames(in: sources + tests)) }

    @Test("every public symbol is documented")
    func documentation() { expectNone(TidyRules.undocumented(in: sources)) }

    @Test("every source file begins with its purpose")
    func headers() { expectNone(TidyRules.missingHeaders(in: sources)) }

    @Test("the package is the drawing: the same targets, the same arrows")
    func architecture() throws {
        let manifest = try PackageManifest.ofThisCheckout()
        for deviation in Architecture.deviations(in: manifest) { Issue.record("\(deviation)") }
        for finding in Architecture.networkBelowTheLine(in: manifest) { Issue.record("\(finding)") }
        for name in manifest.closure(of: "ContactVault").subtracting(["ContactVault"]) {
            #expect(!manifest.closure(of: name).contains("ContactVault"), "\(name) depends on the front door")
        }
        #expect(manifest.closure(of: "AccessLog") == Architecture.auditorTargets)
    }
}

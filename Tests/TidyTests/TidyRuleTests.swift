// The rules themselves: each must find what it forbids and let pass what it allows.

import Foundation
import Testing

@Suite("Tidy rules")
struct TidyRuleTests {
    private func file(_ text: String, _ path: String = "Sources/AccessLog/A.swift") -> SourceFile {
        SourceFile(path: path, text: text)
    }

    @Test(
        "an import is found in every dress",
        arguments: [
            "import COpenSSL", "internal import COpenSSL", "@preconcurrency import COpenSSL",
            "@_implementationOnly import COpenSSL", "public import struct COpenSSL.BIGNUM",
            "    import COpenSSL",
            "@_spi(Private) private import COpenSSL // why not", "/* a */ import COpenSSL", "import NIOCore",
            "import NIO", "import HummingbirdTesting", "import GRDBSQLite", "import Crypto",
            "import FoundationNetworking",
        ])
    func foreignImport(text: String) {
        #expect(TidyRules.foreignImports(in: [file(text)]).count == 1)
    }

    @Test(
        "what is no import of a foreign module passes",
        arguments: [
            "// import COpenSSL", "/* import COpenSSL */", "/* /* */\nimport COpenSSL\n*/",
            "let a = \"\"\"\n    import COpenSSL\n    \"\"\"", "let a = #\"\"import COpenSSL\"#",
            "import Foundation",
            "import COpenSSLish", "important(COpenSSL)", "import ContactModel",
        ])
    func ownImport(text: String) {
        #expect(TidyRules.foreignImports(in: [file(text)]).isEmpty)
    }

    @Test("the owner of a module may import it")
    func owner() {
        #expect(
            TidyRules.foreignImports(in: [file("import COpenSSL", "Sources/VaultCrypto/A.swift")]).isEmpty)
        #expect(TidyRules.foreignImports(in: [file("import GRDB", "Sources/SQLiteStore/A.swift")]).isEmpty)
    }

    @Test("an import without a dependency is found")
    func undeclared() {
        let table: [String: Set<String>] = [
            "AccessLog": ["ContactModel"], "ContactModel": [], "AccessToken": [],
        ]
        let files = [file("import ContactModel\nimport AccessToken\nimport Foundation")]
        #expect(TidyRules.undeclaredImports(in: files, dependencies: table).map(\.line) == [2])
    }

    @Test("private keys are found in any file")
    func privateKeys() {
        let digits = String(repeating: "A1b2C3d4", count: 6)
        // Put together here, so that this file holds none.
        let samples = [
            "-----BEGIN " + "PRIVATE KEY-----", "-----BEGIN EC " + "PRIVATE KEY-----",
            "-----BEGIN OPENSSH " + "PRIVATE KEY-----", "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
            #"{"kty":"EC","d"# + "\": \"" + digits + "\"}", #"\"d\"# + "\":\\\"" + digits + "\\\"",
            "PRIVATE+" + "KEY+vault.example/log+28fba4f1+" + digits,
            "AGE-SECRET-" + "KEY-1" + digits.uppercased(),
        ]
        for sample in samples {
            #expect(
                TidyRules.privateKeys(in: [file("text\n" + sample, "keys/a.txt")]).map(\.line) == [2],
                "\(sample)")
        }
        for sample in [
            "-----BEGIN PUBLIC KEY-----", #"{"id":"\#(digits)"}"#, #"{"d":1}"#, #"{"x":"\#(digits)"}"#,
        ] {
            #expect(TidyRules.privateKeys(in: [file(sample)]).isEmpty, "\(sample)")
        }
    }

    @Test(
        "forbidden code is found",
        arguments: [
            "let a = try! b()", "nonisolated(unsafe) var a = 1", "nonisolated( unsafe ) static var a = 1",
            "print(a)", "    Swift.self; print (a)", "debugPrint(a)", "dump(a)", "NSLog(\"\")",
            "if a { print(1) }",
            "let a = \"\\(try! b())\"", "final class A: @unchecked Sendable {}",
            "struct A: B, @unchecked  Sendable {}",
            "// A comment that says nothing.\nfinal class A: @unchecked Sendable {}",
            "// It is immutable.\n\n\n\nfinal class A: @unchecked Sendable {}",
        ])
    func forbidden(text: String) {
        #expect(TidyRules.forbiddenCode(in: [file(text)]).count == 1)
    }

    @Test(
        "allowed code passes",
        arguments: [
            "// try! is forbidden", "let a = \"try! print(\"", "try b()", "try? b()", "fingerprint(a)",
            "a.print(b)",
            "func print(_ a: Int) {}", "blueprint (a)",
            "// Guarded by a lock.\nfinal class A: @unchecked Sendable {}",
            "final class A: @unchecked Sendable {\n    // Sendable holds: never written after init.\n}",
        ])
    func allowed(text: String) {
        #expect(TidyRules.forbiddenCode(in: [file(text)]).isEmpty)
    }

    @Test("the executables may print")
    func printing() {
        #expect(TidyRules.forbiddenCode(in: [file("print(a)", "Sources/contact-vault/A.swift")]).isEmpty)
    }

    @Test("promised work is found in comments only")
    func promises() {
        let word = "TO" + "DO"
        #expect(TidyRules.promises(in: [file("let a = 1 // \(word): later")]).count == 1)
        #expect(TidyRules.promises(in: [file("/* \n FIX\("ME") */")]).count == 1)
        #expect(TidyRules.promises(in: [file("let a = \"\(word)\" // a todo list")]).isEmpty)
    }

    @Test("empty names are found in files and types, whole words only")
    func names() {
        for text in [
            "struct StringUtils {}", "final class KeyManager {}", "enum Helpers {}",
            "protocol CommonThing {}",
        ] {
            #expect(TidyRules.emptyNames(in: [file(text)]).count == 1, "\(text)")
        }
        #expect(TidyRules.emptyNames(in: [file("", "Sources/AccessLog/LogHelper.swift")]).count == 1)
        #expect(TidyRules.emptyNames(in: [file("", "Sources/AccessLog/Date+Utilities.swift")]).count == 1)
        for text in [
            "struct Score {}", "enum Commonwealth {}", "struct Corelation {}", "// struct Utils",
            "class var a = 1",
        ] {
            #expect(TidyRules.emptyNames(in: [file(text)]).isEmpty, "\(text)")
        }
    }

    @Test(
        "public symbols without documentation are found",
        arguments: [
            "public let a = 1", "public static func a() {}", "    public init?(a: Int) {}",
            "@inlinable public func a() {}",
            "// No documentation.\npublic struct A {}", "public private(set) var a = 1",
            "public final class A {}",
            "/// Of another.\nlet b = 1\npublic let a = 1", "public typealias A = B",
            "public subscript(a: Int) -> Int { 1 }",
            "@safe\npublic struct A {}", "public mutating func a() {}", "open class A {}",
            "public indirect enum A {}",
            "/// Documented.\npublic protocol A {\n    func b()\n}",
            "/// Documented.\npublic protocol A {\n    /// Documented.\n    func b()\n    static var c: Int { get }\n}",
        ])
    func undocumented(text: String) {
        #expect(TidyRules.undocumented(in: [file(text)]).count == 1)
    }

    @Test(
        "documented and inner symbols pass",
        arguments: [
            "/// A.\npublic let a = 1", "/// A.\n@inlinable\n@safe\npublic func a() {}", "let a = 1",
            "public import A",
            "package func a() {}", "// public let a = 1", "let a = \"\"\"\n    public let a = 1\n    \"\"\"",
            "public static func == (left: A, right: A) -> Bool { true }",
            "public func hash(into hasher: inout Hasher) {}",
            "/// A.\npublic protocol A {\n    /// B.\n    func b()\n}\nextension A {\n    func c() {}\n}",
            "/// A.\npublic protocol A {}\nfunc c() {}", "/// A.\npublic enum A {\n    case b\n}",
        ])
    func documented(text: String) {
        #expect(TidyRules.undocumented(in: [file(text)]).isEmpty)
    }

    @Test("a file without its purpose is found")
    func headers() {
        #expect(TidyRules.missingHeaders(in: [file("import Foundation")]).count == 1)
        #expect(TidyRules.missingHeaders(in: [file("\n// Late.")]).count == 1)
        #expect(TidyRules.missingHeaders(in: [file("// Purpose.\nimport Foundation")]).isEmpty)
    }

    @Test("code, comments and strings are told apart")
    func splitting() {
        let text = SwiftText(
            "a(\"x // y\") // z \"w\"\nb /* c\n d */ e #\"\\(f)\"# \"\\(g + \"h\" /* i */)\"")
        #expect(text.code[0].trimmingCharacters(in: .whitespaces) == "a(\"      \")")
        #expect(text.comments[0].trimmingCharacters(in: .whitespaces) == "// z \"w\"")
        #expect(text.code[1].trimmingCharacters(in: .whitespaces) == "b")
        #expect(text.comments[2].split(separator: " ") == ["d", "*/", "/*", "i", "*/"])
        #expect(text.code[2].contains("g + \" \""))
        #expect(!text.code[2].contains("f"))
    }

    @Test("a new arrow, a lost arrow and a new target are deviations; so is a socket below the line")
    func manifests() {
        func target(
            _ name: String, _ targets: Set<String>, _ package: String? = nil
        ) -> PackageManifest.Target {
            PackageManifest.Target(
                name: name, type: "regular", targets: targets,
                products: Set(package.map { [PackageManifest.Product(name: "NIOCore", package: $0)] } ?? []))
        }
        let complete = Architecture.dependencies.map { name, dependencies in
            PackageManifest.Target(
                name: name, type: "regular", targets: dependencies.filter { !$0.contains("/") },
                products: Set(
                    dependencies.filter { $0.contains("/") }.map { text in
                        let parts = text.split(separator: "/").map(String.init)
                        return PackageManifest.Product(name: parts[1], package: parts[0])
                    }))
        }
        func changed(_ target: PackageManifest.Target) -> PackageManifest {
            PackageManifest(targets: complete.filter { $0.name != target.name } + [target])
        }
        let whole = PackageManifest(targets: complete)
        #expect(Architecture.deviations(in: whole).isEmpty)
        #expect(Architecture.networkBelowTheLine(in: whole).isEmpty)
        #expect(whole.closure(of: "AccessLog") == Architecture.auditorTargets)

        #expect(
            Architecture.deviations(in: changed(target("ContactModel", ["StrictEncoding", "VaultCrypto"])))
                .count == 1)
        #expect(Architecture.deviations(in: changed(target("ContactModel", []))).count == 1)
        #expect(Architecture.deviations(in: changed(target("Extra", []))).count == 1)
        #expect(
            Architecture.deviations(in: PackageManifest(targets: complete.filter { $0.name != "VaultAPI" }))
                .count == 1)
        let socket = changed(target("StrictEncoding", [], "swift-nio"))
        #expect(Architecture.networkBelowTheLine(in: socket).contains { $0.hasPrefix("ContactVault ") })
    }
}

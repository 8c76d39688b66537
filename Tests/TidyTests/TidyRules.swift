// The house rules, each as a function from files to complaints.

import Foundation

/// What a rule found, with its place.
struct Complaint: CustomStringConvertible {
    let path: String
    let line: Int?
    let message: String

    var description: String { line.map { "\(path):\($0): \(message)" } ?? "\(path): \(message)" }
}

enum TidyRules {
    // MARK: Imports

    /// Modules that only some targets may import. A name ending in `*` stands for all modules that begin so.
    static let importOwners: [(module: String, owners: Set<String>)] = [
        ("COpenSSL", ["VaultCrypto"]),
        // The load generator of the measurements; what is served and shipped speaks TLS by NIO.
        ("COpenSSLTLS", ["vault-bench"]),
        ("CPhoneNumber", ["ContactVault"]),
        // A library must not change the heap of the program that embeds it.
        ("CProcessHardening", ["contact-vault"]),
        ("CCryptoki", ["HardwareRootKey"]),
        ("CLibPQ", ["PostgresStore"]),
        ("Yams", ["ConfigurationFile"]),
        ("GRDB*", ["SQLiteStore"]),
        ("Hummingbird*", ["VaultService"]),
        ("AsyncHTTPClient", ["VaultClient"]),
        ("ArgumentParser", ["contact-vault"]),
        ("NIO*", ["VaultService", "VaultClient"]),
        ("HTTPTypes*", ["VaultService"]),
        ("ServiceLifecycle", ["VaultService"]),
        // Cryptography comes from one library, and requests leave through one client.
        ("Crypto*", []),
        ("_CryptoExtras", []),
        ("FoundationNetworking", []),
    ]

    static func imports(of text: SwiftText) -> [(line: Int, module: String)] {
        let pattern =
            #/
            ^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+
            (?:(?:struct|class|enum|protocol|typealias|func|var|let|actor)\s+)?(\w+)
            /#
        return text.code.enumerated().filter { $0.element.contains("import") }.compactMap { index, line in
            (try? pattern.firstMatch(in: line)).map { (index + 1, String($0.1)) }
        }
    }

    /// Modules imported outside the targets that own them.
    static func foreignImports(in files: [SourceFile]) -> [Complaint] {
        var complaints: [Complaint] = []
        for file in files where file.isSwift {
            guard let target = file.target else { continue }
            for (line, module) in imports(of: file.swift) {
                for rule in importOwners where !rule.owners.contains(target) {
                    let isMatch =
                        rule.module.hasSuffix("*")
                        ? module.hasPrefix(rule.module.dropLast()) : module == rule.module
                    if isMatch {
                        let message = "\(target) imports \(module), which belongs to \(rule.owners.sorted())"
                        complaints.append(Complaint(path: file.path, line: line, message: message))
                    }
                }
            }
        }
        return complaints
    }

    /// Targets of this package imported by a target that does not declare them: the build system lets that pass when
    /// another target happened to build them first.
    static func undeclaredImports(in files: [SourceFile], dependencies: [String: Set<String>]) -> [Complaint]
    {
        var complaints: [Complaint] = []
        for file in files where file.isSwift {
            guard let target = file.target, let declared = dependencies[target] else { continue }
            for (line, module) in imports(of: file.swift)
            where dependencies[module] != nil && !declared.contains(module) {
                let message = "\(target) imports \(module) without depending on it"
                complaints.append(Complaint(path: file.path, line: line, message: message))
            }
        }
        return complaints
    }

    // MARK: Private keys

    /// Files that may hold published private keys, each with where they are published.
    static let publishedKeys: [String: String] = [:]

    /// Private keys: PEM blocks, JSON Web Keys with a private member, and the text forms of other tools.
    static func privateKeys(in files: [SourceFile]) -> [Complaint] {
        let patterns: [(Regex<AnyRegexOutput>, String)] = [
            (Regex(#/-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----/#), "a PEM private key"),
            (
                Regex(#/\\?"d\\?"\s*:\s*\\?"[A-Za-z0-9_\-]{20,}={0,2}\\?"/#),
                "a JSON Web Key with its private member"
            ),
            (Regex(#/PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+\/]{20,}/#), "a note signer key"),
            (Regex(#/AGE-SECRET-KEY-1[0-9A-Z]{20,}/#), "an age identity"),
        ]
        var complaints: [Complaint] = []
        for file in files where publishedKeys[file.path] == nil {
            for (index, line) in file.text.split(separator: "\n", omittingEmptySubsequences: false)
                .enumerated()
            {
                // Every pattern has one of these in it.
                guard line.contains("KEY") || line.contains("\"d") else { continue }
                for (pattern, name) in patterns where (try? pattern.firstMatch(in: line)) != nil {
                    complaints.append(Complaint(path: file.path, line: index + 1, message: "holds \(name)"))
                }
            }
        }
        return complaints
    }

    // MARK: Words

    /// Targets whose business is standard output.
    private static let printingTargets: Set<String> = ["contact-vault", "vault-bench"]

    /// Constructs that are forbidden in `Sources`.
    static func forbiddenCode(in files: [SourceFile]) -> [Complaint] {
        var complaints: [Complaint] = []
        for file in files where file.isSwift {
            let text = file.swift
            // A cheap search before four expensive ones.
            for (index, line) in text.code.enumerated()
            where ["try!", "unsafe", "rint", "dump", "NSLog", "unchecked"].contains(where: {
                line.contains($0)
            }) {
                func complain(_ message: String) {
                    complaints.append(Complaint(path: file.path, line: index + 1, message: message))
                }
                if line.contains(#/\btry!/#) { complain("try! turns an error into a crash") }
                if line.contains(#/\bnonisolated\s*\(\s*unsafe\s*\)/#) { complain("nonisolated(unsafe)") }
                if line.contains(#/(?:^|[^\w.])(?:print|debugPrint|dump|NSLog)\s*\(/#),
                    !line.contains(#/\bfunc\s+(?:print|debugPrint|dump|NSLog)\b/#),
                    !printingTargets.contains(file.target ?? "")
                {
                    complain("writes to standard output")
                }
                if line.contains(#/@unchecked\s+Sendable/#) && !explainsSharing(text, near: index) {
                    complain(
                        "@unchecked Sendable without a comment within three lines that says why it holds")
                }
            }
        }
        return complaints
    }

    private static func explainsSharing(_ text: SwiftText, near index: Int) -> Bool {
        let window = text.comments[max(0, index - 3)...min(text.comments.count - 1, index + 3)]
        return window.joined(separator: " ").lowercased()
            .contains(#/sendable|thread|shared?\b|sharing|lock|immutable|concurren/#)
    }

    /// Words in comments that promise work instead of doing it.
    static func promises(in files: [SourceFile]) -> [Complaint] {
        var complaints: [Complaint] = []
        for file in files where file.isSwift {
            for (index, line) in file.swift.comments.enumerated()
            where line.contains(#/\b(?:TODO|FIXME|XXX|HACK)\b/#) {
                complaints.append(Complaint(path: file.path, line: index + 1, message: "promises work"))
            }
        }
        return complaints
    }

    /// Names that say nothing, in files and types.
    static func emptyNames(in files: [SourceFile]) -> [Complaint] {
        let vague =
            #/(?:^|[^A-Z])(?:Utils?|Utilities|Utility|Helpers?|Common|Core|Manager|Managers)(?![a-z])/#
        let declaration = #/\b(?:struct|class|enum|actor|protocol|typealias)\s+(\w+)/#
        var complaints: [Complaint] = []
        for file in files where file.isSwift {
            let name = file.path.split(separator: "/").last.map { String($0.dropLast(6)) } ?? ""
            if name.contains(vague) {
                complaints.append(
                    Complaint(path: file.path, line: nil, message: "a file name that says nothing"))
            }
            for (index, line) in file.swift.code.enumerated() {
                for match in line.matches(of: declaration) where match.1.contains(vague) {
                    let message = "\(match.1) is a name that says nothing"
                    complaints.append(Complaint(path: file.path, line: index + 1, message: message))
                }
            }
        }
        return complaints
    }

    // MARK: Documentation

    /// Witnesses of the standard library's protocols: their documentation is the protocol's.
    private static let witnesses: [String] = [
        "static func == ", "static func < ", "func hash(into", "var description:", "var debugDescription:",
        "func encode(to", "init(from ", "mutating func next()", "func makeIterator()", "var hashValue:",
    ]

    /// Public declarations without a documentation comment, requirements of public protocols included. Cases of
    /// enumerations are left out: where a name does not speak for itself, review asks for more.
    static func undocumented(in files: [SourceFile]) -> [Complaint] {
        let modifiers =
            #"(?:(?:static|class|final|mutating|nonmutating|borrowing|consuming|nonisolated|override|"#
            + #"required|convenience|lazy|weak|indirect|async|unsafe|distributed|prefix|postfix|infix)\s+)*"#
        let kinds =
            #"(?:func|var|let|struct|enum|class|actor|protocol|init|typealias|subscript|associatedtype|macro)\b"#
        let attributes = #"(?:@\w+(?:\([^)]*\))?\s+)*"#
        guard
            let publicDeclaration = try? Regex(
                #"^\s*"# + attributes + modifiers + #"(?:public|open)\s+"#
                    + #"(?:(?:private|fileprivate|internal|package)\(set\)\s+)?"# + modifiers + kinds),
            let requirement = try? Regex(#"^\s*"# + attributes + modifiers + kinds),
            let publicProtocol = try? Regex(#"^\s*"# + attributes + #"public\s+protocol\b"#)
        else { return [Complaint(path: "TidyRules.swift", line: nil, message: "a pattern does not compile")] }

        var complaints: [Complaint] = []
        for file in files where file.isSwift {
            let text = file.swift
            var depth = 0
            var protocolDepth: Int?
            for (index, line) in text.code.enumerated() {
                let isRequirement = protocolDepth.map { depth == $0 + 1 } ?? false
                let isPublic =
                    ["public", "open"].contains { line.contains($0) } && line.contains(publicDeclaration)
                if isPublic || (isRequirement && line.contains(requirement)) {
                    let isWitness = witnesses.contains { line.contains($0) }
                    if !isWitness && !isDocumented(text, at: index) {
                        let name = line.trimmingCharacters(in: .whitespaces)
                        let message = "no documentation: \(name)"
                        complaints.append(Complaint(path: file.path, line: index + 1, message: message))
                    }
                }
                if protocolDepth == nil, line.contains("protocol"), line.contains(publicProtocol) {
                    protocolDepth = depth
                }
                depth += line.count { $0 == "{" } - line.count { $0 == "}" }
                if let start = protocolDepth, depth <= start, line.contains("}") { protocolDepth = nil }
            }
        }
        return complaints
    }

    /// Whether the nearest line above that is no attribute is a documentation comment.
    private static func isDocumented(_ text: SwiftText, at index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = text.lines[above].trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("///") { return true }
            guard line.hasPrefix("@") || line.hasPrefix("#if") else { return false }
            above -= 1
        }
        return false
    }

    /// Swift files that do not begin with a comment of purpose.
    static func missingHeaders(in files: [SourceFile]) -> [Complaint] {
        files.filter { $0.isSwift && !$0.text.hasPrefix("// ") }
            .map {
                Complaint(
                    path: $0.path, line: 1, message: "does not begin with a comment that says its purpose")
            }
    }
}

// Which root key a vault has: the section `root_key` of `contact-vault.yaml`. It names a place and never a secret.

import ConfigurationFile
public import ContactVault

/// Where the root key is. One provider is in force; none takes the place of another.
public enum RootKeySettings: Hashable, Sendable {
    /// In a file of the vault's folder.
    case file(name: String)
    /// A systemd credential.
    case credential
    /// An object of a PKCS#11 token: absolute path of the module, label of the token, label of the key.
    case pkcs11(module: String, token: String, key: String)

    /// What a configuration without the section means.
    public static let standard = RootKeySettings.file(name: "root.key")

    /// The provider.
    public var provider: RootKeyProvider {
        switch self {
        case .file: .file
        case .credential: .credential
        case .pkcs11: .pkcs11
        }
    }

    /// Reads the section.
    /// - Throws: `ConfigurationFault` naming file, line and key.
    init(_ node: ConfigurationNode) throws(ConfigurationFault) {
        switch try node.choice("provider", of: RootKeyProvider.self) {
        case .file:
            let name = try node.optionalString("file") ?? "root.key"
            guard Self.isFileName(name) else {
                throw node.fault("use a name in the vault's folder: letters, digits, . - and _", key: "file")
            }
            self = .file(name: name)
        case .credential: self = .credential
        case .pkcs11:
            let (module, token, key) = (
                try node.string("module"), try node.string("token"), try node.string("key")
            )
            guard Self.isModule(module) else {
                throw node.fault("use the absolute path of the module", key: "module")
            }
            guard Self.isLabel(token, limit: 32) else {
                throw node.fault("use the token's label, at most 32 bytes", key: "token")
            }
            guard Self.isLabel(key, limit: 64) else {
                throw node.fault("use the key's label, at most 64 bytes", key: "key")
            }
            self = .pkcs11(module: module, token: token, key: key)
        }
    }

    /// Whether these may be written into a configuration and come back as they are.
    public var isAcceptable: Bool {
        switch self {
        case .file(let name): Self.isFileName(name)
        case .credential: true
        case .pkcs11(let module, let token, let key):
            Self.isModule(module) && Self.isLabel(token, limit: 32) && Self.isLabel(key, limit: 64)
        }
    }

    private static func isFileName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && !name.hasPrefix(".")
            && name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0)
                    || $0 == 0x2D || $0 == 0x5F || $0 == 0x2E
            }
    }

    /// The loader would search for a name without a path.
    private static func isModule(_ path: String) -> Bool {
        path.hasPrefix("/") && isLabel(path, limit: 1024)
    }

    /// What stands between two double quotes as it is.
    private static func isLabel(_ text: String, limit: Int) -> Bool {
        (1...limit).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy {
                $0.value >= 0x20 && $0 != "\"" && $0 != "\\" && $0.value != 0x7F
            }
    }

    /// The section as text.
    public var section: String {
        switch self {
        case .file(let name): "root_key:\n  provider: file\n  file: \(name)\n"
        case .credential: "root_key:\n  provider: credential\n"
        case .pkcs11(let module, let token, let key):
            "root_key:\n  provider: pkcs11\n  module: \"\(module)\"\n  token: \"\(token)\"\n  key: \"\(key)\"\n"
        }
    }

    /// A configuration in which this section takes the place of the one that is there; everything else, comments included,
    /// stays as it is.
    /// - Returns: the text, or `nil` if that cannot be done so that it reads as it should.
    public func replacingSection(in text: String, file: String) -> String? {
        guard isAcceptable, let before = try? ServiceConfiguration(text: text, file: file) else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last?.isEmpty == true { lines.removeLast() }
        let new = section.split(separator: "\n").map(String.init)
        if let start = lines.firstIndex(where: { $0.hasPrefix("root_key:") }) {
            let end = lines[(start + 1)...].firstIndex { !$0.hasPrefix(" ") } ?? lines.endIndex
            lines.replaceSubrange(start..<end, with: new)
        } else {
            lines += (lines.last?.isEmpty == false ? [""] : []) + new
        }
        let replaced = lines.joined(separator: "\n") + "\n"
        guard let after = try? ServiceConfiguration(text: replaced, file: file), after.rootKey == self,
            after.instance == before.instance, after.data.port == before.data.port
        else { return nil }
        return replaced
    }
}

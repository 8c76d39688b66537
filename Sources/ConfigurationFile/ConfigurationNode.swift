// One value of a configuration file with its place, read by the type that the program expects.

import Yams

/// A mapping, list or scalar of a configuration file. Readers take the key, check the type and remember that the key was
/// asked for; ``finish()`` refuses what nobody asked for, so that a misspelt key is a fault and not a silent default.
///
/// Guarantee: no reader's fault carries the value that it found.
public final class ConfigurationNode {
    enum Content {
        case mapping([(key: String, node: ConfigurationNode)])
        case list([ConfigurationNode])
        case scalar(String, isPlain: Bool)
    }

    /// The file's name, for faults.
    public let file: String
    /// The line of the key, or of the list item; `nil` for the root.
    public let line: Int?
    /// The key with those above it, joined by dots; empty for the root.
    public let path: String

    let content: Content
    /// Keys that were asked for, present or not, in the order of asking.
    private var known: [String] = []
    private var isOpen = false

    init(file: String, line: Int?, path: String, content: Content) {
        self.file = file
        self.line = line
        self.path = path
        self.content = content
    }

    /// A node and all below it, in one go: the parser has bounded the depth.
    init(_ yaml: Node, file: String, line: Int?, path: String) throws(ConfigurationFault) {
        self.file = file
        self.line = line
        self.path = path
        func fault(_ problem: String, line: Int? = line, path: String = path) -> ConfigurationFault {
            ConfigurationFault(file: file, line: line, key: path, problem: problem)
        }
        switch yaml {
        case .scalar(let scalar):
            content = .scalar(scalar.string, isPlain: scalar.style == .plain)
        case .sequence(let sequence):
            var items: [ConfigurationNode] = []
            for (index, item) in sequence.enumerated() {
                items.append(
                    try ConfigurationNode(
                        item, file: file, line: item.mark?.line ?? line, path: "\(path)[\(index)]"))
            }
            content = .list(items)
        case .mapping(let mapping):
            var entries: [(key: String, node: ConfigurationNode)] = []
            for (key, value) in mapping {
                guard case .scalar(let name) = key, !name.string.isEmpty else {
                    throw fault("a key must be a word", line: key.mark?.line ?? line)
                }
                let below = (path.isEmpty ? "" : path + ".") + Self.printable(name.string)
                entries.append(
                    (
                        name.string,
                        try ConfigurationNode(value, file: file, line: name.mark?.line, path: below)
                    ))
            }
            content = .mapping(entries)
        case .alias:
            throw fault("aliases are not allowed")
        }
    }

    /// A key as it may stand in a message: what is not a plain word of at most 64 characters is not repeated.
    static func printable(_ key: String) -> String {
        let isWord =
            key.utf8.count <= 64
            && key.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"),
                    UInt8(ascii: "."):
                    true
                default: false
                }
            }
        return isWord ? key : "(not a plain word)"
    }

    // MARK: Faults

    /// A fault of this value, for checks of the caller's own.
    /// - Parameters:
    ///   - problem: what is wrong and what is expected, without the value.
    ///   - key: a key of this mapping that the fault is about; its line is used if it is there.
    public func fault(_ problem: String, key: String? = nil) -> ConfigurationFault {
        guard let key else { return ConfigurationFault(file: file, line: line, key: path, problem: problem) }
        let below = (path.isEmpty ? "" : path + ".") + Self.printable(key)
        return ConfigurationFault(file: file, line: entry(key)?.line ?? line, key: below, problem: problem)
    }

    /// Refuses every key, here and below, that no reader has asked for. Call it on the root when all is read.
    /// - Throws: the fault of the first such key in the file, with the keys that are known in its place.
    public func finish() throws(ConfigurationFault) {
        if let fault = firstUnread() { throw fault }
    }

    private func firstUnread() -> ConfigurationFault? {
        switch content {
        case .scalar:
            return nil
        case .list(let items):
            for item in items {
                if let fault = item.firstUnread() { return fault }
            }
            return nil
        case .mapping(let entries):
            for (key, node) in entries {
                if !isOpen && !known.contains(key) {
                    return node.fault(
                        "unknown key; keys known here: \(known.sorted().joined(separator: ", "))")
                }
                if let fault = node.firstUnread() { return fault }
            }
            return nil
        }
    }

    // MARK: Members of a mapping

    private func entry(_ key: String) -> ConfigurationNode? {
        if case .mapping(let entries) = content { entries.first { $0.key == key }?.node } else { nil }
    }

    /// The value of a key, `nil` if the key is absent.
    /// - Throws: a fault if this is not a mapping, or the key has no value.
    public func optionalValue(_ key: String) throws(ConfigurationFault) -> ConfigurationNode? {
        guard case .mapping = content else { throw fault("expected a mapping of keys to values") }
        if !known.contains(key) { known.append(key) }
        guard let node = entry(key) else { return nil }
        guard !node.isNull else { throw node.fault("has no value; give one or remove the key") }
        return node
    }

    /// The value of a key.
    /// - Throws: a fault if this is not a mapping, or the key is absent or has no value.
    public func value(_ key: String) throws(ConfigurationFault) -> ConfigurationNode {
        guard let node = try optionalValue(key) else { throw fault("is missing", key: key) }
        return node
    }

    /// All entries of this mapping in the order of the file, for mappings whose keys are names; none of them is then
    /// unknown.
    /// - Throws: a fault if this is not a mapping, or an entry has no value.
    public func entries() throws(ConfigurationFault) -> [(key: String, node: ConfigurationNode)] {
        guard case .mapping(let entries) = content else {
            throw fault("expected a mapping of keys to values")
        }
        isOpen = true
        for entry in entries where entry.node.isNull { throw entry.node.fault("has no value") }
        return entries
    }

    /// The mapping under a key.
    public func mapping(_ key: String) throws(ConfigurationFault) -> ConfigurationNode {
        try value(key).asMapping()
    }

    /// The mapping under a key, `nil` if the key is absent.
    public func optionalMapping(_ key: String) throws(ConfigurationFault) -> ConfigurationNode? {
        try optionalValue(key)?.asMapping()
    }

    /// The list under a key.
    public func list(_ key: String) throws(ConfigurationFault) -> [ConfigurationNode] {
        try value(key).asList()
    }

    /// The list under a key, `nil` if the key is absent.
    public func optionalList(_ key: String) throws(ConfigurationFault) -> [ConfigurationNode]? {
        try optionalValue(key)?.asList()
    }

    /// The text under a key, not empty.
    public func string(_ key: String) throws(ConfigurationFault) -> String { try value(key).asString() }

    /// The text under a key, `nil` if the key is absent.
    public func optionalString(_ key: String) throws(ConfigurationFault) -> String? {
        try optionalValue(key)?.asString()
    }

    /// The integer under a key, within a range.
    public func integer(_ key: String, in range: ClosedRange<Int64>) throws(ConfigurationFault) -> Int64 {
        try value(key).asInteger(in: range)
    }

    /// The integer under a key, `nil` if the key is absent.
    public func optionalInteger(
        _ key: String, in range: ClosedRange<Int64>
    ) throws(ConfigurationFault) -> Int64? {
        try optionalValue(key)?.asInteger(in: range)
    }

    /// `true` or `false` under a key.
    public func bool(_ key: String) throws(ConfigurationFault) -> Bool { try value(key).asBool() }

    /// `true` or `false` under a key, `nil` if the key is absent.
    public func optionalBool(_ key: String) throws(ConfigurationFault) -> Bool? {
        try optionalValue(key)?.asBool()
    }

    /// One of a closed set of words under a key.
    public func choice<Choice>(_ key: String, of type: Choice.Type) throws(ConfigurationFault) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        try value(key).asChoice(of: type)
    }

    /// One of a closed set of words under a key, `nil` if the key is absent.
    public func optionalChoice<Choice>(
        _ key: String, of type: Choice.Type
    ) throws(ConfigurationFault) -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        try optionalValue(key)?.asChoice(of: type)
    }

    /// A list of words of a closed set under a key, none twice.
    public func choices<Choice>(_ key: String, of type: Choice.Type) throws(ConfigurationFault) -> [Choice]
    where Choice: RawRepresentable<String> & CaseIterable {
        try value(key).asChoices(of: type)
    }

    /// A list of words of a closed set under a key, none twice; `nil` if the key is absent.
    public func optionalChoices<Choice>(
        _ key: String, of type: Choice.Type
    ) throws(ConfigurationFault) -> [Choice]?
    where Choice: RawRepresentable<String> & CaseIterable {
        try optionalValue(key)?.asChoices(of: type)
    }

    // MARK: This value

    /// Whether this is exactly the plain or quoted word.
    public func isWord(_ word: String) -> Bool {
        if case .scalar(let text, _) = content { text == word } else { false }
    }

    /// Whether this is a single word, number or text, neither a mapping nor a list.
    public var isScalar: Bool { if case .scalar = content { true } else { false } }

    /// This value as a mapping.
    public func asMapping() throws(ConfigurationFault) -> ConfigurationNode {
        guard case .mapping = content else { throw fault("expected a mapping of keys to values") }
        return self
    }

    /// The items of this list.
    public func asList() throws(ConfigurationFault) -> [ConfigurationNode] {
        guard case .list(let items) = content else { throw fault("expected a list") }
        for item in items where item.isNull { throw item.fault("has no value") }
        return items
    }

    /// This value as text that is not empty. What another YAML reader takes for a number, a truth value or nothing must
    /// be in quotes to be text.
    public func asString() throws(ConfigurationFault) -> String {
        guard case .scalar(let text, let isPlain) = content else { throw fault("expected text") }
        guard !text.isEmpty else { throw fault("expected text that is not empty") }
        guard !isPlain || !Self.hasAnotherReading(text) else {
            throw fault("expected text; put it in quotes if it is meant as text")
        }
        return text
    }

    /// This value as a decimal integer, written plainly: no sign but `-`, no leading zero, no underscore, no quotes.
    public func asInteger(in range: ClosedRange<Int64>) throws(ConfigurationFault) -> Int64 {
        let expected = "expected a whole number from \(range.lowerBound) to \(range.upperBound)"
        // `Int64` alone would take `+5` and `007`; the round trip leaves one spelling.
        guard case .scalar(let text, true) = content, let number = Int64(text), String(number) == text,
            range.contains(number)
        else { throw fault(expected) }
        return number
    }

    /// This value as `true` or `false`, written so.
    public func asBool() throws(ConfigurationFault) -> Bool {
        if case .scalar(let text, true) = content {
            if text == "true" { return true }
            if text == "false" { return false }
        }
        throw fault("expected true or false")
    }

    /// This value as one of a closed set of words.
    public func asChoice<Choice>(of type: Choice.Type) throws(ConfigurationFault) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        guard case .scalar(let text, _) = content, let choice = Choice(rawValue: text) else {
            throw fault("expected one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// This value as a list of words of a closed set, none twice.
    public func asChoices<Choice>(of type: Choice.Type) throws(ConfigurationFault) -> [Choice]
    where Choice: RawRepresentable<String> & CaseIterable {
        var found: [Choice] = []
        for item in try asList() {
            let choice = try item.asChoice(of: type)
            guard !found.contains(where: { $0.rawValue == choice.rawValue }) else {
                throw item.fault("stands twice in this list; remove one")
            }
            found.append(choice)
        }
        return found
    }

    private var isNull: Bool {
        if case .scalar(let text, true) = content {
            ["", "~", "null", "Null", "NULL"].contains(text)
        } else {
            false
        }
    }

    /// Words and numbers that YAML 1.1 or 1.2 reads as something else than text.
    private static func hasAnotherReading(_ text: String) -> Bool {
        switch text.lowercased() {
        case "true", "false", "yes", "no", "on", "off", "y", "n": true
        default: Double(text) != nil || Int64(text.filter { $0 != "_" }) != nil
        }
    }
}

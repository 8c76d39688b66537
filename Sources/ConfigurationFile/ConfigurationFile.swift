// Strict reading of YAML: the part of it that has one meaning.
//
// YAML lets one text mean two things to two readers: the last of two equal keys wins or the first does, an alias
// copies what stands elsewhere, a tag changes a type, `no` is false or a word. Each of these is a way to show a reviewer
// one policy and a program another. They are refused, and every scalar is read as the type that the key asks for.

import Yams

/// Reads the text of a configuration file.
public enum ConfigurationFile {
    /// The largest text that is read, bytes. The starter catalogue takes about 6 KiB.
    public static let maximumBytes = 256 * 1024

    /// Parses one document whose root is a mapping. An empty text is an empty mapping.
    ///
    /// Read the keys that are known, then call ``ConfigurationNode/finish()`` on the root, which refuses the rest.
    /// - Parameters:
    ///   - text: the whole file.
    ///   - file: its name, for faults only; nothing is opened.
    /// - Throws: ``ConfigurationFault`` for broken syntax, keys that stand twice, anchors, aliases, tags, directives,
    ///   a second document, control characters, or a text over ``maximumBytes``.
    public static func parse(text: String, file: String) throws(ConfigurationFault) -> ConfigurationNode {
        try ForbiddenSyntax.check(text, file: file)
        let root: Node?
        do {
            root = try compose(text)
        } catch {
            throw fault(of: error, in: text, file: file)
        }
        guard let root, !isEmptyDocument(root) else {
            return ConfigurationNode(file: file, line: nil, path: "", content: .mapping([]))
        }
        let node = try ConfigurationNode(root, file: file, line: nil, path: "")
        guard case .mapping = node.content else {
            throw ConfigurationFault(
                file: file, line: root.mark?.line, key: "", problem: "expected a mapping of keys to values")
        }
        return node
    }

    /// One document. The basic resolver leaves every plain scalar a string, so that `1` and `"1"` are the same key,
    /// and the encoding is given because Yams otherwise asks the environment.
    private static func compose(_ text: String) throws -> Node? {
        try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
    }

    /// A file of comments and a `---`.
    private static func isEmptyDocument(_ root: Node) -> Bool {
        if case .scalar(let scalar) = root { scalar.string.isEmpty && scalar.style == .plain } else { false }
    }

    private static func fault(of error: any Error, in text: String, file: String) -> ConfigurationFault {
        func syntax(_ context: YamlError.Context?, _ problem: String, _ line: Int?) -> ConfigurationFault {
            // Both texts are constants of the parser, without any of the input.
            let place = context.map { "\($0.text) that began on line \($0.mark.line), " } ?? ""
            return ConfigurationFault(
                file: file, line: line, key: "", problem: "not YAML: \(place)\(problem)")
        }
        switch error as? YamlError {
        case .duplicatedKeysInMapping(let keys, let context)?:
            return duplicateFault(key: keys.first ?? "", firstLine: context.mark.line, in: text, file: file)
        case .scanner(let context, let problem, let mark, _)?,
            .parser(let context, let problem, let mark, _)?:
            return syntax(context, problem, mark.line)
        case .composer(.some, _, let mark, _)?:
            return ConfigurationFault(
                file: file, line: mark.line, key: "", problem: "a second document; one file holds one")
        case .composer(nil, let problem, let mark, _)?:
            return syntax(nil, problem, mark.line)
        case .reader(let problem, _, _, _)?:
            return syntax(nil, problem, nil)
        case .memory?:
            return ConfigurationFault(file: file, line: nil, key: "", problem: "nested too deeply")
        default:
            return ConfigurationFault(file: file, line: nil, key: "", problem: "cannot be read as YAML")
        }
    }

    // MARK: Keys that stand twice

    /// The parser names a doubled key without the keys above it, and only the first place. Both are found by parsing
    /// beginnings of the text: the first place is the last key of the text that ends with its line, the second is on
    /// the first line at which the fault appears.
    private static func duplicateFault(
        key: String, firstLine: Int, in text: String, file: String
    ) -> ConfigurationFault {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        func isDoubled(upTo count: Int) -> Bool {
            do {
                _ = try compose(lines.prefix(count).joined(separator: "\n"))
                return false
            } catch YamlError.duplicatedKeysInMapping {
                return true
            } catch {
                return false
            }
        }
        guard (1...lines.count).contains(firstLine), !isDoubled(upTo: firstLine) else {
            let path = pathWithinLine(to: key, line: firstLine, of: lines)
            return ConfigurationFault(
                file: file, line: firstLine, key: path, problem: "stands twice in this mapping; remove one")
        }
        var clean = firstLine
        var doubled = lines.count
        while doubled - clean > 1 {
            let middle = (clean + doubled) / 2
            if isDoubled(upTo: middle) { doubled = middle } else { clean = middle }
        }
        let path = path(to: key, line: firstLine, of: lines.prefix(firstLine).joined(separator: "\n"))
        return ConfigurationFault(
            file: file, line: doubled, key: path ?? ConfigurationNode.printable(key),
            problem: "stands twice in this mapping, first on line \(firstLine); remove one")
    }

    /// Both places on one line, as in `actions: {dial: mask, dial: reveal}`. With one brace on the line the mapping is
    /// plain to see; with more, the key is named without those above it rather than with wrong ones.
    private static func pathWithinLine(to key: String, line: Int, of lines: [Substring]) -> String {
        let bare = ConfigurationNode.printable(key)
        guard (1...lines.count).contains(line), bare == key else { return bare }
        let parts = lines[line - 1].split(separator: "{", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return bare }
        let beginning = lines.prefix(line - 1) + [parts[0] + "{\"\(key)\": 0}"]
        return path(to: key, line: line, of: beginning.joined(separator: "\n")) ?? bare
    }

    private static func path(to key: String, line: Int, of beginning: String) -> String? {
        guard let root = try? compose(beginning) else { return nil }
        return lastPath(in: root, to: key, line: line)
    }

    /// The path to a key on a line, going down the last entries only.
    private static func lastPath(in root: Node, to key: String, line: Int) -> String? {
        var node = root
        var path = ""
        while true {
            switch node {
            case .mapping(let mapping):
                guard let last = Array(mapping).last, case .scalar(let name) = last.key else { return nil }
                path += (path.isEmpty ? "" : ".") + ConfigurationNode.printable(name.string)
                if name.string == key, name.mark?.line == line { return path }
                node = last.value
            case .sequence(let sequence):
                guard let last = Array(sequence).last else { return nil }
                path += "[\(sequence.count - 1)]"
                node = last
            case .scalar, .alias:
                return nil
            }
        }
    }
}

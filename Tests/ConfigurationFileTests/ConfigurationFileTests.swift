// What a configuration file may not be, and that each fault names its place and not its value.

import ConfigurationFile
import Testing

private func fault(
    _ text: String, reading: (ConfigurationNode) throws -> Void = { _ in }
) -> ConfigurationFault? {
    do {
        let root = try ConfigurationFile.parse(text: text, file: "test.yaml")
        try reading(root)
        return nil
    } catch let fault as ConfigurationFault {
        return fault
    } catch {
        Issue.record("another error than ConfigurationFault")
        return nil
    }
}

private enum Colour: String, CaseIterable {
    case red
    case green
}

@Suite("Configuration text")
struct ConfigurationTextTests {
    @Test(
        "an empty file, comments alone and a bare document start are empty mappings",
        arguments: [
            "", "\n\n", "# nothing\n", "---\n", "--- # nothing\n", "{}\n",
        ])
    func empty(text: String) throws {
        let root = try ConfigurationFile.parse(text: text, file: "test.yaml")
        #expect(try root.entries().isEmpty)
        try root.finish()
    }

    @Test(
        "a root that is no mapping is refused", arguments: ["word\n", "- item\n", "[1, 2]\n", "\"quoted\"\n"])
    func rootType(text: String) {
        #expect(fault(text)?.problem == "expected a mapping of keys to values")
        #expect(fault(text)?.line == 1)
    }

    @Test("values are read by the type asked for, with their lines")
    func reading() throws {
        let text = """
            # comment
            name: "1"
            count: 12
            on: true
            colour: green
            colours: [red, green]
            nested:
              deeper:
                list:
                  - a
                  - b c
            """
        let root = try ConfigurationFile.parse(text: text, file: "test.yaml")
        #expect(try root.string("name") == "1")
        #expect(try root.integer("count", in: 1...12) == 12)
        #expect(try root.bool("on"))
        #expect(try root.choice("colour", of: Colour.self) == .green)
        #expect(try root.choices("colours", of: Colour.self) == [.red, .green])
        let list = try root.mapping("nested").mapping("deeper").list("list")
        #expect(try list.map { try $0.asString() } == ["a", "b c"])
        #expect(list[1].path == "nested.deeper.list[1]")
        #expect(list[1].line == 11)
        #expect(try root.optionalString("absent") == nil)
        #expect(try root.optionalInteger("absent", in: 0...1) == nil)
        #expect(try root.optionalBool("absent") == nil)
        #expect(try root.optionalList("absent") == nil)
        #expect(try root.optionalMapping("absent") == nil)
        #expect(try root.optionalChoice("absent", of: Colour.self) == nil)
        try root.finish()
    }

    @Test("CRLF files keep their line numbers")
    func carriageReturns() {
        let found = fault("a: 1\r\n# c\r\nb: word\r\n") { _ = try $0.integer("b", in: 0...1) }
        #expect(found?.line == 3)
        #expect(found?.key == "b")
    }
}

@Suite("Configuration attacks")
struct ConfigurationAttackTests {
    @Test("a key that stands twice is named with its path and both lines")
    func duplicates() {
        let nested = fault("top:\n  one.two:\n    hours: any\n    caps: none\n    hours: none\n  three: 1\n")
        #expect(nested?.key == "top.one.two.hours")
        #expect(nested?.line == 5)
        #expect(nested?.problem.contains("line 3") == true)
        #expect(
            nested?.description
                == "test.yaml:5: top.one.two.hours: stands twice in this mapping, first on line 3; remove one"
        )

        let root = fault("a: 1\nb: 2\na: 3\n")
        #expect(root?.key == "a")
        #expect(root?.line == 3)

        let quoted = fault("a: 1\n\"a\": 2\n")
        #expect(quoted?.line == 2)

        let flow = fault("x: {a: 1, b: 2, a: 3}\n")
        #expect(flow?.line == 1)
        #expect(flow?.key == "x.a")
        #expect(fault("x: {y: {a: 1, a: 2}}\n")?.key == "a")

        let inList = fault("list:\n  - a: 1\n  - b: 1\n    b: 2\n")
        #expect(inList?.key == "list[1].b")
        #expect(inList?.line == 4)
    }

    @Test("the same key in two mappings is no duplicate")
    func sameKeyElsewhere() {
        #expect(fault("a: {x: 1}\nb: {x: 1}\nx: 1\n") == nil)
    }

    @Test(
        "anchors, aliases, tags, directives and second documents are refused with their line",
        arguments: [
            ("a: 1\nb: &x 2\n", 2, "anchors"), ("a: 1\nb: *x\n", 2, "aliases"),
            ("a: 1\nb: [1,*x]\n", 2, "aliases"),
            ("a:\n  <<: *base\n", 2, "aliases"), ("&a b: 1\n", 1, "anchors"), ("{\"a\":*b}\n", 1, "aliases"),
            ("a: 1\nb: !!str 2\n", 2, "tags"), ("a: !secret x\n", 1, "tags"), ("!<x> a: 1\n", 1, "tags"),
            ("%YAML 1.1\n---\na: 1\n", 1, "directives"), ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: 1\n...\n---\nb: 1\n", 3, "second document"),
        ])
    func forbidden(text: String, line: Int, word: String) {
        let found = fault(text)
        #expect(found?.line == line)
        #expect(found?.problem.contains(word) == true)
    }

    @Test(
        "an alias hidden behind a quote or a comment that only this check would see is refused",
        arguments: [
            "a: b \"c\nd: *x\n", "{\"a # \": *x}\n", "[ \"x\n # y\", *x ]\n", "a: 'it''s' # *x\n",
        ])
    func hiddenAlias(text: String) {
        #expect(fault(text)?.problem.contains("aliases") == true)
    }

    @Test("signs in the middle of words are no anchors, aliases or tags")
    func innocentSigns() throws {
        let root = try ConfigurationFile.parse(
            text: "# A & B * C, done!\na: R&D\nb: \"*:8443\"\nc: /etc/*.pem\nd: stop!\n", file: "test.yaml")
        #expect(try root.string("a") == "R&D")
        #expect(try root.string("b") == "*:8443")
        #expect(try root.string("c") == "/etc/*.pem")
        #expect(try root.string("d") == "stop!")
    }

    @Test("nested aliases used as a key do not keep the parser busy")
    func billionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x]\n"
        for level in 1...40 {
            let alias = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: alias, count: 8).joined(separator: ", "))]\n"
        }
        text += "? *a40\n: 1\n"
        #expect(fault(text)?.problem.contains("anchors") == true)
    }

    @Test(
        "nesting without end is refused and does not exhaust the stack",
        arguments: ["[", "{", "- ", "? ", "{a: "])
    func deepNesting(opening: String) {
        let found = fault("a:\n  " + String(repeating: opening, count: 60_000) + "\n")
        #expect(found != nil)
    }

    @Test("a text over the limit is refused before it is parsed")
    func tooLarge() {
        let found = fault(String(repeating: "#", count: ConfigurationFile.maximumBytes + 1))
        #expect(found?.problem.contains("larger than") == true)
        #expect(fault(String(repeating: "#", count: ConfigurationFile.maximumBytes)) == nil)
    }

    @Test(
        "control characters and line ends that an editor does not show are refused with their line",
        arguments: [
            "a: 1\nb: \u{0}2\n", "a: 1\nb: \u{1B}2\n", "a: 1\nb: \u{7F}2\n", "a: 1\n# x\rb: 2\n",
            "a: 1\n# x\u{85}b: 2\n",
            "a: 1\n# x\u{2028}b: 2\n", "a: 1\n# x\u{2029}b: 2\n", "a: 1\n\u{FEFF}b: 2\n",
        ])
    func controlCharacters(text: String) {
        #expect(fault(text)?.line == 2)
    }

    @Test(
        "broken syntax names its line",
        arguments: [
            ("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: \"open\n", 2), ("a: b: c\n", 1),
            ("a: 1\n b: 2\n", 2),
        ])
    func syntax(text: String, line: Int) {
        let found = fault(text)
        #expect(found?.problem.hasPrefix("not YAML: ") == true)
        #expect(found?.line == line)
    }

    @Test("keys that are no words are refused", arguments: ["? [a]\n: 1\n", "? {a: 1}\n: 1\n", "\"\": 1\n"])
    func strangeKeys(text: String) {
        #expect(fault(text)?.problem == "a key must be a word")
    }

    @Test("a key nobody reads is refused, wherever it stands, with the keys known there")
    func unknownKeys() {
        let text = "one: 1\nnested:\n  known: 1\n  knwon: 1\nitems:\n  - {a: 1, b: 2}\n"
        func read(_ root: ConfigurationNode, items: Bool) throws {
            _ = try root.integer("one", in: 1...1)
            _ = try root.mapping("nested").integer("known", in: 1...1)
            _ = try root.mapping("nested").optionalString("other")
            if items { for item in try root.list("items") { _ = try item.integer("a", in: 1...1) } }
            try root.finish()
        }
        let nested = fault(text) { try read($0, items: true) }
        #expect(
            nested?.description == "test.yaml:4: nested.knwon: unknown key; keys known here: known, other")
        let inList = fault(text.replacing("  knwon: 1\n", with: "")) { try read($0, items: true) }
        #expect(inList?.key == "items[0].b")
        let whole = fault(text.replacing("  knwon: 1\n", with: "")) { try read($0, items: false) }
        #expect(whole?.key == "items")
        #expect(whole?.line == 4)
    }

    @Test(
        "a key without a value is not an absent key",
        arguments: ["a:\n", "a: ~\n", "a: null\n", "a: # none\n"])
    func nullValues(text: String) {
        let found = fault(text) { _ = try $0.optionalString("a") }
        #expect(found?.problem == "has no value; give one or remove the key")
        #expect(found?.line == 1)
        #expect(fault(text) { _ = try $0.entries() }?.key == "a")
    }

    @Test(
        "whole numbers have one spelling",
        arguments: [
            "+5", "05", "0x5", "0o5", "5_0", "5.0", "5e0", "1:30", "\"5\"", "-0", "five", "[5]", "{a: 5}",
            "99999999999999999999",
            "101", "-1",
        ])
    func numbers(value: String) {
        let found = fault("a: \(value)\n") { _ = try $0.integer("a", in: 0...100) }
        #expect(found?.problem == "expected a whole number from 0 to 100")
        #expect(found?.key == "a")
    }

    @Test(
        "truth has one spelling", arguments: ["yes", "no", "on", "off", "True", "TRUE", "1", "\"true\"", "y"])
    func truth(value: String) {
        #expect(fault("a: \(value)\n") { _ = try $0.bool("a") }?.problem == "expected true or false")
    }

    @Test(
        "what another reader takes for a number or a truth value is text only in quotes",
        arguments: [
            "true", "no", "NO", "on", "5", "1_000", "5.5", "1e3", "0x10", "inf", "nan",
        ])
    func textInQuotes(value: String) throws {
        let found = fault("a: \(value)\n") { _ = try $0.string("a") }
        #expect(found?.problem.contains("quotes") == true)
        let root = try ConfigurationFile.parse(text: "a: '\(value)'\n", file: "test.yaml")
        #expect(try root.string("a") == value)
    }

    @Test("wrong shapes are refused", arguments: ["[1]", "{b: 1}"])
    func shapes(value: String) {
        let text = "a: \(value)\n"
        #expect(fault(text) { _ = try $0.string("a") }?.problem == "expected text")
        #expect(
            fault(text) { _ = try $0.choice("a", of: Colour.self) }?.problem == "expected one of red, green")
        #expect(fault("a: word\n") { _ = try $0.list("a") }?.problem == "expected a list")
        #expect(
            fault("a: word\n") { _ = try $0.mapping("a") }?.problem == "expected a mapping of keys to values")
        #expect(fault("a: ''\n") { _ = try $0.string("a") }?.problem == "expected text that is not empty")
        #expect(fault("a: [red, red]\n") { _ = try $0.choices("a", of: Colour.self) }?.key == "a[1]")
        #expect(fault("b: 1\n") { _ = try $0.string("a") }?.problem == "is missing")
    }

    @Test("no fault carries the value that it found")
    func valuesStayOut() {
        let secret = "hunter2-secret"
        let readers: [(ConfigurationNode) throws -> Void] = [
            { _ = try $0.integer("a", in: 0...1) }, { _ = try $0.bool("a") }, { _ = try $0.list("a") },
            { _ = try $0.mapping("a") }, { _ = try $0.choice("a", of: Colour.self) }, { try $0.finish() },
            { _ = try $0.choices("a", of: Colour.self) },
        ]
        for reader in readers {
            for text in [
                "a: \(secret)\n", "a: [\(secret)]\n", "a: {b: [\(secret), 1]}\n", "a: {b: *\(secret)}\n",
            ] {
                let found = fault(text, reading: reader)
                #expect(found?.description.contains("hunter2") != true)
            }
        }
        for broken in [
            "a: [\(secret)\n", "a: \"\(secret)\n", "\(secret): b: c\n", "\(secret)\n", "a: !\(secret) 1\n",
        ] {
            let found = fault(broken)
            #expect(found != nil)
            #expect(found?.description.contains("hunter2") == false)
        }
        let pastedAsKey = fault("\"hunter2 secret\": 1\n") { try $0.finish() }
        #expect(pastedAsKey?.key == "(not a plain word)")
    }
}

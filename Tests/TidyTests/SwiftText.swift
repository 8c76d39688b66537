// Swift source split into code and comments, line by line, so that a word in a string or a comment is not taken for
// code and the other way round.

/// The lines of a Swift file.
struct SwiftText {
    /// The file's lines as written.
    let lines: [String]
    /// The same lines with comments and the insides of string literals blanked.
    let code: [String]
    /// The same lines with everything but comments blanked.
    let comments: [String]

    init(_ text: String) {
        var scanner = Scanner(Array(text.unicodeScalars))
        scanner.scan()
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        code = Self.lines(scanner.code)
        comments = Self.lines(scanner.comments)
    }

    private static func lines(_ scalars: [Unicode.Scalar]) -> [String] {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private struct Scanner {
        let source: [Unicode.Scalar]
        var code: [Unicode.Scalar]
        var comments: [Unicode.Scalar]
        var position = 0

        init(_ source: [Unicode.Scalar]) {
            self.source = source
            let blank = source.map { $0 == "\n" ? $0 : " " }
            code = blank
            comments = blank
        }

        mutating func scan() {
            while position < source.count { scanOne() }
        }

        private func has(_ text: String) -> Bool {
            var offset = position
            for scalar in text.unicodeScalars {
                guard offset < source.count, source[offset] == scalar else { return false }
                offset += 1
            }
            return true
        }

        private mutating func scanOne() {
            if has("//") {
                while position < source.count, source[position] != "\n" { keepComment() }
            } else if has("/*") {
                scanBlockComment()
            } else if source[position] == "\"" {
                scanString(pounds: 0)
            } else if source[position] == "#", let pounds = poundsBeforeQuote() {
                for _ in 0..<pounds { keepCode() }
                scanString(pounds: pounds)
            } else {
                keepCode()
            }
        }

        private func poundsBeforeQuote() -> Int? {
            var count = 0
            while position + count < source.count, source[position + count] == "#" { count += 1 }
            return position + count < source.count && source[position + count] == "\"" ? count : nil
        }

        private mutating func keepCode() {
            code[position] = source[position]
            position += 1
        }

        private mutating func keepComment() {
            comments[position] = source[position]
            position += 1
        }

        private mutating func scanBlockComment() {
            var depth = 0
            repeat {
                if has("/*") {
                    depth += 1
                    keepComment()
                } else if has("*/") {
                    depth -= 1
                    keepComment()
                }
                if position < source.count { keepComment() }
            } while depth > 0 && position < source.count
        }

        private mutating func scanString(pounds: Int) {
            let isLong = has("\"\"\"")
            let quote = String(repeating: "\"", count: isLong ? 3 : 1)
            let end = quote + String(repeating: "#", count: pounds)
            let escape = "\\" + String(repeating: "#", count: pounds)
            for _ in 0..<quote.count { keepCode() }
            while position < source.count {
                if has(end) {
                    for _ in 0..<end.count { keepCode() }
                    return
                }
                if !isLong && source[position] == "\n" { return }
                if has(escape) {
                    position += escape.count
                    if has("(") { scanInterpolation() } else { position += 1 }
                } else {
                    position += 1
                }
            }
        }

        /// What stands in an interpolation is code, strings in it included.
        private mutating func scanInterpolation() {
            var depth = 0
            while position < source.count {
                if source[position] == "(" { depth += 1 }
                if source[position] == ")" { depth -= 1 }
                scanOne()
                if depth == 0 { return }
            }
        }
    }
}

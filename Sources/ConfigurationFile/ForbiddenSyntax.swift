// Parts of YAML that are refused before the parser sees the text.
//
// The parser replaces aliases by what they stand for and compares whole keys, so a few lines of nested aliases used as a
// key keep it busy for ever ("billion laughs"). Whether a word is inside quotes or a comment is not asked: whoever can
// make this check and the parser disagree about a quote could hide an alias there.

enum ForbiddenSyntax {
    /// Refuses anchors, aliases, tags, directives, control characters and texts over the size limit.
    static func check(_ text: String, file: String) throws(ConfigurationFault) {
        func fault(_ line: Int?, _ problem: String) -> ConfigurationFault {
            ConfigurationFault(file: file, line: line, key: "", problem: problem)
        }
        guard text.utf8.count <= ConfigurationFile.maximumBytes else {
            throw fault(nil, "larger than \(ConfigurationFile.maximumBytes) bytes")
        }
        var line = 1
        var previous: Unicode.Scalar = "\n"
        var scalars = text.unicodeScalars.makeIterator()
        var next = scalars.next()
        while let scalar = next {
            next = scalars.next()
            switch scalar {
            case "\n":
                line += 1
            case "\r":
                guard next == "\n" else { throw fault(line, "a carriage return without a line feed") }
            case "\t":
                break
            // Line ends to the parser, none to an editor: a comment could end where nobody sees it.
            case "\u{85}", "\u{2028}", "\u{2029}", "\u{FEFF}":
                throw fault(line, "a line separator or byte-order mark inside the text; use plain line feeds")
            case "\u{00}"..<"\u{20}", "\u{7F}"..<"\u{A0}":
                throw fault(line, "a control character")
            case "%" where previous == "\n":
                throw fault(line, "directives (lines that begin with %) are not allowed")
            case "&" where isBoundary(previous) && isAnchorCharacter(next):
                throw fault(
                    line, "anchors are not allowed (a word that begins with &, even in quotes or a comment)")
            case "*" where isBoundary(previous) && isAnchorCharacter(next):
                throw fault(
                    line, "aliases are not allowed (a word that begins with *, even in quotes or a comment)")
            case "!" where isBoundary(previous) && isTagCharacter(next):
                throw fault(
                    line, "tags are not allowed (a word that begins with !, even in quotes or a comment)")
            default:
                break
            }
            previous = scalar
        }
    }

    /// Whether a token of YAML can begin after this character. Letters, digits and the few others that can only be in
    /// the middle of a plain word are let through, so that `R&D` and `/etc/*.pem` may be written.
    private static func isBoundary(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "/", ".", "_", "=", "@", "+", "(": false
        default: true
        }
    }

    private static func isAnchorCharacter(_ scalar: Unicode.Scalar?) -> Bool {
        guard let scalar else { return false }
        return switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-": true
        default: false
        }
    }

    private static func isTagCharacter(_ scalar: Unicode.Scalar?) -> Bool {
        switch scalar {
        case nil, " ", "\t", "\n", "\r": false
        default: true
        }
    }
}

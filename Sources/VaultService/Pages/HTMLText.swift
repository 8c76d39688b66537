// HTML of which only what stands in our source text is markup: whatever is put into it is escaped.

/// A piece of HTML.
///
/// Markup comes from literals alone, which only the compiler makes (`StaticString`). What is interpolated is escaped
/// unless it is such a piece already, so no value becomes markup because somebody forgot it.
struct HTMLText: ExpressibleByStringInterpolation {
    /// The markup.
    private(set) var markup: String

    init(stringLiteral literal: StaticString) { markup = literal.description }

    init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

    /// A value, escaped.
    init(_ value: String) {
        markup = ""
        Self.escape(value, into: &markup)
    }

    /// Collects literals as they are and values escaped.
    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            markup.reserveCapacity(literalCapacity + interpolationCount * 16)
        }

        mutating func appendLiteral(_ literal: StaticString) { markup += literal.description }
        mutating func appendInterpolation(_ value: String) { HTMLText.escape(value, into: &markup) }
        mutating func appendInterpolation(_ value: some BinaryInteger) { markup += String(value) }
        mutating func appendInterpolation(_ piece: HTMLText) { markup += piece.markup }
        mutating func appendInterpolation(_ pieces: [HTMLText]) {
            for piece in pieces { markup += piece.markup }
        }
    }

    static func += (left: inout HTMLText, right: HTMLText) { left.markup += right.markup }

    /// Safe in text and between either kind of quotation marks. What would be invisible or turn the text around it
    /// is shown as a replacement character.
    private static func escape(_ value: String, into markup: inout String) {
        for scalar in value.unicodeScalars {
            switch scalar {
            case "&": markup += "&amp;"
            case "<": markup += "&lt;"
            case ">": markup += "&gt;"
            case "\"": markup += "&quot;"
            case "'": markup += "&#39;"
            case "\n", "\t": markup.unicodeScalars.append(scalar)
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{200E}", "\u{200F}", "\u{202A}"..."\u{202E}",
                "\u{2066}"..."\u{2069}":
                markup += "\u{FFFD}"
            default: markup.unicodeScalars.append(scalar)
            }
        }
    }
}

extension HTMLText {
    /// What a table becomes where it is too wide.
    enum TableStyle: String {
        /// It scrolls by itself.
        case scrolling
        /// Each row becomes a card, its cells one below the other with the names of their columns.
        case cards
    }

    /// What stands in a cell where there is nothing to say. Cards leave it out.
    static let absent: HTMLText = "–"

    /// A table.
    /// - Parameters:
    ///   - label: what it is, for those who do not see it.
    ///   - numbers: columns that are set to the right.
    ///   - widths: of the columns, in hundredths; none for as wide as their words are.
    static func table(
        _ style: TableStyle, label: String, columns: [String], numbers: Set<Int> = [], widths: [Int] = [],
        rows: [[HTMLText]]
    ) -> HTMLText {
        let heads = columns.enumerated().map { index, column -> HTMLText in
            let kind: HTMLText = numbers.contains(index) ? " class=\"number\"" : ""
            return "<th role=\"columnheader\" scope=\"col\"\(kind)>\(column)</th>"
        }
        let body = rows.map { row -> HTMLText in
            let cells = zip(columns, row).enumerated().map { index, cell -> HTMLText in
                let kind: HTMLText =
                    cell.1.markup == absent.markup
                    ? " class=\"absent\"" : numbers.contains(index) ? " class=\"number\"" : ""
                guard style == .cards else { return "<td role=\"cell\"\(kind)>\(cell.1)</td>" }
                return "<td role=\"cell\"\(kind) data-label=\"\(cell.0)\"><div>\(cell.1)</div></td>"
            }
            return "<tr role=\"row\">\(cells)</tr>\n"
        }
        let sizes = widths.map { width -> HTMLText in "<col style=\"width:\(width)%\">" }
        // Roles, because a table that is drawn as cards is none to some screen readers otherwise.
        return """
            <div class="\(style.rawValue)" role="region" aria-label="\(label)" tabindex="0">
            <table role="table"\(sizes.isEmpty ? "" : fixed)>\(sizes)<thead role="rowgroup"><tr role="row">\(heads)</tr></thead>
            <tbody role="rowgroup">\(body)</tbody></table></div>

            """
    }

    private static let fixed: HTMLText = " class=\"fixed\""

    /// A whole page, which loads nothing and runs nothing.
    static func page(language: String, title: String, style: HTMLText, body: HTMLText) -> String {
        let page: HTMLText = """
            <!DOCTYPE html>
            <html lang="\(language)">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(title)</title>
            <style>
            \(pageStyle)\(style)</style>
            </head>
            <body><main>
            \(body)</main></body>
            </html>

            """
        return page.markup
    }

    /// What both pages share. The colours of marks are Okabe and Ito's, which people of every colour vision tell apart.
    private static let pageStyle: HTMLText = """
        :root { color-scheme: light dark; --paper: #fff; --card: #f6f7f9; --ink: #1b2027; --soft: #59626e;
          --line: #d5dae1; --link: #0b5cad; --good: #176b38; --bad: #b3261e;
          --s1: #0072b2; --s2: #009e73; --s3: #d55e00; --s4: #b8699a; --s5: #6b7280; }
        @media screen and (prefers-color-scheme: dark) { :root { --paper: #12161c; --card: #1b212a; --ink: #e7eaee;
          --soft: #a2abb8; --line: #36404d; --link: #7cb8f2; --good: #23814a; --bad: #c8402f;
          --s1: #56a9dd; --s2: #2fbf95; --s3: #f08a3c; --s4: #d993bf; --s5: #9aa3b0; } }
        @media print { :root { color-scheme: light; } }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
          font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei",
          "Noto Sans CJK SC", "Noto Sans SC", sans-serif; }
        main { margin: 0 auto; padding: 28px 20px 56px; }
        h1, h2, h3 { line-height: 1.25; text-wrap: balance; margin: 0; }
        p { margin: 8px 0; }
        a { color: var(--link); }
        small, .soft { color: var(--soft); font-size: 14px; }
        code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 20px 0;
          padding: 0; list-style: none; }
        .tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
        .tiles b { display: block; font-size: clamp(20px, 4vw, 26px); line-height: 1.3; font-variant-numeric: tabular-nums; }
        .tiles span { color: var(--soft); font-size: 14px; }
        table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; vertical-align: top; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); }
        th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
        .fixed { table-layout: fixed; }
        .number { text-align: right; }
        .scrolling { overflow-x: auto; }
        .scrolling th, .scrolling td { white-space: nowrap; overflow-wrap: normal; }
        summary { cursor: pointer; padding: 6px 0; }
        :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
        @media screen and (max-width: 700px) {
          main { padding: 20px 16px 40px; }
          .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          .cards table, .cards tbody { display: block; }
          .cards tr { display: block; border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px;
            margin-bottom: 10px; }
          .cards td { display: grid; grid-template-columns: 7.5em 1fr; gap: 10px; border: 0; padding: 3px 0;
            text-align: left; }
          .cards .absent { display: none; }
          .cards td::before { content: attr(data-label); color: var(--soft); }
        }

        """
}

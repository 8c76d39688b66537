// The answer to a person who asks who saw their number, when and why: a page to read and to print, in plain words.

import VaultAPI

/// A report to a contact as a page.
struct SubjectPage {
    /// What it can be written in.
    enum Language: String, CaseIterable {
        case english = "en"
        case chinese = "zh"
    }

    /// The page.
    static func html(_ report: SubjectReportBody, language: Language) -> String {
        SubjectPage(report: report, language: language).html
    }

    private let report: SubjectReportBody
    private let language: Language

    private var html: String {
        let title = say("Who saw your number, when and why", "谁看过您的号码：时间与原因")
        let sections: [(title: String, body: HTMLText)] = [
            (say("What we hold", "我们保存了什么"), held),
            (say("Where it came from", "信息从何而来"), origin),
            (say("How long it is kept", "保存多久"), retention),
            (say("What you agreed to", "您同意过什么"), consents),
            (say("Who received it", "谁收到过"), recipients),
            (say("Every access", "每一次访问"), accesses),
            (say("Your rights, and how to check this page", "您的权利，以及如何核对本页"), rights),
        ]
        let numbered = sections.enumerated().map { index, section -> HTMLText in
            "<section><h2><span>\(index + 1)</span> \(section.title)</h2>\n\(section.body)</section>\n"
        }
        return HTMLText.page(
            language: language == .chinese ? "zh-Hans" : "en", title: "\(title) · \(report.contact)",
            style: Self.style,
            body: "\(head(title))\(numbered)\(appendix)")
    }

    // MARK: Sections

    private func head(_ title: String) -> HTMLText {
        let summary: HTMLText = isGone ? "" : "\(sentence("lead"))\(figures)"
        return """
            <header><h1>\(title)</h1>
            <p class="soft">\(say("About", "对象"))\(colon)<code>\(report.contact)</code> · \
            \(say("Made", "生成时间"))\(colon)\(time(report.made)) UTC</p>
            \(summary)</header>

            """
    }

    private var figures: HTMLText {
        let handedOut = report.recipients.reduce(0) { $0 &+ $1.releases }
        let refused = report.accesses.count { $0.kind == "release" && $0.outcome == "deny" }
        let figures = [
            (handedOut, say("times handed to agencies", "次交给机构")),
            (report.recipients.count, say("agencies that received it", "家机构收到过")),
            (refused, say("requests refused", "次请求被拒绝")),
            (report.accesses.count, say("entries about you", "条与您有关的记录")),
        ].map { count, words -> HTMLText in "<li><b>\(count)</b><span>\(words)</span></li>\n" }
        return "<ul class=\"tiles\">\(figures)</ul>\n"
    }

    /// Whether nothing is held and nothing known any more: what is missing then says nothing about what has been.
    private var isGone: Bool { report.held == nil && report.accesses.isEmpty }

    private var held: HTMLText {
        guard let held = report.held else { return sentence("nothing") }
        let channels = held.channels.map { word(.channels, $0) }.joined(separator: comma)
        return """
            <dl>
            \(item("Phone number", "电话号码", held.phone))
            \(item("Name", "姓名", held.name ?? say("not recorded", "未登记")))
            \(item("State of your record", "记录状态", word(.states, held.state)))
            \(item("You said no", "您要求停止联系", held.stopped.map { time($0) + " UTC" } ?? say("not recorded", "无登记")))
            \(item("Number checked", "号码核验", word(.verifications, held.verification)))
            \(item("Reachable by", "联系方式", channels))
            \(item("Language", "语言", word(.languages, held.language)))
            \(item("Time zone", "时区", held.timeZone.joined(separator: comma)))
            </dl>
            \(sentence("masked"))
            """
    }

    private var origin: HTMLText {
        guard let held = report.held else { return sentence("nothing") }
        return """
            <p>\(word(.sources, held.source))</p>
            <dl>
            \(item("Record made", "建立时间", time(held.created) + " UTC"))
            \(item("Last changed", "最近更改", time(held.updated) + " UTC"))
            </dl>

            """
    }

    private var retention: HTMLText {
        guard let held = report.held else { return sentence("nothing") }
        let hold = held.isHeld ? sentence("hold") : ""
        return """
            <dl>\(item("Kept until", "保存至", held.retainUntil))</dl>
            \(hold)\(sentence("log"))
            """
    }

    private var consents: HTMLText {
        guard !report.consents.isEmpty else { return sentence(isGone ? "unknown" : "no_consents") }
        let rows = report.consents.map { consent -> [HTMLText] in
            let recipients = consent.recipients?.joined(separator: comma) ?? say("all agencies", "所有机构")
            return [
                "\(word(.purposes, consent.purpose))", "\(consent.notice)", moment(consent.given),
                consent.expires.map(moment) ?? "\(say("no end", "无期限"))",
                consent.withdrawn.map(moment) ?? .absent,
                "\(recipients)",
            ]
        }
        return .table(
            .cards, label: say("Consents", "同意"),
            columns: [
                say("For what", "目的"), say("Notice", "告知版本"), say("Recorded (UTC)", "登记时间（UTC）"),
                say("Ends (UTC)", "到期（UTC）"), say("Withdrawn (UTC)", "撤回（UTC）"), say("For whom", "适用机构"),
            ], widths: [25, 9, 15, 15, 16, 20], rows: rows)
    }

    private var recipients: HTMLText {
        guard !report.recipients.isEmpty else { return sentence(isGone ? "unknown" : "no_recipients") }
        let rows = report.recipients.map { recipient -> [HTMLText] in
            [
                "\(agency(recipient.agency))", "\(recipient.releases)", moment(recipient.first),
                moment(recipient.last),
            ]
        }
        let table: HTMLText = .table(
            .cards, label: say("Recipients", "接收方"),
            columns: [
                say("Agency", "机构"), say("Times", "次数"), say("First (UTC)", "首次（UTC）"),
                say("Last (UTC)", "最近（UTC）"),
            ], widths: [40, 12, 24, 24], rows: rows)
        return "\(table)\(sentence("recipients"))"
    }

    private var accesses: HTMLText {
        guard !report.accesses.isEmpty else { return sentence(isGone ? "unknown" : "no_accesses") }
        let rows = report.accesses.map { access -> [HTMLText] in
            let action = access.action.map { say(" (", "（") + word(.actions, $0) + say(")", "）") }
            let purpose = access.purpose.map { word(.purposes, $0) + (action ?? "") }
            return [
                "<a href=\"#proof-\(access.sequence)\">\(access.sequence)</a>", moment(access.time),
                "\(word(.kinds, access.kind))", purpose.map { "\($0)" } ?? .absent,
                access.agency.map { "\(agency($0))" } ?? .absent, amount(access), result(access),
            ]
        }
        let table: HTMLText = .table(
            .cards, label: say("Accesses", "访问"),
            columns: [
                say("No.", "序号"), say("Time (UTC)", "时间（UTC）"), say("What", "事项"),
                say("For what purpose", "目的"),
                say("By which agency", "机构"), say("How much left", "交出多少"), say("Result", "结果"),
            ], widths: [6, 12, 18, 18, 14, 17, 15], rows: rows)
        let china = report.held?.timeZone.contains("Asia/Shanghai") == true ? sentence("china") : ""
        return "\(gap)\(sentence("utc"))\(china)\(table)"
    }

    /// Says so if numbers are missing: then something is not shown.
    private var gap: HTMLText {
        let present = Set(report.accesses.map(\.sequence))
        let last = present.max() ?? 0
        let missing = last &- UInt64(present.count)
        guard missing > 0 else { return "" }
        return """
            <div class="warning">\(sentence("gap"))<p>\(say("Missing", "缺少"))\(colon)\(missing) / \(last)</p></div>

            """
    }

    private var rights: HTMLText {
        "<ul>\(["refuse", "withdraw", "ask", "staff", "complete", "unchanged"].map(point))</ul>\n"
    }

    private var appendix: HTMLText {
        let proofs = report.accesses.map { access -> HTMLText in
            """
            <details><summary>\(say("No.", "序号")) \(access.sequence) · \(time(access.time)) · \
            \(word(.kinds, access.kind))</summary>
            <div id="proof-\(access.sequence)">
            <h4>\(text("entry")) \(access.index)</h4><pre>\(access.leaf)</pre>
            <h4>\(text("yours"))</h4><pre>\(access.disclosures)</pre>
            <h4>\(text("logged"))</h4><pre>\(access.proof)</pre></div></details>

            """
        }
        return """
            <section class="appendix"><h2>\(say("Appendix: the proofs", "附录：证明"))</h2>
            \(sentence("experts"))<ul>\(["entry", "yours", "logged"].map(point))</ul>
            <details><summary>\(say("The log, its key, and the checkpoint", "日志、密钥与检查点"))</summary>
            <div><h4>\(say("Log", "日志"))</h4><pre>\(report.log)</pre><h4>\(say("Key", "密钥"))</h4><pre>\(report.policy)</pre>
            <h4>\(say("Checkpoint", "检查点"))</h4><pre>\(report.checkpoint)</pre></div></details>
            <div class="proofs">\(proofs)</div></section>

            """
    }

    // MARK: Words

    /// How much left with an entry: which details, and in what form.
    private func amount(_ access: SubjectReportBody.Access) -> HTMLText {
        // The form of a refusal is what was asked for.
        guard access.outcome == "permit" || access.outcome == "redelivered" else {
            return "\(say("nothing", "无"))"
        }
        guard let form = access.form else { return .absent }
        let fields = access.fields.sorted { $0 == "phone" && $1 != "phone" }.map { word(.fields, $0) }
        return "\(fields.joined(separator: comma))\(fields.isEmpty ? "" : colon)\(word(.forms, form))"
    }

    private func result(_ access: SubjectReportBody.Access) -> HTMLText {
        // A permit of anything but a request is simply something that was done.
        let isDone = access.outcome == "permit" && access.kind != "release"
        let outcome = isDone ? say("done", "已完成") : word(.outcomes, access.outcome)
        guard let why = access.why else { return "\(outcome)" }
        return "<b>\(outcome)</b>\(colon)\(word(.reasons, why))"
    }

    private func agency(_ code: String) -> String { code.isEmpty ? say("not named", "未注明") : code }

    private func word(_ vocabulary: Vocabulary, _ code: String) -> String {
        vocabulary.word(code, in: language)
    }

    private func time(_ time: String) -> String { time.readableTime }

    /// A time that breaks between day and clock, if at all.
    private func moment(_ time: String) -> HTMLText {
        let parts = time.readableTime.split(separator: " ")
        guard parts.count == 2, time.utf8.count == 20 else { return "\(time)" }
        return
            "<span class=\"whole\">\(String(parts[0]))</span> <span class=\"whole\">\(String(parts[1]))</span>"
    }

    private var comma: String { say(", ", "、") }
    private var colon: String { say(": ", "：") }

    private func say(_ english: String, _ chinese: String) -> String {
        language == .chinese ? chinese : english
    }

    private func text(_ name: String) -> String { word(.sentences, name) }

    private func sentence(_ name: String) -> HTMLText { "<p>\(text(name))</p>\n" }

    private func point(_ name: String) -> HTMLText {
        "<li><b>\(text(name))</b> \(text(name + ".how"))</li>\n"
    }

    private func item(_ english: String, _ chinese: String, _ value: String) -> HTMLText {
        "<div><dt>\(say(english, chinese))</dt><dd>\(value)</dd></div>"
    }

    private static let style: HTMLText = """
        main { max-width: 960px; }
        h1 { font-size: clamp(24px, 6vw, 30px); }
        .whole { white-space: nowrap; }
        h2 { font-size: 21px; margin: 36px 0 8px; padding-top: 14px; border-top: 2px solid var(--ink); }
        h2 span { color: var(--soft); margin-right: 6px; }
        h4 { margin: 10px 0 2px; font-size: 13px; }
        dl { margin: 8px 0; }
        dl div { display: grid; grid-template-columns: minmax(7em, 22%) 1fr; gap: 12px; padding: 4px 0; }
        dt { color: var(--soft); }
        dd { margin: 0; }
        section li { margin: 6px 0; }
        section ul { padding-left: 20px; }
        .warning { border: 2px solid var(--bad); border-radius: 8px; padding: 8px 14px; }
        pre { white-space: pre-wrap; word-break: break-all; font-size: 12px; line-height: 1.4; margin: 0; background: var(--card);
          border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; }
        details { border-bottom: 1px solid var(--line); }
        details div { padding-bottom: 14px; }
        @page { size: A4; margin: 15mm 14mm; }
        @media print {
          body { font-size: 10pt; line-height: 1.4; }
          main { padding: 0; max-width: none; }
          h1 { font-size: 18pt; }
          h2 { font-size: 12.5pt; margin-top: 13pt; padding-top: 5pt; border-top-width: 1px; break-after: avoid; }
          a { color: inherit; text-decoration: none; }
          .tiles { grid-template-columns: repeat(4, 1fr); }
          .tiles b { font-size: 15pt; }
          .tiles span, small, .soft { font-size: 8.5pt; }
          table { font-size: 8.5pt; }
          th, td { padding: 3pt 6pt 3pt 0; }
          tr, dl div, li { break-inside: avoid; }
          .appendix { break-before: page; font-size: 8pt; }
          .proofs { columns: 2; column-gap: 8mm; }
          summary { list-style: none; font-weight: 600; padding: 3pt 0 0; break-after: avoid; }
          summary::marker { content: ""; }
          details::details-content { display: block; content-visibility: visible; height: auto; }
          details div { padding-bottom: 3pt; }
          h4 { font-size: 6.5pt; margin: 2pt 0 0; }
          pre { font-size: 5.5pt; line-height: 1.25; border: 0; padding: 0; background: none; }
        }

        """
}

// The pages for people: whatever stands in the log stays text, what is said is said in both languages, and nothing is drawn
// that is not so.

import ContactModel
import Testing
import VaultAPI

@testable import VaultService

@Suite("Pages")
struct PageTests {
    /// Ends text, attribute, comment and element, and would run or load something behind each.
    static let hostile =
        "\"'>--></title></style><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u{202E}"

    // MARK: Markup

    @Test("a value becomes text in every place that HTML has")
    func valuesAreEscaped() {
        let value = "<b a='1' c=\"2\">&\u{0}\u{202E}\u{1B}\n"
        let piece: HTMLText = "<i title=\"\(value)\">\(value)</i>"
        let text = "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{FFFD}\u{FFFD}\u{FFFD}\n"
        #expect(piece.markup == "<i title=\"\(text)\">\(text)</i>")
        #expect(HTMLText(value).markup == text)
    }

    @Test("no value from the log becomes markup", arguments: SubjectPage.Language.allCases)
    func hostileSubject(language: SubjectPage.Language) {
        let page = SubjectPage.html(Self.subject(Self.hostile), language: language)
        Self.expectInert(page, like: SubjectPage.html(Self.subject("calm"), language: language))
    }

    @Test("no value from the log becomes markup in the officer's report, and no number stops it")
    func hostileReport() {
        let page = ReportPage.html(Self.report(Self.hostile, count: .max))
        Self.expectInert(page, like: ReportPage.html(Self.report("calm", count: .max)))
    }

    /// A page has the same tags whatever the values are, and none that runs or loads anything.
    static func expectInert(_ page: String, like calm: String) {
        #expect(tags(page) == tags(calm))
        for word in [
            "<script", "<img", "<link", "<iframe", "javascript:", "url(", "@import", "http:", "src=\"",
            "onerror=\"",
        ] {
            #expect(!page.lowercased().contains(word), "\(word)")
        }
        #expect(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""))
        // A piece that was put into a String by mistake.
        #expect(!page.contains("HTMLText(") && !calm.contains("&lt;"))
    }

    /// Every tag with the names of its attributes.
    static func tags(_ page: String) -> [String] {
        page.matches(of: #/<(/?[a-z0-9]+)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*/?>/#).map { match in
            String(match.1) + match.2.matches(of: #/\s([a-z-]+)(?:="[^"]*")?/#).map { " " + $0.1 }.joined()
        }
    }

    // MARK: The contact's page

    @Test(
        "every code that can be in a contact's page has words in both languages",
        arguments: SubjectPage.Language.allCases)
    func vocabulary(language: SubjectPage.Language) {
        let codes: [(Vocabulary, [String])] = [
            (.reasons, DenialCode.allCases.map(\.rawValue)), (.states, RecordState.allCases.map(\.rawValue)),
            (.forms, ReleaseForm.allCases.map(\.rawValue)), (.channels, Channel.allCases.map(\.rawValue)),
            (.verifications, VerificationState.allCases.map(\.rawValue)),
            (.actions, ["dial", "send_template", "display"]),
            (.outcomes, ["permit", "deny", "error", "redelivered"]),
            (.sources, ["origination", "servicing", "contact"]),
        ]
        for (vocabulary, codes) in codes {
            for code in codes where language == .chinese || code != "erased" {
                #expect(vocabulary.word(code, in: language) != code, "\(code)")
            }
        }
        #expect(Vocabulary.reasons.word("no_such_code", in: language) == "no_such_code")
        for field in FieldName.allCases {
            #expect(!Vocabulary.fields.word(field.rawValue, in: language).isEmpty)
        }
    }

    @Test("a page is in one language throughout")
    func oneLanguage() {
        let english = SubjectPage.html(Self.subject("relay.message"), language: .english)
        let chinese = SubjectPage.html(Self.subject("relay.message"), language: .chinese)
        #expect(english.contains("ask you to pass on a message") && chinese.contains("请您转告消息"))
        #expect(!english.contains(#/[一-鿿]/#))
        // What is left between the tags are codes, digests and the names of formats, which have no spaces between letters.
        let words = chinese.replacing(#/<style>[^<]*</style>|<pre>[^<]*</pre>|<[^>]*>/#, with: "|")
            .replacing(" UTC", with: "")
        #expect(!words.contains(#/[a-z]{3,} [a-z]{3,}/#.ignoresCase()))
        for page in [english, chinese] { #expect(!page.contains(#/<p>[a-z_]+<\/p>|[a-z]\.how/#)) }
    }

    @Test("a refusal says that nothing left, and a missing number that something is not shown")
    func refusalsAndGaps() {
        let page = SubjectPage.html(
            Self.subject("x", accesses: [(1, "permit"), (2, "deny")]), language: .english)
        #expect(page.contains("phone number: in full") && page.contains("<div>nothing</div>"))
        #expect(!page.contains("Numbers are missing"))
        let gap = SubjectPage.html(
            Self.subject("x", accesses: [(2, "permit"), (4, "deny")]), language: .english)
        #expect(gap.contains("Numbers are missing") && gap.contains("2 / 4"))
    }

    @Test("an erased contact is told that nothing is held, and not that nobody received anything")
    func erased() {
        let report = SubjectReportBody(
            contact: "ct_x", made: "2026-11-26T10:30:00Z", log: "l", policy: "p", checkpoint: "c", held: nil,
            consents: [], recipients: [], accesses: [])
        let page = SubjectPage.html(report, language: .english)
        #expect(
            page.contains("Nothing is held about you any more.") && page.contains("cannot be told any more"))
        #expect(!page.contains("Nobody has received") && !page.contains("no entry"))
    }

    // MARK: The officer's report

    @Test("an axis begins at nothing, ends at or above the most, and has round steps")
    func axes() {
        for most: UInt64 in [0, 1, 2, 3, 7, 10, 99, 100, 101, 1234, 98_765, 1 << 52] {
            let ticks = Axis(reaching: most, parts: 4).ticks
            let step = ticks[1]
            #expect(
                ticks[0] == 0 && ticks[ticks.count - 1] >= most && (2...5).contains(ticks.count), "\(most)")
            #expect(
                "125".contains(String(step).prefix(1)) && String(step).dropFirst().allSatisfy { $0 == "0" },
                "\(most)")
        }
    }

    @Test("every day of the time has its column, in its month and on its weekday")
    func days() {
        let page = ReportPage.html(
            Self.report("x", count: 7, from: "2028-02-28T00:00:00Z", to: "2028-03-02T00:00:00Z"))
        for day in ["2028-02-28: none", "2028-02-29: 7 permitted", "2028-03-01: none"] {
            #expect(page.contains("<title>\(day)</title>"), "\(day)")
        }
        #expect(!page.contains("2028-03-02:") && !page.contains("2028-02-30"))
        #expect(page.contains("<title>Tue 05:00–06:00 UTC: 7</title>"))
        let year = ReportPage.html(
            Self.report("x", count: 7, from: "2027-12-31T00:00:00Z", to: "2029-12-02T00:00:00Z"))
        #expect(year.contains("per month") && year.contains("<title>2028-02: 7 permitted</title>"))
    }

    @Test("a question has its verdict, at most twenty rows, and caps as bars")
    func questions() {
        func answer(
            _ name: String, _ must: Bool, _ columns: [String], _ rows: [[String]], _ count: UInt64
        ) -> LogAnswerBody {
            LogAnswerBody(
                question: name, title: "releases of kind \(name)", mustBeNone: must, columns: columns,
                rows: rows,
                count: count)
        }
        let page = ReportPage.html(
            Self.report(
                "x", count: 1,
                answers: [
                    answer("good", true, ["index"], [], 0), answer("bad", true, ["index"], [["1"]], 1),
                    answer("long", false, ["index"], (1...30).map { ["row \($0)"] }, 1500),
                    answer(
                        "caps", false, ["contact", "used", "limit"],
                        [["ct_a", "2", "3"], ["ct_b", "3", "3"]], 2),
                ]))
        #expect(page.contains("✓ none") && page.contains("✗ 1 found"))
        #expect(page.contains("row 20<") && !page.contains("row 21<") && page.contains("and 1,480 more"))
        #expect(
            page.contains("2 of 3") && page.contains("67 % used, some left")
                && page.contains("100 % used, none left"))
    }

    // MARK: Samples

    static func subject(_ text: String, accesses: [(UInt64, String)] = [(1, "permit")]) -> SubjectReportBody {
        SubjectReportBody(
            contact: text, made: text, log: text, policy: text, checkpoint: text,
            held: SubjectReportBody.Held(
                phone: text, name: text, state: text, stopped: text, source: text, verification: text,
                language: text, timeZone: [text], channels: [text], created: text, updated: text,
                retainUntil: text, isHeld: true),
            consents: [
                SubjectReportBody.Consent(
                    purpose: text, notice: text, given: text, expires: text, withdrawn: text,
                    recipients: [text])
            ],
            recipients: [SubjectReportBody.Recipient(agency: text, releases: 1, first: text, last: text)],
            accesses: accesses.map { sequence, outcome in
                SubjectReportBody.Access(
                    index: sequence, sequence: sequence, time: text, kind: text, outcome: outcome, why: text,
                    purpose: text, action: text, form: "reveal", fields: ["phone"], agency: text, leaf: text,
                    disclosures: text, proof: text)
            })
    }

    static func report(
        _ text: String, count: UInt64, from: String = "2028-02-01T00:00:00Z",
        to: String = "2028-03-01T00:00:00Z",
        answers: [LogAnswerBody]? = nil
    ) -> LogReportBody {
        func counts(_ values: [[String]]) -> LogCountsBody {
            LogCountsBody(
                by: [text, text], counts: values.map { LogCountsBody.Count(values: $0, count: count) })
        }
        let odd = [[text, "permit"], [text, text], [], [text]]
        return LogReportBody(
            log: text, made: "2030-01-01T00:00:00Z", from: from, to: to, size: count, policy: text,
            days: counts([["2028-02-29", "permit"]] + odd), purposes: counts(odd), agencies: counts(odd),
            denials: counts(odd), hours: counts([["2028-02-29", "05"], [text, text]]), outcomes: counts(odd),
            answers: answers ?? [
                LogAnswerBody(
                    question: text, title: text, mustBeNone: true, columns: [text, text],
                    rows: [[text, text], [text]],
                    count: count),
                LogAnswerBody(
                    question: "caps", title: text, mustBeNone: false, columns: ["used", "limit", text],
                    rows: [[String(count), "1", text], ["1", String(count), text]], count: count),
                LogAnswerBody(
                    question: "caps", title: text, mustBeNone: false, columns: ["used", "limit"],
                    rows: [[text]], count: 1),
            ])
    }
}

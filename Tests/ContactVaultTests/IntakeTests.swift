// What the vault takes in, what it refuses, and that a refusal leaves nothing behind.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import StrictEncoding
import Testing
import VaultTesting

/// One change to a good contact, and the fault it must give.
struct RefusedIntake: Sendable, CustomTestStringConvertible {
    let member: String
    let value: JSONValue?
    let fault: IntakeFault
    let why: String

    init(
        _ member: String, _ value: JSONValue?, _ field: StaticString, _ problem: IntakeFault.Problem,
        _ why: String
    ) {
        self.member = member
        self.value = value
        fault = IntakeFault(field: field, problem: problem)
        self.why = why
    }

    var testDescription: String { why }

    /// Things the vault is not for.
    static let foreign: [RefusedIntake] =
        [
            ("amount", "amount"), ("balance", "balance"), ("debt_amount", "debt_amount"),
            ("overdue_days", "overdue_days"), ("due_date", "due_date"), ("id_card", "id_card"),
            ("identity_number", "identity_number"), ("address", "address"), ("address_book", "address_book"),
            ("contacts", "contacts"), ("note", "note"), ("remark", "remark"), ("birth_date", "birth_date"),
            ("employer", "employer"),
        ].map { RefusedIntake($0.0, .string("x"), $0.1, .notAccepted, "the vault does not hold \($0.0)") }
        + [
            RefusedIntake(
                "欠款", .integer(50_000), "contact", .notAccepted, "a member under a name of the caller's own")
        ]

    /// People whom it may not hold.
    static let people: [RefusedIntake] = [
        RefusedIntake("adult", nil, "adult", .missing, "nobody says that the contact is an adult"),
        RefusedIntake("adult", .bool(false), "adult", .notAccepted, "a minor"),
        RefusedIntake("adult", .string("true"), "adult", .notAccepted, "a word in place of the assurance"),
        RefusedIntake(
            "borrower_phone", .string("+86 138 0013 8000"), "phone", .notAccepted, "the borrower's own number"
        ),
        RefusedIntake(
            "borrower_phone", .string("１３８００１３８０００"), "phone", .notAccepted, "the same, typed otherwise"),
        RefusedIntake(
            "borrower_phone", .string("nobody"), "borrower_phone", .notANumber, "no number of the borrower"),
    ]

    /// Numbers that reach no person, or the wrong one.
    static let phones: [RefusedIntake] = [
        RefusedIntake("phone", nil, "phone", .missing, "no number"),
        RefusedIntake("phone", .string(""), "phone", .missing, "an empty number"),
        RefusedIntake("phone", .integer(13_800_138_000), "phone", .malformed, "a number that is no text"),
        RefusedIntake("phone", .string("13800138000/13900139000"), "phone", .notANumber, "two numbers"),
        RefusedIntake("phone", .string("call me"), "phone", .notANumber, "words"),
        RefusedIntake(
            "phone", .string(String(repeating: "1", count: 65)), "phone", .tooLong, "a number without end"),
        RefusedIntake("phone", .string("110"), "phone", .shortCode, "an emergency number"),
        RefusedIntake("phone", .string("800 810 0000"), "phone", .tollFree, "a toll-free number"),
        RefusedIntake("phone", .string("400 800 0000"), "phone", .sharedCost, "a shared-cost number"),
        RefusedIntake("phone", .string("+870 773 111 632"), "phone", .satellite, "a satellite telephone"),
        RefusedIntake(
            "phone", .string("1349 012 3456"), "phone", .satellite, "a satellite telephone of China"),
        RefusedIntake("phone", .string("145 0013 8000"), "phone", .machine, "a machine"),
        RefusedIntake("region", .string("cn"), "region", .invalidRegion, "a region in small letters"),
        RefusedIntake("region", .integer(86), "region", .malformed, "a region that is no text"),
        RefusedIntake("region", nil, "phone", .countryUnknown, "a national number without a region"),
    ]

    /// Free text and identity numbers where a name or a word belongs.
    static let texts: [RefusedIntake] = [
        RefusedIntake(
            "name", .string("王 110101199003070000"), "name", .notAccepted, "an identity number in the name"),
        RefusedIntake("name", .string("王 １３９"), "name", .notAccepted, "digits in full width in the name"),
        RefusedIntake("name", .string("w@example"), "name", .notAccepted, "an address in the name"),
        RefusedIntake("name", .string("王\n明"), "name", .notAccepted, "two lines in the name"),
        RefusedIntake(
            "name", .string(String(repeating: "王", count: 86)), "name", .tooLong, "a text in the name"),
        RefusedIntake("name", .string(""), "name", .missing, "an empty name"),
        RefusedIntake(
            "relation", .string("sister, owes too"), "relation", .notAccepted, "free text as relation"),
        RefusedIntake(
            "borrower", .string("13800138000"), "borrower", .malformed, "a phone number as reference"),
        RefusedIntake(
            "borrower", .string("br_13800138000"), "borrower", .malformed, "the same with a prefix"),
        RefusedIntake(
            "borrower", .string("11010519491231002X"), "borrower", .malformed,
            "an identity number as reference"),
        RefusedIntake("borrower", .string("王明"), "borrower", .malformed, "a name as reference"),
        RefusedIntake(
            "portfolio", .string(String(repeating: "p", count: 65)), "portfolio", .malformed,
            "a long reference"),
        RefusedIntake("source", .string("bought list"), "source", .notAccepted, "a source that is none"),
    ]

    /// Everything else that the format bounds.
    static let form: [RefusedIntake] =
        ["borrower", "portfolio", "language", "time_zone", "channels", "source", "retain_until"].map { name in
            let fields: [String: StaticString] = [
                "borrower": "borrower", "portfolio": "portfolio", "language": "language",
                "time_zone": "time_zone",
                "channels": "channels", "source": "source", "retain_until": "retain_until",
            ]
            return RefusedIntake(name, nil, fields[name] ?? "contact", .missing, "no \(name)")
        } + [
            RefusedIntake(
                "language", .string("Chinese"), "language", .malformed, "a language that is no tag"),
            RefusedIntake(
                "time_zone", .string("CST"), "time_zone", .notAccepted, "an abbreviation of four zones"),
            RefusedIntake(
                "time_zone", .string("Asia/Nowhere"), "time_zone", .notAccepted, "a zone that is none"),
            RefusedIntake(
                "time_zone", .string("../../etc/passwd"), "time_zone", .notAccepted, "a path as zone"),
            RefusedIntake("time_zone", .array([]), "time_zone", .malformed, "no zone"),
            RefusedIntake(
                "time_zone", .array([.string("Asia/Shanghai"), .integer(8)]), "time_zone", .malformed,
                "a number as zone"),
            RefusedIntake("channels", .array([]), "channels", .missing, "no channel"),
            RefusedIntake("channels", .array([.string("visit")]), "channels", .notAccepted, "visits"),
            RefusedIntake("channels", .string("voice"), "channels", .malformed, "channels that are no list"),
            RefusedIntake(
                "retain_until", .string("2031-02-30"), "retain_until", .malformed, "a day that is none"),
            RefusedIntake(
                "retain_until", .string("2031-01-01T00:00:00Z"), "retain_until", .malformed,
                "a moment for a day"),
            RefusedIntake(
                "verification", .string("yes"), "verification", .malformed, "a verification that is a word"),
            RefusedIntake(
                "verification", .object(JSONObject([("state", .string("verified"))])), "verification",
                .missing,
                "verified, nobody knows when"),
            RefusedIntake(
                "preferred_window",
                .object(JSONObject([("from", .string("20:00")), ("to", .string("09:00"))])),
                "preferred_window", .malformed, "a window that ends before it begins"),
            RefusedIntake(
                "preferred_window",
                .object(JSONObject([("from", .string("09:00")), ("to", .string("24:01"))])),
                "preferred_window", .malformed, "a window beyond the day"),
            RefusedIntake("consents", .string("yes"), "consents", .malformed, "a consent that is a word"),
            RefusedIntake(
                "consents", .array([.object(JSONObject([("purpose", .string("relay.message"))]))]),
                "consents",
                .malformed, "a consent without notice and evidence"),
            RefusedIntake(
                "consents",
                .array([
                    InventedContact.consent(to: "relay.message"),
                    InventedContact.consent(to: "relay.message"),
                ]),
                "consents", .notAccepted, "two consents to one purpose"),
            RefusedIntake(
                "consents", .array((0..<33).map { _ in InventedContact.consent(to: "relay.message") }),
                "consents",
                .tooLong, "more consents than purposes"),
            RefusedIntake(
                "consents", .array([InventedContact.consent(to: "relay.message", expires: "next year")]),
                "consents",
                .malformed, "an end that is no moment"),
        ]
}

@Suite("Intake")
struct IntakeTests {
    private let clock = FixedClock()
    private let fixture: VaultFixture
    private let client: FixtureClient

    init() async throws {
        fixture = try await VaultFixture.make(clock: clock.reading)
        client = try await fixture.registerClient("origination-1", kind: .service, roles: [.intake])
    }

    private func fault(of contact: [UInt8]) async -> IntakeFault? {
        let refused = await refusal {
            _ = try await fixture.vault.storeContact(
                json: contact, as: .localOperator, requestID: try fixture.requestID())
        }
        guard case .intake(let fault)? = refused else { return nil }
        return fault
    }

    // MARK: Refusals

    @Test(
        "what the vault does not take is refused with its field, and nothing is stored",
        arguments: RefusedIntake.foreign + RefusedIntake.people + RefusedIntake.phones + RefusedIntake.texts
            + RefusedIntake.form)
    func refused(_ intake: RefusedIntake) async throws {
        let rows = try fixture.contactRows()
        #expect(
            await fault(of: InventedContact.ouyang.with(intake.member, intake.value).json) == intake.fault)
        #expect(try fixture.contactRows() == rows)
        let entry = try await fixture.newestEntry()
        #expect(entry.kind == .contactCreate && entry.outcome == .deny && entry.reason == "intake_refused")
    }

    @Test(
        "what is no JSON object of the format is refused",
        arguments: [
            "", "[]", "null", "{", "{\"adult\":true,\"adult\":true}", "{\"adult\":true} x", "{\"adult\":tru}",
            "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}}", "\u{FEFF}{}",
        ])
    func malformed(text: String) async throws {
        let rows = try fixture.contactRows()
        #expect(await fault(of: Array(text.utf8)) == IntakeFault(field: "contact", problem: .malformed))
        #expect(try fixture.contactRows() == rows)
    }

    @Test("bytes that are no UTF-8 are refused")
    func notUTF8() async throws {
        var json = InventedContact.ouyang.json
        let quote = try #require(json.firstIndex(of: UInt8(ascii: "z")))
        json[quote] = 0xFF
        #expect(await fault(of: json) == IntakeFault(field: "contact", problem: .malformed))
    }

    @Test("a stored contact is seen as masks and attributes, never as its number")
    func view() async throws {
        let stored = try await client.store(.ouyang)
        #expect(stored.mask == "138****8000")
        #expect(stored.generation == 1)
        let access = try await client.managementAccess(.read, of: stored.contact, method: "GET")
        let view = try await fixture.vault.contact(
            stored.contact, as: .client(access), requestID: try client.requestID())
        #expect(view.phoneMask == "138****8000" && view.nameMask == "欧*")
        #expect(view.attributes.borrower.text == "br_1001" && view.attributes.timeZones == ["Asia/Shanghai"])
        #expect(view.consents.map(\.purpose.text) == ["relay.message"])
        #expect(view.state == .active && view.stopped == nil)
        let entry = try await fixture.newestEntry()
        #expect(entry.kind == .contactRead && entry.form == .mask)
    }

    // MARK: Who may

    @Test(
        "a contact of another portfolio than the token's is refused, and so is a token for another portfolio")
    func portfolio() async throws {
        let bounded = try await fixture.registerClient(
            "origination-2", roles: [.intake], portfolios: ["pf_south"])
        #expect(
            await denial { _ = try await bounded.store(.ouyang, portfolio: "pf_south") } == .insufficientScope
        )
        #expect(
            await denial { _ = try await bounded.store(.ouyang, portfolio: "pf_north") } == .roleNotAllowed)
        #expect(try await fixture.vault.contactCount() == 0)
        let south = InventedContact.ouyang.with("portfolio", .string("pf_south"))
        _ = try await bounded.store(south, portfolio: "pf_south")
        #expect(try await fixture.vault.contactCount() == 1)
    }

    @Test("a role that was taken away counts against a live token")
    func roleTakenAway() async throws {
        let access = try await client.intakeAccess(.create, path: "/v1/contacts")
        try await fixture.vault.setSuspended(
            true, client: client.registration.id, requestID: try fixture.requestID())
        let code = await denial {
            _ = try await fixture.vault.storeContact(
                json: InventedContact.ouyang.json, as: .client(access), requestID: try client.requestID())
        }
        #expect(code == .clientSuspended)
        #expect(try await fixture.vault.contactCount() == 0)
    }

    @Test("one proof stores one contact")
    func replayedProof() async throws {
        let access = try await client.intakeAccess(.create, path: "/v1/contacts")
        let (vault, id) = (fixture.vault, try client.requestID())
        _ = try await vault.storeContact(
            json: InventedContact.ouyang.json, as: .client(access), requestID: id)
        let code = await denial {
            _ = try await vault.storeContact(
                json: InventedContact.sima.json, as: .client(access), requestID: id)
        }
        #expect(code == .proofReplayed)
        #expect(try await vault.contactCount() == 1)
    }

    @Test("a token for one contact manages no other, and one operation is not another")
    func management() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store(.sima))
        let (vault, id) = (fixture.vault, try client.requestID())
        let read = try await client.managementAccess(.read, of: first, method: "GET")
        #expect(
            await denial { _ = try await vault.contact(second, as: .client(read), requestID: id) }
                == .insufficientScope)
        let update = try await client.managementAccess(.update, of: first, method: "PUT")
        #expect(
            await denial { try await vault.stop(first, as: .client(update), requestID: id) }
                == .insufficientScope)
    }

    @Test("a contact that does not exist is refused to a client as a denial, with an entry")
    func unknownContact() async throws {
        let unknown = try #require(ContactID(bytes: [UInt8](repeating: 9, count: 16)))
        let access = try await client.managementAccess(.read, of: unknown, method: "GET")
        let code = await denial {
            _ = try await fixture.vault.contact(
                unknown, as: .client(access), requestID: try client.requestID())
        }
        #expect(code == .contactUnknown)
        #expect(try await fixture.entries(.contactRead, .deny).count == 1)
    }

    // MARK: Idempotency

    @Test("the same key with the same contact stores once; with another contact it is an error")
    func idempotency() async throws {
        let first = try await client.store(.ouyang, idempotencyKey: "k-1")
        let second = try await client.store(.ouyang, idempotencyKey: "k-1")
        #expect(second.contact == first.contact && second.mask == first.mask && second.generation == 1)
        #expect(second.receipt == nil && first.receipt != nil)
        let refused = await refusal { _ = try await client.store(.sima, idempotencyKey: "k-1") }
        guard case .idempotencyConflict? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try await fixture.vault.contactCount() == 1)
        _ = try await client.store(.ouyang, idempotencyKey: "k-2")
        let other = try await fixture.registerClient("origination-2", roles: [.intake])
        _ = try await other.store(.sima, idempotencyKey: "k-1")
        #expect(try await fixture.vault.contactCount() == 3)
    }

    @Test("a key is forgotten after 24 hours, and not before")
    func idempotencyExpires() async throws {
        let first = try await client.store(.ouyang, idempotencyKey: "k-1")
        clock.advance(milliseconds: 24 * 3600 * 1000 - 1)
        try await fixture.vault.purgeExpired()
        #expect(try await client.store(.ouyang, idempotencyKey: "k-1").contact == first.contact)
        clock.advance(milliseconds: 1)
        #expect(try await client.store(.ouyang, idempotencyKey: "k-1").contact != first.contact)
    }

    @Test("parallel requests with one key store one contact")
    func idempotencyInParallel() async throws {
        let accesses = try await withThrowingTaskGroup(of: VerifiedAccess.self) { group in
            for _ in 0..<8 {
                group.addTask { try await self.client.intakeAccess(.create, path: "/v1/contacts") }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let vault = fixture.vault
        let contacts = try await withThrowingTaskGroup(of: ContactID.self) { group in
            for access in accesses {
                let id = try client.requestID()
                group.addTask {
                    try await vault.storeContact(
                        json: InventedContact.ouyang.json, as: .client(access), requestID: id,
                        idempotencyKey: "k"
                    ).contact
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(contacts.count == 1)
        #expect(try await vault.contactCount() == 1)
    }

    // MARK: Replacing

    @Test("a replacement needs the present generation, whatever is sent in its place")
    func generations() async throws {
        let contact = try await fixture.store()
        let json = InventedContact.sima.with("consents", nil).json
        let (vault, id) = (fixture.vault, try fixture.requestID())
        let rows = try fixture.contactRows()
        for generation: UInt64 in [0, 2, 99, UInt64(Int64.max), UInt64.max] {
            let refused = await refusal {
                _ = try await vault.replaceContact(
                    contact, json: json, expecting: generation, as: .localOperator, requestID: id)
            }
            guard case .generationMismatch? = refused else {
                Issue.record("\(generation): \(String(describing: refused))")
                return
            }
        }
        #expect(try fixture.contactRows() == rows)
        let replaced = try await vault.replaceContact(
            contact, json: json, expecting: 1, as: .localOperator, requestID: id)
        #expect(replaced.generation == 2 && replaced.mask == "139****9000")
        let view = try await vault.contact(contact, as: .localOperator, requestID: id)
        #expect(
            view.generation == 2 && view.phoneMask == "139****9000"
                && view.attributes.borrower.text == "br_1002")
        #expect(view.consents.map { $0.withdrawn != nil } == [true], "another number may be another person's")
    }

    @Test("of parallel replacements at one generation exactly one wins")
    func parallelReplacements() async throws {
        let contact = try await fixture.store()
        let fixture = fixture
        let wins = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 {
                group.addTask {
                    await refusal {
                        _ = try await fixture.vault.replaceContact(
                            contact, json: InventedContact.numbered(number).with("consents", nil).json,
                            expecting: 1,
                            as: .localOperator, requestID: try fixture.requestID())
                    } == nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wins == 1)
        #expect(try await fixture.entries(.contactUpdate, .permit).count == 1)
    }

    @Test("a replacement that intake refuses, or that brings consents, leaves the contact as it is")
    func refusedReplacement() async throws {
        let contact = try await fixture.store()
        let rows = try fixture.contactRows()
        for (change, expected) in [
            (InventedContact.sima, IntakeFault(field: "consents", problem: .notAccepted)),
            (
                InventedContact.sima.with("consents", nil).with("amount", .integer(1)),
                IntakeFault(field: "amount", problem: .notAccepted)
            ),
        ] {
            let refused = await refusal {
                _ = try await fixture.vault.replaceContact(
                    contact, json: change.json, expecting: 1, as: .localOperator,
                    requestID: try fixture.requestID())
            }
            guard case .intake(expected)? = refused else {
                Issue.record("\(String(describing: refused))")
                return
            }
        }
        #expect(try fixture.contactRows() == rows)
        let generation: Int? = try fixture.value("SELECT generation FROM contacts")
        #expect(generation == 1)
    }

    // MARK: Import

    @Test("good lines of an import are stored, bad ones are named, each on its own")
    func importLines() async throws {
        let lines: [[UInt8]] = [
            InventedContact.ouyang.json,
            InventedContact.sima.with("amount", .integer(1)).json,
            Array("not json".utf8),
            InventedContact.sima.json,
            InventedContact.numbered(1, portfolio: "pf_south").json,
            InventedContact.numbered(2).with("name", .string(String(repeating: " ", count: 17_000))).json,
            InventedContact.numbered(3).json,
        ]
        let access = try await client.intakeAccess(.import, path: "/v1/contacts/import")
        let results = try await fixture.vault.importContacts(
            lines, as: .client(access), requestID: try client.requestID(), isFirst: true)
        var faults: [IntakeFault?] = []
        var masks: [String?] = []
        for result in results {
            switch result {
            case .success(let stored):
                #expect(stored.receipt != nil)
                faults.append(nil)
                masks.append(stored.mask)
            case .failure(let fault):
                faults.append(fault)
                masks.append(nil)
            }
        }
        #expect(
            faults == [
                nil, IntakeFault(field: "amount", problem: .notAccepted),
                IntakeFault(field: "contact", problem: .malformed), nil,
                IntakeFault(field: "portfolio", problem: .notAccepted),
                IntakeFault(field: "contact", problem: .tooLong), nil,
            ])
        #expect(masks == ["138****8000", nil, nil, "139****9000", nil, nil, "138****0003"])
        #expect(try await fixture.vault.contactCount() == 3)
        #expect(try await fixture.entries(.contactCreate, .permit).count == 3)
        try await fixture.verifyLog()
    }

    @Test("later parts of an import need no proof of their own, and a first part does")
    func importParts() async throws {
        let access = try await client.intakeAccess(.import, path: "/v1/contacts/import")
        let (vault, id) = (fixture.vault, try client.requestID())
        for (number, isFirst) in [(0, true), (1, false), (2, false)] {
            let results = try await vault.importContacts(
                [InventedContact.numbered(number).json], as: .client(access), requestID: id, isFirst: isFirst)
            #expect(results.count == 1)
        }
        let code = await denial {
            _ = try await vault.importContacts(
                [InventedContact.numbered(3).json], as: .client(access), requestID: id, isFirst: true)
        }
        #expect(code == .proofReplayed)
        #expect(try await vault.contactCount() == 3)
    }

    @Test("a token for single contacts imports none")
    func importScope() async throws {
        let create = try await client.intakeAccess(.create, path: "/v1/contacts/import")
        let code = await denial {
            _ = try await fixture.vault.importContacts(
                [InventedContact.ouyang.json], as: .client(create), requestID: try client.requestID(),
                isFirst: true)
        }
        #expect(code == .insufficientScope)
        #expect(try await fixture.vault.contactCount() == 0)
    }

    @Test("an import that was let in goes on past its token's end, and stops when its client is suspended")
    func longImport() async throws {
        let access = try await client.intakeAccess(.import, path: "/v1/contacts/import")
        let (vault, id) = (fixture.vault, try client.requestID())
        func importOne(_ number: Int, isFirst: Bool) async throws {
            _ = try await vault.importContacts(
                [InventedContact.numbered(number).json], as: .client(access), requestID: id, isFirst: isFirst)
        }
        try await importOne(0, isFirst: true)
        clock.advance(seconds: 300)
        try await importOne(1, isFirst: false)
        try await vault.setSuspended(true, client: client.registration.id, requestID: id)
        #expect(await denial { try await importOne(2, isFirst: false) } == .clientSuspended)
        #expect(try await vault.contactCount() == 2)
    }

    @Test("a first part with an expired token is refused")
    func expiredImport() async throws {
        let access = try await client.intakeAccess(.import, path: "/v1/contacts/import")
        clock.advance(seconds: 300)
        let code = await denial {
            _ = try await fixture.vault.importContacts(
                [InventedContact.ouyang.json], as: .client(access), requestID: try client.requestID(),
                isFirst: true)
        }
        #expect(code == .tokenExpired)
    }

    @Test("a refused contact spends its proof: a token cannot try one contact after another")
    func refusalSpendsProof() async throws {
        let access = try await client.intakeAccess(.create, path: "/v1/contacts")
        let (vault, id) = (fixture.vault, try client.requestID())
        let bad = InventedContact.ouyang.with("amount", .integer(1)).json
        guard
            case .intake? = await refusal({
                _ = try await vault.storeContact(json: bad, as: .client(access), requestID: id)
            })
        else {
            Issue.record("not refused at intake")
            return
        }
        let code = await denial {
            _ = try await vault.storeContact(
                json: InventedContact.ouyang.json, as: .client(access), requestID: id)
        }
        #expect(code == .proofReplayed)
    }
}

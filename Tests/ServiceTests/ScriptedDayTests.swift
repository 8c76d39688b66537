// The whole catalogue over HTTP in one day, with a clock that the script sets: Monday 5 January 2026 in Shanghai.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Foundation
import Logging
import PurposePolicy
import StrictEncoding
import Synchronization
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultService
import VaultTesting

@Suite("A day")
struct ScriptedDayTests {
    @Test("all twelve purposes, each when it may and when it may not")
    func day() async throws {
        let clock = FixedClock(Timestamp("2026-01-04T18:00:00Z")!)
        let served = try await ServedFixture(policy: StarterPolicy.starterCatalogue, clock: clock)
        let script = try await Script(served, clock)

        // 02:00. Nobody is called at night, but a threat to life is no matter of the hour.
        try await script.at("02:00")
        for purpose in [
            "relay.message", "contact.notice", "contact.verify", "negotiate.proxy", "repay.voluntary",
        ] {
            try await script.refused(403, "outside-hours", purpose)
        }
        try await script.refused(403, "outside-hours", "callback.requested")
        try await script.given("reveal", "safety.emergency")
        // 07:59:59.999 is too early for a callback, 08:00 is not; everything else begins at nine.
        try await script.at("07:59")
        try await script.refused(403, "outside-hours", "callback.requested")
        try await script.at("08:00")
        try await script.given("reveal", "callback.requested")
        try await script.refused(403, "outside-hours", "complaint.response", client: "complaints-1")

        // 09:00. What answers the contact, or acts for the borrower, is no approach; what approaches shares one a day.
        try await script.at("09:00")
        try await script.given("reveal", "contact.verify", contact: "new")
        try await script.given("reveal", "contact.notice")
        try await script.given("reveal", "relay.message")
        try await script.refused(403, "cap-reached", "relay.message")
        try await script.refused(403, "cap-reached", "locate.debtor")
        try await script.given("seal", "locate.debtor", contact: "other")
        try await script.given("reveal", "negotiate.proxy")
        try await script.given("reveal", "repay.voluntary")
        try await script.given("reveal", "complaint.response", client: "complaints-1")
        try await script.given("reveal", "rights.fulfil", client: "privacy-1")
        try await script.given("mask", "relay.message", client: "desk-1", contact: "third", action: "display")
        // A role that the purpose does not name gets no token.
        try await script.noToken("unauthorized_client", "complaint.response")
        try await script.noToken("unauthorized_client", "rights.fulfil")
        try await script.noToken("invalid_authorization_details", "marketing")

        // 10:00. Heirs: sealed, and only with a colleague's approval.
        try await script.at("10:00")
        try await script.refused(403, nil, "estate.outreach", contact: "fourth")
        try await script.approve(contact: "fourth")
        try await script.given("seal", "estate.outreach", contact: "fourth")

        // 12:00. The stop list: a no by telephone, and from then on nothing but answers.
        try await script.at("12:00")
        #expect(try await script.match() == [false, false, nil])
        try await script.stop()
        #expect(try await script.match() == [true, false, nil])
        for purpose in [
            "contact.notice", "negotiate.proxy", "repay.voluntary", "safety.emergency", "callback.requested",
        ] {
            try await script.refused(403, nil, purpose)
        }
        try await script.given("reveal", "complaint.response", client: "complaints-1")
        try await script.given("reveal", "rights.fulfil", client: "privacy-1")

        // 20:00. The day is over for all but a callback and an emergency.
        try await script.at("20:00")
        try await script.refused(403, "outside-hours", "contact.notice", contact: "third")
        try await script.given("reveal", "callback.requested", contact: "third")
        try await script.at("22:00")
        try await script.refused(403, "outside-hours", "callback.requested", contact: "third")
        try await script.given("reveal", "safety.emergency", contact: "third")

        let kinds = try await served.fixture.entries().map(\.kind)
        #expect(kinds.count { $0 == .emergencyAlert } == 2)
        try await served.fixture.verifyLog()
        try await script.finish()
        try await served.stop()
    }

    @Test(
        "rate limits are 429 with Retry-After, an outcome that contradicts another is 409, too many numbers are 413"
    )
    func statuses() async throws {
        let clock = FixedClock()
        let served = try await ServedFixture(
            policy: StarterPolicy.starterCatalogue.replacing(
                "requests_per_minute: 60", with: "requests_per_minute: 2"),
            clock: clock)
        let script = try await Script(served, clock)
        let release = try await script.given("reveal", "relay.message", isReported: false)
        try await script.report("no_answer", of: release, expecting: 200)
        try await script.report("no_answer", of: release, expecting: 200)
        try await script.report("refused", of: release, expecting: 409)
        try await script.report("happy", of: release, expecting: 400)
        _ = try await script.match()
        do {
            _ = try await script.match(Array(repeating: "+8613800138000", count: 1001))
            Issue.record("1001 numbers were compared")
        } catch { #expect(error.status == 413) }
        _ = try await script.match()
        do {
            _ = try await script.match()
            Issue.record("no limit")
        } catch {
            #expect(error.status == 429)
            guard case .refused(let problem) = error else { return }
            #expect(problem.retryAfterSeconds == 60)
        }
        try await script.finish()
        try await served.stop()
    }

    @Test("an emergency is told within a second to the configured address, and again until it is taken")
    func alert() async throws {
        let clock = FixedClock()
        let alerts = Mutex<(refusals: Int, taken: [[UInt8]])>((1, []))
        let served = try await ServedFixture(policy: StarterPolicy.starterCatalogue, clock: clock) { json in
            let isRefused = alerts.withLock { alerts in
                guard alerts.refusals == 0 else {
                    alerts.refusals -= 1
                    return true
                }
                alerts.taken.append(json)
                return false
            }
            if isRefused { throw VaultError.overloaded }
        }
        let script = try await Script(served, clock)
        let release = try await script.given("reveal", "safety.emergency")
        for _ in 0..<100 where alerts.withLock({ $0.taken.isEmpty }) {
            try await Task.sleep(for: .milliseconds(100))
        }
        let alert = try #require(alerts.withLock { $0.taken.first })
        let object = try #require(try JSONValue.parse(alert).objectValue)
        #expect(object["event"]?.stringValue == "emergency_release")
        #expect(object["release"]?.stringValue == release)
        #expect(
            PersonalDataScan(InventedContact.ouyang.personalStrings).findings(in: alert, named: "alert") == []
        )
        for _ in 0..<50 where try await !served.fixture.vault.undeliveredAlerts().isEmpty {
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(try await served.fixture.vault.undeliveredAlerts().isEmpty)
        #expect(alerts.withLock { $0.taken.count } == 1)
        try await script.finish()
        try await served.stop()
    }
}

/// A fixture's vault behind the real routes, in this process, so that its clock can be set.
private final class ServedFixture: Sendable {
    let fixture: VaultFixture
    let endpoint: String
    private let server: Task<Void, any Error>

    init(policy: String, clock: FixedClock, deliverAlert: AlertDelivery? = nil) async throws {
        fixture = try await VaultFixture.make(policy: policy, clock: clock.reading)
        var configuration = ServiceConfiguration()
        configuration.data.port = 0
        configuration.control.port = 0
        var logger = Logger(label: "day", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        let service = VaultServer(
            vault: fixture.vault, configuration: configuration,
            operatorSocket: fixture.folder.file("operator.sock"), deliverAlert: deliverAlert, logger: logger)
        let (addresses, continuation) = AsyncStream.makeStream(of: VaultServer.Addresses.self)
        server = Task { try await service.run { continuation.yield($0) } }
        var iterator = addresses.makeAsyncIterator()
        endpoint = try #require(await iterator.next()).data
    }

    func stop() async throws {
        server.cancel()
        _ = await server.result
    }
}

/// The day's people and programs.
private struct Script {
    let served: ServedFixture
    let clock: FixedClock
    private let clients: [String: VaultClient]
    private let contacts: [String: ContactID]
    private let encryptionKey: PrivateEncryptionJWK

    init(_ served: ServedFixture, _ clock: FixedClock) async throws {
        self.served = served
        self.clock = clock
        let fixture = served.fixture
        encryptionKey = try PrivateEncryptionJWK.generate()
        var clients: [String: VaultClient] = [:]
        for (name, kind, role) in [
            ("dialer-1", ClientKind.gateway, Role.collection), ("dialer-2", .gateway, .collection),
            ("desk-1", .desk, .collection), ("complaints-1", .service, .complaints),
            ("privacy-1", .service, .privacy),
        ] {
            let registered = try await fixture.registerClient(
                name, kind: kind, roles: [role], encryptionKey: encryptionKey.publicJWK)
            clients[name] = try VaultClient(
                issuer: VaultFixture.issuer, endpoint: served.endpoint, client: registered.registration.id,
                key: registered.key, clock: clock.reading)
        }
        self.clients = clients
        let purposes = ["relay.message", "locate.debtor", "negotiate.proxy"]
        let consents = JSONValue.array(purposes.map { InventedContact.consent(to: $0) })
        var contacts: [String: ContactID] = [:]
        for (index, name) in ["main", "other", "third", "fourth", "new"].enumerated() {
            let contact =
                name == "main"
                ? InventedContact.ouyang : InventedContact.numbered(index, portfolio: "pf_north")
            let id = try await fixture.store(contact.with("consents", name == "new" ? nil : consents))
            contacts[name] = id
            for (reference, kind) in [
                ("of_1", ReferenceKind.offer), ("rq_1", .request), ("cp_1", .complaint),
            ] {
                try await fixture.vault.recordReference(
                    try #require(Reference(reference)), kind, of: id, as: .localOperator,
                    requestID: try fixture.requestID())
            }
            try await fixture.vault.giveAuthorisation(
                try AuthorisationIntake(
                    members: JSONObject([
                        ("evidence", .string("sha256:" + String(repeating: "5a", count: 32)))
                    ])),
                to: id, as: .localOperator, requestID: try fixture.requestID())
        }
        self.contacts = contacts
    }

    func at(_ time: String) async throws {
        let shanghai = try #require(TimeZoneDatabase.system.zone("Asia/Shanghai"))
        let midnight = shanghai.start(of: try #require(CalendarDay("2026-01-05")))
        let parts = time.split(separator: ":").compactMap { Int64($0) }
        let last: Int64 = time == "07:59" ? 59_999 : 0
        clock.now = Timestamp(
            milliseconds: midnight.milliseconds + (parts[0] * 60 + parts[1]) * 60_000 + last)
    }

    /// Details as the catalogue wants them for a purpose.
    private func details(
        _ purpose: String, _ contact: String, _ action: String?
    ) throws -> AuthorizationDetails {
        let usual: [String: (action: String, stage: Stage, precondition: Precondition?, reference: String?)] =
            [
                "contact.verify": ("dial", .preDue, nil, nil),
                "contact.notice": ("send_template", .preDue, nil, nil),
                "locate.debtor": ("dial", .legal, .numberInvalid, nil),
                "negotiate.proxy": ("dial", .legal, nil, nil),
                "repay.voluntary": ("dial", .callCollection, nil, "of_1"),
                "callback.requested": ("dial", .visit, nil, "rq_1"),
                "estate.outreach": ("dial", .legal, .deceased, nil),
                "complaint.response": ("dial", .closed, nil, "cp_1"),
                "rights.fulfil": ("send_template", .closed, nil, "rq_1"),
                "safety.emergency": ("dial", .closed, nil, nil),
            ]
        let (usualAction, stage, precondition, reference) =
            usual[purpose] ?? ("dial", .callCollection, .unreachableThreeDays, nil)
        return .contactAccess(
            try ContactAccessDetails(
                action: #require(Action(action ?? usualAction)), purpose: #require(Purpose(purpose)),
                selection: .one(#require(contacts[contact])),
                caseReference: #require(Reference("cs_" + contact)),
                stage: stage, fields: [.phone], precondition: precondition,
                reference: reference.flatMap { Reference($0) },
                actor: Actor(kind: .human, id: #require(Reference("u_1"))), maximumUses: 1))
    }

    private func release(
        _ purpose: String, _ client: String, _ contact: String, _ action: String?
    ) async throws -> ReleaseBody {
        let details = try details(purpose, contact, action)
        guard case .contactAccess(let access) = details, let vault = clients[client] else {
            throw FixtureFault.malformed("script")
        }
        return try await vault.release(
            access.contacts[0], action: access.action, token: try await vault.token(for: details))
    }

    @discardableResult
    func given(
        _ form: String, _ purpose: String, client: String = "dialer-1", contact: String = "main",
        action: String? = nil, isReported: Bool = true, at location: SourceLocation = #_sourceLocation
    ) async throws -> String {
        do {
            let body = try await release(purpose, client, contact, action)
            #expect(body.form == form, "\(purpose)", sourceLocation: location)
            let phone = try #require(body.fields["phone"], sourceLocation: location)
            switch form {
            case "reveal": #expect(phone.hasPrefix("+8613800"), sourceLocation: location)
            case "mask": #expect(phone.contains("****"), sourceLocation: location)
            default:
                let opened = try VaultClient.open(phone, with: encryptionKey)
                #expect(
                    String(decoding: opened.revealBytes(), as: UTF8.self).hasPrefix("+8613800"),
                    sourceLocation: location)
            }
            // As a service does that keeps its actors from being throttled.
            if isReported, form != "mask" {
                try await report("no_answer", of: body.release, purpose, client, contact)
            }
            return body.release
        } catch let error as VaultClientError {
            Issue.record("\(purpose): \(error)", sourceLocation: location)
            return ""
        }
    }

    func refused(
        _ status: Int, _ detail: String?, _ purpose: String, client: String = "dialer-1",
        contact: String = "main", at location: SourceLocation = #_sourceLocation
    ) async throws {
        do {
            _ = try await release(purpose, client, contact, nil)
            Issue.record("\(purpose) was released", sourceLocation: location)
        } catch let error as VaultClientError {
            #expect(error.status == status, "\(purpose)", sourceLocation: location)
            #expect(error.problemType == "release-denied", "\(purpose)", sourceLocation: location)
            #expect(error.problem?.detail == detail, "\(purpose)", sourceLocation: location)
        }
    }

    func noToken(
        _ code: String, _ purpose: String, at location: SourceLocation = #_sourceLocation
    ) async throws {
        do {
            _ = try await release(purpose, "dialer-1", "main", nil)
            Issue.record("\(purpose) was released", sourceLocation: location)
        } catch let error as VaultClientError {
            #expect(error.problemType == code, "\(purpose)", sourceLocation: location)
        }
    }

    func approve(contact: String) async throws {
        let vault = try #require(clients["dialer-2"])
        let details = AuthorizationDetails.contactManagement(
            try ContactManagementDetails(operation: .approve, contact: contacts[contact]))
        let list = try await vault.send("GET", "/v1/approvals", token: try await vault.token(for: details))
        #expect(list.status == 200)
        let approval = try #require(
            try JSONDecoder().decode([ApprovalBody].self, from: Data(list.body)).first)
        try await vault.approve(approval.approval, token: try await vault.token(for: details))
    }

    func stop() async throws {
        let vault = try #require(clients["privacy-1"])
        let contact = try #require(contacts["main"])
        let details = AuthorizationDetails.contactManagement(
            try ContactManagementDetails(operation: .stop, contact: contact))
        let reply = try await vault.send(
            "PUT", "/v1/contacts/\(contact)/stop", token: try await vault.token(for: details))
        #expect(reply.status == 204)
    }

    func match(
        _ numbers: [String] = ["+8613800138000", "+8613900139000", "120"]
    ) async throws(VaultClientError) -> [Bool?] {
        guard let vault = clients["dialer-1"], let actor = Reference("u_1"),
            let details = try? NumberMatchDetails(actor: Actor(kind: .human, id: actor), maximumUses: 1)
        else { throw .requestMalformed }
        return try await vault.match(numbers, token: try await vault.token(for: .numberMatch(details)))
    }

    func report(
        _ outcome: String, of release: String, _ purpose: String = "relay.message",
        _ client: String = "dialer-1",
        _ contact: String = "main", expecting status: Int = 200
    ) async throws {
        let vault = try #require(clients[client])
        let token = try await vault.token(for: try details(purpose, contact, nil))
        let reply = try await vault.send(
            "POST", "/v1/releases/\(release)/outcome", token: token,
            body: Array(#"{"outcome":"\#(outcome)"}"#.utf8))
        #expect(reply.status == status)
    }

    func finish() async throws {
        for client in clients.values { try await client.shutdown() }
    }
}

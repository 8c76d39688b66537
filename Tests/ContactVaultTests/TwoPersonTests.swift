// What one person alone may not do: asked for by one, approved by another, for exactly one operation, once, in time, by nobody else.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import Foundation
import GRDB
import Testing
import VaultCrypto
import VaultTesting

@Suite("Two people")
struct TwoPersonTests {
    private let clock = FixedClock()
    private let one = KeyReference(.kek, id: 1, version: 1)

    private func fixture() async throws -> VaultFixture {
        try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 99), clock: clock.reading, storesKeyring: true)
    }

    private func security(
        _ fixture: VaultFixture, _ name: String, agency: String = "ag_north", roles: Set<Role> = [.security]
    ) async throws -> FixtureClient {
        try await fixture.registerClient(name, kind: .service, roles: roles, agency: agency)
    }

    private func access(
        _ client: FixtureClient, _ details: AuthorizationDetails, _ path: String = "/v1/approvals"
    ) async throws -> Caller {
        .client(try await client.access(try await client.token(details), method: "POST", path: path))
    }

    private func keys(_ operation: KeyManagementDetails.Operation) -> AuthorizationDetails {
        .keyManagement(KeyManagementDetails(operation: operation))
    }

    private func ask(
        _ fixture: VaultFixture, _ change: KeyChange, as caller: Caller = .localOperator
    ) async throws -> ApprovalID {
        guard
            case .waiting(let id) = try await fixture.vault.changeKeys(
                change, as: caller, requestID: fixture.requestID())
        else { throw FixtureFault.malformed("was done by one person: \(change)") }
        return id
    }

    private func states(_ fixture: VaultFixture, _ name: KeyName = .kek) -> [KeyState] {
        fixture.vault.keys.filter { $0.reference.name == name }.map(\.state)
    }

    /// A vault whose first key-encryption key is out of use and needed by nothing.
    private func retired() async throws -> VaultFixture {
        let fixture = try await fixture()
        try await fixture.changeKeys(.add(.kek))
        try await fixture.changeKeys(.promote(KeyReference(.kek, id: 1, version: 2)))
        try await fixture.changeKeys(.retire(one))
        return fixture
    }

    @Test("destroying, compromising and enabling a key change nothing until a second person approves")
    func waits() async throws {
        let fixture = try await retired()
        let epoch = try #require(try fixture.storage?.load().epoch)
        let colleague = try await security(fixture, "security-1")
        for (change, after) in [
            (KeyChange.enable(one), KeyState.decryptOnly), (.compromise(one), .compromised),
            (.destroy(one), .destroyed),
        ] {
            let before = states(fixture)
            let id = try await ask(fixture, change)
            #expect(states(fixture) == before, "\(change)")
            // Asked again, it is the same wish.
            #expect(try await ask(fixture, change) == id)
            try await fixture.vault.approve(
                id, as: try await access(colleague, keys(.approve)), requestID: fixture.requestID())
            #expect(states(fixture) == [after, .active], "\(change)")
        }
        #expect(try fixture.storage?.load().epoch == epoch + 3)
        let given = try await fixture.entries(.approvalGive, .permit)
        #expect(given.map(\.basis?.text) == ["key.enable", "key.compromise", "key.destroy"])
        #expect(given.allSatisfy { $0.client?.text == "security-1" })
        #expect(
            try await fixture.entries(.approvalRequest, .permit).map(\.client?.text)
                == Array(repeating: "operator", count: 3))
        try await fixture.verifyLog()
    }

    @Test("nobody approves for themselves: not the operator, not a client, whatever token it shows")
    func oneself() async throws {
        let fixture = try await retired()
        let id = try await ask(fixture, .destroy(one))
        guard
            case .approvalByRequester? = await refusal({
                try await fixture.vault.approve(id, as: .localOperator, requestID: fixture.requestID())
            })
        else {
            Issue.record("the operator asked and approved")
            return
        }
        let client = try await security(fixture, "security-1")
        let own = try await ask(fixture, .destroy(one), as: try await access(client, keys(.destroy)))
        #expect(own != id)
        let approver = try await access(client, keys(.approve))
        guard
            case .approvalByRequester? = await refusal({
                try await fixture.vault.approve(own, as: approver, requestID: fixture.requestID())
            })
        else {
            Issue.record("a client asked and approved")
            return
        }
        #expect(states(fixture) == [.disabled, .active])
    }

    @Test("another agency, another role and a token for something else approve nothing")
    func strangers() async throws {
        let fixture = try await retired()
        let asker = try await security(fixture, "security-1")
        let id = try await ask(fixture, .destroy(one), as: try await access(asker, keys(.destroy)))
        let foreign = try await security(fixture, "security-2", agency: "ag_south")
        #expect(
            await denial {
                try await fixture.vault.approve(
                    id, as: try await access(foreign, keys(.approve)), requestID: fixture.requestID())
            } == .roleNotAllowed)
        let officer = try await security(fixture, "officer-1", roles: [.privacy])
        #expect(await denial { _ = try await access(officer, keys(.approve)) } == .roleNotAllowed)
        let colleague = try await security(fixture, "security-3")
        for operation: KeyManagementDetails.Operation in [
            .read, .rotate, .rewrap, .retire, .destroy, .policy,
        ] {
            #expect(
                await denial {
                    try await fixture.vault.approve(
                        id, as: try await access(colleague, keys(operation)), requestID: fixture.requestID())
                } == .insufficientScope, "\(operation)")
        }
        let export = AuthorizationDetails.accessLog(try AccessLogDetails(operation: .export))
        #expect(
            await denial {
                try await fixture.vault.approve(
                    id, as: try await access(officer, export), requestID: fixture.requestID())
            } == .insufficientScope)
        // Whose role was taken away after the token was made.
        #expect(states(fixture) == [.disabled, .active])
    }

    @Test("an approval is for one operation with its parameters, ends after a day, and is used once")
    func exactly() async throws {
        let fixture = try await retired()
        try await fixture.changeKeys(.add(.kek))
        let three = KeyReference(.kek, id: 1, version: 3)
        let colleague = try await security(fixture, "security-1")
        func approve(_ id: ApprovalID) async throws {
            try await fixture.vault.approve(
                id, as: try await access(colleague, keys(.approve)), requestID: fixture.requestID())
        }
        func isVoid(_ id: ApprovalID) async -> Bool {
            if case .approvalVoid? = await refusal({ try await approve(id) }) { true } else { false }
        }
        let id = try await ask(fixture, .destroy(one))
        #expect(try await ask(fixture, .destroy(three)) != id)
        try await approve(id)
        #expect(states(fixture) == [.destroyed, .active, .preActive], "and not the other version")
        #expect(await isVoid(id), "used")
        let late = try await ask(fixture, .compromise(three))
        clock.advance(seconds: 24 * 3600)
        #expect(await isVoid(late), "late")
        #expect(states(fixture) == [.destroyed, .active, .preActive])
        // What was asked for may have become impossible meanwhile: then it is refused, and not approved.
        let stale = try await ask(fixture, .destroy(three))
        try await fixture.changeKeys(.promote(three))
        guard case .conflict("key_state")? = await refusal({ try await approve(stale) }) else {
            Issue.record("the active key was destroyed")
            return
        }
        #expect(states(fixture) == [.destroyed, .decryptOnly, .active])
        try await fixture.verifyLog()
    }

    @Test("a row that somebody changed in the store approves nothing else than was asked for")
    func changedRow() async throws {
        let fixture = try await retired()
        try await fixture.changeKeys(.add(.kek))
        let id = try await ask(fixture, .destroy(KeyReference(.kek, id: 1, version: 3)))
        let other = ProtectedOperation.destroyKey(one).payload
        let colleague = try await security(fixture, "security-1")
        let before = states(fixture)
        try fixture.tamper(
            "UPDATE approvals SET payload = ? WHERE id = ?", [Data(other), Data(id.bytes)])
        guard
            case .approvalVoid? = await refusal({
                try await fixture.vault.approve(
                    id, as: try await access(colleague, keys(.approve)), requestID: fixture.requestID())
            })
        else {
            Issue.record("approved another operation")
            return
        }
        #expect(states(fixture) == before)
    }

    @Test("a stop flag is lifted by two people of the contact's own privacy staff, and by nobody else")
    func liftStop() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let vault = fixture.vault
        guard
            case .conflict("not_stopped")? = await refusal({
                _ = try await vault.liftStop(contact, as: .localOperator, requestID: fixture.requestID())
            })
        else {
            Issue.record("there was nothing to lift")
            return
        }
        try await vault.stop(contact, as: .localOperator, requestID: fixture.requestID())
        let privacy = try await security(fixture, "privacy-1", roles: [.privacy])
        let second = try await security(fixture, "privacy-2", roles: [.privacy])
        let intake = try await security(fixture, "intake-1", roles: [.intake])
        func management(
            _ client: FixtureClient, _ operation: ContactManagementDetails.Operation
        ) async throws -> Caller {
            try await access(
                client,
                .contactManagement(try ContactManagementDetails(operation: operation, contact: contact)),
                "/v1/contacts/\(contact)/stop")
        }
        let id = try await vault.liftStop(
            contact, as: try await management(privacy, .stop), requestID: fixture.requestID())
        #expect(await denial { _ = try await client.release(client.details([contact])) } == .stopFlag)
        #expect(
            await denial {
                try await vault.approve(
                    id, as: try await management(intake, .approve), requestID: fixture.requestID())
            } == .roleNotAllowed)
        guard
            case .approvalByRequester? = await refusal({
                try await vault.approve(
                    id, as: try await management(privacy, .approve), requestID: fixture.requestID())
            })
        else {
            Issue.record("lifted by one person")
            return
        }
        let pending = try await vault.pendingApprovals(
            as: try await management(second, .approve), requestID: fixture.requestID())
        #expect(pending.map(\.id) == [id.bytes])
        #expect(ProtectedOperation(pending[0]) == .liftStop(contact))
        try await vault.approve(
            id, as: try await management(second, .approve), requestID: fixture.requestID())
        _ = try await client.release(client.details([contact]))
        #expect(try await fixture.entries(.stopClear, .permit).count == 1)
        // Handed in again, the number is not on the list any more.
        let again = try await vault.storeContact(
            json: InventedContact.ouyang.json, as: .localOperator, requestID: fixture.requestID())
        #expect(again.stopped == nil)
    }

    @Test(
        "an export of much of what the log discloses waits, is for that time and profile, and is begun once")
    func bulkExport() async throws {
        let fixture = try await fixture()
        let vault = fixture.vault
        _ = try await fixture.store(numbered: 0..<10_100)
        let all = ExportRequest()
        func begin(_ request: ExportRequest) async throws -> ApprovalID? {
            switch try await vault.beginExport(request, as: .localOperator, requestID: fixture.requestID()) {
            case .done: nil
            case .waiting(let id): id
            }
        }
        func page(_ request: ExportRequest, _ range: Range<UInt64>) async throws -> Int {
            try await vault.exportedEntries(
                range, of: request, as: .localOperator, requestID: fixture.requestID()
            ).count
        }
        try await vault.publishCheckpoint()
        #expect(try await page(all, 0..<100) == 100, "as much as one person may have")
        let id = try #require(try await begin(all))
        guard
            case .conflict("export_not_approved")? = await refusal({
                _ = try await page(all, 10_050..<10_100)
            })
        else {
            Issue.record("pages without an approval")
            return
        }
        let officer = try await security(fixture, "officer-1", roles: [.privacy])
        let export = AuthorizationDetails.accessLog(try AccessLogDetails(operation: .export))
        let guardian = try await security(fixture, "security-1")
        #expect(
            await denial {
                try await vault.approve(
                    id, as: try await access(guardian, keys(.approve)), requestID: fixture.requestID())
            } == .insufficientScope)
        try await vault.approve(
            id, as: try await access(officer, export), requestID: fixture.requestID())
        // For another profile or another time it is not.
        #expect(try await begin(ExportRequest(profile: .security)) != nil)
        #expect(
            try await begin(ExportRequest(time: TimeSpan(from: FixedClock.beginning.adding(seconds: -1))))
                != nil)
        #expect(try await begin(all) == nil)
        #expect(try await page(all, 10_050..<10_100) == 50)
        #expect(try await begin(all) != nil, "begun once")
        #expect(try await page(all, 10_050..<10_100) == 50, "and read as long as the approval lasts")
        clock.advance(seconds: 24 * 3600)
        #expect(await refusal { _ = try await page(all, 10_050..<10_100) } != nil)
        // One contact's entries are no bulk.
        let contact = try await fixture.store(.numbered(20_000))
        #expect(try await begin(ExportRequest(profile: .subject, contact: contact)) == nil)
    }
}

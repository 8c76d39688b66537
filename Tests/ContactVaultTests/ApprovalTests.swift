// Two people: what one asks for another approves; one operation, once, in time, and never oneself.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import PurposePolicy
import Testing
import VaultTesting

@Suite("Approvals")
struct ApprovalTests {
    private let clock = FixedClock()

    private func fixture() async throws -> VaultFixture {
        try await VaultFixture.make(policy: StarterPolicy.starterCatalogue, clock: clock.reading)
    }

    private func estate(
        _ client: FixtureClient, _ contact: ContactID, caseReference: String = "cs_1",
        fields: [FieldName] = [.phone]
    ) throws -> AuthorizationDetails {
        try client.details(
            [contact], purpose: "estate.outreach", fields: fields, precondition: .deceased,
            caseReference: caseReference)
    }

    private func approve(_ id: ApprovalID, _ contact: ContactID, as client: FixtureClient) async throws {
        let access = try await client.managementAccess(
            .approve, of: contact, method: "POST", path: "/v1/approvals/\(id)/approve")
        try await client.vault.approve(id, as: .client(access), requestID: try client.requestID())
    }

    private func pending(_ contact: ContactID, as client: FixtureClient) async throws -> [ApprovalID] {
        let access = try await client.managementAccess(
            .approve, of: contact, method: "GET", path: "/v1/approvals")
        return try await client.vault.pendingApprovals(as: .client(access), requestID: try client.requestID())
            .compactMap { ApprovalID(bytes: $0.id) }
    }

    private func dialer(
        _ fixture: VaultFixture, _ name: String, roles: Set<Role> = [.collection]
    ) async throws
        -> FixtureClient
    {
        try await fixture.registerClient(
            name, roles: roles, encryptionKey: try PrivateEncryptionJWK.generate().publicJWK)
    }

    @Test("a release that needs a second person waits for a colleague, is sealed, and is approved once")
    func straight() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let asker = try await dialer(fixture, "dialer-1")
        let colleague = try await dialer(fixture, "dialer-2")
        let details = try estate(asker, contact)
        #expect(await denial { _ = try await asker.release(details) } == .approvalMissing)
        // Asking twice puts the question once.
        #expect(await denial { _ = try await asker.release(details) } == .approvalMissing)
        let ids = try await pending(contact, as: colleague)
        let id = try #require(ids.first)
        #expect(ids.count == 1)
        try await approve(id, contact, as: colleague)
        let released = try await asker.release(details)
        #expect(released.form == .seal)
        #expect(released.phone?.split(separator: ".", omittingEmptySubsequences: false).count == 5)
        // It is used up.
        clock.advance(seconds: 8 * 24 * 3600)
        #expect(await denial { _ = try await asker.release(details) } == .approvalMissing)
    }

    @Test("nobody approves what they asked for themselves, whatever roles they have")
    func oneself() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let asker = try await dialer(fixture, "dialer-1", roles: [.collection, .complaints, .privacy])
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
        let id = try #require(try await pending(contact, as: asker).first)
        let refused = await refusal { try await approve(id, contact, as: asker) }
        guard case .approvalByRequester? = refused else {
            Issue.record("approved by oneself: \(String(describing: refused))")
            return
        }
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
    }

    @Test("an approval is for one contact, purpose, case and set of fields, and for no other")
    func bound() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let other = try await fixture.store(.sima)
        let asker = try await dialer(fixture, "dialer-1")
        let colleague = try await dialer(fixture, "dialer-2")
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
        let id = try #require(try await pending(contact, as: colleague).first)
        // A token for another contact does not reach it.
        #expect(await denial { try await approve(id, other, as: colleague) } == .insufficientScope)
        try await approve(id, contact, as: colleague)
        for details in [
            try estate(asker, other), try estate(asker, contact, caseReference: "cs_2"),
            try estate(asker, contact, fields: [.phone, .name]),
        ] {
            #expect(await denial { _ = try await asker.release(details) } == .approvalMissing)
        }
        _ = try await asker.release(estate(asker, contact))
    }

    @Test("an approval of another role, a late one and a second one are refused")
    func refusals() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let asker = try await dialer(fixture, "dialer-1")
        let colleague = try await dialer(fixture, "dialer-2")
        let officer = try await dialer(fixture, "officer-1", roles: [.privacy])
        let intake = try await dialer(fixture, "intake-1", roles: [.intake])
        let foreign = try await fixture.registerClient("dialer-3", agency: "ag_south")
        let bounded = try await fixture.registerClient("dialer-4", portfolios: ["pf_south"])
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
        let id = try #require(try await pending(contact, as: colleague).first)
        #expect(await denial { try await approve(id, contact, as: officer) } == .roleNotAllowed)
        #expect(await denial { try await approve(id, contact, as: intake) } == .roleNotAllowed)
        #expect(await denial { try await approve(id, contact, as: foreign) } == .roleNotAllowed)
        #expect(await denial { try await approve(id, contact, as: bounded) } == .roleNotAllowed)
        let unknown = try #require(ApprovalID(bytes: [UInt8](repeating: 1, count: 16)))
        #expect(await denial { try await approve(unknown, contact, as: colleague) } == .insufficientScope)
        clock.advance(seconds: 24 * 3600)
        let late = await refusal { try await approve(id, contact, as: colleague) }
        guard case .approvalVoid? = late else {
            Issue.record("approved late")
            return
        }
        // Asked again, approved, and then approved once more.
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
        let fresh = try #require(try await pending(contact, as: colleague).first)
        try await approve(fresh, contact, as: colleague)
        let second = await refusal { try await approve(fresh, contact, as: colleague) }
        guard case .approvalVoid? = second else {
            Issue.record("approved twice")
            return
        }
        // One that is not used in time is void too.
        clock.advance(seconds: 24 * 3600)
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
    }

    @Test("sixty-four releases at once with one approval: exactly one")
    func once() async throws {
        let fixture = try await VaultFixture.make(
            policy: StarterPolicy.starterCatalogue.replacing(
                "[{releases: 1, days: 7}, {releases: 2}]", with: "none"
            )
            .replacing("jurisdiction: cn\n", with: "jurisdiction: uk-conc7\n"), clock: clock.reading)
        let contact = try await fixture.store()
        let asker = try await dialer(fixture, "dialer-1")
        let colleague = try await dialer(fixture, "dialer-2")
        #expect(await denial { _ = try await asker.release(estate(asker, contact)) } == .approvalMissing)
        try await approve(
            try #require(try await pending(contact, as: colleague).first), contact, as: colleague)
        var tokens: [IssuedToken] = []
        for _ in 0..<64 { tokens.append(try await asker.token(estate(asker, contact))) }
        let outcomes = await withTaskGroup(of: DenialCode?.self) { group in
            for token in tokens {
                group.addTask { await denial { _ = try await asker.release(contact, with: token) } }
            }
            return await group.reduce(into: [DenialCode?]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == nil } == 1)
        #expect(outcomes.count { $0 == .approvalMissing } == 63)
    }

    // MARK: The policy

    private func tighter() -> PolicyProposal {
        PolicyProposal(
            text: StarterPolicy.starterCatalogue.replacing("hours: 09:00-20:00", with: "hours: 11:00-12:00"),
            calendars: StarterPolicy.calendars)
    }

    private func looser(_ hours: String = "hours: 08:30-20:00") -> PolicyProposal {
        PolicyProposal(
            text: StarterPolicy.starterCatalogue.replacing("hours: 09:00-20:00", with: hours),
            calendars: StarterPolicy.calendars)
    }

    @Test(
        "a tighter policy decides at once, against tokens that are out; a looser one waits for a second person"
    )
    func policyChange() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let security = try await fixture.registerClient("security-1", kind: .service, roles: [.security])
        let token = try await client.token(client.details([contact]))
        let before = fixture.vault.policyVersion
        guard
            case .applied(let version, _) = try await fixture.vault.propose(
                tighter(), as: .localOperator, requestID: try fixture.requestID())
        else {
            Issue.record("a tighter policy waited")
            return
        }
        #expect(version != before && fixture.vault.policyVersion == version)
        #expect(await denial { _ = try await client.release(contact, with: token) } == .outsideHours)

        guard
            case .waiting(let id, let waiting, let changes) = try await fixture.vault.propose(
                looser(), as: .localOperator, requestID: try fixture.requestID())
        else {
            Issue.record("a looser policy did not wait")
            return
        }
        #expect(changes.contains { $0.loosens })
        #expect(fixture.vault.policyVersion == version)
        let own = await refusal {
            try await fixture.vault.approve(id, as: .localOperator, requestID: try fixture.requestID())
        }
        guard case .approvalByRequester? = own else {
            Issue.record("the operator approved itself")
            return
        }
        let access = try await security.keyAccess(
            .approve, method: "POST", path: "/v1/approvals/\(id)/approve")
        try await fixture.vault.approve(id, as: .client(access), requestID: try fixture.requestID())
        #expect(fixture.vault.policyVersion == waiting)
        #expect(try await fixture.entries(.policyApply, .permit).count == 3)
        // And it is what a restart begins with.
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        #expect(reopened.vault.policyVersion == waiting)
    }

    @Test(
        "an approval of a policy is void once another one is in force, and a client's token must be for policies"
    )
    func stalePolicy() async throws {
        let fixture = try await fixture()
        let security = try await fixture.registerClient("security-1", kind: .service, roles: [.security])
        let other = try await fixture.registerClient("security-2", kind: .service, roles: [.security])
        let propose = try await security.keyAccess(.policy, method: "POST", path: "/v1/policy")
        guard
            case .waiting(let id, _, _) = try await fixture.vault.propose(
                looser(), as: .client(propose), requestID: try fixture.requestID())
        else {
            Issue.record("a looser policy did not wait")
            return
        }
        let read = try await other.keyAccess(.read, method: "POST", path: "/v1/approvals/\(id)/approve")
        #expect(
            await denial {
                try await fixture.vault.approve(id, as: .client(read), requestID: try fixture.requestID())
            } == .insufficientScope)
        // Somebody tightens meanwhile: what was looked at is not what would change any more.
        _ = try await fixture.vault.propose(tighter(), as: .localOperator, requestID: try fixture.requestID())
        let late = try await other.keyAccess(.approve, method: "POST", path: "/v1/approvals/\(id)/approve")
        let refused = await refusal {
            try await fixture.vault.approve(id, as: .client(late), requestID: try fixture.requestID())
        }
        guard case .approvalVoid? = refused else {
            Issue.record("a stale approval was taken: \(String(describing: refused))")
            return
        }
    }

    @Test("a client of another role neither proposes nor sees a policy")
    func foreignRole() async throws {
        let fixture = try await fixture()
        let client = try await fixture.registerClient()
        #expect(
            await denial { _ = try await client.keyAccess(.policy, method: "POST", path: "/v1/policy") }
                == .roleNotAllowed)
    }
}

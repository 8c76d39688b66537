// What must be fresh at every release: the proof, the token's life and scope, the client, the contact's own word.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import StrictEncoding
import Testing
import VaultTesting

@Suite("Refusals")
struct RefusalTests {
    private let clock = FixedClock()
    private let fixture: VaultFixture
    private let client: FixtureClient

    init() async throws {
        fixture = try await VaultFixture.make(clock: clock.reading)
        client = try await fixture.registerClient()
    }

    /// A live token for a contact.
    private func token(_ contact: ContactID) async throws -> IssuedToken {
        try await client.token(try client.details([contact]))
    }

    /// Why a release with a token is denied; checks that the refusal has its entry and spends no use.
    private func denialOfRelease(
        _ contact: ContactID, with token: IssuedToken, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> DenialCode? {
        let before = try await fixture.entries().count
        let code = await denial { _ = try await client.release(contact, with: token) }
        if let code {
            let entry = try await fixture.newestEntry()
            let entries = try await fixture.entries()
            #expect(entries.count == before + 1, sourceLocation: sourceLocation)
            #expect(entry.kind == .release && entry.outcome == .deny, sourceLocation: sourceLocation)
            #expect(entry.reason == EntryCode(code), sourceLocation: sourceLocation)
            #expect(entry.form == nil && entry.use == nil, sourceLocation: sourceLocation)
            let uses: Int? = try fixture.value("SELECT sum(uses) FROM token_uses")
            #expect(uses == nil, sourceLocation: sourceLocation)
        }
        return code
    }

    // MARK: Proof, token, client

    @Test("a proof is good once, and its replay has an entry")
    func replay() async throws {
        let contact = try await fixture.store()
        let access = try await client.access(
            try await token(contact), method: "POST", path: FixtureClient.path(of: contact))
        _ = try await client.release(contact, access: access)
        #expect(await denial { _ = try await client.release(contact, access: access) } == .proofReplayed)
        #expect(try await fixture.newestEntry().reason == "proof_replayed")
    }

    @Test("a replayed proof is refused after closing and opening too")
    func replayAfterReopening() async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        let path = FixtureClient.path(of: contact)
        // The first presentation fetches the nonce, so that the second is the whole proof.
        _ = try await client.access(token, method: "POST", path: path)
        let proof = try client.proof(method: "POST", path: path, token: token)
        _ = try await client.release(contact, access: try client.present(token, proof: proof, "POST", path))
        try await fixture.vault.close()
        let reopened = client.moved(to: try await fixture.reopened())
        let access = try await reopened.present(token, proof: proof, "POST", path)
        #expect(await denial { _ = try await reopened.release(contact, access: access) } == .proofReplayed)
    }

    @Test("a token that expires between its check and the transaction is refused")
    func expired() async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        clock.advance(seconds: 300)
        #expect(await denial { _ = try await client.release(contact, access: access) } == .tokenExpired)
        #expect(try await fixture.newestEntry().reason == "token_expired")
        let refused = await refusal { _ = try await client.release(contact, with: token) }
        guard case .token(.invalidToken(.expired))? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
    }

    @Test("a suspension counts against live tokens and new ones, until it is lifted")
    func suspended() async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        try await fixture.vault.setSuspended(
            true, client: client.registration.id, requestID: try fixture.requestID())
        #expect(try await denialOfRelease(contact, with: token) == .clientSuspended)
        let refused = await refusal { _ = try await self.token(contact) }
        guard case .token(.invalidClient(.clientSuspended))? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        try await fixture.vault.setSuspended(
            false, client: client.registration.id, requestID: try fixture.requestID())
        #expect(try await client.release(contact, with: token).phone == "+8613800138000")
    }

    @Test("a token releases no other contact, no other action, and none of another type releases anything")
    func scope() async throws {
        let (contact, other) = (try await fixture.store(), try await fixture.store(.sima))
        let token = try await token(contact)
        #expect(try await denialOfRelease(other, with: token) == .insufficientScope)
        for action in ["display", "send_template"] {
            let code = await denial { _ = try await client.release(contact, action: action, with: token) }
            #expect(code == .insufficientScope, "\(action)")
        }
        let intake = try await fixture.registerClient("origination-1", roles: [.intake])
        let management = try await intake.managementAccess(
            .read, of: contact, method: "POST", path: FixtureClient.path(of: contact))
        #expect(
            await denial { _ = try await intake.release(contact, access: management) } == .insufficientScope)
        let create = try await intake.intakeAccess(.create, path: FixtureClient.path(of: contact))
        #expect(await denial { _ = try await intake.release(contact, access: create) } == .insufficientScope)
    }

    @Test("a release token manages no contact, stores none and reads no log")
    func otherOperations() async throws {
        let contact = try await fixture.store()
        func access() async throws -> VerifiedAccess {
            try await client.access(try await token(contact), method: "GET", path: "/v1/contacts/\(contact)")
        }
        let vault = fixture.vault
        let id = try client.requestID()
        var codes: [DenialCode?] = []
        var caller = Caller.client(try await access())
        codes.append(await denial { _ = try await vault.contact(contact, as: caller, requestID: id) })
        caller = .client(try await access())
        codes.append(await denial { try await vault.stop(contact, as: caller, requestID: id) })
        caller = .client(try await access())
        codes.append(
            await denial {
                _ = try await vault.storeContact(json: InventedContact.sima.json, as: caller, requestID: id)
            })
        caller = .client(try await access())
        codes.append(await denial { _ = try await vault.entries(0..<9, as: caller, requestID: id) })
        #expect(codes == Array(repeating: .insufficientScope, count: 4))
        #expect(try await vault.contactCount() == 1)
    }

    @Test("somebody else's proof does not carry a token")
    func stolenToken() async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        let thief = try await fixture.registerClient("dialer-2")
        let refused = await refusal { _ = try await thief.release(contact, with: token) }
        guard case .token(.invalidToken(.keyBinding))? = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(try await client.release(contact, with: token).phone == "+8613800138000")
    }

    @Test("an assertion or a proof that was used for one token gets no other")
    func replayedAssertion() async throws {
        let contact = try await fixture.store()
        _ = try await token(contact)  // fetches the nonce
        let request = try client.tokenRequest(try client.details([contact]))
        _ = try await fixture.vault.grantToken(request)
        #expect(await denial { _ = try await fixture.vault.grantToken(request) } == .assertionReplayed)
        let withOldProof = TokenRequest(
            assertion: Array(try client.assertion().utf8), clientID: nil,
            authorizationDetails: request.authorizationDetails, proof: request.proof,
            requestID: request.requestID)
        #expect(await denial { _ = try await fixture.vault.grantToken(withOldProof) } == .proofReplayed)
        #expect(
            try await fixture.entries(.tokenDeny, .deny).map(\.reason) == [
                "assertion_replayed", "proof_replayed",
            ])
    }

    @Test(
        "no token for what the policy does not hold",
        arguments: [
            ("collect.debt", "dial", FieldName.phone, Stage.callCollection, DenialCode.purposeUnknown),
            ("relay.message", "visit", .phone, .callCollection, .actionNotAllowed),
            ("relay.message", "dial", .relation, .callCollection, .fieldNotAllowed),
            ("relay.message", "dial", .phone, .closed, .stageNotAllowed),
        ])
    func policy(
        purpose: String, action: String, field: FieldName, stage: Stage, expected: DenialCode
    ) async throws {
        let contact = try await fixture.store()
        let code = await denial {
            _ = try await client.token(
                try client.details([contact], purpose: purpose, action: action, fields: [field], stage: stage)
            )
        }
        #expect(code == expected)
        let entry = try await fixture.newestEntry()
        #expect(entry.kind == .tokenDeny && entry.reason == EntryCode(expected))
    }

    @Test("more uses than the policy gives, a missing precondition or a missing role get no token")
    func tokenTerms() async throws {
        let contact = try await fixture.store()
        let intake = try await fixture.registerClient("origination-1", roles: [.intake])
        let bounded = try await fixture.registerClient("dialer-3", purposes: ["contact.notice"])
        #expect(
            await denial { _ = try await client.token(try client.details([contact], uses: 2)) }
                == .usesNotAllowed)
        #expect(
            await denial { _ = try await client.token(try client.details([contact], precondition: nil)) }
                == .preconditionMissing)
        #expect(
            await denial {
                _ = try await client.token(try client.details([contact], precondition: .deceased))
            }
                == .preconditionNotAccepted)
        #expect(await denial { _ = try await intake.token(try intake.details([contact])) } == .roleNotAllowed)
        #expect(
            await denial { _ = try await bounded.token(try bounded.details([contact])) }
                == .purposeNotRegistered)
    }

    // MARK: The contact

    @Test("an unknown contact and a denied one look the same from outside")
    func sameOutside() async throws {
        let unknown = try #require(ContactID(bytes: [UInt8](repeating: 3, count: 16)))
        let stopped = try await fixture.store()
        let consentless = try await fixture.store(InventedContact.sima.with("consents", nil))
        try await fixture.vault.stop(stopped, as: .localOperator, requestID: try fixture.requestID())
        for (contact, expected) in [
            (unknown, DenialCode.contactUnknown), (stopped, .stopFlag), (consentless, .consentMissing),
        ] {
            let token = try await token(contact)
            let code = try #require(try await denialOfRelease(contact, with: token))
            #expect(code == expected)
            #expect(code.disclosedAs == nil)
        }
    }

    @Test("a contact outside the client's portfolios is refused, and looks like an unknown one")
    func portfolio() async throws {
        let contact = try await fixture.store()
        let bounded = try await fixture.registerClient("dialer-2", portfolios: ["pf_south"])
        let code = await denial { _ = try await bounded.release(contact) }
        #expect(code == .portfolioNotRegistered)
        #expect(code != nil && code?.disclosedAs == nil)
    }

    @Test("no consent, no release; a consent given meanwhile makes the same token good")
    func consentMissing() async throws {
        let contact = try await fixture.store(InventedContact.ouyang.with("consents", nil))
        let token = try await token(contact)
        #expect(try await denialOfRelease(contact, with: token) == .consentMissing)
        let consent = try ConsentIntake(
            purpose: try #require(Purpose("relay.message")),
            members: JSONObject([
                ("notice", .string("n3")),
                ("evidence", .string("sha256:" + String(repeating: "ab", count: 32))),
            ]))
        try await fixture.vault.giveConsent(
            consent, of: contact, as: .localOperator, requestID: try fixture.requestID())
        clock.advance(seconds: 1)
        #expect(try await client.release(contact, with: token).phone == "+8613800138000")
    }

    @Test("consent to another purpose is none")
    func foreignConsent() async throws {
        let contact = try await fixture.store(
            InventedContact.ouyang.with("consents", .array([InventedContact.consent(to: "contact.verify")])))
        #expect(try await denialOfRelease(contact, with: try await token(contact)) == .consentMissing)
    }

    @Test("a consent ends at its moment, against a live token")
    func consentExpires() async throws {
        let end = clock.now.adding(seconds: 60)
        let contact = try await fixture.store(
            InventedContact.ouyang.with(
                "consents", .array([InventedContact.consent(to: "relay.message", expires: end.description)])))
        let tokens = (try await token(contact), try await token(contact))
        clock.now = Timestamp(milliseconds: end.milliseconds - 1)
        #expect(try await client.release(contact, with: tokens.0).phone == "+8613800138000")
        clock.now = end
        #expect(await denial { _ = try await client.release(contact, with: tokens.1) } == .consentExpired)
        #expect(try await fixture.newestEntry().reason == "consent_expired")
    }

    @Test("a withdrawal beats a live token")
    func consentWithdrawn() async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        try await fixture.vault.withdrawConsent(
            to: try #require(Purpose("relay.message")), of: contact, as: .localOperator,
            requestID: try fixture.requestID())
        #expect(try await denialOfRelease(contact, with: token) == .consentWithdrawn)
    }

    @Test("a stop beats a live token and every consent, and no later consent lifts it")
    func stopFlag() async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        let first: Int64? = try fixture.value("SELECT stopped FROM contacts")
        #expect(try await denialOfRelease(contact, with: token) == .stopFlag)
        let consent = try ConsentIntake(
            purpose: try #require(Purpose("relay.message")),
            members: JSONObject([
                ("notice", .string("n4")),
                ("evidence", .string("sha256:" + String(repeating: "cd", count: 32))),
            ]))
        let code = await denial {
            try await fixture.vault.giveConsent(
                consent, of: contact, as: .localOperator, requestID: try fixture.requestID())
        }
        #expect(code == .stopFlag)
        // Saying it again moves it, so that only what the contact asks for after the last no is answered; and a new
        // generation of the record does not lose it.
        clock.advance(seconds: 5)
        try await fixture.vault.stop(contact, as: .localOperator, requestID: try fixture.requestID())
        _ = try await fixture.vault.replaceContact(
            contact, json: InventedContact.ouyang.with("consents", nil).json, expecting: 1,
            as: .localOperator,
            requestID: try fixture.requestID())
        let last: Int64? = try fixture.value("SELECT stopped FROM contacts")
        #expect(last == first.map { $0 + 5000 })
        #expect(try await denialOfRelease(contact, with: token) == .stopFlag)
    }

    @Test(
        "a record that is not in use releases nothing",
        arguments: [
            (RecordState.restricted, DenialCode.contactRestricted), (.suspended, .contactSuspended),
            (.erased, .contactErased),
        ])
    func state(state: RecordState, expected: DenialCode) async throws {
        let contact = try await fixture.store()
        let token = try await token(contact)
        try await fixture.store.transaction { try $0.putStanding(contact, state: state, stopped: nil) }
        #expect(try await denialOfRelease(contact, with: token) == expected)
    }
}

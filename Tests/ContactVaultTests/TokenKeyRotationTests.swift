// The life of a token-signing key: published, signing, overlapping, removed; and taken away in an emergency.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import Testing
import VaultCrypto
import VaultTesting

@Suite("Rotation of the token-signing key")
struct TokenKeyRotationTests {
    private let clock = FixedClock()

    private func fixture() async throws -> VaultFixture {
        try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 99), clock: clock.reading, storesKeyring: true)
    }

    private func key(_ version: UInt32) -> KeyReference { KeyReference(.tokenSigning, version: version) }

    private func change(_ fixture: VaultFixture, _ change: KeyChange) async throws -> KeyStatus {
        try await fixture.changeKeys(change)
    }

    private func wait(_ fixture: VaultFixture, _ step: KeyChange) async -> Timestamp? {
        if case .tooEarly(let moment)? = await refusal({ _ = try await change(fixture, step) }) {
            moment
        } else {
            nil
        }
    }

    private func states(_ fixture: VaultFixture) async throws -> [KeyState] {
        try await fixture.vault.keyStatus(as: .localOperator, requestID: fixture.requestID())
            .filter { $0.key.reference.name == .tokenSigning }.map(\.key.state)
    }

    @Test("publish, sign, overlap, remove: no token is refused on the way, and each step waits its time")
    func rotation() async throws {
        let fixture = try await fixture()
        let vault = fixture.vault
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let details = try client.details([contact], uses: 9)
        let first = try #require(vault.tokenKeys.first).thumbprint

        let published = try await change(fixture, .add(.tokenSigning))
        #expect(published.key.reference == key(2) && published.key.state == .preActive)
        let second = try #require(published.thumbprint)
        #expect(vault.tokenKeys.map(\.thumbprint) == [first, second], "published")
        #expect(try await client.token(details).kid == first, "and not signing yet")

        #expect(await wait(fixture, .promote(key(2))) == fixture.clock().adding(seconds: 300))
        clock.advance(seconds: 299)
        #expect(await wait(fixture, .promote(key(2))) == published.nextStep)
        clock.advance(seconds: 1)
        let old = try await client.token(details)
        _ = try await change(fixture, .promote(key(2)))
        #expect(vault.tokenKeys.map(\.thumbprint) == [second, first])
        let new = try await client.token(details)
        #expect(new.kid == second)
        _ = try await client.release(contact, with: new)
        _ = try await client.release(contact, with: old)

        // Matching tokens live for an hour.
        #expect(await wait(fixture, .retire(key(1))) == fixture.clock().adding(seconds: 3610))
        clock.advance(seconds: 3610)
        _ = try await change(fixture, .retire(key(1)))
        #expect(vault.tokenKeys.map(\.thumbprint) == [second])
        _ = try await client.release(contact, with: try await client.token(details))
        _ = try await change(fixture, .destroy(key(1)))
        #expect(try await states(fixture) == [.destroyed, .active])

        for (kind, versions) in [
            (EntryKind.keyCreate, [UInt32(2)]), (.keyRotate, [1, 2]), (.keyRetire, [1]), (.keyDestroy, [1]),
        ] {
            let entries = try await fixture.entries(kind, .permit)
            #expect(entries.compactMap(\.keyVersion) == versions, "\(kind)")
            #expect(entries.allSatisfy { $0.basis?.text == "token_signing" })
        }
        #expect(
            try await fixture.entries(.keyRotate, .deny).map(\.reason?.text) == ["too_early", "too_early"])
        try await fixture.verifyLog()
        // All of it is still there after a restart.
        try await vault.close()
        let reopened = try await fixture.reopened()
        #expect(reopened.vault.tokenKeys.map(\.thumbprint) == [second])
    }

    @Test("a compromised key dies at once with every token it signed, and a new one signs without waiting")
    func compromise() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let details = try client.details([contact], uses: 9)
        let token = try await client.token(details)
        let access = try await client.access(token, method: "POST", path: FixtureClient.path(of: contact))
        let stolen = fixture.keyring.tokenSigningKey

        let status = try await change(fixture, .compromise(key(1)))
        #expect(status.key.state == .compromised)
        #expect(try await states(fixture) == [.compromised, .active])
        // What was verified a moment before is decided after.
        #expect(await denial { _ = try await client.release(contact, access: access) } == .tokenRevoked)
        guard
            case .token(.invalidToken(.keyUnknown))? = await refusal({
                _ = try await client.release(contact, with: token)
            })
        else {
            Issue.record("a token of a compromised key was accepted")
            return
        }
        // The thief signs on.
        let forged = try TokenIssuer(
            issuer: VaultFixture.issuer, audience: fixture.vault.audience, key: stolen
        ).issue(
            to: client.registration.id, details: details, confirmation: .proofKey(client.key.thumbprint),
            policyVersion: "p1", seconds: 100, now: fixture.clock(), random: SystemRandom())
        #expect(await refusal { _ = try await client.release(contact, with: forged) } != nil)
        _ = try await client.release(contact, with: try await client.token(details))
        #expect(!fixture.vault.tokenKeys.contains { $0.thumbprint == stolen.thumbprint })
        #expect(try await fixture.entries(.keyCompromise, .permit).compactMap(\.keyVersion) == [1])
        #expect(try await fixture.entries(.keyCreate, .permit).compactMap(\.keyVersion) == [2])
        #expect(try await fixture.entries(.keyRotate, .permit).compactMap(\.keyVersion) == [2])
        #expect(
            try await fixture.entries(.keyCreate, .permit).first?.keyThumbprint?.text
                == fixture.vault.tokenKeys.first?.thumbprint)
        #expect(try await fixture.entries(.release, .permit).count == 1)
    }

    @Test("steps that a state does not have are refused, with an entry, and change nothing")
    func refusedSteps() async throws {
        let fixture = try await fixture()
        let epoch = try #require(try fixture.storage?.load().epoch)
        for step: KeyChange in [
            .promote(key(1)), .retire(key(1)), .destroy(key(1)), .promote(key(2)), .compromise(key(9)),
        ] {
            guard case .conflict("key_state")? = await refusal({ _ = try await change(fixture, step) }) else {
                Issue.record("\(step) was not refused")
                continue
            }
        }
        let index = KeyReference(.blindIndex, version: 1)
        for step in [KeyChange.disable(index), .enable(index), .compromise(index)] {
            guard
                case .conflict("key_not_rotatable")? = await refusal({ _ = try await change(fixture, step) })
            else {
                Issue.record("\(step) would hide places of the stop list, and was not refused")
                continue
            }
        }
        #expect(try fixture.storage?.load().epoch == epoch)
        #expect(try await fixture.entries(.keyRotate, .deny).count == 2)
    }

    @Test("a client of role security may rotate with a token for it, and with no other")
    func byClient() async throws {
        let fixture = try await fixture()
        let security = try await fixture.registerClient("security-1", kind: .service, roles: [.security])
        let officer = try await fixture.registerClient("officer-1", kind: .service, roles: [.privacy])
        func access(
            _ client: FixtureClient, _ details: AuthorizationDetails
        ) async throws -> Caller {
            .client(
                try await client.access(
                    try await client.token(details), method: "POST", path: "/v1/keys/token_signing/rotate"))
        }
        func rotate(_ caller: Caller) async throws {
            _ = try await fixture.vault.changeKeys(
                .add(.tokenSigning), as: caller, requestID: fixture.requestID())
        }
        for operation: KeyManagementDetails.Operation in [
            .read, .retire, .destroy, .rewrap, .policy, .approve,
        ] {
            let caller = try await access(
                security, .keyManagement(KeyManagementDetails(operation: operation)))
            #expect(await denial { try await rotate(caller) } == .insufficientScope, "\(operation)")
        }
        let log = try await access(officer, .accessLog(AccessLogDetails(operation: .read)))
        #expect(await denial { try await rotate(log) } == .insufficientScope)
        #expect(
            await denial {
                _ = try await officer.token(.keyManagement(KeyManagementDetails(operation: .rotate)))
            } == .roleNotAllowed)
        #expect(fixture.vault.tokenKeys.count == 1)
        try await rotate(try await access(security, .keyManagement(KeyManagementDetails(operation: .rotate))))
        #expect(fixture.vault.tokenKeys.count == 2)
        #expect(try await fixture.entries(.keyCreate, .permit).map(\.client?.text) == ["security-1"])
    }

    @Test("a keyring that was changed without an entry is used, and the next start says so")
    func foundChanged() async throws {
        let fixture = try await fixture()
        let storage = try #require(fixture.storage)
        // As a process leaves it that is killed between the file and the entry.
        var editor = KeyringEditor(try storage.load())
        _ = try editor.add(.tokenSigning, random: SystemRandom(), now: fixture.clock())
        try storage.store(try editor.finish())
        // The running vault builds on what is stored, and loses nothing of it.
        #expect(try await change(fixture, .add(.tokenSigning)).key.reference == key(3))
        editor = KeyringEditor(try storage.load())
        _ = try editor.add(.tokenSigning, random: SystemRandom(), now: fixture.clock())
        try storage.store(try editor.finish())
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        #expect(reopened.vault.tokenKeys.count == 4)
        let found = try await reopened.entries(.keyRotate, .permit)
        #expect(found.map(\.basis?.text) == ["found.changed", "found.changed"])
    }

    @Test("a key that was taken away is out of use even if its entry could not be written")
    func entryFails() async throws {
        let fixture = try await VaultFixture.make(
            policy: VaultFixture.policy(uses: 99), clock: clock.reading, storesKeyring: true,
            wrapping: { FaultInjectingStore($0) })
        let store = try #require(fixture.store as? FaultInjectingStore)
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact], uses: 9))
        let stolen = try #require(fixture.vault.tokenKeys.first).thumbprint
        store.fault = .beforeCommit
        #expect(await refusal { _ = try await change(fixture, .disable(key(1))) } != nil)
        store.fault = .none
        #expect(!fixture.vault.tokenKeys.contains { $0.thumbprint == stolen })
        #expect(await refusal { _ = try await client.release(contact, with: token) } != nil)
        #expect(try await states(fixture) == [.disabled, .active])
        // The next step finds it and says so before its own.
        _ = try await change(fixture, .destroy(key(1)))
        #expect(try await fixture.entries(.keyRotate, .permit).map(\.basis?.text) == ["found.changed"])
        #expect(try await fixture.entries(.keyDestroy, .permit).count == 1)
        try await fixture.verifyLog()
    }

    @Test("from when a found state is, is not known: its wait begins when it is found")
    func foundWaits() async throws {
        let fixture = try await fixture()
        let storage = try #require(fixture.storage)
        _ = try await change(fixture, .add(.tokenSigning))
        clock.advance(seconds: 4000)
        var editor = KeyringEditor(try storage.load())
        try editor.promote(key(2))
        try storage.store(try editor.finish())
        try await fixture.vault.close()
        let reopened = try await fixture.reopened()
        #expect(await wait(reopened, .retire(key(1))) == reopened.clock().adding(seconds: 3610))
    }

    @Test("without its storage a vault changes no keys")
    func withoutStorage() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        guard
            case .conflict("keyring_not_stored_here")? = await refusal({
                _ = try await change(fixture, .add(.tokenSigning))
            })
        else {
            Issue.record("a keyring that is in memory alone was changed")
            return
        }
    }

    @Test("sixty-four releases go on while the key is rotated eight times")
    func underLoad() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<64)
        let client = try await fixture.registerClient()
        await withTaskGroup(of: VaultError?.self) { group in
            for contact in contacts {
                group.addTask {
                    await refusal {
                        let token = try await client.token(client.details([contact], uses: 9))
                        for _ in 0..<9 { _ = try await client.release(contact, with: token) }
                    }
                }
            }
            for version in UInt32(2)...9 {
                _ = try? await change(fixture, .add(.tokenSigning))
                clock.advance(seconds: 300)
                // The tokens of the releases may end meanwhile; that is time, not rotation.
                #expect(await refusal { _ = try await change(fixture, .promote(key(version))) } == nil)
            }
            for await failure in group {
                guard let failure else { continue }
                guard case .token(.invalidToken(.expired)) = failure else {
                    if case .denied(.tokenExpired) = failure { continue }
                    if case .token(.useDPoPNonce) = failure { continue }
                    if case .token(.invalidDPoPProof(.stale)) = failure { continue }
                    Issue.record("\(failure)")
                    continue
                }
            }
        }
        try await fixture.verifyLog()
    }
}

extension IssuedToken {
    /// The `kid` of its header.
    fileprivate var kid: String? {
        let jws = try? CompactJWS(parsing: Array(compact.utf8), required: [.type, .keyID])
        return jws?.keyID
    }
}

// Every class of key rotates while the vault serves; jobs bring what stands under old versions under new ones; nothing is taken away
// that something still needs.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import EnvelopeEncryption
import PurposePolicy
import Testing
import VaultCrypto
import VaultTesting

@Suite("Keys that rotate while the vault serves")
struct KeyLifecycleTests {
    private let clock = FixedClock()

    private func fixture(policy: String? = nil) async throws -> VaultFixture {
        try await VaultFixture.make(
            policy: policy ?? VaultFixture.policy(uses: 99), clock: clock.reading, storesKeyring: true)
    }

    private func kek(_ version: UInt32) -> KeyReference { KeyReference(.kek, id: 1, version: version) }

    private func rotate(_ fixture: VaultFixture, _ name: KeyName) async throws -> KeyReference {
        let key = try await fixture.changeKeys(.add(name)).key.reference
        try await fixture.changeKeys(.promote(key))
        return key
    }

    private func needs(_ fixture: VaultFixture, _ key: KeyReference) async throws -> [KeyNeed] {
        let report = try await fixture.vault.keyReport(as: .localOperator, requestID: fixture.requestID())
        return try #require(report.versions.first { $0.status.key.reference == key }).needs.reasons
    }

    private func state(_ fixture: VaultFixture, _ key: KeyReference) -> KeyState? {
        fixture.vault.keys.first { $0.reference == key }?.state
    }

    // MARK: Key-encryption keys

    @Test(
        "a key-encryption key that is switched off releases nothing from that moment, also with a cached token"
    )
    func disabled() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact], uses: 9))
        _ = try await client.release(contact, with: token)
        try await fixture.changeKeys(.disable(kek(1)))
        #expect(state(fixture, kek(1)) == .disabled && state(fixture, kek(2)) == .active)
        guard case .recordUnreadable? = await refusal({ _ = try await client.release(contact, with: token) })
        else {
            Issue.record("released under a key that is switched off")
            return
        }
        let failure = try #require(try await fixture.entries(.release, .error).last)
        #expect(failure.reason?.text == "envelope_key_not_usable")
        // New contacts are stored under the new key, and a rewrap does not touch what is switched off.
        let other = try await fixture.store(.sima)
        _ = try await client.release(other)
        let job = try await fixture.runKeyJob(KeyJobRequest(.rewrap))
        #expect(job.row.changed == 0 && job.row.unreadable == 1)
        try await fixture.changeKeys(.enable(kek(1)))
        _ = try await client.release(contact, with: token)
        // The attempt stands in the contact's own part of the log, which has no hole.
        let report = try await fixture.vault.reportToSubject(
            contact, as: .localOperator, requestID: fixture.requestID())
        #expect(
            report.accesses.contains { $0.entry.outcome == .error }, "\(report.accesses.map(\.entry.kind))")
        #expect(try await fixture.runKeyJob(KeyJobRequest(.rewrap)).row.changed == 1)
        try await fixture.verifyLog()
    }

    @Test(
        "a compromised key-encryption key: only reencryption opens it; what the thief has opens nothing afterwards"
    )
    func compromised() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<40)
        let client = try await fixture.registerClient()
        for contact in contacts[..<3] { _ = try await client.release(contact) }
        let stolen = try #require(fixture.storage).load()
        try await fixture.changeKeys(.compromise(kek(1)))
        guard case .recordUnreadable? = await refusal({ _ = try await client.release(contacts[0]) }) else {
            Issue.record("released under a compromised key")
            return
        }
        #expect(
            try await fixture.runKeyJob(KeyJobRequest(.rewrap)).row.unreadable == 40,
            "a rewrap would look safe")
        let dry = try await fixture.runKeyJob(KeyJobRequest(.reencrypt, isDryRun: true))
        #expect(dry.row.changed == 40 && dry.row.isDryRun)
        #expect(try await needs(fixture, kek(1)).contains(.records(40)))
        let job = try await fixture.runKeyJob(KeyJobRequest(.reencrypt))
        #expect(job.row.changed == 40 && job.row.unreadable == 0)
        for contact in contacts { #expect(try await client.release(contact).phone != nil) }
        #expect(try await needs(fixture, kek(1)).isEmpty)
        // The thief has the old keyring and copies the store as it is now.
        let (rows, disclosures) = try await fixture.store.read { reader in
            (
                try reader.recordKeys(after: [], limit: 99).rows,
                try reader.disclosures(0..<(try reader.logHead().size))
            )
        }
        #expect(rows.count == 40 && rows.allSatisfy { $0.generation == 2 })
        for row in rows {
            let context = RecordContext(
                tenant: stolen.tenant, record: row.contact, generation: row.generation, schema: 1)
            #expect(throws: EnvelopeError.self) { () throws in
                _ = try stolen.openAll(SealedRecord(parsing: row.sealed), context: context)
            }
            #expect(throws: EnvelopeError.self) { () throws in
                _ = try stolen.disclosureKey(
                    wrapped: row.disclosureKey, tenant: stolen.tenant, contact: row.contact)
            }
        }
        #expect(disclosures.values.contains { $0.contact == contacts[0] })
        // And the officer still reads all of it, numbered without a hole.
        let report = try await fixture.vault.reportToSubject(
            contacts[0], as: .localOperator, requestID: fixture.requestID())
        #expect(report.accesses.map(\.sequence) == (1...UInt64(report.accesses.count)).map { $0 })
        #expect(report.accesses.filter { $0.entry.kind == .release }.count == 4)
        try await fixture.changeKeys(.destroy(kek(1)))
        try await fixture.verifyLog()
        try await fixture.vault.close()
        try await fixture.reopened().vault.close()
    }

    // MARK: Jobs

    @Test("one job at a time; it is paused, resumed and given up, and every state on the way is a good one")
    func oneJob() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<300)
        let client = try await fixture.registerClient()
        let vault = fixture.vault
        _ = try await rotate(fixture, .kek)
        let job = try await vault.beginKeyJob(
            KeyJobRequest(.rewrap, rate: 512), as: .localOperator, requestID: fixture.requestID())
        let id = try #require(job.id)
        for kind in StoredKeyJob.Kind.allCases {
            guard
                case .conflict("key_job_unfinished")? = await refusal({
                    _ = try await vault.beginKeyJob(
                        KeyJobRequest(kind), as: .localOperator, requestID: fixture.requestID())
                })
            else {
                Issue.record("two jobs at once")
                return
            }
        }
        func change(_ change: KeyJobChange) async -> VaultError? {
            await refusal {
                try await vault.changeKeyJob(id, change, as: .localOperator, requestID: fixture.requestID())
            }
        }
        #expect(await change(.resume) != nil, "it is running")
        _ = try await vault.advanceKeyJob()
        #expect(await change(.pause) == nil)
        #expect(try await vault.advanceKeyJob() == nil)
        for contact in [contacts[0], contacts[299]] { _ = try await client.release(contact) }
        // A key that the job works on is neither promoted nor retired meanwhile.
        let next = try await fixture.changeKeys(.add(.kek)).key.reference
        for step in [KeyChange.promote(next), .retire(kek(1))] {
            guard case .keyInUse(let needs)? = await refusal({ try await fixture.changeKeys(step) }),
                needs.reasons.contains(.job(id))
            else {
                Issue.record("\(step) while a job is not finished")
                return
            }
        }
        #expect(await change(.cancel) == nil)
        for step in KeyJobChange.allCases { #expect(await change(step) != nil, "\(step)") }
        let changed = try await vault.keyJob(id).row.changed
        #expect((1..<300).contains(changed))
        let again = try await fixture.runKeyJob(KeyJobRequest(.rewrap))
        #expect(again.row.examined == 300 && again.row.changed == 300 - changed)
        #expect(
            try await vault.keyJobs(as: .localOperator, requestID: fixture.requestID()).map(\.row.state) == [
                .done, .cancelled,
            ])
        for contact in contacts[..<20] { _ = try await client.release(contact) }
        #expect(
            await refusal {
                _ = try await vault.keyJob(try #require(KeyJobID(bytes: [UInt8](repeating: 9, count: 16))))
            } != nil)
    }

    @Test("a job goes on after a crash where it was, and in another process")
    func crash() async throws {
        let fixture = try await fixture()
        _ = try await fixture.store(numbered: 0..<300)
        _ = try await rotate(fixture, .kek)
        _ = try await fixture.vault.beginKeyJob(
            KeyJobRequest(.rewrap, rate: 512), as: .localOperator, requestID: fixture.requestID())
        _ = try await fixture.vault.advanceKeyJob()
        // Without a word.
        try await fixture.store.close()
        let again = try await fixture.reopened()
        var last = try #require(try await again.vault.advanceKeyJob())
        let done = try #require(try await again.entries(.keyRewrap, .permit).first).count
        #expect(done == 0 && last.row.examined == last.row.changed && last.row.examined > 0)
        while last.row.state == .running { last = try #require(try await again.vault.advanceKeyJob()) }
        #expect(last.row.examined == 300 && last.row.changed == 300)
        #expect(try await again.entries(.keyRewrap, .permit).map(\.count) == [0, 300])
        try await again.verifyLog()
    }

    @Test("records that are written, read and erased while a job runs come out whole, under the new key")
    func beside() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<600)
        let client = try await fixture.registerClient()
        let vault = fixture.vault
        let active = try await rotate(fixture, .kek)
        _ = try await vault.beginKeyJob(
            KeyJobRequest(.rewrap), as: .localOperator, requestID: fixture.requestID())
        await withTaskGroup(of: VaultError?.self) { group in
            group.addTask {
                await refusal { while try await vault.advanceKeyJob()?.row.state == .running {} }
            }
            for worker in 0..<4 {
                group.addTask {
                    await refusal {
                        for number in stride(from: worker, to: 600, by: 12) {
                            switch worker {
                            case 0:
                                _ = try await vault.replaceContact(
                                    contacts[number], json: InventedContact.numbered(number).withoutConsents,
                                    expecting: 1, as: .localOperator, requestID: fixture.requestID())
                            case 1:
                                try await vault.eraseContact(
                                    contacts[number], as: .localOperator, requestID: fixture.requestID())
                            default: _ = try await client.release(contacts[number])
                            }
                        }
                    }
                }
            }
            for await failure in group { #expect(failure == nil, "\(String(describing: failure))") }
        }
        let job = try #require(
            try await vault.keyJobs(as: .localOperator, requestID: fixture.requestID()).first)
        #expect(job.row.state == .done && job.row.unreadable == 0)
        #expect(try await needs(fixture, kek(1)).isEmpty)
        try await fixture.changeKeys(.retire(kek(1)))
        #expect(state(fixture, active) == .active)
        for number in stride(from: 0, to: 600, by: 12) { _ = try await client.release(contacts[number]) }
        try await fixture.verifyLog()
    }

    @Test("a job keeps its rate")
    func rate() async throws {
        let fixture = try await VaultFixture.make(storesKeyring: true)
        _ = try await fixture.store(numbered: 0..<60)
        _ = try await rotate(fixture, .kek)
        let begun = ContinuousClock.now
        let job = try await fixture.runKeyJob(KeyJobRequest(.rewrap, rate: 100))
        #expect(job.row.changed == 60)
        // Sixty at a hundred a second, the last step being free. It may take longer, and never less.
        #expect(ContinuousClock.now - begun >= .milliseconds(300))
        #expect(try #require(job.perSecond) <= 200)
    }

    @Test("a client begins and stops jobs with a token for it, and with no other")
    func byClient() async throws {
        let fixture = try await fixture()
        let security = try await fixture.registerClient("security-1", kind: .service, roles: [.security])
        func begin(_ operation: KeyManagementDetails.Operation) async -> VaultError? {
            await refusal {
                let access = try await security.access(
                    try await security.token(.keyManagement(KeyManagementDetails(operation: operation))),
                    method: "POST", path: "/v1/rewraps")
                _ = try await fixture.vault.beginKeyJob(
                    KeyJobRequest(.rewrap), as: .client(access), requestID: fixture.requestID())
            }
        }
        for operation: KeyManagementDetails.Operation in [
            .read, .rotate, .retire, .destroy, .policy, .approve,
        ] {
            guard case .denied(.insufficientScope)? = await begin(operation) else {
                Issue.record("\(operation)")
                continue
            }
        }
        #expect(await begin(.rewrap) == nil)
        #expect(try await fixture.entries(.keyRewrap, .permit).map(\.client?.text) == ["security-1"])
    }

    @Test(
        "a tenant changes its suite by a new key and reencryption, while it serves; a rewrap does not do it")
    func suites() async throws {
        let fixture = try await fixture()
        let contacts = try await fixture.store(numbered: 0..<20)
        let client = try await fixture.registerClient()
        for (version, suite) in [(UInt32(2), EnvelopeSuite.sm4HMACSM3), (3, .aes256GCM)] {
            let made = try await fixture.changeKeys(.addKEK(suite))
            #expect(made.key.reference == kek(version) && made.key.suite == suite)
            try await fixture.changeKeys(.promote(kek(version)))
            // New records have the new suite, old ones open in theirs.
            let new = try await fixture.store(.numbered(Int(version) * 1000))
            _ = try await client.release(new)
            _ = try await client.release(contacts[0])
            let rewrap = try await fixture.runKeyJob(KeyJobRequest(.rewrap))
            #expect(rewrap.row.unreadable >= 20 && rewrap.row.changed == 0)
            #expect(try await fixture.runKeyJob(KeyJobRequest(.reencrypt)).row.unreadable == 0)
            for contact in contacts + [new] { #expect(try await client.release(contact).phone != nil) }
            try await fixture.changeKeys(.retire(kek(version - 1)))
            try await fixture.changeKeys(.destroy(kek(version - 1)))
        }
        #expect(
            try await fixture.entries(.keyCreate, .permit).map(\.basis?.text) == [
                "kek.sm4_hmac_sm3", "kek.aes256_gcm",
            ])
        try await fixture.verifyLog()
    }

    // MARK: The blind index

    @Test(
        "the blind-index key is replaced: a number has one index at any time; stops and caps hold on the way")
    func blindIndex() async throws {
        let fixture = try await fixture(policy: StarterPolicy.starterCatalogue)
        let vault = fixture.vault
        let contacts = try await fixture.store(numbered: 0..<200)
        let stopped = contacts[10]
        try await vault.stop(stopped, as: .localOperator, requestID: fixture.requestID())
        let client = try await fixture.registerClient()
        _ = try await client.release(client.details([contacts[0]]))
        let old = KeyReference(.blindIndex, version: 1)
        _ = try await rotate(fixture, .blindIndex)
        #expect(try await needs(fixture, old) == [.contacts(200), .suppressions(1), .releases(1)])
        // Handed in again under the new key, the number still knows of its stop and of its call.
        let again = try await vault.storeContact(
            json: InventedContact.numbered(10).json, as: .localOperator, requestID: fixture.requestID())
        #expect(again.stopped != nil)
        let twin = try await vault.storeContact(
            json: InventedContact.numbered(0).json, as: .localOperator, requestID: fixture.requestID())
        #expect(await denial { _ = try await client.release(client.details([twin.contact])) } == .capReached)
        #expect(await denial { _ = try await client.release(client.details([contacts[0]])) } == .capReached)
        // A replacement with the same number is no other person.
        _ = try await vault.replaceContact(
            contacts[20], json: InventedContact.numbered(20).withoutConsents, expecting: 1,
            as: .localOperator, requestID: fixture.requestID())
        _ = try await client.release(client.details([contacts[20]]))

        let job = try await fixture.runKeyJob(KeyJobRequest(.reindex))
        #expect(job.row.unreadable == 0 && job.row.changed == 197, "three numbers were moved by what came in")
        #expect(try await needs(fixture, old).isEmpty)
        #expect(await denial { _ = try await client.release(client.details([stopped])) } == .stopFlag)
        #expect(await denial { _ = try await client.release(client.details([contacts[0]])) } == .capReached)
        try await fixture.changeKeys(.retire(old))
        try await fixture.changeKeys(.destroy(old))
        let third = try await vault.storeContact(
            json: InventedContact.numbered(10).json, as: .localOperator, requestID: fixture.requestID())
        #expect(third.stopped != nil)
        try await fixture.verifyLog()
    }

    @Test("a place on the stop list whose record is erased keeps the old index key from being retired")
    func tombstone() async throws {
        let fixture = try await fixture()
        let vault = fixture.vault
        let contact = try await fixture.store()
        try await vault.stop(contact, as: .localOperator, requestID: fixture.requestID())
        try await vault.eraseContact(contact, as: .localOperator, requestID: fixture.requestID())
        let old = KeyReference(.blindIndex, version: 1)
        _ = try await rotate(fixture, .blindIndex)
        #expect(try await fixture.runKeyJob(KeyJobRequest(.reindex)).row.changed == 0)
        guard case .keyInUse(let needs)? = await refusal({ try await fixture.changeKeys(.retire(old)) })
        else {
            Issue.record("a tombstone was cut off")
            return
        }
        #expect(needs.reasons == [.suppressions(1)])
        // It is moved when its number comes in, and then nothing needs the old key.
        let again = try await vault.storeContact(
            json: InventedContact.ouyang.json, as: .localOperator, requestID: fixture.requestID())
        #expect(again.stopped != nil)
        try await fixture.changeKeys(.retire(old))
        #expect(
            try await vault.storeContact(
                json: InventedContact.ouyang.json, as: .localOperator, requestID: fixture.requestID()
            ).stopped != nil)
    }

    @Test(
        "a number that says no while the index key is replaced is on the list once, and from its first no on")
    func suppressionMoves() async throws {
        let fixture = try await fixture()
        let vault = fixture.vault
        try await vault.suppress(
            phone: "+12025550143", region: nil, as: .localOperator, requestID: fixture.requestID())
        clock.advance(seconds: 60)
        _ = try await rotate(fixture, .blindIndex)
        try await vault.suppress(
            phone: "+12025550143", region: nil, as: .localOperator, requestID: fixture.requestID())
        #expect(try fixture.value("SELECT count(*) FROM suppressions") == 1)
        #expect(try fixture.value("SELECT index_version FROM suppressions") == 2)
        #expect(try fixture.value("SELECT latest - since FROM suppressions") == 60_000)
    }

    // MARK: The others

    @Test("the general disclosure key is replaced: old entries are sealed anew, and read as before")
    func disclosure() async throws {
        let fixture = try await fixture()
        let client = try await fixture.registerClient()
        let stranger = try #require(ContactID(bytes: [UInt8](repeating: 3, count: 16)))
        for _ in 0..<5 { _ = await refusal { _ = try await client.release(stranger) } }
        let old = KeyReference(.disclosure, version: 1)
        _ = try await rotate(fixture, .disclosure)
        guard case .disclosures(let count)? = try await needs(fixture, old).first else {
            Issue.record("nothing is under it")
            return
        }
        #expect(count >= 5)
        let before = try await fixture.store.read { try $0.generalDisclosures(from: 0, limit: 999) }
        #expect(try await fixture.runKeyJob(KeyJobRequest(.reseal)).row.changed == count)
        #expect(try await needs(fixture, old).isEmpty)
        try await fixture.changeKeys(.retire(old))
        try await fixture.changeKeys(.destroy(old))
        let after = try await fixture.store.read { try $0.generalDisclosures(from: 0, limit: 999) }
        let keyring = try #require(fixture.storage).load()
        for (past, present) in zip(before, after) {
            let leaf = try #require(
                try await fixture.store.read { try $0.logLeaves(past.index..<past.index + 1) }.first)
            let entry = try LogEntry.identity(of: leaf).id.bytes
            let old = try fixture.keyring.generalDisclosureKey(version: 1).open(past.sealed, entry: entry)
            #expect(past.index == present.index)
            #expect(try keyring.generalDisclosureKey(version: 2).open(present.sealed, entry: entry) == old)
        }
        try await fixture.verifyLog()
    }

    @Test(
        "the nonce key is replaced under load: nobody has to ask twice for what he had, and the old one waits"
    )
    func nonces() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        let token = try await client.token(client.details([contact], uses: 9))
        let old = KeyReference(.dpopNonce, version: 1)
        // A proof with the nonce that the old key made.
        let proof = try client.proof(method: "POST", path: FixtureClient.path(of: contact), token: token)
        _ = try await rotate(fixture, .dpopNonce)
        _ = try await fixture.vault.release(
            contact, to: try #require(Action("dial")),
            access: try await client.present(token, proof: proof, "POST", FixtureClient.path(of: contact)),
            requestID: try client.requestID())
        guard case .tooEarly? = await refusal({ try await fixture.changeKeys(.retire(old)) }) else {
            Issue.record("retired while its nonces may be good")
            return
        }
        clock.advance(seconds: 24 * 3600)
        try await fixture.changeKeys(.retire(old))
        try await fixture.changeKeys(.destroy(old))
        _ = try await client.release(contact)
    }

    @Test("an idempotent request is known again after the nonce key was replaced")
    func idempotency() async throws {
        let fixture = try await fixture()
        let intake = try await fixture.registerClient("intake-1", kind: .service, roles: [.intake])
        func store() async throws -> ContactID {
            let details = AuthorizationDetails.contactIntake(
                ContactIntakeDetails(operation: .create, portfolio: try #require(Reference("pf_north"))))
            let access = try await intake.access(
                try await intake.token(details), method: "POST", path: "/v1/contacts")
            return try await fixture.vault.storeContact(
                json: InventedContact.numbered(1).json, as: .client(access), requestID: fixture.requestID(),
                idempotencyKey: "k1"
            ).contact
        }
        let first = try await store()
        _ = try await rotate(fixture, .dpopNonce)
        #expect(try await store() == first)
    }

    @Test("every class of key but the root rotates, and a vault opened again serves with all of them")
    func everyClass() async throws {
        let fixture = try await fixture()
        let contact = try await fixture.store()
        let client = try await fixture.registerClient()
        for name in KeyName.allCases {
            let made = try await fixture.changeKeys(.add(name)).key.reference
            if name == .tokenSigning { clock.advance(seconds: 300) }
            try await fixture.changeKeys(.promote(made))
            #expect(state(fixture, made) == .active, "\(name)")
            _ = try await client.release(contact)
        }
        try await fixture.vault.close()
        let again = try await fixture.reopened()
        _ = try await client.moved(to: again).release(contact)
        #expect(again.vault.keys.filter { $0.state == .active }.allSatisfy { $0.reference.version == 2 })
        try await again.verifyLog()
    }

    @Test("an instance that has not loaded a version holds its promotion back")
    func notLoaded() async throws {
        let fixture = try await fixture()
        let made = try await fixture.changeKeys(.add(.kek)).key.reference
        let slow = StoredInstance(
            name: try #require(Reference("slow-1")), epoch: 1, seen: FixedClock.beginning)
        try await fixture.store.transaction { try $0.putInstance(slow) }
        guard
            case .conflict("keys_not_loaded_everywhere")? = await refusal({
                try await fixture.changeKeys(.promote(made))
            })
        else {
            Issue.record("promoted before everyone has it")
            return
        }
        let report = try await fixture.vault.keyReport(as: .localOperator, requestID: fixture.requestID())
        #expect(report.instances.map(\.epoch) == [report.epoch, 1] && report.epoch == 2)
        try await fixture.store.transaction { try $0.removeInstance(slow.name) }
        try await fixture.changeKeys(.promote(made))
        // What was left by a process that was killed is no instance of a store that one process holds.
        try await fixture.store.transaction { try $0.putInstance(slow) }
        try await fixture.vault.close()
        let again = try await fixture.reopened()
        #expect(try await again.store.read { try $0.instances() }.count == 1)
    }
}

extension InventedContact {
    /// As a replacement wants it.
    fileprivate var withoutConsents: [UInt8] { with("consents", nil).json }
}

// The answer to "who saw my number, when and why": complete, proved, and without staff.

import AccessLog
import AccessToken
import ContactModel
import ContactVault
import Testing
import VaultTesting

@Suite("Report to a subject")
struct SubjectReportTests {
    private let clock = FixedClock()

    @Test(
        "it has what is held, masked, and every entry about the contact in order, each with a proof that verifies"
    )
    func complete() async throws {
        let fixture = try await VaultFixture.make(policy: VaultFixture.policy(uses: 3), clock: clock.reading)
        let contacts = try await fixture.store(numbered: 0..<3)
        let client = try await fixture.registerClient()
        for _ in 0..<150 { for contact in contacts { _ = try await client.release(contact) } }
        let refused = await denial {
            _ = try await client.release(client.details([contacts[1]], purpose: "contact.verify"))
        }
        #expect(refused != nil)
        let report = try await fixture.vault.reportToSubject(
            contacts[1], as: .localOperator, requestID: fixture.requestID())
        #expect(report.held?.phoneMask == "138****0001")
        #expect(report.held?.consents.map(\.purpose.text) == ["relay.message"])
        // Created, 150 releases, one refusal, and this report.
        #expect(report.accesses.map(\.sequence) == Array(1...153))
        #expect(report.accesses.first?.entry.kind == .contactCreate)
        #expect(report.accesses.last?.entry.kind == .logExport)
        #expect(report.accesses.last?.entry.form == .mask)
        let verifier = try #require(fixture.logVerifiers().first)
        let checkpoint = try Checkpoint(
            verifying: SignedNote(parsing: Array(report.checkpoint.utf8)), by: verifier)
        for access in report.accesses {
            #expect(
                try access.proof.verify(leafHash: MerkleTree.leafHash(access.leaf), by: verifier)
                    == checkpoint)
            let entry = try LogEntry(decoding: access.leaf)
            let parts = try DisclosedParts(verifying: access.disclosed, against: entry)
            #expect(parts.contact == contacts[1] && parts.sequence == access.sequence)
            #expect(parts.actor == nil && parts.caseReference == nil, "no staff, no case")
        }
        // In the order of the log, and as a plain reading finds them.
        var query = LogQuery()
        query.contact = contacts[1]
        let read = try await fixture.vault.query(
            query, limit: 1000, as: .localOperator, requestID: fixture.requestID())
        #expect(Array(read.entries.map(\.index).prefix(153)) == report.accesses.map(\.index))
    }

    @Test("leave to read the log is not leave to report, nor is a token for a part of the time")
    func refused() async throws {
        let fixture = try await VaultFixture.make(clock: clock.reading)
        let contact = try await fixture.store()
        let officer = try await fixture.registerClient("officer-1", kind: .service, roles: [.privacy])
        func report(_ details: AccessLogDetails) async throws {
            let access = try await officer.access(
                try await officer.token(.accessLog(details)), method: "GET",
                path: "/v1/log/subjects/\(contact)")
            _ = try await fixture.vault.reportToSubject(
                contact, as: .client(access), requestID: fixture.requestID())
        }
        for operation: AccessLogDetails.Operation in [.read, .prove] {
            #expect(
                await denial { try await report(AccessLogDetails(operation: operation)) }
                    == .insufficientScope)
        }
        guard
            case .conflict("question_needs_whole_log")? = await refusal({
                try await report(AccessLogDetails(operation: .export, from: clock.now))
            })
        else {
            Issue.record("reported for a part of the time")
            return
        }
        try await report(AccessLogDetails(operation: .export))
        #expect(try await fixture.entries(.logExport, .permit).map(\.basis) == ["report.subject"])
        #expect(try await fixture.entries(.logExport, .deny).count == 3)
    }
}

// A vault whose rows are in PostgreSQL, used as one whose rows are in its folder.

import AccessLog
import ContactModel
import Foundation
import Testing
import VaultAPI
import VaultClient
import VaultService
import VaultTesting

@Suite("A vault in PostgreSQL")
struct PostgresServiceTests {
    private let server: PostgresServer
    private let database: String

    init() throws {
        server = try PostgresServer.shared.get()
        database = try server.makeDatabase()
    }

    private func vault() throws -> ServedVault {
        let vault = try ServedVault(policy: Invented.boundlessPolicy, options: ["--postgres", database])
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        return vault
    }

    private func release(_ contact: ContactID, _ client: VaultClient) async throws -> String? {
        let token = try await client.token(for: .release(of: contact))
        return try await client.release(contact, action: #require(Action("dial")), token: token).fields[
            "phone"]
    }

    @Test(
        "intake, releases, stop, erasure, rotations, an export and a check of the log are as ever; nothing is in the folder but keys"
    )
    func asEver() async throws {
        let vault = try vault()
        #expect(!FileManager.default.fileExists(atPath: vault.data + "/vault.sqlite"))
        let contacts = try vault.importContacts((0..<8).map { Invented.contact($0) })
        try vault.start()
        let client = try vault.client()
        for contact in contacts { #expect(try await release(contact, client)?.hasPrefix("+86") == true) }
        try vault.command("contacts", "stop", contacts[0].description)
        await expectRefusal(403, "release-denied") { _ = try await release(contacts[0], client) }
        try vault.command("contacts", "erase", contacts[1].description)
        for step in [
            ["rotate", "kek"], ["promote", "kek", "2"], ["rewrap"], ["retire", "kek", "1"],
            ["rotate", "blind_index"], ["promote", "blind_index", "2"], ["rewrap", "blind_index"],
        ] {
            let outcome = try CommandLineProgram.run(["keys"] + step + ["--data", vault.data])
            #expect(outcome.code == 0, "\(step): \(outcome.messages)")
        }
        try vault.approve(try vault.command("keys", "destroy", "kek", "1"))
        #expect(try await release(contacts[2], client) != nil)
        try vault.command("log", "export", vault.folder.file("export"), "--from", "2020-01-01T00:00:00Z")
        let trusted = vault.folder.file("trusted.txt")
        try "log \(String(contentsOfFile: vault.data + "/log.vkey", encoding: .utf8))quorum none\n".write(
            toFile: trusted, atomically: true, encoding: .utf8)
        let audited = try CommandLineProgram.run([
            "log", "audit", vault.folder.file("export"), "--policy", trusted,
        ])
        #expect(audited.code == 0, "\(audited.messages)")
        let verified = try vault.verifyLog()
        #expect(verified.code == 0, "\(verified.messages)")
        #expect(vault.stop() == 0)
        // Commands without a service, and a service after them.
        #expect(try vault.command("keys", "list").output.contains("destroyed"))
        try vault.start()
        #expect(try await release(contacts[3], client) != nil)
        let copied = try CommandLineProgram.run([
            "backup", "create", vault.folder.file("b"), "--data", vault.data,
        ])
        #expect(copied.code == 1 && copied.messages.contains("PostgreSQL"), "\(copied.messages)")
        try await client.shutdown()
        #expect(vault.stop() == 0)
    }

    @Test("one process at a time, and after kill -9 the next one, with every answered release in the log")
    func oneProcess() async throws {
        let vault = try vault()
        let contacts = try vault.importContacts((0..<3).map { Invented.contact($0) })
        try vault.start()
        let client = try vault.client()
        var receipts: [ReceiptBody] = []
        for contact in contacts {
            let token = try await client.token(for: .release(of: contact))
            receipts.append(
                try await client.release(contact, action: #require(Action("dial")), token: token).receipt)
        }
        let second = try CommandLineProgram.run([
            "serve", "--data", vault.data, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
        ])
        #expect(second.code == 1, "\(second.messages)")
        vault.kill9()
        try vault.start()
        #expect(try await release(contacts[0], client) != nil)
        let entries = try vault.entries()
        for receipt in receipts { #expect(entries.contains { $0.body.index == receipt.index }) }
        try await client.shutdown()
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("connections are ended under it: 503 at the worst, and it goes on by itself")
    func connectionsLost() async throws {
        let vault = try vault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client()
        #expect(try await release(contact, client) != nil)
        for _ in 0..<3 {
            try server.psql(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            var refusals = 0
            while refusals < 20 {
                do {
                    #expect(try await release(contact, client) != nil)
                    break
                } catch let refusal as VaultClientError {
                    refusals += 1
                    guard case .refused(let problem) = refusal, problem.status == 503 else { throw refusal }
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            #expect(refusals < 20)
        }
        try await client.shutdown()
        #expect(vault.stop() == 0)
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("a password does not belong into the configuration")
    func passwords() throws {
        for text in [
            "host=db password=x", "host=db PASSWORD = x", "postgresql://vault:x@db/vault", "a\nb", "a\"b", "",
        ] {
            #expect(StoreSettings(postgres: text) == nil, "\(text)")
        }
        for text in [
            "service=vault", "postgresql://vault@db/vault?sslmode=verify-full",
            "host=db passfile=/etc/v/pgpass",
        ] {
            #expect(StoreSettings(postgres: text) != nil, "\(text)")
        }
    }
}

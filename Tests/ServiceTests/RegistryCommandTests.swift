// The operator's registry beside a running service: agencies, new keys of clients, the token-signing key, trusted issuers.

import AccessLog
import AccessToken
import ContactModel
import EnvelopeEncryption
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

@Suite("Registry commands")
struct RegistryCommandTests {
    private let dial: Action

    init() throws { dial = try #require(Action("dial")) }

    @Test("an agency's entrustment ends while the service runs, and is extended")
    func agencies() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client()
        let token = try await client.token(for: .release(of: contact))
        try vault.command(
            "agency", "entrust", "acme", "--from", "2020-01-01T00:00:00Z", "--until", "2020-12-31T00:00:00Z")
        await expectRefusal(401, "invalid-token") {
            try await client.release(contact, action: dial, token: token)
        }
        await expectRefusal(400, "unauthorized_client") { try await client.token(for: .release(of: contact)) }
        let list = try vault.command("agency", "list", "--json").output
        let body = try JSONDecoder().decode(EntrustmentBody.self, from: Data(list.utf8))
        #expect(body.agency == "acme" && body.until == "2020-12-31T00:00:00Z")
        try vault.command(
            "agency", "entrust", "acme", "--from", "2020-01-01T00:00:00Z", "--role", "privacy", "--purpose",
            "relay.message")
        await expectRefusal(403, "release-denied") {
            try await client.release(contact, action: dial, token: token)
        }
        #expect(try vault.command("agency", "list").output.contains("privacy"))
        try vault.command("agency", "entrust", "acme", "--from", "2020-01-01T00:00:00Z")
        _ = try await client.release(contact, action: dial, token: token)
        #expect(try vault.command("agency", "list").output.contains("no end"))
        for arguments in [
            ["--from", "yesterday"], ["--from", "2020-01-01T00:00:00Z", "--until", "2019-01-01T00:00:00Z"],
        ] {
            let bad = try CommandLineProgram.run(
                ["agency", "entrust", "acme", "--data", vault.data] + arguments)
            #expect(bad.code == 2)
        }
        try await client.shutdown()
        vault.stop()
    }

    @Test("a client gets a new key with an overlap, and is warned when its key ends")
    func clientKeys() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let new = vault.folder.file("dialer-1-new.jwk")
        try vault.command0("client", "key", new)
        let rotated = try vault.command(
            "client", "rotate", "dialer-1", "--jwk", new + ".pub", "--overlap-days", "3")
        #expect(rotated.messages.contains(" ends 20"))
        let (old, renewed) = (try vault.client(), try vault.client(key: new))
        for client in [old, renewed] {
            let token = try await client.token(for: .release(of: contact))
            _ = try await client.release(contact, action: dial, token: token)
        }
        let list = try vault.command("client", "list").messages
        #expect(list.contains("dialer-1: key") && !list.contains("warning: dialer-1"))
        // At once, for a key that somebody else may have.
        let third = vault.folder.file("dialer-1-third.jwk")
        try vault.command0("client", "key", third)
        try vault.command(
            "client", "rotate", "dialer-1", "--jwk", third + ".pub", "--overlap-days", "0", "--key-ends",
            RegistryCommandTests.inAWeek)
        await expectRefusal(401, "invalid_client") { try await renewed.token(for: .release(of: contact)) }
        #expect(
            try vault.command("client", "list").messages.contains("warning: dialer-1 will soon have no key"))
        for each in [old, renewed] { try await each.shutdown() }
        vault.stop()
        try vault.start()
        vault.stop()
        let log = try String(contentsOfFile: vault.serviceLog, encoding: .utf8)
        #expect(log.contains("a client's key ends") && log.contains("client=dialer-1"))
        for arguments in [
            ["client", "rotate", "dialer-1"], ["client", "rotate", "nobody", "--jwk", new + ".pub"],
        ] {
            #expect(try CommandLineProgram.run(arguments + ["--data", vault.data]).code != 0)
        }
    }

    private static var inAWeek: String { Timestamp(Date()).adding(seconds: 7 * 86_400).description }

    @Test("the token-signing key is published, and taken away in an emergency, while the service runs")
    func tokenKeys() async throws {
        let vault = try ServedVault()
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try vault.start()
        let client = try vault.client()
        func keySet() async throws -> [String] {
            let reply = try await client.send("GET", "/oauth2/jwks")
            #expect(reply.header("Cache-Control") == "public, max-age=300")
            let keys = try #require(try JSONValue.parse(reply.body).objectValue?["keys"]?.arrayValue)
            return try keys.map { key in
                let object = try #require(key.objectValue)
                let thumbprint = try PublicJWK(parsing: key).thumbprint
                #expect(object["kid"]?.stringValue == thumbprint && object["alg"]?.stringValue == "ES256")
                return thumbprint
            }
        }
        let first = try await keySet()
        #expect(first.count == 1)
        let token = try await client.token(for: .release(of: contact))
        let published = try vault.command("keys", "rotate", "token_signing")
        #expect(published.messages.contains("contact-vault keys promote token_signing 2"))
        #expect(try await keySet().count == 2)
        let early = try CommandLineProgram.run([
            "keys", "promote", "token_signing", "2", "--data", vault.data,
        ])
        #expect(early.code == 1 && early.messages.contains("wait"), "\(early.messages)")
        #expect(try CommandLineProgram.run(["keys", "rotate", "nothing", "--data", vault.data]).code == 1)

        // At once by one person; for good by two.
        try vault.command("keys", "disable", "token_signing", "1")
        await expectRefusal(401, "invalid-token") {
            try await client.release(contact, action: dial, token: token)
        }
        let after = try await keySet()
        #expect(!after.contains(first[0]) && after.count == 2)
        let fresh = try await client.token(for: .release(of: contact))
        _ = try await client.release(contact, action: dial, token: fresh)
        try vault.approve(try vault.command("keys", "compromise", "token_signing", "1"))
        #expect(try vault.command("keys", "list").output.contains("compromised"))
        let destroying = try vault.command("keys", "destroy", "token_signing", "1")
        #expect(!(try vault.command("keys", "list").output.contains("destroyed")))
        let waiting = try vault.command("approvals", "list").output
        #expect(waiting.contains("take the secret of token_signing version 1 away for good"))
        let oneself = try CommandLineProgram.run([
            "approvals", "approve", String(try #require(waiting.split(separator: "\t").first)), "--data",
            vault.data,
        ])
        #expect(oneself.code == 1, "the operator asked and approved")
        try vault.approve(destroying)
        let list = try vault.command("keys", "list").output
        #expect(list.contains("destroyed") && list.contains(after[0]))
        let keys = try vault.command("keys", "list", "--json").output.split(separator: "\n").map {
            try JSONDecoder().decode(KeyBody.self, from: Data($0.utf8))
        }
        #expect(
            keys.filter { $0.name == "token_signing" }.map(\.state) == ["destroyed", "pre_active", "active"])
        try await client.shutdown()
        vault.stop()
        // And the keyring on disk is the one that served.
        try vault.start()
        let again = try vault.client()
        #expect(try await again.send("GET", "/oauth2/jwks").status == 200)
        _ = try await again.token(for: .release(of: contact))
        try await again.shutdown()
        vault.stop()
        #expect(try vault.verifyLog().code == 0)
    }

    @Test("security clients rotate over HTTP, and destroy in pairs")
    func overHTTP() async throws {
        let vault = try ServedVault()
        try vault.addClient("security-1", kind: "service", roles: ["security"])
        try vault.addClient("security-2", kind: "service", roles: ["security"])
        try vault.start()
        let client = try VaultClient(
            issuer: vault.issuer, endpoint: vault.addresses.control,
            client: #require(Reference("security-1")), key: ClientKey.load(path: vault.keyFile("security-1")))
        let tokens = try vault.client("security-1")
        func send(
            _ method: String, _ path: String, _ operation: KeyManagementDetails.Operation
        ) async throws -> VaultReply {
            let token = try await tokens.token(
                for: .keyManagement(KeyManagementDetails(operation: operation)))
            return try await client.send(method, path, token: token)
        }
        let list = try await send("GET", "/v1/keys", .read)
        #expect(list.status == 200)
        let keys = try JSONDecoder().decode([KeyBody].self, from: Data(list.body))
        #expect(keys.map(\.name).contains("token_signing"))
        let made = try await send("POST", "/v1/keys/token_signing/rotate", .rotate)
        #expect(made.status == 200)
        #expect(try JSONDecoder().decode(KeyBody.self, from: Data(made.body)).version == 2)
        #expect(try await send("POST", "/v1/keys/token_signing/rotate", .read).status == 403)
        let early = try await send("POST", "/v1/keys/token_signing/versions/2/promote", .rotate)
        #expect(early.status == 409 && early.problem?.type.hasSuffix("too-early") == true)
        #expect(try await send("POST", "/v1/keys/token_signing/versions/1/retire", .retire).status == 409)
        #expect(try await send("POST", "/v1/keys/token_signing/versions/1/destroy", .destroy).status == 409)
        let destroying = try await send("POST", "/v1/keys/token_signing/versions/2/destroy", .destroy)
        #expect(destroying.status == 202)
        let approval = try JSONDecoder().decode(WaitingBody.self, from: Data(destroying.body)).approval
        let oneself = try await send("POST", "/v1/approvals/\(approval)/approve", .approve)
        #expect(
            oneself.status == 403 && oneself.problem?.type.hasSuffix("approval-by-requester") == true)
        let colleague = try vault.client("security-2")
        try await colleague.approve(
            approval,
            token: try await colleague.token(for: .keyManagement(KeyManagementDetails(operation: .approve))))
        try await colleague.shutdown()
        let report = try await send("GET", "/v1/keys/report", .read)
        let versions = try JSONDecoder().decode(KeyReportBody.self, from: Data(report.body)).keys.map(\.key)
        #expect(versions.filter { $0.name == "token_signing" }.map(\.state) == ["active", "destroyed"])
        for path in [
            "/v1/keys/none/versions/1/retire",
            "/v1/keys/token_signing/versions/x/retire", "/v1/keys/token_signing/versions/1/sign",
        ] {
            #expect(try await send("POST", path, .destroy).status == 404, "\(path)")
        }
        // The data listener has no keys.
        let token = try await tokens.token(for: .keyManagement(KeyManagementDetails(operation: .read)))
        #expect(try await tokens.send("GET", "/v1/keys", token: token).status == 404)
        try await client.shutdown()
        try await tokens.shutdown()
        vault.stop()
    }

    @Test("a trusted issuer's key set is fetched from the configured address when one of its tokens comes")
    func trustedIssuer() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        let theirs = try SigningKey(generating: .es256)
        let web = vault.folder.file("web")
        try FileManager.default.createDirectory(atPath: web, withIntermediateDirectories: false)
        let port = ServedVault.freePort()
        let server = try FileServer(folder: web, port: port)
        defer { server.stop() }
        try vault.configure(
            """
            trusted_issuers:
              - name: idp
                issuer: https://idp.example
                keys_url: http://127.0.0.1:\(port)/jwks.json

            """)
        try vault.start()
        let key = try ClientKey.load(path: vault.keyFile("dialer-1"))
        let client = try vault.client()
        func theirToken(_ signing: SigningKey) throws -> ClientToken {
            let issued = try TokenIssuer(
                issuer: "https://idp.example", audience: vault.issuer + "/v1", key: signing
            ).issue(
                to: #require(Reference("dialer-1")), details: .release(of: contact),
                confirmation: .proofKey(key.thumbprint), policyVersion: "theirs", seconds: 120,
                now: Timestamp(Date()), random: SystemRandom())
            return ClientToken(compact: issued.compact, expires: issued.claims.expires)
        }
        let set = PublicJWK.keySet([PublicJWK(theirs.verificationKey)])
        try set.canonicalText.write(toFile: web + "/jwks.json", atomically: true, encoding: .utf8)
        let released = try await client.release(contact, action: dial, token: try theirToken(theirs))
        #expect(released.fields["phone"] == Invented.phone)
        // Garbage with unknown names does not make the vault ask again within the minute.
        let begun = ContinuousClock.now
        #expect(try server.requests() == 1)
        for _ in 0..<20 {
            let stranger = try theirToken(SigningKey(generating: .es256))
            await expectRefusal(401, "invalid-token") {
                try await client.release(contact, action: dial, token: stranger)
            }
        }
        let minutes = begun.duration(to: .now).components.seconds / 60
        #expect(try server.requests() <= 2 + Int(minutes))
        try await client.shutdown()
        vault.stop()
        let entries = try vault.entries().map(\.entry).filter { $0.kind == .release && $0.outcome == .permit }
        #expect(entries.map(\.trustedIssuer?.text) == ["idp"])
        // Configurations that would trust too much are refused at the start.
        for bad in [
            "issuer: https://idp.example\n    keys_url: http://keys.example/jwks.json",
            "issuer: http://idp.example\n    keys_url: https://idp.example/jwks.json",
            "issuer: https://idp.example", "issuer: https://idp.example\n    keys_file: /does/not/exist",
            "issuer: https://idp.example\n    keys_url: https://idp.example/k\n    keys_file: k",
        ] {
            try vault.configure("trusted_issuers:\n  - name: idp\n    \(bad)\n")
            #expect(throws: (any Error).self, "\(bad)") { try vault.start() }
        }
    }
}

extension ServedVault {
    /// Runs a command that needs no vault.
    fileprivate func command0(_ arguments: String...) throws {
        #expect(try CommandLineProgram.run(arguments).code == 0)
    }
}

/// Python's own file server on loopback; its log says what was asked.
private final class FileServer {
    private let process = Process()
    private let log: String

    init(folder: String, port: Int) throws {
        log = folder + ".log"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "python3", "-u", "-m", "http.server", String(port), "--bind", "127.0.0.1", "--directory", folder,
        ]
        let file = try #require(FileHandle(forWritingAtPath: log))
        process.standardError = file
        process.standardOutput = file
        try process.run()
        for _ in 0..<100 where try !String(contentsOfFile: log, encoding: .utf8).contains("Serving HTTP") {
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    func requests() throws -> Int {
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").count {
            $0.contains("\"GET ")
        }
    }

    func stop() {
        // It has nothing to lose, and Python may have been started with SIGTERM blocked.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

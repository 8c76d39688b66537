// Limits, TLS, a full disk and a clean stop, against the real executable.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import Synchronization
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Service")
struct ServiceLimitTests {
    @Test("oversized requests are refused with a problem, a stranger's before the body is looked at")
    func limits() throws {
        let vault = try ServedVault()
        try vault.start()
        func status(_ request: String) throws -> String {
            let reply = try RawHTTP.exchange(port: vault.port, Array(request.utf8))
            return String(reply.split(separator: "\r\n").first ?? "")
        }
        let large = String(repeating: "a", count: 100_000)
        #expect(
            try status(
                "POST /oauth2/token HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                    + "Content-Length: 100000\r\n\r\n" + large
            ).contains("400"))
        #expect(
            try status("POST /v1/contacts HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + large)
                .contains("401"))
        // Ten thousand header fields, and one that is too long.
        let many = (0..<10_000).map { "X-\($0): 1\r\n" }.joined()
        let answerToMany = try status("GET /v1/log/checkpoint HTTP/1.1\r\nHost: h\r\n" + many + "\r\n")
        #expect(!answerToMany.contains("200"), "\(answerToMany)")
        let answerToLong = try status(
            "GET /v1/log/checkpoint HTTP/1.1\r\nHost: h\r\nX: " + large + "\r\n\r\n")
        #expect(!answerToLong.contains("200"), "\(answerToLong)")
        #expect(try status("NONSENSE\r\n\r\n").contains("400"))
        #expect(try status("GET /v1/nowhere HTTP/1.1\r\nHost: h\r\n\r\n").contains("404"))
        // The service still answers.
        #expect(try status("GET /v1/log/checkpoint HTTP/1.1\r\nHost: h\r\n\r\n").contains("200"))
        #expect(vault.stop() == 0)
    }

    @Test("a well-formed Request-Id comes back, a malformed one does not")
    func requestID() throws {
        let vault = try ServedVault()
        try vault.start()
        func reply(_ id: String) throws -> String {
            try RawHTTP.exchange(
                port: vault.port,
                Array("GET /v1/nowhere HTTP/1.1\r\nHost: h\r\nRequest-Id: \(id)\r\n\r\n".utf8))
        }
        let good = try reply("campaign-7")
        #expect(good.contains("Request-Id: campaign-7"))
        #expect(good.contains("no-store"))
        // What may hold a phone number is no request id, and is not echoed; a UUID is one whatever its digits.
        for id in ["12025550123", "a12025550123", "tel_13800138000"] { #expect(try !reply(id).contains(id)) }
        let uuid = "12345678-1234-4123-8123-123456789012"
        #expect(try reply(uuid).contains(uuid))
        #expect(try !reply("13800138000").contains("13800138000"))
        #expect(try !reply("<script>").contains("script"))
        vault.stop()
    }

    @Test("requests without credentials become one aggregate entry per reason, not one each")
    func garbage() throws {
        let vault = try ServedVault()
        try vault.start()
        let contact = "ct_AAAAAAAAAAAAAAAAAAAAAA"
        for _ in 0..<20 {
            _ = try RawHTTP.exchange(
                port: vault.port,
                Array(
                    "POST /v1/contacts/\(contact)/actions/dial HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                        .utf8))
        }
        vault.stop()
        let aggregates = try vault.entries().filter { $0.entry.kind == .unauthenticated }
        #expect(aggregates.map(\.entry.count) == [20])
        #expect(aggregates.first?.entry.reason == "no_credentials")
    }

    @Test("TLS by configuration: releases over https, and a bad key file is named at start")
    func tls() async throws {
        let vault = try ServedVault()
        let (certificate, key) = (vault.folder.file("cert.pem"), vault.folder.file("key.pem"))
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-out",
            certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        try #require(openssl.terminationStatus == 0)
        let configuration = vault.data + "/contact-vault.yaml"
        try "data:\n  tls:\n    certificate: \(certificate)\n    key: \(key)\n".write(
            toFile: configuration, atomically: true, encoding: .utf8)
        try vault.start()
        #expect(vault.addresses.data.hasPrefix("https://"))
        let curl = try Self.run(
            "/usr/bin/curl", ["-s", "--cacert", certificate, vault.addresses.data + "/v1/log/checkpoint"])
        #expect(curl.contains("/access-log"))
        // Plain HTTP gets nothing there.
        let plain = try RawHTTP.exchange(
            port: vault.port, Array("GET /v1/log/checkpoint HTTP/1.1\r\nHost: h\r\n\r\n".utf8), seconds: 2)
        #expect(!plain.contains("/access-log"))
        #expect(vault.stop() == 0)

        try "data:\n  tls:\n    certificate: \(certificate)\n    key: /nowhere/key.pem\n".write(
            toFile: configuration, atomically: true, encoding: .utf8)
        let outcome = try CommandLineProgram.run(["serve", "--data", vault.data])
        #expect(outcome.code == 1)
        #expect(outcome.messages.contains("/nowhere/key.pem"), "\(outcome.messages)")
    }

    @Test("a stop under load answers what was accepted")
    func cleanStop() async throws {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<48).map { Invented.contact($0) })
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        var tokens: [(ContactID, ClientToken)] = []
        for contact in contacts {
            tokens.append((contact, try await client.token(for: .release(of: contact))))
        }
        let answers = Answers()
        await withTaskGroup(of: Void.self) { group in
            for (contact, token) in tokens {
                group.addTask {
                    do {
                        let release = try await client.release(contact, action: dial, token: token)
                        answers.released.withLock { $0.append(release.receipt) }
                    } catch {
                        // Refused because it is stopping: then there must be no entry of a permit either.
                    }
                }
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(3))
                #expect(vault.stop() == 0)
            }
        }
        try await client.shutdown()
        let permits = try vault.entries().filter { $0.entry.kind == .release && $0.entry.outcome == .permit }
        let released = answers.released.withLock { $0 }
        print("a stop under load: \(released.count) of 48 were released")
        // What was recorded was answered: no use was spent on a client that heard nothing.
        #expect(Set(permits.map(\.body.index)) == Set(released.map(\.index)))
        #expect(try vault.verifyLog().code == 0)
    }

    @Test(
        "a full disk: 503, nothing released, and the service goes on by itself when there is room",
        .enabled(if: SmallDisk.isAvailable, "a small file system to fill cannot be mounted here"))
    func diskFull() async throws {
        let mount = try TemporaryFolder()
        try #require(Self.mountSmall(mount.path))
        defer { _ = try? Self.run("/usr/bin/umount", ["-l", mount.path]) }
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<4).map { Invented.contact($0) })
        // The vault moves to the small file system.
        let small = mount.path + "/var"
        try FileManager.default.copyItem(atPath: vault.data, toPath: small)
        try FileManager.default.removeItem(atPath: vault.data)
        try FileManager.default.createSymbolicLink(atPath: vault.data, withDestinationPath: small)
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        var tokens: [ClientToken] = []
        for contact in contacts { tokens.append(try await client.token(for: .release(of: contact, uses: 1))) }
        let first = try await client.release(contacts[0], action: dial, token: tokens[0])
        #expect(first.fields["phone"] == "+8613800138000")

        let filler = mount.path + "/filler"
        Self.fill(filler)
        // Small writes may still fit into what SQLite has allocated: ask until it says no.
        var refused: VaultReply?
        for attempt in 0..<400 {
            let contact = contacts[1 + attempt % 3]
            let reply = try await client.send(
                "POST", "/v1/contacts/\(contact)/actions/dial", token: tokens[1 + attempt % 3])
            if reply.status == 503 {
                refused = reply
                break
            }
        }
        let reply = try #require(refused, "the disk never was full enough")
        #expect(reply.problem?.type == ProblemBody.base + "access-log-unavailable")
        #expect(reply.header("Retry-After") != nil)
        #expect(!String(decoding: reply.body, as: UTF8.self).contains("+86"))

        try FileManager.default.removeItem(atPath: filler)
        let fresh = try await client.token(for: .release(of: contacts[3]))
        let again = try await client.release(contacts[3], action: dial, token: fresh)
        #expect(again.fields["phone"] == "+8613800138003")
        try await client.shutdown()
        #expect(vault.stop() == 0)
        let verified = try vault.verifyLog()
        #expect(verified.code == 0, "\(verified.messages)")
    }

    private final class Answers: Sendable {
        let released = Mutex<[ReceiptBody]>([])
    }

    private static func mountSmall(_ path: String) -> Bool {
        (try? run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", path])) != nil
            && FileManager.default.isWritableFile(atPath: path) && isMountPoint(path)
    }

    private static func isMountPoint(_ path: String) -> Bool {
        ((try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? "").contains(" \(path) ")
    }

    /// Writes until nothing more fits.
    private static func fill(_ path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        defer { close(descriptor) }
        let block = [UInt8](repeating: 0, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
    }

    @discardableResult
    private static func run(_ path: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.EPERM) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// A vault on disk, made with the commands of the README, and the service as a child process.

import AccessLog
import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

/// A vault of a test.
final class ServedVault: @unchecked Sendable {
    // Sendable holds because a test starts and stops the service from one task; the rest is constant.
    let folder: TemporaryFolder
    let issuer: String
    let port: Int
    private(set) var service: Process?
    private(set) var addresses: (data: String, control: String) = ("", "")

    var data: String { folder.file("var") }
    var serviceLog: String { folder.file("service.log") }

    /// Makes a vault with clients `dialer-1` (gateway), `desk-1` (desk) and `intake-1` (service, intake and privacy),
    /// and no contacts.
    /// - Parameters:
    ///   - scheme: `https` needs `tls` in the configuration, which the test writes.
    ///   - options: of `init`.
    init(
        in folder: TemporaryFolder? = nil, policy: String? = nil, scheme: String = "http",
        options: [String] = []
    ) throws {
        self.folder = try folder ?? TemporaryFolder()
        port = Self.freePort()
        issuer = "\(scheme)://127.0.0.1:\(port)"
        var arguments = ["init", "--development", "--data", data, "--issuer", issuer]
        if let policy {
            let file = self.folder.file("policy.yaml")
            try policy.write(toFile: file, atomically: true, encoding: .utf8)
            arguments += ["--policy", file]
        }
        arguments += options
        try Self.expectSuccess(CommandLineProgram.run(arguments))
        try addClient("dialer-1", kind: "gateway", roles: ["collection"])
        try addClient("desk-1", kind: "desk", roles: ["collection"])
        try addClient("intake-1", kind: "service", roles: ["intake", "privacy"])
    }

    /// A vault that serves and has a release and a denial of each contact in its log.
    static func busy(contacts count: Int) async throws -> (vault: ServedVault, contacts: [ContactID]) {
        let vault = try ServedVault()
        let contacts = try vault.importContacts((0..<count).map { Invented.contact($0) })
        try vault.start()
        let client = try vault.client()
        let dial = try #require(Action("dial"))
        for contact in contacts {
            let token = try await client.token(for: .release(of: contact))
            _ = try await client.release(contact, action: dial, token: token)
            await expectRefusal(401, "invalid-token") {
                try await client.release(contact, action: dial, token: token)
            }
        }
        try await client.shutdown()
        return (vault, contacts)
    }

    deinit {
        if let service, service.isRunning { kill(service.processIdentifier, SIGKILL) }
    }

    func addClient(
        _ name: String, kind: String, roles: [String], algorithm: SignatureAlgorithm = .es256
    ) throws {
        let key = try ClientKey.create(path: keyFile(name), algorithm: algorithm)
        let publicFile = keyFile(name) + ".pub"
        try key.json.canonicalText.write(toFile: publicFile, atomically: true, encoding: .utf8)
        try Self.expectSuccess(
            CommandLineProgram.run(
                [
                    "client", "add", name, "--data", data, "--agency", "acme", "--kind", kind, "--jwk",
                    publicFile,
                ]
                    + roles.flatMap { ["--role", $0] }))
    }

    func keyFile(_ name: String) -> String { folder.file(name + ".jwk") }

    /// Stores contacts with the operator's command; the ids in order.
    func importContacts(_ lines: [String]) throws -> [ContactID] {
        let file = folder.file("contacts.ndjson")
        try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try CommandLineProgram.run(["contacts", "import", file, "--data", data, "--json"])
        try FileManager.default.removeItem(atPath: file)
        return try outcome.output.split(separator: "\n").map { line in
            let body = try JSONDecoder().decode(ImportLineBody.self, from: Data(line.utf8))
            return try #require(body.contact.flatMap { ContactID($0) })
        }
    }

    // MARK: The service

    /// Starts the service and waits until it accepts.
    /// - Parameter wrapper: a command that sets something up and then becomes the service.
    func start(
        _ options: [String] = [], through wrapper: [String] = [], environment: [String: String] = [:]
    ) throws {
        let process = Process()
        let command =
            wrapper + [CommandLineProgram.path]
            + ["serve", "--data", data, "--listen", "127.0.0.1:\(port)", "--control", "127.0.0.1:0"] + options
        process.executableURL = URL(fileURLWithPath: wrapper.isEmpty ? command[0] : "/usr/bin/env")
        process.arguments = wrapper.isEmpty ? Array(command.dropFirst()) : command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        process.standardOutput = output
        if !FileManager.default.fileExists(atPath: serviceLog) {
            _ = FileManager.default.createFile(atPath: serviceLog, contents: nil)
        }
        let log = try #require(FileHandle(forWritingAtPath: serviceLog))
        log.seekToEndOfFile()
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        try process.run()
        service = process
        var line = ""
        while !line.hasSuffix("\n") {
            let bytes = output.fileHandleForReading.availableData
            guard !bytes.isEmpty else {
                throw ServiceDidNotStart(
                    log: (try? String(contentsOfFile: serviceLog, encoding: .utf8)) ?? "")
            }
            line += String(decoding: bytes, as: UTF8.self)
        }
        let words = line.split(whereSeparator: { " \n".contains($0) })
        let data = try #require(words.first { $0.hasPrefix("data=") })
        let control = try #require(words.first { $0.hasPrefix("control=") })
        addresses = (String(data.dropFirst(5)), String(control.dropFirst(8)))
    }

    /// Asks the service to stop and waits for it; its exit code.
    @discardableResult
    func stop() -> Int32 {
        guard let service else { return 0 }
        service.terminate()
        service.waitUntilExit()
        self.service = nil
        return service.terminationStatus
    }

    /// Kills the service where it stands.
    func kill9() {
        guard let service else { return }
        kill(service.processIdentifier, SIGKILL)
        service.waitUntilExit()
        self.service = nil
    }

    func client(
        _ name: String = "dialer-1", key: String? = nil, tls: ClientTLS? = nil
    ) throws -> VaultClient {
        try VaultClient(
            issuer: issuer, client: #require(Reference(name)),
            key: ClientKey.load(path: key ?? keyFile(name)), tls: tls)
    }

    /// Runs a command of the operator, which must succeed.
    @discardableResult
    func command(_ arguments: String...) throws -> CommandLineProgram.Outcome {
        let outcome = try CommandLineProgram.run(arguments + ["--data", data])
        try Self.expectSuccess(outcome)
        return outcome
    }

    /// Approves what a command said to wait for a second person, as the client `security-1`, or another.
    func approve(_ outcome: CommandLineProgram.Outcome, as client: String = "security-1") throws {
        let word = outcome.messages.split(whereSeparator: { " \n".contains($0) }).first {
            $0.hasPrefix("ap_")
        }
        let approval = try #require(word, "\(outcome.messages)")
        try Self.expectSuccess(
            CommandLineProgram.run([
                "approvals", "approve", String(approval), "--client", client, "--key", keyFile(client),
                "--issuer", issuer,
            ]))
    }

    /// Adds to the configuration.
    func configure(_ text: String) throws {
        let path = data + "/contact-vault.yaml"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// `log verify` on the files.
    func verifyLog() throws -> CommandLineProgram.Outcome {
        try CommandLineProgram.run(["log", "verify", "--data", data])
    }

    /// Every entry with what it discloses.
    func entries() throws -> [(body: LogEntryBody, entry: LogEntry)] {
        var all: [(LogEntryBody, LogEntry)] = []
        while true {
            let outcome = try CommandLineProgram.run([
                "log", "entries", "--data", data, "--json", "--limit", "1000", "--from", String(all.count),
            ])
            try Self.expectSuccess(outcome)
            let page = try outcome.output.split(separator: "\n").map { line in
                let body = try JSONDecoder().decode(LogEntryBody.self, from: Data(line.utf8))
                return (body, try LogEntry(decoding: Array(body.leaf.utf8)))
            }
            all += page
            if page.count < 1000 { return all }
        }
    }

    private static func expectSuccess(_ outcome: CommandLineProgram.Outcome) throws {
        #expect(outcome.code == 0, "\(outcome.messages)")
        guard outcome.code == 0 else { throw CommandFailed(messages: outcome.messages) }
    }

    struct CommandFailed: Error { let messages: String }
    struct ServiceDidNotStart: Error { let log: String }

    static func freePort() -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = bind(descriptor, generic, length)
                _ = getsockname(descriptor, generic, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// Invented contacts.
enum Invented {
    static let name = "张伟"
    static let phone = "+8613800138000"
    /// A policy for load: one token makes many releases, at any hour, without caps.
    static let boundlessPolicy = """
        policy: 1
        name: load-test
        limits: none
        jurisdiction: none
        purposes:
          relay.message:
            stages: [call_collection]
            actions: {dial: reveal}
            fields: [phone]
            hours: any
            caps: none
            token: {seconds: 300, uses: 100000}
            roles: [collection]
            needs: {}
        """

    /// A line of the intake format.
    static func contact(_ number: Int = 0, consent: String? = "relay.message") -> String {
        let last = number % 100
        let phone = "+86138001380" + (last < 10 ? "0\(last)" : "\(last)")
        return contact(phone: phone, borrower: number, consent: consent)
    }

    /// A line of the intake format with this number.
    static func contact(phone: String, borrower number: Int, consent: String? = "relay.message") -> String {
        let consents =
            consent.map {
                """
                ,"consents":[{"purpose":"\($0)","notice":"n3",\
                "evidence":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]
                """
            } ?? ""
        return """
            {"borrower":"br_\(number)","portfolio":"pf_1","phone":"\(phone)","name":"\(name)","relation":"sibling",\
            "language":"zh","time_zone":"Asia/Shanghai","channels":["voice","sms"],"adult":true,"source":"origination",\
            "retain_until":"2035-01-01"\(consents)}
            """
    }
}

extension AuthorizationDetails {
    /// Details of a release of the phone number.
    static func release(
        of contact: ContactID, purpose: String = "relay.message", action: String = "dial", uses: Int64 = 1,
        fields: [FieldName] = [.phone], precondition: Precondition? = .unreachableThreeDays
    ) throws -> AuthorizationDetails {
        .contactAccess(
            try ContactAccessDetails(
                action: #require(Action(action)), purpose: #require(Purpose(purpose)),
                selection: .one(contact),
                caseReference: #require(Reference("cs_1")), stage: .callCollection, fields: fields,
                precondition: precondition, reference: nil,
                actor: Actor(kind: .human, id: #require(Reference("u_1"))), maximumUses: uses))
    }
}

/// Expects a refusal of this status and type.
func expectRefusal<Value>(
    _ status: Int, _ type: String, _ body: () async throws -> Value,
    sourceLocation: SourceLocation = #_sourceLocation
) async {
    do {
        _ = try await body()
        Issue.record("was not refused", sourceLocation: sourceLocation)
    } catch let error as VaultClientError {
        #expect(error.status == status, "\(error)", sourceLocation: sourceLocation)
        #expect(error.problemType == type, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

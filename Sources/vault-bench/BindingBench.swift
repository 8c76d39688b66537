// What a release costs by how its sender proves who it is: a proof for each, the connection's certificate, or one proof for
// a hundred. All three over the same TLS listener, and beside them the getting of tokens.

import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import VaultClient
import VaultCrypto

/// Measures a service with a client authority.
struct BindingBench {
    let executable: ServiceExecutable
    let options: BenchOptions
    /// Folder for this part, with a vault that ``ServiceBench`` prepared.
    let folder: String
    let contacts: [ContactID]

    private static let name = "dialer-1.clients.example"
    private static let batch = Limits.contactsPerToken
    private var vault: String { folder + "/vault" }
    private var connections: Int { options.connections.max() ?? 64 }

    /// The table. Every row is of the same process, with as many connections as the service was measured with at most.
    func table() async throws -> TextTable {
        let authority = try Authority(folder: folder)
        let server = try authority.issue("server", names: "IP:127.0.0.1,DNS:localhost")
        let client = try authority.issue("client", names: "DNS:" + Self.name)
        try Data(
            """
            data:
              tls:
                certificate: \(server.certificate)
                key: \(server.key)
                client_authority: \(authority.certificate)

            """.utf8
        ).write(to: URL(fileURLWithPath: vault + "/contact-vault.yaml"))
        try await executable.run([
            "client", "certificate", ServiceBench.client, "--name", Self.name, "--data", vault,
        ])
        let service = try ServiceProcess(executable, data: vault, messages: folder + "/bindings.log")
        let table: TextTable
        do {
            table = try await measure(service, authority, client)
        } catch {
            try? await service.stop()
            throw error
        }
        try await service.stop()
        try await executable.run(["log", "verify", "--data", vault])
        return table
    }

    private func measure(
        _ service: ServiceProcess, _ authority: Authority, _ files: (certificate: String, key: String)
    ) async throws -> TextTable {
        var table = TextTable([
            "over TLS, \(connections) connections", "contacts/s", "requests/s", "p50 ms", "p99 ms",
        ])
        func add(_ name: String, _ result: LoadResult, contacts: Int = 1) {
            table.add([
                name, contacts == 0 ? "" : TextTable.number(result.perSecond * Double(contacts)),
                TextTable.number(result.perSecond),
                TextTable.number(result.latencies.milliseconds(quantile: 0.5), decimals: 2),
                TextTable.number(result.latencies.milliseconds(quantile: 0.99), decimals: 2),
            ])
        }
        let plain = try LoadTLS(authority: authority.certificate, certificate: nil)
        let mutual = try LoadTLS(authority: authority.certificate, certificate: files)
        let key = try ClientKey.load(path: folder + "/client.jwk")
        func client(_ tls: ClientTLS) throws -> VaultClient {
            try VaultClient(
                issuer: ServiceBench.issuer, endpoint: "https://localhost:\(service.dataPort)",
                client: try InventedPeople.reference(ServiceBench.client), key: key, tls: tls)
        }
        let proving = try client(ClientTLS(authority: authority.certificate))
        let showing = try client(
            ClientTLS(authority: authority.certificate, certificate: files.certificate, key: files.key))
        defer {
            let clients = [proving, showing]
            Task { for client in clients { try? await client.shutdown() } }
        }

        let singles = try await tokens(proving, (0..<64).map { [contacts[$0 * contacts.count / 64]] })
        let batches = try await tokens(
            proving,
            (0..<8).map { index in
                (0..<Self.batch).map { contacts[(index * Self.batch + $0) % contacts.count] }
            })
        let bound = try await tokens(showing, (0..<64).map { [contacts[$0 * contacts.count / 64]] })
        guard let nonce = proving.nonce else { throw BenchFailure.failed("the service asked for no nonce") }

        add("token request (assertion and proof)", try tokenRequests(service, plain, key, nonce), contacts: 0)
        add("release, DPoP proof for each", try proved(service, plain, key, nonce, singles))
        let whole = bound.map { token in
            "POST \(token.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n"
                + "Authorization: Bearer \(token.compact)\r\n\r\n"
        }
        add("release, mutual TLS", try run(service, mutual, LoadSource(inTurn: whole)))
        // More at once would be refused: a batch takes as many places in the queue as it has contacts.
        let few = min(connections, Limits.queuedRequests / Self.batch / 2)
        add(
            "release, batches of \(Self.batch) with one proof, \(few) connections",
            try proved(service, plain, key, nonce, batches, connections: few), contacts: Self.batch)
        return table
    }

    private func tokens(_ client: VaultClient, _ groups: [[ContactID]]) async throws -> [BenchToken] {
        var tokens: [BenchToken] = []
        for group in groups {
            let selection: ContactSelection = group.count == 1 ? .one(group[0]) : .several(group)
            let token = try await client.token(for: try InventedPeople.details(selection))
            tokens.append(
                BenchToken(compact: token.compact, contact: group[0], isBatch: group.count > 1))
        }
        return tokens
    }

    private func run(
        _ service: ServiceProcess, _ tls: LoadTLS, _ source: LoadSource
    ) throws -> LoadResult {
        let generator = LoadGenerator(port: service.dataPort, connections: connections, tls: tls)
        _ = try generator.run(source, seconds: options.seconds / 8)
        return try generator.run(source, seconds: options.seconds / 2)
    }

    private func proved(
        _ service: ServiceProcess, _ tls: LoadTLS, _ key: PrivateJWK, _ nonce: String, _ tokens: [BenchToken],
        connections: Int? = nil
    ) throws -> LoadResult {
        let connections = connections ?? self.connections
        let proofs = ProofBatch(issuer: ServiceBench.issuer, key: key, tokens: tokens)
        let generator = LoadGenerator(port: service.dataPort, connections: connections, tls: tls)
        let warm = try generator.run(
            LoadSource(try proofs.make(2000, nonce: nonce), of: tokens), seconds: options.seconds / 8)
        let count = Int(warm.perSecond * options.seconds / 2 * 1.25) + connections
        return try generator.run(
            LoadSource(try proofs.make(count, nonce: nonce), of: tokens), seconds: options.seconds / 2)
    }

    /// Each with a fresh assertion and a fresh proof, made before the clock runs.
    private func tokenRequests(
        _ service: ServiceProcess, _ tls: LoadTLS, _ key: PrivateJWK, _ nonce: String
    ) throws -> LoadResult {
        let details = FormEncoding.encode([
            ("grant_type", "client_credentials"), ("client_assertion_type", ClientAssertion.assertionType),
            ("authorization_details", try InventedPeople.details(contacts[0]).json.canonicalText),
        ])
        let client = try InventedPeople.reference(ServiceBench.client)
        let prefix = Base64URL.encode(try SystemRandom().bytes(12))
        func requests(_ range: Range<Int>) throws -> [String] {
            let now = Timestamp(Date())
            return try range.map { index in
                let assertion = try ClientAssertion.make(
                    client: client, issuer: ServiceBench.issuer, key: key, identifier: "a\(prefix)\(index)",
                    now: now)
                let proof = try DPoPProof.make(
                    method: "POST", url: ServiceBench.issuer + "/oauth2/token", nonce: nonce,
                    accessToken: nil,
                    key: key, identifier: "p\(prefix)\(index)", now: now)
                let body = String(decoding: details, as: UTF8.self) + "&client_assertion=" + assertion
                return
                    "POST /oauth2/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(body.utf8.count)\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\nDPoP: \(proof)\r\n\r\n\(body)"
            }
        }
        let generator = LoadGenerator(port: service.dataPort, connections: connections, tls: tls)
        let warm = try generator.run(LoadSource(once: try requests(0..<1000)), seconds: options.seconds / 8)
        let count = Int(warm.perSecond * options.seconds / 2 * 1.25) + connections
        return try generator.run(
            LoadSource(once: try requests(1000..<1000 + count)), seconds: options.seconds / 2)
    }
}

/// An authority for the certificates of a run, by the openssl program.
private struct Authority {
    let folder: String
    var certificate: String { folder + "/authority.pem" }

    init(folder: String) throws {
        self.folder = folder
        try Self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=bench", "-keyout", folder + "/authority.key", "-out", folder + "/authority.pem",
        ])
    }

    func issue(_ file: String, names: String) throws -> (certificate: String, key: String) {
        let path = folder + "/" + file
        try Data("subjectAltName=\(names)\n".utf8).write(to: URL(fileURLWithPath: path + ".ext"))
        try Self.openssl([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(file)",
            "-keyout", path + ".key", "-out", path + ".csr",
        ])
        try Self.openssl([
            "x509", "-req", "-in", path + ".csr", "-CA", certificate, "-CAkey", folder + "/authority.key",
            "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out", path + ".pem",
        ])
        return (path + ".pem", path + ".key")
    }

    private static func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { throw BenchFailure.failed("cannot run openssl") }
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw BenchFailure.failed(
                "openssl made no certificate: is it installed (apt-get install openssl)?")
        }
    }
}

// The service over HTTP: releases, each with its own proof and every entry synced, beside the same server's empty reply.

import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import VaultClient
import VaultCrypto

/// Measures a serving process.
struct ServiceBench {
    let executable: ServiceExecutable
    let options: BenchOptions
    /// Folder for this part.
    let folder: String

    static let issuer = "https://vault.example"
    static let client = "dialer-1"
    var vault: String { folder + "/vault" }

    /// The table of all numbers of connections. Afterwards the whole log is verified: a service that was fast because it
    /// left entries out would show here.
    /// - Returns: the table, and the contacts of the vault, which stays in the folder.
    func table() async throws -> (table: TextTable, contacts: [ContactID]) {
        let contacts = try await prepare()
        let service = try ServiceProcess(executable, data: vault, messages: folder + "/service.log")
        let table: TextTable
        do {
            table = try await measure(service, contacts)
        } catch {
            try? await service.stop()
            throw error
        }
        try await service.stop()
        try await executable.run(["log", "verify", "--data", vault])
        return (table, contacts)
    }

    /// Makes the vault with the operator's commands.
    func prepare() async throws -> [ContactID] {
        let key = try ClientKey.create(path: folder + "/client.jwk")
        try write(key.json.canonicalBytes, "client.pub")
        try write(Array(InventedPeople.policy.utf8), "policy.yaml")
        try write((0..<options.contacts).flatMap { InventedPeople.line($0) + [0x0A] }, "contacts.ndjson")
        try await executable.run([
            "init", "--development", "--data", vault, "--issuer", Self.issuer, "--policy",
            folder + "/policy.yaml",
        ])
        try await executable.run([
            "client", "add", Self.client, "--agency", "ag_bench", "--kind", "gateway", "--role", "collection",
            "--jwk",
            folder + "/client.pub", "--data", vault,
        ])
        try await executable.run(
            ["contacts", "import", folder + "/contacts.ndjson", "--data", vault, "--json"],
            output: folder + "/stored.ndjson")
        let stored = try Data(contentsOf: URL(fileURLWithPath: folder + "/stored.ndjson"))
        let contacts = stored.split(separator: 0x0A).compactMap { line in
            (try? JSONValue.parse(line))?.objectValue?["contact"]?.stringValue.flatMap { ContactID($0) }
        }
        guard contacts.count == options.contacts else {
            throw BenchFailure.failed("not every contact was stored")
        }
        return contacts
    }

    private func measure(_ service: ServiceProcess, _ contacts: [ContactID]) async throws -> TextTable {
        var table = TextTable([
            "connections", "releases/s", "p50 ms", "p99 ms", "empty replies/s", "p50 ms", "p99 ms", "ratio",
            "generator",
        ])
        let client = try client(of: service)
        do {
            for connections in options.connections {
                let empty = try self.empty(service, connections)
                let releases = try await self.releases(service, client, contacts, connections)
                table.add([
                    "\(connections)", TextTable.number(releases.perSecond),
                    TextTable.number(releases.latencies.milliseconds(quantile: 0.5), decimals: 2),
                    TextTable.number(releases.latencies.milliseconds(quantile: 0.99), decimals: 2),
                    TextTable.number(empty.perSecond),
                    TextTable.number(empty.latencies.milliseconds(quantile: 0.5), decimals: 2),
                    TextTable.number(empty.latencies.milliseconds(quantile: 0.99), decimals: 2),
                    TextTable.number(releases.perSecond / empty.perSecond, decimals: 2),
                    TextTable.number(releases.generatorSeconds / releases.seconds * 100) + "%",
                ])
            }
        } catch {
            try? await client.shutdown()
            throw error
        }
        try await client.shutdown()
        return table
    }

    func client(of service: ServiceProcess) throws -> VaultClient {
        try VaultClient(
            issuer: Self.issuer, endpoint: "http://127.0.0.1:\(service.dataPort)",
            client: try InventedPeople.reference(Self.client),
            key: try ClientKey.load(path: folder + "/client.jwk"))
    }

    private func empty(_ service: ServiceProcess, _ connections: Int) throws -> LoadResult {
        let generator = LoadGenerator(port: service.controlPort, connections: connections)
        let source = LoadSource(repeating: "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        _ = try generator.run(source, seconds: options.seconds / 8)
        return try generator.run(source, seconds: options.seconds)
    }

    func releases(
        _ service: ServiceProcess, _ client: VaultClient, _ contacts: [ContactID], _ connections: Int,
        during work: (() async throws -> Void)? = nil
    ) async throws -> LoadResult {
        // 64 tokens in turn, whatever the connections: their verdicts are cached after the warm-up.
        var tokens: [BenchToken] = []
        for index in 0..<64 {
            let contact = contacts[index * contacts.count / 64]
            let token = try await client.token(for: try InventedPeople.details(contact))
            tokens.append(BenchToken(compact: token.compact, contact: contact))
        }
        guard let nonce = client.nonce else { throw BenchFailure.failed("the service asked for no nonce") }
        let batch = ProofBatch(
            issuer: Self.issuer, key: try ClientKey.load(path: folder + "/client.jwk"), tokens: tokens)
        let generator = LoadGenerator(port: service.dataPort, connections: connections)
        let warm = try generator.run(
            LoadSource(try batch.make(4000, nonce: nonce), of: tokens), seconds: options.seconds / 8)
        // Somewhat more than will be needed: a run that is out of proofs ends early and is as good.
        let count = Int(warm.perSecond * options.seconds * 1.25) + connections
        let source = LoadSource(try batch.make(count, nonce: nonce), of: tokens)
        try await work?()
        return try generator.run(source, seconds: options.seconds)
    }

    private func write(_ bytes: [UInt8], _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/" + name))
    }
}

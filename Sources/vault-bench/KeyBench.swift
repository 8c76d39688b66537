// Rotation of the key-encryption key: how fast records are rewrapped, and what releases notice of it.

import ContactModel
import Foundation
import StrictEncoding
import VaultClient

/// Measures a rewrap of every record of a serving vault.
struct KeyBench {
    let executable: ServiceExecutable
    let options: BenchOptions
    let folder: String

    /// Connections of the releases beside it.
    private static let connections = 16

    /// At rest, during a rewrap, and a rewrap alone. Afterwards every version but the last is needed by nothing, which `keys retire`
    /// checks, and the whole log is verified.
    func table() async throws -> TextTable {
        var options = options
        options.contacts = options.records
        let bench = ServiceBench(executable: executable, options: options, folder: folder)
        let contacts = try await bench.prepare()
        let service = try ServiceProcess(executable, data: bench.vault, messages: folder + "/service.log")
        do {
            let table = try await measure(bench, service, contacts)
            try await service.stop()
            try await executable.run(["log", "verify", "--data", bench.vault])
            return table
        } catch {
            try? await service.stop()
            throw error
        }
    }

    private func measure(
        _ bench: ServiceBench, _ service: ServiceProcess, _ contacts: [ContactID]
    ) async throws -> TextTable {
        var table = TextTable([
            TextTable.number(Double(contacts.count)) + " records", "rewraps/s", "releases/s", "p50 ms",
            "p99 ms",
            "p99 ratio", "service peak MiB",
        ])
        func add(
            _ name: String, _ job: Job?, _ load: LoadResult?, against rest: LoadResult? = nil
        ) {
            func milliseconds(_ quantile: Double) -> String {
                load.map {
                    TextTable.number($0.latencies.milliseconds(quantile: quantile), decimals: 2)
                } ?? ""
            }
            let ratio = load.flatMap { load in
                rest.map {
                    load.latencies.milliseconds(quantile: 0.99) / $0.latencies.milliseconds(quantile: 0.99)
                }
            }
            table.add([
                name, job.map { TextTable.number($0.perSecond) } ?? "",
                load.map { TextTable.number($0.perSecond) } ?? "", milliseconds(0.5), milliseconds(0.99),
                ratio.map { TextTable.number($0, decimals: 2) } ?? "",
                TextTable.number(Double(service.peakKiB) / 1024),
            ])
        }
        let client = try bench.client(of: service)
        do {
            let rest = try await bench.releases(service, client, contacts, Self.connections)
            add("releases at rest", nil, rest)
            try await rotate(to: 2, bench)
            let beside = try await bench.releases(service, client, contacts, Self.connections) {
                try await keys(["rewrap", "--detach"], bench)
            }
            // A job that ends before the load does not spoil it: then less of the load was beside it.
            let first = try await finished(bench)
            add(
                "releases beside a rewrap" + (first.seconds < options.seconds ? " (which ended first)" : ""),
                first, beside, against: rest)
            try await keys(["retire", "kek", "1"], bench)
            try await rotate(to: 3, bench)
            try await keys(["rewrap"], bench)
            add("rewrap alone", try await finished(bench), nil)
            try await keys(["retire", "kek", "2"], bench)
        } catch {
            try? await client.shutdown()
            throw error
        }
        try await client.shutdown()
        return table
    }

    private func rotate(to version: Int, _ bench: ServiceBench) async throws {
        try await keys(["rotate", "kek"], bench)
        try await keys(["promote", "kek", "\(version)"], bench)
    }

    private func keys(_ arguments: [String], _ bench: ServiceBench) async throws {
        try await executable.run(["keys"] + arguments + ["--data", bench.vault])
    }

    private struct Job {
        let perSecond: Double
        let seconds: Double
    }

    /// The last job, once it has ended.
    private func finished(_ bench: ServiceBench) async throws -> Job {
        while true {
            let file = folder + "/jobs.ndjson"
            try await executable.run(["keys", "jobs", "--json", "--data", bench.vault], output: file)
            let line = try Data(contentsOf: URL(fileURLWithPath: file)).split(separator: 0x0A).first ?? Data()
            let job = try JSONValue.parse(Array(line)).objectValue
            guard let state = job?["state"]?.stringValue, let rate = job?["per_second"]?.integerValue,
                let examined = job?["examined"]?.integerValue
            else { throw BenchFailure.failed("no job") }
            if state == "done" {
                return Job(perSecond: Double(rate), seconds: Double(examined) / Double(max(1, rate)))
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}

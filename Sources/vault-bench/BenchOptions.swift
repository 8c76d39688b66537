// What the program was asked to do.

import Foundation

/// Options of a run.
struct BenchOptions {
    /// Length of each timed part over HTTP; in process each part takes a quarter of it.
    var seconds = 8.0
    /// Contacts that the vault holds.
    var contacts = 10_000
    /// Folder of the vaults that are made for the run, which are removed afterwards.
    var data = ".build/vault-bench"
    /// The service's executable.
    var service = CommandLine.arguments.first.map {
        URL(fileURLWithPath: $0).resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("contact-vault").path
    }
    /// Numbers of connections.
    var connections = [1, 8, 64]
    /// Lengths of the log at which proofs are measured.
    var logEntries = [10_000, 1_000_000, 10_000_000]
    /// Whether the log is measured by itself.
    var measuresLog = true
    /// Whether the engine is measured in process.
    var measuresEngine = true
    /// Whether the service is measured over HTTP.
    var measuresService = true
    /// Whether a rewrap is measured.
    var measuresKeys = true
    /// Records that are rewrapped.
    var records = 100_000

    static let help = """
        Measures the engine in process and the service over HTTP, in one run on one machine.

        usage: vault-bench [--seconds N] [--contacts N] [--connections N,N,…] [--data DIR]
                           [--log-entries N,N,…] [--records N]
                           [--service PATH | --engine-only | --service-only | --log-only | --keys-only]

          --seconds N      length of each timed part over HTTP, 1 to 60 (default 8)
          --contacts N     contacts in the vault, 64 to 100000 (default 10000)
          --connections L  numbers of connections, 1 to 256 (default 1,8,64)
          --log-entries L  lengths of the log, rising, 1000 to 10000000 (default 10000,1000000,10000000)
          --records N      records that are rewrapped, 1000 to 1000000 (default 100000)
          --data DIR       folder for the run, on the disk that is to be measured (default .build/vault-bench)
          --service PATH   a release build of contact-vault (default: beside this program)
          --engine-only    the engine in process alone
          --service-only   the service over HTTP alone
          --log-only       the log alone
          --keys-only      rewraps alone

        Example: vault-bench --seconds 5 --data /var/tmp/bench
        """

    /// Reads arguments.
    /// - Throws: ``BenchFailure/usage(_:)``.
    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "--engine-only": only(engine: true)
            case "--service-only": only(service: true)
            case "--log-only": only(log: true)
            case "--keys-only": only(keys: true)
            case "--seconds", "--contacts", "--data", "--service", "--connections", "--log-entries",
                "--records":
                guard let value = rest.popFirst() else { throw BenchFailure.usage("\(option) needs a value") }
                try set(option, value)
            default: throw BenchFailure.usage("unknown option \(option)")
            }
        }
    }

    private mutating func only(
        engine: Bool = false, service: Bool = false, log: Bool = false, keys: Bool = false
    ) {
        (measuresEngine, measuresService, measuresLog, measuresKeys) = (engine, service, log, keys)
    }

    private mutating func set(_ option: String, _ value: String) throws {
        switch option {
        case "--seconds":
            // Tokens and proofs live 300 s: a longer part would end in refusals.
            guard let number = Double(value), (1...60).contains(number) else {
                throw BenchFailure.usage("--seconds: from 1 to 60")
            }
            seconds = number
        case "--contacts":
            guard let number = Int(value), (64...InventedPeople.limit).contains(number) else {
                throw BenchFailure.usage("--contacts: from 64 to \(InventedPeople.limit)")
            }
            contacts = number
        case "--connections":
            let numbers = value.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard numbers.allSatisfy({ (1...256).contains($0) }) else {
                throw BenchFailure.usage("--connections: numbers from 1 to 256, separated by commas")
            }
            connections = numbers
        case "--log-entries":
            let numbers = value.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard !numbers.isEmpty, numbers.allSatisfy({ (1000...10_000_000).contains($0) }),
                numbers == numbers.sorted()
            else {
                throw BenchFailure.usage(
                    "--log-entries: rising numbers from 1000 to 10000000, separated by commas")
            }
            logEntries = numbers
        case "--records":
            guard let number = Int(value), (1000...1_000_000).contains(number) else {
                throw BenchFailure.usage("--records: from 1000 to 1000000")
            }
            records = number
        case "--data": data = value
        default: service = value
        }
    }
}

/// Why a run ended without numbers.
enum BenchFailure: Error, CustomStringConvertible {
    case usage(String)
    /// Something that was measured did not do what it should: its numbers would be worthless.
    case failed(String)

    var description: String {
        switch self {
        case .usage(let message), .failed(let message): message
        }
    }
}

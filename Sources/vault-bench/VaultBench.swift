// The measuring program: one run, one machine, engine and service. It asserts nothing about time.

import ContactVault
import Foundation
import Glibc

@main
struct VaultBench {
    static func main() async {
        do {
            let arguments = Array(CommandLine.arguments.dropFirst())
            if arguments.contains("--help") || arguments.contains("-h") {
                print(BenchOptions.help)
                return
            }
            try await run(try BenchOptions(arguments))
        } catch {
            FileHandle.standardError.write(Data("vault-bench: \(error)\n".utf8))
            if case BenchFailure.usage = error { exit(2) }
            exit(1)
        }
    }

    private static func run(_ options: BenchOptions) async throws {
        var executable: ServiceExecutable?
        if options.measuresService || options.measuresLog || options.measuresKeys {
            guard let path = options.service, FileManager.default.isExecutableFile(atPath: path) else {
                throw BenchFailure.failed(
                    "no contact-vault beside this program; build it with swift build -c release --product contact-vault, "
                        + "or name it with --service")
            }
            executable = ServiceExecutable(path: path)
        }
        // A folder of its own, so that two runs do not meet and nothing of anybody else's is removed.
        let folder = options.data + "/run-\(ProcessInfo.processInfo.processIdentifier)"
        let files = FileManager.default
        try files.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? files.removeItem(atPath: folder) }

        print(
            "contact-vault bench: \(Machine.processor); \(TextTable.number(Double(options.contacts))) contacts"
        )
        print("data on \(Machine.fileSystem(of: folder)), every entry synced before its reply")
        #if DEBUG
            print("DEBUG BUILD: these numbers say nothing; use swift run -c release vault-bench")
        #endif
        if options.measuresEngine {
            print("\nengine, in process, one thread where no callers are named")
            let part = folder + "/engine"
            try files.createDirectory(atPath: part, withIntermediateDirectories: false)
            let engine = try await EngineVault.make(in: part, contacts: options.contacts)
            let table = try await EngineBench(engine: engine, seconds: options.seconds / 4).table()
            try await engine.vault.close()
            show(table)
        }
        if options.measuresLog, let executable {
            print("\nlog by itself, SQLite, one writer; export and audit in processes of their own")
            let part = folder + "/log"
            try files.createDirectory(atPath: part, withIntermediateDirectories: false)
            for table in try await LogBench(executable: executable, options: options, folder: part).tables() {
                show(table)
                print("")
            }
        }
        if options.measuresService, let executable {
            print(
                "\nservice, HTTP/1.1 on loopback, ES256 proof for every request, generator on the same cores")
            let part = folder + "/service"
            try files.createDirectory(atPath: part, withIntermediateDirectories: false)
            let (table, contacts) = try await ServiceBench(
                executable: executable, options: options, folder: part
            ).table()
            show(table)
            print("")
            show(
                try await BindingBench(
                    executable: executable, options: options, folder: part, contacts: contacts
                ).table())
            print("  the log of this run verifies from its first entry to its last")
        }
        if options.measuresKeys, let executable {
            print("\nrewrap of every record while it serves, releases over HTTP beside it")
            let part = folder + "/keys"
            try files.createDirectory(atPath: part, withIntermediateDirectories: false)
            show(try await KeyBench(executable: executable, options: options, folder: part).table())
        }
    }

    private static func show(_ table: TextTable) {
        for line in table.lines { print(line) }
        fflush(nil)
    }
}

// A PostgreSQL server for the tests: made, started and taken away by this process, with nothing of it but a
// folder.

import Foundation
import Synchronization

@testable import PostgresStore

/// A server on a Unix socket in a folder of its own, which syncs its commits.
///
/// ``shared`` is for all tests of this process. Its shell script waits on a pipe that this process holds:
/// however the process ends, the pipe ends too, and the script stops the server and removes the folder.
struct PostgresServer: Sendable {
    static let shared = Result { try PostgresServer() }

    private static let databases = Atomic(0)

    /// The folder of the socket and of the files.
    let folder: String
    /// Holds the other end of the script's input.
    private let input: Pipe

    struct NotStarted: Error, CustomStringConvertible {
        let description: String
    }

    init() throws {
        let script = Process()
        // PostgreSQL refuses to run as root.
        let isRoot = getuid() == 0
        let shell = ["/bin/sh", "-c", Self.script]
        let command =
            isRoot
            ? ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--reset-env"]
                + shell : shell
        script.executableURL = URL(fileURLWithPath: command[0])
        script.arguments = Array(command.dropFirst())
        script.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
        let (input, output) = (Pipe(), Pipe())
        script.standardInput = input
        script.standardOutput = output
        // `swift test` waits until nobody holds its error output any more.
        script.standardError = FileHandle.nullDevice
        try script.run()
        var text = ""
        while !text.contains("\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else {
                throw NotStarted(description: "no PostgreSQL 15 could be started; run scripts/bootstrap")
            }
            text += String(decoding: data, as: UTF8.self)
        }
        folder = text.trimmingCharacters(in: .whitespacesAndNewlines)
        self.input = input
    }

    private static let script = """
        set -eu
        export PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin LC_ALL=C
        folder=$(mktemp -d /tmp/contact-vault-postgres.XXXXXX)
        trap 'rm -rf "$folder"' EXIT
        trap '' HUP INT TERM
        initdb -N -D "$folder/data" -U vault -A trust -E UTF8 --locale=C >/dev/null
        pg_ctl -D "$folder/data" -s -w -l "$folder/log" -o "-k $folder -c listen_addresses= -c max_connections=200" start \
            >/dev/null </dev/null
        echo "$folder"
        cat >/dev/null
        pg_ctl -D "$folder/data" -s -w -m immediate stop >/dev/null
        """

    /// The address of one of its databases.
    func address(of database: String) -> String { "host=\(folder) user=vault dbname=\(database)" }

    /// Makes an empty database.
    /// - Returns: its address.
    static func makeDatabase() throws -> String {
        let server = try shared.get()
        let name = "case_\(databases.add(1, ordering: .relaxed).newValue)"
        try server.psql("postgres", "CREATE DATABASE \(name) TEMPLATE template0")
        return server.address(of: name)
    }

    /// Runs a statement by hand, as an operator or an attacker would.
    /// - Returns: what it answers, without headings.
    @discardableResult
    func psql(_ database: String, _ sql: String) throws -> String {
        try Self.psql(address: address(of: database), sql)
    }

    /// The same on an address.
    @discardableResult
    static func psql(address: String, _ sql: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/lib/postgresql/15/bin/psql")
        process.arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", address, "-c", sql]
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw NotStarted(description: complaint) }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

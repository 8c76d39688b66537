// A real PostgreSQL of a test's own: made in a temporary folder, reached by a socket in it, stopped with the process.

import Foundation
import Synchronization

/// A server that serves the tests of this process.
public final class PostgresServer: Sendable {
    /// Started once; tests take databases of their own on it.
    public static let shared = Result { try PostgresServer() }

    private static let programs = "/usr/lib/postgresql/15/bin/"
    private let folder: String
    private let databases = Mutex(0)

    private init() throws {
        // Short: a socket's path has about a hundred bytes.
        folder = NSTemporaryDirectory() + "cvpg-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try Self.run("chown", [Self.user, folder], asUser: false)
        try Self.run(
            Self.programs + "initdb",
            ["-D", folder + "/data", "-U", "vault", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8"])
        try Self.run(
            Self.programs + "pg_ctl",
            [
                "-D", folder + "/data", "-w", "-l", folder + "/log", "-o",
                "-c listen_addresses='' -c unix_socket_directories='\(folder)' -c max_connections=200",
                "start",
            ])
        let stopping = folder
        atEnd { PostgresServer.stop(stopping) }
    }

    /// A new, empty database.
    /// - Returns: its connection string.
    public func makeDatabase() throws -> String {
        let name = databases.withLock { number -> String in
            number += 1
            return "vault_\(number)"
        }
        try Self.run(Self.programs + "createdb", ["-h", folder, "-U", "vault", name])
        return "host=\(folder) user=vault dbname=\(name)"
    }

    /// Runs statements by psql, as somebody with the database's password would.
    public func psql(_ conninfo: String, _ sql: String) throws {
        try Self.run(Self.programs + "psql", ["-v", "ON_ERROR_STOP=1", "-q", "-d", conninfo, "-c", sql])
    }

    private static var user: String { geteuid() == 0 ? "postgres" : NSUserName() }

    /// PostgreSQL refuses to be root's.
    private static func run(_ program: String, _ arguments: [String], asUser: Bool = true) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        let unprivileged =
            asUser && geteuid() == 0
            ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : []
        // Whoever waits for a program waits for what its descriptors are open in, and the server outlives the one that starts it.
        let alone =
            #"for d in /proc/$$/fd/*; do n=${d##*/}; [ "$n" -le 2 ] || [ "$n" -eq 255 ] || eval "exec $n>&-"; done; "$@""#
        process.arguments = ["-c", alone, "bash"] + unprivileged + [program] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw PostgresFailed(program: program) }
    }

    private static func stop(_ folder: String) {
        try? run(programs + "pg_ctl", ["-D", folder + "/data", "-m", "immediate", "stop"])
        try? FileManager.default.removeItem(atPath: folder)
    }

    struct PostgresFailed: Error { let program: String }
}

/// What is to be done when the process ends.
private let endings = Mutex<[@Sendable () -> Void]>([])

private func atEnd(_ body: @escaping @Sendable () -> Void) {
    endings.withLock { $0.append(body) }
    atexit { for body in endings.withLock({ $0 }) { body() } }
}

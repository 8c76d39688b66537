// What another process of the same user, a crash and a low limit get of the memory of the program: nothing.

import ContactModel
import Foundation
import Testing
import VaultAPI
import VaultClient
import VaultTesting

@Suite("Process hardening")
struct ProcessHardeningTests {
    /// A command that waits for a passphrase, long after its hardening.
    private static func program(in folder: String) -> [String] {
        [
            CommandLineProgram.path, "init", "--issuer", "https://vault.example", "--passphrase-fd", "0",
            "--data", folder,
        ]
    }

    /// A user that owns nothing. Root may read everything, so as root the program and its attacker are this user.
    private static let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    private static var asUser: [String] { geteuid() == 0 ? nobody : [] }

    private static var userCanRun: Bool {
        status(of: asUser + [CommandLineProgram.path, "--version"]) == 0
    }

    @Test(
        "another process of the same user reads neither memory nor environment of a program that may hold keys",
        .enabled(if: userCanRun, "an ordinary user cannot execute the program where it was built"))
    func closedToTheSameUser() throws {
        // The user cannot enter a folder of the test's, and makes one that the test takes away.
        let folder = FileManager.default.temporaryDirectory.path + "/contact-vault-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let waiting = try Waiting(Self.asUser + Self.program(in: folder))
        try waiting.untilHardened()
        // Another program of this user is open to it.
        let other = try Waiting(Self.asUser + ["cat"])
        var isOpen = false
        for _ in 0..<1000 where !isOpen {
            isOpen =
                Self.status(of: Self.asUser + ["head", "-c", "1", "/proc/\(other.processID)/environ"]) == 0
        }
        #expect(isOpen)
        other.end(SIGKILL)
        for file in ["mem", "environ", "maps"] {
            let path = "/proc/\(waiting.processID)/\(file)"
            var information = stat()
            #expect(stat(path, &information) == 0 && information.st_uid == 0, "\(file)")
            #expect(Self.status(of: Self.asUser + ["head", "-c", "1", path]) != 0, "\(file)")
        }
        waiting.end(SIGKILL)
    }

    @Test("a program that is made to crash leaves no core, whatever its limit was when it was started")
    func noCore() throws {
        let folder = try TemporaryFolder()
        let crashes = ["sh", "-c", "cd '\(folder.path)' && ulimit -c unlimited; exec \"$@\"", "sh"]
        let waiting = try Waiting(crashes + Self.program(in: folder.file("var")))
        try waiting.untilHardened()
        let file = try #require(FileHandle(forReadingAtPath: "/proc/\(waiting.processID)/limits"))
        let limits = String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
        let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(core.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"], "\(core)")
        let status = waiting.end(SIGABRT)
        #expect(status & 0x7F == SIGABRT)
        // The bit that says that a core was written, to a file or to a handler.
        #expect(status & 0x80 == 0)
        #expect(try folder.files().filter { $0.contains("core") } == [])
    }

    @Test("the limits hold for the service too, and what it says of its memory is so")
    func service() async throws {
        let vault = try ServedVault()
        try vault.start()
        let processID = try #require(vault.service?.processIdentifier)
        let limits = try Self.procFile(processID, "limits")
        #expect(limits.contains(#/Max core file size +0 +0 /#), "\(limits)")
        let metrics = try URLText.get(vault.addresses.control + "/metrics")
        let locked = try Self.procFile(processID, "status").firstMatch(of: #/VmLck:\s+([0-9]+) kB/#)
        let lockedKiB = try #require(locked.flatMap { Int($0.1) })
        #expect(metrics.contains("contact_vault_secret_memory_locked \(lockedKiB >= 1024 ? 1 : 0)\n"))
        #expect(try Self.figure("secret_memory_bytes", in: metrics) > 0)
        #expect(try Self.figure("secret_memory_ordinary_total", in: metrics) == 0)
        let log = try String(contentsOfFile: vault.serviceLog, encoding: .utf8)
        #expect(log.contains("may reach swap") == (lockedKiB < 1024), "\(log)")
        #expect(!log.contains("freed memory is not wiped"), "\(log)")
        vault.stop()
    }

    @Test("where next to nothing may be locked, the service says so at its start, and releases")
    func lowLimit() async throws {
        let vault = try ServedVault()
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        // Root is not bound by the limit unless it gives up the right to lock.
        let unprivileged =
            geteuid() == 0 ? ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"] : []
        try vault.start(through: ["sh", "-c", "ulimit -l 64; exec \"$@\"", "sh"] + unprivileged)
        let log = try String(contentsOfFile: vault.serviceLog, encoding: .utf8)
        #expect(log.contains("warning: keys and numbers may reach swap"), "\(log)")
        let client = try vault.client()
        let token = try await client.token(for: .release(of: contact))
        let release = try await client.release(contact, action: #require(Action("dial")), token: token)
        #expect(release.fields["phone"] == "+8613800138000")
        try await client.shutdown()
        let metrics = try URLText.get(vault.addresses.control + "/metrics")
        #expect(metrics.contains("contact_vault_secret_memory_locked 0\n"))
        // Not locked, and still a heap of its own, with its other protections.
        #expect(try Self.figure("secret_memory_bytes", in: metrics) > 0)
        #expect(vault.stop() == 0)
    }

    private static func figure(_ name: String, in metrics: String) throws -> Int {
        let line = metrics.split(separator: "\n").first { $0.hasPrefix("contact_vault_\(name) ") }
        return try #require(line?.split(separator: " ").last.flatMap { Int($0) })
    }

    private static func procFile(_ processID: Int32, _ name: String) throws -> String {
        let file = try #require(FileHandle(forReadingAtPath: "/proc/\(processID)/\(name)"))
        return String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
    }

    /// Runs a program to its end; its exit code.
    private static func status(of command: [String]) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// A program that waits for its standard input, started so that its wait status is seen as it is.
private final class Waiting {
    let processID: pid_t
    private let input: Int32

    init(_ command: [String]) throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // The threads that tests run on block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var processID: pid_t = 0
        let failure = posix_spawnp(&processID, command[0], &actions, &attributes, &arguments, environ)
        close(ends[0])
        input = ends[1]
        self.processID = processID
        try #require(failure == 0)
    }

    deinit { close(input) }

    /// Waits until the program has no limit for cores left, which is the last step of its hardening.
    func untilHardened() throws {
        for _ in 0..<1000 {
            let file = FileHandle(forReadingAtPath: "/proc/\(processID)/limits")
            let limits = (try? file?.readToEnd()).map { String(decoding: $0, as: UTF8.self) } ?? ""
            if limits.contains(#/Max core file size +0 +0 /#) { return }
            usleep(10_000)
        }
        throw NotHardened()
    }

    /// Sends a signal and waits; the wait status.
    @discardableResult
    func end(_ signal: Int32) -> Int32 {
        kill(processID, signal)
        var status: Int32 = 0
        waitpid(processID, &status, 0)
        return status
    }

    struct NotHardened: Error {}
}

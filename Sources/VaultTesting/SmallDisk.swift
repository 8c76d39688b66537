// A disk that can be filled: a tmpfs of a few MiB, where the machine lets us mount one.

import Foundation

/// A small file system of its own, unmounted when the value goes.
public final class SmallDisk: Sendable {
    /// Its folder.
    public let folder: TemporaryFolder

    /// Whether this process may mount one. Where it may not, tests of a full disk are skipped.
    public static let isAvailable: Bool = (try? SmallDisk(mebibytes: 1)) != nil

    /// Mounts one.
    /// - Throws: ``FixtureFault/malformed(_:)`` where mounting is refused.
    public init(mebibytes: Int) throws {
        folder = try TemporaryFolder()
        let arguments = ["-t", "tmpfs", "-o", "size=\(mebibytes)m,mode=0700", "tmpfs", folder.path]
        guard try Self.run("mount", arguments) else { throw FixtureFault.malformed("mount refused") }
    }

    /// Writes a file until nothing more fits.
    public func fill() throws {
        let ballast = folder.file("ballast")
        guard let file = fopen(ballast, "a") else { throw FixtureFault.malformed("ballast") }
        defer { fclose(file) }
        // Without a buffer, and down to single bytes, so that not one page is left.
        setvbuf(file, nil, _IONBF, 0)
        for size in [65536, 4096, 1] {
            let block = [UInt8](repeating: 0x5A, count: size)
            while fwrite(block, 1, size, file) == size {}
        }
    }

    /// Removes what ``fill()`` wrote.
    public func free() throws { try FileManager.default.removeItem(atPath: folder.file("ballast")) }

    deinit {
        // Lazily: connections that a failed test left open must not keep the mount.
        _ = try? Self.run("umount", ["--lazy", folder.path])
    }

    private static func run(_ command: String, _ arguments: [String]) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [command] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

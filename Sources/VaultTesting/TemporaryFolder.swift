// A folder of its own for each test, gone afterwards.

import Foundation

/// A new, empty folder that only its owner may enter. It is removed with everything in it when the value goes.
public final class TemporaryFolder: Sendable {
    /// Absolute path, without a slash at its end.
    public let path: String

    /// Makes the folder below the system's folder for temporary files.
    public init() throws {
        let parent = FileManager.default.temporaryDirectory.path
        path = (parent.hasSuffix("/") ? parent : parent + "/") + "contact-vault-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    /// The path of a file in it.
    public func file(_ name: String) -> String { path + "/" + name }

    /// Names of the files in it and below it, relative to it, sorted.
    public func files() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: file(name), isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

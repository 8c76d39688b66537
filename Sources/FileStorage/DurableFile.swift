// Small files that must be there whole or not at all, after a crash as well: a torn root key or keyring would
// lose every record, and a torn memory of what was signed would let it be signed again.

import Glibc
import StrictEncoding
import VaultCrypto

/// Why a file was not read or written.
package enum DurableFileError: Error, Equatable {
    case missing
    case exists
    case notAFile
    case permissionsTooOpen
    case tooLarge
    case system(errno: Int32)
}

/// A file that is replaced as a whole: written beside itself, synced, renamed, and the folder synced.
package struct DurableFile: Sendable {
    package let path: String

    /// A file, there or not yet there.
    package init(_ path: String) { self.path = path }

    /// Reads the whole file.
    /// - Parameters:
    ///   - limit: greatest size in bytes; nothing is allocated for more.
    ///   - isPrivate: refuse a file that others than its owner may read or write. Checked on the open
    ///     descriptor, so that the file cannot be swapped between the check and the reading.
    package func read(limit: Int, isPrivate: Bool) throws(DurableFileError) -> [UInt8] {
        // Without O_NONBLOCK a pipe in the file's place would hang the start.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.lastError() }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.lastError() }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        guard !isPrivate || status.st_mode & 0o077 == 0 else { throw .permissionsTooOpen }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit + 1, 65536))
        while true {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.lastError() }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { throw .tooLarge }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Writes the whole file with mode 0600.
    /// - Parameter isReplacing: whether a file that is there is replaced; if not, that is
    ///   ``DurableFileError/exists``.
    package func write(_ bytes: [UInt8], replacing isReplacing: Bool) throws(DurableFileError) {
        let suffix: String
        do { suffix = Hex.encode(try SystemRandom().bytes(8)) } catch { throw .system(errno: EIO) }
        let temporary = path + "." + suffix + ".tmp"
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.lastError() }
        do throws(DurableFileError) {
            defer { close(descriptor) }
            // The umask may have taken bits away; it cannot have left too many.
            guard fchmod(descriptor, 0o600) == 0 else { throw Self.lastError() }
            var written = 0
            while written < bytes.count {
                let count = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe Glibc.write(
                        descriptor, UnsafeRawBufferPointer(rebasing: buffer[written...]).baseAddress,
                        buffer.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.lastError() }
                written += count
            }
            guard fsync(descriptor) == 0 else { throw Self.lastError() }
            if isReplacing {
                guard unsafe rename(temporary, path) == 0 else { throw Self.lastError() }
            } else {
                // A link, unlike a rename, fails if the name is taken.
                guard unsafe link(temporary, path) == 0 else { throw Self.lastError() }
                unsafe unlink(temporary)
            }
        } catch {
            unsafe unlink(temporary)
            throw error
        }
        try syncFolder()
    }

    private func syncFolder() throws(DurableFileError) {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.lastError() }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Self.lastError() }
    }

    private static func lastError() -> DurableFileError {
        switch errno {
        case ENOENT: .missing
        case EEXIST: .exists
        case let number: .system(errno: number)
        }
    }
}

// Small files that must be there whole or not at all, after a crash as well: a torn root key or keyring would
// lose every record, and a torn memory of what was signed would let it be signed again.

import Glibc
import StrictEncoding
package import VaultCrypto

/// Why a file was not read or written.
package enum DurableFileError: Error, Equatable {
    case missing
    case exists
    case notAFile
    case permissionsTooOpen
    case tooLarge
    /// The new contents were not what the writer wanted; the file is as it was.
    case notAccepted
    case system(errno: Int32)
}

/// Who may be able to read a private file besides its owner.
package enum PrivateFileReaders {
    /// Nobody.
    case owner
    /// The service manager too. It hands a credential to a service either as the service's own file, or as root's with an
    /// access list, whose mask shows where the group's bits are: so group may read, and no more, where owner and group are
    /// root.
    case ownerOrServiceManager

    fileprivate func allows(_ status: stat) -> Bool {
        switch self {
        case .owner: status.st_mode & 0o077 == 0
        case .ownerOrServiceManager:
            status.st_mode & 0o077 == 0
                || (status.st_mode & 0o037 == 0 && status.st_uid == 0 && status.st_gid == 0)
        }
    }
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
        let (descriptor, status) = try openForReading()
        defer { close(descriptor) }
        guard !isPrivate || PrivateFileReaders.owner.allows(status) else { throw .permissionsTooOpen }
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

    /// Reads the whole of a private file into memory that is wiped when it goes.
    /// - Parameters:
    ///   - limit: greatest size in bytes.
    ///   - readers: who else may be able to read it; checked as in ``read(limit:isPrivate:)``.
    package func readSecret(limit: Int, readers: PrivateFileReaders) throws(DurableFileError) -> SecretBytes {
        let (descriptor, status) = try openForReading()
        defer { close(descriptor) }
        guard readers.allows(status) else { throw .permissionsTooOpen }
        // A byte more than the file has, to see that it ends there.
        guard let size = Int(exactly: status.st_size), size <= limit else { throw .tooLarge }
        var length = 0
        let secret = try unsafe SecretBytes(count: size + 1) { (target) throws(DurableFileError) in
            while length < target.count {
                let count = unsafe Glibc.read(
                    descriptor, target.baseAddress.map { unsafe $0 + length }, target.count - length)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.lastError() }
                if count == 0 { break }
                length += count
            }
        }
        guard length <= size else { throw .tooLarge }
        return secret.copy(0..<length)
    }

    private func openForReading() throws(DurableFileError) -> (descriptor: Int32, status: stat) {
        // Without O_NONBLOCK a pipe in the file's place would hang the start.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.lastError() }
        var status = stat()
        do throws(DurableFileError) {
            guard unsafe fstat(descriptor, &status) == 0 else { throw Self.lastError() }
            guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        } catch {
            close(descriptor)
            throw error
        }
        return (descriptor, status)
    }

    /// Writes the whole file with mode 0600.
    /// - Parameters:
    ///   - isReplacing: whether a file that is there is replaced; if not, that is ``DurableFileError/exists``.
    ///   - isAccepted: asked about the written and synced bytes before they take the file's place; if not,
    ///     ``DurableFileError/notAccepted``.
    package func write(
        _ bytes: [UInt8], replacing isReplacing: Bool, isAccepted: (DurableFile) -> Bool = { _ in true }
    ) throws(DurableFileError) {
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
            guard isAccepted(DurableFile(temporary)) else { throw .notAccepted }
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

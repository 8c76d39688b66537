// One process at a time: an advisory lock that the kernel drops when its holder dies.

import ContactVault
import Foundation
import Synchronization

/// An exclusive `flock` on a file of its own. A lock file that stays behind after a crash holds nothing.
final class FileLock: Sendable {
    private let descriptor: Mutex<Int32>

    init(path: String) throws {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StoreError.unavailable("cannot_open_lock") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw StoreError.locked
        }
        self.descriptor = Mutex(descriptor)
    }

    func release() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 {
                // Closing alone is not enough: a child between fork and exec still has the descriptor, and the lock.
                flock(descriptor, LOCK_UN)
                close(descriptor)
            }
            descriptor = -1
        }
    }

    deinit { release() }

    /// Makes an empty file that only its owner can read; an existing one is left as it is.
    /// - Parameter isNew: whether an existing one is ``StoreError/conflict``.
    static func createPrivateFile(_ path: String, isNew: Bool = false) throws {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | (isNew ? O_EXCL : 0), 0o600)
        guard file >= 0 else {
            throw errno == EEXIST ? StoreError.conflict : StoreError.unavailable("cannot_open")
        }
        close(file)
    }

    /// Puts a file on the disk.
    static func sync(_ path: String) throws {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw StoreError.unavailable("cannot_open") }
        defer { close(file) }
        guard fsync(file) == 0 else { throw StoreError.unavailable("input_output") }
    }
}

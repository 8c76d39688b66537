// What was signed last, remembered outside the store: who puts an old store back does not put this back with it.

import ContactModel
import FileStorage

/// The signer's own memory: the last checkpoint that was signed.
///
/// It is durable before a checkpoint is published, and the log's entries are durable before it, so it is never ahead of a
/// store that lost nothing. A store that is behind it was put back, and is refused.
public struct CheckpointMemory: Sendable {
    private let file: DurableFile

    /// A memory in a file of its own, away from the store and its backups.
    public init(path: String) { file = DurableFile(path) }

    /// The last checkpoint as it was signed; `nil` if none was remembered.
    /// - Throws: ``VaultError/inconsistent(_:)`` if there is one that cannot be read.
    func load() throws(VaultError) -> [UInt8]? {
        do throws(DurableFileError) {
            return try file.read(limit: Limits.noteBytes, isPrivate: false)
        } catch {
            guard error == .missing else { throw .inconsistent("signer_memory_unreadable") }
            return nil
        }
    }

    /// Remembers a checkpoint, durably.
    /// - Throws: ``VaultError/logUnavailable(_:)`` if it cannot: then it is not published.
    func store(_ note: String) throws(VaultError) {
        do { try file.write(Array(note.utf8), replacing: true) } catch {
            throw .logUnavailable("signer_memory")
        }
    }
}

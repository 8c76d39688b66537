// The files of a backup: what is in the folder, and what their digests are.

import AccessLog
import ContactModel
import FileStorage
import Foundation
import VaultCrypto

/// A folder that is, or becomes, a backup.
struct BackupFolder: Sendable {
    let path: String

    func file(_ name: String) -> String { path + "/" + name }

    /// Names of everything in it.
    func names() -> Set<String> {
        Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
    }

    /// Size and digest of a file, which is read through once.
    /// - Throws: ``BackupFault/fileMissing(_:)``, for what is no file too.
    func digest(_ name: String) throws(BackupFault) -> BackupManifest.File {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file(name))
        guard attributes?[.type] as? FileAttributeType == .typeRegular,
            let handle = FileHandle(forReadingAtPath: file(name))
        else { throw .fileMissing(name) }
        defer { try? handle.close() }
        var stream = SHA256Stream()
        var bytes: UInt64 = 0
        while true {
            guard let read = try? handle.read(upToCount: 1 << 20) else { break }
            guard !read.isEmpty else { break }
            stream.update(Array(read))
            bytes += UInt64(read.count)
        }
        return BackupManifest.File(bytes: bytes, digest: stream.finish())
    }

    func read(_ name: String) -> [UInt8]? {
        try? DurableFile(file(name)).read(limit: Limits.backupManifestBytes, isPrivate: false)
    }

    func write(_ bytes: [UInt8], to name: String) throws(VaultError) {
        do { try DurableFile(file(name)).write(bytes, replacing: false) } catch {
            throw .conflict(error == .exists ? "backup_folder_not_empty" : "backup_not_written")
        }
    }

    /// The manifest, verified, with the digests of all files compared.
    /// - Throws: the first fault.
    func checked(by verifiers: [NoteVerifier]) throws(BackupFault) -> BackupManifest {
        guard let bytes = read(BackupManifest.manifest) else { throw .manifestMalformed }
        guard let signatures = read(BackupManifest.signatures) else {
            throw .fileMissing(BackupManifest.signatures)
        }
        let manifest = try BackupManifest(bytes, signatures: signatures, signedBy: verifiers)
        let known = Set(manifest.files.keys).union([BackupManifest.manifest, BackupManifest.signatures])
        if let unexpected = names().subtracting(known).min() { throw .fileUnexpected(unexpected) }
        for (name, file) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard try digest(name) == file else { throw .fileChanged(name) }
        }
        return manifest
    }
}

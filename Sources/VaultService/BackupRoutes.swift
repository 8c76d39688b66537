// Copies of the store, for the operator alone: whoever may have one made may read the folder anyway.

import ContactModel
import ContactVault
import HTTPTypes
import Hummingbird
import StrictEncoding
import VaultAPI

/// `/operator/backups`.
struct BackupRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.post("/operator/backups") { request, context -> Response in
            let object = try await request.object(members: ["folder", "keyring"])
            guard let folder = object["folder"]?.stringValue, folder.hasPrefix("/"),
                let keyring = object["keyring"]?.boolValue
            else { throw RequestFault.bodyMalformed }
            let manifest = try await vault.createBackup(
                in: folder, includesKeyring: keyring, requestID: context.requestID)
            return .json(bytes: manifest.bytes.dropLast(), status: .created)
        }
        router.get("/operator/backups") { _, _ -> Response in
            try .json(try await vault.backups().map { BackupBody($0) })
        }
        router.post("/operator/backups/forget") { request, context -> Response in
            let object = try await request.object(members: ["backups"])
            guard let ids = try object.words("backups", { Reference($0) }), !ids.isEmpty else {
                throw RequestFault.bodyMalformed
            }
            let forgotten = try await vault.forgetBackups(ids, requestID: context.requestID)
            return try .json(forgotten.map { BackupBody($0) })
        }
    }
}

extension BackupBody {
    /// The wire form of a registered copy.
    fileprivate init(_ backup: StoredBackup) {
        self.init(
            backup: backup.id.text, made: backup.made.description, entries: backup.logSize,
            keyring: backup.hasKeyring,
            keys: backup.needs?.map {
                Key(name: $0.name, id: $0.id, version: $0.version, count: $0.count)
            }, forgotten: backup.forgotten?.description)
    }
}

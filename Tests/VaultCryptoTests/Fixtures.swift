// Hexadecimal literals, and the Wycheproof files of a folder named by the environment.

import Foundation
import StrictEncoding
import Testing
import VaultCrypto

/// Bytes of a hexadecimal literal; white space is for the reader.
func hex(_ text: String) -> [UInt8] {
    guard let bytes = Hex.decode(text.filter { !$0.isWhitespace }) else {
        Issue.record("not hexadecimal: \(text)")
        return []
    }
    return bytes
}

/// A secret with the bytes of a hexadecimal literal.
func secret(_ text: String) -> SecretBytes { SecretBytes(copying: hex(text)) }

/// One file of Project Wycheproof's test vectors. They are read where they lie and never copied into the tree.
struct WycheproofFile: Decodable {
    struct Group: Decodable {
        struct Key: Decodable {
            let pk: String?
            let uncompressed: String?
        }
        let keySize: Int?
        let ivSize: Int?
        let tagSize: Int?
        let publicKey: Key?
        let tests: [Vector]
    }
    struct Vector: Decodable {
        let tcId: Int
        let result: String
        let key: String?
        let iv: String?
        let aad: String?
        let msg: String?
        let ct: String?
        let tag: String?
        let sig: String?
        let ikm: String?
        let salt: String?
        let info: String?
        let size: Int?
        let okm: String?
        let `public`: String?
        let `private`: String?
        let shared: String?
    }
    let testGroups: [Group]

    /// The folder named by `CONTACT_VAULT_VECTORS`, `nil` if it is not set.
    static var folder: String? { ProcessInfo.processInfo.environment["CONTACT_VAULT_VECTORS"] }

    /// Whether the folder has this file.
    static func exists(_ name: String) -> Bool {
        guard let folder else { return false }
        return FileManager.default.fileExists(atPath: folder + "/" + name)
    }

    /// Reads one file of the folder.
    init(named name: String) throws {
        let folder = try #require(Self.folder)
        let data = try Data(contentsOf: URL(fileURLWithPath: folder).appendingPathComponent(name))
        self = try JSONDecoder().decode(Self.self, from: data)
    }
}

// Key files: who may read them, and what is refused.

import AccessToken
import Foundation
import Glibc
import StrictEncoding
import Testing
import VaultClient
import VaultCrypto

@Suite("Client key files")
struct ClientKeyTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "client-key-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    private func fault(_ path: String) -> ClientKeyError? {
        do {
            _ = try ClientKey.load(path: path)
            return nil
        } catch { return error }
    }

    @Test(
        "A key that was made is read back and is for its owner's eyes", arguments: SignatureAlgorithm.allCases
    )
    func roundTrip(_ algorithm: SignatureAlgorithm) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let made = try ClientKey.create(path: path("key.jwk"), algorithm: algorithm)
        #expect(mode(path("key.jwk")) == 0o600)
        let loaded = try ClientKey.load(path: path("key.jwk"))
        #expect(loaded.publicJWK == made)
        #expect(loaded.publicJWK.algorithm == algorithm)
    }

    @Test(
        "A file that others may touch is refused",
        arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o666] as [mode_t])
    func openModes(_ mode: mode_t) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        _ = try ClientKey.create(path: path("key.jwk"))
        #expect(chmod(path("key.jwk"), mode) == 0)
        #expect(fault(path("key.jwk")) == .permissionsTooOpen)
    }

    @Test("A key is never overwritten, nor written through a link")
    func noOverwrite() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let first = try ClientKey.create(path: path("key.jwk"))
        #expect(symlink(path("elsewhere"), path("link")) == 0)
        for name in ["key.jwk", "link"] {
            do {
                _ = try ClientKey.create(path: path(name))
                Issue.record("a key was written over \(name)")
            } catch { #expect(error == .exists) }
        }
        #expect(try ClientKey.load(path: path("key.jwk")).publicJWK == first)
        #expect(!FileManager.default.fileExists(atPath: path("elsewhere")))
    }

    @Test("What is not one private key is refused, and the error does not quote it")
    func refused() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let key = try ClientKey.create(path: path("key.jwk"))
        func write(_ text: String) -> String {
            let name = path(UUID().uuidString)
            let isMade = FileManager.default.createFile(
                atPath: name, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
            #expect(isMade)
            return name
        }
        #expect(fault(path("absent")) == .missing)
        #expect(fault(folder.path) == .notAFile)
        #expect(mkfifo(path("pipe"), 0o600) == 0)
        #expect(fault(path("pipe")) == .notAFile)
        #expect(fault(write("")) == .malformed(.malformedMember))
        #expect(fault(write("{\"kty\":\"EC\"")) == .malformed(.malformedMember))
        #expect(fault(write(key.json.canonicalText)) == .malformed(.missingMember))
        #expect(fault(write(String(repeating: " ", count: 5000))) == .tooLarge)
        let text = try String(contentsOfFile: path("key.jwk"), encoding: .utf8)
        let doubled = text.replacingOccurrences(of: "{", with: "{\"kty\":\"EC\",")
        let error = fault(write(doubled))
        #expect(error == .malformed(.malformedMember))
        #expect(!"\(error as Any)".contains("EC\""))
    }
}

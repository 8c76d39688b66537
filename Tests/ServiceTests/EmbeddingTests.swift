// The library embeds without HTTP: a package of its own builds, runs, and gets no module of a server.

import Foundation
import Testing

@Suite("Embedding")
struct EmbeddingTests {
    @Test(
        "a package with the product ContactVault alone releases a number, and no NIO or Hummingbird is built for it"
    )
    func embeds() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        // Kept between runs, so that only a change is built again.
        let scratch = root.appendingPathComponent(".build/embedding")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "swift", "run", "--package-path", root.appendingPathComponent("Tests/Embedding").path,
            "--scratch-path",
            scratch.path, "embedding",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(text.contains("released, entry"), "\(text)")

        // What was compiled: the package manager makes a folder for every target, and objects only for those it builds.
        let debug = scratch.appendingPathComponent("debug")
        let built = try FileManager.default.contentsOfDirectory(atPath: debug.path).filter { name in
            guard name.hasSuffix(".build") else { return false }
            let files = FileManager.default.enumerator(atPath: debug.appendingPathComponent(name).path)
            return files?.contains { ($0 as? String)?.hasSuffix(".o") == true } == true
        }
        #expect(built.contains("ContactVault.build"))
        let network = built.filter { name in
            ["NIO", "Hummingbird", "HTTP", "AsyncHTTPClient", "VaultService"].contains { name.contains($0) }
        }
        #expect(network == [])
    }
}

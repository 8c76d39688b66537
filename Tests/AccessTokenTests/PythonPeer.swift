// An implementation of JOSE that shares no line with ours: joserfc, in the Python that `make bootstrap` makes.

import Foundation
import StrictEncoding
import Testing

/// Asks `Interoperability/joserfc_peer.py`.
enum PythonPeer {
    private static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent()

    /// `CONTACT_VAULT_PYTHON` if it is set, else the environment in `.build` of this checkout.
    static let interpreter: String = {
        if let path = ProcessInfo.processInfo.environment["CONTACT_VAULT_PYTHON"], !path.isEmpty {
            return path
        }
        return folder.deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent(".build/python/bin/python").path
    }()

    /// The answers to some requests, in their order. Without Python the test fails: a comparison that was
    /// skipped looks like one that was made.
    static func answers(to requests: [JSONValue]) throws -> [JSONObject] {
        try #require(
            FileManager.default.isExecutableFile(atPath: interpreter),
            "there is no Python at \(interpreter): run `make bootstrap`")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: interpreter)
        // Isolated: what a developer's own PYTHONPATH holds is not what was pinned.
        process.arguments = ["-I", folder.appendingPathComponent("Interoperability/joserfc_peer.py").path]
        let (input, output, messages) = (Pipe(), Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = messages
        // Before the start, while the pipe has a reader for certain: a program that ends at once would else
        // take the tests along. So it must fit into the pipe.
        let text = JSONValue.array(requests).canonicalBytes
        try #require(text.count < 60_000)
        input.fileHandleForWriting.write(Data(text))
        try process.run()
        try input.fileHandleForWriting.close()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = messages.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(String(decoding: complaint, as: UTF8.self))")
        let answers = try #require(try JSONValue.parse(Array(answer)).arrayValue)
        try #require(answers.count == requests.count)
        return try answers.map { try #require($0.objectValue) }
    }
}

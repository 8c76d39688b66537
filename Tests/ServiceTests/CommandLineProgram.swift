// Runs the real executable, as an operator would.

import Foundation
import Synchronization

/// The `contact-vault` executable that was built with these tests.
enum CommandLineProgram {
    /// What a run printed and how it ended.
    struct Outcome {
        let code: Int32
        let output: String
        let messages: String
    }

    /// Path of the executable: beside the test runner.
    static let path: String = {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<6 {
            let candidate = folder.appendingPathComponent("contact-vault").path
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder), !isFolder.boolValue
            {
                return candidate
            }
            folder = folder.deletingLastPathComponent()
        }
        return ".build/debug/contact-vault"
    }()

    /// Runs a command to its end.
    /// - Parameters:
    ///   - input: what it reads from standard input.
    ///   - environment: variables to add.
    @discardableResult
    static func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (output, messages, source) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = messages
        process.standardInput = source
        let messageBytes = Mutex(Data())
        try process.run()
        source.fileHandleForWriting.write(Data(input.utf8))
        try source.fileHandleForWriting.close()
        // Both pipes are drained at once: a full one would stop the program.
        let reader = Thread {
            let bytes = messages.fileHandleForReading.readDataToEndOfFile()
            messageBytes.withLock { $0 = bytes }
        }
        reader.start()
        let outputBytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        while !reader.isFinished { usleep(1000) }
        return Outcome(
            code: process.terminationStatus, output: String(decoding: outputBytes, as: UTF8.self),
            messages: String(decoding: messageBytes.withLock { $0 }, as: UTF8.self))
    }
}

// Programs that verify a log and share no line with this project.

import Foundation
import Testing

/// Where they are. The Go one is built once, by Debian's compiler with Debian's source of the checksum database.
enum IndependentAuditors {
    /// Their sources.
    static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .appendingPathComponent("Independent").path

    private static let build = URL(fileURLWithPath: folder).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(".build").path

    /// `CONTACT_VAULT_PYTHON` if it is set, else the environment in `.build` of this checkout.
    static let python: String = {
        if let path = ProcessInfo.processInfo.environment["CONTACT_VAULT_PYTHON"], !path.isEmpty {
            return path
        }
        return build + "/python/bin/python"
    }()

    struct NotBuilt: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs the Go program.
    static func sumdb(_ arguments: [String]) throws -> (code: Int32, output: String) {
        try run(try sumdbProgram.get(), arguments)
    }

    /// Runs a program that is not of this project.
    static func run(_ program: String, _ arguments: [String]) throws -> (code: Int32, output: String) {
        try #require(
            FileManager.default.isExecutableFile(atPath: program), "run `make bootstrap`: no \(program)")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: text, as: UTF8.self))
    }

    /// The built Go program.
    private static let sumdbProgram: Result<String, any Error> = Result {
        let program = build + "/sumdb-auditor"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/go")
        process.arguments = ["build", "-o", program, folder + "/sumdb/main.go"]
        process.environment = ProcessInfo.processInfo.environment.merging([
            // Debian's packages are a GOPATH, not modules; nothing is fetched.
            "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": build + "/go-cache",
            "GOFLAGS": "",
        ]) { $1 }
        let messages = Pipe()
        process.standardError = messages
        do { try process.run() } catch {
            throw NotBuilt(description: "there is no /usr/bin/go: run `make bootstrap`")
        }
        let text = messages.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw NotBuilt(description: String(decoding: text, as: UTF8.self))
        }
        return program
    }
}

// The service as a process of its own, as an operator runs it.

import ContactModel
import Foundation
import StrictEncoding

/// A `contact-vault` executable.
struct ServiceExecutable {
    let path: String

    /// Runs one command to its end.
    /// - Parameter output: file for standard output; `nil` to throw it away.
    /// - Throws: ``BenchFailure/failed(_:)`` unless it succeeds.
    func run(_ arguments: [String], output: String? = nil) async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        if let output {
            guard FileManager.default.createFile(atPath: output, contents: nil),
                let handle = FileHandle(forWritingAtPath: output)
            else { throw BenchFailure.failed("cannot write \(output)") }
            process.standardOutput = handle
        } else {
            process.standardOutput = FileHandle.nullDevice
        }
        let ended = AsyncStream<Int32>.makeStream()
        process.terminationHandler = { process in
            ended.continuation.yield(process.terminationStatus)
            ended.continuation.finish()
        }
        do { try process.run() } catch { throw BenchFailure.failed("cannot run \(path)") }
        // Read to the end first: a child that fills the pipe would never end.
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        for await status in ended.stream where status != 0 {
            throw BenchFailure.failed("contact-vault \(arguments[0]) ended with \(status): \(message)")
        }
    }
}

extension ServiceExecutable {
    /// Runs one command to its end, and says how long it took and how much memory it had at most.
    /// - Throws: ``BenchFailure/failed(_:)`` unless it succeeds.
    func measured(_ arguments: [String]) async throws -> (seconds: Double, peakKiB: Int) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let begun = Stopwatch.now
        do { try process.run() } catch { throw BenchFailure.failed("cannot run \(path)") }
        var peak = 0
        var end = begun
        while process.isRunning {
            // The kernel keeps the peak; only that of the last moment can be missed.
            peak = max(peak, Self.peakKiB(of: process.processIdentifier))
            end = Stopwatch.now
            try await Task.sleep(for: .milliseconds(10))
        }
        guard process.terminationStatus == 0 else {
            throw BenchFailure.failed("contact-vault \(arguments.prefix(2).joined(separator: " ")) failed")
        }
        return (Double(end - begun) / 1e9, peak)
    }

    static func peakKiB(of process: Int32) -> Int {
        let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { $0.split(whereSeparator: { " \t".contains($0) }).dropFirst().first }.flatMap {
            Int($0)
        } ?? 0
    }
}

/// A serving process.
final class ServiceProcess {
    /// Port of the data listener.
    let dataPort: Int
    /// Port of the control listener.
    let controlPort: Int
    private let process: Process
    private let ended: AsyncStream<Int32>
    private let messages: String

    /// Starts a service on free ports of loopback and waits for its first line.
    /// - Parameter messages: file for what it says on standard error, which is shown only if it fails.
    init(_ executable: ServiceExecutable, data: String, messages: String) throws {
        self.messages = messages
        guard FileManager.default.createFile(atPath: messages, contents: nil),
            let errors = FileHandle(forWritingAtPath: messages)
        else { throw BenchFailure.failed("cannot write \(messages)") }
        process = Process()
        process.executableURL = URL(fileURLWithPath: executable.path)
        process.arguments = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        process.standardError = errors
        let stream = AsyncStream<Int32>.makeStream()
        ended = stream.stream
        process.terminationHandler = { process in
            stream.continuation.yield(process.terminationStatus)
            stream.continuation.finish()
        }
        do { try process.run() } catch { throw BenchFailure.failed("cannot run \(executable.path)") }
        var line: [UInt8] = []
        while !line.contains(0x0A) {
            let chunk = output.fileHandleForReading.availableData
            guard !chunk.isEmpty, line.count < 4096 else {
                process.terminate()
                throw BenchFailure.failed("the service did not begin to serve: \(Self.text(messages))")
            }
            line += chunk
        }
        let text = String(decoding: line.prefix { $0 != 0x0A }, as: UTF8.self)
        guard let data = Self.port(of: "data=", in: text), let control = Self.port(of: "control=", in: text)
        else {
            process.terminate()
            throw BenchFailure.failed("the service's first line is not what was agreed")
        }
        (dataPort, controlPort) = (data, control)
    }

    /// The most memory that it had so far, KiB.
    var peakKiB: Int { ServiceExecutable.peakKiB(of: process.processIdentifier) }

    /// Stops the service as an operator does, and waits.
    /// - Throws: ``BenchFailure/failed(_:)`` if it did not end well.
    func stop() async throws {
        process.terminate()
        for await status in ended where status != 0 {
            throw BenchFailure.failed("the service ended with \(status): \(Self.text(messages))")
        }
    }

    private static func text(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }

    private static func port(of name: String, in line: String) -> Int? {
        line.split(separator: " ").first { $0.hasPrefix(name) }
            .flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }
    }
}

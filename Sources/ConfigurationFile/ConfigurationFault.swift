// What is wrong with a configuration file, said so that the person who wrote it finds the place.

/// A fault in a configuration file: which file, which line, which key, what to do.
///
/// It never carries the faulty value: a passphrase that was pasted under the wrong key must not reach a log.
public struct ConfigurationFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's name as the caller gave it.
    public let file: String
    /// The line, from 1; `nil` where the fault has no single line.
    public let line: Int?
    /// The key with those above it, joined by dots, list positions in brackets from 0
    /// (`purposes.relay.message.caps[0].days`). Empty where the fault is no key's.
    public let key: String
    /// What is wrong and what is expected, in one clause.
    public let problem: String

    /// A fault.
    public init(file: String, line: Int?, key: String, problem: String) {
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem
    }

    /// `policy.yaml:12: purposes.relay.message.hours: expected …`
    public var description: String {
        file + (line.map { ":\($0)" } ?? "") + ": " + (key.isEmpty ? "" : key + ": ") + problem
    }
}

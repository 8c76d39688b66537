// Whom an auditor believes (C2SP tlog-policy): the log's key, got from elsewhere than the log.

/// The part of a trust policy that says which log is meant.
///
/// Witnesses and quorums are refused rather than left out: who writes one down relies on it.
public struct LogTrustPolicy: Equatable, Sendable {
    /// The log's key.
    public let log: NoteVerifier

    /// A policy.
    public init(log: NoteVerifier) { self.log = log }

    /// Parses the file: lines `log <verifier key>` and `quorum none`, comments after `#`, empty lines.
    /// - Throws: ``LogError/policyMalformed`` for anything else, a second log, or a quorum of witnesses.
    public init(parsing text: String) throws(LogError) {
        var log: NoteVerifier?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: { $0 == " " || $0 == "\t" })
            switch words.first {
            case nil: continue
            case "log" where words.count == 2 && log == nil:
                do { log = try NoteVerifier(verifierKey: String(words[1])) } catch { throw .policyMalformed }
            case "quorum" where words.count == 2 && words[1] == "none": continue
            default: throw .policyMalformed
            }
        }
        guard let log else { throw .policyMalformed }
        self.log = log
    }

    /// The file's content.
    public var text: String { "log \(log.verifierKey)\nquorum none\n" }
}

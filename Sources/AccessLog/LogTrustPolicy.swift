// Whom an auditor believes (C2SP tlog-policy): keys of the log, witnesses, and how many of them must have seen a head.

import VaultCrypto

/// Which logs are meant, and which witnesses must have cosigned a checkpoint of theirs.
///
/// Names are printable ASCII here; the specification allows any bytes.
public struct LogTrustPolicy: Equatable, Sendable {
    /// A key of the log.
    public struct Log: Equatable, Sendable {
        /// The key; its name is the log's origin.
        public let key: NoteVerifier
        /// Where the log is.
        public let url: String?
    }

    /// A witness.
    public struct Witness: Equatable, Sendable {
        /// Its name in this policy.
        public let name: String
        /// Its key.
        public let key: NoteVerifier
        /// Its submission prefix (C2SP tlog-witness).
        public let url: String?
    }

    /// Some of whose members must have cosigned.
    public struct Group: Equatable, Sendable {
        /// Its name in this policy.
        public let name: String
        /// How many.
        public let threshold: Int
        /// Names of witnesses and groups.
        public let members: [String]
    }

    /// Keys of logs; several of one origin while its key is changed.
    public let logs: [Log]
    /// Witnesses.
    public let witnesses: [Witness]
    /// Groups, in the order of definition.
    public let groups: [Group]
    /// Who must have cosigned: a witness or a group; `nil` for nobody.
    public let quorum: String?

    /// A policy without witnesses.
    public init(logs: [NoteVerifier]) {
        self.logs = logs.map { Log(key: $0, url: nil) }
        witnesses = []
        groups = []
        quorum = nil
    }

    /// Parses the file.
    /// - Throws: ``LogError/policyMalformed`` for anything that C2SP tlog-policy does not allow, and for a file without a
    ///   log.
    public init(parsing text: String) throws(LogError) {
        var reader = PolicyReader()
        for line in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false) {
            guard line.allSatisfy({ $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F }) else { throw .policyMalformed }
            let words = line.split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
            if let first = words.first, !first.utf8.starts(with: "#".utf8) { try reader.read(words) }
        }
        guard let quorum = reader.quorum, !reader.logs.isEmpty else { throw .policyMalformed }
        logs = reader.logs
        witnesses = reader.witnesses
        groups = reader.groups
        self.quorum = quorum == PolicyReader.nobody ? nil : quorum
    }

    /// The file's content.
    public var text: String {
        func line(_ words: [String?]) -> String { words.compactMap(\.self).joined(separator: " ") + "\n" }
        return logs.map { line(["log", $0.key.verifierKey, $0.url]) }.joined()
            + witnesses.map { line(["witness", $0.name, $0.key.verifierKey, $0.url]) }.joined()
            + groups.map { line(["group", $0.name, String($0.threshold)] + $0.members) }.joined()
            + line(["quorum", quorum ?? PolicyReader.nobody])
    }

    /// Verifies a note and reads its checkpoint.
    /// - Throws: as ``Checkpoint/init(verifying:by:)-(SignedNote,[NoteVerifier])``, and ``LogError/quorumMissing``.
    public func verify(_ note: SignedNote) throws(LogError) -> Checkpoint {
        let checkpoint = try Checkpoint(verifying: note, by: logs.map(\.key))
        guard try isQuorum(of: note) else { throw .quorumMissing }
        return checkpoint
    }

    /// Whether enough witnesses have cosigned a note.
    /// - Throws: ``LogError/signatureInvalid`` if one of their cosignatures does not verify.
    public func isQuorum(of note: SignedNote) throws(LogError) -> Bool {
        guard let quorum else { return true }
        return have(try cosigners(of: note), cosigned: quorum)
    }

    /// Names of the witnesses that have cosigned a note.
    /// - Throws: ``LogError/signatureInvalid`` if one of their cosignatures does not verify.
    public func cosigners(of note: SignedNote) throws(LogError) -> Set<String> {
        let keys: [NoteVerifier]
        do { keys = try note.verify(by: witnesses.map(\.key)) } catch .signerUnknown { return [] }
        return Set(witnesses.filter { keys.contains($0.key) }.map(\.name))
    }

    /// A group can only name what stands before it, so this ends.
    private func have(_ cosigners: Set<String>, cosigned name: String) -> Bool {
        guard let group = groups.first(where: { $0.name == name }) else { return cosigners.contains(name) }
        return group.members.count { have(cosigners, cosigned: $0) } >= group.threshold
    }
}

/// Reads the lines of a policy.
private struct PolicyReader {
    /// The predefined name of an empty quorum.
    static let nobody = "none"
    /// Most logs, witnesses and groups; the specification asks for 32 at least.
    private static let limit = 64

    private(set) var logs: [LogTrustPolicy.Log] = []
    private(set) var witnesses: [LogTrustPolicy.Witness] = []
    private(set) var groups: [LogTrustPolicy.Group] = []
    private(set) var quorum: String?
    private var members: Set<String> = []

    mutating func read(_ words: [String]) throws(LogError) {
        switch (words[0], words.count) {
        case ("log", 2...3):
            let key = try Self.key(words[1], .log)
            guard !logs.contains(where: { $0.key.isSameKey(as: key) }), logs.count < Self.limit else {
                throw .policyMalformed
            }
            logs.append(LogTrustPolicy.Log(key: key, url: words.count == 3 ? words[2] : nil))
        case ("witness", 3...4):
            let key = try Self.key(words[2], .witness)
            guard !witnesses.contains(where: { $0.key.isSameKey(as: key) }), witnesses.count < Self.limit
            else {
                throw .policyMalformed
            }
            try define(words[1])
            witnesses.append(
                LogTrustPolicy.Witness(name: words[1], key: key, url: words.count == 4 ? words[3] : nil))
        case ("group", 4...): try readGroup(words)
        case ("quorum", 2) where quorum == nil && (words[1] == Self.nobody || isDefined(words[1])):
            quorum = words[1]
        default: throw .policyMalformed
        }
    }

    private mutating func readGroup(_ words: [String]) throws(LogError) {
        let named = Array(words[3...])
        let threshold: Int
        switch words[2] {
        case "all": threshold = named.count
        case "any": threshold = 1
        case let number:
            guard let count = Int(number), String(count) == number else { throw .policyMalformed }
            threshold = count
        }
        guard (1...named.count).contains(threshold), groups.count < Self.limit else { throw .policyMalformed }
        for name in named {
            // Once in all the policy: so each witness counts in one way.
            guard isDefined(name), members.insert(name).inserted else { throw .policyMalformed }
        }
        try define(words[1])
        groups.append(LogTrustPolicy.Group(name: words[1], threshold: threshold, members: named))
    }

    private func isDefined(_ name: String) -> Bool {
        witnesses.contains { $0.name == name } || groups.contains { $0.name == name }
    }

    private func define(_ name: String) throws(LogError) {
        guard name != Self.nobody, !isDefined(name), name.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw .policyMalformed
        }
    }

    private static func key(_ text: String, _ kind: NoteKeyKind) throws(LogError) -> NoteVerifier {
        do { return try NoteVerifier(verifierKey: text, kind: kind) } catch { throw .policyMalformed }
    }
}

extension NoteVerifier {
    /// One key under two names is still one witness.
    fileprivate func isSameKey(as other: NoteVerifier) -> Bool {
        key.rawRepresentation == other.key.rawRepresentation
    }
}

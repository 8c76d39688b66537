// Recomputes a log from its entries and names the first place where it is not what was signed.

import ContactModel

/// The first fault of a log: where, and which check. Says nothing of what the entry holds.
public struct LogFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was checked.
    public enum Check: Equatable, Sendable {
        /// Entries come in order, without gap or repetition. The index is the one that should have come.
        case order
        /// The entry is in the format. Carries what is wrong with it.
        case format(LogError)
        /// No entry is older than one before it by more than `Limits.clockRegressionMilliseconds`.
        case clock
        /// The log has as many entries as the head or checkpoint says. The index is the number of entries
        /// that came.
        case size
        /// The root over the entries is that of the head or checkpoint. The index is its size.
        case root
        /// The stored frontier is that of the entries. The index is its size.
        case frontier
        /// The log has entries, and no checkpoint of them is there. The index is their number.
        case unsigned
        /// The checkpoint is signed by the log. Carries what is wrong with the note.
        case checkpoint(LogError)
    }

    /// Index of the entry, or size of the tree, at which the check failed.
    public let index: UInt64
    /// The check.
    public let check: Check

    /// A fault, for those who check what an audit cannot see, such as the store around the log.
    public init(index: UInt64, check: Check) {
        self.index = index
        self.check = check
    }

    /// A sentence for the operator.
    public var description: String {
        switch check {
        case .order: "entry \(index) is missing: entries are not contiguous from 0"
        case .format(let error): "entry \(index): \(error)"
        case .clock: "entry \(index) is older than an entry before it by more than the tolerated clock step"
        case .size: "the log ends after \(index) entries, which is not the size that was recorded"
        case .root: "the root over the first \(index) entries is not the one that was recorded"
        case .frontier: "the stored edge of the tree is not that of its first \(index) entries"
        case .unsigned: "no signed checkpoint is there for the \(index) entries: nothing vouches for them"
        case .checkpoint(let error): "checkpoint of size \(index): \(error)"
        }
    }
}

/// Reads every entry of a log in order, in memory that does not grow with the log.
public struct LogAudit: Sendable {
    /// The tree of the entries so far.
    public private(set) var frontier = Frontier()
    private var latest = Timestamp(milliseconds: 0)
    /// Checkpoints not reached yet, by size, greatest first.
    private var expected: [Checkpoint] = []

    /// An audit that has read nothing.
    public init() {}

    /// An audit that goes on where a trusted one ended, for an export of a later range.
    /// - Parameter frontier: of the entries before; the caller has compared its root with a verified
    ///   checkpoint.
    public init(continuing frontier: Frontier) { self.frontier = frontier }

    /// Has a checkpoint checked in passing, when its size is reached. Give them before the entries.
    /// - Throws: ``LogFault`` with ``LogFault/Check/root`` at once if its size is the present one and the
    ///   root differs, with ``LogFault/Check/size`` if its size is already passed.
    public mutating func expect(_ checkpoint: Checkpoint) throws(LogFault) {
        guard checkpoint.size >= frontier.size else { throw LogFault(index: frontier.size, check: .size) }
        let place = expected.firstIndex { $0.size < checkpoint.size } ?? expected.count
        expected.insert(checkpoint, at: place)
        try compareExpected()
    }

    /// Verifies a signed checkpoint and has it checked in passing.
    /// - Returns: the checkpoint.
    /// - Throws: ``LogFault`` with ``LogFault/Check/checkpoint(_:)`` if the note is not the log's; else as
    ///   ``expect(_:)``.
    @discardableResult
    public mutating func expect(note: [UInt8], by verifiers: [NoteVerifier]) throws(LogFault) -> Checkpoint {
        let checkpoint: Checkpoint
        do {
            checkpoint = try Checkpoint(verifying: SignedNote(parsing: note), by: verifiers)
        } catch {
            throw LogFault(index: frontier.size, check: .checkpoint(error))
        }
        try expect(checkpoint)
        return checkpoint
    }

    /// Reads the next entry.
    /// - Parameters:
    ///   - bytes: the bytes of the leaf.
    ///   - index: the index it is stored under.
    /// - Returns: the entry.
    /// - Throws: ``LogFault`` with the place and the first check that failed.
    @discardableResult
    public mutating func add(entry bytes: [UInt8], index: UInt64) throws(LogFault) -> LogEntry {
        guard index == frontier.size, index < MerkleTree.maximumSize else {
            throw LogFault(index: frontier.size, check: .order)
        }
        let entry: LogEntry
        do {
            entry = try LogEntry(decoding: bytes)
        } catch {
            throw LogFault(index: index, check: .format(error))
        }
        guard entry.time.milliseconds >= latest.milliseconds - Limits.clockRegressionMilliseconds else {
            throw LogFault(index: index, check: .clock)
        }
        latest = max(latest, entry.time)
        frontier.append(entry: bytes)
        try compareExpected()
        return entry
    }

    /// Takes the hash of an entry that retention has removed: its place in the tree is checked like any other's, what it said
    /// can no longer be.
    /// - Throws: ``LogFault`` as ``add(entry:index:)``.
    public mutating func add(removed leafHash: [UInt8], index: UInt64) throws(LogFault) {
        guard index == frontier.size, index < MerkleTree.maximumSize else {
            throw LogFault(index: frontier.size, check: .order)
        }
        frontier.append(leafHash: leafHash)
        try compareExpected()
    }

    /// Compares the whole with a head that is stored beside the entries, and ends the audit.
    /// - Parameters:
    ///   - size: entries of the head.
    ///   - root: its root.
    ///   - storedFrontier: its stored form of the frontier, if there is one.
    /// - Throws: ``LogFault`` with ``LogFault/Check/size``, also if an expected checkpoint lies beyond the
    ///   last entry; ``LogFault/Check/root``; ``LogFault/Check/frontier``.
    public func finish(size: UInt64, root: [UInt8], storedFrontier: [UInt8]? = nil) throws(LogFault) {
        try finish()
        guard size == frontier.size else { throw LogFault(index: frontier.size, check: .size) }
        guard root == frontier.root else { throw LogFault(index: size, check: .root) }
        if let storedFrontier, storedFrontier != frontier.bytes {
            throw LogFault(index: size, check: .frontier)
        }
    }

    /// Ends an audit that has no head beside its checkpoints.
    /// - Throws: ``LogFault`` with ``LogFault/Check/size`` if an expected checkpoint lies beyond the last
    ///   entry.
    public func finish() throws(LogFault) {
        guard expected.isEmpty else { throw LogFault(index: frontier.size, check: .size) }
    }

    private mutating func compareExpected() throws(LogFault) {
        while let next = expected.last, next.size == frontier.size {
            guard next.root == frontier.root else { throw LogFault(index: next.size, check: .root) }
            expected.removeLast()
        }
    }
}

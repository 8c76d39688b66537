// What a witness has: its key, the logs that it watches, and what it has seen of them.

public import AccessLog
import ContactModel
import FileStorage
import Foundation
import Glibc
import StrictEncoding
import VaultCrypto

/// The folder of a witness.
public struct WitnessFolder: Sendable {
    private let path: String

    /// A folder, there or not yet there.
    public init(path: String) { self.path = path }

    /// Why a witness cannot be made or opened.
    public enum Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// A witness is here already.
        case exists
        /// There is no witness here.
        case missing
        /// Another process serves this witness.
        case locked
        /// A file is not as it was written; the payload names it.
        case malformed(String)
        /// What the witness has seen is gone. One that forgot must not sign again under its name.
        case memoryMissing
        /// A file cannot be read or written; the payload names it.
        case file(String)

        /// What to do.
        public var description: String {
            switch self {
            case .exists: "a witness is here already: nothing was changed"
            case .missing: "there is no witness here: make one with `contact-vault log witness init`"
            case .locked: "another process serves this witness"
            case .malformed(let name): "\(name) is not as it was written"
            case .memoryMissing:
                "seen.json is gone, and with it what this witness has seen: make another witness with a key and name of its own"
            case .file(let name): "\(name) cannot be read or written by this user, or others may read it"
            }
        }
    }

    private var key: DurableFile { DurableFile(path + "/witness.key") }
    private var seen: DurableFile { DurableFile(path + "/seen.json") }
    /// The logs that are watched: a C2SP tlog-policy of which the `log` lines count.
    private var logs: DurableFile { DurableFile(path + "/logs.txt") }

    /// Makes a witness: key, logs, and an empty memory.
    /// - Parameters:
    ///   - name: its name, such as `witness.example/1`; printable ASCII without space and plus.
    ///   - logs: the logs that it watches.
    /// - Returns: its public key, as trust policies have it.
    public func make(name: String, logs policy: LogTrustPolicy) throws -> String {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let signing = try SigningKey(generating: .ed25519)
        let signer = try NoteSigner(name: name, key: signing, kind: .witness)
        let text = WitnessKeyText(name: name, secret: try signing.revealPrivateKey())
        do throws(DurableFileError) {
            try key.write(text.bytes, replacing: false)
            try logs.write(Array(policy.text.utf8), replacing: false)
            try seen.write(WitnessMemory().bytes, replacing: false)
        } catch {
            throw error == .exists ? Fault.exists : Fault.file(path)
        }
        return signer.verifier.verifierKey
    }

    /// Opens the witness, alone among all processes.
    public func open() throws -> OpenedWitness {
        // The lock before the memory: what another process has seen meanwhile must not be forgotten.
        let lock = try WitnessLock(path + "/lock")
        let signer = try WitnessKeyText.signer(
            of: try read(key, "witness.key", isPrivate: true, missing: .missing))
        let policy: LogTrustPolicy
        do {
            policy = try LogTrustPolicy(
                parsing: String(decoding: try read(logs, "logs.txt", missing: .missing), as: UTF8.self))
        } catch is LogError {
            throw Fault.malformed("logs.txt")
        }
        guard let memory = WitnessMemory(try read(seen, "seen.json", missing: .memoryMissing)) else {
            throw Fault.malformed("seen.json")
        }
        return OpenedWitness(
            witness: Witness(signer: signer, logs: policy.logs.map(\.key)), memory: memory, file: seen,
            lock: lock)
    }

    private func read(
        _ file: DurableFile, _ name: String, isPrivate: Bool = false, missing: Fault
    ) throws(Fault) -> [UInt8] {
        do throws(DurableFileError) {
            return try file.read(limit: 16 * 1024 * 1024, isPrivate: isPrivate)
        } catch {
            throw error == .missing ? missing : .file(name)
        }
    }
}

/// Keeps other processes from serving the same witness.
private final class WitnessLock: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws(WitnessFolder.Fault) {
        descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw errno == ENOENT ? .missing : .file("lock") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw .locked }
    }

    deinit { close(descriptor) }
}

/// A witness's private key as text, `PRIVATE+KEY+name+id+base64(04 ‖ seed)`, which is what programs of the field read.
private struct WitnessKeyText {
    let bytes: [UInt8]

    init(name: String, secret: consuming SecretBytes) {
        bytes =
            Array("PRIVATE+KEY+\(name)+".utf8)
            + Array(Base64.encode([NoteKeyKind.witness.rawValue] + secret.revealBytes()).utf8) + [0x0A]
    }

    static func signer(of bytes: [UInt8]) throws -> NoteSigner {
        let fields = bytes.split(separator: UInt8(ascii: "+"), maxSplits: 3, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard fields.count == 4, fields[0] == "PRIVATE", fields[1] == "KEY",
            let raw = Base64.decode(fields[3].trimmingCharacters(in: .newlines)),
            raw.first == NoteKeyKind.witness.rawValue,
            let key = try? SigningKey(.ed25519, privateKey: SecretBytes(copying: raw.dropFirst())),
            let signer = try? NoteSigner(name: fields[2], key: key, kind: .witness)
        else { throw WitnessFolder.Fault.malformed("witness.key") }
        return signer
    }
}

/// The last cosigned note of each log, by origin.
private struct WitnessMemory {
    var notes: [String: String] = [:]

    init() {}

    init?(_ bytes: [UInt8]) {
        guard bytes.last == 0x0A, let object = (try? JSONValue.parse(Array(bytes.dropLast())))?.objectValue
        else {
            return nil
        }
        for (origin, value) in object.members {
            guard let note = value.stringValue else { return nil }
            notes[origin] = note
        }
    }

    var bytes: [UInt8] {
        let members = notes.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
        return JSONValue.object(JSONObject(members)).canonicalBytes + [0x0A]
    }
}

/// A witness at work. One request at a time: looking at what was seen last, and remembering what is seen now, is one step.
public actor OpenedWitness {
    private let witness: Witness
    private var memory: WitnessMemory
    private let file: DurableFile
    private let lock: WitnessLock

    fileprivate init(witness: Witness, memory: WitnessMemory, file: DurableFile, lock: WitnessLock) {
        self.witness = witness
        self.memory = memory
        self.file = file
        self.lock = lock
    }

    /// Its public key.
    public nonisolated var verifierKey: String { witness.verifier.verifierKey }

    /// Cosigns a checkpoint that goes on from the last one.
    /// - Returns: the line of the cosignature. What was seen is durable by then.
    /// - Throws: ``WitnessRefusal``.
    func cosign(_ body: [UInt8], at now: Timestamp) throws -> String {
        let request = try WitnessRequest(parsing: body)
        let origin = try witness.origin(of: request)
        let last = try memory.notes[origin].map { text in
            try Checkpoint(parsing: try SignedNote(parsing: Array(text.utf8)).text)
        }
        let checkpoint = try witness.check(request, after: last)
        let line = try witness.cosign(checkpoint, at: now)
        // The same again needs no remembering: anybody may send it as often as they like.
        if checkpoint == last { return line }
        var next = memory
        next.notes[origin] = try request.note.adding(Array(line.utf8)).serialized
        try file.write(next.bytes, replacing: true)
        memory = next
        return line
    }

    /// The last note that was cosigned for a log.
    func last(of origin: String) -> String? { memory.notes[origin] }
}

// The files of an export as they are written: page by page, so that memory does not grow, and with a state beside them, so
// that a broken one goes on where it stopped.

import AccessLog
import ContactModel
import Foundation
import StrictEncoding
import VaultAPI
import VaultCrypto

/// A folder that becomes an export.
final class ExportFolder {
    /// What is known of an unfinished export.
    struct State: Codable {
        var request: ExportRequestBody
        var plan: ExportPlanBody
        /// The next entry to fetch.
        var next: UInt64
        var disclosures: UInt64
        /// Lengths of the files at that point; what is beyond was written by a page that did not end.
        var lengths: [String: UInt64]
        var byteOrderMark: Bool
        /// Whether events for a SIEM are written as well.
        var ocsf: Bool
    }

    let path: String
    private(set) var state: State
    private var files: [String: FileHandle] = [:]

    private static let always = ["entries.jsonl", "disclosures.jsonl", "access.csv"]
    private static let events = "ocsf.jsonl"
    private var growing: [String] { Self.always + (state.ocsf ? [Self.events] : []) }
    private var statePath: String { path + "/export-state.json" }

    /// Goes on with an export in a folder; `nil` if there is none.
    /// - Throws: ``CommandFailure`` if the folder has a finished one, or one of something else.
    static func resumed(_ path: String, _ request: ExportRequestBody) throws -> ExportFolder? {
        let files = FileManager.default
        if files.fileExists(atPath: path + "/manifest.json"),
            files.fileExists(atPath: path + "/export-state.json")
        {
            // Whole but for the last step.
            try files.removeItem(atPath: path + "/export-state.json")
        }
        guard !files.fileExists(atPath: path + "/manifest.json") else {
            throw CommandFailure("\(path) holds an export already: choose another folder")
        }
        guard let data = files.contents(atPath: path + "/export-state.json") else {
            if files.fileExists(atPath: path), try !files.contentsOfDirectory(atPath: path).isEmpty {
                throw CommandFailure("\(path) is not empty: choose another folder")
            }
            return nil
        }
        guard let state = try? JSONDecoder().decode(State.self, from: data), state.request == request else {
            throw CommandFailure(
                "\(path) holds the beginning of another export: choose another folder, or remove it")
        }
        return try ExportFolder(path, state)
    }

    /// Begins an export.
    init(
        _ path: String, _ request: ExportRequestBody, _ plan: ExportPlanBody, byteOrderMark: Bool, ocsf: Bool
    ) throws {
        self.path = path
        state = State(
            request: request, plan: plan, next: plan.first, disclosures: 0,
            lengths: Dictionary(uniqueKeysWithValues: (Self.always + [Self.events]).map { ($0, 0) }),
            byteOrderMark: byteOrderMark, ocsf: ocsf)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // The state first: whatever is there after it, a second run goes on.
        try save()
        try prepare()
    }

    private init(_ path: String, _ state: State) throws {
        self.path = path
        self.state = state
        try prepare()
    }

    /// Writes what is small and opens what grows, cut to where the state says.
    private func prepare() throws {
        let plan = state.plan
        try VaultFolder.write(plan.checkpoint, to: path + "/checkpoint")
        try VaultFolder.write(plan.proof, to: path + "/proof")
        try VaultFolder.write(plan.policy, to: path + "/policy.txt")
        if let consistency = plan.consistency {
            try VaultFolder.write(consistency, to: path + "/consistency.txt")
        }
        for name in growing {
            let file = path + "/" + name
            if !FileManager.default.fileExists(atPath: file) {
                _ = FileManager.default.createFile(
                    atPath: file, contents: nil, attributes: [.posixPermissions: 0o600])
            }
            guard let handle = FileHandle(forWritingAtPath: file) else {
                throw CommandFailure("cannot write \(file)")
            }
            try handle.truncate(atOffset: state.lengths[name] ?? 0)
            try handle.seekToEnd()
            files[name] = handle
        }
        if state.lengths["access.csv"] == 0 {
            let heading = (state.byteOrderMark ? "\u{FEFF}" : "") + AccessTable.heading
            try append(Array(heading.utf8), to: "access.csv")
            try save()
        }
    }

    /// Whether every entry is there.
    var isWhole: Bool { state.next == state.plan.end }

    /// Adds a page, in order.
    func add(_ page: [ExportedEntryBody]) throws {
        var (entries, disclosures, table, events): ([UInt8], [UInt8], [UInt8], [UInt8]) = ([], [], [], [])
        for entry in page {
            guard entry.index == state.next else {
                throw CommandFailure("the service left out entry \(state.next) of the export")
            }
            let leaf = Array(entry.leaf.utf8)
            entries += leaf + [0x0A]
            let read = try LogEntry(decoding: leaf)
            var parts: DisclosedParts?
            if let joined = entry.disclosures {
                parts = try DisclosedParts(verifying: Array(joined.utf8), against: read)
                disclosures +=
                    JSONValue.object(
                        JSONObject([
                            ("index", .integer(Int64(entry.index))), ("disclosures", .string(joined)),
                        ])
                    ).canonicalBytes + [0x0A]
                state.disclosures += 1
            }
            table += Array(AccessTable.row(entry.index, read, parts).utf8)
            if state.ocsf {
                events += OCSFEvent.line(entry.index, read, parts, origin: state.plan.origin) + [0x0A]
            }
            state.next += 1
        }
        try append(entries, to: "entries.jsonl")
        try append(disclosures, to: "disclosures.jsonl")
        try append(table, to: "access.csv")
        try append(events, to: Self.events)
        try save()
    }

    /// Writes the manifest, which makes it an export.
    func finish() throws {
        for handle in files.values {
            try handle.synchronize()
            try handle.close()
        }
        let plan = state.plan
        var manifest = ExportManifest(
            origin: plan.origin, from: plan.from.flatMap { Timestamp($0) },
            to: plan.to.flatMap { Timestamp($0) },
            first: plan.first, end: plan.end,
            profile: ExportProfile(rawValue: state.request.profile) ?? .officer,
            contact: state.request.contact.flatMap { ContactID($0) }, disclosures: state.disclosures,
            previousSize: plan.consistency == nil ? nil : state.request.previousSize)
        for name in ExportManifest.names where FileManager.default.fileExists(atPath: path + "/" + name) {
            manifest.files[name] = try Self.file(path + "/" + name)
        }
        try VaultFolder.write(String(decoding: manifest.bytes, as: UTF8.self), to: path + "/manifest.json")
        try FileManager.default.removeItem(atPath: statePath)
    }

    /// Size and digest of a file, read by the mebibyte.
    static func file(_ path: String) throws -> ExportManifest.File {
        try requireRegular(path)
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandFailure("cannot read \(path)")
        }
        var digest = SHA256Stream()
        var bytes: UInt64 = 0
        while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
            digest.update(Array(chunk))
            bytes += UInt64(chunk.count)
        }
        try handle.close()
        return ExportManifest.File(bytes: bytes, digest: digest.finish())
    }

    /// A pipe or a device would be read for ever.
    static func requireRegular(_ path: String) throws {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard attributes?[.type] as? FileAttributeType == .typeRegular else {
            throw ExportFault((path as NSString).lastPathComponent, nil, "it is no regular file")
        }
    }

    private func append(_ bytes: [UInt8], to name: String) throws {
        guard !bytes.isEmpty, let handle = files[name] else { return }
        try handle.write(contentsOf: Data(bytes))
        state.lengths[name, default: 0] += UInt64(bytes.count)
    }

    private func save() throws {
        try JSONEncoder().encode(state).write(to: URL(fileURLWithPath: statePath), options: .atomic)
    }
}

/// Entries as a table for a spreadsheet. A view, no evidence.
enum AccessTable {
    static let heading =
        "index,time,kind,outcome,why,client,agency,purpose,action,form,fields,stage,precondition,policy,contact,case,actor,seq\r\n"

    static func row(_ index: UInt64, _ entry: LogEntry, _ parts: DisclosedParts?) -> String {
        let cells: [String?] = [
            String(index), entry.time.descriptionWithMilliseconds, entry.kind.rawValue,
            entry.outcome.rawValue,
            entry.reason?.text, entry.client?.text, entry.agency?.text, entry.purpose?.text,
            entry.action?.text,
            entry.form?.rawValue, entry.fields.map(\.rawValue).joined(separator: " "), entry.stage?.rawValue,
            entry.precondition?.rawValue, entry.policyVersion?.text, parts?.contact?.description,
            parts?.caseReference?.text, parts?.actor.map { "\($0.kind.rawValue):\($0.id.text)" },
            parts?.sequence.map { String($0) },
        ]
        return cells.map { cell($0 ?? "") }.joined(separator: ",") + "\r\n"
    }

    /// What begins a formula, and what makes a cell need quotes.
    private static let formulas = Array("=+-@\t\r".utf8)
    private static let separators = Array(",\"\r\n".utf8)

    /// A cell that no program takes for a formula. References may begin with a hyphen.
    static func cell(_ text: String) -> String {
        guard let first = text.utf8.first else { return "" }
        let safe = formulas.contains(first) ? "'" + text : text
        guard safe.utf8.contains(where: { separators.contains($0) }) else { return safe }
        return "\"" + safe.replacing("\"", with: "\"\"") + "\""
    }
}

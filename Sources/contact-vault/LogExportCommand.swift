// An export for whoever must believe the officer, and its check with nothing but the files and a key from elsewhere.

import AccessLog
import ArgumentParser
import ContactModel
import Foundation
import StrictEncoding
import VaultAPI

struct LogExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Export the log of a time, so that a third party can check it; the export is logged.",
        discussion: """
            Writes a folder: the exact entries, a signed checkpoint and the proof that they stand under it, what may be \
            disclosed of them, and a table for a spreadsheet. Run again, it goes on where it was broken off. `log audit` \
            checks it.

            Example: contact-vault log export january --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z
            """)

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "Folder to write; new, or one that was broken off.")
    var folder: String

    @Option(help: "Entries from this moment on; RFC 3339. None means from the beginning.")
    var from: String?

    @Option(help: "And before this one; RFC 3339. None means up to now.")
    var to: String?

    @Option(help: "officer (everything), subject (no staff, no case; needs --contact) or security (no case).")
    var profile = "officer"

    @Option(help: "Disclose the personal parts of this contact's entries alone, ct_….")
    var contact: String?

    @Option(help: "A checkpoint file of an earlier export; the new one shows that the log goes on from it.")
    var since: String?

    @Flag(
        help:
            "Begin the table with a byte-order mark, for spreadsheets that take it for another encoding otherwise."
    )
    var byteOrderMark = false

    @Flag(help: "Write ocsf.jsonl as well: events for a SIEM (OCSF 1.6.0, Datastore Activity).")
    var ocsf = false

    private static let page: UInt64 = 1000

    func run() async throws {
        let request = ExportRequestBody(
            from: try from.map { try AgencyEntrust.moment($0, "--from").description },
            to: try to.map { try AgencyEntrust.moment($0, "--to").description },
            profile: (try ClientAdd.choice(profile, "--profile") as ExportProfile).rawValue,
            contact: try contact.map { try ContactsShow.contact($0).description },
            previousSize: try since.map { try Self.size(of: $0) })
        if request.profile == "subject", request.contact == nil {
            throw ValidationError("--contact: an export for a subject is about one contact")
        }
        try await options.folder.withSession(passphrase) { session in
            let export: ExportFolder
            if let resumed = try ExportFolder.resumed(folder, request) {
                let keys = try options.folder.logKeys()
                guard keys.contains(where: { resumed.state.plan.policy.contains($0) }) else {
                    throw CommandFailure("\(folder) holds the beginning of an export of another log")
                }
                Terminal.message("going on at entry \(resumed.state.next)")
                export = resumed
            } else {
                switch try await session.beginExport(request) {
                case .done(let plan):
                    export = try ExportFolder(
                        folder, request, plan, byteOrderMark: byteOrderMark, ocsf: ocsf)
                case .waiting(let approval):
                    Terminal.waiting(approval)
                    throw CommandFailure(
                        "nothing was exported: run it again when that is approved, within 24 hours")
                }
            }
            let plan = export.state.plan
            var progress = Progress("entries", total: plan.end - plan.first)
            // The next page is read while this one is written.
            func fetch(from first: UInt64) -> Task<[ExportedEntryBody], any Error> {
                Task { try await session.exportPage(first..<min(first + Self.page, plan.end), of: request) }
            }
            var fetching = fetch(from: export.state.next)
            while !export.isWhole {
                let page = try await fetching.value
                guard !page.isEmpty else {
                    throw CommandFailure("the service gave no entries from \(export.state.next) on")
                }
                let next = export.state.next + UInt64(page.count)
                if next < plan.end { fetching = fetch(from: next) }
                try export.add(page)
                progress.show(export.state.next - plan.first)
            }
            progress.finish()
            try export.finish()
            Terminal.message(
                "exported entries \(plan.first) to \(plan.end) (the last not included), "
                    + "\(export.state.disclosures) of them with personal parts, to \(folder)")
        }
    }

    /// The size that a checkpoint file says; the export proves the rest.
    private static func size(of path: String) throws -> UInt64 {
        let note = try SignedNote(parsing: Array(try VaultFolder.read(path).utf8))
        return try Checkpoint(parsing: note.text).size
    }
}

struct LogAuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Check an export with nothing but its files and a key that you got elsewhere.",
        discussion: """
            Needs no vault. The trust policy is a file with a line `log <verifier key>` and a line `quorum none`; never use \
            the policy.txt of the export itself. Exit code 1 and the first fault if something is not as it was signed.

            Example: contact-vault log audit january --policy trusted-log.txt
            """)

    @Argument(help: "Folder of the export.")
    var folder: String

    @Option(help: "File with the trust policy, got from elsewhere.")
    var policy: String

    @Option(help: "A checkpoint that was kept from an earlier export; this log must go on from it.")
    var since: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let trusted: LogTrustPolicy
        do { trusted = try LogTrustPolicy(parsing: try VaultFolder.read(policy)) } catch let error as LogError
        {
            throw CommandFailure("\(policy): \(error)")
        }
        var audit: ExportAudit
        do {
            audit = try begin(trusted)
            try files(audit.manifest)
            try entries(&audit)
            try audit.finish()
        } catch let fault as ExportFault {
            throw CommandFailure("not as it was signed: \(fault)")
        }
        let manifest = audit.manifest
        if json {
            Terminal.result(
                JSONValue.object(
                    JSONObject([
                        ("entries", .integer(Int64(manifest.end - manifest.first))),
                        ("first", .integer(Int64(manifest.first))), ("end", .integer(Int64(manifest.end))),
                        ("disclosures", .integer(Int64(manifest.disclosures))),
                        ("log", .string(audit.checkpoint.origin)),
                        ("size", .integer(Int64(audit.checkpoint.size))),
                        ("root", .string(Base64.encode(audit.checkpoint.root))),
                        ("profile", .string(manifest.profile.rawValue)),
                        ("from", manifest.from.map { .string($0.descriptionWithMilliseconds) } ?? .null),
                        ("to", manifest.to.map { .string($0.descriptionWithMilliseconds) } ?? .null),
                        ("contact", manifest.contact.map { .string($0.description) } ?? .null),
                        ("contacts_with_sequence", .integer(Int64(audit.lastSequences.count))),
                        ("contacts_without_sequence", .integer(Int64(audit.contactsWithoutSequence))),
                        ("past_retention", .bool(audit.isPastRetention)),
                    ])
                ).canonicalText)
        } else {
            Terminal.result(
                "audited: entries \(manifest.first) to \(manifest.end) (the last not included) of "
                    + "\(audit.checkpoint.origin), \(manifest.disclosures) with personal parts, under its checkpoint of size "
                    + "\(audit.checkpoint.size)")
            // What the exporter says was asked for: whether that is what you asked for, only you know.
            Terminal.result(
                "asked for: from \(manifest.from?.descriptionWithMilliseconds ?? "the beginning"), to "
                    + "\(manifest.to?.descriptionWithMilliseconds ?? "the checkpoint"), profile \(manifest.profile.rawValue), "
                    + "\(manifest.contact.map { "contact \($0)" } ?? "all contacts")")
            Terminal.result(
                "numbered without a hole: \(audit.lastSequences.count) contacts; without numbers: "
                    + "\(audit.contactsWithoutSequence); access.csv and ocsf.jsonl are views and were not compared"
            )
            if audit.isPastRetention {
                Terminal.result(
                    "entries before \(manifest.first) are gone by retention, as an entry here says: their hashes stand in the tree"
                )
            }
        }
    }

    private func begin(_ trusted: LogTrustPolicy) throws -> ExportAudit {
        func small(_ name: String) throws -> [UInt8] {
            try ExportFolder.requireRegular(folder + "/" + name)
            do { return try LineFile.bytes(folder + "/" + name, limit: 256 * 1024) } catch {
                throw ExportFault(name, nil, "it is missing, cannot be read, or is too large")
            }
        }
        let manifest = try small("manifest.json")
        let hasConsistency = FileManager.default.fileExists(atPath: folder + "/consistency.txt")
        return try ExportAudit(
            manifest: manifest, checkpoint: try small("checkpoint"), proof: try small("proof"),
            consistency: hasConsistency ? try small("consistency.txt") : nil, policy: trusted,
            previous: try since.map { try LineFile.bytes($0, limit: 256 * 1024) })
    }

    /// Every file is as the manifest says, and no other is there.
    private func files(_ manifest: ExportManifest) throws {
        var present = Set(try FileManager.default.contentsOfDirectory(atPath: folder))
        present.remove("manifest.json")
        for name in present.subtracting(manifest.files.keys).sorted() {
            throw ExportFault(name, nil, "the manifest does not name it")
        }
        for (name, file) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard present.contains(name) else { throw ExportFault(name, nil, "it is missing") }
            guard try ExportFolder.file(folder + "/" + name) == file else {
                throw ExportFault(name, nil, "it is not the file that the manifest names")
            }
        }
        for name in ["checkpoint", "proof", "entries.jsonl", "disclosures.jsonl"]
        where manifest.files[name] == nil {
            throw ExportFault("manifest.json", nil, "it does not name \(name)")
        }
    }

    private func entries(_ audit: inout ExportAudit) throws {
        let leaves = try ExactLines(folder + "/entries.jsonl")
        let disclosures = try ExactLines(folder + "/disclosures.jsonl")
        var index = audit.manifest.first
        var waiting = try disclosed(disclosures)
        while let leaf = try leaves.next("entries.jsonl") {
            var joined: [UInt8]?
            if let next = waiting, next.index == index {
                joined = next.joined
                waiting = try disclosed(disclosures)
            }
            try audit.add(leaf: leaf, disclosed: joined)
            index += 1
        }
        if let waiting {
            throw ExportFault(
                "disclosures.jsonl", "entry \(waiting.index)", "it is out of order, or of no entry here")
        }
    }

    private func disclosed(_ lines: ExactLines) throws -> (index: UInt64, joined: [UInt8])? {
        guard let line = try lines.next("disclosures.jsonl") else { return nil }
        guard let object = (try? JSONValue.parse(line))?.objectValue, object.members.count == 2,
            let index = object["index"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            let joined = object["disclosures"]?.stringValue
        else {
            throw ExportFault("disclosures.jsonl", "line \(lines.number)", "it is not a line of an export")
        }
        return (index, Array(joined.utf8))
    }
}

/// Lines of a file, each exactly what stands before a line feed.
private final class ExactLines {
    private let handle: FileHandle
    private var buffer: ArraySlice<UInt8> = []
    private(set) var number = 0

    init(_ path: String) throws {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw ExportFault((path as NSString).lastPathComponent, nil, "it cannot be read")
        }
        self.handle = handle
    }

    func next(_ file: String) throws -> [UInt8]? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = Array(buffer[buffer.startIndex..<end])
                buffer = buffer[(end + 1)...]
                number += 1
                return line
            }
            guard buffer.count <= 64 * 1024 else {
                throw ExportFault(file, "line \(number + 1)", "it is too long")
            }
            guard let chunk = try handle.read(upToCount: 256 * 1024), !chunk.isEmpty else {
                guard buffer.isEmpty else { throw ExportFault(file, "line \(number + 1)", "it has no end") }
                return nil
            }
            buffer = ArraySlice(Array(buffer) + Array(chunk))
        }
    }
}

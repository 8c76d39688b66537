// Jobs that bring what stands under old keys under new ones, at the terminal.

import ArgumentParser
import ContactModel
import ContactVault
import Foundation
import VaultAPI

/// What all jobs have in common.
struct KeyJobOptions: ParsableArguments {
    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Count what would change, and change nothing.")
    var dryRun = false

    @Option(help: "Records a second at most.")
    var rate: UInt32?

    @Flag(help: "Do not wait for the end; the service that holds the vault goes on with it.")
    var detach = false

    func run(_ kind: String) async throws {
        if let rate, rate == 0 { throw ValidationError("--rate: at least 1") }
        try await options.folder.withSession(passphrase) { session in
            try await Self.run(kind, dryRun: dryRun, rate: rate, detach: detach, session)
        }
    }

    /// Begins a job, or finds the one that was begun, and follows it to its end.
    static func run(
        _ kind: String, dryRun: Bool = false, rate: UInt32? = nil, detach: Bool = false,
        _ session: OperatorSession
    ) async throws {
        var job: KeyJobBody
        let unfinished = try await session.keyJobs().first { $0.state == "running" && $0.kind == kind }
        if let unfinished, unfinished.dryRun == dryRun {
            Terminal.message("going on with \(unfinished.job), which was begun at \(unfinished.created)")
            job = unfinished
        } else {
            job = try await session.beginKeyJob(kind, dryRun: dryRun, rate: rate)
            Terminal.message("job \(job.job): contact-vault keys jobs, pause, resume, cancel")
        }
        if detach {
            guard session.isOfService else {
                throw CommandFailure("no service holds this vault: the job goes on with the next `serve`")
            }
            return
        }
        var progress = Progress("records", total: job.total)
        while job.state == "running" {
            job = try await session.followKeyJob(job.job)
            progress.show(min(job.examined, job.total))
        }
        progress.finish()
        show(job)
        guard job.state == "done" else { throw CommandFailure("the job was \(job.state)") }
        guard job.unreadable == 0 else {
            throw CommandFailure("\(job.unreadable) do not open and stay as they are")
        }
    }

    /// What came of a job, or how far it is.
    static func show(_ job: KeyJobBody) {
        var text = "\(job.kind) \(job.job) is \(job.state): looked at \(job.examined) of \(job.total), "
        switch (job.dryRun, job.kind) {
        case (true, _): text += "would change \(job.changed)"
        case (false, "rewrap"): text += "brought \(job.changed) under the active key"
        case (false, _): text += "changed \(job.changed)"
        }
        if job.unreadable > 0 { text += ", \(job.unreadable) do not open" }
        if let rate = job.perSecond { text += ", \(rate) a second" }
        if let seconds = job.remainingSeconds { text += ", \(Progress.clock(seconds)) left" }
        Terminal.message(text)
    }
}

struct KeysRewrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rewrap",
        abstract:
            "Bring what stands under old versions of a key under the active one, while the vault serves.",
        discussion: """
            kek: only the wrapping of data keys changes. blind_index: numbers get their new index wherever they stand. disclosure: the log's \
            personal parts that concern no stored contact are sealed anew.

            It goes on where it was after a crash; run it again to follow it.

            Example: contact-vault keys rewrap kek --rate 5000
            """)

    @Argument(help: "kek, blind_index or disclosure.")
    var key = "kek"

    @OptionGroup var job: KeyJobOptions

    func run() async throws {
        guard let kind = ["kek": "rewrap", "blind_index": "reindex", "disclosure": "reseal"][key] else {
            throw ValidationError("nothing stands under \(key): kek, blind_index or disclosure")
        }
        try await job.run(kind)
    }

    /// Replaces the key-encryption key and asks for the end of every version before it: what is only in a copy of the store opens no
    /// more then.
    static func replaceKey(_ session: OperatorSession) async throws {
        let made = try await session.rotate(key: "kek")
        _ = try await session.step("promote", key: "kek", version: made.version)
        try await KeyJobOptions.run("rewrap", session)
        // What is meant to be unreadable holds no key back.
        let useless = try await session.backups(needingKEK: { $0 < made.version })
        if !useless.isEmpty { try await session.forgetBackups(useless.map(\.backup)) }
        for backup in useless {
            Terminal.message(
                backup.keyring
                    ? "backup \(backup.backup) of \(backup.made) holds its own keyring and STILL OPENS with the root key: destroy it"
                    : "backup \(backup.backup) of \(backup.made) opens nothing with this keyring once that is approved, and is forgotten"
            )
        }
        for key in try await session.keys() where key.name == "kek" && key.version < made.version {
            if key.state == "decrypt_only" {
                _ = try await session.step("retire", key: "kek", version: key.version)
            }
            if key.state != "destroyed",
                case .waiting(let approval) = try await session.step(
                    "destroy", key: "kek", version: key.version)
            {
                Terminal.waiting(approval)
            }
        }
        Terminal.message(
            "when that is approved, earlier copies of the store open nothing with this keyring: make a backup of both, and let old "
                + "keyrings expire"
        )
    }
}

struct KeysReencrypt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reencrypt",
        abstract: "Encrypt every record anew with a new data key, after a compromise or for another suite.",
        discussion: """
            Also records under a compromised kek. Every record gets its next generation, and what the log discloses of its contact a new key.

            Example: contact-vault keys reencrypt
            """)

    @OptionGroup var job: KeyJobOptions

    func run() async throws { try await job.run("reencrypt") }
}

struct KeysJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "The last jobs, newest first.",
        discussion: "Example: contact-vault keys jobs")

    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Flag(help: "Print JSON Lines.")
    var json = false

    func run() async throws {
        let jobs = try await options.folder.withSession(passphrase) { try await $0.keyJobs() }
        if json { return try jobs.forEach { Terminal.result(try Terminal.json($0)) } }
        var table = TerminalTable([
            "job", "kind", "state", "begun", "looked at", "changed", "unreadable", "left",
        ])
        for job in jobs {
            table.add([
                job.job, job.kind + (job.dryRun ? " (dry run)" : ""), job.state, job.created,
                "\(job.examined)/\(job.total)", String(job.changed), String(job.unreadable),
                job.remainingSeconds.map { Progress.clock($0) } ?? "",
            ])
        }
        table.print()
    }
}

/// A job, for what may be done to it.
struct KeyJobArgument: ParsableArguments {
    @OptionGroup var options: DataOptions
    @OptionGroup var passphrase: PassphraseOptions

    @Argument(help: "The job, kj_…, as `keys jobs` has it.")
    var job: String

    func change(_ change: String) async throws {
        guard KeyJobID(job) != nil else {
            throw ValidationError("a job is written kj_ and 22 characters")
        }
        KeyJobOptions.show(
            try await options.folder.withSession(passphrase) {
                try await $0.changeKeyJob(job, change)
            })
    }
}

struct KeysPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Let a job wait.",
        discussion: "Example: contact-vault keys pause kj_…")

    @OptionGroup var job: KeyJobArgument

    func run() async throws { try await job.change("pause") }
}

struct KeysResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a job that waits go on.",
        discussion: "Example: contact-vault keys resume kj_…")

    @OptionGroup var job: KeyJobArgument

    func run() async throws { try await job.change("resume") }
}

struct KeysCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Give a job up; what it has changed stays changed, and needs no undoing.",
        discussion: "Example: contact-vault keys cancel kj_…")

    @OptionGroup var job: KeyJobArgument

    func run() async throws { try await job.change("cancel") }
}

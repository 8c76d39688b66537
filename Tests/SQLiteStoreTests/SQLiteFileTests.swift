// The file of the embedded store: who may open it, which files are refused, and what a full disk does.

import ContactModel
import ContactVault
import Foundation
import GRDB
import SQLiteStore
import Testing
import VaultTesting

@Suite("The file of the SQLite store")
struct SQLiteFileTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("vault.sqlite") }

    init() throws { folder = try TemporaryFolder() }

    private func refusal(create: Bool = false) -> StoreError? {
        do {
            _ = try SQLiteStore.open(path: path, create: create)
            return nil
        } catch let error as StoreError {
            return error
        } catch {
            Issue.record("an error of another type: \(error)")
            return nil
        }
    }

    /// Changes rows past the store, as somebody with the file would.
    private func tamper(_ sql: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    private func journalMode() throws -> String? {
        try DatabaseQueue(path: path).read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
    }

    private func insertContact(_ store: SQLiteStore) async throws -> ContactID {
        let id = try #require(ContactID(bytes: [UInt8](repeating: 7, count: 16)))
        let reference = try #require(Reference("x_1"))
        let contact = StoredContact(
            id: id, borrower: reference, portfolio: reference, attributes: [1], generation: 1, sealed: [1],
            disclosureKey: [1], phoneIndexVersion: 1, phoneIndex: [1], state: .active, stopped: nil,
            created: FixedClock.beginning, updated: FixedClock.beginning)
        try await store.transaction { try $0.insertContacts([contact]) }
        return id
    }

    // MARK: Who may open it

    @Test("a second opening in the same process is refused, and allowed after closing")
    func secondOpening() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        #expect(refusal() == .locked)
        #expect(refusal(create: true) == .locked)
        try await store.close()
        #expect(refusal() == nil)
    }

    @Test("a refused opening does not take the lock away from its holder")
    func refusedOpening() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        for _ in 0..<3 { #expect(refusal() == .locked) }
        _ = try await insertContact(store)
        try await store.close()
    }

    @Test("another process that holds the store keeps us out; when it is gone its lock file holds nothing")
    func otherProcess() async throws {
        let made = try SQLiteStore.open(path: path, create: true)
        try await made.close()
        let holder = Process()
        let (input, output) = (Pipe(), Pipe())
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        holder.arguments = ["flock", "--nonblock", path + ".lock", "sh", "-c", "echo held; exec cat"]
        holder.standardInput = input
        holder.standardOutput = output
        try holder.run()
        #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
        #expect(refusal() == .locked)
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        #expect(FileManager.default.fileExists(atPath: path + ".lock"))
        #expect(refusal() == nil)
    }

    @Test("while we hold the store, another process is kept out")
    func ourLock() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        other.arguments = ["flock", "--nonblock", path + ".lock", "true"]
        try other.run()
        other.waitUntilExit()
        #expect(other.terminationStatus == 1)
        try await store.close()
    }

    @Test("a reader beside the holder sees what is committed and cannot write")
    func readerBeside() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        let reader = try SQLiteStore.openForReading(path: path)
        _ = try await insertContact(store)
        #expect(try await reader.read { try $0.contactCount() } == 1)
        await #expect(throws: StoreError.locked) { try await reader.transaction { _ in } }
        try await reader.close()
        try await store.close()
    }

    // MARK: Which files are refused

    @Test("a store that a newer version has migrated is refused, for writing and for reading")
    func newerVersion() async throws {
        let made = try SQLiteStore.open(path: path, create: true)
        try await made.close()
        try tamper("INSERT INTO grdb_migrations (identifier) VALUES ('8 something later')")
        #expect(refusal() == .newerVersion(8))
        #expect(refusal(create: true) == .newerVersion(8))
        #expect(throws: StoreError.newerVersion(8)) { _ = try SQLiteStore.openForReading(path: self.path) }
        // The refusal has released the lock and changed nothing.
        #expect(refusal() == .newerVersion(8))
    }

    @Test("a missing file is refused, and none is made")
    func missing() throws {
        #expect(refusal() == .missing)
        #expect(throws: StoreError.missing) { _ = try SQLiteStore.openForReading(path: self.path) }
        #expect(try folder.files().isEmpty)
    }

    @Test("a file that is no database is refused and left as it is")
    func notADatabase() throws {
        let contents = Data(repeating: 0x41, count: 8192)
        try contents.write(to: URL(fileURLWithPath: path))
        #expect(refusal() == .corrupt("file"))
        #expect(refusal(create: true) == .corrupt("file"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == contents)
    }

    @Test("a folder that does not exist gives a store error")
    func missingFolder() throws {
        #expect(throws: StoreError.unavailable("cannot_open_lock")) {
            _ = try SQLiteStore.open(path: self.folder.file("none/vault.sqlite"), create: true)
        }
    }

    @Test("every file of the store is its owner's alone, whatever the umask")
    func fileModes() async throws {
        let previous = umask(0)
        defer { umask(previous) }
        let store = try SQLiteStore.open(path: path, create: true)
        _ = try await insertContact(store)
        for name in try folder.files() {
            let mode = try FileManager.default.attributesOfItem(atPath: folder.file(name))[.posixPermissions]
            #expect((mode as? NSNumber)?.intValue == 0o600, "\(name)")
        }
        #expect(try folder.files().count == 4, "database, write-ahead log, shared memory, lock")
        try await store.close()
    }

    @Test("the file is in WAL mode, so that readers do not wait for the writer")
    func writeAheadLog() async throws {
        let made = try SQLiteStore.open(path: path, create: true)
        try await made.close()
        #expect(try journalMode() == "wal")
    }

    // MARK: Rows that somebody changed

    @Test("log entries cannot be updated or deleted, not even with the file in hand")
    func entriesStand() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        try await store.transaction { transaction in
            try transaction.append(
                LogBatch(
                    first: 0, leaves: [[1], [2]], disclosures: [], tiles: [],
                    head: LogHead(size: 2, frontier: [0], lastTime: transaction.now)))
        }
        for sql in [
            "UPDATE log_entries SET leaf = x'00'", "UPDATE log_entries SET position = 7 WHERE position = 1",
            "DELETE FROM log_entries WHERE position = 1", "DELETE FROM log_entries",
            "INSERT OR REPLACE INTO log_entries VALUES (1, x'00')",
            "REPLACE INTO log_entries VALUES (0, x'00')",
            "INSERT INTO log_entries VALUES (1, x'00') ON CONFLICT (position) DO UPDATE SET leaf = excluded.leaf",
        ] {
            #expect(throws: DatabaseError.self, "\(sql)") { try self.tamper(sql) }
        }
        #expect(try await store.read { try $0.logLeaves(0..<9) } == [[1], [2]])
        try await store.close()
    }

    @Test(
        "a value that no version of us wrote is corrupt, never a crash",
        arguments: [
            "UPDATE contacts SET generation = -1", "UPDATE contacts SET phone_index_version = -5",
            "UPDATE contacts SET phone_index_version = 4294967296", "UPDATE contacts SET state = 'asleep'",
            "UPDATE contacts SET created = 9223372036854775807",
            "UPDATE contacts SET stopped = -9223372036854775808",
            "UPDATE contacts SET borrower = 'a b'", "UPDATE contacts SET portfolio = ''",
        ])
    func tamperedContact(sql: String) async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        let id = try await insertContact(store)
        try tamper(sql)
        do {
            _ = try await store.read { try $0.contacts([id]) }
            Issue.record("was read")
        } catch StoreError.corrupt {}
        try await store.close()
    }

    @Test(
        "a tampered head is corrupt, never a crash",
        arguments: ["size = -1", "last_time = -9223372036854775808", "last_time = 9223372036854775807"])
    func tamperedHead(change: String) async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        try tamper("UPDATE log_head SET \(change)")
        do {
            _ = try await store.read { try $0.logHead() }
            Issue.record("was read")
        } catch StoreError.corrupt {}
        try await store.close()
    }

    /// A row in each table of what contacts said, of releases and of approvals, as another program would write it.
    private static let activityRows = """
        INSERT INTO consents VALUES
            (zeroblob(16), 'relay.message', 'n1', zeroblob(32), 0, NULL, NULL, 'ag_1 ag_2');
        INSERT INTO authorisations VALUES (zeroblob(16), zeroblob(32), 0, NULL, NULL);
        INSERT INTO contact_references VALUES (zeroblob(16), 'rq_1', 'offer', 0);
        INSERT INTO suppressions VALUES (zeroblob(32), 1, 0, 0);
        INSERT INTO releases VALUES
            (zeroblob(16), 0, zeroblob(32), zeroblob(16), zeroblob(32), NULL, zeroblob(32), 'dialer-1',
             'relay.message', 'reveal', 1, 9, NULL, NULL, 1);
        INSERT INTO request_counts VALUES (1, 'dialer-1', '', 1);
        INSERT INTO distinct_numbers VALUES (1, zeroblob(32), zeroblob(32));
        INSERT INTO distinct_counts VALUES (1, zeroblob(32), 1);
        INSERT INTO approvals VALUES
            (zeroblob(16), 'release', zeroblob(32), x'', zeroblob(16), 'dialer-1', 0, 9, 'ap-2', NULL);
        INSERT INTO reviews VALUES (zeroblob(16), 'safety.emergency', 'desk-1', 0, 9, NULL, NULL, NULL);
        """

    /// Reads all of ``activityRows``; how many tables gave a row.
    private func readActivity(_ store: SQLiteStore) async throws -> Int {
        let contact = try #require(ContactID(bytes: [UInt8](repeating: 0, count: 16)))
        let release = try #require(ReleaseID(bytes: contact.bytes))
        let client = try #require(Reference("dialer-1"))
        let name = ContactReferenceKey(contact: contact, reference: try #require(Reference("rq_1")))
        let digest = [UInt8](repeating: 0, count: 32)
        let count = RequestCountKey(minute: 1, client: client, purpose: "")
        let number = DistinctNumberKey(day: 1, subject: digest, number: digest)
        return try await store.read { reader in
            var tables = try reader.consents(of: [contact]).count
            tables += try reader.authorisations(of: [contact]).count
            tables += try reader.contactReferences([name]).count
            tables += try reader.suppressions([digest]).count
            tables += try reader.releases([release]).count
            tables += try reader.requestCounts([count]).count
            tables += try reader.distinctNumbers([number])[number]?.includesNumber == true ? 1 : 0
            tables += try reader.approvals(of: [digest]).count
            tables += try reader.reviews(openOnly: false).count
            return tables
        }
    }

    @Test("what another program wrote into the tables of releases and approvals in our way is read")
    func foreignActivity() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        try tamper(Self.activityRows)
        #expect(try await readActivity(store) == 9)
        try await store.close()
    }

    @Test(
        "a row of releases or approvals that no version of us wrote is corrupt, never a crash or another answer",
        arguments: [
            "consents SET recipients = 'ag_1  ag_2'", "consents SET recipients = ' '",
            "consents SET recipients = 'ag_1,ag_2'",
            "authorisations SET given = 9223372036854775807",
            "authorisations SET expires = -9223372036854775808",
            "contact_references SET kind = 'promise'",
            "contact_references SET recorded = 9223372036854775807",
            "suppressions SET index_version = -1", "suppressions SET index_version = 4294967296",
            "suppressions SET latest = 9223372036854775807",
            "releases SET contact = x'00'", "releases SET client = 'a b'", "releases SET purpose = ''",
            "releases SET form = 'all'", "releases SET number_version = -1", "releases SET outcome = 'maybe'",
            "releases SET outcome = ''",
            "releases SET time = 9223372036854775807", "releases SET outcome_due = -9223372036854775808",
            "releases SET outcome_time = 9223372036854775807",
            "request_counts SET count = -1", "request_counts SET count = 9223372036854775807",
            "distinct_counts SET count = -1", "distinct_counts SET count = 9223372036854775807",
            "approvals SET kind = 'anything'", "approvals SET contact = x'00'",
            "approvals SET requester = ''",
            "approvals SET approver = ''", "approvals SET expires = 9223372036854775807",
            "reviews SET release = x'00'", "reviews SET purpose = '.'", "reviews SET client = ''",
            "reviews SET due = 9223372036854775807", "reviews SET closed = -9223372036854775808",
        ])
    func tamperedActivity(change: String) async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        try tamper(Self.activityRows)
        try tamper("UPDATE \(change)")
        do {
            _ = try await readActivity(store)
            Issue.record("was read")
        } catch StoreError.corrupt {}
        try await store.close()
    }

    @Test("a count that somebody set to the greatest integer is refused, not counted on from below")
    func greatestCount() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        try tamper(
            Self.activityRows + "UPDATE distinct_counts SET count = 9223372036854775807;")
        let digest = [UInt8](repeating: 0, count: 32)
        let other = DistinctNumberKey(day: 1, subject: digest, number: [1])
        await #expect(throws: StoreError.self) {
            try await store.transaction { try $0.addDistinctNumbers([other]) }
        }
        try await store.close()
    }

    @Test("a missing leaf ends a range: what comes after it is never taken for it")
    func gap() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        try await store.transaction { transaction in
            try transaction.append(
                LogBatch(
                    first: 0, leaves: (0..<5).map { [UInt8($0)] }, disclosures: [], tiles: [],
                    head: LogHead(size: 5, frontier: [0], lastTime: transaction.now)))
        }
        try tamper("DROP TRIGGER log_entries_no_delete; DELETE FROM log_entries WHERE position = 2")
        try await store.read { (reader) throws in
            #expect(try reader.logLeaves(0..<5) == [[0], [1]])
            #expect(try reader.logLeaves(2..<5).isEmpty)
            #expect(try reader.logLeaves(3..<5) == [[3], [4]])
        }
        try await store.close()
    }

    @Test("positions beyond what a column can hold are found nowhere, and trap nothing")
    func hugePositions() async throws {
        let store = try SQLiteStore.open(path: path, create: true)
        let id = try await insertContact(store)
        try await store.read { (reader) throws in
            #expect(try reader.logLeaves(UInt64.max - 5..<UInt64.max).isEmpty)
            #expect(try reader.disclosures(0..<UInt64.max).isEmpty)
            #expect(try reader.tiles(level: 255, UInt64.max - 1..<UInt64.max).isEmpty)
            #expect(try reader.checkpoints(0...UInt64.max).isEmpty)
        }
        let stored = try #require(try await store.read { try $0.contacts([id])[id] })
        #expect(try await store.transaction { try !$0.replaceContact(stored, expecting: UInt64.max) })
        try await store.close()
    }

    // MARK: Disk full

    @Test(
        "with the disk full a transaction is refused as a whole, and the store goes on when there is space again",
        .enabled(if: SmallDisk.isAvailable, "mounting a small disk is refused here"))
    func diskFull() async throws {
        let disk = try SmallDisk(mebibytes: 4)
        let store = try SQLiteStore.open(path: disk.folder.file("vault.sqlite"), create: true)
        let block = StoredClient(
            id: try #require(Reference("a")), revision: 1, registration: [UInt8](repeating: 1, count: 1 << 19)
        )
        let key = TokenUseKey(
            token: [UInt8](repeating: 1, count: 32), contact: try #require(ContactID(bytes: Array(0..<16))),
            expires: FixedClock.beginning)
        try await store.transaction { try $0.putTokenUses([key: 1]) }
        try disk.fill()
        for _ in 0..<3 {
            do {
                try await store.transaction { transaction in
                    try transaction.putTokenUses([key: 2])
                    try transaction.putClient(block)
                }
                Issue.record("was committed")
            } catch StoreError.unavailable {}
            // Reading goes on: what was there before is what is there.
            #expect(try await store.read { try $0.tokenUses([key]) } == [key: 1])
            #expect(try await store.read { try $0.clients() }.isEmpty)
        }
        try disk.free()
        try await store.transaction { transaction in
            try transaction.putTokenUses([key: 2])
            try transaction.putClient(block)
        }
        #expect(try await store.read { try $0.tokenUses([key]) } == [key: 2])
        try await store.close()
    }
}

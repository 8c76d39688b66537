// One step of a job: what it looks at, what it makes of it beside the store's writer, and what it then writes.

import AccessLog
import ContactModel
import EnvelopeEncryption
import StrictEncoding
import VaultCrypto

/// The rows of one step, from one snapshot.
struct KeyJobStep: Sendable {
    /// Rows of contacts; empty for a job about disclosures.
    var records: [StoredRecordKeys] = []
    /// Disclosures that concern no contact; empty for a job about contacts.
    var disclosures: [(index: UInt64, sealed: [UInt8])] = []
    /// Where the job goes on afterwards.
    let cursor: [UInt8]
    /// Whether nothing is left after it.
    let isLast: Bool

    var count: Int { records.count + disclosures.count }

    /// - Parameter rows: how many rows at most.
    init(_ job: StoredKeyJob, rows: Int, _ reader: any VaultReader) throws {
        var limit = rows
        // A slow job takes small steps, so that its pace is even.
        if let rate = job.rate { limit = max(1, min(limit, Int(rate) / 4)) }
        switch job.kind {
        case .rewrap, .reencrypt, .reindex:
            (records, cursor) = try reader.recordKeys(after: job.cursor, limit: limit)
            isLast = records.count < limit
        case .reseal:
            let from = UInt64(bigEndianBytes: job.cursor)
            disclosures = try reader.generalDisclosures(from: from, limit: limit)
            cursor = (disclosures.last.map { $0.index + 1 } ?? from).bigEndianBytes
            isLast = disclosures.count < limit
        }
    }
}

/// How many rows a step changed, and how many do not open.
struct KeyJobTally: Sendable {
    var changed = 0
    var unreadable = 0

    /// Counts one row. One that does not open is left as it is and must not keep the others from their new key.
    mutating func attempt(_ body: () throws -> Bool) throws {
        do {
            if try body() { changed += 1 }
        } catch EnvelopeError.unavailable {
            throw VaultError.cryptographyUnavailable
        } catch is EnvelopeError {
            unreadable += 1
        }
    }
}

/// What a step is going to write, made outside its transaction, so that releases do not wait for cryptography.
struct KeyJobPreparation: Sendable {
    let kind: StoredKeyJob.Kind
    let disclosures: [(index: UInt64, sealed: [UInt8])]
    private var changes: [(before: StoredRecordKeys, after: StoredRecordKeys)] = []
    private var moves: [StoredNumberMove] = []
    /// What it will do if nothing changes meanwhile.
    private(set) var tally = KeyJobTally()

    init(
        _ step: KeyJobStep, _ job: StoredKeyJob, keyring: Keyring, random: any RandomSource
    ) throws {
        kind = job.kind
        disclosures = step.disclosures
        for before in step.records {
            do {
                switch job.kind {
                case .rewrap:
                    if let after = try keyring.rewrapped(before, random: random) {
                        changes.append((before, after))
                    }
                case .reencrypt:
                    changes.append((before, try keyring.reencrypted(before, random: random)))
                case .reindex:
                    if let move = try keyring.reindexed(before) { moves.append(move) }
                case .reseal: break
                }
            } catch EnvelopeError.unavailable {
                throw VaultError.cryptographyUnavailable
            } catch {
                tally.unreadable += 1
            }
        }
        tally.changed = changes.count + moves.count
        if kind == .reseal {
            let active = keyring.generalDisclosureKey.version
            tally.changed = disclosures.count { (try? DisclosureKey.version(of: $0.sealed)) != active }
        }
    }

    /// The work of a step on several threads, as far as nobody else wants them.
    static func make(
        _ step: KeyJobStep, _ job: StoredKeyJob, keyring: Keyring, random: any RandomSource, threads: Int
    ) async throws -> KeyJobPreparation {
        let share = (step.records.count + threads - 1) / max(1, threads)
        guard threads > 1, share > 0 else {
            return try KeyJobPreparation(step, job, keyring: keyring, random: random)
        }
        return try await withThrowingTaskGroup(of: (Int, KeyJobPreparation).self) { group in
            for first in stride(from: 0, to: step.records.count, by: share) {
                var part = step
                part.records = Array(step.records[first..<min(first + share, step.records.count)])
                let share = part
                group.addTask {
                    (first, try KeyJobPreparation(share, job, keyring: keyring, random: random))
                }
            }
            var parts: [(Int, KeyJobPreparation)] = []
            for try await part in group { parts.append(part) }
            parts.sort { $0.0 < $1.0 }
            var whole = parts.removeFirst().1
            for (_, part) in parts {
                whole.changes += part.changes
                whole.moves += part.moves
                whole.tally.changed += part.tally.changed
                whole.tally.unreadable += part.tally.unreadable
            }
            return whole
        }
    }

    func carryOut(
        _ transaction: any VaultTransaction, keyring: Keyring, random: any RandomSource
    ) throws -> KeyJobTally {
        var done = KeyJobTally(changed: 0, unreadable: tally.unreadable)
        switch kind {
        case .rewrap:
            for (change, isDone) in zip(changes, try transaction.replaceKeys(changes)) {
                if isDone {
                    done.changed += 1
                    continue
                }
                // Written anew meanwhile: what is there now may still be under an old key in part.
                guard let present = try transaction.recordKeys(change.before.contact) else { continue }
                try done.attempt {
                    guard let after = try keyring.rewrapped(present, random: random) else { return false }
                    return try transaction.replaceKeys([(present, after)]) == [true]
                }
            }
        case .reencrypt:
            let sequences = try transaction.sequences(changes.map(\.before.contact))
            for change in changes {
                try done.attempt {
                    var change = change
                    if try transaction.replaceKeys([change]) != [true] {
                        guard let present = try transaction.recordKeys(change.before.contact) else {
                            return false
                        }
                        change = (present, try keyring.reencrypted(present, random: random))
                        guard try transaction.replaceKeys([change]) == [true] else { return false }
                    }
                    try transaction.resealDisclosures(
                        of: change, from: sequences[change.before.contact]?.latest, keyring: keyring,
                        random: random)
                    return true
                }
            }
        case .reindex:
            try transaction.moveNumbers(moves)
            done.changed = moves.count
        case .reseal:
            let key = keyring.generalDisclosureKey
            var resealed: [UInt64: [UInt8]] = [:]
            for (index, sealed) in disclosures {
                try done.attempt {
                    let version = try DisclosureKey.version(of: sealed)
                    guard version != key.version else { return false }
                    let entry = try transaction.entryID(at: index)
                    let text = try keyring.generalDisclosureKey(version: version).open(sealed, entry: entry)
                    resealed[index] = try key.seal(text, entry: entry, random: random)
                    return true
                }
            }
            try transaction.replaceDisclosures(resealed)
        }
        return done
    }
}

extension VaultTransaction {
    /// What the row of a contact holds of keys now; `nil` if it is erased or gone.
    fileprivate func recordKeys(_ id: ContactID) throws -> StoredRecordKeys? {
        guard let contact = try contacts([id])[id], contact.state != .erased else { return nil }
        return StoredRecordKeys(
            contact: id, generation: contact.generation, sealed: contact.sealed,
            disclosureKey: contact.disclosureKey, phoneIndex: contact.phoneIndex,
            phoneIndexVersion: contact.phoneIndexVersion)
    }

    /// The 16 bytes that bind the disclosures of an entry.
    fileprivate func entryID(at index: UInt64) throws -> [UInt8] {
        guard let leaf = try logLeaves(index..<index + 1).first else {
            throw StoreError.corrupt("log_entries")
        }
        return try LogEntry.identity(of: leaf).id.bytes
    }

    /// Seals all disclosures about a contact under its new key. Entries name the one before them, from the last on.
    fileprivate func resealDisclosures(
        of change: (before: StoredRecordKeys, after: StoredRecordKeys), from latest: UInt64?,
        keyring: Keyring, random: any RandomSource
    ) throws {
        let contact = change.before.contact
        // What it sealed was lost with it.
        guard
            let old = try? keyring.disclosureKey(
                wrapped: change.before.disclosureKey, tenant: keyring.tenant, contact: contact)
        else { return }
        let new = try keyring.disclosureKey(
            wrapped: change.after.disclosureKey, tenant: keyring.tenant, contact: contact)
        var resealed: [UInt64: [UInt8]] = [:]
        var next = latest
        while let index = next {
            // Retention may have removed the older ones.
            guard let stored = try disclosures(index..<index + 1)[index] else { break }
            next = stored.previous
            let entry = try entryID(at: index)
            // What was damaged before is lost with its old key or without.
            guard let text = try? old.open(stored.sealed, entry: entry) else { continue }
            resealed[index] = try new.seal(text, entry: entry, random: random)
        }
        try replaceDisclosures(resealed)
    }
}

extension Keyring {
    private func context(of keys: StoredRecordKeys) -> RecordContext {
        RecordContext(
            tenant: tenant, record: keys.contact, generation: keys.generation, schema: Vault.recordSchema)
    }

    /// A record and a disclosure key under the active key-encryption key; `nil` if both are already.
    fileprivate func rewrapped(
        _ keys: StoredRecordKeys, random: any RandomSource
    ) throws(EnvelopeError) -> StoredRecordKeys? {
        let active = try activeKEK(for: tenant)
        let sealed = try SealedRecord(parsing: keys.sealed)
        let isRecordDone = sealed.kekID == active.id && sealed.kekVersion == active.version
        let isKeyDone = try isUnderActiveKEK(wrappedDisclosureKey: keys.disclosureKey)
        guard !isRecordDone || !isKeyDone else { return nil }
        var after = keys
        if !isRecordDone {
            after.sealed = try rewrap(sealed, context: context(of: keys), random: random).bytes
        }
        if !isKeyDone {
            after.disclosureKey = try rewrapDisclosureKey(
                keys.disclosureKey, tenant: tenant, contact: keys.contact, random: random)
        }
        return after
    }

    /// A record of the next generation with a new data key, and a new disclosure key.
    fileprivate func reencrypted(
        _ keys: StoredRecordKeys, random: any RandomSource
    ) throws(EnvelopeError) -> StoredRecordKeys {
        let sealed = try reencrypt(
            SealedRecord(parsing: keys.sealed), context: context(of: keys), random: random)
        return StoredRecordKeys(
            contact: keys.contact, generation: sealed.generation, sealed: sealed.bytes,
            disclosureKey: try makeDisclosureKey(tenant: tenant, contact: keys.contact, random: random),
            phoneIndex: keys.phoneIndex, phoneIndexVersion: keys.phoneIndexVersion)
    }

    /// The move of a number to the active blind index; `nil` if it is there.
    fileprivate func reindexed(_ keys: StoredRecordKeys) throws(EnvelopeError) -> StoredNumberMove? {
        guard keys.phoneIndexVersion != blindIndexVersions.first else { return nil }
        let index = try blindIndex(
            ofPhoneIn: SealedRecord(parsing: keys.sealed), context: context(of: keys))
        return StoredNumberMove(from: keys.phoneIndex, to: index.bytes, version: index.version)
    }
}

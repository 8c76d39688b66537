// Rows about keys: what is under which version, jobs that bring it under another, and what each instance has loaded.

public import ContactModel

/// A job that goes through everything that stands under a kind of key.
public struct StoredKeyJob: Hashable, Sendable {
    /// Its name, 16 random bytes.
    public let id: [UInt8]
    /// What it does.
    public let kind: Kind
    /// The version under which it brings what it finds.
    public let version: UInt32
    /// Whether it counts and changes nothing.
    public let isDryRun: Bool
    /// Most records a second, `nil` for no limit.
    public let rate: UInt32?
    /// Who started it.
    public let requester: Reference
    /// When.
    public let created: Timestamp
    /// How many there were when it began.
    public let total: UInt64
    /// How far it is.
    public var state: State = .running
    /// Where it goes on: what the store gave with the last rows, or a position of the log in 8 bytes; empty at the beginning.
    public var cursor: [UInt8] = []
    /// Looked at.
    public var examined: UInt64 = 0
    /// Changed, or what would have been.
    public var changed: UInt64 = 0
    /// Does not open, and stays as it is.
    public var unreadable: UInt64 = 0
    /// When it was last begun or resumed.
    public var resumed: Timestamp
    /// How many had been looked at then.
    public var examinedBefore: UInt64 = 0
    /// When it was last at work.
    public var updated: Timestamp

    /// What a job may do.
    public enum Kind: String, CaseIterable, Sendable {
        /// Wraps the data keys of records, and the contacts' disclosure keys, under the active key-encryption key. No field is opened.
        case rewrap
        /// Seals every record anew with a new data key, and the disclosures about its contact with a new key of the contact.
        case reencrypt
        /// Moves numbers from old blind indexes to the active one.
        case reindex
        /// Seals the disclosures that concern no stored contact under the active general key.
        case reseal
    }

    /// How far a job may be.
    public enum State: String, CaseIterable, Sendable {
        /// Going on, in whatever instance holds it.
        case running
        /// Waits to be resumed.
        case paused
        /// Has looked at everything.
        case done
        /// Was given up; what it has changed stays changed.
        case cancelled
    }

    /// A job at its beginning.
    public init(
        id: [UInt8], kind: Kind, version: UInt32, isDryRun: Bool, rate: UInt32?, requester: Reference,
        created: Timestamp, total: UInt64
    ) {
        self.id = id
        self.kind = kind
        self.version = version
        self.isDryRun = isDryRun
        self.rate = rate
        self.requester = requester
        self.created = created
        self.total = total
        resumed = created
        updated = created
    }
}

/// What a contact's row holds of keys: all that a rewrap reads and writes.
public struct StoredRecordKeys: Hashable, Sendable {
    /// The contact.
    public let contact: ContactID
    /// The record's generation.
    public let generation: UInt64
    /// The sealed record.
    public var sealed: [UInt8]
    /// The wrapped disclosure key.
    public var disclosureKey: [UInt8]
    /// The number's blind index.
    public let phoneIndex: [UInt8]
    /// The version of the key that made it.
    public let phoneIndexVersion: UInt32

    /// A row's keys.
    public init(
        contact: ContactID, generation: UInt64, sealed: [UInt8], disclosureKey: [UInt8], phoneIndex: [UInt8],
        phoneIndexVersion: UInt32
    ) {
        self.contact = contact
        self.generation = generation
        self.sealed = sealed
        self.disclosureKey = disclosureKey
        self.phoneIndex = phoneIndex
        self.phoneIndexVersion = phoneIndexVersion
    }
}

/// Where stored bytes name the key version that they are under.
public struct StoredKeyPlaces: Hashable, Sendable {
    /// In a sealed record.
    public let sealed: Range<Int>
    /// In a wrapped disclosure key.
    public let disclosureKey: Range<Int>
    /// In sealed disclosures.
    public let disclosures: Range<Int>

    /// Places.
    public init(sealed: Range<Int>, disclosureKey: Range<Int>, disclosures: Range<Int>) {
        self.sealed = sealed
        self.disclosureKey = disclosureKey
        self.disclosures = disclosures
    }
}

/// How much is under each key version: by the bytes that name it, or by its number.
public struct StoredKeyUsage: Hashable, Sendable {
    /// Sealed records.
    public var records: [[UInt8]: UInt64] = [:]
    /// Wrapped disclosure keys of contacts.
    public var disclosureKeys: [[UInt8]: UInt64] = [:]
    /// Disclosures that concern no stored contact.
    public var disclosures: [[UInt8]: UInt64] = [:]
    /// Contacts by the version of their blind index.
    public var contacts: [UInt32: UInt64] = [:]
    /// Places on the stop list by the version of their blind index.
    public var suppressions: [UInt32: UInt64] = [:]
    /// Releases, which caps count, by the version of their number's blind index.
    public var releases: [UInt32: UInt64] = [:]

    /// What is counted together, because it stands together.
    public enum Subject: CaseIterable, Sendable {
        /// ``records`` and ``disclosureKeys``.
        case records
        /// ``disclosures``.
        case disclosures
        /// ``contacts``, ``suppressions`` and ``releases``.
        case numbers
    }

    /// Nothing.
    public init() {}
}

/// A number that gets another blind index.
public struct StoredNumberMove: Hashable, Sendable {
    /// The index that it has.
    public let from: [UInt8]
    /// The index that it gets.
    public let to: [UInt8]
    /// The version of the key that made that.
    public let version: UInt32

    /// A move.
    public init(from: [UInt8], to: [UInt8], version: UInt32) {
        self.from = from
        self.to = to
        self.version = version
    }
}

/// What an instance has loaded.
public struct StoredInstance: Hashable, Sendable {
    /// Its name in the log.
    public let name: Reference
    /// Epoch of its keyring.
    public let epoch: UInt64
    /// When it said so.
    public let seen: Timestamp

    /// An instance.
    public init(name: Reference, epoch: UInt64, seen: Timestamp) {
        self.name = name
        self.epoch = epoch
        self.seen = seen
    }
}

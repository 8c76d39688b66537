// The rows a store keeps, as values. Byte strings are opaque to the store.

import AccessToken
public import ContactModel

/// Who this vault is.
public struct VaultIdentity: Hashable, Sendable {
    /// The tenant whose contacts it holds.
    public let tenant: TenantID
    /// The token issuer, an absolute https (or, on loopback, http) URL without query or fragment.
    public let issuer: String
    /// Name of the access log: the first line of its checkpoints.
    public let logOrigin: String
    /// When the vault was made.
    public let created: Timestamp

    /// An identity.
    public init(tenant: TenantID, issuer: String, logOrigin: String, created: Timestamp) {
        self.tenant = tenant
        self.issuer = issuer
        self.logOrigin = logOrigin
        self.created = created
    }
}

/// A policy document with its version.
public struct StoredPolicy: Hashable, Sendable {
    /// The version, a hash of its meaning.
    public let version: String
    /// The YAML text.
    public let text: String
    /// Texts of the holiday calendars that it names, by name.
    public let calendars: [String: String]
    /// When it came into force.
    public let applied: Timestamp

    /// A policy.
    public init(version: String, text: String, calendars: [String: String] = [:], applied: Timestamp) {
        self.version = version
        self.text = text
        self.calendars = calendars
        self.applied = applied
    }
}

/// Head of the access log.
public struct LogHead: Hashable, Sendable {
    /// Number of entries.
    public let size: UInt64
    /// Right edge of the tree: 32 bytes for each set bit of `size`.
    public let frontier: [UInt8]
    /// Time of the newest entry; the epoch for an empty log.
    public let lastTime: Timestamp

    /// A head.
    public init(size: UInt64, frontier: [UInt8], lastTime: Timestamp) {
        self.size = size
        self.frontier = frontier
        self.lastTime = lastTime
    }

    /// The head of a log without entries.
    public static let empty = LogHead(size: 0, frontier: [], lastTime: Timestamp(milliseconds: 0))
}

/// The personal parts of an entry, sealed.
public struct StoredDisclosures: Hashable, Sendable {
    /// The contact whose key seals them; `nil` for the vault's general key.
    public let contact: ContactID?
    /// The sealed bytes.
    public let sealed: [UInt8]
    /// Index of the entry before it about the same contact; `nil` if there is none, or no contact.
    public let previous: UInt64?

    /// Disclosures.
    public init(contact: ContactID?, sealed: [UInt8], previous: UInt64? = nil) {
        self.contact = contact
        self.sealed = sealed
        self.previous = previous
    }
}

/// The entries about a contact: each knows the one before it, so that all of them are found from the last.
public struct EntrySequence: Hashable, Sendable {
    /// How many there are.
    public var count: UInt64
    /// Index of the last.
    public var latest: UInt64

    /// A sequence.
    public init(count: UInt64, latest: UInt64) {
        self.count = count
        self.latest = latest
    }
}

/// A contact that must be kept for now, whatever else asks for its erasure.
public struct StoredLegalHold: Hashable, Sendable {
    /// Which contact.
    public let contact: ContactID
    /// The matter: the operator's own opaque name.
    public let reference: Reference
    /// Since when.
    public let since: Timestamp

    /// A hold.
    public init(contact: ContactID, reference: Reference, since: Timestamp) {
        self.contact = contact
        self.reference = reference
        self.since = since
    }
}

/// A complete tile: 256 hashes of one level of the tree (C2SP tlog-tiles).
public struct StoredTile: Hashable, Sendable {
    /// 0 for leaf hashes, then one per factor of 256.
    public let level: UInt8
    /// Position within the level.
    public let index: UInt64
    /// 256 × 32 bytes.
    public let hashes: [UInt8]
    /// The root over them: a hash of the next level.
    public let root: [UInt8]

    /// A tile.
    public init(level: UInt8, index: UInt64, hashes: [UInt8], root: [UInt8]) {
        self.level = level
        self.index = index
        self.hashes = hashes
        self.root = root
    }
}

/// A signed checkpoint.
public struct StoredCheckpoint: Hashable, Sendable {
    /// Tree size it covers.
    public let size: UInt64
    /// Root it states.
    public let root: [UInt8]
    /// The signed note.
    public let note: String
    /// When it was signed.
    public let signed: Timestamp
    /// Whether a quorum of witnesses has cosigned the note.
    public let isWitnessed: Bool

    /// A checkpoint.
    public init(size: UInt64, root: [UInt8], note: String, signed: Timestamp, isWitnessed: Bool = false) {
        self.size = size
        self.root = root
        self.note = note
        self.signed = signed
        self.isWitnessed = isWitnessed
    }
}

/// Entries to append, with what follows from them.
public struct LogBatch: Sendable {
    /// Size of the log before.
    public let first: UInt64
    /// Leaf bytes, in order.
    public let leaves: [[UInt8]]
    /// Sealed disclosures by index.
    public let disclosures: [(index: UInt64, value: StoredDisclosures)]
    /// Tiles that became complete.
    public let tiles: [StoredTile]
    /// The head after.
    public let head: LogHead

    /// A batch.
    public init(
        first: UInt64, leaves: [[UInt8]], disclosures: [(index: UInt64, value: StoredDisclosures)],
        tiles: [StoredTile], head: LogHead
    ) {
        self.first = first
        self.leaves = leaves
        self.disclosures = disclosures
        self.tiles = tiles
        self.head = head
    }
}

/// A contact as it is stored: clear attributes, the sealed record and its index.
public struct StoredContact: Hashable, Sendable {
    /// The contact.
    public let id: ContactID
    /// The borrower's pseudonym.
    public let borrower: Reference
    /// The portfolio that bounds which clients may see it.
    public let portfolio: Reference
    /// All clear attributes as canonical JSON; their digest is sealed into the record (`docs/spec/sealed-record.md`).
    public let attributes: [UInt8]
    /// Generation of the sealed record, from 1.
    public let generation: UInt64
    /// The sealed record, CVE1.
    public let sealed: [UInt8]
    /// The contact's disclosure key, wrapped.
    public let disclosureKey: [UInt8]
    /// Version of the blind-index key.
    public let phoneIndexVersion: UInt32
    /// Blind index of the phone number, 32 bytes.
    public let phoneIndex: [UInt8]
    /// State of the record.
    public var state: RecordState
    /// When the contact said stop; `nil` if it never did.
    public var stopped: Timestamp?
    /// When the record was made.
    public let created: Timestamp
    /// When this generation was written.
    public let updated: Timestamp
    /// The day of the attributes until which it is kept, `YYYY-MM-DD`, to be found by; empty for an erased one.
    public let retainUntil: String

    /// A contact.
    public init(
        id: ContactID, borrower: Reference, portfolio: Reference, attributes: [UInt8], generation: UInt64,
        sealed: [UInt8], disclosureKey: [UInt8], phoneIndexVersion: UInt32, phoneIndex: [UInt8],
        state: RecordState,
        stopped: Timestamp?, created: Timestamp, updated: Timestamp, retainUntil: String = ""
    ) {
        self.id = id
        self.borrower = borrower
        self.portfolio = portfolio
        self.attributes = attributes
        self.generation = generation
        self.sealed = sealed
        self.disclosureKey = disclosureKey
        self.phoneIndexVersion = phoneIndexVersion
        self.phoneIndex = phoneIndex
        self.state = state
        self.stopped = stopped
        self.created = created
        self.updated = updated
        self.retainUntil = retainUntil
    }
}

/// The contact's own consent for one purpose.
public struct StoredConsent: Hashable, Sendable {
    /// Who gave it.
    public let contact: ContactID
    /// For what.
    public let purpose: Purpose
    /// Version of the notice the contact was shown.
    public let notice: Reference
    /// SHA-256 of the evidence, 32 bytes.
    public let evidence: [UInt8]
    /// Agencies that it names; `nil` for every agency that works for the creditor.
    public let recipients: Set<Reference>?
    /// When it was recorded.
    public let given: Timestamp
    /// When it ends, `nil` for never.
    public let expires: Timestamp?
    /// When it was withdrawn, `nil` while it stands.
    public var withdrawn: Timestamp?

    /// A consent.
    public init(
        contact: ContactID, purpose: Purpose, notice: Reference, evidence: [UInt8],
        recipients: Set<Reference>? = nil, given: Timestamp, expires: Timestamp?, withdrawn: Timestamp?
    ) {
        self.recipients = recipients
        self.contact = contact
        self.purpose = purpose
        self.notice = notice
        self.evidence = evidence
        self.given = given
        self.expires = expires
        self.withdrawn = withdrawn
    }
}

/// A client's registration, as canonical JSON that ``ClientRegistration`` reads.
public struct StoredClient: Hashable, Sendable {
    /// The client.
    public let id: Reference
    /// Grows with every change, from 1.
    public let revision: UInt64
    /// The registration.
    public let registration: [UInt8]

    /// A client.
    public init(id: Reference, revision: UInt64, registration: [UInt8]) {
        self.id = id
        self.revision = revision
        self.registration = registration
    }
}

/// A proof or assertion that must not be seen twice.
public struct ProofUse: Hashable, Sendable {
    /// Digest of what identifies it, 32 bytes.
    public let digest: [UInt8]
    /// When it may be forgotten: then it would be refused for its age.
    public let expires: Timestamp

    /// A proof.
    public init(digest: [UInt8], expires: Timestamp) {
        self.digest = digest
        self.expires = expires
    }

    /// The proof of a request.
    init(_ proof: SingleUseProof) { self.init(digest: proof.identifier, expires: proof.expires) }
}

/// Names the use budget of a token for one contact.
public struct TokenUseKey: Hashable, Sendable {
    /// SHA-256 of the token's `jti`, 32 bytes.
    public let token: [UInt8]
    /// The contact.
    public let contact: ContactID
    /// When the token expires: the row may be forgotten then.
    public let expires: Timestamp

    /// By parts that are digests or random.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(token.prefix8)
        hasher.combine(contact)
    }

    /// A key.
    public init(token: [UInt8], contact: ContactID, expires: Timestamp) {
        self.token = token
        self.contact = contact
        self.expires = expires
    }
}

/// Names a delivery that a retry may repeat.
public struct DeliveryKey: Hashable, Sendable {
    /// SHA-256 of the token's `jti`, 32 bytes.
    public let token: [UInt8]
    /// The caller's request id.
    public let request: String
    /// The contact.
    public let contact: ContactID
    /// When the token expires: the row may be forgotten then.
    public let expires: Timestamp

    /// By parts that are digests or random, and the caller's word.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(token.prefix8)
        hasher.combine(request)
    }

    /// A key.
    public init(token: [UInt8], request: String, contact: ContactID, expires: Timestamp) {
        self.token = token
        self.request = request
        self.contact = contact
        self.expires = expires
    }
}

/// A release that was permitted and recorded.
public struct Delivery: Hashable, Sendable {
    /// The release, which is its entry's id.
    public let release: ReleaseID
    /// When it was recorded.
    public let time: Timestamp
    /// Which use of its token it was, from 1.
    public let use: Int64

    /// A delivery.
    public init(release: ReleaseID, time: Timestamp, use: Int64) {
        self.release = release
        self.time = time
        self.use = use
    }
}

/// Names an idempotent request.
public struct IdempotencyKey: Hashable, Sendable {
    /// The client.
    public let client: Reference
    /// SHA-256 of the client's key, 32 bytes.
    public let digest: [UInt8]

    /// A key.
    public init(client: Reference, digest: [UInt8]) {
        self.client = client
        self.digest = digest
    }
}

/// What an idempotent request did.
public struct IdempotentResult: Hashable, Sendable {
    /// Keyed digest of the request body: the same key with another body is an error.
    public let body: [UInt8]
    /// The contact it made.
    public let contact: ContactID
    /// When it may be forgotten.
    public let expires: Timestamp

    /// A result.
    public init(body: [UInt8], contact: ContactID, expires: Timestamp) {
        self.body = body
        self.contact = contact
        self.expires = expires
    }
}

/// When a key version came into a state, by the store's clock. The keyring has no such times, and must not: it is
/// authenticated, and they are only for saying how long a step has to wait.
public struct StoredKeyChange: Hashable, Sendable {
    /// The key's name, such as `token_signing`.
    public let name: String
    /// The key's id, 0 for all but key-encryption keys.
    public let id: UInt32
    /// The version.
    public let version: UInt32
    /// The state's name.
    public let state: String
    /// Since when.
    public let since: Timestamp

    /// A change.
    public init(name: String, id: UInt32, version: UInt32, state: String, since: Timestamp) {
        self.name = name
        self.id = id
        self.version = version
        self.state = state
        self.since = since
    }
}

/// How many things are sealed, indexed or wrapped by a key version.
public struct StoredKeyNeed: Hashable, Sendable {
    /// The key's name, such as `kek`.
    public let name: String
    /// The key's id, 0 for all but key-encryption keys.
    public let id: UInt32
    /// The version.
    public let version: UInt32
    /// How many.
    public let count: UInt64

    /// A need.
    public init(name: String, id: UInt32, version: UInt32, count: UInt64) {
        self.name = name
        self.id = id
        self.version = version
        self.count = count
    }
}

/// A copy of the store that may be put back one day.
public struct StoredBackup: Hashable, Sendable {
    /// Its name: `bk_` and sixteen letters.
    public let id: Reference
    /// When it was made.
    public let made: Timestamp
    /// How many entries its log has at least.
    public let logSize: UInt64
    /// Whether the keyring of then is in it.
    public let hasKeyring: Bool
    /// The key versions that it needs; `nil` while it is being made, and then it may need each.
    public var needs: [StoredKeyNeed]?
    /// Since when it is not there any more, or of no use; `nil` while it counts.
    public var forgotten: Timestamp?

    /// A copy.
    public init(
        id: Reference, made: Timestamp, logSize: UInt64, hasKeyring: Bool, needs: [StoredKeyNeed]?,
        forgotten: Timestamp? = nil
    ) {
        self.id = id
        self.made = made
        self.logSize = logSize
        self.hasKeyring = hasKeyring
        self.needs = needs
        self.forgotten = forgotten
    }
}

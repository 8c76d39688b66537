// Keys as a security admin sees them.

/// One version of a key. Never a secret.
public struct KeyBody: Codable, Sendable {
    /// The key's name, such as `token_signing`.
    public let name: String
    /// Its id; 0 for all but key-encryption keys.
    public let id: UInt32
    /// The version, from 1.
    public let version: UInt32
    /// `pre_active`, `active`, `decrypt_only`, `disabled`, `compromised` or `destroyed`.
    public let state: String
    /// When it was made; RFC 3339.
    public let created: String
    /// Since when it is in its state; RFC 3339.
    public let since: String
    /// The first moment at which its next step is allowed; absent if there is nothing to wait for. RFC 3339.
    public let nextStep: String?
    /// RFC 7638 thumbprint of a signing key.
    public let thumbprint: String?
    /// The least version of a key-encryption key that opens.
    public let floor: UInt32?
    /// The suite of a key-encryption key: `aes256_gcm` or `sm4_hmac_sm3`.
    public let suite: String?

    /// A version.
    public init(
        name: String, id: UInt32, version: UInt32, state: String, created: String, since: String,
        nextStep: String?, thumbprint: String?, floor: UInt32?, suite: String?
    ) {
        self.suite = suite
        self.name = name
        self.id = id
        self.version = version
        self.state = state
        self.created = created
        self.since = since
        self.nextStep = nextStep
        self.thumbprint = thumbprint
        self.floor = floor
    }

    enum CodingKeys: String, CodingKey {
        case name, id, version, state, created, since, thumbprint, floor, suite
        case nextStep = "next_step"
    }
}

/// A key version and what needs it.
public struct KeyNeedsBody: Codable, Sendable {
    /// The version.
    public let key: KeyBody
    /// What needs it, in words with counts; none means that nothing does.
    public let needs: [String]

    /// A version.
    public init(key: KeyBody, needs: [String]) {
        self.key = key
        self.needs = needs
    }
}

/// What an instance has loaded.
public struct InstanceBody: Codable, Sendable {
    /// Its name in the log.
    public let name: String
    /// Epoch of its keyring.
    public let epoch: UInt64
    /// When it said so; RFC 3339.
    public let seen: String

    /// An instance.
    public init(name: String, epoch: UInt64, seen: String) {
        self.name = name
        self.epoch = epoch
        self.seen = seen
    }
}

/// Keys, what needs them, who has loaded them.
public struct KeyReportBody: Codable, Sendable {
    /// Every version.
    public let keys: [KeyNeedsBody]
    /// Epoch of the stored keyring.
    public let epoch: UInt64
    /// Instances that have the store open.
    public let instances: [InstanceBody]
    /// The last job; absent if there was none.
    public let job: KeyJobBody?

    /// A report.
    public init(keys: [KeyNeedsBody], epoch: UInt64, instances: [InstanceBody], job: KeyJobBody?) {
        self.keys = keys
        self.epoch = epoch
        self.instances = instances
        self.job = job
    }
}

/// A job that goes through everything that stands under a kind of key.
public struct KeyJobBody: Codable, Sendable {
    /// Its name, `kj_…`.
    public let job: String
    /// `rewrap`, `reencrypt`, `reindex` or `reseal`.
    public let kind: String
    /// `running`, `paused`, `done` or `cancelled`.
    public let state: String
    /// The version under which it brings what it finds.
    public let version: UInt32
    /// Whether it only counts.
    public let dryRun: Bool
    /// Most records a second; absent for no limit.
    public let rate: UInt32?
    /// How many there were when it began.
    public let total: UInt64
    /// Looked at.
    public let examined: UInt64
    /// Changed, or what would have been.
    public let changed: UInt64
    /// Does not open, and stays as it is.
    public let unreadable: UInt64
    /// Records a second since it was begun or resumed; absent if that cannot be said yet.
    public let perSecond: UInt64?
    /// Seconds until it is done, at that pace; absent if that cannot be said.
    public let remainingSeconds: Int64?
    /// When it was begun; RFC 3339.
    public let created: String
    /// When it was last at work; RFC 3339.
    public let updated: String

    /// A job.
    public init(
        job: String, kind: String, state: String, version: UInt32, dryRun: Bool, rate: UInt32?, total: UInt64,
        examined: UInt64, changed: UInt64, unreadable: UInt64, perSecond: UInt64?, remainingSeconds: Int64?,
        created: String, updated: String
    ) {
        self.job = job
        self.kind = kind
        self.state = state
        self.version = version
        self.dryRun = dryRun
        self.rate = rate
        self.total = total
        self.examined = examined
        self.changed = changed
        self.unreadable = unreadable
        self.perSecond = perSecond
        self.remainingSeconds = remainingSeconds
        self.created = created
        self.updated = updated
    }

    enum CodingKeys: String, CodingKey {
        case job, kind, state, version, rate, total, examined, changed, unreadable, created, updated
        case dryRun = "dry_run"
        case perSecond = "per_second"
        case remainingSeconds = "remaining_seconds"
    }
}

/// 202: the request waits for a second person.
public struct WaitingBody: Codable, Sendable {
    /// What they have to approve, `ap_…`.
    public let approval: String

    /// What waits.
    public init(approval: String) { self.approval = approval }
}

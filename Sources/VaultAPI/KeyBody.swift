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

    /// A version.
    public init(
        name: String, id: UInt32, version: UInt32, state: String, created: String, since: String,
        nextStep: String?, thumbprint: String?, floor: UInt32?
    ) {
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
        case name, id, version, state, created, since, thumbprint, floor
        case nextStep = "next_step"
    }
}

/// A part of the way through all records.
public struct RewrapStepBody: Codable, Sendable {
    /// Records that were looked at.
    public let examined: Int
    /// Records that were brought under the active version.
    public let rewrapped: Int
    /// Records that do not open, and stay as they are.
    public let unreadable: Int
    /// Where to go on; `nil` at the end.
    public let next: String?

    /// A step.
    public init(examined: Int, rewrapped: Int, unreadable: Int, next: String?) {
        self.examined = examined
        self.rewrapped = rewrapped
        self.unreadable = unreadable
        self.next = next
    }
}

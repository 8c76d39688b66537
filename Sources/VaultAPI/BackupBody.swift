// Copies of the store as the register has them.

/// A registered copy.
public struct BackupBody: Codable, Sendable {
    /// A key version that it needs.
    public struct Key: Codable, Sendable {
        /// The key's name, such as `kek`.
        public let name: String
        /// Its id; 0 for all but key-encryption keys.
        public let id: UInt32
        /// The version.
        public let version: UInt32
        /// How many things need it.
        public let count: UInt64

        /// A key version.
        public init(name: String, id: UInt32, version: UInt32, count: UInt64) {
            self.name = name
            self.id = id
            self.version = version
            self.count = count
        }
    }

    /// Its name, `bk_…`.
    public let backup: String
    /// When it was made; RFC 3339.
    public let made: String
    /// Entries of the log in it.
    public let entries: UInt64
    /// Whether the keyring of then is in it.
    public let keyring: Bool
    /// The key versions that it needs; absent while it is being made, or if that was broken off.
    public let keys: [Key]?
    /// Since when it does not count any more; RFC 3339.
    public let forgotten: String?

    /// A copy.
    public init(
        backup: String, made: String, entries: UInt64, keyring: Bool, keys: [Key]?, forgotten: String?
    ) {
        self.backup = backup
        self.made = made
        self.entries = entries
        self.keyring = keyring
        self.keys = keys
        self.forgotten = forgotten
    }
}

// Integers as bytes, most significant first, as every format of the vault writes them.

extension FixedWidthInteger where Self: UnsignedInteger {
    /// All bytes, most significant first.
    package var bigEndianBytes: [UInt8] {
        stride(from: Self.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> $0) }
    }

    /// The number of these bytes, most significant first; 0 for none. Of more bytes than fit, the last ones count.
    package init(bigEndianBytes bytes: some Sequence<UInt8>) {
        self = bytes.reduce(0) { $0 << 8 | Self($1) }
    }
}

// Big-endian integers in byte strings, as every format of the vault writes them.

extension [UInt8] {
    /// Appends an unsigned integer, most significant byte first.
    mutating func append<Integer: FixedWidthInteger & UnsignedInteger>(bigEndian value: Integer) {
        var shift = Integer.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }

    /// Overwrites bytes with an unsigned integer.
    /// - Precondition: the place lies inside.
    mutating func replace<Integer: FixedWidthInteger & UnsignedInteger>(
        at offset: Int, bigEndian value: Integer
    ) {
        let count = Integer.bitWidth / 8
        for index in 0..<count {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> Integer((count - 1 - index) * 8))
        }
    }

    /// Reads an unsigned integer.
    /// - Precondition: the place lies inside; a parser has compared the lengths before.
    func bigEndian<Integer: FixedWidthInteger & UnsignedInteger>(
        at offset: Int, as type: Integer.Type
    ) -> Integer {
        var value: Integer = 0
        for index in offset..<offset + Integer.bitWidth / 8 {
            value = value << 8 | Integer(self[index])
        }
        return value
    }
}

// Padding of field values, so that a ciphertext's length does not tell a mobile number from a landline or a
// short name from a long one.

import ContactModel
import VaultCrypto

/// `length u16 ‖ value ‖ zeros`, to the least of six sizes that holds it.
enum FieldPadding {
    /// The padded sizes in bytes.
    static let sizes = [32, 64, 128, 256, 512, 1024]

    /// The padded size of a value, `nil` if it is longer than ``Limits/fieldBytes``.
    static func size(forValueOf count: Int) -> Int? { sizes.first { $0 >= count + 2 } }

    /// Pads a value.
    /// - Throws: ``EnvelopeError/tooLarge``.
    static func pad(_ value: borrowing SecretBytes) throws(EnvelopeError) -> SecretBytes {
        guard value.count <= Limits.fieldBytes, let size = size(forValueOf: value.count) else {
            throw .tooLarge
        }
        let length = UInt16(value.count)
        return value.reveal { span in
            unsafe SecretBytes(count: size) { (target) throws(Never) in
                unsafe target[0] = UInt8(length >> 8)
                unsafe target[1] = UInt8(truncatingIfNeeded: length)
                for index in span.indices { unsafe target[index + 2] = span[index] }
            }
        }
    }

    /// Takes the padding off.
    /// - Throws: ``EnvelopeError/paddingInvalid`` for a length that does not belong to this size, or a
    ///   padding byte other than zero: either would give one value several plaintexts, and room for a hidden
    ///   channel.
    static func unpad(_ padded: borrowing SecretBytes) throws(EnvelopeError) -> SecretBytes {
        guard sizes.contains(padded.count) else { throw .paddingInvalid }
        let size = padded.count
        let length = try padded.reveal { (span) throws(EnvelopeError) -> Int in
            let length = Int(span[0]) << 8 | Int(span[1])
            guard Self.size(forValueOf: length) == size else { throw .paddingInvalid }
            var rest: UInt8 = 0
            for index in length + 2..<size { rest |= span[index] }
            guard rest == 0 else { throw .paddingInvalid }
            return length
        }
        return padded.copy(2..<length + 2)
    }
}

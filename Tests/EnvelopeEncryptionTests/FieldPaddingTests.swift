// Padding: sizes, and no second plaintext for one value.

import ContactModel
import Testing
import VaultCrypto

@testable import EnvelopeEncryption

@Suite("Field padding")
struct FieldPaddingTests {
    @Test(
        "values go to the least size that holds them",
        arguments: [
            (0, 32), (30, 32), (31, 64), (62, 64), (63, 128), (126, 128), (127, 256), (254, 256), (255, 512),
            (510, 512), (511, 1024), (1022, 1024),
        ])
    func sizes(count: Int, size: Int) throws {
        let value = [UInt8](repeating: 0xEE, count: count)
        let padded = try FieldPadding.pad(SecretBytes(copying: value))
        let bytes = padded.revealBytes()
        #expect(
            bytes == [UInt8(count >> 8), UInt8(count & 255)] + value
                + [UInt8](repeating: 0, count: size - count - 2))
        let unpadded = try FieldPadding.unpad(padded)
        let result = unpadded.revealBytes()
        #expect(result == value)
    }

    @Test("a value one byte too long is refused")
    func tooLong() {
        #expect(throws: EnvelopeError.tooLarge) { () throws in
            _ = try FieldPadding.pad(SecretBytes(copying: [UInt8](repeating: 1, count: 1023)))
        }
    }

    @Test("one bit set in any padding byte is refused")
    func nonZeroPadding() throws {
        let padded = try FieldPadding.pad(SecretBytes(copying: Array("+8613800138000".utf8))).revealBytes()
        for index in 16..<32 {
            for bit in 0..<8 {
                var bytes = padded
                bytes[index] = 1 << UInt8(bit)
                #expect(refusal(bytes) == .paddingInvalid)
            }
        }
    }

    @Test("a length that does not belong to the size is refused")
    func lengths() {
        for (length, size) in [(31, 32), (65535, 32), (30, 64), (0, 64), (1023, 1024), (510, 1024)] {
            var bytes = [UInt8](repeating: 0, count: size)
            bytes.replace(at: 0, bigEndian: UInt16(length))
            #expect(refusal(bytes) == .paddingInvalid)
        }
        for size in [0, 1, 2, 31, 33, 2048] {
            #expect(refusal([UInt8](repeating: 0, count: size)) == .paddingInvalid)
        }
    }

    private func refusal(_ bytes: [UInt8]) -> EnvelopeError? {
        do throws(EnvelopeError) {
            _ = try FieldPadding.unpad(SecretBytes(copying: bytes))
            return nil
        } catch {
            return error
        }
    }
}

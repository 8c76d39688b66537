// Bytes that must not be copied, printed, compared or encoded by accident, and are wiped when they go.

internal import COpenSSL

/// A secret of fixed length with one owner.
///
/// Guarantee: not copyable, no description, no equality, no coding; the memory is overwritten before it is used again.
/// It lies in locked pages that no core dump has, as long as there are any (``SecretMemory``). Reading the bytes takes
/// the word `reveal`, so a search for it lists every place that does.
@safe public struct SecretBytes: ~Copyable, @unchecked Sendable {
    // Sendable holds because the memory is owned by this value alone and never written after an initialiser ends.
    private let block: SecretBlock
    /// Length in bytes.
    public let count: Int

    var base: UnsafeMutableRawPointer { unsafe block.base }

    /// Memory of `count` zero bytes, filled by `fill` before anyone else sees it.
    /// - Throws: what `fill` throws; the memory is wiped then as well.
    public init<E: Error>(
        count: Int, filling fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void
    ) throws(E) {
        block = SecretMemory.allocate(count)
        self.count = count
        try unsafe fill(UnsafeMutableRawBufferPointer(start: block.base, count: count))
    }

    /// A secret that holds a copy of these bytes. The caller's copy is the caller's to forget; no other is made.
    public init(copying bytes: some Collection<UInt8>) {
        self = unsafe SecretBytes(count: bytes.count) { (target) throws(Never) in
            unsafe target.copyBytes(from: bytes)
        }
    }

    deinit { SecretMemory.free(block, count: count) }

    /// Lends the bytes for the length of a call.
    public borrowing func reveal<Result: ~Copyable, E: Error>(
        _ body: (Span<UInt8>) throws(E) -> Result
    ) throws(E) -> Result {
        let bytes = unsafe UnsafeBufferPointer(start: base.assumingMemoryBound(to: UInt8.self), count: count)
        return try body(unsafe bytes.span)
    }

    /// A copy of the bytes in ordinary memory, which nobody wipes: only for bytes that leave the process anyway.
    public borrowing func revealBytes() -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Whether two secrets are equal, in time that depends on their lengths alone.
    public borrowing func isEqualInConstantTime(to other: borrowing SecretBytes) -> Bool {
        guard count == other.count else { return false }
        return unsafe CRYPTO_memcmp(base, other.base, count) == 0
    }

    /// A second secret with a part of these bytes.
    /// - Precondition: the range lies inside.
    public borrowing func copy(_ range: Range<Int>) -> SecretBytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return unsafe SecretBytes(count: range.count) { (target) throws(Never) in
            unsafe target.copyMemory(
                from: UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
        }
    }
}

/// A secret with several holders, such as a key in a keyring that many requests read.
public final class SharedSecret: Sendable {
    /// The secret.
    public let bytes: SecretBytes

    /// Takes over a secret.
    public init(_ bytes: consuming SecretBytes) { self.bytes = bytes }
}

extension [UInt8] {
    /// Whether two byte strings are equal, in time that depends on their lengths alone.
    public func isEqualInConstantTime(to other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        return unsafe CRYPTO_memcmp(self, other, count) == 0
    }
}

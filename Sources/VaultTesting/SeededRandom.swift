// Random bytes that a failed test can be repeated with.

import Foundation
import Synchronization
public import VaultCrypto

/// A repeatable source of bytes, SplitMix64. **Not secure**: whoever sees some output knows all of it. For tests alone.
public final class SeededRandom: RandomSource {
    /// What it began with; the same seed gives the same bytes.
    public let seed: UInt64
    private let state: Mutex<UInt64>

    /// A source that begins with a seed.
    public init(seed: UInt64) {
        self.seed = seed
        state = Mutex(seed)
    }

    /// A source that differs from run to run, and says its seed on standard error.
    public convenience init() {
        self.init(seed: UInt64.random(in: .min ... .max))
        FileHandle.standardError.write(Data("random seed \(seed)\n".utf8))
    }

    /// The next number.
    public func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// The next bytes.
    public func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// The next bytes, as a secret that is none.
    public func secret(_ count: Int) throws(CryptoError) -> SecretBytes {
        SecretBytes(copying: try bytes(count))
    }
}

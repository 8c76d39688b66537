// Where secrets lie: locked pages that no swap and no core dump has, or, when there are none left, ordinary memory.

internal import COpenSSL
internal import Foundation
import Synchronization

/// The memory of every ``SecretBytes`` of this process: OpenSSL's secure heap, cut up by slabs of our own.
///
/// The heap is made when the first secret is, or by ``prepare()``. It is one stretch of pages between two that nobody may
/// touch, left out of core dumps, and locked so that it never reaches swap. OpenSSL keeps its own private keys and the
/// state of its random generators there as well.
///
/// Guarantee: a secret is always given memory, and that memory is wiped before it is used again. If locked memory is used
/// up or forbidden, ordinary memory is given instead and ``state`` says so: no request fails for it.
public enum SecretMemory {
    /// What the memory of secrets is protected by, and how much of it is in use.
    public struct State: Hashable, Sendable {
        /// Whether the pages are locked.
        public let protection: Protection
        /// Size of the secure heap in bytes; 0 if there is none.
        public let heapBytes: Int
        /// Bytes of the heap that live secrets take, rounded up to the slots they have.
        public let bytesInUse: Int
        /// Bytes of live secrets in ordinary memory.
        public let ordinaryBytesInUse: Int
        /// How often a secret was given ordinary memory since the start.
        public let ordinaryAllocations: Int
    }

    /// Whether the heap's pages are locked, and if not, why.
    public enum Protection: Hashable, Sendable {
        /// Locked, between guard pages, and left out of core dumps.
        case locked
        /// Not all of that. Secrets may reach swap.
        case notLocked(Reason)
    }

    /// Why pages are not locked.
    public enum Reason: String, CaseIterable, Hashable, Sendable {
        /// `RLIMIT_MEMLOCK` is lower than the smallest heap, 1 MiB. The heap is there, with the other protections.
        case memoryLockLimit
        /// The system refused one of the protections. The heap is there, with those that it granted.
        case refused
        /// OpenSSL made no heap. All secrets lie in ordinary memory.
        case unavailable
        /// The program that this library is part of made OpenSSL's secure heap before. It is used as it is.
        case madeElsewhere
    }

    /// The state of this moment. Takes a lock for each size of slot: for figures and for tests, not for each request.
    public static var state: State {
        let heap = SecretHeap.shared
        let ordinary = OrdinarySecrets.usage
        return State(
            protection: heap.protection, heapBytes: heap.bytes, bytesInUse: heap.slabs.bytesInUse,
            ordinaryBytesInUse: ordinary.bytes, ordinaryAllocations: ordinary.allocations)
    }

    /// Makes the heap now, before any other thread uses OpenSSL, so that OpenSSL's own keys lie in it as well.
    public static func prepare() { _ = SecretHeap.shared }

    /// Whether a secret's place is free and wiped; `nil` if it is handed out again or given back. For tests.
    package static func isWiped(at address: UInt, count: Int) -> Bool? {
        SecretHeap.shared.slabs.isWiped(at: address, count: count)
    }

    /// Memory of `count` zero bytes, aligned to 16.
    static func allocate(_ count: Int) -> SecretBlock {
        if let block = SecretHeap.shared.slabs.allocate(count) { return block }
        return OrdinarySecrets.allocate(count)
    }

    /// Wipes a block that ``allocate(_:)`` gave for the same count, and takes it back.
    static func free(_ block: SecretBlock, count: Int) {
        switch block.origin {
        case .ordinary: OrdinarySecrets.free(block, count: count)
        default: SecretHeap.shared.slabs.free(block, count: count)
        }
    }
}

/// A piece of memory for one secret.
@safe package struct SecretBlock: @unchecked Sendable {
    // Sendable holds as for any address: who may use the memory is the owner's to know, which is one SecretBytes.

    /// Who takes it back.
    package enum Origin: Equatable, Sendable {
        /// A slot of this slab of the size class.
        case slab(Int32)
        /// A block of the secure heap by itself.
        case heap
        /// Ordinary memory.
        case ordinary
    }

    package let base: UnsafeMutableRawPointer
    package let origin: Origin

    package var address: UInt { unsafe UInt(bitPattern: base) }
}

/// OpenSSL's secure heap of this process.
struct SecretHeap: Sendable {
    static let shared = SecretHeap()

    let protection: SecretMemory.Protection
    let bytes: Int
    let slabs: SecretSlabs

    /// Sizes that are tried, in bytes. OpenSSL wants a power of two.
    ///
    /// - 4 MiB, because a vault with 4,096 waiting requests of six secrets of one slot each needs 1 MiB, and the usual limit
    ///   of 8 MiB leaves room for it.
    /// - Not under 1 MiB, because OpenSSL keeps the state of its random generators here, two for each thread, and refuses
    ///   to work when it finds no room. A limit of 64 KiB would buy a lock on the keys with random numbers that fail, so
    ///   then the whole heap is made and not locked.
    static let sizes = [4 << 20, 2 << 20, 1 << 20]

    /// The smallest block that OpenSSL gives: 32 bytes, a scalar of P-256.
    private static let smallestBlock = 32

    /// What of the heap our secrets may take. The rest is OpenSSL's, which fails where we fall back.
    static func budget(of bytes: Int) -> Int { bytes / 4 * 3 }

    private init() {
        if CRYPTO_secure_malloc_initialized() == 1 {
            // Its size is not known. OpenSSL says when it is used up.
            (protection, bytes) = (.notLocked(.madeElsewhere), 0)
            slabs = SecretSlabs(budget: Self.budget(of: Self.sizes[0]))
            return
        }
        let lockable = Self.sizes.first { Self.canLock($0) }
        let size = lockable ?? Self.sizes[0]
        switch CRYPTO_secure_malloc_init(size, Self.smallestBlock) {
        case 1:
            (protection, bytes) = (.locked, size)
        case 2:
            // The heap is there, and a guard page, the lock or the mark for core dumps is not.
            (protection, bytes) = (.notLocked(lockable == nil ? .memoryLockLimit : .refused), size)
        default:
            ERR_clear_error()
            (protection, bytes) = (.notLocked(.unavailable), 0)
        }
        slabs = SecretSlabs(budget: Self.budget(of: bytes))
    }

    /// Whether so much may be locked now. Asked of the system and not of its limit: who has `CAP_IPC_LOCK` has none, and
    /// what the process has locked already counts.
    private static func canLock(_ bytes: Int) -> Bool {
        let probe = unsafe mmap(nil, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let probe = unsafe probe, unsafe probe != MAP_FAILED else { return false }
        defer { unsafe munmap(probe, bytes) }
        return unsafe mlock(probe, bytes) == 0
    }
}

/// Secrets that found no place in the secure heap: ordinary memory, counted, and wiped as well.
enum OrdinarySecrets {
    private static let bytesInUse = Atomic<Int>(0)
    private static let allocations = Atomic<Int>(0)

    static var usage: (bytes: Int, allocations: Int) {
        (bytesInUse.load(ordering: .relaxed), allocations.load(ordering: .relaxed))
    }

    static func allocate(_ count: Int) -> SecretBlock {
        bytesInUse.add(count, ordering: .relaxed)
        allocations.add(1, ordering: .relaxed)
        let base = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 16)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 1))
        return unsafe SecretBlock(base: base, origin: .ordinary)
    }

    static func free(_ block: SecretBlock, count: Int) {
        unsafe OPENSSL_cleanse(block.base, count)
        unsafe block.base.deallocate()
        bytesInUse.subtract(count, ordering: .relaxed)
    }
}

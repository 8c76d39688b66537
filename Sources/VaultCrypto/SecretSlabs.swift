// Slots of a few sizes, cut from pages of OpenSSL's secure heap.
//
// The heap itself has one lock for all threads and walks a tree for every block. A release makes and frees some ten
// secrets of 32 bytes or little more, so these come from pages that are taken once, and threads take them from different
// pages, so that they seldom wait for each other.

internal import COpenSSL
internal import Foundation
import Synchronization

/// An allocator of secret memory.
///
/// Guarantee: a slot is handed out once until it is given back; what is handed out is zero; what is given back is wiped
/// first. What says which slots are free lies in ordinary memory, not beside the secrets, so that writing past the end of
/// one does not lead the next one astray.
package final class SecretSlabs: Sendable {
    /// Size of a slab in bytes: a page, so that a slab is never half locked.
    package static let slabBytes = 4096
    /// Sizes of slots in bytes. What is greater than the last is a block of the heap by itself.
    package static let slotSizes = [32, 64, 128, 256, 512, 1024]

    /// How many slabs of each size are filled at once, each under a lock of its own: threads take turns in choosing one.
    package static let stripes = 4

    /// The stripes of the first size, then those of the next.
    private let classes: [SizeClass]
    private let heap: HeapShare

    /// An allocator that takes no more than so many bytes of the secure heap.
    package init(budget: Int) {
        heap = HeapShare(budget: budget)
        classes = Self.slotSizes.flatMap { size in
            (0..<Self.stripes).map { _ in SizeClass(slotBytes: size) }
        }
    }

    deinit { for sizeClass in classes { sizeClass.giveBackAll(to: heap) } }

    /// Bytes of the slots and blocks that are handed out.
    package var bytesInUse: Int { classes.reduce(heap.blockBytesInUse) { $0 + $1.bytesInUse } }

    /// Bytes that are taken from the heap: slabs, used or not, and blocks.
    package var bytesTaken: Int { heap.bytesTaken }

    /// Memory of `count` zero bytes; `nil` if the budget or the heap is used up.
    package func allocate(_ count: Int) -> SecretBlock? {
        guard let first = Self.firstClass(of: count) else { return heap.takeBlock(count) }
        let own = ThreadStripe.current
        // Another's only when no slab is left for this one: its pages may have room.
        for offset in 0..<Self.stripes {
            let stripe = (own + offset) % Self.stripes
            guard let slot = classes[first + stripe].allocate(from: heap) else { continue }
            guard let base = unsafe UnsafeMutableRawPointer(bitPattern: slot.address) else { return nil }
            return unsafe SecretBlock(base: base, origin: .slab(Int32(slot.slab * Self.stripes + stripe)))
        }
        return nil
    }

    /// Wipes memory that ``allocate(_:)`` gave for the same count, and takes it back.
    package func free(_ block: SecretBlock, count: Int) {
        switch block.origin {
        case .slab(let slab):
            unsafe OPENSSL_cleanse(block.base, count)
            guard let first = Self.firstClass(of: count) else { preconditionFailure("no slot is as great") }
            let (place, stripe) = Int(slab).quotientAndRemainder(dividingBy: Self.stripes)
            classes[first + stripe].free(block.address, slab: place, to: heap)
        case .heap: heap.giveBackBlock(block, count)
        case .ordinary: preconditionFailure("ordinary memory is not a slab's to take back")
        }
    }

    /// Whether the slot at this address is free and all its bytes are zero; `nil` if it is handed out or in no slab now.
    package func isWiped(at address: UInt, count: Int) -> Bool? {
        guard let first = Self.firstClass(of: count) else { return nil }
        return classes[first..<first + Self.stripes].lazy.compactMap { $0.isWiped(at: address) }.first
    }

    /// The place of the smallest size that so many bytes fit into; `nil` if none does.
    private static func firstClass(of count: Int) -> Int? {
        guard count > slotSizes[0] else { return 0 }
        guard count <= slotSizes[slotSizes.count - 1] else { return nil }
        // The power of two that is not less than count, counted from 32 = 2^5.
        return (Int.bitWidth - (count - 1).leadingZeroBitCount - 5) * stripes
    }
}

/// Which stripe a thread uses. Threads are given them in turn, so that few threads never share one.
private enum ThreadStripe {
    private static let threads = Atomic<Int>(0)
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key, nil)
        precondition(result == 0, "no thread-specific storage left")
        return key
    }()

    static var current: Int {
        // The value is no address: the stripe itself, moved on by one to tell it from none.
        if let known = unsafe pthread_getspecific(key) { return Int(bitPattern: known) - 1 }
        let stripe = threads.add(1, ordering: .relaxed).oldValue % SecretSlabs.stripes
        unsafe pthread_setspecific(key, UnsafeRawPointer(bitPattern: stripe + 1))
        return stripe
    }
}

/// The part of OpenSSL's secure heap that our secrets may take.
private final class HeapShare: Sendable {
    private let budget: Int
    private let taken = Atomic<Int>(0)
    private let inBlocks = Atomic<Int>(0)

    init(budget: Int) { self.budget = budget }

    var bytesTaken: Int { taken.load(ordering: .relaxed) }
    var blockBytesInUse: Int { inBlocks.load(ordering: .relaxed) }

    /// The address of a zeroed slab; `nil` if there is none left.
    func takeSlab() -> UInt? { take(SecretSlabs.slabBytes) }

    /// Gives back a slab whose slots are all wiped.
    func giveBackSlab(_ address: UInt) { giveBack(address, SecretSlabs.slabBytes) }

    func takeBlock(_ count: Int) -> SecretBlock? {
        let size = Self.blockBytes(count)
        guard let address = take(size), let base = unsafe UnsafeMutableRawPointer(bitPattern: address) else {
            return nil
        }
        inBlocks.add(size, ordering: .relaxed)
        return unsafe SecretBlock(base: base, origin: .heap)
    }

    func giveBackBlock(_ block: SecretBlock, _ count: Int) {
        let size = Self.blockBytes(count)
        unsafe OPENSSL_cleanse(block.base, count)
        giveBack(block.address, size)
        inBlocks.subtract(size, ordering: .relaxed)
    }

    /// The heap rounds up to a power of two, so that is what counts.
    private static func blockBytes(_ count: Int) -> Int {
        1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }

    private func take(_ size: Int) -> UInt? {
        guard size <= budget else { return nil }
        guard taken.add(size, ordering: .relaxed).newValue <= budget,
            let base = unsafe CRYPTO_secure_zalloc(size, nil, 0)
        else {
            // The heap may be in pieces though the budget is not used up: OpenSSL has queued an error for it.
            taken.subtract(size, ordering: .relaxed)
            ERR_clear_error()
            return nil
        }
        return UInt(bitPattern: base)
    }

    private func giveBack(_ address: UInt, _ size: Int) {
        unsafe CRYPTO_secure_free(UnsafeMutableRawPointer(bitPattern: address), nil, 0)
        taken.subtract(size, ordering: .relaxed)
    }
}

/// The slabs of one size of slot.
private final class SizeClass: Sendable {
    /// A page and which of its slots are free, a bit each. A slab that was given back has address 0 and no free slot.
    private struct Slab {
        var address: UInt = 0
        var free: (UInt64, UInt64) = (0, 0)
    }

    private struct Slabs {
        var all: [Slab] = []
        /// No slab before this place has a free slot.
        var firstOpen = 0
        /// Slabs with no slot handed out. One is kept, so that a secret more or less does not cost a page each time.
        var idle = 0
        var slotsInUse = 0
    }

    private let slotBytes: Int
    private let allFree: (UInt64, UInt64)
    private let slabs = Mutex(Slabs())

    init(slotBytes: Int) {
        self.slotBytes = slotBytes
        let slots = SecretSlabs.slabBytes / slotBytes
        allFree = slots == 128 ? (.max, .max) : (slots == 64 ? .max : (1 << UInt64(slots)) - 1, 0)
    }

    var bytesInUse: Int { slabs.withLock { $0.slotsInUse } * slotBytes }

    /// A free slot, which is zero; `nil` if the heap's share is used up.
    func allocate(from heap: HeapShare) -> (address: UInt, slab: Int)? {
        slabs.withLock { slabs in
            while slabs.firstOpen < slabs.all.count, slabs.all[slabs.firstOpen].free == (0, 0) {
                slabs.firstOpen += 1
            }
            if slabs.firstOpen == slabs.all.count {
                guard let page = heap.takeSlab() else { return nil }
                let new = Slab(address: page, free: allFree)
                if let vacant = slabs.all.firstIndex(where: { $0.address == 0 }) {
                    slabs.all[vacant] = new
                    slabs.firstOpen = vacant
                } else {
                    slabs.all.append(new)
                }
                slabs.idle += 1
            }
            let place = slabs.firstOpen
            if slabs.all[place].free == allFree { slabs.idle -= 1 }
            let slot: Int
            if slabs.all[place].free.0 != 0 {
                slot = slabs.all[place].free.0.trailingZeroBitCount
                slabs.all[place].free.0 &= slabs.all[place].free.0 &- 1
            } else {
                slot = 64 + slabs.all[place].free.1.trailingZeroBitCount
                slabs.all[place].free.1 &= slabs.all[place].free.1 &- 1
            }
            slabs.slotsInUse += 1
            return (slabs.all[place].address + UInt(slot * slotBytes), place)
        }
    }

    /// Takes back a slot that has been wiped.
    func free(_ address: UInt, slab place: Int, to heap: HeapShare) {
        slabs.withLock { slabs in
            let slot = Int(address - slabs.all[place].address) / slotBytes
            let bit: UInt64 = 1 << UInt64(slot % 64)
            if slot < 64 {
                precondition(slabs.all[place].free.0 & bit == 0, "a slot was given back twice")
                slabs.all[place].free.0 |= bit
            } else {
                precondition(slabs.all[place].free.1 & bit == 0, "a slot was given back twice")
                slabs.all[place].free.1 |= bit
            }
            slabs.slotsInUse -= 1
            slabs.firstOpen = min(slabs.firstOpen, place)
            guard slabs.all[place].free == allFree else { return }
            if slabs.idle == 0 {
                slabs.idle = 1
            } else {
                // Else a burst of one size would keep its pages from all other sizes for good.
                heap.giveBackSlab(slabs.all[place].address)
                slabs.all[place] = Slab()
            }
        }
    }

    func giveBackAll(to heap: HeapShare) {
        slabs.withLock { slabs in
            for slab in slabs.all where slab.address != 0 { heap.giveBackSlab(slab.address) }
            slabs = Slabs()
        }
    }

    func isWiped(at address: UInt) -> Bool? {
        slabs.withLock { slabs in
            let slab = slabs.all.first {
                $0.address != 0 && $0.address <= address
                    && address < $0.address + UInt(SecretSlabs.slabBytes)
            }
            guard let slab else { return nil }
            let slot = Int(address - slab.address) / slotBytes
            let free = slot < 64 ? slab.free.0 : slab.free.1
            guard free & (1 << UInt64(slot % 64)) != 0,
                let base = unsafe UnsafeRawPointer(bitPattern: slab.address + UInt(slot * slotBytes))
            else { return nil }
            return unsafe UnsafeRawBufferPointer(start: base, count: slotBytes).allSatisfy { $0 == 0 }
        }
    }
}

// Where secrets lie and what is left of them: what an attacker who gets a dump, the swap or the memory looks for.

import Foundation
import Testing
import VaultCrypto

@Suite("Secret memory")
struct SecretMemoryTests {
    private static let lengthsToTry = [
        0, 1, 31, 32, 33, 64, 65, 128, 129, 512, 1023, 1024, 1025, 4096, 70_000,
    ]

    private struct Draw {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }

    private static func address(of secret: borrowing SecretBytes) -> UInt {
        secret.reveal { bytes in bytes.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } }
    }

    /// The flags of the mapping that an address lies in.
    private static func mappingFlags(at address: UInt) throws -> [Substring] {
        var isInside = false
        // Read to its end: Foundation takes a file of the size 0, as this says it is, for one page.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
        let text = String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
        for line in text.split(separator: "\n") {
            if let range = line.wholeMatch(of: #/([0-9a-f]+)-([0-9a-f]+) .*/#) {
                let first = try #require(UInt(range.1, radix: 16))
                let end = try #require(UInt(range.2, radix: 16))
                isInside = (first..<end).contains(address)
            } else if isInside, line.hasPrefix("VmFlags:") {
                return line.dropFirst(8).split(separator: " ")
            }
        }
        return []
    }

    @Test("a secret of any length begins as zeros, keeps its bytes and is aligned", arguments: lengthsToTry)
    func lengths(count: Int) {
        let pattern = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
        let secret = SecretBytes(copying: pattern)
        #expect(secret.count == count)
        let bytes = secret.revealBytes()
        #expect(bytes == pattern)
        #expect(Self.address(of: secret) % 16 == 0)
        let zeros = SecretBytes(count: count) { (_) throws(Never) in }
        let begun = zeros.revealBytes()
        #expect(begun == [UInt8](repeating: 0, count: count))
    }

    @Test("a live secret lies in locked pages that no core dump has", arguments: [1, 32, 1000, 5000])
    func isLocked(count: Int) throws {
        let secret = SecretBytes(copying: [UInt8](repeating: 0x5A, count: count))
        let flags = try Self.mappingFlags(at: Self.address(of: secret))
        let state = SecretMemory.state
        guard state.ordinaryBytesInUse == 0 else { return }
        #expect(flags.contains("dd"), "\(flags)")
        #expect(flags.contains("lo") == (state.protection == .locked), "\(state) \(flags)")
    }

    @Test("the state says how much is in use")
    func state() {
        let secrets = (0..<64).map { _ in
            SharedSecret(SecretBytes(copying: [UInt8](repeating: 1, count: 1000)))
        }
        let state = SecretMemory.state
        #expect(state.bytesInUse + state.ordinaryBytesInUse >= 64 * 1000)
        #expect(state.heapBytes == 0 || state.bytesInUse <= state.heapBytes)
        withExtendedLifetime(secrets) {}
    }

    @Test("a secret that is let go leaves nothing in its place", arguments: [1, 32, 33, 200, 1000])
    func isWiped(count: Int) throws {
        let slabs = SecretSlabs(budget: 1 << 16)
        // A second one keeps the slab from being given back to the heap.
        let neighbour = try #require(slabs.allocate(count))
        let block = try #require(slabs.allocate(count))
        block.base.initializeMemory(as: UInt8.self, repeating: 0xC3, count: count)
        let address = UInt(bitPattern: block.base)
        #expect(slabs.isWiped(at: address, count: count) == nil)
        slabs.free(block, count: count)
        #expect(slabs.isWiped(at: address, count: count) == true)
        let again = try #require(slabs.allocate(count))
        #expect(UInt(bitPattern: again.base) == address)
        #expect(UnsafeRawBufferPointer(start: again.base, count: count).allSatisfy { $0 == 0 })
        slabs.free(again, count: count)
        slabs.free(neighbour, count: count)
        #expect(slabs.bytesInUse == 0)
    }

    @Test("SecretBytes gives its memory back wiped, also when filling it fails")
    func deinitWipes() throws {
        struct Failed: Error {}
        // Others use the same slots meanwhile, so it is tried until one is seen before it is handed out again.
        for shallFail in [false, true] {
            var isSeen = false
            let anchor = SecretBytes(copying: [UInt8](repeating: 1, count: 900))
            for _ in 0..<1000 where !isSeen {
                var address: UInt = 0
                do {
                    let secret = try SecretBytes(count: 900) { (target) throws(Failed) in
                        target.initializeMemory(as: UInt8.self, repeating: 0xC3)
                        address = UInt(bitPattern: target.baseAddress)
                        if shallFail { throw Failed() }
                    }
                    #expect(secret.count == 900)
                } catch {}
                guard let isWiped = SecretMemory.isWiped(at: address, count: 900) else { continue }
                #expect(isWiped)
                isSeen = true
            }
            #expect(isSeen || SecretMemory.state.heapBytes == 0)
            #expect(anchor.count == 900)
        }
    }

    @Test("used up, it gives nothing, and gives again when something came back; no page is lost")
    func exhaustion() throws {
        let slabs = SecretSlabs(budget: 4 * SecretSlabs.slabBytes)
        var blocks: [SecretBlock] = []
        while let block = slabs.allocate(32) { blocks.append(block) }
        #expect(blocks.count == 4 * 128)
        #expect(slabs.allocate(64) == nil)
        #expect(slabs.allocate(5000) == nil)
        slabs.free(blocks.removeLast(), count: 32)
        blocks.append(try #require(slabs.allocate(20)))
        for block in blocks { slabs.free(block, count: 32) }
        #expect(slabs.bytesInUse == 0)
        // One idle slab may stay, so that three pages are there for another size. All were of this thread's stripe.
        #expect(slabs.bytesTaken <= SecretSlabs.slabBytes)
        let large = try #require(slabs.allocate(8192))
        #expect(slabs.bytesInUse == 8192)
        slabs.free(large, count: 8192)
        #expect(slabs.allocate(20_000) == nil)
    }

    @Test("when locked memory is used up, secrets lie in ordinary memory, are counted, and come back to it")
    func fallback() {
        let before = SecretMemory.state
        var secrets: [SharedSecret] = []
        for number in 0..<64 {
            secrets.append(
                SharedSecret(SecretBytes(copying: [UInt8](repeating: UInt8(number), count: 70_000))))
        }
        let full = SecretMemory.state
        #expect(full.ordinaryBytesInUse >= 20 * 70_000)
        #expect(full.ordinaryAllocations >= before.ordinaryAllocations + 20)
        #expect(full.heapBytes == 0 || full.bytesInUse <= full.heapBytes / 4 * 3)
        for (number, secret) in secrets.enumerated() {
            #expect(secret.bytes.revealBytes() == [UInt8](repeating: UInt8(number), count: 70_000))
        }
        // OpenSSL has its own part and goes on.
        #expect(throws: Never.self) { try SigningKey(generating: .es256) }
        secrets = []
        let large = SecretBytes(copying: [UInt8](repeating: 1, count: 70_000))
        let after = SecretMemory.state
        #expect(large.count == 70_000)
        #expect(after.ordinaryBytesInUse < full.ordinaryBytesInUse)
        #expect(after.heapBytes == 0 || after.bytesInUse >= 70_000)
    }

    @Test("many threads: no slot is handed out twice, and each begins as zeros")
    func threads() async {
        let seed = UInt64.random(in: .min ... .max)
        print("secret memory, seed \(seed)")
        let slabs = SecretSlabs(budget: 1 << 18)
        let faults = await withTaskGroup(of: Int.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var faults = 0
                    var random = Draw(state: seed &+ UInt64(worker))
                    var held: [(block: SecretBlock, count: Int, mark: UInt8)] = []
                    for _ in 0..<20_000 {
                        if held.count < 64, random.next() % 2 == 0 {
                            let count = [1, 16, 32, 33, 64, 100, 300, 1024, 3000][Int(random.next() % 9)]
                            guard let block = slabs.allocate(count) else { continue }
                            let bytes = UnsafeMutableRawBufferPointer(start: block.base, count: count)
                            if !bytes.allSatisfy({ $0 == 0 }) { faults += 1 }
                            let mark = UInt8(truncatingIfNeeded: random.next() | 1)
                            bytes.initializeMemory(as: UInt8.self, repeating: mark)
                            held.append((block, count, mark))
                        } else if !held.isEmpty {
                            let one = held.remove(at: Int(random.next()) % held.count)
                            let bytes = UnsafeRawBufferPointer(start: one.block.base, count: one.count)
                            if !bytes.allSatisfy({ $0 == one.mark }) { faults += 1 }
                            slabs.free(one.block, count: one.count)
                        }
                    }
                    for one in held { slabs.free(one.block, count: one.count) }
                    return faults
                }
            }
            return await group.reduce(0, +)
        }
        #expect(faults == 0, "seed \(seed)")
        #expect(slabs.bytesInUse == 0)
    }

    @Test("many threads: secrets keep their bytes until they go")
    func secretsOfThreads() async {
        let seed = UInt64.random(in: .min ... .max)
        print("secrets of threads, seed \(seed)")
        let faults = await withTaskGroup(of: Int.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var faults = 0
                    var held: [SharedSecret?] = Array(repeating: nil, count: 32)
                    var random = Draw(state: seed &+ UInt64(worker))
                    for round in 0..<10_000 {
                        let place = Int(random.next()) % held.count
                        if let secret = held[place] {
                            let bytes = secret.bytes.revealBytes()
                            if Set(bytes).count != 1 { faults += 1 }
                        }
                        let mark = UInt8(truncatingIfNeeded: round)
                        held[place] = SharedSecret(
                            SecretBytes(
                                copying: [UInt8](repeating: mark, count: 1 + Int(random.next()) % 200)))
                    }
                    return faults
                }
            }
            return await group.reduce(0, +)
        }
        #expect(faults == 0, "seed \(seed)")
    }
}

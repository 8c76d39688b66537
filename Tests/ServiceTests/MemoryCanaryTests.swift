// What the memory of a service says after its work is done: an attacker who gets it looks for numbers.

import AccessToken
import ContactModel
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

/// Looks through the memory of another process for numbers `+8613800138500` to `+8613800138599`.
///
/// The process has closed its memory to others of the same user, so this takes root.
struct ProcessMemory {
    /// A number that was found.
    struct Finding: CustomStringConvertible {
        let form: String
        let address: UInt
        let mapping: String
        let context: String

        var description: String { "\(form) at \(String(address, radix: 16)) in \(mapping): \(context)" }
    }

    static let numbers = 500..<600
    let processID: Int32

    /// Findings in everything that the process may write to.
    func findings() throws -> [Finding] {
        let memory = open("/proc/\(processID)/mem", O_RDONLY)
        try #require(memory >= 0, "the memory of the service cannot be opened")
        defer { close(memory) }
        var findings: [Finding] = []
        // Read to its end: Foundation takes a file of the size 0, as this says it is, for one page.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/\(processID)/maps"))
        let maps = String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
        for line in maps.split(separator: "\n") {
            let columns = line.split(separator: " ", omittingEmptySubsequences: true)
            let range = columns[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard range.count == 2, columns[1].hasPrefix("rw") else { continue }
            let name = columns.count > 5 ? String(columns[5]) : "anonymous \(columns[0])"
            try scan(range[0]..<range[1], of: memory, named: name, into: &findings)
        }
        return findings
    }

    private func scan(
        _ range: Range<UInt>, of memory: Int32, named name: String, into findings: inout [Finding]
    ) throws {
        // Chunks overlap, so that nothing hides on their seam.
        let (chunk, overlap) = (1 << 20, 64)
        var buffer = [UInt8](repeating: 0, count: chunk)
        var seen: Set<UInt> = []
        for start in stride(from: range.lowerBound, to: range.upperBound, by: chunk - overlap) {
            let wanted = min(chunk, Int(range.upperBound - start))
            let got = buffer.withUnsafeMutableBytes { pread(memory, $0.baseAddress, wanted, off_t(start)) }
            guard got > 0 else { continue }
            buffer.withUnsafeBytes { all in
                let bytes = UnsafeRawBufferPointer(rebasing: all[..<got])
                for (form, offset) in Self.places(in: bytes) where seen.insert(start + UInt(offset)).inserted
                {
                    findings.append(
                        Finding(
                            form: form, address: start + UInt(offset), mapping: name,
                            context: Self.context(bytes, offset)))
                }
            }
        }
    }

    /// Numbers as text, as UTF-16, and as the integers that libphonenumber keeps.
    static func places(in bytes: UnsafeRawBufferPointer) -> [(form: String, offset: Int)] {
        var places: [(String, Int)] = []
        guard let base = bytes.baseAddress, bytes.count >= 32 else { return [] }
        // Most pages are empty: memory that equals itself moved on by a byte is of one value.
        if bytes[0] == 0, memcmp(base, base + 1, bytes.count - 1) == 0 { return [] }
        let digits = Array("138001385".utf8)
        let wide: [UInt8] = digits.flatMap { [$0, 0] as [UInt8] }
        func search(_ pattern: [UInt8], _ found: (Int) -> Void) {
            var from = 0
            while from + pattern.count <= bytes.count,
                let hit = memchr(base + from, Int32(pattern[0]), bytes.count - from)
            {
                let offset = UnsafeRawPointer(hit) - base
                if offset + pattern.count <= bytes.count,
                    pattern.elementsEqual(bytes[offset..<offset + pattern.count])
                {
                    found(offset)
                }
                from = offset + 1
            }
        }
        search(digits) { places.append(("text", $0)) }
        search(wide) { places.append(("UTF-16", $0)) }
        // 13,800,138,500 to …599, little endian: only the lowest two bytes differ, so the next ones are looked for.
        let (low, high) = (UInt64(13_800_138_500), UInt64(13_800_138_599))
        let upper = withUnsafeBytes(of: (low >> 16).littleEndian) { Array($0.prefix(4)) }
        if low >> 16 == high >> 16 {
            search(upper) { offset in
                guard offset >= 2, offset + 6 <= bytes.count else { return }
                let value = bytes.loadUnaligned(fromByteOffset: offset - 2, as: UInt64.self)
                if (low...high).contains(UInt64(littleEndian: value)) {
                    places.append(("integer", offset - 2))
                }
            }
        }
        return places
    }

    private static func context(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> String {
        let shown = bytes[max(0, offset - 48)..<min(bytes.count, offset + 32)]
        return String(
            decoding: shown.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
    }
}

@Suite("Memory of the service")
struct MemoryCanaryTests {
    private static let policy = """
        policy: 1
        name: canary
        limits: none
        jurisdiction: none
        purposes:
          relay.message:
            stages: [call_collection]
            actions: {dial: reveal, display: mask, send_template: seal}
            fields: [name, phone]
            hours: any
            caps: none
            token: {seconds: 300, uses: 100000}
            roles: [collection]
            needs: {}
        """

    @Test("the scan finds what is there: text, UTF-16 and integer")
    func scanFinds() {
        var bytes = [UInt8](repeating: 7, count: 4096)
        bytes.replaceSubrange(100..<114, with: Array("+8613800138517".utf8))
        bytes.replaceSubrange(200..<222, with: Array("13800138542".utf8).flatMap { [$0, 0] as [UInt8] })
        withUnsafeBytes(of: UInt64(13_800_138_599).littleEndian) {
            bytes.replaceSubrange(301..<309, with: $0)
        }
        let places = bytes.withUnsafeBytes { ProcessMemory.places(in: $0) }
        #expect(places.map(\.form) == ["text", "UTF-16", "integer"])
        #expect(places.map(\.offset) == [103, 200, 301])
    }

    @Test(
        "after intake, releases in every form, a stop and rotations, the memory of the service holds no number",
        .enabled(
            if: geteuid() == 0,
            "only root may read the memory of a process that is not dumpable: run this test as root"))
    func noNumberStays() async throws {
        let vault = try ServedVault(policy: Self.policy)
        let sealing = try PrivateEncryptionJWK.generate()
        let key = vault.folder.file("sealing.pub")
        try sealing.publicJWK.json.canonicalText.write(toFile: key, atomically: true, encoding: .utf8)
        try vault.command(
            "client", "add", "sealer-1", "--agency", "acme", "--kind", "gateway", "--role", "collection",
            "--jwk", try Self.publicKey(of: vault, "sealer-1"), "--encryption-jwk", key)
        try vault.start()
        // Taken in by the service itself, over the operator's socket.
        let lines = (500..<540).map { Invented.contact(phone: "+8613800138\($0)", borrower: $0) }
        let contacts = try vault.importContacts(lines)
        #expect(contacts.count == 40)
        let client = try vault.client()
        let sealer = try vault.client("sealer-1")
        func release(
            _ contact: ContactID, _ action: String, by client: VaultClient
        ) async throws -> ReleaseBody {
            let token = try await client.token(
                for: .release(of: contact, action: action, fields: [.name, .phone]))
            return try await client.release(contact, action: #require(Action(action)), token: token)
        }
        func releases() async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, contact) in contacts.enumerated() {
                    group.addTask {
                        let revealed = try await release(contact, "dial", by: client)
                        #expect(revealed.fields["phone"] == "+8613800138\(500 + index)")
                        let masked = try await release(contact, "display", by: client)
                        #expect(masked.form == "mask")
                        let sealed = try await release(contact, "send_template", by: sealer)
                        #expect(sealed.form == "seal")
                    }
                }
                try await group.waitForAll()
            }
        }
        try await releases()
        let suppressed = try CommandLineProgram.run(
            ["contacts", "suppress", "--data", vault.data], input: "+8613800138540\n")
        #expect(suppressed.code == 0, "\(suppressed.messages)")
        _ = try CommandLineProgram.run([
            "contacts", "show", contacts[0].description, "--data", vault.data,
        ])
        try vault.command("keys", "rotate", "token_signing")
        try vault.command("keys", "compromise", "token_signing", "1")
        try vault.command("keys", "rotate", "kek")
        try vault.command("keys", "promote", "kek", "2")
        try vault.command("keys", "rewrap")
        try await releases()
        try await client.shutdown()
        try await sealer.shutdown()

        // Connections close, and what served them is let go, a moment after the last reply.
        let memory = ProcessMemory(processID: try #require(vault.service?.processIdentifier))
        // The scan sees a request that is still being sent: half a header.
        let half = try HalfRequest(port: vault.port, "GET / HTTP/1.1\r\nHost: h\r\nX: +8613800138599")
        var isSeen = false
        for _ in 0..<40 where !isSeen {
            try await Task.sleep(for: .milliseconds(50))
            isSeen = try memory.findings().contains { $0.context.contains("X: +8613800138599") }
        }
        #expect(isSeen)
        half.end()
        var findings = try memory.findings()
        for _ in 0..<40 where !findings.isEmpty {
            try await Task.sleep(for: .milliseconds(250))
            findings = try memory.findings()
        }
        let list = findings.map(\.description).joined(separator: "\n")
        #expect(findings.isEmpty, "\(findings.count) found:\n\(list)")
        vault.stop()
    }

    /// A key pair for a client that the test registers itself; the path of the public half.
    private static func publicKey(of vault: ServedVault, _ name: String) throws -> String {
        let key = try ClientKey.create(path: vault.keyFile(name), algorithm: .es256)
        let path = vault.keyFile(name) + ".pub"
        try key.json.canonicalText.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }
}

/// A connection on which a request has begun and does not end.
private struct HalfRequest {
    private let descriptor: Int32

    init(port: Int, _ text: String) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                connect(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw POSIXError(.ECONNREFUSED) }
        _ = text.withCString { send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
    }

    func end() { close(descriptor) }
}

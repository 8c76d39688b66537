// Looks for personal data in stored bytes the way a thief with a disk would: in every spelling that a careless writer may
// have left behind.

import Foundation
import StrictEncoding
import VaultCrypto

/// Searches bytes and files for strings in many encodings.
///
/// Of each string: UTF-8, UTF-16 in both byte orders, hexadecimal in both cases, base64 and base64url at each of the three
/// alignments, SHA-256 plain, in hexadecimal and base64. Of a number beginning with a plus also: its digits, its last
/// nine digits, its value as an integer in both byte orders, and packed two digits a byte.
public struct PersonalDataScan: Sendable {
    /// A place where a string was found. Does not hold the string.
    public struct Finding: Hashable, Sendable, CustomStringConvertible {
        /// The file, relative to the scanned folder, or the name given for bytes.
        public let place: String
        /// How it was written.
        public let encoding: String
        /// Which of the scan's strings, from 0.
        public let string: Int

        /// The place, the encoding and the position of the string in the list.
        public var description: String { "\(place): string \(string) as \(encoding)" }
    }

    private struct Pattern {
        let string: Int
        let encoding: String
        let bytes: [UInt8]
    }

    /// Shorter patterns turn up in random bytes by chance.
    private static let leastBytes = 5
    private let patterns: [Pattern]

    /// A scan for strings.
    /// - Parameter strings: of three characters or more. Shorter ones are searched in their longer encodings only.
    public init(_ strings: [String]) {
        var patterns: [Pattern] = []
        for (index, string) in strings.enumerated() {
            var spellings = [("text", string)]
            if string.hasPrefix("+") {
                let digits = String(string.filter(\.isNumber))
                spellings.append(("digits", digits))
                spellings.append(("last digits", String(digits.suffix(9))))
                for (name, bytes) in Self.binaryNumbers(digits) {
                    patterns.append(Pattern(string: index, encoding: name, bytes: bytes))
                }
            }
            for (name, spelling) in spellings {
                for (encoding, bytes) in Self.encodings(of: spelling) {
                    patterns.append(Pattern(string: index, encoding: name + " in " + encoding, bytes: bytes))
                }
            }
        }
        self.patterns = patterns.filter { $0.bytes.count >= Self.leastBytes }
    }

    /// Findings in some bytes.
    public func findings(in bytes: [UInt8], named name: String) -> [Finding] {
        patterns.filter { bytes.holds($0.bytes) }.map {
            Finding(place: name, encoding: $0.encoding, string: $0.string)
        }
    }

    /// Findings in all files of a folder and below it, their names included.
    public func findings(inFolder path: String) throws -> [Finding] {
        var findings: [Finding] = []
        for name in try FileManager.default.subpathsOfDirectory(atPath: path).sorted() {
            findings += self.findings(in: Array(name.utf8), named: name)
            // Folders, and files that a store has removed meanwhile, have no contents.
            if let contents = FileManager.default.contents(atPath: path + "/" + name) {
                findings += self.findings(in: Array(contents), named: name)
            }
        }
        return findings
    }

    // MARK: Encodings

    private static func encodings(of text: String) -> [(name: String, bytes: [UInt8])] {
        let utf8 = Array(text.utf8)
        let little = text.utf16.flatMap {
            [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
        }
        let big = text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        let digest = SHA256.hash(utf8)
        var encodings: [(name: String, bytes: [UInt8])] = [("SHA-256", digest)]
        for (name, bytes) in [("UTF-8", utf8), ("UTF-16LE", little), ("UTF-16BE", big)] {
            encodings.append((name, bytes))
            encodings += textEncodings(of: bytes).map { (name + " in " + $0.name, $0.bytes) }
        }
        return encodings + textEncodings(of: digest).map { ("SHA-256 in " + $0.name, $0.bytes) }
    }

    private static func textEncodings(of bytes: [UInt8]) -> [(name: String, bytes: [UInt8])] {
        let hex = Hex.encode(bytes)
        var encodings = [("hex", Array(hex.lowercased().utf8)), ("HEX", Array(hex.uppercased().utf8))]
        for offset in 0..<3 {
            // What stands before and after in the encoded text is not known: only characters that depend on these
            // bytes alone are searched.
            let padded = [UInt8](repeating: 0, count: offset) + bytes
            let known = [0, 2, 3][offset]..<(padded.count * 8 / 6)
            guard !known.isEmpty else { continue }
            encodings.append(("base64+\(offset)", Array(Array(Base64.encode(padded).utf8)[known])))
            encodings.append(("base64url+\(offset)", Array(Array(Base64URL.encode(padded).utf8)[known])))
        }
        return encodings
    }

    private static func binaryNumbers(_ digits: String) -> [(name: String, bytes: [UInt8])] {
        guard let number = UInt64(digits) else { return [] }
        let big = (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }.drop { $0 == 0 }
        let values = digits.utf8.map { $0 - 0x30 }
        func packed(_ values: ArraySlice<UInt8>) -> [UInt8] {
            stride(from: values.startIndex, to: values.endIndex - 1, by: 2).map {
                values[$0] << 4 | values[$0 + 1]
            }
        }
        return [
            ("integer, big-endian", Array(big)), ("integer, little-endian", big.reversed()),
            ("packed digits", packed(values[...])),
            ("packed digits from the second", packed(values.dropFirst())),
        ]
    }
}

extension [UInt8] {
    fileprivate func holds(_ pattern: [UInt8]) -> Bool {
        guard let first = pattern.first else { return false }
        return withUnsafeBytes { all in
            pattern.withUnsafeBytes { part in
                guard let base = all.baseAddress, let wanted = part.baseAddress else { return false }
                var offset = 0
                while offset + part.count <= all.count {
                    let rest = all.count - part.count - offset + 1
                    guard let place = memchr(base + offset, Int32(first), rest) else { return false }
                    if memcmp(place, wanted, part.count) == 0 { return true }
                    offset = UnsafeRawPointer(place) - base + 1
                }
                return false
            }
        }
    }
}

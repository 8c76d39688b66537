// The system's time-zone database (Debian: tzdata), read file by file as zones are asked for.

import Foundation
import Synchronization

/// Zones by name. Each is read once: a new edition of the database counts after a restart.
public final class TimeZoneDatabase: Sendable {
    /// The database of this system.
    public static let system = TimeZoneDatabase()

    private static let keptZones = 1000
    private let folder: String
    private let known = Mutex<[String: TimeZoneRules]>([:])

    /// A database.
    /// - Parameter folder: where its files are.
    public init(folder: String = "/usr/share/zoneinfo") { self.folder = folder }

    /// The rules of a zone; `nil` if the name is not one of a region and a place (or `UTC`), if there is no such file, or if
    /// it does not parse.
    public func zone(_ name: String) -> TimeZoneRules? {
        if let zone = known.withLock({ $0[name] }) { return zone }
        guard Self.isZoneName(name), let file = FileHandle(forReadingAtPath: folder + "/" + name),
            let data = try? file.read(upToCount: TimeZoneFile.longest + 1),
            let table = TimeZoneFile.parse(Array(data))
        else { return nil }
        let zone = TimeZoneRules(name: name, table: table)
        known.withLock { known in
            if known.count >= Self.keptZones { known.removeAll() }
            known[name] = zone
        }
        return zone
    }

    /// Abbreviations such as `CST` name four zones, so they name none. `right/…` counts leap seconds. The name becomes a
    /// path, so it must not leave the folder.
    private static func isZoneName(_ name: String) -> Bool {
        if name == "UTC" { return true }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard name.utf8.count <= 64, (2...3).contains(parts.count), !["right", "posix"].contains(parts[0])
        else {
            return false
        }
        return parts.allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy {
                    (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0)
                        || [0x5F, 0x2B, 0x2D].contains($0)
                }
        }
    }
}

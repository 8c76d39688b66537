// Where the numbers come from: without the machine and the disk they say nothing.

import Foundation

/// The machine of a run.
enum Machine {
    /// Cores and processor.
    static var processor: String {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = text.split(separator: "\n").first { $0.hasPrefix("model name") }
            .flatMap { $0.split(separator: ":").last }.map { $0.trimmingCharacters(in: .whitespaces) }
        return "\(cores) core\(cores == 1 ? "" : "s")" + (model.map { " of \($0)" } ?? "")
    }

    /// The file system of a folder, from the list of mounts. One in memory syncs nothing, and that is said.
    static func fileSystem(of path: String) -> String {
        let path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path + "/"
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        var best: (point: Substring, type: Substring)?
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 2, path.hasPrefix(words[1] == "/" ? "/" : words[1] + "/"),
                words[1].count >= best?.point.count ?? 0
            else { continue }
            best = (words[1], words[2])
        }
        guard let type = best?.type else { return "an unknown file system" }
        return ["tmpfs", "ramfs"].contains(type)
            ? "\(type): IN MEMORY, SYNCS COST NOTHING HERE" : String(type)
    }
}

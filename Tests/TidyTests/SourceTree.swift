// The files of the project, read from where this file was compiled.

import Foundation

/// A file of the tree.
struct SourceFile {
    /// Path from the root, such as `Sources/AccessLog/LogEntry.swift`.
    let path: String
    let text: String
    /// The text split into code and comments; of no meaning where ``isSwift`` is false.
    let swift: SwiftText

    init(path: String, text: String) {
        self.path = path
        self.text = text
        swift = SwiftText(path.hasSuffix(".swift") ? text : "")
    }

    var isSwift: Bool { path.hasSuffix(".swift") }
    /// The folder under `Sources/`, `nil` elsewhere.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }
}

/// The checkout that these tests belong to.
enum SourceTree {
    /// The root, with symbolic links resolved.
    static let root: URL = {
        URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }()

    /// Built, cloned or written by a run: no part of the tree.
    private static func isForeign(_ entry: String) -> Bool {
        [".build", ".git", ".swiftpm", "var"].contains(entry) || entry.hasPrefix(".build-")
    }

    /// Every regular file under the root of at most a mebibyte that is UTF-8.
    static let files: [SourceFile] = {
        var files: [SourceFile] = []
        var folders = [""]
        while let folder = folders.popLast() {
            let url = folder.isEmpty ? root : root.appendingPathComponent(folder)
            let entries = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
            for entry in entries.sorted() where !isForeign(entry) {
                let path = folder.isEmpty ? entry : folder + "/" + entry
                let full = root.appendingPathComponent(path).path
                guard let attributes = try? FileManager.default.attributesOfItem(atPath: full) else {
                    continue
                }
                switch attributes[.type] as? FileAttributeType {
                case .typeDirectory: folders.append(path)
                case .typeRegular:
                    guard let size = attributes[.size] as? Int, size <= 1 << 20,
                        let data = FileManager.default.contents(atPath: full),
                        let text = String(data: data, encoding: .utf8)
                    else { continue }
                    files.append(SourceFile(path: path, text: text))
                default: continue
                }
            }
        }
        return files
    }()

    /// Swift files under a folder.
    static func swiftFiles(under folder: String) -> [SourceFile] {
        files.filter { $0.isSwift && $0.path.hasPrefix(folder + "/") }
    }
}

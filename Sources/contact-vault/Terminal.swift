// Where output goes.

import Foundation

/// Standard output for results, standard error for messages.
enum Terminal {
    /// A line of result.
    static func result(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// A line for whoever watches.
    static func message(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}

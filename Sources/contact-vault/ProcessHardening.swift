// What the program denies to others before it reads a secret: dumps, swap, and what freed memory still says.

import CProcessHardening
import VaultCrypto

/// Hardening of this process.
enum ProcessHardening {
    /// Forbids dumps and makes the memory of secrets. Called first of all, for every command: all but a few hold keys.
    static func begin() {
        let failure = contact_vault_forbid_dumps()
        if failure != 0 { Terminal.message("warning: core dumps could not be forbidden (error \(failure))") }
        SecretMemory.prepare()
    }

    /// What an operator should mend, in the operator's words; nothing if all protections hold.
    static var warnings: [String] {
        var warnings: [String] = []
        if let reason = unlockedReason(SecretMemory.state.protection) {
            warnings.append("keys and numbers may reach swap: \(reason)")
        }
        if contact_vault_heap_is_wiped() == 0 {
            warnings.append("freed memory is not wiped: another library has taken the place of free")
        }
        return warnings
    }

    private static func unlockedReason(_ protection: SecretMemory.Protection) -> String? {
        switch protection {
        case .locked: nil
        case .notLocked(.memoryLockLimit):
            "less than 1 MiB of memory may be locked; raise LimitMEMLOCK (ulimit -l) to 8 MiB"
        case .notLocked(.refused): "the system refused to lock or to guard memory"
        case .notLocked(.unavailable), .notLocked(.madeElsewhere): "there is no secure heap of its own"
        }
    }
}

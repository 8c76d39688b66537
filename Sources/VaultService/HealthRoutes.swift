// Liveness and readiness, on the control listener.

import ContactVault
import Hummingbird
import VaultAPI

/// `/healthz` and `/readyz`.
struct HealthRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        // Empty on purpose: whoever asks learns that the process answers, and no more.
        router.get("/healthz") { _, _ in Response.json(bytes: [0x7B, 0x7D]) }
        router.get("/readyz") { _, _ in
            // A real write: a store that can be read but not written cannot release.
            try await vault.probe()
            return try Response.json(["status": "ready"])
        }
    }
}

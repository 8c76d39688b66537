// Figures for a monitoring system, on the control listener (Prometheus text format 0.0.4). No label comes from outside.

import ContactModel
import ContactVault
import Hummingbird
import NIOCore
import VaultCrypto

/// `/metrics`.
struct MetricsRoutes {
    let vault: Vault

    func add(to router: Router<VaultRequestContext>) {
        router.get("/metrics") { _, _ -> Response in
            let figures = try await vault.figures()
            var text = ""
            func add(_ name: StaticString, _ help: StaticString, _ type: StaticString, _ value: UInt64) {
                text += "# HELP contact_vault_\(name) \(help)\n# TYPE contact_vault_\(name) \(type)\n"
                text += "contact_vault_\(name) \(value)\n"
            }
            add("log_entries", "Entries of the access log.", "gauge", figures.logSize)
            add(
                "log_signed_entries", "Entries under the newest signed checkpoint.", "gauge",
                vault.latestCheckpoint?.size ?? 0)
            add(
                "log_witnessed_entries",
                "Entries under the newest checkpoint that a quorum of witnesses has seen.",
                "gauge", vault.latestWitnessedCheckpoint?.size ?? 0)
            add(
                "log_contradicted", "1 if a witness has seen another log than this: nothing is released.",
                "gauge",
                vault.isContradicted ? 1 : 0)
            add(
                "emergency_releases_total", "Releases that broke the glass.", "counter",
                figures.emergencyReleases)
            add("reviews_open", "Emergency releases that nobody has reviewed.", "gauge", figures.openReviews)
            add("reviews_overdue", "Reviews that are past their time.", "gauge", figures.overdueReviews)
            add("alerts_pending", "Emergency alerts that are not delivered.", "gauge", figures.pendingAlerts)
            add(
                "outcomes_missing", "Releases whose outcome is overdue, at most 1000 counted.", "gauge",
                figures.missingOutcomes)
            let memory = SecretMemory.state
            add(
                "secret_memory_locked", "1 if keys and numbers lie in memory that never reaches swap.",
                "gauge",
                memory.protection == .locked ? 1 : 0)
            add(
                "secret_memory_bytes", "Bytes of the secure heap that secrets take.", "gauge",
                UInt64(memory.bytesInUse))
            add(
                "secret_memory_ordinary_bytes", "Bytes of secrets that found no room in the secure heap.",
                "gauge", UInt64(memory.ordinaryBytesInUse))
            add(
                "secret_memory_ordinary_total",
                "How often a secret found no room in the secure heap.", "counter",
                UInt64(memory.ordinaryAllocations))
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
    }
}

// An emergency release is told to somebody at once: within a second of its entry, again until it is delivered.

import ContactModel
import ContactVault
import ServiceLifecycle
import StrictEncoding

/// Carries an alert to somebody. Throws if it was not taken.
public typealias AlertDelivery = @Sendable (_ json: [UInt8]) async throws -> Void

/// Delivers alerts until the service stops.
struct EmergencyAlerts: Service {
    let vault: Vault
    let log: ServiceLog
    /// Where alerts go; `nil` if the log of the service is all there is.
    let deliver: AlertDelivery?

    private static let longestPause = 60

    func run() async throws {
        var pause = 1
        var wait = 0
        await withGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: .seconds(1)) }
                wait -= 1
                if wait > 0 { continue }
                do {
                    try await deliverAll()
                    (pause, wait) = (1, 0)
                } catch {
                    log.trouble("emergency alert not delivered", error)
                    wait = pause
                    pause = min(pause * 2, Self.longestPause)
                }
            }
        } onGracefulShutdown: {
        }
    }

    private func deliverAll() async throws {
        for review in try await vault.undeliveredAlerts() {
            log.emergency(review.release, review.due)
            try await deliver?(review.alert)
            try await vault.markAlerted([review.release])
        }
    }
}

extension StoredReview {
    /// What an alert says. It names a release, a client and a purpose, and nobody's contact.
    fileprivate var alert: [UInt8] {
        JSONValue.object(
            JSONObject([
                ("event", .string("emergency_release")), ("release", .string(release.description)),
                ("client", .string(client.text)), ("purpose", .string(purpose.text)),
                ("released", .string(opened.description)), ("review_due", .string(due.description)),
            ])
        ).canonicalBytes
    }
}

// Keys of clients that are about to end: said at the start and once a day, while there is time to change them.

import ContactVault
import ServiceLifecycle

/// Warns in the log of the service.
struct KeyWarnings: Service {
    let vault: Vault
    let log: ServiceLog

    func run() async throws {
        await withGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                await warn()
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: .seconds(86_400)) }
            }
        } onGracefulShutdown: {
        }
    }

    private func warn() async {
        do {
            for key in try await vault.endingKeys() { log.keyEnds(of: key.client, at: key.ends) }
        } catch { log.trouble("keys of clients not looked at", error) }
    }
}

// Alerts go to one address, over TLS or on this machine, and count as taken only if the answer says so.

import StrictEncoding
import Testing
import VaultClient

@Suite("Alert webhook")
struct AlertWebhookTests {
    @Test("an alert is posted as JSON, and a success takes it")
    func posted() async throws {
        let server = try ScriptedServer { _, _ in .reply(204) }
        let alert = Array(#"{"event":"emergency_release"}"#.utf8)
        try await AlertWebhook(url: server.endpoint + "/hooks/vault?team=1").post(alert)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.target == "/hooks/vault?team=1")
        #expect(request.body == alert)
        #expect(request.values(of: "Content-Type") == ["application/json"])
        server.stop()
    }

    @Test(
        "an error, a redirect and a lost connection are not taken; a redirect is not followed",
        arguments: [
            400, 302, 500, 0,
        ])
    func notTaken(status: Int) async throws {
        let elsewhere = try ScriptedServer { _, _ in .reply(200) }
        let server = try ScriptedServer { _, _ in
            status == 0 ? .hangUp : .reply(status, headers: [("Location", elsewhere.endpoint + "/")])
        }
        await #expect(throws: (any Error).self) {
            try await AlertWebhook(url: server.endpoint + "/").post([0x7B, 0x7D])
        }
        #expect(!server.requests.isEmpty)
        #expect(elsewhere.requests.isEmpty)
        server.stop()
        elsewhere.stop()
    }

    @Test(
        "plain HTTP to another machine is refused",
        arguments: [
            "http://alerts.example/", "http://127.example/", "ftp://127.0.0.1/", "//127.0.0.1/",
            "https:///path", "",
            "http://127.0.0.1@alerts.example/",
        ])
    func insecure(url: String) {
        #expect(throws: VaultClientError.self) { () throws in _ = try AlertWebhook(url: url) }
    }
}

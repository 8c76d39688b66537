// The address for alerts in the configuration, and the way of an alert from a release to it, with the real executable.

import AccessToken
import ConfigurationFile
import ContactModel
import Foundation
import Testing
import VaultAPI
import VaultClient
import VaultService

@Suite("Alert configuration")
struct AlertConfigurationTests {
    @Test(
        "an address in clear is for this machine alone",
        arguments: [
            ("https://alerts.example/x", true), ("http://127.0.0.1:9/x", true), ("http://[::1]:9/", true),
            ("http://localhost/", true), ("http://alerts.example/", false), ("http://127.example/", false),
            ("ftp://127.0.0.1/", false), ("https://user@alerts.example/", false),
            ("https://a.example/#x", false),
            ("alerts.example", false),
        ])
    func addresses(url: String, isAccepted: Bool) throws {
        let text = "alerts:\n  webhook: \"\(url)\"\n"
        if isAccepted {
            #expect(try ServiceConfiguration(text: text, file: "c.yaml").alertWebhook == url)
        } else {
            let fault = #expect(throws: ConfigurationFault.self) { () throws in
                _ = try ServiceConfiguration(text: text, file: "c.yaml")
            }
            #expect(fault?.line == 2 && fault?.key == "alerts.webhook")
        }
    }

    @Test("an emergency reaches the configured address, and the figures say that a review is open")
    func alert() async throws {
        let vault = try ServedVault(
            policy: """
                policy: 1
                name: emergencies
                limits: none
                jurisdiction: none
                purposes:
                  safety.emergency:
                    stages: [call_collection]
                    actions: {dial: reveal}
                    fields: [phone]
                    hours: any
                    caps: none
                    token: {seconds: 120, uses: 1}
                    roles: [collection]
                    needs: {break_glass: {review_hours: 24}}
                """)
        let contact = try #require(try vault.importContacts([Invented.contact()]).first)
        let port = ServedVault.freePort()
        let listener = Process()
        listener.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        listener.arguments = [
            "-c",
            """
            import http.server, sys
            class Hook(http.server.BaseHTTPRequestHandler):
                def do_POST(self):
                    body = self.rfile.read(int(self.headers['Content-Length']))
                    sys.stdout.write(body.decode() + chr(10)); sys.stdout.flush()
                    self.send_response(204); self.end_headers()
                def log_message(self, *arguments): pass
            http.server.HTTPServer(('127.0.0.1', \(port)), Hook).handle_request()
            """,
        ]
        let output = Pipe()
        listener.standardOutput = output
        try listener.run()
        let file = vault.data + "/contact-vault.yaml"
        let configuration = try String(contentsOfFile: file, encoding: .utf8)
        try (configuration + "alerts:\n  webhook: http://127.0.0.1:\(port)/hook\n").write(
            toFile: file, atomically: true, encoding: .utf8)
        try vault.start()
        let client = try vault.client()
        let details = try AuthorizationDetails.release(
            of: contact, purpose: "safety.emergency", precondition: nil)
        let release = try await client.release(
            contact, action: #require(Action("dial")), token: try await client.token(for: details))
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        listener.waitUntilExit()
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains(release.release) && text.contains("emergency_release"), "\(text)")
        #expect(!text.contains("13800138"))
        let metrics = try URLText.get(vault.addresses.control + "/metrics")
        #expect(metrics.contains("contact_vault_reviews_open 1"), "\(metrics)")
        #expect(metrics.contains("contact_vault_emergency_releases_total 1"))
        try await client.shutdown()
        let closed = try CommandLineProgram.run([
            "review", "close", release.release, "--finding", "justified", "--data", vault.data,
        ])
        #expect(closed.code == 0, "\(closed.messages)")
        vault.stop()
    }
}

/// What `curl` gets.
enum URLText {
    static func get(_ url: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments = ["-s", url]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self)
    }
}

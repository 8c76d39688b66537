// What every request carries besides itself.

import AccessToken
import ContactModel
import Hummingbird
import Logging
import NIOCore
import NIOSSL
import Synchronization
import VaultCrypto

/// The context of a request: its id and Hummingbird's own.
struct VaultRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The caller's `Request-Id` if it was well-formed, else ours. Entries and replies carry it.
    var requestID: Reference
    /// The connection, for the certificate that its client showed; `nil` for a request without one.
    private let channel: (any NIOCore.Channel)?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        requestID = RequestID.placeholder
        channel = source.channel
    }

    /// A context without a connection.
    init(logger: Logger) {
        coreContext = .init(source: WithoutConnection(logger: logger))
        requestID = RequestID.placeholder
        channel = nil
    }

    /// The certificate that the client showed on this connection, if the listener asks for one: its chain leads to the site's
    /// authority, or the handshake would have failed.
    var certificate: ClientCertificate? {
        get async {
            guard let certificate = try? await channel?.nioSSL_peerCertificate().get(),
                let der = try? certificate.toDERBytes()
            else { return nil }
            let names = certificate._subjectAlternativeNames().compactMap { name in
                name.nameType == .dnsName ? String(decoding: name.contents, as: UTF8.self) : nil
            }
            return ClientCertificate(der: der, names: names)
        }
    }

    private struct WithoutConnection: RequestContextSource {
        let logger: Logger
    }

    /// Bodies are bounded by their routes; this bounds what a route forgot.
    var maxUploadSize: Int { Limits.requestBodyBytes }
}

/// Request ids.
enum RequestID {
    /// Stands until the first middleware has run.
    static let placeholder = make()

    /// A UUID of version 4 from the process's generator.
    static func make() -> Reference {
        let bytes = (try? SystemRandom().bytes(16)) ?? [UInt8](repeating: 0, count: 16)
        var text: [UInt8] = []
        let digits = Array("0123456789abcdef".utf8)
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
            var byte = byte
            if index == 6 { byte = byte & 0x0F | 0x40 }
            if index == 8 { byte = byte & 0x3F | 0x80 }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        // 36 characters of the alphabet, never of a forbidden shape: the reference always exists.
        return Reference(String(decoding: text, as: UTF8.self)) ?? fallback
    }

    /// Whether an id of a caller's may be written into the log in clear. Seven digits in a row may be somebody's number;
    /// a UUID has such runs by chance and is none.
    static func isAcceptable(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        if bytes.count == 36, [8, 13, 18, 23].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }) { return true }
        var run = 0
        for byte in bytes {
            run = (0x30...0x39).contains(byte) ? run + 1 : 0
            if run == 7 { return false }
        }
        return true
    }

    private static let fallback: Reference = {
        guard let reference = Reference("request") else { preconditionFailure("a literal reference") }
        return reference
    }()
}

// A client's side of TLS: whom it believes, and what it shows.

import NIOSSL

/// Files for the TLS connections of a client.
public struct ClientTLS: Sendable {
    /// PEM file of the authorities that sign the vault's certificate; `nil` for the system's.
    public var authority: String?
    /// PEM file of the client's certificate chain; `nil` to show none.
    public var certificate: String?
    /// PEM file of the certificate's private key.
    public var key: String?

    /// - Parameters:
    ///   - certificate: with it, the vault binds tokens to the certificate and no request needs a proof (RFC 8705). The
    ///     client has to be registered with its DNS name.
    public init(authority: String? = nil, certificate: String? = nil, key: String? = nil) {
        self.authority = authority
        self.certificate = certificate
        self.key = key
    }

    /// - Throws: ``VaultClientError/certificateUnreadable`` for a file that does not load.
    func configuration() throws(VaultClientError) -> TLSConfiguration {
        // One without the other would silently show nothing.
        guard (certificate == nil) == (key == nil) else { throw .certificateUnreadable }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        do {
            if let authority {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authority))
            }
            if let certificate, let key {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map {
                    .certificate($0)
                }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
            }
        } catch {
            throw .certificateUnreadable
        }
        return configuration
    }
}

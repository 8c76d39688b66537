// One connection of the load generator, plain or over TLS.

import COpenSSLTLS
import Glibc

/// What the generator's TLS connections believe and show.
final class LoadTLS {
    fileprivate let context: OpaquePointer

    /// - Parameters:
    ///   - authority: PEM file of the authority of the service's certificate.
    ///   - certificate: PEM files of a certificate and its key to show; `nil` for none.
    init(authority: String, certificate: (certificate: String, key: String)?) throws {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw BenchFailure.failed("no TLS") }
        self.context = context
        contact_vault_tls_no_auto_retry(context)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        guard SSL_CTX_load_verify_locations(context, authority, nil) == 1 else {
            throw BenchFailure.failed("cannot load \(authority)")
        }
        if let certificate {
            guard SSL_CTX_use_certificate_chain_file(context, certificate.certificate) == 1,
                SSL_CTX_use_PrivateKey_file(context, certificate.key, SSL_FILETYPE_PEM) == 1
            else { throw BenchFailure.failed("cannot load \(certificate.certificate)") }
        }
    }

    deinit { SSL_CTX_free(context) }
}

/// A connected socket.
final class LoadConnection {
    let socket: Int32
    private let tls: OpaquePointer?

    init(port: Int, tls: LoadTLS?) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw BenchFailure.failed("no socket (errno \(errno))") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connecting = socket
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connecting, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(socket)
            throw BenchFailure.failed("no connection to 127.0.0.1:\(port) (errno \(errno))")
        }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        guard let tls else {
            self.tls = nil
            return
        }
        guard let connection = SSL_new(tls.context), SSL_set_fd(connection, socket) == 1,
            SSL_connect(connection) == 1
        else {
            close(socket)
            throw BenchFailure.failed("no TLS handshake with 127.0.0.1:\(port)")
        }
        self.tls = connection
    }

    deinit {
        if let tls { SSL_free(tls) }
        close(socket)
    }

    /// Sends all of a request.
    func send(_ request: [UInt8]) throws {
        var sent = 0
        while sent < request.count {
            let count = request.withUnsafeBytes { bytes -> Int in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
                guard let tls else {
                    return Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                }
                return Int(SSL_write(tls, rest.baseAddress, Int32(rest.count)))
            }
            if tls == nil, count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw BenchFailure.failed("the service closed a connection (errno \(errno))")
            }
            sent += count
        }
    }

    /// Reads what is there, as far as it fits; `nil` if there is nothing yet.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int? {
        guard let tls else {
            let count = recv(socket, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR || errno == EAGAIN { return nil }
            guard count > 0 else { throw BenchFailure.failed("the service closed a connection") }
            return count
        }
        let count = SSL_read(tls, buffer.baseAddress, Int32(clamping: buffer.count))
        if count <= 0, SSL_get_error(tls, count) == SSL_ERROR_WANT_READ { return nil }
        guard count > 0 else { throw BenchFailure.failed("the service closed a connection") }
        return Int(count)
    }

    /// Whether there is more to read without waiting: records that were decrypted already do not show in a poll.
    var hasMore: Bool { tls.map { SSL_pending($0) > 0 } ?? false }
}

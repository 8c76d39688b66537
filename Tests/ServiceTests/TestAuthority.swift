// A certificate authority of a test, made with the openssl program.

import Foundation
import Testing
import VaultTesting

/// Makes certificates in a folder. Their keys are of this run alone.
struct TestAuthority {
    let folder: TemporaryFolder
    private let name: String

    /// PEM file of the authority's own certificate.
    var certificate: String { folder.file(name + ".pem") }

    init(in folder: TemporaryFolder, name: String = "authority") throws {
        self.folder = folder
        self.name = name
        try Self.openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=\(name)", "-keyout", folder.file(name + ".key"), "-out", folder.file(name + ".pem"))
    }

    /// Signs a certificate for a name; the files of the certificate and of its key.
    func issue(_ file: String, names: String) throws -> (certificate: String, key: String) {
        let (key, request, certificate) = (
            folder.file(file + ".key"), folder.file(file + ".csr"), folder.file(file + ".pem")
        )
        let extensions = folder.file(file + ".ext")
        try "subjectAltName=\(names)\n".write(toFile: extensions, atomically: true, encoding: .utf8)
        try Self.openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(file)",
            "-keyout", key, "-out", request)
        try Self.openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", folder.file(name + ".key"),
            "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate)
        return (certificate, key)
    }

    private static func openssl(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(arguments.first ?? "")")
    }
}

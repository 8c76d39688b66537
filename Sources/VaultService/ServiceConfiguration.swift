// What an operator configures: `contact-vault.yaml`. Unknown keys are errors, secrets are never in it.

public import ConfigurationFile
import ContactModel
import Foundation

/// The service's configuration.
public struct ServiceConfiguration: Sendable {
    /// Where collection services connect.
    public var data: Listener
    /// Where health is asked; loopback by default.
    public var control: Listener
    /// The name of this instance in log entries.
    public var instance: String
    /// Where the root key is.
    public var rootKey = RootKeySettings.standard
    /// Where the rows are.
    public var store = StoreSettings.embedded
    /// C2SP tlog-policy with the witnesses of the log; `nil` for none.
    public var witnessPolicy: String?
    /// How often they are asked, seconds.
    public var witnessSeconds = 10
    /// For how many months entries of the log are kept; `nil` for good.
    public var logRetentionMonths: Int?
    /// File in which the log's signer remembers what it signed; `nil` for one in the vault's folder.
    public var signerMemory: String?
    /// URL that emergency alerts are posted to, https or on loopback; `nil` for none.
    public var alertWebhook: String?
    /// Other authorization servers whose tokens are accepted.
    public var trustedIssuers: [TrustedIssuerSettings] = []

    /// One trusted authorization server, before its keys are read.
    public struct TrustedIssuerSettings: Sendable {
        /// Its name in the access log.
        public let name: String
        /// The exact `iss` of its tokens.
        public let issuer: String
        /// Where its keys are.
        public let keys: KeySource
        /// The claim that names the registered client.
        public let clientClaim: String
        /// The claim that has the authorization details.
        public let detailsClaim: String

        /// Where keys are.
        public enum KeySource: Sendable {
            /// In a file, read at the start.
            case file(String)
            /// At an https URL (or http on loopback), fetched when it is needed.
            case url(String)
        }
    }

    /// One address and how it is secured.
    public struct Listener: Sendable {
        /// Host, a name or an address.
        public var host: String
        /// Port; 0 picks one.
        public var port: Int
        /// Certificate chain and key; `nil` for plain HTTP.
        public var tls: TLSFiles?
        /// Whether TLS ends at a proxy in front, so that plain HTTP is served on an address that is not loopback.
        public var isBehindTLSProxy: Bool

        /// A listener.
        public init(host: String, port: Int, tls: TLSFiles? = nil, isBehindTLSProxy: Bool = false) {
            self.host = host
            self.port = port
            self.tls = tls
            self.isBehindTLSProxy = isBehindTLSProxy
        }

        /// Whether the host is this machine alone.
        public var isLoopback: Bool {
            if host == "localhost" { return true }
            // Parsed as an address: 127.example.com is a name, and resolves to anywhere.
            var four = in_addr()
            if unsafe inet_pton(AF_INET, host, &four) == 1 {
                return four.s_addr & in_addr_t(0xFF).littleEndian == 127
            }
            var six = in6_addr()
            guard unsafe inet_pton(AF_INET6, host, &six) == 1 else { return false }
            return unsafe withUnsafeBytes(of: six) { bytes in
                unsafe bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
            }
        }

        /// Reads `HOST:PORT` or `[HOST]:PORT`; `nil` for anything else.
        public static func address(_ text: String) -> (host: String, port: Int)? {
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
                (0...65535).contains(port)
            else { return nil }
            var host = String(text[..<colon])
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            guard !host.isEmpty, !host.contains(" "), !host.contains("/") else { return nil }
            return (host, port)
        }
    }

    /// Paths of PEM files.
    public struct TLSFiles: Sendable {
        /// The certificate chain.
        public var certificate: String
        /// The private key.
        public var key: String
        /// Certificates of the site's own authority for clients, whose tokens may then be bound to their certificates (RFC
        /// 8705); `nil` asks for none.
        public var clientAuthority: String?

        /// Files.
        public init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }
    }

    /// The defaults: plain HTTP on loopback.
    public init() {
        data = Listener(host: "127.0.0.1", port: 8470)
        control = Listener(host: "127.0.0.1", port: 8471)
        instance = "vault-1"
    }

    /// Reads a configuration.
    /// - Throws: `ConfigurationFault` naming file, line and key.
    public init(text: String, file: String) throws(ConfigurationFault) {
        self.init()
        let root = try ConfigurationFile.parse(text: text, file: file)
        if let instance = try root.optionalString("instance") {
            guard !instance.isEmpty, instance.utf8.count <= 64,
                instance.utf8.allSatisfy({
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0)
                        || $0 == 0x2D || $0 == 0x5F
                })
            else { throw root.fault("use letters, digits, - and _, at most 64", key: "instance") }
            self.instance = instance
        }
        if let node = try root.optionalMapping("root_key") { rootKey = try RootKeySettings(node) }
        if let node = try root.optionalMapping("store") { store = try StoreSettings(node) }
        if let alerts = try root.optionalMapping("alerts") {
            let url = try alerts.string("webhook")
            guard Self.isAcceptableURL(url) else {
                throw alerts.fault(
                    "use an https URL, or http on loopback, without user or fragment", key: "webhook")
            }
            alertWebhook = url
        }
        if let log = try root.optionalMapping("log") {
            witnessPolicy = try log.optionalString("witness_policy")
            signerMemory = try log.optionalString("signer_memory")
            if let months = try log.optionalInteger(
                "retention_months", in: Int64(Limits.logRetentionMonths)...1200)
            {
                logRetentionMonths = Int(months)
            }
            if let seconds = try log.optionalInteger("witness_seconds", in: 1...3600) {
                witnessSeconds = Int(seconds)
            }
        }
        if let list = try root.optionalList("trusted_issuers") {
            trustedIssuers = try list.map { (node) throws(ConfigurationFault) in try Self.trustedIssuer(node)
            }
            for name in [trustedIssuers.map(\.name), trustedIssuers.map(\.issuer)]
            where Set(name).count < trustedIssuers.count {
                throw root.fault("two of them have the same name or issuer", key: "trusted_issuers")
            }
        }
        if let node = try root.optionalMapping("data") { try Self.read(&data, node) }
        if let node = try root.optionalMapping("control") { try Self.read(&control, node) }
        try root.finish()
    }

    /// What leaves, or is believed, may only go over TLS or stay on this machine.
    private static func isAcceptableURL(_ text: String) -> Bool {
        guard text.utf8.count <= 1024, let url = URLComponents(string: text), let host = url.host,
            !host.isEmpty,
            url.user == nil, url.password == nil, url.fragment == nil
        else { return false }
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        switch url.scheme {
        case "https": return true
        case "http": return Listener(host: bare, port: 0).isLoopback
        default: return false
        }
    }

    private static func trustedIssuer(
        _ item: ConfigurationNode
    ) throws(ConfigurationFault) -> TrustedIssuerSettings {
        let node = try item.asMapping()
        let name = try node.string("name")
        guard (1...64).contains(name.utf8.count),
            name.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D })
        else { throw node.fault("use lower case letters, digits and -, at most 64", key: "name") }
        let issuer = try node.string("issuer")
        guard isAcceptableURL(issuer) else {
            throw node.fault("use the exact https URL that its tokens have as iss", key: "issuer")
        }
        let source: TrustedIssuerSettings.KeySource
        switch (try node.optionalString("keys_file"), try node.optionalString("keys_url")) {
        case (let file?, nil): source = .file(file)
        case (nil, let url?):
            guard isAcceptableURL(url) else {
                throw node.fault(
                    "use an https URL, or http on loopback, without user or fragment", key: "keys_url")
            }
            source = .url(url)
        default: throw node.fault("give exactly one of keys_file and keys_url")
        }
        return TrustedIssuerSettings(
            name: name, issuer: issuer, keys: source,
            clientClaim: try node.optionalString("client_claim") ?? "client_id",
            detailsClaim: try node.optionalString("details_claim") ?? "authorization_details")
    }

    private static func read(_ listener: inout Listener, _ node: ConfigurationNode) throws(ConfigurationFault)
    {
        if let text = try node.optionalString("listen") {
            guard let address = Listener.address(text) else {
                throw node.fault("write it as host:port, such as 127.0.0.1:8470", key: "listen")
            }
            (listener.host, listener.port) = address
        }
        if let tls = try node.optionalMapping("tls") {
            listener.tls = TLSFiles(
                certificate: try tls.string("certificate"), key: try tls.string("key"),
                clientAuthority: try tls.optionalString("client_authority"))
        }
        if let isBehind = try node.optionalBool("behind_tls_proxy") { listener.isBehindTLSProxy = isBehind }
    }

    /// Whether every listener may be served as configured.
    /// - Throws: ``ServiceError/plainHTTPOutsideLoopback(_:)``.
    public func check() throws(ServiceError) {
        for (name, listener) in [("data", data), ("control", control)]
        where listener.tls == nil && !listener.isLoopback && !listener.isBehindTLSProxy {
            throw .plainHTTPOutsideLoopback(name)
        }
    }

    /// The commented file that `init` writes.
    public static let template = """
        # Configuration of contact-vault. Every key is optional; the values below are the defaults.
        # Keys that are not known are errors. Secrets do not belong in here.

        # The name of this instance in the access log.
        instance: vault-1

        # Where collection services connect. Plain HTTP is served on loopback only: give a certificate for any other
        # address, or say that a proxy in front ends TLS.
        data:
          listen: 127.0.0.1:8470
          # tls:
          #   certificate: /etc/contact-vault/certificate.pem
          #   key: /etc/contact-vault/key.pem
          #   # Your own authority for client certificates: a client that is registered with a certificate name may then
          #   # have its tokens bound to its certificate instead of signing a proof for every request.
          #   client_authority: /etc/contact-vault/client-authority.pem
          # behind_tls_proxy: false

        # Health, figures, policy and approvals. Leave it on loopback.
        control:
          listen: 127.0.0.1:8471

        # Where the root key is: a file of this folder, sealed by a passphrase; a systemd credential; or a PKCS#11 token, whose
        # PIN does not belong in here. Change it with `contact-vault keys root migrate` (see docs/operating.md, "Custody of
        # the root key"): editing this alone opens nothing.
        # root_key:
        #   provider: pkcs11
        #   module: /usr/lib/softhsm/libsofthsm2.so
        #   token: contact-vault
        #   key: root

        # Where the rows are, if not in this folder: a PostgreSQL database, which `contact-vault init --postgres` made. No password
        # here: passfile=, a service file, or a client certificate (see docs/postgresql.md).
        # store:
        #   postgres: "service=vault"

        # Witnesses of the access log: others, elsewhere, who remember how far it was (see docs/operating.md, "Witnesses"). The
        # file is a C2SP tlog-policy with a line `witness NAME KEY URL` for each and a quorum. What a witness contradicts, the
        # vault no longer writes to and releases nothing from. signer_memory is where the signer remembers what it signed:
        # a file on another disk than the vault's, if there is one.
        # log:
        #   witness_policy: /etc/contact-vault/log-policy.txt
        #   witness_seconds: 10
        #   signer_memory: /var/lib/contact-vault-signer/checkpoint
        #   # Entries are kept for good unless this says for how many whole months, 36 or more.
        #   retention_months: 36

        # Where to post an alert when somebody breaks the glass (purposes with break_glass), as JSON: https, or http on
        # loopback. Without it, alerts are in the service's log and in /metrics alone.
        # alerts:
        #   webhook: https://alerts.example/contact-vault

        # Other authorization servers whose tokens are accepted, for registered clients and keys and within the policy.
        # None unless you write one down. keys_file or keys_url: its JWK set, with kid and alg for every key.
        # trusted_issuers:
        #   - name: idp
        #     issuer: https://idp.example
        #     keys_url: https://idp.example/jwks.json
        #     client_claim: client_id
        #     details_claim: authorization_details

        """
}

/// Why the service does not start.
public enum ServiceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A listener would serve plain HTTP to other machines.
    case plainHTTPOutsideLoopback(String)
    /// A certificate or key file does not load; the payload is the path from the configuration.
    case tlsFile(String)
    /// An address cannot be bound.
    case bind

    /// What to do.
    public var description: String {
        switch self {
        case .plainHTTPOutsideLoopback(let name):
            "the \(name) listener is not on loopback and has no TLS: set \(name).tls.certificate and \(name).tls.key, "
                + "or \(name).behind_tls_proxy: true if a proxy in front ends TLS"
        case .tlsFile(let path): "cannot load \(path): it must be a PEM file that this user can read"
        case .bind: "an address cannot be bound: another process has it, or it is not this machine's"
        }
    }
}

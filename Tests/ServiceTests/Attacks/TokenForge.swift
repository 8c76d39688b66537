// A served vault under attack by somebody who has everything but the right to ask: the vault's own signing key, the keys of
// registered clients, and a socket to write any bytes to. So in each case one thing is wrong and all the rest is right, the
// signature included.

import AccessLog
import AccessToken
import ContactModel
import EnvelopeEncryption
import Foundation
import StrictEncoding
import Testing
import VaultAPI
import VaultClient
import VaultCrypto
import VaultTesting

/// One after the other: each keeps a thread busy with a socket, and many at once would starve the clocks of other suites.
@Suite("Attacks", .serialized)
struct Attacks {}

// MARK: Messages

/// JSON members in order with their values as text, so that a test can write what no encoder writes.
struct ForgedObject {
    var members: [(name: String, json: String)]

    var text: String { "{" + members.map { "\"\($0.name)\":\($0.json)" }.joined(separator: ",") + "}" }

    /// The same with one member replaced, added, or with `nil` removed.
    func with(_ name: String, _ json: String?) -> ForgedObject {
        var copy = self
        let index = copy.members.firstIndex { $0.name == name }
        if let json {
            if let index { copy.members[index].json = json } else { copy.members.append((name, json)) }
        } else if let index {
            copy.members.remove(at: index)
        }
        return copy
    }

    /// The same with a member of this name once more, first or last.
    func repeating(
        _ name: String, spelled spelling: String? = nil, _ json: String, first: Bool = false
    ) -> ForgedObject {
        var copy = self
        copy.members.insert((spelling ?? name, json), at: first ? 0 : copy.members.count)
        return copy
    }

    func json(of name: String) -> String { members.first { $0.name == name }?.json ?? "null" }
}

/// A signed message that is good until something in it is changed.
struct ForgedMessage {
    var header: ForgedObject
    var claims: ForgedObject
    var key: SigningKey

    /// The first two segments.
    var input: String {
        Base64URL.encode(Array(header.text.utf8)) + "." + Base64URL.encode(Array(claims.text.utf8))
    }

    /// Signed as it stands.
    func compact() throws -> String { try Self.signed(input, by: key) }

    /// With other bytes for the signature.
    func compact(signature: [UInt8]) -> String { input + "." + Base64URL.encode(signature) }

    /// The signature over the message as it stands.
    func signature() throws -> [UInt8] { try key.sign(Array(input.utf8)) }

    static func signed(_ input: String, by key: SigningKey) throws -> String {
        input + "." + Base64URL.encode(try key.sign(Array(input.utf8)))
    }

    func header(_ name: String, _ json: String?) -> ForgedMessage {
        ForgedMessage(header: header.with(name, json), claims: claims, key: key)
    }

    func claim(_ name: String, _ json: String?) -> ForgedMessage {
        ForgedMessage(header: header, claims: claims.with(name, json), key: key)
    }

    func signed(by key: SigningKey) -> ForgedMessage {
        ForgedMessage(header: header, claims: claims, key: key)
    }
}

/// The signed messages that the service takes, by the place where it takes them.
enum MessageKind: CaseIterable, CustomTestStringConvertible {
    /// `Authorization` of a release.
    case accessToken
    /// `DPoP` of a release.
    case proof
    /// `client_assertion` of a token request.
    case assertion
    /// `DPoP` of a token request.
    case grantProof

    var isGrant: Bool { self == .assertion || self == .grantProof }
    var isProof: Bool { self == .proof || self == .grantProof }

    /// The answer to a bad one (docs/spec/access-token.md, Answers).
    var refusal: Refusal {
        switch self {
        case .accessToken: .invalidToken
        case .proof: .invalidProof
        case .assertion: .invalidClient
        case .grantProof: Refusal(400, "invalid_dpop_proof", isGrant: true)
        }
    }

    /// How the reasons of aggregate entries about it begin.
    var prefix: String {
        switch self {
        case .accessToken: "token."
        case .proof, .grantProof: "proof."
        case .assertion: "client."
        }
    }

    var testDescription: String { "\(self)" }
}

/// A registered client with its private key.
struct Holder {
    let name: String
    let key: PrivateJWK
}

// MARK: Answers

/// An answer that refuses.
struct Refusal {
    let status: Int
    /// The error code of RFC 6749, 6750, 9396 or 9449; the problem type is the same with hyphens.
    let code: String
    /// Whether it is the token endpoint's JSON instead of a problem document.
    var isGrant = false

    init(_ status: Int, _ code: String, isGrant: Bool = false) {
        self.status = status
        self.code = code
        self.isGrant = isGrant
    }

    static let invalidToken = Refusal(401, "invalid_token")
    static let invalidProof = Refusal(401, "invalid_dpop_proof")
    static let invalidClient = Refusal(401, "invalid_client", isGrant: true)
    static let insufficientScope = Refusal(403, "insufficient_scope")
    static let invalidDetails = Refusal(400, "invalid_authorization_details", isGrant: true)

    /// The challenge that must come with it (RFC 6750 §3, RFC 9449 §7.1).
    var challenge: String? {
        switch (isGrant, status, code) {
        case (false, 401, "no_credentials"): "DPoP algs=\"ES256 Ed25519\""
        case (false, 401, _), (false, _, "insufficient_scope"):
            "DPoP algs=\"ES256 Ed25519\", error=\"\(code)\""
        default: nil
        }
    }
}

/// A reply taken apart.
struct RawReply {
    let status: Int
    let fields: [(name: String, value: String)]
    let body: String
    let text: String

    init(_ text: String) {
        self.text = text
        let end = text.range(of: "\r\n\r\n")
        let lines = text[..<(end?.lowerBound ?? text.endIndex)].components(separatedBy: "\r\n")
        status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        fields = lines.dropFirst().compactMap { line in
            line.firstIndex(of: ":").map {
                (
                    line[..<$0].lowercased(),
                    line[line.index(after: $0)...].trimmingCharacters(in: .whitespaces)
                )
            }
        }
        body = end.map { String(text[$0.upperBound...]) } ?? ""
    }

    func field(_ name: String) -> String? { fields.first { $0.name == name.lowercased() }?.value }
    var json: JSONObject? { (try? JSONValue.parse(Array(body.utf8)))?.objectValue }
}

// MARK: The forge

/// A served vault with one contact, and messages for it that are good in every part.
///
/// Each refusal that a test expects is noted, and ``finish(_:)`` stops the service and compares the whole log with the
/// notes: an entry too few is an attack that nobody sees, an entry too many a number that somebody got.
final class TokenForge {
    let vault: ServedVault
    let contact: ContactID
    /// The key that signs access tokens.
    let vaultKey: SigningKey
    let nonces: DPoPNonceAuthority
    /// The client of all messages that name no other.
    let dialer: Holder
    let releasePath: String

    /// Aggregate entries that are due, by reason.
    private var unauthenticated: [String: UInt64] = [:]
    /// Entries that are due, by kind, outcome and reason.
    private var entries: [String: Int] = [:]
    /// Kinds of entry that the forge knows of.
    private static let noted: Set<EntryKind> = [
        .release, .tokenDeny, .tokenIntrospect, .tokenRevoke, .approvalRead, .stopSet, .match,
    ]
    /// The first title seen of each problem type: an answer has one wording.
    private var titles: [String: String] = [:]
    private var requests = 0

    static let tokenPath = "/oauth2/token"
    private static let phone = Invented.phone

    /// Makes a vault and serves it.
    init(policy: String? = nil, prepare: (ServedVault) throws -> Void = { _ in }) throws {
        vault = try ServedVault(policy: policy)
        contact = try #require(try vault.importContacts([Invented.contact()]).first)
        try prepare(vault)
        let root = try RootKeyFile.load(at: vault.data + "/root.key") { throw Sealed() }
        let keyring = try KeyringFile(vault.data + "/keyring").load(root: root)
        vaultKey = keyring.tokenSigningKey
        nonces = DPoPNonceAuthority(keys: keyring.dpopNonceKeys)
        dialer = try Self.holder("dialer-1", of: vault)
        releasePath = "/v1/contacts/\(contact)/actions/dial"
        try vault.start(["--log-level", "debug"])
    }

    private struct Sealed: Error {}

    private static func holder(_ name: String, of vault: ServedVault) throws -> Holder {
        Holder(name: name, key: try ClientKey.load(path: vault.keyFile(name)))
    }

    func holder(_ name: String) throws -> Holder { try Self.holder(name, of: vault) }

    var issuer: String { vault.issuer }
    var now: Timestamp { VaultClient.systemClock() }

    /// A fresh `jti`.
    static func identifier() throws -> String { Base64URL.encode(try SystemRandom().bytes(16)) }

    // MARK: Good messages

    /// An access token as the vault itself signs them, for a release of the contact.
    func token(for holder: Holder? = nil, uses: Int = 1, details: ForgedObject? = nil) throws -> ForgedMessage
    {
        let holder = holder ?? dialer
        let seconds = now.seconds
        return ForgedMessage(
            header: ForgedObject(members: [
                ("alg", "\"ES256\""), ("kid", "\"\(vaultKey.thumbprint)\""), ("typ", "\"at+jwt\""),
            ]),
            claims: ForgedObject(members: [
                ("aud", "\"\(issuer)/v1\""),
                ("authorization_details", "[\((details ?? self.details(uses: uses)).text)]"),
                ("client_id", "\"\(holder.name)\""), ("cnf", "{\"jkt\":\"\(holder.key.thumbprint)\"}"),
                ("exp", "\(seconds + 120)"), ("iat", "\(seconds)"), ("iss", "\"\(issuer)\""),
                ("jti", "\"\(try Self.identifier())\""), ("nbf", "\(seconds)"), ("pol", "\"p1-forged\""),
                ("sub", "\"\(holder.name)\""),
            ]), key: vaultKey)
    }

    /// The details of ``token(for:uses:details:)``.
    func details(uses: Int = 1) -> ForgedObject {
        ForgedObject(members: [
            ("type", "\"contact_access\""), ("actions", "[\"dial\"]"), ("purpose", "\"relay.message\""),
            ("identifier", "\"\(contact)\""), ("case", "\"cs_1\""), ("stage", "\"call_collection\""),
            ("fields", "[\"phone\"]"), ("precondition", "\"unreachable_three_days\""),
            ("actor", "{\"kind\":\"human\",\"id\":\"u_1\"}"), ("max_uses", "\(uses)"),
        ])
    }

    /// A proof for a request.
    /// - Parameter token: the token that the request presents, `nil` for the token endpoint.
    func proof(
        by holder: Holder? = nil, method: String = "POST", path: String, token: String?
    ) throws -> ForgedMessage {
        let holder = holder ?? dialer
        let key = try #require(holder.key.publicJWK.json.objectValue)
        let jwk = ForgedObject(
            members: ["kty", "crv", "x", "y"].compactMap { name in
                key[name].map { (name, $0.canonicalText) }
            })
        var claims = ForgedObject(members: [
            ("jti", "\"\(try Self.identifier())\""), ("htm", "\"\(method)\""),
            ("htu", "\"\(issuer)\(path)\""), ("iat", "\(now.seconds)"),
            ("nonce", "\"\(try nonces.nonce(for: holder.key.thumbprint, now: now))\""),
        ])
        if let token { claims = claims.with("ath", "\"\(Self.hash(token))\"") }
        return ForgedMessage(
            header: ForgedObject(members: [
                ("typ", "\"dpop+jwt\""), ("alg", "\"\(holder.key.key.algorithm.rawValue)\""),
                ("jwk", jwk.text),
            ]), claims: claims, key: holder.key.key)
    }

    /// A client's assertion.
    func assertion(by holder: Holder? = nil) throws -> ForgedMessage {
        let holder = holder ?? dialer
        let seconds = now.seconds
        return ForgedMessage(
            header: ForgedObject(members: [
                ("alg", "\"\(holder.key.key.algorithm.rawValue)\""), ("kid", "\"\(holder.key.thumbprint)\""),
                ("typ", "\"client-authentication+jwt\""),
            ]),
            claims: ForgedObject(members: [
                ("iss", "\"\(holder.name)\""), ("sub", "\"\(holder.name)\""), ("aud", "\"\(issuer)\""),
                ("iat", "\(seconds)"), ("exp", "\(seconds + 60)"), ("nbf", "\(seconds)"),
                ("jti", "\"\(try Self.identifier())\""),
            ]), key: holder.key.key)
    }

    /// A good message of a kind.
    func message(_ kind: MessageKind, for holder: Holder? = nil) throws -> ForgedMessage {
        switch kind {
        case .accessToken: try token(for: holder)
        case .proof: try proof(by: holder, path: releasePath, token: presentedToken(for: holder))
        case .assertion: try assertion(by: holder)
        case .grantProof: try proof(by: holder, path: Self.tokenPath, token: nil)
        }
    }

    /// The token that proofs of the kind ``MessageKind/proof`` go with: one for each holder, with uses enough.
    func presentedToken(for holder: Holder? = nil) throws -> String {
        let holder = holder ?? dialer
        if let known = presented[holder.name] { return known }
        let token = try token(for: holder, uses: 1_000_000).compact()
        presented[holder.name] = token
        return token
    }

    private var presented: [String: String] = [:]

    static func hash(_ token: String) -> String { Base64URL.encode(SHA256.hash(Array(token.utf8))) }

    // MARK: Requests

    /// Sends one request with exactly these fields besides `Host`, `Request-Id` and `Content-Length`.
    func send(
        _ method: String = "POST", _ target: String, _ fields: [(String, String)] = [], body: String = "",
        host: String? = nil, port: Int? = nil, requestID: String? = nil
    ) throws -> RawReply {
        requests += 1
        let identifier = requestID ?? "attack-\(requests)"
        let request =
            "\(method) \(target) HTTP/1.1\r\nHost: \(host ?? "127.0.0.1:\(vault.port)")\r\n"
            + "Request-Id: \(identifier)\r\nContent-Length: \(body.utf8.count)\r\n"
            + fields.map { "\($0.0): \($0.1)\r\n" }.joined() + "\r\n" + body
        let reply = RawReply(try RawHTTP.exchange(port: port ?? vault.port, Array(request.utf8), seconds: 30))
        if reply.status != 0, reply.field("Request-Id") != nil {
            #expect(reply.field("Request-Id") == identifier)
            // Only the public keys may be kept.
            let keeping = target == "/oauth2/jwks" ? "public, max-age=300" : "no-store"
            #expect(reply.field("Cache-Control") == keeping)
        }
        return reply
    }

    /// A release with a token and the proof that goes with it.
    func release(
        _ token: String, proof: String? = nil, by holder: Holder? = nil, path: String? = nil,
        _ fields: [(String, String)] = [], host: String? = nil, requestID: String? = nil
    ) throws -> RawReply {
        let path = path ?? releasePath
        let proof = try proof ?? self.proof(by: holder, path: path, token: token).compact()
        return try send(
            "POST", path, [("Authorization", "DPoP " + token), ("DPoP", proof)] + fields, host: host,
            requestID: requestID)
    }

    /// A token request.
    func grant(
        assertion: String? = nil, proof: String? = nil, details: String? = nil, by holder: Holder? = nil,
        _ fields: [(String, String)] = [], parameters: [(String, String)] = [], host: String? = nil
    ) throws -> RawReply {
        let assertion = try assertion ?? self.assertion(by: holder).compact()
        let proof = try proof ?? self.proof(by: holder, path: Self.tokenPath, token: nil).compact()
        return try send(
            "POST", Self.tokenPath,
            [("Content-Type", "application/x-www-form-urlencoded"), ("DPoP", proof)] + fields,
            body: Self.form(
                [
                    ("grant_type", "client_credentials"),
                    ("client_assertion_type", ClientAssertion.assertionType),
                    ("client_assertion", assertion),
                    ("authorization_details", details ?? "[\(self.details().text)]"),
                ] + parameters), host: host)
    }

    static func form(_ parameters: [(String, String)]) -> String {
        parameters.map { name, value in
            let escaped = value.utf8.map { byte -> String in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."),
                    UInt8(ascii: "_"):
                    String(UnicodeScalar(byte))
                default: "%" + Hex.encode([byte]).uppercased()
                }
            }
            return name + "=" + escaped.joined()
        }.joined(separator: "&")
    }

    /// Presents a message where its kind belongs; all around it is good.
    func present(_ kind: MessageKind, _ compact: String, for holder: Holder? = nil) throws -> RawReply {
        switch kind {
        case .accessToken: try release(compact, by: holder)
        case .proof: try release(presentedToken(for: holder), proof: compact)
        case .assertion: try grant(assertion: compact, by: holder)
        case .grantProof: try grant(proof: compact, by: holder)
        }
    }

    // MARK: Expectations

    /// The positive control: the message is taken, and a number or a token comes back.
    func accept(
        _ kind: MessageKind, _ compact: String, for holder: Holder? = nil, _ what: String = "control",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let reply = try present(kind, compact, for: holder)
        if kind.isGrant {
            expectGranted(reply, what, sourceLocation: sourceLocation)
        } else {
            expectReleased(reply, what, sourceLocation: sourceLocation)
        }
    }

    /// Expects the number, and an entry for it.
    func expectReleased(
        _ reply: RawReply, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(reply.status == 200, "\(what): \(reply.body)", sourceLocation: sourceLocation)
        let phone = reply.json?["fields"]?.objectValue?["phone"]?.stringValue
        #expect(phone == Self.phone, "\(what)", sourceLocation: sourceLocation)
        note(.release, .permit)
    }

    /// Expects a token. A granted token has no entry.
    func expectGranted(
        _ reply: RawReply, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(reply.status == 200, "\(what): \(reply.body)", sourceLocation: sourceLocation)
        let token = reply.json?["access_token"]?.stringValue
        #expect(token?.split(separator: ".").count == 3, "\(what)", sourceLocation: sourceLocation)
    }

    /// The attack: the message is refused as one of its kind, for this fault, and counted for the log.
    func refuse(
        _ kind: MessageKind, _ compact: String, _ fault: String, for holder: Holder? = nil, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let reply = try present(kind, compact, for: holder)
        expect(reply, kind.refusal, "\(kind), \(what)", sourceLocation: sourceLocation)
        count(kind.prefix + fault)
    }

    /// Expects status, code, challenge and wording of a refusal, and nothing else in the reply: no number, no input.
    func expect(
        _ reply: RawReply, _ refusal: Refusal, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let what = "\(what): \(reply.status) \(reply.body)"
        #expect(reply.status == refusal.status, "\(what)", sourceLocation: sourceLocation)
        // RFC 6749 §5.2 wants no challenge for an assertion in the form, RFC 9110 §15.5.2 one for any 401: either will do.
        if !refusal.isGrant {
            #expect(
                reply.field("WWW-Authenticate") == refusal.challenge, "\(what)",
                sourceLocation: sourceLocation)
        }
        #expect(!reply.text.contains("1380013"), "\(what)", sourceLocation: sourceLocation)
        guard let json = reply.json else {
            Issue.record("no JSON: \(what)", sourceLocation: sourceLocation)
            return
        }
        if refusal.isGrant {
            #expect(
                json == JSONObject([("error", .string(refusal.code))]), "\(what)",
                sourceLocation: sourceLocation)
            #expect(
                reply.field("Content-Type") == "application/json", "\(what)", sourceLocation: sourceLocation)
            return
        }
        #expect(
            reply.field("Content-Type") == "application/problem+json", "\(what)",
            sourceLocation: sourceLocation)
        let type = refusal.code.replacingOccurrences(of: "_", with: "-")
        #expect(
            json["type"]?.stringValue == ProblemBody.base + type, "\(what)", sourceLocation: sourceLocation)
        #expect(
            json["status"]?.integerValue == Int64(refusal.status), "\(what)", sourceLocation: sourceLocation)
        #expect(
            json["instance"]?.stringValue == reply.field("Request-Id"), "\(what)",
            sourceLocation: sourceLocation)
        // One wording for each type, so no fault and no input can be read out of it.
        let members: Set<String> =
            refusal.code == "use_dpop_nonce"
            ? ["type", "title", "status", "instance", "detail"] : ["type", "title", "status", "instance"]
        #expect(Set(json.keys) == members, "\(what)", sourceLocation: sourceLocation)
        let title = json["title"]?.stringValue ?? ""
        #expect(title == titles[type, default: title], "\(what)", sourceLocation: sourceLocation)
        titles[type] = title
    }

    /// Notes a refusal that nobody can be named for.
    func count(_ reason: String) { unauthenticated[reason, default: 0] += 1 }

    /// Notes an entry.
    func note(_ kind: EntryKind, _ outcome: EntryOutcome, _ reason: String? = nil, times: Int = 1) {
        entries[Self.name(kind, outcome, reason), default: 0] += times
    }

    private static func name(_ kind: EntryKind, _ outcome: EntryOutcome, _ reason: String?) -> String {
        "\(kind.rawValue) \(outcome.rawValue) \(reason ?? "")"
    }

    // MARK: The end

    /// Stops the service and compares its log with what was noted.
    /// - Parameters:
    ///   - ignoring: beginnings of aggregates' reasons that the test looks at itself.
    ///   - kinds: kinds of entry that it looks at itself.
    /// - Returns: every entry.
    @discardableResult
    func finish(
        ignoring: [String] = [], except kinds: Set<EntryKind> = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [(body: LogEntryBody, entry: LogEntry)] {
        // Nothing so far has made the service stumble.
        expectReleased(
            try release(try token().compact()), "after the attack", sourceLocation: sourceLocation)
        #expect(vault.stop() == 0, sourceLocation: sourceLocation)
        let all = try vault.entries()
        let aggregates = all.map(\.entry).filter { $0.kind == .unauthenticated }
        var counts: [String: UInt64] = [:]
        var number: [String: Int] = [:]
        for aggregate in aggregates {
            let reason = aggregate.reason?.text ?? ""
            counts[reason, default: 0] += aggregate.count ?? 0
            number[reason, default: 0] += 1
        }
        for prefix in ignoring { counts = counts.filter { !$0.key.hasPrefix(prefix) } }
        #expect(counts == unauthenticated, sourceLocation: sourceLocation)
        // One entry for a reason and a minute: whole minutes that were served, and the last.
        let starts = all.map(\.entry).filter { $0.kind == .serviceStart }
        let first = starts.first?.time.milliseconds ?? 0
        let last = all.last?.entry.time.milliseconds ?? 0
        let most = Int((last - first) / 60_000) + starts.count
        for (reason, count) in number {
            #expect(count <= most, "\(reason)", sourceLocation: sourceLocation)
        }
        var found: [String: Int] = [:]
        for (_, entry) in all where Self.noted.subtracting(kinds).contains(entry.kind) {
            found[Self.name(entry.kind, entry.outcome, entry.reason?.text), default: 0] += 1
        }
        let due = entries.filter { due in !kinds.contains { due.key.hasPrefix($0.rawValue + " ") } }
        #expect(found == due, sourceLocation: sourceLocation)
        let verified = try vault.verifyLog()
        #expect(verified.code == 0, "\(verified.messages)", sourceLocation: sourceLocation)
        // What the service says about all this holds no number.
        let log = Array(try Data(contentsOf: URL(fileURLWithPath: vault.serviceLog)))
        let scan = PersonalDataScan([Self.phone, Invented.name])
        #expect(scan.findings(in: log, named: "service log") == [], sourceLocation: sourceLocation)
        return all
    }
}

/// A port on which nobody should call.
final class SilentListener {
    let port: Int
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = bind(descriptor, generic, length)
                _ = getsockname(descriptor, generic, &length)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard port != 0, listen(descriptor, 16) == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    }

    deinit { close(descriptor) }

    /// Whether anybody has connected.
    var wasCalled: Bool {
        let caller = accept(descriptor, nil, nil)
        guard caller >= 0 else { return false }
        close(caller)
        return true
    }
}

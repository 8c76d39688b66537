// A vault, a client and an attacker who can write any header and payload they like.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

/// The refusal of a call, or `nil` if it succeeded. Keeps typed throws out of `#expect(throws:)`.
func refusal(_ body: () throws -> Void) -> TokenError? {
    do {
        try body()
        return nil
    } catch let error as TokenError {
        return error
    } catch {
        Issue.record("an error of another type: \(error)")
        return nil
    }
}

/// Parses JSON that a test wrote.
func json(_ text: String) throws -> JSONValue { try JSONValue.parse(Array(text.utf8)) }

/// JSON members in order, so that a test can write members twice or with values that no encoder writes.
struct RawObject {
    var members: [(name: String, json: String)]

    var text: String { "{" + members.map { "\"\($0.name)\":\($0.json)" }.joined(separator: ",") + "}" }

    /// The same with one member replaced, added, or with `nil` removed.
    func with(_ name: String, _ json: String?) -> RawObject {
        var copy = self
        let index = copy.members.firstIndex { $0.name == name }
        if let json {
            if let index { copy.members[index].json = json } else { copy.members.append((name, json)) }
        } else if let index {
            copy.members.remove(at: index)
        }
        return copy
    }

    /// The same with one member twice.
    func repeating(_ name: String) -> RawObject {
        var copy = self
        if let member = members.first(where: { $0.name == name }) { copy.members.append(member) }
        return copy
    }
}

/// A compact JWS over any texts.
func forge(header: String, payload: String, key: SigningKey) throws -> String {
    let input = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(payload.utf8))
    return input + "." + Base64URL.encode(try key.sign(Array(input.utf8)))
}

/// A vault's issuer, one registered client, and the moment at which tests happen.
struct Fixture {
    static let issuerURL = "https://vault.example"
    static let audience = "https://vault.example/v1"
    static let tokenPath = "/oauth2/token"
    static let contact = ContactID(bytes: Array(1...16))!
    static let otherContact = ContactID(bytes: Array(2...17))!

    let now = Timestamp(milliseconds: 1_767_225_600_500)
    let issuerKey: SigningKey
    let clientKey: PrivateJWK
    let issuer: TokenIssuer
    let tokens: TokenVerifier
    let nonces: DPoPNonceAuthority
    let proofs: DPoPVerifier
    let access: AccessVerifier
    let client: RegisteredClient

    init(_ algorithm: SignatureAlgorithm = .es256) throws {
        issuerKey = try SigningKey(generating: algorithm)
        clientKey = PrivateJWK(try SigningKey(generating: algorithm))
        issuer = TokenIssuer(issuer: Self.issuerURL, audience: Self.audience, key: issuerKey)
        tokens = TokenVerifier(
            issuer: Self.issuerURL, audience: Self.audience, keys: [issuerKey.verificationKey])
        nonces = DPoPNonceAuthority(keys: [
            SharedSecret(SecretBytes(copying: [UInt8](repeating: 7, count: 32)))
        ])
        proofs = DPoPVerifier(origin: try #require(ExternalOrigin("https://vault.example")), nonces: nonces)
        access = AccessVerifier(tokens: tokens, proofs: proofs)
        client = try Self.client(keys: [clientKey.publicJWK])
    }

    static func client(
        keys: [PublicJWK], roles: Set<Role> = [.collection], suspended: Bool = false,
        portfolios: Set<Reference> = [], purposes: Set<Purpose> = []
    ) throws -> RegisteredClient {
        RegisteredClient(
            id: try #require(Reference("dialer-1")), agency: try #require(Reference("ag_north")),
            kind: .gateway,
            roles: roles, keys: keys, portfolios: portfolios, purposes: purposes, isSuspended: suspended)
    }

    static func details(_ selection: ContactSelection = .one(contact)) throws -> AuthorizationDetails {
        .contactAccess(
            try ContactAccessDetails(
                action: try #require(Action("dial")), purpose: try #require(Purpose("relay.message")),
                selection: selection, caseReference: try #require(Reference("cs_1")), stage: .callCollection,
                fields: [.phone], precondition: .unreachableThreeDays,
                actor: Actor(kind: .human, id: try #require(Reference("u_1"))), maximumUses: 1))
    }

    func token(_ details: AuthorizationDetails? = nil, seconds: Int64 = 120) throws -> IssuedToken {
        try issuer.issue(
            to: client.id, details: try details ?? Self.details(),
            confirmation: .proofKey(clientKey.thumbprint),
            policyVersion: "p1-abc", seconds: seconds, now: now, random: SystemRandom())
    }

    /// The header of a good access token.
    var header: RawObject {
        RawObject(members: [
            ("typ", "\"at+jwt\""), ("alg", "\"\(issuerKey.algorithm.rawValue)\""),
            ("kid", "\"\(issuerKey.thumbprint)\""),
        ])
    }

    /// The claims of a good access token.
    var claims: RawObject {
        RawObject(members: [
            ("iss", "\"\(Self.issuerURL)\""), ("sub", "\"dialer-1\""), ("client_id", "\"dialer-1\""),
            ("aud", "\"\(Self.audience)\""), ("iat", "1767225600"), ("nbf", "1767225600"),
            ("exp", "1767225720"), ("jti", "\"AAECAwQFBgcICQoLDA0ODw\""), ("pol", "\"p1-abc\""),
            ("cnf", "{\"jkt\":\"\(clientKey.thumbprint)\"}"),
            ("authorization_details", "[\(Self.accessObject.text)]"),
        ])
    }

    /// A good `contact_access` object.
    static var accessObject: RawObject {
        RawObject(members: [
            ("type", "\"contact_access\""), ("actions", "[\"dial\"]"), ("purpose", "\"relay.message\""),
            ("identifier", "\"\(contact.description)\""), ("case", "\"cs_1\""),
            ("stage", "\"call_collection\""),
            ("fields", "[\"phone\"]"), ("precondition", "\"unreachable_three_days\""),
            ("actor", "{\"kind\":\"human\",\"id\":\"u_1\"}"), ("max_uses", "1"),
        ])
    }

    /// Why the verifier refuses a forged token; `nil` if it accepts.
    func refusalOfToken(
        header: RawObject? = nil, claims: RawObject? = nil, key: SigningKey? = nil
    ) throws -> TokenError? {
        let token = try forge(
            header: (header ?? self.header).text, payload: (claims ?? self.claims).text, key: key ?? issuerKey
        )
        return refusal(token)
    }

    func refusal(_ token: String) -> TokenError? {
        AccessTokenTests.refusal { _ = try tokens.verify(Array(token.utf8), now: now) }
    }

    func nonce() throws -> String { try nonces.nonce(for: clientKey.thumbprint, now: now) }
}

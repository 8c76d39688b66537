// Requests with credentials: stolen tokens, proofs of other requests, one JWT in place of another.

import ContactModel
import StrictEncoding
import Testing
import VaultCrypto

@testable import AccessToken

@Suite("Access to protected resources")
struct AccessVerifierTests {
    let fixture: Fixture
    let token: String

    init() throws {
        fixture = try Fixture()
        token = try fixture.token().compact
    }

    static let path = "/v1/contacts/\(Fixture.contact.description)/actions/dial"

    func proof(
        method: String = "POST", path: String = Self.path, token: String?, key: PrivateJWK? = nil,
        nonce: String? = nil, now: Timestamp? = nil
    ) throws -> String {
        try DPoPProof.make(
            method: method, url: "https://vault.example" + path, nonce: try nonce ?? fixture.nonce(),
            accessToken: token, key: key ?? fixture.clientKey, identifier: "p-1", now: now ?? fixture.now)
    }

    func verify(
        _ authorization: [String], _ dpop: [String], method: String = "POST", path: String = Self.path,
        now: Timestamp? = nil
    ) throws(TokenError) -> VerifiedAccess {
        try fixture.access.verify(
            authorization: authorization, dpop: dpop, method: method, path: path, now: now ?? fixture.now)
    }

    func refused(
        _ authorization: [String], _ dpop: [String], method: String = "POST", path: String = Self.path,
        now: Timestamp? = nil
    ) -> TokenError? {
        refusal { _ = try verify(authorization, dpop, method: method, path: path, now: now) }
    }

    @Test("A token and its proof give access to what the token says", arguments: SignatureAlgorithm.allCases)
    func good(algorithm: SignatureAlgorithm) throws {
        let fixture = try Fixture(algorithm)
        let token = try fixture.token().compact
        for scheme in ["DPoP", "dpop", "DPOP", "DPoP  "] {
            let proof = try DPoPProof.make(
                method: "POST", url: "https://vault.example" + Self.path, nonce: try fixture.nonce(),
                accessToken: token, key: fixture.clientKey, identifier: "p-\(scheme.utf8.count)",
                now: fixture.now)
            let access = try fixture.access.verify(
                authorization: ["\(scheme) \(token)"], dpop: [proof], method: "POST", path: Self.path,
                now: fixture.now)
            #expect(access.client == fixture.client.id)
            #expect(access.token.tokenHash == SHA256.hash(Array(token.utf8)))
            #expect(
                access.proof?.identifier
                    == SHA256.hash(Array("\(fixture.clientKey.thumbprint)\u{0}p-\(scheme.utf8.count)".utf8)))
            #expect(try #require(access.proof).expires > fixture.now.adding(seconds: 299))
        }
    }

    @Test("Without credentials, or with those of another scheme, there is no access")
    func credentials() throws {
        let proof = try proof(token: token)
        for value in [
            "Bearer \(token)", "Basic \(token)", token, "", " DPoP \(token)", "DPoP\t\(token)",
            "DPoPx \(token)",
        ] {
            #expect(refused([value], [proof]) == .noCredentials, "\(value.prefix(12))")
        }
        #expect(refused([], [proof]) == .noCredentials)
        #expect(refused(["DPoP"], [proof]) == .invalidToken(.absent))
        #expect(refused(["DPoP "], [proof]) == .invalidToken(.absent))
        #expect(refused(["DPoP \(token) "], [proof]) == .invalidToken(.segments))
        #expect(refused(["DPoP \(token), DPoP \(token)"], [proof]) == .invalidToken(.segments))
        #expect(refused(["DPoP \(token)", "DPoP \(token)"], [proof]) == .invalidRequest(.several))
        #expect(refused(["DPoP \(token)", "Bearer x"], [proof]) == .invalidRequest(.several))
        #expect(
            refused(["DPoP " + String(repeating: "A", count: 1 << 20)], [proof]) == .invalidToken(.tooLarge))
    }

    @Test("A stolen token without its key is worth nothing")
    func stolenToken() throws {
        let thief = PrivateJWK(try SigningKey(generating: .es256))
        let nonce = try fixture.nonces.nonce(for: thief.thumbprint, now: fixture.now)
        #expect(refused(["DPoP \(token)"], []) == .invalidDPoPProof(.absent))
        #expect(
            refused(["DPoP \(token)"], [try proof(token: token, key: thief, nonce: nonce)])
                == .invalidToken(.keyBinding))
    }

    @Test("Two proofs are refused, even if one is good")
    func twoProofs() throws {
        let proof = try proof(token: token)
        #expect(refused(["DPoP \(token)"], [proof, "x"]) == .invalidDPoPProof(.several))
        #expect(refused(["DPoP \(token)"], ["x", proof]) == .invalidDPoPProof(.several))
    }

    @Test("A proof holds for its method, path, token and time only")
    func otherRequest() throws {
        let good = try proof(token: token)
        #expect(refused(["DPoP \(token)"], [good]) == nil)
        #expect(refused(["DPoP \(token)"], [good], method: "GET") == .invalidDPoPProof(.method))
        let other = "/v1/contacts/\(Fixture.otherContact.description)/actions/dial"
        #expect(refused(["DPoP \(token)"], [good], path: other) == .invalidDPoPProof(.uri))
        #expect(refused(["DPoP \(token)"], [good], path: Self.path + "?x=1") == .invalidDPoPProof(.uri))
        #expect(refused(["DPoP \(token)"], [good], path: "") == .invalidDPoPProof(.uri))
        let second = try fixture.token().compact
        #expect(refused(["DPoP \(second)"], [good]) == .invalidDPoPProof(.accessTokenHash))
        #expect(
            refused(["DPoP \(token)"], [try proof(token: nil)]) == .invalidDPoPProof(.accessTokenHash))
        let old = try proof(token: token, now: fixture.now.adding(seconds: -301))
        #expect(refused(["DPoP \(token)"], [old]) == .invalidDPoPProof(.stale))
        let early = try proof(token: token, now: fixture.now.adding(seconds: 11))
        #expect(refused(["DPoP \(token)"], [early]) == .invalidDPoPProof(.notYetValid))
    }

    @Test("A proof without a nonce is answered with the one for its key")
    func nonce() throws {
        let bare = try DPoPProof.make(
            method: "POST", url: "https://vault.example" + Self.path, nonce: nil, accessToken: token,
            key: fixture.clientKey, identifier: "p-1", now: fixture.now)
        #expect(refused(["DPoP \(token)"], [bare]) == .useDPoPNonce(try fixture.nonce()))
    }

    @Test("A token, a proof and an assertion do not serve in each other's place")
    func confusion() throws {
        let proof = try proof(token: token)
        let assertion = try ClientAssertion.make(
            client: fixture.client.id, issuer: Fixture.issuerURL, key: fixture.clientKey, identifier: "a-1",
            now: fixture.now)
        // As a token.
        #expect(refused(["DPoP \(proof)"], [proof]) == .invalidToken(.unknownMember))
        #expect(refused(["DPoP \(assertion)"], [proof]) == .invalidToken(.type))
        // As a proof.
        #expect(refused(["DPoP \(token)"], [token]) == .invalidDPoPProof(.unknownMember))
        #expect(refused(["DPoP \(token)"], [assertion]) == .invalidDPoPProof(.unknownMember))
        // As an assertion.
        for text in [token, proof] {
            let refused = refusal { _ = try ClientAssertion(parsing: Array(text.utf8)) }
            #expect(refused == .invalidClient(text == proof ? .unknownMember : .type))
        }
        // Even if the vault's own key were registered as a client's and the claims were made to fit.
        let client = try Fixture.client(keys: [PublicJWK(fixture.issuerKey.verificationKey)])
        let forged = try forge(
            header: fixture.header.text,
            payload: #"{"iss":"dialer-1","sub":"dialer-1","aud":"https://vault.example","iat":1767225600,"#
                + #""exp":1767225660,"jti":"x"}"#, key: fixture.issuerKey)
        #expect(
            refusal {
                _ = try ClientAssertion(parsing: Array(forged.utf8)).verify(
                    client: client, issuer: Fixture.issuerURL, now: fixture.now)
            } == .invalidClient(.type))
    }

    @Test("A used token is good once more for the verifier, and expired when it is")
    func cachedToken() throws {
        let later = fixture.now.adding(seconds: 119)
        let after = fixture.now.adding(seconds: 120)
        for (now, expected) in [(fixture.now, nil), (later, nil), (after, TokenError.invalidToken(.expired))]
        {
            let nonce = try fixture.nonces.nonce(for: fixture.clientKey.thumbprint, now: now)
            let proof = try proof(token: token, nonce: nonce, now: now)
            #expect(refused(["DPoP \(token)"], [proof], now: now) == expected)
        }
    }

    @Test("A token covers its own action and contact and nothing else")
    func scope() throws {
        let dial = try #require(Action("dial"))
        let display = try #require(Action("display"))
        let access = try verify(["DPoP \(token)"], [try proof(token: token)])
        #expect(try access.contactAccess(to: Fixture.contact, action: dial).maximumUses == 1)
        func refused(_ body: () throws -> Void) -> Bool { refusal(body) == .insufficientScope }
        #expect(refused { _ = try access.contactAccess(to: Fixture.otherContact, action: dial) })
        #expect(refused { _ = try access.contactAccess(to: Fixture.contact, action: display) })
        #expect(refused { _ = try access.batchAccess(action: dial) })
        #expect(refused { _ = try access.numberMatch() })
        #expect(refused { _ = try access.intake(.create) })
        #expect(refused { try access.management(.read, of: Fixture.contact) })
        #expect(refused { try access.management(.suppress, of: nil) })
        #expect(refused { _ = try access.accessLog(.read) })
        #expect(refused { try access.keyManagement(.read) })
    }

    @Test("Every other type covers its one operation")
    func otherScopes() throws {
        func access(_ details: AuthorizationDetails) throws -> VerifiedAccess {
            let token = try fixture.token(details)
            let verified = try fixture.tokens.verify(Array(token.compact.utf8), now: fixture.now)
            return VerifiedAccess(token: verified, proof: nil)
        }
        func refused(_ body: () throws -> Void) -> Bool { refusal(body) == .insufficientScope }
        let dial = try #require(Action("dial"))

        let batch = try access(try Fixture.details(.several([Fixture.contact, Fixture.otherContact])))
        #expect(try batch.batchAccess(action: dial).contacts.count == 2)
        #expect(try batch.contactAccess(to: Fixture.otherContact, action: dial).contacts.count == 2)

        let actor = Actor(kind: .ivr, id: try #require(Reference("u_1")))
        let match = try access(.numberMatch(try NumberMatchDetails(actor: actor, maximumUses: 5)))
        #expect(try match.numberMatch().maximumUses == 5)
        #expect(refused { _ = try match.contactAccess(to: Fixture.contact, action: .match) })
        #expect(refused { _ = try match.batchAccess(action: .match) })

        let portfolio = try #require(Reference("pf_1"))
        let intake = try access(
            .contactIntake(ContactIntakeDetails(operation: .create, portfolio: portfolio)))
        #expect(try intake.intake(.create).portfolio == portfolio)
        #expect(refused { _ = try intake.intake(.import) })

        let erase = try access(
            .contactManagement(try ContactManagementDetails(operation: .erase, contact: Fixture.contact)))
        try erase.management(.erase, of: Fixture.contact)
        #expect(refused { try erase.management(.erase, of: Fixture.otherContact) })
        #expect(refused { try erase.management(.erase, of: nil) })
        #expect(refused { try erase.management(.read, of: Fixture.contact) })

        let log = try access(.accessLog(try AccessLogDetails(operation: .prove)))
        #expect(try log.accessLog(.prove).from == nil)
        #expect(refused { _ = try log.accessLog(.export) })

        let keys = try access(.keyManagement(KeyManagementDetails(operation: .rotate)))
        try keys.keyManagement(.rotate)
        #expect(refused { try keys.keyManagement(.destroy) })
    }

    @Test("Refusals carry their code and none of the input")
    func codes() throws {
        #expect(refused(["DPoP \(token)"], [])?.code == "invalid_dpop_proof")
        #expect(refused([], [])?.code == nil)
        #expect(TokenError.useDPoPNonce("n").code == "use_dpop_nonce")
        let secret = "5eb63bbbe01eeed093cb22bb8f5acdc3"
        let refusals = [
            refused(["DPoP \(secret).\(secret).\(secret)"], []), refused(["DPoP \(token)"], [secret]),
            try fixture.refusalOfToken(claims: fixture.claims.with("jti", "\"\(secret)\"")),
            try fixture.refusalOfToken(header: fixture.header.with(secret, "1")),
        ]
        for refusal in refusals {
            #expect(refusal != nil && !"\(String(describing: refusal))".contains(secret))
        }
    }
}

@Suite("Registered clients")
struct RegisteredClientTests {
    static func everyType() throws -> [(AuthorizationDetails, Set<Role>)] {
        let actor = Actor(kind: .human, id: try #require(Reference("u_1")))
        let portfolio = try #require(Reference("pf_1"))
        return [
            (try Fixture.details(), [.collection, .complaints, .privacy]),
            (
                .numberMatch(try NumberMatchDetails(actor: actor, maximumUses: 1)),
                [.collection, .complaints, .privacy]
            ),
            (.contactIntake(ContactIntakeDetails(operation: .create, portfolio: portfolio)), [.intake]),
            (
                .contactManagement(try ContactManagementDetails(operation: .read, contact: Fixture.contact)),
                [.intake, .privacy]
            ),
            (.accessLog(try AccessLogDetails(operation: .read)), [.privacy]),
            (.keyManagement(KeyManagementDetails(operation: .rotate)), [.security]),
        ]
    }

    @Test("A role asks for its own types of token and no others")
    func roles() throws {
        for (details, roles) in try Self.everyType() {
            for role in Role.allCases {
                let client = try Fixture.client(keys: [], roles: [role])
                #expect(client.mayRequest(details) == roles.contains(role), "\(details.type) \(role)")
            }
            #expect(try !Fixture.client(keys: [], roles: []).mayRequest(details))
        }
    }

    @Test("A suspended client asks for nothing")
    func suspended() throws {
        for (details, _) in try Self.everyType() {
            let client = try Fixture.client(keys: [], roles: Set(Role.allCases), suspended: true)
            #expect(!client.mayRequest(details))
        }
    }

    @Test("Registered purposes and portfolios bound it further")
    func bounds() throws {
        let relay = try #require(Purpose("relay.message"))
        let notice = try #require(Purpose("contact.notice"))
        let mine = try #require(Reference("pf_1"))
        let other = try #require(Reference("pf_2"))
        let actor = Actor(kind: .human, id: try #require(Reference("u_1")))
        let access = try Fixture.details()
        let match = AuthorizationDetails.numberMatch(try NumberMatchDetails(actor: actor, maximumUses: 1))
        #expect(try Fixture.client(keys: [], purposes: [relay]).mayRequest(access))
        #expect(try !Fixture.client(keys: [], purposes: [notice]).mayRequest(access))
        #expect(try !Fixture.client(keys: [], purposes: [relay]).mayRequest(match))
        #expect(try Fixture.client(keys: [], purposes: [.suppressMatch]).mayRequest(match))
        let intake = AuthorizationDetails.contactIntake(
            ContactIntakeDetails(operation: .import, portfolio: mine))
        #expect(try Fixture.client(keys: [], roles: [.intake]).mayRequest(intake))
        #expect(try Fixture.client(keys: [], roles: [.intake], portfolios: [mine]).mayRequest(intake))
        #expect(try !Fixture.client(keys: [], roles: [.intake], portfolios: [other]).mayRequest(intake))
    }
}
